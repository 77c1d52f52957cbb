"""Loading: everything as of the date, every user accounted for, and one user like a thousand."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import pytest

from limits.money import LARGEST_MINOR
from limits.portfolio import (
    FACTS,
    GROUPS,
    STATEMENTS,
    UNBOUNDED,
    UNKNOWN,
    Documents,
    Identity,
    Income,
    Portfolio,
    Status,
)
from limits.store import load
from limits.store.db import Connection, Database
from limits.store.load import Excluded, load_portfolio
from tests import builders
from tests.builders import AS_OF, CURRENCY
from tests.portfolios import DATES, FLAGS

NEVER = np.datetime64("NaT", "D")


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def loaded(conn: Connection, as_of: dt.date = AS_OF, **options: Any) -> Portfolio:
    portfolio, excluded = load_portfolio(conn, as_of, CURRENCY, **options)
    assert excluded == []
    return portfolio


def row(portfolio: Portfolio, user_id: int) -> dict[str, Any]:
    """One user's plain columns, with None for NaT."""
    place = portfolio.user_id.tolist().index(user_id)
    return {name: getattr(portfolio, name)[place].item() for name in FACTS}


def months_seen(portfolio: Portfolio, place: int = 0) -> list[str]:
    flow = portfolio.cash_flow
    return [str(month) for month in flow.months[flow.observed[place]]]


# Columns ------------------------------------------------------------------------------------


def test_every_column_of_a_user_with_everything(conn: Connection) -> None:
    opened = day("2024-02-29")
    builders.add_user(conn, 7, opened_on=opened, credit_limit=3_000_000, industry="bakery")
    conn.execute("UPDATE limits.credit_lines SET version = 2, last_raise_on = '2026-01-31', last_cut_on = '2025-05-05'")
    for issued, balance in (("2026-03-05", 100), ("2026-04-05", 600), ("2026-05-05", 0), ("2026-06-05", -201)):
        builders.add_statement(conn, 7, day(issued), balance=balance, minimum_due=0)
    builders.add_events(conn, 7, "income", [(day("2026-06-29"), 5)])
    builders.add_credit_check(
        conn, 7, day("2026-06-01"), active_lenders=3, inquiries=2, outside_debt=900, outside_monthly_payment=90
    )
    builders.refresh(conn)
    assert row(loaded(conn), 7) == {
        "user_id": 7,
        "credit_limit": 3_000_000,
        "version": 2,
        "balance": -201,
        "average_balance": 133,
        "days_past_due": 0,
        "missed_payments": 0,
        "worst_days_past_due": 0,
        "statements_seen": 4,
        "opened_on": opened,
        "last_raise_on": day("2026-01-31"),
        "last_cut_on": day("2025-05-05"),
        "last_used_on": day("2026-04-05"),
        "last_event_on": day("2026-06-29"),
        "status": Status.ACTIVE,
        "segment": "retail",
        "industry": "bakery",
        "jurisdiction": "CN",
        "identity": Identity.VERIFIED,
        "identity_checked_on": day("2026-01-01"),
        "income": Income.VERIFIED,
        "income_verified_on": day("2026-01-01"),
        "raise_consent": True,
        "active_lenders": 3,
        "inquiries": 2,
        "outside_debt": 900,
        "outside_monthly_payment": 90,
        "checked_on": day("2026-06-01"),
        "requested_limit": UNBOUNDED,
        "requests_90d": 0,
        "minimum_only_payments": 0,
        "statements_12m": 4,
        "balances_12m": 700,
        "repaid_12m": 0,
        "documents": Documents.UNKNOWN,
        "documents_valid_until": None,
        "opted_out": False,
        "automation_refused": False,
        "fraud_links": 0,
        "confirmed_fraud": False,
        "limit_before_cut": UNKNOWN,
        "change_pending": False,
        "override_cap": UNBOUNDED,
        "override_floor": 0,
        "budget_limit": UNBOUNDED,
    }


def test_what_nobody_reported_is_unknown_and_not_zero(conn: Connection) -> None:
    builders.add_user(
        conn, 1, status="blocked", identity_status="mismatch", identity_checked_on=None, income_status="false",
        income_verified_on=None, raise_consent=False, observed_from=None, observed_through=None,
    )  # fmt: skip
    found = row(loaded(conn), 1)
    unknown = ("balance", "average_balance", "active_lenders", "inquiries", "outside_debt", "outside_monthly_payment")
    never = (
        "last_raise_on", "last_cut_on", "last_used_on", "last_event_on", "identity_checked_on", "income_verified_on",
        "checked_on",
    )  # fmt: skip
    assert {found[name] for name in unknown} == {UNKNOWN}
    assert {found[name] for name in never} == {None}
    assert (found["status"], found["identity"], found["income"]) == (Status.BLOCKED, Identity.MISMATCH, Income.FALSE)
    assert (found["statements_seen"], found["raise_consent"]) == (0, False)


