"""What the commands share: how arguments are read and checked, the actor, the database."""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import getpass
import os
import re
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from limits.settings import Settings
    from limits.store.db import Database

#: Why something takes long that is quick the next time.
COMPILING = "compiling the forecast, once on this machine; it takes some 15 seconds"

#: The largest number a bigint column holds.
LARGEST = 2**63 - 1


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


def number_argument(name: str, help_text: str) -> Any:
    """A positional id."""
    return typer.Argument(parser=read_number, metavar=name, help=help_text, show_default=False)


def number_option(name: str, help_text: str) -> Any:
    """An id given by name."""
    return typer.Option(name, parser=read_number, metavar="N", help=help_text, show_default=False)


def date_option(name: str, help_text: str) -> Any:
    """A date given by name."""
    return typer.Option(name, parser=read_date, metavar="DATE", help=help_text, show_default=False)


def words_option(name: str, help_text: str, metavar: str = "TEXT") -> Any:
    """A text given by name."""
    return typer.Option(name, parser=read_words, metavar=metavar, help=help_text, show_default=False)


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


def load_forecast() -> None:
    """Loads what decides, and says so where it must be compiled first."""
    from limits import capacity
    from limits.terminal import note

    capacity.warm(lambda: note(COMPILING))


@contextlib.contextmanager
def database(settings: Settings | None = None) -> Iterator[Database]:
    """The database of the settings, opened and closed again."""
    from limits.settings import get_settings
    from limits.store.db import open_database
    from tasks.logs import set_up

    set_up("warning")  # standard output is for results; services say more once they run
    with open_database(settings or get_settings()) as opened:
        yield opened
