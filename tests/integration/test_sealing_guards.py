"""What the database says of sealed batches and checkpoints, whoever writes them: in order, without a gap, for good."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from limits.store.db import Connection, Database, Role
from tests.made_log import UNGUARDED

Login = Callable[[str, Role], Connection]
#: Batch 1 at position 1, and so on; each with the digest of what ``batches`` has made.
SEAL = """INSERT INTO limits.sealed_batches (position, batch_id, digest)
          SELECT p, nullif(p, 0), sha256('\\x00'::bytea || convert_to('batch ' || p, 'UTF8'))
            FROM unnest(%s::bigint[]) AS p"""
BATCHES = """INSERT INTO limits.batches (batch_id, review_id, shard, token, users, delta_minor, root, record, digest)
             OVERRIDING SYSTEM VALUE
             SELECT b, 1, 0, 1, 5, 0, sha256('r'), 'batch ' || b,
                    sha256('\\x00'::bytea || convert_to('batch ' || b, 'UTF8')) FROM generate_series(1, 1000) AS b"""
SEAL_7 = """INSERT INTO limits.sealed_batches
            SELECT %s, batch_id, digest FROM limits.batches WHERE batch_id = 7"""
SIGN = """INSERT INTO limits.checkpoints (tree_size, root, entries, note, key_id)
          VALUES (%s, sha256('r'), %s, 'limits log', 'k') RETURNING checkpoint_id"""


@pytest.fixture(autouse=True)
def batches(conn: Connection) -> None:
    """A thousand batches of no review."""
    conn.execute(UNGUARDED)
    conn.execute(BATCHES)
    conn.execute("RESET session_replication_role")


def seal(conn: Connection, *positions: int) -> None:
    conn.execute(SEAL, (list(positions),))


def sign(conn: Connection, tree_size: int, entries: int) -> int:
    row = conn.execute(SIGN, (tree_size, entries)).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def sealer(login: Login) -> Connection:
    """A login that has the sealer's role and nothing else."""
    return login("limits_test_sealer", "sealer")


def test_a_sealer_adds_one_after_another(sealer: Connection, conn: Connection) -> None:
    seal(sealer, 0)
    assert sign(sealer, 1, 0) == 1
    seal(sealer, *range(1, 1001))
    sealer.execute("INSERT INTO limits.sealed_batches SELECT WHERE false")
    assert sign(sealer, 1001, 5000) == 2
    assert sign(sealer, 1001, 5000) == 3, "the same tree once more: another key signs it"
    assert conn.execute("SELECT count(*) FROM limits_read.sealed_batches").fetchone() == (1001,)
    for view in ("batches", "adjustment_log", "reviews"):
        sealer.execute(f"SELECT FROM limits_read.{view}".encode())


@pytest.mark.parametrize("there", [0, 3])
@pytest.mark.parametrize("beyond", [[1], [1, 2], [0, 2], [-1], [-1, 0]], ids=str)
def test_a_gap_is_refused(sealer: Connection, there: int, beyond: list[int]) -> None:
    if there:
        seal(sealer, *range(there))
    with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.UniqueViolation)):
        seal(sealer, *(there + position for position in beyond))


@pytest.mark.parametrize("row", [(0, 1), (2, None), (2, 7)], ids=str)
def test_the_first_leaf_and_no_other_is_no_batch_and_a_batch_comes_once(
    sealer: Connection, row: tuple[int, int | None]
) -> None:
    if row[0]:
        seal(sealer, 0)
        sealer.execute(SEAL_7, (1,))
    with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.UniqueViolation)):
        if row[1] == 7:
            sealer.execute(SEAL_7, row[:1])
        else:
            sealer.execute("INSERT INTO limits.sealed_batches VALUES (%s, %s, sha256('x'))", row)


