"""Rows of every kind in three places: the unit of the accounts that ask, a sibling of it in the
same county, and a unit of another prefecture. Their words carry a mark that no foreign page may
show."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import inspect, select

from app import models as m
from app.domain.terms import (
    AccountKind,
    AdministrativeLevel,
    ApplicantKind,
    DueKind,
    InvitationState,
    JobState,
    MeetingState,
    MoveSide,
    PanelRole,
    PublicityKind,
    RowOutcome,
    SignedAct,
    TransferState,
    UnitKind,
    UnusualKind,
)
from app.domain.workflow import State
from app.extensions import db
from app.services.accounts import identity_hash
from app.services.materials import store_file
from tests.applicants import small_pdf
from tests.conftest import at
from tests.factories import make_application

NOW = at("2022-11-20T09:00:00")
OWN, NEAR, FAR = "own", "near", "far"
PLACES = (OWN, NEAR, FAR)
WORDS = {OWN: "标记甲", NEAR: "标记乙", FAR: "标记丙"}
NUMBERS = {OWN: "110101199003070011", NEAR: "110101199003070038", FAR: "110101199003070046"}


class Planted:
    """`rows[place][table]` is one row; `rows[place]["mark"]` the word in it."""

    def __init__(self) -> None:
        self.keys: dict[str, dict[type, Any]] = {place: {} for place in PLACES}

    def put(self, place: str, row: Any) -> Any:
        """Keep a row's key as that of its table."""
        db.session.add(row)
        db.session.flush()
        self.keys[place][type(row)] = inspect(row).identity[0]
        return row

    def key(self, place: str, model: type) -> Any:
        """The key of the row of a table in a place; None if there is none."""
        return self.keys[place].get(model)


def clone(row: Any, **changes: Any) -> Any:
    """A new row with the columns of another, except its key and what is given."""
    mapper = inspect(type(row))
    values = {
        attribute.key: getattr(row, attribute.key)
        for attribute in mapper.column_attrs
        if not attribute.columns[0].primary_key
    }
    return type(row)(**{**values, **changes})


def unit_named(name: str) -> m.Unit:
    """A demo unit."""
    return db.session.scalars(select(m.Unit).where(m.Unit.name == name)).one()


def add_unit(name: str, parent: m.Unit, code: str) -> m.Unit:
    """A unit below another."""
    unit = m.Unit(
        name=name,
        kind=UnitKind.EMPLOYER,
        level=AdministrativeLevel.COUNTY,
        code=code,
        parent=parent,
        division_code=parent.division_code,
        contact_name=f"{name}联系人",
        contact_phone="0851-0000",
        contact_phone_mask="*******00",
    )
    db.session.add(unit)
    db.session.flush()
    unit.path = f"{parent.path}{unit.id}/"
    db.session.flush()
    return unit


def plant(own: m.Unit, convener: m.Unit, members: dict[str, int]) -> Planted:
    """Plant everything; `convener` is the unit of the committee office that asks, `members` the
    experts and the applicant that ask: {"expert": person id, "chair": …, "applicant": …}
    and who asked for the background job: {"job": account id}."""
    planted = Planted()
    base = make_application(State.ACCEPTED)
    assert own.parent is not None
    units = {
        OWN: own,
        NEAR: add_unit(f"{WORDS[NEAR]}单位", own.parent, "MARKNEAR"),
        FAR: add_unit(f"{WORDS[FAR]}单位", unit_named("遵义市住房和城乡建设局"), "MARKFAR"),
    }
    conveners = {
        OWN: convener,
        NEAR: add_unit("公开乙组建单位", own.parent, "OPENNEAR"),
        FAR: add_unit("公开丙组建单位", units[FAR].parent, "OPENFAR"),
    }
    db.session.add(m.JobRun(job="reminders", business_at=NOW, started_at=NOW))
    for place in PLACES:
        plant_place(planted, place, units[place], conveners[place], base, members)
    db.session.flush()
    return planted


