"""转入申请: a person who has an account already comes to another unit (rules E7, B7).

The new unit asks; the present one releases or objects within five working days; without an answer,
or on an objection of the unit or of the person, the HRSS department above both decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.domain.calendar import beijing_date
from app.domain.codes import normalise_code
from app.domain.errors import ConflictError, NotPermittedError, RuleViolation, StaleVersionError
from app.domain.messages import N_
from app.domain.routing import UnitRef
from app.domain.terms import ApplicantKind, TransferState
from app.domain.transfers import (
    OPEN_STATES,
    compute_transfer_due_at,
    find_deciding_department,
    require_start,
    state_at,
)
from app.domain.workflow import ActorRole
from app.extensions import db, trusted_writes
from app.models import Account, Person, PersonTransfer, Unit
from app.services import accounts
from app.services.actors import SYSTEM, Actor
from app.services.affiliations import (
    find_blocking_application,
    lock_person,
    open_affiliation,
    present_affiliation,
    require_no_application_under_way,
)
from app.services.audit import record
from app.services.facts import require_text
from app.services.materials import Proof
from app.services.notifications import notify
from app.services.people import PersonDraft, find_person
from app.services.settings import load_calendar, parameter
from app.services.transitions import account_of_person, accounts_of_unit
from app.services.units import unit_ref

BATCH = 200
UNIT_ROLES = (ActorRole.UNIT_ADMIN, ActorRole.UNIT_HANDLER)
S = TransferState

STATE_LABELS = {
    S.PROPOSED: N_("Waits for the new unit"),
    S.ASKED: N_("Waits for the present unit"),
    S.ESCALATED: N_("Waits for the HRSS department"),
    S.RELEASED: N_("Released, transferred"),
    S.GRANTED: N_("Transferred by decision"),
    S.REFUSED: N_("Transfer refused"),
    S.WITHDRAWN: N_("Request withdrawn"),
    S.EXPIRED: N_("Request expired"),
}


# --------------------------------------------------------------------------- asking


def ask_transfer(
    draft: PersonDraft,
    *,
    unit: UnitRef,
    reason: str,
    declared: bool,
    proof: Proof | None = None,
    actor: Actor,
    now: datetime,
) -> PersonTransfer:
    """Ask for somebody whose account another unit has; the present unit is told and has five
    working days. The name must be that of the number; nothing else of the person is given away.

    Raises NotPermittedError, RuleViolation, ConflictError while another request is open.
    """
    accounts.require_creator(draft.applicant_kind, unit, actor)
    accounts.require_declared(declared=declared)
    text = require_text(reason, N_("Say why the person comes to your unit."))
    found = find_person(accounts.identity_hash(draft.identity_number))
    if found is None:
        raise RuleViolation(N_("Nobody has this document number yet. Create the account instead."))
    accounts.require_same_name(found, draft.name)
    row = _begin(
        found,
        int(unit.id),
        draft.applicant_kind,
        state=S.ASKED,
        reason=text,
        proof=proof,
        actor=actor,
        now=now,
    )
    _tell(row, "transfer_asked", now, unit_ids=[row.from_unit_id], person=True)
    return row


def propose_transfer(
    to_code: str,
    kind: ApplicantKind,
    reason: str,
    *,
    actor: Actor,
    now: datetime,
) -> PersonTransfer:
    """Ask for the own transfer: the unit with this code has to take it up within the same five
    working days, then the present unit answers."""
    if actor.person_id is None:
        raise NotPermittedError
    text = require_text(reason, N_("Say why you change units."))
    unit = db.session.scalar(select(Unit).where(Unit.code == normalise_code(to_code)))
    if unit is None or not unit.is_active:
        raise RuleViolation(N_("No active unit has this code. Ask the new unit for its code."))
    person = db.session.get_one(Person, actor.person_id)
    row = _begin(
        person, unit.id, kind, state=S.PROPOSED, reason=text, proof=None, actor=actor, now=now
    )
    _tell(row, "transfer_proposed", now, unit_ids=[row.to_unit_id])
    return row


def _begin(
    found: Person,
    to_unit_id: int,
    kind: ApplicantKind,
    *,
    state: TransferState,
    reason: str,
    proof: Proof | None,
    actor: Actor,
    now: datetime,
) -> PersonTransfer:
    person = lock_person(found.id)
    account = db.session.scalar(select(Account).where(Account.person_id == person.id))
    from_unit_id = accounts.unit_of_person(person, account)
    if from_unit_id is None:
        raise RuleViolation(
            N_("This person belongs to no unit at present. The new unit takes them up directly.")
        )
    if from_unit_id == to_unit_id:
        raise ConflictError(N_("This person belongs to the unit already."))
    settle_open(person.id, now=now)
    row = PersonTransfer(
        person_id=person.id,
        from_unit_id=from_unit_id,
        to_unit_id=to_unit_id,
        decider_unit_id=deciding_department(from_unit_id, to_unit_id).id,
        applicant_kind=kind,
        state=state,
        reason=reason,
        proof_sha256=proof.file.sha256 if proof else None,
        proof_name=proof.name if proof else "",
        is_own_wish=state is S.PROPOSED,
        asked_by_id=actor.account_id,
        asked_at=now,
        due_at=_due_at(now),
    )
    try:
        with db.session.begin_nested():
            db.session.add(row)
            db.session.flush()
    except IntegrityError as error:
        raise ConflictError(
            N_(
                "A transfer of this person has been asked for already and is not decided yet. "
                "Wait for its end."
            )
        ) from error
    record(
        "ask_transfer",
        row,
        actor=actor,
        now=now,
        after={
            "person_id": person.id,
            "from_unit_id": from_unit_id,
            "to_unit_id": to_unit_id,
            "proof": row.proof_sha256,
        },
        reason=reason,
    )
    return row


def deciding_department(from_unit_id: int, to_unit_id: int) -> Unit:
    """The HRSS department that decides between two units: the lowest above both, else the
    province."""
    chains = [_chain(from_unit_id), _chain(to_unit_id)]
    found = find_deciding_department(*[[unit_ref(unit) for unit in chain] for chain in chains])
    return db.session.get_one(Unit, int(found.id))


def _chain(unit_id: int) -> list[Unit]:
    """The units from the root down to this one."""
    unit = db.session.get_one(Unit, unit_id)
    ids = [int(part) for part in unit.path.strip("/").split("/")]
    rows = {row.id: row for row in db.session.scalars(select(Unit).where(Unit.id.in_(ids)))}
    return [rows[each] for each in ids]


def _due_at(now: datetime) -> datetime:
    return compute_transfer_due_at(
        now, load_calendar(), working_days=int(parameter("transfer_working_days"))
    )


# --------------------------------------------------------------------------- the new unit


def take_up_transfer(
    transfer_id: int, *, declared: bool, expected_version: int, actor: Actor, now: datetime
) -> PersonTransfer:
    """Let the new unit take up a person's own wish; from now the present unit has its time."""
    row = _lock(transfer_id, expected_version, now)
    _require_unit(row.to_unit_id, row, actor)
    _require_state(row, S.PROPOSED)
    accounts.require_creator(row.applicant_kind, unit_ref(row.to_unit), actor)
    accounts.require_declared(declared=declared)
    row.state, row.taken_up_at, row.due_at = S.ASKED, now, _due_at(now)
    _saved(row, "take_up_transfer", actor, now)
    _tell(row, "transfer_asked", now, unit_ids=[row.from_unit_id], person=True)
    return row


