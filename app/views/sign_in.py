"""登录: by SMS code, by card scan, the second proof after the password, and 忘记密码."""

from __future__ import annotations

from typing import Any

import segno
from flask import flash, jsonify, redirect, request, session
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import no_cache
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from app import clock
from app.domain.errors import DomainError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import LoginMethod
from app.extensions import csrf, db, unit_of_work
from app.gateways import gateways
from app.messages import explain
from app.models import Account
from app.security import lockout, pending
from app.security.actors import actor_of
from app.security.demands import describe_profile
from app.security.manager import (
    SECOND_FACTOR,
    admit,
    count_wrong_try,
    send_second_factor,
    visitor,
    wanted_page,
)
from app.security.pending import Pending
from app.services import card_scans, password_reset, sign_in_codes, totp
from app.services.sign_in import (
    WrongSignInError,
    find_account,
    name_of_tries,
    receiver_of,
    require_may_sign_in,
    send_account_code,
)
from app.services.sign_in_codes import Purpose, Receiver, WrongCodeError
from app.services.sign_in_methods import is_on_for, offered_methods
from app.views import forms as f
from app.views.base import PortalView

SMS, RESET, CARD = "sms", "reset", "card"
SENT = N_(
    "If this login has a registered mobile number, a code has been sent to it. It is valid for 5 "
    "minutes."
)


class LoginForm(f.PortalForm):
    """Only the login: a code follows."""

    login = f.login()


class CodeForm(f.PortalForm):
    """The digits of a text."""

    sms_code = f.sms_code()


class TotpForm(f.PortalForm):
    """The digits of an authenticator, or a recovery code."""

    totp_code = f.text(
        _l("Code of the authenticator"),
        required=True,
        longest=20,
        hint=_l("Six digits; without the phone: one of your recovery codes."),
        render_kw={"autocomplete": "one-time-code"},
    )


