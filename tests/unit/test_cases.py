"""The cases of tests/cases, decided by the engine: for every pack that comes with the product."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

import limits.decision
from limits.casebook.reading import EVERY, CaseError, Moment, read_casebook, shipped_cases
from limits.casebook.running import Cases, cases_of
from limits.casebook.users import make_portfolio
from limits.ceilings import CEILINGS, Ceiling
from limits.cli import run
from limits.policy import Policy
from limits.reasons import Reason
from limits.store.policies import pack_names, read_pack

FOLDER = Path(__file__).resolve().parents[1] / "cases"
PACKS = ["au", "ca", "cn", "cz", "eu", "in", "standard", "uk", "us"]


@functools.cache
def pack(name: str) -> tuple[list[Policy], Cases]:
    history = read_pack(name)
    return history, cases_of(history)


def test_the_packs_are_those_that_come_with_the_product() -> None:
    assert pack_names() == PACKS
    assert str(shipped_cases()) == str(FOLDER)


@pytest.mark.parametrize("name", PACKS)
def test_every_case_of_the_pack_comes_out_as_it_says(name: str) -> None:
    history, cases = pack(name)
    outcome = cases.run(history)
    assert [(failure.one.name, dict(failure.expected), dict(failure.found)) for failure in outcome.failed] == []
    assert len(outcome.passed) == len(cases) > 150
    assert not cases.notice(history)


@pytest.mark.parametrize("name", PACKS)
def test_every_reason_is_given_by_a_case_of_the_pack(name: str) -> None:
    """A rule that no case reaches may be wrong without anybody noticing."""
    history, cases = pack(name)
    assert {reason for listed in cases.reasons(history) for reason in listed} == {c.reason for c in CEILINGS}


def test_every_reason_is_the_first_reason_of_some_case() -> None:
    found = {listed[0] for name in PACKS for listed in pack(name)[1].reasons(pack(name)[0]) if listed}
    assert not {ceiling.reason.name for ceiling in CEILINGS} - {reason.name for reason in found}


@pytest.mark.parametrize("name", PACKS)
@pytest.mark.parametrize("ceiling", CEILINGS, ids=lambda ceiling: ceiling.reason.name.lower())
def test_without_a_rule_a_case_fails(name: str, ceiling: Ceiling, monkeypatch: pytest.MonkeyPatch) -> None:
    history, cases = pack(name)
    monkeypatch.setattr(limits.decision, "CEILINGS", tuple(other for other in CEILINGS if other is not ceiling))
    assert cases.notice(history)


@pytest.mark.parametrize("ceiling", [c for c in CEILINGS if c.hard], ids=lambda ceiling: ceiling.reason.name.lower())
def test_a_hard_maximum_that_hysteresis_may_soften_is_noticed(
    ceiling: Ceiling, monkeypatch: pytest.MonkeyPatch
) -> None:
    softer = tuple(Ceiling(c.reason, c.rule, c.hard and c is not ceiling) for c in CEILINGS)
    monkeypatch.setattr(limits.decision, "CEILINGS", softer)
    # The product's maximum and the law's are the same in the case that goes beyond them, so both go soft together.
    if ceiling.reason in (Reason.STATUTORY_MAXIMUM, Reason.PRODUCT_MAXIMUM):
        pair = (Reason.STATUTORY_MAXIMUM, Reason.PRODUCT_MAXIMUM)
        softer = tuple(Ceiling(c.reason, c.rule, c.hard and c.reason not in pair) for c in CEILINGS)
        monkeypatch.setattr(limits.decision, "CEILINGS", softer)
    history, cases = pack("standard")
    assert cases.notice(history)


def test_there_are_sixty_cases_and_each_is_for_a_pack() -> None:
    book = read_casebook(FOLDER)
    assert len(book.files) >= 60
    assert {"freelancer.toml", "sole_trader.toml"} <= set(book.files)
    assert set(book.amounts) == set(PACKS)
    for file, case in book.files.items():
        assert any(book.is_for(case, name) for name in PACKS), file
        named = [case["policy"]] if isinstance(case["policy"], str) else case["policy"]
        assert set(named) | set(case.get("except", ())) <= {*PACKS, EVERY}, file
    titles = [case["title"] for case in book.files.values()]
    assert len(set(titles)) == len(titles)


def test_what_is_said_of_a_failure_names_what_was_found(tmp_path: Path) -> None:
    book = _book(tmp_path, 'edge = [ { set = { days_past_due = 30 }, expect = "held", limit = 20000 } ]')
    history = read_pack("standard")
    (failure,) = cases_of(history, book).run(history).failed
    assert isinstance(failure.one, Moment)
    assert failure.one.name == "case.toml: edge 1, days_past_due = 30"
    assert failure.expected == {"action": "held", "limit": "20,000.00"}
    assert failure.found == {"action": "lowered", "limit": "14,000.00"}


def test_amounts_are_those_of_the_pack(tmp_path: Path) -> None:
    (tmp_path / "packs.toml").write_text('currency = "CNY"\n[amounts]\nstandard = 1\nus = 0.2\nin = "10"\n')
    folder = _book(tmp_path, 'edge = [ { set = { credit_limit = 1000.5 }, expect = "held" } ]', 'policy = "every pack"')
    found = {}
    for name in ("standard", "us", "in"):
        (moment,) = read_casebook(folder).of_pack(name, {"us": "USD", "in": "INR"}.get(name, "CNY"))
        assert isinstance(moment, Moment)
        found[name] = (moment.columns["credit_limit"], moment.columns["balance"])
    assert found == {"standard": (100_050, 900_000), "us": (20_010, 180_000), "in": (1_000_500, 9_000_000)}


def _book(folder: Path, text: str, policy: str = 'policy = "standard"') -> Path:
    head = f'title = "A case"\nas_of = 2026-06-30\n{policy}\ncurrency = "CNY"\n'
    (folder / "case.toml").write_text(head + text + "\n")
    return folder


def test_a_case_may_tell_of_the_newest_statements(tmp_path: Path) -> None:
    (tmp_path / "packs.toml").write_text('currency = "CNY"\n[amounts]\nstandard = 1\nus = 0.2\n')
    text = """
