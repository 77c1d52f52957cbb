"""Replay: every entry of a lively world comes out as it was logged, and whatever was altered is found and named."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limits import engine
from limits.capacity import combining
from limits.cli import run
from limits.errors import NotFound
from limits.money import Money
from limits.portfolio import PaymentRecord, Portfolio
from limits.settings import Settings, make_settings
from limits.store import pending, snapshot_bytes, snapshots
from limits.store.db import Connection, Database
from tests import builders, invariants
from tests.packs import write_pack
from tests.replays import AS_OF, DAY, USERS, count, decide, fill, review, steady, tamper

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cut(conn: Connection) -> None:
    fill(conn)


@pytest.fixture
def one_review(database: Database, settings: Settings, conn: Connection, cut: None) -> int:
    """A review that raises, holds and cuts at once."""
    return review(database, settings, settings.policy)


@pytest.fixture
def world(database: Database, settings: Settings, conn: Connection, tmp_path: Path, cut: None) -> None:
    """Every way in which an entry comes about."""
    offers = write_pack(conn, tmp_path, "offers", consent__raises='"offer"', consent__cuts='"notice"')
    announces = write_pack(conn, tmp_path, "announces", consent__raises='"notice"', consent__cuts='"notice"')
    budget = write_pack(conn, tmp_path, "budget", breakers__population_bps="1000000\n\n[budget]\nexposure_bps = 200")
    review(database, settings, offers)
    changes = {change.user_id: change for change in pending.changes(conn)}
    assert {changes[1].kind, changes[2].kind} == {"offer", "announced"}
    engine.accept(database, changes[1].change_id, key="click", actor="phone", as_of=AS_OF + DAY, policy=offers)
    engine.decline(database, changes[4].change_id, actor="phone", reason="no", as_of=AS_OF + DAY)
    # A cut and a raise that were announced take effect; of another cut, and of a raise that is no longer wanted,
    # nothing is left.
    builders.add_credit_check(conn, 5, AS_OF + 3 * DAY, active_lenders=1)
    steady(conn, 20, 21, 22)
    builders.refresh(conn)
    for user_id in (20, 21):
        decide(database, settings, user_id, announces)
    profile = {"raise_consent": False, "observed_from": dt.date(2024, 7, 1), "observed_through": AS_OF}
    builders.add_profile(conn, 20, AS_OF + DAY, **profile)
    due = engine.due_changes(database, AS_OF + 31 * DAY, actor="clock")
    assert (due.applied, due.suppressed, due.waiting) == (2, 2, {})
    for user_id, key in ((22, "granted"), (3, "refused")):
        engine.request_limit(
            database, settings, user_id, Money(2_500_000, "CNY"), key=key, actor="Ann", as_of=AS_OF + DAY
        )
    # Raises that a budget cuts are decided again within their review.
    steady(conn, *range(30, 38))
    builders.refresh(conn)
    review(database, settings, budget, AS_OF + 32 * DAY, meanwhile=[30, 6])
    invariants.check(conn)


@pytest.fixture
def limits(database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.setenv("LIMITS_DATABASE_URL", database.url)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["log", "replay", *arguments])
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def replayed(limits: Call) -> Callable[..., tuple[int, dict[str, Any]]]:
    def call(*arguments: str) -> tuple[int, dict[str, Any]]:
        code, out, _ = limits(*arguments, "--json")
        return code, json.loads(out)

    return call


# Equal --------------------------------------------------------------------------------------


def test_every_entry_of_a_lively_world_comes_out_as_it_was(
    conn: Connection, world: None, replayed: Callable[..., tuple[int, dict[str, Any]]]
) -> None:
    said = dict(conn.execute("SELECT kind, count(*) FROM limits.notices GROUP BY kind").fetchall())
    assert set(said) >= {"lowered", "offered", "announced", "withdrawn", "refused"}, said
    snapshots_of = (
        "SELECT review_id FROM limits.adjustment_log GROUP BY review_id HAVING count(DISTINCT input_digest) > 1"
    )
    assert conn.execute(snapshots_of.encode()).fetchone(), "some are decided again within their review"
    code, found = replayed("--all")
    assert (code, found["differences"], found["failures"]) == (0, [], [])
    assert found["equal"] == found["entries"] == count(conn)
    for (review_id,) in conn.execute("SELECT DISTINCT review_id FROM limits.adjustment_log").fetchall():
        assert replayed("--review", str(review_id))[1]["ok"]
    for (entry_id,) in conn.execute("SELECT entry_id FROM limits.adjustment_log").fetchall():
        code, found = replayed(str(entry_id))
        assert (code, found["equal"], found["entries"]) == (0, 1, 1)


def test_without_the_word_that_it_carries_out_a_change_an_entry_differs(
    conn: Connection, world: None, replayed: Callable[..., tuple[int, dict[str, Any]]]
) -> None:
    """The one thing that a decision depends on beside its snapshot, policy and code."""
    tamper(conn, "UPDATE limits.reviews SET change_id = NULL WHERE change_id IS NOT NULL")
    code, found = replayed("--all")
    assert code == 1
    assert {"disposition", "notice", "limit_after_minor"} <= set(found["fields"])


def test_what_it_says(limits: Call, conn: Connection, one_review: int) -> None:
    code, out, err = limits("--review", str(one_review))
    assert (code, err) == (0, "")
    assert out == "9 entries decided again from 5 snapshots: all equal to the log, byte for byte\n"


def test_an_empty_log(limits: Call) -> None:
    assert limits("--all")[:2] == (0, "the log has no entries: nothing was compared\n")


def test_what_is_not_there(limits: Call, one_review: int) -> None:
    code, _, err = limits("--review", str(one_review + 1))
    assert code == 2 and f"the log has no entry of review {one_review + 1}" in err
    code, _, err = limits("999999")
    assert code == 2 and "there is no log entry 999999" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say what to replay"),
        (("1", "--all"), "one of the three"),
        (("--all", "--review", "1"), "one of the three"),
        (("1", "--sample", "5"), "one entry is not sampled"),
        (("--all", "--seed", "5"), "--seed is for --sample"),
        (("0",), "is not a number from 1"),
        (("--all", "--sample", "0"), "'--sample': Input should be greater than or equal to 1"),
    ],
)
def test_bad_arguments_are_one_sentence(limits: Call, arguments: tuple[str, ...], words: str) -> None:
    code, _, err = limits(*arguments)
    assert code == 2 and words in err and err.count("\n") == 1


def test_more_entries_than_are_read_at_a_time(
    database: Database, conn: Connection, one_review: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from limits.store import logged

    read = logged.entries
    monkeypatch.setattr(logged, "entries", lambda conn, group: read(conn, group, at_once=2))
    done: list[tuple[int, int]] = []
    found = engine.replay_log(conn, review_id=one_review, progress=lambda *of: done.append(of))
    assert (found.equal, found.entries, done[-1]) == (USERS, USERS, (USERS, USERS))
    picked = engine.replay_log(conn, sample=engine.Sample(4, 1))
    assert (picked.equal, picked.entries) == (4, 4)


# Samples ------------------------------------------------------------------------------------


def test_a_sample_is_drawn_by_its_seed(
    conn: Connection, world: None, replayed: Callable[..., tuple[int, dict[str, Any]]], limits: Call
) -> None:
    """Every entry is altered, so that the entries drawn are listed."""
    tamper(conn, "UPDATE limits.adjustment_log SET capacity_p50_minor = capacity_p50_minor + 1")
    everything = count(conn)

    def drawn(*arguments: str) -> tuple[list[int], int]:
        code, found = replayed("--all", "--limit", "10000", "--sample", *arguments)
        assert code == 1 and found["entries"] == found["differing"] == len(found["differences"])
        return [one["entry_id"] for one in found["differences"]], found["seed"]

    first, seed = drawn("5", "--seed", "7")
    assert (len(set(first)), seed) == (5, 7)
    assert drawn("5", "--seed", "7") == (first, 7)
    some, seed = drawn("5")
    assert drawn("5", "--seed", str(seed))[0] == some
    assert len(drawn("1000")[0]) == everything
    seen = {e.entry_id for seed in range(60) for e in engine.replay_log(conn, sample=engine.Sample(5, seed)).shown}
    assert len(seen) == everything, "every entry can be drawn"
    code, out, _ = limits("--all", "--sample", "2", "--seed", "3")
    assert code == 1 and out.endswith("a sample by --seed 3\n")


# Other code ---------------------------------------------------------------------------------


def test_a_library_that_alters_a_forecast_is_caught(
    conn: Connection, one_review: int, replayed: Callable[..., tuple[int, dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A constant of the forecast that is a hundredth off."""
    monkeypatch.setattr(combining, "Correlation", functools.partial(combining.Correlation, usual=0.87))
    code, found = replayed("--all")
    assert code == 1
    assert found["differing"] == USERS - 1, "of the one of whom nothing is known there is no forecast"
    assert set(found["fields"]) >= {"capacity_p10_minor", "ceiling ability_to_pay"}


