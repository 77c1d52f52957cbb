"""How the service is: for machines that watch it."""

from __future__ import annotations

from fastapi import APIRouter

from limits.console.health import api

ROUTERS: list[APIRouter] = [api.router]
