"""激活账号: login and activation code, a text to the registered phone, a password of one's own."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import no_cache
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from app import clock
from app.domain.codes import mask_phone
from app.domain.errors import DomainError
from app.domain.terms import LoginMethod
from app.extensions import db, unit_of_work
from app.messages import explain
from app.models import Account
from app.security import lockout, pending
from app.security.demands import describe_profile
from app.security.manager import admit, count_wrong_try, visitor
from app.security.pending import Pending
from app.services import activation
from app.services.sign_in import find_account, name_of_tries
from app.services.texts import phone_of
from app.views import forms as f
from app.views.base import PortalView

STEP = "activation"


class ActivationForm(f.PortalForm):
    """What the unit has handed over."""

    login = f.login()
    activation_code = f.text(
        _l("Activation code"),
        required=True,
        longest=64,
        hint=_l("Your unit has given it to you. Small letters and hyphens do not matter."),
        render_kw={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"},
    )


class ActivationView(PortalView):
    """Open to everybody; nothing but the choice of a password can be reached by it."""

    route_base = "/activate"
    default_view = "begin"

    @expose("/", methods=["GET", "POST"])
    @no_cache
    def begin(self) -> Any:
        """Ask for login and activation code, then send the text."""
        if current_user.is_authenticated:
            return redirect("/")
        form = ActivationForm()
        return self.answer(
            form,
            lambda: self._check(form),
            "account/activate.html",
            title=_("Activate the account"),
        )

    def _check(self, form: ActivationForm) -> Any:
        account = find_account(form.login.data)
        name = name_of_tries(form.login.data, account)
        lockout.require_not_locked(name, request.remote_addr or "")
        now = clock.now()
        try:
            account = activation.check_activation_code(account, form.activation_code.data, now=now)
        except activation.WrongActivationError:
            count_wrong_try(name, account)
            raise
        pending.keep(Pending(STEP, name, account_id=account.id, held=account.activation_hash or ""))
        self._send(account)
        return redirect("/activate/password", 303)

    @staticmethod
    def _send(account: Account) -> None:
        with unit_of_work():
            activation.send_activation_text(account, actor=visitor(), now=clock.now())

    @expose("/password", methods=["GET", "POST"])
    @no_cache
    def password(self) -> Any:
        """Ask for the code of the text and a new password; then the account is open."""
        proved = pending.find(STEP)
        if proved is None:
            flash(_("Begin with your login and activation code."), "warning")
            return redirect("/activate/", 303)
        form = f.NewPasswordForm()
        account = db.session.get_one(Account, proved.account_id)
        return self.answer(
            form,
            lambda: self._activate(proved, form),
            "account/first_password.html",
            title=_("Choose a password"),
            phone=mask_phone(phone_of(account) or ""),
            demands=describe_profile(),
        )

    def _activate(self, proved: Pending, form: f.NewPasswordForm) -> Any:
        with unit_of_work():
            account = activation.activate_account(
                proved.account_id or 0,
                proved.held,
                text_code=form.sms_code.data,
                new=form.new.data,
                repeated=form.repeated.data,
                actor=visitor(),
                now=clock.now(),
            )
        flash(_("The account is activated. From now on you sign in with your password."), "success")
        return admit(account, [LoginMethod.SMS_CODE])

    @expose("/again", methods=["POST"])
    def again(self) -> Any:
        """Send another text."""
        proved = pending.find(STEP)
        if proved is not None:
            try:
                self._send(db.session.get_one(Account, proved.account_id))
                flash(_("A new code has been sent."), "success")
            except DomainError as error:
                flash(explain(error), "warning")
        return redirect("/activate/password", 303)


def register(appbuilder: Any) -> None:
    """Add the pages; the sign-in page leads to them."""
    appbuilder.add_view_no_menu(ActivationView)
