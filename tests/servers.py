"""Embedded servers of their own for tests: processes that use them, and what becomes of them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[1]

#: Joins the server of a home, says when it was started, and leaves at the next line or end of its input.
USER = """
import sys, psycopg
from pathlib import Path
from limits.store.embedded import Embedded
with Embedded(Path(sys.argv[1])) as server:
    with psycopg.connect(server.url()) as conn:
        print(conn.execute("SELECT pg_postmaster_start_time()::text").fetchone()[0], flush=True)
    sys.stdin.readline()
"""


@dataclasses.dataclass
class User:
    """A process that uses the server."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, home: Path) -> User:
        command = [sys.executable, "-c", USER, str(home)]
        return cls(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))

    def joined(self) -> str:
        """When the server it joined was started."""
        assert self.process.stdout
        line = self.process.stdout.readline().strip()
        assert line, "the process ended before it had joined"
        return line

    def leave(self) -> None:
        self.process.communicate(input="\n", timeout=60)
        assert self.process.returncode == 0


def servers(folder: Path) -> list[int]:
    """Processes that work inside the folder: postmaster and backends stand in their data folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append(int(process.name))
    return found


def postmaster(home: Path) -> int:
    return int((home / "database" / "data" / "postmaster.pid").read_text().split("\n", 1)[0])


def eventually(done: Callable[[], object], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.02)


def one(url: str, statement: str) -> object:
    with psycopg.connect(url) as conn:
        row = conn.execute(statement).fetchone()  # type: ignore[call-overload]
        return row and row[0]


def in_child(function: Callable[[], object], user: str | None = None) -> object:
    """The result of the function, run in a forked child, which becomes the user first."""
    entry = pwd.getpwnam(user) if user else None
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if entry:
                os.setgroups([])
                os.setgid(entry.pw_gid)
                os.setuid(entry.pw_uid)
            os.write(writer, json.dumps(function()).encode())
        except BaseException as error:
            os.write(writer, json.dumps(f"{type(error).__name__}: {error}").encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return json.loads(said)
