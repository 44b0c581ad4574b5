"""操作日志: one append-only entry for each change, and for each view of a full personal number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import inspect

from app.extensions import db
from app.models import AuditEntry, Person, PersonalDataRead
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
    _log_view(person, "identity_number", actor, reason)
    masked = {"identity_mask": person.identity_mask}
    record("reveal_identity", person, actor=actor, now=now, after=masked, reason=reason)
    return person.identity_number


def reveal_phone(person: Person, *, actor: Actor, now: datetime, reason: str) -> str | None:
    """The full telephone number of a person; the view is logged in the same transaction."""
    _log_view(person, "phone", actor, reason)
    masked = {"phone_mask": person.phone_mask}
    record("reveal_phone", person, actor=actor, now=now, after=masked, reason=reason)
    return person.phone


def _log_view(person: Person, field: str, actor: Actor, reason: str) -> None:
    if actor.account_id is None:
        raise ValueError("a full number is shown to signed-in accounts only")
    db.session.add(
        PersonalDataRead(
            account_id=actor.account_id, person_id=person.id, field=field, reason=reason
        )
    )
