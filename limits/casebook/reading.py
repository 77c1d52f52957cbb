"""Case files, read and checked: whatever cannot be understood is named with file, place and mend.

A case has a title, a day (``as_of``), the packs it is for, a ``[user]`` and either a ``[monthly]``
cash flow or a ``[capacity]``, all of which may be left out, and then expectations: ``[[step]]``s,
each with what has changed since the step before, and ``edge``s, each of one line with what is
different from the user of the case. A [changed] table stands in for a policy with other values.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any

from limits.breakers import Counts
from limits.casebook.expecting import EXPECTATIONS, Expected
from limits.casebook.users import AMOUNTS, COLUMNS, DATES, FLAGS, FLOWS, FORECAST, STATEMENT, TEXTS, WORDS
from limits.errors import InputError
from limits.money import EXPONENTS, LARGEST_MINOR, Money
from limits.portfolio import STATEMENTS, UNBOUNDED, UNKNOWN

#: The file beside the cases that says what the amounts of cases written for several packs are in each of them.
PACKS_FILE = "packs.toml"
EVERY = "every pack"

_CASE_KEYS = (
    "title", "as_of", "policy", "except", "currency", "user", "monthly", "capacity", "changed", "step", "edge",
    "days", "breaker",
)  # fmt: skip
#: What [days] may hold, and a [[breaker]] beside ``trips``.
DAYS = ("no_fee_until", "kept_until", "in_force_from")
_A_STATEMENT = "{ balance = 9000, repaid = 500, days_past_due = 0 }"
MOST_DAYS_PAST_DUE = 3650
COUNTS = tuple(f.name for f in dataclasses.fields(Counts))

_AGO = re.compile(r"(\d{1,5}) days? ago|in (\d{1,5}) days?")


class CaseError(InputError):
    """A case that cannot be read: file, what is wrong, mend."""


@dataclass(frozen=True)
class Moment:
    """One user on one day, decided by one policy, and what is expected of it."""

    file: str
    case: str
    title: str
    as_of: dt.date
    columns: Mapping[str, Any]
    changed: Mapping[str, Any]
    expected: Expected

    @property
    def name(self) -> str:
        """The file and the title."""
        return f"{self.file}: {self.title}"


@dataclass(frozen=True)
class Fact:
    """What is expected of a policy without any user: what follows on a day, or which breakers trip."""

    file: str
    case: str
    title: str
    as_of: dt.date
    changed: Mapping[str, Any]
    days: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    trips: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The file and the title."""
        return f"{self.file}: {self.title}"


@dataclass(frozen=True)
class Scale:
    """What an amount of a case is in a pack: so many minor units of its currency for each one written."""

    written_in: str
    currency: str
    minor: Fraction


@dataclass(frozen=True)
class Casebook:
    """All case files of a folder, not yet tied to a pack."""

    files: Mapping[str, Mapping[str, Any]]
    money: str
    amounts: Mapping[str, Fraction]

    def of_pack(self, pack: str, currency: str) -> Iterator[Moment | Fact]:
        """What the cases expect of a pack, in the order of files; nothing where none names it."""
        for file, case in self.files.items():
            if self.is_for(case, pack):
                yield from _Reader(file, case, self._scale(file, case, pack, currency)).all()

    def is_for(self, case: Mapping[str, Any], pack: str) -> bool:
        """Whether a case names the pack."""
        named = case["policy"]
        if named == EVERY:
            return pack in self.amounts and pack not in case.get("except", ())
        return pack in ([named] if isinstance(named, str) else named)

    def _scale(self, file: str, case: Mapping[str, Any], pack: str, currency: str) -> Scale:
        if currency not in EXPONENTS:
            raise CaseError(
                f"{file}: the pack {pack} has the currency {currency}, which is not known here; name another"
            )
        unit = 10 ** EXPONENTS[currency]
        if case["currency"] == currency:
            return Scale(case["currency"], currency, Fraction(unit))
        if case["currency"] != self.money or pack not in self.amounts:
            raise CaseError(
                f"{file}: amounts are in {case['currency']} and the pack {pack} in {currency}; "
                f"write the amounts in {self.money or currency} and {pack} = a factor into {PACKS_FILE}, "
                "or a case of its own for the pack"
            )
        return Scale(case["currency"], currency, unit * self.amounts[pack])


