"""limits log as-of: the answers of tests/log/as_of.toml, and what a real decision looks like."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from limits.cli import run
from limits.entry import BatchRecord
from limits.money import major, parse_money
from limits.settings import Settings
from limits.store.db import Connection
from tests import builders, forging, logbook
from tests.packs import write_pack

USERS: list[dict[str, Any]] = tomllib.loads((Path(__file__).parents[1] / "log" / "as_of.toml").read_text())["user"]
NIGHT = dt.time(2, 30, 1, 250_000)


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMITS_DATABASE_URL", settings.database_url or "")
    monkeypatch.setenv("LIMITS_HOME", str(settings.home))
    monkeypatch.setenv("LIMITS_ACTOR", "anna")


def minor(text: str) -> int:
    return parse_money(f"{text} CZK").minor


def write(conn: Connection, user: dict[str, Any]) -> None:
    """The user's line and log as the story tells them."""
    logbook.unguard(conn)
    opening = minor(user["opening_limit"])
    builders.add_user(conn, 7, credit_limit=opening, opened_on=user["opened_on"], currency="CZK")
    before, version, changes = opening, 0, []
    for row in user["log"]:
        waits = row.get("offered") or row.get("announced")
        at = dt.datetime.combine(row.get("decided", row["as_of"]), NIGHT, dt.UTC)
        review = logbook.add_review(
            conn, row["as_of"], logbook.standard(conn), change_id=changes[-1] if "carries_out" in row else None
        )
        bounds = logbook.bounds(**{code: minor(row["limit"]) for code in row["reasons"]})
        entry = logbook.add_entry(
            conn, review, 7, row["as_of"], decided_at=at, limit_before_minor=before, version_before=version,
            limit_after_minor=minor(row["limit"]), ceilings_minor=bounds, actor=row.get("actor", "test"),
            reason_bits=sum(1 << logbook.CODES[code] for code in row["reasons"]),
            disposition=1 if "offered" in row else 2 if "announced" in row else 0,
            proposed_minor=minor(waits) if waits else None,
        )  # fmt: skip
        version += before != minor(row["limit"])
        before = minor(row["limit"])
        if waits:
            changes.append(logbook.add_waiting(conn, entry, row["until"]))
        if "carries_out" in row:
            logbook.end_waiting(conn, changes[-1], "applied", at, review)
        if "declined" in row:
            logbook.end_waiting(conn, changes[-1], "declined", dt.datetime.combine(row["declined"], NIGHT, dt.UTC))


