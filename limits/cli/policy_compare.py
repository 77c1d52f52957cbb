"""limits policy compare: what challengers would have done, beside what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from limits.cli import common

if TYPE_CHECKING:
    from limits.store.comparing import Comparison, Group

#: Ceilings shown to people; JSON has all.
REASONS = 10


def register(app: typer.Typer) -> None:
    """Add the command to the group."""
    app.command("compare")(compare)


def compare(
    last: Annotated[int, typer.Option("--last", min=1, max=1000, help="How many of the newest reviews.")] = 30,
    json: common.Json = False,
) -> None:
    """Champion beside challengers in the newest reviews: actions, exposure, reasons, and payments missed later."""
    from limits.store import comparing
    from limits.terminal import print_json

    with common.database() as database, database.connect("operations", "limits policy compare") as conn:
        found = comparing.compare(conn, last=last, today=common.today())
    if json:
        print_json(comparing.as_dict(found))
    else:
        _show(found)


def _show(found: Comparison) -> None:
    from limits.store.comparing import by_challenger
    from limits.terminal import say

    first, last = found.reviews[0].as_of, found.reviews[-1].as_of
    many = len(found.reviews)
    span = f"one review, as of {first}" if many == 1 else f"{many} reviews, as of {first} to {last}"
    champions = sorted({f"{one.pack} of {one.effective_on}" for one in found.reviews})
    say(f"Champion ({', '.join(champions)}) beside challengers: {span}", strong=True)
    for policy_hash, groups in by_challenger(found).items():
        _show_challenger(found, policy_hash, groups)
    for one in found.failures:
        say()
        say(f"Challenger {one.pack} of {one.effective_on} decided nothing about {one.users:,} users: {one.error}")


def _show_challenger(found: Comparison, policy_hash: bytes, groups: list[Group]) -> None:
    from limits.money import money
    from limits.reasons import Reason
    from limits.store.comparing import actions
    from limits.store.log import ACTIONS, reason_text
    from limits.terminal import say, table

    one = groups[0]

    def amount(minor: int) -> str:
        return money(minor, one.exponent, one.currency)

    say()
    say(f"Challenger {one.pack} of {one.effective_on}, sha256 {policy_hash.hex()}", strong=True)
    champion, challenger = actions(groups)
    before = amount(sum(group.before_minor for group in groups))
    columns = ("policy", "raised", "held", "lowered", "exposure before", "exposure after")
    rows = [
        (name, *(f"{counts[action]:,}" for action in ACTIONS), before, amount(after))
        for name, counts, after in (
            ("champion", champion, sum(group.champion_after_minor for group in groups)),
            ("challenger", challenger, sum(group.challenger_after_minor for group in groups)),
        )
    ]
    table(columns, rows, numbers=columns[1:])
    columns = ("champion", "challenger", "decisions", "minimum due later", "missed later", "share")
    table(
        columns,
        [
            (
                ACTIONS[group.champion],
                ACTIONS[group.challenger],
                f"{group.decisions:,}",
                f"{group.with_statement:,}",
                f"{group.missed:,}",
                f"{group.missed / group.with_statement:.1%}" if group.with_statement else "",
            )
            for group in groups
        ],
        numbers=columns[2:],
    )
    listed = [one for one in found.bindings if one.policy_hash == policy_hash][:REASONS]
    table(
        ("lowest ceiling", "champion", "challenger"),
        [(reason_text(Reason(one.binding)), f"{one.champion:,}", f"{one.challenger:,}") for one in listed],
        numbers=("champion", "challenger"),
    )
