"""limits review: run one now, try one without applying it, see those there were."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common
from limits.wording import several

if TYPE_CHECKING:
    from limits.engine import DryRun
    from limits.settings import Settings
    from limits.store.db import Connection, Database
    from limits.store.reviews import ReviewRow

review = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Review everybody as of a date: run, list, show."
)

#: Users without a decision that are shown by name.
EXAMPLES = 10

#: Ceilings that are shown, those that bound most first.
REASONS = 10

#: What a running review does, by its stage.
_STAGES = {"decide": "deciding", "apply": "applying"}

ScheduleName = Annotated[str | None, common.words_option("--schedule", "Only reviews of this schedule.", "NAME")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(review, name="review")


@review.command("run")
def run_review(
    as_of: Annotated[str, common.date_option("--as-of", "The business date (UTC) that everybody is reviewed for.")],
    schedule: Annotated[
        str,
        common.words_option(
            "--schedule",
            "The schedule it counts for: one review for each date.",
            "NAME",
            parser=common.read_schedule_name,
        ),
    ] = "manual",
    policy: common.PolicyName = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and print; apply and log nothing.")] = False,
    actor: common.Actor = None,
    json: common.Json = False,
) -> None:
    """Review everybody now, by the worker processes, and wait for it. The same date again changes nothing."""
    from limits import engine
    from limits.settings import get_settings
    from limits.store import reconciling

    settings = get_settings()
    date: Any = as_of  # the option's parser has made a date of it
    with common.database(settings) as database:
        with database.connect("operations", "limits review") as conn:
            _note_unknown_schedule(conn, schedule)
            if dry_run:
                policy = policy or engine.usual_policy(conn, settings, schedule)
        if dry_run:
            _dry_run(database, settings, date, schedule, policy, json=json)
            return
        who = common.the_actor(settings, actor)
        row = run_now(database, settings, as_of=date, schedule=schedule, policy=policy, actor=who, quiet=json)
        with database.connect("operations", "limits review") as conn:
            if json:
                from limits.engine.story import review_dict
                from limits.terminal import print_json

                print_json({**review_dict(conn, row), "created": row.created})
            else:
                _print_review(conn, row)
            reconciled = reconciling.outcome(conn, row.review_id)
    if row.state != "done" or (reconciled is not None and reconciled.ok is False):
        raise typer.Exit(1)


def run_now(
    database: Database,
    settings: Settings,
    *,
    as_of: dt.date,
    actor: str,
    schedule: str = "manual",
    policy: str | None = None,
    quiet: bool = False,
) -> ReviewRow:
    """Owes the review unless it is there, sees it through, and gives it with its counts.

    ``created`` of the row says whether this call made it. Where no worker lives, one is
    started for as long as it takes.
    """
    import dataclasses

    from limits import engine
    from limits.cli.working import see_through, workers_at_hand
    from limits.terminal import note, progress

    row = engine.request_review(database, settings, as_of=as_of, actor=actor, schedule=schedule, policy=policy)
    if not row.created:
        if not quiet:
            note(_there_already(row, schedule, as_of))
        _note_other_policy(row, policy, as_of)
    if row.is_final:
        return row
    with (
        workers_at_hand(database, settings, row.review_id) as check,
        progress(f"review {row.review_id} as of {as_of}", quiet=quiet) as bar,
    ):
        see_through(database, settings, row.review_id, bar=bar, check=check)
    done = dataclasses.replace(engine.finished(database, row.review_id), created=row.created)
    with database.connect("operations", "limits review") as conn:
        engine.reconcile_owed(conn)  # waits for the worker that is at it
    _note_nobody(done)
    return done


def _note_unknown_schedule(conn: Connection, name: str) -> None:
    """Says so where a review is run under a name that no schedule has, though there are schedules: it may be a slip."""
    from limits import engine
    from limits.store import schedules
    from limits.terminal import note

    names = [row.schedule for row in schedules.list_schedules(conn)]
    if not names or name in (engine.MANUAL, *names):
        return
    there = ", ".join(names[:EXAMPLES]) + (f" and {len(names) - EXAMPLES:,} more" if len(names) > EXAMPLES else "")
    note(f"there is no schedule {name!r}, so the review counts under that name alone; there are: {there}")


def _there_already(row: ReviewRow, schedule: str, as_of: dt.date) -> str:
    """What becomes of a review that is asked for once more."""
    if not row.is_final:
        return f"review {row.review_id} of schedule {schedule} as of {as_of} is there already; seeing it through"
    if row.state == "done":
        return f"schedule {schedule} has been reviewed as of {as_of} (review {row.review_id}): nothing was changed now"
    return (
        f"the review of schedule {schedule} as of {as_of} (review {row.review_id}) is {row.state}: nothing was changed "
        "now; another --schedule can review the date"
    )


def _note_nobody(row: ReviewRow) -> None:
    """Says so where a review is done and has decided nobody."""
    from limits.terminal import note

    aside = (row.users_quarantined or 0) + (row.users_skipped or 0)
    if row.state == "done" and row.users_total == aside > 0:
        note(f"nobody was decided: all {aside:,} users were set aside; `limits review show {row.review_id}` says why")


def _note_other_policy(row: ReviewRow, policy: str | None, as_of: dt.date) -> None:
    """Says so where another policy is named now than the one that decided."""
    from limits import engine
    from limits.terminal import note

    if policy is not None and engine.policy_for(policy, as_of).policy_hash != row.policy_hash:
        note(f"it was decided by another policy than {policy}, not used now; see: limits review show {row.review_id}")


@review.command("list")
def list_reviews(
    schedule: ScheduleName = None,
    recomputes: Annotated[bool, typer.Option("--recomputes", help="Also recomputes of single users.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many reviews at most.")] = 20,
    json: common.Json = False,
) -> None:
    """Reviews, newest first."""
    from limits.engine.story import review_dict
    from limits.errors import NotFound
    from limits.store import reviews
    from limits.terminal import note, print_json, table

    with common.database() as database, database.connect("auditor", "limits review list") as conn:
        found = reviews.list_reviews(conn, limit=limit + 1, schedule=schedule, recomputes=recomputes)
        rows = found[:limit]  # one more says whether that is all
        if schedule is not None and not rows:
            raise NotFound(
                f"no review counts for a schedule {schedule!r}; `limits review list` shows the reviews, "
                "`limits schedule list` the schedules"
            )
        if json:
            print_json({"reviews": [review_dict(conn, row) for row in rows]})
            return
    if not rows:
        note("there is no review yet; run one: limits review run --as-of DATE")
        return
    columns = ("review", "as of", "schedule", "state", "users", "raised", "held", "lowered", "aside", "actor")
    table(
        columns,
        [
            (
                str(row.review_id),
                row.business_date.isoformat(),
                row.schedule or f"{row.kind}: {row.reason}",
                row.state if row.state != "running" else _STAGES[row.stage],
                *(_count(n) for n in (row.users_total, row.users_raised, row.users_held, row.users_lowered)),
                _count(_aside(row)),
                row.actor,
            )
            for row in rows
        ],
        numbers=("review", "users", "raised", "held", "lowered", "aside"),
    )
    if len(found) > limit:
        note(f"there are more than these {limit:,}: raise --limit, or name a --schedule")


@review.command("show")
def show_review(
    review_id: Annotated[int, common.number_argument("ID", "Number of the review.")],
    json: common.Json = False,
) -> None:
    """One review: counts, exposure, reasons, and the users without a decision."""
    from limits.engine.story import review_dict
    from limits.store import reviews
    from limits.terminal import print_json

    with common.database() as database, database.connect("auditor", "limits review show") as conn:
        row = reviews.get(conn, review_id)
        if json:
            exceptions = [{**e, "at": e["at"].isoformat()} for e in reviews.exceptions(conn, review_id)]
            print_json({**review_dict(conn, row), "exceptions": exceptions})
        else:
            _print_review(conn, row)


def _print_review(conn: Connection, row: ReviewRow) -> None:
    from limits.cli.gate import held_lines
    from limits.engine.story import budget_line, reconciled_lines, story_lines, time_line, unapplied_lines
    from limits.money import money
    from limits.policy import parse_policy
    from limits.store import archives, gates, pending, policies, recomputes, reconciling, reviews, status
    from limits.terminal import say

    seen = reviews.progress(conn, row.review_id)
    policy = parse_policy(policies.load_policy(conn, row.policy_hash), file="its policy")
    currency = policy.currency
    exponent = recomputes.facts(conn, currency).exponent
    stage = f", {_STAGES[row.stage]}" if row.state == "running" else ""
    say(f"Review {row.review_id} as of {row.business_date}: {row.state}{stage}", strong=True)
    if row.error:
        say(f"  {'held' if row.state == 'held' else 'error':<10} {row.error}")
    for line in held_lines(conn, row):
        say(f"  {line}")
    say(f"  schedule   {row.schedule or row.kind}" + (f": {row.reason}" if row.reason else ""))
    say(f"  actor      {row.actor}")
    say(f"  policy     {policy.pack} of {policy.effective_on}, sha256 {row.policy_hash.hex()}")
    if row.risk_model:
        say(f"  risk       scored by the model {row.risk_model.hex()}")
    say(
        f"  users      {_count(row.users_total)}: {seen.raised:,} raised, {seen.held:,} held, "
        f"{seen.lowered:,} lowered, {seen.quarantined:,} quarantined, {seen.skipped:,} skipped"
    )
    budget = gates.budget(conn, row.review_id)
    left = status.unapplied(conn, row.review_id)
    for number, line in enumerate(unapplied_lines(left, (exponent, currency), budget)):
        say(f"  {'' if number else 'decided':<10} {line}")
    waiting = pending.opened_by(conn, row.review_id)
    if any(waiting.values()):
        say(f"  waiting    {waiting['offer']:,} offered, {waiting['announced']:,} announced, held until then")
    if row.exposure_before_minor is not None and row.exposure_after_minor is not None:
        before, after = (money(n, exponent, currency) for n in (row.exposure_before_minor, row.exposure_after_minor))
        say(f"  exposure   {before} before, {after} after")
    if (month := archives.of_day(conn, row.business_date)) is not None:
        say(f"  archived   {archives.in_words([month])}")
    if budget is not None:
        say(f"  budget     {budget_line(budget, (exponent, currency))}")
    events = gates.events(conn, row.review_id)
    say(f"  time       {time_line(seen, events)}")
    for number, line in enumerate(reconciled_lines(reconciling.outcome(conn, row.review_id))):
        say(f"  {'' if number else 'reconciled':<10} {line}")
    if row.kind == "scheduled":
        say("  what happened")
        for line in story_lines(row, events, (exponent, currency)):
            say(f"    {line}")
    _print_reasons([((r["action"], r["binding"]), r["users"]) for r in reviews.binding_reasons(conn, row)])
    _print_exceptions(
        [
            (e["user_id"], e["outcome"], e["reason"], e["detail"])
            for e in reviews.exceptions(conn, row.review_id, limit=EXAMPLES)
        ],
        seen.quarantined + seen.skipped,
        f"; limits review show {row.review_id} --json lists them all",
    )


def _print_reasons(rows: Sequence[tuple[tuple[int, int], int]]) -> None:
    """How many decisions each ceiling bound, by (action, reason), most first."""
    from limits.reasons import Reason
    from limits.store.log import ACTIONS, reason_text
    from limits.terminal import bars, say

    if rows:
        say("  lowest ceiling of each decision")
        bars([
            (f"{ACTIONS[action]:<7}", users, f"{users:,}  {reason_text(Reason(reason))}")
            for (action, reason), users in rows[:REASONS]
        ])  # fmt: skip
    if len(rows) > REASONS:
        rest = sum(users for _, users in rows[REASONS:])
        say(f"  and {len(rows) - REASONS:,} more, of {several(rest, 'user')}; --json lists them all")


def _print_exceptions(rows: list[tuple[int, str, str, str]], total: int, where: str) -> None:
    """The first users without a decision; ``where`` says where the others can be seen."""
    from limits.terminal import note, say, table

    if rows:
        say("  users without a decision")
        table(("user", "outcome", "reason", "detail"), [(str(user), *rest) for user, *rest in rows], numbers=("user",))
    if total > len(rows):
        note(f"and {total - len(rows):,} more{where}")


def _dry_run(
    database: Database, settings: Settings, as_of: dt.date, schedule: str, policy: str | None, *, json: bool
) -> None:
    from limits import engine
    from limits.terminal import print_json, progress

    common.load_forecast()
    with progress(f"trying a review as of {as_of}", quiet=json) as bar:
        run = engine.dry_run(database, settings, as_of=as_of, schedule=schedule, policy=policy, progress=bar)
    if json:
        print_json(_dry_run_dict(run))
    else:
        _print_dry_run(run)


def _dry_run_dict(run: DryRun) -> dict[str, Any]:
    from limits.engine.story import foreseen_dict
    from limits.store.log import ACTIONS, reason_code

    movers = [
        {
            "user_id": m.user_id,
            "limit_before_minor": m.before_minor,
            "limit_after_minor": m.after_minor,
            "binding": reason_code(m.binding),
            "disposition": m.disposition.name.lower(),
        }
        for m in (*run.raises, *run.cuts)
    ]
    return {
        "dry_run": True,
        "as_of": run.as_of.isoformat(),
        "policy_pack": run.pack,
        "policy_hash": run.policy_hash.hex(),
        "risk_model": run.risk_model and run.risk_model.hex(),
        "currency": run.currency,
        "exponent": run.exponent,
        "users": run.users,
        "raised": run.raised,
        "held": run.held,
        "lowered": run.lowered,
        "offered": run.offered,
        "announced": run.announced,
        "quarantined": run.quarantined,
        "skipped": run.skipped,
        "exposure_before_minor": run.exposure_before_minor,
        "exposure_after_minor": run.exposure_after_minor,
        "reasons": [
            {"action": ACTIONS[action], "binding": reason_code(reason), "users": users}
            for (action, reason), users in run.reasons.most_common()
        ],
        "exceptions": [
            {"outcome": outcome, "reason": reason, "users": users}
            for (outcome, reason), users in run.exceptions.most_common()
        ],
        "movers": movers,
        **foreseen_dict(run.foreseen),
    }


def _print_dry_run(run: DryRun) -> None:
    from limits.engine.story import foreseen_lines
    from limits.money import major, money
    from limits.store.log import reason_code
    from limits.terminal import note, say, table

    say(f"A review as of {run.as_of} by policy {run.pack} would come to this; nothing was changed", strong=True)
    say(
        f"  users      {run.users:,}: {run.raised:,} raised, {run.held:,} held, {run.lowered:,} lowered, "
        f"{run.quarantined:,} quarantined, {run.skipped:,} skipped"
    )
    if run.risk_model:
        say(f"  risk       scored by the model {run.risk_model.hex()}")
    if run.offered or run.announced:
        say(f"  waiting    {run.offered:,} offered, {run.announced:,} announced, held until then")
    before, after = (
        money(n, run.exponent, run.currency) for n in (run.exposure_before_minor, run.exposure_after_minor)
    )
    say(f"  exposure   {before} before, {after} after")
    for label, text in foreseen_lines(run.foreseen, (run.exponent, run.currency)):
        say(f"  {label:<10} {text}")
    _print_reasons(run.reasons.most_common())
    if run.raises or run.cuts:
        say("  the largest changes")
        table(
            ("user", "before", "after", "change", "", "binding"),
            [
                (
                    str(m.user_id),
                    *(major(n, run.exponent) for n in (m.before_minor, m.after_minor, m.change_minor)),
                    m.disposition.name.lower().replace("_", " "),
                    reason_code(m.binding),
                )
                for m in (*run.raises[:5], *run.cuts[:5])
            ],
            numbers=("user", "before", "after", "change"),
        )
    aside = run.quarantined + run.skipped
    _print_exceptions(
        [(e.user_id, e.outcome, e.reason, e.detail) for e in run.examples], aside, "; a dry run names only the first"
    )
    if run.users == aside > 0:
        note(f"nobody would be decided: all {aside:,} users would be set aside")


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _aside(row: ReviewRow) -> int | None:
    if row.users_quarantined is None or row.users_skipped is None:
        return None
    return row.users_quarantined + row.users_skipped
