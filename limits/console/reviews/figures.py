"""The charts of a review, from what the database has added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from limits.console import charts
from limits.console.charts import Bar
from limits.console.reviews.detail import Breaker, ReviewDetail
from limits.money import major
from limits.policy import ALL_BPS
from limits.store.log import ACTIONS, DISPOSITIONS, reason_code, reason_text
from limits.store.spread import AMOUNTS, SHARES, Spread

#: Ceilings that are drawn, those that bound most first; the table has all.
REASONS = 12

#: Letters of a label that there is room for; the table has all of them.
LABEL = 44


@dataclass(frozen=True)
class Piece:
    """A row of the table beside a histogram."""

    words: str
    users: int
    before: int | None = None


@dataclass(frozen=True)
class Reason:
    """A row of the table of reasons."""

    action: str
    code: str
    words: str
    users: int
    share: float


@dataclass(frozen=True)
class Figures:
    """Charts of the decisions of a review, and the same numbers for tables."""

    users: int
    actions: Markup
    reasons: Markup
    reason_rows: Sequence[Reason]
    changes: Markup
    change_rows: Sequence[Piece]
    before: Markup
    after: Markup
    limit_rows: Sequence[Piece]


def of_review(spread: Spread, exponent: int, currency: str) -> Figures:
    """All charts of a review's decisions."""
    rows = [
        Reason(ACTIONS[action], reason_code(reason), reason_text(reason), users, users / spread.users)
        for action, reason, users in spread.reasons
    ]
    first, last = _range([*spread.before, *spread.after])
    edges = [*AMOUNTS, AMOUNTS[-1] * 10][first : last + 2]
    was, becomes = ([found.get(k, 0) for k in range(first, last + 1)] for found in (spread.before, spread.after))

    def amount(minor: float) -> str:
        return _short(minor, exponent)

    def histogram(title: str, counts: Sequence[int], kind: str) -> Markup:
        words = f"Users by their limit in {currency}; the table below has the numbers."
        return charts.histogram(title, words, edges, counts, x_words=amount, kind=kind, height=190)

    return Figures(
        users=spread.users,
        actions=_actions(spread),
        reasons=charts.bars(
            "Binding ceilings", "How many decisions each ceiling bound; the table below has the numbers.",
            [Bar(_cut(row.words), row.users, f"{row.users:,} {row.action}", row.action) for row in rows[:REASONS]],
            label=300,
        ),
        reason_rows=rows,
        changes=_changes(spread),
        change_rows=_change_rows(spread),
        before=histogram("Limits before", was, "held"),
        after=histogram("Limits after", becomes, ""),
        limit_rows=[
            Piece(f"{major(low, exponent)} to {major(high, exponent)}", new, old)
            for low, high, old, new in zip(edges, edges[1:], was, becomes, strict=False)
            if old or new
        ],
    )  # fmt: skip


def breakers(found: Sequence[Breaker]) -> Markup:
    """Each breaker as a bar against its bound, which is one line for all: how much of what is let through was used."""
    rows = [
        Bar(one.words, min(one.used, 2.0), f"{one.found} of {one.most}", "binding" if one.trips else "slack")
        for one in found
    ]
    words = "What was found as a part of what each breaker lets through; the table below has the numbers."
    return charts.bars("Breakers", words, rows, at=1.0, at_words="bound")


def exposure(review: ReviewDetail) -> Markup:
    """The sum of limits before and after; until it is done as the gate counted what was decided."""
    before, after = review.exposure_before_minor, review.exposure_after_minor
    counted = [event.figures for event in review.gate if "exposure_before" in event.figures]
    if before is None and counted:
        before, after = counted[-1]["exposure_before"], counted[-1]["exposure_after"]
    rows = [
        Bar(label, float(value), f"{major(value, review.exponent)} {review.currency}", kind)
        for label, value, kind in (
            ("Before", before, "held"),
            ("After", after, ""),
        )
        if value is not None
    ]  # fmt: skip
    return charts.bars("Exposure", "The sum of the limits of everybody reviewed.", rows)


def _actions(spread: Spread) -> Markup:
    counts = dict.fromkeys(("raised", "held", "lowered"), 0)
    for action, _, users in spread.reasons:
        counts[ACTIONS[action]] += users
    for disposition, users in spread.waiting:
        counts["held"] -= users
        counts[DISPOSITIONS[disposition]] = users
    rows = [Bar(word, users, f"{users:,} ({users / (spread.users or 1):.1%})", word) for word, users in counts.items()]
    return charts.bars("Decisions by action", "Users raised, held and lowered, offered and announced.", rows)


def _changes(spread: Spread) -> Markup:
    found = [k for k in spread.changes if k is not None]
    if not found:
        return charts.histogram("Changes", "Nobody's limit changed.", [0, 1], [0])
    first, last = _range(found)
    edges = [*SHARES, SHARES[-1] * 2][first : last + 2]
    counts = [spread.changes.get(k, 0) for k in range(first, last + 1)]
    words = "Users whose limit changed, by the change as a share of the limit before; the table below has the numbers."
    return charts.histogram("Changes", words, edges, counts, x_words=_percent, height=190)


def _change_rows(spread: Spread) -> list[Piece]:
    edges = [*SHARES, SHARES[-1] * 2]

    def words(k: int) -> str:
        low = _percent(edges[k])
        return f"{low} or more" if k == len(SHARES) - 1 else f"{low} to {_percent(edges[k + 1])}"

    rows = [Piece(words(k), users) for k, users in sorted((k, n) for k, n in spread.changes.items() if k is not None)]
    return [*rows, *([Piece("from nothing", spread.changes[None])] if None in spread.changes else [])]


def _cut(words: str) -> str:
    return words if len(words) <= LABEL else f"{words[:LABEL].rsplit(' ', 1)[0]} ..."


def _percent(bps: float) -> str:
    return f"{bps * 100 / ALL_BPS:+.0f}%" if bps else "0%"


def _range(pieces: Sequence[int]) -> tuple[int, int]:
    return (min(pieces), max(pieces)) if pieces else (0, 0)


#: Sizes of amounts, so that labels of a scale fit.
_SIZES: tuple[tuple[float, str], ...] = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def _short(minor: float, exponent: int) -> str:
    value = minor / 10**exponent
    for size, letter in _SIZES:
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
