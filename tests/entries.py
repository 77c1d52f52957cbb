"""Log entries made up for tests."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import numpy as np

from limits.entry import FIELDS, FORMAT, NONE, RISK, WITHOUT_RISK, ZEROS, BatchRecord, Entries
from limits.portfolio import UNBOUNDED

DATES = ("effective_on", "notice_due_on")


def make_entries(rows: int = 1, rules: int = 53, bounding: int = 25, **changed: Any) -> Entries:
    """Entries of all kinds, the same ones for the same numbers; ``changed`` sets columns, and the format."""
    dice = np.random.default_rng(rows)
    columns: dict[str, Any] = {name: dice.integers(0, 2**15, rows) for name, _ in FIELDS}
    columns["sequence"] = np.arange(rows)
    columns["proposed_minor"] = np.where(dice.random(rows) < 0.5, NONE, 250_000)
    for name in DATES:
        days = np.datetime64("2026-11-29") + dice.integers(0, 90, rows).astype("timedelta64[D]")
        columns[name] = np.where(dice.random(rows) < 0.5, np.datetime64("NaT"), days)
    scored = (dice.random(rows) < 0.5) & (changed.get("format", FORMAT) != WITHOUT_RISK)
    for name in RISK:
        columns[name] = np.where(scored, columns[name], NONE)
    ceilings = dice.integers(0, 10**7, (rows, rules))
    ceilings[dice.permuted(np.tile(np.arange(rules), (rows, 1)), axis=1) >= bounding] = UNBOUNDED
    return Entries(**{**columns, "ceilings": ceilings, **changed})


def assert_same(one: Entries, other: Entries) -> None:
    """Equal in format, and in each value and type."""
    assert one.format == other.format
    for field in dataclasses.fields(Entries):
        if field.name == "format":
            continue
        here, there = getattr(one, field.name), getattr(other, field.name)
        assert here.dtype == there.dtype, field.name
        np.testing.assert_array_equal(here, there, err_msg=field.name)


def make_record(**changed: Any) -> BatchRecord:
    """The record of a batch as it may stand in the log."""
    record = BatchRecord(
        batch=812,
        review=17,
        kind="scheduled",
        shard=3,
        token=5,
        as_of=dt.date(2026, 11, 15),
        currency="CZK",
        policy=bytes([1]) * 32,
        input=bytes([2]) * 32,
        model=bytes([3]) * 32,
        risk="none",
        code="0.1.0+abc",
        role="champion",
        actor="scheduler",
        login="limits_worker",
        decided_at=dt.datetime(2026, 11, 29, 13, 0, 0, 123456, dt.UTC),
        applied_at=dt.datetime(2026, 11, 29, 13, 1, 0, 123456, dt.UTC),
        users=5000,
        delta_minor=-12300,
        root=bytes([4]) * 32,
        previous=ZEROS,
    )
    return dataclasses.replace(record, **changed)
