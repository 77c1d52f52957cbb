"""Which dates a schedule owes, and when, whatever the time zone, the time and the calendar."""

from __future__ import annotations

import datetime as dt
import itertools
import zoneinfo
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limits.calendars import CALENDARS, DAY, Timetable, due_between, starts_at

UTC = dt.UTC
D = dt.date

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kathmandu", "Asia/Shanghai",
    "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Chatham", "Pacific/Kiritimati", "Pacific/Apia",
    "America/Havana", "Atlantic/Azores", "America/Sao_Paulo", "Asia/Beirut", "Etc/GMT+12", "Antarctica/Troll",
]  # fmt: skip

quarters = st.integers(0, 95).map(lambda n: dt.time(n // 4, n % 4 * 15))
days = st.dates(D(1996, 1, 1), D(2036, 1, 1))
many = settings(max_examples=100, deadline=None)


@st.composite
def timetables(draw: Any) -> Timetable:
    first = draw(days)
    return Timetable(
        draw(quarters), zoneinfo.ZoneInfo(draw(st.sampled_from(ZONES))), first,
        draw(st.sampled_from(list(CALENDARS))),
        frozenset(first + n * DAY for n in draw(st.lists(st.integers(0, 200), max_size=8))),
    )  # fmt: skip


@many
@given(timetables())
def test_every_date_of_the_calendar_comes_once_and_in_order(timetable: Timetable) -> None:
    last = timetable.starts_on + 200 * DAY
    found = due_between(timetable, None, dt.datetime.combine(last, dt.time(), tzinfo=UTC) + 3 * DAY)
    owed = [due.business_date for due in found if due.business_date <= last]
    expected = [timetable.starts_on + n * DAY for n in range(201)]
    if timetable.calendar == "weekdays":
        expected = [date for date in expected if date.strftime("%a") not in ("Sat", "Sun")]
    if timetable.calendar == "month_end":
        expected = [date for date in expected if (date + DAY).month != date.month]
    assert owed == [date for date in expected if date not in timetable.holidays]
    instants = [due.at for due in found]
    assert instants == sorted(instants)
    for due in found:
        assert due.at.astimezone(UTC).date() >= due.business_date


@many
@given(timetables(), st.lists(st.tuples(st.integers(0, 200), st.sampled_from([-61, -1, 0, 1, 3600])), max_size=12))
def test_however_time_is_cut_no_date_is_lost_or_doubled(timetable: Timetable, cuts: list[tuple[int, int]]) -> None:
    """Cut where it hurts: at the instants at which dates fall due, and seconds beside them."""
    begin = dt.datetime.combine(timetable.starts_on, dt.time(), tzinfo=UTC) - 2 * DAY
    end = begin + 210 * DAY
    whole = due_between(timetable, None, end)
    at = [whole[n % len(whole)].at + dt.timedelta(seconds=beside) for n, beside in cuts if whole]
    points = [begin, *sorted(at), end]
    pieces = [due_between(timetable, one, other) for one, other in itertools.pairwise(points)]
    assert [due for piece in pieces for due in piece] == whole


@many
@given(st.sampled_from(ZONES), quarters, days)
def test_a_date_starts_when_the_clocks_first_show_its_time_or_a_later_one(
    zone: str, run_at: dt.time, date: dt.date
) -> None:
    found = starts_at(Timetable(run_at, zoneinfo.ZoneInfo(zone), date), date)
    assert found == first_shown(zone, dt.datetime.combine(date, run_at))


@pytest.mark.parametrize("zone", ZONES)
def test_nights_on_which_clocks_are_set(zone: str) -> None:
    """Each quarter of an hour of those days: few random days are among them."""
    found = zoneinfo.ZoneInfo(zone)
    for n in range(365 * 2):
        date = D(2025, 1, 1) + n * DAY
        noon = dt.datetime.combine(date, dt.time(12), tzinfo=found)
        if noon.utcoffset() == (noon + DAY).utcoffset():
            continue
        for quarter in range(96):
            run_at = dt.time(quarter // 4, quarter % 4 * 15)
            local = dt.datetime.combine(date + DAY, run_at)
            assert starts_at(Timetable(run_at, found, date), date + DAY) == first_shown(zone, local)


def first_shown(zone: str, local: dt.datetime) -> dt.datetime:
    """By looking at the clock every quarter of an hour, on which all these clocks are set."""
    found = zoneinfo.ZoneInfo(zone)
    at = local.replace(tzinfo=UTC) - dt.timedelta(hours=15)
    while at.astimezone(found).replace(tzinfo=None) < local:
        at += dt.timedelta(minutes=15)
    return at
