"""Sessions that really end: at once, in every process, on the real clock; the list of one's own."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app import clock
from app.crypto import keyring
from app.embedded import Servers
from app.extensions import db, unit_of_work
from app.models import Account, AuditEntry
from app.security.actors import actor_of
from app.security.session_limits import ASKED_BY_THE_PAGE
from app.services import accounts, sessions
from app.services.actors import Actor
from tests.api.test_limits import make_limited_app
from tests.conftest import PASSWORD, make_app

SignIn = Callable[[str], FlaskClient]
FindAccount = Callable[[str], Account]

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
WECHAT = (
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
    "Chrome/130.0 Mobile Safari/537.36 MicroMessenger/8.0.50"
)


@pytest.fixture(autouse=True)
def _no_sessions_left_over(session_app: Flask) -> None:
    """Sessions live in Redis, which no test rolls back."""
    store = session_app.extensions["redis"]
    for key in store.scan_iter("portal:account:*"):
        store.delete(key)


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """pass_time(amount): the real clock goes on by so much."""
    really = clock.real_now
    passed = timedelta()

    def later() -> datetime:
        return really() + passed

    def go_on(amount: timedelta) -> None:
        nonlocal passed
        passed += amount

    start = really()
    monkeypatch.setattr(clock, "real_now", lambda: start + passed)
    return go_on


def enter(
    app: Flask, login: str = "province", password: str = PASSWORD, **headers: str
) -> FlaskClient:
    """A client of this application that has signed in."""
    client = app.test_client()
    answer = client.post("/login/", data={"login": login, "password": password}, headers=headers)
    assert answer.status_code == 302, answer.get_data(as_text=True)[:500]
    return client


def is_in(client: FlaskClient) -> bool:
    """Whether a page behind the sign-in opens."""
    status = client.get("/notifications/").status_code
    assert status in (200, 302)
    return status == 200


def cookie_of(client: FlaskClient) -> str:
    """The value of the session cookie."""
    cookie = client.get_cookie(client.application.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    return cookie.value


def handles_on(page: TestResponse) -> list[str]:
    """The sign-ins a page offers to end."""
    return re.findall(r'name="handle" value="([^"]+)"', page.get_data(as_text=True))


# --------------------------------------------------------------------------- limits


@pytest.mark.parametrize(("seconds", "stays"), [(-1, True), (0, True), (1, False)])
def test_a_session_rests_for_idle_minutes_and_no_longer(
    sign_in: SignIn, pass_time: Callable[[timedelta], None], seconds: int, stays: bool
) -> None:
    client = sign_in("province")
    pass_time(timedelta(minutes=30, seconds=seconds))
    answer = client.get("/work/?_l=1")
    if stays:
        assert answer.status_code == 200
        return
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login/?next=/work/?_l%3D1")
    assert "长时间未操作" in client.get("/login/").get_data(as_text=True)
    assert not is_in(client)


@pytest.mark.parametrize("path", ["/jobs/progress/999999999", "/login/card/state"])
def test_a_page_that_asks_by_itself_keeps_no_session(
    sign_in: SignIn, pass_time: Callable[[timedelta], None], path: str
) -> None:
    """A page left open with a running job: its polls answer until the idle limit, then sign in."""
    client = sign_in("province")
    for _minute in range(29):
        pass_time(timedelta(minutes=1))
        assert client.get(path).status_code in (200, 404)
    assert client.get("/work/").status_code == 200  # its owner is back in time
    pass_time(timedelta(minutes=15))
    client.get(path)
    pass_time(timedelta(minutes=15))
    assert client.get(path).status_code in (200, 404)
    pass_time(timedelta(seconds=1))
    client.get(path)
    assert not is_in(client)


def test_every_address_a_page_asks_by_itself_is_known() -> None:
    """The templates' `data-poll` are those that keep no session."""
    found = {
        address
        for file in Path("app/templates").rglob("*.html")
        for address in re.findall(r'data-poll="([^"]+)"', file.read_text())
    }
    assert found == {"/jobs/progress/{{ row.id }}", "{{ url_for('SignInView.card_state') }}"}
    assert {"BackgroundJobView.progress", "SignInView.card_state"} == ASKED_BY_THE_PAGE


