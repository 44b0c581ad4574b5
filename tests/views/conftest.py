"""What the tests of the screens share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, g, request_started


@pytest.fixture(autouse=True)
def _own_globals() -> Iterator[None]:
    """Give each request its own `g`: under the test's application context all would share one."""

    def forget(_sender: Flask) -> None:
        vars(g).clear()

    with request_started.connected_to(forget):
        yield
