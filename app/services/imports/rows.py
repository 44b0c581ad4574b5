"""What a row of a sheet is found to be, whatever the sheet: new, unchanged, changed or failing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from app.domain.errors import DomainError
from app.domain.sheets import (
    Problem,
    SheetLayout,
    check_length,
    read_choice,
)
from app.domain.terms import RowOutcome
from app.services.actors import Actor
from app.services.imports.reading import SheetRow

T = TypeVar("T")
_LONG_NUMBER: Final = re.compile(r"[0-9]{6,}[0-9Xx]?")

Tables = Mapping[str, Mapping[str, str]]
"""Per list of choices: normalised name to word."""


@dataclass(slots=True)
class Checked:
    """A row with what the check found; `draft` is what would be written."""

    row: SheetRow
    problems: list[Problem] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    account_id: int | None = None
    draft: Any = None
    is_known: bool = False

    @property
    def outcome(self) -> RowOutcome:
        """What the row is found to be."""
        if self.problems:
            return RowOutcome.FAILING
        if self.changes:
            return RowOutcome.CHANGED
        return RowOutcome.UNCHANGED if self.is_known else RowOutcome.NEW


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a row: its account and, for a new one, the code that opens it once."""

    account_id: int | None
    activation_code: str = ""


class Checker(Protocol):
    """Knows the rules of one sheet."""

    layout: SheetLayout
    actor: Actor

    def prepare(self, rows: list[SheetRow]) -> None:
        """Look at all rows for what two of them say twice."""

    def check(self, rows: list[SheetRow], *, now: datetime) -> list[Checked]:
        """What each row is found to be; a constant number of queries."""

    def write(self, checked: Checked, *, now: datetime) -> Written:
        """Create or change what the row says, through the services of the single form."""


CheckerMaker = Callable[[SheetLayout, Tables, Actor], Checker]


class Cells:
    """The cells of one row on their way to a draft; collects every problem."""

    def __init__(self, layout: SheetLayout, row: SheetRow, tables: Tables) -> None:
        self.layout, self.row, self.tables = layout, row, tables
        self.problems = list(row.problems)
        self._broken = {problem.column for problem in row.problems}

    def text(self, key: str) -> str:
        """The text of a cell, its length checked."""
        text = self.row.cells.get(key, "")
        if key in self._broken:
            return ""
        problem = check_length(self.layout.column(key), text)
        if problem is not None:
            self._add(problem)
            return ""
        return text

    def choice(self, key: str) -> str | None:
        """The word chosen in a cell; None for an empty or wrong one."""
        column = self.layout.column(key)
        text = self.text(key)
        word, problem = read_choice(column, text, self.tables.get(column.choices, {}))
        if problem is not None:
            self._add(Problem(problem.column, problem.template, {"text": veil(text)}))
        return word

    def attempt(self, key: str, check: Callable[[], T]) -> T | None:
        """Run a rule of the domain; its refusal becomes a problem of that cell."""
        if key in self._broken:
            return None
        try:
            return check()
        except DomainError as error:
            self.refuse(key, error)
            return None

    def refuse(self, key: str, error: DomainError) -> None:
        """Note a refusal under a cell."""
        self._add(problem_of(error, key))

    def say(self, key: str, template: str, **params: object) -> None:
        """Note a problem under a cell."""
        self._add(Problem(key, template, params))

    def is_broken(self, key: str) -> bool:
        """Whether the cell has a problem already."""
        return key in self._broken

    def _add(self, problem: Problem) -> None:
        self._broken.add(problem.column)
        self.problems.append(problem)


def problem_of(error: DomainError, column: str = "") -> Problem:
    """A refusal as a problem of a row."""
    return Problem(column, error.template, dict(error.params))


def as_stored(problem: Problem) -> dict[str, Any]:
    """A problem as the database keeps it."""
    params = {key: v if isinstance(v, int) else str(v) for key, v in problem.params.items()}
    return {"column": problem.column, "template": problem.template, "params": params}


def veil(text: str) -> str:
    """A typed text as it may be kept and shown: numbers of people are not."""
    return _LONG_NUMBER.sub(lambda found: found[0][:3] + "***", text)[:40]