def test_use_keeps_a_session_but_not_beyond_its_hours(
    sign_in: SignIn, pass_time: Callable[[timedelta], None]
) -> None:
    client = sign_in("province")
    for _ in range(24):
        pass_time(timedelta(minutes=30))
        assert is_in(client)  # 12 h exactly at the end
    pass_time(timedelta(seconds=1))
    answer = client.get("/work/")
    assert answer.status_code == 302
    assert "最长 12 小时" in client.get("/login/").get_data(as_text=True)


def test_the_limits_are_settings(
    running: Servers, template: str, tmp_path: Path, pass_time: Callable[[timedelta], None]
) -> None:
    app = make_limited_app(
        running,
        template,
        tmp_path,
        IDLE_MINUTES=5,
        WTF_CSRF_ENABLED=False,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=1),
    )
    try:
        client = enter(app)
        pass_time(timedelta(minutes=5))
        assert is_in(client)
        pass_time(timedelta(minutes=5, seconds=1))
        assert not is_in(client)
    finally:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


# --------------------------------------------------------------------------- ended at once


@pytest.fixture
def two_apps(own_app: Flask, running: Servers, tmp_path: Path) -> Iterator[tuple[Flask, Flask]]:
    """Two applications on one database and one Redis, as two web processes are."""
    name = own_app.config["DATABASE_URL"]
    assert running.postgres is not None
    database = name.partition("@/")[2].partition("?")[0]
    other = make_app(running, database, tmp_path)
    yield own_app, other
    with other.app_context():
        db.session.remove()
        db.engine.dispose()


def the_account(app: Flask, login: str) -> tuple[int, Actor]:
    """The id of an account and the actor it is."""
    with app.app_context():
        found = db.session.scalars(select(Account).where(Account.username == login)).one()
        return found.id, actor_of(found)


def disable(account_id: int, actor: Actor) -> None:
    accounts.set_active(account_id, False, "left", actor=actor, now=clock.now())


def change_roles(account_id: int, actor: Actor) -> None:
    account = accounts.lock_account(account_id)
    accounts._set_roles(account, accounts.roles_of(account), actor=actor, now=clock.now())


def reset_password(account_id: int, actor: Actor) -> None:
    accounts.reset_password(account_id, "forgotten", actor=actor, now=clock.now())


@pytest.mark.parametrize("end", [disable, change_roles, reset_password], ids=lambda f: f.__name__)
def test_what_ends_sessions_ends_them_in_every_process(
    two_apps: tuple[Flask, Flask], end: Callable[[int, Actor], None]
) -> None:
    one, other = two_apps
    here, there = enter(one, "guiyang"), enter(other, "guiyang")
    bystander = enter(other, "auditor")
    account_id, _self = the_account(one, "guiyang")
    _id, actor = the_account(one, "province")
    with one.app_context(), unit_of_work():
        end(account_id, actor)

    assert not is_in(here)
    assert not is_in(there)
    assert is_in(bystander)


def test_own_password_change_leaves_this_session_and_ends_those_elsewhere(
    two_apps: tuple[Flask, Flask],
) -> None:
    one, other = two_apps
    here, there = enter(one), enter(other)
    before = cookie_of(here)
    form = {"current": PASSWORD, "new": "Ganjing#2022x", "repeated": "Ganjing#2022x"}
    assert here.post("/password/", data=form).status_code == 302

    assert is_in(here)
    assert cookie_of(here) != before
    assert not is_in(there)
    assert len(handles_on(here.get("/sessions/"))) == 0


def test_sign_out_ends_this_session_alone(two_apps: tuple[Flask, Flask]) -> None:
    one, other = two_apps
    here, there = enter(one), enter(other)
    value = cookie_of(here)
    here.post("/logout/")

    thief = other.test_client()
    thief.set_cookie(other.config["SESSION_COOKIE_NAME"], value)
    assert not is_in(thief)
    assert is_in(there)


