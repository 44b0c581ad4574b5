"""Commands: `./portal NAME …` runs `flask NAME …` in the project's environment. A group a noun."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from app import audit_cli, clock, config_cli, settling
from app.crypto import keyring
from app.domain.calendar import BEIJING
from app.domain.errors import DomainError
from app.domain.terms import IdentityDocument
from app.domain.workflow import ActorRole
from app.extensions import unit_of_work
from app.messages import explain
from app.services import (
    accounts,
    database_rights,
    demo,
    dormancy,
    founding,
    invariants,
    key_rotation,
    permissions,
    rehearsal,
    seed_export,
    seeding,
    texts,
)
from app.services.people import PersonDraft
from app.terminal import gettext as _


def register(app: Flask) -> None:
    """Add the commands to the application."""
    app.cli.add_command(init)
    app.cli.add_command(seed)
    app.cli.add_command(export_seed)
    app.cli.add_command(found_group)
    app.cli.add_command(demo_group)
    app.cli.add_command(rehearsal_group)
    app.cli.add_command(sweep)
    app.cli.add_command(check_invariants)
    app.cli.add_command(keys_group)
    app.cli.add_command(audit_cli.audit_group)
    app.cli.add_command(config_cli.config_group)
    app.cli.add_command(ticker)
    app.cli.add_command(work)


def in_words(command: Callable[..., Any]) -> Callable[..., Any]:
    """End with one line and exit code 1 where a rule refuses."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except DomainError as error:
            raise click.ClickException(explain(error)) from error

    return run


@click.command("init")
@with_appcontext
@in_words
def init() -> None:
    """Make roles and permissions from the registered views, and give the application's database
    role its rights (after `./portal db upgrade`)."""
    permissions.install(current_app.extensions["appbuilder"])
    if role := current_app.config["APPLICATION_ROLE"]:
        with unit_of_work():
            database_rights.grant_to(role)
    click.echo("roles and permissions are in place")


@click.command("seed")
@with_appcontext
@in_words
def seed() -> None:
    """Load seed/ where it is not loaded yet; in rehearsal mode also the demo units and accounts."""
    with unit_of_work():
        seeding.load_all(with_demo=rehearsal.is_rehearsal())
        if rehearsal.is_rehearsal():
            rehearsal.start_rehearsal()
    click.echo("seed data is loaded")


@click.command("seed-export")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@with_appcontext
@in_words
def export_seed(folder: Path) -> None:
    """Write the configuration as seed files below FOLDER."""
    try:
        written = seed_export.write_all(folder)
    except OSError as error:
        raise click.ClickException(
            _(
                "The folder %(folder)s cannot be written (%(problem)s): choose another one.",
                folder=folder,
                problem=error.strerror,
            )
        ) from error
    click.echo(f"{len(written)} files written below {folder}")


# --------------------------------------------------------------------------- a new site


@click.group("found")
def found_group() -> None:
    """The first unit and the first accounts of a production site."""


@found_group.command("province")
@click.argument("name")
@click.argument("code")
@with_appcontext
@in_words
def found_province(name: str, code: str) -> None:
    """Create the provincial HRSS department NAME with its unified social credit code CODE."""
    with unit_of_work():
        founding.found_province(name, code, now=clock.now())
    click.echo(f"{name} is the root of the account tree")


@found_group.command("account")
@click.argument("role", type=click.Choice([role.value for role in founding.FOUNDING_ROLES]))
@click.argument("login")
@click.option("--name", prompt="Name", help="As on the document.")
@click.option("--document-number", prompt="Document number", help="Asked for when left out.")
@click.option("--phone", prompt="Mobile number", help="Asked for when left out.")
@with_appcontext
@in_words
def found_account(role: str, login: str, name: str, document_number: str, phone: str) -> None:
    """Create the account LOGIN with ROLE and print the code that opens it once."""
    person = PersonDraft(name, IdentityDocument.RESIDENT_ID, document_number, phone)
    founder = founding.Founder(login, ActorRole(role), person)
    with unit_of_work():
        digest = accounts.identity_hash(document_number)
        created = founding.appoint_founder(founder, digest, now=clock.now())
    click.echo(f"{login}: open /activate/ with the code {created.activation_code}")


@found_group.command("reactivate")
@click.argument("login")
@click.option("--reason", prompt="Reason", help="Kept in the audit log.")
@with_appcontext
@in_words
def reactivate(login: str, reason: str) -> None:
    """Reactivate the security administrator LOGIN, suspended because nobody used the account."""
    with unit_of_work():
        dormancy.reactivate_security_admin(login, reason, now=clock.real_now())
    click.echo(f"{login} may sign in again")


