"""Users whom a person has to look at: who is on the list, who leaves it, and who may say so."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import psycopg
import pytest

from limits.cli import run
from limits.engine import referring
from limits.reasons import HUMAN_REVIEW, Reason
from limits.settings import Settings
from limits.store import referrals
from limits.store.db import Connection, Database
from limits.store.queries import sql_root
from tests import builders, told

LATER = builders.AS_OF + dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMITS_DATABASE_URL", settings.database_url or "")
    monkeypatch.setenv("LIMITS_ACTOR", "anna")


def decide(conn: Connection, user_id: int, *reasons: Reason, as_of: dt.date = builders.AS_OF) -> None:
    told.add_decision(conn, user_id, bounds=dict.fromkeys(reasons, 2_000_000), as_of=as_of)


def listed(conn: Connection, as_of: dt.date = LATER) -> list[tuple[int, str]]:
    return [(row.user_id, Reason(row.reason).name) for row in referrals.list_referrals(conn, as_of)]


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run([*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_index_knows_the_reasons() -> None:
    """The number in the migration and in the query is that of HUMAN_REVIEW: else the list reads the whole log."""
    bits = str(sum(1 << reason for reason in HUMAN_REVIEW))
    for file in ("migrations/0013_notices.sql", "queries/referral_list.sql"):
        text = (sql_root() / file).read_text(encoding="utf-8")
        assert f"reason_bits & {bits} <> 0" in text, file


def test_who_is_listed(conn: Connection) -> None:
    for user_id in range(1, 6):
        builders.add_user(conn, user_id)
    decide(conn, 1, Reason.LINKED_FRAUD, Reason.PAST_DUE)
    decide(conn, 2, Reason.PAST_DUE)
    decide(conn, 3, Reason.AUTOMATION_REFUSED, Reason.IDENTITY_MISMATCH)
    decide(conn, 4, Reason.CONFIRMED_FRAUD)
    decide(conn, 4, Reason.PAST_DUE, as_of=LATER)  # decided again without it
    assert listed(conn) == [(1, "LINKED_FRAUD"), (3, "IDENTITY_MISMATCH"), (3, "AUTOMATION_REFUSED")]


def test_since_when(conn: Connection) -> None:
    builders.add_user(conn, 1)
    days = [builders.AS_OF - dt.timedelta(days=back) for back in (4, 3, 2, 1, 0)]
    reasons = [(Reason.LINKED_FRAUD,), (Reason.PAST_DUE,), (Reason.LINKED_FRAUD,), (Reason.LINKED_FRAUD,)]
    for as_of, bars in zip(days, reasons, strict=False):
        decide(conn, 1, *bars, as_of=as_of)
    (row,) = referrals.list_referrals(conn, LATER)
    third = conn.execute("SELECT decided_at FROM limits.adjustment_log WHERE as_of = %s", (days[2],)).fetchone()
    assert (row.as_of, row.since) == (days[3], third and third[0])


def test_a_clearance_ends_it_until_a_later_decision_says_it_again(
    conn: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    builders.add_user(conn, 1)
    decide(conn, 1, Reason.LINKED_FRAUD)
    made = answer(capsys, "referral", "clear", "1", "--reason", "shares a house with a relative")
    assert (made["user_id"], made["actor"]) == (1, "anna")
    row = conn.execute(
        "SELECT user_id, cleared_on, actor, reason, session_role FROM limits.fraud_clearances"
    ).fetchone()
    today = dt.datetime.now(dt.UTC).date()
    assert row == (1, today, "anna", "shares a house with a relative", conn.info.user)
    assert listed(conn) == []
    assert run(["referral", "clear", "1", "--reason", "again"]) == 2
    assert "user 1 does not wait to be cleared" in capsys.readouterr().err
    decide(conn, 1, Reason.LINKED_FRAUD, as_of=today + dt.timedelta(days=1))
    assert listed(conn, today) == [(1, "LINKED_FRAUD")]


def test_what_clearing_cannot_end(conn: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    builders.add_user(conn, 1)
    decide(conn, 1, Reason.AUTOMATION_REFUSED)
    assert run(["referral", "clear", "1", "--reason", "seen"]) == 2
    assert "automation_refused is decided by: an override" in capsys.readouterr().err
    conn.execute(
        "INSERT INTO limits.fraud_clearances (user_id, cleared_on, actor, reason) VALUES (1, %s, 'anna', 'seen')",
        (LATER,),
    )
    assert listed(conn) == [(1, "AUTOMATION_REFUSED")]


def test_an_override_made_since_is_a_persons_decision_while_it_is_in_force(conn: Connection) -> None:
    builders.add_user(conn, 1)
    decide(conn, 1, Reason.AUTOMATION_REFUSED)
    conn.execute(
        """INSERT INTO limits.overrides (user_id, kind, amount_minor, currency, reason, starts_on, expires_on, state,
                                         maker, checker, checker_session, decided_at)
           VALUES (1, 'cap', 2000000, 'CNY', 'looked at', %s, %s, 'approved', 'anna', 'ben', 'ben',
                   clock_timestamp())""",
        (LATER, LATER + dt.timedelta(days=30)),
    )
    assert listed(conn, builders.AS_OF) == [(1, "AUTOMATION_REFUSED")]
    assert listed(conn, LATER) == []
    decide(conn, 1, Reason.AUTOMATION_REFUSED, as_of=LATER)  # the next night says so again
    assert listed(conn, LATER) == []
    assert listed(conn, LATER + dt.timedelta(days=30)) == [(1, "AUTOMATION_REFUSED")]
    conn.execute("UPDATE limits.overrides SET decided_at = '2020-01-01'")  # made before, for something else
    assert listed(conn, LATER) == [(1, "AUTOMATION_REFUSED")]


def test_the_list_says_how_a_person_decides(conn: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    builders.add_user(conn, 1)
    decide(conn, 1, *HUMAN_REVIEW)
    found = {row["reason"]: row["decide_by"] for row in answer(capsys, "referral", "list")["referrals"]}
    assert found == {reason.name.lower(): way for reason, way in referring.WAYS.items()}
    assert run(["referral", "list"]) == 0
    assert "linked_fraud" in capsys.readouterr().out


def test_nobody_waits(capsys: pytest.CaptureFixture[str], conn: Connection) -> None:
    assert run(["referral", "list"]) == 0
    assert capsys.readouterr().err == "nobody waits for a person\n"
    assert run(["referral", "clear", "7", "--reason", "x"]) == 2
    assert "there is no user 7" in capsys.readouterr().err
    builders.add_user(conn, 7)
    assert run(["referral", "clear", "7", "--reason", "x"]) == 2
    assert "user 7 does not wait" in capsys.readouterr().err


@pytest.mark.parametrize("role", ["auditor", "worker"])
def test_only_operations_clear(conn: Connection, database: Database, role: Any) -> None:
    builders.add_user(conn, 1)
    with database.connect(role, "attack") as own:
        assert listed(own) == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            referrals.clear(own, 1, cleared_on=LATER, actor="x", reason="x")


def test_nobody_is_cleared_for_days_to_come(conn: Connection, ops: Connection) -> None:
    builders.add_user(conn, 1)
    tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    with pytest.raises(psycopg.errors.CheckViolation):
        referrals.clear(ops, 1, cleared_on=tomorrow, actor="x", reason="x")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ops.execute(
            """INSERT INTO limits.fraud_clearances (user_id, cleared_on, actor, reason, created_at)
               VALUES (1, '2099-01-01', 'x', 'x', '2099-01-01')"""
        )
