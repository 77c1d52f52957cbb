"""Rows for tests against a real database: users and what happened to them, written as the importer leaves them.

Amounts are minor units. Every helper takes an owner connection, writes one kind of row with
defaults that bar nothing, and marks the months it touched for the next refresh. Call
``refresh`` before anything that reads the monthly cash flow.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString

from limits.store import reviews
from limits.store.db import Connection

AS_OF = dt.date(2026, 6, 30)
OPENED_ON = dt.date(2023, 1, 15)
CURRENCY = "CNY"
SOURCE = "test"
#: Months of income of a steady user.
STEADY_MONTHS = 24

#: A profile that bars nothing. The window runs from the opening to AS_OF unless it is given.
PROFILE: dict[str, Any] = {
    "status": "active",
    "segment": "retail",
    "industry": "",
    "jurisdiction": "CN",
    "identity_status": "verified",
    "identity_checked_on": dt.date(2026, 1, 1),
    "income_status": "verified",
    "income_verified_on": dt.date(2026, 1, 1),
    "raise_consent": True,
}

_numbers = itertools.count(1)


def add_user(
    conn: Connection,
    user_id: int,
    *,
    credit_limit: int | None = 2_000_000,
    opened_on: dt.date = OPENED_ON,
    currency: str = CURRENCY,
    effective_on: dt.date | None = None,
    **profile: Any,
) -> int:
    """A user with a credit line (none where credit_limit is None) and a first profile, effective from the opening."""
    _insert(conn, "users", user_id=user_id, currency=currency, opened_on=opened_on, source=SOURCE)
    if credit_limit is not None:
        _insert(
            conn, "credit_lines", user_id=user_id, currency=currency, limit_minor=credit_limit,
            opening_limit_minor=credit_limit, opened_on=opened_on,
        )  # fmt: skip
    window = {"observed_from": opened_on, "observed_through": max(AS_OF, opened_on)}
    return add_profile(conn, user_id, effective_on or opened_on, **(window | profile))


def add_profile(conn: Connection, user_id: int, effective_on: dt.date, **profile: Any) -> int:
    """A later (or earlier) state of a user; without observed_from and observed_through it has no window."""
    values = PROFILE | {"observed_from": None, "observed_through": None} | profile
    windows = conn.execute(
        "SELECT observed_from, observed_through FROM limits.user_profiles WHERE user_id = %s", (user_id,)
    ).fetchall()
    _insert(conn, "user_profiles", user_id=user_id, effective_on=effective_on, source=SOURCE, **_digest(), **values)
    # A new state changes which months were observed from its date on: those of its own
    # window, and those of the window it takes the place of.
    for first, last in [*windows, (values["observed_from"], values["observed_through"])]:
        if first is not None and last is not None:
            mark(conn, user_id, *_months(first, last))
    return user_id


def make_months(conn: Connection) -> None:
    """The months of ``add_steady_user``'s events."""
    months = [_month(_number(AS_OF) - back) for back in range(STEADY_MONTHS)]
    conn.execute("SELECT limits.ensure_month('limits.events', month) FROM unnest(%s::date[]) month", (months,))


def add_events(conn: Connection, user_id: int, kind: str, rows: Iterable[tuple[dt.date | dt.datetime, int]]) -> None:
    """Cash events (when, amount); a date means noon UTC."""
    keys, events, days = [], [], []
    for when, amount in rows:
        instant = when if isinstance(when, dt.datetime) else dt.datetime.combine(when, dt.time(12), dt.UTC)
        key = {"source": SOURCE, "source_id": _source_id()}
        days.append(instant.astimezone(dt.UTC).date())
        keys.append(key | _digest())
        events.append({"user_id": user_id, "occurred_at": instant, "kind": kind, "amount_minor": amount} | key)
    conn.execute(
        "SELECT limits.ensure_month('limits.events', month) FROM unnest(%s::date[]) month",
        (sorted({day.replace(day=1) for day in days}),),
    )
    _insert_rows(conn, "event_keys", keys)
    _insert_rows(conn, "events", events)
    mark(conn, user_id, *days)


def add_monthly(conn: Connection, user_id: int, kind: str, amounts: Sequence[int], *, until: dt.date = AS_OF) -> None:
    """One event on the 10th of each of the months that end with that of ``until``, oldest first; 0 means none."""
    last = _number(until)
    days = (_month(last - back).replace(day=10) for back in reversed(range(len(amounts))))
    add_events(conn, user_id, kind, [(day, amount) for day, amount in zip(days, amounts, strict=True) if amount])


def add_monthly_income(conn: Connection, user_id: int, amounts: Sequence[int], *, until: dt.date = AS_OF) -> None:
    """Income on the 10th of each of the months that end with that of ``until``, oldest first; 0 means none."""
    add_monthly(conn, user_id, "income", amounts, until=until)


