"""limits worker, scheduler, up, migrate, schedule: what runs, and when. The doctor has a file of its own."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common, doctor

if TYPE_CHECKING:
    import datetime as dt

    from limits.store.db import Connection

#: One thread for each process of the pool: more would only fight over the cores.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", min=1, max=256, help="Processes. Default: LIMITS_CONCURRENCY, else one per core."),
]
Name = Annotated[str, typer.Argument(parser=common.read_words, metavar="NAME", show_default=False)]

schedule = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="When reviews are owed: add, list, pause.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up")(up_command)
    app.command("worker")(worker_command)
    app.command("scheduler")(scheduler_command)
    app.command("migrate")(migrate_command)
    app.add_typer(schedule, name="schedule")
    doctor.register(app)


def worker_command(concurrency: Concurrency = None) -> None:
    """Work on reviews until stopped (Ctrl-C or SIGTERM); then what is leased is given back."""
    for name in THREADS:
        os.environ.setdefault(name, "1")
    from limits.settings import get_settings
    from tasks.worker import run_worker

    settings = get_settings()
    with common.database(settings) as database:
        code = run_worker(database, settings, concurrency=concurrency)
    sys.stdout.flush()
    sys.stderr.flush()
    # Not by the way of Python: the pool's handler at exit waits for ever for a lock that a killed child held.
    os._exit(code)


def scheduler_command() -> None:
    """Owe the reviews of the schedules when their time comes, and see to it that each is finished."""
    for name in THREADS:
        os.environ.setdefault(name, "1")
    from limits.settings import get_settings
    from tasks.clock import run_scheduler

    settings = get_settings()
    with common.database(settings) as database:
        code = run_scheduler(database, settings)
    raise typer.Exit(code)


def up_command(concurrency: Concurrency = None) -> None:
    """Run worker and scheduler together, until stopped; start again what dies."""
    from limits.cli.supervise import Supervisor
    from limits.cli.working import command
    from limits.settings import get_settings
    from limits.store import workers
    from limits.terminal import note

    settings = get_settings()
    count = [] if concurrency is None else ["--concurrency", str(concurrency)]
    # Opened here first, so that a database that cannot be used is said once, and stays up while a child restarts.
    with common.database(settings) as database:
        with database.connect("worker", "limits up") as conn:
            if not workers.list_schedules(conn):
                note("there is no schedule yet, so no review will be owed; add one: limits schedule add nightly")
            for row in workers.list_schedules(conn):
                if not row.paused:
                    _note_unapproved(conn, row.schedule, row.pack, max(row.starts_on, common.today()))
        code = Supervisor([("worker", command("worker", *count)), ("scheduler", command("scheduler"))]).run()
    raise typer.Exit(code)


def migrate_command(
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be applied; apply nothing.")] = False,
    json: common.Json = False,
) -> None:
    """Bring the database's schema up to date. Again changes nothing."""
    from limits.settings import get_settings
    from limits.store import migrate
    from limits.terminal import note, print_json, say

    settings = get_settings()
    names = migrate.plan(settings) if plan else migrate.apply(settings)
    if json:
        print_json({"plan": names} if plan else {"applied": names})
        return
    for name in names:
        say(name)
    if not names:
        note("the schema is up to date")
    elif plan:
        note(f"{len(names)} to apply; do it: limits migrate")
    else:
        note(f"{len(names)} applied")


@schedule.command("add")
def add_schedule(
    name: Name,
    at: Annotated[str, typer.Option("--at", metavar="HH:MM", help="When it starts, in its time zone.")] = "02:00",
    time_zone: Annotated[str, typer.Option("--time-zone", metavar="ZONE", help="Such as Europe/Prague.")] = "UTC",
    starts_on: Annotated[
        str | None, common.date_option("--from", "The first business date (UTC). Default: tomorrow.")
    ] = None,
    policy: common.PolicyName = None,
) -> None:
    """Let everybody be reviewed each day from a date on."""
    import datetime as dt
    import zoneinfo

    from limits.settings import get_settings
    from limits.store import policies, workers
    from limits.terminal import note

    settings = get_settings()
    start = None
    if re.fullmatch(r"[0-9]{2}:[0-9]{2}", at):
        with contextlib.suppress(ValueError):
            start = dt.time.fromisoformat(at)
    if start is None:
        raise typer.BadParameter(f"--at {at!r} is not a time; write it HH:MM, such as 02:00")
    if time_zone not in zoneinfo.available_timezones():
        raise typer.BadParameter(f"--time-zone: there is no time zone {time_zone!r}; write it like Europe/Prague")
    first: Any = starts_on or common.today() + dt.timedelta(days=1)
    pack = policies.lasting_name(policy or settings.policy)
    policies.read_pack(pack)
    with common.database(settings) as database, database.connect("operations", "limits schedule add") as conn:
        if not workers.add_schedule(conn, name, pack=pack, run_at=start, time_zone=time_zone, starts_on=first):
            raise typer.BadParameter(f"there is a schedule {name!r} already; limits schedule list shows it")
        note(f"schedule {name}: each day at {at} {time_zone}, from business date {first} on, by policy {pack}")
        _note_unapproved(conn, name, pack, first)


def _note_unapproved(conn: Connection, name: str, pack: str, as_of: dt.date) -> None:
    """Says so when a schedule will owe nothing because of its policy."""
    from limits import engine
    from limits.errors import PolicyError, PolicyNotApproved
    from limits.store import approvals
    from limits.terminal import note

    try:
        approvals.require_policy(conn, engine.policy_for(pack, as_of))
    except (PolicyError, PolicyNotApproved) as error:
        note(f"schedule {name} will owe no review before this is mended: {error}")


@schedule.command("list")
def list_schedules(json: common.Json = False) -> None:
    """The schedules, and the newest business date of each."""
    from limits.store import workers
    from limits.terminal import note, print_json, table

    with common.database() as database, database.connect("operations", "limits schedule list") as conn:
        rows = workers.list_schedules(conn)
    if json:
        print_json({
            "schedules": [
                {
                    "schedule": row.schedule,
                    "policy": row.pack,
                    "at": f"{row.run_at:%H:%M}",
                    "time_zone": row.time_zone,
                    "paused": row.paused,
                    "from": row.starts_on.isoformat(),
                    "newest": row.newest.isoformat() if row.newest else None,
                }
                for row in rows
            ]
        })  # fmt: skip
    elif not rows:
        note("there is no schedule; add one: limits schedule add nightly")
    else:
        table(
            ("schedule", "policy", "at", "time zone", "from", "newest", "state"),
            [
                (
                    row.schedule,
                    row.pack,
                    f"{row.run_at:%H:%M}",
                    row.time_zone,
                    row.starts_on.isoformat(),
                    row.newest.isoformat() if row.newest else "none yet",
                    "paused" if row.paused else "on",
                )
                for row in rows
            ],
        )


@schedule.command("pause")
def pause_schedule(name: Name) -> None:
    """Owe no further review of a schedule; one that is running goes on."""
    _pause(name, paused=True)


@schedule.command("resume")
def resume_schedule(name: Name) -> None:
    """Let a paused schedule go on. Days that went by are not made up for."""
    _pause(name, paused=False)


def _pause(name: str, *, paused: bool) -> None:
    from limits.store import workers
    from limits.terminal import note

    with common.database() as database, database.connect("operations", "limits schedule") as conn:
        workers.pause_schedule(conn, name, paused=paused)
    note(f"schedule {name} is {'paused' if paused else 'on'}")
