"""公示: opening it for several people at once, its page with proof and objections, and what the
people of the unit see."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar

from flask import abort, flash, redirect, request, url_for
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app import clock
from app.domain.errors import DomainError
from app.domain.terms import ObjectionFinding, PublicityKind
from app.domain.workflow import Action, State
from app.domain.workflow import ActorRole as R
from app.extensions import db, unit_of_work
from app.messages import explain
from app.models import Application, Objection, Publicity, StoredFile
from app.security.actors import current_actor
from app.security.scope import ScopedInterface, read_criterion
from app.services import contents, employer, facts, materials, objections, publicity
from app.services.actors import Actor
from app.services.settings import load_calendar, parameter
from app.services.windows import window_of
from app.views import forms as f
from app.views.application_forms import in_words
from app.views.base import ALL, READ, PortalView
from app.views.due import settle_first
from app.views.files import show_file
from app.views.menu import add_screen
from app.views.presentation import show_instant
from app.views.records import RecordView

UNIT_STAFF = (R.UNIT_ADMIN, R.UNIT_HANDLER)
SUPERIORS = (R.COMPETENT_DEPARTMENT, R.HRSS, R.PROVINCE_HRSS)
STAFF = (*UNIT_STAFF, *SUPERIORS, R.COMMITTEE_OFFICE)
PEOPLE = (*STAFF, R.APPLICANT, R.EXPERT, R.CHAIR, R.SUPERVISOR)
MOST = 200
"""Applications the batch page lists; the rest appears when these are done."""

PROOF_TYPES = ("pdf", "jpg", "png")

FINDING_LABELS = {
    ObjectionFinding.UNFOUNDED: _l("Unfounded"),
    ObjectionFinding.UPHELD: _l("Upheld"),
}


def kind_label(kind: PublicityKind) -> str:
    """What a publicity is of."""
    is_result = kind is PublicityKind.RESULT
    return str(_("Result publicity") if is_result else _("Publicity of the unit"))


def condition_of(row: Publicity, now: datetime) -> tuple[str, str]:
    """(badge kind, words) of a publicity: scheduled, running, on hold, over, ended early."""
    if row.closed_at is not None:
        complete = facts.is_complete(row)
        return ("ok", _("Over")) if complete else ("idle", _("Ended early"))
    if row.opened_at is None:
        return "idle", _("Scheduled")
    if row.application.state is State.ON_HOLD:
        return "soon", _("On hold for an objection")
    return ("active", _("Running")) if row.ends_at and now < row.ends_at else ("ok", _("Over"))


def show_application(value: Any) -> str:
    """An application in one line of a list."""
    return f"{value.number} · {value.person.name} · {value.employer.name}" if value else ""


def _with_people(path: Any) -> list[Any]:
    return [path.selectinload(Application.person), path.selectinload(Application.employer)]


class _PublicityInterface(ScopedInterface):
    """Loads the applications of a page with their people, in one query each."""

    def apply_all(self, *args: Any, **kwargs: Any) -> Any:
        path = selectinload(Publicity.application)
        return super().apply_all(*args, **kwargs).options(*_with_people(path))


class _ObjectionInterface(ScopedInterface):
    """The same for objections."""

    def apply_all(self, *args: Any, **kwargs: Any) -> Any:
        path = selectinload(Objection.publicity).selectinload(Publicity.application)
        return super().apply_all(*args, **kwargs).options(*_with_people(path))


# --------------------------------------------------------------------------- staff


class ProofForm(f.PortalForm):
    """The proof of the posting on site."""

    posted_from = f.day(_l("First full day on site"))
    posted_to = f.day(_l("Last full day on site"))
    file = f.upload(
        _l("Photo or scan of the posting"),
        accept=".pdf,.jpg,.jpeg,.png",
        max_bytes=5 * 1024 * 1024,
        hint=_l("pdf, jpg or png"),
    )


class ExtendForm(f.PortalForm):
    """How much longer."""

    working_days = f.number(_l("Working days more"), low=1, high=30)
    reason = f.reason()


class PublicityView(RecordView):
    """公示: every posting in one's scope with its days, proof and objections."""

    route_base = "/publicities"
    datamodel = _PublicityInterface(Publicity)
    base_permissions = [
        "can_list",
        "can_show",
        "can_prove",
        "can_proof_file",
        "can_extend",
        "can_cancel",
    ]
    grants = {
        **dict.fromkeys(UNIT_STAFF, READ | {"can_prove", "can_proof_file", "can_cancel"}),
        R.COMPETENT_DEPARTMENT: READ | {"can_prove", "can_proof_file", "can_cancel"},
        **dict.fromkeys(
            (R.HRSS, R.PROVINCE_HRSS),
            READ | {"can_prove", "can_proof_file", "can_cancel", "can_extend"},
        ),
        R.COMMITTEE_OFFICE: READ | {"can_proof_file"},
    }
    list_title = _l("Publicities")
    list_columns = [
        "application",
        "kind",
        "opened_at",
        "ends_on",
        "closed_at",
    ]
    order_columns: ClassVar[list[str]] = ["opened_at", "ends_on"]
    search_columns: ClassVar[list[str]] = ["opened_at", "ends_on"]
    label_columns = {
        "application": _l("Application"),
        "kind": _l("Kind"),
        "opened_at": _l("Opened"),
        "ends_on": _l("Last day"),
        "closed_at": _l("Closed"),
    }
    formatters_columns = {
        "application": show_application,
        "kind": lambda value: kind_label(PublicityKind(value)) if value else "",
        "opened_at": show_instant,
        "closed_at": show_instant,
    }
    base_order = ("id", "desc")
    record_template = "publicity/record.html"

    def record_title(self, row: Publicity) -> str:
        return f"{kind_label(row.kind)} · {row.application.number}"

    def facts(self, row: Publicity) -> list[tuple[Any, Any]]:
        site = f"{row.on_site_from} – {row.on_site_to}" if row.on_site_from else ""
        return [
            (_("Applicant"), row.application.person.name),
            (_("Employer"), row.application.employer.name),
            (_("Scheduled for"), show_instant(row.scheduled_for)),
            (_("Opened"), show_instant(row.opened_at)),
            (_("Days counted"), "、".join(row.days)),
            (_("Ends"), _("24:00 of %(day)s", day=row.ends_on) if row.ends_on else ""),
            (
                _("Forwards automatically"),
                _("Yes") if row.forwards_automatically else _("No"),
            ),
            (_("Posted on site"), site),
            (_("Proof uploaded"), show_instant(row.on_site_proof_at)),
            (_("Closed"), show_instant(row.closed_at)),
        ]

    def record_context(self, row: Publicity) -> dict[str, Any]:
        readable = read_criterion(Objection, self.actor)
        found = db.session.scalars(
            select(Objection)
            .where(Objection.publicity_id == row.id, readable)
            .order_by(Objection.id)
        ).all()
        return {
            "condition": condition_of(row, clock.now()),
            "objections": found,
            "finding_labels": FINDING_LABELS,
            "application_url": url_for("ApplicationView.show", pk=row.application_id),
            "proof_url": self.path("proof_file", row.id) if row.on_site_proof_sha256 else "",
        }

    def page_actions(self, row: Publicity) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        is_mine = row.kind is PublicityKind.EMPLOYER and self._is_unit(row)
        state = row.application.state
        if (
            is_mine
            and row.opened_at
            and state
            in {
                State.IN_PUBLICITY,
                State.ON_HOLD,
                State.PUBLICIZED,
            }
        ):
            label = _("Upload the proof of the posting on site")
            found += self.link("prove", row.id, label, primary=not row.on_site_proof_at)
        if (
            row.closed_at is None
            and row.opened_at
            and state
            in {
                State.IN_PUBLICITY,
                State.IN_RESULT_PUBLICITY,
                State.ON_HOLD,
            }
        ):
            found += self.link("extend", row.id, _("Lengthen the publicity"))
        if is_mine and row.opened_at is None and row.closed_at is None:
            found += self.button(
                "cancel", row, _("Cancel the schedule"), _("Cancel the scheduled opening?")
            )
        return found

    def _acted_on(self, pk: str) -> Any:
        """The publicity as the clock left it."""
        settle_first([self._readable(pk).application_id])
        return self._readable(pk)

    def _is_unit(self, row: Publicity) -> bool:
        try:
            publicity.require_unit(row.application, self.actor)
        except DomainError:
            return False
        return True

    @expose("/prove/<pk>", methods=["GET", "POST"])
    @has_access
    def prove(self, pk: str) -> Any:
        """Upload the proof of the posting on site."""
        row = self._acted_on(pk)
        form = ProofForm()
        if not form.is_submitted() and row.starts_on:
            form.posted_from.data, form.posted_to.data = row.starts_on, row.ends_on
        return self.answer_form(
            form,
            _("Proof of the posting on site"),
            lambda: self._store_proof(row, form),
            lambda _result: self.saved(_("The proof is on file."), self.path("show", row.id)),
            lead=f"{row.application.number} · {row.application.person.name}",
            back=self.path("show", row.id),
            submit_label=_("Upload"),
            note=_(
                "The list must hang in the unit on the same five full working days as in the "
                "system: %(days)s.",
                days="、".join(row.days),
            ),
        )

    def _store_proof(self, row: Publicity, form: ProofForm) -> Any:
        limit = int(parameter("file_max_bytes"))
        sent = f.read_upload("file", limit)
        if sent is None:
            raise materials.FileRefusedError(_("Choose the file with the proof."))
        name, content = sent
        now = clock.now()
        file = materials.store_file(
            content, name, allowed_types=PROOF_TYPES, max_bytes=limit, now=now
        )
        return publicity.upload_on_site_proof(
            row.id,
            file=file,
            posted_from=form.posted_from.data,
            posted_to=form.posted_to.data,
            actor=self.actor,
            now=now,
        )

    @expose("/proof_file/<pk>", methods=["GET"])
    @has_access
    def proof_file(self, pk: str) -> Any:
        """The proof itself."""
        row = self._readable(pk)
        if row.on_site_proof_sha256 is None:
            abort(404)
        return show_file(db.session.get_one(StoredFile, row.on_site_proof_sha256))

    @expose("/extend/<pk>", methods=["GET", "POST"])
    @has_access
    def extend(self, pk: str) -> Any:
        """Lengthen a publicity."""
        row = self._acted_on(pk)
        form = ExtendForm()
        return self.answer_form(
            form,
            _("Lengthen the publicity"),
            lambda: publicity.extend_publicity(
                row.id,
                working_days=form.working_days.data,
                reason=form.reason.data,
                actor=self.actor,
                now=clock.now(),
            ),
            lambda _result: self.saved(
                _("The publicity is lengthened."), self.path("show", row.id)
            ),
            lead=f"{row.application.number} · {row.application.person.name}",
            back=self.path("show", row.id),
        )

    @expose("/cancel/<pk>", methods=["POST"])
    @has_access
    def cancel(self, pk: str) -> Any:
        """Take back a scheduled opening."""
        row = self._acted_on(pk)
        return self.perform(
            lambda: employer.cancel_scheduled(row.id, actor=self.actor, now=clock.now()),
            _("The scheduled opening is cancelled."),
            self.path("show", row.id),
        )


