"""Snapshots: any portfolio comes back from its bytes as it was, and the same portfolio gives the same bytes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limits.errors import SnapshotError
from limits.portfolio import STATEMENTS, UNBOUNDED, CashFlow, PaymentRecord, Portfolio
from limits.store import snapshots
from limits.store.snapshot_bytes import FACTS, FLOWS, MANY, MOST_MONTHS, RECORD
from tests.portfolios import AS_OF, assert_same, make_portfolio
from tests.strategies import portfolios, split

BEFORE_RECORDS = Path(__file__).resolve().parents[1] / "snapshots" / "format_1.parquet"
whole = st.one_of(st.integers(-300, 300), st.integers(-(2**31) - 2, 2**31 + 2), st.integers(-(2**63), 2**63 - 1))
words = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)


def comes_back(portfolio: Portfolio) -> None:
    body = snapshots.encode(portfolio)
    found = snapshots.decode(body)
    assert_same(portfolio, found)
    assert snapshots.encode(found) == body


def with_months(months: int, users: int = 1) -> Portfolio:
    """Users with so many months of cash flow, also none."""
    portfolio = make_portfolio([{}] * users, months=max(months, 1))
    parts = {f.name: getattr(portfolio.cash_flow, f.name)[..., :months] for f in dataclasses.fields(CashFlow)}
    return dataclasses.replace(portfolio, cash_flow=CashFlow(**parts))


def many_of(portfolio: Portfolio, users: int) -> Portfolio:
    """So many users, each unlike the one before."""
    return portfolio.take(np.arange(users) % len(portfolio))


@settings(max_examples=25, deadline=None)  # a file of a thousand users takes its time on a busy machine
@given(portfolios, st.sampled_from([1, MANY]))
def test_a_drawn_portfolio_comes_back(drawn: Any, least: int) -> None:
    portfolio, _ = split(drawn)
    comes_back(many_of(portfolio, max(least, len(portfolio))))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_values_come_back(data: st.DataObject) -> None:
    """Also those that no review would let in: what is kept is what was there."""
    users = data.draw(st.integers(0, 5))
    months = data.draw(st.integers(0, 40))
    portfolio = with_months(months, max(users, 1)).take(np.arange(users))
    cash_flow = portfolio.cash_flow
    flows = {}
    for name in FLOWS:
        values = data.draw(st.lists(whole, min_size=1, max_size=6))
        flows[name] = np.resize(np.array(values, dtype=np.int64), (users, months))
    bits = np.resize(np.array(data.draw(st.lists(st.booleans(), min_size=1, max_size=9))), (users, months))
    changed: dict[str, Any] = {}
    for name in data.draw(st.lists(st.sampled_from(FACTS), unique=True, max_size=8)):
        kind = getattr(portfolio, name).dtype.kind
        if kind == "M":
            drawn = data.draw(st.lists(st.none() | st.dates(), min_size=users, max_size=users))
            changed[name] = np.array(["NaT" if day is None else day for day in drawn], dtype="datetime64[D]")
        else:
            values = {"i": whole, "b": st.booleans(), "U": words}[kind]
            drawn = data.draw(st.lists(values, min_size=users, max_size=users))
            changed[name] = np.array(drawn, dtype={"i": np.int64, "b": np.bool_, "U": np.str_}[kind])
    record = {}
    for name in RECORD:
        values = data.draw(st.lists(whole, min_size=1, max_size=9))
        record[name] = np.resize(np.array(values, dtype=np.int64), (users, STATEMENTS))
    held = np.array(data.draw(st.lists(whole, min_size=users, max_size=users)), dtype=np.int64)
    portfolio = dataclasses.replace(
        portfolio,
        payment_record=PaymentRecord(held=held, **record),
        as_of=data.draw(st.dates()),
        currency=data.draw(words),
        cash_flow=dataclasses.replace(cash_flow, observed=bits, **flows),
        **changed,
    )
    comes_back(portfolio)
    if users:
        comes_back(many_of(portfolio, MANY + 3))


@pytest.mark.parametrize("users", [1, MANY - 1, MANY, 20_000])
@pytest.mark.parametrize("months", [0, 24, 36, MOST_MONTHS])
def test_sizes(users: int, months: int) -> None:
    dice = np.random.default_rng(users + months)
    portfolio = many_of(with_months(months), users)
    flows = {name: dice.integers(0, 10**7, (users, months)) for name in FLOWS}
    flows["repaid"] = flows["repaid"] * UNBOUNDED
    observed = dice.random((users, months)) < 0.8
    names = np.array(["", "gastronomie", "小微企业", "zemědělství"])[dice.integers(0, 4, users)]
    cash_flow = dataclasses.replace(portfolio.cash_flow, observed=observed, **flows)
    cells = {name: dice.integers(0, 10**7, (users, STATEMENTS)) for name in RECORD}
    cells["balance"] = cells["balance"] * UNBOUNDED
    record = PaymentRecord(held=dice.integers(0, STATEMENTS + 1, users), **cells)
    comes_back(dataclasses.replace(portfolio, cash_flow=cash_flow, payment_record=record, industry=names))


def test_as_many_texts_as_users() -> None:
    portfolio = make_portfolio([{"industry": f"branch {number}"} for number in range(3000)])
    comes_back(portfolio)


def test_texts_with_the_same_sum_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes are made from sums of letters; where two texts have one sum, another way is taken."""
    real = np.cumprod
    monkeypatch.setattr(np, "cumprod", lambda weights: np.ones_like(real(weights)))
    portfolio = make_portfolio([{"industry": "ab"}, {"industry": "ba"}, {"industry": "ab"}])
    comes_back(portfolio)


