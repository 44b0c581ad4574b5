"""What an action rests on, read from the rows: route, limits, guards of the table (rules 3.2)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import exists, select

from app.domain.calendar import BEIJING
from app.domain.deadlines import compute_forward_due_at, is_overdue
from app.domain.errors import RouteError, RuleViolation
from app.domain.messages import N_
from app.domain.routing import must_superior_act, require_other_handler
from app.domain.terms import DueKind, NodeKind, PublicityKind, ReturnTarget
from app.domain.workflow import UNIT_ROLES, ActorRole, Guard, State
from app.extensions import db
from app.models import (
    Account,
    Application,
    ApplicationEvent,
    CorrectionRequest,
    MeetingItem,
    Objection,
    Publicity,
    ReasonCode,
    RoutingNode,
    RoutingStep,
)
from app.services import contents
from app.services.actors import Actor
from app.services.extensions import milestone_due_at
from app.services.settings import calendar_version, load_calendar, parameter
from app.services.transitions import Due
from app.services.windows import window_of

BEYOND_UNIT = frozenset({State.IN_ROUTING, State.RECEIVED, State.IN_POLICY_REVIEW, State.ACCEPTED})
"""Where an application comes back to after a correction somebody above the unit asked for."""

HOST_STATES = BEYOND_UNIT - {State.IN_ROUTING}

# --------------------------------------------------------------------------- route


def route_nodes(application: Application) -> list[RoutingNode]:
    """The nodes that count, employer first, host last; what a re-route took off is left out."""
    return [node for node in application.nodes if node.dropped_at is None]


def open_step(application: Application) -> RoutingStep | None:
    """The stay at a node that has not ended."""
    return db.session.scalar(
        select(RoutingStep)
        .where(RoutingStep.application_id == application.id, RoutingStep.ended_at.is_(None))
        .order_by(RoutingStep.id.desc())
        .limit(1)
    )


def current_node(application: Application) -> RoutingNode | None:
    """Where the application lies on its route: the open step's node, else the employer."""
    step = open_step(application)
    if step is not None:
        return step.node
    nodes = route_nodes(application)
    return nodes[0] if nodes else None


def next_node(application: Application) -> RoutingNode:
    """The node after the current one; RouteError when the route ends here (C6)."""
    here = current_node(application)
    nodes = [n for n in route_nodes(application) if here and n.position > here.position]
    if not nodes:
        raise RouteError(N_("The application has reached the committee; there is no next node."))
    return nodes[0]


def has_relays(application: Application) -> bool:
    """Whether somebody stands between the employer and the host."""
    return any(node.kind is NodeKind.RELAY for node in route_nodes(application))


# --------------------------------------------------------------------------- limits


def receipt_limit_at(application: Application) -> datetime:
    """The receipt deadline: Annex 1, or the date a reinstatement set (row 21)."""
    return application.reinstated_until or application.plan_line.receipt_due_at


def flow_limit_at(application: Application) -> datetime:
    """What caps every step now: the receipt deadline, after delivery the policy-review deadline."""
    if application.delivered_at is None:
        return receipt_limit_at(application)
    return milestone_due_at(application, DueKind.POLICY_REVIEW)


def require_receipt_open(application: Application, *, now: datetime) -> None:
    """Refuse to move on what can no longer reach the committee in time (R44, row 20)."""
    limit = receipt_limit_at(application)
    if application.delivered_at is None and is_overdue(limit, now=now):
        raise RuleViolation(
            N_(
                "The receipt deadline %(limit)s has passed, so the application cannot be "
                "reviewed this year. Only the provincial HRSS department can reinstate it."
            ),
            limit=show_instant(limit),
        )


def unit_push_due(application: Application) -> Due:
    """24:00 of D + 10, when the unit should have pushed; a flag, not a lock (notice 四(三), A1)."""
    calendar = load_calendar()
    days = int(parameter("unit_push_days"))
    due_at = window_of(application.plan_line).unit_push_due_at(calendar, days=days)
    return make_due(DueKind.UNIT_PUSH, due_at)


def recheck_due(application: Application, *, since: datetime) -> Due:
    """When a unit must have handed a correction back: the nodes' own limit, capped (row 18)."""
    due_at = compute_forward_due_at(
        since,
        flow_limit_at(application),
        load_calendar(),
        working_days=int(parameter("node_forward_working_days")),
    )
    return make_due(DueKind.UNIT_PUSH, due_at)


