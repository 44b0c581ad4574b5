"""./portal and make: what can be wrong is said in one line, before anything is started."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.embedded import servers
from tests.instance import ROOT, clean_env, free_port, run_portal_command

pytestmark = pytest.mark.infra


def assert_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert [word for word in words if word not in done.stderr] == []
    assert done.returncode == 1


def run_on(var: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    env = clean_env(**({"VAR": str(var), "PORT": str(free_port())} | settings))
    return run_portal_command("run", env=env)


def copy_of_the_outside(folder: Path) -> Path:
    """A folder with the launcher and the Makefile, and nothing installed."""
    folder.mkdir()
    for name in ("portal", "Makefile", "requirements.lock", "requirements-dev.lock"):
        shutil.copy2(ROOT / name, folder / name)
    return folder


def test_portal_without_set_up_says_make_install(tmp_path: Path) -> None:
    bare = copy_of_the_outside(tmp_path / "没有 装好")

    done = run_portal_command("sweep", root=bare, env=clean_env())

    assert_one_line(done, "make install", str(bare))


def make(folder: Path, *args: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--silent", *args],
        cwd=folder,
        env=clean_env(**settings),
        capture_output=True,
        text=True,
        check=False,
    )


def first_line_of_make(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == 1, done.stderr
    assert done.returncode == 2
    return lines[0]


def test_install_without_python_says_so(tmp_path: Path) -> None:
    bare = copy_of_the_outside(tmp_path / "bare")

    assert "python3 is missing" in first_line_of_make(
        make(bare, "install", "PYTHON=no-such-python")
    )


@pytest.mark.parametrize(
    ("refused", "said"),
    [("version_info", "is too old: install Python 3.11"), ("ensurepip", "python3-venv")],
)
def test_install_with_an_unfit_python_says_so(tmp_path: Path, refused: str, said: str) -> None:
    bare = copy_of_the_outside(tmp_path / "bare")
    fake = bare / "old python"
    fake.write_text(
        f'#!/bin/sh\ncase "$*" in *{refused}*) exit 1;; *--version*) echo Python 3.9.2;; esac\n'
    )
    fake.chmod(0o755)

    assert said in first_line_of_make(make(bare, "install", f"PYTHON={fake}"))


def test_help_lists_every_target(tmp_path: Path) -> None:
    done = make(ROOT, "help")

    named = [line.split()[0] for line in done.stdout.splitlines()]
    assert named == [
        "help", "install", "develop", "run", "story", "demo", "test", "test-fast", "test-browser",
        "screenshots", "cover", "bench", "check", "lint", "types", "imports", "format", "migrate",
        "migration", "seed",
        "reset", "messages", "messages-check", "docs", "lock",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["frobnicate"], "命令有误：No such command 'frobnicate'. 用法见：./portal --help"),
        (["rehearsal", "set", "soon"], "soon 不是时刻：请写成 2022-08-03T09:00（北京时间）。"),
    ],
)
def test_a_mistyped_command_is_one_chinese_line(
    tmp_path: Path, command: list[str], said: str
) -> None:
    nowhere = {"DATABASE_URL": "postgresql://x@127.0.0.1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}

    done = subprocess.run(
        [sys.executable, "-P", "-m", "app", *command],
        env=clean_env(VAR=str(tmp_path), PYTHONPATH=str(ROOT), **nowhere),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (1, "", said + "\n")


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        assert_one_line(run_on(tmp_path / "var", PORT=port), f"端口 127.0.0.1:{port} 无法使用")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://portal:secret@127.0.0.1:1/portal",
        "postgresql://portal:secret@no-such-host.invalid/portal",
        "postgresql://%zz@127.0.0.1/portal",
    ],
)
def test_a_wrong_database_address_is_one_line(tmp_path: Path, url: str) -> None:
    done = run_on(tmp_path / "var", DATABASE_URL=url)

    assert_one_line(done, "DATABASE_URL")
    assert "secret" not in done.stderr


def test_a_wrong_database_name_is_one_line(tmp_path: Path) -> None:
    with servers(tmp_path / "server", durable=False, with_redis=False) as running:
        assert running.postgres
        done = run_on(tmp_path / "var", DATABASE_URL=running.postgres.url_of("nothing"))

    assert_one_line(done, "DATABASE_URL", '"nothing" does not exist')


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "unix:///nowhere/redis.sock"])
def test_a_wrong_redis_address_is_one_line(tmp_path: Path, url: str) -> None:
    assert_one_line(run_on(tmp_path / "var", REDIS_URL=url), "REDIS_URL")


def test_a_var_that_is_no_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")

    assert_one_line(run_on(tmp_path / "var"), str(tmp_path / "var"), "VAR=")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_var_without_the_right_to_write_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir(mode=0o500)

    assert_one_line(run_on(tmp_path / "var"), str(tmp_path / "var"), "VAR=")


@pytest.mark.parametrize("filled", [True, False])
def test_a_full_var_is_one_line(tmp_path: Path, *, filled: bool) -> None:
    var = tmp_path / "var"
    var.mkdir()
    fill = f"head -c 2M /dev/zero > '{var}/fill' 2>/dev/null;" if filled else ""
    script = f"mount -t tmpfs -o size=1m tmpfs '{var}' || exit 77; {fill} ./portal run"
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        ["unshare", "--mount", *as_root, "sh", "-c", script],
        cwd=ROOT,
        env=clean_env(VAR=str(var), PORT=str(free_port())),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this machine lets nobody mount a small disk")

    assert_one_line(done, str(var), "腾出空间")


def test_reset_refuses_in_production(tmp_path: Path) -> None:
    keys = {
        "DATA_KEYS": "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "HASH_KEY": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "PORTAL_MODE": "production",
        "SMS_GATEWAY_URL": "https://sms.example/v1",
        "SMS_GATEWAY_KEY": "0123456789abcdef",
    }
    env = clean_env(VAR=str(tmp_path / "var"), **keys)

    assert_one_line(run_portal_command("reset", env=env), "production")


def test_reset_refuses_while_the_servers_run_and_empties_afterwards(tmp_path: Path) -> None:
    env = clean_env(VAR=str(tmp_path / "var"))
    with servers(tmp_path / "var", durable=False):
        refused = run_portal_command("reset", env=env)
    done = run_portal_command("reset", env=env)

    assert_one_line(refused, "请先停止")
    assert done.returncode == 0
    assert not (tmp_path / "var" / "pg").exists()
    assert (tmp_path / "var" / "secret.key").exists()
