"""One decision: role × action × rows × fields, united cell by cell over the roles."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import event, select

from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import Account, AuditEntry, MeetingItem, Person, Unit
from app.security import guard
from app.security.guard import (
    GRANTS,
    NEVER,
    READING,
    Action,
    Grant,
    cells,
    cover,
    criterion,
    decide,
    field_names,
    hidden_in_history,
    may,
    only,
    veil,
    visible_fields,
)
from app.security.scope import EVERYTHING, own_unit, subtree
from app.security.veil import HIDDEN
from app.services.actors import Actor
from tests.services import review_factory as review

NAMES_OF_ALL = Grant(R.SUPERVISOR, Unit, READING, EVERYTHING, only("name"))
ALL_OF_OWN = Grant(R.UNIT_ADMIN, Unit, READING, own_unit(Unit.id))


@pytest.fixture
def two_grants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Role A: all rows, the name alone. Role B: the own unit, every field."""
    monkeypatch.setitem(GRANTS, Unit, [NAMES_OF_ALL, ALL_OF_OWN])


@pytest.fixture
def both(unit: Callable[[str], Unit]) -> Actor:
    """An account that holds both roles."""
    own = db.session.scalars(select(Unit).where(Unit.parent_id.is_not(None))).first()
    assert own is not None
    return Actor(1, "x", frozenset({R.SUPERVISOR, R.UNIT_ADMIN}), own.id, own.path)


@pytest.fixture
def queries(app: Flask) -> Iterator[list[str]]:
    """The statements sent to the database, but the look whether the configuration has changed:
    outside of tests that is once a second, whatever is asked."""
    seen: list[str] = []

    def note(_c: object, _cu: object, statement: str, *_rest: object) -> None:
        if "configuration_generation" not in statement:
            seen.append(statement)

    event.listen(db.engines[None], "before_cursor_execute", note)
    yield seen
    event.remove(db.engines[None], "before_cursor_execute", note)


def test_rows_and_fields_are_not_united_apart(two_grants: None, both: Actor) -> None:
    own = db.session.get_one(Unit, both.unit_id)
    foreign = db.session.scalars(select(Unit).where(Unit.id != both.unit_id)).first()

    assert cells([own, foreign], ["name", "code"], actor=both) == [
        {"name": own.name, "code": own.code},
        {"name": foreign.name, "code": HIDDEN},
    ]
    assert visible_fields(both, Action.SHOW, foreign) == {"id", "name"}
    assert may(both, Action.SHOW, foreign, "name")
    assert not may(both, Action.SHOW, foreign, "code")
    assert may(both, Action.SHOW, own, "code")


def test_a_field_is_asked_only_where_it_is_seen(two_grants: None, both: Actor) -> None:
    """The filter of a list: all rows by name, the own one by code."""
    by_name = db.session.scalars(select(Unit.id).where(criterion(Unit, both, "list", "name"))).all()
    by_code = db.session.scalars(select(Unit.id).where(criterion(Unit, both, "list", "code"))).all()

    assert len(by_name) == db.session.query(Unit).count() > 1
    assert by_code == [both.unit_id]


def test_one_query_for_any_number_of_rows(
    two_grants: None, both: Actor, queries: list[str]
) -> None:
    rows = db.session.scalars(select(Unit)).all()
    queries.clear()
    cells(rows, ["name", "code"], actor=both)

    assert len(rows) > 20
    assert len(queries) == 1


def test_without_a_grant_nothing(app: Flask, both: Actor) -> None:
    entry = AuditEntry()

    assert guard.grants_of(both, AuditEntry, Action.LIST) == []
    assert not may(both, Action.LIST, AuditEntry)
    assert cells([entry], ["reason"], actor=both) == [{"reason": HIDDEN}]
    assert db.session.scalars(select(AuditEntry).where(criterion(AuditEntry, both))).all() == []


def test_a_role_not_held_says_nothing(two_grants: None, both: Actor) -> None:
    own = db.session.get_one(Unit, both.unit_id)

    assert not may(both.under(R.SUPERVISOR), Action.SHOW, own, "code")
    assert decide(both.under(R.HRSS), Action.SHOW, own).roles == ()


def test_an_action_that_is_not_named_is_refused(
    monkeypatch: pytest.MonkeyPatch, both: Actor
) -> None:
    listed = Grant(R.UNIT_ADMIN, Unit, frozenset({Action.LIST}), subtree(Unit.id))
    monkeypatch.setitem(GRANTS, Unit, [listed])
    own = db.session.get_one(Unit, both.unit_id)

    assert may(both, Action.LIST, own)
    assert not may(both, Action.EXPORT, own)
    assert cells([own], ["name"], actor=both, action=Action.EXPORT) == [{"name": HIDDEN}]


