"""Writing decisions: one array of rows with their entries, and one function call applies them.

``limits.apply_decisions`` is the only way to change a limit; this module only hands it rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from psycopg.rows import scalar_row

from limits.errors import (
    ChangeEnded,
    DecidedTooLongAgo,
    KillSwitchEngaged,
    LeaseLost,
    PolicyNotApproved,
    ReviewRefused,
    RiskModelNotApproved,
)
from limits.store import approvals, entries
from limits.store.binary import BinaryArray, BinaryArrayDumper, array_of
from limits.store.queries import query
from limits.store.reviews import Lease
from limits.store.rows import Rows

#: The log holds a decision on one of the users in this review already.
AlreadyDecided = psycopg.errors.UniqueViolation

#: Raised with a transaction it leaves that transaction's block, which is rolled back, without an error.
Rollback = psycopg.Rollback

#: The database is not what the code takes it for: a table, a column or a right is missing.
MISFIT = (psycopg.ProgrammingError, psycopg.NotSupportedError)

#: What else the database may refuse: whoever meets it puts the shard down, and says so.
REFUSED = psycopg.DatabaseError

#: What the database says when it applies nothing, by its code.
_REFUSALS = {
    "LM001": ReviewRefused, "LM002": LeaseLost, "LM005": ChangeEnded, "LM006": KillSwitchEngaged,
    "LM022": DecidedTooLongAgo,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MadeBy:
    """What computed the decisions: version of the code, sha256 of the forecast's parameters."""

    code_version: str
    model: bytes


def apply_decisions(
    conn: psycopg.Connection[Any],
    lease: Lease,
    rows: Rows,
    *,
    currency: str,
    input_digest: bytes,
    made_by: MadeBy,
) -> list[int]:
    """Applies decisions about some users of a leased shard inside the caller's transaction.

    ``input_digest``: sha256 of the snapshot they were made on. Returns the users for whom the
    decision is out of date: nothing was done for them. LeaseLost when another worker holds the
    shard by now; ReviewRefused when the review does not run or the shard is not released;
    KillSwitchEngaged; DecidedTooLongAgo; PolicyNotApproved when its policy was withdrawn;
    ChangeEnded when what the review is about is no longer open.
    """
    stale: list[int] = []
    while len(rows):
        batch = entries.batch(rows)
        parameters = {
            "review_id": lease.review_id,
            "shard": lease.shard,
            "token": lease.token,
            "currency": currency,
            "input_digest": input_digest,
            "code_version": made_by.code_version,
            "model": made_by.model,
            "root": batch.root,
            "rows": _array(conn, batch.rows),
        }
        overtaken = _call(conn, parameters)
        if not overtaken:
            break
        # Nothing was done: the batch without them is another one, with a root of its own.
        stale += overtaken
        rows = rows.only(~np.isin(rows.user_id, overtaken))
    return stale


def _call(conn: psycopg.Connection[Any], parameters: dict[str, Any]) -> list[int]:
    try:
        with conn.cursor(row_factory=scalar_row) as cursor:
            cursor.adapters.register_dumper(BinaryArray, BinaryArrayDumper)
            return cursor.execute(query("decision_apply"), parameters).fetchall()
    except psycopg.Error as error:
        message = error.diag.message_primary or str(error)
        if error.sqlstate in _REFUSALS:
            raise _REFUSALS[error.sqlstate](message) from error
        if error.sqlstate == approvals.NOT_APPROVED:
            raise PolicyNotApproved(f"{message}; {approvals.MEND}") from error
        if error.sqlstate == approvals.RISK_NOT_APPROVED:
            raise RiskModelNotApproved(f"{message}; {approvals.RISK_MEND}") from error
        raise


def _array(conn: psycopg.Connection[Any], rows: Rows) -> BinaryArray:
    found = conn.execute(query("decision_types")).fetchone()
    assert found is not None, "one row, whatever there is"
    element, array = found
    return array_of(rows.body, len(rows), element=element, array=array)
