"""/lookup/<table>: what pickers ask while somebody types; scoped like every list."""

from __future__ import annotations

from typing import Any

from flask import abort, jsonify, request
from flask_appbuilder import expose
from flask_login import current_user
from sqlalchemy import or_, select

from app import models as m
from app.extensions import db
from app.security.actors import current_actor
from app.security.guard import Action, criterion, veil
from app.services.unit_search import find_units
from app.services.units import DIVISION_DIGITS
from app.views.base import PortalView
from app.views.unit_tree import describe_place

LIMIT = 20

SEARCHED: dict[str, tuple[type, tuple[Any, ...]]] = {
    "ab_user": (m.Account, (m.Account.first_name,)),
    "person": (m.Person, (m.Person.name, m.Person.pinyin)),
    "division": (m.Division, (m.Division.name, m.Division.code)),
    "series": (m.Series, (m.Series.name, m.Series.slug)),
    "specialty_group": (m.SpecialtyGroup, (m.SpecialtyGroup.name,)),
    "specialty": (m.Specialty, (m.Specialty.name,)),
    "committee": (m.Committee, (m.Committee.name,)),
    "plan_line": (m.PlanLine, (m.PlanLine.series_text,)),
    "evaluation_plan": (m.EvaluationPlan, (m.EvaluationPlan.heading,)),
}


class LookupView(PortalView):
    """Answers `[{id, text, note}]` for the pickers of forms and filters."""

    route_base = "/lookup"

    @expose("/<string:table>")
    def find(self, table: str) -> Any:
        """At most 20 rows of `table` whose name, pinyin initials or code match `q`, best first, as
        far as the account sees these."""
        if not current_user.is_authenticated:
            abort(401)
        term = request.args.get("q", "").replace("\0", "").strip()[:60]
        if table == m.Unit.__tablename__:
            return jsonify(_find_units(term))
        if table not in SEARCHED:
            abort(404)
        model, columns = SEARCHED[table]
        actor = current_actor()
        query: Any = select(model).where(criterion(model, actor, Action.LIST, columns[0].key))
        if model is m.Division and request.args.get("within") == "own":
            query = query.where(m.Division.code.startswith(_own_division()))
        if term:
            starts = [
                column.istartswith(term, autoescape=True)
                & criterion(model, actor, Action.LIST, column.key)
                for column in columns
            ]
            inside = [columns[0].icontains(term, autoescape=True)]
            query = query.where(or_(*starts, *inside))
        rows = db.session.scalars(query.order_by(columns[0]).limit(LIMIT))
        return jsonify([_entry(row) for row in rows])


def _entry(row: Any) -> dict[str, Any]:
    if isinstance(row, m.Account):
        seen = veil(row, current_actor(), Action.LIST)
        note = " · ".join(str(part) for part in (seen.shown_login, row.unit) if part)
        return {"id": row.id, "text": row.first_name, "note": note}
    return {"id": _key(row), "text": str(row)}


def _find_units(term: str) -> list[dict[str, Any]]:
    scope = criterion(m.Unit, current_actor(), Action.LIST, "name", "pinyin", "code")
    return [
        {"id": found.unit.id, "text": found.unit.name, "note": describe_place(found)}
        for found in find_units(term, scope, limit=LIMIT)
    ]


def _own_division() -> str:
    """The digits all divisions within that of the actor's unit begin with."""
    own = db.session.get(m.Unit, current_actor().unit_id) if current_actor().unit_id else None
    return own.division_code[: DIVISION_DIGITS[own.level]] if own is not None else ""


def _key(row: Any) -> Any:
    return row.code if isinstance(row, m.Division) else row.id


def register(appbuilder: Any) -> None:
    """Add the look-up."""
    appbuilder.add_view_no_menu(LookupView)
