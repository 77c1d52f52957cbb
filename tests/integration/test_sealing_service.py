"""The sealer as people run it: the process, its keys, the second anchor, and what the doctor says."""

from __future__ import annotations

import contextlib
import http.server
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limits import checkpoint, engine, hashing
from limits.cli import doctor, doctor_log, log_seal, run
from limits.errors import AnchorFailed, InputError
from limits.settings import Settings, get_settings, make_settings, seal_paths
from limits.store import sealing, workers
from limits.store.anchors import Anchor
from limits.store.db import Connection, Database
from tests import builders
from tests.commands import limits
from tests.faults.processes import started, until
from tests.sealing import Files, force, notes, step


@pytest.fixture
def applied(database: Database, settings: Settings, conn: Connection) -> Callable[[int], None]:
    """Applies a decision about one user."""
    for user_id in (1, 2, 3):
        builders.add_steady_user(conn, user_id, credit_limit=300_000)
    builders.refresh(conn)

    def apply(user_id: int) -> None:
        engine.recompute(database, settings, user_id, reason="x", actor="Bo", as_of=builders.AS_OF, apply=True)

    return apply


@pytest.fixture
def files(settings: Settings) -> Files:
    """Those that the settings name."""
    return Files(seal_paths(settings).key.parent)


def test_a_batch_is_under_a_signed_checkpoint_within_half_a_minute_of_its_commit(
    settings: Settings, conn: Connection, files: Files, applied: Callable[[int], None]
) -> None:
    """With the process as it runs by itself: every ten seconds, with a heartbeat, until it is told to stop."""
    with started(settings, ("log", "seal")) as (process,):
        until(lambda: sealing.state(conn).checkpoints == 1)
        for user_id in (1, 2):
            applied(user_id)
            took = until(lambda: sealing.state(conn).unsealed == 0, 30.0)
            assert took < 30
            until(lambda: checkpoint.digest(notes(conn)[-1]) == checkpoint.digest(last_of(files)))
        assert [row.kind for row in workers.list_workers(conn, max_age=15)] == ["sealer"]
        assert process.stop() == 0
        said = process.said()
        assert said.count("checkpoint 1: 0 batches") == said.count("checkpoint 3: 1 batch sealed") == 1
    assert workers.list_workers(conn) == []


def last_of(files: Files) -> str:
    return list(checkpoint.split(files.checkpoints.read_text().splitlines(keepends=True)))[-1]


def test_a_sealer_goes_on_when_what_was_wrong_is_mended(
    database: Database, settings: Settings, conn: Connection, files: Files, applied: Callable[[int], None]
) -> None:
    """Stopped, its connection cut, its file gone and back: one line for each trouble, and in the end all is sealed."""
    step(database, files.sealer())
    gone = files.checkpoints.with_name("gone")
    files.checkpoints.rename(gone)
    with started(settings, ("log", "seal", "--every", "0.2")) as (process,):
        until(lambda: "is gone, and the database has checkpoints" in process.said())
        applied(1)
        time.sleep(1)
        gone.rename(files.checkpoints)
        until(lambda: sealing.state(conn).unsealed == 0)
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'limits log seal'"
        )
        applied(2)
        until(lambda: sealing.state(conn).unsealed == 0)
        os.kill(process.pid, signal.SIGSTOP)
        applied(3)
        os.kill(process.pid, signal.SIGCONT)
        until(lambda: sealing.state(conn).unsealed == 0)
        assert process.said().count("is gone, and the database has checkpoints") == 1
    assert files.checkpoints.read_text() == checkpoint.join(notes(conn))


