"""What a case expects: each thing is optional, and what is not written is not looked at."""

from __future__ import annotations

import datetime as dt
import difflib
import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from limits.dispositions import Disposition, Notice
from limits.reasons import Reason

ACTIONS = {"raised": 1, "held": 0, "lowered": -1}
REASONS: Mapping[str, Reason] = {reason.name.lower(): reason for reason in Reason}
#: In a [step.expect] the action is called action, in an edge of one line expect.
EXPECTATIONS = (
    "expect", "action", "limit", "reasons", "ceiling", "floor", "loss", "disposition", "proposed", "effective_on",
    "notice", "notice_due_on", "told",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expected:
    """Amounts in minor units; None and empty: not looked at.

    action                 raised, held or lowered: what the engine decides
    limit                  the limit it decides on
    reasons                all of them, in the order in which they bind
    ceilings, floor        exact, so that a number of the policy that is off by one shows
    loss                   what a raise adds to the expected loss, as a budget counts it
    disposition, proposed, effective_on, notice, notice_due_on
                           how the decision takes effect, and by when the user is told
    told                   the principal reasons, as the user is told them
    """

    action: str | None = None
    limit: int | None = None
    reasons: tuple[Reason, ...] | None = None
    ceilings: Mapping[Reason, int] = field(default_factory=dict)
    floor: int | None = None
    loss: int | None = None
    disposition: int | None = None
    proposed: int | None = None
    effective_on: dt.date | None = None
    notice: int | None = None
    notice_due_on: dt.date | None = None
    told: tuple[Reason, ...] | None = None

    @classmethod
    def read(
        cls, given: Mapping[str, Any], amount: Callable[[Any], int], day: Callable[[str, Any], dt.date | None]
    ) -> Self:
        """From a table of a case; ValueError with what is wrong and the mend."""
        for key in given:
            one_of(key, EXPECTATIONS, "what is expected")
        action = given.get("expect", given.get("action"))
        if action is not None:
            one_of(action, ACTIONS, "the action")
        ceilings = given.get("ceiling", {})
        if not isinstance(ceilings, Mapping):
            raise ValueError("ceiling must be written like ceiling = { step_cap = 24000 }")
        found = cls(
            action=action,
            limit=amount(given["limit"]) if "limit" in given else None,
            reasons=_reasons(given, "reasons"),
            ceilings={REASONS[one_of(name, REASONS, "a reason")]: amount(value) for name, value in ceilings.items()},
            floor=amount(given["floor"]) if "floor" in given else None,
            loss=amount(given["loss"]) if "loss" in given else None,
            disposition=_word(given, "disposition", Disposition),
            proposed=amount(given["proposed"]) if "proposed" in given else None,
            effective_on=day("effective_on", given["effective_on"]) if "effective_on" in given else None,
            notice=_word(given, "notice", Notice),
            notice_due_on=day("notice_due_on", given["notice_due_on"]) if "notice_due_on" in given else None,
            told=_reasons(given, "told"),
        )
        if found == cls():
            raise ValueError('nothing is expected; write expect = "held"')
        return found


def _word(given: Mapping[str, Any], key: str, known: type[enum.IntEnum]) -> int | None:
    if key not in given:
        return None
    words = {one.name.lower(): int(one) for one in known}
    return words[one_of(given[key], words, f"a {key}")]


def one_of(word: Any, known: Iterable[str], what: str) -> str:
    """The word, when it is known; else ValueError names the nearest."""
    listed = list(known)
    if isinstance(word, str) and word in listed:
        return word
    near = difflib.get_close_matches(str(word), listed, n=1)
    raise ValueError(f"{word!r} is not {what}; " + (f"did you mean {near[0]!r}?" if near else ", ".join(listed)))


def _reasons(given: Mapping[str, Any], key: str) -> tuple[Reason, ...] | None:
    if key not in given:
        return None
    if not isinstance(given[key], list):
        raise ValueError(f'{key} must be a list such as {key} = ["step_cap"]')
    return tuple(REASONS[one_of(name, REASONS, "a reason")] for name in given[key])
