"""limits policy test: the cases of a pack, and whether they notice it when a number of the policy is off by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common

if TYPE_CHECKING:
    from limits.casebook.mutating import Mutated
    from limits.casebook.reading import Fact, Moment
    from limits.casebook.running import Failure, Outcome


def register(group: typer.Typer) -> None:
    """Add the command to the group ``limits policy``."""
    group.command("test")(run_cases)


def run_cases(
    name: Annotated[
        str,
        typer.Argument(metavar="POLICY", help="A TOML file, a folder of them or a pack by name.", show_default=False),
    ],
    cases: Annotated[
        str | None,
        common.words_option("--cases", "A folder of cases. Default: those that come with the product.", "FOLDER"),
    ] = None,
    mutate: Annotated[
        bool,
        typer.Option(
            "--mutate", help="Also move every number of the policy by one, and name those that no case notices."
        ),
    ] = False,
    json: common.Json = False,
) -> None:
    """Decide the cases that name the pack, and say which come out otherwise than they expect."""
    from limits.casebook.mutating import mutate as moved
    from limits.casebook.running import cases_of
    from limits.store.policies import read_pack_files

    pairs = read_pack_files(name)
    files, history = [file for file, _ in pairs], [policy for _, policy in pairs]
    found = cases_of(history, Path(cases).expanduser() if cases else None)
    common.load_forecast()
    outcome = found.run(history)
    mutated = moved(history, files, found) if mutate and not outcome.failed else None
    if json:
        from limits.terminal import print_json

        print_json(_as_dict(history[-1].pack, outcome, mutated))
    else:
        _print(history[-1].pack, outcome)
        if mutated:
            _print_mutated(mutated)
        elif mutate:
            from limits.terminal import say

            say("No number was moved: first the cases above have to pass.")
    if outcome.failed or (mutated and mutated.missed):
        raise typer.Exit(1)


def _print(pack: str, outcome: Outcome) -> None:
    from limits.terminal import say

    failed = [failure.one for failure in outcome.failed]
    for file in sorted({one.file for one in (*outcome.passed, *failed)}):
        wrong = [failure for failure in outcome.failed if failure.one.file == file]
        right = [one for one in outcome.passed if one.file == file]
        title = (right or [failure.one for failure in wrong])[0].case
        say(f"{'FAILED' if wrong else 'passed'}  {title}  [{file}: {len(right)} of {len(right) + len(wrong)}]")
        for failure in wrong:
            _print_failure(failure)
    total = len(outcome.passed) + len(failed)
    say(f"{len(outcome.passed)} of {total} expectations of the pack {pack} are met", strong=True)


def _print_failure(failure: Failure) -> None:
    from limits.terminal import say

    say(f"        {failure.one.title}, as of {failure.one.as_of}")
    for what, expected in failure.expected.items():
        say(f"            {what}: expected {expected}, found {failure.found[what]}")


def _print_mutated(mutated: Mutated) -> None:
    from limits.terminal import say

    for mutation in mutated.missed:
        say(f"missed  {mutation}: no case notices")
    noticed, refused, missed = len(mutated.noticed), len(mutated.refused), len(mutated.missed)
    say(
        f"{noticed + refused + missed} changes, each of one number by one or of a yes to a no: {noticed} noticed by a "
        f"case, {refused} refused by the policy check, {missed} noticed by nobody",
        strong=True,
    )


def _as_dict(pack: str, outcome: Outcome, mutated: Mutated | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "pack": pack,
        "passed": [_place(one) for one in outcome.passed],
        "failed": [
            {**_place(failure.one), "expected": dict(failure.expected), "found": dict(failure.found)}
            for failure in outcome.failed
        ],
    }
    if mutated:
        told["mutations"] = {
            "noticed": len(mutated.noticed),
            "refused": len(mutated.refused),
            "missed": [
                {"file": m.file, "line": m.line, "key": m.key, "before": m.before, "after": m.after}
                for m in mutated.missed
            ],
        }
    return told


def _place(one: Moment | Fact) -> dict[str, str]:
    return {"file": one.file, "case": one.case, "title": one.title, "as_of": one.as_of.isoformat()}
