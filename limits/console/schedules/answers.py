"""What is told of schedules, what people may write about them, and doing so: for the API and the pages alike."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from limits import engine
from limits.calendars import Calendar, CatchUp
from limits.console.context import Context
from limits.console.once import once
from limits.console.people import Principal
from limits.console.problems import Problem
from limits.console.reviews import doing
from limits.console.reviews.doing import Asked
from limits.console.reviews.fields import Day, Name
from limits.engine import scheduling
from limits.errors import InputError
from limits.store import schedules
from limits.store.db import Connection

#: Holidays that are sent at once.
MOST_HOLIDAYS = 1000


def _time(text: str) -> str:
    return _worded(lambda: scheduling.read_time(text), text)


def _zone(text: str) -> str:
    return _worded(lambda: scheduling.check_zone(text), text)


def _worded(check: Any, text: str) -> str:
    try:
        check()
    except InputError as error:
        raise ValueError(str(error)) from None
    return text


At = Annotated[str, Field(max_length=5, description="HH:MM, in its time zone."), AfterValidator(_time)]
Zone = Annotated[str, Field(max_length=64, description="Such as Europe/Prague."), AfterValidator(_zone)]
Holidays = Annotated[list[Day], Field(max_length=MOST_HOLIDAYS, description="Dates on which no review is owed.")]
Pack = Annotated[str, Field(max_length=100, description="A policy pack that comes with the product.")]


def _without_slash(name: str) -> str:
    if "/" in name:
        raise ValueError("a slash would end the name in an address; leave it out")
    return name


class NewSchedule(BaseModel, extra="forbid"):
    """A schedule to add."""

    schedule: Annotated[Name, AfterValidator(_without_slash)]
    policy: Pack | None = Field(default=None, description="A policy pack. Default: that of the settings.")
    at: At = "02:00"
    time_zone: Zone = "UTC"
    calendar: Calendar = "every_day"
    catch_up: CatchUp = "latest"
    holidays: Holidays = []
    starts_on: Day | None = Field(default=None, description="The first business date. Default: tomorrow.")


class ChangedSchedule(BaseModel, extra="forbid"):
    """What shall be otherwise; what is left out stays. What was reviewed stays reviewed."""

    policy: Pack | None = None
    at: At | None = None
    time_zone: Zone | None = None
    calendar: Calendar | None = None
    catch_up: CatchUp | None = None
    starts_on: Day | None = None
    add_holidays: Holidays = []
    remove_holidays: Holidays = []


class RunNow(BaseModel, extra="forbid"):
    """A review of a schedule now."""

    as_of: Day | None = Field(default=None, description="The business date. Default: today's in its time zone.")


class NextDue(BaseModel):
    """The date that falls due next, and when."""

    business_date: dt.date
    local: dt.datetime
    utc: dt.datetime


class PassedOver(BaseModel):
    """A date that gets no review, and why."""

    business_date: dt.date
    reason: Literal["latest", "later_review", "no_policy"]
    detail: str
    actor: str
    at: dt.datetime


class ScheduleAnswer(BaseModel):
    """A schedule: when reviews are owed, and by which policy."""

    schedule: str
    policy: str
    at: str
    time_zone: str
    calendar: Calendar
    holidays: list[dt.date]
    catch_up: CatchUp
    paused: bool
    starts_on: dt.date = Field(description="The first business date that counts.")
    newest: dt.date | None = Field(description="The business date of its newest review.")
    next: NextDue | None = Field(description="Null: none within ten years. Of a paused schedule it then waits.")
    missed: list[dt.date] = Field(description="Dates that have come and have neither a review nor were passed over.")
    passed_over: list[PassedOver] = Field(description="The newest first.")
    in_words: str


class SchedulesAnswer(BaseModel):
    """Every schedule, by name."""

    schedules: list[ScheduleAnswer]


def show(conn: Connection, name: str) -> ScheduleAnswer:
    """One schedule; NotFound names it."""
    return _answer(conn, schedules.get(conn, name))


def every(conn: Connection) -> list[ScheduleAnswer]:
    """All schedules."""
    return [_answer(conn, row) for row in schedules.list_schedules(conn)]


def _answer(conn: Connection, row: schedules.Schedule) -> ScheduleAnswer:
    told = scheduling.schedule_dict(conn, row)
    return ScheduleAnswer(**told, starts_on=told["from"], in_words=scheduling.in_words(row))


# What people do -----------------------------------------------------------------------------


def add(context: Context, who: Principal, key: str, new: NewSchedule) -> ScheduleAnswer:
    """Adds a schedule. Problem 409 where one of that name is there."""

    def act() -> None:
        doing.check_pack(new.policy)
        pack = scheduling.read_pack(new.policy or context.settings.policy)
        with context.connect("operations") as conn:
            added = schedules.add_schedule(
                conn, new.schedule, pack=pack, run_at=scheduling.read_time(new.at), time_zone=new.time_zone,
                starts_on=new.starts_on or scheduling.first_date(new.time_zone), calendar=new.calendar,
                holidays=new.holidays, catch_up=new.catch_up,
            )  # fmt: skip
        if not added:
            raise Problem(
                409, "there-already", f"there is a schedule {new.schedule!r} already; change it or choose another name"
            )

    once(context, who, key, "add a schedule", new, act)
    return _now(context, new.schedule)


def change(context: Context, who: Principal, key: str, name: str, changed: ChangedSchedule) -> ScheduleAnswer:
    """Changes what is given. InputError where dates gone by would count as missed and ``starts_on`` is not given."""

    def act() -> None:
        doing.check_pack(changed.policy)
        with context.connect("operations") as conn, conn.transaction():
            row = schedules.get(conn, name)
            strange = sorted(set(changed.remove_holidays) - set(row.holidays))
            if strange:
                raise InputError(f"{', '.join(map(str, strange))}: no holidays of schedule {name}; nothing was changed")
            if changed.add_holidays or changed.remove_holidays:
                schedules.change_holidays(conn, name, add=changed.add_holidays, remove=changed.remove_holidays)
            scheduling.change(
                conn, name, pack=changed.policy, run_at=scheduling.read_time(changed.at) if changed.at else None,
                time_zone=changed.time_zone, calendar=changed.calendar, catch_up=changed.catch_up,
                starts_on=changed.starts_on,
            )  # fmt: skip

    once(context, who, key, f"change schedule {name}", changed, act, known_below=True)
    return _now(context, name)


def pause(context: Context, who: Principal, key: str, name: str, *, paused: bool) -> ScheduleAnswer:
    """Pauses a schedule or lets it go on; dates missed meanwhile are caught up with as it says."""

    def act() -> None:
        with context.connect("operations") as conn:
            schedules.pause_schedule(conn, name, paused=paused)

    once(context, who, key, f"{'pause' if paused else 'resume'} schedule {name}", {}, act, known_below=True)
    return _now(context, name)


def run(context: Context, who: Principal, key: str, name: str, wanted: RunNow) -> Asked:
    """Owes the review of a date of the schedule now; asked for again it is the same one."""

    def act() -> dict[str, Any]:
        with context.connect("operations") as conn:
            now = schedules.now(conn)
        row = engine.run_schedule(
            context.database("operations"), context.settings, name, as_of=wanted.as_of, now=now, actor=who.actor
        )
        doing.wake(context)
        return Asked(review_id=row.review_id, state=row.state, created=row.created).model_dump()

    return Asked(**once(context, who, key, f"run schedule {name}", wanted, act, known_below=True))


def _now(context: Context, name: str) -> ScheduleAnswer:
    with context.connect("operations") as conn:
        return show(conn, name)
