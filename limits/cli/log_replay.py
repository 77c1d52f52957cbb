"""limits log replay: decisions of the log decided again from what was stored, and compared byte for byte."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common
from limits.cli.log import log
from limits.wording import several

if TYPE_CHECKING:
    from limits.engine import Replay
    from limits.engine.differing import Difference

#: Seeds that are made up here have so many bits: they are typed again by hand.
SEED_BITS = 31


def register(_: typer.Typer) -> None:
    """Add the command to those of the log."""
    log.command("replay")(replay_entries)


def replay_entries(
    entry_id: Annotated[
        int | None, typer.Argument(parser=common.read_number, metavar="ID", help="One entry.", show_default=False)
    ] = None,
    review: Annotated[int | None, common.number_option("--review", "The entries of this review.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every entry there is.")] = False,
    sample: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, metavar="N", help="Only so many of them, at random.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=2**63 - 1, metavar="N", show_default=False,
            help="Of --sample: the same seed takes the same entries of the same log. Default: a new one, printed.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many entries that differ are shown at most; all are counted.")
    ] = 50,
    json: common.Json = False,
) -> None:  # fmt: skip
    """Decide entries again from their stored snapshot and policy, and compare them with the log byte for byte.

    Leaves with 0 where all are equal, or only those whose snapshots were pruned are left out.
    """
    from limits import engine
    from limits.settings import get_settings
    from limits.terminal import note, print_json, progress

    _check_arguments(entry_id, review, everything, sample, seed)
    drawn = None
    if sample is not None:
        drawn = engine.Sample(sample, random.SystemRandom().getrandbits(SEED_BITS) if seed is None else seed)
    settings = get_settings()
    common.load_forecast()
    with (
        common.database(settings) as database,
        database.connect("auditor", "limits log replay") as conn,
        progress("replaying", quiet=json) as bar,
    ):
        found = engine.replay_log(
            conn,
            entry_id=entry_id,
            review_id=review,
            sample=drawn,
            folder=settings.snapshot_store,
            most=limit,
            progress=bar,
        )
    if json:
        print_json(_as_dict(found, drawn.seed if drawn else None))
    else:
        _print(found, drawn.seed if drawn else None)
    if found.differing or found.failed:
        note(common.WHAT_TO_DO)
    if not found.ok:
        raise typer.Exit(1)


def _check_arguments(
    entry_id: int | None, review: int | None, everything: bool, sample: int | None, seed: int | None
) -> None:
    meant = (entry_id is not None) + (review is not None) + everything
    if meant != 1:
        raise typer.BadParameter("say what to replay: the number of one entry, --review N, or --all; one of the three")
    if sample is not None and entry_id is not None:
        raise typer.BadParameter("--sample takes entries of --review or --all; one entry is not sampled")
    if seed is not None and sample is None:
        raise typer.BadParameter("--seed is for --sample, which is not there")


# Printing -----------------------------------------------------------------------------------


def _print(found: Replay, seed: int | None) -> None:
    from limits.engine import replay_words
    from limits.terminal import note, say, table

    if found.shown:
        rows = [
            (
                str(e.entry_id), e.as_of.isoformat(), str(e.review_id), str(e.user_id), replay_words.field_name(d),
                _cell(d, d.logged), _cell(d, d.replayed),
            )
            for e in found.shown
            for d in e.differences
        ]  # fmt: skip
        columns = ("entry", "as of", "review", "user", "field", "log", "replay")
        table(columns, rows, numbers=("entry", "review", "user", "log", "replay"))
        note("amounts are minor units")
        if found.differing > len(found.shown):
            note(f"{found.differing - len(found.shown):,} more entries differ: --limit shows more")
    for failure in found.failures:
        say(f"review {failure.review_id} as of {failure.as_of}, {several(failure.entries, 'entry')}: {failure.error}")
    if found.groups_failed > len(found.failures):
        note(f"{found.groups_failed - len(found.failures):,} more failures like these: --limit shows more")
    for line in _summary(found, seed):
        say(line)


def _cell(difference: Difference, value: int | str | None) -> str:
    from limits.engine import replay_words

    shown = replay_words.value_of(difference, value)
    return "none" if shown is None else str(shown)


def _summary(found: Replay, seed: int | None) -> list[str]:
    """What it came to, in sentences."""
    from limits.engine import code_version, replay_words

    again = found.equal + found.differing
    lines = []
    if not found.entries:
        lines.append("the log has no entries: nothing was compared")
    elif again:
        verdict = "all equal to the log, byte for byte" if not found.differing else f"{found.differing:,} differ"
        if found.differing:
            fields = ", ".join(f"{replay_words.named(*key)} in {n:,}" for key, n in found.fields.most_common(8))
            verdict += f" ({fields})"
        lines.append(f"{several(again, 'entry')} decided again from {several(found.snapshots, 'snapshot')}: {verdict}")
    if found.failed:
        lines.append(f"{several(found.failed, 'entry')} cannot be decided again, though they should be")
    if found.not_kept:
        lines.append(
            f"{several(found.not_kept, 'entry')} not compared: their {several(found.snapshots_not_kept, 'snapshot')} "
            f"{'is' if found.snapshots_not_kept == 1 else 'are'} not kept any more (limits snapshot prune)"
        )
    if found.not_kept and not again and not found.failed:
        lines.append("nothing was compared at all: that says nothing about these entries")
    if found.archived:
        lines.append(f"{several(found.archived, 'entry')} not looked at, in months that are archived")
    for version, (entries, differing) in sorted(found.versions.items()):
        if version == code_version():
            continue
        wrote = f"{several(entries, 'entry')} {'was' if entries == 1 else 'were'} written by code {version}"
        line = f"{wrote}, this is {code_version()}; compared all the same"
        if differing:
            line += f": {differing:,} differ, which may come from the code alone; replay them with {version}"
        lines.append(line)
    if seed is not None:
        lines.append(f"a sample by --seed {seed}")
    return lines


def _as_dict(found: Replay, seed: int | None) -> dict[str, Any]:
    from limits.engine import code_version, replay_words

    return {
        "ok": found.ok,
        "entries": found.entries,
        "equal": found.equal,
        "differing": found.differing,
        "failed": found.failed,
        "not_kept": found.not_kept,
        "archived": found.archived,
        "snapshots": found.snapshots,
        "snapshots_not_kept": found.snapshots_not_kept,
        "seed": seed,
        "code_version": code_version(),
        "written_by": {
            version: {"entries": entries, "differing": differing}
            for version, (entries, differing) in sorted(found.versions.items())
        },
        "fields": {replay_words.named(*key): n for key, n in found.fields.most_common()},
        "differences": [
            {
                "entry_id": e.entry_id,
                "review_id": e.review_id,
                "user_id": e.user_id,
                "as_of": e.as_of.isoformat(),
                "code_version": e.code_version,
                "fields": [
                    {
                        "field": replay_words.field_name(d),
                        "log": replay_words.value_of(d, d.logged),
                        "replay": replay_words.value_of(d, d.replayed),
                    }
                    for d in e.differences
                ],
            }
            for e in found.shown
        ],
        "failures": [
            {"review_id": f.review_id, "as_of": f.as_of.isoformat(), "entries": f.entries, "error": f.error}
            for f in found.failures
        ],
        "failures_in_all": found.groups_failed,
    }
