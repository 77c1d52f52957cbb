"""What users are to be told reaches them: each message, in order, in the words that are kept, whatever dies."""

from __future__ import annotations

import collections
import datetime as dt
import json
import stat
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from limits import engine
from limits.engine.delivering import Delivery
from limits.engine.sending import Message, ToCommand, ToFile
from limits.errors import DeliveryFailed, InputError
from limits.money import Money
from limits.settings import Settings, make_settings
from limits.store import notices
from limits.store.db import Connection, Database, Role
from limits.store.log import reason_text
from tasks.app import Context
from tasks.courier import Courier
from tests import builders, told
from tests.faults.processes import Process
from tests.packs import write_pack

TODAY = dt.date(2026, 7, 2)
TOMORROW = dt.date(2026, 7, 3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "messages.jsonl"


def deliver(database: Database, file: Path, *, told_on: dt.date = TODAY) -> Delivery:
    return engine.deliver(database, ToFile(file), told_on=lambda: told_on)


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def waiting(conn: Connection) -> int:
    return len(notices.waiting(conn, after=0, users=1000))


def users(conn: Connection, count: int) -> None:
    for user_id in range(1, count + 1):
        builders.add_user(conn, user_id)


# What goes out -----------------------------------------------------------------------------


def test_a_changed_limit_and_its_notice_go_out_once(conn: Connection, database: Database, file: Path) -> None:
    users(conn, 1)
    number = told.add_notice(conn, 1)
    assert deliver(database, file).delivered == 2
    first, second = read(file)
    assert (first["message"], first["kind"], first["limit_after_minor"]) == ("limit", "limit_lowered", 1_400_000)
    assert (second["message"], second["kind"]) == ("notice", "lowered")
    assert "- a payment is past due" in second["text"]["en"] and "2 July 2026" in second["text"]["en"]
    assert "- 有逾期未还款项" in second["text"]["zh"]
    kept = notices.get(conn, number)
    assert kept.body == second["text"] and kept.draft is None
    assert kept.delivered_to == f"file:{file}" and kept.delivered_by == conn.info.user
    assert deliver(database, file).delivered == 0
    assert len(read(file)) == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_ids_are_of_this_database_alone(conn: Connection, database: Database, file: Path) -> None:
    users(conn, 1)
    told.add_notice(conn, 1)
    deliver(database, file)
    tags = {message["id"].split("-")[0] for message in read(file)}
    assert len(tags) == 1 and len(tags.pop()) == 12
    assert [message["id"].split("-")[1] for message in read(file)] == ["limit", "notice"]


def test_every_user_is_told_in_the_order_of_the_decisions(conn: Connection, database: Database, file: Path) -> None:
    users(conn, 3)
    for version in range(4):
        for user_id in (3, 1, 2):
            told.add_notice(conn, user_id, as_of=builders.AS_OF - dt.timedelta(days=version), version=version)
    assert deliver(database, file).delivered == 24
    by_user = collections.defaultdict(list)
    for message in read(file):
        by_user[message["user_id"]].append((message["entry_id"], message["message"]))
    assert sorted(by_user) == [1, 2, 3]
    assert all(listed == sorted(listed) and len(listed) == 8 for listed in by_user.values())


def test_more_users_than_are_read_at_a_time(
    conn: Connection, database: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limits.engine.delivering.PAGE_USERS", 2)
    users(conn, 5)
    for user_id in range(1, 6):
        told.add_notice(conn, user_id)
    assert deliver(database, file).delivered == 10


def test_an_offer_says_until_when(conn: Connection, database: Database, file: Path) -> None:
    users(conn, 1)
    told.add_offer(conn, 1, 2_400_000, dt.date(2026, 7, 30))
    deliver(database, file)
    (message,) = read(file)
    assert (message["proposed_minor"], message["effective_on"]) == (2_400_000, "2026-07-30")
    assert "up to and including 30 July 2026" in message["text"]["en"]


def test_a_notice_that_cannot_be_written_stops_its_user_alone(conn: Connection, database: Database, file: Path) -> None:
    users(conn, 2)
    told.add_notice(conn, 1, "announced")  # and nothing was announced
    told.add_decision(conn, 1, before=1_400_000, after=1_500_000, version=1)
    told.add_notice(conn, 2)
    done = deliver(database, file)
    assert {user_id: "cannot be written" in why for user_id, why in done.failed.items()} == {1: True}
    assert [(m["user_id"], m["message"]) for m in read(file)] == [(1, "limit"), (2, "limit"), (2, "notice")]
    assert waiting(conn) == 2


# Whatever dies -----------------------------------------------------------------------------


def killed_in(settings: Settings, file: Path, module: str, name: str) -> None:
    """`limits outbox deliver`, killed -9 when it comes to a function."""
    before = f"import os, signal, {module} as it\nit.{name} = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)"
    process = Process(settings, "outbox", "deliver", "--to", str(file), before=before)
    assert process.wait(60) == -9, process.said()


def test_killed_between_writing_and_marking_the_same_goes_out_again(
    conn: Connection, database: Database, settings: Settings, file: Path
) -> None:
    users(conn, 2)
    for user_id in (1, 2):
        told.add_notice(conn, user_id)
    killed_in(settings, file, "limits.store.notices", "mark_delivered")
    first = read(file)
    assert len(first) == 4 and waiting(conn) == 4
    # On another day: a text written anew would say another date.
    assert deliver(database, file, told_on=TOMORROW).delivered == 4
    assert read(file) == first + first
    assert waiting(conn) == 0


def test_killed_before_writing_nothing_is_lost(
    conn: Connection, database: Database, settings: Settings, file: Path
) -> None:
    users(conn, 1)
    told.add_notice(conn, 1)
    killed_in(settings, file, "limits.engine.sending", "_line")
    assert not file.exists() and waiting(conn) == 2
    assert deliver(database, file).delivered == 2
    assert len({message["id"] for message in read(file)}) == 2


def test_half_a_line_left_by_a_crash_spoils_no_other(conn: Connection, database: Database, file: Path) -> None:
    users(conn, 1)
    told.add_notice(conn, 1)
    file.write_text('{"id":"half')
    deliver(database, file)
    lines = file.read_text().splitlines()
    assert lines[0] == '{"id":"half' and [json.loads(line)["message"] for line in lines[1:]] == ["limit", "notice"]


class Slow:
    """A sender that waits in the middle until it may go on."""

    name, batch = "test:slow", 1

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.got: list[Message] = []

    def send(self, messages: Sequence[Message]) -> None:
        self.got += messages
        self.reached.set()
        assert self.go_on.wait(60)


def test_while_one_delivers_another_does_nothing(conn: Connection, database: Database, file: Path) -> None:
    users(conn, 1)
    told.add_notice(conn, 1)
    slow = Slow()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(engine.deliver, database, slow)
        assert slow.reached.wait(60)
        assert deliver(database, file) == Delivery(busy=True)
        slow.go_on.set()
        assert first.result().delivered == 2
    assert not file.exists()


def test_a_race_sends_nothing_twice(conn: Connection, database: Database, file: Path) -> None:
    users(conn, 20)
    for user_id in range(1, 21):
        told.add_notice(conn, user_id)

    def until_nothing_waits(_: int) -> int:
        sent = 0
        with database.connect("operations", "limits test") as own:
            while waiting(own):
                sent += deliver(database, file).delivered
        return sent

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(until_nothing_waits, range(4))) == 40
    ids = [message["id"] for message in read(file)]
    assert len(ids) == len(set(ids)) == 40


# To a command ------------------------------------------------------------------------------


def script(tmp_path: Path, body: str) -> str:
    """A command that runs Python with the message as ``m``; it may write to the file ``out``."""
    path = tmp_path / "take it.py"
    path.write_text(f"import json, sys, os, time\nm = json.load(sys.stdin)\nout = {str(tmp_path / 'out')!r}\n{body}\n")
    return f"{sys.executable} '{path}' '; touch {tmp_path / 'shell'}'"


def test_a_command_takes_each_message_and_no_shell_sees_it(
    conn: Connection, database: Database, tmp_path: Path
) -> None:
    users(conn, 1)
    told.add_notice(conn, 1)
    command = script(
        tmp_path, "print(json.dumps(m), file=open(out, 'a'))\nassert 'LIMITS_DATABASE_URL' not in os.environ"
    )
    sender = ToCommand(command)
    assert engine.deliver(database, sender).delivered == 2
    assert [m["message"] for m in read(tmp_path / "out")] == ["limit", "notice"]
    assert not (tmp_path / "shell").exists()
    assert sender.name == f"command:{sys.executable}"


def test_a_message_that_is_refused_holds_its_user_and_nobody_else(
    conn: Connection, database: Database, tmp_path: Path
) -> None:
    users(conn, 3)
    for user_id in (1, 2, 3):
        told.add_notice(conn, user_id)
    refusing = script(
        tmp_path,
        "if (m['user_id'], m['message']) == (2, 'limit'):\n    sys.exit('no such address')\n"
        "print(m['id'], file=open(out, 'a'))",
    )
    done = engine.deliver(database, ToCommand(refusing))
    assert done.delivered == 4 and list(done.failed) == [2]
    assert done.failed[2].endswith("left with 1: no such address")
    assert [m.user_id for m in notices.waiting(conn, after=0, users=9)] == [2, 2]
    taking = script(tmp_path, "print(m['id'], file=open(out, 'a'))")
    assert engine.deliver(database, ToCommand(taking)).delivered == 2
    ids = (tmp_path / "out").read_text().split()
    assert len(ids) == len(set(ids)) == 6


def test_a_notice_that_was_refused_is_dated_anew(conn: Connection, database: Database, tmp_path: Path) -> None:
    users(conn, 1)
    number = told.add_notice(conn, 1)
    refusing = script(tmp_path, "sys.exit(m['message'] == 'notice')")
    engine.deliver(database, ToCommand(refusing), told_on=lambda: TODAY)
    assert notices.get(conn, number).draft is None
    engine.deliver(database, ToCommand(script(tmp_path, "")), told_on=lambda: TOMORROW)
    body = notices.get(conn, number).body
    assert body is not None and "Date of this notice: 3 July 2026" in body["en"]


def test_a_command_that_hangs_is_killed(conn: Connection, database: Database, tmp_path: Path) -> None:
    users(conn, 1)
    told.add_notice(conn, 1)
    done = engine.deliver(database, ToCommand(script(tmp_path, "time.sleep(60)"), seconds=0.5))
    assert done.delivered == 0 and done.failed[1].endswith("took longer than 0.5 s")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("'open", "close its quotes"),
        ("  ", "is empty"),
        ("''", "is empty"),
        ("/no/such/program -x", "there is no program"),
    ],
)
def test_a_malformed_command_is_refused_before_anything_is_read(command: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        ToCommand(command)


def test_a_program_that_cannot_be_started(conn: Connection, database: Database, tmp_path: Path) -> None:
    users(conn, 1)
    told.add_notice(conn, 1)
    program = tmp_path / "program"
    program.write_text("no program at all")
    program.chmod(0o755)
    done = engine.deliver(database, ToCommand(str(program)))
    assert done.failed[1].startswith(f"{program} cannot be started")


@pytest.mark.parametrize("path", ["/", "/dev/null", "/no/such/folder/file", "/dev/full"])
def test_what_is_no_file_is_refused_and_nothing_is_marked(conn: Connection, database: Database, path: str) -> None:
    users(conn, 1)
    told.add_notice(conn, 1)
    with pytest.raises(InputError, match=path):
        deliver(database, Path(path))
    assert waiting(conn) == 2


# The scheduler -----------------------------------------------------------------------------


def test_the_courier_of_the_scheduler_delivers(
    conn: Connection, database: Database, settings: Settings, file: Path
) -> None:
    users(conn, 1)
    told.add_notice(conn, 1)
    context = Context(database, settings, "test")
    Courier(context, "command:/no/such/program").tick()  # said, and tried again at the next tick
    assert waiting(conn) == 2
    Courier(context, f"file:{file}").tick()
    assert waiting(conn) == 0 and len(read(file)) == 2


def test_a_scheduler_delivers_at_its_tick(conn: Connection, database: Database, settings: Settings, file: Path) -> None:
    from tests.faults.processes import started, until

    users(conn, 1)
    told.add_notice(conn, 1)
    running = make_settings(
        database_url=database.url, broker_url=None, home=settings.home, tick_seconds=0.5, outbox=f"file:{file}"
    )
    with started(running, ("scheduler",)):
        until(lambda: waiting(conn) == 0)
    assert len(read(file)) == 2


# Who may -----------------------------------------------------------------------------------

CALLS = [
    'SELECT limits.draft_notice(1, \'{"en": "x"}\')',
    "SELECT limits.drop_draft(1)",
    "SELECT limits.deliver_notice(1, 'me')",
    "SELECT limits.deliver_outbox(1)",
]


@pytest.mark.parametrize("statement", CALLS)
def test_an_auditor_marks_nothing(database: Database, statement: str) -> None:
    with database.connect("auditor", "attack") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement)


