"""What limits doctor says of the log: whether its guards stand, whether it is sealed, and whether the file of
checkpoints fits the database.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from limits.cli.doctor import Finding
from limits.wording import several

if TYPE_CHECKING:
    from limits.settings import Settings
    from limits.store.db import Connection
    from limits.store.sealing import State

#: A batch that is not sealed for so long is not on its way any more.
LATE_SECONDS = 60.0
#: A sealer may be between database and file just now: so often is looked again, and after so long.
LOOKS, PAUSE_SECONDS = 4, 0.5
#: A file of checkpoints up to this size is compared as a whole.
WHOLE_FILE_BYTES = 20_000_000
#: What is wrong with a trigger, as the end of a sentence.
WRONG = {
    "gone": "is gone",
    "another": "is not the one that was made",
    "disabled": "is disabled",
    "not always": "does not fire always",
}


def findings(conn: Connection, settings: Settings) -> Iterator[Finding]:
    """Every check of sealing."""
    from limits.store import sealing

    state = sealing.state(conn)
    yield from _waiting(state)
    yield _sealers(conn, settings)
    yield from _file(conn, settings)
    if state.anchor_why is not None:
        says = f"the second anchor did not take the newest checkpoint it was given: {state.anchor_why}"
        yield Finding("anchor", "warn", says, "mend what LIMITS_LOG_ANCHOR names; it gets the next checkpoint")


def guards(conn: Connection) -> Finding:
    """Whether the triggers stand that keep the log, and what belongs to it, from being rewritten."""
    from limits.store import health

    wrong = health.guards_wrong(conn)
    if not wrong:
        return Finding("guards", "ok", "the triggers that guard the log and what belongs to it are there and on")
    first = wrong[0]
    more = f", and {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
    says = f"the trigger {first.name} on limits.{first.relation} {WRONG[first.wrong]}{more}"
    always = "ENABLE ALWAYS" if not first.name.startswith("RI_") else "ENABLE"
    again = (
        "make it again as the migrations do"
        if first.wrong in ("gone", "another")
        else f'ALTER TABLE limits.{first.relation} {always} TRIGGER "{first.name}"'
    )
    look = "find out who did that, and what was written meanwhile: limits log verify, limits log reconcile"
    return Finding("guards", "fail", says, f"{look}; then {again}")


def hashing() -> Finding:
    """By which way many entries are hashed; both come to the same."""
    from limits.hashing import compiled

    if compiled():
        return Finding("hashing", "ok", "compiled code calls the libcrypto that hashlib calls")
    return Finding("hashing", "ok", "hashlib, called for each entry: this Python does not show its libcrypto")


def _waiting(state: State) -> Iterator[Finding]:
    """Batches that are refused or late."""
    if state.refused:
        what = "the record that the log begins with" if state.refused_batch is None else f"batch {state.refused_batch}"
        more = f", and {state.refused - 1:,} more" if state.refused > 1 else ""
        mend = "find out who changed it, and put it back from a backup: limits.seal_troubles has all that was refused"
        yield Finding("sealing", "fail", f"{what} is not sealed: {state.refused_why}{more}", mend)
    if state.oldest_seconds is not None and state.oldest_seconds > LATE_SECONDS:
        waiting = f"{several(state.unsealed, 'batch')} of the log {'is' if state.unsealed == 1 else 'are'} not sealed"
        says = f"{waiting}, the oldest for {state.oldest_seconds:,.0f} s"
        yield Finding("sealing", "fail", says, "run a sealer: limits log seal")
    elif not state.refused:
        newest = "" if state.age_seconds is None else f", the newest {state.age_seconds:,.0f} s ago"
        yield Finding(
            "sealing",
            "ok",
            f"{several(state.checkpoints, 'checkpoint')}{newest}; {several(state.unsealed, 'batch')} on their way",
        )


def _sealers(conn: Connection, settings: Settings) -> Finding:
    """Whether somebody seals."""
    from limits.settings import seal_paths
    from limits.store import workers

    alive = [row.worker for row in workers.list_workers(conn, "sealer", max_age=workers.ALIVE_SECONDS)]
    if alive:
        return Finding("sealers", "ok", ", ".join(alive))
    key = seal_paths(settings).key
    if settings.embedded:
        return Finding("sealers", "ok", "none is alive; each command seals what it applied")
    if not key.exists():
        says = f"no sealer is alive, and no key is here ({key})"
        return Finding("sealers", "warn", says, "limits log key new NAME, then limits log seal; or seal elsewhere")
    return Finding("sealers", "warn", "no sealer is alive", "limits log seal, or limits up for all")


def _file(conn: Connection, settings: Settings) -> Iterator[Finding]:
    """Whether the file of checkpoints is that of the database; left out on a machine that does not have it."""
    from limits.settings import seal_paths
    from limits.store import sealing
    from limits.store.checkpoint_file import difference, disagreement

    paths = seal_paths(settings)
    if settings.checkpoint_file is None and not paths.checkpoints.exists() and not paths.key.exists():
        return
    why: str | None = ""
    for look in range(LOOKS):
        if look:
            time.sleep(PAUSE_SECONDS)
        state = sealing.state(conn)
        whole = state.file_bytes <= WHOLE_FILE_BYTES
        why = disagreement(paths.checkpoints, state.file_bytes, state.note)
        if why is None and whole:
            with conn.transaction():
                why = difference(paths.checkpoints, state.file_bytes, sealing.notes(conn))
        if why is None:
            compared = (
                "all of it compared"
                if whole
                else "by its length and its last checkpoint; limits log verify looks at all of them"
            )
            yield Finding("checkpoints", "ok", f"{paths.checkpoints} has what the database has: {compared}")
            return
    mend = "find out which of them is right before anything is put back; limits log seal says more"
    yield Finding("checkpoints", "fail", why or "", mend)
