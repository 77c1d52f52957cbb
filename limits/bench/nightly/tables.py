"""Made-up users as rows of the product's own tables, as an import would have left them.

What an import leaves and this does not, because no review reads it: the cash events between the
first and the last one of a user (their sums are in the monthly cash flow), the keys that find an event
that comes twice, statements and repayments older than ``Scene.recent`` months, the running month of
the cash flow, and the digests of imported lines, which are random bytes here, or empty where lean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limits.bench.nightly import mixture
from limits.bench.nightly.mixture import CURRENCY, Scene, Users, dice_of
from limits.portfolio import Bool, Int
from limits.store.arrays import Column

SOURCE = "bench"
Rows = dict[str, Column]
Digest = Callable[[int], Column]  # of so many lines

#: Two tables whose triggers derive something from what comes in; the others may be loaded without triggers.
WITH_TRIGGERS = ("frauds", "identifiers", "overrides")

_RANGE_EMPTY = b"\0\0\0\0"
#: Of a datemultirange of one range without an upper end: how many, its length, its flags (lower inclusive, upper
#: infinite), and the length of the day that follows.
_RANGE_FROM = b"\0\0\0\1" + b"\0\0\0\x09" + b"\x12" + b"\0\0\0\4"


def rows(seed: int, who: Users, scene: Scene, *, lean: bool) -> Iterator[tuple[str, Rows]]:
    """Each table with its rows, in an order in which what is referred to comes first."""
    dice = dice_of(seed, int(who.user_id[0]), 8)
    ink = dice_of(seed, int(who.user_id[0]), 9)

    def digest(n: int) -> Column:
        width = 0 if lean else 32
        return Column("bytea", np.frombuffer(ink.bytes(n * width), dtype=np.uint8).reshape(n, width))

    earned = mixture.inflow(seed, who, scene)
    seen = mixture.seen(seed, who, scene)
    made = mixture.payments(seed, who, scene)
    income = np.where(seen, np.rint(earned), 0.0).astype(np.int64)
    yield "users", {"user_id": _ids(who), "currency": _same(who, CURRENCY), "opened_on": Column("date", who.opened_on),
                    "source": _same(who, SOURCE)}  # fmt: skip
    yield "credit_lines", {
        "user_id": _ids(who), "currency": _same(who, CURRENCY), "limit_minor": Column("int8", who.limit),
        "opening_limit_minor": Column("int8", who.limit), "opened_on": Column("date", who.opened_on),
    }  # fmt: skip
    yield "user_profiles", _profiles(dice, who, scene, digest)
    yield "statements", _statements(dice, who, made, digest)
    yield "repayments", _repayments(dice, who, made, digest)
    yield "credit_checks", _credit_checks(dice, who, scene, digest)
    yield "documents", _documents(dice, who, scene, digest)
    yield "consents", _consents(dice, who, scene, digest)
    yield from _events(who, seen, income)
    yield from _months(seed, who, scene, seen, income, earned, made)
    yield from _frauds(dice, who, scene, digest)
    yield "overrides", _overrides(dice, who, scene)


# Who ------------------------------------------------------------------------------------------


def _profiles(dice: np.random.Generator, who: Users, scene: Scene, digest: Digest) -> Rows:
    n = len(who)
    luck = dice.random(n)
    status = np.where(
        luck < mixture.CLOSED, b"closed", np.where(luck < mixture.CLOSED + mixture.BLOCKED, b"blocked", b"active")
    )
    identity = dice.choice(np.array([b"verified", b"unverified", b"mismatch"]), n, p=[0.94, 0.05, 0.01])
    checked = dice.choice(np.array([b"verified", b"unverified", b"false"]), n, p=[0.82, 0.178, 0.002])
    verified_on = np.maximum(scene.day - dice.integers(5, 500, n), who.opened_on)
    return {
        "user_id": _ids(who),
        "effective_on": Column("date", effective_on(who, scene)),
        "status": Column("text", status),
        "segment": Column("text", dice.choice(np.array([b"mass", b"affluent", b"student"]), n, p=[0.8, 0.12, 0.08])),
        "industry": Column(
            "text",
            dice.choice(np.array([b"trade", b"transport", b"services", b"gambling"]), n, p=[0.4, 0.2, 0.397, 0.003]),
        ),
        "observed_from": Column("date", who.observed_from, ~who.windowed),
        "observed_through": Column("date", np.full(n, scene.day), ~who.windowed),
        "identity_status": Column("text", identity),
        "identity_checked_on": Column("date", who.opened_on, identity == b"unverified"),
        "income_status": Column("text", checked),
        "income_verified_on": Column("date", verified_on, checked == b"unverified"),
        "raise_consent": Column("bool", dice.random(n) < 0.7),
        "source": _same(who, SOURCE),
        "digest": digest(n),
    }


def effective_on(who: Users, scene: Scene) -> NDArray[np.datetime64]:
    """From when on the profile holds (n,): the last import at the beginning of the month."""
    return np.maximum(scene.this_month.astype("datetime64[D]"), who.opened_on)


def _credit_checks(dice: np.random.Generator, who: Users, scene: Scene, digest: Digest) -> Rows:
    some = dice.random(len(who)) < 0.8
    n = int(some.sum())
    lenders = np.minimum(dice.poisson(1.1, n), 7)
    debt = np.rint(lenders * 0.8 * who.income[some] * np.exp(0.5 * dice.normal(size=n))).astype(np.int64)
    return {
        "user_id": _ids(who, some), "source": _same(some), "source_id": _source_ids(b"C", who.user_id[some]),
        "checked_on": Column("date", scene.day - dice.integers(5, 380, n)),
        "active_lenders": Column("int4", lenders), "outside_debt_minor": Column("int8", debt),
        "outside_monthly_payment_minor": Column("int8", debt // 24),
        "inquiries": Column("int4", np.minimum(dice.poisson(0.6, n), 12)), "digest": digest(n),
    }  # fmt: skip


def _documents(dice: np.random.Generator, who: Users, scene: Scene, digest: Digest) -> Rows:
    some = dice.random(len(who)) < 0.6
    n = int(some.sum())
    missing = dice.random(n) < 0.04
    return {
        "user_id": _ids(who, some), "source": _same(some), "source_id": _source_ids(b"D", who.user_id[some]),
        "checked_on": Column("date", scene.day - dice.integers(1, 700, n)),
        "status": Column("text", np.where(missing, b"missing", b"complete")),
        "valid_until": Column("date", scene.day + dice.integers(-60, 1_500, n), missing | (dice.random(n) < 0.3)),
        "digest": digest(n),
    }  # fmt: skip


def _consents(dice: np.random.Generator, who: Users, scene: Scene, digest: Digest) -> Rows:
    some = dice.random(len(who)) < 0.06
    n = int(some.sum())
    automation = dice.random(n) < 0.05
    withdrawn = automation | (dice.random(n) < 0.25)
    return {
        "user_id": _ids(who, some), "source": _same(some), "source_id": _source_ids(b"A", who.user_id[some]),
        "effective_on": Column("date", scene.day - dice.integers(1, 500, n)),
        "subject": Column("text", np.where(automation, b"automation", b"raises")),
        "state": Column("text", np.where(withdrawn, b"withdrawn", b"given")), "digest": digest(n),
    }  # fmt: skip


# Money ----------------------------------------------------------------------------------------


def _statements(dice: np.random.Generator, who: Users, made: mixture.Payments, digest: Digest) -> Rows:
    # Oldest first: a user's rows come in the order in which the indexes keep them.
    there = np.flatnonzero(made.issued[:, ::-1])
    user, back = np.divmod(there, made.issued.shape[1])
    at = (user, made.issued.shape[1] - 1 - back)
    n = len(there)
    return {
        "user_id": Column("int8", who.user_id[user]), "source": _same(there),
        "source_id": _source_ids(b"S", who.user_id[user] * 100 + back),
        "statement_on": Column("date", made.statement_on[at]), "due_on": Column("date", made.due_on[at]),
        "balance_minor": Column("int8", made.balance[at]), "amount_due_minor": Column("int8", made.balance[at]),
        "minimum_due_minor": Column("int8", made.minimum[at]), "digest": digest(n),
    }  # fmt: skip


def _repayments(dice: np.random.Generator, who: Users, made: mixture.Payments, digest: Digest) -> Rows:
    there = np.flatnonzero(made.paid[:, ::-1])
    user, back = np.divmod(there, made.paid.shape[1])
    at = (user, made.paid.shape[1] - 1 - back)
    n = len(there)
    return {
        "user_id": Column("int8", who.user_id[user]), "source": _same(there),
        "source_id": _source_ids(b"R", who.user_id[user] * 100 + back),
        "paid_on": Column("date", made.paid_on[at]), "amount_minor": Column("int8", made.paid[at]),
        "digest": digest(n),
    }  # fmt: skip


def _events(who: Users, seen: Bool, income: Int) -> Iterator[tuple[str, Rows]]:
    """The first event of users without a window, and everybody's last one: nothing else is read of them."""
    first_day = who.observed_from + np.timedelta64(0, "D")
    ends = ((b"F", first_day, ~who.windowed), (b"L", who.last_event_on, np.ones(len(who), dtype=np.bool_)))
    for mark, day, some in ends:
        n = int(some.sum())
        yield "events", {
            "user_id": _ids(who, some),
            "occurred_at": Column("timestamptz", day[some].astype("datetime64[us]")),
            "kind": Column("text", np.full(n, b"income")),
            "amount_minor": Column("int8", np.maximum(income[some].max(axis=1, initial=0), 1)),
            "source": _same(np.flatnonzero(some)), "source_id": _source_ids(mark, who.user_id[some]),
        }  # fmt: skip


