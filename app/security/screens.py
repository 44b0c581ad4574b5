"""Which page of which screen the request opened: its permission, and what it does with rows."""

from __future__ import annotations

from typing import Any

from flask import current_app, request

from app.security.guard import Action

PRINTING = frozenset({"pdf", "minutes", "slip", "record", "pledge_sheet"})
DOWNLOADING = frozenset({"proof_file", "proof", "import_proof", "download"})


def view_of(endpoint: str | None) -> tuple[Any, str]:
    """The registered view and the method behind an endpoint; (None, "") for any other."""
    name, _dot, method = (endpoint or "").partition(".")
    for view in current_app.extensions["appbuilder"].baseviews:
        if view.endpoint == name:
            return view, method
    return None, ""


def permission_of(view: Any, method: str) -> tuple[str, str] | None:
    """(permission, screen) a method of a view asks for; None if it is open to every account."""
    if method in {"action", "action_post"} and hasattr(view, "get_action_permission_name"):
        name = (request.view_args or {}).get("name") or request.form.get("action", "")
        return view.get_action_permission_name(name), view.class_permission_name
    function = getattr(type(view), method, None)
    name = getattr(function, "_permission_name", None)
    if name is None:
        return None
    mapped = (view.method_permission_name or {}).get(method, name)
    return f"can_{mapped}", view.class_permission_name


def asked_permission() -> tuple[str, str] | None:
    """The permission the present request had to have."""
    view, method = view_of(request.endpoint)
    return permission_of(view, method) if view is not None else None


def action_of(method: str) -> Action:
    """What a method of a screen does with the rows it reads; forms and buttons act on them."""
    if method in {"list", "show"}:
        return Action(method)
    if method in PRINTING:
        return Action.PRINT
    if method in DOWNLOADING:
        return Action.DOWNLOAD
    if method.startswith("export"):
        return Action.EXPORT
    return Action.ACT


def current_action() -> Action:
    """What the present request does with rows."""
    return action_of((request.endpoint or "").partition(".")[2])
