"""What stands before the first application: filings, calls, unit codes (rules 3.1, E1-E4, A8)."""

from __future__ import annotations

import threading
from datetime import date, datetime

import pytest
from flask import Flask
from sqlalchemy import select

from app.domain.errors import CommitteeRuleError, NotPermittedError, RuleViolation
from app.domain.terms import CallState, FilingState, TitleLevel
from app.extensions import db, unit_of_work
from app.models import (
    Account,
    AuditEntry,
    AuthorityFiling,
    CallForApplications,
    Committee,
    PlanCategory,
    Unit,
    UnitCodeAlias,
)
from app.services import calls, committees, settings, units
from app.services.committees import FilingDraft
from tests.conftest import at
from tests.factories import staff

IN_TIME = at("2022-05-30T23:59:59")
LATE = at("2022-05-31T00:00:00")
UNFILED = "贵州省农业系列高级职称评审委员会（演示，未备案）"
OFFICE = "office_agriculture_senior_unfiled"


def committee_named(name: str) -> Committee:
    return db.session.scalars(select(Committee).where(Committee.name == name)).one()


def new_filing(**changes: object) -> AuthorityFiling:
    """The draft of the committee that has not filed for 2022 yet."""
    draft = {
        "plan_year": 2022,
        "valid_from": date(2022, 6, 1),
        "valid_to": date(2025, 5, 31),
        "member_size": 25,
        "levels": [TitleLevel.SENIOR, TitleLevel.ASSOCIATE_SENIOR],
    } | changes
    committee = committee_named(UNFILED)
    known = committee.filings[0]
    return committees.save_filing(
        committee.id,
        known.id,
        FilingDraft(**draft),
        expected_version=known.version,
        actor=staff(OFFICE),
        now=IN_TIME,
    )


def file_it(filing: AuthorityFiling, now: datetime = IN_TIME) -> AuthorityFiling:
    return committees.file_authority(
        filing.id, expected_version=filing.version, actor=staff(OFFICE), now=now
    )


def approve(filing: AuthorityFiling, exemption: str = "", now: datetime = LATE) -> AuthorityFiling:
    return committees.approve_filing(
        filing.id, exemption, expected_version=filing.version, actor=staff("province"), now=now
    )


@pytest.mark.usefixtures("app")
class TestFilings:
    def test_filed_on_30_may_is_approved_later(self) -> None:
        filing = approve(file_it(new_filing()))

        assert filing.state is FilingState.APPROVED

    def test_filed_after_30_may_needs_an_exemption_with_its_reason(self) -> None:
        filing = file_it(new_filing(), now=LATE)
        with pytest.raises(CommitteeRuleError, match="30 May"):
            approve(filing)
        db.session.expire_all()

        approve(filing, "系统故障，省厅同意")

        entry = db.session.scalars(
            select(AuditEntry).where(AuditEntry.action == "approve_filing")
        ).one()
        assert (filing.state, entry.reason) == (FilingState.APPROVED, "系统故障，省厅同意")

    def test_the_province_sets_how_long_a_filing_is_valid(self) -> None:
        settings.set_parameter("filing_validity_years", 1)

        with pytest.raises(CommitteeRuleError, match="at most 1 years"):
            new_filing()

    def test_approval_is_the_provinces(self) -> None:
        filing = file_it(new_filing())
        with pytest.raises(NotPermittedError):
            committees.approve_filing(
                filing.id, "", expected_version=filing.version, actor=staff(OFFICE), now=LATE
            )

    def test_a_series_committee_of_23_is_refused_unless_the_province_approves_it(self) -> None:
        filing = new_filing(member_size=23)
        with pytest.raises(CommitteeRuleError):
            file_it(filing)
        db.session.expire_all()

        committees.grant_exemption(
            filing.id,
            "区域性评委会",
            expected_version=filing.version,
            actor=staff("province"),
            now=IN_TIME,
        )

        assert file_it(filing).state is FilingState.FILED

    def test_overlapping_scope_names_the_other_committee(self) -> None:
        file_it(new_filing())
        first = committee_named(UNFILED)
        rival = Committee(
            name="另一个农业系列高级职称评审委员会",
            convener_id=first.convener_id,
            category_slug=first.category_slug,
            series_id=first.series_id,
            scope_kind=first.scope_kind,
            level=first.level,
            division_code=first.division_code,
            member_size=25,
        )
        db.session.add(rival)
        db.session.flush()
        second = committees.save_filing(
            rival.id,
            None,
            FilingDraft(2022, date(2022, 6, 1), date(2025, 5, 31), 25, [TitleLevel.SENIOR]),
            actor=staff(OFFICE),
            now=IN_TIME,
        )

        with pytest.raises(CommitteeRuleError, match="农业系列高级职称评审委员会（演示，未备案）"):
            file_it(second)


