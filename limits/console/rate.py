"""How often one principal may ask: a bucket of tokens each, in this process.

Our own twenty lines: the library that web frameworks use for this is published as ``limits``, the name that is ours.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict

PER_MINUTE = 600
#: Of everybody together who comes from one address and did not sign in.
NOBODY_PER_MINUTE = 300
#: Buckets kept; the one used longest ago goes first, and it is full again by then.
MOST = 10_000


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, of IPv4 as such also where a socket of IPv6 has it (::ffff:192.0.2.1); None for what is none."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def place_of(host: str) -> str:
    """What counts as one address: of IPv6 the network, in which one machine has as many addresses as it likes."""
    address = address_of(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return host if address is None else str(address)


class Buckets:
    """Tokens of each principal: ``per_minute`` at most, refilled evenly."""

    def __init__(self, per_minute: int = PER_MINUTE) -> None:
        self._per_minute = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str, *, per_minute: int | None = None, now: float | None = None) -> float:
        """0 where a token was left and is taken; else the seconds until the next one. ``now`` is for tests."""
        size = per_minute or self._per_minute
        at = time.monotonic() if now is None else now
        with self._lock:
            left, seen = self._left.pop(name, (float(size), at))
            left = min(float(size), left + (at - seen) * size / 60)
            wait = 0.0 if left >= 1 else (1 - left) * 60 / size
            self._left[name] = (left - 1 if wait == 0 else left, at)
            if len(self._left) > MOST:
                self._left.popitem(last=False)
        return wait
