"""What the demo can be shown on: real users, the policy they are reviewed by, and what became of them."""

from __future__ import annotations

import datetime as dt
import enum
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

#: Month-ends that the borrowers are reviewed for before tonight.
MONTH_ENDS = 6
#: Clients that a scorecard is trained on at least.
FEWEST_TRAINED = 600


class Data(enum.StrEnum):
    """Users that travel with the product."""

    BERKA = "berka"
    UCI = "uci"


@dataclass(frozen=True)
class Files:
    """Import files by their kind, in the order in which they are imported."""

    paths: Mapping[str, Path]
    users: int


@dataclass(frozen=True)
class Sample:
    """One of them.

    option          what the command says to mean this one, with a blank before it
    maker, checker  two made-up people: one proposes the policy, another approves it
    nights          the dates that are reviewed, as of which the last is tonight
    tonight         the newest date that may be tonight, by today's
    write           writes the import files into a folder, with the last day of every history; None: all users
    outcomes        what became of each user: True is bad
    about           what the users are, in lines; ``{tonight}`` stands for the date
    unknown         what the data do not say, and what is made of it
    later           what the outcome is, as a heading; ``bad`` names it in a table
    model           the text of a scorecard trained on some of the users; None: nobody is scored
    seen            whether the scorecard was trained on the user: such users say nothing of how good it is
    """

    source: str
    option: str
    policy: str
    maker: str
    checker: str
    release: str
    tonight: Callable[[dt.date], dt.date]
    nights: Callable[[dt.date], list[dt.date]]
    write: Callable[[Path, dt.date, int | None], Files]
    outcomes: Callable[[], dict[int, bool]]
    about: tuple[str, ...]
    unknown: tuple[str, ...]
    later: str
    bad: str
    model: Callable[[int | None], str] | None = None
    seen: Callable[[int], bool] = lambda user_id: False


def sample_of(data: Data) -> Sample:
    """The sample of this name."""
    return _uci() if data is Data.UCI else _berka()


def review_dates(tonight: dt.date) -> list[dt.date]:
    """The last six month-ends before tonight, and tonight.

    A month-end less than the policy's cool-off before tonight is passed over: tonight would
    find everybody who was cut then still cooling off.
    """
    from limits import engine

    policy = engine.policy_for("cz", tonight)
    dates: list[dt.date] = []
    end = tonight.replace(day=1) - dt.timedelta(days=1)
    while len(dates) < MONTH_ENDS:
        if tonight - end >= dt.timedelta(days=policy.cut.cool_off_days):
            dates.insert(0, end)
        end = end.replace(day=1) - dt.timedelta(days=1)
    return [*dates, tonight]


def _berka() -> Sample:
    from limits.samples import berka

    def write(folder: Path, tonight: dt.date, users: int | None) -> Files:
        made = berka.write_import_files(folder, tonight)
        return Files({"users": made.users, "events": made.events}, made.user_count)

    return Sample(
        source=berka.SOURCE, option="", policy="cz", maker="Eva Novotna (risk)",
        checker="Karel Dvorak (credit committee)",
        release="limits of accounts that were never reviewed come down first",
        tonight=lambda today: today, nights=review_dates, write=write, outcomes=berka.outcomes,
        about=(
            "{users} borrowers of a Czech bank, 1993 to 1998; each account's dates were moved as a whole,",
            "so that its history ends on {tonight}. The loan they were granted serves as the limit.",
        ),
        unknown=(), later="What happened later to their loans", bad="went bad",
    )  # fmt: skip


def _uci() -> Sample:
    import numpy as np

    from limits.samples import uci, uci_files

    clients = functools.cache(uci.read)  # a million and a half of values, each of which is checked

    def write(folder: Path, tonight: dt.date, users: int | None) -> Files:
        made = uci_files.write_import_files(folder, clients().portfolio.take(slice(0, users)), tonight)
        return Files(made.paths, made.users)

    def outcomes() -> dict[int, bool]:
        sample = clients()
        assert sample.outcome is not None, "the shipped sample has outcomes"
        return dict(zip(sample.portfolio.user_id.tolist(), sample.outcome.tolist(), strict=True))

    def seen(user_id: int) -> bool:
        return user_id % 2 == 0

    def model(users: int | None) -> str:
        from limits.bench.outcomes.training import trained

        sample = clients()
        assert sample.outcome is not None, "the shipped sample has outcomes"
        rows = np.flatnonzero([seen(user_id) for user_id in sample.portfolio.user_id.tolist()])
        if users is not None:  # of few users a quick scorecard will do
            rows = rows[: max(users, FEWEST_TRAINED)]
        return trained(sample.portfolio.take(rows), sample.outcome[rows]).body

    return Sample(
        source=uci_files.SOURCE, option=" --data uci", policy="tw-cards", maker="Lin Yu-chen (risk)",
        checker="Chang Wei (credit committee)",
        release="the first review of these cards",
        tonight=uci_files.newest_month_end, nights=lambda tonight: [tonight], write=write, outcomes=outcomes,
        about=(
            "{users} card clients of a bank in Taiwan, April to September 2005; their months were moved,",
            "so that the newest statement is of {tonight}. Limits, bills, payments and delays are the bank's.",
        ),
        unknown=(
            "The data hold no income, no proof of identity and no consent: they are left as not known, the policy does",
            "not ask for them, and capacity is what was repaid on the card. A raise is offered, not made. Nor do they",
            "hold days or due dates: statements are of month-ends, payments of mid-month, delays as the bank reported.",
        ),
        later="What happened in the month after", bad="missed the payment", model=model, seen=seen,
    )  # fmt: skip
