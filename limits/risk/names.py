"""What is read of a payment record, by name. Nothing here loads the kernels that read it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

DELAYS = (
    "days_past_due_now", "delay_weighted", "delay_total", "delay_worst", "statements_late", "statements_since_late",
    "delay_rise",
)  # fmt: skip
BALANCES = (
    "balance_now", "credit_left", "utilisation_now", "utilisation_mean", "utilisation_highest", "utilisation_trend",
    "balance_spread", "utilisation_before", "used_newest", "used_before", "used_third", "used_fourth", "used_total",
    "statements_empty",
)  # fmt: skip
PAYMENTS = (
    "repaid_newest", "repaid_three", "repaid_total", "repaid_largest", "repaid_smallest", "paid_share",
    "paid_share_lowest", "paid_share_newest", "paid_share_second", "paid_share_third", "paid_share_fourth",
    "paid_share_fifth", "payments_small", "payments_none", "payments_full",
)  # fmt: skip
#: Every feature that is read of a payment record, in the order of ``limits.risk.record.read_record``.
RECORD_FEATURES = (*DELAYS, *BALANCES, *PAYMENTS)
