"""What the tests of the screens share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, g, request_started
from sqlalchemy import event

from app.extensions import db


@pytest.fixture(autouse=True)
def _own_globals() -> Iterator[None]:
    """Give each request its own `g`: under the test's application context all would share one."""

    def forget(_sender: Flask) -> None:
        vars(g).clear()

    with request_started.connected_to(forget):
        yield


@pytest.fixture
def count_queries(app: Flask) -> Callable[[Callable[[], Any]], int]:
    """count_queries(call): how many statements `call` sends."""

    def count(call: Callable[[], Any]) -> int:
        statements: list[str] = []
        db.session.expire_all()

        def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            statements.append(statement)

        event.listen(db.engines[None], "before_cursor_execute", note)
        try:
            call()
        finally:
            event.remove(db.engines[None], "before_cursor_execute", note)
        return len(statements)

    return count
