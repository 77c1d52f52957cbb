"""Loading the compiled kernels before they are needed: before a pool of workers forks, say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from limits.capacity.estimate import estimate_capacity
from limits.capacity.kernels import when_compiling
from limits.capacity.reading import habits
from limits.portfolio import CashFlow


def warm(tell: Callable[[], object] = lambda: None) -> None:
    """Make everything ready that ``estimate_capacity`` and ``decide`` run.

    ``tell`` is called first where it must be compiled: once on a machine, some 15 seconds.
    """
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
    with when_compiling(tell):
        estimate_capacity(flow)
        habits(flow)
