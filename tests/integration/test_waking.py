"""How many messages a worker sends to others: as many as there are processes to do something, and shards."""

from __future__ import annotations

from pathlib import Path

import pytest

from limits import engine
from limits.settings import Settings, make_settings
from limits.store import workers
from limits.store.db import Connection, Database
from tests import builders
from tests.packs import write_pack

USERS = 12


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return make_settings(database_url=settings.database_url, broker_url=None, home=settings.home, shard_users=1)


def woken(database: Database, settings: Settings, conn: Connection, folder: Path) -> list[int]:
    """What a whole review by one worker asks for, in turn."""
    for user_id in range(1, USERS + 1):
        builders.add_user(conn, user_id)
    builders.refresh(conn)
    policy = write_pack(conn, folder)
    asked = engine.request_review(database, settings, as_of=builders.AS_OF, actor="Ann", policy=policy)
    sent: list[int] = []
    done = engine.work(
        database, settings, asked.review_id, worker="test", wake=lambda _, count: sent.append(count)
    )  # fmt: skip
    assert done.finished is not None
    return sent


def says(conn: Connection, kind: str, number: int, doing: str, *, age: int = 0) -> None:
    conn.execute("SET session_replication_role = replica")  # a trigger says when a process was heard of
    conn.execute(
        """INSERT INTO limits.workers (worker, kind, host, pid, doing, heartbeat_at)
           VALUES (%s, %s, 'h', %s, %s, clock_timestamp() - %s * interval '1 second')""",
        (f"{kind}:h:{number}", kind, number, doing, age),
    )
    conn.execute("RESET session_replication_role")


def test_nobody_is_woken_for_whom_there_is_no_process(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    says(conn, "worker", 1, workers.with_processes(2))
    assert woken(database, settings, conn, tmp_path) == [1] * 4, "planned, decided, and after each stage of the canary"


def test_where_no_process_is_known_the_shards_are_what_counts(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    assert woken(database, settings, conn, tmp_path) == [USERS - 1] * 4


def test_processes_are_those_of_the_workers_that_are_alive(conn: Connection) -> None:
    assert workers.processes(conn) == 0
    says(conn, "worker", 1, workers.with_processes(1))
    says(conn, "worker", 2, workers.with_processes(16))
    says(conn, "worker", 3, workers.with_processes(64), age=16)
    says(conn, "worker", 4, "99999999999999999999 processes")
    says(conn, "worker", 5, "something else")
    says(conn, "scheduler", 6, "32 processes")
    assert workers.processes(conn) == 17
