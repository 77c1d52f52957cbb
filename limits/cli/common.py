"""What the commands share: how arguments are read and checked, the actor, the database."""

from __future__ import annotations

import contextlib
import contextvars
import datetime as dt
import enum
import getpass
import os
import re
import shlex
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from limits.settings import Settings
    from limits.store.db import Connection, Database

#: Characters of the name of a schedule, as the database takes them.
LONGEST_NAME = 100

#: Why something takes long that is quick the next time.
COMPILING = "compiling the forecast, once on this machine; it takes some 15 seconds"

#: The largest number a bigint column holds.
LARGEST = 2**63 - 1

#: Whether the command may make an embedded database where there is none.
_may_make = contextvars.ContextVar("may_make", default=True)


def today() -> dt.date:
    """The business date now (UTC). The command line is one of the few places that read the clock."""
    return dt.datetime.now(dt.UTC).date()


def read_date(text: str) -> dt.date:
    """A date written YYYY-MM-DD, and no other way."""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        with contextlib.suppress(ValueError):
            return dt.date.fromisoformat(text)
    raise typer.BadParameter(f"{text!r} is not a date; write it YYYY-MM-DD, such as 2026-03-31")


def read_number(text: str) -> int:
    """A positive whole number that fits a bigint: ids of users, reviews and entries."""
    if re.fullmatch(r"[0-9]{1,19}", text) and 1 <= int(text) <= LARGEST:
        return int(text)
    raise typer.BadParameter(f"{text!r} is not a number from 1 to {LARGEST}")


def read_words(text: str) -> str:
    """A text that is kept in the database: not empty, at most 500 characters, no control characters."""
    text = text.strip()
    if not text:
        raise typer.BadParameter("it is empty")
    if len(text) > 500:
        raise typer.BadParameter(f"it has {len(text)} characters; at most 500 are kept")
    if any(not c.isprintable() for c in text):
        raise typer.BadParameter(f"{text!r} holds a character that cannot be printed")
    return text


def read_schedule_name(text: str) -> str:
    """A name of a schedule: words, and no more than the database takes."""
    name = read_words(text)
    if len(name) > LONGEST_NAME:
        raise typer.BadParameter(f"a name of {len(name):,} characters is too long; {LONGEST_NAME} are possible")
    return name


def number_argument(name: str, help_text: str) -> Any:
    """A positional id."""
    return typer.Argument(parser=read_number, metavar=name, help=help_text, show_default=False)


def number_option(name: str, help_text: str) -> Any:
    """An id given by name."""
    return typer.Option(name, parser=read_number, metavar="N", help=help_text, show_default=False)


def date_option(name: str, help_text: str) -> Any:
    """A date given by name."""
    return typer.Option(name, parser=read_date, metavar="DATE", help=help_text, show_default=False)


def words_option(name: str, help_text: str, metavar: str = "TEXT", *, parser: Callable[[str], str] = read_words) -> Any:
    """A text given by name."""
    return typer.Option(name, parser=parser, metavar=metavar, help=help_text, show_default=False)


#: Where people are told what to do once log, limits or replay do not hold.
WHAT_TO_DO = "what to do now: docs/log.md, When it does not hold"

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Actor = Annotated[
    str | None,
    words_option("--actor", "Who does this, as the log shall say. Default: LIMITS_ACTOR, else user@host.", "NAME"),
]
PolicyName = Annotated[
    str | None,
    words_option("--policy", "A policy pack by name, a TOML file or a folder of them. Default: LIMITS_POLICY.", "NAME"),
]


class Lang(enum.StrEnum):
    """The language of reasons and headings."""

    EN = "en"
    ZH = "zh"


Language = Annotated[Lang, typer.Option("--lang", help="Language of the words.")]


def the_actor(settings: Settings, given: str | None) -> str:
    """Who acts: the option, else LIMITS_ACTOR, else the user of this machine and its name."""
    if given or settings.actor:
        return given or settings.actor or ""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid{os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def schedule_hint(conn: Connection, settings: Settings) -> str:
    """The command that adds a schedule by a policy that may decide today: the settings' own, else an approved pack."""
    from limits import engine
    from limits.errors import PolicyError, PolicyNotApproved
    from limits.store import approvals, policies

    approved = [row.pack for row in reversed(approvals.history(conn)) if row.state == "approved"]
    shipped = policies.pack_names()
    for name in dict.fromkeys((settings.policy, *(pack for pack in approved if pack in shipped))):
        with contextlib.suppress(PolicyError, PolicyNotApproved):
            approvals.require_policy(conn, engine.policy_for(name, today()))
            return f"limits schedule add nightly --policy {shlex.quote(name)}"
    return (
        "limits schedule add nightly --policy FILE, with the file of a policy that is approved: limits policy history"
    )


def load_forecast() -> None:
    """Loads what decides, and says so where it must be compiled first."""
    from limits import capacity
    from limits.terminal import note

    capacity.warm(lambda: note(COMPILING))


def load_scoring() -> None:
    """Loads what scores by a scorecard, and the forecast that it reads."""
    from limits import risk
    from limits.terminal import note

    load_forecast()
    risk.warm(lambda: note("compiling the scorecard, once on this machine; it takes some seconds"))


@contextlib.contextmanager
def only_existing() -> Iterator[None]:
    """Meanwhile no embedded database is made: an empty one in a wrong home would look like a log that was cut off."""
    token = _may_make.set(False)
    try:
        yield
    finally:
        _may_make.reset(token)


@contextlib.contextmanager
def database(settings: Settings | None = None) -> Iterator[Database]:
    """The database of the settings, opened and closed again."""
    from limits.settings import get_settings
    from limits.store.db import open_database
    from tasks.logs import set_up

    set_up("warning")  # standard output is for results; services say more once they run
    settings = settings or get_settings()
    with open_database(settings, make=_may_make.get()) as opened:
        yield opened
        if settings.embedded:
            from limits.cli.log_seal import seal_rest

            seal_rest(opened, settings)
