"""Every page of the matrix: nothing goes wrong in the browser, and axe finds nothing serious."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from limits.store.db import Connection
from tests.browsing import ROOT, check_page

pytestmark = pytest.mark.browser

#: What is asked for as GET and is no page of its own, and why.
NO_PAGE = {
    "/": "leads on to the first place of a person",
    "/changes/{change_id}": "nothing in the world of tests waits for its day or its user yet",
    "/log/export": "a file",
    "/policies/{policy_hash}/text": "a file",
    "/reviews/{review_id}/progress": "a part of the page of a review",
    "/reviews/{review_id}/figures": "a part of the page of a review",
    "/sign-in": "test_way_in.py",
}
#: Numbers and names in addresses, asked of the world.
VALUES = {
    "user_id": "SELECT max(user_id) FROM limits.adjustment_log",
    "review_id": "SELECT min(review_id) FROM limits.reviews WHERE state = 'held'",
    "entry_id": "SELECT max(entry_id) FROM limits.adjustment_log",
    "policy_hash": "SELECT encode(policy_hash, 'hex') FROM limits.reviews WHERE state = 'done' LIMIT 1",
    "approval_id": "SELECT max(approval_id) FROM limits.policy_approvals",
    "override_id": "SELECT max(override_id) FROM limits.overrides WHERE state = 'proposed'",
    "notice_id": "SELECT max(notice_id) FROM limits.notices",
    "model_hash": "SELECT encode(max(model_hash), 'hex') FROM limits.risk_models",
    "name": "SELECT max(schedule) FROM limits.schedules",
}


def pages() -> dict[str, list[str]]:
    found = {}
    for path in sorted((ROOT / "tests" / "routes").glob("*.toml")):
        for name, roles in tomllib.loads(path.read_text("utf-8")).get("pages", {}).items():
            method, _, address = name.partition(" ")
            if method == "GET":
                found[address] = roles
    return found


@pytest.mark.parametrize("route", sorted(pages().keys() - NO_PAGE.keys()))
def test_a_page(route: str, conn: Connection, signed_in: Callable[..., Page]) -> None:
    def value(match: re.Match[str]) -> str:
        if match[1] == "name" and route.startswith("/reports"):
            return "overdue-notices"
        row = conn.execute(VALUES[match[1]].encode()).fetchone()
        if row is None or row[0] is None:
            pytest.fail(f"the world has no {match[1]}: add one to tests/console_world.py")
        return str(row[0])

    page = signed_in(*pages()[route][:1])
    answer = page.goto(re.sub(r"\{(\w+)\}", value, route))
    assert answer is not None and answer.status < 400, page.inner_text("main")
    assert page.locator("h1").count() == 1
    check_page(page, re.sub(r"\W+", "-", route).strip("-"))
