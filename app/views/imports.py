"""批量创建: accounts from Excel in five steps - template, upload, check, creation, hand-out."""

from __future__ import annotations

from typing import Any

from flask import abort
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.domain.messages import N_
from app.domain.sheets import LAYOUTS, SheetLayout
from app.domain.workflow import ActorRole as R
from app.messages import say
from app.security.actors import current_actor
from app.services.imports import template
from app.services.job_files import XLSX
from app.services.units import allowed_kinds
from app.views.background_jobs import send_content
from app.views.base import ALL, PortalView
from app.views.menu import add_screen

CREATORS = (R.PROVINCE_HRSS, R.HRSS, R.COMPETENT_DEPARTMENT, R.UNIT_ADMIN, R.UNIT_HANDLER)

LEADS = {
    "people": N_("One row for each of your own people; each gets an account and a random code."),
    "units": N_("One row for each unit directly below yours; each gets a unit account."),
    "legacy_units": N_("Units that had an account in 2021; they are never created again."),
    "legacy_people": N_("People who had an account in 2021; they are never created again."),
}


class ImportView(PortalView):
    """批量创建."""

    route_base = "/imports"
    default_view = "home"
    class_permission_name = "Bulk creation"
    grants = dict.fromkeys(CREATORS, ALL)

    @expose("/")
    @has_access
    def home(self) -> Any:
        """What can be created from Excel, with the template of each."""
        return self.render_template(
            "imports/home.html",
            title=_("Bulk creation"),
            layouts=[
                (layout, say(layout.title), say(LEADS[layout.word])) for layout in self._layouts()
            ],
            limits=template.limits(say),
        )

    @expose("/template/<word>")
    @has_access
    def template(self, word: str) -> Any:
        """The template, made from the configuration of this moment."""
        layout = self._layout(word)
        content = template.build_template(layout, say, actor=current_actor())
        return send_content(content, f"{say(layout.title)}.xlsx", XLSX)

    def _layouts(self) -> list[SheetLayout]:
        """The sheets the actor may import at all."""
        actor = current_actor()
        if actor.unit_id is None:
            return []
        words = ["people"]
        if allowed_kinds(actor):
            words.append("units")
        if actor.has_role(R.PROVINCE_HRSS):
            words += ["legacy_units", "legacy_people"]
        return [LAYOUTS[word] for word in words]

    def _layout(self, word: str) -> SheetLayout:
        found = next((layout for layout in self._layouts() if layout.word == word), None)
        if found is None:
            abort(404)
        return found


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(
        appbuilder, ImportView, "Bulk creation", label=_l("Bulk creation"), category="master"
    )
