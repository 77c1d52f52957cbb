"""What is handed to the machine outside the database: bytes to a program of the lender's, a new file to its folder."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

#: Of what a failing program says, at most so many bytes are read.
SAID_BYTES = 2000

#: Variables that may hold a password, and are for no program of the lender's.
SECRET = frozenset(
    f"LIMITS_{name}"
    for name in (
        "DATABASE_URL", "APPROVER_DATABASE_URL", "AUDITOR_DATABASE_URL", "BROKER_URL", "LOG_ANCHOR",
        "OIDC_CLIENT_SECRET", "WEBHOOK_SECRET",
    )
)  # fmt: skip


def refused(arguments: Sequence[str], given: bytes, *, seconds: float) -> str | None:
    """Starts a program with ``given`` on its standard input; None where it left with 0, else why it was not taken.

    A program that takes longer is killed with all that it started.
    """
    with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as said:
        file.write(given)
        file.seek(0)
        try:
            process = subprocess.Popen(
                list(arguments),
                stdin=file,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env={name: value for name, value in os.environ.items() if name not in SECRET},
                start_new_session=True,
            )
        except OSError as error:
            return f"{arguments[0]} cannot be started: {error.strerror or error}"
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"{arguments[0]} took longer than {seconds:g} s"
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return f"{arguments[0]} left with {code}{_last_words(said)}" if code else None


def _last_words(said: IO[bytes]) -> str:
    """The last line of what a program said."""
    size = said.seek(0, os.SEEK_END)
    said.seek(max(size - SAID_BYTES, 0))
    lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    return f": {lines[-1][:200]}" if lines else ""


def sync_folder(folder: Path) -> None:
    """A new file is only there after a power cut when its folder is on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
