"""/custom_files/<screen>/<row>/<field>/<digest>: the one way to a file kept in a custom field, for
whoever may read that field of that row."""

from __future__ import annotations

from typing import Any

from flask import abort
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from sqlalchemy import select

from app.domain.workflow import ActorRole
from app.extensions import db
from app.security.actors import current_actor
from app.security.guard import Action, criterion
from app.services.definitions.custom_fields import CUSTOM_MODELS, published_fields, values_of
from app.services.materials import find_stored
from app.views.base import ALL, PortalView
from app.views.files import show_file

READERS = (
    ActorRole.PROVINCE_HRSS,
    ActorRole.HRSS,
    ActorRole.COMPETENT_DEPARTMENT,
    ActorRole.UNIT_ADMIN,
    ActorRole.UNIT_HANDLER,
    ActorRole.COMMITTEE_OFFICE,
    ActorRole.SUPERVISOR,
    ActorRole.SYSTEM_ADMIN,
    ActorRole.SECURITY_ADMIN,
    ActorRole.AUDIT_ADMIN,
)
"""Whoever opens a screen of master data."""

MAX_ID = 2**31 - 1


class CustomFileView(PortalView):
    """Files of custom fields: shown in the browser, never run there."""

    route_base = "/custom_files"
    grants = dict.fromkeys(READERS, ALL)

    @expose("/<string:screen>/<int:row_id>/<string:name>/<string:sha256>")
    @has_access
    def show(self, screen: str, row_id: int, name: str, sha256: str) -> Any:
        """One file, if the actor reads the field of its row; 404 otherwise."""
        field = published_fields(screen).get(name)
        if field is None or not field.is_file or row_id > MAX_ID:
            abort(404)
        model: Any = CUSTOM_MODELS[screen]
        readable = criterion(model, current_actor(), Action.DOWNLOAD, name)
        row = db.session.scalar(select(model).where(model.id == row_id, readable))
        kept = values_of(row).get(name) or [] if row is not None else []
        found = next((each for each in kept if each["sha256"] == sha256), None)
        file = find_stored(sha256) if found is not None else None
        if found is None or file is None:
            abort(404)
        return show_file(file, found["name"])


def register(appbuilder: Any) -> None:
    """Add the download."""
    appbuilder.add_view_no_menu(CustomFileView)
