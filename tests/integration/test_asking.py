"""What people and the clock ask for: reviews, a dry run, one user recomputed."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from limits import engine
from limits.decision import review as decide_portfolio
from limits.engine import asking, deciding
from limits.errors import KeyReused, NotFound, PolicyError, ReviewRefused
from limits.settings import Settings
from limits.store import reviews, schedules, snapshots, workers
from limits.store.db import Connection, Database
from tests import builders, invariants
from tests.portfolios import facts

AS_OF = builders.AS_OF
UTC = dt.UTC


@pytest.fixture(autouse=True)
def _invariants(conn: Connection) -> Iterator[None]:
    yield
    invariants.check(conn)


@pytest.fixture
def users(conn: Connection) -> list[int]:
    """Seven users, in three chunks; the last one is known by name only and cannot be decided on much."""
    for user_id in range(1, 7):
        builders.add_steady_user(conn, user_id, credit_limit=200_000 * user_id)
    builders.add_user(conn, 7)
    return list(range(1, 8))


def ask(database: Database, settings: Settings, as_of: dt.date = AS_OF, **given: str) -> reviews.ReviewRow:
    return engine.request_review(database, settings, as_of=as_of, **{"actor": "anna", **given})


def run(database: Database, settings: Settings, as_of: dt.date = AS_OF) -> reviews.ReviewRow:
    row = ask(database, settings, as_of)
    worked = engine.work(database, settings, row.review_id, worker="test")
    assert worked.finished is not None
    return worked.finished


def counts(conn: Connection) -> dict[str, int]:
    tables = ("reviews", "shards", "adjustment_log", "outbox", "policies", "review_exceptions")
    return {t: conn.execute(f"SELECT count(*) FROM limits.{t}".encode()).fetchone()[0] for t in tables}  # type: ignore[index]


# Reviews ------------------------------------------------------------------------------------


def test_a_review_decides_everybody_once(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    done = run(database, settings)
    assert done.state == "done"
    assert done.users_total == len(users)
    assert conn.execute("SELECT count(DISTINCT user_id) FROM limits.adjustment_log").fetchone() == (len(users),)
    assert done.exposure_before_minor == 200_000 * 21 + 2_000_000


def test_the_same_date_again_changes_nothing(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    first = run(database, settings)
    before = counts(conn)
    again = ask(database, settings)
    assert (again.review_id, again.created, again.state) == (first.review_id, False, "done")
    assert engine.work(database, settings, again.review_id, worker="test").state == "over"
    assert counts(conn) == before


def test_no_review_of_the_future_nor_behind_a_later_one(
    database: Database, settings: Settings, users: list[int]
) -> None:
    with pytest.raises(ReviewRefused, match="lies in the future"):
        ask(database, settings, asking.today() + dt.timedelta(days=1))
    run(database, settings)
    with pytest.raises(ReviewRefused, match=f"{AS_OF} or a later date"):
        ask(database, settings, AS_OF - dt.timedelta(days=1))


def test_another_schedule_does_not_go_back_behind_a_later_decision(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    run(database, settings)
    row = ask(database, settings, AS_OF - dt.timedelta(days=30), schedule="other")
    done = engine.work(database, settings, row.review_id, worker="test").finished
    assert done is not None
    assert done.users_skipped == len(users)
    assert {e["reason"] for e in reviews.exceptions(conn, row.review_id)} == {"decided_later"}


def test_a_review_that_decides_nobody_is_warned_of_by_whoever_works_on_it(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    """The scheduler's reviews have nobody at a keyboard who could be told."""
    with structlog.testing.capture_logs() as first:
        run(database, settings)
    row = ask(database, settings, AS_OF - dt.timedelta(days=30), schedule="other")
    with structlog.testing.capture_logs() as second:
        engine.work(database, settings, row.review_id, worker="test")
    assert [one for one in first if one["log_level"] == "warning"] == []
    (warning,) = [one for one in second if one["log_level"] == "warning"]
    assert warning["event"] == "review decided nobody; see limits review show"
    assert (warning["review_id"], warning["schedule"], warning["skipped"]) == (row.review_id, "other", len(users))


