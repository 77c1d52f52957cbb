"""Snapshots in the database and in files: stored once, checked whenever they are read, removed when they are old."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest

from limits.cli import run
from limits.errors import InputError, NotFound, SnapshotError
from limits.store import snapshots
from limits.store.db import Connection, Database, Role
from limits.store.load import load_portfolio
from tests import builders
from tests.portfolios import assert_same, make_portfolio

PORTFOLIO = make_portfolio([{}, {"segment": "student", "industry": "小微企业"}, {"inflow": [None, 7, 8]}])


@pytest.fixture
def worker(database: Database) -> Iterator[Connection]:
    with database.connect("worker", "limits test") as connection:
        yield connection


@pytest.fixture
def review(conn: Connection) -> int:
    return add_review(conn, "running")


def add_review(conn: Connection, state: str) -> int:
    """A review with one shard."""
    row = conn.execute(
        """INSERT INTO limits.reviews (kind, schedule, business_date, state, policy_hash, actor, users_total)
           SELECT 'scheduled', 'test ' || count(*) OVER () || clock_timestamp(), %s, 'running', policy_hash, 'test', 3
             FROM limits.policies WHERE pack = 'standard' LIMIT 1 RETURNING review_id""",
        (builders.AS_OF,),
    ).fetchone()
    assert row is not None
    conn.execute(
        """INSERT INTO limits.shards (review_id, shard, user_from, user_to, user_ids, users_total)
           VALUES (%s, 0, 1, 3, '{1,2,3}', 3)""",
        row,
    )
    conn.execute("UPDATE limits.reviews SET state = %s WHERE review_id = %s", (state, *row))
    return int(row[0])


def superuser(conn: Connection, statement: str, *parameters: object) -> None:
    """What only an owner of the server can do: past all guards of the schema."""
    tables = ("limits.snapshots", "limits.snapshot_uses")
    with conn.transaction():
        for table in tables:
            conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER never_changed".encode())
        conn.execute(statement.encode(), parameters)
        for table in tables:
            conn.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER never_changed".encode())


def age(conn: Connection, name: bytes, days: int) -> None:
    superuser(
        conn, "UPDATE limits.snapshots SET created_at = created_at - make_interval(days => %s) WHERE digest = %s",
        days, name,
    )  # fmt: skip
    superuser(
        conn, "UPDATE limits.snapshot_uses SET used_at = used_at - make_interval(days => %s) WHERE digest = %s",
        days, name,
    )  # fmt: skip


def count(conn: Connection, table: str) -> int:
    row = conn.execute(f"SELECT count(*) FROM limits.{table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


# Stored and loaded --------------------------------------------------------------------------


def test_a_worker_stores_and_everybody_loads(database: Database, worker: Connection, review: int) -> None:
    name = snapshots.store(worker, review, 0, PORTFOLIO)
    assert name == snapshots.digest(snapshots.encode(PORTFOLIO))
    roles: tuple[Role, ...] = ("worker", "operations", "auditor")
    for role in roles:
        with database.connect(role, "limits test") as conn:
            assert_same(PORTFOLIO, snapshots.load(conn, name))


def test_what_is_loaded_of_real_rows_comes_back(conn: Connection, worker: Connection, review: int) -> None:
    builders.add_steady_user(conn, 1)
    builders.add_user(conn, 2, segment="student", industry="zemědělství", observed_from=None, observed_through=None)
    builders.refresh(conn)
    for users in ([1, 2], [2], [9]):
        portfolio, _ = load_portfolio(worker, builders.AS_OF, builders.CURRENCY, user_ids=users)
        assert len(portfolio) == len(users) - (9 in users)
        assert_same(portfolio, snapshots.load(worker, snapshots.store(worker, review, 0, portfolio)))


def test_one_user(worker: Connection, review: int) -> None:
    name = snapshots.store(worker, review, 0, PORTFOLIO)
    assert_same(PORTFOLIO.take([1]), snapshots.portfolio_of(worker, name, 2))
    with pytest.raises(NotFound, match=f"user 4 is not in the snapshot {name.hex()}"):
        snapshots.portfolio_of(worker, name, 4)


def test_the_same_portfolio_is_kept_once(conn: Connection, worker: Connection, review: int) -> None:
    again = add_review(conn, "running")
    first = snapshots.store(worker, review, 0, PORTFOLIO)
    assert [snapshots.store(worker, r, 0, PORTFOLIO) for r in (review, again)] == [first, first]
    assert (count(conn, "snapshots"), count(conn, "snapshot_uses")) == (1, 2)
    (listed,) = snapshots.listing(conn)
    assert (listed.digest, listed.users, listed.review_ids, listed.in_database) == (first, 3, [review, again], True)
    assert snapshots.listing(conn, review_id=again) == [listed]
    assert snapshots.listing(conn, review_id=again + 1) == []


def test_it_is_part_of_the_transaction(worker: Connection, review: int) -> None:
    with pytest.raises(ZeroDivisionError), worker.transaction():
        name = snapshots.store(worker, review, 0, PORTFOLIO)
        _ = 1 // 0
    with pytest.raises(NotFound, match="keeps no snapshot"):
        snapshots.load(worker, name)


# Tampering ----------------------------------------------------------------------------------


def test_altered_bytes_are_named(conn: Connection, worker: Connection, review: int) -> None:
    name = snapshots.store(worker, review, 0, PORTFOLIO)
    superuser(conn, "UPDATE limits.snapshots SET body = set_byte(body, 100, get_byte(body, 100) # 1)")
    with pytest.raises(SnapshotError, match=f"{name.hex()} in the database was altered"):
        snapshots.load(worker, name)
    # Whoever stores the same again does not go on with what stands there.
    with pytest.raises(SnapshotError, match="was altered"):
        snapshots.store(worker, review, 0, PORTFOLIO)


def test_other_bytes_filed_under_a_digest_before_stop_the_honest_one(worker: Connection, review: int) -> None:
    name = snapshots.digest(snapshots.encode(PORTFOLIO))
    worker.execute(
        "INSERT INTO limits.snapshots (digest, as_of, users, bytes, body) VALUES (%s, '2026-06-30', 3, 1, 'x')", (name,)
    )
    with pytest.raises(SnapshotError, match="was altered"):
        snapshots.store(worker, review, 0, PORTFOLIO)


def test_a_wrong_digest(worker: Connection, review: int) -> None:
    snapshots.store(worker, review, 0, PORTFOLIO)
    with pytest.raises(NotFound, match=f"keeps no snapshot {bytes(32).hex()}"):
        snapshots.load(worker, bytes(32))


# Roles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["worker", "operations", "auditor"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE limits.snapshots SET body = 'x'",
        "UPDATE limits.snapshot_uses SET used_at = 'epoch'",
        "DELETE FROM limits.snapshots",
        "DELETE FROM limits.snapshot_uses",
        "TRUNCATE limits.snapshots CASCADE",
        "INSERT INTO limits.snapshots (digest, as_of, users, bytes, created_at) VALUES ('x', 'epoch', 1, 1, 'epoch')",
        "INSERT INTO limits.snapshot_uses (review_id, shard, digest, used_at) VALUES (1, 0, 'x', 'epoch')",
    ],
)
def test_nobody_changes_or_removes_one(
    database: Database, conn: Connection, review: int, role: Role, statement: str
) -> None:
    name = snapshots.store(conn, review, 0, PORTFOLIO)
    with database.connect(role, "attack") as attacker, pytest.raises(psycopg.errors.InsufficientPrivilege):
        attacker.execute(statement.encode())
    assert_same(PORTFOLIO, snapshots.load(conn, name))


def test_an_auditor_stores_nothing_and_a_worker_prunes_nothing(
    database: Database, worker: Connection, review: int
) -> None:
    with database.connect("auditor", "attack") as auditor:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            snapshots.store(auditor, review, 0, PORTFOLIO)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            snapshots.prune(auditor, 1, delete=True)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        snapshots.prune(worker, 1, delete=True)


@pytest.mark.parametrize("statement", ["UPDATE limits.snapshots SET users = 4", "TRUNCATE limits.snapshots CASCADE"])
def test_not_even_the_owner_changes_one(conn: Connection, review: int, statement: str) -> None:
    snapshots.store(conn, review, 0, PORTFOLIO)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="a snapshot never changes"):
        conn.execute(statement.encode())


# Files --------------------------------------------------------------------------------------


def file_of(folder: Path, name: bytes) -> Path:
    return folder / f"{name.hex()}.parquet"


def test_the_bytes_may_be_a_file(conn: Connection, worker: Connection, review: int, tmp_path: Path) -> None:
    name = snapshots.store(worker, review, 0, PORTFOLIO, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{name.hex()}.parquet"]
    assert file_of(tmp_path, name).read_bytes() == snapshots.encode(PORTFOLIO)
    assert conn.execute("SELECT body IS NULL, bytes FROM limits.snapshots").fetchone() == (
        True, len(snapshots.encode(PORTFOLIO)),
    )  # fmt: skip
    assert_same(PORTFOLIO, snapshots.load(worker, name, folder=tmp_path))
    assert snapshots.store(worker, review, 0, PORTFOLIO, folder=tmp_path) == name


def test_a_file_that_is_gone_or_altered_is_named(worker: Connection, review: int, tmp_path: Path) -> None:
    name = snapshots.store(worker, review, 0, PORTFOLIO, folder=tmp_path)
    path = file_of(tmp_path, name)
    body = path.read_bytes()
    path.write_bytes(body[:-1] + b"x")
    with pytest.raises(SnapshotError, match=f"in {path} was altered"):
        snapshots.load(worker, name, folder=tmp_path)
    with pytest.raises(SnapshotError, match=f"{path} holds other bytes"):
        snapshots.store(worker, review, 0, PORTFOLIO, folder=tmp_path)
    path.unlink()
    with pytest.raises(SnapshotError, match=f"is gone: {path}"):
        snapshots.load(worker, name, folder=tmp_path)
    with pytest.raises(SnapshotError, match="set LIMITS_SNAPSHOT_STORE"):
        snapshots.load(worker, name)
    # A worker that was started without the folder does not take for kept what it cannot see.
    with pytest.raises(SnapshotError, match="set LIMITS_SNAPSHOT_STORE"):
        snapshots.store(worker, review, 0, PORTFOLIO)


def test_a_folder_that_cannot_be_written_to(worker: Connection, review: int, tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=f"cannot keep a snapshot in {tmp_path}/none: No such file"):
        snapshots.store(worker, review, 0, PORTFOLIO, folder=tmp_path / "none")
    assert snapshots.listing(worker) == []


def test_a_write_that_fails_leaves_nothing(
    worker: Connection, review: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SnapshotError, match="No space left on device"):
        snapshots.store(worker, review, 0, PORTFOLIO, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


# Retention ----------------------------------------------------------------------------------


def test_pruning_removes_what_is_old_and_over(conn: Connection, ops: Connection) -> None:
    over, runs = add_review(conn, "done"), add_review(conn, "running")
    old = snapshots.store(conn, over, 0, PORTFOLIO)
    young = snapshots.store(conn, over, 0, PORTFOLIO.take([0]))
    used = snapshots.store(conn, over, 0, PORTFOLIO.take([1]))
    running = snapshots.store(conn, runs, 0, PORTFOLIO.take([2]))
    for name, days in ((old, 31), (young, 29), (used, 31), (running, 31)):
        age(conn, name, days)
    snapshots.store(conn, add_review(conn, "done"), 0, PORTFOLIO.take([1]))  # used again just now

    shown = snapshots.prune(ops, 30, delete=False)
    assert [s.digest for s in shown] == [old]
    assert count(conn, "snapshots") == 4
    assert snapshots.prune(ops, 30, delete=True) == shown
    assert {s.digest for s in snapshots.listing(conn)} == {young, used, running}
    assert snapshots.prune(ops, 30, delete=True) == []
    with pytest.raises(NotFound):
        snapshots.load(conn, old)
    gone = conn.execute(
        "SELECT digest, users, days, session_role = session_user FROM limits.pruned_snapshots"
    ).fetchall()
    assert gone == [(old, len(PORTFOLIO), 30, True)], "what was removed is written down"
    for statement in ("UPDATE limits.pruned_snapshots SET days = 1", "DELETE FROM limits.pruned_snapshots"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ops.execute(statement)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="never changes"):
            conn.execute(statement)


def test_how_long_snapshots_are_kept_is_for_the_owner_to_say(conn: Connection, ops: Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ops.execute("UPDATE limits.retention SET snapshot_days = 1")
    conn.execute("UPDATE limits.retention SET snapshot_days = 365")
    with pytest.raises(InputError, match="at least 365 days"):
        snapshots.prune(ops, 364, delete=True)
    assert snapshots.prune(ops, 365, delete=True) == []


def test_pruning_removes_the_files(conn: Connection, ops: Connection, tmp_path: Path) -> None:
    review = add_review(conn, "cancelled")
    old = snapshots.store(conn, review, 0, PORTFOLIO, folder=tmp_path)
    young = snapshots.store(conn, review, 0, PORTFOLIO.take([0]), folder=tmp_path)
    age(conn, old, 31)
    with pytest.raises(SnapshotError, match="set LIMITS_SNAPSHOT_STORE"):
        snapshots.prune(ops, 30, delete=True)
    assert count(conn, "snapshots") == 2
    snapshots.prune(ops, 30, delete=True, folder=tmp_path)
    assert list(tmp_path.iterdir()) == [file_of(tmp_path, young)]
    assert [s.digest for s in snapshots.listing(conn)] == [young]


@pytest.mark.parametrize("days", [29, 0, -1, 100_001])
def test_days_that_are_none(ops: Connection, days: int) -> None:
    with pytest.raises(InputError, match="at least 30 days"):
        snapshots.prune(ops, days, delete=True)


# The command line ---------------------------------------------------------------------------


@pytest.fixture
def limits(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("LIMITS_DATABASE_URL", database.url)
    monkeypatch.setenv("LIMITS_SNAPSHOT_DAYS", "30")

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        return (code, *capsys.readouterr())

    return call


def test_an_auditor_lists_and_exports(
    limits: Callable[..., tuple[int, str, str]], conn: Connection, review: int, tmp_path: Path
) -> None:
    name = snapshots.store(conn, review, 0, PORTFOLIO)
    code, out, _ = limits("snapshot", "list", "--review", str(review))
    assert code == 0 and name.hex() in out and "database" in out
    code, out, err = limits("snapshot", "list", "--review", str(review + 1))
    assert (code, out) == (2, "") and f"there is no review {review + 1}; `limits review list`" in err
    target = tmp_path / "s.parquet"
    code, _, err = limits("snapshot", "export", name.hex(), "--out", str(target))
    assert code == 0 and name.hex() in err
    assert pq.read_table(target).column("industry").to_pylist() == ["", "小微企业", ""]
    code, _, err = limits("snapshot", "export", name.hex(), "--out", str(target))
    assert (code, err) == (2, f"limits: cannot write {target}: File exists\n")
    code, _, err = limits("snapshot", "export", "ab" * 32, "--out", str(tmp_path / "t"))
    assert code == 2 and "keeps no snapshot" in err
    code, _, err = limits("snapshot", "export", "ab", "--out", str(tmp_path / "t"))
    assert code == 2 and "is not a digest" in err


def test_the_first_digits_are_enough(
    limits: Callable[..., tuple[int, str, str]], conn: Connection, review: int, tmp_path: Path
) -> None:
    name = snapshots.store(conn, review, 0, PORTFOLIO).hex()
    for number, digits in enumerate((name[:8], name[:13].upper(), name[:63], name)):
        code, _, err = limits("snapshot", "export", digits, "--out", str(tmp_path / str(number)))
        assert code == 0 and name in err, err
    for other in ("0", "f"):  # two that begin alike, and one digit more tells them apart
        digest = bytes.fromhex("abcdef01" + other * 56)
        conn.execute(
            "INSERT INTO limits.snapshots (digest, as_of, users, bytes, body) VALUES (%s, '2026-06-30', 1, 1, 'x')",
            (digest,),
        )
    code, _, err = limits("snapshot", "export", "abcdef01", "--out", str(tmp_path / "no"))
    assert code == 2 and err.count("\n") == 1 and "abcdef01 begins the digests of several snapshots" in err
    code, _, err = limits("snapshot", "export", "abcdef01f", "--out", str(tmp_path / "no"))
    assert code == 1 and f"the snapshot abcdef01{'f' * 56} in the database was altered" in err, "found, and not trusted"
    unknown = "0" * 8 if not name.startswith("0" * 8) else "1" * 8
    code, _, err = limits("snapshot", "export", unknown, "--out", str(tmp_path / "no"))
    assert code == 2 and f"keeps no snapshot whose digest begins with {unknown}; limits snapshot list" in err
    for wrong in (name[:7], name + "0", "xyzxyzxyz"):
        code, _, err = limits("snapshot", "export", wrong, "--out", str(tmp_path / "no"))
        assert code == 2 and "is not a digest: 64 hexadecimal digits or the first of them, 8 at least" in err


def test_pruning_shows_first(limits: Callable[..., tuple[int, str, str]], conn: Connection) -> None:
    name = snapshots.store(conn, add_review(conn, "done"), 0, PORTFOLIO)
    age(conn, name, 31)
    code, out, err = limits("snapshot", "prune")
    assert code == 0 and name.hex() in out and "1 snapshot (" in out and "add --yes" in err
    code, _, err = limits("snapshot", "prune", "--older-than", "29", "--yes")
    assert code == 2 and "kept for 30 days: --older-than 29 is less" in err
    assert count(conn, "snapshots") == 1
    code, out, _ = limits("snapshot", "prune", "--older-than", "30", "--yes")
    assert code == 0 and "1 snapshot (" in out and "removed" in out
    assert count(conn, "snapshots") == 0


def test_the_folder_comes_from_the_settings(
    limits: Callable[..., tuple[int, str, str]],
    conn: Connection, review: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    name = snapshots.store(conn, review, 0, PORTFOLIO, folder=tmp_path)
    target = tmp_path / "out"
    code, _, err = limits("snapshot", "export", name.hex(), "--out", str(target))
    assert code == 1 and "set LIMITS_SNAPSHOT_STORE" in err
    monkeypatch.setenv("LIMITS_SNAPSHOT_STORE", "relative")
    from limits.settings import get_settings

    get_settings.cache_clear()
    code, _, err = limits("snapshot", "list")
    assert code == 2 and "LIMITS_SNAPSHOT_STORE cannot be used: must be a path that starts with /" in err
    monkeypatch.setenv("LIMITS_SNAPSHOT_STORE", str(tmp_path))
    get_settings.cache_clear()
    assert limits("snapshot", "export", name.hex(), "--out", str(target))[0] == 0