def test_a_session_ended_while_a_request_is_under_way_does_not_come_back(
    own_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request has read its session, then it is ended, then the request writes it."""
    from app.views.home import NotificationView

    client, ending = enter(own_app), enter(own_app)
    [handle] = handles_on(ending.get("/sessions/"))
    inside, go_on = threading.Event(), threading.Event()
    home = NotificationView.home

    def slow(self: NotificationView) -> object:
        from flask import session

        session["account_searches"] = {"t": "x"}  # so that it is written
        inside.set()
        assert go_on.wait(10)
        return home(self)

    slow._permission_name = home._permission_name  # type: ignore[attr-defined]
    monkeypatch.setattr(NotificationView, "home", slow)
    view = next(
        view
        for view in own_app.extensions["appbuilder"].baseviews
        if isinstance(view, NotificationView)
    )
    monkeypatch.setitem(own_app.view_functions, "NotificationView.home", lambda: slow(view))
    answers: list[int] = []
    request = threading.Thread(
        target=lambda: answers.append(client.get("/notifications/").status_code)
    )
    request.start()
    assert inside.wait(10)
    assert ending.post("/sessions/end", data={"handle": handle}).status_code == 302
    go_on.set()
    request.join()
    monkeypatch.undo()

    assert not is_in(client)


# --------------------------------------------------------------------------- the list


def test_own_sign_ins_are_listed_in_words(app: Flask, account: FindAccount) -> None:
    here = enter(app, **{"User-Agent": CHROME})
    enter(app, **{"User-Agent": WECHAT})
    enter(app, "auditor")

    page = here.get("/sessions/")

    text = page.get_data(as_text=True)
    table = text.partition("<table")[2].partition("</table>")[0]
    assert page.status_code == 200
    assert "Chrome 浏览器 · Windows 电脑" in text
    assert "微信 · 安卓设备" in text
    assert table.count("127.0.0.1") == 2
    assert table.count("本机") == 1
    assert len(handles_on(page)) == 1
    assert cookie_of(here) not in text


def test_one_of_the_others_is_ended(app: Flask) -> None:
    here, other, third = enter(app), enter(app), enter(app)
    ending = handles_on(here.get("/sessions/"))
    assert len(ending) == 2
    [mine] = [h for h in ending if h not in handles_on(other.get("/sessions/"))]

    answer = here.post("/sessions/end", data={"handle": mine}, follow_redirects=True)

    assert "登录已结束" in answer.get_data(as_text=True)
    assert (is_in(here), is_in(other), is_in(third)) == (True, False, True)
    assert "登录已结束" in other.get("/login/").get_data(as_text=True)
    again = here.post("/sessions/end", data={"handle": mine}, follow_redirects=True)
    assert "已经结束" in again.get_data(as_text=True)


def test_all_others_are_ended_and_it_is_on_the_record(app: Flask, account: FindAccount) -> None:
    here, other, third = enter(app), enter(app), enter(app)
    stranger = enter(app, "auditor")

    answer = here.post("/sessions/end-others", follow_redirects=True)

    assert "已结束其他 2 处登录" in answer.get_data(as_text=True)
    assert [is_in(c) for c in (here, other, third, stranger)] == [True, False, False, True]
    entry = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "end_other_sessions")
    ).one()
    assert entry.account_id == account("province").id


def test_nobody_ends_the_sign_in_of_somebody_else(app: Flask) -> None:
    victim, attacker = enter(app), enter(app, "auditor")
    spare = enter(app)
    [handle] = handles_on(victim.get("/sessions/"))
    attacker.post("/sessions/end", data={"handle": handle})
    assert is_in(spare)
    assert is_in(victim)


def test_what_has_ended_is_no_longer_listed_nor_kept(
    app: Flask, account: FindAccount, pass_time: Callable[[timedelta], None]
) -> None:
    enter(app)
    pass_time(timedelta(minutes=31))
    here = enter(app)
    assert handles_on(here.get("/sessions/")) == []
    store = app.extensions["redis"]
    key = f"portal:account:{account('province').id}:sessions"
    assert store.hlen(key) == 1
    assert 0 < store.ttl(key) <= 13 * 3600


def test_the_list_is_for_its_owner(client: FlaskClient) -> None:
    answer = client.get("/sessions/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login/?next=/sessions/")
    assert client.post("/sessions/end-others").status_code == 302
    assert client.get("/sessions/end").status_code == 405


# --------------------------------------------------------------------------- the cookie


def test_a_session_id_brought_along_is_not_taken(app: Flask) -> None:
    """Fixation: whoever plants a cookie in somebody's browser does not share the session."""
    name = app.config["SESSION_COOKIE_NAME"]
    victim = app.test_client()
    victim.set_cookie(name, "planted-by-somebody-else")
    victim.post("/login/", data={"login": "province", "password": PASSWORD})
    assert cookie_of(victim) != "planted-by-somebody-else"
    attacker = app.test_client()
    attacker.set_cookie(name, "planted-by-somebody-else")
    assert not is_in(attacker)
    assert is_in(victim)


def test_an_anonymous_session_known_to_somebody_else_is_left_at_sign_in(app: Flask) -> None:
    victim = app.test_client()
    victim.post("/login/", data={"login": "province", "password": "wrong"})
    victim.get("/login/")
    with victim.session_transaction() as session:
        session["locale"] = "zh"
    before = cookie_of(victim)
    victim.post("/login/", data={"login": "province", "password": PASSWORD})
    attacker = app.test_client()
    attacker.set_cookie(app.config["SESSION_COOKIE_NAME"], before)
    assert cookie_of(victim) != before
    assert not is_in(attacker)


def test_redis_holds_neither_the_id_nor_the_number_of_a_session(
    app: Flask, account: FindAccount
) -> None:
    person = account("王敏").person
    assert person is not None
    client = enter(app, person.identity_number)
    client.get("/notifications/")
    store = app.extensions["redis"]
    for key in store.scan_iter("portal:*"):
        kind = store.type(key).decode()
        value = (
            store.hgetall(key) if kind == "hash" else store.get(key) if kind == "string" else b""
        )
        for secret in (cookie_of(client), person.identity_number, person.phone or "-"):
            assert secret not in key.decode()
            assert secret not in str(value)
    assert keyring().lookup_hash(person.identity_number)  # what stands for it elsewhere


def test_flags_of_the_cookie(running: Servers, template: str, tmp_path: Path) -> None:
    app = make_limited_app(
        running,
        template,
        tmp_path,
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_NAME="__Host-portal_8080",
    )
    try:
        answer = app.test_client().post(
            "/login/",
            data={"login": "province", "password": PASSWORD},
            base_url="https://localhost",
        )
        [cookie] = [c for c in answer.headers.getlist("Set-Cookie") if c.startswith("__Host-")]
        parts = set(cookie.split("; ")[1:])
        assert parts == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}
    finally:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


