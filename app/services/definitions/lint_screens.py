"""What a master-data screen can be wrong about: its list, filters, order, sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.domain.messages import N_
from app.services.definitions.findings import Finding, checks
from app.services.definitions.places import Place, all_places, live_places, shown_section
from app.services.definitions.registered import NOT_FILTERED, NOT_SORTED

Definition = Mapping[str, Any]
MOST_COLUMNS = 12
MOST_CUSTOM = 100


def _find(code: str, place: Place, template: str, **params: object) -> Finding:
    return Finding(code, place.path, template, {"field": place.title, **params})


def _fields(definition: Definition) -> list[Place]:
    return [place for place in live_places(definition) if place.owner is None]


def _is_listed(place: Place) -> bool:
    return place.has("in_list") and not place.has("is_hidden")


@checks("record")
def check_list(definition: Definition) -> Iterator[Finding]:
    """A list shows something, not too much, in an order it can have."""
    columns = [place for place in _fields(definition) if _is_listed(place)]
    if not columns:
        yield Finding(
            "list_without_columns",
            "list",
            N_("The list shows no column. Tick “in the list” for at least one field."),
        )
    if len(columns) > MOST_COLUMNS:
        yield Finding(
            "list_too_wide",
            "list",
            N_("The list has %(count)s columns; more than %(limit)s are hard to read."),
            {"count": len(columns), "limit": MOST_COLUMNS},
            blocks=False,
        )
    yield from _check_order(definition, columns)


def _check_order(definition: Definition, columns: list[Place]) -> Iterator[Finding]:
    order = str((definition.get("list") or {}).get("order") or "")
    if not order or not columns:
        return
    params = {"field": order}
    place = next((each for each in _fields(definition) if each.name == order), None)
    if place is None:
        template = N_("The list is ordered by “%(field)s”, which does not exist. Choose a column.")
        yield Finding("order_unknown", "list/order", template, params)
        return
    params = {"field": place.title}
    if place not in columns:
        template = N_("The list is ordered by %(field)s, which it does not show. Show it.")
        yield Finding("order_not_shown", "list/order", template, params)
    elif not place.has("is_sortable"):
        template = N_("The list is ordered by %(field)s, which cannot be sorted. Tick “sortable”.")
        yield Finding("order_not_sortable", "list/order", template, params)


@checks("form", "record")
def check_uses(definition: Definition) -> Iterator[Finding]:
    """Only kinds that can be filtered and sorted are."""
    for place in live_places(definition):
        if place.has("in_filter") and place.kind in NOT_FILTERED:
            yield _find(
                "filter_impossible",
                place,
                N_("%(field)s: nobody can search by a field of this kind. Take the filter away."),
            )
        if place.has("is_sortable") and place.kind in NOT_SORTED:
            yield _find(
                "sort_impossible",
                place,
                N_("%(field)s: a list cannot be sorted by a field of this kind."),
            )


@checks("record")
def check_sections(definition: Definition) -> Iterator[Finding]:
    """Fields are shown in sections that exist; a section shows something."""
    known = {str(section["key"]) for section in definition["sections"]}
    used = {shown_section(place) for place in _fields(definition) if not place.has("is_hidden")}
    for place in _fields(definition):
        if shown_section(place) not in known:
            yield _find(
                "moved_to_unknown",
                place,
                N_("%(field)s: moved to a section that does not exist. Choose one of the list."),
            )
    for section in definition["sections"]:
        if section["key"] not in used:
            yield Finding(
                "section_empty",
                f"sections/{section['key']}",
                N_("The section %(section)s shows no field. Move one there."),
                {"section": section.get("label_zh") or section["label"]},
                blocks=False,
            )


@checks("record")
def check_names(definition: Definition) -> Iterator[Finding]:
    """A name of a record is known over all its sections."""
    seen: set[str] = set()
    for place in all_places(definition):
        if place.owner is None:
            if place.name in seen:
                yield _find(
                    "name_twice",
                    place,
                    N_("%(field)s: the name “%(name)s” stands there twice. Choose another."),
                    name=place.name,
                )
            seen.add(place.name)


@checks("form", "record")
def check_size(definition: Definition) -> Iterator[Finding]:
    """So many fields of one's own that no page carries them."""
    count = sum(1 for place in live_places(definition) if place.has("is_custom"))
    if count > MOST_CUSTOM:
        yield Finding(
            "too_many_custom",
            "sections",
            N_("There are %(count)s own fields; at most %(limit)s are possible. Retire some."),
            {"count": count, "limit": MOST_CUSTOM},
        )
