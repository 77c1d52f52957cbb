"""Imports: a CSV file by COPY into a staging table, judged there by SQL, and let in, all in one transaction.

Each line of the file is either new, already known, or in quarantine with the first reason
that applies. An import that is killed leaves nothing. The same file again adds nothing.

Rows of one (source, source_id) are the same row: with the same content they are known, with
other content they are refused, also when both stand in one file: the first one wins. States
of users are told apart by (user_id, effective_on) instead. The first state of a user
gives the opening limit; later ones leave it out or repeat it, and any other limit is refused,
because only reviews change limits. A fraud may come once more with the day on which it was
withdrawn, as a second row of its source_id.

A row is one line; every column has to be named, in any order, but for OPTIONAL ones, which are empty where they are
not. Amounts are decimal numbers
in major units of the currency of the row, at most ``money.LARGEST_MINOR`` minor units, with
no more decimals than the currency has. Dates are written YYYY-MM-DD and are UTC dates,
instants carry their zone.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import psycopg
from psycopg.rows import dict_row

from limits.errors import InputError
from limits.money import LARGEST_MINOR
from limits.store import approvals
from limits.store.lines import Line, LineReader, escaped, shown
from limits.store.quarantine import REASONS
from limits.store.queries import query

Progress = Callable[[int, int], None]

#: The columns of each kind of file, and those that it may have besides.
OPTIONAL: Mapping[str, tuple[str, ...]] = MappingProxyType({"statements": ("days_past_due",)})
COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "users": (
            "user_id", "effective_on", "status", "segment", "industry", "currency", "jurisdiction", "opened_on",
            "observed_from", "observed_through", "identity_status", "identity_checked_on", "income_status",
            "income_verified_on", "raise_consent", "credit_limit",
        ),
        "events": ("source_id", "user_id", "occurred_at", "kind", "amount", "currency"),
        "statements": (
            "source_id", "user_id", "statement_on", "due_on", "balance", "amount_due", "minimum_due", "currency",
        ),
        "repayments": ("source_id", "user_id", "paid_on", "amount", "currency"),
        "credit-checks": (
            "source_id", "user_id", "checked_on", "active_lenders", "outside_debt", "outside_monthly_payment",
            "inquiries", "currency",
        ),
        "documents": ("source_id", "user_id", "checked_on", "status", "valid_until"),
        "consents": ("source_id", "user_id", "effective_on", "subject", "state"),
        "identifiers": ("source_id", "user_id", "kind", "value_sha256", "seen_on"),
        "frauds": ("source_id", "user_id", "confirmed_on", "withdrawn_on"),
    }
)  # fmt: skip

#: The queries of each kind: make the staging tables, judge the rows, let in what is new.
_QUERIES = {
    "users": ("import_users_stage", "import_users_check", "import_users_load"),
    "events": ("import_events_stage", "import_events_check", "import_events_load"),
    "statements": ("import_statements_stage", "import_statements_check", "import_statements_load"),
    "repayments": ("import_repayments_stage", "import_repayments_check", "import_repayments_load"),
    "credit-checks": ("import_credit_checks_stage", "import_credit_checks_check", "import_credit_checks_load"),
    "documents": ("import_documents_stage", "import_documents_check", "import_documents_load"),
    "consents": ("import_consents_stage", "import_consents_check", "import_consents_load"),
    "identifiers": ("import_identifiers_stage", "import_identifiers_check", "import_identifiers_load"),
    "frauds": ("import_frauds_stage", "import_frauds_check", "import_frauds_load"),
}

#: Kinds whose lines are never kept, not even in quarantine: what should be a sha256 may stand there in the clear.
_SECRET = frozenset({"identifiers"})
_NOT_KEPT = "(not kept: identifiers are never stored in the clear)"

#: Characters of a source's name, at most: source and source_id together must fit into an index entry.
LONGEST_SOURCE = 200
#: Lines between two calls of progress.
_PROGRESS_LINES = 1000


@dataclass(frozen=True)
class ImportCounts:
    """What became of the rows of a file: total = new + known + quarantined."""

    import_id: int
    total: int
    new: int
    known: int
    quarantined: int


def import_file(
    conn: psycopg.Connection[Any],
    kind: str,
    file: Path,
    *,
    source: str,
    actor: str,
    progress: Progress,
    today: dt.date | None = None,
) -> ImportCounts:
    """Imports a file; InputError when the file as a whole cannot be used, and then nothing is written.

    ErasureRefused where one of its users was erased while it was read: the next import puts the rows into quarantine.

    ``progress`` is told the bytes read and the bytes of the file (of a pipe: those read so far).
    ``today`` is the business date after which a date lies in the future; None: that of the
    database's clock.
    """
    if kind not in COLUMNS:
        raise InputError(f"there is no kind of file {kind!r}; the kinds are {', '.join(COLUMNS)}")
    if not 1 <= len(source) <= LONGEST_SOURCE or not source.isprintable():
        raise InputError(f"the source {shown(source)} cannot be used; name it in 1 to {LONGEST_SOURCE} characters")
    stage, check, load = _QUERIES[kind]
    # in_words: a user whom somebody erases meanwhile is refused when the rows are let in.
    with (
        approvals.in_words(), _opened(file) as (opened, size), conn.transaction(),
        conn.cursor(row_factory=dict_row) as cursor,
    ):  # fmt: skip
        lines = LineReader(opened, file.name, COLUMNS[kind], OPTIONAL.get(kind, ()))
        cursor.execute(query(stage))
        hidden = map(_without_text, lines) if kind in _SECRET else lines
        _copy(cursor, hidden, lines.width, lambda: progress(lines.bytes_read, size or lines.bytes_read))
        cursor.execute(query("import_plan"))
        cursor.execute(query("import_erased"), {"digest": lines.sha256})
        # States of users are told apart without the source, so all imports of them can meet.
        cursor.execute(query("import_turn"), {"kind": kind, "source": "" if kind == "users" else source})
        day = today or _one(cursor, "import_today", {})["today"]
        cursor.execute(query(check), {"source": source, "largest": LARGEST_MINOR, "today": day})
        words = {"kind": kind, "source": source, "file_name": escaped(os.fsencode(file.name))}
        record = {**words, "file_sha256": lines.sha256, "actor": actor}
        counts = ImportCounts(**_one(cursor, "import_record", record))
        # A phone number is soon found from the sha256 of its line, so the file's stands for all its lines.
        digest = lines.sha256 if kind in _SECRET else None
        cursor.execute(query("import_quarantine"), {**words, "import_id": counts.import_id, "digest": digest})
        if kind == "events":
            cursor.execute(query("import_events_months"))
        loaded = cursor.execute(query(load), {"source": source}).rowcount
        assert loaded == counts.new, f"{loaded} rows were loaded, {counts.new} were counted as new"
        cursor.execute(query("import_end"))
    return counts


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The file and its size in bytes, 0 where it has none."""
    try:
        opened = file.open("rb")
    except IsADirectoryError:
        raise InputError(f"{file} is a folder; name a CSV file in it") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{file} cannot be read: {why}") from None
    with opened:
        about = os.fstat(opened.fileno())
        yield opened, about.st_size if stat.S_ISREG(about.st_mode) else 0


def _without_text(line: Line) -> Line:
    """The line without what it says."""
    return line._replace(raw=_NOT_KEPT, digest=None, detail=REASONS[line.reason] if line.reason else None)


def _copy(cursor: psycopg.Cursor[Any], lines: Iterable[Line], width: int, tell: Callable[[], None]) -> None:
    nothing = (None,) * width
    tell()
    with cursor.copy(query("import_copy")) as copy:
        for count, line in enumerate(lines, start=1):
            number, raw, digest, reason, detail, fields = line
            copy.write_row((number, raw, digest, reason, detail, *(fields or nothing)))
            if count % _PROGRESS_LINES == 0:
                tell()
    tell()


def _one(cursor: psycopg.Cursor[dict[str, Any]], name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    row = cursor.execute(query(name), parameters).fetchone()
    assert row is not None, f"{name} gives one row"
    return row
