"""The first page: work items for staff, one's own applications for applicants, the public page for
everybody else."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import redirect, url_for
from flask_appbuilder import IndexView, expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app import clock
from app.domain.workflow import ActorRole, State
from app.extensions import db, unit_of_work
from app.models import Application, EvaluationPlan, Notification
from app.security.actors import current_actor
from app.security.scope import read_criterion
from app.services import notifications, worklists
from app.views.base import ALL, PortalView
from app.views.menu import add_screen
from app.views.plan_rows import plan_rows
from app.views.presentation import show_instant

STAFF = tuple(set(ActorRole) - {ActorRole.PUBLIC, ActorRole.SYSTEM, ActorRole.APPLICANT})
EVERYBODY = (*STAFF, ActorRole.APPLICANT)

TARGETS = {
    "Application": ("ApplicationView.show", "pk"),
    "AuthorityFiling": ("FilingView.show", "pk"),
    "SpecialtyProposal": ("ProposalView.show", "pk"),
    "PersonTransfer": ("TransferView.show", "pk"),
    "UnitMove": ("UnitMoveView.show", "pk"),
    "SignatureRequest": ("SignatureView.show", "pk"),
    "ResultFiling": ("ResultFilingView.show", "pk"),
}
"""Where a work item of each kind is dealt with."""

PHASES = (
    (_("Employer"), (State.IN_EMPLOYER_CHECK, State.IN_PUBLICITY, State.PUBLICIZED)),
    (_("Routing"), (State.IN_ROUTING,)),
    (_("Committee"), (State.RECEIVED, State.IN_POLICY_REVIEW, State.ACCEPTED)),
    (
        _("Review"),
        (State.IN_EXPERT_REVIEW, State.PASSED, State.NOT_PASSED, State.IN_RESULT_PUBLICITY),
    ),
    (_("Finished"), (State.AWAITING_CONFIRMATION, State.CONFIRMED, State.CERTIFIED)),
    (_("Returned or on hold"), (State.RETURNED, State.ON_HOLD)),
    (_("Ended"), (State.DECLINED, State.REJECTED, State.LAPSED, State.WITHDRAWN)),
)
"""The states as a figure shows them."""


class HomeView(IndexView):
    """/: sends everybody to where their work is."""

    @expose("/")
    def index(self) -> Any:
        """Redirect by what the account is."""
        if not current_user.is_authenticated:
            return redirect(url_for("PublicView.home"))
        actor = current_actor()
        if actor.has_role(ActorRole.APPLICANT) and not actor.has_role(*STAFF):
            return redirect(url_for("ApplicantView.home"))
        if actor.has_role(ActorRole.EXPERT) and not actor.has_role(
            *(set(STAFF) - {ActorRole.EXPERT, ActorRole.CHAIR})
        ):
            return redirect(url_for("ExpertView.home"))
        return redirect(url_for("WorkView.home"))


class WorkView(PortalView):
    """待办: work items by due time, the plan as a picture, figures of one's own scope."""

    route_base = "/work"
    default_view = "home"
    class_permission_name = "Work items"
    grants = dict.fromkeys(STAFF, ALL)

    @expose("/")
    @has_access
    def home(self) -> Any:
        """The home page of staff."""
        actor, now = current_actor(), clock.now()
        plan = worklists.current_plan(now=now)
        return self.render_template(
            "home/work.html",
            title=gettext("Work items"),
            items=[(item, _link(item)) for item in worklists.list_work_items(actor, now=now)],
            plan=plan,
            plan_lines=plan_rows(plan),
            charts=_charts(plan, now) if plan else [],
            now=now,
        )


