"""FAB's security manager for this portal: accounts, sign-in, sessions, permissions of a request."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from flask import current_app, flash, g, redirect, request, session, url_for
from flask_appbuilder.baseviews import BaseView, expose
from flask_appbuilder.security.decorators import no_cache
from flask_appbuilder.security.sqla.manager import SecurityManager
from flask_appbuilder.security.sqla.models import (
    Permission,
    PermissionView,
    ViewMenu,
    assoc_permissionview_role,
)
from flask_appbuilder.utils.base import get_safe_redirect
from flask_babel import gettext as _
from flask_login import current_user, login_user, logout_user
from redis.exceptions import RedisError
from sqlalchemy import select
from werkzeug.wrappers import Response

from app import clock
from app.domain.errors import ConflictError, DomainError
from app.domain.terms import LoginMethod
from app.extensions import csrf, db, unit_of_work
from app.messages import explain
from app.models import Account
from app.security import lockout, pending
from app.security.actors import actor_of
from app.security.demands import describe_profile
from app.security.devices import device_of
from app.security.origins import comes_from_elsewhere
from app.security.pending import Pending
from app.security.session_limits import (
    SessionEnd,
    SessionEndedError,
    SessionsUnreachableError,
    session_end,
)
from app.security.session_store import renew
from app.services.actors import PUBLIC, Actor
from app.services.audit import record
from app.services.passwords import change_own_password
from app.services.sessions import begin_session, end_session
from app.services.sign_in import (
    WrongSignInError,
    check_password,
    find_account,
    name_of_tries,
    note_sign_in,
    receiver_of,
    send_account_code,
)
from app.services.sign_in_codes import Purpose
from app.services.sign_in_methods import needed_factor, offered_methods

OPEN_WITHOUT_SESSION = ("PublicView.", "PublicApi.", "PublicLookupApi.", "HomeView.", "appbuilder.")
"""What stays open while sessions cannot be read."""

BEFORE_SIGN_IN = ("PortalAuthView.", "SignInView.", "ActivationView.", "LocaleView.")
"""What leads to a sign-in: a session that ended before is no matter there."""

SECOND_FACTOR = "second_factor"
"""The step after the password (`app.security.pending`)."""

OPEN_WHILE_PASSWORD_MUST_CHANGE = (
    "PortalAuthView.",
    "OwnPasswordView.",
    "ActivationView.",
    "PublicView.",
    "appbuilder.",
    "static",
    "health.",
)


class PortalAuthView(BaseView):
    """登录 and 退出."""

    route_base = ""
    default_view = "login"

    @expose("/login/", methods=["GET", "POST"])
    @no_cache
    def login(self) -> Any:
        """Show the sign-in page, or sign in by `login` (or `username`) and `password`."""
        if current_user.is_authenticated and request.method == "GET":
            return redirect(_next_page())
        if request.method == "POST":
            return self._sign_in()
        return self._show_form("", 200)

    def _sign_in(self) -> Any:
        login = (request.form.get("login") or request.form.get("username") or "").strip()
        if comes_from_elsewhere():
            flash(_("Please sign in on this page itself."), "warning")
            return self._show_form(login, 403)
        try:
            account = _check_password(login, request.form.get("password") or "")
            return admit(account, [LoginMethod.PASSWORD], next_url=wanted_page())
        except WrongSignInError as error:
            flash(
                _(
                    "The login or the password is wrong. %(left)s tries are left.",
                    left=error.params["left"],
                ),
                "danger",
            )
            return self._show_form(login, error.http_status)
        except DomainError as error:
            flash(explain(error), "danger")
            return self._show_form(login, error.http_status)

    def _show_form(self, login: str, status: int) -> Any:
        page = self.render_template(
            "appbuilder/general/security/login_db.html",
            title=_("Sign in"),
            login=login,
            next_url=wanted_page(),
            methods=offered_methods(),
            current=LoginMethod.PASSWORD,
        )
        return page, status

    @expose("/logout/", methods=["POST"])
    def logout(self) -> Any:
        """End the session on the server; the cookie is worth nothing afterwards."""
        leave()
        return redirect("/public/")


class OwnPasswordView(BaseView):
    """修改密码: one's own password; asks for the current one."""

    route_base = "/password"
    default_view = "change"

    @expose("/", methods=["GET", "POST"])
    @no_cache
    def change(self) -> Any:
        """Show the form or change the password; every other session of the account ends."""
        if not current_user.is_authenticated:
            return redirect(url_for("PortalAuthView.login", next=request.path))
        if request.method == "POST":
            try:
                account = self._change()
            except DomainError as error:
                flash(explain(error), "danger")
                return self._page(), error.http_status
            enter(account)
            flash(
                _("The password has been changed. Other sign-ins of this account have ended."),
                "success",
            )
            return redirect(wanted_page() or self.appbuilder.get_url_for_index)
        return self._page()

    @staticmethod
    def _change() -> Account:
        with unit_of_work():
            account = db.session.get_one(Account, g.user.id)
            change_own_password(
                account,
                current=request.form.get("current", ""),
                new=request.form.get("new", ""),
                repeated=request.form.get("repeated", ""),
                actor=actor_of(account, address=request.remote_addr or ""),
                now=clock.now(),
            )
        return account

    def _page(self) -> Any:
        return self.render_template(
            "account/password.html",
            title=_("Change the password"),
            demands=describe_profile(),
            next_url=wanted_page(),
        )


