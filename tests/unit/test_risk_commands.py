"""limits risk: its commands, what they say of groups and of drift, and what they refuse."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limits.cli import run
from limits.errors import InputError
from limits.risk import Scorecard, parse_scorecard
from limits.risk_training.disparity import disparity
from limits.risk_training.evaluating import check_currency, evaluate
from limits.risk_training.stability import Drift, from_card, from_users, monitor, stability_index
from limits.samples import uci
from tests.scorecards import by_hand, clients, quick

Rows = list[dict[str, str]]


def rows(users: int = 1_500) -> Rows:
    packed = files("limits.samples").joinpath("data", "uci", "credit_card.csv.gz").read_bytes()
    with gzip.open(io.BytesIO(packed), "rt", encoding="utf-8", newline="") as text:
        return [row for row, _ in zip(csv.DictReader(text), range(users), strict=False)]


def written(file: Path, made: Rows) -> Path:
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, made[0])
        writer.writeheader()
        writer.writerows(made)
    return file


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "model.json"
    file.write_text(quick().scorecard.body)
    return file


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_evaluate_says_figures_with_intervals(model: Path, tmp_path: Path, capsys: Any) -> None:
    data, plot = written(tmp_path / "clients.csv", rows()), tmp_path / "plot.png"
    command = ["risk", "evaluate", "--model", str(model), "--data", str(data), "--bootstraps", "100"]
    assert run([*command, "--json", "--plot", str(plot)]) == 0
    found = printed(capsys)
    assert found["users"] == 1_500 and found["sha256"] == quick().scorecard.model_hash.hex()
    for name in ("auc", "pr_auc", "gini", "ks", "brier", "log_loss", "calibration_slope", "calibration_intercept"):
        low, high = found["intervals"][name]
        assert low <= found[name] <= high, name
    for part in ("calibration", "by_limit", "by_band"):
        assert sum(one["users"] for one in found[part]) == 1_500, part
    assert plot.read_bytes()[:4] == b"\x89PNG"
    assert run(command) == 0
    assert f"AUC\t{found['auc']:.4f}\t" in capsys.readouterr().out


def test_disparity_reports_each_group_once(model: Path, tmp_path: Path, capsys: Any) -> None:
    data = written(tmp_path / "clients.csv", rows())
    command = ["risk", "disparity", "--model", str(model), "--data", str(data), "--bootstraps", "100"]
    assert run([*command, "--json"]) == 0
    groups = printed(capsys)["groups"]
    for attribute in ("sex", "age", "education", "marriage"):
        assert sum(one["users"] for one in groups if one["attribute"] == attribute) == 1_500
    assert {one["group"] for one in groups if one["attribute"] == "sex"} == {"male", "female"}
    assert run(command) == 0 and "favoured" in capsys.readouterr().out


def test_who_somebody_is_changes_no_score(tmp_path: Path) -> None:
    """Sex, education, marriage and age go to other clients, at random: everybody's points stay."""
    made, shuffled, rng = rows(), rows(), np.random.default_rng(0)
    for name in uci.PROTECTED:
        values = [row[name] for row in made]
        for row, at in zip(shuffled, rng.permutation(len(made)), strict=True):
            row[name] = values[at]
    assert shuffled != made
    for row in made:
        for name in uci.PROTECTED:
            del row[name]
    found = []
    for place, each in enumerate((rows(), shuffled, made)):
        sample = uci.read(written(tmp_path / f"{place}.csv", each))
        found.append(quick().scorecard.score(sample.portfolio, clients(1_500)[1]).points)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_a_group_below_four_fifths_is_pointed_out() -> None:
    sample, capacity = clients()
    risk = quick().scorecard.score(sample.portfolio, capacity)
    assert sample.outcome is not None
    late = (sample.portfolio.worst_days_past_due > 0).astype(np.int64)
    found = disparity(risk, sample.outcome, {"late": (late, {0: "never", 1: "some time"})}, times=100, seed=0)
    assert [(one.name, one.points_out) for one in found] == [("never", False), ("some time", True)]
    assert found[0].impact == 1.0


def test_monitor_is_quiet_on_the_users_of_training() -> None:
    sample, capacity = clients()
    scorecard = quick().scorecard
    drifts, figures = monitor(
        scorecard, from_card(scorecard), sample.portfolio, capacity, sample.outcome, times=100, seed=0
    )
    assert {one.state for one in drifts if one.measure != "slope"} == {"ok"} and figures is not None
    assert "alert" not in {one.state for one in drifts}
    assert {one.what for one in drifts} >= {"points", "missed payments", "log-odds", "delay_total"}
    same, _ = monitor(
        scorecard, from_users(scorecard, sample.portfolio, capacity), sample.portfolio, capacity, None,
        times=100, seed=0,
    )  # fmt: skip
    assert all(one.value == 0 for one in same)


