"""limits risk propose, approve, reject, withdraw, history, show: who decides what scores."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common
from limits.cli.proposals import COLUMNS, SHORT, said, standing

if TYPE_CHECKING:
    from limits.risk import Scorecard
    from limits.store.approvals import Verdict
    from limits.store.risk_models import RiskApproval

Hash = Annotated[
    str, typer.Argument(metavar="HASH", help="sha256 of the model, or its first digits.", show_default=False)
]
Why = Annotated[str, common.words_option("--reason", "Why, as the history shall say.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command("propose")(propose)
    app.command("approve")(approve)
    app.command("reject")(reject)
    app.command("withdraw")(withdraw)
    app.command("history")(history)
    app.command("show")(show)


def propose(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A model, as JSON.", show_default=False)],
    reason: Why,
    effective_on: Annotated[
        str | None, common.date_option("--effective-on", "The first business date it scores on. Default: today (UTC).")
    ] = None,
    actor: common.Actor = None,
    json: common.Json = False,
) -> None:
    """Propose a model; it scores once somebody else has approved it."""
    from limits.engine import risk_governing
    from limits.settings import get_settings
    from limits.terminal import note, print_json

    settings = get_settings()
    date: Any = effective_on  # the option's parser has made a date of it
    with common.database(settings) as database:
        who = common.the_actor(settings, actor)
        made = risk_governing.propose_model(
            database, file, effective_on=date or common.today(), actor=who, reason=reason
        )
    if json:
        print_json(made.as_dict())
        return
    _table([made.approval])
    digits = made.approval.model_hash.hex()[:SHORT]
    if made.changed:
        note(f"proposed; another person approves it: limits risk approve {digits} --reason '...'")
    else:
        note(f"model {digits} is {made.approval.state} already: nothing was changed")


def approve(model: Hash, reason: Why, actor: common.Actor = None, json: common.Json = False) -> None:
    """Approve a model that somebody else proposed; one that was approved for the same date is withdrawn."""
    _decide(model, "approve", reason, actor, json=json)


def reject(model: Hash, reason: Why, actor: common.Actor = None, json: common.Json = False) -> None:
    """Reject a model that somebody else proposed."""
    _decide(model, "reject", reason, actor, json=json)


def withdraw(model: Hash, reason: Why, actor: common.Actor = None, json: common.Json = False) -> None:
    """Take back a proposal or an approval; nothing scored by it is applied any more, not even by a running review."""
    _decide(model, "withdraw", reason, actor, json=json)


def _decide(digits: str, verdict: Verdict, reason: str, actor: str | None, *, json: bool) -> None:
    from limits.engine import risk_governing
    from limits.settings import get_settings
    from limits.terminal import note, print_json

    settings = get_settings()
    with common.database(settings) as database:
        who = common.the_actor(settings, actor)
        made = risk_governing.decide_model(database, digits, verdict, actor=who, reason=reason)
    if json:
        print_json(made.as_dict())
        return
    _table([made.approval])
    one = made.approval
    by = one.withdrawn_by if one.state == "withdrawn" else one.checker
    short = one.model_hash.hex()[:SHORT]
    note(f"model {short} is {one.state}" if made.changed else f"it was {one.state} by {by} before: nothing was changed")


def history(json: common.Json = False) -> None:
    """Every model ever proposed, oldest first: by whom, who decided on it, and whether it stands."""
    from limits.store import risk_models
    from limits.terminal import note, print_json

    with common.database() as database, database.connect("auditor", "limits risk history") as conn:
        found = risk_models.history(conn)
    if json:
        print_json({"proposals": [one.as_dict() for one in found]})
    elif found:
        _table(found)
    else:
        note("no model was proposed yet; propose one: limits risk propose FILE --reason '...'")


def show(
    model: Annotated[
        str | None,
        typer.Argument(metavar="HASH", help="sha256 of a model, or its first digits.", show_default=False),
    ] = None,
    as_of: Annotated[
        str | None, common.date_option("--as-of", "Without HASH: the date it is in force on. Default: today (UTC).")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--model", metavar="FILE", help="A file, before it is proposed.", show_default=False),
    ] = None,
    bins: Annotated[bool, typer.Option("--bins", help="The points of every bin too.")] = False,
    text: Annotated[
        bool, typer.Option("--text", help="Print the model's file, byte for byte: its sha256 is the hash.")
    ] = False,
    json: common.Json = False,
) -> None:
    """A model in words: its bands with their probabilities, what it gives points for, and what its card says."""
    from limits.engine.risk_governing import read_model
    from limits.errors import InputError
    from limits.terminal import note, print_json

    if sum(one is not None for one in (model, as_of, file)) > 1:
        raise InputError("give a hash, a date with --as-of, or a file with --model, and not two of them")
    if text and json:
        raise InputError("--text and --json are two ways; choose one")
    asked: Any = as_of  # the option's parser has made a date of it
    date: dt.date = asked or common.today()
    found, stands = (read_model(file), []) if file else _kept(model, date)
    if text and found is not None:
        print(found.body, end="")
    elif json:
        on = None if model or file else date.isoformat()
        print_json({"as_of": on, "model": found and _model_dict(found, stands)})
    elif found is None:
        note(f"no model is in force on {date}: nobody is scored")
    else:
        _print_model(found, stands, bins=bins)


def _kept(model: str | None, date: dt.date) -> tuple[Scorecard | None, list[RiskApproval]]:
    """The model of a hash, or that in force on the date, with its proposals."""
    from limits.store import risk_models

    with common.database() as database, database.connect("auditor", "limits risk show") as conn:
        wanted = risk_models.named(conn, model)[-1].model_hash if model else None
        found = risk_models.load(conn, wanted) if wanted else risk_models.in_force(conn, date)
        return found, [one for one in risk_models.history(conn) if found and bytes(one.model_hash) == found.model_hash]


def _print_model(model: Scorecard, stands: list[RiskApproval], *, bins: bool) -> None:
    from limits.cli.risk_card import print_scorecard
    from limits.explanation import months
    from limits.terminal import say

    say(f"{model.name}, {months(model.horizon_months, 'en')} ahead, sha256 {model.model_hash.hex()}", strong=True)
    if stands:
        newest = stands[-1]
        decided = newest.decided_reason if newest.checker else newest.reason
        words = said(newest.withdrawn_by or newest.checker or newest.maker, newest.withdrawn_reason or decided)
        say(f"{newest.state}, effective on {newest.effective_on} ({words})")
    else:
        say("a file that is not kept here under a proposal")
    print_scorecard(model, with_bins=bins)


def _model_dict(model: Scorecard, stands: list[RiskApproval]) -> dict[str, Any]:
    return {
        "model_hash": model.model_hash.hex(),
        **model.model_dump(mode="json", exclude={"probability_ppm"}),
        "proposals": [one.as_dict() for one in stands],
    }


def _table(found: list[RiskApproval]) -> None:
    from limits.terminal import table

    table(
        ("sha256", "name", "months", "effective on", *COLUMNS),
        [
            (
                one.model_hash.hex()[:SHORT],
                one.name,
                str(one.horizon_months),
                one.effective_on.isoformat(),
                *standing(one),
            )
            for one in found
        ],
        numbers=("months",),
    )
