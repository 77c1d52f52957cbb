"""What if: the controls of the page, what a form or a request says, and the answer. Nothing is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from limits.console.users.answers import ReasonAnswer
from limits.counterfactual import value_of
from limits.decision import Decisions
from limits.dispositions import Disposition
from limits.engine.supposing import Supposed, suppose_on
from limits.money import major
from limits.policy import Policy
from limits.portfolio import UNBOUNDED, UNKNOWN, Portfolio
from limits.reasons import Reason
from limits.store.db import Connection
from limits.store.log import ACTIONS, binding_order, reason_code, reason_text
from limits.whatif import INPUTS, parse_changes

#: Inputs that the page shows at once; the others wait behind "more".
FIRST = ("inflow", "essential_spend", "obligations", "utilisation", "requested", "days_past_due", "income_verified")
#: How far the sliders of a flow go, in per cent more or less.
LEAST_PERCENT, MOST_PERCENT = -80, 200

ChangeText = Annotated[
    str, StringConstraints(min_length=1, max_length=60, pattern=r"^[\x20-\x7e]+$"),
    Field(examples=["inflow=+10%", "active_lenders=1", "income_verified=yes"]),
]  # fmt: skip


class WhatIf(BaseModel, extra="forbid"):
    """Which inputs are supposed to be others."""

    changes: list[ChangeText] = Field(max_length=30, description="Each as NAME=VALUE, as `limits whatif` has them.")


class Side(BaseModel):
    """One of the two decisions. Nothing of it is applied."""

    limit_after_minor: int
    action: str = Field(description="raised, held or lowered")
    takes_effect: str = Field(description="at_once, offered or announced")
    binding: str
    reasons: list[ReasonAnswer]
    capacity_p10_minor: int
    capacity_p50_minor: int
    capacity_p90_minor: int
    risk_points: int | None
    risk_probability_ppm: int | None


class CeilingPair(BaseModel):
    """The highest limit that a rule would accept, as it is and what if. Null: no bound."""

    reason: str
    text: str
    before_minor: int | None
    after_minor: int | None
    binds_before: bool
    binds_after: bool


class WhatIfAnswer(BaseModel):
    """One user decided twice as of today, as known and with the changes. The limit is that of now."""

    user_id: int
    as_of: dt.date
    currency: str
    exponent: int
    policy_pack: str
    policy_hash: str
    changes: list[str]
    limit_minor: int = Field(description="The limit now.")
    before: Side
    after: Side
    ceilings: list[CeilingPair] = Field(description="Those that set a bound on either side, the lowest first.")
    events_waiting: bool = Field(description="Whether imported events wait for a review to count them.")


def what_if(conn: Connection, user: Portfolio, texts: list[str], policy: Policy, language: str = "en") -> WhatIfAnswer:
    """The one user as known, and with changes. InputError for a change that cannot be used."""
    made = suppose_on(conn, user, parse_changes(texts, policy.currency), policy)
    first, second = made.takes_effect
    return WhatIfAnswer(
        user_id=int(user.user_id[0]), as_of=user.as_of, currency=policy.currency, exponent=made.exponent,
        policy_pack=policy.pack, policy_hash=policy.policy_hash.hex(),
        changes=[change.text(policy.currency) for change in made.changes],
        limit_minor=int(user.credit_limit[0]),
        before=_side(made.before, first, language), after=_side(made.after, second, language),
        ceilings=_pairs(made, language), events_waiting=made.waiting,
    )  # fmt: skip


def _side(made: Decisions, effect: Disposition, language: str) -> Side:
    scored = bool(made.risk.scored[0])
    return Side(
        limit_after_minor=int(made.limit_after[0]), action=ACTIONS[int(made.action[0])],
        takes_effect=effect.name.lower(), binding=reason_code(Reason(int(made.binding[0]))),
        reasons=[ReasonAnswer.of(reason, language) for reason in made.reasons(0)],
        capacity_p10_minor=int(made.capacity.p10[0]), capacity_p50_minor=int(made.capacity.p50[0]),
        capacity_p90_minor=int(made.capacity.p90[0]), risk_points=int(made.risk.points[0]) if scored else None,
        risk_probability_ppm=int(made.risk.probability_ppm[0]) if scored else None,
    )  # fmt: skip


def _bounds(made: Decisions) -> list[int | None]:
    return [value if value < UNBOUNDED else None for value in made.ceilings[0].tolist()]


def _pairs(made: Supposed, language: str) -> list[CeilingPair]:
    before, after = _bounds(made.before), _bounds(made.after)
    there = [reason for reason, _ in binding_order(after)]
    there += [reason for reason, _ in binding_order(before) if reason not in there]
    return [
        CeilingPair(
            reason=reason_code(reason), text=reason_text(reason, language), before_minor=before[reason],
            after_minor=after[reason], binds_before=reason == int(made.before.binding[0]),
            binds_after=reason == int(made.after.binding[0]),
        )
        for reason in there
    ]  # fmt: skip


# The form -----------------------------------------------------------------------------------


class Control(BaseModel):
    """A field of the form, with what the input is now, and the slider beside it where it is a number."""

    name: str
    label: str
    kind: str
    now: str
    unit: str
    first: bool
    least: int = 0
    most: int = 0
    step: int = 1
    at: int = 0
    choices: list[tuple[str, str]] = []


def controls(user: Portfolio, exponent: int, language: str = "en") -> list[Control]:
    """A control for each input that may be supposed to be another."""
    made = [_control(name, user, exponent, language) for name in INPUTS]
    return sorted(made, key=lambda one: FIRST.index(one.name) if one.first else len(FIRST))


def _control(name: str, user: Portfolio, exponent: int, language: str) -> Control:
    what = INPUTS[name]
    value = value_of(user, name)
    common = {"name": name, "label": what.words(language), "kind": what.kind, "first": name in FIRST}
    if what.kind in ("flag", "once", "documents"):
        words = ("complete", "missing") if what.kind == "documents" else ("yes", "no")
        offered = words[:1] if what.kind == "once" else words
        now = words[0] if value else words[1]
        return Control(**common, now=now, unit="", choices=[(word, word) for word in offered])
    if what.kind == "flow":
        return Control(
            **common, now=f"{major(value, exponent)} a month", unit="% more or less", least=LEAST_PERCENT,
            most=MOST_PERCENT, step=5,
        )  # fmt: skip
    if what.kind == "share":
        at = 0 if value == UNKNOWN else round(value / 100)
        return Control(
            **common, now="not known" if value == UNKNOWN else f"{at}%", unit="% of the limit", most=150, at=at
        )
    known = value not in (UNKNOWN, UNBOUNDED)
    if what.kind == "count":
        most = max(2 * value, 90) if name == "days_past_due" else max(value + 4, 12)
        return Control(**common, now=str(value) if known else "not known", unit="", most=most, at=max(value, 0))
    limit = int(user.credit_limit[0]) // 10**exponent
    at = value // 10**exponent if known else limit if what.kind == "request" else 0
    most, step = _range(max(2 * at, 2 * limit, 100))
    now = major(value, exponent) if known else "none" if what.kind == "request" else "not known"
    return Control(**common, now=now, unit=user.currency, most=most, step=step, at=max(at, 0))


def _range(most: int) -> tuple[int, int]:
    """A round end of a slider and its step: about two hundred places."""
    step = 1
    while step * 200 < most:
        step = step * 5 if str(step).startswith("1") else step * 2
    return -(-most // step) * step, step


def changes_of(form: Mapping[str, str]) -> list[str]:
    """The changes of a form: a field that is empty leaves its input as it is."""
    texts = []
    for name, what in INPUTS.items():
        value = form.get(name, "").strip()
        if not value:
            continue
        if what.kind == "flow" and "%" not in value:
            value = f"{value if value[0] in '+-' else '+' + value}%"
        elif what.kind == "share" and "%" not in value:
            value += "%"
        texts.append(f"{name}={value}")
    return texts
