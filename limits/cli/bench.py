"""limits bench: how fast the engine is beside its peers on this machine, and what it finds in made-up data."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common

if TYPE_CHECKING:
    from limits.bench.nightly.figures import Nightly
    from limits.settings import Settings

bench = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Measure speed on this machine, and what made-up data show."
)

#: Users of a nightly review where neither --users nor --sizes says how many.
_DEFAULT_USERS = 100_000


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(bench, name="bench")


@bench.command("capacity")
def capacity_command(
    most: Annotated[int, typer.Option(min=1000, help="Users of the largest run.")] = 1_000_000,
    json: common.Json = False,
) -> None:
    """CPU time of one forecast beside statsmodels and statsforecast, its cost by users and months, and memory."""
    from limits.bench.threads import one_thread

    one_thread()
    from limits.bench import speed
    from limits.terminal import print_json, progress, say, table

    with progress("measuring", quiet=json) as bar:
        found = speed.measure(most, progress=bar)
    if json:
        print_json(found.as_dict())
        return
    for part in speed.parts(found):
        say(part.title, strong=True)
        table(part.columns, part.rows, numbers=part.columns[1:])
        for line in part.notes:
            say(line, faint=True)
        say()


@bench.command("risk")
def risk_command(
    model: Annotated[Path, typer.Option("--model", metavar="MODEL.json", show_default=False, help="The model file.")],
    users: Annotated[int, typer.Option(min=1000, max=20_000_000, help="Users, drawn from the shipped clients.")] = (
        1_000_000
    ),
    json: common.Json = False,
) -> None:
    """CPU time of scoring many users on one core, features included, and whether one user alone scores the same."""
    from limits.bench.threads import one_thread

    one_thread()
    from limits.bench import risk_speed
    from limits.engine.risk_governing import read_model
    from limits.terminal import print_json, say, table

    common.load_scoring()
    found = risk_speed.measure(read_model(model), users)
    if json:
        print_json(found.as_dict())
        return
    say(f"{found.users:,} users, one core", strong=True)
    table(("what", "figure"), found.rows(), numbers=("figure",))


@bench.command("season")
def season_command(
    seeds: Annotated[int, typer.Option(min=1, max=10_000, help="Made-up portfolios of each kind.")] = 50,
    horizon: Annotated[int, typer.Option(min=1, max=60, help="Months forecast from each origin.")] = 3,
    origins: Annotated[int, typer.Option(min=1, max=120, help="Origins, back from the last possible one.")] = 24,
    json: common.Json = False,
) -> None:
    """Whether seasons are found and applied in made-up portfolios that have one, and not in those that have none."""
    import dataclasses

    from limits.bench import seasonal
    from limits.terminal import print_json, progress, say, table

    with progress("trying", quiet=json) as bar:
        found = seasonal.recover(seeds, horizon, origins, bar)
    ways = seasonal.estimators(seeds)
    if json:
        print_json({
            "portfolios": [dataclasses.asdict(one) for one in found],
            "estimators": [dataclasses.asdict(one) for one in ways],
        })  # fmt: skip
        return
    say(f"{seasonal.USERS} users, {seasonal.MONTHS} months, {origins} origins, {horizon} months ahead", strong=True)
    columns = ("season", "portfolios", "applied", "error of factors", "loss falls by")
    table(columns, seasonal.recovered_rows(found), numbers=columns[1:])
    say()
    say(
        "root mean square error of log effects of a 13th salary, 36 months of an index whose level moves as",
        strong=True,
    )
    table(("estimator", *seasonal.MOVES, "CPU ms"), seasonal.estimator_rows(ways), numbers=(*seasonal.MOVES, "CPU ms"))


@bench.command("nightly")
def nightly_command(
    users: Annotated[
        int | None,
        typer.Option(min=500, max=10**9, help=f"Made-up users. Default: {_DEFAULT_USERS:,}.", show_default=False),
    ] = None,
    months: Annotated[int, typer.Option(min=6, max=36, help="Whole months of cash flow of each.")] = 24,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Worker processes, and processes of the floor.")] = 2,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="The same seed makes the same users.")] = 1,
    sizes: Annotated[
        str | None,
        typer.Option(metavar="N,N,...", help="Numbers of users, in place of --users: what a user costs by size."),
    ] = None,
    as_of: Annotated[
        str | None, common.date_option("--as-of", "The business date, before today (UTC). Default: the newest 15th.")
    ] = None,
    sample: Annotated[
        int, typer.Option(min=0, max=100_000, help="Users of the loop over users; 0: leave it out.")
    ] = 200,
    lean: Annotated[
        bool, typer.Option("--lean", help="Leave out what a small disk cannot hold; it is said what.")
    ] = False,
    packed_only: Annotated[
        bool,
        typer.Option(
            "--packed-only",
            help="As --lean, and of each user keep only what a review without news reads: for many users.",
        ),
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the database, and say where it is.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print tables for a page of documentation.")] = False,
    json: common.Json = False,
) -> None:
    """A nightly review of made-up users by real worker processes, beside its floor and a loop over users.

    On a PostgreSQL of its own in a temporary folder; the database of the settings is not touched.
    """
    from limits.bench.nightly import measuring
    from limits.terminal import note, print_json, progress
    from tasks.logs import set_up

    set_up("warning")  # standard output is for results
    if json and markdown:
        raise typer.BadParameter("--json and --markdown exclude each other; name one of them")
    chosen = _chosen(users, sizes)
    date: Any = as_of
    date = date or measuring.usual_date(common.today())
    if date >= common.today():
        raise typer.BadParameter(
            f"--as-of {date}: the day after is reviewed too, so it must be before {common.today()}"
        )
    common.load_forecast()
    found = []
    with _ended_by_signals():
        for size in chosen:
            run = measuring.Run(
                size, months, workers, seed, date, lean=lean, packed_only=packed_only, keep=keep, sample=sample
            )
            found.append(
                measuring.measure(
                    run,
                    start=_start_worker,
                    bar=lambda what: progress(what, quiet=json),
                    kept=lambda folder: note(f"kept: LIMITS_HOME={folder}"),
                )
            )
    if json:
        print_json({"sizes": [one.as_dict() for one in found]} if sizes is not None else found[0].as_dict())
    else:
        _print_nightly(found, markdown=markdown)


@bench.command("log")
def log_command(
    users: Annotated[int, typer.Option(min=60_000, max=100_000_000, help="Made-up users.")] = 200_000,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="The same seed makes the same users.")] = 1,
    json: common.Json = False,
) -> None:
    """What it costs that the log is tamper-evident: a review's parts applied with and without, in turn, in one run.

    On a PostgreSQL of its own in a temporary folder; the database of the settings is not touched.
    """
    from limits.bench import hashing
    from limits.bench.nightly import measuring
    from limits.terminal import print_json, progress, say, table
    from tasks.logs import set_up

    set_up("warning")  # standard output is for results
    common.load_forecast()
    with _ended_by_signals():
        found = hashing.measure(
            users,
            as_of=measuring.usual_date(common.today()),
            seed=seed,
            bar=lambda what: progress(what, quiet=json),
        )
    if json:
        print_json(found.as_dict())
        return
    say(f"{found.users:,} users, {found.parts} parts of {hashing.PART_USERS:,}; microseconds a user", strong=True)
    table(("apply", "figure"), found.rows(), numbers=("figure",))


@bench.command("web")
def web_command(
    rows: Annotated[int, typer.Option(min=100_000, max=1_000_000_000, help="Entries of the log.")] = 1_000_000,
    repeats: Annotated[int, typer.Option(min=3, max=1000, help="How often each page is asked for.")] = 15,
    auditors: Annotated[int, typer.Option(min=1, max=500, help="People at once, at the end.")] = 50,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the database in its folder.")] = False,
    json: common.Json = False,
) -> None:
    """First pages of the console's log by every filter over a long log, and many auditors at once, by a real server.

    On a PostgreSQL of its own in a temporary folder; the database of the settings is not touched. Leaves with 1 where
    anything takes longer than it may.
    """
    from limits.bench.web import measuring
    from limits.terminal import print_json, progress, say, table
    from tasks.logs import set_up

    set_up("warning")  # standard output is for results
    with _ended_by_signals():
        found = measuring.measure(
            rows,
            start=_start_web,
            bar=lambda what: progress(what, quiet=json),
            today=common.today(),
            repeats=repeats,
            auditors=auditors,
            keep=keep,
        )
    if json:
        print_json(found.as_dict())
    else:
        say(f"{found.filled.rows:,} entries, filled in {found.filled.seconds:,.0f} s; milliseconds", strong=True)
        columns = ("page", "median", "p95", "must be under", "")
        table(columns, found.rows(), numbers=columns[1:4])
        crowd = found.crowd
        say(
            f"{found.auditors} auditors at once: {len(crowd.seconds)} pages in {found.crowd_seconds:.1f} s, median "
            f"{crowd.at(0.5):.0f} ms, p95 {crowd.at(0.95):.0f} ms, {len(crowd.errors)} errors"
        )
        for line in (*found.left_out, *crowd.errors[:5]):
            say(line, faint=True)
    if not found.ok:
        raise typer.Exit(1)


def _start_web(settings: Settings, output: Path) -> subprocess.Popen[bytes]:
    """`limits web` with the settings of the benchmark, as anybody would start it."""
    return _start(settings, output, "web")


def _chosen(users: int | None, sizes: str | None) -> list[int]:
    """Numbers of users to measure, one after the other. BadParameter for two answers to one question."""
    if sizes is None:
        return [_DEFAULT_USERS if users is None else users]
    if users is not None:
        raise typer.BadParameter("--users and --sizes exclude each other; name one of them")
    return _read_sizes(sizes)


def _read_sizes(text: str) -> list[int]:
    if not re.fullmatch(r"[0-9]{3,10}(,[0-9]{3,10})*", text) or min(map(int, text.split(","))) < 500:
        raise typer.BadParameter(f"--sizes {text!r}: write numbers of at least 500, such as 10000,100000,1000000")
    return [int(size) for size in text.split(",")]


def _start_worker(settings: Settings, count: int, output: Path) -> subprocess.Popen[bytes]:
    """`limits worker` with the settings of the benchmark, as anybody would start it."""
    return _start(settings, output, "worker", "--concurrency", str(count))


def _start(settings: Settings, output: Path, *arguments: str) -> subprocess.Popen[bytes]:
    from limits.cli.supervise import end_with_parent
    from limits.cli.working import command, environment

    with output.open("wb") as file:
        return subprocess.Popen(
            command(*arguments),
            # What a pool leaves behind when it is told to stop goes with the folder.
            env=environment(settings) | {"TMPDIR": str(output.parent)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 (no threads here)
        )


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM ends the command like Ctrl-C, so that workers, database and folder are gone afterwards.

    The first one only: another would break off what is done because of it.
    """

    def end(number: int, _: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_nightly(found: list[Nightly], *, markdown: bool) -> None:
    from limits.bench.nightly import figures
    from limits.terminal import say, table

    def show(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        if markdown:
            say(figures.markdown(columns, rows))
        else:
            table(columns, rows, numbers=columns[1:])
        say()

    for one in found:
        say(one.heading(), strong=True)
        say()
        show(figures.STAGE_COLUMNS, one.stage_rows())
        show(("what", "figure"), one.rows())
    if len(found) > 1:
        say("what a user costs by the number of users", strong=True)
        say()
        show(figures.SIZE_COLUMNS, figures.size_rows(found))
