"""What `limits review run` says beside the review, where it is not what whoever asked may expect."""

from __future__ import annotations

import datetime as dt

import pytest

from limits.cli.review import _note_nobody, _there_already
from limits.store.reviews import ReviewRow

DAY = dt.date(2026, 6, 30)


def row(state: str, *, users: int = 10, aside: int = 0) -> ReviewRow:
    noon = dt.datetime(2026, 6, 30, 12, tzinfo=dt.UTC)
    return ReviewRow(
        review_id=7, kind="scheduled", schedule="nightly", business_date=DAY, state=state, policy_hash=b"", actor="Ann",
        reason="", idempotency_key=None, users_total=users, users_raised=0, users_held=users - aside, users_lowered=0,
        users_quarantined=aside - aside // 2, users_skipped=aside // 2, exposure_before_minor=0, exposure_after_minor=0,
        error=None, created_at=noon, started_at=noon, finished_at=noon,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("done", "has been reviewed as of 2026-06-30 (review 7): nothing was changed now"),
        ("cancelled", "(review 7) is cancelled: nothing was changed now; another --schedule can review the date"),
        ("running", "review 7 of schedule nightly as of 2026-06-30 is there already; seeing it through"),
        ("held", "is there already; seeing it through"),
    ],
)
def test_a_review_that_is_there_already(state: str, says: str) -> None:
    assert says in _there_already(row(state), "nightly", DAY)


@pytest.mark.parametrize(
    ("made", "noted"),
    [
        (row("done", users=5, aside=5), True),
        (row("done", users=5, aside=4), False),
        (row("done", users=0), False),
        (row("cancelled", users=5, aside=5), False),
    ],
    ids=["nobody", "somebody", "no users", "not done"],
)
def test_a_review_that_decided_nobody(capsys: pytest.CaptureFixture[str], made: ReviewRow, noted: bool) -> None:
    _note_nobody(made)
    said = capsys.readouterr().err
    assert ("nobody was decided: all 5 users were set aside" in said) is noted
