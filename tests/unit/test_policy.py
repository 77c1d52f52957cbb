"""A policy that cannot be used says so: file, line and mend."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from limits.errors import PolicyError
from limits.policy import parse_policy, policy_at
from limits.store.policies import lasting_name, pack_names, read_pack

BODY = (Path(__file__).resolve().parents[2] / "limits/policies/standard/2026-01-01.toml").read_text()


@pytest.mark.parametrize("pack", pack_names())
def test_every_shipped_pack_can_be_read_and_is_named_as_its_folder(pack: str) -> None:
    assert {policy.pack for policy in read_pack(pack)} == {pack}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("step_bps = 2000", "step_bp = 2000", "unknown key 'raise.step_bp'; did you mean 'step_bps'?"),
        ('"100 CNY"', '"100 USD"', "rounding.grid is in USD and the policy in CNY; write one currency"),
        ('"100 CNY"', '"0 CNY"', "rounding.grid is zero; write the smallest step between two limits"),
        ('"100 CNY"', '"100"', "rounding.grid: '100' is not an amount; write it like"),
        ('"100 CNY"', '"1.005 CNY"', "has 3 decimals; CNY has 2"),
        ('"100 CNY"', "100", "rounding.grid: 100 has no currency; write it like"),
        ('currency = "CNY"', 'currency = "XXX"', "'XXX' is not a currency known here"),
        ("horizon_months = 6 ", 'horizon_months = "6" ', "capacity.horizon_months must be a whole number; it is '6'"),
        ("horizon_months = 6 ", "horizon_months = 6.5 ", "capacity.horizon_months must be a whole number"),
        ("apr_bps = 1800", "apr_bps = -1", "repayment.apr_bps must be at least 0; it is -1"),
        ('product = "150000 CNY"', "product = [1]", "maximum.product: [1] has no currency; write it like"),
        ('pack = "standard"', 'pack = "standard"\nbudget = 5', "budget must be a table with keys of its own; it is 5"),
        ('pack = "standard"', 'pack = "standard"\nsegment = 5', "segment must be a list; it is 5"),
        ("consent = true", "consent = 1", "raise.consent must be true or false; it is 1"),
        ('basis = "amortising"', 'basis = "both"', "repayment.basis must be 'amortising' or 'minimum_payment'"),
        ("utilisation_to_bps = 9500", "utilisation_to_bps = 100", "so nobody could be raised; widen the window"),
        ("step_bps = 2000", "step_bps = 400", "so no raise could be made; enlarge it"),
        ('product = "150000 CNY"', 'product = "300000 CNY"', "maximum.product is above maximum.statutory; lower it"),
        ("days_past_due = 1\n", "days_past_due = 2\n", "the first step of past_due must begin at 1 day"),
        ("days_past_due = 30", "days_past_due = 1", "step 2 of past_due must have more days_past_due"),
        ("inquiries = 10", "inquiries = 5", "step 2 of exposure.inquiries must have more inquiries"),
        (
            "limit_bps = 8500",
            "limit_bps = 10001",
            "exposure.inquiries[2].limit_bps must be at most 10000",
        ),
        ("missed_payments = 6", "missed_payments = 3", "step 2 of arrears must have more missed_payments"),
        ("missed_payments = 3", "missed_payments = 0", "arrears[1].missed_payments must be at least 1"),
        ('residual_income = "1500 CNY"', 'residual_income = "1500 EUR"', "debt.residual_income is in EUR"),
        ("1500 CNY", "1500", "debt.residual_income: '1500' is not an amount; write it like"),
        ('borrower_most = "200000 CNY"', 'borrower_most = "200000 JPY"', "debt.borrower_most is in JPY and the policy"),
        (
            'raises = "at_once"',
            'raises = "later"',
            "consent.raises must be 'at_once', 'offer', 'notice' or 'on_request'",
        ),
        ("restore_days = 365", "restore_days = 85", "raise.restore_days ends before cool_off_after_cut_days does"),
        ("fraud_links = 1 ", "fraud_links = 0 ", "integrity.fraud_links must be at least 1; it is 0"),
        ("probing_requests = 4", "probing_request = 4", "unknown key 'raise.probing_request'; did you mean"),
        ("[habits]", "[habit]", "unknown key 'habit'; did you mean 'habits'?"),
        ("[cut]", "[cut", "not TOML: Expected ']' at the end of a table declaration; mend the line"),
        ("minimum_months = 6 ", "# ", "capacity.minimum_months is missing; add it, for a policy has no defaults"),
        (
            'pack = "standard"',
            'pack = "../x"',
            "pack must begin with a small letter and hold up to 64 small letters, digits",
        ),
        (
            "effective_on = 2026-01-01",
            'effective_on = "soon"',
            "effective_on must be a date, written without quotes such as 2026-01-01",
        ),
    ],
)
def test_a_mistake_is_named_with_file_line_and_mend(old: str, new: str, message: str) -> None:
    assert old in BODY
    text = BODY.replace(old, new, 1)
    line = next(n for n, (a, b) in enumerate(zip(BODY.splitlines(), text.splitlines(), strict=True), 1) if a != b)
    with pytest.raises(PolicyError) as raised:
        parse_policy(text, file="night.toml")
    told = str(raised.value).splitlines()
    matching = [t for t in told if message in t]
    assert matching, told
    # What is missing is told at its table, what concerns two lines at one of them.
    assert matching[0].startswith("night.toml:")
    if not any(part in message for part in ("missing", "step ", "window")):
        assert matching[0].startswith(f"night.toml:{line}:"), (line, matching)


TABLES = """
[[segment]]
name = "student"
most = "20000 CNY"

