"""Loading what is known beside money: documents, consents, habits, frauds, overrides; and nothing of a later day."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from limits.money import LARGEST_MINOR
from limits.portfolio import UNBOUNDED, UNKNOWN, Documents, Portfolio
from limits.store.db import Connection, Database
from limits.store.load import load_portfolio
from tests import builders
from tests.builders import AS_OF, CURRENCY

DAY = dt.timedelta(days=1)
LIMIT = 2_000_000


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def loaded(conn: Connection, as_of: dt.date = AS_OF, user_ids: Sequence[int] | None = None) -> Portfolio:
    portfolio, excluded = load_portfolio(conn, as_of, CURRENCY, user_ids=user_ids)
    assert excluded == []
    return portfolio


def seen(conn: Connection, *names: str, as_of: dt.date = AS_OF, user_id: int = 1) -> Any:
    """Columns of one user; one name gives the value alone."""
    portfolio = loaded(conn, as_of, [user_id])
    values = tuple(getattr(portfolio, name)[0].item() for name in names)
    return values if len(names) > 1 else values[0]


@pytest.fixture(autouse=True)
def user(conn: Connection) -> None:
    builders.add_user(conn, 1, credit_limit=LIMIT, raise_consent=False)


# As of --------------------------------------------------------------------------------------

Write = Callable[[Connection, dt.date], Any]
#: What is written of a day, the columns that change by it, and what they are before and after.
FACTS: dict[str, tuple[Write, tuple[str, ...], tuple[Any, ...], tuple[Any, ...]]] = {
    "documents": (
        lambda conn, on: builders.add_documents(conn, 1, on, "complete", on + DAY),
        ("documents", "documents_valid_until"), (Documents.UNKNOWN, None), (Documents.COMPLETE, AS_OF + DAY),
    ),
    "documents missing": (
        lambda conn, on: builders.add_documents(conn, 1, on, "missing"),
        ("documents", "documents_valid_until"), (Documents.UNKNOWN, None), (Documents.MISSING, None),
    ),
    "consent given": (
        lambda conn, on: builders.add_consent(conn, 1, on),
        ("raise_consent", "opted_out", "automation_refused"), (False, False, False), (True, False, False),
    ),
    "consent withdrawn": (
        lambda conn, on: builders.add_consent(conn, 1, on, "withdrawn"),
        ("raise_consent", "opted_out", "automation_refused"), (False, False, False), (False, True, False),
    ),
    "automation refused": (
        lambda conn, on: builders.add_consent(conn, 1, on, "withdrawn", "automation"),
        ("raise_consent", "opted_out", "automation_refused"), (False, False, False), (False, False, True),
    ),
    "request": (lambda conn, on: builders.add_request(conn, 1, on), ("requests_90d",), (0,), (1,)),
    "statement": (
        lambda conn, on: builders.add_statement(conn, 1, on, balance=700, minimum_due=0),
        ("statements_12m", "balances_12m"), (0, 0), (1, 700),
    ),
    "repayment": (lambda conn, on: builders.add_repayment(conn, 1, on, 70), ("repaid_12m",), (0,), (70,)),
    "fraud": (lambda conn, on: builders.add_fraud(conn, 1, on), ("confirmed_fraud",), (False,), (True,)),
    "override": (
        lambda conn, on: builders.add_override(conn, 1, "set", 500, starts_on=on, expires_on=on + 3 * DAY),
        ("override_cap", "override_floor"), (UNBOUNDED, 0), (500, 500),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_counts_from_its_day_on_and_not_before(conn: Connection, name: str) -> None:
    write, columns, before, after = FACTS[name]
    names = (*columns, "user_id")
    assert seen(conn, *names)[:-1] == before
    write(conn, AS_OF)
    assert seen(conn, *names, as_of=AS_OF - DAY)[:-1] == before
    assert seen(conn, *names)[:-1] == after


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_of_another_user_counts_for_nobody_else(conn: Connection, name: str) -> None:
    builders.add_user(conn, 2, raise_consent=False)
    write, columns, before, after = FACTS[name]
    write(conn, AS_OF)
    names = (*columns, "user_id")
    assert (seen(conn, *names)[:-1], seen(conn, *names, user_id=2)[:-1]) == (after, before)


def test_the_newest_on_or_before_the_date_counts(conn: Connection) -> None:
    for on, status, state in (("2026-05-01", "missing", "given"), ("2026-06-01", "complete", "withdrawn")):
        builders.add_documents(conn, 1, day(on), status)
        builders.add_consent(conn, 1, day(on), state)
        builders.add_consent(conn, 1, day(on), state, "automation")
    names = ("documents", "raise_consent", "opted_out", "automation_refused")
    assert seen(conn, *names) == (Documents.COMPLETE, False, True, True)
    assert seen(conn, *names, as_of=day("2026-05-31")) == (Documents.MISSING, True, False, False)


def test_a_consent_goes_before_the_profile(conn: Connection) -> None:
    builders.add_profile(conn, 1, day("2026-02-01"), raise_consent=True)
    names = ("raise_consent", "opted_out")
    assert seen(conn, *names) == (True, False)
    builders.add_consent(conn, 1, day("2026-01-01"), "withdrawn")  # also before one of a later day
    assert seen(conn, *names) == (False, True)


def test_of_consents_of_one_day_the_last_let_in_counts_and_of_one_import_the_withdrawal(conn: Connection) -> None:
    builders.add_consent(conn, 1, AS_OF, "withdrawn")
    builders.add_consent(conn, 1, AS_OF, "given")
    assert seen(conn, "raise_consent", "opted_out") == (True, False)
    builders.add_user(conn, 2)
    with conn.transaction():
        builders.add_consent(conn, 2, AS_OF, "withdrawn")
        builders.add_consent(conn, 2, AS_OF, "given")
    assert seen(conn, "raise_consent", "opted_out", user_id=2) == (False, True)


def test_requests_of_90_days_the_date_included(conn: Connection) -> None:
    for back in (0, 0, 89, 90):
        builders.add_request(conn, 1, AS_OF - back * DAY)
    assert seen(conn, "requests_90d") == 3


def test_the_limit_before_the_newest_cut_and_an_open_change_are_those_of_now(conn: Connection) -> None:
    names = ("limit_before_cut", "change_pending")
    assert seen(conn, *names) == (UNKNOWN, False)
    conn.execute("UPDATE limits.credit_lines SET limit_before_cut_minor = 3000000")
    conn.execute(
        """INSERT INTO limits.reviews (kind, business_date, policy_hash, actor)
           SELECT 'recompute', '2026-06-01', policy_hash, 'test' FROM limits.policies WHERE pack = 'standard'"""
    )
    conn.execute(
        """INSERT INTO limits.pending_changes (entry_id, review_id, user_id, kind, as_of, currency, limit_minor,
                                               proposed_minor, effective_on)
           SELECT 1, review_id, 1, 'offer', '2026-06-01', 'CNY', 2000000, 2500000, '2026-07-01' FROM limits.reviews"""
    )
    assert seen(conn, *names) == (3_000_000, True)
    conn.execute("UPDATE limits.pending_changes SET state = 'declined', ended_at = now()")
    assert seen(conn, *names) == (3_000_000, False)


# Habits -------------------------------------------------------------------------------------

#: Statements (issued, due, amount due, minimum), repayments (paid, amount), and how many minimums alone were paid.
HABITS: dict[str, tuple[list[tuple[str, str, int, int]], list[tuple[str, int]], int]] = {
    "the minimum": ([("2026-05-01", "2026-05-21", 1000, 100)], [("2026-05-10", 100)], 1),
    "little more": ([("2026-05-01", "2026-05-21", 1000, 100)], [("2026-05-10", 110)], 1),
    "more": ([("2026-05-01", "2026-05-21", 1000, 100)], [("2026-05-10", 111)], 0),
    "less is missed": ([("2026-05-01", "2026-05-21", 1000, 100)], [("2026-05-10", 99)], 0),
    "nothing is missed": ([("2026-05-01", "2026-05-21", 1000, 100)], [], 0),
    "the minimum is all that was due": ([("2026-05-01", "2026-05-21", 100, 100)], [("2026-05-10", 100)], 0),
    "all that was due is little more": ([("2026-05-01", "2026-05-21", 105, 100)], [("2026-05-10", 105)], 0),
    "no minimum": ([("2026-05-01", "2026-05-21", 1000, 0)], [], 0),
    "in two parts": ([("2026-05-01", "2026-05-21", 1000, 100)], [("2026-05-10", 60), ("2026-05-21", 40)], 1),
    "on the day of the statement": ([("2026-05-01", "2026-05-21", 1000, 100)], [("2026-05-01", 100)], 1),
    "the day before is of no statement": ([("2026-05-01", "2026-05-21", 1000, 100)], [("2026-04-30", 100)], 0),
    "the rest before the next statement": (
        [("2026-05-01", "2026-05-21", 1000, 100), ("2026-06-01", "2026-06-21", 1000, 100)],
        [("2026-05-10", 100), ("2026-05-31", 900), ("2026-06-01", 100)],
        1,
    ),
    "due today": ([("2026-06-10", "2026-06-30", 1000, 100)], [("2026-06-20", 100)], 1),
    "due tomorrow": ([("2026-06-10", "2026-07-01", 1000, 100)], [("2026-06-20", 100)], 0),
    "a year ago": ([("2025-06-30", "2025-07-20", 1000, 100)], [("2025-07-10", 100)], 0),
    "a year less a day ago": ([("2025-07-01", "2025-07-20", 1000, 100)], [("2025-07-10", 100)], 1),
    "every month": (
        [(f"2026-{month:02}-01", f"2026-{month:02}-21", 1000, 100) for month in range(1, 7)],
        [(f"2026-{month:02}-21", 100) for month in range(1, 7)],
        6,
    ),
    "paid tomorrow": ([("2026-06-01", "2026-06-21", 1000, 100)], [("2026-06-20", 100), ("2026-07-01", 900)], 1),
}  # fmt: skip


def test_minimum_payments(conn: Connection) -> None:
    """All cases at once, a user each."""
    for user_id, (statements, repayments, _) in enumerate(HABITS.values(), start=2):
        builders.add_user(conn, user_id)
        for issued, due_on, due, minimum in statements:
            builders.add_statement(conn, user_id, day(issued), due_on=day(due_on), minimum_due=minimum, amount_due=due)
        for paid_on, amount in repayments:
            builders.add_repayment(conn, user_id, day(paid_on), amount)
    found = dict(zip(HABITS, loaded(conn).minimum_only_payments.tolist()[1:], strict=True))
    assert found == {name: wanted for name, (_, _, wanted) in HABITS.items()}


def test_twelve_months_of_statements_and_repayments(conn: Connection) -> None:
    for issued, balance in (("2025-06-30", 1), ("2025-07-01", 20), ("2026-01-01", -300), ("2026-06-30", 4000)):
        builders.add_statement(conn, 1, day(issued), balance=balance, minimum_due=0)
    for paid_on, amount in (("2025-06-30", 1), ("2025-07-01", 20), ("2026-06-30", 300)):
        builders.add_repayment(conn, 1, day(paid_on), amount)
    assert seen(conn, "statements_12m", "balances_12m", "repaid_12m") == (3, 4020, 320)


# Frauds -------------------------------------------------------------------------------------


def share(conn: Connection, other: int, value: str = "phone", on: dt.date = builders.OPENED_ON) -> None:
    """User 1 and another have the same phone."""
    builders.add_identifier(conn, 1, value, "phone", on)
    builders.add_identifier(conn, other, value, "phone", on)


@pytest.fixture
def three(conn: Connection) -> None:
    for user_id in (2, 3, 4):
        builders.add_user(conn, user_id)


def test_a_withdrawn_fraud_counts_until_the_day_it_was_withdrawn(conn: Connection, three: None) -> None:
    share(conn, 2)
    source_id = builders.add_fraud(conn, 2, day("2026-03-01"))
    builders.add_fraud(conn, 2, day("2026-03-01"), day("2026-05-01"), source_id=source_id)
    views = {"2026-02-28": 0, "2026-03-01": 1, "2026-04-30": 1, "2026-05-01": 0, "2026-06-30": 0}
    for on, wanted in views.items():
        assert seen(conn, "fraud_links", as_of=day(on)) == wanted, on
        assert seen(conn, "confirmed_fraud", as_of=day(on), user_id=2) == bool(wanted), on
    builders.add_fraud(conn, 2, day("2026-06-01"))  # another one stands
    assert (seen(conn, "fraud_links"), seen(conn, "confirmed_fraud", user_id=2)) == (1, True)


def test_links_count_users_and_not_values_nor_frauds(conn: Connection, three: None) -> None:
    for value in ("phone", "second phone"):
        share(conn, 2, value)
    share(conn, 2)
    share(conn, 3)
    share(conn, 4)  # no fraud
    for user_id in (1, 2, 2, 3):
        builders.add_fraud(conn, user_id, day("2026-03-01"))
    portfolio = loaded(conn)
    assert portfolio.fraud_links.tolist() == [2, 2, 2, 3]
    assert portfolio.confirmed_fraud.tolist() == [True, True, True, False]


def test_a_link_needs_the_same_kind_and_both_seen_by_then(conn: Connection, three: None) -> None:
    builders.add_identifier(conn, 1, "x", "phone")
    builders.add_identifier(conn, 2, "x", "device")
    builders.add_fraud(conn, 2, day("2026-01-01"))
    assert seen(conn, "fraud_links") == 0
    builders.add_identifier(conn, 2, "x", "phone", day("2026-03-01"))
    assert seen(conn, "fraud_links", as_of=day("2026-02-28")) == 0
    assert seen(conn, "fraud_links", as_of=day("2026-03-01")) == 1
    builders.add_identifier(conn, 1, "y", "phone", day("2026-05-01"))
    builders.add_identifier(conn, 3, "y", "phone", day("2026-01-01"))
    builders.add_fraud(conn, 3, day("2026-01-01"))
    assert seen(conn, "fraud_links", as_of=day("2026-04-30")) == 1
    assert seen(conn, "fraud_links", as_of=day("2026-05-01")) == 2


def test_a_clearance_covers_frauds_confirmed_until_then(conn: Connection, three: None) -> None:
    for user_id, confirmed in ((2, "2026-03-01"), (3, "2026-04-01"), (4, "2026-05-01")):
        share(conn, user_id)
        builders.add_fraud(conn, user_id, day(confirmed))
    builders.add_clearance(conn, 1, day("2026-03-15"))
    builders.add_clearance(conn, 1, day("2026-04-01"))
    builders.add_clearance(conn, 2, day("2026-06-01"))
    views = {"2026-03-14": 1, "2026-03-15": 0, "2026-03-31": 0, "2026-04-01": 0, "2026-05-01": 1, "2026-06-30": 1}
    assert {on: seen(conn, "fraud_links", as_of=day(on)) for on in views} == views
    assert seen(conn, "fraud_links", user_id=2) == 0


def test_a_phone_that_very_many_share_is_counted_up_to_100(conn: Connection) -> None:
    conn.execute(
        """INSERT INTO limits.users (user_id, currency, opened_on, source)
           SELECT n, 'USD', '2023-01-15', 'test' FROM generate_series(1001, 4000) n"""
    )
    conn.execute(
        """INSERT INTO limits.identifiers (user_id, source, source_id, kind, value_sha256, seen_on, digest)
           SELECT n, 'many', n, 'phone', repeat('a', 64), date '2023-01-15', sha256('x')
             FROM (SELECT 1 AS n UNION ALL SELECT generate_series(1001, 4000)) numbers"""
    )
    conn.execute(
        """INSERT INTO limits.frauds (user_id, source, source_id, confirmed_on, digest)
           SELECT n, 'many', n, date '2026-01-01' + (n % 100), sha256('x') FROM generate_series(1001, 3000) n"""
    )
    builders.add_identifier(conn, 1, "own phone")
    assert seen(conn, "fraud_links") >= 100
    # The newest are kept: those after a clearance are counted whatever came before.
    builders.add_clearance(conn, 1, day("2026-04-09"))
    conn.execute(
        """UPDATE limits.frauds
              SET confirmed_on = date '2026-04-09' + (user_id IN (1005, 1777, 2900))::integer"""
    )
    assert seen(conn, "fraud_links") == 3


def test_a_fraud_and_an_identifier_that_come_in_at_once_are_linked(
    database: Database, conn: Connection, three: None
) -> None:
    builders.add_identifier(conn, 1, "phone", "phone")
    results: list[Any] = []

    def confirm() -> None:
        with database.connect("owner", "limits test") as other:
            results.append(builders.add_fraud(other, 2, AS_OF))

    thread = threading.Thread(target=confirm)
    with conn.transaction():
        builders.add_identifier(conn, 2, "phone", "phone")  # the fraud is not there yet, nor is this seen by it
        thread.start()
        thread.join(0.5)
        assert not results
    thread.join()
    assert seen(conn, "fraud_links") == 1


# Overrides ----------------------------------------------------------------------------------

#: Overrides of a user with a limit of 2,000,000, and the cap and the floor they come to.
OVERRIDES: dict[str, tuple[list[tuple[str, int | None]], tuple[int, int]]] = {
    "none": ([], (UNBOUNDED, 0)),
    "hold": ([("hold", None)], (LIMIT, LIMIT)),
    "cap": ([("cap", 700)], (700, 0)),
    "cap of zero": ([("cap", 0)], (0, 0)),
    "floor": ([("floor", 800)], (UNBOUNDED, 800)),
    "set": ([("set", 900)], (900, 900)),
    "the lowest cap and the highest floor": (
        [("cap", 900), ("cap", 700), ("floor", 100), ("floor", 300)], (700, 300),
    ),
    "the cap wins": ([("cap", 700), ("floor", 800)], (700, 700)),
    "hold and cap": ([("hold", None), ("cap", 700)], (700, 700)),
    "hold and floor": ([("hold", None), ("floor", 3_000_000)], (LIMIT, LIMIT)),
}  # fmt: skip


def test_overrides_add_up(conn: Connection) -> None:
    for user_id, (overrides, _) in enumerate(OVERRIDES.values(), start=2):
        builders.add_user(conn, user_id, credit_limit=LIMIT)
        for kind, amount in overrides:
            builders.add_override(conn, user_id, kind, amount)
    portfolio = loaded(conn)
    pairs = zip(portfolio.override_cap.tolist()[1:], portfolio.override_floor.tolist()[1:], strict=True)
    assert dict(zip(OVERRIDES, pairs, strict=True)) == {name: wanted for name, (_, wanted) in OVERRIDES.items()}


def test_an_override_counts_from_its_first_day_until_it_expires_or_is_ended(conn: Connection) -> None:
    builders.add_override(conn, 1, "cap", 700, starts_on=day("2026-06-01"), expires_on=day("2026-06-20"))
    builders.add_override(conn, 1, "cap", 600, starts_on=day("2026-06-05"), expires_on=day("2026-06-20"), state="ended",
                          ended_on=day("2026-06-10"), ended_by="checker")  # fmt: skip
    for state in ("proposed", "rejected"):
        builders.add_override(conn, 1, "cap", 1, state=state)
    views = {"2026-05-31": UNBOUNDED, "2026-06-01": 700, "2026-06-05": 600, "2026-06-09": 600, "2026-06-10": 700,
             "2026-06-19": 700, "2026-06-20": UNBOUNDED, "2026-06-30": UNBOUNDED}  # fmt: skip
    assert {on: seen(conn, "override_cap", as_of=day(on)) for on in views} == views


# Who is left out ----------------------------------------------------------------------------


def test_what_cannot_be_used_is_quarantined(conn: Connection) -> None:
    for user_id in range(2, 8):
        builders.add_user(conn, user_id)
    builders.add_override(conn, 2, "cap", LARGEST_MINOR + 1)
    builders.add_override(conn, 3, "floor", LARGEST_MINOR + 1)
    builders.add_override(conn, 4, "cap", 700, currency="EUR")
    for _ in range(2):
        builders.add_statement(conn, 5, day("2026-06-01"), balance=LARGEST_MINOR)
    for _ in range(10):
        builders.add_repayment(conn, 6, day("2026-06-01"), 2**62)
    conn.execute("UPDATE limits.credit_lines SET limit_before_cut_minor = %s WHERE user_id = 7", (2**62,))
    portfolio, excluded = load_portfolio(conn, AS_OF, CURRENCY)
    assert portfolio.user_id.tolist() == [1]
    assert [(e.user_id, e.outcome, e.reason) for e in excluded] == [
        (2, "quarantined", "amount_too_large"),
        (3, "quarantined", "amount_too_large"),
        (4, "quarantined", "override_currency"),
        (5, "quarantined", "amount_too_large"),
        (6, "quarantined", "amount_too_large"),
        (7, "quarantined", "amount_too_large"),
    ]
    assert excluded[2].detail == "an override is in EUR, the limit is in CNY"
    assert [e.detail.split()[0] for e in excluded if e.user_id != 4] == [
        "override_cap", "override_floor", "balances_12m", "repaid_12m", "limit_before_cut",
    ]  # fmt: skip
