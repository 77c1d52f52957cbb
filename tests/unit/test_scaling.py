"""The arithmetic of docs/scale.md: products that can be checked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from limits.bench import partitions
from limits.bench.scaling import Inputs, Machine, arithmetic, inputs_of
from limits.bench.shared_nothing import Decisions, Outcome, agree, combined
from limits.breakers import Counts
from limits.errors import InputError

MACHINE = Machine(window_hours=1, cores=10, wal_mb_per_second=100, disk_tb=1, retention_days=100, used=0.5)
FOUND: dict[str, Any] = {
    "cpu_us_per_user_whole": 18.0,
    "grown_bytes_per_user": {"adjustment_log": 400.0, "outbox": 100.0},
    "wal_bytes_per_user": 1_000.0,
    "kept_bytes_per_user": {"packed_users": 2_000.0},
}


def test_each_figure_is_the_product_it_says() -> None:
    found = arithmetic(inputs_of(FOUND), MACHINE, 1_000_000_000, shard_users=20_000)
    # 1e9 users x 18 us = 18,000 core seconds = 5 core hours, of which a server gives 5 in the hour.
    assert (found["core_hours"], found["needs"]["processors"]) == (5.0, 1.0)
    # 1e9 x 1,000 bytes = 1,000 GB; a server writes 50 MB/s x 3,600 s = 180 GB.
    assert (found["wal_gb_per_night"], found["needs"]["wal"]) == (1_000.0, 5.556)
    # 1e9 x (2,000 + 500 x 100 days) bytes = 52 TB, half a terabyte of them on each server.
    assert (found["stored_tb"], found["servers"], found["bottleneck"]) == (52.0, 104, "storage")
    assert (found["shards"], found["grown_gb_per_night"]) == (50_000, 500.0)


def test_twice_the_users_need_twice_of_everything() -> None:
    inputs = Inputs(cpu_us=20, grown_bytes=300, wal_bytes=900, kept_bytes=1_500)
    once, twice = (arithmetic(inputs, MACHINE, users, shard_users=20_000) for users in (10**8, 2 * 10**8))
    for name in ("shards", "grown_gb_per_night", "wal_gb_per_night", "stored_tb"):
        assert twice[name] == pytest.approx(2 * once[name])


@pytest.mark.parametrize("wrong", [{"used": 1.5}, {"used": 0.0}, {"cores": 0}, {"window_hours": -1.0}])
def test_a_machine_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must be above 0"):
        Machine(**wrong)


def test_a_file_of_something_else_is_refused() -> None:
    with pytest.raises(InputError, match="wal_bytes_per_user"):
        inputs_of({name: value for name, value in FOUND.items() if name != "wal_bytes_per_user"})


def test_the_gate_over_slices_sees_the_sums_of_all_fields() -> None:
    assert combined([Counts(1, 2, 3, 4, 5, 6, 7), Counts(10, 20, 30, 40, 50, 60, 70)]) == Counts(
        11, 22, 33, 44, 55, 66, 77
    )


def test_ratios_are_of_medians_to_the_plain_tables() -> None:
    times = {
        kind: {step: [factor * 0.001, factor * 0.002, factor * 0.9] for step in partitions.STEPS}
        for kind, factor in (("plain", 1.0), ("hash", 3.0), ("range", 0.5))
    }
    found = partitions.report(times)
    assert (found["hash"]["range_ms"], found["hash"]["range_ratio"], found["range"]["update_ratio"]) == (6.0, 3.0, 0.5)


def outcome(decisions: Decisions, counts: Counts) -> Outcome:
    return Outcome(len(decisions), 1.0, 1.0, counts, decisions, {}, {}, 0.0)


def test_slices_that_decide_otherwise_than_the_whole_are_noticed() -> None:
    held, raised, other = (100, 100, ("a",)), (100, 200, ("a",)), (100, 100, ("b",))
    one, more = Counts(1, 0, 0, 0, 0, 100, 100), Counts(1, 1, 0, 0, 0, 100, 200)
    whole = outcome({1: held, 2: raised}, Counts(2, 1, 0, 0, 0, 200, 300))
    assert agree([outcome({1: held}, one), outcome({2: raised}, more)], whole) == whole.counts
    for parts, said in (
        ([outcome({1: other}, one), outcome({2: raised}, more)], "decided otherwise"),
        ([outcome({1: held}, one)], "decided otherwise"),
        ([outcome({1: held}, one), outcome({2: raised}, one)], "the sums differ"),
        ([outcome({1: held, 2: raised}, one), outcome({2: raised}, more)], "on two slices"),
    ):
        with pytest.raises(AssertionError, match=said):
            agree(parts, whole)
