"""limits backtest: what it reads, how it counts, and that a peer that fails is said."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from limits.bench import peers
from limits.bench.backtesting import compare
from limits.bench.cash_flow import Flows, compare_capacity
from limits.bench.series import read_series, write_series
from limits.capacity.backtest import Fold, figures, folds, measure, ours, simple
from limits.cli import run
from limits.errors import InputError

HEADING = "id,month,value\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "series.csv"
    file.write_text(text)
    return file


def test_series_end_in_the_last_column_and_missing_months_are_not_observed(tmp_path):
    file = written(tmp_path, "month,id,value\n2024-02,b,5\n2023-12,b,-1.5\n2020-01,a,7\n\n2024-01,c,1e3\n")
    read = read_series(file)
    assert read.ids == ["a", "b", "c"]
    np.testing.assert_array_equal(
        read.values, [[np.nan, np.nan, 7.0], [-1.5, np.nan, 5.0], [np.nan, np.nan, 1000.0]]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "first line must name"),
        ("id,month\n", "first line must name the columns id,month,value"),
        (HEADING, "holds no value"),
        (HEADING + "a,2024-13,1\n", "line 2: '2024-13' is not a month"),
        (HEADING + "a,2024-1,1\n", "line 2: '2024-1' is not a month"),
        (HEADING + "a,2024-01,1\na,2024-01,1\n", "line 3: a second value for id 'a' in 2024-01"),
        (HEADING + "a,2024-01,nan\n", "line 2: 'nan' is not an amount"),
        (HEADING + "a,2024-01,inf\n", "line 2: 'inf' is not an amount"),
        (HEADING + "a,2024-01,1e999\n", "line 2: 1e999 is too large"),
        (HEADING + "a,2024-01,\n", "line 2: '' is not an amount"),
        (HEADING + "a,2024-01,1_000\n", "line 2: '1_000' is not an amount"),
        (HEADING + ",2024-01,1\n", "line 2: the id is empty"),
        (HEADING + "a,2024-01\n", "line 2: 2 values, the heading has 3"),
        (HEADING + "a,1000-01,1\na,2024-01,1\n", "spans 12,289 months"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence_with_its_line(tmp_path, text, says):
    with pytest.raises(InputError, match=r"series\.csv") as raised:
        read_series(written(tmp_path, text))
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv cannot be read: No such file"):
        read_series(tmp_path / "none.csv")
    (tmp_path / "series.csv").write_bytes(b"id,month,value\n\xff,2024-01,1\n")
    with pytest.raises(InputError, match="not UTF-8"):
        read_series(tmp_path / "series.csv")


def test_figures_by_hand():
    train, test = np.array([[1.0, 3.0, 2.0]]), np.array([[4.0, 10.0]])
    quantiles = np.array([[[2.0, 3.0, 5.0], [2.0, 8.0, 9.0]]])
    made = figures([(Fold(train, test, np.array([0])), quantiles)])
    assert made.mae == 1.5
    assert made.mase == 1.0  # the past changes by 2 and 1
    assert made.pinball == pytest.approx((0.5, 0.75, 0.5))  # 0.1 * (2, 8), 0.5 * (1, 2), 0.1 * 1 and 0.9 * 1
    assert made.coverage == 0.5
    assert made.bias == -1.5
    assert (made.forecasts, made.failures) == (2, 0)


def test_origins_see_nothing_of_what_comes():
    series = np.arange(40.0).reshape(4, 10)
    for cut in folds(series, 2, 3):
        assert (cut.train.max(axis=1) < cut.test.min(axis=1)).all()
    changed = series.copy()
    changed[:, -1] = 1e9
    one, other = next(folds(series, 2, 1)), next(folds(changed, 2, 1))
    np.testing.assert_array_equal(ours()(one.train, 2), ours()(other.train, 2))


def test_a_failure_is_counted_and_left_out_of_that_methods_figures():
    series = 100.0 + np.random.default_rng(0).normal(size=(6, 12))
    reasons: Counter[str] = Counter()

    def one(row: np.ndarray, horizon: int) -> np.ndarray:
        if row[0] > 100.0:
            raise ZeroDivisionError
        return np.full((horizon, 3), np.nan if row[0] > 99.5 else row[-1])

    made = measure(peers._one_by_one(one, reasons), series, 2, 1)
    assert made.failures == (series[:, 0] > 99.5).sum() > 0
    assert reasons == Counter({"ZeroDivisionError": (series[:, 0] > 100).sum(),
                               "no finite number": ((series[:, 0] > 99.5) & (series[:, 0] <= 100)).sum()})  # fmt: skip
    assert made.forecasts == 2 * (6 - made.failures)


def test_every_method_is_compared_on_the_same_series():
    dice = np.random.default_rng(0)
    series = np.maximum(3000.0 + 500.0 * dice.normal(size=(30, 12)), 0.0)
    steps: list[tuple[int, int]] = []
    found = compare(series, 2, 2, 3, sample=5, seed=0, progress=lambda done, total: steps.append((done, total)))
    by_name = {one.name: one for one in found}
    wanted = {"auto", "local_level", "damped_trend", "robust", "last value", "mean of 6", "median of 6",
              "smoothing 0.3", "statsmodels ETS", "statsmodels local level"}  # fmt: skip
    assert wanted <= set(by_name)
    if peers.has_statsforecast():
        assert {"statsforecast AutoETS", "statsforecast AutoTheta", "statsforecast SES"} <= set(by_name)
    assert by_name["auto"].series == 30
    assert by_name["auto"].to_auto == 1.0
    assert by_name["statsmodels ETS"].series == 5
    assert by_name["statsmodels ETS"].figures.failures == 0
    few = _sampled(series)
    alone = measure(peers.peers({})["statsmodels local level"], few, 2, 2)
    assert by_name["statsmodels local level"].figures == alone
    assert by_name["statsmodels local level"].to_auto == pytest.approx(
        alone.pinball_mean / measure(ours(), few, 2, 2).pinball_mean, rel=1e-3
    )
    assert steps[-1][0] == steps[-1][1]
    json.dumps([one.as_dict() for one in found], allow_nan=False)


def _sampled(series: np.ndarray) -> np.ndarray:
    return series[np.sort(np.random.default_rng(0).permutation(len(series))[:5])]


def test_simple_methods_skip_what_was_not_observed():
    train = np.array([[1.0, np.nan, 3.0, 5.0, np.nan]])
    middles = {name: simple(name)(train, 2)[0, :, 1] for name in ("last value", "mean of 6", "median of 6")}
    assert {name: middle.tolist() for name, middle in middles.items()} == {
        "last value": [5.0, 5.0],
        "mean of 6": [3.0, 3.0],
        "median of 6": [3.0, 3.0],
    }


def test_capacity_is_compared_on_the_mean_of_the_horizon():
    dice = np.random.default_rng(1)
    inflow = 3000.0 + 300.0 * dice.normal(size=(40, 15))
    outgoings = 0.6 * inflow + 100.0 * dice.normal(size=(40, 15))
    outgoings[0, 3] = np.nan
    found = compare_capacity(Flows(inflow, outgoings), 3, 2, 3)
    assert {one.forecasts for one in found.values()} == {80}
    with pytest.raises(InputError, match="no user has"):
        compare_capacity(Flows(inflow[:, :4], outgoings[:, :4]), 3, 2, 3)


def test_the_command_prints_json_and_draws(tmp_path, capsys):
    dice = np.random.default_rng(2)
    rows = [(str(u), f"2025-{m:02}", f"{2000 + 100 * dice.normal():.2f}") for u in range(8) for m in range(1, 11)]
    file, picture = tmp_path / "series.csv", tmp_path / "series.png"
    assert write_series(file, rows) == 80
    assert run(["backtest", "--series", str(file), "--sample", "2", "--plot", str(picture), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["series"], found["horizon"], found["origins"]) == (8, 3, 3)
    wanted = {"method", "mae", "mase", "pinball_10", "pinball_90", "coverage_80", "cpu_seconds_per_series", "failures"}
    assert wanted <= set(found["methods"][0])
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name one of --series FILE.csv, --cash-flow and --decisions"),
        (["--cash-flow", "--plot", "a.png"], "--plot goes with --series"),
        (["--series", "a.csv", "--as-of", "2026-01-01"], "go with --cash-flow"),
        (["--series", "a.csv"], "a.csv cannot be read"),
        (["--series", "a.csv", "--horizon", "0"], "--horizon"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["backtest", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert says in printed.err
    assert printed.err.count("\n") == 1


def test_sample_series_hold_whole_months_of_every_account(tmp_path, capsys):
    file = tmp_path / "inflow.csv"
    assert run(["samples", "series", "berka-inflow", "-o", str(file)]) == 0
    read = read_series(file)
    assert read.values.shape == (343, 22)
    assert np.isfinite(read.values).sum() == 4135
    assert run(["samples", "series", "uci-payments", "-o", str(file)]) == 2
    assert "needs --from" in capsys.readouterr().err
