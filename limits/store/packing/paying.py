"""What load_users, load_habits and load_payments make of statements and repayments, user by user in compiled code.

The queries of these names are the definition and say why; here is only how. Days are days
since 1970, amounts minor units. The statements of a user stand in the order of
(statement_on, source, source_id), the repayments in that of paid_on.
"""

from __future__ import annotations

import numpy as np

from limits.capacity.kernels import kernel
from limits.portfolio import Bool, Int

#: "Never", as days_of and read_arrays have it.
NEVER = -9223372036854775808
#: Days beyond this are infinite, and no day is later than the one after.
LAST_DAY = 2**31 - 1
#: Amounts up to here, and sums of them up to there, are counted here; whoever has larger ones is left to the queries.
_LARGEST, _LARGEST_SUM = 10**15, 4 * 10**18

#: The columns of what is found, in order.
COLUMNS = (
    "statements_seen", "balance", "average_balance", "last_used_on", "days_past_due", "missed_payments",
    "worst_days_past_due", "minimum_only_payments", "statements_12m", "balances_12m", "repaid_12m",
    "passed", "coming", "left", "leaving",
)  # fmt: skip
_SEEN, _BALANCE, _AVERAGE, _USED, _PAST_DUE, _MISSED, _WORST = range(7)
_MINIMUM_ONLY, _STATEMENTS, _BALANCES, _REPAID, _PASSED, _COMING, _LEFT, _LEAVING = range(7, 15)


@kernel
def follow(statements: Int, first_statement: Int, repayments: Int, first_repayment: Int, as_of: int, year_ago: int,
           found: Int, record: Int) -> None:  # fmt: skip
    """Fill ``found`` (n, len(COLUMNS)) as of a day; ``year_ago``: the last day that the 12 months no longer hold.

    statements (6, s): statement_on, due_on, balance, amount due, minimum due, days past due as reported or -1; those
    of user k from first_statement[k] to first_statement[k + 1]. repayments (2, r): paid_on, amount.
    record (n, 3, p), zero: of the p newest statements the balance, what was repaid, and days past due.
    passed, coming: the last day up to ``as_of``, and the first after it, on which a row comes into
    sight, falls due or is late; left, leaving: the last day up to ``year_ago`` with a row that
    the 12 months hold no more, and the first after it. In statements_seen -1: amounts, sums or
    days are out of range, nothing else is filled.
    """
    most = 1
    for user in range(len(found)):
        most = max(most, first_statement[user + 1] - first_statement[user])
    open_ = np.zeros((4, most), dtype=np.int64)
    for user in range(len(found)):
        mine = statements[:, first_statement[user] : first_statement[user + 1]]
        paid = repayments[:, first_repayment[user] : first_repayment[user + 1]]
        if not _in_range(mine, paid):
            found[user, _SEEN] = -1
            continue
        seen, settled = 0, 0
        while seen < mine.shape[1] and mine[0, seen] <= as_of:
            seen += 1
        while settled < paid.shape[1] and paid[0, settled] <= as_of:
            settled += 1
        _days(mine, paid, as_of, year_ago, found[user])
        _balances(mine[:, :seen], found[user])
        minimums = open_[:, : _payments(mine[:, :seen], paid[:, :settled], as_of, year_ago, open_, found[user])]
        _record(mine[:, :seen], paid[:, :settled], minimums, record[user])
        _reported(mine[:, :seen], as_of, year_ago, record[user], found[user])
        _habits(mine[:, :seen], paid[:, :settled], as_of, year_ago, found[user])


@kernel
def _in_range(mine: Int, paid: Int) -> bool:
    balances, owed, repaid = 0, 0, 0
    for k in range(mine.shape[1]):
        if abs(mine[2, k]) > _LARGEST or mine[3, k] > _LARGEST or mine[4, k] > _LARGEST:
            return False
        if not (-LAST_DAY < mine[0, k] < LAST_DAY and -LAST_DAY < mine[1, k] < LAST_DAY):
            return False
        balances += abs(mine[2, k])
        owed += mine[3, k] + mine[4, k]
        if balances > _LARGEST_SUM or owed > _LARGEST_SUM:
            return False
    for k in range(paid.shape[1]):
        if paid[1, k] > _LARGEST or not -LAST_DAY < paid[0, k] < LAST_DAY:
            return False
        repaid += paid[1, k]
        if repaid > _LARGEST_SUM:
            return False
    return True


