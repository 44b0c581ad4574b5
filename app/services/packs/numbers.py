"""参数 and 节假日安排 in a configuration pack."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

import config
from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.domain.terms import DayKind
from app.extensions import db
from app.models import HolidayYear, Parameter
from app.services.actors import Actor
from app.services.calendars import FIRST_YEAR, LAST_YEAR, MOST_DAYS, Day, save_year
from app.services.packs.kind import TRUTH, Document, Kind, text, whole
from app.services.parameters import change_parameter, show_value
from app.services.seed_files import read_seed


class Parameters(Kind):
    """参数 the province has set; a value that is the default, or fixed by the notice, is none."""

    name = "parameters"
    label = N_("Parameter")
    keys = ("parameter",)
    removal = N_("Set back to the default")
    fields = {
        "parameter": text(80, may_be_empty=False),
        "value": {
            "type": ["string", "integer", "boolean", "array"],
            "items": {"type": ["string", "integer"], "maxLength": 200},
            "maxLength": 300,
            "maxItems": 200,
            "minimum": -(10**12),
            "maximum": 10**12,
        },
    }

    def read(self) -> Sequence[Document]:
        """The values that differ from the default."""
        return [
            {"parameter": row.key, "value": row.value}
            for row in db.session.scalars(select(Parameter).where(Parameter.is_fixed.is_(False)))
            if row.value != row.default
        ]

    def write(self, document: Document, *, reason: str, actor: Actor, now: datetime) -> None:
        """Set a value, within its bounds and of its kind."""
        row = db.session.get(Parameter, document["parameter"])
        if row is None:
            raise RuleViolation(
                N_("This portal has no parameter %(key)s. Leave it out, or upgrade this portal."),
                key=document["parameter"],
            )
        value = document["value"]
        self._set(row, value, reason, actor, now)
        if row.value != value or isinstance(row.value, bool) != isinstance(value, bool):
            raise RuleViolation(
                N_("%(label)s: the value is not of the kind this parameter has."), label=row.label
            )

    def remove(self, document: Document, *, reason: str, actor: Actor, now: datetime) -> None:
        """Set the value back to the default."""
        row = db.session.get_one(Parameter, document["parameter"])
        self._set(row, row.default, reason, actor, now)

    @staticmethod
    def _set(row: Parameter, value: Any, reason: str, actor: Actor, now: datetime) -> None:
        change_parameter(
            row.key,
            show_value(value),
            expected_version=row.version,
            reason=reason,
            actor=actor,
            now=now,
        )


class Calendars(Kind):
    """节假日安排 of the years; a year is never taken away, deadlines were computed with it."""

    name = "calendars"
    label = N_("Working-day calendar")
    keys = ("year",)
    is_removable = False
    fields = {
        "year": whole(FIRST_YEAR, LAST_YEAR),
        "source": text(200),
        "is_published": TRUTH,
        "days": {
            "type": "array",
            "maxItems": MOST_DAYS,
            "items": {
                "type": "object",
                "required": ["kind", "name", "on"],
                "additionalProperties": False,
                "properties": {
                    "on": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
                    "kind": {"enum": [kind.value for kind in DayKind]},
                    "name": text(40),
                },
            },
        },
    }

    def read(self) -> Sequence[Document]:
        """All years."""
        rows = db.session.scalars(select(HolidayYear).options(selectinload(HolidayYear.days)))
        return [
            {
                "year": row.year,
                "source": row.source,
                "is_published": row.is_published,
                "days": [_day(day.on, day.kind, day.name) for day in row.days],
            }
            for row in rows
        ]

    def shipped(self) -> Sequence[Document]:
        """Those of seed/holidays."""
        found = []
        for path in sorted((config.SEED_FOLDER / "holidays").glob("*.yaml")):
            file = read_seed(config.SEED_FOLDER, f"holidays/{path.name}")
            days = [
                _day(on, DayKind.HOLIDAY, entry.text("name"))
                for entry in file.items("holidays")
                for on in entry.listed("days")
            ]
            days += [_day(on, DayKind.MAKEUP_WORKDAY) for on in file.listed("makeup_workdays")]
            found.append(
                {
                    "year": file.number("year"),
                    "source": file.text("source"),
                    "is_published": file.flag("published"),
                    "days": sorted(days, key=lambda day: day["on"]),
                }
            )
        return found

    def values(self, document: Document) -> dict[str, Any]:
        """The days one by one."""
        flat = super().values(document)
        days = flat.pop("days")
        return flat | {f"days/{day['on']}": f"{day['kind']} {day['name']}".strip() for day in days}

    def write(self, document: Document, *, reason: str, actor: Actor, now: datetime) -> None:
        """Replace the arrangement of the year."""
        days = [
            Day(_read(day["on"]), DayKind(day["kind"]), day["name"]) for day in document["days"]
        ]
        row = save_year(document["year"], days, document["source"], actor=actor, now=now)
        row.is_published = document["is_published"]
        db.session.flush()

    def remove(self, document: Document, *, reason: str, actor: Actor, now: datetime) -> None:
        """Never."""
        raise NotImplementedError


def _day(on: date, kind: DayKind, name: str = "") -> dict[str, str]:
    return {"on": on.isoformat(), "kind": kind.value, "name": name}


def _read(written: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError as error:
        raise RuleViolation(
            N_("%(text)s is no date. Correct it in the pack."), text=written
        ) from error
