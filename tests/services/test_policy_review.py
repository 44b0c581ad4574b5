"""Policy review, entrusting, withdrawal, extensions: rows 22-26 and 37 of rules 3.2, C5, B6."""

from __future__ import annotations

import pytest

from app.domain.errors import (
    CommitteeRuleError,
    ConflictError,
    DomainError,
    NotPermittedError,
    RuleViolation,
)
from app.domain.terms import (
    CommitteeLevel,
    CommitteeScope,
    DueKind,
    FilingState,
    Outcome,
    TitleLevel,
)
from app.domain.workflow import State
from app.extensions import db
from app.models import (
    AuthorityFiling,
    Committee,
    EntrustedReview,
    Notification,
    PolicyReview,
    ReviewAuthority,
    Unit,
)
from app.services import applications, extensions, facts, policy_review, withdrawals
from app.services.available import available_actions
from tests.applicants import actor_named
from tests.conftest import at
from tests.factories import OFFICE, OPENED_AT, REVIEWED_AT, make_application, staff

pytestmark = pytest.mark.usefixtures("app")

LATE = at("2022-12-01T00:00:00")


def test_office_starts_and_accepts():
    application = make_application(State.RECEIVED)

    policy_review.start_policy_review(application.id, actor=staff(OFFICE), now=REVIEWED_AT)
    policy_review.accept_application(
        application.id, opinion="材料齐全", actor=staff(OFFICE), now=REVIEWED_AT
    )

    assert application.state is State.ACCEPTED
    assert (application.due_kind, application.due_at) == (
        DueKind.ONLINE_REVIEW,
        at("2023-01-01T00:00:00"),
    )
    assert db.session.query(PolicyReview).one().conclusion == "accept"


@pytest.mark.parametrize("login", ["office_health_senior", "housing", "nmdesign", "province"])
def test_only_the_committees_own_office_starts(login):
    application = make_application(State.RECEIVED)

    with pytest.raises(NotPermittedError):
        policy_review.start_policy_review(application.id, actor=staff(login), now=REVIEWED_AT)


def test_reject_ends_it_with_a_reason_of_the_list():
    application = make_application(State.IN_POLICY_REVIEW)
    with pytest.raises(RuleViolation):
        policy_review.reject_application(
            application.id, reason_code="x", reason="y", actor=staff(OFFICE), now=REVIEWED_AT
        )

    policy_review.reject_application(
        application.id,
        reason_code="not_eligible",
        reason="任职年限不足",
        actor=staff(OFFICE),
        now=REVIEWED_AT,
    )

    assert application.state is State.REJECTED
    assert (application.holder_unit_id, application.due_at) == (None, None)


# --------------------------------------------------------------------------- transfer


def other_committee(application, **change):
    """A second committee of the same plan line with a valid filing for the title."""
    given = {"category_slug": application.category.slug, "state": FilingState.APPROVED} | change
    convener = db.session.query(Unit).filter_by(name="贵州省工业和信息化厅").one()
    committee = Committee(
        name="贵州省工程系列其他专业高级职称评审委员会（测试）",
        convener_id=convener.id,
        series_id=application.series_id,
        category_slug=given["category_slug"],
        scope_kind=CommitteeScope.SERIES,
        level=CommitteeLevel.SENIOR,
        division_code="520000",
        member_size=25,
    )
    db.session.add(committee)
    db.session.flush()
    filing = AuthorityFiling(
        committee_id=committee.id,
        plan_year=2022,
        valid_from=at("2022-05-01T00:00:00").date(),
        valid_to=given.get("valid_to", at("2025-05-01T00:00:00").date()),
        member_size=25,
        state=given["state"],
        filed_at=at("2022-05-01T00:00:00"),
    )
    db.session.add(filing)
    db.session.flush()
    db.session.add(
        ReviewAuthority(
            filing_id=filing.id,
            series_id=application.series_id,
            level=given.get("level", application.level),
        )
    )
    db.session.flush()
    return committee


