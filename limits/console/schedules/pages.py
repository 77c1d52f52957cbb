"""The pages of schedules."""

from __future__ import annotations

import re
import zoneinfo
from typing import Annotated, Any, cast
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from limits.calendars import CALENDARS, CATCH_UPS
from limits.console.pages import render, see
from limits.console.people import Posted, posted
from limits.console.reviews import answers as review_answers
from limits.console.reviews.pages import checked
from limits.console.schedules import answers
from limits.console.schedules.answers import ChangedSchedule, NewSchedule, RunNow
from limits.console.schedules.api import READERS, WRITING, Ctx, Named
from limits.store import policies

router = APIRouter(prefix="/schedules", include_in_schema=False)

Sent = Annotated[Posted, Depends(posted(*WRITING))]


@router.get("", dependencies=[Depends(READERS)])
def schedules_page(request: Request, context: Ctx) -> HTMLResponse:
    """All schedules."""
    with context.connect("operations") as conn:
        values = {"schedules": answers.every(conn), "usual": context.settings.policy}
    return render(request, "schedules.html", values | _choices())


@router.post("")
def add(context: Ctx, sent: Sent) -> RedirectResponse:
    """Add a schedule."""
    new = cast(NewSchedule, checked(
        NewSchedule, schedule=sent.needed("schedule", longest=100), policy=sent.text("policy", longest=100) or None,
        **_given(sent, "at", "time_zone", "calendar", "catch_up", "starts_on"), holidays=_dates(sent, "holidays"),
    ))  # fmt: skip
    made = answers.add(context, sent.who, sent.key, new)
    return see(_address(made.schedule), "The schedule is added")


@router.get("/{name}", dependencies=[Depends(READERS)])
def schedule_page(request: Request, context: Ctx, name: Named) -> HTMLResponse:
    """One schedule: when it runs, what was missed or passed over, and its newest reviews."""
    with context.connect("operations") as conn:
        found = answers.show(conn, name)
        newest = review_answers.listing(conn, schedule=name, limit=10, cursor=None).items
    values = {"schedule": found, "reviews": newest, "address": _address(name)}
    return render(request, "schedule.html", values | _choices())


@router.post("/{name}/change")
def change(context: Ctx, name: Named, sent: Sent) -> RedirectResponse:
    """Change what is filled in."""
    changed = cast(ChangedSchedule, checked(
        ChangedSchedule, **_given(sent, "policy", "at", "time_zone", "calendar", "catch_up", "starts_on"),
        add_holidays=_dates(sent, "add_holidays"), remove_holidays=_dates(sent, "remove_holidays"),
    ))  # fmt: skip
    answers.change(context, sent.who, sent.key, name, changed)
    return see(_address(name), "The schedule is changed")


@router.post("/{name}/pause")
def pause(context: Ctx, name: Named, sent: Sent) -> RedirectResponse:
    """Owe no further review."""
    answers.pause(context, sent.who, sent.key, name, paused=True)
    return see(_address(name), "The schedule is paused")


@router.post("/{name}/resume")
def resume(context: Ctx, name: Named, sent: Sent) -> RedirectResponse:
    """Let it go on."""
    answers.pause(context, sent.who, sent.key, name, paused=False)
    return see(_address(name), "The schedule goes on")


@router.post("/{name}/run")
def run(context: Ctx, name: Named, sent: Sent) -> RedirectResponse:
    """Review everybody for a date of it now."""
    asked = answers.run(context, sent.who, sent.key, name, cast(RunNow, checked(RunNow, **_given(sent, "as_of"))))
    said = "The review is asked for" if asked.created else f"Review {asked.review_id} was there already"
    return see(f"/reviews/{asked.review_id}", said)


def _given(sent: Posted, *names: str) -> dict[str, Any]:
    """The fields that are filled in."""
    return {name: value for name in names if (value := sent.text(name, longest=100))}


def _dates(sent: Posted, name: str) -> list[str]:
    return [word for word in re.split(r"[\s,;]+", sent.text(name, longest=12_000)) if word]


def _address(name: str) -> str:
    return f"/schedules/{quote(name, safe='')}"


def _choices() -> dict[str, Any]:
    return {
        "calendars": CALENDARS, "catch_ups": CATCH_UPS, "packs": [(name, name) for name in policies.pack_names()],
        "zones": sorted(zone for zone in zoneinfo.available_timezones() if "/" in zone or zone == "UTC"),
    }  # fmt: skip
