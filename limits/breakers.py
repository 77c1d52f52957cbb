"""Breakers: what a review as a whole may do before somebody should look at it.

Every decision of a review can be right by the rules while the review is wrong: a policy with a
slip of the pen, a feed of income that broke overnight. What gives that away is the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from limits.policy import ALL_BPS, Breakers

#: Users of a canary that may come out otherwise than they were decided: so many, or this share where that
#: is more. Somebody who talks to a customer at night moves a few; below 20 a share of a small canary
#: says nothing. One in twenty means that something else writes limits, or that inputs went bad.
DIFFERING_LEAST = 20
DIFFERING_BPS = 500

#: Leases beside the two that a shard takes, for each shard on average: a worker that dies costs one. Three of
#: them for every shard mean that applying itself does not get through.
LEASES_BESIDE = 3

#: The stages of the canary: of so many users one is applied before the next stage. limits.next_release has the same.
CANARY = (100, 10, 1)

#: Shards of a review at least, so that several workers get something to do, where each has so many users: what a shard
#: costs whoever is in it is then a small part. Of a small stage of the canary two, where each has so many: what the
#: second one costs is then less than what the second worker saves.
LEAST_SHARDS, WORTH_MORE = 8, 5_000
WORTH_TWO = 2_000


def shard_sizes(users: int, most: int) -> list[int]:
    """How many users each shard of a review gets, in the order of their ids; of at most ``most`` users each.

    Each stage of the canary ends where a shard ends, so that it is the share of users that it is said to be. Its shards
    are alike, and from two on an even number of them, so that two workers end together.
    """
    most = min(most, max(-(-users // LEAST_SHARDS), WORTH_MORE))
    sizes: list[int] = []
    for one_in in CANARY:
        stage = -(-users // one_in) - sum(sizes)
        count = max(-(-stage // most), min(2, stage // WORTH_TWO))
        count += count % 2 if 1 < count < stage else 0
        sizes += [stage * (place + 1) // count - stage * place // count for place in range(count)]
    return sizes


@dataclass(frozen=True, slots=True)
class Counts:
    """A review so far, or a dry run of it.

    users          that it has come to, those it could not decide included
    raised, lowered, quarantined
                   of these
    fallback       of these: decided without a forecast (reason model_fell_back)
    exposure_before, exposure_after
                   sum of their limits, minor units
    greatest_raise_bps
                   the largest raise of one user as a share of the limit before, rounded up
    users_previous users of the review before it of the same schedule; 0 where there was none
    """

    users: int
    raised: int
    lowered: int
    quarantined: int
    fallback: int
    exposure_before: int
    exposure_after: int
    greatest_raise_bps: int = 0
    users_previous: int = 0


def tripped(rules: Breakers, counts: Counts) -> tuple[str, ...]:
    """The names of the breakers that trip, in the order of the policy's keys without ``_bps``; empty: none.

    A breaker trips when its share is exceeded: at the share itself the review goes on. Exact in
    whole numbers. Of no users no share is exceeded; a limit where there was none exceeds any share.
    A breaker that the policy leaves out does not trip, nor does population without a review before.
    """
    return tuple(bound.name for bound in bounds(rules, counts) if bound.trips)


@dataclass(frozen=True, slots=True)
class Bound:
    """A breaker beside what was found: ``part`` of ``whole``, of which ``bps`` are let through."""

    name: str
    words: str
    part: int
    whole: int
    bps: int

    @property
    def trips(self) -> bool:
        """Whether its share is exceeded."""
        return self.part * ALL_BPS > self.whole * self.bps

    def exceeds(self, other: Bound) -> bool:
        """Whether the share is greater than the other's; exact. Of nothing, more is a greater share."""
        return self.part * max(other.whole, 1) > other.part * max(self.whole, 1)

    @property
    def found(self) -> str:
        """What was found, as a share."""
        return _share(max(self.part, 0), self.whole)

    @property
    def most(self) -> str:
        """The share that is let through."""
        return _share(self.bps, ALL_BPS)

    @property
    def used(self) -> float:
        """How much of what is let through was used: 1 at the bound; above it where nothing is and something was."""
        if self.part <= 0:
            return 0.0
        return self.part * ALL_BPS / (self.whole * self.bps) if self.whole * self.bps else 2.0


