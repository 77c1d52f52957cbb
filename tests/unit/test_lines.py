"""Lines of a CSV file: numbers, fields, and what is no row."""

from __future__ import annotations

import csv
import hashlib
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limits.errors import InputError
from limits.store.lines import LONGEST_LINE, Line, LineReader

AB = ("a", "b")


def read(content: bytes, columns: tuple[str, ...] = AB) -> list[Line]:
    return list(LineReader(io.BytesIO(content), "f.csv", columns))


def test_fields_come_in_the_order_asked_for_and_lines_keep_their_numbers() -> None:
    lines = read(b"\xef\xbb\xbfb,a\r\n1,2\r\n\r\n\n3,4")
    assert [(line.number, line.fields) for line in lines] == [(2, ("2", "1")), (5, ("4", "3"))]
    assert [line.reason for line in lines] == [None, None]


def test_what_is_optional_is_empty_where_the_heading_does_not_name_it() -> None:
    def read(content: bytes) -> list[Line]:
        return list(LineReader(io.BytesIO(content), "f.csv", AB, ("c", "d")))

    assert [line.fields for line in read(b"a,b\n1,2\n")] == [("1", "2", "", "")]
    assert [line.fields for line in read(b"d,b,a\n4,2,1\n")] == [("1", "2", "", "4")]
    assert [line.fields for line in read(b"d,c,b,a\n4,3,2,1\n")] == [("1", "2", "3", "4")]
    assert [line.reason for line in read(b"a,b\n1\n1,2,3\n")] == ["too_few_fields", "too_many_fields"]
    assert [line.reason for line in read(b"c,a,b\n1,2\n1,2,3\n")] == ["too_few_fields", None]
    for heading, message in ((b"a,c\n", 'not name "b"'), (b"a,b,e\n", 'unknown "e"'), (b"a,b,c,c\n", 'twice "c"')):
        with pytest.raises(InputError, match=f"{message}; it must name each of a,b once, and may name c,d"):
            read(heading)


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        (b'1,"2', "unbalanced_quotes", 'the quotes of "1,"2" do not match'),
        (b'1,2"', "unbalanced_quotes", "do not match"),
        (b'"1"x,2', "unbalanced_quotes", "do not match"),
        (b"1", "too_few_fields", 'the row has 1 fields, the heading has 2: "1"'),
        (b"1,2,", "too_many_fields", "the row has 3 fields"),
        (b"1,\xe9t\xe9", "broken_utf8", "the bytes e9 74 e9 after byte 2 are not UTF-8"),
        (b"1,\xed\xa0\x80", "broken_utf8", "not UTF-8"),  # half a surrogate pair
        (b"1,\x00", "nul_byte", "character 3 of the line is U+0000"),
        (b"1,\x1b[2J", "unprintable_character", "U+001B"),
        ("1,\u202e2".encode(), "unprintable_character", "U+202E"),
        (b"1,2\r3", "unprintable_character", "U+000D"),
        (b"1," + b"x" * 201, "field_too_long", 'the field "xxx'),
        (b"1," + b"x" * LONGEST_LINE, "line_too_long", f"the line has {LONGEST_LINE + 2} bytes"),
    ],
)
def test_a_line_that_is_no_row_says_why_and_spoils_no_other(line: bytes, reason: str, detail: str) -> None:
    before, bad, after = read(b"a,b\n0,0\n" + line + b"\n9,9\n")
    assert (before.fields, after.fields, after.number) == (("0", "0"), ("9", "9"), 4)
    assert (bad.number, bad.reason, bad.fields) == (3, reason, ())
    assert bad.detail is not None and detail in bad.detail and len(bad.detail) <= 200
    assert bad.raw.isprintable() and bad.detail.isprintable()
    assert (bad.digest or hashlib.sha256(bad.raw.encode()).digest()) == hashlib.sha256(line).digest()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "f.csv is empty; its first line must name the columns: a,b"),
        (b"\n1,2\n", "f.csv begins with an empty line"),
        (b"a\n", "the heading of f.csv does not name \"b\"; it must name each of a,b once"),
        (b"a,b,c\n", "names unknown \"c\""),
        (b"a,b,a\n", "names twice \"a\""),
        (b"A,b\n", "does not name \"a\" and names unknown \"A\""),
        (b"1,2\n", "does not name \"a\", \"b\" and names unknown \"1\", \"2\""),
        (b"a;b\n", "separated by semicolons; separate them by commas"),
        (b"a\tb\n", "separated by tabs"),
        (b'a,"b\n', "a quote that is not closed"),
        ("a,b\n".encode("utf-16"), "is UTF-16; save it as CSV in UTF-8"),
        (b"\xfe\xff\0a", "is UTF-16"),
        (b"\x1f\x8b\x08\0", "is compressed by gzip"),
        (b"PK\x03\x04", "is a zip file or a spreadsheet"),
        (b"a,\xe9\n", "the heading of f.csv is not UTF-8"),
        (b"\0\0\0\n", "f.csv is not CSV"),
        (b"x" * 100_000, "f.csv is not CSV"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(content: bytes, message: str) -> None:
    with pytest.raises(InputError) as error:
        read(content)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_heading_alone_is_a_file_without_rows() -> None:
    assert read(b"a,b") == []


FIELD = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=20)


@given(st.lists(st.tuples(FIELD, FIELD), max_size=5))
def test_what_a_csv_writer_writes_is_read(rows: list[tuple[str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([AB, *rows])
    assert [tuple(line.fields) for line in read(text.getvalue().encode())] == rows


@given(st.binary(max_size=300))
def test_any_bytes_are_lines_of_rows_or_reasons(content: bytes) -> None:
    for line in read(b"a,b\n" + content):
        assert (line.reason is None) == (len(line.fields) == 2)
        assert line.raw.isprintable() or line.reason is None  # other spaces may stand in a row
        assert "\0" not in line.raw


def test_memory_does_not_grow_with_a_line() -> None:
    content = io.BytesIO(b"a,b\n" + b"x" * 20_000_000 + b"\n1,2\n")
    tracemalloc.start()
    long, good = LineReader(content, "f.csv", AB)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (long.reason, good.fields) == ("line_too_long", ("1", "2"))
    assert peak < 1_000_000 and len(long.raw) < 1100
