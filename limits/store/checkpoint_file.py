"""The file of checkpoints outside the database: only ever added to, and always what the database has, or its beginning.

A process that is killed after its checkpoint was committed and before it stands here leaves the
file behind by one note, or by the rest of one; the next one to seal adds what is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from limits import checkpoint
from limits.errors import CheckpointError, SealBusy, SealError
from limits.store.failpoints import reach
from limits.store.outside import sync_folder

_NEW_FILE = "limits log seal --new-file"
_LONGEST_NOTE = 64 * 1024  # bytes, with all its signatures


class CheckpointFile:
    """The file, open and locked for one sealer, made where it is not there yet and may be.

    SealError where it is not there or cannot be used, SealBusy where another process has it.
    """

    def __init__(self, path: Path, *, make: bool) -> None:
        self._path = path
        self._make = make
        self._file: IO[bytes]

    def __enter__(self) -> Self:
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            try:
                descriptor = os.open(self._path, flags)
            except FileNotFoundError:
                if not self._make:
                    raise SealError(
                        f"the file of checkpoints {self._path} is gone, and the database has checkpoints: put it back, "
                        f"or, where it is lost for good or this is another machine, begin one: {_NEW_FILE}"
                    ) from None
                descriptor = os.open(self._path, flags | os.O_CREAT, 0o644)
                sync_folder(self._path.parent)
            self._file = os.fdopen(descriptor, "r+b", buffering=0)
        except OSError as error:
            raise SealError(f"the file of checkpoints {self._path} cannot be used: {error.strerror or error}") from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SealError(f"{self._path} is not a file that checkpoints can be added to")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise SealBusy(f"another sealer has the file of checkpoints {self._path} just now") from None
        except SealError:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def state(self) -> tuple[int, ...]:
        """What changes with whatever is done to the file."""
        there = os.fstat(self._file.fileno())
        return there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns

    def size(self) -> int:
        """Bytes in the file."""
        return os.fstat(self._file.fileno()).st_size

    def missing(self, notes: Iterable[str]) -> Iterator[bytes]:
        """What of the notes of the database, oldest first, does not stand in the file yet.

        SealError, once it is seen, where the file is not the beginning of them: ahead, or another one.
        """
        self._file.seek(0)
        number = 0
        with open(os.dup(self._file.fileno()), "rb") as file:
            for number, note in enumerate(notes, start=1):
                wanted = f"{note}\n".encode()
                there = file.read(len(wanted))
                if not wanted.startswith(there):
                    raise SealError(self._other(number, there + file.read(len(wanted)), note))
                if len(there) < len(wanted):
                    yield wanted[len(there) :]
            rest = file.read(4096)
        if rest:
            raise SealError(self._ahead(number, rest))

    def append(self, data: bytes) -> None:
        """Adds to the file; it is on the disk when this returns. SealError where it cannot be written."""
        try:
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) or 0 :]
                reach("seal:written")
            os.fsync(self._file.fileno())
        except OSError as error:
            raise SealError(
                f"the file of checkpoints {self._path} cannot be written: {error.strerror or error}; what is missing "
                "is added by the next try"
            ) from None

    def _other(self, number: int, there: bytes, note: str) -> str:
        """Why the file says something else than the database from a note on."""
        where = f"checkpoint {number} of the file {self._path}"
        with contextlib.suppress(CheckpointError, UnicodeDecodeError, StopIteration):
            text = next(checkpoint.split(there.decode(errors="replace").splitlines(keepends=True)))
            found, own = checkpoint.parse(text).checkpoint, checkpoint.parse(note).checkpoint
            if found.identity != own.identity:
                return (
                    f"{where} is of the log {found.identity}, and this database has the log {own.identity}: nothing is "
                    "signed; name the file of this log"
                )
        return (
            f"{where} is not the one in the database: one of them was altered, or an older state of the database was "
            "restored and went on from there; nothing is signed before somebody has found out which of them is right"
        )

    def _ahead(self, number: int, rest: bytes) -> str:
        if not rest.startswith(b"limits log "):
            return f"the file of checkpoints {self._path} ends with something that is no checkpoint: nothing is signed"
        return (
            f"the file of checkpoints {self._path} goes on behind checkpoint {number}, which is the last one in the "
            "database: an older state of the database was restored, or its newest checkpoints were removed; nothing is "
            "signed before somebody has found out what is lost"
        )


def last_note(path: Path) -> str:
    """The note at the end of a file of checkpoints, as far as there is one. OSError where it cannot be read."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LONGEST_NOTE))
        end = file.read().decode(errors="backslashreplace")
    return end[max(0, end.rfind("\nlimits log ") + 1) :].removesuffix("\n")


def disagreement(path: Path, expected_bytes: int, last_note: str | None) -> str | None:
    """At a glance, whether the file is what the database has: by its length and its end. None where it is."""
    wanted = f"{last_note}\n".encode() if last_note else b""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - len(wanted)))
            end = file.read()
    except FileNotFoundError:
        return None if last_note is None else f"the file of checkpoints {path} is gone"
    except OSError as error:
        return f"the file of checkpoints {path} cannot be read: {error.strerror or error}"
    if size > expected_bytes:
        return f"the file of checkpoints {path} goes on behind the last checkpoint of the database, or is another one"
    if size < expected_bytes:
        return f"the file of checkpoints {path} ends before the last checkpoint of the database"
    return None if end == wanted else f"the file of checkpoints {path} does not end with that of the database"


def difference(path: Path, expected_bytes: int, notes: Iterable[str]) -> str | None:
    """All that is expected of the file against the notes of the database, oldest first; None where it is the same."""
    try:
        with path.open("rb") as file:
            for number, note in enumerate(notes, start=1):
                if file.tell() >= expected_bytes:
                    break  # signed since it was asked how long the file has to be
                wanted = f"{note}\n".encode()
                if file.read(len(wanted)) != wanted:
                    return f"checkpoint {number} of the file {path} is not the one in the database"
    except OSError as error:
        return f"the file of checkpoints {path} cannot be read: {error.strerror or error}"
    return None
