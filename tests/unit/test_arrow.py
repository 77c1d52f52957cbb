"""NumPy's arrays as Arrow's and back: as pyarrow's own way has them, and without pandas."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limits.store import arrow

KINDS = {
    "bool": (0, 1),
    "int8": (-(2**7), 2**7 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}


@st.composite
def columns(draw: st.DrawFn) -> tuple[Any, Any]:
    """Values and where there are some."""
    kind, size = draw(st.sampled_from(sorted(KINDS))), draw(st.integers(0, 20))
    values = draw(st.lists(st.integers(*KINDS[kind]), min_size=size, max_size=size))
    return np.array(values, dtype=kind), np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool)


@given(columns(), st.integers(0, 3))
def test_as_pyarrow_has_them(column: tuple[Any, Any], start: int) -> None:
    values, there = column
    assert arrow.array(values).equals(pa.array(values))
    assert arrow.array(values, there).equals(pa.array(values, mask=~there))
    assert (arrow.there(arrow.array(values, there)[start:]) == there[start:]).all()
    read = arrow.truths if values.dtype == np.bool_ else arrow.whole
    found = read(pa.array(values)[start:])
    assert found.dtype == values.dtype and (found == values[start:]).all()


@given(st.lists(st.one_of(st.none(), st.text()), max_size=8))
def test_texts(values: list[str | None]) -> None:
    assert arrow.texts(values).equals(pa.array(values, pa.string()))


@given(st.lists(st.one_of(st.none(), st.dates()), max_size=8))
def test_dates(values: list[Any]) -> None:
    days = np.array(values, dtype="datetime64[D]")
    there = ~np.isnat(days)
    made = arrow.dates(np.where(there, days.astype(np.int64), 0).astype(np.int32), there)
    assert made.equals(pa.array(values, pa.date32()))
    assert (arrow.numbers(made)[there] == days[there].astype(np.int64)).all()


@pytest.mark.parametrize("found", [pa.array([1, None]), pa.array([1.5]), pa.array(["1"])])
def test_what_is_not_whole_numbers_is_refused(found: Any) -> None:
    with pytest.raises(ValueError, match="a column"):
        arrow.whole(found)


@pytest.mark.parametrize("found", [pa.array([True, None]), pa.array([1])])
def test_what_is_not_truths_is_refused(found: Any) -> None:
    with pytest.raises(ValueError, match="a column"):
        arrow.truths(found)


def test_a_worker_is_ready_without_pandas() -> None:
    """Loading it would take most of a second of each command and of each process that forks."""
    done = subprocess.run(
        [sys.executable, "-c", "from limits.engine import warming; warming.warm(); import sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    loaded = done.stdout.split()
    assert "limits.store.snapshot_bytes" in loaded and "pandas" not in loaded
