"""字典, 字典项, 理由代码 in a pack. Codes that rows carry go out of use, never away."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import select

import config
from app.domain.messages import N_
from app.extensions import db
from app.models import Dictionary, DictionaryEntry, ReasonCode
from app.services.actors import Actor
from app.services.audit import record
from app.services.options import save_entry, save_reason
from app.services.packs.kind import TRUTH, Document, Kind, text, whole
from app.services.seed_files import Entry, read_seed
from app.services.seeding import PER_REASON

POSITION = whole(0, 999_999)


class Dictionaries(Kind):
    """The dictionaries themselves."""

    name = "dictionaries"
    label = N_("Dictionary")
    keys = ("dictionary",)
    is_removable = False
    fields = {
        "dictionary": text(60, may_be_empty=False),
        "name": text(80, may_be_empty=False),
        "source": text(60),
        "position": POSITION,
    }

    def read(self) -> Sequence[Document]:
        """All of them."""
        return [
            {
                "dictionary": row.key,
                "name": row.name,
                "source": row.source,
                "position": row.position,
            }
            for row in db.session.scalars(select(Dictionary))
        ]

    def shipped(self) -> Sequence[Document]:
        """Those of seed/dictionaries.yaml."""
        return [
            {
                "dictionary": entry.text("key"),
                "name": entry.text("name"),
                "source": entry.text("source"),
                "position": position,
            }
            for position, entry in _shipped_dictionaries()
        ]

    def write(self, document: Document, *, reason: str, actor: Actor, now: datetime) -> None:
        """Enter or rename a dictionary."""
        row = db.session.get(Dictionary, document["dictionary"], with_for_update=True)
        before = self.values(_only(self, row)) if row else None
        row = row or Dictionary(key=document["dictionary"])
        values = self.values(document)
        for name, value in values.items():
            setattr(row, name, value)
        db.session.add(row)
        db.session.flush()
        record(
            "save_dictionary", row, actor=actor, now=now, before=before, after=values, reason=reason
        )

    def remove(self, document: Document, *, reason: str, actor: Actor, now: datetime) -> None:
        """Never: its options go out of use one by one."""
        raise NotImplementedError


def _only(kind: Dictionaries, row: Dictionary) -> dict[str, Any]:
    return {name: getattr(row, name) for name in kind.fields if name not in kind.keys}


class Options(Kind):
    """Rows of a table people choose from, known by their key, offered or no longer."""

    model: ClassVar[Any]
    removal = N_("Offer no longer")

    def read(self) -> Sequence[Document]:
        """All of them, also those no longer offered."""
        return [
            {name: getattr(row, name) for name in self.fields}
            for row in db.session.scalars(select(self.model))
        ]

    def write(self, document: Document, *, reason: str, actor: Actor, now: datetime) -> None:
        """Enter or change one."""
        wanted = {key: document[key] for key in self.keys}
        row_id = db.session.scalar(select(self.model.id).filter_by(**wanted))
        self.save(row_id, dict(document), actor=actor, now=now)

    @staticmethod
    @abstractmethod
    def save(row_id: int | None, values: dict[str, Any], *, actor: Actor, now: datetime) -> Any:
        """The service of its page."""

    def remove(self, document: Document, *, reason: str, actor: Actor, now: datetime) -> None:
        """Offer it no longer."""
        self.write({**document, "is_active": False}, reason=reason, actor=actor, now=now)


class Entries(Options):
    """The options of the dictionaries."""

    model = DictionaryEntry
    save = staticmethod(save_entry)

    name = "dictionary_entries"
    label = N_("Option of a dictionary")
    keys = ("dictionary", "code")
    fields = {
        "dictionary": text(60, may_be_empty=False),
        "code": text(40, may_be_empty=False),
        "name": text(80, may_be_empty=False),
        "position": POSITION,
        "is_active": TRUTH,
    }

    def shipped(self) -> Sequence[Document]:
        """Those of seed/dictionaries.yaml."""
        return [
            {
                "dictionary": dictionary.text("key"),
                "code": item.text("code"),
                "name": item.text("name"),
                "position": position,
                "is_active": True,
            }
            for _place, dictionary in _shipped_dictionaries()
            for position, item in enumerate(dictionary.items("items"), start=1)
        ]


class Reasons(Options):
    """理由代码."""

    model = ReasonCode
    save = staticmethod(save_reason)

    name = "reason_codes"
    label = N_("Reason code")
    keys = ("use", "code")
    fields = {
        "use": text(20, may_be_empty=False),
        "code": text(40, may_be_empty=False),
        "name": text(120, may_be_empty=False),
        "source": text(60),
        "position": POSITION,
        "is_active": TRUTH,
    }

    def shipped(self) -> Sequence[Document]:
        """Those of seed/reason_codes.yaml."""
        entries = read_seed(config.SEED_FOLDER, "reason_codes.yaml").items("reason_codes")
        return [
            {
                "use": use,
                "code": entry.text("key"),
                "name": entry.text("name"),
                "source": entry.text("source"),
                "position": number * PER_REASON + index,
                "is_active": True,
            }
            for number, entry in enumerate(entries, start=1)
            for index, use in enumerate(entry.listed("actions"))
        ]


def _shipped_dictionaries() -> list[tuple[int, Entry]]:
    entries = read_seed(config.SEED_FOLDER, "dictionaries.yaml").items("dictionaries")
    return [*enumerate(entries, start=1)]
