"""Public pages: open to everybody, without a session, with what was decided and nothing more."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import clock
from app.domain.terms import PublicityKind
from app.domain.workflow import State
from app.extensions import db
from app.models import (
    Application,
    CallForApplications,
    Expert,
    MaterialRequirement,
    Objection,
    Parameter,
    Person,
    PlanLine,
    Publicity,
    TitleCertificate,
    Unit,
)
from app.services import certificates, publicity, results
from app.services.settings import forget_settings
from tests.conftest import at
from tests.factories import make_application
from tests.services import review_factory as make

OPENED = at("2022-11-21T09:00")
OVER = at("2022-11-29T08:00")
CONFIRMED = at("2022-12-05T10:00")
HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"

OPEN_PATHS = (
    "/public/",
    "/public/directive",
    "/public/guide",
    "/public/privacy",
    "/public/calls",
    "/public/publicity",
    "/public/results",
    "/public/results/own",
    "/public/verify",
    "/public/verify/own",
    "/public/verify/5220223000000001",
    "/public/receipt",
    "/public/receipt/R1",
)


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """set_clock(instant): what the pages take for now."""

    def put(instant: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: instant)

    return put


@pytest.fixture
def result_publicity(app: Flask, set_clock: Callable[[datetime], None]) -> Publicity:
    """The running publicity of 周涛's result."""
    meeting = make.announce_passed("周涛")
    ids = [item.application_id for item in meeting.items]
    results.publicize_results(ids, actor=make.office_of(make.GUIYANG), now=OPENED)
    db.session.commit()
    set_clock(OPENED)
    return db.session.scalars(select(Publicity)).one()


@pytest.fixture
def certificate(
    result_publicity: Publicity, set_clock: Callable[[datetime], None]
) -> TitleCertificate:
    """周涛's certificate."""
    publicity.close_publicity(result_publicity.application_id, now=OVER)
    meeting_id = make.committee_named(make.GUIYANG).id
    found = certify(meeting_id)
    db.session.commit()
    set_clock(CONFIRMED)
    return found


def certify(committee_id: int) -> TitleCertificate:
    """File and confirm the one meeting of a committee."""
    from app.models import ReviewMeeting

    meeting = db.session.scalars(
        select(ReviewMeeting).where(ReviewMeeting.committee_id == committee_id)
    ).one()
    results.file_result(meeting.id, actor=make.office_of(make.GUIYANG), now=OVER)
    return results.confirm_results(
        meeting.id, actor=make.account_actor("guiyang"), now=CONFIRMED
    ).certificates[0]


def text_of(answer: Any) -> str:
    """The page as text."""
    return str(answer.get_data(as_text=True))


class TestOpenPages:
    """Every page without sign-in."""

    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/login/", *OPEN_PATHS])
    def test_page_answers_without_sign_in(self, client: FlaskClient, path: str) -> None:
        assert client.get(path).status_code == 200

    @pytest.mark.parametrize("path", OPEN_PATHS)
    def test_page_sets_no_cookie(self, client: FlaskClient, path: str) -> None:
        assert "Set-Cookie" not in client.get(path).headers

    @pytest.mark.parametrize("path", OPEN_PATHS)
    def test_page_has_no_form_token(self, client: FlaskClient, path: str) -> None:
        assert "csrf_token" not in text_of(client.get(path))

    @pytest.mark.parametrize("path", ["/public/", "/public/calls", "/public/results"])
    def test_page_may_be_kept_for_half_a_minute(self, client: FlaskClient, path: str) -> None:
        answer = client.get(path)
        assert answer.headers["Cache-Control"] == "public, max-age=30"
        assert {"Cookie", "Accept-Encoding"} <= set(answer.vary)

    @pytest.mark.parametrize(
        "path", ["/public/verify/1", "/public/receipt/1", "/public/results/own"]
    )
    def test_personal_page_is_not_kept(self, client: FlaskClient, path: str) -> None:
        assert client.get(path).headers["Cache-Control"] == "no-store"

    def test_signed_in_page_is_not_kept(self, sign_in: Callable[[str], FlaskClient]) -> None:
        assert sign_in("province").get("/public/").headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize("path", OPEN_PATHS)
    def test_page_names_itself(self, client: FlaskClient, path: str) -> None:
        page = text_of(client.get(path))
        assert re.search(r'<html lang="(zh-Hans|en)"', page)
        assert len(re.findall(r"<h1\b", page)) == 1

    def test_page_asks_no_other_host(self, client: FlaskClient) -> None:
        for path in OPEN_PATHS:
            loaded = re.findall(r'(?:src|action)="([^"]+)"', text_of(client.get(path)))
            assert [address for address in loaded if urlsplit(address).netloc] == []