def plant_place(
    planted: Planted,
    place: str,
    unit: m.Unit,
    convener: m.Unit,
    base: m.Application,
    members: dict[str, int],
) -> None:
    """One place."""
    word = WORDS[place]
    planted.put(place, unit)
    person, account = plant_person(planted, place, unit)
    committee = planted.put(
        place, clone(base.committee, name=f"公开{place}评委会", convener_id=convener.id)
    )
    applicant_id = members["applicant"] if place == OWN else person.id
    application = planted.put(
        place,
        clone(
            base,
            number=f"{word}-0001",
            person_id=applicant_id,
            employer_id=unit.id,
            holder_unit_id=unit.id,
            committee_id=committee.id,
            current_step_id=None,
            plan_year=2021,
            state=State.ACCEPTED,
        ),
    )
    plant_file_and_versions(planted, place, application, base)
    publicity = planted.put(
        place,
        m.Publicity(
            application_id=application.id,
            kind=PublicityKind.EMPLOYER,
            opened_at=NOW,
            ends_at=NOW + timedelta(days=7),
            starts_on=date(2022, 11, 21),
            ends_on=date(2022, 11, 25),
            shown={"name": f"{word}人员"},
            close_note=f"{word}说明",
        ),
    )
    planted.put(
        place,
        m.Objection(
            publicity_id=publicity.id, number=f"{word}异议", body=f"{word}内容", raised_at=NOW
        ),
    )
    planted.put(
        place, m.ReExamination(application_id=application.id, ground=f"{word}理由", asked_at=NOW)
    )
    plant_certificate(planted, place, application, unit)
    plant_committee_year(planted, place, committee)
    plant_meeting(planted, place, committee, application, person, unit, members)
    plant_requests(planted, place, unit, person, account, members)


def plant_person(planted: Planted, place: str, unit: m.Unit) -> tuple[m.Person, m.Account]:
    """A person with an account, at home in the unit."""
    word, number = WORDS[place], NUMBERS[place]
    person = planted.put(
        place,
        m.Person(
            name=f"{word}人员",
            identity_number=number,
            identity_hash=identity_hash(number),
            identity_mask=number[:3] + "***********" + number[-4:],
            phone="13900000000",
            phone_mask="139****0000",
            pinyin=f"{word}拼音",
        ),
    )
    planted.put(
        place,
        m.PersonnelAffiliation(person_id=person.id, unit_id=unit.id, starts_on=date(2020, 1, 1)),
    )
    account = planted.put(
        place,
        m.Account(
            username=f"mark-{place}",
            first_name=f"{word}人员",
            last_name="",
            email=f"mark-{place}@example.invalid",
            active=True,
            password="x",
            kind=AccountKind.PERSONAL,
            unit_id=unit.id,
            person_id=person.id,
        ),
    )
    return person, account


def plant_file_and_versions(
    planted: Planted, place: str, application: m.Application, base: m.Application
) -> None:
    """An uploaded file and the submitted version."""
    file = store_file(
        small_pdf(place), f"{place}.pdf", allowed_types=["pdf"], max_bytes=10**6, now=NOW
    )
    planted.put(
        place,
        m.Material(
            application_id=application.id,
            requirement_code="identity_document",
            file_sha256=file.sha256,
            filename=f"{WORDS[place]}.pdf",
        ),
    )
    version = base.versions[0]
    planted.put(
        place,
        clone(version, application_id=application.id, receipt_number=f"{WORDS[place]}-回执"),
    )


def plant_certificate(
    planted: Planted, place: str, application: m.Application, unit: m.Unit
) -> None:
    """A certificate."""
    word = WORDS[place]
    planted.put(
        place,
        m.TitleCertificate(
            number=f"{word}证书",
            application_id=application.id,
            person_name=f"{word}人员",
            identity_hash="0" * 64,
            identity_mask="***",
            unit_name=unit.name,
            series_name="工程",
            level=application.level,
            title_name="工程师",
            committee_name="公开",
            plan_year=2021,
            effective_on=date(2022, 1, 1),
            issued_at=NOW,
            content_hash="0" * 64,
        ),
    )


