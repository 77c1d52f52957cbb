"""What a simulation and a comparison look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from limits.console import charts
from limits.console.charts import Bar
from limits.console.policies.comparing import ChallengerAnswer
from limits.engine.simulating import Moved, Simulated, Simulation
from limits.money import major, money
from limits.reasons import Reason
from limits.store.log import reason_text

#: Bars of a histogram, and ceilings listed.
BINS, CEILINGS = 24, 8


@dataclass(frozen=True)
class Drawn:
    """The pictures of a simulation, and the rows of its tables."""

    exposure: Markup
    actions: Markup
    differences: Markup
    movers: list[dict[str, Any]]
    ceilings: list[tuple[str, int, int]]


def simulated(made: Simulation) -> Drawn:
    """Exposure of every date; actions, differences and movers of the newest."""
    newest = made.dates[0]
    return Drawn(
        exposure=_exposure(made), actions=_actions(newest), differences=_differences(made, newest),
        movers=[_mover(one, made.exponent) for one in (*newest.higher, *newest.lower)],
        ceilings=_ceilings(newest),
    )  # fmt: skip


def compared(one: ChallengerAnswer) -> Markup:
    """Actions of champion and challenger in pairs of bars."""
    rows = []
    for action in ("raised", "held", "lowered"):
        for name, side in (("champion", one.champion), ("challenger", one.challenger)):
            count = getattr(side, action)
            kind = action if name == "champion" else "challenger"
            rows.append(Bar(f"{action}, {name}", count, f"{count:,}", kind))
    words = f"Decisions by action: the champion beside the challenger {one.pack} of {one.effective_on}"
    return charts.bars("Decisions by action", words, rows)


def _exposure(made: Simulation) -> Markup:
    rows = []
    for one in made.dates[::-1]:
        for name, kind, minor in (
            ("before", "held", one.exposure_before_minor),
            ("champion", "", one.champion.exposure_after_minor),
            ("new", "challenger", one.new.exposure_after_minor),
        ):
            rows.append(Bar(f"{one.as_of} {name}", minor, money(minor, made.exponent, made.new.currency), kind))
    return charts.bars("Sum of limits", "The sum of all limits before, by the champion and by the new policy", rows)


def _actions(one: Simulated) -> Markup:
    rows = []
    for action in ("raised", "held", "lowered"):
        for name, side in (("champion", one.champion), ("new", one.new)):
            count = getattr(side, action)
            rows.append(Bar(f"{action}, {name}", count, f"{count:,}", action if name == "champion" else "challenger"))
    return charts.bars("Users by action", f"Raised, held and lowered as of {one.as_of}, by both policies", rows)


def _differences(made: Simulation, one: Simulated) -> Markup:
    unit = 10.0**made.exponent
    found = np.concatenate([*one.differences, np.empty(0, dtype=np.int64)]) / unit
    counts, edges = np.histogram(found, bins=BINS) if len(found) else (np.empty(0), np.empty(0))
    words = f"Limit by the new policy less that by the champion, of {len(found):,} users, as of {one.as_of}"
    return charts.histogram("Changed limits", words, edges.tolist(), counts.astype(int).tolist())


def _mover(one: Moved, exponent: int) -> dict[str, Any]:
    sign = "+" if one.difference_minor > 0 else ""
    return {
        "user_id": one.user_id, "before": major(one.before_minor, exponent),
        "champion": major(one.champion_minor, exponent), "new": major(one.new_minor, exponent),
        "difference": sign + major(one.difference_minor, exponent), "up": one.difference_minor > 0,
        "champion_binding": reason_text(one.champion_binding), "new_binding": reason_text(one.new_binding),
    }  # fmt: skip


def _ceilings(one: Simulated) -> list[tuple[str, int, int]]:
    """The ceilings that are lowest most often: words, users by the champion and by the new policy."""
    counts: dict[Reason, list[int]] = {}
    for place, side in enumerate((one.champion, one.new)):
        for (_, reason), users in side.reasons.items():
            counts.setdefault(reason, [0, 0])[place] += users
    ordered = sorted(counts.items(), key=lambda pair: -sum(pair[1]))[:CEILINGS]
    return [(reason_text(reason), old, new) for reason, (old, new) in ordered]