[[segment]]
name = "retail"
most = "60000 CNY"

[[industry]]
name = "mining"
most = "0 CNY"

[[freeze]]
first_day = 2026-03-01
last_day = 2026-03-31
segments = []
industries = ["mining"]
jurisdictions = []
"""


def test_tables_that_may_be_left_out_are_read() -> None:
    policy = parse_policy(BODY + TABLES, file="p.toml")
    assert [(group.name, group.most.minor) for group in policy.segment] == [
        ("student", 2_000_000),
        ("retail", 6_000_000),
    ]
    assert policy.industry[0].most.minor == 0
    assert policy.freeze[0].last_day == dt.date(2026, 3, 31) and policy.freeze[0].industries == {"mining"}
    bare = parse_policy(BODY, file="p.toml")
    assert (bare.segment, bare.industry, bare.freeze) == ((), (), ())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("60000 CNY", "60000 EUR", "segment[2].most is in EUR and the policy in CNY; write one currency"),
        ("60000 CNY", "160000 CNY", "segment[2].most is above maximum.product, so it bounds nobody; lower it"),
        ("60000 CNY", "99.99 CNY", "segment[2].most is below rounding.grid, so it would be a limit of zero"),
        ('"60000 CNY"', "60000", "segment[2].most: 60000 has no currency; write it like"),
        ('"retail"', '"student"', "segment[2].name 'student' is there twice; keep one maximum for it"),
        ('"retail"', '"reta\\u200bil"', "segment[2].name: 'reta\\u200bil' holds a sign that cannot be seen; remove it"),
        (
            '"retail"',
            '"cafe\\u0301"',
            "segment[2].name: 'cafe\\u0301' has accents apart from their letters; write 'café'",
        ),
        ('["mining"]', '["mining "]', "freeze[1].industries[1]: 'mining ' begins or ends with a space; remove it"),
        ('"retail"', '"retail "', "segment[2].name 'retail ' begins or ends with a space; remove it"),
        ('"retail"', '""', "segment[2].name must not be empty; it is ''"),
        ('name = "mining"', 'nam = "mining"', "unknown key 'industry[1].nam'; did you mean 'name'?"),
        ("2026-03-31", "2026-02-28", "freeze[1].last_day is before its first_day, so no day is frozen"),
        ("2026-03-31", '"2026-03-31"', "freeze[1].last_day must be a date, written without quotes"),
        ("2026-03-31", "2026-03-31T10:00:00", "freeze[1].last_day must be a date, written without quotes"),
        ('["mining"]', '"mining"', "freeze[1].industries must be a list; it is 'mining'"),
        ("jurisdictions = []", "", "freeze[1].jurisdictions is missing; add it, for a policy has no defaults"),
    ],
)
def test_a_mistake_in_one_of_several_tables_is_named_with_its_line(old: str, new: str, message: str) -> None:
    assert TABLES.count(old) == 1
    text = BODY + TABLES.replace(old, new)
    whole = BODY + TABLES
    line = next(n for n, (a, b) in enumerate(zip(whole.splitlines(), text.splitlines(), strict=False), 1) if a != b)
    if new == "":  # told at its table
        line = whole.splitlines().index("[[freeze]]") + 1
    with pytest.raises(PolicyError) as raised:
        parse_policy(text, file="p.toml")
    assert any(told.startswith(f"p.toml:{line}: {message}") for told in str(raised.value).splitlines()), raised.value


def test_a_freeze_that_was_over_before_the_policy_began_is_a_mistake() -> None:
    text = BODY + TABLES.replace("2026-03-01", "2025-03-01").replace("2026-03-31", "2025-12-31")
    with pytest.raises(PolicyError, match=r"p\.toml:\d+: freeze\[1\]\.last_day is before effective_on"):
        parse_policy(text, file="p.toml")
    assert parse_policy(text.replace("2025-12-31", "2026-01-01"), file="p.toml").freeze


def test_every_amount_of_a_policy_is_in_its_currency() -> None:
    """Found by walking the sections, so that no new key is forgotten: each amount in turn in another currency."""
    whole = BODY + TABLES
    amounts = [match.span() for match in re.finditer(r'(?<=\d )CNY(?=")', whole)]
    assert len(amounts) == whole.count(' CNY"') >= 10
    for start, end in amounts:
        line = whole[:start].count("\n") + 1
        with pytest.raises(PolicyError, match=rf"p\.toml:{line}: .* is in EUR and the policy in CNY"):
            parse_policy(whole[:start] + "EUR" + whole[end:], file="p.toml")


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = BODY.replace("apr_bps = 1800", "apr_bps = -1").replace("horizon_months", "horizon")
    with pytest.raises(PolicyError) as raised:
        parse_policy(text, file="p.toml")
    lines = [int(line.split(":")[1]) for line in str(raised.value).splitlines()]
    assert len(lines) == 3 and lines == sorted(lines)


def test_a_policy_cannot_name_its_own_text() -> None:
    with pytest.raises(PolicyError, match="unknown key 'body'"):
        parse_policy('body = "x"\n' + BODY, file="p.toml")


def test_the_policy_in_force_is_the_newest_effective_one() -> None:
    first = parse_policy(BODY, file="a")
    second = parse_policy(BODY.replace("effective_on = 2026-01-01", "effective_on = 2026-07-01"), file="b")
    assert policy_at([second, first], dt.date(2026, 6, 30)) == first
    assert policy_at([first, second], dt.date(2026, 7, 1)) == second
    assert first.policy_hash != second.policy_hash
    with pytest.raises(PolicyError, match="no policy is in force on 2025-12-31"):
        policy_at([first, second], dt.date(2025, 12, 31))


def test_a_pack_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(
        PolicyError,
        match=r"there is no policy 'nowhere': name a pack \(au, ca, cn, cz, eu, in, standard, tw, tw-cards, uk, us\)",
    ):
        read_pack("nowhere")
    with pytest.raises(PolicyError, match="holds no policy"):
        read_pack(str(tmp_path))


@pytest.mark.parametrize("name", ["", "x" * 5000, "~nobody_such/policy.toml", "nul\0byte"])
def test_a_name_that_cannot_be_a_file_is_one_sentence(name: str) -> None:
    with pytest.raises(PolicyError) as raised:
        read_pack(name)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 300


@pytest.mark.parametrize("text", ["x = " + "[" * 20_000, "x = " + "9" * 6000, "x = " + "{a=" * 20_000])
def test_a_text_made_to_break_the_reader_is_refused(text: str) -> None:
    with pytest.raises(PolicyError, match=r"p\.toml:1: "):
        parse_policy(text, file="p.toml")


def test_a_byte_order_mark_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_bytes(b"\xef\xbb\xbf" + BODY.encode())
    with pytest.raises(PolicyError, match="byte order mark"):
        read_pack(str(file))
    file.write_text(BODY + "#" * 70_000)
    with pytest.raises(PolicyError, match="a policy has at most"):
        read_pack(str(file))


def test_a_schedule_keeps_a_name_that_leads_there_from_any_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert lasting_name("cz") == "cz"
    assert lasting_name("etc/my.toml") == "/etc/my.toml"


def test_a_folder_of_policies_is_a_history(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(BODY)
    (tmp_path / "a.toml").write_text(BODY.replace("effective_on = 2026-01-01", "effective_on = 2026-07-01"))
    assert [p.effective_on.month for p in read_pack(str(tmp_path))] == [1, 7]
    (tmp_path / "c.toml").write_text(BODY)
    with pytest.raises(PolicyError, match="2 policies effective on 2026-01-01; keep one"):
        read_pack(str(tmp_path))
    (tmp_path / "c.toml").write_bytes(b"pack = \xff\n")
    with pytest.raises(PolicyError, match=r"c\.toml:1: not UTF-8"):
        read_pack(str(tmp_path))
