"""Who is decided again while a review is applied takes no breaker further than the gate let through."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
from collections.abc import Callable, Iterable
from pathlib import Path

import psycopg
import pytest

from limits import engine
from limits.engine import shards
from limits.errors import ReviewRefused
from limits.settings import Settings, make_settings
from limits.store import gates, reviews
from limits.store.db import Connection, Database, Role
from limits.store.reviews import ReviewRow
from tests import builders, invariants
from tests.packs import write_pack

AS_OF = builders.AS_OF
#: Of so many users every second one is raised at first, which is just what one review may raise.
USERS = 20
RAISED = USERS // 2
BLOCKED = range(2, USERS + 1, 2)

Change = Callable[[], None]
Login = Callable[[str, Role], Connection]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return make_settings(
        database_url=settings.database_url, broker_url=None, home=settings.home, chunk_users=1, shard_users=1
    )


@pytest.fixture(autouse=True)
def users(conn: Connection) -> None:
    for user_id in range(1, USERS + 1):
        builders.add_steady_user(conn, user_id, credit_limit=300_000)
    block(conn, BLOCKED, days=2)
    builders.refresh(conn)


def block(conn: Connection, users: Iterable[int], status: str = "blocked", *, days: int = 0) -> None:
    for user_id in users:
        builders.add_profile(conn, user_id, effective_on=AS_OF - dt.timedelta(days=days), status=status)


@pytest.fixture
def policy(conn: Connection, tmp_path: Path) -> str:
    return write_pack(conn, tmp_path, breakers__raised_bps="5000")


@pytest.fixture
def ask(database: Database, settings: Settings, policy: str) -> Callable[[], ReviewRow]:
    return lambda: engine.request_review(database, settings, as_of=AS_OF, actor="Ann", policy=policy)


def work(database: Database, settings: Settings, row: ReviewRow, worker: str = "test") -> engine.Worked:
    return engine.work(database, settings, row.review_id, worker=worker)


def applied(conn: Connection, action: int = 1) -> int:
    found = conn.execute("SELECT count(*) FROM limits.adjustment_log l JOIN limits.reviews r USING (review_id) "
                         "WHERE action = %s AND r.kind = 'scheduled'", (action,)).fetchone()  # fmt: skip
    assert found is not None
    return int(found[0])


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has something happen once: between the gate and the first part that is applied, or at another place."""

    def arrange(change: Change, at: str = "apply.part") -> None:
        done: list[bool] = []

        def reach(place: str) -> None:
            if place == at and not done:
                done.append(True)
                change()

        monkeypatch.setattr(shards, "reach", reach)

    return arrange


@pytest.fixture
def overtake(database: Database, settings: Settings, policy: str) -> Callable[[Iterable[int]], None]:
    """Decides users while the review is under way, so that it has to decide them again."""

    def overtake(users: Iterable[int]) -> None:
        for user_id in users:
            engine.recompute(
                database, settings, user_id, reason="x", actor="Cy", as_of=AS_OF, apply=True, policy=policy
            )

    return overtake


@pytest.mark.parametrize("workers", [1, 3])
def test_nobody_is_raised_above_the_bound(
    database: Database, settings: Settings, conn: Connection, ask: Callable[[], ReviewRow],
    meanwhile: Callable[..., None], overtake: Callable[[Iterable[int]], None], workers: int,
) -> None:  # fmt: skip
    meanwhile(lambda: (overtake(BLOCKED), block(conn, BLOCKED, "active"))[0])
    row = ask()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for one in [pool.submit(work, database, settings, row, f"worker {number}") for number in range(workers)]:
            one.result()
    held = reviews.get(conn, row.review_id)
    assert (held.state, held.stage) == ("held", "apply")
    assert held.error is not None and held.error.startswith("users raised: 55.00%, more than 50.00%, with the users")
    assert 0 < applied(conn) <= RAISED, "nobody of them was raised"
    event = gates.events(conn, row.review_id)[-1]
    assert (event.what, event.figures["raised"], event.figures["users"]) == ("held", RAISED + 1, USERS)
    invariants.check(conn)


def test_a_person_releases_it_and_is_asked_once(
    database: Database, settings: Settings, conn: Connection, ask: Callable[[], ReviewRow],
    meanwhile: Callable[..., None], overtake: Callable[[Iterable[int]], None],
) -> None:  # fmt: skip
    meanwhile(lambda: (overtake(BLOCKED), block(conn, BLOCKED, "active"))[0])
    row = ask()
    work(database, settings, row)
    before = reviews.get(conn, row.review_id)
    assert before.state == "held"
    gates.release(conn, row.review_id, actor="Bo", reason="they were blocked by mistake")
    assert reviews.get(conn, row.review_id).released_shards == before.released_shards, "no stage is passed over"
    done = work(database, settings, row).finished
    assert done is not None and done.users_raised == USERS
    assert [event.what for event in gates.events(conn, row.review_id)] == [
        "passed", "canary", "held", "released", "canary"
    ]  # fmt: skip
    invariants.check(conn)


