"""The access matrix: every route × every role × a row of one's own unit, of another unit of the
county, of another prefecture. What is expected stands in `access_matrix.csv`, to be read in review.

A cell is what the role gets for the three rows: `y` the page (or a refusal of the rules), `n` 404,
`-` 403. Routes without a row in their address have one sign. After a change that is meant:
`MATRIX_WRITE=1 python -m pytest tests/security/test_access_matrix.py`, and read the difference.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import Rule

from app import models as m
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import Account
from app.security.actors import actor_of
from app.security.guard import GRANTS, READING, Grant, may
from app.security.scope import EVERYTHING
from app.security.screens import action_of
from tests.security.planted import PLACES, WORDS, Planted, plant
from tests.test_every_route_is_guarded import OWN as OWN_ROUTES
from tests.test_every_route_is_guarded import method_of, permission_of, rules

FILE = Path(__file__).parent / "access_matrix.csv"
ROLES = [role for role in R if role not in {R.PUBLIC, R.SYSTEM}]
ASKING = {
    R.SYSTEM_ADMIN: "sysadmin",
    R.SECURITY_ADMIN: "security",
    R.AUDIT_ADMIN: "auditor",
    R.PROVINCE_HRSS: "province",
    R.HRSS: "guiyang",
    R.COMPETENT_DEPARTMENT: "housing",
    R.UNIT_ADMIN: "nmdesign",
    R.UNIT_HANDLER: "刘伟",
    R.APPLICANT: "王敏",
    R.COMMITTEE_OFFICE: "office_building_senior",
    R.EXPERT: "樊少华",
    R.CHAIR: "陆海涛",
    R.SUPERVISOR: "supervisor",
}
"""A demo account for each role; in the test it holds this role alone."""

KEYS: dict[str, type] = {
    "application_id": m.Application,
    "meeting_id": m.ReviewMeeting,
    "item_id": m.MeetingItem,
    "sample_item_id": m.AccountSampleItem,
    "proof_id": m.AccountProof,
    "import_proof_id": m.ImportProof,
    "member_id": m.PanelMember,
    "material_id": m.Material,
    "publicity_id": m.Publicity,
    "expert_id": m.Expert,
    "category_id": m.PlanCategory,
    "unit_id": m.Unit,
    "account_id": m.Account,
}
"""Parts of addresses that are keys of a table."""

SAMPLES = {
    "table": "series",
    "action": "return",
    "key": "profile",
    "word": "people",
    "purpose": "report",
    "version": "v1",
    "name": "none",
}
"""What stands in the other parts."""

Cell = str


OTHER_KEYS = {"UnitMoveView.ask": m.Unit, "UnitTreeView.below": m.Unit}
"""Routes whose `pk` is not a key of their screen's table."""


def model_of(app: Flask, rule: Rule, argument: str) -> type | None:
    """The table an argument of a route names."""
    if argument == "pk" and rule.endpoint in OTHER_KEYS:
        return OTHER_KEYS[rule.endpoint]
    if argument == "pk":
        name = rule.endpoint.partition(".")[0]
        for view in app.extensions["appbuilder"].baseviews:
            if view.endpoint == name:
                found: type = view.datamodel.obj
                return found
    return KEYS.get(argument)


def address(app: Flask, rule: Rule, planted: Planted, place: str) -> str:
    """The route's address with the keys of the rows of a place; of any row of tables nobody
    planted."""
    path = rule.rule
    for part in [p.partition(">")[0] for p in path.split("<") if ">" in p]:
        argument = part.rpartition(":")[2]
        model = model_of(app, rule, argument)
        value = SAMPLES.get(argument, "1") if model is None else planted.key(place, model)
        if value is None and model is not None:
            key: Any = db.inspect(model).primary_key[0]
            value = db.session.scalars(select(key).order_by(key)).first()
        path = path.replace(f"<{part}>", str(value if value is not None else 999999999))
    return path


