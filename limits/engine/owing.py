"""What the schedules owe at an instant: reviews of the dates that have come, and a record of those passed over.

The truth is in the database: a date is settled once it has a review or stands among the passed
dates. The unique key of a review's row decides between clocks that race; a lock, which one at a time has,
keeps them from reviewing a date that another one passes over at the same time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import shlex
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from limits.calendars import CALENDARS, EARLIEST, Timetable, due_between, is_business_date
from limits.engine.asking import owe, refuse_future, request_review
from limits.engine.scoring import model_on
from limits.errors import (
    DatabaseError,
    LimitsError,
    PolicyError,
    PolicyNotApproved,
    ReviewRefused,
    RiskModelError,
    SettingsError,
)
from limits.policy import Policy, policy_at
from limits.settings import Settings
from limits.store import approvals, policies, reviews, schedules
from limits.store.db import Connection, Database
from limits.store.reviews import ReviewRow
from limits.store.schedules import Schedule

log = structlog.get_logger()

#: How many reviews of one schedule are owed at once: after two years without a clock the next ticks go on.
MOST = 31


@dataclass(frozen=True)
class Owed:
    """What one look at a schedule came to.

    ``reviews`` were made by it, oldest first; ``passed`` were recorded as passed over; ``left``
    dates wait for the next look, because of ``refused`` where that says why.
    """

    reviews: tuple[ReviewRow, ...] = ()
    passed: tuple[dt.date, ...] = ()
    left: int = 0
    refused: LimitsError | None = None


def timetable(schedule: Schedule) -> Timetable:
    """When a schedule owes reviews. SettingsError for a time zone that is not there."""
    try:
        zone = zoneinfo.ZoneInfo(schedule.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(f"schedule {schedule.schedule}: there is no time zone {schedule.time_zone!r}") from error
    return Timetable(
        run_at=schedule.run_at,
        zone=zone,
        starts_on=max(schedule.starts_on, EARLIEST),
        calendar=schedule.calendar,
        holidays=frozenset(schedule.holidays),
    )


def missed(
    conn: Connection, schedule: Schedule, *, now: dt.datetime, since: dt.datetime | None = None
) -> list[dt.date]:
    """The dates of a schedule that have come and are not settled, oldest first, paused or not.

    ``since``: an instant by which all that was due is known to be settled.
    """
    dates = [due.business_date for due in due_between(timetable(schedule), since, now)]
    return schedules.unsettled(conn, schedule.schedule, dates)


def owe_due(
    conn: Connection,
    schedule: Schedule,
    *,
    now: dt.datetime,
    actor: str,
    since: dt.datetime | None = None,
    most: int = MOST,
) -> Owed:
    """Settles the dates of a schedule that have come: reviews are owed, or dates recorded as passed over.

    Oldest first and by the schedule's ``catch_up``; nothing of a paused schedule. Callers may race.
    """
    if schedule.paused or not missed(conn, schedule, now=now, since=since):
        return Owed()
    with conn.transaction():
        schedules.lock(conn)
        dates = missed(conn, schedule, now=now, since=since)  # somebody else may have been quicker
        owed = _settle(conn, schedule, dates, actor=actor, most=most) if dates else Owed()
    if owed.passed:
        log.warning(
            "dates passed over; see limits schedule show", schedule=schedule.schedule, dates=len(owed.passed),
            first=owed.passed[0].isoformat(), last=owed.passed[-1].isoformat(),
        )  # fmt: skip
    return owed


class Owing:
    """The clock's look at all schedules; remembers by when all was settled, so that a look costs next to nothing."""

    def __init__(self) -> None:
        self._settled: dict[str, tuple[Timetable, dt.datetime]] = {}

    def look(self, conn: Connection, *, now: dt.datetime, actor: str) -> list[Owed]:
        """Settles what is due at an instant; what one schedule stumbles over does not stop the others."""
        made = []
        for schedule in schedules.list_schedules(conn):
            try:
                owed = self._look_at(conn, schedule, now=now, actor=actor)
            except DatabaseError:
                raise
            except LimitsError as error:  # a time zone or policy that cannot be used
                owed = Owed(refused=error)
            if owed.refused is not None:
                log.error("no review owed", schedule=schedule.schedule, waiting=owed.left, error=str(owed.refused))
            made.append(owed)
        return made

    def _look_at(self, conn: Connection, schedule: Schedule, *, now: dt.datetime, actor: str) -> Owed:
        table = timetable(schedule)
        known, since = self._settled.get(schedule.schedule, (None, None))
        if known != table:  # its calendar was changed: look at everything again
            since = None
        owed = owe_due(conn, schedule, now=now, actor=actor, since=since)
        if not schedule.paused and not owed.left and (since is None or now > since):
            self._settled[schedule.schedule] = (table, now)
        return owed


