"""Every refused access is noted: 403 to who has signed in, the 404 for a row of somebody else, 401
of the programs' addresses (OWASP ASVS 5.0 16.3.2). Who is sent to the sign-in page is not.
"""

from __future__ import annotations

import logging

from flask import Flask, Response, g, request
from flask_login import current_user
from sqlalchemy import inspect, select

from app import clock
from app.extensions import db
from app.services.refusals import Refusal, Why, note_refusal

log = logging.getLogger(__name__)

PROGRAMS = ("/api/", "/lookup/")

WORDS = {
    "http_403": Why.NOT_GRANTED,
    "out_of_scope": Why.OUT_OF_SCOPE,
    "foreign_form": Why.OTHER_SITE,
}
"""The code of an answer -> why; what is not here was refused by a rule."""


def register(app: Flask) -> None:
    """Look at every answer of this application."""
    app.after_request(note_if_refused)


def say_why(code: str) -> None:
    """Keep the code of the answer that is being given."""
    g.refusal_code = code


def say_not_shown(model: type, key: object) -> None:
    """Keep which row was asked for and not given: perhaps it is somebody else's."""
    g.not_shown = (model, key)


def note_if_refused(response: Response) -> Response:
    """Note a refusal; whatever happens here, the answer goes out."""
    if response.status_code in {401, 403, 404} and request.endpoint:
        try:
            _note(response.status_code, request.endpoint)
        except Exception as error:
            log.error("a refused access is not noted: %s", type(error).__name__)  # noqa: TRY400 -- no SQL in the log
    return response


def _note(status: int, page: str) -> None:
    account_id = current_user.id if current_user.is_authenticated else None
    address = request.remote_addr or ""
    refusal = None
    if status == 401 and request.path.startswith(PROGRAMS):
        refusal = Refusal(page, Why.NOT_SIGNED_IN, address)
    elif status == 403 and account_id is not None:
        refusal = Refusal(page, WORDS.get(g.get("refusal_code", ""), Why.BY_RULE), address)
    elif status == 404 and account_id is not None and _is_somebody_elses():
        model, key = g.not_shown
        refusal = Refusal(page, Why.OUT_OF_SCOPE, address, model.__name__, str(key))
    if refusal is not None:
        note_refusal(refusal, account_id=account_id, now=clock.real_now())


MOST = 2**31 - 1
"""The greatest key the database keeps; a greater one would break the transaction."""


def _is_somebody_elses() -> bool:
    """Whether the row that was not given is there."""
    model, key = g.get("not_shown", (None, None))
    if model is None:
        return False
    [column, *more] = inspect(model).primary_key
    if more:
        return False
    typed = column.type.python_type(key)
    if isinstance(typed, int) and not 0 < typed <= MOST:
        return False
    return db.session.scalar(select(column).where(column == typed)) is not None