@pytest.fixture
def planted(app: Flask, account: Callable[[str], Account]) -> Planted:
    """The rows of the three places."""
    members = {
        "expert": account(ASKING[R.EXPERT]).person_id,
        "chair": account(ASKING[R.CHAIR]).person_id,
        "applicant": account(ASKING[R.APPLICANT]).person_id,
        "job": account(ASKING[R.UNIT_ADMIN]).id,
    }
    own = account(ASKING[R.UNIT_ADMIN]).unit
    convener = account(ASKING[R.COMMITTEE_OFFICE]).unit
    assert own is not None
    assert convener is not None
    return plant(own, convener, members)


@pytest.fixture
def asking(
    app: Flask, account: Callable[[str], Account], sign_in: Callable[[str], FlaskClient]
) -> Callable[[R], tuple[FlaskClient, Account]]:
    """A signed-in account that holds one role and no other."""

    def enter(role: R) -> tuple[FlaskClient, Account]:
        found = account(ASKING[role])
        found.roles = [app.extensions["appbuilder"].sm.find_role(role.value)]
        db.session.commit()
        return sign_in(ASKING[role]), found

    return enter


def ask(
    app: Flask, client: FlaskClient, rule: Rule, path: str, method: str = ""
) -> tuple[int, str]:
    """One request whose writes are taken back."""
    db.session.commit()
    db.session.remove()
    connection = db.engines[None]
    taken_back = connection.begin_nested()  # type: ignore[union-attr]
    try:
        answer = client.open(path, method=method or method_of(rule))
        return answer.status_code, answer.get_data().decode(errors="replace")
    finally:
        db.session.remove()
        if taken_back.is_active:
            taken_back.rollback()


def sign_of(status: int) -> Cell:
    """The sign of a status."""
    return {403: "-", 404: "n"}.get(status, "y")


@pytest.fixture(scope="module")
def found() -> Iterator[dict[tuple[str, str], dict[str, str]]]:
    """What was found, route by route; written to the file on demand."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    yield rows
    if os.environ.get("MATRIX_WRITE"):
        with FILE.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["method", "route", *(role.value for role in ROLES)])
            for (route, method), cells in sorted(rows.items()):
                writer.writerow([method, route, *(cells.get(role.value, "") for role in ROLES)])


def expected() -> dict[tuple[str, str], dict[str, str]]:
    """The reviewed file."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return {(row["route"], row["method"]): row for row in csv.DictReader(file)}


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_role_gets_what_the_matrix_says_and_sees_no_foreign_word(
    app: Flask,
    role: R,
    planted: Planted,
    asking: Callable[[R], tuple[FlaskClient, Account]],
    found: dict[tuple[str, str], dict[str, str]],
) -> None:
    client, account = asking(role)
    account_id = account.id
    manager = app.extensions["appbuilder"].sm
    granted = manager.get_role_permissions(manager.find_role(role.value))
    hidden = hidden_words(role, account, planted)
    wrong: dict[str, Any] = {}
    for rule in sorted(rules(app), key=lambda r: r.rule):
        asked = permission_of(app, rule)
        is_granted = asked is None or asked in granted
        names_row = any(model_of(app, rule, argument) for argument in rule.arguments)
        cell = ""
        for place in PLACES if names_row and is_granted else PLACES[:1]:
            path = address(app, rule, planted, place)
            status, body = ask(app, client, rule, path)
            cell += sign_of(status)
            where = f"{method_of(rule)} {rule.rule} {place}"
            if status >= 500:
                wrong[where] = status
            elif not is_granted and status != 403:
                wrong[f"{where}: not granted"] = status
            if is_granted and status in {403, 404} and {"GET", "POST"} <= (rule.methods or set()):
                posted, _body = ask(app, client, rule, path, "POST")
                # The form is refused, what it sends must be too: by the rules at the latest.
                if not 400 <= posted < 500 or (status == 404 and posted != 404):
                    wrong[f"POST {rule.rule} {place}"] = posted
            if status != 403 and (seen := {word for word in hidden if word in body}):
                wrong[f"{where}: shows"] = seen
            if is_granted and status not in {403, 404} and foreign(app, rule, planted, place, role):
                account_now = db.session.get_one(Account, account_id)
                wrong.update(unreadable(app, rule, planted, place, role, account_now, where))
        found.setdefault((rule.rule, method_of(rule)), {})[role.value] = cell
    assert wrong == {}
    if not os.environ.get("MATRIX_WRITE"):
        known = expected()
        differs = {
            f"{method} {route}": (known.get((route, method), {}).get(role.value), cells[role.value])
            for (route, method), cells in found.items()
            if role.value in cells
            and known.get((route, method), {}).get(role.value) != cells[role.value]
        }
        assert differs == {}, "what the file says, what the portal does"


