"""Business-date calendars: on which dates a schedule owes a review, and from which instant on each is due.

A business date is a date of the schedule's time zone. It is due once the time of day has come
there and the UTC date has reached it too, because no review is as of a date that is still to
come by UTC. Nothing here reads a clock: instants and the time zone are given.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Calendar = Literal["every_day", "weekdays", "month_end"]
CatchUp = Literal["all", "latest"]

#: What each calendar leaves of all dates, in words.
CALENDARS: dict[Calendar, str] = {
    "every_day": "every day",
    "weekdays": "Monday to Friday",
    "month_end": "the last day of each month",
}

#: What becomes of dates that were missed, in words.
CATCH_UPS: dict[CatchUp, str] = {
    "all": "each date that was missed is reviewed, oldest first",
    "latest": "of the dates missed only the newest is reviewed",
}

#: No schedule goes back behind it: time zones of the time before are guesses.
EARLIEST = dt.date(1970, 1, 1)

#: The database holds no first date and no holiday of a schedule after it (migration 0020).
LATEST = dt.date(2199, 12, 31)

#: How far ahead the next date is looked for: years of holidays may stand before it.
HORIZON = dt.timedelta(days=3660)

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Timetable:
    """When a schedule owes reviews: its dates from ``starts_on`` on, and the local time each starts at."""

    run_at: dt.time
    zone: dt.tzinfo
    starts_on: dt.date
    calendar: Calendar = "every_day"
    holidays: frozenset[dt.date] = frozenset()


@dataclass(frozen=True)
class Due:
    """A business date and the instant (UTC) from which on its review is owed."""

    business_date: dt.date
    at: dt.datetime


def is_business_date(timetable: Timetable, date: dt.date) -> bool:
    """Whether the calendar has the date and it is no holiday, whenever the schedule begins."""
    if date in timetable.holidays:
        return False
    if timetable.calendar == "weekdays":
        return date.isoweekday() <= 5
    if timetable.calendar == "month_end":
        return (date + DAY).day == 1
    return True


def starts_at(timetable: Timetable, date: dt.date) -> dt.datetime:
    """The first instant (UTC) at which the clocks of the time zone show the date and time, or have passed them.

    A time that comes twice, when clocks are set back, counts the first time. One that does not
    come, when they are set forward, starts at the first instant after the gap.
    """
    local = dt.datetime.combine(date, timetable.run_at, tzinfo=timetable.zone)
    instant = local.astimezone(dt.UTC)
    if instant.astimezone(timetable.zone).replace(tzinfo=None, fold=0) == local.replace(tzinfo=None):
        return instant
    # In a gap fold 0 counts by the offset before it, which gives an instant after it; fold 1 the other way round.
    return _first_with_offset_changed(timetable.zone, local.replace(fold=1).astimezone(dt.UTC), instant)


def _first_with_offset_changed(zone: dt.tzinfo, before: dt.datetime, after: dt.datetime) -> dt.datetime:
    """The instant between two at which the clocks of the zone were set, to the second."""
    before = before.replace(microsecond=0)
    offset = before.astimezone(zone).utcoffset()
    low, high = 0, int((after - before).total_seconds()) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if (before + dt.timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return before + dt.timedelta(seconds=high)


def due_at(timetable: Timetable, date: dt.date) -> dt.datetime:
    """The instant (UTC) from which on the review of a date is owed: never before the date has come by UTC."""
    return max(starts_at(timetable, date), dt.datetime.combine(date, dt.time(), tzinfo=dt.UTC))


def due_between(timetable: Timetable, begin: dt.datetime | None, end: dt.datetime) -> list[Due]:
    """The dates that fall due after ``begin`` (None: ever) and by ``end``, oldest first."""
    first = max(timetable.starts_on, EARLIEST)
    last = end.astimezone(dt.UTC).date()
    if begin is not None:
        # A date ends half a day after it by UTC at the latest, and a gap may put off its start by a day.
        first = max(first, begin.astimezone(dt.UTC).date() - 3 * DAY)
    dues = (Due(date, due_at(timetable, date)) for date in _dates(timetable, first, last))
    return [due for due in dues if due.at <= end and (begin is None or due.at > begin)]


def next_due(timetable: Timetable, now: dt.datetime) -> Due | None:
    """The date that falls due next after an instant; None when there is none within ten years."""
    today = now.astimezone(dt.UTC).date()
    first = max(timetable.starts_on, EARLIEST, today - 3 * DAY)
    for date in _dates(timetable, first, max(first, today) + HORIZON):
        at = due_at(timetable, date)
        if at > now:
            return Due(date, at)
    return None


def _dates(timetable: Timetable, first: dt.date, last: dt.date) -> Iterator[dt.date]:
    for days in range((last - first).days + 1):
        date = first + days * DAY
        if is_business_date(timetable, date):
            yield date
