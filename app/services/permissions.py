"""Roles and permissions as the registered views declare them (`grants`); run by `flask init`,
never by web workers."""

from __future__ import annotations

from typing import Any

from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import select

from app.domain.workflow import ActorRole
from app.extensions import db

NOT_ACCOUNTS = {ActorRole.PUBLIC, ActorRole.SYSTEM}


def install(appbuilder: Any) -> None:
    """Create permissions, roles and grants; what a role has been given besides is left alone."""
    manager = appbuilder.sm
    for name in ("Admin", "Public", *(r.value for r in ActorRole if r not in NOT_ACCOUNTS)):
        if manager.find_role(name) is None:
            manager.add_role(name)
    appbuilder.add_permissions(update_perms=True)
    for view in appbuilder.baseviews:
        _grant_view(manager, view)
    db.session.commit()


def _grant_view(manager: Any, view: Any) -> None:
    """Give each role of `view.grants` its permissions, and the view's menu entries where it may
    open the page they lead to."""
    own = _permissions_on(manager, view.class_permission_name)
    entries = [
        found
        for name in getattr(view, "menu_names", ())
        if (found := manager.find_permission_view_menu("menu_access", name)) is not None
    ]
    for role_name, wanted in getattr(view, "grants", {}).items():
        role = manager.find_role(role_name.value)
        chosen = [row for name, row in own.items() if "*" in wanted or name in wanted]
        if "*" in wanted or f"can_{view.default_view}" in wanted:
            chosen += entries
        role.permissions.extend(row for row in chosen if row not in role.permissions)


def _permissions_on(manager: Any, view_name: str) -> dict[str, Any]:
    view_menu = manager.find_view_menu(view_name)
    rows = manager.find_permissions_view_menu(view_menu) if view_menu else []
    return {row.permission.name: row for row in rows if row.permission.name != "menu_access"}


def role_by_name(name: str) -> Any:
    """FAB's role row of an ActorRole value."""
    return db.session.scalar(select(Role).where(Role.name == name))
