"""Which entries of the adjustment log are meant: the options that `limits log list` and `limits log export` share.

All that is named must hold. A reason can be named again; any other option that is given twice is refused (once.py).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common
from limits.cli.change import read_amount

if TYPE_CHECKING:
    from limits.store.log import LogFilter


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
    """A part of a hundred, in basis points."""
    from limits.errors import InputError
    from limits.store import log_wanted

    try:
        return log_wanted.read_percent(text)
    except InputError as error:
        raise typer.BadParameter(str(error)) from None


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
    from limits.errors import InputError
    from limits.store import log_wanted

    try:
        return log_wanted.wanted(
            user=user,
            review=review,
            since=since,
            until=until,
            action=action.value if action else None,
            outcome=outcome.value if outcome else None,
            reasons=reason or (),
            actor=actor,
            min_change=min_change,
            max_change=max_change,
            min_share_bps=min_share,
            named=lambda name: f"--{name}",
        )
    except InputError as error:
        raise typer.BadParameter(str(error)) from None