def run_schedule(
    database: Database, settings: Settings, name: str, *, as_of: dt.date | None, now: dt.datetime, actor: str
) -> ReviewRow:
    """The review of a schedule for a date, by default today's; ``created`` says whether this call made it.

    Also before its time, and of a paused schedule. Dates missed before it are settled first, by
    the schedule's ``catch_up``. Asked for again it is the one that is there; one that failed is
    tried again. ReviewRefused for a date that is not the schedule's, lies in the future, or comes
    too late; NotFound for the schedule.
    """
    with database.connect("operations", "limits schedule run") as conn:
        schedule = schedules.get(conn, name)
        table = timetable(schedule)
        date = as_of or min(now.astimezone(table.zone).date(), now.astimezone(dt.UTC).date())
        refuse_future(date)
        if not is_business_date(table, date):
            why = "a holiday" if date in table.holidays else f"not of its calendar ({CALENDARS[table.calendar]})"
            raise ReviewRefused(
                f"schedule {name} owes no review as of {date}, which is {why}; name another date with --as-of, or run "
                f"one all the same: limits review run --schedule {shlex.quote(name)} --as-of {date} "
                f"--policy {shlex.quote(schedule.pack)}"
            )
        before = {row.review_id for row in (reviews.of_date(conn, name, date),) if row is not None}
        if not before and reviews.later(conn, name, date) is None:
            _settle_through(conn, schedule, date, now=now, actor=actor)
    row = request_review(database, settings, as_of=date, actor=actor, schedule=name, policy=schedule.pack)
    return dataclasses.replace(row, created=row.review_id not in before)


def _settle_through(conn: Connection, schedule: Schedule, date: dt.date, *, now: dt.datetime, actor: str) -> None:
    """Settles what was missed before a date, and owes the date itself."""
    with conn.transaction():
        schedules.lock(conn)
        earlier = [one for one in missed(conn, schedule, now=now) if one < date]
        owed = _settle(conn, schedule, [*earlier, date], actor=actor, most=len(earlier) + 1)
        if owed.refused is not None:
            raise owed.refused


def _settle(conn: Connection, schedule: Schedule, dates: Sequence[dt.date], *, actor: str, most: int) -> Owed:
    """Settles dates, oldest first and at least one, inside the transaction that holds the lock of schedules."""

    def pass_over(passed: Sequence[dt.date], reason: schedules.Reason, detail: str) -> None:
        schedules.pass_over(conn, schedule.schedule, passed, reason=reason, detail=detail, actor=actor)

    later = reviews.later(conn, schedule.schedule, dates[0])
    behind = [date for date in dates if later is not None and date < later.business_date]
    if later is not None:
        # Limits do not go back in time: its users would be left out one by one.
        detail = f"review {later.review_id} as of {later.business_date} had begun"
        pass_over(behind, "later_review", detail)
    ahead = dates[len(behind) :]
    if not ahead:
        return Owed(passed=tuple(behind))
    usable, refused = _policies(conn, schedule, ahead)
    if schedule.catch_up == "latest":
        newest = ahead[-1]
        if newest not in usable:
            return Owed(passed=tuple(behind), left=len(ahead), refused=refused[newest])
        pass_over(ahead[:-1], "latest", f"of the dates missed only {newest} is reviewed")
        row = owe(conn, schedule.schedule, newest, usable[newest], actor)
        return Owed((row,) if row.created else (), (*behind, *ahead[:-1]))
    owed = sorted(usable)[:most]
    # A date without a usable policy waits for one, but does not keep up those after it that have one.
    without = [date for date in ahead if date in refused and owed and date < owed[-1]]
    for date in without:
        pass_over([date], "no_policy", str(refused[date]))
    rows = [owe(conn, schedule.schedule, date, usable[date], actor) for date in owed]
    left = len(ahead) - len(owed) - len(without)
    stuck = refused[ahead[-1]] if left and len(owed) == len(usable) else None
    return Owed(tuple(row for row in rows if row.created), (*behind, *without), left, stuck)


def _policies(
    conn: Connection, schedule: Schedule, dates: Sequence[dt.date]
) -> tuple[dict[dt.date, bytes], dict[dt.date, LimitsError]]:
    """The hash of the policy in force on each date that may decide, and for the other dates why there is none."""
    pack = policies.read_pack(schedule.pack)
    verdicts: dict[bytes, LimitsError | None] = {}
    usable: dict[dt.date, bytes] = {}
    refused: dict[dt.date, LimitsError] = {}
    for date in dates:
        try:
            policy = policy_at(pack, date)
        except PolicyError as error:
            refused[date] = error
            continue
        if policy.policy_hash not in verdicts:
            verdicts[policy.policy_hash] = _verdict(conn, policy)  # an approved one is kept there
        verdict = verdicts[policy.policy_hash]
        if verdict is None:
            verdict = _unfit(conn, policy, date)
        if verdict is None:
            usable[date] = policy.policy_hash
        else:
            refused[date] = verdict
    return usable, refused


def _unfit(conn: Connection, policy: Policy, date: dt.date) -> PolicyError | RiskModelError | None:
    """Why the risk model in force on a date does not go with the policy."""
    try:
        model_on(conn, policy, date)
    except (PolicyError, RiskModelError) as error:
        return error
    return None


def _verdict(conn: Connection, policy: Policy) -> PolicyNotApproved | None:
    try:
        approvals.require_policy(conn, policy)
    except PolicyNotApproved as error:
        return error
    return None
