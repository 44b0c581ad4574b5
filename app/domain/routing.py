"""The route of an application: from the employer up the unit tree to the committee's host.

Notice 二 names the stages (单位审核、主管部门推荐、人力资源社会保障部门评审（推荐）);
Annex 3's account tree says who stands above whom. Rules C1-C7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from app.domain.calendar import WorkingCalendar
from app.domain.errors import NotPermittedError, RouteError
from app.domain.messages import N_
from app.domain.plan import PlanWindow
from app.domain.terms import AdministrativeLevel, ApplicantKind, NodeKind, RouteGap, UnitKind

UnitId = int | str


@dataclass(frozen=True, slots=True)
class UnitRef:
    """What the rules need to know of a unit.

    `organisation_id` is shared by units that are one organisation (主管部门 = host); `level` is
    None for units without an administrative level of their own.
    """

    id: UnitId
    kind: UnitKind
    level: AdministrativeLevel | None
    parent_id: UnitId | None
    organisation_id: UnitId | None = None
    is_active: bool = True
    is_self_reviewing: bool = False
    name: str = ""
    division_code: str = ""

    @property
    def is_province_hrss(self) -> bool:
        """Whether this is the provincial HRSS department, the root of the tree."""
        return self.kind is UnitKind.HRSS and self.level is AdministrativeLevel.PROVINCE

    def is_same_organisation(self, other: UnitRef) -> bool:
        """Return whether both are one organisation, so that a step between them is idle."""
        if self.id == other.id:
            return True
        return self.organisation_id is not None and self.organisation_id == other.organisation_id


@dataclass(frozen=True, slots=True)
class RouteNode:
    """A place on the route."""

    unit_id: UnitId
    kind: NodeKind


@dataclass(frozen=True, slots=True)
class Route:
    """Employer first, relay nodes in order, host last; frozen at submission.

    `is_self_reviewed`: the employer reviews by its own right (自主评审), so the result is filed
    with the HRSS department instead of being confirmed by it (R69, C3).
    """

    nodes: tuple[RouteNode, ...]
    is_self_reviewed: bool = False

    @property
    def employer(self) -> RouteNode:
        """The node that checks, publicises and pushes first."""
        return self.nodes[0]

    @property
    def host(self) -> RouteNode:
        """The committee's convening unit."""
        return self.nodes[-1]

    @property
    def relays(self) -> tuple[RouteNode, ...]:
        """The nodes between employer and host."""
        return self.nodes[1:-1]

    def next_node(self, position: int) -> RouteNode:
        """Return the node after `position` (0 = employer); the host has none (C6).

        Raises RouteError at the host: a unit that hosts the committee receives, it does not pass
        on.
        """
        if not 0 <= position < len(self.nodes) - 1:
            raise RouteError(
                N_("The application has reached the committee; there is no next node.")
            )
        return self.nodes[position + 1]


def compute_route(employer_id: UnitId, host_id: UnitId, units: Mapping[UnitId, UnitRef]) -> Route:
    """Return the route from the employer to the committee's host (C1, C3).

    Climbs from parent to parent to the host or to the lowest unit above both; drops the provincial
    HRSS department unless it hosts; merges neighbours that are one organisation.
    Raises RouteError when a unit on the way is missing, inactive or without a superior (C2).
    """
    employer = _get_active(employer_id, units)
    host = _get_active(host_id, units)
    relays: list[UnitRef] = []
    for unit in _climb_to_host(employer, host, units):
        neighbour = relays[-1] if relays else employer
        if not unit.is_province_hrss and not unit.is_same_organisation(neighbour):
            relays.append(unit)
    nodes = (
        RouteNode(employer.id, NodeKind.EMPLOYER),
        *(RouteNode(unit.id, NodeKind.RELAY) for unit in relays),
        RouteNode(host.id, NodeKind.HOST),
    )
    is_self_reviewed = employer.is_self_reviewing and employer.is_same_organisation(host)
    return Route(nodes, is_self_reviewed)