def test_who_is_no_longer_raised_makes_room_for_who_is(
    database: Database, settings: Settings, conn: Connection, ask: Callable[[], ReviewRow],
    meanwhile: Callable[..., None], overtake: Callable[[Iterable[int]], None],
) -> None:  # fmt: skip
    def news() -> None:
        overtake([2, 20])
        block(conn, [1, 3])
        block(conn, [2, 20], "active")

    meanwhile(news)
    row = ask()
    done = work(database, settings, row).finished
    assert done is not None and (done.users_raised, done.users_held) == (RAISED, USERS - RAISED)
    assert applied(conn) == RAISED
    shifted = conn.execute("SELECT shifted FROM limits.review_shifts").fetchone()
    assert shifted is not None
    assert {key: shifted[0][key] for key in ("users", "raised", "lowered", "before")} == {
        "users": 0, "raised": 0, "lowered": 0, "before": 0
    }  # fmt: skip
    invariants.check(conn)


def test_offers_count_as_if_they_were_taken(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path, meanwhile: Callable[..., None]
) -> None:
    pack = write_pack(conn, tmp_path, "offering", breakers__raised_bps="5000", consent__raises='"offer"')

    def news() -> None:
        for user_id in BLOCKED:
            engine.recompute(database, settings, user_id, reason="x", actor="Cy", as_of=AS_OF, apply=True, policy=pack)
        block(conn, BLOCKED, "active")

    meanwhile(news)
    row = engine.request_review(database, settings, as_of=AS_OF, actor="Ann", policy=pack)
    work(database, settings, row)
    held = reviews.get(conn, row.review_id)
    assert held.state == "held" and "users raised: 55.00%" in str(held.error)
    offered = conn.execute("SELECT count(*) FROM limits.pending_changes WHERE kind = 'offer'").fetchone()
    assert offered is not None and 0 < offered[0] <= RAISED
    invariants.check(conn)


def test_who_can_no_longer_be_decided_is_counted(
    database: Database, settings: Settings, conn: Connection, ask: Callable[[], ReviewRow],
    meanwhile: Callable[..., None],
) -> None:  # fmt: skip
    meanwhile(lambda: block(conn, [1, 3], "closed"))
    row = ask()
    done = work(database, settings, row).finished
    assert done is not None and (done.users_raised, done.users_skipped) == (RAISED - 2, 2)
    shifted = conn.execute("SELECT shifted FROM limits.review_shifts").fetchone()
    assert shifted is not None
    assert {key: shifted[0][key] for key in ("users", "raised", "skipped")} == {"users": 0, "raised": -2, "skipped": 2}
    invariants.check(conn)


@pytest.mark.parametrize("raised_at_gate", [RAISED, RAISED + 1])
def test_who_comes_to_the_same_again_holds_nothing_up(
    database: Database, settings: Settings, conn: Connection, ask: Callable[[], ReviewRow],
    meanwhile: Callable[..., None], overtake: Callable[[Iterable[int]], None], raised_at_gate: int,
) -> None:  # fmt: skip
    block(conn, BLOCKED[: raised_at_gate - RAISED], "active", days=1)
    meanwhile(lambda: overtake(BLOCKED[raised_at_gate - RAISED :]))
    several = settings.model_copy(update={"shard_users": USERS})
    row = ask()
    if raised_at_gate > RAISED:
        work(database, several, row)
        gates.release(conn, row.review_id, actor="Bo", reason="one more is fine")
    done = work(database, several, row).finished
    assert done is not None, reviews.get(conn, row.review_id).error
    invariants.check(conn)


def test_what_a_person_let_through_at_the_gate_may_be_reached_and_not_exceeded(
    database: Database, settings: Settings, conn: Connection, ask: Callable[[], ReviewRow],
    meanwhile: Callable[..., None], overtake: Callable[[Iterable[int]], None],
) -> None:  # fmt: skip
    block(conn, [2], "active", days=1)
    meanwhile(lambda: (overtake([4, 6]), block(conn, [4], "active"))[0])
    row = ask()
    work(database, settings, row)
    assert "users raised: 55.00%" in str(reviews.get(conn, row.review_id).error)
    gates.release(conn, row.review_id, actor="Bo", reason="one more is fine")
    work(database, settings, row)
    held = reviews.get(conn, row.review_id)
    assert (held.state, held.stage) == ("held", "apply") and "users raised: 60.00%" in str(held.error)
    assert applied(conn) <= RAISED + 1
    invariants.check(conn)


