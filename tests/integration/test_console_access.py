"""Sessions of people and tokens of machines, as an admin sees them; and what no token may be used for."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from limits.console import tokens
from limits.console.people import ROLES
from limits.settings import Settings
from limits.store.db import Connection, Database
from tests.web import Person, Site, text_of


@pytest.fixture
def site(database: Database, settings: Settings) -> Site:
    return Site(database, settings)


@pytest.fixture
def admin(site: Site) -> Person:
    return site.person("admin", actor="Ada Min")


def new(name: str = "nightly", **more: object) -> dict[str, object]:
    return {"name": name, "scopes": ["risk"], "days": 30} | more


def test_a_token_is_made_used_and_revoked(site: Site, admin: Person, conn: Connection) -> None:
    made = admin.write("/v1/tokens", new()).json()
    secret = made["secret"]
    assert made["created_by"] == "Ada Min" and made["state"] == "good" and len(secret) >= 50
    ends = dt.datetime.fromisoformat(made["ends_at"]) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(days=29) < ends <= dt.timedelta(days=30)
    client = site.nobody()
    headers = {"authorization": f"Bearer {secret}"}
    assert client.get("/v1/reviews", headers=headers).status_code == 200
    assert client.get("/v1/tokens", headers=headers).status_code == 403
    assert client.get("/reviews", headers=headers).status_code == 303, "pages are for people"
    listed = admin.ask("/v1/tokens").json()["items"]
    assert [row["name"] for row in listed] == ["nightly"] and listed[0]["used_at"]
    everything = conn.execute("SELECT string_agg(t::text, '') FROM limits_console.tokens t").fetchone()
    kept = conn.execute("SELECT string_agg(k::text, '') FROM limits_console.keys k").fetchone()
    for place in (json.dumps(listed), str(everything), str(kept), admin.get("/access").text):
        assert secret not in place
    answer = admin.write(f"/v1/tokens/{made['token_id']}/revoke", {})
    assert (answer.json()["state"], answer.json()["revoked_by"]) == ("revoked", "Ada Min")
    assert client.get("/v1/reviews", headers=headers).status_code == 401
    again = site.person("admin", actor="Bea").write(f"/v1/tokens/{made['token_id']}/revoke", {}).json()
    assert again["revoked_by"] == "Ada Min", "who revoked it first stays"
    assert admin.write("/v1/tokens", new()).status_code == 422, "a name is never given again"


def test_sent_again_a_token_is_not_made_again_and_its_secret_not_told_again(admin: Person, conn: Connection) -> None:
    first = admin.write("/v1/tokens", new(), key="k").json()
    second = admin.write("/v1/tokens", new(), key="k").json()
    assert second == first | {"secret": None}
    assert conn.execute("SELECT count(*) FROM limits_console.tokens").fetchone() == (1,)


def test_a_token_is_over_at_its_end(site: Site, admin: Person, conn: Connection) -> None:
    secret = admin.write("/v1/tokens", new()).json()["secret"]
    conn.execute("UPDATE limits_console.tokens SET ends_at = clock_timestamp()")
    answer = site.nobody().get("/v1/reviews", headers={"authorization": f"Bearer {secret}"})
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert admin.ask("/v1/tokens").json()["items"][0]["state"] == "over"


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic eDp5", "Bearer x y", "bearer \xe4", "x" * 9000])
def test_what_is_no_token_is_nobody(site: Site, header: str) -> None:
    client = site.person().client
    answer = client.get("/v1/reviews", headers={"authorization": header.encode("latin-1")})
    assert answer.status_code == 401, "also where the browser has a session"


# No second person ----------------------------------------------------------------------------------------------------


def test_no_token_approves_or_lets_others_in(site: Site, admin: Person, conn: Connection) -> None:
    for scopes in (["approver"], ["admin"], ["risk", "approver"], []):
        assert admin.write("/v1/tokens", new(scopes=scopes)).status_code == 422
    form = {"name": "x", "days": "30", "scope-approver": "yes", "scope-admin": "yes"}
    assert admin.post("/access/tokens", form).status_code == 422
    # Not even where somebody wrote it into the database.
    secret = admin.write("/v1/tokens", new()).json()["secret"]
    conn.execute("UPDATE limits_console.tokens SET scopes = %s", [list(ROLES)])
    with site.context.connect("console") as console:
        machine = tokens.of(console, f"Bearer {secret}")
    assert machine.roles == {"risk", "operations", "auditor"} and machine.kind == "machine"
    assert machine.actor == "token nightly"


def test_who_may_approve_makes_no_machine_that_asks(site: Site) -> None:
    both = site.person("admin", "approver", actor="Ann Lee")
    answer = both.write("/v1/tokens", new())
    assert answer.status_code == 403 and answer.json()["type"] == "/problems/approver-makes-no-token"
    assert both.post("/access/tokens", {"name": "x", "days": "30", "scope-risk": "yes"}).status_code == 403
    assert "make no tokens" in text_of(both.get("/access"))


def test_an_admin_alone_sees_nothing_of_users_and_writes_nothing_but_access(admin: Person) -> None:
    document = admin.client.get("/v1/openapi.json").json()
    let_in = []
    for path, methods in document["paths"].items():
        for method in methods:
            address = path.replace("{session}", "0" * 16)
            while "{" in address:
                address = address[: address.index("{")] + "1" + address[address.index("}") + 1 :]
            headers = {"x-csrf-token": admin.csrf, "idempotency-key": "k"}
            if admin.client.request(method.upper(), address, headers=headers).status_code != 403:
                let_in.append(path)
    assert {"/".join(path.split("/")[:3]) for path in let_in} == {"/v1/tokens", "/v1/sessions"}


# Sessions ------------------------------------------------------------------------------------------------------------


def test_an_admin_ends_a_session(site: Site, admin: Person) -> None:
    ann, bo = site.person(actor="Ann"), site.person("risk", actor="Bo")
    listed = {row["actor"]: row for row in admin.ask("/v1/sessions").json()["items"]}
    assert set(listed) == {"Ada Min", "Ann", "Bo"} and listed["Bo"]["roles"] == ["risk"]
    for secret in (ann.client.cookies["limits_session"], ann.csrf):
        assert secret not in json.dumps(list(listed.values()))
    client = site.nobody()
    client.cookies.set("limits_session", listed["Ann"]["session"])
    assert client.get("/v1/reviews").status_code == 401, "what a session is called signs nobody in"
    assert admin.write(f"/v1/sessions/{listed['Ann']['session']}/end", {}).json() == {"ended": 1}
    assert ann.ask("/v1/reviews").status_code == 401
    assert bo.ask("/v1/reviews").status_code == 200
    assert admin.write(f"/v1/sessions/{listed['Ann']['session']}/end", {}).status_code == 404
    page = admin.get("/access")
    assert "Bo" in text_of(page)
    answer = admin.post(f"/access/sessions/{listed['Bo']['session']}/end", {})
    assert answer.status_code == 303 and bo.ask("/v1/reviews").status_code == 401


def test_long_lists_have_pages(site: Site, admin: Person) -> None:
    people = {f"Person {number}" for number in range(5)}
    for name in people:
        site.person("risk", actor=name)
    for address, what in (("/v1/sessions", "actor"), ("/v1/tokens", "name")):
        if what == "name":
            for number in range(5):
                admin.write("/v1/tokens", new(f"machine-{number}"))
        found: list[str] = []
        cursor = ""
        while True:
            page = admin.ask(f"{address}?limit=2{cursor}").json()
            found += [row[what] for row in page["items"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert len(found) == len(set(found)) >= 5
    for wrong in ("x", "WyJ4IiwieCJd", "WzFd", "bnVsbA"):
        assert admin.ask(f"/v1/sessions?cursor={wrong}").status_code == 422


def test_a_person_signs_out_everywhere(site: Site) -> None:
    here, there, other = site.person(actor="Ann"), site.person(actor="Ann"), site.person(actor="Bo")
    assert text_of(here.get("/sessions")).count("a test") == 2
    assert there.post("/sign-out/everywhere", {"csrf": "x"}).status_code == 403
    answer = here.post("/sign-out/everywhere", {})
    assert answer.headers["location"].startswith("/sign-in?said=")
    assert [one.ask("/v1/reviews").status_code for one in (here, there, other)] == [401, 401, 200]


def test_the_page_makes_a_token_and_shows_its_secret_once(site: Site, admin: Person) -> None:
    form = {"name": "nightly", "days": "30", "scope-risk": "yes", "scope-auditor": "yes"}
    page = admin.post("/access/tokens", form, key="k")
    assert page.status_code == 200 and page.headers["cache-control"] == "no-store"
    secret = page.text.split('aria-label="Secret">')[1].split("<")[0]
    assert site.nobody().get("/v1/reviews", headers={"authorization": f"Bearer {secret}"}).status_code == 200
    again = admin.post("/access/tokens", form, key="k")
    assert secret not in again.text and "shown when it was made" in text_of(again)
    for wrong in ({"name": "a b"}, {"name": ""}, {"days": "0"}, {"days": "x"}, {"days": "367"}, {"name": "<b>"}):
        assert admin.post("/access/tokens", form | {"name": "other"} | wrong).status_code == 422
    token_id = admin.ask("/v1/tokens").json()["items"][0]["token_id"]
    assert admin.post(f"/access/tokens/{token_id}/revoke", {}).status_code == 303
    assert "revoked" in text_of(admin.get("/access"))
