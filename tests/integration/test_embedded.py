"""The embedded database, with real processes: shared, killed, recovered, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from limits.settings import make_settings
from limits.store import embedded, migrate
from limits.store.db import Database, open_database
from limits.store.embedded import Embedded, about
from tests.servers import User, eventually, in_child, one, postmaster, servers

# Shared, and stopped by the last one --------------------------------------------------------


def test_processes_that_start_at_once_share_one_server(home: Path, users: Callable[[], User]) -> None:
    three = [users() for _ in range(3)]
    assert len({user.joined() for user in three}) == 1
    assert {path.name for path in (home / "database").iterdir() if path.is_dir()} == {"data"}
    for user in three[:2]:
        user.leave()
    assert about(home).running
    three[2].leave()
    assert not about(home).running
    assert servers(home) == []


def test_coming_and_going_at_random_never_meets_a_broken_server(ready: Path, users: Callable[[], User]) -> None:
    for _ in range(3):
        crowd = [users() for _ in range(3)]
        for user in crowd:
            user.joined()
            user.leave()
    assert servers(ready) == []


def test_the_server_outlives_the_process_that_started_it(ready: Path, users: Callable[[], User]) -> None:
    first = users()
    started = first.joined()
    second = users()
    assert second.joined() == started
    first.process.kill()
    first.process.communicate()
    third = users()
    assert third.joined() == started
    second.leave()
    third.leave()
    assert servers(ready) == []


def test_by_settings_with_the_schema(home: Path) -> None:
    settings = make_settings(home=home)
    with open_database(settings) as database, database.connect("worker", "limits test") as conn:
        assert database.embedded
        row = conn.execute(
            "SELECT current_setting('fsync'), current_setting('data_checksums'), current_setting('listen_addresses')"
        ).fetchone()
        assert row == ("on", "on", "")
        assert migrate.plan(settings) == []
    assert servers(home) == []


# Killed, and recovered ----------------------------------------------------------------------


def test_kill_of_the_server_is_recovered(ready: Path, users: Callable[[], User]) -> None:
    other = users()
    started = other.joined()
    with open_database(make_settings(home=ready)) as database:
        with database.connect("owner", "limits test") as conn:
            conn.execute("CREATE TABLE kept AS SELECT 1 AS n")
        for _ in range(3):
            os.kill(postmaster(ready), signal.SIGKILL)
            # Connecting is what finds it dead, and starts it again.
            with database.connect("owner", "limits test") as conn:
                assert conn.execute("SELECT n FROM kept").fetchone() == (1,)
        late = users()
        assert late.joined() > started
        late.leave()
        other.leave()
        assert about(ready).running
    assert servers(ready) == []


def test_an_old_backend_that_still_works_is_waited_for(ready: Path) -> None:
    """It does not notice the death of its postmaster before its statement ends."""
    with Embedded(ready) as server:
        busy = psycopg.connect(server.url(), autocommit=True)
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 20000000) AS n, pg_sleep(0)")
        time.sleep(0.2)
        os.kill(postmaster(ready), signal.SIGKILL)
        server.revive()
        assert one(server.url(), "SELECT 1") == 1
        busy.close()
    assert servers(ready) == []


def test_kill_of_the_last_user_leaves_a_server_that_the_next_one_shares(ready: Path, users: Callable[[], User]) -> None:
    first = users()
    started = first.joined()
    first.process.kill()
    first.process.communicate()
    second = users()
    assert second.joined() == started
    second.leave()
    assert servers(ready) == []


def test_kill_of_everything_at_once(ready: Path, users: Callable[[], User]) -> None:
    first = users()
    first.joined()
    for process in [first.process.pid, *servers(ready)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    second = users()
    second.joined()
    second.leave()
    assert servers(ready) == []


def test_kill_in_the_middle_of_making_the_data_folder(home: Path, users: Callable[[], User]) -> None:
    for delay in (0.0, 0.2, 0.5):
        first = users()
        eventually(lambda: list((home / "database").glob(".initdb-*")))
        time.sleep(delay)
        first.process.kill()
        first.process.communicate()
        assert not (home / "database" / "data").exists()
    second = users()
    second.joined()
    second.leave()
    assert {path.name for path in (home / "database").iterdir() if path.is_dir()} == {"data"}


def test_lock_files_with_the_number_of_another_process_are_removed(ready: Path) -> None:
    """PostgreSQL respects them when that process belongs to the same user."""
    with Embedded(ready) as server:
        user = server._prepare()
        for process in servers(ready):
            os.kill(process, signal.SIGKILL)
        eventually(lambda: servers(ready) == [])
        with subprocess.Popen(["/bin/sleep", "60"], **user.process) as sleeper:
            try:
                for lock in (ready / "database" / "data" / "postmaster.pid", ready / "database/.s.PGSQL.5432.lock"):
                    lock.write_text(lock.read_text().replace(lock.read_text().split("\n")[0], str(sleeper.pid), 1))
                server.revive()
                assert one(server.url(), "SELECT 1") == 1
            finally:
                sleeper.kill()


def test_a_process_that_nobody_waited_for_is_dead_and_a_server_is_not(ready: Path) -> None:
    with subprocess.Popen(["/bin/true"]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        assert embedded._is_dead(zombie.pid, ready)
    assert embedded._is_dead(zombie.pid, ready)
    assert embedded._is_dead(os.getpid(), ready)
    with Embedded(ready) as server:
        assert not embedded._is_dead(postmaster(ready), server.data)
        assert embedded._is_dead(postmaster(ready), ready)


def test_a_forked_child_connects_and_leaves_the_server_alone(ready: Path) -> None:
    with open_database(make_settings(home=ready)) as database:

        def child() -> object:
            with database.connect("worker", "limits test") as conn:
                return conn.execute("SELECT 41 + 1").fetchone()

        assert in_child(child) == [42]
        with database.connect("worker", "limits test"):
            pass


def test_connecting_names_the_application(ready: Path) -> None:
    with Embedded(ready) as server, Database(server.url()).connect("owner", "limits name") as conn:
        named = "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        assert conn.execute(named).fetchone() == ("limits name",)
