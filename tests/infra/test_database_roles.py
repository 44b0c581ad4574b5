"""Owner and application: two roles of the database, on configured and on embedded servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.embedded import APPLICATION_ROLE, servers
from tests.instance import clean_env, run_portal_command

pytestmark = pytest.mark.infra


def test_configured_site_with_two_roles(tmp_path: Path) -> None:
    with servers(tmp_path / "real", durable=False) as real:
        assert real.postgres is not None
        real.postgres.create_application_role()
        addresses = {"DATABASE_URL": real.application_database_url, "REDIS_URL": real.redis_url}
        owner = {"OWNER_DATABASE_URL": real.database_url}
        plain = clean_env(VAR=str(tmp_path / "var"), **addresses)

        early = run_portal_command("sweep", env=plain)
        assert early.returncode == 1
        assert len(early.stderr.splitlines()) == 1

        done = run_portal_command("prepare", env=plain | owner)
        assert done.returncode == 0, done.stderr
        done = run_portal_command("audit", "check-database", env=plain)
        assert (done.returncode, done.stderr) == (0, "")
        assert run_portal_command("sweep", env=plain).returncode == 0
        with real.postgres.connect("portal") as connection:
            owners = connection.execute(
                "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
            assert owners == [("portal",)]
            connection.execute("REVOKE SELECT ON application FROM portal_app")

        lacking = run_portal_command("sweep", env=plain)
        assert lacking.returncode == 1
        assert lacking.stderr.splitlines() == [
            (
                "数据库尚未为本版本准备好，或 DATABASE_URL 所用角色缺少权限："
                "请先运行 ./portal prepare。"
            )
        ]
        assert run_portal_command("init", env=plain | owner).returncode == 0
        assert run_portal_command("sweep", env=plain).returncode == 0


def test_folder_of_an_older_version_gets_the_role_and_its_rights(tmp_path: Path) -> None:
    """What 0.1 left: tables of `portal`, no other role, and a stamp that says prepared."""
    var = tmp_path / "var"
    env = clean_env(VAR=str(var))
    assert run_portal_command("prepare", env=env).returncode == 0
    with servers(var, with_redis=False) as running:
        assert running.postgres is not None
        with running.postgres.connect("portal") as connection:
            connection.execute(f"DROP OWNED BY {APPLICATION_ROLE}")
            connection.execute(f"DROP ROLE {APPLICATION_ROLE}")
    (var / "prepared").write_text("of an older version\n", encoding="ascii")

    done = run_portal_command("audit", "check-database", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run_portal_command("demo", "accounts", env=env).returncode == 0


def test_owner_without_the_name_of_the_application_is_refused(tmp_path: Path) -> None:
    for address in ({}, {"DATABASE_URL": "postgresql://db.example/portal"}):
        env = clean_env(
            VAR=str(tmp_path / "var"),
            OWNER_DATABASE_URL="postgresql://portal_owner@db.example/portal",
            **address,
        )
        done = run_portal_command("sweep", env=env)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert "OWNER_DATABASE_URL" in done.stderr
