"""What limits log verify says: what holds and what of the log that is, or what does not and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from limits.cli import common
from limits.wording import plural, several

if TYPE_CHECKING:
    import datetime as dt

    from limits.log_finding import Finding, Report

#: Findings that are printed one by one.
SHOWN = 20
#: Of checkpoints, where these have no number.
_OF_CHECKPOINTS = ("no_checkpoint", "checkpoint_not_in_file", "signature_wrong")
_LOOKED_AT = ("entry", "batch", "checkpoint")


def clock(at: dt.datetime) -> str:
    """A moment as people read it."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def show(report: Report, json: bool, without_archives: bool) -> None:
    """The verdict, for people or for a program."""
    from limits.terminal import note, print_json, say

    if json:
        print_json(report.as_dict() | {"holds": report.holds and (without_archives or not report.unread)})
        return
    for one in report.tally.remarks:
        say(f"remark: {sentence(one)}")
    if report.unread:
        span = report.archives[0] if len(report.archives) == 1 else f"{report.archives[0]} to {report.archives[-1]}"
        say(
            f"NOT LOOKED AT: {several(report.unread, 'entry')} of {span}, which lie in archives; add --archives FOLDER"
            f"{'' if without_archives else ', or --without-archives to leave them out'}",
            strong=True,
        )
    if report.holds:
        say(_holds(report), strong=not report.unread)
        return
    say(f"THE LOG DOES NOT HOLD: {several(report.tally.count, 'finding')} in {_looked(report)}", strong=True)
    for name in _LOOKED_AT:
        say(_first(report, name))
    say("by kind: " + ", ".join(f"{kind} {count:,}" for kind, count in report.tally.kinds.items()))
    for one in report.tally.kept[:SHOWN]:
        say(f"  {sentence(one)}")
    if report.tally.count > SHOWN:
        say(f"  and {report.tally.count - SHOWN:,} more: --json has the first {len(report.tally.kept)}")
    note(common.WHAT_TO_DO)


def _holds(report: Report) -> str:
    """What of the log holds: never more than was looked at."""
    looked = _looked(report)
    if report.scope == "part":
        return (
            f"what the export holds stands in the signed log: {looked}; it is a part of the log, and nothing shows "
            "that none of it is missing"
        )
    if report.scope == "since_last":
        since = (
            f"checkpoint {report.since}" if report.since_at is None else f"the checkpoint of {clock(report.since_at)}"
        )
        before = several(report.left_out, "batch")
        return (
            f"what came since {since} holds: {looked}; {before} verified before "
            f"{'was' if report.left_out == 1 else 'were'} not read again"
        )
    return f"{'what was looked at' if report.unread else 'the log'} holds: {looked}"


def _looked(report: Report) -> str:
    words = f"{several(report.entries, 'entry')} in {several(report.batches, 'batch')}{_of(report)}"
    if report.exported:
        number = "" if report.checkpoint is None else f" {report.checkpoint}"
        at = "" if report.at is None else f" of {clock(report.at)}"
        newest = "" if report.newest_at is None else f", the newest of {clock(report.newest_at)}"
        words += f", up to checkpoint{number}{at}; the file of checkpoints has {report.checkpoints:,}{newest}"
    else:
        newest = "" if report.at is None else f", the newest of {clock(report.at)}"
        words += f", {several(report.checkpoints, 'checkpoint')}{newest}"
    if report.unsealed:
        words += f"; {several(report.unsealed, 'batch')} not sealed yet"
    if report.archived_read:
        words += f"; {report.archived_read:,} more {'entry' if report.archived_read == 1 else 'entries'} in archives"
    return words


def _of(report: Report) -> str:
    """Which reviews and dates a part of the log is of, as far as its records say."""
    if report.scope != "part" or report.first_day is None:
        return ""
    many = len(report.reviews)
    reviews = f"reviews {', '.join(map(str, report.reviews))}" if many > 1 else f"review {report.reviews[0]}"
    if many > 3:
        reviews = several(report.reviews_many, "review")
    until = "" if report.first_day == report.last_day else f" to {report.last_day}"
    return f" of {reviews} as of {report.first_day}{until}"


def _first(report: Report, name: str) -> str:
    """The first thing that is broken of a kind; that all of them hold only where nothing else says otherwise."""
    tally = report.tally
    first: Finding | None = getattr(tally, f"first_{name}")
    if first is not None:
        return f"first broken {name}: {sentence(first)}"
    if name == "entry" and tally.first_batch is not None:
        return "first broken entry: it cannot be named, for what is broken is of a whole batch"
    if name == "checkpoint" and any(kind in tally.kinds for kind in _OF_CHECKPOINTS):
        return "first broken checkpoint: it has no number, and is named below"
    return f"all {plural(name)}{'' if name == 'checkpoint' else ' that were read'} hold"


def sentence(one: Finding) -> str:
    """Where, what, and both values."""
    return f"{one.place}: {one.sentence}"
