"""The policy: what the risk team owns, one whole TOML file per effective date, checked before anybody reads it.

Amounts are written with their currency (``"2000 CNY"``), rates and shares in basis points
(``_bps``, 10,000 is all of it), lengths of time in days or months. Nothing has a default:
what a policy does not say, it does not decide.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from limits.errors import PolicyError
from limits.money import Money, parse_money
from limits.policy_sense import contradictions
from limits.policy_text import line_of, problem

ALL_BPS = 10_000

Bps = Annotated[int, Field(ge=0, le=ALL_BPS)]
Days = Annotated[int, Field(ge=0, le=3650)]
Months = Annotated[int, Field(ge=0, le=240)]


def _amount(value: object) -> object:
    if isinstance(value, Money):
        return value
    if not isinstance(value, str):
        raise ValueError(f'{value!r} has no currency; write it like "2000 CNY"')
    return parse_money(value)


Amount = Annotated[Money, BeforeValidator(_amount)]


def _name(text: str) -> str:
    """A name that looks the same is the same: otherwise a maximum would stand there and bound nobody."""
    if not text.isprintable():
        raise ValueError(f"{text!r} holds a sign that cannot be seen; remove it")
    if not unicodedata.is_normalized("NFC", text):
        raise ValueError(f"{text!a} has accents apart from their letters; write {unicodedata.normalize('NFC', text)!r}")
    return text


def _listed(text: str) -> str:
    if text != text.strip():
        raise ValueError(f"{text!r} begins or ends with a space; remove it")
    return text


#: Of a segment, an industry or a jurisdiction, as users have it.
Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_name)]
Names = Annotated[frozenset[Annotated[Name, AfterValidator(_listed)]], Field(strict=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CapacityRules(_Section):
    """How repayment capacity is read from the history."""

    #: Months ahead that the forecast covers.
    horizon_months: Annotated[int, Field(ge=1, le=24)]
    #: Observed months below which nobody is raised.
    minimum_months: Annotated[int, Field(ge=3, le=36)]
    #: Age of the newest event beyond which nobody is raised.
    data_max_age_days: Annotated[int, Field(ge=1, le=3650)]
    #: Expected capacity below its past mean by more than this share of it: nobody is raised.
    falling_bps: Annotated[int, Field(ge=0, le=ALL_BPS)]
    #: p10 of capacity below p50 by more than this share of p50: nobody is raised. Above ALL_BPS p10 is negative.
    uncertain_bps: Annotated[int, Field(ge=1, le=100_000)]
    #: Standard deviation of monthly inflow above this share of its mean, over the last 12 observed months: no raise.
    income_varies_bps: Annotated[int, Field(ge=1, le=100_000)]


class Debt(_Section):
    """What debts may take of income, and how large all of them together may be. These bar raises and cut nobody."""

    #: Repayment of the new limit at full use and of all other debts takes at most this share of mean inflow.
    ratio_bps: Annotated[int, Field(ge=1, le=ALL_BPS)]
    #: What is left a month of expected capacity (p50) when the new limit is fully used.
    residual_income: Amount
    #: Unsecured debt of the borrower with all lenders, this limit included.
    borrower_most: Amount
    #: A raise needs a credit check (the obligations) ...
    credit_check: bool
    #: ... that is not older.
    credit_check_max_age_days: Annotated[int, Field(ge=1, le=3650)]


class Habits(_Section):
    """How a user repays."""

    #: Of the statements of twelve months, from this many paid with little more than the minimum on: no raise.
    minimum_only_payments: Annotated[int, Field(ge=1, le=12)]
    #: Statements of the last twelve months needed to speak of persistent debt: interest took more than the debt did.
    persistent_debt_statements: Annotated[int, Field(ge=1, le=12)]


class ArrearsStep(_Section):
    """From this many payments missed in twelve months on, at most this share of the limit."""

    missed_payments: Annotated[int, Field(ge=1, le=12)]
    limit_bps: Bps


class Repayment(_Section):
    """What full use of a limit costs a month, and how much of capacity that may take."""

    basis: Literal["amortising", "minimum_payment"]
    apr_bps: Annotated[int, Field(ge=0, le=100_000)]
    #: For "amortising": months in which the whole limit is paid off in equal instalments.
    term_months: Annotated[int, Field(ge=1, le=120)]
    #: For "minimum_payment": share of the balance due each month, beside the month's interest.
    minimum_payment_bps: Annotated[int, Field(ge=1, le=ALL_BPS)]
    #: Share of the lower forecast quantile (p10) of monthly capacity.
    share_of_capacity_bps: Annotated[int, Field(ge=1, le=ALL_BPS)]
    #: Of users forecast from what they repaid: so much of what they leave unused of a limit is taken as used. May be
    #: left out: all of it, which is full use.
    unused_bps: Annotated[int, Field(ge=1, le=ALL_BPS)] = ALL_BPS

    @property
    def monthly_rate_of_limit(self) -> float:
        """Repayment a month at full use, as a share of the limit.

        Amortising: the annuity r / (1 - (1 + r)**-n). Minimum payment: its rate plus the
        month's interest. r is the annual rate over twelve.
        """
        r = self.apr_bps / ALL_BPS / 12
        if self.basis == "minimum_payment":
            return self.minimum_payment_bps / ALL_BPS + r
        return r / (1 - (1 + r) ** -self.term_months) if r else 1 / self.term_months


class Maximum(_Section):
    """Hard maximums: exempt from hysteresis."""

    product: Amount
    statutory: Amount


class Raise(_Section):
    """What a raise needs, and how large one may be."""

    #: A raise is at most step_bps of the limit, but at least step_least and at most step_most.
    step_bps: Bps
    step_least: Amount
    step_most: Amount
    months_on_book: Months
    #: No raise while the average balance is below or above these shares of the limit.
    utilisation_from_bps: Bps
    utilisation_to_bps: Annotated[int, Field(ge=0, le=20_000)]
    #: Payments missed in twelve months that are still let pass.
    missed_payments: Annotated[int, Field(ge=0, le=12)]
    cool_off_after_raise_days: Days
    cool_off_after_cut_days: Days
    consent: bool
    identity: bool
    income: bool
    income_max_age_days: Annotated[int, Field(ge=1, le=3650)]
    documents: bool
    #: Requests for a higher limit in 90 days from which on none is granted: probing.
    probing_requests: Annotated[int, Field(ge=2, le=100)]
    #: In the days after a cut a raise gives back at most this share of what was cut, and not more than was cut.
    restore_bps: Annotated[int, Field(ge=1, le=ALL_BPS)]
    restore_days: Days


class Cut(_Section):
    """How far one review may cut."""

    #: Largest cut of one review.
    step_bps: Bps
    #: Days after a cut in which no further one follows.
    cool_off_days: Days
    #: Above the balance, the limit keeps this share of it.
    balance_buffer_bps: Bps


class PastDueStep(_Section):
    """From this many days past due on, at most this share of the limit."""

    days_past_due: Annotated[int, Field(ge=1, le=3650)]
    limit_bps: Bps


class LenderStep(_Section):
    """From this many active lenders on, at most this share of the limit."""

    active_lenders: Annotated[int, Field(ge=1, le=1000)]
    limit_bps: Bps


class InquiryStep(_Section):
    """From this many credit inquiries in 90 days on, at most this share of the limit."""

    inquiries: Annotated[int, Field(ge=1, le=1000)]
    limit_bps: Bps


class Exposure(_Section):
    """Borrowing elsewhere, and lines nobody uses."""

    lenders: Annotated[tuple[LenderStep, ...], Field(strict=False, min_length=1)]
    inquiries: Annotated[tuple[InquiryStep, ...], Field(strict=False, min_length=1)]
    dormant_days: Annotated[int, Field(ge=1, le=3650)]
    dormant_limit_bps: Bps
    #: Of a limit that the balance is above.
    over_limit_bps: Bps


class Integrity(_Section):
    """Who the user is, and whether what was handed in is true."""

    identity_mismatch_limit_bps: Bps
    false_documents_limit_bps: Bps
    restricted_industries: Names
    restricted_limit_bps: Bps
    confirmed_fraud_limit_bps: Bps
    #: Users with confirmed fraud who share an identifier, from which on nobody is raised: a person looks first. An
    #: association alone never cuts.
    fraud_links: Annotated[int, Field(ge=1, le=100)]


class Group(_Section):
    """The highest limit of a segment or an industry: a hard maximum."""

    name: Name
    most: Amount


class Freeze(_Section):
    """Days on which nobody is raised, or nobody of some segments, industries or jurisdictions (empty: of any)."""

    first_day: dt.date
    last_day: dt.date
    segments: Names
    industries: Names
    jurisdictions: Names


class Consent(_Section):
    """How a change takes effect, and what the user has to say to it."""

    #: at_once; offer: waits for the user to accept; notice: takes effect after its notice period unless the user
    #: objects; on_request: only who asks is raised, at once.
    raises: Literal["at_once", "offer", "notice", "on_request"]
    offer_days: Annotated[int, Field(ge=1, le=365)]
    raise_notice_days: Annotated[int, Field(ge=1, le=365)]
    cuts: Literal["at_once", "notice"]
    cut_notice_days: Annotated[int, Field(ge=1, le=365)]
    #: Days after the notice of a cut in which exceeding the lower limit costs no fee and no higher rate; 0: none.
    fee_protection_days: Days
    #: Whether a user may refuse to be decided about without a person.
    automation_may_be_refused: bool


class Notices(_Section):
    """What a user is told, and by when."""

    #: Days in which a cut, or a request that was not fully granted, is explained.
    adverse_action_days: Annotated[int, Field(ge=0, le=365)]
    #: Principal reasons named, at most.
    principal_reasons: Annotated[int, Field(ge=1, le=10)]
    #: Months for which decisions and notices are kept, at least.
    retention_months: Annotated[int, Field(ge=1, le=240)]


class Breakers(_Section):
    """What a review may do to the portfolio before a breaker trips and holds it. Shares of users, or of exposure."""

    raised_bps: Bps
    lowered_bps: Bps
    #: Exposure after the review, above or below that before.
    exposure_up_bps: Bps
    exposure_down_bps: Bps
    quarantined_bps: Bps
    fallback_bps: Bps
    #: These two may be left out, and do not trip then. The largest raise of one user, in shares of the limit before.
    user_raise_bps: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    #: Users that the review has more or fewer than the one before it of the same schedule, in shares of those.
    population_bps: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class Budget(_Section):
    """What the raises of one review may add to the portfolio, together. What is left out is not bounded."""

    #: Exposure, as a share of that before the review.
    exposure_bps: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    #: Loss that is expected of the raises, by how the users paid (limits.budget).
    expected_loss: Amount | None = None

    @property
    def bounds(self) -> bool:
        """Whether there is a budget."""
        return self.exposure_bps is not None or self.expected_loss is not None


class RiskBand(_Section):
    """What users of one band of the scorecard may have."""

    name: Annotated[str, Field(min_length=1, max_length=8)]
    #: A raise goes up to so many months of expected capacity (p50) ...
    months_of_capacity: Annotated[int, Field(ge=0, le=600)]
    #: ... and not beyond this. Neither cuts anybody.
    most: Amount
    #: Whether users of this band are raised at all.
    raises: Annotated[bool, Field(alias="raise")]
    #: At most this share of the limit; all of it cuts nobody.
    limit_bps: Bps


class RiskRules(_Section):
    """What a scorecard's bands mean for limits, and what a missed payment costs. Without it no score has an effect."""

    #: A raise needs a score.
    required: bool
    #: Of what is owed when a user does not pay, the share that is lost.
    loss_given_default_bps: Bps
    #: Of what is not drawn now, the share that will be drawn by then (credit conversion factor).
    conversion_bps: Bps
    #: The best first, as the scorecard has them.
    band: Annotated[tuple[RiskBand, ...], Field(strict=False, min_length=1)]


