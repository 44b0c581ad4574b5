"""The one guard: role × action × row scope × field, decided as one tuple.

A `Grant` names all four together. Grants are judged role by role and only then united, cell by
cell: a role that reads the names of all rows and a role that reads all of its own unit's rows do
not add up to all fields of all rows. What no grant names is not there: a table without a grant
shows nothing, a field without one is neither shown, filtered, sorted, searched, picked, exported
nor printed. The grants themselves are the table in `app/security/rules.py`; what a province closes
to a role in the definition of a screen is taken out of them (`narrowing.py`), never added.

Which roles count is the caller's `Actor`: within a request `current_actor()` carries the roles
that opened the page, so that a screen of one role never shows the rows of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, false, inspect, or_, select, true, tuple_
from sqlalchemy.orm import MANYTOONE, object_session

from app.domain.messages import N_
from app.domain.workflow import ActorRole
from app.extensions import db
from app.orm import CUSTOM, is_custom_name
from app.security.narrowing import custom_names, taken
from app.security.veil import HIDDEN, Veil, unveiled
from app.services.actors import Actor

Criterion = Callable[[Actor], ColumnElement[bool]]
Holds = Callable[[Actor, Any], bool]


class Action(StrEnum):
    """What is done with a row; every path of the portal is one of these."""

    LIST = "list"
    SHOW = "show"
    ADD = "add"
    EDIT = "edit"
    DELETE = "delete"
    EXPORT = "export"
    IMPORT = "import"
    PRINT = "print"
    DOWNLOAD = "download"
    ACT = "act"
    API = "api"
    HISTORY = "history"


WRITING = frozenset({Action.ADD, Action.EDIT, Action.DELETE, Action.IMPORT})
"""Asked of the changed row itself, when it is written."""

READING = frozenset(Action) - WRITING
"""Asked of the database, so that lists, counts and pickers are cut there. `act` is among them: a
button needs a row one reads; what it then writes is asked again."""


class Reach(StrEnum):
    """The scope words the staff know."""

    ALL = "all"
    SUBTREE = "subtree"
    OWN_UNIT = "own_unit"
    OWN = "own"
    ASSIGNED = "assigned"


REACH_WORDS = {
    Reach.ALL: N_("Everything"),
    Reach.SUBTREE: N_("Own unit and below"),
    Reach.OWN_UNIT: N_("Own unit"),
    Reach.OWN: N_("Own"),
    Reach.ASSIGNED: N_("Assigned"),
}
"""全部, 本单位及下级, 本单位, 本人, 指定 as message ids."""


def everything(_actor: Actor) -> ColumnElement[bool]:
    """Scope 全部."""
    return true()


@dataclass(frozen=True)
class Scope:
    """Which rows: a word, and a criterion of the database or a test of one row.

    `note` says in a sentence what 指定 or a narrowed word means here (a message id).
    """

    reach: Reach
    criterion: Criterion | None = None
    holds: Holds | None = None
    note: str = ""


@dataclass(frozen=True)
class Fields:
    """Which fields: those named, or all but those named."""

    names: frozenset[str] = frozenset()
    is_exception: bool = True

    def of(self, model: type) -> frozenset[str]:
        """The names as a set; the key of a row is always among them, the unreadable never."""
        return _resolve(self, model)


ALL_FIELDS = Fields()


def only(*names: str) -> Fields:
    """These fields and no others."""
    return Fields(frozenset(names), is_exception=False)


def but(*names: str) -> Fields:
    """Every field except these."""
    return Fields(frozenset(names))


@dataclass(frozen=True)
class Grant:
    """One role, some actions, some rows, some fields of one table: all four at once."""

    role: ActorRole
    model: type
    actions: frozenset[Action]
    scope: Scope
    fields: Fields = ALL_FIELDS

    def where(self, actor: Actor) -> ColumnElement[bool]:
        """The rows of this grant, for the actor in this role alone."""
        if self.scope.criterion is None:
            return false()
        return self.scope.criterion(actor.under(self.role))

    def seen_fields(self, action: str) -> frozenset[str]:
        """The fields of this grant for an action, without those the table's screen closes to its
        role."""
        closed = taken(self.model, self.role, action)
        granted = self.fields.of(self.model)
        if CUSTOM in granted:
            granted |= custom_names(self.model)
        return granted - _with_twins(self.model, closed) if closed else granted


GRANTS: dict[type, list[Grant]] = {}
NEVER: dict[type, frozenset[str]] = {}
"""Fields no screen, list or export shows to anybody; full numbers are revealed by
`services/audit.py` alone."""


# --------------------------------------------------------------------------- fields


@cache
def field_names(model: type) -> frozenset[str]:
    """Columns, relations and properties of a table that may be granted at all."""
    mapper: Any = inspect(model).mapper
    mapped = {attribute.key for attribute in mapper.attrs}
    properties = {
        name
        for base in model.__mro__
        for name, value in vars(base).items()
        if isinstance(value, property) and not name.startswith("_")
    }
    return frozenset(mapped | properties) - NEVER.get(model, frozenset())


@cache
def _twins(model: type) -> dict[str, frozenset[str]]:
    """A relation and the columns that keep it are one field: {name: the other names}."""
    found: dict[str, set[str]] = {}
    mapper: Any = inspect(model).mapper
    for relation in mapper.relationships:
        if relation.direction is MANYTOONE:
            columns = {mapper.get_property_by_column(c).key for c in relation.local_columns}
            for name in {relation.key, *columns}:
                found.setdefault(name, set()).update({relation.key, *columns})
    return {name: frozenset(others) for name, others in found.items()}


def _with_twins(model: type, names: frozenset[str]) -> frozenset[str]:
    twins = _twins(model)
    return names.union(*(twins.get(name, frozenset()) for name in names)) - _keys(model)


@cache
def _keys(model: type) -> frozenset[str]:
    mapper: Any = inspect(model).mapper
    return frozenset(mapper.get_property_by_column(c).key for c in mapper.primary_key)


@cache
def _resolve(fields: Fields, model: type) -> frozenset[str]:
    known = field_names(model)
    unknown = fields.names - known
    if unknown:
        message = f"{model.__name__} has no field {', '.join(sorted(unknown))}"
        raise LookupError(message)
    named = fields.names.union(*(_twins(model).get(name, frozenset()) for name in fields.names))
    chosen = known - named if fields.is_exception else known & named
    return frozenset(chosen | _keys(model))


# --------------------------------------------------------------------------- decisions


@dataclass(frozen=True)
class GrantVerdict:
    """What one grant says: does it reach the row, does it name the field."""

    grant: Grant
    has_row: bool
    has_field: bool

    @property
    def allows(self) -> bool:
        """Both together, or it says nothing."""
        return self.has_row and self.has_field


@dataclass(frozen=True)
class RoleVerdict:
    """What one role of the actor says: its grants for this table and action."""

    role: ActorRole
    verdicts: tuple[GrantVerdict, ...]

    @property
    def allows(self) -> bool:
        """Whether one grant alone allows it."""
        return any(verdict.allows for verdict in self.verdicts)


@dataclass(frozen=True)
class Decision:
    """The answer and everything it was made of."""

    roles: tuple[RoleVerdict, ...]

    @property
    def allowed(self) -> bool:
        """Whether one role alone allows it."""
        return any(verdict.allows for verdict in self.roles)


def grants_of(actor: Actor, model: type, action: str) -> list[Grant]:
    """The grants of the actor's roles on a table for an action."""
    return [
        grant
        for grant in GRANTS.get(model, ())
        if grant.role in actor.roles and action in grant.actions
    ]


