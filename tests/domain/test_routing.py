"""Routes from the unit tree to the host, and everything that has no route."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.errors import NotPermittedError, RouteError
from app.domain.routing import (
    RouteNode,
    UnitId,
    UnitRef,
    compute_route,
    find_employer,
    must_superior_act,
    require_other_handler,
    route_fits,
)
from app.domain.terms import AdministrativeLevel, ApplicantKind, NodeKind, UnitKind
from tests.domain.moments import CALENDAR, WINDOWS, on

PROVINCE, PREFECTURE, COUNTY = AdministrativeLevel
K = UnitKind

TREE: dict[UnitId, UnitRef] = {
    unit.id: unit
    for unit in (
        UnitRef("province", K.HRSS, PROVINCE, None),
        UnitRef("city", K.HRSS, PREFECTURE, "province"),
        UnitRef("county", K.HRSS, COUNTY, "city"),
        UnitRef("health", K.COMPETENT_DEPARTMENT, PROVINCE, "province", organisation_id="wjw"),
        UnitRef("health office", K.EMPLOYER, None, "province", organisation_id="wjw"),
        UnitRef("city health", K.COMPETENT_DEPARTMENT, PREFECTURE, "city"),
        UnitRef("county health", K.COMPETENT_DEPARTMENT, COUNTY, "county"),
        UnitRef("provincial hospital", K.EMPLOYER, PROVINCE, "health"),
        UnitRef("city hospital", K.EMPLOYER, PREFECTURE, "city health"),
        UnitRef("county hospital", K.EMPLOYER, COUNTY, "county health"),
        UnitRef("branch", K.EMPLOYER, None, "county hospital"),
        UnitRef("company", K.NON_PUBLIC, None, "county"),
        UnitRef("agency", K.DESIGNATED_AGENCY, COUNTY, "county"),
        UnitRef(
            "university",
            K.EMPLOYER,
            PROVINCE,
            "province",
            organisation_id="university",
            is_self_reviewing=True,
        ),
        UnitRef("title office", K.EMPLOYER, None, "university", organisation_id="university"),
        UnitRef("school", K.EMPLOYER, None, "university"),
    )
}


def path(employer: str, host: str, units: dict[UnitId, UnitRef] = TREE) -> list[UnitId]:
    return [node.unit_id for node in compute_route(employer, host, units).nodes]


@pytest.mark.parametrize(
    ("employer", "host", "between"),
    [
        ("provincial hospital", "health", []),  # 主管部门 = host
        ("city hospital", "health", ["city health", "city"]),  # the province drops out
        ("county hospital", "health", ["county health", "county", "city"]),
        ("branch", "health", ["county hospital", "county health", "county", "city"]),
        ("county hospital", "province", ["county health", "county", "city"]),
        ("county hospital", "city", ["county health", "county"]),
        ("county hospital", "county", ["county health"]),
        ("county hospital", "city health", ["county health", "county", "city"]),
        ("city hospital", "city health", []),
        ("company", "county", []),  # C6: the node hosts, so it receives
        ("company", "health", ["county", "city"]),
        ("agency", "health", ["county", "city"]),
        ("county", "health", ["city"]),  # the county plays the employer of a freelancer
        ("county", "county health", []),
        ("province", "health", []),
        ("health", "health", []),
        ("health", "university", []),
        ("university", "university", []),  # C3
        ("university", "title office", []),
        ("title office", "university", []),
        ("school", "university", []),
        ("university", "health", []),
        ("provincial hospital", "health office", []),  # one organisation on the way
    ],
)
def test_route_climbs_from_employer_to_host(
    employer: str, host: str, between: list[UnitId]
) -> None:
    assert path(employer, host) == [employer, *between, host]


def test_neighbours_of_one_organisation_are_merged() -> None:
    units = dict(TREE)
    units["county health"] = replace(units["county health"], organisation_id="one")
    units["county"] = replace(units["county"], organisation_id="one")
    assert path("county hospital", "health", units) == [
        "county hospital",
        "county health",
        "city",
        "health",
    ]
    units["county hospital"] = replace(units["county hospital"], organisation_id="one")
    assert path("county hospital", "health", units) == ["county hospital", "city", "health"]


def test_a_host_outside_the_known_tree_still_ends_the_route() -> None:
    units = TREE | {"host": UnitRef("host", K.EMPLOYER, None, "nobody knows")}
    assert path("company", "host", units) == ["company", "county", "city", "host"]


def test_only_the_own_committee_of_a_self_reviewing_unit_is_its_right() -> None:
    assert compute_route("university", "university", TREE).is_self_reviewed
    assert compute_route("university", "title office", TREE).is_self_reviewed
    assert not compute_route("university", "health", TREE).is_self_reviewed
    assert not compute_route("health", "health", TREE).is_self_reviewed


def test_kinds_and_neighbours_of_the_nodes() -> None:
    route = compute_route("city hospital", "health", TREE)
    assert route.employer == RouteNode("city hospital", NodeKind.EMPLOYER)
    assert route.host == RouteNode("health", NodeKind.HOST)
    assert [node.kind for node in route.relays] == [NodeKind.RELAY, NodeKind.RELAY]
    assert route.next_node(0).unit_id == "city health"
    assert route.next_node(2) == route.host


@pytest.mark.parametrize("position", [-1, 3, 4])
def test_there_is_no_node_beyond_the_host(position: int) -> None:
    with pytest.raises(RouteError, match="no next node"):
        compute_route("city hospital", "health", TREE).next_node(position)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"city": None}, "The unit city on the route does not exist"),
        ({"county hospital": None}, "county hospital on the route does not exist"),
        ({"health": None}, "health on the route does not exist"),
        ({"city": replace(TREE["city"], is_active=False, name="贵阳市人社局")}, "贵阳市人社局"),
        ({"health": replace(TREE["health"], is_active=False)}, "health on the route is not active"),
        ({"county": replace(TREE["county"], parent_id=None)}, "county has no superior unit"),
        ({"city": replace(TREE["city"], parent_id="county")}, "stands above itself"),
    ],
)
def test_a_broken_chain_is_refused(change: dict[UnitId, UnitRef | None], message: str) -> None:
    units = {id: unit for id, unit in (TREE | change).items() if unit is not None}
    with pytest.raises(RouteError, match=message):
        compute_route("county hospital", "health", units)


@pytest.mark.parametrize("kind", [ApplicantKind.FREELANCER, ApplicantKind.SOLE_PROPRIETOR])
def test_agency_or_county_plays_the_employer_of_freelancers(kind: ApplicantKind) -> None:
    assert (
        find_employer(kind, unit_id=None, county_hrss_id="county", agency_id="agency") == "agency"
    )
    assert find_employer(kind, unit_id="company", county_hrss_id="county") == "county"
    with pytest.raises(RouteError, match="No unit answers"):
        find_employer(kind, unit_id="company", county_hrss_id=None)


def test_an_employee_has_the_own_unit() -> None:
    kind = ApplicantKind.EMPLOYEE
    assert find_employer(kind, unit_id=7, county_hrss_id=1, agency_id=2) == 7
    with pytest.raises(RouteError):
        find_employer(kind, unit_id=None, county_hrss_id=1)


def test_nobody_handles_the_own_application() -> None:
    require_other_handler(handler_person_id=1, applicant_person_id=2)
    with pytest.raises(NotPermittedError, match="own application"):
        require_other_handler(handler_person_id=1, applicant_person_id=1)


@pytest.mark.parametrize(("handlers", "expected"), [([1], True), ([1, 2], False), ([], True)])
def test_the_superior_acts_when_only_the_applicant_could(
    handlers: list[UnitId], expected: bool
) -> None:
    assert must_superior_act(handlers, 1) is expected


def test_three_nodes_fit_row_4_and_four_are_warned_about() -> None:
    three = route_fits(WINDOWS[4], compute_route("county hospital", "health", TREE), CALENDAR)
    assert (three.fits, three.relays, three.nodes_that_fit) == (True, 3, 3)
    assert three.due_dates == (on("2022-09-29"), on("2022-10-09"), on("2022-10-12"))
    four = route_fits(WINDOWS[4], compute_route("branch", "health", TREE), CALENDAR)
    assert (four.fits, four.relays) == (False, 4)
    one = route_fits(WINDOWS[4], compute_route("company", "city", TREE), CALENDAR)
    assert one.due_dates == (on("2022-09-29"),)
