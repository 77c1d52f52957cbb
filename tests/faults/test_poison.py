"""A user at whom the engine breaks: set aside with the reason, and everybody else is decided."""

from __future__ import annotations

import pytest

from limits.store import reviews
from tests.faults.nights import OVERTAKEN, Night, Result

pytestmark = pytest.mark.slow

#: One whom deciding comes to, and one who is decided again when the review is applied.
USER, AGAIN = 20, OVERTAKEN[-1]


def aside(night: Night) -> dict[int, tuple[str, str]]:
    rows = reviews.exceptions(night.conn, night.review_id)
    return {row["user_id"]: (row["outcome"], row["reason"]) for row in rows}


def assert_all_but(result: Result, undisturbed: Result, user_id: int) -> None:
    """The others got what they would have got; the digests are those of other portfolios, so they are left out."""
    for name in ("decisions", "lines", "outbox", "notices"):
        expected = [row[:20] for row in undisturbed[name] if row[0] != user_id]
        assert [row[:20] for row in result[name] if name != "lines" or row[0] != user_id] == expected, name


def test_at_a_user_who_is_decided(night: Night, undisturbed: Result) -> None:
    """Set aside when all is decided: whoever applies it, and could get through, does not come to the user again."""
    night.hurt("gate.advanced=kill", poison=USER)
    assert aside(night)[USER] == ("quarantined", "engine_error")
    assert f"cannot get through user {USER}" in night.workers[-1].said()
    assert_all_but(night.finish(), undisturbed, USER)
    assert aside(night)[USER] == ("quarantined", "engine_error")


def test_at_a_user_who_is_decided_again_while_the_review_is_applied(night: Night, undisturbed: Result) -> None:
    night.hurt("gate.advanced=kill")
    worker = night.worker(poison=AGAIN)
    assert worker.wait() == 0, worker.said()
    assert_all_but(night.result(), undisturbed, AGAIN)
    assert aside(night)[AGAIN] == ("quarantined", "engine_error")
    review = reviews.get(night.conn, night.review_id)
    assert (review.state, review.users_quarantined) == ("done", 2)
