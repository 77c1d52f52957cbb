"""Which dates a schedule owes, and when, by hand for the days that matter."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

import pytest

from limits.calendars import DAY, Timetable, due_at, due_between, next_due, starts_at

UTC = dt.UTC
D = dt.date


def table(zone: str = "UTC", at: str = "02:00", starts_on: dt.date = D(2026, 1, 1), **given: Any) -> Timetable:
    return Timetable(dt.time.fromisoformat(at), zoneinfo.ZoneInfo(zone), starts_on, **given)


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=UTC)


# Instants -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "at", "date", "expected"),
    [
        ("UTC", "02:00", "2026-03-10", "2026-03-10T02:00"),
        ("America/New_York", "22:00", "2026-03-10", "2026-03-11T02:00"),  # the local date, one before that of UTC
        ("Asia/Shanghai", "02:00", "2026-03-10", "2026-03-09T18:00"),
        # Clocks are set forward: the first instant after the gap, whatever time in the gap was meant.
        ("Europe/Berlin", "01:59", "2026-03-29", "2026-03-29T00:59"),
        ("Europe/Berlin", "02:00", "2026-03-29", "2026-03-29T01:00"),
        ("Europe/Berlin", "02:30", "2026-03-29", "2026-03-29T01:00"),
        ("Europe/Berlin", "03:00", "2026-03-29", "2026-03-29T01:00"),
        ("Australia/Lord_Howe", "02:15", "2026-10-04", "2026-10-03T15:30"),  # by half an hour only
        ("America/Havana", "00:30", "2026-03-08", "2026-03-08T05:00"),  # at midnight
        ("Pacific/Apia", "12:00", "2011-12-30", "2011-12-30T10:00"),  # a day that never was
        # Clocks are set back: the first of the two.
        ("Europe/Berlin", "02:30", "2026-10-25", "2026-10-25T00:30"),
        ("America/New_York", "01:00", "2026-11-01", "2026-11-01T05:00"),
        ("Australia/Lord_Howe", "01:45", "2026-04-05", "2026-04-04T14:45"),
    ],
)
def test_when_a_date_starts(zone: str, at: str, date: str, expected: str) -> None:
    assert starts_at(table(zone, at), D.fromisoformat(date)) == instant(expected)


@pytest.mark.parametrize(
    ("zone", "at", "date", "expected"),
    [
        # A zone ahead of UTC waits for the UTC date, which no review may be ahead of.
        ("Asia/Shanghai", "02:00", "2026-03-10", "2026-03-10T00:00"),
        ("Asia/Shanghai", "09:00", "2026-03-10", "2026-03-10T01:00"),
        ("Pacific/Kiritimati", "00:00", "2026-03-10", "2026-03-10T00:00"),
        ("Pacific/Kiritimati", "23:00", "2026-03-10", "2026-03-10T09:00"),
        ("America/New_York", "22:00", "2026-03-10", "2026-03-11T02:00"),
    ],
)
def test_a_date_is_due_once_it_has_come_here_and_by_utc(zone: str, at: str, date: str, expected: str) -> None:
    assert due_at(table(zone, at), D.fromisoformat(date)) == instant(expected)


# Dates --------------------------------------------------------------------------------------


def dates(timetable: Timetable, until: str = "2026-12-31T23:59") -> list[str]:
    return [due.business_date.isoformat() for due in due_between(timetable, None, instant(until))]


def test_weekdays_are_monday_to_friday() -> None:
    assert dates(table(calendar="weekdays", starts_on=D(2026, 2, 26)), "2026-03-04T02:00") == [
        "2026-02-26", "2026-02-27", "2026-03-02", "2026-03-03", "2026-03-04",
    ]  # fmt: skip


def test_month_ends_are_the_last_days() -> None:
    found = dates(table(calendar="month_end", starts_on=D(2028, 1, 31)), "2028-05-31T01:59")
    assert found == ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]


def test_a_holiday_is_left_out_whatever_the_calendar() -> None:
    off = frozenset({D(2026, 3, 3), D(2026, 3, 31)})
    assert dates(table(starts_on=D(2026, 3, 2), holidays=off), "2026-03-04T02:00") == ["2026-03-02", "2026-03-04"]
    assert dates(table(calendar="month_end", starts_on=D(2026, 3, 1), holidays=off), "2026-04-30T02:00") == [
        "2026-04-30"
    ]


def test_the_next_date_stands_behind_holidays_and_never_before_the_first() -> None:
    off = frozenset(D(2026, 3, 1) + n * DAY for n in range(200))
    found = next_due(table(holidays=off), instant("2026-03-01T00:00"))
    assert found is not None
    assert (found.business_date, found.at) == (D(2026, 9, 17), instant("2026-09-17T02:00"))
    later = next_due(table(starts_on=D(2031, 5, 5)), instant("2026-03-01T00:00"))
    assert later is not None
    assert later.business_date == D(2031, 5, 5)
    forever = frozenset(D(2026, 3, 1) + n * DAY for n in range(4000))
    assert next_due(table(holidays=forever), instant("2026-03-01T00:00")) is None
