"""Rows of the adjustment log written straight into it, for tests of how it is read.

No decision stands behind them; invariants and verification do not hold. Everything takes a connection with all
rights, to a database whose guards are off: call ``unguard`` first.
"""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

from limits.reasons import Reason
from limits.store import policies
from limits.store.db import Connection
from limits.store.log import reason_code

CODES = {reason_code(reason): reason for reason in Reason}
DIGEST = bytes(range(32))

_numbers = itertools.count(1)


def unguard(conn: Connection) -> None:
    """Takes the guards off the tables that are written here."""
    for table in ("reviews", "adjustment_log", "pending_changes"):
        conn.execute(f"ALTER TABLE limits.{table} DISABLE TRIGGER USER")
    # Entries as of before they were hashed; reading them is no different.
    conn.execute("ALTER TABLE limits.adjustment_log DROP CONSTRAINT adjustment_log_entry_check")


def add_review(conn: Connection, as_of: dt.date, policy_hash: bytes, **columns: Any) -> int:
    """A review of nobody in particular, done; gives its number."""
    values = {"kind": "recompute", "business_date": as_of, "state": "done", "policy_hash": policy_hash,
              "actor": "test", "idempotency_key": f"logbook-{next(_numbers)}"} | columns  # fmt: skip
    return int(_insert(conn, "reviews", "review_id", values))


def standard(conn: Connection) -> bytes:
    """The hash of the standard policy, which is kept."""
    return policies.named(conn, "standard")[0]


def add_entry(conn: Connection, review_id: int, user_id: int, as_of: dt.date, **columns: Any) -> int:
    """An entry of the log, a hold at 1000 minor units unless it says otherwise; gives its number."""
    conn.execute("SELECT limits.ensure_month('limits.adjustment_log', %s)", (as_of,))
    values = {"currency": "CZK", "limit_before_minor": 1000, "limit_after_minor": 1000, "version_before": 0,
              "binding": int(Reason.STEP_CAP), "reason_bits": 0, "ceilings_minor": [], "floor_minor": 0,
              "capacity_p10_minor": 1, "capacity_p50_minor": 2, "capacity_p90_minor": 3, "capacity_method": 1,
              "months_observed": 12, "policy_hash": None, "input_digest": DIGEST, "code_version": "0.1.0+test",
              "actor": "test", "lowest_ceiling_minor": 10**15} | columns  # fmt: skip
    before, after = values["limit_before_minor"], values["limit_after_minor"]
    values["policy_hash"] = values["policy_hash"] or standard(conn)
    values["action"] = (after > before) - (after < before)
    values["version_after"] = values["version_before"] + (after != before)
    return int(
        _insert(
            conn, "adjustment_log", "entry_id",
            {"review_id": review_id, "shard": 0, "user_id": user_id, "as_of": as_of} | values,
        )
    )  # fmt: skip


def bounds(**ceilings: int | None) -> list[int | None]:
    """Ceilings by reason code as the log keeps them: a place for each reason, None where it sets no bound."""
    found: list[int | None] = [None] * len(Reason)
    for code, value in ceilings.items():
        found[CODES[code]] = value
    return found


def add_waiting(conn: Connection, entry_id: int, effective_on: dt.date, **columns: Any) -> int:
    """The change that an entry offered or announced, open unless it says otherwise; gives its number."""
    return int(
        _insert_select(
            conn,
            """INSERT INTO limits.pending_changes (entry_id, review_id, user_id, kind, as_of, currency, limit_minor,
                   proposed_minor, effective_on)
               SELECT entry_id, review_id, user_id, CASE disposition WHEN 1 THEN 'offer' ELSE 'announced' END, as_of,
                      currency, limit_before_minor, proposed_minor, %s
                 FROM limits.adjustment_log WHERE entry_id = %s RETURNING change_id""",
            (effective_on, entry_id),
        )
    )


def waiting_user(conn: Connection, entry_id: int) -> None:
    """The user of an entry, whom a waiting change refers to."""
    conn.execute(
        """INSERT INTO limits.users (user_id, currency, opened_on, source)
           SELECT user_id, currency, as_of, 'test' FROM limits.adjustment_log WHERE entry_id = %s""",
        (entry_id,),
    )


def end_waiting(conn: Connection, change_id: int, state: str, at: dt.datetime, review_id: int | None = None) -> None:
    """Ends a waiting change."""
    conn.execute(
        """UPDATE limits.pending_changes SET state = %s, ended_at = %s, ended_by = 'test', applied_review_id = %s
            WHERE change_id = %s""",
        (state, at, review_id, change_id),
    )


def _insert(conn: Connection, table: str, key: str, values: dict[str, Any]) -> Any:
    columns, places = ", ".join(values), ", ".join(["%s"] * len(values))
    statement = f"INSERT INTO limits.{table} ({columns}) VALUES ({places}) RETURNING {key}"
    return _insert_select(conn, statement, list(values.values()))


def _insert_select(conn: Connection, statement: str, values: Any) -> Any:
    found = conn.execute(statement, values).fetchone()
    assert found is not None
    return found[0]
