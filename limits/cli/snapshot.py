"""limits snapshot: what decisions were made from, for the auditor; and removing what is old."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common
from limits.wording import several

if TYPE_CHECKING:
    from limits.store.snapshots import Pruned, Snapshot

snapshot = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="What decisions were made from: list, export, prune."
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(snapshot, name="snapshot")


def read_digest(text: str) -> str:
    """A sha256 as the log shows it, or its first digits: from 8 to 64 hexadecimal digits, made small."""
    if re.fullmatch(r"[0-9a-fA-F]{8,64}", text):
        return text.lower()
    raise typer.BadParameter(
        f"{text[:80]!r} is not a digest: 64 hexadecimal digits or the first of them, 8 at least, as `limits log show` "
        "and `limits snapshot list` print them"
    )


@snapshot.command("list")
def list_snapshots(
    review: Annotated[int | None, common.number_option("--review", "Only those of this review.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    json: common.Json = False,
) -> None:
    """Snapshots, newest first."""
    from limits.store import reviews, snapshots
    from limits.terminal import note, print_json, table

    with common.database() as database, database.connect("auditor", "limits snapshot list") as conn:
        if review is not None:
            reviews.get(conn, review)  # a review that is not there is not one without snapshots
        found = snapshots.listing(conn, review_id=review, limit=limit + 1)  # one more says whether that is all
    more, found = len(found) > limit, found[:limit]
    if json:
        print_json({"snapshots": [_as_dict(s) for s in found]})
    elif not found:
        note("no snapshot matches")
    else:
        columns = ("digest", "as of", "users", "bytes", "kept in", "last used", "reviews")
        table(columns, [_cells(s, ", ".join(map(str, s.review_ids or []))) for s in found], numbers=("users", "bytes"))
        if more:
            note(f"there are more than these {limit:,}: raise --limit, or name a --review")


@snapshot.command("export")
def export_snapshot(
    digest: Annotated[
        str,
        typer.Argument(
            parser=read_digest, metavar="DIGEST", help="Its sha256, or the first 8 or more digits.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Where to; never an existing file.")],
) -> None:
    """Write one snapshot as a Parquet file, after its bytes were checked against the digest."""
    from limits.errors import InputError
    from limits.settings import get_settings
    from limits.store import snapshots
    from limits.terminal import note

    settings = get_settings()
    with common.database(settings) as database, database.connect("auditor", "limits snapshot export") as conn:
        name = snapshots.named(conn, digest)
        body = snapshots.body_of(conn, name, folder=settings.snapshot_store)
    try:
        with out.open("xb") as file:
            file.write(body)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}") from error
    note(f"{several(len(body), 'byte')} written to {out}; their sha256 is {name.hex()}")


@snapshot.command("prune")
def prune_snapshots(
    older_than: Annotated[
        int | None,
        typer.Option(
            "--older-than", min=1, max=100_000, metavar="DAYS", show_default=False,
            help="Days since the last use. Default and least: LIMITS_SNAPSHOT_DAYS.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it they are only shown.")] = False,
    json: common.Json = False,
) -> None:  # fmt: skip
    """Show the snapshots that are old enough to go, or remove them. Their decisions stay in the log."""
    from limits.errors import InputError
    from limits.settings import get_settings
    from limits.store import snapshots
    from limits.terminal import note, print_json, say, table

    settings = get_settings()
    days = settings.snapshot_days if older_than is None else older_than
    if days < settings.snapshot_days:
        raise InputError(
            f"snapshots are kept for {several(settings.snapshot_days, 'day')}: --older-than {days} is less; "
            "to keep them for less, set LIMITS_SNAPSHOT_DAYS"
        )
    with common.database(settings) as database, database.connect("operations", "limits snapshot prune") as conn:
        found = snapshots.prune(conn, days, delete=yes, folder=settings.snapshot_store)
    total = sum(s.bytes for s in found)
    if json:
        print_json({"removed": yes, "days": days, "bytes": total, "snapshots": [_as_dict(s) for s in found]})
        return
    unused = f"not used for {several(days, 'day')}"
    if not yes and found:
        columns = ("digest", "as of", "users", "bytes", "kept in", "last used")
        table(columns, [_cells(s) for s in found], numbers=("users", "bytes"))
        note("nothing was removed; to remove these for good, add --yes")
    say(f"{several(len(found), 'snapshot')} ({several(total, 'byte')}) {'removed' if yes else unused}")


def _cells(s: Snapshot | Pruned, *more: str) -> tuple[str, ...]:
    used = s.used_at.date().isoformat() if s.used_at else ""
    where = "database" if s.in_database else "file"
    return (s.digest.hex(), s.as_of.isoformat(), str(s.users), str(s.bytes), where, used, *more)


def _as_dict(s: Snapshot | Pruned) -> dict[str, Any]:
    common_part = {
        "digest": s.digest.hex(),
        "as_of": s.as_of.isoformat(),
        "users": s.users,
        "bytes": s.bytes,
        "in_database": s.in_database,
        "used_at": s.used_at.isoformat() if s.used_at else None,
    }
    review_ids = getattr(s, "review_ids", None)
    return common_part if review_ids is None else {**common_part, "review_ids": review_ids}
