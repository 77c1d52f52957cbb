"""Attacks on what two people decide and what users say, by real logins of one role each, and by those who race."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from limits import engine
from limits.engine import deciding, single
from limits.errors import PolicyNotApproved
from limits.settings import Settings
from limits.store import approvals, load, pending
from limits.store.db import Connection, Database, Role
from tests import builders, governance
from tests.integration.test_changes import AS_OF, BEFORE, DAY, RAISED, accept, consent, limit, users  # noqa: F401
from tests.packs import write_pack

Login = Callable[[str, Role], Connection]


@pytest.fixture
def offers(conn: Connection, tmp_path: Path) -> str:
    return write_pack(conn, tmp_path, "offers", consent__raises='"offer"')


def meanwhile(monkeypatch: pytest.MonkeyPatch, what: Callable[[], object]) -> None:
    """Something that happens once between deciding and applying, in reviews and recomputes."""
    left = [what]
    decide = deciding.decide_users

    def decided(*args: object, **given: object) -> deciding.Decided:
        made = decide(*args, **given)  # type: ignore[arg-type]
        if left:
            left.pop()()
        return made

    monkeypatch.setattr(single, "decide_users", decided)
    monkeypatch.setattr("limits.engine.shards.decide_users", decided)


def review(database: Database, settings: Settings, policy: str, as_of: dt.date = AS_OF) -> None:
    row = engine.request_review(database, settings, as_of=as_of, actor="night", policy=policy)
    assert engine.work(database, settings, row.review_id, worker="test").finished is not None


# Races ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("since", [AS_OF, AS_OF + DAY], ids=["that day", "a later day"])
def test_who_opts_out_while_a_review_decides_gets_no_offer(
    database: Database, settings: Settings, conn: Connection, offers: str, monkeypatch: pytest.MonkeyPatch,
    since: dt.date,
) -> None:  # fmt: skip
    meanwhile(monkeypatch, lambda: consent(database, 1, "withdrawn", as_of=since))
    review(database, settings, offers)
    assert pending.changes(conn) == []


@pytest.mark.parametrize("how", ["review", "recompute"])
def test_who_opts_out_while_it_is_decided_is_not_raised(
    database: Database, settings: Settings, conn: Connection, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    meanwhile(monkeypatch, lambda: consent(database, 1, "withdrawn", as_of=AS_OF))
    if how == "review":
        review(database, settings, settings.policy)
    else:
        engine.recompute(database, settings, 1, reason="x", actor="x", as_of=AS_OF, apply=True)
    assert limit(conn, 1) == BEFORE


@pytest.mark.parametrize(("kind", "amount", "left"), [("hold", None, BEFORE), ("cap", 560_000, 560_000)])
def test_nobody_is_raised_above_an_override_that_is_approved_meanwhile(
    database: Database, settings: Settings, conn: Connection, monkeypatch: pytest.MonkeyPatch, kind: str,
    amount: int | None, left: int,
) -> None:  # fmt: skip
    meanwhile(monkeypatch, lambda: builders.add_override(conn, 1, kind, amount, starts_on=AS_OF))
    review(database, settings, settings.policy)
    assert limit(conn, 1) == left


# Real logins ---------------------------------------------------------------------------------


def test_a_worker_accepts_and_declines_for_nobody(
    database: Database, settings: Settings, conn: Connection, offers: str, login: Login
) -> None:
    engine.recompute(database, settings, 1, reason="x", actor="x", as_of=AS_OF, apply=True, policy=offers)
    (offer,) = pending.changes(conn)
    worker = login("limits_test_worker", "worker")
    with pytest.raises(psycopg.Error, match="cannot be declined"):
        worker.execute("SELECT * FROM limits.end_change(%s, 'declined', %s, 'x', 'x')", (offer.change_id, AS_OF))
    with pytest.raises(psycopg.Error, match="cannot be carried out") as refused, worker.transaction():
        review_id = worker.execute(
            """SELECT limits.begin_recompute(1, %s, policy_hash, 'x', 'x', 'x', NULL, %s)
                 FROM limits.policies WHERE pack = 'offers'""",
            (AS_OF, offer.change_id),
        ).fetchone()
        assert review_id is not None
        builders.keep_snapshot(worker, *review_id)
        worker.execute(
            """SELECT * FROM limits.apply_decisions(%s, 0, 1, 'x', 'CNY', sha256('x'), sha256('m'), sha256('r'), ARRAY[
                   ROW(1, 500000, 600000, 0, 0, 0, ARRAY[600000]::bigint[], 600000, 350000, 1, 1, 1, 0, 12,
                       0, NULL, NULL, 0, NULL, 0, NULL, NULL, '')::limits.decision_row])""",
            review_id,
        )
    assert refused.value.sqlstate == "LM005"
    assert accept(database, offer).change.state == "applied"
    assert limit(conn, 1) == RAISED


def test_an_auditor_holds_up_nobody(database: Database, conn: Connection, login: Login) -> None:
    auditor = login("limits_test_auditor", "auditor")
    for key in ("hashtext('limits.policy_approvals')", "hashtextextended('limits.fraud_identifiers', 0)"):
        auditor.execute(f"SELECT pg_advisory_lock({key})".encode())
    for table in ("policy_approvals", "fraud_identifiers", "overrides", "pending_changes"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), auditor.transaction():
            auditor.execute(f"LOCK TABLE limits.{table} IN ROW EXCLUSIVE MODE".encode())
    with database.connect("operations", "test") as operations:
        operations.execute("SET lock_timeout = '2s'")
        number = approvals.propose(operations, governance.variant(), role="champion", actor="Ann", reason="x")
        assert approvals.decide(operations, number, "approve", actor="Bob", reason="x")
        assert approvals.decide(operations, number, "withdraw", actor="Bob", reason="x")
        operations.execute(
            """INSERT INTO limits.frauds (user_id, source, source_id, confirmed_on, digest)
               VALUES (1, 'x', 'x', '2026-06-01', sha256('x'))"""
        )


@pytest.mark.parametrize("column", ["actor", "reason", "session_role", "ingested_at"])
def test_an_import_says_nothing_in_the_name_of_another(conn: Connection, login: Login, column: str) -> None:
    operations = login("limits_test_operations", "operations")
    for table in ("consents", "frauds", "documents", "identifiers"):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedColumn)):
            operations.execute(f"INSERT INTO limits.{table} (user_id, {column}) VALUES (1, '2020-01-01')".encode())


def test_what_a_person_sets_has_a_person_and_an_amount_that_can_be_decided_with(conn: Connection, login: Login) -> None:
    operations = login("limits_test_operations", "operations")
    propose = "SELECT limits.propose_override(1, 'floor', %s, current_date, current_date + 9, 'Ann', 'x')"
    with pytest.raises(psycopg.Error, match="too large") as refused:
        operations.execute(propose, (10**15 + 1,))
    assert refused.value.sqlstate == approvals.REFUSED
    number = operations.execute(propose, (10**15,)).fetchone()
    conn.execute("SELECT limits.decide_override(%s, 'approve', 'Bob', 'x')", number)
    proposal = approvals.propose(operations, governance.variant(), role="champion", actor="Ann", reason="x")
    for statement, parameters in (
        ("SELECT limits.end_override(%s, E'\\u200b', 'x')", number),
        ("SELECT limits.decide_policy(%s, 'withdraw', E'\\u200b\\u2060', 'x')", (proposal,)),
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            operations.execute(statement.encode(), parameters)


# Which policy --------------------------------------------------------------------------------


def test_an_approved_policy_decides_from_its_date_until_the_next(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    """One that was approved beforehand, and one that another has followed, by whoever names the file."""
    old = write_pack(conn, tmp_path, "mine")
    later = governance.variant(pack="mine", effective_on="2026-06-15")
    (tmp_path / "later.toml").write_text(later.body, encoding="utf-8")
    governance.approve(conn, later)
    apply = {"reason": "x", "actor": "x", "apply": True}
    with pytest.raises(PolicyNotApproved, match=f"not in force on {AS_OF}; in force is {later.policy_hash.hex()}"):
        engine.recompute(database, settings, 1, as_of=AS_OF, policy=old, **apply)  # type: ignore[arg-type]
    with pytest.raises(PolicyNotApproved, match="not in force"):
        review(database, settings, old)
    made = engine.recompute(database, settings, 1, as_of=AS_OF, policy=str(tmp_path / "later.toml"), **apply)  # type: ignore[arg-type]
    assert made.applied
    with database.connect("worker", "attack") as worker, pytest.raises(psycopg.Error, match="not in force") as refused:
        worker.execute(
            "SELECT limits.begin_recompute(1, '2026-06-14', %s, 'x', 'x', 'x', NULL, NULL)",
            (later.policy_hash,),
        )
    assert refused.value.sqlstate == approvals.NOT_IN_FORCE


# Clearances ----------------------------------------------------------------------------------


@pytest.mark.parametrize("late", ["the fraud", "the sighting of the user", "the sighting of the fraudster"])
def test_a_clearance_covers_nothing_that_comes_to_light_later(conn: Connection, late: str) -> None:
    builders.add_steady_user(conn, 3)
    facts = {
        "the fraud": lambda: builders.add_fraud(conn, 3, dt.date(2026, 3, 1)),
        "the sighting of the user": lambda: builders.add_identifier(conn, 1, "phone"),
        "the sighting of the fraudster": lambda: builders.add_identifier(conn, 3, "phone"),
    }
    for name, add in facts.items():
        if name != late:
            add()
    builders.add_clearance(conn, 1, dt.date(2026, 4, 1))
    facts[late]()
    portfolio, _ = load.load_portfolio(conn, AS_OF, builders.CURRENCY, user_ids=[1])
    assert portfolio.fraud_links.tolist() == [1]
    builders.add_clearance(conn, 1, dt.date(2026, 4, 2))
    portfolio, _ = load.load_portfolio(conn, AS_OF, builders.CURRENCY, user_ids=[1])
    assert portfolio.fraud_links.tolist() == [0]
