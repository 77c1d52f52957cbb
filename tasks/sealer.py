"""The sealer as a process: a step every few seconds until it is told to stop, whatever goes wrong meanwhile."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import structlog

from limits.errors import InputError, LimitsError, SealBusy
from limits.settings import SealPaths, Settings, seal_paths
from limits.store import seal_keys, sealing, workers
from limits.store.anchors import Anchor
from limits.store.db import TROUBLE, Connection, Database
from limits.store.sealing import Sealer, Step
from limits.wording import several
from tasks.app import Context
from tasks.heart import Heart
from tasks.logs import set_up

log = structlog.get_logger()

#: How soon a sealer that waits knows that it is to stop.
NAP_SECONDS = 0.2

Tell = Callable[[str], None]


def make_sealer(settings: Settings, *, new_key: bool = False, new_file: bool = False) -> Sealer:
    """The sealer of the settings. InputError where there is no key."""
    paths = seal_paths(settings)
    seal_keys.read(paths.key)
    anchor = None if settings.log_anchor is None else Anchor(settings.log_anchor)
    return Sealer(
        paths.key, paths.checkpoints, idle_seconds=settings.checkpoint_seconds, anchor=anchor, new_key=new_key,
        new_file=new_file,
    )  # fmt: skip


def first_key(conn: Connection, paths: SealPaths, name: str, tell: Tell) -> None:
    """Makes the key where there is none and nothing was ever signed; tells the public line."""
    if paths.key.exists() or sealing.state(conn).checkpoints:
        return
    try:
        public = seal_keys.new(paths.key, name, paths.public_keys)
    except InputError:
        if not paths.key.exists():
            raise
        return  # another process has just made it
    tell(f"new key {paths.key}; checkpoints are checked with {public.write()}")


def lines(step: Step) -> Iterator[str]:
    """What a step came to, for people: a line for each checkpoint, and one for whatever is not as it should be."""
    if step.cut:
        yield (
            f"{step.caught_up:,} checkpoints were missing in the file and are added to it: more than one, which no "
            "crash does. Unless another sealer signed them into a file of its own, somebody cut this one: find out who"
        )
    elif step.caught_up:
        yield f"{_checkpoints(step.caught_up)} missing in the file and added to it"
    for one in step.refused:
        what = "the record that the log begins with" if one.batch_id is None else f"batch {one.batch_id}"
        yield f"{what} is not sealed: {one.why}"
    if step.checkpoint_id is not None:
        yield (
            f"checkpoint {step.checkpoint_id}: {several(step.batches, 'batch')} sealed, "
            f"{several(step.entries, 'entry')} in {several(step.tree_size, 'leaf')} by now, signed by {step.key_id}"
        )
    if step.anchor_trouble:
        yield f"the second anchor did not take checkpoint {step.checkpoint_id}: {step.anchor_trouble}"


def _checkpoints(count: int) -> str:
    return "1 checkpoint was" if count == 1 else f"{count:,} checkpoints were"


def run_sealer(database: Database, settings: Settings, sealer: Sealer, *, every: float, tell: Tell) -> int:
    """Seals every so many seconds until SIGTERM or Ctrl-C; the step at hand is finished."""
    set_up(settings.log_level)
    context = Context(database, settings, workers.name("sealer"))

    def stop(*_: Any) -> None:
        context.stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with Heart(context, "sealer", doing="sealing"):
        log.info("sealer ready", sealer=context.name, every_seconds=every)
        loop = _Loop(database, sealer, context.stopping, tell)
        while not context.stopping():
            until = time.monotonic() + every
            more = loop.step()
            while not more and not context.stopping() and time.monotonic() < until:
                time.sleep(min(NAP_SECONDS, every))
        loop.close()
    log.info("sealer stopped", sealer=context.name)
    return 0


class _Loop:
    """Steps with a connection that is made anew where it broke. What goes wrong is told once, not every time."""

    def __init__(self, database: Database, sealer: Sealer, stopping: Callable[[], bool], tell: Tell) -> None:
        self._database, self._sealer, self._stopping, self._tell = database, sealer, stopping, tell
        self._conn: Connection | None = None
        self._told: set[str] = set()

    def step(self) -> bool:
        """One step; whether there is more to seal at once."""
        try:
            if self._conn is None or self._conn.closed:
                self._conn = self._database.connect("sealer", "limits log seal")
            step = self._sealer.step(self._conn, stopping=self._stopping)
        except SealBusy as error:
            log.debug("another sealer is at it", why=str(error))
            return False
        except (*TROUBLE, LimitsError) as error:
            self.close()
            self._tell_news({" ".join(str(error).split())})
            return False
        self._tell_news(set(lines(step)))
        return step.more

    def _tell_news(self, words: set[str]) -> None:
        for word in sorted(words - self._told):
            self._tell(word)
        self._told = words

    def close(self) -> None:
        """Gives up the connection."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()
