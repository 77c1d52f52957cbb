"""Health, readiness and metrics: what machines are told, and that it names nobody."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from limits import engine
from limits.console.health import api, tracing
from limits.settings import Settings
from limits.store import gates, metrics, reviews
from limits.store.db import Connection, Database, Role
from tests import builders
from tests.web import Site

USER = 987_654_321_987


@pytest.fixture(autouse=True)
def _no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question is asked anew."""
    monkeypatch.setattr(api, "FRESH_SECONDS", -1.0)


@pytest.fixture
def site(database: Database, settings: Settings) -> Site:
    return Site(database, settings)


@pytest.fixture
def here(site: Site) -> TestClient:
    return client(site, "127.0.0.1")


def client(site: Site, address: str, base: str = "http://localhost") -> TestClient:
    return TestClient(site.app, base_url=base, client=(address, 1), raise_server_exceptions=False)


def values(client: TestClient) -> dict[tuple[str, str], float]:
    """Every value by name and its label."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def states(client: TestClient) -> dict[str, str]:
    return {check["name"]: check["state"] for check in client.get("/healthz").json()["checks"]}


def test_a_new_database_is_ready_and_well(here: TestClient) -> None:
    assert here.get("/readyz").json()["ready"] is True
    answer = here.get("/healthz")
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    assert states(here) == {"database": "ok", "reviews": "ok", "clock": "off", "sealing": "off", "messages": "off"}


def test_metrics_count_and_name_nobody(
    site: Site, here: TestClient, database: Database, settings: Settings, conn: Connection
) -> None:
    builders.add_steady_user(conn, USER, credit_limit=500_000)
    review = engine.request_review(database, settings, as_of=builders.AS_OF, actor="Ann Personal", schedule="secret")
    engine.work(database, settings, review.review_id, worker="test")
    gates.set_switch(conn, True, actor="Ann Personal", reason=f"about {USER}")
    conn.execute(
        """INSERT INTO limits.workers (worker, kind, host, pid, heartbeat_at, doing)
           VALUES ('worker:a:1', 'worker', 'a', 1, now(), %s), ('worker:b:2', 'worker', 'b', 2, '2026-01-01', '')""",
        (str(USER),),
    )
    person = site.person("risk", actor="Ann Personal")
    person.get(f"/reviews?schedule={USER}")
    person.get(f"/nowhere/{USER}")
    found = values(here)
    assert found["limits_reviews", "done"] == 1
    assert found["limits_reviewed_users", "raised"] == 1
    assert found["limits_last_review_users", ""] == 1
    assert found["limits_waiting", "messages"] == 1
    assert 0 < found["limits_waiting_oldest_seconds", "messages"] < 60
    assert found["limits_waiting_oldest_seconds", "policies_to_approve"] == 0
    assert found["limits_waiting", "batches_to_seal"] == 1
    assert found["limits_kill_switch_engaged", ""] == 1
    assert found["limits_processes_alive", "worker"] == 1 and found["limits_processes_alive", "sealer"] == 0
    assert found["limits_heartbeat_age_seconds", "worker"] < 60
    text = here.get("/metrics").text
    assert 'limits_console_request_seconds_count{method="GET",route="/reviews",status="200"} 1.0' in text
    assert 'limits_console_request_seconds_count{method="GET",route="none",status="404"} 1.0' in text
    for secret in (str(USER), "Ann", "secret"):
        assert secret not in text and secret not in here.get("/healthz").text


def test_what_runs_is_counted_by_shards_and_users(
    here: TestClient, database: Database, settings: Settings, conn: Connection
) -> None:
    for user_id in range(1, 7):
        builders.add_steady_user(conn, user_id)
    review = engine.request_review(
        database, settings.model_copy(update={"shard_users": 2}), as_of=builders.AS_OF, actor="x"
    )
    builders.refresh(conn)
    assert reviews.plan(conn, review.review_id, shard_users=2) == "planned"
    reviews.lease(conn, review.review_id, worker="test", seconds=30)
    found = values(here)
    assert found["limits_reviews", "running"] == 1
    shards = found["limits_review_shards", "all"]
    assert shards > 1 and found["limits_review_shards", "leased"] == 1
    assert found["limits_review_shards", "waiting"] == shards - 1
    assert found["limits_review_users", "all"] == 6 and found["limits_review_users", "applied"] == 0


def test_metrics_are_for_this_machine_unless_opened(site: Site, database: Database, settings: Settings) -> None:
    assert client(site, "127.0.0.1").get("/metrics").status_code == 200
    assert client(site, "::1").get("/metrics").status_code == 200
    refused = client(site, "10.0.0.7").get("/metrics")
    assert refused.status_code == 403 and "LIMITS_METRICS_OPEN" in refused.json()["detail"]
    assert client(site, "127.0.0.1").get("/metrics", headers={"x-forwarded-for": "10.0.0.7"}).status_code == 403
    assert client(site, "127.0.0.1", "http://attacker.example").get("/metrics").status_code == 421
    opened = Site(database, settings.model_copy(update={"metrics_open": True}))
    assert client(opened, "10.0.0.7", "http://10.0.0.1:8321").get("/metrics").status_code == 200


def test_probes_come_under_any_name_and_as_often_as_they_like(site: Site) -> None:
    probe = client(site, "10.0.0.7", "http://10.1.2.3:8321")
    site.app.state.buckets = None  # whoever asks it for a token fails
    assert [probe.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]


def test_without_the_right_it_says_so(
    site: Site, here: TestClient, database: Database, login: Callable[[str, Role], Connection]
) -> None:
    login("limits_test_monitorless", "console")
    other = Database(database.url.replace("//limits@", "//limits_test_monitorless@"))
    site.context._databases["monitor"] = other
    for path in ("/healthz", "/metrics"):
        answer = here.get(path)
        assert answer.status_code == 503
        assert "limits_monitor" in answer.text and "limits_test_monitorless" not in answer.text
    assert here.get("/readyz").status_code == 200


def test_without_the_database_it_says_so_and_not_where_that_is(site: Site, here: TestClient) -> None:
    gone = Database("postgresql://somebody:secret@127.0.0.1:1/nowhere")
    site.context._databases |= {"monitor": gone, "console": gone}
    for path in ("/healthz", "/readyz", "/metrics"):
        answer = here.get(path)
        assert answer.status_code == 503, path
        assert "the server's log says why" in answer.text and "127.0.0.1" not in answer.text


def test_a_schema_that_is_behind_is_not_ready(here: TestClient, conn: Connection) -> None:
    (newest,) = conn.execute("SELECT max(migration) FROM limits_migration.files").fetchone() or ("",)
    conn.execute("DELETE FROM limits_migration.files WHERE migration = %s", (newest,))
    answer = here.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["says"] == f"the schema is 1 migration behind, from {newest} on; run: limits migrate"


def test_what_was_found_is_good_for_a_second(here: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    everything = metrics.everything
    monkeypatch.setattr(metrics, "everything", lambda database: asked.append(1) or everything(database))
    monkeypatch.setattr(api, "FRESH_SECONDS", 60.0)
    for _ in range(3):
        assert here.get("/healthz").status_code == here.get("/metrics").status_code == 200
    assert len(asked) == 1


# Progress ----------------------------------------------------------------------------------------


def test_a_review_that_does_not_move_is_told_with_the_moment(
    here: TestClient, database: Database, settings: Settings, conn: Connection, clock: Callable[[float], None]
) -> None:
    for user_id in range(1, 4):
        builders.add_steady_user(conn, user_id)
    review = engine.request_review(database, settings, as_of=builders.AS_OF, actor="x")
    began = here.get("/healthz")
    assert began.status_code == 200 and "1 review under way" in began.text
    clock(9)
    assert here.get("/healthz").status_code == 200
    clock(11)
    answer = here.get("/healthz")
    (check,) = (check for check in answer.json()["checks"] if check["state"] != "ok" and check["name"] == "reviews")
    assert answer.status_code == 503 and check["state"] == "stalled"
    assert "nothing has moved for 20 min" in check["says"]
    assert abs(dt.datetime.fromisoformat(check["since"]) - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    engine.work(database, settings, review.review_id, worker="test")
    assert states(here)["reviews"] == "ok"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets minutes pass for whoever asks how it is."""
    passed = [dt.timedelta()]

    class Later(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            return dt.datetime.now(tz) + passed[0]

    class Module:
        datetime, UTC, timedelta = Later, dt.UTC, dt.timedelta

    monkeypatch.setattr(api, "dt", Module)

    def later(minutes: float) -> None:
        passed[0] += dt.timedelta(minutes=minutes)

    return later


def test_held_reviews_and_what_waits_for_them_wait_for_people(
    here: TestClient, database: Database, settings: Settings, conn: Connection, clock: Callable[[float], None]
) -> None:
    for user_id in range(1, 7):
        builders.add_steady_user(conn, user_id, credit_limit=300_000)
    first = engine.request_review(database, settings, as_of=builders.AS_OF, actor="x", policy="standard")
    engine.work(database, settings, first.review_id, worker="test")
    engine.request_review(database, settings, as_of=builders.AS_OF + dt.timedelta(days=1), actor="x")
    assert values(here)["limits_reviews", "held"] == 1
    here.get("/healthz")
    clock(60)
    assert states(here)["reviews"] == "ok"
    engine.request_review(database, settings, as_of=builders.AS_OF, actor="x", schedule="another")
    here.get("/healthz")
    clock(60)
    assert states(here)["reviews"] == "stalled"
    gates.set_switch(conn, True, actor="x", reason="x")
    assert states(here)["reviews"] == "off"


def test_schedules_without_a_scheduler_stand_still(here: TestClient, conn: Connection) -> None:
    conn.execute("INSERT INTO limits.schedules (schedule, pack) VALUES ('nightly', 'standard')")
    assert states(here)["clock"] == "stalled"
    conn.execute(
        """INSERT INTO limits.workers (worker, kind, host, pid, heartbeat_at)
           VALUES ('scheduler:a:1', 'scheduler', 'a', 1, now())"""
    )
    assert states(here)["clock"] == "ok"
    conn.execute("UPDATE limits.workers SET heartbeat_at = now() - interval '1 hour'")
    answer = here.get("/healthz").json()
    (check,) = (check for check in answer["checks"] if check["name"] == "clock")
    hour = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(check["since"])
    assert check["state"] == "stalled" and abs(hour - dt.timedelta(hours=1)) < dt.timedelta(minutes=1)


def test_messages_and_seals_that_wait_too_long_are_told(
    database: Database, settings: Settings, conn: Connection, clock: Callable[[float], None]
) -> None:
    here = client(Site(database, settings.model_copy(update={"outbox": "file:/somewhere"})), "127.0.0.1")
    builders.add_steady_user(conn, USER, credit_limit=500_000)
    review = engine.request_review(database, settings, as_of=builders.AS_OF, actor="x")
    engine.work(database, settings, review.review_id, worker="test")
    conn.execute("INSERT INTO limits.workers (worker, kind, host, pid) VALUES ('sealer:a:1', 'sealer', 'a', 1)")
    assert (states(here)["messages"], states(here)["sealing"]) == ("ok", "ok")
    _age(conn, "outbox", "created_at")
    _age(conn, "batches", "applied_at")
    assert (states(here)["messages"], states(here)["sealing"]) == ("ok", "stalled")
    clock(11)
    assert states(here)["messages"] == "stalled"
    _age(conn, "outbox", "created_at")  # another one is the oldest: something was taken
    assert states(here)["messages"] == "ok"


def _age(conn: Connection, table: str, column: str) -> None:
    with conn.transaction():
        conn.execute("SET LOCAL session_replication_role = replica")
        conn.execute(f"ALTER TABLE limits.{table} DISABLE TRIGGER USER".encode())
        conn.execute(f"UPDATE limits.{table} SET {column} = {column} - interval '1 hour'".encode())


# The log -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("logs_as_before")
def test_a_line_of_the_log_has_numbers_and_no_address(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    from fastapi import APIRouter

    from tasks.logs import set_up

    router = APIRouter()

    @router.get("/v1/tried/{user_id}/of/{review_id}")
    def tried(q: str) -> dict[str, str]:
        return {}

    site.app.include_router(router)
    set_up("info")
    with site.nobody() as nobody:
        nobody.get("/v1/tried/37/of/Ann Personal?q=Ann+Personal", headers={"x-name": "Ann Personal"})
    (line,) = (line for line in map(json.loads, capfd.readouterr().err.splitlines()) if line.get("event") == "request")
    assert (line["route"], line["user_id"], line["status"]) == ("/v1/tried/{user_id}/of/{review_id}", 37, 200)
    assert "review_id" not in line and "Ann" not in json.dumps(line)
    assert len(line["request"]) == 32 and line["seconds"] >= 0


# Spans -------------------------------------------------------------------------------------------


def test_spans_have_route_and_numbers_and_no_address(
    site: Site, here: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(tracing, "_tracer", lambda: provider.get_tracer("test"))
    trace = "0af7651916cd43dd8448eb211c80319c"
    here.get("/healthz?q=Ann", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    here.get("/Ann Personal", headers={"traceparent": "Ann Personal"})
    first, second = kept.get_finished_spans()
    assert first.name == "GET /healthz" and first.attributes is not None
    assert first.attributes["http.response.status_code"] == 422  # it takes no q
    assert first.context is not None and f"{first.context.trace_id:032x}" == trace
    assert second.name == "GET none"
    assert "Ann" not in first.to_json() + second.to_json()


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:1"])
def test_nothing_of_it_is_imported_without_a_collector(endpoint: str) -> None:
    program = (
        "import sys; from limits.console.health import tracing; made = tracing._tracer();"
        "print(made is not None, 'opentelemetry.sdk' in sys.modules)"
    )
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    told = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.split() == [str(bool(endpoint))] * 2
