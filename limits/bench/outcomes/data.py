"""The real users that the report can be made of, decided about by the product's own review."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np

from limits.bench.outcomes.crossfit import FOLDS, Decided, cross_fitted
from limits.bench.outcomes.report import Trial
from limits.bench.outcomes.training import trained
from limits.decision import review
from limits.engine.risk_governing import read_model
from limits.errors import InputError
from limits.policy import Policy
from limits.risk import Risk
from limits.samples import berka, uci

#: The last day of the bank's data; each account's history is moved to end on it.
BERKA_AS_OF = dt.date(1998, 12, 31)
#: The policy of each.
POLICIES = {"uci": "tw-cards", "berka": "cz"}


Progress = Callable[[int, int], None]


def of_berka(policy: Policy, model: Path | None, progress: Progress) -> Trial:
    """The borrowers, with the loan they were granted as the limit, on the day it was granted."""
    if model is not None:
        raise InputError("the borrowers of berka have no statements that a scorecard could read; leave out --model")
    portfolio = berka.portfolio(BERKA_AS_OF)
    later = berka.outcomes()
    bad = np.array([later[user] for user in portfolio.user_id.tolist()])
    made = review(portfolio, policy)
    notes = (
        "These are few users: the intervals are wide, and no difference is certain whose interval holds 0.",
        "There are no statements, so no scorecard scores them; the loan that was granted stands for the limit.",
    )
    return Trial(
        "berka", portfolio, policy, made.limit_after, made.floor, bad, Risk.none(len(portfolio)),
        "the loan was not paid as agreed", "borrowers of a Czech bank, 1993 to 1998", notes,
    )  # fmt: skip


def of_uci(policy: Policy, model: Path | None, progress: Progress) -> Trial:
    """The card clients on the day of their newest statement, each by a scorecard that has not seen the client."""
    sample = uci.read()
    portfolio, bad = sample.portfolio, sample.outcome
    assert bad is not None, "the shipped sample has outcomes"
    if model is None:
        made = cross_fitted(portfolio, bad, policy, trained, progress)
        note = f"Each client is scored by one of {FOLDS} scorecards, which was trained on the clients of the others."
    else:
        found = review(portfolio, policy, read_model(model))
        made = Decided(found.limit_after, found.floor, found.risk)
        note = (
            f"The scorecard of {model} may have seen these clients and what became of them, and look better than it is."
        )
    return Trial(
        "uci", portfolio, policy, made.limit_after, made.floor, bad, made.risk, "the next payment was missed",
        "card clients of a bank in Taiwan, 2005", (note,),
    )  # fmt: skip


TRIALS: dict[str, Callable[[Policy, Path | None, Progress], Trial]] = {"berka": of_berka, "uci": of_uci}