def transfer(application, committee, now=REVIEWED_AT):
    return policy_review.transfer_application(
        application.id,
        committee_id=committee.id,
        reason="不属本评委会评审范围",
        actor=staff(OFFICE),
        now=now,
    )


def test_transfer_moves_it_to_the_other_committee_in_the_same_state():
    application = make_application(State.IN_POLICY_REVIEW)
    target = other_committee(application)

    transfer(application, target)

    assert application.state is State.IN_POLICY_REVIEW
    assert application.committee_id == target.id
    assert application.holder_unit_id == target.convener_id
    assert facts.route_nodes(application)[-1].unit_id == target.convener_id
    with pytest.raises(NotPermittedError):
        policy_review.accept_application(
            application.id, opinion="", actor=staff(OFFICE), now=REVIEWED_AT
        )


@pytest.mark.parametrize(
    "change",
    [
        {"category_slug": "health_technology"},
        {"state": FilingState.FILED},
        {"valid_to": at("2022-08-17T00:00:00").date()},
        {"level": TitleLevel.SENIOR},
    ],
)
def test_transfer_is_refused_to_a_committee_that_may_not_review_it(change):
    application = make_application(State.IN_POLICY_REVIEW)

    with pytest.raises(CommitteeRuleError):
        transfer(application, other_committee(application, **change))


def test_transfer_to_itself_is_refused():
    application = make_application(State.IN_POLICY_REVIEW)

    with pytest.raises(RuleViolation):
        transfer(application, application.committee)


# --------------------------------------------------------------------------- extension


def ask(application, login="province", until="2022-12-09T00:00:00", reason="疫情影响"):
    return extensions.ask_extension(
        application.committee_id,
        application.plan_line_id,
        DueKind.POLICY_REVIEW,
        until_on=at(until).date(),
        reason=reason,
        actor=staff(login),
        now=at("2022-12-01T09:00:00"),
    )


def test_missed_milestone_needs_an_extension_by_two_people():
    application = make_application(State.IN_POLICY_REVIEW)
    why = {
        entry.action.value: entry.why_not
        for entry in available_actions(application, staff(OFFICE), LATE)
    }
    assert "2022-11-30 24:00" in why["accept"]
    row = ask(application)
    with pytest.raises(RuleViolation):
        policy_review.accept_application(application.id, opinion="", actor=staff(OFFICE), now=LATE)
    with pytest.raises(NotPermittedError, match="two people"):
        extensions.approve_extension(row.id, actor=staff("province"), now=LATE)

    extensions.approve_extension(row.id, actor=staff("province2"), now=LATE)

    assert application.due_at == at("2022-12-10T00:00:00")
    policy_review.accept_application(application.id, opinion="", actor=staff(OFFICE), now=LATE)
    assert application.state is State.ACCEPTED


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"login": OFFICE}, NotPermittedError),
        ({"login": "guiyang"}, NotPermittedError),
        ({"until": "2022-11-30T00:00:00"}, RuleViolation),
        ({"reason": " "}, RuleViolation),
    ],
)
def test_extension_is_refused(change, error):
    application = make_application(State.RECEIVED)

    with pytest.raises(error):
        ask(application, **change)


def test_extension_is_approved_once():
    row = ask(make_application(State.RECEIVED))
    extensions.approve_extension(row.id, actor=staff("province2"), now=LATE)

    with pytest.raises(ConflictError):
        extensions.approve_extension(row.id, actor=staff("province2"), now=LATE)


def test_a_shorter_extension_takes_nothing_back_and_a_passed_day_gives_nothing():
    application = make_application(State.RECEIVED)
    shorter, longer = ask(application), ask(application, until="2022-12-20T00:00:00")
    extensions.approve_extension(longer.id, actor=staff("province2"), now=LATE)
    with pytest.raises(ConflictError, match="behind"):
        extensions.approve_extension(shorter.id, actor=staff("province2"), now=LATE)
    assert application.due_at == at("2022-12-21T00:00:00")
    late = ask(application, until="2022-12-30T00:00:00")
    for moment, outcome in (("2022-12-31T00:00:00", RuleViolation), ("2022-12-30T23:59:59", None)):
        if outcome is None:
            extensions.approve_extension(late.id, actor=staff("province2"), now=at(moment))
        else:
            with pytest.raises(outcome, match="passed"):
                extensions.approve_extension(late.id, actor=staff("province2"), now=at(moment))


