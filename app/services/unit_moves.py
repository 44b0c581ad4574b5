"""划转: asking for a unit's move to another superior, answering, and carrying it out as one change.

What moves: the unit with all below it, its level and registrar. What stays: ids, accounts, codes,
the frozen routes of live applications (C1). The scope of the accounts changes at once, because it
is read from the path with each request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from app.domain.codes import normalise_code
from app.domain.errors import (
    ConflictError,
    DomainError,
    NotPermittedError,
    RuleViolation,
    StaleVersionError,
)
from app.domain.messages import N_
from app.domain.moves import (
    CONSENTING,
    Place,
    compute_move_due_at,
    move_state_at,
    place_below,
    require_no_cycle,
)
from app.domain.terms import MoveSide, MoveState, UnitKind
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Unit, UnitMove
from app.services import transfers
from app.services.actors import SYSTEM, Actor
from app.services.audit import record
from app.services.facts import require_text
from app.services.materials import Proof
from app.services.notifications import notify
from app.services.settings import load_calendar, parameter
from app.services.transitions import accounts_of_unit
from app.services.units import lies_within, lock_unit, require_division, unit_ref

BATCH = 200
MOVING = 0x756E6974
"""Key of the advisory lock that lets one move change the tree at a time."""

ACTING_ROLES = (
    ActorRole.UNIT_ADMIN,
    ActorRole.UNIT_HANDLER,
    ActorRole.COMPETENT_DEPARTMENT,
    ActorRole.HRSS,
    ActorRole.PROVINCE_HRSS,
)
STATE_LABELS = {
    MoveState.ASKED: N_("Waits for consent"),
    MoveState.DONE: N_("Moved"),
    MoveState.REFUSED: N_("Move refused"),
    MoveState.WITHDRAWN: N_("Request withdrawn"),
    MoveState.EXPIRED: N_("Request expired"),
}


@dataclass(frozen=True)
class MoveDraft:
    """What somebody enters to move a unit; registrar and division empty mean unchanged."""

    unit_id: int
    to_unit_id: int
    reason: str
    proof: Proof | None
    registrar: str = ""
    division_code: str = ""


# --------------------------------------------------------------------------- asking


def find_superior(code: str) -> Unit:
    """Return the active unit with this code, to be named as the new superior by its number.

    A code finds a unit outside the own scope too; nothing else of it is given away.
    """
    unit: Unit | None = db.session.scalar(select(Unit).where(Unit.code == normalise_code(code)))
    if unit is None or not unit.is_active:
        raise RuleViolation(N_("No active unit has this code. Ask the unit for its code."))
    return unit


def ask_move(draft: MoveDraft, *, actor: Actor, now: datetime) -> UnitMove:
    """Ask for a move; a superior that asks has consented, the others are told and asked.

    Raises NotPermittedError for anybody but the unit and both superiors, RuleViolation for a place
    Annex 3 does not know, ConflictError while another move of the unit is open.
    """
    reason = require_text(draft.reason, N_("Say why the unit comes under another superior."))
    if draft.proof is None:
        raise RuleViolation(
            N_("Upload the proof: the decision on the transfer, or the changed registration.")
        )
    unit = lock_unit(draft.unit_id)
    superior = db.session.get_one(Unit, draft.to_unit_id)
    side = _side_of_asker(unit, superior, actor)
    place = _place(unit, superior, draft.division_code or unit.division_code)
    _expire_open(unit.id, now=now)
    row = UnitMove(
        unit_id=unit.id,
        from_unit_id=unit.parent_id,
        to_unit_id=superior.id,
        told_unit_id=transfers.deciding_department(unit.id, superior.id).id,
        asked_by_side=side,
        state=MoveState.ASKED,
        reason=reason,
        proof_sha256=draft.proof.file.sha256,
        proof_name=draft.proof.name,
        registrar=draft.registrar.strip() or None,
        division_code=draft.division_code or None,
        asked_by_id=actor.account_id,
        asked_at=now,
        due_at=_due_at(now),
    )
    _consent(row, side, actor, now)
    try:
        with db.session.begin_nested():
            db.session.add(row)
            db.session.flush()
    except IntegrityError as error:
        raise ConflictError(
            N_("A move of this unit has been asked for already and is not decided yet.")
        ) from error
    after = {"unit_id": unit.id, "to_unit_id": superior.id, "level": place.level.value}
    record("ask_unit_move", row, actor=actor, now=now, after=after, reason=reason)
    _tell(row, "unit_move_asked", now, _everybody(row))
    return row


def _side_of_asker(unit: Unit, superior: Unit, actor: Actor) -> MoveSide:
    sides = {unit.parent_id: MoveSide.FROM, superior.id: MoveSide.TO, unit.id: MoveSide.UNIT}
    side = sides.get(actor.unit_id) if actor.has_role(*ACTING_ROLES) else None
    if side is None:
        raise NotPermittedError(
            N_("A move is asked for by the unit, its present superior or the new one.")
        )
    return side


def may_ask_move(unit: Unit, actor: Actor) -> bool:
    """Whether the actor belongs to the unit or its superior, which ask for its move."""
    return actor.unit_id in {unit.id, unit.parent_id} and actor.has_role(*ACTING_ROLES)


def _place(unit: Unit, superior: Unit, division_code: str) -> Place:
    if superior.id == unit.parent_id:
        raise ConflictError(N_("The unit stands below %(unit)s already."), unit=superior.name)
    if not unit.is_active:
        raise ConflictError(N_("The unit is not active. Activate it before it is moved."))
    require_no_cycle(unit.path, superior.path)
    place = place_below(unit_ref(unit), unit.code, unit_ref(superior))
    require_division(division_code, superior)
    return place


def _due_at(now: datetime) -> datetime:
    return compute_move_due_at(
        now, load_calendar(), working_days=int(parameter("unit_move_working_days"))
    )


# --------------------------------------------------------------------------- answering


def consent_to_move(
    move_id: int, *, expected_version: int, actor: Actor, now: datetime
) -> UnitMove:
    """Consent as one side; with the last consent the move is carried out at once.

    One consent at a time is worked on in the province, so that two moves never make a circle.
    Raises NotPermittedError for who decides nothing here, ConflictError when it is over, and the
    refusals of `ask_move` when something has changed since.
    """
    one_at_a_time()
    row = _lock(move_id, expected_version, now)
    side = side_to_decide(row, actor)
    if side is None:
        raise NotPermittedError(N_("The consent of your unit is not asked for here."))
    _consent(row, side, actor, now)
    if all(consented_at(row, each) for each in CONSENTING):
        _carry_out(row, actor, now)
    _saved(row, "consent_unit_move", actor, now)
    if row.state is MoveState.DONE:
        _tell(row, "unit_move_done", now, _everybody(row))
    return row


def one_at_a_time() -> None:
    """Wait until no other consent is being worked on; ends with the transaction."""
    db.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MOVING})


def refuse_move(
    move_id: int, reason: str, *, expected_version: int, actor: Actor, now: datetime
) -> UnitMove:
    """Refuse as one side, with the reason told to all; the unit stays where it is."""
    row = _lock(move_id, expected_version, now)
    if side_to_decide(row, actor) is None:
        raise NotPermittedError(N_("The consent of your unit is not asked for here."))
    text_ = require_text(reason, N_("Say why the move is refused."))
    _end(row, MoveState.REFUSED, text_, actor, now)
    _saved(row, "refuse_unit_move", actor, now, text_)
    _tell(row, "unit_move_refused", now, _everybody(row))
    return row


def withdraw_move(
    move_id: int, reason: str, *, expected_version: int, actor: Actor, now: datetime
) -> UnitMove:
    """Take a request back, by the side that asked."""
    row = _lock(move_id, expected_version, now)
    if not may_withdraw(row, actor):
        raise NotPermittedError(N_("Only the unit that asked for the move takes it back."))
    text_ = require_text(reason, N_("Say why the request is taken back."))
    _end(row, MoveState.WITHDRAWN, text_, actor, now)
    _saved(row, "withdraw_unit_move", actor, now, text_)
    _tell(row, "unit_move_withdrawn", now, _everybody(row))
    return row


def unit_of_side(row: UnitMove, side: MoveSide) -> Unit:
    """The unit that is one side of a move."""
    return {MoveSide.FROM: row.from_unit, MoveSide.TO: row.to_unit, MoveSide.UNIT: row.unit}[side]


def consented_at(row: UnitMove, side: MoveSide) -> datetime | None:
    """When a side consented; None while it has not."""
    return row.from_consented_at if side is MoveSide.FROM else row.to_consented_at


def side_to_decide(row: UnitMove, actor: Actor) -> MoveSide | None:
    """Which side's consent waits for this actor; the province stands in for a closed superior."""
    if row.state is not MoveState.ASKED or not actor.has_role(*ACTING_ROLES):
        return None
    for side in CONSENTING:
        unit = unit_of_side(row, side)
        stands_in = not unit.is_active and actor.has_role(ActorRole.PROVINCE_HRSS)
        if consented_at(row, side) is None and (actor.unit_id == unit.id or stands_in):
            return side
    return None


