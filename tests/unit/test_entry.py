"""The bytes of log entries and the text of records: their layout to the byte, and each way to be refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import inspect
import re
import struct
from typing import Any

import numpy as np
import pytest

from limits import entry, entry_bytes
from limits.entry import (
    FIELDS,
    FIELDS_OF,
    FORMAT,
    NONE,
    RISK,
    WITHOUT_RISK,
    ZEROS,
    BatchRecord,
    Entries,
    OriginRecord,
    decode,
    encode,
    record_digest,
)
from limits.errors import EntryError
from limits.portfolio import UNBOUNDED
from tests.entries import assert_same, make_entries, make_record

#: Bytes before the bitmap, of each format; and of an entry of format 1.
FIXED_OF = {1: 115, 2: 123}
FIXED = 115
FORMATS = pytest.mark.parametrize("form", [1, 2])


def one_entry(form: int = FORMAT, **changed: Any) -> Entries:
    """An entry of small numbers: ten ceilings, of which numbers 1 and 8 bound."""
    columns: dict[str, Any] = {name: np.array([number]) for number, (name, _) in enumerate(FIELDS, start=2)}
    columns["effective_on"] = np.array(["2000-01-31"], dtype="datetime64[D]")
    columns["notice_due_on"] = np.array(["NaT"], dtype="datetime64[D]")
    if form == WITHOUT_RISK:
        columns |= {name: np.array([NONE]) for name in RISK}
    ceilings = np.full((1, 10), UNBOUNDED)
    ceilings[0, [1, 8]] = 1000, -2
    return Entries(**{**columns, "ceilings": ceilings, "format": form, **changed})


def parts(form: int) -> tuple[bytes, bytes]:
    """The entry's bytes before its ceilings and after."""
    body = encode(one_entry(form))[0].tobytes()
    return body[: FIXED_OF[form] - 2], body[FIXED_OF[form] - 2 :]


def test_an_entry_is_these_bytes() -> None:
    body, offsets = encode(one_entry())
    expected = struct.pack(
        ">BI4qhQ5q3hqihih2iH2B2q",
        2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 30, 19, -(2**31), 21, 22, 23, 10, 0b10, 0b1, 1000,
        -2,
    )  # fmt: skip
    assert body.tobytes() == expected
    assert offsets.tolist() == [0, len(expected)]
    nobody = one_entry(risk_points=np.array([NONE]), risk_probability_ppm=np.array([NONE]))
    assert encode(nobody)[0].tobytes() == expected[:113] + bytes.fromhex("80000000" * 2) + expected[121:]


def test_an_entry_of_format_1_is_these_bytes() -> None:
    body, offsets = encode(one_entry(1))
    expected = struct.pack(
        ">BI4qhQ5q3hqihihH2B2q",
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 30, 19, -(2**31), 21, 10, 0b10, 0b1, 1000, -2,
    )  # fmt: skip
    assert body.tobytes() == expected
    assert offsets.tolist() == [0, len(expected)]


#: Two entries as the version wrote them that knew format 1 alone, and what they say.
OLD = bytes.fromhex("""
    01000000000000000000000dfd00000000000034f700000000000039c30000000000002add68160000000000007f1500000000000070ab
    000000000000477300000000000019c50000000000002721000000000000214c5fe556e078fd8000000000000000000026a36f17800000
    000517000aa10000000000006add3f00000000001ecf02000000000086f4d0
    0100000001000000000000263400000000000068380000000000000bc30000000000004cd05d41000000000000180d000000000000070f
    0000000000002332000000000000542600000000000047f80000000000001335376055ab361d000000000003d09080000000576e000026
    b817f7000a5200000000000081954b00000000004540bd00000000005a9383
""")
OLD_SAYS: dict[str, list[Any]] = {
    "sequence": [0, 1], "user_id": [3581, 9780], "limit_before_minor": [13559, 26680],
    "limit_after_minor": [14787, 3011], "version_before": [10973, 19664], "binding": [26646, 23873],
    "reason_bits": [32533, 6157], "lowest_ceiling_minor": [28843, 1807], "floor_minor": [18291, 9010],
    "capacity_p10_minor": [6597, 21542], "capacity_p50_minor": [10017, 18424], "capacity_p90_minor": [8524, 4917],
    "capacity_method": [24549, 14176], "months_observed": [22240, 21931], "disposition": [30973, 13853],
    "proposed_minor": [NONE, 250_000], "effective_on": [dt.date(2027, 1, 30), None], "notice": [28439, 22382],
    "notice_due_on": [None, dt.date(2027, 2, 20)], "consent": [1303, 6135],
    "risk_points": [NONE, NONE], "risk_probability_ppm": [NONE, NONE],
}  # fmt: skip


