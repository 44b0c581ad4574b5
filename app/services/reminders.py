"""Reminders (docs/rules.md 3.5), once each: windows that open or close, what is due in one working
day, filings and expert terms about to expire."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import select

from app.domain.deadlines import count_working_days_left, is_overdue
from app.domain.terms import DueKind, FilingState, TransferState
from app.domain.workflow import ActorRole, State
from app.extensions import db
from app.models import (
    Account,
    Application,
    AuthorityFiling,
    CorrectionRequest,
    Expert,
    PersonTransfer,
    PlanLine,
    RoutingNode,
    RoutingStep,
)
from app.services.notifications import notify
from app.services.settings import load_calendar, parameter
from app.services.transitions import account_of_person, accounts_of_unit

LOOK_AHEAD = timedelta(days=14)
"""No holiday is longer; what is due later cannot be one working day away."""


def remind(*, now: datetime) -> int:
    """Tell everybody concerned what is due, opens or expires soon; how many notifications were
    new."""
    return (
        _remind_nodes(now)
        + _remind_units(now)
        + _remind_corrections(now)
        + _remind_drafts(now)
        + _remind_filings(now)
        + _remind_experts(now)
        + _remind_transfers(now)
    )


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
    """The owners of drafts, once the window is open and again before it closes."""
    rows = db.session.execute(
        select(Application.id, Application.person_id, PlanLine)
        .join(PlanLine, PlanLine.id == Application.plan_line_id)
        .where(
            Application.state == State.DRAFT,
            PlanLine.applications_open_at <= now,
            PlanLine.applications_close_at >= now,
        )
    ).all()
    told = 0
    for application_id, person_id, line in rows:
        kinds = [("window_open", "window", line.applications_open_at)]
        if _is_near(line.applications_close_at, now):
            kinds.append(("due_soon", "draft", line.applications_close_at))
        for account_id in account_of_person(person_id):
            for kind, key, instant in kinds:
                told += notify(
                    account_id,
                    kind,
                    key=f"{key}:{application_id}:{instant.isoformat()}",
                    application_id=application_id,
                    at=now,
                )
    return told


def _expiry_limit(now: datetime) -> date:
    return now.date() + timedelta(days=int(parameter("expiry_reminder_days")))


def _remind_filings(now: datetime) -> int:
    """The convening unit and the province, while a filing can still be renewed (R06, R07)."""
    rows = db.session.scalars(
        select(AuthorityFiling).where(
            AuthorityFiling.state == FilingState.APPROVED,
            AuthorityFiling.valid_to.between(now.date(), _expiry_limit(now)),
        )
    ).all()
    told = 0
    for filing in rows:
        recipients = [*accounts_of_unit(filing.committee.convener_id), *accounts_of_province()]
        for account_id in dict.fromkeys(recipients):
            told += notify(
                account_id,
                "filing_expires",
                key=f"filing:{filing.id}:{filing.valid_to.isoformat()}",
                params={"committee": filing.committee.name, "day": filing.valid_to.isoformat()},
                at=now,
            )
    return told


def _remind_experts(now: datetime) -> int:
    """The expert and the province, before the term ends (R10)."""
    rows = db.session.scalars(
        select(Expert).where(
            Expert.is_active, Expert.term_to.between(now.date(), _expiry_limit(now))
        )
    ).all()
    told = 0
    for expert in rows:
        recipients = [*account_of_person(expert.person_id), *accounts_of_province()]
        for account_id in dict.fromkeys(recipients):
            told += notify(
                account_id,
                "term_expires",
                key=f"term:{expert.id}:{expert.term_to.isoformat()}",
                params={"name": expert.person.name, "day": expert.term_to.isoformat()},
                at=now,
            )
    return told


def _remind_transfers(now: datetime) -> int:
    """The unit whose answer to a transfer is due in one working day (E7)."""
    rows = db.session.scalars(
        select(PersonTransfer).where(
            PersonTransfer.state.in_((TransferState.PROPOSED, TransferState.ASKED)),
            PersonTransfer.due_at.between(now, now + LOOK_AHEAD),
        )
    ).all()
    told = 0
    for row in rows:
        if not _is_near(row.due_at, now):
            continue
        is_proposed = row.state is TransferState.PROPOSED
        for account_id in accounts_of_unit(row.to_unit_id if is_proposed else row.from_unit_id):
            told += notify(
                account_id,
                "transfer_due_soon",
                key=f"transfer:{row.id}:{row.due_at.isoformat()}",
                params={
                    "name": row.person.name,
                    "unit": row.to_unit.name,
                    "transfer": row.id,
                },
                at=now,
            )
    return told


def accounts_of_province() -> list[int]:
    """Who decides at the provincial HRSS department."""
    return list(
        db.session.scalars(
            select(Account.id).where(
                Account.active.is_(True),
                Account.roles.any(name=ActorRole.PROVINCE_HRSS.value),
            )
        )
    )
