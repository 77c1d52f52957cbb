"""Asking for a review of a date, and watching how far it is. What the clock asks for is said by ``owing``."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator

import structlog

from limits.engine.scoring import model_on
from limits.errors import NotFound, ReviewRefused
from limits.policy import Policy, policy_at
from limits.settings import Settings
from limits.store import approvals, archives, gates, policies, reviews, schedules
from limits.store.db import TROUBLE, Connection, Database
from limits.store.reviews import Progress, ReviewRow

log = structlog.get_logger()

#: The schedule of reviews that nobody scheduled.
MANUAL = "manual"

#: How often a review that is watched is looked at, in seconds.
WATCH_SECONDS = 0.25

#: How often in a row a lost connection is made anew before watching is given up.
WATCH_PATIENCE = 5


def today() -> dt.date:
    """The business date now: a UTC date."""
    return dt.datetime.now(dt.UTC).date()


def policy_for(name: str, as_of: dt.date) -> Policy:
    """The policy of a pack (by name, file or folder) that is in force on a date."""
    return policy_at(policies.read_pack(name), as_of)


def refuse_future(as_of: dt.date) -> None:
    """Raises ReviewRefused for a date that has not come: what it would see is not known yet."""
    if as_of > today():
        raise ReviewRefused(f"{as_of} lies in the future; a review is as of {today()} (UTC) at the latest")


def request_review(
    database: Database,
    settings: Settings,
    *,
    as_of: dt.date,
    actor: str,
    schedule: str = MANUAL,
    policy: str | None = None,
) -> ReviewRow:
    """The review of a schedule as of a date; ``created`` says whether this call made it.

    By the schedule's policy where none is named, or by that of the settings where no schedule has that name.
    Asked for again it is the one that is there, whatever policy is named now. One that
    failed is tried again. ReviewRefused for a date in the future, or one before a date that
    the schedule has been reviewed for: limits do not go back in time; InArchive for one whose
    log is archived. PolicyNotApproved for a policy that is not approved to decide, PolicyError for
    one that speaks of other bands than the risk model in force.
    """
    refuse_future(as_of)
    with database.connect("operations", "limits review") as conn:
        there = reviews.of_date(conn, schedule, as_of)
        if there is not None and there.state == "failed":
            approvals.require(conn, there.policy_hash)  # it goes on by the policy it began with
            gates.resume(conn, there.review_id, actor=actor, reason="asked for again")
            return reviews.get(conn, there.review_id)
        if there is not None:
            return there
        archives.require_here(conn, as_of)
        later = reviews.later(conn, schedule, as_of)
        if later is not None:
            raise ReviewRefused(
                f"schedule {schedule} has a review as of {later.business_date} already (number {later.review_id}, "
                f"{later.state}), so it is too late for {as_of}; choose {later.business_date} or a later date"
            )
        return _owe(conn, schedule, as_of, policy_for(policy or usual_policy(conn, settings, schedule), as_of), actor)


def usual_policy(conn: Connection, settings: Settings, schedule: str) -> str:
    """The pack by which reviews of that name decide where nobody names one."""
    try:
        return schedules.get(conn, schedule).pack
    except NotFound:  # a name under which somebody runs reviews by hand
        return settings.policy


def reviewed(database: Database, schedule: str, as_of: dt.date) -> bool:
    """Whether a schedule's review as of a date is done."""
    with database.connect("operations", "limits review") as conn:
        row = reviews.of_date(conn, schedule, as_of)
        return row is not None and row.state == "done"


def _owe(conn: Connection, schedule: str, as_of: dt.date, policy: Policy, actor: str) -> ReviewRow:
    approvals.require_policy(conn, policy)
    model_on(conn, policy, as_of)
    return owe(conn, schedule, as_of, policies.store_policy(conn, policy, actor), actor)


def owe(conn: Connection, schedule: str, as_of: dt.date, policy_hash: bytes, actor: str) -> ReviewRow:
    """The review of a schedule and date by a policy kept in the database, made unless somebody was quicker.

    PolicyNotApproved when the policy is not approved to decide.
    """
    row = reviews.owe_review(conn, schedule=schedule, business_date=as_of, policy_hash=policy_hash, actor=actor)
    if row.created:
        log.info("review owed", review_id=row.review_id, schedule=schedule, as_of=as_of.isoformat(), actor=actor)
    return row


def progress(database: Database, review_id: int) -> Progress:
    """How far a review has come."""
    with database.connect("operations", "limits review") as conn:
        return reviews.progress(conn, review_id)


def watch(database: Database, review_id: int, *, seconds: float = WATCH_SECONDS) -> Iterator[Progress]:
    """How far a review has come, again and again until it is over or held. A lost connection is made anew."""
    lost = 0
    while True:
        try:
            with database.connect("operations", "limits review") as conn:
                while True:
                    seen = reviews.progress(conn, review_id)
                    lost = 0
                    yield seen
                    if seen.is_final or seen.state == "held":
                        return
                    time.sleep(seconds)
        except TROUBLE as error:
            lost += 1
            log.warning("connection lost while watching", review_id=review_id, error=" ".join(str(error).split()))
            if lost > WATCH_PATIENCE:
                raise
            time.sleep(lost)


def finished(database: Database, review_id: int) -> ReviewRow:
    """The review with its counts and sums."""
    with database.connect("operations", "limits review") as conn:
        return reviews.get(conn, review_id)
