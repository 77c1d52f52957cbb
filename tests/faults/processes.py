"""Real worker and scheduler processes for tests, and ways to hurt them.

They are forked from a process that has the modules loaded: most of what a start costs is imports. How `limits` starts
as a program of its own is seen in tests/integration/test_cli.py, where `limits up` starts all of them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from limits.cli.working import environment
from limits.settings import Settings
from limits.store import reviews, workers
from limits.store.db import Connection
from tests.faults.forked import Forked, command

#: Until a process says that it is alive: imports take a while on a busy machine.
START_SECONDS = 60.0


class Process(Forked):
    """A command in a session of its own, so that it can be killed with its children."""

    def __init__(self, settings: Settings, *arguments: str, before: str = "", **extra: str) -> None:
        """``before``: Python code that runs in the process first, to break something there."""
        self.arguments = arguments
        super().__init__(_main, environment(settings) | extra, arguments, before)

    def children(self) -> list[int]:
        """The processes of the pool, whichever thread started them."""
        found: list[int] = []
        for thread in Path(f"/proc/{self.pid}/task").glob("*/children"):
            with contextlib.suppress(FileNotFoundError):
                found += map(int, thread.read_text().split())
        return sorted(found)

    def signal_all(self, number: int) -> None:
        """Sends a signal to the process and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """kill -9, of all of it."""
        self.signal_all(signal.SIGKILL)
        super().kill()  # one that has no session of its own yet

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM to the process alone, as a service manager that is polite does it."""
        self.send(signal.SIGTERM)
        return self.wait(seconds)


def _main(output: str, variables: dict[str, str], arguments: tuple[str, ...], before: str) -> None:
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    command(output, variables, arguments, prepare=lambda: exec(before, {}))


@contextlib.contextmanager
def started(settings: Settings, *commands: tuple[str, ...], **extra: str) -> Iterator[list[Process]]:
    """Processes that are gone at the end, whatever happens; what they said is printed for a failed test."""
    processes = [Process(settings, *command, **extra) for command in commands]
    try:
        yield processes
    finally:
        for process in processes:
            process.signal_all(signal.SIGCONT)
            process.kill()
            print(f"--- {process.arguments}\n{process.said()}")


def until(true: Callable[[], bool], seconds: float = START_SECONDS) -> float:
    """Waits until something is so; the seconds it took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, f"not so after {seconds} seconds"
        time.sleep(0.05)
    return time.monotonic() - begun


def alive(conn: Connection, processes: list[Process]) -> bool:
    """Whether all of them have a heartbeat."""
    for process in processes:
        assert process.process.is_alive(), process.said()
    seen = {row.pid for row in workers.list_workers(conn, max_age=workers.ALIVE_SECONDS)}
    return seen.issuperset(process.pid for process in processes)


def is_done(conn: Connection, review_id: int) -> bool:
    return reviews.get(conn, review_id).state == "done"


def decided(conn: Connection, review_id: int) -> int:
    return reviews.progress(conn, review_id).users_done
