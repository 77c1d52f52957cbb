"""limits demo: the nightly review of real borrowers, from import to what became of their loans."""

from __future__ import annotations

import contextlib
import datetime as dt
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common

if TYPE_CHECKING:
    from limits.settings import Settings
    from limits.store.db import Database
    from limits.store.log import LogEntry
    from limits.store.reviews import ReviewRow

SCHEDULE = "demo"
POLICY = "cz"
ACTOR = "limits demo"
#: Two people for a policy, here as everywhere: one proposes it, another approves it.
MAKER, CHECKER = "Eva Novotna (risk)", "Karel Dvorak (credit committee)"
#: Month-ends that are reviewed before tonight.
MONTH_ENDS = 6
ACTIONS = ("raised", "held", "lowered")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Demo:
    """What there is to show: the reviews, oldest first, the last one's decisions, and what happened later."""

    users: int
    rows: list[ReviewRow]
    entries: list[LogEntry]
    examples: dict[str, LogEntry]
    bad: dict[int, bool]
    seconds: float

    @property
    def outcomes(self) -> dict[str, dict[str, Any]]:
        """For each action of the last review: users, and how many of their loans went bad."""
        users, bad = Counter[str](), Counter[str]()
        for entry in self.entries:
            action = _action(entry)
            users[action] += 1
            bad[action] += self.bad[entry.user_id]
        return {
            action: {
                "users": users[action],
                "bad": bad[action],
                "share_bad": round(bad[action] / users[action], 4) if users[action] else None,
            }
            for action in ACTIONS
        }


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo_command)


def demo_command(
    as_of: Annotated[
        str | None, common.date_option("--as-of", 'The business date of "tonight". Default: today (UTC).')
    ] = None,
    json: common.Json = False,
) -> None:
    """Review 343 real Czech borrowers, at six month-ends and tonight, and show what came of it.

    Their dates are moved, each account's as a whole, so that its history ends tonight. A
    second run finds what is there and changes nothing.
    """
    from limits.settings import get_settings
    from limits.terminal import note, print_json

    started = time.monotonic()
    settings = get_settings()
    say: Say = (lambda text: None) if json else note
    date: Any = as_of
    with common.database(settings) as database:
        tonight = load(database, date, say, quiet=json)
        approve_policy(database, say)
        rows = list(review_all(database, settings, tonight, say, quiet=json))
        demo = gather(database, rows, started)
    if json:
        print_json(as_dict(demo))
    else:
        show(demo, settings)
    if any(row.state != "done" for row in rows):
        raise typer.Exit(1)


# Loading and reviewing ------------------------------------------------------------------------


def load(database: Database, asked: dt.date | None, say: Say, *, quiet: bool) -> dt.date:
    """Imports the borrowers by the ordinary import, and says which date is tonight."""
    from limits.errors import InputError
    from limits.samples import berka
    from limits.store import samples
    from limits.store.importing import import_file
    from limits.terminal import progress

    with database.connect("operations", "limits demo") as conn:
        there = samples.users_of(conn, berka.SOURCE)
        if there.others:
            raise InputError(
                f"this database holds {there.others:,} users who are not of the demo, and the two must not mix; "
                "name a folder of its own: LIMITS_HOME=/path/to/folder limits demo"
            )
        tonight = there.observed_through or asked or common.today()
        if asked is not None and asked != tonight:
            raise InputError(
                f"the demo in this database was loaded as of {tonight}; leave out --as-of, or name another folder: "
                "LIMITS_HOME=/path/to/folder limits demo"
            )
        if tonight > common.today():
            raise InputError(f"{tonight} lies in the future; tonight is {common.today()} (UTC) at the latest")
        with tempfile.TemporaryDirectory(prefix="limits-demo-") as folder:
            files = berka.write_import_files(Path(folder), tonight)
            for kind, path in (("users", files.users), ("events", files.events)):
                with progress(f"importing {kind}", quiet=quiet) as bar:
                    counts = import_file(conn, kind, path, source=berka.SOURCE, actor=ACTOR, progress=bar)
                say(
                    f"{kind}: {counts.total:,} rows, {counts.new:,} new, {counts.known:,} already known, "
                    f"{counts.quarantined:,} quarantined"
                )
    return tonight