def test_a_login_with_the_sealers_role_and_nothing_else_seals(
    server_url: str, settings: Settings, conn: Connection, files: Files, applied: Callable[[int], None]
) -> None:
    applied(1)
    conn.execute("DO $$ BEGIN CREATE ROLE limits_test_seal LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    conn.execute("GRANT limits_sealer TO limits_test_seal")
    own = make_settings(
        **settings.model_dump()
        | {"database_url": str(settings.database_url).replace("limits@", "limits_test_seal@", 1)}
    )
    done = limits(own, "log", "seal", "--once")
    assert done.returncode == 0 and "1 batch sealed" in done.stdout, done.stderr
    with started(own, ("log", "seal")) as (process,):
        until(lambda: [row.kind for row in workers.list_workers(conn)] == ["sealer"])
        assert process.stop() == 0
    conn.execute("REVOKE limits_sealer FROM limits_test_seal")


# Commands ----------------------------------------------------------------------------------------


def test_a_key_is_made_once_and_for_its_owner(settings: Settings) -> None:
    paths = seal_paths(settings)
    done = limits(settings, "log", "key", "new", "lender-2026")
    assert done.returncode == 0, done.stderr
    public = checkpoint.PublicKey.parse(done.stdout.strip())
    assert paths.public_keys.read_text() == done.stdout
    assert stat.S_IMODE(paths.key.stat().st_mode) == 0o600 and stat.S_IMODE(paths.key.parent.stat().st_mode) == 0o700
    secret = paths.key.read_text()
    assert secret not in done.stdout + done.stderr
    again = limits(settings, "log", "key", "new", "lender-2026")
    assert (again.returncode, paths.key.read_text()) == (2, secret) and "never overwritten" in again.stderr
    rotated = limits(settings, "log", "key", "rotate", "lender-2027")
    assert rotated.returncode == 0 and stat.S_IMODE(paths.key.stat().st_mode) == 0o600
    assert checkpoint.read_public_keys(paths.public_keys.read_text())[0] == public
    assert len(os.listdir(paths.key.parent)) == 2, "nothing is left over"


@pytest.mark.parametrize("name", ["a b", "a+b", "", "é"])
def test_a_name_that_no_key_can_have_makes_none(settings: Settings, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMITS_HOME", str(settings.home))
    assert run(["log", "key", "new", name]) == 2
    assert not seal_paths(settings).key.exists()


def test_once_seals_and_says_by_its_exit_code_what_is_refused(
    settings: Settings, conn: Connection, applied: Callable[[int], None]
) -> None:
    applied(1)
    missing = limits(settings, "log", "seal", "--once")
    assert missing.returncode == 2 and "there is no key to sign with" in missing.stderr
    done = limits(settings, "log", "seal", "--once", "--make-key", "first")
    assert done.returncode == 0 and "checkpoint 1: 1 batch sealed, 1 entry in 2 leaves" in done.stdout, done.stderr
    again = limits(settings, "log", "seal", "--once")
    assert (again.returncode, again.stdout) == (0, "nothing new since checkpoint 1\n")
    applied(2)
    force(conn, "UPDATE limits.adjustment_log SET actor = 'x' WHERE batch_id = 2")
    refused = limits(settings, "log", "seal", "--once")
    assert refused.returncode == 1 and "batch 2 is not sealed: entry 2" in refused.stdout
    seal_paths(settings).key.unlink()
    lost = limits(settings, "log", "seal", "--once", "--make-key", "second")
    assert lost.returncode == 2 and "there is no key" in lost.stderr, (
        "a log that has a key gets no second one in silence"
    )


def test_an_embedded_log_is_sealed_by_whoever_applied(
    database: Database, settings: Settings, conn: Connection, applied: Callable[[int], None],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    log_seal.seal_rest(database, settings)
    assert not seal_paths(settings).key.exists(), "nothing was applied"
    applied(1)
    log_seal.seal_rest(database, settings)
    assert sealing.state(conn).unsealed == 0
    seal_paths(settings).checkpoints.unlink()
    applied(2)
    log_seal.seal_rest(database, settings)
    assert "the log is not sealed: the file of checkpoints" in capsys.readouterr().err


# Doctor ------------------------------------------------------------------------------------------


@pytest.fixture
def say(
    conn: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], dict[str, doctor.Finding]]:
    """What the doctor says of sealing, by check; the last one where there are several."""
    monkeypatch.setattr(doctor_log, "PAUSE_SECONDS", 0.01)
    return lambda: {one.check: one for one in doctor_log.findings(conn, settings)}


def test_the_doctor_says_how_entries_are_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    for compiled, says in ((True, "compiled code calls"), (False, "hashlib, called for each entry")):
        monkeypatch.setattr(hashing, "compiled", lambda compiled=compiled: compiled)
        found = doctor_log.hashing()
        assert found.state == "ok" and found.says.startswith(says)


def test_the_doctor_wants_batches_sealed_within_a_minute(
    database: Database, settings: Settings, conn: Connection, applied: Callable[[int], None],
    say: Callable[[], dict[str, doctor.Finding]],
) -> None:  # fmt: skip
    assert {one.check: one.state for one in say().values()} == {"sealing": "ok", "sealers": "warn"}
    assert "no key is here" in say()["sealers"].says
    applied(1)
    assert say()["sealing"].state == "ok"
    force(conn, "UPDATE limits.batches SET applied_at = applied_at - interval '61 seconds'")
    assert (
        say()["sealing"].state == "fail"
        and "1 batch of the log is not sealed, the oldest for 61 s" in say()["sealing"].says
    )
    done = step(database, Files(seal_paths(settings).key.parent).sealer())
    assert done.refused and say()["sealing"].state == "fail"
    (refused, _) = [one for one in doctor_log.findings(conn, settings) if one.check == "sealing"]
    assert refused.says.startswith("batch 1 is not sealed: applied_at of the batch is not what its record says")
    force(conn, "UPDATE limits.batches SET applied_at = applied_at + interval '61 seconds'")
    step(database, Files(seal_paths(settings).key.parent).sealer())
    assert {check: one.state for check, one in say().items()} == {
        "sealing": "ok",
        "sealers": "warn",
        "checkpoints": "ok",
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[:-1], "ends before"),
        (lambda text: text + text, "goes on behind"),
        (lambda text: text[:-5] + "x" + text[-4:], "does not end with"),
        (lambda text: None, "is gone"),
    ],
)
def test_the_doctor_compares_file_and_database(
    database: Database, settings: Settings, files: Files, say: Callable[[], dict[str, doctor.Finding]],
    change: Callable[[str], str | None], says: str,
) -> None:  # fmt: skip
    step(database, files.sealer())
    assert say()["checkpoints"].state == "ok"
    text = change(files.checkpoints.read_text())
    if text is None:
        files.checkpoints.unlink()
    else:
        files.checkpoints.write_text(text)
    assert say()["checkpoints"].state == "fail" and says in say()["checkpoints"].says


