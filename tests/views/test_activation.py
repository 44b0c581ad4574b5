"""The pages of the first sign-in, as a browser sees them (rules E9)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis.exceptions import ConnectionError as RedisAway

from app.extensions import db
from app.models import Account
from app.security import pending
from app.services import settings, sign_in_codes, texts

SignIn = Callable[[str], FlaskClient]
FindAccount = Callable[[str], Account]
CHOSEN = "Shuimo-Jiangshan7"

pytestmark = pytest.mark.usefixtures("no_tries_left_over")


@pytest.fixture
def code(sign_in: SignIn, account: FindAccount) -> str:
    """A new activation code of the unit account nmdesign, from the unit above it."""
    from tests.views.test_accounts import CODE

    target = account("nmdesign")
    page = sign_in("nmhousing").post(f"/accounts/reset/{target.id}", data={"reason": "专人变更"})
    return CODE.search(page.get_data(as_text=True))[0]


def begin(client: FlaskClient, code: str, login: str = "nmdesign") -> tuple[int, str]:
    """Send login and activation code; the status and where it leads."""
    answer = client.post("/activate/", data={"login": login, "activation_code": code})
    return answer.status_code, answer.location or ""


def finish(client: FlaskClient, text_code: str, password: str = CHOSEN) -> tuple[int, str]:
    """Send the code of the text and a password."""
    data = {"sms_code": text_code, "new": password, "repeated": password}
    answer = client.post("/activate/password", data=data)
    return answer.status_code, answer.location or ""


def sent() -> str:
    return texts.rehearsal_texts()[0].code


def test_account_is_opened_by_code_text_and_password(client: FlaskClient, code: str, app: Flask):
    assert begin(client, code) == (303, "/activate/password")
    page = client.get("/activate/password").get_data(as_text=True)
    assert "199****" in page
    assert 'autocomplete="one-time-code"' in page
    assert page.count('autocomplete="new-password"') == 2
    assert "至少 10 个字符" in page
    assert finish(client, sent()) == (302, "/")
    assert client.get("/work/").status_code == 200
    again = app.test_client()
    form = {"login": "nmdesign", "password": CHOSEN}
    assert again.post("/login/", data=form).status_code == 302


def test_code_opens_nothing_else(client: FlaskClient, code: str):
    form = {"login": "nmdesign", "password": code}
    assert client.post("/login/", data=form).status_code == 401
    begin(client, code)
    for path in ("/work/", "/password/", "/accounts/list/"):
        assert client.get(path).location.startswith("/login/")


def test_second_use_and_printed_password_are_refused_in_words(
    client: FlaskClient, code: str, app: Flask
):
    begin(client, code)
    refused = client.post(
        "/activate/password",
        data={"sms_code": sent(), "new": "123@abc", "repeated": "123@abc"},
    )
    assert refused.status_code == 422
    assert "初始密码" in refused.get_data(as_text=True)
    assert finish(client, sent()) == (302, "/")
    assert begin(app.test_client(), code) == (401, "")


def test_somebody_with_the_code_alone_does_not_get_in(client: FlaskClient, code: str):
    begin(client, code)
    wrong = f"{(int(sent()) + 1) % 1_000_000:06d}"
    for _number in range(sign_in_codes.TRIES):
        assert finish(client, wrong) == (422, "")
    assert finish(client, sent()) == (422, "")  # five wrong ones end the right one


def test_second_page_needs_the_first(client: FlaskClient):
    assert client.get("/activate/password").location == "/activate/"
    assert finish(client, "123456") == (303, "/activate/")


@pytest.mark.parametrize(("seconds", "leads_to"), [(1, "/"), (-1, "/activate/")])
def test_first_page_is_forgotten_after_ten_minutes(
    client: FlaskClient, code: str, monkeypatch: pytest.MonkeyPatch, seconds: int, leads_to: str
):
    monkeypatch.setattr(pending, "SECONDS", seconds * 600)
    begin(client, code)
    assert finish(client, sent())[1] == leads_to


@pytest.mark.parametrize("login", ["nmdesign", "nobody", "520102198803129319"])
def test_wrong_codes_lock_known_and_unknown_logins_alike(client: FlaskClient, login: str):
    for _number in range(5):
        assert begin(client, "AAAA-BBBB-CCCC", login) == (401, "")
    assert begin(client, "AAAA-BBBB-CCCC", login) == (429, "")


def test_answer_to_an_unknown_login_is_word_for_word_the_same(client: FlaskClient, code: str):
    def page(login: str) -> str:
        form = {"login": login, "activation_code": "AAAA-BBBB-CCCC"}
        return client.post("/activate/", data=form).get_data(as_text=True).replace(login, "*")

    clock = "<time"
    known, unknown = (page(login).split(clock)[0] for login in ("nmdesign", "nobody99"))
    assert known == unknown


def test_expired_code_says_whom_to_ask(client: FlaskClient, code: str, account: FindAccount):
    from tests.conftest import at

    account("nmdesign").activation_expires_at = at("2022-08-03T00:00:00")
    db.session.flush()
    answer = client.post("/activate/", data={"login": "nmdesign", "activation_code": code})
    assert answer.status_code == 422
    assert "激活码已过期。请本单位或上级单位重新发放" in answer.get_data(as_text=True)


def test_another_text_is_sent_after_a_minute_only(
    client: FlaskClient, code: str, monkeypatch: pytest.MonkeyPatch
):
    begin(client, code)
    first = sent()
    client.post("/activate/again")
    assert len(texts.rehearsal_texts()) == 1
    monkeypatch.setattr(sign_in_codes, "_pause", lambda _receiver: None)
    client.post("/activate/again")
    assert len(texts.rehearsal_texts()) == 2
    if first != sent():
        assert finish(client, first) == (422, "")
    assert finish(client, sent()) == (302, "/")


def test_day_cap_of_a_phone_and_of_an_address(
    client: FlaskClient, code: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sign_in_codes, "_pause", lambda _receiver: None)
    settings.set_parameter("sms_codes_per_phone", 3)
    db.session.flush()
    assert [begin(client, code)[0] for _number in range(4)] == [303, 303, 303, 429]
    settings.set_parameter("sms_codes_per_phone", 50)
    settings.set_parameter("sms_codes_per_address", 20)
    db.session.flush()
    assert [begin(client, code)[0] for _number in range(18)] == [303] * 17 + [429]


def test_neither_number_nor_login_nor_code_stands_in_redis(
    client: FlaskClient, code: str, app: Flask, account: FindAccount
):
    begin(client, code)
    store = app.extensions["redis"]
    phone = account("nmdesign").unit.contact_phone  # type: ignore[union-attr]
    kept = b""
    for key in store.scan_iter("portal:*"):
        if key.startswith(b"portal:session:"):
            continue
        kind = store.type(key)
        reader = {
            b"string": store.get,
            b"hash": store.hgetall,
            b"set": store.smembers,
            b"zset": lambda each: store.zrange(each, 0, -1),
        }.get(kind, lambda each: store.lrange(each, 0, -1))
        kept += key + repr(reader(key)).encode()
    for secret in (phone, "nmdesign", sent(), code):
        assert secret.encode() not in kept


def test_without_redis_nothing_is_sent_or_accepted(
    client: FlaskClient, code: str, monkeypatch: pytest.MonkeyPatch
):
    class Away:
        def __getattr__(self, _name: str) -> object:
            raise RedisAway

    monkeypatch.setattr(sign_in_codes, "redis_store", Away)
    monkeypatch.setattr("app.security.lockout.redis_store", Away)
    answer = client.post("/activate/", data={"login": "nmdesign", "activation_code": code})
    assert answer.status_code == 503
    assert "暂时无法登录" in answer.get_data(as_text=True)
    form = {"login": "province", "password": "whatever"}
    assert client.post("/login/", data=form).status_code == 503


def test_texts_are_shown_to_the_system_administrator_only(
    sign_in: SignIn, client: FlaskClient, code: str
):
    begin(client, code)
    page = sign_in("sysadmin").get("/rehearsal/codes").get_data(as_text=True)
    assert sent() in page
    assert sign_in("province").get("/rehearsal/codes").status_code == 403


def test_production_shows_no_texts(
    sign_in: SignIn, client: FlaskClient, code: str, app: Flask, monkeypatch: pytest.MonkeyPatch
):
    begin(client, code)
    seen = sent()
    administrator = sign_in("sysadmin")
    monkeypatch.setitem(app.config, "PORTAL_MODE", "production")
    assert seen not in administrator.get("/rehearsal/codes").get_data(as_text=True)
    said = app.test_cli_runner().invoke(args=["rehearsal", "codes"])
    assert (said.exit_code, seen in said.output) == (1, False)


def test_command_prints_the_latest_codes(client: FlaskClient, code: str, app: Flask):
    begin(client, code)
    said = app.test_cli_runner().invoke(args=["rehearsal", "codes"])
    assert said.exit_code == 0
    assert said.output.split("\t")[2] == sent()