@kernel
def _days(mine: Int, paid: Int, as_of: int, year_ago: int, found: Int) -> None:
    passed, coming, left, leaving = NEVER, LAST_DAY, NEVER, LAST_DAY
    for k in range(2 * mine.shape[1] + paid.shape[1]):
        late = False
        if k < mine.shape[1]:
            day = mine[0, k]
        elif k < 2 * mine.shape[1]:
            day, late = mine[1, k - mine.shape[1]], True
        else:
            day = paid[0, k - 2 * mine.shape[1]]
        if day <= year_ago:
            left = max(left, day)
        else:
            leaving = min(leaving, day)
        if day <= as_of:
            passed = max(passed, day)
        else:
            coming = min(coming, day)
        if late and day < as_of:
            passed = max(passed, day + 1)
        elif late:
            coming = min(coming, day + 1)
    found[_PASSED], found[_COMING], found[_LEFT], found[_LEAVING] = passed, coming, left, leaving


@kernel
def _balances(mine: Int, found: Int) -> None:
    """The newest balance, and the average of the three newest, rounded half away from zero."""
    seen = mine.shape[1]
    found[_SEEN], found[_BALANCE], found[_AVERAGE], found[_USED] = seen, -1, -1, NEVER
    if seen:
        newest = min(3, seen)
        total = 0
        for k in range(seen - newest, seen):
            total += mine[2, k]
        size = (2 * abs(total) + newest) // (2 * newest)
        average = size if total >= 0 else -size
        balance = mine[2, seen - 1]
        found[_BALANCE] = balance if balance != -1 else 0
        found[_AVERAGE] = average if average != -1 else 0
    for k in range(seen):
        if mine[2, k] > 0:
            found[_USED] = mine[0, k]


@kernel
def _payments(mine: Int, paid: Int, as_of: int, year_ago: int, open_: Int, found: Int) -> int:
    """Minimums are met by the repayments, the oldest first; what meets none is lost to later ones.

    Fills ``open_`` (4, m) with each minimum, the oldest first, and says how many there are: statement_on, due_on, sum
    of minimums up to it, and the day on which it was met, LAST_DAY where it was not.
    """
    count = 0
    for k in range(mine.shape[1]):
        if mine[4, k] > 0:
            place = count
            while place and open_[0, place - 1] == mine[0, k] and open_[1, place - 1] > mine[1, k]:
                open_[:, place] = open_[:, place - 1]
                place -= 1
            open_[0, place], open_[1, place], open_[2, place] = mine[0, k], mine[1, k], mine[4, k]
            count += 1
    found[_PAST_DUE], found[_MISSED], found[_WORST] = 0, 0, 0
    issued, oldest, at = 0, 0, 0
    owed, repaid, lead = 0, 0, 0
    while at < paid.shape[1]:
        day = paid[0, at]
        while at < paid.shape[1] and paid[0, at] == day:
            repaid += paid[1, at]
            at += 1
        while issued < count and open_[0, issued] <= day:
            owed += open_[2, issued]
            open_[2, issued] = owed
            issued += 1
        lead = max(lead, repaid - owed)
        while oldest < issued and open_[2, oldest] <= repaid - lead:
            _late(open_[1, oldest], day, year_ago, found)
            open_[3, oldest] = day
            oldest += 1
    while oldest < count:
        _late(open_[1, oldest], as_of, year_ago, found)
        found[_PAST_DUE] = max(found[_PAST_DUE], as_of - open_[1, oldest])
        open_[3, oldest] = LAST_DAY
        oldest += 1
    return count


@kernel
def _late(due: int, until: int, year_ago: int, found: Int) -> None:
    if due < until:
        if due > year_ago:
            found[_MISSED] += 1
        if until > year_ago:
            found[_WORST] = max(found[_WORST], until - due)


@kernel
def _record(mine: Int, paid: Int, minimums: Int, record: Int) -> None:
    """The newest statements, the newest first; minimums (4, m) as ``_payments`` leaves them."""
    at = paid.shape[1]
    for place in range(min(mine.shape[1], record.shape[1])):
        statement = mine[:, mine.shape[1] - 1 - place]
        day, repaid, late = statement[0], 0, 0
        while at and paid[0, at - 1] >= day:
            at -= 1
            repaid += paid[1, at]
        oldest = minimums.shape[1]
        while oldest and minimums[3, oldest - 1] > day:  # a minimum is met no sooner than the one before
            oldest -= 1
            late = max(late, day - minimums[1, oldest])
        record[0, place], record[1, place], record[2, place] = statement[2], repaid, max(late, statement[5])


