"""Values of a policy that are each allowed and make no sense together: the way to one, and what to do about it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel

from limits.money import EXPONENTS, Money
from limits.policy_text import Path, dotted

if TYPE_CHECKING:
    from limits.policy import Group, Policy, RiskBand

Problem = tuple[Path, str]


def contradictions(policy: Policy) -> Iterator[Problem]:
    """Every one there is."""
    yield from _currencies(policy)
    yield from _maximums(policy)
    yield from _terms_of_a_raise(policy)
    yield from _groups(policy, ("segment",), policy.segment)
    yield from _groups(policy, ("industry",), policy.industry)
    yield from _freezes(policy)
    yield from _disordered(policy)
    yield from _bands(policy)


def _currencies(policy: Policy) -> Iterator[Problem]:
    if policy.currency not in EXPONENTS:
        yield ("currency",), f"{policy.currency!r} is not a currency known here; write one of {', '.join(EXPONENTS)}"
    for path, amount in _amounts(policy):
        if amount.currency != policy.currency:
            what = f"{dotted(path)} is in {amount.currency} and the policy in {policy.currency}; write one currency"
            yield path, what


def _amounts(section: BaseModel, path: Path = ()) -> Iterator[tuple[Path, Money]]:
    """Every amount of a section and of what it holds, with the way to it."""
    for key, field in type(section).model_fields.items():
        value, here = getattr(section, key), (*path, field.alias or key)
        if isinstance(value, Money):
            yield here, value
        elif isinstance(value, BaseModel):
            yield from _amounts(value, here)
        elif isinstance(value, tuple):
            for place, inner in enumerate(value):
                yield from _amounts(inner, (*here, place))


def _maximums(policy: Policy) -> Iterator[Problem]:
    maximum, grid = policy.maximum, policy.rounding.grid.minor
    if grid < 1:
        yield ("rounding", "grid"), "rounding.grid is zero; write the smallest step between two limits"
    if maximum.product.minor > maximum.statutory.minor:
        yield ("maximum", "product"), "maximum.product is above maximum.statutory; lower it"
    if grid > max(maximum.product.minor, 1):
        yield ("rounding", "grid"), "rounding.grid is above maximum.product; make it smaller"


def _terms_of_a_raise(policy: Policy) -> Iterator[Problem]:
    raises = policy.raises
    if raises.utilisation_from_bps >= raises.utilisation_to_bps:
        yield (
            ("raise", "utilisation_from_bps"),
            "raise.utilisation_from_bps is not below utilisation_to_bps, so nobody could be raised; widen the window",
        )
    if raises.step_least.minor > raises.step_most.minor:
        yield ("raise", "step_least"), "raise.step_least is above step_most; exchange or correct them"
    if 0 < raises.step_bps <= policy.rounding.hysteresis_bps:
        yield (
            ("raise", "step_bps"),
            "raise.step_bps is not above rounding.hysteresis_bps, so no raise could be made; enlarge it",
        )
    if 0 < raises.restore_days <= raises.cool_off_after_cut_days:
        what = "raise.restore_days ends before cool_off_after_cut_days does, so no limit would come back in steps"
        yield ("raise", "restore_days"), f"{what}; lengthen it, or write 0 for no restoration"


def _groups(policy: Policy, path: Path, groups: Sequence[Group]) -> Iterator[Problem]:
    """Maxima of segments or of industries."""
    product, grid = policy.maximum.product.minor, policy.rounding.grid.minor
    names = [group.name for group in groups]
    for place, group in enumerate(groups):
        here = dotted((*path, place))
        if group.name != group.name.strip():
            yield (*path, place, "name"), f"{here}.name {group.name!r} begins or ends with a space; remove it"
        if group.name in names[:place]:
            what = f"{here}.name {group.name!r} is there twice; keep one maximum for it"
            yield (*path, place, "name"), what
        if group.most.minor > product:
            yield (*path, place, "most"), f"{here}.most is above maximum.product, so it bounds nobody; lower it"
        if 0 < group.most.minor < grid:
            what = f"{here}.most is below rounding.grid, so it would be a limit of zero; enlarge it, or write zero"
            yield (*path, place, "most"), what


def _freezes(policy: Policy) -> Iterator[Problem]:
    for place, freeze in enumerate(policy.freeze):
        here = dotted(("freeze", place))
        if freeze.last_day < freeze.first_day:
            what = f"{here}.last_day is before its first_day, so no day is frozen; exchange or correct them"
            yield ("freeze", place, "last_day"), what
        elif freeze.last_day < policy.effective_on:
            what = f"{here}.last_day is before effective_on, so it freezes nothing; remove the freeze"
            yield ("freeze", place, "last_day"), what


def _disordered(policy: Policy) -> Iterator[Problem]:
    """Ladders whose steps do not go up."""
    if policy.past_due[0].days_past_due != 1:
        yield (
            ("past_due", 0),
            "the first step of past_due must begin at 1 day: nobody is raised while past due; add it",
        )
    lenders, inquiries = policy.exposure.lenders, policy.exposure.inquiries
    ladders: tuple[tuple[Path, str, Iterable[tuple[int, int]]], ...] = (
        (("past_due",), "days_past_due", ((s.days_past_due, s.limit_bps) for s in policy.past_due)),
        (("arrears",), "missed_payments", ((s.missed_payments, s.limit_bps) for s in policy.arrears)),
        (("exposure", "lenders"), "active_lenders", ((s.active_lenders, s.limit_bps) for s in lenders)),
        (("exposure", "inquiries"), "inquiries", ((s.inquiries, s.limit_bps) for s in inquiries)),
    )
    for path, unit, steps in ladders:
        for place, (step, following) in enumerate(itertools.pairwise(steps), start=1):
            if following[0] <= step[0] or following[1] > step[1]:
                what = f"must have more {unit} and no higher limit_bps than the step before it; put the steps in order"
                yield (*path, place), f"step {place + 1} of {dotted(path)} {what}"


def _bands(policy: Policy) -> Iterator[Problem]:
    """Bands of a scorecard: the best first, and none that is let have more than a better one."""
    bands = policy.risk.band if policy.risk else ()
    names = [band.name for band in bands]
    for place, band in enumerate(bands):
        path: Path = ("risk", "band", place)
        here = dotted(path)
        if band.name in names[:place]:
            yield (*path, "name"), f"{here}.name {band.name!r} is there twice; write each band once"
        if band.raises and band.limit_bps < 10_000:
            what = "takes part of the limit back, and raise is true; write raise = false, or limit_bps = 10000"
            yield (*path, "limit_bps"), f"{here}.limit_bps {what}"
        if band.most.minor > policy.maximum.product.minor:
            yield (*path, "most"), f"{here}.most is above maximum.product, so it bounds nobody; lower it"
        if place and (looser := _looser(bands[place - 1], band)):
            what = f"lets {band.name} have more than {bands[place - 1].name}, which is better; exchange or correct them"
            yield (*path, looser), f"{here}.{looser} {what}"


def _looser(better: RiskBand, worse: RiskBand) -> str | None:
    """The key by which a worse band is let have more."""
    pairs = (
        ("months_of_capacity", worse.months_of_capacity > better.months_of_capacity),
        ("most", worse.most.minor > better.most.minor),
        ("raise", worse.raises and not better.raises),
        ("limit_bps", worse.limit_bps > better.limit_bps),
    )
    return next((key for key, more in pairs if more), None)