def test_what_was_written_in_format_1_is_read_and_written_as_it_was() -> None:
    found = decode(OLD, np.array([0, 141, 282]))
    assert found.format == 1
    assert {name: getattr(found, name).tolist() for name, _ in FIELDS} == OLD_SAYS
    bounds = [{k: v for k, v in enumerate(row) if v < UNBOUNDED} for row in found.ceilings.tolist()]
    assert bounds == [
        {0: 7_003_455, 5: 2_019_074, 7: 8_844_496},
        {1: 8_492_363, 4: 4_538_557, 6: 5_936_003},
    ]
    body, offsets = encode(found)
    assert (body.tobytes(), offsets.tolist()) == (OLD, [0, 141, 282])


def test_a_risk_does_not_go_into_an_entry_of_format_1() -> None:
    for name in RISK:
        said = {name: np.array([NONE, 7, NONE])}
        with pytest.raises(OverflowError, match=f"^{name} of entry 1 does not fit into an entry of format 1$"):
            encode(make_entries(3, format=1, **said))
    with pytest.raises(EntryError, match="entries of format 3 cannot be written; this version reads formats 1 and 2"):
        encode(make_entries(1, format=3))


def test_the_format_is_the_table_of_the_module() -> None:
    """Whoever changes a field raises FORMAT and keeps reading the old one."""
    listed = [line.split() for line in (inspect.getdoc(entry) or "").splitlines()]
    table = [
        (words[1], int(words[0][1:]) // 8)
        for words in listed
        if words and words[0] in ("i64", "u64", "i32", "u32", "i16", "u8")
    ]
    assert table == [("format", 1), *FIELDS, ("each", 8)]
    names = [field.name for field in dataclasses.fields(Entries)]
    assert names == [*(name for name, _ in FIELDS), "ceilings", "format"]
    assert {1: FIELDS[:20], 2: FIELDS} == FIELDS_OF and entry.FORMAT == 2
    assert {form: 1 + sum(width for _, width in fields) + 2 for form, fields in FIELDS_OF.items()} == FIXED_OF


def test_the_least_and_the_most_of_every_field_come_back() -> None:
    for name, width in FIELDS:
        least, most = -(2 ** (8 * width - 1)), 2 ** (8 * width - 1) - 1
        if name.endswith("_on"):
            ends = [np.datetime64("2000-01-01") + days for days in (least + 1, most)]
            values = np.array(ends, dtype="datetime64[D]")
        else:
            values = np.array([0, 2**32 - 1] if name == "sequence" else [least + (name in RISK), most])
        entries = dataclasses.replace(make_entries(2), **{name: values})
        assert_same(decode(*encode(entries)), entries)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sequence", -1),
        ("sequence", 2**32),
        ("binding", 2**15),
        ("capacity_method", -(2**15) - 1),
        ("months_observed", 2**15),
        ("disposition", 2**15),
        ("notice", 2**40),
        ("effective_on", np.datetime64("2000-01-01") + 2**31),
        ("notice_due_on", np.datetime64("2000-01-01") - 2**31),  # the number that stands for none
        ("risk_points", -(2**31)),  # the same
        ("risk_points", 2**31),
        ("risk_probability_ppm", -(2**31) - 1),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(name: str, value: Any) -> None:
    entries = make_entries(3)
    column = getattr(entries, name).copy()
    column[1] = value
    with pytest.raises(OverflowError, match=f"^{name} of entry 1 does not fit"):
        encode(dataclasses.replace(entries, **{name: column}))


def test_columns_and_ceilings_of_another_kind_are_refused() -> None:
    with pytest.raises(TypeError, match="user_id is of type float64"):
        encode(one_entry(user_id=np.array([1.5])))
    with pytest.raises(TypeError, match="reason_bits is of type uint64"):
        encode(one_entry(reason_bits=np.array([2**63], dtype=np.uint64)))
    with pytest.raises(TypeError, match="effective_on is of type datetime64"):
        encode(one_entry(effective_on=np.array(["2026-01"], dtype="datetime64[M]")))
    with pytest.raises(OverflowError, match="a ceiling of entry 0 is above UNBOUNDED"):
        encode(one_entry(ceilings=np.array([[5, UNBOUNDED + 1]])))
    with pytest.raises(OverflowError, match="65536 ceilings"):
        encode(one_entry(ceilings=np.full((1, 2**16), UNBOUNDED)))


@pytest.mark.parametrize("rules", [0, 1, 7, 8, 9, 64, 65])
@pytest.mark.parametrize("rows", [1, 3])
@FORMATS
def test_any_number_of_ceilings_comes_back(rules: int, rows: int, form: int) -> None:
    for bounding in (0, rules // 2, rules):
        entries = make_entries(rows, rules, bounding, format=form)
        assert_same(decode(*encode(entries)), entries)


def test_no_entries_are_no_bytes() -> None:
    body, offsets = encode(make_entries(0))
    assert (len(body), offsets.tolist()) == (0, [0])
    assert len(decode(b"", offsets)) == 0
    with pytest.raises(EntryError, match="does not begin"):
        decode(b"", np.array([], dtype=np.int64))


def test_what_follows_from_the_limits_is_not_written() -> None:
    before, after = np.array([5, 5, 5]), np.array([7, 5, 0])
    entries = make_entries(3, limit_before_minor=before, limit_after_minor=after, version_before=before)
    assert entries.action.tolist() == [1, 0, -1]
    assert entries.version_after.tolist() == [6, 5, 6]
    assert entries.action.dtype == entries.version_after.dtype == np.int64


def test_bits_and_none_keep_their_meaning() -> None:
    entries = one_entry(1, reason_bits=np.array([-(2**63) + 1]), proposed_minor=np.array([NONE]))
    body = encode(entries)[0].tobytes()
    assert struct.unpack_from(">Q", body, 39) == (2**63 + 1,)
    assert body[FIXED - 22 : FIXED - 14] == bytes([0x80, 0, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda head, tail: b"\x03" + head[1:] + tail, "is of format 3; this version reads formats 1 and 2"),
        (lambda head, tail: bytes([3 - head[0]]) + head[1:] + tail, "is of format [12] and the first one of format"),
        (lambda head, tail: head + tail[:1], "has 114 bytes; the shortest one has 115"),
        (lambda head, tail: b"", "has 0 bytes"),
        (lambda head, tail: b"\x07", "is of format 7"),
        (lambda head, tail: head + tail[:3], "ends before its ceilings do: it has 116 bytes"),
        (lambda head, tail: head + tail[:-1], "ends before its ceilings do"),
        (lambda head, tail: head + tail + b"\x00", "goes on behind its last ceiling: it has 134 bytes"),
        (lambda head, tail: head + tail[:3] + b"\x05" + tail[4:], "says of more than its 10 ceilings that they bound"),
        (lambda head, tail: head + tail[:-8] + struct.pack(">q", UNBOUNDED), "has a ceiling that bounds nothing"),
        (lambda head, tail: head + tail[:-8] + struct.pack(">q", UNBOUNDED + 1), "has a ceiling that bounds nothing"),
        (lambda head, tail: head + b"\x00\x09" + tail[2:], "has 9 ceilings and the first one 10"),
    ],
)
@FORMATS
def test_the_first_entry_that_is_not_as_it_must_be_is_named(made: Any, words: str, form: int) -> None:
    """The numbers of three digits in the words are bytes of format 1."""
    words = re.sub(r"\d{3}", lambda found: str(int(found[0]) + FIXED_OF[form] - FIXED), words)
    head, tail = parts(form)
    good, bad = head + tail, made(head, tail)
    body = good + bad + b"\x09" + good[1:]
    offsets = np.cumsum([0, len(good), len(bad), len(good)])
    with pytest.raises(EntryError, match=f"^entry 1 {words}"):
        decode(body, offsets)


@pytest.mark.parametrize(
    ("offsets", "words"),
    [
        ([0, 133], "133 bytes stand after entry 0, which is the last"),
        ([0, 133, 267], "entry 1 is cut off"),
        ([0, 133, 132, 266], "entry 1 ends before it begins"),
        ([1, 133, 266], "does not begin"),
        ([-133, 0, 266], "does not begin"),
        ([0, 132, 266], "entry 0 ends before its ceilings do"),
    ],
)
def test_entries_are_all_of_the_body(offsets: list[int], words: str) -> None:
    good = b"".join(parts(1))
    assert len(decode(good + good, np.array([0, 133, 266]))) == 2
    with pytest.raises(EntryError, match=words):
        decode(good + good, np.array(offsets))


def test_bytes_of_any_kind_are_read_by_one_compilation() -> None:
    body, offsets = encode(make_entries(4))
    expected = decode(body, offsets)
    for form in (body.tobytes(), memoryview(body), bytearray(body)):
        assert_same(decode(form, offsets), expected)
    assert len(entry_bytes.check.signatures) == len(entry_bytes.read.signatures) == 1
    assert body.flags.writeable  # what was given stays as it was


# Records ----------------------------------------------------------------------------------------

TEXT = """limits batch 1
batch 812
review 17
kind scheduled
shard 3
token 5
as_of 2026-11-15
currency CZK
policy 0101010101010101010101010101010101010101010101010101010101010101
input 0202020202020202020202020202020202020202020202020202020202020202
model 0303030303030303030303030303030303030303030303030303030303030303
risk none
code 0.1.0+abc
role champion
actor scheduler
login limits_worker
decided_at 2026-11-29T13:00:00.123456Z
applied_at 2026-11-29T13:01:00.123456Z
users 5000
delta_minor -12300
root 0404040404040404040404040404040404040404040404040404040404040404
previous 0000000000000000000000000000000000000000000000000000000000000000
"""


def test_a_record_is_this_text_and_its_digest_a_leaf() -> None:
    assert make_record().write() == TEXT
    assert BatchRecord.parse(TEXT) == make_record()
    assert record_digest(TEXT) == hashlib.sha256(b"\x00" + TEXT.encode()).digest()
    with pytest.raises(EntryError, match="not ASCII"):
        record_digest("limits batch 1\nactor Žofie\n")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("limits batch 1", "limits batch 2", "line 1 of the record of a batch must be 'limits batch 1'"),
        ("limits batch 1\n", "", "line 1 of the record of a batch must be"),
        ("batch 812\nreview 17", "review 17\nbatch 812", "line 2 must begin with 'batch' and is 'review 17'"),
        ("batch 812", "batch 0812", "line 2: batch is not written as it must be: '0812'"),
        ("batch 812", "batch +812", "line 2: batch must be a whole number; it is '\\+812'"),
        ("batch 812", "batch -0", "line 2: batch is not written"),
        ("batch 812", "batch -1", "line 2: batch must be a whole number from 0"),
        ("batch 812", "batch 9223372036854775808", "line 2: batch must be a whole number from 0"),
        ("batch 812", "batch  812", "line 2: batch must be a whole number"),
        ("batch 812", "batch ８", "line 2: batch must be a whole number"),
        ("batch 812", "batch", "line 2: batch must be a whole number"),
        ("batch 812", "batch\t812", "line 2 must begin with 'batch'"),
        ("kind scheduled", "kind two words", "line 4: kind must be printable ASCII without spaces"),
        ("kind scheduled", "kind ", "line 4: kind must be printable"),
        ("2026-11-15", "20261115", "line 7: as_of must be a date"),
        ("2026-11-15", "2026-11-31", "line 7: as_of day"),
        ("policy 01", "policy 0A", "line 9: policy must be 64 hexadecimal digits"),
        ("policy 01", "policy 0101", "line 9: policy must be 64"),
        ("code 0.1.0", "code %30.1.0", "line 13: code is not written as it must be"),
        ("actor scheduler", "actor %C5%BEofie%2", "line 15: actor is not written as it must be"),
        ("actor scheduler", "actor %c5%be", "line 15: actor is not written"),
        ("actor scheduler", "actor Žofie", "line 15: actor must be ASCII"),
        ("actor scheduler", "actor %FF", "line 15: actor"),
        ("actor scheduler", "actor ", "line 15: actor must be a text that is not empty"),
        ("13:00:00.123456Z", "13:00:00.123456+00:00", "line 17: decided_at must be an instant"),
        ("13:00:00.123456Z", "13:00:00Z", "line 17: decided_at must be an instant"),
        ("delta_minor -12300", "delta_minor --12300", "line 20: delta_minor must be a whole number"),
        ("users 5000\n", "users 5000\nusers 5000\n", "line 20 must begin with 'delta_minor'"),
        ("CZK\n", "CZK\r\n", "line 8: currency must be printable"),
        ("5000\n", "5000\r\n", "line 19: users must be a whole number"),
        ("previous ", "previous_", "line 22 must begin with 'previous'"),
    ],
)
def test_a_record_that_is_not_as_it_must_be_is_told_by_its_line(old: str, new: str, words: str) -> None:
    assert old in TEXT
    with pytest.raises(EntryError, match=words):
        BatchRecord.parse(TEXT.replace(old, new))


