"""Cases that a credit officer can read: TOML files under tests/cases, each a situation and what is expected.

A case has a title, an ``as_of``, a policy, a ``[user]`` and a ``[monthly]`` cash flow, and
one or more ``[[step]]``s, each with what changes since the step before and what is
expected. Amounts are major units of the policy's currency.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limits.money import EXPONENTS
from limits.portfolio import Identity, Income, Status
from tests.portfolios import COLUMNS, FLOWS

FOLDER = Path(__file__).parent / "cases"
AMOUNTS = frozenset(
    {"credit_limit", "balance", "average_balance", "outside_debt", "outside_monthly_payment", "requested_limit"}
)
WORDS: Mapping[str, Mapping[str, int]] = {
    "status": {s.name.lower(): s for s in Status},
    "identity": {s.name.lower(): s for s in Identity},
    "income": {s.name.lower(): s for s in Income},
}


@dataclass(frozen=True)
class Step:
    """One moment of a case: the user's columns then, and what the engine must say."""

    name: str
    as_of: dt.date
    policy: str
    columns: dict[str, Any]
    action: str
    limit_minor: int | None
    reasons: list[str]


def steps() -> Iterator[Step]:
    """Every step of every case."""
    for path in sorted(FOLDER.glob("*.toml")):
        yield from _read(path)


def _read(path: Path) -> Iterator[Step]:
    case = tomllib.loads(path.read_text())
    known = {"title", "as_of", "policy", "currency", "user", "monthly", "step"}
    assert set(case) <= known, f"{path.name}: unknown {set(case) - known}"
    unit = 10 ** EXPONENTS[case["currency"]]
    columns: dict[str, Any] = {}
    for number, step in enumerate([{"user": case.get("user", {}), "monthly": case.get("monthly", {})}, *case["step"]]):
        known = {"title", "as_of", "user", "monthly", "expect"}
        assert set(step) <= known, f"{path.name}: unknown {set(step) - known}"
        columns |= {name: _value(path, name, value, unit) for name, value in step.get("user", {}).items()}
        columns |= {name: _flow(path, name, value, unit) for name, value in step.get("monthly", {}).items()}
        if number == 0:
            continue
        expect = step["expect"]
        yield Step(
            name=f"{path.stem}: {step.get('title', case['title'])}",
            as_of=step.get("as_of", case.get("as_of")),
            policy=case["policy"],
            columns=dict(columns),
            action=expect["action"],
            limit_minor=round(expect["limit"] * unit) if "limit" in expect else None,
            reasons=expect["reasons"],
        )


def _value(path: Path, name: str, value: Any, unit: int) -> Any:
    assert name in COLUMNS, f"{path.name}: there is no column {name!r}"
    if name in WORDS:
        return WORDS[name][value]
    return round(value * unit) if name in AMOUNTS else value


def _flow(path: Path, name: str, value: Any, unit: int) -> Any:
    assert name in FLOWS, f"{path.name}: there is no monthly flow {name!r}"
    if not isinstance(value, list):
        return round(value * unit)
    # A month that is not observed is written "-".
    return [None if month == "-" else round(month * unit) for month in value]
