"""单位树: the account tree of Annex 3, a level at a time, and the search through all of it."""

from __future__ import annotations

from typing import Any

from flask import abort, request, url_for
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import Unit
from app.security.actors import current_actor
from app.security.scope import read_criterion
from app.services.unit_search import FoundUnit, find_units
from app.services.unit_tree import list_subordinates, show_tree
from app.views.base import ALL, PortalView, is_key
from app.views.menu import add_screen

PAGE = 20
LAST_PAGE = 500
READERS = (
    R.PROVINCE_HRSS,
    R.HRSS,
    R.COMPETENT_DEPARTMENT,
    R.UNIT_ADMIN,
    R.UNIT_HANDLER,
    R.SYSTEM_ADMIN,
    R.SECURITY_ADMIN,
    R.AUDIT_ADMIN,
)


class UnitTreeView(PortalView):
    """The tree opens by links; with scripts the links load only the level they open."""

    route_base = "/unit_tree"
    default_view = "tree"
    class_permission_name = "Unit tree"
    grants = dict.fromkeys(READERS, ALL)

    @expose("/")
    @has_access
    def tree(self) -> Any:
        """The top of one's own scope with the level below, the way to `open`, or the hits of
        `q`."""
        typed = request.args.get("q", "").replace("\0", "").strip()[:60]
        opened = self._opened()
        tops = [] if typed else show_tree(self._scope(), opened)
        page = self._number("page", LAST_PAGE)
        hits = find_units(typed, self._scope(), limit=PAGE + 1, offset=page * PAGE) if typed else []
        return self.render_template(
            "units/tree.html",
            title=_("Unit tree"),
            typed=typed,
            tops=tops,
            opened=opened,
            hits=[(hit, describe_place(hit)) for hit in hits[:PAGE]],
            page=page,
            has_more=len(hits) > PAGE,
        )

    @expose("/below/<pk>")
    @has_access
    def below(self, pk: str) -> Any:
        """The units directly below one, as the list items a page puts into its tree."""
        unit = self._readable_unit(pk)
        if unit is None:
            abort(404)
        offset = self._number("from", 10**6)
        nodes, next_offset = list_subordinates(unit.id, self._scope(), offset=offset)
        return self.render_template(
            "units/branch.html", parent=unit, nodes=nodes, next_offset=next_offset
        )

    def _scope(self) -> Any:
        return read_criterion(Unit, current_actor())

    def _opened(self) -> Unit | None:
        return self._readable_unit(request.args.get("open", ""))

    def _readable_unit(self, pk: str) -> Unit | None:
        if not is_key(pk):
            return None
        return db.session.scalar(select(Unit).where(Unit.id == int(pk), self._scope()))

    def _number(self, name: str, highest: int) -> int:
        given = request.args.get(name, "")
        return min(int(given), highest) if is_key(given) else 0


def describe_place(found: FoundUnit) -> str:
    """Where a unit is: its code, a former one it was found by, and the names above it."""
    parts = [found.unit.code]
    if found.former_code:
        parts.append(_("formerly %(code)s", code=found.former_code))
    if not found.unit.is_active:
        parts.append(_("not active"))
    if found.above:
        parts.append(" / ".join(found.above))
    return " · ".join(parts)


def tree_address(unit_id: int) -> str:
    """The address of the tree opened at a unit."""
    return url_for("UnitTreeView.tree", open=unit_id, _anchor=f"unit-{unit_id}")


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(appbuilder, UnitTreeView, "Unit tree", label=_l("Unit tree"), category="master")
