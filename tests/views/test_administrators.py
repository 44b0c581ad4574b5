"""系统、安全、审计 are kept apart: what each may open and change, and no way round."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app import models as m
from app.domain.errors import ConflictError, NotPermittedError
from app.domain.workflow import ActorRole as R
from app.extensions import db, unit_of_work
from app.models import Account, AuditEntry
from app.passwords import hash_password
from app.security.guard import GRANTS
from app.security.guard import READING as READS
from app.services import accounts
from app.services.permissions import role_by_name
from tests.conftest import PASSWORD, at
from tests.factories import make_application, staff
from tests.services.test_applications_parallel import run_at_once

NOW = at("2022-08-03T10:00:00")
LOGINS = {R.SYSTEM_ADMIN: "sysadmin", R.SECURITY_ADMIN: "security", R.AUDIT_ADMIN: "auditor"}
READING = {
    *("can_list", "can_show", "can_home", "can_tree", "can_below", "can_search", "can_proof"),
    *("can_look", "can_history", "can_differences"),
}
LOOKED_AT = {("ScreenEditorView", "can_edit")}
"""Pages under the name of a change that only show: here each change is a POST of its own."""

OWN = {
    ("Notifications", "can_read"),
    ("BackgroundJobView", "can_cancel"),
    ("BackgroundJobView", "can_file"),
    ("BackgroundJobView", "can_progress"),
}
"""What everybody does with the own notifications and jobs."""

CHANGES = {
    R.SYSTEM_ADMIN: {
        ("CalendarView", "can_add"),
        ("CalendarView", "can_edit"),
        ("DictionaryView", "can_add"),
        ("DictionaryView", "can_edit"),
        ("ParameterView", "can_edit"),
        ("ReasonCodeView", "can_add"),
        ("ReasonCodeView", "can_edit"),
        ("Rehearsal clock", "can_set_clock"),
    },
    R.SECURITY_ADMIN: {
        ("AccountView", "can_end_sessions"),
        ("AccountView", "can_lock"),
        ("AccountView", "can_reactivate"),
        ("AccountView", "can_reset"),
        ("AccountView", "can_reveal"),
        ("AccountView", "can_roles"),
        ("AccountView", "can_unlock"),
    },
    R.AUDIT_ADMIN: set(),
}
"""(view, permission) beyond reading: configuration; accounts and roles; nothing."""

BUSINESS = (
    m.Application,
    m.ApplicationVersion,
    m.Material,
    m.Publicity,
    m.Objection,
    m.RoutingStep,
    m.CorrectionRequest,
    m.ReviewMeeting,
    m.Expert,
    m.ResultFiling,
    m.TitleCertificate,
    m.PersonTransfer,
    m.SignatureRequest,
)


def permissions_of(app, role: R) -> set[tuple[str, str]]:
    manager = app.extensions["appbuilder"].sm
    return {
        (view, permission)
        for permission, view in manager.get_role_permissions(role_by_name(role.value))
        if permission != "menu_access"
    }


@pytest.mark.parametrize("role", LOGINS)
def test_each_changes_what_is_the_own_and_nothing_else(app, role):
    beyond = {
        (view, permission)
        for view, permission in permissions_of(app, role)
        if permission not in READING and not view.startswith("Audit")
    } - LOOKED_AT
    assert CHANGES[role] <= beyond
    others = set().union(*(CHANGES[other] for other in LOGINS if other is not role))
    assert beyond & others == set()
    if role is R.AUDIT_ADMIN:
        assert beyond <= OWN


def readers(table: type) -> set[R]:
    """The administrators that read rows of a table."""
    return {g.role for g in GRANTS[table] if g.actions & READS} & set(LOGINS)


def writers() -> set[R]:
    """The roles that write any table."""
    return {g.role for grants in GRANTS.values() for g in grants if g.actions - READS}


@pytest.mark.parametrize("table", BUSINESS, ids=lambda table: table.__name__)
def test_no_administrator_reads_or_writes_the_business(app, table):
    assert {g.role for g in GRANTS.get(table, ())} & set(LOGINS) == set()


def test_accounts_and_audit_are_each_for_one_of_them(app):
    assert readers(m.Account) == {R.SECURITY_ADMIN}
    assert readers(m.Person) == {R.SECURITY_ADMIN}
    assert readers(m.AuditEntry) == {R.AUDIT_ADMIN}
    assert readers(m.PersonalDataRead) == {R.AUDIT_ADMIN}
    assert writers() & set(LOGINS) == {R.SYSTEM_ADMIN}


@pytest.mark.parametrize(
    ("login", "closed"),
    [
        ("sysadmin", ["/accounts/list/", "/audit/list/", "/applications/list/", "/accounts/add"]),
        ("security", ["/parameters/list/", "/audit/list/", "/applications/list/", "/accounts/add"]),
        ("auditor", ["/accounts/list/", "/applications/list/", "/parameters/edit/unit_push_days"]),
    ],
)
def test_pages_of_the_others_and_of_the_business_are_closed(sign_in, login, closed):
    application = make_application()
    db.session.commit()
    client = sign_in(login)
    for path in [*closed, f"/applications/show/{application.id}"]:
        assert client.get(path).status_code == 403, path
    assert client.get("/users/list/").status_code == 404
    assert client.get("/roles/list/").status_code == 404
    assert client.get("/api/v1/security/roles/").status_code == 404


def test_nobody_grants_the_own_role_nor_changes_the_own_ones(app):
    for login, target, wanted in (
        ("security", "province2", {R.SECURITY_ADMIN}),
        ("security", "security", {R.SYSTEM_ADMIN}),
        ("sysadmin", "province2", {R.SYSTEM_ADMIN}),
        ("province", "province2", {R.PROVINCE_HRSS, R.AUDIT_ADMIN}),
    ):
        account_id = staff(target).account_id
        with pytest.raises(NotPermittedError):
            accounts.change_roles(account_id, wanted, actor=staff(login), now=NOW)


def second(role: R, login: str) -> Account:
    """A further administrator, as the operator appoints one."""
    unit_id = staff("province").unit_id
    account = Account(
        username=login,
        first_name=login,
        last_name="",
        email=f"{login}@local.invalid",
        active=True,
        password=hash_password(PASSWORD),
        kind="personal",
        unit_id=unit_id,
        must_change_password=False,
        roles=[role_by_name(role.value)],
    )
    db.session.add(account)
    db.session.flush()
    return account


@pytest.mark.parametrize("role", [R.SYSTEM_ADMIN, R.AUDIT_ADMIN])
def test_last_administrator_is_neither_locked_nor_loses_the_role(app, role):
    account_id = staff(LOGINS[role]).account_id
    actor = staff("security")
    with pytest.raises(ConflictError):
        accounts.set_active(account_id, False, "离职", actor=actor, now=NOW)
    with pytest.raises(ConflictError):
        accounts.change_roles(account_id, {R.SUPERVISOR}, actor=actor, now=NOW)
    made = second(role, "second-admin")
    accounts.set_active(account_id, False, "离职", actor=actor, now=NOW)
    with pytest.raises(ConflictError):
        accounts.set_active(made.id, False, "离职", actor=actor, now=NOW)
    assert db.session.get_one(Account, account_id).active is False


def test_security_administrators_that_lock_each_other_at_once_leave_one(own_app):
    with own_app.app_context():
        with unit_of_work():
            ids = (staff("security").account_id, second(R.SECURITY_ADMIN, "security2").id)
        db.session.remove()
    logins = ("security", "security2")

    def lock(place: int) -> bool:
        other = ids[1 - place % 2]
        return accounts.set_active(
            other, False, "离职", actor=staff(logins[place % 2]), now=NOW
        ).active

    results = run_at_once(own_app, 2, lock)
    assert sorted(str(type(r).__name__) for r in results) == ["ConflictError", "bool"]
    with own_app.app_context():
        active = db.session.scalars(select(Account.active).where(Account.id.in_(ids))).all()
        assert sorted(active) == [False, True]
        assert db.session.scalars(
            select(AuditEntry.id).where(AuditEntry.action == "disable_account")
        ).one()
        db.session.remove()
