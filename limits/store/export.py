"""Writing log entries to CSV, JSON lines or Parquet, one block of columns at a time.

The texts of a block are put together column by column: nothing here runs once for each entry but compiled code.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from limits.portfolio import Bool, Int
from limits.reasons import Reason
from limits.store import arrow
from limits.store.export_reading import COLUMNS, Entries
from limits.store.log import reason_code

#: First characters that make a spreadsheet run a text as a formula (the wide ones do in some).
FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")

_CODES = [reason_code(reason) for reason in Reason]
_NEWLINE = "\n"

#: Tells how many entries are written.
Progress = Callable[[int], None]


def harmless(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would take it for a formula.

    Blanks and characters that nobody sees before the sign make no difference.
    """
    seen = text.lstrip()
    while seen and unicodedata.category(seen[0]) in ("Cc", "Cf", "Zs", "Zl", "Zp"):
        seen = seen[1:]
    return "'" + text if text[:1] in ("\t", "\r", "\n") or seen.startswith(FORMULA_STARTS) else text


def write_csv(entries: Iterator[Entries], file: BinaryIO, progress: Progress) -> int:
    """CSV in UTF-8 with a heading. Reasons are separated by spaces; the ceilings are one JSON object."""
    file.write((",".join(COLUMNS) + _NEWLINE).encode())
    return _write_lines(entries, file, progress, _csv_lines)


def write_jsonl(entries: Iterator[Entries], file: BinaryIO, progress: Progress) -> int:
    """One JSON object a line."""
    return _write_lines(entries, file, progress, _json_lines)


def write_parquet(entries: Iterator[Entries], file: BinaryIO, progress: Progress) -> int:
    """Parquet with one row group for each block; amounts are int64, digests are hex text as in the other formats."""
    schema = _parquet_schema()
    count = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for block in entries:
            arrays = [_parquet_column(block, name, kind) for name, kind in COLUMNS.items()]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(block)
            progress(count)
    return count


WRITERS: dict[str, Callable[[Iterator[Entries], BinaryIO, Progress], int]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
}


def _write_lines(
    entries: Iterator[Entries], file: BinaryIO, progress: Progress, lines: Callable[[Entries], Any]
) -> int:
    count = 0
    for block in entries:
        file.write(_bytes_of(lines(block)))
        count += len(block)
        progress(count)
    return count


# Lines -----------------------------------------------------------------------------------


def _csv_lines(block: Entries) -> Any:
    """The lines of a block as an array of texts."""
    columns = [_as_text(block, name, kind, _csv_text, "") for name, kind in COLUMNS.items()]
    reasons, ceilings = list(COLUMNS).index("reasons"), list(COLUMNS).index("ceilings_minor")
    columns[reasons] = _joined(block.reason_cells, _of_code(block.reason_code, _CODES), " ")
    keys = _of_code(block.cell_code, [f'""{code}"":' for code in _CODES])
    bounds = _joined(block.cells, _concatenate(keys, _text_of_numbers(block.cell_value)), ",")
    quote = pc.if_else(arrow.array(np.diff(block.cells) > 0), '"', "")
    columns[ceilings] = _concatenate(quote, "{", bounds, "}", quote)
    return _concatenate(pc.binary_join_element_wise(*columns, ","), _NEWLINE)


def _json_lines(block: Entries) -> Any:
    """The lines of a block as an array of texts."""
    parts: list[Any] = []
    for place, (name, kind) in enumerate(COLUMNS.items()):
        parts.append(f'{", " if place else "{"}"{name}": ')
        if kind == "strings":
            codes = _of_code(block.reason_code, [f'"{code}"' for code in _CODES])
            parts += ["[", _joined(block.reason_cells, codes, ", "), "]"]
        elif kind == "ceilings":
            keys = _of_code(block.cell_code, [f'"{code}": ' for code in _CODES])
            bounds = _concatenate(keys, _text_of_numbers(block.cell_value))
            parts += ["{", _joined(block.cells, bounds, ", "), "}"]
        elif kind in ("date", "instant"):
            parts.append(pc.if_else(*_quoted(_as_text(block, name, kind, _json_text, None))))
        else:
            parts.append(_as_text(block, name, kind, _json_text, "null"))
    return _concatenate(*parts, "}" + _NEWLINE)


