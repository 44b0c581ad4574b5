"""Published layers of definitions in a configuration pack: the province's and the committees'."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.domain.layers import Flat
from app.domain.messages import N_
from app.extensions import db
from app.models import Committee, DefinitionVersion, ShippedDefinition
from app.services.actors import Actor
from app.services.definitions.store import publish_changes
from app.services.definitions.versions import list_versions, newest_version
from app.services.packs.committees import LONGEST_NAME, committee_id_of
from app.services.packs.kind import Document, Kind, digest, text

SCOPE = "committee:"


class Definitions(Kind):
    """A layer's changes of one definition; a layer without changes is none."""

    name = "definitions"
    label = N_("Screen definition")
    keys = ("definition", "committee")
    removal = N_("Set back to the default")
    fields = {
        "definition": text(60, may_be_empty=False),
        "committee": text(LONGEST_NAME),
        "changes": {"type": "object", "minProperties": 1, "maxProperties": 20_000},
    }

    def read(self) -> Sequence[Document]:
        """The newest version of every layer."""
        layers = select(DefinitionVersion.key, DefinitionVersion.scope).distinct()
        names = {
            f"{SCOPE}{committee_id}": name
            for committee_id, name in db.session.execute(select(Committee.id, Committee.name))
        }
        found = []
        for key, scope in db.session.execute(layers).all():
            version = newest_version(key, scope)
            if version is None or not version.changes or (scope and scope not in names):
                continue
            committee = names[scope] if scope else ""
            found.append(_document(key, committee, version.changes))
        return found

    def values(self, document: Document) -> dict[str, Any]:
        """The changes by path."""
        return dict(document["changes"])

    def write(self, document: Document, *, reason: str, actor: Actor, now: datetime) -> None:
        """Publish the layer as its next version, after the check. Raises DomainError."""
        publish_changes(
            document["definition"],
            document["changes"],
            scope=self.scope(document),
            reason=reason,
            actor=actor,
            now=now,
        )

    def remove(self, document: Document, *, reason: str, actor: Actor, now: datetime) -> None:
        """Publish the layer without any change: everything is set back to the layer below."""
        self.write({**document, "changes": {}}, reason=reason, actor=actor, now=now)

    @staticmethod
    def scope(document: Document) -> str:
        """The scope as the versions name it. Raises RuleViolation for an unknown committee."""
        committee = document["committee"]
        return f"{SCOPE}{committee_id_of(committee)}" if committee else ""

    def version_of(self, document: Document, digests: set[str]) -> Flat:
        """The changes of that earlier version of the layer whose document has one of `digests`;
        none: those of the product, without any."""
        for version in list_versions(document["definition"], self.scope(document)):
            changes: Flat = version.changes
            if digest(_document(document["definition"], document["committee"], changes)) in digests:
                return changes
        return {}

    def merged(self, mine: Document, theirs: Document, digests: set[str]) -> Document:
        """The pack's changes, without the paths this portal has itself changed since the base."""
        base, own = self.version_of(mine, digests), mine["changes"]
        kept = {path for path in {*base, *own} if base.get(path) != own.get(path)}
        changes = {path: value for path, value in theirs["changes"].items() if path not in kept}
        changes |= {path: own[path] for path in kept if path in own}
        return {**mine, "changes": changes}


def lock_definitions() -> None:
    """Lock every definition in one order, before anything else is locked."""
    query = select(ShippedDefinition.key).order_by(ShippedDefinition.key).with_for_update()
    db.session.execute(query).all()


def _document(key: str, committee: str, changes: Flat) -> dict[str, Any]:
    return {"definition": key, "committee": committee, "changes": dict(changes)}
