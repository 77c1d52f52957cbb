"""The log, for auditors: entries, proofs, replays, exports and reports."""

from __future__ import annotations

from fastapi import APIRouter

ROUTERS: list[APIRouter] = []
