"""Published versions of a definition: immutable, numbered without gaps, the newest one in force.

A version keeps the changes of its layer and the whole definition that came of them, so that what an
application was begun with is still there after every upgrade.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from app.domain.errors import ConflictError
from app.domain.layers import Change, Flat, compare, flatten, merge, unflatten
from app.domain.messages import N_
from app.extensions import db
from app.models import DefinitionVersion, ShippedDefinition
from app.services.actors import Actor
from app.services.definitions import generation


class UnknownDefinitionError(ConflictError):
    """No definition of this key is on file."""

    code = "unknown_definition"
    http_status = 404
    template = N_("This definition does not exist here. Look for it in the list.")


def newest_version(key: str, scope: str = "") -> DefinitionVersion | None:
    """The version in force; `scope` is empty for the province, `committee:7` for a committee."""
    version: DefinitionVersion | None = db.session.scalar(
        select(DefinitionVersion)
        .where(DefinitionVersion.key == key, DefinitionVersion.scope == scope)
        .order_by(DefinitionVersion.number.desc())
        .limit(1)
    )
    return version


def list_versions(key: str, scope: str = "") -> list[DefinitionVersion]:
    """All versions, the newest first."""
    query = (
        select(DefinitionVersion)
        .where(DefinitionVersion.key == key, DefinitionVersion.scope == scope)
        .order_by(DefinitionVersion.number.desc())
    )
    return [*db.session.scalars(query)]


def layers_below(key: str, scope: str = "") -> dict[str, Any]:
    """What a layer changes, flat: the product's default, for a committee with the province's
    changes. Raises UnknownDefinitionError."""
    shipped = db.session.get(ShippedDefinition, key)
    if shipped is None:
        raise UnknownDefinitionError
    layers: list[Flat] = [flatten(shipped.definition)]
    if scope:
        province = newest_version(key)
        layers.append(province.changes if province else {})
    return merge(*layers)


def resolve(key: str, changes: Flat, scope: str = "") -> dict[str, Any]:
    """The whole definition that comes of a layer's changes. Raises LayerError for paths without
    room."""
    return unflatten(merge(layers_below(key, scope), changes))


def add_version(
    key: str, scope: str, changes: Flat, *, reason: str, actor: Actor | None = None
) -> DefinitionVersion:
    """Publish a layer as the next version; every process takes it up within seconds.

    The row of the shipped definition is the lock: two at once get two numbers, one after the other.
    """
    db.session.get_one(ShippedDefinition, key, with_for_update=True)
    before = newest_version(key, scope)
    definition = resolve(key, changes, scope)
    version = DefinitionVersion(
        key=key,
        scope=scope,
        number=1 + (_highest(key, scope) or 0),
        changes=dict(changes),
        definition=definition,
        reason=reason,
        published_by_id=actor.account_id if actor else None,
        differences=[
            [change.path, change.before, change.after]
            for change in (compare_definitions(before.definition, definition) if before else [])
        ],
    )
    db.session.add(version)
    db.session.flush()
    generation.advance()
    return version


def _highest(key: str, scope: str) -> int | None:
    number: int | None = db.session.scalar(
        select(func.max(DefinitionVersion.number)).where(
            DefinitionVersion.key == key, DefinitionVersion.scope == scope
        )
    )
    return number


def compare_definitions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What differs between two whole definitions."""
    return compare(flatten(before), flatten(after))


def scopes_above(key: str) -> list[str]:
    """The committees that have published changes of their own."""
    query = (
        select(DefinitionVersion.scope)
        .where(DefinitionVersion.key == key, DefinitionVersion.scope != "")
        .distinct()
        .order_by(DefinitionVersion.scope)
    )
    return [*db.session.scalars(query)]
