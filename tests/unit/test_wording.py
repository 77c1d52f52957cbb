"""How many of something, in words."""

from __future__ import annotations

import pytest

from limits.wording import several


@pytest.mark.parametrize(
    ("count", "one", "says"),
    [
        (1, "shard", "1 shard"),
        (0, "user", "0 users"),
        (2_000, "batch", "2,000 batches"),
        (1, "entry", "1 entry"),
        (3, "entry", "3 entries"),
        (2, "hash", "2 hashes"),
        (2, "leaf", "2 leaves"),
    ],
)
def test_one_is_one_and_more_are_more(count: int, one: str, says: str) -> None:
    assert several(count, one) == says
