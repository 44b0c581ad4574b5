"""理由代码 and 字典项: what people choose from; a code that rows carry is never renamed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.domain.errors import ConflictError, RuleViolation
from app.domain.messages import N_
from app.extensions import db
from app.models import Dictionary, DictionaryEntry, ReasonCode
from app.services.actors import Actor
from app.services.audit import record


def save_reason(
    row_id: int | None, values: dict[str, Any], *, actor: Actor, now: datetime
) -> ReasonCode:
    """Enter or change a reason (rules R50). Raises ConflictError when use and code repeat."""
    row = db.session.get_one(ReasonCode, row_id) if row_id else ReasonCode()
    _save(row, values, key=("use", "code"), actor=actor, now=now)
    return row


def save_entry(
    row_id: int | None, values: dict[str, Any], *, actor: Actor, now: datetime
) -> DictionaryEntry:
    """Enter or change an option of a dictionary. Raises ConflictError, RuleViolation."""
    if db.session.get(Dictionary, values["dictionary"]) is None:
        raise RuleViolation(N_("Choose the dictionary from the list."))
    row = db.session.get_one(DictionaryEntry, row_id) if row_id else DictionaryEntry()
    _save(row, values, key=("dictionary", "code"), actor=actor, now=now)
    return row


def _save(
    row: Any, values: dict[str, Any], *, key: tuple[str, ...], actor: Actor, now: datetime
) -> None:
    """Write the values; the key of a row that exists stays, because other rows carry it."""
    is_new = row.id is None
    before = None if is_new else {name: getattr(row, name) for name in values}
    if is_new:
        wanted = {name: values[name] for name in key}
        if db.session.scalar(select(type(row).id).filter_by(**wanted)) is not None:
            raise ConflictError(
                N_("This code exists already. Change that entry, or take another code.")
            )
    for name, value in values.items():
        if is_new or name not in key:
            setattr(row, name, value)
    db.session.add(row)
    db.session.flush()
    after = {name: getattr(row, name) for name in values}
    action = "add_option" if is_new else "change_option"
    record(action, row, actor=actor, now=now, before=before, after=after)
    db.session.flush()