def test_the_doctor_compares_the_whole_file_or_says_what_it_compared(
    database: Database, settings: Settings, files: Files, say: Callable[[], dict[str, doctor.Finding]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for _ in range(3):
        step(database, files.sealer(idle_seconds=0.001))
    assert "has what the database has: all of it compared" in say()["checkpoints"].says
    first, second, third = files.checkpoints.read_text().split("limits log ")[1:]
    files.checkpoints.write_text("".join(f"limits log {one}" for one in (first, second.replace("a", "b", 1), third)))
    found = say()["checkpoints"]
    assert found.state == "fail" and "checkpoint 2 of the file" in found.says and "is not the one in the" in found.says
    monkeypatch.setattr(doctor_log, "WHOLE_FILE_BYTES", 10)
    found = say()["checkpoints"]
    assert found.state == "ok" and "by its length and its last checkpoint; limits log verify looks at all" in found.says


#: A guard of the same name that lets something through.
WEAKER = (
    "DROP TRIGGER append_only_rows ON {{month}}; CREATE TRIGGER append_only_rows BEFORE {} ON {{month}} FOR EACH ROW "
    "{} EXECUTE FUNCTION limits.refuse_change(); ALTER TABLE {{month}} ENABLE ALWAYS TRIGGER append_only_rows"
)


@pytest.mark.parametrize(
    ("statement", "says", "mend"),
    [
        ("ALTER TABLE {month} DISABLE TRIGGER ALL", "append_only_rows on {month} is disabled, and", "{always} rows"),
        (
            "ALTER TABLE {month} DISABLE TRIGGER append_only_truncate",
            "truncate on {month} is disabled",
            "{always} truncate",
        ),
        (
            "ALTER TABLE {month} ENABLE TRIGGER append_only_rows",
            "rows on {month} does not fire always",
            "{always} rows",
        ),
        ("DROP TRIGGER append_only_rows ON {month}", "append_only_rows on {month} is gone", "make it again"),
        (
            "DROP TRIGGER append_only_truncate ON limits.adjustment_log",
            "limits.adjustment_log is gone",
            "make it again",
        ),
        (WEAKER.format("DELETE", ""), "append_only_rows on {month} is not the one that was made", "make it again"),
        (WEAKER.format("UPDATE OR DELETE", "WHEN (false)"), "rows on {month} is not the one that", "make it again"),
        (
            "ALTER TABLE limits.checkpoints DISABLE TRIGGER check_checkpoint",
            "check_checkpoint on limits.checkpoints",
            "",
        ),
        ("ALTER TABLE limits.sealed_batches DISABLE TRIGGER USER", "limits.sealed_batches is disabled, and 2 more", ""),
        (
            "ALTER TABLE limits.archived_months DISABLE TRIGGER USER",
            "limits.archived_months is disabled, and 1 more",
            "",
        ),
        ("ALTER TABLE limits.archived_lines DISABLE TRIGGER USER", "limits.archived_lines is disabled, and 1 more", ""),
        ("ALTER TABLE limits.erasures DISABLE TRIGGER USER", "limits.erasures is disabled, and 1 more", ""),
        ("ALTER TABLE limits.batches DISABLE TRIGGER USER", "limits.batches is disabled, and 2 more", ""),
        ("ALTER TABLE limits.person_sets DISABLE TRIGGER USER", "limits.person_sets is disabled, and 1 more", ""),
        (
            "ALTER TABLE limits.credit_lines DISABLE TRIGGER ALL",
            "RI_ConstraintTrigger",
            'limits.credit_lines ENABLE TRIGGER "RI_',
        ),
    ],
)
def test_the_doctor_wants_every_guard_in_its_place(
    conn: Connection, applied: Callable[[int], None], statement: str, says: str, mend: str
) -> None:
    applied(1)
    (month,) = conn.execute("SELECT tableoid::regclass::text FROM limits.adjustment_log").fetchone() or ("",)
    month = f"limits.{month.removeprefix('limits.')}"
    assert doctor_log.guards(conn).state == "ok"
    for part in statement.format(month=month).split("; "):
        conn.execute(part.encode())
    found = doctor_log.guards(conn)
    assert found.state == "fail" and says.format(month=month) in found.says, found
    again = mend.format(month=month, always=f"ALTER TABLE {month} ENABLE ALWAYS TRIGGER").replace(
        "TRIGGER rows", 'TRIGGER "append_only_rows"'
    )
    assert again.replace("TRIGGER truncate", 'TRIGGER "append_only_truncate"') in found.mend
    assert "limits log verify" in found.mend


# The second anchor -------------------------------------------------------------------------------


def test_a_command_gets_each_note_and_a_failure_stops_nothing(
    database: Database, conn: Connection, files: Files, tmp_path: Path, say: Callable[[], dict[str, doctor.Finding]]
) -> None:
    taken = tmp_path / "taken; $HOME"
    good = Anchor(f"tee -a '{taken}'")
    assert step(database, files.sealer(anchor=good)).anchor_trouble == ""
    bad = Anchor("sh -c 'echo no room >&2; exit 3'")
    done = step(database, files.sealer(anchor=bad, idle_seconds=0.001))
    assert (done.checkpoint_id, done.anchor_trouble) == (2, "sh left with 3: no room")
    assert say()["anchor"].state == "warn" and "no room" in say()["anchor"].says
    done = step(database, files.sealer(anchor=good, idle_seconds=0.001))
    assert (done.checkpoint_id, done.anchor_trouble) == (3, "")
    assert "anchor" not in say()
    first, _, third = notes(conn)
    assert taken.read_text() == first + third


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("/nowhere/program", "cannot be started"),
        ("sleep 30", "took longer than 0.3 s"),
        ("http://127.0.0.1:1/", "cannot be reached"),
    ],
)
def test_an_anchor_that_does_not_answer_takes_no_longer_than_it_may(target: str, says: str) -> None:
    begun = time.monotonic()
    with pytest.raises(AnchorFailed, match=says):
        Anchor(target, seconds=0.3).send("note")
    assert time.monotonic() - begun < 3


