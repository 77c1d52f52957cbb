"""What a user is told about a decision: a letter in plain words, in each language.

A notice says what changes and when, why in up to as many principal reasons as the policy
names, and what the user can do. It is written from what the log says of the decision and
from the policy that decided, never from what is known now, and reveals no rule by which
fraud is found (reasons.USER_TEXT). The lender's name and address, and what the law of a place
wants printed beside it, are added by whoever sends it.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from limits.money import EXPONENTS, money
from limits.policy import Policy
from limits.reasons import LANGUAGES, NOT_PRINCIPAL, SCORED, USER_TEXT, Reason
from limits.risk import MOST_NAMED, Loss


class Kind(enum.StrEnum):
    """What a notice is about, as limits.notices.kind keeps it."""

    RAISED = "raised"
    LOWERED = "lowered"
    OFFERED = "offered"
    ANNOUNCED = "announced"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the log says of a decision; amounts in minor units of ``currency``.

    reasons       each ceiling that stood in the way with its bound, in the order in which they bind
    proposed      what was offered or announced, else None
    effective_on  offered: the last day to accept; announced: the day it takes effect; else None
    asked         what the user asked for, accepted or had announced, None where it was none of them
    answers       which of them: "request", "offer" or "announced"
    answered_as_of, answered_from  of what was offered or announced: the date of that decision, and the limit then
    state         of the offered or announced change: "open", "applied", or how it came to nothing
    lost          the characteristics that cost the user most points, most first, where a score stood in the way
    """

    entry_id: int
    kind: Kind
    as_of: dt.date
    currency: str
    before: int
    after: int
    reasons: tuple[tuple[Reason, int], ...] = ()
    proposed: int | None = None
    effective_on: dt.date | None = None
    asked: int | None = None
    answers: str = "request"
    answered_as_of: dt.date | None = None
    answered_from: int | None = None
    state: str = "open"
    lost: tuple[Loss, ...] = ()

    @property
    def target(self) -> int:
        """The limit that the notice is about: the new one, the offered or the announced one."""
        return self.after if self.proposed is None else self.proposed

    @property
    def is_cut(self) -> bool:
        """Whether the limit is lower for it, now or on the day it takes effect."""
        return self.target < self.before

    @property
    def ends_raise(self) -> bool:
        """Whether a raise that was announced is told to be off."""
        return self.kind is Kind.WITHDRAWN and (self.asked or 0) > (self.answered_from or 0)

    @property
    def is_off(self) -> bool:
        """Whether what was announced does not take effect: the limit does not move that way."""
        if self.answers != "announced" or None in (self.asked, self.answered_from, self.answered_as_of):
            return False
        announced = (self.asked or 0) - (self.answered_from or 0)
        made = self.after - self.before
        return (announced > 0 and made <= 0) or (announced < 0 and made >= 0)

    def amount(self, minor: int) -> str:
        """An amount for people: 30,276.00 CZK."""
        return money(minor, EXPONENTS[self.currency], self.currency)


def render(facts: Facts, policy: Policy, told_on: dt.date) -> Mapping[str, str]:
    """The notice by language, as it reads on the day it is sent.

    ValueError where the facts cannot be those of such a notice: a notice that leaves out what
    it has to say is not sent.
    """
    _check(facts)
    return {language: _letter(facts, policy, told_on, language) for language in LANGUAGES}


def principal_reasons(facts: Facts, most: int) -> tuple[Reason, ...]:
    """The reasons to name, ``most`` at most, in the order in which they bind; none for a raise.

    A cut was made for the ceilings below the limit, a request was not granted for those below
    what was asked. Those of NOT_PRINCIPAL are named only where there is no other.
    """
    named = [reason for reason in _found(facts) if reason not in NOT_PRINCIPAL] or _found(facts)
    # Two that read the same are one to the reader.
    first = {USER_TEXT[reason]["en"]: reason for reason in reversed(named)}
    return tuple(reason for reason in named if first[USER_TEXT[reason]["en"]] is reason)[:most]


def fees_protected_until(facts: Facts, policy: Policy, told_on: dt.date) -> dt.date | None:
    """The last day on which it costs nothing to exceed a lower limit; None where nothing protects.

    The days are counted from the notice, or from the day of the cut where that is later.
    """
    days = policy.consent.fee_protection_days
    if not facts.is_cut or days == 0:
        return None
    return max(told_on, facts.effective_on or facts.as_of) + dt.timedelta(days=days)


