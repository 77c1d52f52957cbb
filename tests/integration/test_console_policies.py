"""Policies in the console: read, checked, tried, proposed and decided on; and never read from a path of a stranger."""

from __future__ import annotations

import datetime as dt
import hashlib
import html
import json
from pathlib import Path
from typing import Any

import pytest

from limits import engine
from limits.cli import run
from limits.console.policies import trying
from limits.engine.asking import today
from limits.policy import parse_policy
from limits.settings import Settings
from limits.store import approvals, policies, schedules
from limits.store.db import Connection, Database
from tests import builders, governance
from tests.builders import AS_OF
from tests.governance import variant
from tests.web import Person, Site, text_of

STRICT = variant(share_of_capacity_bps="1000", product='"3500 CNY"', effective_on="2026-03-01")


@pytest.fixture
def site(database: Database, settings: Settings) -> Site:
    return Site(database, settings)


@pytest.fixture
def ann(site: Site) -> Person:
    return site.person("risk")


@pytest.fixture
def ben(site: Site) -> Person:
    return site.person("approver", actor="Ben Orr")


@pytest.fixture
def users(conn: Connection) -> list[int]:
    for user_id in (1, 2, 3):
        builders.add_steady_user(conn, user_id, credit_limit=300_000 * user_id)
    builders.refresh(conn)
    return [1, 2, 3]


def proposed(ann: Person, text: str = STRICT.body, role: str = "champion") -> dict[str, Any]:
    answer = ann.write("/v1/policies/proposals", {"text": text, "role": role, "reason": "fewer raises"})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


