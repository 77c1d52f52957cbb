"""The console by real sockets: what one client takes for itself, others still get."""

from __future__ import annotations

from typing import Any

import pytest

from limits.console import tokens
from limits.console.auditing import exporting, slow
from limits.settings import Settings
from limits.store.db import Database
from tests import wire
from tests.web import Person, Site

#: What an export has here: more than the kernel and the server keep for whoever does not read.
PIECES, PIECE = 48, b"x" * (1 << 20)


@pytest.fixture
def site(database: Database, settings: Settings) -> Site:
    return Site(database, settings)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(entries: Any, file: Any, progress: Any) -> int:
        for _ in range(PIECES):
            file.write(PIECE)
        return PIECES

    monkeypatch.setitem(exporting.WRITERS, "csv", write)


def cookie_of(person: Person) -> dict[str, str]:
    return {"cookie": f"limits_session={person.client.cookies['limits_session']}"}


def machine(site: Site, name: str) -> dict[str, str]:
    with site.context.connect("console") as conn:
        _, secret = tokens.make(conn, name, ["auditor"], 1, "a test")
    return {"authorization": f"Bearer {secret}"}


def test_one_auditors_slow_downloads_leave_the_others_theirs(site: Site, large: None) -> None:
    again = cookie_of(site.person("auditor", actor="Ann Lee"))
    ann, ben = (cookie_of(site.person("auditor", actor=name)) for name in ("Ann Lee", "Ben Orr"))
    one, other = machine(site, "one"), machine(site, "other")
    with wire.listening(site) as port, wire.connecting(port) as connect:

        def begin(headers: dict[str, str], address: str = "/v1/adjustments/export") -> wire.Client:
            client = connect()
            client.ask(address, **headers)
            return client

        slowly = [begin(headers) for headers in (ann, again, *[ann] * (slow.EXPORTS - slow.EXPORTS_EACH))]
        statuses = sorted(client.head()[0] for client in slowly)
        assert statuses == [200] * slow.EXPORTS_EACH + [429] * (slow.EXPORTS - slow.EXPORTS_EACH)
        status, headers = begin(ann, "/log/export").head()
        assert (status, headers["retry-after"]) == (429, "60"), "the page counts as the API does"
        refused = begin(ann)
        assert refused.head()[1]["content-type"] == "application/problem+json"
        assert b"exports of yours are under way" in refused.rest()
        # Whoever reads gets all of it, beside them: each person and each machine has places of its own.
        for headers in (ben, one, other):
            client = begin(headers)
            assert client.head()[0] == 200
            assert len(client.rest()) > PIECES * len(PIECE)
        # All together they are as many as ever, and are told so as ever.
        more = [begin(headers) for headers in (ben, ben, one, one, other, other)]
        assert [client.head()[0] for client in more] == [200] * 6
        last = begin(cookie_of(site.person("auditor", actor="Cy Dow")))
        assert last.head()[0] == 503
        # One that goes away, and one that is read to its end, leave their places.
        loading = [client for client in slowly if client.head()[0] == 200]
        loading[0].wire.close()
        assert loading[1].rest().endswith(b"0\r\n\r\n")
        wire.until(lambda: begin(ann).head()[0] == 200)
        wire.until(lambda: begin(ann).head()[0] == 200)
        assert begin(ann).head()[0] == 429
