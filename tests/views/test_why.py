"""为什么看得到 / 看不到: the deciding rule in words, from the guard itself; never a value."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import Account, Person, Unit
from app.security import reasons
from app.security.actors import actor_of
from app.security.guard import GRANTS, NEVER, Action, may
from app.views.audit_names import OBJECTS
from app.views.why import TABLE_WORDS, field_labels

SignIn = Callable[[str], FlaskClient]
Find = Callable[[str], Account]


def ask(client: FlaskClient, account: Account, **more: object) -> str:
    """The answer page."""
    answer = client.get("/why/?" + urlencode({"account": account.id, **more}))
    assert answer.status_code == 200, answer.get_data(as_text=True)[:500]
    return answer.get_data(as_text=True)


@pytest.fixture
def foreign(unit: Callable[[str], Unit], account: Find) -> Unit:
    """A unit outside the subtree of nmdesign."""
    own = account("nmdesign").unit
    assert own is not None
    return (
        db.session.scalars(
            select(Unit).where(~Unit.path.startswith(own.path), Unit.contact_phone.is_not(None))
        ).first()
        or db.session.scalars(select(Unit).where(~Unit.path.startswith(own.path))).one()
    )


def test_says_by_which_role_and_rows(sign_in: SignIn, account: Find) -> None:
    asked = account("nmdesign")
    page = ask(sign_in("security"), asked, link=f"/units/show/{asked.unit_id}")

    assert "看得到：角色“单位管理员”在行范围“本单位及下级”内得到授权。" in page
    assert "页面：该角色可以打开" in page
    assert "记录在范围之内" in page


def test_a_row_outside_names_scope_and_both_paths(
    sign_in: SignIn, account: Find, foreign: Unit
) -> None:
    asked = account("nmdesign")
    page = ask(sign_in("security"), asked, link=f"http://localhost/units/show/{foreign.id}?x=1")

    assert "看不到：记录不在能打开页面的角色的行范围之内（单位管理员：本单位及下级" in page
    assert foreign.name in page
    assert asked.unit.name in page


def test_a_page_no_role_opens(sign_in: SignIn, account: Find) -> None:
    page = ask(sign_in("security"), account("nmdesign"), link="/audit/list/")

    assert "该账号的角色都不能打开这个页面" in page


def test_a_field_not_granted(sign_in: SignIn, account: Find, foreign: Unit) -> None:
    foreign.contact_phone_mask = "0851-PLANTED"
    db.session.flush()
    page = ask(
        sign_in("security"),
        account("sysadmin"),
        table="Unit",
        number=foreign.id,
        action="show",
        field="contact_phone_mask",
    )

    assert "能看到这条记录的角色都没有被授予这个字段" in page
    assert "除联系人、联系电话（掩码）之外的全部字段" in page
    assert "PLANTED" not in page


def test_a_full_number_is_for_nobody(sign_in: SignIn, account: Find) -> None:
    person = account("王敏").person
    page = ask(
        sign_in("province"),
        account("province"),
        table="Person",
        number=person.id,
        action="show",
        field="identity_number",
    )

    assert "这个字段对任何人都不显示" in page
    assert person.identity_number not in page


def test_a_locked_account_and_a_missing_row(sign_in: SignIn, account: Find) -> None:
    client = sign_in("security")
    asked = account("nmdesign")
    assert "没有这条记录" in ask(client, asked, link="/units/show/99999999")
    asked.active = False
    db.session.flush()
    assert "该账号已锁定" in ask(client, asked, link="/units/list/")


@pytest.mark.parametrize(
    "asked",
    [
        {"link": "https://elsewhere.example/a/b/c"},
        {"link": "nonsense"},
        {"table": "Nothing", "number": "1"},
        {"table": "Unit", "number": "1", "action": "steal"},
        {"table": "Unit", "number": "1", "action": "show", "field": "password"},
        {"table": "Account", "number": "1", "field": "no_such"},
    ],
)
def test_a_question_that_is_none_is_refused_in_words(
    sign_in: SignIn, account: Find, asked: dict[str, str]
) -> None:
    query = urlencode({"account": account("nmdesign").id, **asked})
    answer = sign_in("security").get(f"/why/?{query}")

    assert answer.status_code == 422


@pytest.mark.parametrize("number", ["", "0", "x", "9" * 30, "-1", "1\0"])
def test_any_number_is_answered(sign_in: SignIn, account: Find, number: str) -> None:
    page = ask(sign_in("security"), account("nmdesign"), table="Unit", number=number)
    assert "看不到" in page or "看得到" in page


@pytest.mark.parametrize("name", ["nmdesign", "guiyang", "sysadmin", "auditor", "supervisor"])
def test_only_security_administrators_and_the_province_ask(sign_in: SignIn, name: str) -> None:
    assert sign_in(name).get("/why/").status_code == 403


def test_the_page_of_a_refusal_leads_there(sign_in: SignIn) -> None:
    refused = sign_in("security").get("/audit/list/")
    assert refused.status_code == 403
    assert "/why/?link=/audit/list/" in refused.get_data(as_text=True)
    missing = sign_in("security").get("/units/show/99999999")
    assert missing.status_code == 404
    assert "/why/?link=/units/show/99999999" in missing.get_data(as_text=True)
    assert "/why/" not in sign_in("nmdesign").get("/audit/list/").get_data(as_text=True)


def test_a_record_leads_there(sign_in: SignIn, account: Find) -> None:
    unit_id = account("nmdesign").unit_id
    page = sign_in("security").get(f"/units/show/{unit_id}").get_data(as_text=True)
    assert f"/why/?link=/units/show/{unit_id}" in page


def test_the_answer_is_the_guards(app: Flask, account: Find) -> None:
    """Every demo account × a few rows: the page says yes exactly where the guard says so."""
    rows = [
        *db.session.scalars(select(Unit).limit(4)),
        *db.session.scalars(select(Person).limit(3)),
    ]
    asked = 0
    with app.test_request_context():
        for found in db.session.scalars(select(Account)).all():
            actor = actor_of(found)
            for row in rows:
                question = reasons.Question(found, type(row), row, Action.SHOW)
                assert reasons.answer(question).allowed is may(actor, Action.SHOW, row)
                asked += 1
    assert asked > 100


def test_everything_one_may_ask_has_a_name(app: Flask) -> None:
    with app.test_request_context():
        for model, grants in GRANTS.items():
            assert model.__name__ in {*OBJECTS, *TABLE_WORDS}, model.__name__
            named = frozenset().union(*(grant.fields.names for grant in grants))
            assert named | NEVER.get(model, frozenset()) <= set(field_labels(model)), model.__name__


def test_a_role_of_another_screen_does_not_count(app: Flask, account: Find) -> None:
    """Screen, rows and fields in one role: the supervisor's rows do not open the unit's screen."""
    found = account("nmdesign")
    with app.test_request_context():
        question = reasons.ask_link("/expert-setup/list/", found)
        if question is not None:
            assert reasons.answer(question).part in {reasons.Part.SCREEN, reasons.Part.TABLE}
        roles = {
            reason.role
            for reason in reasons.answer(
                reasons.Question(found, Unit, found.unit, Action.SHOW)
            ).roles
        }
    assert roles == {R.UNIT_ADMIN}
