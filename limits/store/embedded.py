"""The embedded database: a PostgreSQL of our own on a private socket, shared by all processes of one home.

Every user of the server holds a shared lock on ``users.lock``; whoever starts or stops it
holds an exclusive one on ``start.lock``. The kernel drops both with the process, so there is
nothing to clean up after kill -9. The last user to leave stops the server.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import structlog
from psycopg import pq
from psycopg.conninfo import make_conninfo

from limits.errors import DatabaseError, SettingsError
from limits.store.binaries import Binaries, ServerUser, find, server_user
from limits.store.queries import query

log = structlog.get_logger()

#: Superuser and database have this name.
NAME = "limits"
#: Part of the socket's name only; no port is opened.
PORT = 5432
#: The longest path of a socket, in bytes.
SOCKET_BYTES = 107 if sys.platform == "linux" else 103
#: Seconds: to wait for another process that starts or stops the server; for the server to
#: answer (it may have to recover first); to try again while what a killed server left goes away.
LOCK_SECONDS = 180.0
ANSWER_SECONDS = 120.0
RETRY_SECONDS = 30.0
POLL_SECONDS = 0.05
LARGEST_LOG = 10_000_000

#: Durability stays as PostgreSQL has it (fsync on, synchronous commit): this is money.
OPTIONS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %a ",
}

#: What the server says while something of its killed predecessor is still there.
LEFTOVERS = re.compile(r"pre-existing shared memory block|lock file .* already exists|Address already in use")


@dataclass(frozen=True)
class About:
    """What `limits doctor` tells of the embedded database."""

    binaries: Binaries
    user: str
    home: Path
    data: Path
    data_major: int | None  # None: there is no data folder yet
    running: bool
    log: Path


class Embedded:
    """One user of the server of ``home``, between entering and leaving."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "database"
        self.data = self.folder / "data"
        self.log_file = home / "log" / "postgresql.log"
        self._users: int | None = None
        self._joined_by = 0

    def __enter__(self) -> Self:
        self.join()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    # What users call ----------------------------------------------------------------------

    def url(self, database: str = NAME) -> str:
        """The address of a database of the server, as superuser."""
        host = quote(os.fsencode(self._socket_folder()), safe="")
        return f"postgresql://{NAME}@/{database}?host={host}&port={PORT}"

    def join(self) -> None:
        """Start the server, or share the one that runs; it stays until ``leave``."""
        with _unusable(self.home):
            self._make_home()
            users = _open_lock(self.home / "users.lock")
        try:
            with self._starting():
                # Tried exclusively by those who leave, and only under the same lock: it never waits here.
                fcntl.flock(users, fcntl.LOCK_SH)
                self._ensure_running()
        except BaseException:
            os.close(users)
            raise
        self._users, self._joined_by = users, os.getpid()

    def leave(self) -> None:
        """Let go; the last user stops the server."""
        users, self._users = self._users, None
        if users is None:
            return
        if os.getpid() != self._joined_by:
            os.close(users)  # a forked copy: the server is the parent's to leave
            return
        try:
            with self._starting():
                # Closed, not unlocked: a forked child that lives on still holds it, and keeps the server.
                os.close(users)
                if self._nobody_left() and self._answers():
                    self._stop()
        except (DatabaseError, OSError) as error:
            # What the command was asked for is done by now, and the next user of this home stops it.
            log.warning("the embedded database was not stopped", home=str(self.home), error=str(error))

    def revive(self) -> None:
        """Start the server again where it died."""
        with self._starting():
            self._ensure_running()

    # Start and stop, under start.lock -----------------------------------------------------

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        path = self.home / "start.lock"
        with _unusable(self.home):
            descriptor = _open_lock(path)
        try:
            until = time.monotonic() + LOCK_SECONDS
            while not _try_lock(descriptor):
                if time.monotonic() > until:
                    raise DatabaseError(
                        f"another process has been starting or stopping the embedded database for {LOCK_SECONDS:.0f} "
                        f"seconds; find it with: fuser {path}"
                    )
                time.sleep(POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)

    def _nobody_left(self) -> bool:
        descriptor = _open_lock(self.home / "users.lock")
        try:
            return _try_lock(descriptor)
        finally:
            os.close(descriptor)

    def _ensure_running(self) -> None:
        if self._answers():
            return
        with _unusable(self.home):
            user = self._prepare()
        major = self._data_major()
        binaries = find(user, major, self.home / "binaries")
        if major is None:
            self._create(binaries, user)
        self._start(binaries, user)

    def _answers(self) -> bool:
        """Whether a server answers on the socket; waits for one that is starting, recovering or stopping."""
        try:
            folder = self._socket_folder()
        except FileNotFoundError:
            return False
        address = make_conninfo(host=str(folder), port=PORT, user=NAME, dbname=NAME, connect_timeout=5)
        until = time.monotonic() + ANSWER_SECONDS
        while (said := pq.PGconn.ping(os.fsencode(address))) == pq.Ping.REJECT:
            if time.monotonic() > until:
                raise DatabaseError(
                    f"the embedded database has not come up for {ANSWER_SECONDS:.0f} seconds; see {self.log_file}"
                )
            time.sleep(POLL_SECONDS)
        return said == pq.Ping.OK

    def _start(self, binaries: Binaries, user: ServerUser) -> None:
        with _unusable(self.home):
            sockets = self._choose_socket_folder(user)
        options = {**OPTIONS, "unix_socket_directories": str(sockets)}
        words = shlex.join(f"--{name}={value}" for name, value in options.items())
        command = [str(binaries.folder / "pg_ctl"), "start", "-s", "-w", "-t", "60", "-o", words]
        until = time.monotonic() + RETRY_SECONDS
        while True:
            self._remove_stale(self.data / "postmaster.pid")
            self._remove_stale(sockets / f".s.PGSQL.{PORT}.lock")
            said = self._run_logged(command, user)
            if self._answers():
                return
            if not LEFTOVERS.search(said) or time.monotonic() > until:
                raise DatabaseError(f"the embedded database does not start: {_trouble(said)}; see {self.log_file}")
            time.sleep(POLL_SECONDS * 4)

    def _run_logged(self, command: list[str], user: ServerUser) -> str:
        """Run pg_ctl with the server's log as output; what was added to the log meanwhile."""
        with _unusable(self.home):
            self.log_file.parent.mkdir(mode=0o700, exist_ok=True)
            if self.log_file.exists() and self.log_file.stat().st_size > LARGEST_LOG:
                self.log_file.replace(self.log_file.with_suffix(".log.1"))
            descriptor = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as output:
            before = output.tell()
            # The folder by PGDATA: pg_ctl hands -D to a shell unquoted enough that "$" and quotes in it break.
            process = {**user.process, "env": {**user.process["env"], "PGDATA": str(self.data)}}
            # A session of its own: Ctrl-C at the terminal is for the command, not for the server.
            subprocess.run(command, check=False, stdout=output, stderr=output, start_new_session=True, **process)
        with self.log_file.open("rb") as file:
            file.seek(before)
            return file.read().decode(errors="replace")

    def _stop(self) -> None:
        user = self._prepare()
        binaries = find(user, self._data_major(), self.home / "binaries")
        command = [str(binaries.folder / "pg_ctl"), "stop", "-s", "-w", "-m", "fast", "-t", "120"]
        said = self._run_logged(command, user)
        if self._answers():
            raise DatabaseError(f"{_trouble(said)}; see {self.log_file}")
        sockets = self._socket_folder()
        if sockets != self.folder:
            with contextlib.suppress(OSError):  # somebody's file in it: not ours to remove
                sockets.rmdir()

    def _create(self, binaries: Binaries, user: ServerUser) -> None:
        """The data folder, made under another name: one that an interruption left is never taken for whole."""
        for old in self.folder.glob(".initdb-*"):
            shutil.rmtree(old, ignore_errors=True)
        part = self.folder / f".initdb-{os.getpid()}-{time.monotonic_ns()}"
        locale = "C" if sys.platform == "darwin" else "C.UTF-8"
        made = self._initdb(binaries, user, part, locale)
        if made.returncode != 0 and "locale" in made.stderr:
            # A machine without C.UTF-8. Both order by byte; they differ in upper and lower case beyond ASCII.
            shutil.rmtree(part, ignore_errors=True)
            made = self._initdb(binaries, user, part, "C")
        if made.returncode == 0:
            single = [str(binaries.folder / "postgres"), "--single", "-D", str(part), "postgres"]
            process = {key: value for key, value in user.process.items() if key != "stdin"}
            made = subprocess.run(
                single, input=query("embedded_create"), check=False, capture_output=True, text=True, **process
            )
        if made.returncode != 0 or "ERROR" in made.stderr:
            shutil.rmtree(part, ignore_errors=True)
            raise DatabaseError(f"the embedded database cannot be made in {self.folder}: {_trouble(made.stderr)}")
        part.rename(self.data)
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @staticmethod
    def _initdb(binaries: Binaries, user: ServerUser, folder: Path, locale: str) -> subprocess.CompletedProcess[str]:
        command = [
            str(binaries.folder / "initdb"), "-D", str(folder), f"--username={NAME}", "--encoding=UTF8",
            f"--locale={locale}", "--auth-local=trust", "--auth-host=reject", "--data-checksums", "--no-instructions",
        ]  # fmt: skip
        return subprocess.run(command, check=False, capture_output=True, text=True, **user.process)

    def _remove_stale(self, lock: Path) -> None:
        """Remove a lock file whose number belongs to no server of ours, which PostgreSQL itself would respect.

        It looks only whether a process has the number; after kill -9 that may be another
        process by now, or a dead one that nobody has waited for.
        """
        try:
            first = lock.read_text(errors="replace").split("\n", 1)[0].strip()
        except (FileNotFoundError, NotADirectoryError):
            return
        if not first.isdigit() or _is_dead(int(first), self.data):
            lock.unlink(missing_ok=True)

    # Folders ------------------------------------------------------------------------------

    def _make_home(self) -> None:
        """The home and what is missing above it. Folders that exist keep their mode, whoever made them."""
        if not str(self.home).isprintable():
            raise SettingsError(f"LIMITS_HOME holds a character that cannot be printed: {str(self.home)!r}")
        missing = []
        folder = self.home
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):  # made by another process just now
                folder.mkdir()
                # As root, another user runs the server and has to pass through.
                folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
        if not self.home.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self.home))

    def _prepare(self) -> ServerUser:
        """The folder of data and socket, ours alone; and whom the server runs as."""
        try:
            self.folder.mkdir(mode=0o700)
            made = True
        except FileExistsError:
            made = False
        there = os.lstat(self.folder)
        user = server_user(None if made else there.st_uid)
        self._check_way(user)
        if os.geteuid() == 0 and (made or (there.st_uid == 0 and not any(self.folder.iterdir()))):
            os.chown(self.folder, user.uid, user.gid)
            there = os.lstat(self.folder)
        _check_private(self.folder, user)
        return user

    def _check_way(self, user: ServerUser) -> None:
        if os.geteuid() != 0:
            return
        for folder in [*reversed(self.home.parents), self.home]:
            if not user.can_enter(folder):
                raise DatabaseError(
                    f"PostgreSQL does not run as root but as {user.name}, who cannot enter {folder}; "
                    "set LIMITS_HOME to a folder that every user can enter, such as /var/lib/limits"
                )

    def _data_major(self) -> int | None:
        """The major version that made the data folder; None: there is none yet."""
        if not self.data.exists():
            return None
        try:
            return int((self.data / "PG_VERSION").read_text())
        except (OSError, ValueError):
            raise DatabaseError(
                f"{self.data} is not the data folder of a database; move it away, and a new one is made"
            ) from None

    def _socket_folder(self) -> Path:
        """Where the socket is, as whoever started the server wrote it down."""
        return Path(os.fsdecode((self.home / "socket").read_bytes()))

    def _short_socket_folder(self) -> Path:
        name = f"limits-{hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]}"
        folder = Path(tempfile.gettempdir(), name)
        return folder if _fits(folder) else Path("/tmp", name)  # noqa: S108 (checked to be ours alone)

    def _choose_socket_folder(self, user: ServerUser) -> Path:
        chosen = self.folder
        if not _fits(chosen):
            chosen = self._short_socket_folder()
            with contextlib.suppress(FileExistsError):
                chosen.mkdir(mode=0o700)
                if os.geteuid() == 0:
                    os.chown(chosen, user.uid, user.gid)
            _check_private(chosen, user)
        record = self.home / "socket"
        new = record.with_suffix(".new")
        new.write_bytes(os.fsencode(chosen))
        new.replace(record)
        return chosen


