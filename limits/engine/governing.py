"""Policies proposed by one person and decided on by another; the rules of who may are the database's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from limits.errors import PolicyError
from limits.policy import Policy, parse_policy
from limits.store import approvals, policies
from limits.store.approvals import Approval, PolicyRole, Verdict
from limits.store.db import Connection, Database

log = structlog.get_logger()


@dataclass(frozen=True)
class Decision:
    """A proposal as it stands. ``changed``: by this call."""

    approval: Approval
    changed: bool

    def as_dict(self) -> dict[str, Any]:
        """The proposal for a machine, and whether this call changed it."""
        return {**self.approval.as_dict(), "changed": self.changed}


def propose_policy(database: Database, name: str, *, role: PolicyRole, actor: str, reason: str) -> list[Decision]:
    """Proposes every policy of a file, folder or pack that is not proposed or approved for the role already."""
    return propose_policies(database, policies.read_pack(name), role=role, actor=actor, reason=reason)


def propose_policies(
    database: Database, history: Sequence[Policy], *, role: PolicyRole, actor: str, reason: str
) -> list[Decision]:
    """Proposes every one of the policies that is not proposed or approved for the role already."""
    with database.connect("operations", "limits policy propose") as conn:
        return [_propose(conn, policy, role, actor, reason) for policy in history]


def _propose(conn: Connection, policy: Policy, role: PolicyRole, actor: str, reason: str) -> Decision:
    for one in approvals.history(conn, policy.pack):
        if one.stands and one.role == role and bytes(one.policy_hash) == policy.policy_hash:
            return Decision(one, changed=False)
    number = approvals.propose(conn, policy, role=role, actor=actor, reason=reason)
    log.info("policy proposed", approval_id=number, policy_hash=policy.policy_hash.hex(), role=role, actor=actor)
    return Decision(approvals.get(conn, number), changed=True)


def decide_policy(database: Database, approval_id: int, verdict: Verdict, *, actor: str, reason: str) -> Decision:
    """Approves, rejects or withdraws a proposal.

    PolicyError when what is to be approved is not what the row says of it: pack and date
    stand beside the text, and whoever may store a policy wrote them.
    """
    with database.connect("operations", f"limits policy {verdict}") as conn:
        there = approvals.get(conn, approval_id)
        if verdict == "approve":
            _check_text(conn, there)
        changed = approvals.decide(conn, approval_id, verdict, actor=actor, reason=reason)
        if changed:
            log.info("policy decided on", approval_id=approval_id, verdict=verdict, actor=actor)
        return Decision(approvals.get(conn, approval_id), changed)


def _check_text(conn: Connection, there: Approval) -> None:
    text = policies.load_policy(conn, there.policy_hash)
    policy = parse_policy(text, file=f"policy of proposal {there.approval_id}")
    if (policy.pack, policy.effective_on) != (there.pack, there.effective_on):
        raise PolicyError(
            f"proposal {there.approval_id} is kept as pack {there.pack}, effective on {there.effective_on}, but its "
            f"text says {policy.pack}, {policy.effective_on}; reject it"
        )
