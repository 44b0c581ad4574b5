"""单位: the account tree of Annex 3 - creating, changing, closing a unit and finding it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, update

from app.domain.accounts import NewUnit, require_may_create_account, territorial_department
from app.domain.codes import (
    check_uscc,
    derive_code,
    find_suffix_position,
    next_suffix,
    normalise_code,
)
from app.domain.errors import (
    ConflictError,
    InvalidCodeError,
    NotPermittedError,
    RouteError,
    RuleViolation,
    StaleVersionError,
)
from app.domain.messages import N_
from app.domain.routing import UnitRef
from app.domain.terms import AdministrativeLevel, UnitKind
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import (
    Account,
    Application,
    Committee,
    Division,
    PersonnelAffiliation,
    Unit,
    UnitCodeAlias,
    UnitSuffix,
)
from app.services.accounts import NewAccount, create_unit_account
from app.services.actors import Actor
from app.services.audit import record
from app.services.sessions import end_sessions
from app.services.unit_search import index_unit

DIVISION_DIGITS = {
    AdministrativeLevel.PROVINCE: 2,
    AdministrativeLevel.PREFECTURE: 4,
    AdministrativeLevel.COUNTY: 6,
}
"""How many leading digits of a division code name the area of a level (GB/T 2260)."""


@dataclass(frozen=True)
class UnitDraft:
    """What somebody enters for a new unit; `code` empty asks for a derived code (Annex 3)."""

    name: str
    kind: UnitKind
    division_code: str
    level: AdministrativeLevel | None = None
    parent_id: int | None = None
    code: str = ""
    registrar: str = ""
    registrar_level: AdministrativeLevel | None = None
    contact_name: str = ""
    contact_phone: str = ""
    address: str = ""


@dataclass(frozen=True)
class CreatedUnit:
    """A new unit and its account, whose activation code is shown once."""

    unit: Unit
    account: NewAccount


def unit_ref(unit: Unit) -> UnitRef:
    """The unit as the rules see it."""
    return UnitRef(
        id=unit.id,
        kind=unit.kind,
        level=unit.level,
        parent_id=unit.parent_id,
        is_active=unit.is_active,
        is_self_reviewing=unit.is_self_reviewing,
        name=unit.name,
        division_code=unit.division_code,
    )


def create_unit(draft: UnitDraft, *, actor: Actor, now: datetime) -> CreatedUnit:
    """Create a unit with its account, below the unit Annex 3 names.

    Rules E1-E6, C2. Raises NotPermittedError, InvalidCodeError, ConflictError, RouteError,
    RuleViolation or CodeSpaceExhaustedError.
    """
    parent = _choose_parent(draft, actor)
    code = normalise_code(draft.code)
    level = draft.registrar_level if draft.kind is UnitKind.NON_PUBLIC else draft.level
    level = level or parent.level
    _require_creator(draft, parent, level, actor)
    name = draft.name.strip()
    if not name:
        raise RuleViolation(N_("Enter the name of the unit as on its certificate."))
    if not parent.is_active:
        raise ConflictError(
            N_("%(unit)s is not active. Ask the unit above it to activate it first."),
            unit=parent.name,
        )
    _require_division(draft.division_code, parent)
    suffix = None
    if code:
        _require_free_code(code)
    else:
        code, suffix = allocate_derived_code(parent.id)
    unit = Unit(
        name=name,
        kind=draft.kind,
        level=level,
        code=code,
        code_suffix=suffix,
        parent_id=parent.id,
        division_code=draft.division_code,
        registrar=draft.registrar.strip() or None,
        registrar_level=draft.registrar_level if draft.kind is UnitKind.NON_PUBLIC else None,
        contact_name=draft.contact_name.strip() or None,
        contact_phone=draft.contact_phone.strip() or None,
        address=draft.address.strip() or None,
        path=parent.path,
    )
    index_unit(unit)
    db.session.add(unit)
    db.session.flush()
    unit.path = f"{parent.path}{unit.id}/"
    account = create_unit_account(unit, unit_ref(unit), actor=actor, now=now)
    record("create_unit", unit, actor=actor, now=now, after=_facts(unit))
    db.session.flush()
    return CreatedUnit(unit, account)


def _choose_parent(draft: UnitDraft, actor: Actor) -> Unit:
    """The chosen unit or the actor's; for a non-public organization that of its registrar."""
    creator = _own_unit(actor)
    is_territorial = draft.kind is UnitKind.NON_PUBLIC and creator.kind in {
        UnitKind.HRSS,
        UnitKind.DESIGNATED_AGENCY,
    }
    if not is_territorial:
        chosen = db.session.get(Unit, draft.parent_id) if draft.parent_id else creator
        if chosen is None:
            raise NotPermittedError(
                N_("The superior unit does not exist. Choose it from the list.")
            )
        return chosen
    if draft.registrar_level is None:
        raise RuleViolation(
            N_("Choose the level of the registrar that registered the organization (Annex 3).")
        )
    departments = {
        row.id: row
        for row in db.session.scalars(
            select(Unit).where(Unit.kind == UnitKind.HRSS, Unit.level == draft.registrar_level)
        )
    }
    found = territorial_department(
        draft.registrar_level, draft.division_code, [unit_ref(row) for row in departments.values()]
    )
    return departments[int(found.id)]


