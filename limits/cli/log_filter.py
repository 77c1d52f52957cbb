"""Which entries of the adjustment log are meant: the options that `limits log list` and `limits log export` share.

All that is named must hold. A reason can be named again; any other option that is given twice is refused (once.py).
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common
from limits.cli.change import read_amount

if TYPE_CHECKING:
    from limits.store.log import LogFilter

#: The largest share of a limit that can be asked for, in percent: far above any change there is.
LARGEST_PERCENT = 1_000_000


class Action(enum.StrEnum):
    """What a decision did to the limit at once."""

    RAISED = "raised"
    HELD = "held"
    LOWERED = "lowered"


class Outcome(enum.StrEnum):
    """What a decision came to: also what it left to wait, while the limit was held."""

    RAISED = "raised"
    HELD = "held"
    LOWERED = "lowered"
    OFFERED = "offered"
    ANNOUNCED = "announced"


def read_percent(text: str) -> Any:
    """A part of a hundred with at most two decimals, above zero, in basis points."""
    match = re.fullmatch(r"([0-9]{1,7})(?:\.([0-9]{1,2}))?%?", text)
    if match and 0 < (bps := int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))) <= LARGEST_PERCENT * 100:
        return bps
    raise typer.BadParameter(
        f"{text!r} is not a percentage; write it like 25 or 12.5, above 0 and at most {LARGEST_PERCENT}"
    )


def _amount_option(name: str, help_text: str) -> Any:
    return typer.Option(name, parser=read_amount, metavar="AMOUNT", help=help_text, show_default=False)


User = Annotated[int | None, common.number_option("--user", "Only this user.")]
Review = Annotated[int | None, common.number_option("--review", "Only this review.")]
From = Annotated[str | None, common.date_option("--from", "Only reviews as of this date or later.")]
To = Annotated[str | None, common.date_option("--to", "Only reviews as of this date or earlier.")]
ActionOption = Annotated[
    Action | None, typer.Option("--action", help="Only limits raised, held or lowered; what waits is held.")
]
OutcomeOption = Annotated[
    Outcome | None,
    typer.Option("--outcome", help="As --action, but changes that were offered or announced apart from holds."),
]
ReasonOption = Annotated[
    list[str] | None,
    common.words_option(
        "--reason", "Only decisions with this reason code, such as past_due; given again, with all of them.", "CODE"
    ),
]
ActorOption = Annotated[str | None, common.words_option("--actor", "Only decisions made by this actor.", "NAME")]
PolicyOption = Annotated[
    str | None,
    common.words_option(
        "--policy", "Only decisions by policies of this pack, or by the one whose hash begins so.", "PACK|HASH"
    ),
]
MinChange = Annotated[
    str | None,
    _amount_option(
        "--min-change",
        'Only changes, made, offered or announced, up or down, of this much or more, such as "1000 CZK"; of that '
        "currency alone.",
    ),
]
MaxChange = Annotated[str | None, _amount_option("--max-change", "As --min-change: of this much or less.")]
MinShare = Annotated[
    str | None,
    typer.Option(
        "--min-share", parser=read_percent, metavar="PERCENT", show_default=False,
        help="Only changes of this part of the limit before or more, such as 25.",
    ),
]  # fmt: skip


def read_filter(
    user: Any,
    review: Any,
    since: Any,
    until: Any,
    action: Action | None,
    outcome: Outcome | None,
    reason: Any,
    actor: Any,
    min_change: Any,
    max_change: Any,
    min_share: Any,
) -> LogFilter:
    """The filter that the options name; BadParameter where nothing can match. The policy is looked up later."""
    from limits.store.log import LogFilter

    if since and until and since > until:
        raise typer.BadParameter(f"--from {since} lies after --to {until}: nothing can match")
    number, disposition = _outcome(action, outcome)
    currency, least, most = _sizes(min_change, max_change)
    return LogFilter(
        user_id=user,
        review_id=review,
        as_of_from=since,
        as_of_to=until,
        action=number,
        disposition=disposition,
        reasons=_reasons(reason),
        actor=actor,
        currency=currency,
        min_change_minor=least,
        max_change_minor=most,
        min_share_bps=min_share,
    )


def _outcome(action: Action | None, outcome: Outcome | None) -> tuple[int | None, int | None]:
    """The stored action and disposition of both."""
    from limits.store.log import ACTIONS, OUTCOMES

    number = {word: number for number, word in ACTIONS.items()}.get(action.value) if action else None
    if outcome is None:
        return number, None
    of_outcome, disposition = OUTCOMES[outcome.value]
    implied = 0 if of_outcome is None else of_outcome  # the limit of what waits is held
    if number not in (None, implied):
        raise typer.BadParameter(f"--action {action} and --outcome {outcome} exclude each other: nothing can match")
    return implied, disposition


def _reasons(codes: list[str] | None) -> Any:
    """The reasons of the codes, all of which an entry must have."""
    from limits.reasons import Reason
    from limits.store.log import reason_code

    known = {reason_code(r): r for r in Reason}
    for code in codes or ():
        if code.lower() not in known:
            raise typer.BadParameter(f"{code!r} is no reason code; there are: {', '.join(sorted(known))}")
    return tuple(known[code.lower()] for code in codes or ())


def _sizes(least: Any, most: Any) -> tuple[str | None, int | None, int | None]:
    """Currency and bounds of the size of a change, minor units."""
    if least and most and least.currency != most.currency:
        raise typer.BadParameter(
            f"--min-change is in {least.currency} and --max-change in {most.currency}: nothing can match"
        )
    if least and most and least.minor > most.minor:
        raise typer.BadParameter("--min-change is larger than --max-change: nothing can match")
    given = least or most
    return given.currency if given else None, least.minor if least else None, most.minor if most else None
