"""The applicant's pages through HTTP, as a browser without scripts sends them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import clock
from app.domain.workflow import State
from app.extensions import db
from app.models import Application, AuditEntry, Material, Objection, PersonalDataRead, Publicity
from app.services import materials
from app.services.editing import open_correction
from tests.applicants import begin_draft, fill_in, person_named, small_pdf, small_png
from tests.conftest import at
from tests.factories import make_application

IN_WINDOW = at("2022-08-03T09:00:00")
SignIn = Callable[[str], FlaskClient]


@pytest.fixture
def arrive(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """arrive(instant): the business clock stands there."""

    def stand(instant: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: instant)

    stand(IN_WINDOW)
    return stand


pytestmark = pytest.mark.usefixtures("arrive")


def base_of(application: Application) -> str:
    """The address of an application's own pages."""
    return f"/my/applications/{application.id}/"


def text_of(answer: Any) -> str:
    """The page."""
    return str(answer.get_data(as_text=True))


def ready_draft(name: str = "王敏") -> Application:
    """A draft with nothing missing."""
    application = fill_in(begin_draft(name, IN_WINDOW), IN_WINDOW)
    db.session.commit()
    return application


def new_draft(name: str = "王敏") -> Application:
    """A draft as it begins; committed, because a refused request rolls back."""
    application = begin_draft(name, IN_WINDOW)
    db.session.commit()
    return application


def hidden(page: str, name: str) -> str:
    """The value of a hidden input."""
    found = re.search(rf'name="{name}"\s+value="([^"]*)"', page)
    assert found is not None, name
    return found[1]


# ------------------------------------------------------------ whole way


def test_home_without_an_application_offers_to_start(app: Flask, sign_in: SignIn) -> None:
    answer = sign_in("王敏").get("/my/")
    assert answer.status_code == 200
    assert 'href="/my/new/"' in text_of(answer)


