"""Returns and corrections: rows 6, 14, 17-19, 23 of rules 3.2; 3.4; B1-B5."""

from __future__ import annotations

from functools import partial

import pytest

from app.domain.errors import (
    ConflictError,
    NotPermittedError,
    RuleViolation,
)
from app.domain.terms import DueKind, LapseKind, ReturnTarget
from app.domain.workflow import State
from app.extensions import db
from app.models import CorrectionRequest, PolicyReview
from app.services import (
    applications,
    contents,
    corrections,
    employer,
    facts,
    lapses,
    policy_review,
    publicity,
    routing,
)
from app.services.actors import SYSTEM, signer_of
from app.services.available import available_actions
from tests import factories
from tests.applicants import actor_named
from tests.conftest import at
from tests.factories import (
    OFFICE,
    PUSHED_AT,
    REVIEWED_AT,
    SUBMITTED_AT,
    forward,
    post,
    prove,
    return_it,
    staff,
)

make_application = partial(factories.make_application, is_complete=True)
pytestmark = pytest.mark.usefixtures("app")

CORRECTED_AT = at("2022-08-16T10:00:00")
CHECKED_AT = at("2022-08-16T15:00:00")


def correct(application, section="work_summary", values=None, now=CORRECTED_AT):
    """Change an unlocked section as the applicant and submit the correction."""
    person = application.person.name
    applications.save_section(
        application.id,
        section,
        {"work_summary": "补充后的总结"} if values is None else values,
        actor=actor_named(person),
        now=now,
        expected_content_version=application.content_version,
    )
    return applications.resubmit_application(
        application.id,
        actor=actor_named(person),
        now=now,
        idempotency_key=f"again-{application.content_version}",
        pledged=True,
    )


def confirm(application, now=CHECKED_AT, **extra):
    given = {"opinion": "已核对"} | extra
    return employer.confirm_correction(application.id, actor=staff("nmdesign"), now=now, **given)


def returned_by_node(section="work_summary", now=PUSHED_AT):
    application = make_application(State.IN_ROUTING)
    return_it(application, "nmhousing", now, section=section)
    return application


# --------------------------------------------------------------------------- the unit


def test_unit_returns_with_list_sections_and_due_date():
    application = make_application()

    return_it(application, "nmdesign", SUBMITTED_AT)

    assert application.state is State.RETURNED
    assert application.returned_to is ReturnTarget.APPLICANT
    assert application.holder_unit_id is None
    assert (application.due_kind, application.due_at) == (
        DueKind.CORRECTION,
        at("2022-08-09T00:00:00"),
    )
    request = facts.open_correction(application)
    assert request.unlocked_sections == ["profile"]
    assert request.items == [{"section": "profile", "field": "", "text": "请补充"}]


def test_unit_returns_as_often_as_needed_and_its_own_correction_leads_to_a_publicity():
    application = make_application()
    for hour in (10, 12):
        return_it(application, "nmdesign", at(f"2022-08-04T{hour}:00:00"), section="work_summary")
        correct(application, now=at(f"2022-08-04T{hour + 1}:00:00"))
    assert db.session.query(CorrectionRequest).count() == 2

    with pytest.raises(RuleViolation, match="Open its publicity"):
        confirm(application, now=at("2022-08-04T14:00:00"))
    post(application, now=at("2022-08-04T14:00:00"))

    assert application.state is State.IN_PUBLICITY
    assert facts.open_correction(application) is None


def test_unit_may_choose_the_due_date_up_to_the_receipt_deadline():
    application = make_application()
    with pytest.raises(RuleViolation, match="2022-09-15 17:00"):
        return_it(application, "nmdesign", SUBMITTED_AT, due_at=at("2022-09-15T17:00:01"))

    return_it(application, "nmdesign", SUBMITTED_AT, due_at=at("2022-08-12T17:00:00"))

    assert application.due_at == at("2022-08-12T17:00:00")


def test_unit_cannot_return_once_the_publicity_runs():
    application = make_application(State.IN_PUBLICITY)

    with pytest.raises(ConflictError):
        return_it(application, "nmdesign", at("2022-08-08T09:00:00"))


def give_back(application, login="nmdesign", **change):
    given = {
        "target": ReturnTarget.APPLICANT,
        "reason_code": "badly_filled",
        "items": [{"section": "profile", "field": "", "text": "请补充"}],
        "unlocked_sections": ["profile"],
    } | change
    return corrections.return_application(
        application.id, actor=staff(login), now=SUBMITTED_AT, **given
    )


@pytest.mark.parametrize(
    "change",
    [
        {"items": []},
        {"items": [{"section": "profile", "field": "", "text": " "}]},
        {"unlocked_sections": []},
        {"unlocked_sections": ["no_such_section"]},
        {"items": [{"section": "education", "field": "", "text": "缺学位证"}]},
        {"reason_code": "fraud"},
        {"target": ReturnTarget.UNIT},
        {"target": ReturnTarget.NODE},
        {"due_at": SUBMITTED_AT},
    ],
)
def test_return_without_its_terms_is_refused(change):
    application = make_application()

    with pytest.raises(RuleViolation):
        give_back(application, **change)


