"""limits web: the console and the API, and one-time links that sign a local person in."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Annotated

import typer

from limits.cli import common

if TYPE_CHECKING:
    from collections.abc import Sequence

    from limits.settings import Settings
    from limits.store.db import Database

web = typer.Typer(invoke_without_command=True, help="The web console and the API, served until stopped.")
token = typer.Typer(no_args_is_help=True, help="Tokens with which machines use the API.")
web.add_typer(token, name="token")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(web, name="web")


@web.callback()
def serve(
    context: typer.Context,
    link: Annotated[
        bool, typer.Option("--link", help="Print a link that signs in once, with all roles, when the server listens.")
    ] = False,
) -> None:
    """Serve the console and the API at LIMITS_WEB_HOST and LIMITS_WEB_PORT until stopped (Ctrl-C or SIGTERM)."""
    if context.invoked_subcommand is not None:
        return
    from limits.console import serving
    from limits.console.people import ROLES
    from limits.settings import get_settings
    from limits.terminal import note
    from tasks.logs import set_up

    settings = get_settings()
    with common.database(settings) as database:
        set_up(settings.log_level)
        common.load_scoring()  # before the first person waits for it

        def listening() -> None:
            how = "sign in with: limits web link"
            if settings.oidc_issuer is not None:
                how = f"people sign in at {settings.oidc_issuer}"
            elif not settings.embedded:
                how = "LIMITS_OIDC_ISSUER is not set, so it is for machines with a token alone: limits web token new"
            note(f"the console is at {serving.address(settings)}; {how}")
            if link and settings.embedded:
                note(
                    f"once, within 15 minutes: {make_link(database, settings, common.the_actor(settings, None), ROLES)}"
                )

        serving.serve(database, settings, listening)


def why_not(database: Database, settings: Settings) -> str | None:
    """Why the console could not be served now; None where it can. For ``limits up``, which works without it too."""
    from limits.console import serving
    from limits.errors import LimitsError

    if not settings.embedded and settings.oidc_issuer is None:
        return "nobody could sign in; set LIMITS_OIDC_ISSUER, LIMITS_OIDC_CLIENT_ID and LIMITS_WEB_URL"
    try:
        serving.check(database, settings)
        serving.bind(settings.web_host, settings.web_port).close()
    except LimitsError as error:
        return str(error)
    return None


@web.command("link")
def link(
    actor: common.Actor = None,
    role: Annotated[
        list[str] | None,
        typer.Option("--role", help="risk, operations, approver, auditor or admin; again for several. Default: all."),
    ] = None,
    json: common.Json = False,
) -> None:
    """Print a link that signs one local person in, once, within 15 minutes. Only with the embedded database."""
    from limits.console.people import ROLES
    from limits.errors import SettingsError
    from limits.settings import get_settings
    from limits.terminal import note, print_json, say

    unknown = [one for one in role or [] if one not in ROLES]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is no role; there are {', '.join(ROLES)}", param_hint="--role")
    settings = get_settings()
    if not settings.embedded:
        raise SettingsError(
            "links are for the embedded database; with LIMITS_DATABASE_URL people sign in at LIMITS_OIDC_ISSUER"
        )
    name = common.the_actor(settings, actor)
    with common.database(settings) as database:
        made = make_link(database, settings, name, role or ROLES)
    if json:
        print_json({"link": made, "actor": name, "roles": list(role or ROLES)})
        return
    say(made)
    note(f"signs in {name} once, within 15 minutes, while limits web or limits up runs")


def make_link(database: Database, settings: Settings, actor: str, roles: Sequence[str]) -> str:
    """The address that signs in once."""
    from limits.console import serving, sessions
    from limits.console.people import ROLES

    with database.connect("console", "limits web link") as conn:
        secret = sessions.make_link(conn, actor, [one for one in ROLES if one in roles])
    return f"{serving.address(settings)}/sign-in?link={secret}"


@token.command("new")
def token_new(
    name: Annotated[str, typer.Argument(help="What the log calls the machine: letters, digits, points and dashes.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="risk, operations or auditor; again for several. Needed.")
    ],
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="For so many days it counts.")] = 90,
    actor: common.Actor = None,
    json: common.Json = False,
) -> None:
    """Make a token for a machine and print its secret, which is shown once and kept nowhere.

    No token is a second person or lets others in: there is no scope approver or admin.
    """
    from limits.console import tokens
    from limits.settings import get_settings
    from limits.terminal import note, print_json, say

    if not re.fullmatch(tokens.NAME, name):
        raise typer.BadParameter(f"{name!r} is no name of letters, digits, points and dashes", param_hint="NAME")
    unknown = [one for one in scope if one not in tokens.SCOPES]
    if unknown:
        words = f"{unknown[0]!r} is no scope of a machine; there are {', '.join(tokens.SCOPES)}"
        raise typer.BadParameter(words, param_hint="--scope")
    settings = get_settings()
    by = common.the_actor(settings, actor)
    with common.database(settings) as database, database.connect("console", "limits web token") as conn:
        made, secret = tokens.make(conn, name, [one for one in tokens.SCOPES if one in scope], days, by)
    if json:
        print_json(
            {"token_id": made.token_id, "name": made.name, "secret": secret, "ends_at": made.ends_at.isoformat()}
        )
        return
    say(secret)
    note(f"token {made.token_id} of {name}, until {made.ends_at:%Y-%m-%d %H:%M} UTC; the log calls it: token {name}")


@token.command("list")
def token_list(json: common.Json = False) -> None:
    """The newest 500 tokens, those that are over too."""
    from limits.console import tokens
    from limits.terminal import note, print_json, say

    with common.database() as database, database.connect("console", "limits web token") as conn:
        rows = tokens.listing(conn, limit=500)
    if json:
        plain = [
            {name: value.isoformat() if isinstance(value, dt.datetime) else value for name, value in vars(row).items()}
            for row in rows
        ]
        print_json(plain)
        return
    for row in rows:
        used = f"used {row.used_at:%Y-%m-%d %H:%M}" if row.used_at else "never used"
        say(
            f"{row.token_id:>5}  {row.state:<7}  {row.name}  {', '.join(row.scopes)}  until {row.ends_at:%Y-%m-%d}  "
            f"{used}  by {row.created_by}"
        )
    if not rows:
        note("there is no token; make one: limits web token new NAME --scope risk")


@token.command("revoke")
def token_revoke(
    token_id: Annotated[int, common.number_argument("TOKEN", "Its number, as limits web token list shows it.")],
    actor: common.Actor = None,
) -> None:
    """End a token at once. Again changes nothing."""
    from limits.console import tokens
    from limits.settings import get_settings
    from limits.terminal import note

    settings = get_settings()
    by = common.the_actor(settings, actor)
    with common.database(settings) as database, database.connect("console", "limits web token") as conn:
        row = tokens.revoke(conn, token_id, by)
    note(f"token {row.token_id} of {row.name} is revoked since {row.revoked_at:%Y-%m-%d %H:%M} UTC by {row.revoked_by}")
