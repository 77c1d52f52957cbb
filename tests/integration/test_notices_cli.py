"""limits notice, limits outbox, and what the doctor says of them."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from limits.cli import doctor, run
from limits.settings import Settings
from limits.store.db import Connection
from tests import builders, told

AS_OF = builders.AS_OF


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMITS_DATABASE_URL", settings.database_url or "")
    monkeypatch.setenv("LIMITS_HOME", str(settings.home))


@pytest.fixture
def due(conn: Connection) -> list[int]:
    """Notices of three users: due after 30 days, at once, and after 2."""
    for user_id in (1, 2, 3):
        builders.add_user(conn, user_id)
    return [told.add_notice(conn, user_id, due_in=days) for user_id, days in ((1, 30), (2, 0), (3, 2))]


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run([*arguments, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def states(found: dict[str, Any]) -> dict[int, str]:
    return {row["user_id"]: row["state"] for row in found["notices"]}


def test_the_list_says_what_is_overdue_on_a_day(due: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    days = {
        AS_OF: {2: "waiting", 3: "waiting", 1: "waiting"},
        AS_OF + dt.timedelta(days=1): {2: "overdue", 3: "waiting", 1: "waiting"},
        AS_OF + dt.timedelta(days=3): {2: "overdue", 3: "overdue", 1: "waiting"},
    }
    for day, expected in days.items():
        assert list(states(answer(capsys, "notice", "list", "--as-of", str(day))).items()) == list(expected.items())
        overdue = {user_id for user_id, state in expected.items() if state == "overdue"}
        assert set(states(answer(capsys, "notice", "list", "--overdue", "--as-of", str(day)))) == overdue
    assert answer(capsys, "notice", "list", "--as-of", str(AS_OF - dt.timedelta(days=1)))["notices"] == []
    assert set(states(answer(capsys, "notice", "list", "--user", "3"))) == {3}
    first = answer(capsys, "notice", "list", "--limit", "1")
    assert first["more"] and len(first["notices"]) == 1
    assert run(["notice", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split("\t")[:3] == [str(due[1]), "2", "lowered"]


def test_what_was_delivered_late_says_so(
    due: list[int], conn: Connection, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    answer(capsys, "outbox", "deliver", "--to", str(tmp_path / "m.jsonl"))
    assert set(states(answer(capsys, "notice", "list")).values()) == {"late"}
    # On a day before they were delivered they were overdue.
    day = str(AS_OF + dt.timedelta(days=100))
    assert set(states(answer(capsys, "notice", "list", "--overdue", "--as-of", day)).values()) == {"overdue"}
    assert answer(capsys, "notice", "list", "--overdue")["notices"] == []
    conn.execute("UPDATE limits.notices SET due_on = '2099-01-01'")
    assert set(states(answer(capsys, "notice", "list")).values()) == {"delivered"}


def test_a_notice_reads_as_it_would_be_and_then_as_it_was_delivered(
    due: list[int], conn: Connection, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["notice", "show", str(due[0])]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Your credit limit has been lowered\n") and "not delivered; due on" in shown.err
    assert run(["outbox", "deliver", "--to", str(tmp_path / "m.jsonl")]) == 0
    assert capsys.readouterr().out == f"6 delivered to file:{tmp_path / 'm.jsonl'}\n"
    conn.execute('UPDATE limits.notices SET body = \'{"en": "as it was", "zh": "原文"}\'')
    assert run(["notice", "show", str(due[0]), "--lang", "zh"]) == 0
    assert capsys.readouterr().out == "原文\n"
    found = answer(capsys, "notice", "show", str(due[0]))
    assert found["text"] == {"en": "as it was", "zh": "原文"} and found["reasons"] == ["past_due", "many_lenders"]


def test_the_doctor_warns_of_what_is_overdue(due: list[int], conn: Connection, tmp_path: Path) -> None:
    def finding() -> doctor.Finding:
        return next(f for f in doctor.examine() if f.check == "notices")

    assert finding().state == "warn"
    assert finding().says.startswith(f"3 overdue, the oldest due on {AS_OF}")
    assert run(["outbox", "deliver", "--to", str(tmp_path / "m.jsonl")]) == 0
    assert finding() == doctor.Finding("notices", "ok", "none is overdue")


def test_the_setting_is_where_messages_go(
    due: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIMITS_OUTBOX", f"file:{tmp_path / 'm.jsonl'}")
    assert answer(capsys, "outbox", "deliver") == {
        "delivered": 6, "to": f"file:{tmp_path / 'm.jsonl'}", "busy": False, "failed": [],
    }  # fmt: skip


def test_messages_that_are_not_taken_are_an_error(due: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "outbox", "deliver", "--command", "false", code=1)
    assert found["delivered"] == 0 and [row["user_id"] for row in found["failed"]] == [1, 2, 3]
    assert run(["outbox", "deliver", "--command", "false"]) == 1
    assert "messages to 3 users wait for the next time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["outbox", "deliver"], "nowhere to deliver to"),
        (["outbox", "deliver", "--to", "x", "--command", "true"], "two ways; choose one"),
        (["outbox", "deliver", "--command", "'open"], "close its quotes"),
        (["outbox", "deliver", "--command", "/no/such/program"], "there is no program '/no/such/program'"),
        (["outbox", "deliver", "--to", "/"], "cannot write /: Is a directory"),
        (["notice", "show", "99"], "there is no notice 99"),
        (["notice", "list", "--as-of", "soon"], "'soon' is not a date"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_sentence(
    due: list[int], arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert says in printed.err and len(printed.err.splitlines()) == 1 and not printed.out


@pytest.mark.parametrize(
    "value",
    ["/var/lib/messages", "file:messages", "command:", "command:'open", "command: ''", "mail:me", "/bin/send -x"],
)
def test_a_setting_that_could_be_either_is_neither(
    value: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMITS_OUTBOX", value)
    assert run(["notice", "list"]) == 2
    assert "LIMITS_OUTBOX cannot be used" in capsys.readouterr().err