# --------------------------------------------------------------------------- a node


def test_node_returns_once_within_three_working_days():
    application = returned_by_node()

    assert application.due_at == at("2022-08-18T00:00:00")
    assert facts.open_step(application) is None
    request = facts.open_correction(application)
    assert request.returned_from_node.unit.name == "南明区住房和城乡建设局"
    assert request.returned_from_node.returns_used == 1


def test_node_may_not_return_twice_but_the_province_may():
    application = returned_by_node()
    correct(application)
    confirm(application)
    assert application.state is State.IN_ROUTING
    with pytest.raises(RuleViolation, match="used its 1 return"):
        return_it(application, "nmhousing", CHECKED_AT)
    names = {
        a.action.value: a.enabled
        for a in available_actions(application, staff("nmhousing"), CHECKED_AT)
    }
    assert names == {"return": False, "decline": True, "forward": True}

    return_it(application, "province", CHECKED_AT)

    assert application.state is State.RETURNED
    assert application.events[-1].data["exception"] is True


def test_node_cannot_return_with_less_than_a_working_day_left_but_the_province_can():
    application = make_application(State.IN_ROUTING)
    late = at("2022-09-14T16:00:00")
    with pytest.raises(NotPermittedError, match="provincial HRSS"):
        return_it(application, "nmhousing", late)

    return_it(application, "province", late)

    assert application.due_at == at("2022-09-15T17:00:00")


def test_correction_goes_straight_back_to_the_returning_node_with_fresh_days():
    application = make_application(State.IN_ROUTING, node=2)
    return_it(application, "nanming", at("2022-08-15T10:00:00"), section="work_summary")
    correct(application)
    with pytest.raises(RuleViolation, match="Confirm it instead"):
        post(application, now=CHECKED_AT)

    confirm(application)

    step = facts.open_step(application)
    assert application.state is State.IN_ROUTING
    assert step.node.unit.name == "南明区人力资源和社会保障局"
    assert (step.received_at, step.forward_due_at) == (CHECKED_AT, at("2022-08-20T00:00:00"))
    assert facts.open_correction(application) is None


def test_changed_publicised_field_needs_a_new_publicity_then_goes_straight_back():
    application = returned_by_node(section="education")
    rows = application.content["education"]["education"]
    changed = [dict(row, school="演示大学（更名）") for row in rows]
    _put(application, "education", {"education": changed})
    with pytest.raises(RuleViolation, match="posted in the unit"):
        confirm(application)

    confirm(application, on_site_promised=True)

    assert application.state is State.IN_PUBLICITY
    posting = facts.open_publicity_of(application)
    prove(posting, now=CHECKED_AT)
    publicity.close_publicity(application.id, now=posting.ends_at)
    assert application.state is State.PUBLICIZED
    pushed = at("2022-08-24T09:00:00")
    routing.forward_application(application.id, actor=staff("nmdesign"), now=pushed)
    assert application.state is State.IN_ROUTING
    assert facts.open_step(application).node.unit.name == "南明区住房和城乡建设局"
    forward(application, "nmhousing", pushed)


def test_new_proof_alone_needs_no_new_publicity():
    application = returned_by_node(section="education")
    rows = application.content["education"]["education"]
    _put(application, "education", {"education": [dict(row, proof="x") for row in rows]})

    confirm(application)

    assert application.state is State.IN_ROUTING


def test_changed_eligibility_field_goes_the_whole_route_again():
    application = make_application(State.IN_ROUTING, node=3)
    return_it(application, "guiyang", at("2022-08-16T10:00:00"), section="appraisals")
    rows = application.content["appraisals"]["appraisals"]
    changed = [dict(rows[0], grade="excellent"), *rows[1:]]
    if changed[0]["grade"] == rows[0]["grade"]:
        changed[0]["grade"] = "qualified"
    _put(application, "appraisals", {"appraisals": changed}, now=at("2022-08-17T10:00:00"))

    confirm(application, now=at("2022-08-17T11:00:00"))

    assert facts.open_step(application).node.unit.name == "南明区住房和城乡建设局"


def _put(application, section, values, now=CORRECTED_AT):
    """A correction whose content the test itself decides, frozen as the next version."""
    application.content = {**application.content, section: values}
    db.session.flush()
    applications.resubmit_application(
        application.id,
        actor=actor_named(application.person.name),
        now=now,
        idempotency_key=f"put-{section}",
        pledged=True,
    )
    db.session.expire(application, ["versions"])


def test_versions_are_compared_field_by_field():
    application = returned_by_node()
    correct(application)
    db.session.expire(application, ["versions"])
    first, second = application.versions

    changes = contents.compare_contents(application, first.content, second.content)

    assert [(c.label.zh, c.after) for c in changes] == [("专业技术工作总结", "补充后的总结")]


