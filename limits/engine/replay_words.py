"""In what a replayed entry differs from the log, as it is read: fields and values by name."""

from __future__ import annotations

import datetime as dt

from limits.capacity import Method
from limits.dispositions import Notice
from limits.engine.differing import Difference
from limits.reasons import Reason
from limits.store.log import ACTIONS, DISPOSITIONS, reason_code


def field_name(difference: Difference) -> str:
    """The field in words: a ceiling by its reason code."""
    return named(difference.field, difference.reason)


def named(field: str, reason: int | None) -> str:
    """A field, or the ceiling of a reason."""
    return field if reason is None else f"ceiling {_reason(reason)}"


def value_of(difference: Difference, value: int | str | None) -> int | str | None:
    """A value as it is read: codes by name, days as dates; numbers that stand for nothing stay numbers."""
    if not isinstance(value, int):
        return value
    name = difference.field
    if name in ("effective_on", "notice_due_on"):
        return _day(value)
    if name == "binding":
        return _reason(value)
    if name == "reason_bits":
        return " ".join(_reason(bit) for bit in range(63) if value >> bit & 1) or "none" if value >= 0 else value
    words: dict[str, dict[int, str]] = {
        "action": ACTIONS,
        "disposition": DISPOSITIONS,
        "change_kind": DISPOSITIONS | {0: "none"},
        "notice": {kind.value: kind.name.lower() for kind in Notice},
        "capacity_method": {kind.value: kind.name.lower() for kind in Method},
    }
    return words.get(name, {}).get(value, value)


def _reason(number: int) -> str:
    known = {reason.value for reason in Reason}
    return reason_code(Reason(number)) if number in known else str(number)


def _day(value: int) -> str | int:
    """Days as PostgreSQL counts them; what is no day of a calendar stays a number."""
    try:
        return (dt.date(2000, 1, 1) + dt.timedelta(days=value)).isoformat()
    except OverflowError:
        return value
