"""How sure the figures of a scorecard are, against the same users written out."""

import numpy as np
import pytest

from limits.risk_training.evaluating import tenths
from limits.risk_training.metrics import Counted, figures, judge

STEPS = 30


def users(seed: int, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Points with many ties, fewer the riskier, and outcomes that follow them."""
    generator = np.random.default_rng(seed)
    points = generator.integers(1, STEPS, n)
    return points, generator.random(n) < (1 - points / STEPS) ** 1.5


def said(points: np.ndarray) -> np.ndarray:
    return np.rint(1e6 * (1 - points / STEPS)).astype(np.int64)


def counted(points: np.ndarray, missed: np.ndarray) -> Counted:
    return Counted.of(points, said(points), missed)


def test_an_interval_holds_the_value_and_is_the_same_for_the_same_seed() -> None:
    points, missed = users(1)
    one, again, other = (judge(counted(points, missed), times=100, seed=seed) for seed in (1, 1, 2))
    assert one == again != other
    for name, (low, high) in one.interval.items():
        assert low < one.value[name] < high, name
    # Twice as wide an interval for a quarter of the users, about.
    few = judge(counted(points[:100], missed[:100]), times=100, seed=1).interval["auc"]
    whole = one.interval["auc"]
    assert few[1] - few[0] > 1.3 * (whole[1] - whole[0])


def test_a_draw_of_counts_is_a_draw_of_users() -> None:
    """The spread of the AUC over drawn counts is that over users drawn one by one."""
    points, missed = users(3)
    by_counts = figures(counted(points, missed).drawn(400, seed=1))["auc"]
    drawn = np.random.default_rng(1).multinomial(len(points), [1 / len(points)] * len(points), size=400)
    by_users = [float(figures(counted(np.repeat(points, often), np.repeat(missed, often)))["auc"]) for often in drawn]
    assert np.mean(by_counts) == pytest.approx(np.mean(by_users), abs=0.005)
    assert np.std(by_counts) == pytest.approx(np.std(by_users), rel=0.2)


def test_tenths_hold_equal_values_together() -> None:
    assert [int(part.sum()) for part in tenths(np.arange(100))] == [10] * 10
    parts = tenths(np.array([5] * 50 + list(range(50))))
    assert sum(int(part.sum()) for part in parts) == 100
    assert sum(part[:50].any() for part in parts) == 1
