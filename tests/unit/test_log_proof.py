"""How long proofs are, and trees that keep their levels."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limits import merkle
from limits.errors import InputError
from limits.log_finding import KEPT, Finding, Tally
from limits.log_proof import Tree, load

BATCH = 5000


def test_an_entry_among_a_billion_is_proved_by_at_most_40_hashes() -> None:
    batches = 10**9 // BATCH
    longest = max(merkle.inclusion_length(k, BATCH) for k in range(BATCH)) + max(
        merkle.inclusion_length(k, batches + 1) for k in (0, 1, batches // 2, batches - 1, batches)
    )
    assert longest == 13 + 18 <= 40
    assert merkle.inclusion_length(0, 10**9) + merkle.inclusion_length(0, BATCH) <= 43, "a batch for each of them"


def test_and_among_a_million_real_ones() -> None:
    leaves = [hashlib.sha256(k.to_bytes(4, "big")).digest() for k in range(10**6)]
    roots = [merkle.root(leaves[at : at + BATCH]) for at in range(0, 10**6, BATCH)]
    tree = Tree(roots)
    for entry in (0, 1, 123_456, 999_999):
        batch, place = divmod(entry, BATCH)
        inside = merkle.inclusion(leaves[batch * BATCH : (batch + 1) * BATCH], place)
        outside = tree.inclusion(batch)
        assert len(inside) + len(outside) <= 40
        assert merkle.verify_inclusion(leaves[entry], place, BATCH, inside, roots[batch])
        assert merkle.verify_inclusion(roots[batch], batch, len(roots), outside, tree.root)


@given(st.integers(0, 70))
def test_a_tree_with_levels_is_the_same_tree(size: int) -> None:
    leaves = [hashlib.sha256(bytes([k])).digest() for k in range(size)]
    tree = Tree(leaves)
    assert tree.root == merkle.root(leaves)
    for index in range(size):
        assert tree.inclusion(index) == merkle.inclusion(leaves, index)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "limits proof 2"}', "[" * 100_000])
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        load(text)


def test_all_findings_are_counted_and_some_are_kept() -> None:
    tally = Tally()
    tally.add(Finding("a", "x", checkpoint=3), *(Finding("b", "y", batch_id=k, position=k) for k in range(2 * KEPT)))
    tally.add(Finding("c", "z", entry_id=7, batch_id=1))
    assert tally.count == 2 * KEPT + 2 and len(tally.kept) == KEPT
    assert tally.first_entry is not None and tally.first_entry.entry_id == 7
    assert tally.first_batch is not None and tally.first_batch.batch_id == 0
    assert tally.first_checkpoint is not None and tally.first_checkpoint.checkpoint == 3
    assert Finding("t", "x", position=3, to_position=5, checkpoint=2).place == "position 3 to 5, checkpoint 2"
