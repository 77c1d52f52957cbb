"""Acts on a user while a review is on its way, and second persons on a login of their own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql

from limits import engine
from limits.settings import Settings, make_settings
from limits.store import gates, reviews
from limits.store.db import Connection, Database
from tests import builders, invariants
from tests.web import Site, text_of

AS_OF = builders.AS_OF
WEEKS = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=21)).isoformat()


def test_a_recompute_goes_before_a_held_review_which_then_leaves_the_user_alone(
    database: Database, settings: Settings, conn: Connection
) -> None:
    """The review has decided user 1 and waits: the recompute does not wait for it, and nobody is raised twice."""
    for user_id in (1, 2):
        builders.add_steady_user(conn, user_id, credit_limit=500_000, observed_from=dt.date(2024, 7, 1))
    asked = engine.request_review(database, settings, as_of=AS_OF, actor="night", policy="standard")
    engine.work(database, settings, asked.review_id, worker="test")
    assert reviews.get(conn, asked.review_id).state == "held"
    site = Site(database, settings)
    ann = site.person("operations", "approver")
    sent = ann.post("/users/1/recompute", {"reason": "customer called", "as_of": AS_OF.isoformat()})
    assert (sent.status_code, sent.headers["location"].split("?")[0][:17]) == (303, "/users/1/entries/"), text_of(sent)
    words = text_of(ann.get("/work"))
    assert f"review {asked.review_id} of manual as of {AS_OF}" in words
    assert "release or cancel it" in words
    site.context.close()

    gates.release(conn, asked.review_id, actor="Bo", reason="seen")
    done = engine.work(database, settings, asked.review_id, worker="test").finished
    assert done is not None
    found = conn.execute("SELECT user_id, limit_minor FROM limits.credit_lines ORDER BY user_id").fetchall()
    assert found == [(1, 600_000), (2, 600_000)]
    assert conn.execute("SELECT count(*) FROM limits.adjustment_log WHERE action <> 0").fetchone() == (2,)
    invariants.check(conn)


@pytest.fixture
def two_logins(database: Database, settings: Settings, conn: Connection) -> Iterator[Site]:
    """The console with one login for first persons and another for second ones; neither is a superuser."""
    names = {
        "limits_test_console": ("operations", "console", "auditor", "monitor"),
        "limits_test_second": ("operations",),
    }
    for name, roles in names.items():
        conn.execute(
            sql.SQL("DO $$ BEGIN CREATE ROLE {} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$").format(
                sql.Identifier(name)
            )
        )
        for role in roles:
            conn.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(f"limits_{role}"), sql.Identifier(name)))

    def url(name: str) -> str:
        return database.url.replace("limits@", f"{name}@", 1)

    values: dict[str, Any] = settings.model_dump()
    own = make_settings(
        **values | {"database_url": url("limits_test_console"), "approver_database_url": url("limits_test_second")}
    )
    site = Site(Database(url("limits_test_console")), own)
    yield site
    site.context.close()
    for name, roles in names.items():
        for role in roles:
            conn.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(f"limits_{role}"), sql.Identifier(name)))


def test_a_second_person_acts_on_a_login_of_their_own(two_logins: Site, conn: Connection) -> None:
    builders.add_user(conn, 1)
    ann = two_logins.person("operations")
    for _ in range(2):
        made = ann.write("/v1/users/1/overrides", {"kind": "hold", "expires_on": WEEKS, "reason": "moves abroad"})
        assert made.status_code == 200, made.text
    ben = two_logins.person("approver", actor="Ben Okafor")
    assert ben.write("/v1/overrides/1/approve", {"reason": "seen"}).json()["changed"] is True
    sessions = conn.execute("SELECT maker_session, checker_session FROM limits.overrides WHERE override_id = 1")
    assert sessions.fetchall() == [("limits_test_console", "limits_test_second")]
    # On the login of first persons another name is not enough: the database says so.
    two_logins.context._databases["approver"] = two_logins.context.database("operations")
    two_logins.context.close()
    refused = ben.write("/v1/overrides/2/approve", {"reason": "seen"})
    assert (refused.status_code, "use another login" in refused.json()["detail"]) == (409, True), refused.text
    builders.refresh(conn)
    shown = ann.write("/v1/users/1/recompute", {"reason": "to see", "as_of": AS_OF.isoformat()})
    assert shown.status_code in (200, 409), shown.text
    assert ann.ask("/v1/work").status_code == 200