def may_withdraw(row: UnitMove, actor: Actor) -> bool:
    """Whether the actor belongs to the side that asked."""
    is_asker = actor.unit_id == unit_of_side(row, row.asked_by_side).id
    return row.state is MoveState.ASKED and is_asker and actor.has_role(*ACTING_ROLES)


def _consent(row: UnitMove, side: MoveSide, actor: Actor, now: datetime) -> None:
    if side is MoveSide.FROM:
        row.from_consented_at, row.from_consented_by_id = now, actor.account_id
    elif side is MoveSide.TO:
        row.to_consented_at, row.to_consented_by_id = now, actor.account_id


def _lock(move_id: int, expected_version: int, now: datetime) -> UnitMove:
    """The request, locked after its unit as `ask_move` does, and still waiting."""
    lock_unit(db.session.get_one(UnitMove, move_id).unit_id)
    row = db.session.get_one(
        UnitMove, move_id, with_for_update={"of": UnitMove}, populate_existing=True
    )
    if row.version != expected_version:
        raise StaleVersionError(current_state=STATE_LABELS[row.state], current_version=row.version)
    state = state_of_move(row, now=now)
    if state is not MoveState.ASKED:
        raise ConflictError(N_("This request is now: %(state)s."), state=STATE_LABELS[state])
    return row


