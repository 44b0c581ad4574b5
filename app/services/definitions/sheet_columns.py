"""The columns of the sheet a screen is written in, one row a field, and what a cell says.

In the manner of Annex 2: the section, the name, the kind, required or not, the note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.domain.messages import N_
from app.domain.sheets import Column, Problem, SheetLayout, join_blanks, read_choice
from app.services.definitions.properties import name_property
from app.services.imports.choices import YES_NO, Say, reading_table

SECTION: Final = Column(
    "section",
    N_("Section"),
    N_("Choose from the list."),
    is_required=True,
    choices="sections",
    width=18,
)
TABLE: Final = Column(
    "table", N_("Table it is a column of"), N_("Empty for a field of its own."), width=18
)
NAME: Final = Column(
    "name",
    N_("Field code"),
    N_("Never changed. Empty for a new field; the system gives one."),
    longest=60,
    width=22,
)

TICK, TEXT, WHOLE, NUMBER, CHOICE, OPTIONS, DEFAULT = range(7)


@dataclass(frozen=True)
class Property:
    """A property of a field and its column; `usual` is what it is when nothing is said."""

    column: Column
    form: int
    usual: Any = None
    only_for: str = ""

    @property
    def key(self) -> str:
        """The name of the property."""
        return self.column.key


_HEADINGS: Final[Mapping[str, str]] = {
    "label_zh": N_("Name of the field"),
    "label": N_("English name"),
    "max_length": N_("Length"),
}
"""Headings in the manner of Annex 2; the others are called as the editor calls them."""


def _column(key: str, hint: str = "", **more: Any) -> Column:
    return Column(key, _HEADINGS.get(key, name_property(key)), hint, **more)


def _tick(key: str, *, usual: bool = False, only_for: str = "") -> Property:
    return Property(_column(key, choices="yes_no", width=9), TICK, usual, only_for)


def _whole(key: str) -> Property:
    return Property(_column(key, longest=5, width=9, is_code=True), WHOLE)


PROPERTIES: Final = (
    Property(_column("label_zh", is_required=True, width=22), TEXT),
    Property(_column("label", N_("Empty: as the Chinese one."), width=20), TEXT),
    Property(_column("kind", is_required=True, choices="kinds", width=12), CHOICE),
    _tick("is_required"),
    Property(_column("help_zh", longest=1000, width=30, keeps_lines=True), TEXT),
    Property(_column("help", longest=1000, width=20, keeps_lines=True), TEXT),
    Property(_column("dictionary", choices="dictionaries", width=18), CHOICE),
    Property(
        _column(
            "options",
            N_("One a line: code=name=English name; # before a retired one."),
            longest=8000,
            width=26,
            keeps_lines=True,
        ),
        OPTIONS,
    ),
    _whole("max_length"),
    Property(_column("minimum", longest=16, width=10, is_code=True), NUMBER),
    Property(_column("maximum", longest=16, width=10, is_code=True), NUMBER),
    _whole("min_rows"),
    _whole("max_rows"),
    Property(_column("default", longest=2000, width=14), DEFAULT),
    Property(_column("width", choices="widths", width=10), CHOICE),
    _tick("in_list", only_for="record"),
    _tick("in_filter", only_for="record"),
    _tick("is_sortable", only_for="record"),
    _tick("in_excel", usual=True, only_for="record"),
    _tick("is_publicised", only_for="form"),
    _tick("is_hidden"),
    _tick("is_retired"),
)


def properties_of(kind: str) -> tuple[Property, ...]:
    """The properties of the fields of a kind of screen."""
    return tuple(each for each in PROPERTIES if each.only_for in {"", kind})


def layout_of(kind: str) -> SheetLayout:
    """The sheet of a kind of screen."""
    columns = (SECTION, TABLE, NAME, *(each.column for each in properties_of(kind)))
    return SheetLayout(f"screen_{kind}", N_("Fields of a screen"), columns)


# ------------------------------------------------------------------------------ writing a cell


def write_cell(property_: Property, given: Mapping[str, Any], choices: Mapping, say: Say) -> str:  # type: ignore[type-arg]
    """What stands in the cell of a property."""
    value = given.get(property_.key, property_.usual)
    match property_.form:
        case form if form == TICK:
            return say(YES_NO["yes"]) if value else (say(YES_NO["no"]) if property_.usual else "")
        case form if form == CHOICE:
            words = choices[property_.column.choices]
            return say(words[value]) if value in words else str(value or "")
        case form if form == OPTIONS:
            return "\n".join(_write_option(option) for option in value or ())
        case _:
            return write_scalar(value, say)


def write_scalar(value: Any, say: Say) -> str:
    """A single value as it is typed."""
    if isinstance(value, bool):
        return say(YES_NO["yes" if value else "no"])
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return "" if value is None else str(value)


def _write_option(option: Mapping[str, Any]) -> str:
    code, chinese, english, is_retired = option_of(option)
    mark = "#" if is_retired else ""
    return f"{mark}{code}={chinese}={english}" if english else f"{mark}{code}={chinese}"


Option = tuple[str, str, str, bool]


def option_of(given: Mapping[str, Any]) -> Option:
    """Code, Chinese name, English name where it differs, retired."""
    english = str(given.get("label") or "")
    chinese = str(given.get("label_zh") or given.get("name") or english)
    return (
        str(given["code"]),
        chinese,
        "" if english == chinese else english,
        bool(given.get("is_retired")),
    )


# ------------------------------------------------------------------------------ reading a cell


class CellFault(Exception):  # noqa: N818
    """A cell cannot be taken over; carries the problem."""

    def __init__(self, column: Column, template: str, **params: object) -> None:
        super().__init__(template)
        self.problem = Problem(column.key, template, params)


def read_cell(
    property_: Property, text: str, kind: str, choices: Mapping[str, Mapping[str, str]], say: Say
) -> Any:
    """The value of a cell; None for an empty one. Raises CellFault."""
    column = property_.column
    if property_.form == TICK:
        return _read_choice(column, text, YES_NO, say) == "yes" if text else property_.usual
    if not text:
        return None
    readers: Mapping[int, Callable[[], Any]] = {
        TEXT: lambda: text,
        WHOLE: lambda: _read_number(column, text, whole=True),
        NUMBER: lambda: _read_number(column, text),
        CHOICE: lambda: _read_choice(column, text, choices[column.choices], say),
        OPTIONS: lambda: _read_options(column, text),
        DEFAULT: lambda: _read_default(column, text, kind, say),
    }
    return readers[property_.form]()


def _read_choice(column: Column, text: str, words: Mapping[str, str], say: Say) -> str:
    word, problem = read_choice(column, text, reading_table(words, say))
    if problem or word is None:
        raise CellFault(
            column,
            N_("“%(text)s” is none of the choices. Choose from the list of the cell."),
            text=text[:40],
        )
    return word


_DIGITS: Final = re.compile(r"-?[0-9]{1,12}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,12}\.[0-9]{1,3}")


def _read_number(column: Column, text: str, *, whole: bool = False) -> int | float:
    text = text.replace(",", "").replace("−", "-")
    if _DIGITS.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and not whole:
        return float(text)
    raise CellFault(column, N_("Enter a number here, in digits."))


def _read_default(column: Column, text: str, kind: str, say: Say) -> Any:
    if kind == "boolean":
        return _read_choice(column, text, YES_NO, say) == "yes"
    return _read_number(column, text) if kind == "number" else text


_CODE: Final = re.compile(r"[^/#=\s]{1,40}")


def _read_options(column: Column, text: str) -> list[Option]:
    options: list[Option] = []
    for line in text.split("\n"):
        if not line.strip():
            continue
        mark = line.startswith("#")
        code, _equals, names = line.removeprefix("#").strip().partition("=")
        chinese, _equals, english = (part.strip() for part in names.partition("="))
        code = code.strip()
        if not _CODE.fullmatch(code) or not chinese:
            raise CellFault(
                column,
                N_("“%(line)s” is no option. Write code=name, one a line."),
                line=line[:40],
            )
        if code in {option[0] for option in options}:
            raise CellFault(
                column, N_("The code “%(code)s” stands there twice. Keep one."), code=code
            )
        options.append((code, chinese, english, mark))
    return options


def same_text(value: Any, typed: Any) -> bool:
    """Whether a text on file is what was typed, blanks at its lines' ends aside."""
    return join_blanks(str(value or ""), keeps_lines=True) == (typed or "")
