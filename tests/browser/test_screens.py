"""界面配置 in the browser: a first change by mouse, by keyboard alone and without scripts."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.browser import journey
from tests.browser.window import DESK, PHONE, Shoot, Window
from tests.story.world import World

pytestmark = pytest.mark.browser

MOST_ACTIONS = 12
MOST_TABS = 400
FORM = "application_form"
ETHNICITY = "sections/profile/fields/ethnicity"
NAME_OF_FOCUS = """
const e = document.activeElement;
const label = e.labels && e.labels[0] ? e.labels[0].innerText : e.innerText;
return (label || '').trim().split('\\n')[0];
"""


class Hand:
    """Somebody who knows nothing but what stands on the page, and counts what they do."""

    def __init__(self, window: Window) -> None:
        self.window, self.actions = window, 0

    def click(self, label: str) -> None:
        """Click what is called so; what leads to another page is awaited."""
        self.actions += 1
        element = self._named("a, button:not([tabindex='-1']), summary", label)
        if element.tag_name == "summary":
            self.window.click(element)
        else:
            self.window.press(element)

    def write(self, label: str, text: str) -> None:
        """Replace what stands in the field of this label."""
        self.actions += 1
        label_element = self._named("label", label)
        field = self.window.find(f"#{label_element.get_attribute('for')}")
        field.clear()
        field.send_keys(text)

    def _named(self, css: str, label: str) -> WebElement:
        shown = [e for e in self.window.find_all(css) if e.is_displayed()]
        for element in shown:
            if element.text.strip().split("\n")[0].removesuffix(" *").strip() == label:
                return element
        for element in shown:
            if element.text.strip().startswith(label):
                return element
        raise AssertionError(f"nothing on {self.window.path} is called {label}")


TYPED = frozenset({"input", "textarea"})
"""What is written into; a link of the menu may begin with the same word (理由代码)."""


class Keyboard(Hand):
    """The same with keys alone; going on to the next control is no action of its own."""

    def click(self, label: str) -> None:
        self.actions += 1
        element = self._reach(label)
        if element.tag_name == "summary":
            element.send_keys(Keys.ENTER)
            return
        with self.window.leaving():
            element.send_keys(Keys.ENTER)

    def write(self, label: str, text: str) -> None:
        self.actions += 1
        element = self._reach(label, TYPED)
        element.send_keys(Keys.CONTROL, "a")
        element.send_keys(text)

    def _reach(self, label: str, tags: frozenset[str] | None = None) -> WebElement:
        for _step in range(MOST_TABS):
            focused = self.window.focused()
            is_of_kind = tags is None or focused.tag_name in tags
            if is_of_kind and self.window.run(NAME_OF_FOCUS).startswith(label):
                return focused
            ActionChains(self.window.driver).send_keys(Keys.TAB).perform()
        raise AssertionError(f"Tab never comes to {label} on {self.window.path}")


def first_change(hand: Hand, label: str) -> None:
    """Change a label and publish it."""
    hand.click("界面配置")
    hand.click("界面与表单")
    hand.click("职称申报表")
    hand.click("基本信息")
    hand.click("民族")
    hand.write("标签", label)
    hand.click("保存")
    hand.click("发布")
    hand.write("理由", "省厅统一用语")
    hand.click("发布")


@pytest.mark.parametrize("kind", [Hand, Keyboard])
def test_a_first_change_takes_few_actions(
    kind: type[Hand], window: Window, world: World, shoot: Shoot
) -> None:
    journey.enter_as(window, world, "province").resize(DESK).open("/work/")
    hand = kind(window)
    label = f"民族成份（{kind.__name__}）"
    first_change(hand, label)
    assert hand.actions <= MOST_ACTIONS
    assert window.path == f"/screens/versions/history/{FORM}"
    assert f"改为“{label}”" in window.text
    assert "省厅统一用语" in window.text
    shoot(f"screens-history-{kind.__name__}")
    take_back(window)


def take_back(window: Window) -> None:
    """Roll back to the first version, so that the next one begins as this one did."""
    window.open(f"/screens/versions/roll_back/{FORM}/1")
    window.enter("#reason", "取消试行")
    window.press("main form button[type=submit]")
    assert "标签由“民族成份" in window.text


def order(window: Window) -> list[str]:
    return [e.text.split("\n")[0] for e in window.find_all(".outline > li")]


def test_fields_are_moved_by_keys_and_by_dragging(window: Window, world: World) -> None:
    journey.enter_as(window, world, "province").resize(DESK)
    window.open(f"/screens/edit/{FORM}?at={ETHNICITY}")
    before = order(window)
    place = before.index("民族")
    link = window.find(f"[data-item='{ETHNICITY}'] > a")
    with window.leaving():
        link.send_keys(Keys.ALT, Keys.ARROW_UP)
    assert order(window).index("民族") == place - 1
    assert window.run(NAME_OF_FOCUS) == "民族"
    with window.leaving():
        window.focused().send_keys(Keys.ALT, Keys.ARROW_DOWN)
    assert order(window) == before
    source = window.find(f"[data-item='{ETHNICITY}']")
    target = window.find("[data-item='sections/profile/fields/full_name']")
    with window.leaving():
        ActionChains(window.driver).drag_and_drop(source, target).perform()
    assert order(window).index("民族") <= 1
    discard(window)


def discard(window: Window) -> None:
    window.open(f"/screens/edit/{FORM}")
    window.use_scripts(on=False)
    try:
        window.press(f"form[action='/screens/versions/discard/{FORM}'] button")
    finally:
        window.use_scripts(on=True)


def test_everything_works_without_scripts_and_on_a_phone(
    window: Window, world: World, shoot: Shoot
) -> None:
    journey.enter_as(window, world, "province").resize(PHONE)
    window.use_scripts(on=False)
    try:
        window.open(f"/screens/edit/{FORM}?at=sections/profile")
        window.enter("#new-label", "楼层")
        window.press(window.driver.find_element(By.CSS_SELECTOR, ".panel-add button"))
        assert window.find("#p-field-name").get_attribute("value") == "x_lou_ceng"
        window.enter("#p-label_zh", "所在楼层")
        window.press("#panel .form-buttons button")
        window.press("#panel button[value=up]")
        assert "所在楼层" in window.text
    finally:
        window.use_scripts(on=True)
    shoot("screens-editor-phone")
    for width in (PHONE, DESK):
        window.resize(width)
        for page in (
            "/screens/",
            f"/screens/edit/{FORM}",
            f"/screens/edit/{FORM}?at=sections/education/fields/education",
            f"/screens/edit/{FORM}?at=sections/profile/fields/x_lou_ceng",
            "/screens/edit/specialty_collection_form",
            f"/screens/look/{FORM}?role=applicant",
            f"/screens/versions/differences/{FORM}",
            f"/screens/versions/publish/{FORM}",
            f"/screens/versions/history/{FORM}",
        ):
            window.open(page)
            shoot(f"screens{page.replace('/', '-').replace('?', '-')}-{width}")
    assert "新增字段 所在楼层（单行文本）" in text_at(window, f"/screens/versions/publish/{FORM}")
    discard(window)


def text_at(window: Window, page: str) -> Any:
    return window.open(page).text
