"""What somebody does who is superuser and wants another history: every trigger off, every constraint gone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from limits import checkpoint, merkle
from limits.checkpoint import Checkpoint, PrivateKey
from limits.entry import BatchRecord, Entries, decode, encode, record_digest
from limits.store.db import Connection
from tests.made_log import MadeLog

THIEF = PrivateKey("made", bytes(range(1, 33)))  # the same name as the honest key

_TABLES = "^(adjustment_log|batches|sealed_batches|checkpoints|notices|pending_changes|log_origin|archived_)"
_OFF = f"""DO $$ DECLARE r record; BEGIN
    FOR r IN SELECT c.oid::regclass AS name FROM pg_class c
              WHERE c.relnamespace = 'limits'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname ~ '{_TABLES}'
    LOOP EXECUTE format('ALTER TABLE %s DISABLE TRIGGER ALL', r.name); END LOOP;
    FOR turn IN 1..2 LOOP   -- those of the months once they are no longer those of the whole
        FOR r IN SELECT c.oid::regclass AS name, k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
                  WHERE k.contype IN ('c', 'u') AND k.coninhcount = 0
                    AND c.relnamespace = 'limits'::regnamespace AND c.relname ~ '{_TABLES}'
        LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', r.name, r.conname); END LOOP;
    END LOOP;
    FOR r IN SELECT c.oid::regclass AS name, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
              WHERE a.attnotnull AND a.attnum > 0 AND c.relname IN ('adjustment_log', 'batches')
                AND c.relnamespace = 'limits'::regnamespace AND a.attidentity = ''
                AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary
                                   AND a.attnum = ANY (i.indkey::smallint[]))
    LOOP EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', r.name, r.attname); END LOOP;
END $$"""


def unguard(conn: Connection) -> None:
    """Nothing stands in the way any more; of the foreign keys only those to the reviews are taken away."""
    conn.execute(_OFF.encode())
    conn.execute("ALTER TABLE limits.batches DROP CONSTRAINT IF EXISTS batches_review_id_fkey")


def run(conn: Connection, statement: str, **values: Any) -> None:
    """A statement that must change something."""
    assert conn.execute(statement.encode(), values).rowcount > 0, "the forgery did nothing"


def rewrite(conn: Connection, batch: int, place: int, **values: int) -> bytes:
    """Other values for one entry of a batch, in the columns and in the bytes; the root that this makes."""
    rows = conn.execute(
        "SELECT entry FROM limits.adjustment_log WHERE batch_id = %s ORDER BY sequence", (batch,)
    ).fetchall()
    bodies = [body for (body,) in rows]
    made = decode(b"".join(bodies), np.cumsum([0, *map(len, bodies)]))
    changed = _with(made, place, values)
    body, offsets = encode(changed)
    sets = ", ".join(f"{name} = %({name})s" for name in values)
    run(
        conn, f"UPDATE limits.adjustment_log SET {sets}, entry = %(entry)s WHERE batch_id = %(b)s AND sequence = %(s)s",
        entry=body[offsets[place] : offsets[place + 1]].tobytes(), b=batch, s=place, **values,
    )  # fmt: skip
    return merkle.root(merkle.leaf_hashes(body.data, offsets))


def _with(made: Entries, place: int, values: dict[str, int]) -> Entries:
    columns = {name: getattr(made, name).copy() for name in values}
    for name, value in values.items():
        columns[name][place] = value
    return dataclasses.replace(made, **columns)


def rerecord(conn: Connection, batch: int, *, sealed: bool = False, **values: Any) -> bytes:
    """Another record for a batch, with all columns to match; where ``sealed``, its leaf too. The new digest."""
    (text,) = conn.execute("SELECT record FROM limits.batches WHERE batch_id = %s", (batch,)).fetchone() or ("",)
    record = dataclasses.replace(BatchRecord.parse(text), **values)
    digest = record_digest(record.write())
    run(
        conn,
        """UPDATE limits.batches
              SET review_id = %(r)s, shard = %(s)s, token = %(t)s, users = %(u)s, delta_minor = %(d)s, root = %(root)s,
                  applied_at = %(at)s, record = %(text)s, digest = %(digest)s
            WHERE batch_id = %(b)s""",
        r=record.review, s=record.shard, t=record.token, u=record.users, d=record.delta_minor, root=record.root,
        at=record.applied_at, text=record.write(), digest=digest, b=batch,
    )  # fmt: skip
    if sealed:
        run(conn, "UPDATE limits.sealed_batches SET digest = %(d)s WHERE batch_id = %(b)s", d=digest, b=batch)
    return digest


def resign(conn: Connection, log: MadeLog, key: PrivateKey, first: int = 1) -> list[str]:
    """All checkpoints from a number on made anew over the leaves that are there now; all notes."""
    leaves = [bytes(digest) for (digest,) in conn.execute("SELECT digest FROM limits.sealed_batches ORDER BY position")]
    notes: list[str] = []
    for number, note in conn.execute("SELECT checkpoint_id, note FROM limits.checkpoints ORDER BY 1").fetchall():
        if number < first:
            notes.append(note)
            continue
        old = checkpoint.parse(note).checkpoint
        root = merkle.root(leaves[: old.tree_size])
        previous = checkpoint.digest(notes[-1]) if notes else checkpoint.ZEROS
        made: Checkpoint = dataclasses.replace(old, root=root, previous=previous)
        notes.append(checkpoint.sign(made, [key]))
        run(
            conn, "UPDATE limits.checkpoints SET root = %(r)s, note = %(n)s WHERE checkpoint_id = %(c)s",
            r=root, n=notes[-1], c=number,
        )  # fmt: skip
    return notes


def write_file(log: MadeLog, notes: Sequence[str]) -> None:
    """Other notes in the file of checkpoints."""
    log.file.write_text(checkpoint.join(notes), newline="\n")


def read_file(log: MadeLog) -> list[str]:
    """The notes of the file of checkpoints."""
    return list(checkpoint.split(log.file.read_text().splitlines(keepends=True)))
