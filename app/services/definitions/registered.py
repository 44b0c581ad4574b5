"""Every word by which a definition may name something of the program; nothing else is looked up.

A definition holds texts, numbers and these words. What a word stands for is code beside the word's
own use; no name of a class, function, column or template is ever taken from a definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from app.domain import terms
from app.domain.workflow import ActorRole

CONDITIONS: Final = frozenset({"has_title", "is_exceptional"})
"""`required_when` (precheck)."""

SOURCES: Final = frozenset(
    {
        "plan_categories",
        "specialties",
        "open_levels",
        "title_names",
        "open_committees",
        "title_levels",
        "series",
        "material_requirements",
        "screen",
    }
)
"""`source` of the options of a choice (form_options, contents) or of a file list (materials);
`screen`: the master-data screen offers rows of another table or a list of its own."""

ENUMERATIONS: Final[Mapping[str, type[Enum]]] = {
    name: found
    for name, found in vars(terms).items()
    if isinstance(found, type) and issubclass(found, Enum) and found.__module__ == terms.__name__
}
"""`enumeration`: the closed lists of the rules (domain.terms)."""

ROLES: Final = frozenset(role.value for role in ActorRole) - {"public", "system"}
"""`see_roles`, `edit_roles`: accounts have these."""

CHOICES: Final = frozenset({"choice", "multiple_choice"})
TEXTS: Final = frozenset({"text", "long_text"})
NOT_FILTERED: Final = frozenset({"rows", "file"})
NOT_SORTED: Final = frozenset({"rows", "file", "multiple_choice", "long_text"})
NO_DEFAULT: Final = frozenset({"rows", "file", "person", "unit", "division"})