class TestBadAddresses:
    """What nobody's page links to."""

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/public/calls?page=abc", 422),
            ("/public/calls?page=-1", 422),
            ("/public/calls?page=0", 422),
            ("/public/calls?page=99999999999999999999", 422),
            ("/public/calls?page=99999", 200),
            ("/public/publicity?unit_page=%00", 422),
            ("/public/results?year=abc", 422),
            ("/public/results?year=%EF%BC%92022", 422),
            ("/public/results?year=1066", 200),
            ("/public/results?year=", 200),
            ("/public/calls/99999999999999999999", 404),
            ("/public/calls/2147483648.ics", 404),
            ("/public/calls/abc", 404),
            ("/public/publicity/99999999999999999999", 404),
            ("/public/verify/" + "9" * 3000, 200),
            ("/public/verify/%00", 200),
            ("/public/verify/a/b", 200),
            ("/public/verify/%ED%A0%80", 200),
            ("/public/verify?number=%00%0a", 302),
            ("/public/receipt/%00", 200),
            ("/public/nowhere", 404),
        ],
    )
    def test_answers_in_words(self, client: FlaskClient, path: str, status: int) -> None:
        answer = client.get(path)
        assert answer.status_code == status
        assert answer.mimetype == "text/html"

    def test_another_method_is_refused(self, client: FlaskClient) -> None:
        assert client.post("/public/calls").status_code == 405


class TestHome:
    """The first page."""

    def test_shows_open_windows_and_calls(
        self, client: FlaskClient, set_clock: Callable[[datetime], None]
    ) -> None:
        set_clock(at("2022-08-03T09:00"))
        page = text_of(client.get("/public/"))
        assert "2022-08-05 17:00" in page
        assert "关于开展2022年度工程系列建筑专业高级职称申报工作的通知" in page

    def test_open_calls_stand_before_closed_ones(
        self, client: FlaskClient, set_clock: Callable[[datetime], None]
    ) -> None:
        set_clock(at("2022-09-13T09:00"))
        page = text_of(client.get("/public/calls"))
        assert page.index("会计系列") < page.index("卫生系列") < page.index("建筑专业")

    def test_draft_call_is_not_shown(self, client: FlaskClient) -> None:
        from app.domain.terms import CallState

        call = db.session.scalars(select(CallForApplications)).first()
        assert call is not None
        call.state, call.heading = CallState.DRAFT, "尚未发布的通知"
        db.session.commit()
        assert "尚未发布的通知" not in text_of(client.get("/public/calls"))
        assert client.get(f"/public/calls/{call.id}").status_code == 404


class TestDirective:
    """The directive as issued."""

    def test_annex_1_shows_every_printed_cell(self, client: FlaskClient) -> None:
        page = text_of(client.get("/public/directive"))
        lines = db.session.scalars(select(PlanLine)).all()
        assert len(lines) == 8
        for line in lines:
            for cell in (line.series_text, line.window_text, line.receipt_text):
                assert f"<span>{cell}</span>" in page

    def test_body_and_annexes_are_complete(self, client: FlaskClient) -> None:
        page = re.sub(r"<[^>]+>|\s", "", text_of(client.get("/public/directive")))
        issued = (client.application.root_path + "/../docs/notice-2022.txt").replace("app/../", "")
        with open(issued, encoding="utf-8") as file:  # noqa: PTH123 -- a plain read
            for line in file.read().splitlines():
                text = re.sub(r"\s", "", line)
                if text and not text.startswith(("附件：", "2.职称", "3.贵州")):
                    assert text in page or len(text) < 20, text


