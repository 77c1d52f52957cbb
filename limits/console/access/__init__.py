"""Who may come in: sessions of people, tokens of machines, and signing in at an identity provider."""

from __future__ import annotations

from fastapi import APIRouter

ROUTERS: list[APIRouter] = []
