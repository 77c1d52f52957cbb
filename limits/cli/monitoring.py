"""What limits doctor says to a login that may see counts and states only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from limits.cli.doctor import LONG_SECONDS, Finding

if TYPE_CHECKING:
    from limits.store.db import Connection

_MORE = "limits doctor on a login of limits_worker says why"


def findings(conn: Connection) -> Iterator[Finding]:
    """Every check that can be made without seeing a user."""
    from limits.store import metrics

    seen = metrics.processes(conn)
    for kind in ("worker", "scheduler"):
        alive = seen[kind].alive if kind in seen else 0
        if alive:
            yield Finding(f"{kind}s", "ok", f"{alive} alive")
        else:
            yield Finding(f"{kind}s", "warn", f"no {kind} is alive", f"limits {kind}, or limits up for all")
    counted = metrics.schedules(conn)
    if counted.running:
        yield Finding("schedules", "ok", f"{counted.running} on, {counted.there - counted.running} paused")
    else:
        yield Finding("schedules", "warn", "none is on, so no review will be owed", "limits schedule add, or resume")
    if counted.passed:
        says = f"{counted.passed} business dates were passed over within the last week"
        yield Finding("dates", "warn", says, "limits schedule list, then limits schedule show of each")
    switch = metrics.switch(conn)
    if switch.engaged:
        says = f"nothing is applied: engaged on {switch.changed_at:%Y-%m-%d %H:%M:%S} UTC"
        yield Finding("kill switch", "warn", says, "limits kill-switch status says by whom and why")
    yield from _reviews(conn)
    yield _notices(conn)


def _reviews(conn: Connection) -> Iterator[Finding]:
    from limits.store import metrics

    fine = True
    for row in metrics.reviews(conn):
        troubles = []
        if row.state in ("failed", "held"):
            troubles.append(row.state)
        elif row.state in ("owed", "running") and row.age_seconds > LONG_SECONDS:
            troubles.append(f"not finished after {row.age_seconds / 3600:.1f} hours")
        if row.state == "running" and row.shards_complaining:
            troubles.append(f"{row.shards_complaining} shards complain")
        if row.state == "running" and row.shards_stuck:
            troubles.append(f"{row.shards_stuck} shards were left by their workers")
        if troubles:
            fine = False
            name = f"review {row.review_id} (schedule {row.schedule}, as of {row.business_date})"
            yield Finding("reviews", "warn", f"{name}: {', '.join(troubles)}", _MORE)
    if fine:
        yield Finding("reviews", "ok", "none is stuck, held or failed")


def _notices(conn: Connection) -> Finding:
    from limits.store import metrics

    late = metrics.waiting(conn)["notices overdue"]
    if not late.waiting:
        return Finding("notices", "ok", "none is overdue")
    mend = "set LIMITS_OUTBOX for the scheduler, or run: limits outbox deliver"
    return Finding("notices", "warn", f"{late.waiting:,} overdue", mend)
