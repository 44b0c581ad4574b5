"""The error file: only the failing rows with their reasons, in the template's own layout, to be
corrected and uploaded again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.sheets import IGNORED, KEY_COLUMN, SheetLayout
from app.services.imports.choices import Say
from app.services.imports.reading import FilledSheet
from app.services.imports.workbooks import Choices, Workbook


def build_error_file(
    layout: SheetLayout,
    choices: Choices,
    sheet: FilledSheet,
    problems: Mapping[int, list[dict[str, Any]]],
    say: Say,
) -> bytes:
    """The workbook; `problems` are those of each failing row, by its number."""
    after = [column for column in IGNORED if column.key in {"row", "reasons"}]
    before = [KEY_COLUMN] if KEY_COLUMN.key in sheet.columns else []
    rows = [
        {
            **row.cells,
            "row": str(row.number),
            "reasons": "；".join(say_problems(problems[row.number], layout, say)),
        }
        for row in sheet.rows
        if row.number in problems
    ]
    book = Workbook(say)
    book.add_layout(layout, choices, rows, most_rows=len(rows), before=before, after=after)
    book.add_hidden(layout, choices)
    return book.content()


def say_problems(problems: Iterable[dict[str, Any]], layout: SheetLayout, say: Say) -> list[str]:
    """The problems of a row as sentences, each with the heading of its column."""
    headings = {column.key: column.heading for column in (*layout.columns, KEY_COLUMN)}
    said = []
    for problem in problems:
        sentence = say(problem["template"]) % {
            name: say(value) if isinstance(value, str) else value
            for name, value in problem["params"].items()
        }
        heading = headings.get(problem["column"])
        said.append(f"{say(heading)}：{sentence}" if heading else sentence)
    return said
