"""``./portal``: runs the whole portal, or one command with the servers it needs.

``./portal run`` hands over to ``app.supervise``. Every other command runs as ``python -m app …``
with DATABASE_URL and REDIS_URL set; where they are not configured the embedded servers are used,
those that already run or, when none do, ones started for the duration of the command.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import config
from app.embedded import EmbeddedError, PostgresServer, RedisServer, open_var, socket_folder
from app.provision import (
    LaunchError,
    accounts_file,
    addresses_only,
    environment,
    prepare,
    reachable_servers,
    stamp_file,
)
from app.supervise import run_portal
from app.terminal import gettext as _

COMMANDS_WITH_REDIS = ("worker", "ticker")
COMMANDS_ON_A_BARE_DATABASE = ("db", "init", "seed", "prepare")
COMMANDS_OF_THE_OWNER = ("db", "init", "prepare")
"""They make tables and rights; every other command connects as the application."""

HELP = """\
Usage: ./portal COMMAND …

  run      start the portal: database, web server, workers and ticker (make run)
  reset    delete the embedded database and start anew (make reset)
  rules    answer a question about the rules, without any server
"""


def main() -> None:
    """Run the command line; whatever cannot be used ends with one line and exit code 1."""
    args = sys.argv[1:]
    try:
        sys.exit(dispatch(args))
    except (EmbeddedError, LaunchError) as error:
        sys.exit(str(error))


def dispatch(args: list[str]) -> int:
    """Choose what to do for ``args`` and return the exit code."""
    if args == ["run"]:
        return run_portal()
    if args == ["reset"]:
        return reset()
    if not args or args[0] in ("--help", "-h", "help"):
        print(HELP, flush=True)
        args = ["--help"]
    return run_command(args)


def run_command(args: list[str]) -> int:
    """Run one command with the addresses of the servers; return its exit code."""
    if "--help" in args:
        return call_app(args, environment(addresses_only()))
    with_redis = args[0] in COMMANDS_WITH_REDIS
    with reachable_servers(with_redis=with_redis) as running:
        env = environment(running, as_owner=args[0] in COMMANDS_OF_THE_OWNER)
        never_prepared = running.postgres is not None and not stamp_file().exists()
        if never_prepared and args[0] not in COMMANDS_ON_A_BARE_DATABASE:
            prepare(running)
        return call_app(args, env)


def call_app(args: list[str], env: dict[str, str]) -> int:
    """Run ``python -m app`` in the foreground; Ctrl-C is its business while it runs."""
    child = subprocess.Popen([sys.executable, "-P", "-m", "app", *args], env=env)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda signum, _: child.send_signal(signum))
    code = child.wait()
    return code if code >= 0 else 128 - code


def reset() -> int:
    """Delete the embedded data, so that the next start begins anew; keys stay."""
    if config.PRODUCTION:
        raise LaunchError(_("make reset deletes everything: it refuses PORTAL_MODE=production."))
    if config.DATABASE_URL:
        raise LaunchError(
            _(
                "make reset knows only the embedded database: unset DATABASE_URL, or drop and "
                "create that database yourself."
            )
        )
    var = open_var(config.VAR)
    if not in_use_by_nobody(var):
        raise LaunchError(
            _("The portal is running on %(folder)s: stop it first (Ctrl-C).", folder=var)
        )
    for name in ("pg", "pg.new", "redis", "files"):
        shutil.rmtree(var / name, ignore_errors=True)
    for file in (stamp_file(), accounts_file(), config.VAR / "audit-heads.jsonl"):
        file.unlink(missing_ok=True)
    print(_("%(folder)s is empty again; the next start begins anew.", folder=var))
    return 0


def in_use_by_nobody(var: Path) -> bool:
    """Tell whether no process holds the servers of ``var`` and none of them runs."""
    sockets = socket_folder(var)
    return not any(
        server.answers() or server.pid() is not None
        for server in (PostgresServer(var, sockets), RedisServer(var, sockets))
    )


if __name__ == "__main__":
    main()