def shipped_cases() -> Traversable:
    """The cases that come with the product: inside the installed package, or tests/cases of the checkout."""
    packed = resources.files("limits") / "casebook" / "cases"
    return packed if packed.is_dir() else Path(__file__).resolve().parents[2] / "tests" / "cases"


def read_casebook(folder: Traversable) -> Casebook:
    """All case files of a folder. CaseError names the file that cannot be read."""
    try:
        paths = sorted((p for p in folder.iterdir() if p.name.endswith(".toml")), key=lambda path: path.name)
        texts = {path.name: path.read_text(encoding="utf-8") for path in paths}
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise CaseError(f"cannot read cases from {str(folder)!r}: {words}; name a folder of TOML files") from error
    files = {name: _toml(name, text) for name, text in texts.items()}
    packs = files.pop(PACKS_FILE, {})
    if not files:
        raise CaseError(f"{str(folder)!r} holds no case; a case is a file that ends in .toml")
    for name, case in files.items():
        _check_head(name, case)
    try:
        factors = {pack: Fraction(str(factor)) for pack, factor in packs.get("amounts", {}).items()}
    except ValueError as error:
        raise CaseError(f'{PACKS_FILE}: {error}; write a factor such as 0.2 or "1/5"') from None
    return Casebook(MappingProxyType(files), str(packs.get("currency", "")), MappingProxyType(factors))


