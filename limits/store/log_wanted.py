"""Which entries of the log somebody asks for: what the options of the command line and the fields of a page mean.

All that is named must hold. Both call this, so that the same words find the same entries.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence

from limits.errors import InputError
from limits.money import EXPONENTS, Money
from limits.reasons import Reason
from limits.store.log import ACTIONS, OUTCOMES, LogFilter, reason_code

#: The largest share of a limit that can be asked for, in percent: far above any change there is.
LARGEST_PERCENT = 1_000_000

_ACTION_NUMBERS = {word: number for number, word in ACTIONS.items()}

#: How a field is called where somebody fills it in: "from" is --from on the command line.
Named = Callable[[str], str]


def read_percent(text: str) -> int:
    """A part of a hundred with at most two decimals, above zero, in basis points. InputError where it is none."""
    match = re.fullmatch(r"([0-9]{1,7})(?:\.([0-9]{1,2}))?%?", text)
    if match and 0 < (bps := int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))) <= LARGEST_PERCENT * 100:
        return bps
    raise InputError(f"{text!r} is not a percentage; write it like 25 or 12.5, above 0 and at most {LARGEST_PERCENT}")


def wanted(
    *,
    user: int | None = None,
    review: int | None = None,
    since: dt.date | None = None,
    until: dt.date | None = None,
    action: str | None = None,
    outcome: str | None = None,
    reasons: Sequence[str] = (),
    actor: str | None = None,
    min_change: Money | None = None,
    max_change: Money | None = None,
    min_share_bps: int | None = None,
    currency: str | None = None,
    named: Named = str,
) -> LogFilter:
    """The filter. InputError where nothing can match, or a word is none. The policy is looked up later."""
    if since and until and since > until:
        raise InputError(f"{named('from')} {since} lies after {named('to')} {until}: nothing can match")
    number, disposition = _outcome(action, outcome, named)
    given, least, most = _sizes(min_change, max_change, named)
    if currency and currency not in EXPONENTS:
        raise InputError(f"{currency[:80]!r} is not a currency known here; there are {', '.join(sorted(EXPONENTS))}")
    if currency and given and currency != given:
        raise InputError(f"{named('currency')} is {currency} and the size of the change in {given}: nothing can match")
    return LogFilter(
        user_id=user,
        review_id=review,
        as_of_from=since,
        as_of_to=until,
        action=number,
        disposition=disposition,
        reasons=_reasons(reasons),
        actor=actor,
        currency=given or currency,
        min_change_minor=least,
        max_change_minor=most,
        min_share_bps=min_share_bps,
    )


def _outcome(action: str | None, outcome: str | None, named: Named) -> tuple[int | None, int | None]:
    """The stored action and disposition of both."""
    for word, known in ((action, _ACTION_NUMBERS), (outcome, OUTCOMES)):
        if word is not None and word not in known:
            raise InputError(f"{word[:80]!r} is no outcome; there are: {', '.join(known)}")
    number = None if action is None else _ACTION_NUMBERS[action]
    if outcome is None:
        return number, None
    of_outcome, disposition = OUTCOMES[outcome]
    implied = 0 if of_outcome is None else of_outcome  # the limit of what waits is held
    if number not in (None, implied):
        raise InputError(
            f"{named('action')} {action} and {named('outcome')} {outcome} exclude each other: nothing can match"
        )
    return implied, disposition


def _reasons(codes: Sequence[str]) -> tuple[Reason, ...]:
    """The reasons of the codes, all of which an entry must have."""
    known = {reason_code(reason): reason for reason in Reason}
    for code in codes:
        if code.lower() not in known:
            raise InputError(f"{code[:80]!r} is no reason code; there are: {', '.join(sorted(known))}")
    return tuple(known[code.lower()] for code in codes)


def _sizes(least: Money | None, most: Money | None, named: Named) -> tuple[str | None, int | None, int | None]:
    """Currency and bounds of the size of a change, minor units."""
    if least and most and least.currency != most.currency:
        raise InputError(
            f"{named('min-change')} is in {least.currency} and {named('max-change')} in {most.currency}: "
            "nothing can match"
        )
    if least and most and least.minor > most.minor:
        raise InputError(f"{named('min-change')} is larger than {named('max-change')}: nothing can match")
    given = least or most
    return given.currency if given else None, least.minor if least else None, most.minor if most else None