def test_a_record_ends_where_it_must() -> None:
    with pytest.raises(EntryError, match="line 22 must be ended by LF"):
        BatchRecord.parse(TEXT[:-1])
    for more in ("\n", "more 1\n", "x"):
        with pytest.raises(EntryError, match="line 23 must not be there: '"):
            BatchRecord.parse(TEXT + more)
    with pytest.raises(EntryError, match="line 4"):
        BatchRecord.parse("".join(TEXT.splitlines(keepends=True)[:3]))
    with pytest.raises(EntryError, match="line 1"):
        BatchRecord.parse("")


@pytest.mark.parametrize(
    "changed",
    [
        {"batch": -1},
        {"batch": True},
        {"users": 1.0},
        {"delta_minor": 2**63},
        {"kind": "two words"},
        {"kind": "line\nbreak"},
        {"risk": ""},
        {"actor": ""},
        {"actor": "\ud800"},
        {"as_of": dt.datetime(2026, 1, 1)},  # noqa: DTZ001
        {"decided_at": dt.datetime(2026, 1, 1)},  # noqa: DTZ001
        {"decided_at": dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=1)))},
        {"policy": bytes(31)},
        {"root": "00" * 32},
    ],
)
def test_a_value_that_cannot_stand_in_a_record_is_refused_by_name(changed: dict[str, Any]) -> None:
    with pytest.raises(EntryError, match=f"what must be recorded: {next(iter(changed))} "):
        make_record(**changed).write()


def test_names_that_are_not_plain_are_escaped() -> None:
    text = make_record(actor="Žofie 100%", code="0.1 (local)\n").write()
    assert "\nactor %C5%BDofie%20100%25\n" in text
    assert "\ncode 0.1%20(local)%0A\n" in text
    assert BatchRecord.parse(text).actor == "Žofie 100%"


def test_an_instant_of_another_zone_is_written_in_utc() -> None:
    later = dt.datetime(2026, 11, 29, 14, 0, 0, 123456, dt.timezone(dt.timedelta(hours=1)))
    assert make_record(decided_at=later).write() == TEXT


def test_the_record_that_the_log_begins_with() -> None:
    origin = OriginRecord(343, hashlib.sha256(b"them all").digest())
    text = origin.write()
    assert text == f"limits origin 1\nentries 343\ndigest {origin.digest.hex()}\n"
    assert OriginRecord.parse(text) == origin
    with pytest.raises(EntryError, match="line 2: entries is not written"):
        OriginRecord.parse(text.replace("343", "0343"))
    with pytest.raises(EntryError, match="line 1 of the record of the origin must be 'limits origin 1'"):
        OriginRecord.parse(TEXT)
    assert record_digest(text) != ZEROS
