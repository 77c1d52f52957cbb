"""A database cluster of a test's own on a small disk of its own: to be stopped at once, and to be filled."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from limits.store import binaries, migrate
from limits.store.db import Database
from limits.store.embedded import Embedded
from tests import governance
from tests.faults import nights
from tests.faults.nights import Night

#: Enough for the cluster and its WAL, and filled in a moment.
DISK = "256m"


class Cluster:
    """A server with a portfolio, all of it in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = Embedded(folder / "home")
        self.server.join()
        self.database = Database(self.server.url())
        migrate.apply(self.database)
        with self.database.connect("owner", "limits test") as conn:
            governance.approve_shipped(conn)
            nights.populate(conn)

    def stop_at_once(self) -> None:
        """pg_ctl stop -m immediate: as if the power had failed."""
        user = binaries.server_user((self.server.data).stat().st_uid)
        found = binaries.find(user, int((self.server.data / "PG_VERSION").read_text()), self.server.home / "binaries")
        command = [str(found.folder / "pg_ctl"), "stop", "-s", "-w", "-m", "immediate"]
        process = {**user.process, "env": {**user.process["env"], "PGDATA": str(self.server.data)}}
        subprocess.run(command, check=True, **process)

    def start(self) -> None:
        self.server.revive()

    def fill(self) -> Path:
        """A file that takes all that is left on the disk."""
        path = self.folder / "filler"
        with path.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
        return path

    @contextlib.contextmanager
    def night(self, **values: object) -> Iterator[Night]:
        """Its one review, planned; the connection is made anew where the server was stopped."""
        with contextlib.ExitStack() as stack:
            conn = stack.enter_context(self.database.connect("owner", "limits test"))
            night = Night(self.database, nights.make(self.database, self.folder / "home", **values), conn)
            stack.callback(night.end)
            yield night.plan()
            night.conn.close()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of that size at the folder. Only root may mount one; as root it is never left out."""
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0711", "limits-test", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    made = Cluster(folder)
    try:
        yield made
    finally:
        made.server.leave()
