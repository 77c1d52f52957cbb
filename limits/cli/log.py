"""limits log: the adjustment log as an auditor reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from limits.cli import (
    common,
    log_archive,
    log_as_of,
    log_checkpoints,
    log_export,
    log_prove,
    log_reconcile,
    log_report,
    log_seal,
    log_verify,
)
from limits.cli.log_filter import (
    ActionOption,
    ActorOption,
    From,
    MaxChange,
    MinChange,
    MinShare,
    OutcomeOption,
    PolicyOption,
    ReasonOption,
    Review,
    To,
    User,
    read_filter,
)

if TYPE_CHECKING:
    from limits.store.log import LogEntry

log = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The adjustment log: read, export, reconcile, replay, seal, verify, archive.",
)


#: Those of the commands that may come before there is a database.
_WRITING = ("seal", "key")


@log.callback()
def _only_reads(context: typer.Context) -> None:
    if context.invoked_subcommand not in _WRITING:
        context.with_resource(common.only_existing())


def register(app: typer.Typer) -> None:
    """Add the command group."""
    for module in (
        log_archive, log_as_of, log_export, log_prove, log_reconcile, log_report, log_seal, log_verify, log_checkpoints,
    ):  # fmt: skip
        module.register(log)
    app.add_typer(log, name="log")


@log.command("list")
def list_entries(
    user: User = None,
    review: Review = None,
    since: From = None,
    until: To = None,
    action: ActionOption = None,
    outcome: OutcomeOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    policy: PolicyOption = None,
    min_change: MinChange = None,
    max_change: MaxChange = None,
    min_share: MinShare = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many entries at most.")] = 50,
    after: Annotated[
        int | None, common.number_option("--after", "Go on after this entry, the last one of the page before.")
    ] = None,
    json: common.Json = False,
) -> None:
    """Decisions that match, newest first."""
    from limits.store import archives, log_known
    from limits.store import log as store
    from limits.terminal import note, print_json

    wanted = read_filter(user, review, since, until, action, outcome, reason, actor, min_change, max_change, min_share)
    with common.database() as database, database.connect("auditor", "limits log list") as conn:
        found = store.page(conn, store.by_policy(conn, wanted, policy), limit=limit + 1, after=after)
        if not found:
            log_known.require_there(conn, wanted)
            log_known.require_actor(conn, wanted)
        archived = archives.of_days(conn, wanted.as_of_from, wanted.as_of_to) if len(found) <= limit else []
    more, found = len(found) > limit, found[:limit]
    following = found[-1].entry_id if more else None
    if json:
        print_json({"entries": [entry.as_dict() for entry in found], "after": following})
        return
    if archived:
        note(f"not looked at: {archives.in_words(archived)}")
    if not found:
        note("no entry of the log matches")
        return
    _print_entries(found)
    if following:
        note(f"there is more: add --after {following}")


@log.command("show")
def show_entry(
    entry_id: Annotated[int, common.number_argument("ID", "Number of the entry.")],
    lang: common.Language = common.Lang.EN,
    json: common.Json = False,
) -> None:
    """One decision in full: every ceiling, the forecast, the evidence, the policy and who stood for it."""
    from limits import explanation
    from limits.store import log as store
    from limits.terminal import print_json

    with common.database() as database, database.connect("auditor", "limits log show") as conn:
        found = store.entry(conn, entry_id)
        times = store.times(conn, entry_id)
        consents = store.consents(conn, entry_id)
    if json:
        said = {"record": times and times.as_dict(), "consents": [one.as_dict() for one in consents]}
        print_json(found.as_dict() | said)
    else:
        explanation.show(found, lang.value, times, consents)


@log.command("explain", hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def explain_elsewhere() -> None:
    """Says where the command is that people look for here."""
    from limits.errors import InputError

    raise InputError(
        "the command is limits explain USER, for a user's newest decision; limits log show ID has any other"
    )


def _print_entries(found: list[LogEntry]) -> None:
    from limits.money import major
    from limits.store.log import reason_code
    from limits.terminal import table

    columns = ("entry", "as of", "review", "user", "action", "before", "after", "proposed", "", "reasons")
    rows = [
        (
            str(e.entry_id),
            e.as_of.isoformat(),
            str(e.review_id),
            str(e.user_id),
            e.outcome,
            major(e.limit_before_minor, e.exponent),
            major(e.limit_after_minor, e.exponent),
            "" if e.proposed_minor is None else major(e.proposed_minor, e.exponent),
            e.currency,
            " ".join(reason_code(r) for r in e.reasons),
        )
        for e in found
    ]
    table(columns, rows, numbers=("entry", "review", "user", "before", "after", "proposed"))
