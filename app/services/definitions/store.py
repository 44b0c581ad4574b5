"""Drafts of definitions: changed in small steps, published as a version, rolled back, discarded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.domain.errors import ConflictError, RuleViolation
from app.domain.layers import Flat, merge, set_back
from app.domain.messages import N_
from app.extensions import db
from app.models import DefinitionDraft, DefinitionVersion, ShippedDefinition
from app.services.actors import Actor
from app.services.audit import record
from app.services.definitions import generation
from app.services.definitions.lint import Finding, lint
from app.services.definitions.schemas import require_valid
from app.services.definitions.versions import (
    UnknownDefinitionError,
    add_version,
    newest_version,
    resolve,
    scopes_above,
)

LONGEST_REASON = 500


class StaleDraftError(ConflictError):
    """Somebody else has changed the draft since the page was opened."""

    code = "stale_draft"
    template = N_("Somebody else has changed this draft meanwhile. Reload the page and look again.")


class FaultyDefinitionError(RuleViolation):
    """The check before publishing found faults; `findings` names each with its place."""

    code = "faulty_definition"
    template = N_("The check found %(count)s faults. Correct them, then publish again.")

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(count=len(findings))
        self.findings = findings


def current(key: str, scope: str = "") -> Mapping[str, Any]:
    """The definition in force; read once per process and generation, not to be changed.

    A committee without changes of its own has the province's. Raises UnknownDefinitionError.
    """
    return generation.kept(("definition", key, scope), lambda: _read_current(key, scope))


def _read_current(key: str, scope: str) -> Mapping[str, Any]:
    version = newest_version(key, scope) or (newest_version(key) if scope else None)
    if version is None:
        raise UnknownDefinitionError
    return version.definition


def draft_of(key: str, scope: str = "") -> DefinitionDraft | None:
    """The draft of a layer, if one is open."""
    draft: DefinitionDraft | None = db.session.scalar(
        select(DefinitionDraft).where(DefinitionDraft.key == key, DefinitionDraft.scope == scope)
    )
    return draft


def drafted(key: str, scope: str = "") -> dict[str, Any]:
    """The definition as the draft would make it; without a draft the one in force."""
    draft = draft_of(key, scope)
    return resolve(key, draft.changes if draft else _changes_in_force(key, scope), scope)


def _changes_in_force(key: str, scope: str) -> Flat:
    version = newest_version(key, scope)
    return version.changes if version else {}


def change_draft(
    key: str,
    values: Mapping[str, Any],
    *,
    reset: Collection[str] = (),
    scope: str = "",
    expected_version: int,
    actor: Actor,
    now: datetime,
) -> DefinitionDraft:
    """Set values by path and set others back to the layer below; the first change opens the draft.

    `expected_version` is the version of the draft the page showed, 0 when there was none. Raises
    StaleDraftError, LayerError, InvalidDefinitionError; then nothing is changed.
    """
    draft = _open_draft(key, scope, expected_version)
    changes = merge(set_back(draft.changes, reset), values)
    require_valid(resolve(key, changes, scope))
    draft.changes = changes
    draft.version = expected_version + 1
    draft.changed_by_id, draft.changed_at = actor.account_id, now
    db.session.flush()
    return draft


def _open_draft(key: str, scope: str, expected_version: int) -> DefinitionDraft:
    """The draft, locked; the shipped definition's row is the lock of all drafts of its key."""
    _lock(key)
    draft = draft_of(key, scope)
    if draft is None:
        if expected_version:
            raise StaleDraftError
        base = newest_version(key, scope)
        draft = DefinitionDraft(
            key=key,
            scope=scope,
            changes=dict(base.changes) if base else {},
            base_number=base.number if base else 0,
            version=0,
        )
        db.session.add(draft)
    elif draft.version != expected_version:
        raise StaleDraftError
    return draft


def _lock(key: str) -> None:
    if db.session.get(ShippedDefinition, key, with_for_update=True) is None:
        raise UnknownDefinitionError


def discard_draft(
    key: str, *, scope: str = "", expected_version: int, actor: Actor, now: datetime
) -> None:
    """Throw the draft away; what is published stays as it is. Raises StaleDraftError."""
    _lock(key)
    draft = draft_of(key, scope)
    if draft is None or draft.version != expected_version:
        raise StaleDraftError
    record("discard_draft", draft, actor=actor, now=now, before={"changes": len(draft.changes)})
    db.session.delete(draft)
    db.session.flush()