class TestCall:
    """One call and its calendar."""

    def test_shows_dates_requirements_and_escapes(self, client: FlaskClient) -> None:
        call = db.session.scalars(select(CallForApplications)).first()
        assert call is not None
        call.heading, call.body = HOSTILE, HOSTILE
        wanted = db.session.scalars(
            select(MaterialRequirement).where(MaterialRequirement.committee_id == call.committee_id)
        ).first()
        assert wanted is not None
        wanted.name = HOSTILE
        db.session.commit()
        page = text_of(client.get(f"/public/calls/{call.id}"))
        assert "<script>alert" not in page
        assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
        assert "{{7*7}}" in page
        assert call.plan_line.receipt_due_at.strftime("%Y-%m-%d %H:%M") in page

    def test_calendar_holds_both_dates_in_utc(self, client: FlaskClient) -> None:
        call = db.session.scalars(
            select(CallForApplications)
            .join(CallForApplications.plan_line)
            .where(PlanLine.number == 1)
        ).first()
        assert call is not None
        call.heading = "通知；甲, 乙\\丙" + "很长的题目" * 20
        db.session.commit()
        answer = client.get(f"/public/calls/{call.id}.ics")
        assert answer.mimetype == "text/calendar"
        rows = answer.get_data().split(b"\r\n")
        assert max(len(row) for row in rows) <= 75
        text = answer.get_data().replace(b"\r\n ", b"").decode()
        assert "DTSTART:20220801T000000Z\r\nDTEND:20220805T090000Z" in text
        assert "DTSTART:20220915T090000Z\r\nSUMMARY" in text
        assert "SUMMARY:通知；甲\\, 乙\\\\丙" in text


class TestPublicity:
    """Lists, page and objection form."""

    def test_list_and_page_show_what_was_decided(
        self, client: FlaskClient, result_publicity: Publicity
    ) -> None:
        assert "周涛" in text_of(client.get("/public/publicity"))
        page = text_of(client.get(f"/public/publicity/{result_publicity.id}"))
        assert "周涛" in page
        assert str(result_publicity.ends_on) in page

    def test_no_number_phone_or_expert_is_shown(
        self, client: FlaskClient, result_publicity: Publicity
    ) -> None:
        person = result_publicity.application.person
        experts = [
            row.person.name
            for row in db.session.scalars(select(Expert))
            if row.person.name != person.name
        ]
        assert len(experts) > 20
        for path in (*OPEN_PATHS, f"/public/publicity/{result_publicity.id}"):
            page = text_of(client.get(path))
            assert person.identity_number not in page
            assert person.identity_number[-6:] not in page
            assert person.phone is None or person.phone not in page
            assert [name for name in experts if name in page] == []

    def test_page_closes_with_the_period(
        self,
        client: FlaskClient,
        result_publicity: Publicity,
        set_clock: Callable[[datetime], None],
    ) -> None:
        path = f"/public/publicity/{result_publicity.id}"
        assert result_publicity.ends_at is not None
        set_clock(result_publicity.ends_at)
        assert client.get(path).status_code == 404
        assert "周涛" not in text_of(client.get("/public/publicity"))
        late = {"body": "学历证书与学信网不一致，请核查", "contact": "13800000000"}
        assert client.post(f"{path}/objection", data=late).status_code == 404

    def test_employer_publicity_says_where_to_sign_in(
        self, client: FlaskClient, set_clock: Callable[[datetime], None]
    ) -> None:
        posting = employer_posting()
        set_clock(at("2022-08-05T09:00"))
        page = text_of(client.get("/public/publicity"))
        assert "王敏" not in page
        assert 'href="/login/"' in page
        assert client.get(f"/public/publicity/{posting.id}").status_code == 404

    def test_employer_publicity_is_listed_where_the_province_opened_it(
        self, client: FlaskClient, set_clock: Callable[[datetime], None]
    ) -> None:
        posting = employer_posting()
        db.session.get_one(Parameter, "employer_publicity_is_open").value = True
        db.session.commit()
        forget_settings()
        set_clock(at("2022-08-05T09:00"))
        assert "王敏" in text_of(client.get("/public/publicity"))
        assert client.get(f"/public/publicity/{posting.id}").status_code == 200

    def test_hostile_names_are_escaped(
        self, client: FlaskClient, result_publicity: Publicity
    ) -> None:
        application = result_publicity.application
        application.person.name = HOSTILE
        application.employer.name = HOSTILE
        result_publicity.shown = {
            "fields": [
                {"label": HOSTILE, "label_zh": HOSTILE, "text": HOSTILE, "columns": [], "rows": []},
                {"label": "x", "label_zh": "x", "columns": [HOSTILE], "rows": [[HOSTILE]]},
            ]
        }
        db.session.commit()
        for path in ("/public/", "/public/publicity", f"/public/publicity/{result_publicity.id}"):
            page = text_of(client.get(path))
            assert "<script>alert" not in page
            assert "&lt;script&gt;alert(1)" in page


