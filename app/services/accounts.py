"""账号: creating, locking, unlocking, passwords and roles (notice 三(二), Annex 3, rules E5-E9).

Passwords and activation codes are shown once, to whoever creates them; only hashes are stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import func, select

from app.crypto import keyring
from app.domain.accounts import (
    NewPerson,
    require_may_create_account,
)
from app.domain.codes import mask_phone
from app.domain.errors import (
    ConflictError,
    NotPermittedError,
    RuleViolation,
)
from app.domain.messages import N_
from app.domain.plan import is_account_creation_late
from app.domain.roles import (
    ADMINISTRATORS,
    may_manage,
    require_may_grant,
    require_not_last,
    require_roles_fit,
    roles_of_unit_account,
)
from app.domain.routing import UnitRef
from app.domain.terms import AccountKind, ApplicantKind
from app.domain.transfers import roles_after_leaving
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Account, EvaluationPlan, MisconductFinding, Person, Unit
from app.services.account_proofs import add_proof, require_proof
from app.services.activation_codes import (
    give_activation_code,
    initial_password,
    make_activation_code,
)
from app.services.actors import SYSTEM, Actor
from app.services.affiliations import (
    first_free_day,
    lock_person,
    open_affiliation,
    present_affiliation,
)
from app.services.audit import record
from app.services.materials import Proof
from app.services.people import PersonDraft, find_person, register_person, require_phone
from app.services.sessions import end_sessions
from app.services.texts import phone_of, send_sms

ADMINISTRATORS_LOCK = 0x5F41444D
"""Key of the lock under which administrators are counted."""

ROLE_NAMES = {role.value: role for role in ActorRole}


class TransferNeededError(ConflictError):
    """The person has an account in another unit: it is transferred, never created again (E7)."""

    code = "transfer_needed"
    template = N_(
        "This person has an account in the province already; one person has one account, it is "
        "not created again (notice 三(二)). Ask for the transfer to your unit: the present unit "
        "releases the person, or the HRSS department decides."
    )


@dataclass(frozen=True)
class NewAccount:
    """An account and the code that opens it once; nobody can read the code again.

    Without a code the account was there before: the person signs in as always.
    """

    account: Account
    activation_code: str
    is_late: bool = False


def identity_hash(number: str) -> str:
    """The keyed hash under which a person's document number is found."""
    return keyring().lookup_hash(number.strip().upper())


def personal_login(number: str) -> str:
    """The stored login of a personal account: a keyed hash, never the document number."""
    return "p" + identity_hash(number)[:40]


def roles_of(account: Account) -> frozenset[ActorRole]:
    """The roles of the rules an account holds."""
    return frozenset(ROLE_NAMES[role.name] for role in account.roles if role.name in ROLE_NAMES)


def create_unit_account(unit: Unit, ref: UnitRef, *, actor: Actor, now: datetime) -> NewAccount:
    """Create the account of a unit just added; its login is the unit's code (Annex 3)."""
    code = initial_password()
    account = Account(
        username=unit.code,
        first_name=unit.name[:64],
        last_name="",
        email=f"{unit.code}@local.invalid",
        active=True,
        kind=AccountKind.UNIT,
        unit=unit,
        roles=_role_rows(roles_of_unit_account(ref)),
        **_stamped(now),
    )
    db.session.add(account)
    give_activation_code(account, code, now=now)
    db.session.flush()
    is_late = _is_late(now)
    record("create_account", account, actor=actor, now=now, after=_facts(account, is_late=is_late))
    return NewAccount(account, code, is_late)


