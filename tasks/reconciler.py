"""Reviews that are over and were not reconciled, because the worker that ended them was gone: at every tick."""

from __future__ import annotations

import structlog

from limits import engine
from limits.errors import DatabaseError
from limits.store.db import TROUBLE, Connection
from tasks.app import Context

log = structlog.get_logger()


class Reconciler:
    """Reconciles beside the clock's ticks: that of a large review lasts. Leads or not, for racing is safe."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._conn: Connection | None = None

    def tick(self) -> None:
        """Reconciles what is owed. Trouble is for the next tick."""
        try:
            if self._conn is None or self._conn.closed:
                self._conn = self._context.database.connect("worker", "limits scheduler reconciles")
            engine.reconcile_owed(self._conn)
        except (*TROUBLE, DatabaseError) as error:
            log.warning("nothing reconciled: the database", error=" ".join(str(error).split()))
            self.close()

    def close(self) -> None:
        """Gives up the connection."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()
