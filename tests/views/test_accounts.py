"""The screen of the accounts: creation, what one may do to others, masks and forged posts."""

from __future__ import annotations

import re
from datetime import date

import pytest
from sqlalchemy import select

from app.domain.codes import compute_id_check
from app.domain.terms import ApplicantKind
from app.extensions import db
from app.models import Account, AuditEntry, Person, PersonalDataRead, PersonnelAffiliation
from app.services.accounts import roles_of
from app.services.activation_codes import hash_activation_code

CODE = re.compile(r"[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}")


def identity(serial: int) -> str:
    body = f"52010319900101{serial:03d}"
    return body + compute_id_check(body)


def person(serial=901, **changes):
    return {
        "name": "新来的人",
        "identity_document": "resident_id",
        "identity_number": identity(serial),
        "phone": "19900001234",
        "applicant_kind": "employee",
        "declared": "y",
        **changes,
    }


def test_unit_creates_an_account_and_sees_the_code_once(sign_in, account):
    client = sign_in("gyhousing")
    answer = client.post("/accounts/add", data=person())
    text = answer.get_data(as_text=True)
    assert answer.status_code == 200, text
    code = CODE.search(text)[0]
    made = db.session.scalars(select(Account).where(Account.first_name == "新来的人")).one()
    assert made.unit_id == account("gyhousing").unit_id
    assert made.must_change_password
    assert (made.password, made.activation_hash) == (None, hash_activation_code(code))
    assert identity(901) not in made.username
    page = client.get(f"/accounts/show/{made.id}").get_data(as_text=True)
    assert code not in page
    assert identity(901) not in page
    assert made.person.identity_mask in page


def test_second_account_of_a_person_is_refused_with_the_way_of_the_transfer(sign_in):
    assert sign_in("gyhousing").post("/accounts/add", data=person()).status_code == 200
    answer = sign_in("gyhealth").post("/accounts/add", data=person())
    assert answer.status_code == 409
    count = db.session.scalars(select(Person).where(Person.name == "新来的人")).all()
    assert len(count) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"declared": ""},
        {"identity_number": "520103199001019999"},
        {"identity_number": "x" * 18},
        {"phone": "12"},
        {"identity_document": "passport"},
        {"applicant_kind": "nobody"},
        {"name": ""},
        {"name": "a\0b"},
    ],
)
def test_bad_entries_are_refused_and_kept(sign_in, changes):
    answer = sign_in("gyhousing").post("/accounts/add", data=person(**changes))
    assert answer.status_code == 422
    assert 'value="19900001234"' in answer.get_data(as_text=True) or "phone" in changes
    assert db.session.scalar(select(Person).where(Person.phone_mask == "199****1234")) is None


def test_freelancer_is_refused_by_an_ordinary_unit_with_403(sign_in):
    answer = sign_in("gyhousing").post("/accounts/add", data=person(applicant_kind="freelancer"))
    assert answer.status_code == 403


def test_list_shows_masks_and_never_a_number(sign_in, account):
    answer = sign_in("province").get("/accounts/list/?psize_AccountView=100")
    text = answer.get_data(as_text=True)
    assert answer.status_code == 200
    for found in db.session.scalars(select(Person)):
        assert found.identity_number not in text


def test_name_is_searched_by_post_and_stays_out_of_the_address(sign_in):
    client = sign_in("province")
    answer = client.post("/accounts/search", data={"term": "王敏"})
    assert answer.status_code == 303
    assert "%" not in answer.location
    text = client.get(answer.location).get_data(as_text=True)
    assert "王敏" in text
    assert "谢建国" not in text


def test_list_sends_as_many_queries_for_three_rows_as_for_one(sign_in, count_queries):
    client = sign_in("province")
    one = count_queries(lambda: client.get("/accounts/list/?psize_AccountView=1"))
    three = count_queries(lambda: client.get("/accounts/list/?psize_AccountView=3"))
    assert one == three


@pytest.mark.parametrize(
    "arguments",
    [
        "page_AccountView=abc",
        "_oc_AccountView=password&_od_AccountView=asc",
        "q=nosuch",
        "psize_AccountView=100000",
        "_flt_0_unit=abc",
        "_flt_0_active=zzz",
        "_flt_0_kind=zz",
    ],
)
def test_strange_arguments_never_break_the_list(sign_in, arguments):
    assert sign_in("province").get(f"/accounts/list/?{arguments}").status_code == 200


