"""Risk models: who approved them, how good they are, and what monitoring says."""

from __future__ import annotations

from fastapi import APIRouter

from limits.console.models import api, pages

ROUTERS: list[APIRouter] = [pages.router, api.router]
