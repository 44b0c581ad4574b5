"""What staff do on the record page of an application: choose an action, fill in its form."""

from __future__ import annotations

import time
from typing import Any

from app.domain.workflow import Action, State
from tests.story.applying import label
from tests.story.browser import Browser, Filling, Page
from tests.story.world import World, must

PATIENCE_SECONDS = 10


def record(world: World, login: str, name: str) -> Page:
    """The record page of an applicant's application, as a member of staff sees it."""
    return world.browser(login).get(f"/applications/show/{world.drafts[name].key}")


def open_form(world: World, login: str, name: str, action: Action) -> Filling:
    """The form of an action, reached by its button."""
    page = record(world, login, name)
    page = world.browser(login).get(page.link(f"/{world.drafts[name].key}/{action.value}"))
    return page.form("", field="expected_version")


def act(world: World, login: str, name: str, action: Action, **values: Any) -> Page:
    """Perform an action with these entries; the page it leads to."""
    form = open_form(world, login, name, action)
    reason = values.pop("reason_code", None)
    if reason is not None:
        form.choose("reason_code", reason)
    return world.browser(login).send(form.enter(values))


def offers(page: Page, action: Action) -> bool:
    """Whether a record page lets one perform an action."""
    return bool(page.links(f"/{action.value}"))


def must_be(world: World, name: str, state: State) -> str:
    """Fail unless the applicant sees this state; its name."""
    world.browser(name).get(world.drafts[name].mine).must_show(label(state))
    return label(state)


def notified(browser: Browser, *texts: str) -> int:
    """Fail unless the notifications mention all these; how many there are.

    A worker may be delivering them at this moment: look again for some seconds.
    """
    for _attempt in range(PATIENCE_SECONDS):
        page = browser.get("/notifications/")
        if all(text in page.text for text in texts):
            break
        time.sleep(1)
    found = page.must_show(*texts).root.by_class("timeline-list")
    must(found, "there are no notifications", page)
    return len(found[0].find_all("li"))
