"""Random roles, grants, rows and fields against a naive oracle: no cell shown that no single grant
of a single role gives, and none hidden that one gives; in lists, filters, sorts and exports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask_appbuilder.models.filters import Filters
from flask_appbuilder.models.sqla.filters import FilterEqual, FilterStartsWith
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.terms import AdministrativeLevel, UnitKind
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import Unit
from app.security import scope as scope_module
from app.security.guard import (
    GRANTS,
    Action,
    Fields,
    Grant,
    Reach,
    Scope,
    cells,
    criterion,
    decide,
    may,
    seen_fields,
    veil,
    visible_fields,
)
from app.security.scope import EVERYTHING, ScopedInterface, own_unit, subtree
from app.security.veil import HIDDEN
from app.services.actors import Actor

ROLES = (R.UNIT_ADMIN, R.HRSS, R.SUPERVISOR, R.COMMITTEE_OFFICE)
FIELDS = ("name", "code", "contact_name", "registrar", "address")
ACTIONS = (Action.LIST, Action.SHOW, Action.EXPORT)
TREE = {"p": None, "a": "p", "b": "p", "a1": "a", "a2": "a", "b1": "b", "a1x": "a1"}


class Probe(ScopedInterface):
    """The data model of a list."""

    action = Action.LIST  # type: ignore[assignment]


@dataclass(frozen=True)
class Plan:
    """A grant as the oracle understands it."""

    role: R
    actions: frozenset[Action]
    reach: Reach
    assigned: frozenset[str]
    names: frozenset[str]
    is_exception: bool

    def has_row(self, key: str, home: str | None) -> bool:
        """Whether the row is in reach of an actor of the unit `home`."""
        if self.reach is Reach.ALL:
            return True
        if self.reach is Reach.ASSIGNED:
            return key in self.assigned
        if self.reach is Reach.OWN_UNIT:
            return key == home
        walk: str | None = key
        while walk is not None and walk != home:
            walk = TREE[walk]
        return walk is not None

    def has_field(self, name: str) -> bool:
        """Whether the field is named."""
        return (name in self.names) is not self.is_exception


@dataclass(frozen=True)
class World:
    """Seven units and the keys they go by."""

    rows: dict[str, Unit]

    def grant(self, plan: Plan) -> Grant:
        """The plan as a grant of the portal."""
        ids = [self.rows[key].id for key in sorted(plan.assigned)]
        rows = {
            Reach.ALL: EVERYTHING,
            Reach.SUBTREE: subtree(Unit.id),
            Reach.OWN_UNIT: own_unit(Unit.id),
            Reach.ASSIGNED: Scope(Reach.ASSIGNED, lambda _actor: Unit.id.in_(ids)),
        }[plan.reach]
        return Grant(plan.role, Unit, plan.actions, rows, Fields(plan.names, plan.is_exception))

    def actor(self, roles: frozenset[R], home: str | None) -> Actor:
        """An account of the unit `home`."""
        unit = self.rows[home] if home else None
        return Actor(1, "x", roles, unit.id if unit else None, unit.path if unit else "")


@pytest.fixture
def world(app: Flask) -> World:
    """Seven units below one another, each field with values of its own."""
    rows: dict[str, Unit] = {}
    for number, (key, parent) in enumerate(TREE.items()):
        above = rows[parent] if parent else None
        unit = Unit(
            name=f"n{(number * 5) % 7}",
            kind=UnitKind.EMPLOYER,
            level=AdministrativeLevel.COUNTY,
            code=f"RANDOM{(number * 3) % 7}",
            parent=above,
            division_code="520000",
            contact_name=f"c{(number * 2) % 7}",
            registrar=f"r{(number * 4) % 7}",
            address=f"d{(number * 6) % 7}",
        )
        db.session.add(unit)
        db.session.flush()
        unit.path = f"{above.path if above else '/'}{unit.id}/"
        rows[key] = unit
    db.session.flush()
    return World(rows)


names = st.frozensets(st.sampled_from(FIELDS))
plans = st.builds(
    Plan,
    role=st.sampled_from(ROLES),
    actions=st.frozensets(st.sampled_from(ACTIONS), min_size=1),
    reach=st.sampled_from((Reach.ALL, Reach.SUBTREE, Reach.OWN_UNIT, Reach.ASSIGNED)),
    assigned=st.frozensets(st.sampled_from(sorted(TREE))),
    names=names,
    is_exception=st.booleans(),
)
many = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
asked = given(
    given_plans=st.lists(plans, max_size=6),
    roles=st.frozensets(st.sampled_from(ROLES)),
    home=st.sampled_from([None, *TREE]),
    field=st.sampled_from(FIELDS),
    is_up=st.booleans(),
)


class Oracle:
    """Cell by cell, grant by grant, nothing else."""

    def __init__(self, given_plans: list[Plan], roles: frozenset[R], home: str | None) -> None:
        self.plans = [plan for plan in given_plans if plan.role in roles]
        self.home = home

    def rows(self, action: Action) -> set[str]:
        """The rows that are there at all."""
        return {
            key
            for key in TREE
            for plan in self.plans
            if action in plan.actions and plan.has_row(key, self.home)
        }

    def shows(self, action: Action, key: str, name: str) -> bool:
        """Whether one grant gives this cell."""
        return any(
            action in plan.actions and plan.has_row(key, self.home) and plan.has_field(name)
            for plan in self.plans
        )

    def cell(self, action: Action, key: str, name: str, row: Unit) -> Any:
        """What stands in the cell."""
        return getattr(row, name) if self.shows(action, key, name) else HIDDEN


@many
@asked
def test_no_cell_more_and_none_less(
    app: Flask,
    world: World,
    given_plans: list[Plan],
    roles: frozenset[R],
    home: str | None,
    field: str,
    is_up: bool,
) -> None:
    actor = world.actor(roles, home)
    oracle = Oracle(given_plans, roles, home)
    keys = {row.id: key for key, row in world.rows.items()}
    with pytest.MonkeyPatch.context() as patch, app.test_request_context():
        patch.setitem(GRANTS, Unit, [world.grant(plan) for plan in given_plans])
        patch.setattr(scope_module, "current_actor", lambda: actor)
        check_cells(world, actor, oracle)
        check_list(oracle, keys, field, is_up=is_up)
        for row in world.rows.values():
            check_filter(oracle, keys, field, getattr(row, field), world)


def check_cells(world: World, actor: Actor, oracle: Oracle) -> None:
    """Every way to ask gives the oracle's answer, for rows in and out of scope."""
    rows = list(world.rows.values())
    for action in ACTIONS:
        expected = [
            {name: oracle.cell(action, key, name, row) for name in FIELDS}
            for key, row in world.rows.items()
        ]
        assert cells(rows, FIELDS, actor=actor, action=action) == expected
        seen = seen_fields(rows, actor=actor, action=action)
        for key, visible in zip(world.rows, seen, strict=True):
            assert visible & {*FIELDS} == {n for n in FIELDS if oracle.shows(action, key, n)}
    key, row = next(iter(world.rows.items()))
    assert bool(visible_fields(actor, Action.SHOW, row)) == (key in oracle.rows(Action.SHOW))
    for name in FIELDS:
        shown = oracle.shows(Action.SHOW, key, name)
        assert may(actor, Action.SHOW, row, name) is shown
        assert decide(actor, Action.SHOW, row, name).allowed is shown
        assert getattr(veil(row, actor), name) == oracle.cell(Action.SHOW, key, name, row)


