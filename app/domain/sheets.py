"""The sheets accounts are created from: their columns, and what a cell must be.

Notice 三(二) and Annex 3; rules E5-E8. Cells are judged here one by one; what only the database
knows (who exists already) is asked by the services.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Final

from app.domain.errors import RuleViolation
from app.domain.messages import N_

LAYOUT_VERSION: Final = 1
"""Raised when a column changes its meaning: older templates are then named as such."""

_MOST_DIGITS: Final = 15
"""Excel keeps no more digits of a number; what is longer has lost its end."""

_SCIENTIFIC: Final = re.compile(r"\d(?:\.\d+)?E\+?\d+", re.IGNORECASE)
_INVISIBLE: Final = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
_QUOTES: Final = "'’‘`´＇"  # noqa: RUF001 -- the marks people put before a number
_STARTS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_LONGEST_SHOWN: Final = 40

Value = str | int | float | bool | date | datetime | time | None


class CellError(RuleViolation):
    """A cell cannot be taken as it is."""

    code = "cell_refused"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a sheet. `choices` names the list its drop-down offers."""

    key: str
    heading: str
    hint: str = ""
    is_required: bool = False
    longest: int = 200
    shortest: int = 0
    width: int = 16
    choices: str = ""
    is_code: bool = False
    """A number or code: blanks inside mean nothing, full-width characters are made narrow."""

    keeps_lines: bool = False
    """A text of several lines, which stay apart."""


