"""出厂定义: the product's own layer, as this release ships it; an upgrade changes it alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from app.domain.layers import LayerError, flatten
from app.extensions import db
from app.models import ShippedDefinition
from app.services.definitions.schemas import InvalidDefinitionError, require_valid
from app.services.definitions.versions import add_version, newest_version, scopes_above
from app.services.seed_files import Entry, SeedError

FOLDERS = ("screens",)
"""Folders of seed/ that hold definitions, a file each."""


def shipped_files(folder: Path) -> Iterator[str]:
    """The names of the definition files below a seed folder."""
    for part in FOLDERS:
        yield from sorted(f"{part}/{path.name}" for path in (folder / part).glob("*.yaml"))


def load_shipped(folder: Path, file: Entry) -> None:
    """Take over a shipped definition; a changed one becomes the lower layer of a new version.

    Raises SeedError with file, line and path of the first fault.
    """
    try:
        require_valid(file.value)
        flatten(file.value)
    except InvalidDefinitionError as error:
        line = find_line(folder / file.file, error.path)
        raise SeedError(f"{file.file}: line {line}: {error}") from error
    except LayerError as error:
        raise SeedError(f"{file.file}: {error}") from error
    ship(file.value)


def ship(definition: Mapping[str, Any]) -> None:
    """Put a definition in the product's layer and publish what becomes of every layer above it."""
    key, checksum = str(definition["key"]), checksum_of(definition)
    row = db.session.get(ShippedDefinition, key, with_for_update=True)
    if row is not None and row.checksum == checksum:
        return
    if row is None:
        row = ShippedDefinition(key=key)
        db.session.add(row)
    row.kind, row.definition, row.checksum = str(definition["kind"]), dict(definition), checksum
    db.session.flush()
    for scope in ["", *scopes_above(key)]:
        above = newest_version(key, scope)
        add_version(key, scope, above.changes if above else {}, reason="")


def checksum_of(definition: Mapping[str, Any]) -> str:
    """SHA-256 of a definition, whatever the order of its keys."""
    text = json.dumps(definition, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def find_line(file: Path, path: tuple[str | int, ...]) -> int:
    """The line of a YAML file where a path stands, or where its nearest known parent does."""
    node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    if node is None:
        return 1
    line: int = node.start_mark.line + 1
    for part in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = node.value[part] if part < len(node.value) else None
        elif isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
            name, found = pairs.get(str(part), (None, None))
            line = name.start_mark.line + 1 if name is not None else line
        else:
            found = None
        if found is None:
            return line
        node = found
        if isinstance(part, int):
            line = node.start_mark.line + 1
    return line
