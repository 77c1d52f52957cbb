"""limits request, limits consent and limits change as a person and a program see them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limits.cli import run
from limits.settings import Settings
from limits.store.db import Connection
from tests import builders, invariants
from tests.packs import write_pack

AS_OF = str(builders.AS_OF)
Answer = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _environment(settings: Settings, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMITS_DATABASE_URL", settings.database_url or "")
    monkeypatch.setenv("LIMITS_HOME", str(settings.home))
    monkeypatch.setenv("LIMITS_ACTOR", "anna")
    builders.add_steady_user(conn, 1, credit_limit=500_000, observed_from=dt.date(2024, 7, 1))
    builders.refresh(conn)


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Answer:
    """What a command prints as JSON."""

    def ask(*arguments: str, code: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        assert run([*arguments, "--json"]) == code, capsys.readouterr().err
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return ask


def test_an_offer_from_the_review_to_the_limit(
    conn: Connection, tmp_path: Path, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = write_pack(conn, tmp_path, "offers", consent__raises='"offer"')
    shown = ["recompute", "1", "--reason", "x", "--as-of", AS_OF, "--policy", policy]
    assert answer(*shown)["disposition"] == "offered"
    assert run(shown) == 0
    assert "6,000.00 CNY (+1,000.00 CNY), until 2026-07-30 to accept" in capsys.readouterr().out
    assert run([*shown, "--lang", "zh"]) == 0
    assert "须在 2026-07-30 前" in capsys.readouterr().out
    answer(*shown, "--apply")
    (offer,) = answer("change", "list", "--user", "1")["changes"]
    assert (offer["kind"], offer["proposed_minor"], offer["effective_on"]) == ("offer", 600_000, "2026-07-30")
    assert answer("change", "list", "--due")["changes"] == [offer]  # its last day was months ago
    (logged,) = answer("log", "list")["entries"]
    assert (logged["disposition"], logged["proposed_minor"], logged["effective_on"]) == (
        "offered",
        600_000,
        "2026-07-30",
    )
    number = str(offer["change_id"])
    accepted = answer("change", "accept", number, "--key", "k", "--as-of", AS_OF)
    assert (accepted["change"]["state"], accepted["decision"]["limit_after_minor"]) == ("applied", 600_000)
    assert answer("change", "accept", number, "--key", "k", "--as-of", AS_OF)["repeated"]
    assert run(["change", "decline", number]) == 1
    assert "was applied" in capsys.readouterr().err
    assert answer("change", "list")["changes"] == []
    assert len(answer("change", "list", "--all")["changes"]) == 1
    for format_ in ("csv", "jsonl", "parquet"):
        assert run(["log", "export", "--format", format_, "--output", str(tmp_path / format_)]) == 0
    invariants.check(conn)


def test_what_falls_due_is_said(
    conn: Connection, tmp_path: Path, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = write_pack(conn, tmp_path, "notices", consent__raises='"notice"')
    answer("recompute", "1", "--reason", "x", "--as-of", AS_OF, "--policy", policy, "--apply")
    due = answer("change", "run", "--as-of", "2026-07-30")
    assert due == {"as_of": "2026-07-30", "applied": 1, "suppressed": 0, "expired": 0, "waiting": []}
    assert run(["change", "run"]) == 0
    assert "0 applied, 0 suppressed, 0 expired" in capsys.readouterr().err


def test_a_request_is_answered_in_words(conn: Connection, answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["request", "1", "9000.50 CNY", "--key", "form", "--as-of", AS_OF]) == 0
    seen = capsys.readouterr()
    assert "Request 1 for 9,000.00 CNY: partly granted: the limit is 6,000.00 CNY" in seen.out
    assert "9,000.50 CNY was asked for; limits lie on the policy's grid" in seen.err
    found = answer("request", "1", "9000.50 CNY", "--key", "form", "--as-of", AS_OF)
    assert (found["answer"], found["repeated"], found["decision"]["limit_after_minor"]) == (
        "partly_granted",
        True,
        600_000,
    )
    assert found["counterfactuals"] is not None
    invariants.check(conn)


def test_a_request_that_meets_a_cut_does_not_say_that_the_limit_stays(
    conn: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    builders.add_statement(conn, 1, builders.AS_OF - dt.timedelta(days=56), minimum_due=9_000_000)
    assert run(["request", "1", "9000 CNY", "--key", "late", "--as-of", AS_OF]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "Request 1 for 9,000.00 CNY: refused: the limit is lowered from 5,000.00 CNY to 3,500.00 CNY"


def test_consent_is_written_once(conn: Connection, answer: Answer) -> None:
    said = ["consent", "1", "automation", "withdrawn", "--reason", "a letter", "--as-of", AS_OF]
    assert answer(*said) == {
        "user_id": 1, "subject": "automation", "state": "withdrawn", "written": True, "ended_changes": 0,
    }  # fmt: skip
    assert answer(*said)["written"] is False
    row = conn.execute("SELECT actor, reason, effective_on::text FROM limits.consents").fetchone()
    assert row == ("anna", "a letter", AS_OF)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["request", "1", "9000", "--key", "k"], 2, "'9000' is not an amount"),
        (["request", "1", "9000 CNY"], 2, "Missing option '--key'"),
        (["request", "1", "9000 CZK", "--key", "k"], 2, "ask for an amount in CNY"),
        (["request", "1", "4000 CNY", "--key", "k"], 2, "has a limit of 5,000.00 CNY; ask for a higher amount"),
        (["request", "9", "4000 CNY", "--key", "k"], 2, "user 9 has no credit line"),
        (["consent", "1", "money", "given", "--reason", "x"], 2, "'money' is not one of"),
        (["consent", "9", "raises", "given", "--reason", "x"], 2, "there is no user 9"),
        (["consent", "1", "raises", "given", "--reason", "x", "--as-of", "2199-01-01"], 1, "lies in the future"),
        (["change", "accept", "7", "--key", "k"], 2, "there is no change 7"),
        (["change", "decline", "7"], 2, "there is no change 7"),
        (["change", "run", "--as-of", "2199-01-01"], 1, "lies in the future"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    assert run(arguments) == code
    seen = capsys.readouterr()
    assert seen.out == ""
    assert says in seen.err
    assert seen.err.startswith("limits: ")
    assert seen.err.count("\n") == 1
