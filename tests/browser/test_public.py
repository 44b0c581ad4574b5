"""Pages for everybody: at a desk, on a phone, in large type, without scripts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.test_menus import see_at_both_widths
from tests.browser.window import DESK, PHONE, Window
from tests.story.world import World

pytestmark = pytest.mark.browser

PAGES = (
    "/public/",
    "/public/directive",
    "/public/guide",
    "/public/privacy",
    "/public/calls",
    "/public/publicity",
    "/public/results",
    "/public/results/own",
    "/public/verify",
    "/public/verify/own",
    "/public/receipt",
    "/login/",
)


@pytest.fixture
def anybody(window: Window) -> Window:
    """Nobody has signed in."""
    return window.leave().resize(DESK)


@pytest.fixture
def without_scripts(anybody: Window) -> Iterator[Window]:
    """A browser that runs no scripts of pages."""
    anybody.use_scripts(on=False)
    yield anybody
    anybody.use_scripts(on=True)


def test_public_pages_fit_desk_and_phone(anybody: Window) -> None:
    for address in PAGES:
        see_at_both_widths(anybody, address)
    anybody.open("/public/calls").follow("/public/calls/")
    see_at_both_widths(anybody, anybody.path)


def test_public_pages_set_no_session_cookie(anybody: Window) -> None:
    anybody.open("/public/").open("/public/verify")
    assert anybody.driver.get_cookies() == []


def test_large_type_is_one_click_away_and_fits_a_phone(anybody: Window) -> None:
    anybody.resize(PHONE).open("/public/guide")
    size = "return parseFloat(getComputedStyle(document.querySelector('main p')).fontSize)"
    before = anybody.run(size)
    anybody.press(".elder-form button")
    assert anybody.path == "/public/guide"
    assert anybody.run(size) > before
    for address in PAGES:
        anybody.open(address)
    anybody.press(".elder-form button")
    assert not anybody.find_all("html[data-elder]")


def test_public_pages_and_work_items_need_no_scripts(without_scripts: Window, world: World) -> None:
    window = without_scripts
    for address in PAGES:
        window.open(address)
    window.open("/public/verify")
    window.enter("#certificate-number", "2022")
    window.press("main form:has(#certificate-number) button[type=submit]")
    assert window.find(".verdict-none")
    person = world.person("guiyang")
    window.cookies.pop(person.login, None)
    window.sign_in(person.login, person.password).resize(PHONE).open("/work/")
    assert not window.find("#sidebar").is_displayed()
    window.find("[data-sidebar-open]").click()
    window.until(lambda _driver: window.find("#sidebar").is_displayed())
    window.open("/applications/list/")
    filter_bar = window.find("form[data-filter]")
    window.press(filter_bar.find_element("css selector", "button[type=submit]"))