def test_entries_of_another_code_are_compared_all_the_same(
    limits: Call, conn: Connection, one_review: int, replayed: Callable[..., tuple[int, dict[str, Any]]]
) -> None:
    tamper(conn, "UPDATE limits.adjustment_log SET code_version = '0.0.9+older' WHERE user_id < 5")
    code, out, _ = limits("--all")
    assert code == 0
    assert (
        f"4 entries were written by code 0.0.9+older, this is {engine.code_version()}; compared all the same\n" in out
    )
    # A rule that the older code did not know, and that does not bound now: equal as far as the log goes.
    tamper(conn, "UPDATE limits.adjustment_log SET ceilings_minor = trim_array(ceilings_minor, 1) WHERE user_id < 5")
    assert limits("--all")[0] == 0
    tamper(conn, "UPDATE limits.adjustment_log SET floor_minor = floor_minor + 1 WHERE user_id = 4")
    code, out, _ = limits("--all")
    assert code == 1 and "1 differ, which may come from the code alone; replay them with 0.0.9+older" in out
    _, found = replayed("--all")
    assert found["written_by"] == {
        "0.0.9+older": {"entries": 4, "differing": 1}, engine.code_version(): {"entries": 5, "differing": 0},
    }  # fmt: skip
    assert found["differences"][0]["code_version"] == "0.0.9+older"