# --------------------------------------------------------------------------- Redis away


@pytest.fixture
def without_redis(running: Servers, template: str, tmp_path: Path) -> Iterator[Flask]:
    """An application whose Redis is away."""
    app = make_limited_app(running, template, tmp_path, REDIS_URL=f"unix://{tmp_path}/nothing.sock")
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def test_without_redis_pages_behind_the_sign_in_say_so_and_public_ones_stay(
    without_redis: Flask,
) -> None:
    client = without_redis.test_client()
    client.set_cookie(without_redis.config["SESSION_COOKIE_NAME"], "whatever")
    for path in ("/work/", "/accounts/list/", "/sessions/", "/password/", "/lookup/unit"):
        answer = client.get(path)
        assert answer.status_code == 503, path
        assert (
            "稍后" in answer.get_json(silent=True, force=False)["message"]
            if answer.is_json
            else "稍后" in answer.get_data(as_text=True)
        ), path
    for path in ("/public/", "/public/calls", "/healthz"):
        assert client.get(path).status_code == 200, path


def test_without_redis_nobody_signs_in(without_redis: Flask) -> None:
    client = without_redis.test_client()
    assert client.get("/login/").status_code == 200
    answer = client.post("/login/", data={"login": "province", "password": PASSWORD})
    assert answer.status_code == 503
    assert "稍后" in answer.get_data(as_text=True)


