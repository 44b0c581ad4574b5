"""Transfer of a person instead of a second account (E7, B7), and leaving without a new unit."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.domain.errors import (
    ConflictError,
    NotPermittedError,
    RuleViolation,
    StaleVersionError,
)
from app.domain.terms import ApplicantKind, IdentityDocument, TransferState
from app.domain.workflow import ActorRole, State
from app.extensions import db
from app.models import (
    Account,
    Expert,
    Notification,
    Person,
    PersonnelAffiliation,
    PersonTransfer,
    Unit,
)
from app.services import accounts, leaving, reminders, settings, transfers, worklists
from app.services.people import PersonDraft
from app.services.units import unit_ref
from tests.conftest import at
from tests.factories import make_application, staff

ASKED = at("2022-08-03T10:00:00")
DUE = at("2022-08-11T00:00:00")
"""Wednesday 08-03 is not counted; 04, 05, 08, 09, 10 are the five working days."""

LATER = at("2022-08-05T09:00:00")
FROM, TO = "nmdesign", "gycloud"
SECOND = timedelta(seconds=1)


def person(name: str = "王敏") -> Person:
    return db.session.scalars(select(Person).where(Person.name == name)).one()


def draft(name: str = "王敏", **changes: object) -> PersonDraft:
    given = {
        "name": name,
        "identity_document": IdentityDocument.RESIDENT_ID,
        "identity_number": person(name).identity_number,
        "phone": "19900001234",
        "applicant_kind": ApplicantKind.EMPLOYEE,
    }
    return PersonDraft(**{**given, **changes})  # type: ignore[arg-type]


def unit_of(login: str) -> Unit:
    return db.session.get_one(Unit, staff(login).unit_id)


def ask(by: str = TO, *, now=ASKED, **changes) -> PersonTransfer:
    return transfers.ask_transfer(
        draft(**changes),
        unit=unit_ref(unit_of(by)),
        reason="已与本单位签订劳动合同",
        declared=True,
        actor=staff(by),
        now=now,
    )


def release(row: PersonTransfer, by: str = FROM, *, now=LATER, starts_on=date(2022, 8, 4)):
    return transfers.release_transfer(
        row.id, starts_on, expected_version=row.version, actor=staff(by), now=now
    )


def decide(row: PersonTransfer, by: str, *, grant: bool = True, now=DUE, starts_on=None):
    return transfers.decide_transfer(
        row.id,
        grant=grant,
        starts_on=starts_on or date(2022, 8, 5),
        reason="劳动合同真实有效",
        expected_version=row.version,
        actor=staff(by),
        now=now,
    )


def affiliations(name: str = "王敏") -> list[tuple[int, date | None]]:
    rows = db.session.scalars(
        select(PersonnelAffiliation)
        .where(PersonnelAffiliation.person_id == person(name).id)
        .order_by(PersonnelAffiliation.starts_on)
    )
    return [(row.unit_id, row.ends_on) for row in rows]


def told(kind: str) -> set[int]:
    rows = db.session.scalars(select(Notification.account_id).where(Notification.kind == kind))
    return set(rows)


def items(login: str, now) -> list[tuple[str, str, object]]:
    found = worklists.list_work_items(staff(login), now=now)
    return [(i.kind, i.subject, i.due_at) for i in found if i.object_type == "PersonTransfer"]


def test_creating_somebody_with_an_account_needs_the_transfer(app: Flask):
    with pytest.raises(accounts.TransferNeededError):
        accounts.create_personal_account(
            draft(),
            unit=unit_ref(unit_of(TO)),
            is_handler=False,
            declared=True,
            actor=staff(TO),
            now=ASKED,
        )


def test_unit_asks_and_the_present_one_has_five_working_days(app: Flask):
    row = ask()
    assert (row.state, row.due_at) == (TransferState.ASKED, DUE)
    assert row.from_unit_id == unit_of(FROM).id
    assert row.decider_unit.name == "贵阳市人力资源和社会保障局"
    assert staff("王敏").account_id in told("transfer_asked")
    assert staff(FROM).account_id in told("transfer_asked")
    assert items(FROM, ASKED) == [("Transfer to answer", "王敏", DUE)]
    assert items(TO, ASKED) == []
    assert items("guiyang", ASKED) == []


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": "王闽"}, RuleViolation),
        ({"identity_number": "520103199001019999"}, RuleViolation),
        ({"applicant_kind": ApplicantKind.FREELANCER}, NotPermittedError),
    ],
)
def test_request_is_refused(app: Flask, changes, error):
    number = person().identity_number
    given = {"identity_number": number, **changes}
    wrong = PersonDraft(
        given.get("name", "王敏"),
        IdentityDocument.RESIDENT_ID,
        given["identity_number"],
        "",
        given.get("applicant_kind", ApplicantKind.EMPLOYEE),
    )
    with pytest.raises(error):
        transfers.ask_transfer(
            wrong,
            unit=unit_ref(unit_of(TO)),
            reason="x",
            declared=True,
            actor=staff(TO),
            now=ASKED,
        )


def test_nobody_asks_for_another_unit_or_without_the_declaration(app: Flask):
    for by, declared, error in ((FROM, True, NotPermittedError), (TO, False, RuleViolation)):
        with pytest.raises(error):
            transfers.ask_transfer(
                draft(),
                unit=unit_ref(unit_of(TO)),
                reason="x",
                declared=declared,
                actor=staff(by),
                now=ASKED,
            )


def test_release_moves_affiliation_and_account_without_gap(app: Flask):
    account = db.session.get_one(Account, staff("王敏").account_id)
    accounts.appoint_handler(account.id, actor=staff(FROM), now=ASKED)
    stamp = account.session_stamp
    row = release(ask())
    assert row.state is TransferState.RELEASED
    assert affiliations() == [(unit_of(FROM).id, date(2022, 8, 3)), (unit_of(TO).id, None)]
    assert account.unit_id == unit_of(TO).id
    assert accounts.roles_of(account) == {ActorRole.APPLICANT}
    assert account.session_stamp == stamp + 1
    assert {account.id, staff(TO).account_id} <= told("transfer_done")
    with pytest.raises(ConflictError):
        release(row)


def test_expert_goes_along_and_stays_an_expert(app: Flask):
    expert = db.session.scalars(
        select(Expert)
        .join(Account, Account.person_id == Expert.person_id)
        .where(Account.unit_id == unit_of("gzdesign").id)
    ).first()
    assert expert is not None
    name = expert.person.name
    row = ask(name=name)
    release(row, "gzdesign")
    assert expert.unit_id == unit_of(TO).id
    assert ActorRole.EXPERT in staff(name).roles


@pytest.mark.parametrize("login", [TO, "gzdesign", "guiyang", "province", "王敏"])
def test_only_the_present_unit_releases_or_objects(app: Flask, login):
    row = ask()
    with pytest.raises(NotPermittedError):
        release(row, login)
    with pytest.raises(NotPermittedError):
        transfers.object_transfer(
            row.id, "x", expected_version=row.version, actor=staff(login), now=LATER
        )


def test_handler_does_not_release_oneself(app: Flask):
    accounts.appoint_handler(staff("王敏").account_id, actor=staff(FROM), now=ASKED)
    row = ask()
    with pytest.raises(NotPermittedError):
        release(row, "王敏")


def test_page_seen_before_a_change_is_refused(app: Flask):
    row = ask()
    with pytest.raises(StaleVersionError):
        transfers.release_transfer(
            row.id, date(2022, 8, 4), expected_version=0, actor=staff(FROM), now=LATER
        )


def test_objection_goes_to_the_department_which_decides(app: Flask):
    row = ask()
    transfers.object_transfer(
        row.id, "服务期未满", expected_version=row.version, actor=staff(FROM), now=LATER
    )
    assert (row.state, row.escalated_at) == (TransferState.ESCALATED, LATER)
    assert items("guiyang", LATER) == [("Transfer to decide", "王敏", None)]
    assert items(FROM, LATER) == []
    for login in ("zunyi", FROM, TO, "nanming"):
        with pytest.raises(NotPermittedError):
            decide(row, login)
    decide(row, "guiyang", now=LATER)
    assert row.state is TransferState.GRANTED
    assert affiliations()[-1] == (unit_of(TO).id, None)


def test_department_may_refuse_and_then_another_request_is_possible(app: Flask):
    row = ask()
    transfers.object_transfer(
        row.id, "服务期未满", expected_version=row.version, actor=staff(FROM), now=LATER
    )
    decide(row, "province", grant=False, now=LATER)
    assert row.state is TransferState.REFUSED
    assert affiliations() == [(unit_of(FROM).id, None)]
    assert ask(now=LATER).state is TransferState.ASKED


def test_time_runs_out_to_the_second(app: Flask):
    row = ask()
    with pytest.raises(ConflictError):
        decide(row, "guiyang", now=DUE - SECOND)
    assert transfers.settle_due(now=DUE - SECOND) == 0
    assert items("guiyang", DUE - SECOND) == []
    assert items(FROM, DUE) == []
    assert items("guiyang", DUE) == [("Transfer to decide", "王敏", None)]
    assert transfers.state_of(row, now=DUE) is TransferState.ESCALATED
    assert transfers.settle_due(now=DUE + SECOND) == 1
    assert (row.state, row.escalated_at) == (TransferState.ESCALATED, DUE)
    assert transfers.settle_due(now=DUE + SECOND) == 0
    assert staff("guiyang").account_id in told("transfer_escalated")


def test_department_decides_at_the_due_second_before_any_sweep(app: Flask):
    row = ask()
    decide(row, "guiyang", now=DUE)
    assert (row.state, row.escalated_at) == (TransferState.GRANTED, DUE)


def test_present_unit_may_still_release_until_the_decision(app: Flask):
    row = ask()
    transfers.settle_due(now=DUE)
    assert release(row, now=DUE + SECOND).state is TransferState.RELEASED


def test_days_come_from_the_parameter(app: Flask):
    db.session.get_one(settings.Parameter, "transfer_working_days").value = 2
    assert ask().due_at == at("2022-08-06T00:00:00")


def test_application_under_way_blocks_until_it_has_ended(app: Flask):
    application = make_application(State.IN_EMPLOYER_CHECK)
    row = ask(now=LATER)
    assert transfers.is_blocked(row) == application.number
    with pytest.raises(ConflictError) as caught:
        release(row, now=LATER)
    assert application.number in str(caught.value)
    assert affiliations() == [(unit_of(FROM).id, None)]
    application.state = State.WITHDRAWN
    db.session.flush()
    assert release(row, now=LATER, starts_on=LATER.date()).state is TransferState.RELEASED
    assert application.employer_id == unit_of(FROM).id


def test_draft_does_not_block(app: Flask):
    make_application(State.DRAFT)
    assert release(ask(now=LATER), starts_on=LATER.date()).state is TransferState.RELEASED


def test_second_request_waits_for_the_first(app: Flask):
    row = ask()
    with pytest.raises(ConflictError):
        ask("gzdesign")
    transfers.withdraw_transfer(
        row.id, "误填", expected_version=row.version, actor=staff(TO), now=LATER
    )
    assert row.state is TransferState.WITHDRAWN
    other = ask("gzdesign")
    assert other.decider_unit.parent_id is None


def test_person_objects_and_only_the_department_can_go_on(app: Flask):
    row = ask()
    with pytest.raises(NotPermittedError):
        transfers.object_as_person(
            row.id, "x", expected_version=row.version, actor=staff("李强"), now=LATER
        )
    transfers.object_as_person(
        row.id, "我没有去该单位", expected_version=row.version, actor=staff("王敏"), now=LATER
    )
    assert row.state is TransferState.ESCALATED
    with pytest.raises(ConflictError):
        release(row)
    with pytest.raises(ConflictError):
        transfers.object_as_person(
            row.id, "再次", expected_version=row.version, actor=staff("王敏"), now=LATER
        )
    decide(row, "guiyang", grant=False)


def propose(name: str = "王敏", *, now=ASKED) -> PersonTransfer:
    return transfers.propose_transfer(
        unit_of(TO).code.lower(), ApplicantKind.EMPLOYEE, "工作调动", actor=staff(name), now=now
    )


def test_person_asks_the_new_unit_takes_it_up_the_present_one_releases(app: Flask):
    row = propose()
    assert (row.state, row.is_own_wish) == (TransferState.PROPOSED, True)
    assert items(TO, ASKED) == [("Transfer to answer", "王敏", DUE)]
    with pytest.raises(NotPermittedError):
        transfers.take_up_transfer(
            row.id, declared=True, expected_version=row.version, actor=staff(FROM), now=LATER
        )
    with pytest.raises(RuleViolation):
        transfers.take_up_transfer(
            row.id, declared=False, expected_version=row.version, actor=staff(TO), now=LATER
        )
    transfers.take_up_transfer(
        row.id, declared=True, expected_version=row.version, actor=staff(TO), now=LATER
    )
    assert (row.state, row.due_at) == (TransferState.ASKED, at("2022-08-13T00:00:00"))
    with pytest.raises(ConflictError):
        transfers.object_as_person(
            row.id, "x", expected_version=row.version, actor=staff("王敏"), now=LATER
        )
    assert release(row).state is TransferState.RELEASED


def test_wish_nobody_takes_up_expires_and_blocks_no_other(app: Flask):
    row = propose()
    with pytest.raises(ConflictError):
        ask(now=DUE - SECOND)
    other = ask(now=DUE)
    assert (row.state, row.decided_at) == (TransferState.EXPIRED, DUE)
    assert other.state is TransferState.ASKED
    assert staff("王敏").account_id in told("transfer_expired")


def test_wish_is_turned_down_or_taken_back(app: Flask):
    row = propose()
    transfers.turn_down_transfer(
        row.id, "不需要", expected_version=row.version, actor=staff(TO), now=LATER
    )
    assert row.state is TransferState.REFUSED
    again = propose(now=LATER)
    with pytest.raises(NotPermittedError):
        transfers.withdraw_transfer(
            again.id, "x", expected_version=again.version, actor=staff(TO), now=LATER
        )
    transfers.withdraw_transfer(
        again.id, "不去了", expected_version=again.version, actor=staff("王敏"), now=LATER
    )
    assert again.state is TransferState.WITHDRAWN


def test_wish_needs_the_code_of_an_active_unit(app: Flask):
    with pytest.raises(RuleViolation):
        transfers.propose_transfer(
            "12520000DEM0000XXX", ApplicantKind.EMPLOYEE, "x", actor=staff("王敏"), now=ASKED
        )
    with pytest.raises(ConflictError):
        transfers.propose_transfer(
            unit_of(FROM).code, ApplicantKind.EMPLOYEE, "x", actor=staff("王敏"), now=ASKED
        )


def test_present_unit_is_reminded_one_working_day_before(app: Flask):
    ask()
    reminders.remind(now=at("2022-08-08T23:59:59"))
    assert told("transfer_due_soon") == set()
    reminders.remind(now=at("2022-08-09T00:00:00"))
    assert staff(FROM).account_id in told("transfer_due_soon")
    count = db.session.scalar(select(func.count(Notification.id)))
    reminders.remind(now=at("2022-08-09T12:00:00"))
    assert db.session.scalar(select(func.count(Notification.id))) == count


def leave(by: str = FROM, *, now=LATER, last_on=date(2022, 8, 5)) -> Account:
    return leaving.end_affiliation(
        staff("王敏").account_id, last_on, "退休", actor=staff(by), now=now
    )


def test_who_leaves_belongs_to_no_unit_and_is_taken_up_directly(app: Flask):
    account = leave()
    assert account.unit_id is None
    assert affiliations() == [(unit_of(FROM).id, date(2022, 8, 5))]
    assert staff("王敏").unit_path == ""
    password = account.password
    made = accounts.create_personal_account(
        draft(),
        unit=unit_ref(unit_of(TO)),
        is_handler=False,
        declared=True,
        actor=staff(TO),
        now=LATER,
    )
    assert (made.account.id, made.activation_code) == (account.id, "")
    assert account.password == password
    rows = db.session.scalars(
        select(PersonnelAffiliation)
        .where(PersonnelAffiliation.person_id == person().id)
        .order_by(PersonnelAffiliation.starts_on)
    ).all()
    assert [(r.unit_id, r.starts_on) for r in rows][-1] == (unit_of(TO).id, date(2022, 8, 6))


def test_leaving_is_refused(app: Flask):
    for by in (TO, "nanming", "province", "王敏"):
        with pytest.raises(NotPermittedError):
            leave(by)
    with pytest.raises(RuleViolation):
        leave(last_on=date(2022, 8, 6))
    row = ask()
    with pytest.raises(ConflictError):
        leave()
    transfers.withdraw_transfer(
        row.id, "x", expected_version=row.version, actor=staff(TO), now=LATER
    )
    make_application(State.IN_EMPLOYER_CHECK)
    with pytest.raises(ConflictError):
        leave()
