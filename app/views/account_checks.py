"""账号核查: samples of new accounts, unusual numbers of them, findings of misconduct (rules E8)."""

from __future__ import annotations

from typing import Any

from flask import abort
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from sqlalchemy.orm import selectinload
from wtforms import SelectField

from app import clock
from app.domain.calendar import beijing_date
from app.domain.terms import SampleState, UnusualKind
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.models import (
    Account,
    AccountSample,
    AccountSampleItem,
    MisconductFinding,
    UnusualCreation,
)
from app.services import account_sampling, misconduct
from app.services.settings import parameter
from app.views import forms as f
from app.views.account_proofs import proof_links
from app.views.base import READ, scoped
from app.views.labels import choices_of, name_of, shown_as
from app.views.menu import add_screen
from app.views.presentation import show_date, show_instant
from app.views.records import UNUSED, RecordView

DEPARTMENTS = (R.HRSS, R.PROVINCE_HRSS)
BADGES = {
    SampleState.OPEN: "idle",
    SampleState.ASKED: "soon",
    SampleState.IN_ORDER: "ok",
    SampleState.FINDING: "late",
}


class DrawForm(f.PortalForm):
    """Which accounts are drawn from, and how many."""

    period_from = f.day(_l("Created from"))
    period_to = f.day(_l("Created until"))
    size = f.number(_l("Accounts to draw"), low=1, high=500)


class JudgeForm(f.PortalForm):
    """What came of one account."""

    state = f.choice(
        _l("Result"),
        lambda: [("", ""), *choices_of([SampleState.IN_ORDER, SampleState.ASKED])],
    )
    note = f.area(_l("Remark"), longest=1000, hint=_l("When the unit is asked, it reads this."))


class SampleView(RecordView):
    """账号抽查."""

    route_base = "/account-samples"
    datamodel = scoped(AccountSample, "unit", "drawn_by")
    exclude_route_methods = {*UNUSED, "edit"}
    grants = dict.fromkeys(DEPARTMENTS, READ | {"can_add", "can_judge"})
    list_title = _l("Samples of new accounts")
    list_columns = ["period_from", "period_to", "unit", "drawn_at"]
    search_columns = ["period_from", "period_to"]
    order_columns = ["drawn_at", "period_from"]
    label_columns = {
        "period_from": _l("Created from"),
        "period_to": _l("Created until"),
        "unit": _l("Department"),
        "drawn_at": _l("Drawn at"),
    }
    formatters_columns = {
        "drawn_at": show_instant,
        "period_from": show_date,
        "period_to": show_date,
    }
    record_template = "account_checks/sample.html"

    def record_title(self, row: AccountSample) -> str:
        """The period of the sample."""
        return f"{row.period_from.isoformat()} – {row.period_to.isoformat()}"

    def facts(self, row: AccountSample) -> list[tuple[Any, Any]]:
        """Everything the draw can be repeated with."""
        return [
            (_("Department"), row.unit.name),
            (_("Drawn by"), row.drawn_by.first_name),
            (_("Drawn at"), show_instant(row.drawn_at)),
            (_("Accounts created in the period"), len(row.candidates)),
            (_("Accounts drawn"), len(row.items)),
            (_("Algorithm"), row.algorithm),
            (_("Seed"), row.seed),
            (_("Hash of the candidates"), row.candidates_hash),
            (
                _("Repeated with this seed"),
                _("gives the same accounts")
                if account_sampling.repeats(row)
                else _("gives other accounts; tell the audit administrator"),
            ),
        ]

    def record_context(self, row: AccountSample) -> dict[str, Any]:
        """The accounts of the sample with what is on file, and how many are done."""
        items = db.session.scalars(
            select(AccountSampleItem)
            .where(AccountSampleItem.sample_id == row.id)
            .options(
                selectinload(AccountSampleItem.account).selectinload(Account.unit),
                selectinload(AccountSampleItem.account).selectinload(Account.person),
            )
            .order_by(AccountSampleItem.position)
        ).all()
        proofs = proof_links([item.account_id for item in items], self.actor)
        done = sum(item.state in {SampleState.IN_ORDER, SampleState.FINDING} for item in items)
        return {
            "items": [
                {
                    "item": item,
                    "proofs": proofs[item.account_id],
                    "badge": (BADGES[item.state], name_of(item.state)),
                    "judge_url": self._judge_url(row, item),
                }
                for item in items
            ],
            "done": done,
        }

    def _judge_url(self, row: AccountSample, item: AccountSampleItem) -> str:
        is_own = row.unit_id == self.actor.unit_id or self.actor.has_role(R.PROVINCE_HRSS)
        open_ = item.state is not SampleState.FINDING
        return self.path("judge", f"{row.id}/{item.id}") if is_own and open_ else ""

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """Draw a sample."""
        now = clock.now()
        today = beijing_date(now)
        form = DrawForm(
            data={
                "period_from": today.replace(month=1, day=1),
                "period_to": today,
                "size": int(parameter("account_sample_size")),
            }
        )
        return self.answer_form(
            form,
            _("Draw a sample"),
            lambda: account_sampling.draw_accounts(
                form.period_from.data,
                form.period_to.data,
                form.size.data,
                actor=self.actor,
                now=now,
            ),
            lambda row: self.saved(_("The sample has been drawn."), self.path("show", row.id)),
            submit_label=_("Draw"),
            note=_(
                "The accounts are drawn at random from those created in the period in your area. "
                "Seed and candidates are kept, so that the draw can be repeated."
            ),
        )

    @expose("/judge/<pk>/<int:sample_item_id>", methods=["GET", "POST"])
    @has_access
    def judge(self, pk: str, sample_item_id: int) -> Any:
        """Say what came of one account."""
        row = self._readable(pk)
        item = next((each for each in row.items if each.id == sample_item_id), None)
        if item is None:
            abort(404)
        form = JudgeForm(data={"expected_version": item.version, "note": item.note})
        now = clock.now()
        return self.answer_form(
            form,
            _("Result of the check"),
            lambda: account_sampling.judge_item(
                item.id,
                SampleState(form.state.data),
                form.note.data or "",
                expected_version=form.version,
                actor=self.actor,
                now=now,
            ),
            lambda done: self.saved(name_of(done.state), self.path("show", pk)),
            lead=f"{item.account.first_name} · {item.account.unit or ''}",
            back=self.path("show", pk),
            note=_("Misconduct is established on the page of the account."),
        )


