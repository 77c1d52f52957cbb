"""Rows that an import did not let in: why, and which."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg.rows import dict_row

from limits.errors import InputError
from limits.store.queries import query

#: Why a row is not let in. The codes are stable: other systems may filter by them.
REASONS: Mapping[str, str] = MappingProxyType(
    {
        # The line is no row of the file.
        "line_too_long": "the line is longer than a row can be",
        "broken_utf8": "the line is not UTF-8",
        "nul_byte": "the line holds a byte 0",
        "unprintable_character": "the line holds a character that cannot be printed",
        "unbalanced_quotes": "a quote is not closed on its line, or stands inside a field that is not quoted",
        "too_few_fields": "the row has fewer fields than the heading",
        "too_many_fields": "the row has more fields than the heading",
        "field_too_long": "a field is longer than is kept",
        # A field cannot be read.
        "missing_field": "a field that is needed is empty",
        "not_a_number": "a number cannot be read as one (NaN and Infinity are none)",
        "not_a_date": "a date is not written YYYY-MM-DD or does not exist",
        "not_an_instant": "an instant cannot be read, or its zone is left out",
        "not_yes_or_no": "neither yes nor no",
        "unknown_kind": "the kind is not known",
        "unknown_status": "the status is not known",
        "unknown_currency": "the currency is not known",
        "not_a_sha256": "a value is not written as a sha256",
        "too_many_decimals": "an amount has more decimals than its currency",
        "amount_not_positive": "an amount that must be positive is zero or negative",
        "amount_negative": "an amount that must not be negative is",
        "amount_too_large": "an amount is absurdly large",
        "number_too_large": "a count is absurdly large",
        # The row does not fit what is known.
        "erased": "the user was erased; the line is not kept",
        "unknown_user": "there is no such user",
        "wrong_currency": "the currency is not the user's",
        "in_future": "a date lies after today",
        "before_account": "a date lies before the account was opened",
        "dates_out_of_order": "two dates of the row contradict each other",
        "valid_until_of_missing": "documents that are missing cannot be valid until a day",
        "minimum_above_due": "the minimum due is more than the amount due",
        "opening_changed": "the day the account was opened is not what it was",
        "limit_changed": "the limit is not the opening limit; limits are changed by reviews only",
        "duplicate_id_other_content": "the id came before with other content",
    }
)


def list_rows(
    conn: psycopg.Connection[Any], *, kind: str | None = None, reason: str | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """Up to ``limit`` rows, every column by name: the newest import first, its rows by line."""
    if reason is not None and reason not in REASONS:
        raise InputError(f"there is no reason {reason!r}; the reasons are {', '.join(REASONS)}")
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query("quarantine_list"), {"kind": kind, "reason": reason, "limit": limit}).fetchall()