@pytest.mark.parametrize("role", ["worker", "operations", "auditor"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE limits.notices SET body = '{}', delivered_at = now()",
        "UPDATE limits.notices SET draft = '{}'",
        "DELETE FROM limits.notices",
        "UPDATE limits.outbox SET delivered_at = now()",
        """INSERT INTO limits.notices (entry_id, review_id, user_id, kind, as_of, due_on)
           VALUES (1, 1, 1, 'raised', '2026-01-01', '2026-01-01')""",
    ],
)
def test_nobody_writes_but_through_the_functions(database: Database, role: Role, statement: str) -> None:
    with database.connect(role, "attack") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement)


def test_what_was_delivered_stays_as_it_is(conn: Connection, database: Database, file: Path) -> None:
    users(conn, 1)
    number = told.add_notice(conn, 1)
    deliver(database, file)
    body = notices.get(conn, number).body
    with database.connect("worker", "attack") as worker:
        said = [
            worker.execute('SELECT limits.draft_notice(%s, \'{"en": "other"}\')', (number,)).fetchone(),
            worker.execute("SELECT limits.drop_draft(%s)", (number,)).fetchone(),
            worker.execute("SELECT limits.deliver_notice(%s, 'elsewhere')", (number,)).fetchone(),
        ]
    assert said == [(None,), (False,), (False,)]
    assert notices.get(conn, number).body == body


