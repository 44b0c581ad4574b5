"""The fields of a definition, each with its place, as a check walks over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """A field or column and where it stands; `owner` is the field of kind rows around a column."""

    path: str
    section: str
    given: Given
    owner: Given | None = None

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.given["kind"])

    @property
    def name(self) -> str:
        """Its name, known within its section or rows."""
        return str(self.given["name"])

    @property
    def title(self) -> str:
        """What the reader calls it."""
        return name_of(self.given)

    def has(self, flag: str) -> bool:
        """Whether a property is ticked."""
        return bool(self.given.get(flag))


def name_of(given: Given) -> str:
    """The Chinese label, or what there is instead."""
    return str(given.get("label_zh") or given.get("label") or given.get("name") or given.get("key"))


def all_places(definition: Given) -> Iterator[Place]:
    """Every field and column, retired ones included, in the order of the definition."""
    for section in definition.get("sections", ()):
        path = f"sections/{section['key']}/fields"
        yield from _walk(path, str(section["key"]), section.get("fields", ()), None)


def _walk(path: str, section: str, fields: Any, owner: Given | None) -> Iterator[Place]:
    for given in fields:
        place = f"{path}/{given['name']}"
        yield Place(place, section, given, owner)
        if owner is None:
            yield from _walk(f"{place}/columns", section, given.get("columns", ()), given)


def live_places(definition: Given) -> Iterator[Place]:
    """The fields and columns in use: neither they nor the rows around them are retired."""
    for place in all_places(definition):
        if not place.has("is_retired") and not (place.owner or {}).get("is_retired"):
            yield place


def shown_section(place: Place) -> str:
    """The section a field is shown in."""
    return str(place.given.get("moved_to") or place.section)
