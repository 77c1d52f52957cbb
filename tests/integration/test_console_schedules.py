"""Schedules, as people see and change them in the console and machines over the API."""

from __future__ import annotations

import datetime as dt

import pytest

from limits.settings import Settings
from limits.store import reviews, schedules
from limits.store.db import Connection, Database
from tests import builders
from tests.commands import answer
from tests.web import Site, text_of

TODAY = dt.datetime.now(dt.UTC).date()


@pytest.fixture
def site(database: Database, settings: Settings) -> Site:
    return Site(database, settings)


def add(conn: Connection, name: str = "nightly", *, days: int = 3, **more: object) -> None:
    values = {
        "pack": "standard", "run_at": dt.time(0), "time_zone": "UTC", "starts_on": TODAY - dt.timedelta(days=days),
    } | more  # fmt: skip
    schedules.add_schedule(conn, name, **values)  # type: ignore[arg-type]


def test_the_api_says_of_a_schedule_what_the_command_line_says(
    site: Site, settings: Settings, conn: Connection
) -> None:
    add(conn, holidays=[TODAY - dt.timedelta(days=1)])
    told = site.person("approver").ask("/v1/schedules/nightly").json()
    said = answer(settings, "schedule", "show", "nightly")
    assert told["starts_on"] == said.pop("from")
    assert {name: told[name] for name in said if name != "next"} == {k: v for k, v in said.items() if k != "next"}
    assert told["next"]["business_date"] == said["next"]["business_date"] == str(TODAY + dt.timedelta(days=1))
    assert told["missed"] == [str(TODAY - dt.timedelta(days=days)) for days in (3, 2, 0)]
    assert [one["schedule"] for one in site.person("risk").ask("/v1/schedules").json()["schedules"]] == ["nightly"]
    assert site.person("risk").ask("/v1/schedules/none").status_code == 404
    assert site.person("risk").ask("/v1/schedules/a%00b").status_code == 422


def test_a_schedule_is_added_changed_paused_and_goes_on(site: Site, conn: Connection) -> None:
    risk = site.person("risk")
    form = {
        "schedule": "month end", "policy": "", "at": "03:30", "time_zone": "Europe/Prague", "calendar": "month_end",
        "catch_up": "all", "starts_on": "", "holidays": "2026-12-31, 2027-01-31",
    }  # fmt: skip
    first, again = (risk.post("/schedules", form, key="same") for _ in range(2))
    assert first.status_code == again.status_code == 303
    address = first.headers["location"].split("?")[0]
    row = schedules.get(conn, "month end")
    assert (row.run_at, row.time_zone, row.calendar, row.catch_up, len(row.holidays)) == (
        dt.time(3, 30), "Europe/Prague", "month_end", "all", 2,
    )  # fmt: skip
    there = risk.post("/schedules", form)
    assert there.status_code == 409 and "already" in text_of(there)
    assert "Europe/Prague" in text_of(risk.get(address)) and "month end" in text_of(risk.get("/schedules"))
    changed = {"at": "04:00", "remove_holidays": "2026-12-31", "add_holidays": "2027-02-28"}
    assert risk.post(f"{address}/change", changed).status_code == 303
    row = schedules.get(conn, "month end")
    assert row.run_at == dt.time(4) and list(map(str, row.holidays)) == ["2027-01-31", "2027-02-28"]
    gone = risk.write("/v1/schedules/month end", {"at": "05:00", "remove_holidays": ["2026-12-31"]}, method="PATCH")
    assert gone.status_code == 422 and "no holidays" in gone.json()["detail"]
    assert schedules.get(conn, "month end").run_at == dt.time(4), "all of it or nothing"
    assert risk.post(f"{address}/pause", {}).status_code == 303
    assert "paused" in text_of(risk.get(address)) and schedules.get(conn, "month end").paused
    assert risk.write("/v1/schedules/month end/resume", {}).json()["paused"] is False


def test_what_cannot_be_a_schedule_is_refused_with_its_field(site: Site, conn: Connection) -> None:
    risk = site.person("risk")
    for wrong, words in (
        ({"schedule": "a/b"}, "slash"), ({"schedule": " "}, "write something"), ({"at": "24:00"}, "not a time"),
        ({"time_zone": "Mars"}, "no time zone"), ({"calendar": "x"}, "calendar"),
        ({"starts_on": "0001-01-01"}, "starts_on"),
        ({"policy": "/etc/passwd"}, "no policy pack"), ({"holidays": ["x"]}, "holidays"),
    ):  # fmt: skip
        refused = risk.write("/v1/schedules", {"schedule": "x"} | wrong)
        assert refused.status_code == 422 and words in refused.json()["detail"], refused.text
    assert schedules.list_schedules(conn) == []
    add(conn)
    # Weekends of the last weeks would be owed by that, and were not before.
    add(conn, "weekdays", days=30, calendar="weekdays")
    gone_by = risk.write("/v1/schedules/weekdays", {"calendar": "every_day"}, method="PATCH")
    assert gone_by.status_code == 422 and "dates gone by would count as missed" in gone_by.json()["detail"]
    later = {"calendar": "every_day", "starts_on": str(TODAY)}
    assert risk.write("/v1/schedules/weekdays", later, method="PATCH").json()["missed"] == [str(TODAY)]


def test_a_schedule_is_run_now_once(site: Site, conn: Connection) -> None:
    builders.add_steady_user(conn, 1)
    add(conn)
    risk = site.person("risk")
    first, second = (risk.post("/schedules/nightly/run", {"as_of": ""}, key="same") for _ in range(2))
    assert first.headers["location"] == second.headers["location"]
    (row,) = reviews.list_reviews(conn)
    assert (row.business_date, row.actor, row.schedule) == (TODAY, "Ann Lee", "nightly")
    assert first.headers["location"].startswith(f"/reviews/{row.review_id}")
    page = text_of(risk.get("/schedules/nightly"))
    assert page.count(" latest of the dates missed only") == 3, "three days were passed over, and it is said why"
    assert risk.write("/v1/schedules/nightly/run", {}).json() == {
        "review_id": row.review_id, "state": "owed", "created": False,
    }  # fmt: skip
    early = risk.write("/v1/schedules/nightly/run", {"as_of": str(TODAY + dt.timedelta(days=9))})
    assert early.status_code == 409 and "lies in the future" in early.json()["detail"]
    assert risk.write("/v1/schedules/none/run", {}).status_code == 404
