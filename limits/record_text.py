"""Records as lines of text, a name and a value each: what is hashed or signed has one way to be written.

A value is read only where writing it again gives the same characters: no leading zeros, no
second spelling of a date, no other letters for a digest.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

DIGEST_BYTES = 32

_NUMBER = re.compile(r"-?[0-9]{1,19}")
_WORD = re.compile(r"[!-$&-~]+")  # printable ASCII without space and %
_ESCAPED = re.compile(rb"%([0-9A-F]{2})")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HEX = re.compile(r"[0-9a-f]{64}")


class Kind(NamedTuple):
    """How values of one kind are written and read; both raise ValueError, which says what the value must be."""

    write: Callable[[Any], str]
    parse: Callable[[str], Any]


#: The lines of a record: of each name and kind, in order.
Lines = Sequence[tuple[str, Kind]]


def written(lines: Lines, values: Mapping[str, Any]) -> str:
    """The lines, each ended by LF. ValueError, with the name of the line, for a value that cannot stand there."""
    text = []
    for name, kind in lines:
        try:
            text.append(f"{name} {kind.write(values[name])}\n")
        except ValueError as error:
            raise ValueError(f"{name} {error}; it is {values[name]!r}") from None
    return "".join(text)


def parsed(lines: Lines, text: str, first: int) -> dict[str, Any]:
    """The values of the lines of ``text``, whose first one is line ``first`` of the record.

    ValueError, with the number of the line, where a line is not the one that must stand there
    or there are more or fewer of them.
    """
    values = {}
    found = text.split("\n")
    for number, ((name, kind), line) in enumerate(zip(lines, found, strict=False), start=first):
        before, _, value = line.partition(" ")
        if before != name:
            raise ValueError(f"line {number} must begin with {name!r} and is {line[:80]!r}")
        try:
            values[name] = kind.parse(value)
            same = kind.write(values[name]) == value
        except ValueError as error:
            raise ValueError(f"line {number}: {name} {error}; it is {value[:80]!r}") from None
        if not same:
            raise ValueError(f"line {number}: {name} is not written as it must be: {value[:80]!r}")
    if len(found) <= len(lines):
        raise ValueError(f"line {first + len(found) - 1} must be ended by LF")
    if found[len(lines) :] != [""]:
        raise ValueError(f"line {first + len(lines)} must not be there: {found[len(lines)][:80]!r}")
    return values


def _count_written(value: Any) -> str:
    if not _whole(value) or not 0 <= value < 2**63:
        raise ValueError("must be a whole number from 0 to 2^63 - 1")
    return str(value)


def _number_written(value: Any) -> str:
    if not _whole(value) or not -(2**63) <= value < 2**63:
        raise ValueError("must be a whole number of 64 bits")
    return str(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number_parsed(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError("must be a whole number")
    return int(text)


def _word_written(value: Any) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise ValueError("must be printable ASCII without spaces and %")
    return value


def _text_written(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text that is not empty")
    letters = value.encode()  # half a surrogate pair: UnicodeEncodeError, a ValueError
    return "".join(chr(byte) if 0x21 <= byte <= 0x7E and byte != 0x25 else f"%{byte:02X}" for byte in letters)


def _text_parsed(text: str) -> str:
    if not text.isascii():
        raise ValueError("must be ASCII")
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), text.encode()).decode()


def _date_written(value: Any) -> str:
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise ValueError("must be a date")
    return value.isoformat()


def _date_parsed(text: str) -> dt.date:
    if not _DATE.fullmatch(text):
        raise ValueError("must be a date such as 2026-11-15")
    return dt.date.fromisoformat(text)


def _instant_written(value: Any) -> str:
    if not isinstance(value, dt.datetime) or value.tzinfo is None:
        raise ValueError("must be an instant with its time zone")
    try:
        return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    except OverflowError:
        raise ValueError("must be an instant of the years 1 to 9999 in UTC") from None


def _instant_parsed(text: str) -> dt.datetime:
    if not _INSTANT.fullmatch(text):
        raise ValueError("must be an instant such as 2026-11-29T13:00:00.123456Z")
    return dt.datetime.fromisoformat(text[:-1]).replace(tzinfo=dt.UTC)


def _digest_written(value: Any) -> str:
    if not isinstance(value, bytes) or len(value) != DIGEST_BYTES:
        raise ValueError(f"must be a digest of {DIGEST_BYTES} bytes")
    return value.hex()


def _digest_parsed(text: str) -> bytes:
    if not _HEX.fullmatch(text):
        raise ValueError("must be 64 hexadecimal digits")
    return bytes.fromhex(text)


def base64_parsed(text: str) -> bytes:
    """The bytes. ValueError for what base64 of no bytes is written as."""
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("must be base64") from None
    if base64.b64encode(found).decode() != text:
        raise ValueError("must be base64 in its one spelling")
    return found


#: A whole number that is not below zero, and any of 64 bits.
COUNT = Kind(_count_written, _number_parsed)
NUMBER = Kind(_number_written, _number_parsed)
#: Printable ASCII without space and %, as it is; and any text, the bytes of its UTF-8 that are not so as %XX.
WORD = Kind(_word_written, str)
TEXT = Kind(_text_written, _text_parsed)
DATE = Kind(_date_written, _date_parsed)
#: In UTC, to the microsecond.
INSTANT = Kind(_instant_written, _instant_parsed)
#: 32 bytes as 64 hexadecimal digits.
DIGEST = Kind(_digest_written, _digest_parsed)
