"""limits demo: the nightly review of real users, from import to what became of them."""

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
from limits.cli.demo_samples import Data, Sample, sample_of
from limits.wording import several

if TYPE_CHECKING:
    from limits.engine.scoring import Score
    from limits.settings import Settings
    from limits.store.db import Database
    from limits.store.log import LogEntry
    from limits.store.reviews import ReviewRow

SCHEDULE = "demo"
ACTOR = "limits demo"
ACTIONS = ("raised", "held", "lowered")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Demo:
    """What there is to show: the reviews, oldest first, the last one's decisions, and what happened later."""

    sample: Sample
    users: int
    rows: list[ReviewRow]
    entries: list[LogEntry]
    examples: dict[str, LogEntry]
    bad: dict[int, bool]
    bands: dict[int, str]
    scores: dict[str, Score]
    seconds: float

    @property
    def judged(self) -> list[LogEntry]:
        """The decisions about users whom the scorecard was not trained on."""
        return [entry for entry in self.entries if not self.sample.seen(entry.user_id)]

    @property
    def outcomes(self) -> dict[str, dict[str, Any]]:
        """For each action of the last review: users, and how many of them were bad later."""
        return self._counted(ACTIONS, action_of)

    @property
    def by_band(self) -> dict[str, dict[str, Any]]:
        """The same for each band of the scorecard, the best first; empty without one."""
        if not self.bands:
            return {}
        return self._counted(sorted({*self.bands.values()}), lambda entry: self.bands[entry.user_id])

    def _counted(self, names: Sequence[str], name_of: Callable[[LogEntry], str]) -> dict[str, dict[str, Any]]:
        users, bad = Counter[str](), Counter[str]()
        for entry in self.judged:
            users[name_of(entry)] += 1
            bad[name_of(entry)] += self.bad[entry.user_id]
        return {
            name: {
                "users": users[name],
                "bad": bad[name],
                "share_bad": round(bad[name] / users[name], 4) if users[name] else None,
            }
            for name in names
        }


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo_command)


def demo_command(
    data: Annotated[Data, typer.Option("--data", help="Czech borrowers, or card clients of Taiwan.")] = Data.BERKA,
    as_of: Annotated[
        str | None, common.date_option("--as-of", 'The business date of "tonight". Default: today (UTC).')
    ] = None,
    users: Annotated[
        int | None, typer.Option("--users", min=1, help="With --data uci: only so many.", show_default=False)
    ] = None,
    json: common.Json = False,
) -> None:
    """Review real users tonight, and show what came of it.

    343 Czech borrowers, at six month-ends before too; or with --data uci 20,000 card clients of Taiwan. Their dates are
    moved, so that the history ends tonight; of cards, at the newest month-end. A second run finds what is there and
    changes nothing.
    """
    from limits.cli import demo_show
    from limits.settings import get_settings
    from limits.terminal import note, print_json

    if users is not None and data is not Data.UCI:
        raise typer.BadParameter("--users goes with --data uci")
    started = time.monotonic()
    settings, sample = get_settings(), sample_of(data)
    say: Say = (lambda text: None) if json else note
    date: Any = as_of
    with common.database(settings) as database:
        tonight = load(database, sample, date, users, say, quiet=json)
        approve_policy(database, sample, say)
        approve_model(database, sample, tonight, users, say)
        rows = list(review_all(database, settings, sample, tonight, say, quiet=json))
        demo = gather(database, settings, sample, rows, started)
    if json:
        print_json(demo_show.as_dict(demo))
    else:
        demo_show.show(demo, settings)
    if any(row.state != "done" for row in rows):
        raise typer.Exit(1)


def load(
    database: Database, sample: Sample, asked: dt.date | None, users: int | None, say: Say, *, quiet: bool
) -> dt.date:
    """Imports the users by the ordinary import, and says which date is tonight."""
    from limits.errors import InputError
    from limits.store import samples
    from limits.store.importing import import_file
    from limits.terminal import progress

    again = f"LIMITS_HOME=/path/to/folder limits demo{sample.option}"
    with database.connect("operations", "limits demo") as conn:
        there = samples.users_of(conn, sample.source)
        if there.others:
            raise InputError(
                f"this database holds {several(there.others, 'user')} not of this demo, and the two must not mix; "
                f"name a folder of its own: {again}"
            )
        tonight = there.observed_through or sample.tonight(asked or common.today())
        if asked is not None and sample.tonight(asked) != tonight:
            raise InputError(
                f"the demo in this database was loaded as of {tonight}; leave out --as-of, or name another folder: "
                f"{again}"
            )
        if tonight > common.today():
            raise InputError(f"{tonight} lies in the future; tonight is {common.today()} (UTC) at the latest")
        with tempfile.TemporaryDirectory(prefix="limits-demo-") as folder:
            files = sample.write(Path(folder), tonight, users)
            if there.own not in (0, files.users):
                raise InputError(
                    f"this database holds {several(there.own, 'user')} of the demo, not {files.users:,}; name as many, "
                    f"or a folder of its own: {again}"
                )
            for kind, path in files.paths.items():
                with progress(f"importing {kind}", quiet=quiet) as bar:
                    counts = import_file(conn, kind, path, source=sample.source, actor=ACTOR, progress=bar)
                say(
                    f"{kind}: {several(counts.total, 'row')}, {counts.new:,} new, {counts.known:,} already known, "
                    f"{counts.quarantined:,} quarantined"
                )
    return tonight


