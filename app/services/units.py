"""单位: the account tree of Annex 3 - creating, changing, closing a unit and finding it again."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update

from app.domain.accounts import NewUnit, require_may_create_account, territorial_department
from app.domain.codes import (
    check_uscc,
    derive_code,
    find_suffix_position,
    mask_phone,
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
from app.domain.names import require_unit_name
from app.domain.routing import UnitRef
from app.domain.terms import AdministrativeLevel, MoveState, UnitKind
from app.domain.transfers import OPEN_STATES
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import (
    Account,
    Application,
    Committee,
    Division,
    PersonnelAffiliation,
    PersonTransfer,
    Publicity,
    Unit,
    UnitCodeAlias,
    UnitMove,
    UnitSuffix,
)
from app.services.accounts import NewAccount, create_unit_account
from app.services.actors import Actor
from app.services.audit import record
from app.services.materials import Proof
from app.services.people import require_phone
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
    """What somebody enters for a new unit; `code` empty asks for a derived code (Annex 3).

    `is_proof_to_follow`: entered from a list, which holds no files; the page of the unit goes on
    asking for the licence until it is there.
    """

    name: str
    kind: UnitKind
    division_code: str
    level: AdministrativeLevel | None = None
    parent_id: int | None = None
    code: str = ""
    registrar: str = ""
    registrar_level: AdministrativeLevel | None = None
    registrar_proof: Proof | None = None
    is_proof_to_follow: bool = False
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


def lies_within(path: str) -> ColumnElement[bool]:
    """Return the criterion of a unit and all below it, by its path '/1/5/20/'."""
    return (Unit.path >= path) & (Unit.path < path[:-1] + "0")


def create_unit(draft: UnitDraft, *, actor: Actor, now: datetime) -> CreatedUnit:
    """Create a unit with its account, below the unit Annex 3 names.

    Rules E1-E6, C2. Raises NotPermittedError, InvalidCodeError, ConflictError, RouteError,
    RuleViolation or CodeSpaceExhaustedError.
    """
    parent = _choose_parent(draft, actor)
    code = normalise_code(draft.code)
    registration = _registration(draft, parent)
    level = registration.level or draft.level or _usual_level(draft.kind, parent)
    _require_creator(draft, parent, level, actor)
    parent = lock_unit(parent.id, is_shared=bool(code))
    name = require_unit_name(draft.name)
    if not parent.is_active:
        raise ConflictError(
            N_("%(unit)s is not active. Ask the unit above it to activate it first."),
            unit=parent.name,
        )
    require_division(draft.division_code, parent)
    registration.require_proof(is_to_follow=draft.is_proof_to_follow)
    suffix = None
    if code:
        _require_free_code(code)
    else:
        code, suffix = allocate_derived_code(parent.id)
    phone = require_phone(draft.contact_phone) if draft.contact_phone.strip() else None
    unit = Unit(
        name=name,
        kind=draft.kind,
        level=level,
        code=code,
        code_suffix=suffix,
        parent_id=parent.id,
        division_code=draft.division_code,
        registrar=registration.registrar or None,
        registrar_level=registration.level,
        registrar_proof_sha256=registration.proof_sha256,
        registrar_proof_name=registration.proof_name,
        contact_name=draft.contact_name.strip() or None,
        contact_phone=phone,
        contact_phone_mask=mask_phone(phone) if phone else None,
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


@dataclass(frozen=True)
class Registration:
    """Who registered a non-public organization; empty for other kinds. A part of one without a
    code of its own has the registration of the whole."""

    registrar: str = ""
    level: AdministrativeLevel | None = None
    proof_sha256: str | None = None
    proof_name: str = ""
    is_own: bool = False

    def require_proof(self, *, is_to_follow: bool) -> None:
        """Refuse an own registration without its proof (E6)."""
        if self.is_own and not self.registrar:
            raise RuleViolation(N_("Enter the registrar as on the licence."))
        if self.is_own and self.proof_sha256 is None and not is_to_follow:
            raise RuleViolation(
                N_(
                    "Upload the licence: the level of the registrar decides which HRSS department "
                    "looks after the organization, so it is entered with its proof (Annex 3)."
                )
            )


def _registration(draft: UnitDraft, parent: Unit) -> Registration:
    if draft.kind is not UnitKind.NON_PUBLIC:
        return Registration(registrar=draft.registrar.strip())
    if parent.kind is UnitKind.NON_PUBLIC:
        return Registration(
            parent.registrar or "",
            parent.registrar_level,
            parent.registrar_proof_sha256,
            parent.registrar_proof_name,
        )
    proof = draft.registrar_proof
    return Registration(
        draft.registrar.strip(),
        draft.registrar_level,
        proof.file.sha256 if proof else None,
        proof.name if proof else "",
        is_own=True,
    )


def _usual_level(kind: UnitKind, parent: Unit) -> AdministrativeLevel:
    """The level of a unit nobody has entered one for: HRSS departments stand one below."""
    levels = list(AdministrativeLevel)
    if kind is not UnitKind.HRSS:
        return parent.level
    return levels[min(levels.index(parent.level) + 1, len(levels) - 1)]


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
    kinds = {
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
    has_none_below = unit.level is AdministrativeLevel.COUNTY
    return [kind for kind in kinds if not (kind is UnitKind.HRSS and has_none_below)]


def require_division(division_code: str, parent: Unit) -> None:
    """Refuse a division that is unknown or lies outside that of the superior unit."""
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


def lock_unit(unit_id: int, *, is_shared: bool = False) -> Unit:
    """The unit, locked until the transaction ends, read afresh.

    A shared lock keeps others from changing or moving it, not from adding below it too.
    """
    return db.session.get_one(
        Unit, unit_id, with_for_update={"read": is_shared, "of": Unit}, populate_existing=True
    )


CHANGEABLE = ("name", "division_code", "registrar", "contact_name", "address")
"""Not the telephone of the contact: the codes of the unit account go to it, so that it changes only
with a new code by who looks after that account (`accounts.reset_password`)."""


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
    name = require_unit_name(str(values.get("name") or "")) if "name" in values else unit.name
    division_code = values.get("division_code", unit.division_code)
    if unit.parent is not None and division_code != unit.division_code:
        require_division(division_code, unit.parent)
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


def replace_registrar_proof(unit_id: int, proof: Proof, *, actor: Actor, now: datetime) -> Unit:
    """Keep another licence of a non-public organization; the level of its registrar stays (E6)."""
    unit = lock_unit(unit_id)
    if unit.kind is not UnitKind.NON_PUBLIC:
        raise RuleViolation(N_("Only non-public organizations have a registrar."))
    before = {"proof": unit.registrar_proof_sha256}
    unit.registrar_proof_sha256, unit.registrar_proof_name = proof.file.sha256, proof.name
    record(
        "change_registrar_proof",
        unit,
        actor=actor,
        now=now,
        before=before,
        after={"proof": proof.file.sha256},
    )
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
    if not may_look_after(unit, actor):
        raise NotPermittedError(N_("The code of a unit is entered by a unit above it."))
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


def find_account_by_former_code(code: str) -> Account | None:
    """Return the unit account a former code still signs in to; None for any other text (E4)."""
    return db.session.scalar(
        select(Account)
        .join(UnitCodeAlias, UnitCodeAlias.unit_id == Account.unit_id)
        .join(Unit, Unit.id == Account.unit_id)
        .where(UnitCodeAlias.code == normalise_code(code), Account.username == Unit.code)
    )


@dataclass(frozen=True)
class Hanging:
    """What still hangs on a unit; all zero means that it may be closed."""

    subordinates: int
    people: int
    applications: int
    committees: int
    publicities: int = 0
    transfers: int = 0
    moves: int = 0

    @property
    def is_free(self) -> bool:
        """Whether nothing hangs on the unit."""
        return not any(astuple(self))


def what_hangs_on(unit_id: int) -> Hanging:
    """Count what a unit must be rid of before it is closed: subordinates, people, live
    applications, committees, open publicities, requests to transfer people and to move units."""

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
        publicities=count(
            select(Publicity.id)
            .join(Application, Application.id == Publicity.application_id)
            .where(Application.employer_id == unit_id, Publicity.closed_at.is_(None))
        ),
        transfers=count(
            select(PersonTransfer.id).where(
                or_(PersonTransfer.from_unit_id == unit_id, PersonTransfer.to_unit_id == unit_id),
                PersonTransfer.state.in_(OPEN_STATES),
            )
        ),
        moves=count(
            select(UnitMove.id).where(
                or_(
                    UnitMove.unit_id == unit_id,
                    UnitMove.from_unit_id == unit_id,
                    UnitMove.to_unit_id == unit_id,
                ),
                UnitMove.state == MoveState.ASKED,
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
                "people, %(applications)s applications, %(committees)s review committees, "
                "%(publicities)s open publicities, %(transfers)s transfers of people, %(moves)s "
                "moves of units. Move or finish them first."
            ),
            **asdict(hanging),
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
    keys = (
        "name",
        "code",
        "division_code",
        "parent_id",
        "registrar",
        "contact_name",
        "contact_phone_mask",
        "address",
    )
    facts: dict[str, Any] = {key: getattr(unit, key) for key in keys}
    facts["kind"], facts["level"] = unit.kind.value, unit.level.value
    return facts
