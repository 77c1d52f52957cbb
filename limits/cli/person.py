"""limits person: who a user is, kept sealed outside of the log, and erasing a user."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common

if TYPE_CHECKING:
    from limits.store.persons import Erasure

person = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Who a user is, kept outside of the log; erasing a user."
)

UserId = Annotated[int, common.number_argument("USER", "Number of the user.")]
ReferenceFile = Annotated[
    Path | None,
    typer.Option(
        "--reference-file", metavar="FILE", show_default=False,
        help="File with the lender's own reference of the user. Without it standard input is read.",
    ),
]  # fmt: skip

#: More bytes than any reference has; what is longer is refused and never read as a whole.
_MOST_BYTES = 4096


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(person, name="person")


@person.command("set")
def set_person(
    user_id: UserId,
    file: ReferenceFile = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference", metavar="TEXT", show_default=False,
            help="The reference itself. Others on this machine can see it in the list of processes.",
        ),
    ] = None,
    actor: common.Actor = None,
    json: common.Json = False,
) -> None:  # fmt: skip
    """Keep the lender's own reference of a user, encrypted; one that was kept before is replaced."""
    from limits.settings import get_settings
    from limits.store import persons
    from limits.terminal import print_json, say

    if file is not None and reference is not None:
        raise typer.BadParameter("--reference-file and --reference are two ways; choose one")
    settings = get_settings()
    text = _read(file) if reference is None else reference
    who = common.the_actor(settings, actor)
    with common.database(settings) as database, database.connect("operations", "limits person set") as conn:
        persons.put(conn, user_id, text, actor=who)
    if json:
        print_json({"user_id": user_id, "set": True, "actor": who})
    else:
        say(f"the reference of user {user_id} is kept, under a key of its own")


@person.command("show")
def show_person(user_id: UserId, json: common.Json = False) -> None:
    """The reference of a user, who set it and when, and who had set one before."""
    from limits.store import persons
    from limits.terminal import note, print_json, say

    with common.database() as database, database.connect("operations", "limits person show") as conn:
        found, settings = persons.get(conn, user_id), persons.settings(conn, user_id)
    if json:
        print_json({
            "user_id": user_id, "reference": found.reference, "set_at": found.set_at.isoformat(), "actor": found.actor,
            "settings": [
                {"set_at": one.set_at.isoformat(), "actor": one.actor, "login": one.login} for one in settings
            ],
        })  # fmt: skip
    else:
        say(found.reference)
        note(f"set {found.set_at:%Y-%m-%d %H:%M:%S} UTC by {found.actor}")
        for one in settings[1:]:
            note(f"another one was set {one.set_at:%Y-%m-%d %H:%M:%S} UTC by {one.actor}")


@person.command("find")
def find_person(file: ReferenceFile = None, json: common.Json = False) -> None:
    """The numbers of the users of a reference, which is read from standard input."""
    from limits.errors import NotFound
    from limits.store import persons
    from limits.terminal import print_json, say

    text = _read(file)
    with common.database() as database, database.connect("operations", "limits person find") as conn:
        found = persons.find(conn, text)
    if json:
        print_json({"users": found})
        return
    if not found:
        raise NotFound("no user has this reference")
    for user_id in found:
        say(str(user_id))


@person.command("erase")
def erase_person(
    user_id: UserId,
    reason: Annotated[
        str | None, common.words_option("--reason", "Propose it: why, in words that do not name the person.")
    ] = None,
    confirm: Annotated[bool, typer.Option("--confirm", help="Carry out what somebody else proposed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --confirm: it cannot be undone.")] = False,
    actor: common.Actor = None,
    json: common.Json = False,
) -> None:
    """Erase a user: one person proposes it with --reason, another carries it out with --confirm --yes."""
    from limits.settings import get_settings
    from limits.store import persons
    from limits.terminal import note, print_json

    if confirm == (reason is not None):
        raise typer.BadParameter("--reason proposes it, and --confirm carries out what somebody else proposed")
    if confirm != yes:
        raise typer.BadParameter(f"erasing user {user_id} cannot be undone; to do it, say --confirm --yes")
    settings = get_settings()
    who = common.the_actor(settings, actor)
    with common.database(settings) as database, database.connect("operations", "limits person erase") as conn:
        if reason is not None:
            persons.propose_erasure(conn, user_id, actor=who, reason=reason)
            done = None
        else:
            done = persons.erase(conn, user_id, actor=who)
    if json:
        print_json(_as_dict(done) if done else {"user_id": user_id, "proposed": True, "maker": who, "reason": reason})
    elif done:
        _show(done)
    else:
        note(f"proposed; another person carries it out: limits person erase {user_id} --confirm --yes")


@person.command("erasures")
def list_erasures(json: common.Json = False) -> None:
    """Who was erased, by whom and why, and what waits for a second person."""
    from limits.store import persons
    from limits.terminal import note, print_json, table

    with common.database() as database, database.connect("auditor", "limits person erasures") as conn:
        done, waiting = persons.erasures(conn), persons.proposals(conn)
    if json:
        proposed = [
            {"user_id": p.user_id, "proposed_at": p.proposed_at.isoformat(), "maker": p.maker, "reason": p.reason}
            for p in waiting
        ]
        print_json({"erasures": [_as_dict(one) for one in done], "proposals": proposed})
        return
    rows = [
        (str(e.user_id), e.erased_on.isoformat(), "erased", f"{e.maker}: {e.reason}", e.checker,
         str(sum(e.counts.values())))
        for e in done
    ]  # fmt: skip
    rows += [
        (str(p.user_id), p.proposed_at.date().isoformat(), "proposed", f"{p.maker}: {p.reason}", "", "")
        for p in waiting
    ]
    if rows:
        table(("user", "on", "state", "proposed by", "carried out by", "rows"), rows, numbers=("user", "rows"))
    else:
        note("nobody was erased, and nobody is proposed to be")


def _read(file: Path | None) -> str:
    """A reference from a file or from standard input."""
    from limits.errors import InputError

    try:
        if file is None:
            body = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with file.open("rb") as opened:
                body = opened.read(_MOST_BYTES + 1)
        if len(body) > _MOST_BYTES:
            raise InputError(f"a reference of more than {_MOST_BYTES:,} bytes is none")
        return body.decode()
    except OSError as error:
        raise InputError(f"{file or 'standard input'} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError("the reference is not UTF-8") from None


def _show(done: Erasure) -> None:
    from limits.terminal import note, say

    say(f"user {done.user_id} was erased on {done.erased_on}", strong=True)
    for name, count in sorted(done.counts.items()):
        if count:
            say(f"  {name:<20} {count:>12,}")
    note("entries of the log stay under the number; copies made before, such as backups, still lead to the person")


def _as_dict(done: Erasure) -> dict[str, Any]:
    return {
        "user_id": done.user_id,
        "erased_at": done.erased_at.isoformat(),
        "maker": done.maker,
        "proposed_at": done.proposed_at.isoformat(),
        "reason": done.reason,
        "checker": done.checker,
        "counts": done.counts,
    }