def test_monitor_alerts_when_users_have_changed(model: Path, tmp_path: Path, capsys: Any) -> None:
    made = rows()
    for row in made:
        row["PAY_0"], row["PAY_2"], row[uci.OUTCOME] = "2", "2", "0"
    then = written(tmp_path / "then.csv", rows())
    now = written(tmp_path / "now.csv", made)
    command = ["risk", "monitor", "--model", str(model), "--data", str(now), "--bootstraps", "100"]
    assert run([*command, "--json"]) == 1
    found = printed(capsys)
    states = {one["what"]: one["state"] for one in found["measures"]}
    assert states["points"] == states["days_past_due_now"] == states["missed payments"] == "alert"
    assert found["alerts"] == list(states.values()).count("alert")
    assert run([*command, "--against", str(then)]) == 1
    assert "alert\tpoints" in capsys.readouterr().out
    assert run(["risk", "monitor", "--model", str(model), "--data", str(then), "--bootstraps", "100"]) == 0


def test_without_outcomes_monitor_says_what_it_can(model: Path, tmp_path: Path, capsys: Any) -> None:
    made = rows()
    for row in made:
        del row[uci.OUTCOME]
    data = str(written(tmp_path / "clients.csv", made))
    assert run(["risk", "monitor", "--model", str(model), "--data", data, "--json"]) == 0
    assert printed(capsys)["figures"] is None
    assert run(["risk", "evaluate", "--model", str(model), "--data", data]) == 2
    assert "default.payment.next.month is needed" in capsys.readouterr().err


def test_the_stability_index_by_hand() -> None:
    half, other = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    assert stability_index(half, half) == 0
    assert stability_index(half, other) == pytest.approx(-0.25 * np.log(0.5) + 0.25 * np.log(1.5))
    assert np.isfinite(stability_index(half, np.array([1.0, 0.0])))
    states = [Drift("x", "stability", value, "").state for value in (0.0999, 0.1, 0.2499, 0.25)]
    assert states == ["ok", "watch", "watch", "alert"]


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ({}, "does not say how its users were spread"),
        ({"features": [], "points": {}}, "does not say how its users were spread"),
        (
            {"features": {"delay_total": {"edges": [1], "share": [1]}}, "points": {"edges": [], "share": [1]}},
            "other bins than shares",
        ),
    ],
)
def test_a_card_without_a_distribution_is_said(card: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        from_card(by_hand(card=card))


def test_amounts_of_another_currency_are_refused() -> None:
    sample, capacity = clients(500)
    other = dataclasses.replace(sample.portfolio, currency="CNY")
    assert sample.outcome is not None
    with pytest.raises(InputError, match="amounts in TWD and the users' are in CNY"):
        evaluate(quick().scorecard, other, capacity, sample.outcome, times=0, seed=0)
    check_currency(by_hand(), other)  # whose card says nothing of it


@pytest.mark.parametrize("command", ["train", "evaluate", "disparity", "monitor"])
def test_what_cannot_be_used_is_one_sentence(command: str, model: Path, tmp_path: Path, capsys: Any) -> None:
    made = rows(20)
    made[3]["BILL_AMT2"] = "many"
    data = written(tmp_path / "clients.csv", made)
    other = ["--out", str(tmp_path / "out.json")] if command == "train" else ["--model", str(model)]
    assert run(["risk", command, *other, "--data", str(data)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "clients.csv line 5: BILL_AMT2 is 'many'" in said


def test_what_is_no_model_is_said(tmp_path: Path, capsys: Any) -> None:
    for content, says in ((b"{}", "format"), (b"[]", "not a scorecard"), (b"\xff", "not UTF-8"), (b"{", "not JSON")):
        file = tmp_path / "model.json"
        file.write_bytes(content)
        assert run(["risk", "evaluate", "--model", str(file)]) == 2
        assert says in capsys.readouterr().err
    assert run(["risk", "evaluate", "--model", str(tmp_path / "none.json")]) == 2
    assert run(["risk", "train", "--out", str(tmp_path / "x.json"), "--name", "Not This"]) == 2


def test_a_place_that_cannot_be_written_is_said_before_training(tmp_path: Path, capsys: Any) -> None:
    for out in (tmp_path, tmp_path / "none" / "x.json", Path("/dev/null/x.json")):
        assert run(["risk", "train", "--out", str(out)]) == 2
        assert f"{out} cannot be written; name a file in a folder" in capsys.readouterr().err


def test_too_few_users_are_said(tmp_path: Path, capsys: Any) -> None:
    data = written(tmp_path / "clients.csv", rows(60))
    assert run(["risk", "train", "--out", str(tmp_path / "x.json"), "--data", str(data)]) == 2
    assert "at least 50 are needed" in capsys.readouterr().err


def test_a_model_that_was_read_again_is_the_same() -> None:
    scorecard: Scorecard = quick().scorecard
    assert parse_scorecard(scorecard.body, file="x").model_hash == scorecard.model_hash
