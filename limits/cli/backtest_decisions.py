"""limits backtest --decisions: what became of real users whom the review raises, held and lowers."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limits.bench.outcomes.rates import Rate
    from limits.bench.outcomes.report import Line, Report


class Data(enum.StrEnum):
    """Real users whose outcomes are known."""

    UCI = "uci"
    BERKA = "berka"


def run(data: Data, model: Path | None, pack: str | None, plot: Path | None, *, json: bool) -> None:
    """Makes the report and shows it."""
    from limits.bench.threads import one_thread

    one_thread()
    from limits.bench.outcomes import data as samples
    from limits.bench.outcomes.report import judge
    from limits.store.policies import read_pack
    from limits.terminal import note, print_json, progress

    policy = read_pack(pack or samples.POLICIES[data])[-1]
    with progress("deciding", quiet=json) as bar:
        trial = samples.TRIALS[data](policy, model, bar)
    report = judge(trial)
    if plot is not None:
        from limits.bench.outcomes.drawing import draw

        draw(plot, report)
    if json:
        print_json(report.as_dict())
        return
    show(report)
    if plot is not None:
        note(f"drawn: {plot}")


def show(report: Report) -> None:
    """The report for people."""
    from limits.terminal import say

    trial = report.trial
    say(f"{len(trial.portfolio):,} {trial.source}; outcome: {trial.outcome}", strong=True)
    say(f"policy {trial.policy.pack} of {trial.policy.effective_on}, {trial.policy.policy_hash.hex()[:12]}")
    _actions(report)
    if report.bands:
        _bands(report)
    _rules(report)
    for text in trial.notes:
        say(text, faint=True)


def _actions(report: Report) -> None:
    from limits.bench.outcomes.report import BALANCE, LIMIT, RAISE
    from limits.terminal import say, table

    say()
    columns = ("", "users", "share", "bad", "rate", "95%", "x all", "95% ", "by limit", "by balance", "by raise")
    whole = len(report.trial.portfolio)
    rows = [
        (line.name, f"{line.users:,.0f}", f"{line.users / whole:.1%}", f"{line.bad:,.0f}", percent(line.share.value),
         ends(line.share), times(line.times.value), ends(line.times, times),
         *(percent(line.weighted[w].value) if w in line.weighted else "" for w in (LIMIT, BALANCE, RAISE)))
        for line in report.actions
    ]  # fmt: skip
    table(columns, rows, numbers=columns[1:])


def _bands(report: Report) -> None:
    from limits.terminal import say, table

    say()
    risk, whole = report.trial.risk, len(report.trial.portfolio)
    columns = ("band", "users", "share", "probability", "rate", "95%")
    rows = []
    for line in report.bands:
        inside = risk.probability_ppm[risk.scored & (risk.band == risk.bands.index(line.name))]
        mean = percent(float(inside.mean()) / 1e6)
        rows.append((line.name, f"{line.users:,.0f}", f"{line.users / whole:.1%}", mean, percent(line.share.value),
                     ends(line.share)))  # fmt: skip
    table(columns, rows, numbers=columns[1:])


def _rules(report: Report) -> None:
    from limits.bench.outcomes.report import BALANCE, LIMIT, RAISE, RAISED
    from limits.terminal import say, table

    say()
    raised = report.line(RAISED)
    say(f"As many raises by other rules: {raised.users:,.0f}. Under each rate, the product's less the rule's.")
    columns = ("raised by", "rate", "by limit", "by balance", "by raise", "lowered")
    weights = (LIMIT, BALANCE, RAISE)
    rows = [_rule_row("the product", raised, report.line("lowered"))]
    for one in report.comparisons:
        rows.append(_rule_row(one.rival.name, one.raised, one.lowered))
        rows.append(("", *(_less(one.less[weight]) for weight in ("users", *weights)), ""))
    table(columns, rows, numbers=columns[1:])
    for one in report.comparisons:
        say(f"{one.rival.name}: {one.rival.text}", faint=True)
    for rival in report.missing:
        say(f"{rival.name}: not tried, it needs statements", faint=True)


def _rule_row(name: str, raised: Line, lowered: Line | None) -> tuple[str, ...]:
    weighted = (percent(raised.weighted[weight].value) for weight in ("limit", "balance", "raise"))
    return name, percent(raised.share.value), *weighted, "" if lowered is None else percent(lowered.share.value)


def _less(rate: Rate) -> str:
    return f"{points(rate.value)} ({points(rate.low)} to {points(rate.high)})" if math.isfinite(rate.value) else "-"


def percent(value: float) -> str:
    """A share to a tenth of a per cent; a dash where there is none."""
    return f"{value:.1%}" if math.isfinite(value) else "-"


def points(value: float) -> str:
    """A difference of shares in percentage points."""
    return f"{100 * value:+.1f}"


def times(value: float) -> str:
    """How often something goes into something else."""
    return f"{value:.2f}" if math.isfinite(value) else "-"


def ends(rate: Rate, write: Callable[[float], str] = percent) -> str:
    """The interval."""
    return f"{write(rate.low)} to {write(rate.high)}" if math.isfinite(rate.low) else "-"
