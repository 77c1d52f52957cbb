"""The way in, and what every page has: sign-in by a link, keys, colours, a phone's width."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browsing import check_page, focused, tab_to

pytestmark = pytest.mark.browser


def test_a_link_signs_in_once(visit: Callable[[], Page], link: Callable[..., str]) -> None:
    address = link("risk", actor="Bo Chen")
    page = visit()
    page.goto("/sign-in")
    check_page(page, "sign-in")
    page.goto(address)
    check_page(page, "sign-in-by-link")
    page.keyboard.press("Enter")  # the button has the focus
    expect(page).to_have_url(f"{address.partition('/sign-in')[0]}/reviews")
    expect(page.get_by_text("Bo Chen")).to_be_visible()

    second = visit()
    second.goto(address)
    expect(second.get_by_role("alert")).to_contain_text("This link was used before")
    second.goto("/reviews")
    expect(second).to_have_url(f"{address.partition('/sign-in')[0]}/sign-in")

    page.get_by_role("button", name="Sign out").click()
    page.goto("/reviews")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_every_place_is_reached_by_keys(sign_in: Callable[..., Page]) -> None:
    page = sign_in("risk")
    page.goto("/reviews")
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null"), "the way through the console is skipped"
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")

    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_be_visible()
    expect(keys).to_contain_text("next and previous row")
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()

    page.keyboard.press("j")
    first = focused(page)
    page.keyboard.press("j")
    assert focused(page) != first
    page.keyboard.press("k")
    assert focused(page) == first
    page.keyboard.press("/")
    assert focused(page) == "schedule"
    page.keyboard.type("gr")  # in a field, keys are letters
    expect(page.get_by_label("Schedule", exact=True)).to_have_value("gr")
    page.keyboard.press("Escape")
    page.goto("/nowhere")
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Reviews", exact=True)).to_be_visible()
    tab_to(page, "Sign out")


def test_the_list_of_reviews_is_for_everybody_to_read(sign_in: Callable[..., Page]) -> None:
    page = sign_in("auditor")
    page.goto("/reviews")
    expect(page.get_by_role("cell", name="held")).to_be_visible()
    check_page(page, "reviews")


def test_what_is_not_there_says_so(sign_in: Callable[..., Page]) -> None:
    page = sign_in("admin")
    page.goto("/nowhere")
    expect(page.get_by_role("alert")).to_be_visible()
    check_page(page, "problem")
    page.goto("/reviews")
    expect(page.get_by_role("alert")).to_contain_text("this needs the role")
