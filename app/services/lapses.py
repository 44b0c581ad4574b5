"""逾期: what a deadline ends, who is responsible with how many hours, and the province's way back.

Notice 四(三): not delivered by the receipt deadline means no review; responsible is every unit that
has not forwarded within its time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import exists, select

from app.domain.deadlines import StepTimes, count_overdue_hours, find_overruns, is_overdue
from app.domain.errors import ConflictError, RuleViolation
from app.domain.four_eyes import Signer, require_second_person
from app.domain.messages import N_
from app.domain.terms import DueKind, LapseKind, ReturnTarget
from app.domain.workflow import Action, State
from app.extensions import db
from app.models import (
    Application,
    ApplicationEvent,
    Lapse,
    Publicity,
    RoutingStep,
    Unit,
)
from app.services import facts, routing
from app.services.actors import SYSTEM, Actor, signer_of
from app.services.extensions import milestone_due_at
from app.services.notifications import notify
from app.services.transitions import (
    Due,
    Effects,
    account_of_person,
    accounts_of_unit,
    lock_application,
    transition,
)

CLOSED_BY_LAPSE = "lapsed"


# --------------------------------------------------------------------------- responsibility


def responsible_units(application: Application, at: datetime) -> list[dict[str, Any]]:
    """Every unit that overran by `at`, in order: [{unit_id, name, hours}] (A5, row 20).

    The unit is measured by D + 10, each node by its own three working days.
    """
    overruns = find_overruns([*_unit_times(application), *_node_times(application)], now=at)
    ids = {int(overrun.unit_id) for overrun in overruns}
    rows = db.session.execute(select(Unit.id, Unit.name).where(Unit.id.in_(ids)))
    names = dict(rows.all())
    return [
        {"unit_id": int(o.unit_id), "name": names[int(o.unit_id)], "hours": o.hours}
        for o in overruns
    ]


def _unit_times(application: Application) -> list[StepTimes]:
    if application.submitted_at is None:
        return []
    pushed_at = db.session.scalar(
        select(ApplicationEvent.at)
        .where(
            ApplicationEvent.application_id == application.id,
            ApplicationEvent.action == Action.FORWARD,
            ApplicationEvent.from_state == State.PUBLICIZED,
        )
        .order_by(ApplicationEvent.seq)
        .limit(1)
    )
    due = facts.unit_push_due(application)
    return [StepTimes(application.employer_id, due.at, pushed_at)]


def _node_times(application: Application) -> list[StepTimes]:
    return [
        StepTimes(step.node.unit_id, step.forward_due_at, step.ended_at)
        for node in application.nodes
        for step in sorted(node.steps, key=lambda step: step.id)
    ]


def note_overdue_step(step_id: int, *, now: datetime) -> Lapse | None:
    """Write one lapse for a stay past its due instant; remind the node and its superior (3.5).

    None when it is not late, has ended, or is on file already: safe to run twice. Nothing is
    passed on and nothing ends (A5).
    """
    step = db.session.get_one(RoutingStep, step_id)
    application = lock_application(step.application_id)
    db.session.refresh(step)
    if step.ended_at is not None or not is_overdue(step.forward_due_at, now=now):
        return None
    noted = db.session.scalar(
        select(
            exists().where(
                Lapse.step_id == step.id,
                Lapse.kind == LapseKind.NODE_OVERDUE,
                Lapse.due_at == step.forward_due_at,
            )
        )
    )
    if noted:
        return None
    unit = step.node.unit
    hours = count_overdue_hours(step.forward_due_at, now=now)
    lapse = Lapse(
        application_id=application.id,
        kind=LapseKind.NODE_OVERDUE,
        step_id=step.id,
        responsible_unit_id=unit.id,
        due_at=step.forward_due_at,
        hours_over=hours,
        responsible=[{"unit_id": unit.id, "name": unit.name, "hours": hours}],
    )
    db.session.add(lapse)
    db.session.flush()
    for account_id in facts.merge(accounts_of_unit(unit.id), accounts_of_unit(unit.parent_id)):
        notify(
            account_id,
            "overdue",
            key=f"overdue:{step.id}:{step.forward_due_at.isoformat()}",
            application_id=application.id,
            params={"number": application.number, "unit": unit.name, "hours": hours},
            at=now,
        )
    return lapse


# --------------------------------------------------------------------------- lapse


def lapse_application(
    application_id: int,
    kind: LapseKind,
    *,
    at: datetime,
    now: datetime,
    actor: Actor = SYSTEM,
) -> ApplicationEvent:
    """End an application whose deadline has passed, effective `at` (rows 5, 19, 20).

    Raises ConflictError when the deadline has not passed, TransitionNotAllowedError when the state
    knows no such end.
    """

    def decide(application: Application) -> Effects:
        due_at = _deadline_of(application, kind)
        if not is_overdue(due_at, now=now):
            raise ConflictError(N_("The deadline has not passed yet."))
        responsible = responsible_units(application, at) if kind is LapseKind.NOT_DELIVERED else []
        data = {
            "kind": kind.value,
            "due_at": due_at.isoformat(),
            "responsible": responsible,
            "returned_to": application.returned_to.value if application.returned_to else None,
            "holder_unit_id": application.holder_unit_id,
        }

        def apply(application: Application, _state: State) -> None:
            routing.end_step(application, at=at)
            posting = facts.open_publicity_of(application)
            if posting is not None:
                posting.closed_at, posting.close_note = at, CLOSED_BY_LAPSE
            if kind is LapseKind.NOT_SUBMITTED:
                application.is_live = False  # R30 counts submitted applications only
            _write_lapse(application, kind, due_at, responsible)

        told = facts.merge(
            account_of_person(application.person_id),
            accounts_of_unit(application.employer_id) if application.submitted_at else [],
            *(accounts_of_unit(int(row["unit_id"])) for row in responsible),
        )
        return Effects(
            guards=facts.compute_guards(application, now=now),
            at=at,
            data=data,
            apply=apply,
            tell=[("lapsed", account_id) for account_id in told],
        )

    return transition(application_id, Action.LAPSE, actor=actor, now=now, decide=decide)


def _deadline_of(application: Application, kind: LapseKind) -> datetime:
    if kind is LapseKind.NOT_SUBMITTED:
        return application.plan_line.applications_close_at
    if kind is LapseKind.NOT_DELIVERED:
        return facts.receipt_limit_at(application)
    request = facts.open_correction(application)
    if kind is not LapseKind.CORRECTION or request is None:
        raise ConflictError
    return request.due_at


def _write_lapse(
    application: Application,
    kind: LapseKind,
    due_at: datetime,
    responsible: list[dict[str, Any]],
) -> None:
    """One row a kind and due instant; after a reinstatement the due instant is another."""
    known = db.session.scalar(
        select(Lapse.id).where(
            Lapse.application_id == application.id,
            Lapse.kind == kind,
            Lapse.step_id.is_(None),
            Lapse.due_at == due_at,
        )
    )
    if known is None:
        db.session.add(
            Lapse(
                application_id=application.id,
                kind=kind,
                responsible_unit_id=responsible[-1]["unit_id"] if responsible else None,
                due_at=due_at,
                hours_over=max((row["hours"] for row in responsible), default=None),
                responsible=responsible,
            )
        )


def last_lapse_event(application: Application) -> ApplicationEvent | None:
    """The event that ended an application for time."""
    return db.session.scalar(
        select(ApplicationEvent)
        .where(
            ApplicationEvent.application_id == application.id,
            ApplicationEvent.action == Action.LAPSE,
        )
        .order_by(ApplicationEvent.seq.desc())
        .limit(1)
    )


# --------------------------------------------------------------------------- reinstatement


def reinstate_application(
    application_id: int,
    *,
    reason_code: str,
    ground: str,
    due_at: datetime,
    first: Signer,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> ApplicationEvent:
    """Bring a lapsed application back to the state before, with a new due date (row 21).

    Two people: `first` has asked for it, the actor is another one (`second_signatures`).

    By the provincial HRSS department, on a written ground: system fault, rescheduled examination,
    a node's fault. `due_at` takes the place of the deadline that ended it: the receipt deadline,
    or the due date of the correction. Raises RuleViolation for a date that has passed or lies
    beyond the policy review, ConflictError when the person has another application this year.
    """
    require_second_person(first, signer_of(actor))

    def decide(application: Application) -> Effects:
        before, chosen, text = require_reinstatable(
            application, reason_code=reason_code, ground=ground, due_at=due_at, now=now
        )
        event = last_lapse_event(application)
        data = event.data if event else {}
        if application.delivered_at is None and application.submitted_at is not None:
            application.reinstated_until = max(due_at, application.plan_line.receipt_due_at)
        step_node = _node_before(application) if before is State.IN_ROUTING else None
        step_due = routing.compute_step_due(application, since=now) if step_node else None
        posting = _posting_before(application)
        due = _due_after(application, before, due_at, step_due, posting)
        returned_to = data.get("returned_to")

        def apply(application: Application, _state: State) -> None:
            application.is_live = True
            if step_node is not None and step_due is not None:
                routing.begin_step(application, step_node, at=now, due=step_due)
            if posting is not None and before in {State.IN_PUBLICITY, State.ON_HOLD}:
                posting.closed_at, posting.close_note = None, ""
            request = facts.open_correction(application)
            if before is State.RETURNED and request is not None:
                request.due_at = due_at

        return Effects(
            guards=facts.compute_guards(application, now=now),
            reason=text,
            data=chosen | {"due_at": due_at.isoformat(), "first": first.account_id},
            holder_unit_id=data.get("holder_unit_id"),
            due=due,
            returned_to=ReturnTarget(returned_to) if returned_to else None,
            apply=apply,
            tell=[
                ("reinstated", account_id)
                for account_id in facts.merge(
                    account_of_person(application.person_id),
                    accounts_of_unit(data.get("holder_unit_id")),
                )
            ],
        )

    return transition(
        application_id,
        Action.REINSTATE,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
    )


def require_reinstatable(
    application: Application, *, reason_code: str, ground: str, due_at: datetime, now: datetime
) -> tuple[State, dict[str, Any], str]:
    """The state a lapsed application returns to, the reason and the ground; refused without its
    terms."""
    chosen = facts.require_reason_code("reinstate", reason_code)
    text = facts.require_text(ground, N_("Enter the written ground of the reinstatement."))
    before = application.state_before
    if before is None:
        raise ConflictError
    _require_new_due(application, before, due_at, now)
    _require_no_other(application)
    return before, chosen, text


def _require_new_due(
    application: Application, before: State, due_at: datetime, now: datetime
) -> None:
    if due_at <= now:
        raise RuleViolation(N_("The new due date has passed already. Choose a later one."))
    line = application.plan_line
    limit = line.applications_close_at if before is State.DRAFT else _review_end(application)
    if due_at > limit:
        raise RuleViolation(
            N_(
                "The new due date can be %(latest)s at the latest. Move the dates of the plan "
                "line first if that is not enough."
            ),
            latest=facts.show_instant(limit),
        )


def _review_end(application: Application) -> datetime:
    return milestone_due_at(application, DueKind.POLICY_REVIEW)


def _require_no_other(application: Application) -> None:
    other = db.session.scalar(
        select(
            exists().where(
                Application.person_id == application.person_id,
                Application.plan_year == application.plan_year,
                Application.is_live.is_(True),
                Application.id != application.id,
            )
        )
    )
    if other:
        raise ConflictError(N_("The person has another application this year; only one can go on."))


def _node_before(application: Application) -> Any:
    step = application.current_step
    return step.node if step is not None else None


def _posting_before(application: Application) -> Publicity | None:
    return db.session.scalar(
        select(Publicity)
        .where(Publicity.application_id == application.id, Publicity.close_note == CLOSED_BY_LAPSE)
        .order_by(Publicity.id.desc())
        .limit(1)
    )


def _due_after(
    application: Application,
    before: State,
    due_at: datetime,
    step_due: Due | None,
    posting: Publicity | None,
) -> Due:
    if step_due is not None:
        return step_due
    if before is State.IN_PUBLICITY and posting is not None and posting.ends_at is not None:
        return facts.make_due(DueKind.PUBLICITY_END, posting.ends_at)
    kind = {State.RETURNED: DueKind.CORRECTION, State.DRAFT: DueKind.WINDOW_CLOSE}.get(
        before, DueKind.UNIT_PUSH
    )
    return facts.make_due(kind, due_at)
