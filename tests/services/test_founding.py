"""The first accounts of a production site."""

from __future__ import annotations

import re

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import delete, select

from app.domain.errors import ConflictError
from app.extensions import db
from app.models import Account, Unit
from app.services import founding, texts
from tests.conftest import at, unprotect

NOW = at("2022-05-10T09:00:00")


def valid_number() -> str:
    from app.domain.codes import compute_id_check

    body = "52010219880312931"
    return body + compute_id_check(body)


def test_site_with_units_is_not_founded_again(app: Flask) -> None:
    with pytest.raises(ConflictError):
        founding.found_province("某省人力资源和社会保障厅", "11520000DEM0000016", now=NOW)


def found(app: Flask, role: str, login: str, number: str, phone: str) -> Result:
    """Run `./portal found account`."""
    person = ["--name", "何初一", "--document-number", number, "--phone", phone]
    return app.test_cli_runner().invoke(args=["found", "account", role, login, *person])


def test_account_opens_with_its_code_and_a_new_password(app: Flask) -> None:
    result = found(app, "system_admin", "firstadmin", valid_number(), "19900008888")
    assert result.exit_code == 0, result.output
    code = re.search(r"code (\S+)", result.output)
    assert code is not None
    client = app.test_client()
    refused = client.post("/login/", data={"login": "firstadmin", "password": code[1]})
    assert refused.status_code == 401
    given = {"login": "firstadmin", "activation_code": code[1]}
    assert client.post("/activate/", data=given).location == "/activate/password"
    chosen = {"new": "Shuimo-Jiangshan7", "repeated": "Shuimo-Jiangshan7"}
    chosen["sms_code"] = texts.rehearsal_texts()[0].code
    assert client.post("/activate/password", data=chosen).location == "/"
    assert client.get("/rehearsal/").status_code == 200
    account = db.session.scalars(select(Account).where(Account.username == "firstadmin")).one()
    assert [role.name for role in account.roles] == ["system_admin"]


@pytest.mark.parametrize(
    ("login", "number", "phone"),
    [
        ("province", None, "19900008888"),
        ("other", "520102198803129703", "19900008888"),
        ("other", None, "12345"),
    ],
)
def test_bad_founder_is_refused_in_one_line(
    app: Flask, login: str, number: str | None, phone: str
) -> None:
    result = found(app, "province_hrss", login, number or valid_number(), phone)
    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_empty_site_is_founded(own_app: Flask) -> None:
    with own_app.app_context():
        db.session.execute(delete(Account).where(Account.id < 0))
        unprotect()
        tables = "unit, person, ab_user"
        db.session.connection().exec_driver_sql(f"TRUNCATE {tables} CASCADE")
        db.session.commit()
    runner = own_app.test_cli_runner()
    done = runner.invoke(
        args=["found", "province", "贵州省人力资源和社会保障厅", "11520000DEM0000014M"[:18]]
    )
    assert done.exit_code == 1  # a damaged code is refused
    from app.domain.codes import compute_uscc_check

    body = "11520000DEM000001"
    done = runner.invoke(
        args=["found", "province", "贵州省人社厅", body + compute_uscc_check(body)]
    )
    assert done.exit_code == 0, done.output
    with own_app.app_context():
        assert db.session.scalars(select(Unit.path)).one().count("/") == 2
