"""Users whom a person has to look at: how a person decides, and that nothing was found against one."""

from __future__ import annotations

from limits.engine.asking import today
from limits.errors import InputError
from limits.reasons import HUMAN_REVIEW, Reason
from limits.store import recomputes, referrals
from limits.store.db import Connection

#: How a person decides, by what has to be looked at.
WAYS = {
    Reason.LINKED_FRAUD: "limits referral clear, or an override",
    Reason.CONFIRMED_FRAUD: "import the fraud with withdrawn_on where it was wrong, or an override",
    Reason.IDENTITY_MISMATCH: "import corrected users, or an override",
    Reason.AUTOMATION_REFUSED: "an override",
}
assert set(WAYS) == HUMAN_REVIEW, "every reason for a person to look has a way to decide"


def clear(conn: Connection, user_id: int, *, actor: str, reason: str) -> str:
    """Nothing was found against a user who is linked to a fraud: links known today no longer count. Gives the day.

    InputError for a user who does not wait for that, NotFound where there is no such user, ErasureRefused for one
    who was erased.
    """
    day = today()
    recomputes.last_decided(conn, user_id)
    waiting = [Reason(row.reason) for row in referrals.list_referrals(conn, day, user_id)]
    if Reason.LINKED_FRAUD not in waiting:
        other = "; ".join(f"{found.name.lower()} is decided by: {WAYS[found]}" for found in waiting)
        raise InputError(f"user {user_id} does not wait to be cleared" + (f"; {other}" if other else ""))
    referrals.clear(conn, user_id, cleared_on=day, actor=actor, reason=reason)
    return day.isoformat()
