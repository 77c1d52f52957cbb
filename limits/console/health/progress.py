"""Whether what should move moves: reviews under way, the clock, the seals, the messages; not whether processes run.

Counts that stand still are known by having been seen before: this process remembers since when it has seen them so.
Two looks that find the same prove that nothing moved between them, however far apart they are.
"""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any, Literal

from pydantic import BaseModel, Field

from limits.settings import Settings
from limits.store.metrics import Everything, ReviewState

#: Minutes after which what is under way and has not moved is told as standing still.
STILL = dt.timedelta(minutes=10)
#: Seconds after which a batch should be sealed and a message delivered, where somebody does so.
LATE_SECONDS = 300.0

State = Literal["ok", "off", "stalled"]


class Check(BaseModel):
    """One thing that should move."""

    name: str
    state: State = Field(description="ok, off (nothing has to move here) or stalled")
    says: str = Field(description="In words; counts alone, nobody's name.")
    since: dt.datetime | None = Field(description="Since when it stands still, where that is known.")


class Health(BaseModel):
    """Whether everything moves."""

    state: Literal["ok", "stalled"]
    checks: list[Check]


class Progress:
    """Remembers what was seen, so that it can say what has not moved since."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Any, dt.datetime]] = {}
        self._lock = threading.Lock()

    def look(self, found: Everything, settings: Settings, now: dt.datetime) -> Health:
        """What stands still, of what was found at a time."""
        checks = [
            Check(name="database", state="ok", says="answers", since=None),
            self._reviews(found, now),
            _clock(found, now),
            _sealing(found, settings, now),
            self._messages(found, settings, now),
        ]
        return Health(state="stalled" if any(one.state == "stalled" for one in checks) else "ok", checks=checks)

    def _since(self, name: str, what: Any, now: dt.datetime) -> dt.datetime:
        """Since when ``what`` has been so; now where it was different before."""
        with self._lock:
            before = self._seen.get(name)
            since = before[1] if before is not None and before[0] == what else now
            self._seen[name] = (what, since)
        return since

    def _reviews(self, found: Everything, now: dt.datetime) -> Check:
        under_way = _under_way(found.reviews)
        # Attempts and leases are left out: a shard that is tried again and again does not move.
        counts = [(row.review_id, row.state, row.stage, row.shards, row.shards_decided, row.shards_done)
                  for row in under_way]  # fmt: skip
        before = [found.waiting[what].waiting for what in ("months to refresh", "users to pack")]
        since = self._since("reviews", (counts, before), now)
        if found.switch.engaged:
            says = f"the kill switch is engaged since {found.switch.changed_at:%Y-%m-%d %H:%M} UTC: nothing is applied"
            return Check(name="reviews", state="off", says=says, since=None)
        if not under_way:
            return Check(name="reviews", state="ok", says="none is under way", since=None)
        done, shards = sum(row.shards_done for row in under_way), sum(row.shards for row in under_way)
        says = f"{_many(len(under_way), 'review')} under way, {done:,} of {_many(shards, 'shard')} done"
        return _still("reviews", says, since, now)

    def _messages(self, found: Everything, settings: Settings, now: dt.datetime) -> Check:
        kinds = [found.waiting[what] for what in ("messages", "notices")]
        waiting = sum(one.waiting for one in kinds)
        oldest = max((one.seconds or 0.0 for one in kinds), default=0.0)
        since = self._since("messages", [(one.waiting, one.oldest_at) for one in kinds], now)
        says = f"{_many(waiting, 'message')} to users wait" if waiting != 1 else "1 message to users waits"
        if settings.outbox is None:
            return Check(name="messages", state="off", says=f"{says}; LIMITS_OUTBOX is not set here", since=None)
        if not waiting or oldest < LATE_SECONDS:
            return Check(name="messages", state="ok", says=says, since=None)
        return _still("messages", f"{says}, the oldest for {_long(oldest)}", since, now)


def _under_way(reviews: list[ReviewState]) -> list[ReviewState]:
    """Those that run, and those that are owed and wait for no earlier one of their schedule."""
    found, busy = [], set()
    for row in sorted(reviews, key=lambda one: one.business_date):
        if row.state == "running" or (row.state == "owed" and row.schedule not in busy):
            found.append(row)
        if row.state in ("owed", "running", "held"):
            busy.add(row.schedule)
    return found


def _clock(found: Everything, now: dt.datetime) -> Check:
    if not found.schedules.running:
        return Check(name="clock", state="off", says="no schedule is on", since=None)
    clocks = found.processes.get("scheduler")
    if clocks is not None and clocks.alive:
        return Check(name="clock", state="ok", says=f"{_many(clocks.alive, 'scheduler')} ticking", since=None)
    since = None if clocks is None else now - dt.timedelta(seconds=clocks.age_seconds)
    says = f"{_many(found.schedules.running, 'schedule')} on, and no scheduler ticks"
    return Check(name="clock", state="stalled", says=says, since=since)


def _sealing(found: Everything, settings: Settings, now: dt.datetime) -> Check:
    batches, newest = found.waiting["batches to seal"], found.checkpoint
    if newest is None and "sealer" not in found.processes:
        return Check(name="sealing", state="off", says="nothing was ever sealed and no sealer runs", since=None)
    age = batches.seconds or 0.0
    if batches.waiting and age > LATE_SECONDS:
        says = f"{_many(batches.waiting, 'batch', 'batches')} not sealed, the oldest for {_long(age)}"
        return Check(name="sealing", state="stalled", says=says, since=now - dt.timedelta(seconds=age))
    # A sealer that is there signs from time to time also where nothing is new. Without one nothing new was left over.
    promised = settings.checkpoint_seconds
    if newest is not None and "sealer" in found.processes and promised and newest.age_seconds > promised + LATE_SECONDS:
        says = f"the newest checkpoint is {_long(newest.age_seconds)} old; one is promised every {_long(promised)}"
        return Check(name="sealing", state="stalled", says=says, since=newest.made_at)
    says = f"{_many(batches.waiting, 'batch', 'batches')} to seal"
    return Check(name="sealing", state="ok", says=says, since=None)


def _still(name: str, says: str, since: dt.datetime, now: dt.datetime) -> Check:
    if now - since < STILL:
        return Check(name=name, state="ok", says=says, since=None)
    return Check(
        name=name,
        state="stalled",
        says=f"{says}; nothing has moved for {_long((now - since).total_seconds())}",
        since=since,
    )


def _many(number: int, one: str, more: str = "") -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {more or one + 's'}"


def _long(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )
