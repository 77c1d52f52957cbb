"""Which policies decide today: of each schedule that of its pack, where it is approved; and why another one may not."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from limits.engine.asking import policy_for
from limits.errors import LimitsError, PolicyError, PolicyNotApproved
from limits.policy import Policy, parse_policy
from limits.settings import Settings
from limits.store import approvals, policies, schedules
from limits.store.db import Connection


@dataclass(frozen=True)
class Standing:
    """The policy that a schedule's reviews are decided by. ``schedule``: None for reviews that no schedule asks for.

    ``trouble``: why nothing is decided by it; empty where all is well.
    """

    schedule: str | None
    pack: str
    policy: Policy | None
    trouble: str = ""


def standing(conn: Connection, settings: Settings, on: dt.date) -> list[Standing]:
    """Of each schedule, and of reviews asked for by hand, what decides on a date."""
    asked: list[tuple[str | None, str]] = [(None, settings.policy)]
    asked += [(one.schedule, one.pack) for one in schedules.list_schedules(conn)]
    return [_standing(conn, schedule, pack, on) for schedule, pack in asked]


def _standing(conn: Connection, schedule: str | None, pack: str, on: dt.date) -> Standing:
    policy = None
    try:
        policy = policy_for(pack, on)
        approvals.require(conn, policy.policy_hash)
    except LimitsError as error:
        return Standing(schedule, pack, policy, str(error))
    return Standing(schedule, pack, policy)


def why_not_applied(conn: Connection, pack: str, on: dt.date) -> str:
    """Why no decision by the policy of a pack (name, file or folder) may be applied as of a date; empty: one may."""
    try:
        policy = policy_for(pack, on)
        approvals.require_policy(conn, policy)
    except (PolicyError, PolicyNotApproved) as error:
        return str(error)
    found = approvals.in_force(conn, policy.pack, on)
    if found is not None and bytes(found) == policy.policy_hash:
        return ""
    return f"the policy of pack {policy.pack} that is approved and in force on {on} is another one; name its file"


def beside(conn: Connection, settings: Settings, policy: Policy, on: dt.date) -> Policy | None:
    """What a policy is best compared with: the approved one of its pack in force on a date, else that of the settings.

    None where that is the policy itself, or there is none that can be read.
    """
    found = approvals.in_force(conn, policy.pack, on)
    try:
        if found is not None and bytes(found) != policy.policy_hash:
            text = policies.load_policy(conn, found)
            return parse_policy(text, file=f"policy {found.hex()[:12]}")
        usual = policy_for(settings.policy, on)
    except PolicyError:
        return None
    return None if usual.policy_hash == policy.policy_hash else usual
