"""Writing log entries to CSV, JSON lines or Parquet, one batch at a time."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from limits.store.log import LogEntry

#: First characters that make a spreadsheet run a text as a formula (the wide ones do in some).
FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")

#: Entries held in memory at a time.
BATCH_ROWS = 10_000


def harmless(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would take it for a formula."""
    dangerous = text[:1] in ("\t", "\r", "\n") or text.lstrip().startswith(FORMULA_STARTS)
    return "'" + text if dangerous else text


def write_csv(entries: Iterator[LogEntry], file: BinaryIO, progress: Callable[[int], None]) -> int:
    """CSV in UTF-8 with a heading. Reasons are separated by spaces; the ceilings are one JSON object."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    count = 0
    for count, entry in enumerate(entries, start=1):
        writer.writerow([_cell(value) for value in entry.as_dict().values()])
        if count % BATCH_ROWS == 0:
            progress(count)
    text.flush()
    text.detach()
    return count


def write_jsonl(entries: Iterator[LogEntry], file: BinaryIO, progress: Callable[[int], None]) -> int:
    """One JSON object a line."""
    count = 0
    for count, entry in enumerate(entries, start=1):
        file.write(json.dumps(entry.as_dict(), ensure_ascii=False).encode() + b"\n")
        if count % BATCH_ROWS == 0:
            progress(count)
    return count


def write_parquet(entries: Iterator[LogEntry], file: BinaryIO, progress: Callable[[int], None]) -> int:
    """Parquet with one row group for each batch; amounts are int64, digests are hex text as in the other formats."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _parquet_schema(pa)
    count = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while batch := [_parquet_row(entry) for entry in itertools.islice(entries, BATCH_ROWS)]:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
            progress(count)
    return count


WRITERS: dict[str, Callable[[Iterator[LogEntry], BinaryIO, Callable[[int], None]], int]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
}

#: The columns of every format, in the order of LogEntry.as_dict: arrow type by name.
_COLUMNS: dict[str, str] = {
    "entry_id": "int64",
    "review_id": "int64",
    "user_id": "int64",
    "as_of": "date",
    "decided_at": "instant",
    "action": "string",
    "currency": "string",
    "exponent": "int64",
    "limit_before_minor": "int64",
    "limit_after_minor": "int64",
    "disposition": "string",
    "proposed_minor": "int64",
    "effective_on": "date",
    "binding": "string",
    "reasons": "strings",
    "ceilings_minor": "ceilings",
    "lowest_ceiling_minor": "int64",
    "floor_minor": "int64",
    "capacity_p10_minor": "int64",
    "capacity_p50_minor": "int64",
    "capacity_p90_minor": "int64",
    "capacity_method": "string",
    "months_observed": "int64",
    "version_before": "int64",
    "version_after": "int64",
    "policy_pack": "string",
    "policy_effective_on": "date",
    "policy_hash": "string",
    "input_digest": "string",
    "code_version": "string",
    "actor": "string",
    "session_role": "string",
    "role": "string",
    "review_kind": "string",
    "schedule": "string",
    "review_reason": "string",
}


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"))
    return value


def _parquet_schema(pa: Any) -> Any:
    types = {
        "int64": pa.int64(),
        "string": pa.string(),
        "date": pa.date32(),
        "instant": pa.timestamp("us", tz="UTC"),
        "strings": pa.list_(pa.string()),
        "ceilings": pa.map_(pa.string(), pa.int64()),
    }
    return pa.schema([(name, types[kind]) for name, kind in _COLUMNS.items()])


def _parquet_row(entry: LogEntry) -> dict[str, Any]:
    row = entry.as_dict()
    row |= {
        "as_of": entry.as_of,
        "decided_at": entry.decided_at,
        "effective_on": entry.effective_on,
        "policy_effective_on": entry.policy_effective_on,
        "ceilings_minor": list(row["ceilings_minor"].items()),
    }
    return row
