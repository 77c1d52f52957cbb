"""Packed users: what a nightly review reads of most users, as one row each, and never anything else.

``load`` says what the facts of a user are. A packed row repeats what it said as of one date,
with the days between which it says the same: it was made by the functions of ``load``
themselves, in one snapshot, and every row of a source that changes afterwards marks its user
as dirty, in the transaction that changes it. Whoever is dirty, missing or asked about outside
these days is loaded from the sources. So the answer is always that of ``load``; the packed
rows only decide how long it takes, and may be thrown away at any time.

Packed: users, profiles, statements, repayments, credit checks, documents, consents, days of the
first and last event, monthly cash flow. Read as it is now and never packed: credit lines,
open changes, requests, overrides, frauds and links to them.
"""

from limits.store.packing.checking import State, examine
from limits.store.packing.reading import read_packed
from limits.store.packing.warming import warm
from limits.store.packing.writing import rebuild, refresh

__all__ = ["State", "examine", "read_packed", "rebuild", "refresh", "warm"]
