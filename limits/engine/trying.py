"""A dry run: everybody decided as a review would, and nothing applied."""

from __future__ import annotations

import datetime as dt
import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from limits.breakers import Counts, in_words, tripped
from limits.budget import Raises, raises_of
from limits.dispositions import Disposition
from limits.engine.asking import MANUAL, policy_for, refuse_future
from limits.engine.deciding import Decided, decide_users
from limits.engine.gate import allotted, counts_of
from limits.engine.scoring import model_on
from limits.policy import Policy
from limits.reasons import Reason
from limits.settings import Settings
from limits.store import recomputes, reviews, status
from limits.store.db import Connection, Database
from limits.store.gates import BudgetRow
from limits.store.reviews import ReviewException

#: How many of the largest raises and cuts, and of the users without a decision, are kept by name.
KEPT = 10


@dataclass(frozen=True)
class Mover:
    """A user whose limit would change, at once or later: amounts in minor units, and the ceiling that binds."""

    user_id: int
    before_minor: int
    after_minor: int
    binding: Reason
    disposition: Disposition = Disposition.AT_ONCE

    @property
    def change_minor(self) -> int:
        """How much the limit would change."""
        return self.after_minor - self.before_minor


@dataclass(frozen=True)
class Foreseen:
    """What the gate would make of a review: what it would count, which breakers trip, what the budget leaves.

    ``reason``: why it would be held, in words; empty: it would go on.
    """

    counts: Counts
    trips: tuple[str, ...]
    reason: str
    budget: BudgetRow | None


@dataclass
class DryRun:
    """What a review would come to, and what the gate would make of it. Amounts in minor units of ``currency``.

    The counts and sums are those before a budget, as the users are decided; ``foreseen`` those after it.
    """

    as_of: dt.date
    pack: str
    policy_hash: bytes
    currency: str
    exponent: int
    users: int = 0
    raised: int = 0
    held: int = 0
    lowered: int = 0
    offered: int = 0  # these two are among the held: their limit stays for now
    announced: int = 0
    quarantined: int = 0
    skipped: int = 0
    exposure_before_minor: int = 0
    exposure_after_minor: int = 0
    reasons: Counter[tuple[int, Reason]] = field(default_factory=Counter)  # by action and binding ceiling
    exceptions: Counter[tuple[str, str]] = field(default_factory=Counter)  # by outcome and reason
    examples: list[ReviewException] = field(default_factory=list)  # the first users without a decision
    raises: list[Mover] = field(default_factory=list)  # the largest
    cuts: list[Mover] = field(default_factory=list)
    foreseen: Foreseen | None = None  # once everybody is decided
    risk_model: bytes | None = None  # what scored the users; None: nobody

    def add(self, decided: Decided) -> None:
        """Counts some more users."""
        made = decided.decisions
        effect = decided.dispositions
        before, after = made.limit_before, effect.limit_after
        self.users += len(decided.portfolio) + len(decided.exceptions)
        self.raised += int((after > before).sum())
        self.held += int((after == before).sum())
        self.lowered += int((after < before).sum())
        self.offered += int((effect.disposition == Disposition.OFFERED).sum())
        self.announced += int((effect.disposition == Disposition.ANNOUNCED).sum())
        self.exposure_before_minor += int(before.sum())
        self.exposure_after_minor += int(after.sum())
        for why in decided.exceptions:
            self.quarantined += why.outcome == "quarantined"
            self.skipped += why.outcome == "skipped"
            self.exceptions[why.outcome, why.reason] += 1
        self.examples += decided.exceptions[: max(KEPT - len(self.examples), 0)]
        self.reasons.update(
            (action, Reason(binding))
            for action, binding in zip(np.sign(after - before).tolist(), made.binding.tolist(), strict=True)
        )
        movers = [
            Mover(user_id, old, new, Reason(binding), Disposition(how))
            for user_id, old, new, binding, how in zip(
                *(a.tolist() for a in (decided.portfolio.user_id, before, made.limit_after, made.binding)),
                effect.disposition.tolist(),
                strict=True,
            )
        ]
        risen = [m for m in movers if m.change_minor > 0]
        fallen = [m for m in movers if m.change_minor < 0]
        self.raises = heapq.nsmallest(KEPT, self.raises + risen, key=lambda m: (-m.change_minor, m.user_id))
        self.cuts = heapq.nsmallest(KEPT, self.cuts + fallen, key=lambda m: (m.change_minor, m.user_id))


class _Gate:
    """Adds up what the gate looks at, as the shards of a review do."""

    def __init__(self, policy: Policy, users_previous: int) -> None:
        self._policy = policy
        self._users_previous = users_previous
        self._tally: dict[str, int] = {}
        self._raises: list[Raises] = []

    def add(self, decided: Decided) -> None:
        for key, value in decided.tally().items():
            known = self._tally.get(key, 0)
            self._tally[key] = max(known, value) if key.startswith("greatest") else known + value
        if self._policy.budget.bounds:
            raises = raises_of(decided.portfolio, decided.decisions, self._policy)
            self._raises += [raises] if len(raises) else []

    def foreseen(self) -> Foreseen:
        tally, budget = self._tally, None
        if self._raises:
            tally, budget, _ = allotted(self._policy, tally, self._raises)
        counts = counts_of(tally, users_previous=self._users_previous)
        rules = self._policy.breakers
        return Foreseen(counts, tripped(rules, counts), in_words(rules, counts), budget)


def dry_run(
    database: Database,
    settings: Settings,
    *,
    as_of: dt.date,
    schedule: str = MANUAL,
    policy: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DryRun:
    """Decides every user as of a date, chunk by chunk, and applies and logs nothing.

    ``schedule``: whose last review the number of users is held against, as at the gate.

    The monthly cash flow, which is derived from the events, is brought up to date first, as
    every review does.
    """
    refuse_future(as_of)
    chosen = policy_for(policy or settings.policy, as_of)
    with database.connect("operations", "limits review --dry-run") as conn:
        exponent = recomputes.facts(conn, chosen.currency).exponent
        model = model_on(conn, chosen, as_of)
        run = DryRun(as_of, chosen.pack, chosen.policy_hash, chosen.currency, exponent)
        run.risk_model = None if model is None else model.model_hash
        gate = _Gate(chosen, status.population_before(conn, schedule, as_of))
        reviews.refresh_cash_flow(conn)
        total = reviews.count_users(conn)
        progress(0, total)
        for user_ids in chunks(conn, settings.chunk_users):
            decided = decide_users(conn, chosen, as_of, user_ids, model=model)
            run.add(decided)
            gate.add(decided)
            progress(run.users, max(total, run.users))
    run.foreseen = gate.foreseen()
    return run


def chunks(conn: Connection, size: int) -> Iterator[list[int]]:
    """Everybody, so many users at a time, in order."""
    after = 0
    while user_ids := reviews.users_after(conn, after, limit=size):
        yield user_ids
        after = user_ids[-1]
