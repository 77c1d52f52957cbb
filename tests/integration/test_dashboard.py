"""The dashboard and the alerts ask for metrics that there are, with labels that they have."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from limits import engine
from limits.console.health.exporting import Requests
from limits.settings import Settings
from limits.store import metrics
from limits.store.db import Connection, Database
from limits.store.metrics import CheckpointState
from tests import builders

DOCS = Path(__file__).resolve().parents[2] / "docs"
DASHBOARD = json.loads((DOCS / "grafana.json").read_text("utf-8"))
ALERTS = yaml.safe_load((DOCS / "alerts.yaml").read_text("utf-8"))
#: Of Prometheus itself, and what it adds to everything that it scrapes.
ADDED = {"job", "instance"}
SELECTOR = re.compile(r"\b((?:limits|process)_[a-z_]+)(?:\{([^}]*)\})?")
MATCH = re.compile(r'([a-z_]+)(=~|=)"([^"]*)"')

Exported = dict[str, list[dict[str, str]]]


@pytest.fixture
def exported(database: Database, settings: Settings, conn: Connection) -> Exported:
    """All samples that there can be: name and labels."""
    builders.add_steady_user(conn, 1, credit_limit=500_000)
    review = engine.request_review(database, settings, as_of=builders.AS_OF, actor="x")
    engine.work(database, settings, review.review_id, worker="test", seconds=600)
    for kind in ("worker", "scheduler", "sealer"):
        conn.execute(
            "INSERT INTO limits.workers (worker, kind, host, pid) VALUES (%s, %s, 'a', 1)", (f"{kind}:a:1", kind)
        )
    found = dataclasses.replace(
        metrics.everything(database), checkpoint=CheckpointState(1, 2, 3, dt.datetime.now(dt.UTC), 4.0)
    )
    requests = Requests()
    requests.count("GET", "/reviews", 200, 0.1)
    samples: Exported = {}
    for family in text_string_to_metric_families(requests.text(found).decode()):
        assert family.documentation, family.name
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(sample.labels)
    return samples


def expressions() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel.get("targets", []))
    for rule in rules():
        yield rule["alert"], rule["expr"]


def rules() -> list[dict[str, Any]]:
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


def test_every_expression_finds_something(exported: Exported) -> None:
    asked = set()
    for title, expression in expressions():
        assert expression.count("(") == expression.count(")") and expression.count("{") == expression.count("}"), title
        found = SELECTOR.findall(expression)
        assert found or 'up{job="limits"}' in expression, title
        for name, labels in found:
            asked.add(name)
            assert name in exported, f"{title}: there is no {name}"
            wanted = [(label, kind, value) for label, kind, value in MATCH.findall(labels) if label not in ADDED]
            wanted = [one for one in wanted if one[0] != "status"]  # whatever was answered
            assert any(
                all(re.fullmatch(value, there.get(label, "")) for label, _, value in wanted) for there in exported[name]
            ), f"{title}: no {name} has {labels}"
        for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
            for label in grouped.replace(" ", "").split(","):
                assert label in ADDED or any(label in there for name, _ in found for there in exported[name]), title
    ours = {name.removesuffix("_created") for name in exported if name.startswith("limits_")}
    shown = asked | {"limits_build_info", "limits_kill_switch_changed_timestamp_seconds",
                     "limits_console_request_seconds", "limits_console_request_seconds_sum"}  # fmt: skip
    assert ours <= shown, f"neither dashboard nor alerts show {sorted(ours - shown)}"


def test_the_dashboard_can_be_imported() -> None:
    assert DASHBOARD["__inputs"][0]["name"] == "DS_PROMETHEUS"
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers)) > 20
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        fields = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not fields & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= fields


def test_every_alert_says_what_it_is_and_how_to_mend_it() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "mend"}
        assert re.fullmatch(r"[0-9]+m", rule.get("for", "0m"))
