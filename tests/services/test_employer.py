"""Unit check and publicity: rows 6-12 of rules 3.2, A3, C7."""

from __future__ import annotations

import pytest

from app.domain.errors import (
    ConflictError,
    NotPermittedError,
    RuleViolation,
    StaleVersionError,
)
from app.domain.terms import DueKind
from app.domain.workflow import State
from app.extensions import db
from app.models import Account, EmployerCheck, OutboxMessage
from app.services import employer, facts, publicity, routing
from app.services.available import available_actions
from tests.conftest import at
from tests.factories import (
    ENDS_AT,
    OPENED_AT,
    PUSHED_AT,
    make_application,
    post,
    prove,
    staff,
)

pytestmark = pytest.mark.usefixtures("app")


def open_it(application, login="nmdesign", now=OPENED_AT, **extra):
    given = {"opinion": "同意推荐", "on_site_promised": True} | extra
    return employer.open_publicity(application.id, actor=staff(login), now=now, **given)


def test_publicity_counts_five_full_working_days():
    application = make_application()

    posting = open_it(application)

    assert application.state is State.IN_PUBLICITY
    assert posting.days == ["2022-08-05", "2022-08-08", "2022-08-09", "2022-08-10", "2022-08-11"]
    assert posting.ends_at == ENDS_AT
    assert (application.due_kind, application.due_at) == (DueKind.PUBLICITY_END, ENDS_AT)


def test_publicity_opened_on_a_sunday_starts_on_monday():
    posting = open_it(make_application(), now=at("2022-08-07T20:00:00"))

    assert posting.starts_on.isoformat() == "2022-08-08"
    assert posting.ends_on.isoformat() == "2022-08-12"


def test_publicity_around_national_day_skips_the_holidays_and_counts_make_up_days():
    period = publicity.compute_period(at("2022-09-30T10:00:00"))

    assert [day.day for day in period.days] == [8, 9, 10, 11, 12]
    assert period.ends_at == at("2022-10-13T00:00:00")


def test_publicity_shows_the_marked_fields_and_no_numbers():
    application = make_application()

    shown = open_it(application).shown

    names = [field["name"] for field in shown["fields"]]
    assert names == [
        "plan_category",
        "specialty",
        "title_level",
        "full_name",
        "unit",
        "years_in_field",
        "education",
        "title_name",
    ]
    text = str(shown)
    assert "王敏" in text
    assert application.person.identity_number not in text
    assert application.person.phone not in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"opinion": "  "}, "recommendation opinion"),
        ({"on_site_promised": False}, "also posted in the unit"),
        ({"scheduled_for": at("2022-08-04T09:00:00")}, "has passed"),
        ({"scheduled_for": at("2022-09-12T09:00:00")}, "receipt deadline"),
    ],
)
def test_publicity_is_refused_without_its_terms(change, message):
    application = make_application()

    with pytest.raises(RuleViolation, match=message):
        open_it(application, **change)


def test_publicity_is_refused_to_another_unit():
    application = make_application()

    with pytest.raises(NotPermittedError):
        open_it(application, login="gzdesign")


def test_publicity_is_refused_to_the_applicant_who_is_handler():
    application = make_application(person="刘伟")

    with pytest.raises(NotPermittedError, match="their own application"):
        open_it(application, login="刘伟")


def test_superior_acts_only_when_the_applicant_is_the_only_handler():
    application = make_application(person="刘伟")
    with pytest.raises(NotPermittedError):
        open_it(application, login="nmhousing")

    db.session.query(Account).filter_by(username="nmdesign").one().active = False
    db.session.flush()
    open_it(application, login="nmhousing")

    assert application.state is State.IN_PUBLICITY


def test_publicity_writes_the_check_and_tells_applicant_and_unit():
    application = make_application()

    open_it(application)

    check = db.session.query(EmployerCheck).filter_by(application_id=application.id).one()
    assert check.opinion == "同意推荐"
    event = application.events[-1]
    told = {m.recipient_id for m in db.session.query(OutboxMessage).filter_by(event_id=event.id)}
    assert told >= {staff("王敏").account_id, staff("nmdesign").account_id}


