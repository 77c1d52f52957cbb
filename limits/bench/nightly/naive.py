"""The obvious design, on a sample: for each user a SELECT, a statsmodels fit, an UPDATE, an INSERT and a commit."""

from __future__ import annotations

import datetime as dt
import time
import warnings
from dataclasses import dataclass

import numpy as np

from limits.errors import LimitsError
from limits.store.db import Connection, Database
from limits.store.queries import query


@dataclass(frozen=True, slots=True)
class Naive:
    """Users a second of one process, and the users it was measured on."""

    users_per_second: float
    sample: int


def measure(database: Database, as_of: dt.date, *, sample: int, months: int, among: int) -> Naive:
    """Loops over users with at least half of the months, of the first ``among`` users.

    What it writes goes to tables beside the product's own.
    """
    # Imported before the clock starts, and fitted once.
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    with warnings.catch_warnings(), database.connect("owner", "limits bench naive") as conn:
        warnings.simplefilter("ignore")
        conn.execute(query("bench_naive_make"))
        chosen = {"sample": sample, "months": months, "among": among}
        found = conn.execute(query("bench_naive_users"), chosen).fetchall()
        user_ids = [user_id for (user_id,) in found]
        if not user_ids:
            raise LimitsError("no user has enough months for the design that loops over users")
        conn.execute(query("bench_naive_fill"), {"user_ids": user_ids})
        UnobservedComponents(np.arange(24.0), "llevel").fit(disp=False)
        began = time.monotonic()
        for user_id in user_ids:
            with conn.transaction():
                _review(conn, UnobservedComponents, user_id, as_of)
        return Naive(len(user_ids) / (time.monotonic() - began), len(user_ids))


def _review(conn: Connection, model: type, user_id: int, as_of: dt.date) -> None:
    """One user, with the defaults of everything, as one would write it first."""
    rows = conn.execute(query("bench_naive_select"), {"user_id": user_id}).fetchall()
    net = np.array([float(net) for _, net in rows])
    fitted = model(net, "llevel").fit(disp=False)
    forecast = float(fitted.forecast(1)[0])
    before = int(rows[0][0])
    after = max(int(min(2.0 * forecast, 1.2 * before)) // 10_000 * 10_000, 0)
    conn.execute(query("bench_naive_update"), {"user_id": user_id, "limit_minor": after})
    conn.execute(
        query("bench_naive_insert"),
        {"user_id": user_id, "as_of": as_of, "before": before, "after": after, "forecast": forecast},
    )
