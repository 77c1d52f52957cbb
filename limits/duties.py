"""What a decision obliges the lender to: until which day something holds, and which reasons are named.

Every date is counted from the day on which the user is told, or on which the decision is made
for. All pure: a day comes in, a day goes out.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from limits.policy import Policy
from limits.reasons import NOT_PRINCIPAL, Reason


@dataclass(frozen=True, slots=True)
class Duties:
    """What follows from something that happens on one day.

    offer_until     last day on which an offer made that day can be accepted
    raise_from      a raise announced that day takes effect
    cut_from        a cut announced that day takes effect
    fees_from       the first day on which exceeding a limit whose cut was told that day may cost a fee or a
                    higher rate; the day itself where the policy protects nobody
    explained_by    a cut, or a refusal, of that day is explained
    kept_until      the record of that day is kept, at least
    """

    offer_until: dt.date
    raise_from: dt.date
    cut_from: dt.date
    fees_from: dt.date
    explained_by: dt.date
    kept_until: dt.date


def duties(policy: Policy, day: dt.date) -> Duties:
    """What follows from an offer, an announcement, a cut or a record of a day."""
    consent, notices = policy.consent, policy.notices
    return Duties(
        offer_until=day + dt.timedelta(days=consent.offer_days),
        raise_from=day + dt.timedelta(days=consent.raise_notice_days),
        cut_from=day + dt.timedelta(days=consent.cut_notice_days),
        fees_from=day + dt.timedelta(days=consent.fee_protection_days),
        explained_by=day + dt.timedelta(days=notices.adverse_action_days),
        kept_until=months_later(day, notices.retention_months),
    )


def months_later(day: dt.date, months: int) -> dt.date:
    """The same day so many months on; the last of the month where that month has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def principal(reasons: Sequence[Reason], most: int) -> list[Reason]:
    """The reasons that a user is told, at most so many, in the order in which they bind.

    Those that say nothing about the user come in only where there is no other.
    """
    telling = [reason for reason in reasons if reason not in NOT_PRINCIPAL]
    return (telling or list(reasons))[:most]
