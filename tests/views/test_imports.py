"""The five steps of a bulk creation in the browser's place: upload, check, confirm, hand-out."""

from __future__ import annotations

import io

from sqlalchemy import func, select

from app.domain.terms import JobState
from app.extensions import db
from app.jobs import background
from app.models import BackgroundJob, Person
from tests.sheets import cells, identity, look, person, workbook


def upload(client, content: bytes, word: str = "people", name: str = "名单.xlsx"):
    return client.post(
        f"/imports/new/{word}",
        data={"file": (io.BytesIO(content), name)},
        content_type="multipart/form-data",
    )


def newest() -> BackgroundJob:
    return db.session.scalars(select(BackgroundJob).order_by(BackgroundJob.id.desc())).first()


def test_unit_imports_its_people_from_upload_to_hand_out(sign_in) -> None:
    client = sign_in("gyhousing")
    page = client.get("/imports/new/people")
    assert page.status_code == 200
    assert "5000" in page.text
    answer = upload(client, workbook([person(1), person(2, **{"手机号码*": "1"})]))
    assert answer.status_code == 303, answer.text[:3000]
    job_id = newest().id
    assert answer.location.endswith(f"/imports/check/{job_id}")
    page = client.get(f"/imports/check/{job_id}")
    assert f'data-poll="/jobs/progress/{job_id}"' in page.text
    background.work_on(job_id)
    page = client.get(f"/imports/check/{job_id}")
    assert page.status_code == 200
    assert "批量2" in page.text
    assert identity(2) not in page.text
    assert f"/jobs/file/{job_id}/errors" in page.text
    errors = client.get(f"/jobs/file/{job_id}/errors")
    assert errors.headers["Cache-Control"] == "no-store"
    assert errors.headers["Content-Disposition"].isascii()  # gunicorn sends nothing else
    assert len(cells(errors.data)) == 2
    job = look(job_id)
    refused = client.post(f"/imports/confirm/{job_id}", data={"expected_version": job.version})
    assert refused.status_code == 422
    stale = client.post(
        f"/imports/confirm/{job_id}",
        data={"expected_version": job.version - 1, "declared": "y"},
    )
    assert stale.status_code == 409
    answer = client.post(
        f"/imports/confirm/{job_id}", data={"expected_version": job.version, "declared": "y"}
    )
    assert answer.status_code == 303
    background.work_on(job_id)
    assert look(job_id).state is JobState.DONE
    page = client.get(f"/imports/check/{job_id}")
    assert f"/imports/codes/{job_id}" in page.text
    assert client.get(f"/imports/codes/{job_id}").status_code == 405
    sheet = client.post(f"/imports/codes/{job_id}")
    assert sheet.status_code == 200
    assert cells(sheet.data, "激活码")[1][1] == "批量1"
    assert client.post(f"/imports/codes/{job_id}").status_code == 409
    assert f"/imports/codes/{job_id}" not in client.get(f"/imports/check/{job_id}").text
    assert client.get("/imports/").status_code == 200
    made = db.session.scalar(select(func.count(Person.id)).where(Person.name == "批量1"))
    assert made == 1


def test_wrong_file_is_refused_on_the_page(sign_in) -> None:
    client = sign_in("gyhousing")
    for content in (b"", b"name;number", b"PK\x03\x04broken"):
        answer = upload(client, content)
        assert answer.status_code == 422
    assert client.post("/imports/new/people").status_code == 422


def test_import_of_others_is_not_there(sign_in) -> None:
    mine = sign_in("gyhousing")
    upload(mine, workbook([person(1)]))
    job_id = newest().id
    other = sign_in("gyhealth")
    assert other.get(f"/imports/check/{job_id}").status_code == 404
    assert other.post(f"/imports/confirm/{job_id}").status_code == 404
    assert other.post(f"/imports/codes/{job_id}").status_code == 404
    assert other.get(f"/jobs/file/{job_id}/upload").status_code == 404
    assert sign_in("王敏").get("/imports/").status_code in {302, 403}
    for address in ("?page=9", "?page=x", "?page=-1", "?page=99999999999"):
        assert mine.get(f"/imports/check/{job_id}{address}").status_code == 200


def test_list_of_accounts_leads_to_the_export_with_its_filters(sign_in) -> None:
    client = sign_in("gyhousing")
    page = client.get("/accounts/list/?_flt_0_kind=personal")
    assert "/exports/new?_flt_0_kind=personal" in page.text
    form = client.get("/exports/new?_flt_0_kind=personal&_flt_0_active=y&_flt_0_unit=x&q=zz")
    assert form.status_code == 200
    assert "with_full_numbers" in form.text
    answer = client.post("/exports/new", data={"kind": "personal"})
    assert answer.status_code == 303
    job = newest()
    background.work_on(job.id)
    assert look(job.id).state is JobState.DONE
    file = client.get(f"/jobs/file/{job.id}/result")
    assert file.status_code == 200
    assert cells(file.data)[0][1] == "姓名*"
    refused = client.post("/exports/new", data={"kind": "personal", "with_full_numbers": "y"})
    assert refused.status_code == 422


def test_search_narrows_the_export_without_its_words_in_the_job(sign_in) -> None:
    client = sign_in("gyhousing")
    found = client.post("/accounts/search", data={"term": identity(77)})
    answer = client.post(
        f"/exports/new?{found.location.partition('?')[2]}", data={"kind": "personal"}
    )
    assert answer.status_code == 303
    assert newest().given["account_ids"] == []
    assert identity(77) not in str(newest().given)


def test_role_without_full_numbers_is_not_offered_them(sign_in) -> None:
    client = sign_in("security")
    assert "with_full_numbers" not in client.get("/exports/new").text
    answer = client.post("/exports/new", data={"kind": "unit", "with_full_numbers": "y"})
    assert answer.status_code == 303
    assert newest().given["with_full_numbers"] is False
