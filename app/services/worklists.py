"""待办: what waits for an actor, by due time; and the figures of its own scope."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, func, or_, select

from app.domain.deadlines import count_working_days_left, is_overdue
from app.domain.messages import N_
from app.domain.terms import (
    FilingState,
    MoveState,
    ProposalState,
    SignatureState,
    SignedAct,
    TransferState,
    WithdrawalState,
)
from app.domain.workflow import STATE_LABELS, ActorRole, State
from app.extensions import db
from app.models import (
    Account,
    Application,
    AuthorityFiling,
    Committee,
    EvaluationPlan,
    Lapse,
    Objection,
    Person,
    PersonTransfer,
    PlanLine,
    Publicity,
    ResultFiling,
    ReviewMeeting,
    RoutingStep,
    SignatureRequest,
    SpecialtyProposal,
    Unit,
    UnitMove,
    WithdrawalRequest,
)
from app.orm import TZDateTime
from app.services.actors import Actor
from app.services.settings import load_calendar

HOURS_SHOWN = timedelta(hours=24)
LIMIT = 200
"""The most items a page lists; the earliest due come first."""

UNIT_STATES = (State.IN_EMPLOYER_CHECK, State.PUBLICIZED, State.IN_ROUTING)
HOST_STATES = (State.RECEIVED, State.IN_POLICY_REVIEW, State.ACCEPTED, State.PASSED)


SIGNATURE_KINDS = {
    SignedAct.RESCHEDULE: N_("Second signature: plan line to reschedule"),
    SignedAct.REINSTATE: N_("Second signature: lapse to lift"),
}


@dataclass(frozen=True)
class WorkItem:
    """One thing to do: its kind (a msgid), what it is about, where, until when."""

    kind: str
    subject: str
    detail: str
    object_type: str
    object_id: int
    due_at: datetime | None
    is_overdue: bool
    working_days_left: int | None


@dataclass(frozen=True)
class Figure:
    """How many applications of a scope are in which state, per plan line."""

    line: int
    state: State
    count: int


def list_work_items(actor: Actor, *, now: datetime) -> list[WorkItem]:
    """What waits for this actor, overdue first, then by due time; without a due time last."""
    items = [
        *_held_applications(actor, now),
        *_objections(actor, now),
        *_withdrawals(actor, now),
        *_transfers(actor, now),
        *_unit_moves(actor, now),
        *_province_items(actor, now),
    ]
    far = datetime.max.replace(tzinfo=now.tzinfo)
    return sorted(items, key=lambda item: item.due_at or far)[:LIMIT]


def _item(
    kind: str,
    subject: str,
    detail: str,
    row: object,
    row_id: int,
    due: datetime | None,
    now: datetime,
) -> WorkItem:
    return WorkItem(
        kind=kind,
        subject=subject,
        detail=detail,
        object_type=type(row).__name__,
        object_id=row_id,
        due_at=due,
        is_overdue=due is not None and is_overdue(due, now=now),
        working_days_left=count_working_days_left(due, load_calendar(), now=now) if due else None,
    )


def _held_applications(actor: Actor, now: datetime) -> Iterable[WorkItem]:
    if actor.unit_id is None:
        return
    of_unit = Application.holder_unit_id == actor.unit_id
    conditions: list[ColumnElement[bool]] = []
    if actor.has_role(
        ActorRole.UNIT_ADMIN,
        ActorRole.UNIT_HANDLER,
        ActorRole.HRSS,
        ActorRole.COMPETENT_DEPARTMENT,
        ActorRole.PROVINCE_HRSS,
    ):
        conditions.append(of_unit & Application.state.in_(UNIT_STATES))
    if actor.has_role(ActorRole.COMMITTEE_OFFICE):
        conditions.append(of_unit & Application.state.in_(HOST_STATES))
    if not conditions:
        return
    step_due = (
        select(func.max(RoutingStep.forward_due_at))
        .where(RoutingStep.application_id == Application.id, RoutingStep.ended_at.is_(None))
        .scalar_subquery()
    )
    rows = db.session.execute(
        select(Application, Person.name, func.coalesce(step_due, Application.due_at))
        .join(Person, Person.id == Application.person_id)
        .where(or_(*conditions))
        .order_by(func.coalesce(step_due, Application.due_at), Application.id)
        .limit(LIMIT)
    )
    for application, name, due in rows:
        yield _item(
            STATE_LABELS[application.state],
            f"{name} · {application.title_name}",
            application.number,
            application,
            application.id,
            due,
            now,
        )


def _objections(actor: Actor, now: datetime) -> Iterable[WorkItem]:
    if actor.unit_id is None:
        return
    query: Select[Objection, Application, str] = (
        select(Objection, Application, Person.name)
        .join(Publicity, Publicity.id == Objection.publicity_id)
        .join(Application, Application.id == Publicity.application_id)
        .join(Person, Person.id == Application.person_id)
        .where(
            Objection.finding.is_(None),
            Application.state == State.ON_HOLD,
            Application.holder_unit_id == actor.unit_id,
        )
    )
    for objection, application, name in db.session.execute(query):
        yield _item(
            STATE_LABELS[State.ON_HOLD],
            name,
            objection.number,
            application,
            application.id,
            application.due_at,
            now,
        )


def _withdrawals(actor: Actor, now: datetime) -> Iterable[WorkItem]:
    if not actor.has_role(ActorRole.HRSS, ActorRole.PROVINCE_HRSS, ActorRole.COMMITTEE_OFFICE):
        return
    rows = db.session.execute(
        select(WithdrawalRequest, Application, Person.name)
        .join(Application, Application.id == WithdrawalRequest.application_id)
        .join(Person, Person.id == Application.person_id)
        .where(
            WithdrawalRequest.state == WithdrawalState.ASKED,
            _decides_withdrawal(actor),
        )
    )
    for _request, application, name in rows:
        yield _item(
            N_("Withdrawal asked for"),
            name,
            application.number,
            application,
            application.id,
            None,
            now,
        )


def _transfers(actor: Actor, now: datetime) -> Iterable[WorkItem]:
    """Requests that wait for this unit, or for this HRSS department (E7)."""
    if actor.unit_id is None:
        return
    table, state = PersonTransfer, PersonTransfer.state
    waiting = table.due_at > now
    late = (state == TransferState.ASKED) & (table.due_at <= now)
    conditions: list[ColumnElement[bool]] = []
    if actor.has_role(ActorRole.UNIT_ADMIN, ActorRole.UNIT_HANDLER):
        conditions += [
            (state == TransferState.ASKED) & (table.from_unit_id == actor.unit_id) & waiting,
            (state == TransferState.PROPOSED) & (table.to_unit_id == actor.unit_id) & waiting,
        ]
    if actor.has_role(ActorRole.HRSS, ActorRole.PROVINCE_HRSS):
        conditions.append(
            ((state == TransferState.ESCALATED) | late) & (table.decider_unit_id == actor.unit_id)
        )
    if not conditions:
        return
    rows = db.session.execute(
        select(table, Person.name, Unit.name)
        .join(Person, Person.id == table.person_id)
        .join(Unit, Unit.id == table.to_unit_id)
        .where(or_(*conditions))
        .order_by(table.due_at, table.id)
        .limit(LIMIT)
    )
    for row, name, unit in rows:
        is_mine = row.due_at > now and row.state is not TransferState.ESCALATED
        kind = N_("Transfer to answer") if is_mine else N_("Transfer to decide")
        yield _item(kind, name, unit, row, row.id, row.due_at if is_mine else None, now)


def _unit_moves(actor: Actor, now: datetime) -> Iterable[WorkItem]:
    """Moves of units that wait for the consent of this unit (E6)."""
    if actor.unit_id is None:
        return
    waits = or_(
        (UnitMove.from_unit_id == actor.unit_id) & UnitMove.from_consented_at.is_(None),
        (UnitMove.to_unit_id == actor.unit_id) & UnitMove.to_consented_at.is_(None),
    )
    rows = db.session.execute(
        select(UnitMove, Unit.name)
        .join(Unit, Unit.id == UnitMove.unit_id)
        .where(UnitMove.state == MoveState.ASKED, UnitMove.due_at > now, waits)
        .order_by(UnitMove.due_at, UnitMove.id)
        .limit(LIMIT)
    )
    for row, name in rows:
        yield _item(N_("Move of a unit to answer"), name, "", row, row.id, row.due_at, now)


def _decides_withdrawal(actor: Actor) -> ColumnElement[bool]:
    if actor.has_role(ActorRole.PROVINCE_HRSS):
        return Application.id.is_not(None)
    committees = select(Committee.id).where(Committee.convener_id == actor.unit_id)
    delivered = Application.delivered_at.is_not(None) & Application.committee_id.in_(committees)
    if actor.has_role(ActorRole.HRSS) and actor.unit_path:
        below = select(Unit.id).where(
            Unit.path >= actor.unit_path, Unit.path < actor.unit_path[:-1] + "0"
        )
        return delivered | Application.employer_id.in_(below)
    return delivered


def _province_items(actor: Actor, now: datetime) -> Iterable[WorkItem]:
    if not actor.has_role(ActorRole.PROVINCE_HRSS):
        return
    filings = db.session.scalars(
        select(AuthorityFiling).where(AuthorityFiling.state == FilingState.FILED)
    )
    for filing in filings:
        yield _item(
            N_("Authority filing to approve"),
            filing.committee.name,
            str(filing.plan_year),
            filing,
            filing.id,
            None,
            now,
        )
    proposals = db.session.scalars(
        select(SpecialtyProposal).where(SpecialtyProposal.state == ProposalState.REPORTED)
    )
    for proposal in proposals:
        yield _item(
            N_("Specialty collection form to decide"),
            proposal.series.name,
            proposal.reporting_unit.name,
            proposal,
            proposal.id,
            None,
            now,
        )
    yield from _signatures(actor, now)
    results = db.session.scalars(
        select(ResultFiling)
        .join(ReviewMeeting, ReviewMeeting.id == ResultFiling.meeting_id)
        .where(ResultFiling.state == FilingState.FILED)
    )
    for result in results:
        yield _item(
            N_("Results to confirm"),
            str(result.meeting.committee),
            str(result.meeting.held_on),
            result,
            result.id,
            None,
            now,
        )


def _signatures(actor: Actor, now: datetime) -> Iterable[WorkItem]:
    """What a colleague has asked for and this person may sign as the second one."""
    rows = db.session.execute(
        select(SignatureRequest, Account.first_name, PlanLine.number, Application.number)
        .join(Account, Account.id == SignatureRequest.asked_by_id)
        .outerjoin(PlanLine, PlanLine.id == SignatureRequest.plan_line_id)
        .outerjoin(Application, Application.id == SignatureRequest.application_id)
        .where(
            SignatureRequest.state == SignatureState.ASKED,
            SignatureRequest.expires_at > now,
            SignatureRequest.asked_by_id != actor.account_id,
        )
        .order_by(SignatureRequest.expires_at, SignatureRequest.id)
    )
    for row, name, line, number in rows:
        kind = SIGNATURE_KINDS[row.act]
        yield _item(kind, name, str(number or line), row, row.id, row.expires_at, now)


def count_by_line(criterion: ColumnElement[bool], plan_year: int) -> list[Figure]:
    """Applications of a scope by plan line and state, for the charts of the home page."""
    rows = db.session.execute(
        select(PlanLine.number, Application.state, func.count())
        .join(PlanLine, PlanLine.id == Application.plan_line_id)
        .where(criterion, Application.plan_year == plan_year)
        .group_by(PlanLine.number, Application.state)
        .order_by(PlanLine.number)
    )
    return [Figure(line, state, count) for line, state, count in rows]


def count_submissions_by_hour(
    criterion: ColumnElement[bool], *, now: datetime
) -> list[tuple[datetime, int]]:
    """Submissions of a scope in each of the last hours of the windows open now; hours without any
    are left out, empty where no window is open."""
    hour = func.date_trunc("hour", Application.submitted_at, type_=TZDateTime)
    rows = db.session.execute(
        select(hour, func.count())
        .join(PlanLine, PlanLine.id == Application.plan_line_id)
        .where(
            criterion,
            PlanLine.applications_open_at <= now,
            PlanLine.applications_close_at >= now,
            Application.submitted_at > now - HOURS_SHOWN,
        )
        .group_by(hour)
        .order_by(hour)
    )
    return [(at, int(count)) for at, count in rows]


def count_overruns_by_unit(
    criterion: ColumnElement[bool], plan_year: int
) -> list[tuple[str, int, int]]:
    """(unit, overruns, hours over) of a scope, most overruns first, at most ten units (A5)."""
    rows = db.session.execute(
        select(Unit.name, func.count(), func.coalesce(func.sum(Lapse.hours_over), 0))
        .join(Lapse, Lapse.responsible_unit_id == Unit.id)
        .join(Application, Application.id == Lapse.application_id)
        .where(criterion, Application.plan_year == plan_year)
        .group_by(Unit.id)
        .order_by(func.count().desc(), Unit.name)
        .limit(10)
    )
    return [(name, int(count), int(hours or 0)) for name, count, hours in rows]


def current_plan(*, now: datetime) -> EvaluationPlan | None:
    """The newest plan that has been published by now, or else the newest of all."""
    plans = db.session.scalars(select(EvaluationPlan).order_by(EvaluationPlan.year.desc())).all()
    published = [p for p in plans if p.published_at is not None and p.published_at <= now]
    candidates = published or list(plans)
    return candidates[0] if candidates else None
