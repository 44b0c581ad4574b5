"""Pickers, search and rows, by mouse and by keyboard."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.browser import journey
from tests.browser.window import DESK, Shoot, Window
from tests.story.world import World

pytestmark = pytest.mark.browser

UNIT = "select#unit"
NANMING = "南明区人力资源和社会保障局"


@pytest.fixture
def desk(window: Window, world: World) -> Window:
    """The provincial department at its desk."""
    return journey.enter_as(window, world, "province").resize(DESK)


def picker(window: Window, select: str) -> WebElement:
    """The input of the picker that stands for a select."""
    window.find(f"{select} + .ts-wrapper")
    return window.find(f"{select} + .ts-wrapper input")


def chosen(window: Window, select: str) -> str:
    """The text of what the select behind a picker sends."""
    found: str = window.run(
        "const s = document.querySelector(arguments[0]); return s.selectedOptions[0]?.text ?? ''",
        select,
    )
    return found


def options(window: Window, select: str) -> list[WebElement]:
    """What a picker offers now."""
    return window.find_all(f"{select} + .ts-wrapper .ts-dropdown .option")


def offered(window: Window) -> list[str]:
    """The names the picker offers now; under each stand its code and its place."""
    return [option.text.partition("\n")[0] for option in options(window, UNIT)]


def forget(window: Window) -> None:
    """Leave the form as if nothing had been entered."""
    window.run("document.querySelector('form[data-changed]')?.removeAttribute('data-changed')")


def test_picker_finds_by_name_with_the_mouse(desk: Window) -> None:
    desk.open("/exports/new")
    field = picker(desk, UNIT)
    desk.click(desk.find(f"{UNIT} + .ts-wrapper .ts-control"))
    field.send_keys("南明区人力")
    desk.until(lambda _d: offered(desk) == [NANMING])
    desk.until(lambda _d: options(desk, UNIT)[0].click() or True)
    assert chosen(desk, UNIT) == NANMING
    forget(desk)


def test_picker_finds_by_pinyin_initials_with_the_keyboard(desk: Window) -> None:
    desk.open("/exports/new")
    picker(desk, UNIT)
    journey.tab_to(desk, f"{UNIT} + .ts-wrapper input")
    journey.type_keys(desk, *"nmqrl")
    desk.until(lambda _d: offered(desk) == [NANMING])
    journey.type_keys(desk, Keys.ENTER)
    assert chosen(desk, UNIT) == NANMING
    forget(desk)


def test_picker_chooses_nothing_before_the_answer_is_there(desk: Window) -> None:
    desk.open("/exports/new")
    picker(desk, UNIT)
    journey.tab_to(desk, f"{UNIT} + .ts-wrapper input")
    desk.until(lambda _d: len(options(desk, UNIT)) > 1)
    journey.type_keys(desk, *"nmqrl", Keys.ENTER)
    assert chosen(desk, UNIT) in ("", NANMING)
    desk.until(lambda _d: offered(desk) in ([NANMING], []))
    forget(desk)


def test_picker_says_when_nothing_fits(desk: Window) -> None:
    desk.open("/exports/new")
    field = picker(desk, UNIT)
    desk.click(desk.find(f"{UNIT} + .ts-wrapper .ts-control"))
    field.send_keys("查无此单位")
    desk.until(lambda _d: desk.find_all(f"{UNIT} + .ts-wrapper .no-results"))
    forget(desk)


def test_j_and_k_move_and_enter_opens(desk: Window) -> None:
    desk.open("/units/list/")
    rows = desk.find_all("table[data-rows] tbody tr")
    wanted = rows[1].get_attribute("data-href") or ""
    journey.type_keys(desk, "j", "j", "j", "k")
    assert desk.find("tr.is-current") == rows[1]
    with desk.leaving():
        journey.type_keys(desk, Keys.ENTER)
    assert desk.path == wanted.split("?")[0]


def test_slash_goes_to_the_search(desk: Window) -> None:
    desk.open("/units/list/")
    journey.type_keys(desk, "/")
    field = desk.focused()
    assert field.tag_name == "input"
    journey.type_keys(desk, "j")
    assert field.get_attribute("value") == "j"
    assert not desk.find_all("tr.is-current")


def test_plan_is_shown_as_a_picture(desk: Window, shoot: Shoot) -> None:
    desk.open("/plans/list/").press("main tr[data-href] a")
    desk.show(".card:has(.plan-svg)")
    shoot("plan")


TREE_FOCUS = "return document.activeElement.querySelector('.tree-name')?.textContent ?? ''"
GUIYANG = "贵阳市人力资源和社会保障局"


def focused_unit(window: Window) -> str:
    """The name of the unit of the tree that has the focus."""
    found: str = window.run(TREE_FOCUS)
    return found


def test_the_unit_tree_is_walked_with_the_arrow_keys(desk: Window) -> None:
    desk.open("/unit_tree/")
    journey.tab_to(desk, "li[role=treeitem]")
    top = focused_unit(desk)
    assert top == "贵州省人力资源和社会保障厅"
    for _step in range(20):
        journey.type_keys(desk, Keys.ARROW_DOWN)
        if focused_unit(desk) == GUIYANG:
            break
    row = "document.activeElement.getAttribute('aria-expanded')"
    assert desk.run(f"return {row}") == "false"
    journey.type_keys(desk, Keys.ARROW_RIGHT)
    desk.until(lambda _d: desk.run(f"return {row}") == "true")
    journey.type_keys(desk, Keys.ARROW_RIGHT)
    assert focused_unit(desk) == NANMING
    assert desk.run("return document.activeElement.getAttribute('aria-level')") == "3"
    journey.type_keys(desk, Keys.ARROW_LEFT)
    assert focused_unit(desk) == GUIYANG
    journey.type_keys(desk, Keys.ARROW_LEFT)
    assert desk.run(f"return {row}") == "false"
    journey.type_keys(desk, Keys.HOME)
    assert focused_unit(desk) == top
    journey.type_keys(desk, Keys.END)
    assert focused_unit(desk) not in {top, GUIYANG}
    journey.type_keys(desk, Keys.ENTER)
    desk.until(lambda _d: desk.path.startswith("/units/show/"))