def test_a_balance_of_minus_one_is_not_taken_for_unknown(conn: Connection) -> None:
    builders.add_user(conn, 1)
    builders.add_statement(conn, 1, day("2026-06-01"), balance=-1, minimum_due=0)
    assert (row(loaded(conn), 1)["balance"], row(loaded(conn), 1)["average_balance"]) == (0, 0)


def test_columns_have_the_types_of_the_portfolio(conn: Connection) -> None:
    full = builders.add_steady_user(conn, 1)
    builders.refresh(conn)
    for portfolio in (loaded(conn, user_ids=[full]), loaded(conn, user_ids=[])):
        kinds = {f.name: getattr(portfolio, f.name) for f in dataclasses.fields(portfolio)}
        flow, record = kinds.pop("cash_flow"), kinds.pop("payment_record")
        assert record.held.dtype == np.int64 and record.held.shape == (len(portfolio),)
        for name in ("balance", "repaid", "days_past_due"):
            values = getattr(record, name)
            assert values.dtype == np.int64 and values.shape == (len(portfolio), STATEMENTS), name
            assert values.flags.c_contiguous, name
        for name, values in kinds.items():
            if name in ("as_of", "currency"):
                continue
            text = name in ("segment", "industry", "jurisdiction")
            wanted = "U" if text else "M" if name in DATES else "b" if name in FLAGS else "i"
            assert values.dtype.kind == wanted and values.shape == (len(portfolio),), name
            assert text or values.dtype.itemsize == (1 if wanted == "b" else 8), name
        assert flow.months.dtype == np.dtype("datetime64[M]") and flow.observed.dtype == np.bool_
        assert flow.inflow.shape == flow.observed.shape == (len(portfolio), len(flow.months))
        assert flow.inflow.dtype == np.int64


# As of --------------------------------------------------------------------------------------


def test_a_review_of_march_sees_nothing_of_april(conn: Connection) -> None:
    march, april = day("2026-03-31"), day("2026-04-01")
    builders.add_user(
        conn,
        1,
        opened_on=day("2025-12-01"),
        observed_through=march,
        income_status="unverified",
        income_verified_on=None,
    )
    builders.add_monthly_income(conn, 1, [10, 20, 30], until=march)
    builders.add_statement(conn, 1, day("2026-03-05"), balance=500)
    builders.add_repayment(conn, 1, day("2026-03-20"))
    builders.add_credit_check(conn, 1, day("2026-03-01"), active_lenders=1)
    builders.refresh(conn)
    before = loaded(conn, march)

    builders.add_profile(conn, 1, april, observed_from=day("2025-11-01"), observed_through=day("2026-04-30"))
    builders.add_events(conn, 1, "income", [(april, 99)])
    builders.add_statement(conn, 1, april, balance=9_999, due_on=april)
    builders.add_repayment(conn, 1, april, 1)
    builders.add_credit_check(conn, 1, april, active_lenders=9)
    builders.refresh(conn)
    assert_equal(loaded(conn, march), before)
    later = loaded(conn, day("2026-04-30"))
    assert months_seen(before) == ["2025-12", "2026-01", "2026-02", "2026-03"]
    assert months_seen(later) == ["2025-11", *months_seen(before), "2026-04"]
    assert (row(later, 1)["active_lenders"], row(later, 1)["income"]) == (9, Income.VERIFIED)


def assert_equal(one: Portfolio, other: Portfolio) -> None:
    for field in dataclasses.fields(Portfolio):
        if field.name not in GROUPS:
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), field.name)
    for field in dataclasses.fields(one.cash_flow):
        np.testing.assert_array_equal(getattr(one.cash_flow, field.name), getattr(other.cash_flow, field.name))


@pytest.mark.parametrize(
    ("as_of", "last"),
    [("2026-03-30", "2026-02"), ("2026-03-31", "2026-03"), ("2026-04-01", "2026-03"), ("2024-02-29", "2024-02")],
)
def test_only_months_that_have_ended_are_inputs(conn: Connection, as_of: str, last: str) -> None:
    builders.add_user(conn, 1)
    builders.refresh(conn)
    assert months_seen(loaded(conn, day(as_of)))[-1] == last


