"""The log as one file that can be checked with no database: Parquet, a row for each batch, in order of position.

    position   its leaf of the log's tree
    batch_id   empty for leaf 0, the record of what was logged before there were batches
    record     the record, exactly as it was hashed
    path       the proof that it stands at its position of the tree; empty where the file holds all of them
    entry_id   a list: the numbers of its entries, which are not hashed
    entry      a list: the bytes of each entry, exactly as they were hashed, in order

The file's metadata, under the name ``limits``, is JSON: format, the note of the checkpoint that the
file goes up to, and whether it holds the whole log up to there (``whole``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limits import merkle
from limits.checkpoint import Note
from limits.entry import OriginRecord
from limits.errors import InputError
from limits.log_check import Batch, Stored
from limits.log_proof import Tree
from limits.store import archives
from limits.store.db import Connection
from limits.store.logged_rows import Reader
from limits.store.queries import query

FORMAT = "limits log 1"
_KEY = b"limits"
_SCHEMA = pa.schema(
    [
        ("position", pa.int64()),
        ("batch_id", pa.int64()),
        ("record", pa.string()),
        ("path", pa.list_(pa.binary(merkle.HASH_BYTES))),
        ("entry_id", pa.list_(pa.int64())),
        ("entry", pa.list_(pa.binary())),
    ]
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A row of the file. ``stored`` None: leaf 0."""

    position: int
    batch_id: int | None
    record: str
    path: list[bytes]
    stored: Stored | None


# Writing ----------------------------------------------------------------------------------------


def write(
    conn: Connection,
    file: BinaryIO,
    note: Note,
    wanted: dict[str, Any],
    progress: Callable[[int, int], None] = lambda done, all_of_them: None,
) -> tuple[int, int]:
    """Writes what is sealed up to a checkpoint, all or what is ``wanted`` of it; batches and entries written.

    ``wanted``: review_id, as_of_from and as_of_to of verify_batches; all None: the whole log, or what is left of it
    where months are archived, each batch with its proof.
    """
    whole = all(value is None for value in wanted.values()) and not archives.months(conn)
    size = note.checkpoint.tree_size
    said = {"format": FORMAT, "whole": whole, "note": note.write()}
    schema = _SCHEMA.with_metadata({_KEY: json.dumps(said).encode()})
    batches = entries = 0
    tree = None if whole else Tree(leaves(conn, size))
    reader = Reader(conn)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        if whole:
            writer.write_table(_table([_origin(conn)], schema))
        for group in reader.ahead("verify_batches", **wanted, since=0, until=size):
            found = [_leaf(batch, stored, tree) for batch, stored in group]
            writer.write_table(_table(found, schema))
            batches, entries = batches + len(found), reader.counts.entries
            progress(entries, note.checkpoint.entries if whole else 0)
    return batches, entries


def leaves(conn: Connection, size: int) -> list[bytes]:
    """The first leaves of the log's tree, as the database has them."""
    with conn.cursor(binary=True) as cursor:
        return [digest for (digest,) in cursor.execute(query("prove_leaves"), {"size": size})]


def _origin(conn: Connection) -> Leaf:
    row = conn.execute(query("verify_origin_said")).fetchone()
    if row is None:
        raise InputError("the log cannot be exported: what was logged before there were batches is written nowhere")
    return Leaf(0, None, OriginRecord(*row).write(), [], None)


def _leaf(batch: Batch, stored: Stored, tree: Tree | None) -> Leaf:
    assert batch.position is not None, "a batch that is sealed has a position"
    path = tree.inclusion(batch.position) if tree else []
    return Leaf(batch.position, batch.batch_id, batch.record, path, stored)


