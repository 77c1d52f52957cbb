"""A browser for tests: the Chromium of the system, what it finds wrong with a page, and pictures of pages.

    ann = sign_in("risk")                 # a Playwright page of a browser of its own, signed in
    ann.goto("/reviews")
    check_page(ann, "reviews")            # axe in light and dark and at phone width, and a picture of each

Whatever a page writes to the browser's console as an error fails the test at its end: a script that is wrong, anything
that the content policy refuses, a file that is not there, a request to any other place than the console, an answer 5xx.
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Page, Request, Response

ROOT = Path(__file__).resolve().parents[1]
#: Pictures of pages, made anew at every run; nothing reads them but people.
PICTURES = ROOT / "build" / "screenshots"

#: Where Chromium is looked for, for people.
WHERE = "CHROMIUM, or chromium on the PATH"

DESKTOP, PHONE = (1280, 900), (390, 844)
#: How pages are looked at: a name, colours, and the size of the window.
VIEWS = (("light", "light", DESKTOP), ("dark", "dark", DESKTOP), ("phone", "light", PHONE))

#: What the page does by itself about its new size is done after two frames.
SETTLED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"

#: What axe looks at: WCAG 2.2 to level AA, and what it calls good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@functools.cache
def chromium() -> str | None:
    """The path of the system's Chromium; None where there is none."""
    named = os.environ.get("CHROMIUM")
    found = [shutil.which(name) for name in ([named] if named else ["chromium", "chromium-browser", "google-chrome"])]
    return next((path for path in found if path), None)


class Watch:
    """What goes wrong in a page while a test uses it."""

    def __init__(self, page: Page, address: str) -> None:
        self.troubles: list[str] = []
        self._address = address
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.troubles.append(f"error in a script: {error}"))
        page.on("request", self._asked)
        page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        # An answer 4xx or 5xx is said here too, without what was asked for; _answered says it better.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.troubles.append(f"the console of the browser: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self._address}/", "data:", "about:", "blob:")):
            self.troubles.append(f"asks another place: {request.url}")

    def _answered(self, response: Response) -> None:
        # A page, or a part of one, may answer that something cannot be done; a file of a page may not be missing.
        page = response.request.resource_type in ("document", "fetch", "xhr")
        if response.status >= 500 or (response.status >= 400 and not page):
            self.troubles.append(f"{response.status} for {response.url}")


def check_page(
    page: Page,
    name: str,
    *,
    views: tuple[str, ...] = tuple(view[0] for view in VIEWS),
    allowed: tuple[str, ...] = (),
    keep: bool = True,
) -> None:
    """The page as it stands, in each of ``views``: no violation that axe calls serious or critical, nothing wider than
    the window, and a picture in build/screenshots (not where ``keep`` is False). ``allowed``: rules of axe that may be
    broken here; say why.
    """
    found: list[str] = []
    try:
        for view, colours, (width, height) in [one for one in VIEWS if one[0] in views]:
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=colours, reduced_motion="reduce")  # type: ignore[arg-type]
            page.evaluate(SETTLED)
            found += [f"{view}: {one}" for one in _violations(page, allowed)]
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wide > 1:
                found.append(f"{view}: the page is {wide} pixels wider than the window; put tables into .scroll")
            if keep:
                take_picture(page, f"{name}-{view}")
    finally:
        page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
        page.emulate_media(color_scheme="light")
    assert not found, "\n".join([f"{name} at {page.url}", *found])


def take_picture(page: Page, name: str) -> Path:
    """The whole page as build/screenshots/NAME.png."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path


def _violations(page: Page, allowed: tuple[str, ...]) -> Iterator[str]:
    from axe_playwright_python.base import AXE_SCRIPT

    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options: dict[str, Any] = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": RULES}}
    for one in page.evaluate("options => axe.run(document, options)", options)["violations"]:
        if one["impact"] in ("serious", "critical") and one["id"] not in allowed:
            where = "; ".join(
                f"{' '.join(map(str, node['target']))}: {node['html'][:200]}" for node in one["nodes"][:4]
            )
            yield f"{one['id']} ({one['impact']}): {one['help']}: {where}"


def focused(page: Page) -> str:
    """What the keyboard is at: the text of the element, or its name where it has none."""
    return str(
        page.evaluate(
            "(() => { const e = document.activeElement; return (e.innerText || e.getAttribute('aria-label') || e.name"
            " || e.tagName).trim(); })()"
        )
    )


def tab_to(page: Page, text: str, *, most: int = 60) -> None:
    """Press Tab until what has that text or name is in focus, and see that it shows where it is."""
    seen = []
    for _ in range(most):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        if seen[-1] == text:
            shown = page.evaluate(
                "(() => { const s = getComputedStyle(document.activeElement);"
                " return s.outlineStyle !== 'none' || s.boxShadow !== 'none'; })()"
            )
            assert shown, f"{text!r} has the focus and nothing shows it"
            return
    raise AssertionError(f"Tab does not lead to {text!r}; it leads to {seen}")
