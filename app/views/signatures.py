"""两人确认: what waits for the second signature of the province, and what came of it."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import SelectField

from app import clock
from app.domain.terms import SignatureState, SignedAct
from app.domain.workflow import ActorRole as R
from app.models import SignatureRequest
from app.services import plan, second_signatures
from app.views import forms as f
from app.views.base import READ, scoped
from app.views.labels import choices_of, name_of, shown_as
from app.views.menu import add_screen
from app.views.presentation import show_due, show_instant
from app.views.records import UNUSED, RecordView

DATE_LABELS = {
    "applications_open_at": _l("Window opens"),
    "applications_close_at": _l("Window closes"),
    "receipt_due_at": _l("Receipt deadline"),
    "policy_review_due_on": _l("Policy-review deadline"),
    "online_review_due_on": _l("Online-review deadline"),
    "due_at": _l("New due date"),
    "reason_name": _l("Reason"),
}
BADGES = {
    SignatureState.ASKED: "soon",
    SignatureState.APPROVED: "ok",
    SignatureState.REFUSED: "late",
}


def _name_of_account(account: Any) -> str:
    return str(account.first_name)


class SignatureView(RecordView):
    """两人确认."""

    route_base = "/second-signatures"
    datamodel = scoped(SignatureRequest, "asked_by", "application", "plan_line")
    exclude_route_methods = {*UNUSED, "add", "edit"}
    grants = {R.PROVINCE_HRSS: READ | {"can_approve", "can_refuse"}}
    list_title = _l("Second signatures")
    list_columns = ["act", "asked_by", "asked_at", "state", "expires_at"]
    search_columns = ["act", "state"]
    order_columns = ["asked_at", "expires_at"]
    label_columns = {
        "act": _l("What for"),
        "asked_by": _l("Asked by"),
        "asked_at": _l("Asked at"),
        "state": _l("State"),
        "expires_at": _l("To be decided by"),
    }
    formatters_columns = {
        "act": shown_as(SignedAct),
        "asked_by": _name_of_account,
        "state": shown_as(SignatureState),
        "asked_at": show_instant,
        "expires_at": show_due,
    }
    search_form_extra_fields = {
        "act": SelectField(_l("What for"), choices=lambda: choices_of(SignedAct)),
        "state": SelectField(_l("State"), choices=lambda: choices_of(SignatureState)),
    }
    record_template = "signatures/show.html"

    def record_title(self, row: SignatureRequest) -> str:
        """What is to be signed."""
        line = row.plan_line
        subject = (
            _("Plan %(year)s, line %(number)s", year=line.plan.year, number=line.number)
            if line is not None
            else getattr(row.application, "number", "")
        )
        return f"{name_of(row.act)} · {subject}"

    def facts(self, row: SignatureRequest) -> list[tuple[Any, Any]]:
        """Who asks for what until when, and who decided."""
        state = second_signatures.state_of(row, now=clock.now())
        return [
            (_("What for"), name_of(row.act)),
            (_("Asked by"), row.asked_by.first_name),
            (_("Asked at"), show_instant(row.asked_at)),
            (_("Reason"), row.reason),
            (
                _("To be decided by"),
                show_due(row.expires_at) if state is SignatureState.ASKED else "",
            ),
            (_("Decided by"), row.decided_by.first_name if row.decided_by else ""),
            (_("Decided at"), show_instant(row.decided_at)),
            (_("Remark"), row.decision_note),
        ]

    def record_context(self, row: SignatureRequest) -> dict[str, Any]:
        """What changes if it is approved, beside what stands now."""
        state = second_signatures.state_of(row, now=clock.now())
        subject_url = (
            url_for("ApplicationView.show", pk=row.application_id)
            if row.application_id
            else url_for("PlanLineView.show", pk=row.plan_line_id)
        )
        return {
            "badge": (BADGES.get(state, "idle"), name_of(state)),
            "changes": _changes(row),
            "subject_url": subject_url,
        }

    def page_actions(self, row: SignatureRequest) -> list[dict[str, Any]]:
        """Approve or refuse, for another person than the one who asked."""
        if second_signatures.state_of(row, now=clock.now()) is not SignatureState.ASKED:
            return []
        if row.asked_by_id == self.actor.account_id:
            why = _("This needs two people. Let a colleague of the province approve it.")
            return [
                {"label": _("Approve"), "url": "", "disabled_why": why},
                *self.link("refuse", row.id, _("Take the request back")),
            ]
        return [
            *self.button(
                "approve",
                row,
                _("Approve"),
                _("Approve it? It takes effect at once."),
                primary=True,
            ),
            *self.link("refuse", row.id, _("Refuse"), danger=True),
        ]

    @expose("/approve/<pk>", methods=["POST"])
    @has_access
    def approve(self, pk: str) -> Any:
        """Give the second signature."""
        row = self._readable(pk)
        now = clock.now()
        return self.perform(
            lambda: second_signatures.approve_signature(
                row.id, expected_version=f.posted_version(), actor=self.actor, now=now
            ),
            _("Approved; it is in effect."),
            self.path("show", pk),
        )

    @expose("/refuse/<pk>", methods=["GET", "POST"])
    @has_access
    def refuse(self, pk: str) -> Any:
        """Refuse it, or take the own request back."""
        row = self._readable(pk)
        form = f.ReasonForm(data={"expected_version": row.version})
        is_own = row.asked_by_id == self.actor.account_id
        title = _("Take the request back") if is_own else _("Refuse")
        now = clock.now()
        return self.answer_form(
            form,
            title,
            lambda: second_signatures.refuse_signature(
                row.id,
                form.reason.data,
                expected_version=form.version,
                actor=self.actor,
                now=now,
            ),
            lambda done: self.saved(name_of(done.state), self.path("show", pk)),
            lead=self.record_title(row),
            back=self.path("show", pk),
            submit_label=title,
        )


def _changes(row: SignatureRequest) -> list[list[str]]:
    """(what, at present, as asked for); dates of a plan line that do not move are left out."""
    shown = []
    for key, label in DATE_LABELS.items():
        wanted, present = str(row.payload.get(key, "")), _present(row, key)
        if wanted and wanted != present:
            shown.append([str(label), _in_words(present), _in_words(wanted)])
    return shown


def _in_words(text: str) -> str:
    """2022-08-08 17:00 for an instant as it is stored; other texts as they are."""
    return text.replace("T", " ").partition(":00+")[0]


def _present(row: SignatureRequest, key: str) -> str:
    is_open = row.state is SignatureState.ASKED and row.plan_line is not None
    is_date = key in plan.MILESTONES
    return getattr(row.plan_line, key).isoformat() if is_open and is_date else ""


def register(appbuilder: Any) -> None:
    """Add the screen."""
    add_screen(
        appbuilder,
        SignatureView,
        "Second signatures",
        label=_l("Second signatures"),
        category="work",
    )
