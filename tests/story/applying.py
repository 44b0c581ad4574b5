"""Chapter 1: four people apply; one submits twice, one never; a return unlocks two parts."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from app.domain.workflow import STATE_LABELS, State
from tests.story.browser import Browser, Filling, Page
from tests.story.files import make_pdf, make_png
from tests.story.words import say
from tests.story.world import Draft, Person, World, must

SERIES = "工程技术（含建筑类“以考代评”）"
COMMITTEE = "贵州省工程系列建筑专业高级职称评审委员会（演示）"
CHOICES = {
    "王敏": ("建筑设计", "高级工程师"),
    "李强": ("建筑结构", "正高级工程师"),
    "陈晨": ("建筑施工", "高级工程师"),
    "孙悦": ("建筑设计", "高级工程师"),
}
ROUTE = ("南明区住房和城乡建设局", "南明区人力资源和社会保障局", "贵阳市人力资源和社会保障局")
OPTIONAL = ("other", "practice_certificate")
NUMBER = re.compile(r"2022-\d{8}")


def label(state: State) -> str:
    """A state as pages name it."""
    return say(STATE_LABELS[state])


def tell(world: World) -> None:
    """From 3 August to the close of the window."""
    _look_around(world)
    _refuse_the_past(world)
    for name in CHOICES:
        _begin(world, name)
    _fill_in(world, "王敏")
    _check(world)
    _submit_twice(world)
    with ThreadPoolExecutor(2) as both:
        for others in both.map(lambda name: _complete(world, name), ("李强", "陈晨")):
            must(others is None, "")
    for name in ("李强", "陈晨"):
        _submit(world, name)
    _stay_out(world)


def _look_around(world: World) -> None:
    with world.step("public", "reads plan, call, publicity and results") as step:
        browser = world.browser("")
        for address in ("/healthz", "/readyz", "/login/", "/public/results"):
            browser.get(address)
        browser.get("/public/").must_show("2022")
        browser.get("/public/publicity")
        page = browser.get("/public/calls").must_show("建筑专业高级职称")
        browser.get(page.link("/public/calls/", "建筑专业高级")).must_show("2022-08-05")
        step.result = "8 pages"


def _refuse_the_past(world: World) -> None:
    with world.step("system_admin", "the clock never goes back") as step:
        said = world.instance.portal("rehearsal", "set", "2022-08-01T00:00")
        must(said.returncode == 1, f"exit {said.returncode}: {said.stdout}")
        browser = world.browser("sysadmin")
        page = browser.get("/rehearsal/")
        form = page.form("/rehearsal/set", field="at").fill(at="2022-08-01T00:00")
        browser.send(form, expect=422, refused=True)
        step.result = "exit 1; 422"


def _begin(world: World, name: str) -> None:
    person = world.person(name)
    with world.step("applicant", f"{name} signs in and starts an application") as step:
        browser = world.browser(name)
        browser.get("/").must_show(name)
        must(browser.page.path == "/my/", f"the first page is {browser.page.path}", browser.page)
        browser.click("/my/new/")
        specialty, title = CHOICES[name]
        browser.click("category=", SERIES)
        form = browser.page.form("/my/new/", field="specialty").choose("specialty", specialty)
        browser.send(form.fill(kind="regular"))
        page = browser.click("level=", title)
        if name == "王敏":
            page.must_show(*ROUTE)
        page = browser.send(page.form("/my/new/", field="committee", near=COMMITTEE))
        number = _number(page)
        key = page.path.rstrip("/").rsplit("/", 1)[-1]
        world.drafts[name] = Draft(person, number, page.path, key)
        step.result = number


def _number(page: Page) -> str:
    found = NUMBER.search(page.main.text)
    must(found, "the page shows no application number", page)
    assert found is not None
    return found[0]


def _fill_in(world: World, name: str) -> None:
    with world.step("applicant", f"{name} fills in every part, uploads the proofs") as step:
        parts, files = fill_in(world.browser(name), world.drafts[name])
        step.result = f"{parts} parts, {files} files"


def fill_in(browser: Browser, draft: Draft) -> tuple[int, int]:
    """Fill in each part from the task list, one after the other; how many parts and files."""
    page = browser.get(draft.mine)
    parts = _addresses(page.links("/sections/"))
    files = 0
    page = browser.get(parts[0])
    for place in parts:
        if page.path != browser_path(place):
            page = browser.get(place)
        form = _fill_part(page, draft)
        files += len(form.files)
        page = browser.send(form, button="next")
    return len(parts) + 1, files + _upload_materials(browser, draft)


def fill_gaps(browser: Browser, draft: Draft) -> None:
    """Fill in only what the pre-check names, by following its links."""
    page = browser.get(f"{draft.mine}check/")
    missing = page.root.by_class("error-summary")
    must(missing, "the pre-check of an empty draft refuses nothing", page)
    links = [e.attrs.get("href", "") for e in missing[0].find_all("a")]
    for place in _addresses([link for link in links if "/sections/" in link]):
        browser.send(_fill_part(browser.get(place), draft), button="next")
    _upload_materials(browser, draft)


def _addresses(links: list[str]) -> list[str]:
    return list(dict.fromkeys(link.split("#")[0] for link in links))


def _fill_part(page: Page, draft: Draft) -> Filling:
    form = page.form("/sections/", field="content_version")
    _attach(form, draft)
    if "current_field" in form.form.names():
        form.fill(current_field=CHOICES[draft.person.name][0])
    return form


def _upload_materials(browser: Browser, draft: Draft) -> int:
    form = browser.get(f"{draft.mine}materials/").form("/materials/")
    count = _attach(form, draft, required_only=True)
    browser.send(form, button="next")
    return count


def browser_path(address: str) -> str:
    """The path of an address."""
    return urlsplit(address).path


def _attach(form: Filling, draft: Draft, *, required_only: bool = False) -> int:
    count = 0
    for control in form.form.controls:
        if control.kind != "file" or control.is_disabled:
            continue
        if required_only and control.name in OPTIONAL:
            continue
        if _stands_in_a_blank_row(form, control.name):
            continue
        takes_pdf = "pdf" in control.accept
        name = f"{control.name}.{'pdf' if takes_pdf else 'png'}"
        kind = "application/pdf" if takes_pdf else "image/png"
        content = (
            make_pdf(f"{draft.number} {control.name}")
            if takes_pdf
            else make_png(int(draft.key) * 7 % 256)
        )
        form.upload(control.name, (name, content, kind))
        count += 1
    return count


def _stands_in_a_blank_row(form: Filling, name: str) -> bool:
    head, _dot, _column = name.rpartition(".")
    entered = [
        value
        for field, value in form.values
        if field.startswith(f"{head}.") and not field.endswith(".row_id")
    ]
    return bool(head) and not any(entered)


def _check(world: World) -> None:
    draft = world.drafts["王敏"]
    with world.step("applicant", "王敏 reads the pre-check: nothing is missing") as step:
        page = world.browser("王敏").get(f"{draft.mine}check/")
        must(not page.root.by_class("error-summary"), "the pre-check refuses", page)
        page.must_show("黔中山地小学绿色校舍设计", "王敏")
        step.result = "no refusal"


def _submit_twice(world: World) -> None:
    draft, browser = world.drafts["王敏"], world.browser("王敏")
    with world.step("applicant", "王敏 submits with a double click: one application") as step:
        form = browser.page.form("/submit", field="pledged").fill(pledged=True)
        first = browser.send(form)
        second = browser.send(form)
        must(first.path == second.path, f"second click led to {second.path}", second)
        receipt = f"{draft.number}-01"
        second.must_show(receipt).must_not_show(f"{draft.number}-02")
        step.result = f"receipt {receipt}"
    with world.step("applicant", "王敏 downloads the receipt; it can be checked") as step:
        must_be_pdf(browser.click(".pdf"))
        world.browser("").get(f"/public/receipt/{draft.number}-01").must_not_show("王敏")
        step.result = "PDF and open check"
    with world.step("applicant", "王敏 cannot change it any more, nor begin another") as step:
        browser.get(f"{draft.mine}sections/profile", expect=409)
        page = browser.get("/my/")
        page.must_show(draft.number, label(State.IN_EMPLOYER_CHECK))
        step.result = "409"


def must_be_pdf(page: Page) -> None:
    """Fail unless the answer is a PDF."""
    must(page.media_type.startswith("application/pdf"), f"it is {page.media_type}", page)
    must(page.content.startswith(b"%PDF-") and b"%%EOF" in page.content[-64:], "no whole PDF", page)


def _complete(world: World, name: str) -> None:
    fill_gaps(world.browser(name), world.drafts[name])


def _submit(world: World, name: str) -> None:
    draft = world.drafts[name]
    with world.step("applicant", f"{name} fills in and submits") as step:
        browser = world.browser(name)
        page = browser.get(f"{draft.mine}check/")
        page = browser.send(page.form("/submit", field="pledged").fill(pledged=True))
        page.must_show(f"{draft.number}-01")
        step.result = f"receipt {draft.number}-01"


def _stay_out(world: World) -> None:
    draft = world.drafts["王敏"]
    with world.step("others", "others reach nothing of it: 404, sign-in, 403") as step:
        world.browser("孙悦").get(draft.mine, expect=404)
        anonymous = Browser(world.instance.url)
        anonymous.get(draft.mine, expect=302)
        must("/login/" in anonymous.page.headers.get("Location", ""), "no way to sign in")
        foreign = world.browser("nmschool")
        page = foreign.get(f"/applications/show/{draft.key}", expect=None)
        must(page.status == 404, f"another unit got {page.status}", page)
        page.must_not_show("王敏")
        step.result = "404, 302, 404"


__all__ = ["CHOICES", "COMMITTEE", "Person", "fill_in", "label", "must_be_pdf", "tell"]
