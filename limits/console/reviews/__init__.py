"""Reviews: what was and is decided of everybody, and what people do with a review."""

from __future__ import annotations

from fastapi import APIRouter

from limits.console.reviews import api, pages

ROUTERS: list[APIRouter] = [pages.router, api.router]
