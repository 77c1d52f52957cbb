"""Who decides what scores: a model is one person's proposal and another's approval, and nobody writes past that."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from limits.cli import run
from limits.errors import ApprovalRefused, InputError, NotFound, RiskModelError, RiskModelNotApproved
from limits.risk import Scorecard
from limits.store import risk_models
from limits.store.db import Connection, Database, Role
from tests import builders, governance, replays
from tests.risks import CARD, scorecard

MODEL = scorecard()

AS_OF = builders.AS_OF
DAY = dt.timedelta(days=1)


def propose(conn: Connection, model: Scorecard, actor: str = "Ann Lee", effective_on: dt.date = AS_OF) -> int:
    return risk_models.propose(conn, model, effective_on=effective_on, actor=actor, reason="a test")


def in_force(conn: Connection, as_of: dt.date) -> str | None:
    found = risk_models.in_force(conn, as_of)
    return None if found is None else found.name


@pytest.mark.parametrize("role", ["worker", "operations", "auditor"])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO limits.risk_models (model_hash, name, horizon_months, body, actor) VALUES ('', 'x', 1, '', 'a')",
        "INSERT INTO limits.risk_approvals (model_hash, effective_on, maker, state) VALUES ('', '2026-01-01', 'a', '')",
        "UPDATE limits.risk_approvals SET state = 'approved', checker = 'x'",
        "UPDATE limits.risk_models SET body = 'x'",
        "DELETE FROM limits.risk_models",
        "DELETE FROM limits.risk_approvals",
        "TRUNCATE limits.risk_approvals",
        "UPDATE limits.reviews SET risk_model = NULL",
        "ALTER TABLE limits.reviews DISABLE TRIGGER risk_model",
        "ALTER TABLE limits.batches DISABLE TRIGGER approved_risk_model",
        """INSERT INTO limits.reviews (kind, schedule, business_date, policy_hash, actor, risk_model)
           VALUES ('scheduled', 's', '2026-06-30', '', 'a', NULL)""",
    ],
)
def test_the_roles_of_the_application_may_not(
    login: Callable[[str, Role], Connection], role: Role, statement: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        login("limits_test_intruder", role).execute(statement.encode())


@pytest.mark.parametrize("role", ["worker", "auditor"])
def test_only_operations_propose_and_approve(login: Callable[[str, Role], Connection], role: Role) -> None:
    for statement in (
        "SELECT limits.propose_risk_model('x', 'x', 1, '2026-01-01', 'a', '')",
        "SELECT limits.decide_risk_model(1, 'approve', 'b', '')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            login("limits_test_intruder", role).execute(statement.encode())


def test_what_was_proposed_is_never_rewritten(conn: Connection) -> None:
    propose(conn, scorecard())
    for statement in ("UPDATE limits.risk_models SET actor = 'x'", "DELETE FROM limits.risk_models"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(statement.encode())


@pytest.mark.parametrize(
    ("body", "name", "horizon", "words"),
    [
        (MODEL.body, "another", MODEL.horizon_months, f"the model calls itself {MODEL.name}"),
        (MODEL.body, MODEL.name, 24, f"{MODEL.horizon_months} months ahead, and not"),
        ("no JSON", "x", 1, "must be JSON"),
    ],
)
def test_a_model_is_kept_under_its_own_name_alone(
    login: Callable[[str, Role], Connection], body: str, name: str, horizon: int, words: str
) -> None:
    """Under another it would be kept for good, and could never be proposed as it is."""
    conn = login("ops", "operations")
    with pytest.raises(psycopg.Error, match=words):
        conn.execute("SELECT limits.propose_risk_model(%s, %s, %s, %s, 'Ann', 'x')", (body, name, horizon, AS_OF))


@pytest.mark.parametrize("name", ["Ann Lee", "  ann  LEE ", "Ann\u200b Lee", "Ａｎｎ Lee"])
def test_the_maker_does_not_approve_under_another_spelling(conn: Connection, name: str) -> None:
    number = propose(conn, scorecard())
    with pytest.raises(ApprovalRefused, match=r"proposed by Ann Lee, who may not decide"):
        risk_models.decide(conn, number, "approve", actor=name, reason="")
    with pytest.raises(psycopg.errors.CheckViolation):  # not even the owner, past the functions
        conn.execute(
            "UPDATE limits.risk_approvals SET state = 'approved', checker = %s WHERE approval_id = %s", (name, number)
        )
    assert risk_models.get(conn, number).state == "proposed" and in_force(conn, AS_OF) is None


def test_one_login_does_not_approve_what_it_proposed(conn: Connection, login: Callable[..., Connection]) -> None:
    number = propose(login("limits_test_maker"), scorecard())
    with pytest.raises(ApprovalRefused, match="another login"):
        risk_models.decide(login("limits_test_maker"), number, "approve", actor="Bob", reason="")
    assert risk_models.decide(login("limits_test_checker"), number, "approve", actor="Bob", reason="seen")
    one = risk_models.get(conn, number)
    assert (one.maker_session, one.checker_session) == ("limits_test_maker", "limits_test_checker")


def test_a_second_click_changes_nothing_and_one_person_is_enough_to_stop(conn: Connection) -> None:
    number = propose(conn, scorecard())
    with pytest.raises(ApprovalRefused, match=f"is proposed already, from {AS_OF} on .number {number}, .* Ann Lee"):
        propose(conn, scorecard())
    assert risk_models.decide(conn, number, "approve", actor="Bob", reason="once")
    assert not risk_models.decide(conn, number, "approve", actor="Carl", reason="twice")
    with pytest.raises(ApprovalRefused, match="is approved and cannot be rejected"):
        risk_models.decide(conn, number, "reject", actor="Carl", reason="")
    assert risk_models.decide(conn, number, "withdraw", actor="Ann Lee", reason="a mistake")
    assert not risk_models.decide(conn, number, "withdraw", actor="Bob", reason="")
    with pytest.raises(ApprovalRefused, match="is withdrawn and cannot be approved"):
        risk_models.decide(conn, number, "approve", actor="Bob", reason="")
    one = risk_models.get(conn, number)
    assert (one.checker, one.withdrawn_by, one.withdrawn_reason) == ("Bob", "Ann Lee", "a mistake")
    for bad in ("", "  "):
        with pytest.raises(ApprovalRefused, match="by somebody with a name"):
            risk_models.decide(conn, number, "withdraw", actor=bad, reason="")
    with pytest.raises(ApprovalRefused, match="there is no proposal 99999"):
        risk_models.decide(conn, 99999, "approve", actor="Bob", reason="")
    with pytest.raises(NotFound, match="there is no proposal 99999"):
        risk_models.get(conn, 99999)


def test_the_newest_that_is_effective_by_a_date_is_in_force(conn: Connection) -> None:
    assert in_force(conn, AS_OF) is None
    governance.approve_model(conn, scorecard(name="first"), AS_OF)
    third = governance.approve_model(conn, scorecard(name="third"), AS_OF + 20 * DAY)
    governance.approve_model(conn, scorecard(name="second"), AS_OF + 10 * DAY)
    propose(conn, scorecard(name="only-proposed"), effective_on=AS_OF + 5 * DAY)
    days = (-1, 0, 9, 10, 19, 20, 500)
    found = [in_force(conn, AS_OF + k * DAY) for k in days]
    assert found == [None, "first", "first", "second", "second", "third", "third"]
    risk_models.decide(conn, third, "withdraw", actor="Bob", reason="no")
    assert in_force(conn, AS_OF + 500 * DAY) == "second"
    # Of one date one is approved: the one before is withdrawn, and says by which.
    new = scorecard(name="first-again")
    governance.approve_model(conn, new, AS_OF)
    (old,) = (one for one in risk_models.history(conn) if one.name == "first")
    assert (old.state, old.withdrawn_reason) == ("withdrawn", f"superseded by {new.model_hash.hex()}")
    assert in_force(conn, AS_OF) == "first-again"


def test_two_approvals_at_once_leave_one(conn: Connection, database: Database) -> None:
    numbers = [propose(conn, scorecard(name=f"m{place}")) for place in range(5)]
    start = threading.Barrier(len(numbers))

    def approve(number: int) -> None:
        with database.connect("operations", "limits test") as own:
            start.wait()
            risk_models.decide(own, number, "approve", actor="Bob", reason="")

    threads = [threading.Thread(target=approve, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = sorted(one.state for one in risk_models.history(conn))
    assert states == ["approved", *["withdrawn"] * 4]


def test_a_model_is_loaded_as_it_was_approved_or_not_at_all(conn: Connection) -> None:
    model = scorecard()
    number = governance.approve_model(conn, model, AS_OF)
    assert risk_models.load(conn, model.model_hash) == model and risk_models.load(conn, None) is None
    risk_models.require(conn, model.model_hash)
    risk_models.require(conn, None)
    with pytest.raises(RiskModelError, match="is not in the database"):
        risk_models.load(conn, b"x" * 32)
    with pytest.raises(RiskModelNotApproved, match=r"is not approved; propose it again"):
        risk_models.require(conn, b"x" * 32)
    risk_models.decide(conn, number, "withdraw", actor="Dora", reason="no")
    with pytest.raises(RiskModelNotApproved, match="it was withdrawn by Dora; propose it again"):
        risk_models.require(conn, model.model_hash)
    conn.execute("ALTER TABLE limits.risk_models DROP CONSTRAINT risk_models_check")
    replays.tamper(conn, "UPDATE limits.risk_models SET body = replace(body, '60', '61')")
    with pytest.raises(RiskModelError, match="has another text than that hash"):
        risk_models.load(conn, model.model_hash)


def test_a_model_is_meant_by_the_first_digits_of_its_hash(conn: Connection) -> None:
    model = scorecard()
    propose(conn, model)
    digits = model.model_hash.hex()
    assert [one.name for one in risk_models.named(conn, digits[:4].upper())] == ["two-things"]
    with pytest.raises(NotFound, match="no model has a hash that begins with"):
        risk_models.named(conn, "0000" if digits[:4] != "0000" else "1111")
    for bad in ("abc", "two-things", "g" * 8, ""):
        with pytest.raises(InputError, match="is no hash of a model"):
            risk_models.named(conn, bad)


# From the command line ----------------------------------------------------------------------------


def test_a_model_from_its_proposal_to_its_withdrawal(
    database: Database, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LIMITS_DATABASE_URL", database.url)
    monkeypatch.setenv("LIMITS_HOME", str(tmp_path))
    file = tmp_path / "model.json"
    file.write_text(json.dumps(CARD))

    def call(*arguments: str, code: int = 0) -> tuple[str, str]:
        assert run(["risk", *arguments]) == code, capsys.readouterr()
        captured = capsys.readouterr()
        return captured.out, captured.err

    assert "no model was proposed yet" in call("history")[1]
    assert "no model is in force on 2026-06-30: nobody is scored" in call("show", "--as-of", "2026-06-30")[1]
    why = ("--reason", "new", "--actor", "Anna")
    out, err = call("propose", str(file), "--effective-on", "2026-06-30", *why)
    digits = next(line for line in out.splitlines() if "two-things" in line).split()[0]
    assert f"limits risk approve {digits}" in err
    assert (
        "is proposed already: nothing was changed"
        in call("propose", str(file), "--effective-on", "2026-06-30", *why)[1]
    )
    assert "somebody else has to" in call("approve", digits, *why, code=1)[1]
    assert "is approved" in call("approve", digits, "--reason", "seen", "--actor", "Bert")[1]
    made = json.loads(call("approve", digits, "--reason", "seen", "--actor", "Bert", "--json")[0])
    assert (made["state"], made["checker"], made["changed"]) == ("approved", "Bert", False)
    shown = call("show", "--as-of", "2026-06-30")[0]
    for words in ("two-things, 6 months ahead", "approved, effective on 2026-06-30 (Bert: seen)", "days past due",
                  "below", "2.00% to 31.00%", "Everybody starts with 10 points."):  # fmt: skip
        assert words in shown, shown
    as_json = json.loads(call("show", digits, "--json")[0])
    assert as_json["model"]["model_hash"] == made["model_hash"]
    assert [one["state"] for one in as_json["model"]["proposals"]] == ["approved"]
    assert call("show", digits, "--text")[0] == file.read_text()
    assert "choose one" in call("show", digits, "--text", "--json", code=2)[1]
    assert "and not two of them" in call("show", digits, "--as-of", "2026-06-30", code=2)[1]
    before = call("show", "--model", str(file), "--bins")[0]
    for words in ("not kept here under a proposal", "not known", "judges anew"):
        assert words in before, before
    assert "is withdrawn" in call("withdraw", digits, "--reason", "wrong", "--actor", "Anna")[1]
    (one,) = json.loads(call("history", "--json")[0])["proposals"]
    assert (one["state"], one["withdrawn_by"], one["withdrawn_reason"]) == ("withdrawn", "Anna", "wrong")
    assert "Anna: new" in call("history")[0]
    assert "is before 1900-01-01" in call("propose", str(file), "--effective-on", "1899-12-31", *why, code=2)[1]
    file.write_text("{}")
    assert "Field required" in call("propose", str(file), *why, code=2)[1]
    assert "cannot read" in call("propose", str(tmp_path / "none"), *why, code=2)[1]


def test_what_is_to_be_approved_is_what_its_text_says(
    database: Database, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LIMITS_DATABASE_URL", database.url)
    monkeypatch.setenv("LIMITS_HOME", str(tmp_path))
    # As it was kept before the database looked.
    conn.execute("ALTER TABLE limits.risk_models DISABLE TRIGGER named_as_it_says")
    for body, name, words in ((scorecard().body, "other-name", "its text says two-things"), ("{}", "x", "Field requ")):
        conn.execute("SELECT limits.propose_risk_model(%s, %s, 6, %s, 'Ann', '')", (body, name, AS_OF))
        digits = risk_models.history(conn)[-1].model_hash.hex()
        assert run(["risk", "approve", digits, "--reason", "x", "--actor", "Bo"]) == 1
        assert words in capsys.readouterr().err
