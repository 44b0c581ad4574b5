"""What definitions of screens take away from the grants: fields a role does not see or change.

A definition never gives: the guard asks here, role by role, what to leave out of a grant. Only
tables with a screen are asked about, and of their fields those the screen may close (`fixed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import g, has_request_context
from sqlalchemy import inspect

from app.domain.workflow import ActorRole
from app.orm import is_custom_name
from app.services.definitions import generation
from app.services.definitions.screens import screen_in_force

WRITING: Final = frozenset({"add", "edit", "import"})


@dataclass(frozen=True)
class Closing:
    """The roles a field is open to; none named: all."""

    see: frozenset[str]
    edit: frozenset[str]
    default: Any = None

    def takes(self, role: ActorRole, action: str) -> bool:
        """Whether the field is closed to a role for an action."""
        if self.see and role.value not in self.see:
            return True
        return action in WRITING and bool(self.edit) and role.value not in self.edit


Closings = Mapping[str, Closing]

_SCREENS: dict[type, str] = {}
_FIXED: dict[str, frozenset[str]] = {}


def register(model: type, screen_key: str, fixed: frozenset[str] = frozenset()) -> None:
    """Say which screen shows a table, and which of its fields every reader of a row sees, because
    they name it or decide what its page offers."""
    _SCREENS[model] = screen_key
    _FIXED[screen_key] = fixed


def fixed_fields(screen_key: str) -> frozenset[str]:
    """The fields of a screen that no definition closes to a role that reads the row."""
    return _FIXED.get(screen_key, frozenset())


def closings(model: type) -> Closings:
    """The fields of a table its screen in force closes to some role; looked up once a request."""
    key = _SCREENS.get(model)
    if key is None:
        return {}
    if not has_request_context():
        return generation.kept(("closings", key), lambda: _read(key))
    found: dict[str, Closings] = g.setdefault("closings", {})
    if key not in found:
        found[key] = generation.kept(("closings", key), lambda: _read(key))
    return found[key]


def _read(key: str) -> Closings:
    screen = screen_in_force(key)
    known = screen.known.values() if screen is not None else ()
    return {
        field.name: Closing(
            field.see_roles if field.name not in fixed_fields(key) else frozenset(),
            field.edit_roles,
            field.default,
        )
        for field in known
        if field.see_roles or field.edit_roles
    }


def custom_names(model: type) -> frozenset[str]:
    """The custom fields of a table's screen in force, retired ones too; looked up once a
    request. They are seen by whoever sees the column that keeps them, unless closed."""
    key = _SCREENS.get(model)
    if key is None:
        return frozenset()
    if not has_request_context():
        return _read_names(key)
    found: dict[str, frozenset[str]] = g.setdefault("custom_field_names", {})
    if key not in found:
        found[key] = _read_names(key)
    return found[key]


def _read_names(key: str) -> frozenset[str]:
    def read() -> frozenset[str]:
        screen = screen_in_force(key)
        return frozenset(name for name in (screen.known if screen else ()) if is_custom_name(name))

    return generation.kept(("custom names", key), read)


def taken(model: type, role: ActorRole, action: str) -> frozenset[str]:
    """The fields of a table the screen in force closes to a role for an action."""
    return frozenset(
        name for name, closing in closings(model).items() if closing.takes(role, action)
    )


def left_alone(row: Any, names: Iterable[str]) -> frozenset[str]:
    """Of the fields of a new row those its screen closes to some role and that stand as they do
    when nobody fills them in: empty, or with the default of the column or of the screen."""
    closed = closings(type(row))
    columns = inspect(type(row)).columns
    found = set()
    for name in names:
        if name in closed:
            column = columns.get(name)
            default = getattr(getattr(column, "default", None), "arg", None)
            usual: tuple[Any, ...] = (None, "", 0, [], default, closed[name].default)
            if getattr(row, name) in usual:
                found.add(name)
    return frozenset(found)
