"""Migrations on a real PostgreSQL: one head, the tables of the models, nothing left afterwards."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import select, text

import config
from app.domain.codes import mask_phone
from app.embedded import Servers
from app.extensions import db
from app.models import Unit
from tests.conftest import make_app, run_sql

MIGRATIONS = config.ROOT / "migrations"
_numbers = itertools.count(1)

CATALOGUE = {
    "columns": """
        SELECT table_name, column_name, data_type, character_maximum_length, is_nullable
        FROM information_schema.columns WHERE table_schema = 'public'
        AND table_name <> 'alembic_version'""",
    "constraints": """
        SELECT conrelid::regclass::text,
        CASE WHEN conrelid::regclass::text LIKE 'ab\\_%' THEN '' ELSE conname END,
        pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
        AND conrelid::regclass::text <> 'alembic_version'""",
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        AND tablename <> 'alembic_version'
        AND (tablename NOT LIKE 'ab\\_%' OR indexname LIKE 'i%')""",
    "sequences": """
        SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'""",
    "triggers": """
        SELECT tgrelid::regclass::text, tgname, tgenabled::text, pg_get_triggerdef(oid)
        FROM pg_trigger WHERE NOT tgisinternal""",
    "functions": """
        SELECT proname, pg_get_functiondef(oid), proacl::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace""",
}
"""What a schema is made of, whoever made it.

Constraints of FAB's tables have no names in its models: `create_all` leaves them to PostgreSQL, a
migration names them by our convention. They are compared by what they say.
"""


@pytest.fixture
def empty_app(running: Servers, tmp_path: Path) -> Iterator[Flask]:
    """An application on a database without tables."""
    name = f"empty_{next(_numbers)}"
    run_sql(running, f"CREATE DATABASE {name}")
    app = make_app(running, name, tmp_path)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
    run_sql(running, f"DROP DATABASE {name} WITH (FORCE)")


def read_catalogue() -> dict[str, list[Any]]:
    """The schema as PostgreSQL tells it."""
    with db.engine.connect() as connection:
        return {
            name: sorted(map(tuple, connection.execute(text(query))))
            for name, query in CATALOGUE.items()
        }


def migration_texts() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in (MIGRATIONS / "versions").glob("*.py")]


def test_migrations_have_one_head(app: Flask) -> None:
    script = ScriptDirectory(str(MIGRATIONS))
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1


def test_migrations_are_named_by_date() -> None:
    names = [path.name for path in (MIGRATIONS / "versions").glob("*.py")]
    assert names
    assert [
        name for name in names if not re.fullmatch(r"\d{4}_\d\d_\d\d_[a-z0-9_]+\.py", name)
    ] == []


def test_upgrade_from_empty_equals_the_metadata(empty_app: Flask) -> None:
    flask_migrate.upgrade()
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []


def test_upgrade_makes_the_very_schema_of_create_all(empty_app: Flask) -> None:
    flask_migrate.upgrade()
    migrated = read_catalogue()
    flask_migrate.downgrade(revision="base")
    db.create_all()
    created = read_catalogue()
    for part in CATALOGUE:
        assert migrated[part] == created[part], part
    assert len(created["indexes"]) > 100


def test_telephones_of_contacts_are_encrypted_by_the_upgrade(empty_app: Flask) -> None:
    """What was written in clear opens with the key ring afterwards, and comes back by the way
    down."""
    known = {"UNIT-A": "13900001234", "UNIT-B": "0851-86820000", "UNIT-C": None, "UNIT-D": "123"}
    flask_migrate.upgrade(revision="0014")
    with db.engine.begin() as connection:
        connection.execute(text("INSERT INTO division VALUES ('520000', '贵州省', 'province')"))
        for code, phone in known.items():
            connection.execute(
                text(
                    "INSERT INTO unit (name, kind, level, code, path, division_code, pinyin,"
                    " is_self_reviewing, is_active, contact_phone, created_at, version)"
                    " VALUES ('甲', 'hrss', 'province', :code, '/1/', '520000', 'j',"
                    " false, true, :phone, now(), 1)"
                ),
                {"code": code, "phone": phone},
            )
    flask_migrate.upgrade()
    found = db.session.execute(select(Unit.code, Unit.contact_phone, Unit.contact_phone_mask))
    assert {row.code: tuple(row)[1:] for row in found} == {
        "UNIT-A": ("13900001234", "139****1234"),
        "UNIT-B": ("0851-86820000", mask_phone("0851-86820000")),
        "UNIT-C": (None, None),
        "UNIT-D": ("123", "***"),
    }
    raw = db.session.scalars(text("SELECT contact_phone FROM unit"))
    assert not any(b"1390000" in bytes(each) for each in raw if each is not None)
    db.session.rollback()
    flask_migrate.downgrade(revision="0014")
    rows = db.session.execute(text("SELECT code, contact_phone FROM unit"))
    assert {row.code: row.contact_phone for row in rows} == known
    db.session.rollback()


def test_db_check_finds_nothing_to_migrate(empty_app: Flask) -> None:
    flask_migrate.upgrade()
    result = empty_app.test_cli_runner().invoke(args=["db", "check"])
    assert result.exit_code == 0, result.output


def test_downgrade_to_base_leaves_nothing(empty_app: Flask) -> None:
    flask_migrate.upgrade()
    flask_migrate.downgrade(revision="base")
    assert read_catalogue() == {part: [] for part in CATALOGUE}
    with db.engine.connect() as connection:
        tables = connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )
        assert tables.scalars().all() == ["alembic_version"]


def test_an_upgraded_database_can_be_prepared_and_seeded(empty_app: Flask) -> None:
    runner = empty_app.test_cli_runner()
    for command in (["db", "upgrade"], ["init"], ["seed"]):
        result = runner.invoke(args=command)
        assert result.exit_code == 0, result.output


def test_seed_before_upgrade_says_what_to_do(empty_app: Flask) -> None:
    result = empty_app.test_cli_runner().invoke(args=["seed"])
    assert (result.exit_code, result.output) == (
        1,
        "Error: the database has no tables: run `./portal db upgrade` and `./portal init` first.\n",
    )


def test_no_upgrade_drops_a_table_of_flask_appbuilder() -> None:
    for text_ in migration_texts():
        upgrade = text_.split("def downgrade()")[0]
        assert re.findall(r"drop_table\(\s*['\"]ab_", upgrade) == []


def test_migrations_do_not_depend_on_the_code_of_today() -> None:
    for text_ in migration_texts():
        assert re.findall(r"^\s*(?:from|import) app\b", text_, flags=re.MULTILINE) == []


@pytest.mark.parametrize(
    "wanted",
    [
        "CREATE INDEX ix_unit_search ON public.unit USING gin (search)",
        "CREATE INDEX ix_person_search ON public.person USING gin (search)",
        "CREATE INDEX ix_unit_path ON public.unit USING btree (path)",
        (
            "CREATE UNIQUE INDEX uq_application_live ON public.application "
            "USING btree (person_id, plan_year) WHERE is_live"
        ),
        (
            "CREATE UNIQUE INDEX uq_publicity_one_open ON public.publicity "
            "USING btree (application_id) WHERE (closed_at IS NULL)"
        ),
    ],
)
def test_upgrade_makes_the_special_indexes(empty_app: Flask, wanted: str) -> None:
    flask_migrate.upgrade()
    assert wanted in {row[2] for row in read_catalogue()["indexes"]}