def plant_committee_year(planted: Planted, place: str, committee: m.Committee) -> None:
    """Filing, call, requirement, extension, and the collection form of the convener."""
    word = WORDS[place]
    line = db.session.scalars(select(m.PlanLine).order_by(m.PlanLine.id)).first()
    assert line is not None
    planted.put(
        place,
        m.AuthorityFiling(
            committee_id=committee.id,
            plan_year=2022,
            document_number=f"{word}备",
            valid_from=date(2022, 5, 1),
            valid_to=date(2025, 4, 30),
            member_size=7,
            note=f"{word}备注",
        ),
    )
    planted.put(
        place,
        m.CallForApplications(
            committee_id=committee.id, plan_line_id=line.id, heading=f"公开{place}通知"
        ),
    )
    planted.put(
        place,
        m.MaterialRequirement(committee_id=committee.id, code="mark", name=f"公开{place}材料"),
    )
    asked_by = db.session.scalars(select(m.Account.id).where(m.Account.username == "province"))
    planted.put(
        place,
        m.MilestoneExtension(
            committee_id=committee.id,
            plan_line_id=line.id,
            milestone=DueKind.POLICY_REVIEW,
            until_on=date(2022, 12, 31),
            reason=f"{word}延期",
            asked_by_id=asked_by.one(),
        ),
    )
    planted.put(
        place,
        m.SpecialtyProposal(
            plan_year=2023,
            series_id=committee.series_id,
            reporting_unit_id=committee.convener_id,
            decision_note=f"{word}采集",
        ),
    )


def plant_meeting(
    planted: Planted,
    place: str,
    committee: m.Committee,
    application: m.Application,
    person: m.Person,
    unit: m.Unit,
    members: dict[str, int],
) -> None:
    """An open meeting with one item and its panel, and the filing of its results."""
    word = WORDS[place]
    expert = planted.put(
        place,
        m.Expert(
            person_id=person.id,
            unit_id=unit.id,
            series_id=db.session.scalars(
                select(m.Series.id).where(m.Series.id != committee.series_id)
            ).first()
            if place == FAR
            else committee.series_id,
            title_level=application.level,
            title_name=f"{word}职称",
            term_from=date(2022, 1, 1),
            term_to=date(2024, 12, 31),
        ),
    )
    meeting = planted.put(
        place,
        m.ReviewMeeting(
            committee_id=committee.id,
            plan_year=2021,
            held_on=date(2022, 11, 20),
            state=MeetingState.OPEN,
            place=f"{word}会场",
            panel_size=7,
            convened_at=NOW,
            opened_at=NOW,
        ),
    )
    planted.put(
        place,
        m.MeetingItem(meeting_id=meeting.id, application_id=application.id, position=1),
    )
    seats = [(expert.id, PanelRole.MEMBER)]
    if place == OWN:
        for name, role in (("expert", PanelRole.MEMBER), ("chair", PanelRole.CHAIR)):
            found = select(m.Expert.id).where(m.Expert.person_id == members[name])
            seats.append((db.session.scalars(found).one(), role))
    for position, (expert_id, role) in enumerate(seats, 1):
        planted.put(
            place,
            m.PanelMember(
                meeting_id=meeting.id,
                expert_id=expert_id,
                role=role,
                position=position,
                invitation=InvitationState.ACCEPTED,
                pledged_at=NOW,
            ),
        )
    planted.put(place, m.ResultFiling(meeting_id=meeting.id, note=f"{word}备案"))


