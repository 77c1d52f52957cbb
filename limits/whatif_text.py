"""What would be decided if, and what would change a decision: in words and as plain values, by language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from limits.ceilings import CEILINGS
from limits.counterfactual import Counterfactual, Counterfactuals, Waiting
from limits.decision import Decisions
from limits.dispositions import Disposition
from limits.money import major, money
from limits.portfolio import UNBOUNDED, UNKNOWN
from limits.reasons import HUMAN_REVIEW, TEXT, USER_TEXT, Reason
from limits.store.log import ACTIONS, reason_code
from limits.whatif import INPUTS

if TYPE_CHECKING:
    from limits.engine.supposing import Explained, Supposed

#: The words, by language.
WORDS = {
    "en": {
        "title": "User {user} as of {as_of}, by policy {pack} of {effective}: {changes}",
        "columns": ("", "as it is", "what if"),
        "limit": "limit", "action": "action", "binding": "bound by", "reasons": "reasons", "none": "none",
        "raised": "raised", "held": "held", "lowered": "lowered", "unbounded": "no bound",
        "effect": "takes effect", "AT_ONCE": "at once", "OFFERED": "when accepted", "ANNOUNCED": "after notice",
        "now": "The limit decided on is {limit}. What stands in the way of a higher one:",
        "person": " (a person has to look at this)",
        "single": "One change alone that would lift it:",
        "no_single": "No single change would lift it: several things stand in the way, or one that nobody can change.",
        "change": "{what}: {old} -> {new}. The limit would be {limit}; then it would be held by: {next}",
        "time": "With time:",
        "until": "{until}: from then on no longer: {reason}. {then}",
        "then": "All else being as it is, the limit would be {limit}",
        "still": "Other things stand in the way besides",
        "unknown": "not known", "yes": "yes", "no": "no",
        "differs": "what is known now of {as_of} leads to another decision than was logged; this is about that one",
        "waiting": "imported events wait for the next review to count them; they are left out here",
    },
    "zh": {
        "title": "用户 {user}，截至 {as_of}，按政策 {pack}（{effective} 起）：{changes}",
        "columns": ("", "现状", "假设"),
        "limit": "额度", "action": "结果", "binding": "生效上限", "reasons": "原因", "none": "无",
        "raised": "上调", "held": "不变", "lowered": "下调", "unbounded": "不设限",
        "effect": "生效方式", "AT_ONCE": "立即", "OFFERED": "用户接受后", "ANNOUNCED": "通知期满后",
        "now": "决定的额度为 {limit}。限制其提高的因素：",
        "person": "（须人工查看）",
        "single": "以下任一单项变化即可提高额度：",
        "no_single": "没有单项变化可以提高额度：限制因素不止一项，或无法改变。",
        "change": "{what}：{old} → {new}。额度可为 {limit}；届时的限制因素：{next}",
        "time": "随时间推移：",
        "until": "自 {until} 起不再受限：{reason}。{then}",
        "then": "其他情况不变时，额度可为 {limit}",
        "still": "仍有其他限制因素",
        "unknown": "未知", "yes": "是", "no": "否",
        "differs": "截至 {as_of} 的现有数据得出的结果与当时记录的不同；以下针对现在的结果",
        "waiting": "有已导入的流水尚待下次审查汇总，此处未计入",
    },
}  # fmt: skip


def side_by_side(made: Supposed, language: str) -> Iterator[tuple[str, str, str]]:
    """Both decisions as the rows of a table: what, as it is, what if."""
    words: Any = WORDS[language]
    sides = (made.before, made.after)

    def amount(minor: int) -> str:
        return money(minor, made.exponent, made.policy.currency) if minor < UNBOUNDED else words["unbounded"]

    def row(name: str, values: Sequence[str]) -> tuple[str, str, str]:
        return name, values[0], values[1]

    yield row(words["limit"], [amount(int(one.limit_after[0])) for one in sides])
    yield row(words["action"], [words[ACTIONS[int(one.action[0])]] for one in sides])
    yield row(words["effect"], [words[how.name] for how in made.takes_effect])
    yield row(words["binding"], [reason_code(Reason(int(one.binding[0]))) for one in sides])
    yield row(words["reasons"], [", ".join(map(reason_code, one.reasons(0))) or words["none"] for one in sides])
    for q in ("p10", "p50", "p90"):
        yield row(f"capacity {q}", [amount(int(getattr(one.capacity, q)[0])) for one in sides])
    for reason, values in moved(made.before, made.after):
        yield row(reason_code(reason), [amount(value) for value in values])


def moved(before: Decisions, after: Decisions) -> list[tuple[Reason, tuple[int, int]]]:
    """Every ceiling that is another, in the order of the rules."""
    pairs = [(c.reason, (int(before.ceilings[0, c.reason]), int(after.ceilings[0, c.reason]))) for c in CEILINGS]
    return [(reason, pair) for reason, pair in pairs if pair[0] != pair[1]]


def supposed_dict(made: Supposed, user_id: int, as_of: str) -> dict[str, Any]:
    """Both decisions for a machine; amounts in minor units."""
    return {
        "what_if": True,
        "user_id": user_id,
        "as_of": as_of,
        "policy_pack": made.policy.pack,
        "policy_hash": made.policy.policy_hash.hex(),
        "currency": made.policy.currency,
        "exponent": made.exponent,
        "changes": [change.text(made.policy.currency) for change in made.changes],
        "before": decision_dict(made.before, made.takes_effect[0]),
        "after": decision_dict(made.after, made.takes_effect[1]),
        "ceilings_moved": [
            {
                "reason": reason_code(reason),
                **{
                    f"{name}_minor": v if v < UNBOUNDED else None
                    for name, v in zip(("before", "after"), pair, strict=True)
                },
            }
            for reason, pair in moved(made.before, made.after)
        ],
        "events_waiting": made.waiting,
    }


def decision_dict(one: Decisions, effect: Disposition) -> dict[str, Any]:
    """One of them."""
    return {
        "limit_before_minor": int(one.limit_before[0]),
        "limit_after_minor": int(one.limit_after[0]),
        "action": ACTIONS[int(one.action[0])],
        "takes_effect": effect.name.lower(),
        "binding": reason_code(Reason(int(one.binding[0]))),
        "reasons": [reason_code(reason) for reason in one.reasons(0)],
        **{f"capacity_{q}_minor": int(getattr(one.capacity, q)[0]) for q in ("p10", "p50", "p90")},
    }


# Counterfactuals ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """Counterfactuals as sentences; ``title`` stands above ``single``, which may be empty."""

    now: str
    reasons: list[str]
    title: str
    single: list[str]
    waiting: list[str]


def told(found: Counterfactuals, currency: str, exponent: int, language: str, *, for_user: bool) -> Told:
    """The whole in sentences. What a user reads never says how fraud is looked for."""
    words: Any = WORDS[language]

    def amount(minor: int) -> str:
        return money(minor, exponent, currency)

    def one_change(one: Counterfactual) -> str:
        old, new = (value_words(one, value, language, amount) for value in (one.before, one.after))
        following = reason_words(one.binding, language, for_user=for_user)
        what = _what(one, currency, language, for_user=for_user)
        return str(
            words["change"].format(what=what, old=old, new=new, limit=amount(one.limit_after), next=following)
        )  # fmt: skip

    def one_wait(wait: Waiting) -> str:
        higher = wait.limit_after > found.limit_after
        then = words["then"].format(limit=amount(wait.limit_after)) if higher else words["still"]
        reason = reason_words(wait.reason, language, for_user=for_user)
        return str(words["until"].format(until=wait.until, reason=reason, then=then))

    return Told(
        now=words["now"].format(limit=amount(found.limit_after)),
        reasons=list(dict.fromkeys(reason_words(reason, language, for_user=for_user) for reason in found.reasons)),
        title=words["single"] if found.single else words["no_single"],
        single=[one_change(one) for one in found.single],
        waiting=[one_wait(wait) for wait in found.waiting],
    )


def lines(found: Counterfactuals, currency: str, exponent: int, language: str, *, for_user: bool) -> Iterator[str]:
    """The sentences one below the other, as a terminal shows them."""
    text = told(found, currency, exponent, language, for_user=for_user)
    yield text.now
    yield from (f"  - {one}" for one in text.reasons)
    yield text.title
    yield from (f"  - {one}" for one in text.single)
    if text.waiting:
        yield str(WORDS[language]["time"])
    yield from (f"  - {one}" for one in text.waiting)


def reason_words(reason: Reason, language: str, *, for_user: bool) -> str:
    """A reason in words: with its code, or as the user may read it."""
    words: Any = WORDS[language]
    person = words["person"] if reason in HUMAN_REVIEW else ""
    if for_user:
        return USER_TEXT[reason][language] + person
    return f"{TEXT[reason][language]} [{reason_code(reason)}]{person}"


def _what(one: Counterfactual, currency: str, language: str, *, for_user: bool) -> str:
    text = INPUTS[one.change.name].words(language)
    return text if for_user else f"{text} [{one.change.text(currency)}]"


def value_words(one: Counterfactual, value: int, language: str, amount: Any) -> str:
    """A value of the input that was changed."""
    words: Any = WORDS[language]
    match INPUTS[one.change.name].kind:
        case "flag" | "once" | "documents":
            return str(words["yes" if value else "no"])
        case _ if value == UNKNOWN:
            return str(words["unknown"])
        case "share":
            return major(value, 2).removesuffix(".00") + "%"
        case "count":
            return str(value)
        case _:
            return str(amount(value) if value < UNBOUNDED else words["none"])


def as_dict(made: Explained, currency: str, exponent: int, language: str, *, for_user: bool) -> dict[str, Any]:
    """For a machine. For the user: sentences alone, for a code would say what the words do not."""
    found = made.found
    if for_user:
        return {"for_user": list(lines(found, currency, exponent, language, for_user=True))}
    return {
        "same_as_logged": made.same,
        "limit_after_minor": found.limit_after,
        "binding": reason_code(found.binding),
        "reasons": [reason_code(reason) for reason in found.reasons],
        "human_review": [reason_code(reason) for reason in found.reasons if reason in HUMAN_REVIEW],
        "single": [_single_dict(one, currency) for one in found.single],
        "waiting": [_waiting_dict(one) for one in found.waiting],
    }


def _single_dict(one: Counterfactual, currency: str) -> dict[str, Any]:
    return {
        "input": one.change.name,
        "set": one.change.text(currency),
        "from": None if one.before in (UNKNOWN, UNBOUNDED) else one.before,
        "to": one.after,
        "limit_after_minor": one.limit_after,
        "binding": reason_code(one.binding),
    }


def _waiting_dict(one: Waiting) -> dict[str, Any]:
    return {
        "reason": reason_code(one.reason),
        "until": one.until.isoformat(),
        "limit_after_minor": one.limit_after,
        "binding": reason_code(one.binding),
    }
