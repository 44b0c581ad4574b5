"""Chapter 3: three nodes, the second one late; one application never arrives."""

from __future__ import annotations

from app.domain.workflow import Action, State
from tests.story.applying import ROUTE
from tests.story.employing import UNITS
from tests.story.staff import act, must_be, notified, record
from tests.story.words import say
from tests.story.world import World, must

NODES = ("nmhousing", "nanming", "guiyang")
OFFICE = "office_building_senior"


def tell(world: World) -> None:
    """From 12 August to the receipt by the committee on 24 August."""
    world.go_to("2022-08-12T09:00")
    for name, login in UNITS.items():
        with world.step("unit", f"forwards {name}") as step:
            act(world, login, name, Action.FORWARD)
            state = State.RECEIVED if name == "李强" else State.IN_ROUTING
            step.result = must_be(world, name, state)
    with world.step("others", "no node sees it before its turn, nor another unit") as step:
        number = world.drafts["王敏"].number
        for login in ("nmschool", "liupanshui", "gycloud"):
            browser = world.browser(login)
            browser.get("/applications/list/").must_not_show(number)
            browser.get(f"/applications/show/{world.drafts['王敏'].key}", expect=404)
        step.result = "404"
    world.go_to("2022-08-15T10:00")
    _forward(world, 0, "in time")
    world.go_to("2022-08-19T09:00")
    _overrun(world)
    world.go_to("2022-08-22T09:00")
    _forward(world, 1, "late")
    with world.step("province_hrss", "sees who was late, by how many hours") as step:
        page = record(world, "province", "王敏")
        late = [row.text for row in page.rows(ROUTE[1]) if say("Late") in row.text]
        must(late, "the route names nobody late", page)
        page.must_show(say("Overdue and responsible units"))
        step.result = say("Late")
    world.go_to("2022-08-24T09:00")
    _forward(world, 2, "in time")
    with world.step("committee_office", "the committee has received both") as step:
        for name in ("王敏", "李强"):
            must_be(world, name, State.RECEIVED)
            record(world, OFFICE, name).must_show(world.drafts[name].number)
        step.result = must_be(world, "王敏", State.RECEIVED)


def _forward(world: World, place: int, how: str) -> None:
    with world.step(f"node {place + 1}", f"{ROUTE[place]} forwards {how}") as step:
        act(world, NODES[place], "王敏", Action.FORWARD, opinion="经审核，同意推荐。")
        last = place == len(NODES) - 1
        step.result = must_be(world, "王敏", State.RECEIVED if last else State.IN_ROUTING)


def _overrun(world: World) -> None:
    with world.step("node 2", "is overdue: flag and lapse, still in its hands") as step:
        page = record(world, NODES[1], "王敏").must_show(say("Overdue"), ROUTE[1])
        must(page.root.by_class("state-late"), "no overdue flag", page)
        number = world.drafts["王敏"].number
        notified(world.browser(NODES[1]), number)
        notified(world.browser(NODES[2]), number)
        step.result = say("Overdue")