def plant_requests(
    planted: Planted,
    place: str,
    unit: m.Unit,
    person: m.Person,
    account: m.Account,
    members: dict[str, int],
) -> None:
    """The unit on the move, a transfer away, a job, a log entry."""
    word = WORDS[place]
    elsewhere = unit_named("六盘水市人力资源和社会保障局")
    assert unit.parent is not None
    planted.put(
        place,
        m.UnitMove(
            unit_id=unit.id,
            from_unit_id=unit.parent.id,
            to_unit_id=elsewhere.id,
            told_unit_id=elsewhere.id,
            asked_by_side=MoveSide.TO,
            reason=f"{word}划转",
            proof_sha256=db.session.get_one(m.Material, planted.key(place, m.Material)).file_sha256,
            proof_name=f"{word}.pdf",
            asked_by_id=account.id,
            asked_at=NOW,
            due_at=NOW + timedelta(days=7),
        ),
    )
    planted.put(
        place,
        m.PersonTransfer(
            person_id=person.id,
            from_unit_id=unit.id,
            to_unit_id=elsewhere.id,
            decider_unit_id=elsewhere.id,
            applicant_kind=ApplicantKind.EMPLOYEE,
            state=TransferState.ASKED,
            reason=f"{word}调动",
            asked_by_id=account.id,
            asked_at=NOW,
            due_at=NOW + timedelta(days=7),
        ),
    )
    planted.put(
        place,
        m.SignatureRequest(
            act=SignedAct.REINSTATE,
            application_id=planted.key(place, m.Application),
            subject_version=1,
            payload={"reason_name": f"{word}恢复"},
            reason=f"{word}恢复",
            asked_by_id=account.id,
            asked_at=NOW,
            expires_at=NOW + timedelta(days=7),
        ),
    )
    planted.put(
        place,
        m.BackgroundJob(
            kind="import_accounts",
            state=JobState.DONE,
            account_id=members["job"] if place == OWN else account.id,
            unit_id=unit.id,
            asked_at=NOW,
            finished_at=NOW,
            expires_at=NOW + timedelta(days=7),
        ),
    )
    planted.put(
        place,
        m.AuditEntry(
            at=NOW,
            actor_name=f"{word}人员",
            unit_id=unit.id,
            action="change_unit",
            object_type="Unit",
            object_id=str(unit.id),
            reason=f"{word}原因",
        ),
    )
    plant_checks(planted, place, unit, person, account)


def plant_checks(
    planted: Planted, place: str, unit: m.Unit, person: m.Person, account: m.Account
) -> None:
    """A proof on file, a sample with the account, a flag on the unit, a finding that was lifted."""
    word = WORDS[place]
    judge = db.session.scalars(select(m.Account.id).where(m.Account.username == "supervisor"))
    judge_id = judge.one()
    planted.put(
        place,
        m.AccountProof(
            account_id=account.id,
            unit_id=unit.id,
            file_sha256=db.session.get_one(m.Material, planted.key(place, m.Material)).file_sha256,
            filename=f"{word}证明.pdf",
            uploaded_by_id=account.id,
            uploaded_at=NOW,
        ),
    )
    planted.put(
        place,
        m.ImportProof(
            job_id=planted.key(place, m.BackgroundJob),
            file_sha256=db.session.get_one(m.Material, planted.key(place, m.Material)).file_sha256,
            filename=f"{word}批量证明.pdf",
        ),
    )
    planted.put(
        place,
        m.ImportRow(
            job_id=planted.key(place, m.BackgroundJob),
            number=2,
            outcome=RowOutcome.NEW,
            result=RowOutcome.NEW,
            account_id=account.id,
        ),
    )
    sample = planted.put(
        place,
        m.AccountSample(
            unit_id=unit.id,
            period_from=date(2022, 1, 1),
            period_to=date(2022, 11, 20),
            algorithm="sha256-rank/1",
            seed=f"{word}种子",
            candidates=[account.id],
            candidates_hash="0" * 64,
            drawn_by_id=judge_id,
            drawn_at=NOW,
        ),
    )
    planted.put(
        place,
        m.AccountSampleItem(sample_id=sample.id, account_id=account.id, position=1),
    )
    planted.put(
        place,
        m.UnusualCreation(
            unit_id=unit.id,
            kind=UnusualKind.DAY,
            on=date(2022, 11, 1),
            count=60,
            limit=50,
            flagged_at=NOW,
            cleared_at=NOW,
            clear_reason=f"{word}核销",
        ),
    )
    planted.put(
        place,
        m.MisconductFinding(
            account_id=account.id,
            person_id=person.id,
            unit_id=unit.id,
            finding=f"{word}认定",
            is_person_at_fault=False,
            found_by_id=judge_id,
            found_at=NOW,
            lifted_at=NOW,
            lift_reason=f"{word}撤销",
        ),
    )
