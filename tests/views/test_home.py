"""The first page of staff: figures of one's own scope (ui.md 2)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app import clock
from app.domain.workflow import State
from app.services import lapses
from tests.factories import make_application

pytestmark = pytest.mark.usefixtures("app")


def home_of(sign_in, login):
    return sign_in(login).get("/work/").get_data(as_text=True)


def test_home_counts_submissions_by_hour_while_a_window_is_open(sign_in, monkeypatch):
    application = make_application(State.IN_EMPLOYER_CHECK)
    submitted_at = application.submitted_at
    monkeypatch.setattr(clock, "now", lambda: submitted_at + timedelta(hours=2))

    assert "每小时提交数" in home_of(sign_in, "nmdesign")
    assert "每小时提交数" not in home_of(sign_in, "gzdesign")


def test_home_names_the_units_that_overran(sign_in, monkeypatch):
    application = make_application(State.IN_ROUTING)
    step = application.nodes[1].steps[0]
    now = step.forward_due_at + timedelta(hours=5)
    monkeypatch.setattr(clock, "now", lambda: now)
    lapses.note_overdue_step(step.id, now=now)

    said = home_of(sign_in, "province")
    assert "各单位逾期情况" in said
    assert step.node.unit.name in said
