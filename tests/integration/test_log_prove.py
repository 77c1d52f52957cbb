"""limits log prove checks what it made, and holds the entry's columns against its bytes, before it writes anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from limits import checkpoint, log_proof, merkle
from limits.errors import EntryError, NotSealed
from limits.settings import Settings
from limits.store import proving
from limits.store.db import Connection
from tests.commands import limits
from tests.forging import THIEF, rewrite, run, unguard
from tests.integration.test_cli import settings  # noqa: F401
from tests.made_log import KEY, MadeLog, entries

VERIFY = "limits log verify finds all that does not hold"


@pytest.fixture
def log(conn: Connection, tmp_path: Path) -> MadeLog:
    """A batch of entries 1 to 20, one of 21 to 40 after it in its lane, and one of 41 to 45 that is not sealed."""
    made = MadeLog(conn, tmp_path / "log")
    made.batch(1, 0, entries(range(1, 21)))
    made.batch(1, 0, entries(range(21, 41)))
    made.seal()
    made.batch(1, 1, entries(range(41, 46)))
    return made


def batch_of(conn: Connection, entry_id: int) -> int:
    (number,) = conn.execute("SELECT batch_id FROM limits.adjustment_log WHERE entry_id = %s", (entry_id,)).fetchone()  # type: ignore[misc]
    return int(number)


def refused(conn: Connection, entry_id: int) -> str:
    with pytest.raises(EntryError) as caught:
        proving.prove(conn, entry_id)
    words = str(caught.value)
    assert words.startswith(f"entry {entry_id} cannot be proved: ") and words.endswith(f"; {VERIFY}")
    return words


def test_an_entry_altered_with_its_bytes_is_not_proved_and_neither_is_its_neighbour(
    conn: Connection, log: MadeLog
) -> None:
    unguard(conn)
    rewrite(conn, batch_of(conn, 1), 0, limit_after_minor=6_400_000)
    for entry_id in (1, 2):
        assert f"batch {batch_of(conn, 1)}: the bytes of the entries do not hash to the root" in refused(conn, entry_id)
    assert proving.prove(conn, 23)["entry_id"] == 23, "another batch has nothing to do with it"


def test_columns_are_held_against_the_bytes_of_this_entry_alone(conn: Connection, log: MadeLog) -> None:
    unguard(conn)
    run(conn, "UPDATE limits.adjustment_log SET limit_after_minor = 6400000 WHERE entry_id = 3")
    assert "limit_after_minor is not what the bytes of the entry say (there is 6400000, there " in refused(conn, 3)
    assert log_proof.check_inclusion(proving.prove(conn, 4), [KEY.public]).entry.user_id.tolist() == [4]
    run(conn, "UPDATE limits.adjustment_log SET actor = 'x' WHERE entry_id = 4")
    assert "actor is not what the record of its batch says" in refused(conn, 4)


def test_record_and_tree_must_hold(conn: Connection, log: MadeLog) -> None:
    unguard(conn)
    batch = batch_of(conn, 3)
    run(conn, "UPDATE limits.batches SET users = 19 WHERE batch_id = %(b)s", b=batch)
    assert f"batch {batch}: users of the batch is not what its record says" in refused(conn, 3)
    run(conn, "UPDATE limits.batches SET users = 20 WHERE batch_id = %(b)s", b=batch)
    run(conn, "UPDATE limits.batches SET digest = sha256('x') WHERE batch_id = %(b)s", b=batch)
    assert "the digest is not that of the record" in refused(conn, 3)
    assert proving.prove(conn, 23), "what comes before it in its lane is no part of the proof"
    run(conn, "UPDATE limits.sealed_batches SET digest = sha256('x') WHERE position = 0")
    assert "is not at position 2 of the signed tree" in refused(conn, 23)
    run(conn, "DELETE FROM limits.batches WHERE batch_id = %(b)s", b=batch)
    assert f"batch {batch}, which it says that it is of, is not there" in refused(conn, 3)


def test_a_place_that_is_missing_is_named(conn: Connection, log: MadeLog) -> None:
    unguard(conn)
    run(conn, "DELETE FROM limits.adjustment_log WHERE entry_id = 2")
    assert f"batch {batch_of(conn, 3)}, place 1: there is no entry at this place of its batch" in refused(conn, 3)


@pytest.mark.parametrize(
    ("place", "says"), [(20, "the batch has no such place"), (0, "more than one entry stands at this place")]
)
def test_an_entry_too_many_is_named(conn: Connection, log: MadeLog, place: int, says: str) -> None:
    unguard(conn)
    batch = batch_of(conn, 3)
    moved = "UPDATE limits.adjustment_log SET shard = 0, batch_id = %(b)s, sequence = %(s)s WHERE entry_id = 41"
    run(conn, moved, b=batch, s=place)
    assert f"batch {batch}, place {place}: {says}" in refused(conn, 3)


def test_an_entry_under_another_date_is_not_proved(conn: Connection, log: MadeLog) -> None:
    unguard(conn)
    run(conn, "UPDATE limits.adjustment_log SET review_id = 99 WHERE entry_id = 3")
    assert "cannot be proved" in refused(conn, 3)


def test_a_refused_batch_is_not_one_that_is_on_its_way(
    settings: Settings,  # noqa: F811
    conn: Connection,
    log: MadeLog,
) -> None:
    with pytest.raises(NotSealed, match="try again in a minute"):
        proving.prove(conn, 41)
    for why in ("an older reason", "entry 43: user_id is not what the bytes of the entry say"):
        conn.execute("INSERT INTO limits.seal_troubles (batch_id, why) VALUES (%s, %s)", (batch_of(conn, 41), why))
    with pytest.raises(NotSealed) as caught:
        proving.prove(conn, 41)
    assert "which the sealer refused at 20" in str(caught.value) and "(entry 43: user_id is not what" in str(
        caught.value
    )
    assert str(caught.value).endswith(VERIFY) and "minute" not in str(caught.value)
    done = limits(settings, "log", "prove", "41")
    assert (done.returncode, done.stdout) == (1, "") and str(caught.value) in done.stderr, "an auditor may know"


def test_nothing_is_written_of_what_is_not_proved(settings: Settings, log: MadeLog, conn: Connection) -> None:  # noqa: F811
    unguard(conn)
    rewrite(conn, batch_of(conn, 3), 2, limit_after_minor=6_400_000)
    file = log.file.with_name("p.json")
    done = limits(settings, "log", "prove", "4", "--output", str(file))
    assert (done.returncode, done.stdout, file.exists()) == (1, "", False)
    assert done.stderr.count("\n") == 1 and VERIFY in done.stderr


def test_who_signed_is_checked_where_keys_are_there(settings: Settings, log: MadeLog) -> None:  # noqa: F811
    done = limits(settings, "log", "prove", "3")
    assert done.returncode == 0 and "; who signed it was not checked, for there are no public keys at " in done.stderr
    done = limits(settings, "log", "prove", "3", "--public-key", str(log.public))
    assert done.returncode == 0 and done.stderr.endswith("hashes\n") and json.loads(done.stdout)["entry_id"] == 3
    log.public.write_text(checkpoint.write_public_keys([THIEF.public]))
    done = limits(settings, "log", "prove", "3", "--public-key", str(log.public))
    assert done.returncode == 1 and "entry 3 cannot be proved: the checkpoint is signed by" in done.stderr


def test_consistency_is_checked_before_it_is_written(settings: Settings, log: MadeLog, conn: Connection) -> None:  # noqa: F811
    log.seal()
    unguard(conn)
    run(conn, "UPDATE limits.sealed_batches SET digest = %(d)s WHERE position = 1", d=merkle.EMPTY)
    file = log.file.with_name("c.json")
    done = limits(settings, "log", "consistency", "1", "2", "--public-key", str(log.public), "-o", str(file))
    assert done.returncode == 1 and not file.exists()