def employer_posting() -> Publicity:
    """王敏's running employer publicity."""
    application = make_application(State.IN_PUBLICITY)
    db.session.commit()
    return db.session.scalars(
        select(Publicity).where(
            Publicity.application_id == application.id, Publicity.kind == PublicityKind.EMPLOYER
        )
    ).one()


class TestObjection:
    """The form, and what comes of it."""

    def test_objection_is_received_with_its_number(
        self, client: FlaskClient, result_publicity: Publicity
    ) -> None:
        answer = client.post(
            f"/public/publicity/{result_publicity.id}/objection",
            data={
                "body": "第三项业绩\x00不是本人完成\r\n可向建设单位核实",
                "contact": "13800000000",
            },
        )
        assert answer.status_code == 200
        objection = db.session.scalars(select(Objection)).one()
        assert objection.number in text_of(answer)
        assert objection.body == "第三项业绩不是本人完成\n可向建设单位核实"
        assert objection.is_named is False
        assert result_publicity.application.state is State.ON_HOLD
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers

    @pytest.mark.parametrize(
        ("typed", "status"),
        [
            ({"body": "短", "name": HOSTILE, "contact": HOSTILE}, 422),
            ({"body": HOSTILE * 2, "name": HOSTILE, "contact": ""}, 422),
            ({"body": "长" * 5001, "name": "某人", "contact": "1"}, 422),
            ({}, 422),
        ],
    )
    def test_what_was_typed_is_kept(
        self,
        client: FlaskClient,
        result_publicity: Publicity,
        typed: dict[str, str],
        status: int,
    ) -> None:
        answer = client.post(f"/public/publicity/{result_publicity.id}/objection", data=typed)
        page = text_of(answer)
        assert answer.status_code == status
        assert 'role="alert"' in page
        assert "<script>alert" not in page
        if typed.get("name") == HOSTILE:
            assert "&lt;script&gt;alert(1)" in page
        assert db.session.scalars(select(Objection)).all() == []

    @pytest.mark.parametrize(
        "header", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}]
    )
    def test_form_of_another_site_is_refused(
        self, client: FlaskClient, result_publicity: Publicity, header: dict[str, str]
    ) -> None:
        answer = client.post(
            f"/public/publicity/{result_publicity.id}/objection",
            data={"body": "第三项业绩不是本人完成，可核实", "contact": "13800000000"},
            headers=header,
        )
        assert answer.status_code == 403
        assert db.session.scalars(select(Objection)).all() == []


class TestLookUps:
    """One's own results and certificates."""

    def test_outcome_shows_after_the_publicity(
        self, client: FlaskClient, certificate: TitleCertificate
    ) -> None:
        person = certificate.application.person  # type: ignore[union-attr]
        typed = {"name": f" {person.name} ", "identity_number": person.identity_number.lower()}
        answer = client.post("/public/results/own", data=typed)
        page = text_of(answer)
        assert answer.status_code == 200
        assert certificate.number in page
        assert person.identity_number not in page
        assert answer.headers["Cache-Control"] == "no-store"
        found = client.post("/public/verify/own", data=typed)
        assert certificate.number in text_of(found)

    def test_outcome_stays_hidden_while_the_publicity_runs(
        self, client: FlaskClient, result_publicity: Publicity
    ) -> None:
        from app.services import lookups

        person = result_publicity.application.person
        found = lookups.lookup_outcome(person.name, person.identity_number)
        assert [(row.state, row.outcome, row.decided_on) for row in found] == [
            (State.IN_RESULT_PUBLICITY, None, None)
        ]

    @pytest.mark.parametrize("path", ["/public/results/own", "/public/verify/own"])
    @pytest.mark.parametrize(
        ("name", "number", "status"),
        [
            ("周涛", "520102199202149471", 422),
            ("周涛", "", 422),
            ("", "520102199202149470", 422),
            (HOSTILE, "520102199202149470", 200),
            ("周涛", "\x00" * 20, 422),
            ("周\x00涛", "１２３４５６７", 422),
            ("名" * 5000, "520102199202149470", 422),
            ("别人", "520102199202149470", 200),
        ],
    )
    def test_wrong_entries_are_explained(
        self, client: FlaskClient, path: str, name: str, number: str, status: int
    ) -> None:
        answer = client.post(path, data={"name": name, "identity_number": number})
        page = text_of(answer)
        assert answer.status_code == status
        assert "<script>alert" not in page
        assert not number.isascii() or len(number) < 5 or number not in page

    def test_number_is_never_taken_from_the_address(
        self, client: FlaskClient, certificate: TitleCertificate
    ) -> None:
        person = certificate.application.person  # type: ignore[union-attr]
        answer = client.post(
            "/public/verify/own",
            query_string={"name": person.name, "identity_number": person.identity_number},
        )
        assert answer.status_code == 422
        assert certificate.number not in text_of(answer)


