"""A PostgreSQL of the tests' own: one server and one migrated template per process, a cheap copy per test."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import psycopg
import pytest
import structlog
from psycopg import sql

# Before anything of ours is imported: whatever is set for the person's own work stays out of the tests.
REQUIRED = os.environ.get("LIMITS_REQUIRE_BROKERS", "") not in ("", "0")
for _name in [name for name in os.environ if name.startswith("LIMITS_")]:
    del os.environ[_name]

from limits import breakers  # noqa: E402
from limits.settings import Settings, get_settings, make_settings  # noqa: E402
from limits.store import migrate  # noqa: E402
from limits.store.db import Connection, Database  # noqa: E402
from limits.store.embedded import Embedded  # noqa: E402
from tests import browsing, builders, governance, packs  # noqa: E402

# The first example of a property may load compiled code, and machines are busy: no example has a time limit.
hypothesis.settings.register_profile("limits", deadline=None)
hypothesis.settings.load_profile("limits")

#: Servers outside the tests, and where they are looked for.
SERVICES = {
    "postgresql": "postgresql://postgres@127.0.0.1:5432/postgres",
    "redis": "redis://127.0.0.1:6379/0",
    "rabbitmq": "amqp://guest:guest@127.0.0.1:5672//",
}
LEFT_OUT = pytest.StashKey[list[tuple[str, str]]]()

_numbers = itertools.count(1)


# Servers outside the tests ------------------------------------------------------------------


def _postgresql_answers(url: str) -> bool:
    with psycopg.connect(url, connect_timeout=2) as conn:
        row = conn.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    return row == (True,)


def _redis_answers(url: str) -> bool:
    import redis

    with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
        return bool(client.ping())


def _rabbitmq_answers(url: str) -> bool:
    import amqp

    parts = urlsplit(url)
    with amqp.Connection(f"{parts.hostname}:{parts.port}", parts.username, parts.password, connect_timeout=2) as conn:
        conn.connect()
        return bool(conn.connected)


PROBES: dict[str, Callable[[str], bool]] = {
    "postgresql": _postgresql_answers,
    "redis": _redis_answers,
    "rabbitmq": _rabbitmq_answers,
}
_answers: dict[str, bool] = {}


def answers(service: str) -> bool:
    """Whether the service answers and lets the tests in; asked once."""
    if service not in _answers:
        try:
            _answers[service] = PROBES[service](SERVICES[service])
        except Exception:  # whatever it is, the service cannot be used
            _answers[service] = False
    return _answers[service]


def pytest_sessionstart(session: pytest.Session) -> None:
    """On a new machine one process compiles the kernels, before the processes of tests would all do it at once."""
    if getattr(session.config.option, "numprocesses", None):
        subprocess.run([sys.executable, "-c", "from limits.engine import warming; warming.warm()"], check=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """``broker("redis")``: needs all that are named; bare ``broker``: needs any one of them. ``browser``: Chromium."""
    needed: set[str] = set()
    if item.get_closest_marker("browser") and not browsing.chromium():
        _leave_out(f"chromium ({browsing.WHERE})")
    for mark in item.iter_markers("broker"):
        if mark.args:
            needed |= {name for name in mark.args if not answers(name)}
        elif not any(answers(name) for name in SERVICES):
            needed |= set(SERVICES)
    if needed:
        _leave_out(", ".join(f"{name} ({_place(name)})" for name in sorted(needed)))


def _leave_out(missing: str) -> None:
    reason = f"no service answers: {missing}"
    if REQUIRED:
        pytest.fail(f"{reason}; LIMITS_REQUIRE_BROKERS is set, so it may not be left out", pytrace=False)
    pytest.skip(reason)


def _place(service: str) -> str:
    parts = urlsplit(SERVICES[service])
    return f"{parts.hostname}:{parts.port}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which tests were left out, by name, so that nobody takes them for passed."""
    left_out: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if "no service answers: " in reason:
            left_out.setdefault(reason.partition("no service answers: ")[2], []).append(report.nodeid)
    for services, tests in sorted(left_out.items()):
        terminalreporter.section(f"left out, because nothing answers at: {services}")
        for test in tests:
            terminalreporter.line(test)


