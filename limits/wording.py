"""How many of something, as people read it."""

from __future__ import annotations

_PLURAL = {"entry": "entries", "batch": "batches", "hash": "hashes", "leaf": "leaves"}


def several(count: int, one: str) -> str:
    """How many, in words: 1 batch, 2,000 batches. ``one``: the word for one of them."""
    return f"{count:,} {one if count == 1 else plural(one)}"


def plural(one: str) -> str:
    """The word for several of them."""
    return _PLURAL.get(one, f"{one}s")
