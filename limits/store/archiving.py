"""A month of the adjustment log out of the database and into an archive: at each instant it is whole in one of the two.

First the file: what the database has of the month is checked, written beside the name, brought to the disk and renamed,
and then read back and proved. Then one transaction of the database, limits.archive_month, which asks everything again.
A process that dies before that leaves a file that the next run reads again and takes; one that dies after it has
nothing left to do. Of several at a time one has the turn.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row, scalar_row

from limits.checkpoint import PublicKey
from limits.errors import ArchiveRefused, InputError, NotFound
from limits.log_check import check_batch
from limits.log_finding import Finding, Report
from limits.store import archives, proof_file, proving
from limits.store.archive_check import Archive, digest_of, read
from limits.store.archives import Month, last_day, name_of
from limits.store.db import Connection, Database
from limits.store.failpoints import reach
from limits.store.logged_rows import Reader
from limits.store.outside import sync_folder
from limits.store.queries import query
from limits.store.verifying import one_state

#: How often the month is asked for while somebody else reads or writes the log, and seconds in between.
TRIES, PAUSE_SECONDS = 20, 1.0

#: What the function of the database says when it refuses.
_REFUSED = "LM021"

Opener = Callable[[], AbstractContextManager[Iterable[str]]]


@dataclass(frozen=True)
class Size:
    """What would go with a month, how many days ago its last day was, and for how many it is kept at least."""

    entries: int
    batches: int
    reviews: int
    users: int
    days: int
    least_days: int


@dataclass(frozen=True)
class Archived:
    """What came of it. ``now``: by this call, else it was done before. ``reused``: with the file of a run before."""

    month: Month
    path: Path
    now: bool
    reused: bool


def file_name(month: dt.date) -> str:
    """The name of the archive of a month."""
    return f"log-{name_of(month)}.parquet"


def size(conn: Connection, month: dt.date) -> Size:
    """What would go with a month, by its first day."""
    with conn.cursor(row_factory=class_row(Size)) as cursor:
        found = cursor.execute(query("archive_size"), {"month": month}).fetchone()
    assert found is not None, "an aggregate gives a row"
    return found


def obstacle(conn: Connection, month: dt.date) -> str | None:
    """Why a month cannot be archived, in words; None: it can."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        found: str | None = cursor.execute(query("archive_obstacle"), {"month": month}).fetchone()
    return found


def done_before(conn: Connection, month: dt.date, folder: Path) -> Archived | None:
    """The month where it is archived; ArchiveRefused where the folder does not have its file, or another one."""
    there = next((one for one in archives.months(conn) if one.month == month), None)
    if there is None:
        return None
    path = folder / there.file_name
    said = f"{there.name} was archived on {there.archived_at:%Y-%m-%d %H:%M} UTC by {there.actor} as {there.file_name}"
    if not path.is_file():
        raise ArchiveRefused(f"{said}, and {folder} does not have that file; name the folder where it is")
    if digest_of(path) != there.sha256:
        raise ArchiveRefused(f"{said}, and {path} is not that file: its sha256 is not {there.sha256.hex()}")
    return Archived(there, path, now=False, reused=True)


def archive(
    database: Database, month: dt.date, folder: Path, checkpoints: Opener, keys: Sequence[PublicKey], actor: str
) -> Archived:
    """Archives a month, by its first day; what came of it where it was archived before.

    ArchiveRefused where it may not go, does not hold, or somebody else is at it: then it is still in the database.
    """
    with database.connect("migrator", "limits log archive") as conn, _turn(database):
        if (before := done_before(conn, month, folder)) is not None:
            return before
        if (why := obstacle(conn, month)) is not None:
            raise ArchiveRefused(f"the log of {name_of(month)} is not archived: {why}")
        path = folder / file_name(month)
        reused = _is_there(path)
        if not reused:
            _write(conn, month, path)
            reach("archive:written")
        made = _checked(path, month, checkpoints, keys)
        digest = digest_of(path)
        reach("archive:checked")
        now = _take(conn, month, made, digest, actor)
        reach("archive:taken")
        taken = next(one for one in archives.months(conn) if one.month == month)
        return Archived(taken, path, now, reused)