def _check_password(login: str, password: str) -> Account:
    """The account behind login and password; a wrong one is counted. Raises DomainError."""
    account = find_account(login)
    name, address = name_of_tries(login, account), request.remote_addr or ""
    lockout.require_not_locked(name, address)
    lockout.require_not_braked(name, address)
    try:
        return check_password(account, password, now=clock.now())
    except WrongSignInError as error:
        raise WrongSignInError(left=count_wrong_try(name, account)) from error


def count_wrong_try(name: str, account: Account | None) -> int:
    """Count a wrong proof, write down a lock of a known account, and give the tries left."""
    left = lockout.count_failure(name, request.remote_addr or "")
    if left == 0 and account is not None:
        with unit_of_work():
            record("sign_in_locked", account, actor=visitor(), now=clock.now())
    return left


def visitor() -> Actor:
    """Somebody who has not signed in yet, at this address."""
    return replace(PUBLIC, address=request.remote_addr or "")


def admit(account: Account, methods: list[LoginMethod], *, next_url: str = "") -> Response:
    """Let an account in that has been proved by `methods`, and lead to the page it wanted; or
    first to the page that asks for what is still to be proved."""
    address = request.remote_addr or ""
    factor = needed_factor(account, methods)
    if factor is not None:
        if factor is LoginMethod.SMS_CODE:
            send_second_factor(account)
        proved = [each.value for each in methods]
        name = name_of_tries("", account)
        pending.keep(
            Pending(
                SECOND_FACTOR,
                name,
                account_id=account.id,
                methods=proved,
                held=factor.value,
                next_url=next_url,
            )
        )
        return redirect("/login/second", 303)
    pending.forget()
    with unit_of_work():
        account = db.session.get_one(Account, account.id)
        note_sign_in(account, methods, actor=actor_of(account, address=address), now=clock.now())
    lockout.forget_failures(name_of_tries("", account), address)
    enter(account)
    return redirect(next_url or "/")


def send_second_factor(account: Account) -> None:
    """Send the code that is asked for after the password. Raises DomainError."""
    with unit_of_work():
        receiver = receiver_of("", account)
        send_account_code(Purpose.SIGN_IN, account, receiver, actor=visitor(), now=clock.now())


def enter(account: Account) -> None:
    """Begin a fresh server-side session for `account`; a session id from before is not kept."""
    locale = session.get("locale")
    leave()
    if locale:
        session["locale"] = locale
    renew(session)
    now = clock.real_now()
    session["signed_in_at"] = now.timestamp()
    session["account_id"] = account.id
    session["handle"] = begin_session(
        account,
        session.sid,  # type: ignore[attr-defined]
        now=now,
        lifetime=current_app.permanent_session_lifetime,
        device=device_of(request),
    )
    login_user(account)


def leave() -> None:
    """End the session of this request on the server, whoever it belongs to."""
    if "handle" in session:
        with suppress(ConflictError):  # it was ended elsewhere meanwhile
            end_session(int(session["account_id"]), session["handle"])
    logout_user()
    session.clear()


def wanted_page() -> str:
    """The page asked for before sign-in, if it is one of ours; else nothing."""
    wanted = request.values.get("next", "")
    return str(get_safe_redirect(wanted)) if wanted else ""


def _next_page() -> str:
    return wanted_page() or "/"


