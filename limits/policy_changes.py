"""What is different between two policies, in words: every key, with the old value, the new one, and which way it goes.

Stricter: limits come out lower, or fewer are raised, or a breaker trips sooner. Looser: the
other way. Neither: it depends, or it is not about the limit.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from limits.money import EXPONENTS, Money, major, money
from limits.policy import ALL_BPS, Freeze, Group, Policy, RiskRules
from limits.policy_text import Path, dotted


class Direction(enum.IntEnum):
    """Which way a change goes."""

    LOOSER = -1
    NEITHER = 0
    STRICTER = 1


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One difference. ``old`` and ``new`` as a policy writes them, None for what is not there."""

    key: str
    old: str | None
    new: str | None
    direction: Direction
    words: str

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        direction = self.direction.name.lower()
        return {"key": self.key, "old": self.old, "new": self.new, "direction": direction, "words": self.words}


@dataclass(frozen=True, slots=True)
class _Key:
    """A key in words. ``up``: the direction in which a higher value goes. ``unit``: of a plain number."""

    words: str
    up: int = 0
    unit: str = ""


S, L = Direction.STRICTER, Direction.LOOSER

#: Every single value of a policy. A text with a bar is of a yes or no: what holds with yes | with no.
KEYS: Mapping[str, _Key] = MappingProxyType(
    {
        "pack": _Key("the pack is called {new} instead of {old}"),
        "effective_on": _Key("in force from {new} instead of {old}"),
        "currency": _Key("the currency is {new} instead of {old}"),
        "capacity.horizon_months": _Key("the forecast covers {new} instead of {old}", 0, "months"),
        "capacity.minimum_months": _Key("a raise needs {new} of history instead of {old}", S, "months"),
        "capacity.data_max_age_days": _Key("a raise needs data not older than {new} instead of {old}", L, "days"),
        "capacity.falling_bps": _Key("no raise when expected capacity falls by more than {new} instead of {old}", L),
        "capacity.uncertain_bps": _Key("no raise when capacity is uncertain by more than {new} instead of {old}", L),
        "capacity.income_varies_bps": _Key("no raise when income varies by more than {new} instead of {old}", L),
        "repayment.basis": _Key("repayment at full use is reckoned by {new} instead of {old}"),
        "repayment.apr_bps": _Key("the annual rate is {new} instead of {old}", S),
        "repayment.term_months": _Key("a fully used limit is paid off in {new} instead of {old}", L, "months"),
        "repayment.minimum_payment_bps": _Key("the minimum payment is {new} of the balance instead of {old}", S),
        "repayment.share_of_capacity_bps": _Key("repayment may take {new} of capacity instead of {old}", L),
        "repayment.unused_bps": _Key("of repayers {new} of the unused limit is taken as used, not {old}", S),
        "debt.ratio_bps": _Key("all debts may take {new} of income instead of {old}", L),
        "debt.residual_income": _Key("{new} a month must be left to live on instead of {old}", S),
        "debt.borrower_most": _Key("debt with all lenders together may be {new} instead of {old}", L),
        "debt.credit_check": _Key("a raise needs a credit check | a raise needs no credit check", S),
        "debt.credit_check_max_age_days": _Key("a credit check counts for {new} instead of {old}", L, "days"),
        "habits.minimum_only_payments": _Key("no raise from {new} paid by the minimum, not {old}", L, "statements"),
        "habits.persistent_debt_statements": _Key("persistent debt needs {new} instead of {old}", L, "statements"),
        "maximum.product": _Key("the product allows {new} instead of {old}", L),
        "maximum.statutory": _Key("the law's maximum is {new} instead of {old}", L),
        "raise.step_bps": _Key("one raise is at most {new} of the limit instead of {old}", L),
        "raise.step_least": _Key("a raise may always be {new} instead of {old}", L),
        "raise.step_most": _Key("a raise is never more than {new} instead of {old}", L),
        "raise.months_on_book": _Key("a raise needs {new} on book instead of {old}", S, "months"),
        "raise.utilisation_from_bps": _Key("a raise needs {new} of the limit used instead of {old}", S),
        "raise.utilisation_to_bps": _Key("no raise when more than {new} of the limit is used instead of {old}", L),
        "raise.missed_payments": _Key("a raise may have {new} in twelve months instead of {old}", L, "missed payments"),
        "raise.cool_off_after_raise_days": _Key("no raise for {new} after a raise instead of {old}", S, "days"),
        "raise.cool_off_after_cut_days": _Key("no raise for {new} after a cut instead of {old}", S, "days"),
        "raise.consent": _Key("a raise needs the user's consent | a raise needs no consent", S),
        "raise.identity": _Key("a raise needs a verified identity | a raise needs no verified identity", S),
        "raise.income": _Key("a raise needs proof of income | a raise needs no proof of income", S),
        "raise.income_max_age_days": _Key("proof of income counts for {new} instead of {old}", L, "days"),
        "raise.documents": _Key("a raise needs complete documents | a raise waits for no documents", S),
        "raise.probing_requests": _Key("no raise from {new} in 90 days on instead of {old}", L, "requests"),
        "raise.restore_bps": _Key("after a cut, one raise gives back {new} of it instead of {old}", L),
        "raise.restore_days": _Key("after a cut, a limit comes back in steps for {new} instead of {old}", S, "days"),
        "cut.step_bps": _Key("one review cuts by at most {new} instead of {old}", S),
        "cut.cool_off_days": _Key("no further cut for {new} after a cut instead of {old}", L, "days"),
        "cut.balance_buffer_bps": _Key("a cut leaves the balance and {new} of it instead of {old}", L),
        "exposure.dormant_days": _Key("an account is dormant after {new} instead of {old}", L, "days"),
        "exposure.dormant_limit_bps": _Key("dormant: {new} of the limit is kept instead of {old}", L),
        "exposure.over_limit_bps": _Key("balance above the limit: {new} of it is kept instead of {old}", L),
        "integrity.identity_mismatch_limit_bps": _Key("identity mismatch: {new} of it is kept, not {old}", L),
        "integrity.false_documents_limit_bps": _Key("false documents: {new} of the limit is kept instead of {old}", L),
        "integrity.restricted_limit_bps": _Key("restricted industry: {new} of the limit is kept instead of {old}", L),
        "integrity.confirmed_fraud_limit_bps": _Key("confirmed fraud: {new} of the limit is kept instead of {old}", L),
        "integrity.fraud_links": _Key("a person looks first from {new} to fraud on instead of {old}", L, "links"),
        "consent.raises": _Key("raises take effect: {new} instead of {old}"),
        "consent.offer_days": _Key("an offer stands for {new} instead of {old}", 0, "days"),
        "consent.raise_notice_days": _Key("an announced raise takes effect after {new} instead of {old}", 0, "days"),
        "consent.cuts": _Key("cuts take effect: {new} instead of {old}"),
        "consent.cut_notice_days": _Key("an announced cut takes effect after {new} instead of {old}", L, "days"),
        "consent.fee_protection_days": _Key("after a cut no fee for {new} instead of {old}", 0, "days"),
        "consent.automation_may_be_refused": _Key(
            "users may refuse automated decisions | users may not refuse automated decisions"
        ),
        "notices.adverse_action_days": _Key("a cut or refusal is explained within {new} instead of {old}", 0, "days"),
        "notices.principal_reasons": _Key("at most {new} are named instead of {old}", 0, "reasons"),
        "notices.retention_months": _Key("decisions are kept for {new} instead of {old}", 0, "months"),
        "breakers.raised_bps": _Key("trips when more than {new} are raised instead of {old}", L),
        "breakers.lowered_bps": _Key("trips when more than {new} are lowered instead of {old}", L),
        "breakers.exposure_up_bps": _Key("trips when exposure grows by more than {new} instead of {old}", L),
        "breakers.exposure_down_bps": _Key("trips when exposure shrinks by more than {new} instead of {old}", L),
        "breakers.quarantined_bps": _Key("trips when more than {new} are quarantined instead of {old}", L),
        "breakers.fallback_bps": _Key("trips when more than {new} have no forecast instead of {old}", L),
        "breakers.user_raise_bps": _Key("trips when one user is raised by more than {new} instead of {old}", L),
        "breakers.population_bps": _Key("trips when users are more or fewer by above {new} instead of {old}", L),
        "budget.exposure_bps": _Key("raises together may add {new} of exposure instead of {old}", L),
        "budget.expected_loss": _Key("raises together may add {new} of expected loss instead of {old}", L),
        "risk.required": _Key("a raise needs a score | a raise needs no score", S),
        "risk.loss_given_default_bps": _Key("of what is owed then, {new} is lost instead of {old}", S),
        "risk.conversion_bps": _Key("of what is not drawn, {new} will be by then instead of {old}", S),
        "rounding.grid": _Key("limits are multiples of {new} instead of {old}"),
        "rounding.hysteresis_bps": _Key("a change below {new} of the limit is not made instead of {old}"),
    }
)  # fmt: skip

