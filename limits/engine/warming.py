"""Loading what a review runs before it is needed: compiled code, once for all processes that are forked later."""

from __future__ import annotations

from collections.abc import Callable

from limits import capacity, risk
from limits.casebook.users import make_portfolio
from limits.decision import review
from limits.dispositions import dispose
from limits.store import entries, policies, rows, snapshots


def warm(tell: Callable[[], object] = lambda: None) -> None:
    """Makes everything ready that deciding and applying a shard run; ``tell`` as for ``limits.capacity.warm``."""
    capacity.warm(tell)
    risk.warm(tell)
    policy = policies.read_pack("standard")[-1]
    portfolio = make_portfolio()
    decisions = review(portfolio, policy)
    made = rows.encode(portfolio, decisions, dispose(portfolio, decisions, policy))
    entries.batch(rows.decode(made.user_id, bytes(made.body)))  # what is read from the database cannot be written to
    snapshots.decode(snapshots.encode(portfolio))
