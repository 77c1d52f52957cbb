"""One decision in words: what was decided, every ceiling and the one that bound, the forecast, the evidence.

Everything printed here is read from the log entry, so that it says what was decided then,
not what would be decided now; the score is worked out anew from what was decided from then.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from limits.capacity import Method
from limits.ceilings import CEILINGS
from limits.money import major, money
from limits.reasons import Reason
from limits.store.log import Consent, LogEntry, Times, reason_code, reason_text
from limits.terminal import say

if TYPE_CHECKING:
    from limits.engine.scoring import Score

WORDS = {
    "en": {
        "user": "User {user} as of {as_of}: {action}",
        "raised": "limit raised",
        "held": "limit held",
        "lowered": "limit lowered",
        "offered": "a higher limit offered",
        "announced": "a change announced",
        "offered_text": "{proposed} ({delta}), until {date} to accept; the limit stays as it is until then",
        "announced_text": "{proposed} ({delta}) from {date} on; the limit stays as it is until then",
        "proposed": "Proposed",
        "limit": "Limit",
        "change": "{before} before, {after} after ({delta})",
        "unchanged": "{before} before and after",
        "because": "Because",
        "nothing": "no rule stood in the way of the change",
        "ceilings": "Ceilings, in {currency}: the lowest binds, and no raise passes it",
        "bound": "bound",
        "none": "no bound",
        "too_small": "The change would be smaller than the policy lets a review make, so the limit stays.",
        "softened": "The floor keeps the limit above the lowest ceiling.",
        "floor": "Floor",
        "floor_text": "{floor}: one review does not cut below it",
        "capacity": "Capacity",
        "capacity_text": "a month, after living costs and obligations: {p50} expected, {p10} in a bad tenth of cases "
        "(p10), {p90} in a good tenth (p90)",
        "method": "Method",
        "risk": "Risk",
        "risk_text": "{points} points: {probability} miss a payment",
        "evidence": "Evidence",
        "evidence_text": "{months} observed months; sha256 of the inputs {digest}",
        "policy": "Policy",
        "policy_text": "{pack} of {effective}, sha256 {digest}",
        "code": "Code",
        "actor": "Actor",
        "actor_text": "{actor} (connected as {session}), {decided}",
        "review": "Review",
        "entry": "Log entry",
        "unlogged": "none: worked out now, nothing was changed",
        "times": "Times",
        "times_text": "decided {decided}, applied {applied}",
        "approval": "Approval",
        "proposed_by": "policy proposed by {actor} (connected as {session}), {at}",
        "approved_by": "policy approved by {actor} (connected as {session}), {at}",
        "released_by": "review released by {actor} (connected as {session}), {at}",
        "score": "Score",
        "score_text": "{points} points: within {months} {probability} miss a payment; band {band}",
        "score_model": "by the scorecard {model}, sha256 {digest}",
        "lost": "{what}: {points} points lost",
        "lost_nothing": "every characteristic gave all its points",
        "score_gone": "beyond what the log says not known any more: {why}",
    },
    "zh": {
        "user": "用户 {user}，截至 {as_of}：{action}",
        "raised": "额度上调",
        "held": "额度不变",
        "lowered": "额度下调",
        "offered": "提议上调额度",
        "announced": "已预告额度调整",
        "offered_text": "{proposed}（{delta}），须在 {date} 前（含当日）接受；在此之前额度不变",
        "announced_text": "自 {date} 起为 {proposed}（{delta}）；在此之前额度不变",
        "proposed": "拟调额度",
        "limit": "额度",
        "change": "调整前 {before}，调整后 {after}（{delta}）",
        "unchanged": "{before}，未变",
        "because": "原因",
        "nothing": "没有规则限制这次调整",
        "ceilings": "各项上限（{currency}）：最低者生效，上调不会超过它",
        "bound": "生效",
        "none": "不设限",
        "too_small": "变动幅度小于政策规定的最小调整幅度，额度维持不变。",
        "softened": "下限使额度高于最低的上限。",
        "floor": "下限",
        "floor_text": "{floor}：一次审查不会降到它以下",
        "capacity": "还款能力",
        "capacity_text": "每月，扣除生活必需和其他债务后：预期 {p50}，较差的一成情形 {p10}（p10），"
        "较好的一成情形 {p90}（p90）",
        "method": "方法",
        "risk": "风险",
        "risk_text": "{points} 分：逾期的可能性为 {probability}",
        "evidence": "依据",
        "evidence_text": "观察到 {months} 个月；输入的 sha256 {digest}",
        "policy": "政策",
        "policy_text": "{pack}，{effective} 起，sha256 {digest}",
        "code": "代码",
        "actor": "执行者",
        "actor_text": "{actor}（连接身份 {session}），{decided}",
        "review": "审查",
        "entry": "日志条目",
        "unlogged": "无：现在算出，未作任何更改",
        "times": "时间",
        "times_text": "{decided} 作出决定，{applied} 生效",
        "approval": "批准",
        "proposed_by": "政策由 {actor}（连接身份 {session}）提出，{at}",
        "approved_by": "政策由 {actor}（连接身份 {session}）批准，{at}",
        "released_by": "审查由 {actor}（连接身份 {session}）放行，{at}",
        "score": "评分",
        "score_text": "{points} 分：{months}内逾期的可能性为 {probability}；等级 {band}",
        "score_model": "评分卡 {model}，sha256 {digest}",
        "lost": "{what}：失 {points} 分",
        "lost_nothing": "各项均为满分",
        "score_gone": "除日志所载外已无从得知：{why}",
    },
}


def show(
    entry: LogEntry,
    language: str = "en",
    times: Times | None = None,
    consents: Sequence[Consent] = (),
    *,
    scored: bool = False,
) -> None:
    """Print the decision; ``times``: when it was made and applied, where known; ``consents``: who stood for it.

    ``scored``: ``show_score`` follows and says points and probability, so that they are not printed twice.
    """
    words = WORDS[language]
    say(title(entry, language), strong=True)
    width = max(
        _width(words[name]) for name in ("limit", "proposed", "because", "capacity", "method", "evidence", "entry")
    )
    for name, text in facts(entry, language):
        if scored and name == words["risk"]:
            continue
        say(f"  {_pad(name, width)}  {text}")
        if name == words["floor"]:
            _show_ceilings(entry, language)
    if times is not None:
        decided, applied = (f"{at:%Y-%m-%d %H:%M:%S} UTC" for at in (times.decided_at, times.applied_at))
        text = words["times_text"].format(decided=decided, applied=applied)
        say(f"  {_pad(words['times'], width)}  {text}")
    for place, one in enumerate(consents):
        at = f"{one.at:%Y-%m-%d %H:%M:%S} UTC"
        text = words[f"{one.what}_by"].format(actor=one.actor, session=one.login, at=at)
        name = "" if place else words["approval"]
        say(f"  {_pad(name, width)}  {text}" + (f": {one.reason}" if one.reason else ""))


def show_score(score: Score | str, language: str = "en") -> None:
    """Print what the scorecard said of the user, and where the points went, most first; or why that is not known."""
    show_facts(score_facts(score, language))


def score_facts(score: Score | str, language: str = "en") -> list[tuple[str, str]]:
    """The same as name and text of each line."""
    words = WORDS[language]
    if isinstance(score, str):
        return [(words["score"], words["score_gone"].format(why=score))]
    text = words["score_text"].format(
        points=score.points, months=months(score.horizon_months, language), band=score.band,
        probability=percent(score.probability_ppm),
    )  # fmt: skip
    lost = [words["lost"].format(what=one.text(language), points=one.points) for one in score.lost]
    lines = [*(lost or [words["lost_nothing"]]), words["score_model"].format(
        model=score.model, digest=score.model_hash.hex()
    )]  # fmt: skip
    return [(words["score"], text), *(("", line) for line in lines)]


def months(number: int, language: str) -> str:
    """So many months in words."""
    if language == "zh":
        return f"{number} 个月"
    return f"{number} month" if number == 1 else f"{number} months"


def percent(ppm: int) -> str:
    """Parts per million for people: 4.10%."""
    return f"{ppm / 10_000:.2f}%"


def show_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print name and text of each line, the texts below one another."""
    width = max(_width(name) for name, _ in facts)
    for name, text in facts:
        say(f"  {_pad(name, width)}  {text}")


