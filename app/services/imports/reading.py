"""Reading a filled-in sheet: cells as texts under the keys of their columns, whatever the order.

What is wrong with a single cell stands with its row; only a file that cannot be read at all is
refused as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from python_calamine import CalamineError, CalamineWorkbook

from app.domain.messages import N_
from app.domain.sheets import (
    IGNORED,
    KEY_COLUMN,
    LAYOUTS,
    CellError,
    Column,
    Problem,
    SheetLayout,
    normalise_heading,
    text_of_cell,
)
from app.services.imports.choices import Say
from app.services.imports.markup import Extent, find_sheet_parts, scan_sheet
from app.services.imports.packages import WorkbookRefusedError, pack, unpack
from app.services.imports.workbooks import MARK_SHEET

BLANK_ROWS: Final = 15_000
"""Rows without anything that a sheet may hold beside the filled ones."""

HEADING_ROWS: Final = 10
"""The headings stand in one of the first rows."""


@dataclass(slots=True)
class SheetRow:
    """A filled row: its number in Excel, the texts by column, what its cells suffer from."""

    number: int
    cells: dict[str, str]
    problems: list[Problem] = field(default_factory=list)


@dataclass
class FilledSheet:
    """What was read: the rows, where each column stands, what the template was made from."""

    rows: list[SheetRow]
    columns: dict[str, int]
    fingerprint: str = ""


def read_workbook(content: bytes, layout: SheetLayout, say: Say, *, most_rows: int) -> FilledSheet:
    """The filled rows of the sheet of `layout`. Raises WorkbookRefusedError in words."""
    parts = unpack(content)
    places = find_sheet_parts(parts)
    extents = {
        name: scan_sheet(parts[part], most_rows=most_rows + BLANK_ROWS)
        for name, part in places.items()
        if part in parts
    }
    try:
        book = CalamineWorkbook.from_filelike(pack(parts))
        word, print_ = _read_mark(book) if MARK_SHEET in extents else ("", "")
        _require_same_kind(word, layout, say)
        name = _find_sheet([*extents], layout, say)
        table = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except CalamineError as error:
        raise WorkbookRefusedError(
            N_("The file is damaged. Open it in Excel, save it again and upload the new one.")
        ) from error
    head, columns = _find_columns(table, layout, say)
    rows = _read_rows(table, head, columns, layout, extents[name])
    if len(rows) > most_rows:
        raise WorkbookRefusedError(
            N_("The file has %(rows)s rows; at most %(limit)s are possible. Split it."),
            rows=len(rows),
            limit=most_rows,
        )
    if not rows:
        raise WorkbookRefusedError(
            N_("No row is filled in. Fill in the first sheet of the template and upload it again.")
        )
    return FilledSheet(rows, columns, print_)


def _read_mark(book: Any) -> tuple[str, str]:
    cells = [row[0] for row in book.get_sheet_by_name(MARK_SHEET).to_python() if row]
    texts = [str(cell) for cell in cells[:3]] + ["", "", ""]
    return texts[0], texts[2]


def _require_same_kind(word: str, layout: SheetLayout, say: Say) -> None:
    if word and word != layout.word:
        other = LAYOUTS[word].title if word in LAYOUTS else word
        raise WorkbookRefusedError(
            N_("This file is for “%(other)s”, not for “%(wanted)s”. Upload it there."),
            other=say(other),
            wanted=say(layout.title),
        )


def _find_sheet(names: Sequence[str], layout: SheetLayout, say: Say) -> str:
    """The sheet with the layout's title, or else the first one."""
    if not names:
        raise WorkbookRefusedError(N_("The workbook has no sheet. Use the template."))
    wanted = {say(layout.title), layout.title}
    return next((name for name in names if name in wanted), names[0])


def _find_columns(
    table: Sequence[Sequence[Any]], layout: SheetLayout, say: Say
) -> tuple[int, dict[str, int]]:
    """The index of the heading row and the place of each column in it."""
    known = _headings((*layout.columns, KEY_COLUMN, *IGNORED), say)
    required = {column.key for column in layout.columns if column.is_required}
    best: dict[str, int] = {}
    for index, row in enumerate(table[:HEADING_ROWS]):
        found: dict[str, int] = {}
        for place, cell in enumerate(row):
            key = known.get(normalise_heading(str(cell)))
            if key in found:
                raise WorkbookRefusedError(
                    N_("The heading “%(heading)s” stands there twice. Take one column out."),
                    heading=str(cell)[:40],
                )
            if key:
                found[key] = place
        if required <= found.keys():
            return index, found
        best = max(best, found, key=len)
    missing = [say(c.heading) for c in layout.columns if c.is_required and c.key not in best]
    raise WorkbookRefusedError(
        N_("These columns are missing: %(columns)s. Use the template and keep its headings."),
        columns="、".join(missing),
    )


def _headings(columns: Sequence[Column], say: Say) -> dict[str, str]:
    table = {normalise_heading(column.heading): column.key for column in columns}
    table.update({normalise_heading(say(column.heading)): column.key for column in columns})
    return table


def _read_rows(
    table: Sequence[Sequence[Any]],
    head: int,
    columns: Mapping[str, int],
    layout: SheetLayout,
    extent: Extent,
) -> list[SheetRow]:
    ignored = {column.key for column in IGNORED}
    wanted = [
        (column, columns[column.key])
        for column in (*layout.columns, KEY_COLUMN)
        if column.key in columns and column.key not in ignored
    ]
    rows = []
    for index in range(head + 1, len(table)):
        values = table[index]
        if not any(value not in ("", None) for value in values):
            continue
        row = _read_row(index + 1, values, wanted, extent)
        if row.problems or any(row.cells.values()):
            rows.append(row)
    return rows


def _read_row(
    number: int, values: Sequence[Any], wanted: Sequence[tuple[Column, int]], extent: Extent
) -> SheetRow:
    row = SheetRow(number, {})
    for column, place in wanted:
        value = values[place] if place < len(values) else None
        row.cells[column.key] = ""
        if (number, place + 1) in extent.formulas:
            row.problems.append(
                Problem(
                    column.key,
                    N_("This cell holds a formula. Copy it and insert it as a value."),
                )
            )
            continue
        try:
            row.cells[column.key] = text_of_cell(
                value, is_code=column.is_code, keeps_lines=column.keeps_lines
            )
        except CellError as error:
            row.problems.append(Problem(column.key, error.template, error.params))
    return row
