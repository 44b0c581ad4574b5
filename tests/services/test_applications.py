"""Draft, submission, correction, requests: rules 3.2 rows 1-5, 17, 36, 37 and their notes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.domain.errors import (
    ConflictError,
    NotPermittedError,
    RuleViolation,
    TransitionNotAllowedError,
    WindowClosedError,
)
from app.domain.terms import DueKind, FindingKind, LapseKind, NodeKind, ReturnTarget
from app.domain.workflow import Action, State
from app.extensions import db
from app.models import (
    Application,
    ApplicationEvent,
    ApplicationVersion,
    CreditRecord,
    Material,
    OutboxMessage,
    Person,
    ReExamination,
    WithdrawalRequest,
)
from app.services import applications, corrections, lapses, materials
from app.services.applications import (
    ContentConflictError,
    PreCheckError,
    SecondApplicationError,
    content_hash,
)
from app.services.editing import CorrectionOverdueError, LockedError
from app.services.form_values import InvalidValuesError
from app.services.precheck import pre_check, refusals
from tests.applicants import (
    actor_named,
    begin_draft,
    choice_of,
    fill_in,
    person_named,
    small_pdf,
    submit,
)
from tests.conftest import at
from tests.factories import make_application, staff

IN_WINDOW = at("2022-08-03T09:00:00")


def ready_draft(name: str = "王敏") -> Application:
    """A draft with nothing missing."""
    return fill_in(begin_draft(name, IN_WINDOW), IN_WINDOW)


def save(application: Application, section: str, values: dict[str, Any], **more: Any) -> None:
    """Save a section as 王敏, at IN_WINDOW unless told otherwise."""
    given = {"actor": actor_named("王敏"), "now": IN_WINDOW, "expected_content_version": None}
    applications.save_section(application.id, section, values, **(given | more))


# ------------------------------------------------------------ row 1: a new draft


def test_create_fills_the_draft_from_the_profile_without_full_numbers(app: Flask) -> None:
    person = person_named("王敏")
    application = begin_draft("王敏", IN_WINDOW)
    assert application.content["profile"]["full_name"] == "王敏"
    assert application.content["present_title"]["title_name"] == "工程师"
    assert len(application.content["achievements"]["achievements"]) == 3
    text = json.dumps(application.content, ensure_ascii=False)
    assert person.identity_number not in text
    assert str(person.phone) not in text
    assert (application.due_kind, application.due_at) == (
        DueKind.WINDOW_CLOSE,
        at("2022-08-05T17:00:00"),
    )
    first = db.session.scalars(
        select(ApplicationEvent).where(ApplicationEvent.application_id == application.id)
    ).one()
    assert (first.action, first.to_state) == (Action.CREATE, State.DRAFT)


def test_create_before_the_first_of_july_is_refused(app: Flask) -> None:
    with pytest.raises(RuleViolation, match="2022-07-01"):
        begin_draft("王敏", at("2022-06-30T23:59:59"))
    assert begin_draft("王敏", at("2022-07-01T00:00:00")).state is State.DRAFT


def test_create_refuses_a_second_live_application(app: Flask) -> None:
    first = begin_draft("王敏", IN_WINDOW)
    with pytest.raises(SecondApplicationError) as refused:
        begin_draft("王敏", IN_WINDOW)
    assert refused.value.params == {"number": first.number}


def test_create_turns_the_unique_index_into_words(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_draft("王敏", IN_WINDOW)
    asked = applications._require_no_other
    calls: list[int] = []

    def ask_too_early(*args: Any, **kwargs: Any) -> None:
        calls.append(1)
        if len(calls) > 1:
            asked(*args, **kwargs)

    monkeypatch.setattr(applications, "_require_no_other", ask_too_early)
    with pytest.raises(SecondApplicationError):
        begin_draft("王敏", IN_WINDOW)
    assert len(calls) == 2


def test_create_again_after_the_draft_lapsed_unsubmitted(app: Flask) -> None:
    first = begin_draft("张丽", IN_WINDOW, **SCHOOL)
    late = at("2022-08-30T17:02:00")
    lapses.lapse_application(
        first.id, LapseKind.NOT_SUBMITTED, at=at("2022-08-30T17:00:01"), now=late
    )
    assert first.is_live is False
    with pytest.raises(ConflictError, match="closed"):
        begin_draft("张丽", late, **SCHOOL)


SCHOOL = {
    "committee": "贵州省中小学教师系列高级职称评审委员会（演示）",
    "category": "primary_secondary_teaching",
    "specialty": "小学语文",
}


def test_create_for_somebody_else_is_refused(app: Flask) -> None:
    with pytest.raises(RuleViolation, match="their own"):
        applications.create_application(
            person_named("李强").id, actor=actor_named("王敏"), now=IN_WINDOW, **choice_of()
        )


def test_create_is_barred_by_a_live_credit_record(app: Flask) -> None:
    person = person_named("王敏")
    begin = at("2021-01-01T00:00:00").date()
    db.session.add(
        CreditRecord(
            person_id=person.id, finding="x", from_on=begin, until_on=begin.replace(year=2024)
        )
    )
    db.session.flush()
    with pytest.raises(RuleViolation, match="2024-01-01"):
        begin_draft("王敏", IN_WINDOW)


# ------------------------------------------------------------ row 2: saving


def test_save_keeps_what_was_not_sent_and_counts_the_version(app: Flask) -> None:
    application = begin_draft("王敏", IN_WINDOW)
    before = application.content_version
    save(application, "application_info", {"current_field": " 建筑设计 "})
    assert application.content["application_info"]["current_field"] == "建筑设计"
    assert application.content["application_info"]["plan_year"] == 2022
    assert application.content_version == before + 1
    assert application.version == 1


def test_save_ignores_fields_the_process_fills_in(app: Flask) -> None:
    application = begin_draft("王敏", IN_WINDOW)
    save(application, "profile", {"full_name": "别人", "unit": "x", "ethnicity": "01"})
    assert application.content["profile"]["full_name"] == "王敏"
    assert application.content["profile"]["ethnicity"] == "01"


def test_save_keeps_a_new_phone_encrypted_and_masked(app: Flask) -> None:
    application = begin_draft("王敏", IN_WINDOW)
    save(application, "profile", {"phone": "13800001111"})
    person = person_named("王敏")
    assert (person.phone, person.phone_mask) == ("13800001111", "138****1111")
    assert application.content["profile"]["phone"] == "138****1111"
    save(application, "profile", {"phone": "138****1111"})
    assert person.phone == "13800001111"
    with pytest.raises(RuleViolation, match="mobile number"):
        save(application, "profile", {"phone": "12"})


def test_save_from_two_devices_tells_the_later_one(app: Flask) -> None:
    application = begin_draft("王敏", IN_WINDOW)
    seen = application.content_version
    save(application, "work_summary", {"work_summary": "甲"}, expected_content_version=seen)
    save(application, "profile", {"ethnicity": "01"}, expected_content_version=seen)
    with pytest.raises(ContentConflictError) as refused:
        save(application, "work_summary", {"work_summary": "乙"}, expected_content_version=seen)
    assert refused.value.http_status == 409
    assert application.content["work_summary"]["work_summary"] == "甲"
    now_seen = application.content_version
    save(application, "work_summary", {"work_summary": "乙"}, expected_content_version=now_seen)
    assert application.content["work_summary"]["work_summary"] == "乙"


def test_save_sent_twice_is_no_conflict(app: Flask) -> None:
    application = begin_draft("王敏", IN_WINDOW)
    seen = application.content_version
    for _click in range(2):
        save(application, "work_summary", {"work_summary": "甲"}, expected_content_version=seen)
    assert application.content["work_summary"]["work_summary"] == "甲"


def test_save_refuses_bad_values_all_at_once_and_stores_nothing(app: Flask) -> None:
    application = begin_draft("王敏", IN_WINDOW)
    before = application.content
    with pytest.raises(InvalidValuesError) as refused:
        save(application, "profile", {"work_started_on": "2010-02-30", "years_in_field": "viele"})
    assert [fault.path for fault in refused.value.faults] == ["work_started_on", "years_in_field"]
    assert application.content == before


def test_save_after_the_window_is_refused(app: Flask) -> None:
    application = begin_draft("王敏", IN_WINDOW)
    save(application, "work_summary", {"work_summary": "x"}, now=at("2022-08-05T17:00:00"))
    with pytest.raises(WindowClosedError):
        save(application, "work_summary", {"work_summary": "y"}, now=at("2022-08-05T17:00:01"))


def test_save_of_another_persons_draft_is_refused(app: Flask) -> None:
    application = begin_draft("王敏", IN_WINDOW)
    with pytest.raises(NotPermittedError):
        save(application, "work_summary", {"work_summary": "x"}, actor=actor_named("李强"))


def test_save_drops_the_files_of_removed_rows(app: Flask) -> None:
    application = ready_draft()
    rows = application.content["publications"]["publications"]
    kept = rows[1]["row_id"]
    save(application, "publications", {"publications": rows[1:]})
    codes = {m.requirement_code for m in materials.list_materials(application.id)}
    assert f"publications.{kept}.proof" in codes
    assert f"publications.{rows[0]['row_id']}.proof" not in codes


def test_change_choice_keeps_what_was_typed(app: Flask) -> None:
    application = begin_draft("陈晨", IN_WINDOW, specialty="建筑施工")
    choice = choice_of(
        committee="贵州省民营经济专项工程技术高级职称评审委员会（演示）",
        category="private_economy",
        specialty="软件工程",
    )
    summary = application.content["work_summary"]
    found = applications.change_choice(
        application.id, actor=actor_named("陈晨"), now=IN_WINDOW, **choice
    )
    assert found.plan_line.number == 6
    assert found.content["application_info"]["plan_category"] == found.category.name
    assert found.content["work_summary"] == summary
    assert found.due_at == at("2022-11-04T17:00:00")


# ------------------------------------------------------------ row 4: submission


def test_submit_freezes_content_and_route(app: Flask) -> None:
    application = ready_draft()
    assert [str(f) for f in refusals(pre_check(application, now=IN_WINDOW))] == []
    event = submit(application, IN_WINDOW)
    assert event.to_state is State.IN_EMPLOYER_CHECK
    assert application.holder_unit_id == application.employer_id
    assert application.submitted_at == IN_WINDOW
    assert (application.due_kind, application.due_at) == (
        DueKind.UNIT_PUSH,
        at("2022-08-16T00:00:00"),
    )
    assert [(n.position, n.unit.name, n.kind) for n in application.nodes] == [
        (0, "黔中建筑设计院（演示）", NodeKind.EMPLOYER),
        (1, "南明区住房和城乡建设局", NodeKind.RELAY),
        (2, "南明区人力资源和社会保障局", NodeKind.RELAY),
        (3, "贵阳市人力资源和社会保障局", NodeKind.RELAY),
        (4, "贵州省住房和城乡建设厅", NodeKind.HOST),
    ]
    version = db.session.scalars(
        select(ApplicationVersion).where(ApplicationVersion.application_id == application.id)
    ).one()
    assert (version.number, version.receipt_number) == (1, f"{application.number}-01")
    assert version.content == application.content
    files = materials.list_materials(application.id)
    assert version.content_hash == content_hash(application.content, files)
    assert version.content_hash != content_hash(application.content, files[1:])
    assert "真实、完整" in version.pledge_text
    assert event.data["content_hash"] == version.content_hash
    told = set(
        db.session.scalars(select(OutboxMessage.kind).where(OutboxMessage.event_id == event.id))
    )
    assert told == {"submitted"}


@pytest.mark.parametrize(
    ("arrival", "is_in"),
    [
        ("2022-08-01T07:59:59", False),
        ("2022-08-01T08:00:00", True),
        ("2022-08-04T03:00:00", True),
        ("2022-08-05T17:00:00", True),
        ("2022-08-05T17:00:00.999999", True),
        ("2022-08-05T17:00:01", False),
    ],
)
def test_submit_counts_the_second_of_arrival(app: Flask, arrival: str, is_in: bool) -> None:
    application = fill_in(begin_draft("王敏", at("2022-07-20T09:00:00")), at("2022-07-20T09:00:00"))
    now = at(arrival)
    if is_in:
        assert submit(application, now).at == now
    else:
        with pytest.raises(WindowClosedError):
            submit(application, now)
        assert application.state is State.DRAFT


def lapse(application: Application, now: datetime) -> None:
    """The sweep ends the draft."""
    lapses.lapse_application(
        application.id, LapseKind.NOT_SUBMITTED, at=at("2022-08-05T17:00:01"), now=now
    )


def test_submit_that_arrived_in_time_wins_over_the_sweep(app: Flask) -> None:
    application = ready_draft()
    lapse(application, at("2022-08-05T17:01:30"))
    assert (application.state, application.is_live) == (State.LAPSED, False)
    with pytest.raises(TransitionNotAllowedError):
        submit(application, at("2022-08-05T17:00:01"))
    event = submit(application, at("2022-08-05T17:00:00"))
    assert (event.from_state, event.to_state) == (State.LAPSED, State.IN_EMPLOYER_CHECK)
    assert application.is_live is True
    assert application.state_before is None


def test_submit_never_revives_a_submitted_application_that_lapsed(app: Flask) -> None:
    application = make_application(State.IN_EMPLOYER_CHECK)
    lapses.lapse_application(
        application.id,
        LapseKind.NOT_DELIVERED,
        at=at("2022-09-15T17:00:01"),
        now=at("2022-09-15T17:00:01"),
    )
    with pytest.raises(TransitionNotAllowedError):
        submit(application, at("2022-08-05T17:00:00"), key="another")


def test_submit_with_the_same_key_gives_the_first_answer(app: Flask) -> None:
    application = ready_draft()
    first = submit(application, IN_WINDOW)
    again = submit(application, at("2022-08-06T09:00:00"))
    assert again.id == first.id
    with pytest.raises(TransitionNotAllowedError):
        submit(application, IN_WINDOW, key="another")


def test_submit_needs_the_pledge(app: Flask) -> None:
    application = ready_draft()
    with pytest.raises(RuleViolation, match="pledge"):
        applications.submit_application(
            application.id,
            actor=actor_named("王敏"),
            now=IN_WINDOW,
            idempotency_key="k",
            pledged=False,
        )


def test_submit_refuses_content_changed_after_it_was_checked(app: Flask) -> None:
    application = ready_draft()
    checked = application.content_version
    save(application, "work_summary", {"work_summary": "从别的设备改过"})
    with pytest.raises(ContentConflictError):
        applications.submit_application(
            application.id,
            actor=actor_named("王敏"),
            now=IN_WINDOW,
            idempotency_key="k",
            pledged=True,
            expected_content_version=checked,
        )


def test_submit_refuses_with_the_complete_list(app: Flask) -> None:
    application = begin_draft("王敏", IN_WINDOW)
    with pytest.raises(PreCheckError) as refused:
        submit(application, IN_WINDOW)
    sections = [finding.section for finding in refused.value.findings]
    assert sections[0] == "application_info"
    assert sections.count("materials") == 7
    assert sections.count("continuing_education") == 5


def test_submit_of_another_person_is_refused(app: Flask) -> None:
    application = ready_draft()
    with pytest.raises(NotPermittedError):
        applications.submit_application(
            application.id,
            actor=actor_named("李强"),
            now=IN_WINDOW,
            idempotency_key="k",
            pledged=True,
        )


def test_submitted_content_is_locked(app: Flask) -> None:
    application = make_application(State.IN_EMPLOYER_CHECK)
    with pytest.raises(LockedError):
        save(application, "work_summary", {"work_summary": "x"})
    with pytest.raises(LockedError):
        materials.add_material(
            application.id, "other", small_pdf(), "x.pdf", actor=actor_named("王敏"), now=IN_WINDOW
        )
    with pytest.raises(ConflictError):
        applications.change_choice(
            application.id, actor=actor_named("王敏"), now=IN_WINDOW, **choice_of()
        )


# ------------------------------------------------------------ row 17: correction

RETURNED_AT = at("2022-08-15T10:00:00")


def returned_by_node() -> Application:
    """Returned by the first node at RETURNED_AT, two parts unlocked; due 24:00 of 08-18."""
    application = make_application(State.IN_ROUTING, is_complete=True)
    corrections.return_application(
        application.id,
        target=ReturnTarget.APPLICANT,
        reason_code="badly_filled",
        items=[
            {"section": "work_summary", "field": "work_summary", "text": "请补充近三年工作"},
            {"section": "materials", "field": "other", "text": "请上传补充证明"},
        ],
        unlocked_sections=["work_summary", "materials"],
        actor=staff("nmhousing"),
        now=RETURNED_AT,
    )
    return application


def resubmit(application: Application, now: datetime, key: str = "r1") -> ApplicationEvent:
    """Submit the correction as 王敏."""
    return applications.resubmit_application(
        application.id, actor=actor_named("王敏"), now=now, idempotency_key=key, pledged=True
    )


def test_resubmit_after_the_window_makes_a_second_version(app: Flask) -> None:
    application = returned_by_node()
    now = at("2022-08-16T09:00:00")
    save(application, "work_summary", {"work_summary": "补充后的总结"}, now=now)
    added = materials.add_material(
        application.id, "other", small_pdf("n"), "补.pdf", actor=actor_named("王敏"), now=now
    )
    event = resubmit(application, now)
    assert (event.from_state, event.to_state) == (State.RETURNED, State.IN_EMPLOYER_CHECK)
    first, second = application.versions
    assert (second.number, second.receipt_number) == (2, f"{application.number}-02")
    assert first.content["work_summary"] != second.content["work_summary"]
    assert first.content_hash != second.content_hash
    assert added.added_in_version == 2
    assert added.id not in {m.id for m in materials.list_materials(application.id, version=1)}
    assert added.id in {m.id for m in materials.list_materials(application.id, version=2)}
    assert application.due_kind is DueKind.CORRECTION


def test_correction_unlocks_the_named_parts_only(app: Flask) -> None:
    application = returned_by_node()
    now = at("2022-08-16T09:00:00")
    save(application, "work_summary", {"work_summary": "x"}, now=now)
    with pytest.raises(LockedError):
        save(application, "profile", {"ethnicity": "01"}, now=now)
    with pytest.raises(LockedError):
        materials.add_material(
            application.id,
            "profile.photo",
            small_pdf(),
            "x.pdf",
            actor=actor_named("王敏"),
            now=now,
        )


def test_correction_keeps_a_removed_file_with_its_version(app: Flask) -> None:
    application = returned_by_node()
    now = at("2022-08-16T09:00:00")
    old = next(
        m
        for m in materials.list_materials(application.id)
        if m.requirement_code == "appraisal_forms"
    )
    materials.remove_material(old.id, actor=actor_named("王敏"), now=now)
    assert old.removed_in_version == 2
    assert old.id in {m.id for m in materials.list_materials(application.id, version=1)}
    with pytest.raises(PreCheckError) as refused:
        resubmit(application, now)
    assert [f.section for f in refused.value.findings] == ["materials"]


def test_resubmit_after_the_due_date_is_refused(app: Flask) -> None:
    application = returned_by_node()
    with pytest.raises(CorrectionOverdueError):
        save(application, "work_summary", {"work_summary": "x"}, now=at("2022-08-19T00:00:00"))
    with pytest.raises(CorrectionOverdueError):
        resubmit(application, at("2022-08-19T00:00:00"))
    assert resubmit(application, at("2022-08-18T23:59:59")).to_state is State.IN_EMPLOYER_CHECK


def test_resubmit_of_a_return_to_the_unit_is_not_the_applicants(app: Flask) -> None:
    application = make_application(State.IN_ROUTING, is_complete=True)
    corrections.return_application(
        application.id,
        target=ReturnTarget.UNIT,
        reason_code="badly_filled",
        items=[{"section": "", "field": "", "text": "缺推荐意见"}],
        unlocked_sections=[],
        actor=staff("nmhousing"),
        now=RETURNED_AT,
    )
    with pytest.raises(ConflictError):
        resubmit(application, RETURNED_AT)
    with pytest.raises(LockedError):
        save(application, "work_summary", {"work_summary": "x"}, now=RETURNED_AT)


# ------------------------------------------------------------ asking, copying


def test_ask_withdrawal_once_and_only_while_it_runs(app: Flask) -> None:
    draft = begin_draft("李强", IN_WINDOW, specialty="建筑结构", level=1)
    with pytest.raises(ConflictError, match="from the submission"):
        applications.ask_withdrawal(draft.id, "x", actor=actor_named("李强"), now=IN_WINDOW)
    application = make_application(State.IN_PUBLICITY)
    me = actor_named("王敏")
    with pytest.raises(RuleViolation, match="Say why"):
        applications.ask_withdrawal(application.id, " \r\n", actor=me, now=IN_WINDOW)
    applications.ask_withdrawal(application.id, "调往外省", actor=me, now=IN_WINDOW)
    with pytest.raises(ConflictError, match="asked already"):
        applications.ask_withdrawal(application.id, "再问", actor=me, now=IN_WINDOW)
    assert db.session.scalar(select(func.count(WithdrawalRequest.id))) == 1
    assert application.state is State.IN_PUBLICITY


def test_ask_re_examination_needs_a_review_not_passed(app: Flask) -> None:
    application = make_application(State.ACCEPTED)
    me = actor_named("王敏")
    with pytest.raises(ConflictError, match="not passed"):
        applications.ask_re_examination(application.id, "x", actor=me, now=IN_WINDOW)
    application.state = State.NOT_PASSED
    db.session.flush()
    asked = applications.ask_re_examination(application.id, "程序", actor=me, now=IN_WINDOW)
    assert db.session.scalars(select(ReExamination)).one() is asked
    assert application.events[-1].action is Action.RE_EXAMINE
    with pytest.raises(ConflictError, match="one re-examination"):
        applications.ask_re_examination(application.id, "再", actor=me, now=IN_WINDOW)


def test_copy_takes_over_content_and_files(app: Flask) -> None:
    previous = ready_draft()
    save(previous, "work_summary", {"work_summary": "去年的总结"})
    lapse(previous, at("2022-08-05T17:02:00"))
    previous.plan_year = 2021
    db.session.flush()
    copied = applications.copy_application(
        previous.id, actor=actor_named("王敏"), now=IN_WINDOW, **choice_of()
    )
    assert copied.content["work_summary"]["work_summary"] == "去年的总结"
    assert copied.content["application_info"]["plan_year"] == 2022
    assert len(materials.list_materials(copied.id)) == len(materials.list_materials(previous.id))
    assert db.session.scalar(select(func.count(Material.id))) == 2 * len(
        materials.list_materials(copied.id)
    )


def test_copy_of_another_persons_application_is_refused(app: Flask) -> None:
    previous = begin_draft("王敏", IN_WINDOW)
    with pytest.raises(NotPermittedError):
        applications.copy_application(
            previous.id, actor=actor_named("李强"), now=IN_WINDOW, **choice_of()
        )


# ------------------------------------------------------------ row 3: pre-check


def codes_of(name: str, kind: FindingKind, **choice: Any) -> set[str]:
    """The codes of a kind the pre-check finds, apart from what is merely missing."""
    application = fill_in(begin_draft(name, IN_WINDOW, **choice), IN_WINDOW)
    return {f.code for f in pre_check(application, now=IN_WINDOW) if f.kind is kind}


def test_pre_check_refuses_to_skip_a_level(app: Flask) -> None:
    assert codes_of("石磊", FindingKind.REFUSAL, specialty="建筑施工") == {"level_skipped"}


def test_pre_check_refuses_who_retires_this_year(app: Flask) -> None:
    person = db.session.scalars(select(Person).where(Person.name == "田国华")).one()
    choice = {"specialty": "建筑设计", "level": 1}
    assert codes_of("田国华", FindingKind.REFUSAL, **choice) >= {"retires_this_year"}
    person.retirement_on = at("2025-12-31T00:00:00").date()
    application = db.session.scalars(
        select(Application).where(Application.person_id == person.id)
    ).one()
    found = {f.code for f in pre_check(application, now=IN_WINDOW)}
    assert "retires_this_year" not in found


def test_pre_check_warns_of_short_continuing_education(app: Flask) -> None:
    person = next(p for p in db.session.scalars(select(Person)) if has_short_education(p))
    found = codes_of(person.name, FindingKind.WARNING, specialty="建筑施工")
    assert "education_too_short" in found


def has_short_education(person: Person) -> bool:
    """The demo person whose continuing education is too short."""
    rows = (person.profile or {}).get("continuing_education") or []
    return any(row["public_hours"] + row["specialty_hours"] < 90 for row in rows)


def test_pre_check_finds_gaps_and_reversed_months(app: Flask) -> None:
    application = ready_draft()
    history = [
        {
            "from_month": "2010-07",
            "to_month": "2012-01",
            "unit_name": "甲",
            "post": "x",
            "work": "y",
        },
        {
            "from_month": "2012-05",
            "to_month": "2012-04",
            "unit_name": "乙",
            "post": "x",
            "work": "y",
        },
    ]
    save(application, "work_history", {"work_history": history})
    found = {f.code: f for f in pre_check(application, now=IN_WINDOW)}
    assert found["work_history_gap"].params == {"before": "2012-01", "after": "2012-05"}
    assert found["months_reversed"].params["field"] == "work_history.1.to_month"
