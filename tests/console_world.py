"""A small world for the console: a review that is done, one that a breaker holds, and people's work that waits."""

from __future__ import annotations

import dataclasses
import datetime as dt

from limits import engine
from limits.settings import Settings
from limits.store import reviews
from limits.store.db import Connection, Database
from tests import builders, governance, scorecards

#: Who asks for the reviews: not who signs in, so that the second person may be.
MAKER = "Mia Maker"
FIRST, SECOND = range(1001, 1007), range(1007, 1019)
DONE_AS_OF = builders.AS_OF - dt.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class World:
    """What is in it. Users of ``decided`` are in the log; those of ``waiting`` are in the held review alone."""

    decided: tuple[int, ...]
    waiting: tuple[int, ...]
    done_review: int
    held_review: int


def fill(database: Database, settings: Settings, conn: Connection) -> World:
    """Users, a review that is done by the policy of the settings, and one that the standard policy's breakers hold."""
    for user_id in FIRST:
        builders.add_steady_user(
            conn, user_id, credit_limit=300_000 + 100_000 * (user_id % 7), raise_consent=user_id % 3 != 0
        )
    builders.add_statement(conn, FIRST[0], builders.AS_OF - dt.timedelta(days=70), minimum_due=90_000)  # not paid
    builders.add_override(conn, FIRST[1], "cap", 500_000, state="proposed")
    builders.add_override(conn, FIRST[2], "hold")
    builders.add_request(conn, FIRST[3], builders.AS_OF)
    builders.refresh(conn)
    done = _review(database, settings, conn, DONE_AS_OF, settings.policy)
    for user_id in SECOND:
        builders.add_steady_user(conn, user_id, credit_limit=300_000 + 50_000 * (user_id % 5))
    builders.refresh(conn)
    held = _review(database, settings, conn, builders.AS_OF, "standard")
    conn.execute("INSERT INTO limits.schedules (schedule, pack) VALUES ('nightly', 'standard')")
    governance.approve_model(conn, scorecards.by_hand(), dt.date(2030, 1, 1))
    states = [reviews.get(conn, number).state for number in (done, held)]
    assert states == ["done", "held"], f"{states}: {[reviews.get(conn, n).error for n in (done, held)]}"
    return World(tuple(FIRST), tuple(SECOND), done, held)


def _review(database: Database, settings: Settings, conn: Connection, as_of: dt.date, policy: str) -> int:
    asked = engine.request_review(database, settings, as_of=as_of, actor=MAKER, policy=policy)
    engine.work(database, settings, asked.review_id, worker="test", seconds=600)
    return asked.review_id
