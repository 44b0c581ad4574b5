"""退回与补正: one complete list of defects, a due date, and the way back (3.4, B1-B5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.domain.deadlines import compute_correction_due_at, is_overdue
from app.domain.errors import (
    ConflictError,
    NotPermittedError,
    RuleViolation,
    TransitionNotAllowedError,
)
from app.domain.messages import N_
from app.domain.terms import DueKind, NodeKind, ReturnTarget
from app.domain.workflow import ACTION_LABELS, STATE_LABELS, Action, ActorRole, State
from app.extensions import db
from app.models import Application, ApplicationEvent, CorrectionRequest, PolicyReview, RoutingNode
from app.services import contents, facts, publicity, routing
from app.services.actors import Actor
from app.services.extensions import milestone_due_at, require_milestone
from app.services.settings import load_calendar, parameter
from app.services.transitions import (
    Effects,
    account_of_person,
    accounts_of_unit,
    transition,
)

TARGETS: dict[State, tuple[ReturnTarget, ...]] = {
    State.IN_EMPLOYER_CHECK: (ReturnTarget.APPLICANT,),
    State.ON_HOLD: (ReturnTarget.APPLICANT,),
    State.IN_ROUTING: (ReturnTarget.APPLICANT, ReturnTarget.UNIT),
    State.RECEIVED: (ReturnTarget.APPLICANT, ReturnTarget.UNIT, ReturnTarget.NODE),
    State.IN_POLICY_REVIEW: (ReturnTarget.APPLICANT, ReturnTarget.NODE),
    State.ACCEPTED: (ReturnTarget.APPLICANT, ReturnTarget.UNIT, ReturnTarget.NODE),
}
"""To whom an application may be returned from a state (rules 3.4)."""


@dataclass(frozen=True)
class Defects:
    """What a return says: the reason, the one complete list, the sections it unlocks."""

    reason_code: str
    items: Sequence[dict[str, str]]
    unlocked_sections: Sequence[str]
    note: str = ""


def return_application(
    application_id: int,
    *,
    target: ReturnTarget,
    reason_code: str,
    items: Sequence[dict[str, str]],
    unlocked_sections: Sequence[str],
    note: str = "",
    node_id: int | None = None,
    due_at: datetime | None = None,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ApplicationEvent:
    """Return an application once, with everything that is wrong (rows 6, 14 and 23, rules 3.4).

    `items` are {section, field, text}; `node_id` names the node of the route that forgot its
    opinion or seal (target NODE). The due date is a node's three, the host's five working days,
    never past the deadline that applies; `due_at` may only shorten it. Raises RuleViolation for an
    empty list or a limit used up, NotPermittedError with less than one working day left.
    """
    defects = Defects(reason_code, items, unlocked_sections, note)

    def decide(application: Application) -> Effects:
        check_return(application, actor, now=now)
        if application.state is State.ON_HOLD:
            raise ConflictError(N_("An objection is open. Decide the objection instead."))
        return build_return(
            application, target, defects, node_id=node_id, due_at=due_at, actor=actor, now=now
        )

    return transition(
        application_id,
        Action.RETURN,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
        idempotency_key=idempotency_key,
    )


def build_return(
    application: Application,
    target: ReturnTarget,
    defects: Defects,
    *,
    node_id: int | None = None,
    due_at: datetime | None = None,
    actor: Actor,
    now: datetime,
) -> Effects:
    """What a return does; also the upheld objection's way back to the applicant (row 10)."""
    chosen = facts.require_reason_code("return", defects.reason_code)
    _require_target(application, target, actor)
    _require_times(application, target, actor)
    items = _require_items(application, target, defects)
    node = _require_node(application, node_id) if target is ReturnTarget.NODE else None
    due = _require_due(application, due_at, actor, now)
    from_state = application.state
    returner_id = application.holder_unit_id or application.employer_id
    here = facts.current_node(application) if from_state is State.IN_ROUTING else None
    holder = {
        ReturnTarget.APPLICANT: None,
        ReturnTarget.UNIT: application.employer_id,
        ReturnTarget.NODE: node.unit_id if node else None,
    }[target]
    sections = list(defects.unlocked_sections) if target is ReturnTarget.APPLICANT else []
    is_exception = _is_province(actor)

    def apply(application: Application, _state: State) -> None:
        routing.end_step(application, at=now, actor=actor)
        publicity.close_posting(application, at=now, note="returned")
        publicity.close_correction(application, at=now)
        db.session.add(
            CorrectionRequest(
                application_id=application.id,
                returned_by_unit_id=actor.unit_id or returner_id,
                returned_from_state=from_state,
                returned_from_node_id=here.id if here else None,
                target=target,
                reason_code=defects.reason_code,
                items=items,
                unlocked_sections=sections,
                note=defects.note.strip(),
                at=now,
                due_at=due,
            )
        )
        if here is not None and not is_exception:
            here.returns_used += 1
        if from_state is State.IN_POLICY_REVIEW and actor.account_id is not None:
            db.session.add(
                PolicyReview(
                    application_id=application.id,
                    account_id=actor.account_id,
                    conclusion="return",
                    reason_code=defects.reason_code,
                    opinion=defects.note.strip(),
                    at=now,
                )
            )

    return Effects(
        guards=facts.compute_guards(application, now=now),
        reason=defects.note.strip() or "; ".join(item["text"] for item in items),
        data=chosen
        | {
            "target": target.value,
            "items": items,
            "unlocked_sections": sections,
            "due_at": due.isoformat(),
            "exception": is_exception,
        },
        holder_unit_id=holder,
        due=facts.make_due(DueKind.CORRECTION, due),
        returned_to=target,
        apply=apply,
        tell=_tell_returned(application, actor, holder),
    )


