"""What a scorecard and its monitoring look like."""

from __future__ import annotations

from markupsafe import Markup

from limits.console import charts
from limits.console.charts import Bar, Line, Mark
from limits.console.models.answers import BecameAnswer, MonitoringAnswer
from limits.risk import FEATURES, Scorecard
from limits.risk.telling import parts
from limits.risk_training.stability import ALERT, WATCH
from limits.risk_training.watching import Monitored


def characteristics(model: Scorecard) -> list[tuple[str, str, Markup]]:
    """Of each characteristic its name, what it looks at, and the points of its bins: bars, or a grid of two."""
    found = []
    for one in model.characteristics:
        title = f"Points: {one.name}"
        description = f"Points of each bin, {min(one.points)} to {max(one.points)}"
        sides = [
            _short(parts(model, name, edges), model.currency)
            for name, edges in zip(one.features, one.edges, strict=True)
        ]
        looks_at = [FEATURES[name].text[0] for name in one.features]
        if len(sides) == 1:
            least = min(0, *one.points)
            rows = [Bar(words, n - least, f"{n:+d}") for words, n in zip(sides[0], one.points, strict=True)]
            picture = charts.bars(title, description, rows)
        else:
            wide = len(sides[1])
            values = [one.points[k * wide : (k + 1) * wide] for k in range(len(sides[0]))]
            picture = charts.grid(title, description, sides[0], sides[1], values, words=lambda n: f"{n:+.0f}")
        found.append((one.name, "; across: ".join(looks_at), picture))
    return found


def _short(words: list[str], currency: str | None) -> list[str]:
    """Where each part begins; where it ends is said by the next, and the currency by the table."""
    begins = [one.partition(" to ")[0] if one.startswith("from ") else one for one in words]
    return [one.removesuffix(f" {currency}") for one in begins]


def stability(seen: MonitoringAnswer) -> Markup:
    """The stability index of the points, review by review, with the thresholds."""
    rows = [one for one in reversed(seen.reviews) if one.stability is not None]
    xs = [float(k) for k in range(len(rows))]
    values = [one.stability.value for one in rows if one.stability]
    ends = [xs[0], xs[-1] or 1.0] if xs else []
    series = [Line("stability index", "limit", xs, values)]
    series += [
        Line(f"{name} from {at}", "before", ends, [at] * len(ends)) for name, at in (("watch", WATCH), ("alert", ALERT))
    ]
    marks = [
        Mark(x, one.stability.value, f"{one.as_of}: {one.stability.value:.3f}, {one.stability.state}",
             "lowered" if one.stability.state == "alert" else "raised", f"/reviews/{one.review_id}")
        for x, one in zip(xs, rows, strict=True) if one.stability
    ]  # fmt: skip
    step = max(1, len(rows) // 6)
    labels = [(x, str(one.as_of)) for k, (x, one) in enumerate(zip(xs, rows, strict=True)) if k % step == 0]
    words = "Population stability index of the points in each review, against the users the model was made of"
    shown = series if rows else []
    return charts.lines(
        "Stability of the points", words, shown, marks=marks, x_labels=labels, y_words=lambda v: f"{v:.2f}"
    )


def spread(seen: Monitored) -> Markup:
    """Shares of the parts of the points: of the users it was made of, and of the newest review."""
    if seen.expected is None or not seen.reviews:
        return charts.bars("Points", "No review yet", [])
    edges = [f"{edge:.0f}" for edge in seen.expected.point_edges]
    names = [f"below {edges[0]}", *(f"from {edge}" for edge in edges)] if edges else ["all"]
    rows = []
    for name, then, now in zip(names, seen.expected.point_share.tolist(), seen.reviews[0].share.tolist(), strict=True):
        rows += [Bar(f"{name}, then", then, f"{then:.1%}", "held"), Bar(f"{name}, now", now, f"{now:.1%}")]
    words = "Share of the users by points: those the model was made of, and those of the newest review"
    return charts.bars("How points are spread", words, rows)


def calibration(became: BecameAnswer) -> Markup:
    """What was expected of each tenth, and what became of it."""
    tenths = became.calibration
    most = max([one.expected for one in tenths] + [one.missed for one in tenths] + [0.01])
    marks = [
        Mark(
            one.expected,
            one.missed,
            f"{one.part}: {one.missed:.1%} of {one.users:,} missed, {one.expected:.1%} expected",
            "limit",
        )
        for one in tenths
    ]
    exact = Line("as expected", "before", [0.0, most], [0.0, most])
    rows = [one for one in tenths if one.missed_low is not None and one.missed_high is not None]
    spans = [
        Line(f"95% interval: {one.part}", "limit", [one.expected, one.expected], [one.missed_low, one.missed_high])
        for one in rows
    ]
    labels = [(share, f"{share:.0%}") for share in charts.ticks(0, most)]
    words = "Share that missed a payment against the probability, of tenths of the users; the dashed line is exact"
    return charts.lines(
        "Calibration", words, [exact, *spans], marks=marks, x_labels=labels, y_words=lambda value: f"{value:.0%}"
    )
