"""Where the guard meets the database: FAB's data model cut to the actor's rows and fields, and the
check of every flush.

Every registered model view reads through `ScopedInterface`; every flush of a signed-in request
passes `guard_writes`. What they ask is decided in `guard.py`.
"""

from __future__ import annotations

from typing import Any

from flask import g, has_request_context
from flask_appbuilder.models.sqla.interface import SQLAInterface
from sqlalchemy import (
    ColumnElement,
    Select,
    case,
    event,
    false,
    func,
    inspect,
    nulls_last,
    select,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Query, Session, selectinload

from app.models import Unit
from app.orm import CUSTOM, is_custom_name
from app.security.actors import current_actor
from app.security.guard import (
    GRANTS,
    NEVER,
    WRITING,
    Criterion,
    Reach,
    Scope,
    criterion,
    everything,
    field_names,
    field_of,
    may,
    seen_fields,
    uniform_fields,
    visible_fields,
)
from app.security.guard import Action as Access
from app.security.narrowing import left_alone
from app.security.refusals import say_not_shown
from app.security.screens import current_action
from app.security.veil import HIDDEN
from app.services.actors import Actor
from app.services.definitions import custom_fields
from app.services.form_definition import Field

COUNT_CAP = 10_000
"""Lists count no further; beyond it they say so."""


class ScopeError(SQLAlchemyError):
    """A write outside the actor's scope; FAB rolls the session back on it."""


def path_range(path: str) -> tuple[str, str]:
    """The half-open range of paths below `path`: '/1/2/' to '/1/20' ('0' follows '/' in ASCII)."""
    return path, path[:-1] + "0"


def subtree_of(actor: Actor) -> Select[int]:
    """The ids of the actor's unit and all below it; none without a unit."""
    if not actor.unit_path:
        return select(Unit.id).where(false())
    low, high = path_range(actor.unit_path)
    return select(Unit.id).where(Unit.path >= low, Unit.path < high)


def in_subtree(path: str | None, actor: Actor) -> bool:
    """Whether a unit's path lies within the actor's subtree."""
    return bool(actor.unit_path) and bool(path) and str(path).startswith(actor.unit_path)


# ---- scopes in the words of the staff

EVERYTHING = Scope(Reach.ALL, everything)


def subtree(column: Any, note: str = "") -> Scope:
    """本单位及下级: rows whose unit, kept in `column`, lies in the actor's subtree."""
    return Scope(Reach.SUBTREE, lambda actor: column.in_(subtree_of(actor)), note=note)


def own_unit(column: Any, note: str = "") -> Scope:
    """本单位: rows of exactly the actor's unit."""
    return Scope(Reach.OWN_UNIT, lambda actor: column == actor.unit_id, note=note)


def own(column: Any, attribute: str = "person_id", note: str = "") -> Scope:
    """本人: rows of the actor's person (or account)."""
    return Scope(Reach.OWN, lambda actor: column == getattr(actor, attribute), note=note)


def assigned(rule: Criterion, note: str) -> Scope:
    """指定: rows named by a rule of their own, said in `note`."""
    return Scope(Reach.ASSIGNED, rule, note=note)


def read_criterion(model: type, actor: Actor) -> ColumnElement[bool]:
    """What of `model` the actor's roles together let it read."""
    return criterion(model, actor, Access.SHOW)


def may_read(row: Any, actor: Actor) -> bool:
    """Whether the actor reads this one row."""
    return may(actor, Access.SHOW, row)


def _shown_relations(model: type) -> tuple[str, ...]:
    """The relations the definition of a table's screen shows in its list."""
    if not has_request_context():
        return ()
    found: tuple[str, ...] = g.get("shown_relations", {}).get(model, ())
    return found


def _index_order(filters: Any) -> list[ColumnElement[Any]]:
    """The order that has a count follow the index of a filter, which the planner takes to be
    dearer than reading every value of a whole table."""
    orders = (getattr(flt, "index_order", None) for flt in (filters.filters if filters else ()))
    return [order() for order in orders if order is not None][:1]


class ScopedInterface(SQLAInterface):
    """FAB's data model, scoped: list, count, get, actions, pickers and prefill all pass through it.

    `eager` names relations loaded with the page (one query each instead of one a row).
    """

    eager: tuple[str, ...] = ()
    is_picker = False
    """Whether it looks up rows of another table for a form or filter of this one."""

    @property
    def action(self) -> Access:
        """What the request does with the rows of this table."""
        return Access.LIST if self.is_picker else current_action()

    def get_related_interface(self, col_name: str) -> Any:
        """The data model of a picker: scoped like a list of that table."""
        found = super().get_related_interface(col_name)
        found.is_picker = True
        return found

    def get_columns_list(self) -> list[str]:
        """The columns a screen may show: the text index is none, nor is that of custom fields, each
        of which is shown by itself (FAB warns of their types)."""
        return [name for name in super().get_columns_list() if name not in {"search", CUSTOM}]

    def get(self, id: Any, *args: Any, **kwargs: Any) -> Any:
        """One row, in scope; which one was not given is kept for the note of it."""
        row = super().get(id, *args, **kwargs)
        if row is None and has_request_context() and not self.is_picker:
            say_not_shown(self.obj, id)
        return row

    def _scoped(self, query: Query[Any]) -> Query[Any]:
        if not has_request_context():
            return query
        return query.filter(criterion(self.obj, current_actor(), self.action))

    def may_ask(self, field: str) -> bool:
        """Whether a list may be filtered or sorted by `field` at all: one grant names it."""
        return may(current_actor(), Access.LIST, self.obj, field_of(self.obj, field))

    def _where_seen(self, field: str) -> ColumnElement[bool] | None:
        """The rows in which the actor sees `field`; None where that goes without saying."""
        actor, action = current_actor(), self.action
        same = uniform_fields(actor, self.obj, action)
        if same is not None and field in same:
            return None
        return criterion(self.obj, actor, action, field)

    def apply_filters(self, query: Query[Any], filters: Any) -> Query[Any]:
        """A filter answers only for rows whose value the actor sees (`reads` of a filter names the
        fields it looks at, if they are more than its column)."""
        query = self._scoped(super().apply_filters(query, filters))
        if filters and has_request_context():
            asked = {
                field
                for flt in filters.filters
                for field in getattr(flt, "reads", (flt.column_name,))
            }
            for field in sorted(asked):
                seen = self._where_seen(field_of(self.obj, field))
                query = query if seen is None else query.filter(seen)
        return query

    def apply_order_by(
        self, query: Query[Any], order_column: str, order_direction: str, *args: Any, **kwargs: Any
    ) -> Query[Any]:
        """Sort by what the actor sees: a hidden value has no place in the order."""
        if is_custom_name(order_column):
            return self._order_by_custom(query, order_column, order_direction)
        if order_column and "." not in order_column and has_request_context():
            seen = self._where_seen(order_column)
            if seen is not None:
                shown = case((seen, getattr(self.obj, order_column)))
                is_up = order_direction == "asc"
                return query.order_by(
                    nulls_last(shown.asc() if is_up else shown.desc()), self.get_pk()
                )
        return super().apply_order_by(query, order_column, order_direction, *args, **kwargs)

    def _order_by_custom(self, query: Query[Any], name: str, direction: str) -> Query[Any]:
        field = self.find_custom(name)
        if field is None or field.kind not in custom_fields.SORTABLE:
            return query.order_by(self.get_pk())
        seen = self._where_seen(field_of(self.obj, name)) if has_request_context() else None
        is_descending = direction != "asc"
        order = custom_fields.order_by(self.obj, field, is_descending=is_descending)
        if seen is not None:
            shown = case((seen, custom_fields.expression(self.obj, field)))
            order[0] = nulls_last(shown.desc() if is_descending else shown.asc())
        return query.order_by(*order)

    def find_custom(self, name: str) -> Field | None:
        """The custom field of that name, as the definition in force has it."""
        return custom_fields.find_field(self.obj, name)

    def get_values(self, lst: Any, list_columns: list[str]) -> Any:
        """The cells of a page of rows from this interface, hidden ones covered."""
        if not has_request_context():
            return super().get_values(lst, list_columns)
        return self._cells(list(lst), list_columns)

    def _cells(self, rows: list[Any], names: list[str]) -> list[dict[str, Any]]:
        g.setdefault("rows_shown", {})[self.obj] = rows
        seen = seen_fields(rows, actor=current_actor(), action=self.action, are_in_scope=True)
        kept = {name: field_of(self.obj, name) for name in names}
        return [
            {
                name: self._get_attr_value(row, name) if kept[name] in visible else HIDDEN
                for name in names
            }
            for row, visible in zip(rows, seen, strict=True)
        ]

    def get_values_item(self, item: Any, show_columns: list[str]) -> list[Any]:
        """The cells of one row."""
        if not has_request_context():
            return list(super().get_values_item(item, show_columns))
        [values] = self._cells([item], show_columns)
        return [values[name] for name in show_columns]

    def _get_base_query(self, query: Query[Any], **kwargs: Any) -> Query[Any]:
        return self._scoped(super()._get_base_query(query, **kwargs))

    def get_related_obj(self, col_name: str, value: Any) -> Any:
        return self.get_related_interface(col_name).get(value)

    def query(
        self,
        filters: Any = None,
        order_column: str = "",
        order_direction: str = "",
        page: int | None = None,
        page_size: int | None = None,
        select_columns: list[str] | None = None,
        outer_default_load: bool = False,
    ) -> tuple[int, list[Any]]:
        """One page and a count capped at COUNT_CAP (+1 says that there are more)."""
        base = self.session.query(self.obj)
        inner = self.get_inner_filters(filters) if filters else None
        counted = self.apply_filters(base, inner).with_entities(self.get_pk())
        counted = counted.order_by(None).order_by(*_index_order(inner))
        count = self.session.execute(
            select(func.count()).select_from(counted.limit(COUNT_CAP + 1).subquery())
        ).scalar_one()
        if page and page_size and page * page_size >= COUNT_CAP:
            page = COUNT_CAP // page_size - 1
        query = self.apply_all(
            base,
            filters,
            order_column,
            order_direction,
            page,
            page_size,
            select_columns,
            outer_default_load,
        )
        for name in {*self.eager, *_shown_relations(self.obj)}:
            query = query.options(selectinload(getattr(self.obj, name)))
        rows = query.all()
        if select_columns:
            rows = [getattr(row, self.obj.__name__, row) for row in rows]
        return count, rows


def guard_writes(session: Session, _context: Any, _instances: Any) -> None:
    """Refuse a flush that adds, changes or deletes a guarded row, or a field of one, that no grant
    of one of the actor's roles covers. Tables without any grant to write are changed by services.
    """
    if session.info.get("trusted") or not has_request_context():
        return
    actor = current_actor()
    for row in [*session.new, *session.dirty, *session.deleted]:
        if not is_written_by_hand(type(row)):
            continue
        if row in session.dirty and not session.is_modified(row):
            continue
        with session.no_autoflush:
            if not _may_write(session, row, actor):
                raise ScopeError(type(row).__name__)


def is_written_by_hand(model: type) -> bool:
    """Whether some role may write the table itself; all others are written by services alone."""
    return any(grant.actions & WRITING for grant in GRANTS.get(model, ()))


def _may_write(session: Session, row: Any, actor: Actor) -> bool:
    if row in session.deleted:
        return may(actor, Access.DELETE, row)
    action = Access.ADD if row in session.new else Access.EDIT
    if not may(actor, action, row):
        return False
    model: type = type(row)
    never = NEVER.get(model, frozenset())
    changed = {a.key for a in inspect(row).attrs if a.history.has_changes()}
    if action is Access.ADD:
        changed -= left_alone(row, changed)
    writable = visible_fields(actor, action, row) | never
    return changed & (field_names(model) | never) <= writable


event.listen(Session, "before_flush", guard_writes)
