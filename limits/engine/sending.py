"""Where messages to users go: a file of lines, a command that takes each one, or a URL (webhooks.py)."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from limits.errors import DeliveryFailed, InputError
from limits.store.outside import refused, sync_folder

#: How long a command may take for one message, in seconds: less than a service is given to stop.
COMMAND_SECONDS = 20.0

Message = Mapping[str, Any]


class Sender(Protocol):
    """Hands messages over. ``batch``: how many at a time, at most; ``name`` stands in the database."""

    name: str
    batch: int

    def send(self, messages: Sequence[Message]) -> None:
        """Hands all of them over for good, or raises: DeliveryFailed where none was taken.

        What ends the whole run is another error: InputError, DeliveryStopped.
        """


class ToFile:
    """Appends each message to a file as a line of JSON, on the disk before it counts as delivered."""

    batch = 500

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self.name = f"file:{self._path}"

    def send(self, messages: Sequence[Message]) -> None:
        """All lines in one write, then fsync. InputError where the file cannot be written."""
        lines = "".join(f"{_line(message)}\n" for message in messages).encode()
        with self._opened() as file:
            if _torn(file.fileno()):
                # A crash left half a line: it stays a line of its own, and its message comes again whole.
                lines = b"\n" + lines
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())

    @contextlib.contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        try:
            new = not self._path.exists()
            # What is in it is nobody else's business.
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise InputError(f"{self._path} is not a file that lines can be added to; use --command")
                yield file
            if new:
                sync_folder(self._path.parent)
        except OSError as error:
            raise InputError(f"cannot write {self._path}: {error.strerror or error}") from error


class ToCommand:
    """Starts a command for each message, which stands on its standard input; exit code 0 accepts it."""

    batch = 1

    def __init__(self, command: str, *, seconds: float = COMMAND_SECONDS) -> None:
        self._arguments = split_command(command)
        self._seconds = seconds
        program = shutil.which(self._arguments[0])
        if program is None:
            raise InputError(f"there is no program {self._arguments[0]!r} to hand messages to; write its path in full")
        # Without its arguments, which may hold what is nobody's business.
        self.name = f"command:{program}"

    def send(self, messages: Sequence[Message]) -> None:
        """DeliveryFailed with what the command said where it did not accept a message."""
        for message in messages:
            why = refused(self._arguments, f"{_line(message)}\n".encode(), seconds=self._seconds)
            if why is not None:
                raise DeliveryFailed(why)


def split_command(command: str) -> list[str]:
    """A command line as its words; no shell ever sees it. InputError where it cannot be split."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(f"the command {command!r} cannot be read: {error}; close its quotes") from None
    if not words or not words[0]:
        raise InputError("the command is empty; name a program that takes a message on its standard input")
    return words


def sender_for(target: str, *, secret: str | None = None) -> Sender:
    """What LIMITS_OUTBOX names: ``file:PATH``, ``command:COMMAND`` or a URL. ``secret``: LIMITS_WEBHOOK_SECRET."""
    kind, _, rest = target.partition(":")
    if kind in ("http", "https"):
        from limits.engine.webhooks import ToWebhook

        return ToWebhook(target, secret)
    return ToCommand(rest) if kind == "command" else ToFile(Path(rest))


def _line(message: Message) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def _torn(descriptor: int) -> bool:
    """Whether the file ends in the middle of a line."""
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
