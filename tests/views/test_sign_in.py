"""Sign-in, lock-out, sessions that end, the forced change of password."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import passwords
from app.extensions import db
from app.models import Account, AuditEntry
from app.security import lockout
from app.services import settings
from app.services.sign_in import name_of_tries
from tests.conftest import PASSWORD

SignIn = Callable[[str], FlaskClient]
FindAccount = Callable[[str], Account]


pytestmark = pytest.mark.usefixtures("no_tries_left_over")


def post(client: FlaskClient, login: str, password: str, **headers: str) -> int:
    """Send the sign-in form and give the status."""
    form = {"login": login, "password": password}
    return client.post("/login/", data=form, headers=headers).status_code


def test_login_page_is_open(client: FlaskClient) -> None:
    page = client.get("/login/")
    assert page.status_code == 200
    assert 'name="login"' in page.get_data(as_text=True)


def test_staff_sign_in_by_login_name(client: FlaskClient) -> None:
    assert post(client, "province", PASSWORD) == 302
    assert client.get("/work/").status_code == 200


def test_applicant_signs_in_by_document_number(client: FlaskClient, account: FindAccount) -> None:
    number = account("王敏").person.identity_number  # type: ignore[union-attr]
    assert post(client, number, PASSWORD) == 302


def test_small_x_at_the_end_of_a_number_is_accepted(
    client: FlaskClient, app: Flask, account: FindAccount
) -> None:
    person = account("王敏").person
    assert person is not None
    from app.services.accounts import identity_hash

    person.identity_hash = identity_hash("11010519491231002X")
    db.session.flush()
    assert post(client, "11010519491231002x", PASSWORD) == 302


def test_wrong_sign_ins_get_the_same_page_for_the_same_work(
    client: FlaskClient, account: Callable[[str], Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known, unknown, closed and not yet opened: one verification of a hash, one sentence."""
    work: list[str] = []
    verify = passwords._hasher.verify

    class Counting:
        def verify(self, stored: str, password: str) -> bool:
            work.append(stored[:10])
            return verify(stored, password)

    account("guiyang").active = False
    account("zunyi").password = None
    db.session.commit()
    monkeypatch.setattr(passwords, "_hasher", Counting())
    pages = set()
    for login, password in (
        ("province", "wrong"),
        ("nobody", PASSWORD),
        ("", ""),
        ("guiyang", PASSWORD),
        ("zunyi", "x"),
    ):
        del work[:]
        answer = client.post("/login/", data={"login": login, "password": password})
        page = answer.get_data(as_text=True)
        main = page[page.index("<main") : page.index("</main>")]
        typed = f'value="{login}"'
        pages.add(re.sub(r'name="(csrf_token|next)"[^>]*', "", main.replace(typed, "", 1)))
        assert (answer.status_code, len(work)) == (401, 1)
    assert len(pages) == 1
    assert client.get("/work/").status_code == 302


def test_fifth_wrong_password_locks_even_the_right_one(client: FlaskClient) -> None:
    for _ in range(5):
        assert post(client, "province", "wrong") == 401
    assert post(client, "province", PASSWORD) == 429


def test_the_province_sets_how_many_wrong_passwords_lock(client: FlaskClient) -> None:
    settings.set_parameter("login_lock_attempts", 3)
    settings.set_parameter("login_lock_minutes", 30)
    db.session.flush()

    for _ in range(3):
        assert post(client, "province", "wrong") == 401
    refused = client.post("/login/", data={"login": "province", "password": PASSWORD})

    assert refused.status_code == 429
    assert "登录已锁定 30 分钟" in refused.get_data(as_text=True)


def test_lock_holds_for_the_account_at_that_address_only(app: Flask) -> None:
    for _ in range(5):
        post(app.test_client(), "province", "wrong")
    elsewhere = app.test_client().post(
        "/login/",
        data={"login": "province", "password": PASSWORD},
        environ_base={"REMOTE_ADDR": "10.1.1.1"},
    )
    assert elsewhere.status_code == 302
    assert post(app.test_client(), "auditor", PASSWORD) == 302


