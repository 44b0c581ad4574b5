"""Who may create an account for whom.

Notice 三(二) "从上至下创建" and Annex 3; rules E5, E6, C2, C4, R21.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from app.domain.errors import NotPermittedError, RouteError
from app.domain.messages import N_
from app.domain.routing import UnitId, UnitRef
from app.domain.terms import AdministrativeLevel, ApplicantKind, UnitKind
from app.domain.workflow import ActorRole

CREATOR_ROLES: Final = frozenset(
    {
        ActorRole.PROVINCE_HRSS,
        ActorRole.HRSS,
        ActorRole.COMPETENT_DEPARTMENT,
        ActorRole.UNIT_ADMIN,
        ActorRole.UNIT_HANDLER,
    }
)
"""Operators of the platform take no part (rules 2): they decide nothing of the business."""

_LEVELS: Final = tuple(AdministrativeLevel)
_DIVISION_DIGITS: Final = {
    AdministrativeLevel.PROVINCE: 2,
    AdministrativeLevel.PREFECTURE: 4,
    AdministrativeLevel.COUNTY: 6,
}


@dataclass(frozen=True, slots=True)
class NewUnit:
    """A unit account to be created below `parent_id`.

    `level` is that of the unit, `registrar_level` that of the office which registered a
    non-public organization (an input with proof, not derived from the address: E6).
    """

    kind: UnitKind
    parent_id: UnitId
    level: AdministrativeLevel | None = None
    registrar_level: AdministrativeLevel | None = None
    has_own_code: bool = True


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A personal account to be created; `unit_id` is the unit that plays the employer (C4)."""

    applicant_kind: ApplicantKind
    unit_id: UnitId


def may_create_account(creator: UnitRef, role: ActorRole, target: NewUnit | NewPerson) -> bool:
    """Return whether this unit may create this account (E5: no sideways, no skipping)."""
    return _find_refusal(creator, role, target) is None


def require_may_create_account(
    creator: UnitRef, role: ActorRole, target: NewUnit | NewPerson
) -> None:
    """Raise NotPermittedError, saying who may, when this unit may not create this account."""
    refusal = _find_refusal(creator, role, target)
    if refusal is not None:
        raise NotPermittedError(refusal)


def _find_refusal(creator: UnitRef, role: ActorRole, target: NewUnit | NewPerson) -> str | None:
    if role not in CREATOR_ROLES:
        return N_("Accounts are created by units for those below them, not by this role.")
    if not creator.is_active:
        return N_("Your unit is not active. Ask the unit above it to activate it.")
    if isinstance(target, NewPerson):
        return _find_person_refusal(creator, target)
    if creator.kind is UnitKind.DESIGNATED_AGENCY:
        return _find_agency_refusal(creator, target)
    if target.parent_id != creator.id:
        return N_(
            "Accounts are created from top to bottom, each unit for those directly below it. "
            "Ask the unit directly above the new one."
        )
    return _UNIT_RULES[creator.kind](creator, target)


def _find_person_refusal(creator: UnitRef, target: NewPerson) -> str | None:
    if target.unit_id != creator.id:
        return N_(
            "A unit creates personal accounts for its own people only. "
            "Accounts for others count as misconduct (Annex 3)."
        )
    if target.applicant_kind is ApplicantKind.EMPLOYEE:
        return None
    is_county_office = creator.kind is UnitKind.HRSS and creator.level is AdministrativeLevel.COUNTY
    if is_county_office or creator.kind is UnitKind.DESIGNATED_AGENCY:
        return None
    return N_(
        "Accounts of freelancers and sole proprietors are created by the HRSS department of "
        "their county or the agency it designates."
    )


def _find_agency_refusal(creator: UnitRef, target: NewUnit) -> str | None:
    """An agency acts for the HRSS department above it, so it skips itself (E5)."""
    if target.kind is UnitKind.NON_PUBLIC and target.parent_id in {creator.id, creator.parent_id}:
        return _check_registrar(creator, target)
    return N_(
        "A designated agency creates accounts of non-public organizations, freelancers and sole "
        "proprietors only."
    )


def _check_hrss(creator: UnitRef, target: NewUnit) -> str | None:
    match target.kind:
        case UnitKind.HRSS:
            is_allowed = _is_next_lower(creator.level, target.level)
        case UnitKind.COMPETENT_DEPARTMENT | UnitKind.DESIGNATED_AGENCY:
            is_allowed = target.level is creator.level
        case UnitKind.NON_PUBLIC:
            return _check_registrar(creator, target)
        case _:
            is_allowed = False
    if is_allowed:
        return None
    return N_(
        "An HRSS department creates the HRSS departments one level below, the competent "
        "departments and agencies of its own level, and non-public organizations. Units of a "
        "competent department are created by that department."
    )


def _is_next_lower(
    level: AdministrativeLevel | None, target_level: AdministrativeLevel | None
) -> bool:
    if level is None or target_level is None:
        return False
    return _LEVELS.index(target_level) == _LEVELS.index(level) + 1


def _check_registrar(creator: UnitRef, target: NewUnit) -> str | None:
    """Compare the registrar's level with the department's (Annex 3: 属地原则)."""
    if target.registrar_level is not None and target.registrar_level is creator.level:
        return None
    return N_(
        "A non-public organization is created by the HRSS department of the level of its "
        "registrar. Ask that department, or correct the registrar's level with its proof."
    )


def _check_competent_department(_creator: UnitRef, target: NewUnit) -> str | None:
    if target.kind is UnitKind.EMPLOYER:
        return None
    return N_(
        "A competent department creates the enterprises and public institutions it manages. "
        "Other units are created by the HRSS department."
    )


def _check_employer(creator: UnitRef, target: NewUnit) -> str | None:
    if target.kind is creator.kind and not target.has_own_code:
        return None
    return N_(
        "A unit creates only subordinate units without a unified social credit code of their "
        "own. A unit with its own code is created by its competent department or registrar's "
        "HRSS department."
    )


_UNIT_RULES: Final[dict[UnitKind, Callable[[UnitRef, NewUnit], str | None]]] = {
    UnitKind.HRSS: _check_hrss,
    UnitKind.COMPETENT_DEPARTMENT: _check_competent_department,
    UnitKind.EMPLOYER: _check_employer,
    UnitKind.NON_PUBLIC: _check_employer,
}


def territorial_department(
    registrar_level: AdministrativeLevel, division_code: str, departments: Iterable[UnitRef]
) -> UnitRef:
    """Return the HRSS department of the registrar's level for a division (Annex 3, C2, E6).

    `division_code` has six digits (GB/T 2260). Raises RouteError when there is none.
    """
    digits = _DIVISION_DIGITS[registrar_level]
    for unit in departments:
        if (
            unit.kind is UnitKind.HRSS
            and unit.is_active
            and unit.level is registrar_level
            and unit.division_code[:digits] == division_code[:digits]
        ):
            return unit
    raise RouteError(
        N_(
            "No HRSS department is entered for the division %(division)s at the registrar's "
            "level. Ask the provincial HRSS department to create it."
        ),
        division=division_code,
    )