def approve_policy(database: Database, say: Say) -> None:
    """The demo's policy, proposed by one person and approved by another: without that no review runs by it."""
    from limits.engine import governing

    why = "the demo's policy"
    for made in governing.propose_policy(database, POLICY, role="champion", actor=MAKER, reason=why):
        one = made.approval
        if one.state == "proposed":
            one = governing.decide_policy(database, one.approval_id, "approve", actor=CHECKER, reason=why).approval
        say(
            f"policy {one.pack} of {one.effective_on}, sha256 {one.policy_hash.hex()[:12]}: "
            f"proposed by {one.maker}, approved by {one.checker}"
        )


def review_all(
    database: Database, settings: Settings, tonight: dt.date, say: Say, *, quiet: bool
) -> Iterator[ReviewRow]:
    """Reviews the month-ends and tonight, oldest first, through worker processes."""
    from limits import engine
    from limits.cli.review import run_now
    from limits.cli.working import workers_at_hand

    dates = review_dates(tonight)
    with contextlib.ExitStack() as stack:
        if not all(engine.reviewed(database, SCHEDULE, date) for date in dates):
            stack.enter_context(workers_at_hand(database, settings))
        for date in dates:
            row = run_now(database, settings, as_of=date, schedule=SCHEDULE, policy=POLICY, actor=ACTOR, quiet=quiet)
            if row.state == "held":
                _release(database, row, say)
                row = run_now(database, settings, as_of=date, schedule=SCHEDULE, policy=POLICY, actor=ACTOR, quiet=True)
            say(
                f"review {row.review_id} as of {date}: {row.users_raised or 0:,} raised, {row.users_held or 0:,} held, "
                f"{row.users_lowered or 0:,} lowered, {row.users_skipped or 0:,} not yet open"
            )
            yield row


def _release(database: Database, row: ReviewRow, say: Say) -> None:
    """A second person lets a review go on that a breaker holds, such as the first of accounts never reviewed before."""
    from limits.store import gates

    why = "limits of accounts that were never reviewed come down first"
    with database.connect("operations", "limits demo") as conn:
        gates.release(conn, row.review_id, actor=CHECKER, reason=why)
    say(f"review {row.review_id} as of {row.business_date}: held ({row.error}); released by {CHECKER}: {why}")


def review_dates(tonight: dt.date) -> list[dt.date]:
    """The last six month-ends before tonight, and tonight.

    A month-end less than the policy's cool-off before tonight is passed over: tonight would
    find everybody who was cut then still cooling off.
    """
    from limits import engine

    policy = engine.policy_for(POLICY, tonight)
    dates: list[dt.date] = []
    end = tonight.replace(day=1) - dt.timedelta(days=1)
    while len(dates) < MONTH_ENDS:
        if tonight - end >= dt.timedelta(days=policy.cut.cool_off_days):
            dates.insert(0, end)
        end = end.replace(day=1) - dt.timedelta(days=1)
    return [*dates, tonight]


def gather(database: Database, rows: Sequence[ReviewRow], started: float) -> Demo:
    """Everything there is to show. What became of the loans is read here, after the last review."""
    from limits.samples import berka
    from limits.store import log, samples

    with database.connect("auditor", "limits demo") as conn:
        entries = list(log.stream(conn, log.LogFilter(review_id=rows[-1].review_id)))
        examples = {_action(entry): entry for entry in reversed(entries)}
        for row in rows[-2::-1]:  # an action that the last review did not take is shown from an earlier one
            if set(examples) >= set(ACTIONS):
                break
            for entry in log.stream(conn, log.LogFilter(review_id=row.review_id)):
                examples.setdefault(_action(entry), entry)
    with database.connect("operations", "limits demo") as conn:
        users = samples.users_of(conn, berka.SOURCE).own
    return Demo(users, list(rows), entries, examples, berka.outcomes(), time.monotonic() - started)


# Showing ----------------------------------------------------------------------------------------


def as_dict(demo: Demo) -> dict[str, Any]:
    """The last review for a machine; amounts in minor units."""
    last = demo.rows[-1]
    return {
        "users": demo.users,
        "reviewed": len(demo.entries),
        "raised": last.users_raised,
        "held": last.users_held,
        "lowered": last.users_lowered,
        "exposure_before_minor": last.exposure_before_minor,
        "exposure_after_minor": last.exposure_after_minor,
        "reasons": dict(_reasons(demo.entries).most_common()),
        "outcomes": demo.outcomes,
        "seconds": round(demo.seconds, 2),
    }


