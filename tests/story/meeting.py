"""Chapter 5: list, draw, panel, ballots, minutes; one application passes, one does not."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from app.domain.workflow import State
from tests.story.applying import COMMITTEE, label, must_be_pdf
from tests.story.browser import Browser, Filling
from tests.story.world import Person, World, must

OFFICE = "office_building_senior"
SIZE = 11
LEAST_PRESENT = 8
HASH = re.compile(r"\b[0-9a-f]{64}\b")
WORKERS = 4
CHAIR = "陆海涛"
OFFICERS = ("陆海涛", "吴若谷", "祝佳音")
TUTOR = "董向东"
"""王敏's tutor knows what no register tells: drawn, he asks to be recused."""
EXCUSE = "当日已有其他会议安排"
MOST_OF_A_UNIT = 2
"""The chair works with 李强: one more of that unit on the panel still leaves a quorum."""
LI_QIANGS_UNIT = "黔岭建筑设计研究院（演示）"


def tell(world: World) -> None:
    """From 17 October to the evening of the meeting on 8 November."""
    world.go_to("2022-10-17T09:00")
    _plan(world)
    _draw(world)
    _invite(world)
    _convene(world)
    world.go_to("2022-11-08T09:00")
    _sign_in(world)
    _recuse(world)
    _open(world)
    _write_opinions(world)
    _vote(world)
    _close(world)
    _read_minutes(world)


# --------------------------------------------------------------------------- before the day


def _plan(world: World) -> None:
    with world.step("committee_office", "plans the meeting with both on the list") as step:
        browser = world.browser(OFFICE)
        page = browser.get("/meetings/plan")
        form = page.form("", field="held_on").choose("committee_id", COMMITTEE)
        listed = [
            value
            for value, shown in form.form.choices("application_ids")
            if any(world.drafts[name].number in shown for name in ("王敏", "李强"))
        ]
        must(len(listed) == 2, f"{len(listed)} of 2 can be listed", page)
        form.fill(held_on="2022-11-08", place="贵阳市", application_ids=listed)
        page = browser.send(form)
        page.must_show(world.drafts["王敏"].number, world.drafts["李强"].number)
        world.known["meeting"] = page.path.rsplit("/", 1)[-1]
        step.result = "two applications"


def meeting(world: World, name: str) -> str:
    """The address of a page of the meeting."""
    return f"/meetings/{name}/{world.known['meeting']}"


def _draw(world: World) -> None:
    with world.step("committee_office", "draws the panel; invites only after a witness") as step:
        browser = world.browser(OFFICE)
        browser.get(meeting(world, "show"))
        browser.press("/meetings/draw/")
        must(not browser.page.has_form("/meetings/invite/"), "the draw needs no witness?")
        step.result = f"{len(_panel(world))} seated"
    with world.step("supervisor", "draws again from the seed and witnesses it") as step:
        supervisor = world.browser("supervisor")
        page = supervisor.get(meeting(world, "record"))
        page.must_show("范秋月", "应家俊")
        supervisor.press("/meetings/witness/")
        must(not supervisor.page.has_form("/meetings/witness/"), "it can be witnessed twice")
        step.result = "same result"


def _panel(world: World) -> list[Person]:
    """The experts on the panel now, without reserves and those who declined."""
    page = world.browser(OFFICE).get(meeting(world, "show"))
    tables = [e for e in page.root.walk() if e.attrs.get("id") == "panel"]
    must(tables, "the page shows no panel", page)
    seated = []
    for row in tables[0].find_all("tr")[1:]:
        cells = row.find_all("td")
        name = str(cells[0].find_all("span")[0].children[0]).strip()
        answer = cells[2].text
        if not answer.startswith("—") and EXCUSE not in answer:
            seated.append(world.person(name))
    return seated


def _invite(world: World) -> None:
    with world.step("committee_office", "invites the experts") as step:
        browser = world.browser(OFFICE)
        browser.get(meeting(world, "show"))
        browser.press("/meetings/invite/")
        panel = _panel(world)
        must(len(panel) == SIZE, f"{len(panel)} of {SIZE} are invited", browser.page)
        step.result = f"{SIZE} invitations"
    _decline(world, panel)
    with world.step("expert", "all others accept and sign the pledge") as step:
        panel = world.known["panel"] = _panel(world)
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda person: _accept(world, person), panel))
        step.result = f"{len(panel)} experts"


