"""What is told of the adjustment log, for the API and the pages alike: entries, lists of them, and a point in time."""

from __future__ import annotations

import dataclasses
import datetime as dt

from pydantic import BaseModel, Field

from limits.capacity import Method
from limits.ceilings import CEILINGS
from limits.console.auditing.asking import Asked
from limits.console.paging import Page, cursor_of, place_of
from limits.console.records import DecisionFields
from limits.entry import BatchRecord
from limits.errors import EntryError
from limits.store import archives, log, log_as_of, log_known, log_search
from limits.store.db import Connection
from limits.store.log import LogEntry, reason_code, reason_text


class Why(BaseModel):
    """A reason, by its code and in words."""

    code: str
    words: str


class Adjustment(DecisionFields):
    """One decision as it was logged. Amounts are whole minor units: 2050 with exponent 2 is 20.50."""

    outcome: str = Field(description="raised, held, lowered, offered or announced")
    reasons: list[Why] = Field(description="In the order in which they bind.")

    @classmethod
    def of(cls, entry: LogEntry) -> Adjustment:
        """From the entry of the store."""
        said = entry.as_dict() | {
            "outcome": entry.outcome,
            "reasons": [Why(code=reason_code(one), words=reason_text(one)) for one in entry.reasons],
        }
        return cls(**said)

    @property
    def change_minor(self) -> int:
        """By how much the limit changed, or would by what was offered or announced."""
        wish = self.limit_after_minor if self.proposed_minor is None else self.proposed_minor
        return wish - self.limit_before_minor


class AdjustmentPage(Page[Adjustment]):
    """One page of the log. A page may be short, or empty, and all the same have a `next`: see `searched_back_to`."""

    searched_back_to: dt.datetime | None = Field(
        description="The search took its time: everything decided since then was looked at, `next` goes on before it."
    )
    archived: str | None = Field(description="Which months were not looked at, because they lie in archive files.")


class Stood(BaseModel):
    """Somebody who stood for the entry before it was made."""

    what: str = Field(description="proposed or approved, of its policy; released, of its review.")
    at: dt.datetime
    actor: str
    login: str
    reason: str


class Told(BaseModel):
    """A notice to the user about the decision."""

    notice_id: int
    kind: str
    due_on: dt.date
    created_at: dt.datetime
    delivered_at: dt.datetime | None


class AdjustmentDetail(Adjustment):
    """One decision with all that it rests on."""

    applied_at: dt.datetime | None = Field(description="When it was applied, as the record of its batch says.")
    made_at: dt.datetime | None = Field(description="When it was decided, as the record of its batch says.")
    record: str | None = Field(description="The record of its batch as it was hashed; none before there were batches.")
    unbounded: list[str] = Field(description="Rules that set no bound.")
    stood: list[Stood]
    notices: list[Told]


def listing(conn: Connection, asked: Asked, *, limit: int, cursor: str | None) -> AdjustmentPage:
    """Entries that match, newest first."""
    place = place_of(cursor, int)
    wanted = asked.wanted(conn)
    found = log_search.search(conn, wanted, limit=limit, after=place[0] if place else None)
    if not found.entries and found.after is None and place is None:
        log_known.require_there(conn, wanted)
        log_known.require_actor(conn, wanted)
    gone = archives.of_days(conn, wanted.as_of_from, wanted.as_of_to) if found.after is None else []
    return AdjustmentPage(
        items=[Adjustment.of(entry) for entry in found.entries],
        next=None if found.after is None else cursor_of(found.after),
        searched_back_to=found.back_to,
        archived=archives.in_words(gone) if gone else None,
    )


def detail(conn: Connection, entry_id: int) -> AdjustmentDetail:
    """One entry. NotFound where there is none, InArchive where it may lie in a file."""
    entry = log.entry(conn, entry_id)
    text = log.record(conn, entry_id)
    record = _record(text) if text else None
    bounded = {reason for reason, _ in entry.ceilings}
    return AdjustmentDetail(
        **Adjustment.of(entry).model_dump(),
        applied_at=record.applied_at if record else None,
        made_at=record.decided_at if record else None,
        record=text,
        unbounded=[reason_code(one.reason) for one in CEILINGS if one.reason not in bounded],
        stood=[Stood(**one.as_dict()) for one in log.consents(conn, entry_id)],
        notices=[Told(**dataclasses.asdict(one)) for one in log.notices(conn, entry_id)],
    )


def _record(text: str) -> BatchRecord | None:
    try:
        return BatchRecord.parse(text)
    except EntryError:
        return None  # altered: a proof says how


def method_words(method: str) -> str:
    """How the forecast was made, in words."""
    return Method[method.upper()].text("en")


# A point in time ------------------------------------------------------------------------------


class Waiting(BaseModel):
    """A change that was offered or announced, and open."""

    change_id: int
    entry_id: int
    kind: str
    as_of: dt.date
    limit_minor: int
    proposed_minor: int
    effective_on: dt.date


class Standing(BaseModel):
    """What the limit of a user was at the end of a business date, since when, and by which decision."""

    user_id: int
    date: dt.date
    currency: str
    exponent: int
    limit_minor: int
    since: dt.date
    opened_on: dt.date
    opening_limit_minor: int
    archive: str | None = Field(description="The archive file that the log of the user goes on from.")
    decision: Adjustment | None = Field(description="The change that made the limit what it was; null: none has.")
    last_decision: Adjustment | None = Field(description="The last decision about the user, a hold perhaps.")
    decided_later: bool = Field(description="Whether a decision as of the date or before was made after it.")
    limit_known_minor: int = Field(description="The limit as it stood when that day ended.")
    waiting: list[Waiting]
    erased_on: dt.date | None


def standing(conn: Connection, user_id: int, date: dt.date, now: dt.datetime) -> Standing:
    """The user's limit on a date that has come."""
    found = log_as_of.standing(conn, user_id, date, now=now)
    decisions = {
        "decision": Adjustment.of(found.change) if found.change else None,
        "last_decision": Adjustment.of(found.newest) if found.newest else None,
    }
    return Standing(**(found.as_dict() | decisions))