def test_at_most_36_months_oldest_first(conn: Connection) -> None:
    builders.add_user(conn, 1, opened_on=day("2020-01-01"))
    builders.add_monthly_income(conn, 1, list(range(1, 49)))
    builders.refresh(conn)
    flow = loaded(conn).cash_flow
    assert (len(flow.months), str(flow.months[0]), str(flow.months[-1])) == (load.MONTHS, "2023-07", "2026-06")
    assert flow.inflow[0].tolist() == list(range(13, 49))


def test_months_start_with_the_first_that_anybody_was_observed_in(conn: Connection) -> None:
    builders.add_user(conn, 1, opened_on=day("2026-03-15"))
    builders.add_events(conn, 1, "income", [(day("2026-03-20"), 5), (day("2026-05-20"), 7)])
    builders.add_user(conn, 2, opened_on=day("2026-01-01"))
    builders.refresh(conn)
    both, alone = loaded(conn), loaded(conn, user_ids=[1])
    assert [str(flow.cash_flow.months[0]) for flow in (both, alone)] == ["2026-01", "2026-04"]
    assert alone.cash_flow.inflow.tolist() == [[0, 7, 0]]
    # What was seen of a month that is not known as a whole is not an input.
    assert both.cash_flow.inflow[0].tolist() == [0, 0, 0, 0, 7, 0]
    assert both.cash_flow.observed.tolist() == [[False] * 3 + [True] * 3, [True] * 6]


def test_nobody_observed_is_no_month(conn: Connection) -> None:
    builders.add_user(conn, 1, observed_from=None, observed_through=None)
    flow = loaded(conn).cash_flow
    assert flow.months.shape == (0,) and flow.observed.shape == flow.repaid.shape == (1, 0)


def test_an_import_after_the_refresh_makes_no_month_of_zero(conn: Connection) -> None:
    """The window of a new profile counts only together with the amounts of its months."""
    builders.add_user(conn, 1, opened_on=day("2026-05-01"), observed_through=day("2026-05-31"))
    builders.add_events(conn, 1, "income", [(day("2026-05-10"), 5), (day("2026-06-10"), 3)])
    builders.refresh(conn)
    builders.add_profile(conn, 1, day("2026-06-30"), observed_from=day("2026-05-01"), observed_through=AS_OF)
    builders.add_events(conn, 1, "income", [(day("2026-06-20"), 4)])
    assert months_seen(loaded(conn, day("2026-06-29"))) == ["2026-05"]
    assert "2026-06" not in months_seen(loaded(conn))
    builders.refresh(conn)
    assert months_seen(loaded(conn)) == ["2026-05", "2026-06"]
    assert loaded(conn).cash_flow.inflow.tolist() == [[5, 7]]


# Without a window ---------------------------------------------------------------------------


def test_without_a_window_months_with_events_between_the_first_and_the_last(conn: Connection) -> None:
    builders.add_user(conn, 1, observed_from=None, observed_through=None)
    builders.add_monthly_income(conn, 1, [1, 2, 0, 4, 5, 6])  # nothing was seen in March
    builders.add_statement(conn, 1, day("2026-03-01"))
    builders.refresh(conn)
    assert months_seen(loaded(conn)) == ["2026-02", "2026-04", "2026-05"]
    assert months_seen(loaded(conn, day("2026-05-09"))) == ["2026-02"]  # April was the last month seen until then
    assert months_seen(loaded(conn, day("2026-05-10"))) == ["2026-02", "2026-04"]


def test_without_a_window_or_any_event_the_own_books_speak(conn: Connection) -> None:
    """Nothing was ever seen of the user's accounts; repayments are the only evidence there is."""
    builders.add_user(conn, 1, opened_on=day("2026-01-10"), observed_from=None, observed_through=None)
    for paid_on in ("2026-01-20", "2026-02-20", "2026-04-20", "2026-06-20"):
        builders.add_repayment(conn, 1, day(paid_on), 30)
    builders.refresh(conn)
    assert months_seen(loaded(conn)) == ["2026-02", "2026-04", "2026-06"]
    assert loaded(conn).cash_flow.repaid.tolist() == [[30, 0, 30, 0, 30]]


def test_half_a_window_is_no_window(conn: Connection) -> None:
    builders.add_user(conn, 1, observed_through=None)
    builders.add_monthly_income(conn, 1, [1, 2, 3])
    builders.refresh(conn)
    assert months_seen(loaded(conn)) == ["2026-05"]


# Past due -----------------------------------------------------------------------------------

