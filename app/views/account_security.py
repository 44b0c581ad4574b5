"""账号与安全: one's own password, sign-ins and authenticator on one page."""

from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import no_cache
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app import clock
from app.domain.errors import DomainError
from app.extensions import db, unit_of_work
from app.messages import explain
from app.models import Account
from app.security.actors import current_actor
from app.services import totp
from app.views import forms as f
from app.views.base import PortalView
from app.views.sessions import signed_in
from app.views.sign_in import draw_qr


class TotpForm(f.PortalForm):
    """A code of one's own authenticator."""

    totp_code = f.text(
        _l("Code of the authenticator"),
        required=True,
        longest=20,
        render_kw={"autocomplete": "one-time-code"},
    )


class AccountSecurityView(PortalView):
    """For every account that is signed in, about itself."""

    route_base = "/account/security"
    default_view = "home"

    @expose("/")
    @signed_in
    @no_cache
    def home(self) -> Any:
        """What protects this account, and the ways to change it."""
        account = db.session.get_one(Account, g.user.id)
        return self.render_template(
            "account/security.html",
            title=_("Account and security"),
            account=account,
            is_staff=totp.is_staff(account),
            enrolment=totp.find_enrolment(account),
        )

    @expose("/totp", methods=["GET", "POST"])
    @signed_in
    @no_cache
    def set_up(self) -> Any:
        """Show the QR code of a new secret, and take its first code."""
        account = db.session.get_one(Account, g.user.id)
        form = TotpForm()
        if request.method == "POST" and "begin" in request.form:
            try:
                with unit_of_work():
                    totp.begin_enrolment(account)
            except DomainError as error:
                flash(explain(error), "warning")
                return redirect(url_for("AccountSecurityView.home"), 303)
            return redirect(url_for("AccountSecurityView.set_up"), 303)
        secret = totp.pending_secret(account)
        if secret is None:
            return redirect(url_for("AccountSecurityView.home"), 303)

        def confirm() -> Any:
            with unit_of_work():
                codes = totp.confirm_enrolment(
                    account, form.totp_code.data, actor=current_actor(), now=clock.now()
                )
            return self.render_template(
                "account/recovery_codes.html", title=_("Recovery codes"), codes=codes
            )

        return self.answer(
            form,
            confirm,
            "account/totp_set_up.html",
            title=_("Set up an authenticator"),
            qr=draw_qr(totp.uri_of(account, secret)),
            secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        )

    @expose("/totp/remove", methods=["GET", "POST"])
    @signed_in
    @no_cache
    def remove(self) -> Any:
        """Switch one's own authenticator off by a code of it."""
        form = TotpForm()

        def take_out() -> Any:
            with unit_of_work():
                totp.remove_own_totp(
                    db.session.get_one(Account, g.user.id),
                    form.totp_code.data,
                    actor=current_actor(),
                    now=clock.now(),
                )
            flash(_("The authenticator has been removed."), "success")
            return redirect(url_for("AccountSecurityView.home"), 303)

        return self.answer(
            form, take_out, "account/totp_remove.html", title=_("Remove the authenticator")
        )


def register(appbuilder: Any) -> None:
    """Add the page; the menu of the account leads to it."""
    appbuilder.add_view_no_menu(AccountSecurityView)
