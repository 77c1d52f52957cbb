"""How the decisions of a review spread: by action and reason, by size of the change, by limit; and the largest ones.

The database adds up in one scan of the review's entries, and gives some thousands of rows whatever their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from limits.reasons import Reason
from limits.store.db import Connection
from limits.store.queries import query
from limits.store.reviews import ReviewRow

#: Edges of changes as shares of the limit before, in basis points. A piece begins at its lower edge. What lies below
#: the first is none, because nobody loses more than all; the last piece is without an end.
SHARES: tuple[int, ...] = (
    *range(-10_000, -5_000, 1_000), *range(-5_000, 5_000, 500), 5_000, 7_500, 10_000, 20_000,
)  # fmt: skip

#: Edges of limits in minor units: ten to each power of ten.
AMOUNTS: tuple[int, ...] = (
    0, *(10**power * step // 10 for power in range(1, 18) for step in (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)),
)  # fmt: skip

#: Movers of each direction that are looked for.
MOVERS = 8


@dataclass(frozen=True)
class Mover:
    """One of the largest changes. ``proposed_minor``: what is offered or announced; the limit stays until then."""

    entry_id: int
    user_id: int
    limit_before_minor: int
    limit_after_minor: int
    proposed_minor: int | None
    disposition: int
    binding: int
    change_minor: int


@dataclass(frozen=True)
class Spread:
    """Users of a review by what was decided. ``changes`` has who was raised or lowered; holds are in the others only.

    ``reasons``: by action and binding ceiling, most first. ``changes``, ``before`` and ``after``: by piece of SHARES
    and AMOUNTS, counted from 0; None is the share of a limit that was nothing.
    """

    users: int
    reasons: Sequence[tuple[int, Reason, int]]
    waiting: Sequence[tuple[int, int]]
    changes: dict[int | None, int]
    before: dict[int, int]
    after: dict[int, int]
    movers: Sequence[Mover]


def of_review(conn: Connection, row: ReviewRow) -> Spread:
    """The decisions of a review that stand in the log; those that are decided and not applied are not there yet."""
    parameters = {"review_id": row.review_id, "as_of": row.business_date}
    reasons: Counter[tuple[int, int]] = Counter()
    waiting: Counter[int] = Counter()
    changes: Counter[int | None] = Counter()
    before: Counter[int] = Counter()
    after: Counter[int] = Counter()
    scales = {"shares": list(map(float, SHARES)), "amounts": list(AMOUNTS)}
    for action, disposition, binding, share, was, becomes, users in conn.execute(
        query("review_spread"), parameters | scales
    ):
        reasons[action, binding] += users
        if disposition:
            waiting[disposition] += users
        if action:
            changes[None if share is None else share - 1] += users
        before[was - 1] += users
        after[becomes - 1] += users
    with conn.cursor(row_factory=class_row(Mover)) as cursor:
        movers = cursor.execute(query("review_movers"), parameters | {"limit": MOVERS}).fetchall()
    most_first = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
    return Spread(
        users=before.total(),
        reasons=tuple((action, Reason(binding), users) for (action, binding), users in most_first),
        waiting=tuple(sorted(waiting.items())),
        changes=dict(changes),
        before=dict(before),
        after=dict(after),
        movers=tuple(movers),
    )
