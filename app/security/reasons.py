"""Why an account sees something or not: the guard's own verdicts, role by role, with the screen.

Nothing is decided here. The screen part is the permission the page asks for, the row and field part
is `guard.decide` for each role that opens the screen, exactly as a request would have it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flask import current_app
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Account, Application, Material, Unit
from app.security.actors import actor_of
from app.security.guard import GRANTS, NEVER, Action, RoleVerdict, decide, field_names
from app.security.screens import action_of, permission_of

MAX_ID = 2**31 - 1
UNIT_OF = ("unit", "employer", "convener", "reporting_unit", "from_unit")
KEYS_OF_OTHER_PAGES: dict[str, tuple[type, str]] = {
    "MaterialView": (Material, "material_id"),
    "ExpertView": (Application, "application_id"),
    "ResultsView": (Application, "application_id"),
}
"""Pages without a list of their own: the table and the part of the address that names the row."""


class Part(StrEnum):
    """The part of the tuple that denied, or `allowed`."""

    ALLOWED = "allowed"
    INACTIVE = "inactive"
    NO_ROLE = "no_role"
    SCREEN = "screen"
    NO_ROW = "no_row"
    TABLE = "table"
    ROWS = "rows"
    NEVER = "never"
    FIELD = "field"


@dataclass(frozen=True)
class Question:
    """Who, what with which row (None: the list), which field (empty: any), on which page."""

    account: Account
    model: type | None
    row: Any
    action: Action
    field: str = ""
    screen: tuple[tuple[str, str], ...] = ()
    is_missing: bool = False


@dataclass(frozen=True)
class RoleReason:
    """One role: whether it opens the screen, and its grants with what they reach."""

    role: ActorRole
    opens_screen: bool
    verdict: RoleVerdict

    @property
    def allows(self) -> bool:
        """All parts in this one role."""
        return self.opens_screen and self.verdict.allows


@dataclass(frozen=True)
class Answer:
    """The decision and every role's share in it."""

    part: Part
    roles: tuple[RoleReason, ...]
    row_path: tuple[str, ...] = ()
    account_path: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the account sees it."""
        return self.part is Part.ALLOWED

    @property
    def deciding(self) -> RoleReason | None:
        """The role that allows it, if one does."""
        return next((reason for reason in self.roles if reason.allows), None)


def views_of(model: type) -> list[Any]:
    """The registered screens over a table."""
    views = current_app.extensions["appbuilder"].baseviews
    return [v for v in views if getattr(getattr(v, "datamodel", None), "obj", None) is model]


def permissions_for(model: type, action: Action) -> tuple[tuple[str, str], ...]:
    """The permissions of the table's screens that lead to an action; empty: it has no screen."""
    found = []
    for view in views_of(model):
        for name in dir(type(view)):
            method = getattr(type(view), name, None)
            if hasattr(method, "_permission_name") and action_of(name) is action:
                asked = permission_of(view, name)
                if asked is not None:
                    found.append(asked)
    return tuple(sorted(set(found)))


def ask_link(path: str, account: Account, field: str = "") -> Question | None:
    """The question behind the address of a page; None for an address that is none of the portal's.

    Host, query and fragment of a pasted address are left out.
    """
    try:
        endpoint, values = current_app.url_map.bind("").match(path, method=None)
    except (RequestRedirect, HTTPException):
        return _of_post(path, account, field)
    return _of_endpoint(endpoint, dict(values), account, field)


def _of_post(path: str, account: Account, field: str) -> Question | None:
    try:
        endpoint, values = current_app.url_map.bind("").match(path, method="POST")
    except (RequestRedirect, HTTPException):
        return None
    return _of_endpoint(endpoint, dict(values), account, field)


def _of_endpoint(
    endpoint: str, values: dict[str, Any], account: Account, field: str
) -> Question | None:
    name, _dot, method = endpoint.partition(".")
    views = current_app.extensions["appbuilder"].baseviews
    view = next((v for v in views if v.endpoint == name), None)
    if view is None:
        return None
    asked = permission_of(view, method)
    model = getattr(getattr(view, "datamodel", None), "obj", None)
    key = values.get("pk")
    other = KEYS_OF_OTHER_PAGES.get(type(view).__name__)
    if other and other[1] in values:
        model, key = other[0], values[other[1]]
    action = Action.DOWNLOAD if model is Material else action_of(method)
    row = find_row(model, key) if model is not None and key is not None else None
    return Question(
        account,
        model,
        row,
        action,
        field,
        (asked,) if asked else (),
        is_missing=key is not None and row is None,
    )