def test_rules_that_this_code_does_not_know(
    conn: Connection, one_review: int, replayed: Callable[..., tuple[int, dict[str, Any]]]
) -> None:
    tamper(
        conn, "UPDATE limits.adjustment_log SET code_version = '9.0', ceilings_minor = ceilings_minor || 5::bigint "
        "WHERE user_id = 4",
    )  # fmt: skip
    code, found = replayed("--all")
    assert code == 1
    assert {"field": "ceiling 52", "log": 5, "replay": None} in found["differences"][0]["fields"]


# Gone or damaged ----------------------------------------------------------------------------


def failure(found: dict[str, Any]) -> str:
    """What is said of entries that cannot be decided again; of all the same."""
    assert found["failed"] == sum(one["entries"] for one in found["failures"]) > 0
    assert found["failures_in_all"] == len(found["failures"])
    (words,) = {re.sub(r"[0-9a-f]{64}|[0-9,]+ bytes", "DIGEST", one["error"]) for one in found["failures"]}
    return str(words)


def test_a_policy_that_is_gone_or_altered(
    conn: Connection, one_review: int, replayed: Callable[..., tuple[int, dict[str, Any]]], limits: Call
) -> None:
    tamper(
        conn, "UPDATE limits.policies SET body = body || '# more' WHERE policy_hash IN (SELECT policy_hash FROM "
        "limits.adjustment_log)",
    )  # fmt: skip
    code, found = replayed("--all")
    assert code == 1 and "has another text than that hash" in failure(found)
    tamper(conn, "DELETE FROM limits.policies WHERE policy_hash IN (SELECT policy_hash FROM limits.adjustment_log)")
    code, found = replayed("--all")
    assert (code, found["failed"]) == (1, USERS) and "no policy" in failure(found)
    code, out, _ = limits("--all")
    assert code == 1 and f"{USERS} entries cannot be decided again, though they should be" in out


