"""What keeps a user from being decided or applied: which review, since when, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from limits.console.users.answers import HoldAnswer
from limits.store.gates import Switch
from limits.store.users import HoldingReview, LeftOut

#: What to do about a user whom the newest review left out, by its reason.
MENDS = {
    "closed": "Nothing: a closed account is not decided.",
    "not_open_yet": "Import the profile of the user, or wait until the account is open.",
    "other_currency": "Ask risk for a review by a policy in the currency of the user.",
    "no_credit_line": "Import the user with a credit line.",
}
#: Where no mend is known for the reason.
MEND = "Correct the data at their source and import them again; the next review decides the user."


def holds(
    reviews: Sequence[HoldingReview], switch: Switch, left_out: LeftOut | None, why_not: str | None
) -> Iterator[HoldAnswer]:
    """Each thing that holds the user up, the most pressing first. ``why_not``: why nothing can be decided today."""
    if switch.engaged:
        yield HoldAnswer(
            kind="kill_switch", review_id=None, state="engaged", since=switch.changed_at,
            text=f"The kill switch is engaged by {switch.actor}: {switch.reason}. No limit changes while it is.",
            to_do=f"Wait, or have somebody else than {switch.actor} end it. A preview is still possible.",
        )  # fmt: skip
    yield from (_review(one, switch.engaged) for one in reviews)
    if left_out is not None:
        yield HoldAnswer(
            kind="left_out", review_id=left_out.review_id, state=left_out.outcome, since=None,
            text=f"The review of {left_out.schedule} as of {left_out.business_date} did not decide this user: "
            f"{left_out.detail or left_out.reason.replace('_', ' ')}.",
            to_do=MENDS.get(left_out.reason, MEND),
        )  # fmt: skip
    elif why_not is not None:
        yield HoldAnswer(
            kind="not_decidable", review_id=None, state="not decidable", since=None,
            text=f"Nothing can be decided about this user today: {why_not}.", to_do=MEND,
        )  # fmt: skip


def _review(one: HoldingReview, engaged: bool) -> HoldAnswer:
    name = f"Review {one.review_id} of {one.schedule} as of {one.business_date}"
    text, to_do = _said(one, engaged)
    since = one.at if one.state == "held" and one.at is not None else one.since
    return HoldAnswer(
        kind="review", review_id=one.review_id, state=one.state, since=since, text=f"{name} {text}", to_do=to_do
    )


def _said(one: HoldingReview, engaged: bool) -> tuple[str, str]:
    """What the review does with the user now, and what to do."""
    meanwhile = "A recompute does not have to wait: the review then decides the user again."
    if one.state == "owed":
        return "is owed and nobody works on it yet.", "Wait for a worker. " + meanwhile
    if one.state == "failed":
        why = f": {one.error}" if one.error else ""
        return (
            f"failed before this user was decided and applied{why}.",
            "Ask risk to run the review again. " + meanwhile,
        )
    if one.state == "held":
        why = f": {one.reason}" if one.reason else ""
        return (
            f"decided this user and is held{why}. Nothing of it is applied until it is released or cancelled.",
            "Ask an approver to release or cancel it. " + meanwhile,
        )
    if one.shard_stage == "decide":
        return "has this user on its list and has not decided yet.", "Wait; it takes minutes. " + meanwhile
    if one.stage == "decide":
        return "decided this user and still decides others.", "Wait: it is applied when all are decided."
    if engaged:
        return "decided this user and cannot apply it while the kill switch is engaged.", "Wait for the kill switch."
    if not one.released:
        return (
            "decided this user; the canary is applied first and compared.",
            "Wait: the rest follows when the canary has passed.",
        )
    return "decided this user and applies it now.", "Wait; it takes minutes."
