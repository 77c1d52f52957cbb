"""Failpoints: named places where a test hurts a process; nothing happens there unless an environment variable says so.

LIMITS_TEST_FAILPOINTS holds rules, separated by commas: NAME=ACTION, NAME=ACTION:ARGUMENT or
either followed by @N (at the Nth passing only). The names are those that ``reach`` is called
with; each statement of sql/queries has one more, ``sql:QUERY``, passed just before it is sent.
The name * is every one of them.

    kill            the process is gone at once, as by SIGKILL
    stop            the process stops, as by SIGSTOP, until somebody lets it go on
    sleep:SECONDS   nothing happens for so long
    raise           RuntimeError, once in a process
    trace:FILE      the name is added to the file as a line
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from limits.errors import SettingsError

#: The environment variable.
VARIABLE = "LIMITS_TEST_FAILPOINTS"

_ACTIONS = frozenset({"kill", "stop", "sleep", "raise", "trace"})


@dataclass(frozen=True)
class Rule:
    """What happens at a failpoint. ``at``: at which passing; 0 at each."""

    name: str
    action: str
    argument: str = ""
    at: int = 0


_armed: list[Rule] = []
_passed: Counter[str] = Counter()
_counting = threading.Lock()


def reach(name: str) -> None:
    """The process comes by the place of that name."""
    if _armed:
        _meet(name)


def read(text: str | None = None) -> None:
    """Takes the rules from the text, or else from the environment; SettingsError names one that cannot be read."""
    rules = [_rule(word) for word in (text or os.environ.get(VARIABLE, "")).split(",") if word.strip()]
    _armed[:] = rules
    _passed.clear()


def _rule(word: str) -> Rule:
    name, _, rest = word.strip().partition("=")
    rest, _, at = rest.partition("@")
    action, _, argument = rest.partition(":")
    if not name or action not in _ACTIONS or not (at or "0").isdigit():
        raise SettingsError(f"{VARIABLE} cannot be used: {word.strip()!r} is not NAME=ACTION[:ARGUMENT][@N]")
    return Rule(name, action, argument, int(at or "0"))


def _meet(name: str) -> None:
    with _counting:
        _passed[name] += 1
        times = _passed[name]
    for rule in [one for one in _armed if one.name in (name, "*") and one.at in (0, times)]:
        if rule.action == "trace":
            with Path(rule.argument).open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")
        elif rule.action == "sleep":
            time.sleep(float(rule.argument))
        elif rule.action == "raise":
            _armed.remove(rule)
            raise RuntimeError(f"failpoint {name}")
        else:
            os.kill(os.getpid(), signal.SIGKILL if rule.action == "kill" else signal.SIGSTOP)


read()
