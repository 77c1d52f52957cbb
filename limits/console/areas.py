"""The routers of all areas, in the order of the documentation. Each area says its own in its ``__init__``."""

from __future__ import annotations

from fastapi import APIRouter

from limits.console import access, auditing, health, home, models, policies, reviews, schedules, users, work

AREAS = (reviews, schedules, policies, models, users, work, auditing, access, health)


def routers() -> list[APIRouter]:
    """Every router but signing in."""
    return [home.router, *(router for area in AREAS for router in area.ROUTERS)]