def _table(rows: list[Leaf], schema: pa.Schema) -> pa.Table:
    counts = [len(row.stored) if row.stored else 0 for row in rows]
    cuts = pa.array(np.cumsum([0, *counts]), pa.int32())
    some = [row.stored for row in rows if row.stored]
    ids = np.concatenate([s.entry_id for s in some]) if some else np.empty(0, dtype=np.int64)
    body = np.concatenate([s.body for s in some]) if some else np.empty(0, dtype=np.uint8)
    lengths = np.concatenate([np.diff(s.offsets) for s in some]) if some else np.empty(0, dtype=np.int64)
    ends = np.concatenate([[0], lengths]).cumsum().astype(np.int32)
    entries = pa.BinaryArray.from_buffers(pa.binary(), len(ids), [None, pa.py_buffer(ends), pa.py_buffer(body)])
    return pa.Table.from_arrays(
        [
            pa.array([row.position for row in rows], pa.int64()),
            pa.array([row.batch_id for row in rows], pa.int64()),
            pa.array([row.record for row in rows], pa.string()),
            pa.array([row.path for row in rows], schema.field("path").type),
            pa.ListArray.from_arrays(cuts, pa.array(ids, pa.int64())),
            pa.ListArray.from_arrays(cuts, entries),
        ],
        schema=schema,
    )


# Reading ----------------------------------------------------------------------------------------


class ProofFile:
    """A file that ``write`` made. InputError where it cannot be read as one."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = pq.ParquetFile(path)
            said = json.loads((self._file.schema_arrow.metadata or {})[_KEY])
            self.whole, self.note = bool(said["whole"]), str(said["note"])
            if said["format"] != FORMAT or not self._file.schema_arrow.equals(_SCHEMA):
                raise ValueError
        except OSError as error:
            raise InputError(f"the export {path} cannot be read: {error.strerror or error}") from None
        except (pa.ArrowException, KeyError, TypeError, ValueError, RecursionError):
            raise InputError(f"{path} is no export that limits log export-proof writes in format {FORMAT!r}") from None
        self.path = path

    def leaves(self) -> Iterator[list[Leaf]]:
        """The rows, some at a time. InputError where the file is damaged."""
        for group in range(self._file.num_row_groups):
            try:
                table = self._file.read_row_group(group)
                rows = list(_rows(table))
            except (OSError, pa.ArrowException, ValueError) as error:
                raise InputError(f"the export {self.path} is damaged: {error}") from None
            yield rows


def _rows(table: pa.Table) -> Iterator[Leaf]:
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    if any(columns[name].null_count for name in ("position", "record", "path", "entry_id", "entry")):
        raise ValueError("a value is missing")
    ids, entries = columns["entry_id"], columns["entry"]
    cuts = entries.offsets.to_numpy().astype(np.int64)
    if not np.array_equal(cuts, ids.offsets.to_numpy()):
        raise ValueError("numbers and entries do not go together")
    numbers = ids.values.to_numpy()
    _, ends, data = entries.values.buffers()
    offsets = np.frombuffer(ends, dtype=np.int32)[entries.values.offset :][: len(entries.values) + 1].astype(np.int64)
    body = np.frombuffer(data, dtype=np.uint8) if data else np.frombuffer(bytes(1), dtype=np.uint8)[1:]
    hashes = merkle.leaf_hashes(body, offsets)
    positions, batches = columns["position"].to_pylist(), columns["batch_id"].to_pylist()
    rows = zip(positions, batches, columns["record"].to_pylist(), columns["path"].to_pylist(), strict=True)
    for row, (position, batch_id, record, path) in enumerate(rows):
        start, stop = int(cuts[row]), int(cuts[row + 1])
        stored = None
        if batch_id is None and start != stop:
            raise ValueError("entries of no batch")
        if batch_id is not None:
            mine = offsets[start : stop + 1]
            stored = Stored(
                numbers[start:stop], np.arange(stop - start), body[mine[0] : mine[-1]], mine - mine[0],
                hashes[start:stop],
            )  # fmt: skip
        yield Leaf(position, batch_id, record, path, stored)
