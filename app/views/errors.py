"""Every failure in words: a page for people, JSON for programs, never a traceback."""

from __future__ import annotations

import logging
import re
from typing import Any

from flask import Flask, current_app, g, jsonify, render_template, request, session
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from redis.exceptions import RedisError
from sqlalchemy.exc import DataError, NoResultFound, OperationalError
from werkzeug.exceptions import HTTPException, InternalServerError

from app.domain.errors import DomainError
from app.extensions import db
from app.messages import explain
from app.security.limits import TooManyRequestsError
from app.security.origins import was_sent_by_a_page_here
from app.security.refusals import say_why
from app.security.scope import ScopeError
from app.security.session_limits import SessionEndedError, SessionsUnreachableError

log = logging.getLogger(__name__)

NOT_REPEATED = re.compile(r"password|current|new|repeated|code", flags=re.IGNORECASE)
"""Fields whose values are typed again rather than written into a page."""


def register(app: Flask) -> None:
    """Answer domain errors, HTTP errors and the unexpected."""
    app.register_error_handler(DomainError, answer_domain_error)
    app.register_error_handler(TooManyRequestsError, answer_too_often)
    app.register_error_handler(SessionEndedError, answer_ended_session)
    app.register_error_handler(ScopeError, answer_scope_error)
    app.register_error_handler(NoResultFound, answer_not_found)
    app.register_error_handler(CSRFError, answer_csrf_error)
    app.register_error_handler(HTTPException, answer_http_error)
    app.register_error_handler(DataError, answer_unstorable)
    app.register_error_handler(OperationalError, answer_database_down)
    app.register_error_handler(RedisError, answer_redis_down)
    app.register_error_handler(Exception, answer_unexpected)


def wants_json() -> bool:
    """Whether the caller is a program: the API, or a script that asks for JSON."""
    if request.path.startswith("/api/") or request.is_json:
        return True
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json"


def respond(status: int, code: str, message: str) -> Any:
    """The same failure as JSON or as a page."""
    say_why(code)
    if wants_json():
        return jsonify(code=code, message=message), status
    page = render_template("errors/error.html", status=status, code=code, message=message)
    return page, status


def answer_domain_error(error: DomainError) -> Any:
    """A rule says no: 409, 422 or 403 with the sentence that says what to do."""
    db.session.rollback()
    return respond(error.http_status, error.code, explain(error))


def answer_scope_error(_error: ScopeError) -> Any:
    """A write outside the scope."""
    db.session.rollback()
    return respond(403, "out_of_scope", _("This lies outside your unit's scope."))


def answer_not_found(_error: NoResultFound) -> Any:
    """A row that is not there, or not for this account."""
    return respond(404, "not_found", _("There is nothing here, or it is not for your account."))


def answer_csrf_error(_error: CSRFError) -> Any:
    """A form from an ended session; what was typed stays on the page and can be sent again."""
    message = _("The page was open too long or your sign-in has ended; nothing was saved yet.")
    return offer_again(400, "form_expired", message, _("Go back, reload and try again."))


def answer_ended_session(error: SessionEndedError) -> Any:
    """A form of somebody who is no longer signed in; what was typed stays on the page."""
    return offer_again(error.http_status, error.code, explain(error))


def answer_too_often(error: TooManyRequestsError) -> Any:
    """More than may be done; what was typed stays on the page."""
    if request.method == "GET" or request.endpoint == "PortalAuthView.login":
        return respond(error.http_status, error.code, explain(error))
    return offer_again(error.http_status, error.code, explain(error))


def offer_again(status: int, code: str, message: str, otherwise: str = "") -> Any:
    """A refusal with the values that were typed and a button that sends them with a new token.

    Only where the browser says that a page of this site has sent them; passwords, codes and files
    are not repeated.
    """
    if wants_json() or not was_sent_by_a_page_here():
        return respond(status, code, f"{message} {otherwise}".strip())
    typed = [
        (name, value)
        for name, values in request.form.lists()
        for value in values
        if name != "csrf_token" and not NOT_REPEATED.search(name)
    ]
    page = render_template(
        "errors/again.html",
        status=status,
        message=message,
        typed=typed,
        target=request.full_path.rstrip("?"),
        has_files=any(file.filename for file in request.files.values()),
    )
    return page, status


MESSAGES = {
    400: lambda: _("The request cannot be understood. Go back and check the entries."),
    401: lambda: _("Please sign in."),
    403: lambda: _("Your account may not do this. Ask your unit's administrator."),
    404: lambda: _("There is nothing here, or it is not for your account."),
    405: lambda: _("This address cannot be used like that. Go back and use the page's buttons."),
    413: lambda: _("The upload is too large. Make the file smaller and try again."),
    429: lambda: _("Too many requests. Wait a minute and try again."),
}


def answer_http_error(error: HTTPException) -> Any:
    """Werkzeug's errors in our words; redirects pass."""
    if error.response is not None or (error.code or 500) < 400:
        return error
    if isinstance(getattr(error, "original_exception", None), RedisError):
        return answer_redis_down(error.original_exception)  # type: ignore[attr-defined]
    status = error.code or 500
    message = MESSAGES.get(status, lambda: _("Something went wrong. Try again later."))()
    return respond(status, f"http_{status}", message)


def answer_unstorable(error: DataError) -> Any:
    """A value no column can hold, such as a text with NUL: 400, and the log says where."""
    db.session.rollback()
    log.error("value cannot be stored", exc_info=error)
    return respond(400, "http_400", MESSAGES[400]())


def answer_database_down(error: OperationalError) -> Any:
    """The database is away: 503, and say so."""
    log.error("database unavailable: %s", error.__class__.__name__)
    g.pop("user", None)
    current_app.login_manager._update_request_context_with_user()  # type: ignore[attr-defined]
    return respond(
        503,
        "unavailable",
        _("The system is busy or under maintenance. Nothing was lost; try again."),
    )


def answer_redis_down(error: RedisError) -> Any:
    """Sessions and counters are away: nobody is known to be signed in, the limits are closed."""
    db.session.rollback()
    log.error("redis unavailable: %s", error.__class__.__name__)
    session.is_unreachable = True  # type: ignore[attr-defined]
    current_app.login_manager._update_request_context_with_user()  # type: ignore[attr-defined]
    return answer_domain_error(SessionsUnreachableError())


def answer_unexpected(error: Exception) -> Any:
    """A defect of ours: logged without personal data, answered without a traceback."""
    db.session.rollback()
    log.error("unexpected failure", exc_info=error)
    return answer_http_error(InternalServerError())