def _own_unit(actor: Actor) -> Unit:
    unit = db.session.get(Unit, actor.unit_id) if actor.unit_id else None
    if unit is None:
        raise NotPermittedError
    return unit


def _require_creator(
    draft: UnitDraft, parent: Unit, level: AdministrativeLevel, actor: Actor
) -> None:
    """Ask the rules once for each role of the actor; the last refusal is the one shown."""
    creator = unit_ref(_own_unit(actor))
    target = NewUnit(
        kind=draft.kind,
        parent_id=parent.id,
        level=level,
        registrar_level=draft.registrar_level,
        has_own_code=bool(draft.code.strip()),
    )
    refusal: NotPermittedError | None = None
    for role in sorted(actor.roles) or [ActorRole.PUBLIC]:
        try:
            require_may_create_account(creator, role, target)
        except NotPermittedError as error:
            refusal = error
        else:
            return
    raise refusal or NotPermittedError()


def allowed_kinds(actor: Actor) -> list[UnitKind]:
    """The kinds of unit the actor's unit may create at all, for the form's choices."""
    unit = db.session.get(Unit, actor.unit_id) if actor.unit_id else None
    if unit is None:
        return []
    return {
        UnitKind.HRSS: [
            UnitKind.COMPETENT_DEPARTMENT,
            UnitKind.HRSS,
            UnitKind.NON_PUBLIC,
            UnitKind.DESIGNATED_AGENCY,
        ],
        UnitKind.COMPETENT_DEPARTMENT: [UnitKind.EMPLOYER],
        UnitKind.EMPLOYER: [UnitKind.EMPLOYER],
        UnitKind.NON_PUBLIC: [UnitKind.NON_PUBLIC],
        UnitKind.DESIGNATED_AGENCY: [UnitKind.NON_PUBLIC],
    }[unit.kind]


def _require_division(division_code: str, parent: Unit) -> None:
    if db.session.get(Division, division_code) is None:
        raise RuleViolation(N_("Choose the administrative division from the list."))
    digits = DIVISION_DIGITS[parent.level]
    if division_code[:digits] != parent.division_code[:digits]:
        raise RuleViolation(
            N_("The administrative division lies outside that of %(unit)s. Choose one inside it."),
            unit=parent.name,
        )


def _require_free_code(code: str, *, unit_id: int | None = None) -> None:
    """Refuse a wrong code, and one that is or ever was another unit's (E1, E4)."""
    check_uscc(code)
    taken = db.session.scalar(
        select(Unit).where(
            or_(
                Unit.code == code,
                Unit.id.in_(select(UnitCodeAlias.unit_id).where(UnitCodeAlias.code == code)),
            )
        )
    )
    if taken is not None and taken.id != unit_id:
        raise ConflictError(
            N_(
                "The code %(code)s belongs to %(unit)s already. Compare it with the certificate; "
                "a unit is created once only (notice 三(二))."
            ),
            code=code,
            unit=taken.name,
        )