@dataclass(frozen=True, slots=True)
class SheetLayout:
    """A sheet to be filled in: its word, its title and its columns in order."""

    word: str
    title: str
    columns: tuple[Column, ...]

    def column(self, key: str) -> Column:
        """The column of that key."""
        return next(column for column in self.columns if column.key == key)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row, and in which column; `template` is a msgid that says what to
    do."""

    column: str
    template: str
    params: Mapping[str, object] = field(default_factory=dict)


_NAME = Column(
    "name", N_("Name"), N_("As on the document."), is_required=True, longest=60, width=14
)
_DOCUMENT = Column(
    "identity_document",
    N_("Kind of document"),
    N_("Choose from the list."),
    choices="documents",
    width=20,
)
_NUMBER = Column(
    "identity_number",
    N_("Document number"),
    N_("As text, never as a number: Excel cuts numbers after 15 digits."),
    is_required=True,
    shortest=5,
    longest=18,
    width=24,
    is_code=True,
)
_PHONE = Column(
    "phone",
    N_("Mobile number"),
    N_("11 digits; sign-in codes are sent to it."),
    is_required=True,
    shortest=11,
    longest=11,
    width=16,
    is_code=True,
)
_KIND = Column(
    "applicant_kind", N_("The person is"), N_("Empty: employee of the unit."), choices="kinds"
)
_HANDLER = Column(
    "is_handler",
    N_("Handler of the unit"),
    N_("Yes for people who act for the unit under their own name; empty: no."),
    choices="yes_no",
    width=14,
)
_UNIT_NAME = Column(
    "name",
    N_("Unit name"),
    N_("As on its certificate."),
    is_required=True,
    longest=120,
    width=30,
)
_UNIT_KIND = Column(
    "unit_kind",
    N_("Unit kind"),
    N_("Choose from the list."),
    is_required=True,
    choices="unit_kinds",
)
_DIVISION = Column(
    "division",
    N_("Administrative division"),
    N_("Six digits, for example 520103. Empty: that of the superior unit."),
    longest=6,
    is_code=True,
)
_REGISTRAR_LEVEL = Column(
    "registrar_level",
    N_("Level of the registrar"),
    N_("Non-public organizations only."),
    choices="levels",
)
_CONTACT = Column("contact_name", N_("Contact"), longest=60)
_CONTACT_PHONE = Column(
    "contact_phone", N_("Telephone of the contact"), longest=40, width=18, is_code=True
)

PEOPLE: Final = SheetLayout(
    "people",
    N_("Personal accounts"),
    (_NAME, _DOCUMENT, _NUMBER, _PHONE, _KIND, _HANDLER),
)
UNITS: Final = SheetLayout(
    "units",
    N_("Subordinate units"),
    (
        _UNIT_NAME,
        _UNIT_KIND,
        Column(
            "code",
            N_("Unified social credit code"),
            N_("Empty only for a unit without a code of its own; the system derives one."),
            shortest=18,
            longest=26,
            width=24,
            is_code=True,
        ),
        Column(
            "level",
            N_("Administrative level"),
            N_("Empty: as the superior unit."),
            choices="levels",
        ),
        _DIVISION,
        Column(
            "registrar",
            N_("Registrar"),
            N_("Non-public organizations: the office on the licence."),
            longest=120,
            width=24,
        ),
        _REGISTRAR_LEVEL,
        _CONTACT,
        _CONTACT_PHONE,
        Column("address", N_("Address"), longest=200, width=30),
    ),
)
_LEGACY_LOGIN = Column(
    "legacy_login",
    N_("Login of 2021"),
    N_("Empty if it is the unit code or the document number."),
    longest=60,
    is_code=True,
)
LEGACY_UNITS: Final = SheetLayout(
    "legacy_units",
    N_("Units of 2021"),
    (
        Column(
            "code",
            N_("Unit code"),
            N_("As in 2021, derived codes included."),
            is_required=True,
            shortest=18,
            longest=26,
            width=28,
            is_code=True,
        ),
        _UNIT_NAME,
        _UNIT_KIND,
        Column(
            "parent_code",
            N_("Code of the superior unit"),
            N_("A unit that exists already or stands above in this file."),
            is_required=True,
            longest=26,
            width=28,
            is_code=True,
        ),
        Column("level", N_("Administrative level"), choices="levels"),
        _DIVISION,
        _REGISTRAR_LEVEL,
        _LEGACY_LOGIN,
        _CONTACT,
        _CONTACT_PHONE,
    ),
)
LEGACY_PEOPLE: Final = SheetLayout(
    "legacy_people",
    N_("Personal accounts of 2021"),
    (
        Column(
            "unit_code",
            N_("Unit code"),
            N_("The unit the person belongs to."),
            is_required=True,
            longest=26,
            width=28,
            is_code=True,
        ),
        _NAME,
        _DOCUMENT,
        _NUMBER,
        _PHONE,
        _KIND,
        _HANDLER,
        _LEGACY_LOGIN,
    ),
)
LAYOUTS: Final[Mapping[str, SheetLayout]] = {
    layout.word: layout for layout in (PEOPLE, UNITS, LEGACY_UNITS, LEGACY_PEOPLE)
}

KEY_COLUMN: Final = Column("account_key", N_("Account key (do not change)"), width=26, is_code=True)
"""Stands in exports: it finds the account again, and says nothing about the person."""

IGNORED: Final = (
    Column("row", N_("Row in the uploaded file"), width=10),
    Column("reasons", N_("Why it was not taken over"), width=60),
    Column("unit", N_("Unit"), width=30),
    Column("state", N_("State"), width=10),
)
"""Columns our own files carry for the reader; nothing is taken from them."""


def text_of_cell(value: Value, *, is_code: bool = False, keeps_lines: bool = False) -> str:
    """What a cell says, without what people and Excel put around it.

    Raises CellError for a number Excel has already destroyed.
    """
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int | float):
        return _text_of_number(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    text = (value or "").translate(_INVISIBLE)
    text = "".join(c for c in text if unicodedata.category(c) != "Cc" or c in "\n\t")
    if not is_code:
        return _without_quote(join_blanks(text, keeps_lines=keeps_lines))
    text = unicodedata.normalize("NFKC", "".join(text.split())).lstrip(_QUOTES)
    if _SCIENTIFIC.fullmatch(text):
        raise _destroyed(text)
    return text.upper()


def join_blanks(text: str, *, keeps_lines: bool = False) -> str:
    """The text with one blank where there are several; with or without its lines."""
    if not keeps_lines:
        return " ".join(text.split())
    return "\n".join(" ".join(line.split()) for line in text.strip().split("\n"))


def _text_of_number(value: float) -> str:
    if abs(value) >= 10**_MOST_DIGITS:
        raise _destroyed(f"{value:.5e}".replace("e", "E"))
    return str(int(value)) if value == int(value) else str(value)


def _destroyed(shown: str) -> CellError:
    return CellError(
        N_(
            "Excel has turned this number into %(shown)s and lost its last digits. Format the "
            "column as text, then type the number again; the template's columns are text already."
        ),
        shown=shown[:_LONGEST_SHOWN],
    )


def _without_quote(text: str) -> str:
    """Take away the mark our exports put before what Excel might take for a formula."""
    marked = text[:1] in _QUOTES and text[1:2] in _STARTS_FORMULA if len(text) > 1 else False
    return text[1:] if marked else text


def safe_cell(text: str) -> str:
    """A text as it may be written into a workbook: nothing a spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_STARTS_FORMULA) else text


def normalise_heading(text: str) -> str:
    """A heading without blanks, stars and brackets, to be compared."""
    plain = unicodedata.normalize("NFKC", text)
    return re.sub(r"[\s*:]|\(.*?\)", "", plain).casefold()


def check_length(column: Column, text: str) -> Problem | None:
    """What is missing or too long in a cell."""
    if not text:
        if column.is_required:
            return Problem(column.key, N_("This cell is empty. Fill it in."))
        return None
    if len(text) > column.longest:
        return Problem(
            column.key,
            N_("At most %(longest)s characters are possible here; these are %(length)s."),
            {"longest": column.longest, "length": len(text)},
        )
    return None


def read_choice(
    column: Column, text: str, choices: Mapping[str, str]
) -> tuple[str | None, Problem | None]:
    """The word behind the chosen name; None for an empty cell; what is wrong with any other.

    `choices` maps normalised names to words.
    """
    if not text:
        return None, None
    word = choices.get(normalise_choice(text))
    if word is None:
        return None, Problem(
            column.key,
            N_("“%(text)s” is none of the choices. Choose from the list of the cell."),
            {"text": text[:_LONGEST_SHOWN]},
        )
    return word, None


def normalise_choice(text: str) -> str:
    """A chosen name without blanks and differences of width and case."""
    return unicodedata.normalize("NFKC", "".join(text.split())).casefold()
