"""I4: the log holds together, from its bytes alone: entries, the trees over them, the records and their lanes.

Of archived months the records and lanes alone: their entries are in files, and none may be left here.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from psycopg.rows import dict_row

from limits import merkle
from limits.entry import NONE, ZEROS, BatchRecord, Entries, decode
from limits.portfolio import UNBOUNDED
from limits.store.db import Connection

_ENTRIES = """
    SELECT l.*, p.effective_on, coalesce(n.notice, 0) AS notice, n.due_on AS notice_due_on
      FROM limits.adjustment_log l
      LEFT JOIN limits.pending_changes p USING (entry_id)
      LEFT JOIN (SELECT entry_id, due_on, array_position(
                            ARRAY['raised', 'lowered', 'offered', 'announced', 'refused', 'withdrawn'], kind) AS notice
                   FROM limits.notices) n USING (entry_id)
     WHERE l.batch_id IS NOT NULL ORDER BY l.batch_id, l.sequence"""
#: What the record says of every entry of its batch, by the columns of the log.
_SHARED = {
    "review_id": "review", "shard": "shard", "as_of": "as_of", "currency": "currency", "policy_hash": "policy",
    "input_digest": "input", "code_version": "code", "actor": "actor", "role": "role", "session_role": "login",
    "decided_at": "applied_at",
}  # fmt: skip


def breaches(conn: Connection) -> list[str]:
    """What does not hold, one sentence each."""
    with conn.cursor(row_factory=dict_row) as cursor:
        logged = cursor.execute(_ENTRIES).fetchall()
        batches = cursor.execute("SELECT * FROM limits.batches ORDER BY batch_id").fetchall()
        months = cursor.execute(
            "SELECT month, entries, delta_minor FROM limits.archived_months ORDER BY month"
        ).fetchall()
    archived = {row["month"]: [0, 0] for row in months}
    by_batch = {number: list(rows) for number, rows in itertools.groupby(logged, lambda row: row["batch_id"])}
    found, lanes = [], dict[tuple[int, int], bytes]()
    if odd := set(by_batch) - {batch["batch_id"] for batch in batches}:
        found.append(f"entries of batches {odd} that there are not")
    for batch in batches:
        rows = by_batch.get(batch["batch_id"], [])
        lane = batch["review_id"], batch["shard"]
        away = BatchRecord.parse(batch["record"]).as_of.replace(day=1) in archived
        found += [f"batch {batch['batch_id']}: {why}" for why in _batch(batch, rows, lanes.get(lane, ZEROS), away)]
        lanes[lane] = batch["digest"]
        record = BatchRecord.parse(batch["record"])
        if (sums := archived.get(record.as_of.replace(day=1))) is not None:
            sums[0] += record.users
            sums[1] += record.delta_minor
    for row in months:
        if archived[row["month"]] != [row["entries"], row["delta_minor"]]:
            found.append(f"archive of {row['month']}: not what the records of its batches come to")
    return found


def _batch(batch: dict[str, Any], rows: list[dict[str, Any]], previous: bytes, away: bool) -> list[str]:
    found = []
    record = BatchRecord.parse(batch["record"])
    if batch["digest"] != merkle.leaf_hash(batch["record"].encode()) or record.previous != previous:
        found.append("digest or lane")
    if away:
        return found + ["entries of an archived month"] * bool(rows)
    leaves = [merkle.leaf_hash(row["entry"]) for row in rows]
    if not record.root == batch["root"] == merkle.root(leaves) or [row["sequence"] for row in rows] != [
        *range(len(rows))
    ]:
        found.append("root or sequence")
    delta = sum(row["limit_after_minor"] - row["limit_before_minor"] for row in rows)
    said = (
        record.batch,
        record.review,
        record.shard,
        record.token,
        record.users,
        record.delta_minor,
        record.applied_at,
    )
    if said != (
        *(batch[name] for name in ("batch_id", "review_id", "shard", "token")),
        len(rows),
        delta,
        batch["applied_at"],
    ):
        found.append("record")
    offsets = np.cumsum([0, *(len(row["entry"]) for row in rows)])
    entries = decode(b"".join(row["entry"] for row in rows), offsets)
    for place, row in enumerate(rows):
        found += [f"entry {row['entry_id']}: {name}" for name in _differing(entries, place, row)]
        found += [
            f"entry {row['entry_id']}: {name}" for name, said in _SHARED.items() if row[name] != getattr(record, said)
        ]
    return found


def _differing(entries: Entries, place: int, row: dict[str, Any]) -> list[str]:
    names = [name for name in Entries.__dataclass_fields__ if name not in ("ceilings", "format")]
    differing = [name for name in names if _value(getattr(entries, name)[place]) != row[name]]
    ceilings = [_value(bound) for bound in entries.ceilings[place]]
    return differing + ["ceilings_minor"] * (ceilings != row["ceilings_minor"])


def _value(value: np.generic) -> Any:
    """As the database has it: nothing where the entry has none."""
    if isinstance(value, np.datetime64):
        return value.item()
    number = int(value)
    return None if number in (NONE, UNBOUNDED) else number
