"""``python -m app COMMAND``: the commands of the portal, with the servers' addresses already set.

``./portal COMMAND`` sets them; ``prepare`` is here because it is made of the other commands.
"""

from __future__ import annotations

import contextlib
import io
import sys

import click
import redis
import sqlalchemy.exc
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo, pass_script_info

from app import create_app

STEPS_OF_PREPARING = (("db", "upgrade"), ("init",), ("seed",))

commands = FlaskGroup(
    name="portal",
    help="Commands of the portal.",
    create_app=create_app,
    add_version_option=False,
    load_dotenv=False,
    set_debug_flag=False,
)


@commands.command("prepare")
@click.option(
    "--accounts-file",
    type=click.Path(dir_okay=False, writable=True),
    help="Also write the demo accounts to this file.",
)
@pass_script_info
def prepare(script: ScriptInfo, accounts_file: str | None) -> None:
    """Bring the database up to date: migrations, permissions and roles, seed."""
    app = script.load_app()
    for step in STEPS_OF_PREPARING:
        run_step(app, *step)
    if accounts_file and app.config["PORTAL_MODE"] == "rehearsal":
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            run_step(app, "demo", "accounts")
        with open_private(accounts_file) as file:
            file.write(said.getvalue())


def run_step(app: Flask, *args: str) -> None:
    """Run one command of the portal inside this process."""
    info = ScriptInfo(create_app=lambda: app)
    commands.main(args=list(args), prog_name="./portal", standalone_mode=False, obj=info)


def open_private(path: str) -> io.TextIOWrapper:
    """Open a text file for writing that nobody else may read."""
    import os  # noqa: PLC0415 -- only here

    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return open(descriptor, "w", encoding="utf-8")  # noqa: PTH123 -- a descriptor, not a path


def main() -> None:
    """Run one command; a server that does not answer ends with one line."""
    try:
        commands(prog_name="./portal")
    except sqlalchemy.exc.OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        sys.exit(f"The database cannot be used: {reason}. Check DATABASE_URL.")
    except redis.ConnectionError as error:
        sys.exit(f"Redis cannot be reached: {error}. Check REDIS_URL, or start the portal first.")


if __name__ == "__main__":
    main()
