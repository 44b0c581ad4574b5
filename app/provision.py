"""What every start of the portal needs: servers within reach, their addresses, a prepared database.

Shared by ``app.launch`` (one command) and ``app.supervise`` (the whole portal).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import redis

import config
from app.embedded import PostgresServer, RedisServer, Servers, open_var, servers, socket_folder
from app.terminal import gettext as _

ROOT = Path(__file__).resolve().parent.parent
OLDEST_POSTGRES = 150000


class LaunchError(Exception):
    """The portal cannot start; the text is one line that says what to do."""


def environment(running: Servers, *, as_owner: bool = False) -> dict[str, str]:
    """Return the environment of the portal's processes; only migrations and preparing get the
    address of the owner of the tables."""
    here = str(ROOT)
    path = os.environ.get("PYTHONPATH", "")
    if here not in path.split(os.pathsep):
        path = os.pathsep.join(part for part in (here, path) if part)
    env = os.environ | {
        "PYTHONPATH": path,
        "VAR": str(config.VAR),
        "DATABASE_URL": config.DATABASE_URL or running.application_database_url,
        "REDIS_URL": config.REDIS_URL or running.redis_url,
    }
    owner = config.OWNER_DATABASE_URL or running.database_url
    if as_owner and owner:
        return env | {"OWNER_DATABASE_URL": owner}
    env.pop("OWNER_DATABASE_URL", None)
    return env


def addresses_only() -> Servers:
    """Return the addresses the embedded servers would have, starting nothing."""
    var = open_var(config.VAR)
    sockets = socket_folder(var)
    return Servers(PostgresServer(var, sockets), None, RedisServer(var, sockets).url)


@contextlib.contextmanager
def reachable_servers(*, with_redis: bool) -> Iterator[Servers]:
    """Keep the servers within reach: the configured ones, embedded ones for the rest."""
    check_database("DATABASE_URL", config.DATABASE_URL)
    check_database("OWNER_DATABASE_URL", config.OWNER_DATABASE_URL)
    if with_redis:
        check_redis(config.REDIS_URL)
    embedded_redis = with_redis and not config.REDIS_URL
    with servers(
        config.VAR, with_postgres=not config.DATABASE_URL, with_redis=embedded_redis
    ) as running:
        if running.postgres and running.postgres.create_application_role():
            stamp_file().unlink(missing_ok=True)  # the next command gives the role its rights
        yield running


def check_database(name: str, url: str) -> None:
    """Raise LaunchError unless a configured PostgreSQL answers and is new enough."""
    if not url:
        return
    try:
        with psycopg.connect(
            url.replace("postgresql+psycopg://", "postgresql://", 1), connect_timeout=5
        ) as connection:
            version = connection.info.server_version
    except psycopg.Error as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[-1].strip()
        raise LaunchError(
            _(
                "The database at %(name)s cannot be reached: %(problem)s. "
                "Correct the address, or unset it to use the embedded one.",
                name=name,
                problem=reason,
            )
        ) from error
    if version < OLDEST_POSTGRES:
        raise LaunchError(
            _(
                "The database at %(name)s is PostgreSQL %(version)s: 15 or newer is needed.",
                name=name,
                version=version // 10000,
            )
        )


def check_redis(url: str) -> None:
    """Raise LaunchError unless a configured Redis answers."""
    if not url:
        return
    client = redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5)
    try:
        client.ping()
    except (redis.RedisError, ValueError) as error:
        raise LaunchError(
            _(
                "Redis at REDIS_URL cannot be reached: %(problem)s. "
                "Correct the address, or unset it to use the embedded one.",
                problem=error,
            )
        ) from error
    finally:
        client.close()


# --------------------------------------------------------------------------- preparing


def stamp_file() -> Path:
    """The file that says what the embedded database was last prepared with."""
    return config.VAR / "prepared"


def accounts_file() -> Path:
    """The demo accounts as they were printed when the database was prepared."""
    return config.VAR / "demo-accounts.txt"


def fingerprint(running: Servers) -> str:
    """Hash what preparing depends on: this very database, the code, the migrations, the seed."""
    assert running.postgres is not None
    cluster = (running.postgres.data / "PG_VERSION").stat()
    digest = hashlib.sha256(f"{cluster.st_ino} {cluster.st_mtime_ns} {config.PORTAL_MODE}".encode())
    digest.update(config.DATA_KEYS.encode())
    files = [ROOT / "config.py"]
    for folder, patterns in (
        ("app", ("*.py",)),
        ("migrations", ("*.py",)),
        ("seed", ("*.yaml", "*.yml", "*.csv", "*.json")),
    ):
        for pattern in patterns:
            files += (ROOT / folder).rglob(pattern)
    for file in sorted(files):
        digest.update(f"\0{file.relative_to(ROOT)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def prepare(running: Servers) -> None:
    """Migrate, write permissions and roles, seed; skipped where nothing changed since.

    Runs as the owner of the tables and gives the application's role its rights.

    A configured database is always prepared: it may have been restored or replaced meanwhile.
    """
    wanted = fingerprint(running) if running.postgres else ""
    stamp = stamp_file()
    if wanted and stamp.exists() and stamp.read_text(encoding="ascii").strip() == wanted:
        return
    print(_("Preparing the database …"), file=sys.stderr, flush=True)
    stamp.unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", "app", "prepare", "--accounts-file"]
    command.append(str(accounts_file()))
    log = config.VAR / "log" / "prepare.log"
    with log.open("w+b") as file:
        env = environment(running, as_owner=True)
        done = subprocess.run(command, env=env, stdout=file, stderr=file, check=False)
    if done.returncode != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = lines[-1].strip() if lines else "no reason given"
        raise LaunchError(
            _(
                "The database cannot be prepared: %(problem)s (see %(log)s).",
                problem=reason,
                log=log,
            )
        )
    if wanted:
        stamp.write_text(wanted + "\n", encoding="ascii")


OWNS_THE_LOG = """
SELECT rolsuper OR EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('public.audit_entry')
AND pg_has_role(current_user, relowner, 'USAGE')) FROM pg_roles WHERE rolname = current_user
"""


def warn_of_ownership() -> None:
    """Say so where the application could switch off what protects the audit log."""
    if not config.DATABASE_URL:
        return
    url = config.DATABASE_URL.replace("postgresql+psycopg://", "postgresql://", 1)
    with contextlib.suppress(psycopg.Error), psycopg.connect(url, connect_timeout=5) as connection:
        found = connection.execute(OWNS_THE_LOG).fetchone()
        if found and found[0]:
            print(
                _(
                    "Warning: the role of DATABASE_URL owns the audit log and could switch off its "
                    "protection. ./portal audit check-database says what to do."
                ),
                file=sys.stderr,
                flush=True,
            )
