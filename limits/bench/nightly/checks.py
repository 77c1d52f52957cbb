"""What must hold after a review before a figure of it is printed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from limits.bench.nightly.generator import Progress
from limits.errors import LimitsError
from limits.store import replay
from limits.store.db import Connection
from limits.store.queries import query


@dataclass(frozen=True, slots=True)
class Compared:
    """Users whose limit the first review left as it was, and how many of them the second decided otherwise."""

    users: int
    different: int


#: Below and above every user's id.
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def _quiet(done: int, total: int) -> None:
    """Progress that nobody looks at."""


def check(conn: Connection, review_id: int, progress: Progress = _quiet) -> None:
    """LimitsError that names what does not hold, with how often. ``progress``: ranges of users looked at, and all."""
    with replay.heap_order(conn):
        found = conn.execute(query("bench_check"), {"review_id": review_id}).fetchall()
        assert found, "each rule is one row, kept or not"
        lines = 0
        for first, last in _ranges(conn, review_id, progress):
            counted = conn.execute(query("bench_check_lines"), {"first": first, "last": last}).fetchone()
            assert counted is not None, "a count is one row"
            lines += counted[0]
    found.append(("limits that are not the opening limit and what was logged since, or with another version", lines))
    broken = [f"{count:,} {rule}" for rule, count in found if count]
    if broken:
        raise LimitsError(f"review {review_id} is wrong, so that its times mean nothing: {'; '.join(broken)}")


def compare(conn: Connection, first: int, second: int, as_of: dt.date, progress: Progress = _quiet) -> Compared:
    """Two reviews of one date, decision by decision; LimitsError when the same facts were decided otherwise."""
    users = different = 0
    with replay.heap_order(conn):
        for low, high in _ranges(conn, first, progress):
            parameters = {"first": first, "second": second, "as_of": as_of, "first_user": low, "last_user": high}
            found = conn.execute(query("bench_compare"), parameters).fetchone()
            assert found is not None, "an aggregate without groups is one row"
            users, different = users + found[0], different + found[1]
    if different:
        raise LimitsError(
            f"review {second} decided {different:,} of {users:,} users otherwise than review {first}, on the same facts"
        )
    return Compared(users, different)


def _ranges(conn: Connection, review_id: int, progress: Progress) -> Iterator[tuple[int, int]]:
    """All ids there can be, cut where the shards of a review end; inclusive.

    What the server sorts and joins of one range stays in its memory; of all users at once it would go to files of
    hundreds of bytes for each.
    """
    ends = [shard.user_to for shard in replay.shards(conn, review_id)[:-1]]
    ranges = list(zip([_LOWEST, *(end + 1 for end in ends)], [*ends, _HIGHEST], strict=True))
    for done, one in enumerate(ranges):
        progress(done, len(ranges))
        yield one
    progress(len(ranges), len(ranges))
