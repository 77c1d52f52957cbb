"""Commands of the command line, each a process of its own, forked from one that has the modules loaded already.

What a command costs is mostly its imports. A test of how a process starts begins one of its own instead.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from limits.cli import main
from limits.cli.working import environment
from limits.settings import Settings
from tests.faults.forked import context

#: Seconds that a command may take.
SECONDS = 120.0


def limits(settings: Settings, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Runs ``limits ARGUMENTS`` with these settings and variables of the environment besides."""
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder, name) for name in ("stdout", "stderr")]
        variables = environment(settings) | extra
        process = context.Process(target=_command, args=(said, Path.cwd(), variables, arguments))
        process.start()
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["limits", *arguments], SECONDS, *(path.read_bytes() for path in said))
        texts = [path.read_text() for path in said]
        return subprocess.CompletedProcess(["limits", *arguments], process.exitcode, *texts)


def answer(settings: Settings, *arguments: str) -> dict[str, Any]:
    """What a command that succeeds prints for programs."""
    done = limits(settings, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _command(said: list[Path], folder: Path, variables: dict[str, str], arguments: tuple[str, ...]) -> None:
    for number, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    sys.argv = ["limits", *arguments]
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # a forked process leaves without them
