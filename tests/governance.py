"""Two people for tests that need a policy to decide: it is proposed by one and approved by the other."""

from __future__ import annotations

from limits.policy import Policy
from limits.store import approvals, policies
from limits.store.approvals import PolicyRole
from limits.store.db import Connection

MAKER, CHECKER = "Mia Maker", "Chen Checker"


def approve(conn: Connection, policy: Policy, *, role: PolicyRole = "champion") -> int:
    """Proposed and approved; the number of the approval. ``conn`` has the rights of the owner."""
    number = approvals.propose(conn, policy, role=role, actor=MAKER, reason="for a test")
    assert approvals.decide(conn, number, "approve", actor=CHECKER, reason="for a test")
    return number


def approve_shipped(conn: Connection) -> None:
    """Every policy that comes with the product may decide."""
    for name in policies.pack_names():
        for policy in policies.read_pack(name):
            approve(conn, policy)
