"""Every page of every role, by GET: nothing changes, every answer carries the headers, no page runs
inline code. Written for whatever routes there are: a new one is covered the day it is registered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app.domain.workflow import ActorRole
from app.embedded import Servers
from app.extensions import csrf, db
from app.headers import ALWAYS
from app.models import Account
from tests.conftest import PASSWORD, make_app, run_sql
from tests.test_every_route_is_guarded import STAND_INS, address_of

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
READS_ARE_NOTED_IN = {"audit_entry", "personal_data_read"}
"""Showing a full number writes that it was shown; nothing else may."""

ANONYMOUS = "nobody"
ROLES = [ANONYMOUS, *sorted(r for r in ActorRole if r not in {ActorRole.PUBLIC, ActorRole.SYSTEM})]
INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)[^>]*>|<style\b|<[a-z][^>]*\s(?:style|on[a-z]+)=\"|href=\"javascript:",
    flags=re.IGNORECASE,
)
VERSIONED = re.compile(r"\d+\.\d+")


@dataclass
class Crawl:
    """What one role was answered, and which tables were not the same afterwards."""

    answers: list[tuple[str, TestResponse]] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def portal(
    running: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """A portal of its own with tokens switched on, as in operation."""
    run_sql(running, f"CREATE DATABASE every_answer TEMPLATE {template}")
    app = make_app(running, "every_answer", tmp_path_factory.mktemp("files"))
    app.config["WTF_CSRF_ENABLED"] = True
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    run_sql(running, "DROP DATABASE every_answer WITH (FORCE)")


def client_of(app: Flask, role: str) -> FlaskClient:
    """A client signed in as somebody with this role."""
    client = app.test_client()
    if role == ANONYMOUS:
        return client
    with app.app_context():
        name = STAND_INS.get(ActorRole(role))
        by_role = select(Account).where(Account.roles.any(name=role)).order_by(Account.id)
        found = db.session.scalars(by_role).all()
        named = [a for a in found if name in (a.username, a.first_name)]
        account = (named or found)[0]
        login = account.person.identity_number if account.person else account.username
    answer = client.post("/login/", data={"login": login, "password": PASSWORD})
    assert answer.status_code == 302, (role, answer.get_data(as_text=True)[:300])
    return client


def addresses(app: Flask) -> Iterator[str]:
    """Every GET route, with a row that is there and one that is not."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if "GET" not in (rule.methods or ()) or rule.endpoint.endswith("static"):
            continue
        nowhere = address_of(rule)
        yield nowhere
        if rule.arguments:
            yield nowhere.replace("999999999", "1")


def checksums(app: Flask) -> dict[str, str]:
    """Number and content of the rows of every table."""
    with app.app_context():
        names = sorted(set(db.metadata.tables) - READS_ARE_NOTED_IN)
        parts = [
            f"SELECT '{name}', count(*) || '/' || coalesce(sum(hashtext(t::text)::bigint), 0) "  # noqa: S608 -- names of our tables
            f'FROM "{name}" t'
            for name in names
        ]
        found = {row[0]: row[1] for row in db.session.execute(text(" UNION ALL ".join(parts)))}
        db.session.rollback()
        return found


def get_everything(app: Flask, client: FlaskClient, paths: list[str]) -> Crawl:
    """Ask for every path; where something has changed, find out which path did it."""
    crawl = Crawl()
    before = checksums(app)
    crawl.answers = [(path, client.get(path)) for path in paths]
    if checksums(app) != before:
        for path in paths:
            before = checksums(app)
            client.get(path)
            after = checksums(app)
            tables = [name for name in after if after[name] != before[name]]
            if tables:
                crawl.changed[path] = tables
        crawl.changed = crawl.changed or {"once, by one of the paths": ["?"]}
    return crawl


@pytest.fixture(scope="module")
def crawl_as(portal: Flask) -> Callable[[str], Crawl]:
    """crawl_as(role): every GET of this role, once for all tests of this file."""
    done: dict[str, Crawl] = {}

    def crawl(role: str) -> Crawl:
        if role not in done:
            done[role] = get_everything(portal, client_of(portal, role), list(addresses(portal)))
        return done[role]

    return crawl


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_nothing_changes_by_get(crawl_as: Callable[[str], Crawl], role: str) -> None:
    crawl = crawl_as(role)
    assert crawl.changed == {}
    assert {path: a.status_code for path, a in crawl.answers if a.status_code >= 500} == {}


