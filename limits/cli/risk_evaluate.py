"""limits risk evaluate, disparity, monitor: what a scorecard is worth, on users with known outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limits.cli import common

if TYPE_CHECKING:
    from limits.risk import Scorecard
    from limits.risk_training.grouping import Group
    from limits.samples.uci import Sample

Model = Annotated[Path, typer.Option("--model", metavar="FILE.json", help="The scorecard.", show_default=False)]
Data = Annotated[
    Path,
    typer.Option(
        "--data", metavar="FILE.csv", show_default=False,
        help="Users with six statements each, in the columns of the UCI data set 350; plain or packed by gzip.",
    ),
]  # fmt: skip
Draws = Annotated[int, typer.Option("--draws", min=20, max=10_000, help="Draws of the bootstrap.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap: the same seed, the same intervals.")]

#: What each measure is, in the order in which they are shown.
MEASURES = {
    "auc": "AUC",
    "pr_auc": "PR-AUC",
    "gini": "Gini",
    "ks": "KS",
    "brier": "Brier score",
    "log_loss": "log loss",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
    "rate": "share who missed the payment",
    "expected": "share that was expected",
}


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command("evaluate")(evaluate_command)
    app.command("disparity")(disparity_command)
    app.command("monitor")(monitor_command)


def evaluate_command(
    model: Model,
    data: Data,
    draws: Draws = 500,
    seed: Seed = 1,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE.png", help="Draw ROC, calibration and points.", show_default=False),
    ] = None,
    json: common.Json = False,
) -> None:
    """Hold a scorecard against what its users did. In brackets: what 95% of bootstrap draws lie within."""
    from limits.risk_training.evaluating import evaluate
    from limits.terminal import note, print_json, say, table

    card, sample = _model(model), read_data(data)
    found = evaluate(card, sample, draws=draws, seed=seed)
    if plot is not None:
        from limits.risk_training.drawing import draw

        draw(plot, found)
    if json:
        print_json({"model": card.model_hash.hex(), "data": str(data), **found.as_dict()})
        return
    say(f"{card.name}: {found.judged.users:,} users, {found.missed:,} missed the payment", strong=True)
    table(("measure", "value (95%)"), [(name, found.judged.text(key)) for key, name in MEASURES.items()])
    for title, groups in (
        ("tenth of the probability", found.calibration),
        ("limit", found.by_limit),
        ("band", found.by_band),
    ):
        say()
        table((title, "users", "expected", "observed (95%)"), [_row(group) for group in groups])
    if plot is not None:
        note(f"drawn: {plot}")


def _row(group: Group) -> tuple[str, str, str, str]:
    return group.name, f"{group.users:,}", f"{group.expected:.2%}", group.observed.percent()


def disparity_command(
    model: Model,
    data: Data,
    below: Annotated[
        float, typer.Option("--below", min=0.001, max=1, help="Users below this probability count as good enough.")
    ] = 0.1,
    draws: Draws = 200,
    seed: Seed = 1,
    json: common.Json = False,
) -> None:
    """What a scorecard comes to by sex, age, education and marriage: for governance. It never sees any of them."""
    from limits.risk.result import ALL_PPM
    from limits.risk_training.disparity import FOUR_FIFTHS, disparity
    from limits.terminal import note, print_json, say, table

    card, sample = _model(model), read_data(data)
    found = disparity(card, sample, below_ppm=round(below * ALL_PPM), draws=draws, seed=seed)
    if json:
        groups = [one.as_dict() for one in found]
        print_json({"model": card.model_hash.hex(), "data": str(data), "below": below, "groups": groups})
        return
    say(f"{card.name}: {len(sample):,} users; good enough is a probability below {below:.1%}", strong=True)
    rows = [
        (
            one.attribute, one.name, f"{one.users:,}", f"{one.expected:.1%}",
            f"{one.observed.value:.1%} ({one.observed.low:.1%} to {one.observed.high:.1%})",
            f"{one.good.value:.1%}", f"{one.ratio:.2f}{' *' if one.named else ''}",
            "" if one.auc is None else f"{one.auc:.3f}",
        )
        for one in found
    ]  # fmt: skip
    table(("by", "group", "users", "expected", "observed (95%)", "good enough", "of the best", "AUC"), rows)
    if any(one.named for one in found):
        note(f"* below {FOUR_FIFTHS:.0%} of the group with the greatest share: somebody has to say why that is right")


def monitor_command(
    model: Model,
    data: Data,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FILE.csv",
            show_default=False,
            help="Users to compare with. Default: those the model was made from.",
        ),
    ] = None,
    draws: Draws = 200,
    seed: Seed = 1,
    json: common.Json = False,
) -> None:
    """Have the users moved away from those the scorecard was made from, and is what it says still true?

    Exit code 1 where something has to be done.
    """  # fmt: skip
    from limits.risk_training.watching import ACT, LOOK, watch
    from limits.terminal import print_json, say, table

    card, sample = _model(model), read_data(data)
    found = watch(card, sample, None if against is None else read_data(against), draws=draws, seed=seed)
    if json:
        print_json({"model": card.model_hash.hex(), "data": str(data), **found.as_dict()})
    else:
        say(f"{card.name}: {found.users:,} users; look from {LOOK} on, act from {ACT} on", strong=True)
        table(("what", "stability index", "state"), [(one.name, f"{one.index:.4f}", one.state) for one in found.drifts])
        if found.ratio is not None and found.slope is not None:
            say()
            rows = [
                ("missed, for each expected", found.ratio.text(3)),
                ("calibration slope", found.slope.text(3)),
                ("state", found.calibration or ""),
            ]
            table(("calibration", "value (95%)"), rows)
    if found.state == "act":
        raise typer.Exit(1)


def read_data(file: Path) -> Sample:
    """The users of a file."""
    from limits.samples import uci

    return uci.read(file)


def _model(file: Path) -> Scorecard:
    from limits.engine.risk_governing import read_model

    return read_model(file)
