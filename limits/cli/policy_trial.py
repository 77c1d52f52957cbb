"""limits policy diff, limits policy simulate: what a new policy says, and what it would do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common
from limits.wording import several

if TYPE_CHECKING:
    from limits.engine.simulating import Moved, Simulated, Simulation
    from limits.policy import Policy

_POLICY = "A pack by name, a TOML file or a folder of them; PACK@DATE: as in force on a date. Default date: today."
#: Reasons and movers printed for each date.
SHOWN = 5


def register(policy: typer.Typer) -> None:
    """Add the commands to the group."""
    policy.command("diff")(diff_command)
    policy.command("simulate")(simulate_command)


def read_named(name: str) -> Policy:
    """The policy of ``NAME`` (the only one of a file, else the one in force today) or ``NAME@DATE``."""
    from limits.policy import policy_at
    from limits.store.policies import read_pack

    match = re.fullmatch(r"(.+)@(\d{4}-\d{2}-\d{2})", name)
    if match:
        return policy_at(read_pack(match[1]), common.read_date(match[2]))
    history = read_pack(name)
    return history[0] if len(history) == 1 else policy_at(history, common.today())


# diff ---------------------------------------------------------------------------------------


def diff_command(
    old: Annotated[str, typer.Argument(metavar="OLD", help=_POLICY, show_default=False)],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The other one, named the same way.", show_default=False)],
    json: common.Json = False,
) -> None:
    """What NEW says that OLD does not: every key that differs, in words, and whether it is stricter or looser."""
    from limits.policy_changes import policy_changes
    from limits.terminal import note, print_json, say, table

    one, other = read_named(old), read_named(new)
    changes = policy_changes(one, other)
    if json:
        print_json({"old": one.named, "new": other.named, "changes": [change.as_dict() for change in changes]})
        return
    say(f"{_title(one)} -> {_title(other)}: {len(changes)} differences", strong=True)
    if changes:
        rows = [(c.key, c.old or "-", c.new or "-", f"{c.words}: {c.direction.name.lower()}") for c in changes]
        table(("key", "old", "new", "in words"), rows)
    elif one.policy_hash != other.policy_hash:
        note("the texts differ, and say the same")


def _title(policy: Policy) -> str:
    return f"{policy.pack} of {policy.effective_on} ({policy.policy_hash.hex()[:12]})"


# simulate -----------------------------------------------------------------------------------


def simulate_command(
    new: Annotated[str, typer.Argument(metavar="NEW", help=_POLICY, show_default=False)],
    as_of: Annotated[str, common.date_option("--as-of", "The business date (UTC) to decide everybody for.")],
    last: Annotated[int, typer.Option("--last", min=0, max=120, help="So many past reviews before that date too.")] = 0,
    champion: Annotated[
        str | None,
        common.words_option(
            "--champion",
            "The policy to compare with. Default: of each review its own, else the policy in force.",
            "NAME",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw it too; the ending, .png or .svg, says how.")
    ] = None,
    json: common.Json = False,
) -> None:
    """What NEW would do beside the policy that decides now, on a date and in past reviews. Nothing is changed."""
    from limits.engine.simulating import simulate
    from limits.settings import get_settings
    from limits.terminal import note, print_json, progress

    date: Any = as_of  # the option's parser has made a date of it
    policy, settings = read_named(new), get_settings()
    with common.database(settings) as database:
        common.load_forecast()
        with progress(f"trying {policy.pack} of {policy.effective_on}", quiet=json) as bar:
            made = simulate(database, settings, policy, as_of=date, last=last, champion=champion, progress=bar)
    if plot is not None:
        from limits.cli.policy_plot import draw

        draw(plot, made)
    if json:
        print_json(made.as_dict())
        return
    for one in made.dates:
        _print_date(made, one)
    if made.users_waiting:
        note(
            f"{several(made.users_waiting, 'user')} with imported events that no review has counted yet: these are "
            "left out here"
        )
    if plot is not None:
        note(f"drawn: {plot}")


def _print_date(made: Simulation, one: Simulated) -> None:
    from limits.money import major, money
    from limits.store.log import ACTIONS
    from limits.terminal import say, table

    what = f"review {one.review_id}, as of {one.as_of}" if one.review_id else f"as of {one.as_of}"
    others = f"{one.flipped:,} of them flip, {one.differing:,} get another limit"
    say(f"{what}: {several(one.decided, 'user')} decided by both; {others}", strong=True)
    say(f"  champion   {_title(one.champion.policy)}")
    say(f"  new        {_title(one.new.policy)}")
    for outcome, reason in sorted(one.exceptions):
        say(f"  {outcome:<10} {several(one.exceptions[outcome, reason], 'user')}: {reason}")
    say("  who flips: champion down, new policy across")
    columns = ("champion", *(ACTIONS[action] for action in (1, 0, -1)))
    flips = [(ACTIONS[old], *(f"{one.flips[old, new]:,}" for new in (1, 0, -1))) for old in (1, 0, -1)]
    table(columns, flips, numbers=columns[1:])
    before = money(one.exposure_before_minor, made.exponent, made.new.currency)
    say(f"  exposure   {before} before")
    for name, side in (("champion", one.champion), ("new", one.new)):
        after = money(side.exposure_after_minor, made.exponent, made.new.currency)
        tripped = ", ".join(one.tripped(side))
        say(f"  {name:<10} {after} after; breakers that trip: {tripped or 'none'}")
    _print_reasons(one)
    movers = [*one.higher[:SHOWN], *one.lower[:SHOWN]]
    if movers:
        say("  largest differences")
        columns = ("user", "before", "champion", "new", "difference", "bound by", "and by the new policy")
        table(columns, [_mover_row(m, lambda v: major(v, made.exponent)) for m in movers], numbers=columns[:5])


def _print_reasons(one: Simulated) -> None:
    from limits.store.log import ACTIONS, reason_code
    from limits.terminal import say, table

    total = one.champion.reasons + one.new.reasons
    say("  lowest ceiling of each decision")
    rows = [
        (ACTIONS[key[0]], reason_code(key[1]), f"{one.champion.reasons[key]:,}", f"{one.new.reasons[key]:,}")
        for key, _ in total.most_common(2 * SHOWN)
    ]
    columns = ("action", "bound by", "champion", "new")
    table(columns, rows, numbers=columns[2:])


def _mover_row(moved: Moved, amount: Any) -> tuple[str, ...]:
    from limits.store.log import reason_code

    return (
        str(moved.user_id),
        *(amount(v) for v in (moved.before_minor, moved.champion_minor, moved.new_minor)),
        ("+" if moved.difference_minor > 0 else "") + amount(moved.difference_minor),
        reason_code(moved.champion_binding),
        reason_code(moved.new_binding),
    )
