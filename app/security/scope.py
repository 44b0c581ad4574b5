"""Row scope, in one place: which rows of a table an actor reads, and which it may write.

Every registered model view reads through `ScopedInterface`; every flush of a signed-in request
passes `guard_writes`.
Rules are united over the actor's roles; a table without a rule shows nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import has_request_context
from flask_appbuilder.models.sqla.interface import SQLAInterface
from sqlalchemy import ColumnElement, Select, event, false, func, inspect, or_, select, true
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Query, Session, selectinload

from app.domain.workflow import ActorRole
from app.models import Unit
from app.security.actors import current_actor
from app.services.actors import Actor

ReadRule = Callable[[Actor], ColumnElement[bool]]
WriteRule = Callable[[Actor, Any], bool]

READ_RULES: dict[type, dict[ActorRole, ReadRule]] = {}
WRITE_RULES: dict[type, dict[ActorRole, WriteRule]] = {}

COUNT_CAP = 10_000
"""Lists count no further; beyond it they say so."""


class ScopeError(SQLAlchemyError):
    """A write outside the actor's scope; FAB rolls the session back on it."""


def everything(_actor: Actor) -> ColumnElement[bool]:
    """Scope 全部."""
    return true()


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


def read_criterion(model: type, actor: Actor) -> ColumnElement[bool]:
    """What of `model` the actor's roles together let it read."""
    rules = READ_RULES.get(model, {})
    criteria = [rule(actor) for role, rule in rules.items() if role in actor.roles]
    return or_(*criteria) if criteria else false()


def may_read(row: Any, actor: Actor, session: Session) -> bool:
    """Whether the actor reads this one row."""
    model = type(row)
    key = inspect(model).primary_key[0]
    found = session.scalar(
        select(func.count())
        .select_from(model)
        .where(key == getattr(row, key.key), read_criterion(model, actor))
    )
    return bool(found)


class ScopedInterface(SQLAInterface):
    """FAB's data model, scoped: list, count, get, actions, pickers and prefill all pass through it.

    `eager` names relations loaded with the page (one query each instead of one a row).
    """

    eager: tuple[str, ...] = ()

    def get_columns_list(self) -> list[str]:
        """The columns a screen may show: the text index is none (FAB warns of its type)."""
        return [name for name in super().get_columns_list() if name != "search"]

    def _scoped(self, query: Query[Any]) -> Query[Any]:
        if not has_request_context():
            return query
        return query.filter(read_criterion(self.obj, current_actor()))

    def apply_filters(self, query: Query[Any], filters: Any) -> Query[Any]:
        return self._scoped(super().apply_filters(query, filters))

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
        counted = self.apply_filters(base, inner).with_entities(self.get_pk()).order_by(None)
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
        for name in self.eager:
            query = query.options(selectinload(getattr(self.obj, name)))
        rows = query.all()
        if select_columns:
            rows = [getattr(row, self.obj.__name__, row) for row in rows]
        return count, rows


def guard_writes(session: Session, _context: Any, _instances: Any) -> None:
    """Refuse a flush that adds, changes or deletes a guarded row outside the actor's scope."""
    if session.info.get("trusted") or not has_request_context():
        return
    actor = current_actor()
    for row in [*session.new, *session.dirty, *session.deleted]:
        rules = WRITE_RULES.get(type(row))
        if rules is None or (row in session.dirty and not session.is_modified(row)):
            continue
        with session.no_autoflush:
            if not any(role in actor.roles and rule(actor, row) for role, rule in rules.items()):
                raise ScopeError(type(row).__name__)


event.listen(Session, "before_flush", guard_writes)
