"""Charts as SVG, drawn on the server: they print, need no script, take their colours from the page (light and dark),
and pass the strict content policy because they carry classes and attributes, never styles.

Each has a title and a description for who cannot see it; the pages put the same numbers into a table beside it.
Amounts are whole minor units and become places on paper here, nothing else.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 720, 240
LEFT, RIGHT, TOP, BOTTOM = 76, 12, 12, 28


@dataclass(frozen=True)
class Line:
    """A series: places on the x axis and values; None is a gap. ``kind`` is its class: limit, balance, inflow, ..."""

    label: str
    kind: str
    x: Sequence[float]
    y: Sequence[float | None]
    stepped: bool = False


@dataclass(frozen=True)
class Mark:
    """A point with words, such as a change of the limit and its reason; ``href`` leads to where more is said."""

    x: float
    y: float
    words: str
    kind: str
    href: str = ""


@dataclass(frozen=True)
class Band:
    """What lies between two lines, such as p10 and p90 of a forecast."""

    label: str
    kind: str
    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart: ``value`` against the largest, in words beside it; ``kind`` is its class."""

    label: str
    value: float
    words: str
    kind: str = ""
    href: str = ""


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between two: steps of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    raw = (high - low) / about
    power: float = 10.0 ** math.floor(math.log10(raw))
    step = next(power * k for k in (1, 2, 5, 10) if raw <= power * k)
    first = math.ceil(low / step)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def lines(
    title: str,
    description: str,
    series: Sequence[Line],
    *,
    marks: Sequence[Mark] = (),
    bands: Sequence[Band] = (),
    x_labels: Sequence[tuple[float, str]] = (),
    y_words: Callable[[float], str] = lambda value: f"{value:,.0f}",
    height: int = HEIGHT,
) -> Markup:
    """Lines, bands and marks over one x axis; ``x_labels`` are written where they stand."""
    xs = [x for one in series for x in one.x] + [x for one in bands for x in one.x] + [mark.x for mark in marks]
    ys = [y for one in series for y in one.y if y is not None] + [mark.y for mark in marks]
    ys += [y for one in bands for y in (*one.low, *one.high)]
    if not xs or not ys:
        return _svg(title, description, [], height, empty=True)
    low, high = min(0.0, *ys), max(ys) or 1.0
    x_at = _scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    y_at = _scale(low, high, height - BOTTOM, TOP)
    parts = _axes(low, high, y_at, y_words, [(x_at(x), words) for x, words in x_labels], height)
    for band in bands:
        edge = [*zip(band.x, band.high, strict=True), *reversed(list(zip(band.x, band.low, strict=True)))]
        points = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in edge)
        parts.append(
            f'<polygon class="band {escape(band.kind)}" points="{points}"><title>{escape(band.label)}</title></polygon>'
        )
    for line in series:
        path = _path(
            [(x_at(x), None if y is None else y_at(y)) for x, y in zip(line.x, line.y, strict=True)], line.stepped
        )
        parts.append(f'<path class="line {escape(line.kind)}" d="{path}"><title>{escape(line.label)}</title></path>')
    for mark in marks:
        dot = f'<circle class="mark {escape(mark.kind)}" cx="{x_at(mark.x):.1f}" cy="{y_at(mark.y):.1f}" r="5">'
        dot += f"<title>{escape(mark.words)}</title></circle>"
        parts.append(f'<a href="{escape(mark.href)}" aria-label="{escape(mark.words)}">{dot}</a>' if mark.href else dot)
    return _svg(title, description, parts, height)