def _as_text(block: Entries, name: str, kind: str, text: Callable[[str | None], str], null: str | None) -> Any:
    """A column of single values as texts, ``null`` where there is none."""
    if kind in ("strings", "ceilings"):
        return None
    if kind == "string":
        run = block.texts[name]
        return _of_code(run.code, [text(value) for value in run.values])
    numbers, there = block.numbers[name]
    if kind == "int64":
        found = _text_of_numbers(numbers, there)
    elif kind == "date":
        found = arrow.array(numbers.astype(np.int32), there).cast(pa.date32()).cast(pa.string())
    else:
        found = _text_of_instants(numbers)
    return found if null is None else found.fill_null(null)


def _csv_text(value: str | None) -> str:
    """A text as a cell of CSV, quoted where it holds what separates cells or lines."""
    text = "" if value is None else harmless(value)
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in '",\r\n') else text


_json_text = partial(json.dumps, ensure_ascii=False)


def _quoted(texts: Any) -> tuple[Any, Any, str]:
    """What pc.if_else takes to put quotes around texts, and null where there is none."""
    return texts.is_valid(), _concatenate('"', texts.fill_null(""), '"'), "null"


def _text_of_numbers(numbers: Int, there: Bool | None = None) -> Any:
    return arrow.array(numbers, there).cast(pa.string())


def _text_of_instants(micros: Int) -> Any:
    """Instants as Python's isoformat writes them in UTC: without a fraction where it is zero."""
    whole = arrow.array(micros - micros % 1_000_000).cast(pa.timestamp("us")).cast(pa.timestamp("s")).cast(pa.string())
    parts = pc.utf8_lpad(arrow.array(micros % 1_000_000).cast(pa.string()), 6, "0")
    fraction = pc.if_else(arrow.array(micros % 1_000_000 != 0), _concatenate(".", parts), "")
    return _concatenate(pc.replace_substring(whole, " ", "T"), fraction, "+00:00")


def _of_code(code: Int, values: Sequence[str | None]) -> Any:
    """Texts by their codes; an array without values has no code."""
    return arrow.texts(values).take(arrow.array(code))


def _joined(ends: Int, texts: Any, separator: str) -> Any:
    """One text for each row, of its cells from ends[k] to ends[k + 1]."""
    return pc.binary_join(pa.ListArray.from_arrays(arrow.array(ends.astype(np.int32)), texts), separator)


def _concatenate(*texts: Any) -> Any:
    return pc.binary_join_element_wise(*texts, "")


def _bytes_of(texts: Any) -> memoryview:
    """The texts one after the other, as they lie in memory."""
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)
    first, last = (int(ends[texts.offset + place]) for place in (0, len(texts)))
    return memoryview(data)[first:last]


# Parquet ---------------------------------------------------------------------------------


def _parquet_schema() -> Any:
    types = {
        "int64": pa.int64(),
        "string": pa.string(),
        "date": pa.date32(),
        "instant": pa.timestamp("us", tz="UTC"),
        "strings": pa.list_(pa.string()),
        "ceilings": pa.map_(pa.string(), pa.int64()),
    }
    return pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])


def _parquet_column(block: Entries, name: str, kind: str) -> Any:
    if kind == "string":
        run = block.texts[name]
        return _of_code(run.code, run.values)
    if kind == "strings":
        ends = arrow.array(block.reason_cells.astype(np.int32))
        return pa.ListArray.from_arrays(ends, _of_code(block.reason_code, _CODES))
    if kind == "ceilings":
        ends = arrow.array(block.cells.astype(np.int32))
        return pa.MapArray.from_arrays(ends, _of_code(block.cell_code, _CODES), arrow.array(block.cell_value))
    numbers, there = block.numbers[name]
    if kind == "date":
        return arrow.array(numbers.astype(np.int32), there).cast(pa.date32())
    array = arrow.array(numbers, there)
    return array if kind == "int64" else array.cast(pa.timestamp("us", tz="UTC"))
