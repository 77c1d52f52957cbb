"""The measures of a scorecard, against brute force, statsmodels and the same users written out."""

import numpy as np
import pytest
import statsmodels.api as sm

from limits.errors import InputError
from limits.risk_training.measures import Judged, draws_of, groups, into_tenths, judge, stability


def users(seed: int, n: int = 400, steps: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities with many ties, and outcomes that follow them."""
    generator = np.random.default_rng(seed)
    probability = generator.integers(1, steps, n) / steps
    return probability, generator.random(n) < probability**1.5


@pytest.mark.parametrize("seed", range(5))
def test_the_measures_of_order_by_brute_force(seed: int) -> None:
    probability, bad = users(seed)
    found = Judged.of(probability, bad).measures()
    pairs = probability[bad][:, None] - probability[~bad][None, :]
    assert found["auc"] == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2, abs=1e-12)
    assert found["gini"] == pytest.approx(2 * found["auc"] - 1)
    cuts = np.unique(probability)
    gaps = [abs((probability[bad] <= cut).mean() - (probability[~bad] <= cut).mean()) for cut in cuts]
    assert found["ks"] == pytest.approx(max(gaps), abs=1e-12)
    precision, before = 0.0, 0.0
    for cut in cuts[::-1]:
        named = probability >= cut
        recall = (named & bad).sum() / bad.sum()
        precision, before = precision + (recall - before) * bad[named].mean(), recall
    assert found["pr_auc"] == pytest.approx(precision, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_calibration_is_the_logistic_regression_of_statsmodels(seed: int) -> None:
    probability, bad = users(seed)
    found = Judged.of(probability, bad).measures()
    fitted = sm.Logit(bad.astype(float), sm.add_constant(np.log(probability / (1 - probability)))).fit(disp=0)
    assert (found["intercept"], found["slope"]) == pytest.approx(tuple(fitted.params), abs=1e-6)
    assert found["brier"] == pytest.approx(((probability - bad) ** 2).mean())
    assert found["log_loss"] == pytest.approx(-np.log(np.where(bad, probability, 1 - probability)).mean())


def test_a_weight_counts_a_user_as_often() -> None:
    probability, bad = users(7)
    weight = draws_of(len(bad), 1, seed=3)[0]
    order = np.argsort(probability, kind="stable")
    weighed = Judged.of(probability, bad).measures(weight[order].astype(float))
    written_out = Judged.of(np.repeat(probability, weight), np.repeat(bad, weight)).measures()
    assert weighed == pytest.approx(written_out, abs=1e-9)


def test_an_interval_holds_the_value_and_is_the_same_for_the_same_seed() -> None:
    probability, bad = users(1)
    one, again, other = (judge(probability, bad, draws=60, seed=seed) for seed in (1, 1, 2))
    assert one == again != other
    for name, measure in one.items():
        assert measure.low < measure.value < measure.high, name
    # Twice as wide an interval for a quarter of the users, about.
    few = judge(probability[:100], bad[:100], draws=60, seed=1)["auc"]
    assert few.high - few.low > 1.3 * (one["auc"].high - one["auc"].low)


def test_users_who_are_all_alike_are_refused() -> None:
    for bad in (np.zeros(4, dtype=bool), np.ones(4, dtype=bool)):
        with pytest.raises(InputError, match="some must, and some must not"):
            Judged.of(np.array([0.1, 0.2, 0.3, 0.4]), bad)


def test_groups_add_up_and_an_empty_one_is_left_out() -> None:
    probability, bad = users(2)
    member = np.where(np.arange(len(bad)) < 100, 0, 2)
    found = groups(["a", "b", "c"], member, probability, bad, draws_of(len(bad), 40, seed=1))
    assert [(group.name, group.users) for group in found] == [("a", 100), ("c", 300)]
    assert found[0].expected == pytest.approx(probability[:100].mean())
    assert found[0].observed.value == pytest.approx(bad[:100].mean())
    assert found[0].observed.low < found[0].observed.value < found[0].observed.high


def test_tenths_hold_equal_values_together() -> None:
    assert into_tenths(np.arange(100)).tolist() == sorted(list(range(10)) * 10)
    tenth = into_tenths(np.array([5] * 50 + list(range(50))))
    assert len(set(tenth[:50].tolist())) == 1


def test_stability_by_hand() -> None:
    same = np.array([0.2, 0.3, 0.5])
    assert stability(same, same) == 0
    moved = np.array([0.3, 0.3, 0.4])
    assert stability(same, moved) == pytest.approx(0.1 * np.log(1.5) + (-0.1) * np.log(0.8))
    assert np.isfinite(stability(same, np.array([0.0, 0.5, 0.5])))
