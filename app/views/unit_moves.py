"""划转: asked for from a unit's page, answered by the superiors, told to the department above."""

from __future__ import annotations

from typing import Any

from flask import abort
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from wtforms import SelectField

from app import clock
from app.domain.moves import CONSENTING
from app.domain.terms import MoveSide, MoveState, UnitKind
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.messages import explain
from app.models import Account, Division, Unit, UnitMove
from app.security.scope import read_criterion
from app.services import unit_moves
from app.views import forms as f
from app.views.base import READ, is_key, scoped
from app.views.files import PROOF_LIMIT, read_proof, show_file
from app.views.labels import name_of, shown_as
from app.views.menu import add_screen
from app.views.presentation import show_due, show_instant
from app.views.records import UNUSED, RecordView

ACT = READ | {"can_ask", "can_consent", "can_refuse", "can_withdraw", "can_proof"}
BADGES = {
    MoveState.ASKED: "soon",
    MoveState.DONE: "ok",
    MoveState.REFUSED: "late",
    MoveState.WITHDRAWN: "idle",
    MoveState.EXPIRED: "idle",
}
SIDES = {
    MoveSide.FROM: _l("Present superior unit"),
    MoveSide.TO: _l("New superior unit"),
    MoveSide.UNIT: _l("The unit itself"),
}


class MoveForm(f.PortalForm):
    """Where to, why, with what proof."""

    unit_code = f.text(
        _l("Code of the unit to be moved"),
        required=True,
        longest=32,
        hint=_l("The unit that is to come below yours."),
    )
    to_code = f.text(
        _l("Code of the new superior unit"),
        required=True,
        longest=32,
        hint=_l("HRSS department, competent department or unit that looks after it from now on."),
    )
    reason = f.reason()
    proof = f.upload(
        _l("Proof"),
        accept=".pdf,.jpg,.jpeg,.png",
        max_bytes=PROOF_LIMIT,
        hint=_l("The decision on the transfer; for a changed registration the new licence."),
    )
    registrar = f.text(
        _l("New registrar"),
        longest=120,
        hint=_l("Only if the registration has changed: the office on the new licence."),
    )
    division = f.lookup(
        _l("New administrative division"),
        Division,
        hint=_l("Only if it changes; it must lie inside that of the new superior unit."),
    )


