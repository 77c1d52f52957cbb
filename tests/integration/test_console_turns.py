"""One person, machine or role that asks too much at once stands in nobody else's way."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from limits.console import guard, turns
from limits.console.auditing import answers
from limits.console.turns import EACH, TOGETHER, WAITING
from limits.settings import Settings
from limits.store.db import Database
from tests.web import Person, Site

#: Seconds until it is given up what comes at once where nobody stands in the way.
PATIENCE = 60.0


@pytest.fixture
def site(database: Database, settings: Settings) -> Site:
    return Site(database, settings)


class Slow:
    """The list of the log, which takes until it is let go."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.go, self.at_once, self.most = threading.Event(), 0, 0
        self._lock = threading.Lock()
        patch.setattr(answers, "listing", self)

    def __call__(self, *_: Any, **__: Any) -> answers.AdjustmentPage:
        with self._lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.go.wait(2 * PATIENCE)
        with self._lock:
            self.at_once -= 1
        return answers.AdjustmentPage(items=[], next=None, searched_back_to=None, archived=None)


def ask(client: httpx.AsyncClient, person: Person, address: str) -> asyncio.Task[httpx.Response]:
    headers = {"cookie": f"limits_session={person.client.cookies['limits_session']}"}
    return asyncio.ensure_future(client.get(address, headers=headers))


async def until(what: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not what():
        await asyncio.sleep(0.01)
        assert time.monotonic() - began < PATIENCE


def served(site: Site) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(site.app), base_url="http://localhost")


def test_auditors_who_ask_for_much_keep_nobody_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    auditors = [site.person("auditor", actor=f"Auditor {n}") for n in range(3)]
    other = site.person("operations", actor="Bo Chen")

    async def run() -> None:
        async with served(site) as client:
            floods = [ask(client, one, "/v1/adjustments") for one in auditors for _ in range(20)]
            await until(lambda: slow.at_once >= TOGETHER["auditors"])
            for address in ("/healthz", "/sign-in", "/static/console.css"):
                assert (await asyncio.wait_for(client.get(address), PATIENCE)).status_code in (200, 503)
            assert (await asyncio.wait_for(ask(client, other, "/v1/kill-switch"), PATIENCE)).status_code == 200
            # The log too, which is read by the same login.
            log = ask(client, other, "/v1/adjustments")
            await until(lambda: slow.at_once > TOGETHER["auditors"])
            slow.go.set()
            assert {one.status_code for one in await asyncio.gather(log, *floods)} == {200}

    asyncio.run(run())
    assert slow.most == TOGETHER["auditors"] + 1


def test_one_person_works_on_few_at_once_and_too_many_that_wait_are_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch)
    monkeypatch.setattr(turns, "PATIENCE", 0.5)
    ann, bo = site.person("risk", actor="Ann"), site.person("risk", actor="Bo")

    async def run() -> list[int]:
        async with served(site) as client:
            floods = [ask(client, ann, "/v1/adjustments") for _ in range(EACH + WAITING + 3)]
            await until(lambda: slow.at_once == EACH and sum(one.done() for one in floods) == WAITING + 3)
            assert (await asyncio.wait_for(ask(client, bo, "/v1/kill-switch"), PATIENCE)).status_code == 200
            slow.go.set()
            found = [one.status_code for one in await asyncio.gather(*floods)]
            assert (await ask(client, ann, "/v1/adjustments")).status_code == 200, "all turns are given back"
            return found

    found = asyncio.run(run())
    assert (found.count(200), found.count(503), found.count(429)) == (EACH, WAITING, 3)
    assert slow.most == EACH


def test_whoever_guesses_tokens_is_counted_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "NOBODY_PER_MINUTE", 3)
    client = site.nobody()
    guess = {"authorization": "Bearer limits_guess"}
    assert [client.get("/v1/reviews", headers=guess).status_code for _ in range(4)] == [401, 401, 401, 429]
