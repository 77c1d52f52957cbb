"""Worker processes for one command: those that are there, or else some of its own until it is done."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING

from limits.cli.supervise import GRACE_SECONDS, end_with_parent
from limits.errors import BrokerError, LimitsError

if TYPE_CHECKING:
    from celery import Celery

    from limits.settings import Settings
    from limits.store.db import Database
    from limits.store.reviews import Progress

#: How often wake-ups are sent again while a review is watched, in seconds.
SWEEP_SECONDS = 5.0


def environment(settings: Settings) -> dict[str, str]:
    """The environment in which a process of ours has the same settings as this one."""
    values = {f"LIMITS_{name.upper()}": value for name, value in settings.model_dump(mode="json").items()}
    kept = {name: value for name, value in os.environ.items() if name not in values}
    return kept | {name: str(value) for name, value in values.items() if value is not None}


def command(*arguments: str) -> list[str]:
    """The command line of a process of ours."""
    return [sys.executable, "-m", "limits", *arguments]


@contextlib.contextmanager
def workers_at_hand(database: Database, settings: Settings) -> Iterator[Callable[[], None]]:
    """At least one worker while it lasts; where none is there, one is started and stopped here.

    Gives a function that raises LimitsError when the one started here has ended.
    """
    from limits.store import workers

    with database.connect("operations", "limits review") as conn:
        alive = workers.list_workers(conn, "worker", max_age=workers.ALIVE_SECONDS)
    if alive:
        yield lambda: None
        return
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command("worker"),
            env=environment(settings) | {"LIMITS_LOG_LEVEL": "warning"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C at the terminal reaches this process only
            preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 (no threads here)
        )

        def check() -> None:
            if process.poll() is not None:
                raise LimitsError(f"the worker ended: {_last_line(output)}; see what is wrong: limits doctor")

        try:
            yield check
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(output: IO[bytes]) -> str:
    output.seek(0)
    lines = output.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def see_through(
    database: Database,
    settings: Settings,
    review_id: int,
    *,
    bar: Callable[[int, int], None] = lambda done, total: None,
    check: Callable[[], None] = lambda: None,
) -> Progress:
    """Wakes workers for a review and watches until it is over; ``bar`` is called with (done, total) users."""
    from limits import engine
    from tasks.app import make_app

    app = make_app(settings, database, role="operations")
    swept = float("-inf")
    seen: Progress | None = None
    for seen in engine.watch(database, review_id):
        check()
        if seen.users_total is not None:
            bar(seen.users_done, seen.users_total)
        if not seen.is_final and time.monotonic() - swept > SWEEP_SECONDS:
            swept = time.monotonic()
            _sweep(database, app)
    assert seen is not None, "watching gives at least one look"
    return seen


def _sweep(database: Database, app: Celery) -> None:
    from limits.store import workers
    from limits.terminal import note
    from tasks.sweep import sweep

    try:
        with database.connect("operations", "limits review") as conn:
            sweep(conn, app, most=4)
    except BrokerError as error:
        with database.connect("operations", "limits review") as conn:
            if not workers.list_workers(conn, "scheduler", max_age=workers.ALIVE_SECONDS):
                raise
        note(f"{error}; the scheduler works on the review itself meanwhile")
