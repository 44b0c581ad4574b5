"""config.py refuses what it cannot use, in one line that names the variable."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.instance import ROOT, clean_env


def load_config(var: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    code = "import config; print(config.PORT, config.PORTAL_MODE, config.DATABASE_URL)"
    return subprocess.run(
        [sys.executable, "-c", code],
        env=clean_env(**({"VAR": str(var)} | settings)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_config_without_settings_is_a_rehearsal_on_port_8080(tmp_path: Path) -> None:
    loaded = load_config(tmp_path / "var")

    assert loaded.stdout == "8080 rehearsal \n"
    assert loaded.returncode == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "abc"),
        ("PORT", "0"),
        ("PORT", "70000"),
        ("PORT", "８０"),
        ("WEB_WORKERS", "-1"),
        ("DATABASE_URL", "mysql://localhost/portal"),
        ("DATABASE_URL", "localhost"),
        ("REDIS_URL", "localhost:6379"),
        ("PORTAL_MODE", "live"),
        ("SECRET_KEY", "short"),
        ("DATA_KEYS", "k1:c2hvcnQ="),
        ("DATA_KEYS", "nothing"),
        ("HASH_KEY", "?"),
        ("TRUSTED_PROXIES", "proxy"),
        ("PUBLIC_URL", "portal"),
        ("OBJECT_STORE_URL", "ftp://x"),
        ("SMS_GATEWAY_URL", "sms.example"),
        ("GATEWAY_SECONDS", "0"),
        ("RATELIMIT_ENABLED", "maybe"),
        ("VAR", "/dev/null/var"),
    ],
)
def test_config_refuses_a_value_in_one_line(tmp_path: Path, name: str, value: str) -> None:
    loaded = load_config(tmp_path / "var", **{name: value})

    assert loaded.returncode == 1
    assert loaded.stdout == ""
    assert len(loaded.stderr.splitlines()) == 1
    assert (value if name == "VAR" else name) in loaded.stderr


def test_config_in_production_asks_for_the_data_keys(tmp_path: Path) -> None:
    loaded = load_config(tmp_path / "var", PORTAL_MODE="production")

    assert loaded.returncode == 1
    assert "DATA_KEYS" in loaded.stderr
    assert len(loaded.stderr.splitlines()) == 1


def test_config_in_production_asks_for_the_sms_gateway(tmp_path: Path) -> None:
    key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    given = {"PORTAL_MODE": "production", "DATA_KEYS": f"k1:{key}", "HASH_KEY": key}
    loaded = load_config(tmp_path / "var", **given)
    assert loaded.returncode == 1
    assert "SMS_GATEWAY_URL" in loaded.stderr
    assert len(loaded.stderr.splitlines()) == 1
    gateway = {"SMS_GATEWAY_URL": "https://sms.example/v1", "SMS_GATEWAY_KEY": "k" * 16}
    assert load_config(tmp_path / "var", **given, **gateway).returncode == 0


def test_config_never_repeats_a_secret(tmp_path: Path) -> None:
    loaded = load_config(tmp_path / "var", DATA_KEYS="k1:bm90IGEga2V5", SECRET_KEY="tooshort")

    assert "tooshort" not in loaded.stderr
    assert "bm90IGEga2V5" not in loaded.stderr


def test_config_writes_its_secrets_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    var = tmp_path / "var"
    load_config(var)
    first = {name: (var / name).read_text() for name in ("secret.key", "data.keys", "hash.key")}
    load_config(var)

    assert {name: (var / name).read_text() for name in first} == first
    assert {stat.S_IMODE((var / name).stat().st_mode) for name in first} == {0o600}


def test_config_takes_the_usual_postgresql_address(tmp_path: Path) -> None:
    loaded = load_config(tmp_path / "var", DATABASE_URL="postgres://me@db.example/portal")

    assert loaded.stdout == "8080 rehearsal postgresql+psycopg://me@db.example/portal\n"
