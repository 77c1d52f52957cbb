"""The cases of a pack, decided in batches: one decision for all moments of a day."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np
from pydantic import ValidationError

from limits.breakers import Counts, tripped
from limits.budget import raises_of
from limits.capacity import Capacity, estimate_capacity
from limits.casebook.expecting import ACTIONS
from limits.casebook.reading import CaseError, Fact, Moment, merged, read_casebook, shipped_cases
from limits.casebook.users import make_portfolio, with_bands, with_forecasts
from limits.decision import Decisions, decide
from limits.dispositions import Disposition, Dispositions, Notice, dispose
from limits.errors import PolicyError
from limits.money import EXPONENTS, major
from limits.notices import Facts, Kind, fees_protected_until, principal_reasons
from limits.policy import Policy, policy_at
from limits.policy_sense import contradictions
from limits.policy_text import dotted, plain
from limits.portfolio import UNBOUNDED, UNKNOWN, Bool, Int, Portfolio
from limits.reasons import Reason
from limits.retention import kept_until

_COUNTS = {f.name: 0 for f in dataclasses.fields(Counts)}


@dataclass(frozen=True)
class Failure:
    """A case that does not come out as it says: what was expected and what was found, in words."""

    one: Moment | Fact
    expected: Mapping[str, str]
    found: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """All cases of a pack."""

    passed: tuple[Moment | Fact, ...]
    failed: tuple[Failure, ...]


@dataclass
class _Batch:
    """Moments of one day and one policy: their users as a portfolio, and what is expected as arrays."""

    as_of: dt.date
    changed: Mapping[str, Any]
    moments: Sequence[Moment]
    portfolio: Portfolio
    #: name -> rows and the values expected there.
    checks: Mapping[str, tuple[Any, Any]]
    capacities: dict[int, Capacity] = field(default_factory=dict)

    def capacity(self, horizon: int) -> Capacity:
        """Estimated once for each horizon: nothing else of a policy changes it."""
        if horizon not in self.capacities:
            estimated = estimate_capacity(self.portfolio.cash_flow, horizon)
            self.capacities[horizon] = with_forecasts(estimated, [moment.columns for moment in self.moments])
        return self.capacities[horizon]


def cases_of(history: Sequence[Policy], folder: Traversable | None = None) -> Cases:
    """The cases of a folder that are for a pack, by default those that come with the product. CaseError for none."""
    book = read_casebook(folder or shipped_cases())
    newest = history[-1]
    cases = Cases(book.of_pack(newest.pack, newest.currency), newest.currency)
    if not len(cases):
        raise CaseError(
            f'no case is for the pack {newest.pack}; write policy = "{newest.pack}" into cases of a folder of your '
            "own and name it by --cases"
        )
    return cases


class Cases:
    """The cases of one pack, ready to be decided by any version of its policies."""

    def __init__(self, expected: Iterable[Moment | Fact], currency: str) -> None:
        self.currency = currency
        self.facts: list[Fact] = []
        grouped: dict[tuple[dt.date, str], list[Moment]] = {}
        for one in expected:
            if isinstance(one, Fact):
                self.facts.append(one)
            else:
                grouped.setdefault((one.as_of, json.dumps(one.changed, default=str, sort_keys=True)), []).append(one)
        batches = [self._batch(moments) for moments in grouped.values()]
        #: The largest first: it is the one that notices most.
        self.batches = sorted(batches, key=lambda batch: -len(batch.moments))

    def __len__(self) -> int:
        return len(self.facts) + sum(len(batch.moments) for batch in self.batches)

    def run(self, history: Sequence[Policy]) -> Outcome:
        """Every case, and how those that fail do."""
        passed: list[Moment | Fact] = []
        failed: list[Failure] = []
        for batch in self.batches:
            made = _Made(batch, _policy(history, batch))
            for row, moment in enumerate(batch.moments):
                expected, found = made.differences(row)
                if expected:
                    failed.append(Failure(moment, expected, found))
                else:
                    passed.append(moment)
        for fact in self.facts:
            expected, found = _fact_differences(fact, history)
            if expected:
                failed.append(Failure(fact, expected, found))
            else:
                passed.append(fact)
        return Outcome(tuple(passed), tuple(failed))

    def notice(self, history: Sequence[Policy]) -> bool:
        """Whether any case fails: as soon as one does, the others are not looked at."""
        if any(_fact_differences(fact, history)[0] for fact in self.facts):
            return True
        for batch in self.batches:
            try:
                policy = _policy(history, batch)
            except PolicyError:
                return True
            if _Made(batch, policy).wrong().any():
                return True
        return False

    def reasons(self, history: Sequence[Policy]) -> Iterator[list[Reason]]:
        """The reasons of every user of the cases, in the order in which they bind."""
        for batch in self.batches:
            made = _Made(batch, _policy(history, batch)).decisions
            yield from (made.reasons(row) for row in range(len(made)))

    def _batch(self, moments: Sequence[Moment]) -> _Batch:
        first = moments[0]
        portfolio = make_portfolio([moment.columns for moment in moments], as_of=first.as_of, currency=self.currency)
        return _Batch(first.as_of, first.changed, moments, portfolio, _checks(moments))


def _checks(moments: Sequence[Moment]) -> dict[str, tuple[Any, Any]]:
    """What is expected, by name: (rows, values); a ceiling has the name of its reason's number."""
    listed: dict[str, list[tuple[int, Any]]] = {}
    for row, moment in enumerate(moments):
        wanted = moment.expected
        plain = {
            "action": ACTIONS[wanted.action] if wanted.action is not None else None,
            "limit": wanted.limit,
            "bits": _bits(wanted.reasons) if wanted.reasons is not None else None,
            "floor": wanted.floor,
            "loss": wanted.loss,
            "disposition": wanted.disposition,
            "proposed": wanted.proposed,
            "effective_on": wanted.effective_on,
            "notice": wanted.notice,
            "notice_due_on": wanted.notice_due_on,
        }
        for name, value in (*plain.items(), *((str(int(r)), v) for r, v in wanted.ceilings.items())):
            if value is not None:
                listed.setdefault(name, []).append((row, value))
    dates = ("effective_on", "notice_due_on")
    return {
        name: (
            np.array([row for row, _ in rows]),
            np.array([value for _, value in rows], dtype="datetime64[D]" if name in dates else np.int64),
        )
        for name, rows in listed.items()
    }


