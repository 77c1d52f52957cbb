"""The figures of a scorecard, against brute force, statsmodels and the same users written out."""

import numpy as np
import pytest
import statsmodels.api as sm

from limits.risk_training.evaluating import tenths
from limits.risk_training.metrics import Counted, figures, judge
from limits.risk_training.stability import stability_index

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


@pytest.mark.parametrize("seed", range(5))
def test_the_figures_of_order_by_brute_force(seed: int) -> None:
    points, missed = users(seed)
    found = figures(counted(points, missed))
    pairs = points[~missed][:, None] - points[missed][None, :]
    assert found["auc"] == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2, abs=1e-12)
    assert found["gini"] == pytest.approx(2 * found["auc"] - 1)
    cuts = np.unique(points)
    gaps = [abs((points[missed] <= cut).mean() - (points[~missed] <= cut).mean()) for cut in cuts]
    assert found["ks"] == pytest.approx(max(gaps), abs=1e-12)
    precision, before = 0.0, 0.0
    for cut in cuts:
        named = points <= cut
        recall = (named & missed).sum() / missed.sum()
        precision, before = precision + (recall - before) * missed[named].mean(), recall
    assert found["pr_auc"] == pytest.approx(precision, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_calibration_is_the_logistic_regression_of_statsmodels(seed: int) -> None:
    points, missed = users(seed)
    found, chance = figures(counted(points, missed)), said(points) / 1e6
    fitted = sm.Logit(missed.astype(float), sm.add_constant(np.log(chance / (1 - chance)))).fit(disp=0)
    assert (found["calibration_intercept"], found["calibration_slope"]) == pytest.approx(tuple(fitted.params), abs=1e-6)
    assert found["brier"] == pytest.approx(((chance - missed) ** 2).mean())
    assert found["log_loss"] == pytest.approx(-np.log(np.where(missed, chance, 1 - chance)).mean())
    assert (found["rate"], found["expected"]) == pytest.approx((missed.mean(), chance.mean()))


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


def test_what_cannot_be_said_is_not_said() -> None:
    points = np.array([1, 2, 3, 4])
    for missed in (np.zeros(4, dtype=bool), np.ones(4, dtype=bool)):
        found = judge(counted(points, missed), times=20, seed=1).as_dict()
        assert found["auc"] is None and found["intervals"]["auc"] == [None, None]
        assert found["rate"] == missed.mean()


def test_tenths_hold_equal_values_together() -> None:
    assert [int(part.sum()) for part in tenths(np.arange(100))] == [10] * 10
    parts = tenths(np.array([5] * 50 + list(range(50))))
    assert sum(int(part.sum()) for part in parts) == 100
    assert sum(part[:50].any() for part in parts) == 1


def test_stability_by_hand() -> None:
    same = np.array([0.2, 0.3, 0.5])
    assert stability_index(same, same) == 0
    moved = np.array([0.3, 0.3, 0.4])
    assert stability_index(same, moved) == pytest.approx(0.1 * np.log(1.5) + (-0.1) * np.log(0.8))
    assert np.isfinite(stability_index(same, np.array([0.0, 0.5, 0.5])))
