"""limits risk evaluate, disparity and monitor on the shipped card clients, by a scorecard of two characteristics."""

import csv
import gzip
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limits.capacity import estimate_capacity
from limits.cli import run
from limits.portfolio import Portfolio
from limits.risk import Risk
from limits.samples import uci
from tests import risks

FEW = ["--bootstraps", "100"]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 1,500 of the shipped clients."""
    packed = files("limits.samples").joinpath("data", "uci", "credit_card.csv.gz").read_bytes()
    path = tmp_path_factory.mktemp("uci") / "clients.csv"
    path.write_text("".join(gzip.decompress(packed).decode().splitlines(keepends=True)[:1501]))
    return path


def shuffled(clients: Path, columns: tuple[str, ...], path: Path) -> Path:
    """The same clients with some columns dealt out anew."""
    with clients.open() as file:
        rows = list(csv.DictReader(file))
    generator = np.random.default_rng(3)
    for column in columns:
        dealt = generator.permutation([row[column] for row in rows])
        for row, value in zip(rows, dealt, strict=True):
            row[column] = value
    with path.open("w") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.json"
    sample = risks.scorecard()
    features = {
        name: {"edges": edges, "share": [1 / (len(edges) + 2)] * (len(edges) + 2)}
        for one in sample.characteristics
        for name, edges in zip(one.features, one.edges, strict=True)
    }
    card = {"points": {"edges": [40, 85], "share": [0.2, 0.3, 0.5]}, "features": features}
    path.write_text(json.dumps({**risks.CARD, "card": card}))
    return path


def scored(portfolio: Portfolio) -> Risk:
    return risks.scorecard().score(portfolio, estimate_capacity(portfolio.cash_flow))


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run([*arguments, "--json"]) == code, capsys.readouterr().err
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_evaluating_tells_everything_about_everybody(
    clients: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "picture.png"
    command = ["risk", "evaluate", "--model", str(model), "--data", str(clients), *FEW]
    found = told(capsys, *command, "--plot", str(plot))
    sample = uci.read(clients)
    assert sample.outcome is not None
    missed = int(sample.outcome.sum())
    assert found["users"] == 1500 and found["rate"] == pytest.approx(missed / 1500, abs=1e-6)
    assert plot.read_bytes()[:4] == b"\x89PNG"
    for name in ("auc", "pr_auc", "gini", "ks", "brier", "log_loss", "calibration_slope", "calibration_intercept"):
        low, high = found["intervals"][name]
        assert low < found[name] < high, name
    for table in ("calibration", "by_limit", "by_band"):
        assert sum(group["users"] for group in found[table]) == 1500, table
        assert sum(group["users"] * group["rate"] for group in found[table]) == pytest.approx(missed, abs=0.1), table
    assert [group["part"] for group in found["by_band"]] == ["A", "B", "C"]
    assert run(command) == 0
    shown = capsys.readouterr().out
    assert "AUC" in shown and f"{found['auc']:.4f}" in shown


def test_who_a_user_is_changes_no_score(clients: Path, model: Path, tmp_path: Path) -> None:
    sample = uci.read(clients)
    other = uci.read(shuffled(clients, uci.PROTECTED, tmp_path / "shuffled.csv"))
    assert other.protected is not None and sample.protected is not None
    assert (other.protected.sex != sample.protected.sex).any()
    one, two = scored(sample.portfolio), scored(other.portfolio)
    for name in ("points", "probability_ppm", "band"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
    # And the check could fail: another limit is another score.
    third = uci.read(shuffled(clients, ("LIMIT_BAL",), tmp_path / "limits.csv"))
    assert not np.array_equal(one.points, scored(third.portfolio).points)


def test_the_report_on_groups_needs_the_groups(
    clients: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(capsys, "risk", "disparity", "--model", str(model), "--data", str(clients), *FEW)
    for attribute in ("sex", "age", "education", "marriage"):
        groups = [group for group in found["groups"] if group["attribute"] == attribute]
        assert sum(group["users"] for group in groups) == 1500, attribute
        assert max(group["impact"] for group in groups if group["users"] >= 100) == 1
    bare = tmp_path / "bare.csv"
    with clients.open() as file:
        rows = [{k: v for k, v in row.items() if k != "SEX"} for row in csv.DictReader(file)]
    with bare.open("w") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    assert run(["risk", "disparity", "--model", str(model), "--data", str(bare)]) == 2
    assert "SEX, EDUCATION, MARRIAGE, AGE are needed" in capsys.readouterr().err


def test_monitoring_alerts_where_users_have_moved(
    clients: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    against = ["risk", "monitor", "--model", str(model), "--data", str(clients), *FEW]
    same = told(capsys, *against, "--against", str(clients), code=1)  # the scorecard is made up, and says so
    assert {drift["value"] for drift in same["measures"] if drift["measure"] == "stability"} == {0}
    assert [drift["state"] for drift in same["measures"] if drift["measure"] != "stability"] == ["alert", "alert"]
    moved = told(capsys, *against, code=1)
    assert [drift["what"] for drift in moved["measures"]] == [
        "points", "days_past_due_now", "utilisation_now", "missed payments", "log-odds",
    ]  # fmt: skip
    assert moved["alerts"] > same["alerts"] == 2


def test_a_card_that_does_not_say_where_its_users_stood(
    clients: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bare.json"
    path.write_text(json.dumps(risks.CARD))
    assert run(["risk", "monitor", "--model", str(path), "--data", str(clients)]) == 2
    assert "does not say how its users were spread" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "says"),
    [("", "not JSON"), ("[]", "not a scorecard"), ('{"format": 2}', "format"), (None, "No such file")],
)
def test_a_model_that_is_none_is_refused_in_words(
    content: str | None, says: str, clients: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none.json"
    if content is not None:
        path.write_text(content)
    assert run(["risk", "evaluate", "--model", str(path), "--data", str(clients)]) == 2
    said = capsys.readouterr().err
    assert says in said and "Traceback" not in said


def test_the_same_seed_tells_the_same(clients: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["risk", "evaluate", "--model", str(model), "--data", str(clients), *FEW, "--seed"]
    one, again, other = (told(capsys, *command, seed) for seed in ("4", "4", "5"))
    assert one == again != other
