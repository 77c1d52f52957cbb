"""Every number of every pack is moved by one, up and down, every yes is turned into a no, and some case notices."""

from __future__ import annotations

import datetime as dt
import json
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from limits.casebook.mutating import mutate, mutations
from limits.casebook.running import cases_of
from limits.cli import run
from limits.store.policies import pack_names, read_pack, read_pack_files

TEXT = """
effective_on = 2026-01-01   # a day
[raise]
step_bps = 2_000
step_least = "1000 CNY"     # 3 of these
[[past_due]]
days = 1
[[past_due]]
days = 30
rate = "2.50 CNY"
words = "30 days"
flag = true
"""


def places(value: Any) -> int:
    """How many changes there are in a policy's data: two for a number, an amount or a date, one for a yes or no."""
    if isinstance(value, dict | list):
        return sum(places(inner) for inner in (value.values() if isinstance(value, dict) else value))
    if isinstance(value, bool):
        return 1
    return 2 * (isinstance(value, int | float | dt.date) or value[:1].isdigit())


def test_every_number_is_moved_up_and_down_and_every_yes_turned() -> None:
    moved = list(mutations(TEXT, "p.toml"))
    assert [(m.line, m.key, m.before, m.after) for m in moved] == [
        (2, "effective_on", "2026-01-01", "2026-01-02"),
        (2, "effective_on", "2026-01-01", "2025-12-31"),
        (4, "raise.step_bps", "2_000", "2001"),
        (4, "raise.step_bps", "2_000", "1999"),
        (5, "raise.step_least", "1000 CNY", "1001 CNY"),
        (5, "raise.step_least", "1000 CNY", "999 CNY"),
        (7, "past_due.days", "1", "2"),
        (7, "past_due.days", "1", "0"),
        (9, "past_due.days", "30", "31"),
        (9, "past_due.days", "30", "29"),
        (10, "past_due.rate", "2.50 CNY", "2.51 CNY"),
        (10, "past_due.rate", "2.50 CNY", "2.49 CNY"),
        (12, "past_due.flag", "true", "false"),
    ]
    for mutation in moved:
        changed = [(a, b) for a, b in zip(TEXT.split("\n"), mutation.text.split("\n"), strict=True) if a != b]
        assert len(changed) == 1
        assert tomllib.loads(mutation.text) != tomllib.loads(TEXT)


@pytest.mark.parametrize("name", pack_names())
def test_every_number_of_the_pack_is_noticed_when_it_is_off_by_one(name: str) -> None:
    history, pairs = read_pack(name), read_pack_files(name)
    cases = cases_of(history)
    assert not cases.run(history).failed  # this also makes the forecasts, once
    began = time.process_time()
    found = mutate(history, [file for file, _ in pairs], cases)
    assert [str(mutation) for mutation in found.missed] == []
    # Refused are steps over the end of what a key may be: no share above 10,000, no day before the first. A band that
    # is raised keeps all of its limit, so that there is no way to go.
    assert len(found.refused) <= 16 + 3 * sum(len(policy.risk.band) for policy in history if policy.risk)
    moved = len(found.noticed) + len(found.refused)
    assert moved == sum(places(tomllib.loads(policy.body)) for policy in history)
    assert moved > 150
    assert time.process_time() - began < 6, "all packs together must stay well under a minute"


def test_a_number_that_no_case_looks_at_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "case.toml").write_text(
        'title = "x"\nas_of = 2026-06-30\npolicy = "standard"\ncurrency = "CNY"\n'
        "edge = [ { set = { p10 = 30000 }, limit = 24000 } ]\n"
    )
    arguments = ["policy", "test", "standard", "--cases", str(tmp_path), "--mutate"]
    assert run(arguments) == 1
    printed = capsys.readouterr().out
    body = read_pack("standard")[0].body.splitlines()
    line = next(n for n, text in enumerate(body, 1) if text.startswith("offer_days"))
    assert f"missed  2026-01-01.toml:{line}: consent.offer_days = 30 -> 31: no case notices" in printed
    assert "rounding.grid" not in printed
    assert run([*arguments, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["mutations"]
    assert {"file": "2026-01-01.toml", "line": line, "key": "consent.offer_days", "before": "30", "after": "31"} in (
        told["missed"]
    )


def test_numbers_are_not_moved_while_a_case_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "case.toml").write_text(
        'title = "x"\nas_of = 2026-06-30\npolicy = "standard"\ncurrency = "CNY"\nedge = [ { limit = 1 } ]\n'
    )
    assert run(["policy", "test", "standard", "--cases", str(tmp_path), "--mutate"]) == 1
    assert "No number was moved: first the cases above have to pass." in capsys.readouterr().out
