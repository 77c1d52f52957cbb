"""The made-up users of limits bench nightly: the same from the same seed, and of every kind."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from limits.bench.nightly import measuring, mixture, tables
from limits.bench.nightly.mixture import KINDS, Scene
from limits.store.arrays import encode

SCENE = Scene(dt.date(2026, 11, 15))


def encoded(seed: int, first: int = 1, *, scene: Scene = SCENE, lean: bool = False) -> dict[str, list[bytes]]:
    """The rows of a block by table, as they go over the wire."""
    found: dict[str, list[bytes]] = {}
    for table, rows in tables.rows(seed, mixture.users(seed, first, scene), scene, lean=lean):
        found.setdefault(table, []).append(encode(rows))
    return found


def test_the_same_seed_makes_the_same_rows_and_another_seed_others() -> None:
    once = encoded(7)
    assert once == encoded(7)  # byte by byte
    other = encoded(8)
    assert {table for table in once if once[table] == other[table]} == set()
    assert once["users"] != encoded(7, 1 + mixture.BLOCK)["users"]


def test_every_kind_is_there_with_its_share() -> None:
    who = mixture.users(1, 1, SCENE)
    shares = np.bincount(who.kind, minlength=len(KINDS)) / len(who)
    assert np.allclose(shares, list(KINDS.values()), atol=0.02)
    assert np.isclose((~who.windowed).mean(), mixture.NO_WINDOW, atol=0.02)
    assert (who.limit % mixture.GRID == 0).all() and (who.limit > 0).all()
    months_on_book = (SCENE.day - who.opened_on[who.of("thin")]).astype(int) / 30.5
    assert months_on_book.max() < 6 <= (SCENE.day - who.opened_on[~who.of("thin")]).astype(int).min() / 30.5


def test_two_months_in_a_hundred_are_missing() -> None:
    who = mixture.users(1, 1, SCENE)
    seen = mixture.seen(1, who, SCENE)
    began, ended = (days.astype("datetime64[M]")[:, None] for days in (who.observed_from, who.last_event_on))
    possible = (SCENE.calendar > began) & (SCENE.calendar <= ended)
    assert np.isclose((possible & ~seen).sum() / possible.sum(), 0.02, atol=0.002)


def test_some_pay_late_and_some_do_not_pay() -> None:
    who = mixture.users(1, 1, SCENE)
    made = mixture.payments(1, who, SCENE)
    due = made.issued & (made.due_on < SCENE.day) & (made.minimum > 0)
    late = due & (made.paid > 0) & (made.paid_on > made.due_on)
    never = due & (made.paid == 0)
    bad = who.unpunctual
    assert late[bad].sum() / due[bad].sum() > 0.1
    assert 0 < late[~bad].sum() / due[~bad].sum() < 0.02
    assert never[bad].sum() / due[bad].sum() > 0.1
    assert ((made.paid >= made.minimum) | (made.paid == 0)).all() and (made.paid <= made.balance).all()
    assert (made.paid_on[made.paid > 0] <= SCENE.day).all() and (made.statement_on <= SCENE.day).all()


def test_what_fell_due_in_a_month_is_what_the_statements_say() -> None:
    who = mixture.users(1, 1, SCENE)
    made = mixture.payments(1, who, SCENE)
    due, repaid = mixture.due_and_repaid(1, who, SCENE, made)
    month = SCENE.calendar[-1]
    of_month = made.issued & (made.due_on.astype("datetime64[M]") == month)
    assert (due[:, -1] == np.where(of_month, made.balance, 0).sum(axis=1)).all() and due[:, -1].sum() > 0
    paid = made.paid_on.astype("datetime64[M]") == month
    assert (repaid[:, -1] == np.where(paid, made.paid, 0).sum(axis=1)).all() and repaid[:, -1].sum() > 0


def test_lean_is_smaller_and_says_what_it_leaves_out() -> None:
    run = measuring.Run(1000, 24, 2, 1, SCENE.as_of, lean=True)
    assert run.load.scene.recent == measuring.RECENT_LEAN < measuring.RECENT
    assert run.load.left_out[0] == "statements and repayments older than 3 months" and len(run.load.left_out) == 3
    small, whole = encoded(1, scene=run.load.scene, lean=True), encoded(1)
    for table in ("statements", "repayments", "user_profiles"):
        assert sum(map(len, small[table])) < 0.8 * sum(map(len, whole[table]))
    assert small["users"] == whole["users"]


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        ("2026-11-25", "2026-11-15"),
        ("2026-11-16", "2026-11-15"),
        ("2026-11-15", "2026-10-15"),
        ("2026-01-03", "2025-12-15"),
    ],
)
def test_the_usual_date_has_a_day_after_it(today: str, expected: str) -> None:
    assert measuring.usual_date(dt.date.fromisoformat(today)) == dt.date.fromisoformat(expected)
