"""NumPy's arrays as Arrow's and back, by their memory.

pyarrow's own way there and back loads pandas first, which nothing here needs: most of a second of each new process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Bool = NDArray[np.bool_]


def array(values: NDArray[Any], there: Bool | None = None) -> Any:
    """Numbers or truths (n,) as an array of their type, null where ``there`` (n,) says that there is none.

    Over the memory of numbers that are contiguous, without copying.
    """
    validity = None if there is None or bool(there.all()) else _bits(there)
    kind, body = pa.from_numpy_dtype(values.dtype), np.ascontiguousarray(values)
    return pa.Array.from_buffers(kind, len(body), [validity, _bits(body) if body.dtype == np.bool_ else _buffer(body)])


def dates(days: NDArray[np.int32], there: Bool) -> Any:
    """Days since 1970 (n,) as dates, null where ``there`` (n,) says that there is none."""
    return pa.Array.from_buffers(pa.date32(), len(days), [_bits(there), _buffer(np.ascontiguousarray(days))])


def texts(values: Sequence[str | None]) -> Any:
    """An array of texts, null where there is None."""
    bodies = [b"" if value is None else value.encode() for value in values]
    ends = np.cumsum([0, *map(len, bodies)])
    if ends[-1] > np.iinfo(np.int32).max:
        raise OverflowError(f"{ends[-1]} bytes of text are more than an array holds")
    known = np.array([value is not None for value in values], dtype=np.bool_)
    buffers = [None if known.all() else _bits(known), _buffer(ends.astype(np.int32)), _buffer(b"".join(bodies))]
    return pa.Array.from_buffers(pa.string(), len(bodies), buffers)


def numbers(found: Any) -> NDArray[Any]:
    """The values (n,) of an array of whole numbers, or of days as such; ValueError for one of another type.

    Where there is none, what stands in its memory: ``there`` says where.
    """
    kind = pa.int32() if found.type == pa.date32() else found.type
    if not pa.types.is_integer(kind):
        raise ValueError(f"a column of {found.type}, not of whole numbers")
    return np.frombuffer(found.buffers()[1] or b"", dtype=kind.to_pandas_dtype(), count=len(found) + found.offset)[
        found.offset :
    ]


def whole(found: Any) -> NDArray[Any]:
    """As ``numbers``, of an array that has no null; ValueError for one that has."""
    if found.null_count:
        raise ValueError(f"a column with {found.null_count} nulls, which may have none")
    return numbers(found)


def there(found: Any) -> Bool:
    """Where an array (n,) has a value."""
    return np.ones(len(found), dtype=np.bool_) if not found.null_count else _truths(found, found.buffers()[0])


def truths(found: Any) -> Bool:
    """The values (n,) of an array of truths that has no null; ValueError for any other."""
    if found.type != pa.bool_() or found.null_count:
        raise ValueError(f"a column of {found.type} with {found.null_count} nulls, not of truths alone")
    return _truths(found, found.buffers()[1])


def _truths(found: Any, bits: Any) -> Bool:
    end = found.offset + len(found)
    read = np.unpackbits(np.frombuffer(bits or b"", dtype=np.uint8), count=end, bitorder="little")
    return read[found.offset :].astype(np.bool_)


def _bits(values: Bool) -> Any:
    return _buffer(np.packbits(values, bitorder="little"))


def _buffer(values: NDArray[Any] | bytes) -> Any:
    return pa.py_buffer(values)
