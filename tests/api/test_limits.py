"""How often an address may ask, and what happens when nobody can count."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import create_app
from app.embedded import Servers
from app.extensions import db
from app.models import Account, Person
from app.security.limits import COUNTED
from tests.conftest import PASSWORD

BODY = {"name": "查无此人", "identity_number": "520102199202149470"}
_numbers = count(1)


def make_limited_app(running: Servers, database: str, files: Path, **more: Any) -> Flask:
    """An application that counts requests, apart from those of other tests."""
    assert running.postgres is not None
    return create_app(
        **{
            "TESTING": True,
            "DATABASE_URL": running.postgres.url_of(database),
            "REDIS_URL": running.redis_url,
            "OBJECT_STORE_URL": files.as_uri(),
            "RATELIMIT_ENABLED": True,
            "RATELIMIT_KEY_PREFIX": f"test-{next(_numbers)}",
            "LOOKUP_RATE_LIMIT": "3 per minute; 100 per day",
            "PAGE_RATE_LIMIT": "5 per minute",
            "SERVER_NAME": "localhost",
            **more,
        }
    )


@pytest.fixture
def limited(running: Servers, template: str, tmp_path: Path) -> Iterator[Flask]:
    """An application with small limits."""
    app = make_limited_app(running, template, tmp_path)
    yield app
    close(app)


@pytest.fixture
def without_redis(running: Servers, template: str, tmp_path: Path) -> Iterator[Flask]:
    """An application whose Redis is away."""
    gone = f"unix://{tmp_path}/nothing.sock"
    app = make_limited_app(running, template, tmp_path, REDIS_URL=gone)
    yield app
    close(app)


def close(app: Flask) -> None:
    """Leave the template database to the tests that clone it."""
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def test_look_ups_are_limited_per_address(limited: Flask) -> None:
    client = limited.test_client()
    statuses = [client.post("/api/v1/public/outcome", json=BODY).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    answer = client.post("/api/v1/public/certificates", json=BODY)
    assert (answer.status_code, answer.get_json()["code"]) == (429, "too_many_requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 61
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    other = client.post("/api/v1/public/outcome", json=BODY, environ_overrides=elsewhere)
    assert other.status_code == 200


def test_form_and_api_share_one_count(limited: Flask) -> None:
    client = limited.test_client()
    for _ in range(3):
        assert client.post("/public/results/own", data=BODY).status_code == 200
    answer = client.post("/public/verify/own", data=BODY)
    assert answer.status_code == 429
    assert "查无此人" in answer.get_data(as_text=True)
    assert client.post("/api/v1/public/outcome", json=BODY).status_code == 429


def test_addresses_of_one_ipv6_line_count_together(limited: Flask) -> None:
    client = limited.test_client()
    statuses = [
        client.post(
            "/api/v1/public/outcome",
            json=BODY,
            environ_overrides={"REMOTE_ADDR": f"2001:db8::{number:x}"},
        ).status_code
        for number in range(4)
    ]
    assert statuses == [200, 200, 200, 429]


def test_open_pages_are_limited_too(limited: Flask) -> None:
    client = limited.test_client()
    statuses = [client.get("/public/guide").status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/public/", "/public/calls", "/public/verify/1"])
def test_open_pages_stay_open_without_redis(without_redis: Flask, path: str) -> None:
    assert without_redis.test_client().get(path).status_code == 200


def test_look_ups_close_without_redis(without_redis: Flask) -> None:
    client = without_redis.test_client()
    answer = client.post("/api/v1/public/outcome", json=BODY)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "lookups_closed")
    assert client.get("/api/v1/public/certificates/1").status_code == 503
    page = client.post("/public/results/own", data=BODY)
    assert page.status_code == 503
    assert "查无此人" in page.get_data(as_text=True)


# --------------------------------------------------------------------------- accounts


@pytest.fixture
def counted(running: Servers, own_app: Flask, tmp_path: Path) -> Iterator[Flask]:
    """An application that counts what accounts do, on a database of its own."""
    database = own_app.config["DATABASE_URL"].partition("@/")[2].partition("?")[0]
    app = make_limited_app(
        running,
        database,
        tmp_path,
        WTF_CSRF_ENABLED=False,
        PERSONS_RATE_LIMIT="3 per minute",
        EXPORTS_RATE_LIMIT="2 per hour",
        ACCOUNT_AUTH_RATE_LIMIT="6 per hour",
        AUTH_RATE_LIMIT="1000 per minute",
    )
    yield app
    close(app)


def sign_in(app: Flask, login: str, **environ: str) -> FlaskClient:
    """A client signed in from an address."""
    client = app.test_client()
    client.environ_base.update(environ)
    answer = client.post("/login/", data={"login": login, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def test_what_an_account_asks_of_persons_is_limited_wherever_it_sits(counted: Flask) -> None:
    here = sign_in(counted, "nmdesign")
    there = sign_in(counted, "nmdesign", REMOTE_ADDR="203.0.113.7")
    other = sign_in(counted, "gyhousing")

    def ask(client: FlaskClient) -> int:
        return client.post("/accounts/search", data={"term": "王"}).status_code

    assert [ask(here), ask(there), ask(here), ask(there), ask(here)] == [303, 303, 303, 429, 429]
    assert ask(other) == 303
    assert here.get("/accounts/list/").status_code == 200  # reading goes on


def test_the_refusal_says_how_long_and_keeps_what_was_typed(counted: Flask) -> None:
    client = sign_in(counted, "nmdesign")
    for _ in range(3):
        client.post("/accounts/search", data={"term": "王"})
    form = {"name": "张三丰", "identity_number": "1"}
    answer = client.post("/accounts/add", data=form, headers={"Origin": "http://localhost"})
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 61
    page = answer.get_data(as_text=True)
    assert 'value="张三丰"' in page
    assert "分钟后再试" in page


def test_an_address_with_many_accounts_has_ten_times_as_much(counted: Flask) -> None:
    counted.config["PERSONS_RATE_LIMIT"] = "1 per hour"
    with counted.app_context():
        rows = db.session.scalars(
            select(Account.username)
            .where(Account.roles.any(name="unit_admin"), Account.active.is_(True))
            .order_by(Account.id)
        )
        logins = list(rows)[:11]
    statuses = [
        sign_in(counted, login).post("/accounts/search", data={"term": "王"}).status_code
        for login in logins
    ]
    assert statuses == [303] * 10 + [429]


def test_sign_ins_to_one_account_are_limited_wherever_they_come_from(counted: Flask) -> None:
    def ask(login: str, number: int) -> int:
        client = counted.test_client()
        client.environ_base["REMOTE_ADDR"] = f"203.0.113.{number}"
        return client.post("/login/", data={"login": login, "password": "wrong"}).status_code

    assert [ask("auditor", n) for n in range(7)] == [401] * 6 + [429]
    assert [ask("nobody", n) for n in range(7)] == [401] * 6 + [429]
    assert ask("security", 1) == 401


def test_nobody_elsewhere_shuts_the_owner_out(counted: Flask) -> None:
    """The address the owner signs in from is known: what others try does not count against it."""
    with counted.app_context():
        number, login = db.session.execute(
            select(Person.identity_number, Account.username)
            .join(Account, Account.person_id == Person.id)
            .where(Account.first_name == "王敏")
        ).one()

    def ask(typed: str, address: str, password: str = "wrong") -> int:
        client = counted.test_client()
        client.environ_base["REMOTE_ADDR"] = address
        return client.post("/login/", data={"login": typed, "password": password}).status_code

    assert ask(number, "198.51.100.1", PASSWORD) == 302  # the first of six: not known yet
    aliases = [number, login, number.lower(), login, number]
    assert [ask(typed, f"203.0.113.{n}") for n, typed in enumerate(aliases)] == [401] * 5
    assert ask(login, "203.0.113.9", PASSWORD) == 429
    assert ask(number, "203.0.113.10", PASSWORD) == 429
    assert ask(number, "198.51.100.1", PASSWORD) == 302
    assert [ask(login, "198.51.100.1") for _ in range(5)] == [401] * 5
    assert ask(login, "198.51.100.1", PASSWORD) == 429  # the lock-out of that address


def test_exports_are_limited(counted: Flask) -> None:
    client = sign_in(counted, "nmdesign")
    answers = [client.post("/exports/new", data={"kind": "x"}).status_code for _ in range(3)]
    assert answers == [422, 422, 429]


def test_proofs_within_a_session_are_limited(counted: Flask) -> None:
    """A stolen session guesses neither the password nor a code of the authenticator."""
    client = sign_in(counted, "nmdesign")
    typed = {"current": "falsch", "new": "x", "repeated": "x"}
    answers = [client.post("/password/", data=typed).status_code for _ in range(6)]
    answers += [client.post("/account/security/totp/remove").status_code for _ in range(5)]
    assert answers == [422] * 10 + [429]


def test_everything_counted_is_a_page_there_is(session_app: Flask) -> None:
    assert set(COUNTED) <= set(session_app.view_functions)
    for name in COUNTED.values():
        assert f"{name.upper()}_RATE_LIMIT" in session_app.config