@contextlib.contextmanager
def _turn(database: Database) -> Iterator[None]:
    """The turn to archive, on a connection of its own. ArchiveRefused while another process has it."""
    with database.connect("migrator", "limits log archive, turn") as conn, conn.transaction():
        try:
            conn.execute(query("archive_turn"))
        except psycopg.errors.LockNotAvailable:
            raise ArchiveRefused("another process is archiving a month of the log just now: wait for it") from None
        yield


# The file ---------------------------------------------------------------------------------------


def _write(conn: Connection, month: dt.date, path: Path) -> None:
    """The file, on the disk under its name, after what the database has of the month was checked."""
    wanted: dict[str, Any] = {
        "review_id": None, "as_of_from": month.isoformat(), "as_of_to": last_day(month).isoformat(),
    }  # fmt: skip
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)  # of a run that was killed
        with one_state(conn):
            newest = proving.newest(conn)
            until = newest.checkpoint.tree_size
            for group in Reader(conn).ahead("verify_batches", **wanted, since=0, until=until):
                for batch, stored in group:
                    _require(check_batch(batch, stored), month)
            with part.open("xb") as file:  # never through a link that somebody put there
                proof_file.write(conn, file, newest, wanted)
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    except NotFound as error:
        raise ArchiveRefused(f"the log of {name_of(month)} is not archived: {error}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _is_there(path: Path) -> bool:
    """Whether a run before left the file. ArchiveRefused where something else has its name."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if not stat.S_ISREG(kind):
        raise ArchiveRefused(f"{path} is no file of its own but a link, a folder or a device; move it away")
    return True


def _require(findings: Sequence[Finding], month: dt.date) -> None:
    if findings:
        first = findings[0]
        raise ArchiveRefused(
            f"the log of {name_of(month)} is not archived, because it does not hold: {first.place}: {first.what}; "
            "limits log verify finds all that does not"
        )


def _checked(path: Path, month: dt.date, checkpoints: Opener, keys: Sequence[PublicKey]) -> Archive:
    """The file, read back and proved. ArchiveRefused where it is not the archive of the month."""
    with checkpoints() as lines:
        made, report = read(path, lines, keys)
    if not report.holds:
        raise ArchiveRefused(f"the log of {name_of(month)} is not archived: {path} does not hold: {_first(report)}")
    if made.whole or any(day.replace(day=1) != month for day in made.days):
        raise ArchiveRefused(
            f"the log of {name_of(month)} is not archived: {path} is there and has other entries; move it away"
        )
    return made


def _first(report: Report) -> str:
    first = report.tally.kept[0]
    return f"{first.place}: {first.what}"


# The database -----------------------------------------------------------------------------------


def _take(conn: Connection, month: dt.date, made: Archive, digest: bytes, actor: str) -> bool:
    """Takes the month out of the database; tries again while others have the log."""
    parameters = {
        "month": month, "entries": made.entries, "batches": len(made.positions), "delta_minor": made.delta_minor,
        "file": made.path.name, "sha256": digest, "actor": actor,
    }  # fmt: skip
    for attempt in range(1, TRIES + 1):
        try:
            row = conn.execute(query("archive_take"), parameters).fetchone()
            return bool(row and row[0])
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if attempt < TRIES:
                time.sleep(PAUSE_SECONDS)
        except psycopg.Error as error:
            if error.sqlstate != _REFUSED:
                raise
            raise ArchiveRefused(error.diag.message_primary or str(error)) from None
    raise ArchiveRefused(
        f"the log of {name_of(month)} is not archived: others read or write the log without a break; the file "
        f"{made.path} is kept, and the same command goes on from it"
    )
