"""What operations do about one user over the console: once for each key, whatever is clicked, sent or killed."""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from limits.engine import single
from limits.settings import Settings
from limits.store import failpoints
from limits.store.db import Connection, Database
from limits.store.policies import pack_names
from tests import builders
from tests.web import Person, Site, text_of

AS_OF = builders.AS_OF
BEFORE = 500_000
RAISED = 600_000
RECOMPUTE = "/v1/users/1/recompute"
BODY = {"reason": "customer called", "apply": True, "as_of": AS_OF.isoformat()}


@pytest.fixture
def site(database: Database, settings: Settings, conn: Connection) -> Iterator[Site]:
    """A site over one user whom any review raises."""
    builders.add_steady_user(conn, 1, credit_limit=BEFORE, observed_from=dt.date(2024, 7, 1))
    builders.refresh(conn)
    made = Site(database, settings)
    yield made
    failpoints.read("")
    made.context.close()


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """What decides as of today decides as of the day that the user's data end."""
    for module in ("single", "requests", "pending"):
        monkeypatch.setattr(f"limits.engine.{module}.today", lambda: AS_OF)


def entries(conn: Connection) -> list[tuple[int, str]]:
    """Log entries with their actor, oldest first."""
    return conn.execute("SELECT entry_id, actor FROM limits.adjustment_log ORDER BY entry_id").fetchall()


def limit(conn: Connection) -> int:
    row = conn.execute("SELECT limit_minor FROM limits.credit_lines WHERE user_id = 1").fetchone()
    assert row is not None
    return int(row[0])