def test_redis_that_goes_away_during_a_session_is_503_and_the_session_lives_on(
    own_app: Flask, tmp_path: Path
) -> None:
    from redis import Redis

    client = enter(own_app)
    store = own_app.extensions["redis"]
    own_app.extensions["redis"] = Redis.from_url(f"unix://{tmp_path}/nothing.sock")
    assert client.get("/work/").status_code == 503
    assert client.post("/sessions/end-others").status_code == 503
    own_app.extensions["redis"] = store
    assert is_in(client)


def test_accounts_are_locked_though_redis_is_away(own_app: Flask, tmp_path: Path) -> None:
    from redis import Redis

    client = enter(own_app, "guiyang")
    account_id, _self = the_account(own_app, "guiyang")
    _id, actor = the_account(own_app, "province")
    store = own_app.extensions["redis"]
    own_app.extensions["redis"] = Redis.from_url(f"unix://{tmp_path}/nothing.sock")
    with own_app.app_context(), unit_of_work():
        disable(account_id, actor)
    own_app.extensions["redis"] = store
    assert not is_in(client)


def test_a_session_nobody_can_read_counts_as_ended(app: Flask) -> None:
    client = enter(app)
    key = sessions.DATA + sessions.digest_of(cookie_of(client))
    app.extensions["redis"].set(key, b"\x80\x04cposix\nsystem\n.")
    assert not is_in(client)


# --------------------------------------------------------------------------- what was typed


def test_a_form_of_an_ended_session_keeps_what_was_typed(
    app: Flask, pass_time: Callable[[timedelta], None]
) -> None:
    """The page says so and sends it again; what was typed as a password is not repeated."""
    client = enter(app)
    pass_time(timedelta(minutes=31))
    form = {"name": "某<b>某", "reason": "两行\n文字", "current": "geheim", "csrf_token": "x"}
    answer = client.post(
        "/accounts/add?next=1", data=form, headers={"Sec-Fetch-Site": "same-origin"}
    )
    page = answer.get_data(as_text=True)
    assert answer.status_code == 401
    assert 'name="name" value="某&lt;b&gt;某"' in page
    assert 'name="reason" value="两行\n文字"' in page
    assert 'action="/accounts/add?next=1"' in page
    assert "geheim" not in page
    assert "在新窗口登录" in page


def test_an_expired_token_keeps_what_was_typed_for_our_own_pages_alone(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = enter(app)
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)
    form = {"name": "王五", "csrf_token": "expired"}
    here = client.post("/accounts/add", data=form, headers={"Origin": "http://localhost"})
    page = here.get_data(as_text=True)
    assert here.status_code == 400
    assert 'name="name" value="王五"' in page
    token = re.findall(r'name="csrf_token" value="([^"]+)"', page)[-1]
    again = client.post("/accounts/add", data={"name": "王五", "csrf_token": token})
    assert again.status_code != 400 or "尚未提交" not in again.get_data(as_text=True)
    unsaid = client.post("/accounts/add", data=form)
    assert unsaid.status_code == 400
    assert "王五" not in unsaid.get_data(as_text=True)
    elsewhere = client.post("/accounts/add", data=form, headers={"Origin": "https://evil.example"})
    assert elsewhere.status_code == 403
    assert "王五" not in elsewhere.get_data(as_text=True)


def test_a_session_that_ended_keeps_nobody_from_signing_in_anew(app: Flask) -> None:
    client = app.test_client()
    client.set_cookie(app.config["SESSION_COOKIE_NAME"], "of-a-session-long-gone")
    for path in ("/login/", "/public/"):
        assert client.get(path).status_code == 200, path
    answer = client.post("/login/", data={"login": "province", "password": PASSWORD})
    assert answer.status_code == 302
    assert is_in(client)
