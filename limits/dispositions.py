"""How a decision takes effect: at once, offered to the user, or announced; and what the user is told, by when.

A pure function of what was decided and the policy. The engine's wish stays in the decision;
here is what becomes the limit now, and what waits.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

import numpy as np

from limits.ceilings import URGENT, asked
from limits.decision import Decisions
from limits.policy import Policy
from limits.portfolio import UNKNOWN, Bool, Dates, Int, Portfolio


class Disposition(enum.IntEnum):
    """How a decision takes effect. The value stands in the log."""

    AT_ONCE = 0
    OFFERED = 1
    ANNOUNCED = 2


class Notice(enum.IntEnum):
    """What the user is told of a decision."""

    NONE = 0
    RAISED = 1
    LOWERED = 2
    OFFERED = 3
    ANNOUNCED = 4
    REFUSED = 5
    WITHDRAWN = 6


@dataclass(frozen=True, slots=True)
class Dispositions:
    """What becomes of the decisions about n users; every array (n,), amounts int64 minor units.

    disposition    Disposition by its number
    limit_after    what becomes the limit now: the limit before where the change waits
    proposed       the limit that was offered or announced; UNKNOWN where nothing waits
    effective_on   offered: the last day to accept; announced: the day it takes effect; else NaT
    notice         Notice by its number
    notice_due_on  the day by which it has to be given; NaT without one
    """

    disposition: Int
    limit_after: Int
    proposed: Int
    effective_on: Dates
    notice: Int
    notice_due_on: Dates

    def __len__(self) -> int:
        return len(self.limit_after)


def dispose(portfolio: Portfolio, decisions: Decisions, policy: Policy) -> Dispositions:
    """What becomes of each decision under the policy's [consent] and [notices].

    A raise that the user asked for is at once: asking is agreeing. A cut that a hard maximum,
    confirmed fraud or false documents ask for is at once as a whole, for one review makes one
    change. Notices of cuts and refusals that are not announced beforehand may follow within
    the policy's days; all others are due on the day of the review.
    """
    before, wish = decisions.limit_before, decisions.limit_after
    raised, lowered = wish > before, wish < before
    as_of = np.datetime64(portfolio.as_of, "D")
    consent = policy.consent
    urgent = (decisions.ceilings[:, sorted(URGENT)] < before[:, None]).any(axis=1)
    may_wait = raised & ~asked(portfolio)
    offered = may_wait & (consent.raises == "offer")
    announced_raise = may_wait & (consent.raises == "notice")
    announced_cut = lowered & ~urgent & (consent.cuts == "notice")
    waits = offered | announced_raise | announced_cut
    days = np.select(
        [offered, announced_raise, announced_cut],
        [consent.offer_days, consent.raise_notice_days, consent.cut_notice_days],
        0,
    )
    notice = np.select(
        [offered, announced_raise | announced_cut, lowered, ~granted(portfolio, wish, policy), raised],
        [Notice.OFFERED, Notice.ANNOUNCED, Notice.LOWERED, Notice.REFUSED, Notice.RAISED],
        Notice.NONE,
    ).astype(np.int64)
    explained = (notice == Notice.LOWERED) | (notice == Notice.REFUSED)
    due = as_of + np.where(explained, policy.notices.adverse_action_days, 0).astype("timedelta64[D]")
    never = np.datetime64("NaT", "D")
    return Dispositions(
        disposition=np.select([offered, waits], [Disposition.OFFERED, Disposition.ANNOUNCED], 0).astype(np.int64),
        limit_after=np.where(waits, before, wish),
        proposed=np.where(waits, wish, UNKNOWN),
        effective_on=np.where(waits, as_of + days.astype("timedelta64[D]"), never),
        notice=notice,
        notice_due_on=np.where(notice == Notice.NONE, never, due),
    )


def ending(found: Dispositions, portfolio: Portfolio, decisions: Decisions, *, raises: bool) -> Dispositions:
    """The same, with what is told where the decisions carry out changes that were announced.

    ``raises``: the changes announced were raises. Whose limit stays is told that the change is
    off, on the day, in place of a refusal; only who took back the consent to a raise ended it
    himself. Who gets less in place of a raise is told on the day too.
    """
    stays = (found.disposition == Disposition.AT_ONCE) & (found.limit_after == decisions.limit_before)
    silent = stays & portfolio.opted_out & raises
    notice = np.where(silent, Notice.NONE, np.where(stays, Notice.WITHDRAWN, found.notice)).astype(np.int64)
    as_of = np.datetime64(portfolio.as_of, "D")
    today = stays | (raises & (notice == Notice.LOWERED))
    due = np.where(silent, np.datetime64("NaT", "D"), np.where(today, as_of, found.notice_due_on))
    return replace(found, notice=notice, notice_due_on=due)


def granted(portfolio: Portfolio, limit_after: Int, policy: Policy) -> Bool:
    """Whether nothing that was asked for is refused (n,); True where nobody asked.

    What is lost in rounding a raise down to the grid is no refusal: it is one only where not
    substantially the amount asked for is granted (Regulation B, 12 CFR 1002.2(c)(1)(i)).
    """
    requested = portfolio.requested_limit
    on_grid = requested - requested % policy.rounding.grid.minor
    rounded = (limit_after > portfolio.credit_limit) & (limit_after >= on_grid)
    return np.asarray(~asked(portfolio) | (limit_after >= requested) | rounded, dtype=np.bool_)