@kernel
def _reported(mine: Int, as_of: int, year_ago: int, record: Int, found: Int) -> None:
    """What was reported holds where it is more than what follows from the minimums."""
    missed, newest = 0, mine.shape[1] - 1
    for k in range(mine.shape[1]):
        if mine[5, k] > 0 and mine[0, k] > year_ago:
            missed += 1
            found[_WORST] = max(found[_WORST], mine[5, k])
    found[_MISSED] = max(found[_MISSED], missed)
    if newest >= 0 and mine[5, newest] > 0 and record[1, 0] < max(mine[4, newest], 1):
        found[_PAST_DUE] = max(found[_PAST_DUE], mine[5, newest] + as_of - mine[0, newest])
        found[_WORST] = max(found[_WORST], found[_PAST_DUE])


@kernel
def _habits(mine: Int, paid: Int, as_of: int, year_ago: int, found: Int) -> None:
    """Repayments pay the statement before them; of statements of one day the one that is last by its amounts."""
    minimum_only, statements, balances, repaid = 0, 0, 0, 0
    for k in range(paid.shape[1]):
        if paid[0, k] > year_ago:
            repaid += paid[1, k]
    k, at = 0, 0
    while k < mine.shape[1]:
        day, last = mine[0, k], k
        while k < mine.shape[1] and mine[0, k] == day:
            if day > year_ago:
                statements += 1
                balances += max(mine[2, k], 0)
            one, other = mine[:, k], mine[:, last]
            if (one[1], one[3], one[4]) > (other[1], other[3], other[4]):
                last = k
            k += 1
        until = mine[0, k] if k < mine.shape[1] else as_of + 1
        while at < paid.shape[1] and paid[0, at] < day:
            at += 1
        amount, due, minimum = 0, mine[3, last], mine[4, last]
        while at < paid.shape[1] and paid[0, at] < until:
            amount += paid[1, at]
            at += 1
        counts = day > year_ago and mine[1, last] <= as_of and due > minimum > 0
        if counts and minimum <= amount < due and 10 * amount <= 11 * minimum:
            minimum_only += 1
    found[_MINIMUM_ONLY], found[_STATEMENTS] = minimum_only, statements
    found[_BALANCES], found[_REPAID] = balances, repaid


@kernel
def spread(row: Int, month: Int, begins: Int, until: Int, one: Int, two: Int, three: Int, four: Int, as_of: int,
           never: int, cells: Int, watched: Bool, ends: Int) -> None:  # fmt: skip
    """Fill cells (n, m, 8) and watched (n, m) from months (r,), each of two amounts to a number.

    ends (4, n): the last day up to ``as_of`` and the first after it on which a window begins to
    hold a month of the user, and the same of where it ends; left alone where there is none.
    """
    low = (1 << 32) - 1
    for k in range(len(row)):
        user, cell = row[k], cells[row[k], month[k]]
        cell[0], cell[1], cell[2], cell[3] = one[k] >> 32, one[k] & low, two[k] >> 32, two[k] & low
        cell[4], cell[5], cell[6], cell[7] = three[k] >> 32, three[k] & low, four[k] >> 32, four[k] & low
        watched[user, month[k]] = begins[k] <= as_of < until[k]
        for place, day in ((0, begins[k]), (2, until[k])):
            if day <= as_of:
                ends[place, user] = max(ends[place, user], day)
            elif day != never and (ends[place + 1, user] < 0 or day < ends[place + 1, user]):
                ends[place + 1, user] = day


@kernel
def in_order(row: Int, day: Int, first: Int, order: Int) -> None:
    """Fill ``order`` (r,) with the rows by user and day, those of one day as they come; first (n + 1,): where each
    user begins in it."""
    for k in range(len(row)):
        first[row[k] + 1] += 1
    for user in range(len(first) - 1):
        first[user + 1] += first[user]
    taken = first.copy()
    for k in range(len(row)):
        order[taken[row[k]]] = k
        taken[row[k]] += 1
    for user in range(len(first) - 1):
        mine = order[first[user] : first[user + 1]]
        if len(mine) > 200:
            mine[:] = mine[np.argsort(day[mine], kind="mergesort")]
            continue
        for k in range(1, len(mine)):  # most sources tell of one day after the other
            one, place = mine[k], k
            while place and day[mine[place - 1]] > day[one]:
                mine[place] = mine[place - 1]
                place -= 1
            mine[place] = one
