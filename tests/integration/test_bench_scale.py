"""The benches of docs/scale.md, small: what they claim is asserted inside, so a run that ends has shown it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from limits.bench import partitions, shared_nothing
from limits.bench.shared_nothing import AS_OF, load_some
from limits.store.db import Connection, Database


@pytest.mark.slow
def test_slices_decide_as_the_whole_and_say_what_a_user_costs() -> None:
    found = shared_nothing.measure(24, slices=2)
    assert (found["users"], found["users_per_slice"], found["decisions_equal"]) == (48, 24, True)
    assert set(found["cpu_us_per_user"]) == {"1", "2"}
    assert min(found["cpu_us_per_user"].values()) > 0
    assert found["wal_bytes_per_user"] > found["grown_bytes_per_user"]["adjustment_log"] > 100
    assert "monthly_cash_flow" in found["kept_bytes_per_user"] or "monthly_cash_flow" in found["grown_bytes_per_user"]


def test_the_small_loader_gives_a_user_the_same_data_whoever_else_is_loaded(
    database: Database, conn: Connection
) -> None:
    load_some(database, range(1, 4))
    load_some(database, range(3, 6))  # user 3 once more: known, not quarantined
    known = conn.execute("SELECT sum(rows_known), sum(rows_quarantined) FROM limits.imports").fetchone()
    assert known == (1 + 24 * 2 + 24 + 24, 0)
    assert conn.execute("SELECT max(occurred_at)::date < %s FROM limits.events", (AS_OF,)).fetchone() == (True,)


def test_partitions_are_measured_on_equal_tables(database: Database, conn: Connection) -> None:
    times = partitions.measure(database.url, users=400, shard=40, partitions=4, rounds=2)
    assert {len(times[kind][step]) for kind in partitions.KINDS for step in partitions.STEPS} == {2}
    sums = {
        kind: conn.execute(
            f"SELECT count(*), sum(limit_minor), sum(version) FROM {kind}.credit_lines".encode()
        ).fetchone()
        for kind in partitions.KINDS
    }
    assert len(set(sums.values())) == 1, "each kind was updated alike"
    assert (sums["plain"] or ())[2] == 3 * 8


def test_what_cannot_be_measured_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for main, wrong, sentence in (
        (shared_nothing.main, ["--users", "1"], "--users must be 4 or more"),
        (shared_nothing.main, ["--inputs", str(tmp_path / "none.json")], "none.json"),
        (shared_nothing.main, ["--used", "2"], "at most 1"),
        (partitions.main, ["--shard", "1"], "--shard must be 5 or more"),
    ):
        with pytest.raises(SystemExit) as left:
            main(wrong)
        assert left.value.code == 2
        assert sentence in capsys.readouterr().err
    file = tmp_path / "other.json"
    file.write_text(json.dumps({"users": 3}))
    with pytest.raises(SystemExit):
        shared_nothing.main(["--inputs", str(file)])
    assert "the file has no 'cpu_us_per_user_whole'" in capsys.readouterr().err
