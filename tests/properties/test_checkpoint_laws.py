"""Laws of checkpoints: what is signed comes back, and not a letter of it can be changed."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limits import checkpoint
from limits.checkpoint import Checkpoint, PrivateKey, PublicKey
from limits.errors import CheckpointError, InputError

counts = st.integers(0, 2**63 - 1)
digests = st.binary(min_size=32, max_size=32)
names = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="+"), min_size=1)
keys = st.builds(PrivateKey, names, digests)
checkpoints = st.builds(
    Checkpoint,
    identity=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1),
    tree_size=counts,
    root=digests,
    entries=counts,
    at=st.datetimes(timezones=st.just(dt.UTC)),
    previous=digests,
)
signers = st.lists(keys, min_size=1, max_size=3, unique_by=lambda key: (key.name, key.public.hash))


@given(checkpoints, signers)
def test_what_is_signed_comes_back(point: Checkpoint, pairs: list[PrivateKey]) -> None:
    note = checkpoint.sign(point, pairs)
    public = tuple(pair.public for pair in pairs)
    assert checkpoint.verify(note, public) == (point, public)
    assert checkpoint.parse(note).write() == note
    assert list(checkpoint.split(checkpoint.join([note, note]).splitlines(keepends=True))) == [note, note]


@given(checkpoints, keys, st.data())
def test_a_changed_letter_is_found(point: Checkpoint, pair: PrivateKey, data: st.DataObject) -> None:
    note = checkpoint.sign(point, [pair])
    place = data.draw(st.integers(0, len(note) - 1))
    kind = data.draw(st.sampled_from(["other", "without", "twice"]))
    letter = {"other": data.draw(st.characters(max_codepoint=0xFF)), "without": "", "twice": note[place] * 2}[kind]
    changed = note[:place] + letter + note[place + 1 :]
    if changed == note:
        return
    with pytest.raises(CheckpointError):
        checkpoint.verify(changed, [pair.public])


@given(keys, st.data())
def test_lines_of_keys_come_back_and_hold_together(pair: PrivateKey, data: st.DataObject) -> None:
    assert PrivateKey.parse(pair.write()) == pair
    line = pair.public.write()
    assert PublicKey.parse(line) == pair.public
    place = data.draw(st.integers(0, len(line) - 1))
    changed = line[:place] + data.draw(st.characters(max_codepoint=0x7E)) + line[place + 1 :]
    if changed != line:
        with pytest.raises(InputError):
            PublicKey.parse(changed)
