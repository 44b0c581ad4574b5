"""Chapter 6: result publicity, filing, confirmation, certificate, what everybody may look up."""

from __future__ import annotations

import re

from app.domain.workflow import State
from tests.story.applying import label, must_be_pdf
from tests.story.browser import Browser
from tests.story.meeting import OFFICE
from tests.story.staff import must_be, notified, record
from tests.story.world import World, must

PROVINCE = "province"
OBJECTION = "请核查其绿色校舍设计项目的专业负责人是否为本人，图签可以证明。"
CERTIFICATE = re.compile(r"/public/verify/([0-9A-Z]{10,40})")


def tell(world: World) -> None:
    """From 9 November to the certificate."""
    world.go_to("2022-11-09T09:00")
    _publicize(world)
    world.go_to("2022-11-10T10:00")
    _object(world)
    world.go_to("2022-11-16T23:59")
    _still_running(world)
    world.go_to("2022-11-17T09:00")
    _file(world)
    _confirm(world)
    _verify(world)
    _look_up(world)
    _re_examine(world)
    _stay_out(world)


def _results(world: World) -> str:
    return f"/results/meeting/{world.known['meeting']}"


def _publicize(world: World) -> None:
    with world.step("committee_office", "opens the result publicity: an open page") as step:
        browser = world.browser(OFFICE)
        browser.get(_results(world))
        browser.press("/results/publicize/")
        page = world.browser("").get("/public/publicity").must_show("王敏")
        page.must_not_show("李强", *_experts(world))
        page = world.browser("").get(page.link("/public/publicity/", "王敏"))
        page.must_not_show(world.person("王敏").login, *_experts(world))
        step.result = must_be(world, "王敏", State.IN_RESULT_PUBLICITY)


def _object(world: World) -> None:
    with world.step("public", "somebody objects on the open page, with a contact") as step:
        anybody = Browser(world.instance.url)
        page = anybody.get("/public/publicity")
        page = anybody.get(page.link("/public/publicity/", "王敏"))
        form = page.form("/objection", field="body").fill(body=OBJECTION)
        anybody.send(form, expect=422, refused=True).must_show(OBJECTION)
        form = anybody.page.form("/objection", field="body").fill(contact="19900000061")
        page = anybody.send(form)
        page = world.browser("王敏").get(world.drafts["王敏"].mine)
        page.must_show(label(State.IN_RESULT_PUBLICITY)).must_not_show(OBJECTION)
        step.result = "kept what was typed; hidden from 王敏"
    with world.step("committee_office", "looks into it: unfounded; publicity runs on") as step:
        office = world.browser(OFFICE)
        page = office.get("/objections/list/")
        page = office.get(page.link("/objections/show/")).must_show(OBJECTION)
        page = office.get(page.link("/objections/decide/"))
        form = page.form("", field="finding")
        office.send(form.fill(finding="unfounded", text="经核查，业绩材料真实。"))
        step.result = must_be(world, "王敏", State.IN_RESULT_PUBLICITY)


def _experts(world: World) -> list[str]:
    return [person.name for person in world.known["panel"]]


def _still_running(world: World) -> None:
    with world.step("committee_office", "cannot file before the five days are over") as step:
        page = world.browser(OFFICE).get(_results(world))
        must(not page.has_form("/results/file/"), "the results can be filed already", page)
        step.result = must_be(world, "王敏", State.IN_RESULT_PUBLICITY)


def _file(world: World) -> None:
    with world.step("system", "the result publicity is over; its page has closed") as step:
        step.result = must_be(world, "王敏", State.AWAITING_CONFIRMATION)
        world.browser("").get("/public/publicity").must_not_show("王敏")
    with world.step("committee_office", "files the results with minutes and draw record") as step:
        browser = world.browser(OFFICE)
        browser.get(_results(world))
        browser.press("/results/file/")
        page = browser.get(browser.page.link("/result-filings/show/")).must_show(
            world.known["minutes"]
        )
        world.known["filing"] = page.path.rsplit("/", 1)[-1]
        must_be_pdf(browser.get(page.link("/result-filings/minutes/")))
        page = browser.get(f"/result-filings/show/{world.known['filing']}")
        must(
            not page.has_form("/result-filings/confirm/"), "the host confirms its own filing", page
        )
        step.result = "filed"


