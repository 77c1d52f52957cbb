"""The tables of columns and codes in the documentation are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from limits.capacity import Method
from limits.dispositions import Disposition
from limits.portfolio import UNBOUNDED, UNKNOWN, Documents, Identity, Income, Status
from limits.reasons import Reason
from limits.store.export_reading import COLUMNS
from limits.store.log import ACTIONS, DISPOSITIONS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()


def between(start: str, end: str) -> str:
    return TEXT[TEXT.index(start) : TEXT.index(end, TEXT.index(start))]


def test_every_column_of_an_export_stands_in_the_table_in_order() -> None:
    table = between("| column | unit | meaning |", "### Numbers that stand for words")
    cells = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    assert [name for cell in cells for name in re.findall(r"`(\w+)`", cell)] == list(COLUMNS)


def test_the_codes_are_those_of_the_code() -> None:
    codes = between("### Numbers that stand for words", "### When output is lost")
    found = {(int(number), word) for number, word in re.findall(r"(-?\d+) `(\w+)`", codes)}
    assert found == {*ACTIONS.items(), *DISPOSITIONS.items(), *((int(r), r.name.lower()) for r in Reason)}
    assert {int(one): one.name.lower() for one in Disposition} == DISPOSITIONS
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.+) \| (yes|no)[^|]* \|$", codes, re.MULTILINE)
    assert [(int(number), word, says, may == "yes") for number, word, says, may in rows] == [
        (int(one), one.name.lower(), one.text(), one.is_forecast) for one in Method
    ]


def test_what_stands_for_not_known_in_a_snapshot() -> None:
    table = between("| value | where | stands for |", "```sh")
    assert f"| {UNKNOWN} |" in table and f"| {UNBOUNDED} (2 to the power of 60) |" in table
    for name, kind in (("status", Status), ("identity", Identity), ("income", Income), ("documents", Documents)):
        row = re.search(rf"^\| ([\d, ]+) in `{name}` \|  ?\| (.+) \|$", table, re.MULTILINE)
        assert row, name
        words = [word.replace("not known", "unknown") for word in row[2].split(", ")]
        assert row[1] == ", ".join(str(int(one)) for one in kind)
        assert words == [one.name.lower() for one in kind]
