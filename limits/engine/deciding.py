"""Deciding: one chunk of users, loaded from one snapshot of the database, decided by the pure core."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

import limits
from limits.decision import Decisions, review
from limits.dispositions import Dispositions, dispose
from limits.policy import Policy
from limits.portfolio import CashFlow, Portfolio
from limits.store import reviews
from limits.store.db import Connection
from limits.store.load import load_portfolio
from limits.store.reviews import ReviewException

#: The modules a decision depends on; their text is part of the code version.
CORE = (
    "money", "portfolio", "capacity/kernels", "capacity/local_level", "capacity/pooled", "capacity/damped",
    "capacity/forecasting", "capacity/combining", "capacity/seasonal", "capacity/result", "capacity/estimate",
    "policy", "reasons", "ceilings/__init__", "ceilings/common", "ceilings/maxima", "ceilings/repayment",
    "ceilings/exposure", "ceilings/integrity", "ceilings/terms", "ceilings/data", "decision", "dispositions",
)  # fmt: skip

#: Raised when what the digest covers or how it is written changes.
#: 2: with documents, consents, requests, habits, shared identifiers, frauds, overrides and open changes.
DIGEST_FORMAT = 2


@dataclass(frozen=True)
class Decided:
    """The users of a chunk that could be decided, and those that could not, with the reason."""

    portfolio: Portfolio
    decisions: Decisions
    dispositions: Dispositions
    digests: list[bytes]
    exceptions: list[ReviewException]


def decide_users(
    conn: Connection,
    policy: Policy,
    as_of: dt.date,
    user_ids: Sequence[int],
    *,
    snapshot: bool = True,
    given: Callable[[Portfolio], Portfolio] = lambda portfolio: portfolio,
    effect: Policy | None = None,
) -> Decided:
    """Loads and decides some users. Writes nothing.

    ``snapshot``: read everything from one snapshot in a transaction of its own; False when
    the caller is inside a transaction already. ``given``: what is known beside what is
    loaded, such as the amount that was asked for. ``effect``: the policy that says how a
    decision takes effect, where it is not the one that decides.
    """
    if snapshot:
        with conn.transaction():
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return decide_users(conn, policy, as_of, user_ids, snapshot=False, given=given, effect=effect)
    later = reviews.decided_later(conn, user_ids, as_of)
    wanted = [user_id for user_id in user_ids if user_id not in later]
    portfolio, excluded = load_portfolio(conn, as_of, policy.currency, user_ids=wanted)
    exceptions = [
        ReviewException(user_id, "skipped", "decided_later", f"already decided as of {date}")
        for user_id, date in later.items()
    ]
    exceptions += [ReviewException(e.user_id, e.outcome, e.reason, e.detail) for e in excluded]
    missing = set(wanted).difference(portfolio.user_id.tolist(), (e.user_id for e in excluded))
    exceptions += [
        ReviewException(user_id, "quarantined", "not_loaded", "no row of the portfolio was made for this user")
        for user_id in sorted(missing)
    ]
    portfolio = given(portfolio)
    decisions = review(portfolio, policy)
    dispositions = dispose(portfolio, decisions, effect or policy)
    return Decided(portfolio, decisions, dispositions, input_digests(portfolio), exceptions)


def input_digests(portfolio: Portfolio) -> list[bytes]:
    """For each user the sha256 of the canonical bytes of that user's row.

    It depends on nothing but the user: not on who else is in the portfolio, nor on how many
    months before the user's first one it spans.
    """
    names, numbers, texts = _columns(portfolio)
    header = hashlib.sha256(
        json.dumps([DIGEST_FORMAT, portfolio.as_of.isoformat(), portfolio.currency, names]).encode()
    )
    cells, months = _cash_flow_cells(portfolio.cash_flow)
    seen = (cells != 0).any(axis=2)
    # Argmax of nothing is an error, so one column more says "seen" for those who were never seen.
    first = np.column_stack([seen, np.ones(len(seen), dtype=np.bool_)]).argmax(axis=1)
    digests = []
    for row in range(len(portfolio)):
        digest = header.copy()
        digest.update(numbers[row].tobytes())
        for column in texts:
            text = column[row].encode()
            digest.update(len(text).to_bytes(4, "little") + text)
        digest.update(months[first[row] :].tobytes())
        digest.update(cells[row, first[row] :].tobytes())
        digests.append(digest.digest())
    return digests


def _columns(portfolio: Portfolio) -> tuple[list[str], Any, list[list[str]]]:
    """Names in order, the columns of numbers as one (n, k) array, and the columns of text."""
    numbers: dict[str, Any] = {}
    texts: dict[str, list[str]] = {}
    for field in sorted(dataclasses.fields(portfolio), key=lambda f: f.name):
        value = getattr(portfolio, field.name)
        if field.name in ("as_of", "currency", "cash_flow"):
            continue
        if value.dtype.kind == "U":
            texts[field.name] = value.tolist()
        else:
            whole = value.astype("datetime64[D]") if value.dtype.kind == "M" else value
            numbers[field.name] = whole.astype("<i8")
    columns = list(numbers.values())
    matrix = np.stack(columns, axis=1) if columns else np.empty((len(portfolio), 0), dtype="<i8")
    return [*numbers, *texts], np.ascontiguousarray(matrix), list(texts.values())


def _cash_flow_cells(cash_flow: CashFlow) -> tuple[Any, Any]:
    """(n, m, k) integers of all monthly columns, and the months as numbers."""
    columns = sorted(f.name for f in dataclasses.fields(cash_flow) if f.name != "months")
    cells = np.stack([getattr(cash_flow, name).astype("<i8") for name in columns], axis=2)
    return np.ascontiguousarray(cells), cash_flow.months.astype("datetime64[M]").astype("<i8")


@functools.cache
def code_version() -> str:
    """Package version + the first 12 hex digits of the sha256 over the source of the pure core."""
    digest = hashlib.sha256()
    root = resources.files(limits)
    for name in CORE:
        text = (root / f"{name}.py").read_bytes()
        digest.update(f"{name}\0{len(text)}\0".encode() + text)
    return f"{limits.__version__}+{digest.hexdigest()[:12]}"