def _bits(reasons: Iterable[Reason]) -> int:
    return sum(1 << reason for reason in reasons)


class _Made:
    """What came out for a batch."""

    def __init__(self, batch: _Batch, policy: Policy) -> None:
        self.batch, self.policy = batch, policy
        capacity = batch.capacity(policy.capacity.horizon_months)
        risk = with_bands([moment.columns for moment in batch.moments], policy)
        self.decisions: Decisions = decide(batch.portfolio, capacity, risk, policy)

    def found(self, name: str) -> Any:
        """All values (n,) of what a check is about."""
        made = self.decisions
        if name.isdigit():
            return made.ceilings[:, int(name)]
        if name in ("action", "floor"):
            return getattr(made, name)
        if name == "limit":
            return made.limit_after
        if name == "bits":
            return made.reason_bits
        if name == "loss":
            return self._loss
        return getattr(self.taking_effect, name)

    @functools.cached_property
    def _loss(self) -> Int:
        """What each raise adds to the expected loss, 0 where there is none."""
        found = np.zeros(len(self.batch.moments), dtype=np.int64)
        raised = self.decisions.limit_after > self.batch.portfolio.credit_limit
        found[raised] = raises_of(self.batch.portfolio, self.decisions, self.policy).loss
        return found

    @functools.cached_property
    def taking_effect(self) -> Dispositions:
        """How the decisions take effect; not every batch asks for it."""
        return dispose(self.batch.portfolio, self.decisions, self.policy)

    def wrong(self) -> Bool:
        """Which moments (n,) are not as expected; the order of reasons is looked at by ``differences`` alone."""
        wrong = np.zeros(len(self.batch.moments), dtype=np.bool_)
        for name, (rows, values) in self.batch.checks.items():
            wrong[rows] |= self.found(name)[rows] != values
        for row, moment in enumerate(self.batch.moments):
            if moment.expected.told is not None:
                wrong[row] |= self._told(row) != moment.expected.told
        return wrong

    def _told(self, row: int) -> tuple[Reason, ...]:
        """The reasons that the notice of this decision names; none where there is no notice, or no reason in it."""
        made, effect, asked = self.decisions, self.taking_effect, int(self.batch.portfolio.requested_limit[row])
        notice = Notice(int(effect.notice[row]))
        if notice is Notice.NONE:
            return ()
        waits = effect.proposed[row] != UNKNOWN
        facts = Facts(
            entry_id=0,
            kind=Kind(notice.name.lower()),
            as_of=self.batch.as_of,
            currency=self.policy.currency,
            before=int(made.limit_before[row]),
            after=int(effect.limit_after[row]),
            reasons=tuple((reason, int(made.ceilings[row, reason])) for reason in made.reasons(row)),
            proposed=int(effect.proposed[row]) if waits else None,
            effective_on=effect.effective_on[row].astype(dt.date) if waits else None,
            asked=asked if asked < UNBOUNDED else None,
        )
        return principal_reasons(facts, self.policy.notices.principal_reasons)

    def differences(self, row: int) -> tuple[dict[str, str], dict[str, str]]:
        """In words, what of one moment was expected and what was found instead; empty when all is as expected."""
        expected: dict[str, str] = {}
        found: dict[str, str] = {}
        for name, (rows, values) in self.batch.checks.items():
            for value in values[rows == row]:
                if name != "bits" and self.found(name)[row] != value:
                    label = f"ceiling {Reason(int(name)).name.lower()}" if name.isdigit() else name
                    expected[label], found[label] = self._word(name, value), self._word(name, self.found(name)[row])
        wanted = self.batch.moments[row].expected
        for label, listed, there in (
            ("reasons", wanted.reasons, tuple(self.decisions.reasons(row))),
            ("told", wanted.told, None if wanted.told is None else self._told(row)),
        ):
            if listed is not None and there is not None and listed != there:
                expected[label], found[label] = _names(listed), _names(there)
        return expected, found

    def _word(self, name: str, value: Any) -> str:
        if name == "action":
            return next(word for word, number in ACTIONS.items() if number == int(value))
        if name in ("disposition", "notice"):
            return (Disposition if name == "disposition" else Notice)(int(value)).name.lower()
        if name in ("effective_on", "notice_due_on"):
            return "none" if np.isnat(value) else str(value)
        return major(int(value), EXPONENTS[self.policy.currency])