def test_the_first_words_kept_stand(conn: Connection, database: Database) -> None:
    users(conn, 1)
    number = told.add_notice(conn, 1)
    with database.connect("worker", "limits test") as worker:
        assert notices.keep_drafts(worker, {number: {"en": "first"}}) == {number: {"en": "first"}}
        assert notices.keep_drafts(worker, {number: {"en": "second"}}) == {number: {"en": "first"}}


@pytest.mark.parametrize("body", ["{}", "[]", '{"en": ""}', '{"en": " ", "zh": "x"}', '{"en": 1}', "null"])
def test_no_notice_is_kept_without_words(conn: Connection, body: str) -> None:
    users(conn, 1)
    number = told.add_notice(conn, 1)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="without a text"):
        conn.execute("SELECT limits.draft_notice(%s, %s::jsonb)", (number, body))
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="has no text"):
        conn.execute("SELECT limits.deliver_notice(%s, 'me')", (number,))


def test_a_file_sender_refuses_nothing_by_itself(file: Path) -> None:
    """Only a command refuses single messages: a file that fails, fails for all."""
    with pytest.raises(InputError):
        ToFile(file / "below").send([{"id": "x"}])
    assert not issubclass(InputError, DeliveryFailed)


# From the decision on ----------------------------------------------------------------------