class PortalSecurityManager(SecurityManager):
    """Accounts instead of users, argon2id, server-side sessions that really end, no stock admin
    pages."""

    user_model = Account
    authdbview = PortalAuthView

    def register_views(self) -> None:
        """Register sign-in and one's own password; all else is in app.views."""
        self.auth_view = PortalAuthView()
        self.appbuilder.add_view_no_menu(self.auth_view)
        csrf.exempt(f"{PortalAuthView.__module__}.login")
        if self.is_auth_limited:
            self.limiter.limit(self.auth_rate_limit, methods=["POST"])(self.auth_view.blueprint)
        self.appbuilder.add_view_no_menu(OwnPasswordView())

    def find_user(self, username: str | None = None, email: str | None = None) -> Account | None:
        """An account by login: a unit's or staff login name, or a person's document number."""
        return find_account(username or "")

    def auth_user_db(self, username: str, password: str) -> Account | None:
        """Nobody: FAB's own way in knows neither lock-out nor second factor."""
        return None

    def load_user(self, pk: str) -> Account | None:
        """The account of a session, unless the session has ended: by its own sign-out, from the
        list of sign-ins, by its limits, or because the stamp of the account has moved on (password
        or roles changed, locked)."""
        account_id, _dot, stamp = str(pk).partition(".")
        if not account_id.isdigit():
            return None
        account = db.session.get(Account, int(account_id))
        if account is None or not account.is_active or str(account.session_stamp or 0) != stamp:
            g.session_end = SessionEnd.ENDED
            return None
        try:
            g.session_end = session_end()
        except RedisError:
            session.is_unreachable = True  # type: ignore[attr-defined]
            return None
        return None if g.session_end else account

    def before_request(self) -> Any:
        """Say why a session has ended; send who must change the password to that page."""
        g.user = current_user
        endpoint = request.endpoint or ""
        if not endpoint or endpoint.startswith(("static", "appbuilder.static", "health.")):
            return None
        if not current_user.is_authenticated:
            if session.is_unreachable and not endpoint.startswith(OPEN_WITHOUT_SESSION):  # type: ignore[attr-defined]
                raise SessionsUnreachableError
            return self._answer_ended(endpoint)
        if current_user.must_change_password and not endpoint.startswith(
            OPEN_WHILE_PASSWORD_MUST_CHANGE
        ):
            flash(_("Please choose your own password first."), "warning")
            wanted = request.full_path.rstrip("?") if request.method == "GET" else None
            return redirect(url_for("OwnPasswordView.change", next=wanted))
        return None

    @staticmethod
    def _answer_ended(endpoint: str) -> Response | None:
        """Send whose session has just ended to the sign-in page, with the reason."""
        reason = g.get("session_end") or (SessionEnd.ENDED if session.is_gone else None)  # type: ignore[attr-defined]
        if not reason:
            return None
        leave()
        is_program = request.path.startswith(("/api/", "/lookup/"))
        if is_program or endpoint.startswith((*OPEN_WITHOUT_SESSION, *BEFORE_SIGN_IN)):
            return None
        renew(session)
        ended = SessionEndedError.of(reason)
        if request.method != "GET":
            raise ended  # with what was typed
        flash(explain(ended), "warning")
        return redirect(url_for("PortalAuthView.login", next=request.full_path.rstrip("?")))

    def _has_view_access(self, user: Any, permission_name: str, view_name: str) -> bool:
        return (permission_name, view_name) in self.permissions_of(user)

    def permissions_of(self, user: Any) -> frozenset[tuple[str, str]]:
        """Everything the user's roles grant, in one query a request."""
        return frozenset(self.grants_of(user))

    def roles_granting(self, user: Any, permission_name: str, view_name: str) -> frozenset[str]:
        """Which of the user's roles grant a permission; from the same one query."""
        return self.grants_of(user).get((permission_name, view_name), frozenset())

    def grants_of(self, user: Any) -> dict[tuple[str, str], frozenset[str]]:
        """(permission, screen) -> the names of the user's roles that grant it."""
        cached = g.get("permissions")
        if cached is None or cached[0] != user.id:
            names = {role.id: role.name for role in self.get_user_roles(user) if role is not None}
            rows = db.session.execute(
                select(Permission.name, ViewMenu.name, assoc_permissionview_role.c.role_id)
                .select_from(assoc_permissionview_role)
                .join(
                    PermissionView,
                    PermissionView.id == assoc_permissionview_role.c.permission_view_id,
                )
                .join(Permission, Permission.id == PermissionView.permission_id)
                .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
                .where(assoc_permissionview_role.c.role_id.in_(list(names)))
            )
            granted: dict[tuple[str, str], frozenset[str]] = {}
            for permission, view, role_id in rows:
                pair = (permission, view)
                granted[pair] = granted.get(pair, frozenset()) | {names[role_id]}
            cached = g.permissions = (user.id, granted)
        found: dict[tuple[str, str], frozenset[str]] = cached[1]
        return found

    def get_user_menu_access(self, menu_names: list[str] | None = None) -> set[str]:
        """The menu entries the current user sees, from the same one query."""
        if not current_user.is_authenticated:
            return set()
        granted = self.permissions_of(g.user)
        return {view for permission, view in granted if permission == "menu_access"}

    def is_item_public(self, permission_name: str, view_name: str) -> bool:
        """Nothing: pages for the public ask for no permission, FAB's Public role stays empty."""
        return False