@found_group.command("phone")
@click.argument("login")
@click.option("--phone", prompt="Mobile number", help="Asked for when left out.")
@click.option("--reason", prompt="Reason", help="Kept in the audit log.")
@with_appcontext
@in_words
def replace_phone(login: str, phone: str, reason: str) -> None:
    """Register another mobile number for the account LOGIN; the former one is told."""
    with unit_of_work():
        accounts.replace_phone(login, phone, reason, now=clock.now())
    click.echo(f"codes of {login} go to the new number")


@click.group("demo")
def demo_group() -> None:
    """The demo cast of a rehearsal."""


@demo_group.command("accounts")
@click.option("--json", "as_json", is_flag=True, help="Print the accounts as JSON.")
@with_appcontext
@in_words
def list_accounts(*, as_json: bool) -> None:
    """Print the demo accounts: one of every role first, then all others."""
    rows = demo.list_demo_accounts()
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    if not rows:
        raise click.ClickException(
            _("There are no demo accounts: run ./portal seed in rehearsal mode first.")
        )
    click.echo("role\tlogin\tpassword\tname\tunit")
    for row in rows:
        click.echo("\t".join(row.values()))


# --------------------------------------------------------------------------- rehearsal


@click.group("rehearsal")
def rehearsal_group() -> None:
    """The rehearsed clock: show it, set it, move it on (never back)."""


@rehearsal_group.command("show")
@with_appcontext
def show_rehearsal() -> None:
    """Print the rehearsed time, Beijing time, to the second."""
    mode = "rehearsal" if rehearsal.is_rehearsal() else "production"
    click.echo(f"{clock.now().isoformat(timespec='seconds')} {mode}")


@rehearsal_group.command("set")
@click.argument("instant")
@with_appcontext
@in_words
def set_rehearsal(instant: str) -> None:
    """Move the clock forward to INSTANT (ISO 8601, Beijing time without an offset) and do what
    became due."""
    _move_clock(_read_instant(instant))


@rehearsal_group.command("advance")
@click.argument("amount")
@with_appcontext
@in_words
def advance_rehearsal(amount: str) -> None:
    """Move the clock forward by AMOUNT: 90m, 6h, 3d or 2w."""
    _move_clock(clock.now() + _read_amount(amount))


@rehearsal_group.command("codes")
@click.option("--json", "as_json", is_flag=True, help="Print the texts as JSON, one a line.")
@with_appcontext
@in_words
def list_codes(*, as_json: bool) -> None:
    """Print the latest texts a rehearsal would have sent, the newest first."""
    if not rehearsal.is_rehearsal():
        raise click.ClickException(_("Texts are shown in rehearsal mode only."))
    for sent in texts.rehearsal_texts():
        row = {
            "at": sent.at.isoformat(),
            "phone": sent.phone_mask,
            "code": sent.code,
            "text": sent.text,
        }
        click.echo(json.dumps(row, ensure_ascii=False) if as_json else "\t".join(row.values()))


def _move_clock(at: datetime) -> None:
    with unit_of_work():
        rehearsal.set_rehearsed_time(at)

    ran = settling.run_everything()
    done = ", ".join(f"{name} {changed}" for name, (_found, changed) in ran.items() if changed)
    click.echo(f"{clock.now().isoformat(timespec='seconds')} {done}".rstrip())


def _read_instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.ClickException(
            _("%(given)s: give an instant like 2022-08-03T09:00 (Beijing time).", given=text)
        ) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=BEIJING)


UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _read_amount(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,5})([mhdw])", text, flags=re.ASCII)
    if found is None or int(found[1]) < 1:
        raise click.ClickException(
            _("%(given)s: give an amount like 90m, 6h, 3d or 2w.", given=text)
        )
    return timedelta(**{UNITS[found[2]]: int(found[1])})


# --------------------------------------------------------------------------- jobs and checks


@click.command("sweep")
@with_appcontext
def sweep() -> None:
    """Do now what the clock does by itself: for a system timer, without Redis."""

    for name, (found, changed) in settling.run_everything().items():
        click.echo(f"{name}: found {found}, changed {changed}")


