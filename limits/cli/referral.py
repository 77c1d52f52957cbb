"""limits referral: users whom a person has to look at."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from limits.cli import common
from limits.reasons import Reason

referral = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Users whom a person has to look at: list, clear."
)


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(referral, name="referral")


@referral.command("list")
def list_referrals(
    as_of: Annotated[
        str | None, common.date_option("--as-of", "Overrides in force on this date count. Default: today.")
    ] = None,
    json: common.Json = False,
) -> None:
    """Users whose newest decision waits for a person, the longest first, and how to decide."""
    from limits.engine.referring import WAYS
    from limits.money import money
    from limits.store import referrals
    from limits.terminal import note, print_json, table

    date: Any = as_of or common.today()  # the option's parser has made a date of it
    with common.database() as database, database.connect("auditor", "limits referral list") as conn:
        found = referrals.list_referrals(conn, date)
    if json:
        rows = [{**row.as_dict(), "decide_by": WAYS[Reason(row.reason)]} for row in found]
        print_json({"as_of": date.isoformat(), "referrals": rows})
        return
    if not found:
        note("nobody waits for a person")
        return
    lines = [
        (
            str(row.user_id),
            Reason(row.reason).name.lower(),
            f"{row.since:%Y-%m-%d}",
            row.as_of.isoformat(),
            money(row.limit_after_minor, row.exponent, row.currency),
            WAYS[Reason(row.reason)],
        )
        for row in found
    ]
    table(("user", "reason", "since", "as of", "limit", "decide by"), lines, numbers=("user", "limit"))


@referral.command("clear")
def clear_referral(
    user_id: Annotated[int, common.number_argument("USER", "Number of the user.")],
    reason: Annotated[str, common.words_option("--reason", "What was looked at and found, as it shall be kept.")],
    actor: common.Actor = None,
    json: common.Json = False,
) -> None:
    """Nothing was found against a user who is linked to a fraud: links known today no longer count."""
    from limits.engine import referring
    from limits.settings import get_settings
    from limits.terminal import print_json, say

    settings = get_settings()
    who = common.the_actor(settings, actor)
    with common.database(settings) as database, database.connect("operations", "limits referral clear") as conn:
        today = referring.clear(conn, user_id, actor=who, reason=reason)
    if json:
        print_json({"user_id": user_id, "cleared_on": today, "actor": who, "reason": reason})
    else:
        say(f"user {user_id} is cleared of links known on {today}; the next review decides without them")
