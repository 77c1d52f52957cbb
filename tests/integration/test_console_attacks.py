"""What an attacker tries before and around every page: other sites, other names, bodies, links, sessions, keys."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from limits.console import guard, sessions
from limits.console.guard import HEADERS, LONGEST_BODY, LONGEST_OF_NOBODY
from limits.console.rate import Buckets
from limits.settings import Settings
from limits.store.db import Connection, Database
from tests.web import HTML, Site, text_of, together


@pytest.fixture
def site(database: Database, settings: Settings) -> Site:
    return Site(database, settings)


@pytest.fixture
def embedded(database: Database, settings: Settings) -> Site:
    """As with the embedded database: links sign in."""
    return Site(database, settings.model_copy(update={"database_url": None}))


# From elsewhere -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "http://localhost:81"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost"},
    ],
)
@pytest.mark.parametrize("address", ["/sign-out", "/sign-in/link", "/v1/reviews"])
def test_a_page_of_another_site_writes_nothing(site: Site, headers: dict[str, str], address: str) -> None:
    person = site.person()
    answer = person.client.post(address, headers=headers, data={"csrf": person.csrf, "link": "x"})
    assert answer.status_code == 403 and answer.json()["type"] == "/problems/from-elsewhere"
    assert person.get("/reviews").status_code == 200


def test_our_own_pages_write_whatever_the_browser_says_of_them(site: Site) -> None:
    for headers in ({"sec-fetch-site": "same-origin", "origin": "null"}, {"origin": "http://localhost"}, {}):
        person = site.person()
        answer = person.client.post("/sign-out", headers=headers, data={"csrf": person.csrf})
        assert answer.status_code == 303


@pytest.mark.parametrize("token", ["", "x", "ä", "c" * 43])
def test_a_write_without_the_token_of_the_session_is_refused(site: Site, token: str) -> None:
    person, other = site.person(), site.person()
    for given in (token, other.csrf):
        answer = person.client.post("/sign-out", data={"csrf": given})
        assert answer.status_code == 403 and answer.json()["type"] == "/problems/form-too-old"
    assert person.get("/reviews").status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "evil.example:8321", "localhost.", "[x]", ""]
)
def test_another_name_that_leads_here_opens_nothing(site: Site, host: str) -> None:
    answer = site.nobody().get("/sign-in", headers={"host": host})
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8321", "127.0.0.1:8321", "[::1]:8321", "10.1.2.3"])
def test_our_names_and_bare_addresses_are_ours(site: Site, host: str) -> None:
    assert site.nobody().get("/sign-in", headers={"host": host}).status_code == 200


# What is on every answer ----------------------------------------------------------------------------------------------


def test_every_answer_has_the_headers(site: Site) -> None:
    person = site.person("risk")
    answers = {
        "page": person.get("/reviews"),
        "api": person.ask("/v1/reviews"),
        "static": person.client.get("/static/console.js"),
        "no static": person.client.get("/static/nothing.js"),
        "nothing": person.get("/nothing"),
        "refused": site.person("admin").ask("/v1/reviews"),
        "nobody": site.nobody().get("/v1/reviews"),
        "sent on": site.nobody().get("/reviews", headers=HTML),
        "wrong": person.ask("/v1/reviews?limit=x"),
        "other name": site.nobody().get("/", headers={"host": "evil.example"}),
        "method": person.client.delete("/v1/reviews", headers={"x-csrf-token": person.csrf}),
        "head": person.client.head("/v1/reviews"),
    }
    for name, answer in answers.items():
        assert {key: answer.headers.get(key) for key in HEADERS} == HEADERS, name
        assert len(answer.headers["x-request-id"]) == 32
        assert "strict-transport-security" not in answer.headers
    assert [answers[name].status_code for name in ("nothing", "refused", "nobody", "wrong", "method", "head")] == [
        404, 403, 401, 422, 405, 200,
    ]  # fmt: skip
    assert answers["head"].content == b""
    assert answers["nobody"].headers["www-authenticate"] == "Bearer"


def test_an_unexpected_error_is_one_sentence_with_all_headers(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("limits.console.reviews.answers.listing", broken)
    with capture_logs() as said:
        answers = site.person().ask("/v1/reviews"), site.person().get("/reviews")
    failed = [one for one in said if one["log_level"] == "error"]
    assert len(failed) == 2 and "secret" not in str(said), "where it happened is kept, and no value"
    assert failed[0]["error"] == "RuntimeError" and failed[0]["at"][-1].endswith("broken")
    for answer in answers:
        assert answer.status_code == 500 and "secret" not in answer.text
        assert answer.headers["x-request-id"] in answer.text
        assert {key: answer.headers.get(key) for key in HEADERS} == HEADERS


def test_a_database_that_is_gone_is_said_as_503(settings: Settings) -> None:
    gone = Database("postgresql://nobody@127.0.0.1:9/nothing?connect_timeout=1")
    site = Site(gone, settings)
    client = site.nobody()
    client.cookies.set("limits_session", "x")
    pool_seconds = 0.3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("limits.console.context.POOL_SECONDS", pool_seconds)
        answer = client.get("/v1/reviews")
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_where_there_is_tls_cookies_and_headers_say_so(database: Database, settings: Settings) -> None:
    site = Site(database, settings.model_copy(update={"web_url": "https://limits.example", "database_url": None}))
    with site.context.connect("console") as conn:
        link = sessions.make_link(conn, "Ann Lee", ["risk"])
    client = TestClient(site.app, base_url="https://limits.example", follow_redirects=False)
    answer = client.post("/sign-in/link", data={"link": link}, headers={"origin": "https://limits.example"})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-limits_session=")
    assert all(flag in cookie for flag in ("; secure", "; httponly", "; samesite=strict", "; path=/"))
    assert "domain" not in cookie
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert client.get("/reviews", headers=HTML).status_code == 200


def test_words_after_a_form_are_shown_only_where_they_are_ours(site: Site) -> None:
    person = site.person()
    assert "call 555" not in text_of(person.get("/reviews?said=call+555"))
    assert "call 555" not in text_of(person.get("/reviews?said=call+555&by=x"))
    from limits.console.pages import see

    assert "call 555" in text_of(person.get(see("/reviews", "call 555").headers["location"]))


# Bodies and addresses -------------------------------------------------------------------------------------------------


def test_bodies_have_an_end_whatever_their_length_was_said_to_be(site: Site) -> None:
    def endless(size: int) -> Any:
        for _ in range(size // 1000):
            yield b"x" * 1000

    client = site.nobody()
    assert client.post("/sign-in/link", content=b"x" * (LONGEST_OF_NOBODY + 1)).status_code == 413
    assert client.post("/sign-in/link", content=endless(LONGEST_OF_NOBODY + 1000)).status_code == 413
    person = site.person()
    assert person.client.post("/sign-out", content=endless(LONGEST_OF_NOBODY + 1000)).status_code == 403
    answer = person.client.post("/sign-out", content=endless(LONGEST_BODY + 1000))
    assert answer.status_code == 413 and answer.headers["connection"] == "close"
    assert client.post("/sign-in/link", headers={"content-length": "many"}, content=b"").status_code == 400


def raw(site: Site, messages: list[dict[str, Any] | float], **more: Any) -> list[dict[str, Any]]:
    """A request as the server gets it from the wire; a number is a wait."""
    sent: list[dict[str, Any]] = []
    left = list(messages)

    async def receive() -> Any:
        while True:
            one = left.pop(0) if left else 3600.0
            if isinstance(one, dict):
                return one
            await asyncio.sleep(one)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/sign-in/link",
        "raw_path": b"/sign-in/link", "query_string": b"", "client": ("127.0.0.1", 1), "server": ("localhost", 80),
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/x-www-form-urlencoded")],
    } | more  # fmt: skip
    asyncio.run(site.app(scope, receive, send))
    return sent


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_slow_body_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.05)
    assert raw(site, [part(b"li", more=True), 5.0, part(b"nk=x", more=False)])[0]["status"] == 408


def test_of_a_request_that_was_cut_off_nothing_is_done(embedded: Site) -> None:
    with embedded.context.connect("console") as conn:
        link = sessions.make_link(conn, "Ann Lee", ["risk"])
    body = f"link={link}".encode()
    assert raw(embedded, [part(body, more=True), {"type": "http.disconnect"}]) == []
    assert raw(embedded, [part(body, more=False)])[0]["status"] == 303


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"[" * 100_000, "application/json", 400),
        (b"9" * 5_000, "application/json", 400),
        (b'{"a": "\\u0000"}', "application/json", 422),
        (b'{"a": ["\\uD800"]}', "application/json", 422),
        (b'{"\\udfff": 1}', "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b"{}", "", 415),
    ],
)
def test_what_is_no_json_of_text_is_refused_as_a_problem(site: Site, content: bytes, kind: str, status: int) -> None:
    person = site.person("admin")
    headers = {"content-type": kind, "x-csrf-token": person.csrf, "idempotency-key": "k"}
    answer = person.client.post("/v1/tokens", content=content, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_backslash_before_u0000_is_text_like_any_other(site: Site) -> None:
    person = site.person("admin")
    headers = {"content-type": "application/json", "x-csrf-token": person.csrf, "idempotency-key": "k"}
    answer = person.client.post("/v1/tokens", content=b'{"name": "\\\\u0000"}', headers=headers)
    assert answer.json()["type"] == "/problems/not-usable"


@pytest.mark.parametrize("address", ["/v1/reviews?schedule=%00", "/v1/reviews?schedule=a%00b", "/reviews?schedule=%00"])
def test_a_character_of_code_0_in_an_address_is_refused(site: Site, address: str) -> None:
    answer = site.person().ask(address)
    assert answer.status_code == 422 and answer.json()["type"] == "/problems/not-a-text"


@pytest.mark.parametrize("given", ["%ED%A0%80", "%FF", "%0d%0aset-cookie:%20a=b", "'%3B--", "%F0%9F%98%80"])
def test_odd_texts_in_an_address_are_only_texts(site: Site, given: str) -> None:
    person = site.person()
    for address in ("/v1/reviews", "/reviews"):
        answer = person.get(f"{address}?schedule={given}&cursor=")
        assert answer.status_code in (200, 422) and "set-cookie" not in answer.headers


# How often ------------------------------------------------------------------------------------------------------------


def test_too_many_requests_wait(site: Site) -> None:
    site.app.state.buckets = Buckets(per_minute=3)
    ann, bo = site.person(actor="Ann"), site.person(actor="Bo")
    assert [ann.ask("/v1/reviews").status_code for _ in range(4)] == [200, 200, 200, 429]
    again = site.person(actor="Ann").ask("/v1/reviews")
    assert again.status_code == 429, "another session of the same person"
    assert int(again.headers["retry-after"]) >= 1
    assert bo.ask("/v1/reviews").status_code == 200
    assert ann.client.get("/static/console.css").status_code == 200


def test_tries_to_sign_in_are_counted_by_address(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "NOBODY_PER_MINUTE", 3)
    client = site.nobody()
    client.cookies.set("limits_session", "a guess")
    assert [client.get("/sign-in").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert site.person().ask("/v1/reviews").status_code == 200, "whoever signed in is not touched by it"


def test_the_bucket_fills_again_evenly() -> None:
    buckets = Buckets(per_minute=60)
    assert [buckets.take("a", now=0.0) for _ in range(60)] == [0.0] * 60
    assert buckets.take("a", now=0.0) == pytest.approx(1.0)
    assert buckets.take("a", now=1.0) == 0.0
    assert buckets.take("a", now=1.5) == pytest.approx(0.5)


# Sessions and links ---------------------------------------------------------------------------------------------------


def make_link(site: Site, actor: str = "Ann Lee") -> str:
    with site.context.connect("console") as conn:
        return sessions.make_link(conn, actor, ["risk"])


def test_a_link_signs_in_once_and_not_by_being_looked_at(embedded: Site) -> None:
    link = make_link(embedded)
    client = embedded.nobody()
    for _ in range(2):  # a browser that fetches ahead, a mail program
        page = client.get(f"/sign-in?link={link}", headers=HTML)
        assert "set-cookie" not in page.headers
        assert "Ann Lee" in text_of(page), "whoever follows a link sees as whom it signs in"
    first = client.post("/sign-in/link", data={"link": link})
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert client.get("/reviews", headers=HTML).status_code == 200
    second = embedded.nobody().post("/sign-in/link", data={"link": link}, headers=HTML)
    assert second.status_code == 403 and "set-cookie" not in second.headers
    assert "used before" in text_of(embedded.nobody().get(f"/sign-in?link={link}", headers=HTML))


def test_of_two_who_use_a_link_at_once_one_signs_in(embedded: Site) -> None:
    link = make_link(embedded)
    answers = together(lambda: embedded.nobody().post("/sign-in/link", data={"link": link}).status_code, 4)
    assert sorted(answers) == [303, 403, 403, 403]


def test_a_link_is_over_after_a_while(embedded: Site, conn: Connection) -> None:
    link = make_link(embedded)
    conn.execute("UPDATE limits_console.links SET ends_at = clock_timestamp() - interval '1 second'")
    assert embedded.nobody().post("/sign-in/link", data={"link": link}).status_code == 403


def test_a_link_signs_nobody_in_where_the_database_is_a_server(site: Site) -> None:
    link = make_link(site)
    assert site.nobody().post("/sign-in/link", data={"link": link}).status_code == 404


def test_signing_in_gives_a_new_session_and_ends_the_one_before(embedded: Site) -> None:
    person = embedded.person(actor="Old")
    old = person.client.cookies["limits_session"]
    answer = person.client.post("/sign-in/link", data={"link": make_link(embedded, "New")})
    assert answer.status_code == 303
    fixed = embedded.nobody()
    fixed.cookies.set("limits_session", old)
    assert fixed.get("/v1/reviews").status_code == 401
    unknown = embedded.nobody()
    unknown.cookies.set("limits_session", "chosen-by-somebody-else")
    answer = unknown.post("/sign-in/link", data={"link": make_link(embedded)})
    assert "chosen-by-somebody-else" not in answer.headers["set-cookie"]


def test_a_session_is_over_at_its_ends(site: Site, conn: Connection) -> None:
    idle, longest = site.person(actor="Idle"), site.person(actor="Longest")
    conn.execute("UPDATE limits_console.sessions SET idle_at = clock_timestamp() WHERE actor = 'Idle'")
    conn.execute("UPDATE limits_console.sessions SET ends_at = clock_timestamp() WHERE actor = 'Longest'")
    for person in (idle, longest):
        assert person.ask("/v1/reviews").status_code == 401
        assert person.get("/reviews").headers["location"] == "/sign-in"


def test_only_somebody_who_sits_there_keeps_a_session_alive(site: Site, conn: Connection) -> None:
    person = site.person()
    soon = "UPDATE limits_console.sessions SET idle_at = clock_timestamp() + interval '5 minutes'"
    left = "SELECT idle_at - clock_timestamp() FROM limits_console.sessions"

    def minutes() -> int:
        row = conn.execute(left).fetchone()
        assert row is not None
        return round(row[0] / dt.timedelta(minutes=1))

    conn.execute(soon)
    person.client.get("/reviews", headers={"sec-fetch-mode": "cors"})
    assert minutes() == 5
    person.client.get("/reviews", headers={"sec-fetch-mode": "navigate"})
    assert minutes() == 30


def test_what_the_database_holds_signs_nobody_in(site: Site, conn: Connection) -> None:
    person = site.person()
    row = conn.execute("SELECT session_hash FROM limits_console.sessions").fetchone()
    assert row is not None
    for guess in (row[0].hex(), person.csrf):
        client = site.nobody()
        client.cookies.set("limits_session", guess)
        assert client.get("/v1/reviews").status_code == 401


def test_after_signing_out_the_session_is_no_session(site: Site) -> None:
    person = site.person()
    secret = person.client.cookies["limits_session"]
    answer = person.post("/sign-out", {})
    assert answer.headers["location"] == "/sign-in"
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    person.client.cookies.set("limits_session", secret)
    assert person.ask("/v1/reviews").status_code == 401