@click.command("check-invariants")
@click.option("--json", "as_json", is_flag=True, help="Print the violations as JSON.")
@with_appcontext
def check_invariants(*, as_json: bool) -> None:
    """Run every named check of the database; exit 1 and the rows on a violation."""
    found = invariants.run_checks()
    if as_json:
        click.echo(json.dumps([vars(violation) for violation in found], ensure_ascii=False))
    else:
        for violation in found:
            click.echo(f"{violation.check}: {violation.row}: {violation.problem}")
        click.echo(f"{len(invariants.CHECKS)} checks, {len(found)} violations")
    if found:
        raise SystemExit(1)


# --------------------------------------------------------------------------- keys


@click.group("keys")
def keys_group() -> None:
    """The keys of the encrypted columns: which are in use, and changing them."""


@keys_group.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@with_appcontext
@in_words
def show_keys(*, as_json: bool) -> None:
    """Count the stored values by column, key and cipher; exit 1 where a key is missing."""
    found = key_rotation.count_seals()
    if as_json:
        click.echo(json.dumps([_as_row(values) for values in found]))
    else:
        for values in found:
            row = _as_row(values)
            click.echo(f"{row['column']}\t{row['key']}\t{row['cipher']}\t{row['values']}")
        ring = keyring()
        click.echo(f"current: {ring.current} {ring.cipher}")
        used = {values.seal.key_id for values in found if values.seal}
        for key_id in ring.keys:
            if key_id != ring.current and key_id not in used:
                click.echo(f"no value needs {key_id} any more: it may be taken out of DATA_KEYS")
    key_rotation.require_keys()


@keys_group.command("check")
@with_appcontext
@in_words
def check_keys() -> None:
    """Refuse, in one line, where DATA_KEYS lacks a key that stored values need."""
    key_rotation.require_keys()


@keys_group.command("rotate")
@click.option("--batch", default=500, type=click.IntRange(1, 10_000), help="Rows a transaction.")
@click.option("--dry-run", is_flag=True, help="Only count what would be sealed anew.")
@with_appcontext
@in_words
def rotate_keys(batch: int, *, dry_run: bool) -> None:
    """Seal every encrypted value anew with the first key of DATA_KEYS and with DATA_CIPHER.

    The portal may run meanwhile, with the new key first in its DATA_KEYS. Broken off, it goes on
    where it stopped when it is called again.
    """
    key_rotation.require_keys()
    if dry_run:
        seal = keyring().seal
        for values in key_rotation.count_seals():
            if values.seal != seal:
                click.echo(f"{values.column}: {values.count} to seal anew")
        return
    changed, unreadable = _rotate_everything(batch)
    click.echo(f"{changed} values sealed anew with {keyring().current} {keyring().cipher}")
    for place in unreadable:
        click.echo(f"{place}: does not open with its key, left as it is", err=True)
    if unreadable:
        raise SystemExit(1)


def _rotate_everything(size: int) -> tuple[int, list[str]]:
    """Go over every table until nothing is left to change; a transaction a batch."""
    changed, unreadable = 0, set()
    for table in {column.table: None for column in key_rotation.encrypted_columns()}:
        is_settled = False
        while not is_settled:  # again where a row was changed by somebody else meanwhile
            is_settled = True
            after: tuple[Any, ...] | None = None
            while True:
                with unit_of_work():
                    done = key_rotation.reseal_batch(table, after=after, size=size)
                changed += done.changed
                unreadable |= set(done.unreadable)
                is_settled = is_settled and not done.overtaken
                after = done.last
                if after is None:
                    break
    return changed, sorted(unreadable)


def _as_row(values: key_rotation.SealedValues) -> dict[str, Any]:
    return {
        "column": values.column,
        "key": values.seal.key_id if values.seal else "?",
        "cipher": values.seal.cipher if values.seal else "?",
        "values": values.count,
    }


@click.command("ticker")
@with_appcontext
def ticker() -> None:
    """Enqueue the periodic jobs every minute until stopped."""
    from app.jobs import schedule  # noqa: PLC0415 -- the queue is loaded by its commands alone

    schedule.tick_forever(current_app.extensions["redis"])


@click.command("worker")
@click.argument("queue", default="default")
@with_appcontext
def work(queue: str) -> None:
    """Work on QUEUE until stopped."""
    known = current_app.config["WORKER_QUEUES"]
    if queue not in known:
        raise click.ClickException(
            _(
                "There is no queue %(queue)s. Give one of %(known)s.",
                queue=queue,
                known=", ".join(known),
            )
        )
    from app.jobs import worker  # noqa: PLC0415 -- the queue is loaded by its commands alone

    worker.work(queue)
