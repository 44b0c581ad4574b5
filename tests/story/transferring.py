"""Chapter: a unit creates somebody who has an account already; the transfer takes its time."""

from __future__ import annotations

from tests.story.files import make_pdf
from tests.story.staff import notified
from tests.story.words import say
from tests.story.world import World, must

WHO = "何勇"
OLD, NEW = "rhclinic", "gzhospital"
OLD_NAME, NEW_NAME = "茅坪镇卫生院（演示）", "黔山医院（演示）"
DEPARTMENT = "province"
REASON = "已签订劳动合同并缴纳社会保险"
SERIES, TITLE = "卫生技术", "副主任"


def ask(world: World) -> None:
    """On 3 August: the second account is refused, the transfer asked for instead."""
    person = world.person(WHO)
    browser = world.browser(NEW)
    values = {
        "name": WHO,
        "identity_document": "resident_id",
        "identity_number": person.login,
        "phone": "19900000123",
        "applicant_kind": "employee",
        "declared": "y",
    }
    with world.step("unit", f"creates {WHO}, who has an account: the transfer is offered") as step:
        form = browser.get("/accounts/add").form("", field="identity_number").enter(values)
        page = browser.send(form, expect=409, refused=True)
        offer = page.form("", field="identity_number")
        must(
            any("/person-transfers/add" in b.choices[0][0] for b in offer.form.buttons),
            "the page offers no transfer",
            page,
        )
        page.must_not_show(OLD_NAME)
        step.result = "409, offered"
    with world.step("unit", f"asks for the transfer of {WHO} with the contract") as step:
        page = browser.send(offer, button=say("Ask for the transfer"))
        form = page.form("", field="reason").fill(reason=REASON)
        form.upload("proof", ("劳动合同.pdf", make_pdf("contract"), "application/pdf"))
        page = browser.send(form)
        page.must_show(WHO, NEW_NAME).must_not_show(OLD_NAME, person.login)
        world.known["transfer"] = page.path
        step.result = "5 working days"
    with world.step("unit", "the present unit sees it among its work, and does not answer") as step:
        page = world.browser(OLD).get("/work/").must_show(WHO, "2022-08-10 24:00")
        world.browser(OLD).get(world.known["transfer"]).must_show(NEW_NAME, REASON)
        step.result = "due 2022-08-10 24:00"
    with world.step("applicant", f"{WHO} sees it on the own page") as step:
        world.browser(WHO).get("/my/affiliation/").must_show(OLD_NAME, NEW_NAME)
        step.result = f"{notified(world.browser(WHO), NEW_NAME)} notices"


def decide(world: World) -> None:
    """On 12 August: the time is over, the HRSS department above both decides."""
    with world.step("province_hrss", "the time is over; both reasons read, transferred") as step:
        browser = world.browser(DEPARTMENT)
        page = browser.get(world.known["transfer"]).must_show(OLD_NAME, NEW_NAME, REASON)
        page = browser.get(page.link("/person-transfers/decide/"))
        form = page.form("", field="grant")
        form.fill(grant="yes", starts_on="2022-08-12", reason="劳动合同和社保记录属实，准予转入")
        browser.send(form).must_show("2022-08-12")
        step.result = "from 2022-08-12"
    with world.step("unit", f"{WHO} works for the new unit, no longer for the old one") as step:
        account = world.browser(NEW).get("/accounts/list/?psize_AccountView=100").must_show(WHO)
        world.browser(OLD).get("/accounts/list/?psize_AccountView=100").must_not_show(WHO)
        world.browser(NEW).get(account.link("/accounts/show/", WHO) or "").must_show("2022-08-12")
        step.result = "one account"
    with world.step("applicant", f"{WHO} signs in again, applies through the new unit") as step:
        world.browsers.pop(WHO)
        browser = world.browser(WHO)
        browser.get("/my/affiliation/").must_show("2022-08-11", "2022-08-12")
        browser.get("/my/new/")
        browser.click("category=", SERIES)
        browser.page.must_show(SERIES)
        form = browser.page.form("/my/new/", field="specialty")
        specialty = next(value for value, _shown in form.form.choices("specialty") if value)
        page = browser.send(form.fill(specialty=specialty, kind="regular"))
        page = browser.click("level=", TITLE)
        page.must_show("贵州省卫生健康委员会").must_not_show("仁怀市人力资源和社会保障局")
        step.result = "route through the new unit"
