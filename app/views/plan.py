"""评审工作计划: the table of Annex 1 beside its picture, and the ways to change it."""

from __future__ import annotations

from typing import Any

from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app import clock
from app.domain.terms import TitleLevel
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.messages import explain
from app.models import (
    Account,
    EvaluationPlan,
    PlanCategory,
    PlanCategorySeries,
    PlanLine,
    PlanLineRevision,
    Series,
)
from app.services import plan, second_signatures
from app.services.settings import load_calendar
from app.services.windows import window_of
from app.views import forms as f
from app.views.base import READ, scoped
from app.views.labels import name_of
from app.views.menu import add_screen
from app.views.presentation import show_date, show_instant
from app.views.records import UNUSED, RecordView

READERS = (
    R.HRSS,
    R.COMPETENT_DEPARTMENT,
    R.UNIT_ADMIN,
    R.UNIT_HANDLER,
    R.COMMITTEE_OFFICE,
    R.SYSTEM_ADMIN,
    R.AUDIT_ADMIN,
    R.SUPERVISOR,
)


class MilestonesForm(f.PortalForm):
    """The four milestones, the window with its two edges; Beijing time."""

    applications_open_at = f.instant(_l("Window opens"))
    applications_close_at = f.instant(_l("Window closes"))
    receipt_due_at = f.instant(_l("Receipt deadline"))
    policy_review_due_on = f.day(_l("Policy-review deadline"), hint=_l("The day is included."))
    online_review_due_on = f.day(_l("Online-review deadline"), hint=_l("The day is included."))

    def milestones(self) -> plan.Milestones:
        """What was entered."""
        return plan.Milestones(**{key: self[key].data for key in plan.MILESTONES})


class RescheduleForm(MilestonesForm):
    """New dates of a published line."""

    reason = f.reason()


class LineForm(MilestonesForm):
    """A line before its plan is published."""

    series_text = f.area(_l("Series as printed"), required=True)
    scope = f.text(_l("Scope of applications"), required=True, longest=40)
    seniority_cutoff_on = f.day(_l("Seniority counts until"))
    is_examination_linked = f.tick(_l("Moves with an examination"))


class CategoryForm(f.PortalForm):
    """The national series behind a printed category."""

    series = f.several(_l("Series"), lambda: _all_series())


def _all_series() -> list[tuple[str, str]]:
    rows = db.session.execute(select(Series.id, Series.name).order_by(Series.number))
    return [(str(key), name) for key, name in rows]


class PlanView(RecordView):
    """评审工作计划."""

    route_base = "/plans"
    screen_key = "plans"
    fixed_fields = frozenset({"heading", "year", "published_at"})
    datamodel = scoped(EvaluationPlan)
    grants = {
        R.PROVINCE_HRSS: READ | {"can_copy", "can_publish"},
        **dict.fromkeys(READERS, READ),
    }
    list_title = _l("Evaluation plans")
    list_columns = ["heading", "year", "published_at"]
    search_columns = ["heading", "year"]
    order_columns = ["year", "heading"]
    base_order = ("year", "desc")
    label_columns = {
        "heading": _l("Plan"),
        "year": _l("Year"),
        "published_at": _l("Published at"),
    }
    formatters_columns = {"published_at": show_instant}
    record_template = "plan/show.html"

    def record_title(self, row: EvaluationPlan) -> str:
        """The heading as printed."""
        return row.heading

    def record_values(self, row: EvaluationPlan) -> dict[str, Any]:
        """A plan not yet published is a draft."""
        return {"published_at": show_instant(row.published_at) or _("Draft")}

    def record_context(self, row: EvaluationPlan) -> dict[str, Any]:
        """Lines with the printed words, the picture, and what is not in order yet."""
        lines = db.session.scalars(
            select(PlanLine)
            .where(PlanLine.plan_id == row.id)
            .options(
                selectinload(PlanLine.categories).selectinload(PlanCategory.series_links),
            )
            .order_by(PlanLine.number)
        ).all()
        faults = [] if row.published_at else plan.find_faults(row)
        return {
            "lines": lines,
            "picture": [picture_of(line) for line in lines],
            "columns": row.columns or {},
            "faults": [(number, explain(error)) for number, error in faults],
            "provisional": sorted({y for line in lines for y in plan.provisional_years(line)}),
        }

    def page_actions(self, row: EvaluationPlan) -> list[dict[str, Any]]:
        """Publish a draft; copy into the next year."""
        actions = []
        if row.published_at is None:
            actions += self.button(
                "publish",
                row,
                _("Publish"),
                _("Publish the plan of %(year)s?", year=row.year),
                primary=True,
            )
        label = _("Copy into %(year)s", year=row.year + 1)
        return actions + self.button("copy", row, label)

    @expose("/copy/<pk>", methods=["POST"])
    @has_access
    def copy(self, pk: str) -> Any:
        """Propose next year's plan."""
        row = self._readable(pk)
        now = clock.now()
        made: list[EvaluationPlan] = []
        self.update_redirect()
        answer = self.perform(
            lambda: made.append(plan.copy_plan(row.id, actor=self.actor, now=now)),
            _("The plan has been copied as a draft. Edit its lines, then publish it."),
            self.path("show", pk),
        )
        if made:
            answer.location = self.path("show", made[0].id)
        return answer

    @expose("/publish/<pk>", methods=["POST"])
    @has_access
    def publish(self, pk: str) -> Any:
        """Publish the plan of a year."""
        row = self._readable(pk)
        now = clock.now()
        return self.perform(
            lambda: plan.publish_plan(row.id, actor=self.actor, now=now),
            _("The plan is published."),
            self.path("show", pk),
        )


