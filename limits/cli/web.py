"""limits web: the console and the API, and one-time links that sign a local person in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from limits.cli import common

if TYPE_CHECKING:
    from collections.abc import Sequence

    from limits.settings import Settings
    from limits.store.db import Database

web = typer.Typer(invoke_without_command=True, help="The web console and the API, served until stopped.")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(web, name="web")


@web.callback()
def serve(context: typer.Context) -> None:
    """Serve the console and the API at LIMITS_WEB_HOST and LIMITS_WEB_PORT until stopped (Ctrl-C or SIGTERM)."""
    if context.invoked_subcommand is not None:
        return
    from limits.console import serving
    from limits.settings import get_settings
    from limits.terminal import note
    from tasks.logs import set_up

    settings = get_settings()
    with common.database(settings) as database:
        set_up(settings.log_level)
        note(f"the console is at {serving.address(settings)}; sign in with: limits web link")
        common.load_scoring()  # before the first person waits for it
        serving.serve(database, settings)


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
