"""A CSV file as lines: streamed, numbered, and split into fields; each line that is no row with the reason.

A row is one line. No field of an import can hold a line break, so a quote that is never
closed spoils its own line and not the rest of the file.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import BinaryIO, NamedTuple

from limits.errors import InputError

#: Bytes of a line, and characters of a field, at most.
LONGEST_LINE = 16_384
LONGEST_FIELD = 200
#: Characters kept of a line that is longer than ``LONGEST_LINE``.
KEPT_OF_LONG_LINE = 1000

_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|$)')
#: Categories of characters that are no text: control, format (they turn the direction), separators of lines.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_NOT_CSV = {
    b"\xff\xfe": "is UTF-16",
    b"\xfe\xff": "is UTF-16",
    b"\x1f\x8b": "is compressed by gzip",
    b"PK\x03\x04": "is a zip file or a spreadsheet",
    b"%PDF": "is a PDF",
    b"PAR1": "is a Parquet file",
}


class Line(NamedTuple):
    """A line of the file: its fields in the order asked for, or the reason why it has none."""

    number: int  # the heading is line 1
    raw: str  # undecodable and unprintable characters escaped
    digest: bytes | None  # sha256 of the bytes without the line end; None where raw says it all
    reason: str | None
    detail: str | None
    fields: Sequence[str]


class LineReader:
    """Reads a file once from front to end. Errors of the whole file are InputError, ``name`` in the message.

    Fields come in the order of ``columns`` and then of ``optional``; of those the heading does not name they are empty.
    """

    def __init__(self, file: BinaryIO, name: str, columns: Sequence[str], optional: Sequence[str] = ()) -> None:
        self._file = file
        self._name = name
        self._sha256 = hashlib.sha256()
        self.bytes_read = 0
        self._must = f"name each of {','.join(columns)} once"
        if optional:
            self._must += f", and may name {','.join(optional)}"
        heading = self._heading(columns, optional)
        self._named = len(heading)
        places = [heading.index(column) if column in heading else self._named for column in (*columns, *optional)]
        self.width = len(places)
        self._in_order: Callable[[Sequence[str]], Sequence[str]] = itemgetter(*places)

    @property
    def sha256(self) -> bytes:
        """Digest of what has been read so far."""
        return self._sha256.digest()

    def __iter__(self) -> Iterator[Line]:
        """The lines after the heading; empty ones are no rows."""
        number = 1
        while line := self._read():
            number += 1
            body = _without_end(line)
            if len(body) > LONGEST_LINE:
                yield self._long_line(number, line)
            elif body:
                yield self._line(number, body)

    def _read(self) -> bytes:
        try:
            line = self._file.readline(LONGEST_LINE + 2)
        except OSError as error:
            raise InputError(f"{self._name} cannot be read: {error.strerror}") from error
        self._sha256.update(line)
        self.bytes_read += len(line)
        return line

    def _heading(self, columns: Sequence[str], optional: Sequence[str]) -> list[str]:
        line = self._read()
        for signature, what in _NOT_CSV.items():
            if line.startswith(signature):
                raise InputError(f"{self._name} {what}; save it as CSV in UTF-8")
        try:
            text = _without_end(line).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InputError(f"the heading of {self._name} is not UTF-8; save the file as CSV in UTF-8") from None
        if not text.strip():
            what = "is empty" if not line else "begins with an empty line"
            raise InputError(f"{self._name} {what}; its first line must name the columns: {','.join(columns)}")
        if len(line) > LONGEST_LINE or "\0" in text:
            raise InputError(f"{self._name} is not CSV; its first line must name the columns: {','.join(columns)}")
        found = _split(text)
        if found is None:
            raise InputError(f"the heading of {self._name} has a quote that is not closed")
        self._check_columns(found, columns, optional)
        return found

    def _check_columns(self, found: list[str], columns: Sequence[str], optional: Sequence[str]) -> None:
        for separator, name in ((";", "semicolons"), ("\t", "tabs")):
            if len(found) == 1 and separator in found[0]:
                raise InputError(f"the columns of {self._name} are separated by {name}; separate them by commas")
        twice = sorted({column for column in found if found.count(column) > 1})
        unknown = [column for column in found if column not in (*columns, *optional)]
        missing = [column for column in columns if column not in found]
        problems = [
            f"{what} {', '.join(shown(column) for column in names)}"
            for what, names in (("names twice", twice), ("does not name", missing), ("names unknown", unknown))
            if names
        ]
        if problems:
            message = f"the heading of {self._name} {' and '.join(problems)}"
            raise InputError(f"{message[:1000]}; it must {self._must}")

    def _line(self, number: int, line: bytes) -> Line:
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            found = f"the bytes {line[error.start : error.start + 4].hex(' ')} after byte {error.start} are not UTF-8"
            return self._fault(number, line, "broken_utf8", found)
        if not (text.isascii() and text.isprintable()):
            for place, character in enumerate(text, start=1):
                if unicodedata.category(character) in _UNPRINTABLE:
                    reason = "nul_byte" if character == "\0" else "unprintable_character"
                    found = f"character {place} of the line is U+{ord(character):04X}, which cannot be printed"
                    return self._fault(number, line, reason, found)
        fields = text.split(",") if '"' not in text else _split(text)
        if fields is None:
            return self._fault(number, line, "unbalanced_quotes", f"the quotes of {shown(text)} do not match")
        if len(fields) != self._named:
            reason = "too_few_fields" if len(fields) < self._named else "too_many_fields"
            found = f"the row has {len(fields)} fields, the heading has {self._named}: {shown(text)}"
            return self._fault(number, line, reason, found)
        if len(text) > LONGEST_FIELD and (longest := max(fields, key=len)) and len(longest) > LONGEST_FIELD:
            found = f"the field {shown(longest)} has {len(longest)} characters; at most {LONGEST_FIELD} are kept"
            return self._fault(number, line, "field_too_long", found)
        return Line(number, text, None, None, None, self._in_order([*fields, ""]))

    def _long_line(self, number: int, start: bytes) -> Line:
        """Reads on to the end of the line, and keeps its beginning only."""
        digest, length = hashlib.sha256(), 0
        part = start
        while True:
            body = part.removesuffix(b"\n")
            digest.update(body)
            length += len(body)
            if len(body) < len(part) or not (part := self._read()):
                break
        raw = f"{escaped(start[:KEPT_OF_LONG_LINE])}... ({length} bytes)"
        found = f"the line has {length} bytes; at most {LONGEST_LINE} are read"
        return Line(number, raw, digest.digest(), "line_too_long", found, ())

    @staticmethod
    def _fault(number: int, line: bytes, reason: str, detail: str) -> Line:
        return Line(number, escaped(line), hashlib.sha256(line).digest(), reason, detail, ())


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _split(text: str) -> list[str] | None:
    """The fields of a line, quotes taken off; None where they do not match."""
    fields, place = [], 0
    while match := _FIELD.match(text, place):
        quoted, plain, end = match.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        place = match.end()
        if not end:
            return fields
    return None


def escaped(line: bytes) -> str:
    """The bytes as text that can be printed and stored."""
    text = line.decode("utf-8", "backslashreplace")
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def shown(text: str) -> str:
    """A value as a detail shows it: quoted, printable, at most 60 characters."""
    text = escaped(text.encode("utf-8", "backslashreplace"))
    return f'"{text}"' if len(text) <= 60 else f'"{text[:57]}..."'
