"""The shared cast of the tests: real PostgreSQL and Redis, a seeded database, signed-in clients.

`app` runs each test in one transaction that is rolled back. Tests with several connections,
threads or processes take `own_app`, a database of their own cloned from the seeded template in
about 0.1 s.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g, request_started
from flask.testing import FlaskClient
from sqlalchemy import create_engine, event, select, text
from xdist.scheduler import LoadFileScheduling

import config
from app import create_app
from app.append_only import append_only_tables
from app.domain.calendar import BEIJING
from app.embedded import APPLICATION_ROLE, Servers, servers
from app.extensions import db
from app.models import Account, Person, Unit
from app.security.actors import actor_of
from app.services import database_rights
from app.services.actors import Actor

PASSWORD = "Pingshen@2022"
BROWSER = "tests/browser/"
STARTING_PORTALS = (
    BROWSER,
    "tests/story/",
    "tests/infra/test_run.py",
    "tests/infra/test_embedded.py",
    "tests/infra/test_planted_numbers.py",
)
_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The browser tests make the pictures of the README on demand."""
    parser.addoption(
        "--screenshots", metavar="FOLDER", help="keep pictures of some pages there (-m browser)"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that start whole portals: no process waits for them at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(STARTING_PORTALS))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """With several processes each takes whole files; the browser tests share one portal whose
    clock only moves forward, so that they stay together and in order."""
    return KeepTogether(config, log)


class KeepTogether(LoadFileScheduling):
    """A file to a process, the folder of the browser tests like one file."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = super()._split_scope(nodeid)
        return BROWSER if scope.startswith(BROWSER) else scope


def at(text_: str) -> datetime:
    """A Beijing instant written out: at("2022-08-05T17:00:00")."""
    return datetime.fromisoformat(text_).replace(tzinfo=BEIJING)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Embedded PostgreSQL and Redis for the whole session."""
    with servers(tmp_path_factory.mktemp("var"), durable=False) as found:
        assert found.postgres is not None
        found.postgres.create_application_role()
        yield found


AS_APPLICATION = {
    **config.SQLALCHEMY_ENGINE_OPTIONS,
    "connect_args": {
        "connect_timeout": 5,
        "options": f"-c timezone=UTC -c role={APPLICATION_ROLE}",
    },
}
"""Connections with the rights of the application's database role alone; `unprotect` steps out."""


def make_app(running: Servers, database: str, files: Path, **overrides: Any) -> Flask:
    """An application on one database of the embedded server; as the owner of its tables, unless
    `SQLALCHEMY_ENGINE_OPTIONS=AS_APPLICATION` is given."""
    assert running.postgres is not None
    return create_app(
        TESTING=True,
        DATABASE_URL=running.postgres.url_of(database),
        REDIS_URL=running.redis_url,
        OBJECT_STORE_URL=files.as_uri(),
        AUDIT_ANCHOR_FILE=files / "audit-heads.jsonl",
        WTF_CSRF_ENABLED=False,
        RATELIMIT_ENABLED=False,
        AUTH_RATE_LIMITED=False,
        CONFIGURATION_LOOK_SECONDS=0,
        SERVER_NAME="localhost",
        **overrides,
    )


def run_sql(running: Servers, *statements: str) -> None:
    """Run statements outside any transaction."""
    assert running.postgres is not None
    engine = create_engine(running.postgres.url_of("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def as_superuser() -> None:
    """Step out of the application's rights, for the present transaction."""
    db.session.execute(text("SET LOCAL ROLE none"))


def unprotect(*tables: str) -> None:
    """Switch off the triggers that refuse change, in the present transaction, as a superuser can
    who wants to do damage."""
    as_superuser()
    for table in tables or append_only_tables(db.metadata):
        db.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))


