"""参数、节假日安排、理由代码、字典: what the province sets without a programmer."""

from __future__ import annotations

from typing import Any

from flask import abort, g
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from wtforms import SelectField

from app import clock
from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.domain.terms import DayKind, IdentityDocument
from app.domain.workflow import ACTION_LABELS, Action
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import Dictionary, DictionaryEntry, HolidayYear, Parameter, ReasonCode
from app.services import calendars, parameters
from app.services.options import save_entry, save_reason
from app.views import forms as f
from app.views.base import READ, scoped
from app.views.labels import LABELS
from app.views.menu import add_screen
from app.views.records import UNUSED, RecordView

SETTERS = (R.SYSTEM_ADMIN, R.PROVINCE_HRSS)
MAX_UPLOAD = 256 * 1024

GROUPS = (
    (
        _l("Dates of the year"),
        ("drafting", "call_", "late_call", "authority_", "specialty_prop", "accounts_due"),
    ),
    (
        _l("Publicity"),
        ("unit_push", "employer_publicity", "result_publicity", "publicity_", "auto_forward"),
    ),
    (_l("Routing and reminders"), ("node_", "relay_", "reminder_", "expiry_")),
    (_l("Correction and return"), ("host_", "count_new")),
    (
        _l("Eligibility"),
        ("applications_per", "seniority", "retirement", "appraisal", "continuing", "credit_"),
    ),
    (
        _l("Committees and meetings"),
        (
            "committee_",
            "filing_validity",
            "expert_",
            "meetings_",
            "quorum",
            "pass_",
            "recused",
            "opinions",
            "reserve",
            "draw_",
            "ballot_",
            "oral_",
            "representative_",
        ),
    ),
    (
        _l("Results and certificates"),
        ("filing_after", "certificate_", "meeting_record", "draft_ret"),
    ),
    (
        _l("Accounts and codes"),
        (
            "transfer_",
            "second_signature",
            "dormant_",
            "account_",
            "login_",
            "shared_",
            "password_",
            "identity_",
            "derived_",
            "unit_move_",
            "import_",
            "job_",
        ),
    ),
)
"""Which parameters stand together, by the beginning of their keys; the rest comes last."""


class ValueForm(f.PortalForm):
    """The new value of a parameter."""

    value = f.text(_l("Value"), required=True, longest=300)
    reason = f.reason()


class ChoiceForm(f.PortalForm):
    """The new value of a parameter that offers a few."""

    value = SelectField(_l("Value"), choices=[])
    reason = f.reason()


class ListForm(f.PortalForm):
    """The new value of a parameter that is several of a few."""

    value = f.several(_l("Value"), list)
    reason = f.reason()


