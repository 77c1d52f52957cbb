"""limits recompute, limits explain: one user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common, override, score

if TYPE_CHECKING:
    from limits.engine.reference import Comparison
    from limits.store.db import Connection
    from limits.store.log import LogEntry
    from limits.store.persons import Erasure

UserId = Annotated[int, common.number_argument("USER", "Number of the user.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("recompute")(recompute_command)
    app.command("explain")(explain_command)


def recompute_command(
    user_id: UserId,
    reason: Annotated[str, common.words_option("--reason", "Why, as the log shall say.")],
    apply: Annotated[bool, typer.Option("--apply", help="Change the limit and log it. Without: only show.")] = False,
    key: Annotated[
        str | None, common.words_option("--key", "With --apply: the same key is never applied twice.", "KEY")
    ] = None,
    as_of: Annotated[str | None, common.date_option("--as-of", "The business date (UTC). Default: today.")] = None,
    policy: common.PolicyName = None,
    actor: common.Actor = None,
    lang: common.Language = common.Lang.EN,
    json: common.Json = False,
) -> None:
    """Decide one user as a review would: shown first, applied with --apply."""
    from limits import engine, explanation
    from limits.engine import in_force
    from limits.settings import get_settings
    from limits.terminal import note, print_json

    if key is not None and not apply:
        raise typer.BadParameter("--key is only for --apply; without --apply nothing is done that could be done twice")
    settings = get_settings()
    date: Any = as_of  # the option's parser has made a date of it
    with common.database(settings) as database:
        common.load_forecast()
        made = engine.recompute(
            database,
            settings,
            user_id,
            reason=reason,
            actor=common.the_actor(settings, actor),
            as_of=date,
            apply=apply,
            key=key,
            policy=policy,
        )
        refused = ""
        if not (apply or json):
            with database.connect("operations", "limits recompute") as conn:
                refused = in_force.why_not_applied(conn, policy or settings.policy, made.entry.as_of)
    if json:
        risk = {} if made.applied else score.as_dict(made.score)
        print_json({**made.entry.as_dict(), **risk, "applied": made.applied, "repeated": made.repeated})
        return
    explanation.show(made.entry, lang.value, scored=made.score is not None)
    if made.score is not None:
        explanation.show_score(made.score, lang.value)
    if made.repeated:
        note(f"key {key!r} was applied before, on {made.entry.decided_at:%Y-%m-%d}: nothing was changed now")
    elif made.applied:
        note(f"applied and logged as entry {made.entry.entry_id}")
    elif refused:
        note(f"nothing was changed; the same command with --apply will be refused before this is mended: {refused}")
    else:
        note("nothing was changed; the same command with --apply does it")


def explain_command(
    user_id: UserId,
    as_of: Annotated[
        str | None, common.date_option("--as-of", "As of this date or before. Default: the newest.")
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="The forecasts too, beside those of statsmodels for the same months.")
    ] = False,
    counterfactuals: Annotated[
        bool, typer.Option("--counterfactuals", help="What would lift the limit: one change alone, or time.")
    ] = False,
    for_user: Annotated[
        bool, typer.Option("--for-user", help="With --counterfactuals: only that, in words that the user may read.")
    ] = False,
    lang: common.Language = common.Lang.EN,
    json: common.Json = False,
) -> None:
    """Why a user's limit is what it is: the newest decision in full."""
    from limits import explanation
    from limits.cli import whatif
    from limits.errors import ErasureRefused, NotFound
    from limits.store import archives, log, overrides, persons, recomputes
    from limits.terminal import print_json, say
    from limits.whatif_text import as_dict

    if for_user and (reference or not counterfactuals):
        raise typer.BadParameter("--for-user goes with --counterfactuals, and without --reference")
    date: Any = as_of
    with common.database() as database, database.connect("operations", "limits explain") as conn:
        found = log.newest(conn, user_id, date)
        if found is None:
            recomputes.last_decided(conn, user_id)  # says that there is no such user, or not any more
            if date:
                archives.require_here(conn, date)
            until = f" as of {date} or before" if date else ""
            mend = "leave out --as-of" if date else f'make one: limits recompute {user_id} --reason "..." --apply'
            earlier = archives.months(conn)
            older = f" ({archives.in_words(earlier)})" if earlier else ""
            raise NotFound(f"no decision about user {user_id}{until} is in the log{older}; {mend}")
        erased = persons.erasure(conn, user_id)
        if erased and (reference or counterfactuals):
            raise ErasureRefused(f"user {user_id} was erased on {erased.erased_on}: what the log says is all there is")
        beside = _reference(conn, found) if reference else None
        by_hand = overrides.in_force(conn, user_id, found.as_of)
        other = whatif.explained(conn, found) if counterfactuals else None
        risk = None if erased else score.of_entry(conn, found)
    if json:
        more = {"overrides": [one.as_dict(common.today()) for one in by_hand]} | _gone(erased) | score.as_dict(risk)
        logged = {} if for_user else found.as_dict() | more | ({"reference": beside.as_dict()} if beside else {})
        changes = as_dict(other, found.currency, found.exponent, lang.value, for_user=for_user) if other else {}
        print_json(changes if for_user else logged | ({"counterfactuals": changes} if other else {}))
        return
    if not for_user:
        explanation.show(found, lang.value, scored=risk is not None and not isinstance(risk, str))
        if risk is not None:
            explanation.show_score(risk, lang.value)
        override.show_in_force(by_hand, lang.value)
        if erased:
            say(ERASED[lang.value].format(date=erased.erased_on))
    if other is not None:
        whatif.show(other, found, lang.value, for_user=for_user)
    if beside is not None:
        _show_reference(beside, lang.value)


#: The line of an explanation about a user who was erased, by language.
ERASED = {
    "en": "  Erased     on {date}: of this user nothing but the log is kept",
    "zh": "  已删除     {date}：关于该用户仅保留日志",
}


def _gone(erased: Erasure | None) -> dict[str, str]:
    """The same for a machine."""
    return {"erased_on": erased.erased_on.isoformat()} if erased else {}


def _reference(conn: Connection, entry: LogEntry) -> Comparison:
    from limits.capacity.kernels import when_compiling
    from limits.engine.reference import compare
    from limits.terminal import note

    with when_compiling(lambda: note(common.COMPILING)):
        return compare(conn, entry)


#: Headings of the comparison.
HEADINGS = {
    "en": "Mean of the next {horizon} months, from {months} observed months known now as of {as_of}, in {currency}",
    "zh": "未来 {horizon} 个月均值，依据截至 {as_of} 现有的 {months} 个月数据（{currency}）",
}
COLUMNS = {"en": ("series", "method", "p10", "p50", "p90"), "zh": ("序列", "方法", "p10", "p50", "p90")}


def _show_reference(found: Comparison, language: str) -> None:
    from limits.money import major
    from limits.terminal import say, table

    say()
    say(
        HEADINGS[language].format(
            horizon=found.horizon_months, months=found.months_observed, as_of=found.as_of, currency=found.currency
        )
    )
    columns = COLUMNS[language]
    rows = [
        (
            line.series,
            line.method,
            *(["-"] * 3 if line.minor is None else [major(v, found.exponent) for v in line.minor]),
        )
        for line in found.lines
    ]
    table(columns, rows, numbers=columns[2:])
