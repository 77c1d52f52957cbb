"""Each person's main way through the console, by keyboard alone, and every page as axe and a phone see it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from limits.store.db import Connection
from tests.browser.conftest import Site
from tests.browsing import check_page, focused, tab_to

pytestmark = pytest.mark.browser


def go(page: Page, key: str, heading: str) -> None:
    """To a place by its key. The place may be where the page is already: a heading alone does not tell that it came."""
    with page.expect_navigation():
        page.keyboard.press("g")
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name=heading, exact=True, level=1)).to_be_visible()


def test_risk_sees_why_a_review_is_held_and_another_person_releases_it(
    site: Site, sign_in: Callable[..., Page], conn: Connection
) -> None:
    number = site.world.held_review
    page = sign_in("risk", "approver", actor="Bo Chen")
    go(page, "r", "Reviews")
    page.keyboard.press("j")
    assert focused(page) == str(number)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Review {number}", level=1)).to_be_visible()
    expect(page.get_by_text("held").first).to_be_visible()
    check_page(page, "review-held")

    tab_to(page, "Release")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    check_page(page, "review-release", views=("light", "phone-dark"))
    dialog.get_by_label("Reason").focus()
    page.keyboard.type("looked at, it is the new salary data")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("released")
    row = conn.execute("SELECT state, stage FROM limits.reviews WHERE review_id = %s", [number]).fetchone()
    assert row is not None and row[0] != "held"


def test_operations_answers_why_tries_what_if_and_recomputes_once(
    site: Site, sign_in: Callable[..., Page], conn: Connection
) -> None:
    user = site.world.decided[0]
    page = sign_in("operations")
    assert focused(page) == "user"  # where operations begin
    page.keyboard.type(str(user))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"User {user}", level=1)).to_be_visible()
    expect(page.get_by_role("heading", name="Why", exact=True)).to_be_visible()
    check_page(page, "user")

    asked = page.locator("form[data-instant]")
    field = asked.locator("input[type=number], input[inputmode=decimal], input[inputmode=numeric]").first
    field.focus()
    page.keyboard.type("50")
    answer = page.locator(f"#{asked.get_attribute('data-into')}")
    expect(answer).to_contain_text("limit", ignore_case=True)
    check_page(page, "user-what-if", views=("light", "phone"))

    tab_to(page, "Recompute", most=120)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Recompute", level=1)).to_be_visible()
    before = _entries(conn, user)
    check_page(page, "recompute", views=("light", "dark"))
    assert _entries(conn, user) == before, "a preview changes nothing"
    page.get_by_label("Reason", exact=False).focus()
    page.keyboard.type("the customer called")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_be_visible()
    assert _entries(conn, user) == before + 1, "the second key does nothing twice"


def test_an_auditor_filters_opens_replays_and_verifies(site: Site, sign_in: Callable[..., Page]) -> None:
    page = sign_in("auditor", actor="Eva Audit")
    go(page, "l", "Adjustment log")
    check_page(page, "log")
    page.goto(f"/log?user={site.world.decided[0]}")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Entry")
    tab_to(page, "Replay")
    page.keyboard.press("Enter")
    expect(page.locator("#replay")).to_contain_text("equal to the log, byte for byte")
    tab_to(page, "Verify")
    page.keyboard.press("Enter")
    expect(page.locator("#proof")).to_contain_text("signed by first")
    check_page(page, "log-entry")
    assert page.get_by_role("button", name="Recompute").count() == 0


def test_a_review_that_is_done_is_told_in_pictures(site: Site, sign_in: Callable[..., Page]) -> None:
    page = sign_in("risk")
    page.goto(f"/reviews/{site.world.done_review}")
    expect(page.get_by_role("img").first).to_be_visible()
    check_page(page, "review-done", views=("light", "phone-dark"))


def _entries(conn: Connection, user: int) -> int:
    row = conn.execute("SELECT count(*) FROM limits.adjustment_log WHERE user_id = %s", [user]).fetchone()
    assert row is not None
    return int(row[0])


def test_a_refused_form_is_found_again_as_it_was_filled_in(site: Site, sign_in: Callable[..., Page]) -> None:
    page = sign_in("operations")
    page.goto(f"/users/{site.world.decided[0]}")
    page.get_by_role("button", name="Propose an override").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Amount").fill("40000")
    dialog.get_by_label("Until").fill("2099-12-31")
    dialog.get_by_label("Reason").fill("as agreed")
    dialog.get_by_role("button", name="Propose").click()
    expect(page.get_by_role("alert")).to_contain_text("a hold has no amount")
    page.get_by_role("button", name="Back").click()
    expect(dialog).to_be_visible()
    expect(dialog.get_by_label("Amount")).to_have_value("40000")
    expect(dialog.get_by_label("Reason")).to_have_value("as agreed")
    page.goto(f"/users/{site.world.decided[0]}")
    expect(dialog).not_to_be_visible()
