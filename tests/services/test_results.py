"""Result publicity, filing, confirmation, certificates, re-examination and fraud (rules 3.2 rows
30-38).
"""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select

from app.domain.errors import CommitteeRuleError, ConflictError, NotPermittedError, RuleViolation
from app.domain.terms import DueKind, FilingState, PublicityKind
from app.domain.workflow import State
from app.extensions import db
from app.models import (
    Application,
    CreditRecord,
    Person,
    Publicity,
    ReExamination,
    ReviewMeeting,
    TitleCertificate,
    Unit,
)
from app.services import certificates, publicity, results
from app.services.certificates import CertificateState
from tests.conftest import at
from tests.services import review_factory as make

pytestmark = pytest.mark.usefixtures("app")

OPENED = at("2022-11-21T09:00")
OVER = at("2022-11-29T08:00")
FILED = at("2022-11-29T10:00")
CONFIRMED = at("2022-12-05T10:00")


def announced(*people: str, committee_name: str = make.GUIYANG) -> ReviewMeeting:
    return make.announce_passed(*people, committee_name=committee_name)


def ids_of(meeting: ReviewMeeting) -> list[int]:
    return [item.application_id for item in meeting.items]


def publicized(*people: str, committee_name: str = make.GUIYANG) -> ReviewMeeting:
    meeting = announced(*people, committee_name=committee_name)
    office = make.office_of(committee_name)
    results.publicize_results(ids_of(meeting), actor=office, now=OPENED)
    for application_id in ids_of(meeting):
        publicity.close_publicity(application_id, now=OVER)
    return meeting


def filed(*people: str, committee_name: str = make.GUIYANG) -> ReviewMeeting:
    meeting = publicized(*people, committee_name=committee_name)
    results.file_result(meeting.id, actor=make.office_of(committee_name), now=FILED)
    return meeting


def certified(person: str = "周涛") -> TitleCertificate:
    meeting = filed(person)
    return results.confirm_results(
        meeting.id, actor=make.account_actor("guiyang"), now=CONFIRMED
    ).certificates[0]


class TestPublicity:
    def test_result_publicity_runs_five_full_working_days(self) -> None:
        meeting = announced("周涛")
        row = results.publicize_result(
            ids_of(meeting)[0], actor=make.office_of(make.GUIYANG), now=OPENED
        )
        application = db.session.get_one(Application, ids_of(meeting)[0])
        assert row.kind is PublicityKind.RESULT
        assert (row.starts_on, row.ends_on) == (date(2022, 11, 22), date(2022, 11, 28))
        assert application.state is State.IN_RESULT_PUBLICITY
        assert (application.due_kind, application.due_at) == (
            DueKind.PUBLICITY_END,
            at("2022-11-29T00:00"),
        )

    def test_publicity_shows_no_number_phone_or_expert(self) -> None:
        meeting = announced("周涛")
        row = results.publicize_result(
            ids_of(meeting)[0], actor=make.office_of(make.GUIYANG), now=OPENED
        )
        person = db.session.scalars(select(Person).where(Person.name == "周涛")).one()
        shown = str(row.shown)
        assert person.identity_number not in shown
        assert person.identity_mask not in shown
        assert all(member.expert.person.name not in shown for member in make.panel(meeting))

    def test_publicity_waits_for_the_announcement(self) -> None:
        meeting = announced("周涛")
        meeting.state = type(meeting.state)("closed")
        with pytest.raises(ConflictError, match="announced"):
            results.publicize_result(
                ids_of(meeting)[0], actor=make.office_of(make.GUIYANG), now=OPENED
            )

    def test_another_office_does_not_publicize(self) -> None:
        meeting = announced("周涛")
        with pytest.raises(NotPermittedError):
            results.publicize_result(
                ids_of(meeting)[0], actor=make.office_of(make.SENIOR), now=OPENED
            )


