"""What is read from the months of each user's cash flow, in one pass: for the forecast, and for the rules.

Sums are of whole numbers; where they are of floats the order is that of the months, so that
neither other users nor unobserved months before the first one change them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from limits.capacity.kernels import kernel
from limits.portfolio import Bool, CashFlow, Int

Float = NDArray[np.float64]

#: Observed months that the rules about income look at.
YEAR = 12


class Sides(NamedTuple):
    """What the forecast starts from, of n users over m months; outgoings are living costs and obligations.

    inflow, outgoings  (n, m) as floats, NaN where not observed
    months             (n,) observed months
    paying             (n,) months in which something was repaid
    net, repaid        (n,) sums of inflow less outgoings, and of what was repaid
    income, unchanged  (n,) whether any inflow was seen; whether neither side ever changed
    """

    inflow: Float
    outgoings: Float
    months: Int
    paying: Int
    net: Int
    repaid: Int
    income: Bool
    unchanged: Bool


class Habits(NamedTuple):
    """What rules read of the cash flow of n users; every array (n,).

    obligations  mean monthly payments to other lenders over all observed months, rounded down
    income       whether any inflow was seen
    months       the newest YEAR observed months, or as many as there are
    total        the sum of the inflow of those
    squares      the sum of squares of (months x inflow - total), whole numbers summed as floats, newest first
    """

    obligations: Int
    income: Bool
    months: Int
    total: Int
    squares: Float


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    """The array by rows and read-only: of one type for the compiler, whoever made it."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def sides(flow: CashFlow) -> Sides:
    """The two sides of a cash flow, and what decides how they are forecast."""
    inflow, outgoings = np.empty((2, *flow.observed.shape))
    numbers, flags = np.empty((4, len(flow)), np.int64), np.empty((2, len(flow)), np.bool_)
    _sides(
        _fixed(flow.observed), _fixed(flow.inflow), _fixed(flow.essential_spend), _fixed(flow.obligations),
        _fixed(flow.repaid), inflow, outgoings, numbers, flags,
    )  # fmt: skip
    return Sides(inflow, outgoings, *numbers, *flags)


def habits(flow: CashFlow) -> Habits:
    """What rules read of a cash flow."""
    numbers, income, squares = np.empty((3, len(flow)), np.int64), np.empty(len(flow), np.bool_), np.empty(len(flow))
    _habits(_fixed(flow.observed), _fixed(flow.inflow), _fixed(flow.obligations), numbers, income, squares)
    return Habits(numbers[0], income, numbers[1], numbers[2], squares)


@kernel
def _sides(
    observed: Bool, inflow: Int, essential: Int, obligations: Int, repaid: Int, came: Float, went: Float,
    numbers: Int, flags: Bool,
) -> None:  # fmt: skip
    rows, months = observed.shape
    for row in range(rows):
        seen, paying, net, paid, income, unchanged = 0, 0, 0, 0, False, True
        newest_in, newest_out = 0, 0
        for t in range(months - 1, -1, -1):
            if not observed[row, t]:
                came[row, t], went[row, t] = np.nan, np.nan
                continue
            into, out = inflow[row, t], essential[row, t] + obligations[row, t]
            came[row, t], went[row, t] = float(into), float(out)
            if seen == 0:
                newest_in, newest_out = into, out
            seen += 1
            unchanged = unchanged and into == newest_in and out == newest_out
            income = income or into != 0
            net += into - out
            paying += repaid[row, t] != 0
            paid += repaid[row, t]
        numbers[0, row], numbers[1, row], numbers[2, row], numbers[3, row] = seen, paying, net, paid
        flags[0, row], flags[1, row] = income, unchanged


@kernel
def _habits(observed: Bool, inflow: Int, obligations: Int, numbers: Int, income: Bool, squares: Float) -> None:
    rows, months = observed.shape
    for row in range(rows):
        seen, owed, newest, total, any_income = 0, 0, 0, 0, False
        for t in range(months - 1, -1, -1):
            if observed[row, t]:
                seen += 1
                owed += obligations[row, t]
                any_income = any_income or inflow[row, t] != 0
                if newest < YEAR:
                    newest += 1
                    total += inflow[row, t]
        left, square = newest, 0.0
        for t in range(months - 1, -1, -1):
            if left == 0:
                break
            if observed[row, t]:
                left -= 1
                deviation = float(newest * inflow[row, t] - total)
                square += deviation * deviation
        numbers[0, row], numbers[1, row], numbers[2, row] = owed // max(seen, 1), newest, total
        income[row], squares[row] = any_income, square