def check_return(application: Application, actor: Actor, *, now: datetime) -> None:
    """Refuse where nothing more may be returned: own application, limit used up, too late."""
    if application.state not in TARGETS:
        raise TransitionNotAllowedError(
            state=STATE_LABELS[application.state], action=ACTION_LABELS[Action.RETURN]
        )
    facts.require_not_own(application, actor)
    facts.require_receipt_open(application, now=now)
    if _is_province(actor):
        return
    if application.state is State.IN_POLICY_REVIEW:
        require_milestone(application, DueKind.POLICY_REVIEW, now=now)
        if not _allowed_targets(application):
            raise RuleViolation(
                N_("The one correction notice of the committee has been used. Accept or reject.")
            )
    if application.state is State.IN_ROUTING:
        _require_node_return_left(application)


def allowed_targets(application: Application, actor: Actor) -> list[ReturnTarget]:
    """To whom this actor may still return this application."""
    targets = TARGETS.get(application.state, ())
    if _is_province(actor) or application.state is not State.IN_POLICY_REVIEW:
        return list(targets)
    return _allowed_targets(application)


def _allowed_targets(application: Application) -> list[ReturnTarget]:
    limits = {
        ReturnTarget.APPLICANT: int(parameter("host_correction_times")),
        ReturnTarget.NODE: int(parameter("host_procedural_return_times")),
    }
    return [t for t, limit in limits.items() if _count_host_returns(application, t) < limit]


def _count_host_returns(application: Application, target: ReturnTarget) -> int:
    """How often this committee's office has returned it; the province's exceptions aside."""
    events = db.session.scalars(
        select(ApplicationEvent.data).where(
            ApplicationEvent.application_id == application.id,
            ApplicationEvent.action == Action.RETURN,
            ApplicationEvent.from_state == State.IN_POLICY_REVIEW,
            ApplicationEvent.role == ActorRole.COMMITTEE_OFFICE,
            ApplicationEvent.unit_id == application.committee.convener_id,
        )
    )
    return sum(data.get("target") == target.value for data in events)


def _require_node_return_left(application: Application) -> None:
    node = facts.current_node(application)
    limit = int(parameter("node_return_times"))
    if node is not None and node.returns_used >= limit:
        raise RuleViolation(
            N_(
                "This node has used its %(limit)s return. Forward the application or decline it; "
                "a further return is for the provincial HRSS department."
            ),
            limit=limit,
        )


def _is_province(actor: Actor) -> bool:
    return actor.has_role(ActorRole.PROVINCE_HRSS)


def _require_target(application: Application, target: ReturnTarget, actor: Actor) -> None:
    targets = TARGETS.get(application.state, ())
    if _is_province(actor) and application.state is State.IN_POLICY_REVIEW:
        targets = TARGETS[State.ACCEPTED]
    if target not in targets:
        raise RuleViolation(
            N_("From here the application cannot be returned to that place. Choose another one.")
        )


def _require_times(application: Application, target: ReturnTarget, actor: Actor) -> None:
    if _is_province(actor):
        return
    if application.state is State.IN_ROUTING:
        _require_node_return_left(application)
    if application.state is State.IN_POLICY_REVIEW and target not in _allowed_targets(application):
        raise RuleViolation(
            N_("The one correction notice of the committee has been used. Accept or reject.")
        )