def decide(actor: Actor, action: str, row_or_model: Any, field: str | None = None) -> Decision:
    """Judge every role of the actor by itself; `row_or_model` without a row asks of the table."""
    row = unveiled(row_or_model)
    model = row if isinstance(row, type) else type(row)
    grants = grants_of(actor, model, action)
    reached = [True] * len(grants) if row is model else _reached([row], grants, actor)[0]
    verdicts = [
        GrantVerdict(grant, has_row, field is None or field in grant.seen_fields(action))
        for grant, has_row in zip(grants, reached, strict=True)
    ]
    return Decision(
        tuple(
            RoleVerdict(role, tuple(v for v in verdicts if v.grant.role is role))
            for role in sorted(actor.roles)
        )
    )


def may(actor: Actor, action: str, row_or_model: Any, field: str | None = None) -> bool:
    """Whether one role of the actor allows this action on the row (of the table at all, if a model
    is given), and on that field."""
    return decide(actor, action, row_or_model, field).allowed


def criterion(
    model: type, actor: Actor, action: str = Action.LIST, *fields: str
) -> ColumnElement[bool]:
    """The rows the actor's roles give for an action; with `fields`, those where one role gives them
    all.

    A filter on a field goes together with the second form: rows whose value may not be seen do not
    answer questions about it.
    """
    grants = [
        grant
        for grant in grants_of(actor, model, action)
        if not fields or grant.seen_fields(action).issuperset(fields)
    ]
    if any(grant.scope.criterion is everything for grant in grants):
        return true()
    return or_(*(grant.where(actor) for grant in grants)) if grants else false()


