"""limits risk train, evaluate, disparity, monitor: a scorecard is made, and held against what users did."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common

if TYPE_CHECKING:
    from limits.risk import Risk, Scorecard
    from limits.risk_training.training import Population, Trained
    from limits.samples.uci import Sample


Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="FILE.csv[.gz]", show_default=False,
        help="Clients as UCI data set 350 writes them. Default: the 20,000 that are shipped.",
    ),
]  # fmt: skip
Model = Annotated[Path, typer.Option("--model", metavar="MODEL.json", show_default=False, help="The model file.")]
Bootstraps = Annotated[int, typer.Option(min=100, max=10_000, help="Bootstraps of each interval.")]
Seed = Annotated[int, typer.Option(min=0, max=2**31, help="The same seed gives the same numbers.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command("train")(train_command)
    app.command("evaluate")(evaluate_command)
    app.command("disparity")(disparity_command)
    app.command("monitor")(monitor_command)


def train_command(
    out: Annotated[Path, typer.Option("--out", metavar="MODEL.json", show_default=False, help="The file to write.")],
    data: Data = None,
    from_db: Annotated[
        bool, typer.Option("--from-db", help="Users of the database as of a date, with what became of them since.")
    ] = False,
    as_of: Annotated[str | None, common.date_option("--as-of", "With --from-db: the date they are read as of.")] = None,
    horizon: Annotated[
        int, typer.Option(min=1, max=24, help="With --from-db: months after it in which a payment is missed or not.")
    ] = 3,
    policy: common.PolicyName = None,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the model: small letters, digits, - and _.")
    ] = "scorecard",
    repeats: Annotated[int, typer.Option(min=1, max=20, help="Times that cross-validation is repeated.")] = 1,
    seed: Seed = 0,
    json: common.Json = False,
) -> None:
    """Make a scorecard, and say how good it is on users it was not made of. Takes minutes.

    Characteristics, bins and points are found anew for each fold that is kept aside. The file holds the model card.
    """
    import re

    from limits.bench.threads import one_thread

    one_thread()  # before NumPy: the same bytes on every run
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,63}", name):
        raise typer.BadParameter(f"--name {name!r}: write a small letter, then small letters, digits, - and _")
    if from_db != (as_of is not None) or (data is not None and from_db):
        raise typer.BadParameter("--from-db and --as-of DATE go together, and without --data")
    if policy is not None and not from_db:
        raise typer.BadParameter("--policy goes with --from-db: it says the currency")
    _check_out(out)
    from limits.risk_training.recipe import Recipe
    from limits.risk_training.training import train
    from limits.terminal import print_json, progress

    date: Any = as_of  # the option's parser has made a date of it
    population = _observed(date, horizon, policy) if from_db else _population(data)
    with progress("training", quiet=json) as bar:
        made = train(population, name, Recipe(seed=seed), repeats=repeats, progress=bar)
    _write(out, made.scorecard.body)
    if json:
        print_json({"file": str(out), "sha256": made.scorecard.model_hash.hex(), **_card_summary(made.scorecard)})
        return
    _print_trained(out, made)


def evaluate_command(
    model: Model,
    data: Data = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE.png", show_default=False, help="Draw ROC, calibration and points."),
    ] = None,
    bootstraps: Bootstraps = 1000,
    seed: Seed = 0,
    json: common.Json = False,
) -> None:
    """How good a scorecard is on clients whose outcome is known: order and probabilities, by limit and by band."""
    from limits.engine.risk_governing import read_model
    from limits.risk_training.evaluating import evaluate
    from limits.terminal import note, print_json

    scorecard, population = read_model(model), _population(data)
    found = evaluate(
        scorecard, population.portfolio, population.capacity, population.missed, times=bootstraps, seed=seed
    )
    if plot is not None:
        from limits.risk_training.plotting import draw

        draw(plot, found, scorecard.score(population.portfolio, population.capacity), population.missed)
    if json:
        print_json({"model": scorecard.name, "sha256": scorecard.model_hash.hex(), **found.as_dict()})
        return
    from limits.cli.risk_report import print_evaluation

    print_evaluation(scorecard, found)
    if plot is not None:
        note(f"drawn: {plot}")


def disparity_command(
    model: Model, data: Data = None, bootstraps: Bootstraps = 500, seed: Seed = 0, json: common.Json = False
) -> None:
    """How a scorecard falls on men and women, ages, education and marriage, which it never sees."""
    from limits.cli.risk_report import print_disparity
    from limits.engine.risk_governing import read_model
    from limits.errors import InputError
    from limits.risk_training.disparity import disparity
    from limits.samples import uci
    from limits.terminal import print_json

    scorecard, sample = read_model(model), uci.read(data)
    if sample.protected is None:
        raise InputError(f"{source(data)}: the columns {', '.join(uci.PROTECTED)} are needed, and one is missing")
    scored, missed = _score(scorecard, sample), _outcome(sample, data)
    groups = disparity(scored, missed, uci.groups(sample.protected), times=bootstraps, seed=seed)
    if json:
        print_json({
            "model": scorecard.name, "sha256": scorecard.model_hash.hex(), "users": len(sample),
            "groups": [group.as_dict() for group in groups],
        })  # fmt: skip
        return
    print_disparity(scorecard, groups)


def monitor_command(
    model: Model,
    data: Data = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against", metavar="FILE.csv[.gz]", show_default=False,
            help="Users to compare with. Default: those the model was made of, as its card keeps them.",
        ),
    ] = None,
    bootstraps: Bootstraps = 500,
    seed: Seed = 0,
    json: common.Json = False,
) -> None:  # fmt: skip
    """Whether users and outcomes still are as they were; exit code 1 on an alert.

    Stability index of the points and of each feature, and where outcomes are known, how far they are from what was
    expected: from 0.1 on to be watched, from 0.25 on an alert.
    """
    from limits.cli.risk_report import print_drifts
    from limits.engine.risk_governing import read_model
    from limits.risk_training.stability import from_card, from_users, monitor
    from limits.samples import uci
    from limits.terminal import print_json

    scorecard, sample = read_model(model), uci.read(data)
    if against is None:
        expected = from_card(scorecard)
    else:
        other = uci.read(against)
        expected = from_users(scorecard, other.portfolio, _capacity(other))
    drifts, figures = monitor(
        scorecard, expected, sample.portfolio, _capacity(sample), sample.outcome, times=bootstraps, seed=seed
    )
    alerts = sum(one.state == "alert" for one in drifts)
    if json:
        print_json({
            "model": scorecard.name, "sha256": scorecard.model_hash.hex(), "users": len(sample), "alerts": alerts,
            "measures": [one.as_dict() for one in drifts],
            "figures": None if figures is None else figures.as_dict(),
        })  # fmt: skip
    else:
        print_drifts(scorecard, drifts, figures)
    if alerts:
        raise typer.Exit(1)


def source(data: Path | None) -> str:
    """Where users come from, in words."""
    return "the shipped clients of UCI data set 350" if data is None else data.name


def _population(data: Path | None) -> Population:
    from limits.risk_training.training import Population
    from limits.samples import uci

    sample = uci.read(data)
    missed = _outcome(sample, data)
    return Population(sample.portfolio, _capacity(sample), missed, source(data), uci.HORIZON_MONTHS, uci.MISSED)


def _observed(as_of: dt.date, horizon: int, policy: str | None) -> Population:
    from limits.engine.asking import policy_for
    from limits.risk_training.observed import observed
    from limits.settings import get_settings
    from limits.terminal import note

    common.load_scoring()
    settings = get_settings()
    currency = policy_for(policy or settings.policy, common.today()).currency
    with (
        common.database(settings) as database,
        database.connect("operations", "limits risk train") as conn,
        conn.transaction(),
    ):
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        population, excluded = observed(conn, as_of, horizon, currency, today=common.today())
    for reason, users in sorted(Counter(one.reason for one in excluded).items()):
        note(f"left out: {users:,} users: {reason}")
    return population


def _outcome(sample: Sample, data: Path | None) -> Any:
    from limits.errors import InputError
    from limits.samples import uci

    if sample.outcome is None:
        raise InputError(f"{source(data)}: the column {uci.OUTCOME} is needed, which says who missed a payment")
    return sample.outcome


def _capacity(sample: Sample) -> Any:
    from limits.capacity import estimate_capacity

    common.load_scoring()
    return estimate_capacity(sample.portfolio.cash_flow)


def _score(scorecard: Scorecard, sample: Sample) -> Risk:
    from limits.risk_training.evaluating import check_currency

    check_currency(scorecard, sample.portfolio)
    return scorecard.score(sample.portfolio, _capacity(sample))


def _check_out(file: Path) -> None:
    """InputError where nothing can be written: before training, which takes minutes."""
    import os

    from limits.errors import InputError

    there = file.exists()
    fit = not file.is_dir() if there else file.parent.is_dir()
    if not fit or not os.access(file if there else file.parent, os.W_OK):
        raise InputError(f"{file} cannot be written; name a file in a folder that there is, with --out")


def _write(file: Path, text: str) -> None:
    """All of it or nothing: a file that is there stays until the new one is whole."""
    import os

    from limits.errors import InputError

    # A device or a pipe is written to as it is, and so is a file in a folder that takes no other.
    beside = os.access(file.parent, os.W_OK) and (file.is_file() or not file.exists())
    part = file.with_name(f".{file.name}.part") if beside else file
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        if beside:
            part.replace(file)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror or error}") from error


def _card_summary(scorecard: Scorecard) -> dict[str, Any]:
    names = ("training", "population", "metrics", "challenger", "calibration", "left_out")
    return {
        "name": scorecard.name,
        "characteristics": [one.name for one in scorecard.characteristics],
        **{name: scorecard.card[name] for name in names},
    }


def _print_trained(out: Path, made: Trained) -> None:
    from limits.cli.risk_report import print_trained
    from limits.terminal import say

    print_trained(made)
    say(f"{out}: sha256 {made.scorecard.model_hash.hex()}")
