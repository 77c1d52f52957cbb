"""limits request, limits consent, limits change: what a user asks for, agrees to, accepts or declines."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common, whatif

if TYPE_CHECKING:
    from limits.engine import Answer
    from limits.store.pending import Change

change = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Changes that wait: offers and announced ones. List, accept, run."
)


class Subject(enum.StrEnum):
    """What a consent is about."""

    RAISES = "raises"
    AUTOMATION = "automation"


class State(enum.StrEnum):
    """Whether it is given."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"


def read_amount(text: str) -> Any:
    """An amount with its currency."""
    from limits.money import parse_money

    try:
        return parse_money(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


UserId = Annotated[int, common.number_argument("USER", "Number of the user.")]
ChangeId = Annotated[int, common.number_argument("CHANGE", "Number of the change.")]
Key = Annotated[str, common.words_option("--key", "The same key is never applied twice.", "KEY")]
AsOf = Annotated[str | None, common.date_option("--as-of", "The business date (UTC). Default: today.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("request")(request_command)
    app.command("consent")(consent_command)
    app.add_typer(change, name="change")


# Requests ------------------------------------------------------------------------------------


def request_command(
    user_id: UserId,
    amount: Annotated[
        str,
        typer.Argument(
            parser=read_amount, metavar="AMOUNT", help='The limit asked for, such as "95000 CZK".', show_default=False
        ),
    ],
    key: Key,
    as_of: AsOf = None,
    policy: common.PolicyName = None,
    actor: common.Actor = None,
    lang: common.Language = common.Lang.EN,
    json: common.Json = False,
) -> None:
    """A user asks for a higher limit: decided and answered at once, granted, partly granted or refused."""
    from limits import engine
    from limits.settings import get_settings
    from limits.terminal import print_json
    from limits.whatif_text import as_dict

    settings = get_settings()
    wanted: Any = amount  # the option's parser has made money of it
    date: Any = as_of
    with common.database(settings) as database:
        common.load_forecast()
        made = engine.request_limit(
            database,
            settings,
            user_id,
            wanted,
            key=key,
            actor=common.the_actor(settings, actor),
            as_of=date,
            policy=policy,
        )
        refused = made.request.answer != "granted"
        with database.connect("operations", "limits request") as conn:
            other = whatif.explained(conn, made.entry) if refused else None
    if json:
        entry, words = made.entry, lang.value
        would = as_dict(other, entry.currency, entry.exponent, words, for_user=False) if other else None
        print_json(made.as_dict() | {"counterfactuals": would})
        return
    _print_answer(made, key, lang.value)
    if other is not None:
        whatif.show(other, made.entry, lang.value, for_user=False)


def _print_answer(made: Answer, key: str, language: str) -> None:
    from limits import explanation
    from limits.money import money
    from limits.terminal import note, say

    request, entry = made.request, made.entry
    amount = money(request.amount_minor, request.exponent, request.currency)
    say(f"Request {request.request_id} for {amount}: {made.said}", strong=True)
    explanation.show(entry, language)
    if made.asked_minor != request.amount_minor:
        asked = money(made.asked_minor, request.exponent, request.currency)
        note(f"{asked} was asked for; limits lie on the policy's grid, so it was decided on {amount}")
    if made.waiting is not None and request.answer != "granted":
        what = "an offer" if made.waiting.kind == "offer" else "an announced change"
        note(f"{what} is open for the user, number {made.waiting.change_id}: limits change list --user {entry.user_id}")
    if made.repeated:
        note(f"key {key!r} was used before, on {entry.decided_at:%Y-%m-%d}: this is the answer given then")


# Consent -------------------------------------------------------------------------------------


def consent_command(
    user_id: UserId,
    subject: Annotated[
        Subject,
        typer.Argument(help="raises: to be raised without asking; automation: to be decided about without a person."),
    ],
    state: Annotated[State, typer.Argument(help="Whether the user agrees or takes it back.")],
    reason: Annotated[str, common.words_option("--reason", "How it came in, as the record shall say.")],
    as_of: Annotated[str | None, common.date_option("--as-of", "From this date (UTC) on. Default: today.")] = None,
    actor: common.Actor = None,
    json: common.Json = False,
) -> None:
    """What a user agrees to, or does not any longer. Taking back raises ends a raise that waits."""
    from limits import engine
    from limits.settings import get_settings
    from limits.terminal import note, print_json

    settings = get_settings()
    date: Any = as_of
    with common.database(settings) as database:
        written, ended = engine.set_consent(
            database,
            user_id,
            subject.value,
            state.value,
            actor=common.the_actor(settings, actor),
            reason=reason,
            as_of=date,
        )
    if json:
        answer = {"user_id": user_id, "subject": subject.value, "state": state.value}
        print_json({**answer, "written": written, "ended_changes": ended})
        return
    if not written:
        note(f"user {user_id}: {subject.value} {state.value} is what was known already; nothing was changed")
        return
    note(f"user {user_id}: {subject.value} {state.value}")
    if ended:
        note(f"{ended} raise{'s' * (ended > 1)} that waited will not be made")


# Changes -------------------------------------------------------------------------------------


@change.command("list")
def list_changes(
    user: Annotated[int | None, common.number_option("--user", "Only this user.")] = None,
    due: Annotated[bool, typer.Option("--due", help="Only those whose day has come.")] = False,
    ended: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many changes at most.")] = 50,
    after: Annotated[
        int | None, common.number_option("--after", "Go on after this change, the last one of the page before.")
    ] = None,
    json: common.Json = False,
) -> None:
    """Offers and announced changes that are open, by number."""
    from limits.store import pending
    from limits.terminal import note, print_json

    with common.database() as database, database.connect("operations", "limits change list") as conn:
        found = pending.changes(
            conn,
            user_id=user,
            due_on=common.today() if due else None,
            ended=ended,
            after=after or 0,
            limit=limit + 1,
        )
    more, found = len(found) > limit, found[:limit]
    following = found[-1].change_id if more else None
    if json:
        print_json({"changes": [one.as_dict() for one in found], "after": following})
        return
    if not found:
        note("no change waits" if not ended else "there is no such change")
        return
    _print_changes(found)
    if following:
        note(f"there is more: add --after {following}")


@change.command("accept")
def accept_change(
    change_id: ChangeId,
    key: Key,
    as_of: AsOf = None,
    policy: common.PolicyName = None,
    actor: common.Actor = None,
    lang: common.Language = common.Lang.EN,
    json: common.Json = False,
) -> None:
    """The user accepts an offer: checked afresh, and the limit raised at once as far as it still may be."""
    from limits import engine, explanation
    from limits.settings import get_settings
    from limits.terminal import note, print_json

    settings = get_settings()
    date: Any = as_of
    with common.database(settings) as database:
        common.load_forecast()
        made = engine.accept(
            database, change_id, key=key, actor=common.the_actor(settings, actor), as_of=date, policy=policy,
            snapshot_store=settings.snapshot_store,
        )  # fmt: skip
    if json:
        print_json({"change": made.change.as_dict(), "decision": made.entry.as_dict(), "repeated": made.repeated})
        return
    explanation.show(made.entry, lang.value)
    if made.repeated:
        note(f"key {key!r} was used before, on {made.entry.decided_at:%Y-%m-%d}: nothing was changed now")
    else:
        note(made.said if made.whole else f"{made.said}, for the reasons above")


@change.command("decline")
def decline_change(
    change_id: ChangeId,
    reason: Annotated[str, common.words_option("--reason", "Why, as the record shall say.")] = "declined by the user",
    actor: common.Actor = None,
    json: common.Json = False,
) -> None:
    """The user does not want a raise that was offered or announced."""
    from limits import engine
    from limits.settings import get_settings
    from limits.terminal import note, print_json

    settings = get_settings()
    with common.database(settings) as database:
        found, done = engine.decline(
            database, change_id, actor=common.the_actor(settings, actor), reason=reason, as_of=None
        )
    if json:
        print_json({"change": found.as_dict(), "repeated": not done})
        return
    note(f"change {change_id} was declined" + ("" if done else " before: nothing was changed now"))


@change.command("run")
def run_changes(
    as_of: AsOf = None, policy: common.PolicyName = None, actor: common.Actor = None, json: common.Json = False
) -> None:
    """What the scheduler does by itself: apply announced changes whose day has come, end offers past theirs."""
    from limits import engine
    from limits.settings import get_settings
    from limits.terminal import note, print_json

    settings = get_settings()
    date: Any = as_of or common.today()
    with common.database(settings) as database:
        common.load_forecast()
        run = engine.due_changes(
            database, date, actor=common.the_actor(settings, actor), policy=policy,
            snapshot_store=settings.snapshot_store,
        )  # fmt: skip
    if json:
        counts = {"applied": run.applied, "suppressed": run.suppressed, "expired": run.expired}
        waiting = [{"change_id": number, "reason": why} for number, why in run.waiting.items()]
        print_json({"as_of": run.as_of.isoformat(), **counts, "waiting": waiting})
    else:
        note(f"{run.applied:,} applied, {run.suppressed:,} suppressed, {run.expired:,} expired as of {run.as_of}")
        for number, why in run.waiting.items():
            note(f"change {number} waits: {why}")
    if run.waiting:
        raise typer.Exit(1)


def _print_changes(found: list[Change]) -> None:
    from limits.money import major
    from limits.terminal import table

    table(
        ("change", "user", "kind", "as of", "limit", "proposed", "", "day", "state", "why"),
        [
            (
                str(one.change_id),
                str(one.user_id),
                one.kind,
                one.as_of.isoformat(),
                major(one.limit_minor, one.exponent),
                major(one.proposed_minor, one.exponent),
                one.currency,
                one.effective_on.isoformat(),
                one.state,
                one.ended_reason,
            )
            for one in found
        ],
        numbers=("change", "user", "limit", "proposed"),
    )
