"""What the clock makes of schedules, against a real database: each date once, in order, none silently dropped."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from limits import engine
from limits.calendars import due_at, due_between
from limits.engine import owing
from limits.errors import PolicyError, PolicyNotApproved, ReviewRefused, SettingsError
from limits.settings import Settings
from limits.store import approvals, policies, reviews, schedules
from limits.store.db import Connection, Database
from limits.store.schedules import Schedule
from tests import invariants

UTC = dt.UTC
DAY = dt.timedelta(days=1)
JUNE = dt.date(2026, 6, 1)
#: The last instant of most tests: June 10 has come.
NOW = dt.datetime(2026, 6, 10, 3, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _invariants(conn: Connection) -> Iterator[None]:
    yield
    invariants.check(conn)


@pytest.fixture
def clock(database: Database) -> Iterator[Connection]:
    """With the rights that a scheduler has."""
    with database.connect("worker", "limits test") as connection:
        yield connection


def add(conn: Connection, name: str = "nightly", **given: Any) -> Schedule:
    values = {"pack": "standard", "run_at": dt.time(2), "time_zone": "UTC", "starts_on": JUNE, **given}
    assert schedules.add_schedule(conn, name, **values)
    return schedules.get(conn, name)


def june(*days: int) -> list[dt.date]:
    return [dt.date(2026, 6, day) for day in days]


def reviewed(conn: Connection, name: str = "nightly") -> list[dt.date]:
    """The dates of a schedule's reviews, in the order in which they were made."""
    rows = conn.execute("SELECT business_date FROM limits.reviews WHERE schedule = %s ORDER BY review_id", (name,))
    return [date for (date,) in rows]


def passed(conn: Connection, name: str = "nightly") -> dict[dt.date, str]:
    return {one.business_date: one.reason for one in schedules.passed(conn, name)}


def look(clock: Connection, now: dt.datetime = NOW, *, owed: engine.Owing | None = None) -> list[engine.Owed]:
    return (owed or engine.Owing()).look(clock, now=now, actor="scheduler")


def withdraw(conn: Connection) -> None:
    for one in approvals.history(conn, "standard"):
        if one.state == "approved":
            approvals.decide(conn, one.approval_id, "withdraw", actor="Dora", reason="stop")


# Catching up --------------------------------------------------------------------------------


