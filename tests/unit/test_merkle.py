"""The Merkle tree: the published vectors of Certificate Transparency, sizes of proofs, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from limits import hashing, merkle
from limits.merkle import Frontier, leaf_hash, node_hash

# The inputs of the leaves, the roots of the first 0 to 8 and the proofs that the reference
# implementations of Certificate Transparency test themselves with.
LEAVES = [
    leaf_hash(bytes.fromhex(data))
    for data in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    0: [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    5: [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
CONSISTENCY = {
    (1, 8): INCLUSION[0],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}


@pytest.fixture(autouse=True, params=["as it comes", "hashlib"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything by libcrypto called from compiled code, where it can be, and by hashlib."""
    if request.param == "hashlib":
        monkeypatch.setattr(hashing, "compiled", lambda: False)


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_reference(size: int) -> None:
    assert merkle.root(LEAVES[:size]).hex() == ROOTS[size]
    assert Frontier.of(LEAVES[:size]).root().hex() == ROOTS[size]


@pytest.mark.parametrize("index", INCLUSION)
def test_proofs_of_inclusion_are_those_of_the_reference(index: int) -> None:
    path = merkle.inclusion(LEAVES, index)
    assert [node.hex() for node in path] == INCLUSION[index]
    assert merkle.verify_inclusion(LEAVES[index], index, 8, path, bytes.fromhex(ROOTS[8]))


@pytest.mark.parametrize("sizes", CONSISTENCY)
def test_proofs_of_consistency_are_those_of_the_reference(sizes: tuple[int, int]) -> None:
    old, new = sizes
    path = merkle.consistency(LEAVES[:new], old)
    assert [node.hex() for node in path] == CONSISTENCY[sizes]
    roots = [bytes.fromhex(ROOTS[size]) for size in sizes]
    assert merkle.verify_consistency(old, new, roots[0], roots[1], path)


def test_leaves_and_nodes_are_hashed_apart() -> None:
    """Else two leaves could be passed off as one: a node is the hash of 64 bytes as well."""
    left, right = LEAVES[:2]
    assert node_hash(left, right) != leaf_hash(left + right)
    assert node_hash(left, right) != node_hash(right, left)


def test_many_leaf_hashes_are_each_of_its_own_bytes() -> None:
    parts = [b"", b"a", b"bc", b"", bytes(320)]
    body = b"".join(parts)
    offsets = np.cumsum([0, *map(len, parts)])
    expected = [leaf_hash(part) for part in parts]
    for form in (body, memoryview(body), np.frombuffer(body, dtype=np.uint8)):
        assert [one.tobytes() for one in merkle.leaf_hashes(form, offsets)] == expected


def test_a_billion_entries_need_a_proof_of_at_most_forty_hashes() -> None:
    """In batches of 5,000: from the entry to the root of its batch, and from the batch to that of the log."""
    entries, in_a_batch = 10**9, 5_000
    batches = entries // in_a_batch + 1  # with the origin
    within = max(merkle.inclusion_length(index, in_a_batch) for index in range(in_a_batch))
    across = max(merkle.inclusion_length(index, batches) for index in range(batches))
    assert (within, across) == (13, 18)
    assert within + across <= 40
    assert max(merkle.inclusion_length(index, entries) for index in (0, 1, 2**29, entries - 1)) == 30


def test_no_proof_of_what_is_not_there() -> None:
    for index in (-1, 8):
        with pytest.raises(IndexError):
            merkle.inclusion(LEAVES, index)
        with pytest.raises(IndexError):
            merkle.inclusion_length(index, 8)
    with pytest.raises(IndexError):
        merkle.consistency(LEAVES, 9)
    assert not merkle.verify_inclusion(LEAVES[0], 0, 0, [], merkle.EMPTY)
    assert not merkle.verify_inclusion(LEAVES[0], -1, 8, merkle.inclusion(LEAVES, 0), merkle.root(LEAVES))
    assert not merkle.verify_consistency(8, 7, merkle.root(LEAVES), merkle.root(LEAVES[:7]), [])


def test_every_tree_goes_on_from_no_leaves_and_from_itself_and_without_a_proof() -> None:
    whole, other = merkle.root(LEAVES), merkle.root(LEAVES[:7])
    assert merkle.consistency(LEAVES, 0) == merkle.consistency(LEAVES, 8) == []
    assert merkle.verify_consistency(0, 8, merkle.EMPTY, whole, [])
    assert merkle.verify_consistency(0, 0, merkle.EMPTY, merkle.EMPTY, [])
    assert merkle.verify_consistency(8, 8, whole, whole, [])
    assert not merkle.verify_consistency(0, 8, other, whole, [])
    assert not merkle.verify_consistency(0, 0, whole, whole, [])
    assert not merkle.verify_consistency(8, 8, whole, other, [])
    assert not merkle.verify_consistency(8, 8, whole, whole, [whole])
    assert not merkle.verify_consistency(0, 8, merkle.EMPTY, whole, [whole])
    assert not merkle.verify_consistency(7, 8, other, whole, [])


def test_a_proof_is_not_longer_than_its_sizes_ask_for() -> None:
    """That the first 7 are the beginning of 8, passed off as 3 of 4: the way is the same, but for its last step."""
    path, roots = merkle.consistency(LEAVES, 7), (merkle.root(LEAVES[:7]), merkle.root(LEAVES))
    assert merkle.verify_consistency(7, 8, *roots, path)
    assert not merkle.verify_consistency(3, 4, *roots, path)


def test_what_is_no_hash_proves_nothing() -> None:
    path, whole = merkle.inclusion(LEAVES, 5), merkle.root(LEAVES)
    assert not merkle.verify_inclusion(LEAVES[5][:31], 5, 8, path, whole)
    assert not merkle.verify_inclusion(LEAVES[5], 5, 8, [path[0] + path[1], path[2]], whole)
    assert not merkle.verify_inclusion(LEAVES[5], 5, 8, path, whole.hex())  # type: ignore[arg-type]
    older = merkle.consistency(LEAVES, 6)
    assert not merkle.verify_consistency(6, 8, merkle.root(LEAVES[:6]), whole, [older[0][:31], *older[1:]])


def test_a_frontier_takes_hashes_and_the_nodes_of_its_size() -> None:
    frontier = Frontier.of(LEAVES[:7])
    assert (frontier.size, len(frontier.nodes)) == (7, 3)
    for size, nodes in ((7, frontier.nodes[:2]), (6, frontier.nodes), (-1, ()), (1, [b"short"])):
        with pytest.raises(ValueError, match="does not consist"):
            Frontier(size, nodes)
    with pytest.raises(ValueError, match="32 bytes"):
        frontier.append(b"short")
    assert frontier.root().hex() == ROOTS[7]
