"""The only way an application changes its state: `transition()`.

One database transaction: lock the row; a known idempotency key gets the first answer again; the
version must be the
one the page showed; role, scope and guards must allow the action; then state, version, due date,
event (hash chained to the
one before) and outbox rows are written. Nothing is committed here: the edge's unit of work does
that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import func, select

from app.domain.errors import (
    DomainError,
    NotPermittedError,
    StaleVersionError,
    TransitionNotAllowedError,
)
from app.domain.history import chain_hash
from app.domain.messages import N_
from app.domain.terms import DueKind, ReturnTarget
from app.domain.workflow import (
    NODE_ROLES,
    STATE_LABELS,
    Action,
    ActorRole,
    Guard,
    State,
    Transition,
    find_transition,
    transitions_for,
)
from app.extensions import db
from app.models import (
    Account,
    Application,
    ApplicationEvent,
    IdempotencyKey,
    OutboxMessage,
    Unit,
)
from app.services import settings
from app.services.actors import Actor

GENESIS = "0" * 64
"""The previous hash of an application's first event."""

PROVINCE_ACTIONS = frozenset(
    {
        Action.RETURN,
        Action.REINSTATE,
        Action.REROUTE,
        Action.CONFIRM,
        Action.RETURN_FILING,
        Action.WITHDRAW,
        Action.ENTRUST,
        Action.REGISTER_RESULT,
        Action.DISQUALIFY,
        Action.REVOKE,
    }
)
"""What the provincial department does to any application, wherever it lies (rules 2, 3.4)."""

SUBTREE_ACTIONS = frozenset({Action.REROUTE, Action.WITHDRAW, Action.DISQUALIFY, Action.REVOKE})
"""What a lower HRSS department does to the applications of its own subtree."""


@dataclass(frozen=True)
class Due:
    """What falls due next, and whether the calendar behind it is still provisional."""

    kind: DueKind
    at: datetime
    is_provisional: bool = False


@dataclass
class Effects:
    """What an action does besides changing the state; the service that decides it fills this in.

    `guards` choose the row and target; `at` is the effective instant (default: the arrival);
    `holder_unit_id` and
    `due` replace what the application carries (None clears); `apply` writes the service's own rows
    once the target
    state is known; `tell` lists (notification kind, account id).
    """

    guards: Mapping[str, bool] = field(default_factory=dict)
    at: datetime | None = None
    reason: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    holder_unit_id: int | None = None
    due: Due | None = None
    returned_to: ReturnTarget | None = None
    apply: Callable[[Application, State], None] | None = None
    tell: Sequence[tuple[str, int]] = ()