def _found(facts: Facts) -> list[Reason]:
    """What stood in the way of more, in the order in which it bound."""
    if not facts.is_cut and facts.kind is not Kind.REFUSED and not facts.ends_raise:
        return []
    below = facts.before if facts.is_cut else facts.asked
    found = [reason for reason, bound in facts.reasons if below is None or bound < below]
    # The amount asked for is no reason why it was not granted.
    return [reason for reason in found if reason is not Reason.ASKED_AMOUNT]


def _check(facts: Facts) -> None:
    """ValueError where a notice would be left without what it has to say."""
    if facts.kind in (Kind.OFFERED, Kind.ANNOUNCED):
        if facts.proposed is None or facts.effective_on is None:
            raise ValueError(f"entry {facts.entry_id} has no {facts.kind.value} change that waits")
        if facts.proposed == facts.before or (facts.is_cut and facts.kind is Kind.OFFERED):
            raise ValueError(f"entry {facts.entry_id} proposes no change that can be {facts.kind.value}")
    elif facts.kind is Kind.WITHDRAWN and not (facts.is_off and facts.after == facts.before):
        raise ValueError(f"entry {facts.entry_id} ends no change that was announced")
    elif (facts.kind is Kind.RAISED and facts.after <= facts.before) or (
        (facts.kind is Kind.LOWERED) is not facts.is_cut
    ):
        raise ValueError(f"the limit of entry {facts.entry_id} was not {facts.kind.value}")
    if facts.is_cut and not _found(facts):
        raise ValueError(f"entry {facts.entry_id} lowers the limit and names no reason")


# The letter --------------------------------------------------------------------------------

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

_WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "title_raised": "Your credit limit has been raised",
            "title_lowered": "Your credit limit has been lowered",
            "title_offered": "You are offered a higher credit limit",
            "title_announced_raise": "Your credit limit will be raised",
            "title_announced_cut": "Your credit limit will be lowered",
            "title_refused": "Your request for a higher credit limit",
            "title_refused_offer": "The credit limit that you accepted",
            "title_refused_announced": "The credit limit that was announced to you",
            "title_withdrawn": "The change of your credit limit does not take effect",
            "asked_request": "You asked for a limit of {asked}.",
            "asked_offer": "You accepted a limit of {asked}.",
            "asked_announced": "A limit of {asked} was announced to you.",
            "off": "The change of your limit to {asked} that was announced as of {answered} does not take effect.",
            "stays": "Your limit stays at {before}.",
            "is_now": "Your limit is now {before}.",
            "asked_more": "You asked for a higher limit.",
            "raised": "On {as_of} your limit was raised from {before} to {target}.",
            "lowered": "On {as_of} your limit was lowered from {before} to {target}.",
            "held": "This was not granted. Your limit stays at {before}.",
            "partly": "This was granted in part: on {as_of} your limit was raised from {before} to {target}.",
            "held_after_all": "After all it cannot be given. Your limit stays at {before}.",
            "partly_after_all": "It can be given in part: on {as_of} your limit was raised from {before} to {target}.",
            "offered": "You can have a limit of {target} in place of {before}. Nothing changes unless you accept it.",
            "announced_raise": "On {effective} your limit will be raised from {before} to {target}, unless you object.",
            "announced_cut": "On {effective} your limit will be lowered from {before} to {target}. Until then it stays "
            "at {before}.",
            "offer_ended": "This offer can no longer be accepted.",
            "called_off": "This change has been called off.",
            "main": "The main reasons:",
            "one": "The main reason:",
            "only": "The only reason:",
            "lost": "in how likely a payment is to be missed: {what}",
            "too_little": "What is missing is less than the smallest change that is made.",
            "not_above": "This amount is not above your limit.",
            "fees": "If your balance is above the lower limit, that costs you no fee and no higher rate up to and "
            "including {until}.",
            "can": "What you can do:",
            "accept": "Accept the offer, up to and including {effective}; or decline it, or leave it.",
            "object": "Object before {effective}: then your limit stays as it is.",
            "less": "Tell us at any time that you do not want your limit raised.",
            "contest": "Contest the decision: tell us what is wrong or what we did not know.",
            "person": "Ask for a person to look at the decision.",
            "copy": "Ask for a copy of the data that the decision rests on.",
            "automated": "This decision was made automatically. You have the right to have it reviewed by a person, to "
            "say what you think of it, and to refuse to be decided about without a person.",
            "person_decides": "You do not want to be decided about without a person, so a person will decide.",
            "foot": "Decided as of {as_of}. Date of this notice: {told}. Reference: {entry}.",
        },
        "zh": {
            "title_raised": "您的信用额度已上调",
            "title_lowered": "您的信用额度已下调",
            "title_offered": "您可获得更高的信用额度",
            "title_announced_raise": "您的信用额度将上调",
            "title_announced_cut": "您的信用额度将下调",
            "title_refused": "关于您的提额申请",
            "title_refused_offer": "关于您接受的额度",
            "title_refused_announced": "关于此前通知您的额度",
            "title_withdrawn": "您的信用额度调整不再生效",
            "asked_request": "您申请的额度为 {asked}。",
            "asked_offer": "您接受的额度为 {asked}。",
            "asked_announced": "此前通知您的额度为 {asked}。",
            "off": "此前通知您的额度调整（决定基准日：{answered}，调整至 {asked}）不再生效。",
            "stays": "您的额度仍为 {before}。",
            "is_now": "您的额度现为 {before}。",
            "asked_more": "您申请了提高额度。",
            "raised": "您的额度已于{as_of}由 {before} 上调至 {target}。",
            "lowered": "您的额度已于{as_of}由 {before} 下调至 {target}。",
            "held": "该申请未获批准，您的额度仍为 {before}。",
            "partly": "该申请获部分批准：您的额度已于{as_of}由 {before} 上调至 {target}。",
            "held_after_all": "该额度最终未能生效，您的额度仍为 {before}。",
            "partly_after_all": "该额度只能部分生效：您的额度已于{as_of}由 {before} 上调至 {target}。",
            "offered": "您可将额度由 {before} 提高至 {target}。未经您接受，额度不会变动。",
            "announced_raise": "您的额度将于{effective}由 {before} 上调至 {target}，除非您提出异议。",
            "announced_cut": "您的额度将于{effective}由 {before} 下调至 {target}，在此之前仍为 {before}。",
            "offer_ended": "此项提额已不能再接受。",
            "called_off": "此项调整已取消。",
            "main": "主要原因：",
            "one": "主要原因：",
            "only": "唯一原因：",
            "lost": "评估逾期可能性时的因素：{what}",
            "too_little": "其差额小于可调整的最小幅度。",
            "not_above": "该额度不高于现有额度。",
            "fees": "若您的欠款高于下调后的额度，在{until}（含当日）之前不因此收取费用，也不因此提高利率。",
            "can": "您可以：",
            "accept": "在{effective}（含当日）之前接受此项提额；也可以拒绝或不予理会。",
            "object": "在{effective}之前提出异议，则额度维持不变。",
            "less": "随时告知我们您不希望上调额度。",
            "contest": "对本决定提出异议，告知我们有误或我们尚不了解的情况。",
            "person": "要求人工复核本决定。",
            "copy": "索取本决定所依据数据的副本。",
            "automated": "本决定由系统自动作出。您有权要求人工复核、表达您的意见，并拒绝仅通过自动化方式作出的决定。",
            "person_decides": "您拒绝仅通过自动化方式作出的决定，因此将由人工作出决定。",
            "foot": "决定基准日：{as_of}。通知日期：{told}。编号：{entry}。",
        },
    }
)


def _letter(facts: Facts, policy: Policy, told_on: dt.date, language: str) -> str:
    """The notice in one language: paragraphs with an empty line between them."""
    words = _WORDS[language]
    values = _values(facts, told_on, language)
    parts = [words[_title(facts)], "\n".join(words[key].format(**values) for key in _what(facts, told_on))]
    parts.extend(_why(facts, policy.notices.principal_reasons, language))
    until = fees_protected_until(facts, policy, told_on)
    if until is not None and not _over(facts, told_on):
        parts.append(words["fees"].format(until=_day(until, language)))
    steps = [words[key].format(**values) for key in _steps(facts, told_on)]
    parts.append("\n".join([words["can"], *(f"- {step}" for step in steps)]))
    if policy.consent.automation_may_be_refused:
        refused = any(reason is Reason.AUTOMATION_REFUSED for reason, _ in facts.reasons)
        parts.append(words["person_decides" if refused and not facts.is_cut else "automated"])
    parts.append(words["foot"].format(**values))
    return "\n\n".join(parts) + "\n"


