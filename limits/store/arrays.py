"""Columns of NumPy arrays into a table by one binary COPY, without a Python loop over rows.

For what is made by the thousand at once, such as the made-up portfolios of `limits bench nightly`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

Bytes = NDArray[np.uint8]
Kind = Literal["int2", "int4", "int8", "date", "timestamptz", "bool", "text", "bytea"]

_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL = b"\xff\xff"
_EPOCH = np.datetime64("2000-01-01")  # PostgreSQL's
_NUMBERS = {"int2": ">i2", "int4": ">i4", "int8": ">i8", "date": ">i4", "timestamptz": ">i8"}


@dataclass(frozen=True, slots=True)
class Column:
    """Values of n rows as PostgreSQL's ``kind``; ``null`` (n,) says where there is none.

    text: an array of bytes (dtype S); bytea: uint8 of shape (n, width), all of one width; date and
    timestamptz: datetime64. The bytes of any other type go in as bytea in its binary form.
    """

    kind: Kind
    values: NDArray[Any]
    null: NDArray[np.bool_] | None = None

    def take(self, rows: Any) -> Column:
        """Some of the rows: any NumPy row index."""
        return Column(self.kind, self.values[rows], None if self.null is None else self.null[rows])

    def cells(self) -> tuple[Bytes, NDArray[np.int64] | None]:
        """The bytes (n, width), and the length of each (n,) where they differ; -1 stands for NULL."""
        cells, lengths = self._cells()
        if self.null is not None and self.null.any():
            lengths = np.where(self.null, -1, cells.shape[1] if lengths is None else lengths)
        return cells, lengths

    def _cells(self) -> tuple[Bytes, NDArray[np.int64] | None]:
        values = self.values
        if self.kind == "bytea":
            return values, None
        if self.kind == "bool":
            return values.astype(np.uint8).reshape(-1, 1), None
        if self.kind == "text":
            lengths = np.char.str_len(values).astype(np.int64)
            return _as_bytes(values), None if (lengths == values.dtype.itemsize).all() else lengths
        if self.kind == "date":
            values = (values - _EPOCH).astype("timedelta64[D]").astype(np.int64)
        elif self.kind == "timestamptz":
            values = (values - _EPOCH).astype("timedelta64[us]").astype(np.int64)
        return _as_bytes(values.astype(_NUMBERS[self.kind])), None


def _as_bytes(values: NDArray[Any]) -> Bytes:
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), values.dtype.itemsize)


def encode(columns: Mapping[str, Column]) -> bytes:
    """The rows as a whole binary COPY: every column has the same n rows."""
    found = [column.cells() for column in columns.values()]
    rows = len(found[0][0])
    body = np.empty((rows, 2 + sum(4 + cells.shape[1] for cells, _ in found)), dtype=np.uint8)
    body[:, :2] = np.frombuffer(len(found).to_bytes(2, "big"), dtype=np.uint8)
    given: NDArray[np.bool_] | None = None
    at = 2
    for cells, lengths in found:
        width = cells.shape[1]
        size = np.full(rows, width) if lengths is None else lengths
        body[:, at : at + 4] = _as_bytes(size.astype(">i4"))
        body[:, at + 4 : at + 4 + width] = cells
        if lengths is not None:
            given = np.ones(body.shape, dtype=np.bool_) if given is None else given
            given[:, at + 4 : at + 4 + width] = np.arange(width) < lengths[:, None]
        at += 4 + width
    return _HEAD + (body if given is None else body[given]).tobytes() + _TAIL


def copy_in(conn: psycopg.Connection[Any], table: str, columns: Mapping[str, Column]) -> int:
    """Writes the rows into a table of the schema limits, inside the caller's transaction; how many there were."""
    rows = len(next(iter(columns.values())).values)
    if rows:
        statement = sql.SQL("COPY limits.{} ({}) FROM STDIN (FORMAT binary)").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with conn.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(encode(columns))
    return rows
