"""The portal and its peer as they are served: gunicorn, PostgreSQL and Redis of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from app.embedded import Servers, servers
from tests.instance import ROOT, Instance, clean_env, free_port, running_portal

WORKERS, THREADS = "2", "4"
CORES = 2
STOCK_USERS = 16
STOCK_PASSWORD = "Pingshen@2022"


@dataclass
class Ground:
    """A portal that runs, the servers under it and its private folder."""

    portal: Instance
    running: Servers
    folder: Path


@contextlib.contextmanager
def on_two_cores() -> Iterator[None]:
    """Keep this process and all it starts to two cores, where there are more."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:CORES])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def real_portal(**settings: str) -> Iterator[Ground]:
    """Our portal with lock-out, audit and sessions on; only its limits for one address are wide.

    The servers flush to disk as in production.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name, on_two_cores():
        folder = Path(name)
        with servers(folder / "servers") as running:
            assert running.postgres is not None
            with running_portal(
                folder / "var",
                DATABASE_URL=running.postgres.url.replace("+psycopg", ""),
                REDIS_URL=running.redis_url,
                WEB_WORKERS=WORKERS,
                WEB_THREADS=THREADS,
                AUTH_RATE_LIMIT="1000000 per minute",
                **settings,
            ) as portal:
                yield Ground(portal, running, folder)


def create_database(running: Servers, name: str) -> None:
    """Create an empty database."""
    assert running.postgres is not None
    with running.postgres.connect() as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]


@contextlib.contextmanager
def stock_portal(ground: Ground, module: str = "bench.stock_fab", **settings: str) -> Iterator[str]:
    """Stock Flask-AppBuilder on the same PostgreSQL, with as many workers and threads.

    `module` holds its `app` and, run as a program, fills its database.
    """
    create_database(ground.running, "stock")
    assert ground.running.postgres is not None
    url = ground.running.postgres.url_of("stock")
    env = clean_env(STOCK_DATABASE_URL=url, PYTHONPATH=str(ROOT), **settings)
    subprocess.run([sys.executable, "-m", module], env=env, cwd=ROOT, check=True)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        f"{module}:app",
        "--bind",
        f"127.0.0.1:{port}",
    ]
    command += ["--workers", WORKERS, "--threads", THREADS, "--worker-class", "gthread"]
    command += ["--no-control-socket", "--log-level", "warning"]
    with (ground.folder / "stock.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/login/", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait up to a minute until an address answers."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, "the peer has ended; see stock.log"
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=5).ok:
                return
        time.sleep(0.2)
    raise TimeoutError(url)
