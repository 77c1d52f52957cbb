"""Schedules: when reviews are owed."""

from __future__ import annotations

from fastapi import APIRouter

ROUTERS: list[APIRouter] = []
