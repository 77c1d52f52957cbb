"""A recompute of one user, killed anywhere or left without a reply: with its key it is done exactly once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from limits import engine
from tests import invariants
from tests.faults import proxy
from tests.faults.forked import Command
from tests.faults.nights import AS_OF, LIMIT_SECONDS, USERS, WITHOUT_LINE, Night, Nights
from tests.faults.proxy import Loss

pytestmark = pytest.mark.slow


def recompute(night: Night, user_id: int, *, url: str = "", hurt: str = "") -> Command:
    """The command, under a key of the user's."""
    settings = night.settings.model_copy(update={"database_url": url or night.database.url})
    return Command(
        settings, "recompute", str(user_id), "--policy", "standard", "--as-of", str(AS_OF), "--reason", "called",
        "--apply", "--key", f"ticket-{user_id}", "--json", hurt=hurt,
    )  # fmt: skip


def entry_of(command: Command) -> int:
    """The number of the entry that a command shows."""
    assert command.wait(LIMIT_SECONDS) == 0, command.said()
    said = command.said()
    return int(json.loads(said[said.index("{\n") :])["entry_id"])


def entries(night: Night, user_id: int) -> list[int]:
    rows = night.conn.execute("SELECT entry_id FROM limits.adjustment_log WHERE user_id = %s", (user_id,)).fetchall()
    return [row[0] for row in rows]


@pytest.mark.parametrize("loss", ["request", "reply"])
def test_a_commit_of_unknown_outcome(a_night: Nights, loss: Loss) -> None:
    with a_night(plan=False) as night, proxy.between(night.database.url) as between:
        between.lose(loss, b"limits.apply_decisions")
        told = [entry_of(recompute(night, 6, url=between.url)) for _ in range(2)]
        assert between.lost == 1
        assert told == entries(night, 6) * 2
        assert night.conn.execute("SELECT count(*) FROM limits.reviews").fetchone() == (1,)
        invariants.check(night.conn)


def test_killed_at_every_statement(a_night: Nights, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with a_night(plan=False) as night:
        entry_of(recompute(night, 1, hurt=f"*=trace:{trace}"))
        names = list(dict.fromkeys(trace.read_text().split()))
        assert {"order.applied", "order.commit", "order.committed", "sql:decision_apply"} < set(names)
        users = [user_id for user_id in range(2, USERS + 1) if user_id != WITHOUT_LINE]
        assert len(users) >= len(names)
        for user_id, name in zip(users, names, strict=False):
            killed = recompute(night, user_id, hurt=f"{name}=kill@1")
            assert killed.wait(LIMIT_SECONDS) == -9, f"{name} was not reached: {killed.said()}"
            again = engine.recompute(
                night.database, night.settings, user_id, reason="called", actor="test", as_of=AS_OF, apply=True,
                key=f"ticket-{user_id}",
            )  # fmt: skip
            assert entries(night, user_id) == [again.entry.entry_id], name
        applied = night.conn.execute("SELECT count(*), count(DISTINCT user_id) FROM limits.adjustment_log").fetchone()
        assert applied == (len(names) + 1, len(names) + 1)
        invariants.check(night.conn)
