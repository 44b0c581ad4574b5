"""Layers of a definition: the product's default, the province's changes, a committee's changes.

A definition is a tree of mappings; a list of mappings is a set of items, each known by its key.
Flat, it is a map from path to value (`sections/profile/fields/ethnicity/label_zh`), and a layer is
such a map of the values it sets. Layers are merged value by value, so that an upgrade of the
product changes the layer below and never wipes one above it, and each value can be set back by
itself. The place of an item among its neighbours is a value like any other (`…/ethnicity/#`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.domain.errors import RuleViolation
from app.domain.messages import N_

IDENTITIES: Final[Mapping[str, str]] = {
    "sections": "key",
    "fields": "name",
    "columns": "name",
    "options": "code",
    "entries": "key",
}
"""Lists of items, and the key by which one of their items is known."""

PLACE: Final = "#"
"""The last part of the path under which an item's place is kept."""

STEP: Final = 10
"""Between the places of two neighbours, so that another fits in between."""

Value = Any
"""A text, number, truth value or list of those; None takes a value away."""

Flat = Mapping[str, Value]


MOST_VALUES: Final = 20_000
DEEPEST_PATH: Final = 12
LONGEST_PATH: Final = 500
LONGEST_VALUE: Final = 20_000
DEEPEST_VALUE: Final = 4
MOST_IN_LIST: Final = 2_000
LARGEST: Final = 10**15

_TOO_MUCH: Final = N_("The definition holds more than %(limit)s values. Take some out.")
_NOT_STORABLE: Final = N_("%(path)s: this value cannot be stored. Type it anew.")
_NO_ROOM: Final = N_("%(path)s: this value has no place in the definition. Take it out.")


class LayerError(RuleViolation):
    """A definition or layer has a shape that cannot be merged."""

    code = "layer_error"


def flatten(definition: Mapping[str, Any]) -> dict[str, Value]:
    """Every value of a definition under its path. Raises LayerError for items without a key."""
    return dict(_walk("", definition))


def _walk(path: str, node: Any) -> Iterator[tuple[str, Value]]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from _walk(f"{path}/{name}" if path else str(name), value)
    elif isinstance(node, list) and path.rpartition("/")[2] in IDENTITIES:
        yield from _walk_items(path, node)
    else:
        yield path, node


def _walk_items(path: str, items: list[Any]) -> Iterator[tuple[str, Value]]:
    identity = IDENTITIES[path.rpartition("/")[2]]
    seen: set[str] = set()
    for place, item in enumerate(items, start=1):
        key = item.get(identity) if isinstance(item, Mapping) else None
        if not is_item_key(key) or key in seen:
            raise LayerError(
                N_("%(path)s: every item needs a key of its own without a slash; item %(place)s."),
                path=path,
                place=place,
            )
        seen.add(str(key))
        yield f"{path}/{key}/{PLACE}", place * STEP
        rest = {name: value for name, value in item.items() if name != identity}
        yield from _walk(f"{path}/{key}", rest)


def is_item_key(key: Any) -> bool:
    """Whether an item may be known by `key`."""
    return isinstance(key, str) and bool(key) and "/" not in key and key != PLACE


def merge(*layers: Flat) -> dict[str, Value]:
    """One flat definition; a later layer wins value by value."""
    merged: dict[str, Value] = {}
    for layer in layers:
        merged.update(layer)
    return merged


def unflatten(flat: Flat) -> dict[str, Any]:
    """The definition of a flat map: items in the order of their places, values of None left out.

    What a layer says of an item that no layer places is left out, too: the product has dropped it
    (`orphans` names it). Raises LayerError for paths and values that no definition has.
    """
    require_bounded(flat)
    tree: dict[str, Any] = {}
    lost = {path.rpartition("/")[0] for path in orphans(flat)}
    for path in sorted(flat):
        if flat[path] is None or lost.intersection(_around(path)):
            continue
        node = tree
        *parents, name = path.split("/")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise LayerError(_NO_ROOM, path=path)
        if name in node:
            raise LayerError(_NO_ROOM, path=path)
        node[name] = flat[path]
    return {name: _order(name, node) for name, node in tree.items()}


