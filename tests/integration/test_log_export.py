"""limits log export: every format says what the entries say, however odd, in constant memory."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from limits.capacity import Method
from limits.cli import run
from limits.cli.working import environment
from limits.errors import DatabaseError
from limits.reasons import Reason
from limits.settings import Settings
from limits.store import export, export_reading, log
from limits.store.db import Connection
from tests import logbook

DAY = dt.date(2026, 6, 30)

#: Texts as somebody may have written them as an actor or a reason.
ODD_TEXTS = [
    "", " ", "anna", "Jiří Nováček", "审批人", "🙂", 'she said "no"', "a,b;c\td", "two\nlines", "carriage\rreturn",
    "back\\slash", "=1+1", "+420 777", "-5", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1", "＋1", "－1", "＠x", "\u200b=1",
    "\ufeff@x", "'=1",
    "=HYPERLINK(\"http://x\",\"y\")", "null", "\u2028", "\x7f", "a=1",
]  # fmt: skip

#: Columns of entries, each unlike the plain one in one way.
ODD_ENTRIES: list[dict[str, Any]] = [
    {},
    {"limit_after_minor": 2000},
    {"limit_after_minor": 0, "version_before": 41},
    {"limit_before_minor": 0, "limit_after_minor": 0},
    {"limit_before_minor": 10**15, "limit_after_minor": 10**15, "capacity_p90_minor": 2**63 - 1},
    {"capacity_p10_minor": -1, "capacity_p50_minor": -(2**63), "floor_minor": -7},
    {"currency": "JPY"}, {"currency": "KWD"},
    {"disposition": 1, "proposed_minor": 1500}, {"disposition": 2, "proposed_minor": 0},
    {"months_observed": 0}, {"months_observed": 32767}, {"code_version": "0.1.0+ab\"c,d"},
    {"input_digest": b"\xff" * 32},
    {"risk_points": -3, "risk_probability_ppm": 0}, {"risk_points": 2**31 - 1, "risk_probability_ppm": 10**6},
    {"ceilings_minor": []},
    {"ceilings_minor": [None] * len(Reason)},
    {"ceilings_minor": logbook.bounds(past_due=700), "reason_bits": 1 << Reason.PAST_DUE},
    {"ceilings_minor": logbook.bounds(override=0, past_due=0, statutory_maximum=0, step_cap=0),
     "reason_bits": 2**52 - 1},
    {"ceilings_minor": logbook.bounds(step_cap=-5, past_due=2**63 - 1, dormant=-(2**63)), "reason_bits": 4},
    {"ceilings_minor": [5, 4, 3], "reason_bits": 5},
    {"ceilings_minor": list(range(len(Reason), 0, -1)), "reason_bits": 2**52 - 1},
    {"reason_bits": 2**52 - 1},  # reasons without a bound say nothing
    {"decided_at": dt.datetime(2026, 7, 1, tzinfo=dt.UTC)},
    {"decided_at": dt.datetime(2026, 7, 1, 23, 59, 59, 7, tzinfo=dt.UTC)},
    {"decided_at": dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC)},
    {"decided_at": dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC)},
    *({"binding": int(reason)} for reason in Reason),
    *({"capacity_method": int(method)} for method in Method),
]  # fmt: skip


def fill(conn: Connection) -> int:
    """Odd entries of several dates and reviews, in another order than they are exported; how many."""
    logbook.unguard(conn)
    standard, numbers = logbook.standard(conn), iter(range(900, 0, -1))
    for place, text in enumerate(ODD_TEXTS):
        day = DAY - dt.timedelta(days=place % 3 * 20)
        review = logbook.add_review(conn, day, standard, reason=text)
        logbook.add_entry(conn, review, next(numbers), day, policy_hash=standard, actor=text)
        logbook.add_entry(conn, review, next(numbers), day, policy_hash=standard, session_role=text, code_version=text)
    review = logbook.add_review(
        conn, DAY, standard, kind="scheduled", schedule="=nightly", idempotency_key=None, reason=""
    )
    for columns in ODD_ENTRIES:
        number = logbook.add_entry(conn, review, next(numbers), DAY, **{"policy_hash": standard} | columns)
        if columns.get("disposition"):
            logbook.waiting_user(conn, number)
            logbook.add_waiting(conn, number, DAY + dt.timedelta(days=30))
    return 2 * len(ODD_TEXTS) + len(ODD_ENTRIES)


def plain(conn: Connection) -> list[log.LogEntry]:
    """The entries one by one, as they are listed."""
    return list(log.stream(conn, log.LogFilter()))


def plain_csv(entries: list[log.LogEntry]) -> bytes:
    def cell(value: Any) -> Any:
        if isinstance(value, str):
            return export.harmless(value)
        if isinstance(value, list):
            return " ".join(value)
        return json.dumps(value, separators=(",", ":")) if isinstance(value, dict) else value

    def line(values: Iterable[Any]) -> str:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerow(values)  # with the other one, a lone \r is not quoted
        return text.getvalue().removesuffix("\r\n") + "\n"

    rows = [list(entries[0].as_dict()), *([cell(value) for value in entry.as_dict().values()] for entry in entries)]
    return "".join(map(line, rows)).encode()


def plain_jsonl(entries: list[log.LogEntry]) -> bytes:
    return "".join(json.dumps(entry.as_dict(), ensure_ascii=False) + "\n" for entry in entries).encode()


def written(conn: Connection, form: str, rows: int) -> tuple[bytes, int]:
    file = io.BytesIO()
    counted: list[int] = []
    with contextlib.closing(export_reading.read(conn, log.LogFilter(), rows=rows)) as entries:
        count = export.WRITERS[form](entries, file, counted.append)
    assert counted == sorted(counted) and counted[-1] == count
    return file.getvalue(), count


def test_every_format_says_what_the_entries_say(conn: Connection) -> None:
    count = fill(conn)
    entries = plain(conn)
    assert [(e.as_of, e.review_id, e.user_id) for e in entries] == sorted(
        (e.as_of, e.review_id, e.user_id) for e in entries
    )
    for rows in (1, 2, 7, 100, 10_000):
        for form, expected in (("csv", plain_csv(entries)), ("jsonl", plain_jsonl(entries))):
            found, counted = written(conn, form, rows)
            assert found.splitlines() == expected.splitlines()
            assert (found, counted) == (expected, count)
        table = pq.read_table(pa.BufferReader(written(conn, "parquet", rows)[0]))
        wanted = [
            entry.as_dict() | {
                "as_of": entry.as_of, "decided_at": entry.decided_at, "effective_on": entry.effective_on,
                "policy_effective_on": entry.policy_effective_on,
                "ceilings_minor": list(entry.as_dict()["ceilings_minor"].items()),
            }
            for entry in entries
        ]  # fmt: skip
        assert table.to_pylist() == wanted
        assert table.schema.field("limit_after_minor").type == pa.int64()


def test_one_user_one_review_and_some_dates(conn: Connection) -> None:
    fill(conn)
    entries = plain(conn)
    for wanted, keeps in (
        (log.LogFilter(user_id=entries[3].user_id), lambda e: e.user_id == entries[3].user_id),
        (log.LogFilter(review_id=entries[-1].review_id), lambda e: e.review_id == entries[-1].review_id),
        (log.LogFilter(as_of_to=DAY - dt.timedelta(days=1)), lambda e: e.as_of < DAY),
        (log.LogFilter(as_of_from=DAY), lambda e: e.as_of == DAY),
        (log.LogFilter(review_id=10**6), lambda e: False),
    ):
        found = [number for block in export_reading.read(conn, wanted) for number in block.numbers["entry_id"][0]]
        assert found == [e.entry_id for e in entries if keeps(e)], wanted
        assert found == [e.entry_id for e in log.stream(conn, wanted)], wanted


def test_nothing_to_export_is_a_heading_alone(conn: Connection) -> None:
    for form, text in (("csv", (",".join(export.COLUMNS) + "\n").encode()), ("jsonl", b"")):
        file = io.BytesIO()
        assert export.WRITERS[form](export_reading.read(conn, log.LogFilter()), file, lambda count: None) == 0
        assert file.getvalue() == text
    assert len(log.LogEntry.__dataclass_fields__) > 30 and list(export.COLUMNS) == list(plain_columns(conn))


def plain_columns(conn: Connection) -> Iterator[str]:
    fill(conn)
    yield from plain(conn)[0].as_dict()


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"ceilings_minor": [None] * len(Reason) + [7]}, "the log holds a reason that this version does not know"),
        ({"binding": 62}, "binding is 62, which this version does not know"),
        ({"capacity_method": 99}, "capacity_method is 99"),
        ({"decided_at": "infinity"}, "decided_at is a date that cannot be written"),
    ],
)
def test_what_cannot_be_written_is_said_and_not_left_out(conn: Connection, columns: dict[str, Any], says: str) -> None:
    logbook.unguard(conn)
    review = logbook.add_review(conn, DAY, logbook.standard(conn))
    logbook.add_entry(conn, review, 1, DAY, **columns)
    with pytest.raises(DatabaseError, match=f"an entry of {DAY} cannot be exported: {says}"):
        written(conn, "csv", 10)
    assert conn.execute("SELECT 1").fetchone() == (1,), "the connection serves on"


@pytest.mark.parametrize("text", [t for t in ODD_TEXTS if t])
def test_no_cell_of_csv_is_a_formula(text: str) -> None:
    """As a spreadsheet sees it: blanks and what cannot be seen are no reason to take the rest for text."""
    cell = export.harmless(text)
    begins = cell.lstrip(" \t\r\n\u200b\ufeff\u2028\x7f")[:1]
    assert not begins or begins not in "=+-@＝＋－＠"
    assert cell in (text, "'" + text)


def test_plain_texts_and_numbers_stay_as_they_are() -> None:
    for text in ("anna", "a=1", "scheduler-7", "1-2", "审批人", "{}", "2026-06-30"):
        assert export.harmless(text) == text


def test_a_file_is_whole_or_not_there(
    conn: Connection, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails half way leaves the file that was there before, and nothing beside it."""
    monkeypatch.setenv("LIMITS_DATABASE_URL", settings.database_url or "")
    monkeypatch.setenv("LIMITS_HOME", str(settings.home))
    logbook.unguard(conn)
    first, last = (logbook.add_review(conn, day, logbook.standard(conn)) for day in (DAY, DAY + dt.timedelta(days=1)))
    logbook.add_entry(conn, first, 1, DAY)
    target, link = tmp_path / "log.csv", tmp_path / "link.csv"
    assert run(["log", "export", "-o", str(target)]) == 0
    whole = target.read_bytes()
    assert whole.count(b"\n") == 2
    logbook.add_entry(conn, last, 1, DAY + dt.timedelta(days=1), binding=62)
    assert run(["log", "export", "-o", str(target)]) == 3
    assert target.read_bytes() == whole
    assert os.listdir(tmp_path) == [target.name] or {p.name for p in tmp_path.glob("*.csv")} == {target.name}
    assert not list(tmp_path.glob(".*part"))
    link.symlink_to(target)
    assert run(["log", "export", "--to", str(DAY), "-o", str(link)]) == 0
    assert link.is_symlink() and target.read_bytes() == whole


