"""Keeping packs, exporting, trying an import out, and importing: one transaction, whole or not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, select
from sqlalchemy.exc import DataError, IntegrityError

from app.domain.errors import ConflictError, DomainError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import PackPurpose
from app.domain.workflow import ActorRole
from app.extensions import db, portal_name
from app.models import ConfigurationPack
from app.services.actors import Actor
from app.services.audit import Subject, record
from app.services.definitions import generation
from app.services.packs.archive import build_pack, digests_of, open_pack, origin_of
from app.services.packs.definitions import lock_definitions
from app.services.packs.planning import Choice, Effect, Item, Plan, last_applied, plan_import
from app.services.packs.registry import read_configuration
from app.services.settings import forget_settings

CONFIGURERS: Final = (ActorRole.SYSTEM_ADMIN, ActorRole.PROVINCE_HRSS)
LONGEST_FILENAME: Final = 200
REASON: Final = "导入配置包 %s"
BACKUP_NAME: Final = "backup-%s.zip"
EXPORT_NAME: Final = "configuration-%s.zip"
_IMPORT_LOCK: Final = 4_158_070_920
"""The advisory lock of imports: one at a time."""


class ImportRefusedError(RuleViolation):
    """Some of the chosen objects cannot be taken over; nothing was changed."""

    code = "import_refused"
    template = N_(
        "%(count)s of the chosen objects cannot be taken over; nothing was changed. Skip them, or "
        "correct what their rows say."
    )

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__(count=sum(item.refusal is not None for item in plan.items))


class OtherStateError(ConflictError):
    """The configuration is no longer what the dry run was made from."""

    code = "other_state"
    template = N_(
        "The configuration has changed since the dry run. Look at the new one, then import."
    )


def require_configurer(actor: Actor) -> None:
    """Refuse everybody who does not configure the portal. Raises NotPermittedError."""
    if not actor.has_role(*CONFIGURERS):
        raise NotPermittedError


def export_pack(*, actor: Actor, now: datetime, is_bare: bool = False) -> tuple[str, bytes]:
    """The configuration in force as a file: its name and content.

    A bare one does not say when and where it was made: the same configuration gives the same
    bytes. Raises NotForPacksError.
    """
    require_configurer(actor)
    content = build_pack(
        read_configuration(), None if is_bare else origin_of(now, portal_name(), last_applied())
    )
    about = {"bytes": len(content), "sha256": _checksum(content)}
    record("export_configuration", Subject("ConfigurationPack"), actor=actor, now=now, after=about)
    return EXPORT_NAME % now.strftime("%Y%m%d-%H%M"), content


def keep_upload(filename: str, content: bytes, *, actor: Actor, now: datetime) -> ConfigurationPack:
    """Keep a pack to be looked at, once it is read whole; it replaces the account's last one.

    Raises PackRefusedError, NotForPacksError.
    """
    require_configurer(actor)
    open_pack(content)
    db.session.execute(
        delete(ConfigurationPack).where(
            ConfigurationPack.purpose == PackPurpose.UPLOADED,
            ConfigurationPack.account_id == actor.account_id,
        )
    )
    return _keep(PackPurpose.UPLOADED, filename, content, actor=actor, now=now)


def discard_upload(pack_id: int, *, actor: Actor, now: datetime) -> None:
    """Throw an uploaded pack away that was not taken over."""
    require_configurer(actor)
    row = db.session.get_one(ConfigurationPack, pack_id, with_for_update=True)
    if row.purpose is not PackPurpose.UPLOADED:
        raise ConflictError(N_("Only a pack that was not taken over can be discarded."))
    record("discard_pack", row, actor=actor, now=now, before={"filename": row.filename})
    db.session.delete(row)
    db.session.flush()


def _keep(
    purpose: PackPurpose,
    filename: str,
    content: bytes,
    *,
    note: str = "",
    actor: Actor,
    now: datetime,
) -> ConfigurationPack:
    row = ConfigurationPack(
        purpose=purpose,
        filename=_plain(filename),
        content=content,
        byte_count=len(content),
        checksum=_checksum(content),
        made_at=now,
        account_id=actor.account_id,
        note=note,
    )
    db.session.add(row)
    db.session.flush()
    return row


def _plain(filename: str) -> str:
    """A file's own name, without folders and what cannot be shown."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in name if c.isprintable())[-LONGEST_FILENAME:] or "pack.zip"


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --------------------------------------------------------------------------- trying out


def try_out(
    row: ConfigurationPack,
    choices: Mapping[str, Choice] | None = None,
    *,
    actor: Actor,
    now: datetime,
) -> Plan:
    """What an import would do: it is done in full, refusals are noted, all is taken back.

    An object nobody has chosen for and that cannot be taken over is skipped.
    """
    require_configurer(actor)
    is_own_backup = row.purpose is PackPurpose.BACKUP
    return _try_out(row.content, row.filename, choices, is_own_backup, actor, now)