# ---- the attacks of the table in docs: forged posts


@pytest.mark.parametrize(
    "page", ["reset", "lock", "roles", "reveal", "appoint", "dismiss", "end_sessions"]
)
@pytest.mark.parametrize("attacker", ["gyhousing", "zunyi"])
def test_account_above_or_elsewhere_cannot_be_touched(sign_in, account, attacker, page):
    target = account("province")
    before, stamp = target.password, target.session_stamp
    data = {"reason": "x", "field": "identity", "roles": ["province_hrss"]}
    answer = sign_in(attacker).post(f"/accounts/{page}/{target.id}", data=data)
    assert answer.status_code in {302, 403, 404}
    db.session.refresh(target)
    assert (target.password, target.active, target.session_stamp) == (before, True, stamp)


def test_superior_resets_and_the_old_password_dies(sign_in, account):
    target = account("nmhousing")
    stamp = target.session_stamp
    answer = sign_in("nanming").post(f"/accounts/reset/{target.id}", data={"reason": "忘记密码"})
    assert answer.status_code == 200
    code = CODE.search(answer.get_data(as_text=True))[0]
    db.session.refresh(target)
    assert (target.password, target.activation_hash) == (None, hash_activation_code(code))
    assert target.session_stamp == stamp + 1
    entry = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "reset_password")
    ).one()
    assert (entry.object_id, entry.reason) == (str(target.id), "忘记密码")


def test_locking_ends_the_sessions_of_the_account(sign_in, account):
    victim = sign_in("nmhousing")
    assert victim.get("/units/list/").status_code == 200
    target = account("nmhousing")
    sign_in("nanming").post(f"/accounts/lock/{target.id}", data={"reason": "离岗"})
    assert victim.get("/units/list/").status_code == 302


@pytest.mark.parametrize(
    ("by", "whose"),
    [("nanming", "nmhousing"), ("security", "nmhousing"), ("security", "auditor")],
)
def test_superior_and_security_administrator_end_all_sign_ins(sign_in, account, by, whose):
    """ASVS 7.4.5: at once, on the record with the reason; the account may sign in again."""
    target = account(whose)
    here, there, bystander = sign_in(whose), sign_in(whose), sign_in("gyhousing")
    superior, path = sign_in(by), f"/accounts/end_sessions/{target.id}"
    assert path in superior.get(f"/accounts/show/{target.id}").text
    assert superior.post(path, data={"reason": " "}).status_code == 422
    assert here.get("/notifications/").status_code == 200
    answer = superior.post(path, data={"reason": "电脑遗失"}, follow_redirects=True)
    assert "该账号的所有登录均已结束" in answer.text
    statuses = [c.get("/notifications/").status_code for c in (here, there, bystander, superior)]
    assert statuses == [302, 302, 200, 200]
    assert sign_in(whose).get("/notifications/").status_code == 200
    entry = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "end_account_sessions")
    ).one()
    assert (entry.account_id, entry.object_type, entry.object_id, entry.reason) == (
        account(by).id,
        "Account",
        str(target.id),
        "电脑遗失",
    )


@pytest.mark.parametrize(
    ("by", "whose", "status"),
    [
        ("security", "security", 403),  # one's own are ended under 登录设备
        ("province", "security", 403),
        ("province", "auditor", 403),
        ("sysadmin", "nmhousing", 403),
        ("auditor", "security", 403),
        ("nmhousing", "nanming", 404),
        ("zunyi", "nmhousing", 404),
    ],
)
def test_nobody_ends_the_sign_ins_of_who_is_not_below(sign_in, account, by, whose, status):
    target = account(whose)
    stamp = target.session_stamp
    answer = sign_in(by).post(f"/accounts/end_sessions/{target.id}", data={"reason": "x"})
    db.session.refresh(target)
    assert (answer.status_code, target.session_stamp) == (status, stamp)


def test_unit_cannot_make_itself_more_than_it_is(sign_in, account):
    own = account("gyhousing")
    answer = sign_in("gyhousing").post(
        f"/accounts/roles/{own.id}", data={"roles": ["province_hrss"]}
    )
    assert answer.status_code in {302, 403}
    assert "province_hrss" not in {role.value for role in roles_of(own)}


