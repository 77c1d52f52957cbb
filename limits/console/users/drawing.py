"""The charts of one user. Each stands beside a table with the same numbers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from markupsafe import Markup

from limits.console.charts import Band, Bar, Line, Mark, bars, lines
from limits.console.users.answers import DecisionAnswer
from limits.console.users.explaining import CeilingAnswer
from limits.console.users.flowing import CashFlowAnswer
from limits.console.users.supposing import WhatIfAnswer
from limits.money import major
from limits.store.users import Statement

#: A ceiling further than so many times the limit is drawn to the edge: it says nothing about today.
FURTHEST = 2.5
#: Days before the first change that are drawn, and days that are drawn at least.
LEAD_DAYS, FEWEST_DAYS = 45, 180


def limit_over_time(
    limit: int, opened: dt.date, today: dt.date, changed: Sequence[DecisionAnswer], statements: Sequence[Statement],
    exponent: int,
) -> Markup:  # fmt: skip
    """The limit as a stepped line with every change marked, and the balance below it. Both lists newest first."""
    steps = [one for one in reversed(changed) if one.limit_after_minor != one.limit_before_minor]
    days = [one.as_of for one in changed] + [one.statement_on for one in statements]
    start = max(opened, min([*days, today - dt.timedelta(days=FEWEST_DAYS)]) - dt.timedelta(days=LEAD_DAYS))
    start = min(start, *days, today) if days else min(start, today)
    x = [start, *(one.as_of for one in steps), today]
    y = [steps[0].limit_before_minor if steps else limit, *(one.limit_after_minor for one in steps), limit]
    series = [Line("limit", "limit", [day.toordinal() for day in x], y, stepped=True)]
    if statements:
        told = list(reversed(statements))
        series.append(
            Line("balance", "balance", [one.statement_on.toordinal() for one in told], [
                one.balance_minor for one in told
            ])
        )  # fmt: skip
    marks = [
        Mark(one.as_of.toordinal(), _wish(one), change_words(one), one.outcome, f"/log/{one.entry_id}")
        for one in reversed(changed)
    ]
    return lines(
        "The limit over time", f"A stepped line from {start} to {today}; {len(marks)} changes are marked.", series,
        marks=marks, x_labels=_days(start, today), y_words=_amounts(exponent),
    )  # fmt: skip


def change_words(one: DecisionAnswer) -> str:
    """A change and its reason in one line."""
    before, wish = major(one.limit_before_minor, one.exponent), major(_wish(one), one.exponent)
    why = one.reasons[0].text if one.reasons else "no rule stood in the way"
    return f"{one.as_of}: {one.outcome}, {before} to {wish} {one.currency}. {why}"


def cash_flow(answer: CashFlowAnswer) -> Markup:
    """Income and outgoings month by month, and the fan of what is forecast."""
    seen = answer.months
    x = [one.month.toordinal() for one in seen]
    out: list[float | None] = [
        None if one.essential_spend_minor is None or one.obligations_minor is None
        else one.essential_spend_minor + one.obligations_minor for one in seen
    ]  # fmt: skip
    kinds = {fan.series for fan in answer.forecasts}
    past: dict[str, list[float | None]] = {"inflow": [one.inflow_minor for one in seen], "outgoings": out}
    if "repaid" in kinds:
        past = {"repaid": [one.repaid_minor for one in seen]}
    series = [Line(name, name, x, values) for name, values in past.items()]
    bands = []
    for fan in answer.forecasts:
        ahead = [one.month.toordinal() for one in fan.months]
        low, middle, high = (
            [getattr(one, f"{q}_minor") for one in fan.months] for q in ("p10", "p50", "p90")
        )  # fmt: skip
        bands.append(Band(f"{fan.series}: from p10 to p90", fan.series, ahead, low, high))
        series.append(Line(f"{fan.series} forecast (p50)", f"{fan.series} forecast", ahead, middle))
    days = [one.month for one in seen] + [one.month for fan in answer.forecasts for one in fan.months]
    labels = _days(min(days), max(days)) if days else []
    return lines(
        "Cash flow and forecast", "Income and outgoings by month, then the forecast of each with its range.", series,
        bands=bands, x_labels=labels, y_words=_amounts(answer.exponent),
    )  # fmt: skip


def ceilings(found: Sequence[CeilingAnswer], limit: int, exponent: int) -> Markup:
    """Every ceiling that sets a bound, against the limit; the one that binds in its colour."""
    rows = [(one.reason, one.ceiling_minor, one.bound, one.in_the_way) for one in found]
    return _ceilings("Ceilings against the limit", rows, limit, exponent)


def what_if(answer: WhatIfAnswer) -> Markup:
    """The ceilings as they would be, against the limit of now."""
    standing = {one.code for one in answer.after.reasons}
    rows = [(one.reason, one.after_minor, one.binds_after, one.reason in standing) for one in answer.ceilings]
    return _ceilings("Ceilings, what if", rows, answer.limit_minor, answer.exponent)


def _ceilings(title: str, rows: Sequence[tuple[str, int | None, bool, bool]], limit: int, exponent: int) -> Markup:
    bounds = [(reason, value, bound, near) for reason, value, bound, near in rows if value is not None]
    edge = FURTHEST * max([limit, *(value for _, value, bound, _ in bounds if bound)])
    drawn = [
        Bar(
            reason.replace("_", " "), min(float(value), edge or float(value)),
            major(value, exponent) + (" >" if edge and value > edge else ""),
            "binding" if bound else "near" if near else "slack",
        )
        for reason, value, bound, near in bounds
    ]  # fmt: skip
    words = f"The lowest binds. A line stands at the limit; a bar that ends with > goes on beyond {FURTHEST} times it."
    return bars(title, words, drawn, at=limit, at_words="limit now")


def _wish(one: DecisionAnswer) -> int:
    return one.limit_before_minor + one.change_minor


def _amounts(exponent: int) -> Callable[[float], str]:
    return lambda value: f"{value / 10**exponent:,.0f}"


def _days(first: dt.date, last: dt.date) -> list[tuple[float, str]]:
    """Labels of an axis of days: the first of so many months that about six fit."""
    months = (last.year - first.year) * 12 + last.month - first.month
    every = next((step for step in (1, 2, 3, 6, 12, 24, 60) if months <= 7 * step), 120)
    found = []
    for number in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        day = dt.date(number // 12, number % 12 + 1, 1)
        if number % every == 0 and first <= day <= last:
            found.append((float(day.toordinal()), f"{day:%Y-%m}"))
    return found
