"""The JSON Schema of each kind of definition, and its findings in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

import config
from app.domain.errors import RuleViolation
from app.domain.messages import N_

SCHEMAS: Final[Mapping[str, str]] = {
    "form": "screen",
    "record": "screen",
    "sheet": "sheet",
}
"""Kinds of definitions, and the file in seed/schemas that describes one."""

LONGEST_VALUE: Final = 80


class InvalidDefinitionError(RuleViolation):
    """A definition is not of the shape its kind asks for; params: `where`, `what`."""

    code = "invalid_definition"
    template = N_("%(where)s: %(what)s")

    def __init__(self, path: Sequence[str | int], what: str, where: str = "") -> None:
        self.path = tuple(path)
        super().__init__(where=where or name_place(path), what=what)


@cache
def validator_of(kind: str) -> Draft202012Validator:
    """The validator of a kind; KeyError for a kind nobody knows."""
    file = config.SEED_FOLDER / "schemas" / f"{SCHEMAS[kind]}.schema.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def require_valid(definition: Any) -> None:
    """Refuse a definition whose shape is wrong. Raises InvalidDefinitionError with the first
    place."""
    kind = definition.get("kind") if isinstance(definition, dict) else None
    if not isinstance(kind, str) or kind not in SCHEMAS:
        raise InvalidDefinitionError(("kind",), f"write one of {', '.join(SCHEMAS)} here.")
    errors = sorted(validator_of(kind).iter_errors(definition), key=lambda e: [*map(str, e.path)])
    if errors:
        raise InvalidDefinitionError([*errors[0].absolute_path], _advise(errors[0]))


def name_place(path: Sequence[str | int]) -> str:
    """A path in the manner of the seed files: `sections[1].fields[0].kind`."""
    shown = ""
    for part in path:
        shown += f"[{part}]" if isinstance(part, int) else f".{part}" if shown else str(part)
    return shown or "."


def _advise(error: ValidationError) -> str:
    value = repr(error.instance)
    shown = value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}…"
    wanted = error.validator_value
    wordings: dict[str, Callable[[], str]] = {
        "required": lambda: _missing(error),
        "additionalProperties": lambda: _unknown(error),
        "enum": lambda: f"write one of {', '.join(map(str, wanted))} here, not {shown}.",
        "type": lambda: f"write a value of type {_types(wanted)} here, not {shown}.",
        "pattern": lambda: f"{shown} is no allowed name here ({wanted}).",
        "minItems": lambda: "the list must not be empty.",
        "minLength": lambda: "the text must not be empty.",
        "maxLength": lambda: f"the text is longer than {wanted} characters.",
        "minimum": lambda: f"write {wanted} or more here, not {shown}.",
        "maximum": lambda: f"write {wanted} or less here, not {shown}.",
        "uniqueItems": lambda: "the list names something twice.",
    }
    advice = wordings.get(str(error.validator))
    return advice() if advice else f"{shown} cannot stand here."


def _types(wanted: Any) -> str:
    return " or ".join(wanted) if isinstance(wanted, list) else str(wanted)


def _missing(error: ValidationError) -> str:
    absent = [name for name in error.validator_value if name not in error.instance]
    return f"add {', '.join(absent)}; it is missing."


def _unknown(error: ValidationError) -> str:
    known = error.schema.get("properties", {})
    extra = [str(name) for name in error.instance if name not in known]
    return f"{', '.join(extra)[:LONGEST_VALUE]} is unknown here; correct the name or take it out."