def add_statement(
    conn: Connection, user_id: int, statement_on: dt.date, *, due_on: dt.date | None = None, **columns: Any
) -> None:
    """A statement, due 20 days later; the amount due is the balance, but never below the minimum.

    ``columns``: balance, minimum_due and amount_due; days_past_due as the lender's system reports it (None: it does
    not); source_id.
    """
    due_on = due_on or statement_on + dt.timedelta(days=20)
    _insert_rows(conn, "statements", [_statement(user_id, statement_on, due_on, **columns)])
    mark(conn, user_id, due_on)


def _statement(
    user_id: int,
    statement_on: dt.date,
    due_on: dt.date,
    *,
    balance: int = 1_000_000,
    minimum_due: int = 50_000,
    amount_due: int | None = None,
    days_past_due: int | None = None,
    source_id: str | None = None,
) -> dict[str, Any]:
    return {
        "user_id": user_id, "source": SOURCE, "source_id": source_id or _source_id(),
        "statement_on": statement_on, "due_on": due_on, "balance_minor": balance,
        "amount_due_minor": max(balance, minimum_due) if amount_due is None else amount_due,
        "minimum_due_minor": minimum_due, "days_past_due": days_past_due, **_digest(),
    }  # fmt: skip


def add_repayment(conn: Connection, user_id: int, paid_on: dt.date, amount: int = 50_000) -> None:
    """A repayment."""
    _insert_rows(conn, "repayments", [_repayment(user_id, paid_on, amount)])
    mark(conn, user_id, paid_on)


def _repayment(user_id: int, paid_on: dt.date, amount: int) -> dict[str, Any]:
    return {
        "user_id": user_id, "source": SOURCE, "source_id": _source_id(), "paid_on": paid_on, "amount_minor": amount,
        **_digest(),
    }  # fmt: skip


def add_credit_check(
    conn: Connection,
    user_id: int,
    checked_on: dt.date,
    *,
    active_lenders: int = 1,
    outside_debt: int = 0,
    outside_monthly_payment: int = 0,
    inquiries: int = 0,
) -> None:
    """An external credit check. It touches no month."""
    _insert(
        conn, "credit_checks", user_id=user_id, source=SOURCE, source_id=_source_id(), checked_on=checked_on,
        active_lenders=active_lenders, outside_debt_minor=outside_debt,
        outside_monthly_payment_minor=outside_monthly_payment, inquiries=inquiries, **_digest(),
    )  # fmt: skip


def add_documents(
    conn: Connection, user_id: int, checked_on: dt.date, status: str = "complete", valid_until: dt.date | None = None
) -> None:
    """A state of the documents: complete or missing."""
    _add_fact(conn, "documents", user_id, checked_on=checked_on, status=status, valid_until=valid_until)


def add_consent(
    conn: Connection, user_id: int, effective_on: dt.date, state: str = "given", subject: str = "raises"
) -> None:
    """A consent, given or withdrawn; subject: raises or automation."""
    _add_fact(conn, "consents", user_id, effective_on=effective_on, subject=subject, state=state)


def add_identifier(
    conn: Connection, user_id: int, value: str, kind: str = "device", seen_on: dt.date = OPENED_ON
) -> None:
    """A device, phone, address or bank card of the user; ``value`` in the clear, as tests like to read it."""
    digest = hashlib.sha256(value.encode()).hexdigest()
    _add_fact(conn, "identifiers", user_id, kind=kind, value_sha256=digest, seen_on=seen_on)


def add_fraud(
    conn: Connection,
    user_id: int,
    confirmed_on: dt.date,
    withdrawn_on: dt.date | None = None,
    *,
    source_id: str | None = None,
) -> str:
    """A confirmed fraud, or with the same source_id its withdrawal; gives the source_id."""
    source_id = source_id or _source_id()
    _add_fact(conn, "frauds", user_id, source_id, confirmed_on=confirmed_on, withdrawn_on=withdrawn_on)
    return source_id


def add_clearance(conn: Connection, user_id: int, cleared_on: dt.date) -> None:
    """A person found nothing against the user."""
    _insert(conn, "fraud_clearances", user_id=user_id, cleared_on=cleared_on, actor="test", reason="looked at")


def add_request(conn: Connection, user_id: int, asked_on: dt.date, amount: int = 3_000_000) -> None:
    """A request for a limit that nobody has answered yet."""
    _insert(
        conn, "limit_requests", user_id=user_id, asked_on=asked_on, amount_minor=amount, currency=CURRENCY,
        idempotency_key=_source_id(), actor="test",
    )  # fmt: skip


def add_override(
    conn: Connection,
    user_id: int,
    kind: str,
    amount: int | None = None,
    *,
    starts_on: dt.date = AS_OF - dt.timedelta(days=10),
    expires_on: dt.date = AS_OF + dt.timedelta(days=10),
    **columns: Any,
) -> None:
    """An override, approved unless ``state`` says otherwise; kind: hold (without an amount), cap, floor or set."""
    values = {"state": "approved", "checker": "checker", "currency": CURRENCY} | columns
    if values["state"] == "proposed":
        values["checker"] = None
    _insert(
        conn, "overrides", user_id=user_id, kind=kind, amount_minor=amount, reason="test", starts_on=starts_on,
        expires_on=expires_on, maker="maker", **values,
    )  # fmt: skip


