"""材料上传要求 in a configuration pack: each by its committee's name and its code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.extensions import db
from app.models import Committee, MaterialRequirement
from app.services.actors import Actor
from app.services.committee_setup import TYPES, remove_requirement, save_requirement
from app.services.packs.kind import TRUTH, Document, Kind, text, whole

LONGEST_NAME = 120
MOST_BYTES = 2**31 - 1


def committee_id_of(name: str) -> int:
    """The committee of that name. Raises RuleViolation where this portal has none."""
    found = db.session.scalar(select(Committee.id).where(Committee.name == name))
    if found is None:
        raise RuleViolation(
            N_(
                "This portal has no review committee “%(name)s”. Leave this out, or set the "
                "committee up first."
            ),
            name=name,
        )
    return int(found)


class Requirements(Kind):
    """What committees want uploaded."""

    name = "material_requirements"
    label = N_("Material requirement")
    keys = ("committee", "code")
    fields = {
        "committee": text(LONGEST_NAME, may_be_empty=False),
        "code": text(40, may_be_empty=False),
        "name": text(120, may_be_empty=False),
        "note": text(4000),
        "is_required": TRUTH,
        "max_files": whole(1, 1000),
        "max_bytes": whole(1, MOST_BYTES),
        "file_types": {
            "type": "array",
            "items": {"enum": list(TYPES)},
            "minItems": 1,
            "uniqueItems": True,
        },
        "position": whole(0, 999_999),
    }

    def read(self) -> Sequence[Document]:
        """All of them."""
        names = [name for name in self.fields if name != "committee"]
        rows = db.session.execute(
            select(Committee.name, MaterialRequirement).join(MaterialRequirement.committee)
        )
        return [
            {"committee": committee, **{name: getattr(row, name) for name in names}}
            for committee, row in rows
        ]

    def write(self, document: Document, *, reason: str, actor: Actor, now: datetime) -> None:
        """Add or change a row of a committee's list."""
        committee_id = committee_id_of(document["committee"])
        row = self._row(committee_id, document["code"])
        save_requirement(
            row.id if row else None,
            committee_id,
            {name: value for name, value in document.items() if name != "committee"},
            expected_version=row.version if row else 0,
            actor=actor,
            now=now,
        )

    def remove(self, document: Document, *, reason: str, actor: Actor, now: datetime) -> None:
        """Take a row off, while nobody has begun an application to the committee."""
        row = self._row(committee_id_of(document["committee"]), document["code"])
        if row is not None:
            remove_requirement(row.id, actor=actor, now=now)

    @staticmethod
    def _row(committee_id: int, code: str) -> MaterialRequirement | None:
        row: MaterialRequirement | None = db.session.scalar(
            select(MaterialRequirement).filter_by(committee_id=committee_id, code=code)
        )
        return row
