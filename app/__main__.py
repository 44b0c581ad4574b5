"""``python -m app COMMAND``: the commands of the portal, with the servers' addresses already set.

``./portal COMMAND`` sets them; ``prepare`` is here because it is made of the other commands.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys

import click
import psycopg
import redis
import sqlalchemy.exc
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo, pass_script_info

from app import create_app, logs
from app.terminal import gettext as _

NOT_PREPARED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
)
STEPS_OF_PREPARING = (("db", "upgrade"), ("keys", "check"), ("init",), ("seed",))


def build_app() -> Flask:
    """The application; on the owner's connection where the launcher has given its address, which
    it does for the commands that make tables and rights alone."""
    import config  # noqa: PLC0415 -- a bad value ends the command, not the import

    owner = config.OWNER_DATABASE_URL
    return create_app(DATABASE_URL=owner) if owner else create_app()


commands = FlaskGroup(
    name="portal",
    help="Commands of the portal.",
    create_app=build_app,
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
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return open(descriptor, "w", encoding="utf-8")  # noqa: PTH123 -- a descriptor, not a path


def explain_database(error: sqlalchemy.exc.DBAPIError) -> str:
    """Why the database refuses, in one line; what is a defect of the program is raised again."""
    if isinstance(error, sqlalchemy.exc.OperationalError):
        reason = str(error.orig).strip().splitlines()[0]
        return _("The database cannot be used: %(problem)s. Check DATABASE_URL.", problem=reason)
    if isinstance(error.orig, NOT_PREPARED):
        return _(
            "The database is not prepared for this version, or the role of DATABASE_URL lacks "
            "a right: run ./portal prepare first."
        )
    raise error


def main() -> None:
    """Run one command; a mistake, or a server that does not answer, ends with one line and 1."""
    if sys.argv[1:2] in (["worker"], ["ticker"], ["sweep"]):  # the others speak to a terminal
        logs.configure()
    try:
        sys.exit(commands.main(prog_name="./portal", standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(1)
    except click.UsageError as error:
        asked = error.ctx.command_path if error.ctx else "./portal"
        problem = error.format_message()
        sys.exit(
            _(
                "The command cannot be understood: %(problem)s See %(command)s --help",
                problem=problem,
                command=asked,
            )
        )
    except click.ClickException as error:
        sys.exit(error.format_message())
    except click.Abort:
        sys.exit(_("Broken off; nothing was done."))
    except BrokenPipeError:  # the reader has seen enough (`… | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except sqlalchemy.exc.DBAPIError as error:
        sys.exit(explain_database(error))
    except redis.ConnectionError as error:
        sys.exit(
            _(
                "Redis cannot be reached: %(problem)s. Check REDIS_URL, or start the portal first.",
                problem=error,
            )
        )


if __name__ == "__main__":
    main()
