"""What waits for a person: proposals, held reviews, overdue notices, offers and announced changes near their day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from psycopg.rows import class_row

from limits.money import money
from limits.store.db import Connection
from limits.store.queries import query


@dataclass(frozen=True)
class Waiting:
    """One thing that waits. ``what``: override, policy, model, review, notice, offer or announced.

    ``name`` says more of its kind, ``by`` who asked for it, ``until`` the day it is about; ``total`` how many of
    its kind wait.
    """

    what: str
    number: int
    user_id: int | None
    name: str
    reason: str
    by: str
    since: dt.datetime
    until: dt.date
    amount_minor: int | None
    currency: str | None
    exponent: int | None
    total: int

    @property
    def amount(self) -> str:
        """The amount with its currency; empty where there is none."""
        if self.amount_minor is None or self.exponent is None or self.currency is None:
            return ""
        return money(self.amount_minor, self.exponent, self.currency)


def waiting(conn: Connection, *, day: dt.date, soon: dt.date, rows: int) -> list[Waiting]:
    """What waits on a day, of each kind the first ``rows``; ``soon``: until when an offer may end to be among it."""
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(query("work_waiting"), {"day": day, "soon": soon, "rows": rows}).fetchall()
