"""Proofs, samples of new accounts, flags on unusual numbers (rules E8)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app.domain.errors import (
    ConflictError,
    NotPermittedError,
    RuleViolation,
    StaleVersionError,
)
from app.domain.terms import SampleState, UnusualKind
from app.extensions import db
from app.models import Account, Notification, Parameter, UnusualCreation
from app.services import account_proofs, account_sampling, materials
from app.services.materials import Proof
from tests.applicants import small_pdf
from tests.conftest import at
from tests.factories import staff
from tests.services.test_applications_parallel import run_at_once

NOW = at("2022-08-03T10:00:00")
FROM, TO = date(2022, 8, 1), date(2022, 8, 3)


def created(names: tuple[str, ...] = ("王敏", "李强", "孙悦", "陈晨"), *, on=NOW) -> list[int]:
    """Let the accounts of these people have been created now."""
    ids = []
    for name in names:
        account = db.session.get_one(Account, staff(name).account_id)
        account.created_on = on.replace(tzinfo=None)
        ids.append(account.id)
    db.session.flush()
    return ids


def draw(by: str = "province", size: int = 2, **extra):
    return account_sampling.draw_accounts(
        extra.get("period_from", FROM),
        extra.get("period_to", TO),
        size,
        actor=staff(by),
        now=NOW,
        seed=extra.get("seed"),
    )


def judge(item, state: SampleState, note: str = "", by: str = "province"):
    return account_sampling.judge_item(
        item.id, state, note, expected_version=item.version, actor=staff(by), now=NOW
    )


def proof() -> Proof:
    file = materials.store_file(
        small_pdf("contract"), "合同.pdf", allowed_types=["pdf"], max_bytes=10**6, now=NOW
    )
    return Proof(file, "合同.pdf")


def test_unit_puts_proof_on_file_for_its_own_people_only(app: Flask):
    account_id = staff("王敏").account_id
    row = account_proofs.add_proof(account_id, proof(), actor=staff("nmdesign"), now=NOW)
    assert [each.id for each in account_proofs.proofs_of(account_id)] == [row.id]
    for login in ("gycloud", "nanming", "province", "王敏"):
        with pytest.raises(NotPermittedError):
            account_proofs.add_proof(account_id, proof(), actor=staff(login), now=NOW)


def test_proof_is_not_demanded_by_default(app: Flask):
    account_proofs.require_proof(is_given=False)


def test_proof_is_demanded_where_the_province_says_so(app: Flask):
    db.session.get_one(Parameter, "account_proof_required").value = True
    account_proofs.require_proof(is_given=True)
    with pytest.raises(RuleViolation):
        account_proofs.require_proof(is_given=False)


def test_sample_is_drawn_from_the_own_area_and_can_be_repeated(app: Flask):
    ids = created()
    sample = draw(seed="abc")
    assert sample.candidates == sorted(ids)
    assert len(sample.items) == 2
    assert account_sampling.repeats(sample)
    again = draw(seed="abc")
    assert [i.account_id for i in again.items] == [i.account_id for i in sample.items]
    sample.items[0].position, sample.items[1].position = 2, 1
    assert not account_sampling.repeats(sample)
    below = {row.account_id for row in draw("nanming", 50).items}
    assert below == {staff("王敏").account_id, staff("孙悦").account_id}
    with pytest.raises(RuleViolation):
        draw("zunyi")


@pytest.mark.parametrize(("second", "inside"), [(-1, False), (0, True), (1, True)])
def test_period_begins_with_its_first_second(app: Flask, second, inside):
    created(("王敏",), on=at("2022-08-01T00:00:00") + timedelta(seconds=second))
    if inside:
        assert len(draw().items) == 1
    else:
        with pytest.raises(RuleViolation):
            draw()


@pytest.mark.parametrize(("second", "inside"), [(-1, True), (0, False), (1, False)])
def test_period_ends_with_24_00_of_its_last_day(app: Flask, second, inside):
    created(("王敏",), on=at("2022-08-04T00:00:00") + timedelta(seconds=second))
    if inside:
        assert len(draw().items) == 1
    else:
        with pytest.raises(RuleViolation):
            draw()


@pytest.mark.parametrize("login", ["housing", "nmdesign", "security", "王敏"])
def test_only_departments_draw(app: Flask, login):
    created()
    with pytest.raises(NotPermittedError):
        draw(login)


def test_period_in_disorder_is_refused(app: Flask):
    with pytest.raises(RuleViolation):
        draw(period_from=TO, period_to=FROM)


def test_items_are_worked_through(app: Flask):
    created()
    sample = draw("guiyang", 4)
    item = sample.items[0]
    with pytest.raises(RuleViolation):
        judge(item, SampleState.ASKED, " ", "guiyang")
    judge(item, SampleState.ASKED, "请提供近六个月社保", "guiyang")
    told = db.session.scalars(select(Notification).where(Notification.kind == "proof_asked"))
    assert {row.params["question"] for row in told} == {"请提供近六个月社保"}
    with pytest.raises(StaleVersionError):
        account_sampling.judge_item(
            item.id,
            SampleState.IN_ORDER,
            "",
            expected_version=1,
            actor=staff("guiyang"),
            now=NOW,
        )
    judge(item, SampleState.IN_ORDER, "社保一致", "guiyang")
    assert (item.state, item.note) == (SampleState.IN_ORDER, "社保一致")
    with pytest.raises(NotPermittedError):
        judge(item, SampleState.IN_ORDER, "", "nanming")
    with pytest.raises(ConflictError):
        judge(item, SampleState.FINDING, "x", "guiyang")
    judge(sample.items[1], SampleState.IN_ORDER, "", "province")


@pytest.mark.parametrize(("beyond", "flags"), [(-1, 0), (0, 0), (1, 1)])
def test_unit_is_flagged_beyond_the_figure_of_a_day(app: Flask, beyond, flags):
    unit_id = staff("nmdesign").unit_id
    names = tuple(
        row.first_name
        for row in db.session.scalars(
            select(Account).where(Account.unit_id == unit_id, Account.person_id.is_not(None))
        )
    )
    created(names)
    figure = len(names) - beyond
    db.session.get_one(Parameter, "account_flag_per_day").value = figure
    assert account_sampling.flag_unusual(now=NOW) == flags
    assert account_sampling.flag_unusual(now=NOW) == 0
    rows = db.session.scalars(select(UnusualCreation)).all()
    assert [(row.unit_id, row.kind, row.on, row.count, row.limit) for row in rows] == [
        (unit_id, UnusualKind.DAY, date(2022, 8, 3), len(names), figure)
    ] * flags


def test_unit_is_flagged_beyond_the_growth_of_a_year(app: Flask):
    created(("王敏", "孙悦"), on=at("2022-03-01T09:00:00"))
    db.session.get_one(Parameter, "account_flag_minimum").value = 1
    db.session.get_one(Parameter, "account_flag_growth_percent").value = 1
    account_sampling.flag_unusual(now=NOW)
    flags = db.session.scalars(
        select(UnusualCreation).where(UnusualCreation.unit_id == staff("nmdesign").unit_id)
    ).all()
    assert [(f.kind, f.on) for f in flags] == [(UnusualKind.YEAR, date(2022, 1, 1))]


def test_flag_is_cleared_with_a_reason_by_a_department_above(app: Flask):
    row = UnusualCreation(
        unit_id=staff("nmdesign").unit_id,
        kind=UnusualKind.DAY,
        on=date(2022, 8, 3),
        count=60,
        limit=50,
        flagged_at=NOW,
    )
    db.session.add(row)
    db.session.flush()
    for login, reason, error in (
        ("zunyi", "x", NotPermittedError),
        ("nmhousing", "x", NotPermittedError),
        ("nanming", " ", RuleViolation),
    ):
        with pytest.raises(error):
            account_sampling.clear_flag(row.id, reason, actor=staff(login), now=NOW)
    account_sampling.clear_flag(row.id, "并入新院", actor=staff("nanming"), now=NOW)
    assert row.clear_reason == "并入新院"
    with pytest.raises(ConflictError):
        account_sampling.clear_flag(row.id, "x", actor=staff("province"), now=NOW)


def test_watch_that_runs_twice_at_once_flags_once(own_app: Flask):
    with own_app.app_context():
        created()
        db.session.get_one(Parameter, "account_flag_per_day").value = 1
        db.session.commit()
        db.session.remove()
    results = run_at_once(own_app, 4, lambda _place: account_sampling.flag_unusual(now=NOW))
    with own_app.app_context():
        rows = db.session.scalars(select(UnusualCreation)).all()
        assert sum(results) == len(rows) > 0
        db.session.remove()