def _toml(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CaseError(f"{name}: not TOML: {error}; mend the line") from None


def _check_head(file: str, case: Mapping[str, Any]) -> None:
    _known(file, "the case", case, _CASE_KEYS)
    for key, kind, example in (
        ("title", str, 'title = "Two lenders, in order"'),
        ("policy", (str, list), 'policy = "standard"'),
        ("currency", str, 'currency = "CNY"'),
    ):
        if not isinstance(case.get(key), kind):
            raise CaseError(f"{file}: {key} is missing or of the wrong kind; write it like {example}")
    if not all(isinstance(pack, str) for key in ("policy", "except") for pack in case.get(key, ())):
        raise CaseError(f'{file}: policy and except name packs in quotes, such as ["us", "uk"]')
    if case["currency"] not in EXPONENTS:
        raise CaseError(
            f"{file}: {case['currency']!r} is not a currency known here; write one of {', '.join(EXPONENTS)}"
        )
    if not any(key in case for key in ("step", "edge", "days", "breaker")):
        raise CaseError(f"{file}: nothing is expected; add a [[step]] or an edge = [...]")


def _known(file: str, where: str, given: Iterable[str], known: Iterable[str]) -> None:
    listed = list(known)
    for key in given:
        if key not in listed:
            near = difflib.get_close_matches(key, listed, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(listed)}"
            raise CaseError(f"{file}: {where} has an unknown {key!r}; {hint}")


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The tables put together key by key; a list or a value takes the place of the one there."""
    both = dict(base)
    for key, value in changes.items():
        inner = both.get(key)
        tables = isinstance(value, Mapping) and isinstance(inner, Mapping)
        both[key] = merged(inner, value) if tables else value  # type: ignore[arg-type]
    return both


class _Reader:
    """One case file, read for one pack."""

    def __init__(self, file: str, case: Mapping[str, Any], scale: Scale) -> None:
        self.file, self.case, self.scale = file, case, scale
        self.changed = self._converted(self._table("the case", case, "changed"))
        self.user = {name: self._neutral(name) for name in (*AMOUNTS, *FLOWS)}
        self.user |= self._columns("the case", case)

    def all(self) -> Iterator[Moment | Fact]:
        """The steps, then the edges, then what needs no user."""
        case, columns = self.case, dict(self.user)
        for number, step in self._tables("step"):
            where = f"step {number}"
            self._known(where, step, ("title", "as_of", "user", "monthly", "capacity", "expect"))
            columns |= self._columns(where, step)
            expect = step.get("expect")
            if not isinstance(expect, Mapping):
                raise CaseError(f'{self.file}: {where} expects nothing; add [step.expect] with action = "held"')
            yield self._moment(where, step.get("title", case["title"]), step, dict(columns), expect)
        for number, edge in self._tables("edge"):
            where = f"edge {number}"
            self._known(where, edge, ("title", "as_of", "set", "changed", *EXPECTATIONS))
            changes = self._table(where, edge, "set")
            title = edge.get("title") or ", ".join(f"{k} = {v}" for k, v in changes.items()) or "as the case is"
            expect = {key: value for key, value in edge.items() if key in EXPECTATIONS}
            yield self._moment(where, f"{where}, {title}", edge, self.user | self._some(where, changes), expect)
        yield from self._facts()

    def _tables(self, key: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """The tables of a list, numbered from 1."""
        listed = self.case.get(key, [])
        if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
            raise CaseError(f"{self.file}: {key} must be a list of tables; write [[{key}]] above each")
        return enumerate(listed, start=1)

    def _table(self, where: str, part: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        table = part.get(key, {})
        if not isinstance(table, Mapping):
            raise CaseError(f"{self.file}: {where}: {key} must be a table; write it like {key} = {{ ... }}")
        return table

    def _facts(self) -> Iterator[Fact]:
        case, changed = self.case, self.changed
        if "days" in case:
            self._known("[days]", self._table("the case", case, "days"), DAYS)
            for name, day in case["days"].items():
                if type(day) is not dt.date and day != "never":
                    raise self._wrong("[days]", name, day, 'a date such as 2026-06-30, or "never"')
            yield Fact(self.file, case["title"], "days", self._day("days", {}), changed, days=case["days"])
        for number, breaker in self._tables("breaker"):
            counts = {key: value for key, value in breaker.items() if key != "trips"}
            self._known(f"breaker {number}", counts, COUNTS)
            if not all(isinstance(v, int) for v in counts.values()) or not isinstance(breaker.get("trips"), list):
                raise CaseError(f"{self.file}: breaker {number}: write whole numbers, and trips = [...] with names")
            title = f"breaker {number}, " + (", ".join(breaker["trips"]) or "none trips")
            day = self._day(f"breaker {number}", {})
            yield Fact(self.file, case["title"], title, day, changed, counts=counts, trips=tuple(breaker["trips"]))

    def _moment(
        self, where: str, title: str, part: Mapping[str, Any], columns: dict[str, Any], expect: Mapping[str, Any]
    ) -> Moment:
        day = self._day(where, part)
        try:
            expected = Expected.read(
                expect,
                lambda amount: UNBOUNDED if amount == "none" else self._amount(where, "amount", amount),
                lambda name, value: self._when(where, name, value, day),
            )
        except ValueError as error:
            raise CaseError(f"{self.file}: {where}: {error}") from None
        changed = merged(self.changed, self._converted(self._table(where, part, "changed")))
        placed = {name: self._when(where, name, v, day) if name in DATES else v for name, v in columns.items()}
        return Moment(self.file, self.case["title"], title, day, placed, changed, expected)

    def _converted(self, value: Any) -> Any:
        """Values of a changed policy: an amount in the case's money becomes one in the pack's."""
        if isinstance(value, Mapping):
            return {key: self._converted(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._converted(inner) for inner in value]
        match = re.fullmatch(r"([0-9.]+) ([A-Z]{3})", value) if isinstance(value, str) else None
        if match is None or match[2] != self.scale.written_in:
            return value
        return Money(self._amount("[changed]", "amount", float(match[1])), self.scale.currency)

    # Values -------------------------------------------------------------------------------

    def _known(self, where: str, given: Iterable[str], known: Iterable[str]) -> None:
        _known(self.file, where, given, known)

    def _day(self, where: str, part: Mapping[str, Any]) -> dt.date:
        day = part.get("as_of", self.case.get("as_of"))
        if type(day) is not dt.date:
            raise CaseError(f"{self.file}: {where} has no day; write as_of = 2026-06-30")
        return day

    def _neutral(self, name: str) -> Any:
        """The amount that bars nothing, in the pack's own money: what is 100 CNY there is 100 times the factor here."""
        value = COLUMNS[name] if name in COLUMNS else FLOWS[name]
        return value if value in (UNBOUNDED, UNKNOWN) else int(value * self.scale.minor / 100)

    def _columns(self, where: str, part: Mapping[str, Any]) -> dict[str, Any]:
        """What the tables of the case or of a step say."""
        columns: dict[str, Any] = {}
        for table, names in (("user", (*COLUMNS, "statements")), ("monthly", FLOWS), ("capacity", FORECAST)):
            given = self._table(where, part, table)
            self._known(f"[{table}] of {where}", given, names)
            columns |= {name: self._value(where, name, value) for name, value in given.items()}
        return columns

    def _some(self, where: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """What an edge says, of whatever table."""
        self._known(f"set of {where}", changes, (*COLUMNS, "statements", *FLOWS, *FORECAST))
        return {name: self._value(where, name, value) for name, value in changes.items()}

    def _statements(self, where: str, listed: Any) -> list[dict[str, int]]:
        """The newest statements, the newest first."""
        if not isinstance(listed, list) or len(listed) > STATEMENTS:
            raise self._wrong(
                where, "statements", listed,
                f"up to {STATEMENTS}, the newest first, such as [{_A_STATEMENT}]",
            )  # fmt: skip
        found = []
        for place, told in enumerate(listed, start=1):
            of = f"statement {place} of {where}"
            if not isinstance(told, Mapping):
                raise self._wrong(of, "statement", told, _A_STATEMENT)
            self._known(of, told, STATEMENT)
            late = told.get("days_past_due", 0)
            if isinstance(late, bool) or not isinstance(late, int) or not 0 <= late <= MOST_DAYS_PAST_DUE:
                raise self._wrong(of, "days_past_due", late, f"a whole number from 0 to {MOST_DAYS_PAST_DUE}")
            amounts = {name: self._amount(of, name, told.get(name, 0)) for name in STATEMENT if name != "days_past_due"}
            if amounts["repaid"] < 0:
                raise self._wrong(of, "repaid", told["repaid"], "an amount such as 500, or 0")
            found.append({**amounts, "days_past_due": late})
        return found

    def _value(self, where: str, name: str, value: Any) -> Any:
        if name == "statements":
            return self._statements(where, value)
        if name in FLOWS and isinstance(value, list):
            # A month that is not observed is written "-".
            return [None if month == "-" else self._amount(where, name, month) for month in value]
        if name in AMOUNTS or name in FLOWS or name in FORECAST:
            return UNBOUNDED if value == "none" and COLUMNS.get(name) == UNBOUNDED else self._amount(where, name, value)
        if name in WORDS:
            if value not in WORDS[name]:
                raise self._wrong(where, name, value, " or ".join(f'"{word}"' for word in WORDS[name]))
            return WORDS[name][value]
        kind, example = (
            (bool, "true or false") if name in FLAGS
            else (str, "a text in quotes") if name in TEXTS
            else ((str, dt.date), 'a date, or "30 days ago"') if name in DATES
            else (int, "a whole number")
        )  # fmt: skip
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self._wrong(where, name, value, example)
        return value

    def _amount(self, where: str, name: str, value: Any) -> int:
        """Minor units of an amount in major units of the case's money."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(where, name, value, "an amount such as 20000")
        minor = Fraction(str(value)) * self.scale.minor
        if minor.denominator != 1 or abs(minor) > LARGEST_MINOR:
            what = f"is {float(minor / 10 ** EXPONENTS[self.scale.currency]):,} {self.scale.currency}"
            raise CaseError(f"{self.file}: {where}: {name} = {value} {what}, which no amount can be; choose another")
        return int(minor)

    def _when(self, where: str, name: str, value: Any, day: dt.date) -> Any:
        if value is None or type(value) is dt.date:
            return value
        if value == "never":
            return None
        match = _AGO.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise self._wrong(where, name, value, 'a date, "30 days ago", "in 30 days" or "never"')
        return day + dt.timedelta(days=int(match[2] or 0) - int(match[1] or 0))

    def _wrong(self, where: str, name: str, value: Any, example: str) -> CaseError:
        return CaseError(f"{self.file}: {where}: {name} = {value!r} cannot be; write {example}")
