"""A user asks for a higher limit: answered once, by the engine of every night, whatever is said of raises unasked."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from limits import engine
from limits.engine import asking
from limits.errors import InputError, KeyReused, NotFound, ReviewRefused
from limits.money import Money
from limits.settings import Settings
from limits.store import pending, reviews
from limits.store.db import Connection, Database
from tests import builders, invariants
from tests.packs import write_pack

AS_OF = builders.AS_OF
DAY = dt.timedelta(days=1)
BEFORE = 500_000
#: The most that one review raises the user by.
MOST = 600_000


@pytest.fixture(autouse=True)
def user(conn: Connection) -> Iterator[None]:
    """User 1 may be raised, and has not agreed to be without asking."""
    builders.add_steady_user(conn, 1, credit_limit=BEFORE, observed_from=dt.date(2024, 7, 1), raise_consent=False)
    builders.refresh(conn)
    yield
    invariants.check(conn)


def ask(database: Database, settings: Settings, minor: int = 560_000, **given: object) -> engine.Answer:
    values = {"key": "form 1", "actor": "phone", "as_of": AS_OF, **given}
    return engine.request_limit(database, settings, 1, Money(minor, "CNY"), **values)  # type: ignore[arg-type]


def rows(conn: Connection) -> list[tuple[int, str]]:
    return conn.execute("SELECT amount_minor, answer FROM limits.limit_requests ORDER BY request_id").fetchall()


def told(conn: Connection) -> list[tuple[str, dt.date]]:
    return conn.execute("SELECT kind, due_on FROM limits.notices ORDER BY notice_id").fetchall()


def limit(conn: Connection) -> int:
    return pending.line_of(conn, 1).limit_minor


def test_what_may_be_is_granted_without_consent_to_raises(
    database: Database, settings: Settings, conn: Connection
) -> None:
    night = engine.recompute(database, settings, 1, reason="review", actor="night", as_of=AS_OF)
    assert [reason.name for reason in night.entry.reasons][:1] == ["NO_CONSENT"]
    made = ask(database, settings)
    assert (made.request.answer, made.entry.limit_after_minor, limit(conn)) == ("granted", 560_000, 560_000)
    assert made.entry.review_reason == "asked for 5,600.00 CNY"
    assert (made.request.review_id, made.request.asked_on) == (made.entry.review_id, AS_OF)
    assert told(conn) == [("raised", AS_OF)]


def test_more_than_may_be_is_granted_in_part_and_explained(
    database: Database, settings: Settings, conn: Connection
) -> None:
    made = ask(database, settings, 900_000)
    assert (made.request.answer, limit(conn)) == ("partly_granted", MOST)
    assert "STEP_CAP" in [reason.name for reason in made.entry.reasons]
    assert told(conn) == [("refused", AS_OF + 30 * DAY)]


def test_what_may_not_be_is_refused_and_explained(database: Database, settings: Settings, conn: Connection) -> None:
    builders.add_credit_check(conn, 1, AS_OF - DAY, active_lenders=4)
    made = ask(database, settings)
    assert (made.request.answer, limit(conn)) == ("refused", BEFORE)
    assert "MANY_LENDERS" in [reason.name for reason in made.entry.reasons]
    assert told(conn) == [("refused", AS_OF + 30 * DAY)]
    assert rows(conn) == [(560_000, "refused")]


@pytest.mark.parametrize("raises", ["offer", "notice", "on_request"])
def test_who_asks_is_raised_at_once_however_others_are(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path, raises: str
) -> None:
    policy = write_pack(conn, tmp_path, consent__raises=f'"{raises}"')
    assert ask(database, settings, policy=policy).request.answer == "granted"
    assert limit(conn) == 560_000
    assert pending.changes(conn) == []


def test_a_second_click_gives_the_first_answer(database: Database, settings: Settings, conn: Connection) -> None:
    first = ask(database, settings)
    again = ask(database, settings, as_of=None)
    assert again.repeated
    assert (again.request, again.entry) == (first.request, first.entry)
    assert rows(conn) == [(560_000, "granted")]
    with pytest.raises(KeyReused, match="form 1"):
        ask(database, settings, 580_000)
    engine.recompute(database, settings, 1, reason="r", actor="a", as_of=AS_OF, apply=True, key="ticket")
    with pytest.raises(KeyReused, match="ticket"):
        ask(database, settings, 580_000, key="ticket")
    assert len(rows(conn)) == 1


def test_many_clicks_ask_once(database: Database, settings: Settings, conn: Connection) -> None:
    made: list[engine.Answer] = []
    threads = [threading.Thread(target=lambda: made.append(ask(database, settings))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6
    assert sum(not one.repeated for one in made) == 1
    assert len({one.request.request_id for one in made}) == 1
    assert len(rows(conn)) == 1


def test_an_amount_off_the_grid_is_rounded_down(database: Database, settings: Settings, conn: Connection) -> None:
    made = ask(database, settings, 565_050)
    assert (made.asked_minor, made.request.amount_minor, made.request.answer) == (565_050, 560_000, "granted")
    assert told(conn) == [("raised", AS_OF)]


def test_what_cannot_be_asked_says_why_and_leaves_nothing(
    database: Database, settings: Settings, conn: Connection
) -> None:
    for minor in (0, BEFORE, BEFORE + 9_999):
        with pytest.raises(InputError, match=r"has a limit of 5,000\.00 CNY; ask for a higher amount"):
            ask(database, settings, minor)
    with pytest.raises(InputError, match="ask for an amount in CNY"):
        engine.request_limit(database, settings, 1, Money(900_000, "CZK"), key="k", actor="a", as_of=AS_OF)
    with pytest.raises(ReviewRefused, match="is in CZK, not CNY; name another policy"):
        ask(database, settings, policy="cz")
    with pytest.raises(ReviewRefused, match="lies in the future"):
        ask(database, settings, as_of=asking.today() + DAY)
    with pytest.raises(NotFound, match="user 9 has no credit line"):
        engine.request_limit(database, settings, 9, Money(900_000, "CNY"), key="k", actor="a", as_of=AS_OF)
    assert rows(conn) == []
    assert conn.execute("SELECT count(*) FROM limits.reviews").fetchone() == (0,)


def test_a_user_on_the_list_of_a_review_is_answered_at_once(
    database: Database, settings: Settings, conn: Connection
) -> None:
    row = engine.request_review(database, settings, as_of=AS_OF, actor="night")
    reviews.plan(conn, row.review_id, shard_users=10)
    assert ask(database, settings).request.answer == "granted"
    assert engine.work(database, settings, row.review_id, worker="test").finished is not None
    invariants.check(conn)


def test_who_asks_again_and_again_is_probing(database: Database, settings: Settings, conn: Connection) -> None:
    builders.add_credit_check(conn, 1, AS_OF - DAY, active_lenders=4)
    for number in range(3):
        made = ask(database, settings, key=f"form {number}", as_of=AS_OF + number * DAY)
        assert "PROBING" not in [reason.name for reason in made.entry.reasons]
    builders.add_credit_check(conn, 1, AS_OF + 2 * DAY, active_lenders=1)
    made = ask(database, settings, key="form 4", as_of=AS_OF + 3 * DAY)
    assert made.request.answer == "refused"
    assert [reason.name for reason in made.entry.reasons] == ["PROBING"]
    assert len(rows(conn)) == 4


def test_a_request_while_an_offer_is_open_names_it(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    policy = write_pack(conn, tmp_path, consent__raises='"offer"', raise__consent="false")
    engine.recompute(database, settings, 1, reason="review", actor="night", as_of=AS_OF, apply=True, policy=policy)
    made = ask(database, settings)
    assert made.request.answer == "refused"
    assert [reason.name for reason in made.entry.reasons] == ["CHANGE_PENDING"]
    assert made.waiting is not None
    assert made.waiting.proposed_minor == MOST


def test_who_asks_for_more_and_is_cut_is_told_of_both(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    policy = write_pack(conn, tmp_path, consent__cuts='"notice"')
    builders.add_credit_check(conn, 1, AS_OF - DAY, active_lenders=6)
    made = ask(database, settings, policy=policy)
    assert (made.request.answer, made.entry.outcome, limit(conn)) == ("refused", "announced", BEFORE)
    assert made.waiting is not None
    assert not made.waiting.is_raise
