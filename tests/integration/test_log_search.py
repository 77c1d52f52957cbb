"""A search of the log finds what one reading of all of it finds, in whatever pieces, and is narrowed by its reviews."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random

import pytest

from limits.reasons import Reason
from limits.store import log_search
from limits.store.db import Connection
from limits.store.log import LogFilter, page
from tests import logbook

FIRST = dt.date(2026, 2, 3)
DAYS = 40
RARE = Reason.CONFIRMED_FRAUD


@pytest.fixture
def policies(conn: Connection) -> list[bytes]:
    """Forty days with few entries each and wide gaps between their numbers, as rolled back transactions leave them.

    The two reviews of a day run at once; and there are recomputes of one user each by people.
    """
    dice = random.Random(7)
    logbook.unguard(conn)
    rows = conn.execute("SELECT policy_hash FROM limits.policies ORDER BY policy_hash LIMIT 2").fetchall()
    known = [bytes(row[0]) for row in rows]
    number = 1
    for day in range(DAYS):
        as_of, policy = FIRST + dt.timedelta(days=2 * day), known[day >= 10]
        at = dt.datetime.combine(as_of, dt.time(22), dt.UTC)
        times = {"created_at": at, "started_at": at, "finished_at": at + dt.timedelta(hours=2)}
        both = [
            logbook.add_review(
                conn, as_of, policy, kind="scheduled", schedule=name, idempotency_key=None, actor="scheduler", **times
            )
            for name in ("east", "west")
        ]
        people = ["Once Only"] if day == 3 else ["Ann Lee"] if day % 4 == 0 else []
        for place in range(8):
            number += dice.randrange(1, 900)
            logbook.add_entry(
                conn, dice.choice(both), 100 + place, as_of, policy_hash=policy, entry_id=number, actor="scheduler",
                decided_at=at + dt.timedelta(minutes=10 * place), currency="EUR" if day == 5 else "CZK",
                limit_after_minor=dice.choice([1000, 1000, 1000, 1500, 400]),
                reason_bits=1 << Reason.PAST_DUE | (1 << RARE if (day, place) in ((2, 3), (30, 1)) else 0),
            )  # fmt: skip
        for actor in people:
            review = logbook.add_review(conn, as_of, policy, actor=actor, **times)
            conn.execute(
                "INSERT INTO limits.shards (review_id, shard, user_from, user_to, user_ids, users_total)"
                " VALUES (%s, 0, 7, 7, '{7}', 1)",
                (review,),
            )
            number += 1
            logbook.add_entry(
                conn, review, 7, as_of, policy_hash=policy, entry_id=number, actor=actor, decided_at=at
            )  # fmt: skip
    return known


def asked(known: list[bytes]) -> list[LogFilter]:
    old = FIRST + dt.timedelta(days=10)
    some = [
        LogFilter(), LogFilter(user_id=103), LogFilter(actor="Ann Lee"), LogFilter(actor="Once Only"),
        LogFilter(actor="scheduler"), LogFilter(actor="nobody"), LogFilter(policies=(known[0],)),
        LogFilter(policies=tuple(known)), LogFilter(as_of_from=old, as_of_to=old), LogFilter(as_of_to=old),
        LogFilter(as_of_from=dt.date(2026, 4, 1)), LogFilter(as_of_from=dt.date(2027, 1, 1)),
        LogFilter(currency="EUR"), LogFilter(currency="JPY"), LogFilter(reasons=(RARE,)),
        LogFilter(reasons=(RARE, Reason.PAST_DUE)), LogFilter(reasons=(Reason.DORMANT,)),
        LogFilter(action=1, disposition=0),
        LogFilter(action=0, disposition=0), LogFilter(min_change_minor=500, currency="CZK"),
        LogFilter(max_change_minor=100, currency="CZK"), LogFilter(min_share_bps=5500),
        LogFilter(disposition=2, action=0),
        LogFilter(policies=(known[0],), action=-1), LogFilter(actor="Ann Lee", policies=(known[0],)),
    ]  # fmt: skip
    return some + [LogFilter(review_id=number) for number in (1, 2, 5, 40, 88)]


@pytest.mark.parametrize("seconds", [10.0, -1.0])
def test_every_filter_finds_the_same_as_one_reading(conn: Connection, policies: list[bytes], seconds: float) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(log_search, "FIRST_WINDOW", 2_000 if seconds > 0 else 5_000)
        for wanted in asked(policies):
            expected = page(conn, wanted, limit=1000)
            found, after, pages = [], None, 0
            while True:
                one = log_search.search(conn, wanted, limit=7, after=after, seconds=seconds)
                assert len(one.entries) <= 7 and (one.back_to is None or len(one.entries) < 7)
                assert after is None or one.after is None or one.after < after, "it goes on, and ends"
                found += one.entries
                after, pages = one.after, pages + 1
                if after is None:
                    break
            assert found == expected, wanted
            assert seconds < 0 or pages <= max(1, -(-len(expected) // 7)), wanted


def test_what_is_asked_of_the_review_leads_to_its_numbers(
    conn: Connection, policies: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first window lies where the entries are, however much was decided since."""
    windows = []
    before = log_search._window

    def watched(conn: Connection, wanted: LogFilter, low: int, high: int, limit: int) -> list[int]:
        windows.append((low, high))
        return before(conn, wanted, low, high, limit)

    monkeypatch.setattr(log_search, "_window", watched)
    top = page(conn, LogFilter(), limit=1)[0].entry_id
    for wanted in (LogFilter(policies=(policies[0],)), LogFilter(review_id=12), LogFilter(as_of_to=FIRST)):
        newest = page(conn, wanted, limit=1)[0].entry_id
        windows.clear()
        log_search.search(conn, wanted, limit=1)
        assert newest < windows[0][1] < newest + 12_000 < top, wanted
    windows.clear()
    assert len(log_search.search(conn, LogFilter(actor="Ann Lee"), limit=50).entries) == DAYS // 4
    assert log_search.search(conn, LogFilter(actor="nobody"), limit=50).entries == []
    assert not windows, "reviews of one user are looked up one by one"


def test_what_changes_has_an_index(conn: Connection, policies: list[bytes]) -> None:
    assert LogFilter(action=1).changes and LogFilter(disposition=2).changes and LogFilter(min_share_bps=1).changes
    assert not LogFilter(action=0, disposition=0).changes and not LogFilter(min_change_minor=0).changes
    everything = {field.name for field in dataclasses.fields(LogFilter)}
    assert everything <= set(LogFilter().parameters()) | {"reasons"}
