"""Policies: what they say, what they would do, who approved them; champion and challengers."""

from __future__ import annotations

from fastapi import APIRouter

from limits.console.policies import api, comparing, pages

ROUTERS: list[APIRouter] = [pages.router, api.router, comparing.router]
