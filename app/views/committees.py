"""评委会: filings of authority, material requirements, calls, experts and pools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import abort, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from sqlalchemy.orm import selectinload
from wtforms import SelectField

from app import clock
from app.domain.terms import (
    CallState,
    CommitteeLevel,
    CommitteeScope,
    FilingState,
    PanelRole,
    TitleLevel,
)
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import (
    AuthorityFiling,
    CallForApplications,
    Committee,
    Division,
    EvaluationPlan,
    Expert,
    ExpertPoolMember,
    MaterialRequirement,
    PlanCategory,
    PlanLine,
    ReviewAuthority,
    Series,
    Specialty,
    SpecialtyGroup,
)
from app.security.actors import current_actor
from app.services import calls, committee_setup, committees, experts
from app.services.settings import parameter
from app.services.windows import window_of
from app.views import forms as f
from app.views.base import READ, scoped
from app.views.labels import choices_of, shown_as
from app.views.menu import add_screen
from app.views.presentation import show_date, show_instant
from app.views.records import UNUSED, RecordView

OFFICE = (R.COMMITTEE_OFFICE, R.PROVINCE_HRSS)
READERS = (R.HRSS, R.COMPETENT_DEPARTMENT, R.SUPERVISOR)


# ------------------------------------------------------------------ committees


class CommitteeForm(f.PortalForm):
    """A committee; its convening unit is that of the office (the province may choose)."""

    name = f.text(_l("Review committee"), required=True, longest=120)
    series = f.lookup(_l("Series"), Series, required=True)
    category_slug = f.choice(_l("Category of the plan"), lambda: _categories())
    scope_kind = f.choice(_l("Formed by"), lambda: choices_of(CommitteeScope))
    level = f.choice(_l("Committee level"), lambda: choices_of(CommitteeLevel))
    division = f.lookup(_l("Region"), Division, required=True)
    member_size = f.number(
        _l("Number of members"), low=1, high=999, hint=_l("An odd number (rules of Order 40).")
    )
    is_self_reviewing = f.tick(_l("Of a self-reviewing unit"))
    has_oral_defence = f.tick(_l("Oral defence"))
    representative_works = f.number(_l("Representative works, at most"), high=20)
    contact_name = f.text(_l("Contact"), longest=60)
    contact_phone = f.text(_l("Telephone of the contact"), longest=40)
    is_active = f.tick(_l("Active"))


def _categories() -> list[tuple[str, str]]:
    rows = db.session.execute(
        select(PlanCategory.slug, PlanCategory.name)
        .join(PlanLine, PlanLine.id == PlanCategory.plan_line_id)
        .join(EvaluationPlan, EvaluationPlan.id == PlanLine.plan_id)
        .order_by(EvaluationPlan.year.desc(), PlanLine.number, PlanCategory.position)
    )
    return list({slug: (slug, name) for slug, name in rows}.values())


class CommitteeView(RecordView):
    """评委会."""

    route_base = "/committees"
    screen_key = "committees"
    shaped_forms = (CommitteeForm,)
    fixed_fields = frozenset({"name", "convener"})
    datamodel = scoped(Committee, "convener", "series", "division")
    exclude_route_methods = set(UNUSED)
    grants = {
        **dict.fromkeys(OFFICE, READ | {"can_add", "can_edit", "can_pool", "can_unpool"}),
        **dict.fromkeys(READERS, READ),
    }
    list_title = _l("Review committees")
    list_columns = ["name", "convener", "series", "level", "division", "member_size", "is_active"]
    search_columns = ["name", "convener", "series", "level", "division", "is_active"]
    order_columns = ["name", "member_size"]
    base_order = ("name", "asc")
    label_columns = {
        "name": _l("Review committee"),
        "convener": _l("Convening unit"),
        "series": _l("Series"),
        "level": _l("Committee level"),
        "division": _l("Region"),
        "member_size": _l("Number of members"),
        "is_active": _l("Active"),
    }
    formatters_columns = {"level": shown_as(CommitteeLevel)}
    search_form_extra_fields = {
        "level": SelectField(_l("Committee level"), choices=lambda: choices_of(CommitteeLevel))
    }
    record_template = "committees/show.html"

    def record_values(self, row: Committee) -> dict[str, Any]:
        """The category in words."""
        return {
            "category_slug": dict(_categories()).get(row.category_slug, row.category_slug),
            "division": row.division.name,
        }

    def _is_own(self, row: Committee) -> bool:
        return self.actor.has_role(R.PROVINCE_HRSS) or (
            self.actor.has_role(R.COMMITTEE_OFFICE) and row.convener_id == self.actor.unit_id
        )

    def record_context(self, row: Committee) -> dict[str, Any]:
        """Filings, calls and materials; the pool for its office and the province only (D6)."""
        is_own = self._is_own(row)
        pool = (
            db.session.scalars(
                select(ExpertPoolMember)
                .where(ExpertPoolMember.committee_id == row.id)
                .options(
                    selectinload(ExpertPoolMember.expert).selectinload(Expert.person),
                    selectinload(ExpertPoolMember.expert).selectinload(Expert.unit),
                )
                .order_by(ExpertPoolMember.expert_id)
            ).all()
            if is_own
            else []
        )
        return {
            "is_own": is_own,
            "pool": pool,
            "filings": _ordered(AuthorityFiling, row, AuthorityFiling.plan_year.desc()),
            "calls": _ordered(CallForApplications, row, CallForApplications.id.desc()),
            "requirements": _ordered(MaterialRequirement, row, MaterialRequirement.position),
        }

    def page_actions(self, row: Committee) -> list[dict[str, Any]]:
        """What the office does with its committee."""
        if not self._is_own(row):
            return []
        return [
            *self.link("edit", row.id, _("Edit"), icon="pencil"),
            {"label": _("New filing"), "url": f"/filings/add?committee={row.id}"},
            {"label": _("New call"), "url": f"/calls/add?committee={row.id}"},
            {
                "label": _("New material requirement"),
                "url": f"/materials-setup/add?committee={row.id}",
            },
            *self.link("pool", row.id, _("Add an expert to the pool")),
        ]

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Build a committee."""
        given = {
            "is_active": True,
            "representative_works": 0,
            "member_size": 11,
            "has_oral_defence": parameter("oral_defence_default"),
        }
        return self._answer(CommitteeForm(data=given), None, _("Add a review committee"))

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change a committee."""
        row = self._readable(pk)
        form = CommitteeForm(obj=row, data={"expected_version": row.version})
        return self._answer(form, row.id, row.name)

    def _answer(self, form: CommitteeForm, row_id: int | None, title: Any) -> Any:
        now = clock.now()

        def save() -> Committee:
            skipped = {"csrf_token", "expected_version", "series", "division"}
            values = {key: value for key, value in form.data.items() if key not in skipped}
            values |= {
                "series_id": form.series.data.id,
                "division_code": form.division.data.code,
                "scope_kind": CommitteeScope(values["scope_kind"]),
                "level": CommitteeLevel(values["level"]),
            }
            return committee_setup.save_committee(
                row_id, values, expected_version=form.version, actor=self.actor, now=now
            )

        return self.answer_form(
            form, title, save, lambda row: self.saved(_("Saved."), self.path("show", row.id))
        )

    @expose("/pool/<pk>", methods=["GET", "POST"])
    @has_access
    def pool(self, pk: str) -> Any:
        """Put an expert into the pool."""
        row = self._readable(pk)
        if not self._is_own(row):
            abort(403)
        form = PoolForm()
        form.expert.choices = _experts_for(row)
        now = clock.now()
        return self.answer_form(
            form,
            _("Add an expert to the pool"),
            lambda: experts.add_to_pool(
                row.id,
                int(form.expert.data),
                PanelRole(form.role.data),
                actor=self.actor,
                now=now,
            ),
            lambda _row: self.saved(_("Saved."), self.path("show", pk)),
            lead=row.name,
            back=self.path("show", pk),
        )

    @expose("/unpool/<pk>/<int:expert_id>", methods=["POST"])
    @has_access
    def unpool(self, pk: str, expert_id: int) -> Any:
        """Take an expert out of the pool."""
        row = self._readable(pk)
        now = clock.now()
        return self.perform(
            lambda: experts.remove_from_pool(row.id, expert_id, actor=self.actor, now=now),
            _("The expert is no longer in the pool."),
            self.path("show", pk),
        )


def _ordered(model: Any, row: Committee, order: Any) -> Any:
    query = select(model).where(model.committee_id == row.id).order_by(order)
    if model is CallForApplications:
        query = query.options(
            selectinload(CallForApplications.plan_line).selectinload(PlanLine.plan)
        )
    return db.session.scalars(query).all()


class PoolForm(f.PortalForm):
    """Who joins the pool, and as what."""

    expert = SelectField(_l("Expert"), choices=[])
    role = f.choice(
        _l("Role"),
        lambda: choices_of((PanelRole.MEMBER, PanelRole.CHAIR, PanelRole.VICE_CHAIR)),
    )


def _experts_for(row: Committee) -> list[tuple[str, str]]:
    query = (
        select(Expert)
        .where(Expert.series_id == row.series_id, Expert.is_active.is_(True))
        .options(selectinload(Expert.person), selectinload(Expert.unit))
        .order_by(Expert.id)
        .limit(500)
    )
    return [
        (str(each.id), f"{each.person.name} · {each.title_name} · {each.unit.name}")
        for each in db.session.scalars(query)
    ]


def _own_committees() -> list[tuple[str, str]]:
    actor = current_actor()
    query = select(Committee.id, Committee.name).where(Committee.is_active.is_(True))
    if not actor.has_role(R.PROVINCE_HRSS):
        query = query.where(Committee.convener_id == actor.unit_id)
    return [(str(key), name) for key, name in db.session.execute(query.order_by(Committee.name))]


# ------------------------------------------------------------------ filings


class FilingForm(f.PortalForm):
    """评审权信息系统备案."""

    committee = f.choice(_l("Review committee"), _own_committees)
    plan_year = f.number(_l("Plan year"), low=2000, high=2100)
    document_number = f.text(_l("Reference number"), longest=80)
    valid_from = f.day(_l("Valid from"))
    valid_to = f.day(_l("Valid to"), hint=_l("At most three years; both days are included."))
    member_size = f.number(_l("Number of members"), low=1, high=999)
    levels = f.several(_l("Levels"), lambda: choices_of(TitleLevel))
    specialties = f.several(
        _l("Specialties"), list, hint=_l("None ticked: every specialty of the series.")
    )
    note = f.area(_l("Note"))

    def draft(self) -> committees.FilingDraft:
        """What was entered."""
        return committees.FilingDraft(
            plan_year=self.plan_year.data,
            valid_from=self.valid_from.data,
            valid_to=self.valid_to.data,
            member_size=self.member_size.data,
            levels=[TitleLevel(int(value)) for value in self.levels.data],
            specialty_ids=[int(value) for value in self.specialties.data],
            document_number=self.document_number.data or "",
            note=self.note.data or "",
        )


class FilingView(RecordView):
    """评审权备案."""

    route_base = "/filings"
    screen_key = "filings"
    shaped_forms = (FilingForm,)
    fixed_fields = frozenset({"committee", "plan_year", "state"})
    datamodel = scoped(AuthorityFiling, "committee")
    exclude_route_methods = set(UNUSED)
    grants = {
        R.PROVINCE_HRSS: READ
        | {"can_add", "can_edit", "can_file", "can_approve", "can_send_back", "can_exempt"},
        R.COMMITTEE_OFFICE: READ | {"can_add", "can_edit", "can_file"},
        **dict.fromkeys(READERS, READ),
    }
    list_title = _l("Filings of review authorities")
    list_columns = ["committee", "plan_year", "valid_from", "valid_to", "member_size", "state"]
    search_columns = ["committee", "plan_year", "state"]
    order_columns = ["plan_year", "valid_from", "valid_to"]
    label_columns = {
        "committee": _l("Review committee"),
        "plan_year": _l("Plan year"),
        "valid_from": _l("Valid from"),
        "valid_to": _l("Valid to"),
        "member_size": _l("Number of members"),
        "state": _l("State"),
    }
    formatters_columns = {
        "state": shown_as(FilingState),
        "valid_from": show_date,
        "valid_to": show_date,
    }
    search_form_extra_fields = {
        "state": SelectField(_l("State"), choices=lambda: choices_of(FilingState))
    }
    record_template = "committees/filing.html"

    def record_title(self, row: AuthorityFiling) -> str:
        """Year and committee."""
        return f"{row.plan_year} · {row.committee.name}"

    def record_context(self, row: AuthorityFiling) -> dict[str, Any]:
        """What may be reviewed."""
        return {
            "authorities": db.session.scalars(
                select(ReviewAuthority)
                .where(ReviewAuthority.filing_id == row.id)
                .options(
                    selectinload(ReviewAuthority.series), selectinload(ReviewAuthority.specialty)
                )
                .order_by(ReviewAuthority.level, ReviewAuthority.specialty_id)
            ).all()
        }

    def page_actions(self, row: AuthorityFiling) -> list[dict[str, Any]]:
        """What may be done in this state."""
        actions: list[dict[str, Any]] = []
        if row.state in {FilingState.DRAFT, FilingState.RETURNED}:
            actions += self.button(
                "file", row, _("File"), _("File with the province?"), primary=True
            )
            actions += self.link("edit", row.id, _("Edit"), icon="pencil")
        if row.state is FilingState.FILED:
            actions += self.link("approve", row.id, _("Approve"), primary=True)
            actions += self.link("send_back", row.id, _("Return"))
        if row.state is not FilingState.APPROVED:
            actions += self.link("exempt", row.id, _("Record an exemption"))
        return actions

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Begin a filing."""
        committee = committee_setup.asked_committee(_asked(), self.actor)
        given = {
            "committee": str(committee.id) if committee else "",
            "plan_year": clock.today().year,
            "member_size": committee.member_size if committee else None,
        }
        return self._answer(FilingForm(data=given), None, committee, _("New filing"))

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change a draft."""
        row = self._readable(pk)
        keys = ("plan_year", "document_number", "valid_from", "valid_to", "member_size", "note")
        given: dict[str, Any] = {key: getattr(row, key) for key in keys}
        given |= {
            "committee": str(row.committee_id),
            "expected_version": row.version,
            "levels": sorted({str(int(each.level)) for each in row.authorities}),
            "specialties": [
                str(each.specialty_id) for each in row.authorities if each.specialty_id
            ],
        }
        return self._answer(FilingForm(data=given), row, row.committee, self.record_title(row))

    def _answer(
        self,
        form: FilingForm,
        row: AuthorityFiling | None,
        committee: Committee | None,
        title: Any,
    ) -> Any:
        chosen = committee_setup.asked_committee(form.committee.data or "", self.actor) or committee
        form.specialties.choices = _specialties_of(chosen)
        row_id = row.id if row else None
        now = clock.now()
        return self.answer_form(
            form,
            title,
            lambda: committees.save_filing(
                row.committee_id if row else int(form.committee.data),
                row_id,
                form.draft(),
                expected_version=form.version,
                actor=self.actor,
                now=now,
            ),
            lambda saved: self.saved(
                _("The filing is saved. File it when it is complete."), self.path("show", saved.id)
            ),
            lead=_(
                "Due by 30 May; otherwise the committee may not review this year (notice 三(一))."
            ),
        )

    @expose("/file/<pk>", methods=["POST"])
    @has_access
    def file(self, pk: str) -> Any:
        """File with the province."""
        row = self._readable(pk)
        now = clock.now()
        return self.perform(
            lambda: committees.file_authority(
                row.id, expected_version=f.posted_version(), actor=self.actor, now=now
            ),
            _("The review authority has been filed."),
            self.path("show", pk),
        )

    @expose("/approve/<pk>", methods=["GET", "POST"])
    @has_access
    def approve(self, pk: str) -> Any:
        """Approve, with the ground of an exemption where one is needed."""
        row = self._readable(pk)
        shown = {"expected_version": row.version, "reason": row.exemption_reason}
        return self._decide(pk, ExemptionForm(data=shown), committees.approve_filing, _("Approve"))

    @expose("/send_back/<pk>", methods=["GET", "POST"])
    @has_access
    def send_back(self, pk: str) -> Any:
        """Return for correction."""
        form = f.ReasonForm(data={"expected_version": self._readable(pk).version})
        return self._decide(pk, form, committees.return_filing, _("Return"))

    @expose("/exempt/<pk>", methods=["GET", "POST"])
    @has_access
    def exempt(self, pk: str) -> Any:
        """Record why a filing may be late or smaller."""
        form = f.ReasonForm(data={"expected_version": self._readable(pk).version})
        return self._decide(pk, form, committees.grant_exemption, _("Record an exemption"))

    def _decide(self, pk: str, form: Any, service: Callable[..., Any], label: Any) -> Any:
        row = self._readable(pk)
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


class ExemptionForm(f.PortalForm):
    """The ground of an exemption, if one is needed."""

    reason = f.area(
        _l("Ground of an exemption"),
        longest=1000,
        hint=_l("Only for a filing after 30 May or with another number of members."),
    )


def _asked() -> str:
    return request.args.get("committee", "")


def _specialties_of(committee: Committee | None) -> list[tuple[str, str]]:
    if committee is None:
        return []
    query = (
        select(Specialty)
        .join(SpecialtyGroup, SpecialtyGroup.id == Specialty.group_id)
        .where(
            SpecialtyGroup.series_id == committee.series_id,
            SpecialtyGroup.category_slug.in_(["", committee.category_slug]),
            Specialty.is_active.is_(True),
        )
        .options(selectinload(Specialty.group))
        .order_by(SpecialtyGroup.position, Specialty.number)
    )
    return [(str(s.id), f"{s.group.name} · {s.name}") for s in db.session.scalars(query)]


# ------------------------------------------------------------------ material requirements


class RequirementForm(f.PortalForm):
    """A row of the committee's material list."""

    committee = f.choice(_l("Review committee"), _own_committees)
    code = f.text(_l("Code"), required=True, longest=40, hint=_l("Small letters, digits and _."))
    name = f.text(_l("Material"), required=True, longest=120)
    note = f.area(_l("Note for applicants"))
    is_required = f.tick(_l("Obligatory"))
    max_files = f.number(_l("Files, at most"), low=1, high=50)
    max_megabytes = f.number(_l("Megabytes a file, at most"), low=1, high=100)
    file_types = f.several(
        _l("Kinds of file"), lambda: [(k, k.upper()) for k in committee_setup.TYPES]
    )
    position = f.number(_l("Order"), high=999)


