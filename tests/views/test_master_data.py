"""Committees, filings, calls, experts, catalogue, collection forms and the plan as screens."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from app.extensions import db
from app.models import (
    AuthorityFiling,
    CallForApplications,
    Committee,
    EvaluationPlan,
    Expert,
    MaterialRequirement,
    Notification,
    PlanLine,
    PlanLineRevision,
    Series,
    Specialty,
    SpecialtyProposal,
)

LISTS = {
    "/committees/list/": "CommitteeView",
    "/filings/list/": "FilingView",
    "/materials-setup/list/": "RequirementView",
    "/calls/list/": "CallView",
    "/experts/list/": "ExpertSetupView",
    "/series/list/": "SeriesView",
    "/specialties/list/": "SpecialtyView",
    "/specialty-groups/list/": "GroupView",
    "/proposals/list/": "ProposalView",
    "/plans/list/": "PlanView",
    "/plan-lines/list/": "PlanLineView",
}
HOST = "gz_housing_office"


@pytest.fixture
def host(account):
    """The login of the office of the provincial building committee."""
    committee = db.session.scalars(
        select(Committee).where(Committee.name.startswith("贵州省工程系列建筑专业高级"))
    ).one()
    from app.models import Account

    found = db.session.scalars(
        select(Account).where(
            Account.unit_id == committee.convener_id, Account.roles.any(name="committee_office")
        )
    ).first()
    return found.username


@pytest.fixture
def committee(app):
    return db.session.scalars(
        select(Committee).where(Committee.name.startswith("贵州省工程系列建筑专业高级"))
    ).one()


@pytest.mark.parametrize("path", LISTS)
def test_lists_open_and_stand_strange_arguments(sign_in, path):
    client = sign_in("province")
    view = LISTS[path]
    assert client.get(path).status_code == 200
    strange = f"page_{view}=abc&psize_{view}=100000&_oc_{view}=nosuch&_od_{view}=asc&_flt_0_x=1"
    assert client.get(f"{path}?{strange}").status_code == 200


@pytest.mark.parametrize("path", LISTS)
def test_lists_send_as_many_queries_for_three_rows_as_for_one(sign_in, count_queries, path):
    client = sign_in("province")
    client.get(path)
    one = count_queries(lambda: client.get(f"{path}?psize_{LISTS[path]}=1"))
    three = count_queries(lambda: client.get(f"{path}?psize_{LISTS[path]}=3"))
    assert one == three


MODELS = {
    "/committees": Committee,
    "/filings": AuthorityFiling,
    "/calls": CallForApplications,
    "/experts": Expert,
    "/series": Series,
    "/specialties": Specialty,
    "/plans": EvaluationPlan,
    "/plan-lines": PlanLine,
}


@pytest.mark.parametrize("base", MODELS)
def test_record_pages_open_and_unknown_ones_answer_404(sign_in, base):
    client = sign_in("province")
    for key in db.session.scalars(select(MODELS[base].id).limit(4)):
        assert client.get(f"{base}/show/{key}").status_code == 200
    for key in ("abc", "0", "99999999999999999999"):
        assert client.get(f"{base}/show/{key}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/committees/add",
        "/filings/add",
        "/materials-setup/add",
        "/calls/add",
        "/experts/add",
        "/specialties/add",
        "/specialty-groups/add",
        "/proposals/add",
    ],
)
def test_forms_open_and_an_empty_post_is_refused(sign_in, path):
    client = sign_in("province")
    assert client.get(path).status_code == 200
    assert client.post(path, data={}).status_code == 422


def test_applicants_see_none_of_the_screens(sign_in):
    client = sign_in("王敏")
    for path in LISTS:
        assert client.get(path).status_code in {302, 403}


def test_units_see_no_experts(sign_in):
    assert sign_in("gyhealth").get("/experts/list/").status_code in {302, 403}
    text = (
        sign_in("gyhealth")
        .get(f"/committees/show/{db.session.scalar(select(func.min(Committee.id)))}")
        .get_data(as_text=True)
    )
    assert "/experts/show/" not in text


# ---- committees


def filing_data(host_committee, **changes):
    return {
        "committee": str(host_committee.id),
        "plan_year": "2023",
        "valid_from": "2023-05-01",
        "valid_to": "2026-04-30",
        "member_size": "11",
        "levels": ["1", "2"],
        **changes,
    }


def test_filing_is_filed_returned_filed_again_and_approved(sign_in, host, committee):
    office = sign_in(host)
    answer = office.post("/filings/add", data=filing_data(committee))
    assert answer.status_code == 303, answer.get_data(as_text=True)[-3000:]
    filing = db.session.scalars(
        select(AuthorityFiling).where(AuthorityFiling.plan_year == 2023)
    ).one()
    pages = {"version": lambda: db.session.get(AuthorityFiling, filing.id).version}

    def post(client, page, **data):
        db.session.expire_all()
        data["expected_version"] = pages["version"]()
        return client.post(f"/filings/{page}/{filing.id}", data=data)

    assert post(office, "file").status_code == 303
    assert post(office, "approve").status_code in {302, 403}
    province = sign_in("province")
    assert province.post(f"/filings/approve/{filing.id}", data={}).status_code == 409
    assert post(province, "send_back", reason="人数与名册不符").status_code == 303
    assert post(office, "file").status_code == 303
    assert post(province, "approve").status_code == 303
    db.session.expire_all()
    assert db.session.get(AuthorityFiling, filing.id).state.value == "approved"
    assert province.get(f"/filings/show/{filing.id}").status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"member_size": "26"},
        {"valid_to": "2026-05-02"},
        {"valid_to": "2020-01-01"},
        {"levels": ["3"]},
        {"levels": []},
        {"specialties": ["99999"]},
        {"plan_year": "2022"},
        {"committee": "999"},
        {"member_size": "x"},
    ],
)
def test_filing_against_the_rules_is_refused(sign_in, host, committee, changes):
    before = db.session.scalar(select(func.count(AuthorityFiling.id)))
    answer = sign_in(host).post("/filings/add", data=filing_data(committee, **changes))
    assert answer.status_code in {409, 422}
    assert db.session.scalar(select(func.count(AuthorityFiling.id))) == before


def test_another_office_cannot_touch_the_committee(sign_in, committee):
    from app.models import Account

    other = db.session.scalars(
        select(Account).where(
            Account.unit_id != committee.convener_id, Account.roles.any(name="committee_office")
        )
    ).first()
    client = sign_in(other.username)
    assert client.post("/filings/add", data=filing_data(committee)).status_code == 422
    assert client.post(f"/committees/edit/{committee.id}", data={"name": "x"}).status_code in {
        403,
        422,
    }
    requirement = db.session.scalars(
        select(MaterialRequirement).where(MaterialRequirement.committee_id == committee.id)
    ).first()
    assert client.post(f"/materials-setup/remove/{requirement.id}").status_code == 403
    db.session.expire_all()
    assert db.session.get(MaterialRequirement, requirement.id) is not None


def test_requirement_is_added_by_the_office(sign_in, host, committee):
    data = {
        "committee": str(committee.id),
        "code": "video",
        "name": "答辩视频",
        "max_files": "1",
        "max_megabytes": "20",
        "file_types": ["pdf"],
        "position": "50",
    }
    client = sign_in(host)
    assert client.post("/materials-setup/add", data=data).status_code == 303
    row = db.session.scalars(
        select(MaterialRequirement).where(MaterialRequirement.code == "video")
    ).one()
    assert (row.max_bytes, row.is_required) == (20 * 1024 * 1024, False)
    assert client.post("/materials-setup/add", data=data).status_code == 409
    assert client.post("/materials-setup/add", data={**data, "code": "Ü"}).status_code == 422


# ---- the plan


def reschedule_data(line, **changes):
    shown = {
        "applications_open_at": line.applications_open_at.strftime("%Y-%m-%dT%H:%M"),
        "applications_close_at": line.applications_close_at.strftime("%Y-%m-%dT%H:%M"),
        "receipt_due_at": line.receipt_due_at.strftime("%Y-%m-%dT%H:%M"),
        "policy_review_due_on": line.policy_review_due_on.isoformat(),
        "online_review_due_on": line.online_review_due_on.isoformat(),
        "reason": "考试时间调整",
        "expected_version": str(line.version),
    }
    return {**shown, **changes}


def line_of(number, year=2022):
    return db.session.scalars(
        select(PlanLine)
        .join(EvaluationPlan)
        .where(EvaluationPlan.year == year, PlanLine.number == number)
    ).one()


def test_plan_page_shows_printed_words_and_the_picture(sign_in):
    plan = db.session.scalars(select(EvaluationPlan)).one()
    text = sign_in("province").get(f"/plans/show/{plan.id}").get_data(as_text=True)
    assert "8月1日8：00-8月5日17:00" in text
    assert 'class="plan-svg"' in text


def test_rows_4_and_5_move_separately_with_history_and_news(sign_in):
    four, five = line_of(4), line_of(5)
    data = reschedule_data(
        four,
        applications_open_at="2023-03-21T08:00",
        applications_close_at="2023-03-23T17:00",
        receipt_due_at="2023-04-20T17:00",
        policy_review_due_on="2023-05-30",
        online_review_due_on="2023-06-30",
    )
    client = sign_in("province")
    answer = client.post(f"/plan-lines/reschedule/{four.id}", data=data)
    assert answer.status_code == 303, answer.get_data(as_text=True)[-2500:]
    db.session.expire_all()
    assert line_of(4).applications_open_at.isoformat() == "2023-03-21T08:00:00+08:00"
    assert line_of(5).applications_open_at.isoformat() == "2022-09-12T08:00:00+08:00"
    revision = db.session.scalars(select(PlanLineRevision)).one()
    assert (revision.plan_line_id, revision.reason) == (four.id, "考试时间调整")
    assert db.session.scalar(
        select(func.count(Notification.id)).where(Notification.kind == "plan_rescheduled")
    )
    assert "考试时间调整" in client.get(f"/plan-lines/show/{four.id}").get_data(as_text=True)
    assert five.version == 1


@pytest.mark.parametrize(
    ("number", "changes", "status"),
    [
        (4, {"reason": ""}, 422),
        (4, {}, 422),
        (4, {"receipt_due_at": "2022-09-01T17:00"}, 422),
        (4, {"receipt_due_at": "nonsense"}, 422),
        (4, {"online_review_due_on": "9999-12-31"}, 422),
        (1, {"applications_close_at": "2022-08-04T17:00"}, 422),
        (1, {"applications_open_at": "2022-08-02T08:00"}, 422),
        (4, {"expected_version": "77", "receipt_due_at": "2022-10-20T17:00"}, 409),
    ],
)
def test_reschedule_against_the_rules_is_refused(sign_in, number, changes, status):
    line = line_of(number)
    before = (line.applications_open_at, line.receipt_due_at)
    answer = sign_in("province").post(
        f"/plan-lines/reschedule/{line.id}", data=reschedule_data(line, **changes)
    )
    assert answer.status_code == status
    db.session.expire_all()
    assert (line_of(number).applications_open_at, line_of(number).receipt_due_at) == before


@pytest.mark.parametrize("login", ["guiyang", "housing", "sysadmin"])
def test_nobody_else_reschedules(sign_in, login):
    line = line_of(4)
    data = reschedule_data(line, receipt_due_at="2022-10-20T17:00")
    answer = sign_in(login).post(f"/plan-lines/reschedule/{line.id}", data=data)
    assert answer.status_code in {302, 403}
    assert db.session.scalar(select(func.count(PlanLineRevision.id))) == 0


def test_next_year_is_copied_edited_and_published(sign_in):
    plan = db.session.scalars(select(EvaluationPlan)).one()
    client = sign_in("province")
    assert client.post(f"/plans/copy/{plan.id}").status_code == 303
    copied = db.session.scalars(select(EvaluationPlan).where(EvaluationPlan.year == 2023)).one()
    assert copied.published_at is None
    assert [line.number for line in copied.lines] == [1, 2, 3, 4, 5, 6, 7, 8]
    for old, new in zip(plan.lines, copied.lines, strict=True):
        assert old.applications_open_at.weekday() == new.applications_open_at.weekday()
        assert new.applications_open_at - old.applications_open_at == timedelta(weeks=52)
        assert len(old.categories) == len(new.categories)
    assert copied.lines[0].policy_review_due_on == date(2023, 11, 30)
    assert copied.lines[0].window_text == "7月31日8:00-8月4日17:00"
    assert client.get(f"/plans/show/{copied.id}").status_code == 200
    line = copied.lines[0]
    data = {
        **reschedule_data(line, applications_open_at="2023-08-01T08:00"),
        "series_text": line.series_text,
        "scope": line.scope,
        "seniority_cutoff_on": "2023-12-31",
    }
    assert client.post(f"/plan-lines/edit/{line.id}", data=data).status_code == 303
    db.session.expire_all()
    assert line_of(1, 2023).window_text == "8月1日8:00-4日17:00"
    assert client.post(f"/plans/publish/{copied.id}").status_code == 303
    db.session.expire_all()
    assert db.session.get(EvaluationPlan, copied.id).published_at is not None
    assert client.post(f"/plans/copy/{plan.id}").status_code == 303
    assert db.session.scalar(select(func.count(EvaluationPlan.id))) == 2
    data["expected_version"] = str(line_of(1, 2023).version)
    assert client.post(f"/plan-lines/edit/{line.id}", data=data).status_code == 409


# ---- Annex 2


def proposal_data(rows):
    series = db.session.scalars(select(Series).where(Series.name.like("工程%"))).first()
    data = {"plan_year": "2022", "series": str(series.id)}
    for index, row in enumerate(rows):
        for key, value in row.items():
            data[f"lines-{index}-{key}"] = value
    return data


ROW = {
    "group_name": "建筑",
    "number": "9",
    "specialty_name": "建筑遮阳",
    "scope_note": "从事建筑遮阳设计的专业技术人员",
    "basis": "专业目录",
}
BLANK = dict.fromkeys(ROW, "")


def test_collection_form_late_goes_to_next_year_and_is_opened_and_adopted(sign_in):
    department = sign_in("housing")
    answer = department.post("/proposals/add", data=proposal_data([ROW, BLANK]))
    assert answer.status_code == 303, answer.get_data(as_text=True)[-3000:]
    form = db.session.scalars(
        select(SpecialtyProposal).where(
            SpecialtyProposal.reporting_unit.has(name="贵州省住房和城乡建设厅")
        )
    ).first()
    form = db.session.scalars(
        select(SpecialtyProposal).order_by(SpecialtyProposal.id.desc())
    ).first()

    def post(client, page, **data):
        db.session.expire_all()
        data["expected_version"] = db.session.get(SpecialtyProposal, form.id).version
        return client.post(f"/proposals/{page}/{form.id}", data=data)

    assert post(department, "report").status_code == 303
    db.session.expire_all()
    assert db.session.get(SpecialtyProposal, form.id).state.value == "next_year"
    province = sign_in("province")
    assert post(department, "open", reason="x").status_code in {302, 403}
    assert post(province, "open", reason="评审急需").status_code == 303
    assert post(province, "adopt").status_code == 303
    found = db.session.scalars(select(Specialty).where(Specialty.name == "建筑遮阳")).one()
    assert (found.group.name, found.origin.value) == ("建筑", "proposal")
    assert post(province, "adopt").status_code == 409


def test_incomplete_row_is_named_and_more_rows_lose_nothing(sign_in):
    client = sign_in("housing")
    answer = client.post("/proposals/add", data=proposal_data([{**ROW, "basis": ""}]))
    assert answer.status_code == 422
    assert "建筑遮阳" in answer.get_data(as_text=True)
    more = client.post("/proposals/add", data={**proposal_data([ROW]), "more": "1"})
    text = more.get_data(as_text=True)
    assert more.status_code == 200
    assert "建筑遮阳" in text
    assert "lines-5-group_name" in text


def test_prefecture_department_fills_in_no_collection_form(sign_in):
    answer = sign_in("gyhousing").post("/proposals/add", data=proposal_data([ROW]))
    assert answer.status_code == 403
