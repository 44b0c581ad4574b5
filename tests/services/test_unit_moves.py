"""Moving a unit: who asks, who consents, what moves, what stays, two moves at once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from app.domain.errors import (
    ConflictError,
    DomainError,
    NotPermittedError,
    RuleViolation,
    StaleVersionError,
)
from app.domain.terms import AdministrativeLevel, MoveState, UnitKind
from app.domain.workflow import State
from app.extensions import db, unit_of_work
from app.models import Account, AuditEntry, Notification, RoutingNode, Unit, UnitMove
from app.security.actors import actor_of
from app.security.scope import read_criterion
from app.services import unit_moves, units, worklists
from app.services.materials import Proof, store_file
from tests.applicants import small_pdf
from tests.conftest import at
from tests.factories import make_application, staff
from tests.services.test_units import uscc

NOW = at("2022-06-01T10:00:00")
DUE = at("2022-06-17T00:00:00")
"""Ten working days after Wednesday 06-01 (06-03 is the Dragon Boat holiday) end with 06-16."""

DESIGN, NMHOUSING, GYHOUSING = "nmdesign", "nmhousing", "gyhousing"


def proof(text: str = "move", now: Any = NOW) -> Proof:
    file = store_file(
        small_pdf(text), "划转文件.pdf", allowed_types=["pdf"], max_bytes=10**6, now=now
    )
    return Proof(file, "划转文件.pdf")


def unit_of(login: str) -> Unit:
    account = db.session.scalars(select(Account).where(Account.username == login)).one()
    return db.session.get_one(Unit, account.unit_id)


def ask(login: str, unit: Unit, to: Unit, **more: Any) -> UnitMove:
    draft = unit_moves.MoveDraft(
        unit_id=unit.id, to_unit_id=to.id, reason="隶属关系调整", proof=proof(), **more
    )
    return unit_moves.ask_move(draft, actor=staff(login), now=NOW)


def consent(login: str, row: UnitMove, now: Any = NOW) -> UnitMove:
    return unit_moves.consent_to_move(
        row.id, expected_version=row.version, actor=staff(login), now=now
    )


@pytest.mark.parametrize(
    ("asker", "others"),
    [(NMHOUSING, [GYHOUSING]), (GYHOUSING, [NMHOUSING]), (DESIGN, [GYHOUSING, NMHOUSING])],
)
def test_each_side_may_ask_and_the_others_consent(
    app: Flask, asker: str, others: list[str]
) -> None:
    design, target = unit_of(DESIGN), unit_of(GYHOUSING)
    before = design.parent_id
    row = ask(asker, design, target)
    assert (row.state, row.due_at, row.from_unit_id) == (MoveState.ASKED, DUE, before)
    for login in others:
        assert design.parent_id == before
        consent(login, row)
    assert row.state is MoveState.DONE
    assert design.parent_id == target.id
    assert row.told_unit.name == "贵阳市人力资源和社会保障局"


@pytest.mark.parametrize("login", ["guiyang", "nanming", "province", "zunyi", "王敏", "sysadmin"])
def test_nobody_else_asks(app: Flask, login: str) -> None:
    with pytest.raises(NotPermittedError):
        ask(login, unit_of(DESIGN), unit_of(GYHOUSING))


@pytest.mark.parametrize("login", [DESIGN, "nanming", "guiyang", "province", NMHOUSING])
def test_only_the_side_that_is_asked_consents_or_refuses(app: Flask, login: str) -> None:
    row = ask(NMHOUSING, unit_of(DESIGN), unit_of(GYHOUSING))
    with pytest.raises(NotPermittedError):
        consent(login, row)
    with pytest.raises(NotPermittedError):
        unit_moves.refuse_move(
            row.id, "不同意", expected_version=row.version, actor=staff(login), now=NOW
        )
    assert row.state is MoveState.ASKED


def test_reason_and_proof_are_needed(app: Flask) -> None:
    design, target = unit_of(DESIGN), unit_of(GYHOUSING)
    draft = unit_moves.MoveDraft(design.id, target.id, " ", proof())
    with pytest.raises(RuleViolation):
        unit_moves.ask_move(draft, actor=staff(NMHOUSING), now=NOW)
    draft = unit_moves.MoveDraft(design.id, target.id, "调整", None)
    with pytest.raises(RuleViolation):
        unit_moves.ask_move(draft, actor=staff(NMHOUSING), now=NOW)


def test_the_whole_subtree_moves_and_the_scope_with_it(app: Flask) -> None:
    design, target = unit_of(DESIGN), unit_of(GYHOUSING)
    below = db.session.scalars(select(Unit).where(Unit.parent_id == design.id)).all()
    assert below
    codes = {unit.id: unit.code for unit in below}
    logins = db.session.scalars(
        select(Account.username).where(Account.unit_id == design.id).order_by(Account.id)
    ).all()
    row = ask(NMHOUSING, design, target)
    consent(GYHOUSING, row)
    assert design.path == f"{target.path}{design.id}/"
    assert (design.level, design.version) == (AdministrativeLevel.PREFECTURE, 2)
    for unit in below:
        assert unit.path == f"{design.path}{unit.id}/"
        assert unit.code == codes[unit.id]
        assert unit.level is AdministrativeLevel.PREFECTURE  # a part without a code of its own
    assert (
        logins
        == db.session.scalars(
            select(Account.username).where(Account.unit_id == design.id).order_by(Account.id)
        ).all()
    )

    def reads(login: str) -> bool:
        criterion = read_criterion(Unit, staff(login))
        return db.session.scalar(select(Unit.id).where(Unit.id == design.id, criterion)) is not None

    assert (reads(GYHOUSING), reads(NMHOUSING), reads("nanming")) == (True, False, False)


def test_frozen_routes_of_live_applications_stay(app: Flask) -> None:
    application = make_application(State.IN_ROUTING)
    query = (
        select(RoutingNode.unit_id)
        .where(RoutingNode.application_id == application.id)
        .order_by(RoutingNode.id)
    )
    route = db.session.scalars(query).all()
    holder = application.holder_unit_id
    now = at("2022-08-15T10:00:00")
    draft = unit_moves.MoveDraft(
        unit_of(DESIGN).id, unit_of(GYHOUSING).id, "调整", proof("later", now)
    )
    row = unit_moves.ask_move(draft, actor=staff(NMHOUSING), now=now)
    consent(GYHOUSING, row, now)
    assert db.session.scalars(query).all() == route
    assert (application.holder_unit_id, application.employer_id) == (holder, unit_of(DESIGN).id)


def test_a_refusal_a_withdrawal_and_the_end_of_time_leave_all_as_it_was(app: Flask) -> None:
    design, target = unit_of(DESIGN), unit_of(GYHOUSING)
    before = (design.parent_id, design.path, design.level)
    row = ask(NMHOUSING, design, target)
    unit_moves.refuse_move(
        row.id, "不属本局管理", expected_version=row.version, actor=staff(GYHOUSING), now=NOW
    )
    assert (row.state, row.decision_note) == (MoveState.REFUSED, "不属本局管理")
    row = ask(NMHOUSING, design, target)
    with pytest.raises(NotPermittedError):
        unit_moves.withdraw_move(
            row.id, "误", expected_version=row.version, actor=staff(GYHOUSING), now=NOW
        )
    unit_moves.withdraw_move(
        row.id, "误", expected_version=row.version, actor=staff(NMHOUSING), now=NOW
    )
    assert row.state is MoveState.WITHDRAWN
    row = ask(NMHOUSING, design, target)
    assert unit_moves.expire_due(now=DUE - timedelta(seconds=1)) == 0
    assert unit_moves.expire_due(now=DUE) == 1
    assert unit_moves.expire_due(now=DUE) == 0
    assert (row.state, row.decided_at) == (MoveState.EXPIRED, DUE)
    assert (design.parent_id, design.path, design.level) == before


@pytest.mark.parametrize(
    ("after", "is_late"),
    [(timedelta(seconds=-1), False), (timedelta(0), True), (timedelta(seconds=1), True)],
)
def test_nobody_consents_after_the_time(app: Flask, after: timedelta, is_late: bool) -> None:
    row = ask(NMHOUSING, unit_of(DESIGN), unit_of(GYHOUSING))
    if is_late:
        with pytest.raises(ConflictError):
            consent(GYHOUSING, row, DUE + after)
        assert ask_again(DUE + after).id != row.id  # one that is over stands in nobody's way
    else:
        assert consent(GYHOUSING, row, DUE + after).state is MoveState.DONE


def ask_again(now: Any) -> UnitMove:
    draft = unit_moves.MoveDraft(unit_of(DESIGN).id, unit_of(GYHOUSING).id, "调整", proof())
    return unit_moves.ask_move(draft, actor=staff(NMHOUSING), now=now)


def test_a_unit_under_move_is_locked_for_other_moves_and_closing(app: Flask) -> None:
    design = unit_of(DESIGN)
    ask(NMHOUSING, design, unit_of(GYHOUSING))
    with pytest.raises(ConflictError):
        ask(DESIGN, design, unit_of("housing"))
    assert units.what_hangs_on(design.id).moves == 1
    assert units.what_hangs_on(unit_of(GYHOUSING).id).moves == 1


def test_a_second_click_and_an_old_page_change_nothing(app: Flask) -> None:
    row = ask(NMHOUSING, unit_of(DESIGN), unit_of(GYHOUSING))
    version = row.version
    consent(GYHOUSING, row)
    with pytest.raises(StaleVersionError):
        unit_moves.consent_to_move(
            row.id, expected_version=version, actor=staff(GYHOUSING), now=NOW
        )
    with pytest.raises(ConflictError):
        consent(GYHOUSING, row)


@pytest.mark.parametrize(
    ("target", "error"),
    [("nmdesign", RuleViolation), ("nmhousing", ConflictError), ("nanming", RuleViolation)],
)
def test_impossible_places_are_refused(app: Flask, target: str, error: type[DomainError]) -> None:
    """Below itself; where it is; where Annex 3 knows no such unit."""
    with pytest.raises(error):
        ask(NMHOUSING, unit_of(DESIGN), unit_of(target))


def test_a_unit_never_comes_below_its_own_subordinate(app: Flask) -> None:
    county, city = unit_of("nanming"), unit_of("guiyang")
    with pytest.raises(RuleViolation, match="below this unit"):
        ask("province", city, county)


def test_the_root_is_not_moved(app: Flask) -> None:
    with pytest.raises((RuleViolation, NotPermittedError)):
        ask("province", unit_of("province"), unit_of("guiyang"))


def test_another_division_must_be_named_and_lie_inside(app: Flask) -> None:
    with pytest.raises(RuleViolation, match="division"):
        ask(NMHOUSING, unit_of(DESIGN), unit_of("zyhousing") if has("zyhousing") else other())


def has(login: str) -> bool:
    return db.session.scalar(select(Account.id).where(Account.username == login)) is not None


def other() -> Unit:
    """A competent department of another prefecture."""
    return db.session.scalars(
        select(Unit)
        .where(Unit.kind == UnitKind.COMPETENT_DEPARTMENT, Unit.division_code.startswith("5203"))
        .order_by(Unit.id)
        .limit(1)
    ).one()


def test_a_changed_registration_moves_a_private_unit_with_its_level_and_proof(app: Flask) -> None:
    company = db.session.scalars(
        select(Unit).where(Unit.kind == UnitKind.NON_PUBLIC, Unit.level == "county").limit(1)
    ).one()
    row = ask("nanming", company, unit_of("guiyang"), registrar="贵阳市市场监督管理局")
    consent("guiyang", row)
    assert (company.level, company.registrar_level) == (AdministrativeLevel.PREFECTURE,) * 2
    assert company.registrar == "贵阳市市场监督管理局"
    assert company.registrar_proof_sha256 == row.proof_sha256
    assert company.parent_id == unit_of("guiyang").id


def test_the_province_stands_in_for_a_closed_superior(app: Flask) -> None:
    unit_of(NMHOUSING).is_active = False
    row = ask(GYHOUSING, unit_of(DESIGN), unit_of(GYHOUSING))
    assert consent("province", row).state is MoveState.DONE


def test_everybody_concerned_is_told_and_the_audit_log_holds_both_places(app: Flask) -> None:
    design = unit_of(DESIGN)
    old = design.path
    row = ask(NMHOUSING, design, unit_of(GYHOUSING))
    consent(GYHOUSING, row)
    told = db.session.scalars(
        select(Account.username)
        .join(Notification, Notification.account_id == Account.id)
        .where(Notification.kind == "unit_move_done")
    ).all()
    assert {DESIGN, NMHOUSING, GYHOUSING, "guiyang"} <= set(told)
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "move_unit")).one()
    assert (entry.before["path"], entry.after["path"]) == (old, design.path)


def test_the_request_waits_in_the_work_list_of_who_must_decide(app: Flask) -> None:
    row = ask(DESIGN, unit_of(DESIGN), unit_of(GYHOUSING))

    def waits(login: str) -> bool:
        items = worklists.list_work_items(staff(login), now=NOW)
        return ("UnitMove", row.id) in {(item.object_type, item.object_id) for item in items}

    assert (waits(NMHOUSING), waits(GYHOUSING), waits(DESIGN)) == (True, True, False)
    consent(NMHOUSING, row)
    assert (waits(NMHOUSING), waits(GYHOUSING)) == (False, True)
    consent(GYHOUSING, row)
    assert not waits(GYHOUSING)


# ---- at once, on real connections


def run_at_once(own_app: Flask, *works: Any) -> list[Exception]:
    barrier = threading.Barrier(len(works))
    errors: list[Exception] = []

    def run(work: Any) -> None:
        with own_app.app_context():
            try:
                barrier.wait(timeout=60)
                with unit_of_work():
                    work()
            except Exception as error:
                errors.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return errors


def test_of_two_requests_at_once_one_is_refused(own_app: Flask) -> None:
    works = [
        lambda: ask(NMHOUSING, unit_of(DESIGN), unit_of(GYHOUSING)),
        lambda: ask(DESIGN, unit_of(DESIGN), unit_of(GYHOUSING)),
    ]
    errors = run_at_once(own_app, *works)
    assert [type(error) for error in errors] == [ConflictError]


def prepare_crossing(own_app: Flask) -> tuple[int, int, int, int]:
    """Two units side by side, each asked to come below the other."""
    with own_app.app_context():
        with unit_of_work():
            creator = staff(GYHOUSING)
            made = [
                units.create_unit(
                    units.UnitDraft(
                        name=f"单位{number}",
                        kind=UnitKind.EMPLOYER,
                        division_code="520100",
                        code=uscc(800 + number),
                    ),
                    actor=creator,
                    now=NOW,
                ).unit
                for number in (1, 2)
            ]
            parts = [
                units.create_unit(
                    units.UnitDraft(name="部分", kind=UnitKind.EMPLOYER, division_code="520100"),
                    actor=actor_of_unit(unit),
                    now=NOW,
                ).unit
                for unit in made
            ]
            moves = [
                unit_moves.ask_move(
                    unit_moves.MoveDraft(part.id, target.id, "调整", proof()),
                    actor=actor_of_unit(source),
                    now=NOW,
                )
                for part, source, target in (
                    (parts[0], made[0], made[1]),
                    (parts[1], made[1], made[0]),
                )
            ]
            found = (moves[0].id, moves[1].id, made[1].id, made[0].id)
        db.session.remove()
    return found


def actor_of_unit(unit: Unit) -> Any:
    return actor_of(
        db.session.scalars(
            select(Account).where(Account.unit_id == unit.id, Account.person_id.is_(None))
        ).one()
    )


def test_consents_at_once_leave_a_sound_tree(own_app: Flask) -> None:
    first, second, one, two = prepare_crossing(own_app)

    def answer(move_id: int, unit_id: int) -> Any:
        def work() -> None:
            unit = db.session.get_one(Unit, unit_id)
            unit_moves.consent_to_move(
                move_id, expected_version=1, actor=actor_of_unit(unit), now=NOW
            )

        return work

    works = [answer(first, one), answer(second, two), answer(first, one), answer(second, two)]
    errors = run_at_once(own_app, *works)
    assert {type(error) for error in errors} <= {StaleVersionError}
    assert len(errors) == 2
    with own_app.app_context():
        assert_sound_tree()


def test_units_created_below_one_that_moves_stay_in_its_subtree(own_app: Flask) -> None:
    with own_app.app_context():
        with unit_of_work():
            move_id = ask(NMHOUSING, unit_of(DESIGN), unit_of(GYHOUSING)).id
        db.session.remove()

    def move() -> None:
        unit_moves.consent_to_move(move_id, expected_version=1, actor=staff(GYHOUSING), now=NOW)

    def create(number: int) -> Any:
        def work() -> None:
            draft = units.UnitDraft(
                name=f"新部门{number}", kind=UnitKind.EMPLOYER, division_code="520102"
            )
            units.create_unit(draft, actor=staff(DESIGN), now=NOW)

        return work

    errors = run_at_once(own_app, create(1), move, create(2), create(3))
    assert errors == []
    with own_app.app_context():
        assert_sound_tree()
        design = unit_of(DESIGN)
        made = db.session.scalars(select(Unit).where(Unit.name.startswith("新部门"))).all()
        assert [unit.path for unit in made] == [f"{design.path}{unit.id}/" for unit in made]


def assert_sound_tree() -> None:
    """Every path is that of the unit above and the own id; no unit stands below itself."""
    rows = {unit.id: unit for unit in db.session.scalars(select(Unit))}
    for unit in rows.values():
        above = rows[unit.parent_id].path if unit.parent_id else "/"
        assert unit.path == f"{above}{unit.id}/"
        assert len(set(unit.path.split("/"))) == unit.path.count("/")


def prepare_circle(own_app: Flask) -> tuple[int, int, int, int]:
    """Two parts of one unit, each asked to come below the other: both together make a circle."""
    with own_app.app_context():
        with unit_of_work():
            whole = actor_of_unit(unit_of(DESIGN))
            parts = [
                units.create_unit(
                    units.UnitDraft(name=name, kind=UnitKind.EMPLOYER, division_code="520102"),
                    actor=whole,
                    now=NOW,
                ).unit
                for name in ("甲部", "乙部")
            ]
            moves = [
                unit_moves.ask_move(
                    unit_moves.MoveDraft(one.id, other.id, "调整", proof()), actor=whole, now=NOW
                )
                for one, other in (parts, reversed(parts))
            ]
            found = (moves[0].id, moves[1].id, parts[1].id, parts[0].id)
        db.session.remove()
    return found


def answer_both(own_app: Flask) -> list[Exception]:
    first, second, one, two = prepare_circle(own_app)

    def answer(move_id: int, unit_id: int) -> Any:
        def work() -> None:
            actor = actor_of_unit(db.session.get_one(Unit, unit_id))
            unit_moves.consent_to_move(move_id, expected_version=1, actor=actor, now=NOW)

        return work

    return run_at_once(own_app, answer(first, one), answer(second, two))


def test_two_moves_at_once_never_make_a_circle(own_app: Flask) -> None:
    errors = answer_both(own_app)
    assert [type(error) for error in errors] == [RuleViolation]
    with own_app.app_context():
        assert_sound_tree()


def test_without_their_order_two_moves_block_each_other(
    own_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked before either has written: either the database ends one of them with a
    deadlock, which nobody could explain to who clicked, or both go through and the tree breaks."""
    looked = threading.Barrier(2)
    real = unit_moves.require_no_cycle

    def look(unit_path: str, superior_path: str) -> None:
        real(unit_path, superior_path)
        if threading.current_thread() is not threading.main_thread():
            looked.wait(timeout=60)

    monkeypatch.setattr(unit_moves, "require_no_cycle", look)
    monkeypatch.setattr(unit_moves, "one_at_a_time", lambda: None)
    monkeypatch.setattr(unit_moves, "lock_unit", lambda pk: db.session.get_one(Unit, pk))
    errors = answer_both(own_app)
    if errors:
        assert [type(error) for error in errors] == [OperationalError]
        return
    with own_app.app_context(), pytest.raises(AssertionError):
        assert_sound_tree()