# --------------------------------------------------------------------------- carrying out


def _carry_out(row: UnitMove, actor: Actor, now: datetime) -> None:
    """Hang the unit with all below it under the new superior; everything is looked at afresh.

    The rows of the subtree are locked, so that whoever creates a unit in it waits and reads the new
    path.
    """
    unit = lock_unit(row.unit_id)
    superior = lock_unit(row.to_unit_id)
    if unit.parent_id != row.from_unit_id:
        raise ConflictError(N_("The unit has another superior by now. Ask for the move again."))
    place = _place(unit, superior, row.division_code or unit.division_code)
    before = _facts(unit)
    within = lies_within(unit.path)
    db.session.execute(select(Unit.id).where(within).order_by(Unit.id).with_for_update())
    new_path = f"{superior.path}{unit.id}/"
    _set_parts(unit, place)
    db.session.execute(
        update(Unit)
        .where(within)
        .values(path=func.concat(new_path, func.substr(Unit.path, len(unit.path) + 1)))
        .execution_options(synchronize_session=False)
    )
    db.session.execute(
        update(Unit)
        .where(Unit.id == unit.id)
        .values(parent_id=superior.id, version=Unit.version + 1, **_changed(row, place))
        .execution_options(synchronize_session=False)
    )
    db.session.flush()
    for known in list(db.session.identity_map.values()):
        if isinstance(known, Unit):
            db.session.expire(known)
    _end(row, MoveState.DONE, "", actor, now)
    record("move_unit", unit, actor=actor, now=now, before=before, after=_facts(unit))


