"""Every pair of role and route, as the files in tests/routes have it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from limits.console.people import ROLES, Role
from limits.settings import Settings
from limits.store.db import Database
from tests.web import Site, address_of, routes

FILES = [tomllib.loads(path.read_text("utf-8")) for path in (Path(__file__).parents[1] / "routes").glob("*.toml")]
OPEN = {name for file in FILES for name in file.get("open", {})}
WRITTEN = {name: roles for file in FILES for part in ("pages", "api") for name, roles in file.get(part, {}).items()}


def roles_of(dependant: Dependant) -> list[str] | None:
    for one in dependant.dependencies:
        found = getattr(one.call, "limits_roles", None) or roles_of(one)
        if found is not None:
            return list(found)
    return None


def test_every_route_is_in_the_matrix_with_its_roles() -> None:
    there = {name: roles_of(route.dependant) for name, route in routes()}
    assert {name for name, roles in there.items() if roles is None} == OPEN
    assert {name: sorted(roles) for name, roles in there.items() if roles} == {
        name: sorted(roles) for name, roles in WRITTEN.items()
    }


def test_no_body_holds_what_nobody_reads() -> None:
    """A field with a wrong name would be its default in silence: a recompute that was to be applied only shown."""
    bodies = {
        field.field_info.annotation
        for _, route in routes()
        for field in route.dependant.body_params
        if isinstance(field.field_info.annotation, type) and issubclass(field.field_info.annotation, BaseModel)
    }
    assert len(bodies) > 20
    assert {body.__qualname__ for body in bodies if body.model_config.get("extra") != "forbid"} == set()


@pytest.fixture
def site(database: Database, settings: Settings) -> Site:
    return Site(database, settings)


@pytest.mark.parametrize("role", [*ROLES, None])
def test_each_role_is_let_in_where_the_matrix_says(site: Site, role: Role | None) -> None:
    person = site.person(role) if role else None
    client = person.client if person else site.nobody()
    wrong = []
    for name, _ in routes():
        if name in OPEN or name.startswith("POST /sign-out"):
            continue
        method, path = name.split(" ")
        headers = {"idempotency-key": "k"} | ({"x-csrf-token": person.csrf} if person else {})
        sent = {"json": {}} if path.startswith("/v1/") else {"data": {"csrf": person.csrf if person else ""}}
        answer = client.request(method, address_of(path), headers=headers, **({} if method == "GET" else sent))
        refused = answer.status_code in (401, 403) or answer.headers.get("location") == "/sign-in"
        if refused != (role not in WRITTEN[name]) or answer.status_code >= 500:
            wrong.append((name, role, answer.status_code, answer.text[:200]))
    assert not wrong


def test_a_form_without_the_sessions_token_is_refused(site: Site) -> None:
    person = site.person()
    for name, _ in routes():
        method, path = name.split(" ")
        if method == "GET" or name in OPEN:
            continue
        answer = person.client.request(method, address_of(path), headers={"idempotency-key": "k"})
        assert answer.status_code == 403, (name, answer.status_code, answer.text)
