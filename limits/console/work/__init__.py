"""To do: what waits for a second person, and what is overdue."""

from __future__ import annotations

from fastapi import APIRouter

from limits.console.work import api, pages

ROUTERS: list[APIRouter] = [pages.router, api.router]