def test_publicity_refuses_a_stale_page():
    application = make_application()

    with pytest.raises(StaleVersionError):
        open_it(application, expected_version=application.version - 1)


def test_same_key_gives_the_same_publicity():
    application = make_application()

    first = open_it(application, idempotency_key="k-1")
    second = open_it(application, idempotency_key="k-1")

    assert first.id == second.id
    assert [e.action.value for e in application.events].count("publicize") == 1


def test_scheduled_publicity_opens_at_its_time_by_the_system():
    application = make_application()
    sunday = at("2022-08-07T09:00:00")
    posting = open_it(application, scheduled_for=sunday)
    assert application.state is State.IN_EMPLOYER_CHECK
    assert (application.due_kind, application.due_at) == (DueKind.PUBLICITY_OPENING, sunday)
    with pytest.raises(ConflictError):
        publicity.open_scheduled(posting.id, now=at("2022-08-06T09:00:00"))

    publicity.open_scheduled(posting.id, now=at("2022-08-07T11:00:00"))

    assert application.state is State.IN_PUBLICITY
    assert application.events[-1].at == sunday
    assert posting.starts_on.isoformat() == "2022-08-08"
    with pytest.raises(ConflictError):
        publicity.open_scheduled(posting.id, now=at("2022-08-07T12:00:00"))


def test_scheduled_publicity_can_be_cancelled_and_opened_by_hand():
    application = make_application()
    posting = open_it(application, scheduled_for=at("2022-08-07T09:00:00"))

    employer.cancel_scheduled(posting.id, actor=staff("nmdesign"), now=OPENED_AT)

    assert application.due_kind is DueKind.UNIT_PUSH
    with pytest.raises(ConflictError):
        publicity.open_scheduled(posting.id, now=at("2022-08-07T09:00:00"))
    assert open_it(application).id != posting.id


def test_decline_ends_the_application_and_its_scheduled_publicity():
    application = make_application()
    posting = open_it(application, scheduled_for=at("2022-08-07T09:00:00"))

    employer.decline_application(
        application.id,
        reason_code="not_eligible",
        reason="学历不符合",
        actor=staff("nmdesign"),
        now=OPENED_AT,
    )

    assert application.state is State.DECLINED
    assert (application.holder_unit_id, application.due_at) == (None, None)
    assert posting.closed_at == OPENED_AT
    assert application.events[-1].data["reason_name"] == "不符合申报条件"


@pytest.mark.parametrize(("code", "reason"), [("no_such", "理由"), ("not_eligible", " ")])
def test_decline_needs_a_reason_of_the_list_and_words(code, reason):
    application = make_application()

    with pytest.raises(RuleViolation):
        employer.decline_application(
            application.id, reason_code=code, reason=reason, actor=staff("nmdesign"), now=OPENED_AT
        )


def test_publicity_closes_at_the_end_of_its_last_day_and_push_is_due_by_d_plus_ten():
    application = make_application(State.IN_PUBLICITY)

    publicity.close_publicity(application.id, now=at("2022-08-13T03:00:00"))

    assert application.state is State.PUBLICIZED
    assert application.events[-1].at == ENDS_AT
    assert (application.due_kind, application.due_at) == (
        DueKind.UNIT_PUSH,
        at("2022-08-16T00:00:00"),
    )


def test_publicity_does_not_close_before_its_last_day_has_ended():
    application = make_application(State.IN_PUBLICITY)

    with pytest.raises(ConflictError):
        publicity.close_publicity(application.id, now=at("2022-08-11T23:59:59"))


