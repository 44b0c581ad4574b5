"""Which roles an account may hand out, and over whose accounts it has a say.

Annex 3 "从上至下": a superior looks after those below it; the province appoints the staff of the
departments and committees, the security administrator the platform's own (rules 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.domain.errors import ConflictError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.routing import UnitRef
from app.domain.terms import UnitKind
from app.domain.workflow import ActorRole

R = ActorRole

ADMINISTRATORS: Final = frozenset({R.SYSTEM_ADMIN, R.SECURITY_ADMIN, R.AUDIT_ADMIN})
"""The three administrators: apart from each other and from every role of the business."""

OF_A_PERSON: Final = frozenset({R.APPLICANT, R.UNIT_HANDLER, R.EXPERT, R.CHAIR})
"""Only for an account that belongs to a person (notice 三(二): real-name rule)."""

_STAFF: Final = frozenset(
    {
        R.HRSS,
        R.COMPETENT_DEPARTMENT,
        R.UNIT_ADMIN,
        R.UNIT_HANDLER,
        R.APPLICANT,
        R.COMMITTEE_OFFICE,
        R.EXPERT,
        R.CHAIR,
        R.SUPERVISOR,
    }
)

GRANTABLE: Final = {
    R.SECURITY_ADMIN: frozenset({R.SYSTEM_ADMIN, R.AUDIT_ADMIN, R.PROVINCE_HRSS, R.SUPERVISOR}),
    R.PROVINCE_HRSS: _STAFF,
    R.UNIT_ADMIN: frozenset({R.UNIT_HANDLER}),
}
"""What each role may grant and take away; every other role grants nothing.

No role grants itself: a further security administrator is appointed on the machine, by the
operator (`./portal found account`), so that nobody inside the portal multiplies the own power.
"""

MANAGED: Final = {
    R.SECURITY_ADMIN: ADMINISTRATORS | {R.PROVINCE_HRSS, R.SUPERVISOR} | _STAFF,
    R.PROVINCE_HRSS: _STAFF,
    R.HRSS: frozenset({R.HRSS, R.COMPETENT_DEPARTMENT, R.UNIT_ADMIN, R.UNIT_HANDLER, R.APPLICANT}),
    R.COMPETENT_DEPARTMENT: frozenset({R.UNIT_ADMIN, R.UNIT_HANDLER, R.APPLICANT}),
    R.UNIT_ADMIN: frozenset({R.UNIT_ADMIN, R.UNIT_HANDLER, R.APPLICANT}),
    R.UNIT_HANDLER: frozenset({R.APPLICANT}),
}
"""Accounts with which roles each role may lock, unlock and give a new password."""

_WITHIN_UNIT: Final = frozenset({R.APPLICANT, R.UNIT_HANDLER})
_EVERYWHERE: Final = frozenset({R.SECURITY_ADMIN, R.PROVINCE_HRSS})

_UNIT_ROLES: Final = {
    UnitKind.HRSS: R.HRSS,
    UnitKind.COMPETENT_DEPARTMENT: R.COMPETENT_DEPARTMENT,
    UnitKind.EMPLOYER: R.UNIT_ADMIN,
    UnitKind.NON_PUBLIC: R.UNIT_ADMIN,
    UnitKind.DESIGNATED_AGENCY: R.UNIT_ADMIN,
}


def roles_of_unit_account(unit: UnitRef) -> frozenset[ActorRole]:
    """Return the roles the account of a unit is created with.

    A department employs people too, so its account is also that of an employer.
    """
    own = R.PROVINCE_HRSS if unit.is_province_hrss else _UNIT_ROLES[unit.kind]
    return frozenset({own, R.UNIT_ADMIN})


def grantable_by(roles: Iterable[ActorRole]) -> frozenset[ActorRole]:
    """Return every role these roles together may hand out."""
    return frozenset().union(*(GRANTABLE.get(role, frozenset()) for role in roles))


def require_may_grant(
    granter: Iterable[ActorRole], before: frozenset[ActorRole], after: frozenset[ActorRole]
) -> None:
    """Refuse a change of roles beyond one's own reach. Raises NotPermittedError."""
    beyond = (before ^ after) - grantable_by(granter)
    if beyond:
        raise NotPermittedError(
            N_(
                "You may not grant or take away these roles. Staff roles are granted by the "
                "provincial HRSS department, administrators by the security administrator."
            )
        )


def require_roles_fit(roles: frozenset[ActorRole], unit: UnitRef, *, has_person: bool) -> None:
    """Refuse roles that contradict each other, the unit or the real-name rule.

    Raises RuleViolation.
    """
    administrators = roles & ADMINISTRATORS
    if administrators and len(roles) > 1:
        raise RuleViolation(
            N_(
                "System, security and audit administrators are kept apart and hold no other "
                "role. Create a separate account."
            )
        )
    if roles & OF_A_PERSON and not has_person:
        raise RuleViolation(
            N_(
                "Handlers, applicants and experts sign in under their own name. "
                "Grant this role to a personal account."
            )
        )
    wrong = (
        (R.PROVINCE_HRSS in roles and not unit.is_province_hrss)
        or (R.HRSS in roles and (unit.kind is not UnitKind.HRSS or unit.is_province_hrss))
        or (R.COMPETENT_DEPARTMENT in roles and unit.kind is not UnitKind.COMPETENT_DEPARTMENT)
    )
    if wrong:
        raise RuleViolation(
            N_("One of these roles does not fit the kind of the unit. Choose the unit's own role.")
        )


def require_not_last(role: ActorRole, *, others: int) -> None:
    """Refuse to lock or take away the last administrator of a kind. Raises ConflictError."""
    if role in ADMINISTRATORS and others == 0:
        raise ConflictError(
            N_(
                "This is the last active administrator of its kind. Appoint another one first; "
                "the portal must not be left without."
            )
        )


def may_manage(
    manager: Iterable[ActorRole],
    manager_path: str,
    target: frozenset[ActorRole],
    target_path: str,
) -> bool:
    """Return whether an account may lock, unlock and give a new password to another.

    Paths are those of the units, `/1/5/`. Handlers and applicants are looked after by their own
    unit and all above it, every other account by a unit above it only.
    """
    for role in manager:
        if not target <= MANAGED.get(role, frozenset()):
            continue
        if role in _EVERYWHERE:
            return True
        is_below = bool(manager_path) and target_path.startswith(manager_path)
        if is_below and (target_path != manager_path or target <= _WITHIN_UNIT):
            return True
    return False
