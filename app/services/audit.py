"""操作日志: one append-only entry for each change, and for each view of a full personal number."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import inspect

from app.extensions import db
from app.models import AuditEntry, Person, PersonalDataRead
from app.services.actors import Actor


def record(
    action: str,
    row: Any,
    *,
    actor: Actor,
    now: datetime,
    before: Any = None,
    after: Any = None,
    reason: str = "",
) -> AuditEntry:
    """Write who did what to `row`; `before` and `after` hold no full document or telephone
    number."""
    key = inspect(row).identity
    entry = AuditEntry(
        at=now,
        account_id=actor.account_id,
        actor_name=actor.name,
        role=",".join(sorted(role.value for role in actor.roles))[:40],
        unit_id=actor.unit_id,
        address=actor.address,
        action=action,
        object_type=inspect(row).mapper.class_.__name__,
        object_id="/".join(str(part) for part in key) if key else "-",
        before=before,
        after=after,
        reason=reason,
    )
    db.session.add(entry)
    return entry


def reveal_identity(person: Person, *, actor: Actor, reason: str) -> str:
    """The full document number of a person; the view is logged in the same transaction."""
    return _reveal(person, "identity_number", actor, reason) or ""


def reveal_phone(person: Person, *, actor: Actor, reason: str) -> str | None:
    """The full telephone number of a person; the view is logged in the same transaction."""
    return _reveal(person, "phone", actor, reason)


def _reveal(person: Person, field: str, actor: Actor, reason: str) -> str | None:
    if actor.account_id is None:
        raise ValueError("a full number is shown to signed-in accounts only")
    db.session.add(
        PersonalDataRead(
            account_id=actor.account_id, person_id=person.id, field=field, reason=reason
        )
    )
    value: str | None = getattr(person, field)
    return value
