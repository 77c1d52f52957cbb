"""Connections of one address: so many and no more, so that one client does not fill the server where no proxy stands.

One more is closed before a byte of it is read. Not counted are the proxies of LIMITS_WEB_PROXIES, through which
everybody comes, and this machine: its health checks get in, and a proxy on it is everybody too.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import Counter

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from limits.console.rate import address_of, place_of

#: Where connections come from that never left this machine.
OWN = "127.0.0.1", "::1"
#: Seconds between two lines in the log about connections that were closed.
TOLD_EVERY = 60.0

log = structlog.get_logger()


class Places:
    """The places that each address has for its connections; of one event loop. ``proxies`` as in the settings."""

    def __init__(self, each: int, proxies: str | None) -> None:
        self._each = each
        named = (*OWN, *(proxies.split(",") if proxies else ()))
        self._uncounted = [ipaddress.ip_network(one.strip()) for one in named]
        self._taken: Counter[str] = Counter()
        self._closed, self._told = 0, float("-inf")

    def take(self, host: str) -> str | None:
        """The place of a connection from ``host``, to give back; empty: it is not counted, None: all are taken."""
        address = address_of(host)
        if address is None:
            return ""  # a socket of this machine
        written = {address, ipaddress.ip_address(host)}  # a proxy may be named as IPv6 has its address of IPv4
        if any(one in network for network in self._uncounted for one in written):
            return ""
        place = place_of(host)
        if self._taken[place] >= self._each:
            self._tell()
            return None
        self._taken[place] += 1
        return place

    def give_back(self, place: str) -> None:
        """The connection is over."""
        if place:
            self._taken[place] -= 1
            if not self._taken[place]:
                del self._taken[place]

    def _tell(self) -> None:
        """Not each: whoever knocks again and again does not fill the log either. No address, as in every line of it."""
        self._closed += 1
        if time.monotonic() - self._told >= TOLD_EVERY:
            log.warning("connections were closed: one address had as many as it may", most=self._each, n=self._closed)
            self._closed, self._told = 0, time.monotonic()


def counting(places: Places) -> type[H11Protocol]:
    """uvicorn's protocol, for connections that have a place."""

    class Counted(H11Protocol):
        _place: str | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            peer = transport.get_extra_info("peername")
            self._place = places.take(peer[0] if isinstance(peer, tuple) else "")
            if self._place is None:
                transport.abort()
            else:
                super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._place is not None:  # else uvicorn never heard of it
                places.give_back(self._place)
                super().connection_lost(exc)

    return Counted
