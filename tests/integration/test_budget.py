"""A budget for all raises of a review together: kept to the minor unit, the rest held by its reason."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limits import engine
from limits.budget import allot
from limits.reasons import Reason
from limits.settings import Settings
from limits.store import gates, reviews
from limits.store.db import Connection, Database
from limits.store.reviews import ReviewRow
from tests import builders, invariants
from tests.packs import write_pack

AS_OF = builders.AS_OF
USERS = 6
BEFORE = sum(500_000 * user for user in range(1, USERS + 1))


@pytest.fixture(autouse=True)
def users(conn: Connection) -> None:
    for user_id in range(1, USERS + 1):
        builders.add_steady_user(conn, user_id, credit_limit=500_000 * user_id)


def ask(database: Database, settings: Settings, conn: Connection, folder: Path, budget: str) -> ReviewRow:
    pack = write_pack(conn, folder, breakers__population_bps=f"10000\n\n[budget]\n{budget}" if budget else "10000")
    return engine.request_review(database, settings, as_of=AS_OF, actor="Ann", policy=pack)


def decided(conn: Connection) -> dict[int, tuple[int, int, int]]:
    """Of each user the raise, the binding ceiling and whether the budget is among the reasons."""
    rows = conn.execute(
        """SELECT user_id, limit_after_minor - limit_before_minor, binding, (reason_bits >> %s & 1)::int
             FROM limits.adjustment_log ORDER BY user_id""",
        (int(Reason.PORTFOLIO_BUDGET),),
    ).fetchall()
    return {user: (delta, binding, bit) for user, delta, binding, bit in rows}


def run(
    database: Database, settings: Settings, conn: Connection, folder: Path, budget: str
) -> tuple[ReviewRow, dict[int, Any]]:
    row = ask(database, settings, conn, folder, budget)
    done = engine.work(database, settings, row.review_id, worker="test").finished
    assert done is not None, reviews.get(conn, row.review_id)
    invariants.check(conn)
    return done, decided(conn)


def test_without_a_budget_everybody_is_raised_by_their_own(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    done, found = run(database, settings, conn, tmp_path, "")
    assert all(delta > 0 and not bit for delta, _, bit in found.values())
    assert gates.budget(conn, done.review_id) is None


@pytest.mark.parametrize("bps", [0, 1, 300, 700, 100_000])
def test_raises_together_stay_within_the_budget(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path, bps: int
) -> None:
    done, found = run(database, settings, conn, tmp_path, f"exposure_bps = {bps}")
    total = sum(delta for delta, _, _ in found.values())
    kept = gates.budget(conn, done.review_id)
    assert kept is not None
    assert (kept.exposure_minor, kept.users) == (BEFORE * bps // 10_000, USERS)
    assert total <= kept.granted_minor <= min(kept.exposure_minor, kept.wished_minor)
    cut = [user for user, (_, binding, _) in found.items() if binding == Reason.PORTFOLIO_BUDGET]
    assert len(cut) == kept.users_cut
    assert all(bit for _, binding, bit in found.values() if binding == Reason.PORTFOLIO_BUDGET)
    assert sum(found[user][0] > 0 for user in cut) <= 1, "one user stands at the margin"
    # Decided again they come to what the breakers saw at the gate; to less where the rest is too small for a raise.
    shifted = [row[0] for row in conn.execute("SELECT shifted FROM limits.review_shifts").fetchall()]
    assert len(shifted) == bool(cut)
    for one in shifted:
        assert (one["users"], one["before"], one["wished"]) == (0, 0, total - kept.granted_minor)
        assert one["raised"] in (0, -1)
    if bps == 300:
        assert 0 < len(cut) < USERS, "the test says something"
    if bps == 100_000:
        assert (total, cut) == (kept.wished_minor, [])


def test_whom_the_budget_cuts_trips_no_breaker_while_they_are_decided_again(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    bounds = {"breakers__exposure_up_bps": "300", "breakers__population_bps": "10000\n\n[budget]\nexposure_bps = 300"}
    pack = write_pack(conn, tmp_path, **bounds)
    single = settings.model_copy(update={"chunk_users": 1, "shard_users": 1_000})
    for user_id in range(USERS + 1, 3 * USERS + 1):
        builders.add_steady_user(conn, user_id, credit_limit=500_000)
    row = engine.request_review(database, single, as_of=AS_OF, actor="Ann", policy=pack)
    done = engine.work(database, single, row.review_id, worker="test").finished
    assert done is not None, reviews.get(conn, row.review_id).error
    assert 0 < done.users_raised < 2 * USERS, "the test says something"


def test_the_price_is_found_again_from_what_was_kept(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    done, _ = run(database, settings, conn, tmp_path, 'exposure_bps = 300\nexpected_loss = "500 CNY"')
    kept = gates.budget(conn, done.review_id)
    assert kept is not None
    assert kept.loss_minor == 50_000
    by_shard = gates.raises(conn, done.review_id)
    raises = type(by_shard[0][1])(
        *(np.concatenate([getattr(one, name) for _, one in by_shard]) for name in ("user_id", "delta", "value", "loss"))
    )
    again = allot(raises, exposure=kept.exposure_minor, loss=kept.loss_minor, grid=10_000)
    assert (again.price, again.mix, int(again.granted.sum())) == (kept.price, kept.mix, kept.granted_minor)


def test_whoever_was_not_to_be_raised_is_decided_as_without_a_budget(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    builders.add_user(conn, USERS + 1)
    _, found = run(database, settings, conn, tmp_path, "exposure_bps = 300")
    assert found[USERS + 1][0] == found[USERS + 1][2] == 0


def test_the_breakers_look_at_what_the_budget_leaves(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    pack = write_pack(
        conn, tmp_path, breakers__raised_bps="5000", breakers__population_bps="10000\n\n[budget]\nexposure_bps = 0"
    )
    row = engine.request_review(database, settings, as_of=AS_OF, actor="Ann", policy=pack)
    assert engine.work(database, settings, row.review_id, worker="test").finished is not None
    (passed, *_) = gates.events(conn, row.review_id)
    assert (passed.figures["raised"], passed.figures["exposure_after"]) == (0, BEFORE)
    assert conn.execute("SELECT count(*) FROM limits.credit_lines WHERE version <> 0").fetchone() == (0,)


@pytest.mark.parametrize("budget", ["", "exposure_bps = 100", 'exposure_bps = 100\nexpected_loss = "50 CNY"'])
def test_a_dry_run_foresees_what_the_gate_finds(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path, budget: str
) -> None:
    """To the last figure, the review before and the budget included; the chunks are other ones than the shards."""
    pack = write_pack(
        conn, tmp_path, breakers__raised_bps="1000",
        breakers__population_bps="1000" + (f"\n\n[budget]\n{budget}" if budget else ""),
    )  # fmt: skip
    builders.add_user(conn, USERS + 3)  # of whom nothing is known: not raised, so a share trips and not all
    earlier = engine.request_review(
        database, settings, as_of=AS_OF - dt.timedelta(days=180), actor="Ann", policy=settings.policy
    )
    assert engine.work(database, settings, earlier.review_id, worker="test").finished is not None
    builders.add_steady_user(conn, USERS + 1, credit_limit=700_000)
    builders.add_steady_user(conn, USERS + 2, credit_limit=700_000)
    foreseen = engine.dry_run(database, settings, as_of=AS_OF, policy=pack).foreseen
    assert foreseen is not None
    row = engine.request_review(database, settings, as_of=AS_OF, actor="Ann", policy=pack)
    engine.work(database, settings, row.review_id, worker="test")
    (held,) = gates.events(conn, row.review_id)
    assert (held.what, held.reason, held.figures) == ("held", foreseen.reason, dataclasses.asdict(foreseen.counts))
    assert foreseen.counts.users_previous == USERS + 1
    assert "population" in foreseen.trips
    assert gates.budget(conn, row.review_id) == foreseen.budget
    assert (foreseen.budget is not None and foreseen.budget.users_cut > 0) == bool(budget)


def test_whose_limit_moves_meanwhile_is_decided_again_within_the_budget(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recompute between deciding and applying raises somebody whom the budget had left out."""
    row = ask(database, settings, conn, tmp_path, "exposure_bps = 0")
    with monkeypatch.context() as patched:
        patched.setattr("limits.engine.running.gate.advance", lambda *_: False)
        engine.work(database, settings, row.review_id, worker="test")
    pack = str(tmp_path / "policy.toml")
    engine.recompute(database, settings, 1, reason="x", actor="x", as_of=AS_OF, apply=True, policy=pack)
    assert engine.work(database, settings, row.review_id, worker="test").finished is not None
    raised = conn.execute(
        "SELECT count(*) FROM limits.adjustment_log WHERE review_id = %s AND action > 0", (row.review_id,)
    ).fetchone()
    assert raised == (0,)
    invariants.check(conn)