def test_columns_that_are_slices_of_others() -> None:
    """Not contiguous, as take and slicing leave them."""
    portfolio = many_of(make_portfolio([{"user_id": 1}, {"user_id": 2, "segment": "student"}]), 3000)
    every_second = portfolio.take(slice(None, None, 2))
    assert snapshots.encode(every_second) == snapshots.encode(portfolio.take(np.arange(0, 3000, 2)))


@pytest.mark.parametrize("users", [3, MANY])
def test_any_reader_sees_named_columns(users: int) -> None:
    told = [{"balance": 700, "repaid": 50, "days_past_due": 11}, {"balance": 600}]
    one = {"inflow": [None, 7, 8], "last_raise_on": dt.date(2026, 5, 4), "statements": told}
    portfolio = many_of(make_portfolio([one, {}]), users)
    table = pq.read_table(io.BytesIO(snapshots.encode(portfolio)))
    assert set(FACTS) <= set(table.column_names)
    first = table.slice(0, 2).to_pydict()
    assert first["segment"] == ["retail", "retail"]
    assert first["last_raise_on"] == [dt.date(2026, 5, 4), None]
    assert first["record_held"] == [2, 0]
    assert first["observed"] == [0b110000000000, 0b111111111111]
    if users < MANY:
        assert first["inflow"] == [[0] * 10 + [7, 8], [2_000_000] * 12]
        assert first["record_balance"] == [[700, 600, 0, 0, 0, 0], [0] * 6]
    else:
        assert first["record_balance_1"] == [700, 0] and first["record_balance_2"] == [600, 0]
        assert first["record_days_past_due_1"] == [11, 0] and first["record_repaid_6"] == [0, 0]
        assert first["inflow_2026_06"] == [8, 2_000_000]
        assert first["inflow_2025_07"] == [0, 2_000_000]


def test_the_format_covers_these_columns() -> None:
    """Whoever adds a column to a portfolio raises FORMAT, and old snapshots say so instead of reading wrong."""
    assert (snapshots.FORMAT, len(FACTS), len(FLOWS), len(RECORD)) == (2, 45, 8, 3)


def test_a_snapshot_from_before_there_were_records_has_none() -> None:
    """The bytes that an earlier version wrote, of format 1."""
    found = snapshots.decode(BEFORE_RECORDS.read_bytes())
    assert_same(found.payment_record, PaymentRecord.none(1))
    assert (found.user_id.tolist(), found.balance.tolist(), found.statements_seen.tolist()) == ([2], [260_000], [6])
    assert found.cash_flow.inflow[0, -2:].tolist() == [2_020_000, 2_030_000] and found.cash_flow.observed.all()
    comes_back(found)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"balance": np.array([1.5])}, "balance is of type float64"),
        ({"opened_on": np.array([2**40]).astype("datetime64[D]")}, "opened_on has a day beyond all calendars"),
    ],
)
def test_what_no_portfolio_has_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(SnapshotError, match=words):
        snapshots.encode(dataclasses.replace(make_portfolio(), **wrong))
    with pytest.raises(SnapshotError, match="at most 63 months"):
        snapshots.encode(make_portfolio(months=64))


def test_other_bytes_are_refused() -> None:
    with pytest.raises(SnapshotError, match="not Parquet"):
        snapshots.decode(b"PAR1 but no more")
    body = snapshots.encode(make_portfolio())
    assert body.count(b'"format": 2') == 1
    with pytest.raises(SnapshotError, match="format 9; this version reads formats 1 and 2"):
        snapshots.decode(body.replace(b'"format": 2', b'"format": 9'))
    with pytest.raises(SnapshotError, match="not one of format 2, or damaged"):
        snapshots.decode(BEFORE_RECORDS.read_bytes().replace(b'"format": 1', b'"format": 2'))
    other = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(body)).replace_schema_metadata(None), other)
    with pytest.raises(SnapshotError, match="format none"):
        snapshots.decode(other.getvalue())


@pytest.mark.parametrize("place", [4, 100, 1000])
def test_damaged_bytes_are_refused(place: int) -> None:
    """In one sentence, should they ever come this far: the digest tells before."""
    portfolio = make_portfolio([{"user_id": number} for number in range(1, 40)])
    body = bytearray(snapshots.encode(portfolio))
    body[place : place + 40] = bytes(40)
    with pytest.raises(SnapshotError, match="damaged"):
        snapshots.decode(bytes(body))


def test_the_date_counts() -> None:
    portfolio = make_portfolio()
    later = dataclasses.replace(portfolio, as_of=AS_OF + dt.timedelta(days=1))
    assert snapshots.digest(snapshots.encode(portfolio)) != snapshots.digest(snapshots.encode(later))
