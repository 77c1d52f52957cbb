"""limits schedule: when reviews are owed, which dates were missed, and a review of one run now."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.calendars import CALENDARS, CATCH_UPS, Calendar, CatchUp
from limits.cli import common
from limits.errors import InputError
from limits.wording import several

if TYPE_CHECKING:
    from limits.store.reviews import ReviewRow

schedule = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="When reviews are owed: add, list, show, set, pause, resume, run."
)

#: How many dates are shown by name.
EXAMPLES = 10

Name = Annotated[str, typer.Argument(parser=common.read_schedule_name, metavar="NAME", show_default=False)]
Holiday = Annotated[
    list[str] | None, common.date_option("--holiday", "A date on which no review is owed; may be given again.")
]
At = typer.Option("--at", metavar="HH:MM", help="When it starts, in its time zone.")
Zone = typer.Option("--time-zone", metavar="ZONE", help="Such as Europe/Prague.")
Dates = typer.Option("--calendar", help="Which dates are owed: " + "; ".join(CALENDARS.values()) + ".")
Missed = typer.Option("--catch-up", help="; ".join(f"{key}: {says}" for key, says in CATCH_UPS.items()) + ".")
Holidays = Annotated[
    Path | None,
    typer.Option("--holidays", metavar="FILE", help="A file of such dates, one a line; # begins a comment."),
]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    app.add_typer(schedule, name="schedule")


@schedule.command("add")
def add_schedule(
    name: Name,
    at: Annotated[str, At] = "02:00",
    time_zone: Annotated[str, Zone] = "UTC",
    calendar: Annotated[Calendar, Dates] = "every_day",
    holiday: Holiday = None,
    holidays: Holidays = None,
    catch_up: Annotated[CatchUp, Missed] = "latest",
    starts_on: Annotated[
        str | None, common.date_option("--from", "The first business date (of the time zone). Default: tomorrow.")
    ] = None,
    policy: common.PolicyName = None,
) -> None:
    """Let everybody be reviewed on each date of a calendar, from a date on."""
    from limits.cli.services import note_unapproved
    from limits.engine import scheduling
    from limits.settings import get_settings
    from limits.store import schedules
    from limits.terminal import note

    settings = get_settings()
    start = _read_time(at)
    _check_zone(time_zone)
    given: Any = starts_on  # the option's parser has made a date of it
    first = given or scheduling.first_date(time_zone)
    _check_first(first)
    off = _read_holidays(holiday, holidays)
    pack = scheduling.read_pack(policy or settings.policy)
    with common.database(settings) as database, database.connect("operations", "limits schedule add") as conn:
        added = schedules.add_schedule(
            conn, name, pack=pack, run_at=start, time_zone=time_zone, starts_on=first, calendar=calendar,
            holidays=off, catch_up=catch_up,
        )  # fmt: skip
        if not added:
            raise typer.BadParameter(f"there is a schedule {name!r} already; limits schedule list shows it")
        note(scheduling.in_words(schedules.get(conn, name)))
        note_unapproved(conn, name, pack, first)


@schedule.command("set")
def set_schedule(
    name: Name,
    at: Annotated[str | None, At] = None,
    time_zone: Annotated[str | None, Zone] = None,
    calendar: Annotated[Calendar | None, Dates] = None,
    catch_up: Annotated[CatchUp | None, Missed] = None,
    starts_on: Annotated[
        str | None, common.date_option("--from", "The first business date that counts, of the time zone.")
    ] = None,
    policy: Annotated[
        str | None, common.words_option("--policy", "A policy pack by name, a TOML file or a folder of them.", "NAME")
    ] = None,
) -> None:
    """Change what is named of a schedule; the rest stays. What was reviewed stays reviewed."""
    from limits.cli.services import note_unapproved
    from limits.engine import scheduling
    from limits.terminal import note

    run_at = None if at is None else _read_time(at)
    first: Any = starts_on
    if time_zone is not None:
        _check_zone(time_zone)
    if first is not None:
        _check_first(first)
    pack = None if policy is None else scheduling.read_pack(policy)
    given = {
        "run_at": run_at, "time_zone": time_zone, "calendar": calendar, "catch_up": catch_up, "starts_on": first,
        "pack": pack,
    }  # fmt: skip
    if all(value is None for value in given.values()):
        raise typer.BadParameter("name what to change: --at, --time-zone, --calendar, --catch-up, --from or --policy")
    with common.database() as database, database.connect("operations", "limits schedule set") as conn:
        after = scheduling.change(conn, name, **given)
        note(scheduling.in_words(after))
        note_unapproved(conn, name, after.pack, max(after.starts_on, common.today()))


def _check_zone(time_zone: str) -> None:
    from limits.engine import scheduling

    with _option("--time-zone"):
        scheduling.check_zone(time_zone)


def _check_first(first: dt.date) -> None:
    from limits.engine import scheduling

    with _option("--from"):
        scheduling.check_first(first)


def _read_time(at: str) -> dt.time:
    from limits.engine import scheduling

    with _option("--at"):
        return scheduling.read_time(at)


@contextlib.contextmanager
def _option(name: str) -> Iterator[None]:
    """What is wrong with the value of an option is told with its name."""
    try:
        yield
    except InputError as error:
        raise typer.BadParameter(f"{name}: {error}") from error


def _read_holidays(given: list[Any] | None, file: Path | None) -> list[dt.date]:
    """The dates given by name and in a file, each once, in order. InputError names file and line."""
    from limits.engine import scheduling

    dates: set[dt.date] = set(given or ())
    for date in dates:
        with _option("--holiday"):
            scheduling.check_holiday(date)
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            words = getattr(error, "strerror", None) or "it is not UTF-8"
            raise InputError(f"cannot read {file}: {words}; name a file of dates, one a line") from error
        for number, line in enumerate(text.splitlines(), 1):
            word = line.partition("#")[0].strip()
            if word:
                try:
                    date = common.read_date(word)
                    scheduling.check_holiday(date)
                except (typer.BadParameter, InputError) as error:
                    raise InputError(f"{file}:{number}: {getattr(error, 'message', error)}") from error
                dates.add(date)
    return sorted(dates)


@schedule.command("holidays")
def change_holidays(
    name: Name,
    holiday: Holiday = None,
    holidays: Holidays = None,
    remove: Annotated[
        list[str] | None, common.date_option("--remove", "A date that is no holiday after all; may be given again.")
    ] = None,
) -> None:
    """Add holidays to a schedule or take some away. Dates that were reviewed stay reviewed."""
    from limits.store import schedules
    from limits.terminal import note

    add = _read_holidays(holiday, holidays)
    gone: list[Any] = list(remove or ())
    if not add and not gone:
        raise typer.BadParameter("name a date: --holiday DATE, --holidays FILE or --remove DATE")
    with common.database() as database, database.connect("operations", "limits schedule") as conn:
        unknown = sorted(set(gone) - set(schedules.get(conn, name).holidays))
        if unknown:
            were = "is no holiday" if len(unknown) == 1 else "are no holidays"
            raise InputError(
                f"{', '.join(map(str, unknown))} {were} of schedule {name}, and nothing was changed; those there are: "
                f"limits schedule show {name} --json"
            )
        kept = schedules.change_holidays(conn, name, add=add, remove=gone)
    note(f"schedule {name} has {len(kept)} holidays" + (f", the last on {kept[-1]}" if kept else ""))


@schedule.command("list")
def list_schedules(json: common.Json = False) -> None:
    """The schedules: when each runs next, which dates were missed and which passed over."""
    from limits.engine.scheduling import schedule_dict
    from limits.settings import get_settings
    from limits.store import schedules
    from limits.terminal import note, print_json, table

    settings = get_settings()
    with common.database(settings) as database, database.connect("operations", "limits schedule list") as conn:
        rows = [schedule_dict(conn, row) for row in schedules.list_schedules(conn)]
        hint = "" if rows or json else common.schedule_hint(conn, settings)
    if json:
        print_json({"schedules": rows})
    elif not rows:
        note(f"there is no schedule; add one: {hint}")
    else:
        columns = (
            "schedule",
            "policy",
            "calendar",
            "catch up",
            "newest",
            "next",
            "next (UTC)",
            "missed",
            "passed over",
        )
        table((*columns, "state"), [_cells(row) for row in rows], numbers=("missed", "passed over"))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    calendar = row["calendar"] + (f" but {len(row['holidays'])} holidays" if row["holidays"] else "")
    local, utc = _next(row)
    return (
        row["schedule"],
        row["policy"],
        calendar,
        row["catch_up"],
        row["newest"] or "none yet",
        local,
        utc,
        str(len(row["missed"])),
        str(len(row["passed_over"])),
        "paused" if row["paused"] else "on",
    )


def _next(row: dict[str, Any]) -> tuple[str, str]:
    """When a schedule runs next, in its time zone and in UTC."""
    if row["next"] is None:
        return "none within ten years", ""
    local = dt.datetime.fromisoformat(row["next"]["local"])
    utc = dt.datetime.fromisoformat(row["next"]["utc"])
    return f"{local:%Y-%m-%d %H:%M} {row['time_zone']}", f"{utc:%Y-%m-%d %H:%M}"


@schedule.command("show")
def show_schedule(name: Name, json: common.Json = False) -> None:
    """One schedule: when it runs, its holidays, the dates that were missed, and those passed over and why."""
    from limits.engine.scheduling import schedule_dict
    from limits.store import schedules
    from limits.terminal import print_json, say

    with common.database() as database, database.connect("operations", "limits schedule show") as conn:
        row = schedule_dict(conn, schedules.get(conn, name))
    if json:
        print_json(row)
        return
    local, utc = _next(row)
    say(f"Schedule {name}: {'paused' if row['paused'] else 'on'}", strong=True)
    say(f"  policy     {row['policy']}")
    say(f"  dates      {CALENDARS[row['calendar']]}, at {row['at']} {row['time_zone']}, from {row['from']} on")
    say(f"  holidays   {_dates(row['holidays'][::-1])}")
    say(f"  catch up   {row['catch_up']}: {CATCH_UPS[row['catch_up']]}")
    say(f"  newest     {row['newest'] or 'none yet'}")
    say(f"  next       {local}" + (f", which is {utc} UTC" if utc else ""))
    say(f"  missed     {_dates(row['missed'])}")
    say(f"  passed     {several(len(row['passed_over']), 'date')} without a review")
    for one in row["passed_over"][:EXAMPLES]:
        say(f"    {one['business_date']}  {one['reason']}: {one['detail']}")
    if len(row["passed_over"]) > EXAMPLES:
        say(f"    and {len(row['passed_over']) - EXAMPLES:,} earlier ones: limits schedule show {name} --json")


def _dates(dates: list[str]) -> str:
    if not dates:
        return "none"
    return ", ".join(dates[:EXAMPLES]) + (f" and {len(dates) - EXAMPLES:,} more" if len(dates) > EXAMPLES else "")


@schedule.command("pause")
def pause_schedule(name: Name) -> None:
    """Owe no further review of a schedule; one that is running goes on."""
    _pause(name, paused=True)


@schedule.command("resume")
def resume_schedule(name: Name) -> None:
    """Let a paused schedule go on. Dates missed meanwhile are caught up with as its --catch-up says."""
    _pause(name, paused=False)


def _pause(name: str, *, paused: bool) -> None:
    from limits import engine
    from limits.store import schedules
    from limits.terminal import note

    with common.database() as database, database.connect("operations", "limits schedule") as conn:
        schedules.pause_schedule(conn, name, paused=paused)
        row = schedules.get(conn, name)
        dates = engine.missed(conn, row, now=schedules.now(conn))
    note(f"schedule {name} is {'paused' if paused else 'on'}")
    if dates and not paused:
        were = "1 date was" if len(dates) == 1 else f"{len(dates)} dates were"
        note(f"{were} missed, from {dates[0]} to {dates[-1]}; {CATCH_UPS[row.catch_up]}")


@schedule.command("run")
def run_schedule(
    name: Name,
    as_of: Annotated[
        str | None, common.date_option("--as-of", "The business date. Default: today's in the schedule's time zone.")
    ] = None,
    actor: common.Actor = None,
    json: common.Json = False,
) -> None:
    """Review everybody for a date of a schedule now, and wait for it. The same date again changes nothing."""
    import dataclasses

    from limits import engine
    from limits.cli.working import see_through, workers_at_hand
    from limits.engine.story import review_dict
    from limits.settings import get_settings
    from limits.store import schedules
    from limits.terminal import note, print_json, progress

    settings = get_settings()
    date: Any = as_of
    with common.database(settings) as database:
        with database.connect("operations", "limits schedule run") as conn:
            now = schedules.now(conn)
        who = common.the_actor(settings, actor)
        row = engine.run_schedule(database, settings, name, as_of=date, now=now, actor=who)
        if not row.created and not json:
            note(f"review {row.review_id} of schedule {name} as of {row.business_date} is there already")
        if not row.is_final:
            with (
                workers_at_hand(database, settings, row.review_id) as check,
                progress(f"review {row.review_id} as of {row.business_date}", quiet=json) as bar,
            ):
                see_through(database, settings, row.review_id, bar=bar, check=check)
            row = dataclasses.replace(engine.finished(database, row.review_id), created=row.created)
        if json:
            with database.connect("operations", "limits schedule run") as conn:
                print_json({**review_dict(conn, row), "created": row.created})
        else:
            _say_result(row)
    if row.state != "done":
        raise typer.Exit(1)


def _say_result(row: ReviewRow) -> None:
    from limits.terminal import say

    say(f"Review {row.review_id} as of {row.business_date}: {row.state}", strong=True)
    if row.error:
        say(f"  {row.error}")
    if row.state == "done":
        assert row.users_total is not None, "counted once it is done"
        say(f"  {several(row.users_total, 'user')}: {row.users_raised:,} raised, {row.users_held:,} held, "
            f"{row.users_lowered:,} lowered; see limits review show {row.review_id}")  # fmt: skip
