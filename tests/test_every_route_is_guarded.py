"""The access matrix: every route × every role. A route that is not classified fails.

OPEN routes need no sign-in, OWN ones any sign-in; all others carry a permission, and answer 403 to
roles without it and a redirect to the sign-in page to everybody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import Rule

from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Account
from app.security.scope import ScopedInterface

OPEN = {
    "static",
    "appbuilder.static",
    "health.healthz",
    "health.readyz",
    "HomeView.index",
    "PortalAuthView.login",
    "PortalAuthView.logout",
    "LocaleView.index",
    "UtilView.back",
}
OPEN_VIEWS = {"ActivationView", "SignInView", "PublicView", "PublicApi", "PublicLookupApi"}
OWN = {
    "LookupView.find",
    "OwnPasswordView.change",
    "DescriptionApi.get",
    "AccountSecurityView.home",
    "AccountSecurityView.set_up",
    "AccountSecurityView.remove",
    "OwnSessionsView.home",
    "OwnSessionsView.end",
    "OwnSessionsView.end_others",
}

STAND_INS = {
    ActorRole.SYSTEM_ADMIN: "sysadmin",
    ActorRole.SECURITY_ADMIN: "security",
    ActorRole.AUDIT_ADMIN: "auditor",
    ActorRole.PROVINCE_HRSS: "province",
    ActorRole.HRSS: "guiyang",
    ActorRole.COMPETENT_DEPARTMENT: "housing",
    ActorRole.UNIT_ADMIN: "nmdesign",
    ActorRole.APPLICANT: "王敏",
    ActorRole.COMMITTEE_OFFICE: "office_building_senior",
    ActorRole.SUPERVISOR: "supervisor",
}
"""A demo account for each role that can be signed in by name; experts are found by role."""


def rules(app: Flask) -> Iterator[Rule]:
    """Every route that is not open to all."""
    for rule in app.url_map.iter_rules():
        view = rule.endpoint.partition(".")[0]
        if rule.endpoint not in OPEN and view not in OPEN_VIEWS:
            yield rule


def permission_of(app: Flask, rule: Rule) -> tuple[str, str] | None:
    """(permission, view name) the route asks for."""
    view_name, _dot, method = rule.endpoint.partition(".")
    for view in app.extensions["appbuilder"].baseviews:
        if view.endpoint == view_name:
            function = getattr(type(view), method, None)
            name = getattr(function, "_permission_name", None)
            if name is None:
                return None
            mapped = (view.method_permission_name or {}).get(method, name)
            return f"can_{mapped}", view.class_permission_name
    return None


def address_of(rule: Rule) -> str:
    """The route's address with an id nobody has."""
    with_values = dict.fromkeys(rule.arguments, "999999999")
    path = rule.rule
    for part in [p for p in path.split("<") if ">" in p]:
        inside = part.partition(">")[0]
        path = path.replace(f"<{inside}>", with_values[inside.rpartition(":")[2]])
    return path


def method_of(rule: Rule) -> str:
    return (
        "GET"
        if "GET" in (rule.methods or ())
        else sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})[0]
    )


def test_every_route_is_classified(session_app: Flask) -> None:
    unknown = [
        f"{rule.endpoint} {rule.rule}"
        for rule in rules(session_app)
        if rule.endpoint not in OWN and permission_of(session_app, rule) is None
    ]
    assert unknown == []


def test_stock_admin_pages_are_not_there(session_app: Flask) -> None:
    """FAB's own user, role and reset pages write past every scope; none is registered."""
    endpoints = {rule.endpoint.partition(".")[0] for rule in session_app.url_map.iter_rules()}
    stock = {
        "UserDBModelView",
        "RoleModelView",
        "ResetPasswordView",
        "UserInfoEditView",
        "SecurityApi",
    }
    assert endpoints & stock == set()


def test_no_route_downloads_by_file_name(session_app: Flask) -> None:
    assert [
        r.rule for r in session_app.url_map.iter_rules() if "/download/<string:filename>" in r.rule
    ] == []


def test_every_model_view_reads_in_scope(session_app: Flask) -> None:
    unscoped = [
        type(view).__name__
        for view in session_app.extensions["appbuilder"].baseviews
        if getattr(view, "datamodel", None) is not None
        and not isinstance(view.datamodel, ScopedInterface)
    ]
    assert unscoped == []


def test_nothing_changes_by_get(session_app: Flask) -> None:
    """Routes that write take POST alone."""
    writing = ("action", "action_post", "delete")
    loose = [
        rule.rule
        for rule in session_app.url_map.iter_rules()
        if rule.endpoint.partition(".")[2] in writing and "GET" in (rule.methods or ())
    ]
    assert loose == []


def test_public_role_of_fab_is_empty(app: Flask) -> None:
    role = app.extensions["appbuilder"].sm.find_role("Public")
    assert role is not None
    assert role.permissions == []


def test_anonymous_is_sent_to_sign_in(app: Flask, client: FlaskClient) -> None:
    wrong = {}
    for rule in rules(app):
        answer = client.open(address_of(rule), method=method_of(rule))
        is_api = rule.rule.startswith(("/api/", "/lookup/"))
        if answer.status_code != (401 if is_api else 302) or (
            not is_api and "/login/" not in answer.headers.get("Location", "")
        ):
            wrong[f"{method_of(rule)} {rule.rule}"] = answer.status_code
    assert wrong == {}


@pytest.fixture
def stand_in(app: Flask, account: Callable[[str], Account]) -> Callable[[ActorRole], str]:
    """The name of an account with this role and, if possible, no other."""

    def find(role: ActorRole) -> str:
        if role in STAND_INS:
            return STAND_INS[role]
        found = db.session.scalars(
            select(Account).where(Account.roles.any(name=role.value)).order_by(Account.id)
        ).first()
        if found is None:
            pytest.skip(f"no demo account is {role.value}")
        return found.person.name if found.person else found.username

    return find


@pytest.mark.parametrize(
    "role", [r for r in ActorRole if r not in {ActorRole.PUBLIC, ActorRole.SYSTEM}], ids=str
)
def test_role_reaches_what_it_is_granted_and_nothing_else(
    app: Flask,
    role: ActorRole,
    stand_in: Callable[[ActorRole], str],
    sign_in: Callable[[str], FlaskClient],
    account: Callable[[str], Account],
) -> None:
    name = stand_in(role)
    client = sign_in(name)
    manager = app.extensions["appbuilder"].sm
    granted = {
        pair for fab_role in account(name).roles for pair in manager.get_role_permissions(fab_role)
    }
    wrong = {}
    for rule in rules(app):
        permission = permission_of(app, rule)
        answer = client.open(address_of(rule), method=method_of(rule))
        status = answer.status_code
        if status >= 500:
            wrong[f"{method_of(rule)} {rule.rule}"] = status
        elif permission is not None and permission not in granted and status != 403:
            wrong[f"{method_of(rule)} {rule.rule} (not granted)"] = status
        elif permission is not None and permission in granted and status == 403:
            wrong[f"{method_of(rule)} {rule.rule} (granted)"] = status
    assert wrong == {}
