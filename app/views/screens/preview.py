"""Which definition a page shows: the one in force, or a draft its editor is trying out.

A preview is a mark in the editor's own session: a screen and a role. Real pages then show the
draft, cut to what that role would see of it; rows and values stay those of the editor's own
account, so a preview never shows more. While it is on, nothing is written anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import current_app, g, has_request_context, request, session

from app.domain.errors import ConflictError
from app.domain.messages import N_
from app.domain.workflow import ActorRole
from app.services.definitions import store
from app.services.definitions.role_view import as_role_sees
from app.services.definitions.versions import UnknownDefinitionError
from app.views.screens.words import name_of_item

MARK = "preview"
READING = frozenset({"GET", "HEAD", "OPTIONS"})
STAYING = frozenset({"ScreenEditorView", "ScreenVersionsView", "PortalAuthView"})
"""Views that go on working during a preview: the editor's own, and signing out."""


class PreviewError(ConflictError):
    """Something was to be written while a draft is being tried out."""

    code = "preview"
    template = N_("You are trying out a draft; nothing is saved. End the preview, then try again.")


def definition_of(key: str) -> Mapping[str, Any]:
    """The definition the present request shows. Raises UnknownDefinitionError."""
    on = present()
    if on is None or on[0] != key:
        return store.current(key)
    return as_role_sees(store.drafted(key), on[1])


def is_on(key: str) -> bool:
    """Whether the present request shows the draft of this screen."""
    on = present()
    return on is not None and on[0] == key


def present() -> tuple[str, ActorRole] | None:
    """(screen, role) of the preview that is on, for an account that may still edit screens."""
    if not has_request_context() or MARK not in session:
        return None
    marked = session[MARK]
    role = marked.get("role")
    if role not in {*ActorRole} or not _may_preview():
        return None
    return str(marked.get("key")), ActorRole(role)


def _may_preview() -> bool:
    user = g.get("user")
    if user is None or not user.is_authenticated:
        return False
    manager = current_app.extensions["appbuilder"].sm
    return bool(manager.has_access("can_begin_preview", "ScreenEditorView"))


def begin(key: str, role: ActorRole) -> None:
    """Show the draft of a screen on real pages, as a role would see it."""
    session[MARK] = {"key": key, "role": role.value}


def end() -> None:
    """Show what is in force again."""
    session.pop(MARK, None)


def refuse_writing() -> None:
    """Before each request: a preview writes nothing. Raises PreviewError."""
    if request.method in READING or MARK not in session or present() is None:
        return
    if (request.endpoint or "").partition(".")[0] not in STAYING:
        raise PreviewError


def banner() -> dict[str, Any]:
    """For the frame of every page: what is being tried out; empty without a preview."""
    on = present()
    if on is None:
        return {"preview": None}
    key, role = on
    try:
        label = name_of_item(store.drafted(key))
    except UnknownDefinitionError:
        return {"preview": None}
    return {"preview": {"key": key, "role": role, "label": label}}
