"""A user of whom everything is known, and looking for what is left of one, in every table there is."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from psycopg import sql

from limits import engine
from limits.money import Money
from limits.settings import Settings
from limits.store import overrides, pending, persons
from limits.store.db import Connection, Database
from tests import builders, governance, imports, replays, sealing
from tests.governance import variant
from tests.packs import write_pack

#: Stands in every text that somebody wrote about the user, and in the reference.
NAME = "Novak"
REFERENCE = f"CUST-{NAME}-0815"
#: The user who is to be erased, and those who stay.
USER, OTHERS = 11, (2, 3, 4)
AS_OF = builders.AS_OF
DAY = dt.timedelta(days=1)

#: Where rows of a user stay: what the log, the sums and the record of the erasure stand on.
KEPT = {
    "users", "credit_lines", "adjustment_log", "archived_lines", "outbox", "pending_changes", "notices", "overrides",
    "review_exceptions", "shards", "challenger_failures", "erasures", "erasure_proposals",
    "person_sets",
}  # fmt: skip
#: A portfolio whose raises are cut by a budget.
BUDGET = {"breakers__population_bps": "1000000\n\n[budget]\nexposure_bps = 2000"}
#: Columns that name users.
USER_COLUMNS = ("user_id", "user_ids", "user_from", "user_to")


def live(database: Database, settings: Settings, conn: Connection, folder: Path) -> None:
    """Reviews with a challenger, and everything that can be known of a user; the account is closed and all is told."""
    governance.approve(conn, variant(pack="careful", product='"2100 CNY"'), role="challenger")
    for user_id in (USER, *OTHERS):
        builders.add_steady_user(conn, user_id, credit_limit=300_000 + 10_000 * user_id)
        builders.add_documents(conn, user_id, AS_OF - 60 * DAY)
        builders.add_consent(conn, user_id, AS_OF - 50 * DAY)
        builders.add_identifier(conn, user_id, f"phone {user_id // 4}", kind="phone")
    offers = write_pack(conn, folder, "offers", consent__raises='"offer"')
    builders.refresh(conn)
    replays.decide(database, settings, USER, offers, AS_OF - DAY)
    for change in pending.changes(conn, user_id=USER):
        engine.decline(database, change.change_id, actor="Ann", reason=f"{NAME} does not want it", as_of=AS_OF - DAY)
    replays.review(database, settings, write_pack(conn, folder, "budget", **BUDGET))
    with database.connect("operations", "limits test") as ops:
        persons.put(ops, USER, REFERENCE, actor="Ann")
        persons.put(ops, OTHERS[0], "another", actor="Ann")
        line = f"bad-1,{USER},2026-06-01T09:00:00Z,income,twelve {NAME},CNY\nbad-2,3,2026-06-11T09:00:00Z,loan,11,CNY\n"
        assert imports.load(ops, "events", folder, line.encode()).quarantined == 2
        engine.recompute(
            database, settings, USER, reason=f"{NAME} called", actor="Ann", as_of=AS_OF + DAY, apply=True,
            key=f"ticket {NAME}",
        )  # fmt: skip
        engine.request_limit(
            database, settings, USER, Money(5_000_000, "CNY"), key=f"form {NAME}", actor="Ann", as_of=AS_OF + 2 * DAY
        )
    today = dt.datetime.now(dt.UTC).date()  # not once for all tests: they may run through midnight
    number = overrides.propose(
        conn, USER, "hold", None, starts_on=today, expires_on=today + 9 * DAY, actor="Ann", reason=f"{NAME} is ill"
    )
    overrides.decide(conn, number, "approve", actor="Bo", reason=f"{NAME} is")
    builders.add_override(conn, OTHERS[0], "hold", decided_reason="so it is")
    replays.decide(database, settings, OTHERS[0], settings.policy, AS_OF + DAY)
    builders.add_fraud(conn, USER, AS_OF - DAY)
    conn.execute(
        "INSERT INTO limits.fraud_clearances (user_id, cleared_on, actor, reason) VALUES (%s, %s, 'Ann', %s)",
        (USER, AS_OF, f"{NAME} was at work"),
    )
    builders.add_profile(conn, USER, AS_OF + 3 * DAY, status="closed")
    builders.add_statement(conn, USER, AS_OF + 3 * DAY, balance=0, minimum_due=0)
    sealing.review(database, settings, AS_OF + 4 * DAY)
    engine.deliver(database, engine.ToFile(folder / "messages.jsonl"))
    builders.add_repayment(conn, USER, AS_OF + 2 * DAY)  # neither packed nor in its month yet


def erase(conn: Connection, user_id: int = USER) -> persons.Erasure:
    """Proposed by one person and carried out by another."""
    persons.propose_erasure(conn, user_id, actor="Ann", reason="asked for it")
    return persons.erase(conn, user_id, actor="Bo")


def tables(conn: Connection) -> dict[str, set[str]]:
    """Every table of the schema and those of its columns that name users."""
    return {
        name: set(columns)
        for name, columns in conn.execute(
            """SELECT c.relname::text,
                      ARRAY(SELECT a.attname::text FROM pg_attribute a
                             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                               AND a.attname = ANY (%s))
                 FROM pg_class c
                WHERE c.relnamespace = 'limits'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition""",
            (list(USER_COLUMNS),),
        ).fetchall()
    }


def left_of(conn: Connection, user_id: int) -> dict[str, int]:
    """How many rows of a user each table has that has any, by a column that names users."""
    found = {}
    for name, columns in tables(conn).items():
        if "user_id" not in columns:
            continue
        statement = sql.SQL("SELECT count(*) FROM limits.{} WHERE user_id = %s").format(sql.Identifier(name))
        row = conn.execute(statement, (user_id,)).fetchone()
        if row and row[0]:
            found[name] = row[0]
    return found


def saying(conn: Connection, text: str) -> set[str]:
    """The tables in which a text stands, as it is or as bytes, in any column."""
    found = set()
    for name in tables(conn):
        statement = sql.SQL("SELECT EXISTS (SELECT FROM limits.{} t WHERE t::text ILIKE %s OR t::text ILIKE %s)")
        row = conn.execute(statement.format(sql.Identifier(name)), (f"%{text}%", f"%{text.encode().hex()}%")).fetchone()
        if row and row[0]:
            found.add(name)
    return found


def others(conn: Connection) -> list[tuple[str, str]]:
    """What every table says of the users who stay, as one digest each."""
    found = []
    for name, columns in sorted(tables(conn).items()):
        if "user_id" in columns:
            statement = sql.SQL(
                """SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))
                     FROM limits.{} t WHERE user_id <> %s"""
            )
            row = conn.execute(statement.format(sql.Identifier(name)), (USER,)).fetchone()
            found.append((name, str(row)))
    of_others = """SELECT md5(string_agg(r::text, '|' ORDER BY r.review_id)) FROM limits.reviews r
                    WHERE NOT EXISTS (SELECT FROM limits.adjustment_log l WHERE r.kind = 'recompute'
                                         AND l.review_id = r.review_id AND l.user_id = %s)"""
    found.append(("reviews", str(conn.execute(of_others, (USER,)).fetchone())))
    return found
