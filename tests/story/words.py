"""The portal's own words: an English message id as the Chinese page shows it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

from tests.instance import ROOT

CATALOGUE = Path("translations", "zh", "LC_MESSAGES", "messages.po")


@cache
def _catalogue() -> dict[str, str]:
    path = ROOT / CATALOGUE
    if not path.exists():
        return {}
    with path.open("rb") as file:
        entries = read_po(file)
    return {
        str(e.id): str(e.string) for e in entries if e.id and isinstance(e.id, str) and e.string
    }


def say(message: str) -> str:
    """The text of a message id; the id itself where the catalogue has none."""
    return _catalogue().get(message, message)
