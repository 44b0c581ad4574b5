"""``./portal run``: one process that starts the whole portal and keeps it running.

Starts the embedded servers unless real ones are configured, prepares the database, then keeps the
web server, one worker per queue and the ticker alive, starting again what dies, after a pause that
doubles up to half a minute. Ctrl-C or TERM stops all of it.

No ready-made supervisor fitted: honcho stops everything when one program ends, circus listens on
network ports of its own. ``deploy/`` does the same with systemd.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil

import config
from app.catalogues import compile_stale_catalogues
from app.embedded import (
    EmbeddedError,
    Servers,
    die_with_parent,
    ensure_running,
    last_line,
    open_var,
    try_lock,
)
from app.provision import (
    ROOT,
    LaunchError,
    accounts_file,
    environment,
    prepare,
    reachable_servers,
    warn_of_ownership,
)
from app.terminal import gettext as _

ANSWER_SECONDS = 90.0
STOP_SECONDS = 8.0
WATCH_SECONDS = 0.5
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0
"""A program that ran this long starts again at once when it ends."""
LARGEST_LOG = 10 * 1024 * 1024


class StopRequested(BaseException):
    """Ctrl-C or TERM arrived."""


def _stop(signum: int, _frame: FrameType | None) -> None:
    # one is enough: a second one must not interrupt the stopping
    for known in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(known, signal.SIG_IGN)
    raise StopRequested(signum)


@dataclass
class Program:
    """One program the portal is made of, with its log and the pause before its next start."""

    name: str
    command: list[str]
    env: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause: float = 0.0
    start_at: float = field(default=0.0)

    def start(self) -> None:
        """Start the program in a session of its own: Ctrl-C is for the supervisor alone."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > LARGEST_LOG:
                self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )
        self.started_at = time.monotonic()

    def ended(self) -> bool:
        """Tell whether the program was started and has ended."""
        return self.process is not None and self.process.poll() is not None

    def watch(self) -> None:
        """Start the program again once its pause is over."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.start_at:
                self.start()
            return
        if not self.ended():
            return
        steady = now - self.started_at > STEADY_SECONDS
        self.pause = 0.0 if steady else min(LONGEST_PAUSE, self.pause * 2 or 1.0)
        say(
            _(
                "%(program)s ended with %(code)s; starting it again in %(seconds)s s "
                "(%(problem)s; see %(log)s)",
                program=self.name,
                code=self.process.returncode,
                seconds=f"{self.pause:.0f}",
                problem=last_line(self.log),
                log=self.log,
            )
        )
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)  # orphans would still hold the port
        self.process = None
        self.start_at = now + self.pause

    def family(self) -> list[psutil.Process]:
        """Return the running process and everything it started."""
        if self.process is None or self.process.poll() is not None:
            return []
        try:
            process = psutil.Process(self.process.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def say(text: str) -> None:
    """Print one line to the terminal."""
    with contextlib.suppress(OSError):  # the terminal may be gone already
        print(text, flush=True)


def run_portal() -> int:
    """Run the portal until Ctrl-C; return the exit code of the command."""
    for known in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(known, _stop)
    try:
        var = open_var(config.VAR)
        with only_one(var):
            check_port()
            compile_catalogues()
            with reachable_servers(with_redis=True) as running:
                env = environment(running)
                prepare(running)
                warn_of_ownership()
                serve(running, env, var)
    except StopRequested:
        say(_("Stopped."))
    return 0


@contextlib.contextmanager
def only_one(var: Path) -> Iterator[None]:
    """Hold ``var`` for this supervisor; a second one is told where the first one answers."""
    descriptor = os.open(var / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not try_lock(descriptor, fcntl.LOCK_EX):
            where = os.read(descriptor, 200).decode("utf-8", "replace").strip()
            raise LaunchError(
                _(
                    "The portal already runs on %(folder)s (%(address)s): stop it first, or start "
                    "a second one beside it with its own PORT= and VAR=.",
                    folder=var,
                    address=where,
                )
            )
        os.ftruncate(descriptor, 0)
        os.write(descriptor, address().encode())
        yield
    finally:
        os.close(descriptor)


def address() -> str:
    """The address a person on this machine opens."""
    host = "127.0.0.1" if config.HOST in ("0.0.0.0", "::", "") else config.HOST  # noqa: S104 -- compared
    return f"http://{host}:{config.PORT}/"


def check_port() -> None:
    """Raise LaunchError when the port cannot be listened on."""
    family = socket.AF_INET6 if ":" in config.HOST else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.HOST, config.PORT))
        except OSError as error:
            raise LaunchError(
                _(
                    "Port %(port)s on %(host)s cannot be used (%(problem)s): "
                    "choose another one, for example PORT=8081 make run.",
                    port=config.PORT,
                    host=config.HOST,
                    problem=error.strerror,
                )
            ) from error


def compile_catalogues() -> None:
    """Compile the translations that changed."""
    try:
        compile_stale_catalogues()
    except (OSError, ValueError) as error:
        raise LaunchError(
            _(
                "The translations cannot be compiled: %(problem)s. Correct the .po file it names.",
                problem=error,
            )
        ) from error


def serve(running: Servers, env: dict[str, str], var: Path) -> None:
    """Start all programs, print where the portal answers, and watch until a signal comes."""
    python = [sys.executable, "-P", "-m"]
    logs = var / "log"
    web = Program(
        "web",
        [*python, "gunicorn", "--config", str(ROOT / "deploy" / "gunicorn.conf.py")],
        env,
        logs / "web.log",
    )
    others = [
        Program(f"worker-{queue}", [*python, "app", "worker", queue], env, logs / f"{queue}.log")
        for queue in config.WORKER_QUEUES
    ]
    others.append(Program("ticker", [*python, "app", "ticker"], env, logs / "ticker.log"))
    try:
        web.start()
        wait_for_answer(web)
        for program in others:
            program.start()
        announce()
        while True:
            time.sleep(WATCH_SECONDS)
            watch_servers(running)
            for program in (web, *others):
                program.watch()
    finally:
        stop_programs([web, *others])


def wait_for_answer(web: Program) -> None:
    """Wait until /healthz answers; raise LaunchError when the web server ends or stays silent."""
    until = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < until:
        if web.ended():
            raise LaunchError(
                _(
                    "The web server does not start: %(problem)s (see %(log)s).",
                    problem=last_line(web.log),
                    log=web.log,
                )
            )
        if answers():
            return
        time.sleep(0.1)
    raise LaunchError(
        _(
            "The web server does not answer after %(seconds)s s: see %(log)s.",
            seconds=f"{ANSWER_SECONDS:.0f}",
            log=web.log,
        )
    )


def answers() -> bool:
    """Ask /healthz once."""
    host = "127.0.0.1" if config.HOST == "0.0.0.0" else config.HOST  # noqa: S104 -- compared
    connection = http.client.HTTPConnection(host, config.PORT, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def announce() -> None:
    """Print a demo account of every role and, last, the address."""
    with contextlib.suppress(OSError):
        if not config.PRODUCTION:
            say(one_of_each_role(accounts_file().read_text(encoding="utf-8")))
            say(_("All demo accounts: ./portal demo accounts"))
    say(_("The portal answers at %(address)s (Ctrl-C stops it).", address=address()))


def one_of_each_role(accounts: str) -> str:
    """The first line of each role: a line's first word is the role."""
    first: dict[str, str] = {}
    for line in accounts.splitlines():
        first.setdefault(line.partition("\t")[0], line)
    return "\n".join(first.values())


def watch_servers(running: Servers) -> None:
    """Start an embedded server again when it died."""
    for server in running.each():
        alive = server.process.poll() is None if server.process else server.pid() is not None
        if alive:
            continue
        server.process = None
        try:
            ensure_running(running)
        except EmbeddedError as error:
            say(str(error))
            time.sleep(WATCH_SECONDS)
        else:
            say(_("%(server)s had ended and runs again.", server=server.name))


def stop_programs(programs: list[Program]) -> None:
    """Ask every program to end, wait a little, then end what is left of them."""
    families = [member for program in programs for member in program.family()]
    for program in programs:
        if program.process and program.process.poll() is None:
            program.process.terminate()
    until = time.monotonic() + STOP_SECONDS
    for program in programs:
        if program.process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.process.wait(max(0.1, until - time.monotonic()))
    for member in families:
        with contextlib.suppress(psutil.Error):
            if member.is_running():
                member.kill()
    for program in programs:
        if program.process:
            program.process.wait(STOP_SECONDS)
