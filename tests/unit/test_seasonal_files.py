"""limits backtest --seasonal and limits bench season: what they read, print and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from limits.bench.seasonal import calendar, portfolio, read_segments
from limits.bench.series import read_series, write_series
from limits.cli import run
from limits.errors import InputError


def written(file: Path, kinds: dict[str, str], users: int = 40) -> Path:
    """Series of made-up portfolios, with ids that begin with the name given."""
    rows = []
    for name, kind in kinds.items():
        when, series = portfolio(kind, 7, users=users)
        for user, amounts in enumerate(series):
            seen = np.flatnonzero(np.isfinite(amounts))
            rows += [(f"{name}{user}", str(when[at]), str(amounts[at])) for at in seen]
    write_series(file, rows)
    return file


def test_series_are_laid_on_one_calendar(tmp_path):
    file = tmp_path / "series.csv"
    file.write_text("id,month,value\na,2023-11,1\na,2024-02,2\nb,2024-04,3\nc,2024-01,4\nc,2024-05,5\nc,2024-03,6\n")
    months, (values,) = calendar(read_series(file))
    assert months.astype(str).tolist() == [
        "2023-11", "2023-12", "2024-01", "2024-02", "2024-03", "2024-04", "2024-05",
    ]  # fmt: skip
    no = np.nan
    np.testing.assert_array_equal(
        values, [[1, no, no, 2, no, no, no], [no, no, no, no, no, 3, no], [no, no, 4, no, 6, no, 5]]
    )


def test_the_command_tries_each_segment(tmp_path, capsys):
    file, by = written(tmp_path / "s.csv", {"a": "13th salary", "b": "none"}), tmp_path / "by.csv"
    ids = read_series(file).ids
    by.write_text("id,segment\n" + "".join(f"{name},{'employed' if name[0] == 'a' else 'other'}\n" for name in ids))
    arguments = ["backtest", "--series", str(file), "--seasonal", "--segments", str(by)]
    assert run([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["series"], found["origins"], found["horizon"]) == (80, 24, 3)
    employed, other = found["trials"]
    assert (employed["segment"], employed["applied"], employed["season"]["users"]) == ("employed", True, 40)
    assert employed["season"]["factors"]["Dec"] == pytest.approx(1.77, abs=0.1)
    assert employed["gain"] > 2 * employed["gain_standard_error"] > 0
    assert employed["with"]["pinball"] < employed["without"]["pinball"]
    assert (other["segment"], other["applied"]) == ("other", False)
    assert run(arguments) == 0
    said = capsys.readouterr().out
    assert "employed: applied: the loss falls" in said
    assert "other: not applied:" in said


def test_capacity_is_tried_beside_its_sides(tmp_path, capsys):
    money_in = written(tmp_path / "in.csv", {"a": "13th salary"})
    arguments = ["backtest", "--series", str(money_in), "--seasonal", "--json"]
    money_out = written(tmp_path / "out.csv", {"a": "none"})
    assert run([*arguments, "--outgoings", str(money_out)]) == 0
    trials = {one["of"]: one for one in json.loads(capsys.readouterr().out)["trials"]}
    assert list(trials) == ["inflow", "outgoings", "capacity"]
    assert [one["applied"] for one in trials.values()] == [True, False, True]
    assert trials["capacity"]["season"] is None
    assert trials["capacity"]["forecasts"] == trials["inflow"]["forecasts"] / 3
    assert run([*arguments, "--outgoings", str(written(tmp_path / "b.csv", {"b": "none"}))]) == 2
    assert "is not in both files" in capsys.readouterr().err


def test_sides_of_different_months_are_laid_on_one_calendar(tmp_path):
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text("id,month,value\na,2024-01,1\na,2024-02,2\n")
    other.write_text("id,month,value\na,2023-12,3\n")
    months, (first, second) = calendar(read_series(one), read_series(other))
    assert months.astype(str).tolist() == ["2023-12", "2024-01", "2024-02"]
    np.testing.assert_array_equal(first, [[np.nan, 1, 2]])
    np.testing.assert_array_equal(second, [[3, np.nan, np.nan]])


def test_too_few_months_are_said_and_no_number_is_made_up(tmp_path, capsys):
    file = tmp_path / "s.csv"
    write_series(file, ((str(user), f"2025-{month:02}", "100") for user in range(30) for month in range(1, 11)))
    assert run(["backtest", "--series", str(file), "--seasonal", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["trials"]
    assert (one["applied"], one["season"], one["gain"], one["without"]["pinball"]) == (False, None, None, None)
    assert run(["backtest", "--series", str(file), "--seasonal"]) == 0
    assert "all: not applied: too few months or users" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "first line must name the columns id,segment"),
        ("id,kind\n", "first line must name"),
        ("id,segment\na,x\na,y\n", "line 3: a second segment for id 'a'"),
        ("id,segment\na\n", "line 2: a line must hold an id and a segment"),
        ("id,segment\na, \n", "line 2: a line must hold"),
        ("id,segment\na,x\n", "no segment for id 'b' of the series"),
    ],
)
def test_what_is_wrong_with_segments_is_one_sentence(tmp_path, text, says):
    file = tmp_path / "by.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=r"by\.csv") as raised:
        read_segments(file, ["a", "b"])
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--seasonal"], "name one of --series"),
        (["--cash-flow", "--seasonal"], "--seasonal goes with --series"),
        (["--series", "a.csv", "--seasonal", "--plot", "a.png"], "without --plot"),
        (["--series", "a.csv", "--segments", "b.csv"], "--segments and --outgoings go with --seasonal"),
        (["--series", "a.csv", "--seasonal"], "a.csv cannot be read"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["backtest", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert says in printed.err
    assert printed.err.count("\n") == 1


def test_the_bench_prints_what_was_found(capsys):
    assert run(["bench", "season", "--seeds", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    applied = {one["kind"]: one["applied"] for one in found["portfolios"]}
    assert applied == {
        "none": 0, "none, one good December": 0, "13th salary": 1, "13th salary of two users in five": 0,
        "new-year bonus": 1,
    }  # fmt: skip
    assert len(found["estimators"]) == 3
    assert run(["bench", "season", "--seeds", "1"]) == 0
    assert "OLS" in capsys.readouterr().out
