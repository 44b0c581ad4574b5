"""Milestone watch (docs/rules.md 3.5): warn while a missed milestone of a committee can still be
mended."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select

from app.domain.workflow import State
from app.extensions import db
from app.models import Application, Committee, PlanLine
from app.services.notifications import notify
from app.services.reminders import accounts_of_province
from app.services.settings import load_calendar
from app.services.transitions import accounts_of_unit
from app.services.windows import window_of

WARN_AHEAD = timedelta(days=14)
BEFORE_BALLOT = (State.ACCEPTED, State.IN_EXPERT_REVIEW, State.PASSED)
BEFORE_ACCEPTANCE = (State.RECEIVED, State.IN_POLICY_REVIEW)
BEFORE_CONFIRMATION = (State.IN_RESULT_PUBLICITY, State.AWAITING_CONFIRMATION)


def watch(*, now: datetime) -> int:
    """Warn the convening unit and the province once for each milestone at risk; how many
    warnings."""
    told = 0
    calendar = load_calendar()
    for committee, line, waiting in _loads(BEFORE_ACCEPTANCE):
        if now.date() >= line.policy_review_due_on - WARN_AHEAD:
            told += _warn(committee, line, "policy_review_at_risk", waiting, now)
    for committee, line, waiting in _loads(BEFORE_BALLOT):
        if now.date() >= window_of(line).latest_ballot_on(calendar) - WARN_AHEAD:
            told += _warn(committee, line, "online_review_at_risk", waiting, now)
    for committee, line, waiting in _loads(BEFORE_CONFIRMATION):
        if now.date() >= line.online_review_due_on - WARN_AHEAD:
            told += _warn(committee, line, "filing_at_risk", waiting, now)
    return told


def _loads(states: tuple[State, ...]) -> list[tuple[Committee, PlanLine, int]]:
    rows = db.session.execute(
        select(Committee, PlanLine, func.count(Application.id))
        .join(Application, Application.committee_id == Committee.id)
        .join(PlanLine, PlanLine.id == Application.plan_line_id)
        .where(Application.state.in_(states))
        .group_by(Committee.id, PlanLine.id)
    )
    return [(committee, line, int(count)) for committee, line, count in rows]


def _warn(committee: Committee, line: PlanLine, kind: str, waiting: int, now: datetime) -> int:
    told = [*accounts_of_unit(committee.convener_id), *accounts_of_province()]
    return sum(
        notify(
            account_id,
            kind,
            key=f"{kind}:{committee.id}:{line.id}:{line.version}",
            params={"committee": committee.name, "line": line.number, "waiting": waiting},
            at=now,
        )
        for account_id in dict.fromkeys(told)
    )