def turn_down_transfer(
    transfer_id: int, reason: str, *, expected_version: int, actor: Actor, now: datetime
) -> PersonTransfer:
    """Let the new unit turn down a person's own wish."""
    row = _lock(transfer_id, expected_version, now)
    _require_unit(row.to_unit_id, row, actor)
    _require_state(row, S.PROPOSED)
    text = require_text(reason, N_("Say why the transfer is refused."))
    _end(row, S.REFUSED, text, actor, now)
    _saved(row, "turn_down_transfer", actor, now, text)
    _tell(row, "transfer_refused", now, person=True)
    return row


def withdraw_transfer(
    transfer_id: int, reason: str, *, expected_version: int, actor: Actor, now: datetime
) -> PersonTransfer:
    """Take a request back, by the unit or the person that asked."""
    row = _lock(transfer_id, expected_version, now)
    if row.is_own_wish:
        if actor.person_id != row.person_id:
            raise NotPermittedError(N_("Only who asked for the transfer takes it back."))
    else:
        _require_unit(row.to_unit_id, row, actor)
    _require_state(row, S.PROPOSED, S.ASKED, S.ESCALATED)
    text = require_text(reason, N_("Say why the request is taken back."))
    _end(row, S.WITHDRAWN, text, actor, now)
    _saved(row, "withdraw_transfer", actor, now, text)
    _tell(row, "transfer_withdrawn", now, unit_ids=[row.from_unit_id, row.to_unit_id], person=True)
    return row


# --------------------------------------------------------------------------- the present unit


def release_transfer(
    transfer_id: int,
    starts_on: date,
    note: str = "",
    *,
    expected_version: int,
    actor: Actor,
    now: datetime,
) -> PersonTransfer:
    """Let the person go: from `starts_on` it belongs to the new unit. Also after the five working
    days, until the HRSS department has decided; not against the person's own objection."""
    row = _lock(transfer_id, expected_version, now)
    _require_unit(row.from_unit_id, row, actor)
    _require_state(row, S.ASKED, S.ESCALATED)
    if row.person_objected_at is not None:
        raise ConflictError(
            N_("The person has objected to the transfer, so the HRSS department decides.")
        )
    _move(row, S.RELEASED, starts_on, note.strip(), actor, now)
    _saved(row, "release_transfer", actor, now, note.strip())
    _tell(row, "transfer_done", now, unit_ids=[row.to_unit_id], person=True)
    return row


