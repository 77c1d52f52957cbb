"""Risk models in the console: in words, proposed and decided on by two, and monitored by what the log says."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import httpx
import pytest

from limits.settings import Settings
from limits.store import risk_models
from limits.store.db import Connection, Database
from tests import builders, governance, replays
from tests.packs import write_pack
from tests.replays import AS_OF, DAY
from tests.risks import scorecard
from tests.web import HTML, Person, Site, text_of

#: Of the users it was made of half had less than no points.
MODEL = scorecard(
    name="watched",
    horizon_months=1,
    card={"features": {}, "points": {"edges": [0], "share": [0.5, 0.5]}, "training": {"source": "a test"}},
)
HASH = MODEL.model_hash.hex()
BANDS = "".join(
    f'\n[[risk.band]]\nname = "{name}"\nmonths_of_capacity = 60\nmost = "120000 CNY"\nraise = true\nlimit_bps = 10000\n'
    for name in "ABC"
)
SECTION = f"\n[risk]\nrequired = false\nloss_given_default_bps = 6000\nconversion_bps = 5000\n{BANDS}"


@pytest.fixture
def site(database: Database, settings: Settings) -> Site:
    return Site(database, settings)


@pytest.fixture
def ann(site: Site) -> Person:
    return site.person("risk")


@pytest.fixture
def ben(site: Site) -> Person:
    return site.person("approver", actor="Ben Orr")


def upload(person: Person, body: bytes, **more: str) -> httpx.Response:
    fields = {"csrf": person.csrf, "idempotency_key": "a-key", "reason": "trained anew"} | more
    return person.client.post(
        "/models/proposals", data=fields, files={"model": ("model.json", body, "application/json")}, headers=HTML
    )


def test_one_proposes_a_file_and_another_approves_it(ann: Person, ben: Person, conn: Connection) -> None:
    done = upload(ann, MODEL.body.encode(), effective_on=str(AS_OF))
    assert done.status_code == 303 and done.headers["location"].startswith(f"/models/{HASH}")
    (row,) = risk_models.history(conn)
    assert (row.state, row.maker, row.reason, row.effective_on) == ("proposed", "Ann Lee", "trained anew", AS_OF)
    assert ann.ask("/v1/models").json()["in_force"] is None
    assert f"/models/{HASH}/approve" in ben.get(f"/models/{HASH}").text
    assert f"/models/{HASH}/approve" not in ann.get(f"/models/{HASH}").text
    ben.post(f"/models/{HASH}/approve", {"reason": "agreed"})
    assert risk_models.get(conn, row.approval_id).checker == "Ben Orr"
    listed = ann.ask("/v1/models").json()
    assert (listed["in_force"], listed["items"][0]["state"]) == (HASH, "approved")
    done = upload(ann, MODEL.body.encode(), effective_on=str(AS_OF), idempotency_key="another")
    assert "already" in done.headers["location"] and len(risk_models.history(conn)) == 1
    answer = ann.write(f"/v1/models/{HASH}/withdraw", {"reason": "drifts"})
    assert (answer.json()["state"], answer.json()["withdrawn_by"]) == ("withdrawn", "Ann Lee")
    assert ben.write(f"/v1/models/{HASH}/reject", {"reason": "x"}).status_code == 409


def test_nobody_decides_on_what_they_proposed(site: Site) -> None:
    both = site.person("risk", "approver")
    body = {"text": MODEL.body, "reason": "x", "effective_on": str(AS_OF)}
    first, again = (both.write("/v1/models/proposals", body, key="one") for _ in range(2))
    assert first.status_code == 201 and first.json() == again.json()
    assert f"/models/{HASH}/approve" not in both.get(f"/models/{HASH}").text
    assert both.write(f"/v1/models/{HASH}/approve", {"reason": "mine"}).status_code == 409


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"{", "not JSON"),
        (b'{"format": 1}', "Field required"),
        (b"x" * 900_000, "at most 800000"),
        (b"\xed\xb2\x80", "not UTF-8"),
        (b"", "at least 1 character"),
    ],
)
def test_what_is_no_model_is_refused(ann: Person, conn: Connection, body: bytes, words: str) -> None:
    answer = upload(ann, body)
    assert answer.status_code == 422 and words in text_of(answer)
    assert risk_models.history(conn) == []
    assert ann.post("/models/proposals", {"reason": "no file"}).status_code == 422
    late = {"text": MODEL.body, "reason": "x", "effective_on": "9999-12-31"}
    assert ann.write("/v1/models/proposals", late).status_code == 422


def test_a_model_in_words(site: Site, ann: Person, conn: Connection) -> None:
    governance.approve_model(conn, MODEL, AS_OF)
    found = ann.ask(f"/v1/models/{HASH}").json()
    assert [one["name"] for one in found["bands"]] == ["A", "B", "C"]
    assert {"characteristic": "late", "bin": "days_past_due_now from 1 to 30", "points": 20} in found["bins"]
    assert {"characteristic": "late", "bin": "days_past_due_now not known", "points": 30} in found["bins"]
    auditor = site.person("auditor", actor="Ada")
    page = auditor.get(f"/models/{HASH}")
    assert "a test" in text_of(page) and "from 30" in text_of(page) and "Monitoring" not in text_of(page)
    assert "Nothing" not in text_of(auditor.get("/models")) and 'type="file"' not in auditor.get("/models").text
    assert ann.ask(f"/v1/models/{'0' * 64}").status_code == 404
    assert ann.ask("/v1/models/1").status_code == 422


def test_monitoring_is_what_the_log_says(
    ann: Person, database: Database, settings: Settings, conn: Connection, tmp_path: Path
) -> None:
    """Of three users one pays what falls due later, one does not, and of one nothing is due."""
    assert ann.ask(f"/v1/models/{HASH}/monitoring").status_code == 404
    governance.approve_model(conn, MODEL, AS_OF - DAY)
    empty = ann.ask(f"/v1/models/{HASH}/monitoring").json()
    assert (empty["reviews"], empty["became"], empty["alerts"]) == ([], None, 0)
    replays.steady(conn, 1, 2, 3)
    for user_id in (1, 2):
        builders.add_statement(conn, user_id, AS_OF - DAY, due_on=AS_OF + 10 * DAY, minimum_due=1_000)
    builders.add_repayment(conn, 1, AS_OF + DAY, 10_000)
    builders.refresh(conn)
    pack = write_pack(conn, tmp_path, "banded", breakers__population_bps="1000000\n" + SECTION)
    review_id = replays.review(database, settings, pack)
    rows = conn.execute(
        "SELECT risk_points, risk_probability_ppm FROM limits.adjustment_log WHERE review_id = %s", (review_id,)
    ).fetchall()
    found = ann.ask(f"/v1/models/{HASH}/monitoring").json()
    (one,) = found["reviews"]
    assert (one["review_id"], one["as_of"], one["users"]) == (review_id, str(AS_OF), 3)
    assert one["expected"] == pytest.approx(sum(ppm for _, ppm in rows) / 3e6, abs=1e-6)
    bands = ["A" if points >= 85 else "B" if points >= 40 else "C" for points, _ in rows]
    assert one["bands"] == {name: bands.count(name) for name in "ABC"} and len(set(bands)) > 1
    # Nobody has less than no points, and half of them were to have: the index of stability is far beyond an alert.
    assert one["stability"]["state"] == "alert" and found["alerts"] >= 1
    became = found["became"]
    assert (became["scored"], became["known"], became["figures"]["rate"]) == (3, 2, 0.5)
    assert dt.date.fromisoformat(became["until"]) == dt.date(2026, 7, 30)
    page = text_of(ann.get(f"/models/{HASH}"))
    assert "alert" in page and "of 3 looked at, 2 had a payment to make" in page
    assert json.loads(ann.ask(f"/v1/models/{HASH}/monitoring", params={"last": 1}).text)["reviews"] == [one]
