"""Embedded PostgreSQL and Redis: one pair per folder, shared, and gone with the last user."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
import redis
from sqlalchemy import create_engine, text

from app import embedded
from app.embedded import Account, EmbeddedError, servers, wait_until
from tests.instance import ROOT, clean_env, is_alive

pytestmark = pytest.mark.infra


def ask(url: str, statement: str) -> object:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            return result.scalar() if result.returns_rows else None
    finally:
        engine.dispose()


def test_servers_in_a_closed_folder_with_spaces_and_chinese_keep_their_data(tmp_path: Path) -> None:
    closed = tmp_path / "职称 评审 a'b"
    closed.mkdir(mode=0o700)
    with servers(closed / "var") as running:
        ask(running.database_url, "CREATE TABLE kept (word text)")
        ask(running.database_url, "INSERT INTO kept VALUES ('评审')")
        redis.Redis.from_url(running.redis_url).set("kept", "评审")

    with servers(closed / "var") as running:
        assert ask(running.database_url, "SELECT word FROM kept") == "评审"
        assert redis.Redis.from_url(running.redis_url).get("kept") == "评审".encode()
    assert closed.stat().st_mode & 0o777 == 0o700


def test_servers_work_below_a_path_longer_than_a_socket_name(tmp_path: Path) -> None:
    deep = tmp_path / ("很长的文件夹" * 8) / ("x" * 100)

    with servers(deep, durable=False) as running:
        assert ask(running.database_url, "SELECT 1") == 1
        assert redis.Redis.from_url(running.redis_url).ping()


def test_servers_are_shared_and_stop_with_their_last_user(tmp_path: Path) -> None:
    with servers(tmp_path / "var", durable=False) as first:
        assert first.postgres
        assert first.redis
        pid = first.postgres.pid()
        with servers(tmp_path / "var", durable=False) as second:
            assert second.postgres
            assert second.postgres.pid() == pid
        assert first.postgres.pid() == pid
        assert first.redis.answers()
    assert first.postgres.pid() is None
    assert not first.redis.answers()


def test_servers_outlive_the_starter_while_another_process_uses_them(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from app.embedded import servers
        with servers(Path(sys.argv[1])) as running:
            print(running.postgres.pid(), flush=True)
            sys.stdin.read()
        """
    starter = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "var")],
        cwd=ROOT,
        env=clean_env(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout
    pid = int(starter.stdout.readline())
    with servers(tmp_path / "var") as running:
        starter.communicate("")
        assert starter.returncode == 0
        assert running.postgres
        assert running.postgres.pid() == pid
        assert ask(running.database_url, "SELECT 1") == 1
    assert not is_alive(pid)


def test_servers_left_by_a_killed_process_are_taken_over(tmp_path: Path) -> None:
    code = """
        import os, signal, sys
        from pathlib import Path
        from app.embedded import servers
        with servers(Path(sys.argv[1])) as running:
            print(running.postgres.pid(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "var")],
        cwd=ROOT,
        env=clean_env(),
        capture_output=True,
        text=True,
        check=False,
    )
    pid = int(killed.stdout)

    assert killed.returncode == -signal.SIGKILL
    with servers(tmp_path / "var") as running:
        assert running.postgres
        assert running.postgres.pid() == pid
    assert not is_alive(pid)


def test_throw_away_servers_die_with_their_starter(tmp_path: Path) -> None:
    code = """
        import os, signal, sys
        from pathlib import Path
        from app.embedded import servers
        with servers(Path(sys.argv[1]), durable=False) as running:
            print(running.postgres.pid(), running.redis.pid(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "var")],
        cwd=ROOT,
        env=clean_env(),
        capture_output=True,
        text=True,
        check=False,
    )
    pids = [int(pid) for pid in killed.stdout.split()]

    assert len(pids) == 2
    assert wait_until(lambda: not any(map(is_alive, pids)), seconds=10)


def test_servers_listen_on_no_network_address(tmp_path: Path) -> None:
    with servers(tmp_path / "var", durable=False) as running:
        for server in running.each():
            process = psutil.Process(server.pid() or 0)
            listening = [c for c in process.net_connections("inet") if c.status == "LISTEN"]
            assert listening == []


def test_redis_keeps_every_change_and_evicts_nothing(tmp_path: Path) -> None:
    with servers(tmp_path / "var", with_postgres=False) as running:
        client = redis.Redis.from_url(running.redis_url, decode_responses=True)
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert running.database_url == ""


def test_a_copied_folder_gets_sockets_of_its_own(tmp_path: Path) -> None:
    with servers(tmp_path / "one", durable=False) as one:
        ask(one.database_url, "CREATE TABLE original (n int)")
    shutil.copytree(tmp_path / "one", tmp_path / "two", ignore=shutil.ignore_patterns("*.sock"))

    with (
        servers(tmp_path / "one", durable=False) as one,
        servers(tmp_path / "two", durable=False) as two,
    ):
        assert one.database_url != two.database_url
        assert ask(two.database_url, "SELECT count(*) FROM original") == 0


def test_a_broken_off_creation_starts_over(tmp_path: Path) -> None:
    half = tmp_path / "var" / "pg.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")

    with servers(tmp_path / "var", durable=False) as running:
        assert ask(running.database_url, "SELECT 1") == 1


def test_a_foreign_socket_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    var = embedded.open_var(tmp_path / "var")
    folder = embedded.socket_folder(var)
    folder.chmod(0o777)
    try:
        with pytest.raises(EmbeddedError, match="属于其他账户"):
            embedded.socket_folder(var)
    finally:
        folder.rmdir()


def test_the_socket_folder_is_found_with_another_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    var = embedded.open_var(tmp_path / "var")
    first = embedded.socket_folder(var)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    assert embedded.socket_folder(var) == first
    assert json.loads((var / "sockets.json").read_text())["folder"] == str(first)
    first.rmdir()


def test_a_damaged_database_folder_is_reported_in_one_line(tmp_path: Path) -> None:
    with servers(tmp_path / "var", durable=False):
        pass
    (tmp_path / "var" / "pg" / "global" / "pg_control").unlink()

    with pytest.raises(EmbeddedError) as caught, servers(tmp_path / "var", durable=False):
        pass
    assert "内置的 PostgreSQL 无法启动" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can become somebody else")
def test_servers_start_for_an_ordinary_user_too(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    account = Account(65534, 65534, "dac_read_search")
    os.chown(own, account.uid, account.gid)
    code = """
        import os, sys
        from pathlib import Path
        import psutil
        from app.embedded import servers
        with servers(Path(sys.argv[1])) as running:
            print(os.geteuid(), psutil.Process(running.postgres.pid()).uids().effective)
        """
    done = subprocess.run(
        account.command([sys.executable, "-c", textwrap.dedent(code), str(own / "var")]),
        cwd=ROOT,
        env=clean_env(PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.split() == ["65534", "65534"]