def test_a_scheduler_that_was_down_for_three_days(conn: Connection, clock: Connection) -> None:
    add(conn, "each", catch_up="all")
    add(conn, "newest", catch_up="latest")
    seventh = dt.datetime(2026, 6, 7, 2, tzinfo=UTC)
    memory = engine.Owing()
    for hours in range(24 * 7):
        look(clock, seventh - 7 * DAY + dt.timedelta(hours=hours + 1), owed=memory)
    assert reviewed(conn, "each") == reviewed(conn, "newest") == june(1, 2, 3, 4, 5, 6, 7)
    look(clock, seventh + 3 * DAY, owed=memory)
    assert reviewed(conn, "each") == june(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    assert reviewed(conn, "newest") == june(1, 2, 3, 4, 5, 6, 7, 10)
    assert passed(conn, "each") == {}
    assert passed(conn, "newest") == dict.fromkeys(june(9, 8), "latest")
    assert schedules.passed(conn, "newest")[0].detail == "of the dates missed only 2026-06-10 is reviewed"


def test_what_was_missed_while_paused_is_caught_up_with(conn: Connection, clock: Connection) -> None:
    for catch_up in ("all", "latest"):
        add(conn, catch_up, catch_up=catch_up)
        schedules.pause_schedule(conn, catch_up, paused=True)
    memory = engine.Owing()
    assert look(clock, owed=memory) == [engine.Owed(), engine.Owed()]
    for name in ("all", "latest"):
        schedules.pause_schedule(conn, name, paused=False)
    look(clock, owed=memory)
    assert reviewed(conn, "all") == june(*range(1, 11))
    assert (reviewed(conn, "latest"), len(passed(conn, "latest"))) == (june(10), 9)


def test_after_two_years_no_flood(conn: Connection, clock: Connection) -> None:
    start, now = dt.date(2026, 1, 1), dt.datetime(2028, 1, 1, 3, tzinfo=UTC)
    add(conn, "each", catch_up="all", starts_on=start)
    add(conn, "newest", starts_on=start)
    memory = engine.Owing()
    first = look(clock, now, owed=memory)
    assert [(len(owed.reviews), owed.left) for owed in first] == [(owing.MOST, 731 - owing.MOST), (1, 0)]
    assert reviewed(conn, "each") == [start + n * DAY for n in range(owing.MOST)]
    ticks = 1 + next(n for n in itertools.count(1) if not look(clock, now, owed=memory)[0].left)
    assert ticks == -(-731 // owing.MOST)
    assert reviewed(conn, "each") == [start + n * DAY for n in range(731)]
    assert len(passed(conn, "newest")) == 730


def test_the_clock_settles_nothing_twice_and_remembers(conn: Connection, clock: Connection) -> None:
    add(conn, catch_up="all")
    memory = engine.Owing()
    assert [len(owed.reviews) for owed in look(clock, owed=memory)] == [10]
    assert look(clock, owed=memory) == look(clock) == [engine.Owed()]
    # A clock that goes back owes nothing, and forgets nothing.
    assert look(clock, NOW - 5 * DAY, owed=memory) == [engine.Owed()]
    look(clock, NOW + DAY, owed=memory)
    assert reviewed(conn)[-1:] == june(11)
    # What is no holiday after all is owed, or here said to be too late for: dates after it have reviews.
    schedules.change_holidays(conn, "nightly", add=june(12))
    look(clock, NOW + 3 * DAY, owed=memory)
    assert reviewed(conn)[-2:] == june(11, 13)
    schedules.change_holidays(conn, "nightly", remove=june(12))
    conn.execute("UPDATE limits.reviews SET state = 'running' WHERE business_date = '2026-06-13'")
    look(clock, NOW + 3 * DAY, owed=memory)
    assert passed(conn) == {june(12)[0]: "later_review"}
    conn.execute("UPDATE limits.reviews SET state = 'cancelled'")  # nobody is reviewed here


def test_a_date_behind_a_review_that_has_begun_is_recorded(
    database: Database, settings: Settings, conn: Connection, clock: Connection
) -> None:
    add(conn, catch_up="all")
    row = engine.request_review(database, settings, as_of=june(4)[0], actor="anna", schedule="nightly")
    engine.work(database, settings, row.review_id, worker="test")
    look(clock)
    assert passed(conn) == dict.fromkeys(june(3, 2, 1), "later_review")
    assert reviewed(conn) == june(4, 5, 6, 7, 8, 9, 10)
    assert schedules.passed(conn, "nightly")[0].detail == f"review {row.review_id} as of 2026-06-04 had begun"


def test_no_policy_for_the_older_dates_does_not_keep_up_the_newer_ones(
    conn: Connection, clock: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def policy_at(pack: Any, date: dt.date) -> Any:
        if date in june(2, 9, 10):
            raise PolicyError(f"no policy is in force on {date}")
        return pack[-1]

    monkeypatch.setattr(owing, "policy_at", policy_at)
    add(conn, catch_up="all")
    (owed,) = look(clock)
    assert reviewed(conn) == june(1, 3, 4, 5, 6, 7, 8)
    assert passed(conn) == {june(2)[0]: "no_policy"}
    # The newest wait: their policy may yet come.
    assert (owed.left, str(owed.refused)) == (2, "no policy is in force on 2026-06-10")
    monkeypatch.undo()
    look(clock)
    assert reviewed(conn)[-2:] == june(9, 10)


@pytest.mark.parametrize("catch_up", ["all", "latest"])
def test_without_an_approved_policy_all_wait(conn: Connection, clock: Connection, catch_up: str) -> None:
    add(conn, catch_up=catch_up)
    withdraw(conn)
    (owed,) = look(clock)
    assert (owed.left, type(owed.refused)) == (10, PolicyNotApproved)
    assert (reviewed(conn), passed(conn)) == ([], {})


def test_a_time_zone_that_is_not_there_is_named_and_the_others_go_on(conn: Connection, clock: Connection) -> None:
    add(conn, "bad")
    add(conn, "good")
    conn.execute("UPDATE limits.schedules SET time_zone = 'Mars/Olympus' WHERE schedule = 'bad'")
    bad, good = look(clock)
    assert isinstance(bad.refused, SettingsError)
    assert "Mars/Olympus" in str(bad.refused)
    assert len(good.reviews) == 1


def test_nobody_rewrites_what_was_passed_over(conn: Connection, database: Database, clock: Connection) -> None:
    add(conn)
    look(clock)
    for role, statement in itertools.product(
        ("worker", "operations"), ("DELETE FROM limits.passed_dates", "UPDATE limits.passed_dates SET detail = ''")
    ):
        with (
            database.connect(role, "limits test") as connection,  # type: ignore[arg-type]
            pytest.raises(Exception, match="permission denied"),
        ):
            connection.execute(statement.encode())


# Running one now ----------------------------------------------------------------------------


def run(database: Database, settings: Settings, as_of: dt.date | None = None, now: dt.datetime = NOW) -> Any:
    return engine.run_schedule(database, settings, "nightly", as_of=as_of, now=now, actor="anna")


def test_a_schedule_is_run_once_for_a_date(database: Database, settings: Settings, conn: Connection) -> None:
    add(conn, starts_on=dt.date(2026, 7, 1))
    schedules.pause_schedule(conn, "nightly", paused=True)
    first, second = run(database, settings), run(database, settings)
    assert (first.created, second.created, first.business_date) == (True, False, june(10)[0])
    assert (first.review_id, first.actor) == (second.review_id, "anna")
    reviews.fail(conn, first.review_id, "for a reason")
    assert run(database, settings).state == "owed"
    assert reviewed(conn) == june(10)


@pytest.mark.parametrize(("catch_up", "expected"), [("all", (8, 9, 10)), ("latest", (10,))])
def test_what_was_missed_before_is_settled_first(
    database: Database, settings: Settings, conn: Connection, catch_up: str, expected: tuple[int, ...]
) -> None:
    add(conn, starts_on=june(8)[0], catch_up=catch_up, run_at=dt.time(12))
    assert run(database, settings).business_date == june(10)[0], "before its time"
    assert reviewed(conn) == june(*expected)
    assert sorted(passed(conn)) == june(*({8, 9, 10} - set(expected)))


def test_today_is_a_date_of_the_time_zone_that_has_come_by_utc(
    database: Database, settings: Settings, conn: Connection
) -> None:
    add(conn, time_zone="America/New_York")
    assert run(database, settings).business_date == june(9)[0]
    conn.execute("UPDATE limits.schedules SET time_zone = 'Pacific/Kiritimati'")
    assert run(database, settings, now=NOW + dt.timedelta(hours=12)).business_date == june(10)[0]


def test_what_cannot_be_run_says_why(database: Database, settings: Settings, conn: Connection) -> None:
    add(conn, calendar="weekdays", holidays=june(8))
    with pytest.raises(ReviewRefused, match=r"as of 2026-06-07, which is not of its calendar .Monday to Friday"):
        run(database, settings, june(7)[0])
    with pytest.raises(ReviewRefused, match="as of 2026-06-08, which is a holiday"):
        run(database, settings, june(8)[0])
    with pytest.raises(ReviewRefused, match="lies in the future"):
        run(database, settings, dt.date(2099, 1, 1))
    row = run(database, settings)
    engine.work(database, settings, row.review_id, worker="test")
    with pytest.raises(ReviewRefused, match="too late for 2026-06-09"):
        run(database, settings, june(9)[0])


# Two years, ten time zones, three schedulers -------------------------------------------------

YEARS = (dt.datetime(2026, 1, 5, tzinfo=UTC), dt.datetime(2028, 1, 5, tzinfo=UTC))
#: Each with a time that clock changes there fall on, where there are any.
ZONES = {
    "UTC": "00:00", "Europe/Berlin": "02:30", "America/New_York": "01:30", "America/St_Johns": "00:01",
    "Asia/Kathmandu": "23:45", "Asia/Shanghai": "02:00", "Australia/Lord_Howe": "02:00", "Africa/Casablanca": "02:59",
    "Pacific/Chatham": "02:45", "Pacific/Kiritimati": "00:30",
}  # fmt: skip


def instants(seed: int) -> list[dt.datetime]:
    """When the schedulers look: minutes, hours or days apart, and at times two weeks."""
    dice = random.Random(seed)
    now, found = YEARS[0], []
    while now < YEARS[1]:
        now += dt.timedelta(minutes=dice.choice([1, 17, 400, 900, 1440, 3000, 9000, 20000]))
        found.append(min(now, YEARS[1]))
    return found


class Simulation:
    """Three schedulers, each in a thread with a connection and memory of its own, that look at the same instants.

    ``seen``: for each review of a schedule its date and the instant at which it was owed.
    """

    def __init__(self, database: Database) -> None:
        self.seen: dict[str, list[tuple[dt.date, dt.datetime]]] = defaultdict(list)
        self.ticks = instants(7)
        self._database = database
        self._barrier = threading.Barrier(3, timeout=60)
        self._errors: list[BaseException] = []
        self._lock = threading.Lock()

    def run(self) -> None:
        threads = [threading.Thread(target=self._scheduler, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self._errors, self._errors

    def _scheduler(self, number: int) -> None:
        dice = random.Random(number)
        try:
            with ExitStack() as stack:
                conn = stack.enter_context(self._database.connect("worker", f"limits scheduler {number}"))
                memory = engine.Owing()
                for now in self.ticks:
                    self._barrier.wait()
                    if dice.random() < 0.02:
                        memory = engine.Owing()  # it was killed and started again
                    for owed in memory.look(conn, now=now, actor=f"scheduler {number}"):
                        assert owed.refused is None
                        with self._lock:
                            for row in owed.reviews:
                                self.seen[row.schedule or ""].append((row.business_date, now))
        except BaseException as error:
            self._errors.append(error)
            self._barrier.abort()


def test_two_years_over_ten_time_zones_with_three_schedulers(
    database: Database, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "read_pack", functools.cache(policies.read_pack))  # thousands of times the same file
    calendars: tuple[Any, ...] = ("every_day", "every_day", "every_day", "weekdays", "month_end")
    for n, (zone, at) in enumerate(ZONES.items()):
        add(
            conn, zone, run_at=dt.time.fromisoformat(at), time_zone=zone, starts_on=YEARS[0].date() + DAY,
            catch_up="all", calendar=calendars[n % 5], holidays=[dt.date(2026, 12, 25), dt.date(2027, 12, 24)],
        )  # fmt: skip
    simulation = Simulation(database)
    simulation.run()
    ticks = simulation.ticks
    assert max(later - one for one, later in itertools.pairwise(ticks)) > 10 * DAY, "no downtime was simulated"
    by = conn.execute("SELECT count(DISTINCT actor), count(*) FROM limits.reviews").fetchone()
    assert by is not None
    assert by[0] == 3, "they did not race"
    total = 0
    for zone in ZONES:
        table = engine.timetable(schedules.get(conn, zone))
        expected = [due.business_date for due in due_between(table, None, YEARS[1])]
        assert reviewed(conn, zone) == expected, "each date once, oldest first"
        assert passed(conn, zone) == {}
        seen = simulation.seen[zone]
        assert len(seen) == len(expected)
        for date, now in seen:
            due = due_at(table, date)
            assert due <= now, "before its time"
            assert now.astimezone(UTC).date() >= date, "before the date has come by UTC"
            assert now.astimezone(ZoneInfo(zone)).replace(tzinfo=None) >= dt.datetime.combine(date, table.run_at)
            assert not any(due <= tick < now for tick in ticks), "a look was let go by"
        total += len(expected)
    assert by[1] == total > 4_000


def test_many_clocks_that_do_not_agree_about_the_time_pass_over_what_nobody_reviews(
    database: Database, conn: Connection
) -> None:
    """Without the lock of a schedule one clock would review a date that another one passes over."""
    add(conn)
    barrier = threading.Barrier(4, timeout=60)
    errors: list[BaseException] = []

    def scheduler(number: int) -> None:
        try:
            with database.connect("worker", "limits test") as clock:
                for n in range(40):
                    barrier.wait()
                    look(clock, dt.datetime(2026, 6, 1, 3, tzinfo=UTC) + (n * 4 + number) * DAY)
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=scheduler, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    both = conn.execute("SELECT p.* FROM limits.passed_dates p JOIN limits.reviews r USING (schedule, business_date)")
    assert both.fetchall() == []
    found = set(reviewed(conn)) | set(passed(conn))
    assert found == {JUNE + n * DAY for n in range(160)}


def test_a_person_and_the_clock_at_once_make_one_review(
    database: Database, settings: Settings, conn: Connection
) -> None:
    """The person takes no lock: the unique key alone decides."""
    add(conn, catch_up="all")
    made: list[bool] = []
    errors: list[BaseException] = []
    barrier = threading.Barrier(4, timeout=60)

    def at_once(act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    def person() -> None:
        barrier.wait()
        made.extend(
            engine.request_review(database, settings, as_of=date, actor="anna", schedule="nightly").created
            for date in june(*range(1, 11))
        )

    def clock() -> None:
        with database.connect("worker", "limits test") as connection:
            barrier.wait()
            for owed in look(connection):
                made.extend(row.created for row in owed.reviews)

    threads = [threading.Thread(target=at_once, args=(act,)) for act in (person, person, clock, clock)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sum(made) == 10
    assert sorted(reviewed(conn)) == june(*range(1, 11))


def test_policies_are_read_once_for_all_dates(
    conn: Connection, clock: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    read = policies.read_pack
    monkeypatch.setattr(policies, "read_pack", lambda name: calls.append(name) or read(name))
    add(conn, catch_up="all")
    look(clock)
    assert calls == ["standard"]
