"""Loading the compiled kernels before they are needed: before a pool of workers forks, say."""

from __future__ import annotations

import numpy as np

from limits.capacity import pooled
from limits.capacity.estimate import estimate_capacity
from limits.capacity.kernels import compiled_anew
from limits.portfolio import CashFlow


def warm() -> bool:
    """Make everything ready that ``estimate_capacity`` runs; True where it had to be compiled, which takes a while."""
    months = np.arange(6)
    amount = 1000 + 10 * months[None, :]
    flow = CashFlow(
        months=months.astype("datetime64[M]"),
        observed=np.ones((1, 6), dtype=np.bool_),
        inflow=amount,
        essential_spend=amount // 2,
        discretionary_spend=amount,
        fees=amount,
        penalties=amount,
        obligations=amount // 4,
        amount_due=amount,
        repaid=amount,
    )
    estimate_capacity(flow)
    return compiled_anew(pooled._fit_rows)
