"""What is told of a score: to operations, to the user, and to whoever asks what would change it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limits import engine
from limits.cli import run
from limits.engine.delivering import text_of
from limits.engine.requests import request_limit
from limits.errors import RiskModelError
from limits.money import Money
from limits.settings import Settings
from limits.store import notices
from limits.store.db import Connection, Database
from tests import builders, governance, replays
from tests.integration.test_risk_reviews import SECTION
from tests.packs import write_pack
from tests.replays import AS_OF
from tests.risks import CARD, scorecard

Call = Callable[..., Any]
#: A steady user who is not late and uses half of the limit is in the band B, 60 points: 15 lost to the use.
MODEL = scorecard(base_points=-25)
#: The same user in the band C, of which nobody is raised: points lost for two things.
HARSH = scorecard(
    base_points=-40,
    characteristics=[
        {"name": "late", "features": ["days_past_due_now"], "edges": [[1, 30]], "points": [50, 20, 0, 30]},
        {**CARD["characteristics"][1], "points": [60, 25, 5, 20]},
        {"name": "late_again", "features": ["days_past_due_now"], "edges": [[1]], "points": [0, 0, 10]},
    ],
)


@pytest.fixture
def pack(conn: Connection, tmp_path: Path) -> str:
    replays.steady(conn, 1, 2)
    builders.refresh(conn)
    return write_pack(conn, tmp_path, "banded", breakers__population_bps="1000000\n" + SECTION)


@pytest.fixture
def limits(
    database: Database, settings: Settings, pack: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Call:  # fmt: skip
    monkeypatch.setenv("LIMITS_DATABASE_URL", database.url)
    monkeypatch.setenv("LIMITS_HOME", str(settings.home))
    monkeypatch.setenv("LIMITS_POLICY", pack)

    def call(*arguments: str, code: int = 0) -> Any:
        found = run(list(arguments))
        captured = capsys.readouterr()
        assert found == code, captured
        if code:
            return captured.err
        return json.loads(captured.out) if "--json" in arguments else captured.out

    return call


def decide(database: Database, settings: Settings, pack: str) -> int:
    made = engine.recompute(database, settings, 1, reason="called", actor="Ann", as_of=AS_OF, apply=True, policy=pack)
    return made.entry.entry_id


def test_explain_shows_points_band_and_where_the_points_went(
    database: Database, settings: Settings, conn: Connection, pack: str, limits: Call
) -> None:
    decide(database, settings, pack)
    assert "Score" not in limits("explain", "1") and limits("explain", "1", "--json")["risk"] is None
    governance.approve_model(conn, MODEL, AS_OF)
    shown = limits("recompute", "1", "--reason", "x", "--as-of", str(AS_OF))
    asked = limits("recompute", "1", "--reason", "x", "--as-of", str(AS_OF), "--json")["risk"]
    decide(database, settings, pack)
    for text in (shown, limits("explain", "1")):
        for words in ("60 points: within 6 months 51.00% miss a payment; band B", "use of the limit: 15 points lost",
                      f"by the scorecard two-things, sha256 {MODEL.model_hash.hex()}"):  # fmt: skip
            assert words in text, text
    chinese = limits("explain", "1", "--lang", "zh")
    assert "60 分：6 个月内逾期的可能性为 51.00%；等级 B" in chinese and "额度使用率：失 15 分" in chinese
    found = limits("explain", "1", "--json")["risk"]
    assert (found["points"], found["probability_ppm"], found["band"]) == (60, 510_000, "B")
    assert found["points_lost"] == [{"characteristic": "use", "features": ["utilisation_now"], "points": 15}]
    assert asked == found
    # The log has both numbers itself.
    entry = limits("explain", "1", "--json")
    assert (entry["risk_points"], entry["risk_probability_ppm"]) == (60, 510_000)
    assert "Risk " not in limits("explain", "1"), "the score says it already"
    number = str(entry["entry_id"])
    assert "  Risk       60 points: 51.00% miss a payment\n" in limits("log", "show", number)
    assert "60 分：逾期的可能性为 51.00%" in limits("log", "show", number, "--lang", "zh")
    assert limits("log", "as-of", str(AS_OF), "1", "--json")["last_decision"]["risk_points"] == 60
    assert "Risk " not in limits("log", "show", str(entry["entry_id"] - 1))
    # It is what was said then, by the model of then.
    governance.approve_model(conn, HARSH, AS_OF)
    assert limits("explain", "1", "--json")["risk"] == found
    replays.tamper(conn, "DELETE FROM limits.snapshots")
    gone = limits("explain", "1")
    assert "not known any more: the database keeps no snapshot" in gone
    assert "  Risk       60 points: 51.00% miss a payment\n" in gone
    assert "keeps no snapshot" in limits("explain", "1", "--json")["risk"]["not_known"]


def test_a_notice_names_the_characteristics_and_not_the_score(
    database: Database, settings: Settings, conn: Connection, pack: str, tmp_path: Path
) -> None:
    governance.approve_model(conn, HARSH, AS_OF)
    request_limit(database, settings, 1, Money(900_000, "CNY"), key="k", actor="Ann", as_of=AS_OF, policy=pack)
    (waiting,) = (one for one in notices.waiting(conn, after=0, users=9) if one.notice_id is not None)
    notice = notices.get(conn, waiting.notice_id or 0)
    assert notice.facts.lost == ()
    letter = text_of(conn, notice, AS_OF)
    # Thirty-five points for the use of the limit, ten for "late again"; what names no points is not named.
    lines = [line for line in letter["en"].splitlines() if line.startswith("- in how likely")]
    assert lines == [
        "- in how likely a payment is to be missed: use of the limit",
        "- in how likely a payment is to be missed: days past due",
    ]
    assert "- 评估逾期可能性时的因素：额度使用率" in letter["zh"]
    assert "scorecard" not in letter["en"] and "too likely" not in letter["en"]
    # What is sent is the same, and a model that is gone keeps it from being sent: a general text would not do.
    with conn.transaction(force_rollback=True):
        replays.tamper(conn, "UPDATE limits.reviews SET risk_model = sha256('gone')")
        with pytest.raises(RiskModelError):
            text_of(conn, notice, AS_OF)
    sent = tmp_path / "sent.jsonl"
    done = engine.deliver(database, engine.ToFile(sent), told_on=lambda: AS_OF)
    assert not done.failed
    (told,) = (one for one in map(json.loads, sent.read_text().splitlines()) if one["message"] == "notice")
    assert told["text"] == letter


def test_without_its_snapshot_a_notice_speaks_in_general(
    database: Database, settings: Settings, conn: Connection, pack: str
) -> None:
    governance.approve_model(conn, HARSH, AS_OF)
    request_limit(database, settings, 1, Money(900_000, "CNY"), key="k", actor="Ann", as_of=AS_OF, policy=pack)
    (waiting,) = (one for one in notices.waiting(conn, after=0, users=9) if one.notice_id is not None)
    replays.tamper(conn, "DELETE FROM limits.snapshots")
    letter = text_of(conn, notices.get(conn, waiting.notice_id or 0), AS_OF)["en"]
    assert "- a payment is likely to be missed, by what we know of you" in letter


def test_the_simulator_shows_what_would_move_the_score(
    database: Database, settings: Settings, conn: Connection, pack: str, limits: Call, tmp_path: Path
) -> None:
    ask = ("risk", "simulate", "1", "--as-of", str(AS_OF))
    assert "no model is in force on 2026-06-30; name a file with --model" in limits(*ask, code=2)
    governance.approve_model(conn, MODEL, AS_OF)
    found = limits(*ask, "--set", "utilisation_now=0.2", "--json")
    assert found["changes"] == ["utilisation_now=0.2"]
    before, after = found["before"], found["after"]
    assert (before["features"]["utilisation_now"], after["features"]["utilisation_now"]) == (0.5, 0.2)
    assert [side["risk"]["points"] for side in (before, after)] == [60, 75]
    assert [side["risk"]["points_lost"] for side in (before, after)][1] == []
    assert before["limit_after_minor"] == 580_000 and before["binding"] == "risk_maximum"
    better = limits(*ask, "--set", "utilisation_now=0.2", "--set", "days_past_due_now=unknown", "--json")["after"]
    assert better["risk"]["points"] == 45 and better["features"]["days_past_due_now"] is None
    # An input of what-if and a feature together, and another model from its file.
    file = tmp_path / "harsh.json"
    file.write_text(HARSH.body)
    harsh = limits(*ask, "--model", str(file), "--set", "inflow=+10%", "--set", "utilisation_now=0.95", "--json")
    assert harsh["changes"] == ["utilisation_now=0.95", "inflow=+10%"]
    assert harsh["after"]["risk"]["band"] == "C" and harsh["after"]["binding"] == "risk_band"
    shown = limits(*ask, "--set", "utilisation_now=0.2")
    for words in (
        "what if",
        "use of the limit [utilisation_now]",
        "points lost: use of the limit",
        "51.00%",
    ):
        assert words in shown, shown
    assert "失分：额度使用率" in limits(*ask, "--lang", "zh")
    assert not replays.count(conn) and not replays.count(conn, "limits.reviews")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("utilisation=", "utilisation has no value"),
        ("utilisation_nov=1", "did you mean utilisation_now"),
        ("utilisation_now=much", "utilisation_now=much cannot be used: it is not a number of it"),
        ("utilisation_now=inf", "write utilisation_now= and 0.5 or 50%, or unknown"),
        ("days_past_due_now=-3", "days_past_due_now=-3 cannot be used: it is never below 0"),
    ],
)
def test_what_cannot_be_simulated_is_named(conn: Connection, pack: str, limits: Call, change: str, words: str) -> None:
    governance.approve_model(conn, MODEL, AS_OF)
    assert words in limits("risk", "simulate", "1", "--as-of", str(AS_OF), "--set", change, code=2)
