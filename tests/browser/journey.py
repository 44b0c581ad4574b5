"""What people do in the browser with one application, from the first page to the node."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from tests.browser.window import DESK, PHONE, Shoot, Window
from tests.story.applying import CHOICES, COMMITTEE, OPTIONAL, SERIES
from tests.story.files import make_pdf, make_png
from tests.story.world import Draft, World

APPLICANT = "王敏"
HANDLER = "刘伟"
NODES = ("nmhousing", "nanming", "guiyang")
SHOWN_WHEN_DONE = 4
"""The picture of the task list is taken after so many sections."""


IS_MARKED = """
return [arguments[0], arguments[0].closest(".ts-control")].filter(Boolean).some((element) => {
  const style = getComputedStyle(element);
  const hasOutline = style.outlineStyle !== "none" && style.outlineWidth !== "0px";
  return hasOutline || style.boxShadow !== "none";
});
"""
CHOOSE = """
const [select, wanted] = arguments;
const option = [...select.options].find((o) => o.value === wanted || o.text.includes(wanted));
if (!option) return false;
if (select.tomselect) select.tomselect.setValue(option.value);
else select.value = option.value;
return true;
"""


@dataclass
class Applied:
    """What came of applying."""

    draft: Draft
    sections: int = 0
    files: int = 0
    receipts: list[str] = field(default_factory=list)
    visited: list[str] = field(default_factory=list)


def enter_as(window: Window, world: World, name: str) -> Window:
    """Sign a demo person in."""
    person = world.person(name)
    return window.sign_in(person.login, person.password)


# --------------------------------------------------------------------------- the applicant


def apply(window: Window, world: World, shoot: Shoot) -> Applied:
    """Apply on a phone, from sign-in to the receipt, the button of submission pressed twice."""
    window.resize(PHONE)
    before = len(window.visited)
    enter_as(window, world, APPLICANT)
    found = Applied(_begin(window, world))
    with TemporaryDirectory(prefix="uploads-") as folder:
        _fill_sections(window, found, Path(folder), shoot)
        _upload_materials(window, found, Path(folder))
    _submit_twice(window, found)
    found.visited = window.visited[before:]
    window.resize(DESK)
    return found


def _begin(window: Window, world: World) -> Draft:
    specialty, title = CHOICES[APPLICANT]
    window.open("/my/").follow("/my/new/").follow("category=", SERIES)
    choose(window, "#specialty", specialty)
    window.press("form[action$='/my/new/'] button[type=submit]")
    window.follow("level=", title)
    cards = [card for card in window.find_all("main .card") if COMMITTEE in card.text]
    window.press(cards[0].find_element("css selector", "button[type=submit]"))
    number = window.find(".page-head-lead").text
    key = window.path.rstrip("/").rsplit("/", 1)[-1]
    draft = Draft(world.person(APPLICANT), number, window.path, key)
    world.drafts[APPLICANT] = draft
    return draft


def choose(window: Window, css: str, text: str) -> None:
    """Choose the entry of a plain drop-down whose text begins so."""
    select = Select(window.find(css))
    texts = [(option.text or "").strip() for option in select.options]
    select.select_by_index(next(i for i, shown in enumerate(texts) if shown.startswith(text)))


def _fill_sections(window: Window, found: Applied, folder: Path, shoot: Shoot) -> None:
    window.open(found.draft.mine)
    links = [link.get_attribute("href") or "" for link in window.find_all("a[href*='/sections/']")]
    sections = list(dict.fromkeys(link.split("#")[0] for link in links))
    for place, address in enumerate(sections):
        if place == SHOWN_WHEN_DONE:
            window.open(found.draft.mine).show(".card:has(.task-list)")
            shoot("apply")
        window.open(address)
        found.files += _attach(window, folder, optional=True)
        if window.find_all("#current_field"):
            window.enter("#current_field", CHOICES[APPLICANT][0])
        window.press("form[data-autosave] button.btn-primary[value=next]")
        assert not window.find_all(".error-summary"), window.text
    found.sections = len(sections)


def _attach(window: Window, folder: Path, *, optional: bool) -> int:
    count = 0
    for control in window.find_all("main input[type=file]"):
        name = control.get_attribute("name") or ""
        if (not optional and name in OPTIONAL) or _is_in_a_blank_row(window, name):
            continue
        takes_pdf = "pdf" in (control.get_attribute("accept") or "")
        file = folder / f"{name}.{'pdf' if takes_pdf else 'png'}"
        file.write_bytes(make_pdf(name) if takes_pdf else make_png(90))
        control.send_keys(str(file))
        count += 1
    return count


def _is_in_a_blank_row(window: Window, name: str) -> bool:
    row, dot, _column = name.rpartition(".")
    if not dot:
        return False
    entered = window.run(
        "return [...document.querySelectorAll(`[name^='${arguments[0]}.']`)]"
        ".filter((e) => e.type !== 'file' && !e.name.endsWith('.row_id') && e.value).length",
        row,
    )
    return not entered


def _upload_materials(window: Window, found: Applied, folder: Path) -> None:
    window.open(f"{found.draft.mine}materials/")
    found.files += _attach(window, folder, optional=False)
    window.press("form[action$='/materials/'] button.btn-primary[value=stay]")
    assert not window.find_all(".error-summary"), window.text


def _submit_twice(window: Window, found: Applied) -> None:
    window.open(f"{found.draft.mine}check/")
    assert not window.find_all(".error-summary"), window.text
    window.click(window.find("#pledged"))
    button = window.find("form[action$='/submit'] button[type=submit]")
    window.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", button)
    with window.leaving():
        ActionChains(window.driver).double_click(button).perform()
    found.receipts = receipts(window, found.draft)


def receipts(window: Window, draft: Draft) -> list[str]:
    """The numbers of the receipts that the applicant's page lists."""
    window.open(draft.mine)
    links = window.find_all("a[href*='/receipt']")
    return [link.text for link in links if link.text.startswith(draft.number)]


