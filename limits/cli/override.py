"""limits override: what a person sets for one user in place of the rules, for a time."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common

if TYPE_CHECKING:
    from limits.money import Money
    from limits.store.overrides import Override

override = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Hold, cap or keep up one user's limit for a time."
)

OverrideId = Annotated[int, common.number_argument("ID", "Number of the override.")]
Why = Annotated[str, common.words_option("--reason", "Why, as the record shall say.")]


class Kind(enum.StrEnum):
    """What an override does."""

    HOLD = "hold"
    CAP = "cap"
    FLOOR = "floor"
    SET = "set"


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(override, name="override")


def read_amount(text: str) -> Money:
    """An amount with its currency."""
    from limits.money import parse_money

    try:
        return parse_money(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@override.command("propose")
def propose(
    user_id: Annotated[int, common.number_argument("USER", "Number of the user.")],
    kind: Annotated[
        Kind,
        typer.Argument(
            help="hold: the limit stays. cap: not above the amount. floor: no cut below it. set: both.",
            show_default=False,
        ),
    ],
    until: Annotated[str, common.date_option("--until", "The first day (UTC) on which it no longer counts.")],
    reason: Why,
    amount: Annotated[
        str | None,
        typer.Argument(
            metavar="AMOUNT", parser=read_amount, help="Not for hold: such as '50000 CZK'.", show_default=False
        ),
    ] = None,
    starts: Annotated[
        str | None, common.date_option("--from", "The first day (UTC) on which it counts. Default: today.")
    ] = None,
    actor: common.Actor = None,
    json: common.Json = False,
) -> None:
    """Propose an override; it counts once somebody else has approved it."""
    from limits.settings import get_settings
    from limits.store import overrides
    from limits.terminal import note

    settings = get_settings()
    first: Any = starts or common.today()
    last: Any = until
    sum_: Any = amount
    with common.database(settings) as database, database.connect("operations", "limits override propose") as conn:
        number = overrides.propose(
            conn,
            user_id,
            kind.value,
            sum_,
            starts_on=first,
            expires_on=last,
            actor=common.the_actor(settings, actor),
            reason=reason,
        )
        one = overrides.get(conn, number)
    _show(one, changed=True, json=json)
    if not json:
        note(f"proposed; another person approves it: limits override approve {number} --reason '...'")


@override.command("approve")
def approve(number: OverrideId, reason: Why, actor: common.Actor = None, json: common.Json = False) -> None:
    """Approve an override that somebody else proposed; it counts from today on, or from its first day."""
    _decide(number, "approve", reason, actor, json=json)


@override.command("reject")
def reject(number: OverrideId, reason: Why, actor: common.Actor = None, json: common.Json = False) -> None:
    """Reject an override that somebody else proposed."""
    _decide(number, "reject", reason, actor, json=json)


@override.command("end")
def end(number: OverrideId, reason: Why, actor: common.Actor = None, json: common.Json = False) -> None:
    """End an override before its time."""
    _decide(number, "end", reason, actor, json=json)


def _decide(number: int, verdict: str, reason: str, actor: str | None, *, json: bool) -> None:
    from limits.settings import get_settings
    from limits.store import overrides
    from limits.terminal import note

    settings = get_settings()
    who = common.the_actor(settings, actor)
    with common.database(settings) as database, database.connect("operations", f"limits override {verdict}") as conn:
        overrides.get(conn, number)
        if verdict == "end":
            changed = overrides.end(conn, number, actor=who, reason=reason)
        else:
            changed = overrides.decide(
                conn, number, "approve" if verdict == "approve" else "reject", actor=who, reason=reason
            )
        one = overrides.get(conn, number)
    _show(one, changed=changed, json=json)
    if not json:
        by = one.ended_by if one.state == "ended" else one.checker
        note(
            f"override {number} is {one.state}"
            if changed
            else f"it was {one.state} by {by} before: nothing was changed"
        )


@override.command("list")
def list_overrides(
    user: Annotated[int | None, common.number_option("--user", "Only overrides of this user.")] = None,
    json: common.Json = False,
) -> None:
    """Every override there was, oldest first, and whether it counts today."""
    from limits.store import overrides
    from limits.terminal import note, print_json

    with common.database() as database, database.connect("auditor", "limits override list") as conn:
        found = overrides.list_overrides(conn, user)
    if json:
        print_json({"overrides": [one.as_dict(common.today()) for one in found]})
    elif found:
        _table(found)
    else:
        note("there is no override; propose one: limits override propose USER hold --until DATE --reason '...'")


def _show(one: Override, *, changed: bool, json: bool) -> None:
    from limits.terminal import print_json

    if json:
        print_json({**one.as_dict(common.today()), "changed": changed})
    else:
        _table([one])


def _table(found: list[Override]) -> None:
    from limits.terminal import table

    table(
        ("id", "user", "kind", "amount", "from", "until", "state", "counts today", "maker", "checker", "ended by"),
        [
            (
                str(one.override_id),
                str(one.user_id),
                one.kind,
                one.amount,
                one.starts_on.isoformat(),
                one.expires_on.isoformat(),
                one.state,
                "yes" if one.counts_on(common.today()) else "no",
                f"{one.maker}: {one.reason}",
                f"{one.checker}: {one.decided_reason}" if one.checker else "",
                f"{one.ended_by}: {one.ended_reason}" if one.ended_by else "",
            )
            for one in found
        ],
        numbers=("id", "user", "amount"),
    )


#: The line of an explanation, by language.
IN_FORCE = {
    "en": "  Override   {number}: {kind}, from {start} until {end}, set by {maker}, approved by {checker}: {reason}",
    "zh": "  人工设定   {number}：{kind}，自 {start} 起，至 {end} 止，由 {maker} 提出、{checker} 批准：{reason}",
}
KINDS = {
    "en": {
        "hold": "the limit stays",
        "cap": "not above {}",
        "floor": "no cut below {}",
        "set": "not above {0}, no cut below it",
    },
    "zh": {"hold": "额度不变", "cap": "不高于 {}", "floor": "不降到 {} 以下", "set": "不高于 {}，也不降到它以下"},
}


def show_in_force(found: list[Override], language: str) -> None:
    """The overrides that a decision about the user goes by, below its explanation."""
    from limits.terminal import say

    for one in found:
        end = min(one.expires_on, one.ended_on or one.expires_on)
        say(
            IN_FORCE[language].format(
                number=one.override_id, kind=KINDS[language][one.kind].format(one.amount), start=one.starts_on, end=end,
                maker=one.maker, checker=one.checker, reason=one.reason,
            )
        )  # fmt: skip
