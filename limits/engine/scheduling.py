"""What people do with schedules: add and change them, and what is told of one."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import zoneinfo
from typing import Any

from limits.calendars import CALENDARS, CATCH_UPS, EARLIEST, LATEST, Calendar, CatchUp, next_due
from limits.engine.owing import missed, timetable
from limits.errors import InputError
from limits.store import policies, schedules
from limits.store.db import Connection
from limits.store.schedules import Schedule


def change(
    conn: Connection,
    name: str,
    *,
    pack: str | None = None,
    run_at: dt.time | None = None,
    time_zone: str | None = None,
    starts_on: dt.date | None = None,
    calendar: Calendar | None = None,
    catch_up: CatchUp | None = None,
) -> Schedule:
    """Changes what is given of a schedule; the rest stays. NotFound without such a schedule.

    InputError where the change alone would make dates gone by count as missed and no date is given from which on
    it counts: they would be caught up with.
    """
    before = schedules.get(conn, name)
    with conn.transaction():
        schedules.lock(conn)  # no clock owes a date of the changed schedule before this is through
        schedules.set_schedule(
            conn, name, pack=pack, run_at=run_at, time_zone=time_zone, starts_on=starts_on, calendar=calendar,
            catch_up=catch_up,
        )  # fmt: skip
        after = schedules.get(conn, name)
        _refuse_dates_gone_by(conn, before, after, chosen=starts_on is not None)
    return after


def _refuse_dates_gone_by(conn: Connection, before: Schedule, after: Schedule, *, chosen: bool) -> None:
    """Dates before today that only the change makes missed would be caught up with; ``chosen``: as --from says."""
    now = schedules.now(conn)
    today = now.astimezone(timetable(after).zone).date()
    known = set(missed(conn, before, now=now))
    dates = [date for date in missed(conn, after, now=now) if date not in known and date < today]
    if dates and not chosen:
        raise InputError(
            f"by this {len(dates):,} dates gone by would count as missed, from {dates[0]} to {dates[-1]}, and nothing "
            f"was changed; say from which date on it counts (--from): {today}, or {after.starts_on} for all"
        )


def first_date(time_zone: str) -> dt.date:
    """The first business date where nobody names one: tomorrow there."""
    return dt.datetime.now(zoneinfo.ZoneInfo(time_zone)).date() + dt.timedelta(days=1)


def read_pack(name: str) -> str:
    """The name by which a scheduler finds the pack; PolicyError where it cannot be used, by the name as written."""
    policies.read_pack(name)
    return policies.lasting_name(name)


def check_zone(time_zone: str) -> None:
    """InputError for a time zone that is not there."""
    if time_zone not in zoneinfo.available_timezones():
        raise InputError(f"there is no time zone {time_zone!r}; write it like Europe/Prague")


def check_first(first: dt.date) -> None:
    """InputError for a first date before there were time zones to speak of, or later than a schedule can hold."""
    if first < EARLIEST:
        raise InputError(f"{first} lies before {EARLIEST}; name the date of the first review")
    if first > LATEST:
        raise InputError(f"{first} lies after {LATEST}; name the date of the first review")


def check_holiday(date: dt.date) -> None:
    """InputError for a holiday on which no schedule could owe a review, so that it must be a slip."""
    if not EARLIEST <= date <= LATEST:
        raise InputError(f"{date} is no holiday of a schedule: name one from {EARLIEST} to {LATEST}")


def read_time(at: str) -> dt.time:
    """A time of day as people write it, HH:MM. InputError."""
    if re.fullmatch(r"[0-9]{2}:[0-9]{2}", at):
        with contextlib.suppress(ValueError):
            return dt.time.fromisoformat(at)
    raise InputError(f"{at!r} is not a time; write it HH:MM, such as 02:00")


def in_words(row: Schedule) -> str:
    """A schedule in one sentence."""
    but = f" but {len(row.holidays)} holidays" if row.holidays else ""
    return (
        f"schedule {row.schedule}: {CALENDARS[row.calendar]}{but} at {row.run_at:%H:%M} {row.time_zone}, from business "
        f"date {row.starts_on} on, by policy {row.pack}; {CATCH_UPS[row.catch_up]}"
    )


def schedule_dict(conn: Connection, row: Schedule) -> dict[str, Any]:
    """A schedule for a machine. ``next``: the date that falls due next, and when; of a paused one it then waits."""
    now = schedules.now(conn)
    table = timetable(row)
    due = next_due(table, now)
    return {
        "schedule": row.schedule,
        "policy": row.pack,
        "at": f"{row.run_at:%H:%M}",
        "time_zone": row.time_zone,
        "calendar": row.calendar,
        "holidays": [date.isoformat() for date in row.holidays],
        "catch_up": row.catch_up,
        "paused": row.paused,
        "from": row.starts_on.isoformat(),
        "newest": row.newest.isoformat() if row.newest else None,
        "next": None
        if due is None
        else {
            "business_date": due.business_date.isoformat(),
            "local": due.at.astimezone(table.zone).isoformat(),
            "utc": due.at.isoformat(),
        },
        "missed": [date.isoformat() for date in missed(conn, row, now=now)],
        "passed_over": [
            {
                "business_date": one.business_date.isoformat(),
                "reason": one.reason,
                "detail": one.detail,
                "actor": one.actor,
                "at": one.passed_at.isoformat(),
            }
            for one in schedules.passed(conn, row.schedule)
        ],
    }
