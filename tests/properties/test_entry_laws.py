"""Laws of log entries and records: one way to write each, and everything that is written comes back."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limits import merkle
from limits.entry import FIELDS, FORMAT, NONE, RISK, WITHOUT_RISK, BatchRecord, Entries, OriginRecord, decode, encode
from limits.errors import EntryError
from limits.portfolio import UNBOUNDED
from tests.entries import assert_same, make_entries, make_record

counts = st.integers(0, 2**63 - 1)
digests = st.binary(min_size=32, max_size=32)
words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="%"), min_size=1)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
instants = st.datetimes(timezones=st.just(dt.UTC))
ceilings = st.one_of(st.just(UNBOUNDED), st.integers(-(2**63), UNBOUNDED))


@st.composite
def entries(draw: st.DrawFn) -> Entries:
    """Any entries that can be written: each field anywhere in its range, and often at its ends."""
    rows, rules = draw(st.integers(1, 4)), draw(st.integers(0, 20))
    form = draw(st.sampled_from([WITHOUT_RISK, FORMAT]))
    columns: dict[str, Any] = {}
    for name, width in FIELDS:
        least, most = -(2 ** (8 * width - 1)), 2 ** (8 * width - 1) - 1
        if name == "sequence":
            least, most = 0, 2**32 - 1
        drawn = draw(st.lists(st.integers(least, most), min_size=rows, max_size=rows))
        if name.endswith("_on"):
            days = [np.datetime64("NaT") if day == least else np.datetime64("2000-01-01") + day for day in drawn]
            columns[name] = np.array(days, dtype="datetime64[D]")
        elif name in RISK:
            none = form == WITHOUT_RISK
            columns[name] = np.array([NONE if none or one == least else one for one in drawn], dtype=np.int64)
        else:
            columns[name] = np.array(drawn, dtype=np.int64)
    drawn = draw(st.lists(ceilings, min_size=rows * rules, max_size=rows * rules))
    return Entries(**columns, ceilings=np.array(drawn, dtype=np.int64).reshape(rows, rules), format=form)


@given(entries())
def test_what_is_written_comes_back(drawn: Entries) -> None:
    body, offsets = encode(drawn)
    found = decode(body, offsets)
    assert_same(found, drawn)
    again, starts = encode(found)
    assert (again.tobytes(), starts.tolist()) == (body.tobytes(), offsets.tolist())


@given(entries())
def test_entries_alone_are_the_bytes_of_the_batch(drawn: Entries) -> None:
    body, offsets = encode(drawn)
    alone = [encode(drawn.take(slice(row, row + 1)))[0].tobytes() for row in range(len(drawn))]
    assert b"".join(alone) == body.tobytes()
    together = [one.tobytes() for one in merkle.leaf_hashes(body, offsets)]
    assert together == [merkle.leaf_hash(one) for one in alone]


@given(entries(), st.data())
def test_a_changed_byte_is_refused_or_read_as_something_else(drawn: Entries, data: st.DataObject) -> None:
    body, offsets = encode(drawn)
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = decode(body, offsets)
    except EntryError:
        return
    assert encode(found)[0].tobytes() == body.tobytes()
    with pytest.raises(AssertionError):
        assert_same(found, drawn)


@given(st.data())
def test_any_bytes_are_refused_or_written_back(data: st.DataObject) -> None:
    """Pieces of true entries put together, so that some are accepted."""
    form = data.draw(st.sampled_from([WITHOUT_RISK, FORMAT]))
    whole, starts = encode(make_entries(3, rules=data.draw(st.integers(0, 9)), bounding=3, format=form))
    piece = st.one_of(
        st.binary(max_size=9),
        st.builds(
            lambda a, b: whole[a:b].tobytes(), st.sampled_from([0, *starts, 111]), st.sampled_from([*starts, 113, 121])
        ),
    )
    pieces = data.draw(st.lists(piece, max_size=4))
    body, offsets = b"".join(pieces), np.cumsum([0, *map(len, pieces)])
    try:
        found = decode(body, offsets)
    except EntryError:
        return
    again, cuts = encode(found)
    assert (again.tobytes(), cuts.tolist()) == (body, offsets.tolist())


@given(entries(), entries())
def test_entries_of_two_formats_are_no_batch(one: Entries, other: Entries) -> None:
    """Whoever puts one format's bytes among those of the other is refused, however alike the entries are."""
    (body, offsets), (more, cuts) = encode(one), encode(other)
    both = np.concatenate([body, more])
    if one.format == other.format:
        if one.ceilings.shape[1] == other.ceilings.shape[1]:
            assert len(decode(both, np.concatenate([offsets, offsets[-1] + cuts[1:]]))) == len(one) + len(other)
        return
    with pytest.raises(EntryError, match=f"^entry {len(one)} is of format {other.format} and the first one of"):
        decode(both, np.concatenate([offsets, offsets[-1] + cuts[1:]]))


records = st.builds(
    make_record,
    batch=counts, review=counts, kind=words, shard=counts, token=counts, as_of=st.dates(), currency=words,
    policy=digests, input=digests, model=digests, risk=words, code=texts, role=words, actor=texts, login=texts,
    decided_at=instants, applied_at=instants, users=counts, delta_minor=st.integers(-(2**63), 2**63 - 1),
    root=digests, previous=digests,
)  # fmt: skip


@given(records)
def test_a_record_comes_back(record: BatchRecord) -> None:
    text = record.write()
    assert text.isascii() and text.count("\n") == len(dataclasses.fields(BatchRecord)) + 1
    assert BatchRecord.parse(text) == record
    assert BatchRecord.parse(text).write() == text


@given(records, st.data())
def test_a_changed_letter_of_a_record_is_refused_or_read_as_something_else(
    record: BatchRecord, data: st.DataObject
) -> None:
    text = record.write()
    place = data.draw(st.integers(0, len(text) - 1))
    kind = data.draw(st.sampled_from(["other", "without", "twice"]))
    letter = {"other": data.draw(st.characters()), "without": "", "twice": text[place] * 2}[kind]
    changed = text[:place] + letter + text[place + 1 :]
    try:
        found = BatchRecord.parse(changed)
    except EntryError:
        return
    assert found.write() == changed
    assert (found == record) == (changed == text)


@given(counts, digests)
def test_the_origin_comes_back(entries: int, digest: bytes) -> None:
    origin = OriginRecord(entries, digest)
    assert OriginRecord.parse(origin.write()) == origin
