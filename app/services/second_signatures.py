"""两人确认: one person of the province asks, another approves, then it takes effect (A9, row 21).

Extending an opened window and lifting a lapse go this way. A request is bound to the version of the
row it was asked about and to a time: what has changed meanwhile is asked for anew.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.domain.calendar import beijing_date, due_end_of
from app.domain.errors import ConflictError, NotPermittedError, StaleVersionError
from app.domain.four_eyes import Signer, require_second_person, require_signer
from app.domain.messages import N_
from app.domain.terms import SignatureState, SignedAct
from app.domain.workflow import Action, ActorRole
from app.extensions import db
from app.models import Account, Application, PlanLine, SignatureRequest
from app.services import facts, lapses, plan
from app.services.actors import SYSTEM, Actor, signer_of
from app.services.audit import record
from app.services.notifications import notify
from app.services.plan import Milestones
from app.services.reminders import accounts_of_province
from app.services.settings import load_calendar, parameter
from app.services.transitions import find_allowed, lock_application

BATCH = 200
S = SignatureState

STATE_LABELS = {
    S.ASKED: N_("Waits for a second person"),
    S.APPROVED: N_("Approved, in effect"),
    S.REFUSED: N_("Not approved"),
    S.WITHDRAWN: N_("Request withdrawn"),
    S.EXPIRED: N_("Request expired"),
}
ACT_LABELS = {
    SignedAct.RESCHEDULE: N_("Plan line rescheduled"),
    SignedAct.REINSTATE: N_("Lapse lifted"),
}


# --------------------------------------------------------------------------- the first person


def ask_reschedule(
    line_id: int,
    proposed: Milestones,
    reason: str,
    *,
    expected_version: int,
    actor: Actor,
    now: datetime,
) -> SignatureRequest:
    """Ask to move the dates of a line whose window has opened; they stay until it is approved."""
    line = plan.lock_reschedulable(
        line_id, proposed, reason, expected_version=expected_version, actor=actor, now=now
    )
    payload = {key: getattr(proposed, key).isoformat() for key in plan.MILESTONES}
    request = SignatureRequest(
        act=SignedAct.RESCHEDULE,
        plan_line_id=line.id,
        subject_version=line.version,
        payload=payload,
        reason=reason.strip(),
    )
    return _ask(request, {"line": line.number}, actor, now)


def ask_reinstatement(
    application_id: int,
    *,
    reason_code: str,
    ground: str,
    due_at: datetime,
    expected_version: int,
    actor: Actor,
    now: datetime,
) -> SignatureRequest:
    """Ask to lift the lapse of an application; it stays lapsed until it is approved."""
    application = lock_application(application_id)
    if application.version != expected_version:
        raise StaleVersionError(
            current_state=application.state.value, current_version=application.version
        )
    guards = facts.compute_guards(application, now=now)
    find_allowed(application, Action.REINSTATE, actor, guards)
    _before, chosen, text = lapses.require_reinstatable(
        application, reason_code=reason_code, ground=ground, due_at=due_at, now=now
    )
    request = SignatureRequest(
        act=SignedAct.REINSTATE,
        application_id=application.id,
        subject_version=application.version,
        payload={**chosen, "due_at": due_at.isoformat()},
        reason=text,
    )
    return _ask(request, {"number": application.number}, actor, now)


def _ask(
    request: SignatureRequest, params: dict[str, Any], actor: Actor, now: datetime
) -> SignatureRequest:
    signer = signer_of(actor)
    require_signer(signer)
    open_one = open_request(request.plan_line_id, request.application_id)
    if open_one is not None:
        _expire(open_one, now)
    request.asked_by = db.session.get_one(Account, signer.account_id)
    request.asked_at = now
    days = int(parameter("second_signature_working_days"))
    request.expires_at = due_end_of(load_calendar().add_working_days(beijing_date(now), days))
    try:
        with db.session.begin_nested():
            db.session.add(request)
            db.session.flush()
    except IntegrityError as error:
        raise ConflictError(
            N_("A second signature has been asked for already. Decide that request first.")
        ) from error
    record(
        "ask_signature",
        request,
        actor=actor,
        now=now,
        after={"act": request.act.value, **request.payload},
        reason=request.reason,
    )
    for account_id in accounts_of_province():
        if account_id != actor.account_id:
            notify(
                account_id,
                f"{request.act.value}_asked",
                key=f"signature:{request.id}",
                params={"name": actor.name, "signature": request.id, **params},
                at=now,
            )
    return request


def open_request(plan_line_id: int | None, application_id: int | None) -> SignatureRequest | None:
    """The request about this row that waits for a second person, as stored."""
    return db.session.scalar(
        select(SignatureRequest).where(
            SignatureRequest.state == S.ASKED,
            SignatureRequest.plan_line_id == plan_line_id
            if plan_line_id
            else SignatureRequest.application_id == application_id,
        )
    )


# --------------------------------------------------------------------------- the second person


def approve_signature(
    request_id: int, *, expected_version: int, actor: Actor, now: datetime
) -> SignatureRequest:
    """Give the second signature: what was asked for takes effect at once, or is refused by its own
    rules and stays asked for. Raises NotPermittedError for the same person, ConflictError when it
    is decided or too old, StaleVersionError when the row has changed since."""
    row = _lock(request_id, expected_version, now)
    _require_province(actor)
    asker = db.session.get_one(Account, row.asked_by_id)
    first = Signer(asker.id, asker.person_id)
    require_second_person(first, signer_of(actor))
    _EFFECTS[row.act](row, first, actor, now)
    _end(row, S.APPROVED, "", actor, now)
    return row


def refuse_signature(
    request_id: int, reason: str, *, expected_version: int, actor: Actor, now: datetime
) -> SignatureRequest:
    """Refuse the second signature with a reason; who asked takes the own request back so."""
    row = _lock(request_id, expected_version, now)
    _require_province(actor)
    text = facts.require_text(reason, N_("Say why it is not approved."))
    is_own = row.asked_by_id == actor.account_id
    _end(row, S.WITHDRAWN if is_own else S.REFUSED, text, actor, now)
    return row


def _reschedule(row: SignatureRequest, first: Signer, actor: Actor, now: datetime) -> None:
    line = db.session.get_one(PlanLine, row.plan_line_id)
    values = row.payload
    plan.reschedule_plan_line(
        line.id,
        Milestones(
            applications_open_at=datetime.fromisoformat(values["applications_open_at"]),
            applications_close_at=datetime.fromisoformat(values["applications_close_at"]),
            receipt_due_at=datetime.fromisoformat(values["receipt_due_at"]),
            policy_review_due_on=date.fromisoformat(values["policy_review_due_on"]),
            online_review_due_on=date.fromisoformat(values["online_review_due_on"]),
        ),
        row.reason,
        expected_version=row.subject_version,
        first=first,
        actor=actor,
        now=now,
    )


def _reinstate(row: SignatureRequest, first: Signer, actor: Actor, now: datetime) -> None:
    application = db.session.get_one(Application, row.application_id)
    lapses.reinstate_application(
        application.id,
        reason_code=row.payload["reason_code"],
        ground=row.reason,
        due_at=datetime.fromisoformat(row.payload["due_at"]),
        expected_version=row.subject_version,
        first=first,
        actor=actor,
        now=now,
    )


_EFFECTS: dict[SignedAct, Callable[[SignatureRequest, Signer, Actor, datetime], None]] = {
    SignedAct.RESCHEDULE: _reschedule,
    SignedAct.REINSTATE: _reinstate,
}


# --------------------------------------------------------------------------- both


def _require_province(actor: Actor) -> None:
    if not actor.has_role(ActorRole.PROVINCE_HRSS):
        raise NotPermittedError(N_("This is for two people of the provincial HRSS department."))


def _lock(request_id: int, expected_version: int, now: datetime) -> SignatureRequest:
    row = db.session.get_one(
        SignatureRequest,
        request_id,
        with_for_update={"of": SignatureRequest},
        populate_existing=True,
    )
    if state_of(row, now=now) is not S.ASKED:
        raise ConflictError(
            N_("This request is now: %(state)s. Reload the page."),
            state=STATE_LABELS[state_of(row, now=now)],
        )
    if row.version != expected_version:
        raise StaleVersionError(current_state=STATE_LABELS[row.state], current_version=row.version)
    return row


def _end(
    row: SignatureRequest, state: SignatureState, note: str, actor: Actor, at: datetime
) -> None:
    row.state, row.decided_at, row.decided_by_id = state, at, actor.account_id
    row.decision_note = note
    row.version += 1
    record(
        "decide_signature",
        row,
        actor=actor,
        now=at,
        after={"act": row.act.value, "state": state.value},
        reason=note,
    )
    db.session.flush()


def state_of(row: SignatureRequest, *, now: datetime) -> SignatureState:
    """The state a reader sees: a request nobody has decided in time has expired."""
    return S.EXPIRED if row.state is S.ASKED and now >= row.expires_at else row.state


def _expire(row: SignatureRequest, now: datetime) -> bool:
    if state_of(row, now=now) is not S.EXPIRED or row.state is S.EXPIRED:
        return False
    _end(row, S.EXPIRED, "", SYSTEM, row.expires_at)
    return True


def expire_due(*, now: datetime) -> int:
    """Close up to BATCH requests nobody has decided in time and return how many; safe to run twice
    at once."""
    rows = db.session.scalars(
        select(SignatureRequest)
        .where(SignatureRequest.state == S.ASKED, SignatureRequest.expires_at <= now)
        .order_by(SignatureRequest.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True, of=SignatureRequest)
    ).all()
    return sum(_expire(row, now) for row in rows)


def require_none_open(application: Application, _actor: Actor, *, now: datetime) -> None:
    """Refuse to ask twice: the button of a page says that a second person is waited for."""
    row = open_request(None, application.id)
    if row is not None and state_of(row, now=now) is S.ASKED:
        raise ConflictError(
            N_("A second signature has been asked for already. Decide that request first.")
        )
