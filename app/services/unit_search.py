"""Finding a unit among all of the province: by any part of its name, initials, code or alias."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, false, func, select

from app.domain.codes import normalise_code
from app.extensions import db
from app.models import Unit, UnitCodeAlias
from app.services.search_text import (
    bigrams,
    chinese_runs,
    pinyin_initials,
    search_query,
    search_vector,
)

LONGEST_QUERY = 60
EXACT, STARTS, INSIDE = 0, 1, 2
"""How good a hit is: its code or whole name; the beginning of either; anything inside."""


@dataclass(frozen=True)
class FoundUnit:
    """A unit with the names above it, from the top of the searcher's own scope downwards."""

    unit: Unit
    above: tuple[str, ...]
    former_code: str = ""


def index_unit(unit: Unit, former_codes: Iterable[str] = ()) -> None:
    """Set the columns a unit is found by; to be called when its name or a code changes."""
    unit.pinyin = pinyin_initials(unit.name)
    unit.search = search_vector(unit.name, unit.code, *former_codes)


def matches_unit(typed: str) -> ColumnElement[bool]:
    """Return the criterion of the units that fit what was typed; nothing fits mere signs.

    The text index answers alone; runs of three and more characters are looked at once more, since
    their pairs may stand apart in a name.
    """
    typed = typed.strip()[:LONGEST_QUERY]
    if not bigrams(typed):
        return false()
    long_runs = [run for run in chinese_runs(typed) if len(run) > 2]
    return and_(
        Unit.search.op("@@")(search_query(typed)),
        *(Unit.name.contains(run, autoescape=True) for run in long_runs),
    )


def rank_of_unit(typed: str) -> ColumnElement[int]:
    """Return how good a hit is, EXACT before STARTS before INSIDE."""
    typed = typed.strip()[:LONGEST_QUERY]
    code = normalise_code(typed)
    former = select(UnitCodeAlias.unit_id).where(UnitCodeAlias.code == code)
    is_exact = (Unit.code == code) | (Unit.name == typed) | Unit.id.in_(former)
    is_start = (
        Unit.name.startswith(typed, autoescape=True)
        | Unit.code.startswith(code, autoescape=True)
        | Unit.pinyin.startswith(typed.lower(), autoescape=True)
    )
    return case((is_exact, EXACT), (is_start, STARTS), else_=INSIDE)


def unit_query(typed: str, scope: ColumnElement[bool]) -> Select[Any]:
    """Return the units of a scope that fit what was typed, best first; all, without a text."""
    query = select(Unit).where(scope)
    if not typed.strip():
        return query.order_by(Unit.path)
    return query.where(matches_unit(typed)).order_by(
        rank_of_unit(typed), func.length(Unit.name), Unit.name, Unit.id
    )


def find_units(
    typed: str, scope: ColumnElement[bool], *, limit: int, offset: int = 0
) -> list[FoundUnit]:
    """Return one page of the units of a scope that fit what was typed, with what stands above."""
    rows = db.session.scalars(unit_query(typed, scope).limit(limit).offset(offset)).all()
    names = names_above(rows, scope)
    former = _former_codes(rows, normalise_code(typed))
    return [FoundUnit(row, names[row.id], former.get(row.id, "")) for row in rows]


def names_above(rows: Sequence[Unit], scope: ColumnElement[bool]) -> dict[int, tuple[str, ...]]:
    """Return for each unit the names of those above it that lie in the scope, in one query."""
    chains = {row.id: ids_above(row.path) for row in rows}
    wanted = {unit_id for chain in chains.values() for unit_id in chain}
    found = select(Unit.id, Unit.name).where(Unit.id.in_(wanted), scope)
    names: dict[int, str] = {row[0]: row[1] for row in db.session.execute(found)} if wanted else {}
    return {
        unit_id: tuple(names[above] for above in chain if above in names)
        for unit_id, chain in chains.items()
    }


def ids_above(path: str) -> list[int]:
    """Return the ids a path names before its own: '/1/5/20/' → 1, 5."""
    return [int(part) for part in path.split("/") if part][:-1]


def _former_codes(rows: Sequence[Unit], typed: str) -> dict[int, str]:
    """The former code each unit was found by, if it was one."""
    if len(typed) < 4 or not typed.isalnum():
        return {}
    found = select(UnitCodeAlias.unit_id, UnitCodeAlias.code).where(
        UnitCodeAlias.unit_id.in_([row.id for row in rows]),
        UnitCodeAlias.code.startswith(typed, autoescape=True),
    )
    return {row[0]: row[1] for row in db.session.execute(found)}
