"""The files of whoever verifies, as they are read: public keys, checkpoints, and what was verified the last time."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from limits import checkpoint
from limits.checkpoint import PublicKey
from limits.errors import InputError, LimitsError
from limits.log_notes import Known


def read_keys(path: Path) -> list[PublicKey]:
    """The public keys that are trusted. InputError where the file is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"the public keys {path} cannot be read ({why}); name their file with --public-key") from None
    return checkpoint.read_public_keys(text)


@contextlib.contextmanager
def open_checkpoints(path: Path) -> Iterator[TextIO]:
    """The lines of a file of checkpoints. Bytes that are no text make a checkpoint that nobody signed."""
    try:
        file = path.open(encoding="utf-8", errors="backslashreplace", newline="\n")
    except OSError as error:
        raise InputError(
            f"the checkpoints {path} cannot be read ({error.strerror or error}); name their file with --checkpoints"
        ) from None
    with file:
        yield file


def known(state: Path) -> Known | None:
    """What was verified the last time; None where nothing was. LimitsError where the last whole verification failed."""
    try:
        said = json.loads(state.read_text(encoding="utf-8"))
        failed_at = dt.datetime.fromisoformat(said["failed_at"]) if "failed_at" in said else None
        found = Known(int(said["checkpoint"]), bytes.fromhex(said["digest"])) if failed_at is None else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{state} does not say what was verified the last time; verify all without --since-last"
        ) from None
    if failed_at is not None:
        raise LimitsError(
            f"the whole verification of {failed_at:%Y-%m-%d %H:%M:%S} UTC did not hold, so that nothing was verified "
            "before: run limits log verify without --since-last until all of it holds"
        )
    return found
