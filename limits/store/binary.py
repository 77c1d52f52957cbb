"""Arrays as parameters of a query, in PostgreSQL's binary format, without a Python step for each type of element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from psycopg import pq
from psycopg.adapt import Dumper

from limits.portfolio import Bool
from limits.store.columns import EPOCH_DAYS


@dataclass(frozen=True, slots=True)
class BinaryArray:
    """An array as the server takes it: the object id of its type, and its bytes."""

    oid: int
    content: bytes


def array_of(elements: bytes | memoryview, count: int, *, element: int, array: int, nulls: bool = False) -> BinaryArray:
    """An array of ``count`` elements, each with its length before it, by the object ids of the two types."""
    header = (1, int(nulls), element, count, 1) if count else (0, 0, element)
    return BinaryArray(array, np.array(header, dtype=">i4").tobytes() + elements)


def binary_array(kind: str, values: Any, there: Bool | None = None) -> BinaryArray:
    """Values (n,) as date[], bool[], or bpchar[] of three ASCII characters; NULL where not ``there`` (n,).

    Of dates only those that PostgreSQL has are good, and not NaT.
    """
    types = {"date": ">i4", "bool": "u1", "bpchar": "S3"}
    elements = np.empty(len(values), dtype=[("length", ">i4"), ("value", types[kind])])
    elements["length"] = elements.dtype["value"].itemsize
    elements["value"] = values.view(np.int64) - EPOCH_DAYS if kind == "date" else values
    content, nulls = elements.tobytes(), False
    if there is not None and not there.all():
        # A NULL is a length of -1 alone.
        size = elements.dtype.itemsize
        kept = np.ones((len(values), size), dtype=np.bool_)
        kept[~there, 4:] = False
        elements["length"][~there] = -1
        content, nulls = elements.view(np.uint8).reshape(-1, size)[kept].tobytes(), True
    known = psycopg.adapters.types[kind]
    return array_of(content, len(values), element=known.oid, array=known.array_oid, nulls=nulls)


class BinaryArrayDumper(Dumper):
    """Sends a BinaryArray as an array of its type."""

    format = pq.Format.BINARY

    def get_key(self, obj: BinaryArray, format: Any) -> Any:  # noqa: A002
        return (self.cls, obj.oid)

    def upgrade(self, obj: BinaryArray, format: Any) -> Dumper:  # noqa: A002
        dumper = type(self)(self.cls)
        dumper.oid = obj.oid
        return dumper

    def dump(self, obj: BinaryArray) -> bytes:
        return obj.content