def allocate_derived_code(parent_id: int) -> tuple[str, str]:
    """Reserve the next code below `parent_id` and return (code, suffix); Annex 3, rules E1-E3.

    The parent's row stays locked until the transaction ends, so parallel creations wait in line.
    Raises InvalidCodeError when the parent is too deep, CodeSpaceExhaustedError after 750.
    """
    parent = lock_unit(parent_id)
    used = db.session.scalars(
        select(UnitSuffix.suffix).where(UnitSuffix.parent_id == parent_id)
    ).all()
    suffix = next_suffix(used, parent_code=parent.code)
    code = derive_code(parent.code, find_suffix_position(suffix))
    db.session.add(UnitSuffix(parent_id=parent_id, suffix=suffix))
    db.session.flush()
    return code, suffix


def lock_unit(unit_id: int) -> Unit:
    """The unit, locked until the transaction ends, read afresh."""
    return db.session.get_one(Unit, unit_id, with_for_update=True, populate_existing=True)


CHANGEABLE = ("name", "division_code", "registrar", "contact_name", "contact_phone", "address")


def change_unit(
    unit_id: int, values: dict[str, Any], *, expected_version: int, actor: Actor, now: datetime
) -> Unit:
    """Change name, division, registrar or contact; code and place have their own ways.

    Raises StaleVersionError, RuleViolation, NotPermittedError.
    """
    unit = lock_unit(unit_id)
    if unit.version != expected_version:
        raise StaleVersionError(current_state=unit.name, current_version=unit.version)
    before = _facts(unit)
    name = str(values.get("name", unit.name)).strip()
    if not name:
        raise RuleViolation(N_("Enter the name of the unit as on its certificate."))
    division_code = values.get("division_code", unit.division_code)
    if unit.parent is not None and division_code != unit.division_code:
        _require_division(division_code, unit.parent)
    for key in CHANGEABLE:
        if key in values:
            text = str(values[key] or "").strip()
            setattr(unit, key, text or None)
    unit.name, unit.division_code = name, division_code
    _index(unit)
    unit.version += 1
    record("change_unit", unit, actor=actor, now=now, before=before, after=_facts(unit))
    db.session.flush()
    return unit


def set_self_reviewing(unit_id: int, value: bool, *, actor: Actor, now: datetime) -> Unit:
    """Mark a unit as reviewing by its own right (自主评审单位); only the province grants it."""
    if not actor.has_role(ActorRole.PROVINCE_HRSS):
        raise NotPermittedError(
            N_("Self-reviewing units are named by the provincial HRSS department.")
        )
    unit = lock_unit(unit_id)
    record(
        "set_self_reviewing",
        unit,
        actor=actor,
        now=now,
        before={"is_self_reviewing": unit.is_self_reviewing},
        after={"is_self_reviewing": value},
    )
    unit.is_self_reviewing = value
    unit.version += 1
    return unit


def enter_own_code(unit_id: int, code: str, *, actor: Actor, now: datetime) -> Unit:
    """Give a unit the code it has received; the old one stays as an alias (rules E4).

    The code is the login of the unit account, so that changes too; the derived codes of its
    subordinates stay.
    """
    unit = lock_unit(unit_id)
    code = normalise_code(code)
    if code == unit.code:
        raise InvalidCodeError(N_("This is the code the unit has already. Enter the new one."))
    _require_free_code(code, unit_id=unit.id)
    old = unit.code
    known = db.session.scalar(select(UnitCodeAlias).where(UnitCodeAlias.code == old))
    if known is None:
        db.session.add(UnitCodeAlias(unit_id=unit.id, code=old))
    unit.code, unit.code_suffix = code, None
    unit.version += 1
    _index(unit)
    db.session.execute(
        update(Account)
        .where(Account.unit_id == unit.id, Account.username == old)
        .values(username=code)
    )
    record("enter_own_code", unit, actor=actor, now=now, before={"code": old}, after={"code": code})
    db.session.flush()
    return unit


@dataclass(frozen=True)
class Hanging:
    """What still hangs on a unit; all zero means that it may be closed."""

    subordinates: int
    people: int
    applications: int
    committees: int

    @property
    def is_free(self) -> bool:
        """Whether nothing hangs on the unit."""
        return not (self.subordinates or self.people or self.applications or self.committees)