class Rounding(_Section):
    """The grid limits lie on, and the change that is too small to make."""

    grid: Amount
    hysteresis_bps: Annotated[int, Field(ge=0, le=5000)]


class Policy(_Section):
    """One policy file. ``body`` is its text, ``policy_hash`` the sha256 of that text."""

    pack: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
    effective_on: dt.date
    currency: str
    capacity: CapacityRules
    repayment: Repayment
    debt: Debt
    habits: Habits
    maximum: Maximum
    raises: Annotated[Raise, Field(alias="raise")]
    cut: Cut
    past_due: Annotated[tuple[PastDueStep, ...], Field(strict=False, min_length=1)]
    arrears: Annotated[tuple[ArrearsStep, ...], Field(strict=False, min_length=1)]
    exposure: Exposure
    integrity: Integrity
    #: Tables that may be left out: no group with a maximum of its own, no freeze.
    segment: Annotated[tuple[Group, ...], Field(strict=False)] = ()
    industry: Annotated[tuple[Group, ...], Field(strict=False)] = ()
    freeze: Annotated[tuple[Freeze, ...], Field(strict=False)] = ()
    consent: Consent
    notices: Notices
    breakers: Breakers
    #: May be left out: no budget.
    budget: Budget = Budget()
    #: May be left out: no score has an effect.
    risk: RiskRules | None = None
    rounding: Rounding
    body: Annotated[str, Field(exclude=True, repr=False)] = ""

    @property
    def policy_hash(self) -> bytes:
        """sha256 of the file's text: the name by which the log knows the policy."""
        return hashlib.sha256(self.body.encode()).digest()

    @property
    def named(self) -> dict[str, str]:
        """What says which policy it is, for a machine."""
        return {
            "pack": self.pack,
            "effective_on": self.effective_on.isoformat(),
            "currency": self.currency,
            "policy_hash": self.policy_hash.hex(),
        }

    def with_body(self, body: str) -> Self:
        """The policy that was read from this text."""
        return self.model_copy(update={"body": body})


