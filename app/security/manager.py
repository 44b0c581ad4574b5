"""FAB's security manager for this portal: accounts, sign-in, sessions, permissions of a request."""

from __future__ import annotations

from contextlib import suppress
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
from app.extensions import csrf, db, unit_of_work
from app.messages import explain
from app.models import Account, Person
from app.passwords import verify_password
from app.security import lockout
from app.security.actors import actor_of
from app.security.devices import device_of
from app.security.origins import comes_from_elsewhere
from app.security.session_limits import SessionEnd, SessionsUnreachableError, say_why, session_end
from app.security.session_store import renew
from app.services.accounts import change_own_password, identity_hash
from app.services.audit import record
from app.services.sessions import begin_session, end_session

OPEN_WITHOUT_SESSION = ("PublicView.", "PublicApi.", "PublicLookupApi.", "HomeView.", "appbuilder.")
"""What stays open while sessions cannot be read."""

OPEN_WHILE_PASSWORD_MUST_CHANGE = (
    "PortalAuthView.",
    "OwnPasswordView.",
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
        password = request.form.get("password") or ""
        if comes_from_elsewhere():
            flash(_("Please sign in on this page itself."), "warning")
            return self._show_form(login, 403)
        address = request.remote_addr or ""
        if lockout.is_locked(login.upper(), address):
            flash(
                _(
                    "Too many wrong passwords. Sign-in is locked for %(minutes)s minutes; "
                    "or ask your unit to reset the password.",
                    minutes=lockout.lock_minutes(),
                ),
                "danger",
            )
            return self._show_form(login, 429)
        account = self.appbuilder.sm.auth_user_db(login, password)
        if account is None:
            left = lockout.count_failure(login.upper(), address)
            flash(
                _(
                    "The login or the password is wrong. %(left)s tries are left.",
                    left=left,
                ),
                "danger",
            )
            return self._show_form(login, 401)
        lockout.forget_failures(login.upper(), address)
        enter(account)
        return redirect(_next_page())

    def _show_form(self, login: str, status: int) -> Any:
        page = self.render_template(
            "appbuilder/general/security/login_db.html",
            title=_("Sign in"),
            login=login,
            next_url=_wanted_page(),
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
            return redirect(self.appbuilder.get_url_for_index)
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
        return self.render_template("account/password.html", title=_("Change the password"))


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


def _wanted_page() -> str:
    """The page asked for before sign-in, if it is one of ours; else nothing."""
    wanted = request.values.get("next", "")
    return str(get_safe_redirect(wanted)) if wanted else ""


def _next_page() -> str:
    return _wanted_page() or "/"


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
        if not username:
            return None
        found = db.session.scalar(select(Account).where(Account.username == username.strip()))
        return found or self._find_person_account(username)

    @staticmethod
    def _find_person_account(number: str) -> Account | None:
        digest = identity_hash(number)
        return db.session.scalar(
            select(Account)
            .join(Person, Person.id == Account.person_id)
            .where(Person.identity_hash == digest)
        )

    def auth_user_db(self, username: str, password: str) -> Account | None:
        """The account if login and password are right and it is active; unknown logins take as
        long."""
        account = self.find_user(username=username)
        matches = verify_password(account.password if account else None, password)
        if account is None or not matches or not account.is_active:
            return None
        with unit_of_work():
            account.last_login = clock.real_now().replace(tzinfo=None)
            account.login_count = (account.login_count or 0) + 1
            record(
                "sign_in",
                account,
                actor=actor_of(account, address=request.remote_addr or ""),
                now=clock.now(),
            )
        return account

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
            return redirect(url_for("OwnPasswordView.change"))
        return None

    @staticmethod
    def _answer_ended(endpoint: str) -> Response | None:
        """Send whose session has just ended to the sign-in page, with the reason."""
        reason = g.get("session_end") or (SessionEnd.ENDED if session.is_gone else None)  # type: ignore[attr-defined]
        if not reason:
            return None
        leave()
        is_program = request.path.startswith(("/api/", "/lookup/"))
        if is_program or endpoint.startswith((*OPEN_WITHOUT_SESSION, "PortalAuthView.")):
            return None
        renew(session)
        flash(say_why(reason), "warning")
        wanted = request.full_path.rstrip("?") if request.method == "GET" else None
        return redirect(url_for("PortalAuthView.login", next=wanted))

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