def bounds(rules: Breakers, counts: Counts) -> tuple[Bound, ...]:
    """Each breaker that the policy has, with what was found, in the order of the policy's keys."""
    return tuple(Bound(name, _WORDS[name], part, whole, bps) for name, part, whole, bps in _shares(rules, counts))


def in_words(rules: Breakers, counts: Counts) -> str:
    """What trips, with what was found and what is let through, in one line; empty: nothing."""
    return _in_words(bound for bound in bounds(rules, counts) if bound.trips)


def further_in_words(rules: Breakers, counts: Counts, let_through: Counts) -> str:
    """As ``in_words``, of what trips and goes further than in a review that was let through, by a person perhaps."""
    before = {bound.name: bound for bound in bounds(rules, let_through)}
    return _in_words(bound for bound in bounds(rules, counts) if bound.trips and bound.exceeds(before[bound.name]))


def _in_words(tripping: Iterable[Bound]) -> str:
    return "; ".join(f"{one.words}: {_share(one.part, one.whole)}, more than {one.most}" for one in tripping)


def _shares(rules: Breakers, counts: Counts) -> Iterator[tuple[str, int, int, int]]:
    """Name, part, whole, and the share of the whole that the part may be, of each breaker that the policy has."""
    up = counts.exposure_after - counts.exposure_before
    yield "raised", counts.raised, counts.users, rules.raised_bps
    yield "lowered", counts.lowered, counts.users, rules.lowered_bps
    yield "exposure_up", up, counts.exposure_before, rules.exposure_up_bps
    yield "exposure_down", -up, counts.exposure_before, rules.exposure_down_bps
    yield "quarantined", counts.quarantined, counts.users, rules.quarantined_bps
    yield "fallback", counts.fallback, counts.users, rules.fallback_bps
    if rules.user_raise_bps is not None:
        yield "user_raise", counts.greatest_raise_bps, ALL_BPS, rules.user_raise_bps
    if rules.population_bps is not None and counts.users_previous:
        moved = abs(counts.users - counts.users_previous)
        yield "population", moved, counts.users_previous, rules.population_bps


_WORDS = {
    "raised": "users raised",
    "lowered": "users lowered",
    "exposure_up": "exposure grows",
    "exposure_down": "exposure shrinks",
    "quarantined": "users quarantined",
    "fallback": "users without a forecast",
    "user_raise": "the largest raise of one user",
    "population": "users more or fewer than in the review before",
}


def _share(part: int, whole: int) -> str:
    """Rounded to a hundredth of a percent away from zero, so that what exceeds a share does not read like it."""
    return f"{-(-part * ALL_BPS // whole) / 100:.2f}%" if whole else "of nothing"


@dataclass(frozen=True, slots=True)
class Canary:
    """The shards of a review that are applied so far, beside what was decided about their users.

    shards           of them
    leases           that they took beside the two of each, to decide and to apply it
    decided_users    for whom there was a decision to apply
    users            for whom one was applied
    renewed          of these: decided again, because the limit had moved on
    budgeted         shards in which the portfolio's budget left less than was decided
    aside            who got no decision after all while it was applied
    decided_change, change
                     of the sum of their limits, minor units: decided, and applied
    """

    shards: int
    leases: int
    decided_users: int
    users: int
    renewed: int
    aside: int
    decided_change: int
    change: int
    budgeted: int = 0


def canary_differs(found: Canary) -> str:
    """Where what was applied is not what was decided, in one line; empty: it is.

    Whoever was neither decided again nor put aside got exactly what was decided: where there is
    no such user, the sums are equal to the minor unit.
    """
    problems = []
    differing = found.renewed + found.aside
    if found.users + found.aside != found.decided_users:
        problems.append(f"{found.decided_users:,} users decided, {found.users:,} applied, {found.aside:,} put aside")
    if differing > DIFFERING_LEAST and differing * ALL_BPS > found.decided_users * DIFFERING_BPS:
        problems.append(
            f"{found.renewed:,} of {found.decided_users:,} users had to be decided again and {found.aside:,} got no "
            f"decision, together more than {_share(DIFFERING_BPS, ALL_BPS)}"
        )
    if not differing and not found.budgeted and found.change != found.decided_change:
        problems.append(
            f"limits changed by {found.change:,} minor units, where {found.decided_change:,} had been decided"
        )
    if found.leases > found.shards * LEASES_BESIDE:
        problems.append(f"{found.shards:,} shards took {found.leases:,} leases more than they need")
    return "; ".join(problems)