def _months(
    seed: int, who: Users, scene: Scene, seen: Bool, income: Int, earned: NDArray[np.float64], made: mixture.Payments
) -> Iterator[tuple[str, Rows]]:
    due, repaid = mixture.due_and_repaid(seed, who, scene, made)
    flows = {"inflow": income}
    flows |= {name: np.where(seen, spent, 0) for name, spent in mixture.spending(seed, who, earned).items()}
    flows |= {"penalties": np.where(seen & (repaid < due // 20), 3_000, 0), "amount_due": due, "repaid": repaid}
    calendar = scene.calendar
    whole = who.windowed[:, None] & (calendar.astype("datetime64[D]") >= who.observed_from[:, None])
    anything = np.zeros(whole.shape, dtype=np.bool_)
    for amounts in flows.values():
        anything |= amounts != 0
    since = np.broadcast_to(effective_on(who, scene)[:, None], whole.shape)
    for some, watched in ((whole, True), (anything & ~whole, False)):
        user, month = np.nonzero(some)
        n = len(user)
        yield (
            "monthly_cash_flow",
            {
                "user_id": Column("int8", who.user_id[user]),
                "month": Column("date", calendar[month].astype("datetime64[D]")),
                "observed": Column("bool", np.full(n, watched)),
                **{f"{name}_minor": Column("int8", amounts[some]) for name, amounts in flows.items()},
                "observed_as_of": _range_from(since[some]) if watched else _range_empty(n),
            },
        )


def _range_from(days: NDArray[np.datetime64]) -> Column:
    """Dates from a day on, as datemultirange."""
    head = np.frombuffer(_RANGE_FROM, dtype=np.uint8)
    day = (days - np.datetime64("2000-01-01")).astype(np.int64).astype(">i4")
    return Column("bytea", np.hstack([np.tile(head, (len(days), 1)), day.view(np.uint8).reshape(-1, 4)]))


def _range_empty(n: int) -> Column:
    return Column("bytea", np.tile(np.frombuffer(_RANGE_EMPTY, dtype=np.uint8), (n, 1)))


# What is rare ---------------------------------------------------------------------------------


def _frauds(dice: np.random.Generator, who: Users, scene: Scene, digest: Digest) -> Iterator[tuple[str, Rows]]:
    """Confirmed frauds, and identifiers: most have a phone of their own, some one that a fraud has as well."""
    n = len(who)
    fraud = np.flatnonzero(dice.random(n) < 0.0008)
    seen = np.flatnonzero(dice.random(n) < 0.03)
    shared = {int(user): int(user) for user in fraud if dice.random() < 0.8}
    for user in list(shared):
        shared |= {int(other): user for other in dice.integers(0, n, dice.integers(1, 4)) if int(other) not in fraud}
    own = {int(user): int(user) for user in seen if int(user) not in shared}
    users = np.array(sorted(own | shared), dtype=np.int64)
    values = [_secret(int(who.user_id[(own | shared)[int(user)]])) for user in users]
    yield "frauds", {
        "user_id": _ids(who, fraud), "source": _same(fraud), "source_id": _source_ids(b"X", who.user_id[fraud]),
        "confirmed_on": Column("date", scene.day - dice.integers(1, 300, len(fraud))),
        "digest": digest(len(fraud)),
    }  # fmt: skip
    yield "identifiers", {
        "user_id": _ids(who, users), "source": _same(users), "source_id": _source_ids(b"I", who.user_id[users]),
        "kind": Column("text", np.full(len(users), b"phone")),
        "value_sha256": Column("text", np.array(values, dtype="S64")),
        "seen_on": Column("date", scene.day - dice.integers(1, 400, len(users))),
        "digest": digest(len(users)),
    }  # fmt: skip


def _secret(user_id: int) -> bytes:
    return hashlib.sha256(f"phone of {user_id}".encode()).hexdigest().encode()


def _overrides(dice: np.random.Generator, who: Users, scene: Scene) -> Rows:
    some = np.flatnonzero(dice.random(len(who)) < 0.0005)
    n = len(some)
    hold = dice.random(n) < 0.5
    starts_on = scene.day - dice.integers(1, 60, n)
    return {
        "user_id": _ids(who, some), "kind": Column("text", np.where(hold, b"hold", b"cap")),
        "amount_minor": Column("int8", who.limit[some], hold), "currency": _same(some, CURRENCY),
        "reason": _same(some, "bench"), "starts_on": Column("date", starts_on),
        "expires_on": Column("date", starts_on + 300), "state": _same(some, "approved"),
        "maker": _same(some, "bench maker"), "checker": _same(some, "bench checker"),
        "decided_at": Column("timestamptz", starts_on.astype("datetime64[us]")),
    }  # fmt: skip


# Columns --------------------------------------------------------------------------------------


def _ids(who: Users, some: Any = slice(None)) -> Column:
    return Column("int8", who.user_id[some])


def _same(like: Any, text: str = SOURCE) -> Column:
    """One text for as many rows as ``like`` has, or says yes to."""
    count = int(like.sum()) if getattr(like, "dtype", None) == np.bool_ else len(like)
    return Column("text", np.full(count, text.encode()))


def _source_ids(mark: bytes, numbers: Int) -> Column:
    """A letter and thirteen digits, in the order of the numbers, so that the keys' indexes grow at one end."""
    digits = (numbers[:, None] // 10 ** np.arange(12, -1, -1)) % 10 + ord("0")
    letters = np.full((len(numbers), 1), mark[0])
    return Column("text", np.ascontiguousarray(np.hstack([letters, digits]).astype(np.uint8)).view("S14").ravel())
