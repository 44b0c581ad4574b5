"""Which definition a page shows: the one in force, or a draft its editor is trying out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.services.definitions import store


def definition_of(key: str) -> Mapping[str, Any]:
    """The definition the present request shows. Raises UnknownDefinitionError."""
    return store.current(key)