def check_list(oracle: Oracle, keys: dict[int, str], field: str, *, is_up: bool) -> None:
    """The rows of a list, its cells, and an order that says nothing of hidden values."""
    interface = Probe(Unit)
    _count, found = interface.query(
        only_these(interface, keys), field, "asc" if is_up else "desc", 0, 100
    )
    assert {keys[row.id] for row in found} == oracle.rows(Action.LIST)
    shown = list(interface.get_values(found, list(FIELDS)))
    for row, values in zip(found, shown, strict=True):
        for name in FIELDS:
            assert values[name] == oracle.cell(Action.LIST, keys[row.id], name, row)
    seen = [values[field] for values in shown if values[field] is not HIDDEN]
    hidden = [row.id for row, v in zip(found, shown, strict=True) if v[field] is HIDDEN]
    assert [values[field] for values in shown[: len(seen)]] == sorted(seen, reverse=not is_up)
    assert hidden == sorted(hidden)


def check_filter(
    oracle: Oracle, keys: dict[int, str], field: str, value: str, world: World
) -> None:
    """A filter finds a row by a value only where that value is shown."""
    interface = Probe(Unit)
    filters = only_these(interface, keys).add_filter(field, FilterEqual, value)
    count, found = interface.query(filters, page=0, page_size=100)
    expected = {
        key
        for key in oracle.rows(Action.LIST)
        if oracle.shows(Action.LIST, key, field) and getattr(world.rows[key], field) == value
    }
    assert {keys[row.id] for row in found} == expected
    assert count == len(expected)


def only_these(interface: Probe, keys: dict[int, str]) -> Filters:
    """A filter to the units of the test, on a column that is always granted."""

    class Among(FilterStartsWith):
        def apply(self, query: Any, value: Any) -> Any:
            return query.filter(Unit.id.in_(list(keys)))

    return Filters(interface.filter_converter_class, interface).add_filter("id", Among, "")


def test_the_oracle_finds_a_guard_that_unites_rows_and_fields_apart(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test can fail: the union of all rows and all fields differs from it."""
    plans_ = [
        Plan(R.HRSS, frozenset(ACTIONS), Reach.ALL, frozenset(), frozenset({"name"}), False),
        Plan(R.UNIT_ADMIN, frozenset(ACTIONS), Reach.OWN_UNIT, frozenset(), frozenset(), True),
    ]
    roles = frozenset({R.HRSS, R.UNIT_ADMIN})
    actor = world.actor(roles, "a")
    monkeypatch.setitem(GRANTS, Unit, [world.grant(plan) for plan in plans_])
    every_field = frozenset().union(*(g.seen_fields(Action.SHOW) for g in GRANTS[Unit]))
    ids = set(db.session.scalars(app_rows(actor)))

    assert world.rows["b"].id in ids
    assert "code" in every_field
    assert not Oracle(plans_, roles, "a").shows(Action.LIST, "b", "code")
    assert not may(actor, Action.LIST, world.rows["b"], "code")


def app_rows(actor: Actor) -> Any:
    """The rows of a list."""
    return db.select(Unit.id).where(criterion(Unit, actor))