def approve_policy(database: Database, sample: Sample, say: Say) -> None:
    """The demo's policy, proposed by one person and approved by another: without that no review runs by it."""
    from limits.engine import governing

    why = "the demo's policy"
    for made in governing.propose_policy(database, sample.policy, role="champion", actor=sample.maker, reason=why):
        one = made.approval
        if one.state == "proposed":
            one = governing.decide_policy(
                database, one.approval_id, "approve", actor=sample.checker, reason=why
            ).approval
        say(
            f"policy {one.pack} of {one.effective_on}, sha256 {one.policy_hash.hex()[:12]}: "
            f"proposed by {one.maker}, approved by {one.checker}"
        )


def approve_model(database: Database, sample: Sample, tonight: dt.date, users: int | None, say: Say) -> None:
    """The demo's scorecard, trained on some of the users, and put in force by the same two people.

    Whoever runs the demo again need not train it again: of the same users it is the same.
    """
    from limits.engine import risk_governing
    from limits.store import risk_models

    if sample.model is None:
        return
    why = "the demo's scorecard"
    with database.connect("operations", "limits demo") as conn:
        for there in risk_models.history(conn):
            if (there.state, there.reason, there.maker) == ("approved", why, sample.maker):
                say(f"scorecard {there.name}, sha256 {there.model_hash.hex()[:12]}: approved by {there.checker} before")
                return
    with tempfile.TemporaryDirectory(prefix="limits-demo-") as folder:
        file = Path(folder) / "model.json"
        file.write_text(sample.model(users), encoding="utf-8")
        one = risk_governing.propose_model(
            database, file, effective_on=tonight, actor=sample.maker, reason=why
        ).approval
    if one.state == "proposed":
        one = risk_governing.decide_model(
            database, one.model_hash.hex(), "approve", actor=sample.checker, reason=why
        ).approval
    say(f"scorecard {one.name}, sha256 {one.model_hash.hex()[:12]}: proposed by {one.maker}, approved by {one.checker}")


def review_all(
    database: Database, settings: Settings, sample: Sample, tonight: dt.date, say: Say, *, quiet: bool
) -> Iterator[ReviewRow]:
    """Reviews the dates of the sample, oldest first, through worker processes."""
    from limits import engine
    from limits.cli.review import run_now
    from limits.cli.working import workers_at_hand

    dates = sample.nights(tonight)
    by = {"schedule": SCHEDULE, "policy": sample.policy, "actor": ACTOR}
    with contextlib.ExitStack() as stack:
        if not all(engine.reviewed(database, SCHEDULE, date) for date in dates):
            stack.enter_context(workers_at_hand(database, settings))
        for date in dates:
            row = run_now(database, settings, as_of=date, quiet=quiet, **by)
            if row.state == "held":
                _release(database, sample, row, say)
                row = run_now(database, settings, as_of=date, quiet=True, **by)
            say(
                f"review {row.review_id} as of {date}: {row.users_raised or 0:,} raised, {row.users_held or 0:,} held, "
                f"{row.users_lowered or 0:,} lowered, {row.users_skipped or 0:,} not yet open"
            )
            yield row


def _release(database: Database, sample: Sample, row: ReviewRow, say: Say) -> None:
    """A second person lets a review go on that a breaker holds, such as the first of accounts never reviewed before."""
    from limits.store import gates

    with database.connect("operations", "limits demo") as conn:
        gates.release(conn, row.review_id, actor=sample.checker, reason=sample.release)
    say(
        f"review {row.review_id} as of {row.business_date}: held ({row.error}); "
        f"released by {sample.checker}: {sample.release}"
    )


def gather(database: Database, settings: Settings, sample: Sample, rows: Sequence[ReviewRow], started: float) -> Demo:
    """Everything there is to show. What became of the users is read here, after the last review."""
    from limits.engine.scoring import Scores
    from limits.store import log, samples

    with database.connect("auditor", "limits demo") as conn:
        entries = list(log.stream(conn, log.LogFilter(review_id=rows[-1].review_id)))
        examples = {action_of(entry): entry for entry in reversed(entries)}
        for row in rows[-2::-1]:  # an action that the last review did not take is shown from an earlier one
            if set(examples) >= set(ACTIONS):
                break
            for entry in log.stream(conn, log.LogFilter(review_id=row.review_id)):
                examples.setdefault(action_of(entry), entry)
    with database.connect("operations", "limits demo") as conn:
        users = samples.users_of(conn, sample.source).own
        said = Scores(conn, settings.snapshot_store)
        bands = said.bands(entries)
        scores = {action: score for action, entry in examples.items() if (score := said.of(entry)) is not None}
    seconds = time.monotonic() - started
    return Demo(sample, users, list(rows), entries, examples, sample.outcomes(), bands, scores, seconds)


def action_of(entry: LogEntry) -> str:
    """What the review decided: a change that waits for the user counts as made."""
    from limits.store.log import ACTIONS as WORDS

    if entry.proposed_minor is None or entry.proposed_minor == entry.limit_before_minor:
        return WORDS[entry.action]
    return "raised" if entry.proposed_minor > entry.limit_before_minor else "lowered"
