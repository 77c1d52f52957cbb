"""Prometheus metrics: counts and states of the database when they are asked for, and the requests of this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from limits import __version__
from limits.store.metrics import Everything, ReviewState

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
STATES = ("owed", "running", "held", "done", "failed", "cancelled")
KINDS = ("worker", "scheduler", "sealer")
#: Seconds; a page has to be there within 0.15, an answer that waits for a connection within 10.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Requests:
    """What this process was asked, by route: not the address, so that no number of a user is in it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._seconds = Histogram(
            "limits_console_request_seconds", "Requests to the console and the API by route and status.",
            ("method", "route", "status"), buckets=BUCKETS, registry=self.registry,
        )  # fmt: skip

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request, answered."""
        self._seconds.labels(method if method in METHODS else "other", route, str(status)).observe(seconds)

    def text(self, found: Everything) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(_Once(found)) + generate_latest(self.registry)


class _Once:
    """What was found, as a registry that is written once."""

    def __init__(self, found: Everything) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        return families(self._found)


def families(found: Everything) -> Iterator[Metric]:
    """The metrics of what was found in the database."""
    yield _labelled("limits_build_info", "The version that runs.", "version", {__version__: 1})
    yield from _reviews(found.reviews)
    yield from _processes(found)
    yield _labelled(
        "limits_waiting", "What waits for somebody or something.", "what",
        {_name(what): one.waiting for what, one in found.waiting.items()},
    )  # fmt: skip
    yield _labelled(
        "limits_waiting_oldest_seconds", "How long the oldest of it has waited; 0 where nothing waits.", "what",
        {_name(what): one.seconds or 0.0 for what, one in found.waiting.items() if one.seconds or not one.waiting},
    )  # fmt: skip
    yield _one("limits_kill_switch_engaged", "1 while nothing is applied.", float(found.switch.engaged))
    yield _one(
        "limits_kill_switch_changed_timestamp_seconds", "When that changed.", found.switch.changed_at.timestamp()
    )
    if found.checkpoint is not None:
        newest = found.checkpoint
        yield _one(
            "limits_checkpoint_age_seconds", "Age of the newest signed checkpoint of the log.", newest.age_seconds
        )
        yield _one("limits_checkpoint_entries", "Entries of the log that it covers.", newest.entries)


def _reviews(reviews: list[ReviewState]) -> Iterator[Metric]:
    states = Counter(row.state for row in reviews)
    yield _labelled(
        "limits_reviews", "Reviews of schedules that are not over, or were within a week; held: by a breaker or a "
        "difference.", "state", {state: states[state] for state in STATES},
    )  # fmt: skip
    ages = {state: max((row.age_seconds for row in reviews if row.state == state), default=0.0) for state in STATES[:3]}
    yield _labelled("limits_review_oldest_seconds", "Age of the oldest review in a state; 0 for none.", "state", ages)
    running = [row for row in reviews if row.state == "running"]
    yield _labelled(
        "limits_review_shards", "Shards of the reviews that run. waiting: nobody works on them, which is the queue.",
        "step", {
            "all": sum(row.shards for row in running),
            "waiting": sum(row.shards - row.shards_done - row.shards_leased for row in running),
            "leased": sum(row.shards_leased for row in running),
            "decided": sum(row.shards_decided for row in running),
            "applied": sum(row.shards_done for row in running),
            "stuck": sum(row.shards_stuck for row in running),
            "complaining": sum(row.shards_complaining for row in running),
        },
    )  # fmt: skip
    yield _labelled(
        "limits_review_users", "Users of the reviews that run, decided and applied so far, to the shard.", "step",
        {
            "all": sum(row.users_total or 0 for row in running),
            "decided": sum(_share(row, row.shards_decided) for row in running),
            "applied": sum(_share(row, row.shards_done) for row in running),
        },
    )  # fmt: skip
    yield from _finished([row for row in reviews if row.state == "done" and row.finished_at and row.started_at])


def _finished(done: list[ReviewState]) -> Iterator[Metric]:
    yield _labelled(
        "limits_reviewed_users", "Users of the reviews that were done within a week.", "action",
        {action: sum(getattr(row, f"users_{action}") or 0 for row in done)
         for action in ("raised", "held", "lowered", "quarantined", "skipped")},
    )  # fmt: skip
    newest = max(done, key=lambda row: (row.finished_at, row.review_id), default=None)
    if newest is not None and newest.finished_at and newest.started_at:
        took = (newest.finished_at - newest.started_at).total_seconds()
        yield _one("limits_last_review_seconds", "How long the newest review that is done took.", took)
        yield _one("limits_last_review_users", "How many users it decided.", newest.users_total or 0)
        yield _one("limits_last_review_timestamp_seconds", "When it was done.", newest.finished_at.timestamp())


def _processes(found: Everything) -> Iterator[Metric]:
    kinds = found.processes
    yield _labelled(
        "limits_processes_alive", "Processes with a heartbeat within 15 seconds.", "kind",
        {kind: kinds[kind].alive if kind in kinds else 0 for kind in KINDS},
    )  # fmt: skip
    yield _labelled(
        "limits_heartbeat_age_seconds", "Age of the newest heartbeat of a kind; none where none was ever seen.", "kind",
        {kind: one.age_seconds for kind, one in kinds.items()},
    )  # fmt: skip
    on = found.schedules.running
    yield _labelled("limits_schedules", "Schedules.", "state", {"on": on, "paused": found.schedules.there - on})
    yield _one(
        "limits_passed_dates", "Business dates passed over within a week, no review made.", found.schedules.passed
    )


def _share(row: ReviewState, shards: int) -> int:
    return round((row.users_total or 0) * shards / row.shards) if row.shards else 0


def _name(what: str) -> str:
    return what.replace(" ", "_")


def _labelled(name: str, words: str, label: str, values: dict[str, float] | dict[str, int]) -> Metric:
    made = GaugeMetricFamily(name, words, labels=[label])
    for key, value in values.items():
        made.add_metric([key], value)
    return made


def _one(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)