def _decline(world: World, panel: list[Person]) -> None:
    """One expert declines; more of them while too many would leave the hall for one applicant."""
    for _attempt in range(SIZE):
        near = [p for p in panel if p.unit == LI_QIANGS_UNIT and p.name not in OFFICERS]
        excused = world.known.setdefault("excused", [])
        if excused and len(near) < MOST_OF_A_UNIT:
            return
        person = (near or [p for p in panel if p.name not in OFFICERS])[-1]
        with world.step("expert", f"{person.name} declines; the next reserve moves up") as step:
            page = world.browser(person.login).get(f"/expert/meeting/{world.known['meeting']}")
            form = page.form("/expert/answer/", field="reason").fill(reason=EXCUSE)
            world.browser(person.login).send(form)
            excused.append(person)
            before, panel = panel, _panel(world)
            moved = [p.name for p in panel if p not in before]
            must(len(moved) == 1 and len(panel) == SIZE, f"{moved} moved up, {len(panel)} seats")
            step.result = f"{moved[0]} moves up"


def _accept(world: World, person: Person) -> None:
    browser = world.browser(person.login)
    page = browser.get(browser.get("/expert/").link("/expert/meeting/"))
    forms = [f for f in page.forms if "/expert/answer/" in f.action]
    accepting = [f for f in forms if [c.value for c in f.named("accepts")] == ["1"]]
    must(accepting, f"{person.name} is offered no answer", page)
    browser.send(Filling(page, accepting[0]))
    browser.press("/expert/pledge/", agreed=True)


def _convene(world: World) -> None:
    with world.step("committee_office", "convenes: both applications in expert review") as step:
        browser = world.browser(OFFICE)
        browser.get(meeting(world, "show"))
        browser.press("/meetings/convene/")
        page = world.browser("王敏").get(world.drafts["王敏"].mine)
        page.must_show(label(State.IN_EXPERT_REVIEW)).must_not_show(*_names(world))
        step.result = label(State.IN_EXPERT_REVIEW)


def _names(world: World) -> list[str]:
    return [person.name for person in world.known["panel"]]


# --------------------------------------------------------------------------- on the day


def _recused(world: World) -> dict[str, list[Person]]:
    """Who has an interest that the portal knows, by applicant."""
    panel = world.known["panel"]
    own = world.person("nmdesign").unit
    return {
        "王敏": [p for p in panel if p.unit == own],
        "李强": [p for p in panel if p.unit == LI_QIANGS_UNIT],
    }


def _sign_in(world: World) -> None:
    panel, known = world.known["panel"], _recused(world)
    free = [p for p in panel if p.name not in OFFICERS and p not in known["王敏"] + known["李强"]]
    most = max(len(known["王敏"]) + 1, len(known["李强"]))
    free = [p for p in free if p.name != TUTOR]
    absent = free[-1:] if SIZE - 1 - most >= LEAST_PRESENT else []
    world.known["present"] = [p for p in panel if p not in absent]
    world.known["recuses"] = next((p for p in panel if p.name == TUTOR), free[0])
    with world.step("expert", "sign in to the meeting; one stays away") as step:
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda person: _enter(world, person), world.known["present"]))
        step.result = f"{len(world.known['present'])} of {SIZE}"


def _enter(world: World, person: Person) -> None:
    browser = world.browser(person.login)
    browser.get(f"/expert/meeting/{world.known['meeting']}")
    browser.press("/expert/sign_in/")


def _application(world: World, name: str) -> str:
    return f"/expert/application/{world.known['meeting']}/{world.drafts[name].key}"


def _recuse(world: World) -> None:
    person: Person = world.known["recuses"]
    with world.step("expert", f"{person.name} asks to be recused for 王敏") as step:
        browser = world.browser(person.login)
        page = browser.get(_application(world, "王敏"))
        form = page.form("/expert/recuse/", field="ground")
        form.fill(ground="other_interest", reason="曾共同承担工程")
        browser.send(form)
        browser.get(_application(world, "王敏"), expect=403)
        step.result = "sees it no more: 403"


