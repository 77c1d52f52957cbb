"""limits worker, scheduler, up, migrate: what runs. The doctor and the schedules have files of their own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from limits.cli import common, doctor, schedule, web

if TYPE_CHECKING:
    import datetime as dt

    from limits.store.db import Connection

#: One thread for each process of the pool: more would only fight over the cores.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", min=1, max=256, help="Processes. Default: LIMITS_CONCURRENCY, else one per core."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up")(up_command)
    app.command("worker")(worker_command)
    app.command("scheduler")(scheduler_command)
    app.command("migrate")(migrate_command)
    schedule.register(app)
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
    """Run worker, scheduler, sealer and the web console together, until stopped; start again what dies."""
    from limits.cli.supervise import Supervisor
    from limits.cli.working import command
    from limits.settings import get_settings, seal_paths
    from limits.store import schedules
    from limits.terminal import note

    settings = get_settings()
    count = [] if concurrency is None else ["--concurrency", str(concurrency)]
    # Opened here first, so that a database that cannot be used is said once, and stays up while a child restarts.
    with common.database(settings) as database:
        with database.connect("worker", "limits up") as conn:
            if not schedules.list_schedules(conn):
                hint = common.schedule_hint(conn, settings)
                note(f"there is no schedule yet, so no review will be owed; add one: {hint}")
            for row in schedules.list_schedules(conn):
                if not row.paused:
                    note_unapproved(conn, row.schedule, row.pack, max(row.starts_on, common.today()))
        services = [("worker", command("worker", *count)), ("scheduler", command("scheduler"))]
        if settings.embedded or seal_paths(settings).key.exists():
            services.append(("sealer", command("log", "seal")))
        else:
            note("no key is here, so nothing is sealed here: limits log key new NAME, or limits log seal elsewhere")
        why_not = web.why_not(database, settings)
        if why_not is None:
            services.append(("web", command("web", "--link")))
        else:
            note(f"reviews go on, and the console is not served: {why_not}")
        code = Supervisor(services).run()
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


def note_unapproved(conn: Connection, name: str, pack: str, as_of: dt.date) -> None:
    """Says so when a schedule will owe nothing because of its policy."""
    from limits import engine
    from limits.errors import PolicyError, PolicyNotApproved
    from limits.store import approvals
    from limits.terminal import note

    try:
        approvals.require_policy(conn, engine.policy_for(pack, as_of))
    except (PolicyError, PolicyNotApproved) as error:
        note(f"schedule {name} will owe no review before this is mended: {error}")
