"""The pool of a worker whose broker has no event loop: its locks end with the process that holds them."""

from __future__ import annotations

import fcntl
import tempfile
from typing import Any

from billiard.pool import Pool
from celery.concurrency import prefork


class _Lock:
    """A lock between processes, taken once at a time in each.

    The kernel gives it up for whoever dies. The pool's own are semaphores: a child that is killed while it waits for
    work holds one, and no other child would ever get work again.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (for as long as the pool lives)

    def acquire(self, *_: Any) -> bool:
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class _Pool(Pool):
    def _setup_queues(self) -> None:
        super()._setup_queues()
        self._inqueue._rlock = _Lock()
        self._outqueue._wlock = _Lock()


class TaskPool(prefork.TaskPool):
    """Celery's pool of forked processes."""

    BlockingPool = _Pool
