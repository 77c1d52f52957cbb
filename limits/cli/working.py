"""Worker processes for one command: those that are there, or else some of its own until it is done."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from limits.cli.supervise import GRACE_SECONDS, end_with_parent
from limits.errors import BrokerError, KillSwitchEngaged, LimitsError
from limits.terminal import ctrl_c, note

if TYPE_CHECKING:
    from celery import Celery

    from limits.settings import Settings
    from limits.store.db import Database
    from limits.store.reviews import Progress

#: After how long somebody who waits for a worker is told why, in seconds.
PATIENCE_SECONDS = 4.0

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
def workers_at_hand(
    database: Database, settings: Settings, review_id: int | None = None
) -> Iterator[Callable[[], None]]:
    """At least one worker while it lasts; where none is there, one is started and stopped here.

    Gives a function to call now and then: it starts a worker when those that were there are
    gone, and raises LimitsError when the one started here has ended. ``review_id``: the review
    that is waited for; whoever interrupts the waiting is told what becomes of it.
    """
    own = _OwnWorker(database, settings)
    try:
        own.check()
        yield own.check
    except KeyboardInterrupt:
        if review_id is not None:
            note(own.without_us(review_id))
        raise
    finally:
        own.stop()


class _OwnWorker:
    """A worker of our own, as soon as there is no other."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed by stop)
        self._looked = float("-inf")

    def check(self) -> None:
        if self._process is not None:
            if self._process.poll() is not None:
                raise LimitsError(f"the worker ended: {self._last_line()}; see what is wrong: limits doctor")
            return
        if time.monotonic() - self._looked < SWEEP_SECONDS:
            return
        self._looked = time.monotonic()
        if not self._alive():
            self._start()

    def _alive(self) -> set[int]:
        from limits.store import workers

        with self._database.connect("operations", "limits review") as conn:
            rows = workers.list_workers(conn, "worker", max_age=workers.ALIVE_SECONDS)
        # One of this machine that was killed a moment ago is known by its number.
        return {row.pid for row in rows if row.host != socket.gethostname() or _exists(row.pid)}

    def without_us(self, review_id: int) -> str:
        """What becomes of a review that is no longer waited for here."""
        own = set() if self._process is None else {self._process.pid}
        commands = f"limits review status {review_id}; to stop it: limits review cancel {review_id} --reason '...'"
        try:
            others = self._alive() - own
        except LimitsError:  # the database is away, and with it whoever could say so
            return f"review {review_id} is no longer waited for; how it stands: {commands}"
        if others:
            return f"review {review_id} goes on in the workers; how it stands: {commands}"
        return (
            f"review {review_id} rests, as no other worker is alive, and goes on with the next one (limits worker) "
            f"from where it is; how it stands: {commands}"
        )

    def _start(self) -> None:
        self._process = subprocess.Popen(
            command("worker"),
            env=environment(self._settings) | {"LIMITS_LOG_LEVEL": "warning"},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,  # Ctrl-C at the terminal reaches this process only
            preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 (no threads here)
        )
        began = time.monotonic()
        said = False
        while self._process.pid not in self._alive():
            self.check()
            if not said and time.monotonic() - began > PATIENCE_SECONDS:
                said = True
                note("a worker is getting ready; the first time on a machine it compiles the forecast, some 15 seconds")
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._output.close()

    def _last_line(self) -> str:
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


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
    with ctrl_c() as pressed:
        for seen in engine.watch(database, review_id):
            if pressed.is_set():
                raise KeyboardInterrupt
            check()
            if seen.users_total is not None:
                bar(seen.users_done, seen.users_total)
            if not seen.is_final and time.monotonic() - swept > SWEEP_SECONDS:
                swept = time.monotonic()
                _sweep(database, app)
                _refuse_when_stopped(database, seen)
    assert seen is not None, "watching gives at least one look"
    return seen


def _refuse_when_stopped(database: Database, seen: Progress) -> None:
    """KillSwitchEngaged for a review that cannot go on before somebody turns the switch."""
    from limits.store import gates, reviews

    with database.connect("operations", "limits review") as conn:
        switch = gates.switch(conn)
        row = reviews.get(conn, seen.review_id)
    if switch.engaged and row.stage == "apply" and row.state == "running":
        raise KillSwitchEngaged(
            f"review {row.review_id} is decided and waits: the kill switch was engaged by {switch.actor} "
            f"({switch.reason}); it goes on once somebody else says: limits kill-switch off --reason '...'"
        )


def _sweep(database: Database, app: Celery) -> None:
    from limits.store import workers
    from tasks.sweep import sweep

    try:
        with database.connect("operations", "limits review") as conn:
            sweep(conn, app, most=4)
    except BrokerError as error:
        with database.connect("operations", "limits review") as conn:
            if not workers.list_workers(conn, "scheduler", max_age=workers.ALIVE_SECONDS):
                raise
        note(f"{error}; the scheduler works on the review itself meanwhile")
