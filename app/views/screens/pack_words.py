"""What a configuration pack would change, in words: objects by their names, differences as
sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask_babel import gettext
from sqlalchemy import select

from app.domain.errors import DomainError
from app.domain.layers import Change
from app.domain.messages import N_
from app.extensions import db
from app.messages import explain
from app.models import Dictionary, Parameter, ShippedDefinition
from app.services.definitions.differences import describe_differences
from app.services.definitions.schemas import require_valid
from app.services.definitions.store import FaultyDefinitionError, keep_own_fields
from app.services.definitions.versions import resolve
from app.services.packs.kind import Document, canonical
from app.services.packs.planning import CHOICE_LABELS, Choice, Effect, Item
from app.services.packs.registry import DEFINITIONS
from app.views.labels import LABELS
from app.views.screens.words import name_of_item, say_difference, say_finding
from app.views.settings import show_use

LONGEST_SHOWN: Final = 80
PROPERTIES: Final[Mapping[str, str]] = {
    "name": N_("Wording"),
    "source": N_("Source"),
    "position": N_("Order"),
    "is_active": N_("Offered"),
    "value": N_("Value"),
    "note": N_("Note"),
    "is_required": N_("Required"),
    "max_files": N_("Files at most"),
    "max_bytes": N_("Bytes a file at most"),
    "file_types": N_("Kinds of files"),
    "is_published": N_("Arrangement published"),
}
DAY_KINDS: Final = {kind.value: name for kinds in LABELS.values() for kind, name in kinds.items()}


def name_kind(item: Item) -> str:
    """What kind of object it is."""
    return str(gettext(item.kind.label))


def name_item(item: Item) -> str:
    """What people call an object."""
    document = item.theirs or item.mine or {}
    name: str = _NAMES.get(item.kind.name, _by_identity)(document, item)
    return name


def _by_identity(_document: Document, item: Item) -> str:
    return " / ".join(part for part in item.identity if part)


def _name_definition(document: Document, item: Item) -> str:
    shipped = db.session.get(ShippedDefinition, document["definition"])
    name = name_of_item(shipped.definition) if shipped else item.identity[0]
    return " / ".join(part for part in (name, document["committee"]) if part)


def _name_entry(document: Document, _item: Item) -> str:
    key = document["dictionary"]
    dictionary = db.session.scalar(select(Dictionary.name).where(Dictionary.key == key)) or key
    return f"{dictionary} / {document['name']} ({document['code']})"


def _name_parameter(document: Document, _item: Item) -> str:
    key: str = document["parameter"]
    return db.session.scalar(select(Parameter.label).where(Parameter.key == key)) or key


_NAMES: Final[Mapping[str, Any]] = {
    "dictionaries": lambda document, _item: document["name"],
    "dictionary_entries": _name_entry,
    "reason_codes": lambda document, _item: f"{show_use(document['use'])} / {document['name']}",
    "parameters": _name_parameter,
    "material_requirements": lambda d, _item: f"{d['committee']} / {d['name']}",
    "definitions": _name_definition,
}


def name_choice(item: Item, choice: Choice) -> str:
    """What a decision does with an object."""
    if choice is Choice.OVERWRITE and item.effect is Effect.NEW:
        return str(gettext("Take over"))
    return str(gettext(item.kind.removal if choice is Choice.DELETE else CHOICE_LABELS[choice]))


def say_changes(item: Item) -> list[str]:
    """What differs, a sentence each."""
    if item.kind is DEFINITIONS:
        said = _say_definition(item)
        if said is not None:
            return said
    if item.effect is Effect.DELETED:
        return []
    return [_say_change(change) for change in item.differences if change.before or _says(change)]


def _say_definition(item: Item) -> list[str] | None:
    """The differences of the whole screen; None where the pack makes no sound one of it."""
    document = item.mine or item.theirs or {}
    after = item.outcome if item.choice is not Choice.SKIP else item.theirs
    try:
        scope = DEFINITIONS.scope(document)
        definitions = [
            resolve(document["definition"], changes, scope)
            for changes in (
                item.mine["changes"] if item.mine else {},
                keep_own_fields(document["definition"], after["changes"] if after else {}, scope),
            )
        ]
        require_valid(definitions[1])
    except DomainError:
        return None
    return [say_difference(each) for each in describe_differences(*definitions)]


def _says(change: Change) -> bool:
    """Whether a value that was not there before says anything."""
    return change.after not in (None, "", [])


def _say_change(change: Change) -> str:
    name = name_property(change.path)
    if change.before in (None, "", []):
        return f"{name}：{show(change.after)}"
    return gettext(
        "%(name)s: from “%(before)s” to “%(after)s”",
        name=name,
        before=show(change.before),
        after=show(change.after) if _says(change) else gettext("not set"),
    )


def name_property(path: str) -> str:
    """What a property of an object is called; a day of a calendar by its date."""
    return str(gettext(PROPERTIES[path])) if path in PROPERTIES else path.removeprefix("days/")


def show(value: Any) -> str:
    """A value as people read it, shortened."""
    if isinstance(value, bool):
        return str(gettext("Yes")) if value else str(gettext("No"))
    if isinstance(value, list) and all(isinstance(each, str | int) for each in value):
        shown = "、".join(str(each) for each in value)
    elif isinstance(value, str):
        kind, _space, rest = value.partition(" ")
        shown = f"{gettext(DAY_KINDS[kind])} {rest}".strip() if kind in DAY_KINDS else value
    else:
        shown = canonical(value).decode()
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}…"


def say_refusal(item: Item) -> list[str]:
    """Why an object cannot be taken over: each fault of a definition, or the one sentence."""
    if item.refusal is None:
        return []
    if isinstance(item.refusal, FaultyDefinitionError):
        return [say_finding(finding) for finding in item.refusal.findings]
    return [explain(item.refusal)]
