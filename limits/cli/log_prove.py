"""limits log prove, consistency, export-proof: what somebody can check who has a public key and no database."""

from __future__ import annotations

import json as json_module
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common, streams
from limits.cli.log_proved import grown
from limits.cli.log_verify import PublicKeyOption, counting, default_paths, read_keys
from limits.wording import several

if TYPE_CHECKING:
    from limits.errors import NotFound
    from limits.store.db import Connection

Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to. Default: standard output.")
]


def register(log: typer.Typer) -> None:
    """Add the commands."""
    log.command("prove")(prove)
    log.command("consistency")(consistency)
    log.command("export-proof")(export_proof)


def prove(
    entry_id: Annotated[int, common.number_argument("ENTRY_ID", "Number of the entry.")],
    public_key: PublicKeyOption = None,
    output: Output = None,
) -> None:
    """Proof that an entry stands in the log, as JSON, and checked; 1 where anything does not hold that it rests on.

    limits log verify --proof FILE checks it with no database.
    """
    from limits.store import proving
    from limits.terminal import note

    named = public_key or default_paths().public_keys
    keys = read_keys(named) if public_key is not None or os.path.exists(named) else None
    with common.database() as database, database.connect("auditor", "limits log prove") as conn:
        found = proving.prove(conn, entry_id, keys)
    _write(output, found)
    hashes = len(found["batch"]["path"]) + len(found["log"]["path"])
    unsigned = "" if keys is not None else f"; who signed it was not checked, for there are no public keys at {named}"
    where = f", written to {output}" if output else ""
    note(f"entry {entry_id} is proved by {several(hashes, 'hash')}{where}{unsigned}")


def consistency(
    old: Annotated[int, common.number_argument("OLD", "Number of the older checkpoint.")],
    new: Annotated[int, common.number_argument("NEW", "Number of the newer checkpoint.")],
    sizes: Annotated[bool, typer.Option("--sizes", help="OLD and NEW are sizes of the log's tree, in leaves.")] = False,
    public_key: PublicKeyOption = None,
    output: Output = None,
) -> None:
    """Proof that the log only grew between two checkpoints, as JSON, and checked; 1 where history was rewritten."""
    from limits import checkpoint, log_proof
    from limits.store import proving
    from limits.terminal import note

    keys = None if sizes else read_keys(public_key)
    with common.database() as database, database.connect("auditor", "limits log consistency") as conn:
        found = proving.consistency(conn, old, new, sizes=sizes)
    old, new = log_proof.check_consistency(found, keys)
    _write(output, found)
    hashes = len(found["path"])
    by = f"{several(hashes, 'hash')} prove{'s' if hashes == 1 else ''} it"
    if not sizes:
        said = [checkpoint.parse(found[side]["checkpoint"]).checkpoint for side in ("old", "new")]
        note(f"{grown(*said)}: {by}")
    else:
        note(f"the tree of {several(new, 'leaf')} holds all of that of {several(old, 'leaf')}: {by}")
        note("nobody has signed trees of just any size: limits log verify --proof takes proofs between checkpoints")


def export_proof(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Parquet file to write.", show_default=False)],
    review: Annotated[int | None, common.number_option("--review", "Only this review.")] = None,
    since: Annotated[str | None, common.date_option("--from", "Only reviews as of this date or later.")] = None,
    until: Annotated[str | None, common.date_option("--to", "Only reviews as of this date or earlier.")] = None,
) -> None:
    """Export entries as they were hashed, with records and proofs; limits log verify --export checks them."""
    from limits.store import archives, proof_file, proving
    from limits.store.verifying import one_state
    from limits.terminal import note

    if since and until and since > until:
        raise typer.BadParameter(f"--from {since} lies after --to {until}: nothing can match")
    wanted: dict[str, Any] = {
        "review_id": review,
        "as_of_from": str(since) if since else None,
        "as_of_to": str(until) if until else None,
    }
    with (
        common.database() as database,
        database.connect("auditor", "limits log export-proof") as conn,
        one_state(conn),
        counting() as progress,
    ):
        left_out = archives.of_days(conn, since, until)  # type: ignore[arg-type]  # dates by their parser
        newest = proving.newest(conn)
        with streams.target(file) as target:
            batches, entries = proof_file.write(conn, target, newest, wanted, progress)
            if not entries:  # said before the file has its name
                raise _nothing(conn, review, archives.in_words(left_out) if left_out else None)
    note(
        f"{several(entries, 'entry')} in {several(batches, 'batch')} written to {file}, up to the checkpoint of "
        f"{newest.checkpoint.at:%Y-%m-%d %H:%M:%S} UTC; what came later is left out"
    )
    if left_out:
        note(f"not exported: {archives.in_words(left_out)}")


def _nothing(conn: Connection, review: int | None, archived: str | None) -> NotFound:
    """Why there is nothing to export."""
    from limits.errors import InArchive, NotFound
    from limits.store import reviews

    if review is not None:
        reviews.get(conn, review)
    if archived is not None:
        return InArchive(f"no entry to export lies in the database: {archived}")
    return NotFound("no entry of the log that is sealed matches: there is nothing to export, and no file is written")


def _write(output: Path | None, found: dict[str, Any]) -> None:
    with streams.target(output) as file:
        file.write(f"{json_module.dumps(found, indent=2)}\n".encode())
        file.flush()
