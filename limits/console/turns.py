"""How many requests are worked on at once: of one principal, and of all who are alike, so that nobody stands in
everybody's way. Whoever comes then waits, which costs no thread and no connection.

Counted is working on an answer, not sending it: a slow reader keeps nobody out.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import anyio
from anyio.lowlevel import RunVar

from limits.console.people import Principal
from limits.console.problems import Problem

#: Requests of one principal that are worked on at once, and that wait for it.
EACH, WAITING = 6, 60
#: Of all who are alike, together. Machines and auditors, who read much, leave connections of every pool to the others.
TOGETHER = {"nobody": 8, "machines": 6, "auditors": 6, "staff": 24}
#: Threads of the server: what all together may use, and some for exports, health and static files.
THREADS = sum(TOGETHER.values()) + 16
#: Seconds to wait for a turn.
PATIENCE = 30.0
#: Whom a session or token belongs to is looked up by so many threads, before anybody is known.
LOOKUPS = 6


@dataclass
class _Line:
    turns: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(EACH))
    there: int = 0


class Turns:
    """The turns of one event loop."""

    def __init__(self) -> None:
        self._together = {kind: anyio.Semaphore(many) for kind, many in TOGETHER.items()}
        self._each: dict[str, _Line] = {}
        self.lookups = anyio.CapacityLimiter(LOOKUPS)

    @contextlib.asynccontextmanager
    async def turn(self, who: Principal | None, name: str) -> AsyncIterator[Callable[[], None]]:
        """A turn for ``name``; what it gives ends it early. Problem 429 where too many wait, 503 where none comes."""
        line = self._each.setdefault(name, _Line())
        if line.there >= EACH + WAITING:
            raise Problem(
                429, "too-many-requests", "too many requests of yours are under way; wait for their answers",
                headers={"retry-after": "5"},
            )  # fmt: skip
        line.there += 1
        held = contextlib.ExitStack()
        try:
            with anyio.move_on_after(PATIENCE) as patience:
                for one in (line.turns, self._together[_kind(who)]):
                    await one.acquire()
                    held.callback(one.release)
            if patience.cancelled_caught:
                raise Problem(
                    503, "busy", "the server works on too many requests; try again in a moment",
                    headers={"retry-after": "5"},
                )  # fmt: skip
            yield held.close
        finally:
            held.close()
            line.there -= 1
            if not line.there:
                self._each.pop(name, None)


_turns: RunVar[Turns] = RunVar("limits.turns")


def turns() -> Turns:
    """Those of the event loop that runs."""
    found = _turns.get(None)
    if found is None:
        found = Turns()
        _turns.set(found)
    return found


def _kind(who: Principal | None) -> str:
    if who is None:
        return "nobody"
    if who.kind == "machine":
        return "machines"
    return "auditors" if who.roles <= {"auditor"} else "staff"
