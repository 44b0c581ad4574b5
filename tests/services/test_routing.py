"""The nodes: rows 12-16 and 20-21 of rules 3.2, A4, A5, C6, C7; two handlers at once."""

from __future__ import annotations

import threading

import pytest

from app.domain.errors import (
    ConflictError,
    DomainError,
    NotPermittedError,
    RouteError,
    RuleViolation,
)
from app.domain.terms import DueKind, LapseKind
from app.domain.workflow import State
from app.extensions import db, unit_of_work
from app.models import Application, ApplicationEvent, Committee, Lapse, Notification, Unit
from app.services import certificates, facts, lapses, routing, transitions
from app.services.actors import SYSTEM, signer_of
from app.services.available import available_actions
from tests.conftest import at
from tests.factories import (
    PUSHED_AT,
    forward,
    lapse_undelivered,
    make_application,
    staff,
)

RECEIPT_DUE = at("2022-09-15T17:00:00")


@pytest.fixture
def routed(app):
    """王敏's application at the first node, received Friday 2022-08-12."""
    return make_application(State.IN_ROUTING)


def holder(application):
    """The unit that holds it, as the next page will show."""
    db.session.expire(application, ["holder_unit"])
    return application.holder_unit.name


def unit_named(name):
    return db.session.query(Unit).filter_by(name=name).one()


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2022-08-15T09:00:00", "2022-08-19T00:00:00"),
        ("2022-08-13T09:00:00", "2022-08-18T00:00:00"),
        ("2022-09-13T09:00:00", "2022-09-15T17:00:00"),
    ],
)
def test_node_has_three_working_days_capped_by_the_receipt_deadline(routed, received, due):
    assert routing.compute_step_due(routed, since=at(received)).at == at(due)


def test_push_opens_the_first_step_with_its_due_instant(routed):
    step = facts.open_step(routed)

    assert step.node.unit.name == "南明区住房和城乡建设局"
    assert step.received_at == PUSHED_AT
    assert step.forward_due_at == at("2022-08-18T00:00:00")
    assert (routed.due_kind, routed.due_at) == (DueKind.NODE_FORWARD, step.forward_due_at)
    assert routed.holder_unit_id == step.node.unit_id


def test_forward_goes_node_by_node_to_the_committee(routed):
    forward(routed, "nmhousing", at("2022-08-15T09:00:00"))
    assert holder(routed) == "南明区人力资源和社会保障局"
    forward(routed, "nanming", at("2022-08-16T09:00:00"))
    forward(routed, "guiyang", at("2022-08-17T09:00:00"))

    assert routed.state is State.RECEIVED
    assert routed.delivered_at == at("2022-08-17T09:00:00")
    assert holder(routed) == "贵州省住房和城乡建设厅"
    assert (routed.due_kind, routed.due_at) == (DueKind.POLICY_REVIEW, at("2022-12-01T00:00:00"))
    assert facts.open_step(routed) is None
    steps = [step for node in routed.nodes for step in node.steps]
    assert [step.forwarded_at.day for step in steps] == [15, 16, 17]
    assert all(step.opinion == "同意推荐" for step in steps)


@pytest.mark.parametrize("login", ["guiyang", "nanming", "nmdesign", "gyhousing", "province"])
def test_only_the_node_that_holds_it_forwards(routed, login):
    with pytest.raises(NotPermittedError):
        forward(routed, login, PUSHED_AT)


def test_forward_needs_an_opinion(routed):
    with pytest.raises(RuleViolation, match="opinion"):
        routing.forward_application(routed.id, opinion=" ", actor=staff("nmhousing"), now=PUSHED_AT)


def test_late_node_is_noted_once_and_may_still_forward_until_the_receipt_deadline(routed):
    step = facts.open_step(routed)
    late = at("2022-08-18T10:30:00")

    lapse = lapses.note_overdue_step(step.id, now=late)
    again = lapses.note_overdue_step(step.id, now=at("2022-08-19T10:30:00"))

    assert (lapse.kind, lapse.hours_over) == (LapseKind.NODE_OVERDUE, 11)
    assert lapse.responsible_unit.name == "南明区住房和城乡建设局"
    assert again is None
    told = {n.account_id for n in db.session.query(Notification).filter_by(kind="overdue")}
    assert told == {staff("nmhousing").account_id, staff("nanming").account_id}
    forward(routed, "nmhousing", RECEIPT_DUE)
    assert holder(routed) == "南明区人力资源和社会保障局"


