"""操作日志: one append-only entry for each change, and for each view of a full personal number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import inspect

from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.extensions import db
from app.models import AuditEntry, Person, PersonalDataRead, Unit
from app.services.actors import Actor


@dataclass(frozen=True)
class Subject:
    """What an entry is about where no row stands for it: a failed sign-in, an export."""

    object_type: str
    object_id: str = "-"


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
    """Write who did what to `row`, a row or a Subject; None is for what has no object at all.

    `before` and `after` hold no full document or telephone number. The link of the chain is
    written by the database at commit.
    """
    about = row if isinstance(row, Subject) else _subject_of(row)
    entry = AuditEntry(
        at=now,
        account_id=actor.account_id,
        actor_name=actor.name,
        role=",".join(sorted(role.value for role in actor.roles)),
        unit_id=actor.unit_id,
        address=actor.address,
        action=action,
        object_type=about.object_type,
        object_id=about.object_id[:60],
        before=before,
        after=after,
        reason=reason,
    )
    db.session.add(entry)
    return entry


def _subject_of(row: Any) -> Subject:
    if row is None:
        return Subject("-")
    state = inspect(row)
    key = state.identity
    return Subject(
        state.mapper.class_.__name__, "/".join(str(part) for part in key) if key else "-"
    )


def reveal_identity(person: Person, *, actor: Actor, now: datetime, reason: str) -> str:
    """The full document number of a person; the view is logged in the same transaction."""
    _log_view("identity_number", actor, reason, person_id=person.id)
    masked = {"identity_mask": person.identity_mask}
    record("reveal_identity", person, actor=actor, now=now, after=masked, reason=reason)
    return person.identity_number


def reveal_phone(person: Person, *, actor: Actor, now: datetime, reason: str) -> str | None:
    """The full telephone number of a person; the view is logged in the same transaction."""
    _log_view("phone", actor, reason, person_id=person.id)
    masked = {"phone_mask": person.phone_mask}
    record("reveal_phone", person, actor=actor, now=now, after=masked, reason=reason)
    return person.phone


def reveal_contact_phone(unit: Unit, *, actor: Actor, now: datetime, reason: str) -> str | None:
    """The full telephone number of a unit's contact; the view is logged in the same transaction."""
    _log_view("contact_phone", actor, reason, unit_id=unit.id)
    masked = {"contact_phone_mask": unit.contact_phone_mask}
    record("reveal_contact_phone", unit, actor=actor, now=now, after=masked, reason=reason)
    return unit.contact_phone


def _log_view(field: str, actor: Actor, reason: str, **whose: int) -> None:
    if actor.account_id is None:
        raise ValueError("a full number is shown to signed-in accounts only")
    if not reason.strip():
        raise RuleViolation(N_("Enter the reason; it is kept in the audit log."))
    db.session.add(
        PersonalDataRead(account_id=actor.account_id, field=field, reason=reason, **whose)
    )
