"""A review that is ready to be worked on, with a few of everything in it, and what became of it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from limits import engine
from limits.errors import ApprovalRefused, ReviewRefused
from limits.settings import Settings, make_settings
from limits.store import gates, reviews
from limits.store.db import Connection, Database
from tests import builders, invariants, packs
from tests.faults.forked import Worker

AS_OF = builders.AS_OF
USERS = 48
#: Without a line, so that there is nothing to decide.
WITHOUT_LINE = 5
#: Decided by somebody else between deciding and applying.
OVERTAKEN = (3, 17, 18)
#: A review has to be over so many seconds after the fault has ended (invariant I6).
LIMIT_SECONDS = 60.0

#: What a night comes to, of each table: rows that are the same whoever made them, and when.
RESULT = {
    "decisions": """
        SELECT user_id, as_of, shard, currency, limit_before_minor, limit_after_minor, version_before, version_after,
               action, binding, reason_bits, ceilings_minor, lowest_ceiling_minor, floor_minor, capacity_p10_minor,
               capacity_p50_minor, capacity_p90_minor, capacity_method, months_observed, risk_points,
               risk_probability_ppm, policy_hash, input_digest, code_version, actor, role, disposition, proposed_minor
          FROM limits.adjustment_log ORDER BY user_id, as_of""",
    "lines": """
        SELECT user_id, limit_minor, version, last_raise_on, last_cut_on, limit_before_cut_minor
          FROM limits.credit_lines ORDER BY user_id""",
    "exceptions": "SELECT user_id, outcome, reason, detail FROM limits.review_exceptions ORDER BY user_id",
    "outbox": "SELECT user_id, as_of, kind FROM limits.outbox ORDER BY user_id, kind",
    "notices": "SELECT user_id, kind, as_of, due_on FROM limits.notices ORDER BY user_id, kind",
    "changes": """
        SELECT user_id, kind, as_of, limit_minor, proposed_minor, effective_on, state
          FROM limits.pending_changes ORDER BY user_id""",
    "review": """
        SELECT state, users_total, users_raised, users_held, users_lowered, users_quarantined, users_skipped,
               exposure_before_minor, exposure_after_minor
          FROM limits.reviews WHERE kind = 'scheduled'""",
    "shards": "SELECT shard, state, stage, snapshot_digest, tally::text FROM limits.shards ORDER BY review_id, shard",
    "parts": "SELECT * FROM limits.shard_parts",
}

Result = dict[str, list[Any]]


def populate(conn: Connection) -> None:
    """Users who are raised, held and lowered, and one about whom nothing can be decided."""
    for user_id in range(1, USERS + 1):
        consent = user_id % 2 == 0
        if user_id % 3 == 0:
            builders.add_steady_user(conn, user_id, credit_limit=1_500_000 + 10_000 * user_id, raise_consent=consent)
            continue
        limit = None if user_id == WITHOUT_LINE else 400_000 + 100_000 * (user_id % 6)
        builders.add_user(conn, user_id, credit_limit=limit, raise_consent=consent)
        builders.add_monthly_income(conn, user_id, [900_000 + 1_000 * user_id, 910_000, 905_000, 930_000])
        builders.add_statement(conn, user_id, dt.date(2026, 6, 1), balance=50_000)
        builders.add_repayment(conn, user_id, dt.date(2026, 6, 11))
    builders.refresh(conn)


def make(database: Database, home: Path, **values: Any) -> Settings:
    """Settings with shards and parts so small that a night has several of each, and breakers wide enough for it."""
    home.mkdir(parents=True, exist_ok=True)
    with database.connect("owner", "limits test") as conn, contextlib.suppress(ApprovalRefused):  # it is approved
        packs.write_pack(conn, home, packs.OWN)
    values = {"policy": str(home / f"{packs.OWN}.toml")} | values
    small = {"shard_users": 6, "chunk_users": 3, "lease_seconds": 30, "heartbeat_seconds": 5, "tick_seconds": 1}
    return make_settings(database_url=database.url, broker_url=None, home=home, **(small | values))


@dataclasses.dataclass
class Night:
    """A review that is planned. Workers work on it; whatever they are, they are gone at the end."""

    database: Database
    settings: Settings
    conn: Connection
    review_id: int = 0
    workers: list[Worker] = dataclasses.field(default_factory=list)

    def ask(self) -> None:
        """Owes the review."""
        self.review_id = engine.request_review(self.database, self.settings, as_of=AS_OF, actor="test").review_id

    def plan(self, overtaken: Sequence[int] = OVERTAKEN) -> Night:
        """Asks for the review and plans it; some users are to be decided again when it is applied."""
        self.ask()
        assert reviews.plan(self.conn, self.review_id, shard_users=self.settings.shard_users) == "planned"
        for user_id in overtaken:
            self.conn.execute(
                "INSERT INTO limits.decided_meanwhile (review_id, user_id, by_review) VALUES (%s, %s, %s)",
                (self.review_id, user_id, self.review_id),
            )
        return self

    def worker(self, hurt: str = "", *, url: str = "", **options: Any) -> Worker:
        """A worker process; ``hurt``: failpoints."""
        made = Worker(url or self.database.url, self.settings, self.review_id, hurt=hurt, **options)
        self.workers.append(made)
        return made

    def hurt(self, failpoint: str, **options: Any) -> None:
        """A worker goes on until the failpoint kills it; its leases end as they would in half a minute."""
        worker = self.worker(failpoint, **options)
        assert worker.wait() == -9, f"{failpoint} was not reached: {worker.said()}"
        self.end_leases()

    def end_leases(self) -> None:
        """As time does it, for workers that are gone."""
        self.conn.execute("UPDATE limits.shards SET leased_until = clock_timestamp() WHERE state = 'leased'")

    def finish(self) -> Result:
        """Another worker finishes in time (I6), the invariants hold; what the night came to."""
        begun = time.monotonic()
        worker = self.worker()
        assert self.wait(worker) == 0, worker.said()
        assert time.monotonic() - begun < LIMIT_SECONDS
        assert reviews.get(self.conn, self.review_id).state == "done", worker.said()
        return self.result()

    def wait(self, worker: Worker) -> int:
        """The worker's exit code. Shards that took many leases hold a review: a second person lets it through."""
        until = time.monotonic() + LIMIT_SECONDS
        while worker.process.is_alive() and time.monotonic() < until:
            self.release()
            time.sleep(0.05)
        return worker.wait(1.0)

    def release(self) -> None:
        """Lets a review through that is held."""
        if reviews.get(self.conn, self.review_id).state == "held":
            with contextlib.suppress(ReviewRefused):  # somebody has just done so
                gates.release(self.conn, self.review_id, actor="Second Person", reason="seen")

    def result(self) -> Result:
        invariants.check(self.conn)
        return {name: self.conn.execute(statement.encode()).fetchall() for name, statement in RESULT.items()}

    def applied(self) -> int:
        return reviews.progress(self.conn, self.review_id).users_done

    def stage(self) -> str:
        return reviews.get(self.conn, self.review_id).stage

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()
            print(f"--- worker {worker.pid}, hurt by {worker.hurt or 'nothing'}: {worker.process.exitcode}")
            print(worker.said())


def assert_same(result: Result, undisturbed: Result) -> None:
    """Decision for decision."""
    assert result.keys() == undisturbed.keys()
    for name, rows in undisturbed.items():
        assert result[name] == rows, name


Nights = Callable[..., contextlib.AbstractContextManager[Night]]
