"""申报审核: lists of applications, the page of one with its history, the page of each action."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, ClassVar

from flask import abort, get_template_attribute, redirect, url_for
from flask_appbuilder import expose
from flask_appbuilder.models.filters import BaseFilter
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import select
from wtforms import SelectField

from app import clock
from app.domain.deadlines import count_working_days_left
from app.domain.errors import DomainError
from app.domain.terms import LapseKind, PublicityKind, TitleLevel, WithdrawalState
from app.domain.workflow import STATE_LABELS, Action, State
from app.domain.workflow import ActorRole as R
from app.extensions import db
from app.messages import explain
from app.models import (
    Application,
    ApplicationEvent,
    CorrectionRequest,
    EmployerCheck,
    Lapse,
    Material,
    MaterialRequirement,
    PolicyReview,
    WithdrawalRequest,
)
from app.security.actors import current_actor
from app.services import contents, facts, routing, withdrawals
from app.services.available import AvailableAction, available_actions
from app.services.settings import load_calendar
from app.services.sweeps import effective_state
from app.views import milestones
from app.views.application_forms import SPECS, Call, in_words, make_form
from app.views.base import READ, scoped
from app.views.due import settle_first
from app.views.labels import name_of, shown_as
from app.views.menu import add_screen
from app.views.presentation import action_label, role_label, show_instant, state_label
from app.views.records import RecordView

UNIT_STAFF = (R.UNIT_ADMIN, R.UNIT_HANDLER)
DEPARTMENTS = (R.COMPETENT_DEPARTMENT, R.HRSS, R.PROVINCE_HRSS)
STAFF = (*UNIT_STAFF, *DEPARTMENTS, R.COMMITTEE_OFFICE)
ACT = READ | {"can_do"}

STATE_KINDS = {
    State.ON_HOLD: "soon",
    State.DECLINED: "late",
    State.DISQUALIFIED: "late",
    State.REVOKED: "late",
    State.PUBLICIZED: "active",
}
"""Colours of states the badge does not know by itself."""

MAIN_ACTIONS = (
    Action.FORWARD,
    Action.PUBLICIZE,
    Action.CONFIRM,
    Action.ACCEPT,
    Action.START_POLICY_REVIEW,
    Action.RESUBMIT,
)
"""The one that stands out on a page: the first of these that is possible."""

ORDER = tuple(SPECS)


def badge_of(state: State) -> Markup:
    """The state as a coloured word."""
    macro = get_template_attribute("layout/macros.html", "status_badge")
    return _flat(macro(STATE_KINDS.get(state, state.value), state_label(state)))


def _flat(html: Any) -> Markup:
    """A macro's output in one line: facts keep line breaks, so its own must go."""
    return Markup(" ".join(str(html).split()))  # noqa: S704 -- the macro has escaped it


def show_state(value: Any) -> Any:
    """A state for a list column."""
    return badge_of(State(value)) if value else ""


def show_due(value: datetime | None) -> Any:
    """A due instant for a list column: red when it has passed, amber when it is near."""
    if value is None:
        return ""
    now = clock.now()
    left = count_working_days_left(value, load_calendar(), now=now)
    macro = get_template_attribute("layout/macros.html", "due_badge")
    return _flat(macro(value, now, left))


# --------------------------------------------------------------------------- lists


class _FilterHeld(BaseFilter):
    name = _l("Held by my unit")
    arg_name = "held"

    def apply(self, query: Any, _value: Any) -> Any:
        return query.filter(Application.holder_unit_id == current_actor().unit_id)


class _FilterOwn(BaseFilter):
    name = _l("Of my unit")
    arg_name = "own"

    def apply(self, query: Any, _value: Any) -> Any:
        return query.filter(Application.employer_id == current_actor().unit_id)


class _FilterRouting(BaseFilter):
    name = _l("In routing")
    arg_name = "routing"

    def apply(self, query: Any, _value: Any) -> Any:
        return query.filter(Application.state == State.IN_ROUTING)


