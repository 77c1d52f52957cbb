"""limits log as-of: what the limit of a user was on a date, why, and who decided."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limits.cli import common

if TYPE_CHECKING:
    from limits.store.log_as_of import Standing
    from limits.store.pending import Change

WORDS = {
    "en": {
        "head": "User {user} on {date}: limit {limit}",
        "since": "Since",
        "opened": "{since}, when the account was opened; no decision has changed it",
        "archived": "{since}, by a decision that lies in the archive {file}",
        "raised": "{since}, raised from {before}",
        "lowered": "{since}, lowered from {before}",
        "known": "Only later",
        "known_text": "that was decided on {decided}, after that day: until then the limit was {known}",
        "newest": "Last look",
        "newest_text": "{date}: {outcome}",
        "never": "none: no decision about the user by then",
        "never_here": "none since what lies in the archive {file}",
        "waiting": "Waiting",
        "offer": "offered on {made}: {proposed} ({delta}), until {date} to accept (log entry {entry})",
        "offer_over": "offered on {made}: {proposed} ({delta}), until {date} to accept, which had passed "
        "(log entry {entry})",
        "announced": "announced on {made}: {proposed} ({delta}) from {date} on (log entry {entry})",
        "nothing": "nothing",
        "erased": "Erased",
        "erased_text": "on {date}: of this user nothing but the log is kept",
    },
    "zh": {
        "head": "用户 {user}，{date}：额度 {limit}",
        "since": "起始",
        "opened": "{since}，开户之日；此后没有决定改变过额度",
        "archived": "{since}，该决定存于归档文件 {file}",
        "raised": "{since}，由 {before} 上调",
        "lowered": "{since}，由 {before} 下调",
        "known": "事后作出",
        "known_text": "该决定于 {decided} 作出，晚于当日；在此之前额度为 {known}",
        "newest": "最近审查",
        "newest_text": "{date}：{outcome}",
        "never": "无：截至当日没有关于该用户的决定",
        "never_here": "无：归档文件 {file} 之后没有决定",
        "waiting": "待定",
        "offer": "{made} 提议：{proposed}（{delta}），须在 {date} 前（含当日）接受（日志条目 {entry}）",
        "offer_over": "{made} 提议：{proposed}（{delta}），须在 {date} 前（含当日）接受，期限已过（日志条目 {entry}）",
        "announced": "{made} 预告：自 {date} 起为 {proposed}（{delta}）（日志条目 {entry}）",
        "nothing": "无",
        "erased": "已删除",
        "erased_text": "{date}：关于该用户仅保留日志",
    },
}


def register(log: typer.Typer) -> None:
    """Add the command."""
    log.command("as-of")(as_of_command)


def _read_first_date(text: str) -> dt.date:
    """The date; a number in its place is that of the user."""
    if text.isdecimal():
        raise typer.BadParameter(f"{text!r} is not a date; DATE comes first: limits log as-of 2026-03-31 {text}")
    return common.read_date(text)


def as_of_command(
    date: Annotated[
        str,
        typer.Argument(
            parser=_read_first_date, metavar="DATE", show_default=False,
            help="The business date (as_of) of the decisions, at its end.",
        ),
    ],
    user_id: Annotated[int, common.number_argument("USER", "Number of the user.")],
    lang: common.Language = common.Lang.EN,
    json: common.Json = False,
) -> None:  # fmt: skip
    """What the limit of a user was on a date, since when, why, who decided, and what was waiting."""
    from limits.store.log_as_of import standing
    from limits.terminal import print_json

    day: Any = date  # the argument's parser has made a date of it
    with common.database() as database, database.connect("auditor", "limits log as-of") as conn:
        found = standing(conn, user_id, day, now=dt.datetime.now(dt.UTC))
    if json:
        print_json(found.as_dict())
    else:
        _show(found, lang.value)


def _show(found: Standing, language: str) -> None:
    from limits import explanation
    from limits.terminal import say

    words = WORDS[language]
    limit = _amount(found, found.limit_minor)
    say(words["head"].format(user=found.user_id, date=found.as_of, limit=limit), strong=True)
    explanation.show_facts(list(_facts(found, language)))


def _facts(found: Standing, language: str) -> Iterator[tuple[str, str]]:
    """Name and text of each line; a line that goes on has no name."""
    from limits import explanation

    words, change = WORDS[language], found.change
    if change is None:
        name = "archived" if found.archived else "opened"
        yield words["since"], words[name].format(since=found.since, file=found.archive)
    else:
        before = _amount(found, change.limit_before_minor)
        yield words["since"], words[change.outcome].format(since=found.since, before=before)
        yield from explanation.why(change, language)
        yield from explanation.who(change, language)
        if found.known_minor is not None:
            known = _amount(found, found.known_minor)
            yield words["known"], words["known_text"].format(decided=change.decided_at.date(), known=known)
    if found.newest is None:
        yield words["newest"], words["never_here" if found.archive else "never"].format(file=found.archive)
    elif found.newest != change:
        outcome = explanation.WORDS[language][found.newest.outcome]
        yield words["newest"], words["newest_text"].format(date=found.newest.as_of, outcome=outcome)
        yield from explanation.why(found.newest, language)
        yield from explanation.who(found.newest, language)
    for place, waiting in enumerate(found.waiting):
        yield "" if place else words["waiting"], _waiting(found, waiting, language)
    if not found.waiting:
        yield words["waiting"], words["nothing"]
    if found.erased:
        yield words["erased"], words["erased_text"].format(date=found.erased.erased_on)


def _waiting(found: Standing, change: Change, language: str) -> str:
    over = change.kind == "offer" and change.effective_on < found.as_of
    delta = change.proposed_minor - change.limit_minor
    return WORDS[language]["offer_over" if over else change.kind].format(
        made=change.as_of,
        proposed=_amount(found, change.proposed_minor),
        delta=("+" if delta > 0 else "") + _amount(found, delta),
        date=change.effective_on,
        entry=change.entry_id,
    )


def _amount(found: Standing, minor: int) -> str:
    from limits.money import money

    return money(minor, found.opening.exponent, found.opening.currency)
