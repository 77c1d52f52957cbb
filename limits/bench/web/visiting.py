"""Somebody who uses the console over HTTP, with a session, and how long each answer takes."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from limits.console import sessions
from limits.console.people import Role
from limits.errors import LimitsError
from limits.store.db import Database

PATIENCE = 120.0


@dataclass
class Times:
    """Seconds of each answer, and what was not answered as it should be."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def at(self, share: float) -> float:
        """The time that this share of the answers took at most, milliseconds."""
        ordered = sorted(self.seconds)
        return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "requests": len(self.seconds), "median_ms": self.at(0.5), "p95_ms": self.at(0.95), "max_ms": self.at(1.0),
            "errors": self.errors[:5],
        }  # fmt: skip


class Visitor:
    """A person who signs in by a one-time link, on one connection."""

    def __init__(self, database: Database, port: int, actor: str, roles: tuple[Role, ...]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        with database.connect("console", "limits bench") as conn:
            link = sessions.make_link(conn, actor, roles)
        status, headers, _ = self.send(
            "POST", "/sign-in/link", urlencode({"link": link}), {"content-type": "application/x-www-form-urlencoded"}
        )
        cookie = headers.get("set-cookie", "").partition(";")[0]
        if status != 303 or not cookie:
            raise LimitsError(f"signing in was answered with {status}")
        self._cookie = cookie

    def send(
        self, method: str, address: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        given = {"accept": "text/html", **(headers or {})}
        if hasattr(self, "_cookie"):
            given["cookie"] = self._cookie
        try:
            self._connection.request(method, address, body, given)
            answer = self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # The server hung up on a connection that was idle for long; as browsers do, it is tried once more.
            self._connection.close()
            self._connection.request(method, address, body, given)
            answer = self._connection.getresponse()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()

    def timed(self, address: str, times: Times) -> bytes:
        """Asks for a page, and notes how long it took and whether it came."""
        began = time.perf_counter()
        try:
            status, _, body = self.send("GET", address)
        except (OSError, http.client.HTTPException) as error:
            times.errors.append(f"{address}: {error}")
            self._connection.close()
            return b""
        times.seconds.append(time.perf_counter() - began)
        if status != 200:
            times.errors.append(f"{address}: {status}")
        return body

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
