"""申报专业设置: the catalogue (series, groups, specialties) and the collection form of Annex 2."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from sqlalchemy.orm import selectinload
from wtforms import FieldList, Form, FormField, SelectField

from app import clock
from app.domain.terms import ProposalState, SpecialtyOrigin
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.messages import say
from app.models import (
    ProfessionalTitle,
    Series,
    Specialty,
    SpecialtyGroup,
    SpecialtyProposal,
    SpecialtyProposalLine,
)
from app.services import catalogue, specialties, specialty_sheets
from app.services.job_files import XLSX
from app.views import forms as f
from app.views.background_jobs import send_content
from app.views.base import READ, scoped
from app.views.labels import choices_of, name_of, shown_as
from app.views.menu import add_screen
from app.views.presentation import show_date
from app.views.records import UNUSED, RecordView
from app.views.sheets import SheetForm, SheetPage

READERS = (R.HRSS, R.COMPETENT_DEPARTMENT, R.UNIT_ADMIN, R.UNIT_HANDLER, R.COMMITTEE_OFFICE)
REPORTERS = (R.COMPETENT_DEPARTMENT, R.COMMITTEE_OFFICE)
EMPTY_ROWS = 5
MORE_ROWS = "more"


class SeriesView(RecordView):
    """职称系列."""

    route_base = "/series"
    screen_key = "series"
    fixed_fields = frozenset({"name"})
    datamodel = scoped(Series, "titles")
    grants = {R.PROVINCE_HRSS: READ, **dict.fromkeys(READERS, READ)}
    list_title = _l("Series")
    list_columns = ["name", "number", "titles", "is_confirmed"]
    search_columns = ["name"]
    order_columns = ["number", "name"]
    base_order = ("number", "asc")
    label_columns = {
        "name": _l("Series"),
        "number": _l("Number"),
        "titles": _l("Professional titles"),
        "is_confirmed": _l("Confirmed"),
    }
    formatters_columns = {"titles": lambda titles: "、".join(str(each) for each in titles)}
    record_template = "specialties/series.html"

    def facts(self, row: Series) -> list[tuple[Any, Any]]:
        """Titles by level, a fact each."""
        titles = db.session.scalars(
            select(ProfessionalTitle)
            .where(ProfessionalTitle.series_id == row.id)
            .order_by(ProfessionalTitle.level, ProfessionalTitle.position)
        ).all()
        by_level: dict[Any, list[str]] = {}
        for title in titles:
            by_level.setdefault(title.level, []).append(title.name)
        return [(name_of(level), "、".join(names)) for level, names in by_level.items()]

    def record_context(self, row: Series) -> dict[str, Any]:
        """Groups with their specialties."""
        groups = db.session.scalars(
            select(SpecialtyGroup)
            .where(SpecialtyGroup.series_id == row.id)
            .options(selectinload(SpecialtyGroup.specialties))
            .order_by(SpecialtyGroup.position, SpecialtyGroup.id)
        ).all()
        return {"groups": groups}


class SpecialtyForm(f.PortalForm):
    """A specialty of the catalogue; the columns of Annex 2."""

    group = f.lookup(_l("Specialty group"), SpecialtyGroup, required=True)
    number = f.number(_l("Serial number"), low=1, high=9999)
    name = f.text(_l("Name of the specialty"), required=True, longest=80)
    scope_note = f.area(_l("Related specialties and scope"))
    basis = f.area(_l("Basis"))
    is_active = f.tick(_l("Open to applications"))


class SpecialtyView(RecordView):
    """专业."""

    route_base = "/specialties"
    screen_key = "specialties"
    shaped_forms = (SpecialtyForm,)
    fixed_fields = frozenset({"name"})
    datamodel = scoped(Specialty, "group")
    exclude_route_methods = set(UNUSED)
    grants = {
        R.PROVINCE_HRSS: READ | {"can_add", "can_edit"},
        **dict.fromkeys(READERS, READ),
    }
    list_title = _l("Specialty catalogue")
    list_columns = ["name", "group", "number", "scope_note", "basis", "origin", "is_active"]
    search_columns = ["name", "group", "origin", "is_active"]
    order_columns = ["name", "number"]
    label_columns = {
        "name": _l("Name of the specialty"),
        "group": _l("Specialty group"),
        "number": _l("Serial number"),
        "scope_note": _l("Related specialties and scope"),
        "basis": _l("Basis"),
        "origin": _l("Origin"),
        "is_active": _l("Open to applications"),
    }
    formatters_columns = {"origin": shown_as(SpecialtyOrigin)}
    search_form_extra_fields = {
        "origin": SelectField(_l("Origin"), choices=lambda: choices_of(SpecialtyOrigin))
    }

    def record_values(self, row: Specialty) -> dict[str, Any]:
        """The series beside the columns of Annex 2."""
        return {"series": row.group.series.name}

    def page_actions(self, row: Specialty) -> list[dict[str, Any]]:
        """Change it."""
        return self.link("edit", row.id, _("Edit"), icon="pencil")

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Add a specialty directly; the usual way is a collection form."""
        return self._answer(SpecialtyForm(data={"is_active": True}), None, _("Add a specialty"))

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change a specialty or close it to applications."""
        row = self._readable(pk)
        form = SpecialtyForm(obj=row, data={"expected_version": row.version})
        return self._answer(form, row.id, row.name)

    def _answer(self, form: SpecialtyForm, row_id: int | None, title: Any) -> Any:
        now = clock.now()

        def save() -> Specialty:
            values = {
                key: form[key].data
                for key in ("number", "name", "scope_note", "basis", "is_active")
            }
            return catalogue.save_specialty(
                row_id,
                form.group.data.id,
                values,
                expected_version=form.version,
                actor=self.actor,
                now=now,
            )

        return self.answer_form(
            form, title, save, lambda row: self.saved(_("Saved."), self.path("show", row.id))
        )


class GroupForm(f.PortalForm):
    """A specialty group."""

    series = f.lookup(_l("Series"), Series, required=True)
    name = f.text(_l("Specialty group"), required=True, longest=80)
    position = f.number(_l("Order"), high=9999)


class GroupView(RecordView):
    """专业大类."""

    route_base = "/specialty-groups"
    screen_key = "specialty_groups"
    shaped_forms = (GroupForm,)
    fixed_fields = frozenset({"name"})
    datamodel = scoped(SpecialtyGroup, "series")
    exclude_route_methods = {*UNUSED, "show"}
    grants = {
        R.PROVINCE_HRSS: frozenset({"can_list", "can_add", "can_edit"}),
        **dict.fromkeys(READERS, frozenset({"can_list"})),
    }
    list_title = _l("Specialty groups")
    list_columns = ["name", "series", "position"]
    search_columns = ["name", "series"]
    order_columns = ["name", "position"]
    label_columns = {
        "name": _l("Specialty group"),
        "series": _l("Series"),
        "position": _l("Order"),
    }

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Add a group."""
        return self._answer(GroupForm(data={"position": 0}), None, _("Add a specialty group"))

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change a group."""
        row = self._readable(pk)
        return self._answer(GroupForm(obj=row), row.id, row.name)

    def _answer(self, form: GroupForm, row_id: int | None, title: Any) -> Any:
        now = clock.now()
        return self.answer_form(
            form,
            title,
            lambda: catalogue.save_group(
                row_id,
                form.series.data.id,
                form.name.data,
                form.position.data,
                actor=self.actor,
                now=now,
            ),
            lambda _row: self.saved(_("Saved."), self.path("list/")),
        )


# --------------------------------------------------------------------------- the collection form


class LineForm(Form):
    """A row of the collection form; its columns are those of Annex 2."""

    group_name = f.text(_l("Specialty group"), longest=80)
    number = f.number(_l("Serial number"), required=False, low=1, high=9999)
    specialty_name = f.text(_l("Name of the specialty"), longest=80)
    scope_note = f.area(_l("Related specialties and scope"), longest=2000)
    basis = f.area(_l("Basis"), longest=2000)


class ProposalForm(f.PortalForm):
    """职称申报专业设置采集表."""

    plan_year = f.number(_l("Plan year"), low=2000, high=2100)
    series = f.lookup(_l("Series"), Series, required=True)
    lines = FieldList(FormField(LineForm), max_entries=specialties.MOST_LINES + EMPTY_ROWS)

    def add_rows(self, count: int) -> None:
        """Append empty rows."""
        for _number in range(count):
            if len(self.lines.entries) < specialties.MOST_LINES:
                self.lines.append_entry()

    def proposed(self) -> list[specialties.ProposedLine]:
        """What was typed, blank rows included."""
        return [
            specialties.ProposedLine(
                group_name=entry.form.group_name.data or "",
                number=entry.form.number.data,
                specialty_name=entry.form.specialty_name.data or "",
                scope_note=entry.form.scope_note.data or "",
                basis=entry.form.basis.data or "",
            )
            for entry in self.lines.entries
        ]


class ProposalView(RecordView):
    """采集表."""

    route_base = "/proposals"
    datamodel = scoped(SpecialtyProposal, "series", "reporting_unit")
    exclude_route_methods = set(UNUSED)
    grants = {
        R.PROVINCE_HRSS: READ
        | {"can_adopt", "can_send_back", "can_put_off", "can_open", "can_add", "can_edit"}
        | {"can_report", "can_sheet", "can_upload"},
        **dict.fromkeys(
            REPORTERS, READ | {"can_add", "can_edit", "can_report", "can_sheet", "can_upload"}
        ),
    }
    list_title = _l("Specialty collection forms")
    list_columns = ["series", "reporting_unit", "plan_year", "reported_on", "state"]
    search_columns = ["series", "plan_year", "state"]
    order_columns = ["plan_year", "reported_on"]
    label_columns = {
        "series": _l("Series"),
        "reporting_unit": _l("Reporting unit"),
        "plan_year": _l("Plan year"),
        "reported_on": _l("Reporting date"),
        "state": _l("State"),
    }
    formatters_columns = {"state": shown_as(ProposalState), "reported_on": show_date}
    search_form_extra_fields = {
        "state": SelectField(_l("State"), choices=lambda: choices_of(ProposalState))
    }
    record_template = "specialties/proposal.html"

    def record_title(self, row: SpecialtyProposal) -> str:
        """Year and series."""
        return f"{row.plan_year} · {row.series.name}"

    def facts(self, row: SpecialtyProposal) -> list[tuple[Any, Any]]:
        """The head of the form."""
        return [
            (_("Reporting unit"), row.reporting_unit.name),
            (_("Reporting date"), show_date(row.reported_on)),
            (_("Series"), row.series.name),
            (_("State"), name_of(row.state)),
            (_("Note"), row.decision_note),
        ]

    def page_actions(self, row: SpecialtyProposal) -> list[dict[str, Any]]:
        """What may be done in this state."""
        state = row.state
        actions: list[dict[str, Any]] = []
        is_own = row.reporting_unit_id == self.actor.unit_id
        if is_own and state in {ProposalState.DRAFT, ProposalState.RETURNED}:
            actions += self.button("report", row, _("Report"), _("Report the form?"), primary=True)
            actions += self.link("edit", row.id, _("Edit"), icon="pencil")
            actions += self.link("upload", row.id, _("Fill in with Excel"), icon="upload")
        actions += self.link("sheet", row.id, _("Download as Excel"), icon="download")
        if state is ProposalState.REPORTED:
            actions += self.link("adopt", row.id, _("Adopt"), primary=True)
            actions += self.link("put_off", row.id, _("Next year"))
        if state is ProposalState.NEXT_YEAR:
            actions += self.link("open", row.id, _("Open for this year"))
        if state in {ProposalState.REPORTED, ProposalState.NEXT_YEAR}:
            actions += self.link("send_back", row.id, _("Return"))
        return actions

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Begin a form."""
        form = ProposalForm(data={"plan_year": clock.today().year})
        return self._answer(form, None, _("Specialty collection form"))

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change a draft."""
        row = self._readable(pk)
        given = {
            "plan_year": row.plan_year,
            "series": row.series,
            "expected_version": row.version,
            "lines": [_line_data(line) for line in row.lines],
        }
        return self._answer(ProposalForm(data=given), row.id, self.record_title(row))

    def _answer(self, form: ProposalForm, row_id: int | None, title: Any) -> Any:
        wants_more = request.method == "POST" and MORE_ROWS in request.form
        if wants_more or (request.method == "GET"):
            form.add_rows(EMPTY_ROWS)
        context = {
            "lead": _("Report it until 20 June; what comes later counts for the next year."),
            "back": self.path("list/"),
        }
        if wants_more:
            page = self.render_template(
                "specialties/proposal_form.html", form=form, title=title, **context
            )
            return page, 200
        now = clock.now()
        return self.answer_form(
            form,
            title,
            lambda: specialties.save_proposal(
                row_id,
                plan_year=form.plan_year.data,
                series_id=form.series.data.id,
                lines=form.proposed(),
                expected_version=form.version,
                actor=self.actor,
                now=now,
            ),
            lambda row: self.saved(
                _("The form is saved. Report it when it is complete."), self.path("show", row.id)
            ),
            template="specialties/proposal_form.html",
            **context,
        )

    @expose("/sheet/<pk>", methods=["GET"])
    @has_access
    def sheet(self, pk: str) -> Any:
        """The form as a workbook in the manner of Annex 2, with the lines entered so far."""
        row = self._readable(pk)
        name = f"{_('Specialty collection form')} {self.record_title(row)}.xlsx"
        return send_content(specialty_sheets.write_lines(row, say), name, XLSX)

    @expose("/upload/<pk>", methods=["GET", "POST"])
    @has_access
    def upload(self, pk: str) -> Any:
        """Take the lines of a filled-in workbook; whole or not at all."""
        row = self._readable(pk)
        form = SheetForm(data={"expected_version": row.version})
        now = clock.now()
        page = SheetPage(form, self.path("sheet", pk))
        return self.answer_form(
            form,
            _("Fill in with Excel"),
            lambda: page.read(
                lambda content: specialty_sheets.take_lines(
                    row.id,
                    content,
                    say,
                    expected_version=form.version,
                    actor=self.actor,
                    now=now,
                )
            ),
            lambda is_changed: self.saved(
                _("The lines have been taken over. Look at them, then report the form.")
                if is_changed
                else _("The sheet says what is on file already. Nothing has changed."),
                self.path("show", pk),
            ),
            template="master/sheet.html",
            lead=_("Download the form, fill in the lines in Excel, and upload it again."),
            back=self.path("show", pk),
            **page.context(),
        )

    @expose("/report/<pk>", methods=["POST"])
    @has_access
    def report(self, pk: str) -> Any:
        """Report a form to the province."""
        row = self._readable(pk)
        now = clock.now()
        return self.perform(
            lambda: specialties.report_proposal(
                row.id, expected_version=f.posted_version(), actor=self.actor, now=now
            ),
            _("The form has been reported."),
            self.path("show", pk),
        )

    @expose("/adopt/<pk>", methods=["GET", "POST"])
    @has_access
    def adopt(self, pk: str) -> Any:
        """Adopt a form into the catalogue."""
        return self._decide(pk, specialties.adopt_proposal, _("Adopt"), needs_reason=False)

    @expose("/put_off/<pk>", methods=["GET", "POST"])
    @has_access
    def put_off(self, pk: str) -> Any:
        """Leave a form for the next year."""
        return self._decide(pk, specialties.put_off_proposal, _("Next year"))

    @expose("/open/<pk>", methods=["GET", "POST"])
    @has_access
    def open(self, pk: str) -> Any:
        """Let a late form count for this year."""
        return self._decide(pk, specialties.open_for_this_year, _("Open for this year"))

    @expose("/send_back/<pk>", methods=["GET", "POST"])
    @has_access
    def send_back(self, pk: str) -> Any:
        """Return a form for correction."""
        return self._decide(pk, specialties.return_proposal, _("Return"))

    def _decide(self, pk: str, service: Any, label: Any, *, needs_reason: bool = True) -> Any:
        row = self._readable(pk)
        shown = {"expected_version": row.version}
        form = f.ReasonForm(data=shown) if needs_reason else NoteForm(data=shown)
        now = clock.now()
        return self.answer_form(
            form,
            label,
            lambda: service(
                row.id,
                form.reason.data or "",
                expected_version=form.version,
                actor=self.actor,
                now=now,
            ),
            lambda _row: self.saved(_("Decided."), self.path("show", pk)),
            lead=self.record_title(row),
            submit_label=label,
            back=self.path("show", pk),
        )


class NoteForm(f.PortalForm):
    """A remark that may stay empty."""

    reason = f.area(_l("Note"), longest=1000)


def _line_data(line: SpecialtyProposalLine) -> dict[str, Any]:
    keys = ("group_name", "number", "specialty_name", "scope_note", "basis")
    return {key: getattr(line, key) for key in keys}


def register(appbuilder: Any) -> None:
    """Add the screens."""
    add_screen(appbuilder, SeriesView, "Series", label=_l("Series"), category="master")
    add_screen(
        appbuilder, SpecialtyView, "Specialties", label=_l("Specialty catalogue"), category="master"
    )
    add_screen(
        appbuilder, GroupView, "Specialty groups", label=_l("Specialty groups"), category="master"
    )
    add_screen(
        appbuilder,
        ProposalView,
        "Collection forms",
        label=_l("Specialty collection forms"),
        category="master",
    )