class TestFiling:
    def test_filing_carries_list_minutes_draw_and_publicity(self) -> None:
        meeting = filed("周涛", "田甜")
        row = results.filing_of(meeting.id)
        assert row is not None
        assert row.state is FilingState.FILED
        assert [each["name"] for each in row.attachments["list"]] == ["周涛", "田甜"]
        assert row.attachments["minutes_sha256"] == meeting.minutes_sha256
        assert row.attachments["draw"]["seed"] == "test-seed"
        assert len(row.attachments["publicity"][0]["days"]) == 5

    def test_filing_puts_the_applications_into_the_departments_hands(self) -> None:
        meeting = filed("周涛")
        application = db.session.get_one(Application, ids_of(meeting)[0])
        assert application.holder_unit_id == make.account_actor("guiyang").unit_id

    def test_filing_waits_for_running_publicities(self) -> None:
        meeting = announced("周涛", "田甜")
        office = make.office_of(make.GUIYANG)
        results.publicize_results(ids_of(meeting)[:1], actor=office, now=OPENED)
        publicity.close_publicity(ids_of(meeting)[0], now=OVER)
        with pytest.raises(ConflictError, match="still runs"):
            results.file_result(meeting.id, actor=office, now=FILED)

    def test_filing_twice_is_refused(self) -> None:
        meeting = filed("周涛")
        with pytest.raises(ConflictError):
            results.file_result(meeting.id, actor=make.office_of(make.GUIYANG), now=FILED)

    def test_filing_after_the_review_deadline_needs_an_extension(self) -> None:
        meeting = publicized("周涛")
        with pytest.raises(ConflictError, match="deadline"):
            results.file_result(
                meeting.id, actor=make.office_of(make.GUIYANG), now=at("2023-01-03T09:00")
            )

    def test_a_returned_filing_is_filed_again(self) -> None:
        meeting = filed("周涛")
        city = make.account_actor("guiyang")
        with pytest.raises(RuleViolation):
            results.return_filing(meeting.id, " ", actor=city, now=CONFIRMED)
        row = results.return_filing(meeting.id, "纪要缺签名页", actor=city, now=CONFIRMED)
        application = db.session.get_one(Application, ids_of(meeting)[0])
        assert row.state is FilingState.RETURNED
        assert application.holder_unit_id == meeting.committee.convener_id
        again = results.file_result(
            meeting.id, actor=make.office_of(make.GUIYANG), now=at("2022-12-06T09:00")
        )
        assert again is row
        assert row.state is FilingState.FILED


class TestConfirmation:
    def test_confirmation_issues_certificates(self) -> None:
        meeting = filed("周涛", "田甜")
        confirmed = results.confirm_results(
            meeting.id, actor=make.account_actor("guiyang"), now=CONFIRMED
        )
        assert [row.person_name for row in confirmed.certificates] == ["周涛", "田甜"]
        for application_id in ids_of(meeting):
            assert db.session.get_one(Application, application_id).state is State.CERTIFIED

    @pytest.mark.parametrize("login", ["zunyi", "office_building_intermediate_guiyang"])
    def test_others_do_not_confirm(self, login: str) -> None:
        meeting = filed("周涛")
        with pytest.raises(NotPermittedError):
            results.confirm_results(meeting.id, actor=make.account_actor(login), now=CONFIRMED)

    def test_the_province_confirms_anything(self) -> None:
        meeting = filed("周涛")
        confirmed = results.confirm_results(
            meeting.id, actor=make.account_actor("province"), now=CONFIRMED
        )
        assert len(confirmed.certificates) == 1

    def test_confirmation_needs_a_valid_filing_of_the_committee(self) -> None:
        meeting = filed("周涛")
        meeting.committee.filings[-1].valid_to = date(2022, 12, 4)
        with pytest.raises(CommitteeRuleError, match="File again"):
            results.confirm_results(meeting.id, actor=make.account_actor("guiyang"), now=CONFIRMED)

    def test_nothing_is_confirmed_before_it_is_filed(self) -> None:
        meeting = publicized("周涛")
        with pytest.raises(ConflictError, match="not been filed"):
            results.confirm_results(meeting.id, actor=make.account_actor("guiyang"), now=CONFIRMED)

    def test_a_name_the_font_lacks_waits_confirmed_and_is_named(self) -> None:
        meeting = filed("周涛", "田甜")
        db.session.scalars(select(Person).where(Person.name == "周涛")).one().name = "周𮧵"
        confirmed = results.confirm_results(
            meeting.id, actor=make.account_actor("guiyang"), now=CONFIRMED
        )
        assert [row.person_name for row in confirmed.certificates] == ["田甜"]
        waiting = confirmed.unprintable[0]
        assert waiting.state is State.CONFIRMED
        with pytest.raises(RuleViolation, match="cannot print"):
            certificates.issue_certificate(waiting.id, now=CONFIRMED)


