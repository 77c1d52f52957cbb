"""The console in tests: its application over the database of the test, and browsers without a screen, signed in."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from limits.console import areas, sessions, signing_in
from limits.console.app import create_app
from limits.console.context import Context
from limits.console.people import ROLES, Role
from limits.settings import Settings
from limits.store.db import Database

HTML = {"accept": "text/html"}


class Site:
    """The application, and whoever uses it."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.context = Context(database, settings)
        self.app = create_app(self.context)

    def nobody(self) -> TestClient:
        """Somebody who has not signed in."""
        return TestClient(self.app, base_url="http://localhost", follow_redirects=False, raise_server_exceptions=False)

    def person(self, *roles: Role, actor: str = "Ann Lee") -> Person:
        """Somebody who signed in with those roles; with none named, all."""
        return Person(self, actor, roles or ROLES)


class Person:
    """A signed-in browser: ``get`` a page, ``post`` a form of ours, ``ask`` and ``write`` the API."""

    def __init__(self, site: Site, actor: str, roles: tuple[Role, ...]) -> None:
        self.client = site.nobody()
        with site.context.connect("console") as conn:
            secret = sessions.begin(conn, actor, roles, "a test")
            principal = sessions.of(conn, secret)
        assert principal is not None
        self.csrf = principal.csrf
        self.client.cookies.set("limits_session", secret)

    def get(self, address: str, **more: Any) -> httpx.Response:
        """A page."""
        return self.client.get(address, headers=HTML, **more)

    def post(self, address: str, form: dict[str, str], *, key: str | None = None) -> httpx.Response:
        """A form, with its hidden fields."""
        hidden = {"csrf": self.csrf, "idempotency_key": key or secrets.token_urlsafe(12)}
        return self.client.post(address, data=hidden | form, headers=HTML)

    def ask(self, address: str, **more: Any) -> httpx.Response:
        """The API, reading."""
        return self.client.get(address, **more)

    def write(
        self, address: str, body: dict[str, Any], *, key: str | None = None, method: str = "POST"
    ) -> httpx.Response:
        """The API, writing."""
        headers = {"x-csrf-token": self.csrf, "idempotency-key": key or secrets.token_urlsafe(12)}
        return self.client.request(method, address, json=body, headers=headers)


def routes() -> Iterator[tuple[str, APIRoute]]:
    """Every route of the application, as "METHOD /path"."""
    for router in [signing_in.router, *areas.routers()]:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in sorted(route.methods - {"HEAD"}):
                yield f"{method} {route.path}", route


def address_of(path: str) -> str:
    """An address of the route: 1 for each number and name in it."""
    return re.sub(r"\{[^}]+\}", "1", path)


def text_of(response: httpx.Response) -> str:
    """What a page says, without its tags and with single spaces."""
    inside = re.sub(r"<(script|style)\b.*?</\1>", " ", response.text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", inside).split())


def together(act: Callable[[], Any], times: int) -> list[Any]:
    """What ``act`` gives in as many threads that begin at once."""
    gate, given = threading.Barrier(times), []

    def run() -> None:
        gate.wait()
        given.append(act())

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return given
