"""The application's database role: what it may do with which table, and what it may not."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.append_only import append_only_tables
from app.embedded import APPLICATION_ROLE, Servers
from app.extensions import db, unit_of_work
from app.services import audit, database_rights
from app.services.actors import SYSTEM
from app.services.database_rights import Weakness
from tests.conftest import as_superuser, at, run_sql

NOW = at("2022-08-03T09:00:00")


def refused(statement: str) -> str:
    """What the database says to a statement of the application."""
    with pytest.raises(ProgrammingError) as caught:
        db.session.execute(text(statement))
    db.session.rollback()
    return str(caught.value.orig).splitlines()[0]


def rights_on(table: str) -> set[str]:
    return set(
        db.session.scalars(
            text(
                "SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE',"
                " 'REFERENCES', 'TRIGGER']) p WHERE has_table_privilege(:role, :name, p)"
            ),
            {"role": APPLICATION_ROLE, "name": f"public.{table}"},
        )
    )


def test_tests_connect_with_the_rights_of_the_application(own_app: Flask) -> None:
    with own_app.app_context():
        assert db.session.scalar(text("SELECT current_user")) == APPLICATION_ROLE


def test_rights_are_exactly_these(own_app: Flask) -> None:
    with own_app.app_context():
        expected = {"audit_link": {"SELECT"}, "alembic_version": {"SELECT"}}
        expected |= {
            table: {"SELECT", "INSERT"}
            for table in append_only_tables(db.metadata)
            if table != "audit_link"
        }
        for table in db.metadata.tables:
            wanted = expected.get(table, {"SELECT", "INSERT", "UPDATE", "DELETE"})
            assert rights_on(table) == wanted, table


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET reason = ''",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry CASCADE",
        "INSERT INTO audit_link VALUES (1, 1, '', '')",
        "UPDATE audit_link SET hash = ''",
        "DELETE FROM audit_anchor",
        "UPDATE personal_data_read SET reason = ''",
        "DELETE FROM application_event",
        "SELECT link_audit_entry()",
    ],
)
def test_application_may_not_touch_the_log(own_app: Flask, statement: str) -> None:
    with own_app.app_context():
        assert refused(statement).startswith(("permission denied for", "trigger functions can"))


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_entry_append_only ON audit_entry",
        "DROP TRIGGER audit_entry_link ON audit_entry",
        "DROP TABLE audit_link",
        "DROP FUNCTION link_audit_entry() CASCADE",
        (
            "CREATE TRIGGER mine BEFORE INSERT ON audit_entry FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        ),
        "CREATE RULE nothing AS ON INSERT TO audit_entry DO INSTEAD NOTHING",
        "CREATE TABLE public.audit_copy (id integer)",
        "ALTER TABLE unit ADD COLUMN more integer",
        "SELECT setval('audit_entry_id_seq', 1)",
        (
            "CREATE OR REPLACE FUNCTION public.refuse_change() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN RETURN NEW; END $$"
        ),
    ],
)
def test_application_may_not_take_the_protection_away(own_app: Flask, statement: str) -> None:
    with own_app.app_context():
        said = refused(statement)
        assert "must be owner of" in said or "permission denied for" in said


def test_role_of_the_application_cannot_become_another(own_app: Flask, running: Servers) -> None:
    """Not as a superuser with SET ROLE, as the other tests: signed in as the role itself."""
    assert running.postgres is not None
    with own_app.app_context():
        database = str(db.engine.url.database)
    address = running.postgres.url_of(database, role=APPLICATION_ROLE)
    own_app_as_role = make_app_at(own_app, address)
    with own_app_as_role.app_context():
        assert refused("SET ROLE portal").startswith("permission denied to set role")
        assert "session_replication_role" in refused("SET session_replication_role = replica")
        with unit_of_work():
            audit.record("change_unit", None, actor=SYSTEM, now=NOW)
        assert list(database_rights.find_weaknesses()) == []
        db.session.remove()
        db.engine.dispose()


def make_app_at(like: Flask, address: str) -> Flask:
    from app import create_app

    return create_app(
        TESTING=True,
        DATABASE_URL=address,
        REDIS_URL=like.config["REDIS_URL"],
        AUDIT_ANCHOR_FILE=like.config["AUDIT_ANCHOR_FILE"],
    )


def test_rights_are_given_again_where_they_differ(own_app: Flask) -> None:
    with own_app.app_context():
        as_superuser()
        assert database_rights.grant_to(APPLICATION_ROLE) == 0
        db.session.execute(text(f"GRANT UPDATE, TRUNCATE ON audit_entry TO {APPLICATION_ROLE}"))
        db.session.execute(text(f"REVOKE DELETE ON notification FROM {APPLICATION_ROLE}"))
        db.session.execute(text("CREATE TABLE added (id integer)"))
        assert database_rights.grant_to(APPLICATION_ROLE) == 3
        assert rights_on("audit_entry") == {"SELECT", "INSERT"}
        assert rights_on("added") == {"SELECT", "INSERT", "UPDATE", "DELETE"}
        with pytest.raises(database_rights.MissingRoleError):
            database_rights.grant_to("nobody_of_this_name")


def test_every_hole_is_named(own_app: Flask) -> None:
    def problems() -> list[Weakness]:
        return [weakness for weakness, _params in database_rights.find_weaknesses()]

    with own_app.app_context():
        assert problems() == []
        for statement, expected in (
            (f"GRANT DELETE ON audit_entry TO {APPLICATION_ROLE}", Weakness.TOO_MANY_RIGHTS),
            (f"GRANT INSERT ON audit_link TO {APPLICATION_ROLE}", Weakness.TOO_MANY_RIGHTS),
            (f"GRANT CREATE ON SCHEMA public TO {APPLICATION_ROLE}", Weakness.MAY_CREATE),
            (f"ALTER TABLE audit_entry OWNER TO {APPLICATION_ROLE}", Weakness.OWNER),
            (
                "ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_link",
                Weakness.UNPROTECTED,
            ),
            (
                "ALTER TABLE audit_link ENABLE TRIGGER audit_link_append_only",
                Weakness.UNPROTECTED,
            ),
            (
                (
                    "CREATE OR REPLACE FUNCTION public.refuse_change() RETURNS trigger"
                    " LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
                ),
                Weakness.OTHER_FUNCTION,
            ),
        ):
            as_superuser()
            db.session.execute(text(statement))
            db.session.execute(text(f"SET LOCAL ROLE {APPLICATION_ROLE}"))
            assert problems() == [expected], statement
            db.session.rollback()
        as_superuser()
        assert problems() == [Weakness.SUPERUSER]


def test_check_database_command_says_what_is_wrong(own_app: Flask) -> None:
    runner = own_app.test_cli_runner()
    done = runner.invoke(args=["audit", "check-database"])
    assert (done.exit_code, done.output) == (0, "数据库已保护操作日志，应用所用角色无法更改。\n")
    with own_app.app_context():
        as_superuser()
        db.session.execute(text(f"GRANT DELETE ON audit_entry TO {APPLICATION_ROLE}"))
        db.session.commit()
    done = runner.invoke(args=["audit", "check-database"])
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert "audit_entry" in done.output
    assert "DELETE" in done.output


def test_role_that_owns_the_tables_is_named(running: Servers, own_app: Flask) -> None:
    """An old site: one role for everything, with DATABASE_URL alone."""
    run_sql(running, "DROP ROLE IF EXISTS one_for_all", "CREATE ROLE one_for_all LOGIN")
    with own_app.app_context():
        as_superuser()
        for table in db.metadata.tables:
            db.session.execute(text(f"ALTER TABLE {table} OWNER TO one_for_all"))
        db.session.execute(text("SET LOCAL ROLE one_for_all"))
        found = list(database_rights.find_weaknesses())
        db.session.rollback()
    assert [weakness for weakness, _params in found] == [Weakness.OWNER]
    assert found[0][1]["role"] == "one_for_all"
    run_sql(running, "DROP ROLE one_for_all")
