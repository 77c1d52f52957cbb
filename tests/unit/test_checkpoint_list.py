"""The list of checkpoints, and which key has signed which of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest

from limits import checkpoint, checkpoint_list
from limits.checkpoint import ZEROS, Checkpoint, PrivateKey
from limits.errors import CheckpointError

AT = dt.datetime(2026, 7, 1, 2, 0, tzinfo=dt.UTC)
OLD, NEW, NEXT, FALSE = (PrivateKey(name, bytes([k]) * 32) for k, name in enumerate(("old", "new", "next", "old")))


def notes(*keys: Sequence[PrivateKey]) -> list[str]:
    """A checkpoint a minute, each signed by those."""
    made: list[str] = []
    for k, signers in enumerate(keys, start=1):
        previous = checkpoint.digest(made[-1]) if made else ZEROS
        at = AT + dt.timedelta(minutes=k)
        made.append(checkpoint.sign(Checkpoint("7/1", k, bytes([k]) * 32, 10 * k, at, previous), signers))
    return made


def listed(made: list[str]) -> list[checkpoint_list.Numbered]:
    return list(checkpoint_list.numbered(enumerate(made, start=1)))


def test_number_time_entries_and_signers() -> None:
    first, second = listed(notes([OLD], [NEW, OLD]))
    assert first.as_dict() == {
        "number": 1,
        "at": "2026-07-01T02:01:00+00:00",
        "entries": 10,
        "leaves": 1,
        "root": "01" * 32,
        "signers": [OLD.public.key_id],
    }
    assert (second.number, second.signers) == (2, [NEW.public.key_id, OLD.public.key_id])


def test_since_which_checkpoint_and_which_one_signs_now() -> None:
    keys = [OLD.public, NEW.public, NEXT.public]
    made = notes([OLD], [OLD], [NEW, OLD])
    found, strangers = checkpoint_list.uses(keys, listed(made))
    assert [(one.since, one.last, one.signs) for one in found] == [(1, 3, False), (3, 3, True), (None, None, False)]
    assert strangers == []
    found, _ = checkpoint_list.uses(keys, listed(notes([OLD], [OLD], [NEW, OLD], [NEW], [NEW, NEXT])))
    assert [(one.since, one.last, one.signs) for one in found] == [(1, 3, False), (3, 5, False), (5, 5, True)]
    found, _ = checkpoint_list.uses(keys, listed(made)[:2])
    assert [one.signs for one in found] == [True, False, False]
    assert checkpoint_list.uses(keys, [])[0] == [checkpoint_list.KeyUse(key) for key in keys]


def test_a_key_that_is_not_in_the_file_is_named() -> None:
    found, strangers = checkpoint_list.uses([OLD.public], listed(notes([OLD], [NEW, OLD])))
    assert strangers == [NEW.public.key_id]
    assert [(one.since, one.last, one.signs) for one in found] == [(1, 2, False)]
    found, strangers = checkpoint_list.uses([OLD.public], listed(notes([OLD], [NEW, OLD], [NEW])))
    assert strangers == [NEW.public.key_id] and not found[0].signs


def test_a_signature_that_is_not_its_own_counts_for_nothing() -> None:
    text = notes([FALSE])[0].replace(FALSE.public.name, OLD.public.name)
    parts = checkpoint.parse(text)
    forged = checkpoint.Signature(OLD.public.name, OLD.public.hash, parts.signatures[0].signature)
    note = checkpoint.Note(parts.checkpoint, (forged,)).write()
    found, strangers = checkpoint_list.uses([OLD.public], listed([note]))
    assert found == [checkpoint_list.KeyUse(OLD.public)] and strangers == []


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_the_one_that_cannot_be_read_is_named(cut: int) -> None:
    made = notes([OLD], [OLD])
    with pytest.raises(CheckpointError, match=r"^checkpoint 2: .*limits log verify$"):
        listed([made[0], made[1][:-cut]])
    lines = checkpoint.join(made)[:-cut].splitlines(keepends=True)
    with pytest.raises(CheckpointError, match=r"^checkpoint 2: .*cut off"):
        list(checkpoint_list.numbered(enumerate(checkpoint.split(lines), start=1)))