def _climb_to_host(
    employer: UnitRef, host: UnitRef, units: Mapping[UnitId, UnitRef]
) -> list[UnitRef]:
    """Return the units above the employer, up to the first that is, or stands above, the host."""
    above_host = _ancestor_ids(host, units)
    climbed: list[UnitRef] = []
    seen = {employer.id}
    unit = employer
    while not unit.is_same_organisation(host):
        if unit.id in above_host or unit.is_province_hrss:
            break
        unit = _get_superior(unit, units)
        if unit.id in seen:
            raise RouteError(
                N_(
                    "%(unit)s stands above itself in the unit tree. "
                    "Ask the HRSS department to correct its superior unit."
                ),
                unit=_show(unit),
                gap=RouteGap.ABOVE_ITSELF,
            )
        seen.add(unit.id)
        climbed.append(unit)
    if climbed and climbed[-1].is_same_organisation(host):
        climbed.pop()
    return climbed


def _ancestor_ids(host: UnitRef, units: Mapping[UnitId, UnitRef]) -> set[UnitId]:
    """Return the ids above the host; where its own chain is broken, as far as it is known."""
    ids: set[UnitId] = set()
    parent_id = host.parent_id
    while parent_id is not None and parent_id in units and parent_id not in ids:
        ids.add(parent_id)
        parent_id = units[parent_id].parent_id
    return ids


def _get_active(unit_id: UnitId, units: Mapping[UnitId, UnitRef]) -> UnitRef:
    unit = units.get(unit_id)
    if unit is None:
        raise RouteError(
            N_(
                "The unit %(unit)s on the route does not exist. "
                "Ask the HRSS department to enter the superior unit."
            ),
            unit=unit_id,
            gap=RouteGap.NOT_ENTERED,
        )
    if not unit.is_active:
        raise RouteError(
            N_(
                "%(unit)s on the route is not active. Your unit asks the HRSS department to "
                "activate it or to name another superior unit; then submit again."
            ),
            unit=_show(unit),
            gap=RouteGap.NOT_ACTIVE,
        )
    return unit


def _get_superior(unit: UnitRef, units: Mapping[UnitId, UnitRef]) -> UnitRef:
    if unit.parent_id is None:
        raise RouteError(
            N_(
                "%(unit)s has no superior unit. Your unit asks the HRSS department to enter it; "
                "then submit again."
            ),
            unit=_show(unit),
            gap=RouteGap.NO_SUPERIOR,
        )
    return _get_active(unit.parent_id, units)


def _show(unit: UnitRef) -> str:
    return unit.name or str(unit.id)


def find_employer(
    applicant_kind: ApplicantKind,
    *,
    unit_id: UnitId | None,
    county_hrss_id: UnitId | None,
    agency_id: UnitId | None = None,
) -> UnitId:
    """Return the unit that plays the employer: review, publicity, push (C4, R45).

    Freelancers and sole proprietors have the designated agency, else the HRSS department of their
    county. Raises RouteError when nobody can play it.
    """
    if applicant_kind is ApplicantKind.EMPLOYEE:
        employer_id = unit_id
    else:
        employer_id = agency_id if agency_id is not None else county_hrss_id
    if employer_id is None:
        raise RouteError(
            N_(
                "No unit answers for this applicant. Ask the HRSS department of the county to "
                "enter the unit or the designated agency."
            )
        )
    return employer_id


def require_other_handler(*, handler_person_id: UnitId, applicant_person_id: UnitId) -> None:
    """Refuse that an applicant handles the own application (C7, row 8)."""
    if handler_person_id == applicant_person_id:
        raise NotPermittedError(
            N_(
                "Nobody handles their own application. Let another handler of the unit do it, "
                "or the superior unit."
            )
        )


def must_superior_act(handler_person_ids: Iterable[UnitId], applicant_person_id: UnitId) -> bool:
    """Return whether the unit has no handler but the applicant, so its superior acts (C7)."""
    return all(handler == applicant_person_id for handler in handler_person_ids)


@dataclass(frozen=True, slots=True)
class RouteFit:
    """Whether the relay nodes have their full time before the receipt deadline; a warning only."""

    relays: int
    nodes_that_fit: int
    due_dates: tuple[date, ...]

    @property
    def fits(self) -> bool:
        """Whether every relay node has its three working days."""
        return self.relays <= self.nodes_that_fit


def route_fits(window: PlanWindow, route: Route, calendar: WorkingCalendar) -> RouteFit:
    """Compare a route with the nodes that fit after the unit (C1): warn about longer chains."""
    due_dates = window.node_due_dates(calendar)
    return RouteFit(len(route.relays), len(due_dates), due_dates[: len(route.relays)])
