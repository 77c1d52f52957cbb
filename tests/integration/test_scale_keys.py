"""docs/scale.md says of each table where it goes when users are spread over servers; the database is asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from limits.store.db import Connection

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "scale.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (distributed|reference|local) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
Keys = frozenset[tuple[str, ...]]

#: The columns of every unique key of every table (of partitioned ones: the parent), as text arrays.
UNIQUE = """
SELECT c.relname::text, array_agg((SELECT string_agg(a.attname, ',' ORDER BY k.position)
                                     FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, position)
                                     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
                                    WHERE k.position <= i.indnkeyatts))
  FROM pg_class c
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisunique
 WHERE c.relnamespace = 'limits'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
 GROUP BY c.relname"""

#: Foreign keys, once each: the table they are of, their columns, the table they lead to.
FOREIGN = """
SELECT f.conrelid::regclass::text, pg_get_constraintdef(f.oid), f.confrelid::regclass::text
  FROM pg_constraint f
 WHERE f.contype = 'f' AND f.connamespace = 'limits'::regnamespace AND f.conparentid = 0"""


def written(column: int) -> dict[str, Keys]:
    """The keys of a column of the page; where it says ``same``, those of the column before."""
    found: dict[str, Keys] = {}
    for name, _, *cells in ROW.findall(PAGE):
        text = cells[0] if cells[column].strip() == "same" else cells[column]
        keys = [] if text.strip() == "none" else text.split(";")
        found[name] = frozenset(tuple(sorted(word.strip() for word in key.split(","))) for key in keys)
    return found


def there(conn: Connection) -> dict[str, Keys]:
    rows = conn.execute(UNIQUE).fetchall()
    return {name: frozenset(tuple(sorted(key.split(","))) for key in keys if key) for name, keys in rows}


def placed() -> dict[str, str]:
    return {name: place for name, place, *_ in ROW.findall(PAGE)}


def test_the_page_has_every_table_and_its_keys_as_they_are(conn: Connection) -> None:
    now, said = there(conn), written(0)
    assert set(now) == set(said), "docs/scale.md must say of each table where it goes"
    assert now == said


def test_the_keys_then_contain_the_user_wherever_a_table_is_distributed() -> None:
    then = written(1)
    without = {name for name, place in placed().items() if place == "distributed"
               for key in then[name] if "user_id" not in key}  # fmt: skip
    assert without == set()


def test_the_ddl_of_the_page_makes_those_keys(conn: Connection) -> None:
    (ddl,) = re.findall(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    conn.execute(ddl.encode())
    assert there(conn) == written(1)


def test_then_no_foreign_key_crosses_servers(conn: Connection) -> None:
    """From a distributed table to one that is distributed alike, by the user, or to a reference table, or none."""
    (ddl,) = re.findall(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    conn.execute(ddl.encode())
    place = placed()
    rows = [(own.removeprefix("limits."), text, other.removeprefix("limits.")) for own, text, other in
            conn.execute(FOREIGN).fetchall()]  # fmt: skip
    assert len(rows) > 20
    for own, text, other in rows:
        match place[own], place[other]:
            case "distributed", "distributed":
                assert "FOREIGN KEY (user_id" in text, f"{own}: {text}"
            case "distributed" | "local", "reference":
                pass
            case ("local", "local") | ("reference", "reference"):
                pass
            case pair:
                pytest.fail(f"{own}: {text} leads from {pair[0]} to {pair[1]}")