class NotificationView(PortalView):
    """消息提醒: one's own, newest first."""

    route_base = "/notifications"
    default_view = "home"
    class_permission_name = "Notifications"
    grants = dict.fromkeys(EVERYBODY, ALL)

    @expose("/")
    @has_access
    def home(self) -> Any:
        """The last hundred notifications."""
        rows = db.session.scalars(
            select(Notification)
            .where(Notification.account_id == current_user.id)
            .options(joinedload(Notification.application))
            .order_by(Notification.at.desc(), Notification.id.desc())
            .limit(100)
        ).all()
        return self.render_template(
            "home/notifications.html",
            title=gettext("Notifications"),
            rows=[(row, describe(row), _address(row)) for row in rows],
        )

    @expose("/read", methods=["POST"])
    @has_access
    def read(self) -> Any:
        """Mark all as read."""
        with unit_of_work():
            notifications.mark_all_read(current_actor(), now=clock.now())
        return redirect(url_for("NotificationView.home"))


def describe(row: Notification) -> str:
    """The sentence of a notification in the user's language."""
    params = {"number": row.application.number if row.application else "", **row.params}
    return str(gettext(notifications.TEXTS.get(row.kind, notifications.OTHERWISE))) % params


def _address(row: Notification) -> str:
    if "unit_move" in row.params:
        return url_for("UnitMoveView.show", pk=row.params["unit_move"])
    if row.application is None:
        return _address_of(row.params)
    if row.application.person_id == current_user.person_id:
        return url_for("ApplicantView.show", application_id=row.application_id)
    return url_for("ApplicationView.show", pk=row.application_id)


def _address_of(params: dict[str, Any]) -> str:
    """Where news that belong to no application lead; nowhere if they are only news."""
    if params.get("is_own"):
        return url_for("OwnTransferView.home")
    if "transfer" in params:
        return url_for("TransferView.show", pk=params["transfer"])
    if "signature" in params:
        return url_for("SignatureView.show", pk=params["signature"])
    return ""


def _link(item: worklists.WorkItem) -> str:
    endpoint, key = TARGETS[item.object_type]
    values: dict[str, Any] = {key: item.object_id}
    return url_for(endpoint, **values)


def _charts(plan: EvaluationPlan, now: datetime) -> list[dict[str, Any]]:
    """Figures of one's own scope; a chart without a figure is left out."""
    scope = read_criterion(Application, current_actor())
    charts = [_states(scope, plan), _submissions(scope, now), _overruns(scope, plan)]
    return [each for each in charts if each["labels"]]


def _submissions(scope: Any, now: datetime) -> dict[str, Any]:
    hours = worklists.count_submissions_by_hour(scope, now=now)
    return {
        "id": "submissions",
        "title": gettext("Submissions per hour in the open window"),
        "head": gettext("Hour"),
        "labels": [show_instant(hour) for hour, _count in hours],
        "series": [(gettext("Submissions"), [count for _hour, count in hours])],
    }


def _overruns(scope: Any, plan: EvaluationPlan) -> dict[str, Any]:
    units = worklists.count_overruns_by_unit(scope, plan.year)
    return {
        "id": "overruns",
        "title": gettext("Overruns by unit"),
        "head": gettext("Unit"),
        "labels": [name for name, _count, _hours in units],
        "series": [
            (gettext("Overruns"), [count for _name, count, _hours in units]),
            (gettext("Hours over"), [hours for _name, _count, hours in units]),
        ],
    }


def _states(scope: Any, plan: EvaluationPlan) -> dict[str, Any]:
    criterion = scope & Application.submitted_at.is_not(None)
    counted = worklists.count_by_line(criterion, plan.year)
    lines = sorted({figure.line for figure in counted})
    series = [
        (
            str(name),
            [
                sum(f.count for f in counted if f.line == line and f.state in states)
                for line in lines
            ],
        )
        for name, states in PHASES
    ]
    return {
        "id": "figures",
        "title": gettext("Applications by plan line and stage"),
        "head": gettext("Plan line"),
        "labels": [str(gettext("Line %(number)s", number=line)) for line in lines],
        "series": [(name, values) for name, values in series if any(values)],
    }


def register(appbuilder: Any) -> None:
    """Add the work items and the notifications."""
    add_screen(appbuilder, WorkView, "Work items", label=_("Work items"), category="work")
    add_screen(
        appbuilder, NotificationView, "Notifications", label=_("Notifications"), category="work"
    )
