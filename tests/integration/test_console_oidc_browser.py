"""Signing in at a provider of another site with a real browser: its cookies, its redirects, the page that goes on."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn
from playwright.sync_api import sync_playwright

from limits.settings import Settings
from limits.store.db import Database
from tests import provider as providers
from tests.provider import CLIENT, SECRET
from tests.web import Site


@contextlib.contextmanager
def served(site: Site, listening: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(site.app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def test_a_browser_signs_in_at_another_site_and_stays_signed_in(database: Database, settings: Settings) -> None:
    # localhost and 127.0.0.1 are two sites, for cookies as well: what the browser sends is what it would send at home.
    with providers.running() as provider, socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://localhost:{listening.getsockname()[1]}"
        more = {
            "oidc_issuer": provider.issuer, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET, "web_url": address,
        }  # fmt: skip
        site = Site(database, settings.model_copy(update=more))
        with served(site, listening), sync_playwright() as player:
            browser = player.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_context().new_page()
            said: list[str] = []
            page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
            page.goto(f"{address}/reviews")
            page.get_by_role("link", name="Sign in with your organisation").click()
            page.wait_for_url(f"{address}/reviews")
            assert page.get_by_role("link", name="ann.lee@bank.example").is_visible()
            cookies = {one["name"]: one for one in page.context.cookies()}
            assert set(cookies) == {"limits_session"} and cookies["limits_session"]["sameSite"] == "Strict"
            assert cookies["limits_session"]["httpOnly"]
            # A form of another site: the cookie stays at home, and nothing happens.
            other = page.context.new_page()
            other.goto(f"{provider.issuer}/keys")
            other.set_content(
                f'<form method="post" action="{address}/sign-out/everywhere"><button>Win a prize</button></form>'
            )
            with other.expect_response(f"{address}/sign-out/everywhere") as answered:
                other.get_by_role("button").click()
            assert answered.value.status == 403
            page.reload()
            assert page.get_by_role("link", name="ann.lee@bank.example").is_visible()
            page.get_by_role("button", name="Sign out").click()
            page.wait_for_url(f"{address}/sign-in")
            assert page.context.cookies() == [] and said == []
            browser.close()