@pytest.mark.parametrize("at", ["apply.part", "again.decided"])
def test_whoever_is_at_it_when_a_review_is_held_gives_the_shard_back(
    database: Database, settings: Settings, conn: Connection, ask: Callable[[], ReviewRow],
    meanwhile: Callable[..., None], overtake: Callable[[Iterable[int]], None], at: str,
) -> None:  # fmt: skip
    row = ask()

    def hold() -> None:
        gates.hold(conn, row.review_id, actor="gate", reason="x", figures={})

    meanwhile(lambda: (overtake(BLOCKED), meanwhile(hold, at=at))[0])
    assert work(database, settings, row).state == "waits"
    assert conn.execute("SELECT shard FROM limits.shards WHERE state = 'leased' OR error IS NOT NULL").fetchall() == []
    gates.release(conn, row.review_id, actor="Bo", reason="fine")
    assert work(database, settings, row).finished is not None
    invariants.check(conn)


# News ---------------------------------------------------------------------------------------------


def test_who_is_decided_again_after_news_is_raised_all_the_same(
    database: Database, settings: Settings, conn: Connection, ask: Callable[[], ReviewRow],
    meanwhile: Callable[..., None],
) -> None:  # fmt: skip
    meanwhile(lambda: block(conn, [1, 3], "active"))
    row = ask()
    done = work(database, settings, row).finished
    assert done is not None and done.users_raised == RAISED, "the news were no reason against it"
    invariants.check(conn)


def test_news_of_while_a_shard_is_decided_are_news(
    database: Database, settings: Settings, conn: Connection, ask: Callable[[], ReviewRow],
    meanwhile: Callable[..., None],
) -> None:  # fmt: skip
    meanwhile(lambda: block(conn, [1]), at="decide.decided")
    row = ask()
    done = work(database, settings, row).finished
    assert done is not None and done.users_raised == RAISED - 1, "read before they came, kept after"
    invariants.check(conn)


def test_an_import_that_began_before_and_ended_after_brings_news(
    database: Database, settings: Settings, conn: Connection, ask: Callable[[], ReviewRow],
    meanwhile: Callable[..., None],
) -> None:  # fmt: skip
    with database.connect("owner", "import") as importing:
        importing.execute("BEGIN")
        row = ask()
        meanwhile(lambda: (block(importing, [1]), importing.execute("COMMIT"))[0], at="decide.decided")
        done = work(database, settings, row).finished
    assert done is not None and done.users_raised == RAISED - 1
    invariants.check(conn)


# Who may ------------------------------------------------------------------------------------------


def test_only_the_holder_of_a_lease_adds_to_it(
    database: Database, settings: Settings, conn: Connection, ask: Callable[[], ReviewRow], login: Login
) -> None:
    row = ask()
    assert work(database, settings, row).finished is not None
    with pytest.raises(ReviewRefused):
        gates.release(conn, row.review_id, actor="Bo", reason="x")
    statement = "SELECT * FROM limits.shift_review(%s, 0, 2, '{\"raised\": -5}')"
    with pytest.raises(Exception, match="no longer held"):
        login("limits_test_one", "worker").execute(statement, (row.review_id,))
    with pytest.raises(Exception, match="permission denied"):
        login("limits_test_two", "operations").execute(statement, (row.review_id,))


@pytest.mark.parametrize("raised", ["null", '"NaN"', '"-Infinity"', "-1e5000"])
def test_what_is_no_sum_is_not_added(
    database: Database, settings: Settings, conn: Connection, ask: Callable[[], ReviewRow], login: Login,
    meanwhile: Callable[..., None], raised: str,
) -> None:  # fmt: skip
    row, refused, by = ask(), [], f'{{"raised": {raised}}}'

    def add() -> None:
        held = conn.execute("SELECT review_id, shard, token FROM limits.shards WHERE state = 'leased'").fetchone()
        assert held is not None
        try:
            login("limits_test_one", "worker").execute("SELECT limits.shift_review(%s, %s, %s, %s)", (*held, by))
        except psycopg.errors.CheckViolation as error:
            refused.append(error)

    meanwhile(add, at="apply.committed")
    assert work(database, settings, row).finished is not None
    assert refused
