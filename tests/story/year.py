"""The story from the first day to the certificate, chapter by chapter."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.instance import running_portal
from tests.story import (
    activating,
    applying,
    committee,
    employing,
    importing,
    meeting,
    outcome,
    routing,
    transferring,
)
from tests.story.journal import Journal
from tests.story.world import World, must

CHAPTERS: tuple[Callable[[World], None], ...] = (
    activating.tell,
    importing.tell,
    applying.tell,
    transferring.ask,
    employing.tell,
    transferring.decide,
    routing.tell,
    committee.tell,
    meeting.tell,
    outcome.tell,
)
MANY_SIGN_INS = "600 per minute"
"""Some forty people sign in from one address within a minute; the limit is for real life."""


def run_story(write: Callable[[str], None] = print) -> int:
    """Go through the year on a private instance; 0 if every step held, else 1."""
    start = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="story-") as folder,
        running_portal(Path(folder) / "var", AUTH_RATE_LIMIT=MANY_SIGN_INS) as instance,
    ):
        journal = Journal(now=lambda: "", write=write)
        write(f"A private portal answers at {instance.url}.")
        journal.head()
        write(f"It took {instance.seconds_to_answer:.0f} s to start.")
        world = World(instance, journal)
        held = _tell(world, journal, write)
        sent = sum(browser.requests for browser in world.browsers.values())
        waited = sum(browser.seconds for browser in world.browsers.values())
        write(f"{sent} requests of {len(world.browsers)} browsers, {waited:.0f} s waiting.")
        if not held:
            _show_failure(instance.var, journal, write)
    asked = len(journal.steps)
    slow = ", ".join(f"{step.number} ({step.seconds:.1f} s)" for step in journal.slowest())
    write(f"Slowest steps: {slow}.")
    write(f"{asked} steps, {'all held' if held else 'NOT all held'}, {_seconds(start)}.")
    return 0 if held else 1


def _tell(world: World, journal: Journal, write: Callable[[str], None]) -> bool:
    journal.now = world.now
    try:
        with world.step("–", "the portal opens on 2022-08-03 at nine") as step:
            at = world.read_clock()
            step.at = world.now()
            must(f"{at:%Y-%m-%d %H}" == "2022-08-03 09", f"the rehearsal began at {at}")
        for chapter in CHAPTERS:
            chapter(world)
        with world.step("–", "./portal check-invariants") as step:
            said = world.instance.portal("check-invariants")
            must(said.returncode == 0, f"violations: {said.stdout}{said.stderr}")
            step.result = said.stdout.strip().splitlines()[-1]
    except Exception as error:
        if not journal.steps or journal.steps[-1].held:
            write(f"FAILED between two steps: {type(error).__name__}: {error}")
        return False
    return journal.held


def _show_failure(var: Path, journal: Journal, write: Callable[[str], None]) -> None:
    write("")
    for line in journal.failure:
        write(line)
    log = var / "log" / "web.log"
    if log.exists():
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-30:]
        write("\n".join(["web.log:", *tail]) if tail else "web.log is empty")


def _seconds(start: float) -> str:
    return f"{time.monotonic() - start:.0f} s"