def _require_items(
    application: Application, target: ReturnTarget, defects: Defects
) -> list[dict[str, Any]]:
    known = contents.section_labels(application)
    items = [
        {
            "section": item.get("section", ""),
            "field": item.get("field", ""),
            "text": item.get("text", "").strip(),
        }
        for item in defects.items
    ]
    if not items or not all(item["text"] for item in items):
        raise RuleViolation(
            N_("Say everything that has to be corrected, once and completely, one defect a line.")
        )
    if target is not ReturnTarget.APPLICANT:
        return items
    if not defects.unlocked_sections:
        raise RuleViolation(N_("Choose the sections the applicant may change."))
    unknown = [key for key in defects.unlocked_sections if key not in known]
    outside = [i for i in items if i["section"] and i["section"] not in defects.unlocked_sections]
    if unknown or outside:
        raise RuleViolation(
            N_("A defect names a section that is not unlocked. Tick that section as well.")
        )
    return items


def _require_node(application: Application, node_id: int | None) -> RoutingNode:
    nodes = [n for n in facts.route_nodes(application) if n.kind is not NodeKind.HOST]
    for node in nodes:
        if node.id == node_id:
            return node
    raise RuleViolation(N_("Choose the node of the route that has to complete its part."))


# --------------------------------------------------------------------------- due date


def compute_due(application: Application, actor: Actor, *, now: datetime) -> datetime:
    """When a return made now must be back (rows 6, 14 and 23); the form shows it."""
    at_host = application.state in facts.HOST_STATES
    is_host_origin = application.delivered_at is not None
    key = "host_correction_working_days" if at_host else "node_correction_working_days"
    limit = (
        milestone_due_at(application, DueKind.POLICY_REVIEW)
        if at_host or is_host_origin
        else facts.receipt_limit_at(application)
    )
    return compute_correction_due_at(
        now,
        limit,
        load_calendar(),
        working_days=int(parameter(key)),
        is_granted_by_province=_is_province(actor),
    )


def _require_due(
    application: Application, due_at: datetime | None, actor: Actor, now: datetime
) -> datetime:
    """What the rules give; the unit and the province may choose another date (row 6, 3.4)."""
    limit = facts.flow_limit_at(application)
    chooses = _is_province(actor) or application.state in {State.IN_EMPLOYER_CHECK, State.ON_HOLD}
    if due_at is None:
        return compute_due(application, actor, now=now)
    latest = limit if chooses else compute_due(application, actor, now=now)
    if due_at <= now:
        raise RuleViolation(N_("The due date has passed already. Choose a later one."))
    if due_at > latest:
        raise RuleViolation(
            N_("The due date can be %(latest)s at the latest. Choose an earlier one."),
            latest=facts.show_instant(latest),
        )
    return due_at


def count_nodes_behind(application: Application) -> int:
    """How many relay nodes still come: shown as a warning, never subtracted (row 14)."""
    here = facts.current_node(application)
    return sum(
        node.kind is NodeKind.RELAY and here is not None and node.position > here.position
        for node in facts.route_nodes(application)
    )


def _tell_returned(
    application: Application, actor: Actor, holder: int | None
) -> list[tuple[str, int]]:
    between = [
        accounts_of_unit(node.unit_id)
        for node in application.nodes
        if node.steps and node.unit_id != actor.unit_id
    ]
    told = facts.merge(
        account_of_person(application.person_id),
        accounts_of_unit(application.employer_id),
        accounts_of_unit(holder),
        *between,
    )
    return [("returned", account_id) for account_id in told]


# ------------------------------------------------------------------ answered by unit or node


def answer_return(
    application_id: int,
    *,
    text: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ApplicationEvent:
    """Send back what was returned to the unit or to a node, with what was put right (3.4).

    The applicant has no part in it. Raises ConflictError after the due date.
    """

    def decide(application: Application) -> Effects:
        check_answer(application, actor, now=now)
        answer = facts.require_text(text, N_("Say what has been put right."))
        leg = routing.leg_back(application, at=now)
        if leg is None:
            raise ConflictError

        def apply(application: Application, _state: State) -> None:
            request = publicity.close_correction(application, at=now)
            if request is not None:
                request.resubmitted_at = now
            leg.arrive(application, at=now)

        return Effects(
            guards=facts.compute_guards(application, now=now),
            reason=answer,
            data={"to_unit": leg.holder_unit_id},
            holder_unit_id=leg.holder_unit_id,
            due=leg.due,
            apply=apply,
            tell=[("resubmitted", a) for a in accounts_of_unit(leg.holder_unit_id)],
        )

    return transition(
        application_id,
        Action.RESUBMIT,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
        idempotency_key=idempotency_key,
    )


def check_answer(application: Application, actor: Actor, *, now: datetime) -> None:
    """Refuse an answer that is not the actor's to give, or comes after the due date (row 19)."""
    if application.returned_to is ReturnTarget.APPLICANT:
        raise NotPermittedError(N_("The application awaits the applicant's correction."))
    facts.require_not_own(application, actor)
    facts.require_receipt_open(application, now=now)
    request = facts.open_correction(application)
    if request is not None and is_overdue(request.due_at, now=now):
        raise ConflictError(N_("The due date of the correction has passed."))
