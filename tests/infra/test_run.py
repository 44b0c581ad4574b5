"""make run: the whole portal as processes, from the first start to Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from app.embedded import PostgresServer, servers, socket_folder, wait_until
from tests.instance import ROOT, Instance, clean_env, free_port, running_portal

pytestmark = pytest.mark.infra

LEFT_OUT = (
    ".git", ".venv", "var", "build", "node_modules", "*.run.log", "__pycache__", ".*_cache",
)  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project in a closed folder whose name has spaces, Chinese and an apostrophe."""
    folder = tmp_path_factory.mktemp("run") / "职称 评审's 门户"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (folder / ".venv").symlink_to(ROOT / ".venv")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def portal(project: Path) -> Iterator[Instance]:
    """A running portal on its own folder, started for the first time."""
    with running_portal(project / "var", root=project) as instance:
        yield instance


def postgres_of(var: Path) -> PostgresServer:
    return PostgresServer(var, socket_folder(var))


def named(instance: Instance, *words: str) -> list[psutil.Process]:
    """The processes of the portal whose command line holds all of ``words``."""
    found = []
    for process in instance.processes():
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if all(any(word in part for part in line) for word in words):
            found.append(process)
    return found


def test_run_prints_the_accounts_and_then_the_address(portal: Instance) -> None:
    lines = portal.output().rstrip().splitlines()

    assert lines[-1] == f"系统已启动：{portal.url}/ （按 Ctrl-C 停止）。"
    assert len(lines) > 2


def test_run_answers_without_sign_in(portal: Instance) -> None:
    assert portal.status("/healthz") == 200


def test_run_keeps_web_workers_and_ticker(portal: Instance) -> None:
    assert wait_until(lambda: len(named(portal, "worker", "default")) >= 1, seconds=30)
    assert wait_until(lambda: len(named(portal, "ticker")) >= 1, seconds=30)
    assert len(named(portal, "gunicorn")) >= 3  # the arbiter and at least two workers


def test_programs_connect_as_the_application_and_do_not_know_the_owner(portal: Instance) -> None:
    assert wait_until(lambda: len(named(portal, "worker", "default")) >= 1, seconds=30)
    for process in named(portal, "gunicorn") + named(portal, "app", "worker"):
        env = process.environ()
        assert env["DATABASE_URL"].startswith("postgresql+psycopg://portal_app@/portal?")
        assert "OWNER_DATABASE_URL" not in env
    assert portal.status("/readyz") == 200
    with postgres_of(portal.var).connect() as connection:
        roles = connection.execute(
            "SELECT DISTINCT usename FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchall()
    assert roles == [("portal_app",)]
    done = portal.portal("audit", "check-database")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_second_run_on_the_same_folder_is_refused(portal: Instance) -> None:
    refused = subprocess.run(
        [str(portal.root / "portal"), "run"],
        env=portal.env | {"PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=False,
    )

    assert refused.returncode == 1
    assert refused.stderr == (
        f"系统已在 {portal.var} 上运行（{portal.url}/）：请先停止，或另设 PORT= 和 VAR= "
        "并行启动第二个。\n"
    )


def test_a_command_uses_the_running_servers(portal: Instance) -> None:
    before = postgres_of(portal.var).pid()

    done = portal.portal("demo", "accounts")

    assert done.returncode == 0
    announced = [line for line in portal.output().splitlines() if "\t" in line]
    assert len(announced) > 10
    assert set(announced) <= set(done.stdout.splitlines())
    assert postgres_of(portal.var).pid() == before


def test_a_killed_web_server_comes_back(portal: Instance) -> None:
    arbiter = min(named(portal, "gunicorn"), key=lambda process: process.create_time())
    killed_at = max(process.create_time() for process in named(portal, "gunicorn"))
    arbiter.kill()

    assert wait_until(lambda: "web 已退出（-9）" in portal.output(), seconds=10)
    assert wait_until(
        lambda: any(p.create_time() > killed_at for p in named(portal, "gunicorn")), seconds=30
    )
    assert wait_until(lambda: portal.status("/healthz") == 200, seconds=60)


def test_a_killed_worker_comes_back(portal: Instance) -> None:
    for process in named(portal, "worker", "default"):
        process.kill()
    ended = time.monotonic()

    assert wait_until(lambda: len(named(portal, "worker", "default")) >= 1, seconds=30)
    assert time.monotonic() - ended < 30


def test_killed_servers_come_back_with_their_data(portal: Instance) -> None:
    with postgres_of(portal.var).connect("portal") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS infra_marker (n int)")
        connection.execute("INSERT INTO infra_marker VALUES (7)")
    pid = postgres_of(portal.var).pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    assert wait_until(lambda: postgres_of(portal.var).answers(), seconds=60)
    assert postgres_of(portal.var).pid() != pid
    with postgres_of(portal.var).connect("portal") as connection:
        assert connection.execute("SELECT n FROM infra_marker").fetchone() == (7,)
        connection.execute("DROP TABLE infra_marker")
    assert wait_until(lambda: portal.status("/readyz") == 200, seconds=60)


def test_two_instances_run_side_by_side(portal: Instance, tmp_path: Path) -> None:
    with running_portal(tmp_path / "var", root=portal.root) as second:
        assert (portal.status("/healthz"), second.status("/healthz")) == (200, 200)
        assert postgres_of(portal.var).pid() != postgres_of(second.var).pid()
        second.interrupt()
        assert portal.status("/healthz") == 200


def test_ctrl_c_leaves_nothing_and_the_second_start_is_quick_and_keeps_the_data(
    tmp_path: Path,
) -> None:
    var = tmp_path / "var"
    with running_portal(var) as first:
        with postgres_of(var).connect("portal") as connection:
            connection.execute("CREATE TABLE infra_marker (n int)")
        assert len(first.processes()) > 5
        stopped_after = first.interrupt()
        assert first.process.returncode == 0
        assert first.processes() == []
    with running_portal(var) as second:
        with postgres_of(var).connect("portal") as connection:
            assert connection.execute("SELECT count(*) FROM infra_marker").fetchone() == (0,)
        assert "Preparing" not in second.output()
        assert second.seconds_to_answer <= 10
    assert stopped_after < 20
    assert second.processes() == []


def test_ctrl_c_while_preparing_leaves_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    var = tmp_path / "var"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [str(ROOT / "portal"), "run"],
            env=clean_env(VAR=str(var), PORT=str(free_port())),
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    assert wait_until(lambda: "正在准备数据库" in log.read_text(encoding="utf-8"), seconds=60)
    os.killpg(process.pid, signal.SIGINT)

    assert process.wait(25) == 0
    instance = Instance(ROOT, var, 0, {}, process, log)
    assert wait_until(lambda: instance.processes() == [], seconds=5)
    assert "Traceback" not in log.read_text()


def test_run_on_configured_servers_starts_none_of_its_own(tmp_path: Path) -> None:
    with servers(tmp_path / "real", durable=False) as real:
        with running_portal(
            tmp_path / "var", DATABASE_URL=real.database_url, REDIS_URL=real.redis_url
        ) as instance:
            assert instance.status("/healthz") == 200
            assert "警告：DATABASE_URL 所用角色拥有操作日志各表" in instance.output()
            assert not (tmp_path / "var" / "pg").exists()
            assert not (tmp_path / "var" / "redis").exists()
            client = redis.Redis.from_url(real.redis_url)
            assert wait_until(lambda: client.dbsize() != 0, seconds=30)
        assert real.postgres
        with real.postgres.connect("portal") as connection:
            tables = connection.execute(
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            ).fetchone()
    assert tables != (0,)