@pytest.mark.parametrize("digest", ["sha256('x')", "(SELECT digest FROM limits.batches WHERE batch_id = 2)"])
@pytest.mark.parametrize("batch", [1, 1001, -1])
def test_a_leaf_is_that_of_a_batch_that_is_there(sealer: Connection, conn: Connection, batch: int, digest: str) -> None:
    """Whoever has the sealer's login adds nothing to the tree that nobody applied."""
    seal(sealer, 0)
    statement = f"INSERT INTO limits.sealed_batches VALUES (1, {batch}, {digest})".encode()
    for one in (sealer, conn):
        with pytest.raises(psycopg.errors.CheckViolation, match=f"there is no batch {batch} of that digest"):
            one.execute(statement)
    seal(sealer, 1)


def test_records_of_batches_are_never_rewritten(conn: Connection) -> None:
    for change in ("UPDATE limits.batches SET users = 6", "DELETE FROM limits.batches", "TRUNCATE limits.batches"):
        for role in ("origin", "replica"):
            with pytest.raises(psycopg.Error, match="append-only"), conn.transaction():
                conn.execute(f"SET LOCAL session_replication_role = {role}".encode())
                conn.execute(change.encode())


@pytest.mark.parametrize(("tree_size", "entries"), [(2, 9), (3, 8), (4, 9), (0, 0)], ids=str)
def test_a_log_never_gets_shorter_nor_longer_than_what_is_sealed(
    sealer: Connection, tree_size: int, entries: int
) -> None:
    seal(sealer, 0, 1, 2)
    sign(sealer, 3, 9)
    with pytest.raises(psycopg.errors.CheckViolation):
        sign(sealer, tree_size, entries)
    assert sign(sealer, 3, 9) == 2, "a refused one leaves no gap"


def test_nobody_numbers_a_checkpoint(sealer: Connection) -> None:
    seal(sealer, 0)
    with pytest.raises(psycopg.errors.CheckViolation, match="the next checkpoint is 1, not 7"):
        sealer.execute("INSERT INTO limits.checkpoints VALUES (7, 1, sha256('r'), 0, 'n', 'k')")


def test_of_two_sealers_one_goes_on(database: Database, sealer: Connection) -> None:
    """Each sees the same end of the log: whoever commits second is refused, and nothing stands twice."""
    seal(sealer, *range(6))
    other = database.connect("sealer", "other", autocommit=False)
    other.execute("SET lock_timeout = '200ms'")
    with sealer.transaction():
        seal(sealer, 6)
        sign(sealer, 7, 9)
        with pytest.raises(psycopg.errors.LockNotAvailable):  # waits for what the first makes of it
            sign(other, 6, 9)
    other.rollback()
    assert sign(other, 7, 9) == 2
    with pytest.raises(psycopg.errors.UniqueViolation):
        seal(other, 6)
    other.close()


@pytest.mark.parametrize("table", ["sealed_batches", "checkpoints"])
@pytest.mark.parametrize("change", ["UPDATE {} SET {}", "DELETE FROM {}", "TRUNCATE {}"])
def test_what_is_sealed_stays(sealer: Connection, conn: Connection, table: str, change: str) -> None:
    seal(sealer, 0)
    sign(sealer, 1, 0)
    column = "digest = sha256('y')" if table == "sealed_batches" else "note = 'other'"
    statement = change.format(f"limits.{table}", column).encode()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
        sealer.execute(statement)
    with pytest.raises(psycopg.Error, match="append-only"):
        conn.execute(statement)
    with pytest.raises(psycopg.Error, match="append-only"), conn.transaction():
        conn.execute("SET LOCAL session_replication_role = replica")
        conn.execute(statement)


def test_no_setting_of_a_session_lets_a_gap_in(conn: Connection) -> None:
    for beyond in (lambda: seal(conn, 1), lambda: sign(conn, 1, 0)):
        with pytest.raises(psycopg.errors.CheckViolation), conn.transaction():
            conn.execute("SET LOCAL session_replication_role = replica")
            beyond()


@pytest.mark.parametrize("role", ["worker", "operations", "auditor", "monitor"])
@pytest.mark.parametrize("table", ["sealed_batches", "checkpoints"])
def test_nobody_else_seals(login: Login, role: Role, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        login("limits_test_other", role).execute(f"INSERT INTO limits.{table} SELECT".encode())
