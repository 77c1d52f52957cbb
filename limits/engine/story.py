"""What happened to a review, in order: who asked for it, what the gate found, who let it go on or stopped it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from limits.money import money
from limits.policy import ALL_BPS
from limits.reasons import Reason
from limits.store import gates, pending, reconciling, reviews, status
from limits.store.log import ACTIONS, reason_code
from limits.terminal import span
from limits.wording import several

if TYPE_CHECKING:
    from limits.engine.trying import Foreseen
    from limits.store.db import Connection
    from limits.store.gates import BudgetRow, Event
    from limits.store.reconciling import Reconciliation
    from limits.store.reviews import Progress, ReviewRow
    from limits.store.status import Unapplied

#: What a review's amounts are written in: exponent and currency of its policy.
Unit = tuple[int, str]

_WORDS = {
    "passed": "passed the gate",
    "canary": "canary compared, goes on",
    "held": "held",
    "released": "released",
    "cancelled": "cancelled",
    "resumed": "resumed",
}


def event_dict(event: Event) -> dict[str, Any]:
    """What happened to a review, for a machine."""
    return {
        "what": event.what,
        "at": event.at.isoformat(),
        "actor": event.actor,
        "session_role": event.session_role,
        "reason": event.reason,
        "figures": event.figures,
    }


def review_dict(
    conn: Connection, row: ReviewRow, bound: Sequence[tuple[int, int, int]] | None = None
) -> dict[str, Any]:
    """A review for a machine: plain values, amounts in minor units.

    ``bound``: (action, binding ceiling, users), where somebody has counted them already.
    """
    seen = reviews.progress(conn, row.review_id)
    events = gates.events(conn, row.review_id)
    worked, held, rate = times(seen, events)
    waiting = pending.opened_by(conn, row.review_id)
    if bound is None:
        bound = [(r["action"], r["binding"], r["users"]) for r in reviews.binding_reasons(conn, row)]
    reasons = [
        {"action": ACTIONS[action], "binding": reason_code(Reason(binding)), "users": users}
        for action, binding, users in bound
    ]
    return {
        "review_id": row.review_id,
        "kind": row.kind,
        "schedule": row.schedule,
        "as_of": row.business_date.isoformat(),
        "state": row.state,
        "error": row.error,
        "stage": row.stage,
        "released_shards": row.released_shards,
        "gate": [event_dict(event) for event in events],
        "decided_not_applied": unapplied_dict(status.unapplied(conn, row.review_id)),
        "budget": budget_dict(gates.budget(conn, row.review_id)),
        "actor": row.actor,
        "reason": row.reason,
        "policy_hash": row.policy_hash.hex(),
        "risk_model": row.risk_model and row.risk_model.hex(),
        "users": row.users_total,
        "raised": seen.raised,
        "held": seen.held,
        "lowered": seen.lowered,
        "quarantined": seen.quarantined,
        "skipped": seen.skipped,
        "offered": waiting["offer"],
        "announced": waiting["announced"],
        "exposure_before_minor": row.exposure_before_minor,
        "exposure_after_minor": row.exposure_after_minor,
        "reconciled": reconciled_dict(reconciling.outcome(conn, row.review_id)),
        "reasons": reasons,
        "created_at": row.created_at.isoformat(),
        "started_at": row.started_at.isoformat() if row.started_at else None,
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
        "seconds": round(seen.seconds, 3),
        "seconds_worked": round(worked, 3),
        "seconds_held": round(held, 3),
        "users_per_second": round(rate, 1),
    }


def story_lines(row: ReviewRow, events: Sequence[Event], unit: Unit) -> list[str]:
    """What happened to a review, oldest first: when, what, by whom, why, and what the gate had counted."""
    steps: list[tuple[dt.datetime, str, str]] = [(row.created_at, f"asked for by {row.actor}", "")]
    if row.started_at is not None:
        steps.append((row.started_at, "begun", ""))
    steps += [(event.at, _who_and_why(event), figures_in_words(event.figures, unit)) for event in events]
    if row.finished_at is not None and row.state != "cancelled":  # a cancellation stands among the events
        steps.append((row.finished_at, row.state, ""))
    lines = []
    for at, what, figures in sorted(steps, key=lambda step: step[0]):  # one that failed may have begun late
        lines.append(f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC  {what}")
        if figures:
            lines.append(" " * 25 + figures)
    return lines


def _who_and_why(event: Event) -> str:
    # The gate is no person: which worker's login took its step says nothing.
    login = "" if event.actor == "gate" else f" (login {event.session_role})"
    return f"{_WORDS[event.what]} by {event.actor}{login}" + (f": {event.reason}" if event.reason else "")


def figures_in_words(figures: dict[str, Any], unit: Unit) -> str:
    """What the gate had counted: of the whole review, or of its canary; empty where it counted nothing."""
    if "exposure_before" in figures:
        return _counts(figures, unit)
    if "decided_change" in figures:
        return _canary(figures, unit)
    return ""


def _counts(figures: dict[str, Any], unit: Unit) -> str:
    before, after = (money(figures[key], *unit) for key in ("exposure_before", "exposure_after"))
    text = (
        f"{several(figures['users'], 'user')}: {figures['raised']:,} raised, {figures['lowered']:,} lowered, "
        f"{figures['quarantined']:,} quarantined, {figures['fallback']:,} without a forecast; "
        f"exposure {before} before, {after} after; largest raise {figures['greatest_raise_bps'] * 100 / ALL_BPS:,.2f}%"
    )
    return text + (
        f"; {several(figures['users_previous'], 'user')} in the review before" if figures["users_previous"] else ""
    )


def _canary(figures: dict[str, Any], unit: Unit) -> str:
    decided, applied = (money(figures[key], *unit) for key in ("decided_change", "change"))
    return (
        f"{several(figures['shards'], 'shard')}: {several(figures['decided_users'], 'user')} decided, "
        f"{figures['users']:,} applied, "
        f"{figures['renewed']:,} decided again, {figures['aside']:,} put aside; limits changed by {applied}, "
        f"decided {decided}; {several(figures['leases'], 'lease')} more than needed"
    )


def times(seen: Progress, events: Sequence[Event]) -> tuple[float, float, float]:
    """Seconds that a review took without those for which it was held, these, and the users a second of the first."""
    until = seen.finished_at or seen.seen_at
    held = min(status.held_for(events, until).total_seconds(), seen.seconds)
    worked = seen.seconds - held
    return worked, held, seen.users_done / worked if worked > 0 else 0.0


def time_line(seen: Progress, events: Sequence[Event]) -> str:
    """How long a review took, at which rate, and for how long it was held besides."""
    worked, held, rate = times(seen, events)
    text = f"{worked:,.1f} s, {rate:,.0f} users a second"
    return f"{text}; held for {span(held)} besides" if held else text


def before_budget(budget: BudgetRow | None) -> str:
    """Said behind what was decided, where the budget left less of it."""
    return "; before the budget, which leaves less of the raises" if budget is not None and budget.users_cut else ""


def unapplied_lines(found: Unapplied, unit: Unit, budget: BudgetRow | None = None) -> list[str]:
    """What a review decided and did not apply, which is what a release lets through; nothing where that is nobody."""
    if not found.users:
        return []
    before, after, wished = (money(n, *unit) for n in (found.before_minor, found.after_minor, found.wished_minor))
    counts = (
        f"{several(found.users, 'user')} in {several(found.shards, 'shard')}, not applied: "
        f"{found.raised:,} raised, {found.held:,} held, {found.lowered:,} lowered"
    )
    sums = f"their limits: {before} before, {after} after"
    if found.waiting:
        counts += f"; {found.waiting:,} of these changes are offered or announced"
        sums += f", {wished} with what is offered or announced"
    return [counts, sums + before_budget(budget)]


def unapplied_dict(found: Unapplied) -> dict[str, int]:
    """The same for a machine."""
    return {
        "shards": found.shards,
        "users": found.users,
        "raised": found.raised,
        "held": found.held,
        "lowered": found.lowered,
        "waiting": found.waiting,
        "quarantined": found.quarantined,
        "skipped": found.skipped,
        "exposure_before_minor": found.before_minor,
        "exposure_after_minor": found.after_minor,
        "exposure_wished_minor": found.wished_minor,
    }


def budget_line(budget: BudgetRow, unit: Unit) -> str:
    """What the portfolio's budget left of a review's raises."""
    wished, granted = (money(n, *unit) for n in (budget.wished_minor, budget.granted_minor))
    bounds = ", ".join(
        f"{name} {money(bound, *unit)}"
        for name, bound in (("exposure", budget.exposure_minor), ("expected loss", budget.loss_minor))
        if bound is not None
    )
    text = (
        f"raises of {wished} wished, {granted} granted; {budget.users_cut:,} of {budget.users:,} users get less or "
        f"nothing; bound: {bounds}"
    )
    if not budget.users_cut:
        return text
    if math.isinf(budget.price):
        return f"{text}; nobody gets all"
    return f"{text}; price {budget.price:.4g} in value per cost"


def budget_dict(budget: BudgetRow | None) -> dict[str, Any] | None:
    """The same for a machine: minor units; ``price`` is None where nobody got all."""
    if budget is None:
        return None
    return {
        "exposure_minor": budget.exposure_minor,
        "expected_loss_minor": budget.loss_minor,
        "wished_minor": budget.wished_minor,
        "granted_minor": budget.granted_minor,
        "users": budget.users,
        "users_cut": budget.users_cut,
        "price": None if math.isinf(budget.price) else budget.price,
        "mix": budget.mix,
    }


def foreseen_lines(found: Foreseen | None, unit: Unit) -> list[tuple[str, str]]:
    """What the gate would make of a dry run, each line with its label."""
    if found is None:
        return []
    lines = [] if found.budget is None else [("budget", budget_line(found.budget, unit))]
    if found.budget is not None and found.budget.users_cut:
        lines.append(
            ("", "the counts, exposure and changes shown are those before it; the gate looks at what it leaves")
        )
    lines.append(("gate", f"would hold it: {found.reason}" if found.reason else "would let it through"))
    return [*lines, ("", _counts(dataclasses.asdict(found.counts), unit))]


def foreseen_dict(found: Foreseen | None) -> dict[str, Any]:
    """The same for a machine."""
    if found is None:
        return {}
    held = {"held": bool(found.trips), "breakers": list(found.trips), "reason": found.reason}
    return {"budget": budget_dict(found.budget), "foreseen": {**held, "figures": dataclasses.asdict(found.counts)}}


def reconciled_lines(found: Reconciliation | None) -> list[str]:
    """Whether a review that is over adds up; nothing for one of which that is not asked."""
    if found is None:
        return []
    if found.at is None:
        return ["not yet; no review passes the gate before that"]
    at = f"{found.at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    if found.ok:
        known = f" but for {found.known:,} known before" if found.known else ""
        return [f"all adds up{known}, {at}"]
    things = "1 thing does not" if found.mismatches == 1 else f"{found.mismatches:,} things do not"
    named = found.detail.split("\n")
    more = [f"and {found.mismatches - len(named):,} more"] if found.mismatches > len(named) else []
    return [f"{things} add up, {at}; the kill switch was engaged; amounts in minor units:", *named, *more]


def reconciled_dict(found: Reconciliation | None) -> dict[str, Any] | None:
    """The same for a machine; None where it is not asked."""
    if found is None:
        return None
    return {
        "ok": found.ok,
        "at": found.at.isoformat() if found.at else None,
        "mismatches": found.mismatches,
        "known": found.known,
        "first": found.detail.split("\n") if found.detail else [],
    }