def about(home: Path) -> About:
    """The programs and folders in use; starts and makes nothing."""
    server = Embedded(home)
    with _unusable(home):
        owner = os.lstat(server.folder).st_uid if os.path.lexists(server.folder) else None
        user = server_user(owner)
        major = server._data_major()
        return About(
            binaries=find(user, major, None),
            user=user.name,
            home=home,
            data=server.data,
            data_major=major,
            running=server._answers(),
            log=server.log_file,
        )


def is_there(home: Path) -> bool:
    """Whether the home has an embedded database; starts and makes nothing."""
    try:
        os.lstat(Embedded(home).data)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError:
        return True  # it may be: whoever starts it says what is closed
    return True


@contextlib.contextmanager
def _unusable(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename if error.filename and str(error.filename) != str(home) else ""
        which = f"{error.strerror} ({place})" if place else error.strerror
        raise DatabaseError(
            f"the folder {home} cannot be used: {which}; set LIMITS_HOME to a folder that can be written"
        ) from None


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fits(folder: Path) -> bool:
    """Whether a socket in the folder has a path that is short enough, and that libpq takes for one path."""
    return len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= SOCKET_BYTES and not set(str(folder)) & set(',"\n\\')


def _check_private(folder: Path, user: ServerUser) -> None:
    """Only the server's user may have anything to say in the folder; the socket there is trusted."""
    there = os.lstat(folder)
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != user.uid:
        raise DatabaseError(
            f"{folder} does not belong to {user.name}, who runs the embedded database here; "
            "run limits as the user that it belongs to, or set LIMITS_HOME to another folder"
        )
    if there.st_mode & 0o077:
        # Made by somebody else, then: we make it closed, and change no folder that is there.
        raise DatabaseError(f"{folder} is open to other users; close it with: chmod 700 {shlex.quote(str(folder))}")


def _is_dead(pid: int, data: Path) -> bool:
    """Whether no server of this data folder has the number: gone, never waited for, or another program by now."""
    if sys.platform != "linux":
        said = subprocess.run(
            ["ps", "-o", "stat=,comm=", "-p", str(pid)], check=False, capture_output=True, text=True
        ).stdout.split(None, 1)
        return len(said) < 2 or said[0].startswith("Z") or "postgres" not in said[1]
    process = Path("/proc", str(pid))
    try:
        name, _, rest = (process / "stat").read_text(errors="replace").partition("(")[2].rpartition(")")
        if rest.split()[0] in "ZX" or not name.startswith("postgres"):
            return True
        return not os.path.samefile(process / "cwd", data)
    except (FileNotFoundError, ProcessLookupError):
        return True
    except PermissionError:
        return False  # not proven


def _trouble(said: str) -> str:
    """The line that says what went wrong, out of the words of a program."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for line in lines:
        match = re.search(r"(?:FATAL|PANIC|ERROR|error): +(.*)", line)
        if match:
            return match[1]
    return lines[-1] if lines else "no reason was given"
