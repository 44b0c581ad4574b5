"""Sessions in Redis under the digest of their id; a session that was ended is never written back.
What they hold is encrypted: a term somebody searches for may be a document number.

The usual stores keep the id itself as the key and write a session back although it was ended while
the request was under way. Here a stored session is replaced only where it still is.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

from flask import Flask, Request, Response
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SessionInterface, SessionMixin
from redis.exceptions import RedisError
from werkzeug.datastructures import CallbackDict

from app.crypto import keyring
from app.extensions import redis_store
from app.services.sessions import DATA, KEPT_AFTER_THE_END, digest_of

log = logging.getLogger(__name__)
SERIALIZER = TaggedJSONSerializer()


class PortalSession(CallbackDict, SessionMixin):
    """A session; `is_stored` once Redis has it, `is_gone` where the cookie names one it no longer
    has, `is_unreachable` while Redis is away."""

    def __init__(self, sid: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(data or {}, _note_change)
        self.sid = sid
        self.is_stored = data is not None
        self.is_gone = False
        self.is_unreachable = False
        self.modified = False
        self.accessed = False


def _note_change(session: PortalSession) -> None:
    session.modified = session.accessed = True


def _read(raw: bytes) -> dict[str, Any] | None:
    """The data of a session; None where it cannot be read, as if it had ended."""
    try:
        data: dict[str, Any] = SERIALIZER.loads(keyring().decrypt(raw))
    except ValueError:  # also where its key has left the ring
        log.error("a session in Redis cannot be read; it counts as ended")  # noqa: TRY400 -- its content stays out of the log
        return None
    return data


class SessionStore(SessionInterface):
    """Opens and saves the session of each request."""

    def open_session(self, app: Flask, request: Request) -> PortalSession:
        """The session of the cookie, or a new one under an id of our own.

        While Redis is away it is an empty one that says so: open pages need none.
        """
        sid = request.cookies.get(self.get_cookie_name(app), "")
        session = PortalSession(new_id())
        if not sid:
            return session
        try:
            raw = app.extensions["redis"].get(DATA + digest_of(sid))
        except RedisError as error:
            log.error("sessions cannot be read: %s", error.__class__.__name__)  # noqa: TRY400 -- known, no traceback
            session.is_unreachable = True
            return session
        data = _read(raw) if raw else None
        session.is_gone = data is None
        return session if data is None else PortalSession(sid, data)

    def save_session(self, app: Flask, session: Any, response: Response) -> None:
        """Keep what changed; the cookie is sent when the session is new.

        Where Redis has gone away meanwhile the answer is sent all the same: what it says is done.
        """
        if session.accessed:
            response.vary.add("Cookie")
        if session.is_unreachable or not session.modified:
            return
        try:
            if session:
                self._keep(app, session, response)
            elif session.is_stored:
                self._forget(app, session, response)
        except RedisError as error:
            log.error("a session cannot be kept: %s", error.__class__.__name__)  # noqa: TRY400 -- known, no traceback

    def _keep(self, app: Flask, session: PortalSession, response: Response) -> None:
        app.extensions["redis"].set(
            DATA + digest_of(session.sid),
            keyring().encrypt(SERIALIZER.dumps(dict(session))),
            ex=app.permanent_session_lifetime + KEPT_AFTER_THE_END,
            xx=session.is_stored,
        )
        if not session.is_stored:
            response.set_cookie(self.get_cookie_name(app), session.sid, **self._flags(app))

    def _forget(self, app: Flask, session: PortalSession, response: Response) -> None:
        app.extensions["redis"].delete(DATA + digest_of(session.sid))
        response.delete_cookie(self.get_cookie_name(app), **self._flags(app))

    def _flags(self, app: Flask) -> dict[str, Any]:
        return {
            "path": self.get_cookie_path(app),
            "httponly": self.get_cookie_httponly(app),
            "secure": self.get_cookie_secure(app),
            "samesite": self.get_cookie_samesite(app),
        }


def new_id() -> str:
    """A session id nobody can guess: 256 random bits."""
    return secrets.token_urlsafe(32)


def renew(session: Any) -> None:
    """Go on under a new id; nothing is kept under the one before."""
    redis_store().delete(DATA + digest_of(session.sid))
    session.sid = new_id()
    session.is_stored = False
    session.modified = True


def register(app: Flask) -> None:
    """Keep the sessions of this application in its Redis."""
    app.session_interface = SessionStore()
