"""Monthly series in long format: a CSV file with the columns id, month, value."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limits.capacity.forecasting import LARGEST, MOST_MONTHS
from limits.capacity.local_level import Float
from limits.errors import InputError
from limits.portfolio import Dates

COLUMNS = ("id", "month", "value")


@dataclass(frozen=True, slots=True)
class Series:
    """Series of n ids, sorted; ``values`` (n, m) NaN where not observed.

    Every series ends in the last column, with its own last month, so that origins are
    counted back from there. ``newest`` (n,) datetime64[M] says which month that is.
    """

    ids: list[str]
    values: Float
    newest: Dates


def read_series(file: Path) -> Series:
    """The series of a file; months without a line are not observed. InputError names what is wrong, with its line."""
    found: dict[str, dict[int, float]] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            heading = [cell.strip() for cell in next(reader, [])]
            if sorted(heading) != sorted(COLUMNS):
                raise InputError(f"{file}: the first line must name the columns {','.join(COLUMNS)}, not {heading}")
            places = [heading.index(name) for name in COLUMNS]
            for row in reader:
                if row:
                    _add(found, row, places, f"{file} line {reader.line_num}")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except csv.Error as error:
        raise InputError(f"{file} line {reader.line_num}: {error}") from error
    if not found:
        raise InputError(f"{file} holds no value under its heading")
    return _aligned(found, file)


def _add(found: dict[str, dict[int, float]], row: list[str], places: list[int], where: str) -> None:
    if len(row) != len(places):
        raise InputError(f"{where}: {len(row)} values, the heading has {len(places)}")
    name, month, value = (row[place].strip() for place in places)
    if not name:
        raise InputError(f"{where}: the id is empty")
    parts = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", month)
    if not parts:
        raise InputError(f"{where}: {month!r} is not a month; write it YYYY-MM, such as 2026-03")
    months = found.setdefault(name, {})
    at = 12 * int(parts[1]) + int(parts[2]) - 1
    if at in months:
        raise InputError(f"{where}: a second value for id {name!r} in {month}; add them up, or leave one out")
    months[at] = _amount(value, where)


def _amount(text: str, where: str) -> float:
    try:
        amount = float(text) if re.fullmatch(r"[-+0-9.eE]+", text) else math.nan
    except ValueError:
        amount = math.nan
    if math.isnan(amount):
        raise InputError(f"{where}: {text!r} is not an amount; leave out the line of a month that nothing is known of")
    if abs(amount) > LARGEST:
        raise InputError(f"{where}: {text} is too large; amounts up to {LARGEST:.0f} are used")
    return amount


def _aligned(found: dict[str, dict[int, float]], file: Path) -> Series:
    ids = sorted(found)
    spans = {name: max(found[name]) - min(found[name]) + 1 for name in ids}
    longest = max(ids, key=lambda name: spans[name])
    if spans[longest] > MOST_MONTHS:
        raise InputError(f"{file}: id {longest!r} spans {spans[longest]:,} months; at most {MOST_MONTHS:,} are used")
    values = np.full((len(ids), spans[longest]), np.nan)
    for row, name in enumerate(ids):
        months = found[name]
        newest = max(months)
        for month, amount in months.items():
            values[row, values.shape[1] - 1 - (newest - month)] = amount
    # Months are counted from the year 0 here, in datetime64 from 1970.
    last = np.array([max(found[name]) for name in ids]) - 12 * 1970
    return Series(ids, values, last.astype("datetime64[M]"))


def write_series(file: Path, rows: Iterable[tuple[str, str, str]]) -> int:
    """Write rows of id, month, value; gives their number."""
    count = 0
    try:
        with file.open("w", encoding="utf-8", newline="") as text:
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in rows:
                writer.writerow(row)
                count += 1
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror or error}") from error
    return count