edge = [ { set = { statements = [] }, expect = "held" }, { set = { balance = 1 }, expect = "held" } ]
[user]
statements = [{ balance = 90.5, repaid = 7, days_past_due = 40 }, { balance = -3 }]
"""
    folder = _book(tmp_path, text, 'policy = "every pack"')
    for name, currency, minor in (("standard", "CNY", 100), ("us", "USD", 20)):
        moments = [one for one in read_casebook(folder).of_pack(name, currency) if isinstance(one, Moment)]
        record = make_portfolio([moment.columns for moment in moments]).payment_record
        assert record.held.tolist() == [0, 2]
        assert record.balance[1].tolist() == [90.5 * minor, -3 * minor, 0, 0, 0, 0]
        assert record.repaid[1].tolist() == [7 * minor, 0, 0, 0, 0, 0]
        assert record.days_past_due[1].tolist() == [40, 0, 0, 0, 0, 0]
        assert not record.balance[0].any() and not record.days_past_due[0].any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing is expected; add a [[step]] or an edge"),
        ("edge = 3", "edge must be a list of tables; write [[edge]] above each"),
        ('edge = [ { set = { active_lender = 3 }, expect = "held" } ]', "did you mean 'active_lenders'?"),
        ('edge = [ { set = { statements = 3 }, expect = "held" } ]', "write up to 6, the newest first, such as"),
        ('edge = [ { set = { statements = [ {}, {}, {}, {}, {}, {}, {} ] } } ]', "write up to 6, the newest first"),
        ('edge = [ { set = { statements = [ 3 ] } } ]', "statement 1 of edge 1: statement = 3 cannot be"),
        ('edge = [ { set = { statements = [ {}, { balanse = 3 } ] } } ]', "2 of edge 1 has an unknown 'balanse'"),
        ('edge = [ { set = { statements = [ { days_past_due = -1 } ] } } ]', "a whole number from 0 to 3650"),
        ('edge = [ { set = { statements = [ { days_past_due = 1.5 } ] } } ]', "a whole number from 0 to 3650"),
        ('edge = [ { set = { statements = [ { repaid = -1 } ] } } ]', "repaid = -1 cannot be; write an amount"),
        ('edge = [ { set = { statements = [ { balance = "x" } ] } } ]', "balance = 'x' cannot be; write an amount"),
        ('edge = [ { set = 3, expect = "held" } ]', "edge 1: set must be a table"),
        ('edge = [ { expect = "hold" } ]', "edge 1: 'hold' is not the action; did you mean 'held'?"),
        ("edge = [ { set = { } } ]", 'edge 1: nothing is expected; write expect = "held"'),
        ('edge = [ { expects = "held" } ]', "edge 1 has an unknown 'expects'; did you mean 'expect'?"),
        ('edge = [ { reasons = ["past_dues"] } ]', "'past_dues' is not a reason; did you mean 'past_due'?"),
        ('edge = [ { reasons = "past_due" } ]', "reasons must be a list"),
        ("edge = [ { ceiling = 3 } ]", "ceiling must be written like"),
        ('edge = [ { notice = "raise" } ]', "'raise' is not a notice; did you mean 'raised'?"),
        ('edge = [ { limit = "20000" } ]', "amount = '20000' cannot be; write an amount such as 20000"),
        ("edge = [ { limit = 0.001 } ]", "amount = 0.001 is 0.001 CNY, which no amount can be"),
        ('edge = [ { set = { identity = "maybe" }, expect = "held" } ]', '"unverified" or "verified" or "mismatch"'),
        ("edge = [ { set = { opted_out = 1 }, limit = 1 } ]", "opted_out = 1 cannot be; write true or false"),
        ("edge = [ { set = { inquiries = true }, limit = 1 } ]", "inquiries = True cannot be; write a whole number"),
        ('edge = [ { set = { opened_on = "soon" }, limit = 1 } ]', 'opened_on = \'soon\' cannot be; write a date, "30'),
        ("edge = [ { set = { opened_on = 3 }, limit = 1 } ]", 'opened_on = 3 cannot be; write a date, or'),
        ('[[step]]\ntitle = "x"', "step 1 expects nothing; add [step.expect]"),
        ('[[step]]\n[step.expect]\naction = "up"', "step 1: 'up' is not the action; raised, held, lowered"),
        ('days = { kept = 2026-01-01 }', "[days] has an unknown 'kept'"),
        ('days = { kept_until = "2026" }', "kept_until = '2026' cannot be; write a date"),
        ("breaker = [ { user = 3, trips = [] } ]", "breaker 1 has an unknown 'user'; did you mean 'users'?"),
        ("breaker = [ { users = 3 } ]", "breaker 1: write whole numbers, and trips = [...]"),
        ("color = 3", "the case has an unknown 'color'"),
        ("edge = [", "case.toml: not TOML"),
    ],
)  # fmt: skip
def test_a_case_that_cannot_be_read_is_named_with_what_is_wrong_and_the_mend(
    text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(CaseError) as raised:
        cases_of(read_pack("standard"), _book(tmp_path, text))
    assert str(raised.value).startswith("case.toml: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("", "policy is missing or of the wrong kind"),
        ("policy = [3]", "policy and except name packs in quotes"),
        ('policy = ["us"]', "no case is for the pack standard; write policy ="),
    ],
)
def test_a_case_for_no_pack_says_so(policy: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CaseError) as raised:
        cases_of(read_pack("standard"), _book(tmp_path, 'edge = [ { expect = "held" } ]', policy))
    assert message in str(raised.value)


def test_a_case_in_other_money_than_the_pack_needs_a_factor(tmp_path: Path) -> None:
    folder = _book(tmp_path, 'edge = [ { expect = "held" } ]', 'policy = "us"')
    with pytest.raises(CaseError, match="amounts are in CNY and the pack us in USD; write the amounts in USD"):
        cases_of(read_pack("us"), folder)


def test_a_changed_policy_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    folder = _book(tmp_path, 'edge = [ { expect = "held", changed = { raise = { step_bp = 1 } } } ]')
    history = read_pack("standard")
    with pytest.raises(Exception, match=r"\[changed\] of a case makes no policy: raise.step_bp"):
        cases_of(history, folder).run(history)
    folder = _book(tmp_path, 'edge = [ { expect = "held", changed = { maximum = { product = "900000 CNY" } } } ]')
    with pytest.raises(Exception, match=r"maximum\.product is above maximum.statutory; lower it"):
        cases_of(history, folder).run(history)


def test_the_command_prints_what_passed_and_leaves_with_one_when_something_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["policy", "test", "uk"]) == 0
    printed = capsys.readouterr().out
    assert "passed  Days past due: one bars a raise" in printed
    assert "expectations of the pack uk are met" in printed
    folder = _book(tmp_path, 'edge = [ { set = { days_past_due = 30 }, expect = "held" }, { limit = 20000 } ]')
    assert run(["policy", "test", "standard", "--cases", str(folder)]) == 1
    printed = capsys.readouterr().out
    assert "FAILED  A case  [case.toml: 0 of 2]" in printed
    assert "edge 1, days_past_due = 30, as of 2026-06-30" in printed
    assert "action: expected held, found lowered" in printed
    assert run(["policy", "test", "standard", "--cases", str(folder), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["failed"][0]["expected"] == {"action": "held"}
    assert run(["policy", "test", "standard", "--cases", str(folder / "nowhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
