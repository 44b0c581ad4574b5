"""流转路线: from the employer up the unit tree to the committee's convening unit; shown before,
frozen at submission.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from app.domain.eligibility import Finding
from app.domain.messages import N_
from app.domain.plan import PlanWindow
from app.domain.routing import Route, RouteNode, UnitId, UnitRef, compute_route, find_employer
from app.domain.routing import route_fits as compute_fit
from app.domain.terms import ApplicantKind, FindingKind, NodeKind, UnitKind
from app.extensions import db
from app.models import Application, Committee, PersonnelAffiliation, RoutingNode, Unit
from app.services.form_definition import INFO
from app.services.settings import load_calendar
from app.services.transitions import unit_chain


@dataclass(frozen=True)
class NodePlan:
    """A place on the route before it is frozen."""

    unit: Unit
    kind: NodeKind


def unit_ref(unit: Unit) -> UnitRef:
    """A unit as the rules of the route see it."""
    return UnitRef(
        id=unit.id,
        kind=unit.kind,
        level=unit.level,
        parent_id=unit.parent_id,
        is_active=unit.is_active,
        is_self_reviewing=unit.is_self_reviewing,
        name=unit.name,
        division_code=unit.division_code,
    )


def plan_route(employer: Unit, committee: Committee) -> list[NodePlan]:
    """The nodes from the employer (first) to the committee's host (last), rules C1-C6.

    Raises RouteError when a unit on the way is missing, inactive or without a superior.
    """
    units = {unit.id: unit for unit in [*unit_chain(employer), *unit_chain(committee.convener)]}
    units |= {employer.id: employer, committee.convener_id: committee.convener}
    refs: dict[UnitId, UnitRef] = {unit_id: unit_ref(unit) for unit_id, unit in units.items()}
    route = compute_route(employer.id, committee.convener_id, refs)
    return [NodePlan(units[int(node.unit_id)], node.kind) for node in route.nodes]


def employer_of(affiliation: PersonnelAffiliation) -> Unit:
    """The unit that plays the employer: the own one, or the agency or county HRSS department (C4,
    R45).
    """
    unit = affiliation.unit
    is_agency = unit.kind is UnitKind.DESIGNATED_AGENCY
    is_employee = affiliation.applicant_kind is ApplicantKind.EMPLOYEE
    found = find_employer(
        affiliation.applicant_kind,
        unit_id=unit.id if is_employee else None,
        county_hrss_id=unit.id if unit.kind is UnitKind.HRSS else None,
        agency_id=unit.id if is_agency else None,
    )
    return db.session.get_one(Unit, found)


def freeze_route(application: Application, plan: Sequence[NodePlan]) -> list[RoutingNode]:
    """Write the route of an application; position 0 is the employer, the last one the host."""
    nodes = [
        RoutingNode(
            application_id=application.id, position=place, unit_id=node.unit.id, kind=node.kind
        )
        for place, node in enumerate(plan)
    ]
    db.session.add_all(nodes)
    db.session.flush()
    return nodes


def route_dates(window: PlanWindow, plan: Sequence[NodePlan]) -> list[tuple[NodePlan, date | None]]:
    """Each node with the last day it would have; None for a node the calendar leaves no full
    time.
    """
    calendar = load_calendar()
    due = window.node_due_dates(calendar)
    shown: list[tuple[NodePlan, date | None]] = []
    for place, node in enumerate(plan):
        if place == 0:
            shown.append((node, window.unit_push_due_on(calendar)))
        elif node.kind is NodeKind.HOST:
            shown.append((node, window.receipt_due_at.date()))
        else:
            shown.append((node, due[place - 1] if place <= len(due) else None))
    return shown


def route_warning(window: PlanWindow, plan: Sequence[NodePlan]) -> Finding | None:
    """A warning when the chain is longer than the time before the receipt deadline allows (C1)."""
    route = Route(tuple(RouteNode(node.unit.id, node.kind) for node in plan))
    fit = compute_fit(window, route, load_calendar())
    if fit.fits:
        return None
    return Finding(
        FindingKind.WARNING,
        "route_is_long",
        N_(
            "%(relays)s units stand between your unit and the committee; only %(fitting)s have "
            "their "
            "full time before %(receipt)s. Submit early and ask your unit to forward early."
        ),
        INFO,
        {
            "relays": fit.relays,
            "fitting": fit.nodes_that_fit,
            "receipt": window.receipt_due_at.strftime("%Y-%m-%d %H:%M"),
        },
    )
