"""Where results go: standard output that says so when it cannot be written, and files that are whole or not there."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from limits.errors import InputError, OutputLost

#: Of standard output that was closed before the program began.
CLOSED = "standard output is closed; open it, or send it to /dev/null"

_WORDS = {
    errno.EPIPE: "whoever read standard output left before the end; the rest was not written",
    errno.EBADF: CLOSED,
}


class Told(io.RawIOBase):
    """Standard output whose first failure is an OutputLost, in words; what comes after it is let go."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw  # None: closed from the beginning
        #: What went wrong, once something did.
        self.lost: OutputLost | None = None

    def write(self, data: Any) -> int | None:
        """Hands the bytes on."""
        if self.lost is not None:
            return len(data)
        try:
            if self._raw is None:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            written: int | None = self._raw.write(data)
        except OSError as error:
            words = _WORDS.get(error.errno or 0, f"standard output cannot be written: {error.strerror or error}")
            self.lost = OutputLost(words)
            raise self.lost from error
        return written

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._raw is not None and bool(self._raw.isatty())

    def fileno(self) -> int:
        """The number of the file."""
        if self._raw is None:
            raise io.UnsupportedOperation("standard output is closed")
        number: int = self._raw.fileno()
        return number


def guard() -> Told:
    """Puts streams in place that say what goes wrong, and gives the standard output: call once, before any is used."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # Else the next file or socket that is opened gets the number, and with it what is meant for the stream.
            _hold(number)
    if sys.stderr is None:  # else what is printed there would go to standard output
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (for as long as the program runs)
    before: Any = sys.stdout
    told = Told(before and getattr(before.buffer, "raw", before.buffer))  # unbuffered: there is the file alone
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(told),
        encoding=getattr(before, "encoding", "utf-8"),
        errors="backslashreplace",
        line_buffering=getattr(before, "line_buffering", False) or getattr(before, "write_through", False),
    )
    with contextlib.suppress(AttributeError):
        sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    return told


def _hold(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


@contextlib.contextmanager
def target(output: Path | None) -> Iterator[BinaryIO]:
    """The file to write: complete under its name or not there at all, except for pipes and devices."""
    if output is None:
        yield sys.stdout.buffer
        return
    try:
        if output.exists() and not stat.S_ISREG(output.stat().st_mode):
            with output.open("wb") as file:
                yield file
            return
        whole = Path(os.path.realpath(output))  # a link stays one
        part = whole.with_name(f".{whole.name}.{os.getpid()}.part")
        try:
            with part.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(whole)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror or error}") from error
