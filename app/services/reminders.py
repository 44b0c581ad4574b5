"""Reminders (docs/rules.md 3.5): what is due in one working day, once each."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from app.domain.deadlines import count_working_days_left, is_overdue
from app.domain.terms import DueKind
from app.domain.workflow import State
from app.extensions import db
from app.models import Application, CorrectionRequest, PlanLine, RoutingNode, RoutingStep
from app.services.notifications import notify
from app.services.settings import load_calendar, parameter
from app.services.transitions import account_of_person, accounts_of_unit

LOOK_AHEAD = timedelta(days=14)
"""No holiday is longer; what is due later cannot be one working day away."""


def remind(*, now: datetime) -> int:
    """Tell nodes, applicants and drafts' owners what is due soon; how many notifications were
    due."""
    return _remind_nodes(now) + _remind_units(now) + _remind_corrections(now) + _remind_drafts(now)


def _is_near(due_at: datetime, now: datetime) -> bool:
    limit = int(parameter("reminder_working_days"))
    return now < due_at and count_working_days_left(due_at, load_calendar(), now=now) <= limit


def _remind_nodes(now: datetime) -> int:
    steps = db.session.execute(
        select(RoutingStep, RoutingNode.unit_id)
        .join(RoutingNode, RoutingNode.id == RoutingStep.node_id)
        .where(
            RoutingStep.ended_at.is_(None),
            RoutingStep.forward_due_at.between(now, now + LOOK_AHEAD),
        )
    ).all()
    told = 0
    for step, unit_id in steps:
        if not _is_near(step.forward_due_at, now):
            continue
        for account_id in accounts_of_unit(unit_id):
            told += notify(
                account_id,
                "due_soon",
                key=f"step:{step.id}:{step.forward_due_at.isoformat()}",
                application_id=step.application_id,
                at=now,
            )
    return told


def _remind_units(now: datetime) -> int:
    """The employer, before and once after its D + 10 has passed (A1, A5: a flag, not a lock)."""
    rows = db.session.scalars(
        select(Application).where(
            Application.due_kind == DueKind.UNIT_PUSH,
            Application.due_at.between(now - LOOK_AHEAD, now + LOOK_AHEAD),
        )
    ).all()
    told = 0
    for application in rows:
        due_at = application.due_at
        if due_at is None:
            continue
        kind = "overdue" if is_overdue(due_at, now=now) else "due_soon"
        if kind == "due_soon" and not _is_near(due_at, now):
            continue
        for account_id in accounts_of_unit(application.employer_id):
            told += notify(
                account_id,
                kind,
                key=f"unit_push:{kind}:{application.id}:{due_at.isoformat()}",
                application_id=application.id,
                at=now,
            )
    return told


def _remind_corrections(now: datetime) -> int:
    rows = db.session.execute(
        select(CorrectionRequest, Application)
        .join(Application, Application.id == CorrectionRequest.application_id)
        .where(
            CorrectionRequest.closed_at.is_(None),
            CorrectionRequest.due_at.between(now, now + LOOK_AHEAD),
            Application.state == State.RETURNED,
        )
    ).all()
    told = 0
    for request, application in rows:
        if not _is_near(request.due_at, now):
            continue
        for account_id in account_of_person(application.person_id):
            told += notify(
                account_id,
                "due_soon",
                key=f"correction:{request.id}",
                application_id=application.id,
                at=now,
            )
    return told


def _remind_drafts(now: datetime) -> int:
    rows = db.session.execute(
        select(Application.id, Application.person_id, PlanLine.applications_close_at)
        .join(PlanLine, PlanLine.id == Application.plan_line_id)
        .where(
            Application.state == State.DRAFT,
            PlanLine.applications_close_at.between(now, now + LOOK_AHEAD),
        )
    ).all()
    told = 0
    for application_id, person_id, closes_at in rows:
        if not _is_near(closes_at, now):
            continue
        for account_id in account_of_person(person_id):
            told += notify(
                account_id,
                "due_soon",
                key=f"draft:{application_id}:{closes_at.isoformat()}",
                application_id=application_id,
                at=now,
            )
    return told