def title(entry: LogEntry, language: str = "en") -> str:
    """Whom, as of when, and what was decided, in one line."""
    words = WORDS[language]
    return words["user"].format(user=entry.user_id, as_of=entry.as_of, action=words[entry.outcome])


def facts(entry: LogEntry, language: str = "en") -> Iterator[tuple[str, str]]:
    """The decision but for its ceilings, as name and text of each line; a line that goes on has no name."""
    words = WORDS[language]

    def amount(minor: int) -> str:
        return money(minor, entry.exponent, entry.currency)

    def signed(minor: int) -> str:
        return ("+" if minor > 0 else "") + amount(minor)

    before, after = entry.limit_before_minor, entry.limit_after_minor
    change = words["change"] if after != before else words["unchanged"]
    yield words["limit"], change.format(before=amount(before), after=amount(after), delta=signed(after - before))
    if entry.proposed_minor is not None:
        delta = signed(entry.proposed_minor - before)
        text = words[f"{entry.outcome}_text"]
        yield (
            words["proposed"],
            text.format(proposed=amount(entry.proposed_minor), delta=delta, date=entry.effective_on),
        )
    yield from why(entry, language)
    yield words["floor"], words["floor_text"].format(floor=amount(entry.floor_minor))
    quantiles = {q: amount(getattr(entry, f"capacity_{q}_minor")) for q in ("p10", "p50", "p90")}
    yield words["capacity"], words["capacity_text"].format(**quantiles)
    yield words["method"], Method(entry.capacity_method).text(language)
    if entry.risk_points is not None and entry.risk_probability_ppm is not None:
        probability = percent(entry.risk_probability_ppm)
        yield words["risk"], words["risk_text"].format(points=entry.risk_points, probability=probability)
    digest = entry.input_digest.hex()
    yield words["evidence"], words["evidence_text"].format(months=entry.months_observed, digest=digest)
    yield from who(entry, language)


