"""/materials/<id>: the one way to an uploaded file, for everybody who may read its application."""

from __future__ import annotations

from typing import Any

from flask import abort
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from sqlalchemy import select

from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Material
from app.security.actors import current_actor
from app.security.guard import Action, criterion
from app.security.refusals import say_not_shown
from app.views.base import ALL, PortalView
from app.views.files import show_file

READERS = (
    ActorRole.APPLICANT,
    ActorRole.UNIT_ADMIN,
    ActorRole.UNIT_HANDLER,
    ActorRole.COMPETENT_DEPARTMENT,
    ActorRole.HRSS,
    ActorRole.PROVINCE_HRSS,
    ActorRole.COMMITTEE_OFFICE,
    ActorRole.EXPERT,
    ActorRole.CHAIR,
)
MAX_ID = 2**31 - 1


class MaterialView(PortalView):
    """Uploaded files: shown in the browser, never run there."""

    route_base = "/materials"
    grants = dict.fromkeys(READERS, ALL)

    @expose("/<int:material_id>")
    @has_access
    def show(self, material_id: int) -> Any:
        """One file, if the actor reads its application; 404 otherwise."""
        readable = criterion(Material, current_actor(), Action.DOWNLOAD)
        material = (
            db.session.scalar(select(Material).where(Material.id == material_id, readable))
            if material_id <= MAX_ID
            else None
        )
        if material is None:
            say_not_shown(Material, material_id)
            abort(404)
        return show_file(material.file, material.filename)


def register(appbuilder: Any) -> None:
    """Add the download."""
    appbuilder.add_view_no_menu(MaterialView)
