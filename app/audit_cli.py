"""`./portal audit …`: whether the audit log is what was written, and the signing of its head."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext

from app import settling
from app.domain.errors import DomainError
from app.domain.messages import N_
from app.extensions import audit_anchor_file, audit_signing_key, db
from app.messages import explain
from app.services import audit_chain, database_rights
from app.services.audit_anchors import AnchorKeys, read_anchors
from app.services.audit_chain import Damage, Finding, Verdict
from app.services.database_rights import Weakness
from app.terminal import gettext as _

SHOWN = 50
"""Findings printed in words; all that are kept are in --json."""

WORDS = {
    Damage.CHANGED: N_("number %(number)s, entry %(entry)s: the entry or its link was changed"),
    Damage.MOVED: N_(
        "number %(number)s, entry %(entry)s: was written as number %(to)s; "
        "%(count)s rows from here on stand at another place"
    ),
    Damage.INSERTED: N_("number %(number)s, entry %(entry)s: was put in between"),
    Damage.REWRITTEN: N_(
        "number %(number)s, entry %(entry)s: entry and link were changed together; "
        "the next link remembers another one"
    ),
    Damage.DELETED: N_("number %(number)s, entry %(entry)s: the entry is gone, its link stands"),
    Damage.MISSING: N_("numbers %(number)s to %(to)s: the links are missing"),
    Damage.UNLINKED: N_(
        "entry %(entry)s: no link knows it; it was put in past the chain, "
        "or its link was taken away"
    ),
    Damage.CUT: N_("numbers %(number)s to %(to)s: anchored, but cut off the end of the log"),
    Damage.OTHER_HEAD: N_(
        "numbers %(number)s to %(to)s: the link of number %(to)s is not the one that was "
        "anchored (line %(line)s of the anchor file); rows in between were rewritten"
    ),
    Damage.ANCHOR: N_("line %(line)s of the anchor file: %(detail)s"),
    Damage.ANCHORS_CUT: N_(
        "numbers %(number)s to %(to)s: the database remembers their anchors, "
        "the anchor file has lost them"
    ),
}
PROBLEMS_OF_ANCHORS = {
    "unreadable": N_("cannot be read"),
    "signature": N_("the signature does not verify"),
    "order": N_("does not follow the line before: lines were taken out, put in or changed"),
    "number": N_("goes back to an earlier number"),
}


WEAKNESSES = {
    Weakness.SUPERUSER: N_(
        "The role %(role)s is a superuser: no rule of the database holds for it. "
        "Let DATABASE_URL name a role of its own, and OWNER_DATABASE_URL the owner of the tables."
    ),
    Weakness.OWNER: N_(
        "The role %(role)s owns %(count)s tables: it could switch off what protects the audit log. "
        "Let another role own them, name it in OWNER_DATABASE_URL, and run ./portal prepare."
    ),
    Weakness.MAY_CREATE: N_(
        "The role %(role)s may create tables in the schema public: take this right away "
        "(REVOKE CREATE)."
    ),
    Weakness.TOO_MANY_RIGHTS: N_(
        "The role %(role)s may do %(rights)s on %(table)s: run ./portal init with "
        "OWNER_DATABASE_URL."
    ),
    Weakness.UNPROTECTED: N_(
        "The trigger %(trigger)s on %(table)s is missing or switched off: somebody has the rights "
        "of the owner. Run ./portal audit verify, then have the trigger put back."
    ),
    Weakness.OTHER_FUNCTION: N_(
        "The function %(function)s is not the one of this version: run ./portal prepare; "
        "if it stays, somebody has replaced it."
    ),
}


@click.group("audit")
def audit_group() -> None:
    """The audit log: verify its chain, sign its head."""


@audit_group.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--anchors",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The anchor file, or a copy kept elsewhere (default: AUDIT_ANCHOR_FILE).",
)
@with_appcontext
def verify(*, as_json: bool, anchors: Path | None) -> None:
    """Walk the whole audit log; exit 1 and the rows where it is not what was written."""
    path = anchors or audit_anchor_file()
    started = time.monotonic()
    lines = read_anchors(path, AnchorKeys(audit_signing_key())) if path.exists() else iter(())
    verdict = audit_chain.verify(lines)
    db.session.rollback()
    seconds = time.monotonic() - started
    if as_json:
        click.echo(json.dumps(as_dictionary(verdict, seconds), ensure_ascii=False))
    else:
        for line in in_words(verdict, seconds):
            click.echo(line)
    if not verdict.holds:
        raise SystemExit(1)


@audit_group.command("anchor")
@with_appcontext
def anchor() -> None:
    """Sign the head of the audit log and append it to the anchor file now."""
    path = audit_anchor_file()
    try:
        written, _changed = settling.anchor_audit(heartbeat=timedelta(0))
    except DomainError as error:
        raise click.ClickException(explain(error)) from error
    except OSError as error:
        raise click.ClickException(
            _(
                "The anchor file %(file)s cannot be written (%(problem)s): make room, correct its "
                "owner and rights, or choose another one with AUDIT_ANCHOR_FILE.",
                file=path,
                problem=error.strerror,
            )
        ) from error
    if not written:
        raise click.ClickException(_("The audit log is empty: there is nothing to anchor yet."))
    number, link_hash = audit_chain.head()
    click.echo(f"{number} {link_hash} {path}")


@audit_group.command("check-database")
@with_appcontext
def check_database() -> None:
    """Say by what the application's database role could change the audit log; exit 1 if any."""
    problems = list(database_rights.find_weaknesses())
    for weakness, params in problems:
        click.echo(_(WEAKNESSES[weakness], **params))
    if problems:
        raise SystemExit(1)
    click.echo(_("The database protects the audit log, and its role cannot change that."))


