"""A PostgreSQL of the benchmark's own, in a folder of its own, whatever the settings of the person say."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from limits.errors import InputError
from limits.settings import Settings, make_settings
from limits.store.db import Database, open_database

POLICY = "standard"


@contextlib.contextmanager
def home(needed_bytes: int, *, keep: bool) -> Iterator[Path]:
    """A new folder, removed at the end unless it is to be kept. InputError when the disk has too little room."""
    where = Path(tempfile.gettempdir())
    free = shutil.disk_usage(where).free
    if free < needed_bytes:
        raise InputError(
            f"{where} has {free / 1e9:.1f} GB free and some {needed_bytes / 1e9:.1f} GB are needed; take fewer "
            "--users, try --lean or --packed-only, or name another folder by TMPDIR"
        )
    folder = Path(tempfile.mkdtemp(prefix="limits-bench-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)  # as root, another user runs the server and has to pass through
    try:
        yield folder
    finally:
        if not keep:
            with _held_off():
                shutil.rmtree(folder)


@contextlib.contextmanager
def database(chosen: Settings) -> Iterator[Database]:
    """The server of that folder, started here and stopped at the end, whatever signal comes meanwhile."""
    stack = contextlib.ExitStack()
    try:
        with _held_off():
            made = stack.enter_context(open_database(chosen))
        yield made
    finally:
        with _held_off():
            stack.close()


@contextlib.contextmanager
def _held_off() -> Iterator[None]:
    """Signals that end the command wait for the end of this.

    A server whose start is broken off goes on by itself and writes to a folder that is being removed; a removal that is
    broken off leaves what it had not come to.
    """
    came: list[int] = []
    before = {
        which: signal.signal(which, lambda number, _: came.append(number)) for which in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
        for number in came[:1]:
            signal.raise_signal(number)


def settings(folder: Path) -> Settings:
    """Settings for that folder: sizes of shards and chunks may be set from outside, nothing that leads elsewhere."""
    return make_settings(
        home=folder, database_url=None, broker_url=None, outbox=None, policy=POLICY, actor=None, concurrency=None,
        log_level="info",
    )  # fmt: skip
