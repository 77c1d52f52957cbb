"""Whether the cases notice it when a number of a policy is off by one, or a yes is a no.

Every number of a policy file is moved one step up and one step down: a whole number by one, an
amount by one unit of its currency (or by one of its last decimal, where it has decimals), a date by
one day. A yes is turned into a no, and a no into a yes. A file that the policy check refuses then is
caught by that; else some case must fail.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from limits.casebook.running import Cases
from limits.errors import PolicyError
from limits.policy import Policy, parse_policy

_LINE = re.compile(
    r"""\s*(?P<key>[A-Za-z0-9_-]+)\s*=\s*(?P<quote>")?
    (?P<value>\d{4}-\d{2}-\d{2}|true|false|-?[0-9][0-9_]*(?:\.[0-9]+)?)(?P<rest>(?(quote)\ [A-Z]{3}"))\s*(?:\#.*)?$""",
    re.VERBOSE,
)
_TABLE = re.compile(r"\s*\[\[?\s*([A-Za-z0-9_. -]+?)\s*\]\]?\s*(?:#.*)?$")


@dataclass(frozen=True)
class Mutation:
    """One number of a policy file moved, or one yes or no turned."""

    file: str
    line: int
    key: str
    before: str
    after: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key} = {self.before} -> {self.after}"


@dataclass(frozen=True)
class Mutated:
    """What became of all mutations: noticed by a case, refused by the policy check, or by nobody."""

    noticed: tuple[Mutation, ...]
    refused: tuple[Mutation, ...]
    missed: tuple[Mutation, ...]


def mutations(text: str, file: str) -> Iterator[Mutation]:
    """Every number of a policy's text moved up and moved down, every yes and no turned."""
    lines = text.splitlines(keepends=True)
    table = ""
    for number, line in enumerate(lines, start=1):
        if heading := _TABLE.match(line):
            table = f"{heading[1]}."
        match = _LINE.match(line)
        if match is None:
            continue
        begin, end = match.span("value")
        for after in _moved(match["value"]):
            moved = [*lines[: number - 1], line[:begin] + after + line[end:], *lines[number:]]
            unit = match["rest"].rstrip('"')
            yield Mutation(file, number, table + match["key"], match["value"] + unit, after + unit, "".join(moved))


def _moved(value: str) -> tuple[str, ...]:
    """One step up and one step down; of yes and no the other."""
    if value in ("true", "false"):
        return ("false" if value == "true" else "true",)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        day = dt.date.fromisoformat(value)
        return str(day + dt.timedelta(days=1)), str(day - dt.timedelta(days=1))
    plain = value.replace("_", "")
    step = Decimal(1).scaleb(-len(plain.partition(".")[2]))
    return str(Decimal(plain) + step), str(Decimal(plain) - step)


def mutate(history: Sequence[Policy], files: Sequence[str], cases: Cases) -> Mutated:
    """Moves every number of every file of a pack, and turns every yes and no.

    ``files`` names the files, in the order of ``history``. The cases are decided in batches, and
    no further than to the first that fails.
    """
    noticed: list[Mutation] = []
    refused: list[Mutation] = []
    missed: list[Mutation] = []
    for place, (policy, file) in enumerate(zip(history, files, strict=True)):
        for mutation in mutations(policy.body, file):
            try:
                moved = parse_policy(mutation.text, file=file)
            except PolicyError:
                refused.append(mutation)
                continue
            others = [*history[:place], moved, *history[place + 1 :]]
            (noticed if cases.notice(others) else missed).append(mutation)
    return Mutated(tuple(noticed), tuple(refused), tuple(missed))
