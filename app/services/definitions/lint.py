"""The check before publishing: what a definition of sound shape can still be wrong about.

A finding names its place by the path of layers.py, so that the editor can lead there. The checks
stand in the modules `lint_*` beside this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select

from app.domain.layers import Flat, LayerError, merge, orphans
from app.domain.messages import N_
from app.extensions import db
from app.models import DefinitionVersion, ShippedDefinition
from app.services.definitions import (
    lint_conditions,
    lint_data,
    lint_fields,
    lint_forms,
    lint_origins,
    lint_screens,
    lint_texts,
)
from app.services.definitions.findings import CHECKS, Check, Finding, checks
from app.services.definitions.lint_configuration import lint_configuration
from app.services.definitions.schemas import InvalidDefinitionError, require_valid
from app.services.definitions.versions import layers_below, newest_version, resolve

__all__ = ["CHECKS", "Check", "Finding", "checks", "lint", "lint_everything", "lint_layer"]

MODULES = (
    lint_conditions,
    lint_data,
    lint_fields,
    lint_forms,
    lint_origins,
    lint_screens,
    lint_texts,
)
"""Where the checks are registered."""


def lint(definition: Mapping[str, Any]) -> list[Finding]:
    """Every fault of a definition, in the order of the checks; of a wrong shape that alone."""
    try:
        require_valid(definition)
    except InvalidDefinitionError as error:
        return [
            Finding("wrong_shape", "/".join(map(str, error.path)), error.template, error.params)
        ]
    return [
        finding
        for check in CHECKS.get(str(definition.get("kind")), [])
        for finding in check(definition)
    ]


def lint_layer(key: str, changes: Flat, scope: str = "") -> list[Finding]:
    """The faults of what a layer makes of a definition, and what of the layer has no effect."""
    found = [
        Finding(
            "orphaned_change",
            path,
            N_(
                "This change belongs to something the product no longer has and is left out. "
                "Set it back."
            ),
            blocks=False,
        )
        for path in orphans(merge(layers_below(key, scope), changes))
    ]
    try:
        return [*lint(resolve(key, changes, scope)), *found]
    except LayerError as error:
        return [Finding("wrong_layer", "", error.template, error.params), *found]


def lint_everything() -> list[tuple[str, Finding]]:
    """Every fault of the configuration in force, with the key of what has it.

    A definition goes by its key (`profile`, with a committee `materials@committee:7`), the rest by
    `parameters`, `dictionaries`, `reason_codes`, `materials`.
    """
    return [*_definitions(), *lint_configuration()]


def _definitions() -> Iterator[tuple[str, Finding]]:
    keys = db.session.scalars(select(ShippedDefinition.key).order_by(ShippedDefinition.key)).all()
    scopes = select(DefinitionVersion.key, DefinitionVersion.scope).distinct()
    known = {(key, scope) for key, scope in db.session.execute(scopes) if key in set(keys)}
    for key, scope in sorted(known):
        version = newest_version(key, scope)
        for finding in lint_layer(key, version.changes if version else {}, scope):
            yield (f"{key}@{scope}" if scope else key), finding