def show(demo: Demo, settings: Settings) -> None:
    """The same for people."""
    from limits import explanation
    from limits.terminal import bars, say

    say()
    say(f"{demo.users} borrowers of a Czech bank, 1993 to 1998; each account's dates were moved as a whole,")
    say(f"so that its history ends on {demo.rows[-1].business_date}. The loan they were granted serves as the limit.")
    say()
    _show_reviews(demo)
    say()
    say("What kept limits from being higher, tonight (users; one may have several reasons)", strong=True)
    texts = _reason_texts()
    bars([(code, users, f"{users:,}  {texts[code]}") for code, users in _reasons(demo.entries).most_common(8)])
    for action in ACTIONS:
        if action in demo.examples:
            say()
            explanation.show(demo.examples[action])
    _show_outcomes(demo)
    _show_next(demo, settings)


def _show_reviews(demo: Demo) -> None:
    from limits.money import money
    from limits.terminal import say, table

    exponent = demo.entries[0].exponent if demo.entries else 2
    currency = demo.entries[0].currency if demo.entries else ""

    def amount(minor: int | None) -> str:
        return money(minor or 0, exponent, currency)

    columns = ("as of", "reviewed", "raised", "held", "lowered", "not yet open", "exposure before", "after")
    rows = [
        (
            row.business_date.isoformat(),
            *(f"{n or 0:,}" for n in (_decided(row), row.users_raised, row.users_held, row.users_lowered)),
            f"{row.users_skipped or 0:,}",
            amount(row.exposure_before_minor),
            amount(row.exposure_after_minor),
        )
        for row in demo.rows
    ]
    table(columns, rows, numbers=columns[1:])
    last = demo.rows[-1]
    aside = (last.users_skipped or 0) + (last.users_quarantined or 0)
    say(
        f"Tonight: {_decided(last):,} reviewed + {aside:,} without a decision = {_decided(last) + aside:,} "
        f"of {demo.users:,} users, in {demo.seconds:.1f} s from the first import to here"
    )


def _show_outcomes(demo: Demo) -> None:
    from limits.terminal import say, table

    say()
    say("What happened later to their loans (no rule and no parameter has seen this)", strong=True)
    total_users, total_bad = len(demo.entries), sum(demo.bad[entry.user_id] for entry in demo.entries)
    rows = [
        (action, f"{o['users']:,}", f"{o['bad']:,}", "" if o["share_bad"] is None else f"{o['share_bad']:.1%}")
        for action, o in demo.outcomes.items()
    ]
    share = f"{total_bad / total_users:.1%}" if total_users else ""
    rows.append(("all", f"{total_users:,}", f"{total_bad:,}", share))
    table(("tonight", "users", "went bad", "share"), rows, numbers=("users", "went bad", "share"))
    say("Small numbers: a share of n users is uncertain by about 1/sqrt(n); of 50 users, by 14 points.", faint=True)


def _show_next(demo: Demo, settings: Settings) -> None:
    from limits.terminal import say

    command = ".venv/bin/limits" if Path(".venv/bin/limits").exists() else "limits"
    if settings.home is not None:
        command = f"LIMITS_HOME={settings.home} {command}"
    user = next(iter(demo.examples.values())).user_id if demo.examples else 19
    say()
    say("Try next", strong=True)
    for arguments, what in (
        (f"explain {user} --lang zh", "the newest decision about a user, in Chinese"),
        (f"recompute {user} --policy {POLICY} --reason 'customer called'", "decide one user now; add --apply to do it"),
        ("log list --action lowered", "the adjustment log"),
        ("log export --format csv --output log.csv", "all of it"),
        (f"review run --as-of {demo.rows[-1].business_date} --schedule {SCHEDULE}", "the same review again: no change"),
        ("policy history", "who proposed and approved the policies"),
        ("doctor", "what runs, and what is wrong"),
    ):
        say(f"  {command} {arguments:<62} # {what}")


def _action(entry: LogEntry) -> str:
    from limits.store.log import ACTIONS as WORDS

    return WORDS[entry.action]


def _decided(row: ReviewRow) -> int:
    return sum(n or 0 for n in (row.users_raised, row.users_held, row.users_lowered))


def _reasons(entries: Sequence[LogEntry]) -> Counter[str]:
    from limits.store.log import reason_code

    return Counter(reason_code(reason) for entry in entries for reason in entry.reasons)


def _reason_texts() -> dict[str, str]:
    from limits.reasons import Reason
    from limits.store.log import reason_code, reason_text

    return {reason_code(reason): reason_text(reason) for reason in Reason}
