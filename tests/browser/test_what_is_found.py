"""The tests of pages find what is wrong with a page: each of it, on a page that is made wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route

from limits.console.guard import POLICY
from tests.browsing import Watch, check_page, tab_to

pytestmark = pytest.mark.browser

ADDRESS = "http://console.test"
GOOD = "<!doctype html><html lang=en><title>A page</title><main><h1>A page</h1><button>Press</button>{}</main></html>"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    made = browser.new_page()
    yield made
    made.close()


def show(page: Page, more: str, status: int = 200) -> list[str]:
    """What is found wrong with a page that the console would send."""
    watch = Watch(page, ADDRESS)

    def answer(route: Route) -> None:
        own = route.request.url == f"{ADDRESS}/page"
        headers = {"content-security-policy": POLICY, "content-type": "text/html"}
        route.fulfill(status=status if own else 404, headers=headers, body=GOOD.format(more) if own else "")

    page.route("**/*", answer)
    page.goto(f"{ADDRESS}/page")
    page.wait_for_timeout(100)
    return watch.troubles


def test_a_good_page_is_good(page: Page) -> None:
    assert show(page, "<p>All is well.</p>", status=409) == []
    check_page(page, "good", keep=False)
    tab_to(page, "Press")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("<script>1</script>", "Content Security Policy"),
        ('<p style="color: red">x</p>', "Content Security Policy"),
        ('<script src="/gone.js"></script>', "404 for http://console.test/gone.js"),
        ('<img alt="" src="https://elsewhere.example/x.png">', "asks another place: https://elsewhere.example/"),
    ],
)
def test_what_a_browser_says_is_found(page: Page, more: str, says: str) -> None:
    assert any(says in trouble for trouble in show(page, more))


def test_an_answer_that_failed_is_found(page: Page) -> None:
    assert show(page, "", status=500) == ["500 for http://console.test/page"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("<input>", "label \\(critical\\)"),
        ('<img src="data:,">', "image-alt \\(critical\\)"),
        ('<p id="wide">' + "x" * 3000 + "</p>", "pixels wider than the window"),
    ],
)
def test_what_people_could_not_use_is_found(page: Page, more: str, says: str) -> None:
    show(page, more)
    with pytest.raises(AssertionError, match=says):
        check_page(page, "bad", keep=False)


def test_what_the_keyboard_does_not_reach_is_found(page: Page) -> None:
    show(page, '<button tabindex="-1">Hidden</button>')
    with pytest.raises(AssertionError, match="Tab does not lead to 'Hidden'"):
        tab_to(page, "Hidden", most=4)
