"""Suspension of unused staff accounts and their reactivation, on the real clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app.domain.errors import ConflictError, NotPermittedError, RuleViolation
from app.extensions import db
from app.models import Account, AuditEntry
from app.services import dormancy
from app.services.dormancy import SuspendedAccountError
from tests.conftest import PASSWORD, at
from tests.factories import staff

USED = at("2026-01-01T08:30:00")
DUE = USED + timedelta(days=90)
SECOND = timedelta(seconds=1)


@pytest.fixture
def production(app: Flask) -> Iterator[Flask]:
    """The site as in production: nothing is suspended in a rehearsal."""
    app.config["PORTAL_MODE"] = "production"
    yield app
    app.config["PORTAL_MODE"] = "rehearsal"


def used(login: str, at_: datetime = USED) -> Account:
    """An account last signed in with at this instant."""
    account = db.session.get_one(Account, staff(login).account_id)
    account.last_login = at_.replace(tzinfo=None)
    account.created_on = at("2025-01-01T08:00:00").replace(tzinfo=None)
    db.session.flush()
    return account


def rest(at_: datetime = DUE) -> None:
    """Let everybody have signed in just now."""
    for account in db.session.scalars(select(Account)):
        account.last_login = at_.replace(tzinfo=None)
    db.session.flush()


def test_staff_account_is_suspended_after_ninety_days_to_the_second(production: Flask):
    rest()
    account = used("zunyi")
    stamp = account.session_stamp
    assert dormancy.suspend_dormant(now=DUE - SECOND) == 0
    assert dormancy.suspend_dormant(now=DUE) == 1
    assert account.suspended_at == DUE
    assert account.session_stamp == stamp + 1
    assert dormancy.suspend_dormant(now=DUE + SECOND) == 0
    assert db.session.scalars(
        select(AuditEntry.object_id).where(AuditEntry.action == "suspend_account")
    ).all() == [str(account.id)]


@pytest.mark.parametrize("login", ["王敏", "nmdesign", "gzhospital"])
def test_applicants_and_unit_accounts_never_are(production: Flask, login):
    rest()
    account = used(login)
    assert dormancy.suspend_dormant(now=DUE + timedelta(days=1000)) >= 0
    assert account.suspended_at is None
    assert not dormancy.is_suspended(account, now=DUE + timedelta(days=1000))


def test_experts_never_are(production: Flask):
    rest()
    expert = db.session.scalars(
        select(Account).where(Account.roles.any(name="expert")).limit(1)
    ).one()
    assert not dormancy.is_suspended(expert, now=DUE + timedelta(days=1000))


def test_nothing_is_suspended_in_a_rehearsal(app: Flask):
    account = used("zunyi")
    assert dormancy.suspend_dormant(now=DUE + timedelta(days=1000)) == 0
    dormancy.require_not_suspended(account, now=DUE + timedelta(days=1000))


def test_creation_counts_for_who_has_never_signed_in(production: Flask):
    account = used("zunyi")
    account.last_login = None
    account.created_on = USED.replace(tzinfo=None)
    assert not dormancy.is_suspended(account, now=DUE - SECOND)
    assert dormancy.is_suspended(account, now=DUE)


def test_days_come_from_the_parameter(production: Flask):
    from app.models import Parameter

    db.session.get_one(Parameter, "dormant_account_days").value = 30
    account = used("zunyi")
    assert dormancy.is_suspended(account, now=USED + timedelta(days=30))


@pytest.mark.parametrize(
    ("login", "whom"),
    [
        ("zunyi", "贵州省人力资源和社会保障厅"),
        ("nanming", "贵阳市人力资源和社会保障局"),
        ("nmhousing", "南明区人力资源和社会保障局"),
        ("supervisor", "贵州省人力资源和社会保障厅"),
        ("province", "security administrator"),
        ("sysadmin", "security administrator"),
        ("security", "security administrator"),
    ],
)
def test_refusal_says_whom_to_ask_before_any_job_has_run(production: Flask, login, whom):
    account = used(login)
    dormancy.require_not_suspended(account, now=DUE - SECOND)
    with pytest.raises(SuspendedAccountError) as caught:
        dormancy.require_not_suspended(account, now=DUE)
    assert whom in str(caught.value)


@pytest.mark.parametrize(
    ("login", "by"),
    [
        ("zunyi", "province"),
        ("nanming", "guiyang"),
        ("nmhousing", "nanming"),
        ("supervisor", "province"),
        ("province", "security"),
        ("auditor", "security"),
    ],
)
def test_superior_reactivates_with_a_reason(production: Flask, login, by):
    account = used(login)
    with pytest.raises(RuleViolation):
        dormancy.reactivate_account(account.id, " ", actor=staff(by), now=DUE)
    dormancy.reactivate_account(account.id, "返岗", actor=staff(by), now=DUE)
    assert account.reactivated_at == DUE
    dormancy.require_not_suspended(account, now=DUE + timedelta(days=90) - SECOND)
    assert dormancy.is_suspended(account, now=DUE + timedelta(days=90))
    with pytest.raises(ConflictError):
        dormancy.reactivate_account(account.id, "返岗", actor=staff(by), now=DUE)


@pytest.mark.parametrize(
    ("login", "by"),
    [
        ("zunyi", "guiyang"),
        ("zunyi", "zunyi"),
        ("zunyi", "sysadmin"),
        ("province", "province2"),
        ("security", "security"),
        ("security", "province"),
    ],
)
def test_nobody_else_does(production: Flask, login, by):
    account = used(login)
    with pytest.raises(NotPermittedError):
        dormancy.reactivate_account(account.id, "返岗", actor=staff(by), now=DUE)


def test_command_line_wakes_the_security_administrator_only(production: Flask):
    account = used("security")
    account.suspended_at = DUE
    db.session.commit()
    runner = production.test_cli_runner()
    asked = ["found", "reactivate", "security", "--reason", "唯一的安全管理员休假"]
    assert runner.invoke(args=asked).exit_code == 0
    db.session.expire_all()
    assert account.suspended_at is None
    assert runner.invoke(args=["found", "reactivate", "zunyi", "--reason", "x"]).exit_code == 1


def test_sign_in_says_so_only_after_the_right_password(production: Flask):
    account = used("zunyi", at("2020-01-01T00:00:00"))
    account.created_on = at("2020-01-01T00:00:00").replace(tzinfo=None)
    db.session.commit()
    client = production.test_client()
    wrong = client.post("/login/", data={"login": "zunyi", "password": "x"})
    assert wrong.status_code == 401
    assert "90" not in wrong.get_data(as_text=True).split("<main")[1]
    right = client.post("/login/", data={"login": "zunyi", "password": PASSWORD})
    assert right.status_code == 403
    assert "贵州省人力资源和社会保障厅" in right.get_data(as_text=True)
    assert client.get("/work/").status_code == 302
    other = production.test_client()
    answer = other.post("/login/", data={"login": "nmdesign", "password": PASSWORD})
    assert answer.status_code == 302