def _values(facts: Facts, told_on: dt.date, language: str) -> dict[str, str]:
    return {
        "asked": "" if facts.asked is None else facts.amount(facts.asked),
        "answered": "" if facts.answered_as_of is None else _day(facts.answered_as_of, language),
        "before": facts.amount(facts.before),
        "target": facts.amount(facts.target),
        "as_of": _day(facts.as_of, language),
        "effective": "" if facts.effective_on is None else _day(facts.effective_on, language),
        "told": _day(told_on, language),
        "entry": str(facts.entry_id),
    }


def _title(facts: Facts) -> str:
    if facts.kind is Kind.ANNOUNCED:
        return "title_announced_cut" if facts.is_cut else "title_announced_raise"
    if facts.kind is Kind.REFUSED and facts.answers != "request":
        return f"title_refused_{facts.answers}"
    return f"title_{facts.kind.value}"


def _what(facts: Facts, told_on: dt.date) -> Iterator[str]:
    """The sentences that say what changes."""
    if facts.is_off:
        yield "off"
    elif facts.asked is not None:
        yield f"asked_{facts.answers}"
    elif facts.kind is Kind.REFUSED:
        yield "asked_more"
    match facts.kind:
        case Kind.REFUSED:
            part = "partly" if facts.after > facts.before else "held"
            yield part if facts.answers == "request" else f"{part}_after_all"
        case Kind.ANNOUNCED:
            yield "announced_cut" if facts.is_cut else "announced_raise"
        case Kind.WITHDRAWN:
            yield "stays" if facts.before == facts.answered_from else "is_now"
        case kind:
            yield kind.value
    if _over(facts, told_on):
        yield "offer_ended" if facts.kind is Kind.OFFERED else "called_off"


def _over(facts: Facts, told_on: dt.date) -> bool:
    """Whether an offered or announced change came to nothing before the user was told."""
    if facts.kind is Kind.OFFERED:
        late = facts.effective_on is not None and told_on > facts.effective_on
        return facts.state not in ("open", "applied") or (late and facts.state == "open")
    return facts.kind is Kind.ANNOUNCED and facts.state not in ("open", "applied")


def _why(facts: Facts, most: int, language: str) -> Iterator[str]:
    words = _WORDS[language]
    named = principal_reasons(facts, most)
    if named:
        many = len(named) > 1 or len(list(_lines(named, facts.lost, most, language))) > 1
        head = "main" if many else "only" if len(_found(facts)) == 1 else "one"
        yield "\n".join([words[head], *(f"- {line}" for line in _lines(named, facts.lost, most, language))])
    elif facts.kind is Kind.REFUSED or facts.ends_raise:
        yield words["not_above" if facts.asked is not None and facts.asked <= facts.before else "too_little"]


def _lines(named: Sequence[Reason], lost: Sequence[Loss], most: int, language: str) -> Iterator[str]:
    """The reasons as the user reads them: in place of a score what it rests on, as far as there is room for it."""
    others = [reason for reason in named if reason not in SCORED]
    told = lost[: max(1, min(MOST_NAMED, most - len(others)))]
    for reason in named:
        if reason not in SCORED or not told:
            yield USER_TEXT[reason][language]
        elif reason is next(one for one in named if one in SCORED):
            yield from (_WORDS[language]["lost"].format(what=one.text(language)) for one in told)


def _steps(facts: Facts, told_on: dt.date) -> Iterator[str]:
    """What the user can do."""
    waits = facts.state == "open" and not _over(facts, told_on)
    if facts.kind is Kind.OFFERED and waits:
        yield "accept"
    if facts.kind is Kind.ANNOUNCED and waits and not facts.is_cut:
        yield "object"
    if facts.is_cut or facts.kind is Kind.REFUSED or facts.ends_raise:
        yield "contest"
    elif facts.kind is not Kind.WITHDRAWN:
        yield "less"
    yield from ("person", "copy")


def _day(day: dt.date, language: str) -> str:
    """A date for people: 30 June 2026, 2026年6月30日."""
    if language == "zh":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
