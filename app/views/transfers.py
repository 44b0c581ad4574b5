"""转入申请: asked for by a unit or by the person, answered by the present unit, decided by the HRSS
department (rules E7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import abort, request, url_for
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from wtforms import SelectField

from app import clock
from app.domain.calendar import beijing_date
from app.domain.terms import ApplicantKind, IdentityDocument, TransferState
from app.domain.transfers import OPEN_STATES
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import Person, PersonnelAffiliation, PersonTransfer, Unit
from app.security.scope import in_subtree
from app.services import transfers
from app.services.affiliations import present_affiliation
from app.services.people import PersonDraft
from app.services.settings import parameter
from app.services.units import unit_ref
from app.views import forms as f
from app.views.accounts import PersonForm
from app.views.base import READ, scoped
from app.views.files import read_proof, show_file
from app.views.labels import choices_of, name_of, shown_as
from app.views.menu import add_screen
from app.views.presentation import show_date, show_due, show_instant
from app.views.proofs import proof_field
from app.views.records import UNUSED, RecordView

S = TransferState
ASK = READ | {"can_add", "can_withdraw", "can_take_up", "can_turn_down", "can_proof"}
ANSWER = ASK | {"can_release", "can_objection"}
BADGES = {
    S.RELEASED: "ok",
    S.GRANTED: "ok",
    S.REFUSED: "late",
    S.WITHDRAWN: "idle",
    S.EXPIRED: "idle",
    S.ESCALATED: "soon",
}


class AskForm(PersonForm):
    """Somebody who has an account already, and why the person comes."""

    is_handler = None
    phone = None
    reason = f.reason(_l("Why the person comes to your unit"))
    proof = proof_field(_l("Labour contract, social insurance record or transfer order."))


class ReleaseForm(f.PortalForm):
    """From when the person belongs to the new unit."""

    starts_on = f.day(
        _l("First day in the new unit"),
        hint=_l("The affiliation with your unit ends the day before; there is no gap."),
    )
    note = f.area(_l("Remark"), longest=1000)


class DecisionForm(f.PortalForm):
    """The decision of the HRSS department."""

    grant = f.choice(
        _l("Decision"),
        lambda: [
            ("", ""),
            ("yes", str(_("The person is transferred"))),
            ("no", str(_("The person stays"))),
        ],
    )
    starts_on = f.day(_l("First day in the new unit"), required=False)
    reason = f.reason(_l("Reason; both units and the person read it"))


class TakeUpForm(f.PortalForm):
    """The new unit confirms that the person works there."""

    declared = f.tick(_l("I declare that this person belongs to our unit"), required=True)


class TransferView(RecordView):
    """转入申请 between units."""

    route_base = "/person-transfers"
    datamodel = scoped(PersonTransfer, "person", "to_unit")
    exclude_route_methods = {*UNUSED, "edit"}
    grants = {
        R.UNIT_ADMIN: ANSWER,
        R.UNIT_HANDLER: ANSWER,
        R.COMPETENT_DEPARTMENT: ANSWER,
        R.HRSS: ANSWER | {"can_decide"},
        R.PROVINCE_HRSS: ANSWER | {"can_decide"},
    }
    list_title = _l("Transfers of people")
    list_columns = ["person", "to_unit", "state", "asked_at", "due_at"]
    search_columns = ["state"]
    order_columns = ["asked_at", "due_at"]
    label_columns = {
        "person": _l("Name"),
        "to_unit": _l("New unit"),
        "state": _l("State"),
        "asked_at": _l("Asked at"),
        "due_at": _l("Answer due"),
    }
    formatters_columns = {
        "state": shown_as(TransferState),
        "asked_at": show_instant,
        "due_at": show_due,
    }
    search_form_extra_fields = {
        "state": SelectField(_l("State"), choices=lambda: choices_of(TransferState))
    }
    record_template = "transfers/show.html"

    # ---- the record

    def record_title(self, row: PersonTransfer) -> str:
        """Who is to be transferred."""
        return str(_("Transfer of %(name)s", name=row.person.name))

    def facts(self, row: PersonTransfer) -> list[tuple[Any, Any]]:
        """Who, where from, where to; the asking unit does not learn more than it typed itself."""
        state = transfers.state_of(row, now=clock.now())
        found = [
            (_("Name"), row.person.name),
            (_("Document number"), row.person.identity_mask),
            (_("The person is"), name_of(row.applicant_kind)),
            (_("Present unit"), self._present_unit(row)),
            (_("New unit"), row.to_unit.name),
            (_("Reason"), row.reason),
            (_("Decides in the end"), row.decider_unit.name),
        ]
        if state in {S.ASKED, S.PROPOSED}:
            found.append((_("Answer due"), show_due(row.due_at)))
        if row.starts_on:
            found.append((_("First day in the new unit"), show_date(row.starts_on)))
        return found

    def _present_unit(self, row: PersonTransfer) -> str:
        """Its name, for those who look after it; others learn nothing of it."""
        knows = (
            self.actor.has_role(R.PROVINCE_HRSS)
            or row.from_unit_id == self.actor.unit_id
            or (self.actor.has_role(R.HRSS) and in_subtree(row.from_unit.path, self.actor))
            or row.person_id == self.actor.person_id
        )
        return row.from_unit.name if knows else str(_("not disclosed"))

    def record_context(self, row: PersonTransfer) -> dict[str, Any]:
        """State, what blocks it, and what has happened."""
        state = transfers.state_of(row, now=clock.now())
        is_open = state in OPEN_STATES
        return {
            "badge": (BADGES.get(state, "active"), name_of(state)),
            "blocked_by": transfers.is_blocked(row) if is_open else "",
            "events": history(row),
            "proof_url": self.path("proof", row.id) if row.proof_sha256 else "",
        }

    def page_actions(self, row: PersonTransfer) -> list[dict[str, Any]]:
        """What this unit or department may do now."""
        state = transfers.state_of(row, now=clock.now())
        actor = self.actor
        acts = actor.has_role(*transfers.UNIT_ROLES) and row.person_id != actor.person_id
        is_from, is_to = (acts and actor.unit_id == u for u in (row.from_unit_id, row.to_unit_id))
        found: list[dict[str, Any]] = []
        if is_to and state is S.PROPOSED:
            found += self.link("take_up", row.id, _("Take up"), primary=True)
            found += self.link("turn_down", row.id, _("Turn down"), danger=True)
        if is_from and state in {S.ASKED, S.ESCALATED} and row.person_objected_at is None:
            found += self.link("release", row.id, _("Release"), primary=state is S.ASKED)
        if is_from and state is S.ASKED:
            found += self.link("objection", row.id, _("Object"), danger=True)
        if state is S.ESCALATED and transfers.decides(row, actor):
            found += self.link("decide", row.id, _("Decide"), primary=True)
        if is_to and state in {S.ASKED, S.ESCALATED} and not row.is_own_wish:
            found += self.link("withdraw", row.id, _("Take the request back"))
        return found

    @expose("/proof/<pk>")
    @has_access
    def proof(self, pk: str) -> Any:
        """The uploaded proof."""
        row = self._readable(pk)
        if row.proof is None:
            abort(404)
        return show_file(row.proof, row.proof_name)

    # ---- asking

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Ask for somebody another unit has; filled in by the form that creates accounts."""
        form = AskForm()
        unit = db.session.get(Unit, self.actor.unit_id) if self.actor.unit_id else None
        if unit is None:
            abort(403)
        now = clock.now()
        texts = {
            "lead": unit.name,
            "submit_label": _("Ask for the transfer"),
            "back": self.path("list/"),
            "note": _(
                "The present unit has %(days)s working days to release the person or to object; "
                "otherwise the HRSS department decides. The person is told.",
                days=parameter("transfer_working_days"),
            ),
        }
        if request.method == "POST" and "reason" not in request.form:
            return self.render_template(
                "master/form.html", form=form, title=_("Ask for a transfer"), **texts
            )

        def ask() -> PersonTransfer:
            draft = PersonDraft(
                name=form.name.data,
                identity_document=IdentityDocument(form.identity_document.data),
                identity_number=form.identity_number.data,
                phone="",
                applicant_kind=ApplicantKind(form.applicant_kind.data),
            )
            return transfers.ask_transfer(
                draft,
                unit=unit_ref(unit),
                reason=form.reason.data,
                declared=bool(form.declared.data),
                proof=read_proof("proof", now),
                actor=self.actor,
                now=now,
            )

        return self.answer_form(
            form,
            _("Ask for a transfer"),
            ask,
            lambda row: self.saved(
                _("The transfer has been asked for."), self.path("show", row.id)
            ),
            **texts,
        )

    # ---- answering

    @expose("/take_up/<pk>", methods=["GET", "POST"])
    @has_access
    def take_up(self, pk: str) -> Any:
        """Take up the wish of a person."""
        row = self._readable(pk)
        form = TakeUpForm(data={"expected_version": row.version})
        return self._answer(
            row,
            form,
            _("Take up"),
            lambda now: transfers.take_up_transfer(
                row.id,
                declared=bool(form.declared.data),
                expected_version=form.version,
                actor=self.actor,
                now=now,
            ),
            note=_(
                "Annex 3: creating personal accounts for people of other units counts as "
                "misconduct."
            ),
        )

    @expose("/turn_down/<pk>", methods=["GET", "POST"])
    @has_access
    def turn_down(self, pk: str) -> Any:
        """Turn down the wish of a person."""
        return self.answer_reason(self._readable(pk), _("Turn down"), transfers.turn_down_transfer)

    @expose("/withdraw/<pk>", methods=["GET", "POST"])
    @has_access
    def withdraw(self, pk: str) -> Any:
        """Take the own request back."""
        return self.answer_reason(
            self._readable(pk), _("Take the request back"), transfers.withdraw_transfer
        )

    @expose("/release/<pk>", methods=["GET", "POST"])
    @has_access
    def release(self, pk: str) -> Any:
        """Release the person."""
        row = self._readable(pk)
        today = beijing_date(clock.now())
        form = ReleaseForm(data={"expected_version": row.version, "starts_on": today})
        return self._answer(
            row,
            form,
            _("Release"),
            lambda now: transfers.release_transfer(
                row.id,
                form.starts_on.data,
                form.note.data or "",
                expected_version=form.version,
                actor=self.actor,
                now=now,
            ),
            note=_(
                "The account goes to %(unit)s at once; the role of a handler ends.",
                unit=row.to_unit.name,
            ),
        )

    @expose("/objection/<pk>", methods=["GET", "POST"])
    @has_access
    def objection(self, pk: str) -> Any:
        """Object as the present unit."""
        return self.answer_reason(self._readable(pk), _("Object"), transfers.object_transfer)

    @expose("/decide/<pk>", methods=["GET", "POST"])
    @has_access
    def decide(self, pk: str) -> Any:
        """Decide as the HRSS department."""
        row = self._readable(pk)
        today = beijing_date(clock.now())
        form = DecisionForm(data={"expected_version": row.version, "starts_on": today})
        return self._answer(
            row,
            form,
            _("Decide"),
            lambda now: transfers.decide_transfer(
                row.id,
                grant=form.grant.data == "yes",
                starts_on=form.starts_on.data,
                reason=form.reason.data,
                expected_version=form.version,
                actor=self.actor,
                now=now,
            ),
        )

    def _answer(
        self,
        row: PersonTransfer,
        form: Any,
        title: Any,
        work: Callable[[datetime], Any],
        **more: Any,
    ) -> Any:
        now = clock.now()
        return self.answer_form(
            form,
            title,
            lambda: work(now),
            lambda done: self.saved(name_of(done.state), self.path("show", row.id)),
            lead=self.record_title(row),
            back=self.path("show", row.id),
            submit_label=title,
            **more,
        )