def _set_parts(unit: Unit, place: Place) -> None:
    """The parts of the unit, those below it without a code of their own, follow its level."""
    values: dict[str, Any] = {"level": place.level}
    if place.registrar_level is not None:
        values["registrar_level"] = place.registrar_level
    db.session.execute(
        update(Unit)
        .where(
            lies_within(unit.path),
            Unit.id != unit.id,
            Unit.kind == unit.kind,
            Unit.level == unit.level,
            Unit.code_suffix.is_not(None),
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _changed(row: UnitMove, place: Place) -> dict[str, Any]:
    values: dict[str, Any] = {"level": place.level}
    if row.unit.kind is UnitKind.NON_PUBLIC:
        values["registrar_level"] = place.registrar_level
        values["registrar_proof_sha256"] = row.proof_sha256
        values["registrar_proof_name"] = row.proof_name
    if row.registrar:
        values["registrar"] = row.registrar
    if row.division_code:
        values["division_code"] = row.division_code
    return values


def _facts(unit: Unit) -> dict[str, Any]:
    return {
        "parent_id": unit.parent_id,
        "path": unit.path,
        "level": unit.level.value,
        "registrar": unit.registrar,
        "registrar_level": unit.registrar_level.value if unit.registrar_level else None,
        "division_code": unit.division_code,
    }


# --------------------------------------------------------------------------- reading, the clock


def state_of_move(row: UnitMove, *, now: datetime) -> MoveState:
    """The state a reader sees, also before the sweep has run."""
    return move_state_at(row.state, row.due_at, now=now)


def moves_of(unit_id: int) -> Sequence[UnitMove]:
    """All moves of a unit, newest first."""
    return db.session.scalars(
        select(UnitMove).where(UnitMove.unit_id == unit_id).order_by(UnitMove.id.desc())
    ).all()


def why_not_movable(unit: Unit) -> DomainError | None:
    """The refusal a request to move this unit would meet whatever the target, if any."""
    if unit.parent_id is None:
        return RuleViolation(N_("The provincial HRSS department stands above all."))
    is_open = select(UnitMove.id).where(
        UnitMove.unit_id == unit.id, UnitMove.state == MoveState.ASKED
    )
    if db.session.scalar(is_open) is not None:
        return ConflictError(
            N_("A move of this unit has been asked for already and is not decided yet.")
        )
    return None


def expire_due(*, now: datetime) -> int:
    """End up to BATCH requests whose time is over, as of that instant; safe to run twice."""
    rows = db.session.scalars(
        select(UnitMove)
        .where(UnitMove.state == MoveState.ASKED, UnitMove.due_at <= now)
        .order_by(UnitMove.due_at, UnitMove.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True, of=UnitMove)
    ).all()
    for row in rows:
        _expire(row)
    return len(rows)


def _expire_open(unit_id: int, *, now: datetime) -> None:
    """Let an open request that is over not stand in the way of a new one."""
    row = db.session.scalar(
        select(UnitMove)
        .where(
            UnitMove.unit_id == unit_id, UnitMove.state == MoveState.ASKED, UnitMove.due_at <= now
        )
        .with_for_update(of=UnitMove)
    )
    if row is not None:
        _expire(row)


def _expire(row: UnitMove) -> None:
    _end(row, MoveState.EXPIRED, "", SYSTEM, row.due_at)
    _saved(row, "expire_unit_move", SYSTEM, row.due_at)
    _tell(row, "unit_move_expired", row.due_at, _everybody(row))


def _end(row: UnitMove, state: MoveState, note: str, actor: Actor, at: datetime) -> None:
    row.state, row.decided_at, row.decided_by_id = state, at, actor.account_id
    row.decision_note = note
    db.session.flush()


def _saved(row: UnitMove, action: str, actor: Actor, now: datetime, reason: str = "") -> None:
    row.version += 1
    after = {"state": row.state.value}
    record(action, row, actor=actor, now=now, after=after, reason=reason)
    db.session.flush()


def _everybody(row: UnitMove) -> list[int]:
    return [row.unit_id, row.from_unit_id, row.to_unit_id, row.told_unit_id]


def _tell(row: UnitMove, kind: str, at: datetime, unit_ids: Iterable[int]) -> None:
    told = [account_id for unit_id in unit_ids for account_id in accounts_of_unit(unit_id)]
    for account_id in dict.fromkeys(told):
        notify(
            account_id,
            kind,
            key=f"unit_move:{row.id}:{kind}:{row.version}",
            params={
                "name": row.unit.name,
                "unit": db.session.get_one(Unit, row.to_unit_id).name,
                "unit_move": row.id,
            },
            at=at,
        )
