"""Overrides, offers, notices and referrals over the console, and the page of what waits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from limits import engine
from limits.reasons import Reason
from limits.settings import Settings
from limits.store import approvals, pending
from limits.store.db import Connection, Database
from tests import builders, governance, told
from tests.packs import write_pack
from tests.web import Site, text_of

AS_OF = builders.AS_OF
TODAY = dt.datetime.now(dt.UTC).date()
WEEKS = (TODAY + dt.timedelta(days=21)).isoformat()


@pytest.fixture
def site(database: Database, settings: Settings) -> Iterator[Site]:
    made = Site(database, settings)
    yield made
    made.context.close()


# Overrides -----------------------------------------------------------------------------------


def test_an_override_needs_a_second_person(site: Site, conn: Connection) -> None:
    builders.add_user(conn, 1)
    ann = site.person("operations", "approver")
    form = {"kind": "cap", "amount": "15000.50", "expires_on": WEEKS, "reason": "customer asked"}
    sent = ann.post("/users/1/overrides", form, key="click")
    assert (sent.status_code, sent.headers["location"].split("?")[0]) == (303, "/overrides/1")
    again = ann.post("/users/1/overrides", form, key="click")
    assert again.headers["location"] == sent.headers["location"]
    assert len(ann.ask("/v1/overrides").json()["items"]) == 1
    page = text_of(ann.get("/overrides/1"))
    assert "You proposed it: a second person has to approve or refuse it." in page
    # The database refuses the same person, however the name is written; its sentence is shown.
    for actor in ("Ann Lee", " ann  lee "):
        same = site.person("approver", actor=actor).post("/overrides/1/approve", {"reason": "fine"})
        assert (same.status_code, "somebody else has to" in text_of(same)) == (409, True), text_of(same)
    assert site.person("operations").write("/v1/overrides/1/approve", {"reason": "x"}).status_code == 403

    ben = site.person("approver", actor="Ben Okafor")
    assert "Ann Lee proposed it" in text_of(ben.get("/overrides/1"))
    done = ben.write("/v1/overrides/1/approve", {"reason": "seen"}, key="b")
    assert (done.json()["changed"], done.json()["override"]["state"]) == (True, "approved"), done.text
    assert ben.write("/v1/overrides/1/approve", {"reason": "seen"}, key="b").json() == done.json()
    assert ben.write("/v1/overrides/1/approve", {"reason": "seen"}).json()["changed"] is False
    late = ben.write("/v1/overrides/1/refuse", {"reason": "no"})
    assert (late.status_code, "cannot be rejected any more" in late.json()["detail"]) == (409, True)
    found = ann.ask("/v1/overrides?user=1").json()["items"]
    assert [(one["kind"], one["amount_minor"], one["counts_today"]) for one in found] == [("cap", 1_500_050, True)]
    ended = site.person("operations").post("/overrides/1/end", {"reason": "no longer needed"})
    assert (ended.status_code, "is%20ended" in ended.headers["location"]) == (303, True)
    assert "Ended" in text_of(ann.get("/overrides/1"))


def test_overrides_are_paged_and_refused(site: Site, conn: Connection) -> None:
    for user_id in (1, 2, 3):
        builders.add_user(conn, user_id)
    ann, ben = site.person("operations"), site.person("approver", actor="Ben Okafor")
    body = {"kind": "hold", "expires_on": WEEKS, "reason": "moves abroad"}
    for user_id in (1, 2, 3):
        assert ann.write(f"/v1/users/{user_id}/overrides", body).status_code == 200
    first = ann.ask("/v1/overrides?limit=2").json()
    rest = ann.ask(f"/v1/overrides?limit=2&cursor={first['next']}").json()
    assert [[one["user_id"] for one in page["items"]] for page in (first, rest)] == [[1, 2], [3]]
    assert rest["next"] is None
    assert ben.post("/overrides/2/refuse", {"reason": "not now"}).status_code == 303
    assert [one["user_id"] for one in ann.ask("/v1/overrides?state=proposed").json()["items"]] == [1, 3]
    assert "Ben Okafor: not now" in text_of(ann.get("/overrides?state=rejected"))
    wrong = ann.write("/v1/users/1/overrides", body | {"kind": "cap", "amount": "100 EUR"})
    assert (wrong.status_code, "in CNY, not in EUR" in wrong.json()["detail"]) == (409, True)
    far = ann.write("/v1/users/1/overrides", body | {"starts_on": "2000-01-01", "expires_on": "2000-02-01"})
    assert (far.status_code, "at the earliest" in far.json()["detail"]) == (409, True)


# Offers and announced changes ----------------------------------------------------------------


@pytest.fixture
def offer(
    database: Database, settings: Settings, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> int:
    """The number of an offer of 600,000 minor units to user 1, on the day it was made."""
    for module in ("single", "requests", "pending"):
        monkeypatch.setattr(f"limits.engine.{module}.today", lambda: AS_OF)
    builders.add_steady_user(conn, 1, credit_limit=500_000, observed_from=dt.date(2024, 7, 1))
    builders.refresh(conn)
    pack = write_pack(conn, tmp_path, "offers", consent__raises='"offer"')
    engine.recompute(database, settings, 1, reason="review", actor="night", as_of=AS_OF, apply=True, policy=pack)
    (found,) = pending.changes(conn, user_id=1)
    return found.change_id


def test_an_offer_is_accepted_once(site: Site, conn: Connection, offer: int) -> None:
    ann = site.person("operations")
    listed = ann.ask("/v1/changes?user=1").json()["items"]
    assert [(one["change_id"], one["state"], one["proposed_minor"]) for one in listed] == [(offer, "open", 600_000)]
    sent = ann.post(f"/changes/{offer}/accept", {}, key="yes")
    assert sent.status_code == 303, text_of(sent)
    assert "was%20accepted%20and%20the%20limit%20raised" in sent.headers["location"]
    assert ann.post(f"/changes/{offer}/accept", {}, key="yes").headers["location"] == sent.headers["location"]
    again = ann.write(f"/v1/changes/{offer}/accept", {})
    assert (again.status_code, "nothing was done" in again.json()["detail"]) == (409, True)
    assert conn.execute("SELECT limit_minor FROM limits.credit_lines").fetchall() == [(600_000,)]
    assert "offer 1 accepted" in text_of(ann.get(sent.headers["location"]))
    assert ann.ask(f"/v1/changes/{offer}").json()["state"] == "applied"


def test_an_offer_is_declined(site: Site, conn: Connection, offer: int) -> None:
    ann = site.person("operations")
    assert "The user declines" in text_of(ann.get(f"/changes/{offer}"))
    first = ann.post(f"/changes/{offer}/decline", {"reason": "by phone"})
    assert (first.status_code, "is%20declined" in first.headers["location"]) == (303, True)
    again = ann.write(f"/v1/changes/{offer}/decline", {"reason": "by phone"})
    assert (again.json()["repeated"], again.json()["change"]["ended_by"]) == (True, "Ann Lee")
    assert "by phone" in text_of(ann.get("/changes?show=all"))
    assert ann.ask("/v1/changes").json()["items"] == []
    assert conn.execute("SELECT limit_minor FROM limits.credit_lines").fetchall() == [(500_000,)]


# Notices and referrals -----------------------------------------------------------------------


def test_notices_are_listed_and_read(site: Site, conn: Connection) -> None:
    for user_id in (1, 2, 3):
        builders.add_user(conn, user_id)
        told.add_notice(conn, user_id, due_in=5 if user_id < 3 else 100_000)
    ann = site.person("operations")
    first = ann.ask("/v1/notices?limit=1").json()
    rest = ann.ask(f"/v1/notices?cursor={first['next']}").json()
    assert [[one["user_id"] for one in page["items"]] for page in (first, rest)] == [[1], [2, 3]]
    overdue = ann.ask("/v1/notices?overdue=true").json()["items"]
    assert [(one["user_id"], one["state"]) for one in overdue] == [(1, "overdue"), (2, "overdue")]
    assert [one["user_id"] for one in ann.ask("/v1/notices?user=3").json()["items"]] == [3]
    text = ann.ask("/v1/notices/1").json()["text"]
    page = ann.get("/notices/1")
    assert set(text) == {"en", "zh"}
    assert "a payment is past due" in text_of(page)
    assert 'lang="zh"' in page.text


def test_a_referral_is_cleared_by_a_person(site: Site, conn: Connection) -> None:
    for user_id, reason in ((1, Reason.LINKED_FRAUD), (2, Reason.IDENTITY_MISMATCH)):
        builders.add_user(conn, user_id)
        told.add_decision(conn, user_id, bounds={reason: 2_000_000})
    ann = site.person("operations")
    found = ann.ask("/v1/referrals").json()["items"]
    assert [(one["user_id"], one["reason"], one["clearable"]) for one in found] == [
        (1, "linked_fraud", True), (2, "identity_mismatch", False),
    ]  # fmt: skip
    page = ann.get("/referrals")
    assert "Clear user 1" in page.text
    assert "Clear user 2" not in page.text
    sent = ann.post("/users/1/referral/clear", {"reason": "a relative's phone"}, key="c")
    assert sent.status_code == 303
    assert ann.post("/users/1/referral/clear", {"reason": "a relative's phone"}, key="c").status_code == 303
    other = ann.write("/v1/users/2/referral/clear", {"reason": "x"})
    assert (other.status_code, "import corrected users" in other.json()["detail"]) == (422, True)
    assert conn.execute("SELECT user_id, actor, reason FROM limits.fraud_clearances").fetchall() == [
        (1, "Ann Lee", "a relative's phone")
    ]
    assert [one["user_id"] for one in ann.ask("/v1/referrals").json()["items"]] == [2]


# What waits ----------------------------------------------------------------------------------


def test_what_waits_is_told_to_whom_it_concerns(site: Site, conn: Connection) -> None:
    for user_id in range(1, 15):
        builders.add_user(conn, user_id)
        told.add_notice(conn, user_id, due_in=5)
    told.add_decision(conn, 1, bounds={Reason.LINKED_FRAUD: 2_000_000}, as_of=AS_OF + dt.timedelta(days=1))
    builders.add_user(conn, 20)
    told.add_offer(conn, 20, 2_500_000, TODAY + dt.timedelta(days=3))
    builders.add_user(conn, 21)
    told.add_offer(conn, 21, 2_500_000, TODAY + dt.timedelta(days=30))
    ann, ben = site.person("operations"), site.person("approver", actor="Ben Okafor")
    both = site.person("operations", "approver")
    assert ann.write(
        "/v1/users/2/overrides", {"kind": "cap", "amount": "15000 CNY", "expires_on": WEEKS, "reason": "asked"}
    ).status_code == 200  # fmt: skip
    approvals.propose(conn, governance.variant(), role="champion", actor="Cleo", reason="new caps")
    conn.execute(
        """INSERT INTO limits.reviews (kind, schedule, business_date, state, policy_hash, actor, stage)
           SELECT 'scheduled', 'nightly', %s, 'held', policy_hash, 'clock', 'decide' FROM limits.policies LIMIT 1""",
        (AS_OF,),
    )

    def kinds(work: dict[str, object]) -> dict[str, int]:
        return {group["kind"]: group["total"] for group in work["groups"]}  # type: ignore[attr-defined]

    of_ann, of_ben = ann.ask("/v1/work").json(), ben.ask("/v1/work").json()
    assert kinds(of_ann) == {"referral": 1, "notice": 16, "offer": 1, "override": 1}
    assert kinds(of_ben) == {"override": 1, "review": 1, "policy": 1, "referral": 1, "notice": 16, "offer": 1}
    assert [group["kind"] for group in of_ben["groups"][:3]] == ["override", "review", "policy"]
    (proposed,) = of_ann["groups"][-1]["items"]
    assert proposed["words"] == f"cap 15,000.00 CNY for user 2 until {WEEKS}: asked"
    assert (proposed["mine"], proposed["step"], proposed["by"]) == (True, "a second person decides", "Ann Lee")
    (theirs,) = of_ben["groups"][0]["items"]
    assert (theirs["mine"], theirs["step"], theirs["href"]) == (False, "approve or refuse it", "/overrides/1")
    assert {group["kind"]: len(group["items"]) for group in of_ann["groups"]}["notice"] == 10
    page = both.get("/work")
    words = text_of(page)
    for expected in ("16 for operations", "All 16", "nightly", "new caps", "Ann Lee (you)", "a second person decides"):
        assert expected in words, expected
    for address in ('href="/overrides/1"', 'href="/policies"', 'href="/notices?show=overdue"', 'href="/reviews/'):
        assert address in page.text, address


def test_nothing_waits(site: Site) -> None:
    assert "Nothing waits." in text_of(site.person("approver").get("/work"))
    assert site.person("operations").ask("/v1/work").json()["groups"] == []
