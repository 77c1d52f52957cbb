"""Which entries limits log list and limits log export find: the cases of tests/log/filters.toml."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from limits.cli import run
from limits.money import parse_money
from limits.settings import Settings
from limits.store.db import Connection
from tests import builders, logbook
from tests.packs import write_pack

FILE = tomllib.loads((Path(__file__).parents[1] / "log" / "filters.toml").read_text())
AS_OF = dt.date(2026, 6, 30)


@pytest.fixture
def hashes(conn: Connection, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The entries of the file, users numbered by their letters; gives the policies that decided them."""
    monkeypatch.setenv("LIMITS_DATABASE_URL", settings.database_url or "")
    monkeypatch.setenv("LIMITS_HOME", str(settings.home))
    logbook.unguard(conn)
    write_pack(conn, tmp_path, "other")
    row = conn.execute("SELECT policy_hash FROM limits.policies WHERE pack = 'other'").fetchone()
    assert row is not None
    known = {"standard": logbook.standard(conn), "other": bytes(row[0])}
    for entry in FILE["entry"]:
        policy = known[entry.get("policy", "standard")]
        waits = entry.get("offered") or entry.get("announced")
        amounts = {name: parse_money(f"{entry[name]} {entry['currency']}").minor for name in ("before", "after")}
        number = logbook.add_entry(
            conn, logbook.add_review(conn, AS_OF, policy), ord(entry["letter"]), AS_OF, policy_hash=policy,
            reason_bits=sum(1 << logbook.CODES[code] for code in entry.get("reasons", ())),
            currency=entry["currency"], limit_before_minor=amounts["before"], limit_after_minor=amounts["after"],
            disposition=1 if "offered" in entry else 2 if "announced" in entry else 0,
            proposed_minor=parse_money(f"{waits} {entry['currency']}").minor if waits else None,
        )  # fmt: skip
        if waits:
            builders.add_user(conn, ord(entry["letter"]))
            logbook.add_waiting(conn, number, AS_OF)
    return known


def options(case: dict[str, Any], hashes: dict[str, bytes]) -> list[str]:
    """The options as they are typed: HASH OF and FIRST n OF stand for digits."""
    found = []
    for option in case["options"]:
        words = option.split(" ")
        if words[0] == "HASH":
            found.append(hashes[words[2]].hex())
        elif words[0] == "FIRST":
            found.append(hashes[words[3]].hex()[: int(words[1])].upper())
        else:
            found.append(option)
    return found


def test_every_case_finds_its_entries(
    hashes: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for case in FILE["case"]:
        given = options(case, hashes)
        assert run(["log", "list", "--json", *given]) == 0, capsys.readouterr().err
        listed = json.loads(capsys.readouterr().out)["entries"]
        assert "".join(sorted(chr(entry["user_id"]) for entry in listed)) == case["finds"], given
        assert run(["log", "export", "--output", str(tmp_path / "out.csv"), *given]) == 0, capsys.readouterr().err
        exported = csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text()))
        assert "".join(sorted(chr(int(row["user_id"])) for row in exported)) == case["finds"], given
        capsys.readouterr()


@pytest.mark.parametrize("command", ["list", "export"])
def test_what_cannot_match_is_refused(
    hashes: dict[str, bytes], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for case in FILE["refused"]:
        assert run(["log", command, *case["options"]]) == 2, case
        seen = capsys.readouterr()
        assert case["says"] in seen.err and seen.err.count("\n") == 1 and seen.out == "", seen


def test_digits_that_begin_several_hashes_are_refused(
    conn: Connection, hashes: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two texts with such hashes are not to be had; the rows say so of themselves."""
    conn.execute("ALTER TABLE limits.policies DISABLE TRIGGER USER")
    conn.execute("ALTER TABLE limits.policies DROP CONSTRAINT IF EXISTS policies_check")
    for last in (b"\0", b"\1"):
        conn.execute(
            "INSERT INTO limits.policies (policy_hash, pack, effective_on, body, actor) VALUES (%s, 'x', %s, '', 'x')",
            (b"\xab" * 31 + last, AS_OF),
        )
    assert run(["log", "list", "--policy", "abab"]) == 2
    assert "abab begins the hashes of several policies" in capsys.readouterr().err
    assert run(["log", "list", "--policy", "ab" * 31 + "01"]) == 0


@pytest.mark.parametrize(
    "given",
    [
        ["list", "--user", "1", "--user", "2"],
        ["list", "--review", "1", "--from", "2026-01-01", "--review=1"],
        ["list", "--from", "2026-01-01", "--from", "2026-01-01"],
        ["list", "--to", "2026-01-01", "--to", "2026-01-02"],
        ["list", "--action", "held", "--action", "raised"],
        ["list", "--outcome", "held", "--outcome", "offered"],
        ["list", "--actor", "a", "--actor", "b"],
        ["export", "--policy", "cz", "--policy", "us"],
        ["export", "--min-change", "1 CZK", "--min-change", "2 CZK"],
        ["export", "--max-change", "1 CZK", "--max-change", "2 CZK"],
        ["export", "--min-share", "1", "--min-share", "2"],
        ["export", "-o", "a", "--output", "b"],
        ["report", "--from", "2026-01-01", "--from", "2026-01-02"],
        ["reconcile", "--user", "1", "--user", "2"],
        ["replay", "--review", "1", "--review", "2"],
        ["export-proof", "a", "--review", "1", "--review", "2"],
    ],
    ids=" ".join,
)
def test_what_is_named_twice_is_refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Never the last one without a word."""
    assert run(["log", *given]) == 2
    seen = capsys.readouterr()
    name = next(word for word in reversed(given) if word.startswith("--")).split("=")[0]
    assert f"{name} is named twice; name one" in seen.err and seen.err.count("\n") == 1 and seen.out == "", seen


@pytest.mark.parametrize("command", ["list", "export"])
def test_what_is_not_there_is_not_the_same_as_nothing_found(
    hashes: dict[str, bytes], command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.csv"
    out.write_text("as it was")
    into = ["-o", str(out)] if command == "export" else []
    for given, says in (
        (["--review", "99"], "there is no review 99; `limits review list` shows those there are"),
        (["--user", "999999"], "there is no user 999999 with a credit line"),
        (["--user", "999999", "--action", "held"], "there is no user 999999 with a credit line"),
        (["--actor", "demo"], "no entry of the log is by 'demo'; the newest are by 'test'"),
    ):
        assert run(["log", command, *given, *into]) == 2, given
        seen = capsys.readouterr()
        assert seen.err == f"limits: {says}\n" and seen.out == "", seen
    assert out.read_text() == "as it was"
    for given in (["--review", "1", "--action", "lowered"], ["--actor", "test", "--user", "97", "--action", "lowered"]):
        assert run(["log", command, *given, *into]) == 0, capsys.readouterr().err


def test_five_actors_are_named_newest_first(
    conn: Connection, hashes: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(7):
        review_id = logbook.add_review(conn, AS_OF, hashes["standard"])
        conn.execute("UPDATE limits.reviews SET actor = %s WHERE review_id = %s", (f"Ann {number}", review_id))
    assert run(["log", "list", "--json", "--actor", "Ann"]) == 2
    said = capsys.readouterr().err
    assert "by 'Ann'; the newest are by 'Ann 6', 'Ann 5', 'Ann 4', 'Ann 3', 'Ann 2'\n" in said


def test_a_switch_that_is_named_twice_says_the_same(
    hashes: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["log", "list", "--json", "--json"]) == 0, capsys.readouterr().err
