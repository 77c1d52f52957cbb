"""Monthly sums of the sample data sets, as rows of id, month, value."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Literal

from limits.errors import InputError
from limits.samples.berka import transactions

Row = tuple[str, str, str]


def berka(side: Literal["in", "out"]) -> Iterator[Row]:
    """What came into or went out of each account in a month; 0 in months without any, first and last month left out.

    The first month begins when the account is opened and the last ends when its loan is granted: both are parts.
    """
    sums: dict[str, dict[int, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in transactions():
        month = 12 * int(row["date"][:4]) + int(row["date"][5:7]) - 1
        came_in = row["type"] == "PRIJEM"
        sums[row["account_id"]][month] += Decimal(row["amount"]) if came_in == (side == "in") else 0
    for account in sorted(sums, key=int):
        months = sums[account]
        for month in range(min(months) + 1, max(months)):
            yield account, f"{month // 12:04}-{month % 12 + 1:02}", str(months.get(month, 0))


def uci_payments(file: Path) -> Iterator[Row]:
    """Payments of the UCI card clients (data set 350), April to September 2005, oldest first."""
    try:
        with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
            for line, row in enumerate(csv.DictReader(text), start=2):
                for back in range(6, 0, -1):
                    name = f"PAY_AMT{back}"
                    if name not in row or "ID" not in row:
                        raise InputError(f"{file} line {line}: there is no column {name if 'ID' in row else 'ID'}")
                    yield row["ID"], f"2005-{10 - back:02}", row[name]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file} cannot be read as CSV packed with gzip: {error}") from error
