"""Standing reports over the log: what an auditor asks of it again and again. Nothing here writes.

What must be none is found from what each entry holds itself, so that nobody has to believe what the entry says of it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg.rows import dict_row

from limits.capacity import FORECASTS, Method
from limits.errors import PolicyError
from limits.policy import parse_policy
from limits.reasons import Reason
from limits.store.db import Connection
from limits.store.queries import query

#: Rules that ask for evidence of income: one that sets a bound found that there was none.
EVIDENCE = (Reason.HISTORY_SHORT, Reason.MODEL_FELL_BACK, Reason.INCOME_UNVERIFIED, Reason.INCOME_STALE)


@dataclass(frozen=True)
class Report:
    """One of the reports, from a named query. ``must_be_none``: a row of it is a fault, not an observation."""

    name: str
    query: str
    title: str
    must_be_none: bool = False


@dataclass(frozen=True)
class Result:
    """A report with the number of its rows, and the first of them: column to value, amounts in minor units."""

    report: Report
    total: int
    rows: list[dict[str, Any]]

    @property
    def ok(self) -> bool:
        """Whether nothing is there that must not be."""
        return not (self.report.must_be_none and self.total)


REPORTS = (
    Report("overdue-notices", "report_overdue_notices", "Notices that are overdue"),
    Report(
        "raises-without-income-evidence",
        "report_raises_without_income_evidence",
        "Raises without evidence of income",
        must_be_none=True,
    ),
    Report("overrides", "report_overrides", "Overrides by person"),
    Report("ceiling-breaches", "report_ceiling_breaches", "Raises above a ceiling", must_be_none=True),
    Report("model-fallback", "report_model_fallback", "Decisions without a forecast, by review"),
)


def run(
    conn: Connection, report: Report, *, today: dt.date, since: dt.date | None, until: dt.date | None, limit: int
) -> Result:
    """A report over the decisions as of some dates (None: without a bound), as it stands on a day."""
    parameters: dict[str, Any] = {"today": today, "since": since, "until": until, "limit": limit}
    parameters["forecasts"] = np.flatnonzero(FORECASTS).tolist()
    if report.name == "raises-without-income-evidence":
        parameters |= _asked_for(conn)
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query(report.query), parameters).fetchall()
    total = rows[0]["all_of_them"] if rows else 0
    for row in rows:
        del row["all_of_them"]
        if "capacity_method" in row:
            row["capacity_method"] = _method(row["capacity_method"])
    return Result(report, total, rows)


def _asked_for(conn: Connection) -> dict[str, Any]:
    """How many months each policy asks for, and where an entry keeps what the rules about evidence said.

    A policy that cannot be read is left out: of its raises nobody can say that they had what it asks for.
    """
    months: dict[bytes, int] = {}
    for policy_hash, body in conn.execute(query("report_policies")):
        try:
            months[policy_hash] = parse_policy(body, file="a policy of the log").capacity.minimum_months
        except PolicyError:
            continue
    return {
        "policies": list(months),
        "months": list(months.values()),
        "ability": Reason.ABILITY_TO_PAY + 1,  # PostgreSQL counts from 1
        "evidence": [reason + 1 for reason in EVIDENCE],
    }


def _method(number: int) -> str:
    known = {int(method): method.name.lower() for method in Method}
    return known.get(number, str(number))