#: What a band of the scorecard lets have, as KEYS.
BAND_KEYS: Mapping[str, _Key] = MappingProxyType(
    {
        "months_of_capacity": _Key("raised to {new} of capacity at most instead of {old}", L, "months"),
        "most": _Key("raised to {new} at most instead of {old}", L),
        "raise": _Key("is raised | is not raised", L),
        "limit_bps": _Key("{new} of the limit is kept instead of {old}", L),
    }
)

#: Ladders: the tables, the key of their steps, and the unit it counts.
LADDERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "past_due": ("days_past_due", "days past due"),
        "arrears": ("missed_payments", "missed payments"),
        "exposure.lenders": ("active_lenders", "active lenders"),
        "exposure.inquiries": ("inquiries", "inquiries"),
    }
)
#: Keys that count only with one basis of repayment.
_OF_BASIS = {"repayment.term_months": "amortising", "repayment.minimum_payment_bps": "minimum_payment"}


def policy_changes(old: Policy, new: Policy) -> list[PolicyChange]:
    """Every difference, in the order of the file; empty where both say the same (comments say nothing)."""
    before, after = dict(values(old)), dict(values(new))
    found = [
        _of_key(key, before[key], after[key], old, new) for key in before if key in after and before[key] != after[key]
    ]
    for name, (key, unit) in LADDERS.items():
        found += _of_ladder(name, unit, _steps(old, name, key), _steps(new, name, key))
    found += _of_industries(old.integrity.restricted_industries, new.integrity.restricted_industries)
    for kind in ("segment", "industry"):
        found += _of_groups(kind, getattr(old, kind), getattr(new, kind))
    found += _of_freezes(old.freeze, new.freeze)
    found += _of_risk(old.risk, new.risk)
    return sorted(found, key=lambda change: _SECTIONS.index(change.key.partition(".")[0].partition("[")[0]))