def histogram(
    title: str,
    description: str,
    edges: Sequence[float],
    counts: Sequence[int],
    *,
    x_words: Callable[[float], str] = lambda value: f"{value:,.0f}",
    kind: str = "",
    height: int = HEIGHT,
) -> Markup:
    """Counts between edges; there is one edge more than counts."""
    if not counts or max(counts) == 0:
        return _svg(title, description, [], height, empty=True)
    y_at = _scale(0, max(counts), height - BOTTOM, TOP)
    wide = (WIDTH - RIGHT - LEFT) / len(counts)
    every = max(1, len(edges) // 8)
    labels = [(LEFT + k * wide, x_words(edge)) for k, edge in enumerate(edges) if k % every == 0]
    parts = _axes(0, max(counts), y_at, lambda value: f"{value:,.0f}", labels, height)
    for k, count in enumerate(counts):
        words = f"{x_words(edges[k])} to {x_words(edges[k + 1])}: {count:,}"
        left, y = LEFT + k * wide + 1, y_at(count)
        parts.append(
            f'<rect class="bar {escape(kind)}" x="{left:.1f}" y="{y:.1f}" width="{wide - 2:.1f}" '
            f'height="{y_at(0) - y:.1f}"><title>{escape(words)}</title></rect>'
        )
    return _svg(title, description, parts, height)


def bars(
    title: str, description: str, rows: Sequence[Bar], *, at: float | None = None, at_words: str = "", label: int = 210
) -> Markup:
    """Rows of bars from the left; ``at`` draws a line across all, such as the limit of today. ``label``: its room."""
    if not rows:
        return _svg(title, description, [], 60, empty=True)
    tall, words = 26, 150
    height = TOP + tall * len(rows) + (18 if at_words else 6)
    top = max([row.value for row in rows] + [at or 0.0]) or 1.0
    x_at = _scale(0, top, label, WIDTH - words)
    parts = []
    for k, row in enumerate(rows):
        y = TOP + k * tall
        text = f'<text class="label" x="{label - 8}" y="{y + 16}" text-anchor="end">{escape(row.label)}</text>'
        parts.append(f'<a href="{escape(row.href)}">{text}</a>' if row.href else text)
        wide = max(1.0, x_at(max(0.0, row.value)) - label)
        parts.append(
            f'<rect class="bar {escape(row.kind)}" x="{label}" y="{y + 4}" width="{wide:.1f}" '
            f'height="{tall - 10}"><title>{escape(row.label)}: {escape(row.words)}</title></rect>'
        )
        parts.append(f'<text class="value" x="{WIDTH - 4}" y="{y + 16}" text-anchor="end">{escape(row.words)}</text>')
    if at is not None:
        x = x_at(at)
        parts.append(f'<line class="at" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{TOP + tall * len(rows)}"/>')
        parts.append(f'<text class="at" x="{x:.1f}" y="{height - 4}" text-anchor="middle">{escape(at_words)}</text>')
    return _svg(title, description, parts, height)


def grid(
    title: str,
    description: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float]],
    *,
    words: Callable[[float], str] = lambda value: f"{value:,.0f}",
) -> Markup:
    """A number for each row and column: the darker its place, the higher; every one is written there too."""
    flat = [value for row in values for value in row]
    if not flat:
        return _svg(title, description, [], 60, empty=True)
    low, high = min(flat), max(flat)
    tall, left, top = 24, 150, 76
    wide = (WIDTH - left - 40) / len(columns)
    parts = []
    for k, name in enumerate(columns):
        x, y = left + (k + 0.4) * wide, top - 6
        turned = f'x="{x:.1f}" y="{y}" transform="rotate(-35 {x:.1f} {y})"'
        parts.append(f'<text class="tick" {turned}>{escape(_cut(name, 16))}</text>')
    for j, name in enumerate(rows):
        y = top + j * tall
        parts.append(
            f'<text class="label" x="{left - 8}" y="{y + 16}" text-anchor="end">{escape(_cut(name, 21))}</text>'
        )
        for k, value in enumerate(values[j]):
            x, shade = left + k * wide, 0.06 + 0.44 * (value - low) / ((high - low) or 1)
            said = f"{name}, {columns[k]}: {words(value)}"
            parts.append(
                f'<rect class="bar" x="{x + 1:.1f}" y="{y + 1}" width="{wide - 2:.1f}" height="{tall - 2}" '
                f'fill-opacity="{shade:.2f}"><title>{escape(said)}</title></rect>'
                f'<text class="value" x="{x + wide / 2:.1f}" y="{y + 16}" text-anchor="middle">'
                f"{escape(words(value))}</text>"
            )
    return _svg(title, description, parts, top + tall * len(rows) + 8)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _path(points: Sequence[tuple[float, float | None]], stepped: bool) -> str:
    parts: list[str] = []
    before: float | None = None
    for x, y in points:
        if y is None:
            before = None
            continue
        if before is None:
            parts.append(f"M{x:.1f} {y:.1f}")
        elif stepped:
            parts.append(f"H{x:.1f}V{y:.1f}")
        else:
            parts.append(f"L{x:.1f} {y:.1f}")
        before = y
    return "".join(parts)


def _axes(
    low: float,
    high: float,
    y_at: Callable[[float], float],
    y_words: Callable[[float], str],
    x_labels: Sequence[tuple[float, str]],
    height: int,
) -> list[str]:
    parts = []
    for value in ticks(low, high):
        y = y_at(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(y_words(value))}</text>'
        )
    for x, words in x_labels:
        anchor = "end" if x > WIDTH - 4 * len(words) else "middle"  # what stands at the edge stays inside
        parts.append(f'<text class="tick" x="{x:.1f}" y="{height - 8}" text-anchor="{anchor}">{escape(words)}</text>')
    return parts


def _svg(title: str, description: str, parts: Sequence[str], height: int, *, empty: bool = False) -> Markup:
    name = f"c{zlib.crc32(f'{title} {description}'.encode())}"  # the same page twice is the same bytes
    inside = "".join(parts)
    role = "group" if "<a " in inside else "img"  # whoever hears an image is told nothing of links in it
    if empty:
        inside = (
            f'<text class="tick" x="{WIDTH // 2}" y="{height // 2}" text-anchor="middle">nothing to show yet</text>'
        )
    return Markup(  # noqa: S704 (every text in it went through escape)
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="{role}" aria-labelledby="{name}t {name}d">'
        f'<title id="{name}t">{escape(title)}</title><desc id="{name}d">{escape(description)}</desc>{inside}</svg>'
    )
