"""limits log reconcile: whether limits, log, messages, batches and reviews say the same."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from limits.cli import common

if TYPE_CHECKING:
    from limits.store.db import Connection
    from limits.store.reconciling import Found


def register(log: typer.Typer) -> None:
    """Add the command to the group of the log."""
    log.command("reconcile")(reconcile)


def reconcile(
    review: Annotated[int | None, common.number_option("--review", "Only this review and its users.")] = None,
    user: Annotated[int | None, common.number_option("--user", "Only this user.")] = None,
    json: common.Json = False,
) -> None:
    """Add up the log and compare: limits, versions, messages, batches, reviews. Exit code 1 when something differs."""
    from limits.terminal import note, print_json

    if review is not None and user is not None:
        raise typer.BadParameter("--review and --user exclude each other; name one of them")
    with common.database() as database, database.connect("auditor", "limits log reconcile") as conn:
        found = _look(conn, review, user, quiet=json)
    if json:
        print_json({
            "ok": found.ok, "users": found.users, "reviews": found.reviews, "mismatches": found.count,
            "archives": found.archives,
            "first": [asdict(one) for one in found.named],
        })  # fmt: skip
    else:
        _print(found)
    if not found.ok:
        note(common.WHAT_TO_DO)
        raise typer.Exit(1)


def _look(conn: Connection, review: int | None, user: int | None, *, quiet: bool) -> Found:
    from limits.store import reconciling
    from limits.terminal import progress

    what = "users, messages, reviews" if review is None else f"review {review}"
    with progress(f"reconciling {what}", quiet=quiet or user is not None) as bar:
        if review is not None:
            return reconciling.of_review(conn, review)
        if user is not None:
            return reconciling.of_user(conn, user)
        return reconciling.of_everything(conn, progress=bar)


def _print(found: Found) -> None:
    from limits.terminal import note, say

    looked = " and ".join(
        f"{count:,} {name}{'s' * (count != 1)}"
        for count, name in ((found.users, "user"), (found.reviews, "review"))
        if count
    )
    if found.archives:
        note(
            f"of {', '.join(found.archives)}, which are archived, their sums: limits log verify --archives checks them"
        )
    if found.ok:
        say(f"all adds up: {looked or 'nothing is there yet'}", strong=True)
        return
    things = "1 thing does" if found.count == 1 else f"{found.count:,} things do"
    say(f"{things} not add up, looking at {looked}; amounts without a currency are in minor units", strong=True)
    for one in found.named:
        say(f"  {one.words}")
    if found.count > len(found.named):
        note(f"and {found.count - len(found.named):,} more; --user or --review looks at one")
