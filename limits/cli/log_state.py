"""What limits log verify remembers: the checkpoint at which the whole log held, or that it did not.

Beside the checkpoints and not in the database, which is what is under suspicion.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limits.cli import streams

if TYPE_CHECKING:
    from limits.log_notes import Known, Noted


def known(state: Path) -> Known | None:
    """What was verified the last time; None where nothing was. LimitsError where the last whole verification failed."""
    from limits.store import seal_reading

    return seal_reading.known(state)


def remember(state: Path, newest: Noted, *, in_part: bool) -> None:
    """That all of it held. ``in_part``: it was verified on top of what is remembered, which must not be a failure."""
    from limits.errors import InputError

    if in_part:
        known(state)  # somebody else may have verified all of it in the meantime, and it did not hold
    try:
        _write(state, {"checkpoint": newest.number, "digest": newest.digest.hex()})
    except InputError as error:
        raise InputError(
            f"what was verified holds, but that is not remembered: {error}; name one with --state"
        ) from None


def remember_failure(state: Path, at: dt.datetime) -> None:
    """That a whole verification failed, in place of what held before it; a file that cannot be written is said."""
    from limits.errors import InputError
    from limits.terminal import note

    try:
        _write(state, {"failed_at": at.isoformat()})
    except InputError as error:
        note(f"that it does not hold is not remembered: {error}; do not believe --since-last until all of it holds")


def _write(state: Path, said: dict[str, Any]) -> None:
    with streams.target(state) as file:
        file.write(f"{json.dumps(said)}\n".encode())