def uniform_fields(actor: Actor, model: type, action: str) -> frozenset[str] | None:
    """The fields seen in every row one sees at all, if they are the same in all; else None."""
    found = {grant.seen_fields(action) for grant in grants_of(actor, model, action)}
    return found.pop() if len(found) == 1 else None


def visible_fields(actor: Actor, action: str, row: Any) -> frozenset[str]:
    """The fields of one row the actor sees."""
    return seen_fields([row], actor=actor, action=action)[0]


def seen_fields(
    rows: Sequence[Any], *, actor: Actor, action: str, are_in_scope: bool = False
) -> list[frozenset[str]]:
    """For each row of one table the fields the actor sees: one query for all rows together.

    With `are_in_scope` (rows from a query cut by `criterion`) none is needed where all grants name
    the same fields.
    """
    bare = [unveiled(row) for row in rows]
    if not bare:
        return []
    model = type(bare[0])
    same = uniform_fields(actor, model, action) if are_in_scope else None
    if same is not None:
        return [same] * len(bare)
    grants = grants_of(actor, model, action)
    fields = [grant.seen_fields(action) for grant in grants]
    return [
        frozenset().union(*(names for names, has in zip(fields, row, strict=True) if has))
        for row in _reached(bare, grants, actor)
    ]


def field_of(model: type, name: str) -> str:
    """The field that decides who sees a column: 'person' for 'person.name'. A custom field no
    published definition has (in a preview) has no values and goes with the column of all."""
    if is_custom_name(name):
        return name if name in custom_names(model) else CUSTOM
    return name.partition(".")[0]


def cells(
    rows: Iterable[Any],
    fields: Sequence[str],
    *,
    actor: Actor,
    action: str = Action.LIST,
    are_in_scope: bool = False,
    hidden: Any = HIDDEN,
) -> list[dict[str, Any]]:
    """The values of `fields` for each row, with `hidden` where the actor may not see one.

    One query for all rows together, whatever their number; a row outside every grant comes back
    with nothing but hidden values.
    """
    bare = [unveiled(row) for row in rows]
    seen = seen_fields(bare, actor=actor, action=action, are_in_scope=are_in_scope)
    kept = {name: field_of(type(bare[0]), name) for name in fields} if bare else {}
    return [
        {name: getattr(row, name) if kept[name] in visible else hidden for name in fields}
        for row, visible in zip(bare, seen, strict=True)
    ]


