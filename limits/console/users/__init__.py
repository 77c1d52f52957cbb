"""Users: one page with all that is known of one, and what operations do."""

from __future__ import annotations

from fastapi import APIRouter

from limits.console.users import api, pages

ROUTERS: list[APIRouter] = [
    pages.router,
    api.router,
]
