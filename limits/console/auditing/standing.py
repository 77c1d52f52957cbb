"""What is asked of the whole log again and again: standing reports, whether it adds up, checkpoints, verification."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import BaseModel, Field

from limits import checkpoint, checkpoint_list
from limits.console.paging import Page, cursor_of, place_of
from limits.console.problems import Problem
from limits.errors import InputError, LimitsError, NotFound
from limits.log_finding import Finding
from limits.settings import Settings, seal_paths
from limits.store import archives, checkpoint_rows, reconciling, reports, seal_reading, verifying
from limits.store.db import Connection
from limits.store.queries import query
from limits.wording import several

#: Entries that a page reads at most: some ten seconds. More is for the command line, which has the time.
MOST_READ = 1_000_000
#: A batch that is older, in seconds, and under no checkpoint is a failure.
SEALED_WITHIN = 300


class ReportName(BaseModel):
    """One of the standing reports."""

    name: str
    title: str
    must_be_none: bool = Field(description="Whether a row of it is a fault, not an observation.")


class ReportResult(ReportName):
    """A report with its first rows. Amounts are whole minor units, in columns named *_minor."""

    ok: bool
    total: int = Field(description="How many rows there are in all.")
    rows: list[dict[str, Any]]
    archived: str | None = Field(description="Which months were not looked at.")


def names() -> list[ReportName]:
    """The reports there are."""
    return [ReportName(name=one.name, title=one.title, must_be_none=one.must_be_none) for one in reports.REPORTS]


def report(
    conn: Connection, name: str, *, since: dt.date | None, until: dt.date | None, limit: int, today: dt.date
) -> ReportResult:
    """A report over the decisions as of some dates. NotFound where there is none of the name."""
    found = next((one for one in reports.REPORTS if one.name == name), None)
    if found is None:
        raise NotFound(f"there is no report {name[:80]!r}; there are {', '.join(one.name for one in reports.REPORTS)}")
    if since and until and since > until:
        raise InputError(f"from {since} lies after to {until}: nothing can match")
    result = reports.run(conn, found, today=today, since=since, until=until, limit=limit)
    gone = archives.of_days(conn, since, until)
    return ReportResult(
        name=found.name, title=found.title, must_be_none=found.must_be_none, ok=result.ok, total=result.total,
        rows=result.rows, archived=archives.in_words(gone) if gone else None,
    )  # fmt: skip


# Adding up ------------------------------------------------------------------------------------


class Reconciled(BaseModel):
    """Whether limits, log, messages, batches and reviews say the same."""

    ok: bool
    users: int
    reviews: int
    mismatches: int
    first: list[str] = Field(description="The first things that do not add up, in words.")
    archives: list[str] = Field(description="Archived months, of which sums were added and no entries.")


def reconcile(conn: Connection) -> Reconciled:
    """Adds all of it up. Problem 409 where that is more than a request should read."""
    _require_small(conn, "limits log reconcile")
    found = reconciling.of_everything(conn)
    return Reconciled(
        ok=found.ok, users=found.users, reviews=found.reviews, mismatches=found.count,
        first=[one.words for one in found.named], archives=found.archives,
    )  # fmt: skip


def entries_about(conn: Connection) -> int:
    """How many entries the log has, about: from the numbers of the first and the last."""
    names = {"as_of_from": None, "as_of_to": None, "after": None}
    row = conn.execute(query("log_span"), names, prepare=False).fetchone()
    return 0 if row is None else int(row[1] - row[0] + 1)


def _require_small(conn: Connection, command: str) -> None:
    about = entries_about(conn)
    if about > MOST_READ:
        raise Problem(
            409, "too-much-to-read", f"the log has some {about:,} entries, and a request reads {MOST_READ:,} at most; "
            f"run it on the command line: {command}",
        )  # fmt: skip


# Checkpoints ----------------------------------------------------------------------------------


class CheckpointRow(BaseModel):
    """A signed checkpoint."""

    number: int
    at: dt.datetime
    entries: int
    leaves: int
    root: str
    signers: list[str] = Field(description="In whose name it is signed; `limits log verify` says whether they did.")


def checkpoints(conn: Connection, *, limit: int, cursor: str | None) -> Page[CheckpointRow]:
    """The checkpoints of the database, newest first."""
    place = place_of(cursor, int)
    rows = checkpoint_rows.before(conn, limit + 1, place[0] if place else None)
    found = [CheckpointRow(**one.as_dict()) for one in checkpoint_list.numbered(rows)]
    shown = found[:limit]
    return Page[CheckpointRow](items=shown, next=cursor_of(shown[-1].number) if len(found) > limit else None)


# Verification ---------------------------------------------------------------------------------


class LastVerified(BaseModel):
    """What the file beside the checkpoints says of the last verification of the whole log by the command line."""

    known: bool = Field(description="Whether anything is known.")
    holds: bool | None
    checkpoint: int | None = Field(description="The checkpoint at which all of it held.")
    what: str


class Verified(BaseModel):
    """What a verification in this request came to. It is not remembered: whoever reads the log writes nothing."""

    holds: bool
    scope: str
    what: str
    entries: int
    batches: int
    checkpoints: int
    unsealed: int
    left_out: int
    findings: list[str]


def last_verified(settings: Settings) -> LastVerified:
    """The last state, as `limits log verify` left it."""
    path = seal_paths(settings).checkpoints
    try:
        known = seal_reading.known(path.with_name(f"{path.name}.verified"))
    except InputError as error:
        return LastVerified(known=False, holds=None, checkpoint=None, what=_sentence(str(error)))
    except LimitsError as error:
        return LastVerified(known=True, holds=False, checkpoint=None, what=_sentence(str(error)))
    if known is None:
        what = "Nobody has verified the whole log from this home yet: limits log verify."
        return LastVerified(known=False, holds=None, checkpoint=None, what=what)
    what = f"The whole log held at checkpoint {known.number}, when limits log verify ran last."
    return LastVerified(known=True, holds=True, checkpoint=known.number, what=what)


def verify(conn: Connection, settings: Settings, now: dt.datetime) -> Verified:
    """The log against its signed checkpoints: since the last whole verification, or all of it where it is small."""
    paths = seal_paths(settings)
    keys = seal_reading.read_keys(paths.public_keys)
    known = seal_reading.known(paths.checkpoints.with_name(f"{paths.checkpoints.name}.verified"))
    if known is None:
        _require_small(conn, "limits log verify")
    else:
        about = _since(conn, known.number)
        if about > MOST_READ:
            raise Problem(
                409, "too-much-to-read", f"some {about:,} entries came since checkpoint {known.number}, and a request "
                f"reads {MOST_READ:,} at most; run it on the command line: limits log verify --since-last",
            )  # fmt: skip
    with seal_reading.open_checkpoints(paths.checkpoints) as lines:
        report, _ = verifying.verify(conn, lines, keys, now=now, sealed_within_seconds=SEALED_WITHIN, known=known)
    looked = (
        f"{several(report.entries, 'entry')} in {several(report.batches, 'batch')} and "
        f"{several(report.checkpoints, 'checkpoint')} were read"
    )
    if report.left_out:
        looked += f", {several(report.left_out, 'batch')} verified before not read again"
    if report.unread:
        looked += f", {several(report.unread, 'entry')} in archives not read"
    count = report.tally.count
    what = f"It holds: {looked}." if report.holds else f"It does not hold, {count:,} findings: {looked}."
    return Verified(
        holds=report.holds, scope=report.scope, what=what, entries=report.entries, batches=report.batches,
        checkpoints=report.checkpoints, unsealed=report.unsealed, left_out=report.left_out,
        findings=[_finding(one) for one in report.tally.kept],
    )  # fmt: skip


def _since(conn: Connection, number: int) -> int:
    """Entries that came after a checkpoint, about."""
    rows = checkpoint_rows.before(conn, 1, number + 1)
    then = checkpoint.parse(rows[0][1]).checkpoint.entries if rows else 0
    return max(0, entries_about(conn) - then)


def _finding(one: Finding) -> str:
    return f"{one.place}: {one.sentence}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
