"""The schedules that the clock follows, as rows, and the dates that were passed over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row, scalar_row

from limits.calendars import Calendar, CatchUp
from limits.errors import NotFound
from limits.store.queries import query

Connection = psycopg.Connection[Any]
Reason = Literal["latest", "later_review", "no_policy"]


@dataclass(frozen=True)
class Schedule:
    """When reviews are owed, and by which policy pack. ``newest``: its newest review's business date."""

    schedule: str
    pack: str
    run_at: dt.time
    time_zone: str
    paused: bool
    starts_on: dt.date
    newest: dt.date | None
    calendar: Calendar = "every_day"
    holidays: Sequence[dt.date] = ()
    catch_up: CatchUp = "latest"


@dataclass(frozen=True)
class PassedDate:
    """A date that gets no review, and why."""

    business_date: dt.date
    reason: Reason
    detail: str
    actor: str
    passed_at: dt.datetime


def list_schedules(conn: Connection) -> list[Schedule]:
    """Every schedule."""
    return _list(conn, None)


def get(conn: Connection, schedule: str) -> Schedule:
    """The schedule of that name; NotFound names it."""
    found = _list(conn, schedule)
    if not found:
        raise _not_found(schedule)
    return found[0]


def _list(conn: Connection, schedule: str | None) -> list[Schedule]:
    with conn.cursor(row_factory=class_row(Schedule)) as cursor:
        return cursor.execute(query("schedule_list"), {"schedule": schedule}).fetchall()


def add_schedule(
    conn: Connection,
    schedule: str,
    *,
    pack: str,
    run_at: dt.time,
    time_zone: str,
    starts_on: dt.date,
    calendar: Calendar = "every_day",
    holidays: Iterable[dt.date] = (),
    catch_up: CatchUp = "latest",
) -> bool:
    """Adds a schedule (role operations); False when one of that name is there."""
    parameters = {
        "schedule": schedule,
        "pack": pack,
        "run_at": run_at,
        "time_zone": time_zone,
        "starts_on": starts_on,
        "calendar": calendar,
        "holidays": sorted(set(holidays)),
        "catch_up": catch_up,
    }
    return conn.execute(query("schedule_add"), parameters).fetchone() is not None


def set_schedule(
    conn: Connection,
    schedule: str,
    *,
    pack: str | None = None,
    run_at: dt.time | None = None,
    time_zone: str | None = None,
    starts_on: dt.date | None = None,
    calendar: Calendar | None = None,
    catch_up: CatchUp | None = None,
) -> None:
    """Changes what is given of a schedule (role operations); NotFound when there is none of that name."""
    parameters = {
        "schedule": schedule,
        "pack": pack,
        "run_at": run_at,
        "time_zone": time_zone,
        "starts_on": starts_on,
        "calendar": calendar,
        "catch_up": catch_up,
    }
    if conn.execute(query("schedule_set"), parameters).fetchone() is None:
        raise _not_found(schedule)


def pause_schedule(conn: Connection, schedule: str, *, paused: bool) -> None:
    """Pauses a schedule or lets it go on (role operations); NotFound when there is none of that name."""
    if conn.execute(query("schedule_pause"), {"schedule": schedule, "paused": paused}).fetchone() is None:
        raise _not_found(schedule)


def change_holidays(
    conn: Connection, schedule: str, *, add: Iterable[dt.date] = (), remove: Iterable[dt.date] = ()
) -> list[dt.date]:
    """Adds and takes away holidays (role operations); those there are afterwards. NotFound without such a schedule."""
    parameters = {"schedule": schedule, "add": list(add), "remove": list(remove)}
    with conn.cursor(row_factory=scalar_row) as cursor:
        found = cursor.execute(query("schedule_holidays"), parameters).fetchone()
    if found is None:
        raise _not_found(schedule)
    return list(found)


def now(conn: Connection) -> dt.datetime:
    """The instant of the database's clock: one for all who race, and the one that decisions are held against."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        found = cursor.execute(query("clock_now")).fetchone()
    assert isinstance(found, dt.datetime)
    return found


def lock(conn: Connection) -> None:
    """Until the transaction ends nobody else says what becomes of the dates of schedules."""
    conn.execute(query("schedule_lock"))


def unsettled(conn: Connection, schedule: str, dates: Sequence[dt.date]) -> list[dt.date]:
    """Those of the dates that have no review and were not passed over, in the order given."""
    if not dates:
        return []
    with conn.cursor(row_factory=scalar_row) as cursor:
        parameters = {"schedule": schedule, "dates": list(dates)}
        settled = set(cursor.execute(query("schedule_settled"), parameters).fetchall())
    return [date for date in dates if date not in settled]


def pass_over(
    conn: Connection, schedule: str, dates: Sequence[dt.date], *, reason: Reason, detail: str, actor: str
) -> None:
    """Records dates that get no review, and why."""
    if dates:
        parameters = {"schedule": schedule, "dates": list(dates), "reason": reason, "detail": detail, "actor": actor}
        conn.execute(query("schedule_pass"), parameters)


def passed(conn: Connection, schedule: str) -> list[PassedDate]:
    """The dates that were passed over and not reviewed since, newest first."""
    with conn.cursor(row_factory=class_row(PassedDate)) as cursor:
        return cursor.execute(query("schedule_passed"), {"schedule": schedule}).fetchall()


def _not_found(schedule: str) -> NotFound:
    return NotFound(f"there is no schedule {schedule!r}; `limits schedule list` shows those there are")
