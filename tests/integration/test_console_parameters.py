"""What stands behind the "?" of an address: each route takes what it declares, and refuses all else."""

from __future__ import annotations

import re
import tomllib
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import Match, Mount, Route

from limits.console import guard, parameters
from limits.console.pages import see
from limits.console.people import ROLES, Role
from limits.console.rate import Buckets
from limits.settings import Settings
from limits.store.db import Connection, Database
from tests import console_world
from tests.web import HTML, Site, address_of, routes, text_of

FILES = [tomllib.loads(path.read_text("utf-8")) for path in (Path(__file__).parents[1] / "routes").glob("*.toml")]
#: Who may what; of open routes everybody, signed in or not.
MAY: dict[str, list[Role | None]] = {
    name: [*ROLES, None] if roles is True else roles
    for file in FILES
    for part in file.values()
    for name, roles in part.items()
}
CALLBACK = "GET /sign-in/callback"


@pytest.fixture
def site(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(database, settings)
    made.app.state.buckets = Buckets(per_minute=10**9)
    monkeypatch.setattr(guard, "NOBODY_PER_MINUTE", 10**9)
    return made


def ask(client: TestClient, name: str, query: str, **headers: str) -> httpx.Response:
    method, path = name.split(" ")
    body = {} if method == "GET" else {"json": {}} if path.startswith("/v1/") else {"data": {}}
    return client.request(
        method, f"{address_of(path)}{query}", headers={"sec-fetch-site": "same-origin", **headers}, **body
    )


@pytest.mark.parametrize("role", [*ROLES, None])
def test_an_unknown_parameter_is_refused_and_only_whoever_is_let_in_learns_so(site: Site, role: Role | None) -> None:
    client = TestClient(site.app, base_url="http://localhost", follow_redirects=False, client=("127.0.0.1", 1))
    if role:
        client.cookies.set("limits_session", site.person(role).client.cookies["limits_session"])
    for name, route in routes():
        if name == CALLBACK:
            continue
        given = ask(client, name, "?no_such=1&no_other=2")
        if role not in MAY[name]:
            as_ever = ask(client, name, "")
            assert given.status_code in (303, 401, 403), (name, given.text)
            assert (given.status_code, given.text, given.headers.get("location")) == (
                as_ever.status_code, as_ever.text, as_ever.headers.get("location")
            ), name  # fmt: skip
            continue
        said = given.json()
        assert (given.status_code, said["type"]) == (422, "/problems/unknown-parameter"), (name, given.text)
        there = parameters.declared(route.dependant)
        assert said["detail"] == (
            "'no_such' is no parameter of this address; there are "
            + (", ".join(there) or "none")
        ), name  # fmt: skip


def test_a_page_says_it_as_a_page_and_what_it_takes(site: Site) -> None:
    shown = site.person("risk").get("/reviews?shedule=nightly")
    assert shown.status_code == 422 and shown.headers["content-type"].startswith("text/html")
    assert "'shedule' is no parameter of this address; there are schedule, state, cursor" in unescape(text_of(shown))
    shown = site.person("risk").get("/reviews?%3Cscript%3Ex")
    assert shown.status_code == 422 and "<script>x" not in shown.text


def test_what_a_route_takes_once_is_refused_twice(site: Site) -> None:
    client, tried = site.person().client, 0
    for name, route in routes():
        for parameter, often in parameters.declared(route.dependant).items():
            answer = ask(client, name, f"?{parameter}=1&{parameter}=2")
            twice = "stands more than once" in answer.text
            assert twice != often and (often or answer.status_code == 422), (name, parameter, answer.text)
            tried += 1
    assert tried > 60
    assert "lost" in client.get("/v1/adjustments?reason=lost&reason=lost").json()["detail"]


def test_a_route_that_somebody_adds_is_not_without_the_check(site: Site) -> None:
    router = APIRouter()

    @router.get("/v1/added")
    def added() -> dict[str, str]:
        return {}

    site.app.include_router(router)
    site.app.get("/v1/added-alone")(added)
    with site.nobody() as nobody:
        for path in ("/v1/added", "/v1/added-alone"):
            assert nobody.get(path).status_code == 200
            assert "there are none" in nobody.get(f"{path}?x=1").json()["detail"]


def test_what_is_no_route_of_ours_is_known_by_name(site: Site) -> None:
    """These alone do not pass the check: files, and the document."""
    others = [one.path for one in site.app.routes if isinstance(one, Mount | Route) and not isinstance(one, APIRoute)]
    assert sorted(others) == ["/static", "/v1/openapi.json"]


def test_metrics_from_elsewhere_are_refused_as_ever(site: Site) -> None:
    elsewhere = TestClient(site.app, base_url="http://localhost", client=("10.1.2.3", 1))
    assert elsewhere.get("/metrics?x=1").json() == elsewhere.get("/metrics").json()
    assert elsewhere.get("/metrics?x=1").status_code == 403


def test_a_provider_may_add_to_its_answer(site: Site) -> None:
    """RFC 6749, 4.1.2: we ignore what we do not know, such as session_state and scope."""
    answer = site.nobody().get("/sign-in/callback?session_state=1&scope=openid&state=x", headers=HTML)
    assert answer.status_code == 404 and "no identity provider" in answer.text
    answer = site.nobody().get("/sign-in/callback?state=x&state=y", headers=HTML)
    assert answer.status_code == 422 and "stands more than once" in answer.text


def test_what_a_form_says_on_the_next_page_is_taken_there_alone(site: Site) -> None:
    person = site.person()
    here = TestClient(site.app, base_url="http://localhost", follow_redirects=False, client=("127.0.0.1", 1))
    here.cookies.set("limits_session", person.client.cookies["limits_session"])
    for name, _ in routes():
        method, path = name.split(" ")
        query = "?" + urlsplit(see("/", "Done so.").headers["location"]).query
        refused = "is no parameter" in ask(here, name, query).text
        is_page = method == "GET" and not path.startswith(("/v1/", "/healthz", "/readyz", "/metrics"))
        assert refused != is_page, name
    assert "Done so." in text_of(person.get(see("/reviews", "Done so.").headers["location"]))


def test_no_page_leads_to_an_address_that_is_refused(
    site: Site, database: Database, settings: Settings, conn: Connection
) -> None:
    """Links, parts that load by themselves, and the fields of forms, on every page that a person comes to by links."""
    console_world.fill(database, settings, conn)
    person, seen, found = site.person(), set[str](), set[tuple[str, str]]()
    ahead = ["/reviews", "/schedules", "/policies", "/models", "/users/1001", "/users", "/work", "/log", "/log/as-of",
             "/reports", "/access", "/sessions", "/overrides", "/changes", "/notices", "/referrals"]  # fmt: skip
    while ahead:
        address = ahead.pop()
        path, query = urlsplit(address).path, urlsplit(address).query
        found |= {(path, name) for name, _ in parse_qsl(query, keep_blank_values=True)}
        # One of each kind: numbers and hashes lead to the same page, with the same parameters.
        kind = re.sub(r"[0-9a-f]{64}|\d+", "N", path) + "?" + ",".join(sorted(dict(parse_qsl(query))))
        if kind in seen or path == "/" or path.endswith(("/export", "/verify", "/reconcile", "/replay", "/proof")):
            continue
        seen.add(kind)
        page = person.get(address)
        assert page.status_code < 300, (address, page.status_code, text_of(page)[:300])
        if not page.headers.get("content-type", "").startswith("text/html"):
            continue
        links = map(unescape, re.findall(r'(?:href|data-live)="([^"]*)"', page.text))
        ahead += [path + one if one[:1] == "?" else one for one in links if re.match(r"\?|/(?!static/)", one)]
        for form in re.findall(r'<form[^>]*method="get".*?</form>', page.text, re.DOTALL):
            action = re.search(r'^<form[^>]*action="([^"]*)"', form)
            found |= {(action[1] if action else path, name) for name in re.findall(r'\bname="([^"]*)"', form)}
    assert len(seen) > 30 and len(found) > 30, (seen, found)
    wrong = {(path, name) for path, name in found if name not in _takes(path)}
    assert not wrong


def _takes(path: str) -> dict[str, bool]:
    scope = {"type": "http", "method": "GET", "path": path, "path_params": {}}
    route = next(one for name, one in routes() if name[:4] == "GET " and one.matches(scope)[0] is Match.FULL)
    return parameters.declared(route.dependant)