def _names(reasons: Iterable[Reason]) -> str:
    return ", ".join(reason.name.lower() for reason in reasons) or "none"


def _policy(history: Sequence[Policy], part: _Batch | Fact) -> Policy:
    """The policy in force on the day, with the values that the case changes in it."""
    policy = policy_at(history, part.as_of)
    if not part.changed:
        return policy
    try:
        changed = Policy.model_validate(merged(_data(policy.body), part.changed)).with_body(policy.body)
    except ValidationError as error:
        first = error.errors()[0]
        place = dotted(first["loc"])
        raise PolicyError(f"[changed] of a case makes no policy: {place}: {plain(first)}; correct it") from None
    for _, what in contradictions(changed):
        raise PolicyError(f"[changed] of a case makes no policy: {what}")
    return changed


@functools.lru_cache(maxsize=8)
def _data(body: str) -> dict[str, Any]:
    """A policy's text as data; kept for the cases of one policy, which are decided one after the other."""
    return tomllib.loads(body)


def _fact_differences(fact: Fact, history: Sequence[Policy]) -> tuple[dict[str, str], dict[str, str]]:
    expected, found = {}, {}
    for label, wanted, there in _fact_values(fact, history):
        if wanted != there:
            expected[label], found[label] = str(wanted), str(there)
    return expected, found


def _fact_values(fact: Fact, history: Sequence[Policy]) -> Iterator[tuple[str, Any, Any]]:
    try:
        policy = _policy(history, fact)
    except PolicyError:
        yield "a policy in force", fact.as_of, "none"
        return
    day = fact.as_of
    cut = Facts(entry_id=0, kind=Kind.LOWERED, as_of=day, currency=policy.currency, before=1, after=0)
    follows = {
        "no_fee_until": fees_protected_until(cut, policy, day) or "never",
        "kept_until": kept_until(policy.notices, day),
        "in_force_from": policy.effective_on,
    }
    for name, wanted in fact.days.items():
        yield name, wanted, follows[name]
    if fact.trips is not None:
        yield "trips", fact.trips, tripped(policy.breakers, Counts(**(_COUNTS | dict(fact.counts))))