def test_push_needs_the_proof_of_the_posting_on_site():
    application = make_application()
    posting = open_it(application)
    publicity.close_publicity(application.id, now=ENDS_AT)
    with pytest.raises(RuleViolation, match="proof of the posting"):
        routing.forward_application(application.id, actor=staff("nmdesign"), now=PUSHED_AT)

    prove(posting, now=PUSHED_AT, start=OPENED_AT.date(), end=posting.ends_on)
    routing.forward_application(application.id, actor=staff("nmdesign"), now=PUSHED_AT)

    assert application.state is State.IN_ROUTING


def test_push_needs_both_postings_over_the_same_five_days():
    application = make_application()
    posting = open_it(application)
    prove(posting, now=OPENED_AT, start=OPENED_AT.date(), end=at("2022-08-10T00:00:00").date())
    publicity.close_publicity(application.id, now=ENDS_AT)

    with pytest.raises(RuleViolation, match="overlap on 4 working"):
        routing.forward_application(application.id, actor=staff("nmdesign"), now=PUSHED_AT)


def test_automatic_forwarding_needs_choice_proof_and_no_objection():
    chosen = make_application()
    posting = open_it(chosen, forwards_automatically=True)
    prove(posting, now=OPENED_AT)
    publicity.close_publicity(chosen.id, now=ENDS_AT)
    assert employer.may_forward_automatically(chosen) is True

    posting.on_site_proof_at = at("2022-08-12T00:00:01")
    assert employer.may_forward_automatically(chosen) is False

    posting.on_site_proof_at = OPENED_AT
    posting.forwards_automatically = False
    assert employer.may_forward_automatically(chosen) is False


def test_system_forwards_what_the_unit_chose():
    from app.services.actors import SYSTEM

    application = make_application()
    prove(open_it(application, forwards_automatically=True), now=OPENED_AT)
    publicity.close_publicity(application.id, now=ENDS_AT)

    routing.forward_application(application.id, actor=SYSTEM, now=ENDS_AT)

    assert application.state is State.IN_ROUTING


def test_system_forwards_nothing_at_a_node_that_did_not_choose_it():
    from app.services.actors import SYSTEM

    application = make_application(State.IN_ROUTING)

    with pytest.raises(RuleViolation, match="forwards nothing by itself"):
        routing.forward_application(application.id, actor=SYSTEM, now=PUSHED_AT)


def test_available_actions_of_the_unit_and_of_others():
    application = make_application()

    def names(login):
        found = available_actions(application, staff(login), OPENED_AT)
        return {entry.action.value: entry.enabled for entry in found}

    assert names("nmdesign") == {"return": True, "decline": True, "publicize": True}
    assert names("nmhousing") == {}
    assert names("gzdesign") == {}
    assert names("province") == {"return": True, "withdraw": False, "disqualify": True}


def test_available_actions_say_why_a_push_has_to_wait():
    application = make_application()
    open_it(application)
    publicity.close_publicity(application.id, now=ENDS_AT)

    found = available_actions(application, staff("nmdesign"), PUSHED_AT)

    assert [(entry.action.value, entry.enabled) for entry in found] == [("forward", False)]
    assert "proof of the posting" in found[0].why_not


def test_extension_of_a_publicity_is_for_the_hrss_department():
    application = make_application()
    posting = post(application)
    with pytest.raises(NotPermittedError):
        publicity.extend_publicity(
            posting.id, working_days=3, reason="核查", actor=staff("nmdesign"), now=OPENED_AT
        )

    publicity.extend_publicity(
        posting.id, working_days=3, reason="核查", actor=staff("nanming"), now=OPENED_AT
    )

    assert posting.ends_on.isoformat() == "2022-08-16"
    assert application.due_at == at("2022-08-17T00:00:00")
    assert facts.open_publicity_of(application).days[-1] == "2022-08-16"


def test_publicity_shows_no_verification_code():
    shown = open_it(make_application()).shown

    education = next(field for field in shown["fields"] if field["name"] == "education")
    assert "毕业院校" in education["columns"]
    assert "学信网验证码" not in education["columns"]