def test_a_change_by_get_would_be_seen(portal: Flask) -> None:
    """The checksums notice one changed cell; without this the test above could not fail."""
    before = checksums(portal)
    with portal.app_context():
        db.session.execute(
            text("UPDATE unit SET address = coalesce(address, '') || 'x' WHERE id = 1")
        )
        db.session.commit()
    after = checksums(portal)
    assert [name for name in after if after[name] != before[name]] == ["unit"]


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_every_answer_carries_the_headers(crawl_as: Callable[[str], Crawl], role: str) -> None:
    wrong: dict[str, list[str]] = {}
    for path, answer in crawl_as(role).answers:
        missing = [name for name, value in ALWAYS.items() if answer.headers.get(name) != value]
        missing += ["Latin letters"] * (not str(answer.headers).isascii())
        missing += ["Server"] * bool(VERSIONED.search(answer.headers.get("Server", "")))
        missing += ["X-Powered-By"] * ("X-Powered-By" in answer.headers)
        if role != ANONYMOUS and answer.headers.get("Cache-Control") != "no-store":
            missing.append("Cache-Control")
        if role == ANONYMOUS and "Cache-Control" not in answer.headers:
            missing.append("Cache-Control")
        if missing:
            wrong[path] = missing
    assert wrong == {}


@pytest.mark.parametrize("role", ROLES, ids=str)
def test_no_page_runs_inline_code(crawl_as: Callable[[str], Crawl], role: str) -> None:
    found = {
        path: INLINE.findall(answer.get_data(as_text=True))[:3]
        for path, answer in crawl_as(role).answers
        if answer.mimetype == "text/html" and INLINE.search(answer.get_data(as_text=True))
    }
    assert found == {}


# --------------------------------------------------------------------------- tokens and origins


def writing_routes(app: Flask) -> list[tuple[str, Rule]]:
    """Every route that takes a change, with the first method for it."""
    return [
        (next(m for m in UNSAFE if m in (rule.methods or ())), rule)
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
        if set(UNSAFE) & (rule.methods or set())
    ]


def carries_no_token(app: Flask, rule: Rule) -> bool:
    """Whether the route is exempt from tokens: public forms, sign-in, APIs."""
    function = app.view_functions[rule.endpoint]
    is_exempt = f"{function.__module__}.{function.__name__}" in csrf._exempt_views
    return is_exempt or rule.endpoint.partition(".")[0] in {
        blueprint if isinstance(blueprint, str) else blueprint.name
        for blueprint in csrf._exempt_blueprints
    }


def is_refused_in_words(answer: TestResponse) -> bool:
    """400 or 403 with a sentence that says what to do, and no traceback."""
    words = answer.get_json()["message"] if answer.is_json else answer.get_data(as_text=True)
    return answer.status_code in (400, 403) and "请" in words


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
    ids=["cross-site", "same-site", "origin", "null"],
)
def test_what_another_site_sends_is_refused(portal: Flask, headers: dict[str, str]) -> None:
    """Every route that takes a change, signed in and not, the exempt ones too."""
    wrong = {}
    clients = {role: client_of(portal, role) for role in (ANONYMOUS, ActorRole.PROVINCE_HRSS)}
    before = checksums(portal)
    for role, client in clients.items():
        for method, rule in writing_routes(portal):
            answer = client.open(address_of(rule), method=method, data={"a": "b"}, headers=headers)
            if not is_refused_in_words(answer):
                wrong[f"{method} {rule.rule} {role}"] = answer.status_code
    assert wrong == {}
    assert checksums(portal) == before


@pytest.mark.parametrize("kind", ["missing", "foreign", "broken"])
def test_a_form_without_its_token_is_refused(portal: Flask, kind: str) -> None:
    """Every route but the public forms, the sign-in and the APIs, which ask for the origin."""
    with portal.test_request_context():
        from flask_wtf.csrf import generate_csrf

        token = {"missing": "", "foreign": generate_csrf(), "broken": "abc"}[kind]
    wrong = {}
    client = client_of(portal, ActorRole.PROVINCE_HRSS)
    before = checksums(portal)
    for method, rule in writing_routes(portal):
        if carries_no_token(portal, rule):
            continue
        data = {"csrf_token": token, "a": "b"} if token else {"a": "b"}
        answer = client.open(address_of(rule), method=method, data=data)
        if not is_refused_in_words(answer):
            wrong[f"{method} {rule.rule}"] = answer.status_code
    assert wrong == {}
    assert checksums(portal) == before


def test_only_open_forms_and_apis_carry_no_token(portal: Flask) -> None:
    """A new page behind the sign-in cannot slip out of the tokens."""
    without = {
        rule.endpoint for _method, rule in writing_routes(portal) if carries_no_token(portal, rule)
    }
    behind_sign_in = {
        endpoint
        for endpoint in without
        if not endpoint.startswith(("PublicView.", "PublicApi.", "PublicLookupApi."))
    }
    signed_by_the_gateway = "SignInView.card_callback"
    assert behind_sign_in - {"PortalAuthView.login", signed_by_the_gateway} == set()
