"""Filters of instants: what is typed into a filter bar is Beijing time."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from flask_appbuilder.models.sqla.filters import (
    FilterEqual,
    FilterGreater,
    FilterNotEqual,
    FilterSmaller,
    SQLAFilterConverter,
)

from app.domain.calendar import BEIJING


def read_instant(text: str) -> datetime | None:
    """The instant of `2022-08-05T17:00`, Beijing time unless an offset is given; None for what is
    none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=BEIJING)


class InstantFilter:
    """Reads the value as an instant; what is none filters nothing."""

    def apply(self, query: Any, value: Any) -> Any:
        """Compare with the instant."""
        instant = read_instant(str(value))
        return query if instant is None else super().apply(query, instant)  # type: ignore[misc]


class InstantEqual(InstantFilter, FilterEqual):
    """At this instant."""


class InstantGreater(InstantFilter, FilterGreater):
    """Later than this instant."""


class InstantSmaller(InstantFilter, FilterSmaller):
    """Earlier than this instant."""


class InstantNotEqual(InstantFilter, FilterNotEqual):
    """Not at this instant."""


class PortalFilterConverter(SQLAFilterConverter):
    """FAB's filters of each kind of column, with those of instants above."""

    conversion_table: ClassVar[Any] = tuple(
        (kind, [InstantEqual, InstantGreater, InstantSmaller, InstantNotEqual])
        if kind == "is_datetime"
        else (kind, filters)
        for kind, filters in SQLAFilterConverter.conversion_table
    )
