"""弄虚作假: an account was created for somebody of another unit (Annex 3, E8, row 38)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from app.domain.calendar import ONE_DAY, beijing_date
from app.domain.errors import ConflictError, NotPermittedError
from app.domain.four_eyes import Signer, require_second_person, require_signer
from app.domain.messages import N_
from app.domain.terms import SampleState
from app.domain.transfers import NOT_BLOCKING
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import (
    Account,
    AccountSampleItem,
    Application,
    MisconductFinding,
    Unit,
)
from app.services import accounts, certificates
from app.services.actors import Actor, signer_of
from app.services.affiliations import lock_person
from app.services.audit import record
from app.services.facts import merge, require_text
from app.services.notifications import notify
from app.services.sessions import end_sessions
from app.services.transitions import account_of_person, accounts_of_unit


def find_misconduct(
    account_id: int, finding: str, *, is_person_at_fault: bool, actor: Actor, now: datetime
) -> MisconductFinding:
    """Establish that an account was created for an outsider; everything follows at once.

    The account is locked, the applications of the person from that unit are disqualified (row 38),
    a credit record bars the person where it took part, the finding is entered against the unit, all
    are told. Raises NotPermittedError, RuleViolation, ConflictError.
    """
    account = accounts.lock_account(account_id)
    if account.unit is None or account.person_id is None:
        raise ConflictError(N_("This account belongs to no unit or no person."))
    _require_department(account.unit, actor)
    require_signer(signer_of(actor))
    text = require_text(
        finding, N_("Write the finding: what was found, and how it was established.")
    )
    lock_person(account.person_id)
    if in_force(account.id) is not None:
        raise ConflictError(N_("A finding about this account is in force already."))
    accounts.require_administrators_left(account, accounts.roles_of(account))
    was_active, account.active = account.active, False
    end_sessions(account.id)
    row = MisconductFinding(
        account_id=account.id,
        person_id=account.person_id,
        unit_id=account.unit.id,
        finding=text,
        was_active=was_active,
        is_person_at_fault=is_person_at_fault,
        found_by_id=actor.account_id,
        found_at=now,
    )
    db.session.add(row)
    db.session.flush()
    row.disqualified = _disqualify(row, text, actor, now)
    if is_person_at_fault:
        row.credit_record = certificates.enter_credit_record(account.person_id, None, text, now)
    _close_samples(row, now)
    record(
        "find_misconduct",
        row,
        actor=actor,
        now=now,
        after={
            "account_id": account.id,
            "unit_id": row.unit_id,
            "disqualified": row.disqualified,
            "is_person_at_fault": is_person_at_fault,
        },
        reason=text,
    )
    _tell(row, "misconduct_found", now)
    db.session.flush()
    return row


def _require_department(unit: Unit, actor: Actor) -> None:
    is_above = bool(actor.unit_path) and unit.path.startswith(actor.unit_path)
    is_other = unit.id != actor.unit_id
    if actor.has_role(ActorRole.PROVINCE_HRSS) or (
        actor.has_role(ActorRole.HRSS) and is_above and is_other
    ):
        return
    raise NotPermittedError(N_("Misconduct is established by an HRSS department above the unit."))


def _disqualify(row: MisconductFinding, text: str, actor: Actor, now: datetime) -> list[int]:
    """Disqualify what the person has handed in through that unit and is not at its end."""
    ids = db.session.scalars(
        select(Application.id)
        .where(
            Application.person_id == row.person_id,
            Application.employer_id == row.unit_id,
            Application.submitted_at.is_not(None),
            Application.state.not_in(NOT_BLOCKING),
        )
        .order_by(Application.id)
    ).all()
    for application_id in ids:
        certificates.disqualify_application(
            application_id, text, actor=actor, now=now, enters_credit_record=False
        )
    return list(ids)


def _close_samples(row: MisconductFinding, now: datetime) -> None:
    items = db.session.scalars(
        select(AccountSampleItem).where(AccountSampleItem.account_id == row.account_id)
    )
    for item in items:
        item.state, item.note = SampleState.FINDING, row.finding
        item.decided_at, item.decided_by_id = now, row.found_by_id
        item.version += 1


def in_force(account_id: int) -> MisconductFinding | None:
    """The finding that keeps an account locked."""
    return db.session.scalar(
        select(MisconductFinding).where(
            MisconductFinding.account_id == account_id, MisconductFinding.lifted_at.is_(None)
        )
    )


def lift_misconduct(
    finding_id: int, reason: str, *, actor: Actor, now: datetime
) -> MisconductFinding:
    """Lift a finding by a second decision, of another person, with its reason.

    The account is what it was before, the credit record ends; disqualified applications stay so:
    an end of the process has no way back, the person applies anew.
    """
    row = db.session.get_one(
        MisconductFinding,
        finding_id,
        with_for_update={"of": MisconductFinding},
        populate_existing=True,
    )
    _require_department(row.unit, actor)
    if row.lifted_at is not None:
        raise ConflictError(N_("This finding has been lifted already."))
    finder = db.session.get_one(Account, row.found_by_id)
    require_second_person(Signer(finder.id, finder.person_id), signer_of(actor))
    row.lift_reason = require_text(reason, N_("Say why the finding does not hold."))
    row.lifted_at, row.lifted_by_id = now, actor.account_id
    account = accounts.lock_account(row.account_id)
    account.active = row.was_active
    if row.credit_record is not None:
        row.credit_record.until_on = beijing_date(now) - ONE_DAY
    record("lift_misconduct", row, actor=actor, now=now, reason=row.lift_reason)
    _tell(row, "misconduct_lifted", now)
    db.session.flush()
    return row


def _tell(row: MisconductFinding, kind: str, now: datetime) -> None:
    told: Sequence[int] = merge(
        [row.account_id],
        account_of_person(row.person_id),
        accounts_of_unit(row.unit_id),
        accounts_of_unit(row.unit.parent_id),
    )
    for account_id in told:
        notify(
            account_id,
            kind,
            key=f"{kind}:{row.id}",
            params={"name": row.account.first_name, "unit": row.unit.name},
            at=now,
        )
