"""limits review release, cancel and resume, and limits kill-switch: what people do between deciding and applying."""

from __future__ import annotations

import contextlib
import enum
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from limits.cli import common
from limits.cli.review import review

if TYPE_CHECKING:
    from limits.store.db import Connection, Database
    from limits.store.reviews import ReviewRow

ReviewId = Annotated[int, common.number_argument("ID", "Number of the review.")]
Why = Annotated[str, common.words_option("--reason", "Why, as the record shall say.")]

kill_switch = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Stop all applying at once; let it go on again."
)

#: How many turns of the switch are shown.
TURNS = 20

#: How often, while somebody waits for the switch, it is looked who is in the way, in seconds.
LOOK_SECONDS = 1.0


class _Verdict(enum.StrEnum):
    RELEASE = "release"
    CANCEL = "cancel"
    RESUME = "resume"


def register(app: typer.Typer) -> None:
    """Add the command group; those about a review are in the group of the reviews."""
    app.add_typer(kill_switch, name="kill-switch")


@review.command("release")
def release(review_id: ReviewId, reason: Why, actor: common.Actor = None, json: common.Json = False) -> None:
    """Let a held review go on, as somebody else than who asked for it; workers then apply it."""
    _do(_Verdict.RELEASE, review_id, reason, actor, json=json)


@review.command("cancel")
def cancel(review_id: ReviewId, reason: Why, actor: common.Actor = None, json: common.Json = False) -> None:
    """Cancel a review that is not done; what it applied stays. A held one takes somebody else than who asked for it."""
    _do(_Verdict.CANCEL, review_id, reason, actor, json=json)


@review.command("resume")
def resume(
    review_id: ReviewId,
    reason: Annotated[str, common.words_option("--reason", "Why, as the record shall say.")] = "what failed is mended",
    actor: common.Actor = None,
    json: common.Json = False,
) -> None:
    """Try a failed review again, from where it stopped."""
    _do(_Verdict.RESUME, review_id, reason, actor, json=json)


def _do(verdict: _Verdict, review_id: int, reason: str, actor: str | None, *, json: bool) -> None:
    from limits.engine.story import review_dict
    from limits.settings import get_settings
    from limits.store import gates, reviews
    from limits.terminal import note, print_json, say

    settings = get_settings()
    who = common.the_actor(settings, actor)
    with common.database(settings) as database, database.connect("operations", f"limits review {verdict}") as conn:
        reviews.get(conn, review_id)
        changed = True
        if verdict is _Verdict.RELEASE:
            gates.release(conn, review_id, actor=who, reason=reason)
        elif verdict is _Verdict.CANCEL:
            changed = gates.cancel(conn, review_id, actor=who, reason=reason)
        else:
            changed = gates.resume(conn, review_id, actor=who, reason=reason)
        row = reviews.get(conn, review_id)
        shown = {**review_dict(conn, row), "changed": changed} if json else None
    if shown is not None:
        print_json(shown)
        return
    say(f"Review {review_id} as of {row.business_date}: {row.state}")
    if not changed:
        note(f"it was {row.state} before: nothing was changed")
    elif verdict is not _Verdict.CANCEL:
        note(f"workers go on with it; to see it through: {again(row)}")


def again(row: ReviewRow) -> str:
    """The command that sees a review through."""
    import shlex

    schedule = "" if row.schedule in (None, "manual") else f" --schedule {shlex.quote(row.schedule or '')}"
    return f"limits review run --as-of {row.business_date}{schedule}"


def held_lines(conn: Connection, row: ReviewRow) -> list[str]:
    """Since when a review is held, and what to do; nothing for one that is not."""
    from limits.engine.standing import held_since
    from limits.store import gates

    if row.state != "held":
        return []
    last = [event for event in gates.events(conn, row.review_id) if event.what == "held"][-1]
    return [f"{label:<10} {text}" for label, text in held_since(last, row.review_id, row.actor).lines()]


@kill_switch.command("on")
def engage(reason: Why, actor: common.Actor = None, json: common.Json = False) -> None:
    """Stop all applying, of reviews and of single users. Nothing is being applied when this returns."""
    _turn(True, reason, actor, json=json)


@kill_switch.command("off")
def disengage(reason: Why, actor: common.Actor = None, json: common.Json = False) -> None:
    """Let limits be applied again, as somebody else than who engaged the switch."""
    _turn(False, reason, actor, json=json)


@kill_switch.command("status")
def status(json: common.Json = False) -> None:
    """Whether it is engaged, by whom, why, and who turned it before."""
    with common.database() as database, database.connect("auditor", "limits kill-switch status") as conn:
        _show(conn, json=json)


def _turn(engaged: bool, reason: str, actor: str | None, *, json: bool) -> None:
    from limits.settings import get_settings
    from limits.store import gates
    from limits.terminal import note

    settings = get_settings()
    who = common.the_actor(settings, actor)
    with common.database(settings) as database, database.connect("operations", "limits kill-switch") as conn:
        with _who_is_in_the_way(database, conn):
            changed = gates.set_switch(conn, engaged, actor=who, reason=reason)
        _show(conn, json=json, changed=changed)
    if not changed and not json:
        note("it was so before: nothing was changed")


@contextlib.contextmanager
def _who_is_in_the_way(database: Database, conn: Connection) -> Iterator[None]:
    """Says which sessions a connection waits for, each once, while the caller waits on it."""
    from limits.errors import DatabaseError
    from limits.store import gates
    from limits.store.db import TROUBLE
    from limits.terminal import note

    over, pid = threading.Event(), conn.info.backend_pid
    told: set[int] = set()

    def look() -> None:
        # A connection of its own, made when it is needed: turning the switch depends on neither.
        with contextlib.suppress(*TROUBLE, DatabaseError), database.connect("operations", "limits kill-switch") as mine:
            while not over.wait(LOOK_SECONDS):
                for other in gates.in_the_way(mine, pid):
                    if other.pid not in told:
                        told.add(other.pid)
                        note(
                            f"waiting for a transaction of the login {other.login} (process {other.pid}, "
                            f"{other.application or 'no name'}) that holds the switch; nothing new is applied "
                            f"meanwhile. "
                            f"If it does not end, end it as a superuser: SELECT pg_terminate_backend({other.pid})"
                        )

    def look_later() -> None:
        if not over.wait(LOOK_SECONDS):
            look()

    looking = threading.Thread(target=look_later, name="who is in the way", daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()


def _show(conn: Connection, *, json: bool, changed: bool | None = None) -> None:
    from limits.store import gates
    from limits.terminal import print_json, say

    switch, turns = gates.switch(conn), gates.turns(conn, limit=TURNS)
    if json:
        history = [
            {
                "at": turn.at.isoformat(), "engaged": turn.engaged, "actor": turn.actor,
                "session_role": turn.session_role, "reason": turn.reason,
            }
            for turn in turns
        ]  # fmt: skip
        shown = {"engaged": switch.engaged, "actor": switch.actor or None, "reason": switch.reason, "turns": history}
        print_json(shown if changed is None else {**shown, "changed": changed})
        return
    say(f"The kill switch is {'engaged: nothing is applied' if switch.engaged else 'not engaged'}", strong=True)
    for turn in turns:
        say(f"  {turn.at:%Y-%m-%d %H:%M:%S} UTC  {'on ' if turn.engaged else 'off'}  {turn.actor}: {turn.reason}")