class SignInView(PortalView):
    """Open to everybody; each page leads to the next, none opens anything before the last."""

    route_base = "/login"
    default_view = "by_text"

    # ---- by text

    @expose("/sms", methods=["GET", "POST"])
    @no_cache
    def by_text(self) -> Any:
        """Ask for the login and send a code."""
        if LoginMethod.SMS_CODE not in offered_methods():
            return _switched_off()
        form = LoginForm()
        return self.answer(
            form,
            lambda: self._send_sign_in_code(form.login.data),
            "account/sms.html",
            title=_("Sign in by SMS code"),
            methods=offered_methods(),
            current=LoginMethod.SMS_CODE,
        )

    @staticmethod
    def _send_sign_in_code(login: str) -> Any:
        account = find_account(login)
        name = name_of_tries(login, account)
        lockout.require_not_locked(name, request.remote_addr or "")
        receiver = receiver_of(login, account)
        is_open = account is not None and account.is_active and bool(account.password)
        if account is None or not is_open or not is_on_for(account, LoginMethod.SMS_CODE):
            receiver = Receiver(name, None)
        with unit_of_work():
            send_account_code(Purpose.SIGN_IN, account, receiver, actor=visitor(), now=clock.now())
        account_id = account.id if account is not None and receiver.phone is not None else None
        pending.keep(Pending(SMS, name, account_id=account_id, next_url=wanted_page()))
        flash(_(SENT), "info")
        return redirect("/login/sms/code", 303)

    @expose("/sms/code", methods=["GET", "POST"])
    @no_cache
    def text_code(self) -> Any:
        """Ask for the code and let the account in."""
        kept = pending.find(SMS)
        if kept is None:
            return redirect("/login/sms", 303)
        form = CodeForm()
        return self.answer(
            form,
            lambda: self._enter_by_text(kept, form.sms_code.data),
            "account/code.html",
            title=_("Sign in by SMS code"),
            back="/login/sms",
        )

    @staticmethod
    def _enter_by_text(kept: Pending, code: str) -> Any:
        account = _account_of(kept)
        lockout.require_not_locked(kept.name, request.remote_addr or "")
        receiver = receiver_of("", account) if account else Receiver(kept.name, None)
        try:
            sign_in_codes.use_code(Purpose.SIGN_IN, receiver, code)
        except WrongCodeError:
            count_wrong_try(kept.name, account)
            raise
        if account is None:
            raise WrongCodeError
        require_may_sign_in(account, now=clock.now())
        return admit(account, [LoginMethod.SMS_CODE], next_url=kept.next_url)

    # ---- the second proof

    @expose("/second", methods=["GET", "POST"])
    @no_cache
    def second(self) -> Any:
        """Ask for what the password alone does not prove."""
        kept = pending.find(SECOND_FACTOR)
        account = _account_of(kept) if kept else None
        if kept is None or account is None:
            return redirect("/login/", 303)
        if kept.held == LoginMethod.TOTP.value:
            form: Any = TotpForm()
            return self.answer(
                form,
                lambda: self._check_totp(kept, account, form.totp_code.data),
                "account/totp_code.html",
                title=_("One more step"),
            )
        form = CodeForm()
        return self.answer(
            form,
            lambda: self._check_second_text(kept, account, form.sms_code.data),
            "account/code.html",
            title=_("One more step"),
            lead=_("A code has been sent to your registered mobile number."),
            again="/login/second/again",
            back="/login/",
        )

    @expose("/second/again", methods=["POST"])
    def second_again(self) -> Any:
        """Send another text."""
        kept = pending.find(SECOND_FACTOR)
        account = _account_of(kept) if kept else None
        if kept is not None and account is not None and kept.held == LoginMethod.SMS_CODE.value:
            try:
                send_second_factor(account)
                flash(_("A new code has been sent."), "success")
            except DomainError as error:
                flash(explain(error), "warning")
        return redirect("/login/second", 303)

    @staticmethod
    def _check_totp(kept: Pending, account: Account, code: str) -> Any:
        lockout.require_not_locked(kept.name, request.remote_addr or "")
        try:
            with unit_of_work():
                actor = actor_of(account, address=request.remote_addr or "")
                totp.check_totp(account, code, actor=actor, now=clock.now())
        except WrongCodeError:
            count_wrong_try(kept.name, account)
            raise
        return _go_on(kept, account, LoginMethod.TOTP)

    @staticmethod
    def _check_second_text(kept: Pending, account: Account, code: str) -> Any:
        lockout.require_not_locked(kept.name, request.remote_addr or "")
        try:
            sign_in_codes.use_code(Purpose.SIGN_IN, receiver_of("", account), code)
        except WrongCodeError:
            count_wrong_try(kept.name, account)
            raise
        return _go_on(kept, account, LoginMethod.SMS_CODE)

    # ---- by card

    @expose("/card", methods=["GET", "POST"])
    @no_cache
    def by_card(self) -> Any:
        """Show a QR code when asked to, and let the holder of the card in that has scanned it."""
        if LoginMethod.ESSC not in offered_methods():
            return _switched_off()
        ticket = session.get("card_ticket", "")
        state = card_scans.scan_state(ticket) if ticket else "gone"
        if request.method == "POST" and state == "confirmed":
            return self._enter_by_card(ticket)
        if request.method == "POST" and state == "open" and "new" not in request.form:
            flash(_("The card has not been scanned yet."), "warning")
        elif request.method == "POST":
            ticket, content = card_scans.begin_scan(address=request.remote_addr or "")
            session["card_ticket"], session["card_content"] = ticket, content
            state = "open"
        shown = session.get("card_content", "")
        return self.render_template(
            "account/card.html",
            title=_("Sign in by e-social-security card"),
            state=state,
            ticket=ticket,
            qr=draw_qr(shown) if state == "open" else "",
            methods=offered_methods(),
            current=LoginMethod.ESSC,
        )

    @staticmethod
    def _enter_by_card(ticket: str) -> Any:
        session.pop("card_ticket", None)
        session.pop("card_content", None)
        try:
            account = _holder_of(ticket)
        except WrongSignInError:
            flash(
                _(
                    "There is no activated account for this card. Ask your unit for an account, "
                    "or activate it first."
                ),
                "danger",
            )
            return redirect("/login/", 303)
        return admit(account, [LoginMethod.ESSC])

    @expose("/card/state")
    @no_cache
    def card_state(self) -> Any:
        """Whether the QR code of this browser has been scanned, for the page that shows it."""
        ticket = session.get("card_ticket", "")
        return jsonify(state=card_scans.scan_state(ticket) if ticket else "gone")

    @expose("/card/callback", methods=["POST"])
    def card_callback(self) -> Any:
        """The card gateway tells whose card has scanned a ticket; signed, JSON in and out."""
        driver = gateways().cards
        body = request.get_data(cache=True)
        if driver is None or not driver.is_signed(dict(request.headers), body):
            raise NotPermittedError
        said = request.get_json(force=True, silent=True)
        ticket, number = (
            (said.get("ticket"), said.get("document_number"))
            if isinstance(said, dict)
            else (None, None)
        )
        if not isinstance(ticket, str) or not isinstance(number, str):
            raise RuleViolation(N_("Send ticket and document_number as JSON."))
        card_scans.confirm_scan(ticket, number)
        return jsonify(accepted=True)

    # ---- forgotten

    @expose("/forgotten", methods=["GET", "POST"])
    @no_cache
    def forgotten(self) -> Any:
        """Ask for the login and send a code."""
        form = LoginForm()
        return self.answer(
            form,
            lambda: self._send_reset_code(form.login.data),
            "account/forgotten.html",
            title=_("Forgotten the password"),
        )

    @staticmethod
    def _send_reset_code(login: str) -> Any:
        account = find_account(login)
        name = name_of_tries(login, account)
        with unit_of_work():
            password_reset.send_reset_code(account, login, actor=visitor(), now=clock.now())
        pending.keep(Pending(RESET, name, account_id=account.id if account else None))
        flash(_(SENT), "info")
        return redirect("/login/forgotten/password", 303)

    @expose("/forgotten/password", methods=["GET", "POST"])
    @no_cache
    def new_password(self) -> Any:
        """Ask for the code and a new password; then one signs in with it."""
        kept = pending.find(RESET)
        if kept is None:
            return redirect("/login/forgotten", 303)
        form = f.NewPasswordForm()
        return self.answer(
            form,
            lambda: self._reset(kept, form),
            "account/new_password.html",
            title=_("Choose a new password"),
            demands=describe_profile(),
        )

    @staticmethod
    def _reset(kept: Pending, form: f.NewPasswordForm) -> Any:
        lockout.require_not_locked(kept.name, request.remote_addr or "")
        try:
            with unit_of_work():
                password_reset.reset_own_password(
                    kept.account_id,
                    kept.name,
                    text_code=form.sms_code.data,
                    new=form.new.data,
                    repeated=form.repeated.data,
                    actor=visitor(),
                    now=clock.now(),
                )
        except WrongCodeError:
            count_wrong_try(kept.name, _account_of(kept))
            raise
        pending.forget()
        flash(_("The password has been changed. Sign in with the new one."), "success")
        return redirect("/login/", 303)


