"""A process shows that it is alive: a row, renewed by a thread with a connection of its own.

What is shown is that the work goes on, not that a thread of hearts does: ``moves`` says whether it does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from limits.store import workers
from limits.store.db import Connection, Role
from limits.store.workers import Kind
from tasks.app import Context

log = structlog.get_logger()


class Heart:
    """Beats every heartbeat while ``moves``; calls ``also`` with its connection every tick (seconds), where given."""

    def __init__(
        self,
        context: Context,
        kind: Kind,
        *,
        doing: str,
        also: Callable[[Connection], None] | None = None,
        moves: Callable[[], bool] = lambda: True,
    ) -> None:
        self._context = context
        self._kind: Kind = kind
        self._doing = doing
        self._also = also
        self._moves = moves
        self._stood = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(10)

    def stop(self, seconds: float) -> None:
        """The last beat takes the row away; waits for it, so long at most."""
        self._end.set()
        self._thread.join(timeout=seconds)

    def _goes_on(self) -> bool:
        moves = self._moves()
        if moves == self._stood:
            self._stood = not moves
            if self._stood:
                log.error("the work stands still; no heartbeat until it moves", kind=self._kind)
            else:
                log.info("the work moves again", kind=self._kind)
        return moves

    def _run(self) -> None:
        settings = self._context.settings
        conn: Connection | None = None
        next_tick = 0.0
        pause = min(settings.heartbeat_seconds, settings.tick_seconds) if self._also else settings.heartbeat_seconds
        while True:
            try:
                if conn is None or conn.closed:
                    role: Role = "sealer" if self._kind == "sealer" else "worker"
                    conn = self._context.database.connect(role, f"limits {self._kind} heart")
                if self._goes_on():
                    workers.beat(conn, self._kind, self._doing)
                if self._also is not None and time.monotonic() >= next_tick and not self._end.is_set():
                    next_tick = time.monotonic() + settings.tick_seconds
                    self._also(conn)
                if self._end.is_set():
                    workers.leave(conn, self._kind)
            except Exception as error:  # noqa: BLE001  whatever it is, the next beat tries again
                log.warning("heartbeat failed", error=" ".join(str(error).split()))
                if conn is not None:
                    conn.close()
                conn = None
            if self._end.is_set():
                break
            self._end.wait(pause)
        if conn is not None:
            conn.close()
