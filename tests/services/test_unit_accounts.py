"""Who is told what reaches a unit: those who handle applications there, nobody else."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select

from app.extensions import db
from app.models import Account, Unit
from app.services.transitions import accounts_of_unit


def people_of(unit: Unit) -> list[str]:
    rows = db.session.scalars(
        select(Account.first_name).where(Account.id.in_(accounts_of_unit(unit.id)))
    )
    return sorted(rows)


def test_accounts_of_unit_leaves_out_applicants_and_experts(
    unit: Callable[[str], Unit],
) -> None:
    handlers = people_of(unit("黔中建筑设计院（演示）"))
    assert handlers == ["刘伟", "黔中建筑设计院账号"]  # 刘伟 is its real-name handler


def test_accounts_of_unit_includes_the_committee_office(unit: Callable[[str], Unit]) -> None:
    assert people_of(unit("贵州省住房和城乡建设厅")) == ["应维新", "朱玉洁"]


def test_accounts_of_unit_leaves_out_the_administrators(unit: Callable[[str], Unit]) -> None:
    told = people_of(unit("贵州省人力资源和社会保障厅"))
    assert told == ["丁向东", "蔡维新", "谢丽华"]