@contextlib.contextmanager
def server(status: int, drip: float = 0) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server on this machine, and what it was told."""
    told: list[tuple[str, bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append((self.command, self.rfile.read(int(self.headers["Content-Length"]))))
            if drip:
                with contextlib.suppress(OSError):
                    for letter in b"HTTP/1.1 200 " + b"x" * 200:
                        self.wfile.write(bytes([letter]))
                        time.sleep(drip)
                return
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            told.append((self.command, b""))
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}/?token=secret", told
        running.shutdown()


def test_a_url_gets_the_note(tmp_path: Path) -> None:
    with server(201) as (url, told):
        Anchor(url).send("what — is signed\n")
    assert told == [("POST", "what — is signed\n".encode())]


@pytest.mark.parametrize("status", [302, 307, 404, 503])
def test_a_url_that_does_not_take_the_note_is_a_failure(status: int) -> None:
    with server(status) as (url, told), pytest.raises(AnchorFailed, match=f"answered {status}") as caught:
        Anchor(url).send("note")
    assert len(told) == 1 and "secret" not in str(caught.value)


def test_a_server_that_answers_by_drops_does_not_hold_up_sealing() -> None:
    with server(200, drip=0.1) as (url, _):
        anchor = Anchor(url, seconds=0.4)
        begun = time.monotonic()
        with pytest.raises(AnchorFailed, match=r"did not answer within 0\.4 s"):
            anchor.send("note")
        with pytest.raises(AnchorFailed, match="has not answered"):
            anchor.send("note")
        assert time.monotonic() - begun < 2


# Settings ----------------------------------------------------------------------------------------


def test_the_files_are_in_the_home_unless_told_otherwise(tmp_path: Path) -> None:
    home = make_settings(home=tmp_path)
    assert seal_paths(home) == (tmp_path / "seal/key", tmp_path / "seal/checkpoints", tmp_path / "seal/public_keys")
    told = make_settings(home=tmp_path, seal_key="/a/k", checkpoint_file="/b/c", public_keys="/c/p")
    assert [str(path) for path in seal_paths(told)] == ["/a/k", "/b/c", "/c/p"]


def test_a_file_of_public_keys_that_is_none_is_not_added_to(files: Files) -> None:
    from limits.store import seal_keys

    files.public.write_text("something else\n")
    with pytest.raises(InputError, match="line 1 of the public keys"):
        seal_keys.rotate(files.key, "next", files.public, files.checkpoints)
    assert files.public.read_text() == "something else\n" and len(seal_keys.read(files.key)) == 1
    get_settings.cache_clear()