def why(entry: LogEntry, language: str = "en") -> Iterator[tuple[str, str]]:
    """The reasons in words, in the order in which they bind, as name and text of each line; later ones have no name."""
    words = WORDS[language]
    for place, reason in enumerate(entry.reasons, start=1):
        name = words["because"] if place == 1 else ""
        yield name, f"{place}. {reason_text(reason, language)} [{reason_code(reason)}]"
    if not entry.reasons:
        yield words["because"], words["nothing"]
    if more := remark(entry):
        yield "", words[more]


def who(entry: LogEntry, language: str = "en") -> Iterator[tuple[str, str]]:
    """By which policy, by whom and in which review it was decided, as name and text of each line."""
    words = WORDS[language]
    yield (
        words["policy"],
        words["policy_text"].format(
            pack=entry.pack, effective=entry.policy_effective_on, digest=entry.policy_hash.hex()
        ),
    )
    yield words["code"], entry.code_version
    decided = entry.decided_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    yield (
        words["actor"],
        words["actor_text"].format(actor=entry.actor, session=entry.session_role, decided=decided),
    )
    kind = entry.schedule or entry.review_kind
    number = f"{entry.review_id} ({kind})" if entry.review_id else kind  # 0: shown, and of no review
    yield words["review"], number + (f": {entry.review_reason}" if entry.review_reason else "")
    yield words["entry"], str(entry.entry_id) if entry.entry_id else words["unlogged"]


def remark(entry: LogEntry) -> str | None:
    """What beside the ceilings shaped the outcome: the floor, or hysteresis, which lets small changes be."""
    wish = entry.limit_after_minor if entry.proposed_minor is None else entry.proposed_minor
    if wish == entry.floor_minor > entry.lowest_ceiling_minor:
        return "softened"
    if wish == entry.limit_before_minor and entry.lowest_ceiling_minor != entry.limit_before_minor:
        return "too_small"
    return None


def without_bound(entry: LogEntry) -> list[Reason]:
    """The rules that set no bound, in their order."""
    bounds = dict(entry.ceilings)
    return [ceiling.reason for ceiling in CEILINGS if ceiling.reason not in bounds]


def _show_ceilings(entry: LogEntry, language: str) -> None:
    """Every rule with the limit it would accept, lowest first; a rule without a bound says so."""
    words = WORDS[language]
    unbound = [reason_code(reason) for reason in without_bound(entry)]
    rows: list[tuple[Reason, str]] = [(reason, major(value, entry.exponent)) for reason, value in entry.ceilings]
    number = max(_width(text) for _, text in rows)
    code = max(len(reason_code(reason)) for reason, _ in rows)
    say("  " + words["ceilings"].format(currency=entry.currency))
    for reason, text in rows:
        mark = f"<- {words['bound']}" if reason == entry.binding else ""
        padded = " " * (number - _width(text)) + text
        line = f"    {padded}  {reason_code(reason):<{code}}  {mark}".rstrip()
        say(line, strong=bool(mark))
    lines = textwrap.wrap(", ".join(unbound), 100) or [""]
    for place, line in enumerate(lines):
        name = words["none"] if place == 0 else ""
        say(f"    {_pad(name, number)}  {line}", faint=True)


def _width(text: str) -> int:
    """Columns on a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
