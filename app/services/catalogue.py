"""专业目录: groups and specialties changed directly by the province (the usual way is Annex 2)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.domain.errors import ConflictError, NotPermittedError, StaleVersionError
from app.domain.messages import N_
from app.domain.terms import SpecialtyOrigin
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Specialty, SpecialtyGroup
from app.services.actors import Actor
from app.services.audit import record


def save_group(
    group_id: int | None, series_id: int, name: str, position: int, *, actor: Actor, now: datetime
) -> SpecialtyGroup:
    """Enter or change a specialty group. Raises ConflictError, NotPermittedError."""
    _require_province(actor)
    twin = db.session.scalar(
        select(SpecialtyGroup.id).where(
            SpecialtyGroup.series_id == series_id, SpecialtyGroup.name == name
        )
    )
    if twin is not None and twin != group_id:
        raise ConflictError(N_("The series has a group of this name already."))
    group = db.session.get_one(SpecialtyGroup, group_id) if group_id else SpecialtyGroup()
    before = {"name": group.name, "series_id": group.series_id} if group_id else None
    group.series_id, group.name, group.position = series_id, name, position
    db.session.add(group)
    db.session.flush()
    after = {"name": name, "series_id": series_id}
    record("save_specialty_group", group, actor=actor, now=now, before=before, after=after)
    return group


def save_specialty(
    specialty_id: int | None,
    group_id: int,
    values: dict[str, Any],
    *,
    expected_version: int,
    actor: Actor,
    now: datetime,
) -> Specialty:
    """Enter or change a specialty. Raises ConflictError, StaleVersionError, NotPermittedError."""
    _require_province(actor)
    twin = db.session.scalar(
        select(Specialty.id).where(Specialty.group_id == group_id, Specialty.name == values["name"])
    )
    if twin is not None and twin != specialty_id:
        raise ConflictError(N_("The group has a specialty of this name already."))
    before = None
    if specialty_id is None:
        specialty = Specialty(origin=SpecialtyOrigin.PROPOSAL, version=0)
    else:
        specialty = db.session.get_one(
            Specialty, specialty_id, with_for_update=True, populate_existing=True
        )
        if specialty.version != expected_version:
            raise StaleVersionError(current_state=specialty.name, current_version=specialty.version)
        before = {key: getattr(specialty, key) for key in values}
    specialty.group_id = group_id
    for key, value in values.items():
        setattr(specialty, key, "" if value is None else value)
    specialty.version += 1
    db.session.add(specialty)
    db.session.flush()
    record("save_specialty", specialty, actor=actor, now=now, before=before, after=values)
    return specialty


def _require_province(actor: Actor) -> None:
    if not actor.has_role(ActorRole.PROVINCE_HRSS):
        raise NotPermittedError(
            N_("The specialty catalogue is kept by the provincial HRSS department.")
        )
