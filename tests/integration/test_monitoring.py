"""limits doctor on a login that may see counts and states, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from limits import engine
from limits.cli import doctor
from limits.settings import Settings, get_settings
from limits.store import gates
from limits.store.db import Connection, Database, Role
from tests import builders


@pytest.fixture
def look(
    database: Database, login: Callable[[str, Role], Connection], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], dict[str, doctor.Finding]]:
    """What the doctor finds on that login, by the name of the check."""
    monitor = login("limits_test_monitor", "monitor")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        monitor.execute("SELECT FROM limits.reviews")
    monkeypatch.setenv("LIMITS_DATABASE_URL", database.url.replace("//limits@", "//limits_test_monitor@"))

    def found() -> dict[str, doctor.Finding]:
        get_settings.cache_clear()
        return {finding.check: finding for finding in doctor.examine()}

    return found


def test_all_is_well_or_has_a_mend(look: Callable[[], dict[str, doctor.Finding]]) -> None:
    found = look()
    assert {check: finding.state for check, finding in found.items()} == {
        "settings": "ok", "policy": "ok", "database": "ok", "schema": "ok", "guards": "ok", "roles": "ok",
        "workers": "warn", "schedulers": "warn", "schedules": "warn", "reviews": "ok", "notices": "ok",
    }  # fmt: skip
    assert all(finding.mend for finding in found.values() if finding.state != "ok")
    assert found["roles"].says == "the login limits_test_monitor may act as limits_monitor"


def test_what_is_wrong_is_counted_and_nobody_named(
    database: Database, settings: Settings, conn: Connection, look: Callable[[], dict[str, doctor.Finding]]
) -> None:
    user = 987_654_321_987
    builders.add_steady_user(conn, user, credit_limit=500_000)
    done = engine.request_review(database, settings, as_of=builders.AS_OF, actor="Ann Personal")
    engine.work(database, settings, done.review_id, worker="test")  # raises the user, who is told too late by now
    failed = engine.request_review(database, settings, as_of=builders.AS_OF, actor="Ann Personal", schedule="other")
    conn.execute(
        "UPDATE limits.reviews SET state = 'failed', error = %s, finished_at = now() WHERE review_id = %s",
        (f"user {user}", failed.review_id),
    )
    gates.set_switch(conn, True, actor="Ann Personal", reason=f"about {user}")
    conn.execute(
        """INSERT INTO limits.workers (worker, kind, host, pid, heartbeat_at, doing)
           VALUES ('worker:a:1', 'worker', 'a', 1, now(), %s), ('worker:b:2', 'worker', 'b', 2, '2026-01-01', '')""",
        (str(user),),
    )
    conn.execute("INSERT INTO limits.schedules (schedule, pack) VALUES ('nightly', 'standard')")
    found = look()
    assert found["workers"].says == "1 alive"
    assert found["schedules"].says == "1 on, 0 paused"
    assert found["kill switch"].says.startswith("nothing is applied: engaged on ")
    assert found["reviews"].says == f"review {failed.review_id} (schedule other, as of {builders.AS_OF}): failed"
    assert found["notices"].says == "1 overdue"
    words = str(list(found.values()))
    assert str(user) not in words and "Ann Personal" not in words