def test_fault_of_the_unit_is_put_right_by_the_unit_alone():
    application = make_application(State.IN_ROUTING)
    return_it(application, "nmhousing", PUSHED_AT, target=ReturnTarget.UNIT)
    assert application.holder_unit_id == application.employer_id
    with pytest.raises(NotPermittedError):
        corrections.answer_return(
            application.id, text="已补", actor=staff("nanming"), now=CORRECTED_AT
        )
    with pytest.raises(RuleViolation):
        corrections.answer_return(
            application.id, text=" ", actor=staff("nmdesign"), now=CORRECTED_AT
        )

    corrections.answer_return(
        application.id, text="已补盖章", actor=staff("nmdesign"), now=CORRECTED_AT
    )

    assert application.state is State.IN_ROUTING
    assert facts.open_step(application).node.unit.name == "南明区住房和城乡建设局"
    assert facts.open_correction(application) is None


def test_correction_not_back_in_time_lapses_and_can_be_reinstated():
    application = returned_by_node()
    due = application.due_at
    with pytest.raises(ConflictError):
        lapses.lapse_application(
            application.id, LapseKind.CORRECTION, at=due, now=at("2022-08-17T23:59:59")
        )
    lapses.lapse_application(application.id, LapseKind.CORRECTION, at=due, now=due, actor=SYSTEM)
    assert application.state is State.LAPSED

    lapses.reinstate_application(
        application.id,
        reason_code="system_fault",
        ground="系统故障证明",
        due_at=at("2022-08-25T17:00:00"),
        first=signer_of(staff("province2")),
        actor=staff("province"),
        now=at("2022-08-20T09:00:00"),
    )

    assert application.state is State.RETURNED
    assert application.returned_to is ReturnTarget.APPLICANT
    assert application.due_at == at("2022-08-25T17:00:00")
    correct(application, now=at("2022-08-22T09:00:00"))
    assert application.state is State.IN_EMPLOYER_CHECK


# --------------------------------------------------------------------------- the host


def in_review():
    return make_application(State.IN_POLICY_REVIEW)


def test_host_sends_one_correction_notice_of_five_working_days_and_takes_it_back_directly():
    application = in_review()
    return_it(application, OFFICE, REVIEWED_AT, section="work_summary")
    assert application.due_at == at("2022-08-26T00:00:00")
    assert db.session.query(PolicyReview).one().conclusion == "return"
    correct(application, now=at("2022-08-19T10:00:00"))

    confirm(application, now=at("2022-08-19T11:00:00"))

    assert application.state is State.IN_POLICY_REVIEW
    assert application.holder_unit_id == application.committee.convener_id
    with pytest.raises(RuleViolation, match="correction notice"):
        return_it(application, OFFICE, at("2022-08-22T10:00:00"))
    assert corrections.allowed_targets(application, staff(OFFICE)) == [ReturnTarget.NODE]


def test_host_returns_to_a_node_once_for_its_opinion_and_the_node_answers():
    application = in_review()
    node = next(n for n in application.nodes if n.unit.name == "贵阳市人力资源和社会保障局")
    with pytest.raises(RuleViolation, match="Choose the node"):
        return_it(application, OFFICE, REVIEWED_AT, target=ReturnTarget.NODE)
    return_it(application, OFFICE, REVIEWED_AT, target=ReturnTarget.NODE, node_id=node.id)
    assert application.holder_unit_id == node.unit_id

    corrections.answer_return(
        application.id,
        text="已补盖章",
        actor=staff("guiyang"),
        now=at("2022-08-19T10:00:00"),
    )

    assert application.state is State.IN_POLICY_REVIEW
    with pytest.raises(RuleViolation):
        return_it(
            application,
            OFFICE,
            at("2022-08-22T10:00:00"),
            target=ReturnTarget.NODE,
            node_id=node.id,
        )


def test_host_may_not_return_to_the_unit():
    with pytest.raises(RuleViolation):
        return_it(in_review(), OFFICE, REVIEWED_AT, target=ReturnTarget.UNIT)


@pytest.mark.parametrize("state", [State.RECEIVED, State.ACCEPTED])
def test_province_returns_from_the_committee_at_any_time_and_it_comes_back_to_policy_review(state):
    application = make_application(state)
    return_it(application, "province", REVIEWED_AT, section="work_summary")
    correct(application, now=at("2022-08-19T10:00:00"))

    confirm(application, now=at("2022-08-19T11:00:00"))

    assert application.state is State.IN_POLICY_REVIEW


def test_host_after_its_deadline_needs_an_extension():
    application = in_review()

    with pytest.raises(RuleViolation, match="2022-11-30 24:00"):
        return_it(application, OFFICE, at("2022-12-01T00:00:00"))
    with pytest.raises(RuleViolation):
        policy_review.accept_application(
            application.id, opinion="", actor=staff(OFFICE), now=at("2022-12-01T00:00:00")
        )
