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

from limits.store.db import Connection, Database, Role
from limits.store.embedded import Embedded
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
