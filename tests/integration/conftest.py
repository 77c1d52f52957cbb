"""Homes of embedded databases that a test may kill and break, and connections with the rights of one role."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limits.settings import make_settings
from limits.store import reviews
from limits.store.db import Connection, Database, Role
from limits.store.embedded import Embedded
from tests import builders, packs, sealing
from tests.conftest import copied, copy_database
from tests.servers import User, servers


@pytest.fixture
def home(scratch: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A home that does not exist yet; whatever runs there at the end is killed."""
    folder = Path(tempfile.mkdtemp(prefix="e-", dir=scratch))
    folder.chmod(0o711)
    yield folder / "home"
    for process in servers(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def made(scratch: Path) -> Path:
    """A home with a data folder, made once."""
    with Embedded(scratch / "made"):
        pass
    return scratch / "made"


@pytest.fixture
def ready(home: Path, made: Path) -> Path:
    """The home with a data folder already in it."""
    subprocess.run(["cp", "-a", str(made), str(home)], check=True)
    return home


@pytest.fixture
def users(home: Path) -> Iterator[Callable[[], User]]:
    """Starts processes that use the server."""
    started: list[User] = []

    def start() -> User:
        started.append(User.start(home))
        return started[-1]

    yield start
    for user in started:
        user.process.kill()
        user.process.communicate()


@pytest.fixture
def ops(database: Database) -> Iterator[Connection]:
    """A connection with the rights of operations, as the imports have it."""
    with database.connect("operations", "limits test") as connection:
        yield connection


@pytest.fixture
def login(database: Database, conn: Connection) -> Iterator[Callable[[str, Role], Connection]]:
    """Connections of logins that have one role and nothing else."""
    opened: list[Connection] = []
    granted: list[tuple[Role, str]] = []

    def connect(name: str, role: Role = "operations") -> Connection:
        conn.execute(
            f"DO $$ BEGIN CREATE ROLE {name} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$".encode()
        )
        conn.execute(f"GRANT limits_{role} TO {name}".encode())
        granted.append((role, name))
        opened.append(database.connect("owner", "attack"))
        opened[-1].execute(f"SET SESSION AUTHORIZATION {name}".encode())
        return opened[-1]

    yield connect
    for one in opened:
        one.close()
    for role, name in granted:
        conn.execute(f"REVOKE limits_{role} FROM {name}".encode())


@pytest.fixture(scope="session")
def reviewed(server_url: str, template: str, scratch: Path) -> str:
    """The name of a database with one review of 48 users: in eight shards, each of two batches of three."""
    name = "limits_reviewed"
    made = copy_database(server_url, template, name)
    with made.connect("owner", "limits test") as conn:
        for user_id in range(1, 49):
            builders.add_steady_user(
                conn, user_id, credit_limit=200_000 + 20_000 * user_id, raise_consent=user_id % 3 != 0,
                status="blocked" if user_id % 7 == 0 else "active",
            )  # fmt: skip
        builders.refresh(conn)
    settings = make_settings(
        database_url=made.url, broker_url=None, home=scratch / "reviewed", chunk_users=3,
        policy=str(scratch / f"{packs.OWN}.toml"),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:  # without a canary, whose shards are smaller
        patched.setattr(reviews, "shard_sizes", lambda users, most: [6] * 8)
        sealing.review(made, settings)
    return name


@pytest.fixture
def reviewed_copy(reviewed: str, server_url: str) -> Iterator[Database]:
    """A copy of it for one test."""
    with copied(server_url, reviewed) as copy:
        yield copy
