"""Signing in by text, by card and with a second proof; 忘记密码 (rules E9, E10)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import clock
from app.extensions import db
from app.gateways import Gateways
from app.gateways.http import HttpCards, SignedPost, sign
from app.models import Account, AuditEntry
from app.services import card_scans, settings, texts, totp
from app.services.sign_in import receiver_of
from app.services.sign_in_codes import Purpose, WrongCodeError, use_code
from tests.conftest import PASSWORD, at

SignIn = Callable[[str], FlaskClient]
FindAccount = Callable[[str], Account]
CHOSEN = "Shuimo-Jiangshan7"
KEY = "the key of the card gateway"

pytestmark = pytest.mark.usefixtures("no_tries_left_over")


def number_of(account: Account) -> str:
    assert account.person is not None
    return account.person.identity_number


def sent() -> str:
    return texts.rehearsal_texts()[0].code


def wrong() -> str:
    return f"{(int(sent()) + 1) % 1_000_000:06d}"


def set_parameter(key: str, value: object) -> None:
    settings.set_parameter(key, value)
    db.session.flush()


def methods_of_last_sign_in() -> list[str]:
    entry = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "sign_in").order_by(AuditEntry.id.desc())
    ).first()
    assert entry is not None
    return list(entry.after["methods"])


# ---- by text


def test_sign_in_by_text(client: FlaskClient, account: FindAccount):
    person = account("王敏")
    person.real_name_verified_at = None
    db.session.flush()
    answer = client.post("/login/sms", data={"login": number_of(person), "next": ""})
    assert answer.location == "/login/sms/code"
    assert client.get("/applicant/").status_code in {302, 404}
    assert client.post("/login/sms/code", data={"sms_code": wrong()}).status_code == 422
    assert client.post("/login/sms/code", data={"sms_code": sent()}).location == "/"
    assert methods_of_last_sign_in() == ["sms_code"]
    db.session.refresh(person)
    assert person.real_name_verified_at is not None


def test_code_of_a_text_lets_in_once(client: FlaskClient, account: FindAccount):
    form = {"login": number_of(account("王敏"))}
    client.post("/login/sms", data=form)
    code = sent()
    assert client.post("/login/sms/code", data={"sms_code": code}).location == "/"
    receiver = receiver_of("", account("王敏"))
    with pytest.raises(WrongCodeError):
        use_code(Purpose.SIGN_IN, receiver, code)


def test_unknown_login_gets_the_same_answers_and_reaches_nobody(client: FlaskClient):
    answer = client.post("/login/sms", data={"login": "nobody99"})
    assert (answer.status_code, answer.location) == (303, "/login/sms/code")
    assert "如果该账号登记了手机号" in client.get("/login/sms/code").get_data(as_text=True)
    assert texts.rehearsal_texts() == []
    assert client.post("/login/sms/code", data={"sms_code": "123456"}).status_code == 422
    again = client.post("/login/sms", data={"login": "nobody99"})
    assert again.status_code == 422  # within a minute, as for everybody


def test_account_that_was_never_activated_gets_no_text(client: FlaskClient, account: FindAccount):
    person = account("王敏")
    person.password = None
    db.session.flush()
    for page in ("/login/sms", "/login/forgotten"):
        client.post(page, data={"login": number_of(person)})
    assert texts.rehearsal_texts() == []


def test_five_wrong_codes_lock_the_account_at_this_address(
    client: FlaskClient, account: FindAccount
):
    client.post("/login/sms", data={"login": number_of(account("王敏"))})
    for _number in range(5):
        assert client.post("/login/sms/code", data={"sms_code": wrong()}).status_code == 422
    assert client.post("/login/sms/code", data={"sms_code": sent()}).status_code == 429
    form = {"login": number_of(account("王敏")), "password": PASSWORD}
    assert client.post("/login/", data=form).status_code == 429


def test_method_that_is_off_is_not_offered(client: FlaskClient):
    set_parameter("sign_in_methods_personal", [])
    set_parameter("sign_in_methods_unit", [])
    assert client.get("/login/sms").location == "/login/"
    assert "/login/sms" not in client.get("/login/").get_data(as_text=True)


def test_method_is_off_for_one_kind_of_account(client: FlaskClient):
    set_parameter("sign_in_methods_unit", [])
    client.post("/login/sms", data={"login": "nmdesign"})
    assert texts.rehearsal_texts() == []


# ---- brake


def test_many_wrong_passwords_from_everywhere_stop_new_addresses_only(
    app: Flask, account: FindAccount
):
    def enter(address: str, password: str) -> int:
        return (
            app.test_client()
            .post(
                "/login/",
                data={"login": "province", "password": password},
                environ_base={"REMOTE_ADDR": address},
            )
            .status_code
        )

    set_parameter("login_brake_attempts", 10)
    assert enter("10.0.0.1", PASSWORD) == 302
    for place in range(10):
        assert enter(f"10.0.1.{place}", "wrong") == 401
    assert enter("10.0.2.1", PASSWORD) == 429
    assert enter("10.0.0.1", PASSWORD) == 302
    text = app.test_client()
    text.post("/login/sms", data={"login": "province"})
    assert text.post("/login/sms/code", data={"sms_code": sent()}).location == "/"


# ---- the second proof


def test_password_alone_is_not_enough_where_a_second_proof_is_asked(
    client: FlaskClient, account: FindAccount
):
    set_parameter("second_factor_in_rehearsal", True)
    form = {"login": number_of(account("王敏")), "password": PASSWORD}
    assert client.post("/login/", data=form).location == "/login/second"
    assert client.get("/notifications/").location.startswith("/login/")
    assert client.post("/login/second", data={"sms_code": wrong()}).status_code == 422
    assert client.post("/login/second", data={"sms_code": sent()}).location == "/"
    assert methods_of_last_sign_in() == ["password", "sms_code"]
    assert client.get("/notifications/").status_code == 200


def test_unit_accounts_are_exempt_unless_all_are_asked(app: Flask):
    set_parameter("second_factor_in_rehearsal", True)
    form = {"login": "nmdesign", "password": PASSWORD}
    assert app.test_client().post("/login/", data=form).location == "/"
    set_parameter("second_factor_accounts", "all")
    assert app.test_client().post("/login/", data=form).location == "/login/second"


def test_second_page_needs_the_password(client: FlaskClient):
    assert client.get("/login/second").location == "/login/"
    assert client.post("/login/second", data={"sms_code": "1"}).location == "/login/"


def enrol(client: FlaskClient, account: Account) -> str:
    """Set an authenticator up on the page; its secret."""
    client.post("/account/security/totp", data={"begin": "1"})
    page = client.get("/account/security/totp").get_data(as_text=True)
    secret = totp.pending_secret(account)
    assert secret is not None
    assert "<svg" in page
    code = pyotp.TOTP(secret).at(int(clock.real_now().timestamp()) - 30)
    done = client.post("/account/security/totp", data={"totp_code": code})
    assert done.status_code == 200
    assert done.get_data(as_text=True).count("<code>") == totp.RECOVERY_CODES
    return secret


def test_authenticator_is_asked_for_at_every_sign_in(
    sign_in: SignIn, account: FindAccount, app: Flask
):
    secret = enrol(sign_in("province"), account("province"))
    client = app.test_client()
    form = {"login": "province", "password": PASSWORD}
    assert client.post("/login/", data=form).location == "/login/second"
    code = pyotp.TOTP(secret).now()
    assert client.post("/login/second", data={"totp_code": code}).location == "/"
    other = app.test_client()
    other.post("/login/", data=form)
    assert other.post("/login/second", data={"totp_code": code}).status_code == 422  # used
    other.post("/login/sms", data={"login": "province"})
    assert other.post("/login/sms/code", data={"sms_code": sent()}).location == "/login/second"


def test_recovery_code_lets_in_once(sign_in: SignIn, account: FindAccount, app: Flask):
    client = sign_in("province")
    client.post("/account/security/totp", data={"begin": "1"})
    secret = totp.pending_secret(account("province")) or ""
    page = client.post("/account/security/totp", data={"totp_code": pyotp.TOTP(secret).now()})
    code = page.get_data(as_text=True).split("<code>")[1].split("</code>")[0]
    form = {"login": "province", "password": PASSWORD}
    results = []
    for _number in range(2):
        other = app.test_client()
        other.post("/login/", data=form)
        results.append(other.post("/login/second", data={"totp_code": code.lower()}).status_code)
    assert results == [302, 422]


def test_secret_is_not_in_clear_in_the_database(sign_in: SignIn, account: FindAccount):
    secret = enrol(sign_in("province"), account("province"))
    raw = db.session.connection().exec_driver_sql("SELECT secret FROM totp_enrolment").scalar_one()
    assert secret.encode() not in bytes(raw)


def test_superior_removes_a_lost_authenticator_with_a_reason(sign_in: SignIn, account: FindAccount):
    target = account("guiyang")
    victim = sign_in("guiyang")
    enrol(victim, target)
    province = sign_in("province")
    path = f"/accounts/remove_totp/{target.id}"
    assert province.post(path, data={"reason": " "}).status_code == 422
    assert sign_in("zunyi").post(path, data={"reason": "x"}).status_code in {302, 403, 404}
    assert totp.find_enrolment(target) is not None
    assert province.post(path, data={"reason": "手机遗失"}).status_code == 303
    assert totp.find_enrolment(target) is None
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "remove_totp")).one()
    assert entry.reason == "手机遗失"
    assert victim.get("/work/").status_code == 302


def test_applicants_have_no_authenticator(sign_in: SignIn, account: FindAccount):
    client = sign_in("李强")
    page = client.get("/account/security/").get_data(as_text=True)
    assert "动态口令" not in page
    client.post("/account/security/totp", data={"begin": "1"})
    assert totp.pending_secret(account("李强")) is None


# ---- by card


def test_card_lets_its_holder_in(client: FlaskClient, sign_in: SignIn, account: FindAccount):
    assert 'class="qr"' not in client.get("/login/card").get_data(as_text=True)
    page = client.post("/login/card", data={"new": "1"}).get_data(as_text=True)
    assert "<svg" in page
    assert 'data-poll="/login/card/state"' in page
    assert client.post("/login/card").status_code == 200  # not scanned yet
    administrator = sign_in("sysadmin")
    [ticket] = card_scans.rehearsal_tickets()
    given = {"ticket": ticket, "document_number": number_of(account("王敏"))}
    assert administrator.post("/rehearsal/scan", data=given).status_code == 303
    assert client.get("/login/card/state").json == {"state": "confirmed"}
    assert "data-poll" not in client.get("/login/card").get_data(as_text=True)
    assert client.get("/notifications/").status_code == 302  # nothing changes by GET
    assert client.post("/login/card").location == "/"
    assert client.get("/notifications/").status_code == 200
    assert methods_of_last_sign_in() == ["essc"]
    assert card_scans.scan_state(ticket) == "gone"


def test_card_of_nobody_lets_nobody_in(client: FlaskClient):
    client.post("/login/card", data={"new": "1"})
    [ticket] = card_scans.rehearsal_tickets()
    card_scans.confirm_scan(ticket, "520102198803129319")
    assert client.post("/login/card").location == "/login/"
    assert client.get("/notifications/").status_code == 302


def test_callback_of_the_card_gateway_is_signed(
    client: FlaskClient, app: Flask, account: FindAccount, monkeypatch: pytest.MonkeyPatch
):
    client.post("/login/card", data={"new": "1"})
    [ticket] = card_scans.rehearsal_tickets()
    cards = HttpCards(SignedPost("http://127.0.0.1:9/", KEY))
    monkeypatch.setitem(app.extensions, "gateways", Gateways(texts=None, cards=cards))
    body = json.dumps({"ticket": ticket, "document_number": number_of(account("王敏"))}).encode()

    def call(key: str, sent_body: bytes = body) -> int:
        timestamp = str(int(clock.real_now().timestamp()))
        headers = {
            "X-Portal-Timestamp": timestamp,
            "X-Portal-Signature": sign(key, timestamp, sent_body),
            "Content-Type": "application/json",
        }
        return (
            app.test_client()
            .post("/login/card/callback", data=sent_body, headers=headers)
            .status_code
        )

    assert call("another key") == 403
    assert app.test_client().post("/login/card/callback", data=body).status_code == 403
    assert [call(KEY, bad) for bad in (b"[]", b"{}", b"no json", b'{"ticket": 1}')] == [422] * 4
    assert card_scans.scan_state(ticket) == "open"
    assert [call(KEY), call(KEY)] == [200, 422]
    assert card_scans.scan_state(ticket) == "confirmed"


# ---- forgotten


def test_forgotten_password_is_replaced_by_a_text(
    client: FlaskClient, sign_in: SignIn, account: FindAccount
):
    before = sign_in("province")
    assert client.post("/login/forgotten", data={"login": "province"}).status_code == 303
    form = {"sms_code": wrong(), "new": CHOSEN, "repeated": CHOSEN}
    assert client.post("/login/forgotten/password", data=form).status_code == 422
    form["sms_code"] = sent()
    weak = {**form, "new": "123@abc", "repeated": "123@abc"}
    assert client.post("/login/forgotten/password", data=weak).status_code == 422
    old = {**form, "new": PASSWORD, "repeated": PASSWORD}
    assert client.post("/login/forgotten/password", data=old).status_code == 422
    assert client.post("/login/forgotten/password", data=form).location == "/login/"
    assert before.get("/work/").status_code == 302
    assert texts.rehearsal_texts()[0].code == ""  # the phone is told
    entry = {"login": "province", "password": CHOSEN}
    assert client.post("/login/", data=entry).location == "/"
    actions = set(db.session.scalars(select(AuditEntry.action)))
    assert {"send_sms_code", "reset_own_password"} <= actions


def test_forgotten_password_of_an_unknown_login_answers_alike(client: FlaskClient):
    assert client.post("/login/forgotten", data={"login": "nobody99"}).status_code == 303
    form = {"sms_code": "123456", "new": CHOSEN, "repeated": CHOSEN}
    assert client.post("/login/forgotten/password", data=form).status_code == 422
    assert texts.rehearsal_texts() == []


# ---- old passwords


def test_old_password_of_staff_leads_to_the_change_page_and_on(
    client: FlaskClient, account: FindAccount
):
    staff = account("province")
    staff.is_demo, staff.password_changed_at = False, at("2022-05-01T09:00:00")
    db.session.flush()
    form = {"login": "province", "password": PASSWORD, "next": "/work/"}
    assert client.post("/login/", data=form).location == "/work/"
    assert client.get("/work/").location == "/password/?next=/work/"
    change = {"current": PASSWORD, "new": CHOSEN, "repeated": CHOSEN, "next": "/work/"}
    assert client.post("/password/", data=change).location == "/work/"
    assert client.get("/work/").status_code == 200


def test_demo_password_does_not_grow_old_in_a_rehearsal(client: FlaskClient, account: FindAccount):
    account("province").password_changed_at = at("2022-05-01T09:00:00")
    db.session.flush()
    form = {"login": "province", "password": PASSWORD, "next": "/work/"}
    client.post("/login/", data=form)
    assert client.get("/work/").status_code == 200
