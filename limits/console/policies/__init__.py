"""Policies: what they say, what they would do, who approved them; champion and challengers."""

from __future__ import annotations

from fastapi import APIRouter

ROUTERS: list[APIRouter] = []
