"""Installs the locked dependencies and this project into .venv. Standard library only.

The last thing written is a stamp: the digest of the lock file, the interpreter and the
folder. Whatever carries no such stamp, because set-up was killed half way, the lock
changed or the folder was moved, is made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / ".ci" / "requirements-dev.txt"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".installed.json"
# Settings of the caller that would send an installation somewhere else than into .venv.
UNWANTED = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_NO_BINARY",
            "PIP_REQUIRE_VIRTUALENV", "PIP_ROOT", "PIP_DRY_RUN", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_PREFIX",
            "UV_PYTHON", "UV_NO_BINARY", "UV_PROJECT_ENVIRONMENT")  # fmt: skip


class SetupFailed(Exception):
    """One sentence for the person at the keyboard."""


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def digest(*paths: Path) -> str:
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()


def wanted() -> dict[str, str]:
    """What the stamp says when nothing is left to do."""
    return {
        "lock": digest(LOCK),
        "project": digest(ROOT / "pyproject.toml", ROOT / "limits" / "__init__.py"),
        "folder": str(ROOT),
        "python": f"{sys.version_info.major}.{sys.version_info.minor} {os.path.realpath(sys.base_prefix)}",
    }


def stamped() -> dict[str, str]:
    try:
        found = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def usable() -> bool:
    """Is the interpreter of .venv, and what it needs most, still there?"""
    names = "limits", "tasks", "psycopg", "celery", "statsmodels", "pytest"
    code = "import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, sys.argv[1:])))"
    if Path(sys.prefix) == VENV:
        return all(map(importlib.util.find_spec, names))
    return subprocess.run([str(PYTHON), "-c", code, *names], cwd="/", capture_output=True, check=False).returncode == 0


def run(*command: str, quiet: bool = False) -> bool:
    """Whether the command succeeded; what it prints goes to standard error."""
    environment = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    output = subprocess.DEVNULL if quiet else sys.stderr
    return subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                          stderr=output, check=False).returncode == 0  # fmt: skip


def clear() -> None:
    """Room for a new .venv; an OSError where there can be none."""
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    VENV.mkdir()
    VENV.rmdir()


def with_uv(uv: str) -> bool:
    clear()
    install = (uv, "pip", "install", "--quiet", "--python", str(PYTHON))
    return (
        run(uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(VENV))
        and run(*install, "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK))
    )  # fmt: skip


def with_pip() -> None:
    clear()
    if not run(sys.executable, "-m", "venv", str(VENV)):
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupFailed(
            f"{sys.executable} could not make a virtual environment; on Debian and Ubuntu install python{version}-venv,"
            " or name another Python: make setup PYTHON=/path/to/python3"
        )
    # The lock names every package, so none is looked for (--no-deps): left to itself, pip takes `coverage[toml]`
    # for another package than the `coverage` that is locked, and stops at the first newer release.
    if not run(*pip(), "install", "-qq", "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)):
        raise SetupFailed("pip could not install the locked dependencies; its message stands above")


def pip() -> tuple[str, ...]:
    return (str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input")


def install_project(uv: str | None) -> None:
    """The project itself, editable. Its build backend is in the lock, so no network is asked."""
    build = ("-qq", "--no-index", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    if uv and run(uv, "pip", "install", "--python", str(PYTHON), *build, quiet=True):
        return
    if not run(*pip(), "install", *build):
        raise SetupFailed("the project itself could not be installed into .venv; the message stands above")


def setup() -> None:
    want, have = wanted(), stamped()
    if want == have and usable():
        return
    uv = shutil.which("uv")
    if {**want, "project": ""} == {**have, "project": ""} and usable():
        STAMP.unlink()
    else:
        tool = "uv" if uv else "pip"
        say(f"installing the locked dependencies into .venv with {tool}, Python {want['python']}; about a minute, once")
        if uv and not with_uv(uv):
            say("uv could not do it; once more with pip")
            uv = None
        if not uv:
            with_pip()
    install_project(uv)
    if not usable():
        raise SetupFailed("installed, and yet .venv does not start; remove the folder .venv and run make setup again")
    draft = STAMP.with_suffix(".new")
    draft.write_text(json.dumps(want, indent=1) + "\n")
    draft.rename(STAMP)
    say("ready")


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        return 0 if Path(sys.prefix) == VENV and wanted() == stamped() and usable() else 1
    try:
        turn = os.open(ROOT / ".ci", os.O_RDONLY)  # one set-up at a time in this folder
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is at work in this folder; waiting for it")
            fcntl.flock(turn, fcntl.LOCK_EX)
        setup()
    except SetupFailed as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"cannot prepare {VENV}: {error.strerror or error}; use a checkout in a folder that you may write to")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next run starts it anew")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
