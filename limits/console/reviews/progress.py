"""How far a review is: what `limits review status` says, for the API and for the page that renews itself."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, Field

from limits.console.reviews.detail import Budget, GateEvent
from limits.engine.standing import Wait, left_words, look_dict, phase_words, waits
from limits.store import status
from limits.store.db import Connection
from limits.store.status import Look


class Pace(BaseModel):
    """What a stage did. Rates in users a second; null before there is one."""

    users: int
    users_per_second: float | None = Field(description="Lately.")
    users_per_second_mean: float | None = Field(description="Over the whole stage.")


class Decided(BaseModel):
    """What was decided, of those who were."""

    raised: int
    lowered: int
    waiting: int = Field(description="Of these: offered or announced.")


class Stale(BaseModel):
    """Users whose decision was overtaken."""

    waiting: int
    decided_meanwhile: int


class Shards(BaseModel):
    """Shards of one stage by what they are."""

    pending: int
    leased: int
    done: int


class AllShards(BaseModel):
    """Shards of a review. A shard that is decided counts as done in ``decide``."""

    all: int
    released: int
    decide: Shards
    apply: Shards


class Leases(BaseModel):
    """Leases that ran out, and those taken beside the two that a shard needs."""

    ran_out: int
    extra: int


class Exposure(BaseModel):
    """Sums of limits in minor units, of those decided and of those applied."""

    decided_before_minor: int
    decided_after_minor: int
    decided_wished_minor: int = Field(description="With what is offered or announced.")
    applied_before_minor: int
    applied_after_minor: int


class Holds(BaseModel):
    """The shard that a worker has."""

    shard: int
    stage: str | None
    users: int | None
    applied: int
    leased_at: dt.datetime | None
    leased_until: dt.datetime
    ran_out: bool


class Worker(BaseModel):
    """A process of a worker, and what it did of the review."""

    worker: str
    alive: bool
    heartbeat_at: dt.datetime | None
    heartbeat_age_seconds: float | None
    holds: Holds | None
    decided: int
    decided_per_second: float
    applied: int
    applied_per_second: float
    shards_done: int
    leases_ran_out: int


class SwitchState(BaseModel):
    """The kill switch as it is."""

    engaged: bool
    actor: str | None
    reason: str


class WaitAnswer(BaseModel):
    """One thing that keeps the review from going on."""

    what: str = Field(description="held, error, failed, review, switch, workers or trouble")
    words: str
    to_do: str
    commands: list[str] = Field(description="Commands by which it is mended; this API has the same.")

    @classmethod
    def of(cls, wait: Wait) -> WaitAnswer:
        """From the words of the engine."""
        return cls(what=wait.what, words=wait.words, to_do=wait.to_do, commands=list(wait.commands))


class ReviewProgress(BaseModel):
    """How a review stands at one instant."""

    review_id: int
    kind: str
    schedule: str | None
    as_of: dt.date
    state: str
    phase: str = Field(description="owed, decide, gate, apply or over")
    in_words: str
    stage: str
    seen_at: dt.datetime
    error: str | None
    shard_error: str | None
    waits_for: int | None = Field(description="An earlier review of the same schedule that is not over.")
    waits: list[WaitAnswer]
    rests: bool = Field(description="Nothing more happens before a person does something, or ever.")
    held: GateEvent | None
    kill_switch: SwitchState
    users: int | None
    decided_counts: Decided
    decided: Pace
    applied: Pace
    raised: int
    unchanged: int
    lowered: int
    quarantined: int
    skipped: int
    stale: Stale
    seconds_left: float | None
    time_left: str
    shards: AllShards
    leases: Leases
    exposure: Exposure
    budget: Budget | None
    workers: list[Worker]

    @classmethod
    def of(cls, look: Look) -> ReviewProgress:
        """From a look of the store."""
        return cls(
            **look_dict(look), in_words=phase_words(look), rests=look.rests, time_left=left_words(look),
            waits=[WaitAnswer.of(wait) for wait in waits(look)],
        )  # fmt: skip

    @property
    def aside(self) -> int:
        """Users without a decision."""
        return self.quarantined + self.skipped

    @property
    def mark(self) -> str:
        """What a page shows of it beside its numbers: where this changes, the page is loaded anew."""
        return f"{self.state}-{self.stage}-{self.shards.released}"


def of_review(conn: Connection, review_id: int) -> ReviewProgress:
    """How a review stands now; NotFound names it. Reads its shards and batches, never its entries."""
    return ReviewProgress.of(status.look(conn, review_id))