class ParameterView(RecordView):
    """参数."""

    route_base = "/parameters"
    datamodel = scoped(Parameter)
    exclude_route_methods = {*UNUSED, "add"}
    grants = {**dict.fromkeys(SETTERS, READ | {"can_edit"}), R.AUDIT_ADMIN: READ}
    list_columns = ["label", "value"]
    search_columns = ["label"]
    base_order = ("position", "asc")
    label_columns = {"label": _l("Parameter"), "value": _l("Value")}

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """All parameters in groups, with where they come from and whether they are confirmed."""
        rows = db.session.scalars(select(Parameter).order_by(Parameter.position)).all()
        self.update_redirect()
        return self.render_template(
            "settings/parameters.html",
            title=_("Parameters"),
            groups=_group([*rows]),
            show_value=show_parameter,
            may_edit=self.may("can_edit"),
        )

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change one parameter; fixed ones are shown with their clause and refused."""
        row = db.session.get(Parameter, pk) if "\0" not in pk else None
        if row is None:
            abort(404)
        form = _form_of(row)
        form.value.description = _hint(row)
        now = clock.now()
        return self.answer_form(
            form,
            row.label,
            lambda: parameters.change_parameter(
                row.key,
                parameters.show_value(form.value.data),
                expected_version=form.version,
                reason=form.reason.data,
                actor=self.actor,
                now=now,
            ),
            lambda _row: self.saved(_("The parameter has been changed."), self.path("list/")),
            lead=row.clause,
            note=_fixed_note(row),
        )


def _form_of(row: Parameter) -> Any:
    """The form for a value: several boxes, a drop-down, or a line of text."""
    options, version = _options(row), row.version
    if not options:
        return ValueForm(
            data={"value": parameters.show_value(row.value), "expected_version": version}
        )
    if isinstance(row.default, list):
        ticked = [str(each) for each in row.value]
        form: Any = ListForm(data={"value": ticked, "expected_version": version})
    else:
        chosen = parameters.show_value(row.value)
        form = ChoiceForm(data={"value": chosen, "expected_version": version})
    form.value.choices = options
    return form


def _group(rows: list[Parameter]) -> list[tuple[Any, list[Parameter]]]:
    left = dict.fromkeys(rows)
    groups: list[tuple[Any, list[Parameter]]] = []
    for label, prefixes in GROUPS:
        chosen = [row for row in left if row.key.startswith(prefixes)]
        for row in chosen:
            del left[row]
        groups.append((label, chosen))
    groups.append((_("Files and others"), [*left]))
    return [(label, chosen) for label, chosen in groups if chosen]


def show_parameter(row: Parameter) -> str:
    """A value for reading, with its unit."""
    if isinstance(row.value, bool):
        return _("Yes") if row.value else _("No")
    shown = name_value(row.value)
    return f"{shown} {show_unit(row.unit)}" if row.unit else shown


VALUES = {
    "sms_code": N_("SMS code"),
    "essc": N_("E-social-security card"),
    "none": N_("Nobody"),
    "personal": N_("Personal accounts"),
    "all": N_("All accounts"),
    "djbh3": N_("Protection level 3: 3 kinds of characters, regular change for staff"),
    "asvs": N_("ASVS: length alone, no regular change"),
    "next_workday": N_("The next working day"),
    "same_day_if_before_09": N_("The same working day if opened before 09:00"),
    "ballot_day": N_("The day of the ballot"),
    "confirmation_day": N_("The day of the confirmation"),
    **{kind.value: name for kind, name in LABELS[IdentityDocument].items()},
}
"""The words among the values of parameters."""


def name_value(value: Any) -> str:
    """A value for reading: words by their names."""
    if isinstance(value, list):
        return "、".join(name_value(each) for each in value)
    return str(_(VALUES[value])) if value in VALUES else parameters.show_value(value)


UNITS = {
    "applicants": N_("applicants"),
    "applications": N_("applications"),
    "ballots": N_("ballots"),
    "bytes": N_("bytes"),
    "characters": N_("characters"),
    "days": N_("natural days"),
    "experts": N_("experts"),
    "hours": N_("hours"),
    "hours_per_year": N_("hours a year"),
    "levels": N_("levels"),
    "megabytes": N_("megabytes"),
    "meetings": N_("meetings"),
    "members": N_("members"),
    "minutes": N_("minutes"),
    "opinions": N_("opinions"),
    "rows": N_("rows"),
    "times": N_("times"),
    "units": N_("units"),
    "working_days": N_("working days"),
    "works": N_("works"),
    "years": N_("years"),
}


def show_unit(unit: str) -> str:
    """What a figure counts."""
    return str(_(UNITS[unit])) if unit in UNITS else unit


def _options(row: Parameter) -> list[tuple[str, str]]:
    if row.kind == "boolean":
        return [("true", _("Yes")), ("false", _("No"))]
    return [(str(each), name_value(each)) for each in row.options or []]


def _hint(row: Parameter) -> str:
    is_list = isinstance(row.default, list)
    if is_list or (row.minimum is None and row.maximum is None):
        return _("Default: %(value)s", value=name_value(row.default))
    return _(
        "Default: %(value)s; from %(minimum)s to %(maximum)s",
        value=name_value(row.default),
        minimum="…" if row.minimum is None else row.minimum,
        maximum="…" if row.maximum is None else row.maximum,
    )


def _fixed_note(row: Parameter) -> str:
    if row.is_fixed:
        return _("Fixed by %(clause)s; it is shown here and cannot be changed.", clause=row.clause)
    if not row.is_confirmed:
        return _("To be confirmed by the provincial HRSS department: the notice names no figure.")
    return ""


# ------------------------------------------------------------------ calendar


class YearForm(f.PortalForm):
    """The arrangement of a year: pasted lines, or a file."""

    year = f.number(_l("Year"), low=calendars.FIRST_YEAR, high=calendars.LAST_YEAR)
    source = f.text(
        _l("Source"), required=True, hint=_l("The State Council's notice and its number.")
    )
    lines = f.area(
        _l("Days"),
        longest=20_000,
        hint=_l(
            "One a line: 2022-10-01 National Day, or 2022-10-08 workday for a make-up workday."
        ),
    )
    file = f.upload(
        _l("Or a file"),
        accept=".yaml,.yml,.csv,.xlsx",
        max_bytes=MAX_UPLOAD,
        hint=_l("YAML, or a table with date and name; it replaces the lines."),
    )


class CalendarView(RecordView):
    """节假日安排."""

    route_base = "/calendar"
    datamodel = scoped(HolidayYear)
    exclude_route_methods = set(UNUSED)
    grants = {**dict.fromkeys(SETTERS, READ | {"can_add", "can_edit"}), R.AUDIT_ADMIN: READ}
    list_title = _l("Working-day calendar")
    list_columns = ["year", "source", "version", "is_published"]
    search_columns = ["year", "is_published"]
    order_columns = ["year"]
    base_order = ("year", "desc")
    label_columns = {
        "year": _l("Year"),
        "source": _l("Source"),
        "version": _l("Version"),
        "is_published": _l("Arrangement published"),
    }
    record_template = "settings/calendar.html"

    def record_title(self, row: HolidayYear) -> str:
        """The year."""
        return _("Working-day calendar of %(year)s", year=row.year)

    def facts(self, row: HolidayYear) -> list[tuple[Any, Any]]:
        """Source, version and sums."""
        worked = sum(day.kind is DayKind.MAKEUP_WORKDAY for day in row.days)
        return [
            (_("Source"), row.source),
            (_("Version"), row.version),
            (_("Days off"), len(row.days) - worked),
            (_("Make-up workdays"), worked),
        ]

    def page_actions(self, row: HolidayYear) -> list[dict[str, Any]]:
        """Change the days."""
        return self.link("edit", row.year, _("Edit"), icon="pencil")

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Enter a year."""
        return self._answer(YearForm(), _("Add a year"))

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change the days of a year."""
        row = self._readable(pk)
        given = {"year": row.year, "source": row.source, "lines": calendars.show_lines(row)}
        return self._answer(YearForm(data=given), self.record_title(row))

    def _answer(self, form: YearForm, title: Any) -> Any:
        now = clock.now()
        return self.answer_form(
            form,
            title,
            lambda: calendars.save_year(
                form.year.data, _read_days(form), form.source.data, actor=self.actor, now=now
            ),
            lambda row: self.saved(
                _("The calendar has been saved as version %(version)s.", version=row.version),
                self.path("show", row.year),
            ),
        )


def _read_days(form: YearForm) -> list[calendars.Day]:
    uploaded = f.read_upload("file", MAX_UPLOAD)
    if uploaded is None:
        return calendars.parse_lines(form.lines.data or "")
    name, content = uploaded
    if len(content) > MAX_UPLOAD:
        raise RuleViolation(N_("The file is too large for a list of days. Choose another one."))
    return calendars.parse_file(content, name)


# ------------------------------------------------------------------ reason codes, dictionaries

USES = {
    **{
        action.value: ACTION_LABELS[action]
        for action in (
            *(Action.RETURN, Action.DECLINE, Action.REJECT, Action.TRANSFER, Action.REROUTE),
            *(Action.REINSTATE, Action.WITHDRAW, Action.DISQUALIFY, Action.REVOKE),
        )
    },
    "reschedule": N_("Reschedule"),
}
"""What reasons are asked for."""


def show_use(use: str) -> str:
    """What a reason is used for."""
    return str(_(USES[use])) if use in USES else use


class ReasonCodeForm(f.PortalForm):
    """A reason."""

    use = SelectField(_l("Used for"), choices=lambda: [(key, show_use(key)) for key in USES])
    code = f.text(_l("Code"), required=True, longest=40)
    name = f.text(_l("Wording"), required=True, longest=120)
    source = f.text(_l("Source"), longest=60)
    position = f.number(_l("Order"), high=9999)
    is_active = f.tick(_l("Offered"))


class ReasonCodeView(RecordView):
    """理由代码."""

    route_base = "/reasons"
    screen_key = "reason_codes"
    shaped_forms = (ReasonCodeForm,)
    fixed_fields = frozenset({"name"})
    datamodel = scoped(ReasonCode)
    exclude_route_methods = {*UNUSED, "show"}
    grants = {role: frozenset({"can_list", "can_add", "can_edit"}) for role in SETTERS}
    list_title = _l("Reason codes")
    list_columns = ["name", "use", "code", "source", "is_active"]
    search_columns = ["name", "use", "is_active"]
    order_columns = ["use", "position", "name"]
    base_order = ("use", "asc")
    label_columns = {
        "name": _l("Wording"),
        "use": _l("Used for"),
        "code": _l("Code"),
        "source": _l("Source"),
        "is_active": _l("Offered"),
    }
    formatters_columns = {"use": show_use}

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Enter a reason."""
        return self._answer(ReasonCodeForm(data={"is_active": True, "position": 0}), None)

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change a reason or offer it no longer."""
        row = self._readable(pk)
        return self._answer(ReasonCodeForm(obj=row), row.id)

    def _answer(self, form: ReasonCodeForm, row_id: int | None) -> Any:
        now = clock.now()
        return self.answer_form(
            form,
            _("Reason code"),
            lambda: save_reason(row_id, _values(form), actor=self.actor, now=now),
            lambda _row: self.saved(_("Saved."), self.path("list/")),
        )


class EntryForm(f.PortalForm):
    """An option of a dictionary."""

    dictionary = f.choice(_l("Dictionary"), lambda: _dictionaries())
    code = f.text(_l("Code"), required=True, longest=40)
    name = f.text(_l("Wording"), required=True, longest=80)
    position = f.number(_l("Order"), high=9999)
    is_active = f.tick(_l("Offered"))


def _dictionaries() -> list[tuple[str, str]]:
    rows = db.session.execute(
        select(Dictionary.key, Dictionary.name).order_by(Dictionary.position, Dictionary.key)
    )
    return [(key, name) for key, name in rows]


def show_dictionary(key: str) -> str:
    """The name of a dictionary; all are read once a request."""
    if "dictionary_names" not in g:
        g.dictionary_names = dict(_dictionaries())
    return str(g.dictionary_names.get(key, key))


class DictionaryView(RecordView):
    """字典."""

    route_base = "/dictionaries"
    screen_key = "dictionary_entries"
    shaped_forms = (EntryForm,)
    fixed_fields = frozenset({"name"})
    datamodel = scoped(DictionaryEntry)
    exclude_route_methods = {*UNUSED, "show"}
    grants = {role: frozenset({"can_list", "can_add", "can_edit"}) for role in SETTERS}
    list_title = _l("Dictionaries")
    list_columns = ["name", "dictionary", "code", "position", "is_active"]
    search_columns = ["name", "dictionary", "is_active"]
    order_columns = ["dictionary", "name", "position"]
    base_order = ("dictionary", "asc")
    label_columns = {
        "name": _l("Wording"),
        "dictionary": _l("Dictionary"),
        "code": _l("Code"),
        "position": _l("Order"),
        "is_active": _l("Offered"),
    }
    formatters_columns = {"dictionary": show_dictionary}
    search_form_extra_fields = {
        "dictionary": SelectField(_l("Dictionary"), choices=lambda: _dictionaries())
    }

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Enter an option."""
        return self._answer(EntryForm(data={"is_active": True, "position": 0}), None)

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change an option's text or order; its code is kept, because rows carry it."""
        row = self._readable(pk)
        return self._answer(EntryForm(obj=row), row.id)

    def _answer(self, form: EntryForm, row_id: int | None) -> Any:
        now = clock.now()
        return self.answer_form(
            form,
            _("Option of a dictionary"),
            lambda: save_entry(row_id, _values(form), actor=self.actor, now=now),
            lambda _row: self.saved(_("Saved."), self.path("list/")),
            note=_("A code that rows carry already is kept.") if row_id else "",
        )


def _values(form: f.PortalForm) -> dict[str, Any]:
    return {
        name: value
        for name, value in form.data.items()
        if name not in {"csrf_token", "expected_version"}
    }


def register(appbuilder: Any) -> None:
    """Add the screens."""
    add_screen(
        appbuilder, DictionaryView, "Dictionaries", label=_l("Dictionaries"), category="screens"
    )
    add_screen(
        appbuilder, ReasonCodeView, "Reason codes", label=_l("Reason codes"), category="screens"
    )
    add_screen(appbuilder, ParameterView, "Parameters", label=_l("Parameters"), category="system")
    add_screen(
        appbuilder, CalendarView, "Calendar", label=_l("Working-day calendar"), category="system"
    )
