"""What a kind of object in a configuration pack is: how it is named, read, checked, written."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from app.domain.messages import N_
from app.services.actors import Actor

Document = Mapping[str, Any]
"""One object as JSON: the fields that name it and the fields it has; never an id of a row."""

Identity = tuple[str, ...]


class Kind(ABC):
    """A kind of configuration object; `name` is its file in the pack.

    A new kind is a subclass and its line in `registry.KINDS`.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    keys: ClassVar[tuple[str, ...]]
    fields: ClassVar[Mapping[str, Mapping[str, Any]]]
    is_removable: ClassVar[bool] = True
    removal: ClassVar[str] = N_("Delete")
    """What `remove` does, for people."""

    @abstractmethod
    def read(self) -> Sequence[Document]:
        """Every object the province has, in any order."""

    def shipped(self) -> Sequence[Document]:
        """The objects as this release of the product brings them; what is equal to one has not
        been changed here."""
        return ()

    @abstractmethod
    def write(self, document: Document, *, reason: str, actor: Actor, now: datetime) -> None:
        """Enter or change an object through the services of its pages. Raises DomainError."""

    @abstractmethod
    def remove(self, document: Document, *, reason: str, actor: Actor, now: datetime) -> None:
        """Take an object away, or out of use where rows carry its code. Raises DomainError."""

    def identity(self, document: Document) -> Identity:
        """What names an object, on every portal alike."""
        return tuple(str(document[key]) for key in self.keys)

    def is_out_of_use(self, document: Document) -> bool:
        """Whether `remove` has nothing left to do."""
        return document.get("is_active") is False

    def values(self, document: Document) -> dict[str, Any]:
        """The fields of an object by path, to be compared."""
        return {name: document[name] for name in sorted(document) if name not in self.keys}

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the kind's file."""
        document = {
            "type": "object",
            "required": sorted(self.fields),
            "additionalProperties": False,
            "properties": dict(self.fields),
        }
        return {
            "type": "object",
            "required": ["objects"],
            "additionalProperties": False,
            "properties": {"objects": {"type": "array", "items": document}},
        }


def text(longest: int, *, may_be_empty: bool = True) -> dict[str, Any]:
    """The schema of a text."""
    return {"type": "string", "maxLength": longest, "minLength": 0 if may_be_empty else 1}


def whole(low: int, high: int) -> dict[str, Any]:
    """The schema of a whole number."""
    return {"type": "integer", "minimum": low, "maximum": high}


TRUTH: Mapping[str, Any] = {"type": "boolean"}


def canonical(value: Any) -> bytes:
    """JSON in one way only, whatever the order of keys."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def digest(value: Any) -> str:
    """SHA-256 of a JSON value."""
    return hashlib.sha256(canonical(value)).hexdigest()
