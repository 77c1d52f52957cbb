"""Trying a policy and supposing inputs on a real database: true to the log, and without a trace in it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from limits import engine
from limits.cli import run
from limits.cli.working import environment
from limits.engine import simulating
from limits.engine.requests import request_limit
from limits.engine.supposing import explain, suppose
from limits.errors import NotFound, PolicyError, ReviewRefused
from limits.money import Money
from limits.policy import Policy, parse_policy
from limits.reasons import TEXT, USER_TEXT, Reason
from limits.settings import Settings
from limits.store import log, past, policies, snapshots
from limits.store.db import Connection, Database
from limits.store.load import load_portfolio
from tests import builders
from tests.builders import AS_OF
from tests.policies import STANDARD
from tests.portfolios import facts

FIRST, SECOND, THIRD = dt.date(2026, 2, 28), dt.date(2026, 4, 30), dt.date(2026, 5, 31)
#: No months before the first income.
OPENED = dt.date(2024, 7, 1)
USERS = [1, 2, 3, 4, 5]


def reviewed(database: Database, settings: Settings, as_of: dt.date) -> Any:
    row = engine.request_review(database, settings, as_of=as_of, actor="anna")
    done = engine.work(database, settings, row.review_id, worker="test").finished
    assert done is not None and done.state == "done"
    return done


@pytest.fixture
def past_reviews(database: Database, settings: Settings, conn: Connection) -> list[Any]:
    """Three reviews in which limits went up and down, a recompute between them, and a user who is never decided."""
    for user_id in USERS:
        builders.add_steady_user(conn, user_id, credit_limit=200_000 * user_id, opened_on=OPENED)
    builders.add_credit_check(conn, 5, dt.date(2026, 4, 15), active_lenders=7)
    builders.add_credit_check(conn, 4, dt.date(2026, 5, 10), active_lenders=7)
    builders.add_user(conn, 6, credit_limit=None)
    done = [reviewed(database, settings, FIRST), reviewed(database, settings, SECOND)]
    day = dt.date(2026, 5, 15)
    made = engine.recompute(database, settings, 4, reason="asked", actor="anna", as_of=day, apply=True)
    assert made.applied and made.entry.action == -1
    done.append(reviewed(database, settings, THIRD))
    return done


def entries(conn: Connection, review_id: int) -> list[log.LogEntry]:
    return log.page(conn, log.LogFilter(review_id=review_id), limit=100)


def text_of(**changes: str) -> Policy:
    """The standard policy with lines exchanged, as a file would be."""
    body = STANDARD.body
    for key, value in changes.items():
        lines = [line for line in body.splitlines() if line.startswith(f"{key} = ")]
        assert len(lines) == 1, (key, lines)
        body = body.replace(lines[0], f"{key} = {value}")
    return parse_policy(body, file="test")


def contents(conn: Connection) -> dict[str, str]:
    """Every table there is, by the digest of its rows."""
    names = conn.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'limits' AND c.relkind IN ('r', 'p') ORDER BY 1"
    ).fetchall()
    assert len(names) > 20
    found = {}
    for (name,) in names:
        digest = f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM limits.{name} t"
        found[name] = conn.execute(digest.encode()).fetchone()[0]  # type: ignore[index]
    return found


# Limits of the past -------------------------------------------------------------------------


def test_lines_before_a_review_are_those_it_decided_on(conn: Connection, past_reviews: list[Any]) -> None:
    actions = set()
    for done in past_reviews:
        portfolio, _ = load_portfolio(conn, done.business_date, "CNY", user_ids=USERS)
        before = past.rebuilt(conn, portfolio, done.review_id)
        logged = {entry.user_id: entry for entry in entries(conn, done.review_id)}
        assert sorted(logged) == USERS
        decided_on = {digest: snapshots.load(conn, digest) for digest in {e.input_digest for e in logged.values()}}
        known = {one["user_id"][0]: one for portfolio in decided_on.values() for one in facts(portfolio)}
        for row, (user_id, found) in enumerate(zip(USERS, facts(before), strict=True)):
            entry = logged[user_id]
            assert before.credit_limit[row] == entry.limit_before_minor
            assert before.version[row] == entry.version_before
            assert found == known[user_id], (user_id, done.business_date)
            actions.add(entry.action)
    assert actions == {-1, 0, 1}


def test_lines_at_the_end_of_a_date_follow_the_log(conn: Connection, past_reviews: list[Any]) -> None:
    day = dt.date(2026, 5, 20)
    portfolio, _ = load_portfolio(conn, day, "CNY", user_ids=USERS)
    found = past.rebuilt(conn, portfolio)
    for row, user_id in enumerate(USERS):
        last = log.newest(conn, user_id, day)
        assert last is not None
        assert (found.credit_limit[row], found.version[row]) == (last.limit_after_minor, last.version_after)
    assert found.last_cut_on[3] == np.datetime64("2026-05-15")
    begun = past.rebuilt(conn, load_portfolio(conn, dt.date(2026, 1, 31), "CNY", user_ids=USERS)[0])
    assert begun.credit_limit.tolist() == [200_000 * user_id for user_id in USERS]
    assert begun.version.tolist() == [0] * 5 and np.isnat(begun.last_raise_on).all()


def test_after_the_last_decision_the_past_is_the_present(conn: Connection, past_reviews: list[Any]) -> None:
    now, _ = load_portfolio(conn, dt.date(2026, 7, 31), "CNY", user_ids=USERS)
    assert facts(past.rebuilt(conn, now)) == facts(now)
    assert (now.limit_before_cut > 0).any() and not np.isnat(now.last_raise_on).all()


# Simulations --------------------------------------------------------------------------------


def test_the_same_policy_does_the_reviews_again(
    database: Database, settings: Settings, conn: Connection, past_reviews: list[Any]
) -> None:
    before = contents(conn)
    same = policies.read_pack(settings.policy)[0]
    made = simulating.simulate(database, settings, same, as_of=THIRD, last=2)
    assert contents(conn) == before
    assert [one.review_id for one in made.dates] == [done.review_id for done in past_reviews[::-1]]
    for one, done in zip(made.dates, past_reviews[::-1], strict=True):
        for side in (one.champion, one.new):
            assert (side.raised, side.held, side.lowered) == (done.users_raised, done.users_held, done.users_lowered)
            assert side.exposure_after_minor == done.exposure_after_minor
            assert side.policy.policy_hash == done.policy_hash
        assert one.exposure_before_minor == done.exposure_before_minor
        assert (one.users, one.decided, one.quarantined) == (6, 5, 1)
        assert one.exceptions == {("quarantined", "no_credit_line"): 1}
        assert (one.flipped, one.differing, one.higher, one.lower) == (0, 0, [], [])
    assert sum(one.champion.raised for one in made.dates) > 0 < sum(one.champion.lowered for one in made.dates)


def test_a_stricter_and_a_looser_policy(database: Database, settings: Settings, past_reviews: list[Any]) -> None:
    strict = text_of(months_on_book="240")
    first = simulating.simulate(database, settings, strict, as_of=FIRST).dates[0]
    assert first.flips == {(1, 0): 5} and first.flipped == first.differing == 5
    assert first.new.reasons == {(0, Reason.TOO_NEW): 5}
    assert [m.user_id for m in first.lower] == [5, 4, 3, 1, 2]  # a fifth of the limit, and at least 1,000 CNY
    assert first.new.exposure_after_minor == first.exposure_before_minor < first.champion.exposure_after_minor
    loose = text_of(step_least='"5000 CNY"')
    found = simulating.simulate(database, settings, loose, as_of=FIRST).dates[0]
    assert found.lower == [] and len(found.higher) == 5
    assert found.higher[0].difference_minor == found.higher[0].new_minor - found.higher[0].champion_minor > 0
    assert "exposure_up" in found.tripped(found.new)
    halted = text_of(raised_bps="10000", exposure_up_bps="10000", quarantined_bps="10000", fallback_bps="10000")
    calm = simulating.simulate(database, settings, halted, as_of=FIRST, champion="standard").dates[0]
    assert calm.tripped(calm.new) == () != calm.tripped(calm.champion)


def test_a_date_without_a_review_has_the_limits_at_its_end(
    database: Database, settings: Settings, past_reviews: list[Any]
) -> None:
    made = simulating.simulate(database, settings, STANDARD, as_of=dt.date(2026, 5, 20), last=1)
    assert [(one.as_of, one.review_id) for one in made.dates] == [
        (dt.date(2026, 5, 20), None),
        (SECOND, past_reviews[1].review_id),
    ]
    shown = simulating.simulate(database, settings, STANDARD, as_of=SECOND, last=9)
    assert [one.as_of for one in shown.dates] == [SECOND, FIRST]


def test_the_forecast_is_made_once_where_both_look_equally_far(
    database: Database, settings: Settings, past_reviews: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import limits.capacity.estimate as real
    from limits import capacity

    calls: list[int] = []

    def counted(flow: Any, months: int) -> Any:
        calls.append(months)
        return real.estimate_capacity(flow, months)

    monkeypatch.setattr(capacity, "estimate_capacity", counted)
    simulating.simulate(database, settings, STANDARD, as_of=THIRD)
    assert calls == [6, 6]  # two chunks
    calls.clear()
    simulating.simulate(database, settings, text_of(horizon_months="3"), as_of=THIRD)
    assert sorted(calls) == [3, 3, 6, 6]


def test_what_cannot_be_simulated(database: Database, settings: Settings, past_reviews: list[Any]) -> None:
    with pytest.raises(ReviewRefused, match="lies in the future"):
        simulating.simulate(database, settings, STANDARD, as_of=dt.date(2999, 1, 1))
    with pytest.raises(PolicyError, match="cz is in CZK and the new policy in CNY; compare policies of one currency"):
        simulating.simulate(database, settings, STANDARD, as_of=THIRD, champion="cz")


def test_nothing_can_be_written_while_looking(database: Database) -> None:
    with database.connect("operations", "limits test") as conn:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), past.looking(conn):
            conn.execute("INSERT INTO limits.dirty_months (user_id, month) VALUES (1, '2026-01-01')")
        assert past.users_waiting(conn) == 0


# One user -----------------------------------------------------------------------------------


def test_a_user_as_might_be(database: Database, settings: Settings, conn: Connection, past_reviews: list[Any]) -> None:
    before = contents(conn)
    day = dt.date(2026, 5, 25)
    made = suppose(database, settings, 5, ["active_lenders=1"], as_of=day)
    assert made.before.limit_before[0] == log.newest(conn, 5, day).limit_after_minor  # type: ignore[union-attr]
    assert made.before.action[0] == -1 and made.after.action[0] == 0
    same = suppose(database, settings, 1, [], as_of=AS_OF)
    assert same.before.limit_after[0] == same.after.limit_after[0]
    worse = suppose(database, settings, 1, ["days_past_due=95"], as_of=AS_OF)
    assert worse.after.binding[0] == Reason.PAST_DUE and worse.after.ceilings[0, Reason.PAST_DUE] == 0
    assert contents(conn) == before
    with pytest.raises(NotFound, match="there is no user 77"):
        suppose(database, settings, 77, [], as_of=AS_OF)
    with pytest.raises(ReviewRefused, match="user 6 gets no decision as of"):
        suppose(database, settings, 6, [], as_of=AS_OF)
    with pytest.raises(ReviewRefused, match="lies in the future"):
        suppose(database, settings, 1, [], as_of=dt.date(day.year + 900, 1, 1))


def test_counterfactuals_of_a_logged_decision_are_about_that_decision(
    conn: Connection, past_reviews: list[Any]
) -> None:
    cut = next(entry for entry in entries(conn, past_reviews[1].review_id) if entry.action == -1)
    made = explain(conn, cut)
    assert made.same and made.found.limit_before == cut.limit_before_minor
    assert made.found.limit_after == cut.limit_after_minor
    lenders = next(one for one in made.found.single if one.change.name == "active_lenders")
    assert (lenders.before, lenders.after) == (7, 5) and lenders.limit_after > cut.limit_after_minor
    held = next(entry for entry in entries(conn, past_reviews[1].review_id) if entry.user_id == 1)
    other = dataclasses.replace(held, reason_bits=held.reason_bits | 1 << Reason.STEP_CAP)
    assert explain(conn, held).same and not explain(conn, other).same  # the same limit, but not for the same reasons
    waiting = explain(conn, held).found.waiting
    assert [(w.reason, w.until) for w in waiting] == [(Reason.COOL_OFF_AFTER_RAISE, FIRST + dt.timedelta(days=85))]


def test_counterfactuals_of_a_request_are_about_what_was_asked_for(
    database: Database, settings: Settings, conn: Connection, past_reviews: list[Any]
) -> None:
    day = dt.date(2026, 8, 31)
    asked = request_limit(database, settings, 3, Money(1_500_000, "CNY"), key="k-1", actor="anna", as_of=day)
    made = explain(conn, asked.entry)
    assert made.same, (asked.entry, made)
    assert Reason.ASKED_AMOUNT in {Reason(k) for k, v in enumerate(asked.entry.ceilings_minor) if v is not None}


class Cli:
    """Commands run in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = run(arguments)
        seen = self.capsys.readouterr()
        return code, seen.out, seen.err

    def answer(self, *arguments: str) -> Any:
        code, out, err = self(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def cli(settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    for name, value in environment(settings).items():
        if name.startswith("LIMITS_"):
            monkeypatch.setenv(name, value)
    return Cli(capsys)


@pytest.mark.parametrize(("language", "person"), [("en", "a person has to look at this"), ("zh", "须人工查看")])
def test_what_a_user_is_told_says_nothing_of_fraud(
    database: Database, settings: Settings, conn: Connection, cli: Cli, language: str, person: str
) -> None:
    for user_id in (1, 2):
        builders.add_steady_user(conn, user_id, credit_limit=200_000, opened_on=OPENED)
        builders.add_identifier(conn, user_id, "telephone", kind="phone")
    builders.add_fraud(conn, 2, dt.date(2026, 5, 1))
    reviewed(database, settings, THIRD)
    for user_id in ("1", "2"):
        options = ("explain", user_id, "--counterfactuals", "--for-user", "--lang", language)
        for code, out, err in (cli(*options), cli(*options, "--json")):
            assert code == 0, err
            assert USER_TEXT[Reason.LINKED_FRAUD][language] in out and person in out
            for secret in (TEXT[Reason.LINKED_FRAUD][language], "fraud", "欺诈", "phone", "电话", "link", "_"):
                assert secret not in out.replace("for_user", ""), out
    seen = cli.answer("explain", "1", "--counterfactuals")["counterfactuals"]
    assert seen["reasons"] == ["linked_fraud"] == seen["human_review"] and seen["single"] == []


def test_trying_a_policy_from_the_command_line(cli: Cli, past_reviews: list[Any], tmp_path: Path) -> None:
    new, picture, day = tmp_path / "new.toml", tmp_path / "made.png", FIRST.isoformat()
    new.write_text(text_of(months_on_book="240").body)
    _, out, err = cli("policy", "diff", "standard", str(new))
    assert "a raise needs 240 months on book instead of 6 months: stricter" in out, err
    assert cli.answer("policy", "diff", "standard@2026-01-01", "standard")["changes"] == []
    code, out, err = cli("policy", "simulate", str(new), "--as-of", day, "--plot", str(picture))
    assert code == 0, err
    assert "5 users decided by both; 5 of them flip, 5 get another limit" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    found = cli.answer("policy", "simulate", str(new), "--as-of", day)
    assert found["dates"][0]["flips"] == [{"champion": "raised", "new": "held", "users": 5}]


def test_what_if_from_the_command_line(cli: Cli, past_reviews: list[Any]) -> None:
    day = FIRST.isoformat()
    _, out, err = cli("whatif", "1", "--set", "inflow=+10%", "--set", "active_lenders=9", "--as-of", day)
    assert "many_lenders\tno bound" in out, err
    made = cli.answer("whatif", "1", "--set", "active_lenders=9", "--as-of", day)
    assert made["changes"] == ["active_lenders=9"] and made["after"]["binding"] == "many_lenders"
    told = cli.answer("explain", "5", "--as-of", SECOND.isoformat(), "--counterfactuals")["counterfactuals"]
    assert {"input": "active_lenders", "set": "active_lenders=5", "from": 7, "to": 5}.items() <= told["single"][
        0
    ].items()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("whatif", "1", "--set", "inflo=1"), "did you mean inflow?"),
        (("whatif", "1"), "Missing option '--set'"),
        (("explain", "1", "--for-user"), "--for-user goes with --counterfactuals"),
        (("policy", "diff", "standard", "nowhere"), "there is no policy 'nowhere'"),
        (("policy", "diff", "standard@2019-01-01", "standard"), "no policy is in force on 2019-01-01"),
        (("policy", "simulate", "standard", "--as-of", "2999-01-01"), "lies in the future"),
        (("policy", "simulate", "standard", "--as-of", "2026-01-31", "--champion", "cz"), "compare policies of one"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_tried_is_one_sentence(cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = cli(*arguments)
    assert code != 0 and out == ""
    assert says in err and err.count("\n") == 1, err


def test_a_simulation_loads_no_statsmodels(settings: Settings, past_reviews: list[Any]) -> None:
    code = (
        "import sys; from limits.cli import run; "
        f"code = run(['policy', 'simulate', 'standard', '--as-of', '{THIRD}', '--last', '2', '--json']); "
        "sys.exit(code or 9 * ('statsmodels' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(settings), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
