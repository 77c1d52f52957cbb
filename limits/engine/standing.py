"""How a review stands now, in words and for a program: its phase, what it waits for, and how long it takes yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from limits.engine.story import budget_dict, event_dict
from limits.store import status
from limits.store.gates import Event
from limits.store.status import Look, Pace, WorkerStatus
from limits.terminal import span
from limits.wording import several

# In words ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wait:
    """One thing that keeps a review from going on: what it is, and the commands by which somebody mends it."""

    what: Literal["held", "error", "failed", "review", "switch", "workers", "trouble"]
    label: str
    words: str
    to_do: str = ""
    commands: tuple[str, ...] = ()

    def lines(self) -> Iterator[tuple[str, str]]:
        """For a terminal, each line with its label."""
        if self.words:
            yield self.label, self.words
        if self.to_do:
            for number, command in enumerate(self.commands):
                yield ("", f"or: {command}") if number else ("to do", f"{self.to_do}: {command}")


def held_since(held: Event, review_id: int, asked_by: str) -> Wait:
    """Since when a review is held, and what to do."""
    return Wait(
        "held", "since", f"{held.at:%Y-%m-%d %H:%M:%S} UTC, by the {held.actor}",
        f"somebody else than {asked_by} decides",
        (f"limits review release {review_id} --reason '...'", f"limits review cancel {review_id} --reason '...'"),
    )  # fmt: skip


def waits(look: Look) -> Iterator[Wait]:
    """What keeps the review from going on, since when, and what to do."""
    row, switch = look.row, look.switch
    if row.error:
        yield Wait("error", "held" if row.state == "held" else "error", row.error)
    if row.state == "held" and look.last_held is not None:
        yield held_since(look.last_held, row.review_id, row.actor)
    if row.state == "failed":
        yield Wait("failed", "", "", "mend the cause, then", (f"limits review resume {row.review_id}",))
    if row.waits_for is not None:
        words = f"review {row.waits_for} of the same schedule, {row.waits_for_state}: dates go in order"
        yield Wait("review", "waits for", words)
    if switch.engaged and row.state in ("owed", "running", "held"):
        nothing = "nothing is applied" if row.stage == "apply" else "it will be decided and not applied"
        since = f"{switch.changed_at:%Y-%m-%d %H:%M:%S} UTC"
        yield Wait(
            "switch", "switch",
            f"the kill switch is engaged, {nothing}; by {switch.actor} since {since}: {switch.reason}",
            f"somebody else than {switch.actor}, once it is mended", ("limits kill-switch off --reason '...'",),
        )  # fmt: skip
    if not any(worker.alive for worker in look.workers) and row.state in ("owed", "running"):
        yield Wait("workers", "", "", "no worker is alive; start one", ("limits worker",))
    if row.shard_error and row.state == "running":
        yield Wait("trouble", "trouble", row.shard_error)


def phase_words(look: Look) -> str:
    """State and stage in words: 'running, applying, 1 of 101 shards released (canary)'."""
    row, phase = look.row, look.phase
    if phase in ("over", "owed"):
        return row.state
    if row.stage == "decide":
        return f"{row.state}, " + ("deciding" if phase == "decide" else "decided, at the gate")
    where = f"{row.released_shards:,} of {several(row.shards, 'shard')} released"
    canary = " (canary)" if row.released_shards < row.shards else ""
    return f"{row.state}, {'applying' if phase == 'apply' else 'at the gate'}, {where}{canary}"


def left_words(look: Look) -> str:
    """How long the present stage takes yet, at its rate; why that is not known where it is not."""
    seconds = look.seconds_left
    if seconds is not None:
        return f"{span(seconds)} of {'deciding' if look.phase == 'decide' else 'applying'}"
    if look.stopped:
        return "unknown, because the kill switch is engaged"
    if look.phase == "gate":
        return "unknown at the gate"
    pace = look.deciding if look.phase == "decide" else look.applying
    return "unknown: there is no rate yet" if pace.mean is None else "unknown: nothing moves"


# For a program ---------------------------------------------------------------------------------


def look_dict(look: Look) -> dict[str, Any]:
    """A look for a program: plain values, amounts in minor units, rates in users a second, None where unknown."""
    row = look.row
    held = look.last_held if row.state == "held" else None
    return {
        "review_id": row.review_id, "kind": row.kind, "schedule": row.schedule,
        "as_of": row.business_date.isoformat(), "state": row.state, "phase": look.phase, "stage": row.stage,
        "seen_at": row.seen_at.isoformat(), "error": row.error, "shard_error": row.shard_error,
        "waits_for": row.waits_for, "held": None if held is None else event_dict(held),
        "kill_switch": {"engaged": look.switch.engaged, "actor": look.switch.actor or None,
                        "reason": look.switch.reason},
        "users": row.users_total,
        "decided_counts": {
            "raised": row.decided_raised, "lowered": row.decided_lowered, "waiting": row.decided_waiting,
        },
        "decided": _pace_dict(look.deciding), "applied": _pace_dict(look.applying),
        "raised": row.raised, "unchanged": row.held, "lowered": row.lowered,
        "quarantined": row.quarantined, "skipped": row.skipped,
        "stale": {"waiting": row.again, "decided_meanwhile": row.meanwhile},
        "seconds_left": look.seconds_left,
        "shards": {
            "all": row.shards, "released": row.released_shards,
            "decide": {"pending": row.decide_pending, "leased": row.decide_leased, "done": row.decide_done},
            "apply": {"pending": row.apply_pending, "leased": row.apply_leased, "done": row.apply_done},
        },
        "leases": {"ran_out": row.run_out, "extra": row.extra_leases},
        "exposure": {
            "decided_before_minor": row.decided_before_minor, "decided_after_minor": row.decided_after_minor,
            "decided_wished_minor": row.decided_wished_minor,
            "applied_before_minor": row.applied_before_minor, "applied_after_minor": row.applied_after_minor,
        },
        "budget": budget_dict(look.budget),
        "workers": [_worker_dict(worker) for worker in look.workers],
    }  # fmt: skip


def _pace_dict(pace: Pace) -> dict[str, Any]:
    return {"users": pace.users, "users_per_second": pace.now, "users_per_second_mean": pace.mean}


def _worker_dict(worker: WorkerStatus) -> dict[str, Any]:
    holds = None
    if worker.shard is not None and worker.leased_until is not None:
        holds = {
            "shard": worker.shard, "stage": worker.stage, "users": worker.shard_users,
            "applied": worker.shard_applied or 0,
            "leased_at": worker.leased_at.isoformat() if worker.leased_at else None,
            "leased_until": worker.leased_until.isoformat(), "ran_out": worker.lease_ran_out,
        }  # fmt: skip
    return {
        "worker": worker.worker, "alive": worker.alive,
        "heartbeat_at": worker.heartbeat_at.isoformat() if worker.heartbeat_at else None,
        "heartbeat_age_seconds": worker.heartbeat_age_seconds, "holds": holds,
        "decided": worker.decided, "decided_per_second": worker.decided_lately / status.LATELY_SECONDS,
        "applied": worker.applied, "applied_per_second": worker.applied_lately / status.LATELY_SECONDS,
        "shards_done": worker.shards_done, "leases_ran_out": worker.run_out,
    }  # fmt: skip
