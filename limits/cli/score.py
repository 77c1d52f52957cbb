"""What the scorecard said of a user when a logged decision was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limits.engine.scoring import Score
    from limits.store.db import Connection
    from limits.store.log import LogEntry


def of_entry(conn: Connection, entry: LogEntry) -> Score | str | None:
    """The score; None where nobody was scored; why it is not known any more."""
    from limits.engine.scoring import Scores
    from limits.errors import NotFound, RiskModelError, SnapshotError
    from limits.settings import get_settings

    try:
        return Scores(conn, get_settings().snapshot_store).of(entry)
    except (NotFound, SnapshotError, RiskModelError) as error:
        return str(error)


def as_dict(score: Score | str | None) -> dict[str, Any]:
    """For a machine: under ``risk``, null where nobody was scored."""
    if isinstance(score, str):
        return {"risk": {"not_known": score}}
    return {"risk": None if score is None else score.as_dict()}