class UnitMoveView(RecordView):
    """划转 of units."""

    route_base = "/unit-moves"
    datamodel = scoped(UnitMove, "unit", "from_unit", "to_unit")
    exclude_route_methods = {*UNUSED, "add", "edit"}
    grants = dict.fromkeys(
        (R.PROVINCE_HRSS, R.HRSS, R.COMPETENT_DEPARTMENT, R.UNIT_ADMIN, R.UNIT_HANDLER), ACT
    )
    list_title = _l("Moves of units")
    list_template = "units/moves.html"
    list_columns = ["unit", "from_unit", "to_unit", "state", "asked_at", "due_at"]
    search_columns = ["state"]
    order_columns = ["asked_at", "due_at"]
    label_columns = {
        "unit": _l("Unit"),
        "from_unit": _l("Present superior unit"),
        "to_unit": _l("New superior unit"),
        "state": _l("State"),
        "asked_at": _l("Asked at"),
        "due_at": _l("Answer due"),
    }
    formatters_columns = {
        "state": shown_as(MoveState),
        "asked_at": show_instant,
        "due_at": show_due,
    }
    search_form_extra_fields = {
        "state": SelectField(
            _l("State"), choices=lambda: [(s.value, name_of(s)) for s in MoveState]
        )
    }
    record_template = "units/move.html"

    # ---- the record

    def record_title(self, row: UnitMove) -> str:
        """Which unit is moved."""
        return str(_("Move of %(unit)s", unit=row.unit.name))

    def facts(self, row: UnitMove) -> list[tuple[Any, Any]]:
        """Where from, where to, why, until when."""
        found = [
            (_("Unit"), f"{row.unit.name} · {row.unit.code}"),
            (_("Present superior unit"), row.from_unit.name),
            (_("New superior unit"), f"{row.to_unit.name} · {row.to_unit.code}"),
            (_("Asked for by"), str(SIDES[row.asked_by_side])),
            (_("Reason"), row.reason),
            (_("Told of it"), row.told_unit.name),
        ]
        if row.registrar:
            found.append((_("New registrar"), row.registrar))
        if row.division:
            found.append((_("New administrative division"), row.division.name))
        if unit_moves.state_of_move(row, now=clock.now()) is MoveState.ASKED:
            found.append((_("Answer due"), show_due(row.due_at)))
        return found

    def record_context(self, row: UnitMove) -> dict[str, Any]:
        """State, who has consented, and what has happened."""
        state = unit_moves.state_of_move(row, now=clock.now())
        return {
            "badge": (BADGES[state], name_of(state)),
            "consents": [
                (str(SIDES[side]), unit_moves.unit_of_side(row, side).name, self._said(row, side))
                for side in CONSENTING
            ],
            "events": history(row),
            "proof_url": self.path("proof", row.id),
        }

    def _said(self, row: UnitMove, side: MoveSide) -> str:
        at = unit_moves.consented_at(row, side)
        return _("Consented on %(at)s", at=show_instant(at)) if at else _("not yet")

    def page_actions(self, row: UnitMove) -> list[dict[str, Any]]:
        """What this unit may answer now."""
        state = unit_moves.state_of_move(row, now=clock.now())
        found: list[dict[str, Any]] = []
        if state is not MoveState.ASKED:
            return found
        if unit_moves.side_to_decide(row, self.actor) is not None:
            found += self.button(
                "consent",
                row,
                _("Consent"),
                _("Consent to the move? With the consent of both sides it is carried out at once."),
                primary=True,
            )
            found += self.link("refuse", row.id, _("Refuse"), danger=True)
        if unit_moves.may_withdraw(row, self.actor):
            found += self.link("withdraw", row.id, _("Take the request back"))
        return found

    @expose("/proof/<pk>")
    @has_access
    def proof(self, pk: str) -> Any:
        """The uploaded proof."""
        row = self._readable(pk)
        return show_file(row.proof, row.proof_name)

    # ---- asking

    @expose("/ask/<pk>", methods=["GET", "POST"])
    @has_access
    def ask(self, pk: str) -> Any:
        """Ask for the move of a unit of one's own scope, or (`0`) of one that shall come below."""
        unit = self._unit(pk)
        form = MoveForm()
        hidden = self._prepare(form, unit)
        now = clock.now()

        def ask() -> UnitMove:
            moved = unit or unit_moves.find_superior(form.unit_code.data)
            code = form.to_code.data if unit is not None else ""
            superior = unit_moves.find_superior(code) if code else self._own_unit()
            return unit_moves.ask_move(
                unit_moves.MoveDraft(
                    unit_id=moved.id,
                    to_unit_id=superior.id,
                    reason=form.reason.data,
                    proof=read_proof("proof", now),
                    registrar=form.registrar.data or "" if "registrar" in form else "",
                    division_code=form.division.data.code if form.division.data else "",
                ),
                actor=self.actor,
                now=now,
            )

        return self.answer_form(
            form,
            _("Move a unit") if unit else _("Take a unit over"),
            ask,
            lambda row: self.saved(_("The move has been asked for."), self.path("show", row.id)),
            lead=unit.name if unit else self._own_unit().name,
            hidden=hidden,
            note=_(
                "Both superior units have to consent; the HRSS department above both is told. "
                "All units below move along; accounts and codes stay, applications under way keep "
                "their route."
            ),
            submit_label=_("Ask for the move"),
            back=f"/units/show/{unit.id}" if unit else self.path("list/"),
        )

    def _unit(self, pk: str) -> Unit | None:
        """The unit of the address in one's own scope; None for `0`, 404 for any other."""
        if pk == "0":
            return None
        scope = read_criterion(Unit, self.actor)
        if not is_key(pk):
            abort(404)
        row = db.session.scalar(select(Unit).where(Unit.id == int(pk), scope))
        if row is None:
            abort(404)
        if (refusal := unit_moves.why_not_movable(row)) is not None:
            abort(409, explain(refusal))
        return row

    def _own_unit(self) -> Unit:
        row = db.session.get(Unit, self.actor.unit_id) if self.actor.unit_id else None
        if row is None:
            abort(403)
        return row

    def _prepare(self, form: MoveForm, unit: Unit | None) -> list[str]:
        """Take out what this request does not need; the names of the fields not shown."""
        if unit is None:
            del form.to_code
        else:
            del form.unit_code
            if unit.kind is not UnitKind.NON_PUBLIC:
                del form.registrar
        return []

    # ---- answering

    @expose("/consent/<pk>", methods=["POST"])
    @has_access
    def consent(self, pk: str) -> Any:
        """Consent as one of the superiors."""
        row = self._readable(pk)
        now = clock.now()
        return self.perform(
            lambda: unit_moves.consent_to_move(
                row.id, expected_version=f.posted_version(), actor=self.actor, now=now
            ),
            _("Your consent has been recorded."),
            self.path("show", pk),
        )

    @expose("/refuse/<pk>", methods=["GET", "POST"])
    @has_access
    def refuse(self, pk: str) -> Any:
        """Refuse as one of the superiors."""
        return self.answer_reason(self._readable(pk), _("Refuse"), unit_moves.refuse_move)

    @expose("/withdraw/<pk>", methods=["GET", "POST"])
    @has_access
    def withdraw(self, pk: str) -> Any:
        """Take the own request back."""
        return self.answer_reason(
            self._readable(pk), _("Take the request back"), unit_moves.withdraw_move
        )


def history(row: UnitMove) -> list[dict[str, Any]]:
    """What has happened to a request, newest first."""
    asker = unit_moves.unit_of_side(row, row.asked_by_side).name
    found = [{"at": row.asked_at, "who": asker, "what": _("Move asked for"), "why": row.reason}]
    for side in CONSENTING:
        at = unit_moves.consented_at(row, side)
        if at is not None:
            who = unit_moves.unit_of_side(row, side).name
            found.append({"at": at, "who": who, "what": _("Consented"), "why": ""})
    if row.decided_at is not None:
        by = db.session.get(Account, row.decided_by_id) if row.decided_by_id else None
        who = by.unit.name if by is not None and by.unit is not None else ""
        found.append(
            {
                "at": row.decided_at,
                "who": who,
                "what": name_of(row.state),
                "why": row.decision_note,
            }
        )
    found.reverse()  # of what bears one minute the later stands first
    return sorted(found, key=lambda event: event["at"], reverse=True)


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(
        appbuilder, UnitMoveView, "Moves of units", label=_l("Moves of units"), category="master"
    )
