"""What limits demo shows of its reviews, to people and to programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limits.cli.demo import ACTIONS, SCHEDULE, Demo, action_of

if TYPE_CHECKING:
    from limits.settings import Settings
    from limits.store.log import LogEntry
    from limits.store.reviews import ReviewRow


def as_dict(demo: Demo) -> dict[str, Any]:
    """The last review for a machine; amounts in minor units."""
    last, outcomes = demo.rows[-1], demo.outcomes
    actions = Counter(action_of(entry) for entry in demo.entries)
    return {
        "users": demo.users,
        "reviewed": len(demo.entries),
        **{action: actions[action] for action in ACTIONS},
        "exposure_before_minor": last.exposure_before_minor,
        "exposure_after_minor": last.exposure_after_minor,
        "reasons": dict(_reasons(demo.entries).most_common()),
        "outcomes": outcomes,
        **({"bands": demo.by_band} if demo.bands else {}),
        "seconds": round(demo.seconds, 2),
    }


def show(demo: Demo, settings: Settings) -> None:
    """The same for people."""
    from limits import explanation
    from limits.terminal import bars, say

    say()
    for line in demo.sample.about:
        say(line.format(users=f"{demo.users:,}", tonight=demo.rows[-1].business_date))
    for line in demo.sample.unknown:
        say(line, faint=True)
    say()
    _show_reviews(demo)
    say()
    say("What kept limits from being higher, tonight (users; one may have several reasons)", strong=True)
    texts = _reason_texts()
    bars([(code, users, f"{users:,}  {texts[code]}") for code, users in _reasons(demo.entries).most_common(8)])
    for action in ACTIONS:
        if action in demo.examples:
            say()
            explanation.show(demo.examples[action], scored=action in demo.scores)
            if action in demo.scores:
                explanation.show_score(demo.scores[action])
    _show_outcomes(demo)
    _show_next(demo, settings)


def _show_reviews(demo: Demo) -> None:
    from limits.money import money
    from limits.terminal import say, table

    exponent = demo.entries[0].exponent if demo.entries else 2
    currency = demo.entries[0].currency if demo.entries else ""

    def amount(minor: int | None) -> str:
        return money(minor or 0, exponent, currency)

    columns = ("as of", "reviewed", "raised", "held", "lowered", "not yet open", "exposure before", "after")
    rows = [
        (
            row.business_date.isoformat(),
            *(f"{n or 0:,}" for n in (_decided(row), row.users_raised, row.users_held, row.users_lowered)),
            f"{row.users_skipped or 0:,}",
            amount(row.exposure_before_minor),
            amount(row.exposure_after_minor),
        )
        for row in demo.rows
    ]
    table(columns, rows, numbers=columns[1:])
    waiting = sum(entry.proposed_minor is not None for entry in demo.entries)
    if waiting:
        say(f"Of those held, {waiting:,} are offered a raise, which waits for their yes and counts as raised below")
    last = demo.rows[-1]
    aside = (last.users_skipped or 0) + (last.users_quarantined or 0)
    say(
        f"Tonight: {_decided(last):,} reviewed + {aside:,} without a decision = {_decided(last) + aside:,} "
        f"of {demo.users:,} users, in {demo.seconds:.1f} s from the first import to here"
    )


def _show_outcomes(demo: Demo) -> None:
    from limits.terminal import say, table

    say()
    say(f"{demo.sample.later} ({_who_has_seen(demo)})", strong=True)
    total_users, total_bad = (sum(o[what] for o in demo.outcomes.values()) for what in ("users", "bad"))
    rows = [
        (name, f"{o['users']:,}", f"{o['bad']:,}", "" if o["share_bad"] is None else f"{o['share_bad']:.1%}")
        for name, o in (*demo.outcomes.items(), *((f"band {name}", o) for name, o in demo.by_band.items()))
    ]
    share = f"{total_bad / total_users:.1%}" if total_users else ""
    rows.insert(len(ACTIONS), ("all", f"{total_users:,}", f"{total_bad:,}", share))
    table(("tonight", "users", demo.sample.bad, "share"), rows, numbers=("users", demo.sample.bad, "share"))
    if total_users < 1000:
        say("Small numbers: a share of n users is uncertain by about 1/sqrt(n); of 50 users, by 14 points.", faint=True)


def _who_has_seen(demo: Demo) -> str:
    if demo.sample.model is None:
        return "no rule and no parameter has seen this"
    return f"{len(demo.judged):,} users whom the scorecard was not trained on; it was trained on the others"


def _show_next(demo: Demo, settings: Settings) -> None:
    from limits.terminal import say

    command = ".venv/bin/limits" if Path(".venv/bin/limits").exists() else "limits"
    if settings.home is not None:
        command = f"LIMITS_HOME={settings.home} {command}"
    user, policy = next(iter(demo.examples.values())).user_id if demo.examples else 19, demo.sample.policy
    say()
    say("Try next", strong=True)
    for arguments, what in (
        ("web --link", "all of it in the browser, by the link that it prints"),
        (f"explain {user} --lang zh", "the newest decision about a user, in Chinese"),
        (f"recompute {user} --policy {policy} --reason 'customer called'", "decide one user now; add --apply to do it"),
        ("log list --action lowered", "the adjustment log"),
        ("log export --format csv --output log.csv", "all of it"),
        (f"review run --as-of {demo.rows[-1].business_date} --schedule {SCHEDULE}", "the same review again: no change"),
        ("policy history", "who proposed and approved the policies"),
        ("doctor", "what runs, and what is wrong"),
    ):
        say(f"  {command} {arguments:<62} # {what}")


def _decided(row: ReviewRow) -> int:
    return sum(n or 0 for n in (row.users_raised, row.users_held, row.users_lowered))


def _reasons(entries: Sequence[LogEntry]) -> Counter[str]:
    from limits.store.log import reason_code

    return Counter(reason_code(reason) for entry in entries for reason in entry.reasons)


def _reason_texts() -> dict[str, str]:
    from limits.reasons import Reason
    from limits.store.log import reason_code, reason_text

    return {reason_code(reason): reason_text(reason) for reason in Reason}
