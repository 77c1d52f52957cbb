"""A heartbeat says that the work goes on: a scheduler whose clock stands gives none."""

from __future__ import annotations

import pytest

from limits.settings import Settings
from limits.store import metrics
from limits.store.db import Connection, Database
from tasks import clock
from tasks.app import Context
from tasks.clock import Ower
from tasks.heart import Heart
from tests.servers import eventually


def test_a_scheduler_beats_while_its_clock_comes_round(
    database: Database, settings: Settings, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = Context(database, settings.model_copy(update={"heartbeat_seconds": 0.05, "tick_seconds": 0.1}), "test")
    ower = Ower(context)
    monkeypatch.setattr(clock, "STANDS_SECONDS", 0.4)

    def age() -> float:
        return metrics.processes(conn)["scheduler"].age_seconds

    with Heart(context, "scheduler", doing="clock", moves=ower.ticks):
        eventually(lambda: "scheduler" in metrics.processes(conn))
        eventually(lambda: age() > 0.5)  # nobody ticks
        ower.tick()
        eventually(lambda: age() < 0.4)
    ower.close()
    assert metrics.processes(conn) == {}
