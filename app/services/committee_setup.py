"""Setting a committee up: its data and the rows of its material list (notice 四(一))."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.domain.errors import ConflictError, RuleViolation, StaleVersionError
from app.domain.messages import N_
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Application, Committee, MaterialRequirement, Series
from app.services.actors import Actor
from app.services.audit import record
from app.services.committees import check_committee, require_convener

MEGABYTE = 1024 * 1024
TYPES = ("pdf", "jpg", "png", "ofd")
_CODE = re.compile(r"[a-z][a-z0-9_]*")


def asked_committee(text: str, actor: Actor) -> Committee | None:
    """The committee a form was opened for, if the actor looks after it."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return None
    committee = db.session.get(Committee, int(text))
    if committee is None:
        return None
    is_own = committee.convener_id == actor.unit_id
    return committee if is_own or actor.has_role(ActorRole.PROVINCE_HRSS) else None


def save_committee(
    committee_id: int | None,
    values: dict[str, Any],
    *,
    expected_version: int,
    actor: Actor,
    now: datetime,
) -> Committee:
    """Build or change a committee (rules R01-R05); it belongs to the actor's unit.

    Raises NotPermittedError, CommitteeRuleError, ConflictError, StaleVersionError.
    """
    if db.session.get(Series, values["series_id"]) is None:
        raise RuleViolation(N_("Choose the series from the list."))
    twin = db.session.scalar(select(Committee.id).where(Committee.name == values["name"]))
    if twin is not None and twin != committee_id:
        raise ConflictError(N_("There is a review committee of this name already."))
    before = None
    if committee_id is None:
        committee = Committee(convener_id=actor.unit_id, version=0)
    else:
        committee = db.session.get_one(
            Committee, committee_id, with_for_update={"of": Committee}, populate_existing=True
        )
        require_convener(committee_id, actor)
        if committee.version != expected_version:
            raise StaleVersionError(current_state=committee.name, current_version=committee.version)
        before = _facts(committee)
    for key, value in values.items():
        setattr(committee, key, value)
    check_committee(committee, actor=actor)
    committee.version += 1
    db.session.add(committee)
    db.session.flush()
    record(
        "save_committee", committee, actor=actor, now=now, before=before, after=_facts(committee)
    )
    return committee


def _facts(committee: Committee) -> dict[str, Any]:
    return {
        "name": committee.name,
        "series_id": committee.series_id,
        "level": committee.level.value,
        "scope_kind": committee.scope_kind.value,
        "member_size": committee.member_size,
        "is_active": committee.is_active,
    }


def save_requirement(
    requirement_id: int | None,
    committee_id: int,
    values: dict[str, Any],
    *,
    expected_version: int,
    actor: Actor,
    now: datetime,
) -> MaterialRequirement:
    """Add or change a row of a committee's material list.

    Raises NotPermittedError, RuleViolation, ConflictError, StaleVersionError.
    """
    _require_list_keeper(committee_id, actor)
    values = dict(values)
    if "max_megabytes" in values:
        values["max_bytes"] = values.pop("max_megabytes") * MEGABYTE
    if not _CODE.fullmatch(values["code"]):
        raise RuleViolation(
            N_("A code begins with a small letter and has small letters, digits and _ only.")
        )
    if not values["file_types"]:
        raise RuleViolation(N_("Choose at least one kind of file."))
    twin = db.session.scalar(
        select(MaterialRequirement.id).where(
            MaterialRequirement.committee_id == committee_id,
            MaterialRequirement.code == values["code"],
        )
    )
    if twin is not None and twin != requirement_id:
        raise ConflictError(N_("The list has a row with this code already."))
    row = _requirement(requirement_id, committee_id, expected_version, actor)
    before = {"name": row.name} if requirement_id else None
    for key, value in values.items():
        setattr(row, key, "" if value is None else value)
    row.version += 1
    db.session.add(row)
    db.session.flush()
    record("save_requirement", row, actor=actor, now=now, before=before, after=values)
    return row


def _require_list_keeper(committee_id: int, actor: Actor) -> None:
    """A list is the convening unit's and the province's; the system administrator brings it along
    with the rest of the configuration."""
    if not actor.has_role(ActorRole.SYSTEM_ADMIN):
        require_convener(committee_id, actor)


def _requirement(
    requirement_id: int | None, committee_id: int, expected_version: int, actor: Actor
) -> MaterialRequirement:
    if requirement_id is None:
        return MaterialRequirement(committee_id=committee_id, version=0)
    row = db.session.get_one(
        MaterialRequirement, requirement_id, with_for_update=True, populate_existing=True
    )
    _require_list_keeper(row.committee_id, actor)
    if row.version != expected_version:
        raise StaleVersionError(current_state=row.name, current_version=row.version)
    row.committee_id = committee_id
    return row


def remove_requirement(requirement_id: int, *, actor: Actor, now: datetime) -> None:
    """Take a row off a material list while nobody has begun an application to the committee."""
    row = db.session.get_one(MaterialRequirement, requirement_id)
    _require_list_keeper(row.committee_id, actor)
    begun = db.session.scalar(
        select(Application.id).where(Application.committee_id == row.committee_id).limit(1)
    )
    if begun is not None:
        raise ConflictError(
            N_("Applications to this committee have begun. Make the row voluntary instead.")
        )
    record("remove_requirement", row, actor=actor, now=now, before={"name": row.name})
    db.session.delete(row)
    db.session.flush()