def test_step_in_time_is_not_noted(routed):
    step = facts.open_step(routed)

    assert lapses.note_overdue_step(step.id, now=at("2022-08-17T23:59:59")) is None
    assert db.session.query(Lapse).count() == 0


def test_forward_is_refused_one_second_after_the_receipt_deadline(routed):
    with pytest.raises(RuleViolation, match="2022-09-15 17:00"):
        forward(routed, "nmhousing", at("2022-09-15T17:00:01"))

    found = available_actions(routed, staff("nmhousing"), at("2022-09-15T17:00:01"))
    assert {entry.action.value: entry.enabled for entry in found}["forward"] is False


def test_undelivered_application_lapses_with_every_unit_that_overran(routed):
    forward(routed, "nmhousing", at("2022-08-19T10:00:00"))

    lapse_undelivered(routed)

    assert routed.state is State.LAPSED
    assert (routed.holder_unit_id, routed.due_at) == (None, None)
    assert facts.open_step(routed) is None
    assert routed.events[-1].at == RECEIPT_DUE
    lapse = db.session.query(Lapse).filter_by(kind=LapseKind.NOT_DELIVERED).one()
    assert [(row["name"], row["hours"]) for row in lapse.responsible] == [
        ("南明区住房和城乡建设局", 34),
        ("南明区人力资源和社会保障局", 21 * 24 + 17),
    ]


def test_unit_that_pushed_after_d_plus_ten_is_responsible_too(app):
    application = make_application(State.PUBLICIZED)
    routing.forward_application(
        application.id, actor=staff("nmdesign"), now=at("2022-08-16T05:00:00")
    )

    responsible = lapses.responsible_units(application, RECEIPT_DUE)

    assert responsible[0]["name"] == "黔中建筑设计院（演示）"
    assert responsible[0]["hours"] == 5


def test_lapse_is_refused_before_its_deadline(routed):
    with pytest.raises(ConflictError):
        lapses.lapse_application(
            routed.id, LapseKind.NOT_DELIVERED, at=RECEIPT_DUE, now=RECEIPT_DUE, actor=SYSTEM
        )


def test_received_application_does_not_lapse(app):
    application = make_application(State.RECEIVED)

    with pytest.raises(ConflictError):
        lapse_undelivered(application)


# --------------------------------------------------------------------------- reinstatement


def reinstate(application, **extra):
    given = {
        "reason_code": "node_fault",
        "ground": "节点故障，见说明",
        "due_at": at("2022-09-30T17:00:00"),
        "first": signer_of(staff("province2")),
        "actor": staff("province"),
        "now": at("2022-09-20T09:00:00"),
    } | extra
    return lapses.reinstate_application(application.id, **given)


def test_reinstated_application_lies_at_its_node_again_with_a_new_receipt_deadline(routed):
    lapse_undelivered(routed)

    reinstate(routed)

    assert routed.state is State.IN_ROUTING
    assert holder(routed) == "南明区住房和城乡建设局"
    step = facts.open_step(routed)
    assert step.forward_due_at == at("2022-09-24T00:00:00")
    assert facts.receipt_limit_at(routed) == at("2022-09-30T17:00:00")
    forward(routed, "nmhousing", at("2022-09-21T09:00:00"))
    assert holder(routed) == "南明区人力资源和社会保障局"


def test_reinstated_publicity_goes_on(app):
    application = make_application(State.ON_HOLD)
    lapse_undelivered(application)
    assert facts.open_publicity_of(application) is None

    reinstate(application)

    assert application.state is State.ON_HOLD
    assert facts.open_publicity_of(application) is not None


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"actor": "guiyang"}, NotPermittedError),
        ({"first": "province"}, NotPermittedError),
        ({"ground": ""}, RuleViolation),
        ({"reason_code": "no"}, RuleViolation),
        ({"due_at": at("2022-09-19T00:00:00")}, RuleViolation),
        ({"due_at": at("2022-12-01T00:00:01")}, RuleViolation),
    ],
)
def test_reinstatement_is_refused_without_its_terms(routed, change, error):
    lapse_undelivered(routed)
    if "actor" in change:
        change = {"actor": staff(change["actor"])}
    if "first" in change:
        change = {"first": signer_of(staff(change["first"]))}

    with pytest.raises(error):
        reinstate(routed, **change)


# --------------------------------------------------------------------------- another route


