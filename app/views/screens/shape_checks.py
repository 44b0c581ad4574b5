"""What a definition may not take from a screen of the product: what its forms need, what its pages
go by, and what its lists cannot do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wtforms import validators

from app.domain.messages import N_
from app.services.definitions.findings import Finding, checks
from app.services.definitions.places import Place, all_places
from app.views.screens.shape import SCREEN_VIEWS, can_filter, can_show, can_sort

NEEDED = (validators.InputRequired, validators.DataRequired)


def needed_fields(view: Any) -> frozenset[str]:
    """The fields a form of the view does not do without."""
    return frozenset(
        name
        for form in view.shaped_forms
        for name in dir(form)
        if _is_needed(getattr(form, name, None))
    )


def _is_needed(unbound: Any) -> bool:
    given: Any = getattr(unbound, "args", ())
    rules = given[1] if len(given) > 1 else ()
    return any(isinstance(rule, NEEDED) for rule in rules)


@checks("record")
def check_needed_fields(definition: Mapping[str, Any]) -> Iterator[Finding]:
    """Without a field a form needs nothing could be saved: it is neither hidden nor optional."""
    view = SCREEN_VIEWS.get(str(definition["key"]))
    needed = needed_fields(view) if view is not None else frozenset()
    for place in _own(definition):
        if place.name not in needed:
            continue
        if _is_kept_away(place):
            yield _find(
                "needed_hidden",
                place,
                N_("%(field)s is needed to save a record. Show it always."),
            )
        if place.given.get("edit_roles") or place.given.get("see_roles"):
            yield _find(
                "needed_closed",
                place,
                N_("%(field)s is needed to save a record: other roles can add none any more."),
                blocks=False,
            )


@checks("record")
def check_optional(definition: Mapping[str, Any]) -> Iterator[Finding]:
    """What the product needs in every form stays needed."""
    view = SCREEN_VIEWS.get(str(definition["key"]))
    if view is None or not view.shaped_forms:
        return
    for place in _own(definition):
        forms = [form for form in view.shaped_forms if hasattr(form, place.name)]
        is_needed = bool(forms) and all(_is_needed(getattr(form, place.name)) for form in forms)
        if is_needed and not place.has("is_required"):
            yield _find(
                "needed_optional",
                place,
                N_("%(field)s is needed to save a record. It cannot be optional."),
            )


@checks("record")
def check_fixed_fields(definition: Mapping[str, Any]) -> Iterator[Finding]:
    """A field that names a record or decides what its page offers is closed to nobody."""
    view = SCREEN_VIEWS.get(str(definition["key"]))
    fixed = view.fixed_fields if view is not None else frozenset()
    for place in _own(definition):
        if place.name in fixed and place.given.get("see_roles"):
            yield _find(
                "fixed_closed",
                place,
                N_("%(field)s names the record or guides its page: every reader sees it."),
            )


@checks("record")
def check_abilities(definition: Mapping[str, Any]) -> Iterator[Finding]:
    """Nothing is listed, filtered or sorted that the table does not have."""
    view = SCREEN_VIEWS.get(str(definition["key"]))
    if view is None:
        return
    templates = (
        ("in_list", can_show, N_("%(field)s stands on the record page alone, not in the list.")),
        ("in_filter", can_filter, N_("%(field)s: the list cannot be filtered by it.")),
        ("is_sortable", can_sort, N_("%(field)s: the list cannot be sorted by it.")),
    )
    for place in _own(definition):
        for flag, is_able, template in templates:
            if place.has(flag) and not is_able(view, place.name):
                yield _find(f"cannot_{flag}", place, template)


def _own(definition: Mapping[str, Any]) -> Iterator[Place]:
    return (
        place
        for place in all_places(definition)
        if place.owner is None and not place.has("is_custom")
    )


def _is_kept_away(place: Place) -> bool:
    flags = ("is_hidden", "is_retired", "is_read_only", "shown_when")
    return any(place.has(flag) for flag in flags) or place.given.get("in_form") is False


def _find(code: str, place: Place, template: str, *, blocks: bool = True) -> Finding:
    return Finding(code, place.path, template, {"field": place.title}, blocks)
