"""One user in the console and the API: why the limit is what it is, what if, and what holds the user up."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from limits import engine
from limits.console.users import reading
from limits.engine import supposing
from limits.money import major
from limits.settings import Settings
from limits.store import gates, log, persons
from limits.store.db import Connection, Database
from limits.whatif_text import as_dict, supposed_dict
from tasks.logs import set_up
from tests import builders, erasing, governance, replays
from tests.integration.test_risk_reviews import SECTION
from tests.integration.test_risk_told import MODEL
from tests.packs import write_pack
from tests.web import Site, text_of

AS_OF = builders.AS_OF
DAY = dt.timedelta(days=1)
NUMBERS = ("capacity_p10_minor", "capacity_p50_minor", "capacity_p90_minor")


@pytest.fixture
def site(database: Database, settings: Settings, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> Site:
    """User 1 was decided twice, user 2 never; today is the day of the data."""
    monkeypatch.setattr(reading, "today", lambda: AS_OF)
    for user_id in (1, 2):
        builders.add_steady_user(conn, user_id, credit_limit=500_000, observed_from=dt.date(2024, 7, 1))
    builders.refresh(conn)
    for day in (AS_OF - 100 * DAY, AS_OF):
        engine.recompute(database, settings, 1, reason="called", actor="Eva", as_of=day, apply=True, key=str(day))
    return Site(database, settings)


def newest(conn: Connection, user_id: int = 1) -> log.LogEntry:
    found = log.newest(conn, user_id)
    assert found is not None
    return found


def test_the_page_says_why_and_marks_every_change_and_the_ceiling_that_binds(site: Site, conn: Connection) -> None:
    entry = newest(conn)
    page = site.person("operations").get("/users/1")
    said = text_of(page)
    assert page.status_code == 200
    for reason in entry.reasons:
        assert log.reason_text(reason).lower() in said.lower()
    assert f"{major(entry.limit_after_minor, 2)} CNY" in said
    assert page.text.count('class="bar binding"') == 1
    for change in (one for one in log.page(conn, log.LogFilter(user_id=1), limit=9) if one.action):
        mark = rf'<a href="/log/{change.entry_id}" aria-label="([^"]+)"><circle class="mark {change.outcome}"'
        (words,) = re.findall(mark, page.text)
        assert str(change.as_of) in words and log.reason_text(change.reasons[0]) in words
    assert "style=" not in page.text and "onclick" not in page.text
    chinese = site.person("risk").get("/users/1?lang=zh").text
    assert log.reason_text(entry.reasons[0], "zh") in chinese


def test_the_explanation_is_that_of_the_log_and_what_would_lift_it_is_the_engines(site: Site, conn: Connection) -> None:
    person, entry = site.person("risk"), newest(conn)
    told = person.ask("/v1/users/1/explanation").json()
    logged = entry.as_dict()
    assert told["decision"]["entry_id"] == entry.entry_id and told["decision"]["outcome"] == entry.outcome
    assert [one["code"] for one in told["decision"]["reasons"]] == logged["reasons"]
    bounds = {one["reason"]: one["ceiling_minor"] for one in told["ceilings"] if one["ceiling_minor"] is not None}
    assert bounds == logged["ceilings_minor"] and list(bounds) == list(logged["ceilings_minor"])
    assert [one["reason"] for one in told["ceilings"] if one["bound"]] == [logged["binding"]]
    assert [told[name] for name in NUMBERS] == [logged[name] for name in NUMBERS]
    assert person.ask("/v1/users/1/explanation?lang=zh").json()["title"].startswith("用户 1")

    answer = person.ask("/v1/users/1/counterfactuals").json()
    expected = as_dict(supposing.explain(conn, entry), entry.currency, entry.exponent, "en", for_user=False)
    assert answer["same_as_logged"] is expected["same_as_logged"] is True
    assert [(one["set"], one["limit_after_minor"]) for one in answer["single"]] == [
        (one["set"], one["limit_after_minor"]) for one in expected["single"]
    ]
    assert [(one["reason"], one["until"]) for one in answer["waiting"]] == [
        (one["reason"], one["until"]) for one in expected["waiting"]
    ]
    assert answer["texts"] and not any("[" in text for text in answer["texts_for_user"])


def test_what_if_answers_as_the_command_does_and_writes_nothing(
    site: Site, database: Database, settings: Settings, conn: Connection
) -> None:
    before = conn.execute("SELECT count(*), max(entry_id) FROM limits.adjustment_log").fetchone()
    changes = ["inflow=-60%", "active_lenders=1"]
    answer = site.person("approver").write("/v1/users/1/whatif", {"changes": changes}).json()
    made = supposing.suppose(database, settings, 1, changes, as_of=AS_OF)
    expected = supposed_dict(made, 1, AS_OF.isoformat())
    assert answer["changes"] == expected["changes"] and answer["policy_hash"] == expected["policy_hash"]
    for side in ("before", "after"):
        for name in ("limit_after_minor", "action", "binding", "takes_effect", *NUMBERS):
            assert answer[side][name] == expected[side][name], (side, name)
    moved = {one["reason"] for one in answer["ceilings"] if one["before_minor"] != one["after_minor"]}
    assert moved == {one["reason"] for one in expected["ceilings_moved"]} and "ability_to_pay" in moved

    person = site.person("operations")
    part = person.post("/users/1/whatif", {"inflow": "-60", "active_lenders": "1", "used": ""})
    assert part.status_code == 200 and "<html" not in part.text
    assert "inflow=-60%" in part.text and 'class="bar binding"' in part.text
    assert f"{major(answer['after']['limit_after_minor'], 2)} CNY" in text_of(part)
    whole = person.post("/users/1/whatif", {"utilisation": "60", "whole": "yes"})
    assert "utilisation=60%" in whole.text and "<html" in whole.text
    for wrong in ({"inflow": "much"}, {"days_past_due": "-1"}, {"utilisation": "900"}, {"inflow": "\x00"}):
        refused = person.post("/users/1/whatif", wrong)
        assert refused.status_code == 422 and 'role="alert"' in refused.text, wrong
    for body in ({"changes": ["nothing"]}, {"changes": ["inflow=\x00"]}, {"changes": ["inflow=+1%"] * 31}, {}):
        assert person.write("/v1/users/1/whatif", body).status_code == 422, body
    assert conn.execute("SELECT count(*), max(entry_id) FROM limits.adjustment_log").fetchone() == before


def test_what_would_lift_the_limit_today_is_what_the_what_if_of_today_says(site: Site, conn: Connection) -> None:
    builders.add_steady_user(conn, 6, credit_limit=500_000, observed_from=dt.date(2024, 7, 1), raise_consent=False)
    builders.refresh(conn)
    person = site.person("operations")
    page = person.get("/users/6").text  # never decided: nothing but today
    tries = re.findall(r'data-try="w-(\w+)" data-value="([^"]+)"', page)
    assert tries
    limit = person.write("/v1/users/6/whatif", {"changes": []}).json()["before"]["limit_after_minor"]
    for name, value in tries:
        assert f'id="w-{name}"' in page
        part = text_of(person.post("/users/6/whatif", {name: value}))
        assert "Difference +" in part, (name, value, part, limit)


def test_a_user_who_was_not_decided_has_a_page_and_an_answer_to_what_if(site: Site, conn: Connection) -> None:
    builders.add_user(conn, 3, credit_limit=None)
    builders.add_steady_user(conn, 4, status="closed")
    person = site.person("operations")
    assert "No decision about this user" in text_of(person.get("/users/2"))
    assert person.write("/v1/users/2/whatif", {"changes": ["inflow=+10%"]}).status_code == 200
    assert person.ask("/v1/users/2/explanation").status_code == 404
    assert "no credit line" in text_of(person.get("/users/3"))
    assert person.ask("/v1/users/3").json()["limit_minor"] is None
    closed = person.ask("/v1/users/4").json()
    assert closed["state"] == "closed" and "closed" in closed["holds"][0]["text"]
    assert person.write("/v1/users/4/whatif", {"changes": ["inflow=+10%"]}).status_code == 409
    for address in ("/users/5", "/users/0", "/users/9223372036854775808", "/users/x", "/users?user=x"):
        assert person.get(address).status_code in (404, 422), address
    assert person.ask("/v1/users/5/history").status_code == 404
    assert person.ask("/v1/users/1?lang=fr").status_code == 422


def test_history_comes_in_pages_and_cash_flow_with_its_forecast(site: Site, conn: Connection) -> None:
    person = site.person("operations")
    seen, address = [], "/v1/users/1/history?limit=1"
    while address:
        page = person.ask(address).json()
        seen += [one["entry_id"] for one in page["items"]]
        address = page["next"] and f"/v1/users/1/history?limit=1&cursor={page['next']}"
    assert seen == [one.entry_id for one in log.page(conn, log.LogFilter(user_id=1), limit=9)] and len(seen) == 2
    for cursor in ("x", "WyJ4IiwxXQ", "WzEsMV0"):
        assert person.ask(f"/v1/users/1/history?cursor={cursor}").status_code == 422

    flow = person.ask("/v1/users/1/cash-flow").json()
    entry = newest(conn)
    assert [flow[name] for name in NUMBERS] == [getattr(entry, name) for name in NUMBERS]
    assert flow["months"][-1]["month"] == "2026-06-01" and flow["months"][-1]["inflow_minor"] == 2_030_000
    assert [fan["series"] for fan in flow["forecasts"]] == ["inflow", "outgoings"]
    for fan in flow["forecasts"]:
        assert len(fan["months"]) == flow["horizon_months"] and fan["months"][0]["month"] == "2026-07-01"
        assert all(one["p10_minor"] <= one["p50_minor"] <= one["p90_minor"] for one in fan["months"])


@pytest.mark.usefixtures("logs_as_before")
def test_users_are_found_by_number_and_by_a_reference_that_is_told_nowhere(
    site: Site, conn: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    with site.context.connect("operations") as ops:
        for user_id, reference in ((1, "Kunde 4711"), (2, "Zweimal"), (7, "Zweimal")):
            if user_id == 7:
                builders.add_user(conn, 7)
            persons.put(ops, user_id, reference, actor="Ann")
    person = site.person("operations")
    assert person.get("/users?user=+2").headers["location"] == "/users/2"
    recent = person.get("/users")
    assert recent.text.count(f'<a href="/users/{newest(conn).user_id}">') >= 2
    set_up("info")
    found = person.post("/users/find", {"reference": " Kunde 4711"})
    assert (found.status_code, found.headers["location"]) == (303, "/users/1")
    several = person.post("/users/find", {"reference": "Zweimal"})
    assert 'href="/users/2"' in several.text and 'href="/users/7"' in several.text
    nobody = person.post("/users/find", {"reference": "Niemand 99"})
    assert nobody.status_code == 404 and "Niemand" not in nobody.text
    assert person.write("/v1/users/find", {"reference": "Kunde 4711"}).json() == {"users": [1]}
    assert person.write("/v1/users/find", {"reference": "a\x00b"}).status_code == 422
    said = "".join(capsys.readouterr())
    assert "/users/find" in said and "Kunde" not in said and "Niemand" not in said
    assert site.person("risk").post("/users/find", {"reference": "Kunde 4711"}).status_code == 403


def test_a_review_that_holds_the_user_is_named_with_what_to_do(
    site: Site, database: Database, settings: Settings, conn: Connection
) -> None:
    person = site.person("operations")
    assert person.ask("/v1/users/2").json()["holds"] == []
    for user_id in (3, 4, 5):
        builders.add_steady_user(conn, user_id, credit_limit=300_000)
    row = engine.request_review(database, settings, as_of=AS_OF, actor="Ann", policy="standard")
    (owed,) = person.ask("/v1/users/2").json()["holds"]
    assert (owed["review_id"], owed["state"]) == (row.review_id, "owed")
    engine.work(database, settings, row.review_id, worker="test")
    builders.add_user(conn, 9)
    (held,) = person.ask("/v1/users/3").json()["holds"]
    assert (held["kind"], held["state"], held["review_id"]) == ("review", "held", row.review_id)
    assert "users raised" in held["text"] and "approver" in held["to_do"]
    page = person.get("/users/3")
    assert f'href="/reviews/{row.review_id}"' in page.text and "is held" in text_of(page)
    assert person.ask("/v1/users/9").json()["holds"] == [], "the review does not have this user on its list"
    gates.set_switch(conn, True, actor="Ann", reason="a test")
    assert [one["kind"] for one in person.ask("/v1/users/3").json()["holds"]] == ["kill_switch", "review"]


def test_what_stands_open_is_shown(site: Site, conn: Connection) -> None:
    builders.add_override(conn, 1, "cap", 600_000)
    builders.add_override(conn, 1, "hold", starts_on=AS_OF - 90 * DAY, expires_on=AS_OF - 80 * DAY)
    builders.add_override(conn, 1, "hold", state="proposed")
    builders.add_consent(conn, 1, AS_OF - 5 * DAY)
    builders.add_consent(conn, 1, AS_OF - 3 * DAY, state="withdrawn")
    found = site.person("operations").ask("/v1/users/1").json()
    assert [(one["kind"], one["state"], one["counts_today"]) for one in found["overrides"]] == [
        ("cap", "approved", True), ("hold", "proposed", False)
    ]  # fmt: skip
    assert [(one["subject"], one["state"]) for one in found["consents"]] == [("raises", "withdrawn")]
    assert found["balance_minor"] == 250_000 and found["utilisation"] == 250_000 / found["limit_minor"]
    page = site.person("operations").get("/users/1")
    assert "6,000.00 CNY" in text_of(page) and 'class="line balance"' in page.text
    assert "does not want raises" in text_of(page)


def test_the_score_and_what_it_is_made_of(
    site: Site, database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    governance.approve_model(conn, MODEL, AS_OF)
    banded = write_pack(conn, tmp_path, "banded", breakers__population_bps="1000000\n" + SECTION)
    replays.decide(database, settings, 2, banded, AS_OF)
    score = site.person("risk").ask("/v1/users/2/explanation").json()["score"]
    entry = newest(conn, 2)
    assert (score["points"], score["probability_ppm"]) == (entry.risk_points, entry.risk_probability_ppm)
    assert score["band"] == "B" and score["lost"]
    page = site.person("risk").get("/users/2")
    assert score["lost"][0]["text"].lower() in text_of(page).lower() and "band B" in text_of(page)


def test_of_an_erased_user_there_is_what_the_log_says(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    erasing.live(database, settings, conn, tmp_path)
    erasing.erase(conn)
    person = Site(database, settings).person("operations")
    user = erasing.USER
    page = person.get(f"/users/{user}")
    assert page.status_code == 200 and "was erased on" in text_of(page) and 'id="whatif"' not in page.text
    assert person.ask(f"/v1/users/{user}").json()["state"] == "erased"
    told = person.ask(f"/v1/users/{user}/explanation").json()
    assert told["erased_on"] and told["decision"]["entry_id"] == newest(conn, user).entry_id
    for rest in ("cash-flow", "counterfactuals"):
        assert person.ask(f"/v1/users/{user}/{rest}").status_code == 409
    assert person.write(f"/v1/users/{user}/whatif", {"changes": ["inflow=+1%"]}).status_code == 409
