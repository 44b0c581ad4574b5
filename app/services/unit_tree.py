"""The unit tree as a page shows it: a level at a time, in the scope of who looks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, case, func, or_, select
from sqlalchemy.orm import aliased

from app.domain.terms import UnitKind
from app.extensions import db
from app.models import Unit
from app.services.unit_search import ids_above

PAGE = 50
"""How many subordinates of one unit are shown at once."""

_KIND_ORDER = case(
    {kind: number for number, kind in enumerate(UnitKind)}, value=Unit.kind, else_=len(UnitKind)
)
_ORDER = (_KIND_ORDER, Unit.pinyin, Unit.name, Unit.id)


@dataclass
class TreeNode:
    """A unit, how many stand directly and altogether below it, and those of them that are shown.

    `next_offset` is where the subordinates not shown begin, None when all of them are.
    """

    unit: Unit
    direct: int = 0
    total: int = 0
    subordinates: list[TreeNode] = field(default_factory=list)
    is_open: bool = False
    next_offset: int | None = None


def show_tree(scope: ColumnElement[bool], opened: Unit | None = None) -> list[TreeNode]:
    """Return the top units of a scope with the level below, and the way down to `opened`.

    Three queries however deep the unit lies.
    """
    tops = [TreeNode(row) for row in _top_units(scope)]
    chain = [*ids_above(opened.path), opened.id] if opened is not None else []
    open_ids = {node.unit.id for node in tops} | set(chain)
    if len(tops) > PAGE:
        open_ids = set(chain)
    nodes = {node.unit.id: node for node in tops}
    for row, place in _first_subordinates(open_ids, set(chain), scope):
        parent = nodes.get(int(row.parent_id or 0))
        if parent is None:
            continue
        if place > PAGE and row.id not in chain:
            continue
        node = nodes.setdefault(row.id, TreeNode(row))
        parent.subordinates.append(node)
        parent.is_open = True
    _count(nodes.values(), scope)
    for node in nodes.values():
        if node.is_open and len(node.subordinates) < node.direct:
            node.next_offset = PAGE
    return tops


def list_subordinates(
    unit_id: int, scope: ColumnElement[bool], *, offset: int = 0
) -> tuple[list[TreeNode], int | None]:
    """Return one page of the units directly below a unit, and the offset of the next page."""
    rows = db.session.scalars(
        select(Unit)
        .where(Unit.parent_id == unit_id, scope)
        .order_by(*_ORDER)
        .offset(offset)
        .limit(PAGE + 1)
    ).all()
    nodes = [TreeNode(row) for row in rows[:PAGE]]
    _count(nodes, scope)
    return nodes, offset + PAGE if len(rows) > PAGE else None


def _top_units(scope: ColumnElement[bool]) -> list[Unit]:
    """The units of the scope with nothing of the scope above them."""
    inside = select(Unit.id).where(scope)
    is_top = or_(Unit.parent_id.is_(None), Unit.parent_id.not_in(inside))
    return list(db.session.scalars(select(Unit).where(scope, is_top).order_by(Unit.path)))


def _first_subordinates(
    parents: set[int], always: set[int], scope: ColumnElement[bool]
) -> list[tuple[Unit, int]]:
    """The first page of subordinates of each parent, those in `always` wherever they stand;
    a unit comes before those below it."""
    if not parents:
        return []
    place = func.row_number().over(partition_by=Unit.parent_id, order_by=_ORDER)
    ranked = (
        select(Unit.id, place.label("place")).where(Unit.parent_id.in_(parents), scope).subquery()
    )
    rows = db.session.execute(
        select(Unit, ranked.c.place)
        .join(ranked, ranked.c.id == Unit.id)
        .where(or_(ranked.c.place <= PAGE, Unit.id.in_(always)))
        .order_by(func.length(Unit.path) - func.length(func.replace(Unit.path, "/", "")), "place")
    )
    return [(row[0], int(row[1])) for row in rows]


def _count(nodes: Iterable[TreeNode], scope: ColumnElement[bool]) -> None:
    """Fill in how many units of the scope stand below each node, in one query."""
    by_id = {node.unit.id: node for node in nodes}
    if not by_id:
        return
    above = aliased(Unit)
    is_below = (Unit.path > above.path) & (
        Unit.path < func.left(above.path, -1).op("||")("0").collate("C")
    )
    counted = db.session.execute(
        select(above.id, func.count(), func.count().filter(Unit.parent_id == above.id))
        .select_from(above)
        .join(Unit, is_below)
        .where(above.id.in_(by_id), scope)
        .group_by(above.id)
    )
    for unit_id, total, direct in counted:
        by_id[unit_id].total, by_id[unit_id].direct = total, direct