def test_choice_leads_from_series_to_draft(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    page = text_of(client.get("/my/new/"))
    category = re.search(r'href="(/my/new/\?category=\d+)">工程技术', page)
    assert category is not None
    page = text_of(client.get(category[1]))
    specialty = re.search(r'<option value="(\d+)">\s*建筑设计', page)
    assert specialty is not None
    page = text_of(client.get(f"{category[1]}&specialty={specialty[1]}&kind=regular"))
    level = re.search(r'href="([^"]+)">高级工程师</a>', page)
    assert level is not None
    assert "正高级工程师" in page
    page = text_of(client.get(level[1].replace("&amp;", "&")))
    assert "2022-08-18" in page
    assert "南明区住房和城乡建设局" in page
    form = {
        name: hidden(page, name)
        for name in ("category", "series", "specialty", "kind", "level", "title", "committee")
    }
    answer = client.post("/my/new/", data=form)
    application = db.session.scalars(select(Application)).one()
    assert (answer.status_code, answer.location) == (302, base_of(application))
    assert (application.title_name, application.state) == ("高级工程师", State.DRAFT)
    again = client.post("/my/new/", data=form)
    assert again.status_code == 409
    assert application.number in text_of(again)


@pytest.mark.parametrize(
    "query",
    [
        "category=999999999999999999999",
        "category=x&specialty=y&kind=z",
        "application=99999999999",
        "category=1&specialty=-1&kind=regular&level=9",
    ],
)
def test_choice_with_a_forged_query_is_answered(app: Flask, sign_in: SignIn, query: str) -> None:
    client = sign_in("王敏")
    assert client.get(f"/my/new/?{query}").status_code in {200, 404}
    data = dict(part.split("=") for part in query.split("&"))
    assert client.post("/my/new/", data=data).status_code in {404, 422}


def test_pages_of_a_draft_open(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    application = new_draft()
    base = base_of(application)
    paths = ["/my/", f"/my/new/?application={application.id}", base]
    paths += [f"{base}check/", f"{base}materials/", f"{base}withdraw/"]
    paths += [
        f"{base}sections/{section['key']}"
        for section in application.form_version.definition["sections"]
        if section["key"] not in {"integrity_pledge", "materials"}
    ]
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200, (path, text_of(answer)[-2000:])
    for path in ("sections/integrity_pledge", "sections/nothing", "receipt/", "receipt.pdf"):
        assert client.get(base + path).status_code == 404


def test_submit_gives_a_receipt_that_can_be_opened_again(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    application = ready_draft()
    page = text_of(client.get(f"{base_of(application)}check/"))
    form = {
        "idempotency_key": hidden(page, "idempotency_key"),
        "content_version": hidden(page, "content_version"),
        "pledged": "1",
    }
    first = client.post(f"{base_of(application)}submit", data=form)
    assert (first.status_code, first.location) == (302, f"{base_of(application)}receipt/")
    for key in (form["idempotency_key"], "another-click"):
        again = client.post(f"{base_of(application)}submit", data=form | {"idempotency_key": key})
        assert again.location == f"{base_of(application)}receipt/"
    receipt = text_of(client.get(first.location))
    version = application.versions[0]
    assert version.receipt_number in receipt
    assert version.content_hash in receipt
    assert "<svg" in receipt
    pdf = client.get(f"{base_of(application)}receipt.pdf")
    assert pdf.mimetype == "application/pdf"
    assert pdf.data.startswith(b"%PDF-")
    page = text_of(client.get("/my/"))
    assert "2022-08-15 24:00" in page
    assert "黔中建筑设计院" in page


def test_submit_a_second_late_says_so_and_keeps_the_draft(
    app: Flask, sign_in: SignIn, arrive: Callable[[datetime], None]
) -> None:
    client = sign_in("王敏")
    application = ready_draft()
    arrive(at("2022-08-05T17:00:01"))
    answer = client.post(f"{base_of(application)}submit", data={"pledged": "1"})
    assert answer.status_code == 409
    assert "2022-08-05 17:00" in text_of(answer)
    assert application.state is State.DRAFT
    assert client.get(f"{base_of(application)}sections/profile").status_code == 409
    assert client.get("/my/").status_code == 200
    assert client.get(base_of(application)).status_code == 200


def test_submit_with_open_points_shows_the_list(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    application = new_draft()
    answer = client.post(f"{base_of(application)}submit", data={"pledged": "1"})
    assert answer.status_code == 422
    page = text_of(answer)
    assert f"{base_of(application)}sections/application_info#current_field" in page
    assert f"{base_of(application)}materials/#identity_document" in page
    assert f"{base_of(application)}sections/education#education.0.proof" in page


def test_submit_without_a_route_leaves_a_trace_that_names_the_department(
    app: Flask, sign_in: SignIn
) -> None:
    """The submission is rolled back, the entry stays; a refusal for open points writes none."""

    def entries() -> list[AuditEntry]:
        found = select(AuditEntry).where(AuditEntry.action == "submission_without_route")
        return list(db.session.scalars(found))

    client = sign_in("王敏")
    application = ready_draft()
    application_id = application.id
    client.post(f"{base_of(application)}submit", data={})
    assert entries() == []
    above = application.employer.parent
    above.is_active = False
    db.session.commit()
    answer = client.post(f"{base_of(application)}submit", data={"pledged": "1"})
    assert answer.status_code == 422
    (entry,) = entries()
    assert (entry.object_type, entry.object_id) == ("Application", str(application_id))
    assert entry.after == {
        "unit": above.name,
        "gap": "not_active",
        "number": application.number,
        "committee": application.committee.name,
    }
    assert entry.account_id is not None
    assert application.state is State.DRAFT


# ------------------------------------------------------------ sections


def post(client: FlaskClient, application: Application, key: str, data: dict[str, Any]) -> Any:
    """Save a part with the version of the page that is open now."""
    version = {"content_version": str(application.content_version)}
    return client.post(f"{base_of(application)}sections/{key}", data=version | data)


def test_save_goes_on_to_the_next_part(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    application = new_draft()
    answer = post(client, application, "application_info", {"current_field": "建筑设计"})
    assert answer.location == f"{base_of(application)}sections/profile"
    assert application.content["application_info"]["current_field"] == "建筑设计"
    answer = post(client, application, "work_summary", {"work_summary": "总结", "do": "stay"})
    assert answer.location == f"{base_of(application)}sections/work_summary"


def test_save_with_bad_values_keeps_everything_typed(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    application = new_draft()
    typed = {
        "shown": ["has_no_title"],
        "title_name": "工程师<b>",
        "title_level": "9",
        "series": "nothing",
        "awarded_on": "2016-13-40",
        "certificate_number": "长" * 41,
    }
    answer = post(client, application, "present_title", typed)
    page = text_of(answer)
    assert answer.status_code == 422
    assert "工程师&lt;b&gt;" in page
    assert 'value="2016-13-40"' in page
    assert "长" * 41 in page
    assert page.count('aria-invalid="true"') == 4
    for anchor in ("title_level", "series", "awarded_on", "certificate_number"):
        assert f'href="#{anchor}"' in page
    assert application.content["present_title"]["title_name"] == "工程师"


def test_save_with_bad_rows_keeps_rows_and_names_the_cell(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    application = new_draft()
    typed = {
        "appraisals.count": "2",
        "appraisals.0.row_id": "0a0b0c0d",
        "appraisals.0.year": "2020",
        "appraisals.0.grade": "qualified",
        "appraisals.1.row_id": "1a1b1c1d",
        "appraisals.1.year": "zweitausend",
        "appraisals.1.grade": "x",
    }
    answer = post(client, application, "appraisals", typed)
    page = text_of(answer)
    assert answer.status_code == 422
    assert 'value="zweitausend"' in page
    assert 'href="#appraisals.1.year"' in page
    assert 'id="appraisals.1.year-error"' in page


def test_rows_are_added_and_removed_by_buttons(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    application = new_draft()
    row = {
        "patents.count": "1",
        "patents.0.row_id": "0a0b0c0d",
        "patents.0.name": "一种连接件",
    }
    answer = post(client, application, "patents", row | {"do": "add:patents"})
    assert answer.location.endswith("sections/patents?add=patents#patents")
    page = text_of(client.get(answer.location))
    assert 'name="patents.1.name"' in page
    assert 'value="一种连接件"' in page
    answer = post(client, application, "patents", row | {"do": "remove:patents.0"})
    assert answer.status_code == 302
    assert application.content["patents"]["patents"] == []


def test_save_from_an_outdated_page_keeps_both(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    application = new_draft()
    old = {"content_version": str(application.content_version)}
    address = f"{base_of(application)}sections/work_summary"
    client.post(address, data=old | {"work_summary": "手机上写的"})
    answer = client.post(address, data=old | {"work_summary": "电脑上写的"})
    page = text_of(answer)
    assert answer.status_code == 409
    assert "电脑上写的" in page
    assert "手机上写的" in page
    assert application.content["work_summary"]["work_summary"] == "手机上写的"
    again = client.post(
        address,
        data={"content_version": hidden(page, "content_version"), "work_summary": "电脑上写的"},
    )
    assert again.status_code == 302
    assert application.content["work_summary"]["work_summary"] == "电脑上写的"


def test_autosave_answers_programs(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    application = new_draft()
    address = f"{base_of(application)}sections/work_summary"
    accept = {"Accept": "application/json"}
    old = {"content_version": str(application.content_version)}
    answer = client.post(address, data=old | {"work_summary": "一"}, headers=accept)
    assert answer.status_code == 200
    assert answer.json["content_version"] == application.content_version
    answer = client.post(address, data=old | {"work_summary": "二"}, headers=accept)
    assert answer.status_code == 409
    assert "faults" in answer.json


def test_save_takes_text_with_nul_and_rare_characters(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    application = new_draft()
    answer = post(client, application, "work_summary", {"work_summary": "䶮𬱖\x00𫖯𬱁\ud800"[:5]})
    assert answer.status_code == 302
    assert application.content["work_summary"]["work_summary"] == "䶮𬱖𫖯𬱁"


# ------------------------------------------------------------ files


def test_upload_several_files_and_refuse_one_in_words(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    application = new_draft()
    data = {
        "education_certificate": [
            (io.BytesIO(small_pdf("a")), "学历.pdf"),
            (io.BytesIO(b"MZ" + b"\0" * 300), "学位.pdf"),
        ],
        "employment_proof": (io.BytesIO(small_png()), "合同.png"),
    }
    answer = client.post(f"{base_of(application)}materials/", data=data)
    page = text_of(answer)
    assert answer.status_code == 422
    assert "学历.pdf</a>" in page
    assert "学位.pdf: " in page
    assert "合同.png: " in page
    assert [m.filename for m in materials.list_materials(application.id)] == ["学历.pdf"]


def test_upload_larger_than_the_list_allows_is_refused(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    application = new_draft()
    wanted = next(r for r in application.committee.requirements if r.code == "identity_document")
    wanted.max_bytes = 20_000
    db.session.commit()
    big = io.BytesIO(small_pdf("x" * 20_000))
    answer = client.post(
        f"{base_of(application)}materials/", data={"identity_document": (big, "大.pdf")}
    )
    assert answer.status_code == 422
    assert "大.pdf: " in text_of(answer)
    assert materials.list_materials(application.id) == []


def test_file_of_a_row_comes_with_the_part(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    application = new_draft()
    data = {
        "patents.count": "2",
        "patents.0.row_id": "",
        "patents.0.name": "",
        "patents.1.row_id": "0a0b0c0d",
        "patents.1.name": "一种连接件",
        "patents.1.proof": (io.BytesIO(small_pdf()), "证书.pdf"),
    }
    answer = post(client, application, "patents", data)
    assert answer.status_code == 302
    found = materials.list_materials(application.id)
    assert [m.requirement_code for m in found] == ["patents.0a0b0c0d.proof"]
    bad = data | {"patents.1.proof": (io.BytesIO(b"no"), "坏.pdf")}
    bad["patents.1.name"] = "改名"
    answer = post(client, application, "patents", bad)
    assert answer.status_code == 422
    assert "坏.pdf: " in text_of(answer)
    assert application.content["patents"]["patents"][0]["name"] == "改名"


def test_file_is_shown_to_its_readers_and_removed_by_its_owner(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("王敏")
    application = new_draft()
    client.post(
        f"{base_of(application)}materials/",
        data={"identity_document": (io.BytesIO(small_pdf()), "身份 证.pdf")},
    )
    material = db.session.scalars(select(Material)).one()
    shown = client.get(f"/materials/{material.id}")
    assert (shown.status_code, shown.mimetype, shown.data) == (200, "application/pdf", small_pdf())
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert "script-src" not in shown.headers["Content-Security-Policy"]
    other = sign_in("李强")
    assert other.get(f"/materials/{material.id}").status_code == 404
    assert sign_in("nmdesign").get(f"/materials/{material.id}").status_code == 404
    assert client.get(f"/materials/{2**40}").status_code == 404
    remove = f"{base_of(application)}materials/{material.id}/remove"
    assert other.post(remove).status_code == 404
    assert client.post(remove).status_code == 302
    assert materials.list_materials(application.id) == []


# ------------------------------------------------------------ whose pages


def test_another_persons_application_is_not_there(app: Flask, sign_in: SignIn) -> None:
    application = ready_draft()
    base = base_of(application)
    other = sign_in("李强")
    for path in ("", "check/", "materials/", "sections/profile", "receipt/", "withdraw/"):
        assert other.get(base + path).status_code == 404
    for path in ("sections/profile", "submit", "withdraw/", "re-examination/"):
        assert other.post(base + path, data={"text": "x"}).status_code == 404
    assert other.get(f"/my/applications/{2**31}/").status_code == 404
    assert other.post("/my/new/", data={"copy_from": str(application.id)}).status_code == 422
    assert application.state is State.DRAFT


def test_staff_have_no_applicant_pages(app: Flask, sign_in: SignIn) -> None:
    answer = sign_in("province").get("/my/")
    assert answer.status_code in {302, 403}
    assert answer.status_code == 403 or "/my/" not in answer.location


def test_visitors_are_asked_to_sign_in(app: Flask, client: FlaskClient) -> None:
    answer = client.get("/my/")
    assert answer.status_code == 302
    assert "/login/" in answer.location


# ------------------------------------------------------------ after the submission


def test_objections_are_not_shown_to_the_applicant(app: Flask, sign_in: SignIn) -> None:
    application = make_application(State.ON_HOLD)
    assert db.session.scalars(select(Objection)).all() != []
    client = sign_in("王敏")
    page = text_of(client.get(base_of(application))) + text_of(client.get("/my/"))
    objection = db.session.scalars(select(Objection)).first()
    assert objection is not None
    assert objection.body not in page
    for word in ("objection", "异议"):
        assert word not in page.lower()


def test_correction_list_links_to_the_unlocked_parts(app: Flask, sign_in: SignIn) -> None:
    application = make_application(State.RETURNED)
    client = sign_in("王敏")
    page = text_of(client.get(base_of(application)))
    correction = open_correction(application)
    assert correction is not None
    for key in correction.unlocked_sections:
        place = "materials/" if key == "materials" else f"sections/{key}"
        assert f"{base_of(application)}{place}" in page
    for item in correction.items:
        assert item["text"] in page
    assert client.get(f"{base_of(application)}sections/continuing_education").status_code == 409


def test_withdrawal_is_asked_for_with_a_reason(app: Flask, sign_in: SignIn) -> None:
    application = make_application(State.IN_EMPLOYER_CHECK)
    db.session.commit()
    client = sign_in("王敏")
    empty = client.post(f"{base_of(application)}withdraw/", data={"text": "  "})
    assert empty.status_code == 422
    done = client.post(f"{base_of(application)}withdraw/", data={"text": "调动"})
    assert done.location == base_of(application)
    again = client.post(f"{base_of(application)}withdraw/", data={"text": "调动"})
    assert again.status_code == 409
    assert "调动" in text_of(again)


@pytest.mark.parametrize(
    "state",
    [
        State.IN_PUBLICITY,
        State.PUBLICIZED,
        State.IN_ROUTING,
        State.RECEIVED,
        State.IN_POLICY_REVIEW,
        State.ACCEPTED,
        State.DECLINED,
        State.LAPSED,
    ],
)
def test_every_state_has_its_page(app: Flask, sign_in: SignIn, state: State) -> None:
    application = make_application(state)
    client = sign_in("王敏")
    for path in ("/my/", base_of(application), f"{base_of(application)}check/"):
        answer = client.get(path)
        assert answer.status_code == 200, text_of(answer)[-2000:]
        assert 'class="way"' in text_of(answer) or path.endswith("check/")


def test_pages_show_no_full_numbers_and_log_no_reading(app: Flask, sign_in: SignIn) -> None:
    person = person_named("王敏")
    client = sign_in("王敏")
    application = new_draft()
    for path in ("sections/profile", "check/", ""):
        page = text_of(client.get(base_of(application) + path))
        assert person.identity_number not in page
        assert str(person.phone) not in page
    assert db.session.scalars(select(PersonalDataRead)).all() == []
    assert db.session.scalars(select(Publicity)).all() == []
