"""The screens of samples, flags and findings; proofs behind their guard (rules E8)."""

from __future__ import annotations

from datetime import date
from io import BytesIO

import pytest
from sqlalchemy import select

from app import clock
from app.domain.terms import UnusualKind
from app.extensions import db
from app.models import (
    Account,
    AccountProof,
    AccountSample,
    ImportProof,
    ImportRow,
    MisconductFinding,
    Parameter,
    UnusualCreation,
)
from tests.applicants import small_pdf
from tests.factories import staff
from tests.services.test_account_checks import NOW, created
from tests.sheets import confirm, dry_run, workbook
from tests.sheets import person as sheet_person
from tests.views.test_accounts import person


def test_account_is_created_with_its_proof_and_read_by_those_above(sign_in):
    data = person(proof=(BytesIO(small_pdf()), "合同.pdf"))
    assert sign_in("nmdesign").post("/accounts/add", data=data).status_code == 200
    proof = db.session.scalars(select(AccountProof)).one()
    path = f"/accounts/proof/{proof.account_id}/{proof.id}"
    for login, status in (
        ("nmdesign", 200),
        ("nmhousing", 200),
        ("nanming", 200),
        ("province", 200),
        ("zunyi", 404),
        ("gycloud", 404),
        ("security", 403),
        ("王敏", 403),
    ):
        assert sign_in(login).get(path).status_code == status, login
    page = sign_in("nanming").get(f"/accounts/show/{proof.account_id}").get_data(as_text=True)
    assert path in page


def test_proof_is_demanded_where_the_province_says_so(sign_in):
    db.session.get_one(Parameter, "account_proof_required").value = True
    db.session.commit()
    client = sign_in("nmdesign")
    assert client.post("/accounts/add", data=person()).status_code == 422
    assert db.session.scalar(select(Account.id).where(Account.first_name == "新来的人")) is None
    data = person(proof=(BytesIO(b"MZ"), "a.pdf"))
    assert client.post("/accounts/add", data=data).status_code == 422


def test_proof_of_an_import_opens_with_the_account_and_in_the_sample(sign_in):
    """It is one file of many people: for the unit that gave it and those above, and with an account
    that came from there alone."""
    housing = staff("gyhousing")
    job = confirm(
        dry_run(workbook([sheet_person(38)]), housing), housing, proofs=[("社保.pdf", small_pdf())]
    )
    proof = db.session.scalars(select(ImportProof)).one()
    made = db.session.scalars(select(ImportRow).where(ImportRow.job_id == job.id)).one()
    path = f"/accounts/import_proof/{made.account_id}/{proof.id}"
    for login, status in (
        ("gyhousing", 200),
        ("guiyang", 200),
        ("province", 200),
        ("zunyi", 404),
        ("security", 403),
    ):
        assert sign_in(login).get(path).status_code == status, login
    client = sign_in("guiyang")
    other = staff("王敏").account_id
    for wrong in (f"{other}/{proof.id}", f"{made.account_id}/{proof.id + 1}", f"{other}/{2**40}"):
        assert client.get(f"/accounts/import_proof/{wrong}").status_code == 404
    assert path in client.get(f"/accounts/show/{made.account_id}").text
    today = clock.now().date()
    data = {"period_from": today, "period_to": today, "size": "9"}
    assert client.post("/account-samples/add", data=data).status_code == 303
    sample = db.session.scalars(select(AccountSample)).one()
    assert path in client.get(f"/account-samples/show/{sample.id}").text


def test_sample_is_drawn_and_worked_through(sign_in):
    created()
    client = sign_in("guiyang")
    data = {"period_from": "2022-08-01", "period_to": "2022-08-03", "size": "3"}
    assert client.post("/account-samples/add", data=data).status_code == 303
    sample = db.session.scalars(select(AccountSample)).one()
    page = client.get(f"/account-samples/show/{sample.id}").get_data(as_text=True)
    assert sample.seed in page
    item = sample.items[0]
    judge = f"/account-samples/judge/{sample.id}/{item.id}"
    assert judge in page
    data = {"state": "in_order", "note": "", "expected_version": item.version}
    assert client.post(judge, data=data).status_code == 303
    assert client.post(judge, data=data).status_code == 409
    assert client.get(f"/account-samples/judge/{sample.id}/999999").status_code == 404
    assert sign_in("zunyi").get(f"/account-samples/show/{sample.id}").status_code == 404
    data = {"period_from": "2019-08-01", "period_to": "2019-08-03", "size": "3"}
    assert client.post("/account-samples/add", data=data).status_code == 422


def test_flag_is_shown_with_the_figures_and_cleared(sign_in):
    row = UnusualCreation(
        unit_id=staff("nmdesign").unit_id,
        kind=UnusualKind.DAY,
        on=date(2022, 8, 3),
        count=60,
        limit=50,
        flagged_at=NOW,
    )
    db.session.add(row)
    db.session.commit()
    client = sign_in("nanming")
    assert "黔" in client.get("/unusual-accounts/list/").get_data(as_text=True)
    page = client.get(f"/unusual-accounts/show/{row.id}").get_data(as_text=True)
    assert "50" in page
    answer = client.post(f"/unusual-accounts/clear/{row.id}", data={"reason": "并入新院"})
    assert answer.status_code == 303
    assert sign_in("zunyi").get(f"/unusual-accounts/show/{row.id}").status_code == 404


def test_misconduct_is_established_and_lifted_by_two_people(sign_in, account):
    found = account("王敏")
    client = sign_in("nanming")
    assert f"/accounts/misconduct/{found.id}" in client.get(f"/accounts/show/{found.id}").get_data(
        as_text=True
    )
    data = {"finding": "社保在外单位", "is_person_at_fault": "y"}
    assert client.post(f"/accounts/misconduct/{found.id}", data=data).status_code == 303
    row = db.session.scalars(select(MisconductFinding)).one()
    assert client.post(f"/misconduct/lift/{row.id}", data={"reason": "x"}).status_code == 403
    assert sign_in("nmdesign").get(f"/misconduct/show/{row.id}").status_code == 200
    assert sign_in("gycloud").get(f"/misconduct/show/{row.id}").status_code == 404
    answer = sign_in("province").post(f"/misconduct/lift/{row.id}", data={"reason": "更正"})
    assert answer.status_code == 303


@pytest.mark.parametrize("path", ["/account-samples/list/", "/unusual-accounts/list/"])
@pytest.mark.parametrize(("login", "status"), [("nmdesign", 403), ("housing", 403), ("zunyi", 200)])
def test_lists_are_for_departments(sign_in, path, login, status):
    assert sign_in(login).get(path).status_code == status


def test_lists_send_as_many_queries_for_three_rows_as_for_one(sign_in, count_queries):
    client = sign_in("province")

    def flag(day: int) -> None:
        db.session.add(
            UnusualCreation(
                unit_id=staff("nmdesign").unit_id,
                kind=UnusualKind.DAY,
                on=date(2022, 8, day),
                count=60,
                limit=50,
                flagged_at=NOW,
            )
        )
        db.session.commit()

    flag(1)
    one = count_queries(lambda: client.get("/unusual-accounts/list/"))
    flag(2)
    flag(3)
    assert count_queries(lambda: client.get("/unusual-accounts/list/")) == one
