"""Pages: templates, what all of them show, and how values are written in words."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from limits import __version__
from limits.console.context import context_of
from limits.console.people import Principal
from limits.money import major, money

FOLDER = Path(__file__).parent

#: The way through the console: address, words, the key that leads there (after "g"), and for whom it is.
PLACES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("/reviews", "Reviews", "r", ("risk", "approver", "operations", "auditor")),
    ("/schedules", "Schedules", "s", ("risk", "approver")),
    ("/policies", "Policies", "p", ("risk", "approver", "auditor")),
    ("/models", "Models", "m", ("risk", "approver", "auditor")),
    ("/users", "Users", "u", ("operations", "risk", "approver")),
    ("/work", "To do", "t", ("operations", "approver")),
    ("/log", "Log", "l", ("auditor", "risk", "operations", "approver")),
    ("/reports", "Reports", "e", ("auditor",)),
    ("/access", "Access", "a", ("admin",)),
)


def render(
    request: Request, template: str, values: Mapping[str, Any] | None = None, *, status: int = 200
) -> HTMLResponse:
    """A page; ``values`` and what every page has: who is signed in, the way, a key for its forms."""
    who: Principal | None = request.scope.get("limits.principal")
    settings = context_of(request).settings
    shared = {
        "who": who,
        "places": [place for place in PLACES if who is not None and who.may(*place[3])],  # type: ignore[arg-type]
        "path": request.url.path,
        "csrf": who.csrf if who is not None else "",
        "new_key": lambda: secrets.token_urlsafe(18),
        "version": __version__,
        "embedded": settings.embedded,
        "now": dt.datetime.now(dt.UTC),
        "said": _said(request),
    }
    text = environment().get_template(template).render({**shared, **(values or {})})
    return HTMLResponse(text, status_code=status, headers={"cache-control": "no-store"})


def see(address: str, said: str = "") -> RedirectResponse:
    """After a form: the browser loads that page, so that loading it again sends nothing again."""
    if said:
        address += ("&" if "?" in address else "?") + f"said={quote(said)}&by={_mark(said)}"
    return RedirectResponse(address, status_code=303)


#: Of this process: words in an address are shown only where they are ours, so that nobody puts words into our mouth.
_MARKS = secrets.token_bytes(32)


def _mark(said: str) -> str:
    return hmac.new(_MARKS, said.encode(), hashlib.sha256).hexdigest()[:32]


def _said(request: Request) -> str:
    said = request.query_params.get("said", "")
    return said if hmac.compare_digest(_mark(said).encode(), request.query_params.get("by", "").encode()) else ""


@functools.cache
def environment() -> Environment:
    """The templates. What is not there is an error, and everything is escaped."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(
        money=lambda minor, exponent, currency: "" if minor is None else money(minor, exponent, currency),
        major=lambda minor, exponent: "" if minor is None else major(minor, exponent),
        number=lambda value: "" if value is None else f"{value:,}",
        percent=lambda share: "" if share is None else f"{share:.1%}",
        moment=lambda at: "" if at is None else f"{at:%Y-%m-%d %H:%M} UTC",
        digits=lambda digest: digest.hex()[:12] if isinstance(digest, bytes) else str(digest)[:12],
        words=lambda code: str(code).replace("_", " "),
    )
    return made