def make_due(kind: DueKind, at: datetime) -> Due:
    """A due instant, marked provisional when its year has no published arrangement yet."""
    day = at.astimezone(BEIJING).date()
    return Due(kind, at, load_calendar().is_provisional(day, day))


def show_instant(instant: datetime) -> str:
    """2022-09-15 17:00, for messages."""
    return instant.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M")


# ------------------------------------------------------------------ publicity, corrections


def open_publicity_of(application: Application) -> Publicity | None:
    """The publicity that is scheduled, running or on hold."""
    return db.session.scalar(
        select(Publicity).where(
            Publicity.application_id == application.id, Publicity.closed_at.is_(None)
        )
    )


def last_publicity(application: Application) -> Publicity | None:
    """The employer's latest publicity that has been opened."""
    return db.session.scalar(
        select(Publicity)
        .where(
            Publicity.application_id == application.id,
            Publicity.kind == PublicityKind.EMPLOYER,
            Publicity.opened_at.is_not(None),
        )
        .order_by(Publicity.id.desc())
        .limit(1)
    )


def is_complete(publicity: Publicity) -> bool:
    """Whether a publicity ran its full days and no objection was upheld."""
    if publicity.closed_at is None or publicity.ends_at is None:
        return False
    return publicity.closed_at >= publicity.ends_at and not _has_objection(publicity, upheld=True)


def has_open_objection(publicity: Publicity) -> bool:
    """Whether an objection still waits for its finding."""
    return _has_objection(publicity, upheld=False)


def _has_objection(publicity: Publicity, *, upheld: bool) -> bool:
    fits = Objection.finding == "upheld" if upheld else Objection.finding.is_(None)
    return bool(
        db.session.scalar(select(exists().where(Objection.publicity_id == publicity.id, fits)))
    )


def open_correction(application: Application) -> CorrectionRequest | None:
    """The return that has not been settled."""
    return db.session.scalar(
        select(CorrectionRequest).where(
            CorrectionRequest.application_id == application.id,
            CorrectionRequest.closed_at.is_(None),
        )
    )


def pending_origin(application: Application) -> CorrectionRequest | None:
    """The return from beyond the unit that the application still has to go back to (B5)."""
    origin = db.session.scalar(
        select(CorrectionRequest)
        .where(
            CorrectionRequest.application_id == application.id,
            CorrectionRequest.returned_from_state.in_(BEYOND_UNIT),
        )
        .order_by(CorrectionRequest.id.desc())
        .limit(1)
    )
    if origin is None:
        return None
    went_back = db.session.scalar(
        select(
            exists().where(
                ApplicationEvent.application_id == application.id,
                ApplicationEvent.at > origin.at,
                ApplicationEvent.to_state.in_(BEYOND_UNIT),
            )
        )
    )
    return None if went_back else origin


def has_changed_publicised(application: Application) -> bool:
    """Whether a field shown in the last full publicity differs now, so a new one is due (B4).

    Compares the version that was posted with the latest; without a full publicity: yes.
    """
    posted = last_publicity(application)
    if posted is None or posted.opened_at is None or not is_complete(posted):
        return True
    before = contents.content_at(application, posted.opened_at)
    after = contents.latest_content(application)
    with_achievements = bool(parameter("publicity_shows_achievements"))
    definition = application.form_version.definition
    return contents.pick_publicised(
        definition, before, with_achievements=with_achievements
    ) != contents.pick_publicised(definition, after, with_achievements=with_achievements)


def has_changed_eligibility(application: Application, origin: CorrectionRequest) -> bool:
    """Whether the correction touched what eligibility rests on: then the whole route again (B5)."""
    before = contents.content_at(application, origin.at)
    return contents.pick_eligibility(before) != contents.pick_eligibility(
        contents.latest_content(application)
    )


# --------------------------------------------------------------------------- guards


def compute_guards(application: Application, *, now: datetime) -> dict[str, bool]:
    """Every guard rows can tell; SUBMIT_ARRIVED_IN_TIME and RESULT_* are the caller's."""
    return {
        **_route_guards(application),
        **_publicity_guards(application, now),
        **_correction_guards(application, now),
        Guard.NOT_YET_RECEIVED: application.delivered_at is None,
        Guard.UNIT_CANNOT_ACT: unit_cannot_act(application),
        Guard.BALLOT_NOT_OPENED: not _is_ballot_opened(application),
    }


