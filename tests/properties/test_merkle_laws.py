"""Laws of the Merkle tree: what is true can be proved, and what is not cannot."""

from __future__ import annotations

import hashlib

from hypothesis import assume, given
from hypothesis import strategies as st

from limits import merkle
from limits.merkle import Frontier

MOST = 300
ALL = [merkle.leaf_hash(number.to_bytes(2, "big")) for number in range(MOST)]
ROOTS = [Frontier.of(ALL[:size]).root() for size in range(MOST + 1)]

sizes = st.integers(1, MOST)


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, word for word."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256().digest()
    middle = 1
    while 2 * middle < len(leaves):
        middle *= 2
    below = by_definition(leaves[:middle]) + by_definition(leaves[middle:])
    return hashlib.sha256(b"\x01" + below).digest()


def changed(value: bytes, bit: int) -> bytes:
    """One bit of it turned over."""
    found = bytearray(value)
    found[bit // 8] ^= 1 << bit % 8
    return bytes(found)


def turns(index: int, size: int) -> list[int]:
    """On which side of the way from a leaf to the root its neighbours stand."""
    found, last = [], size - 1
    while last:
        if index & 1 or index < last:
            found.append(index & 1)
        index, last = index >> 1, last >> 1
    return found


@given(st.integers(0, MOST))
def test_the_root_is_the_one_that_is_defined(size: int) -> None:
    assert by_definition(ALL[:size]) == merkle.root(ALL[:size]) == ROOTS[size]


@given(st.integers(0, MOST), st.data())
def test_a_frontier_goes_on_where_it_stood(size: int, data: st.DataObject) -> None:
    frontier = Frontier.of(ALL[: data.draw(st.integers(0, size))])
    again = Frontier(frontier.size, frontier.nodes)
    again.extend(ALL[frontier.size : size])
    assert (again.size, again.root()) == (size, ROOTS[size])


@given(sizes, st.data())
def test_every_leaf_is_proved_and_nothing_else(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaf, path, root = ALL[index], merkle.inclusion(ALL[:size], index), ROOTS[size]
    assert len(path) == merkle.inclusion_length(index, size) <= (size - 1).bit_length()
    assert merkle.verify_inclusion(leaf, index, size, path, root)
    bit = data.draw(st.integers(0, 255))
    assert not merkle.verify_inclusion(changed(leaf, bit), index, size, path, root)
    assert not merkle.verify_inclusion(leaf, index, size, path, changed(root, bit))
    for place, node in enumerate(path):
        other = [*path[:place], changed(node, bit), *path[place + 1 :]]
        assert not merkle.verify_inclusion(leaf, index, size, other, root)
    assert not merkle.verify_inclusion(leaf, index, size, [*path, root], root)
    assert not path or not merkle.verify_inclusion(leaf, index, size, path[:-1], root)


@given(sizes, st.data())
def test_a_proof_is_of_one_index_and_one_size(size: int, data: st.DataObject) -> None:
    """The size by its root, which a checkpoint signs and a batch records beside it.

    Under one and the same root a wrong size can pass, where it leaves the leaf's way to the
    root as it is: the tree of RFC 6962 is so, and nothing but the leaf's own place is proved.
    """
    index = data.draw(st.integers(0, size - 1))
    leaf, path, root = ALL[index], merkle.inclusion(ALL[:size], index), ROOTS[size]
    other = data.draw(st.integers(0, MOST))
    assume(other != index)
    assert not merkle.verify_inclusion(leaf, other, size, path, root)
    other = data.draw(st.integers(0, MOST))
    assume(other != size)
    assert not merkle.verify_inclusion(leaf, index, other, path, ROOTS[other])
    passes = index < other and turns(index, other) == turns(index, size)
    assert merkle.verify_inclusion(leaf, index, other, path, root) == passes


@given(sizes, st.data())
def test_every_beginning_is_proved_and_nothing_else(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    path, roots = merkle.consistency(ALL[:size], old), (ROOTS[old], ROOTS[size])
    assert len(path) <= (size - 1).bit_length() + 1
    assert merkle.verify_consistency(old, size, *roots, path)
    bit = data.draw(st.integers(0, 255))
    assert not merkle.verify_consistency(old, size, changed(roots[0], bit), roots[1], path)
    assert not merkle.verify_consistency(old, size, roots[0], changed(roots[1], bit), path)
    for place, node in enumerate(path):
        other = [*path[:place], changed(node, bit), *path[place + 1 :]]
        assert not merkle.verify_consistency(old, size, *roots, other)
    assert not merkle.verify_consistency(old, size, *roots, [*path, roots[0]])
    assert not path or not merkle.verify_consistency(old, size, *roots, path[:-1])


@given(sizes, st.data())
def test_a_beginning_is_of_one_size_and_another_one(size: int, data: st.DataObject) -> None:
    """The new size by its root, as with leaves; the old one under the same roots too."""
    old = data.draw(st.integers(1, size))
    path = merkle.consistency(ALL[:size], old)
    other = data.draw(st.integers(1, MOST))
    assume(other not in (old, size))
    assert not merkle.verify_consistency(other, size, ROOTS[old], ROOTS[size], path)
    assert not merkle.verify_consistency(other, size, ROOTS[other], ROOTS[size], path)
    assert not merkle.verify_consistency(old, other, ROOTS[old], ROOTS[other], path)


@given(sizes, st.data())
def test_a_leaf_that_was_changed_is_no_beginning(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    place = data.draw(st.integers(0, old - 1))
    leaves = [*ALL[:place], changed(ALL[place], 0), *ALL[place + 1 : size]]
    path = merkle.consistency(leaves, old)
    assert not merkle.verify_consistency(old, size, ROOTS[old], merkle.root(leaves), path)