class TestCertificate:
    """Verification by number."""

    def test_genuine(self, client: FlaskClient, certificate: TitleCertificate) -> None:
        page = text_of(client.get(f"/public/verify/{certificate.number}"))
        for fact in (
            certificate.person_name,
            certificate.identity_mask,
            certificate.title_name,
            certificate.committee_name,
            certificate.effective_on.isoformat(),
            certificate.content_hash,
            certificates.issuer_of(certificate),
            "2022-12-05 10:00",
        ):
            assert fact in page
        assert "verdict-ok" in page

    def test_revoked(self, client: FlaskClient, certificate: TitleCertificate) -> None:
        certificates.revoke_certificate(
            certificate.id, "业绩造假", actor=make.account_actor("guiyang"), now=CONFIRMED
        )
        db.session.commit()
        page = text_of(client.get(f"/public/verify/{certificate.number}"))
        assert "verdict-bad" in page
        assert "verdict-ok" not in page
        assert "业绩造假" not in page

    def test_altered(self, client: FlaskClient, certificate: TitleCertificate) -> None:
        certificate.title_name = HOSTILE
        db.session.commit()
        page = text_of(client.get(f"/public/verify/{certificate.number}"))
        assert "verdict-bad" in page
        assert "<script>alert" not in page

    def test_unknown_number_says_there_is_none(self, client: FlaskClient) -> None:
        answer = client.get("/public/verify/5220223000000001")
        assert answer.status_code == 200
        assert "verdict-none" in text_of(answer)
        assert "5220223000000001" in text_of(answer)

    def test_hostile_number_is_escaped(self, client: FlaskClient) -> None:
        page = text_of(client.get("/public/verify/<script>alert(1)<%2Fscript>"))
        assert "<script>alert" not in page

    def test_form_leads_to_the_answer(self, client: FlaskClient) -> None:
        answer = client.get("/public/verify?number= 52 ")
        assert (answer.status_code, answer.location) == (302, "/public/verify/52")


class TestReceipt:
    """Receipts by number."""

    def test_genuine_shows_hash_and_instant_and_no_name(
        self, client: FlaskClient, result_publicity: Publicity
    ) -> None:
        version = result_publicity.application.versions[0]
        page = text_of(client.get(f"/public/receipt/{version.receipt_number}"))
        assert version.content_hash in page
        assert version.submitted_at.strftime("%Y-%m-%d %H:%M:%S") in page
        assert "周涛" not in page


class TestResults:
    """The list of those who passed."""

    def test_lists_after_the_publicity_and_by_year(
        self, client: FlaskClient, certificate: TitleCertificate
    ) -> None:
        assert "周涛" in text_of(client.get("/public/results"))
        assert "周涛" in text_of(client.get("/public/results?year=2022"))
        assert "周涛" not in text_of(client.get("/public/results?year=2021"))

    def test_running_publicity_is_no_result_yet(
        self, client: FlaskClient, result_publicity: Publicity
    ) -> None:
        assert "周涛" not in text_of(client.get("/public/results"))


class TestElder:
    """长辈版."""

    def test_switch_sets_a_cookie_and_comes_back(self, client: FlaskClient) -> None:
        answer = client.post("/public/elder", data={"elder": "1", "next": "/public/calls"})
        assert (answer.status_code, answer.location) == (302, "/public/calls")
        assert "data-elder" in text_of(client.get("/public/calls"))
        client.post("/public/elder", data={"elder": "0"})
        assert "data-elder" not in text_of(client.get("/public/calls"))

    @pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/", "\\\\evil"])
    def test_switch_leads_nowhere_else(self, client: FlaskClient, target: str) -> None:
        answer = client.post("/public/elder", data={"elder": "1", "next": target})
        assert urlsplit(answer.location).netloc in {"", "localhost"}


