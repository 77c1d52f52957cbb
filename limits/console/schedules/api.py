"""The API of schedules."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path

from limits.console.context import Context, context_of
from limits.console.fields import printable
from limits.console.once import IdempotencyKey
from limits.console.people import Principal, Role, may
from limits.console.problems import PROBLEMS
from limits.console.reviews.doing import Asked
from limits.console.schedules import answers
from limits.console.schedules.answers import ChangedSchedule, NewSchedule, RunNow, ScheduleAnswer, SchedulesAnswer

router = APIRouter(prefix="/v1/schedules", tags=["schedules"], responses=PROBLEMS)

WRITING: tuple[Role, ...] = ("risk",)
READERS, WRITERS = may("risk", "approver"), may(*WRITING)

Ctx = Annotated[Context, Depends(context_of)]
Named = Annotated[str, Path(min_length=1, max_length=100, description="Name of the schedule."), printable]


@router.get("", dependencies=[Depends(READERS)])
def list_schedules(context: Ctx) -> SchedulesAnswer:
    """Every schedule: when it runs next, which dates were missed and which passed over."""
    with context.connect("operations") as conn:
        return SchedulesAnswer(schedules=answers.every(conn))


@router.post("")
def add_schedule(
    context: Ctx, who: Annotated[Principal, Depends(WRITERS)], key: IdempotencyKey, new: NewSchedule
) -> ScheduleAnswer:
    """Let everybody be reviewed on each date of a calendar, from a date on."""
    return answers.add(context, who, key, new)


@router.get("/{name}", dependencies=[Depends(READERS)])
def show_schedule(context: Ctx, name: Named) -> ScheduleAnswer:
    """One schedule."""
    with context.connect("operations") as conn:
        return answers.show(conn, name)


@router.patch("/{name}")
def change_schedule(
    context: Ctx,
    who: Annotated[Principal, Depends(WRITERS)],
    key: IdempotencyKey,
    name: Named,
    changed: ChangedSchedule,
) -> ScheduleAnswer:
    """Change what is given of a schedule; the rest stays."""
    return answers.change(context, who, key, name, changed)


@router.post("/{name}/pause")
def pause_schedule(
    context: Ctx, who: Annotated[Principal, Depends(WRITERS)], key: IdempotencyKey, name: Named
) -> ScheduleAnswer:
    """Owe no further review of a schedule; one that is running goes on."""
    return answers.pause(context, who, key, name, paused=True)


@router.post("/{name}/resume")
def resume_schedule(
    context: Ctx, who: Annotated[Principal, Depends(WRITERS)], key: IdempotencyKey, name: Named
) -> ScheduleAnswer:
    """Let a paused schedule go on. Dates missed meanwhile are caught up with as its ``catch_up`` says."""
    return answers.pause(context, who, key, name, paused=False)


@router.post("/{name}/run")
def run_schedule(
    context: Ctx,
    who: Annotated[Principal, Depends(WRITERS)],
    key: IdempotencyKey,
    name: Named,
    wanted: Annotated[RunNow, Body()],
) -> Asked:
    """Review everybody for a date of a schedule now. The same date again changes nothing."""
    return answers.run(context, who, key, name, wanted)
