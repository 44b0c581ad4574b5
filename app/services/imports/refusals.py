"""A sheet that is taken over whole or not at all: each problem with its row and its cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.domain.sheets import Column, Problem, check_length
from app.services.imports.choices import Say
from app.services.imports.markup import column_letters
from app.services.imports.reading import FilledSheet, SheetRow


@dataclass(frozen=True)
class CellProblem:
    """What is wrong with a cell (`D7`); without a column with the row."""

    cell: str
    row: int
    heading: str
    template: str
    params: Mapping[str, object] = field(default_factory=dict)

    def sentence(self, say: Say) -> str:
        """Row, heading and what to do, in the reader's language."""
        params = {
            name: say(value) if isinstance(value, str) else value
            for name, value in self.params.items()
        }
        heading = f"{say(self.heading)}：" if self.heading else ""
        return heading + say(self.template) % params


class SheetRefusedError(RuleViolation):
    """Nothing of a sheet is taken over; `problems` says why, row by row."""

    code = "sheet_refused"
    template = N_(
        "The sheet has %(count)s problems. Nothing has been taken over; correct the cells named "
        "below and upload it again."
    )

    def __init__(self, problems: Sequence[CellProblem]) -> None:
        super().__init__(count=len(problems))
        self.problems = sorted(problems, key=lambda each: each.row)


def locate(
    sheet: FilledSheet, row: SheetRow, problem: Problem, columns: Sequence[Column]
) -> CellProblem:
    """A problem of a row with the address of its cell."""
    heading = next((c.heading for c in columns if c.key == problem.column), "")
    place = sheet.columns.get(problem.column)
    letters = column_letters(place + 1) if place is not None else ""
    return CellProblem(
        f"{letters}{row.number}", row.number, heading, problem.template, problem.params
    )


def problems_of_cells(row: SheetRow, columns: Sequence[Column]) -> list[Problem]:
    """What is wrong with the cells of a row by themselves: formulas, destroyed numbers, missing or
    too long texts."""
    unreadable = {problem.column for problem in row.problems}
    checked = [
        check_length(column, row.cells.get(column.key, ""))
        for column in columns
        if column.key not in unreadable
    ]
    return [*row.problems, *(problem for problem in checked if problem)]
