"""After a review: whether everything that it changed adds up, before the next one is applied."""

from __future__ import annotations

import structlog

from limits.store import reconciling
from limits.store.db import Connection
from limits.store.reconciling import Reconciliation

log = structlog.get_logger()


def reconcile_owed(conn: Connection) -> list[Reconciliation]:
    """Reconciles the reviews that are over and not reconciled yet, and says what each came to.

    Any number of processes may call this at once: one looks at a review, and the others wait for what it finds.
    """
    done = []
    for review_id in reconciling.owed(conn):
        found = reconciling.reconcile(conn, review_id)
        assert found is not None and found.ok is not None, "it was owed a moment ago, and is never taken away"
        if found.ok:
            log.info("review reconciled", review_id=review_id)
        else:
            log.error(
                "review does not add up; the kill switch is engaged", review_id=review_id,
                mismatches=found.mismatches, first=found.detail.split("\n")[0],
            )  # fmt: skip
        done.append(found)
    return done
