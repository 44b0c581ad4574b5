"""What differs between two definitions, as sentences: (template, params), in the order of the
screen."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from app.domain.layers import IDENTITIES
from app.domain.messages import N_
from app.domain.workflow import ROLE_LABELS, ActorRole
from app.services.definitions.properties import (
    FIELD_KIND_LABELS,
    PROPERTIES,
    WIDTH_LABELS,
    Shape,
    name_property,
)
from app.services.form_definition import Label

Node = Mapping[str, Any]
YES, NO = N_("Yes"), N_("No")


class Word(str):
    """A message id among the params: translated where it is shown."""

    __slots__ = ()


@dataclass(frozen=True)
class Difference:
    """One sentence. Params are `Word`s and `Label`s (each with its own Chinese), texts as they are
    written, figures, or tuples of those. `path` is the place of layers.py it speaks of."""

    path: str
    template: str
    params: Mapping[str, Any] = field(default_factory=dict)


CHANGED: Final = N_("“%(item)s”: %(property)s changed from “%(before)s” to “%(after)s”")
SET: Final = N_("“%(item)s”: %(property)s set to “%(after)s”")
CLEARED: Final = N_("“%(item)s”: %(property)s “%(before)s” taken away")
NEW_FIELD: Final = N_("New field %(item)s (%(kind)s)")
NEW_SECTION: Final = N_("New section %(item)s")
GONE: Final = N_("“%(item)s” taken out")
MOVED: Final = N_("“%(item)s” moved in front of “%(next)s”")
MOVED_LAST: Final = N_("“%(item)s” moved to the end")
TO_SECTION: Final = N_("“%(item)s” moved to the section “%(section)s”")
RETIRED: Final = N_("“%(item)s” retired; its data is kept")
HIDDEN: Final = N_("“%(item)s” hidden")
RETURNED: Final = N_("“%(item)s” shown again")
NEW_OPTION: Final = N_("“%(item)s”: new choice “%(option)s”")
GONE_OPTION: Final = N_("“%(item)s”: choice “%(option)s” taken out")
RETIRED_OPTION: Final = N_("“%(item)s”: choice “%(option)s” no longer offered")
RETURNED_OPTION: Final = N_("“%(item)s”: choice “%(option)s” offered again")
RENAMED_OPTION: Final = N_("“%(item)s”: choice “%(before)s” is now called “%(after)s”")
MOVED_OPTIONS: Final = N_("“%(item)s”: order of the choices changed")

OPEN: Final = {"is_retired": RETIRED, "is_hidden": HIDDEN}
ITEM_LISTS: Final = ("sections", "fields", "columns")


def describe_differences(before: Node, after: Node) -> list[Difference]:
    """How `after` differs from `before`; empty when nothing does."""
    found = [*_properties("", label_of(before), before, after), *_items("", before, after)]
    sections = {**_by_key("sections", before), **_by_key("sections", after)}
    return [_name_section(each, sections) for each in found]


def _name_section(difference: Difference, sections: Mapping[str, Node]) -> Difference:
    """A section a field moved to is called by its label, not its key."""
    key = str(difference.params.get("section"))
    if key not in sections:
        return difference
    return replace(difference, params={**difference.params, "section": label_of(sections[key])})


def label_of(item: Node) -> Label:
    """What an item, or the whole definition, is called."""
    named = item.get("label") or item.get("heading") or item.get("name") or item.get("key") or ""
    return Label(str(named), str(item.get("label_zh") or ""))


def _items(
    path: str, before: Node, after: Node, around: tuple[Label, ...] = ()
) -> Iterator[Difference]:
    """Items below a node: new, gone, moved, changed."""
    for name in ITEM_LISTS:
        old, new = _by_key(name, before), _by_key(name, after)
        moved = moved_keys([*old], [*new])
        below = f"{path}/{name}" if path else name
        for key, item in new.items():
            here = f"{below}/{key}"
            called = _within(around, label_of(old.get(key, item)))
            if key not in old:
                yield _new(name, here, called, item)
                if name == "sections":
                    yield from _items(here, {}, item)
                continue
            if key in moved:
                yield _moved(here, called, key, [*new], new, moved)
            yield from _properties(here, called, old[key], item)
            inside = (*around, label_of(item)) if name != "sections" else around
            yield from _items(here, old[key], item, inside)
        for key, item in old.items():
            if key not in new:
                yield Difference(f"{below}/{key}", GONE, {"item": _within(around, label_of(item))})


def _by_key(name: str, node: Node) -> dict[str, Node]:
    return {str(item[IDENTITIES[name]]): item for item in node.get(name) or ()}


def _within(around: tuple[Label, ...], label: Label) -> Label:
    """A column is named with its field: 教育经历 · 学校."""
    parts = (*around, label)
    return Label(" · ".join(parts), " · ".join(part.zh for part in parts))


def _new(name: str, path: str, called: Label, item: Node) -> Difference:
    if name == "sections":
        return Difference(path, NEW_SECTION, {"item": called})
    kind = str(item.get("kind"))
    return Difference(
        path, NEW_FIELD, {"item": called, "kind": Word(FIELD_KIND_LABELS.get(kind, kind))}
    )


def _moved(
    path: str,
    called: Label,
    key: str,
    order: Sequence[str],
    items: Mapping[str, Node],
    moved: frozenset[str],
) -> Difference:
    after = [each for each in order[order.index(key) + 1 :] if each not in moved]
    if not after:
        return Difference(path, MOVED_LAST, {"item": called})
    return Difference(path, MOVED, {"item": called, "next": label_of(items[after[0]])})


def moved_keys(before: Sequence[str], after: Sequence[str]) -> frozenset[str]:
    """The fewest keys that must have moved for one order to become the other."""
    places = {key: place for place, key in enumerate(before)}
    common = [key for key in after if key in places]
    ends: list[int] = []
    chains: list[tuple[str, ...]] = []
    for key in common:
        length = bisect_left(ends, places[key])
        chain = (*(chains[length - 1] if length else ()), key)
        ends[length : length + 1] = [places[key]]
        chains[length : length + 1] = [chain]
    stayed = set(chains[-1]) if chains else set()
    return frozenset(key for key in common if key not in stayed)


# --------------------------------------------------------------------------- values


def _properties(path: str, called: Label, before: Node, after: Node) -> Iterator[Difference]:
    """What two states of one item say differently of it."""
    identity = {"key", "name"} if path else {"key"}
    for name in sorted({*before, *after}, key=_rank):
        old, new = before.get(name), after.get(name)
        if old == new or name in ITEM_LISTS or name in identity:
            continue
        here = f"{path}/{name}" if path else name
        if name == "options":
            yield from _options(here, called, before, after)
        elif name in OPEN:
            yield Difference(here, OPEN[name] if new else RETURNED, {"item": called})
        elif name == "moved_to":
            yield _to_section(here, called, new)
        elif isinstance(old or new, Mapping) and name != "shown_when":
            yield from _inside(here, name, called, old or {}, new or {})
        else:
            yield _value(here, name, called, old, new)


def _rank(name: str) -> tuple[int, str]:
    known = [*PROPERTIES]
    return (known.index(name) if name in PROPERTIES else len(known), name)


def _inside(path: str, name: str, called: Label, old: Node, new: Node) -> Iterator[Difference]:
    """A mapping of values: the options of a list, the heads of a sheet."""
    for each in sorted({*old, *new}):
        if old.get(each) != new.get(each):
            word = f"{name}/{each}"
            shown = word if word in PROPERTIES else each
            yield _value(f"{path}/{each}", shown, called, old.get(each), new.get(each))


def _to_section(path: str, called: Label, section: str | None) -> Difference:
    if section is None:
        return Difference(path, N_("“%(item)s” moved back to its section"), {"item": called})
    return Difference(path, TO_SECTION, {"item": called, "section": section})


def _value(path: str, name: str, called: Label, old: Any, new: Any) -> Difference:
    params: dict[str, Any] = {"item": called, "property": Word(name_property(name))}
    if old is None or old == [] or old == "":
        return Difference(path, SET, {**params, "after": show(name, new)})
    if new is None or new == [] or new == "":
        return Difference(path, CLEARED, {**params, "before": show(name, old)})
    return Difference(
        path, CHANGED, {**params, "before": show(name, old), "after": show(name, new)}
    )


def show(name: str, value: Any) -> Any:
    """A value as a param: words for what the portal names, everything else as it is written."""
    if isinstance(value, bool):
        return Word(YES if value else NO)
    if name == "kind":
        return Word(FIELD_KIND_LABELS.get(str(value), str(value)))
    shape = PROPERTIES[name].shape if name in PROPERTIES else None
    readers: Mapping[Shape, Callable[[Any], Any]] = {
        Shape.WIDTH: lambda width: Word(WIDTH_LABELS.get(width, width)),
        Shape.ROLES: lambda roles: tuple(Word(name_role(role)) for role in roles),
    }
    if shape is not None and shape in readers:
        return readers[shape](value)
    if name == "shown_when" and isinstance(value, Mapping):
        return (f"{value.get('field')} = {' / '.join(map(str, value.get('values') or ()))}",)
    return tuple(map(str, value)) if isinstance(value, list) else value


def name_role(role: str) -> str:
    """The name of a role (a message id)."""
    return ROLE_LABELS[ActorRole(role)] if role in {*ActorRole} else role


def _options(path: str, called: Label, before: Node, after: Node) -> Iterator[Difference]:
    old, new = _by_key("options", before), _by_key("options", after)
    for code, option in new.items():
        here = f"{path}/{code}"
        name = label_of(option)
        if code not in old:
            yield Difference(here, NEW_OPTION, {"item": called, "option": name})
            continue
        was = label_of(old[code])
        if (was, was.zh) != (name, name.zh):
            params = {"item": called, "before": was, "after": name}
            yield Difference(here, RENAMED_OPTION, params)
        if bool(option.get("is_retired")) != bool(old[code].get("is_retired")):
            words = RETIRED_OPTION if option.get("is_retired") else RETURNED_OPTION
            yield Difference(here, words, {"item": called, "option": name})
    for code, option in old.items():
        if code not in new:
            params = {"item": called, "option": label_of(option)}
            yield Difference(f"{path}/{code}", GONE_OPTION, params)
    if moved_keys([*old], [*new]):
        yield Difference(path, MOVED_OPTIONS, {"item": called})
