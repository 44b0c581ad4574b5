"""Chapter 2: the unit returns, publicises, hears an objection; the window closes meanwhile."""

from __future__ import annotations

from app.domain.workflow import Action, State
from tests.story.applying import label, must_be_pdf
from tests.story.files import make_pdf
from tests.story.staff import act, must_be, notified, offers, record
from tests.story.world import World, must

HANDLER = "刘伟"
UNITS = {"王敏": HANDLER, "李强": "gzdesign", "陈晨": "gycloud"}
DEFECT = "请补充带教青年技术人员的情况"
SUMMARY = (
    "任工程师以来主持和参加十余项公共建筑设计，带教青年设计人员三名，其中两名已取得工程师职称。"
)
OBJECTION = "据反映其中一项获奖项目的本人排名与证书不一致，请核对获奖证书。"


def tell(world: World) -> None:
    """From the return on 3 August to the end of the publicity on 11 August."""
    world.go_to("2022-08-03T14:00")
    _return(world)
    _correct(world)
    world.go_to("2022-08-04T09:00")
    _publicize(world)
    world.go_to("2022-08-05T17:02")
    _close_window(world)
    world.go_to("2022-08-08T10:00")
    _object(world)
    world.go_to("2022-08-09T10:00")
    _decide(world)
    world.go_to("2022-08-12T00:01")
    _end_publicity(world)


def _return(world: World) -> None:
    with world.step("unit_handler", "returns 王敏's application with one complete list") as step:
        page = record(world, HANDLER, "王敏").must_show("黔中山地小学绿色校舍设计")
        must(offers(page, Action.PUBLICIZE), "the unit cannot open the publicity", page)
        act(
            world,
            HANDLER,
            "王敏",
            Action.RETURN,
            target="applicant",
            reason_code="填报不规范",
            defects_work_summary=DEFECT,
            note="其余材料已核对",
        )
        step.result = must_be(world, "王敏", State.RETURNED)


def _correct(world: World) -> None:
    draft, browser = world.drafts["王敏"], world.browser("王敏")
    with world.step("applicant", "王敏 corrects; all other parts stay locked") as step:
        browser.get(draft.mine).must_show(DEFECT)
        browser.get(f"{draft.mine}sections/profile", expect=409)
        browser.get(f"{draft.mine}materials/", expect=409)
        page = browser.get(f"{draft.mine}sections/work_summary").must_show(DEFECT)
        form = page.form("/sections/work_summary", field="work_summary")
        browser.send(form.fill(work_summary=SUMMARY), button="next")
        page = browser.get(f"{draft.mine}check/").must_show(SUMMARY)
        page = browser.send(page.form("/submit", field="pledged").fill(pledged=True))
        page.must_show(f"{draft.number}-02")
        step.result = f"receipt {draft.number}-02"


def _publicize(world: World) -> None:
    for name, login in UNITS.items():
        with world.step("unit", f"recommends {name}, opens the publicity in the unit") as step:
            if name == "王敏":
                record(world, login, name).must_show(SUMMARY)
            form = {"opinion": "经审核，材料真实，同意推荐。", "on_site_promised": True}
            act(world, login, name, Action.PUBLICIZE, **form)
            step.result = must_be(world, name, State.IN_PUBLICITY)


def _close_window(world: World) -> None:
    draft, browser = world.drafts["孙悦"], world.browser("孙悦")
    with world.step("applicant", "孙悦 has not submitted: lapsed, still readable") as step:
        step.result = must_be(world, "孙悦", State.LAPSED)
        page = browser.get(f"{draft.mine}check/")
        must(not page.has_form("/submit"), "it can still be submitted", page)
        browser.get(f"{draft.mine}sections/profile", expect=409)


def _object(world: World) -> None:
    with world.step("applicant of the unit", "孙悦 objects to the publicity of 王敏") as step:
        browser = world.browser("孙悦")
        page = browser.get("/unit-publicities/").must_show("王敏")
        page = browser.get(page.link("/unit-publicities/", "王敏"))
        page.must_not_show(world.person("王敏").login, "199****0047")
        form = page.form("", field="body")
        browser.send(form.fill(body=OBJECTION, name="孙悦", contact="19900000060"))
        page = world.browser("王敏").get(world.drafts["王敏"].mine)
        page.must_show(label(State.IN_PUBLICITY)).must_not_show(OBJECTION, "孙悦")
        step.result = "hidden from the applicant"
    with world.step("public", "the open page names nobody of it") as step:
        world.browser("").get("/public/publicity").must_not_show("王敏")
        step.result = "sign-in needed"


def _decide(world: World) -> None:
    with world.step("unit_handler", "looks into it: unfounded; the publicity goes on") as step:
        browser = world.browser(HANDLER)
        page = record(world, HANDLER, "王敏").must_show(label(State.ON_HOLD))
        page = browser.get(page.link("/publicities/show/"))
        page = browser.get(page.link("/objections/show/")).must_show(OBJECTION)
        page = browser.get(page.link("/objections/decide/"))
        form = page.form("", field="finding").fill(
            finding="unfounded", text="经核对获奖证书原件，排名与申报一致。"
        )
        browser.send(form)
        record(world, HANDLER, "王敏").must_show(label(State.IN_PUBLICITY))
        step.result = label(State.IN_PUBLICITY)


def _end_publicity(world: World) -> None:
    with world.step("system", "five working days are over: publicized") as step:
        step.result = ", ".join(must_be(world, name, State.PUBLICIZED) for name in UNITS)
    for name, login in UNITS.items():
        with world.step("unit", f"proves the posting on site for {name}") as step:
            page = record(world, login, name)
            must(not offers(page, Action.FORWARD), "it can be forwarded without proof", page)
            browser = world.browser(login)
            page = browser.get(page.link("/publicities/show/"))
            page = browser.get(page.link("/publicities/prove/"))
            form = page.form("", field="posted_from")
            file = ("公示照片.pdf", make_pdf(f"posted {name}"), "application/pdf")
            form.upload("file", file).fill(posted_from="2022-08-05", posted_to="2022-08-11")
            page = browser.send(form)
            must_be_pdf(browser.get(page.link("proof_file")))
            step.result = "PDF"
    with world.step("unit", "was told of all that") as step:
        step.result = f"{notified(world.browser(HANDLER), world.drafts['王敏'].number)} notices"