def create_personal_account(
    draft: PersonDraft,
    *,
    unit: UnitRef,
    is_handler: bool,
    declared: bool,
    proof: Proof | None = None,
    is_proven: bool = False,
    actor: Actor,
    now: datetime,
) -> NewAccount:
    """Create the account of one of the unit's own people, and the person if not known yet.

    `declared` is the statement that the person works for the unit (Annex 3: 严禁…, E8), `proof`
    what shows it; `is_proven` says that a whole file of people came with its own. One person
    has one account in the province (E7): TransferNeededError where another unit has it; who has
    left the last unit is taken up with the account of before. Raises NotPermittedError,
    InvalidIdentityError, RuleViolation.
    """
    require_creator(draft.applicant_kind, unit, actor)
    roles = frozenset({ActorRole.UNIT_HANDLER if is_handler else ActorRole.APPLICANT})
    if is_handler:
        require_may_grant(actor.roles, frozenset(), roles)
    require_declared(declared=declared)
    require_proof(is_given=is_proven or proof is not None)
    made = _create_or_attach(draft, unit, roles, actor, now)
    if proof is not None:
        add_proof(made.account.id, proof, actor=actor, now=now)
    return made


def _create_or_attach(
    draft: PersonDraft, unit: UnitRef, roles: frozenset[ActorRole], actor: Actor, now: datetime
) -> NewAccount:
    person = find_person(identity_hash(draft.identity_number))
    if person is not None:
        person = lock_person(person.id)
        account = db.session.scalar(select(Account).where(Account.person_id == person.id))
        require_same_name(person, draft.name)
        _require_free(person, account, int(unit.id))
        if account is not None:
            return _attach(person, account.id, unit, draft.applicant_kind, actor=actor, now=now)
    else:
        person = register_person(draft, identity_hash(draft.identity_number), now=now)
    if present_affiliation(person.id) is None:
        open_affiliation(
            person, int(unit.id), draft.applicant_kind, starts_on=first_free_day(person.id, now=now)
        )
    code = initial_password()
    login = personal_login(draft.identity_number)
    account = Account(
        username=login,
        first_name=person.name[:64],
        last_name="",
        email=f"{login}@local.invalid",
        active=True,
        kind=AccountKind.PERSONAL,
        unit_id=int(unit.id),
        person=person,
        roles=_role_rows(roles),
        **_stamped(now),
    )
    db.session.add(account)
    give_activation_code(account, code, now=now)
    db.session.flush()
    is_late = _is_late(now)
    record("create_account", account, actor=actor, now=now, after=_facts(account, is_late=is_late))
    return NewAccount(account, code, is_late)


def _stamped(now: datetime) -> dict[str, Any]:
    naive = now.replace(tzinfo=None)
    return {"created_on": naive, "changed_on": naive}


def require_declared(*, declared: bool) -> None:
    """Refuse without the statement that the person works for the unit (Annex 3, E8)."""
    if not declared:
        raise RuleViolation(
            N_(
                "Confirm that this person belongs to your unit. Accounts for people of other "
                "units count as misconduct (Annex 3)."
            )
        )


def require_same_name(person: Person, name: str) -> None:
    """Refuse a number that belongs to somebody of another name: most often a slip of the pen."""
    if person.name != name.strip():
        raise RuleViolation(
            N_(
                "The name does not fit the document number on file. Compare both with the "
                "document; if the name has changed, ask the HRSS department."
            )
        )


def require_creator(kind: ApplicantKind, unit: UnitRef, actor: Actor) -> None:
    """Refuse who may not create personal accounts of this kind for `unit` (E5)."""
    if actor.unit_id != unit.id:
        raise NotPermittedError(
            N_(
                "A unit creates personal accounts for its own people only. "
                "Accounts for others count as misconduct (Annex 3)."
            )
        )
    refusal: NotPermittedError | None = None
    for role in sorted(actor.roles) or [ActorRole.PUBLIC]:
        try:
            require_may_create_account(unit, role, NewPerson(kind, unit.id))
        except NotPermittedError as error:
            refusal = error
        else:
            return
    raise refusal or NotPermittedError()