# --------------------------------------------------------------------------- several at once


class BatchForm(f.PortalForm):
    """Opinion and time, the same for everybody chosen."""

    opinion = f.area(_l("Recommendation opinion of the unit"), required=True, longest=2000)
    on_site_promised = f.tick(
        _l("The list is also posted in the unit for the same working days"),
        hint=_l("Proof of it is uploaded before the application is forwarded."),
    )
    scheduled_for = f.BeijingDateTimeField(
        _l("Open at"),
        [f.validators.Optional(), f._plausible_instant],
        description=_l("Empty: now. A Saturday or Sunday is possible; Beijing time."),
        widget=f.PortalInput("datetime-local"),
    )
    forwards_automatically = f.tick(
        _l("Forward automatically when the publicity ends without objection"),
        hint=_l("Needs the proof of the posting on site by the end of the publicity."),
    )


class OpenPublicityView(PortalView):
    """公示多人: choose people, see what will happen, open or schedule."""

    route_base = "/open-publicities"
    default_view = "choose"
    grants = dict.fromkeys((*UNIT_STAFF, *SUPERIORS), ALL)

    @expose("/", methods=["GET", "POST"])
    @has_access
    def choose(self) -> Any:
        """The people waiting for a publicity, and the form that opens it for those ticked."""
        actor, now = current_actor(), clock.now()
        settle_first(row.id for row, _why in waiting_for_publicity(actor, now))
        rows = waiting_for_publicity(actor, now)
        form = BatchForm()
        status = 200
        chosen = {key for key in request.form.getlist("application") if key.isdigit()}
        if request.method == "POST":
            status = 422
            if not chosen:
                form.refuse(str(_("Tick at least one application.")))
            elif form.validate():
                return self._open(rows, chosen, form, actor, now)
        elif not form.is_submitted():
            chosen = {str(row.id) for row, why in rows if not why}
        page = self.render_template(
            "publicity/open.html",
            title=_("Open publicities"),
            form=form,
            rows=rows,
            chosen=chosen,
            period=publicity.compute_period(now),
            latest_on=latest_openings(rows),
        )
        return page, status

    def _open(
        self,
        rows: list[tuple[Application, str]],
        chosen: set[str],
        form: BatchForm,
        actor: Actor,
        now: datetime,
    ) -> Any:
        versions = {
            row.id: (row.number, row.version) for row, _why in rows if str(row.id) in chosen
        }
        done, refused = 0, []
        for pk, (number, version) in versions.items():
            try:
                with unit_of_work():
                    employer.open_publicity(
                        pk,
                        opinion=form.opinion.data or "",
                        on_site_promised=bool(form.on_site_promised.data),
                        scheduled_for=form.scheduled_for.data,
                        forwards_automatically=bool(form.forwards_automatically.data),
                        actor=actor,
                        now=now,
                        expected_version=_shown_version(pk, version),
                    )
                done += 1
            except DomainError as error:
                refused.append(f"{number}: {explain(error)}")
        if done:
            text = (
                _("%(count)s publicities are scheduled.", count=done)
                if form.scheduled_for.data
                else _("%(count)s publicities are open.", count=done)
            )
            flash(text, "success")
        for line in refused:
            flash(line, "danger")
        return redirect(url_for("OpenPublicityView.choose"), 303)


