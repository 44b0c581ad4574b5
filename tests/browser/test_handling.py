"""Unit, applicant, province and nodes at their desks, with the application of the phone."""

from __future__ import annotations

import pytest

from app.domain.workflow import State
from tests.browser import journey
from tests.browser.journey import HANDLER, NODES, Applied
from tests.browser.window import Shoot, Window
from tests.story.applying import label
from tests.story.world import World

pytestmark = pytest.mark.browser

DEFECT = "请补充带教青年技术人员的情况"
SUMMARY = "任工程师以来主持和参加十余项公共建筑设计，带教青年设计人员三名。"
OFFICE = "office_building_senior"


def test_application_goes_from_the_unit_to_the_committee(
    applied: Applied, window: Window, world: World, shoot: Shoot
) -> None:
    number = applied.draft.number
    journey.open_work_item(window, world, HANDLER)
    assert number in window.text
    journey.act(
        window,
        world,
        HANDLER,
        "return",
        target="applicant",
        reason_code="填报不规范",
        defects_work_summary=DEFECT,
    )
    assert journey.correct(window, world, SUMMARY) == [f"{number}-01", f"{number}-02"]
    journey.open_record(window, world, HANDLER)
    assert SUMMARY in window.text
    journey.act(
        window, world, HANDLER, "publicize", opinion="材料真实，同意推荐。", on_site_promised="yes"
    )
    assert label(State.IN_PUBLICITY) in window.text
    journey.advance(window, world, "2022-08-11T09:00")
    journey.prove_posting(window, world, HANDLER, ("2022-08-04", "2022-08-10"))
    journey.act(window, world, HANDLER, "forward")
    for node in NODES[:-1]:
        journey.act(window, world, node, "forward", opinion="经审核，同意推荐。")
    journey.open_work_item(window, world, NODES[-1])
    assert label(State.IN_ROUTING) in window.text
    shoot("record")
    journey.enter_as(window, world, NODES[-1]).open("/work/")
    shoot("work")
    journey.act(window, world, NODES[-1], "forward", opinion="经审核，同意推荐。")
    journey.open_work_item(window, world, OFFICE)
    assert label(State.RECEIVED) in window.text
