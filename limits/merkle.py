"""The Merkle tree of RFC 6962 over hashes: its root, proofs of what stands in it, and that it only grew.

    leaf = SHA-256(0x00 || data)             node = SHA-256(0x01 || left || right)

The left subtree of n leaves has the largest power of two below n. All functions take leaves
that are hashed already, 32 bytes each. Many hashes at once are made by ``limits.hashing``.

A root says nothing of how many leaves there are: some proofs hold for two sizes of one root.
Whoever checks a proof takes size and root from one place that is signed or hashed, a
checkpoint or the record of a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limits.portfolio import Int

HASH_BYTES = 32
#: The root of no leaves.
EMPTY = sha256(b"").digest()

#: Hashes as an array (n, 32), and as whoever has them may hand them in.
Hashes = NDArray[np.uint8]
Leaves = Sequence[bytes] | Hashes


def leaf_hash(data: bytes) -> bytes:
    """The hash of what stands at a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return sha256(b"\x01" + left + right).digest()


def leaf_hashes(body: bytes | memoryview | NDArray[np.uint8], offsets: Int) -> Hashes:
    """The leaf hashes of n entries one after another (n, 32): entry i is the bytes offsets[i] to offsets[i + 1].

    ValueError where those do not ascend within the body.
    """
    from limits.hashing import hashes  # here, for it loads the compiler and not everybody hashes many

    return hashes(b"\x00", body, offsets)


def parents(nodes: Hashes) -> Hashes:
    """The level above: each two hashed, the last one without a neighbour carried up as it is."""
    from limits.hashing import hashes

    pairs = len(nodes) // 2
    above = hashes(b"\x01", np.ascontiguousarray(nodes).reshape(-1), np.arange(pairs + 1) * 2 * HASH_BYTES)
    return np.concatenate([above, nodes[2 * pairs :]])


def together(leaves: Leaves) -> Hashes:
    """The leaves as one array (n, 32)."""
    if isinstance(leaves, np.ndarray):
        return leaves
    return np.frombuffer(b"".join(leaves), dtype=np.uint8).reshape(-1, HASH_BYTES)


def root(leaves: Leaves) -> bytes:
    """The root; EMPTY without leaves."""
    if not len(leaves):
        return EMPTY
    level = together(leaves)
    while len(level) > 1:
        level = parents(level)
    return level.tobytes()


def inclusion(leaves: Leaves, index: int) -> list[bytes]:
    """The proof that leaf ``index`` stands in the tree: the neighbours on the way from it to the root.

    IndexError where there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no leaf {index} among {len(leaves)}")
    path, level = [], together(leaves)
    while len(level) > 1:
        if (neighbour := index ^ 1) < len(level):
            path.append(level[neighbour].tobytes())
        level, index = parents(level), index >> 1
    return path


def inclusion_length(index: int, size: int) -> int:
    """How many hashes prove leaf ``index`` of ``size``: at most the logarithm of size to base 2, rounded up.

    IndexError where there is no such leaf.
    """
    if not 0 <= index < size:
        raise IndexError(f"there is no leaf {index} among {size}")
    length, last = 0, size - 1
    while last:
        length += bool(index & 1) or index < last
        index, last = index >> 1, last >> 1
    return length


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path proves that ``leaf`` is number ``index`` of the ``size`` leaves under ``root``."""
    if not 0 <= index < size or not _are_hashes([leaf, root, *path]):
        return False
    if len(path) != inclusion_length(index, size):
        return False
    node, last, rest = leaf, size - 1, iter(path)
    while last:
        if index & 1:
            node = node_hash(next(rest), node)
        elif index < last:
            node = node_hash(node, next(rest))
        index, last = index >> 1, last >> 1
    return node == root


def consistency(leaves: Leaves, old_size: int) -> list[bytes]:
    """The proof that the tree of the first ``old_size`` leaves is the beginning of the tree of all of them.

    Empty where there is nothing to prove: for no leaves and for all. IndexError for more than there are.
    """
    if not 0 <= old_size <= len(leaves):
        raise IndexError(f"{old_size} leaves are not the beginning of {len(leaves)}")
    return _consistency(together(leaves), old_size, True) if old_size else []


def _consistency(leaves: Hashes, old_size: int, whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962; ``whole``: the old tree begins where these leaves do, so that its root is known."""
    if old_size == len(leaves):
        return [] if whole else [root(leaves)]
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = leaves[:middle], leaves[middle:]
    if old_size <= middle:
        return [*_consistency(left, old_size, whole), root(right)]
    return [*_consistency(right, old_size - middle, False), root(left)]


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path proves that the tree under ``old_root`` is the beginning of the one under ``new_root``."""
    if not 0 <= old_size <= new_size or not _are_hashes([old_root, new_root, *path]):
        return False
    if old_size == new_size:
        return not path and old_root == new_root and (new_size > 0 or new_root == EMPTY)
    if old_size == 0:
        return not path and old_root == EMPTY
    index, last = old_size - 1, new_size - 1
    while index & 1:  # up to the largest subtree that the old tree ends with
        index, last = index >> 1, last >> 1
    rest = iter(path if index else [old_root, *path])
    old = new = next(rest, b"")
    for neighbour in rest:
        if not last:
            return False
        if index & 1 or index == last:
            old, new = node_hash(neighbour, old), node_hash(neighbour, new)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            new = node_hash(new, neighbour)
        index, last = index >> 1, last >> 1
    return not last and old == old_root and new == new_root


def _are_hashes(values: Iterable[Any]) -> bool:
    return all(isinstance(value, bytes) and len(value) == HASH_BYTES for value in values)


class Frontier:
    """A tree that grows: of all its leaves only the roots of the full subtrees are kept, largest first.

    ``Frontier(size, nodes)`` goes on where another one stood; ``Frontier.of(leaves)`` builds it anew.
    ValueError for nodes that are not those of so many leaves.
    """

    __slots__ = ("_nodes", "_size")

    def __init__(self, size: int = 0, nodes: Sequence[bytes] = ()) -> None:
        if size < 0 or len(nodes) != size.bit_count() or not _are_hashes(nodes):
            raise ValueError(f"a tree of {size} leaves does not consist of {len(nodes)} full subtrees of these hashes")
        self._size, self._nodes = size, list(nodes)

    @classmethod
    def of(cls, leaves: Iterable[bytes]) -> Frontier:
        """The tree of these leaves."""
        frontier = cls()
        frontier.extend(leaves)
        return frontier

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return self._size

    @property
    def nodes(self) -> tuple[bytes, ...]:
        """The roots of its full subtrees, largest first."""
        return tuple(self._nodes)

    def append(self, leaf: bytes) -> None:
        """One more leaf. ValueError for what is no hash."""
        if not _are_hashes([leaf]):
            raise ValueError(f"a leaf is a hash of {HASH_BYTES} bytes")
        node, full = leaf, self._size
        while full & 1:
            node, full = node_hash(self._nodes.pop(), node), full >> 1
        self._nodes.append(node)
        self._size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """More leaves, in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        if not self._nodes:
            return EMPTY
        *others, node = self._nodes
        for left in reversed(others):
            node = node_hash(left, node)
        return node
