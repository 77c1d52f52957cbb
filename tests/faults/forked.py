"""Worker processes that are forked from one that has everything loaded: real ones, and there in a moment.

What runs in them is what a message sets off in a child of Celery's pool: the work on one review,
again and again, as the sweeper would ask for it.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any

from limits import engine
from limits.cli import main
from limits.cli.working import environment
from limits.engine import deciding
from limits.errors import DatabaseError
from limits.settings import Settings
from limits.store import failpoints
from limits.store.db import TROUBLE, Database
from tasks.logs import set_up

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.faults.warm"])

#: Seconds a worker goes on asking for work in a review that is not over.
SECONDS = 60.0


class Forked:
    """A process that is there in a moment. What it says is kept in a file."""

    def __init__(self, target: Callable[..., None], *arguments: object) -> None:
        self.output: IO[bytes] = tempfile.NamedTemporaryFile()  # noqa: SIM115 (read when it is over)
        self.process: BaseProcess = context.Process(target=target, args=(self.output.name, *arguments), daemon=True)
        self.process.start()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def state(self) -> str:
        """One letter, as in ps: T when it is stopped."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return "X"

    def wait(self, seconds: float = SECONDS) -> int:
        """The exit code; negative when it was killed."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"still there after {seconds} seconds: {self.said()}"
        return self.process.exitcode

    def send(self, number: int) -> None:
        if self.process.is_alive():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9, stopped or not."""
        self.send(signal.SIGKILL)
        self.process.join()

    def said(self) -> str:
        return Path(self.output.name).read_text(errors="replace")


class Worker(Forked):
    """A worker process of one review; it ends with 0 when the review is over."""

    def __init__(
        self, url: str, settings: Settings, review_id: int, *, hurt: str = "", poison: int = 0, seconds: float = SECONDS
    ) -> None:
        """``hurt``: failpoints. ``poison``: the engine breaks at this user."""
        self.hurt = hurt
        super().__init__(_work, url, settings.model_dump(), review_id, hurt, poison, seconds)


class Command(Forked):
    """A command of the command line."""

    def __init__(self, settings: Settings, *arguments: str, hurt: str = "") -> None:
        """``hurt``: failpoints."""
        super().__init__(command, environment(settings), arguments, hurt)


def _say_to(output: str) -> None:
    file = os.open(output, os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(file, number)


def command(
    output: str,
    variables: dict[str, str],
    arguments: tuple[str, ...],
    hurt: str = "",
    prepare: Callable[[], None] = lambda: None,
) -> None:
    """Runs a command in this process; failpoints are those of ``hurt``, or else of the variables."""
    _say_to(output)
    os.environ.update(variables)
    failpoints.read(hurt)
    sys.argv = ["limits", *arguments]
    prepare()
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # a forked process leaves without them


def _work(
    output: str, url: str, values: dict[str, Any], review_id: int, hurt: str, poison: int, seconds: float
) -> None:
    _say_to(output)
    set_up("info")
    if poison:
        _poison(poison)
    failpoints.read(hurt)
    database, settings = Database(url), Settings(**values)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            worked = engine.work(database, settings, review_id, worker=f"test/{os.getpid()}", seconds=seconds)
        except (*TROUBLE, DatabaseError) as error:  # as tasks.jobs does
            print(f"gave up for now: {error}", flush=True)
        else:
            if worked.state == "over":
                return
        time.sleep(0.05)
    raise SystemExit(f"review {review_id} is not over after {seconds} seconds")


def _poison(user_id: int) -> None:
    """From now on the engine breaks in this process whenever the user is among those it decides."""
    sound = deciding.review

    def stumble(portfolio: Any, policy: Any, model: Any) -> Any:
        if user_id in portfolio.user_id.tolist():
            raise FloatingPointError(f"cannot get through user {user_id}")
        return sound(portfolio, policy, model)

    deciding.review = stumble
