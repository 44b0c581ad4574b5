"""The committee's side: reading room, ballot, desk, results; what is final asks first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser import journey
from tests.browser.test_menus import see_at_both_widths
from tests.browser.window import DESK, Shoot, Window
from tests.story.world import World

pytestmark = pytest.mark.browser

BARE_VIEWER = "#toolbar=0&navpanes=0"
CERTIFICATE = {"x": 79, "y": 3, "width": 1122, "height": 792}
"""Where the viewer puts the page: A4 across in the middle of the window."""
DRAWN = 40_000
"""Bytes of a picture of the certificate; an empty page has a tenth."""
OPEN_DIALOG = "dialog#portal-confirm[open]"
PAGES = {
    "office_building_senior": ("/meetings/show/{running}", "/meetings/plan"),
    "office_building_intermediate_guiyang": (
        "/meetings/show/{meeting}",
        "/results/meeting/{meeting}",
        "/result-filings/show/{filing}",
    ),
    "guiyang": ("/result-filings/show/{filing}", "/certificates/show/{certificate_key}"),
    "supervisor": ("/meetings/record/{running}",),
    "chair": ("/meetings/desk/{running}",),
    "expert": (
        "/expert/meeting/{running}",
        "/expert/application/{running}/{application}",
        "/expert/ballot/{item}",
    ),
}


@pytest.mark.parametrize("who", PAGES)
def test_pages_of_a_meeting_fit_desk_and_phone(
    who: str, season: dict[str, Any], window: Window, world: World
) -> None:
    journey.enter_as(window, world, season.get(who, who))
    for address in PAGES[who]:
        see_at_both_widths(window, address.format(**season))


def test_ballot_asks_before_it_is_cast_and_escape_takes_it_back(
    season: dict[str, Any], window: Window, world: World
) -> None:
    journey.enter_as(window, world, season["expert"]).resize(DESK)
    window.open(f"/expert/ballot/{season['item']}")
    window.click(window.find("input[name=choice][value=yes]"))
    button = window.find("main button[data-confirm]")
    window.click(button)
    assert window.find(OPEN_DIALOG).text.count(button.get_attribute("data-confirm") or "?") == 1
    window.click(window.find(f"{OPEN_DIALOG} button[value=cancel]"))
    window.until(lambda _driver: not window.find_all(OPEN_DIALOG))
    window.click(button)
    window.find(OPEN_DIALOG)
    journey.type_keys(window, journey.Keys.ESCAPE)
    window.until(lambda _driver: not window.find_all(OPEN_DIALOG))
    assert window.find_all("input[name=choice]"), "it was cast"
    window.click(button)
    window.press(f"{OPEN_DIALOG} button[value=ok]")
    window.open(f"/expert/ballot/{season['item']}")
    assert not window.find_all("input[name=choice]"), "it can be cast again"


def test_certificate_can_be_checked_by_everybody(season: dict[str, Any], window: Window) -> None:
    window.leave()
    see_at_both_widths(window, f"/public/verify/{season['certificate']}")
    assert window.find(".verdict-ok")
    assert season["certificate"] in window.text


def test_certificate_is_shown_by_the_browser(
    season: dict[str, Any], window: Window, world: World, shoot: Shoot
) -> None:
    journey.enter_as(window, world, "guiyang").resize(DESK)
    window.driver.get(f"{window.url}/certificates/pdf/{season['certificate_key']}{BARE_VIEWER}")
    window.until(lambda _driver: len(window.picture(CERTIFICATE)) > DRAWN)
    shoot("certificate", CERTIFICATE)