def ask_table(model: type, key: str, action: Action, account: Account, field: str = "") -> Question:
    """The question about a table's row (its list without a key)."""
    row = find_row(model, key) if key else None
    asked = permissions_for(model, action)
    return Question(account, model, row, action, field, asked, is_missing=bool(key) and row is None)


def find_row(model: type, key: Any) -> Any:
    """A row by the key in an address; None for what cannot be one."""
    mapper: Any = db.inspect(model)
    if len(mapper.primary_key) != 1:
        return None
    if mapper.primary_key[0].type.python_type is int:
        text = str(key)
        if not (text.isascii() and text.isdigit()) or int(text) > MAX_ID:
            return None
        return db.session.get(model, int(text))
    return db.session.get(model, str(key)[:80]) if "\0" not in str(key) else None


def answer(question: Question) -> Answer:
    """Ask the guard, role by role, and say which part decided."""
    account = question.account
    actor = actor_of(account)
    granted = current_app.extensions["appbuilder"].sm.grants_of(account)
    openers = {name for pair in question.screen for name in granted.get(pair, frozenset())}
    target = question.row if question.row is not None else question.model
    reasons = tuple(
        RoleReason(
            role,
            not question.screen or role.value in openers,
            _verdict(role, actor, question, target),
        )
        for role in sorted(actor.roles, key=list(ActorRole).index)
    )
    return Answer(
        _deciding_part(question, reasons),
        reasons,
        row_path=unit_path(_unit_of(question.row)),
        account_path=unit_path(account.unit),
    )


def _verdict(role: ActorRole, actor: Any, question: Question, target: Any) -> RoleVerdict:
    if target is None:
        return RoleVerdict(role, ())
    under = actor.under(role)
    found = decide(under, question.action, target, question.field or None).roles
    return found[0] if found else RoleVerdict(role, ())


def _deciding_part(question: Question, reasons: Iterable[RoleReason]) -> Part:
    reasons = list(reasons)
    opening = [reason for reason in reasons if reason.opens_screen]
    verdicts = [verdict for reason in opening for verdict in reason.verdict.verdicts]
    model = question.model
    checks = (
        (Part.INACTIVE, not question.account.active),
        (Part.NO_ROLE, not reasons),
        (Part.SCREEN, not opening),
        (Part.ALLOWED, model is None),
        (Part.NO_ROW, question.is_missing),
        (Part.TABLE, not verdicts),
        (Part.ROWS, not any(verdict.has_row for verdict in verdicts)),
        (Part.NEVER, bool(model) and question.field in NEVER.get(model, ())),  # type: ignore[arg-type]
        (Part.FIELD, not any(verdict.allows for verdict in verdicts)),
    )
    return next((part for part, holds in checks if holds), Part.ALLOWED)


def _unit_of(row: Any) -> Unit | None:
    if isinstance(row, Unit):
        return row
    for name in UNIT_OF:
        found = getattr(row, name, None)
        if isinstance(found, Unit):
            return found
    for name in ("application", "committee", "meeting", "publicity"):
        if row is not None and getattr(row, name, None) is not None:
            return _unit_of(getattr(row, name))
    return None


def unit_path(unit: Unit | None) -> tuple[str, ...]:
    """The names of the units from the root down to this one."""
    if unit is None:
        return ()
    ids = [int(part) for part in unit.path.split("/") if part]
    units = db.session.scalars(db.select(Unit).where(Unit.id.in_(ids)))
    names = {found.id: found.name for found in units}
    return tuple(names[i] for i in ids if i in names)


def key_of(row: Any) -> tuple[Any, ...]:
    """The key of a row."""
    return tuple(db.inspect(row).identity or ())


def tables() -> list[type]:
    """The tables one may ask about."""
    return sorted(GRANTS, key=lambda model: model.__name__)


def askable_fields(model: type) -> frozenset[str]:
    """The fields of a table one may ask about, those for nobody among them."""
    return field_names(model) | NEVER.get(model, frozenset())
