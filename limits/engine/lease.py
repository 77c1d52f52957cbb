"""Keeping a lease alive while its shard is worked on."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import structlog

from limits.errors import LeaseLost
from limits.settings import Settings
from limits.store import reviews
from limits.store.db import Connection, Database
from limits.store.reviews import Lease

log = structlog.get_logger()


class LeaseKeeper:
    """A thread with a connection of its own that extends the lease held, every heartbeat.

    It only tells the worker early that going on is useless; what keeps a worker that was
    paused past its lease from writing is the token, checked in the database.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        self._until = 0.0  # by the monotonic clock, which goes on while the process is stopped
        self._lost = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join(timeout=self._settings.heartbeat_seconds)

    def hold(self, lease: Lease) -> None:
        """From now on this lease, taken just now, is extended."""
        with self._lock:
            self._lease, self._lost = lease, False
            self._until = time.monotonic() + self._settings.lease_seconds

    def release(self) -> None:
        """Nothing is held any more."""
        with self._lock:
            self._lease = None

    def check(self) -> None:
        """Raises LeaseLost when the lease is known to be gone, or not known to be held."""
        with self._lock:
            if self._lease is not None and (self._lost or time.monotonic() >= self._until):
                raise LeaseLost(f"the lease on shard {self._lease.shard} of review {self._lease.review_id} ran out")

    def _run(self) -> None:
        conn: Connection | None = None
        while not self._end.wait(self._settings.heartbeat_seconds):
            with self._lock:
                lease = self._lease
            if lease is None:
                continue
            asked = time.monotonic()
            try:
                if conn is None or conn.closed:
                    conn = self._database.connect("worker", "limits lease")
                held = reviews.extend(conn, lease, seconds=self._settings.lease_seconds)
            except Exception as error:  # noqa: BLE001  whatever it is, the next beat tries again
                log.warning("heartbeat failed", review_id=lease.review_id, shard=lease.shard, error=str(error))
                _close(conn)
                conn = None
                continue
            with self._lock:
                if self._lease == lease:
                    self._lost = not held
                    self._until = asked + self._settings.lease_seconds if held else self._until
        _close(conn)


def _close(conn: Connection | None) -> None:
    if conn is not None:
        conn.close()