# Memory ----------------------------------------------------------------------------------

#: Entries of the small and of the large export, and how many MiB more the large one may take at its peak.
FEW, MANY = 20_000, 320_000
MORE_MIB = 40


def make_entries(conn: Connection) -> None:
    """Entries of one date with ceilings and reasons, as a review of everybody leaves them; the first ones by "few"."""
    logbook.unguard(conn)
    review = logbook.add_review(conn, DAY, logbook.standard(conn))
    bounds = logbook.bounds(step_cap=3633120, ability_to_pay=9227958, debt_ratio=30085558, product_maximum=50000000,
                            statutory_maximum=100000000, past_due=2000000)  # fmt: skip
    entry = logbook.add_entry(conn, review, 1, DAY, ceilings_minor=bounds, reason_bits=0b110101, actor="few")
    columns = conn.execute(
        """SELECT string_agg(attname, ', '),
                  string_agg(CASE attname WHEN 'user_id' THEN 'n'
                                          WHEN 'actor' THEN 'CASE WHEN n > %(few)s THEN ''rest'' ELSE actor END'
                                          ELSE 'l.' || attname END, ', ')
             FROM pg_attribute WHERE attrelid = 'limits.adjustment_log'::regclass AND attnum > 0 AND NOT attisdropped
              AND attname <> 'entry_id'""",
    ).fetchone()
    assert columns is not None
    conn.execute(
        f"""INSERT INTO limits.adjustment_log ({columns[0]}) SELECT {columns[1]}
              FROM limits.adjustment_log l, generate_series(2, %(many)s) n WHERE l.entry_id = %(entry)s""",
        {"few": FEW, "many": MANY, "entry": entry},
    )


def peak_mib(settings: Settings, form: str, target: Path, *options: str) -> int:
    """The most memory that an export held at a time, as the kernel counts it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "limits", "log", "export", "--format", form, "-o", str(target), *options],
        env=environment(settings), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    peak = 0
    while process.poll() is None:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            peak = max(peak, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
        time.sleep(0.01)
    assert process.stderr is not None
    assert process.returncode == 0, process.stderr.read()
    return peak // 1024


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_the_memory_does_not_grow_with_the_log(conn: Connection, settings: Settings, tmp_path: Path) -> None:
    make_entries(conn)
    for form in ("csv", "jsonl", "parquet"):
        target = tmp_path / f"log.{form}"
        few = peak_mib(settings, form, target, "--actor", "few")
        many = peak_mib(settings, form, target)
        assert 50 < many <= few + MORE_MIB, (form, few, many)
        lines = pq.read_metadata(target).num_rows if form == "parquet" else target.read_bytes().count(b"\n")
        assert lines - (form == "csv") == MANY
