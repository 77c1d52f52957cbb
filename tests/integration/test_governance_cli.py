"""Approvals, overrides and challengers from the command line: two people, one sentence on errors, JSON."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from limits.engine import asking
from limits.reasons import Reason
from limits.settings import Settings, make_settings
from limits.store.db import Connection, Database
from limits.store.log import reason_text
from tests import builders, invariants
from tests.commands import answer, limits
from tests.governance import variant

AS_OF = str(builders.AS_OF)
#: One user is the whole portfolio here: breakers that let a review raise everybody.
MINE = variant(pack="mine", raised_bps="10000", exposure_up_bps="10000", user_raise_bps="10000000")


@pytest.fixture
def settings(database: Database, settings: Settings) -> Settings:
    return make_settings(
        database_url=database.url,
        broker_url=None,
        home=settings.home,
        policy=settings.policy,
        concurrency=1,
        tick_seconds=1,
    )


def refused(settings: Settings, *arguments: str, code: int = 1) -> str:
    done = limits(settings, *arguments)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.startswith("limits: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_policy_from_its_proposal_to_its_withdrawal(settings: Settings, conn: Connection, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(MINE.body)
    builders.add_steady_user(conn, 1)
    run = ["review", "run", "--as-of", AS_OF, "--policy", str(file)]
    assert "for that pack and date none is approved; one person proposes it" in refused(settings, *run)
    (made,) = answer(settings, "policy", "propose", str(file), "--reason", "new", "--actor", "Anna")["proposals"]
    assert (made["state"], made["maker"], made["role"], made["changed"]) == ("proposed", "Anna", "champion", True)
    number = str(made["approval_id"])
    (again,) = answer(settings, "policy", "propose", str(file), "--reason", "new", "--actor", "Otto")["proposals"]
    assert again == made | {"changed": False}
    assert "somebody else has to" in refused(
        settings, "policy", "approve", number, "--reason", "fine", "--actor", "anna "
    )
    seen = answer(settings, "policy", "approve", number, "--reason", "fine", "--actor", "Bert")
    assert (seen["state"], seen["checker"], seen["changed"]) == ("approved", "Bert", True)
    done = limits(settings, "policy", "approve", number, "--reason", "fine", "--actor", "Bert")
    assert done.returncode == 0
    assert "approved by Bert before: nothing was changed" in done.stderr
    assert answer(settings, *run)["state"] == "done"
    assert answer(settings, "policy", "withdraw", number, "--reason", "wrong", "--actor", "Anna")["changed"]
    (one,) = answer(settings, "policy", "history", "mine")["proposals"]
    assert (one["state"], one["withdrawn_by"], one["withdrawn_reason"]) == ("withdrawn", "Anna", "wrong")
    assert one["policy_hash"] == MINE.policy_hash.hex()
    listed = limits(settings, "policy", "history")
    assert listed.returncode == 0
    assert "Anna: new\t" in listed.stdout and "Bert: fine" in listed.stdout
    assert "no policy of a pack nowhere was proposed yet" in limits(settings, "policy", "history", "nowhere").stderr
    assert "is withdrawn and cannot be rejected" in refused(settings, "policy", "reject", number, "--reason", "x")
    assert "there is no proposal 999" in refused(settings, "policy", "reject", "999", "--reason", "x", code=2)
    assert "there is no policy" in refused(settings, "policy", "propose", "nowhere", "--reason", "x", code=2)
    invariants.check(conn)


def test_an_override_from_its_proposal_to_its_end(settings: Settings, conn: Connection) -> None:
    builders.add_steady_user(conn, 1)
    today = asking.today()
    until = str(today + dt.timedelta(days=20))
    base = ["override", "propose", "1"]
    more = ["--until", until, "--reason", "ill", "--actor", "Anna"]
    made = answer(settings, *base, "cap", "15000 CNY", *more)
    assert (made["state"], made["amount_minor"], made["currency"]) == ("proposed", 1_500_000, "CNY")
    number = str(made["override_id"])
    assert "somebody else has to" in refused(
        settings, "override", "approve", number, "--reason", "x", "--actor", "ANNA"
    )
    seen = answer(settings, "override", "approve", number, "--reason", "seen", "--actor", "Bert")
    assert (seen["state"], seen["counts_today"], seen["changed"]) == ("approved", True, True)
    other = answer(settings, *base, "hold", *more)
    assert (
        answer(settings, "override", "reject", str(other["override_id"]), "--reason", "no", "--actor", "Bert")["state"]
        == "rejected"
    )
    rows = answer(settings, "override", "list", "--user", "1")["overrides"]
    assert [row["state"] for row in rows] == ["approved", "rejected"]
    assert limits(settings, "override", "list").returncode == 0
    builders.add_events(conn, 1, "income", [(today - dt.timedelta(days=3), 2_000_000)])
    assert answer(settings, "recompute", "1", "--reason", "x", "--apply")["applied"]
    (shown,) = answer(settings, "explain", "1")["overrides"]
    assert shown["override_id"] == made["override_id"]
    line = f"{number}: not above 15,000.00 CNY, from {today} until {until}, set by Anna, approved by Bert: ill"
    assert f"  Override   {line}\n" in limits(settings, "explain", "1").stdout
    assert "由 Anna 提出、Bert 批准" in limits(settings, "explain", "1", "--lang", "zh").stdout
    assert answer(settings, "override", "end", number, "--reason", "well again", "--actor", "Anna")["changed"]
    assert answer(settings, "explain", "1")["overrides"] == []
    assert "'five' is not an amount" in refused(settings, *base, "cap", "five", *more, code=2)
    assert "is in CNY, not in CZK" in refused(settings, *base, "cap", "5 CZK", *more)
    assert "there is no override 99" in refused(settings, "override", "end", "99", "--reason", "x", code=2)
    invariants.check(conn)


def test_a_challenger_beside_the_champion(settings: Settings, conn: Connection, tmp_path: Path) -> None:
    for user_id in (1, 2, 3):
        builders.add_steady_user(conn, user_id, credit_limit=300_000 * user_id)
    assert "no review had a challenger yet" in refused(settings, "policy", "compare", code=2)
    file = tmp_path / "careful.toml"
    file.write_text(variant(pack="careful", product='"2500 CNY"').body)
    asked = ("policy", "propose", str(file), "--role", "challenger", "--reason", "try it", "--actor", "Anna")
    (made,) = answer(settings, *asked)["proposals"]
    answer(settings, "policy", "approve", str(made["approval_id"]), "--reason", "do", "--actor", "Bert")
    answer(settings, "review", "run", "--as-of", AS_OF)
    found = answer(settings, "policy", "compare", "--last", "3")
    (one,) = found["challengers"]
    assert (one["pack"], one["decisions"]) == ("careful", 3)
    assert one["challenger"]["exposure_after_minor"] < one["champion"]["exposure_after_minor"]
    assert found["failures"] == []
    shown = limits(settings, "policy", "compare")
    assert shown.returncode == 0, shown.stderr
    assert "Challenger careful of 2026-01-01, sha256 " in shown.stdout
    reason = one["lowest_ceilings"][0]["reason"]
    assert f"{reason_text(Reason[reason.upper()])}\t" in shown.stdout
    other = ("review", "run", "--as-of", AS_OF, "--schedule", "other", "--policy", str(file))
    assert "none is approved" in refused(settings, *other)  # to be tried is not to decide
    invariants.check(conn)
