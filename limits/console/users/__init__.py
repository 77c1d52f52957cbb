"""Users: one page with all that is known of one, and what operations do."""

from __future__ import annotations

from fastapi import APIRouter

from limits.console.users import acting_api, acting_lists, acting_pages, api, pages

ROUTERS: list[APIRouter] = [pages.router, acting_pages.router, acting_lists.router, api.router, acting_api.router]