def hidden_in_history(actor: Actor, object_type: str, object_id: str) -> frozenset[str]:
    """The fields the log of a row's changes does not show the actor: those of the row it may not
    see. Tables the actor has no grant for are granted by the log itself, secrets excepted."""
    model = next((model for model in GRANTS if model.__name__ == object_type), None)
    if model is None:
        return frozenset()
    never = NEVER.get(model, frozenset())
    if not grants_of(actor, model, Action.HISTORY):
        return never
    is_number = object_id.isascii() and object_id.isdigit() and len(object_id) < 10
    row = db.session.get(model, int(object_id)) if is_number and _has_one_key(model) else None
    seen = visible_fields(actor, Action.HISTORY, row) if row is not None else _named(actor, model)
    return (field_names(model) | never) - seen


def cover(values: Any, names: frozenset[str], *, hidden: Any = HIDDEN) -> Any:
    """Values by name, as the log keeps them, with those of `names` covered."""
    if not isinstance(values, dict):
        return values
    return {name: hidden if name in names else value for name, value in values.items()}


def _has_one_key(model: type) -> bool:
    mapper: Any = inspect(model).mapper
    return len(mapper.primary_key) == 1 and mapper.primary_key[0].type.python_type is int


def _named(actor: Actor, model: type) -> frozenset[str]:
    """The fields every grant of the actor names, for rows that are gone."""
    sets = [grant.seen_fields(Action.HISTORY) for grant in grants_of(actor, model, Action.HISTORY)]
    return frozenset.intersection(*sets)


def veil(row: Any, actor: Actor, action: str = Action.SHOW, *, is_in_scope: bool = False) -> Any:
    """The row for a page: itself where nothing is hidden, otherwise with those fields covered."""
    row = unveiled(row)
    model: type = type(row)
    [seen] = seen_fields([row], actor=actor, action=action, are_in_scope=is_in_scope)
    hidden = (field_names(model) | NEVER.get(model, frozenset()) | custom_names(model)) - seen
    return Veil(row, hidden) if hidden else row


def _reached(rows: Sequence[Any], grants: Sequence[Grant], actor: Actor) -> list[list[bool]]:
    """For each row, grant by grant, whether the grant reaches it."""
    asked = [
        n
        for n, grant in enumerate(grants)
        if grant.scope.criterion is not None and grant.scope.criterion is not everything
    ]
    answers = _ask(rows, [grants[n] for n in asked], actor) if asked else {}
    found = []
    for row in rows:
        said = dict(zip(asked, answers.get(_key(row), [False] * len(asked)), strict=True))
        found.append([said.get(n, _holds(g, row, actor)) for n, g in enumerate(grants)])
    return found


def _holds(grant: Grant, row: Any, actor: Actor) -> bool:
    if grant.scope.criterion is everything:
        return True
    return grant.scope.holds is not None and grant.scope.holds(actor.under(grant.role), row)


def _key(row: Any) -> tuple[Any, ...] | None:
    identity = inspect(row).identity
    return tuple(identity) if identity else None


def _ask(
    rows: Sequence[Any], grants: Sequence[Grant], actor: Actor
) -> dict[tuple[Any, ...] | None, list[bool]]:
    """One SELECT over the keys of the rows, with a column a grant."""
    keys = [key for row in rows if (key := _key(row)) is not None]
    if not keys:
        return {}
    mapper = inspect(type(rows[0])).mapper
    columns = [mapper.get_property_by_column(c).class_attribute for c in mapper.primary_key]
    width = len(columns)
    among = columns[0].in_([key[0] for key in keys]) if width == 1 else tuple_(*columns).in_(keys)
    labels = [grant.where(actor).label(f"grant_{n}") for n, grant in enumerate(grants)]
    session = object_session(rows[0]) or db.session
    with session.no_autoflush:
        found = session.execute(select(*columns, *labels).where(among))
        return {tuple(line[:width]): [bool(v) for v in line[width:]] for line in found}
