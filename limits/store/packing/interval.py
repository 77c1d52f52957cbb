"""Between which days the facts of a user stay the same.

Every day is named here as of which ``load`` could say something else than the day before: the
day on which a row comes into sight; the first as of which the 12 months no longer hold a day;
of a statement also the day on which it falls due and the day after, on which it is late; and where
a window of observation begins or ends to count. Too many days do no harm; one too few would.

Not named: the end of a month, because a row keeps the months that had not ended as well, and
that arrears grow by the day, which reading goes on with.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from limits.portfolio import Dates, Int


class Interval:
    """The first day on which the facts of n users hold, and the first on which they may not: begins, ends (n,).

    Days since 1970. It does not hold back into an earlier month than ``as_of``, whose first
    one a row does not keep, nor beyond the last of the ``ahead`` months kept that have not ended.
    """

    def __init__(self, users: int, as_of: dt.date, *, ahead: int) -> None:
        ended: Any = np.datetime64(as_of + dt.timedelta(days=1), "M")
        begin, end = ended.astype("datetime64[D]") - 1, (ended + ahead + 1).astype("datetime64[D]") - 1
        self._as_of = int(np.datetime64(as_of).astype(np.int64))
        self.begins: Int = np.full(users, begin.astype(np.int64))
        self.ends: Int = np.full(users, end.astype(np.int64))

    def cut(self, days: Dates | Int) -> None:
        """Something of each user (n,) changes on a day; NaT: nothing does."""
        days = days.view(np.int64)  # NaT is before any day
        past = days <= self._as_of
        np.maximum(self.begins, days, out=self.begins, where=past)
        np.minimum(self.ends, days, out=self.ends, where=~past)

    def cut_rows(self, rows: Int, days: Dates | Int) -> None:
        """Something of the users at ``rows`` (k,), any of them several times, changes on days (k,)."""
        days = days.view(np.int64)
        past = days <= self._as_of
        np.maximum.at(self.begins, rows[past], days[past])
        np.minimum.at(self.ends, rows[~past], days[~past])

    @property
    def dates(self) -> tuple[Dates, Dates]:
        """Both as dates."""
        return self.begins.view("datetime64[D]"), self.ends.view("datetime64[D]")


def year_later(days: Dates) -> Dates:
    """The first day (n,) as of which the 12 months to it no longer hold the day: of February 29th that is March 1st."""
    month = days.astype("datetime64[M]")
    return (month + 12).astype("datetime64[D]") + (days - month.astype("datetime64[D]"))


def year_before(as_of: dt.date) -> dt.date:
    """The last day that the 12 months to a date do not hold: of February 29th that is the 28th."""
    last = as_of.day if (as_of.month, as_of.day) != (2, 29) else 28
    return as_of.replace(year=as_of.year - 1, day=last)