def test_the_decision_names_what_denied(two_grants: None, both: Actor) -> None:
    foreign = db.session.scalars(select(Unit).where(Unit.id != both.unit_id)).first()
    verdicts = {
        verdict.role: verdict.verdicts[0]
        for verdict in decide(both, Action.SHOW, foreign, "code").roles
    }

    assert (verdicts[R.SUPERVISOR].has_row, verdicts[R.SUPERVISOR].has_field) == (True, False)
    assert (verdicts[R.UNIT_ADMIN].has_row, verdicts[R.UNIT_ADMIN].has_field) == (False, True)


def test_full_numbers_and_secrets_are_for_nobody(app: Flask) -> None:
    everybody = Actor(1, "x", frozenset(R))
    person = db.session.scalars(select(Person)).first()
    account = db.session.scalars(select(Account)).first()

    for row in (person, account):
        assert visible_fields(everybody, Action.SHOW, row) & NEVER[type(row)] == frozenset()
    assert {"identity_number", "identity_hash", "phone"} <= NEVER[Person]
    assert {"password", "session_stamp"} <= NEVER[Account]
    assert veil(person, everybody).identity_number is HIDDEN
    assert veil(person, everybody).name == person.name


def test_every_named_field_exists(app: Flask) -> None:
    for model, grants in GRANTS.items():
        for grant in grants:
            assert grant.seen_fields(Action.SHOW) <= field_names(model)


def test_a_relation_and_its_column_are_one_field(app: Flask) -> None:
    assert only("parent").of(Unit) == {"id", "parent", "parent_id"}
    assert guard.but("division_code").of(Unit).isdisjoint({"division", "division_code"})


def test_a_veiled_row_is_still_the_row(two_grants: None, both: Actor) -> None:
    foreign = db.session.scalars(select(Unit).where(Unit.id != both.unit_id)).first()
    covered = veil(foreign, both)

    assert isinstance(covered, Unit)
    assert covered == foreign
    assert (covered.name, covered.code) == (foreign.name, HIDDEN)
    assert not covered.code


def test_the_history_of_a_change_hides_what_the_record_hides(
    app: Flask, unit: Callable[[str], Unit]
) -> None:
    """The auditor reads the log, but of a unit neither contact nor telephone, and no secret."""
    auditor = Actor(1, "x", frozenset({R.AUDIT_ADMIN}))
    row = db.session.scalars(select(Unit)).first()
    assert row is not None
    values = {"name": "甲", "contact_phone": "0851", "note": "自由"}

    def shown(kind: str, key: str, values: object) -> object:
        return cover(values, hidden_in_history(auditor, kind, key))

    assert shown("Unit", str(row.id), values) == {
        "name": "甲",
        "contact_phone": HIDDEN,
        "note": "自由",
    }
    assert hidden_in_history(auditor, "Unit", "999999999") >= {"contact_phone", "contact_name"}
    assert shown("Account", "1", {"password": "x"}) == {"password": HIDDEN}
    assert shown("Application", "1", {"state": "draft"}) == {"state": "draft"}
    assert shown("Nothing", "1", {"a": 1}) == {"a": 1}
    assert shown("Unit", "1", None) is None


@pytest.mark.parametrize("hides", [False, True])
def test_an_expert_sees_no_identity_where_the_meeting_hides_it(app: Flask, hides: bool) -> None:
    """rules D3: the same application, the same expert; only the meeting differs."""
    meeting = review.plan_meeting("王敏", hides_identity=hides)
    review.convene(meeting)
    actor = review.expert_actor(review.sign_in(meeting)[0]).under(R.EXPERT)
    item = db.session.scalars(select(MeetingItem).where(MeetingItem.meeting_id == meeting.id)).one()
    row = item.application

    assert may(actor, Action.SHOW, row)
    assert may(actor, Action.SHOW, row, "level")
    for name in ("person", "person_id", "employer", "content", "number"):
        assert may(actor, Action.SHOW, row, name) is not hides
    assert not may(actor, Action.EXPORT, row)
    assert not may(actor, Action.PRINT, row)
    assert cells([row], ["person"], actor=actor)[0]["person"] is (HIDDEN if hides else row.person)
