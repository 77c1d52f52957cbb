"""limits risk simulate: what would move a user's score, and what the limit would be then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common

if TYPE_CHECKING:
    from limits.engine.supposing_score import ScoredSide, SupposedScore

WORDS = {
    "en": {
        "title": "User {user} as of {as_of}, by scorecard {model} and policy {pack} of {effective}: {changes}",
        "columns": ("", "as it is", "what if"), "nothing": "nothing changed", "unknown": "not known",
        "points": "points", "probability": "missed payment within {months}", "band": "band", "limit": "limit",
        "action": "action", "raised": "raised", "held": "held", "lowered": "lowered", "binding": "bound by",
        "lost": "points lost: {what}",
        "no_effect": "the policy has no [risk], so a score has no effect on the limit",
        "waiting": "imported events wait for the next review to count them; they are left out here",
    },
    "zh": {
        "title": "用户 {user}，截至 {as_of}，按评分卡 {model} 与政策 {pack}（{effective} 起）：{changes}",
        "columns": ("", "现状", "假设"), "nothing": "无变化", "unknown": "未知",
        "points": "分数", "probability": "{months}内逾期的可能性", "band": "等级", "limit": "额度",
        "action": "结果", "raised": "上调", "held": "不变", "lowered": "下调", "binding": "生效上限",
        "lost": "失分：{what}",
        "no_effect": "政策没有 [risk]，评分不影响额度",
        "waiting": "有已导入的流水尚待下次审查汇总，此处未计入",
    },
}  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command to the group."""
    app.command("simulate")(simulate)


def simulate(
    user_id: Annotated[int, common.number_argument("USER", "Number of the user.")],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE",
            help="What the scorecard reads as it might be (an amount such as 2000, a share such as 50%, a count; or "
            "unknown), or an input of limits whatif. "
            "Repeatable.",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="FILE", help="A model's file in place of that in force.", show_default=False),
    ] = None,
    as_of: Annotated[str | None, common.date_option("--as-of", "The business date (UTC). Default: today.")] = None,
    policy: common.PolicyName = None,
    lang: common.Language = common.Lang.EN,
    json: common.Json = False,
) -> None:  # fmt: skip
    """How points, band and limit of a user would be others if something were; beside what is. Nothing is changed."""
    from limits.engine.supposing_score import suppose_score
    from limits.settings import get_settings
    from limits.terminal import note, print_json, say, table

    settings, words = get_settings(), WORDS[lang.value]
    found_date: Any = as_of  # the option's parser has made a date of it
    with common.database(settings) as database:
        common.load_forecast()
        made = suppose_score(database, settings, user_id, changes or [], as_of=found_date, policy=policy, model=model)
    day = (found_date or common.today()).isoformat()
    if json:
        print_json(_as_dict(made, user_id, day))
        return
    told: Any = words
    say(
        told["title"].format(
            user=user_id, as_of=day, model=made.before.score.model, pack=made.policy.pack,
            effective=made.policy.effective_on, changes=", ".join(made.changes) or told["nothing"],
        ),
        strong=True,
    )  # fmt: skip
    table(told["columns"], list(_rows(made, lang.value)), numbers=told["columns"][1:])
    if made.policy.risk is None:
        note(told["no_effect"])
    if made.waiting:
        note(told["waiting"])


def _rows(made: SupposedScore, language: str) -> Iterator[tuple[str, str, str]]:
    from limits.explanation import months, percent
    from limits.money import money
    from limits.reasons import Reason
    from limits.risk import FEATURES
    from limits.risk.values import told
    from limits.store.log import ACTIONS, reason_code

    words: Any = WORDS[language]
    sides = (made.before, made.after)

    def row(name: str, values: list[str]) -> tuple[str, str, str]:
        return name, values[0], values[1]

    for name in made.before.features:
        numbers = [one.features[name] for one in sides]
        text = FEATURES[name].text[language == "zh"]
        currency = made.policy.currency
        yield row(f"{text} [{name}]", [words["unknown"] if n is None else told(name, n, currency) for n in numbers])
    yield row(words["points"], [str(one.score.points) for one in sides])
    within = words["probability"].format(months=months(made.before.score.horizon_months, language))
    yield row(within, [percent(one.score.probability_ppm) for one in sides])
    yield row(words["band"], [one.score.band for one in sides])
    lost = [{one.name: one for one in side.score.lost} for side in sides]
    for name in dict.fromkeys((*lost[0], *lost[1])):
        what = next(side[name] for side in lost if name in side).text(language)
        yield row(words["lost"].format(what=what), [str(side[name].points) if name in side else "0" for side in lost])
    limits = [money(int(one.decisions.limit_after[0]), made.exponent, made.policy.currency) for one in sides]
    yield row(words["limit"], limits)
    yield row(words["action"], [words[ACTIONS[int(one.decisions.action[0])]] for one in sides])
    yield row(words["binding"], [reason_code(Reason(int(one.decisions.binding[0]))) for one in sides])


def _as_dict(made: SupposedScore, user_id: int, as_of: str) -> dict[str, Any]:
    return {
        "what_if": True,
        "user_id": user_id,
        "as_of": as_of,
        "policy_pack": made.policy.pack,
        "policy_hash": made.policy.policy_hash.hex(),
        "currency": made.policy.currency,
        "exponent": made.exponent,
        "changes": made.changes,
        "before": _side_dict(made.before),
        "after": _side_dict(made.after),
        "events_waiting": made.waiting,
    }


def _side_dict(one: ScoredSide) -> dict[str, Any]:
    from limits.reasons import Reason
    from limits.store.log import ACTIONS, reason_code

    made = one.decisions
    return {
        "features": dict(one.features),
        "risk": one.score.as_dict(),
        "limit_before_minor": int(made.limit_before[0]),
        "limit_after_minor": int(made.limit_after[0]),
        "action": ACTIONS[int(made.action[0])],
        "binding": reason_code(Reason(int(made.binding[0]))),
        "reasons": [reason_code(reason) for reason in made.reasons(0)],
    }
