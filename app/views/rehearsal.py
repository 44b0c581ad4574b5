"""演练时钟: show the rehearsed time and move it forward; what becomes due happens at once, in due
order."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import flash, redirect, request, url_for
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _

from app import clock, settling
from app.domain.calendar import BEIJING
from app.domain.errors import DomainError, NotPermittedError
from app.domain.workflow import ActorRole
from app.extensions import unit_of_work
from app.messages import explain
from app.services import card_scans, rehearsal, worklists
from app.services.texts import rehearsal_texts
from app.views.base import ALL, PortalView
from app.views.menu import add_screen

STEPS = {
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
    "3d": timedelta(days=3),
    "1w": timedelta(weeks=1),
}


class RehearsalView(PortalView):
    """The page for the administrator; in production it only says that there is nothing to move."""

    route_base = "/rehearsal"
    default_view = "home"
    class_permission_name = "Rehearsal clock"
    grants = {
        ActorRole.SYSTEM_ADMIN: ALL,
        ActorRole.PROVINCE_HRSS: frozenset({"can_home", "can_set_clock"}),
    }

    @expose("/")
    @has_access
    def home(self) -> Any:
        """The rehearsed time, the way to move it, and what lies ahead."""
        return self._page(request.args.get("at", ""), 200)

    @expose("/set", methods=["POST"])
    @has_access
    def set_clock(self) -> Any:
        """Move the clock to `at`, or on by `step`."""
        try:
            at = _wanted(request.form.get("at", ""), request.form.get("step", ""))
            with unit_of_work():
                rehearsal.set_rehearsed_time(at)
        except DomainError as error:
            flash(explain(error), "danger")
            return self._page(request.form.get("at", ""), 422)
        except ValueError:
            flash(gettext("Give a date and a time, for example 2022-08-15 09:00."), "danger")
            return self._page(request.form.get("at", ""), 422)
        changed = sum(count for _found, count in settling.run_everything().values())
        flash(
            gettext(
                "It is now %(now)s. What became due has been done: %(count)s changes.",
                now=clock.now().strftime("%Y-%m-%d %H:%M"),
                count=changed,
            ),
            "success",
        )
        return redirect(url_for("RehearsalView.home"))

    @expose("/codes")
    @has_access
    def codes(self) -> Any:
        """The texts this rehearsal would have sent; nothing in production."""
        return self.render_template(
            "home/codes.html",
            title=gettext("Texts of the rehearsal"),
            rows=[
                (sent.code, sent.phone_mask, f"{sent.at:%H:%M:%S}", sent.text)
                for sent in rehearsal_texts()
            ],
            tickets=card_scans.rehearsal_tickets(),
            is_rehearsal=rehearsal.is_rehearsal(),
        )

    @expose("/scan", methods=["POST"])
    @has_access
    def scan(self) -> Any:
        """Let the card of somebody scan a QR code of this rehearsal."""
        ticket, number = request.form.get("ticket", ""), request.form.get("document_number", "")
        try:
            if ticket not in card_scans.rehearsal_tickets():
                raise NotPermittedError
            card_scans.confirm_scan(ticket, number)
        except DomainError as error:
            flash(explain(error), "danger")
        else:
            flash(gettext("The card has been scanned."), "success")
        return redirect(url_for("RehearsalView.codes"), 303)

    def _page(self, typed: str, status: int) -> Any:
        now = clock.now()
        plan = worklists.current_plan(now=now)
        page = self.render_template(
            "home/rehearsal.html",
            title=gettext("Rehearsal clock"),
            now=now,
            typed=typed,
            steps=list(STEPS),
            is_rehearsal=rehearsal.is_rehearsal(),
            shows_codes=self.appbuilder.sm.has_access("can_codes", self.class_permission_name),
            milestones=[row for row in _milestones(plan) if row[0] > now][:12],
        )
        return page, status


def _wanted(at: str, step: str) -> datetime:
    if step in STEPS:
        return clock.now() + STEPS[step]
    instant = datetime.fromisoformat(at.strip().replace(" ", "T"))
    return instant if instant.tzinfo else instant.replace(tzinfo=BEIJING)


def _milestones(plan: Any) -> list[tuple[datetime, str, str]]:
    rows: list[tuple[datetime, str, str]] = []
    for line in plan.lines if plan else []:
        rows += [
            (line.applications_open_at, gettext("Application window opens"), line.series_text),
            (line.applications_close_at, gettext("Application window closes"), line.series_text),
            (line.receipt_due_at, gettext("Receipt deadline"), line.series_text),
        ]
    return sorted(rows)


def register(appbuilder: Any) -> None:
    """Add the page under 系统."""
    add_screen(
        appbuilder, RehearsalView, "Rehearsal clock", label=_("Rehearsal clock"), category="system"
    )