def object_transfer(
    transfer_id: int, reason: str, *, expected_version: int, actor: Actor, now: datetime
) -> PersonTransfer:
    """Refuse to let the person go, with a reason: the HRSS department decides."""
    row = _lock(transfer_id, expected_version, now)
    _require_unit(row.from_unit_id, row, actor)
    _require_state(row, S.ASKED)
    row.objection = require_text(reason, N_("Say why the person is not released."))
    row.objected_at = now
    _escalate(row, now)
    _saved(row, "object_transfer", actor, now, row.objection)
    return row


# --------------------------------------------------------------------------- the person


def object_as_person(
    transfer_id: int, reason: str, *, expected_version: int, actor: Actor, now: datetime
) -> PersonTransfer:
    """Object to being transferred: the present unit can no longer release, the HRSS department
    decides."""
    row = _lock(transfer_id, expected_version, now)
    if actor.person_id != row.person_id:
        raise NotPermittedError(N_("Only the person itself objects here."))
    _require_state(row, S.ASKED, S.ESCALATED)
    if row.is_own_wish:
        raise ConflictError(N_("You have asked for this transfer yourself. Take the request back."))
    if row.person_objected_at is not None:
        raise ConflictError(N_("Your objection is on file already."))
    row.person_objection = require_text(reason, N_("Say why you object."))
    row.person_objected_at = now
    if row.state is S.ASKED:
        _escalate(row, now)
    _saved(row, "object_transfer", actor, now, row.person_objection)
    return row


# --------------------------------------------------------------------------- the HRSS department


def decide_transfer(
    transfer_id: int,
    *,
    grant: bool,
    starts_on: date | None,
    reason: str,
    expected_version: int,
    actor: Actor,
    now: datetime,
) -> PersonTransfer:
    """Decide between both units, with the reason told to all: the department above them, or the
    province. Raises ConflictError before the present unit's time is over, or while an application
    is under way."""
    row = _lock(transfer_id, expected_version, now)
    if not decides(row, actor):
        raise NotPermittedError(
            N_("%(unit)s decides about this transfer."), unit=row.decider_unit.name
        )
    _require_state(row, S.ESCALATED)
    text = require_text(reason, N_("Enter the reason of the decision; both units read it."))
    if grant:
        if starts_on is None:
            raise RuleViolation(N_("Enter the first day in the new unit."))
        _move(row, S.GRANTED, starts_on, text, actor, now)
    else:
        _end(row, S.REFUSED, text, actor, now)
    _saved(row, "decide_transfer", actor, now, text)
    _tell(
        row,
        "transfer_done" if grant else "transfer_refused",
        now,
        unit_ids=[row.from_unit_id, row.to_unit_id],
        person=True,
    )
    return row


def decides(row: PersonTransfer, actor: Actor) -> bool:
    """Whether the actor's department decides about this request; never about itself."""
    if actor.person_id is not None and actor.person_id == row.person_id:
        return False
    if actor.has_role(ActorRole.PROVINCE_HRSS):
        return True
    return actor.has_role(ActorRole.HRSS) and actor.unit_id == row.decider_unit_id


# --------------------------------------------------------------------------- what all share


def _lock(transfer_id: int, expected_version: int, now: datetime) -> PersonTransfer:
    """The request, locked after its person, as the clock left it."""
    found = db.session.get_one(PersonTransfer, transfer_id)
    lock_person(found.person_id)
    row = db.session.get_one(
        PersonTransfer,
        transfer_id,
        with_for_update={"of": PersonTransfer},
        populate_existing=True,
    )
    if row.version != expected_version:
        raise StaleVersionError(current_state=STATE_LABELS[row.state], current_version=row.version)
    settle(row, now=now)
    return row


def _require_unit(unit_id: int, row: PersonTransfer, actor: Actor) -> None:
    if actor.unit_id != unit_id or not actor.has_role(*UNIT_ROLES):
        raise NotPermittedError(N_("This is for the handlers of the unit concerned."))
    if actor.person_id is not None and actor.person_id == row.person_id:
        raise NotPermittedError(
            N_("Nobody decides about the own transfer. Let a colleague of the unit do it.")
        )


def _require_state(row: PersonTransfer, *states: TransferState) -> None:
    if row.state not in states:
        raise ConflictError(
            N_("This request is now: %(state)s. Reload the page."), state=STATE_LABELS[row.state]
        )


