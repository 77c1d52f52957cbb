"""The log in the console: what its filters find, proofs, replays, points in time, and that no auditor's page writes."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import queue
import threading
from typing import Any
from urllib.parse import quote

import psycopg
import pyarrow.parquet as pq
import pytest

from limits import log_proof
from limits.console.auditing import exporting, slow, standing
from limits.reasons import Reason
from limits.settings import Settings, seal_paths
from limits.store import log_search
from limits.store.db import Connection, Database
from limits.store.log import LogFilter, page, reason_text
from tests import replays, sealing
from tests.replays import AS_OF, USERS
from tests.web import Person, Site, text_of


@pytest.fixture
def site(database: Database, settings: Settings, conn: Connection) -> Site:
    """A review that raises, holds and cuts at once, and a recompute of user 1 after it; all of it sealed."""
    replays.fill(conn)
    sealing.review(database, settings)
    replays.decide(database, settings, 1, settings.policy)
    paths = seal_paths(settings)
    sealing.step(database, sealing.Files(paths.key.parent).sealer())
    return Site(database, settings)


@pytest.fixture
def auditor(site: Site) -> Person:
    return site.person("auditor")


def users(person: Person, address: str) -> list[int]:
    answer = person.ask(f"/v1/adjustments?{address}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["searched_back_to"] is None and answer.json()["next"] is None
    return [one["user_id"] for one in answer.json()["items"]]


def test_filters_find_what_the_command_line_finds(auditor: Person, conn: Connection) -> None:
    everything = [entry.user_id for entry in page(conn, LogFilter(), limit=100)]
    assert users(auditor, "") == everything and len(everything) == USERS + 1
    by_hand: dict[str, list[int]] = {}
    for entry in page(conn, LogFilter(), limit=100):
        by_hand.setdefault(entry.outcome, []).append(entry.user_id)
    assert set(by_hand) == {"raised", "held", "lowered"}
    for outcome, found in by_hand.items():
        assert users(auditor, f"outcome={outcome}") == found
    assert users(auditor, "user=1") == [1, 1]
    assert users(auditor, "actor=Ann") == [1] and users(auditor, "review=2") == [1]
    assert users(auditor, "reason=many_lenders") == [5, 2]
    assert users(auditor, "reason=many_lenders&reason=probing") == []
    assert users(auditor, "currency=CNY") == everything and users(auditor, "currency=JPY") == []
    assert users(auditor, f"to={AS_OF}") == everything and users(auditor, "to=2020-01-01") == []
    assert users(auditor, "policy=wide") == everything
    assert users(auditor, "min_share=0.01") == users(auditor, "min_change=0.01&currency=CNY")
    changed = users(auditor, "min_change=0.01 CNY")
    assert sorted(changed) == sorted(by_hand["raised"] + by_hand["lowered"])
    assert users(auditor, "max_change=0 CNY") == by_hand["held"]
    cells = auditor.get("/log?reason=many_lenders&outcome=lowered").text
    assert (
        cells.count("<tr>") == 3
        and 'value="many_lenders" checked' in cells
        and reason_text(Reason.MANY_LENDERS) in cells
    )


def test_pages_follow_each_other(auditor: Person) -> None:
    seen, cursor = [], ""
    for _ in range(10):
        answer = auditor.ask(f"/v1/adjustments?limit=3{cursor}").json()
        seen += [one["entry_id"] for one in answer["items"]]
        if answer["next"] is None:
            break
        cursor = f"&cursor={answer['next']}"
    assert len(seen) == USERS + 1 and seen == sorted(seen, reverse=True)


def test_a_search_that_stops_for_its_time_says_so_and_goes_on(
    auditor: Person, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_search, "FIRST_WINDOW", 4)
    monkeypatch.setattr(log_search, "SECONDS", -1.0)
    monkeypatch.setattr(log_search.search, "__kwdefaults__", {"after": None, "seconds": -1.0})
    seen, cursor, pages = [], "", 0
    while cursor is not None:
        answer = auditor.ask("/v1/adjustments?reason=many_lenders" + cursor).json()
        seen += [one["user_id"] for one in answer["items"]]
        pages += 1
        assert (answer["searched_back_to"] is None) == (answer["next"] is None)
        cursor = f"&cursor={answer['next']}" if answer["next"] else None
    assert seen == [5, 2] and pages == 3  # 10 entries in windows of 4
    said = text_of(auditor.get("/log?outcome=announced"))
    assert "Nothing so far." in said and "Looked at all that was decided since" in said and "Look further back" in said


REFUSED = [
    ("user=0", 422, "user"),
    ("from=2026-02-30", 422, "from"),
    ("from=2026-03-01&to=2026-02-01", 422, "lies after"),
    ("outcome=lost", 422, "is no outcome"),
    ("reason=lost", 422, "is no reason code"),
    ("min_change=12", 422, "has no currency"),
    ("min_change=12 CZK&currency=CNY", 422, "nothing can match"),
    ("min_share=-1", 422, "is not a percentage"),
    ("currency=XXX", 422, "not a currency"),
    ("actor=a%00b", 422, "a character of code 0"),
    ("actor=a%07b", 422, "cannot be printed"),
    ("review_id=1", 422, "is no parameter of this address"),
    ("user=99", 404, "there is no user 99"),
    ("review=99", 404, "there is no review 99"),
    ("actor=Nobody", 404, "no entry of the log is by 'Nobody'"),
    ("policy=lost", 404, "no policy of the pack 'lost'"),
    ("cursor=lost", 422, "cursor"),
]


def test_what_cannot_be_meant_is_said_in_a_sentence(auditor: Person) -> None:
    for address, status, says in REFUSED:
        answer = auditor.ask(f"/v1/adjustments?{address}")
        assert answer.status_code == status and says in answer.json()["detail"], (address, answer.text)
        shown = auditor.get(f"/log?{address}")
        assert shown.status_code == status and says.split(" '")[0] in shown.text, (address, shown.text)


def test_one_entry_says_all_it_rests_on_and_is_proved(auditor: Person, conn: Connection) -> None:
    entry = next(one for one in page(conn, LogFilter(), limit=100) if one.outcome == "lowered")
    said = auditor.ask(f"/v1/adjustments/{entry.entry_id}").json()
    assert said["policy_hash"] == entry.policy_hash.hex() and said["input_digest"] == entry.input_digest.hex()
    assert said["record"].startswith("limits batch") or "batch" in said["record"]
    assert [one["kind"] for one in said["notices"]] == ["lowered"]
    assert {one["what"] for one in said["stood"]} >= {"proposed", "approved"}
    shown = text_of(auditor.get(f"/log/{entry.entry_id}"))
    assert f"/policies/{entry.policy_hash.hex()}" in auditor.get(f"/log/{entry.entry_id}").text
    assert "binds" in shown and "that it was lowered" in shown and "Policy approved" in shown
    proof = auditor.ask(f"/v1/adjustments/{entry.entry_id}/proof").json()
    assert proof["holds"] and len(proof["steps"]) == 6 and all(step["holds"] for step in proof["steps"])
    assert proof["signers"] and log_proof.check_inclusion(proof["proof"], None).entry.user_id[0] == entry.user_id
    assert "The entry stands in the log" in text_of(auditor.get(f"/log/{entry.entry_id}/proof"))
    replayed = auditor.ask(f"/v1/adjustments/{entry.entry_id}/replay").json()
    assert replayed["outcome"] == "equal" and not replayed["differences"]
    assert "byte for byte" in text_of(auditor.get(f"/log/{entry.entry_id}/replay"))
    for part in ("", "/proof", "/replay"):
        assert auditor.ask(f"/v1/adjustments/999{part}").status_code == 404
        assert auditor.get(f"/log/999{part}").status_code == 404


def test_nobody_is_led_to_a_page_that_refuses(site: Site, conn: Connection) -> None:
    (entry, *_) = page(conn, LogFilter(), limit=1)
    for role, there, not_there in (("operations", "/users/", "/policies/"), ("auditor", "/policies/", "/users/")):
        person = site.person(role)  # type: ignore[arg-type]
        shown = person.get(f"/log/{entry.entry_id}").text + person.get("/log").text
        assert f'href="{there}' in shown and f'href="{not_there}' not in shown, role


def test_an_edited_entry_is_not_proved_and_differs(auditor: Person, conn: Connection) -> None:
    entry = page(conn, LogFilter(user_id=4), limit=1)[0]
    sealing.force(conn, f"UPDATE limits.adjustment_log SET floor_minor = 7 WHERE entry_id = {entry.entry_id}")
    proof = auditor.ask(f"/v1/adjustments/{entry.entry_id}/proof").json()
    assert not proof["holds"] and not proof["waits"] and "floor_minor" in proof["what"], proof
    assert "does not hold" in text_of(auditor.get(f"/log/{entry.entry_id}/proof"))
    replayed = auditor.ask(f"/v1/adjustments/{entry.entry_id}/replay").json()
    assert replayed["outcome"] == "differs"
    assert [(one["field"], one["log"]) for one in replayed["differences"]] == [("floor_minor", 7)]
    shown = text_of(auditor.get(f"/log/{entry.entry_id}/replay"))
    assert f"floor minor 7 {replayed['differences'][0]['replay']}" in shown
    verified = auditor.ask("/v1/log/verify").json()
    assert not verified["holds"] and f"entry {entry.entry_id}" in verified["findings"][0]
    assert "It does not hold" in text_of(auditor.get("/reports/verify"))


def test_what_is_not_sealed_yet_waits(auditor: Person, database: Database, settings: Settings) -> None:
    number = replays.decide(database, settings, 4, settings.policy)
    proof = auditor.ask(f"/v1/adjustments/{number}/proof").json()
    assert proof["waits"] and not proof["holds"] and "not sealed yet" in proof["what"]


def test_a_point_in_time(auditor: Person, conn: Connection) -> None:
    entry = page(conn, LogFilter(user_id=2), limit=1)[0]
    said = auditor.ask(f"/v1/log/as-of?user=2&date={AS_OF}").json()
    assert said["limit_minor"] == entry.limit_after_minor and said["decision"]["entry_id"] == entry.entry_id
    before = auditor.ask("/v1/log/as-of?user=2&date=2026-01-01").json()
    assert before["limit_minor"] == entry.limit_before_minor and before["decision"] is None
    shown = text_of(auditor.get(f"/log/as-of?user=2&date={AS_OF}"))
    assert f"entry {entry.entry_id}" in shown and reason_text(Reason.MANY_LENDERS) in shown
    assert auditor.ask("/v1/log/as-of?user=2&date=2999-01-01").status_code == 422
    assert auditor.ask("/v1/log/as-of?user=99&date=2026-01-01").status_code == 404
    for address in ("user=2&date=nonsense", "user=%C2%B2&date=2026-01-01", "user=2"):
        assert auditor.get(f"/log/as-of?{address}").status_code == 422


def test_exports_are_what_the_filter_finds(auditor: Person, conn: Connection) -> None:
    expected = sorted(entry.entry_id for entry in page(conn, LogFilter(), limit=100) if entry.outcome != "held")
    found = {}
    for form in ("csv", "jsonl", "parquet"):
        answer = auditor.get(f"/log/export?min_change={quote('0.01 CNY')}&format={form}")
        assert answer.status_code == 200 and answer.headers["content-disposition"] == (
            f'attachment; filename="adjustments.{form}"'
        )
        assert "etag" not in answer.headers
        found[form] = answer.content
    assert sorted(int(row["entry_id"]) for row in csv.DictReader(io.StringIO(found["csv"].decode()))) == expected
    assert sorted(json.loads(line)["entry_id"] for line in found["jsonl"].splitlines()) == expected
    assert sorted(pq.read_table(io.BytesIO(found["parquet"]))["entry_id"].to_pylist()) == expected
    assert auditor.ask("/v1/adjustments/export?user=1&format=jsonl").text.count("\n") == 2
    for address, status in (("format=xls", 422), ("user=99", 404), ("from=x", 422)):
        assert auditor.get(f"/log/export?{address}").status_code == status
    # Whoever is refused keeps no turn and no connection.
    for _ in range(slow.EXPORTS + 1):
        assert auditor.get("/log/export?user=99").status_code == 404
    assert auditor.get("/log/export?user=1").status_code == 200


def test_too_many_exports_are_asked_to_come_again(auditor: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(slow.EXPORTS):
        assert slow.exports.acquire(blocking=False)
    try:
        answer = auditor.ask("/v1/adjustments/export")
        assert answer.status_code == 503 and answer.headers["retry-after"] == "60"
    finally:
        slow.exports.release(slow.EXPORTS)


def test_reports_and_what_is_asked_of_the_whole_log(auditor: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [one["name"] for one in auditor.ask("/v1/reports").json()]
    for name in names:
        said = auditor.ask(f"/v1/reports/{name}").json()
        assert said["name"] == name and said["total"] == len(said["rows"])
        assert auditor.get(f"/reports/{name}").status_code == 200
    fallback = auditor.ask("/v1/reports/model-fallback").json()
    assert fallback["rows"][0]["review_id"] == 1
    assert 'href="/reviews/1"' in auditor.get("/reports/model-fallback").text
    assert auditor.ask("/v1/reports/model-fallback?to=2020-01-01").json()["total"] == 0
    assert auditor.ask("/v1/reports/lost").status_code == auditor.get("/reports/lost").status_code == 404
    assert auditor.get("/reports/overrides?from=x").status_code == 422
    assert auditor.ask("/v1/log/verify").json()["holds"] and auditor.ask("/v1/log/reconcile").json()["ok"]
    assert "All adds up" in text_of(auditor.get("/reports/reconcile"))
    assert auditor.ask("/v1/log/verification").json()["known"] is False
    numbers = [one["number"] for one in auditor.ask("/v1/checkpoints").json()["items"]]
    assert numbers == [1] and auditor.ask("/v1/checkpoints?limit=1").json()["next"] is None
    monkeypatch.setattr(standing, "MOST_READ", 3)
    for address in ("/v1/log/verify", "/v1/log/reconcile"):
        answer = auditor.ask(address)
        assert answer.status_code == 409 and "on the command line: limits log" in answer.json()["detail"]
    assert "on the command line: limits log verify" in text_of(auditor.get("/reports/verify"))


def test_an_auditors_page_could_not_write_even_if_its_code_tried(site: Site) -> None:
    """Both the pooled connection and the one of what takes long: the database refuses, whatever the code does."""
    with site.context.connect("auditor") as conn:
        tables = [
            f"{schema}.{name}"
            for schema, name in conn.execute(
                "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('limits', 'limits_console')"
                " UNION ALL SELECT schemaname, viewname FROM pg_views WHERE schemaname = 'limits_read'"
            )
        ]
    assert len(tables) > 60
    with site.context.connect("auditor") as pooled, slow.reading(site.context, slow.readings, "a test") as own:
        for conn in (pooled, own):
            (role,) = conn.execute("SELECT current_user").fetchone() or ("",)
            assert role == "limits_auditor"
            for table in tables:
                for statement in (f"DELETE FROM {table}", f"INSERT INTO {table} DEFAULT VALUES", f"TRUNCATE {table}"):
                    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.WrongObjectType)):
                        conn.execute(statement.encode())


def test_only_readers_get_in_and_every_route_only_reads(site: Site) -> None:
    admin = site.person("admin")
    assert admin.get("/log").status_code == 403 and admin.ask("/v1/adjustments").status_code == 403
    for role in ("risk", "operations", "approver"):
        person = site.person(role)
        assert person.get("/log").status_code == person.get("/log/1").status_code == 200
        assert person.get("/reports").status_code == person.ask("/v1/checkpoints").status_code == 403
        assert "Reports" not in person.get("/log").text
    assert site.nobody().get("/v1/adjustments").status_code == 401


def test_whoever_reads_on_after_an_export_was_given_up_is_told_and_holds_no_thread(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue was full when the writer gave up, so that its last word found no room."""
    monkeypatch.setattr(exporting, "PATIENCE", 0.1)
    monkeypatch.setattr(exporting, "AHEAD", 1)

    def write(entries: Any, file: Any, progress: Any) -> int:
        while True:
            file.write(b"x")

    monkeypatch.setitem(exporting.WRITERS, "csv", write)
    monkeypatch.setattr(exporting.export_reading, "read", lambda conn, wanted: (one for one in ()))
    pieces: queue.Queue[bytes | None] = queue.Queue(1)
    over, whole = threading.Event(), threading.Event()
    writer = threading.Thread(
        target=exporting._write,
        args=(contextlib.ExitStack(), conn, LogFilter(), "csv", pieces, over, whole),
        daemon=True,
    )
    writer.start()
    writer.join(60)
    assert not writer.is_alive()
    read: list[bytes] = []

    def reads() -> None:
        with pytest.raises(RuntimeError, match="cut off"):
            read.extend(exporting._pieces(pieces, over, whole, writer))

    reader = threading.Thread(target=reads, daemon=True)
    reader.start()
    reader.join(60)
    assert not reader.is_alive(), "it waits for ever"