def told(found: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """The answer in the words of the file, as far as the file asks."""
    decision, last, exponent = found["decision"], found["last_decision"], found["exponent"]
    waiting = [
        f"{c['kind']} of {major(c['proposed_minor'], exponent).replace(',', '').removesuffix('.00')} "
        f"until {c['effective_on']}"
        for c in found["waiting"]
    ]
    outcome = last and (last["disposition"] if last["disposition"] != "at_once" else last["action"])
    words = {
        "on": dt.date.fromisoformat(found["date"]),
        "limit": major(found["limit_minor"], exponent).replace(",", "").removesuffix(".00"),
        "since": dt.date.fromisoformat(found["since"]),
        "why": decision and decision["reasons"],
        "who": decision and decision["actor"],
        "last_look": f"{last['as_of']} {outcome}" if last else "none",
    }
    kept = {name: words[name] for name in asked if name in words}
    if waiting:
        kept["waiting"] = "; ".join(waiting)
    if found["decided_later"]:
        kept["known"] = major(found["limit_known_minor"], exponent).replace(",", "").removesuffix(".00")
    return kept


@pytest.mark.parametrize("user", USERS, ids=lambda user: user["story"])
def test_the_limit_of_a_user_on_a_date(
    conn: Connection, user: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write(conn, user)
    for asked in user["asked"]:
        code = run(["log", "as-of", str(asked["on"]), "7", "--json"])
        seen = capsys.readouterr()
        if "answer" in asked:
            assert code == 1 and asked["answer"] in seen.err and seen.out == ""
            continue
        assert code == 0, seen.err
        found = json.loads(seen.out)
        assert told(found, asked) == asked
        if not found["decided_later"]:
            assert found["limit_known_minor"] == found["limit_minor"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["2999-01-01", "7"], 2, "2999-01-01 lies in the future"),
        (["2026-02-30", "7"], 2, "'2026-02-30' is not a date"),
        (["2026-01-01", "seven"], 2, "'seven' is not a number"),
        (["2026-01-01", "8"], 2, "there is no user 8 with a credit line"),
        (["2026-01-01", "9"], 2, "there is no user 9 with a credit line"),
        (["2026-01-01"], 2, "Missing argument 'USER'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_answered_is_one_sentence(
    conn: Connection, arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    builders.add_user(conn, 9, credit_limit=None)
    assert run(["log", "as-of", *arguments]) == code
    seen = capsys.readouterr()
    assert seen.out == "" and says in seen.err and seen.err.count("\n") == 1


def test_a_real_decision_in_words(conn: Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Offered as of a day in June, accepted as of another; both decided today, months later."""
    policy = write_pack(conn, tmp_path, "offers", consent__raises='"offer"')
    builders.add_steady_user(conn, 1, credit_limit=500_000, observed_from=dt.date(2024, 7, 1))
    builders.refresh(conn)
    assert run(["recompute", "1", "--reason", "x", "--as-of", "2026-06-30", "--policy", policy, "--apply"]) == 0
    assert run(["change", "accept", "1", "--key", "k", "--as-of", "2026-07-05"]) == 0
    capsys.readouterr()

    assert run(["log", "as-of", "2026-06-30", "1"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("User 1 on 2026-06-30: limit 5,000.00 CNY\n")
    assert "2023-01-15, when the account was opened; no decision has changed it" in text
    assert "2026-06-30: a higher limit offered" in text
    assert "offered on 2026-06-30: 6,000.00 CNY (+1,000.00 CNY), until 2026-07-30 to accept" in text

    assert run(["log", "as-of", "2026-07-05", "1"]) == 0
    text = capsys.readouterr().out
    assert "limit 6,000.00 CNY" in text
    assert "2026-07-05, raised from 5,000.00 CNY" in text
    assert "the largest raise of one review [step_cap]" in text
    assert "anna (connected as " in text
    assert "after that day: until then the limit was 5,000.00 CNY" in text
    assert "  Waiting     nothing\n" in text

    assert run(["log", "as-of", "2026-07-05", "1", "--lang", "zh"]) == 0
    assert "2026-07-05，由 5,000.00 CNY 上调" in capsys.readouterr().out


def test_both_times_of_an_entry(conn: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    """Lists and exports give the one at which it was applied; the record has both."""
    builders.add_steady_user(conn, 1, credit_limit=500_000)
    builders.refresh(conn)
    assert run(["recompute", "1", "--reason", "x", "--as-of", str(builders.AS_OF), "--apply"]) == 0
    row = conn.execute(
        "SELECT l.entry_id, b.record FROM limits.adjustment_log l JOIN limits.batches b USING (batch_id)"
    )
    entry_id, text = row.fetchone() or (0, "")
    record = BatchRecord.parse(text)
    capsys.readouterr()
    assert run(["log", "show", str(entry_id), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["record"] == {
        "decided_at": record.decided_at.isoformat(),
        "applied_at": record.applied_at.isoformat(),
    }
    assert found["decided_at"] == found["record"]["applied_at"] and record.decided_at < record.applied_at
    assert run(["log", "show", str(entry_id)]) == 0
    times = [f"{at:%Y-%m-%d %H:%M:%S} UTC" for at in (record.decided_at, record.applied_at)]
    assert f"  Times      decided {times[0]}, applied {times[1]}\n" in capsys.readouterr().out
    assert run(["log", "show", str(entry_id), "--lang", "zh"]) == 0
    assert f"{times[0]} 作出决定，{times[1]} 生效" in capsys.readouterr().out

    forging.unguard(conn)
    conn.execute("UPDATE limits.batches SET record = record || 'x'")
    capsys.readouterr()
    assert run(["log", "show", str(entry_id), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["record"] is None