def as_dictionary(verdict: Verdict, seconds: float) -> dict[str, Any]:
    """The result for programs."""
    anchored_at = verdict.anchored_at.isoformat() if verdict.anchored_at else None
    return {
        "holds": verdict.holds,
        "rows": verdict.links,
        "last_number": verdict.last_number,
        "anchors": verdict.anchors,
        "anchored_to": verdict.anchored_to,
        "anchored_at": anchored_at,
        "first_unanchored_entry": verdict.first_unanchored_entry,
        "problems": verdict.count,
        "findings": [asdict(found) | {"says": say(found)} for found in verdict.findings],
        "rows_per_second": round(verdict.links / seconds) if seconds else None,
    }


def in_words(verdict: Verdict, seconds: float) -> list[str]:
    """The result for people: a line a finding, then what was walked and how far it is signed."""
    said = [say(found) for found in verdict.findings[:SHOWN]]
    if verdict.count > len(said):
        said.append(_("… and %(count)s more", count=verdict.count - len(said)))
    said.append(
        _(
            "%(rows)s rows, %(problems)s problems (%(speed)s rows a second)",
            rows=verdict.links,
            problems=verdict.count,
            speed=round(verdict.links / seconds) if seconds else verdict.links,
        )
    )
    if verdict.first_unanchored_entry is None:
        said.append(
            _("everything is anchored, up to number %(number)s", number=verdict.anchored_to)
        )
    else:
        said.append(
            _(
                "anchored up to number %(number)s; from number %(next)s (entry %(entry)s) on "
                "nothing is anchored yet",
                number=verdict.anchored_to,
                next=verdict.anchored_to + 1,
                entry=verdict.first_unanchored_entry,
            )
        )
    return said


def say(found: Finding) -> str:
    """One finding as a sentence."""
    return _(
        WORDS[found.damage],
        number=found.number or "?",
        to=found.to_number or found.number or "?",
        entry=found.entry_id or "?",
        line=found.line or "?",
        count=found.count,
        detail=_(PROBLEMS_OF_ANCHORS[found.detail]) if found.detail else "",
    )
