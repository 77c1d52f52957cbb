"""What must hold after a review before a figure of it is printed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from limits.errors import LimitsError
from limits.store.db import Connection
from limits.store.queries import query


@dataclass(frozen=True, slots=True)
class Compared:
    """Users whose limit the first review left as it was, and how many of them the second decided otherwise."""

    users: int
    different: int


def check(conn: Connection, review_id: int) -> None:
    """LimitsError that names what does not hold, with how often."""
    found = conn.execute(query("bench_check"), {"review_id": review_id}).fetchall()
    broken = [f"{count:,} {rule}" for rule, count in found if count]
    if broken or not found:
        raise LimitsError(f"review {review_id} is wrong, so that its times mean nothing: {'; '.join(broken)}")


def compare(conn: Connection, first: int, second: int, as_of: dt.date) -> Compared:
    """Two reviews of one date, decision by decision; LimitsError when the same facts were decided otherwise."""
    found = conn.execute(query("bench_compare"), {"first": first, "second": second, "as_of": as_of}).fetchone()
    assert found is not None, "an aggregate without groups is one row"
    compared = Compared(*found)
    if compared.different:
        raise LimitsError(
            f"review {second} decided {compared.different:,} of {compared.users:,} users otherwise than review "
            f"{first}, on the same facts"
        )
    return compared
