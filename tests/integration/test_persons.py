"""References: encrypted under a key for each user, found by a keyed digest; and the commands about persons."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from limits import engine
from limits.cli import run
from limits.errors import DatabaseError, ErasureRefused, InputError, NotFound
from limits.settings import Settings
from limits.store import persons
from limits.store.db import Connection, Database
from tests import builders
from tests.erasing import saying

AS_OF = builders.AS_OF
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def limits(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """A command with something on its standard input: exit code, standard output, standard error."""
    monkeypatch.setenv("LIMITS_DATABASE_URL", database.url)
    monkeypatch.setenv("LIMITS_HOME", str(settings.home))

    def call(*arguments: str, given: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        capsys.readouterr()
        code = run(arguments)
        return (code, *capsys.readouterr())

    return call


def test_a_reference_is_found_and_read_and_stands_nowhere(conn: Connection, ops: Connection) -> None:
    for user_id in (1, 2, 3):
        builders.add_user(conn, user_id)
    persons.put(ops, 1, "  Kunde 4711\n", actor="Ann")
    persons.put(ops, 2, "Kunde 4711", actor="Ann")
    persons.put(ops, 3, "Zoe\u0308", actor="Bo")  # an e and a diaeresis apart: kept as one letter
    assert persons.find(ops, "Kunde 4711 ") == [1, 2], "one person may have several lines"
    assert persons.find(ops, "Kunde 471") == [] and persons.find(ops, "Zo\u00eb") == [3]
    found = persons.get(ops, 3)
    assert (found.reference, found.actor) == ("Zo\u00eb", "Bo")
    assert saying(conn, "Kunde") == set()
    rows = conn.execute("SELECT sealed, nonce, lookup FROM limits.persons ORDER BY user_id").fetchall()
    keys = conn.execute("SELECT key FROM limits.person_keys").fetchall()
    assert len({bytes(row[0]) for row in rows}) == len({bytes(key) for (key,) in keys}) == 3
    assert rows[0][2] == rows[1][2] != rows[2][2]


def test_a_server_that_logs_statements_does_not_log_what_leads_to_a_person(conn: Connection, scratch: Path) -> None:
    builders.add_user(conn, 1)
    conn.execute("SET log_statement = 'all'")
    conn.execute("SET log_min_duration_statement = 0")
    server_log = scratch / "home" / "log" / "postgresql.log"
    before = server_log.stat().st_size
    persons.put(conn, 1, "Kunde 4711", actor="Ann")
    conn.execute("RESET log_statement")
    conn.execute("RESET log_min_duration_statement")
    with server_log.open("rb") as file:
        file.seek(before)
        said = file.read().decode(errors="replace")
    assert "COPY limits.person_intake" in said, "statements are logged"
    (key, sealed) = conn.execute("SELECT key, sealed FROM limits.person_keys, limits.persons").fetchone() or (b"", b"")
    for secret in (bytes(key).hex(), bytes(sealed).hex(), "Kunde"):
        assert secret not in said


def test_whoever_sets_it_leaves_that_behind_and_never_the_reference(
    conn: Connection, ops: Connection, limits: Call
) -> None:
    builders.add_user(conn, 1)
    for text, actor in (("Kunde 1", "Ann"), ("Kunde 2", " Bo "), ("Kunde 3", "Ann")):
        persons.put(ops, 1, text, actor=actor)
    found = persons.settings(ops, 1)
    assert [one.actor for one in found] == ["Ann", "Bo", "Ann"] and persons.settings(ops, 2) == []
    assert found[0].set_at > found[1].set_at > found[2].set_at
    (login,) = ops.execute("SELECT session_user").fetchone() or ("",)
    assert {one.login for one in found} == {login} and saying(conn, "Kunde") == set()
    for statement in ("UPDATE limits.person_sets SET actor = 'Eve'", "DELETE FROM limits.person_sets"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"), conn.transaction():
            conn.execute("SET LOCAL session_replication_role = replica")
            conn.execute(statement.encode())
    code, _, err = limits("person", "show", "1")
    assert code == 0 and [line.split(" UTC by ")[1] for line in err.splitlines()] == ["Ann", "Bo", "Ann"]
    shown = json.loads(limits("person", "show", "1", "--json")[1])
    assert [one["actor"] for one in shown["settings"]] == ["Ann", "Bo", "Ann"]


def test_setting_it_again_makes_a_new_key(conn: Connection, ops: Connection) -> None:
    builders.add_user(conn, 1)
    persons.put(ops, 1, "first", actor="Ann")
    before = conn.execute("SELECT key FROM limits.person_keys").fetchall()
    persons.put(ops, 1, "second", actor="Bo")
    assert conn.execute("SELECT key FROM limits.person_keys").fetchall() != before
    assert persons.get(ops, 1).reference == "second"
    assert persons.find(ops, "first") == []


def test_what_was_altered_or_moved_is_not_read(conn: Connection, ops: Connection) -> None:
    for user_id in (1, 2):
        builders.add_user(conn, user_id)
        persons.put(ops, user_id, f"number {user_id}", actor="Ann")
    with conn.transaction(force_rollback=True):
        conn.execute("UPDATE limits.persons SET sealed = set_byte(sealed, 0, get_byte(sealed, 0) # 1)")
        with pytest.raises(DatabaseError, match="user 1 is not what was sealed"):
            persons.get(conn, 1)
    with conn.transaction(force_rollback=True):
        # Row and key of another user, whole: the number of the user is part of what is sealed.
        conn.execute(
            """UPDATE limits.persons p SET sealed = o.sealed, nonce = o.nonce
                 FROM limits.persons o WHERE p.user_id = 1 AND o.user_id = 2"""
        )
        conn.execute(
            """UPDATE limits.person_keys p SET key = o.key
                 FROM limits.person_keys o WHERE p.user_id = 1 AND o.user_id = 2"""
        )
        with pytest.raises(DatabaseError, match="user 1 is not what was sealed"):
            persons.get(conn, 1)
    conn.execute("DELETE FROM limits.person_keys WHERE user_id = 1")
    with pytest.raises(DatabaseError, match="the key of user 1 is gone"):
        persons.get(ops, 1)
    persons.put(ops, 1, "anew", actor="Ann")
    assert persons.get(ops, 1).reference == "anew"


def test_what_is_no_reference_is_refused_and_not_repeated(conn: Connection, ops: Connection) -> None:
    builders.add_user(conn, 1)
    for text, words in (("", "has 0"), (" \n", "has 0"), ("x" * 201, "has 201"), ("secret\nname", "cannot be printed")):
        with pytest.raises(InputError, match=words) as refused:
            persons.put(ops, 1, text, actor="Ann")
        assert "secret" not in str(refused.value) and "xxx" not in str(refused.value)
    persons.put(ops, 1, "\U0001f600" * 200, actor="Ann")
    assert len(persons.get(ops, 1).reference) == 200
    with pytest.raises(ErasureRefused, match="there is no user 99"):
        persons.put(ops, 99, "x", actor="Ann")
    with pytest.raises(NotFound, match="no reference of user 99"):
        persons.get(ops, 99)


def test_the_commands_from_a_reference_to_its_end(
    limits: Call, conn: Connection, database: Database, settings: Settings, tmp_path: Path
) -> None:
    builders.add_steady_user(conn, 1)
    engine.recompute(database, settings, 1, reason="x", actor="Ann", as_of=AS_OF, apply=True)
    engine.deliver(database, engine.ToFile(tmp_path / "messages.jsonl"))
    assert limits("person", "set", "1", given=b"Kunde 4711\n")[:2] == (
        0, "the reference of user 1 is kept, under a key of its own\n",
    )  # fmt: skip
    assert limits("person", "show", "1")[:2] == (0, "Kunde 4711\n")
    assert limits("person", "find", given=b"Kunde 4711\n")[:2] == (0, "1\n")
    (tmp_path / "reference").write_text("Kunde 4712")
    assert limits("person", "set", "1", "--reference-file", str(tmp_path / "reference"), "--actor", "Bo")[0] == 0
    assert json.loads(limits("person", "show", "1", "--json")[1])["reference"] == "Kunde 4712"
    assert limits("person", "find", given=b"Kunde 4711") == (2, "", "limits: no user has this reference\n")
    assert limits("person", "set", "1", given=b"\xff")[::2] == (2, "limits: the reference is not UTF-8\n")

    code, _, said = limits("person", "erase", "1", "--reason", "asked", "--actor", "Ann")
    assert code == 1 and said == "limits: user 1 cannot be erased: the account is active; close it first\n"
    conn.execute("UPDATE limits.user_profiles SET status = 'closed'")
    builders.add_statement(conn, 1, AS_OF, balance=0, minimum_due=0)
    assert limits("person", "erase", "1", "--reason", "asked", "--actor", "Ann")[::2] == (
        0, "proposed; another person carries it out: limits person erase 1 --confirm --yes\n",
    )  # fmt: skip
    assert "\tproposed\tAnn: asked\t" in limits("person", "erasures")[1]
    for wrong in (("--confirm",), ("--yes", "--reason", "x"), ("--confirm", "--yes", "--reason", "x"), ()):
        assert limits("person", "erase", "1", *wrong)[0] == 2
    assert "somebody else has to" in limits("person", "erase", "1", "--confirm", "--yes", "--actor", "Ann")[2]
    code, out, _ = limits("person", "erase", "1", "--confirm", "--yes", "--actor", "Bo")
    assert code == 0 and out.startswith("user 1 was erased on ") and re_line(out, "events") == 48

    today = persons.erasures(conn)[0].erased_on
    assert limits("person", "show", "1")[::2] == (
        2, f"limits: user 1 was erased on {today}; who that was is not known any more\n",
    )  # fmt: skip
    assert limits("person", "find", given=b"Kunde 4712")[0] == 2
    (done,) = json.loads(limits("person", "erasures", "--json")[1])["erasures"]
    assert (done["user_id"], done["maker"], done["checker"], done["counts"]["persons"]) == (1, "Ann", "Bo", 1)
    assert f"Erased     on {today}: of this user nothing but the log is kept" in limits("explain", "1")[1]
    assert json.loads(limits("explain", "1", "--json")[1])["erased_on"] == str(today)
    assert "what the log says is all there is" in limits("explain", "1", "--reference")[2]
    assert f"on {today}: of this user nothing but the log" in limits("log", "as-of", str(AS_OF), "1")[1]
    assert json.loads(limits("log", "as-of", str(AS_OF), "1", "--json")[1])["erased_on"] == str(today)
    assert f"user 1 was erased on {today}" in limits("recompute", "1", "--reason", "x")[2]
    assert "user 1 was erased on" in limits("consent", "1", "raises", "withdrawn", "--reason", "x")[2]
    assert limits("log", "replay", "--all")[0] == 0
    assert limits("log", "reconcile")[0] == 0


def re_line(out: str, name: str) -> int:
    """The number that a line of the output gives for a table."""
    (found,) = [line.split()[1] for line in out.splitlines() if line.split()[:1] == [name]]
    return int(found.replace(",", ""))


def test_a_name_is_no_other_for_signs_that_nobody_sees(conn: Connection) -> None:
    for sign in ("\u034f", "\u2064", "\u2066", "\ufe0f", "\U000e0041", "\u180e", "\u115f", "\u3164", " ", "\u00ad"):
        (name,) = conn.execute("SELECT limits.person(%s)", (f"E{sign}va",)).fetchone() or ("",)
        assert name == "eva", ascii(sign)


def test_a_reference_that_is_too_long_is_not_cut(conn: Connection, limits: Call) -> None:
    builders.add_user(conn, 1)
    code, _, said = limits("person", "set", "1", given=b"good" + b" " * 5000 + b"other")
    assert code == 2 and "more than 4,096 bytes" in said
