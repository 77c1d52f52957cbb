"""limits schedule as a person and a program see it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from limits.cli import doctor, review
from limits.settings import Settings, make_settings
from limits.store import approvals, reviews, schedules
from limits.store.db import Connection
from tests import builders
from tests.commands import answer, limits
from tests.integration.test_cli import assert_one_sentence
from tests.integration.test_cli import settings as settings  # noqa: PLC0414 (the fixture)

DAY = dt.timedelta(days=1)


def today(conn: Connection) -> dt.date:
    return schedules.now(conn).astimezone(dt.UTC).date()


def add(settings: Settings, *arguments: str) -> str:
    done = limits(settings, "schedule", "add", "nightly", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_schedule_says_when_it_runs_next(settings: Settings, conn: Connection, tmp_path: Path) -> None:
    file = tmp_path / "off.txt"
    file.write_text("# holidays\n2099-12-25\n\n2099-12-26  # the second\n")
    says = add(
        settings, "--at", "01:30", "--time-zone", "Asia/Shanghai", "--calendar", "weekdays", "--holidays", str(file),
        "--holiday", "2099-01-01", "--catch-up", "all", "--from", "2099-01-01",
    )  # fmt: skip
    assert "Monday to Friday but 3 holidays at 01:30 Asia/Shanghai" in says
    (row,) = answer(settings, "schedule", "list")["schedules"]
    assert (row["calendar"], row["catch_up"], row["missed"], row["passed_over"]) == ("weekdays", "all", [], [])
    assert row["holidays"] == ["2099-01-01", "2099-12-25", "2099-12-26"]
    # January 1 is a holiday; by UTC the day after begins at eight here.
    assert row["next"] == {
        "business_date": "2099-01-02", "local": "2099-01-02T08:00:00+08:00", "utc": "2099-01-02T00:00:00+00:00",
    }  # fmt: skip
    shown = limits(settings, "schedule", "show", "nightly").stdout
    assert "next       2099-01-02 08:00 Asia/Shanghai, which is 2099-01-02 00:00 UTC" in shown
    listed = limits(settings, "schedule", "list").stdout
    assert "weekdays but 3 holidays" in listed
    assert limits(settings, "schedule", "holidays", "nightly", "--remove", "2099-01-01").returncode == 0
    assert answer(settings, "schedule", "show", "nightly")["next"]["business_date"] == "2099-01-01"


def test_missed_dates_and_those_passed_over_are_seen(settings: Settings, conn: Connection) -> None:
    now = today(conn)
    add(settings, "--at", "00:00", "--from", str(now - 2 * DAY))
    dates = [str(now - 2 * DAY), str(now - DAY), str(now)]
    assert answer(settings, "schedule", "show", "nightly")["missed"] == dates
    resumed = limits(settings, "schedule", "resume", "nightly")
    assert f"3 dates were missed, from {dates[0]} to {dates[2]}; of the dates missed only the newest" in resumed.stderr
    (finding,) = [one for one in doctor._schedules(conn, settings) if one.check == "dates"]
    assert finding.says.startswith("nightly missed ")
    assert answer(settings, "schedule", "run", "nightly")["state"] == "done"
    row = answer(settings, "schedule", "show", "nightly")
    assert (row["missed"], row["newest"]) == ([], dates[2])
    assert [(one["business_date"], one["reason"]) for one in row["passed_over"]] == [
        (dates[1], "latest"), (dates[0], "latest"),
    ]  # fmt: skip
    assert f"{dates[1]}  latest: of the dates missed only" in limits(settings, "schedule", "show", "nightly").stdout
    (finding,) = [one for one in doctor._schedules(conn, settings) if one.check == "dates"]
    assert (finding.state, "passed over 2 business dates" in finding.says) == ("warn", True)


def test_a_schedule_is_run_now_and_once(settings: Settings, conn: Connection) -> None:
    builders.add_steady_user(conn, 1)
    builders.refresh(conn)
    as_of = str(builders.AS_OF)
    add(settings)
    first = limits(settings, "schedule", "run", "nightly", "--as-of", as_of)
    assert first.returncode == 0, first.stderr
    assert f"as of {as_of}: done" in first.stdout
    assert "1 user: " in first.stdout
    again = limits(settings, "schedule", "run", "nightly", "--as-of", as_of)
    assert again.returncode == 0
    assert "is there already" in again.stderr
    (row,) = reviews.list_reviews(conn)
    assert (row.schedule, row.actor) == ("nightly", "anna")


def test_a_name_that_no_schedule_has_is_said(
    settings: Settings, conn: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    builders.add_steady_user(conn, 1)
    review._note_unknown_schedule(conn, "nihgtly")
    assert capsys.readouterr().err == "", "there is no schedule at all"
    add(settings)
    done = limits(settings, "review", "run", "--as-of", str(builders.AS_OF), "--dry-run", "--schedule", "nihgtly")
    assert done.returncode == 0, "names by hand go on working"
    assert (
        "there is no schedule 'nihgtly', so the review counts under that name alone; there are: nightly" in done.stderr
    )
    for known in ("nightly", "manual"):
        review._note_unknown_schedule(conn, known)
        assert capsys.readouterr().err == ""


def test_a_schedule_is_changed(settings: Settings, conn: Connection) -> None:
    now = today(conn)
    add(settings, "--calendar", "weekdays", "--holiday", "2099-01-01", "--from", "2099-01-01")
    done = limits(
        settings, "schedule", "set", "nightly", "--at", "03:30", "--time-zone", "Asia/Shanghai", "--catch-up", "all",
        "--policy", "cz",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (
        "Monday to Friday but 1 holidays at 03:30 Asia/Shanghai, from business date 2099-01-01 on, by policy cz; "
        in (done.stderr)
    )
    row = answer(settings, "schedule", "show", "nightly")
    assert (row["policy"], row["at"], row["time_zone"], row["catch_up"]) == ("cz", "03:30", "Asia/Shanghai", "all")
    assert (row["calendar"], row["from"], row["holidays"]) == ("weekdays", "2099-01-01", ["2099-01-01"])
    assert limits(settings, "schedule", "set", "nightly", "--from", str(now - 20 * DAY)).returncode == 0, "it is said"
    there = schedules.now(conn).astimezone(ZoneInfo("Asia/Shanghai")).date()  # from 16:00 UTC on a day further
    gone_by = [now - 20 * DAY + days * DAY for days in range((there - now).days + 20)]
    weekends = [day for day in gone_by if day.weekday() > 4]
    refused = limits(settings, "schedule", "set", "nightly", "--calendar", "every_day")
    assert refused.returncode == 2
    assert_one_sentence(refused.stderr, f"by this {len(weekends)} dates gone by would count as missed, from ")
    assert answer(settings, "schedule", "show", "nightly")["calendar"] == "weekdays"
    changed = limits(settings, "schedule", "set", "nightly", "--calendar", "every_day", "--from", str(now))
    assert changed.returncode == 0, changed.stderr
    assert answer(settings, "schedule", "show", "nightly")["from"] == str(now)


def test_a_date_that_is_no_holiday_is_not_taken_away_in_silence(settings: Settings, conn: Connection) -> None:
    add(settings, "--holiday", "2099-01-01")
    call = ("schedule", "holidays", "nightly")
    done = limits(settings, *call, "--remove", "2099-01-02", "--remove", "2099-01-01", "--holiday", "2099-01-03")
    assert done.returncode == 2
    assert_one_sentence(done.stderr, "2099-01-02 is no holiday of schedule nightly, and nothing was changed")
    assert schedules.get(conn, "nightly").holidays == [dt.date(2099, 1, 1)]


def withdraw(conn: Connection, *, keep: set[str]) -> None:
    for row in approvals.history(conn):
        if row.state == "approved" and row.pack not in keep:
            approvals.decide(conn, row.approval_id, "withdraw", actor="Ann", reason="for a test")


def test_a_schedule_is_suggested_with_a_policy_that_may_decide(
    settings: Settings, conn: Connection, ops: Connection
) -> None:
    (finding,) = doctor._schedules(ops, settings)
    assert finding.mend == f"limits schedule add nightly --policy {settings.policy}"
    assert f"add one: {finding.mend}\n" in limits(settings, "schedule", "list").stderr
    other = make_settings(database_url=settings.database_url, home=settings.home, policy="standard")
    withdraw(conn, keep={"cz", "wide"})
    (finding,) = doctor._schedules(ops, other)
    assert finding.mend == "limits schedule add nightly --policy cz", "of the settings' policy it is not approved"
    withdraw(conn, keep={"wide"})
    (finding,) = doctor._schedules(ops, other)
    assert finding.mend.startswith("limits schedule add nightly --policy FILE, ")
    schedules.add_schedule(
        conn, "weekly", pack="cz", run_at=dt.time(2), time_zone="UTC", starts_on=dt.date(2099, 6, 1)
    )  # fmt: skip
    schedules.pause_schedule(conn, "weekly", paused=True)
    (finding,) = doctor._schedules(ops, other)
    assert finding.mend.startswith("limits schedule resume weekly, or ")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["add", "x", "--calendar", "sundays"], 2, "'sundays' is not one of"),
        (["add", "x", "--catch-up", "none"], 2, "'none' is not one of"),
        (["add", "x", "--holiday", "soon"], 2, "'soon' is not a date"),
        (["add", "x", "--holidays", "nowhere.txt"], 2, "cannot read nowhere.txt"),
        (["add", "x", "--from", "0001-01-01"], 2, "lies before 1970-01-01"),
        (["add", "x", "--from", "2200-01-01"], 2, "lies after 2199-12-31"),
        (["add", "x", "--holiday", "9999-12-31"], 2, "9999-12-31 is no holiday of a schedule"),
        (["set", "weekdays", "--from", "9999-12-31"], 2, "lies after 2199-12-31"),
        (["holidays", "weekdays", "--holiday", "2200-01-01"], 2, "name one from 1970-01-01 to 2199-12-31"),
        (["show", "x"], 2, "there is no schedule 'x'"),
        (["run", "x"], 2, "there is no schedule 'x'"),
        (["holidays", "x", "--holiday", "2026-12-25"], 2, "there is no schedule 'x'"),
        (["holidays", "x"], 2, "name a date"),
        (["set", "x", "--at", "03:00"], 2, "there is no schedule 'x'"),
        (["set", "weekdays"], 2, "name what to change"),
        (["set", "weekdays", "--time-zone", "Mars"], 2, "there is no time zone 'Mars'"),
        (["set", "weekdays", "--policy", "nowhere"], 2, "there is no policy 'nowhere'"),
        (["run", "weekdays", "--as-of", "2026-06-07"], 1, "which is not of its calendar (Monday to Friday)"),
        (
            ["run", "weekdays", "--as-of", "2026-06-07"],
            1,
            "limits review run --schedule weekdays --as-of 2026-06-07 --policy standard",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_sentence(
    settings: Settings, conn: Connection, arguments: list[str], code: int, says: str
) -> None:
    schedules.add_schedule(
        conn, "weekdays", pack="standard", run_at=dt.time(2), time_zone="UTC", starts_on=dt.date(2026, 6, 1),
        calendar="weekdays",
    )  # fmt: skip
    done = limits(settings, "schedule", *arguments)
    assert done.returncode == code, done.stderr
    assert_one_sentence(done.stderr, says)


def test_a_file_of_holidays_is_read_to_the_line(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "off.txt"
    file.write_text("2026-12-25\n26.12.2026\n")
    done = limits(settings, "schedule", "add", "x", "--holidays", str(file))
    assert done.returncode == 2
    assert_one_sentence(done.stderr, f"{file}:2: '26.12.2026' is not a date; write it YYYY-MM-DD")
    file.write_text("2026-12-25\n\n2206-12-26  # a slip\n")
    done = limits(settings, "schedule", "add", "x", "--holidays", str(file))
    assert done.returncode == 2
    assert_one_sentence(done.stderr, f"{file}:3: 2206-12-26 is no holiday of a schedule")
