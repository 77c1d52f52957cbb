"""The results of queries as NumPy columns, one entry per row: int64, bool, datetime64[D] or text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import pq
from psycopg.adapt import Dumper
from psycopg.types.datetime import DateBinaryLoader

from limits.portfolio import UNKNOWN, Int, Text
from limits.store.queries import query

#: Columns by name, one entry per row of the result.
Columns = dict[str, Any]

EPOCH_DAYS = 10_957  # PostgreSQL counts days from 2000-01-01, NumPy from 1970-01-01
NEVER = np.iinfo(np.int64).min  # NaT as a number

#: Arrays of numbers as the server sends them: for each type of element its NumPy type.
_ELEMENTS = {"bool": "u1", "int2": ">i2", "int4": ">i4", "int8": ">i8", "date": ">i4"}
_ARRAY_HEADER = 20  # dimensions, whether there is a NULL, type of the elements, length, lower bound: four bytes each


class _DayLoader(DateBinaryLoader):
    """Dates as days since 1970: also those that Python's date cannot hold, such as infinity."""

    def load(self, data: Any) -> Any:
        return int.from_bytes(bytes(data), "big", signed=True) + EPOCH_DAYS


def read(conn: psycopg.Connection[Any], name: str, **parameters: Any) -> Columns:
    """The result of a named query by column. NULL becomes UNKNOWN, False, NaT or an empty text.

    Arrays of bigint, all of one length and without a NULL, become a column of that many numbers for each row; of
    no rows it is as one without arrays.
    """
    with conn.cursor(binary=True) as cursor:
        cursor.adapters.register_loader("date", _DayLoader)
        rows = cursor.execute(query(name), parameters).fetchall()
        columns = cursor.description or []
    values: Iterable[tuple[Any, ...]] = zip(*rows, strict=True) if rows else [()] * len(columns)
    return {c.name: _column(c.type_code, v) for c, v in zip(columns, values, strict=True)}


def _column(type_code: int, values: tuple[Any, ...]) -> Any:
    known = psycopg.adapters.types[type_code]
    kind = known.name
    if known.array_oid == type_code:
        assert kind == "int8", f"arrays of {kind} cannot be loaded"
        return np.array(values, dtype=np.int64)
    if kind == "bool":
        return np.array([value is True for value in values], dtype=np.bool_)
    if kind in ("text", "bpchar"):
        return np.array([value or "" for value in values], dtype=np.str_)
    if kind == "date":
        return np.array([NEVER if v is None else v for v in values], dtype=np.int64).view("datetime64[D]")
    if kind in ("int4", "int8"):
        return np.array([UNKNOWN if value is None else value for value in values], dtype=np.int64)
    raise TypeError(f"a column of type {kind} cannot be loaded")


def read_arrays(conn: psycopg.Connection[Any], name: str, **parameters: Any) -> list[Columns]:
    """The rows of a query whose values are arrays without NULLs (of bool, int, date), bytea or single values.

    A parameter may be an int64 array (n,), for ``bigint[]``.

    Arrays become NumPy arrays: bool, int64, or datetime64[D] (NaT for '-infinity'). A row of arrays is
    decoded as a whole, so a query that gathers its columns with array_agg costs no Python step
    for each of them. An array that is NULL (of no rows at all) is empty.
    """
    with array_cursor(conn) as cursor:
        cursor.execute(query(name), parameters, prepare=False)
        result, columns = cursor.pgresult, cursor.description or []
        assert result is not None, "a query has a result"
        return [
            {c.name: _value(c.type_code, result.get_value(row, k)) for k, c in enumerate(columns)}
            for row in range(result.ntuples)
        ]


def between(user_ids: Int) -> dict[str, Any]:
    """Parameters that name users (n,), sorted: all between two of them where few others can be there, else each."""
    first, last = (int(user_ids[0]), int(user_ids[-1])) if len(user_ids) else (0, -1)
    dense = last - first < 2 * len(user_ids)
    return {"dense": dense, "first": first, "last": last, "user_ids": user_ids[:0] if dense else user_ids}


def array_cursor(conn: psycopg.Connection[Any]) -> psycopg.Cursor[Any]:
    """A cursor that sends int64 arrays as ``bigint[]``."""
    cursor = conn.cursor(binary=True)
    cursor.adapters.register_dumper(np.ndarray, _NumbersDumper)
    return cursor


def _value(type_code: int, data: bytes | None) -> Any:
    known = psycopg.adapters.types[type_code]
    if known.array_oid == type_code:
        return _array(known.name, data)
    if known.name == "bytea":
        return data or b""
    assert data is not None, f"a {known.name} that is NULL"
    if known.name == "bpchar":
        return data.decode()
    if known.name == "date":
        return dt.date(2000, 1, 1) + dt.timedelta(days=int.from_bytes(data, "big", signed=True))
    return int.from_bytes(data, "big", signed=True)


def _array(kind: str, data: bytes | None) -> NDArray[Any]:
    """Each element is its length (four bytes) and its value."""
    element = _ELEMENTS[kind]
    if data is None or len(data) <= _ARRAY_HEADER:
        values = np.zeros(0, dtype=element)
    else:
        assert data[4:8] == b"\0\0\0\0", "an array with a NULL in it"
        record = np.dtype([("length", ">i4"), ("value", element)])
        values = np.frombuffer(data, dtype=record, offset=_ARRAY_HEADER)["value"]
    if kind == "bool":
        return values.astype(np.bool_)
    if kind != "date":
        return values.astype(np.int64)
    days = values.astype(np.int64)
    never = days == np.iinfo(np.int32).min
    days += EPOCH_DAYS
    days[never] = NEVER
    return days.view("datetime64[D]")


class _NumbersDumper(Dumper):
    """An int64 array as bigint[], without a Python step for each number."""

    format = pq.Format.BINARY
    oid = psycopg.adapters.types["int8"].array_oid

    def dump(self, obj: NDArray[np.int64]) -> bytes:
        elements = np.empty(len(obj), dtype=[("length", ">i4"), ("value", ">i8")])
        elements["length"], elements["value"] = 8, obj
        header = (1, 0, psycopg.adapters.types["int8"].oid, len(obj), 1) if len(obj) else (0, 0, 20)
        return np.array(header, dtype=">i4").tobytes() + elements.tobytes()


def tight(texts: Text) -> Text:
    """The texts in the narrowest type that holds them, whoever else was read with them."""
    longest = max(1, int(np.strings.str_len(texts).max(initial=0)))
    return texts.astype(f"U{longest}")


def take(columns: Columns, rows: Any) -> Columns:
    """Some rows of all columns: ``rows`` is any NumPy row index."""
    return {name: values[rows] for name, values in columns.items()}
