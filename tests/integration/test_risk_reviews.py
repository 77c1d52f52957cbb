"""A scorecard in the engine: the same one for everybody of a review, by night and by day, and it can be checked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limits import engine
from limits.engine import simulating
from limits.engine.asking import policy_for
from limits.engine.requests import request_limit
from limits.engine.scoring import model_on
from limits.engine.supposing import explain, suppose
from limits.entry import BatchRecord
from limits.errors import PolicyError, RiskModelError, RiskModelNotApproved
from limits.money import Money
from limits.policy import Policy
from limits.reasons import Reason
from limits.risk import Scorecard
from limits.settings import Settings
from limits.store import log, risk_models
from limits.store.db import Connection, Database
from limits.store.reviews import ReviewRow
from tests import builders, governance, invariants, replays
from tests.packs import write_pack
from tests.replays import AS_OF, DAY
from tests.risks import CARD, scorecard

SECTION = """
[risk]
required = true
loss_given_default_bps = 6000
conversion_bps = 5000

[[risk.band]]
name = "A"
months_of_capacity = 60
most = "120000 CNY"
raise = true
limit_bps = 10000

[[risk.band]]
name = "B"
months_of_capacity = 6
most = "5800 CNY"
raise = true
limit_bps = 10000

[[risk.band]]
name = "C"
months_of_capacity = 0
most = "0 CNY"
raise = false
limit_bps = 8000
"""
#: Everybody who is not late is in the band B, or in C, or in A.
IN_B, IN_C, IN_A = (scorecard(name=name, base_points=base) for name, base in (("b", -20), ("c", -80), ("a", 10)))
USERS = [1, 2, 3]


@pytest.fixture(autouse=True)
def _invariants(conn: Connection) -> Iterator[None]:
    yield
    invariants.check(conn)


@pytest.fixture
def pack(conn: Connection, tmp_path: Path) -> str:
    return write_pack(conn, tmp_path, "banded", breakers__population_bps="1000000\n" + SECTION)


@pytest.fixture
def users(conn: Connection) -> list[int]:
    replays.steady(conn, *USERS)  # limits of 5,100 to 5,300 CNY
    builders.refresh(conn)
    return USERS


def review(database: Database, settings: Settings, policy: str, as_of: dt.date = AS_OF) -> ReviewRow:
    row = engine.request_review(database, settings, as_of=as_of, actor="night", policy=policy)
    worked = engine.work(database, settings, row.review_id, worker="test")
    return worked.finished or engine.finished(database, row.review_id)


def logged(conn: Connection, review_id: int) -> dict[int, tuple[int, Reason]]:
    rows = conn.execute(
        "SELECT user_id, limit_after_minor, binding FROM limits.adjustment_log WHERE review_id = %s", (review_id,)
    ).fetchall()
    return {user: (after, Reason(binding)) for user, after, binding in rows}


def risk_said(conn: Connection, review_id: int) -> list[tuple[int | None, int | None]]:
    """Points and probability of each user of a review, as the log has them."""
    return conn.execute(
        "SELECT risk_points, risk_probability_ppm FROM limits.adjustment_log WHERE review_id = %s ORDER BY user_id",
        (review_id,),
    ).fetchall()


def risk_lines(conn: Connection) -> dict[int, str]:
    rows = conn.execute("SELECT review_id, record FROM limits.batches").fetchall()
    return {review_id: BatchRecord.parse(record).risk for review_id, record in rows}


def withdraw(conn: Connection) -> None:
    (one,) = (one for one in risk_models.history(conn) if one.state == "approved")
    assert risk_models.decide(conn, one.approval_id, "withdraw", actor="Dora", reason="drifts")


# A review -----------------------------------------------------------------------------------------


def test_a_review_scores_by_the_model_in_force_and_its_records_say_which(
    database: Database, settings: Settings, conn: Connection, users: list[int], pack: str
) -> None:
    governance.approve_model(conn, IN_B, AS_OF)
    governance.approve_model(conn, IN_C, AS_OF + DAY)
    before = review(database, settings, pack, AS_OF - DAY)
    first, second = (review(database, settings, pack, AS_OF + k * DAY) for k in (0, 1))
    assert {reason for _, reason in logged(conn, before.review_id).values()} == {Reason.RISK_UNKNOWN}
    assert logged(conn, first.review_id) == dict.fromkeys(users, (580_000, Reason.RISK_MAXIMUM))
    found = logged(conn, second.review_id)
    # Of 5,800.00 a fifth is taken back, and the limit lies on the grid.
    assert found == dict.fromkeys(users, (460_000, Reason.RISK_BAND))
    assert (before.risk_model, first.risk_model) == (None, IN_B.model_hash)
    said = [risk_said(conn, one.review_id) for one in (before, first, second)]
    # Who was raised by the first one uses less of the limit in the second one.
    assert said == [[(None, None)] * 3, [(65, 470_000)] * 3, [(20, 830_000)] * 3]
    assert risk_lines(conn) == {
        before.review_id: "none", first.review_id: IN_B.model_hash.hex(), second.review_id: IN_C.model_hash.hex(),
    }  # fmt: skip


def test_one_user_by_day_is_decided_as_at_night(
    database: Database, settings: Settings, conn: Connection, users: list[int], pack: str
) -> None:
    governance.approve_model(conn, IN_B, AS_OF)
    shown = engine.recompute(database, settings, 1, reason="asked", actor="Ann", as_of=AS_OF, policy=pack)
    made = engine.recompute(database, settings, 1, reason="asked", actor="Ann", as_of=AS_OF, policy=pack, apply=True)
    night = review(database, settings, pack)
    rows = conn.execute(
        """SELECT user_id, limit_after_minor - limit_before_minor, ceilings_minor[53:55], reason_bits
             FROM limits.adjustment_log ORDER BY review_id, user_id"""
    ).fetchall()
    assert shown.entry.limit_after_minor == made.entry.limit_after_minor == 580_000
    assert shown.entry.ceilings_minor == made.entry.ceilings_minor
    assert (shown.entry.risk_points, shown.entry.risk_probability_ppm) == (65, 470_000)
    assert risk_said(conn, made.entry.review_id) == [(65, 470_000)]
    assert risk_said(conn, night.review_id) == [(80, 350_000), (65, 470_000), (65, 470_000)]
    assert risk_lines(conn) == dict.fromkeys((made.entry.review_id, night.review_id), IN_B.model_hash.hex())
    assert rows[0][0] == 1 and rows[0][2] == [None, 580_000, None] == rows[2][2]
    answer = request_limit(
        database, settings, 2, Money(700_000, "CNY"), key="k", actor="Ann", as_of=AS_OF + DAY, policy=pack
    )
    assert answer.entry.limit_after_minor == 580_000
    assert {reason for reason, _ in answer.entry.ceilings[:4]} >= {Reason.RISK_MAXIMUM}
    assert risk_said(conn, answer.entry.review_id) == [(80, 350_000)]
    assert (answer.entry.risk_points, answer.entry.risk_probability_ppm) == (80, 350_000)
    assert set(risk_lines(conn).values()) == {IN_B.model_hash.hex()}


def test_a_model_stays_that_of_its_review_whatever_is_approved_meanwhile(
    database: Database, settings: Settings, conn: Connection, users: list[int], pack: str
) -> None:
    governance.approve_model(conn, IN_B, AS_OF - DAY)
    row = engine.request_review(database, settings, as_of=AS_OF, actor="night", policy=pack)
    governance.approve_model(conn, IN_C, AS_OF)
    done = engine.work(database, settings, row.review_id, worker="test").finished
    assert done is not None and done.risk_model == IN_B.model_hash
    assert logged(conn, row.review_id) == dict.fromkeys(users, (580_000, Reason.RISK_MAXIMUM))


def test_withdrawing_a_model_stops_a_review_under_way_and_later_dates_go_on_without(
    database: Database, settings: Settings, conn: Connection, users: list[int], pack: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    governance.approve_model(conn, IN_B, AS_OF)
    row = engine.request_review(database, settings, as_of=AS_OF, actor="night", policy=pack)
    from limits.engine import shards

    apply_shard = shards._apply_shard

    def meanwhile(task: Any) -> Any:
        withdraw(conn)
        return apply_shard(task)

    monkeypatch.setattr(shards, "_apply_shard", meanwhile)
    assert engine.work(database, settings, row.review_id, worker="test").state == "over"
    failed = engine.finished(database, row.review_id)
    assert failed.state == "failed" and "it was withdrawn by Dora" in str(failed.error)
    assert replays.count(conn) == 0
    monkeypatch.undo()
    # Asked for again it goes on by the model it began with: which does not stand any more.
    engine.request_review(database, settings, as_of=AS_OF, actor="night", policy=pack)
    assert engine.work(database, settings, row.review_id, worker="test").state == "over"
    assert replays.count(conn) == 0
    later = review(database, settings, pack, AS_OF + DAY)
    assert {reason for _, reason in logged(conn, later.review_id).values()} == {Reason.RISK_UNKNOWN}


def test_a_review_whose_model_is_withdrawn_before_it_begins_decides_nobody(
    database: Database, settings: Settings, conn: Connection, users: list[int], pack: str
) -> None:
    governance.approve_model(conn, IN_B, AS_OF)
    row = engine.request_review(database, settings, as_of=AS_OF, actor="night", policy=pack)
    withdraw(conn)
    assert engine.work(database, settings, row.review_id, worker="test").state == "over"
    failed = engine.finished(database, row.review_id)
    assert failed.state == "failed" and "it was withdrawn by Dora" in str(failed.error)
    assert replays.count(conn, "limits.shards WHERE decided_at IS NOT NULL") == 0


def test_a_recompute_is_refused_once_its_model_is_withdrawn(
    database: Database, settings: Settings, conn: Connection, users: list[int], pack: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    governance.approve_model(conn, IN_B, AS_OF)
    from limits.engine import single

    decide_one = single.decide_one

    def meanwhile(*args: Any, **options: Any) -> Any:
        withdraw(conn)
        return decide_one(*args, **options)

    monkeypatch.setattr(single, "decide_one", meanwhile)
    with pytest.raises(RiskModelNotApproved, match="it was withdrawn by Dora; propose it again"):
        engine.recompute(database, settings, 1, reason="x", actor="Ann", as_of=AS_OF, policy=pack, apply=True)
    assert replays.count(conn) == 0


def test_a_model_of_other_bands_than_the_policy_is_refused_before_anything_is_done(
    database: Database, settings: Settings, conn: Connection, users: list[int], pack: str
) -> None:
    bands = [*CARD["bands"][:2], {"name": "D", "points_from": 0}, {"name": "E", "points_from": -1}]
    governance.approve_model(conn, scorecard(bands=bands), AS_OF)
    words = r"banded of 2026-01-01, line \d+: \[risk\] has no band D, which the risk model two-things"
    with pytest.raises(PolicyError, match=words):
        review(database, settings, pack)
    with pytest.raises(PolicyError, match=words):
        engine.recompute(database, settings, 1, reason="x", actor="Ann", as_of=AS_OF, policy=pack, apply=True)
    with pytest.raises(PolicyError, match=words):
        engine.dry_run(database, settings, as_of=AS_OF, policy=pack)
    assert replays.count(conn) == 0 and replays.count(conn, "limits.reviews") == 0
    # A policy that says nothing of bands goes on, and its records name the model all the same.
    row = review(database, settings, settings.policy)
    assert row.state == "done" and risk_lines(conn) == {row.review_id: row.risk_model.hex() if row.risk_model else ""}


def test_a_model_of_amounts_in_another_currency_is_refused_where_it_would_count(
    database: Database, settings: Settings, conn: Connection, users: list[int], pack: str
) -> None:
    governance.approve_model(conn, scorecard(card={"population": {"currency": "TWD"}}), AS_OF)
    words = "banded of 2026-01-01 is in CNY and the risk model two-things .* was made of amounts in TWD"
    with pytest.raises(PolicyError, match=words):
        review(database, settings, pack)
    with pytest.raises(PolicyError, match=words):
        engine.recompute(database, settings, 1, reason="x", actor="Ann", as_of=AS_OF, policy=pack, apply=True)
    assert replays.count(conn) == 0 and replays.count(conn, "limits.reviews") == 0
    governance.approve_model(conn, scorecard(card={"population": {"currency": "CNY"}}), AS_OF)
    assert review(database, settings, pack).state == "done"


def test_a_dry_run_a_simulation_and_what_if_score_as_the_review_does(
    database: Database, settings: Settings, conn: Connection, users: list[int], pack: str
) -> None:
    governance.approve_model(conn, IN_B, AS_OF)
    dry = engine.dry_run(database, settings, as_of=AS_OF, policy=pack)
    assert dry.risk_model == IN_B.model_hash
    assert {(m.user_id, m.after_minor) for m in dry.raises} == {(user, 580_000) for user in users}
    policy = policy_for(pack, AS_OF)
    supposed = suppose(database, settings, 1, ["inflow=+1%"], as_of=AS_OF, policy=pack)
    assert supposed.before.limit_after.tolist() == [580_000]
    done = review(database, settings, pack)
    governance.approve_model(conn, IN_A, AS_OF + DAY)
    found = simulating.simulate(database, settings, policy, as_of=AS_OF + DAY, last=1, champion=pack)
    assert [(one.review_id, one.model and one.model.name) for one in found.dates] == [
        (None, "a"),
        (done.review_id, "b"),
    ]
    assert [one.new.exposure_after_minor for one in found.dates][1] == 3 * 580_000
    assert not found.dates[1].differing
    row = conn.execute("SELECT max(entry_id) FROM limits.adjustment_log").fetchone()
    assert row is not None
    told = explain(conn, log.entry(conn, row[0]))
    assert told.same and told.found.limit_after == 580_000 and Reason.RISK_MAXIMUM in told.found.reasons


def test_challengers_are_scored_by_the_same_model(
    database: Database, settings: Settings, conn: Connection, users: list[int], pack: str, tmp_path: Path
) -> None:
    governance.approve_model(conn, IN_B, AS_OF)
    policy = policy_for(pack, AS_OF)
    for edit in (('most = "5800 CNY"', 'most = "5700 CNY"'), ("horizon_months = 6", "horizon_months = 3")):
        text = policy.body.replace('pack = "banded"', f'pack = "c{len(edit[0])}"').replace(*edit)
        governance.approve(conn, _parsed(text), role="challenger")
    review(database, settings, pack)
    rows = conn.execute("SELECT policy_hash, limit_after_minor, binding FROM limits.challenger_log").fetchall()
    assert len(rows) == 6 and not replays.count(conn, "limits.challenger_failures")
    assert {after for _, after, _ in rows} == {570_000, 580_000}
    assert {Reason(binding) for *_, binding in rows} == {Reason.RISK_MAXIMUM}


def _parsed(text: str) -> Policy:
    from limits.policy import parse_policy

    return parse_policy(text, file="a test")


# Replay --------------------------------------------------------------------------------------------


@pytest.fixture
def scored_log(database: Database, settings: Settings, conn: Connection, users: list[int], pack: str) -> int:
    governance.approve_model(conn, IN_B, AS_OF)
    review_id = review(database, settings, pack).review_id
    assert engine.replay_log(conn).ok
    return review_id


def test_replay_scores_by_the_model_that_the_record_names(conn: Connection, scored_log: int) -> None:
    withdraw(conn)  # what was decided stays to be checked
    found = engine.replay_log(conn)
    assert found.ok and found.equal == len(USERS)


def test_replay_fails_where_the_model_is_gone_or_altered(conn: Connection, scored_log: int) -> None:
    conn.execute("ALTER TABLE limits.risk_models DROP CONSTRAINT risk_models_check")
    replays.tamper(conn, "UPDATE limits.risk_models SET body = replace(body, '60', '61')")
    found = engine.replay_log(conn)
    assert not found.ok and found.failed == len(USERS)
    assert "has another text than that hash" in found.failures[0].error
    replays.tamper(conn, "DELETE FROM limits.risk_models")
    found = engine.replay_log(conn)
    assert not found.ok and found.failed == len(USERS)
    assert "is not in the database" in found.failures[0].error


def test_replay_names_a_review_that_says_another_model_than_its_records(conn: Connection, scored_log: int) -> None:
    governance.approve_model(conn, IN_C, AS_OF + DAY)
    replays.tamper(conn, "UPDATE limits.reviews SET risk_model = %s", IN_C.model_hash)
    found = engine.replay_log(conn)
    assert found.differing == len(USERS) and not found.failed
    (one, *_) = found.shown[0].differences
    assert (one.field, one.logged, one.replayed) == ("risk", IN_B.model_hash.hex(), IN_C.model_hash.hex())
    assert {name for name, _ in found.fields} == {"risk"}, "decided by the model of the record, which is signed"
    replays.tamper(conn, "UPDATE limits.reviews SET risk_model = NULL")
    assert engine.replay_log(conn).shown[0].differences[0].replayed == "none"


def test_replay_finds_a_decision_that_another_model_would_have_made(conn: Connection, scored_log: int) -> None:
    governance.approve_model(conn, IN_C, AS_OF + DAY)
    said, other = IN_B.model_hash.hex(), IN_C.model_hash.hex()
    with conn.transaction(force_rollback=True):
        conn.execute("ALTER TABLE limits.batches DROP CONSTRAINT batches_check")
        replays.tamper(conn, "UPDATE limits.reviews SET risk_model = %s", IN_C.model_hash)
        replays.tamper(conn, f"UPDATE limits.batches SET record = replace(record, '{said}', '{other}')")
        found = engine.replay_log(conn)
    assert found.differing == len(USERS) and not found.failed
    assert {"limit_after_minor", "binding"} <= {name for name, _ in found.fields}


def test_nobody_is_scored_in_silence(
    database: Database, settings: Settings, conn: Connection, users: list[int], pack: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A user whom the scorecard cannot get through gets no decision, and the review says why; the others get theirs."""
    governance.approve_model(conn, IN_B, AS_OF)
    score = Scorecard.score

    def stumbles(self: Scorecard, portfolio: Any, capacity: Any) -> Any:
        if (portfolio.user_id == 2).any():
            raise ArithmeticError("no number")
        return score(self, portfolio, capacity)

    monkeypatch.setattr(Scorecard, "score", stumbles)
    row = review(database, settings, pack)
    assert (row.users_quarantined, set(logged(conn, row.review_id))) == (1, {1, 3})
    aside = conn.execute("SELECT user_id, reason, detail FROM limits.review_exceptions").fetchone()
    assert aside == (2, "engine_error", "ArithmeticError: no number")


def test_the_version_of_the_code_covers_what_scores() -> None:
    """Whatever the scorecard is made of is part of the version: another text of it is other code."""
    from limits.engine.deciding import CORE

    assert {"risk/features", "risk/result", "risk/scorecard", "risk/fitting", "ceilings/risk"} <= set(CORE)


def test_a_model_that_was_not_stored_scores_nobody(conn: Connection, pack: str) -> None:
    assert model_on(conn, policy_for(pack, AS_OF), AS_OF) is None
    governance.approve_model(conn, IN_B, AS_OF)
    conn.execute("ALTER TABLE limits.risk_models DROP CONSTRAINT risk_models_check")
    replays.tamper(conn, "UPDATE limits.risk_models SET body = body || ' '")
    with pytest.raises(RiskModelError):
        model_on(conn, policy_for(pack, AS_OF), AS_OF)
