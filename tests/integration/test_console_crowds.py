"""The console by real sockets: what one client takes for itself, others still get."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from limits.console import rate, serving, tokens
from limits.console.auditing import exporting, slow
from limits.console.connections import Places
from limits.errors import SettingsError
from limits.settings import Settings, make_settings
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


# Connections ----------------------------------------------------------------------------------------------------------


def crowded(site: Site, **more: Any) -> Site:
    return Site(
        site.context.database("console"), site.context.settings.model_copy(update={"web_connections": 5} | more)
    )


def test_a_client_with_all_its_connections_keeps_no_other_address_out(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        capture_logs() as said,
        wire.listening(crowded(site)) as port,
        wire.connecting(port, "127.0.0.2") as crowd,
        wire.connecting(port, "127.0.0.3") as other,
        wire.connecting(port) as here,
    ):

        def served(client: wire.Client) -> int:
            client.ask("/sign-in")
            return client.head()[0]

        first, *idle = [crowd() for _ in range(5)]
        refused = [crowd() for _ in range(20)]
        assert [client.is_closed() for client in refused] == [True] * 20
        assert served(first) == 200, "those that are in stay in"
        # A connection that is over makes room for one more, and those that were closed took none.
        assert first.rest() and served(crowd()) == 200
        assert [served(other()) for _ in range(5)] == [200] * 5
        # This machine's health check, however many connections of this machine there are.
        many = [here() for _ in range(10)]
        assert [served(client) for client in many] == [200] * 10
        assert len(idle) == 4
    told = [one for one in said if one["event"].startswith("connections were closed")]
    assert [(one["most"], one["n"]) for one in told] == [(5, 1)], "once a minute, not for each"
    assert [one.getMessage() for one in caplog.records if one.name == "asyncio" and one.levelname == "ERROR"] == []


def test_the_connections_of_a_proxy_are_everybodys(site: Site) -> None:
    named = crowded(site, web_proxies="10.0.0.0/8, 127.0.0.2")
    with wire.listening(named) as port, wire.connecting(port, "127.0.0.2") as proxy:
        clients = [proxy() for _ in range(20)]
        for number, client in enumerate(clients):
            client.ask("/sign-in", **{"x-forwarded-for": f"192.0.2.{number}"})
        assert [client.head()[0] for client in clients] == [200] * 20


def test_an_address_is_one_however_it_is_written() -> None:
    places = Places(1, "10.0.0.7, 2001:db8:1::/48, ::ffff:10.0.0.8")
    assert places.take("192.0.2.1") == "192.0.2.1"
    assert places.take("192.0.2.1") is places.take("::ffff:192.0.2.1") is None
    assert places.take("192.0.2.2") == "192.0.2.2", "though a socket of IPv6 has both"
    network = places.take("2001:db8::1")
    assert network == "2001:db8::/64" and places.take("2001:db8::2:0:1") is None
    places.give_back(network)
    assert places.take("2001:db8::2") == network
    assert places.take("fe80::1%eth0") == "fe80::/64"
    for free in (
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.7",
        "::ffff:10.0.0.7",
        "::ffff:10.0.0.8",
        "2001:db8:1::9",
        "",
    ):
        assert [places.take(free) for _ in range(3)] == [""] * 3
    places.give_back("")
    assert rate.place_of("testclient") == "testclient"


def test_nobody_may_have_more_connections_than_there_are() -> None:
    assert make_settings(web_connections=serving.CONNECTIONS).web_connections == serving.CONNECTIONS
    for wrong in (0, serving.CONNECTIONS + 1, "many"):
        with pytest.raises(SettingsError, match="LIMITS_WEB_CONNECTIONS"):
            make_settings(web_connections=wrong)
