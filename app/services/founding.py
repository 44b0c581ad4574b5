"""The first accounts of a production site: everything else is created top-down from them (Annex 3).

Only the person who runs the commands of the machine can found a site; the accounts open with a
one-time code and a password of one's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from app.domain.codes import check_uscc, normalise_code
from app.domain.errors import ConflictError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import AccountKind, AdministrativeLevel, UnitKind
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Account, Division, Unit
from app.services.accounts import NewAccount
from app.services.activation_codes import give_activation_code, make_activation_code
from app.services.actors import SYSTEM
from app.services.audit import record
from app.services.people import PersonDraft, register_person
from app.services.permissions import role_by_name
from app.services.search_text import pinyin_initials, search_vector

FOUNDING_ROLES = (
    ActorRole.SYSTEM_ADMIN,
    ActorRole.SECURITY_ADMIN,
    ActorRole.AUDIT_ADMIN,
    ActorRole.PROVINCE_HRSS,
    ActorRole.SUPERVISOR,
)
"""The roles no account of the portal may hand out before there is one to do it."""


@dataclass(frozen=True)
class Founder:
    """Who gets a first account; `login` is the name signed in with, besides the document number."""

    login: str
    role: ActorRole
    person: PersonDraft


def found_province(name: str, code: str, *, now: datetime) -> Unit:
    """Create the provincial HRSS department, the root of the account tree; once a site."""
    if db.session.scalar(select(func.count(Unit.id))):
        raise ConflictError(
            N_("This site has its units already. Create further ones in the portal.")
        )
    code = normalise_code(code)
    check_uscc(code)
    province = db.session.scalars(
        select(Division).where(Division.level == AdministrativeLevel.PROVINCE)
    ).one()
    unit = Unit(
        name=name.strip(),
        kind=UnitKind.HRSS,
        level=AdministrativeLevel.PROVINCE,
        code=code,
        division_code=province.code,
        pinyin=pinyin_initials(name),
        search=search_vector(name, code),
    )
    db.session.add(unit)
    db.session.flush()
    unit.path = f"/{unit.id}/"
    record("create_unit", unit, actor=SYSTEM, now=now, after={"name": unit.name, "code": code})
    return unit


def appoint_founder(founder: Founder, digest: str, *, now: datetime) -> NewAccount:
    """Create a first account at the root unit, with a one-time code.

    Raises RuleViolation for another role, ConflictError for a login or person that has one.
    """
    if founder.role not in FOUNDING_ROLES:
        raise RuleViolation(N_("Accounts of this role are created in the portal."))
    root = db.session.scalar(select(Unit).where(Unit.parent_id.is_(None)).order_by(Unit.id))
    if root is None:
        raise ConflictError(N_("There is no unit yet. Found the province first."))
    if db.session.scalar(select(Account.id).where(Account.username == founder.login)):
        raise ConflictError(N_("This login is taken. Choose another one."))
    person = register_person(founder.person, digest, now=now)
    code = make_activation_code()
    account = Account(
        username=founder.login,
        first_name=person.name,
        last_name="",
        email=f"{founder.login}@local.invalid",
        active=True,
        kind=AccountKind.PERSONAL,
        unit=root,
        person=person,
        roles=[role_by_name(founder.role.value)],
    )
    db.session.add(account)
    give_activation_code(account, code, now=now)
    db.session.flush()
    after = {"login": founder.login, "roles": [founder.role.value]}
    record("create_account", account, actor=SYSTEM, now=now, after=after)
    return NewAccount(account, code)