@pytest.fixture
def decided(conn: Connection) -> None:
    """User 1 is a month past due; user 2 has applied for credit again and again."""
    builders.add_steady_user(conn, 1, credit_limit=300_000)
    builders.add_statement(conn, 1, builders.AS_OF - dt.timedelta(days=56), minimum_due=9_000_000)
    builders.add_steady_user(conn, 2, credit_limit=300_000)
    builders.add_credit_check(conn, 2, builders.AS_OF, inquiries=5)


def test_a_cut_that_was_decided_is_told(
    decided: None, conn: Connection, database: Database, settings: Settings, file: Path
) -> None:
    made = engine.recompute(
        database, settings, 1, reason="test", actor="anna", as_of=builders.AS_OF, apply=True, key="one"
    )
    assert made.entry.action == -1
    deliver(database, file)
    limit, notice = read(file)
    assert limit["limit_after_minor"] == notice["limit_after_minor"] == made.entry.limit_after_minor
    assert notice["due_on"] == str(builders.AS_OF + dt.timedelta(days=30))
    assert notice["text"]["en"].startswith("Your credit limit has been lowered")
    assert f"The only reason:\n- {reason_text(made.entry.reasons[0])}" in notice["text"]["en"]


def test_a_request_that_was_refused_is_told(
    decided: None, conn: Connection, database: Database, settings: Settings, file: Path
) -> None:
    asked = Money(900_000, "CNY")
    made = engine.request_limit(database, settings, 2, asked, key="two", actor="anna", as_of=builders.AS_OF)
    assert made.request.answer == "refused"
    deliver(database, file)
    (notice,) = read(file)
    letter = notice["text"]["en"]
    assert (notice["kind"], notice["as_of"], notice["due_on"]) == ("refused", "2026-06-30", "2026-07-30")
    assert "You asked for a limit of 9,000.00 CNY.\nThis was not granted." in letter
    assert f"- {reason_text(made.entry.reasons[0])}\n" in letter


def test_an_announced_cut_that_is_off_is_told_after_it_was_announced(
    conn: Connection, database: Database, settings: Settings, file: Path, tmp_path: Path
) -> None:
    builders.add_steady_user(conn, 3, credit_limit=500_000, observed_from=dt.date(2024, 7, 1))
    builders.add_credit_check(conn, 3, builders.AS_OF, active_lenders=6)
    pack = write_pack(conn, tmp_path, "announcing", consent__cuts='"notice"', consent__cut_notice_days="2")
    engine.recompute(database, settings, 3, reason="test", actor="anna", as_of=builders.AS_OF, apply=True, policy=pack)
    builders.add_credit_check(conn, 3, TODAY, active_lenders=4)
    assert engine.due_changes(database, TODAY, actor="clock").suppressed == 1
    deliver(database, file)
    first, second = read(file)
    assert (first["kind"], second["kind"], second["due_on"]) == ("announced", "withdrawn", str(TODAY))
    assert (
        "that was announced as of 30 June 2026 does not take effect.\nYour limit stays at 5,000.00 CNY."
        in second["text"]["en"]
    )