@pytest.mark.usefixtures("app")
class TestCalls:
    @pytest.fixture
    def call(self) -> CallForApplications:
        """A draft call of a committee with a valid filing, for the line of its category."""
        approve(file_it(new_filing()))
        committee = committee_named(UNFILED)
        line_id = db.session.scalars(
            select(PlanCategory.plan_line_id).where(PlanCategory.slug == committee.category_slug)
        ).one()
        return calls.save_call(
            None,
            committee_id=committee.id,
            plan_line_id=line_id,
            heading="关于开展2022年度农业系列高级职称申报工作的通知",
            document_number="演示职改2022年9号",
            body="申报范围：全省。",
            actor=staff(OFFICE),
            now=at("2022-06-01T09:00"),
        )

    @staticmethod
    def publish(call: CallForApplications, now: datetime) -> CallForApplications:
        return calls.publish_call(
            call.id, expected_version=call.version, actor=staff(OFFICE), now=now
        )

    def test_thirty_days_before_is_in_time(self, call: CallForApplications) -> None:
        published = self.publish(call, at("2022-07-02T23:59:59"))

        assert published.state is CallState.PUBLISHED

    def test_a_late_call_waits_for_the_ground_of_the_province(
        self, call: CallForApplications
    ) -> None:
        with pytest.raises(RuleViolation, match="2022-07-02"):
            self.publish(call, at("2022-07-03T00:00:00"))
        db.session.expire_all()
        calls.excuse_late_call(
            call.id,
            "评委会组建单位机构改革",
            expected_version=call.version,
            actor=staff("province"),
            now=at("2022-07-03T09:00"),
        )

        published = self.publish(call, at("2022-07-03T10:00"))

        assert (published.state, published.late_reason) == (
            CallState.PUBLISHED,
            "评委会组建单位机构改革",
        )


@pytest.mark.usefixtures("app")
class TestCodes:
    def test_a_unit_with_its_own_code_keeps_the_old_one_as_an_alias(self) -> None:
        branch = db.session.scalars(select(Unit).where(Unit.name == "黔山医院东院区（演示）")).one()
        child = db.session.scalars(select(Unit).where(Unit.parent_id == branch.id)).one()
        old, old_child = branch.code, child.code
        assert old_child.startswith(old)

        units.enter_own_code(
            branch.id, "91350100M000100Y43", actor=staff("gzhospital"), now=IN_TIME
        )

        assert branch.code == "91350100M000100Y43"
        alias = db.session.scalars(select(UnitCodeAlias).where(UnitCodeAlias.code == old)).one()
        assert alias.unit_id == branch.id
        assert child.code == old_child
        assert db.session.scalar(select(Account.id).where(Account.username == old)) is None


def test_parallel_creations_get_different_codes(own_app: Flask) -> None:
    with own_app.app_context():
        parent_id = db.session.scalars(select(Unit.id).where(Unit.name == "黔山医院（演示）")).one()
    got: list[str] = []
    start = threading.Barrier(8)

    def allocate() -> None:
        with own_app.app_context():
            start.wait()
            with unit_of_work():
                got.append(units.allocate_derived_code(parent_id)[0])
            db.session.remove()

    threads = [threading.Thread(target=allocate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(got)) == len(got) == 8