class UnusualView(RecordView):
    """异常创建: units that have created unusually many accounts."""

    route_base = "/unusual-accounts"
    datamodel = scoped(UnusualCreation, "unit", "cleared_by")
    grants = dict.fromkeys(DEPARTMENTS, READ | {"can_clear"})
    list_title = _l("Unusual numbers of new accounts")
    list_columns = ["unit", "kind", "on", "count", "limit", "cleared_at"]
    search_columns = ["unit", "kind", "on"]
    order_columns = ["on", "count"]
    label_columns = {
        "unit": _l("Unit"),
        "kind": _l("Counted"),
        "on": _l("Since"),
        "count": _l("Accounts"),
        "limit": _l("Nothing unusual up to"),
        "cleared_at": _l("Cleared at"),
    }
    formatters_columns = {
        "kind": shown_as(UnusualKind),
        "on": show_date,
        "cleared_at": show_instant,
    }
    search_form_extra_fields = {
        "kind": SelectField(_l("Counted"), choices=lambda: choices_of(UnusualKind))
    }
    record_template = "account_checks/unusual.html"

    def record_title(self, row: UnusualCreation) -> str:
        """Whose numbers."""
        return row.unit.name

    def facts(self, row: UnusualCreation) -> list[tuple[Any, Any]]:
        """The figures and what came of them."""
        return [
            (_("Counted"), name_of(row.kind)),
            (_("Since"), show_date(row.on)),
            (_("Accounts created when it was flagged"), row.count),
            (_("Nothing unusual up to"), row.limit),
            (_("Flagged at"), show_instant(row.flagged_at)),
            (_("Cleared at"), show_instant(row.cleared_at)),
            (_("Cleared by"), row.cleared_by.first_name if row.cleared_by else ""),
            (_("Reason"), row.clear_reason),
        ]

    def record_context(self, _row: UnusualCreation) -> dict[str, Any]:
        """The province's figures in words."""
        return {"figures": account_sampling.limits()}

    def page_actions(self, row: UnusualCreation) -> list[dict[str, Any]]:
        """Clear it."""
        return (
            [] if row.cleared_at else self.link("clear", row.id, _("Clear the flag"), primary=True)
        )

    @expose("/clear/<pk>", methods=["GET", "POST"])
    @has_access
    def clear(self, pk: str) -> Any:
        """Clear a flag with a reason."""
        row = self._readable(pk)
        form = f.ReasonForm()
        now = clock.now()
        return self.answer_form(
            form,
            _("Clear the flag"),
            lambda: account_sampling.clear_flag(
                row.id, form.reason.data, actor=self.actor, now=now
            ),
            lambda _row: self.saved(_("The flag has been cleared."), self.path("show", pk)),
            lead=row.unit.name,
            back=self.path("show", pk),
            submit_label=_("Clear the flag"),
        )


