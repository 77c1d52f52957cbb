"""The console on a real port of this machine, and clients that are no more than a socket: they read when they like."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import uvicorn

from limits.console import serving
from tests.web import Site

#: Bytes that the kernel keeps for a client that does not read; small, so that the server notices soon.
KEPT = 4096


@contextlib.contextmanager
def listening(site: Site) -> Iterator[int]:
    """The port at which the site is served, as `limits web` serves it, until it is left."""
    with serving.bind("127.0.0.1", 0) as bound:
        server = uvicorn.Server(serving.config_of(site.app, site.context.settings))
        bound.listen(512)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            until(lambda: server.started)
            yield int(bound.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive(), "the server did not end"
            # Exports that it was in the middle of notice within a second that nobody has their pieces any more.
            gc.collect()
            for writer in [one for one in threading.enumerate() if one.name == "export"]:
                writer.join(60)
                assert not writer.is_alive(), "an export goes on though the server has ended"


@dataclass
class Client:
    """One connection, and what came by it."""

    wire: socket.socket
    came: bytes = b""

    def ask(self, address: str, **headers: str) -> None:
        """A request, whose answer nobody reads yet."""
        lines = [f"GET {address} HTTP/1.1", "host: localhost", "connection: close"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        self.wire.sendall("\r\n".join([*lines, "", ""]).encode())

    def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the answer, and of what follows no more than came with them."""
        while b"\r\n\r\n" not in self.came:
            piece = self.wire.recv(1024)
            assert piece, f"closed after {self.came!r}"
            self.came += piece
        first, *lines = self.came.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        return int(first.split(" ")[1]), dict(line.lower().split(": ", 1) for line in lines)

    def rest(self) -> bytes:
        """All that came, once the server has closed."""
        pieces = [self.came, *iter(lambda: self.wire.recv(1 << 20), b"")]
        self.came = b"".join(pieces)
        return self.came

    def is_closed(self) -> bool:
        """Whether the server closes without a word."""
        try:
            return self.wire.recv(1) == b""
        except ConnectionResetError:
            return True


@contextlib.contextmanager
def connecting(port: int, source: str = "127.0.0.1") -> Iterator[Callable[[], Client]]:
    """Makes connections from an address of this machine; all are closed at the end."""
    with contextlib.ExitStack() as opened:

        def connect() -> Client:
            wire = opened.enter_context(socket.socket())
            wire.settimeout(60)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KEPT)
            wire.bind((source, 0))
            wire.connect(("127.0.0.1", port))
            return Client(wire)

        yield connect


def until(what: Callable[[], bool], seconds: float = 60.0) -> None:
    """Waits for it; fails where it does not come."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, "it did not come"
        time.sleep(0.02)
