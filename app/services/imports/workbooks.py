"""Writing the workbooks: templates, error files, hand-out sheets and exports, in one layout.

All cells are texts: nothing is turned into a formula, a number or a link.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

from app.domain.messages import N_
from app.domain.sheets import LAYOUT_VERSION, Column, SheetLayout, safe_cell
from app.services.imports.choices import Say, fingerprint

Choices = Mapping[str, Mapping[str, str]]

MARK_SHEET: Final = "_portal"
LIST_SHEET: Final = "_lists"
_TEXTS_ONLY: Final = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_FONT: Final = {"font_name": "宋体", "font_size": 11, "valign": "vcenter"}


class Workbook:
    """A workbook being written."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self._buffer = io.BytesIO()
        self._book = xlsxwriter.Workbook(self._buffer, _TEXTS_ONLY)
        self._text = self._book.add_format({**_FONT, "num_format": "@"})
        self._wrapped = self._book.add_format({**_FONT, "text_wrap": True, "valign": "top"})
        self._head = self._book.add_format(
            {**_FONT, "bold": True, "bg_color": "#DCE6F4", "border": 1, "text_wrap": True}
        )
        self._required = self._book.add_format(
            {**_FONT, "bold": True, "bg_color": "#FBE9D7", "border": 1, "text_wrap": True}
        )

    def content(self) -> bytes:
        """The finished file."""
        self._book.close()
        return self._buffer.getvalue()

    def add_layout(
        self,
        layout: SheetLayout,
        choices: Choices,
        rows: Iterable[Mapping[str, str]] = (),
        *,
        most_rows: int,
        before: Sequence[Column] = (),
        after: Sequence[Column] = (),
        above: Sequence[str] = (),
    ) -> None:
        """A sheet to fill in, with drop-downs and checks, and `rows` in it already; `above` are
        lines over the headings."""
        sheet = self._book.add_worksheet(self.say(layout.title))
        columns = (*before, *layout.columns, *after)
        for line, text in enumerate(above):
            sheet.merge_range(line, 0, line, len(columns) - 1, safe_cell(text), self._wrapped)
        head = len(above)
        self._head_row(sheet, columns, head)
        for place, column in enumerate(columns):
            self._add_check(sheet, place, column, choices, (head + 1, head + most_rows))
        self._fill(sheet, columns, rows, head)

    def add_table(
        self, title: str, columns: Sequence[Column], rows: Iterable[Mapping[str, str]]
    ) -> None:
        """A plain sheet of texts."""
        sheet = self._book.add_worksheet(self.say(title))
        self._head_row(sheet, columns)
        self._fill(sheet, columns, rows)

    def _head_row(self, sheet: Any, columns: Sequence[Column], head: int = 0) -> None:
        for place, column in enumerate(columns):
            mark, style = ("*", self._required) if column.is_required else ("", self._head)
            sheet.set_column(place, place, column.width, self._text)
            sheet.write_string(head, place, self.say(column.heading) + mark, style)
        sheet.set_row(head, 32)
        sheet.freeze_panes(head + 1, 0)

    def _fill(
        self,
        sheet: Any,
        columns: Sequence[Column],
        rows: Iterable[Mapping[str, str]],
        head: int = 0,
    ) -> None:
        for number, row in enumerate(rows, start=head + 1):
            for place, column in enumerate(columns):
                value = row.get(column.key, "")
                if value:
                    style = self._wrapped if column.keeps_lines else self._text
                    sheet.write_string(number, place, safe_cell(value), style)

    def _add_check(
        self, sheet: Any, place: int, column: Column, choices: Choices, rows: tuple[int, int]
    ) -> None:
        options: dict[str, Any] = {
            "input_title": self.say(column.heading)[:32],
            "input_message": self.say(column.hint)[:255] if column.hint else "",
            "error_title": self.say(N_("Please correct"))[:32],
            "ignore_blank": True,
        }
        if column.choices:
            source = f"={LIST_SHEET}!{_list_range(list(choices), column.choices, choices)}"
            options |= {
                "validate": "list",
                "source": source,
                "error_message": self.say(N_("Choose from the list of the cell."))[:255],
            }
        elif column.hint or column.is_required:
            options |= {
                "validate": "length",
                "criteria": "between",
                "minimum": column.shortest,
                "maximum": column.longest,
                "error_message": self._say_length(column)[:255],
            }
        else:
            return
        sheet.data_validation(rows[0], place, rows[1], place, options)

    def _say_length(self, column: Column) -> str:
        return self.say(N_("From %(shortest)s to %(longest)s characters, typed as text.")) % {
            "shortest": column.shortest,
            "longest": column.longest,
        }

    def add_guide(self, title: str, paragraphs: Iterable[str], *, table: Any = None) -> None:
        """A sheet to read; `table` is (columns, rows) of examples below the text."""
        sheet = self._book.add_worksheet(self.say(title))
        sheet.set_column(0, 0, 24)
        sheet.set_column(1, 9, 22)
        line = 0
        for text in paragraphs:
            sheet.merge_range(line, 0, line, 5, text, self._wrapped)
            sheet.set_row(line, 18 * (1 + len(text) // 60))
            line += 1
        if table is None:
            return
        columns, rows = table
        for place, column in enumerate(columns):
            sheet.write_string(line + 1, place, self.say(column.heading), self._head)
            for below, row in enumerate(rows, start=2):
                sheet.write_string(
                    line + below, place, safe_cell(row.get(column.key, "")), self._text
                )

    def add_hidden(self, layout: SheetLayout, choices: Choices) -> None:
        """The lists of the drop-downs, and what the file was made from."""
        lists = self._book.add_worksheet(LIST_SHEET)
        for place, words in enumerate(choices.values()):
            for line, label in enumerate(words.values()):
                lists.write_string(line, place, self.say(label))
        lists.very_hidden()
        mark = self._book.add_worksheet(MARK_SHEET)
        for line, text in enumerate(
            (layout.word, str(LAYOUT_VERSION), fingerprint(layout, choices))
        ):
            mark.write_string(line, 0, text)
        mark.very_hidden()


def _list_range(names: list[str], name: str, choices: Choices) -> str:
    column = xl_col_to_name(names.index(name))
    return f"${column}$1:${column}${max(len(choices[name]), 1)}"