def _route_guards(application: Application) -> dict[str, bool]:
    if application.state not in {State.PUBLICIZED, State.IN_ROUTING}:
        return {}
    try:
        following = next_node(application)
    except RouteError:
        return {}
    is_host = following.kind is NodeKind.HOST
    return {Guard.NEXT_NODE_IS_HOST: is_host, Guard.NEXT_NODE_IS_RELAY: not is_host}


def _publicity_guards(application: Application, now: datetime) -> dict[str, bool]:
    posting = open_publicity_of(application)
    if posting is None or posting.ends_at is None:
        return {}
    is_over = now >= posting.ends_at
    is_employer = posting.kind is PublicityKind.EMPLOYER
    return {
        Guard.PERIOD_RUNS: not is_over,
        Guard.PERIOD_OVER: is_over,
        Guard.PERIOD_OVER_WITHOUT_OBJECTION: is_over and not has_open_objection(posting),
        Guard.IN_EMPLOYER_STAGE: is_employer,
        Guard.IN_RESULT_STAGE: not is_employer,
    }


def _correction_guards(application: Application, now: datetime) -> dict[str, bool]:
    awaits = application.returned_to
    guards: dict[str, bool] = {
        Guard.AWAITS_APPLICANT: awaits is ReturnTarget.APPLICANT,
        Guard.AWAITS_UNIT: awaits is ReturnTarget.UNIT,
        Guard.AWAITS_NODE: awaits is ReturnTarget.NODE,
    }
    request = open_correction(application)
    if application.state is State.RETURNED and request is not None:
        guards[Guard.CORRECTION_OVERDUE] = is_overdue(request.due_at, now=now)
    origin = pending_origin(application)
    if origin is None:
        return guards
    goes_all_the_way = (
        awaits not in {ReturnTarget.UNIT, ReturnTarget.NODE}
        and has_relays(application)
        and has_changed_eligibility(application, origin)
    )
    at_host = origin.returned_from_state in HOST_STATES
    return guards | {
        Guard.PUBLICISED_FIELDS_CHANGED: has_changed_publicised(application),
        Guard.ELIGIBILITY_FIELDS_CHANGED: goes_all_the_way,
        Guard.GOES_BACK_TO_HOST: at_host and not goes_all_the_way,
        Guard.GOES_BACK_TO_NODE: not at_host and not goes_all_the_way,
    }


def unit_cannot_act(application: Application) -> bool:
    """Whether the unit that plays the employer has no handler but the applicant (C7)."""
    names = [role.value for role in UNIT_ROLES | {ActorRole.HRSS}]
    handlers = db.session.scalars(
        select(Account.person_id).where(
            Account.unit_id == application.employer_id,
            Account.active.is_(True),
            Account.roles.any(Role.name.in_(names)),
        )
    ).all()
    return must_superior_act(
        [person_id if person_id is not None else 0 for person_id in handlers],
        application.person_id,
    )


def _is_ballot_opened(application: Application) -> bool:
    return bool(
        db.session.scalar(
            select(
                exists().where(
                    MeetingItem.application_id == application.id,
                    MeetingItem.ballot_opened_at.is_not(None),
                )
            )
        )
    )


# --------------------------------------------------------------------------- what every action asks


def require_not_own(application: Application, actor: Actor) -> None:
    """Refuse that somebody handles the own application (C7, row 8)."""
    if actor.person_id is not None:
        require_other_handler(
            handler_person_id=actor.person_id, applicant_person_id=application.person_id
        )


def require_text(value: str, template: str) -> str:
    """The text without blanks around it; RuleViolation with `template` when there is none."""
    text = value.strip()
    if not text:
        raise RuleViolation(template)
    return text


def reason_codes(use: str) -> list[ReasonCode]:
    """The reasons to choose from for an action, e.g. "return" (R50)."""
    return list(
        db.session.scalars(
            select(ReasonCode)
            .where(ReasonCode.use == use, ReasonCode.is_active.is_(True))
            .order_by(ReasonCode.position, ReasonCode.id)
        )
    )


def require_reason_code(use: str, code: str) -> dict[str, Any]:
    """The chosen reason as an event keeps it; RuleViolation when it is none of the list."""
    for row in reason_codes(use):
        if row.code == code:
            return {"reason_code": row.code, "reason_name": row.name}
    raise RuleViolation(N_("Choose a reason from the list."))


def merge(*lists: Iterable[int]) -> list[int]:
    """Account ids without repetition, in order."""
    return list(dict.fromkeys(account_id for ids in lists for account_id in ids))


def use_calendar(application: Application) -> None:
    """Note which arrangements a due date outside a transition rests on."""
    application.calendar_version = calendar_version()
