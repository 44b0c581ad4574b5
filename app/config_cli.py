"""`./portal config …`: the configuration as one file - export, import, compare, check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click
from flask.cli import with_appcontext

from app import clock
from app.domain.errors import DomainError
from app.domain.workflow import ActorRole
from app.extensions import db, unit_of_work
from app.messages import explain
from app.services.actors import Actor
from app.services.definitions.lint import lint_everything
from app.services.packs import checking, importing
from app.services.packs.planning import (
    EFFECT_LABELS,
    Choice,
    Effect,
    Item,
    Plan,
)
from app.terminal import gettext as _
from app.views.screens.pack_words import name_choice, name_item, name_kind, say_changes, say_refusal
from app.views.screens.words import say_finding

OPERATOR: Final = Actor(None, "./portal config", frozenset({ActorRole.SYSTEM_ADMIN}))
"""Who runs the command on the server: whoever may, may configure."""

PACK = click.Path(exists=True, dir_okay=False, path_type=Path)


def in_words(command: Callable[..., Any]) -> Callable[..., Any]:
    """End with one line and exit code 1 where a rule refuses or a file cannot be used."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except importing.ImportRefusedError as error:
            for line in _say_refusals(error.plan):
                click.echo(line, err=True)
            raise click.ClickException(explain(error)) from error
        except DomainError as error:
            raise click.ClickException(explain(error)) from error
        except OSError as error:
            raise click.ClickException(
                _(
                    "%(file)s cannot be used (%(problem)s): choose another one.",
                    file=error.filename,
                    problem=error.strerror,
                )
            ) from error

    return run


@click.group("config")
def config_group() -> None:
    """The configuration as one file: export, import, compare, check."""


@config_group.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--without-origin",
    is_flag=True,
    help="Do not say when and where: the same configuration gives the same bytes.",
)
@with_appcontext
@in_words
def export(file: Path, *, without_origin: bool) -> None:
    """Write everything that is configuration to FILE."""
    with unit_of_work():
        _name, content = importing.export_pack(
            actor=OPERATOR, now=clock.now(), is_bare=without_origin
        )
        file.write_bytes(content)
    click.echo(_("%(file)s: %(size)s bytes", file=file, size=len(content)))


@config_group.command("import")
@click.argument("file", type=PACK)
@click.option("--dry-run", "mode", flag_value="dry-run", help="Only say what would be done.")
@click.option("--apply", "mode", flag_value="apply", help="Do it, after a backup.")
@click.option(
    "--conflicts",
    type=click.Choice(["skip", "overwrite", "merge"]),
    default="skip",
    help="What becomes of objects this portal has changed itself.",
)
@click.option("--delete", "deletes", is_flag=True, help="Also delete what the pack does not have.")
@click.option("--skip-refused", is_flag=True, help="Leave out what cannot be taken over.")
@with_appcontext
@in_words
def import_(
    file: Path, mode: str | None, conflicts: str, *, deletes: bool, skip_refused: bool
) -> None:
    """Take over FILE: say --dry-run or --apply."""
    if mode is None:
        raise click.UsageError(_("Say whether to try the pack out or to apply it."))
    content = file.read_bytes()
    now = clock.now()
    if mode == "dry-run":
        plan = _plan(file.name, content, Choice(conflicts), deletes)
        _print_plan(plan)
        return
    plan = _plan(file.name, content, Choice(conflicts), deletes)
    choices = {item.token: item.choice for item in plan.items}
    if not skip_refused:
        refused = [item for item in plan.items if item.refusal is not None]
        if refused:
            raise importing.ImportRefusedError(plan)
    if not plan.to_do():
        click.echo(_("There is nothing to take over."))
        return
    with unit_of_work():
        row = importing.keep_upload(file.name, content, actor=OPERATOR, now=now)
        done = importing.import_pack(
            row, choices, expected_state=plan.state, actor=OPERATOR, now=now
        )
    for item in done.to_do():
        click.echo(_title(item))
    click.echo(_("%(count)s objects taken over; a backup was kept.", count=len(done.to_do())))


@config_group.command("diff")
@click.argument("file", type=PACK)
@with_appcontext
@in_words
def diff(file: Path) -> None:
    """Say how FILE differs from the configuration here; exit 1 if it does."""
    plan = _plan(file.name, file.read_bytes(), Choice.SKIP, deletes=False)
    _print_plan(plan)
    if plan.items:
        raise SystemExit(1)


@config_group.command("lint")
@click.argument("file", type=PACK, required=False)
@with_appcontext
@in_words
def lint(file: Path | None) -> None:
    """Check the configuration, or what it would be with FILE taken over; exit 1 on a fault."""
    if file is None:
        found = lint_everything()
    else:
        found = checking.check_with(file.name, file.read_bytes(), actor=OPERATOR, now=clock.now())
        db.session.rollback()
    for key, finding in found:
        click.echo(f"{key}: {finding.path or '-'}: {say_finding(finding)}")
    click.echo(_("%(count)s faults", count=len(found)))
    if any(finding.blocks for _key, finding in found):
        raise SystemExit(1)


def _plan(filename: str, content: bytes, conflicts: Choice, deletes: bool) -> Plan:
    """The dry run with one choice for all conflicts and all deletions."""
    now = clock.now()
    first = importing.try_out_file(filename, content, actor=OPERATOR, now=now)
    choices = {}
    for item in first.items:
        if item.effect is Effect.CONFLICT and conflicts is not Choice.SKIP:
            wanted = conflicts if conflicts in item.choices else Choice.SKIP
            choices[item.token] = wanted
        if item.effect is Effect.DELETED and deletes:
            choices[item.token] = Choice.DELETE
    plan = importing.try_out_file(filename, content, choices, actor=OPERATOR, now=now)
    db.session.rollback()
    return plan


def _print_plan(plan: Plan) -> None:
    for item in plan.items:
        click.echo(_title(item))
        for line in say_changes(item):
            click.echo(f"    {line}")
        for line in say_refusal(item):
            click.echo(f"    ! {line}")
    counts = {effect.value: plan.count(effect) for effect in Effect}
    click.echo(
        _(
            "%(new)s new, %(changed)s modified, %(conflict)s in conflict, %(deleted)s missing in "
            "the pack, %(same)s alike",
            same=plan.unchanged,
            **counts,
        )
    )


def _say_refusals(plan: Plan) -> Iterator[str]:
    for item in plan.items:
        if item.refusal is not None:
            yield f"{_title(item)}: {' '.join(say_refusal(item))}"


def _title(item: Item) -> str:
    effect, choice = _(EFFECT_LABELS[item.effect]), name_choice(item, item.choice)
    return f"{effect} [{choice}] {name_kind(item)} {name_item(item)}"
