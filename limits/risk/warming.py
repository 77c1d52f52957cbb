"""Loading the compiled kernels before they are needed: before a pool of workers forks, say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from limits.capacity.kernels import when_compiling
from limits.portfolio import PaymentRecord
from limits.risk.names import RECORD_FEATURES
from limits.risk.record import record_features
from limits.risk.scoring import add_points, make_plan


def warm(tell: Callable[[], object] = lambda: None) -> None:
    """Make everything ready that scoring runs. ``tell`` is called first where it must be compiled."""
    one = np.zeros(1, dtype=np.int64)
    plan = make_plan(RECORD_FEATURES, [(RECORD_FEATURES[:1], [[1.0]], [0, 0, 0])])
    with when_compiling(tell):
        add_points(record_features(PaymentRecord.none(1), one, one), plan, one.copy())
