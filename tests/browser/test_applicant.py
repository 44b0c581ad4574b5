"""An applicant with a phone."""

from __future__ import annotations

import pytest

from tests.browser import journey
from tests.browser.journey import Applied
from tests.browser.window import DESK, Shoot, Window
from tests.story.world import World

pytestmark = pytest.mark.browser

FEWEST_PAGES = 20


def test_home_names_the_window_that_is_open(window: Window, world: World, shoot: Shoot) -> None:
    window.resize(DESK).open("/public/")
    assert "2022-08-05 17:00" in window.text
    shoot("public-home")


def test_applicant_applies_on_a_phone_and_a_double_click_gives_one_receipt(
    applied: Applied,
) -> None:
    assert applied.receipts == [f"{applied.draft.number}-01"]
    assert applied.sections > 10
    assert applied.files > 10


def test_no_page_of_applying_scrolls_sideways_on_a_phone(applied: Applied) -> None:
    assert len(applied.visited) > FEWEST_PAGES
    assert {place.rsplit(" ", 1)[-1] for place in applied.visited} == {"360"}


def test_submitted_content_is_locked(applied: Applied, window: Window, world: World) -> None:
    journey.enter_as(window, world, journey.APPLICANT)
    window.driver.get(f"{window.url}{applied.draft.mine}sections/profile")
    window.check(status=409)
    assert not window.find_all("form[data-autosave]")