def at_once(*jobs: Callable[[], httpx.Response]) -> list[httpx.Response]:
    answers: list[httpx.Response] = []
    threads = [threading.Thread(target=lambda job=job: answers.append(job())) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == len(jobs)
    return answers


def same_session(site: Site, person: Person) -> Person:
    """Another window of the same browser."""
    other = Person.__new__(Person)
    other.client, other.csrf = site.nobody(), person.csrf
    other.client.cookies.update(person.client.cookies)
    return other


# Recompute -----------------------------------------------------------------------------------


def test_a_preview_changes_nothing_and_applying_is_logged_once(site: Site, conn: Connection) -> None:
    ann = site.person("operations")
    shown = ann.write(RECOMPUTE, BODY | {"apply": False, "reason": "to see"})
    assert shown.status_code == 200, shown.text
    assert (shown.json()["applied"], shown.json()["decision"]["limit_after_minor"]) == (False, RAISED)
    assert (entries(conn), limit(conn)) == ([], BEFORE)

    first = ann.write(RECOMPUTE, BODY, key="k1")
    assert (first.status_code, first.json()["applied"]) == (200, True), first.text
    entry = first.json()["decision"]["entry_id"]
    assert (entries(conn), limit(conn)) == ([(entry, "Ann Lee")], RAISED)
    assert ann.write(RECOMPUTE, BODY, key="k1").json() == first.json()
    other = ann.write(RECOMPUTE, BODY | {"reason": "another"}, key="k1")
    assert (other.status_code, other.json()["type"]) == (422, "/problems/key-used-otherwise")
    # The key is the log's own: whoever else sends it does not apply it a second time.
    ben = site.person("operations", actor="Ben Okafor").write(RECOMPUTE, BODY, key="k1")
    assert (ben.json()["repeated"], ben.json()["decision"]["actor"]) == (True, "Ann Lee")
    assert len(entries(conn)) == 1

    without = ann.client.post(RECOMPUTE, json=BODY, headers={"x-csrf-token": ann.csrf})
    assert (without.status_code, "Idempotency-Key" in without.json()["detail"]) == (422, True)
    stale = ann.write(RECOMPUTE, BODY | {"if_limit_minor": BEFORE})
    assert (stale.status_code, stale.json()["type"]) == (409, "/problems/changed-meanwhile")
    assert len(entries(conn)) == 1


def test_the_page_shows_first_and_applies_with_a_reason(site: Site, conn: Connection) -> None:
    ann = site.person("operations")
    page = ann.get(f"/users/1/recompute?as_of={AS_OF}")
    words = text_of(page)
    for expected in ("Nothing is changed yet", "5,000.00 CNY", "6,000.00 CNY", "the largest raise of one review"):
        assert expected in words, expected
    form = {"reason": "customer called", "as_of": AS_OF.isoformat(), "policy": "", "limit_minor": str(BEFORE)}
    assert ann.post("/users/1/recompute", form | {"reason": " "}).status_code == 422
    sent = ann.post("/users/1/recompute", form, key="click")
    ((entry, _),) = entries(conn)
    assert sent.status_code == 303
    assert sent.headers["location"].startswith(f"/users/1/entries/{entry}?said=Recompute%20applied")
    # The page behind is loaded again, and the form sent again: nothing is done twice.
    assert ann.post("/users/1/recompute", form, key="click").headers["location"] == sent.headers["location"]
    done = text_of(ann.get(sent.headers["location"]))
    assert f"Log entry {entry} about" in done
    assert "customer called" in done
    assert "raised" in done
    # A preview from before that: its limit is no longer the user's.
    late = ann.post("/users/1/recompute", form)
    assert (late.status_code, "look at the preview again" in text_of(late)) == (409, True)
    assert len(entries(conn)) == 1
    assert ann.get(f"/users/2/entries/{entry}").status_code == 404


def test_two_clicks_at_the_same_time_are_one_entry(site: Site, conn: Connection) -> None:
    ann = site.person("operations")
    windows = [ann, same_session(site, ann), same_session(site, ann)]
    form = {"reason": "customer called", "as_of": AS_OF.isoformat(), "limit_minor": str(BEFORE)}
    failpoints.read("order.applied=sleep:0.4")
    answers = at_once(*(lambda one=one: one.post("/users/1/recompute", form, key="click") for one in windows))
    ((entry, _),) = entries(conn)
    assert [answer.status_code for answer in answers] == [303] * 3, [answer.text for answer in answers]
    assert {answer.headers["location"].split("?")[0] for answer in answers} == {f"/users/1/entries/{entry}"}
    assert limit(conn) == RAISED


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_server_killed_after_the_commit_is_asked_again(site: Site, settings: Settings, conn: Connection) -> None:
    """Nobody heard the answer, and no answer was kept: the same request again gets the entry that is there."""
    ann = site.person("operations")
    port = _free_port()
    environment = os.environ | {
        failpoints.VARIABLE: "order.committed=kill", "LIMITS_DATABASE_URL": str(settings.database_url),
        "LIMITS_HOME": str(settings.home), "LIMITS_POLICY": settings.policy, "LIMITS_WEB_PORT": str(port),
    }  # fmt: skip
    server = subprocess.Popen([sys.executable, "-m", "limits", "web"], env=environment, stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + 60
        while True:
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None and time.monotonic() < until
            time.sleep(0.1)
        headers = {"x-csrf-token": ann.csrf, "idempotency-key": "cut-off"}
        secret = ann.client.cookies["limits_session"]
        with pytest.raises(httpx.TransportError):
            httpx.post(
                f"http://127.0.0.1:{port}{RECOMPUTE}", json=BODY, headers=headers, timeout=60,
                cookies={"limits_session": secret},
            )  # fmt: skip
        assert server.wait(60) == -9
    finally:
        server.kill()
        server.communicate()
    ((entry, _),) = entries(conn)
    assert conn.execute("SELECT answer FROM limits_console.keys WHERE key = 'cut-off'").fetchall() == [(None,)]
    again = ann.write(RECOMPUTE, BODY, key="cut-off")
    assert (again.status_code, again.json()["repeated"], again.json()["decision"]["entry_id"]) == (200, True, entry)
    assert (len(entries(conn)), limit(conn)) == (1, RAISED)


def test_a_limit_that_keeps_changing_is_said(site: Site, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single, "TRIES", 1)
    monkeypatch.setattr(single, "_apply_once", lambda *_: None)
    ann = site.person("operations")
    form = {"reason": "customer called", "as_of": AS_OF.isoformat()}
    answer = ann.post("/users/1/recompute", form, key="busy")
    assert (answer.status_code, "keeps changing meanwhile" in text_of(answer)) == (409, True)
    assert entries(conn) == []


def test_the_kill_switch_is_said_and_nothing_is_kept_from_trying(site: Site, conn: Connection) -> None:
    ann = site.person("operations")
    with site.context.connect("operations") as ops:
        from limits.store import gates

        gates.set_switch(ops, True, actor="Ann Lee", reason="a drill")
    answer = ann.write(RECOMPUTE, BODY)
    assert (answer.status_code, entries(conn)) == (409, [])
    assert ann.get(f"/users/1/recompute?as_of={AS_OF}").status_code == 200


# Requests and consents -----------------------------------------------------------------------


@pytest.mark.usefixtures("today")
def test_a_request_is_answered_once(site: Site, conn: Connection) -> None:
    ann = site.person("operations")
    ask = "/v1/users/1/limit-requests"
    first = ann.write(ask, {"amount": "5500 CNY", "policy": "standard"}, key="r1")
    assert first.status_code == 200, first.text
    assert (first.json()["answer"], first.json()["said"]) == ("granted", "granted: the limit is 5,500.00 CNY")
    assert ann.write(ask, {"amount": "5500 CNY", "policy": "standard"}, key="r1").json() == first.json()
    assert ann.write(ask, {"amount": "5600 CNY"}, key="r1").status_code == 422
    lower = ann.write(ask, {"amount_minor": 540_000, "currency": "CNY"})
    assert (lower.status_code, "ask for a higher amount" in lower.json()["detail"]) == (422, True)
    wrong = ann.write(ask, {"amount": "9500 EUR"})
    assert (wrong.status_code, "ask for an amount in CNY" in wrong.json()["detail"]) == (422, True)

    sent = ann.post("/users/1/limit-requests", {"amount": "9000"}, key="form")
    assert sent.status_code == 303, text_of(sent)
    again = ann.post("/users/1/limit-requests", {"amount": "9000"}, key="form")
    assert again.headers["location"] == sent.headers["location"]
    page = text_of(ann.get(sent.headers["location"]))
    assert "Request 2 for 9,000.00 CNY" in page
    assert "standard of" in page, "by the pack of the newest decision, which is not that of the settings"
    assert len(entries(conn)) == 2


def test_consent_is_written_once(site: Site, conn: Connection) -> None:
    ann = site.person("operations")
    body = {"subject": "raises", "state": "withdrawn", "reason": "by letter"}
    assert ann.write("/v1/users/1/consents", body).json()["written"] is True
    assert ann.write("/v1/users/1/consents", body).json()["written"] is False
    sent = ann.post("/users/1/consents", body | {"state": "given"})
    assert (sent.status_code, "given" in sent.headers["location"]) == (303, True)
    kept = conn.execute("SELECT state, actor FROM limits.consents WHERE user_id = 1 ORDER BY ingested_at").fetchall()
    assert kept == [("withdrawn", "Ann Lee"), ("given", "Ann Lee")]
    future = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)).isoformat()
    assert ann.write("/v1/users/1/consents", body | {"as_of": future}).status_code == 409


