"""Reading the adjustment log, as an auditor reads it: filters, one entry, everything in a stream.

Nothing here writes. The connection should be of the role ``auditor``, which may only read.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from limits.capacity import Method
from limits.ceilings import CEILINGS
from limits.entry import BatchRecord
from limits.errors import EntryError
from limits.reasons import TEXT, Reason
from limits.store import archives, policies
from limits.store.queries import query

#: What a decision did, by the number stored with it.
ACTIONS = {1: "raised", 0: "held", -1: "lowered"}

#: How a decision takes effect, by the number stored with it.
DISPOSITIONS = {0: "at_once", 1: "offered", 2: "announced"}

#: Rows the server hands over at a time where entries are read one by one.
FETCH_ROWS = 2000

#: What a decision came to, as LogEntry.outcome says it: the action and the disposition stored for it, None for any.
OUTCOMES: dict[str, tuple[int | None, int]] = {
    **{word: (number, 0) for number, word in ACTIONS.items()},
    **{word: (None, number) for number, word in DISPOSITIONS.items() if number},
}


@dataclass(frozen=True)
class LogFilter:
    """Which entries are wanted; None means any. An entry has all of the ``reasons``.

    The size of a change is by how much the limit changed, or would by what was offered or announced, whichever
    way: between two amounts of ``currency``, or a part of the limit before, in basis points, and no hold.
    """

    user_id: int | None = None
    review_id: int | None = None
    as_of_from: dt.date | None = None
    as_of_to: dt.date | None = None
    action: int | None = None
    disposition: int | None = None
    reasons: tuple[Reason, ...] = ()
    actor: str | None = None
    policies: tuple[bytes, ...] | None = None
    currency: str | None = None
    min_change_minor: int | None = None
    max_change_minor: int | None = None
    min_share_bps: int | None = None

    def parameters(self) -> dict[str, Any]:
        """The filter as parameters of the queries log_page and log_export."""
        return {
            "user_id": self.user_id,
            "review_id": self.review_id,
            "as_of_from": self.as_of_from,
            "as_of_to": self.as_of_to,
            "action": self.action,
            "disposition": self.disposition,
            "reason_bits": sum({1 << reason for reason in self.reasons}),
            "actor": self.actor,
            "policies": None if self.policies is None else list(self.policies),
            "currency": self.currency,
            "min_change_minor": self.min_change_minor,
            "max_change_minor": self.max_change_minor,
            "min_share_bps": self.min_share_bps,
            "changes": self.changes,
        }

    @property
    def changes(self) -> bool:
        """Whether nothing can match but what changes a limit, offers or announces: those entries have an index."""
        return bool(self.action or self.disposition or self.min_change_minor or self.min_share_bps)


@dataclass(frozen=True)
class LogEntry:
    """One decision as it was logged: the columns of the view limits.log_entries."""

    entry_id: int
    review_id: int
    shard: int
    user_id: int
    as_of: dt.date
    decided_at: dt.datetime
    currency: str
    exponent: int
    limit_before_minor: int
    limit_after_minor: int
    version_before: int
    version_after: int
    action: int
    binding: int
    reason_bits: int
    ceilings_minor: list[int | None]
    lowest_ceiling_minor: int
    floor_minor: int
    capacity_p10_minor: int
    capacity_p50_minor: int
    capacity_p90_minor: int
    capacity_method: int
    months_observed: int
    policy_hash: bytes
    input_digest: bytes
    code_version: str
    actor: str
    role: str
    session_role: str
    review_kind: str
    schedule: str | None
    review_reason: str
    pack: str
    policy_effective_on: dt.date
    disposition: int = 0
    #: What was offered or announced, and the last day to accept it or the day it takes effect.
    proposed_minor: int | None = None
    effective_on: dt.date | None = None
    #: What the scorecard said: points, and the probability of a missed payment in parts per million; None where nobody
    #: was scored, and of entries of before the log kept it.
    risk_points: int | None = None
    risk_probability_ppm: int | None = None

    @property
    def outcome(self) -> str:
        """What the decision came to: raised, held or lowered at once, or a change offered or announced."""
        return DISPOSITIONS[self.disposition] if self.disposition else ACTIONS[self.action]

    @property
    def ceilings(self) -> list[tuple[Reason, int]]:
        """Every ceiling that set a bound, lowest first; of equal ones the first in the list of rules."""
        return binding_order(self.ceilings_minor)

    @property
    def reasons(self) -> list[Reason]:
        """The reasons in the order in which they bind."""
        return [reason for reason, _ in self.ceilings if self.reason_bits >> reason & 1]

    def as_dict(self) -> dict[str, Any]:
        """The entry for a machine: plain values, amounts in minor units, codes by name."""
        return {
            "entry_id": self.entry_id,
            "review_id": self.review_id,
            "user_id": self.user_id,
            "as_of": self.as_of.isoformat(),
            "decided_at": self.decided_at.isoformat(),
            "action": ACTIONS[self.action],
            "currency": self.currency,
            "exponent": self.exponent,
            "limit_before_minor": self.limit_before_minor,
            "limit_after_minor": self.limit_after_minor,
            "disposition": DISPOSITIONS[self.disposition],
            "proposed_minor": self.proposed_minor,
            "effective_on": self.effective_on.isoformat() if self.effective_on else None,
            "binding": reason_code(Reason(self.binding)),
            "reasons": [reason_code(reason) for reason in self.reasons],
            "ceilings_minor": {reason_code(reason): value for reason, value in self.ceilings},
            "lowest_ceiling_minor": self.lowest_ceiling_minor,
            "floor_minor": self.floor_minor,
            "capacity_p10_minor": self.capacity_p10_minor,
            "capacity_p50_minor": self.capacity_p50_minor,
            "capacity_p90_minor": self.capacity_p90_minor,
            "capacity_method": Method(self.capacity_method).name.lower(),
            "months_observed": self.months_observed,
            "risk_points": self.risk_points,
            "risk_probability_ppm": self.risk_probability_ppm,
            "version_before": self.version_before,
            "version_after": self.version_after,
            "policy_pack": self.pack,
            "policy_effective_on": self.policy_effective_on.isoformat(),
            "policy_hash": self.policy_hash.hex(),
            "input_digest": self.input_digest.hex(),
            "code_version": self.code_version,
            "actor": self.actor,
            "session_role": self.session_role,
            "role": self.role,
            "review_kind": self.review_kind,
            "schedule": self.schedule,
            "review_reason": self.review_reason,
        }


#: Of equal ceilings the one with the lower place binds first; those of rules that are gone come last.
PLACES = {ceiling.reason: place for place, ceiling in enumerate(CEILINGS)}


def binding_order(ceilings_minor: Sequence[int | None]) -> list[tuple[Reason, int]]:
    """Ceilings as the log keeps them, lowest first; of equal ones the first in the list of rules."""
    bounds = [(Reason(k), value) for k, value in enumerate(ceilings_minor) if value is not None]
    return sorted(bounds, key=lambda bound: (bound[1], PLACES.get(bound[0], len(PLACES))))


def reason_code(reason: Reason) -> str:
    """The name of a reason as it is written in files and typed on the command line."""
    return reason.name.lower()


def reason_text(reason: Reason, language: str = "en") -> str:
    """The reason in words."""
    text: str = TEXT[reason][language]
    return text


def page(conn: psycopg.Connection[Any], wanted: LogFilter, *, limit: int, after: int | None = None) -> list[LogEntry]:
    """Up to ``limit`` entries, newest first; ``after`` is the last entry of the page before."""
    with conn.cursor(row_factory=class_row(LogEntry)) as cursor:
        statement = sql.SQL(query("log_page")).format(conditions=conditions())
        cursor.execute(statement, {**wanted.parameters(), "limit": limit, "after": after}, prepare=False)
        return cursor.fetchall()


def by_policy(conn: psycopg.Connection[Any], wanted: LogFilter, name: str | None) -> LogFilter:
    """The filter with the policies that a name means, as ``policies.named`` has them; None means any."""
    return wanted if name is None else dataclasses.replace(wanted, policies=policies.named(conn, name))


def entry(conn: psycopg.Connection[Any], entry_id: int) -> LogEntry:
    """The entry of that number; NotFound names it, InArchive the file that it may lie in."""
    with conn.cursor(row_factory=class_row(LogEntry)) as cursor:
        found = cursor.execute(query("log_entry"), {"entry_id": entry_id}).fetchone()
    if found is None:
        none = f"there is no log entry {entry_id}; `limits log list` shows those there are"
        raise archives.missing_entry(conn, entry_id, none)
    return found


@dataclass(frozen=True)
class Times:
    """When an entry was decided, and when that was applied, as the record of its batch says."""

    decided_at: dt.datetime
    applied_at: dt.datetime

    def as_dict(self) -> dict[str, str]:
        """For a machine."""
        return {"decided_at": self.decided_at.isoformat(), "applied_at": self.applied_at.isoformat()}


def times(conn: psycopg.Connection[Any], entry_id: int) -> Times | None:
    """Both times of an entry; None where it is older than records are, or its record cannot be read."""
    text = record(conn, entry_id)
    try:
        said = None if text is None else BatchRecord.parse(text)
    except EntryError:
        return None  # altered: limits log verify says how
    return None if said is None else Times(said.decided_at, said.applied_at)


def record(conn: psycopg.Connection[Any], entry_id: int) -> str | None:
    """The record of the batch of an entry, as it was hashed; None of those made before there were batches."""
    row = conn.execute(query("log_entry_record"), {"entry_id": entry_id}).fetchone()
    return None if row is None else str(row[0])


@dataclass(frozen=True)
class Told:
    """A notice about an entry: what kind, by when it had to go out, and when it did."""

    notice_id: int
    kind: str
    due_on: dt.date
    created_at: dt.datetime
    delivered_at: dt.datetime | None


def notices(conn: psycopg.Connection[Any], entry_id: int) -> list[Told]:
    """The notices about an entry."""
    with conn.cursor(row_factory=class_row(Told)) as cursor:
        return cursor.execute(query("log_entry_notices"), {"entry_id": entry_id}).fetchall()


@dataclass(frozen=True)
class Consent:
    """That somebody ``proposed`` or ``approved`` the policy of an entry, or ``released`` its review, and why."""

    what: str
    at: dt.datetime
    actor: str
    login: str
    reason: str

    def as_dict(self) -> dict[str, str]:
        """For a machine."""
        return dataclasses.asdict(self) | {"at": self.at.isoformat()}


def consents(conn: psycopg.Connection[Any], entry_id: int) -> list[Consent]:
    """Who stood for an entry before it was made, oldest first."""
    with conn.cursor(row_factory=class_row(Consent)) as cursor:
        return cursor.execute(query("log_entry_approvals"), {"entry_id": entry_id}).fetchall()


def newest(conn: psycopg.Connection[Any], user_id: int, as_of: dt.date | None = None) -> LogEntry | None:
    """The newest entry of a user, as of ``as_of`` or before it."""
    with conn.cursor(row_factory=class_row(LogEntry)) as cursor:
        return cursor.execute(query("log_newest"), {"user_id": user_id, "as_of": as_of}).fetchone()


def matching(columns: Iterable[str]) -> sql.Composed:
    """The query of entries that match, of some columns of the view; effective_on is always the last one."""
    names = [sql.Identifier(name) for name in columns if name != "effective_on"]
    return sql.SQL(query("log_matching")).format(columns=sql.SQL(", ").join(names), conditions=conditions())


def conditions() -> sql.SQL:
    """What a filter asks of an entry, with the parameters of ``LogFilter``; never in a query that is prepared."""
    return sql.SQL(query("log_conditions"))


def stream(conn: psycopg.Connection[Any], wanted: LogFilter) -> Iterator[LogEntry]:
    """Every matching entry, by date, review and user, by a cursor on the server: the memory needed does not grow."""
    whole = {
        "first_day": wanted.as_of_from or "-infinity",
        "last_day": wanted.as_of_to or "infinity",
        "first_review": wanted.review_id or 0,
        "last_review": wanted.review_id or 2**63 - 1,
    }
    with conn.transaction(), conn.cursor(name="log_stream", row_factory=class_row(LogEntry)) as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(matching(field.name for field in dataclasses.fields(LogEntry)), wanted.parameters() | whole)
        yield from cursor
