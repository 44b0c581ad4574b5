"""Chapter 4: policy review with the one correction; what did not arrive lapses."""

from __future__ import annotations

from app.domain.workflow import Action, State
from tests.story.routing import OFFICE
from tests.story.staff import act, must_be, offers, open_form, record
from tests.story.world import World, must

DEFECT = "请写明 2017 年以来各岗位的起止时间"


def tell(world: World) -> None:
    """From the policy review on 25 August to the receipt deadline on 15 September."""
    world.go_to("2022-08-25T09:00")
    with world.step("committee_office", "starts the policy review of both") as step:
        for name in ("王敏", "李强"):
            _start(world, name)
        step.result = must_be(world, "李强", State.IN_POLICY_REVIEW)
    _correct_once(world)
    with world.step("committee_office", "accepts both") as step:
        for name in ("王敏", "李强"):
            act(world, OFFICE, name, Action.ACCEPT, opinion="符合申报条件。")
        step.result = must_be(world, "李强", State.ACCEPTED)
    world.go_to("2022-09-15T17:02")
    _lapse(world)


def _start(world: World, name: str) -> None:
    page = record(world, OFFICE, name)
    action = Action.START_POLICY_REVIEW
    if offers(page, action):
        act(world, OFFICE, name, action)
    else:
        world.browser(OFFICE).press(f"/{action.value}")


def _correct_once(world: World) -> None:
    draft = world.drafts["王敏"]
    with world.step("committee_office", "asks 王敏 for one correction, all at once") as step:
        act(
            world,
            OFFICE,
            "王敏",
            Action.RETURN,
            target="applicant",
            reason_code="填报不规范",
            defects_work_history=DEFECT,
        )
        step.result = must_be(world, "王敏", State.RETURNED)
    with world.step("applicant", "王敏 corrects the work history and resubmits") as step:
        browser = world.browser("王敏")
        page = browser.get(f"{draft.mine}sections/work_history").must_show(DEFECT)
        form = page.form("/sections/work_history", field="work_history.0.work")
        form.enter({"work_history.0.work": "民用建筑方案与施工图设计（2010-07 至 2016-12）"})
        browser.send(form, button="next")
        page = browser.get(f"{draft.mine}check/")
        page = browser.send(page.form("/submit", field="pledged").fill(pledged=True))
        page.must_show(f"{draft.number}-03")
        step.result = f"receipt {draft.number}-03"
    with world.step("unit_handler", "confirms: straight back to the committee") as step:
        act(world, "刘伟", "王敏", Action.CONFIRM, opinion="补正内容属实。")
        step.result = must_be(world, "王敏", State.IN_POLICY_REVIEW)
    with world.step("committee_office", "cannot return it to the applicant again") as step:
        page = record(world, OFFICE, "王敏")
        if offers(page, Action.RETURN):
            targets = open_form(world, OFFICE, "王敏", Action.RETURN).form.choices("target")
            must("applicant" not in [value for value, _shown in targets], "it can", page)
        step.result = "only once"


def _lapse(world: World) -> None:
    with world.step("system", "陈晨 is not delivered: lapsed, with who is responsible") as step:
        step.result = must_be(world, "陈晨", State.LAPSED)
        for login in ("gycloud", "guiyang", "province"):
            record(world, login, "陈晨").must_show("贵阳市人力资源和社会保障局")
        page = record(world, "guiyang", "陈晨")
        must(not offers(page, Action.FORWARD), "it can still be forwarded", page)
