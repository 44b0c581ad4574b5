"""What the drop-downs of a sheet offer at present, and how a chosen name is read back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from app.domain.labels import (
    APPLICANT_KIND_LABELS,
    DOCUMENT_LABELS,
    LEVEL_LABELS,
    UNIT_KIND_LABELS,
)
from app.domain.messages import N_
from app.domain.sheets import LAYOUT_VERSION, SheetLayout, normalise_choice
from app.domain.terms import UnitKind
from app.services.actors import Actor
from app.services.settings import parameter
from app.services.units import allowed_kinds

Say = Callable[[str], str]
"""Translates a msgid into the language of the file."""

YES_NO = {"yes": N_("Yes"), "no": N_("No")}


def list_choices(layout: SheetLayout, *, actor: Actor) -> dict[str, dict[str, str]]:
    """Per list the words and their msgids, as the configuration has them now."""
    documents = parameter("identity_documents")
    kinds: Sequence[UnitKind] = (
        list(UnitKind) if layout.word.startswith("legacy") else allowed_kinds(actor)
    )
    every: dict[str, dict[str, str]] = {
        "documents": _words({k: v for k, v in DOCUMENT_LABELS.items() if k.value in documents}),
        "kinds": _words(APPLICANT_KIND_LABELS),
        "levels": _words(LEVEL_LABELS),
        "unit_kinds": _words({kind: UNIT_KIND_LABELS[kind] for kind in kinds}),
        "yes_no": dict(YES_NO),
    }
    used = {column.choices for column in layout.columns if column.choices}
    return {name: words for name, words in every.items() if name in used}


def _words(labels: Mapping[Enum, str] | Mapping) -> dict[str, str]:  # type: ignore[type-arg]
    return {str(member.value): label for member, label in labels.items()}


def reading_table(choices: Mapping[str, str], say: Say) -> dict[str, str]:
    """Normalised name (in the portal's language, in English, or the word itself) to word."""
    table = {normalise_choice(word): word for word in choices}
    table.update({normalise_choice(label): word for word, label in choices.items()})
    table.update({normalise_choice(say(label)): word for word, label in choices.items()})
    return table


def fingerprint(layout: SheetLayout, choices: Mapping[str, Mapping[str, str]]) -> str:
    """What a template was made from; another value says that the configuration has changed."""
    parts = [layout.word, str(LAYOUT_VERSION)]
    parts += [f"{name}:{','.join(sorted(words))}" for name, words in sorted(choices.items())]
    parts += [column.key for column in layout.columns]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
