"""Whether what is asked of the log is there at all: a number or a name mistyped is not the same as nothing found."""

from __future__ import annotations

from limits.errors import NotFound
from limits.store import reviews
from limits.store.db import Connection
from limits.store.log import LogFilter
from limits.store.queries import query


def require_user(conn: Connection, user_id: int) -> None:
    """NotFound for a user of whom there is neither a line nor an entry."""
    row = conn.execute(query("reconcile_known"), {"user_id": user_id}).fetchone()
    if not (row and row[0]):
        raise NotFound(f"there is no user {user_id} with a credit line")


def require_there(conn: Connection, wanted: LogFilter) -> None:
    """NotFound where the review or the user of a filter is not there."""
    if wanted.review_id is not None:
        reviews.get(conn, wanted.review_id)
    if wanted.user_id is not None:
        require_user(conn, wanted.user_id)


def require_actor(conn: Connection, wanted: LogFilter) -> None:
    """NotFound where no review was by the actor of a filter; it names some who were."""
    if wanted.actor is None:
        return
    row = conn.execute(query("log_actors"), {"actor": wanted.actor}).fetchone()
    there, actors = row or (False, [])
    if not there and actors:
        names = ", ".join(repr(name) for name in actors)
        raise NotFound(f"no entry of the log is by {wanted.actor!r}; the newest are by {names}")
