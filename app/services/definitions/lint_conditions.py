"""When a field is shown: `shown_when` names an earlier field of the same page and its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.domain.messages import N_
from app.services.definitions.dictionary_codes import codes_of
from app.services.definitions.findings import Finding, checks
from app.services.definitions.places import Place, live_places, name_of

Group = dict[str, tuple[int, Place]]


@checks("form", "record")
def check_conditions(definition: Mapping[str, Any]) -> Iterator[Finding]:
    """Unknown, hidden, later, circular conditions, and values that never come about."""
    groups = _group(definition)
    for place in live_places(definition):
        if "shown_when" in place.given:
            yield from _check(place, groups[_page(definition, place)])


def _page(definition: Mapping[str, Any], place: Place) -> str:
    """What a condition can look at: the columns of the same rows, the section of a form (its
    fields are filled in page by page), all of a record."""
    if place.owner is not None:
        return place.path.rpartition("/")[0]
    return place.section if definition["kind"] == "form" else ""


def _group(definition: Mapping[str, Any]) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    for number, place in enumerate(live_places(definition)):
        groups.setdefault(_page(definition, place), {})[place.name] = (number, place)
    return groups


def _check(place: Place, group: Group) -> Iterator[Finding]:
    wanted = str(place.given["shown_when"]["field"])
    path = f"{place.path}/shown_when"
    params = {"field": place.title, "other": wanted}
    if wanted == place.name:
        template = N_("%(field)s: shown depending on itself. Choose another field.")
        yield Finding("condition_on_itself", path, template, params)
        return
    if wanted not in group:
        template = N_(
            "%(field)s: shown depending on “%(other)s”, which is not on the same page. Choose a "
            "field of this page."
        )
        yield Finding("condition_unknown", path, template, params)
        return
    number, other = group[wanted]
    params["other"] = other.title
    if other.has("is_hidden"):
        template = N_(
            "%(field)s: shown depending on %(other)s, which is hidden. Show it, or take the "
            "condition out."
        )
        yield Finding("condition_hidden", path, template, params)
    elif _is_circle(place, group):
        template = N_(
            "%(field)s and %(other)s are shown depending on each other in a circle. Take one "
            "condition out."
        )
        yield Finding("condition_circle", path, template, params)
    elif number > group[place.name][0]:
        template = N_(
            "%(field)s: shown depending on %(other)s, which stands further below. Move it above."
        )
        yield Finding("condition_later", path, template, params)
    yield from _check_values(place, other)


def _is_circle(place: Place, group: Group) -> bool:
    seen: set[str] = set()
    name = place.name
    while name in group and name not in seen:
        seen.add(name)
        name = str((group[name][1].given.get("shown_when") or {}).get("field", ""))
    return name == place.name


def _check_values(place: Place, other: Place) -> Iterator[Finding]:
    offered = (
        {"true", "false"} if other.kind == "boolean" else codes_of(other.given, with_retired=False)
    )
    if offered is None:
        return
    for value in place.given["shown_when"]["values"]:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if text not in offered:
            yield Finding(
                "condition_value",
                f"{place.path}/shown_when",
                N_(
                    "%(field)s: shown when %(other)s is “%(value)s”, which cannot be chosen there. "
                    "Choose one of its options."
                ),
                {"field": place.title, "other": name_of(other.given), "value": text[:40]},
            )
