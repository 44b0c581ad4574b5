"""登录设备: one's own open sign-ins, and ending them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import current_app, flash, g, redirect, request, session, url_for
from flask_appbuilder.baseviews import BaseView, expose
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user

from app import clock
from app.domain.errors import DomainError
from app.domain.workflow import ActorRole
from app.extensions import unit_of_work
from app.messages import explain
from app.security.actors import current_actor
from app.security.devices import in_words
from app.security.session_limits import idle_limit
from app.services.audit import record
from app.services.sessions import end_session, end_sessions, list_sessions


def signed_in(view: Callable[..., Any]) -> Callable[..., Any]:
    """Any account may open it; everybody else is sent to the sign-in page."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if current_user.is_authenticated:
            return view(*args, **kwargs)
        wanted = request.path if request.method == "GET" else None
        return redirect(url_for("PortalAuthView.login", next=wanted))

    return guarded


class OwnSessionsView(BaseView):
    """登录设备."""

    route_base = "/sessions"
    default_view = "home"

    @expose("/")
    @signed_in
    def home(self) -> Any:
        """List one's own open sign-ins, the one used last first."""
        found = list_sessions(g.user, now=clock.real_now(), idle=idle_limit())
        is_applicant = current_actor().roles == {ActorRole.APPLICANT}
        rows = [(row, f"{in_words(row.browser)} · {in_words(row.system)}") for row in found]
        return self.render_template(
            "account/sessions.html",
            title=_("Sign-ins and devices"),
            page_layout=f"layout/{'public' if is_applicant else 'base'}.html",
            rows=rows,
            here=session["handle"],
            idle_minutes=current_app.config["IDLE_MINUTES"],
            session_hours=current_app.config["SESSION_HOURS"],
        )

    @expose("/end", methods=["POST"])
    @signed_in
    def end(self) -> Any:
        """End one of the own sign-ins; ending this one is signing out."""
        handle = request.form.get("handle", "")
        try:
            with unit_of_work():
                end_session(g.user.id, handle)
                self._note("end_session")
        except DomainError as error:
            flash(explain(error), "warning")
        else:
            flash(_("The sign-in has been ended."), "success")
        return redirect(url_for("OwnSessionsView.home"))

    @expose("/end-others", methods=["POST"])
    @signed_in
    def end_others(self) -> Any:
        """End every own sign-in but this one."""
        with unit_of_work():
            ended = end_sessions(g.user.id, except_=session["handle"])
            self._note("end_other_sessions")
        flash(
            ngettext(
                "%(num)s other sign-in has been ended.",
                "%(num)s other sign-ins have been ended.",
                ended,
            ),
            "success",
        )
        return redirect(url_for("OwnSessionsView.home"))

    @staticmethod
    def _note(action: str) -> None:
        record(action, g.user._get_current_object(), actor=current_actor(), now=clock.now())


def register(appbuilder: Any) -> None:
    """Add the page; the account menu leads to it."""
    appbuilder.add_view_no_menu(OwnSessionsView())
