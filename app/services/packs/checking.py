"""The check of what a pack would make of the configuration."""

from __future__ import annotations

from datetime import datetime

from app.services.actors import Actor
from app.services.definitions.findings import Finding
from app.services.definitions.store import FaultyDefinitionError
from app.services.packs import importing

Located = tuple[str, Finding]


def check_with(filename: str, content: bytes, *, actor: Actor, now: datetime) -> list[Located]:
    """The faults an import of this pack would meet; nothing is changed.

    Raises PackRefusedError, NotForPacksError.
    """
    plan = importing.try_out_file(filename, content, actor=actor, now=now)
    found: list[Located] = []
    for item in plan.items:
        name = f"{item.kind.name} {' / '.join(part for part in item.identity if part)}"
        if isinstance(item.refusal, FaultyDefinitionError):
            found += [(name, finding) for finding in item.refusal.findings]
        elif item.refusal is not None:
            error = item.refusal
            found.append((name, Finding(error.code, "", error.template, error.params)))
    return found
