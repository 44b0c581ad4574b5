"""Parameters, calendar, reason codes, dictionaries, audit and job runs as screens."""

from __future__ import annotations

import io

import pytest
from sqlalchemy import select

from app.extensions import db
from app.models import AuditEntry, DictionaryEntry, HolidayYear, Parameter, ReasonCode
from app.services import seeding, settings

LISTS = {
    "sysadmin": (
        "/parameters/list/",
        "/calendar/list/",
        "/reasons/list/",
        "/dictionaries/list/",
        "/job-runs/list/",
    ),
    "auditor": ("/audit/list/", "/personal-data/list/", "/job-runs/list/"),
}


@pytest.mark.parametrize(("login", "path"), [(k, p) for k, ps in LISTS.items() for p in ps])
def test_lists_open_and_stand_strange_arguments(sign_in, login, path):
    client = sign_in(login)
    assert client.get(path).status_code == 200
    for view in ("AuditView", "CalendarView", "JobRunView"):
        strange = f"?page_{view}=abc&psize_{view}=1000000&_oc_{view}=nosuch&_od_{view}=asc"
        assert client.get(path + strange).status_code == 200


@pytest.mark.parametrize("path", ["/audit/list/", "/personal-data/list/"])
@pytest.mark.parametrize("login", ["province", "sysadmin", "gyhousing"])
def test_only_the_auditor_reads_the_audit(sign_in, login, path):
    assert sign_in(login).get(path).status_code in {302, 403}


@pytest.mark.parametrize("page", ["show", "edit"])
def test_key_that_cannot_be_stored_is_not_found(sign_in, page):
    assert sign_in("sysadmin").get(f"/parameters/{page}/unit%00days").status_code == 404


def test_units_do_not_see_the_settings(sign_in):
    client = sign_in("gyhousing")
    for path in LISTS["sysadmin"]:
        assert client.get(path).status_code in {302, 403}


def _post_parameter(client, key, value, reason="试行"):
    row = db.session.get(Parameter, key)
    data = {"value": value, "reason": reason, "expected_version": row.version}
    return client.post(f"/parameters/edit/{key}", data=data)


def test_parameter_is_changed_with_an_audit_entry(sign_in):
    answer = _post_parameter(sign_in("province"), "unit_push_days", "12")
    assert answer.status_code == 303
    assert db.session.get(Parameter, "unit_push_days").value == 12
    entry = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "change_parameter")
    ).one()
    assert (entry.before, entry.after, entry.reason) == ({"value": 10}, {"value": 12}, "试行")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("quorum_share", "1/2"),
        ("employer_publicity_working_days", "3"),
        ("unit_push_days", "viele"),
        ("unit_push_days", "999999"),
        ("accounts_due_on", "02-30"),
        ("publicity_day1", "yesterday"),
        ("continuing_education_specialty_share", "5/3"),
    ],
)
def test_parameter_out_of_bounds_is_refused_in_words(sign_in, key, value):
    before = db.session.get(Parameter, key).value
    answer = _post_parameter(sign_in("province"), key, value)
    assert answer.status_code == 422
    assert db.session.get(Parameter, key).value == before


def test_parameter_page_shows_what_is_fixed_and_what_is_to_be_confirmed(sign_in):
    text = sign_in("province").get("/parameters/list/").get_data(as_text=True)
    assert "R60" in text
    assert "/parameters/edit/quorum_share" not in text


def test_unknown_parameter_is_404(sign_in):
    assert sign_in("province").get("/parameters/edit/nosuch").status_code == 404


def test_calendar_year_is_pasted_and_its_version_grows(sign_in):
    client = sign_in("province")
    data = {"year": "2027", "source": "国办发明电", "lines": "2027-01-01 元旦\n2027-01-03 上班"}
    assert client.post("/calendar/add", data=data).status_code == 303
    row = db.session.get(HolidayYear, 2027)
    assert (row.version, [day.kind.value for day in row.days]) == (1, ["holiday", "makeup_workday"])
    data["lines"] = "2027-01-01 元旦"
    assert client.post("/calendar/edit/2027", data=data).status_code == 303
    db.session.refresh(row)
    assert (row.version, len(row.days)) == (2, 1)
    assert client.get("/calendar/show/2027").status_code == 200


@pytest.mark.parametrize(
    "lines",
    [
        "2027-01-01 元旦\n2027-01-01 元旦",
        "2027-01-04 上班",
        "2026-12-31 元旦",
        "2027-02-30 春节",
        "morgen frei",
        "",
        "2027-01-03 上班\n2027-01-03 元旦",
    ],
)
def test_damaged_calendar_is_refused_and_kept_in_the_form(sign_in, lines):
    data = {"year": "2027", "source": "x", "lines": lines}
    answer = sign_in("province").post("/calendar/add", data=data)
    assert answer.status_code == 422
    assert db.session.get(HolidayYear, 2027) is None
    if lines:
        assert lines.splitlines()[0] in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("2027.yaml", "holidays:\n  - name: 元旦\n    days: [2027-01-01]\n".encode(), 303),
        ("2027.csv", "日期,名称\n2027-01-01,元旦\n".encode("gb18030"), 303),
        ("2027.xlsx", b"not a workbook", 422),
        ("2027.yaml", b"\xff\xfe", 422),
        ("2027.yaml", b"holidays: 3", 422),
        ("2027.exe", b"MZ", 422),
    ],
)
def test_calendar_file_is_read_or_refused(sign_in, name, content, status):
    data = {"year": "2027", "source": "x", "lines": "", "file": (io.BytesIO(content), name)}
    answer = sign_in("province").post("/calendar/add", data=data)
    assert answer.status_code == status, answer.get_data(as_text=True)[-3000:]


