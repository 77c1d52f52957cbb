"""A portfolio as the bytes of one Parquet file, and back.

Any reader of Parquet opens it: a row for each user, a column for each fact, and for each month a column of each
flow, such as ``inflow_2026_05``; of few users one column of lists for each flow. ``observed`` has a bit for each month,
the lowest for the oldest. Of the payment record a column for each statement in the same way, such as
``record_balance_1`` of the newest, and ``record_held``. What is one value for all stands in the metadata, as JSON under
``limits``.

Snapshots of format 1 have no record and are read as if there had been no statement, as what was decided from them was.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from limits.errors import SnapshotError
from limits.portfolio import FACTS, STATEMENTS, CashFlow, Dates, Int, PaymentRecord, Portfolio
from limits.store import arrow

#: Raised when the columns of a portfolio, or how they are written, change.
FORMAT = 2
_WITHOUT_RECORD = 1

FLOWS = tuple(f.name for f in dataclasses.fields(CashFlow) if f.name not in ("months", "observed"))
#: What a payment record says of each statement.
RECORD = tuple(f.name for f in dataclasses.fields(PaymentRecord) if f.name != "held")

#: Users whose months are turned at a time, so that they stay in the cache of the processor.
_TURNED = 2048
#: From so many users on a month is a column of its own: a column costs 40 us and 100 bytes, a list 10 ns a month.
MANY = 4000
#: Months that the bits of ``observed`` can tell.
MOST_MONTHS = 63
_NARROW = np.iinfo(np.int32)

Columns = dict[str, Any]


# Bytes --------------------------------------------------------------------------------------


def encode(portfolio: Portfolio) -> bytes:
    """The portfolio as one Parquet file; equal portfolios give equal bytes with the same version of Arrow.

    SnapshotError names what a portfolio cannot have: a column of another type, a day beyond all calendars, more
    than 63 months.
    """
    columns: Columns = {}
    widths = {}
    for name in FACTS:
        values = getattr(portfolio, name)
        if values.dtype.kind == "U":
            widths[name] = values.dtype.itemsize // 4
        columns[name] = _fact(name, values)
    columns |= _months(portfolio.cash_flow) | _record(portfolio.payment_record)
    described = {
        "format": FORMAT,
        "as_of": portfolio.as_of.isoformat(),
        "currency": portfolio.currency,
        "months": portfolio.cash_flow.months.astype("datetime64[M]").astype(str).tolist(),
        "text_widths": widths,
    }
    schema = pa.schema([pa.field(n, a.type, nullable=a.type == pa.date32()) for n, a in columns.items()])
    sink = pa.BufferOutputStream()
    # Bytes of equal weight beside each other: the high ones of amounts are nearly all alike, the low ones
    # are noise that the codec then passes by. Smaller and faster than compressing whole numbers.
    split = [name for name, array in columns.items() if array.type in (pa.int32(), pa.int64(), pa.date32())]
    with pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=list(widths),
        use_byte_stream_split=split,
        write_statistics=False,
        store_schema=False,
    ) as writer:
        writer.write_table(pa.Table.from_arrays(list(columns.values()), schema=schema), max(1, len(portfolio)))
        writer.add_key_value_metadata({"limits": json.dumps(described)})
    return sink.getvalue().to_pybytes()


def decode(body: bytes) -> Portfolio:
    """The portfolio of a snapshot, equal in every array and dtype. SnapshotError when it is none."""
    try:
        file = pq.ParquetFile(pa.BufferReader(body), read_dictionary=["segment", "industry", "jurisdiction"])
        described = json.loads((file.metadata.metadata or {}).get(b"limits", b"null"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SnapshotError(f"the snapshot is not Parquet: {str(error).splitlines()[0]}") from error
    if not isinstance(described, dict) or described.get("format") not in (_WITHOUT_RECORD, FORMAT):
        kind = described.get("format") if isinstance(described, dict) else "none"
        raise SnapshotError(
            f"the snapshot has format {kind}; this version reads formats {_WITHOUT_RECORD} and {FORMAT}"
        )
    try:
        return _portfolio(file.read(use_threads=False), described)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        words = str(error).splitlines()[0]
        raise SnapshotError(f"the snapshot is not one of format {described['format']}, or damaged: {words}") from error


def _portfolio(table: Any, described: dict[str, Any]) -> Portfolio:
    """The portfolio of a table that was read, with what its metadata say."""
    found = {name: column.combine_chunks() for name, column in zip(table.column_names, table.columns, strict=True)}
    months = np.array(described["months"], dtype="datetime64[M]")
    shape = len(table), len(months)
    flows = {flow: _cells(found, flow, _names(flow, months), shape) for flow in FLOWS}
    record = PaymentRecord.none(shape[0])
    if described["format"] != _WITHOUT_RECORD:
        cells = {n: _cells(found, f"record_{n}", _places(n), (shape[0], STATEMENTS)) for n in RECORD}
        record = PaymentRecord(held=_values(found["record_held"], None), **cells)
    bits = arrow.whole(found["observed"]).astype("<i8").view(np.uint8).reshape(-1, 8)
    observed = np.unpackbits(bits, axis=1, count=shape[1], bitorder="little").astype(np.bool_)
    facts = {name: _values(found[name], described["text_widths"].get(name)) for name in FACTS}
    return Portfolio(
        as_of=dt.date.fromisoformat(described["as_of"]),
        currency=described["currency"],
        cash_flow=CashFlow(months=months, observed=observed, **flows),
        payment_record=record,
        **facts,
    )


# Columns to Arrow ---------------------------------------------------------------------------


def _fact(name: str, values: NDArray[Any]) -> Any:
    """One column (n,) of a portfolio."""
    if values.dtype == np.int64:
        return arrow.array(_narrowed(values))
    if values.dtype == np.bool_:
        return arrow.array(values)
    if values.dtype == np.dtype("datetime64[D]"):
        return _dates(name, values)
    if values.dtype.kind == "U":
        return _texts(values)
    raise SnapshotError(f"the column {name} is of type {values.dtype}, which no portfolio has")


def _dates(name: str, values: Dates) -> Any:
    """Days, NaT as null."""
    known = ~np.isnat(values)
    days = np.where(known, values.astype(np.int64), 0)
    if not _fits(days):
        raise SnapshotError(f"the column {name} has a day beyond all calendars")
    return arrow.dates(days.astype(np.int32), known)


def _texts(values: NDArray[np.str_]) -> Any:
    """Texts (n,), of which few are different, as codes and a dictionary in the order of their first user."""
    if not len(values):
        return arrow.texts([]).dictionary_encode()
    # Sorting texts, or making each a text of Python, costs ten times as much as all this.
    letters = np.ascontiguousarray(values).view(np.uint32).reshape(len(values), -1)
    weights = np.cumprod(np.full(letters.shape[1], 0x9E3779B97F4A7C15, dtype=np.uint64))
    codes = arrow.whole(arrow.array((letters * weights).sum(axis=1, dtype=np.uint64)).dictionary_encode().indices)
    first = np.empty(codes.max() + 1, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(values))[::-1]
    different = values[first]
    if not np.array_equal(different[codes], values):  # two texts with one sum
        return arrow.texts(values.tolist()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(arrow.array(codes), arrow.texts(different.tolist()))


def _months(cash_flow: CashFlow) -> Columns:
    """The flows, and which months were observed."""
    users, months = cash_flow.observed.shape
    if months > MOST_MONTHS:
        raise SnapshotError(f"a snapshot holds at most {MOST_MONTHS} months of cash flow, not {months}")
    bits = np.zeros((users, 8), dtype=np.uint8)
    packed = np.packbits(cash_flow.observed, axis=1, bitorder="little")
    bits[:, : packed.shape[1]] = packed
    columns: Columns = {"observed": arrow.array(bits.reshape(-1).view("<i8").astype(np.int64, copy=False))}
    for flow in FLOWS:
        columns |= _spread(flow, getattr(cash_flow, flow), _names(flow, cash_flow.months))
    return columns


def _record(record: PaymentRecord) -> Columns:
    columns: Columns = {"record_held": arrow.array(_narrowed(record.held))}
    for name in RECORD:
        columns |= _spread(f"record_{name}", getattr(record, name), _places(name))
    return columns


def _spread(name: str, values: Int, names: list[str]) -> Columns:
    """Values (n, c) as columns of these names (c,), or of few users as one column of lists."""
    if len(values) < MANY:
        starts = arrow.array(np.arange(len(values) + 1, dtype=np.int32) * values.shape[1])
        return {name: pa.ListArray.from_arrays(starts, arrow.array(_narrowed(values).reshape(-1)))}
    turned = _turned(values)
    return {one: arrow.array(turned[place]) for place, one in enumerate(names)}


def _names(flow: str, months: Dates) -> list[str]:
    """The columns of a flow."""
    return [f"{flow}_{month}".replace("-", "_") for month in months.astype("datetime64[M]").astype(str).tolist()]


def _places(name: str) -> list[str]:
    """The columns of what the payment record says of each statement, the newest first."""
    return [f"record_{name}_{place + 1}" for place in range(STATEMENTS)]


def _turned(values: Int) -> NDArray[np.int32] | Int:
    """(m, n) of (n, m), as int32 where all of it fits."""
    turned = np.empty(values.shape[::-1], dtype=np.int32)
    for start in range(0, len(values), _TURNED):
        block = values[start : start + _TURNED]
        if not _fits(block):
            return np.ascontiguousarray(values.T)
        np.copyto(turned[:, start : start + _TURNED], block.T, casting="unsafe")
    return turned


def _fits(values: Int) -> bool:
    """Whether int32 holds all of them."""
    return not values.size or bool(values.min() >= _NARROW.min and values.max() <= _NARROW.max)


def _narrowed(values: Int) -> NDArray[np.int32] | Int:
    """Contiguous, as int32 where that holds all of them."""
    return values.astype(np.int32, order="C") if _fits(values) else np.ascontiguousarray(values)


# Columns from Arrow -------------------------------------------------------------------------


def _values(array: Any, width: int | None) -> NDArray[Any]:
    """One column (n,) with the dtype that it had."""
    if width is not None:
        texts = np.array(array.dictionary.to_pylist() or [""], dtype=f"U{width}")
        return texts[arrow.whole(array.indices)]
    if array.type == pa.bool_():
        return arrow.truths(array)
    if array.type == pa.date32():
        days = arrow.numbers(array).astype(np.int64).view("datetime64[D]")
        return np.where(arrow.there(array), days, np.datetime64("NaT"))
    return arrow.whole(array).astype(np.int64)


def _cells(found: Columns, name: str, names: list[str], shape: tuple[int, int]) -> Int:
    """Values (n, c): one column of lists, or the columns of these names (c,)."""
    values = np.empty(shape, dtype=np.int64)
    if name in found:
        values[:] = arrow.whole(found[name].flatten()).reshape(shape)
        return values
    columns = [arrow.whole(found[one]) for one in names]
    for start in range(0, shape[0], _TURNED):
        for place, column in enumerate(columns):
            values[start : start + _TURNED, place] = column[start : start + _TURNED]
    return values
