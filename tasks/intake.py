"""Which messages a worker takes: wake-ups that say no more than ours do.

What else a message says of itself Celery believes, some of it in the worker's own process: a time limit that is no
pair of numbers ends the worker, one of a millisecond the child that works, and a chain goes on to other tasks.
"""

from __future__ import annotations

from typing import Any

from tasks.app import WORK

#: What the headers of ours say, where it is the same in all; none of it need be there.
_SAME: dict[str, tuple[Any, ...]] = {
    "task": (WORK,), "eta": (None,), "expires": (None,), "shadow": (None,), "group": (None,), "group_index": (None,),
    "retries": (None, 0), "timelimit": (None, [None, None]), "ignore_result": (None, False, True),
    "replaced_task_nesting": (None, 0), "stamped_headers": (None, []), "stamps": (None, {}),
}  # fmt: skip

#: Headers that are words, and how long they are at most.
_WORDS = ("lang", "id", "root_id", "parent_id", "argsrepr", "kwargsrepr", "origin")
_MOST_LETTERS = 1000

#: The longest body of a wake-up, in bytes: it carries a number.
_MOST_BYTES = 10_000


def is_wake_up(message: Any) -> bool:
    """Whether a message of kombu is one of ours, but for its arguments, which the task looks at."""
    return _plain(message.headers) and _alone(message)


def _plain(headers: Any) -> bool:
    if not isinstance(headers, dict) or not headers.get("id") or "task" not in headers:
        return False
    for name, value in headers.items():
        if name in _SAME:
            if not any(value == same for same in _SAME[name]):
                return False
        elif name in _WORDS:
            if not (value is None or (isinstance(value, str) and len(value) <= _MOST_LETTERS)):
                return False
        elif not (isinstance(name, str) and name.startswith("x-")):  # what a broker adds
            return False
    return True


def _alone(message: Any) -> bool:
    """Whether nothing is to be done after it."""
    if len(message.body or "") > _MOST_BYTES:
        return False
    try:
        _, _, embedded = message.decode()
    except Exception:  # noqa: BLE001  whatever somebody wrote there
        return False
    return isinstance(embedded, dict) and not any(embedded.values())