_SECTIONS = [field.alias or name for name, field in Policy.model_fields.items()]


def values(section: BaseModel, path: Path = ()) -> Iterator[tuple[str, Any]]:
    """Every single value by its dotted key; tables of several rows, lists and a [risk] left out are not among them."""
    for name, field in type(section).model_fields.items():
        value, here = getattr(section, name), (*path, field.alias or name)
        if isinstance(value, BaseModel):
            yield from values(value, here)
        elif here not in (("body",), ("risk",)) and (
            isinstance(value, Money) or not isinstance(value, tuple | frozenset)
        ):
            yield dotted(here), value


def written(value: Any, key: str = "", unit: str = "") -> str:
    """A value for people: shares in per cent, amounts with their currency."""
    if value is None:
        return "any"
    if isinstance(value, Money):
        return money(value.minor, EXPONENTS[value.currency], value.currency)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key.endswith("_bps"):
        return major(value, 2).removesuffix(".00") + "%"
    if unit and value == 1:
        unit = unit.replace("missed payments", "missed payment").removesuffix("s")
    return f"{value} {unit}".strip()


def _of_key(key: str, before: Any, after: Any, old: Policy, new: Policy) -> PolicyChange:
    known = KEYS[key]
    was, now = written(before, key, known.unit), written(after, key, known.unit)
    words = known.words.format(old=was, new=now)
    if " | " in words:
        words = words.split(" | ")[0 if after else 1]
    return PolicyChange(key, was, now, _direction(key, before, after, old, new), words)


def _direction(key: str, before: Any, after: Any, old: Policy, new: Policy) -> Direction:
    if key == "repayment.basis":
        rates = old.repayment.monthly_rate_of_limit, new.repayment.monthly_rate_of_limit
        return Direction((rates[1] > rates[0]) - (rates[1] < rates[0]))
    if key in _OF_BASIS and _OF_BASIS[key] not in (old.repayment.basis, new.repayment.basis):
        return Direction.NEITHER
    if before is None or after is None:  # left out: no bound
        return Direction(KEYS[key].up * (1 if after is None else -1))
    if isinstance(before, Money) and before.currency != after.currency:
        return Direction.NEITHER
    up = KEYS[key].up
    return Direction(up * ((after > before) - (after < before))) if up else Direction.NEITHER


def _steps(policy: Policy, name: str, key: str) -> list[tuple[int, int]]:
    rows: Any = policy
    for part in name.split("."):
        rows = getattr(rows, part)
    return [(getattr(step, key), step.limit_bps) for step in rows]