def picture_of(line: PlanLine) -> dict[str, Any]:
    """A line as the timeline macro takes it."""
    return {
        "number": line.number,
        "label": line.series_text,
        "opens_at": line.applications_open_at,
        "closes_at": line.applications_close_at,
        "receipt_due_at": line.receipt_due_at,
        "policy_review_due_on": line.policy_review_due_on,
        "online_review_due_on": line.online_review_due_on,
        "url": f"/plan-lines/show/{line.id}",
    }


class PlanLineView(RecordView):
    """计划行."""

    route_base = "/plan-lines"
    screen_key = "plan_lines"
    fixed_fields = frozenset({"series_text", "number", "plan"})
    datamodel = scoped(PlanLine, "plan")
    exclude_route_methods = {*UNUSED, "add"}
    grants = {
        R.PROVINCE_HRSS: READ | {"can_edit", "can_reschedule", "can_series"},
        **dict.fromkeys(READERS, READ),
    }
    list_title = _l("Plan lines")
    list_columns = ["series_text", "number", "plan", "window_text", "receipt_text"]
    search_columns = ["series_text", "number", "plan", "is_examination_linked"]
    order_columns = ["number", "series_text"]
    label_columns = {
        "series_text": _l("Series as printed"),
        "number": _l("Number"),
        "plan": _l("Plan"),
        "window_text": _l("Application window"),
        "receipt_text": _l("Receipt deadline"),
        "is_examination_linked": _l("Moves with an examination"),
    }
    record_template = "plan/line.html"

    def record_title(self, row: PlanLine) -> str:
        """Year and number of the line."""
        return _("Plan %(year)s, line %(number)s", year=row.plan.year, number=row.number)

    def record_values(self, row: PlanLine) -> dict[str, Any]:
        """Printed words, parsed dates and what the calendar makes of them."""
        window, calendar = window_of(row), load_calendar()
        opens, closes = (
            show_instant(row.applications_open_at),
            show_instant(row.applications_close_at),
        )
        return {
            "window_text": f"{row.window_text}（{opens} – {closes}）",
            "receipt_text": f"{row.receipt_text}（{show_instant(row.receipt_due_at)}）",
            "policy_review_text": (
                f"{row.policy_review_text}（{show_date(row.policy_review_due_on)}）"
            ),
            "online_review_text": (
                f"{row.online_review_text}（{show_date(row.online_review_due_on)}）"
            ),
            "latest_call_on": show_date(window.latest_call_on),
            "unit_push_due_on": show_date(window.unit_push_due_on(calendar)),
            "latest_publicity_on": show_date(window.latest_publicity_on(calendar)),
            "nodes_that_fit": window.nodes_that_fit(calendar),
        }

    def record_context(self, row: PlanLine) -> dict[str, Any]:
        """Categories with their series, and the history of the dates."""
        categories = db.session.scalars(
            select(PlanCategory)
            .where(PlanCategory.plan_line_id == row.id)
            .options(
                selectinload(PlanCategory.series_links).selectinload(PlanCategorySeries.series)
            )
            .order_by(PlanCategory.position)
        ).all()
        revisions = db.session.execute(
            select(PlanLineRevision, Account.first_name)
            .outerjoin(Account, Account.id == PlanLineRevision.account_id)
            .where(PlanLineRevision.plan_line_id == row.id)
            .order_by(PlanLineRevision.number.desc())
        ).all()
        return {
            "categories": categories,
            "may_map": row.plan.published_at is None and self.may("can_series"),
            "events": [_event_of(revision, name) for revision, name in revisions],
            "provisional": plan.provisional_years(row),
            "level_names": _level_names,
            "crumbs": [
                (_("Evaluation plan"), "/plans/list/"),
                (row.plan.heading, f"/plans/show/{row.plan_id}"),
                (self.record_title(row), ""),
            ],
        }

    def page_actions(self, row: PlanLine) -> list[dict[str, Any]]:
        """Edit before publication, reschedule afterwards."""
        if row.plan.published_at is None:
            actions = self.link("edit", row.id, _("Edit"), icon="pencil")
        else:
            actions = self.link("reschedule", row.id, _("Reschedule"), icon="calendar-event")
        back = {"label": _("The whole plan"), "url": f"/plans/show/{row.plan_id}"}
        return [*actions, back]

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change a line before publication."""
        row = self._readable(pk)
        form = LineForm(obj=row, data={"expected_version": row.version})
        now = clock.now()

        def change() -> PlanLine:
            values = {
                key: form[key].data
                for key in ("series_text", "scope", "seniority_cutoff_on", "is_examination_linked")
            }
            return plan.edit_line(
                row.id,
                form.milestones(),
                values,
                expected_version=form.version,
                actor=self.actor,
                now=now,
            )

        return self.answer_form(
            form,
            _("Edit the plan line"),
            change,
            lambda _row: self.saved(_("The line has been changed."), self.path("show", pk)),
            lead=self.record_title(row),
            back=self.path("show", pk),
        )

    @expose("/reschedule/<pk>", methods=["GET", "POST"])
    @has_access
    def reschedule(self, pk: str) -> Any:
        """Move the dates of a published line with a reason."""
        row = self._readable(pk)
        form = RescheduleForm(obj=row, data={"expected_version": row.version})
        now = clock.now()
        has_opened = plan.needs_second_signature(row, now=now)
        note = (
            _(
                "The window has opened: its start stays, the other dates may only be moved later, "
                "and a second person of the province has to approve it."
            )
            if has_opened
            else _("Everybody concerned is told; applications get the new due dates at once.")
        )
        move = second_signatures.ask_reschedule if has_opened else plan.reschedule_plan_line
        said = (
            _("Recorded. It takes effect when a second person of the province has approved it.")
            if has_opened
            else _("The line has been rescheduled; everybody concerned has been told.")
        )
        return self.answer_form(
            form,
            _("Reschedule the line"),
            lambda: move(
                row.id,
                form.milestones(),
                form.reason.data,
                expected_version=form.version,
                actor=self.actor,
                now=now,
            ),
            lambda _row: self.saved(said, self.path("show", pk)),
            lead=self.record_title(row),
            note=note,
            note_kind="warning" if has_opened else "info",
            submit_label=_("Reschedule"),
            back=self.path("show", pk),
        )

    @expose("/series/<pk>/<int:category_id>", methods=["GET", "POST"])
    @has_access
    def series(self, pk: str, category_id: int) -> Any:
        """Say which series stand behind a category."""
        row = self._readable(pk)
        found = next((each for each in row.categories if each.id == category_id), None)
        category = found or self._readable("0")
        chosen = [str(link.series_id) for link in category.series_links]
        form = CategoryForm(data={"series": chosen})
        now = clock.now()
        return self.answer_form(
            form,
            category.name,
            lambda: plan.set_category_series(
                category.id, [int(key) for key in form.series.data], actor=self.actor, now=now
            ),
            lambda _row: self.saved(_("Saved."), self.path("show", pk)),
            lead=self.record_title(row),
            back=self.path("show", pk),
        )


def _level_names(category: PlanCategory) -> list[str]:
    return [name_of(TitleLevel(level)) for level in sorted(category.levels)]


def _event_of(revision: PlanLineRevision, who: str | None) -> dict[str, Any]:
    before, after = revision.before, revision.after
    changed = [
        f"{before.get(key, '')} → {after.get(key, '')}"
        for key in plan.PRINTED
        if before.get(key) != after.get(key)
    ]
    return {
        "at": revision.at,
        "what": "；".join(changed) or _("Dates changed"),
        "who": who or "",
        "why": revision.reason,
    }


def register(appbuilder: Any) -> None:
    """Add the screens."""
    add_screen(appbuilder, PlanView, "Plans", label=_l("Evaluation plan"), category="master")
    appbuilder.add_view_no_menu(PlanLineView)
