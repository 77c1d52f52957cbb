"""A write that is asked for twice is done once: idempotency keys of the API and of forms.

A key belongs to who sent it. The same key with the same request is answered as the first time, from what was kept;
with another request it is refused. What is kept goes after a day. A request that was cut off half way leaves its key
without an answer: then nobody knows from here whether it was done, and the answer says where to look. Writes whose
key reaches the log (a recompute, a request of a user) are simply done again: the database knows the key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel

from limits.console.context import Context
from limits.console.people import Principal
from limits.console.problems import Problem, problem_of
from limits.errors import LimitsError
from limits.store.queries import query

#: The header of every write of the API.
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$",
        description="Chosen by the caller, new for each write. Sent again, the write is not done again.",
    ),
]  # fmt: skip


def once(
    context: Context,
    who: Principal,
    key: str,
    what: str,
    request: BaseModel | Mapping[str, Any],
    act: Callable[[], Any],
    *,
    known_below: bool = False,
) -> Any:
    """What ``act`` gives (a value that JSON can hold), done once for ``key``; ``what`` names operation and object.

    ``known_below``: the database itself knows the key, so that a request that was cut off is done again.
    Errors of the product are kept as answers too.
    """
    body = request.model_dump(mode="json") if isinstance(request, BaseModel) else dict(request)
    digest = hashlib.sha256(json.dumps([what, body], sort_keys=True, default=str).encode()).digest()
    names = {"actor": who.actor, "key": key, "digest": digest}
    there = _begin(context, names)
    if there is not None:
        answer = _known(there, digest, known_below)
        if answer is not None:
            return _told(answer)
    try:
        answer = {"result": act()}
    except (LimitsError, Problem) as error:
        problem = error if isinstance(error, Problem) else problem_of(error)
        if problem.status >= 500:
            _forget(context, names)  # nothing was done, and trying again is right
            raise
        answer = {"problem": [problem.status, problem.name, problem.detail]}
    except Exception:
        if known_below:
            _forget(context, names)
        raise
    with context.connect("console") as conn:
        conn.execute(query("console_key_end"), names | {"answer": json.dumps(answer)})
    return _told(answer)


def _begin(context: Context, names: dict[str, Any]) -> tuple[bytes, Any] | None:
    """None where the key is ours from now on; else what is there of it."""
    with context.connect("console") as conn:
        for _ in range(3):
            if conn.execute(query("console_key_begin"), names).fetchone() is not None:
                return None
            row: tuple[bytes, Any] | None = conn.execute(query("console_key_get"), names).fetchone()
            if row is not None:
                return row
            # Given back between the two, because nothing had been done: it can be had again.
    raise Problem(409, "key-busy", "other requests with this key are under way; send it again in a moment")


def _known(row: tuple[bytes, Any], digest: bytes, known_below: bool) -> dict[str, Any] | None:
    there, answer = row
    if bytes(there) != digest:
        raise Problem(422, "key-used-otherwise", "this Idempotency-Key was sent with another request; choose a new key")
    if answer is None and not known_below:
        raise Problem(
            409, "outcome-unknown", "the first request with this key is under way or was cut off; look whether it was "
            "done before you send it again with a new key",
        )  # fmt: skip
    return answer


def _told(answer: dict[str, Any]) -> Any:
    if "problem" in answer:
        status, name, detail = answer["problem"]
        raise Problem(status, name, detail)
    return answer["result"]


def _forget(context: Context, names: dict[str, Any]) -> None:
    with context.connect("console") as conn:
        conn.execute(query("console_key_forget"), names)