# Statements (issued, due, minimum), repayments (paid, amount), and as of AS_OF: days past due, missed, worst.
PUNCTUALITY = {
    "no statement": ([], [("2026-06-01", 50)], (0, 0, 0)),
    "nothing asked": ([("2026-05-01", "2026-05-21", 0)], [], (0, 0, 0)),
    "paid on the due date": ([("2026-05-01", "2026-05-21", 50)], [("2026-05-21", 50)], (0, 0, 0)),
    "paid on the day of the statement": ([("2026-05-01", "2026-05-21", 50)], [("2026-05-01", 50)], (0, 0, 0)),
    "paid a day late": ([("2026-05-01", "2026-05-21", 50)], [("2026-05-22", 50)], (0, 1, 1)),
    "paid in parts, the last late": (
        [("2026-05-01", "2026-05-21", 50)],
        [("2026-05-20", 49), ("2026-05-25", 1)],
        (0, 1, 4),
    ),
    "two parts of one day": ([("2026-05-01", "2026-05-21", 50)], [("2026-05-21", 25), ("2026-05-21", 25)], (0, 0, 0)),
    "not paid": ([("2026-05-01", "2026-05-21", 50)], [], (40, 1, 40)),
    "a cent short": ([("2026-05-01", "2026-05-21", 50)], [("2026-05-02", 49)], (40, 1, 40)),
    "due today": ([("2026-06-10", "2026-06-30", 50)], [], (0, 0, 0)),
    "due yesterday": ([("2026-06-09", "2026-06-29", 50)], [], (1, 1, 1)),
    "issued later": ([("2026-07-01", "2026-07-01", 50)], [], (0, 0, 0)),
    "paid later": ([("2026-05-01", "2026-05-21", 50)], [("2026-07-01", 50)], (40, 1, 40)),
    "the oldest is paid first": (
        [("2026-04-01", "2026-04-21", 50), ("2026-05-01", "2026-05-21", 50)],
        [("2026-05-15", 50)],
        (40, 2, 40),
    ),
    "the oldest open counts": ([("2026-04-01", "2026-04-21", 50), ("2026-05-01", "2026-05-21", 50)], [], (70, 2, 70)),
    "one repayment for two": (
        [("2026-04-01", "2026-04-21", 50), ("2026-05-01", "2026-05-21", 50)],
        [("2026-05-10", 100)],
        (0, 1, 19),
    ),
    "paid before it is due": (
        [("2026-05-01", "2026-06-25", 50), ("2026-06-01", "2026-06-26", 50)],
        [("2026-06-01", 100)],
        (0, 0, 0),
    ),
    "a balance paid in full is no minimum paid ahead": (
        [("2026-04-01", "2026-04-21", 50), ("2026-05-01", "2026-05-21", 50)],
        [("2026-04-10", 5000)],
        (40, 1, 40),
    ),
    "money before the first statement lowers its balance": (
        [("2026-05-01", "2026-05-21", 50)],
        [("2026-04-30", 5000)],
        (40, 1, 40),
    ),
    "a year ago": ([("2025-06-01", "2025-06-30", 50)], [("2025-06-30", 50)], (0, 0, 0)),
    "late more than a year ago": ([("2025-05-01", "2025-05-21", 50)], [("2025-06-20", 50)], (0, 0, 0)),
    "due more than a year ago, late into the year": (
        [("2025-05-01", "2025-05-21", 50)],
        [("2025-07-20", 50)],
        (0, 0, 60),
    ),
    "due more than a year ago, still open": ([("2025-05-01", "2025-05-21", 50)], [], (405, 0, 405)),
}


def test_punctuality(conn: Connection) -> None:
    """All cases at once, a user each: one user's money pays nothing of another's."""
    for user_id, (statements, repayments, _) in enumerate(PUNCTUALITY.values(), start=1):
        builders.add_user(conn, user_id)
        for issued, due, minimum in statements:
            builders.add_statement(conn, user_id, day(issued), due_on=day(due), minimum_due=minimum)
        for paid, amount in repayments:
            builders.add_repayment(conn, user_id, day(paid), amount)
    portfolio = loaded(conn)
    columns = (portfolio.days_past_due, portfolio.missed_payments, portfolio.worst_days_past_due)
    found = dict(zip(PUNCTUALITY, zip(*(column.tolist() for column in columns), strict=True), strict=True))
    assert found == {name: wanted for name, (_, _, wanted) in PUNCTUALITY.items()}


def test_punctuality_is_as_of_the_date(conn: Connection) -> None:
    builders.add_user(conn, 1)
    builders.add_statement(conn, 1, day("2026-04-01"), due_on=day("2026-04-21"), minimum_due=50)
    builders.add_repayment(conn, 1, day("2026-05-01"), 50)
    views = {"2026-04-21": (0, 0, 0), "2026-04-25": (4, 1, 4), "2026-05-01": (0, 1, 10), "2027-05-02": (0, 0, 0)}
    for as_of, wanted in views.items():
        found = row(loaded(conn, day(as_of)), 1)
        assert (found["days_past_due"], found["missed_payments"], found["worst_days_past_due"]) == wanted, as_of