def try_out_file(
    filename: str,
    content: bytes,
    choices: Mapping[str, Choice] | None = None,
    *,
    actor: Actor,
    now: datetime,
) -> Plan:
    """The same for a pack that is not kept."""
    require_configurer(actor)
    return _try_out(content, filename, choices, False, actor, now)


def _try_out(
    content: bytes,
    filename: str,
    choices: Mapping[str, Choice] | None,
    is_own_backup: bool,
    actor: Actor,
    now: datetime,
) -> Plan:
    plan = plan_import(open_pack(content), choices, is_own_backup=is_own_backup)
    _rehearse(plan, _plain(filename), actor, now)
    for item in plan.items:
        if item.refusal is not None and item.token not in plan.chosen:
            item.choice = Choice.SKIP
    return plan


def _rehearse(plan: Plan, filename: str, actor: Actor, now: datetime) -> None:
    """Do all that is chosen, note what is refused, take everything back."""
    session = db.session()
    was_changed = session.info.get("configuration_changed")
    lock_definitions()
    whole = session.begin_nested()
    try:
        for item in plan.to_do():
            item.refusal = _try_one(item, filename, actor, now)
    finally:
        whole.rollback()
        session.expire_all()
        forget_settings()
        if not was_changed:
            session.info.pop("configuration_changed", None)


def _try_one(item: Item, filename: str, actor: Actor, now: datetime) -> DomainError | None:
    try:
        with db.session.begin_nested():
            _write(item, filename, actor, now)
            db.session.flush()
    except DomainError as error:
        return error
    except (IntegrityError, DataError):
        return RuleViolation(N_("The database cannot hold this object. Correct it in the pack."))
    return None


def _write(item: Item, filename: str, actor: Actor, now: datetime) -> None:
    reason = REASON % filename
    outcome = item.outcome
    if outcome is not None:
        item.kind.write(outcome, reason=reason, actor=actor, now=now)
    elif item.mine is not None:
        item.kind.remove(item.mine, reason=reason, actor=actor, now=now)


# --------------------------------------------------------------------------- importing


def import_pack(
    row: ConfigurationPack,
    choices: Mapping[str, Choice],
    *,
    expected_state: str,
    actor: Actor,
    now: datetime,
) -> Plan:
    """Take a pack over as chosen, after a backup of what was; all of it or nothing.

    Raises OtherStateError, ImportRefusedError, RuleViolation where there is nothing to do.
    """
    require_configurer(actor)
    db.session.execute(select(func.pg_advisory_xact_lock(_IMPORT_LOCK)))
    plan = try_out(row, choices, actor=actor, now=now)
    if plan.state != expected_state:
        raise OtherStateError
    if any(item.refusal is not None for item in plan.to_do()):
        raise ImportRefusedError(plan)
    if not plan.to_do():
        raise RuleViolation(N_("Nothing is chosen: the configuration stays as it is."))
    backup = _back_up(row, actor, now)
    for item in plan.to_do():
        _write(item, row.filename, actor, now)
    db.session.flush()
    _note_applied(row, plan, backup, actor, now)
    forget_settings()
    generation.advance()
    return plan


def _back_up(row: ConfigurationPack, actor: Actor, now: datetime) -> ConfigurationPack:
    """The configuration as it was before. Raises NotForPacksError."""
    content = build_pack(read_configuration(), origin_of(now, portal_name(), last_applied()))
    name = BACKUP_NAME % now.strftime("%Y%m%d-%H%M%S")
    return _keep(PackPurpose.BACKUP, name, content, note=row.filename, actor=actor, now=now)


def _note_applied(
    row: ConfigurationPack, plan: Plan, backup: ConfigurationPack, actor: Actor, now: datetime
) -> None:
    """Keep what the pack said, so that the next one is compared with it, and log what was done."""
    digests = digests_of(open_pack(row.content).content)
    applied = _keep(PackPurpose.APPLIED, row.filename, row.content, actor=actor, now=now)
    applied.digests = digests
    if row.purpose is PackPurpose.UPLOADED:
        db.session.delete(row)
    db.session.flush()
    record(
        "import_configuration",
        applied,
        actor=actor,
        now=now,
        before={"backup": backup.id},
        after=_summary(plan, applied),
        reason=REASON % row.filename,
    )
    db.session.flush()


def _summary(plan: Plan, applied: ConfigurationPack) -> dict[str, Any]:
    done = plan.to_do()
    return {
        "sha256": applied.checksum,
        "new": sum(item.effect is Effect.NEW for item in done),
        "changed": sum(item.effect in {Effect.CHANGED, Effect.CONFLICT} for item in done),
        "deleted": sum(item.choice is Choice.DELETE for item in done),
        "objects": [f"{item.kind.name}: {' / '.join(item.identity)}" for item in done][:200],
    }
