"""limits log checkpoints, limits log key list: the numbers of checkpoints, and whose keys have signed which."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limits.cli import common
from limits.cli.log_proved import open_checkpoints
from limits.cli.log_seal import key
from limits.cli.log_verify import CheckpointsOption, PublicKeyOption, default_paths, read_keys

if TYPE_CHECKING:
    import datetime as dt

    from limits.checkpoint_list import KeyUse, Numbered


def register(log: typer.Typer) -> None:
    """Add the commands to those of the log, and of its keys."""
    log.command("checkpoints")(list_checkpoints)
    key.command("list")(list_keys)


def list_checkpoints(
    checkpoints: CheckpointsOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many of the newest.")] = 50,
    json: common.Json = False,
) -> None:
    """The signed checkpoints, newest last: from their file, or where there is none from the database."""
    from limits.terminal import note, print_json, table

    newest, source = _newest(checkpoints, limit)
    if json:
        print_json({"from": source, "checkpoints": [one.as_dict() for one in newest]})
        return
    if not newest:
        note(f"{source} has no checkpoint yet")
        return
    rows = [
        (
            str(one.number),
            _moment(one.checkpoint.at),
            f"{one.checkpoint.entries:,}",
            f"{one.checkpoint.tree_size:,}",
            " ".join(one.signers),
        )
        for one in newest
    ]
    columns = ("checkpoint", "at (UTC)", "entries", "leaves", "signed by")
    table(columns, rows, numbers=columns[:1] + columns[2:4])
    left_out = newest[0].number - 1
    note(f"from {source}{f'; {left_out:,} older ones left out: --limit' if left_out else ''}")


def list_keys(
    public_key: PublicKeyOption = None,
    checkpoints: CheckpointsOption = None,
    json: common.Json = False,
) -> None:
    """The public keys: since which checkpoint each has signed, up to which, and which one signs now."""
    from limits import checkpoint_list
    from limits.terminal import note, print_json, table

    keys = read_keys(public_key)
    path = checkpoints or default_paths().checkpoints
    if checkpoints is None and not path.exists():  # before anything was sealed, or where only keys are kept
        found, strangers = checkpoint_list.uses(keys, ())
        note(f"there are no checkpoints at {path}; name their file with --checkpoints")
    else:
        with _from_file(path) as listed:
            found, strangers = checkpoint_list.uses(keys, listed)
    if json:
        print_json({"keys": [one.as_dict() for one in found], "not_in_the_file": strangers})
    else:
        columns = ("name", "key", "since checkpoint", "since (UTC)", "until checkpoint", "")
        table(columns, [_row(one) for one in found], numbers=("since checkpoint", "until checkpoint"))
    if strangers:
        note(f"the newest checkpoint is signed by {', '.join(strangers)}, which the public keys do not have")


def _row(one: KeyUse) -> tuple[str, ...]:
    if one.since is None or one.since_at is None:
        return one.key.name, one.key.key_id, "", "", "", "has signed nothing"
    return (
        one.key.name,
        one.key.key_id,
        str(one.since),
        _moment(one.since_at),
        str(one.last),
        "signs now" if one.signs else "",
    )


def _moment(at: dt.datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _newest(named: Path | None, limit: int) -> tuple[list[Numbered], str]:
    """The newest checkpoints, the newest last, and where they are from."""
    path = named or default_paths().checkpoints
    if named is not None or path.exists():
        with _from_file(path) as found:
            return list(deque(found, maxlen=limit)), str(path)
    from limits import checkpoint_list
    from limits.store import checkpoint_rows

    with common.database() as database, database.connect("auditor", "limits log checkpoints") as conn:
        return list(checkpoint_list.numbered(checkpoint_rows.newest(conn, limit))), database.where


@contextlib.contextmanager
def _from_file(path: Path) -> Iterator[Iterator[Numbered]]:
    """The checkpoints of a file in order, while it is open."""
    from limits import checkpoint, checkpoint_list

    with open_checkpoints(path) as lines:
        yield checkpoint_list.numbered(enumerate(checkpoint.split(lines), start=1))
