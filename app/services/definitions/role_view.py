"""A screen cut to what one role would see of it: for a preview, never for deciding a right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.workflow import ActorRole


def sees(field: Mapping[str, Any], role: ActorRole) -> bool:
    """Whether a role would see a field; without named roles everybody does."""
    roles = field.get("see_roles") or ()
    return not roles or role.value in roles


def edits(field: Mapping[str, Any], role: ActorRole) -> bool:
    """Whether a role would fill a field in."""
    roles = field.get("edit_roles") or ()
    return not field.get("is_read_only") and (not roles or role.value in roles)


def is_open(field: Mapping[str, Any]) -> bool:
    """Whether a field is on the screen at all."""
    return not (field.get("is_hidden") or field.get("is_retired"))


def as_role_sees(definition: Mapping[str, Any], role: ActorRole) -> dict[str, Any]:
    """The definition with fields hidden or made read-only as for `role`."""
    sections = [
        {**section, "fields": [_cut(field, role) for field in section.get("fields", ())]}
        for section in definition.get("sections", ())
    ]
    return {**definition, "sections": sections} if sections else dict(definition)


def _cut(field: Mapping[str, Any], role: ActorRole) -> dict[str, Any]:
    cut = dict(field)
    if not sees(field, role):
        cut["is_hidden"] = True
    elif not edits(field, role):
        cut["is_read_only"] = True
    return cut
