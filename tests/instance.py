"""A whole portal as processes of its own, for the tests that need one: infra, story, browser."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 180.0
STOP_SECONDS = 25.0
SETTINGS = (
    "DATABASE_URL",
    "OWNER_DATABASE_URL",
    "REDIS_URL",
    "PORTAL_MODE",
    "PORT",
    "HOST",
    "VAR",
    "PYTHONPATH",
)


@dataclass
class Instance:
    """One running portal."""

    root: Path
    var: Path
    port: int
    env: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path
    seconds_to_answer: float = 0.0

    @property
    def url(self) -> str:
        """The address without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def output(self) -> str:
        """What it printed so far."""
        return self.log.read_text(encoding="utf-8")

    def portal(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run ``./portal …`` on the same folder."""
        return run_portal_command(*args, root=self.root, env=self.env)

    def status(self, path: str) -> int:
        """Ask for a page and return its status; 0 when nothing answers."""
        try:
            return requests.get(self.url + path, timeout=10).status_code
        except requests.RequestException:
            return 0

    def interrupt(self) -> float:
        """Press Ctrl-C: the signal goes to the whole process group. Return the seconds it took."""
        start = time.monotonic()
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(STOP_SECONDS)
        return time.monotonic() - start

    def processes(self) -> list[psutil.Process]:
        """Every process that works for this folder."""
        return [p for p in psutil.process_iter() if serves(p, self.var)]


def serves(process: psutil.Process, var: Path) -> bool:
    """Tell whether a process was started for the folder ``var``."""
    with contextlib.suppress(psutil.Error):
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get("VAR") == str(var) or str(var / "pg") in process.cmdline()
    return False


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and was not asked for its code does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_env(**settings: str) -> dict[str, str]:
    """Return this environment without the portal's own settings, plus ``settings``."""
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return kept | settings


def run_portal_command(
    *args: str, root: Path = ROOT, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run ``./portal …`` to its end."""
    return subprocess.run(
        [str(root / "portal"), *args],
        env=env,
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
        stdin=subprocess.DEVNULL,
    )


@contextlib.contextmanager
def running_portal(
    var: Path, *, port: int | None = None, root: Path = ROOT, **settings: str
) -> Iterator[Instance]:
    """Run the whole portal on the folder ``var`` for the duration of the block."""
    port = port or free_port()
    env = clean_env(VAR=str(var), PORT=str(port), **settings)
    log = var.parent / f"{var.name}.run.log"
    start = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(
            [str(root / "portal"), "run"],
            env=env,
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    instance = Instance(root, var, port, env, process, log)
    try:
        while "Ctrl-C" not in instance.output():
            assert process.poll() is None, f"the portal ended: {instance.output()}"
            assert time.monotonic() - start < START_SECONDS, f"no answer: {instance.output()}"
            time.sleep(0.1)
        instance.seconds_to_answer = time.monotonic() - start
        yield instance
    finally:
        if process.poll() is None:
            try:
                instance.interrupt()
            except subprocess.TimeoutExpired:
                for left in instance.processes():
                    left.kill()
                raise
