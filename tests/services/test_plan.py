"""Rescheduling a line: applications get the new due dates, everybody concerned is told (A9)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app.domain.errors import (
    ConflictError,
    NotPermittedError,
    RescheduleRefusedError,
    RuleViolation,
)
from app.domain.terms import DueKind
from app.domain.workflow import State
from app.extensions import db
from app.models import Application, EvaluationPlan, Notification, PlanLine
from app.services import plan
from app.services.actors import signer_of
from tests.conftest import at
from tests.factories import make_application, staff

NOW = at("2022-08-20T09:00:00")


def milestones(line: PlanLine, **changes: object) -> plan.Milestones:
    given = {key: getattr(line, key) for key in plan.MILESTONES}
    return plan.Milestones(**{**given, **changes})  # type: ignore[arg-type]


def later(application: Application, now=NOW) -> Application:
    """Move the line of an application ten days on."""
    line = application.plan_line
    proposed = milestones(
        line,
        applications_close_at=line.applications_close_at + timedelta(days=10),
        receipt_due_at=line.receipt_due_at + timedelta(days=10),
        policy_review_due_on=date(2022, 12, 10),
        online_review_due_on=date(2023, 1, 20),
    )
    plan.reschedule_plan_line(
        line.id,
        proposed,
        "考试时间调整",
        expected_version=line.version,
        first=signer_of(staff("province2")),
        actor=staff("province"),
        now=now,
    )
    return application


@pytest.mark.parametrize(
    ("state", "kind", "expected"),
    [
        (State.DRAFT, DueKind.WINDOW_CLOSE, "2022-08-15T17:00:00"),
        (State.IN_EMPLOYER_CHECK, DueKind.UNIT_PUSH, "2022-08-26T00:00:00"),
        (State.IN_POLICY_REVIEW, DueKind.POLICY_REVIEW, "2022-12-11T00:00:00"),
        (State.ACCEPTED, DueKind.ONLINE_REVIEW, "2023-01-21T00:00:00"),
    ],
)
def test_live_applications_get_the_new_due_dates(app: Flask, state, kind, expected):
    application = make_application(state)
    assert application.due_kind is kind
    version = application.version
    later(application)
    assert (application.due_at, application.due_kind) == (at(expected), kind)
    assert application.version == version


def test_a_running_node_keeps_its_three_days(app: Flask):
    application = make_application(State.IN_ROUTING)
    before = application.due_at
    later(application)
    assert application.due_at == before == application.current_step.forward_due_at


def test_the_applicant_the_holder_and_the_committee_are_told_once(app: Flask):
    application = later(make_application(State.IN_EMPLOYER_CHECK))
    told = db.session.scalars(select(Notification).where(Notification.kind == "rescheduled")).all()
    assert [row.application_id for row in told] == [application.id]
    staff_told = db.session.scalars(
        select(Notification.account_id).where(Notification.kind == "plan_rescheduled")
    ).all()
    assert staff("nmdesign").account_id in staff_told
    assert staff("office_building_senior").account_id in staff_told
    assert staff("zunyi").account_id not in staff_told
    assert len(staff_told) == len(set(staff_told))


def test_an_opened_window_is_only_lengthened(app: Flask):
    line = make_application(State.DRAFT).plan_line
    proposed = milestones(line, receipt_due_at=line.receipt_due_at - timedelta(days=1))
    with pytest.raises(RescheduleRefusedError):
        plan.reschedule_plan_line(
            line.id, proposed, "x", expected_version=1, actor=staff("province"), now=NOW
        )


def test_only_the_province_and_only_with_a_reason(app: Flask):
    line = db.session.scalars(select(PlanLine).where(PlanLine.number == 4)).one()
    proposed = milestones(line, online_review_due_on=date(2023, 1, 31))
    with pytest.raises(NotPermittedError):
        plan.reschedule_plan_line(
            line.id, proposed, "x", expected_version=1, actor=staff("guiyang"), now=NOW
        )
    with pytest.raises(RuleViolation):
        plan.reschedule_plan_line(
            line.id, proposed, " ", expected_version=1, actor=staff("province"), now=NOW
        )
    with pytest.raises(RuleViolation):
        plan.reschedule_plan_line(
            line.id, milestones(line), "x", expected_version=1, actor=staff("province"), now=NOW
        )


def test_history_keeps_printed_words_before_and_after(app: Flask):
    line = db.session.scalars(select(PlanLine).where(PlanLine.number == 4)).one()
    printed = line.online_review_text
    proposed = milestones(line, online_review_due_on=date(2023, 1, 31))
    revision = plan.reschedule_plan_line(
        line.id, proposed, "年底工作量大", expected_version=1, actor=staff("province"), now=NOW
    )
    assert (revision.number, revision.before["online_review_text"]) == (1, printed)
    assert revision.after["online_review_text"] == "2023年1月31日前"
    assert line.window_text.startswith("9月12日8:00-16日17:00")


def test_unpublished_years_make_a_copied_plan_provisional(app: Flask):
    source = db.session.scalars(select(EvaluationPlan)).one()
    made = source
    for _year in range(5):
        made = plan.copy_plan(made.id, actor=staff("province"), now=NOW)
    assert made.year == 2027
    assert plan.provisional_years(made.lines[0]) == (2027,)
    assert plan.provisional_years(source.lines[0]) == ()


def test_a_category_without_series_stops_the_publication(app: Flask):
    source = db.session.scalars(select(EvaluationPlan)).one()
    made = plan.copy_plan(source.id, actor=staff("province"), now=NOW)
    category = made.lines[2].categories[0]
    category.series_links.clear()
    db.session.flush()
    assert [number for number, _error in plan.find_faults(made)] == [3]
    with pytest.raises(RuleViolation) as caught:
        plan.publish_plan(made.id, actor=staff("province"), now=NOW)
    assert caught.value.params["number"] == 3
    with pytest.raises(RuleViolation):
        plan.set_category_series(category.id, [], actor=staff("province"), now=NOW)
    other = source.lines[2].categories[0].series_links[0].series_id
    plan.set_category_series(category.id, [other], actor=staff("province"), now=NOW)
    plan.publish_plan(made.id, actor=staff("province"), now=NOW)
    with pytest.raises(ConflictError):
        plan.publish_plan(made.id, actor=staff("province"), now=NOW)
