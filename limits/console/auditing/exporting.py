"""Exports over HTTP: what `limits log export` writes, sent while it is read. The memory it takes does not grow."""

from __future__ import annotations

import contextlib
import io
import queue
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal, cast

import structlog
from fastapi.responses import StreamingResponse

from limits.console.auditing import slow
from limits.console.auditing.asking import Asked
from limits.console.context import Context
from limits.console.people import Principal
from limits.store import export_reading, log_known
from limits.store.db import Connection
from limits.store.export import WRITERS
from limits.store.log import LogFilter

Format = Literal["csv", "jsonl", "parquet"]

TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
#: Pieces that are written and not yet sent, at most; each is a block of entries.
AHEAD = 4
#: Seconds that whoever loads may take for a piece before the export is given up, so that it holds no connection.
PATIENCE = 120.0

log = structlog.get_logger()


class GaveUp(Exception):
    """Whoever loaded went away or stood still."""


class _Pipe(io.RawIOBase):
    """A file to write to, whose bytes come out on the other side."""

    def __init__(self, pieces: queue.Queue[bytes | None], over: threading.Event) -> None:
        self._pieces, self._over, self._written = pieces, over, 0

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """How many bytes were written."""
        return self._written

    def write(self, data: Any) -> int:
        """Hands the bytes over; GaveUp where nobody takes them."""
        piece = bytes(data)
        waited = 0.0
        while True:
            if self._over.is_set() or waited >= PATIENCE:
                raise GaveUp
            try:
                self._pieces.put(piece, timeout=1.0)
                break
            except queue.Full:
                waited += 1.0
        self._written += len(piece)
        return len(piece)


def export(context: Context, who: Principal, asked: Asked, form: Format) -> StreamingResponse:
    """The answer: a file that is loaded. What cannot be used is said before the first byte.

    Problem 429 where ``who`` loads as many as one may, 503 where all together do.
    """
    stack = contextlib.ExitStack()
    try:
        stack.enter_context(slow.export_of(who))
        conn = stack.enter_context(slow.reading(context, slow.exports, "an export"))
        wanted = asked.wanted(conn)
        log_known.require_there(conn, wanted)
        log_known.require_actor(conn, wanted)
    except BaseException:
        stack.close()
        raise
    headers = {
        "content-disposition": f'attachment; filename="adjustments.{form}"',
        "cache-control": "no-store",
        "x-accel-buffering": "no",
    }
    pieces: queue.Queue[bytes | None] = queue.Queue(AHEAD)
    over, whole = threading.Event(), threading.Event()
    # It begins before anybody takes a piece, and ends by itself where nobody does.
    writer = threading.Thread(
        target=_write, args=(stack, conn, wanted, form, pieces, over, whole), name="export", daemon=True
    )
    writer.start()
    return StreamingResponse(_pieces(pieces, over, whole, writer), media_type=TYPES[form], headers=headers)


def _write(
    stack: contextlib.ExitStack, conn: Connection, wanted: LogFilter, form: Format,
    pieces: queue.Queue[bytes | None], over: threading.Event, whole: threading.Event,
) -> None:  # fmt: skip
    """Writes the file; ``whole`` is set where all of it was, and an error is the thread's own."""
    try:
        with stack, contextlib.closing(export_reading.read(conn, wanted)) as entries:
            WRITERS[form](entries, cast(BinaryIO, _Pipe(pieces, over)), lambda count: None)
        whole.set()
    except GaveUp:
        log.warning("an export was given up: whoever loaded it went away or stood still")
    finally:
        with contextlib.suppress(queue.Full):
            pieces.put(None, timeout=0.1)


def _pieces(
    pieces: queue.Queue[bytes | None], over: threading.Event, whole: threading.Event, writer: threading.Thread
) -> Iterator[bytes]:
    """The bytes of the file. Where writing fails half way, the response is cut off, and whoever loads it sees that."""
    try:
        while (piece := _next(pieces, writer)) is not None:
            yield piece
        if not whole.is_set():
            raise RuntimeError("the export was cut off")
    finally:
        over.set()


def _next(pieces: queue.Queue[bytes | None], writer: threading.Thread) -> bytes | None:
    """The next piece; None after the last one. A writer that gave up may have found no room to say so."""
    while True:
        there = writer.is_alive()  # looked at first: what it wrote last is in the queue then
        try:
            return pieces.get(timeout=1.0 if there else 0.0)
        except queue.Empty:
            if not there:
                return None
