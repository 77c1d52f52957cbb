"""What the tables of proposals share, of policies and of risk models: who said what, and how a proposal stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limits.store.approvals import Approval
    from limits.store.risk_models import RiskApproval

#: How many digits of a hash a table shows; JSON has all.
SHORT = 12
#: The last columns of a table of proposals.
COLUMNS = ("state", "proposed", "maker", "decided", "checker", "ended by")


def standing(one: Approval | RiskApproval) -> tuple[str, ...]:
    """COLUMNS of one proposal."""
    return (
        one.state,
        f"{one.proposed_at:%Y-%m-%d %H:%M}",
        said(one.maker, one.reason),
        f"{one.decided_at:%Y-%m-%d %H:%M}" if one.decided_at else "",
        said(one.checker, one.decided_reason),
        said(one.withdrawn_by, one.withdrawn_reason),
    )


def said(who: str | None, why: str) -> str:
    """Who it was, and with what words."""
    return "" if who is None else f"{who}: {why}" if why else who
