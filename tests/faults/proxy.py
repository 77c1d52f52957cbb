"""A proxy between a client and PostgreSQL that loses the reply to a COMMIT, or the COMMIT itself."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from typing import Literal
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

Loss = Literal["request", "reply"]

#: ReadyForQuery, the last message of each reply.
READY = b"Z\x00\x00\x00\x05"


class Proxy:
    """Listens on a port of this machine and passes on what comes to the server of ``url`` and back.

    Of the transactions in which the client sent ``mark`` the first ``times`` lose their COMMIT:
    the ``request`` never gets to the server, or the ``reply`` never to the client. Either way
    the connection is gone then. ``lost`` counts them.
    """

    def __init__(self, url: str) -> None:
        self._target = conninfo_to_dict(url)
        self._mark, self._loss, self._left, self._every = b"", "reply", 0, 1
        self._dice = random.Random(1)
        self._lock = threading.Lock()
        self.lost = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        user, name = quote(str(self._target["user"])), quote(str(self._target["dbname"]))
        port = self._listener.getsockname()[1]
        self.url = f"postgresql://{user}@127.0.0.1:{port}/{name}?sslmode=disable&gssencmode=disable"
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, loss: Loss, mark: bytes = b"", *, times: int = 1, every: int = 1) -> None:
        """Loses COMMITs from now on; ``every``: of those with the mark one in so many.

        By dice: a count would always hit the same COMMIT of whoever tries again.
        """
        with self._lock:
            self._loss, self._mark, self._left, self._every = loss, mark, times, every

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        host, port = str(self._target["host"]), str(self._target.get("port", "5432"))
        server = socket.socket(socket.AF_UNIX if host.startswith("/") else socket.AF_INET)
        try:
            server.connect(f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, int(port)))
            swallow = threading.Event()
            back = threading.Thread(target=_pump_back, args=(server, client, swallow), daemon=True)
            back.start()
            self._pump(client, server, swallow)
            back.join()
        except OSError:
            pass  # one of the two is gone, and so is the other
        finally:
            _close(client, server)

    def _pump(self, client: socket.socket, server: socket.socket, swallow: threading.Event) -> None:
        """Message by message, until one side is gone or a COMMIT is to be lost."""
        file = client.makefile("rb")
        length = file.read(4)  # the first message has no letter
        server.sendall(length + file.read(int.from_bytes(length, "big") - 4))
        marked = False
        for message in _messages(file):
            said = message[5:].rstrip(b"\0").upper() if message[:1] == b"Q" else b""
            marked = said != b"BEGIN" and (marked or self._mark in message)
            if said == b"COMMIT" and marked and self._takes():
                if self._loss == "request":
                    break
                swallow.set()
                server.sendall(message)
                return  # the other direction closes when the server has answered
            server.sendall(message)
        _close(client, server)

    def _takes(self) -> bool:
        with self._lock:
            if not self._left or self._dice.randrange(self._every):
                return False
            self._left -= 1
            self.lost += 1
            return True


def _messages(file: object) -> Iterator[bytes]:
    """Letter, length, body."""
    while head := file.read(5):  # type: ignore[attr-defined]
        yield head + file.read(int.from_bytes(head[1:], "big") - 4)  # type: ignore[attr-defined]


def _pump_back(server: socket.socket, client: socket.socket, swallow: threading.Event) -> None:
    kept = b""
    with contextlib.suppress(OSError):
        while data := server.recv(65536):
            if not swallow.is_set():
                client.sendall(data)
                continue
            kept += data
            if READY in kept:
                break
    _close(client, server)


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextlib.contextmanager
def between(url: str) -> Iterator[Proxy]:
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
