"""Two people for tests that need a policy to decide: it is proposed by one and approved by the other."""

from __future__ import annotations

import datetime as dt

from limits.policy import Policy, parse_policy
from limits.risk import Scorecard
from limits.store import approvals, policies, risk_models
from limits.store.approvals import PolicyRole
from limits.store.db import Connection

MAKER, CHECKER = "Mia Maker", "Chen Checker"


def variant(line: str = "# edited", *, pack: str = "standard", **changed: str) -> Policy:
    """The standard policy with another line at the end, and other text in place of some."""
    text = policies.read_pack("standard")[0].body.replace('pack = "standard"', f'pack = "{pack}"')
    for old, new in changed.items():
        assert f"{old} = " in text
        text = "\n".join(f"{old} = {new}" if at.startswith(f"{old} = ") else at for at in text.split("\n"))
    return parse_policy(f"{text}{line}\n", file="a test")


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


def approve_model(conn: Connection, model: Scorecard, effective_on: dt.date) -> int:
    """Proposed and approved to score from a date on; the number of the approval."""
    number = risk_models.propose(conn, model, effective_on=effective_on, actor=MAKER, reason="for a test")
    assert risk_models.decide(conn, number, "approve", actor=CHECKER, reason="for a test")
    return number