def history(row: PersonTransfer) -> list[dict[str, Any]]:
    """What has happened to a request, newest first."""
    person = row.person.name
    asker = person if row.is_own_wish else row.to_unit.name
    found = [{"at": row.asked_at, "who": asker, "what": _("Transfer asked for"), "why": row.reason}]
    if row.taken_up_at:
        found.append(
            {"at": row.taken_up_at, "who": row.to_unit.name, "what": _("Taken up"), "why": ""}
        )
    if row.objected_at:
        found.append(
            {
                "at": row.objected_at,
                "who": _("Present unit"),
                "what": _("Objection of the present unit"),
                "why": row.objection,
            }
        )
    if row.person_objected_at:
        found.append(
            {
                "at": row.person_objected_at,
                "who": person,
                "what": _("Objection of the person"),
                "why": row.person_objection,
            }
        )
    if row.escalated_at:
        late = row.objected_at is None and row.person_objected_at is None
        found.append(
            {
                "at": row.escalated_at,
                "who": "",
                "what": _("Passed on to %(unit)s", unit=row.decider_unit.name),
                "why": _("No answer within the working days.") if late else "",
                "is_late": late,
            }
        )
    if row.decided_at:
        found.append(
            {
                "at": row.decided_at,
                "who": "",
                "what": name_of(row.state),
                "why": row.decision_note,
            }
        )
    found.sort(key=lambda event: event["at"])
    return found[::-1]