class _FilterReceived(BaseFilter):
    name = _l("Received by the committee")
    arg_name = "delivered"

    def apply(self, query: Any, _value: Any) -> Any:
        return query.filter(Application.delivered_at.is_not(None))


class ApplicationView(RecordView):
    """全部申报: what one's scope shows, and the page of one application."""

    route_base = "/applications"
    datamodel = scoped(
        Application, "person", "employer", "category", "committee", "holder_unit", "plan_line"
    )
    base_permissions = ["can_list", "can_show", "can_do"]
    grants = dict.fromkeys(STAFF, ACT)
    list_title = _l("All applications")
    list_columns = [
        "number",
        "person",
        "employer",
        "category",
        "level",
        "committee",
        "state",
        "due_at",
        "holder_unit",
    ]
    order_columns: ClassVar[list[str]] = ["number", "state", "due_at"]
    search_columns: ClassVar[list[str]] = [
        "number",
        "state",
        "plan_line",
        "series",
        "employer",
        "committee",
    ]
    label_columns = {
        "number": _l("Number"),
        "person": _l("Applicant"),
        "employer": _l("Employer"),
        "category": _l("Series"),
        "series": _l("Series"),
        "level": _l("Level applied for"),
        "committee": _l("Committee"),
        "state": _l("State"),
        "due_at": _l("Due"),
        "holder_unit": _l("Holder"),
        "plan_line": _l("Plan line"),
    }
    formatters_columns = {"state": show_state, "due_at": show_due, "level": shown_as(TitleLevel)}
    search_form_extra_fields = {
        "state": SelectField(
            _l("State"), choices=lambda: [(s.value, state_label(s)) for s in State]
        )
    }
    base_order = ("due_at", "asc")
    record_template = "applications/record.html"

    # ---- the record page

    @expose("/show/<pk>", methods=["GET"])
    @has_access
    def show(self, pk: str) -> Any:
        """Facts left, history right, actions on top as the table of transitions allows."""
        row = self._readable(pk)
        now = clock.now()
        return self.render_template(
            self.record_template,
            row=row,
            title=row.number,
            lead=f"{row.person.name} · {row.employer.name}",
            badge=badge_of(effective_state(row, now=now)),
            actions=self.buttons(row, now),
            facts=self.facts(row),
            history=history_of(row),
            route=routing.describe_route(row, now=now),
            sections=contents.describe(row),
            changes=changes_of(row),
            materials=materials_of(row),
            notes=notes_of(row),
            corrections=corrections_of(row),
            lapses=lapses_of(row),
            publicities=publicities_of(row),
            in_words=in_words,
        )

    def facts(self, row: Application) -> list[tuple[Any, Any]]:
        """What the page says of the application itself."""
        person = row.person
        return [
            (_("Applicant"), person.name),
            (_("Document number"), person.identity_mask),
            (_("Employer"), row.employer.name),
            (_("Plan line"), f"{row.plan_line.number} · {row.plan_line.window_text}"),
            (_("Series"), row.category.name),
            (_("Specialty"), str(row.specialty or "")),
            (_("Level applied for"), f"{name_of(row.level)} · {row.title_name}"),
            (_("Committee"), row.committee.name),
            (_("Submitted at"), show_instant(row.submitted_at)),
            (_("State since"), show_instant(row.state_since)),
            (_("Holder"), row.holder_unit.name if row.holder_unit else _holder_in_words(row)),
            (_("Due"), show_due(row.due_at)),
            (_("Receipt deadline"), show_instant(facts.receipt_limit_at(row))),
        ]

    def buttons(self, row: Application, now: datetime) -> list[dict[str, Any]]:
        """The actions of this account now; a disabled one says why."""
        found = [
            entry
            for entry in available_actions(row, self.actor, now)
            if is_on_page(row, entry.action) and not _is_idle(row, entry)
        ]
        found.sort(key=lambda a: ORDER.index(a.action) if a.action in ORDER else 0)
        main = next((a.action for a in found if a.enabled and a.action in MAIN_ACTIONS), None)
        return [self._button(row, entry, is_main=entry.action is main) for entry in found]

    def _button(self, row: Application, entry: AvailableAction, *, is_main: bool) -> dict[str, Any]:
        if entry.action is Action.RELEASE:
            posting = facts.open_publicity_of(row)
            url = url_for("PublicityView.show", pk=posting.id) if posting else ""
            label = _("Decide the objection")
        else:
            url = self.path("do", f"{row.id}/{entry.action.value}")
            label = action_label(entry.action)
        spec = SPECS.get(entry.action)
        return {
            "label": label,
            "url": url,
            "primary": is_main,
            "danger": bool(spec and spec.is_danger),
            "disabled_why": explain(entry.refusal) if entry.refusal else "",
        }

    # ---- the page of one action

    @expose("/do/<pk>/<string:action>", methods=["GET", "POST"])
    @has_access
    def do(self, pk: str, action: str) -> Any:
        """The form of an action; posting it performs the action, once."""
        if action not in Action.__members__.values():
            abort(404)
        chosen = Action(action)
        settle_first([self._readable(pk).id])
        row = self._readable(pk)
        spec = SPECS.get(chosen)
        if spec is None:
            abort(404)
        call = Call(row, self.actor, clock.now())
        form = make_form(spec, call)
        if not form.is_submitted():
            self._require_possible(row, chosen, call.now)
        return self.answer_form(
            form,
            _("%(action)s: %(number)s", action=action_label(chosen), number=row.number),
            lambda: spec.perform(call, form),
            lambda _result: self._done(row.id, chosen, spec.done),
            template=spec.template,
            lead=f"{row.person.name} · {row.employer.name} · {state_label(row.state)}",
            note=_safe_note(spec, call) if row.state in STATE_LABELS else "",
            back=self.path("show", row.id),
            submit_label=action_label(chosen),
            danger=spec.is_danger,
            sections=[name for name in form.data if name.startswith("defects_")],
        )

    def _require_possible(self, row: Application, action: Action, now: datetime) -> None:
        for entry in available_actions(row, self.actor, now):
            if entry.action is action and is_on_page(row, action):
                if entry.refusal is not None:
                    raise entry.refusal
                return
        abort(403)

    def _done(self, pk: int, action: Action, said: Any = "") -> Any:
        message = said or _("Done: %(action)s.", action=action_label(action))
        return self.saved(message, self.path("show", pk))