def test_reason_and_option_are_added_and_changed(sign_in):
    client = sign_in("province")
    reason = {"use": "return", "code": "neu", "name": "新理由", "position": "9", "is_active": "y"}
    assert client.post("/reasons/add", data=reason).status_code == 303
    row = db.session.scalars(select(ReasonCode).where(ReasonCode.code == "neu")).one()
    assert client.post("/reasons/add", data=reason).status_code == 409
    reason["name"] = "改名"
    assert client.post(f"/reasons/edit/{row.id}", data={**reason, "code": "x"}).status_code == 303
    db.session.refresh(row)
    assert (row.code, row.name) == ("neu", "改名")
    option = {"dictionary": "ethnicity", "code": "98", "name": "其他", "position": "98"}
    assert client.post("/dictionaries/add", data=option).status_code == 303
    assert db.session.scalars(select(DictionaryEntry).where(DictionaryEntry.code == "98")).one()


def test_auditor_sees_who_changed_what(sign_in):
    _post_parameter(sign_in("province"), "unit_push_days", "12")
    entry = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "change_parameter")
    ).one()
    text = sign_in("auditor").get(f"/audit/show/{entry.id}").get_data(as_text=True)
    assert "试行" in text
    assert "12" in text


@pytest.mark.parametrize(
    ("login", "path", "view"),
    [
        ("auditor", "/audit/list/", "AuditView"),
        ("province", "/reasons/list/", "ReasonCodeView"),
        ("province", "/dictionaries/list/", "DictionaryView"),
        ("province", "/calendar/list/", "CalendarView"),
    ],
)
def test_lists_send_as_many_queries_for_three_rows_as_for_one(
    sign_in, count_queries, login, path, view
):
    for name in ("province", "sysadmin", "gyhousing"):
        sign_in(name)
    client = sign_in(login)
    one = count_queries(lambda: client.get(f"{path}?psize_{view}=1"))
    three = count_queries(lambda: client.get(f"{path}?psize_{view}=3"))
    assert one == three


@pytest.mark.parametrize(
    ("key", "values", "status"),
    [
        ("identity_documents", ["resident_id", "passport"], 303),
        ("identity_documents", [], 422),
        ("identity_documents", ["9"], 422),
        ("file_types", ["pdf", "exe"], 422),
        ("representative_work_levels", [], 303),
        ("representative_work_levels", ["-1"], 422),
        ("sign_in_methods_unit", [], 303),
    ],
)
def test_lists_take_what_is_offered_alone(sign_in, key: str, values: list[str], status: int):
    """Words nobody knows would switch parts of the portal off."""
    before = settings.parameter(key)
    row = db.session.get_one(Parameter, key)
    answer = sign_in("province").post(
        f"/parameters/edit/{key}",
        data={"value": values, "reason": "试", "expected_version": row.version},
    )
    db.session.refresh(row)
    assert answer.status_code == status
    wanted = [int(v) if v.isdigit() else v for v in values] if status == 303 else before
    assert row.value == wanted


def test_list_is_several_boxes_with_their_names(sign_in):
    page = sign_in("province").get("/parameters/edit/identity_documents").get_data(as_text=True)
    assert page.count('type="checkbox"') == 5
    assert "居民身份证" in page


def test_limits_of_a_parameter_come_with_an_upgrade_its_value_does_not(app):
    row = db.session.get_one(Parameter, "file_types")
    row.value, row.options, row.minimum = ["pdf"], None, None
    db.session.flush()
    seeding.load_all(with_demo=False)
    assert (row.value, row.options, row.minimum) == (["pdf"], ["pdf", "jpg", "png"], 1)


def test_way_of_signing_in_that_is_off_leads_to_the_others(client):
    for kind in ("personal", "unit"):
        settings.set_parameter(f"sign_in_methods_{kind}", [])
    db.session.commit()
    answer = client.get("/login/sms")
    assert (answer.status_code, answer.location) == (303, "/login/")


def test_staff_keep_their_own_navigation(sign_in):
    """The pages of the account are shared; what leads to applications is for applicants."""
    assert "我的申报" not in sign_in("province").get("/account/security/").get_data(as_text=True)
    assert "我的申报" in sign_in("王敏").get("/account/security/").get_data(as_text=True)


def test_staff_are_found_by_login_and_nobody_by_the_hash(sign_in):
    client = sign_in("security")
    for term, found in (("auditor", True), ("p0", False)):
        listed = client.post("/accounts/search", data={"term": term}, follow_redirects=True)
        assert ("宋雅琴" in listed.get_data(as_text=True)) is found


def test_picker_takes_a_nul_for_nothing(sign_in):
    answer = sign_in("province").get("/lookup/person?q=%00")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