# Names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["x.toml", "./x.toml", "folder", "../here/x.toml", "~", ".", "", "standard/../standard"]
)
def test_no_name_from_outside_is_a_path(
    ann: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each of them is a policy that the command line would read."""
    here = tmp_path / "here"
    (here / "folder").mkdir(parents=True)
    for file in (here / "x.toml", here / "folder" / "x.toml"):
        file.write_text(STRICT.body, encoding="utf-8")
    monkeypatch.chdir(here)
    if "x.toml" in name or name == "folder":
        assert policies.read_pack(name)
    for one in (name, str(here / "x.toml"), "/etc/passwd", "../../etc/passwd", "policy.toml\0", "standard\n"):
        pack = {"pack": one}
        answers = [
            ann.write("/v1/policies/diff", {"old": pack, "new": {"pack": "standard"}}),
            ann.write("/v1/policies/diff", {"old": {"pack": "standard"}, "new": pack}),
            ann.write("/v1/policies/simulate", {**pack, "as_of": "2026-06-30"}),
            ann.write("/v1/policies/simulate", {"pack": "standard", "champion": one, "as_of": "2026-06-30"}),
            ann.client.get("/policies/edit", params={"begin": one or "x.toml"}),
        ]
        assert [answer.status_code in (404, 422) for answer in answers] == [True] * 5, (one, answers)
        assert not any("root:" in answer.text or "1000" in answer.text for answer in answers)


def test_a_pack_has_the_name_of_its_folder() -> None:
    assert sorted({one.pack for one in policies.shipped()}) == policies.pack_names()
    assert [one.policy_hash for one in policies.read_shipped("cz")] == [
        one.policy_hash for one in policies.read_pack("cz")
    ]


# Reading ------------------------------------------------------------------------------------


def test_one_policy_by_pack_and_by_hash(ann: Person) -> None:
    standard = policies.read_pack("standard")[-1]
    by_pack = ann.ask("/v1/policies/standard").json()
    assert by_pack == ann.ask(f"/v1/policies/{standard.policy_hash.hex()}").json()
    assert (by_pack["text"], by_pack["shipped"], by_pack["currency"]) == (standard.body, True, "CNY")
    assert [one["state"] for one in by_pack["proposals"]] == ["approved"]
    assert ann.ask("/v1/policies/nowhere").status_code == 404
    unproposed = policies.read_pack("us")[-1]
    begun = ann.get(f"/policies/edit?begin={unproposed.policy_hash.hex()}")
    assert begun.status_code == 200 and 'pack = "us"' in html.unescape(begun.text)


def test_lists_come_in_pages(ann: Person) -> None:
    whole = ann.ask("/v1/policies", params={"limit": 500}).json()["items"]
    assert {one["pack"] for one in whole} > set(policies.pack_names())  # and that of the tests
    for address, key in (("/v1/policies", "policy_hash"), ("/v1/policies/approvals", "approval_id")):
        seen, cursor = [], None
        while True:
            page = ann.ask(address, params={"limit": 5, **({"cursor": cursor} if cursor else {})}).json()
            seen += [one[key] for one in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == [one[key] for one in ann.ask(address, params={"limit": 500}).json()["items"]]
        assert len(seen) == len(set(seen)) > 10


def test_what_decides_today_and_what_may_not(ann: Person, conn: Connection, settings: Settings) -> None:
    for name, pack in (("nightly", "standard"), ("gone", "/nowhere.toml")):
        schedules.add_schedule(conn, name, pack=pack, run_at=dt.time(2), time_zone="UTC", starts_on=dt.date(2026, 1, 1))
    found = {one["schedule"]: one for one in ann.ask("/v1/policies/in-force").json()}
    assert found[None]["policy"]["pack"] == "wide" and found[None]["trouble"] == ""
    assert found["nightly"]["policy"]["pack"] == "standard" and found["nightly"]["trouble"] == ""
    assert found["gone"]["policy"] is None and "nowhere.toml" in found["gone"]["trouble"]
    (standard,) = (one for one in approvals.history(conn, "standard") if one.state == "approved")
    approvals.decide(conn, standard.approval_id, "withdraw", actor="Dora", reason="")
    found = {one["schedule"]: one for one in ann.ask("/v1/policies/in-force").json()}
    assert "approve" in found["nightly"]["trouble"]


def test_mistakes_have_lines_and_mends(ann: Person) -> None:
    text = STRICT.body.replace("horizon_months = ", "horizon_month = ")
    line = 1 + text[: text.index("horizon_month")].count("\n")
    answer = ann.write("/v1/policies/check", {"text": text})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/policy-has-mistakes")
    assert {
        "line": line,
        "what": "unknown key 'capacity.horizon_month'; did you mean 'horizon_months'?",
    } in answer.json()["mistakes"]
    page = ann.post("/policies/edit/check", {"text": text})
    assert page.status_code == 200 and f"Line {line}: unknown key" in text_of(page)
    assert ann.write("/v1/policies/check", {"text": STRICT.body}).json() == STRICT.named


@pytest.mark.parametrize("text", ["", "a\0b", "x" * 70_000, "\udc80", "é" * 40_000])
def test_a_text_that_is_none_is_refused(ann: Person, text: str) -> None:
    for address in ("/v1/policies/check", "/v1/policies/simulate"):
        body = json.dumps({"text": text})
        answer = ann.client.post(
            address, content=body, headers={"x-csrf-token": ann.csrf, "content-type": "application/json"}
        )
        assert answer.status_code == 422


def test_the_difference_is_that_of_the_command_line(
    ann: Person, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "strict.toml"
    file.write_text(STRICT.body, encoding="utf-8")
    assert run(["policy", "diff", "standard", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    answer = ann.write("/v1/policies/diff", {"old": {"pack": "standard"}, "new": {"text": STRICT.body}})
    assert answer.json() == told and len(told["changes"]) == 3
    assert ann.write("/v1/policies/diff", {"old": {}, "new": {"pack": "cz"}}).status_code == 422


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_text_is_downloaded_byte_for_byte_as_its_hash_is_of_it(site: Site, conn: Connection, end: str) -> None:
    """Also what a page or a browser would write otherwise: other line ends, spaces at an end, no last line."""
    text = (STRICT.body + "# \u4fe1\u7528 \u00e9 \t \n\n# no end of a line").replace("\n", end)
    made = parse_policy(text, file="a test")
    number = governance.approve(conn, made)
    digits = made.policy_hash.hex()
    for role in ("risk", "approver", "auditor"):
        person = site.person(role, actor=f"{role} person")
        pages = person.get(f"/policies/{digits}"), person.get(f"/policies/proposals/{number}")
        for page in pages:
            assert digits in text_of(page) and f'href="/policies/{digits}/text" download' in page.text
        for answer in (person.get(f"/policies/{digits}/text"), person.ask(f"/v1/policies/{digits}/text")):
            assert answer.status_code == 200 and hashlib.sha256(answer.content).hexdigest() == digits
            assert answer.headers["content-type"] == "application/toml"
            assert answer.headers["content-disposition"] == (
                f'attachment; filename="standard-2026-03-01-{digits[:12]}.toml"'
            )
    shipped = policies.read_pack("us")[-1].policy_hash.hex()
    assert hashlib.sha256(person.ask(f"/v1/policies/{shipped}/text").content).hexdigest() == shipped
    for name, status in (("0" * 64, 404), (digits[:12], 422), ("standard", 422)):
        assert person.ask(f"/v1/policies/{name}/text").status_code == status
        assert person.get(f"/policies/{name}/text").status_code == status
    assert site.person("operations", "admin").get(f"/policies/{digits}/text").status_code == 403
    assert site.nobody().get(f"/v1/policies/{digits}/text").status_code == 401


# Trying -------------------------------------------------------------------------------------


def test_a_simulation_is_that_of_the_command_line(
    ann: Person, site: Site, users: list[int], database: Database, settings: Settings
) -> None:
    row = engine.request_review(database, settings, as_of=AS_OF, actor="anna")
    engine.work(database, settings, row.review_id, worker="test")
    made = engine.simulating.simulate(database, settings, STRICT, as_of=AS_OF, last=1)
    answer = ann.write("/v1/policies/simulate", {"text": STRICT.body, "as_of": str(AS_OF), "last": 1})
    assert answer.status_code == 200
    assert answer.json() == json.loads(json.dumps(made.as_dict()))
    assert answer.json()["dates"][0]["differing"] > 0
    page = ann.post("/policies/edit/simulate", {"text": STRICT.body, "as_of": str(AS_OF), "last": "1"})
    said = text_of(page)
    assert f"What it would do as of {AS_OF}" in said and "repayment may take 10% of capacity instead of" in said
    assert 'href="/users/1"' in page.text and page.text.count("<svg") == 3


def test_more_than_one_request_can_decide_is_refused_and_the_text_stays(
    ann: Person, users: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "MOST_DECISIONS", 2)
    asked = {"text": STRICT.body, "as_of": str(AS_OF)}
    answer = ann.write("/v1/policies/simulate", asked)
    assert (
        answer.status_code == 422
        and "3 users on 1 dates are 3 to decide, and 2 are possible" in answer.json()["detail"]
    )
    page = ann.post("/policies/edit/simulate", asked)
    assert page.status_code == 200 and "2 are possible at once" in text_of(page)
    assert "share_of_capacity_bps = 1000" in page.text


def test_a_second_simulation_waits_for_its_turn(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "WAIT_SECONDS", 0.01)
    with trying._turn():
        answer = ann.write("/v1/policies/simulate", {"pack": "standard"})
    assert answer.status_code == 503 and answer.json()["type"] == "/problems/simulating-already"
    assert ann.write("/v1/policies/simulate", {"pack": "standard"}).status_code == 200


def test_a_date_that_is_none_or_has_not_come_is_refused(ann: Person) -> None:
    late = str(today() + dt.timedelta(days=3))
    for as_of, status in (("2026-13-01", 422), ("0001-01-01", 422), ("9999-12-31", 422), (late, 409)):
        assert ann.write("/v1/policies/simulate", {"pack": "standard", "as_of": as_of}).status_code == status
    page = ann.post("/policies/edit/simulate", {"text": STRICT.body, "as_of": "soon", "last": "-1"})
    assert page.status_code == 200 and "as_of" in text_of(page)


# Two people ---------------------------------------------------------------------------------


def test_one_proposes_and_another_approves(ann: Person, ben: Person, conn: Connection) -> None:
    # As a browser sends it: with other line ends, and all the same the text that was written.
    sent = ann.post(
        "/policies/proposals",
        {"text": STRICT.body.replace("\n", "\r\n"), "role": "champion", "reason": "fewer raises"},
    )
    address = sent.headers["location"].partition("?")[0]
    (row,) = (one for one in approvals.history(conn) if one.state == "proposed")
    assert (bytes(row.policy_hash), row.maker, address) == (
        STRICT.policy_hash, "Ann Lee", f"/policies/proposals/{row.approval_id}"
    )  # fmt: skip
    page = text_of(ben.get(address))
    assert "repayment may take 10% of capacity instead of" in page and "by Ann Lee" in page and "fewer raises" in page
    assert f"/policies/proposals/{row.approval_id}" in ben.get("/policies").text
    assert f'action="{address}/approve"' in ben.get(address).text
    assert f'action="{address}/approve"' not in ann.get(address).text
    done = ben.post(f"{address}/approve", {"reason": "agreed"})
    assert done.status_code == 303 and "approved" in done.headers["location"]
    row = approvals.get(conn, row.approval_id)
    assert (row.state, row.checker, row.decided_reason) == ("approved", "Ben Orr", "agreed")
    assert approvals.in_force(conn, "standard", dt.date(2026, 3, 1)) == STRICT.policy_hash


def test_nobody_decides_on_what_they_proposed(site: Site, conn: Connection) -> None:
    both = site.person("risk", "approver")
    number = proposed(both)["approval_id"]
    answer = both.write(f"/v1/policies/proposals/{number}/approve", {"reason": "mine"})
    assert answer.status_code == 409 and "somebody else has to" in answer.json()["detail"]
    assert f"{number}/approve" not in both.get(f"/policies/proposals/{number}").text
    assert approvals.get(conn, number).state == "proposed"


def test_a_proposal_is_made_once(ann: Person, conn: Connection) -> None:
    body = {"text": STRICT.body, "reason": "fewer raises"}
    first, again = (ann.write("/v1/policies/proposals", body, key="one") for _ in range(2))
    assert first.json() == again.json() and first.json()["changed"]
    other = ann.write("/v1/policies/proposals", body).json()
    assert (other["approval_id"], other["changed"]) == (first.json()["approval_id"], False)
    assert len([one for one in approvals.history(conn) if one.state == "proposed"]) == 1


def test_rejected_and_withdrawn(ann: Person, ben: Person) -> None:
    number = proposed(ann)["approval_id"]
    rejected = ben.write(f"/v1/policies/proposals/{number}/reject", {"reason": "too strict"}).json()
    assert (rejected["state"], rejected["checker"]) == ("rejected", "Ben Orr")
    number = proposed(ann, role="challenger")["approval_id"]
    ann.post(f"/policies/proposals/{number}/withdraw", {"reason": "a slip"})
    found = ann.ask("/v1/policies/approvals").json()["items"][0]
    assert (found["approval_id"], found["state"], found["withdrawn_by"]) == (number, "withdrawn", "Ann Lee")
    assert "a slip" in text_of(ann.get(f"/policies/{STRICT.policy_hash.hex()}"))
    assert ben.write("/v1/policies/proposals/999999/approve", {"reason": "x"}).status_code == 404
    assert ben.write(f"/v1/policies/proposals/{number}/approve", {"reason": " \n"}).status_code == 422


def test_an_auditor_reads_by_the_auditors_role_and_writes_nothing(site: Site, ann: Person) -> None:
    number, auditor = proposed(ann)["approval_id"], site.person("auditor", actor="Ada")
    for address in ("/policies", f"/policies/proposals/{number}", f"/policies/{STRICT.policy_hash.hex()}"):
        page = auditor.get(address)
        assert page.status_code == 200 and 'method="post" action="/policies' not in page.text
    assert auditor.get("/policies/edit").status_code == 403


def test_a_kept_policy_that_cannot_be_read_any_more_is_shown(ann: Person, conn: Connection) -> None:
    old = STRICT.body + "\n[gone]\nkey = 1\n"
    row = conn.execute(
        "INSERT INTO limits.policies (policy_hash, pack, effective_on, body, actor) "
        "VALUES (sha256(convert_to(%(t)s, 'UTF8')), 'old', '2020-01-01', %(t)s, 'Ann') RETURNING policy_hash",
        {"t": old},
    ).fetchone()
    assert row is not None
    conn.execute("SELECT limits.propose_policy(%s, 'champion', 'Ann', 'long ago')", (row[0],))
    found = ann.ask("/v1/policies/old").json()
    assert (found["text"], found["currency"], found["pack"]) == (old, None, "old")
    assert "'gone'" in found["mistakes"][0]["what"]
    page = ann.get(f"/policies/{row[0].hex()}")
    assert page.status_code == 200 and "unknown key" in text_of(page)
    assert ann.write("/v1/policies/simulate", {"policy_hash": row[0].hex()}).status_code == 422
    file = ann.get(f"/policies/{row[0].hex()}/text")
    assert file.content == old.encode() and 'filename="old-2020-01-01-' in file.headers["content-disposition"]
    number = found["proposals"][0]["approval_id"]
    assert "cannot read its text" in text_of(ann.get(f"/policies/proposals/{number}"))


# Challengers --------------------------------------------------------------------------------


def test_champion_and_challenger_beside_each_other(
    ann: Person, users: list[int], database: Database, settings: Settings, conn: Connection
) -> None:
    assert ann.ask("/v1/challengers/comparison").json() == {"reviews": [], "challengers": [], "failures": []}
    assert "No review had a challenger yet" in text_of(ann.get("/policies/compare"))
    governance.approve(conn, variant(pack="careful", product='"2100 CNY"'), role="challenger")
    row = engine.request_review(database, settings, as_of=AS_OF, actor="anna")
    engine.work(database, settings, row.review_id, worker="test")
    assert [one["pack"] for one in ann.ask("/v1/challengers").json()] == ["careful"]
    (one,) = ann.ask("/v1/challengers/comparison", params={"last": 1}).json()["challengers"]
    assert one["decisions"] == 3 and one["challenger"]["lowered"] > one["champion"]["lowered"]
    page = ann.get("/policies/compare")
    assert "careful of" in text_of(page) and page.text.count("<svg") == 1
    for last in ("0", "101", "x"):
        assert ann.ask("/v1/challengers/comparison", params={"last": last}).status_code == 422