def add_steady_user(conn: Connection, user_id: int, *, credit_limit: int = 2_000_000, **profile: Any) -> int:
    """A user whom every review can decide: 24 months of income and living costs, more than the minimum paid in time."""
    add_user(conn, user_id, credit_limit=credit_limit, **profile)
    add_monthly_income(conn, user_id, [2_000_000 + 10_000 * (month % 5) for month in range(STEADY_MONTHS)])
    add_monthly(conn, user_id, "essential", [600_000 + 7_000 * (month % 3) for month in range(STEADY_MONTHS)])
    issued = [_month(_number(AS_OF) - back) for back in reversed(range(6))]
    due, paid = ([day + dt.timedelta(days=days) for day in issued] for days in (20, 10))
    statements = [_statement(user_id, *days, balance=credit_limit // 2) for days in zip(issued, due, strict=True)]
    _insert_rows(conn, "statements", statements)
    _insert_rows(conn, "repayments", [_repayment(user_id, day, 200_000) for day in paid])
    mark(conn, user_id, *due, *paid)
    add_credit_check(conn, user_id, AS_OF - dt.timedelta(days=29))
    return user_id


#: The fields of limits.decision_row in order, but for the last one, the bytes of the log's entry.
DECISION_FIELDS = (
    "user_id", "limit_before_minor", "limit_after_minor", "version_before", "binding", "reason_bits", "ceilings_minor",
    "lowest_ceiling_minor", "floor_minor", "capacity_p10_minor", "capacity_p50_minor", "capacity_p90_minor",
    "capacity_method", "months_observed", "disposition", "proposed_minor", "effective_on", "notice", "notice_due_on",
    "consent", "risk_points", "risk_probability_ppm",
)  # fmt: skip


def decision(values: LiteralString) -> LiteralString:
    """SQL of a decision from the values of its fields but the risk, with the bytes of its entry: nobody is scored."""
    fields = ", ".join(f"(x.d).{name}" for name in DECISION_FIELDS)
    return (
        f"(SELECT ROW({fields}, limits.entry_bytes(x.d, 0))::limits.decision_row "
        f"FROM (SELECT ROW({values}, NULL, NULL, NULL)::limits.decision_row AS d) x)"
    )


def root(decision: LiteralString) -> LiteralString:
    """SQL of the root of a batch that is this decision alone."""
    return f"sha256('\\x00'::bytea || ({decision}).entry)"


def keep_snapshot(conn: Connection, review_id: int, *, shard: int = 0, content: bytes = b"x") -> bytes:
    """Says that a shard was decided from some bytes, which are no snapshot; their digest."""
    digest = hashlib.sha256(content).digest()
    conn.execute(
        """INSERT INTO limits.snapshots (digest, as_of, users, bytes, body) VALUES (%s, %s, 1, %s, %s)
           ON CONFLICT DO NOTHING""",
        (digest, AS_OF, len(content), content),
    )
    conn.execute(
        "INSERT INTO limits.snapshot_uses (review_id, shard, digest) VALUES (%s, %s, %s)", (review_id, shard, digest)
    )
    return digest


def mark(conn: Connection, user_id: int, *days: dt.date) -> None:
    """Marks the months of the days for the next refresh."""
    _insert_rows(conn, "dirty_months", [{"user_id": user_id, "month": day.replace(day=1)} for day in days])


def refresh(conn: Connection) -> int:
    """Brings the monthly cash flow up to date, as a review does before it starts."""
    return reviews.refresh_cash_flow(conn)


def _months(first: dt.date, last: dt.date) -> list[dt.date]:
    """First days of the months between two dates, both included, partial ones too."""
    return [_month(number) for number in range(_number(first), _number(last) + 1)]


def _number(day: dt.date) -> int:
    return day.year * 12 + day.month - 1


def _month(number: int) -> dt.date:
    return dt.date(number // 12, number % 12 + 1, 1)


def _source_id() -> str:
    return f"row-{next(_numbers)}"


def _digest() -> dict[str, bytes]:
    return {"digest": hashlib.sha256(str(next(_numbers)).encode()).digest()}


def _add_fact(conn: Connection, table: str, user_id: int, source_id: str | None = None, **values: Any) -> None:
    _insert(
        conn, table, user_id=user_id, source=SOURCE, source_id=source_id or _source_id(), **_digest(), **values
    )  # fmt: skip


def _insert(conn: Connection, table: str, **values: Any) -> None:
    _insert_rows(conn, table, [values])


def _insert_rows(conn: Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows with the same columns by one statement: most of what a test waits for is the way to the server and back."""
    if rows:
        places = f"({', '.join(['%s'] * len(rows[0]))})"
        conn.execute(
            f"INSERT INTO limits.{table} ({', '.join(rows[0])}) VALUES {', '.join([places] * len(rows))}",
            [value for row in rows for value in row.values()],
        )