def transition(
    application_id: int,
    action: Action,
    *,
    actor: Actor,
    now: datetime,
    decide: Callable[[Application], Effects],
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ApplicationEvent:
    """Perform `action` on an application and return its event.

    `now` is the arrival of the request, taken once at the edge; waiting for the lock does not
    count against anyone.
    `decide` sees the locked row, refuses with a DomainError or says what follows. Raises
    StaleVersionError when the
    page is outdated, TransitionNotAllowedError and ActorNotAllowedError as `find_transition` does.
    """
    application = lock_application(application_id)
    if idempotency_key and (first := _first_answer(actor, idempotency_key)) is not None:
        return first
    _require_version(application, expected_version)
    effects = decide(application)
    role, to_state = _next(application, action, actor, effects.guards)
    event = _change_state(application, action, role, to_state, actor, now, effects)
    if effects.apply is not None:
        effects.apply(application, to_state)
    if idempotency_key and actor.account_id is not None:
        db.session.add(
            IdempotencyKey(account_id=actor.account_id, key=idempotency_key, event=event)
        )
    db.session.flush()
    _owe_messages(event, effects.tell)
    return event


def create_event(
    application: Application, *, actor: Actor, role: ActorRole, now: datetime, data: dict[str, Any]
) -> ApplicationEvent:
    """Write the first event of an application just added (rules 3.2 row 1)."""
    db.session.flush()
    return _append_event(
        application,
        Action.CREATE,
        None,
        State.DRAFT,
        role,
        actor,
        at=now,
        reason="",
        data=data,
    )


def lock_application(application_id: int) -> Application:
    """The row, locked until the transaction ends, read afresh."""
    return db.session.get_one(
        Application, application_id, with_for_update={"of": Application}, populate_existing=True
    )


def _require_scope(
    application: Application, actor: Actor, role: ActorRole, row: Transition
) -> None:
    """Refuse an actor whose role fits but in whose hands this application is not."""
    if not _is_in_scope(application, actor, role, row):
        raise _not_held(application)


def _is_in_scope(application: Application, actor: Actor, role: ActorRole, row: Transition) -> bool:
    action = row.action
    if role in {ActorRole.SYSTEM, ActorRole.CHAIR} or action is Action.HOLD:
        return True  # who chairs, and who may object, the meeting and publicity services have asked
    if role is ActorRole.APPLICANT:
        return application.person_id == actor.person_id
    if role is ActorRole.PROVINCE_HRSS and action in PROVINCE_ACTIONS:
        return True
    if role is ActorRole.COMMITTEE_OFFICE:
        return application.committee.convener_id == actor.unit_id
    if role is ActorRole.HRSS and action in SUBTREE_ACTIONS and _is_above(application, actor):
        return True
    holder = application.holder_unit
    if holder is None or actor.unit_id is None:
        return False
    as_superior = Guard.UNIT_CANNOT_ACT in row.when
    return actor.unit_id == (holder.parent_id if as_superior else holder.id)


def _is_above(application: Application, actor: Actor) -> bool:
    return bool(actor.unit_path) and application.employer.path.startswith(actor.unit_path)


def _first_answer(actor: Actor, key: str) -> ApplicationEvent | None:
    return db.session.scalar(
        select(ApplicationEvent)
        .join(IdempotencyKey, IdempotencyKey.event_id == ApplicationEvent.id)
        .where(IdempotencyKey.account_id == actor.account_id, IdempotencyKey.key == key)
    )


def require_version(application: Application, expected: int | None) -> None:
    """Refuse a page that shows an older version; for changes beside `transition`."""
    _require_version(application, expected)


def _require_version(application: Application, expected: int | None) -> None:
    if expected is not None and expected != application.version:
        raise StaleVersionError(
            current_state=STATE_LABELS[application.state], current_version=application.version
        )


def _next(
    application: Application, action: Action, actor: Actor, guards: Mapping[str, bool]
) -> tuple[ActorRole, State]:
    """Try the actor's roles in order; the first that may act decides, else the first refusal is
    raised."""
    refusal: DomainError | None = None
    for role in sorted(actor.roles):
        try:
            row, target = find_transition(application.state, action, role=role, guards=guards)
            _require_scope(application, actor, role, row)
        except TransitionNotAllowedError as error:
            refusal = _plainer(refusal, _elsewhere(application, actor, role, action) or error)
            continue
        except DomainError as error:
            refusal = _plainer(refusal, error)
            continue
        state = target.state or application.state_before
        if state is None:
            continue
        return role, state
    raise refusal or NotPermittedError()


def find_allowed(
    application: Application, action: Action, actor: Actor, guards: Mapping[str, bool]
) -> tuple[ActorRole, State]:
    """The role the actor would act under and where it would lead; raises as `transition` does."""
    return _next(application, action, actor, guards)


def _elsewhere(
    application: Application, actor: Actor, role: ActorRole, action: Action
) -> NotPermittedError | None:
    """For staff of a unit that does not hold it: who does, rather than which guard failed."""
    is_staff = role in NODE_ROLES and actor.unit_id != application.holder_unit_id
    if not is_staff or not transitions_for(application.state, action):
        return None
    return _not_held(application)


def _not_held(application: Application) -> NotPermittedError:
    return NotPermittedError(
        N_("This application is not held by your unit. It lies with %(unit)s."),
        unit=application.holder_unit.name if application.holder_unit else "-",
    )


def _plainer(first: DomainError | None, second: DomainError) -> DomainError:
    """Of two refusals, the one that says more: not holding it beats not having the role."""
    if first is None or (first.code == "actor_not_allowed" and second.code != first.code):
        return second
    return first


def _change_state(
    application: Application,
    action: Action,
    role: ActorRole,
    to_state: State,
    actor: Actor,
    now: datetime,
    effects: Effects,
) -> ApplicationEvent:
    from_state = application.state
    at = effects.at or now
    if to_state in {State.ON_HOLD, State.LAPSED}:
        application.state_before = from_state
    elif from_state in {State.ON_HOLD, State.LAPSED}:
        application.state_before = None
    if to_state is not from_state:
        application.state_since = at
    application.state = to_state
    application.returned_to = effects.returned_to if to_state is State.RETURNED else None
    application.holder_unit_id = effects.holder_unit_id
    application.due_at = effects.due.at if effects.due else None
    application.due_kind = effects.due.kind if effects.due else None
    application.is_due_provisional = bool(effects.due and effects.due.is_provisional)
    application.calendar_version = settings.calendar_version()
    application.version += 1
    return _append_event(
        application,
        action,
        from_state,
        to_state,
        role,
        actor,
        at=at,
        reason=effects.reason,
        data=effects.data,
    )


def _append_event(
    application: Application,
    action: Action,
    from_state: State | None,
    to_state: State,
    role: ActorRole,
    actor: Actor,
    *,
    at: datetime,
    reason: str,
    data: dict[str, Any],
) -> ApplicationEvent:
    last = db.session.execute(
        select(ApplicationEvent.seq, ApplicationEvent.hash)
        .where(ApplicationEvent.application_id == application.id)
        .order_by(ApplicationEvent.seq.desc())
        .limit(1)
    ).one_or_none()
    seq, previous = (last.seq + 1, last.hash) if last else (1, GENESIS)
    event = ApplicationEvent(
        application_id=application.id,
        seq=seq,
        action=action,
        from_state=from_state,
        to_state=to_state,
        role=role,
        account_id=actor.account_id,
        unit_id=actor.unit_id,
        at=at,
        reason=reason,
        data=data,
        previous_hash=previous,
    )
    event.hash = chain_hash(previous, event_payload(event))
    db.session.add(event)
    return event


def event_payload(event: ApplicationEvent) -> dict[str, Any]:
    """The part of an event its hash covers; instants to the microsecond, in UTC."""
    return {
        "application": event.application_id,
        "seq": event.seq,
        "action": event.action.value,
        "from": event.from_state.value if event.from_state else None,
        "to": event.to_state.value,
        "role": event.role.value,
        "account": event.account_id,
        "unit": event.unit_id,
        "at_us": (event.at - _EPOCH) // timedelta(microseconds=1),
        "reason": event.reason,
        "data": event.data,
    }


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _owe_messages(event: ApplicationEvent, tell: Sequence[tuple[str, int]]) -> None:
    for kind, account_id in dict.fromkeys(tell):
        db.session.add(OutboxMessage(event_id=event.id, kind=kind, recipient_id=account_id))
    if tell:
        db.session.info["outbox_waiting"] = True
    db.session.flush()


HANDLING_ROLES = sorted(NODE_ROLES | {ActorRole.COMMITTEE_OFFICE})
"""Who deals with applications for a unit."""


def accounts_of_unit(unit_id: int | None) -> list[int]:
    """The active accounts that handle applications for a unit; they are told what reaches it.

    A unit's applicants and the experts it employs are none of them.
    """
    if unit_id is None:
        return []
    names = [role.value for role in HANDLING_ROLES]
    return list(
        db.session.scalars(
            select(Account.id)
            .where(Account.unit_id == unit_id, Account.active.is_(True))
            .where(Account.roles.any(Role.name.in_(names)))
            .order_by(Account.id)
        )
    )


def account_of_person(person_id: int) -> list[int]:
    """The account of a person, as a list of at most one."""
    return list(
        db.session.scalars(
            select(Account.id).where(Account.person_id == person_id, Account.active.is_(True))
        )
    )


def next_number(plan_year: int) -> tuple[int, str]:
    """The id and the printed number of an application about to be added, e.g. 2022-00000017."""
    new_id: int = db.session.execute(select(func.nextval("application_id_seq"))).scalar_one()
    return new_id, f"{plan_year}-{new_id:08d}"


def unit_chain(unit: Unit) -> list[Unit]:
    """The unit and its superiors, lowest first."""
    ids = [int(part) for part in unit.path.strip("/").split("/") if part]
    rows = {row.id: row for row in db.session.scalars(select(Unit).where(Unit.id.in_(ids)))}
    return [rows[unit_id] for unit_id in reversed(ids) if unit_id in rows]
