"""The staff screens of applications: lists per role, record page, action forms, foreign rows."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from sqlalchemy import event, select

from app import clock
from app.domain.workflow import State
from app.extensions import db
from app.models import Application, ApplicationEvent, Material, SignatureRequest
from app.services import applications
from tests.applicants import actor_named
from tests.conftest import at
from tests.factories import (
    OFFICE,
    PUSHED_AT,
    REVIEWED_AT,
    make_application,
    return_it,
)

LISTS = ("held", "own", "routing", "received")


@pytest.fixture
def clock_at(monkeypatch):
    """clock_at(instant): what the pages take for now."""

    def set_(instant: datetime):
        monkeypatch.setattr(clock, "now", lambda: instant)

    set_(at("2022-08-04T10:00:00"))
    return set_


pytestmark = pytest.mark.usefixtures("clock_at")


def page(client, address, status=200):
    answer = client.get(address)
    assert answer.status_code == status
    return answer.get_data(as_text=True)


def send(client, address, **data):
    return client.post(address, data=data)


def act(client, application, action, **data):
    version = db.session.get(Application, application.id).version
    return send(
        client,
        f"/applications/do/{application.id}/{action}",
        expected_version=version,
        idempotency_key="0123456789abcdef",
        **data,
    )


def state_of(application):
    return db.session.get(Application, application.id, populate_existing=True).state


@pytest.mark.parametrize(
    ("state", "login", "shown"),
    [
        (State.IN_EMPLOYER_CHECK, "nmdesign", {"held", "own"}),
        (State.IN_EMPLOYER_CHECK, "刘伟", {"held", "own"}),
        (State.IN_EMPLOYER_CHECK, "gzdesign", set()),
        (State.IN_EMPLOYER_CHECK, "nmhousing", set()),
        (State.IN_ROUTING, "nmhousing", {"held", "routing"}),
        (State.IN_ROUTING, "nanming", {"routing"}),
        (State.IN_ROUTING, "nmdesign", {"own", "routing"}),
        (State.IN_ROUTING, "zunyi", set()),
        (State.RECEIVED, OFFICE, {"held", "received"}),
        (State.RECEIVED, "office_health_senior", set()),
        (State.RECEIVED, "province", {"received"}),
    ],
)
def test_lists_show_each_role_its_own_rows(sign_in, state, login, shown):
    application = make_application(state)
    client = sign_in(login)

    found = set()
    for name in LISTS:
        answer = client.get(f"/applications-{name}/list/")
        if answer.status_code == 200 and application.number in answer.get_data(as_text=True):
            found.add(name)

    assert found == shown


def test_draft_is_in_no_staff_list(sign_in):
    application = make_application(State.DRAFT)

    for login in ("nmdesign", "nanming", "province"):
        assert application.number not in page(sign_in(login), "/applications/list/")


def test_list_filters_by_state_and_line_and_keeps_strange_values_harmless(sign_in):
    application = make_application()
    client = sign_in("nmdesign")

    def listed(query):
        return application.number in page(client, f"/applications/list/?{query}")

    assert listed("_flt_0_state=in_employer_check") is True
    assert listed("_flt_0_state=in_routing") is False
    assert listed(f"_flt_0_plan_line={application.plan_line_id}") is True
    assert listed(f"_flt_0_employer={application.employer_id}") is True
    for strange in ("_flt_0_state=nosuch", "_flt_9_state=x", "_flt_0_plan_line=abc"):
        page(client, f"/applications/list/?{strange}")


def test_list_asks_as_many_questions_for_three_rows_as_for_one(sign_in):
    make_application()
    client = sign_in("nmdesign")

    def count():
        seen = []
        listener = lambda *args: seen.append(args[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", listener)
        try:
            page(client, "/applications/list/")
        finally:
            event.remove(db.engine, "before_cursor_execute", listener)
        return len(seen)

    count()
    one = count()
    make_application(person="孙悦")
    make_application(person="刘伟")
    count()
    assert count() == one


@pytest.mark.parametrize("login", ["gzdesign", "zunyi", "office_health_senior"])
def test_foreign_application_answers_404(sign_in, login):
    application = make_application(State.RECEIVED)
    client = sign_in(login)

    page(client, f"/applications/show/{application.id}", 404)
    page(client, f"/applications/do/{application.id}/forward", 404)
    assert act(client, application, "forward", opinion="x").status_code == 404


@pytest.mark.parametrize("login", ["王敏", "sysadmin", "auditor"])
def test_roles_without_the_screen_get_no_page(sign_in, login):
    application = make_application(State.RECEIVED)

    answer = sign_in(login).get(f"/applications/show/{application.id}")

    assert answer.status_code in {302, 403}


@pytest.mark.parametrize("pk", ["abc", "0", "999999999", "99999999999999999999"])
def test_unknown_keys_and_actions_answer_404(sign_in, pk):
    client = sign_in("nmdesign")

    page(client, f"/applications/show/{pk}", 404)
    page(client, f"/applications/do/{pk}/forward", 404)
    application = make_application()
    page(client, f"/applications/do/{application.id}/nosuch", 404)
    page(client, f"/applications/do/{application.id}/create", 404)


def test_action_of_somebody_else_answers_403(sign_in):
    application = make_application()
    client = sign_in("nanming")

    page(client, f"/applications/do/{application.id}/publicize", 403)
    answer = act(client, application, "publicize", opinion="同意", on_site_promised="y")

    assert answer.status_code == 403
    assert state_of(application) is State.IN_EMPLOYER_CHECK


def test_record_page_shows_facts_content_route_history_and_no_full_number(sign_in):
    application = make_application(State.IN_ROUTING)

    text = page(sign_in("nmhousing"), f"/applications/show/{application.id}")

    for wanted in ("王敏", "黔中建筑设计院", "南明区住房和城乡建设局", "业绩成果", "2022-08-18"):
        assert wanted in text
    assert application.person.identity_mask in text
    assert application.person.identity_number not in text
    assert application.person.phone not in text
    assert f"/applications/do/{application.id}/forward" in text


def test_record_page_says_why_an_action_is_disabled(sign_in, clock_at):
    application = make_application(State.IN_ROUTING)
    clock_at(at("2022-09-15T17:00:01"))

    text = page(sign_in("nmhousing"), f"/applications/show/{application.id}")

    assert 'aria-disabled="true"' in text
    assert f"/applications/do/{application.id}/forward" not in text


def test_unit_opens_a_publicity_from_its_form(sign_in):
    application = make_application()
    client = sign_in("nmdesign")
    form = page(client, f"/applications/do/{application.id}/publicize")
    assert "2022-08-05" in form
    key = re.search(r'name="idempotency_key"[^>]*value="([0-9a-f]{32})"', form)
    assert key is not None

    refused = act(client, application, "publicize", opinion="同意推荐")
    assert refused.status_code == 422
    assert "同意推荐" in refused.get_data(as_text=True)

    done = act(client, application, "publicize", opinion="同意推荐", on_site_promised="y")
    assert done.status_code == 303
    assert state_of(application) is State.IN_PUBLICITY


def test_form_sent_twice_acts_once(sign_in, clock_at):
    application = make_application(State.IN_ROUTING)
    clock_at(at("2022-08-15T10:00:00"))
    client = sign_in("nmhousing")

    first = act(client, application, "forward", opinion="同意推荐")
    second = act(client, application, "forward", opinion="同意推荐")

    assert (first.status_code, second.status_code) == (303, 303)
    events = db.session.query(ApplicationEvent).filter_by(application_id=application.id)
    assert [e.action.value for e in events].count("forward") == 2


def test_stale_page_is_told_so_and_keeps_what_was_typed(sign_in, clock_at):
    application = make_application(State.IN_ROUTING)
    clock_at(at("2022-08-15T10:00:00"))

    answer = send(
        sign_in("nmhousing"),
        f"/applications/do/{application.id}/forward",
        expected_version=application.version - 1,
        idempotency_key="0123456789abcdef",
        opinion="我的意见在此",
    )

    assert answer.status_code == 409
    assert "我的意见在此" in answer.get_data(as_text=True)


def test_node_returns_with_defects_by_section(sign_in, clock_at):
    application = make_application(State.IN_ROUTING)
    clock_at(at("2022-08-15T10:00:00"))
    client = sign_in("nmhousing")
    page(client, f"/applications/do/{application.id}/return")

    refused = act(client, application, "return", target="applicant", reason_code="badly_filled")
    assert refused.status_code == 422
    done = act(
        client,
        application,
        "return",
        target="applicant",
        reason_code="badly_filled",
        defects_education="缺学位证书\n毕业时间有误",
        note="请尽快",
    )

    assert done.status_code == 303
    assert state_of(application) is State.RETURNED
    text = page(client, f"/applications/show/{application.id}")
    assert "毕业时间有误" in text


def test_superior_of_the_unit_cannot_use_its_forms(sign_in):
    application = make_application()

    answer = act(
        sign_in("nmhousing"),
        application,
        "decline",
        reason_code="not_eligible",
        reason="学历不符合",
    )

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("action", "data", "state"),
    [
        ("accept", {"opinion": "齐全"}, State.ACCEPTED),
        ("reject", {"reason_code": "not_eligible", "reason": "年限不足"}, State.REJECTED),
        (
            "return",
            {
                "target": "applicant",
                "reason_code": "badly_filled",
                "defects_profile": "请补照片",
            },
            State.RETURNED,
        ),
    ],
)
def test_office_concludes_the_policy_review(sign_in, clock_at, action, data, state):
    application = make_application(State.IN_POLICY_REVIEW)
    clock_at(REVIEWED_AT)
    client = sign_in(OFFICE)
    page(client, f"/applications/do/{application.id}/{action}")

    answer = act(client, application, action, **data)

    assert answer.status_code == 303
    assert state_of(application) is state


@pytest.mark.parametrize("action", ["transfer", "entrust", "start_policy_review"])
def test_forms_of_the_office_open(sign_in, clock_at, action):
    state = State.IN_POLICY_REVIEW if action == "transfer" else State.RECEIVED
    application = make_application(state)
    clock_at(REVIEWED_AT)

    page(sign_in(OFFICE), f"/applications/do/{application.id}/{action}")


def test_office_arranges_group_and_defence_on_a_form_of_its_own(sign_in, clock_at):
    application = make_application(State.ACCEPTED)
    application.committee.has_oral_defence = True
    db.session.flush()
    clock_at(REVIEWED_AT)
    client = sign_in(OFFICE)
    assert "/arrange" in page(client, f"/applications/show/{application.id}")

    answer = act(client, application, "arrange", group_name="建筑组", defence_at="2022-11-18T09:00")

    assert answer.status_code == 303
    assert state_of(application) is State.ACCEPTED
    said = page(client, f"/applications/show/{application.id}")
    assert "评议组：建筑组；答辩时间：2022-11-18 09:00" in said


def test_hrss_decides_a_withdrawal_and_changes_a_route(sign_in, clock_at):
    application = make_application(State.IN_ROUTING)
    clock_at(PUSHED_AT)
    client = sign_in("nanming")
    page(client, f"/applications/do/{application.id}/reroute")
    page(client, f"/applications/do/{application.id}/withdraw", 409)
    applications.ask_withdrawal(
        application.id, "个人原因", actor=actor_named("王敏"), now=PUSHED_AT
    )
    db.session.commit()

    assert "个人原因" in page(client, f"/applications/do/{application.id}/withdraw")
    answer = act(client, application, "withdraw", grant="yes", note="同意")

    assert answer.status_code == 303
    assert state_of(application) is State.WITHDRAWN


def test_two_people_of_the_province_reinstate_a_lapsed_application(sign_in, clock_at):
    application = make_application(State.LAPSED)
    clock_at(at("2022-09-20T09:00:00"))
    client = sign_in("province")
    text = page(client, f"/applications/show/{application.id}")
    assert f"/applications/do/{application.id}/reinstate" in text

    answer = act(
        client,
        application,
        "reinstate",
        reason_code="system_fault",
        ground="系统故障证明",
        due_at="2022-09-30T17:00",
    )

    assert answer.status_code == 303
    assert state_of(application) is State.LAPSED
    request = db.session.scalars(select(SignatureRequest)).one()
    text = page(client, f"/applications/show/{application.id}")
    assert f"/applications/do/{application.id}/reinstate" not in text
    approve = f"/second-signatures/approve/{request.id}"
    assert client.post(approve, data={"expected_version": request.version}).status_code == 403
    assert state_of(application) is State.LAPSED

    second = sign_in("province2")
    assert application.number in page(second, "/work/")
    assert "系统故障证明" in page(second, f"/second-signatures/show/{request.id}")
    second.post(approve, data={"expected_version": request.version})

    assert state_of(application) is State.IN_EMPLOYER_CHECK


def test_correction_is_compared_and_confirmed(sign_in, clock_at):
    application = make_application(State.IN_ROUTING, is_complete=True)
    return_it(application, "nmhousing", PUSHED_AT, section="work_summary")
    applications.save_section(
        application.id,
        "work_summary",
        {"work_summary": "补充后的总结"},
        actor=actor_named("王敏"),
        now=PUSHED_AT,
        expected_content_version=application.content_version,
    )
    later = at("2022-08-15T09:00:00")
    applications.resubmit_application(
        application.id, actor=actor_named("王敏"), now=later, idempotency_key="r1", pledged=True
    )
    db.session.commit()
    clock_at(later)
    client = sign_in("nmdesign")
    text = page(client, f"/applications/show/{application.id}")
    assert "补充后的总结" in text
    assert f"/applications/do/{application.id}/confirm" in text

    answer = act(client, application, "confirm", opinion="已核对")

    assert answer.status_code == 303
    assert state_of(application) is State.IN_ROUTING


def test_materials_open_for_who_reads_the_application_only(sign_in):
    application = make_application(State.IN_ROUTING, is_complete=True)
    material = db.session.query(Material).filter_by(application_id=application.id).first()

    assert sign_in("nmhousing").get(f"/materials/{material.id}").status_code == 200
    assert sign_in("zunyi").get(f"/materials/{material.id}").status_code == 404


# --------------------------------------------------------------------------- extensions


def test_extension_is_asked_by_one_and_approved_by_another(sign_in, clock_at):
    application = make_application(State.RECEIVED)
    clock_at(at("2022-12-02T09:00:00"))
    first, second = sign_in("province"), sign_in("province2")
    given = {
        "committee": application.committee_id,
        "plan_line": application.plan_line_id,
        "milestone": "policy_review",
        "until_on": "2022-12-09",
        "reason": "疫情影响",
    }
    page(first, "/extensions/add")
    answer = send(first, "/extensions/add", **given)
    assert answer.status_code == 303
    where = answer.headers["Location"]
    pk = where.rsplit("/", 1)[1]
    assert "aria-disabled" in page(first, where)

    assert send(first, f"/extensions/approve/{pk}").status_code == 403
    assert send(second, f"/extensions/approve/{pk}").status_code == 303
    assert application.committee.name in page(sign_in(OFFICE), "/extensions/list/")
    assert send(sign_in(OFFICE), "/extensions/add", **given).status_code in {302, 403}