def _shown_version(pk: int, version: int) -> int:
    text = request.form.get(f"version-{pk}", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else version


def waiting_for_publicity(actor: Actor, now: datetime) -> list[tuple[Application, str]]:
    """The applications my unit checks, each with the reason why it cannot be opened, or ''."""
    rows = db.session.scalars(
        select(Application)
        .where(
            read_criterion(Application, actor),
            Application.holder_unit_id == actor.unit_id,
            Application.state == State.IN_EMPLOYER_CHECK,
        )
        .order_by(Application.due_at, Application.id)
        .limit(MOST)
    )
    found = []
    for row in rows:
        try:
            employer.check_publicize(row, actor, now=now)
        except DomainError as error:
            found.append((row, explain(error)))
        else:
            found.append((row, ""))
    return found


def latest_openings(rows: list[tuple[Application, str]]) -> dict[int, date]:
    """By plan line: the last day to open a publicity that still ends before D + 10 (A3)."""
    calendar = load_calendar()
    return {
        row.plan_line_id: window_of(row.plan_line).latest_publicity_on(calendar)
        for row, _why in rows
    }


# --------------------------------------------------------------------------- objections


class DecideForm(f.PortalForm):
    """The finding on an objection."""

    finding = f.choice(
        _l("Finding"),
        lambda: (
            [("", str(_("Please choose")))]
            + [(member.value, str(label)) for member, label in FINDING_LABELS.items()]
        ),
    )
    text = f.area(_l("What was looked into, and what it showed"), required=True, longest=4000)


class ObjectionView(RecordView):
    """异议: raised, looked into, decided; the applicant never learns who objected (F2)."""

    route_base = "/objections"
    datamodel = _ObjectionInterface(Objection)
    base_permissions = ["can_list", "can_show", "can_decide"]
    grants = {
        **dict.fromkeys(STAFF, READ | {"can_decide"}),
    }
    list_title = _l("Objections")
    list_columns = ["number", "publicity", "raised_at", "finding", "decided_at"]
    order_columns: ClassVar[list[str]] = ["raised_at"]
    search_columns: ClassVar[list[str]] = ["number", "raised_at"]
    label_columns = {
        "number": _l("Number"),
        "publicity": _l("Application"),
        "raised_at": _l("Raised at"),
        "finding": _l("Finding"),
        "decided_at": _l("Decided at"),
    }
    formatters_columns = {
        "publicity": lambda value: show_application(value.application) if value else "",
        "raised_at": show_instant,
        "decided_at": show_instant,
        "finding": lambda value: FINDING_LABELS[ObjectionFinding(value)] if value else "",
    }
    base_order = ("id", "desc")

    def record_title(self, row: Objection) -> str:
        return str(_("Objection %(number)s", number=row.number))

    def facts(self, row: Objection) -> list[tuple[Any, Any]]:
        application = row.publicity.application
        knows = self._decides(row)
        return [
            (_("Application"), f"{application.number} · {application.person.name}"),
            (_("Raised at"), show_instant(row.raised_at)),
            (_("Objection"), row.body),
            (_("Named"), _("Yes") if row.is_named else _("No")),
            (_("Name of the objector"), (row.objector_name or "") if knows else "***"),
            (_("Contact details"), (row.objector_contact or "") if knows else "***"),
            (_("Finding"), FINDING_LABELS[row.finding] if row.finding else ""),
            (_("What was looked into, and what it showed"), row.finding_text),
            (_("Decided at"), show_instant(row.decided_at)),
        ]

    def _decides(self, row: Objection) -> bool:
        """Whether the actor's unit looks into it; its applicant never does."""
        application = row.publicity.application
        if row.publicity.kind is PublicityKind.EMPLOYER:
            try:
                publicity.require_unit(application, self.actor)
            except DomainError:
                return False
            return True
        is_office = self.actor.unit_id == application.committee.convener_id
        return is_office and self.actor.has_role(R.COMMITTEE_OFFICE)

    def page_actions(self, row: Objection) -> list[dict[str, Any]]:
        if row.finding is not None or not self._decides(row):
            return []
        return self.link("decide", row.id, _("Decide the objection"), primary=True)

    def _readable(self, pk: str) -> Any:
        row = super()._readable(pk)
        if row.publicity.application.person_id == self.actor.person_id:
            abort(404)
        return row

    @expose("/decide/<pk>", methods=["GET", "POST"])
    @has_access
    def decide(self, pk: str) -> Any:
        """Write the finding; upheld, decline or return the application."""
        settle_first([self._readable(pk).publicity.application_id])
        row = self._readable(pk)
        if not self._decides(row):
            abort(403)
        form = self._form(row)
        return self.answer_form(
            form,
            _("Decide objection %(number)s", number=row.number),
            lambda: self._decide(row, form),
            lambda _result: self.saved(_("The objection is decided."), self.path("show", row.id)),
            lead=row.body[:200],
            back=self.path("show", row.id),
            submit_label=_("Decide"),
        )

    def _form(self, row: Objection) -> Any:
        fields: dict[str, Any] = {}
        if row.publicity.kind is PublicityKind.EMPLOYER:
            application = row.publicity.application
            fields["outcome"] = f.choice(
                _l("If upheld"),
                lambda: [
                    (Action.DECLINE.value, str(_("Do not recommend the application"))),
                    (Action.RETURN.value, str(_("Return it to the applicant; new publicity"))),
                ],
                required=False,
            )
            fields["sections"] = f.several(
                _l("Sections the applicant may change"),
                lambda: [
                    (key, in_words(label))
                    for key, label in contents.section_labels(application).items()
                ],
                hint=_l("Only for a return."),
            )
        return type("DecideForm", (DecideForm,), fields)()

    def _decide(self, row: Objection, form: Any) -> Any:
        outcome = form.outcome.data if "outcome" in form else ""
        return objections.decide_objection(
            row.id,
            finding=ObjectionFinding(form.finding.data),
            text=form.text.data,
            outcome=Action(outcome) if outcome else Action.DECLINE,
            unlocked_sections=(form.sections.data or []) if "sections" in form else [],
            actor=self.actor,
            now=clock.now(),
        )


# --------------------------------------------------------------------------- people of the unit


class UnitPublicityView(PortalView):
    """单位公示: for signed-in people of the unit and its superior units, while it runs (F1)."""

    route_base = "/unit-publicities"
    default_view = "home"
    grants = dict.fromkeys(PEOPLE, ALL)

    @expose("/")
    @has_access
    def home(self) -> Any:
        """The running publicities."""
        rows = publicity.visible_publicities(current_actor(), now=clock.now())
        return self.render_template(
            "publicity/unit_list.html",
            title=_("Publicities of my unit"),
            rows=rows,
            layout=_layout(),
        )

    @expose("/<int:publicity_id>", methods=["GET", "POST"])
    @has_access
    def page(self, publicity_id: int) -> Any:
        """One publicity with the form for an objection; 404 after the period."""
        actor, now = current_actor(), clock.now()
        running = {row.id: row for row in publicity.visible_publicities(actor, now=now)}
        row = running.get(publicity_id)
        if row is None:
            abort(404)
        form = _ObjectionForm()
        status = 200
        if request.method == "POST":
            status = 422
            if form.validate():
                try:
                    with unit_of_work():
                        number = objections.raise_objection(
                            publicity_id,
                            body=form.body.data,
                            name=form.name.data or "",
                            contact=form.contact.data,
                            actor=actor,
                            now=now,
                        ).number
                except DomainError as error:
                    status = error.http_status
                    form.refuse(explain(error))
                    row = db.session.get_one(Publicity, publicity_id)
                else:
                    text = _(
                        "Your objection is on file. Keep its number: %(number)s.", number=number
                    )
                    flash(text, "success")
                    return redirect(url_for("UnitPublicityView.home"), 303)
        page = self.render_template(
            "publicity/unit_page.html",
            title=_("Publicity of %(name)s", name=row.application.person.name),
            row=row,
            form=form,
            is_own=row.application.person_id == actor.person_id,
            layout=_layout(),
        )
        return page, status


class _ObjectionForm(f.PortalForm):
    body = f.area(
        _l("Objection"),
        required=True,
        longest=5000,
        hint=_l("What is wrong, and where it can be checked."),
    )
    name = f.text(
        _l("Name"), longest=60, hint=_l("A named objection is answered. You may leave it empty.")
    )
    contact = f.text(
        _l("Contact details"),
        required=True,
        longest=120,
        hint=_l("Telephone or another way to reach you."),
    )


def _layout() -> str:
    is_staff = current_actor().has_role(*STAFF, R.SUPERVISOR)
    return "layout/base.html" if is_staff else "layout/public.html"


def register(appbuilder: Any) -> None:
    """Add the screens."""
    for view, name, label, icon in (
        (OpenPublicityView, "Open publicities", _l("Open publicities"), "speakerphone"),
        (PublicityView, "Publicities", _l("Publicities"), "calendar-event"),
        (ObjectionView, "Objections", _l("Objections"), "messages"),
        (UnitPublicityView, "Publicities of my unit", _l("Publicities of my unit"), "eye"),
    ):
        add_screen(appbuilder, view, name, label=label, category="publicity", icon=icon)