# --------------------------------------------------------------------------- entrusted review


def test_entrusted_review_stops_the_flow_and_its_result_is_registered():
    application = make_application(State.RECEIVED)
    policy_review.entrust_application(
        application.id,
        entrusted_to="某部评委会",
        letter_number="委托2022-1号",
        reason="本省无此专业评委会",
        actor=staff(OFFICE),
        now=REVIEWED_AT,
    )
    assert application.state is State.ENTRUSTED
    assert db.session.query(EntrustedReview).one().letter_number == "委托2022-1号"
    with pytest.raises(RuleViolation):
        register(application, decided_on=at("2022-08-01T00:00:00").date())

    register(application)

    assert application.state is State.CONFIRMED
    assert application.outcome is Outcome.PASSED


def register(application, outcome=Outcome.PASSED, **change):
    given = {"decided_on": at("2022-10-10T00:00:00").date()} | change
    return policy_review.register_result(
        application.id,
        outcome=outcome,
        actor=staff(OFFICE),
        now=at("2022-10-20T09:00:00"),
        **given,
    )


def test_entrusted_review_may_end_not_passed():
    application = make_application(State.RECEIVED)
    policy_review.entrust_application(
        application.id,
        entrusted_to="某部评委会",
        letter_number="",
        reason="本省无此专业评委会",
        actor=staff("province"),
        now=REVIEWED_AT,
    )

    register(application, Outcome.NOT_PASSED)

    assert application.state is State.NOT_PASSED


# --------------------------------------------------------------------------- withdrawal


def asked(state, now=REVIEWED_AT):
    application = make_application(state)
    request = applications.ask_withdrawal(
        application.id, "个人原因", actor=actor_named("王敏"), now=now
    )
    return application, request


def decide(request, login, *, grant=True, note="同意", now=REVIEWED_AT):
    return withdrawals.decide_withdrawal(
        request.id, grant=grant, note=note, actor=staff(login), now=now
    )


@pytest.mark.parametrize("login", ["nanming", "guiyang", "province"])
def test_withdrawal_before_delivery_is_granted_by_the_hrss_department(login):
    application, request = asked(State.IN_ROUTING)

    decide(request, login)

    assert application.state is State.WITHDRAWN
    assert facts.open_step(application) is None
    assert application.is_live is True


def test_withdrawal_after_delivery_is_granted_by_the_office():
    application, request = asked(State.ACCEPTED)

    decide(request, OFFICE)

    assert application.state is State.WITHDRAWN


@pytest.mark.parametrize("login", [OFFICE, "nmhousing", "nmdesign", "zunyi", "王敏"])
def test_withdrawal_before_delivery_is_refused_to_others(login):
    _application, request = asked(State.IN_ROUTING)

    with pytest.raises(DomainError):
        decide(request, login)


def test_withdrawal_before_the_window_closes_frees_the_year():
    application, request = asked(State.IN_EMPLOYER_CHECK, now=OPENED_AT)

    decide(request, "nanming", now=OPENED_AT)

    assert application.is_live is False


def test_refused_withdrawal_leaves_the_application_and_tells_the_applicant():
    application, request = asked(State.IN_ROUTING)

    decide(request, "nanming", grant=False, note="评审在即，不予同意")

    assert application.state is State.IN_ROUTING
    note = db.session.query(Notification).filter_by(kind="withdrawal_refused").one()
    assert note.account_id == actor_named("王敏").account_id
    with pytest.raises(ConflictError, match="decided already"):
        decide(request, "nanming")


def test_withdrawal_shows_only_when_it_was_asked_for():
    application, _request = asked(State.IN_ROUTING)

    found = available_actions(application, staff("nanming"), REVIEWED_AT)

    assert {entry.action.value: entry.enabled for entry in found}["withdraw"] is True
