"""What the clock does by itself (docs/rules.md 3.5): found in the database, decided through
transition().

A sweep finds applications on an index; `settle_application` then performs everything that has
fallen due for one
of them, in due order and as of the due instant. Both may run late, twice, or on two machines at
once with the same rows in
the end. Nothing here commits: the job or command opens one transaction per application.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, exists, select

from app.domain.deadlines import compute_falls_due_at, is_overdue
from app.domain.terms import LapseKind
from app.domain.workflow import RECEIPT_BOUND_STATES, State
from app.extensions import db
from app.models import (
    Application,
    CorrectionRequest,
    Lapse,
    Objection,
    PlanLine,
    Publicity,
    RoutingNode,
    RoutingStep,
)
from app.services import employer, lapses, publicity, routing
from app.services.actors import SYSTEM

BATCH = 200
"""The most applications one run of a sweep takes up; the rest waits for the next."""

SUBMIT_GRACE = timedelta(seconds=60)
"""The window-close sweep waits the request time-out longer: a submit under way decides first
(rules 3.2)."""

MAX_STEPS = 50
"""No application has more due at once; a guard against a rule that does not advance."""


@dataclass(frozen=True)
class DueItem:
    """One thing that falls due for an application, and what then happens."""

    at: datetime
    name: str
    perform: Callable[[datetime], Any]


def settle_application(application_id: int, *, now: datetime) -> list[str]:
    """Do all that has fallen due for one application by `now`, in due order; the names of what was
    done.

    A row another process is settling is skipped: that process does the same work.
    """
    free = db.session.scalar(
        select(Application.id)
        .where(Application.id == application_id)
        .with_for_update(skip_locked=True, of=Application)
    )
    done: list[str] = []
    while free is not None and len(done) < MAX_STEPS:
        application = db.session.get_one(Application, application_id, populate_existing=True)
        due = next_due(application, now=now)
        if due is None:
            break
        due.perform(due.at)
        db.session.flush()
        done.append(due.name)
    return done


def next_due(application: Application, *, now: datetime) -> DueItem | None:
    """The earliest thing that has fallen due for this application by `now`, if any."""
    items = [item for item in _due_items(application) if item.at <= now]
    return min(items, key=lambda item: item.at) if items else None


def _due_items(application: Application) -> list[DueItem]:
    items: list[DueItem] = []
    for find in (_window_close, _publicity, _auto_forward, _node, _correction, _receipt):
        found = find(application)
        if found is not None:
            items.append(found)
    return items


def _window_close(application: Application) -> DueItem | None:
    if application.state is not State.DRAFT:
        return None
    closes_at = compute_falls_due_at(application.plan_line.applications_close_at)

    def lapse(now: datetime) -> None:
        lapses.lapse_application(
            application.id, LapseKind.NOT_SUBMITTED, at=closes_at, now=now, actor=SYSTEM
        )

    return DueItem(closes_at + SUBMIT_GRACE, "window_close", lapse)


def _publicity(application: Application) -> DueItem | None:
    posting = _open_publicity(application)
    if posting is None:
        return None
    if posting.opened_at is None and application.state is State.IN_EMPLOYER_CHECK:
        if posting.scheduled_for is None:
            return None
        return DueItem(
            posting.scheduled_for,
            "publicity_opening",
            lambda at: publicity.open_scheduled(posting.id, now=at),
        )
    in_period = application.state in {State.IN_PUBLICITY, State.IN_RESULT_PUBLICITY}
    if posting.ends_at is None or not in_period or _has_open_objection(posting):
        return None
    return DueItem(
        posting.ends_at,
        "publicity_expiry",
        lambda at: publicity.close_publicity(application.id, actor=SYSTEM, now=at),
    )


def _auto_forward(application: Application) -> DueItem | None:
    if application.state is State.PUBLICIZED and employer.may_forward_automatically(application):
        return DueItem(
            application.state_since,
            "auto_forward",
            lambda at: routing.forward_application(application.id, actor=SYSTEM, now=at),
        )
    step = _open_step(application)
    if application.state is State.IN_ROUTING and step and step.node.forwards_automatically:
        return DueItem(
            step.received_at,
            "auto_forward",
            lambda at: routing.forward_application(application.id, actor=SYSTEM, now=at),
        )
    return None


def _node(application: Application) -> DueItem | None:
    step = _open_step(application)
    if step is None or _is_noted(step):
        return None
    return DueItem(
        compute_falls_due_at(step.forward_due_at),
        "node_due",
        lambda at: lapses.note_overdue_step(step.id, now=at),
    )


def _correction(application: Application) -> DueItem | None:
    if application.state is not State.RETURNED:
        return None
    request = db.session.scalar(
        select(CorrectionRequest).where(
            CorrectionRequest.application_id == application.id,
            CorrectionRequest.closed_at.is_(None),
        )
    )
    if request is None:
        return None
    due_at = compute_falls_due_at(request.due_at)

    def lapse(now: datetime) -> None:
        lapses.lapse_application(
            application.id, LapseKind.CORRECTION, at=due_at, now=now, actor=SYSTEM
        )

    return DueItem(due_at, "correction_due", lapse)


def _receipt(application: Application) -> DueItem | None:
    if application.state not in RECEIPT_BOUND_STATES or application.delivered_at is not None:
        return None
    due_at = compute_falls_due_at(
        application.reinstated_until or application.plan_line.receipt_due_at
    )

    def lapse(now: datetime) -> None:
        lapses.lapse_application(
            application.id, LapseKind.NOT_DELIVERED, at=due_at, now=now, actor=SYSTEM
        )

    return DueItem(due_at, "receipt_deadline", lapse)


def _open_publicity(application: Application) -> Publicity | None:
    return db.session.scalar(
        select(Publicity).where(
            Publicity.application_id == application.id, Publicity.closed_at.is_(None)
        )
    )


def _has_open_objection(posting: Publicity) -> bool:
    return bool(
        db.session.scalar(
            select(
                exists().where(Objection.publicity_id == posting.id, Objection.finding.is_(None))
            )
        )
    )


def _open_step(application: Application) -> RoutingStep | None:
    return db.session.scalar(
        select(RoutingStep)
        .where(RoutingStep.application_id == application.id, RoutingStep.ended_at.is_(None))
        .order_by(RoutingStep.id.desc())
        .limit(1)
    )


def _is_noted(step: RoutingStep) -> bool:
    return bool(
        db.session.scalar(
            select(
                exists().where(
                    Lapse.step_id == step.id,
                    Lapse.kind == LapseKind.NODE_OVERDUE,
                    Lapse.due_at == step.forward_due_at,
                )
            )
        )
    )


# --------------------------------------------------------------------------- finders


def find_window_close(now: datetime) -> Select[int]:
    """Drafts of a closed row."""
    return (
        select(Application.id)
        .join(PlanLine, PlanLine.id == Application.plan_line_id)
        .where(
            Application.state == State.DRAFT, PlanLine.applications_close_at < now - SUBMIT_GRACE
        )
        .order_by(PlanLine.applications_close_at, Application.id)
    )


def find_publicity_opening(now: datetime) -> Select[int]:
    """Publicities scheduled for now."""
    return (
        select(Publicity.application_id)
        .where(
            Publicity.closed_at.is_(None),
            Publicity.opened_at.is_(None),
            Publicity.scheduled_for <= now,
        )
        .order_by(Publicity.scheduled_for, Publicity.id)
    )


def find_publicity_expiry(now: datetime) -> Select[int]:
    """Publicities whose last day has ended."""
    return (
        select(Publicity.application_id)
        .join(Application, Application.id == Publicity.application_id)
        .where(
            Publicity.closed_at.is_(None),
            Publicity.ends_at <= now,
            Application.state.in_([State.IN_PUBLICITY, State.IN_RESULT_PUBLICITY]),
            ~exists().where(Objection.publicity_id == Publicity.id, Objection.finding.is_(None)),
        )
        .order_by(Publicity.ends_at, Publicity.id)
    )


def find_auto_forward(_now: datetime) -> Select[int]:
    """Publicised applications whose unit chose to forward them, and relay nodes that pass things
    on."""
    chosen = exists().where(
        Publicity.application_id == Application.id, Publicity.forwards_automatically
    )
    relayed = exists().where(
        RoutingStep.application_id == Application.id,
        RoutingStep.ended_at.is_(None),
        RoutingStep.node_id == RoutingNode.id,
        RoutingNode.forwards_automatically,
    )
    return (
        select(Application.id)
        .where(
            ((Application.state == State.PUBLICIZED) & chosen)
            | ((Application.state == State.IN_ROUTING) & relayed)
        )
        .order_by(Application.state_since, Application.id)
    )


def find_node_due(now: datetime) -> Select[int]:
    """Routing steps past their due instant without a lapse on file."""
    return (
        select(RoutingStep.application_id)
        .where(
            RoutingStep.ended_at.is_(None),
            RoutingStep.forward_due_at <= now,
            ~exists().where(
                Lapse.step_id == RoutingStep.id,
                Lapse.kind == LapseKind.NODE_OVERDUE,
                Lapse.due_at == RoutingStep.forward_due_at,
            ),
        )
        .order_by(RoutingStep.forward_due_at, RoutingStep.id)
    )


def find_correction_due(now: datetime) -> Select[int]:
    """Returned applications past their due date."""
    return (
        select(CorrectionRequest.application_id)
        .join(Application, Application.id == CorrectionRequest.application_id)
        .where(
            CorrectionRequest.closed_at.is_(None),
            CorrectionRequest.due_at <= now,
            Application.state == State.RETURNED,
        )
        .order_by(CorrectionRequest.due_at, CorrectionRequest.id)
    )


def find_receipt_deadline(now: datetime) -> Select[int]:
    """Applications no committee has received by the deadline."""
    return (
        select(Application.id)
        .join(PlanLine, PlanLine.id == Application.plan_line_id)
        .where(
            Application.state.in_(RECEIPT_BOUND_STATES),
            Application.delivered_at.is_(None),
            PlanLine.receipt_due_at < now,
            Application.reinstated_until.is_(None) | (Application.reinstated_until < now),
        )
        .order_by(PlanLine.receipt_due_at, Application.id)
    )


FINDERS: dict[str, Callable[[datetime], Select[int]]] = {
    "publicity_opening": find_publicity_opening,
    "publicity_expiry": find_publicity_expiry,
    "auto_forward": find_auto_forward,
    "node_due": find_node_due,
    "correction_due": find_correction_due,
    "receipt_deadline": find_receipt_deadline,
    "window_close": find_window_close,
}
"""The sweeps of docs/rules.md 3.5 by name."""


def find_due(name: str, *, now: datetime, skip: Sequence[int] = ()) -> list[int]:
    """The applications one sweep has to settle, earliest due first, at most BATCH; `skip` leaves
    some out."""
    query = FINDERS[name](now)
    ids = db.session.scalars(query.limit(BATCH + len(skip))).all()
    return [found for found in dict.fromkeys(ids) if found not in set(skip)][:BATCH]


def effective_state(application: Application, *, now: datetime) -> State:
    """The state a reader sees: what the sweeps would make of it by `now`, had they run."""
    due = next_due(application, now=now)
    if due is None:
        return application.state
    match due.name:
        case "publicity_expiry" if application.state is State.IN_RESULT_PUBLICITY:
            return State.AWAITING_CONFIRMATION
        case "publicity_expiry":
            passed = is_overdue(application.plan_line.receipt_due_at, now=now)
            return State.LAPSED if passed else State.PUBLICIZED
        case "publicity_opening":
            return State.IN_PUBLICITY
        case "window_close" | "correction_due" | "receipt_deadline":
            return State.LAPSED
        case _:
            return application.state
