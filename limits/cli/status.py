"""limits review status: how far the reviews under way are, who works on them, and what they wait for."""

from __future__ import annotations

import json as jsons
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common
from limits.cli.review import review
from limits.wording import several

if TYPE_CHECKING:
    from limits.store.db import Connection
    from limits.store.status import Look, Pace, StatusRow, WorkerStatus

#: How often a review that is watched is looked at, in seconds.
EVERY_SECONDS = 1.0

#: Reviews under way that are shown at once; more are under way only while many missed dates are caught up.
MOST = 5

#: What a watched amount is written in: exponent and currency of a review's policy.
Unit = tuple[int, str]

COLUMNS = ("worker", "holds", "since", "decided", "applied", "users/s", "heartbeat", "lease")
NUMBERS = ("decided", "applied", "users/s")
#: The columns that give way on a narrow terminal, and what they keep: together with the others 80 characters.
WIDTHS = {"worker": 14, "holds": 8, "heartbeat": 9, "lease": 6}


def register(app: typer.Typer) -> None:
    """The command is in the group of the reviews."""


@review.command("status")
def status(
    review_id: Annotated[
        int | None,
        typer.Argument(
            parser=common.read_number, metavar="[ID]", show_default=False,
            help="Number of the review. Default: those under way, else the newest.",
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every second until it is over or held; Ctrl-C only ends this.")
    ] = False,
    json: common.Json = False,
) -> None:  # fmt: skip
    """How far a review is: users decided and applied, rate, time left, workers, and what it waits for."""
    from limits.engine.standing import look_dict
    from limits.terminal import note, print_json

    with common.database() as database, database.connect("operations", "limits review status") as conn:
        looks = _look(conn, review_id)
        if not looks:
            if json:
                print_json({"reviews": []})
            else:
                note("there is no review yet; run one: limits review run --as-of DATE")
            return
        if watch:
            try:
                looks = _watch(conn, review_id, looks, json=json)
            except KeyboardInterrupt:
                note("no longer watched; the review goes on")
                return
            if any(one.row.state != "done" for one in looks):
                raise typer.Exit(1)
        elif json:
            print_json({"reviews": [look_dict(one) for one in looks]})
        else:
            _print(conn, looks)


def _look(conn: Connection, review_id: int | None, watched: Sequence[int] = ()) -> list[Look]:
    from limits.store import status as store

    ids = [review_id] if review_id is not None else list(watched) or store.under_way(conn, limit=MOST)
    return [store.look(conn, number) for number in ids]


def _watch(conn: Connection, review_id: int | None, looks: list[Look], *, json: bool) -> list[Look]:
    """Shows the reviews every second until none of them goes on by itself; gives the last look."""
    from limits.terminal import ctrl_c

    show: Callable[[list[Look]], None]
    with ctrl_c() as pressed, _shown(conn, json=json) as show:
        while True:
            show(looks)
            if all(one.rests for one in looks):
                return looks
            if pressed.wait(EVERY_SECONDS):
                raise KeyboardInterrupt
            looks = _look(conn, review_id, [one.row.review_id for one in looks])


class _shown:  # noqa: N801  used like a function
    """How a watched review is shown: in place on a terminal, else one line at each look that brings something new."""

    def __init__(self, conn: Connection, *, json: bool) -> None:
        self._conn = conn
        self._json = json
        self._live: Any = None
        self._last: list[str] = []
        self._units: dict[int, Unit] = {}

    def __enter__(self) -> Callable[[list[Look]], None]:
        if sys.stdout.isatty() and not self._json:
            from rich.console import Console
            from rich.live import Live

            console = Console(markup=False, emoji=False, highlight=False)
            self._live = Live(console=console, auto_refresh=False)
            self._live.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _show(self, looks: list[Look]) -> None:
        if self._json:
            from limits.engine.standing import look_dict

            print(jsons.dumps({"reviews": [look_dict(one) for one in looks]}, ensure_ascii=False), flush=True)
            return
        if self._live is not None:
            self._live.update(_drawn(looks, [self._unit(one) for one in looks]), refresh=True)
            return
        from limits.terminal import clean

        lines = [clean(line_of(one)) for one in looks]
        if lines != self._last:
            print("\n".join(lines), flush=True)
        self._last = lines

    def _unit(self, look: Look) -> Unit:
        if look.row.review_id not in self._units:
            self._units[look.row.review_id] = _unit_of(self._conn, look)
        return self._units[look.row.review_id]


def _unit_of(conn: Connection, look: Look) -> Unit:
    from limits.policy import parse_policy
    from limits.store import policies, recomputes

    text = policies.load_policy(conn, look.row.policy_hash)
    currency = parse_policy(text, file=f"policy of review {look.row.review_id}").currency
    return recomputes.facts(conn, currency).exponent, currency


def _print(conn: Connection, looks: Sequence[Look]) -> None:
    from limits.terminal import say, table

    for number, one in enumerate(looks):
        if number:
            say()
        first, *rest = lines_of(one, _unit_of(conn, one))
        say(first, strong=True)
        for line in rest:
            say(line)
        if one.workers:
            table(COLUMNS, [_worker_cells(worker, one) for worker in one.workers], numbers=NUMBERS, widths=WIDTHS)


def _drawn(looks: Sequence[Look], units: Sequence[Unit]) -> Any:
    from rich.console import Group
    from rich.text import Text

    from limits.terminal import clean, drawn_table

    parts: list[Any] = []
    for one, unit in zip(looks, units, strict=True):
        first, *rest = (clean(line) for line in lines_of(one, unit))
        parts += [Text(first, style="bold"), *(Text(line) for line in rest)]
        if one.workers:
            cells = [_worker_cells(worker, one) for worker in one.workers]
            parts.append(drawn_table(COLUMNS, cells, numbers=NUMBERS, widths=WIDTHS))
    return Group(*parts)


# In words ------------------------------------------------------------------------------------


def line_of(look: Look) -> str:
    """A review in one line, for a log."""
    from limits.engine.standing import left_words, phase_words

    row = look.row
    parts = [
        f"review {row.review_id} as of {row.business_date}: {phase_words(look)}",
        f"decided {row.decided:,} of {_total(look)}",
        f"applied {row.applied:,}",
    ]
    pace = look.deciding if look.phase == "decide" else look.applying
    if pace.now is not None:
        parts.append(f"{pace.now:,.0f} users/s")
    if row.state == "running":
        parts.append(f"time left {left_words(look)}")
    if look.stopped:
        parts.append("the kill switch is engaged")
    if row.error:
        parts.append(row.error)
    return "; ".join(parts)


def lines_of(look: Look, unit: Unit) -> list[str]:
    """A review in some lines, the first of them its heading."""
    from limits.engine.standing import phase_words

    row = look.row
    lines = [f"Review {row.review_id} as of {row.business_date}: {phase_words(look)}"]
    lines += [f"  {label:<10} {text}" for label, text in (*_waits(look), *_figures(look), *_money(look, unit))]
    return lines


def _waits(look: Look) -> Iterator[tuple[str, str]]:
    from limits.engine.standing import waits

    for wait in waits(look):
        yield from wait.lines()


def _figures(look: Look) -> Iterator[tuple[str, str]]:
    from limits.engine.standing import left_words

    row = look.row
    if row.state != "owed":
        users = f"of {_total(look)} users"
        counts = f"{row.raised:,} raised, {row.held:,} held, {row.lowered:,} lowered"
        share = (_share(row.decided, row.users_total), _share(row.applied, row.users_total))
        yield "decided", f"{row.decided:,} {users}{share[0]}{_rates(look.deciding)}{_outcome(row)}"
        yield "applied", f"{row.applied:,} {users}{share[1]}{_rates(look.applying)}: {counts}"
        yield "aside", f"{row.quarantined:,} quarantined, {row.skipped:,} skipped"
    if row.state == "running":
        yield "time left", left_words(look)
    if row.state in ("running", "held") and (row.again or row.meanwhile):
        yield (
            "stale",
            f"{several(row.again, 'user')} to be decided again, {row.meanwhile:,} decided meanwhile by others",
        )
    if row.shards:
        yield (
            "shards",
            (
                f"deciding: {row.decide_pending:,} pending, {row.decide_leased:,} leased, {row.decide_done:,} done; "
                f"applying: {row.apply_pending:,} pending, {row.apply_leased:,} leased, {row.apply_done:,} done"
            ),
        )
    if row.run_out or row.extra_leases:
        yield (
            "leases",
            (
                f"{row.run_out:,} ran out and wait for another worker; {row.extra_leases:,} more were taken than "
                "deciding and applying need"
            ),
        )


def _outcome(row: StatusRow) -> str:
    """What was decided, for whoever has to release it; of what is applied in full the line below says it."""
    if row.state == "done" or not row.decided:
        return ""
    waiting = f", {row.decided_waiting:,} of these offered or announced" if row.decided_waiting else ""
    return f": {row.decided_raised:,} to be raised, {row.decided_lowered:,} lowered{waiting}"


def _money(look: Look, unit: Unit) -> Iterator[tuple[str, str]]:
    from limits.engine.story import before_budget, budget_line
    from limits.money import money

    row = look.row
    exponent, currency = unit
    if row.decided:
        before, after = (money(n, exponent, currency) for n in (row.decided_before_minor, row.decided_after_minor))
        if row.state != "done" and row.decided_before_minor:
            wished = f", {money(row.decided_wished_minor, *unit)} with what waits" if row.decided_waiting else ""
            yield "exposure", f"of those decided: {before} before, {after} after{wished}{before_budget(look.budget)}"
        before, after = (money(n, exponent, currency) for n in (row.applied_before_minor, row.applied_after_minor))
        yield "" if row.state != "done" else "exposure", f"of those applied: {before} before, {after} after"
    if look.budget is not None:
        yield "budget", budget_line(look.budget, unit)


def _rates(pace: Pace) -> str:
    if pace.mean is None:
        return ""
    now = "" if pace.now is None else f"{pace.now:,.0f} users/s now, "
    return f", {now}{pace.mean:,.0f} users/s in the mean"


def _share(users: int, total: int | None) -> str:
    return f" ({users / total:.0%})" if total else ""


def _total(look: Look) -> str:
    return "?" if look.row.users_total is None else f"{look.row.users_total:,}"


def _worker_cells(worker: WorkerStatus, look: Look) -> tuple[str, ...]:
    from limits.store.status import LATELY_SECONDS

    holds = since = lease = ""
    if worker.shard is not None and worker.leased_until is not None:
        holds = f"shard {worker.shard}, {'deciding' if worker.stage == 'decide' else 'applying'}"
        holds += f" {worker.shard_applied or 0:,} of" if worker.stage == "apply" else ""
        holds += f" {worker.shard_users:,}"
        since = f"{worker.leased_at:%H:%M:%S}" if worker.leased_at else "unknown"
        lease = f"ran out at {worker.leased_until:%H:%M:%S}" if worker.lease_ran_out else ""
    if worker.run_out > worker.lease_ran_out:
        lease = f"{lease}, " if lease else ""
        lease += f"{worker.run_out - worker.lease_ran_out} more ran out"
    beat = "none"
    if worker.heartbeat_age_seconds is not None:
        beat = f"{worker.heartbeat_age_seconds:.0f} s ago" + ("" if worker.alive else ", taken for dead")
    lately = {"decide": worker.decided_lately, "apply": worker.applied_lately}.get(look.phase)
    rate = "" if lately is None else f"{lately / LATELY_SECONDS:,.0f}"
    return worker.worker, holds, since, f"{worker.decided:,}", f"{worker.applied:,}", rate, beat, lease
