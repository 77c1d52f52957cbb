"""Replay, for anything that can be decided: it comes out of its snapshot as it was, and one altered byte is found."""

from __future__ import annotations

import dataclasses
import datetime as dt
import struct
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from limits.decision import decide, review
from limits.dispositions import dispose, ending
from limits.engine.differing import Wrong
from limits.engine.replaying import decided_again
from limits.engine.single import Order
from limits.entry import encode
from limits.policy import Policy
from limits.portfolio import UNBOUNDED, Int
from limits.reasons import Reason
from limits.store import entries as log_entries
from limits.store import logged, rows, snapshots
from limits.store.logged import NULL, Entries, ReviewFacts
from limits.store.pending import Change
from limits.store.rows import FIELDS, Rows
from tests import older
from tests.policies import changed
from tests.portfolios import AS_OF, make_portfolio
from tests.risks import in_band, risk_of
from tests.strategies import POLICY, portfolios, split

WAITS = changed(**{"consent.raises": "offer", "consent.cuts": "notice"})
NOTHING = ReviewFacts(b"", None, None, None)
FIXED = [(place, name, width) for place, (name, _, width) in enumerate(FIELDS) if width]


def change(kind: str, before: int, after: int) -> Change:
    return Change(
        1, 1, 1, 1, kind, AS_OF, "CNY", 2, before, after, AS_OF, "open", None, None, "", None, "standard"
    )  # fmt: skip


def entries_of(made: Rows, beside: dict[str, Int]) -> Entries:
    places = np.arange(len(made))
    stored = logged.with_entries(made, places)
    return Entries(
        made.user_id, stored, places, {name: np.asarray(values) for name, values in beside.items()}, len(Reason),
        np.full(len(made), made.entry_format),
    )  # fmt: skip


@settings(max_examples=40)
@given(portfolios, st.sampled_from([POLICY, WAITS]), st.sampled_from(["", "offer", "announced"]), st.booleans())
def test_whatever_was_decided_comes_out_of_its_snapshot_as_it_was(
    drawn: Any, policy: Policy, kind: str, raises: bool
) -> None:
    """As a review decides it, and as the review of one user does that carries out a change."""
    portfolio, _ = split(drawn)
    facts = ReviewFacts(b"", 1, kind, raises) if kind else NOTHING
    order = Order(1, AS_OF, policy, "", "", change=change(kind, 5, 9 if raises else 2) if kind else None)
    given_ = order.given(portfolio)
    decisions = review(given_, policy)
    told = dispose(given_, decisions, order.effect)
    if kind == "announced":
        told = ending(told, given_, decisions, raises=raises)
    made = rows.encode(given_, decisions, told)
    again = decided_again(snapshots.decode(snapshots.encode(given_)), policy, facts)
    found = Wrong.of(entries_of(made, again.beside), again.rows, again.beside, same_code=True)
    assert not found.anywhere.any() and not found.counted()
    assert bytes(again.rows.body) == bytes(made.body)


@given(portfolios)
def test_columns_hold_what_was_decided(drawn: Any) -> None:
    portfolio, capacity = split(drawn)
    decisions = decide(portfolio, capacity, risk_of(portfolio), POLICY)
    told = dispose(portfolio, decisions, POLICY)
    found = logged.columns(rows.encode(portfolio, decisions, told), len(Reason) + 3)
    for name, values in {
        "user_id": portfolio.user_id, "limit_before_minor": decisions.limit_before,
        "limit_after_minor": told.limit_after, "version_before": portfolio.version, "binding": decisions.binding,
        "reason_bits": decisions.reason_bits, "lowest_ceiling_minor": decisions.lowest_ceiling,
        "floor_minor": decisions.floor, "capacity_p10_minor": capacity.p10, "capacity_p50_minor": capacity.p50,
        "capacity_p90_minor": capacity.p90, "capacity_method": capacity.method,
        "months_observed": capacity.months_observed, "disposition": told.disposition, "notice": told.notice,
        "proposed_minor": np.where(told.disposition != 0, told.proposed, NULL),
        "effective_on": days(told.effective_on), "notice_due_on": days(told.notice_due_on),
        "risk_points": np.where(decisions.risk.scored, decisions.risk.points, NULL),
        "risk_probability_ppm": np.where(decisions.risk.scored, decisions.risk.probability_ppm, NULL),
    }.items():  # fmt: skip
        np.testing.assert_array_equal(found.fields[name], values, name)
    bounds = np.where(decisions.ceilings < UNBOUNDED, decisions.ceilings, NULL)
    np.testing.assert_array_equal(found.ceilings[:, : len(Reason)], bounds)
    assert (found.ceilings[:, len(Reason) :] == NULL).all() and (found.counts == len(Reason)).all()


def days(dates: Any) -> list[int]:
    epoch = dt.date(2000, 1, 1)
    return [NULL if day is None else (day - epoch).days for day in dates.tolist()]