class TestSize:
    """What a first visit loads, and how often the database is asked."""

    @pytest.mark.parametrize("path", ["/public/", "/login/"])
    def test_first_visit_loads_at_most_250_kilobytes(self, client: FlaskClient, path: str) -> None:
        sizes = dict(load_first_visit(client, path))
        assert len(sizes) >= 8, sizes
        assert sum(sizes.values()) <= 250_000, sizes

    def test_vendored_file_is_kept_for_ever(self, client: FlaskClient) -> None:
        with client.get(
            "/static/vendor/tabler-1.6.1.min.css", headers={"Accept-Encoding": "gzip"}
        ) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert "immutable" in answer.headers["Cache-Control"]
            assert gzip.decompress(answer.data).startswith(b"@")
        with client.get("/static/vendor/tabler-1.6.1.min.css") as answer:
            assert "Content-Encoding" not in answer.headers

    def test_own_file_carries_its_hash_and_is_compressed(self, client: FlaskClient) -> None:
        address = re.search(
            r'"(/static/css/portal\.css\?v=\w{10})"', text_of(client.get("/login/"))
        )
        assert address is not None
        with client.get(address[1], headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            tag = answer.headers["ETag"]
            size = len(answer.data)
        with client.get(address[1]) as answer:
            assert len(answer.data) > 3 * size
        with client.get(
            address[1], headers={"Accept-Encoding": "gzip", "If-None-Match": tag}
        ) as answer:
            assert answer.status_code == 304

    def test_page_with_a_secret_is_not_compressed(
        self, sign_in: Callable[[str], FlaskClient]
    ) -> None:
        answer = sign_in("province").get("/public/", headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in answer.headers

    def test_lists_ask_the_database_as_often_for_many_rows(
        self,
        client: FlaskClient,
        result_publicity: Publicity,
        count_queries: Callable[[Callable[[], Any]], int],
    ) -> None:
        paths = ("/public/", "/public/publicity", "/public/calls", "/public/guide")
        warm_up(client, paths)
        before = [count_queries(lambda path=path: client.get(path)) for path in paths]
        copy_publicity(result_publicity, 7)
        warm_up(client, paths)
        after = [count_queries(lambda path=path: client.get(path)) for path in paths]
        assert after == before
        assert max(after) <= 14, after


def warm_up(client: FlaskClient, paths: tuple[str, ...]) -> None:
    """Open the pages once, so that what a session reads only once is not counted."""
    for path in paths:
        assert client.get(path).status_code == 200


def copy_publicity(row: Publicity, count: int) -> None:
    """More running publicities, each of another person and unit."""
    people = [p for p in db.session.scalars(select(Person)) if p.id != row.application.person_id]
    units = list(db.session.scalars(select(Unit)))
    model = row.application
    columns = {c.name: getattr(model, c.name) for c in Application.__table__.columns}
    for number, (person, unit) in enumerate(zip(people[:count], units, strict=False)):
        fields = {
            **columns,
            "number": f"X{number}",
            "person_id": person.id,
            "employer_id": unit.id,
            "current_step_id": None,
        }
        del fields["id"]
        application = Application(**fields)
        db.session.add(application)
        db.session.flush()
        values = {c.name: getattr(row, c.name) for c in Publicity.__table__.columns}
        db.session.add(Publicity(**{**values, "id": None, "application_id": application.id}))
    db.session.commit()


def load_first_visit(client: FlaskClient, path: str) -> Iterator[tuple[str, int]]:
    """(address, bytes) of a page and of everything it loads, compressed."""
    with client.get(path, headers={"Accept-Encoding": "gzip"}) as answer:
        content = answer.data
        if answer.headers.get("Content-Encoding") == "gzip":
            page = gzip.decompress(content).decode()
        else:
            page = content.decode()
        yield path, len(content)
    tags = re.findall(r"<(?:link|script|img|use)\b[^>]*>", page)
    found = {m[1] for tag in tags if (m := re.search(r'(?:href|src)="([^"#]+)', tag))}
    for address in sorted(found):
        with client.get(address, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.status_code == 200, address
            yield address, len(answer.data)