def require_bounded(flat: Flat) -> None:
    """Refuse what no definition can hold and nothing that works on one could bear: too much, too
    deep, not storable, the key of an item renamed. Raises LayerError."""
    if len(flat) > MOST_VALUES:
        raise LayerError(_TOO_MUCH, limit=MOST_VALUES)
    for path, value in flat.items():
        parts = path.split("/") if isinstance(path, str) else [""]
        if not all(parts) or len(parts) > DEEPEST_PATH or len(path) > LONGEST_PATH:
            raise LayerError(_NO_ROOM, path=str(path)[:LONGEST_PATH])
        owner = parts[-3] if len(parts) > 2 else ""
        is_odd_place = parts[-1] == PLACE and not _is_place(value)
        is_item = len(parts) > 1 and parts[-2] in IDENTITIES and value is not None
        if is_odd_place or is_item or IDENTITIES.get(owner) == parts[-1]:
            raise LayerError(_NO_ROOM, path=path)
        if not _is_storable(path) or not _is_storable(value):
            raise LayerError(_NOT_STORABLE, path=ascii(path)[:LONGEST_PATH])


def _is_place(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_storable(value: Any, depth: int = 0) -> bool:
    """Whether the database keeps a value as it is: no NUL, no half characters, finite numbers of a
    usual size, lists neither long nor deep."""
    match value:
        case None | bool():
            return True
        case int() | float():
            return -LARGEST < value < LARGEST
        case str():
            is_whole = not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value)
            return is_whole and len(value) <= LONGEST_VALUE
        case list() | dict() if depth < DEEPEST_VALUE and len(value) <= MOST_IN_LIST:
            inner = [*value, *value.values()] if isinstance(value, dict) else value
            return all(_is_storable(each, depth + 1) for each in inner)
        case _:
            return False


def _around(path: str) -> Iterator[str]:
    """What a path lies in, the outermost first."""
    parts = path.split("/")
    return ("/".join(parts[:length]) for length in range(1, len(parts)))


def _order(name: str, node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    identity = IDENTITIES.get(name)
    if identity is None:
        return {key: _order(key, value) for key, value in node.items()}
    items = sorted(node.items(), key=lambda item: (item[1].get(PLACE, 0), item[0]))
    return [
        {identity: key} | {k: _order(k, v) for k, v in item.items() if k != PLACE}
        for key, item in items
    ]


def items_of(path: str) -> Iterator[str]:
    """The items a path lies in, the outermost first."""
    parts = path.split("/")
    for index in range(len(parts) - 2):
        if parts[index] in IDENTITIES:
            yield "/".join(parts[: index + 2])


def orphans(flat: Flat) -> tuple[str, ...]:
    """Paths of values whose item no layer places any more."""
    placed = {path.rpartition("/")[0] for path in flat if path.endswith(f"/{PLACE}")}
    return tuple(
        path for path in sorted(flat) if any(item not in placed for item in items_of(path))
    )


def place_between(before: float | None, after: float | None) -> float:
    """A place behind `before` and in front of `after`; None is the end of the list."""
    if before is None and after is None:
        return STEP
    if before is None:
        return float(after or 0) - STEP
    if after is None:
        return before + STEP
    return (before + after) / 2


@dataclass(frozen=True)
class Change:
    """One value that differs; None on the side where it is not set."""

    path: str
    before: Value
    after: Value


def compare(before: Flat, after: Flat) -> list[Change]:
    """What differs between two flat definitions, in the order of the paths."""
    return [
        Change(path, before.get(path), after.get(path))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]


def set_back(changes: Flat, paths: Collection[str]) -> dict[str, Value]:
    """A layer without the values at `paths`; an item's path sets back all that is said of it."""
    back = set(paths)
    return {
        path: value
        for path, value in changes.items()
        if path not in back and not back.intersection(_around(path))
    }
