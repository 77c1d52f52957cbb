"""Until when the record of a decision is kept. Pure: a day comes in, a day goes out."""

from __future__ import annotations

import calendar
import datetime as dt

from limits.policy import Notices


def kept_until(rules: Notices, day: dt.date) -> dt.date:
    """The last day on which decisions and notices of a day have to be there.

    The same day so many months on; the last of the month where that month has no such day.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + rules.retention_months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
