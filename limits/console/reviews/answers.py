"""What is told of reviews, for the API and the pages alike."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, Field

from limits.console.paging import Page, cursor_of, page_of, place_of
from limits.store import reviews
from limits.store.db import Connection
from limits.store.reviews import ReviewRow


class ReviewSummary(BaseModel):
    """A review as a row of a list. Counts and sums are null until it is done."""

    review_id: int
    schedule: str | None
    as_of: dt.date
    state: str = Field(description="owed, running, held, done, failed or cancelled")
    stage: str
    actor: str
    users: int | None
    raised: int | None
    held: int | None
    lowered: int | None
    exposure_before_minor: int | None
    exposure_after_minor: int | None
    error: str | None
    created_at: dt.datetime
    finished_at: dt.datetime | None

    @classmethod
    def of(cls, row: ReviewRow) -> ReviewSummary:
        """From the row of the store."""
        return cls(
            review_id=row.review_id,
            schedule=row.schedule,
            as_of=row.business_date,
            state=row.state,
            stage=row.stage,
            actor=row.actor,
            users=row.users_total,
            raised=row.users_raised,
            held=row.users_held,
            lowered=row.users_lowered,
            exposure_before_minor=row.exposure_before_minor,
            exposure_after_minor=row.exposure_after_minor,
            error=row.error,
            created_at=row.created_at,
            finished_at=row.finished_at,
        )


def listing(
    conn: Connection, *, schedule: str | None, state: str | None = None, limit: int, cursor: str | None
) -> Page[ReviewSummary]:
    """Reviews of schedules, the newest first."""
    before = place_of(cursor, int)
    rows = reviews.list_reviews(
        conn, limit=limit + 1, schedule=schedule, state=state, before=before[0] if before else None
    )
    return Page[ReviewSummary](**page_of(rows, limit, ReviewSummary.of, lambda row: cursor_of(row.review_id)))