def _of_ladder(name: str, unit: str, old: list[tuple[int, int]], new: list[tuple[int, int]]) -> Iterator[PolicyChange]:
    """The steps of either ladder at which they say something else."""
    for place in sorted({step for step, _ in (*old, *new)}):
        rows = [dict(old).get(place), dict(new).get(place)]
        if rows[0] == rows[1]:
            continue
        was, now = _reached(old, place), _reached(new, place)
        direction = Direction((now < was) - (now > was))
        words = f"from {place} {unit} on {_kept(now)} instead of {_kept(was)}"
        if was == now:
            words = f"the step at {place} {unit} goes and comes without an effect: {_kept(now)} there"
        was_row, now_row = (None if bps is None else written(bps, "_bps") for bps in rows)
        yield PolicyChange(f"{name}[{place}]", was_row, now_row, direction, words)


def _reached(steps: list[tuple[int, int]], value: int) -> int:
    """What the ladder lets keep, more than everything where no step is reached (so a raise is free)."""
    return next((bps for step, bps in reversed(steps) if step <= value), ALL_BPS + 1)


def _kept(bps: int) -> str:
    if bps > ALL_BPS:
        return "no bound"
    return "no raise" if bps == ALL_BPS else f"at most {written(bps, '_bps')} of the limit"


def _of_industries(old: frozenset[str], new: frozenset[str]) -> Iterator[PolicyChange]:
    for name in sorted(old ^ new):
        added = name in new
        words = f"the industry {name} is {'restricted' if added else 'no longer restricted'}"
        key = "integrity.restricted_industries"
        yield PolicyChange(key, None if added else name, name if added else None, S if added else L, words)


def _of_groups(kind: str, old: Sequence[Group], new: Sequence[Group]) -> Iterator[PolicyChange]:
    was, now = ({group.name: group.most for group in groups} for groups in (old, new))
    for name in sorted({*was, *now}):
        before, after = was.get(name), now.get(name)
        if before == after:
            continue
        texts = [None if most is None else written(most) for most in (before, after)]
        if before is None or after is None:
            direction = S if before is None else L
        elif before.currency != after.currency:
            direction = Direction.NEITHER
        else:
            direction = Direction((after.minor < before.minor) - (after.minor > before.minor))
        was_text, now_text = (text or "that of the product" for text in texts)
        words = f"the highest limit of the {kind} {name} is {now_text} instead of {was_text}"
        yield PolicyChange(f"{kind}[{name}]", texts[0], texts[1], direction, words)


def _of_freezes(old: Sequence[Freeze], new: Sequence[Freeze]) -> Iterator[PolicyChange]:
    for freeze in [*(one for one in old if one not in new), *(one for one in new if one not in old)]:
        added = freeze in new
        days = f"{freeze.first_day} to {freeze.last_day}"
        named = {"segments": freeze.segments, "industries": freeze.industries, "jurisdictions": freeze.jurisdictions}
        whom = [f"{what} {', '.join(sorted(names))}" for what, names in named.items() if names]
        text = days + (f" ({'; '.join(whom)})" if whom else "")
        words = f"{'no raises from' if added else 'no freeze of raises from'} {text}"
        yield PolicyChange("freeze", None if added else text, text if added else None, S if added else L, words)


def _of_risk(old: RiskRules | None, new: RiskRules | None) -> Iterator[PolicyChange]:
    """What becomes of the scorecard's bands; the single values of [risk] are looked at elsewhere where both have it."""
    was, now = ({band.name: band for band in rules.band} if rules else {} for rules in (old, new))
    if old is None or new is None:
        if old is not new:
            texts = [", ".join(bands) or None for bands in (was, now)]
            words = f"a score bounds limits, by the bands {texts[1]}" if new else "no score bounds limits"
            yield PolicyChange("risk", texts[0], texts[1], S if new else L, words)
        return
    for name in dict.fromkeys((*was, *now)):
        if name not in was or name not in now:
            added = name in now
            words = f"the band {name} of the scorecard {'comes in' if added else 'goes'}"
            yield PolicyChange(
                f"risk.band[{name}]", None if added else name, name if added else None, Direction.NEITHER, words
            )
            continue
        pair = [dict(values(band)) for band in (was[name], now[name])]
        for key, known in BAND_KEYS.items():
            if pair[0][key] != pair[1][key]:
                one, other = (written(values_[key], key, known.unit) for values_ in pair)
                words = known.words.format(old=one, new=other)
                if " | " in words:
                    words = words.split(" | ")[0 if pair[1][key] else 1]
                more = pair[1][key].minor > pair[0][key].minor if key == "most" else pair[1][key] > pair[0][key]
                direction = Direction(known.up * (1 if more else -1))
                yield PolicyChange(f"risk.band[{name}].{key}", one, other, direction, f"the band {name}: {words}")