# Hostile input -------------------------------------------------------------------------------

LONG = dt.date(9999, 1, 1).isoformat()
WORDS = ("", "  ", "a\0b", "a\ud800b", "x" * 501, "a\nb", "\u202e", 7, None)
#: The last but two has Arabic digits.
AMOUNTS = ("95000", "1e9 CNY", "-5 CNY", f"{'9' * 30} CNY", "5\0 CNY", "\u0665\u0660\u0660\u0660 CNY", "5000 XXX", "")
ODD = (
    "/overrides?user=x", "/changes?user=-1", "/notices?user=99999999999999999999", "/notices?cursor=eA",
    "/users/99/recompute", "/overrides/99", "/changes/99", "/notices/99", "/v1/notices?cursor=WyJhIiwxXQ",
)  # fmt: skip
HOSTILE: list[tuple[str, dict[str, Any]]] = [
    *((RECOMPUTE, BODY | {"policy": name}) for name in ("/etc/passwd", "../x", "cz/../cz", "~root", "", "CZ", "a\0b")),
    *((RECOMPUTE, BODY | {"as_of": day}) for day in ("0001-01-01", LONG, "2026-02-30", "nan", 1e300, "1989-12-31")),
    *((RECOMPUTE, BODY | {"reason": text}) for text in WORDS),
    *((RECOMPUTE, BODY | {"if_limit_minor": number}) for number in (-1, 2**63, 1.5, "x")),
    (RECOMPUTE.replace("/1/", f"/{2**63}/"), BODY),
    (RECOMPUTE.replace("/1/", "/0/"), BODY),
    (RECOMPUTE.replace("/1/", "/-1/"), BODY),
    (RECOMPUTE.replace("/1/", f"/{2**63 - 1}/"), BODY),
    *(("/v1/users/1/limit-requests", {"amount": text}) for text in AMOUNTS),
    ("/v1/users/1/limit-requests", {"amount": "1000000000000000 CNY"}),
    ("/v1/users/1/limit-requests", {"amount_minor": 10**15 + 1, "currency": "CNY"}),
    ("/v1/users/1/limit-requests", {"amount_minor": 600_000}),
    ("/v1/users/1/limit-requests", {"amount_minor": True, "currency": "CNY", "amount": "1 CNY"}),
    ("/v1/users/1/limit-requests", {}),
    ("/v1/users/1/overrides", {"kind": "hold", "amount": "5000 CNY", "expires_on": LONG, "reason": "x"}),
    ("/v1/users/1/overrides", {"kind": "burn", "expires_on": "2027-01-01", "reason": "x"}),
    ("/v1/users/1/overrides", {"kind": "cap", "expires_on": "2150-01-01", "reason": "x"}),
    ("/v1/users/1/overrides", {"kind": "hold", "expires_on": "2150-01-01", "reason": "x"}),
    ("/v1/users/1/consents", {"subject": "all", "state": "given", "reason": "x"}),
    ("/v1/users/99/consents", {"subject": "raises", "state": "given", "reason": "x"}),
    ("/v1/users/99/referral/clear", {"reason": "x"}),
    ("/v1/overrides/99/approve", {"reason": "x"}),
    ("/v1/changes/99/accept", {}),
    ("/v1/changes/99/decline", {}),
]  # fmt: skip


