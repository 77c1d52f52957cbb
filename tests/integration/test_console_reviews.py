"""Reviews and the kill switch, as people see them in the console and machines over the API."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from limits import engine
from limits.console import tokens
from limits.settings import Settings
from limits.store import gates, reviews, spread
from limits.store.db import Connection, Database
from tests import builders, invariants
from tests.commands import answer
from tests.web import Site, text_of

REASON = {"reason": "looked at"}


@pytest.fixture
def site(database: Database, settings: Settings) -> Site:
    return Site(database, settings)


@pytest.fixture
def held(database: Database, settings: Settings, conn: Connection) -> int:
    """A review that Ann asked for, of two users, both to be raised: the breaker has held it."""
    for user_id in (1, 2):
        builders.add_steady_user(conn, user_id, credit_limit=300_000 * user_id)
    row = engine.request_review(database, settings, as_of=builders.AS_OF, actor="Ann", policy="standard")
    engine.work(database, settings, row.review_id, worker="test")
    return row.review_id


def work(database: Database, settings: Settings, review_id: int) -> None:
    engine.work(database, settings, review_id, worker="test")


def test_the_api_says_of_a_review_what_the_command_line_says(site: Site, settings: Settings, held: int) -> None:
    told = site.person("auditor").ask(f"/v1/reviews/{held}").json()
    for name, value in answer(settings, "review", "show", str(held)).items():
        if name in ("exceptions", "seconds", "seconds_held", "seconds_worked", "users_per_second"):
            continue  # of a review that is not over they go on
        if name == "gate":
            assert [one["reason"] for one in told["gate"]] == [one["reason"] for one in value]
            assert told["gate"][0]["figures"] == value[0]["figures"]
        elif name in ("created_at", "started_at", "finished_at"):
            assert (told[name] or "")[:19] == (value or "")[:19]
        else:
            assert told[name] == value, name
    raised = next(one for one in told["breakers"] if one["name"] == "raised")
    assert (raised["found"], raised["most"], raised["trips"], raised["used"]) == ("100.00%", "50.00%", True, 2.0)
    assert told["currency"] == "CNY" and told["exponent"] == 2
    assert site.person("risk").ask("/v1/reviews/99").status_code == 404
    assert site.person("risk").ask("/v1/reviews/0").status_code == 422
    assert site.person("risk").ask(f"/v1/reviews/{2**63}").status_code == 422


def test_the_api_says_how_far_a_review_is(site: Site, settings: Settings, held: int) -> None:
    told = site.person("operations").ask(f"/v1/reviews/{held}/progress").json()
    (seen,) = answer(settings, "review", "status", str(held))["reviews"]
    for name in ("state", "phase", "stage", "decided", "applied", "decided_counts", "shards", "exposure", "budget"):
        assert told[name] == seen[name], name
    assert told["rests"] and told["in_words"] == "held, decided, at the gate"
    assert [one["what"] for one in told["waits"]] == ["error", "held"]
    assert "somebody else than Ann decides" in told["waits"][1]["to_do"]


def test_a_held_review_is_released_by_a_second_person(
    site: Site, database: Database, settings: Settings, conn: Connection, held: int
) -> None:
    """Who asked for it may not; clicked twice it is released once; the page then says what it came to."""
    page = site.person("approver", actor="Bo").get(f"/reviews/{held}")
    assert "users raised: 100.00%, more than 50.00%" in text_of(page)
    assert "2 users are decided and not applied: 2 raised" in text_of(page)
    assert f"/reviews/{held}/release" in page.text
    hers = site.person("risk", actor="Ann").get(f"/reviews/{held}")
    assert f"/reviews/{held}/release" not in hers.text and "You asked for it, so somebody else" in text_of(hers)
    ann = site.person("risk", actor="ann").post(f"/reviews/{held}/release", REASON)
    assert ann.status_code == 409 and "asked for by Ann, so somebody else" in text_of(ann)
    bo = site.person("approver", actor="Bo")
    empty = bo.post(f"/reviews/{held}/release", {"reason": " "})
    assert empty.status_code == 422 and "reason is missing" in text_of(empty)
    first, second = (bo.post(f"/reviews/{held}/release", REASON, key="the form's") for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    again = bo.post(f"/reviews/{held}/release", REASON)
    assert again.status_code == 409 and "is running and not held" in text_of(again)
    released = [event for event in gates.events(conn, held) if event.what == "released"]
    assert [(event.actor, event.reason) for event in released] == [("Bo", "looked at")]
    work(database, settings, held)
    assert f'href="/log?review={held}"' in bo.get(f"/reviews/{held}").text
    to_auditors = site.person("auditor").get(f"/reviews/{held}").text
    assert 'href="/log?user=' in to_auditors and 'href="/users/' not in to_auditors
    done = text_of(bo.get(f"/reviews/{held}"))
    assert "by Bo (login" in done and "Largest changes" in done and "Release" not in done
    invariants.check(conn)


def test_a_machine_lets_nothing_go_on_that_waits_for_a_person(
    site: Site, database: Database, settings: Settings, conn: Connection, held: int
) -> None:
    """Also where the database would take its login: what the scheduler asked for is released by risk."""
    _, secret = tokens.make(conn, "nightly", ["risk"], 1, "an admin")
    machine, headers = site.nobody(), {"authorization": f"Bearer {secret}"}
    release = f"/v1/reviews/{held}/release"
    answer = machine.post(release, json=REASON, headers=headers | {"idempotency-key": "a"})
    assert answer.status_code == 403 and answer.json()["type"] == "/problems/not-for-machines"
    assert reviews.get(conn, held).state == "held"
    turned = []
    for key, engaged in (("b", True), ("c", False)):
        body = {"engaged": engaged} | REASON
        turned.append(machine.post("/v1/kill-switch", json=body, headers=headers | {"idempotency-key": key}))
    assert [one.status_code for one in turned] == [200, 403]
    assert gates.switch(conn).engaged


def test_two_clicks_at_the_same_moment_release_once(site: Site, conn: Connection, held: int) -> None:
    bo = [site.person("approver", actor="Bo") for _ in range(4)]
    ready = threading.Barrier(4)

    def click(number: int) -> int:
        ready.wait()
        return bo[number].post(f"/reviews/{held}/release", REASON, key="one").status_code

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(click, range(4)))
    assert set(codes) <= {303, 409} and 303 in codes
    assert [event.what for event in gates.events(conn, held)].count("released") == 1


def test_cancelling_and_resuming(site: Site, conn: Connection, held: int) -> None:
    risk = site.person("risk", actor="Cy")
    early = risk.write(f"/v1/reviews/{held}/resume", REASON)
    assert early.status_code == 409 and early.json()["detail"].startswith(f"review {held} is held and did not fail")
    gates.release(conn, held, actor="Bo", reason="x")
    reviews.fail(conn, held, "the disk was full")
    page = text_of(risk.get(f"/reviews/{held}"))
    assert "the disk was full" in page and "Resume?" in page and "Release?" not in page
    assert risk.post(f"/reviews/{held}/resume", REASON).status_code == 303
    assert reviews.get(conn, held).state == "running"
    cancelled = {"review_id": held, "state": "cancelled", "changed": True}
    assert risk.write(f"/v1/reviews/{held}/cancel", REASON).json() == cancelled
    assert risk.write(f"/v1/reviews/{held}/cancel", REASON).json() == cancelled | {"changed": False}
    assert "cancelled by Cy: looked at" in text_of(risk.get(f"/reviews/{held}"))
    assert risk.write("/v1/reviews/99/cancel", REASON).status_code == 404
    assert risk.write(f"/v1/reviews/{held}/cancel", {"reason": "a\x00b"}).status_code == 422


def test_a_review_is_asked_for_once(site: Site, database: Database, settings: Settings, conn: Connection) -> None:
    builders.add_steady_user(conn, 1)
    risk = site.person("risk")
    form = {"as_of": str(builders.AS_OF), "schedule": "by hand", "policy": ""}
    first, second = (risk.post("/reviews", form, key="same") for _ in range(2))
    other = risk.post("/reviews", form)
    places = {one.headers["location"].split("?")[0] for one in (first, second, other)}
    assert places == {"/reviews/1"} and "was%20there%20already" in other.headers["location"]
    (row,) = reviews.list_reviews(conn)
    assert (row.schedule, row.actor, row.state) == ("by hand", "Ann Lee", "owed")
    refused = risk.write("/v1/reviews", {"as_of": "2199-12-31"})
    assert refused.status_code == 409 and "lies in the future" in refused.json()["detail"]
    for wrong in ({"as_of": "0001-01-01"}, {"as_of": "x"}, {"as_of": "2026-06-30", "schedule": "\x00"}, {}):
        assert risk.write("/v1/reviews", wrong).status_code == 422, wrong
    path = risk.write("/v1/reviews", {"as_of": "2026-06-29", "schedule": "other", "policy": "/etc"})
    assert path.status_code == 422 and "there is no policy pack '/etc'" in path.json()["detail"]
    bad = risk.post("/reviews", form | {"as_of": "nonsense"})
    assert bad.status_code == 422 and "as of" in text_of(bad)


def test_a_page_renews_its_progress_until_the_review_rests(
    site: Site, database: Database, settings: Settings, conn: Connection
) -> None:
    builders.add_steady_user(conn, 1)
    row = engine.request_review(database, settings, as_of=builders.AS_OF, actor="Ann")
    risk = site.person("risk")
    page = risk.get(f"/reviews/{row.review_id}")
    found = re.search(r'data-live="([^"]+)"', page.text)
    assert found is not None and "No worker is alive; start one: limits worker" in text_of(page)
    part = risk.get(found[1])
    assert part.status_code == 200 and "x-live" not in part.headers
    work(database, settings, row.review_id)
    assert risk.get(found[1]).headers["x-live"] == "reload", "there is more to see than this part"
    assert risk.get(f"/reviews/{row.review_id}/progress").headers["x-live"] == "over"
    assert "data-live" not in risk.get(f"/reviews/{row.review_id}").text


def test_the_charts_count_what_the_log_has(reviewed_copy: Database, settings: Settings) -> None:
    with reviewed_copy.connect("owner", "limits test") as conn:
        row = reviews.list_reviews(conn)[0]
        found = spread.of_review(conn, row)
        actions = dict(conn.execute("SELECT action, count(*) FROM limits.adjustment_log GROUP BY 1").fetchall())
        counted = {action: sum(n for one, _, n in found.reasons if one == action) for action in actions}
        assert counted == actions and found.users == sum(actions.values())
        assert sum(found.changes.values()) == sum(n for action, n in actions.items() if action)
        for pieces, column in ((found.before, "limit_before_minor"), (found.after, "limit_after_minor")):
            for piece, users in pieces.items():
                low, high = spread.AMOUNTS[piece], spread.AMOUNTS[piece + 1]
                text = f"SELECT count(*) FROM limits.adjustment_log WHERE {column} >= %s AND {column} < %s"
                assert conn.execute(text.encode(), (low, high)).fetchone() == (users,)
        for piece, users in found.changes.items():
            assert piece is not None
            low, high = spread.SHARES[piece], (*spread.SHARES, 10**9)[piece + 1]
            text = """SELECT count(*) FROM limits.adjustment_log WHERE action <> 0
                         AND (limit_after_minor - limit_before_minor) * 10000 >= %s * limit_before_minor
                         AND (limit_after_minor - limit_before_minor) * 10000 < %s * limit_before_minor"""
            assert conn.execute(text.encode(), (low, high)).fetchone() == (users,)
        largest = conn.execute(
            """SELECT max(change), min(change)
                 FROM limits.adjustment_log l,
                      LATERAL (SELECT coalesce(proposed_minor, limit_after_minor) - limit_before_minor AS change) c"""
        ).fetchone()
        assert largest is not None
        up = [one.change_minor for one in found.movers if one.change_minor > 0]
        down = [one.change_minor for one in found.movers if one.change_minor < 0]
        assert up == sorted(up, reverse=True) and down == sorted(down)
        assert (up[0] if up else 0, down[0] if down else 0) == (max(largest[0], 0), min(largest[1], 0))
    site = Site(reviewed_copy, settings)
    for who in (site.person("risk"), site.person("auditor")):
        shown = text_of(who.get(f"/reviews/{row.review_id}"))
        assert "Binding ceilings" in shown and f"{row.users_total}" in shown
    assert site.person("auditor").get(f"/reviews/{row.review_id}/figures").headers["x-live"] == "over"


def test_charts_of_a_large_review_are_counted_after_its_page(
    reviewed_copy: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limits.console.reviews.pages.AT_ONCE", 1)
    asked: list[int] = []
    real = spread.of_review
    monkeypatch.setattr(
        "limits.store.spread.of_review", lambda conn, row: asked.append(row.review_id) or real(conn, row)
    )
    risk = Site(reviewed_copy, settings).person("risk")
    page = risk.get("/reviews/1")
    assert 'data-live="/reviews/1/figures"' in page.text and not asked
    assert "Largest changes" in text_of(risk.get("/reviews/1/figures")) and asked == [1]
    assert "Largest changes" in text_of(risk.get("/reviews/1"))
    assert risk.ask("/v1/reviews/1").json()["reasons"] and asked == [1], "entries of a review that is over never change"


def test_the_list_is_filtered_by_its_address(site: Site, held: int, database: Database, settings: Settings) -> None:
    engine.request_review(database, settings, as_of=builders.AS_OF, actor="Ann", schedule="x & y", policy="standard")
    risk = site.person("risk")

    def ids(filters: str) -> list[int]:
        return [one["review_id"] for one in risk.ask(f"/v1/reviews?{filters}").json()["items"]]

    assert (ids(""), ids("state=held"), ids("schedule=x+%26+y"), ids("state=done")) == (
        [held + 1, held],
        [held],
        [held + 1],
        [],
    )
    page = risk.get("/reviews?schedule=x+%26+y&state=owed")
    assert f'href="/reviews/{held + 1}"' in page.text and f'href="/reviews/{held}"' not in page.text
    assert risk.ask("/v1/reviews?schedule=a%00b").status_code == 422
    assert risk.ask("/v1/reviews?state=x").status_code == 422
    first = risk.ask("/v1/reviews?limit=1").json()
    assert [one["review_id"] for one in risk.ask(f"/v1/reviews?cursor={first['next']}").json()["items"]] == [held]


def test_the_kill_switch(site: Site, conn: Connection, held: int) -> None:
    ops = site.person("operations", actor="Ann")
    assert "Engage the kill switch" in text_of(ops.get("/kill-switch"))
    on = ops.write("/v1/kill-switch", {"engaged": True, "reason": "limits go wrong"})
    assert (on.json()["engaged"], on.json()["changed"], on.json()["actor"]) == (True, True, "Ann")
    assert ops.write("/v1/kill-switch", {"engaged": True, "reason": "again"}).json()["changed"] is False
    for address in ("/reviews", f"/reviews/{held}", "/kill-switch"):
        for who in (ops, site.person("auditor")):
            assert "The kill switch is engaged: nothing is applied. By Ann" in text_of(who.get(address)), address
    assert "Let limits be applied again" not in ops.get("/reviews").text, "not by who engaged it"
    own = ops.write("/v1/kill-switch", {"engaged": False, "reason": "x"})
    assert own.status_code == 409 and "engaged by Ann, so somebody else" in own.json()["detail"]
    bo = site.person("approver", actor="Bo")
    assert "Let limits be applied again" in bo.get("/reviews").text
    assert bo.post("/kill-switch", {"engaged": "no", "reason": "mended"}).status_code == 303
    assert not gates.switch(conn).engaged
    turns = site.person("auditor").ask("/v1/kill-switch").json()["turns"]
    assert [(turn["actor"], turn["engaged"]) for turn in turns] == [("Bo", False), ("Ann", True)]
    for wrong in ({"engaged": "perhaps", "reason": "x"}, {"engaged": True, "reason": ""}, {"engaged": True}):
        assert ops.write("/v1/kill-switch", wrong).status_code == 422, wrong
