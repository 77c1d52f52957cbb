"""Import files for tests, and what became of them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from limits.store.db import Connection
from limits.store.importing import COLUMNS, OPTIONAL, ImportCounts, import_file

TODAY = dt.date(2026, 6, 30)

#: Users 1 (CNY), 2 (JPY, no decimals) and 3 (KWD, three of them), opened on 2024-03-15.
USERS = (
    b"1,2024-03-15,active,retail,,CNY,CN,2024-03-15,2024-03-15,2026-06-30,verified,2024-03-15,,,yes,20000\n"
    b"2,2024-03-15,active,,,JPY,,2024-03-15,,,,,,,,300000\n"
    b"3,2024-03-15,active,,,KWD,,2024-03-15,,,,,,,no,500.125\n"
)


def write(folder: Path, kind: str, body: bytes, name: str = "") -> Path:
    """A file of that kind with its heading, which names what is optional where the first line has so many fields."""
    file = folder / (name or f"{kind}.csv")
    columns = COLUMNS[kind]
    if body.split(b"\n")[0].count(b",") >= len(columns):
        columns += OPTIONAL.get(kind, ())
    file.write_bytes(",".join(columns).encode() + b"\n" + body)
    return file


def load_path(
    conn: Connection, kind: str, file: Path, source: str = "bank", today: dt.date | None = TODAY
) -> ImportCounts:
    """Import the file."""
    return import_file(conn, kind, file, source=source, actor="tester", progress=lambda done, total: None, today=today)


def load(
    conn: Connection, kind: str, folder: Path, body: bytes, *, source: str = "bank", name: str = "",
    today: dt.date | None = TODAY,
) -> ImportCounts:  # fmt: skip
    """Write and import a file."""
    return load_path(conn, kind, write(folder, kind, body, name), source, today)


def rows(conn: Connection, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    return conn.execute(sql, parameters).fetchall()


def one(conn: Connection, sql: str, *parameters: Any) -> Any:
    [(value,)] = rows(conn, sql, *parameters)
    return value


def refused(conn: Connection, lines: Sequence[str], cases: Sequence[tuple[str, str, str, str]]) -> None:
    """The quarantine holds the lines of the cases, which begin in line 3, for the reasons that they name."""
    found = rows(conn, "SELECT line, reason, detail, raw, row_digest FROM limits.quarantine ORDER BY line")
    assert [(n, reason) for n, reason, *_ in found] == [(n, case[2]) for n, case in enumerate(cases, start=3)]
    for (_, _, detail, raw, digest), line, (_, _, _, expected) in zip(found, lines, cases, strict=True):
        assert expected in detail
        assert len(detail) <= 200 and detail.isprintable() and raw.isprintable()
        assert digest == hashlib.sha256(line.encode()).digest()