def _confirm(world: World) -> None:
    with world.step("province_hrss", "confirms; the certificate is issued") as step:
        browser = world.browser(PROVINCE)
        page = browser.get("/work/")
        page = browser.get(page.link(f"/result-filings/show/{world.known['filing']}"))
        page.must_show("王敏")
        browser.press("/result-filings/confirm/")
        must_be(world, "王敏", State.CERTIFIED)
        page = world.browser("王敏").page
        found = CERTIFICATE.search(page.link("/public/verify/"))
        must(found, "no certificate number", page)
        assert found is not None
        world.known["certificate"] = step.result = found[1]


def _verify(world: World) -> None:
    number = world.known["certificate"]
    with world.step("public", "verifies the certificate by its number") as step:
        anybody = world.browser("")
        page = anybody.get("/public/verify")
        page = anybody.send(page.form("/public/verify", field="number").fill(number=number))
        page.must_show("王敏", "高级工程师", "2022-11-08", number)
        page.must_not_show(world.person("王敏").login, *_experts(world))
        must(page.root.by_class("verdict-ok"), "it is not called valid", page)
        wrong = anybody.get(f"/public/verify/{number[:-1]}{'0' if number[-1] != '0' else '1'}")
        must(not wrong.root.by_class("verdict-ok"), "a wrong number is called valid", wrong)
        step.result = "valid; a wrong number is not"
    with world.step("applicant", "王敏 downloads the certificate as PDF") as step:
        browser = world.browser("王敏")
        page = browser.get(world.drafts["王敏"].mine)
        must_be_pdf(browser.get(page.link("/certificates/pdf/")))
        world.browser("李强").get(browser.page.path, expect=404)
        step.result = f"{len(browser.page.content) // 1024} KB; others: 404"


def _look_up(world: World) -> None:
    person = world.person("王敏")
    with world.step("public", "looks up the own result by name and document number") as step:
        anybody = Browser(world.instance.url)
        page = anybody.get("/public/results").must_show("王敏").must_not_show("李强")
        form = page.form("/public/results/own", field="identity_number")
        page = anybody.send(form.fill(name="王敏", identity_number=person.login))
        page.must_show(world.known["certificate"])
        page = anybody.get("/public/results")
        form = page.form("/public/results/own", field="identity_number")
        page = anybody.send(form.fill(name="王悯", identity_number=person.login))
        page.must_not_show(world.known["certificate"])
        step.result = "found; nothing under another name"
    with world.step("applicant", "王敏 has been told of every step") as step:
        number = world.drafts["王敏"].number
        step.result = f"{notified(world.browser('王敏'), number)} notices"


def _re_examine(world: World) -> None:
    with world.step("applicant", "李强 asks for a re-examination of the procedure") as step:
        browser = world.browser("李强")
        page = browser.get(world.drafts["李强"].mine).must_show(label(State.NOT_PASSED))
        page = browser.get(page.link("/re-examination/"))
        browser.send(page.form("", field="text").fill(text="请核查评审程序是否符合规定。"))
        office = world.browser(OFFICE)
        page = office.get("/re_examinations/list/")
        page = office.get(page.link("/re_examinations/show/"))
        page = office.get(page.link("/re_examinations/decide/"))
        office.send(page.form("", field="finding").fill(finding="程序符合规定，维持原结果。"))
        step.result = must_be(world, "李强", State.NOT_PASSED)


def _stay_out(world: World) -> None:
    with world.step("others", "another unit sees nothing of it, nobody an expert's name") as step:
        key = world.drafts["王敏"].key
        world.browser("nmschool").get(f"/applications/show/{key}", expect=404)
        for name in ("王敏", "李强"):
            world.browser(name).get(world.drafts[name].mine).must_not_show(*_experts(world))
        for login in ("刘伟", "gzdesign", "guiyang"):
            name = "李强" if login == "gzdesign" else "王敏"
            record(world, login, name).must_not_show(*_experts(world))
        step.result = "404; no names"
