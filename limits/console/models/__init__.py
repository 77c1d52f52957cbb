"""Risk models: who approved them, how good they are, and what monitoring says."""

from __future__ import annotations

from fastapi import APIRouter

ROUTERS: list[APIRouter] = []
