"""Risk models: every one that was ever proposed, byte for byte, and which may score from which date on.

The functions of the database check who may do what; this module calls them, and turns what
they refuse into the product's errors.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import re
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row, scalar_row

from limits.errors import InputError, NotFound, RiskModelError
from limits.risk import Scorecard, parse_scorecard
from limits.store import approvals
from limits.store.approvals import Verdict
from limits.store.queries import query

Connection = psycopg.Connection[Any]

#: Hexadecimal digits of a hash, and how many of them say which is meant, at least.
HASH_DIGITS, FEWEST_DIGITS = 64, 4


@dataclass(frozen=True)
class RiskApproval:
    """A model proposed to score from a date on, and what became of it. The sessions are the logins behind the names."""

    approval_id: int
    model_hash: bytes
    effective_on: dt.date
    state: Literal["proposed", "approved", "rejected", "withdrawn"]
    name: str
    horizon_months: int
    maker: str
    maker_session: str
    proposed_at: dt.datetime
    reason: str
    checker: str | None
    checker_session: str | None
    decided_at: dt.datetime | None
    decided_reason: str
    withdrawn_by: str | None
    withdrawn_session: str | None
    withdrawn_at: dt.datetime | None
    withdrawn_reason: str

    @property
    def stands(self) -> bool:
        """Proposed or approved: the same model need not be proposed again."""
        return self.state in ("proposed", "approved")

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        moments = {
            name: at.isoformat() if (at := getattr(self, name)) else None
            for name in ("proposed_at", "decided_at", "withdrawn_at", "effective_on")
        }
        names = (
            "approval_id", "name", "horizon_months", "state", "maker", "maker_session", "reason", "checker",
            "checker_session", "decided_reason", "withdrawn_by", "withdrawn_session", "withdrawn_reason",
        )  # fmt: skip
        return {"model_hash": self.model_hash.hex(), **{name: getattr(self, name) for name in names}, **moments}


def propose(conn: Connection, model: Scorecard, *, effective_on: dt.date, actor: str, reason: str) -> int:
    """Keeps the model and proposes it; the number of the proposal. ApprovalRefused when one stands already."""
    parameters = {
        "body": model.body, "name": model.name, "horizon_months": model.horizon_months, "effective_on": effective_on,
        "actor": actor, "reason": reason,
    }  # fmt: skip
    with approvals.in_words(), conn.cursor(row_factory=scalar_row) as cursor:
        return int(cursor.execute(query("risk_propose"), parameters).fetchone() or 0)


def decide(conn: Connection, approval_id: int, verdict: Verdict, *, actor: str, reason: str) -> bool:
    """Approves, rejects or withdraws; False when that was done before, and nothing is changed then.

    ApprovalRefused when the verdict cannot be given any more, or not by this person or login.
    """
    parameters = {"approval_id": approval_id, "verdict": verdict, "actor": actor, "reason": reason}
    with approvals.in_words(), conn.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(query("risk_decide"), parameters).fetchone())


def get(conn: Connection, approval_id: int) -> RiskApproval:
    """The proposal of that number; NotFound names it."""
    found = _list(conn, approval_id=approval_id)
    if not found:
        raise NotFound(f"there is no proposal {approval_id} of a model; `limits risk history` shows those there are")
    return found[0]


def history(conn: Connection) -> list[RiskApproval]:
    """All proposals, oldest first."""
    return _list(conn)


def named(conn: Connection, digits: str) -> list[RiskApproval]:
    """The proposals of the model whose hash begins so, oldest first. NotFound for none, InputError for several."""
    if not re.fullmatch(rf"[0-9a-fA-F]{{{FEWEST_DIGITS},{HASH_DIGITS}}}", digits):
        raise InputError(
            f"{digits[:80]!r} is no hash of a model: give its first hexadecimal digits, {FEWEST_DIGITS} at least; "
            "limits risk history has them"
        )
    low, high = (bytes.fromhex(digits.lower().ljust(HASH_DIGITS, fill)) for fill in "0f")
    found = _list(conn, low=low, high=high)
    hashes = sorted({bytes(one.model_hash) for one in found})
    if not hashes:
        raise NotFound(f"no model has a hash that begins with {digits}; limits risk history has those there are")
    if len(hashes) > 1:
        raise InputError(
            f"{digits} begins the hashes of several models, such as {hashes[0].hex()} and {hashes[1].hex()}; "
            "give more digits"
        )
    return found


def require(conn: Connection, model_hash: bytes | None) -> None:
    """RiskModelNotApproved unless the model is approved to score; None: no model, which needs no approval.

    Inside a transaction the approval cannot be withdrawn before that ends.
    """
    with approvals.in_words():
        conn.execute(query("risk_require"), {"model_hash": model_hash})


def in_force(conn: Connection, as_of: dt.date) -> Scorecard | None:
    """The model that scores on a date; None where there is none."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        model_hash = cursor.execute(query("risk_in_force"), {"as_of": as_of}).fetchone()
    return load(conn, model_hash)


def load(conn: Connection, model_hash: bytes | None) -> Scorecard | None:
    """A model by its hash; None for None. RiskModelError where it is gone or has another text."""
    if model_hash is None:
        return None
    wanted = bytes(model_hash)
    with conn.cursor(row_factory=scalar_row) as cursor:
        body = cursor.execute(query("risk_load"), {"model_hash": wanted}).fetchone()
    if body is None:
        raise RiskModelError(f"the risk model {wanted.hex()} is not in the database: what it scored cannot be scored")
    if hashlib.sha256(body.encode()).digest() != wanted:
        raise RiskModelError(
            f"the risk model kept as {wanted.hex()} has another text than that hash; nothing may use it"
        )
    try:
        return _read(body)
    except InputError as error:
        raise RiskModelError(str(error)) from error


@functools.lru_cache(maxsize=8)
def _read(body: str) -> Scorecard:
    digest = hashlib.sha256(body.encode()).hexdigest()
    return parse_scorecard(body, file=f"the risk model {digest[:12]}")


def _list(
    conn: Connection, *, approval_id: int | None = None, low: bytes | None = None, high: bytes | None = None
) -> list[RiskApproval]:
    parameters = {"approval_id": approval_id, "low": low, "high": high}
    with conn.cursor(row_factory=class_row(RiskApproval)) as cursor:
        return cursor.execute(query("risk_list"), parameters).fetchall()