def unit_of_person(person: Person, account: Account | None) -> int | None:
    """The unit a person belongs to; None for who has left the last one."""
    present = present_affiliation(person.id)
    if present is not None:
        return present.unit_id
    return account.unit_id if account is not None else None


def _require_free(person: Person, account: Account | None, unit_id: int) -> None:
    """Refuse a second account: the own unit has one already, or another unit has the person."""
    present = unit_of_person(person, account)
    if account is not None and present == unit_id:
        raise ConflictError(
            N_("%(name)s has an account in your unit already. Give it a new password instead."),
            name=person.name,
        )
    if present not in {None, unit_id}:
        raise TransferNeededError


def _attach(
    person: Person,
    account_id: int,
    unit: UnitRef,
    kind: ApplicantKind,
    *,
    actor: Actor,
    now: datetime,
) -> NewAccount:
    """Take up somebody who has left the last unit: the account and its password stay (E7)."""
    open_affiliation(person, int(unit.id), kind, starts_on=first_free_day(person.id, now=now))
    account = move_account(account_id, int(unit.id))
    record("attach_account", account, actor=actor, now=now, after={"unit_id": int(unit.id)})
    db.session.flush()
    return NewAccount(account, "", _is_late(now))


def move_account(account_id: int, unit_id: int | None) -> Account:
    """Put an account under another unit, or under none; roles of the old unit and all sessions
    end. Raises ConflictError for an administrator's account."""
    account = lock_account(account_id)
    kept = roles_after_leaving(roles_of(account))
    account.unit_id = unit_id
    account.roles = _role_rows(kept)
    end_sessions(account.id)
    return account


def _is_late(now: datetime) -> bool:
    """Whether it is after 30 June of the running plan year: possible, logged as late (E11)."""
    year = db.session.scalar(
        select(EvaluationPlan.year)
        .where(EvaluationPlan.published_at.is_not(None))
        .order_by(EvaluationPlan.year.desc())
        .limit(1)
    )
    return year is not None and is_account_creation_late(now.date(), year)


def appoint_handler(account_id: int, *, actor: Actor, now: datetime) -> Account:
    """Let one of the unit's own people act for it under the own name (单位经办人)."""
    account = lock_account(account_id)
    if account.unit_id != actor.unit_id:
        raise NotPermittedError(N_("A unit appoints its own people as handlers."))
    return change_roles(
        account_id, roles_of(account) | {ActorRole.UNIT_HANDLER}, actor=actor, now=now
    )


def dismiss_handler(account_id: int, *, actor: Actor, now: datetime) -> Account:
    """Take the role of a handler away; the person stays an applicant."""
    account = lock_account(account_id)
    if account.unit_id != actor.unit_id:
        raise NotPermittedError(N_("A unit appoints its own people as handlers."))
    before = roles_of(account)
    kept = before - {ActorRole.UNIT_HANDLER}
    require_may_grant(actor.roles, before, kept)
    return _set_roles(account, kept or frozenset({ActorRole.APPLICANT}), actor=actor, now=now)


def change_roles(
    account_id: int, roles: Iterable[ActorRole], *, actor: Actor, now: datetime
) -> Account:
    """Give an account these roles; nobody grants beyond the own reach, nor to oneself.

    Raises NotPermittedError, RuleViolation.
    """
    account = lock_account(account_id)
    wanted = frozenset(roles)
    if account.id == actor.account_id:
        raise NotPermittedError(
            N_("Nobody changes the own roles. Ask the administrator above you.")
        )
    require_may_grant(actor.roles, roles_of(account), wanted)
    if not wanted:
        raise RuleViolation(N_("Choose at least one role, or lock the account."))
    return _set_roles(account, wanted, actor=actor, now=now)


