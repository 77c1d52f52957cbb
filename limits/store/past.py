"""The past: credit lines as they stood on a date or before a review, rebuilt from the adjustment log.

Everything else that a portfolio holds is read as of its date anyway; the credit line alone is
read as it is now. Nothing here writes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg.rows import class_row, dict_row

from limits.portfolio import UNKNOWN, Portfolio
from limits.store import archives
from limits.store.db import Connection
from limits.store.queries import query


@dataclass(frozen=True)
class Done:
    """A review of everybody that is done."""

    review_id: int
    business_date: dt.date
    policy_hash: bytes
    risk_model: bytes | None


@dataclass(frozen=True)
class Given:
    """What a review of one user was about: an amount asked for, or a change to carry out; None where neither."""

    request_minor: int | None
    change_id: int | None


def given(conn: Connection, review_id: int) -> Given:
    """What a review was given beside what it loaded."""
    with conn.cursor(row_factory=class_row(Given)) as cursor:
        found = cursor.execute(query("review_given"), {"review_id": review_id}).fetchone()
    assert found is not None, "the log holds decisions of reviews alone"
    return found


def reviews_done(conn: Connection, as_of: dt.date) -> list[Done]:
    """The finished reviews of everybody up to a date, newest first; recomputes of single users are none."""
    with conn.cursor(row_factory=class_row(Done)) as cursor:
        return cursor.execute(query("reviews_done"), {"as_of": as_of}).fetchall()


def rebuilt(conn: Connection, portfolio: Portfolio, review_id: int | None = None) -> Portfolio:
    """The portfolio with its credit lines as they stood just before a review, or (None) at the end of its date.

    ``review_id``: a review of the portfolio's date, or of one user on that date. Limit, version,
    last raise and cut come from the log; an offered or announced change counts as open when
    it was. InArchive where the log as of that date is archived.
    """
    archives.require_here(conn, portfolio.as_of)
    parameters = {"user_ids": portfolio.user_id.tolist(), "as_of": portfolio.as_of, "review_id": review_id}
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query("lines_at"), parameters).fetchall()
    assert [row["user_id"] for row in rows] == portfolio.user_id.tolist(), "every user loaded has a credit line"
    before_cut = [row["limit_before_cut"] for row in rows]
    columns: dict[str, Any] = {
        "credit_limit": np.array([row["credit_limit"] for row in rows], dtype=np.int64),
        "version": np.array([row["version"] for row in rows], dtype=np.int64),
        "last_raise_on": np.array([row["last_raise_on"] for row in rows], dtype="datetime64[D]"),
        "last_cut_on": np.array([row["last_cut_on"] for row in rows], dtype="datetime64[D]"),
        "limit_before_cut": np.array([UNKNOWN if b is None else b for b in before_cut], dtype=np.int64),
        "change_pending": np.array([row["change_pending"] for row in rows], dtype=np.bool_),
    }
    return dataclasses.replace(portfolio, **columns)


def users_waiting(conn: Connection) -> int:
    """Users whose imported events no review has put into the monthly cash flow yet."""
    found = conn.execute(query("cash_flow_waiting")).fetchone()
    assert found is not None, "an aggregate without groups is one row"
    return int(found[1])


def anybody_waiting(conn: Connection) -> bool:
    """Whether there is such a user: answered at once, however many there are."""
    found = conn.execute(query("cash_flow_any_waiting")).fetchone()
    assert found is not None, "EXISTS is one row"
    return bool(found[0])


@contextlib.contextmanager
def looking(conn: Connection) -> Iterator[None]:
    """One snapshot that nothing can be written in: the database itself refuses."""
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
