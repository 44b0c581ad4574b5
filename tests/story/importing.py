"""Chapter: a unit creates its people's accounts from Excel, corrects what was wrong, exports."""

from __future__ import annotations

import json
import time

from tests.sheets import cells, person, workbook
from tests.story.browser import Browser, Page
from tests.story.words import say
from tests.story.world import World, must

UNIT = "gyhousing"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ENDED = {"waiting_for_confirmation", "done", "failed", "cancelled"}
PATIENCE = 60
GOOD, BAD = (7001, 7002, 7003), (7004, 7005)


def tell(world: World) -> None:
    """Template, dry run with two wrong rows, creation, the corrected rows, export and back."""
    browser = world.browser(UNIT)
    with world.step("unit_admin", "downloads the template of the personal accounts") as step:
        browser.get("/imports/")
        head = cells(browser.click("/imports/template/people").content)[0]
        must("证件号码*" in head, f"the template has the columns {head}")
        step.result = f"{len(head)} columns"

    rows = [person(serial) for serial in (*GOOD, *BAD)]
    rows[3]["手机号码*"] = "1380000"
    rows[4]["证件号码*"] = 5.20103199101e17
    with world.step(
        "unit_admin", "uploads three good and two wrong rows; nothing is written"
    ) as step:
        page = _upload(browser, workbook(rows, head))
        page.must_show("批量7004", "批量7005", "尚未写入任何数据")
        must(_tally(page) == [3, 0, 0, 2], f"the page counts {_tally(page)}", page)
        must(not _accounts(browser, "批量7001"), "an account exists before the confirmation")
        step.result = "3 new, 2 with problems"

    check = page.address
    with world.step("unit_admin", "downloads the two failing rows with their reasons") as step:
        browser.get(check)
        table = cells(browser.click("/errors").content)
        must([row[-2] for row in table[1:]] == ["5", "6"], f"the error file holds {table}")
        step.result = table[1][-1][:40]

    with world.step("unit_admin", "declares and creates the three accounts") as step:
        page = _confirm(browser, check)
        must(_tally(page) == [3, 0, 0, 2], f"the page counts {_tally(page)}", page)
        must(_accounts(browser, "批量7001"), "the account is not in the list")
        step.result = "3 created"

    with world.step("unit_admin", "takes the activation codes, once") as step:
        browser.get(check)
        sheet = browser.send(browser.page.form("/imports/codes"))
        codes = [row[3] for row in cells(sheet.content, say("Activation codes"))[1:]]
        must(len({code for code in codes if code}) == 3, f"{len(codes)} codes")
        must(not browser.get(check).has_form("/imports/codes"), "the codes are offered again")
        step.result = "3 codes"

    with world.step("unit_admin", "corrects the error file and uploads it again") as step:
        corrected = [dict(zip(table[0], row, strict=True)) for row in table[1:]]
        for row, serial in zip(corrected, BAD, strict=True):
            row.update(person(serial))
        page = _upload(browser, workbook(corrected, table[0]))
        must(_tally(page) == [2, 0, 0, 0], f"the page counts {_tally(page)}", page)
        _confirm(browser, page.address)
        step.result = "2 created"

    with world.step(
        "unit_admin", "exports the accounts, masked, and imports the file again"
    ) as step:
        browser.get("/exports/new")
        browser.send(browser.page.form(field="kind").fill(kind="personal"))
        _wait(browser, browser.page.address.rsplit("/", 1)[-1])
        export = browser.get(browser.page.address.replace("/progress/", "/show/")).link("/result")
        content = browser.get(export).content
        shown = str(cells(content))
        must(person(7001)["证件号码*"] not in shown, "the export shows a full number")
        page = _upload(browser, content)
        tally = _tally(page)
        must(tally[0] == tally[2] == tally[3] == 0 < tally[1], f"the page counts {tally}", page)
        must(not page.has_form("/imports/confirm"), "there is something to confirm")
        step.result = f"{tally[1]} unchanged"


def _upload(browser: Browser, content: bytes) -> Page:
    """Upload a file and wait until its rows are checked."""
    browser.get("/imports/new/people")
    filling = browser.page.form(field="file").upload("file", ("名单.xlsx", content, XLSX))
    return _look(browser, browser.send(filling).address)


def _confirm(browser: Browser, address: str) -> Page:
    browser.get(address)
    browser.send(browser.page.form("/imports/confirm").fill(declared=True))
    return _look(browser, address)


def _look(browser: Browser, address: str) -> Page:
    """The page of an import once its job has ended or waits."""
    address = address.partition("?")[0]
    _wait(browser, address.rsplit("/", 1)[-1])
    return browser.get(address)


def _wait(browser: Browser, job: str) -> None:
    """Ask for the progress as the page does, until the job no longer moves."""
    until = time.monotonic() + PATIENCE
    state = ""
    while state not in ENDED:
        must(time.monotonic() < until, f"background job {job} is still {state}", browser.page)
        state = json.loads(browser.get(f"/jobs/progress/{job}").content)["state"]
        time.sleep(0.3)
    must(state != "failed", f"background job {job} failed", browser.get(f"/jobs/show/{job}"))


def _tally(page: Page) -> list[int]:
    """New, unchanged, changed, failing, as the page counts them."""
    [box] = page.main.by_class("tally")
    return [int(found.text) for found in box.find_all("dd")]


def _accounts(browser: Browser, name: str) -> bool:
    """Whether the list of accounts finds a name."""
    browser.get("/accounts/list/")
    page = browser.send(browser.page.form("/accounts/search").fill(term=name))
    return bool(page.rows(name))
