"""Whether limits, log, messages, batches and reviews say the same: asked of everything, one review or one user.

What that means is written in functions of the database (migrations 0022 and 0027), which also reconcile each review of
a schedule once it is over and halt applying where one does not add up. This module goes over everything piece by
piece, so that neither side holds more than a piece at a time; each piece is one statement, and so one moment.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg.rows import class_row, dict_row, scalar_row

from limits.errors import InArchive
from limits.store import archives, log_known, reviews
from limits.store.db import Connection
from limits.store.queries import query

#: Mismatches that are named; the others are counted.
NAMED = 20

#: Users, and entries, that one statement looks at.
USERS, ENTRIES = 10_000, 100_000

#: The largest number that a user or an entry can have.
LARGEST = 2**63 - 1

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Mismatch:
    """One thing that does not add up. ``said`` by the row, ``counted`` by the log; amounts in minor units.

    ``entry_before``: where the entry does not begin as the one before it ended, which that is. ``currency``: that of
    the amounts, where they are of one user.
    """

    what: str
    review_id: int | None
    shard: int | None
    user_id: int | None
    entry_id: int | None
    said: int | None
    counted: int | None
    entry_before: int | None
    currency: str | None
    words: str


@dataclass
class Found:
    """What was looked at, and what of it does not add up: how many things, and the first of them.

    ``archives``: the archived months, as 2021-05, of which sums were added and no entries.
    """

    users: int = 0
    reviews: int = 0
    archives: list[str] = field(default_factory=list)
    count: int = 0
    named: list[Mismatch] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all adds up."""
        return self.count == 0


@dataclass(frozen=True)
class Reconciliation:
    """What reconciling a review came to once it was over; ``at`` is None while that is owed.

    ``mismatches``: how many that no reconciliation had found before; ``known``: how many that one had, and that are
    still there. ``detail``: the first that are new in words, a line each.
    """

    review_id: int
    owed_at: dt.datetime
    at: dt.datetime | None
    ok: bool | None
    mismatches: int
    known: int
    detail: str


# Looking ---------------------------------------------------------------------------------------


def of_everything(conn: Connection, *, progress: Progress = lambda done, total: None) -> Found:
    """All users, all messages, all reviews. ``progress`` is called with parts done and in all."""
    size = _size(conn)
    found = Found(users=size["users"], reviews=size["reviews"], archives=_archives(conn))
    # A part of the bar for each of the three.
    _users(conn, found, lambda part: progress(round(part * 1000), 3000), size["users"])
    _messages(conn, found, lambda part: progress(1000 + round(part * 1000), 3000), size["last_entry"])
    _reviews(conn, found, lambda part: progress(2000 + round(part * 1000), 3000))
    _look(conn, found, "reconcile_archives")
    return found


def of_review(conn: Connection, review_id: int) -> Found:
    """One review, and all that its users ever changed. NotFound names it, InArchive where its month is archived."""
    row = reviews.get(conn, review_id)
    if (month := archives.of_day(conn, row.business_date)) is not None:
        raise InArchive(
            f"review {review_id} is as of {row.business_date}, and {archives.in_words([month])}: its month is added up "
            "as a whole by limits log reconcile, and checked entry by entry by limits log verify --archives FOLDER"
        )
    found = Found(users=row.users_total or 0, reviews=1, archives=_archives(conn))
    _look(conn, found, "reconcile_review", review_id=review_id)
    return found


def of_user(conn: Connection, user_id: int) -> Found:
    """One user; NotFound for one of whom there is neither a line nor an entry. Reads all messages."""
    log_known.require_user(conn, user_id)
    found = Found(users=1, archives=_archives(conn))
    _look(conn, found, "reconcile_users", user_from=user_id, user_to=user_id)
    _look(conn, found, "reconcile_messages", after=-LARGEST, through=LARGEST, user_from=user_id, user_to=user_id)
    return found


def _archives(conn: Connection) -> list[str]:
    return [month.name for month in archives.months(conn)]


def _users(conn: Connection, found: Found, part: Callable[[float], None], users: int) -> None:
    # The ranges leave no user out: also none of whom the log speaks and nobody else.
    done, after = 0, -LARGEST
    while after < LARGEST:
        through = _next(conn, "reconcile_next_user", after=after, users=USERS)
        _look(conn, found, "reconcile_users", user_from=after + 1, user_to=through)
        done, after = done + USERS, through
        part(min(done / max(users, 1), 1.0))


def _messages(conn: Connection, found: Found, part: Callable[[float], None], last: int) -> None:
    after = -LARGEST
    while after < LARGEST:
        through = _next(conn, "reconcile_next_entry", after=after, entries=ENTRIES)
        _look(conn, found, "reconcile_messages", after=after, through=through, user_from=-LARGEST, user_to=LARGEST)
        after = through
        part(min(max(after, 0) / max(last, 1), 1.0))


def _reviews(conn: Connection, found: Found, part: Callable[[float], None]) -> None:
    """Month by month, as the log lies; the first and the last reach as far as there are dates."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        months: list[dt.date] = cursor.execute(query("reconcile_months")).fetchall()
    bounds: Sequence[dt.date | None] = [None, *months[1:], None]
    for done, (since, following) in enumerate(itertools.pairwise(bounds), start=1):
        until = None if following is None else following - dt.timedelta(days=1)
        _look(conn, found, "reconcile_reviews", since=since, until=until)
        part(done / (len(bounds) - 1))


def _look(conn: Connection, found: Found, name: str, **parameters: Any) -> None:
    """Adds what one statement finds."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query(name), {**parameters, "limit": NAMED}).fetchall()
    for row in rows:
        count = row.pop("all_of_them")
        if len(found.named) < NAMED:
            found.named.append(Mismatch(**{**row, "said": _whole(row["said"]), "counted": _whole(row["counted"])}))
    if rows:
        found.count += count


def _whole(number: Any) -> int | None:
    return None if number is None else int(number)


def _size(conn: Connection) -> dict[str, int]:
    with conn.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(query("reconcile_size")).fetchone()
    assert found is not None, "one row, whatever there is"
    return found


def _next(conn: Connection, name: str, **parameters: int) -> int:
    """Where the next range ends; the last one reaches as far as there are numbers."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        found = cursor.execute(query(name), parameters).fetchone()
    return LARGEST if found is None else int(found)


# After a review ------------------------------------------------------------------------------------


def owed(conn: Connection) -> list[int]:
    """Reviews that are over and not reconciled yet, oldest first."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(query("reconcile_owed")).fetchall()


def reconcile(conn: Connection, review_id: int) -> Reconciliation | None:
    """Reconciles a review that owes it; what it came to, now or before, None for one that owes nothing.

    Where it does not add up, the kill switch is engaged when this returns.
    """
    return _one(conn, "reconcile_run", review_id)


def outcome(conn: Connection, review_id: int) -> Reconciliation | None:
    """What reconciling a review came to; None for one that owes nothing: of one user, or not over yet."""
    return _one(conn, "reconcile_outcome", review_id)


def troubles(conn: Connection) -> list[Reconciliation]:
    """Reviews of the last week that did not add up, those that wait for more than ten minutes, and the newest one
    where what was known before is still there."""
    with conn.cursor(row_factory=class_row(Reconciliation)) as cursor:
        return cursor.execute(query("reconcile_troubles")).fetchall()


def _one(conn: Connection, name: str, review_id: int) -> Reconciliation | None:
    with conn.cursor(row_factory=class_row(Reconciliation)) as cursor:
        return cursor.execute(query(name), {"review_id": review_id}).fetchone()