def publish_draft(
    key: str,
    *,
    scope: str = "",
    reason: str,
    expected_version: int,
    actor: Actor,
    now: datetime,
) -> DefinitionVersion:
    """Make the draft the version in force, everywhere within seconds.

    Raises StaleDraftError; RuleViolation without a reason; FaultyDefinitionError with what the
    check found; ConflictError when another version was published since the draft was begun.
    """
    reason = _require_reason(reason)
    _lock(key)
    draft = draft_of(key, scope)
    if draft is None or draft.version != expected_version:
        raise StaleDraftError
    base = newest_version(key, scope)
    if base is not None and base.number != draft.base_number and base.reason:
        raise ConflictError(
            N_("Version %(number)s was published meanwhile. Discard this draft and begin anew."),
            number=base.number,
        )
    _require_faultless(resolve(key, draft.changes, scope))
    version = _publish(key, scope, draft.changes, reason, actor, now)
    db.session.delete(draft)
    db.session.flush()
    return version


def roll_back(
    key: str, number: int, *, scope: str = "", reason: str, actor: Actor, now: datetime
) -> DefinitionVersion:
    """Publish the changes of an earlier version anew, as the next number; nothing is rewritten.

    The product's layer stays that of this release; own fields added since stay, retired. Raises
    UnknownDefinitionError, RuleViolation, FaultyDefinitionError when the earlier changes no longer
    fit.
    """
    reason = _require_reason(reason)
    _lock(key)
    earlier = db.session.scalar(
        select(DefinitionVersion).where(
            DefinitionVersion.key == key,
            DefinitionVersion.scope == scope,
            DefinitionVersion.number == number,
        )
    )
    if earlier is None:
        raise UnknownDefinitionError
    return publish_changes(key, earlier.changes, scope=scope, reason=reason, actor=actor, now=now)


def keep_own_fields(key: str, changes: Flat, scope: str = "") -> dict[str, Any]:
    """A layer with the province's own fields in force that it does not have, as retired ones: data
    stand behind them."""
    newest = _changes_in_force(key, scope)
    kept: dict[str, Any] = {}
    for path in newest:
        item, _slash, name = path.rpartition("/")
        if name != "is_custom" or not newest[path] or path in changes:
            continue
        kept |= {each: newest[each] for each in newest if each.startswith(f"{item}/")}
        kept[f"{item}/is_retired"] = True
    return merge(changes, kept)


def publish_changes(
    key: str, changes: Flat, *, scope: str = "", reason: str, actor: Actor, now: datetime
) -> DefinitionVersion:
    """Publish a whole layer that comes from elsewhere; a draft that is open is then behind, own
    fields it does not have stay, retired.

    Raises UnknownDefinitionError, RuleViolation, LayerError, InvalidDefinitionError,
    FaultyDefinitionError.
    """
    reason = _require_reason(reason)
    _lock(key)
    changes = keep_own_fields(key, changes, scope)
    definition = resolve(key, changes, scope)
    require_valid(definition)
    _require_faultless(definition)
    return _publish(key, scope, changes, reason, actor, now)


def _require_faultless(definition: Mapping[str, Any]) -> None:
    faults = [finding for finding in lint(definition) if finding.blocks]
    if faults:
        raise FaultyDefinitionError(faults)


def _require_reason(reason: str) -> str:
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise RuleViolation(
            N_("Say in at most %(limit)s characters why you publish this."), limit=LONGEST_REASON
        )
    return reason


def _publish(
    key: str, scope: str, changes: Flat, reason: str, actor: Actor, now: datetime
) -> DefinitionVersion:
    version = add_version(key, scope, changes, reason=reason, actor=actor)
    record(
        "publish_definition",
        version,
        actor=actor,
        now=now,
        after={"key": key, "scope": scope, "number": version.number},
        reason=reason,
    )
    if not scope:
        for above in scopes_above(key):
            _renew(key, above)
    return version


def _renew(key: str, scope: str) -> None:
    """A committee's layer lies on the province's: it gets a version on the new ground."""
    newest = newest_version(key, scope)
    if newest is not None:
        add_version(key, scope, newest.changes, reason="")