def _set_roles(
    account: Account, wanted: frozenset[ActorRole], *, actor: Actor, now: datetime
) -> Account:
    if account.unit is not None:
        has_person = account.person_id is not None
        require_roles_fit(wanted, _ref(account.unit), has_person=has_person)
    require_administrators_left(account, roles_of(account) - wanted)
    before = sorted(role.value for role in roles_of(account))
    foreign = [role for role in account.roles if role.name not in ROLE_NAMES]
    account.roles = _role_rows(wanted) + foreign
    end_sessions(account.id)
    record(
        "change_roles",
        account,
        actor=actor,
        now=now,
        before={"roles": before},
        after={"roles": sorted(role.value for role in wanted)},
    )
    db.session.flush()
    return account


def reset_password(
    account_id: int, reason: str, *, phone: str = "", actor: Actor, now: datetime
) -> NewAccount:
    """Give an account a new random code; its password and every session of it end.

    `phone` registers a mobile number, or another one; the former number is told. Rules E9: by the
    unit or a superior. Raises NotPermittedError, RuleViolation.
    """
    account = lock_account(account_id)
    require_may_manage(account, actor)
    if not reason.strip():
        raise RuleViolation(N_("Enter the reason; it is kept in the audit log."))
    _require_phone_stays(account, phone)
    after = _register_phone(account, phone)
    code = make_activation_code()
    give_activation_code(account, code, now=now)
    end_sessions(account.id)
    record("reset_password", account, actor=actor, now=now, after=after, reason=reason.strip())
    db.session.flush()
    return NewAccount(account, code)


def end_account_sessions(account_id: int, reason: str, *, actor: Actor, now: datetime) -> None:
    """End every sign-in of somebody below, who stays free to sign in anew: a lost device, a
    computer left open. Raises NotPermittedError, RuleViolation."""
    account = lock_account(account_id)
    require_may_manage(account, actor)
    if not reason.strip():
        raise RuleViolation(N_("Enter the reason; it is kept in the audit log."))
    end_sessions(account.id)
    record("end_account_sessions", account, actor=actor, now=now, reason=reason.strip())
    db.session.flush()


def _require_phone_stays(account: Account, phone: str) -> None:
    """Refuse another number for an administrator or the provincial department: with the code and
    the telephone in one hand, one administrator would become the other."""
    is_kept = roles_of(account) & (ADMINISTRATORS | {ActorRole.PROVINCE_HRSS})
    known = phone_of(account)
    if is_kept and known is not None and phone.strip() and require_phone(phone) != known:
        raise NotPermittedError(
            N_(
                "The mobile number of an administrator or of the provincial department is changed "
                "by the operator of the machine alone. Create the code without a new number."
            )
        )


def replace_phone(login: str, phone: str, reason: str, *, now: datetime) -> Account:
    """Register another number for an account, as the operator of the machine; the former one is
    told. Raises ConflictError, RuleViolation."""
    account_id = db.session.scalar(select(Account.id).where(Account.username == login))
    if account_id is None:
        raise ConflictError(N_("There is no account with this login. Check how it is written."))
    if not reason.strip():
        raise RuleViolation(N_("Enter the reason; it is kept in the audit log."))
    account = lock_account(account_id)
    after = _register_phone(account, phone)
    end_sessions(account.id)
    record("replace_phone", account, actor=SYSTEM, now=now, after=after, reason=reason.strip())
    db.session.flush()
    return account


def _register_phone(account: Account, typed: str) -> dict[str, str]:
    """Enter the number the codes go to; there must be one, since a code alone opens nothing."""
    known = phone_of(account)
    if not typed.strip():
        if known is None:
            raise RuleViolation(
                N_(
                    "No mobile number is registered for this account, and the code works only "
                    "together with a text to it. Enter the number."
                )
            )
        return {}
    phone = require_phone(typed)
    if phone == known:
        return {}
    if account.person is not None:
        account.person.phone, account.person.phone_mask = phone, mask_phone(phone)
        account.real_name_verified_at = None
    elif account.unit is not None:
        account.unit.contact_phone, account.unit.contact_phone_mask = phone, mask_phone(phone)
    if known is not None:
        send_sms(known, "phone_changed")
    return {"phone": mask_phone(phone)}


