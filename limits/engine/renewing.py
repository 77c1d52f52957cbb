"""Breakers while a review is applied: whoever is decided again takes none of them further than the gate let through.

A decision that something overtook is taken out of what the review comes to, and what is decided in its place is put
in. The sums of all shards are one row, which whoever adds to holds until the transaction that applies it has ended: so
the breakers see each decision before it is applied, whoever else applies at the same time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from limits.breakers import Counts, further_in_words
from limits.dispositions import Disposition
from limits.engine.deciding import tally_of, with_exceptions
from limits.errors import BreakerTripped
from limits.policy import Policy
from limits.portfolio import Int
from limits.store import gates, rows
from limits.store.db import Connection
from limits.store.reviews import Lease, ReviewException
from limits.store.rows import Rows


def taken_out(conn: Connection, lease: Lease, overtaken: Rows, cut: Rows, granted: Int) -> None:
    """Decisions that are not applied: those that were overtaken, and raises that the budget cut to ``granted`` (n,).

    Inside the transaction that applies the others of their part.
    """
    for made, given in ((overtaken, None), (cut, granted)):
        if len(made):
            gates.shift(conn, lease, {key: -value for key, value in _tally(made, given).items() if key != _GREATEST})


def put_in(
    conn: Connection, lease: Lease, policy: Policy, renewed: Rows, exceptions: Sequence[ReviewException]
) -> None:
    """What is applied in their place, inside the transaction that does so.

    BreakerTripped where the review would trip a breaker and go further than what was let through; not after a person
    has released it when that had happened before.
    """
    made = with_exceptions(_tally(renewed), exceptions)
    shift = gates.shift(conn, lease, made)
    if shift.waved:
        return
    let_through = Counts(**shift.let_through)
    now = _shifted(let_through, shift.shifted)
    reason = further_in_words(policy.breakers, now, let_through)
    if reason:
        raise BreakerTripped(
            f"{reason}, with the users who were decided again while the review was applied",
            {**dataclasses.asdict(now), "renewed": made["users"]},
        )


#: The greatest raise at the gate stays the greatest, whoever is taken out.
_GREATEST = "greatest_raise_bps"


def _tally(made: Rows, granted: Int | None = None) -> dict[str, int]:
    """What the rows decide; of raises ``granted`` (n,) in place of what they say, where it is given."""
    if not len(made):
        return tally_of(*[made.user_id] * 4)
    said, _ = rows.values(made)
    before, after = said["limit_before_minor"], said["limit_after_minor"]
    waits = said["disposition"] != Disposition.AT_ONCE
    wished = np.where(waits, said["proposed_minor"], after) if granted is None else before + granted
    return tally_of(before, after, wished, said["reason_bits"])


def _shifted(counts: Counts, by: Mapping[str, int]) -> Counts:
    """Counts of the gate with what was decided otherwise since.

    Of as many users and as much exposure as at the gate: whoever was taken out is put in later, and a share of fewer
    in between would trip of nothing but that.
    """
    return dataclasses.replace(
        counts,
        raised=counts.raised + by["raised"],
        lowered=counts.lowered + by["lowered"],
        quarantined=counts.quarantined + by["quarantined"],
        fallback=counts.fallback + by["fallback"],
        exposure_after=counts.exposure_after + by["wished"] - by["before"],
        greatest_raise_bps=max(counts.greatest_raise_bps, by[_GREATEST]),
    )
