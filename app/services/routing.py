"""推送: from the unit through the nodes to the committee, and the change of a wrong route.

Notice 四(三): the unit pushes within 10 days of the closing day, each later node within 3 working
days of receipt; what has not reached the committee by its receipt deadline cannot be reviewed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.deadlines import (
    compute_forward_due_at,
    count_working_days_left,
    is_overdue,
)
from app.domain.errors import ConflictError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import DueKind, NodeKind
from app.domain.workflow import Action, Guard, State
from app.extensions import db
from app.models import Application, ApplicationEvent, Committee, RoutingNode, RoutingStep, Unit
from app.services import facts, publicity
from app.services.actors import SYSTEM, Actor
from app.services.committee_choice import require_committee_fits
from app.services.extensions import milestone_due_at
from app.services.routes import plan_route
from app.services.settings import load_calendar, parameter
from app.services.transitions import (
    Due,
    Effects,
    account_of_person,
    accounts_of_unit,
    transition,
)

# --------------------------------------------------------------------------- steps


def compute_step_due(application: Application, *, since: datetime) -> Due:
    """Until when a node passes on what it received at `since`: 3 working days, capped (A4)."""
    due_at = compute_forward_due_at(
        since,
        facts.flow_limit_at(application),
        load_calendar(),
        working_days=int(parameter("node_forward_working_days")),
    )
    return facts.make_due(DueKind.NODE_FORWARD, due_at)


def begin_step(application: Application, node: RoutingNode, *, at: datetime, due: Due) -> None:
    """Begin a stay at a node; its time starts with the automatic receipt (A4)."""
    step = RoutingStep(
        node_id=node.id,
        application_id=application.id,
        received_at=at,
        forward_due_at=due.at,
        is_due_provisional=due.is_provisional,
    )
    db.session.add(step)
    db.session.flush()
    application.current_step_id = step.id


def end_step(
    application: Application,
    *,
    at: datetime,
    actor: Actor = SYSTEM,
    opinion: str = "",
    is_forwarded: bool = False,
) -> RoutingStep | None:
    """End the running stay, whatever ends it; returns it, or None when there was none."""
    step = facts.open_step(application)
    if step is None:
        return None
    step.ended_at = at
    step.forwarded_at = at if is_forwarded else None
    step.opinion = opinion
    step.account_id = actor.account_id
    db.session.flush()
    return step


@dataclass(frozen=True)
class Leg:
    """Where an application goes next, and what then runs."""

    state: State
    holder_unit_id: int
    due: Due
    node: RoutingNode | None = None

    def arrive(self, application: Application, *, at: datetime) -> None:
        """Begin the step at a node, or record the delivery to the committee."""
        if self.node is not None and self.state is State.IN_ROUTING:
            begin_step(application, self.node, at=at, due=self.due)
            return
        application.current_step_id = None
        application.delivered_at = application.delivered_at or at


def leg_to(application: Application, node: RoutingNode, *, at: datetime) -> Leg:
    """The way to a node of the route; the host receives automatically (C6)."""
    if node.kind is NodeKind.HOST:
        return Leg(State.RECEIVED, application.committee.convener_id, _review_due(application))
    due = compute_step_due(application, since=at)
    return Leg(State.IN_ROUTING, node.unit_id, due, node)


def leg_back(application: Application, *, at: datetime) -> Leg | None:
    """The way straight back to whoever asked for the correction (B5); None without one."""
    origin = facts.pending_origin(application)
    if origin is None:
        return None
    if origin.returned_from_state in facts.HOST_STATES:
        due = _review_due(application)
        return Leg(State.IN_POLICY_REVIEW, application.committee.convener_id, due)
    node = origin.returned_from_node
    if node is None or node.dropped_at is not None:
        raise ConflictError(
            N_("The node that returned this is no longer on the route. Ask for a new route.")
        )
    return leg_to(application, node, at=at)


def first_relay_leg(application: Application, *, at: datetime) -> Leg:
    """The way to the first node after the unit: the whole route again (B5)."""
    return leg_to(application, facts.route_nodes(application)[1], at=at)


def _review_due(application: Application) -> Due:
    return facts.make_due(
        DueKind.POLICY_REVIEW, milestone_due_at(application, DueKind.POLICY_REVIEW)
    )


# --------------------------------------------------------------------------- forwarding


def forward_application(
    application_id: int,
    *,
    opinion: str = "",
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ApplicationEvent:
    """Pass an application on to the next node or the committee (rows 12 and 13).

    A node gives its opinion; the unit has given its own with the publicity. Late is a flag, not a
    refusal, until the receipt deadline (A5). SYSTEM forwards only what the unit or route chose.
    """

    def decide(application: Application) -> Effects:
        check_forward(application, actor, now=now)
        text = opinion.strip()
        is_node = application.state is State.IN_ROUTING
        if is_node and actor is not SYSTEM:
            text = facts.require_text(opinion, N_("Enter the opinion of your unit."))
        guards = facts.compute_guards(application, now=now)
        guards[Guard.AUTO_FORWARD] = actor is SYSTEM
        leg = _next_leg(application, guards, at=now)

        def apply(application: Application, _state: State) -> None:
            end_step(application, at=now, actor=actor, opinion=text, is_forwarded=True)
            leg.arrive(application, at=now)

        return Effects(
            guards=guards,
            reason=text,
            data={"to_unit": leg.holder_unit_id},
            holder_unit_id=leg.holder_unit_id,
            due=leg.due,
            apply=apply,
            tell=tell_moved(application, leg),
        )

    return transition(
        application_id,
        Action.FORWARD,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
        idempotency_key=idempotency_key,
    )


def _next_leg(application: Application, guards: dict[str, bool], *, at: datetime) -> Leg:
    goes_back = guards.get(Guard.GOES_BACK_TO_HOST) or guards.get(Guard.GOES_BACK_TO_NODE)
    if application.state is State.PUBLICIZED and goes_back:
        back = leg_back(application, at=at)
        if back is not None:
            return back
    return leg_to(application, facts.next_node(application), at=at)


def check_forward(application: Application, actor: Actor, *, now: datetime) -> None:
    """Refuse to forward what may not go on yet, or can no longer arrive in time."""
    facts.require_not_own(application, actor)
    facts.require_receipt_open(application, now=now)
    if application.state is not State.PUBLICIZED:
        if actor is SYSTEM and not _is_passed_on_by_itself(application):
            raise RuleViolation(N_("This node forwards nothing by itself; a person decides."))
        return
    posted = facts.last_publicity(application)
    if posted is None or not facts.is_complete(posted):
        raise RuleViolation(
            N_("The publicity has not run its full working days. Open a new one first.")
        )
    publicity.require_posted(posted)


def _is_passed_on_by_itself(application: Application) -> bool:
    node = facts.current_node(application)
    return bool(node and node.kind is NodeKind.RELAY and node.forwards_automatically)


def tell_moved(application: Application, leg: Leg) -> list[tuple[str, int]]:
    """The applicant and the unit learn that it went on, the new holder that it came."""
    known = facts.merge(
        account_of_person(application.person_id), accounts_of_unit(application.employer_id)
    )
    is_host = leg.state is not State.IN_ROUTING
    there = [a for a in accounts_of_unit(leg.holder_unit_id) if a not in known]
    return [("received" if is_host else "forwarded", a) for a in known] + [
        ("received" if is_host else "arrived", a) for a in there
    ]


# --------------------------------------------------------------------------- another route


def reroute_application(
    application_id: int,
    *,
    target_unit_id: int,
    reason_code: str,
    reason: str,
    committee_id: int | None = None,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
) -> ApplicationEvent:
    """Send a wrongly routed application to another node; the route goes on from there.

    Row 16: by an HRSS department, with a reason, for a wrong superior unit or committee. Raises
    RouteError when no route leads from the target to the committee.
    """

    def decide(application: Application) -> Effects:
        check_reroute(application, actor, now=now)
        chosen = facts.require_reason_code("reroute", reason_code)
        text = facts.require_text(reason, N_("Say why the route is changed."))
        committee = application.committee
        if committee_id is not None and committee_id != committee.id:
            committee = db.session.get_one(Committee, committee_id)
            require_committee_fits(application, committee, on=now.date())
        target = db.session.get_one(Unit, target_unit_id)
        plan = plan_route(target, committee)
        if target.id == committee.convener_id:
            raise RuleViolation(
                N_("The committee's own unit is no node before it. Choose the node in between.")
            )
        due = compute_step_due(application, since=now)
        here = facts.current_node(application)

        def apply(application: Application, _state: State) -> None:
            end_step(application, at=now, actor=actor, opinion="")
            application.committee_id = committee.id
            new = _replace_nodes(application, here, [node.unit for node in plan], at=now)
            begin_step(application, new, at=now, due=due)

        return Effects(
            guards=facts.compute_guards(application, now=now),
            reason=text,
            data=chosen
            | {
                "from_unit": here.unit_id if here else None,
                "to_unit": target.id,
                "committee": committee.id,
            },
            holder_unit_id=target.id,
            due=due,
            apply=apply,
            tell=[
                ("rerouted", account_id)
                for account_id in facts.merge(
                    account_of_person(application.person_id),
                    accounts_of_unit(application.employer_id),
                    accounts_of_unit(application.holder_unit_id),
                    accounts_of_unit(target.id),
                )
            ],
        )

    return transition(
        application_id,
        Action.REROUTE,
        actor=actor,
        now=now,
        decide=decide,
        expected_version=expected_version,
        idempotency_key=idempotency_key,
    )


def check_reroute(application: Application, actor: Actor, *, now: datetime) -> None:
    """Refuse a new route for what can no longer arrive in time."""
    facts.require_not_own(application, actor)
    facts.require_receipt_open(application, now=now)


def _replace_nodes(
    application: Application, here: RoutingNode | None, units: list[Unit], *, at: datetime
) -> RoutingNode:
    """Put other nodes in place of the current and the later ones; the first new one.

    What was reached stays readable as dropped; what was not is removed.
    """
    nodes = list(application.nodes)
    for node in nodes:
        if node.dropped_at is not None or (here and node.position < here.position):
            continue
        if node.steps:
            node.dropped_at = at
        else:
            db.session.delete(node)
    db.session.flush()
    start = max(node.position for node in nodes) + 1
    new = [
        RoutingNode(
            application_id=application.id,
            position=start + place,
            unit_id=unit.id,
            kind=NodeKind.HOST if place == len(units) - 1 else NodeKind.RELAY,
            forwards_automatically=bool(parameter("relay_auto_forward_default")) and place > 0,
        )
        for place, unit in enumerate(units)
    ]
    db.session.add_all(new)
    db.session.flush()
    db.session.expire(application, ["nodes"])
    return new[0]


def describe_route(application: Application, *, now: datetime) -> list[dict[str, Any]]:
    """The route for a page: nodes in order with their stays, what is late and by whom."""
    here = facts.current_node(application)
    calendar = load_calendar()
    rows = []
    for node in application.nodes:
        steps = [
            {
                "received_at": step.received_at,
                "due_at": step.forward_due_at,
                "ended_at": step.ended_at,
                "forwarded_at": step.forwarded_at,
                "opinion": step.opinion,
                "is_late": is_late(step, now=now),
                "days_left": count_working_days_left(step.forward_due_at, calendar, now=now)
                if step.ended_at is None
                else None,
            }
            for step in node.steps
        ]
        is_here = here is not None and here.id == node.id
        rows.append({"node": node, "steps": steps, "is_here": is_here})
    return rows


def is_late(step: RoutingStep, *, now: datetime) -> bool:
    """Whether a stay overran, or overruns now."""
    return is_overdue(step.forward_due_at, now=step.ended_at or now)