def is_on_page(row: Application, action: Action) -> bool:
    """Whether the record page offers this action; meetings and results have pages of their own."""
    if row.state is State.AWAITING_CONFIRMATION and action is Action.CONFIRM:
        return False
    return action in SPECS or action is Action.RELEASE


def _is_idle(row: Application, entry: AvailableAction) -> bool:
    """Whether nobody has asked for it: no button to decide a withdrawal without a request."""
    return (
        entry.action is Action.WITHDRAW
        and not entry.enabled
        and withdrawals.open_request(row) is None
    )


def _safe_note(spec: Any, call: Call) -> Any:
    """What the form says first; nothing when the application has moved on meanwhile."""
    try:
        return spec.note(call)
    except DomainError:
        return ""


def _holder_in_words(row: Application) -> str:
    if row.state is State.RETURNED:
        return str(_("The applicant"))
    return ""


class _ListOnly(ApplicationView):
    """A list of its own; the record is the one page of ApplicationView."""

    exclude_route_methods: ClassVar[set[str]] = {*RecordView.exclude_route_methods, "do"}

    @expose("/show/<pk>", methods=["GET"])
    @has_access
    def show(self, pk: str) -> Any:
        """Lead to the one record page."""
        return redirect(url_for("ApplicationView.show", pk=self._readable(pk).id))


