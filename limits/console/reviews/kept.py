"""Figures of reviews that are over, counted once: their entries never change, and may be millions."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict

from limits.console.context import Context
from limits.store import spread
from limits.store.db import Connection
from limits.store.reviews import ReviewRow
from limits.store.spread import Spread

#: Reviews whose figures are kept; of each some thousands of numbers.
MOST = 100


class Kept:
    """The figures of the reviews that were looked at last."""

    def __init__(self) -> None:
        self._spreads: OrderedDict[int, Spread] = OrderedDict()
        self._lock = threading.Lock()

    def spread(self, conn: Connection, row: ReviewRow) -> Spread:
        """How its decisions spread; of one that goes on as far as it is applied now."""
        found = self.known(row)
        if found is None:
            found = spread.of_review(conn, row)
            # One that failed may go on, and what is archived is gone from the log.
            if row.state in ("done", "cancelled") and found.users:
                with self._lock:
                    self._spreads[row.review_id] = found
                    while len(self._spreads) > MOST:
                        self._spreads.popitem(last=False)
        return found

    def known(self, row: ReviewRow) -> Spread | None:
        """The same where it is there already."""
        with self._lock:
            return self._spreads.get(row.review_id)


_kept: weakref.WeakKeyDictionary[Context, Kept] = weakref.WeakKeyDictionary()


def of(context: Context) -> Kept:
    """What this server keeps."""
    return _kept.setdefault(context, Kept())