def _open(world: World) -> None:
    with world.step("chair", "opens the meeting: there is a quorum") as step:
        browser = world.browser(world.person(CHAIR).login)
        browser.get(meeting(world, "show"))
        browser.get(browser.page.link("/meetings/desk/"))
        browser.press("/meetings/open/")
        must(browser.page.has_form("/meetings/open_ballot/"), "no ballot can be opened")
        browser.press("/meetings/open_ballot/", near=world.drafts["王敏"].number, refused=True)
        step.result = "no ballot before the opinions"


def _hall(world: World, name: str) -> list[Person]:
    """Who is present for an applicant."""
    gone = [*_recused(world)[name], *([world.known["recuses"]] if name == "王敏" else [])]
    return [p for p in world.known["present"] if p not in gone]


def _write_opinions(world: World) -> None:
    with world.step("expert", "three opinions on each, saved and locked") as step:
        for name in ("王敏", "李强"):
            for person in _hall(world, name)[-3:]:
                browser = world.browser(person.login)
                page = browser.get(_application(world, name))
                page.must_show(name)
                form = page.form("/expert/opinion/", field="opinion")
                form.fill(opinion="业绩突出，材料齐全。", score=86 if name == "王敏" else 58)
                browser.send(form, button="lock")
        step.result = "6 opinions"


def _vote(world: World) -> None:
    for name, wanted in (("王敏", State.PASSED), ("李强", State.NOT_PASSED)):
        hall = _hall(world, name)
        yes = len(hall) if wanted is State.PASSED else len(hall) // 2
        with world.step("expert", f"{len(hall)} ballots on {name}; nobody votes twice") as step:
            _ballot(world, world.drafts[name].number, hall, yes)
            step.result = f"{yes} yes, {len(hall) - yes} no"
        with world.step("chair", f"closes and counts the ballot on {name}") as step:
            step.result = _count(world, world.drafts[name].number, yes)


def _ballot(world: World, number: str, hall: list[Person], yes: int) -> None:
    chair = world.browser(world.person(CHAIR).login)
    chair.get(meeting(world, "desk"))
    chair.press("/meetings/open_ballot/", near=number)
    item = _item(chair, number)

    def cast(place: int) -> None:
        _cast(world, item, hall[place], "yes" if place < yes else "no")

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(cast, range(len(hall))))


def _count(world: World, number: str, yes: int) -> str:
    chair = world.browser(world.person(CHAIR).login)
    chair.get(meeting(world, "desk"))
    chair.press("/meetings/close_ballot/", near=number)
    page = world.browser(OFFICE).get(meeting(world, "show"))
    row = page.rows(number)[0].text
    must(str(yes) in row, f"the list says: {row}", page)
    return row.split(number)[-1].strip()[:60]


def _item(chair: Browser, number: str) -> str:
    return chair.page.form("/meetings/close_ballot/", near=number).form.action.rsplit("/", 1)[-1]


def _cast(world: World, item: str, person: Person, choice: str) -> None:
    browser = world.browser(person.login)
    page = browser.get(f"/expert/ballot/{item}")
    browser.send(page.form(f"/expert/ballot/{item}", field="choice").fill(choice=choice))
    must(not browser.page.has_form(f"/expert/ballot/{item}", field="choice"), "it can vote again")
    page = browser.post(f"/expert/ballot/{item}", {"choice": choice})
    must(page.refusals, f"{person.name} voted twice", page)


def _close(world: World) -> None:
    with world.step("chair", "closes the meeting and announces the result") as step:
        browser = world.browser(world.person(CHAIR).login)
        browser.get(meeting(world, "desk"))
        browser.press("/meetings/close/")
        browser.get(meeting(world, "desk"))
        browser.press("/meetings/announce/")
        for name, state in (("王敏", State.PASSED), ("李强", State.NOT_PASSED)):
            page = world.browser(name).get(world.drafts[name].mine)
            page.must_show(label(state)).must_not_show(*_names(world))
        step.result = "both told, no expert named"


def _read_minutes(world: World) -> None:
    with world.step("committee_office", "downloads the minutes; the hash stands beside") as step:
        page = world.browser(OFFICE).get(meeting(world, "minutes"))
        must_be_pdf(page)
        size = len(page.content) // 1024
        page = world.browser(OFFICE).get(meeting(world, "show"))
        found = HASH.search(page.main.text)
        must(found, "the page shows no hash of the minutes", page)
        world.known["minutes"] = found[0] if found else ""
        step.result = f"{size} KB PDF, {world.known['minutes'][:12]}…"