def policy_at(history: Sequence[Policy], as_of: dt.date) -> Policy:
    """The policy in force on a date: the newest that is effective by then. PolicyError where none is."""
    in_force = [policy for policy in history if policy.effective_on <= as_of]
    if not in_force:
        names = ", ".join(f"{p.pack} from {p.effective_on}" for p in history) or "none"
        raise PolicyError(f"no policy is in force on {as_of}: there is {names}; add a file that is effective by then")
    return max(in_force, key=lambda policy: policy.effective_on)


def parse_policy(text: str, *, file: str) -> Policy:
    """The policy in a TOML text. PolicyError names every mistake with file, line and mend."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        what = re.sub(r" \(at .*\)$", "", str(error))
        raise _wrong(file, [(int(line[1]) if line else 1, f"not TOML: {what}; mend the line")]) from None
    except (ValueError, RecursionError) as error:
        words = f"cannot be read: {type(error).__name__}; write numbers and lists of usual size"
        raise _wrong(file, [(1, words)]) from None
    if "body" in data:
        raise _wrong(file, [(line_of(text, ("body",)), "unknown key 'body'; remove it")])
    try:
        policy = Policy.model_validate(data)
    except ValidationError as error:
        problems = [problem(text, details, Policy) for details in error.errors()]
    else:
        problems = [(line_of(text, path), what) for path, what in contradictions(policy)]
        if not problems:
            return policy.with_body(text)
    raise _wrong(file, sorted(problems))


def _wrong(file: str, mistakes: list[tuple[int, str]]) -> PolicyError:
    return PolicyError("\n".join(f"{file}:{line}: {what}" for line, what in mistakes), mistakes)
