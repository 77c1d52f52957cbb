"""Who may come in: sessions of people and tokens of machines. Signing in stands in ``signing_in.py``, ``oidc.py``."""

from __future__ import annotations

from fastapi import APIRouter

from limits.console.access import api, pages

ROUTERS: list[APIRouter] = [pages.router, api.router]
