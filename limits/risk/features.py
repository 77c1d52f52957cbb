"""What a scorecard may read of a user: the product's own columns, by name, and nothing about the person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from limits.capacity import Capacity
from limits.portfolio import Portfolio

Real = NDArray[np.float64]
Read = Callable[[Portfolio, Capacity], Real]


@dataclass(frozen=True)
class Feature:
    """A number of each user (n,) float64, NaN where it is not known.

    worse   "more": risk may only grow with it; "less": it may only fall; "either": not known beforehand
    text    what it is, in English and Chinese, as a user is told it
    """

    name: str
    read: Read
    worse: Literal["more", "less", "either"]
    text: tuple[str, str]


def days_past_due_now(portfolio: Portfolio, capacity: Capacity) -> Real:
    """Days past due on the day of the review or of the newest statement, whichever is more."""
    return np.maximum(portfolio.days_past_due, portfolio.payment_record.days_past_due[:, 0]).astype(np.float64)


def utilisation_now(portfolio: Portfolio, capacity: Capacity) -> Real:
    """Balance of the newest statement as a share of the limit; not known without a statement or a limit."""
    record, limit = portfolio.payment_record, portfolio.credit_limit
    known = (record.held > 0) & (limit > 0)
    share = np.full(len(portfolio), np.nan)
    np.divide(record.balance[:, 0], limit, out=share, where=known)
    return share


#: Every feature there is, by name.
FEATURES: Mapping[str, Feature] = MappingProxyType(
    {
        feature.name: feature
        for feature in (
            Feature("days_past_due_now", days_past_due_now, "more", ("days past due", "逾期天数")),
            Feature("utilisation_now", utilisation_now, "more", ("use of the limit", "额度使用率")),
        )
    }
)


def read_features(portfolio: Portfolio, capacity: Capacity, names: Sequence[str]) -> dict[str, Real]:
    """The features of these names (n,). KeyError for a name that there is not."""
    return {name: FEATURES[name].read(portfolio, capacity) for name in names}
