"""Child processes kept running: started together, started again when one dies, stopped together."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from limits.terminal import note

#: A child may be started again this often within the window before all are given up.
RESTARTS = 5
WINDOW_SECONDS = 60.0
#: How long children may take to finish what they are at before they are killed.
GRACE_SECONDS = 30.0
POLL_SECONDS = 0.2


@dataclass
class _Child:
    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    deaths: deque[float] = field(default_factory=deque)
    start_at: float = 0.0


class Supervisor:
    """Runs named commands until a signal, or until one of them will not stay alive."""

    def __init__(self, commands: Sequence[tuple[str, list[str]]]) -> None:
        self._children = [_Child(name, command) for name, command in commands]
        self._signal: int | None = None

    def run(self) -> int:
        """0 after SIGTERM, 130 after Ctrl-C, 1 when a child was given up."""
        with self._signals():
            try:
                for child in self._children:
                    self._start(child)
                while self._signal is None:
                    for child in self._children:
                        if not self._alive(child):
                            return 1
                    time.sleep(POLL_SECONDS)
            finally:
                self._stop_all()
        return 130 if self._signal == signal.SIGINT else 0

    def _start(self, child: _Child) -> None:
        # A session of its own: Ctrl-C at the terminal reaches this process only, which then stops the others.
        child.process = subprocess.Popen(
            child.command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 (no threads here)
        )
        note(f"{child.name} started (pid {child.process.pid})")

    def _alive(self, child: _Child) -> bool:
        """Start the child again where it died; False once it has died too often."""
        now = time.monotonic()
        if child.process is None:
            if now >= child.start_at:
                self._start(child)
            return True
        code = child.process.poll()
        if code is None:
            return True
        child.process = None
        child.deaths.append(now)
        while child.deaths and child.deaths[0] < now - WINDOW_SECONDS:
            child.deaths.popleft()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if len(child.deaths) > RESTARTS:
            note(f"{child.name} {how}, for the {len(child.deaths)}th time in a minute: stopping all; try limits doctor")
            return False
        note(f"{child.name} {how}; starting it again ({len(child.deaths)} of {RESTARTS} times a minute)")
        child.start_at = now + min(10.0, 2.0 ** (len(child.deaths) - 1) - 1)
        return True

    def _stop_all(self) -> None:
        running = [child.process for child in self._children if child.process and child.process.poll() is None]
        if running:
            note(f"stopping {len(running)} processes; Ctrl-C again does not wait for them")
        for process in running:
            process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        self._signal, before = None, self._signal
        while any(process.poll() is None for process in running):
            if time.monotonic() > deadline or self._signal is not None:
                for process in running:
                    process.kill()
                break
            time.sleep(POLL_SECONDS / 4)
        for process in running:
            process.wait()
        self._signal = before

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def remember(number: int, _: object) -> None:
            self._signal = number

        previous = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def end_with_parent() -> None:
    """In the child, on Linux: ask for SIGTERM when the parent dies, even by kill -9."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
