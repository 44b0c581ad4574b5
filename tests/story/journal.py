"""The table of steps: what was done, when on the rehearsed clock, by whom, and whether it held."""

from __future__ import annotations

import contextlib
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.story.browser import StoryError, describe


@dataclass
class Step:
    """One line of the table."""

    number: int
    at: str
    role: str
    what: str
    result: str = ""
    held: bool = False
    seconds: float = 0.0


@dataclass
class Journal:
    """Writes each step as it ends; a failed one ends the story."""

    now: Callable[[], str]
    write: Callable[[str], None] = print
    steps: list[Step] = field(default_factory=list)
    failure: list[str] = field(default_factory=list)

    def slowest(self, count: int = 5) -> list[Step]:
        """The steps that took longest."""
        return sorted(self.steps, key=lambda step: -step.seconds)[:count]

    def head(self) -> None:
        """Write the head of the table."""
        self.write(_line("no.", "Beijing time", "role", "step", "result"))
        self.write(_line("---", "-" * 16, "-" * 22, "-" * 46, "-" * 30))

    @contextlib.contextmanager
    def step(self, role: str, what: str) -> Iterator[Step]:
        """One step; what its block raises is written down and ends the story."""
        step = Step(len(self.steps) + 1, self.now(), role, what)
        self.steps.append(step)
        start = time.monotonic()
        try:
            yield step
            step.held = True
        except Exception as error:
            step.result = f"FAILED: {error}"
            page = error.page if isinstance(error, StoryError) else None
            self.failure = list(describe(page)) if page else []
            raise
        finally:
            step.seconds = time.monotonic() - start
            step.result = step.result or "ok"
            self.write(_line(str(step.number), step.at, step.role, step.what, step.result))

    @property
    def held(self) -> bool:
        """Whether every step held."""
        return bool(self.steps) and all(step.held for step in self.steps)


def _line(number: str, at: str, role: str, what: str, result: str) -> str:
    return "  ".join(
        (_pad(number, 4), _pad(at, 16), _pad(role, 22), _pad(what, 46), result)
    ).rstrip()


def _pad(text: str, width: int) -> str:
    used = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
    return text + " " * max(0, width - used)
