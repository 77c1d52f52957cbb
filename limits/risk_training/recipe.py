"""What a scorecard is tried with: characteristics and settings of their fit. docs/risk.md says how they came."""

from __future__ import annotations

from dataclasses import dataclass

from limits.risk.record import BALANCES, DELAYS, PAYMENTS

#: Characteristics by the features that are read together; those that carry nothing in the data are left out.
CANDIDATES: tuple[tuple[str, ...], ...] = (
    ("days_past_due_now", "statements_since_late"),
    ("days_past_due_now", "delay_total"),
    ("days_past_due_now", "delay_worst"),
    ("delay_rise", "delay_weighted"),
    ("days_past_due_now", "utilisation_now"),
    ("delay_total", "utilisation_highest"),
    ("days_past_due_now", "balance_now"),
    ("balance_now", "delay_weighted"),
    ("credit_left", "delay_weighted"),
    ("balance_spread", "delay_weighted"),
    ("repaid_three", "delay_weighted"),
    ("repaid_three", "statements_since_late"),
    ("delay_total", "repaid_largest"),
    ("paid_share", "statements_since_late"),
    ("balance_spread", "credit_left"),
    ("used_before", "credit_left"),
    ("used_newest", "credit_left"),
    ("used_total", "credit_left"),
    ("used_third", "used_fourth"),
    ("repaid_smallest", "utilisation_before"),
    ("balance_now", "paid_share_third"),
    ("balance_spread", "paid_share_lowest"),
    ("days_past_due_now", "paid_share_lowest"),
    ("days_past_due_now", "statements_empty"),
    ("credit_limit",),
    ("minimum_only",),
    ("months_on_book",),
    ("active_lenders",),
    ("inquiries",),
    ("outside_debt_share",),
    ("capacity_share",),
    ("capacity_spread",),
)

#: The kind of each feature: characteristics of the same kinds get one coefficient.
KIND = {
    **dict.fromkeys(DELAYS, "delay"),
    **dict.fromkeys(BALANCES, "use"),
    **dict.fromkeys(PAYMENTS, "payment"),
    "missed_payments": "delay", "minimum_only": "payment", "credit_limit": "use", "months_on_book": "history",
    "active_lenders": "credit check", "inquiries": "credit check", "outside_debt_share": "credit check",
    "capacity_share": "capacity", "capacity_spread": "capacity",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of training. All but the seed were chosen by cross-validation.

    seed              of the folds and the bootstrap
    folds             of cross-validation
    most_bins         of a feature, where it is known
    fewest_share      of the users in a bin
    smoothness        penalty on the squared difference of neighbouring bins, on the scale of log-likelihood
    shrinkage         penalty on the square of each bin
    one_way           penalty on the square of a step against the direction of a feature
    least_gain        log-likelihood by which a characteristic must raise the fit of users it was not fitted on
    most_inflation    variance inflation factor up to which characteristics are kept side by side
    points_to_double  points by which the odds of paying double
    base_points, base_odds
                      points of a user whose odds of paying are base_odds to one
    """

    seed: int = 0
    folds: int = 5
    most_bins: int = 16
    fewest_share: float = 0.01
    smoothness: float = 60.0
    shrinkage: float = 1.0
    one_way: float = 500.0
    least_gain: float = 0.0
    most_inflation: float = 10.0
    points_to_double: int = 40
    base_points: int = 600
    base_odds: int = 20
    bootstraps: int = 500
    candidates: tuple[tuple[str, ...], ...] = CANDIDATES


#: Bands, the best first, each up to a probability in parts per million; the last holds everybody else.
BANDS = (
    ("A", 20_000), ("B", 50_000), ("C", 100_000), ("D", 150_000), ("E", 250_000), ("F", 500_000), ("G", 1_000_000),
)  # fmt: skip
