"""A portfolio that is loaded once, and reviews of copies of it."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import copied, copy_database
from tests.faults import nights
from tests.faults.nights import Night, Nights, Result


@pytest.fixture(scope="session")
def portfolio(server_url: str, template: str) -> str:
    """The name of a database with users in it."""
    name = "limits_portfolio"
    database = copy_database(server_url, template, name)
    with database.connect("owner", "limits test") as conn:
        nights.populate(conn)
    os.environ["TESTS_PORTFOLIO"] = database.url  # for tests.faults.warm
    return name


@pytest.fixture(scope="session")
def a_night(server_url: str, portfolio: str, scratch: Path) -> Nights:
    """Makes nights: each a copy of the portfolio, with its review planned unless told otherwise."""

    @contextlib.contextmanager
    def make(*, plan: bool = True, **values: object) -> Iterator[Night]:
        with copied(server_url, portfolio) as database, database.connect("owner", "limits test") as conn:
            night = Night(database, nights.make(database, scratch / "nights", **values), conn)
            try:
                yield night.plan() if plan else night
            finally:
                night.end()

    return make


@pytest.fixture
def night(a_night: Nights) -> Iterator[Night]:
    """One night, planned."""
    with a_night() as made:
        yield made


@pytest.fixture(scope="session")
def _traced(a_night: Nights, scratch: Path) -> tuple[Result, Counter[str]]:
    trace = scratch / "trace"
    with a_night() as night:
        worker = night.worker(f"*=trace:{trace}")
        assert worker.wait() == 0, worker.said()
        return night.result(), Counter(trace.read_text().split())


@pytest.fixture(scope="session")
def undisturbed(_traced: tuple[Result, Counter[str]]) -> Result:
    """What the night comes to when nothing happens."""
    return _traced[0]


@pytest.fixture(scope="session")
def passed(_traced: tuple[Result, Counter[str]]) -> Counter[str]:
    """The failpoints that a worker comes by in a night, in order, and how often; the heartbeat's left out."""
    return Counter({name: times for name, times in _traced[1].items() if name != "sql:shard_extend"})