def what_hangs_on(unit_id: int) -> Hanging:
    """Count subordinates, people, live applications and committees of a unit."""

    def count(query: Any) -> int:
        return db.session.scalar(select(func.count()).select_from(query.subquery())) or 0

    live = or_(Application.employer_id == unit_id, Application.holder_unit_id == unit_id)
    return Hanging(
        subordinates=count(
            select(Unit.id).where(Unit.parent_id == unit_id, Unit.is_active.is_(True))
        ),
        people=count(
            select(PersonnelAffiliation.id).where(
                PersonnelAffiliation.unit_id == unit_id, PersonnelAffiliation.ends_on.is_(None)
            )
        ),
        applications=count(select(Application.id).where(live, Application.is_live.is_(True))),
        committees=count(
            select(Committee.id).where(
                Committee.convener_id == unit_id, Committee.is_active.is_(True)
            )
        ),
    )


def deactivate_unit(unit_id: int, reason: str, *, actor: Actor, now: datetime) -> Unit:
    """Close a unit on which nothing hangs any more, and lock its accounts.

    Raises ConflictError naming what hangs on it, NotPermittedError for one's own unit or from
    below, RuleViolation without a reason.
    """
    unit = lock_unit(unit_id)
    _require_superior(unit, actor)
    if not reason.strip():
        raise RuleViolation(N_("Enter the reason; it is kept in the audit log."))
    if not unit.is_active:
        raise ConflictError(N_("The unit is not active already."))
    hanging = what_hangs_on(unit_id)
    if not hanging.is_free:
        raise ConflictError(
            N_(
                "Still connected with this unit: %(subordinates)s subordinate units, %(people)s "
                "people, %(applications)s applications, %(committees)s review committees. "
                "Move or finish them first."
            ),
            subordinates=hanging.subordinates,
            people=hanging.people,
            applications=hanging.applications,
            committees=hanging.committees,
        )
    unit.is_active = False
    unit.version += 1
    for account in db.session.scalars(select(Account).where(Account.unit_id == unit_id)):
        account.active = False
        end_sessions(account.id)
    record("deactivate_unit", unit, actor=actor, now=now, reason=reason.strip())
    db.session.flush()
    return unit


def activate_unit(unit_id: int, *, actor: Actor, now: datetime) -> Unit:
    """Open a closed unit again; its unit account with it."""
    unit = lock_unit(unit_id)
    _require_superior(unit, actor)
    if unit.parent is not None and not unit.parent.is_active:
        raise RouteError(
            N_("%(unit)s, the unit above it, is not active. Activate that one first."),
            unit=unit.parent.name,
        )
    unit.is_active = True
    unit.version += 1
    for account in db.session.scalars(
        select(Account).where(Account.unit_id == unit_id, Account.person_id.is_(None))
    ):
        account.active = True
    record("activate_unit", unit, actor=actor, now=now)
    db.session.flush()
    return unit


def may_look_after(unit: Unit, actor: Actor) -> bool:
    """Whether the actor's unit stands above `unit` (the province above all)."""
    if actor.has_role(ActorRole.PROVINCE_HRSS):
        return unit.id != actor.unit_id
    is_staff = actor.has_role(
        ActorRole.HRSS, ActorRole.COMPETENT_DEPARTMENT, ActorRole.UNIT_ADMIN, ActorRole.UNIT_HANDLER
    )
    if not is_staff or not actor.unit_path or unit.id == actor.unit_id:
        return False
    return unit.path.startswith(actor.unit_path)


def _require_superior(unit: Unit, actor: Actor) -> None:
    if not may_look_after(unit, actor):
        raise NotPermittedError(N_("A unit is closed and opened by a unit above it."))


def _index(unit: Unit) -> None:
    former = select(UnitCodeAlias.code).where(UnitCodeAlias.unit_id == unit.id)
    index_unit(unit, db.session.scalars(former))


def _facts(unit: Unit) -> dict[str, Any]:
    keys = ("name", "code", "division_code", "parent_id", "registrar", "contact_name", "address")
    facts: dict[str, Any] = {key: getattr(unit, key) for key in keys}
    facts["kind"], facts["level"] = unit.kind.value, unit.level.value
    return facts
