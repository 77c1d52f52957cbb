"""Which policy may decide: proposals by one person, verdicts by another, as rows.

The functions of the database check who may do what; this module calls them, and turns what
they refuse into the product's errors.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row, scalar_row

from limits.errors import (
    ApprovalRefused,
    ErasureRefused,
    NotFound,
    PolicyNotApproved,
    ReviewRefused,
    RiskModelNotApproved,
)  # fmt: skip
from limits.policy import Policy
from limits.store import policies
from limits.store.queries import query

Connection = psycopg.Connection[Any]

PolicyRole = Literal["champion", "challenger"]
Verdict = Literal["approve", "reject", "withdraw"]

#: What the database says by these codes is a sentence for people.
NOT_APPROVED = "LM004"
NOT_IN_FORCE = "LM012"
RISK_NOT_APPROVED = "LM041"
REFUSED = "LM011"
ERASED = "LM031"
#: Of a review as of a date that is archived.
ARCHIVED = "LM023"

MEND = (
    "one person proposes it (limits policy propose FILE --reason '...'), "
    "another approves it (limits policy approve ID --reason '...')"
)


RISK_MEND = (
    "propose it again (limits risk propose FILE --reason '...') and have another person approve it "
    "(limits risk approve HASH), or go on with the next date, which scores by the model in force then"
)


@dataclass(frozen=True)
class Approval:
    """A policy proposed for a role, and what became of it. The sessions are the logins behind the names."""

    approval_id: int
    policy_hash: bytes
    role: PolicyRole
    state: Literal["proposed", "approved", "rejected", "withdrawn"]
    pack: str
    effective_on: dt.date
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
        """Proposed or approved: the same policy need not be proposed again."""
        return self.state in ("proposed", "approved")

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "approval_id": self.approval_id,
            "pack": self.pack,
            "effective_on": self.effective_on.isoformat(),
            "policy_hash": self.policy_hash.hex(),
            "role": self.role,
            "state": self.state,
            "maker": self.maker,
            "maker_session": self.maker_session,
            "proposed_at": self.proposed_at.isoformat(),
            "reason": self.reason,
            "checker": self.checker,
            "checker_session": self.checker_session,
            "decided_at": self.decided_at.isoformat() if self.decided_at else None,
            "decided_reason": self.decided_reason,
            "withdrawn_by": self.withdrawn_by,
            "withdrawn_session": self.withdrawn_session,
            "withdrawn_at": self.withdrawn_at.isoformat() if self.withdrawn_at else None,
            "withdrawn_reason": self.withdrawn_reason,
        }


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """Refusals by the database as LimitsError: ApprovalRefused, ErasureRefused, PolicyNotApproved with what to do, or
    ReviewRefused of a date that is archived.
    """
    try:
        yield
    except psycopg.Error as error:
        message = error.diag.message_primary or str(error)
        if error.sqlstate == REFUSED:
            raise ApprovalRefused(message) from error
        if error.sqlstate == ERASED:
            raise ErasureRefused(message) from error
        if error.sqlstate == NOT_APPROVED:
            raise PolicyNotApproved(f"{message}; {MEND}") from error
        if error.sqlstate == RISK_NOT_APPROVED:
            raise RiskModelNotApproved(f"{message}; {RISK_MEND}") from error
        if error.sqlstate == ARCHIVED:
            raise ReviewRefused(message) from error
        if error.sqlstate == NOT_IN_FORCE:
            raise PolicyNotApproved(message) from error
        raise


def propose(conn: Connection, policy: Policy, *, role: PolicyRole, actor: str, reason: str) -> int:
    """Keeps the policy and proposes it; the number of the proposal. ApprovalRefused when one stands already."""
    with in_words(), conn.transaction(), conn.cursor(row_factory=scalar_row) as cursor:
        policy_hash = policies.store_policy(conn, policy, actor)
        parameters = {"policy_hash": policy_hash, "role": role, "actor": actor, "reason": reason}
        return int(cursor.execute(query("approval_propose"), parameters).fetchone() or 0)


def decide(conn: Connection, approval_id: int, verdict: Verdict, *, actor: str, reason: str) -> bool:
    """Approves, rejects or withdraws; False when that was done before, and nothing is changed then.

    ApprovalRefused when the verdict cannot be given any more, or not by this person or login.
    """
    parameters = {"approval_id": approval_id, "verdict": verdict, "actor": actor, "reason": reason}
    with in_words(), conn.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute(query("approval_decide"), parameters).fetchone())


def get(conn: Connection, approval_id: int) -> Approval:
    """The proposal of that number; NotFound names it."""
    found = _list(conn, approval_id=approval_id)
    if not found:
        raise NotFound(f"there is no proposal {approval_id}; `limits policy history` shows those there are")
    return found[0]


def history(conn: Connection, pack: str | None = None) -> list[Approval]:
    """All proposals, oldest first; those of one pack when it is named."""
    return _list(conn, pack=pack)


def require(conn: Connection, policy_hash: bytes) -> None:
    """PolicyNotApproved, with both hashes, unless the policy is approved to decide.

    Inside a transaction the approval cannot be withdrawn before that ends.
    """
    with in_words():
        conn.execute(query("approval_require"), {"policy_hash": policy_hash})


def in_force(conn: Connection, pack: str, as_of: dt.date) -> bytes | None:
    """The hash of the approved policy of a pack that is in force on a date, or None."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(query("approval_in_force"), {"pack": pack, "as_of": as_of}).fetchone()


def require_policy(conn: Connection, policy: Policy) -> None:
    """The same for a policy that may not be kept in the database yet. Leaves nothing behind."""
    with conn.transaction(force_rollback=True):
        policies.store_policy(conn, policy, "limits")
        require(conn, policy.policy_hash)


def _list(conn: Connection, *, approval_id: int | None = None, pack: str | None = None) -> list[Approval]:
    with conn.cursor(row_factory=class_row(Approval)) as cursor:
        return cursor.execute(query("approval_list"), {"approval_id": approval_id, "pack": pack}).fetchall()
