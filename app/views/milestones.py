"""延期: two people of the province lengthen a committee's missed milestone (rules 3.2)."""

from __future__ import annotations

from typing import Any

from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app import clock
from app.domain.terms import DueKind
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import Account, Committee, MilestoneExtension, PlanLine
from app.services import extensions
from app.views import forms as f
from app.views.base import READ, scoped
from app.views.menu import add_screen
from app.views.presentation import show_instant
from app.views.records import UNUSED, RecordView

MILESTONE_LABELS = {
    DueKind.POLICY_REVIEW: _l("Policy-review deadline"),
    DueKind.ONLINE_REVIEW: _l("Online-review deadline"),
}


class ExtensionForm(f.PortalForm):
    """Which deadline of which committee, until when, why."""

    committee = f.lookup(_l("Committee"), Committee, required=True)
    plan_line = f.lookup(_l("Plan line"), PlanLine, required=True)
    milestone = f.choice(
        _l("Milestone"),
        lambda: (
            [("", str(_("Please choose")))]
            + [(kind.value, str(label)) for kind, label in MILESTONE_LABELS.items()]
        ),
    )
    until_on = f.day(_l("Until"), hint=_l("To 24:00 of this day."))
    reason = f.reason()


class MilestoneExtensionView(RecordView):
    """延期: asked by one person of the province, approved by another."""

    route_base = "/extensions"
    datamodel = scoped(MilestoneExtension, "committee", "plan_line")
    exclude_route_methods = set(UNUSED) - {"add"} | {"edit"}
    base_permissions = ["can_list", "can_show", "can_add", "can_approve"]
    grants = {
        R.PROVINCE_HRSS: READ | {"can_add", "can_approve"},
        R.COMMITTEE_OFFICE: READ,
    }
    list_title = _l("Extensions of deadlines")
    list_columns = ["committee", "plan_line", "milestone", "until_on", "approved_at"]
    order_columns = ["until_on"]
    search_columns = ["committee", "plan_line"]
    label_columns = {
        "committee": _l("Committee"),
        "plan_line": _l("Plan line"),
        "milestone": _l("Milestone"),
        "until_on": _l("Until"),
        "approved_at": _l("Approved at"),
    }
    formatters_columns = {
        "approved_at": show_instant,
        "milestone": lambda value: MILESTONE_LABELS[DueKind(value)] if value else "",
    }
    base_order = ("id", "desc")

    def record_title(self, row: MilestoneExtension) -> str:
        return str(row.committee)

    def facts(self, row: MilestoneExtension) -> list[tuple[Any, Any]]:
        first = db.session.get(Account, row.asked_by_id)
        second = db.session.get(Account, row.approved_by_id) if row.approved_by_id else None
        return [
            (_("Plan line"), str(row.plan_line)),
            (_("Milestone"), MILESTONE_LABELS[row.milestone]),
            (_("Until"), row.until_on.isoformat()),
            (_("Reason"), row.reason),
            (_("Asked by"), first.first_name if first else ""),
            (_("Approved by"), second.first_name if second else _("Waits for a second person")),
        ]

    def page_actions(self, row: MilestoneExtension) -> list[dict[str, Any]]:
        if row.approved_at is not None or not self.may("can_approve"):
            return []
        if row.asked_by_id == self.actor.account_id:
            why = _("An extension needs two people. Let a colleague of the province approve it.")
            return [{"label": _("Approve"), "url": "", "disabled_why": why}]
        return self.button("approve", row, _("Approve"), _("Approve this extension?"), primary=True)

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Ask for an extension: the first signature."""
        form = ExtensionForm()
        return self.answer_form(
            form,
            _("Extend a deadline"),
            lambda: (
                extensions.ask_extension(
                    form.committee.data.id,
                    form.plan_line.data.id,
                    DueKind(form.milestone.data),
                    until_on=form.until_on.data,
                    reason=form.reason.data,
                    actor=self.actor,
                    now=clock.now(),
                ).id
            ),
            lambda pk: self.saved(
                _("Recorded. A second person of the province approves it."), self.path("show", pk)
            ),
        )

    @expose("/approve/<pk>", methods=["POST"])
    @has_access
    def approve(self, pk: str) -> Any:
        """Approve an extension: the second signature."""
        row = self._readable(pk)
        return self.perform(
            lambda: extensions.approve_extension(row.id, actor=self.actor, now=clock.now()),
            _("The extension is approved."),
            self.path("show", row.id),
        )


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(
        appbuilder,
        MilestoneExtensionView,
        "Extensions of deadlines",
        label=_l("Extensions of deadlines"),
        category="applications",
        icon="hourglass",
    )