class RequirementView(RecordView):
    """材料上传要求."""

    route_base = "/materials-setup"
    screen_key = "requirements"
    shaped_forms = (RequirementForm,)
    fixed_fields = frozenset({"name", "committee"})
    datamodel = scoped(MaterialRequirement, "committee")
    exclude_route_methods = {*UNUSED, "show"}
    grants = dict.fromkeys(OFFICE, frozenset({"can_list", "can_add", "can_edit", "can_remove"}))
    list_title = _l("Material requirements")
    list_columns = ["name", "committee", "is_required", "max_files", "file_types", "position"]
    search_columns = ["name", "committee", "is_required"]
    order_columns = ["name", "position"]
    label_columns = {
        "name": _l("Material"),
        "committee": _l("Review committee"),
        "is_required": _l("Obligatory"),
        "max_files": _l("Files, at most"),
        "file_types": _l("Kinds of file"),
        "position": _l("Order"),
    }
    formatters_columns = {"file_types": lambda types: ", ".join(types or [])}

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Add a row to a committee's list."""
        given = {
            "committee": _asked(),
            "is_required": True,
            "max_files": 5,
            "max_megabytes": 5,
            "file_types": ["pdf", "jpg", "png"],
            "position": 99,
        }
        return self._answer(RequirementForm(data=given), None)

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change a row."""
        row = self._readable(pk)
        given = {
            "committee": str(row.committee_id),
            "max_megabytes": max(1, row.max_bytes // committee_setup.MEGABYTE),
            "expected_version": row.version,
            "file_types": row.file_types,
        }
        keys = ("code", "name", "note", "is_required", "max_files", "position")
        given |= {key: getattr(row, key) for key in keys}
        return self._answer(RequirementForm(data=given), row.id)

    def _answer(self, form: RequirementForm, row_id: int | None) -> Any:
        now = clock.now()

        def save() -> MaterialRequirement:
            skipped = {"csrf_token", "expected_version", "committee"}
            values = {key: value for key, value in form.data.items() if key not in skipped}
            return committee_setup.save_requirement(
                row_id,
                int(form.committee.data),
                values,
                expected_version=form.version,
                actor=self.actor,
                now=now,
            )

        return self.answer_form(
            form,
            _("Material requirement"),
            save,
            lambda row: self.saved(_("Saved."), f"/committees/show/{row.committee_id}"),
        )

    @expose("/remove/<pk>", methods=["POST"])
    @has_access
    def remove(self, pk: str) -> Any:
        """Take a row off the list; what has been uploaded under it stays."""
        row = self._readable(pk)
        committee_id = row.committee_id
        now = clock.now()
        return self.perform(
            lambda: committee_setup.remove_requirement(row.id, actor=self.actor, now=now),
            _("The row has been taken off the list."),
            f"/committees/show/{committee_id}",
        )


# ------------------------------------------------------------------ calls


class CallForm(f.PortalForm):
    """申报工作通知."""

    committee = f.choice(_l("Review committee"), _own_committees)
    plan_line = f.choice(_l("Plan line"), lambda: _plan_lines())
    heading = f.text(_l("Heading"), required=True, longest=200)
    document_number = f.text(_l("Reference number"), longest=80)
    body = f.area(_l("Text"), required=True, longest=20_000)


def _plan_lines() -> list[tuple[str, str]]:
    query = (
        select(PlanLine, EvaluationPlan.year)
        .join(EvaluationPlan, EvaluationPlan.id == PlanLine.plan_id)
        .order_by(EvaluationPlan.year.desc(), PlanLine.number)
    )
    return [
        (str(line.id), f"{year} · {line.number} {line.series_text[:40]}")
        for line, year in db.session.execute(query)
    ]


class CallView(RecordView):
    """申报工作通知."""

    route_base = "/calls"
    screen_key = "calls"
    shaped_forms = (CallForm,)
    fixed_fields = frozenset({"heading", "state", "committee", "plan_line", "published_at"})
    datamodel = scoped(CallForApplications, "committee", "plan_line")
    exclude_route_methods = set(UNUSED)
    grants = {
        R.PROVINCE_HRSS: READ | {"can_add", "can_edit", "can_publish", "can_excuse"},
        R.COMMITTEE_OFFICE: READ | {"can_add", "can_edit", "can_publish"},
        **dict.fromkeys(READERS, READ),
    }
    list_title = _l("Calls for applications")
    list_columns = ["heading", "committee", "plan_line", "state", "published_at"]
    search_columns = ["heading", "committee", "plan_line", "state"]
    order_columns = ["heading", "published_at"]
    label_columns = {
        "heading": _l("Heading"),
        "committee": _l("Review committee"),
        "plan_line": _l("Plan line"),
        "state": _l("State"),
        "published_at": _l("Published at"),
    }
    formatters_columns = {
        "state": shown_as(CallState),
        "published_at": show_instant,
        "plan_line": lambda line: str(line)[:24] if line else "",
    }
    search_form_extra_fields = {
        "state": SelectField(_l("State"), choices=lambda: choices_of(CallState))
    }
    record_template = "committees/call.html"

    def record_title(self, row: CallForApplications) -> str:
        """The heading."""
        return row.heading

    def record_values(self, row: CallForApplications) -> dict[str, Any]:
        """The latest day, which follows from the plan line."""
        return {"latest_call_on": show_date(window_of(row.plan_line).latest_call_on)}

    def record_context(self, row: CallForApplications) -> dict[str, Any]:
        """Whether it is late."""
        is_draft = row.state is CallState.DRAFT
        return {"is_late": is_draft and calls.is_late(row, now=clock.now())}

    def page_actions(self, row: CallForApplications) -> list[dict[str, Any]]:
        """Publish and edit a draft; the province gives the ground for a late one."""
        if row.state is not CallState.DRAFT:
            return []
        actions = self.button("publish", row, _("Publish"), _("Publish the call?"), primary=True)
        actions += self.link("edit", row.id, _("Edit"), icon="pencil")
        if calls.is_late(row, now=clock.now()):
            actions += self.link("excuse", row.id, _("Ground for a late call"))
        return actions

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Write a call."""
        return self._answer(CallForm(data={"committee": _asked()}), None, _("New call"))

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change a draft."""
        row = self._readable(pk)
        given = {
            "committee": str(row.committee_id),
            "plan_line": str(row.plan_line_id),
            "heading": row.heading,
            "document_number": row.document_number,
            "body": row.body,
            "expected_version": row.version,
        }
        return self._answer(CallForm(data=given), row.id, row.heading)

    def _answer(self, form: CallForm, row_id: int | None, title: Any) -> Any:
        now = clock.now()
        return self.answer_form(
            form,
            title,
            lambda: calls.save_call(
                row_id,
                committee_id=int(form.committee.data),
                plan_line_id=int(form.plan_line.data),
                heading=form.heading.data,
                document_number=form.document_number.data or "",
                body=form.body.data,
                expected_version=form.version,
                actor=self.actor,
                now=now,
            ),
            lambda row: self.saved(_("The call is saved as a draft."), self.path("show", row.id)),
            lead=_("Published 30 days before the first day of the window (notice 四(一))."),
        )

    @expose("/publish/<pk>", methods=["POST"])
    @has_access
    def publish(self, pk: str) -> Any:
        """Publish a call."""
        row = self._readable(pk)
        now = clock.now()
        return self.perform(
            lambda: calls.publish_call(
                row.id, expected_version=f.posted_version(), actor=self.actor, now=now
            ),
            _("The call is published."),
            self.path("show", pk),
        )

    @expose("/excuse/<pk>", methods=["GET", "POST"])
    @has_access
    def excuse(self, pk: str) -> Any:
        """Enter the province's ground for a late call."""
        row = self._readable(pk)
        form = f.ReasonForm(data={"expected_version": row.version})
        now = clock.now()
        return self.answer_form(
            form,
            _("Ground for a late call"),
            lambda: calls.excuse_late_call(
                row.id,
                form.reason.data,
                expected_version=form.version,
                actor=self.actor,
                now=now,
            ),
            lambda _row: self.saved(_("Saved."), self.path("show", pk)),
            lead=row.heading,
            back=self.path("show", pk),
        )


