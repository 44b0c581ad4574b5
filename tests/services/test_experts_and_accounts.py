"""Experts and their pool (R10-R12); initial passwords and late accounts (E9, E11)."""

from __future__ import annotations

from datetime import date

import pytest
from flask import Flask
from sqlalchemy import select

from app.domain.errors import CommitteeRuleError, ConflictError, NotPermittedError, RuleViolation
from app.domain.terms import PanelRole, TitleLevel, UnitKind
from app.extensions import db
from app.models import AuditEntry, Committee, Expert, ExpertPoolMember, Person
from app.services import activation_codes, experts, settings, units
from app.services.units import UnitDraft
from tests.conftest import at
from tests.factories import staff

NOW = at("2022-06-30T23:00:00")
LATE = at("2022-07-01T00:00:00")
OFFICE = "office_building_senior"


def committee() -> Committee:
    return db.session.scalars(
        select(Committee).where(Committee.name.startswith("贵州省工程系列建筑专业高级"))
    ).one()


def draft(name: str = "王敏", **changes: object) -> experts.ExpertDraft:
    person = db.session.scalars(select(Person).where(Person.name == name)).one()
    given = {
        "identity_number": person.identity_number,
        "series_id": committee().series_id,
        "title_level": TitleLevel.SENIOR,
        "title_name": "正高级工程师",
        "term_from": date(2022, 6, 1),
        "term_to": date(2025, 5, 31),
    }
    return experts.ExpertDraft(**{**given, **changes})  # type: ignore[arg-type]


def test_expert_of_three_years_joins_the_pool_and_signs_in_as_expert(app: Flask):
    expert = experts.add_expert(draft(), actor=staff(OFFICE), now=NOW)
    experts.add_to_pool(committee().id, expert.id, PanelRole.MEMBER, actor=staff(OFFICE), now=NOW)
    assert db.session.get(ExpertPoolMember, (committee().id, expert.id)) is not None
    assert "expert" in {role.value for role in staff("王敏").roles}
    with pytest.raises(ConflictError):
        experts.add_expert(draft(), actor=staff(OFFICE), now=NOW)
    experts.remove_from_pool(committee().id, expert.id, actor=staff(OFFICE), now=NOW)
    assert db.session.get(ExpertPoolMember, (committee().id, expert.id)) is None


def test_term_over_three_years_and_unknown_people_are_refused(app: Flask):
    with pytest.raises(CommitteeRuleError):
        experts.add_expert(draft(term_to=date(2025, 6, 2)), actor=staff(OFFICE), now=NOW)
    with pytest.raises(RuleViolation):
        experts.add_expert(draft(identity_number="1"), actor=staff(OFFICE), now=NOW)
    with pytest.raises(NotPermittedError):
        experts.add_expert(draft(), actor=staff("guiyang"), now=NOW)


def test_title_below_the_committee_and_ended_terms_stay_out_of_the_pool(app: Flask):
    low = experts.add_expert(
        draft(title_level=TitleLevel.INTERMEDIATE), actor=staff(OFFICE), now=NOW
    )
    with pytest.raises(CommitteeRuleError):
        experts.add_to_pool(committee().id, low.id, PanelRole.MEMBER, actor=staff(OFFICE), now=NOW)
    low.title_level = TitleLevel.ASSOCIATE_SENIOR
    experts.end_term(low.id, "泄露评审内容", actor=staff(OFFICE), now=NOW)
    with pytest.raises(CommitteeRuleError):
        experts.add_to_pool(committee().id, low.id, PanelRole.MEMBER, actor=staff(OFFICE), now=NOW)


def test_another_office_does_not_touch_the_pool(app: Flask):
    expert = db.session.scalars(select(Expert)).first()
    assert expert is not None
    with pytest.raises(NotPermittedError):
        experts.add_to_pool(
            committee().id, expert.id, PanelRole.MEMBER, actor=staff("gyhousing"), now=NOW
        )


def _new_unit(now):
    given = UnitDraft(name="新单位", kind=UnitKind.EMPLOYER, division_code="520100")
    return units.create_unit(given, actor=staff("gyhousing"), now=now)


@pytest.mark.parametrize(("now", "is_late"), [(NOW, False), (LATE, True)])
def test_account_after_30_june_is_created_and_logged_as_late(app: Flask, now, is_late):
    made = _new_unit(now)
    assert made.account.is_late is is_late
    entry = db.session.scalars(
        select(AuditEntry).where(
            AuditEntry.action == "create_account",
            AuditEntry.object_id == str(made.account.account.id),
        )
    ).one()
    assert entry.after["is_late"] is is_late


def test_initial_password_is_random_unless_the_province_switches_the_printed_one_on(app: Flask):
    codes = {activation_codes.initial_password() for _number in range(50)}
    assert len(codes) == 50
    assert "123@abc" not in codes
    settings.set_parameter("shared_initial_password_enabled", True)
    made = _new_unit(NOW)
    assert made.account.activation_code == "123@abc"
    assert made.account.account.password is None
    held = made.account.account.activation_hash
    assert held == activation_codes.hash_activation_code("123@abc")
    assert made.account.account.must_change_password
