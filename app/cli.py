"""Commands: `./portal NAME …` runs `flask NAME …` in the project's environment. A group a noun."""

from __future__ import annotations

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from app.services import permissions, rehearsal, seeding
from app.extensions import unit_of_work


def register(app: Flask) -> None:
    """Add the commands to the application."""
    app.cli.add_command(init)
    app.cli.add_command(seed)


@click.command("init")
@with_appcontext
def init() -> None:
    """Make roles and permissions from the registered views (after `flask db upgrade`)."""
    permissions.install(current_app.appbuilder)
    click.echo("roles and permissions are in place")


@click.command("seed")
@with_appcontext
def seed() -> None:
    """Load seed/ where it is not loaded yet; in rehearsal mode also the demo units and accounts."""
    with unit_of_work():
        seeding.load_all(with_demo=rehearsal.is_rehearsal())
        if rehearsal.is_rehearsal():
            rehearsal.start_rehearsal()
    click.echo("seed data is loaded")
