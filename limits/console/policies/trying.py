"""What a policy would do, tried within a request: so many users at most, and not many requests at a time."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator
from typing import Annotated, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field

from limits import capacity
from limits.console.context import Context
from limits.console.policies.answers import FIRST, LAST, Named, PolicyName, resolve
from limits.console.problems import Problem
from limits.engine import asking
from limits.engine.simulating import Simulation, simulate

log = structlog.get_logger()

#: Users to decide in one request, each counted once for each date.
MOST_DECISIONS = 100_000
#: Past reviews beside the date itself.
MOST_REVIEWS = 24
#: Simulations at a time in one process, and how long one more waits for its turn.
AT_ONCE, WAIT_SECONDS = 1, 20.0
_turns = threading.BoundedSemaphore(AT_ONCE)


class Trial(Named):
    """A policy to be tried."""

    as_of: Annotated[dt.date, Field(ge=FIRST, le=LAST)] | None = Field(
        None, description="The business date (UTC) to decide everybody for; null: today."
    )
    last: Annotated[int, Field(ge=0, le=MOST_REVIEWS)] = Field(0, description="So many past reviews before it too.")
    champion: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="A shipped pack to compare with; null: of each review its own, else the policy in force."
    )


class ReasonCount(BaseModel):
    """How often a ceiling was the lowest of an action."""

    action: str
    binding: str
    users: int


class SideAnswer(PolicyName):
    """What one of two policies comes to."""

    raised: int
    held: int
    lowered: int
    fallback: int = Field(description="Users without a forecast.")
    exposure_after_minor: int
    breakers: list[str] = Field(description="Breakers that would trip.")
    reasons: list[ReasonCount]


class ExceptionCount(BaseModel):
    """Users who are not decided, and why."""

    outcome: str
    reason: str
    users: int


class Flip(BaseModel):
    """Users by what either policy does."""

    champion: str
    new: str
    users: int


class MovedAnswer(BaseModel):
    """A user about whom the two policies differ most."""

    user_id: int
    limit_before_minor: int
    champion_minor: int
    new_minor: int
    champion_binding: str
    new_binding: str


class DateAnswer(BaseModel):
    """One date by both policies."""

    as_of: dt.date
    review_id: int | None = Field(description="The review done again; null for a date without one.")
    users: int
    decided: int
    quarantined: int
    exceptions: list[ExceptionCount]
    exposure_before_minor: int
    champion: SideAnswer
    new: SideAnswer
    flipped: int = Field(description="Users for whom the two do not do the same.")
    differing: int = Field(description="Users who get another limit.")
    flips: list[Flip]
    movers: list[MovedAnswer]


class SimulationAnswer(BaseModel):
    """What a policy would do beside the one that decides. Nothing was changed. Dates: the newest first."""

    model_config = ConfigDict(extra="forbid")

    simulation: Literal[True]
    currency: str
    exponent: int
    new: PolicyName
    users_waiting: int = Field(description="Users with events that no review has counted yet; they are left out.")
    dates: list[DateAnswer]


def tried(context: Context, trial: Trial) -> Simulation:
    """The simulation. Problem 503 where others are under way and do not end."""
    with context.connect("operations") as conn:
        policy = resolve(conn, Named(pack=trial.pack, policy_hash=trial.policy_hash, text=trial.text))
        if trial.champion is not None:
            resolve(
                conn, Named(pack=trial.champion)
            )  # a shipped pack, and nothing that the engine would take for a path
    with _turn():
        capacity.warm(lambda: log.info("compiling the forecast, once on this machine"))
        return simulate(
            context.database("operations"), context.settings, policy, as_of=trial.as_of or asking.today(),
            last=trial.last, champion=trial.champion, most=MOST_DECISIONS,
        )  # fmt: skip


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(timeout=WAIT_SECONDS):
        raise Problem(
            503, "simulating-already", "another simulation is under way; try again in a minute",
            headers={"retry-after": "60"},
        )  # fmt: skip
    try:
        yield
    finally:
        _turns.release()