# ------------------------------------------------------------------ experts


class ExpertForm(f.PortalForm):
    """A review expert; the number finds the person and is not kept."""

    identity_number = f.text(
        _l("Document number"), required=True, longest=18, render_kw={"autocomplete": "off"}
    )
    series = f.lookup(_l("Series"), Series, required=True)
    specialty = f.lookup(_l("Specialty"), Specialty)
    title_level = f.choice(_l("Title level"), lambda: choices_of(TitleLevel))
    title_name = f.text(_l("Professional title"), required=True, longest=60)
    term_from = f.day(_l("Term from"))
    term_to = f.day(_l("Term to"), hint=_l("At most three years."))


class TermForm(f.PortalForm):
    """A new term."""

    term_from = f.day(_l("Term from"))
    term_to = f.day(_l("Term to"), hint=_l("At most three years."))


class ExpertSetupView(RecordView):
    """评审专家: seen by offices and the province only (rules R66, D6)."""

    route_base = "/experts"
    screen_key = "experts"
    shaped_forms = (ExpertForm, TermForm)
    fixed_fields = frozenset({"person"})
    datamodel = scoped(Expert, "person", "unit", "series", "specialty")
    exclude_route_methods = {*UNUSED, "edit"}
    grants = {
        **dict.fromkeys(OFFICE, READ | {"can_add", "can_term", "can_end"}),
        R.SUPERVISOR: READ,
    }
    list_title = _l("Review experts")
    list_columns = ["person", "unit", "series", "title_name", "title_level", "term_to", "is_active"]
    search_columns = ["unit", "series", "specialty", "is_active"]
    order_columns = ["title_name", "term_to"]
    label_columns = {
        "person": _l("Name"),
        "unit": _l("Unit"),
        "series": _l("Series"),
        "specialty": _l("Specialty"),
        "title_name": _l("Professional title"),
        "title_level": _l("Title level"),
        "term_to": _l("Term to"),
        "is_active": _l("Active"),
    }
    formatters_columns = {"title_level": shown_as(TitleLevel), "term_to": show_date}

    def record_title(self, row: Expert) -> str:
        """The name."""
        return row.person.name

    def page_actions(self, row: Expert) -> list[dict[str, Any]]:
        """Renew or end the term."""
        actions = self.link("term", row.id, _("New term"))
        if row.is_active:
            actions += self.link("end", row.id, _("End the term"), danger=True)
        return actions

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Enter an expert."""
        form = ExpertForm()
        now = clock.now()

        def create() -> Expert:
            draft = experts.ExpertDraft(
                identity_number=form.identity_number.data,
                series_id=form.series.data.id,
                specialty_id=form.specialty.data.id if form.specialty.data else None,
                title_level=TitleLevel(int(form.title_level.data)),
                title_name=form.title_name.data,
                term_from=form.term_from.data,
                term_to=form.term_to.data,
            )
            return experts.add_expert(draft, actor=self.actor, now=now)

        return self.answer_form(
            form,
            _("Add a review expert"),
            create,
            lambda row: self.saved(_("Saved."), self.path("show", row.id)),
        )

    @expose("/term/<pk>", methods=["GET", "POST"])
    @has_access
    def term(self, pk: str) -> Any:
        """Give a new term."""
        row = self._readable(pk)
        form = TermForm(obj=row)
        now = clock.now()
        return self.answer_form(
            form,
            _("New term"),
            lambda: experts.renew_term(
                row.id, form.term_from.data, form.term_to.data, actor=self.actor, now=now
            ),
            lambda _row: self.saved(_("Saved."), self.path("show", pk)),
            lead=row.person.name,
            back=self.path("show", pk),
        )

    @expose("/end/<pk>", methods=["GET", "POST"])
    @has_access
    def end(self, pk: str) -> Any:
        """End the term."""
        row = self._readable(pk)
        form = f.ReasonForm()
        now = clock.now()
        return self.answer_form(
            form,
            _("End the term"),
            lambda: experts.end_term(row.id, form.reason.data, actor=self.actor, now=now),
            lambda _row: self.saved(_("Saved."), self.path("show", pk)),
            lead=row.person.name,
            danger=True,
            submit_label=_("End the term"),
            back=self.path("show", pk),
        )


def register(appbuilder: Any) -> None:
    """Add the screens."""
    screens = (
        (CommitteeView, "Committees", _l("Review committees")),
        (FilingView, "Filings", _l("Filings of review authorities")),
        (RequirementView, "Material requirements", _l("Material requirements")),
        (CallView, "Calls", _l("Calls for applications")),
        (ExpertSetupView, "Experts", _l("Review experts")),
    )
    for view, name, label in screens:
        add_screen(appbuilder, view, name, label=label, category="master")
