"""Whatever follows upon what: reviews, requests, accepting, declining, running out, opting out keep what must hold."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from limits import engine
from limits.errors import ChangeEnded, InputError, ReviewRefused
from limits.money import Money
from limits.settings import Settings
from limits.store import pending
from limits.store.db import Connection, Database
from tests import builders, invariants
from tests.packs import write_pack

AS_OF = builders.AS_OF
#: The end of the longest sequence; the data of the user are not too old for a raise by then.
LAST = dt.date(2026, 8, 29)
MODES = ("at_once", "offer", "notice", "on_request")
_numbers = itertools.count(1)

STEPS = st.one_of(
    st.tuples(st.just("review"), st.sampled_from(MODES)),
    st.tuples(st.just("request"), st.integers(500_000, 900_000)),
    st.tuples(st.just("lenders"), st.sampled_from([1, 4, 6])),
    st.tuples(st.just("consent"), st.sampled_from(["given", "withdrawn"])),
    st.tuples(st.just("days"), st.integers(1, 12)),
    st.tuples(st.sampled_from(["accept", "decline", "due"]), st.just(None)),
)


class Story:
    """One user and a day that moves on."""

    def __init__(self, database: Database, settings: Settings, conn: Connection, packs: dict[str, str]) -> None:
        self.database, self.settings, self.conn, self.packs = database, settings, conn, packs
        self.user_id = next(_numbers)
        self.day = AS_OF
        builders.add_steady_user(conn, self.user_id, credit_limit=500_000, observed_from=dt.date(2024, 7, 1))
        builders.refresh(conn)

    def step(self, what: str, value: Any) -> None:
        # Refused in one sentence; what must hold is looked at all the same.
        with contextlib.suppress(ChangeEnded, ReviewRefused, InputError):
            getattr(self, what)(value)

    def review(self, mode: str) -> None:
        engine.recompute(
            self.database, self.settings, self.user_id, reason="review", actor="night", as_of=self.day, apply=True,
            policy=self.packs[mode],
        )  # fmt: skip

    def request(self, minor: int) -> None:
        engine.request_limit(
            self.database, self.settings, self.user_id, Money(minor, "CNY"), key=f"form {next(_numbers)}",
            actor="phone", as_of=self.day, policy=self.packs["offer"],
        )  # fmt: skip

    def lenders(self, count: int) -> None:
        builders.add_credit_check(self.conn, self.user_id, self.day, active_lenders=count)

    def consent(self, state: str) -> None:
        engine.set_consent(self.database, self.user_id, "raises", state, actor="phone", reason="called", as_of=self.day)

    def days(self, count: int) -> None:
        self.day = min(self.day + dt.timedelta(days=count), LAST)

    def accept(self, _: None) -> None:
        for change in pending.changes(self.conn, user_id=self.user_id):
            key = f"click {next(_numbers)}"
            engine.accept(self.database, change.change_id, key=key, actor="phone", as_of=self.day)

    def decline(self, _: None) -> None:
        for change in pending.changes(self.conn, user_id=self.user_id):
            engine.decline(self.database, change.change_id, actor="phone", reason="no", as_of=self.day)

    def due(self, _: None) -> None:
        run = engine.due_changes(self.database, self.day, actor="clock")
        assert not run.waiting.keys() & self.seen().keys()
        assert not pending.changes(self.conn, user_id=self.user_id, due_on=self.day)

    def seen(self) -> dict[int, str]:
        return {c.change_id: c.state for c in pending.changes(self.conn, user_id=self.user_id, ended=True)}


@pytest.fixture
def packs(conn: Connection, tmp_path: Path) -> dict[str, str]:
    """Policies that differ in how changes take effect; small steps, no cool-off, so that much happens."""
    quick = {"raise__cool_off_after_raise_days": "0", "raise__cool_off_after_cut_days": "0", "cut__cool_off_days": "0"}
    cuts = {mode: '"at_once"' if mode == "at_once" else '"notice"' for mode in MODES}
    return {
        mode: write_pack(
            conn, tmp_path, mode, consent__raises=f'"{mode}"', consent__cuts=cuts[mode],
            consent__cut_notice_days="10", consent__raise_notice_days="10", consent__offer_days="10", **quick,
        )
        for mode in MODES
    }  # fmt: skip


@hypothesis_settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a sequence of a dozen steps can be read as it is
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(steps=[("review", "at_once"), ("lenders", 6), ("review", "at_once"), ("request", 500_000)])
@given(steps=st.lists(STEPS, min_size=4, max_size=12))
def test_any_sequence_keeps_what_must_hold(
    database: Database, settings: Settings, conn: Connection, packs: dict[str, str], steps: list[tuple[str, Any]]
) -> None:
    story = Story(database, settings, conn, packs)
    before = story.seen()
    for what, value in steps:
        limit = pending.line_of(conn, story.user_id).limit_minor
        story.step(what, value)
        after = story.seen()
        # What has ended stays as it ended; of the open ones there is one at most.
        assert {k: v for k, v in before.items() if v != "open"}.items() <= after.items()
        assert list(after.values()).count("open") <= 1
        # Only these move a limit.
        if what in ("lenders", "consent", "days", "decline"):
            assert pending.line_of(conn, story.user_id).limit_minor == limit
        invariants.check(conn)
        before = after
    invariants.check(conn)
