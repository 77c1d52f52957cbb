"""What became of users after a date: read by training alone, never by a decision."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np

from limits.portfolio import Bool, Int
from limits.store.columns import read
from limits.store.db import Connection

#: Users whose statements and repayments are read at once.
_USERS_AT_ONCE = 10_000


class Outcomes(NamedTuple):
    """Of users by ascending number: those of whom it is known, and whether they missed a payment."""

    user_id: Int
    missed: Bool


def read_outcomes(conn: Connection, user_ids: Int, as_of: dt.date, until: dt.date) -> Outcomes:
    """Who missed a minimum payment that fell due after ``as_of`` and before ``until``, as known on ``until``."""
    found = []
    wanted = np.sort(user_ids)
    for begin in range(0, len(wanted), _USERS_AT_ONCE):
        some = wanted[begin : begin + _USERS_AT_ONCE].tolist()
        columns = read(conn, "load_outcomes", user_ids=some, as_of=as_of, until=until)
        found.append(Outcomes(columns["user_id"], columns["missed"]))
    ids = [one.user_id for one in found if len(one.user_id)]
    missed = [one.missed for one in found if len(one.user_id)]
    if not ids:
        return Outcomes(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_))
    return Outcomes(np.concatenate(ids), np.concatenate(missed))
