"""Whatever is changed of a batch or of a file of checkpoints is found: one bit, one place, one letter."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from limits import checkpoint, log_notes, merkle
from limits.checkpoint import ZEROS, Checkpoint
from limits.entry import FORMAT, WITHOUT_RISK, BatchRecord, encode
from limits.log_check import Batch, Stored, check_batch
from limits.log_notes import Growth, Row
from tests.made_log import DAY, KEY, START, entries


def stored(bodies: list[bytes], ids: list[int] | None = None) -> Stored:
    offsets = np.cumsum([0, *map(len, bodies)])
    numbers = np.array(ids if ids is not None else range(1, len(bodies) + 1))
    return Stored(
        numbers, np.arange(len(bodies)), np.frombuffer(b"".join(bodies) or b"", dtype=np.uint8), offsets,
        [merkle.leaf_hash(body) for body in bodies],
    )  # fmt: skip


def batch(users: int, seed: int) -> tuple[Batch, list[bytes]]:
    """Of an odd seed the entries are of format 1, of an even one of format 2."""
    made = entries(range(1, users + 1), seed, form=WITHOUT_RISK if seed % 2 else FORMAT)
    body, offsets = encode(made)
    zeros = bytes(32)
    record = BatchRecord(
        batch=5, review=1, kind="scheduled", shard=0, token=1, as_of=DAY, currency="CZK", policy=zeros, input=zeros,
        model=zeros, risk="none", code="x", role="champion", actor="a", login="l", decided_at=START, applied_at=START,
        users=users, delta_minor=int((made.limit_after_minor - made.limit_before_minor).sum()),
        root=merkle.root(merkle.leaf_hashes(body.data, offsets)), previous=ZEROS,
    )  # fmt: skip
    bodies = [body[a:b].tobytes() for a, b in itertools.pairwise(offsets.tolist())]
    return Batch(5, record.write(), ZEROS, 1), bodies


@given(st.integers(1, 12), st.integers(0, 9), st.data())
@settings(max_examples=200)
def test_one_bit_of_an_entry_is_found(users: int, seed: int, data: st.DataObject) -> None:
    made, bodies = batch(users, seed)
    assert check_batch(made, stored(bodies)) == []
    place = data.draw(st.integers(0, users - 1))
    bit = data.draw(st.integers(0, 8 * len(bodies[place]) - 1))
    changed = bytearray(bodies[place])
    changed[bit // 8] ^= 1 << bit % 8
    found = check_batch(made, stored([*bodies[:place], bytes(changed), *bodies[place + 1 :]]))
    assert found and {one.batch_id for one in found} == {5} and {one.review_id for one in found} == {1}
    named = {one.entry_id for one in found if one.entry_id is not None}
    assert named <= {place + 1}, "no entry is named but the one that was changed"


@given(st.integers(2, 12), st.integers(0, 9), st.data())
def test_entries_taken_away_doubled_or_moved_are_found(users: int, seed: int, data: st.DataObject) -> None:
    made, bodies = batch(users, seed)
    order = data.draw(st.lists(st.integers(0, users - 1), max_size=users + 2))
    found = check_batch(made, stored([bodies[k] for k in order]))
    assert (found == []) == (order == list(range(users)))


@given(st.integers(1, 6), st.integers(0, 9), st.data())
def test_one_letter_of_the_record_is_found(users: int, seed: int, data: st.DataObject) -> None:
    made, bodies = batch(users, seed)
    sealed = dataclasses.replace(made, sealed=merkle.leaf_hash(made.record.encode()))
    assert check_batch(sealed, stored(bodies)) == []
    place = data.draw(st.integers(0, len(made.record) - 1))
    letter = data.draw(st.sampled_from("0a\n~").filter(lambda one: one != made.record[place]))
    record = made.record[:place] + letter + made.record[place + 1 :]
    assert check_batch(dataclasses.replace(sealed, record=record), stored(bodies))


# Checkpoints ------------------------------------------------------------------------------------

LEAVES = [merkle.leaf_hash(bytes([k])) for k in range(7)]


def notes(sizes: list[int]) -> list[str]:
    found: list[str] = []
    for k, size in enumerate(sizes):
        previous = checkpoint.digest(found[-1]) if found else ZEROS
        at = START + dt.timedelta(seconds=k)
        said = Checkpoint("a/1", size, merkle.root(LEAVES[:size]), 3 * size, at, previous)
        found.append(checkpoint.sign(said, [KEY]))
    return found


def findings(text: str, signed: list[str], leaves: list[bytes]) -> list[str]:
    table = []
    for k, note in enumerate(signed, start=1):
        said = checkpoint.parse(note).checkpoint
        table.append(Row(k, said.tree_size, said.root, said.entries, note, KEY.public.key_id))
    read = log_notes.read(text.splitlines(keepends=True), [KEY.public], "a/1")
    growth = Growth(log_notes.beside(read, table))
    found = growth.start()
    for leaf in leaves:
        found += growth.leaf(leaf, 3)
    return [one.kind for one in [*found, *growth.end()]]


SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=5).map(lambda sizes: [*sorted(sizes), 7])


@given(SIZES, st.data())
@settings(max_examples=200)
def test_one_letter_of_the_file_of_checkpoints_is_found(sizes: list[int], data: st.DataObject) -> None:
    signed = notes(sizes)
    text = checkpoint.join(signed)
    assert findings(text, signed, LEAVES) == []
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("0aA \n+").filter(lambda one: one != text[place]))
    assert findings(text[:place] + letter + text[place + 1 :], signed, LEAVES)


@given(SIZES, st.data())
def test_notes_in_another_order_or_number_are_found(sizes: list[int], data: st.DataObject) -> None:
    signed = notes(sizes)
    order = data.draw(st.lists(st.integers(0, len(signed) - 1), max_size=len(signed) + 2))
    found = findings(checkpoint.join(signed[k] for k in order), signed, LEAVES)
    assert (found == []) == (order == list(range(len(signed))))


@given(SIZES, st.lists(st.integers(0, 6), max_size=9))
def test_another_tree_is_found(sizes: list[int], order: list[int]) -> None:
    found = findings(checkpoint.join(notes(sizes)), notes(sizes), [LEAVES[k] for k in order])
    assert (found == []) == (order == list(range(7)))