class TestCertificates:
    def test_a_certificate_says_what_was_decided(self) -> None:
        row = certified()
        assert certificates.is_number(row.number)
        assert row.number.startswith("5220223")
        assert row.effective_on == make.MEETING_DAY
        found = certificates.verify(f" {row.number.lower()} ")
        assert found is not None
        assert (found.state, found.certificate) == (CertificateState.VALID, row)
        city = db.session.get_one(Unit, make.account_actor("guiyang").unit_id)
        assert found.issuer == city.name

    def test_asking_twice_issues_once(self) -> None:
        row = certified()
        assert row.application_id is not None
        assert certificates.issue_certificate(row.application_id, now=CONFIRMED) is row

    def test_a_mistyped_number_is_recognised(self) -> None:
        number = certificates.make_number(2022, 2, 12345678)
        assert certificates.is_number(number)
        wrong = number[:8] + str((int(number[8]) + 1) % 10) + number[9:]
        assert not certificates.is_number(wrong)
        assert certificates.verify(number) is None

    def test_a_changed_row_is_noticed(self) -> None:
        row = certified()
        row.title_name = "正高级工程师"
        found = certificates.verify(row.number)
        assert found is not None
        assert found.state is CertificateState.ALTERED

    def test_the_pdf_is_a_landscape_page(self) -> None:
        pdf = certificates.certificate_pdf(certified(), public_url="https://zc.example.gov.cn/")
        assert pdf.startswith(b"%PDF-")
        data = certificates.certificate_data(
            db.session.scalars(select(TitleCertificate)).first(),  # type: ignore[arg-type]
            public_url="https://zc.example.gov.cn/",
        )
        assert data["verify_url"] == (f"https://zc.example.gov.cn/public/verify/{data['number']}")

    def test_revoking_keeps_a_credit_record_for_three_years(self) -> None:
        row = certified()
        now = at("2023-02-01T09:00")
        with pytest.raises(RuleViolation):
            certificates.revoke_certificate(
                row.id, "", actor=make.account_actor("province"), now=now
            )
        certificates.revoke_certificate(
            row.id, "业绩造假", actor=make.account_actor("province"), now=now
        )
        record = db.session.scalars(
            select(CreditRecord).where(CreditRecord.application_id == row.application_id)
        ).one()
        found = certificates.verify(row.number)
        assert found is not None
        assert found.state is CertificateState.REVOKED
        assert (record.from_on, record.until_on) == (date(2023, 2, 1), date(2026, 2, 1))
        assert row.application is not None
        assert row.application.state is State.REVOKED

    def test_a_stranger_does_not_revoke(self) -> None:
        row = certified()
        with pytest.raises(NotPermittedError):
            certificates.revoke_certificate(
                row.id, "业绩造假", actor=make.office_of(make.SENIOR), now=CONFIRMED
            )

    def test_disqualifying_ends_a_running_publicity(self) -> None:
        meeting = announced("周涛")
        office = make.office_of(make.GUIYANG)
        results.publicize_results(ids_of(meeting), actor=office, now=OPENED)
        application = certificates.disqualify_application(
            ids_of(meeting)[0], "论文抄袭", actor=office, now=OPENED
        )
        row = db.session.scalars(
            select(Publicity).where(Publicity.application_id == application.id)
        ).one()
        assert application.state is State.DISQUALIFIED
        assert row.closed_at == OPENED

    def test_the_slip_is_printed_once_confirmed(self) -> None:
        row = certified()
        assert row.application is not None
        assert results.confirmation_slip(row.application).startswith(b"%PDF-")
        row.application.state = State.PASSED
        with pytest.raises(ConflictError):
            results.confirmation_slip(row.application)


class TestReExamination:
    def test_the_finding_changes_nothing_of_the_result(self) -> None:
        application = make.accept_application("周涛", state=State.NOT_PASSED)
        row = ReExamination(application_id=application.id, ground="程序", asked_at=OPENED)
        db.session.add(row)
        db.session.flush()
        office = make.office_of(make.GUIYANG)
        results.decide_re_examination(row.id, "程序合规，维持原结果", actor=office, now=FILED)
        assert application.state is State.NOT_PASSED
        assert (row.finding, row.decided_at) == ("程序合规，维持原结果", FILED)
        with pytest.raises(ConflictError):
            results.decide_re_examination(row.id, "再议", actor=office, now=FILED)