def reroute(application, target, **extra):
    given = {"reason_code": "wrong_parent", "reason": "上级单位设置错误"} | extra
    login = given.pop("login", "nanming")
    return routing.reroute_application(
        application.id,
        target_unit_id=unit_named(target).id,
        actor=staff(login),
        now=PUSHED_AT,
        **given,
    )


def test_reroute_leaves_the_wrong_node_and_goes_on_from_the_new_one(routed):
    reroute(routed, "贵阳市住房和城乡建设局")

    names = [node.unit.name for node in facts.route_nodes(routed)]
    assert names == [
        "黔中建筑设计院（演示）",
        "贵阳市住房和城乡建设局",
        "贵阳市人力资源和社会保障局",
        "贵州省住房和城乡建设厅",
    ]
    assert [n.unit.name for n in routed.nodes if n.dropped_at] == ["南明区住房和城乡建设局"]
    assert routed.state is State.IN_ROUTING
    assert holder(routed) == "贵阳市住房和城乡建设局"
    forward(routed, "gyhousing", PUSHED_AT)
    assert holder(routed) == "贵阳市人力资源和社会保障局"
    with pytest.raises(NotPermittedError):
        forward(routed, "nmhousing", PUSHED_AT)


def test_reroute_to_another_committee_needs_its_valid_filing(routed):
    other = db.session.query(Committee).filter(Committee.name.like("%卫生系列高级%")).one()

    with pytest.raises(DomainError, match="line of the evaluation plan"):
        reroute(routed, "贵阳市住房和城乡建设局", committee_id=other.id)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"login": "nmhousing"}, NotPermittedError),
        ({"login": "zunyi"}, NotPermittedError),
        ({"reason": ""}, RuleViolation),
        ({"reason_code": "fraud"}, RuleViolation),
    ],
)
def test_reroute_is_refused(routed, change, error):
    with pytest.raises(error):
        reroute(routed, "贵阳市住房和城乡建设局", **change)


def test_reroute_to_the_committee_itself_is_refused(routed):
    with pytest.raises((RuleViolation, RouteError)):
        reroute(routed, "贵州省住房和城乡建设厅", login="province")


# --------------------------------------------------------------------------- at once


def race(own_app, application_id, logins):
    """Forward with several connections at once; the errors they met."""
    with own_app.app_context():
        actors = [staff(login) for login in logins]
        db.session.remove()
    barrier = threading.Barrier(len(actors))
    errors = []

    def run(actor):
        with own_app.app_context():
            barrier.wait()
            try:
                with unit_of_work():
                    routing.forward_application(
                        application_id, opinion="同意", actor=actor, now=at("2022-08-15T09:00:00")
                    )
            except Exception as error:
                errors.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(actor,)) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return errors


def routed_in(own_app):
    with own_app.app_context():
        with unit_of_work():
            application = make_application(State.IN_ROUTING)
            application_id = application.id
        db.session.remove()
    return application_id


def count_forwards(own_app, application_id):
    with own_app.app_context():
        events = db.session.query(ApplicationEvent).filter_by(application_id=application_id)
        found = [e.action.value for e in events.order_by(ApplicationEvent.seq)].count("forward")
        db.session.remove()
    return found


def test_two_handlers_who_forward_at_once_make_one_event(own_app):
    application_id = routed_in(own_app)
    before = count_forwards(own_app, application_id)

    errors = race(own_app, application_id, ["nmhousing", "nmhousing"])

    assert count_forwards(own_app, application_id) == before + 1
    assert [type(error) for error in errors] == [NotPermittedError]


def test_without_the_lock_two_handlers_forward_twice(own_app, monkeypatch):
    """The proof that the lock is what keeps them apart: without it both decide on the same row."""
    application_id = routed_in(own_app)
    meeting = threading.Barrier(2, timeout=20)

    def read_unlocked(application_id):
        found = db.session.get_one(Application, application_id, populate_existing=True)
        meeting.wait()
        return found

    monkeypatch.setattr(transitions, "lock_application", read_unlocked)

    before = count_forwards(own_app, application_id)

    race(own_app, application_id, ["nmhousing", "nmhousing"])

    assert count_forwards(own_app, application_id) == before + 2


def test_disqualifying_ends_the_stay_at_the_node(routed):
    certificates.disqualify_application(
        routed.id, "论文抄袭", actor=staff("province"), now=at("2022-08-15T09:00:00")
    )
    assert routed.state is State.DISQUALIFIED
    assert facts.open_step(routed) is None
