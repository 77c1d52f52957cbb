"""limits whatif, and what limits explain says of counterfactuals: what would be decided if."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common

if TYPE_CHECKING:
    from limits.engine.supposing import Explained, Supposed
    from limits.store.db import Connection
    from limits.store.log import LogEntry


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("whatif")(whatif_command)


def whatif_command(
    user_id: Annotated[int, common.number_argument("USER", "Number of the user.")],
    changes: Annotated[
        list[str],
        typer.Option("--set", metavar="NAME=VALUE", help="An input as it might be, such as inflow=+10%. Repeatable."),
    ],
    as_of: Annotated[str | None, common.date_option("--as-of", "The business date (UTC). Default: today.")] = None,
    policy: common.PolicyName = None,
    lang: common.Language = common.Lang.EN,
    json: common.Json = False,
) -> None:
    """What would be decided about a user if some inputs were others, beside what is. Nothing is changed."""
    from limits.engine.supposing import suppose
    from limits.settings import get_settings
    from limits.terminal import note, print_json
    from limits.whatif_text import WORDS, supposed_dict

    settings, date = get_settings(), as_of
    found_date: Any = date  # the option's parser has made a date of it
    with common.database(settings) as database:
        common.load_forecast()
        made = suppose(database, settings, user_id, changes, as_of=found_date, policy=policy)
    day = found_date or common.today()
    if json:
        print_json(supposed_dict(made, user_id, day.isoformat()))
        return
    _print_supposed(made, user_id, day.isoformat(), lang.value)
    if made.waiting:
        note(str(WORDS[lang.value]["waiting"]))


def _print_supposed(made: Supposed, user_id: int, as_of: str, language: str) -> None:
    from limits.terminal import say, table
    from limits.whatif_text import WORDS, side_by_side

    words: Any = WORDS[language]
    changes = ", ".join(change.text(made.policy.currency) for change in made.changes)
    title = words["title"].format(
        user=user_id, as_of=as_of, pack=made.policy.pack, effective=made.policy.effective_on, changes=changes
    )
    say(title, strong=True)
    table(words["columns"], list(side_by_side(made, language)), numbers=words["columns"][1:])


def explained(conn: Connection, entry: LogEntry) -> Explained:
    """What would change a logged decision; loads the forecast first."""
    from limits.engine.supposing import explain

    common.load_forecast()
    return explain(conn, entry)


def show(made: Explained, entry: LogEntry, language: str, *, for_user: bool) -> None:
    """Print what would change the decision: with codes for operations, in careful words for the user."""
    from limits.terminal import note, say
    from limits.whatif_text import WORDS, lines

    words: Any = WORDS[language]
    if not made.same:  # to whoever looks, on standard error; what the user reads stays clean
        note(words["differs"].format(as_of=entry.as_of))
    for line in lines(made.found, entry.currency, entry.exponent, language, for_user=for_user):
        say(line)