class MisconductView(RecordView):
    """弄虚作假认定."""

    route_base = "/misconduct"
    datamodel = scoped(MisconductFinding, "person", "unit", "found_by", "lifted_by")
    grants = {
        **dict.fromkeys(DEPARTMENTS, READ | {"can_lift"}),
        **dict.fromkeys((R.COMPETENT_DEPARTMENT, R.UNIT_ADMIN, R.UNIT_HANDLER), READ),
    }
    list_title = _l("Findings of misconduct")
    list_columns = ["person", "unit", "found_at", "lifted_at"]
    search_columns = ["unit", "found_at"]
    order_columns = ["found_at"]
    label_columns = {
        "person": _l("Name"),
        "unit": _l("Unit that created the account"),
        "found_at": _l("Found at"),
        "lifted_at": _l("Lifted at"),
    }
    formatters_columns = {"found_at": show_instant, "lifted_at": show_instant}

    def record_title(self, row: MisconductFinding) -> str:
        """Whom it is about."""
        return f"{row.person.name} · {row.unit.name}"

    def facts(self, row: MisconductFinding) -> list[tuple[Any, Any]]:
        """Finding, consequences, second decision."""
        return [
            (_("Unit that created the account"), row.unit.name),
            (_("Finding"), row.finding),
            (_("Found by"), row.found_by.first_name),
            (_("Found at"), show_instant(row.found_at)),
            (_("The person took part"), _("Yes") if row.is_person_at_fault else _("No")),
            (_("Applications disqualified"), len(row.disqualified)),
            (_("Lifted at"), show_instant(row.lifted_at)),
            (_("Lifted by"), row.lifted_by.first_name if row.lifted_by else ""),
            (_("Reason"), row.lift_reason),
        ]

    def page_actions(self, row: MisconductFinding) -> list[dict[str, Any]]:
        """Lift it, by another person."""
        if row.lifted_at is not None or not self.may("can_lift"):
            return []
        if row.found_by_id == self.actor.account_id:
            why = _("Another person of a department above the unit lifts a finding.")
            return [{"label": _("Lift the finding"), "url": "", "disabled_why": why}]
        return self.link("lift", row.id, _("Lift the finding"))

    @expose("/lift/<pk>", methods=["GET", "POST"])
    @has_access
    def lift(self, pk: str) -> Any:
        """Lift a finding."""
        row = self._readable(pk)
        form = f.ReasonForm()
        now = clock.now()
        return self.answer_form(
            form,
            _("Lift the finding"),
            lambda: misconduct.lift_misconduct(row.id, form.reason.data, actor=self.actor, now=now),
            lambda _row: self.saved(_("The finding has been lifted."), self.path("show", pk)),
            lead=self.record_title(row),
            back=self.path("show", pk),
            submit_label=_("Lift the finding"),
            note=_(
                "The account opens again and the credit record ends. Disqualified applications "
                "stay ended; the person applies anew."
            ),
        )


def register(appbuilder: Any) -> None:
    """Add the screens."""
    for view, name, label, icon in (
        (SampleView, "Samples of new accounts", _l("Samples of new accounts"), "checklist"),
        (UnusualView, "Unusual numbers", _l("Unusual numbers of new accounts"), "alert-triangle"),
        (MisconductView, "Findings of misconduct", _l("Findings of misconduct"), "gavel"),
    ):
        add_screen(appbuilder, view, name, label=label, category="master", icon=icon)