def set_active(
    account_id: int, is_active: bool, reason: str, *, actor: Actor, now: datetime
) -> Account:
    """Lock or unlock an account; locking ends its sessions at once."""
    account = lock_account(account_id)
    require_may_manage(account, actor)
    if not reason.strip():
        raise RuleViolation(N_("Enter the reason; it is kept in the audit log."))
    if is_active and account.unit is not None and not account.unit.is_active:
        raise ConflictError(
            N_("%(unit)s is not active. Ask the unit above it to activate it first."),
            unit=account.unit.name,
        )
    if account.active == is_active:
        return account
    if is_active and _is_found_misconduct(account.id):
        raise ConflictError(
            N_(
                "Misconduct has been established about this account. The finding has to be lifted "
                "first, by another person of the HRSS department."
            )
        )
    if not is_active:
        require_administrators_left(account, roles_of(account))
    action = "enable_account" if is_active else "disable_account"
    record(action, account, actor=actor, now=now, reason=reason.strip())
    account.active = is_active
    end_sessions(account.id)
    db.session.flush()
    return account


def _is_found_misconduct(account_id: int) -> bool:
    return bool(
        db.session.scalar(
            select(MisconductFinding.id).where(
                MisconductFinding.account_id == account_id, MisconductFinding.lifted_at.is_(None)
            )
        )
    )


def require_administrators_left(account: Account, lost: Iterable[ActorRole]) -> None:
    """Refuse to let the last active administrator of a kind go.

    One at a time: two that lock each other at the same moment would both be gone. Raises
    ConflictError.
    """
    for role in sorted(frozenset(lost) & ADMINISTRATORS):
        db.session.execute(select(func.pg_advisory_xact_lock(ADMINISTRATORS_LOCK)))
        others = db.session.scalar(
            select(func.count(Account.id)).where(
                Account.id != account.id,
                Account.active.is_(True),
                Account.suspended_at.is_(None),
                Account.roles.any(Role.name == role.value),
            )
        )
        require_not_last(role, others=others or 0)


def require_may_manage(account: Account, actor: Actor) -> None:
    """Refuse to touch an account above, beside or equal to one's own, and one's own."""
    if not is_managed_by(account, actor):
        raise NotPermittedError(
            N_(
                "Accounts are looked after by their own unit or one above it, and administrators "
                "by the security administrator. This one is outside your reach."
            )
        )


def is_managed_by(account: Account, actor: Actor) -> bool:
    """Whether `actor` may lock, unlock and reset `account`."""
    if account.id == actor.account_id:
        return False
    if any(role.name not in ROLE_NAMES for role in account.roles):
        return False
    path = account.unit.path if account.unit else ""
    return may_manage(actor.roles, actor.unit_path, roles_of(account), path)


def lock_account(account_id: int) -> Account:
    """The account, locked until the transaction ends, read afresh.

    The weaker lock lets entries that refer to the account be written meanwhile: two administrators
    who act on each other at once wait, and do not block each other for good.
    """
    return db.session.get_one(
        Account,
        account_id,
        with_for_update={"of": Account, "key_share": True},
        populate_existing=True,
    )


def _role_rows(roles: Iterable[ActorRole]) -> list[Role]:
    names = [role.value for role in roles]
    return list(db.session.scalars(select(Role).where(Role.name.in_(names)).order_by(Role.name)))


def _ref(unit: Unit) -> UnitRef:
    return UnitRef(
        id=unit.id, kind=unit.kind, level=unit.level, parent_id=unit.parent_id, name=unit.name
    )


def _facts(account: Account, *, is_late: bool) -> dict[str, Any]:
    return {
        "kind": account.kind.value,
        "unit_id": account.unit_id,
        "person_id": account.person_id,
        "roles": sorted(role.name for role in account.roles),
        "is_late": is_late,
    }