def hidden_words(role: R, account: Account, planted: Planted) -> set[str]:
    """The marks of the places from which this role reads neither unit nor person nor application
    nor committee papers."""
    actor = actor_of(account).under(role)
    words = set()
    for place in PLACES:
        rows = [
            db.session.get(model, planted.key(place, model))
            for model in GRANTS
            if planted.key(place, model) is not None and marks(model)
        ]
        if not any(may(actor, action, row) for row in rows for action in ("list", "show")):
            words.add(WORDS[place])
    return words


def marks(model: type) -> bool:
    """Whether the planted row of a table carries the mark of its place (public ones do not)."""
    return model not in {m.Committee, m.CallForApplications, m.MaterialRequirement, m.BackgroundJob}


def foreign(app: Flask, rule: Rule, planted: Planted, place: str, role: R) -> bool:
    """Whether the route names a row with a grant of its own."""
    return any(
        model_of(app, rule, argument) in GRANTS
        and planted.key(place, model_of(app, rule, argument))
        for argument in rule.arguments
    )


def unreadable(
    app: Flask,
    rule: Rule,
    planted: Planted,
    place: str,
    role: R,
    account: Account,
    where: str,
) -> dict[str, Any]:
    """The rows in the address that the guard refuses to this role: the page should have, too."""
    actor = actor_of(account).under(role)
    action = action_of(rule.endpoint.partition(".")[2])
    wrong = {}
    for argument in rule.arguments:
        model = model_of(app, rule, argument)
        if model in GRANTS and planted.key(place, model):
            row = db.session.get(model, planted.key(place, model))
            if not any(may(actor, each, row) for each in (action, "show", "download")):
                wrong[f"{where}: {model.__name__}"] = "open, but the guard says no"
    return wrong


def test_every_table_with_foreign_rows_is_planted(app: Flask, planted: Planted) -> None:
    """A table whose rows are not all for everybody has a row in each place."""
    named = {
        model_of(app, rule, argument) for rule in rules(app) for argument in rule.arguments
    } - {None}
    scoped = {
        model
        for model in named
        if any(grant.scope is not EVERYTHING for grant in GRANTS.get(model, ()) if is_read(grant))
    }
    assert len(scoped) > 15
    assert {
        model.__name__ for model in scoped for place in PLACES if planted.key(place, model) is None
    } == set()


def is_read(grant: Grant) -> bool:
    """Whether a grant is one to read."""
    return bool(grant.actions & READING)


@pytest.mark.skipif("MATRIX_WRITE" in os.environ, reason="the file is being written")
def test_every_route_stands_in_the_file(session_app: Flask) -> None:
    """A new route is classified by a line of the file; a line without a route is taken out."""
    known = set(expected())
    there = {(rule.rule, method_of(rule)) for rule in rules(session_app)}
    assert there - known == set()
    assert known - there == set()


def test_routes_open_to_every_account_are_named(session_app: Flask) -> None:
    loose = {
        rule.endpoint for rule in rules(session_app) if permission_of(session_app, rule) is None
    }
    assert loose <= OWN_ROUTES
