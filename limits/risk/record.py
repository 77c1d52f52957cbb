"""What is read from each user's payment record, in one pass over it.

Whole numbers are summed and divided once, in the order of the statements, so that a user has the same numbers
whoever else is read with the user.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limits.capacity.kernels import kernel
from limits.portfolio import STATEMENTS, Int, PaymentRecord, Portfolio

Real = NDArray[np.float64]

#: How much a delay counts by the age of its statement, percent: the newest in full.
RECENCY = (100, 70, 50, 35, 25, 18)
#: A repayment counts as small below so many percent of its bill, and as full from so many on.
SMALL_PERCENT, FULL_PERCENT = 6, 99
#: The largest share of a bill that is told apart: twice the bill.
MOST_SHARE = 2.0

DELAYS = (
    "days_past_due_now", "delay_weighted", "delay_total", "delay_worst", "statements_late", "statements_since_late",
    "delay_rise",
)  # fmt: skip
BALANCES = (
    "balance_now", "credit_left", "utilisation_now", "utilisation_mean", "utilisation_highest", "utilisation_trend",
    "balance_spread", "utilisation_before", "used_newest", "used_before", "used_third", "used_fourth", "used_total",
    "statements_empty",
)  # fmt: skip
PAYMENTS = (
    "repaid_newest", "repaid_three", "repaid_total", "repaid_largest", "repaid_smallest", "paid_share",
    "paid_share_lowest", "paid_share_newest", "paid_share_second", "paid_share_third", "paid_share_fourth",
    "paid_share_fifth", "payments_small", "payments_none", "payments_full",
)  # fmt: skip
#: Every feature that is read here, in the order of ``read_record``.
RECORD_FEATURES = (*DELAYS, *BALANCES, *PAYMENTS)

#: As an array: a kernel takes it for a constant.
_RECENCY = np.array(RECENCY, dtype=np.int64)


def read_record(portfolio: Portfolio) -> Real:
    """Every feature of RECORD_FEATURES (len(RECORD_FEATURES), n), NaN where it is not known."""
    record: PaymentRecord = portfolio.payment_record
    found = np.full((len(RECORD_FEATURES), len(portfolio)), np.nan)
    one, two = len(DELAYS), len(DELAYS) + len(BALANCES)
    held, balance, repaid = _fixed(record.held), _fixed(record.balance), _fixed(record.repaid)
    _delays(held, _fixed(record.days_past_due), _fixed(portfolio.days_past_due), found[:one])
    _balances(held, balance, repaid, _fixed(portfolio.credit_limit), found[one:two])
    _payments(held, balance, repaid, found[two:])
    return found


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    """The array by rows and read-only: of one type for the compiler, whoever made it."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


@kernel
def _delays(held: Int, late: Int, today: Int, found: Real) -> None:
    for row in range(len(held)):
        known = held[row]
        if known == 0:
            continue
        weighted, total, worst, count, since = 0, 0, 0, 0, known
        for k in range(known - 1, -1, -1):
            days = late[row, k]
            if k == 0:
                days = max(days, today[row])
            weighted += _RECENCY[k] * days
            total += days
            worst = max(worst, days)
            if days > 0:
                count += 1
                since = k
        now = max(late[row, 0], today[row])
        found[0, row], found[1, row], found[2, row] = now, weighted / 100.0, total
        found[3, row], found[4, row], found[5, row] = worst, count, since
        if known > 1:
            found[6, row] = now - late[row, 1]


@kernel
def _balances(held: Int, balance: Int, repaid: Int, limits: Int, found: Real) -> None:
    for row in range(len(held)):
        known, limit = held[row], limits[row]
        if known == 0:
            continue
        newest = balance[row, 0]
        found[0, row], found[1, row] = newest, limit - newest
        half, total, newer, highest, empty = (known + 1) // 2, 0, 0, newest, 0
        for k in range(known):
            total += balance[row, k]
            if k < half:
                newer += balance[row, k]
            highest = max(highest, balance[row, k])
            empty += balance[row, k] <= 0
        found[13, row] = empty
        if limit <= 0:
            continue
        size = float(limit)
        found[2, row], found[3, row], found[4, row] = newest / size, total / (known * size), highest / size
        mean, squares, used = total / known, 0.0, 0
        for k in range(known):
            squares += (balance[row, k] - mean) ** 2
        found[6, row] = np.sqrt(squares / known) / size
        if known > 1:
            found[5, row] = (newer / half - (total - newer) / (known - half)) / size
            found[7, row] = balance[row, 1] / size
        for k in range(known - 1):
            new = balance[row, k] - (balance[row, k + 1] - repaid[row, k + 1])
            used += max(new, 0)
            if k < 4:
                found[8 + k, row] = new / size
        if known > 1:
            found[12, row] = used / size


@kernel
def _payments(held: Int, balance: Int, repaid: Int, found: Real) -> None:
    """Of statements after which another one came; where nothing was to be paid, all of it is."""
    for row in range(len(held)):
        known = held[row]
        if known < 2:
            continue
        three, total, largest, smallest, billed = 0, 0, repaid[row, 1], repaid[row, 1], 0
        lowest, small, none, full = MOST_SHARE, 0, 0, 0
        for k in range(1, known):
            bill, paid = balance[row, k], repaid[row, k]
            total += paid
            if k <= 3:
                three += paid
            largest, smallest = max(largest, paid), min(smallest, paid)
            share = 1.0
            if bill > 0:
                billed += bill
                share = min(paid / bill, MOST_SHARE)
                small += 100 * paid < SMALL_PERCENT * bill
                none += paid == 0
                full += 100 * paid >= FULL_PERCENT * bill
            found[6 + k, row] = share
            lowest = min(lowest, share)
        found[0, row], found[1, row], found[2, row] = repaid[row, 1], three, total
        found[3, row], found[4, row] = largest, smallest
        found[5, row], found[6, row] = min(total / billed, MOST_SHARE) if billed > 0 else 1.0, lowest
        found[12, row], found[13, row], found[14, row] = small, none, full


assert len(RECENCY) == STATEMENTS