class HeldApplicationView(_ListOnly):
    """待我办理: what my unit holds, earliest due first."""

    route_base = "/applications-held"
    base_filters: ClassVar[list[Any]] = [["id", _FilterHeld, ""]]
    grants = dict.fromkeys(STAFF, READ)
    list_title = _l("Waiting for my unit")


class OwnApplicationView(_ListOnly):
    """本单位申报: of one's own people."""

    route_base = "/applications-own"
    base_filters: ClassVar[list[Any]] = [["id", _FilterOwn, ""]]
    grants = dict.fromkeys((*UNIT_STAFF, *DEPARTMENTS), READ)
    list_title = _l("Applications of my unit")


class RoutingApplicationView(_ListOnly):
    """流转中: between the unit and the committee."""

    route_base = "/applications-routing"
    base_filters: ClassVar[list[Any]] = [["id", _FilterRouting, ""]]
    grants = dict.fromkeys((*UNIT_STAFF, *DEPARTMENTS), READ)
    list_title = _l("Applications in routing")


class ReceivedApplicationView(_ListOnly):
    """评委会接收: what the committee has received."""

    route_base = "/applications-received"
    base_filters: ClassVar[list[Any]] = [["id", _FilterReceived, ""]]
    grants = dict.fromkeys((R.COMMITTEE_OFFICE, R.PROVINCE_HRSS), READ)
    list_title = _l("Received by the committee")


# --------------------------------------------------------------------------- what a page shows


def history_of(row: Application) -> list[dict[str, Any]]:
    """Every event, newest first: who, when, what, why."""
    events = db.session.scalars(
        select(ApplicationEvent)
        .where(ApplicationEvent.application_id == row.id)
        .order_by(ApplicationEvent.seq.desc())
    )
    return [
        {
            "at": event.at,
            "what": _(
                "%(action)s → %(state)s",
                action=action_label(event.action),
                state=state_label(event.to_state),
            ),
            "who": _who(event),
            "why": _why(event),
            "responsible": "、".join(
                _("%(unit)s (%(hours)s h over)", unit=one["name"], hours=one["hours"])
                for one in event.data.get("responsible", [])
            ),
            "is_late": event.action is Action.LAPSE,
        }
        for event in events
    ]


def _who(event: ApplicationEvent) -> str:
    names = [event.unit.name if event.unit else "", role_label(event.role)]
    if event.account is not None and event.account.person_id is not None:
        names.insert(0, event.account.first_name)
    return " · ".join(name for name in names if name)


def _why(event: ApplicationEvent) -> str:
    if event.action is Action.ARRANGE:
        return "；".join(_arranged(event.data))
    return "：".join(part for part in (event.data.get("reason_name", ""), event.reason) if part)


def _arranged(data: Mapping[str, Any]) -> Iterator[str]:
    if data.get("group"):
        yield _("Group of experts: %(group)s", group=data["group"])
    if data.get("defence"):
        yield _("Oral defence at %(time)s", time=data["defence"])
    if data.get("outside"):
        yield _("The representative works are sent to experts outside")


def changes_of(row: Application) -> list[dict[str, Any]]:
    """What each later version changed (B1), newest first."""
    versions = row.versions
    return [
        {
            "number": new.number,
            "at": new.submitted_at,
            "changes": contents.compare_contents(row, old.content, new.content),
        }
        for old, new in reversed(list(pairwise(versions)))
    ]


