"""What the command line says of a review, where no database is needed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from limits.cli import review
from limits.engine import story
from limits.store.gates import Event
from limits.store.reviews import Progress

BEGAN = dt.datetime(2026, 6, 30, 2, tzinfo=dt.UTC)


def at(seconds: float) -> dt.datetime:
    return BEGAN + dt.timedelta(seconds=seconds)


def event(what: Any, seconds: float) -> Event:
    return Event(1, 7, at(seconds), what, "gate", "login", "", {})


def progress(*, seen: float, finished: float | None = None, done: int = 300) -> Progress:
    return Progress(
        review_id=7, kind="scheduled", schedule="nightly", business_date=BEGAN.date(), state="done", error=None,
        started_at=BEGAN, finished_at=None if finished is None else at(finished), seen_at=at(seen), users_total=done,
        shards=1, shards_done=1, shards_leased=0, raised=0, held=done, lowered=0, quarantined=0, skipped=0,
        users_done=done,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("events", "seen", "finished", "says"),
    [
        ([], 30, None, "30.0 s, 10 users a second"),
        ([event("passed", 5)], 99, 30, "30.0 s, 10 users a second"),
        (
            [event("held", 10), event("released", 3610)],
            9999,
            3630,
            "30.0 s, 10 users a second; held for 1 h 0 min besides",
        ),
        (
            [event("held", 10), event("cancelled", 70)],
            9999,
            70,
            "10.0 s, 30 users a second; held for 1 min 0 s besides",
        ),
        ([event("held", 10)], 110, None, "10.0 s, 30 users a second; held for 1 min 40 s besides"),
        (
            [event("held", 10), event("released", 20), event("held", 25), event("released", 45)],
            999,
            60,
            "30.0 s, 10 users a second; held for 30 s besides",
        ),
    ],
    ids=["runs", "never held", "held and released", "held and cancelled", "still held", "held twice"],
)
def test_the_time_for_which_people_were_waited_for_is_apart(
    events: list[Event], seen: float, finished: float | None, says: str
) -> None:
    assert story.time_line(progress(seen=seen, finished=finished), events) == says


def test_ceilings_that_are_not_shown_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [((0, reason), 100 - reason) for reason in range(review.REASONS + 3)]
    review._print_reasons(rows)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1 + review.REASONS + 1
    assert printed[-1] == "  and 3 more, of 267 users; --json lists them all"
    review._print_reasons(rows[: review.REASONS])
    assert "more" not in capsys.readouterr().out.splitlines()[-1]