def _move(
    row: PersonTransfer,
    state: TransferState,
    starts_on: date,
    note: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Close the old affiliation, open the new one the day after, take the account along."""
    require_no_application_under_way(row.person_id)
    present = present_affiliation(row.person_id)
    since = present.starts_on if present is not None else None
    asked_on = beijing_date(row.asked_at or row.created_at)
    last_on = require_start(starts_on, since=since, asked_on=asked_on, today=beijing_date(now))
    _end(row, state, note, actor, now, starts_on=starts_on)
    if present is not None:
        present.ends_on = last_on
        db.session.flush()
    open_affiliation(row.person, row.to_unit_id, row.applicant_kind, starts_on=starts_on)
    for account_id in _account_ids(row.person_id):
        account = accounts.move_account(account_id, row.to_unit_id)
        record(
            "move_account",
            account,
            actor=actor,
            now=now,
            before={"unit_id": row.from_unit_id},
            after={"unit_id": row.to_unit_id, "roles": sorted(r.name for r in account.roles)},
        )


def _account_ids(person_id: int) -> Sequence[int]:
    return db.session.scalars(select(Account.id).where(Account.person_id == person_id)).all()


def _end(
    row: PersonTransfer,
    state: TransferState,
    note: str,
    actor: Actor,
    at: datetime,
    *,
    starts_on: date | None = None,
) -> None:
    row.state, row.decided_at, row.decided_by_id = state, at, actor.account_id
    row.decision_note, row.starts_on = note, starts_on
    db.session.flush()


def _escalate(row: PersonTransfer, at: datetime) -> None:
    row.state, row.escalated_at = S.ESCALATED, at
    db.session.flush()
    _tell(row, "transfer_escalated", at, unit_ids=[row.decider_unit_id, row.to_unit_id])


def _saved(row: PersonTransfer, action: str, actor: Actor, now: datetime, reason: str = "") -> None:
    row.version += 1
    after = {"state": row.state.value}
    if row.starts_on is not None:
        after["starts_on"] = row.starts_on.isoformat()
    record(action, row, actor=actor, now=now, after=after, reason=reason)
    db.session.flush()


def _tell(
    row: PersonTransfer,
    kind: str,
    at: datetime,
    *,
    unit_ids: Sequence[int] = (),
    person: bool = False,
) -> None:
    own = account_of_person(row.person_id) if person else []
    told = [*own, *(each for unit_id in unit_ids for each in accounts_of_unit(unit_id))]
    for account_id in dict.fromkeys(told):
        notify(
            account_id,
            kind,
            key=f"transfer:{row.id}:{kind}:{row.version}",
            params={
                "name": row.person.name,
                "unit": row.to_unit.name,
                "transfer": row.id,
                "is_own": account_id in own,
            },
            at=at,
        )


# --------------------------------------------------------------------------- the clock


def state_of(row: PersonTransfer, *, now: datetime) -> TransferState:
    """The state a reader sees, also before the sweep has run."""
    return state_at(row.state, row.due_at, now=now)


def settle(row: PersonTransfer, *, now: datetime) -> bool:
    """Do what has fallen due for one locked request, as of its due instant; whether anything."""
    if state_of(row, now=now) is row.state:
        return False
    with trusted_writes():  # whoever comes first finds what has fallen due, also of other units
        if row.state is S.PROPOSED:
            _end(row, S.EXPIRED, "", SYSTEM, row.due_at)
            _tell(row, "transfer_expired", row.due_at, person=True)
        else:
            _escalate(row, row.due_at)
        _saved(row, "settle_transfer", SYSTEM, row.due_at)
    return True


def settle_open(person_id: int, *, now: datetime) -> bool:
    """Settle the open request of a locked person, so that one that has expired blocks no other;
    whether one is still open."""
    row = db.session.scalar(
        select(PersonTransfer)
        .where(PersonTransfer.person_id == person_id, PersonTransfer.state.in_(OPEN_STATES))
        .with_for_update(of=PersonTransfer)
    )
    if row is not None:
        settle(row, now=now)
    return row is not None and row.state in OPEN_STATES


def settle_due(*, now: datetime) -> int:
    """Settle up to BATCH requests whose time is over and return how many; safe to run twice at
    once."""
    rows = db.session.scalars(
        select(PersonTransfer)
        .where(
            PersonTransfer.state.in_((S.PROPOSED, S.ASKED)),
            PersonTransfer.due_at <= now,
        )
        .order_by(PersonTransfer.due_at, PersonTransfer.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True, of=PersonTransfer)
    ).all()
    return sum(settle(row, now=now) for row in rows)


def is_blocked(row: PersonTransfer) -> str:
    """The number of the application that blocks this transfer at present; empty without one."""
    found = find_blocking_application(row.person_id)
    return found.number if found is not None else ""
