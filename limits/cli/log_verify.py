"""limits log verify: whether the adjustment log is what was signed, in the database, in an export or by a proof."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limits.cli import common, log_proved, log_state, log_verdict
from limits.cli.log_proved import open_checkpoints

if TYPE_CHECKING:
    from limits.checkpoint import PublicKey
    from limits.log_finding import Report
    from limits.settings import SealPaths

#: A batch that is older, in seconds, and under no checkpoint is a failure.
SEALED_WITHIN = 300

CheckpointsOption = Annotated[
    Path | None,
    typer.Option(
        "--checkpoints", metavar="FILE", help="The file of checkpoints. Default: seal/checkpoints of the home."
    ),
]
PublicKeyOption = Annotated[
    Path | None,
    typer.Option("--public-key", metavar="FILE", help="The public keys. Default: seal/public_keys of the home."),
]


def register(log: typer.Typer) -> None:
    """Add the command."""
    log.command("verify")(verify)


def verify(
    since_last: Annotated[
        bool, typer.Option("--since-last", help="Read only entries that came after the last time all of it held.")
    ] = False,
    checkpoints: CheckpointsOption = None,
    public_key: PublicKeyOption = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="FILE", help="What was verified last. Default: beside the checkpoints."),
    ] = None,
    sealed_within: Annotated[
        int,
        typer.Option("--sealed-within", min=0, max=10**9, metavar="SECONDS", help="How soon a batch must be sealed."),
    ] = SEALED_WITHIN,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Check this export, and open no database.")
    ] = None,
    proof: Annotated[
        Path | None, typer.Option("--proof", metavar="FILE", help="Check this proof, and open no database.")
    ] = None,
    archives: Annotated[
        Path | None,
        typer.Option("--archives", metavar="FOLDER", help="Where the archives of old months are; they are checked."),
    ] = None,
    without_archives: Annotated[
        bool, typer.Option("--without-archives", help="Leave out the entries of archived months, and say how many.")
    ] = False,
    json: common.Json = False,
) -> None:
    """Check the log against its signed checkpoints; 1 where anything does not hold, and where."""
    if export is not None and proof is not None:
        raise typer.BadParameter("--export and --proof are two things to check: name one of them")
    if since_last and (export is not None or proof is not None):
        raise typer.BadParameter("--since-last is for the database: an export or a proof is checked as a whole")
    if (archives is not None or without_archives) and (export is not None or proof is not None):
        raise typer.BadParameter("--archives and --without-archives are for the database: an archive is an --export")
    if archives is not None and without_archives:
        raise typer.BadParameter("--archives and --without-archives exclude each other; name one of them")
    keys = read_keys(public_key)
    if proof is not None:
        log_proved.show(proof, keys, checkpoints, json)
        return
    path = checkpoints or default_paths().checkpoints
    if export is not None:
        from limits.store.export_check import verify_export
        from limits.store.proof_file import ProofFile

        file = ProofFile(export)
        with open_checkpoints(path) as lines, counting() as progress:
            report = verify_export(file, lines, keys, progress)
    else:
        state = state or path.with_name(f"{path.name}.verified")
        report = _database(path, keys, since_last, state, sealed_within, archives)
    log_verdict.show(report, json, without_archives)
    if not report.holds or (report.unread and not without_archives):
        raise typer.Exit(1)


def _database(
    path: Path, keys: list[PublicKey], since_last: bool, state: Path, sealed_within: int, archives: Path | None
) -> Report:
    from limits.errors import InputError
    from limits.store import verifying

    if archives is not None and not archives.is_dir():
        raise InputError(f"{archives} is no folder; --archives names the one with the archives")
    known = log_state.known(state) if since_last else None
    now = dt.datetime.now(dt.UTC)
    with (
        common.database() as database,
        database.connect("auditor", "limits log verify") as conn,
        open_checkpoints(path) as lines,
        counting() as progress,
    ):
        report, newest = verifying.verify(
            conn, lines, keys, now=now, sealed_within_seconds=sealed_within, known=known,
            folder=archives, progress=progress,
        )  # fmt: skip
    # What was left out has to be looked at some time: it is not remembered as verified.
    if report.holds and newest is not None and not report.unread:
        log_state.remember(state, newest, in_part=not report.whole)
    elif not report.holds and report.whole:
        log_state.remember_failure(state, now)
    return report


# Files ------------------------------------------------------------------------------------------


def default_paths() -> SealPaths:
    """Where the sealer keeps its files."""
    from limits.settings import get_settings, seal_paths

    return seal_paths(get_settings())


def read_keys(path: Path | None) -> list[PublicKey]:
    """The public keys that are trusted. InputError where the file is none."""
    from limits.store import seal_reading

    return seal_reading.read_keys(path or default_paths().public_keys)


# Showing ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def counting() -> Iterator[Callable[[int, int], None]]:
    """Tells on standard error how far it is, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, all_of_them: None
        return

    def tell(done: int, all_of_them: int) -> None:
        share = f" of {all_of_them:,}" if all_of_them else ""
        print(f"\r{done:,}{share} entries", end="", file=sys.stderr, flush=True)

    try:
        yield tell
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
