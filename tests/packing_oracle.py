"""What is packed of users, as the queries of the slow path say it, and between which days."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from limits.portfolio import Int
from limits.store import load
from limits.store.db import Connection
from limits.store.packing.gathering import gather
from limits.store.packing.interval import year_later

AHEAD = 12
#: Columns of load.read_users that are never packed.
LIVE = {
    "line_currency", "line_opened_on", "credit_limit", "version", "last_raise_on", "last_cut_on", "limit_before_cut",
    "requests_90d", "confirmed_fraud", "change_pending", "override_cap", "override_floor", "override_currency",
    "fraud_links",
}  # fmt: skip

#: Days on which something of some users may change. 12 months later: see year_later.
_DAYS = """
SELECT user_id, opened_on, false FROM limits.users
UNION ALL SELECT user_id, effective_on, false FROM limits.user_profiles
UNION ALL SELECT user_id, checked_on, false FROM limits.credit_checks
UNION ALL SELECT user_id, checked_on, false FROM limits.documents
UNION ALL SELECT user_id, effective_on, false FROM limits.consents
UNION ALL SELECT user_id, (occurred_at AT TIME ZONE 'UTC')::date, false FROM limits.events
UNION ALL SELECT user_id, unnest(ARRAY[statement_on, due_on, due_on + 1]), false FROM limits.statements
UNION ALL SELECT user_id, unnest(ARRAY[statement_on, due_on]), true FROM limits.statements
UNION ALL SELECT user_id, paid_on, false FROM limits.repayments
UNION ALL SELECT user_id, paid_on, true FROM limits.repayments
UNION ALL SELECT user_id, d, false
            FROM (SELECT user_id, unnest(observed_as_of) AS r FROM limits.monthly_cash_flow
                   WHERE month BETWEEN %(first)s AND %(last)s) m,
                 unnest(ARRAY[lower(r), upper(r)]) AS d
           WHERE isfinite(d)
"""


def interval(conn: Connection, as_of: dt.date, user_ids: Int) -> tuple[Any, Any]:
    """The first day (n,) on which the facts hold, and the first on which they may not."""
    ended: Any = np.datetime64(as_of + dt.timedelta(days=1), "M")
    first, last = ended - load.MONTHS, ended + AHEAD - 1
    begins = np.full(len(user_ids), ended.astype("datetime64[D]") - 1)
    ends = np.full(len(user_ids), (ended + AHEAD + 1).astype("datetime64[D]") - 1)
    place = {user_id: k for k, user_id in enumerate(user_ids.tolist())}
    span = {"first": first.astype("datetime64[D]").tolist(), "last": last.astype("datetime64[D]").tolist()}
    for user_id, found, is_later in conn.execute(_DAYS, span).fetchall():
        if user_id in place:
            day = year_later(np.array([found], dtype="datetime64[D]"))[0] if is_later else np.datetime64(found)
            k = place[user_id]
            if day <= np.datetime64(as_of):
                begins[k] = max(begins[k], day)
            else:
                ends[k] = min(ends[k], day)
    return begins, ends


def assert_gathered(conn: Connection, as_of: dt.date, user_ids: Int) -> dict[str, Any]:
    """What is gathered in order to be packed is what the queries say, in every column, month and day; the columns."""
    users, (months, cells, watched), held = gather(conn, as_of, user_ids, ahead=AHEAD)
    expected = load.read_users(conn, as_of, user_ids.tolist())
    expected_months = load.read_months(conn, as_of, user_ids, ahead=AHEAD)
    pairs = {name: (users[name], expected[name]) for name in expected if name not in LIVE}
    pairs |= {name: (one, other) for name, one, other in zip(
        ("months", "cells", "watched"), (months, cells, watched), expected_months, strict=True
    )}  # fmt: skip
    pairs |= {name: (one, other) for name, one, other in zip(
        ("valid_from", "valid_until"), held, interval(conn, as_of, user_ids), strict=True
    )}  # fmt: skip
    for name, columns in pairs.items():
        one, other = (c.astype(np.int64) if c.dtype.kind == "M" else c for c in columns)
        wrong = one != other
        assert one.shape == other.shape and not wrong.any(), (
            f"{as_of} {name}: {one[wrong][:3]}, not {other[wrong][:3]}, "
            f"users {user_ids[wrong.reshape(len(wrong), -1).any(axis=1)][:3] if len(wrong) == len(user_ids) else ''}"
        )
    return users
