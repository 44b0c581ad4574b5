"""The kinds of objects of a configuration pack, in the order in which they refer to each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from app.services.packs.committees import Requirements
from app.services.packs.definitions import Definitions
from app.services.packs.kind import Document, Identity, Kind
from app.services.packs.lists import Dictionaries, Entries, Reasons
from app.services.packs.numbers import Calendars, Parameters

DEFINITIONS: Final = Definitions()

KINDS: Final[tuple[Kind, ...]] = (
    Dictionaries(),
    Entries(),
    Reasons(),
    Parameters(),
    Calendars(),
    Requirements(),
    DEFINITIONS,
)

Content = Mapping[str, Mapping[Identity, Document]]
"""Objects by the name of their kind and what names them, in order."""


def read_configuration() -> dict[str, dict[Identity, Document]]:
    """Everything that is configuration here."""
    return {kind.name: ordered(kind, kind.read()) for kind in KINDS}


def ordered(kind: Kind, documents: Iterable[Document]) -> dict[Identity, Document]:
    """Objects of a kind by what names them, sorted."""
    by_identity = {kind.identity(document): document for document in documents}
    return dict(sorted(by_identity.items()))