def _holder_of(ticket: str) -> Account:
    """The activated account of the card's holder. Raises WrongSignInError."""
    account = card_scans.use_scan(ticket)
    if account is None or not account.password or not is_on_for(account, LoginMethod.ESSC):
        raise WrongSignInError
    require_may_sign_in(account, now=clock.now())
    return account


def _go_on(kept: Pending, account: Account, method: LoginMethod) -> Any:
    """One proof more than before: ask again what is still needed."""
    require_may_sign_in(account, now=clock.now())
    proved = [*(LoginMethod(each) for each in kept.methods), method]
    return admit(account, proved, next_url=kept.next_url)


def _account_of(kept: Pending) -> Account | None:
    return db.session.get(Account, kept.account_id) if kept.account_id else None


def _switched_off() -> Any:
    """Back to the ways of signing in that are there."""
    flash(_("This way of signing in is switched off. Use another one."), "warning")
    return redirect("/login/", 303)


def draw_qr(content: str) -> Markup:
    """A QR code to be put into the page."""
    code = segno.make(content, error="m", micro=False)
    return Markup(code.svg_inline(scale=5, border=2, omitsize=True))  # noqa: S704 -- drawn by segno, not typed


def register(appbuilder: Any) -> None:
    """Add the pages; the sign-in page leads to them."""
    appbuilder.add_view_no_menu(SignInView)
    csrf.exempt(f"{SignInView.__module__}.card_callback")
