"""What taking a pack over would do here: objects new, changed, in conflict, missing in the pack.

An object is in conflict when the pack and this portal say different things and this portal has
changed it itself: it is neither what the pack goes back to, nor what was last taken over here, nor
what the product ships.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Final

from sqlalchemy import select

from app.domain.errors import DomainError
from app.domain.layers import Change, compare
from app.domain.messages import N_
from app.domain.terms import PackPurpose
from app.extensions import db
from app.models import ConfigurationPack
from app.services.packs.archive import Digests, Pack, digests_of, name_identity
from app.services.packs.kind import Document, Identity, Kind, digest
from app.services.packs.registry import DEFINITIONS, KINDS, ordered, read_configuration


class Effect(StrEnum):
    """What becomes of an object."""

    NEW = "new"
    CHANGED = "changed"
    CONFLICT = "conflict"
    DELETED = "deleted"


class Choice(StrEnum):
    """What somebody decides for an object."""

    OVERWRITE = "overwrite"
    MERGE = "merge"
    DELETE = "delete"
    SKIP = "skip"


EFFECT_LABELS: Final[Mapping[Effect, str]] = {
    Effect.NEW: N_("New object"),
    Effect.CHANGED: N_("Modified"),
    Effect.CONFLICT: N_("Conflict"),
    Effect.DELETED: N_("Missing in the pack"),
}
CHOICE_LABELS: Final[Mapping[Choice, str]] = {
    Choice.OVERWRITE: N_("Overwrite"),
    Choice.MERGE: N_("Merge"),
    Choice.DELETE: N_("Delete"),
    Choice.SKIP: N_("Skip"),
}


@dataclass
class Item:
    """One object that differs; `refusal`: why it cannot be taken over as chosen."""

    kind: Kind
    identity: Identity
    effect: Effect
    mine: Document | None
    theirs: Document | None
    choice: Choice
    merged: Document | None = None
    refusal: DomainError | None = None

    @property
    def token(self) -> str:
        """What a form calls this object."""
        return f"{self.kind.name}-{digest(list(self.identity))[:20]}"

    @property
    def choices(self) -> list[Choice]:
        """What may be decided, the default of most first."""
        if self.effect is Effect.DELETED:
            return [Choice.SKIP, Choice.DELETE]
        merging = [Choice.MERGE] if self.merged is not None else []
        return [Choice.OVERWRITE, *merging, Choice.SKIP]

    @property
    def outcome(self) -> Document | None:
        """The object as it will be; None: away."""
        return {
            Choice.OVERWRITE: self.theirs,
            Choice.MERGE: self.merged,
            Choice.DELETE: None,
            Choice.SKIP: self.mine,
        }[self.choice]

    @property
    def differences(self) -> list[Change]:
        """What differs, value by value; of a choice that changes nothing what it leaves out."""
        after = self.outcome if self.choice is not Choice.SKIP else self.theirs
        values = self.kind.values
        return compare(
            values(self.mine) if self.mine else {},
            values(after) if after else {},
        )


@dataclass
class Plan:
    """All objects that differ, and how many do not; `state`: the configuration it was made from."""

    items: list[Item]
    unchanged: int
    state: str
    chosen: Mapping[str, Choice] = field(default_factory=dict)

    def count(self, effect: Effect) -> int:
        """How many objects are of that effect."""
        return sum(item.effect is effect for item in self.items)

    def to_do(self) -> list[Item]:
        """What is to be written, in order: objects others refer to first, deletions last."""
        chosen = [item for item in self.items if item.choice is not Choice.SKIP]
        written = [item for item in chosen if item.choice is not Choice.DELETE]
        return [*written, *(i for i in reversed(chosen) if i.choice is Choice.DELETE)]


def plan_import(
    pack: Pack, choices: Mapping[str, Choice] | None = None, *, is_own_backup: bool = False
) -> Plan:
    """Compare a pack with the configuration here; reads only.

    `choices` by the tokens of the objects; without one, what is in conflict or missing in the pack
    stays. A backup of this portal has no conflicts: all it says was here.
    """
    here = read_configuration()
    known = _Ancestors(pack, digests_of(here) if is_own_backup else None)
    items: list[Item] = []
    unchanged = 0
    for kind in KINDS:
        if kind.name not in pack.content:
            continue
        mine, theirs = here[kind.name], pack.content[kind.name]
        found = [*_differing(kind, mine, theirs, known)]
        unchanged += sum(mine.get(identity) == theirs[identity] for identity in theirs)
        items += found
    for item in items:
        wanted = (choices or {}).get(item.token)
        if wanted in item.choices:
            item.choice = wanted
    return Plan(items, unchanged, digest(digests_of(here)), dict(choices or {}))


def state_here() -> str:
    """The configuration of this moment as one checksum."""
    return digest(digests_of(read_configuration()))


def _differing(
    kind: Kind,
    mine: Mapping[Identity, Document],
    theirs: Mapping[Identity, Document],
    known: _Ancestors,
) -> Iterator[Item]:
    for identity in sorted({*mine, *theirs}):
        own, other = mine.get(identity), theirs.get(identity)
        if own == other:
            continue
        if own is None:
            yield Item(kind, identity, Effect.NEW, None, other, Choice.OVERWRITE)
        elif other is None:
            if kind.is_removable and not kind.is_out_of_use(own):
                yield Item(kind, identity, Effect.DELETED, own, None, Choice.SKIP)
        else:
            is_own_work = digest(own) not in known.of(kind, identity)
            item = Item(kind, identity, Effect.CHANGED, own, other, Choice.OVERWRITE)
            if is_own_work:
                item.effect, item.choice = Effect.CONFLICT, Choice.SKIP
            if kind is DEFINITIONS:
                item.merged = DEFINITIONS.merged(own, other, known.of(kind, identity))
            yield item


class _Ancestors:
    """The states of an object that are nobody's own work here, as checksums."""

    def __init__(self, pack: Pack, own: Digests | None) -> None:
        base = pack.origin.base if pack.origin else None
        known = (base, last_applied(), shipped_digests(), own)
        self._states: list[Digests] = [states for states in known if states]

    def of(self, kind: Kind, identity: Identity) -> set[str]:
        """The checksums of one object."""
        name = name_identity(identity)
        return {
            states[kind.name][name] for states in self._states if name in states.get(kind.name, {})
        }


@cache
def shipped_digests() -> Digests:
    """What this release brings; the files of a release do not change."""
    return digests_of({kind.name: ordered(kind, kind.shipped()) for kind in KINDS})


def last_applied() -> Digests | None:
    """What the pack said that was last taken over here; None if there was none."""
    found: Digests | None = db.session.scalar(
        select(ConfigurationPack.digests)
        .where(ConfigurationPack.purpose == PackPurpose.APPLIED)
        .order_by(ConfigurationPack.id.desc())
        .limit(1)
    )
    return found
