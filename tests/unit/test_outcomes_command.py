"""limits backtest --decisions as it is typed: what it prints, for people and for programs, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from limits.cli import run
from limits.samples import berka


def test_the_borrowers_for_programs_and_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "outcomes.png"
    assert run(["backtest", "--decisions", "--data", "berka", "--json", "--plot", str(picture)]) == 0
    first = capsys.readouterr().out
    told = json.loads(first)
    assert picture.read_bytes()[:4] == b"\x89PNG"
    actions = {line["name"]: line for line in told["actions"]}
    assert actions["all"]["users"] == 343 == sum(actions[name]["users"] for name in ("raised", "held", "lowered"))
    assert actions["all"]["bad"] == sum(berka.outcomes().values())
    assert actions["raised"]["rate"]["value"] < actions["all"]["rate"]["value"] < actions["lowered"]["rate"]["value"]
    assert told["not_tried"] == ["rule of thumb", "points template"] and told["bands"] == []
    assert told["policy"]["pack"] == "cz"
    assert run(["backtest", "--decisions", "--data", "berka", "--json"]) == 0
    assert capsys.readouterr().out == first  # the same draws
    assert run(["backtest", "--decisions", "--data", "berka"]) == 0
    printed = capsys.readouterr().out
    for said in ("343 borrowers", "raised by", "everyone 10%", "rule of thumb: not tried", "the intervals are wide"):
        assert said in printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--decisions", "--cash-flow"], "with --decisions go --data, --model, --policy, --plot and --json"),
        (["--data", "uci", "--cash-flow"], "--data and --model go with --decisions"),
        (["--decisions", "--data", "berka", "--model", "m.json"], "no statements that a scorecard could read"),
        (["--decisions", "--data", "mars"], "'mars' is not one of 'uci', 'berka'"),
        (["--decisions", "--model", "nowhere.json"], "cannot read nowhere.json"),
    ],
)
def test_what_does_not_go_together_is_said(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backtest", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and says in " ".join(printed.err.split())
