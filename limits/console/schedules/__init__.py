"""Schedules: when reviews are owed."""

from __future__ import annotations

from fastapi import APIRouter

from limits.console.schedules import api, pages

ROUTERS: list[APIRouter] = [pages.router, api.router]