# Who is left out ----------------------------------------------------------------------------


def test_every_user_asked_for_is_accounted_for(conn: Connection) -> None:
    builders.add_user(conn, 1)
    builders.add_user(conn, 2, opened_on=day("2026-07-01"))
    builders.add_user(conn, 3, effective_on=day("2026-07-01"))
    builders.add_user(conn, 4, currency="EUR")
    builders.add_user(conn, 5, status="closed")
    builders.add_user(conn, 6, credit_limit=None)
    builders.add_user(conn, 7)
    builders.add_events(conn, 7, "income", [(day("2026-05-03"), LARGEST_MINOR), (day("2026-05-04"), 1)])
    builders.add_user(conn, 8, credit_limit=LARGEST_MINOR + 1)
    builders.add_user(conn, 9)
    conn.execute("UPDATE limits.credit_lines SET currency = 'EUR' WHERE user_id = 9")
    builders.add_user(conn, 10, income_verified_on="infinity")
    builders.add_user(conn, 11)
    conn.execute("ALTER TABLE limits.user_profiles DROP CONSTRAINT user_profiles_status_check")
    builders.add_user(conn, 12, status="frozen")
    builders.refresh(conn)
    portfolio, excluded = load_portfolio(conn, AS_OF, CURRENCY, user_ids=[404, *range(12, 0, -1), 2**70, 0, 1])
    assert portfolio.user_id.tolist() == [1, 11]
    assert [(e.user_id, e.outcome, e.reason) for e in excluded] == [
        (0, "skipped", "unknown_user"),
        (2, "skipped", "not_open_yet"),
        (3, "skipped", "not_open_yet"),
        (4, "skipped", "other_currency"),
        (5, "skipped", "closed"),
        (6, "quarantined", "no_credit_line"),
        (7, "quarantined", "amount_too_large"),
        (8, "quarantined", "amount_too_large"),
        (9, "quarantined", "line_currency"),
        (10, "quarantined", "date_impossible"),
        (12, "quarantined", "unknown_code"),
        (404, "skipped", "unknown_user"),
        (2**70, "skipped", "unknown_user"),
    ]
    details = {e.user_id: e.detail for e in excluded}
    assert details[2] == "opened on 2026-07-01, after 2026-06-30"
    assert details[4] == "the user's currency is EUR, the policy's is CNY; name another policy"
    assert details[7].startswith("inflow of 2026-05 is 1000000000000001 minor units")
    assert details[12] == "status is 'frozen', which this version does not know"


def test_closed_since_later_is_open_today(conn: Connection) -> None:
    builders.add_user(conn, 1)
    builders.add_profile(conn, 1, day("2026-06-30"), status="closed")
    assert len(loaded(conn, day("2026-06-29"))) == 1
    _, excluded = load_portfolio(conn, AS_OF, CURRENCY)
    assert excluded == [Excluded(1, "skipped", "closed", "the profile of 2026-06-30 says that the account is closed")]


def test_nobody_at_all(conn: Connection) -> None:
    assert len(loaded(conn)) == 0
    builders.add_user(conn, 1, currency="EUR")
    portfolio, excluded = load_portfolio(conn, AS_OF, CURRENCY)
    assert len(portfolio) == 0 and [e.reason for e in excluded] == ["other_currency"]


# One and many -------------------------------------------------------------------------------


def test_all_users_equal_each_alone(conn: Connection) -> None:
    for user_id in (5, 3, 9):
        builders.add_steady_user(conn, user_id, credit_limit=1_000_000 + user_id)
        builders.add_events(conn, user_id, "income", [(day("2025-01-05"), user_id)])
    builders.add_statement(conn, 9, day("2026-03-15"), minimum_due=77)
    builders.refresh(conn)
    everybody = loaded(conn)
    assert everybody.user_id.tolist() == [3, 5, 9]
    for place, user_id in enumerate([3, 5, 9]):
        assert_equal(loaded(conn, user_ids=[user_id]), everybody.take([place]))


@pytest.mark.parametrize("role", ["worker", "operations"])
def test_those_who_decide_may_load(database: Database, conn: Connection, role: Any) -> None:
    builders.add_steady_user(conn, 1)
    builders.refresh(conn)
    with database.connect(role, "limits test") as acting:
        assert len(loaded(acting)) == 1
