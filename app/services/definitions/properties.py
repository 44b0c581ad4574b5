"""The properties of a screen's fields and sections: names, shapes, and which of them a screen has.

The editor draws its panel from this table and the differences take their words from it, so that a
property is called the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from app.domain.messages import N_

FORM: Final = "form"
RECORD: Final = "record"
SHEET: Final = "sheet"

SCREEN_KIND_LABELS: Final[Mapping[str, str]] = {
    FORM: N_("Form to fill in"),
    RECORD: N_("Screen of records"),
    SHEET: N_("Heads of a sheet"),
}

FIELD_KIND_LABELS: Final[Mapping[str, str]] = {
    "text": N_("Line of text"),
    "long_text": N_("Long text"),
    "number": N_("Figure"),
    "date": N_("Date"),
    "month": N_("Year and month"),
    "boolean": N_("Yes or no"),
    "choice": N_("One choice"),
    "multiple_choice": N_("Several choices"),
    "person": N_("Person"),
    "unit": N_("Unit"),
    "division": N_("Administrative division"),
    "file": N_("File"),
    "rows": N_("Rows of a table"),
}
"""Kinds of fields, in the order an editor offers them."""

COLUMN_KINDS: Final = tuple(kind for kind in FIELD_KIND_LABELS if kind != "rows")
"""Kinds a column of a field of rows may have."""

WIDTH_LABELS: Final[Mapping[str, str]] = {
    "full": N_("Full width"),
    "half": N_("Half width"),
    "third": N_("A third of the width"),
}


class Shape(StrEnum):
    """How a value is entered and read."""

    LINE = "line"
    TEXT = "text"
    TICK = "tick"
    NUMBER = "number"
    WIDTH = "width"
    ROLES = "roles"
    OPTIONS = "options"
    CONDITION = "condition"
    DICTIONARY = "dictionary"
    SCALAR = "scalar"
    FIELD = "field"


class Group(StrEnum):
    """The part of the panel a property stands in."""

    WORDS = "words"
    INPUT = "input"
    PLACES = "places"
    PEOPLE = "people"


GROUP_LABELS: Final[Mapping[Group, str]] = {
    Group.WORDS: N_("Wording"),
    Group.INPUT: N_("Filling in"),
    Group.PLACES: N_("Where it appears"),
    Group.PEOPLE: N_("Who sees and changes it"),
}


@dataclass(frozen=True)
class Property:
    """One property: its word, its shape, the kinds of fields and screens that have it.

    `unset` is what holds where no layer says anything.
    """

    name: str
    label: str
    shape: Shape
    group: Group
    hint: str = ""
    kinds: frozenset[str] = frozenset()
    screens: frozenset[str] = frozenset({FORM, RECORD})
    unset: Any = None
    longest: int = 200


CHOICES = frozenset({"choice", "multiple_choice"})
TEXTS = frozenset({"text", "long_text"})
SCALARS = frozenset({"text", "long_text", "number", "date", "month", "boolean", "choice"})
ONLY_RECORD = frozenset({RECORD})

WORDS: Final = (
    Property("label_zh", N_("Label"), Shape.LINE, Group.WORDS),
    Property("label", N_("English label"), Shape.LINE, Group.WORDS),
    Property("help_zh", N_("Help"), Shape.TEXT, Group.WORDS, longest=1000),
    Property("help", N_("English help"), Shape.TEXT, Group.WORDS, longest=1000),
)
"""What sections have, too."""

FIELD_PROPERTIES: Final = (
    *WORDS,
    Property("is_required", N_("Required"), Shape.TICK, Group.INPUT, unset=False),
    Property(
        "default",
        N_("Value to begin with"),
        Shape.SCALAR,
        Group.INPUT,
        kinds=SCALARS,
        longest=2000,
    ),
    Property("width", N_("Width"), Shape.WIDTH, Group.INPUT),
    Property(
        "dictionary",
        N_("Dictionary"),
        Shape.DICTIONARY,
        Group.INPUT,
        hint=N_("The choices come from this dictionary; without one, write them below."),
        kinds=CHOICES,
    ),
    Property(
        "options",
        N_("Choices"),
        Shape.OPTIONS,
        Group.INPUT,
        hint=N_("One a line: code = wording. A line without a code gets one."),
        kinds=CHOICES,
        longest=20_000,
    ),
    Property("max_length", N_("Characters at most"), Shape.NUMBER, Group.INPUT, kinds=TEXTS),
    Property(
        "minimum", N_("Smallest figure"), Shape.NUMBER, Group.INPUT, kinds=frozenset({"number"})
    ),
    Property(
        "maximum", N_("Largest figure"), Shape.NUMBER, Group.INPUT, kinds=frozenset({"number"})
    ),
    Property("min_rows", N_("Rows at least"), Shape.NUMBER, Group.INPUT, kinds=frozenset({"rows"})),
    Property("max_rows", N_("Rows at most"), Shape.NUMBER, Group.INPUT, kinds=frozenset({"rows"})),
    Property(
        "shown_when",
        N_("Shown only when"),
        Shape.CONDITION,
        Group.INPUT,
        hint=N_("Several values are parted by “、”. Without a field it is always shown."),
    ),
    Property(
        "in_form", N_("In the form"), Shape.TICK, Group.PLACES, screens=ONLY_RECORD, unset=True
    ),
    Property(
        "in_show",
        N_("On the record page"),
        Shape.TICK,
        Group.PLACES,
        screens=ONLY_RECORD,
        unset=True,
    ),
    Property(
        "in_list", N_("In the list"), Shape.TICK, Group.PLACES, screens=ONLY_RECORD, unset=False
    ),
    Property(
        "list_place",
        N_("Place in the list"),
        Shape.NUMBER,
        Group.PLACES,
        hint=N_("Columns stand from the smallest figure to the largest."),
        screens=ONLY_RECORD,
    ),
    Property(
        "in_filter",
        N_("Among the filters"),
        Shape.TICK,
        Group.PLACES,
        screens=ONLY_RECORD,
        unset=False,
    ),
    Property(
        "is_sortable",
        N_("List can be sorted by it"),
        Shape.TICK,
        Group.PLACES,
        screens=ONLY_RECORD,
        unset=False,
    ),
    Property("in_excel", N_("In Excel"), Shape.TICK, Group.PLACES, screens=ONLY_RECORD, unset=True),
    Property("in_print", N_("In print"), Shape.TICK, Group.PLACES, unset=True),
    Property(
        "in_api",
        N_("In the interface for programs"),
        Shape.TICK,
        Group.PLACES,
        screens=ONLY_RECORD,
        unset=False,
    ),
    Property(
        "see_roles",
        N_("Who sees it"),
        Shape.ROLES,
        Group.PEOPLE,
        hint=N_("Nobody ticked: everybody who may open the page."),
    ),
    Property(
        "edit_roles",
        N_("Who may change it"),
        Shape.ROLES,
        Group.PEOPLE,
        hint=N_("Nobody ticked: everybody who may change the record."),
    ),
)

SCREEN_PROPERTIES: Final = (
    Property("label_zh", N_("Designation"), Shape.LINE, Group.WORDS),
    Property("label", N_("English name"), Shape.LINE, Group.WORDS),
    Property("list/order", N_("List sorted by"), Shape.FIELD, Group.PLACES, screens=ONLY_RECORD),
    Property(
        "list/is_descending",
        N_("Largest first"),
        Shape.TICK,
        Group.PLACES,
        screens=ONLY_RECORD,
        unset=False,
    ),
    Property("list/page_size", N_("Rows a page"), Shape.NUMBER, Group.PLACES, screens=ONLY_RECORD),
)

OTHER_NAMES: Final[Mapping[str, str]] = {
    "kind": N_("Kind of field"),
    "is_custom": N_("Field of the province"),
    "is_retired": N_("Retired"),
    "is_hidden": N_("Hidden"),
    "is_read_only": N_("Read-only"),
    "is_publicised": N_("Shown in the publicity"),
    "required_when": N_("Required only when"),
    "moved_to": N_("Section"),
    "source": N_("Source of the choices"),
    "enumeration": N_("Vocabulary"),
    "multiple": N_("Several files"),
    "number": N_("Number"),
    "name": N_("Wording"),
    "heading": N_("Heading"),
    "series_line": N_("Line of the series"),
    "version": N_("Version of the file"),
}
"""Properties no panel offers, for the words of a difference."""

PROPERTIES: Final[Mapping[str, Property]] = {
    each.name: each for each in (*FIELD_PROPERTIES, *SCREEN_PROPERTIES[2:])
}


def name_property(name: str) -> str:
    """The word of a property (a message id); what has none is called as it is written."""
    if name in PROPERTIES:
        return PROPERTIES[name].label
    return OTHER_NAMES.get(name, name)