@pytest.fixture(scope="session")
def template(running: Servers, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with tables, permissions, seed and demo data, to be cloned."""
    run_sql(running, "CREATE DATABASE template_seeded")
    app = make_app(running, "template_seeded", tmp_path_factory.mktemp("files"))
    with app.app_context():
        db.create_all()
        runner = app.test_cli_runner()
        for command in ("init", "seed"):
            result = runner.invoke(args=[command])
            assert result.exit_code == 0, result.output
        database_rights.grant_to(APPLICATION_ROLE)
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    return "template_seeded"


def forget_the_request_before(_app: Flask, **_extra: Any) -> None:
    """Begin each request with an empty `g`: inside the context of `app` all requests share one."""
    vars(g._get_current_object()).clear()


@pytest.fixture(scope="session")
def session_app(
    running: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """One application for all tests that roll back."""
    run_sql(running, f"CREATE DATABASE shared TEMPLATE {template}")
    app = make_app(
        running,
        "shared",
        tmp_path_factory.mktemp("files"),
        SQLALCHEMY_ENGINE_OPTIONS=AS_APPLICATION,
    )
    db.session.session_factory.configure(join_transaction_mode="create_savepoint")
    with request_started.connected_to(forget_the_request_before, app):
        yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def app(session_app: Flask, tmp_path: Path) -> Iterator[Flask]:
    """The application inside a transaction that ends with the test."""
    session_app.config["AUDIT_ANCHOR_FILE"] = tmp_path / "audit-heads.jsonl"
    with session_app.app_context():
        engine = db.engine
        connection = engine.connect()
        outer = connection.begin()
        db.engines[None] = connection  # type: ignore[assignment]
        try:
            yield session_app
        finally:
            db.session.remove()
            db.engines[None] = engine
            outer.rollback()
            connection.close()


@pytest.fixture
def own_app(running: Servers, template: str, tmp_path: Path) -> Iterator[Flask]:
    """An application on a database of its own, for tests with several connections."""
    name = f"own_{next(_numbers)}"
    run_sql(running, f"CREATE DATABASE {name} TEMPLATE {template}")
    app = make_app(running, name, tmp_path, SQLALCHEMY_ENGINE_OPTIONS=AS_APPLICATION)
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    run_sql(running, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def account(app: Flask) -> Callable[[str], Account]:
    """account("province") or account("王敏"): a demo account by login or by name."""

    def find(name: str) -> Account:
        by_login = db.session.scalar(select(Account).where(Account.username == name))
        return (
            by_login
            or db.session.scalars(
                select(Account)
                .join(Person, Person.id == Account.person_id)
                .where(Person.name == name)
            ).one()
        )

    return find


@pytest.fixture
def actor(account: Callable[[str], Account]) -> Callable[[str], Actor]:
    """actor("王敏"): the same account as services see it."""
    return lambda name: actor_of(account(name))


@pytest.fixture
def unit(app: Flask) -> Callable[[str], Unit]:
    """unit("贵阳市人力资源和社会保障局"): a unit by its name."""
    return lambda name: db.session.scalars(select(Unit).where(Unit.name == name)).one()


@pytest.fixture
def no_tries_left_over(app: Flask) -> None:
    """Lock-outs and codes live in Redis, which no test rolls back."""
    store = app.extensions["redis"]
    for kind in ("lockout", "brake", "known", "sms", "card", "rehearsal"):
        for key in store.scan_iter(f"portal:{kind}:*"):
            store.delete(key)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser nobody has signed in with."""
    return app.test_client()


@pytest.fixture
def sign_in(app: Flask, account: Callable[[str], Account]) -> Callable[[str], FlaskClient]:
    """sign_in("province"): a client signed in through the login page."""

    def enter(name: str) -> FlaskClient:
        found = account(name)
        client = app.test_client()
        login = found.person.identity_number if found.person else found.username
        answer = client.post("/login/", data={"login": login, "password": PASSWORD})
        assert answer.status_code == 302, answer.get_data(as_text=True)[:2000]
        return client

    return enter


@pytest.fixture
def count_queries(app: Flask) -> Callable[[Callable[[], Any]], int]:
    """count_queries(call): how many statements `call` sends."""

    def count(call: Callable[[], Any]) -> int:
        statements: list[str] = []
        db.session.expire_all()

        def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if not statement.startswith(("SAVEPOINT", "RELEASE")):
                statements.append(statement)

        event.listen(db.engines[None], "before_cursor_execute", note)
        try:
            call()
        finally:
            event.remove(db.engines[None], "before_cursor_execute", note)
        return len(statements)

    return count