# --------------------------------------------------------------------------- the person


class OwnForm(f.PortalForm):
    """Where the person wants to go."""

    to_code = f.text(
        _l("Unit code of the new unit"),
        required=True,
        longest=32,
        hint=_l("Its unified social credit code, or the code the system has given to it."),
    )
    applicant_kind = f.choice(_l("The person is"), lambda: choices_of(ApplicantKind))
    reason = f.reason(_l("Why you change units"))


class OwnTransferView(RecordView):
    """我的人事隶属关系: one's own affiliations and transfers."""

    route_base = "/my/affiliation"
    default_view = "home"
    datamodel = scoped(PersonTransfer)
    class_permission_name = "OwnTransferView"
    exclude_route_methods = {*UNUSED, "list", "show", "add", "edit"}
    grants = {R.APPLICANT: frozenset({"*"})}

    @expose("/")
    @has_access
    def home(self) -> Any:
        """Where one belongs, and the transfers asked for."""
        person = db.session.get_one(Person, self._person_id())
        now = clock.now()
        rows = db.session.scalars(
            select(PersonTransfer)
            .where(PersonTransfer.person_id == person.id)
            .order_by(PersonTransfer.id.desc())
        ).all()
        affiliations = db.session.execute(
            select(PersonnelAffiliation, Unit.name)
            .join(Unit, Unit.id == PersonnelAffiliation.unit_id)
            .where(PersonnelAffiliation.person_id == person.id)
            .order_by(PersonnelAffiliation.starts_on.desc())
        ).all()
        return self.render_template(
            "transfers/own.html",
            title=_("My personnel affiliation"),
            present=present_affiliation(person.id),
            affiliations=affiliations,
            requests=[self._describe(row, now) for row in rows],
            may_ask=not any(transfers.state_of(row, now=now) in OPEN_STATES for row in rows),
        )

    def _describe(self, row: PersonTransfer, now: datetime) -> dict[str, Any]:
        state = transfers.state_of(row, now=now)
        may_object = (
            state in {S.ASKED, S.ESCALATED}
            and not row.is_own_wish
            and row.person_objected_at is None
        )
        return {
            "row": row,
            "badge": (BADGES.get(state, "active"), name_of(state)),
            "due": show_due(row.due_at) if state in {S.ASKED, S.PROPOSED} else "",
            "events": history(row),
            "object_url": self.path("objection", row.id) if may_object else "",
            "withdraw_url": (
                self.path("withdraw", row.id) if row.is_own_wish and state in OPEN_STATES else ""
            ),
            "blocked_by": transfers.is_blocked(row) if state in OPEN_STATES else "",
        }

    @expose("/ask", methods=["GET", "POST"])
    @has_access
    def ask(self) -> Any:
        """Ask for the own transfer."""
        form = OwnForm()
        now = clock.now()
        home = url_for("OwnTransferView.home")
        title = _("Ask for the transfer to another unit")
        return self.answer_form(
            form,
            title,
            lambda: transfers.propose_transfer(
                form.to_code.data,
                ApplicantKind(form.applicant_kind.data),
                form.reason.data,
                actor=self._self(),
                now=now,
            ),
            lambda _row: self.saved(_("Your request has been sent."), home),
            template="transfers/own_form.html",
            back=home,
            submit_label=title,
            lead=_(
                "The new unit has to take your request up, then your present unit answers within "
                "%(days)s working days; otherwise the HRSS department decides.",
                days=parameter("transfer_working_days"),
            ),
        )

    @expose("/objection/<pk>", methods=["GET", "POST"])
    @has_access
    def objection(self, pk: str) -> Any:
        """Object to being transferred."""
        return self._answer_own(
            pk,
            _("Object to the transfer"),
            transfers.object_as_person,
            _("Your objection is on file; the HRSS department decides."),
        )

    @expose("/withdraw/<pk>", methods=["GET", "POST"])
    @has_access
    def withdraw(self, pk: str) -> Any:
        """Take the own request back."""
        return self._answer_own(
            pk,
            _("Take the request back"),
            transfers.withdraw_transfer,
            _("The request has been taken back."),
        )

    def _answer_own(self, pk: str, title: Any, work: Callable[..., Any], done: Any) -> Any:
        row = self._own(pk)
        return self.answer_reason(
            row,
            title,
            work,
            lambda _row: self.saved(done, url_for("OwnTransferView.home")),
            template="transfers/own_form.html",
            lead=row.to_unit.name,
            back=url_for("OwnTransferView.home"),
        )

    def _self(self) -> Any:
        self._person_id()
        return self.actor

    def _person_id(self) -> int:
        if self.actor.person_id is None:
            abort(403)
        return self.actor.person_id

    def _own(self, pk: str) -> PersonTransfer:
        row = self._readable(pk)
        if row.person_id != self._person_id():
            abort(404)
        return row


def register(appbuilder: Any) -> None:
    """Add the screens."""
    add_screen(
        appbuilder, TransferView, "Transfers", label=_l("Transfers of people"), category="master"
    )
    appbuilder.add_view_no_menu(OwnTransferView)
