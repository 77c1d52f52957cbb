"""Reviews after a month of theirs was archived: the same limits, and everything still adds up."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from limits import engine
from limits.errors import InArchive, NotFound, ReviewRefused
from limits.settings import Settings, make_settings
from limits.store import archiving, load, log_as_of, past, reconciling, verifying
from limits.store import log as store
from limits.store.db import Connection, Database
from limits.store.policies import read_pack
from tests import builders, governance, invariants, packs, sealing
from tests.integration.test_reconciling import tamper
from tests.sealing import Files

MAY = dt.date(2021, 5, 1)
FIRST, SECOND = dt.date(2021, 5, 20), dt.date(2021, 7, 20)
USERS = range(1, 5)


@pytest.fixture
def settings(settings: Settings, conn: Connection, tmp_path: Path) -> Settings:
    """By a policy that was in force then."""
    text = Path(packs.write_pack(conn, tmp_path, "then")).read_text().replace("effective_on = 2026-01-01",
                                                                             "effective_on = 2018-01-01")  # fmt: skip
    file = tmp_path / "old.toml"
    file.write_text(text.replace('pack = "then"', 'pack = "old"'))
    governance.approve(conn, read_pack(str(file))[0])
    return make_settings(
        database_url=settings.database_url, broker_url=None, home=settings.home, policy=str(file), shard_users=3
    )


def add_user(conn: Connection, user_id: int) -> None:
    """A user whom every review of 2021 can decide, of whom something is known since 2018."""
    opened = dt.date(2018, 1, 15)
    builders.add_user(
        conn, user_id, credit_limit=300_000, opened_on=opened, identity_checked_on=dt.date(2021, 1, 1),
        income_verified_on=dt.date(2021, 1, 1), observed_from=opened, observed_through=dt.date(2021, 9, 30),
    )  # fmt: skip
    for kind, amount in (("income", 2_000_000), ("essential", 600_000)):
        amounts = [amount + amount // 200 * (month % 5) for month in range(30)]
        builders.add_monthly(conn, user_id, kind, amounts, until=dt.date(2021, 9, 30))
    for month in range(1, 10):
        builders.add_statement(conn, user_id, dt.date(2021, month, 1), balance=150_000)
        builders.add_repayment(conn, user_id, dt.date(2021, month, 11), 200_000)
        builders.add_credit_check(conn, user_id, dt.date(2021, month, 2))


@pytest.fixture
def files(database: Database, settings: Settings, conn: Connection, tmp_path: Path) -> Files:
    """Reviews as of May and July 2021, delivered and sealed; each user was raised by the first."""
    for user_id in USERS:
        add_user(conn, user_id)
    builders.refresh(conn)
    made = Files(tmp_path / "seal")
    for day in (FIRST, SECOND):
        number = sealing.review(database, settings, day)
        assert conn.execute("SELECT state FROM limits.reviews WHERE review_id = %s", (number,)).fetchone() == ("done",)
    conn.execute("UPDATE limits.outbox SET delivered_at = now()")
    conn.execute("UPDATE limits.notices SET delivered_at = now(), body = '{}'")
    sealing.step(database, made.sealer())
    # What was applied a moment ago may go all the same.
    conn.execute("ALTER TABLE limits.retention DROP CONSTRAINT retention_log_days_check")
    conn.execute("UPDATE limits.retention SET log_days = 0")
    raised = "SELECT count(*) FROM limits.adjustment_log WHERE action > 0 AND as_of = %s"
    assert conn.execute(raised, (FIRST,)).fetchone() == (len(USERS),)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "archives").mkdir()
    return tmp_path / "archives"


def take(database: Database, files: Files, folder: Path) -> archiving.Archived:
    def lines() -> Any:
        return files.checkpoints.open(newline="\n")

    return archiving.archive(database, MAY, folder, lines, files.public_keys(), "Eva")


def test_everything_goes_on(
    database: Database, settings: Settings, conn: Connection, files: Files, folder: Path
) -> None:
    lines = conn.execute("SELECT user_id, limit_minor, version FROM limits.credit_lines ORDER BY 1").fetchall()
    before = [log_as_of.standing(conn, user, SECOND).limit_minor for user in USERS]
    rebuilt = past.rebuilt(conn, load.load_portfolio(conn, SECOND, "CNY")[0])
    done = take(database, files, folder)
    assert done.now and done.month.changes > 0
    invariants.check(conn)
    assert conn.execute("SELECT user_id, limit_minor, version FROM limits.credit_lines ORDER BY 1").fetchall() == lines
    assert [log_as_of.standing(conn, user, SECOND).limit_minor for user in USERS] == before
    again = past.rebuilt(conn, load.load_portfolio(conn, SECOND, "CNY")[0])
    for name in ("credit_limit", "version", "last_raise_on", "last_cut_on"):
        assert getattr(again, name).tolist() == getattr(rebuilt, name).tolist(), name
    sealing.review(database, settings, dt.date(2021, 8, 20))
    sealing.step(database, files.sealer())
    invariants.check(conn)
    found = reconciling.of_everything(conn)
    assert found.ok and found.archives == ["2021-05"]
    assert conn.execute("SELECT bool_and(ok) FROM limits.reconciliations").fetchone() == (True,)
    with files.checkpoints.open(newline="\n") as notes:
        report, _ = verifying.verify(
            conn, notes, files.public_keys(), now=dt.datetime.now(dt.UTC), sealed_within_seconds=300, folder=folder
        )
    assert report.tally.kept == [] and report.archived_read == len(USERS)


def test_what_is_archived_is_not_decided_again(
    database: Database, settings: Settings, conn: Connection, files: Files, folder: Path
) -> None:
    take(database, files, folder)
    add_user(conn, 9)
    with pytest.raises(InArchive, match=r"log-2021-05\.parquet"):
        engine.request_review(database, settings, as_of=MAY, actor="Ann", schedule="another")
    with pytest.raises(ReviewRefused, match="nothing is decided as of 2021-05-30"):
        engine.recompute(database, settings, 9, as_of=dt.date(2021, 5, 30), actor="Ann", reason="x", apply=True)
    with pytest.raises(InArchive, match="review 1 is as of 2021-05-20"):
        reconciling.of_review(conn, 1)
    with pytest.raises(InArchive, match="lie in the archive"):
        engine.replay_log(conn, review_id=1)
    replayed = engine.replay_log(conn)
    assert replayed.ok and (replayed.archived, replayed.equal) == (len(USERS), len(USERS))
    with pytest.raises(NotFound):
        store.entry(conn, 10**9)


#: What somebody does to what is kept: a word for it in what reconciling says.
BROKEN = {
    "UPDATE limits.archived_lines SET delta_minor = delta_minor + 1 WHERE user_id = 1": "by what they add up to it is",
    "UPDATE limits.archived_lines SET limit_after_minor = limit_after_minor + 1 WHERE user_id = 1":
        "the archives end at a limit of",
    "UPDATE limits.archived_lines SET version_after = 2 WHERE user_id = 1": "the archives end at version 2, and have 1",
    "DELETE FROM limits.archived_lines WHERE user_id = 1": "and by the log it is",
    "UPDATE limits.credit_lines SET limit_minor = limit_minor + 1 WHERE user_id = 1": "and by the log it is",
    "UPDATE limits.archived_months SET entries = entries + 1": "archive of 2021-05: its entries are 5",
    "UPDATE limits.archived_months SET delta_minor = 1": "it changed limits by 1, and its batches by",
    "DELETE FROM limits.outbox WHERE user_id = 1 AND as_of < '2021-06-01'": "and the messages about it 3",
    "UPDATE limits.batches SET delta_minor = 0 WHERE review_id = 1": "archive of 2021-05: it changed limits by",
}  # fmt: skip


HOLD = """INSERT INTO limits.adjustment_log SELECT (jsonb_populate_record(l, jsonb_build_object(
              'entry_id', 9000, 'review_id', 99, 'as_of', date '2021-07-01', 'action', 0, 'version_before', 0,
              'version_after', 0, 'limit_before_minor', 300000, 'limit_after_minor', 300000))).*
            FROM limits.adjustment_log l WHERE user_id = 1 AND as_of = '2021-07-20'"""


def test_what_no_longer_adds_up_is_named(database: Database, conn: Connection, files: Files, folder: Path) -> None:
    take(database, files, folder)
    for statement, words in BROKEN.items():
        with conn.transaction(force_rollback=True):
            tamper(conn, statement)
            found = reconciling.of_everything(conn)
            assert any(words in one.words for one in found.named), (statement, [one.words for one in found.named])
    # A hold as of a later month that was decided before the archived change: it goes on from nothing that is here.
    with conn.transaction(force_rollback=True):
        tamper(conn, HOLD)
        assert [one.what for one in reconciling.of_everything(conn).named] == ["astray"]
    assert reconciling.of_everything(conn).ok