def correct(window: Window, world: World, text: str) -> list[str]:
    """Write the one unlocked section anew on a phone, submit with the keyboard alone; receipts."""
    draft = world.drafts[APPLICANT]
    enter_as(window, world, APPLICANT).resize(PHONE)
    window.open(draft.mine).follow("/sections/work_summary")
    window.enter("#work_summary", text)
    window.press("form[data-autosave] button.btn-primary[value=next]")
    window.open(f"{draft.mine}check/")
    tab_to(window, "#pledged")
    type_keys(window, Keys.SPACE)
    tab_to(window, "form[action$='/submit'] button[type=submit]")
    with window.leaving():
        type_keys(window, Keys.ENTER)
    found = receipts(window, draft)
    window.resize(DESK)
    return found


def type_keys(window: Window, *keys: str) -> None:
    """Press keys wherever the focus is."""
    ActionChains(window.driver).send_keys(*keys).perform()


def tab_to(window: Window, css: str, *, most: int = 120) -> None:
    """Press Tab until an element has the focus, which must then be seen."""
    target = window.find(css)
    for _press in range(most):
        type_keys(window, Keys.TAB)
        if window.focused() == target:
            break
    else:
        raise AssertionError(f"{css} cannot be reached with Tab")
    assert window.run(IS_MARKED, target), f"one cannot see that {css} has the focus"


# --------------------------------------------------------------------------- those who handle it


def open_work_item(window: Window, world: World, name: str) -> Window:
    """Open the record page from the work items."""
    enter_as(window, world, name).open("/work/")
    number = world.drafts[APPLICANT].number
    rows = [row for row in window.find_all("tr[data-href]") if number in row.text]
    assert rows, f"{name} has no work item {number}: {window.text}"
    return window.press(rows[0].find_element("css selector", "a"))


def open_record(window: Window, world: World, name: str) -> Window:
    """Open the record page."""
    enter_as(window, world, name)
    return window.open(f"/applications/show/{world.drafts[APPLICANT].key}")


def act(window: Window, world: World, name: str, action: str, **entries: str) -> Window:
    """Perform an action of the record page, with entries in its form by the names of fields."""
    open_record(window, world, name).follow(f"/{action}")
    for field_name, text in entries.items():
        fill(window, field_name, text)
    return submit(window)


def prove_posting(window: Window, world: World, name: str, posted: tuple[str, str]) -> Window:
    """Upload the proof of the posting on site."""
    open_record(window, world, name).follow("/publicities/show/").follow("/publicities/prove/")
    with TemporaryDirectory(prefix="uploads-") as folder:
        file = Path(folder, "proof.pdf")
        file.write_bytes(make_pdf("posted"))
        window.find("main [name=file]").send_keys(str(file))
        fill(window, "posted_from", posted[0])
        fill(window, "posted_to", posted[1])
        return submit(window)


def submit(window: Window) -> Window:
    """Send the form of the page; it must not come back with faults."""
    window.press("main form[method=post] button[type=submit].btn-primary")
    assert not window.find_all(".error-summary, .alert-danger"), window.text
    return window


def fill(window: Window, name: str, text: str) -> None:
    """Fill in a field whatever its kind: a text, a choice, a tick, an instant."""
    control = window.find(f"main [name='{name}']")
    kind = control.get_attribute("type") or ""
    for fold in window.run(
        "return [...document.querySelectorAll('details')].filter((d) => d.contains(arguments[0]))",
        control,
    ):
        window.run("arguments[0].open = true", fold)
    if control.tag_name == "select":
        choose_anywhere(window, name, text)
    elif kind == "radio":
        window.click(window.find(f"main [name='{name}'][value='{text}']"))
    elif kind == "checkbox":
        window.click(control)
    elif kind in ("date", "datetime-local"):
        window.run("arguments[0].value = arguments[1]", control, text)
    else:
        control.clear()
        control.send_keys(text)


def choose_anywhere(window: Window, name: str, text: str) -> None:
    """Choose by text or value, in a plain drop-down or behind a picker."""
    chosen = window.run(
        CHOOSE,
        window.find(f"main [name='{name}']"),
        text,
    )
    assert chosen, f"{name} offers no {text}"


def advance(window: Window, world: World, at: str) -> Window:
    """The provincial department moves the clock on its page."""
    enter_as(window, world, "province").open("/rehearsal/")
    window.run("arguments[0].value = arguments[1]", window.find("#at"), at)
    window.press("form[action$='/rehearsal/set'] button.btn-primary")
    shown = window.find("main time").get_attribute("datetime") or ""
    assert shown.startswith(at), f"the clock shows {shown}"
    return window