def materials_of(row: Application) -> list[dict[str, Any]]:
    """The files by requirement, with links to open them; later and removed ones are marked (B3)."""
    names = dict(
        db.session.execute(
            select(MaterialRequirement.code, MaterialRequirement.name).where(
                MaterialRequirement.committee_id == row.committee_id
            )
        ).all()
    )
    sections = contents.section_labels(row)
    files = db.session.scalars(
        select(Material)
        .where(Material.application_id == row.id)
        .order_by(Material.requirement_code, Material.id)
    )
    return [
        {
            "kind": names.get(file.requirement_code)
            or in_words(sections[file.requirement_code.split(".")[0]])
            if file.requirement_code.split(".")[0] in sections or file.requirement_code in names
            else file.requirement_code,
            "filename": file.filename,
            "url": url_for("MaterialView.show", material_id=file.id),
            "is_new": file.added_in_version > 1,
            "is_removed": file.removed_in_version is not None,
        }
        for file in files
    ]


def notes_of(row: Application) -> list[tuple[str, str]]:
    """Opinions on file: the unit's checks, the policy review, requests to withdraw."""
    checks = db.session.scalars(
        select(EmployerCheck)
        .where(EmployerCheck.application_id == row.id)
        .order_by(EmployerCheck.id)
    )
    found = [(_("Unit, %(at)s", at=show_instant(check.at)), check.opinion) for check in checks]
    reviews = db.session.scalars(
        select(PolicyReview).where(PolicyReview.application_id == row.id).order_by(PolicyReview.id)
    )
    found += [
        (_("Policy review, %(at)s", at=show_instant(review.at)), review.opinion)
        for review in reviews
        if review.opinion
    ]
    requests = db.session.scalars(
        select(WithdrawalRequest)
        .where(WithdrawalRequest.application_id == row.id)
        .order_by(WithdrawalRequest.id)
    )
    states = {
        WithdrawalState.ASKED: _("waits for a decision"),
        WithdrawalState.GRANTED: _("granted"),
        WithdrawalState.REFUSED: _("refused"),
    }
    return found + [
        (
            _("Withdrawal asked for, %(at)s", at=show_instant(request.asked_at)),
            f"{request.reason}\n{states[request.state]} {request.decision_note}".strip(),
        )
        for request in requests
    ]


def corrections_of(row: Application) -> list[CorrectionRequest]:
    """The returns, newest first."""
    return list(
        db.session.scalars(
            select(CorrectionRequest)
            .where(CorrectionRequest.application_id == row.id)
            .order_by(CorrectionRequest.id.desc())
        )
    )


def lapses_of(row: Application) -> list[dict[str, Any]]:
    """Overdue stays and ends, with the responsible units and their hours."""
    names = {
        LapseKind.NODE_OVERDUE: _("Overdue at a node"),
        LapseKind.NOT_SUBMITTED: _("Not submitted in time"),
        LapseKind.NOT_DELIVERED: _("Not delivered in time"),
        LapseKind.CORRECTION: _("Not corrected in time"),
    }
    rows = db.session.scalars(
        select(Lapse).where(Lapse.application_id == row.id).order_by(Lapse.id)
    )
    return [
        {"kind": names[lapse.kind], "due_at": lapse.due_at, "units": lapse.responsible}
        for lapse in rows
    ]


def publicities_of(row: Application) -> Iterable[dict[str, Any]]:
    """The postings with their days and proof."""
    return [
        {
            "url": url_for("PublicityView.show", pk=posting.id),
            "is_result": posting.kind is PublicityKind.RESULT,
            "posting": posting,
        }
        for posting in row.publicities
    ]


def register(appbuilder: Any) -> None:
    """Add the lists and the pages."""
    for view, name, label, icon in (
        (HeldApplicationView, "Waiting for my unit", _l("Waiting for my unit"), "list-check"),
        (OwnApplicationView, "Applications of my unit", _l("Applications of my unit"), "users"),
        (RoutingApplicationView, "Applications in routing", _l("Applications in routing"), "route"),
        (
            ReceivedApplicationView,
            "Received by the committee",
            _l("Received by the committee"),
            "clipboard-check",
        ),
        (ApplicationView, "All applications", _l("All applications"), "file-text"),
    ):
        add_screen(appbuilder, view, name, label=label, category="applications", icon=icon)
    milestones.register(appbuilder)