def test_right_password_forgets_the_failures(
    client: FlaskClient, app: Flask, account: FindAccount
) -> None:
    for _ in range(5 - 1):
        post(client, "province", "wrong")
    assert post(client, "province", PASSWORD) == 302
    assert not lockout.is_locked(name_of_tries("province", account("province")), "127.0.0.1")
    assert post(app.test_client(), "province", "wrong") == 401


def test_form_of_another_site_is_refused(client: FlaskClient) -> None:
    assert post(client, "province", PASSWORD, Origin="https://evil.example") == 403
    assert post(client, "province", PASSWORD, **{"Sec-Fetch-Site": "cross-site"}) == 403


def test_sign_out_ends_the_session_on_the_server(sign_in: SignIn, app: Flask) -> None:
    client = sign_in("province")
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    assert client.post("/logout/").status_code == 302
    thief = app.test_client()
    thief.set_cookie(app.config["SESSION_COOKIE_NAME"], cookie.value)
    assert thief.get("/work/").status_code == 302


def test_sign_out_is_no_get(sign_in: SignIn) -> None:
    assert sign_in("province").get("/logout/").status_code == 405


def test_session_id_changes_at_sign_in(client: FlaskClient, app: Flask) -> None:
    client.get("/login/")
    before = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    post(client, "province", PASSWORD)
    after = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert after is not None
    assert before is None or before.value != after.value


def test_changed_password_ends_other_sessions(sign_in: SignIn) -> None:
    one, other = sign_in("province"), sign_in("province")
    form = {"current": PASSWORD, "new": "Ganjing#2022x", "repeated": "Ganjing#2022x"}
    assert one.post("/password/", data=form).status_code == 302
    assert one.get("/work/").status_code == 200
    assert other.get("/work/").status_code == 302


@pytest.mark.parametrize(
    ("current", "new", "repeated"),
    [
        ("wrong", "Ganjing#2022x", "Ganjing#2022x"),
        (PASSWORD, "Ganjing#2022x", "Ganjing#2022y"),
        (PASSWORD, PASSWORD, PASSWORD),
        (PASSWORD, "123@abc", "123@abc"),
        (PASSWORD, "short1A!", "short1A!"),
        (PASSWORD, "alllowercase", "alllowercase"),
    ],
)
def test_unfit_new_password_is_refused_in_words(
    sign_in: SignIn, account: FindAccount, current: str, new: str, repeated: str
) -> None:
    before = account("province").password
    form = {"current": current, "new": new, "repeated": repeated}
    answer = sign_in("province").post("/password/", data=form)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.get_data(as_text=True)
    db.session.expire_all()
    assert account("province").password == before


def test_must_change_password_opens_nothing_else(sign_in: SignIn, account: FindAccount) -> None:
    account("province").must_change_password = True
    db.session.flush()
    client = sign_in("province")
    for path in ("/work/", "/lookup/unit?q=a", "/notifications/"):
        answer = client.get(path)
        location = urlsplit(answer.headers["Location"])
        assert (answer.status_code, location.path) == (302, "/password/")
        assert parse_qs(location.query) == {"next": [path]}
    assert client.get("/password/").status_code == 200


def test_disabled_account_is_out_at_once(sign_in: SignIn, account: FindAccount) -> None:
    client = sign_in("province")
    account("province").active = False
    db.session.flush()
    assert client.get("/work/").status_code == 302


def test_sign_in_is_on_the_record(sign_in: SignIn, account: FindAccount) -> None:
    sign_in("province")
    entry = db.session.query(AuditEntry).filter_by(action="sign_in").one()
    assert entry.account_id == account("province").id


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_next_never_leads_elsewhere(client: FlaskClient, wanted: str) -> None:
    answer = client.post(
        "/login/", data={"login": "province", "password": PASSWORD, "next": wanted}
    )
    assert answer.status_code == 302
    location = answer.headers["Location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))


def test_login_that_cannot_be_stored_is_refused_and_not_logged(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.post("/login/", data={"login": "520102\x00198803129702", "password": "x"})
    assert answer.status_code == 400
    assert "198803129702" not in caplog.text
