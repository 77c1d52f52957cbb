"""The console as people meet it: `limits web` as a process, Chromium, and a world that each test finds untouched."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from psycopg import sql

from limits.console import sessions
from limits.console.people import ROLES, Role
from limits.settings import Settings, make_settings
from limits.store.db import Connection, Database
from tests import browsing, console_world, packs, sealing
from tests.browsing import Watch
from tests.conftest import copy_database, execute, url_of
from tests.console_world import World

#: The database that `limits web` has where it is told of none: that of the embedded server.
NAME, KEPT = "limits", "limits_console_world"

# Machines are busy: what a page shows may take its time.
expect.set_options(timeout=60_000)

SignIn = Callable[..., Page]


@pytest.fixture(scope="session")
def kept_world(server_url: str, template: str, scratch: Path) -> World:
    """The world, made once in a database that nobody writes to afterwards."""
    made = copy_database(server_url, template, KEPT)
    with made.connect("owner", "limits test") as conn:
        world = console_world.fill(made, _settings(scratch, made.url), conn)
    # Where `limits web` of ``address`` looks for them.
    sealing.step(made, sealing.Files(scratch / "home" / "seal").sealer())
    return world


@dataclasses.dataclass(frozen=True)
class Site:
    """The console of one test: its address, and its database for what a test wants to see or to do behind it."""

    address: str
    database: Database
    settings: Settings
    world: World


@pytest.fixture(scope="session")
def address(server_url: str, kept_world: World, scratch: Path) -> Iterator[str]:
    """`limits web` over the tests' own server, as it starts for a person who set nothing."""
    _renew(server_url)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ, "LIMITS_HOME": str(scratch / "home"), "LIMITS_WEB_PORT": str(port), "LIMITS_LOG_LEVEL": "info",
        "LIMITS_POLICY": str(scratch / f"{packs.OWN}.toml"),
    }  # fmt: skip
    told = (scratch / "web.log").open("wb")
    with told, subprocess.Popen(
        [sys.executable, "-m", "limits", "web"], env=environment, cwd=browsing.ROOT, stdout=told, stderr=told
    ) as process:  # fmt: skip
        try:
            _until_it_answers(process, f"http://127.0.0.1:{port}", scratch / "web.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()  # its database is dropped with the server; there is nothing to end in order


@pytest.fixture
def site(address: str, server_url: str, kept_world: World, scratch: Path) -> Site:
    """The console over a fresh copy of the world."""
    return Site(address, _renew(server_url), _settings(scratch, url_of(server_url, NAME)), kept_world)


@pytest.fixture
def conn(site: Site) -> Iterator[Connection]:
    """A connection to the world of the test with all rights."""
    with site.database.connect("owner", "limits test") as connection:
        yield connection


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a screen. Per module: while Playwright runs, nothing else may run an event loop."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browsing.chromium(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def visit(site: Site, browser: Browser) -> Iterator[Callable[[], Page]]:
    """A browser of somebody who has not signed in; what went wrong in any of them fails the test at its end."""
    watched: list[Watch] = []
    contexts = []

    def opened() -> Page:
        width, height = browsing.DESKTOP
        context = browser.new_context(
            base_url=site.address, viewport={"width": width, "height": height}, color_scheme="light", locale="en-GB",
            timezone_id="UTC", reduced_motion="reduce",
        )  # fmt: skip
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        watched.append(Watch(page, site.address))
        return page

    yield opened
    for context in contexts:
        context.close()
    troubles = [trouble for watch in watched for trouble in watch.troubles]
    assert not troubles, "\n".join(troubles)


@pytest.fixture
def link(site: Site) -> Callable[..., str]:
    """The address of a one-time link, as `limits web link` prints it."""

    def made(*roles: Role, actor: str = "Ann Lee") -> str:
        with site.database.connect("console", "limits test") as conn:
            return f"{site.address}/sign-in?link={sessions.make_link(conn, actor, roles or ROLES)}"

    return made


@pytest.fixture
def sign_in(visit: Callable[[], Page], link: Callable[..., str]) -> SignIn:
    """``sign_in("risk", actor="Bo Chen")``: a page of a browser in which that person has signed in; no role: all."""

    def signed_in(*roles: Role, actor: str = "Ann Lee") -> Page:
        page = visit()
        page.goto(link(*roles, actor=actor))
        with page.expect_navigation():  # until its script hears keys
            page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Sign out").wait_for()
        return page

    return signed_in


@pytest.fixture
def signed_in(visit: Callable[[], Page], site: Site) -> SignIn:
    """As ``sign_in``, without its three pages: a browser that has the cookie of a session and has seen nothing yet."""

    def made(*roles: Role, actor: str = "Ann Lee") -> Page:
        page = visit()
        with site.database.connect("console", "limits test") as conn:
            secret = sessions.begin(conn, actor, roles or ROLES, "a test")
        page.context.add_cookies([{"name": "limits_session", "value": secret, "url": site.address}])
        return page

    return made


def _settings(scratch: Path, url: str) -> Settings:
    return make_settings(
        database_url=url, broker_url=None, home=scratch / "console-home", policy=str(scratch / f"{packs.OWN}.toml")
    )


def _renew(server_url: str) -> Database:
    execute(server_url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(NAME)))
    return copy_database(server_url, KEPT, NAME)


def _until_it_answers(process: subprocess.Popen[bytes], address: str, told: Path) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"{address}/sign-in", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"limits web does not answer: {told.read_text('utf-8')[-2000:]}") from None
            time.sleep(0.1)