def test_a_schedule_run_by_hand_decides_by_its_own_policy(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    schedules.add_schedule(
        conn, "nightly", pack="uk", run_at=dt.time(2), time_zone="UTC", starts_on=dt.date(2026, 1, 1)
    )
    wanted = {"nightly": "uk", "nobody's": settings.policy}
    for schedule, pack in wanted.items():
        row = ask(database, settings, schedule=schedule)
        assert row.policy_hash == engine.policy_for(pack, AS_OF).policy_hash, schedule


def test_a_policy_that_is_not_there_is_named(database: Database, settings: Settings, conn: Connection) -> None:
    with pytest.raises(PolicyError, match="nowhere"):
        ask(database, settings, policy="nowhere")
    assert counts(conn)["reviews"] == 0


def test_a_failed_review_is_tried_again(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    row = ask(database, settings)
    reviews.fail(conn, row.review_id, "for a reason")
    again = ask(database, settings)
    assert (again.review_id, again.state, again.error) == (row.review_id, "owed", None)
    assert engine.work(database, settings, row.review_id, worker="test").finished is not None


def test_many_who_ask_at_once_get_one_review(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    rows: list[reviews.ReviewRow] = []
    threads = [threading.Thread(target=lambda: rows.append(ask(database, settings))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({row.review_id for row in rows}) == 1
    assert sum(row.created for row in rows) == 1


def test_watching_ends_with_the_review(database: Database, settings: Settings, users: list[int]) -> None:
    row = ask(database, settings)
    worker = threading.Thread(target=engine.work, args=(database, settings, row.review_id), kwargs={"worker": "test"})
    worker.start()
    looks = list(engine.watch(database, row.review_id, seconds=0.01))
    worker.join()
    assert looks[-1].state == "done"
    assert looks[-1].users_done == len(users)
    assert [look.users_done for look in looks] == sorted(look.users_done for look in looks)


def test_a_user_whom_the_engine_cannot_get_through_is_set_aside(
    database: Database, settings: Settings, conn: Connection, users: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(portfolio, policy, model):  # type: ignore[no-untyped-def]
        if 5 in portfolio.user_id.tolist():
            raise FloatingPointError("cannot get through\nthis one")
        return decide_portfolio(portfolio, policy, model)

    monkeypatch.setattr(deciding, "review", stumble)
    done = run(database, settings)
    assert done.users_quarantined == 1
    (aside,) = reviews.exceptions(conn, done.review_id)
    assert (aside["user_id"], aside["reason"]) == (5, "engine_error")
    assert aside["detail"] == "FloatingPointError: cannot get through this one"


def test_a_missing_right_is_nobodys_fault(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    row = ask(database, settings)
    conn.execute("REVOKE EXECUTE ON FUNCTION limits.apply_decisions FROM limits_worker")
    with pytest.raises(Exception, match="permission denied"):
        engine.work(database, settings, row.review_id, worker="test")
    assert counts(conn)["review_exceptions"] == 0
    error = conn.execute("SELECT max(error) FROM limits.shards WHERE state = 'pending'").fetchone()
    assert error is not None
    assert "permission denied" in error[0]
    conn.execute("GRANT EXECUTE ON FUNCTION limits.apply_decisions TO limits_worker")
    assert engine.work(database, settings, row.review_id, worker="test").finished is not None


# The clock ----------------------------------------------------------------------------------


def test_one_clock_leads_until_its_connection_ends(database: Database) -> None:
    with database.connect("worker", "limits test") as first, database.connect("worker", "limits test") as second:
        assert workers.lead(first)
        assert not workers.lead(second)
        first.close()
        assert any(workers.lead(second) for _ in range(50) if not threading.Event().wait(0.05))


# A dry run ----------------------------------------------------------------------------------


def test_a_dry_run_comes_to_what_the_review_comes_to_and_writes_nothing(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    before = counts(conn)
    seen: list[tuple[int, int]] = []
    tried = engine.dry_run(database, settings, as_of=AS_OF, progress=lambda done, total: seen.append((done, total)))
    assert counts(conn) == before
    assert seen[-1] == (len(users), len(users))
    done = run(database, settings)
    assert (tried.users, tried.raised, tried.held, tried.lowered, tried.quarantined, tried.skipped) == (
        done.users_total, done.users_raised, done.users_held, done.users_lowered, done.users_quarantined,
        done.users_skipped,
    )  # fmt: skip
    assert tried.exposure_after_minor == done.exposure_after_minor
    changed = {(m.user_id, m.before_minor, m.after_minor) for m in (*tried.raises, *tried.cuts)}
    logged = conn.execute(
        "SELECT user_id, limit_before_minor, limit_after_minor FROM limits.adjustment_log WHERE action <> 0"
    ).fetchall()
    assert changed == set(logged)


# One user -----------------------------------------------------------------------------------


def recompute(database: Database, settings: Settings, user_id: int = 1, **given: object) -> engine.Recompute:
    values: dict[str, object] = {"reason": "asked on the phone", "actor": "ops", "as_of": AS_OF}
    return engine.recompute(database, settings, user_id, **{**values, **given})  # type: ignore[arg-type]


def test_a_recompute_shows_first_and_changes_nothing(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    before = counts(conn)
    shown = recompute(database, settings)
    assert not shown.applied
    assert shown.entry.entry_id == 0
    assert counts(conn) == before
    applied = recompute(database, settings, apply=True)
    assert applied.applied
    assert not applied.repeated
    told = {"entry_id": 0, "review_id": 0, "decided_at": ""}
    assert applied.entry.as_dict() | told == shown.entry.as_dict() | told


def test_a_recompute_decides_what_the_review_decides(
    database: Database, settings: Settings, users: list[int], conn: Connection
) -> None:
    shown = {user_id: recompute(database, settings, user_id).entry for user_id in users}
    run(database, settings)
    logged = conn.execute("SELECT user_id, limit_after_minor, input_digest FROM limits.adjustment_log").fetchall()
    assert logged
    for user_id, after, digest in logged:
        assert shown[user_id].limit_after_minor == after
        again = recompute(database, settings, user_id, apply=True, as_of=AS_OF).entry
        (of_review,) = facts(snapshots.portfolio_of(conn, digest, user_id))
        (of_one,) = facts(snapshots.load(conn, again.input_digest))
        of_one |= {name: of_review[name] for name in ("credit_limit", "version", "last_raise_on", "last_cut_on")}
        assert of_one | {"limit_before_cut": of_review["limit_before_cut"]} == of_review


def test_what_one_user_was_decided_from_is_kept_where_the_settings_say(
    database: Database, settings: Settings, users: list[int], tmp_path: Path
) -> None:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    entry = recompute(database, settings.model_copy(update={"snapshot_store": folder}), apply=True).entry
    assert [file.name for file in folder.iterdir()] == [f"{entry.input_digest.hex()}.parquet"]


def test_a_key_is_applied_once(database: Database, settings: Settings, conn: Connection, users: list[int]) -> None:
    first = recompute(database, settings, apply=True, key="ticket-1")
    before = counts(conn)
    again = recompute(database, settings, apply=True, key="ticket-1", as_of=None)
    assert again.repeated
    assert again.entry == first.entry
    assert counts(conn) == before
    for other in ({"user_id": 2}, {"reason": "another"}, {"as_of": AS_OF + dt.timedelta(days=1)}):
        with pytest.raises(KeyReused, match="ticket-1"):
            recompute(database, settings, **{"apply": True, "key": "ticket-1", **other})


def test_one_key_clicked_by_many_is_applied_once(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    made: list[engine.Recompute] = []
    threads = [
        threading.Thread(target=lambda: made.append(recompute(database, settings, apply=True, key="clicked")))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6
    assert len({one.entry.entry_id for one in made}) == 1
    assert sum(not one.repeated for one in made) == 1
    assert counts(conn)["adjustment_log"] == 1


def test_a_user_on_the_list_of_a_review_is_recomputed_at_once_and_decided_again_by_the_review(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    row = ask(database, settings)
    reviews.plan(conn, row.review_id, shard_users=10)
    before = recompute(database, settings, apply=True, key="before")
    engine.work(database, settings, row.review_id, worker="test")
    after = recompute(database, settings, apply=True, key="after")
    logged = conn.execute(
        "SELECT review_id, version_before FROM limits.adjustment_log WHERE user_id = 1 ORDER BY entry_id"
    ).fetchall()
    assert [review for review, _ in logged] == [before.entry.review_id, row.review_id, after.entry.review_id]
    assert conn.execute("SELECT count(*) FROM limits.decided_meanwhile").fetchone() == (0,)
    invariants.check(conn)


def test_what_cannot_be_recomputed_says_why(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    with pytest.raises(NotFound, match="no user 99"):
        recompute(database, settings, 99)
    with pytest.raises(ReviewRefused, match="lies in the future"):
        recompute(database, settings, as_of=asking.today() + dt.timedelta(days=1))
    builders.add_user(conn, 8, credit_limit=None)
    with pytest.raises(ReviewRefused, match="user 8 gets no decision"):
        recompute(database, settings, 8, apply=True)
    assert counts(conn)["reviews"] == 0
    run(database, settings)
    with pytest.raises(ReviewRefused, match=f"decided as of {AS_OF}"):
        recompute(database, settings, as_of=AS_OF - dt.timedelta(days=1))


# Who may what -------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["worker", "operations", "auditor"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE limits.adjustment_log SET limit_after_minor = 0",
        "DELETE FROM limits.adjustment_log",
        "TRUNCATE limits.adjustment_log",
        "INSERT INTO limits.adjustment_log (review_id) VALUES (1)",
        "UPDATE limits.adjustment_log_2026_06 SET actor = 'nobody'",
        "DELETE FROM limits.adjustment_log_2026_06",
        "TRUNCATE limits.adjustment_log_2026_06",
        "UPDATE limits.credit_lines SET limit_minor = 1",
        "DELETE FROM limits.credit_lines",
        "DELETE FROM limits.outbox",
        "ALTER TABLE limits.adjustment_log DISABLE TRIGGER ALL",
    ],
)
def test_no_role_writes_limits_or_log_by_itself(
    database: Database, conn: Connection, role: str, statement: str
) -> None:
    reviews.ensure_month(conn, AS_OF)
    with (
        database.connect(role, "limits test") as connection,  # type: ignore[arg-type]
        pytest.raises(Exception, match=r"permission denied|must be owner"),
    ):
        connection.execute(statement.encode())


def test_not_even_the_owner_changes_the_log(
    database: Database, settings: Settings, conn: Connection, users: list[int]
) -> None:
    run(database, settings)
    for statement in ("UPDATE limits.adjustment_log SET actor = 'x'", "DELETE FROM limits.adjustment_log"):
        with pytest.raises(Exception, match="append-only"):
            conn.execute(statement.encode())
    for table in ("adjustment_log", "adjustment_log_2026_06"):
        with pytest.raises(Exception, match="append-only"):
            conn.execute(f"TRUNCATE limits.{table}".encode())


def test_where_no_policy_is_named_the_schedule_decides_by_its_own(settings: Settings, conn: Connection) -> None:
    schedules.add_schedule(
        conn, "nightly", pack="cz", run_at=dt.time(0), time_zone="UTC", starts_on=dt.date(2026, 1, 1)
    )
    assert engine.usual_policy(conn, settings, "nightly") == "cz"
    assert engine.usual_policy(conn, settings, "by hand") == settings.policy