def places_of_data(made: Rows, row: int) -> dict[str, list[int]]:
    """Where the bytes of each value of a row stand."""
    body, found = bytes(made.body), {}
    at = int(made.offsets[row]) + 8
    for name, _, width in FIELDS:
        (size,) = struct.unpack_from(">i", body, at + 4)
        at += 8
        if width:
            found[name] = list(range(at, at + max(size, 0)))
        else:
            element, found["ceiling"] = at + 20, []
            while element < at + size:
                (length,) = struct.unpack_from(">i", body, element)
                found["ceiling"] += range(element + 4, element + 4 + max(length, 0))
                element += 4 + max(length, 0)
        at += max(size, 0)
    return found


@given(portfolios, st.data())
def test_one_altered_bit_is_found_where_it_is(drawn: Any, data: st.DataObject) -> None:
    portfolio, capacity = split(drawn)
    decisions = decide(portfolio, capacity, risk_of(portfolio), POLICY)
    made = rows.encode(portfolio, decisions, dispose(portfolio, decisions, POLICY))
    row = data.draw(st.integers(0, len(made) - 1))
    name, places = data.draw(st.sampled_from([(k, v) for k, v in places_of_data(made, row).items() if v]))
    body = bytearray(made.body)
    body[data.draw(st.sampled_from(places))] ^= 1 << data.draw(st.integers(0, 7))
    altered = Rows(made.user_id, bytes(body), made.offsets)
    beside = {name: np.zeros(len(made), dtype=np.int64) for name in logged.BESIDE}
    found = Wrong.of(entries_of(altered, beside), made, beside, same_code=True)
    assert np.flatnonzero(found.anywhere).tolist() == [row]
    (one,) = found.at(row)
    # The one number that stands for NULL in columns is told from it by its bytes.
    assert one.field in (name, "bytes")
    assert one.field == "bytes" or one.logged != one.replayed
    assert sum(found.counted().values()) == 1


@given(portfolios, st.data())
def test_what_kept_no_risk_is_compared_without_one_and_never_with_one(drawn: Any, data: st.DataObject) -> None:
    """Entries of format 1: whatever the scorecard says now, and a risk that somebody gives them is found."""
    portfolio, capacity = split(drawn)
    decisions = decide(portfolio, capacity, risk_of(portfolio), POLICY)
    now = rows.encode(portfolio, decisions, dispose(portfolio, decisions, POLICY))
    made = rows.without_risk(now)
    beside = {name: np.zeros(len(made), dtype=np.int64) for name in logged.BESIDE}
    assert not Wrong.of(entries_of(made, beside), now, beside, same_code=True).anywhere.any()
    row = data.draw(st.integers(0, len(made) - 1))
    scored = dataclasses.replace(decisions, risk=in_band(len(made), 0))
    given_ = rows.encode(portfolio, scored, dispose(portfolio, decisions, POLICY))
    mixed = b"".join([*made.elements()[:row], given_.elements()[row], *made.elements()[row + 1 :]])
    body, cuts = encode(log_entries.entries(made))
    altered = rows.with_field(rows.decode(made.user_id, mixed), body, cuts)
    found = Wrong.of(dataclasses.replace(entries_of(made, beside), made=altered), now, beside, same_code=True)
    assert np.flatnonzero(found.anywhere).tolist() == [row]
    assert {one.field: (one.logged, one.replayed) for one in found.at(row)} == {
        "risk_points": (50, None), "risk_probability_ppm": (100_000, None),
    }  # fmt: skip


@given(portfolios)
def test_what_was_staged_without_a_risk_becomes_entries_of_format_1(drawn: Any) -> None:
    portfolio, capacity = split(drawn)
    decisions = decide(portfolio, capacity, risk_of(portfolio), POLICY)
    made = rows.encode(portfolio, decisions, dispose(portfolio, decisions, POLICY))
    assert rows.completed(made) is made
    found, expected = rows.completed(older.staged(made)), rows.without_risk(made)
    assert (found.entry_format, bytes(found.body)) == (1, bytes(expected.body))
    np.testing.assert_array_equal(found.offsets, expected.offsets)
    batch = log_entries.batch(found)
    assert batch.rows.part(0, 1).entry_format == batch.rows.only(np.ones(len(made), dtype=np.bool_)).entry_format == 1
    said = log_entries.entries(found)
    assert said.format == 1 and (said.risk_points == NULL).all() and (said.risk_probability_ppm == NULL).all()


def test_values_beside_the_rows_are_compared_too() -> None:
    portfolio = make_portfolio([{}, {}])
    decisions = review(portfolio, POLICY)
    made = rows.encode(portfolio, decisions, dispose(portfolio, decisions, POLICY))
    beside = {name: np.zeros(2, dtype=np.int64) for name in logged.BESIDE}
    for name in logged.BESIDE:
        other = beside | {name: np.array([0, 1])}
        found = Wrong.of(entries_of(made, other), made, beside, same_code=True)
        assert (found.anywhere.tolist(), dict(found.counted())) == ([False, True], {(name, None): 1})
