"""How the service is: for machines that watch it."""

from __future__ import annotations

from fastapi import APIRouter

ROUTERS: list[APIRouter] = []
