"""Monthly cash flow per user, kept up to date from marks that the imports leave.

An import marks the (user, month) cells it touched in ``dirty_months``, in its own
transaction; a refresh writes exactly these cells anew and removes the marks it took. So a
late or back-dated event changes its own month, and nobody else is touched.

Months are calendar months of UTC dates. A cell that is not ``observed`` keeps what was seen
of its month; a cell that does not exist is a month of which nothing is known. Neither is
a month of zero: that one is an observed cell of zeros. ``observed`` says that the newest
profile's window [observed_from, observed_through] holds the whole month. Without both ends
of a window nothing in the table vouches for a whole month: ``load`` decides then from what
was seen.
"""

from __future__ import annotations

from typing import Any

import psycopg

from limits.store.queries import query


def refresh(conn: psycopg.Connection[Any]) -> int:
    """Refreshes the cells marked so far, inside the caller's transaction; returns how many users they belong to.

    One caller at a time: the caller holds the refresh lock (``reviews.refresh_cash_flow``).
    If the transaction is rolled back the marks are there again. Marks that other
    transactions commit meanwhile are taken with the month's statement or stay for the next
    refresh, so an import never waits and none is lost.
    """
    waiting = conn.execute(query("cash_flow_waiting")).fetchone()
    assert waiting is not None, "an aggregate without groups is one row"
    months, users = waiting
    for month in months:
        conn.execute(query("cash_flow_month"), {"month": month})
    return int(users)
