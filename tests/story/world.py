"""The people of the story with their browsers, and the rehearsed clock they live by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app import clock
from app.domain.calendar import BEIJING
from tests.instance import Instance
from tests.story.browser import Browser, Page, StoryError
from tests.story.journal import Journal, Step


@dataclass(frozen=True)
class Person:
    """A demo account."""

    role: str
    login: str
    password: str
    name: str
    unit: str


@dataclass
class Draft:
    """An application of the story: who applies, where the applicant and the others see it."""

    person: Person
    number: str
    mine: str
    key: str


class World:
    """One private portal: its clock, its accounts, and what the story has learnt so far."""

    def __init__(self, instance: Instance, journal: Journal) -> None:
        self.instance, self.journal = instance, journal
        self.browsers: dict[str, Browser] = {}
        self.drafts: dict[str, Draft] = {}
        self.known: dict[str, Any] = {}
        self.people = self._read_people()
        self.ahead = timedelta(0)

    def _read_people(self) -> list[Person]:
        said = self.instance.portal("demo", "accounts", "--json")
        if said.returncode != 0:
            raise StoryError(f"./portal demo accounts: {said.stderr or said.stdout}")
        return [Person(**row) for row in json.loads(said.stdout)]

    # ---- who

    def person(self, name: str) -> Person:
        """A demo account by login or by name."""
        for person in self.people:
            if name in (person.login, person.name):
                return person
        raise StoryError(f"there is no demo account {name}")

    def browser(self, name: str) -> Browser:
        """The browser of a person, signed in when first used; an empty name is anybody."""
        if name not in self.browsers:
            browser = Browser(self.instance.url, name)
            if name:
                person = self.person(name)
                browser.sign_in(person.login, person.password)
            self.browsers[name] = browser
        return self.browsers[name]

    @contextmanager
    def step(self, role: str, what: str) -> Iterator[Step]:
        """A step of the journal; what the last page said is kept when it fails."""
        with self.journal.step(role, what) as step:
            yield step

    # ---- when

    def now(self) -> str:
        """The rehearsed time, as the journal prints it."""
        return (clock.real_now() + self.ahead).strftime("%Y-%m-%d %H:%M")

    def read_clock(self) -> datetime:
        """Ask the portal what time it is there."""
        page = self.browser("sysadmin").get("/rehearsal/")
        times = [e.attrs["datetime"] for e in page.main.find_all("time") if "datetime" in e.attrs]
        must(times, "the page of the clock shows no time", page)
        return self._keep(datetime.fromisoformat(times[0]))

    def go_to(self, text: str) -> None:
        """Move the clock forward to a Beijing instant, by the administrator's page."""
        at = datetime.fromisoformat(text).replace(tzinfo=BEIJING)
        with self.step("system_admin", f"moves the clock to {at:%Y-%m-%d %H:%M}") as step:
            browser = self.browser("sysadmin")
            page = browser.get("/rehearsal/")
            form = page.form("/rehearsal/set", field="at")
            page = browser.send(form.fill(at=at.strftime("%Y-%m-%dT%H:%M:%S")))
            self._keep(at)
            step.at = self.now()
            step.result = " ".join(page.messages)[:60]

    def _keep(self, at: datetime) -> datetime:
        self.ahead = at - clock.real_now()
        return at


def must(holds: object, said: str, page: Page | None = None) -> None:
    """Fail the step with these words unless it holds."""
    if not holds:
        raise StoryError(said, page)
