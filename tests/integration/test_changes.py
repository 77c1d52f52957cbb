"""Changes that wait: offered, announced, accepted, declined, due; each ended once, whoever races and whatever dies."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limits import engine
from limits.errors import ChangeEnded, KeyReused, NotFound, ReviewRefused
from limits.settings import Settings
from limits.store import failpoints, pending, reviews
from limits.store.db import Connection, Database
from limits.store.log import newest
from limits.store.pending import Change
from tasks.app import Context, make_app
from tasks.clock import Clock
from tests import builders, invariants
from tests.packs import write_pack

AS_OF = builders.AS_OF
DAY = dt.timedelta(days=1)
BEFORE = 500_000
#: What the steady user is raised to: a fifth more, or the least step.
RAISED = 600_000
LOWERED = 350_000


@pytest.fixture(autouse=True)
def users(conn: Connection) -> Iterator[None]:
    """User 1 is raised by any review, user 2 is cut: six lenders."""
    for user_id in (1, 2):
        builders.add_steady_user(conn, user_id, credit_limit=BEFORE, observed_from=dt.date(2024, 7, 1))
    lenders(conn, 2, 6)
    builders.refresh(conn)
    yield
    invariants.check(conn)


def lenders(conn: Connection, user_id: int, count: int, checked_on: dt.date = AS_OF - DAY) -> None:
    builders.add_credit_check(conn, user_id, checked_on, active_lenders=count)


@pytest.fixture
def offers(conn: Connection, tmp_path: Path) -> str:
    return write_pack(conn, tmp_path, "offers", consent__raises='"offer"', consent__cuts='"notice"')


@pytest.fixture
def notices(conn: Connection, tmp_path: Path) -> str:
    return write_pack(conn, tmp_path, "notices", consent__raises='"notice"', consent__cuts='"notice"')


@pytest.fixture
def opened(database: Database, settings: Settings, conn: Connection) -> Callable[..., Change]:
    """The change that a review of one user opened."""

    def make(policy: str, user_id: int = 1, as_of: dt.date = AS_OF) -> Change:
        engine.recompute(
            database, settings, user_id, reason="review", actor="night", as_of=as_of, apply=True, policy=policy
        )
        (found,) = pending.changes(conn, user_id=user_id)
        return found

    return make


def limit(conn: Connection, user_id: int) -> int:
    return pending.line_of(conn, user_id).limit_minor


def told(conn: Connection, user_id: int) -> list[tuple[str, dt.date]]:
    rows = conn.execute("SELECT kind, due_on FROM limits.notices WHERE user_id = %s ORDER BY notice_id", (user_id,))
    return rows.fetchall()


def accept(database: Database, change: Change, key: str = "click", **given: object) -> engine.Carried:
    return engine.accept(database, change.change_id, **{"key": key, "actor": "phone", "as_of": AS_OF + DAY, **given})  # type: ignore[arg-type]


def due(database: Database, as_of: dt.date, **given: object) -> engine.DueRun:
    return engine.due_changes(database, as_of, **{"actor": "clock", **given})  # type: ignore[arg-type]


def at_once(jobs: list[Callable[[], object]]) -> list[object]:
    """What each job gave or raised, all of them started together."""
    gate = threading.Barrier(len(jobs))
    results: list[object] = []

    def run(job: Callable[[], object]) -> None:
        gate.wait()
        try:
            results.append(job())
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# A review ------------------------------------------------------------------------------------


def test_a_review_offers_and_announces_and_leaves_the_limits(
    database: Database, settings: Settings, conn: Connection, offers: str
) -> None:
    row = engine.request_review(database, settings, as_of=AS_OF, actor="night", policy=offers)
    done = engine.work(database, settings, row.review_id, worker="test").finished
    assert done is not None
    assert (done.users_held, done.users_raised, done.users_lowered) == (2, 0, 0)
    offer, cut = pending.changes(conn)
    assert (offer.user_id, offer.kind, offer.proposed_minor) == (1, "offer", RAISED)
    assert (cut.user_id, cut.kind, cut.proposed_minor) == (2, "announced", LOWERED)
    assert offer.effective_on == cut.effective_on == AS_OF + 30 * DAY
    assert (limit(conn, 1), limit(conn, 2)) == (BEFORE, BEFORE)
    assert told(conn, 1) == [("offered", AS_OF)]
    assert told(conn, 2) == [("announced", AS_OF)]
    assert pending.opened_by(conn, row.review_id) == {"offer": 1, "announced": 1}
    entry = newest(conn, 1)
    assert entry is not None
    assert (entry.outcome, entry.proposed_minor, entry.effective_on) == ("offered", RAISED, offer.effective_on)
    assert entry.as_dict()["disposition"] == "offered"


def test_while_a_change_waits_nothing_else_is_decided(
    database: Database, settings: Settings, conn: Connection, offers: str, opened: Callable[..., Change]
) -> None:
    opened(offers, 1)
    opened(offers, 2)
    for policy in (offers, "standard"):
        for user_id in (1, 2):
            made = engine.recompute(
                database, settings, user_id, reason="again", actor="night", as_of=AS_OF + DAY, apply=True, policy=policy
            )
            assert made.entry.outcome == "held"
    assert len(pending.changes(conn)) == 2


def test_a_dry_run_counts_what_would_wait(
    database: Database, settings: Settings, conn: Connection, offers: str
) -> None:
    run = engine.dry_run(database, settings, as_of=AS_OF, policy=offers)
    assert (run.users, run.raised, run.held, run.lowered, run.offered, run.announced) == (2, 0, 2, 0, 1, 1)
    assert run.exposure_before_minor == run.exposure_after_minor
    assert [(m.after_minor, m.disposition.name) for m in (*run.raises, *run.cuts)] == [
        (RAISED, "OFFERED"), (LOWERED, "ANNOUNCED"),
    ]  # fmt: skip
    assert pending.changes(conn) == []


def test_a_change_opened_meanwhile_makes_a_decision_stale(
    database: Database, settings: Settings, conn: Connection, offers: str
) -> None:
    """Several reviews of one user that began before any of them offered: one offer, and the others hold."""
    made = at_once([
        lambda n=n: engine.recompute(
            database, settings, 1, reason=f"review {n}", actor="night", as_of=AS_OF, apply=True, policy=offers
        )
        for n in range(6)
    ])  # fmt: skip
    assert sorted(one.entry.outcome for one in made if isinstance(one, engine.Recompute)) == ["held"] * 5 + ["offered"]
    assert len(pending.changes(conn)) == 1


# Offers --------------------------------------------------------------------------------------


def test_an_accepted_offer_is_the_limit(
    database: Database, conn: Connection, offers: str, opened: Callable[..., Change]
) -> None:
    offer = opened(offers)
    made = accept(database, offer)
    assert (limit(conn, 1), made.entry.limit_after_minor, made.change.state) == (RAISED, RAISED, "applied")
    assert made.change.applied_review_id == made.entry.review_id
    assert made.entry.review_reason == f"offer {offer.change_id} accepted"
    assert told(conn, 1) == [("offered", AS_OF), ("raised", AS_OF + DAY)]
    assert pending.changes(conn) == []
    again = accept(database, offer)
    assert again.repeated
    assert again.entry == made.entry
    with pytest.raises(ChangeEnded, match="was applied"):
        accept(database, offer, key="another click")
    with pytest.raises(KeyReused):
        accept(database, opened(offers, 2), key="click")


def test_an_offer_is_kept_as_far_as_it_still_may_be(
    database: Database, conn: Connection, offers: str, opened: Callable[..., Change], tmp_path: Path
) -> None:
    offer = opened(offers)
    smaller = write_pack(conn, tmp_path, "smaller", raise__step_bps="1000", raise__step_least='"100 CNY"')
    made = accept(database, offer, policy=smaller)
    assert (limit(conn, 1), made.change.state) == (550_000, "applied")
    assert told(conn, 1)[1] == ("refused", AS_OF + 31 * DAY)


def test_an_offer_of_which_nothing_is_left_is_suppressed(
    database: Database, conn: Connection, offers: str, opened: Callable[..., Change]
) -> None:
    offer = opened(offers)
    lenders(conn, 1, 4, AS_OF)
    made = accept(database, offer)
    assert (limit(conn, 1), made.change.state) == (BEFORE, "suppressed")
    assert "MANY_LENDERS" in [reason.name for reason in made.entry.reasons]
    assert told(conn, 1)[1][0] == "refused"


def test_an_offer_runs_out(database: Database, conn: Connection, offers: str, opened: Callable[..., Change]) -> None:
    offer = opened(offers)
    assert due(database, offer.effective_on) == engine.DueRun(offer.effective_on)
    with pytest.raises(ChangeEnded, match=f"until {offer.effective_on}"):
        accept(database, offer, as_of=offer.effective_on + DAY)
    assert due(database, offer.effective_on + DAY).expired == 1
    assert due(database, offer.effective_on + DAY).expired == 0
    assert pending.change(conn, offer.change_id).state == "expired"
    assert limit(conn, 1) == BEFORE
    with pytest.raises(ChangeEnded, match="was expired"):
        engine.decline(database, offer.change_id, actor="phone", reason="no")


def test_an_offer_is_accepted_on_its_last_day(
    database: Database, conn: Connection, offers: str, opened: Callable[..., Change]
) -> None:
    offer = opened(offers)
    assert accept(database, offer, as_of=offer.effective_on).change.state == "applied"


def test_a_declined_offer_is_over(
    database: Database, conn: Connection, offers: str, opened: Callable[..., Change]
) -> None:
    offer = opened(offers)
    declined, done = engine.decline(database, offer.change_id, actor="phone", reason="too much")
    assert (declined.state, declined.ended_by, declined.ended_reason, done) == ("declined", "phone", "too much", True)
    assert engine.decline(database, offer.change_id, actor="phone", reason="too much")[1] is False
    with pytest.raises(ChangeEnded, match="was declined"):
        accept(database, offer)
    with pytest.raises(NotFound, match="no change 99"):
        engine.decline(database, 99, actor="phone", reason="no")
    assert limit(conn, 1) == BEFORE


# Announced changes ---------------------------------------------------------------------------


def test_an_announced_raise_takes_effect_on_its_day(
    database: Database, conn: Connection, notices: str, opened: Callable[..., Change]
) -> None:
    announced = opened(notices)
    with pytest.raises(ReviewRefused, match="nothing to accept"):
        accept(database, announced)
    assert due(database, announced.effective_on - DAY).applied == 0
    assert due(database, announced.effective_on).applied == 1
    assert due(database, announced.effective_on).applied == 0
    assert limit(conn, 1) == RAISED
    assert told(conn, 1) == [("announced", AS_OF), ("raised", announced.effective_on)]


def test_who_objects_to_an_announced_raise_is_not_raised_and_nobody_declines_a_cut(
    database: Database, conn: Connection, notices: str, opened: Callable[..., Change]
) -> None:
    announced, cut = opened(notices, 1), opened(notices, 2)
    engine.decline(database, announced.change_id, actor="phone", reason="no")
    with pytest.raises(ReviewRefused, match="is a cut, which the user cannot decline"):
        engine.decline(database, cut.change_id, actor="phone", reason="no")
    assert due(database, cut.effective_on).applied == 1
    assert (limit(conn, 1), limit(conn, 2)) == (BEFORE, LOWERED)


def test_an_announced_cut_goes_no_deeper_than_announced(
    database: Database, conn: Connection, tmp_path: Path, opened: Callable[..., Change]
) -> None:
    gentle = write_pack(conn, tmp_path, "gentle", consent__cuts='"notice"', cut__step_bps="1000")
    cut = opened(gentle, 2)
    assert cut.proposed_minor == 450_000
    run = due(database, cut.effective_on, policy="standard")  # which alone would cut to LOWERED
    assert run.applied == 1
    assert limit(conn, 2) == 450_000
    assert told(conn, 2) == [("announced", AS_OF), ("lowered", cut.effective_on + 30 * DAY)]
    row = conn.execute("SELECT limit_before_cut_minor, last_cut_on FROM limits.credit_lines WHERE user_id = 2")
    assert row.fetchone() == (BEFORE, cut.effective_on)


def test_a_cut_that_is_not_called_for_any_longer_is_suppressed(
    database: Database, conn: Connection, notices: str, opened: Callable[..., Change]
) -> None:
    cut = opened(notices, 2)
    lenders(conn, 2, 4, AS_OF)  # no raise, and no cut
    run = due(database, cut.effective_on)
    assert (run.applied, run.suppressed) == (0, 1)
    assert limit(conn, 2) == BEFORE
    assert pending.change(conn, cut.change_id).state == "suppressed"
    assert told(conn, 2) == [("announced", AS_OF), ("withdrawn", cut.effective_on)]
    assert due(database, cut.effective_on + DAY) == engine.DueRun(cut.effective_on + DAY)


def test_an_announced_raise_that_may_not_be_made_any_longer_is_told_to_be_off_on_the_day(
    database: Database, conn: Connection, notices: str, opened: Callable[..., Change]
) -> None:
    announced = opened(notices)
    lenders(conn, 1, 4, AS_OF)
    assert due(database, announced.effective_on).suppressed == 1
    assert limit(conn, 1) == BEFORE
    assert told(conn, 1) == [("announced", AS_OF), ("withdrawn", announced.effective_on)]


def test_what_takes_the_place_of_an_announced_change_is_told_and_nothing_else(
    database: Database, conn: Connection, notices: str, opened: Callable[..., Change], tmp_path: Path
) -> None:
    announced, cut = opened(notices, 1), opened(notices, 2)
    lenders(conn, 2, 1, AS_OF)
    low = write_pack(conn, tmp_path, "low", maximum__product='"4000 CNY"')
    more = write_pack(conn, tmp_path, "more", consent__raises='"at_once"')
    looks = iter([False, True])
    assert due(database, cut.effective_on, policy=low, stop=lambda: next(looks)).suppressed == 1
    assert due(database, cut.effective_on, policy=more, after=announced.change_id).suppressed == 1
    assert (limit(conn, 1), limit(conn, 2)) == (400_000, RAISED)
    assert told(conn, 1) == [("announced", AS_OF), ("lowered", announced.effective_on)]
    assert told(conn, 2) == [("announced", AS_OF), ("raised", cut.effective_on)]


def test_who_took_the_consent_back_from_a_later_day_on_needs_no_notice(
    database: Database, conn: Connection, notices: str, opened: Callable[..., Change]
) -> None:
    announced = opened(notices)
    conn.execute("ALTER TABLE limits.consents DISABLE TRIGGER end_raises")  # as for a day that had not come
    conn.execute(
        """INSERT INTO limits.consents (user_id, source, source_id, effective_on, subject, state, digest)
           VALUES (1, 'app', 'a', %s, 'raises', 'withdrawn', sha256('x'))""",
        (announced.effective_on,),
    )
    conn.execute("ALTER TABLE limits.consents ENABLE TRIGGER end_raises")
    assert due(database, announced.effective_on).suppressed == 1
    assert told(conn, 1) == [("announced", AS_OF)]


def test_the_account_was_closed_meanwhile(
    database: Database, conn: Connection, notices: str, opened: Callable[..., Change]
) -> None:
    cut = opened(notices, 2)
    builders.add_profile(conn, 2, AS_OF + DAY, status="closed")
    assert due(database, cut.effective_on).suppressed == 1
    assert pending.change(conn, cut.change_id).ended_reason == "account closed"
    assert told(conn, 2) == [("announced", AS_OF)]


def test_what_a_review_has_on_its_list_does_not_wait(
    database: Database, settings: Settings, conn: Connection, notices: str, opened: Callable[..., Change]
) -> None:
    cut = opened(notices, 2)
    row = engine.request_review(database, settings, as_of=cut.effective_on, actor="night", policy=notices)
    reviews.plan(conn, row.review_id, shard_users=10)
    assert due(database, cut.effective_on).applied == 1
    assert engine.work(database, settings, row.review_id, worker="test").finished is not None


# Consent -------------------------------------------------------------------------------------


def consent(database: Database, user_id: int, state: str, **given: object) -> tuple[bool, int]:
    values = {"actor": "phone", "reason": "called", "as_of": AS_OF + DAY, **given}
    return engine.set_consent(database, user_id, "raises", state, **values)  # type: ignore[arg-type]


def test_taking_consent_back_ends_a_raise_that_waits_and_no_cut(
    database: Database, conn: Connection, offers: str, opened: Callable[..., Change]
) -> None:
    offer, cut = opened(offers, 1), opened(offers, 2)
    assert consent(database, 1, "withdrawn") == (True, 1)
    assert consent(database, 1, "withdrawn") == (False, 0)
    assert consent(database, 2, "withdrawn") == (True, 0)
    assert [pending.change(conn, c.change_id).state for c in (offer, cut)] == ["suppressed", "open"]
    with pytest.raises(ChangeEnded, match="consent to raises withdrawn"):
        accept(database, offer)
    assert consent(database, 1, "given") == (True, 0)
    row = conn.execute("SELECT source, actor, reason FROM limits.consents ORDER BY ingested_at LIMIT 1").fetchone()
    assert row == ("operations", "phone", "called")
    with pytest.raises(NotFound, match="no user 99"):
        consent(database, 99, "given")


def test_consent_taken_back_in_a_file_ends_a_raise_too(
    database: Database, conn: Connection, offers: str, opened: Callable[..., Change]
) -> None:
    offer = opened(offers)
    statement = """INSERT INTO limits.consents (user_id, source, source_id, effective_on, subject, state, digest)
                   VALUES (1, 'app', %s, %s, 'raises', %s, sha256('x'))"""
    with database.connect("operations", "import") as importing:
        importing.execute(statement, ("b", AS_OF, "given"))
        importing.execute(statement, ("a", AS_OF - DAY, "withdrawn"))  # older, and late
        assert pending.change(conn, offer.change_id).state == "open"
        importing.execute(statement, ("c", AS_OF + DAY, "withdrawn"))
    ended = pending.change(conn, offer.change_id)
    assert (ended.state, ended.ended_by) == ("suppressed", "app")


# Races and deaths ----------------------------------------------------------------------------


def test_many_clicks_accept_once(
    database: Database, conn: Connection, offers: str, opened: Callable[..., Change]
) -> None:
    offer = opened(offers)
    same = at_once([lambda: accept(database, offer) for _ in range(5)])
    assert sorted(one.repeated for one in same if isinstance(one, engine.Carried)) == [False] + [True] * 4
    row = conn.execute("SELECT count(*) FROM limits.adjustment_log WHERE action <> 0").fetchone()
    assert row == (1,)


def test_of_accepting_and_declining_at_once_one_wins(
    database: Database, conn: Connection, offers: str, opened: Callable[..., Change]
) -> None:
    offer = opened(offers)
    at_once(
        [lambda n=n: accept(database, offer, key=f"key {n}") for n in range(3)]
        + [lambda: engine.decline(database, offer.change_id, actor="phone", reason="no") for _ in range(3)]
    )
    state = pending.change(conn, offer.change_id).state
    assert (state, limit(conn, 1)) in [("applied", RAISED), ("declined", BEFORE)]
    entries = conn.execute("SELECT count(*) FROM limits.adjustment_log").fetchone()
    assert entries == (2 if state == "applied" else 1,)


def test_schedulers_that_race_carry_out_once(
    database: Database, conn: Connection, notices: str, opened: Callable[..., Change]
) -> None:
    day = max(opened(notices, 1).effective_on, opened(notices, 2).effective_on)
    runs = at_once([lambda: due(database, day, role="worker") for _ in range(5)])
    assert all(isinstance(run, engine.DueRun) for run in runs), runs
    assert sum(run.applied for run in runs if isinstance(run, engine.DueRun)) == 2
    assert [run.waiting for run in runs if isinstance(run, engine.DueRun)] == [{}] * 5
    assert (limit(conn, 1), limit(conn, 2)) == (RAISED, LOWERED)
    assert conn.execute("SELECT count(*) FROM limits.outbox").fetchone() == (2,)


def test_killed_in_the_middle_it_stays_open_and_is_done_later(
    database: Database, settings: Settings, conn: Connection, notices: str, opened: Callable[..., Change]
) -> None:
    cut = opened(notices, 2)
    environment = {
        **os.environ, failpoints.VARIABLE: "order.applied=sleep:60", "LIMITS_DATABASE_URL": database.url,
        "LIMITS_HOME": str(settings.home),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "limits", "change", "run", "--as-of", cut.effective_on.isoformat()],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    waiting = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                    AND application_name = 'limits recompute' AND state = 'idle in transaction'"""
    until = time.monotonic() + 120
    while conn.execute(waiting).fetchone() != (1,):
        assert process.poll() is None and time.monotonic() < until, process.communicate()
        time.sleep(0.1)
    process.kill()
    process.communicate()
    while conn.execute(waiting).fetchone() != (0,):
        time.sleep(0.1)
    assert pending.change(conn, cut.change_id).state == "open"
    assert limit(conn, 2) == BEFORE
    invariants.check(conn)
    assert due(database, cut.effective_on).applied == 1
    assert limit(conn, 2) == LOWERED


def test_the_scheduler_carries_out_what_falls_due(
    database: Database, settings: Settings, conn: Connection, notices: str, opened: Callable[..., Change]
) -> None:
    opened(notices, 2)  # in June, and it is later than July
    clock = Clock(Context(database, settings, "test"), make_app(settings, database))
    clock.tick()
    clock.close()
    assert limit(conn, 2) == LOWERED
    entry = newest(conn, 2)
    assert entry is not None
    assert (entry.actor, entry.review_reason) == ("scheduler", "announced change 1 falls due")


def test_time_runs_out_and_the_next_call_goes_on(
    database: Database, conn: Connection, notices: str, opened: Callable[..., Change]
) -> None:
    first, second = opened(notices, 1), opened(notices, 2)
    looks = iter([False, True])
    run = due(database, first.effective_on, stop=lambda: next(looks))
    assert (run.applied, run.after) == (1, first.change_id)
    assert due(database, first.effective_on, after=run.after).applied == 1
    assert pending.change(conn, second.change_id).state == "applied"
