"""Named queries: one file each under sql/queries, read once."""

from __future__ import annotations

import functools
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import LiteralString

from limits.store.failpoints import reach


def sql_root() -> Traversable:
    """The folder ``sql``: inside the installed package, or at the top of the checkout."""
    packed = resources.files("limits") / "sql"
    return packed if packed.is_dir() else Path(__file__).resolve().parents[2] / "sql"


def query(name: str) -> LiteralString:
    """The text of sql/queries/NAME.sql. It is our own file, never input, hence a literal."""
    reach(f"sql:{name}")
    return _read(name)


@functools.cache
def _read(name: str) -> LiteralString:
    return (sql_root() / "queries" / f"{name}.sql").read_text(encoding="utf-8")
