"""The log, for auditors: entries, proofs, replays, exports, reports. Every route reads, by the auditor's role alone."""

from __future__ import annotations

from fastapi import APIRouter

from limits.console.auditing import api, pages, report_pages

ROUTERS: list[APIRouter] = [pages.router, report_pages.router, api.router]