def test_province_cannot_make_administrators(sign_in, account):
    target = account("gyhousing")
    answer = sign_in("province").post(
        f"/accounts/roles/{target.id}", data={"roles": ["system_admin"]}
    )
    assert answer.status_code == 422
    db.session.refresh(target)
    assert "system_admin" not in {role.name for role in target.roles}


def test_forged_unit_and_roles_in_the_form_are_ignored(sign_in, account):
    forged = person(unit="1", unit_id="1", roles="province_hrss", kind="unit")
    assert sign_in("gyhousing").post("/accounts/add", data=forged).status_code == 200
    made = db.session.scalars(select(Account).where(Account.first_name == "新来的人")).one()
    assert made.unit_id == account("gyhousing").unit_id
    assert {role.name for role in made.roles} == {"applicant"}


def test_prefill_from_the_address_changes_nothing(sign_in, account):
    sign_in("gyhousing").post("/accounts/add?_flt_0_unit=1", data=person())
    made = db.session.scalars(select(Account).where(Account.first_name == "新来的人")).one()
    assert made.unit_id == account("gyhousing").unit_id


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/delete/1",
        "/accounts/action/x/1",
        "/accounts/action_post",
        "/accounts/edit/1",
        "/accounts/download/x",
        "/resetpassword/form?pk=1",
        "/users/list/",
    ],
)
def test_stock_routes_are_not_registered(sign_in, path):
    assert sign_in("province").post(path, data={}).status_code in {404, 405}


def test_full_number_is_shown_with_a_reason_and_logged(sign_in, account):
    sign_in("gyhousing").post("/accounts/add", data=person())
    made = db.session.scalars(select(Account).where(Account.first_name == "新来的人")).one()
    client = sign_in("gyhousing")
    refused = client.post(f"/accounts/reveal/{made.id}", data={"field": "identity", "reason": ""})
    assert refused.status_code == 422
    assert identity(901) not in refused.get_data(as_text=True)
    answer = client.post(
        f"/accounts/reveal/{made.id}", data={"field": "identity", "reason": "核对证件"}
    )
    assert identity(901) in answer.get_data(as_text=True)
    assert "no-store" in answer.headers["Cache-Control"]
    entry = db.session.scalars(select(PersonalDataRead)).one()
    assert (entry.person_id, entry.field, entry.reason) == (
        made.person_id,
        "identity_number",
        "核对证件",
    )


def test_handler_is_appointed_and_dismissed_by_the_own_unit(sign_in, account):
    client = sign_in("gyhousing")
    client.post("/accounts/add", data=person())
    made = db.session.scalars(select(Account).where(Account.first_name == "新来的人")).one()
    assert client.post(f"/accounts/appoint/{made.id}").status_code == 303
    db.session.refresh(made)
    assert {role.name for role in made.roles} == {"applicant", "unit_handler"}
    assert client.post(f"/accounts/dismiss/{made.id}").status_code == 303
    db.session.refresh(made)
    assert {role.name for role in made.roles} == {"applicant"}


@pytest.mark.parametrize("pk", ["abc", "0", "99999999999999999999"])
def test_unknown_keys_answer_404(sign_in, pk):
    client = sign_in("province")
    for page in ("show", "reset", "lock", "unlock", "roles", "reveal"):
        assert client.get(f"/accounts/{page}/{pk}").status_code == 404


def test_former_unit_of_another_reach_is_not_named(sign_in, account, unit):
    """The affiliation of before belongs to a unit the present one does not read."""
    person = account("王敏").person
    other = unit("遵义市住房和城乡建设局")
    db.session.add(
        PersonnelAffiliation(
            person_id=person.id,
            unit_id=other.id,
            applicant_kind=ApplicantKind.EMPLOYEE,
            starts_on=date(2010, 1, 1),
            ends_on=date(2012, 1, 1),
        )
    )
    db.session.commit()
    address = f"/accounts/show/{account('王敏').id}"
    assert other.name not in sign_in("nmdesign").get(address).get_data(as_text=True)
    assert other.name in sign_in("province").get(address).get_data(as_text=True)
