"""Names of people and units: what may stand in one, so that no list or certificate misleads.

Letters and digits of every script are allowed, rare Han characters among them (䶮 𬱖 𫖯 𱁬); what
cannot be seen, turns the direction of writing, is a picture, a formula or markup is not.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from app.domain.errors import RuleViolation
from app.domain.messages import N_

LONGEST_PERSON: Final = 60
_IN_PERSONS: Final = frozenset(" ·•・‧.'’-")
_IN_UNITS: Final = _IN_PERSONS | frozenset(
    '()（）[]【】《》〈〉“”‘"、，,。：:；;/&+—–_#№°'
    "\N{LEFT TORTOISE SHELL BRACKET}\N{RIGHT TORTOISE SHELL BRACKET}\N{FULLWIDTH AMPERSAND}"
)


def require_person_name(text: str) -> str:
    """The name without blanks around it. Raises RuleViolation for anything that is no name."""
    name = text.strip()
    if not name:
        raise RuleViolation(N_("Enter the name as on the document."))
    if _first_strange(name, _IN_PERSONS) or not _has_letter(name):
        raise RuleViolation(
            N_("A name consists of letters and the dots or hyphens of the document. Correct it."),
        )
    return name


def require_unit_name(text: str) -> str:
    """The name without blanks around it. Raises RuleViolation for anything that is no name."""
    name = text.strip()
    if not name:
        raise RuleViolation(N_("Enter the name of the unit as on its certificate."))
    if _first_strange(name, _IN_UNITS) or not _has_letter(name):
        raise RuleViolation(
            N_(
                "The name of a unit consists of letters, digits and the usual punctuation. Enter "
                "it as on the certificate."
            )
        )
    return name


def _has_letter(name: str) -> bool:
    return any(unicodedata.category(char).startswith("L") for char in name)


def _first_strange(name: str, allowed: frozenset[str]) -> str:
    """The first character that may not stand in a name; empty if there is none.

    Han characters newer than this Python's tables count as letters by their block.
    """
    for char in name:
        is_han = 0x20000 <= ord(char) <= 0x3FFFD
        if (
            char not in allowed
            and not is_han
            and not unicodedata.category(char).startswith(("L", "M", "Nd", "Nl"))
        ):
            return char
    return ""