def test_a_snapshot_that_is_gone_or_altered(
    conn: Connection, one_review: int, replayed: Callable[..., tuple[int, dict[str, Any]]]
) -> None:
    tamper(conn, "UPDATE limits.snapshots SET body = set_byte(body, 100, get_byte(body, 100) # 1)")
    code, found = replayed("--all")
    assert code == 1 and "was altered" in failure(found)
    tamper(conn, "DELETE FROM limits.snapshots")
    code, found = replayed("--all")
    assert code == 1 and "is gone, and nothing says that it was pruned" in failure(found)


def prune(conn: Connection, review_id: int) -> None:
    """Retention has removed what a review was decided from."""
    tamper(conn, "UPDATE limits.snapshots SET created_at = created_at - interval '9 years'")
    tamper(
        conn, "UPDATE limits.snapshot_uses SET used_at = used_at - interval '9 years' WHERE review_id = %s", review_id
    )  # fmt: skip
    assert snapshots.prune(conn, 1830, delete=True)


def test_pruned_snapshots_are_counted(
    database: Database, settings: Settings, conn: Connection, one_review: int, limits: Call,
    replayed: Callable[..., tuple[int, dict[str, Any]]],
) -> None:  # fmt: skip
    prune(conn, one_review)
    code, out, _ = limits("--all")
    assert code == 1
    assert out == (
        "9 entries not compared: their 5 snapshots are not kept any more (limits snapshot prune)\n"
        "nothing was compared at all: that says nothing about these entries\n"
    )
    later = review(database, settings, settings.policy, AS_OF + DAY)
    code, found = replayed("--all")
    assert (code, found["equal"], found["not_kept"], found["snapshots_not_kept"]) == (0, USERS, USERS, 5)
    code, out, _ = limits("--all")
    assert code == 0 and "9 entries not compared" in out and "all equal" in out
    assert (limits("--review", str(later))[0], limits("--review", str(one_review))[0]) == (0, 1)


def test_snapshots_in_a_folder(
    database: Database, settings: Settings, conn: Connection, cut: None, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, replayed: Callable[..., tuple[int, dict[str, Any]]],
) -> None:  # fmt: skip
    folder = tmp_path / "snapshots"
    folder.mkdir()
    here = make_settings(**{**settings.model_dump(), "snapshot_store": folder})
    review(database, here, here.policy)
    code, found = replayed("--all")
    assert code == 1 and "set LIMITS_SNAPSHOT_STORE" in failure(found)
    assert engine.replay_log(conn, folder=folder).ok
    monkeypatch.setenv("LIMITS_SNAPSHOT_STORE", str(folder))
    from limits.settings import get_settings

    get_settings.cache_clear()
    assert replayed("--all")[0] == 0
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    code, found = replayed("--all")
    assert code == 1 and f"in {folder}/DIGEST.parquet was altered" in failure(found)


def test_the_function_says_what_is_not_there(conn: Connection) -> None:
    with pytest.raises(NotFound, match="no entry of review 5"):
        engine.replay_log(conn, review_id=5)


def test_a_snapshot_from_before_there_were_records_is_decided_again_to_the_last_byte(
    database: Database,
    settings: Settings,
    conn: Connection,
    cut: None,
    replayed: Callable[..., tuple[int, dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Format 1, as an earlier version wrote it of user 2 of this world: what was decided from it comes out the same."""
    before = (Path(__file__).resolve().parents[1] / "snapshots" / "format_1.parquet").read_bytes()

    def encode(portfolio: Portfolio) -> bytes:
        bare = dataclasses.replace(portfolio, payment_record=PaymentRecord.none(1))
        assert snapshots.digest(snapshot_bytes.encode(bare)) == snapshots.digest(
            snapshot_bytes.encode(snapshots.decode(before))
        )
        return before

    monkeypatch.setattr(snapshots, "encode", encode)
    entry_id = decide(database, settings, 2, settings.policy)
    [(digest, change)] = conn.execute(
        "SELECT input_digest, limit_after_minor - limit_before_minor FROM limits.adjustment_log WHERE entry_id = %s",
        (entry_id,),
    ).fetchall()
    assert digest == snapshots.digest(before) and change < 0
    code, found = replayed(str(entry_id))
    assert (code, found["equal"], found["entries"]) == (0, 1, 1)