def test_nothing_hostile_gets_through(site: Site, settings: Settings, conn: Connection) -> None:
    everybody = site.person()
    own = (RECOMPUTE, BODY | {"policy": settings.policy})  # a file that is there, and that a name from outside is not
    for address, body in [*HOSTILE, own]:
        text = json.dumps(body)
        headers = {
            "x-csrf-token": everybody.csrf, "idempotency-key": secrets.token_hex(8), "content-type": "application/json"
        }  # fmt: skip
        answer = everybody.client.post(address, content=text, headers=headers)
        assert answer.status_code in (404, 409, 422), (address, body, answer.status_code, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "root:" not in answer.text
    for query in ("policy=/etc/passwd", "policy=../x", "as_of=0001-01-01", "as_of=2026-13-01", "as_of=%00"):
        assert everybody.get(f"/users/1/recompute?{query}").status_code == 422, query
    for address in ODD:
        assert everybody.get(address).status_code in (404, 422), address
    form = {"reason": "x", "kind": "cap", "amount": "5,000", "expires_on": "2027-01-01", "subject": "raises"}
    assert everybody.post("/users/1/overrides", form).status_code == 422
    assert everybody.post("/users/1/overrides", form | {"amount": "5000", "expires_on": "soon"}).status_code == 422
    assert everybody.post("/users/1/consents", form | {"state": "maybe"}).status_code == 422
    assert (entries(conn), limit(conn)) == ([], BEFORE)


def test_a_form_of_another_session_and_another_role_do_nothing(site: Site, conn: Connection) -> None:
    ann, ben = site.person("operations"), site.person("operations", actor="Ben Okafor")
    form = {"reason": "customer called", "as_of": AS_OF.isoformat()}
    assert ann.post("/users/1/recompute", form | {"csrf": ben.csrf}).status_code == 403
    assert ann.client.post(
        RECOMPUTE, json=BODY, headers={"x-csrf-token": ben.csrf, "idempotency-key": "k"}
    ).status_code == 403  # fmt: skip
    for role in ("risk", "approver", "auditor", "admin"):
        assert site.person(role).post("/users/1/recompute", form).status_code == 403
        assert site.person(role).write(RECOMPUTE, BODY).status_code == 403
    assert entries(conn) == []


def test_a_form_that_is_older_than_its_session(site: Site, conn: Connection) -> None:
    ann = site.person("operations")
    conn.execute("DELETE FROM limits_console.sessions")
    answer = ann.post("/users/1/recompute", {"reason": "customer called", "as_of": AS_OF.isoformat()})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert entries(conn) == []


def test_a_policy_in_another_currency_is_said_on_the_page(site: Site) -> None:
    assert "cz" in pack_names()
    page = site.person("operations").get(f"/users/1/recompute?policy=cz&as_of={AS_OF}")
    assert page.status_code == 200
    assert "Nothing was changed. Choose another policy" in text_of(page)
