"""The web server killed while people use it: nothing of a review is lost, and a second click does nothing twice.

What goes on is of the database and the workers; the server only asks for it, and says how it stands.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from limits.console import sessions
from limits.console.people import Role
from limits.store import gates, reviews
from limits.store.db import Connection
from tests import invariants, packs
from tests.faults.nights import AS_OF, LIMIT_SECONDS, USERS, Night, Nights
from tests.faults.processes import Process, is_done, started, until

pytestmark = pytest.mark.slow

#: A worker that takes its time with what it applies: three users each time.
SLOWLY = "apply.part=sleep:0.4"


class Server:
    """A web server at a port of its own, killed and started as a test says, and a browser that is signed in."""

    def __init__(self, night: Night) -> None:
        self._night = night
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = str(one.getsockname()[1])
        self.process: Process | None = None

    def start(self, hurt: str = "") -> None:
        extra = {"LIMITS_WEB_PORT": self.port, "LIMITS_TEST_FAILPOINTS": hurt}
        self.process = Process(self._night.settings, "web", **extra)
        process = self.process

        def answers() -> bool:
            assert process.process.is_alive(), process.said()
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"http://127.0.0.1:{self.port}/sign-in").status_code == 200
            return False

        until(answers)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            print(f"--- web\n{self.process.said()}")

    @contextlib.contextmanager
    def person(self, actor: str, *roles: Role) -> Iterator[Browser]:
        with self._night.database.connect("console", "limits test") as conn:
            secret = sessions.begin(conn, actor, roles, "a test")
            who = sessions.of(conn, secret)
        assert who is not None
        with httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", cookies={"limits_session": secret}, timeout=60.0
        ) as client:
            yield Browser(client, who.csrf)


class Browser:
    """Loads pages, and sends forms as often as somebody clicks."""

    def __init__(self, client: httpx.Client, csrf: str) -> None:
        self._client, self._csrf = client, csrf

    def get(self, address: str) -> httpx.Response:
        return self._client.get(address, headers={"accept": "text/html"})

    def form(self, **fields: str) -> dict[str, str]:
        """The fields of a form as its page has them: with a key that a second click repeats."""
        return {"csrf": self._csrf, "idempotency_key": secrets.token_urlsafe(12), **fields}

    def click(self, address: str, form: dict[str, str]) -> httpx.Response:
        return self._client.post(address, data=form, headers={"accept": "text/html"})

    def cut_off(self, address: str, form: dict[str, str]) -> None:
        """A click whose answer never comes."""
        with pytest.raises(httpx.TransportError):
            self.click(address, form)


@pytest.fixture
def night(a_night: Nights) -> Iterator[Night]:
    with a_night(plan=False) as made:
        yield made


@pytest.fixture
def server(night: Night) -> Iterator[Server]:
    made = Server(night)
    yield made
    made.kill()


def events(conn: Connection, review_id: int) -> list[str]:
    return [event.what for event in gates.events(conn, review_id)]


def only_review(conn: Connection) -> int:
    (row,) = reviews.list_reviews(conn)
    return row.review_id


def assert_all_accounted(night: Night, review_id: int) -> None:
    row = reviews.get(night.conn, review_id)
    aside = (row.users_quarantined or 0) + (row.users_skipped or 0)
    assert (
        row.users_total == USERS == (row.users_raised or 0) + (row.users_held or 0) + (row.users_lowered or 0) + aside
    )
    invariants.check(night.conn)


def test_a_server_killed_while_a_review_that_was_asked_for_there_is_applied(night: Night, server: Server) -> None:
    server.start()
    worker = Process(night.settings, "worker", "--concurrency", "1", LIMITS_TEST_FAILPOINTS=SLOWLY)
    try:
        with server.person("Ann", "risk") as ann:
            form = ann.form(as_of=str(AS_OF), schedule="manual", policy="")
            asked = ann.click("/reviews", form)
            review_id = only_review(night.conn)
            address = f"/reviews/{review_id}"
            assert asked.status_code == 303 and asked.headers["location"].startswith(address)
            until(lambda: 0 < night_applied(night, review_id) < USERS, LIMIT_SECONDS)
            server.kill()
            before = night_applied(night, review_id)
            ann.cut_off("/reviews", form)
            server.start()
            page = ann.get(address)
            assert page.status_code == 200
            assert night_applied(night, review_id) >= before > 0
            part = ann.get(f"{address}/progress").text
            assert "applying" in part or is_done(night.conn, review_id)
            again = ann.click("/reviews", form)
            # What was said is marked by the server that said it, and this is another one.
            same = again.headers["location"].partition("&by=")[0] == asked.headers["location"].partition("&by=")[0]
            assert again.status_code == 303 and same
            until(lambda: is_done(night.conn, review_id), LIMIT_SECONDS)
            assert "done" in ann.get(address).text
            assert ann.get(f"{address}/progress").headers["x-live"] == "over"
        assert only_review(night.conn) == review_id
        assert_all_accounted(night, review_id)
    finally:
        worker.kill()


def night_applied(night: Night, review_id: int) -> int:
    return reviews.progress(night.conn, review_id).users_done


def test_a_server_killed_before_it_could_say_that_a_review_is_asked_for(night: Night, server: Server) -> None:
    server.start("sql:console_key_end=kill")
    with server.person("Ann", "risk") as ann:
        form = ann.form(as_of=str(AS_OF), schedule="manual", policy="")
        ann.cut_off("/reviews", form)
        review_id = only_review(night.conn)
        server.start()
        for _ in range(2):
            again = ann.click("/reviews", form)
            assert again.status_code == 303 and again.headers["location"].startswith(f"/reviews/{review_id}")
    assert only_review(night.conn) == review_id
    with started(night.settings, ("worker", "--concurrency", "1")):
        until(lambda: is_done(night.conn, review_id), LIMIT_SECONDS)
    assert_all_accounted(night, review_id)


def test_a_release_that_is_clicked_twice_with_the_server_killed_between(a_night: Nights, tmp_path: Path) -> None:
    """The first click lets the review go on and is never answered; the second one is told to look, and does nothing."""
    with a_night(plan=False) as night:
        pack = packs.write_pack(night.conn, tmp_path, "narrow", breakers__raised_bps="0")
        night.settings = night.settings.model_copy(update={"policy": pack})
        night.ask()
        with started(night.settings, ("worker", "--concurrency", "1")):
            until(lambda: reviews.get(night.conn, night.review_id).state == "held", LIMIT_SECONDS)
        server = Server(night)
        try:
            server.start("sql:console_key_end=kill")
            address = f"/reviews/{night.review_id}/release"
            with server.person("Bo", "approver") as bo:
                form = bo.form(reason="looked at")
                bo.cut_off(address, form)
                assert events(night.conn, night.review_id) == ["held", "released"]
                server.start()
                again = bo.click(address, form)
                assert again.status_code == 409 and "look whether it was done" in again.text
                other = bo.click(address, bo.form(reason="looked at"))
                assert other.status_code == 409 and "not held" in other.text
                with started(night.settings, ("worker", "--concurrency", "1")):
                    until(lambda: is_done(night.conn, night.review_id), LIMIT_SECONDS)
                assert "looked at" in bo.get(f"/reviews/{night.review_id}").text
            assert events(night.conn, night.review_id).count("released") == 1
            assert_all_accounted(night, night.review_id)
        finally:
            server.kill()