@pytest.fixture(scope="session")
def services() -> dict[str, str]:
    """URLs of the servers outside the tests, by name; mark the test ``broker(name)``."""
    return SERVICES


# The database of the tests ------------------------------------------------------------------


def execute(url: str, statement: sql.Composable) -> None:
    """One statement of the tests' own."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(statement)


#: Where files cost no disk: the thousand databases of the tests are copied and dropped there at a third of the time.
MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 * 2**30


def _place_for_files() -> str:
    """Memory where there is plenty of it; containers have next to none by default."""
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= _ROOM_BYTES
    return str(MEMORY) if roomy else "/tmp"


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A short folder that the server's user can enter; pytest's own are closed to all but us."""
    folder = Path(tempfile.mkdtemp(prefix="limits-test-", dir=_place_for_files()))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server_url(scratch: Path) -> Iterator[str]:
    """An embedded server of the tests' own, as superuser; its data are worth nothing, so nothing is fsynced."""
    with Embedded(scratch / "home") as server:
        url = server.url("postgres")
        execute(url, sql.SQL("ALTER SYSTEM SET fsync = off"))
        execute(url, sql.SQL("ALTER SYSTEM SET full_page_writes = off"))
        execute(url, sql.SQL("ALTER SYSTEM SET autovacuum = off"))  # each database is dropped after its test
        execute(url, sql.SQL("SELECT pg_reload_conf()"))
        yield url


def url_of(server_url: str, database: str) -> str:
    """The same server, another database."""
    return urlsplit(server_url)._replace(path=f"/{database}").geturl()


@pytest.fixture(scope="session")
def bare(server_url: str, scratch: Path) -> str:
    """The name of a database with the schema and nothing in it but the shipped policies, approved to decide.

    And the policy of the tests' own: the standard one with wide breakers.
    """
    name = "limits_bare"
    execute(server_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    made = Database(url_of(server_url, name))
    migrate.apply(made)
    with made.connect("owner", "limits test") as connection:
        governance.approve_shipped(connection)
        packs.write_pack(connection, scratch, packs.OWN)
    return name


@pytest.fixture(scope="session")
def template(server_url: str, bare: str) -> str:
    """The name of a copy that has the months of a steady user's events too, which most tests would each make anew."""
    name = "limits_template"
    with copy_database(server_url, bare, name).connect("owner", "limits test") as connection:
        builders.make_months(connection)
    return name


def copy_database(server_url: str, source: str, name: str) -> Database:
    """A database of that name that is a copy of another one."""
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    execute(server_url, copy.format(sql.Identifier(name), sql.Identifier(source)))
    return Database(url_of(server_url, name))


@contextlib.contextmanager
def copied(server_url: str, source: str) -> Iterator[Database]:
    """A copy of a database for as long as it lasts."""
    name = f"limits_test_{next(_numbers)}"
    yield copy_database(server_url, source, name)
    execute(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(server_url: str, template: str) -> Iterator[Database]:
    """A copy of the template for one test."""
    with copied(server_url, template) as copy:
        yield copy


@pytest.fixture
def settings(database: Database, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of that copy: no broker, and chunks and shards small enough for several to fit into a test."""
    monkeypatch.setattr(breakers, "WORTH_MORE", 1)
    return make_settings(
        database_url=database.url,
        broker_url=None,
        home=tmp_path / "home",
        chunk_users=3,
        policy=str(scratch / f"{packs.OWN}.toml"),
    )


@pytest.fixture
def conn(database: Database) -> Iterator[Connection]:
    """A connection to that copy with all rights; every statement is a transaction of its own."""
    with database.connect("owner", "limits test") as connection:
        yield connection


@pytest.fixture
def logs_as_before() -> Iterator[None]:
    """For a test that sets logging up: what it sets does not outlive it, nor the stream that it writes to."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


@pytest.fixture(autouse=True)
def _no_settings_kept() -> Iterator[None]:
    """Settings are read once per process; each test starts without those of the one before."""
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()
