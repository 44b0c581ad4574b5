"""Finding units: any part of a name, initials, codes, former codes; ranked, scoped, indexed."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, text, true

from app.domain.codes import compute_uscc_check
from app.extensions import db
from app.models import Unit, UnitCodeAlias
from app.security.scope import read_criterion
from app.services import units
from app.services.unit_search import find_units, ids_above, index_unit
from app.services.unit_tree import PAGE, list_subordinates, show_tree
from tests.conftest import at
from tests.many_units import grow_units

NOW = at("2022-06-01T10:00:00")
NANMING = "南明区人力资源和社会保障局"


def names(typed: str, scope: Any = None, limit: int = 20) -> list[str]:
    return [
        hit.unit.name for hit in find_units(typed, true() if scope is None else scope, limit=limit)
    ]


@pytest.fixture
def rename(app: Flask) -> Any:
    """rename("新名"): a unit under that name, found by it."""
    row = db.session.scalars(select(Unit).where(Unit.name == NANMING)).one()

    def to(name: str) -> None:
        row.name = name
        index_unit(row)
        db.session.flush()

    return to


@pytest.mark.parametrize(
    "typed",
    [
        "贵阳市第8中学（南校区）",
        "贵阳",
        "阳市第",
        "中学",
        "区",
        "学",
        "第8中学",
        "南校区",
        "贵阳 南校",
        "GYSD8ZXNXQ",
        "gysd8",
        "d8zx",
        "nxq",
        "guiyang",
        "guiyangshi",
    ],
)
def test_any_part_of_a_name_finds_the_unit(rename: Any, typed: str) -> None:
    rename("贵阳市第8中学（南校区）")
    assert "贵阳市第8中学（南校区）" in names(typed)


@pytest.mark.parametrize(
    "typed", ["贵阳市中学", "学中", "南 遵义校", "xyz9", "，。", "%", "_", "'"]
)
def test_what_does_not_fit_is_not_found(rename: Any, typed: str) -> None:
    rename("贵阳市第8中学（南校区）")
    assert "贵阳市第8中学（南校区）" not in names(typed)


def test_pairs_that_stand_apart_are_no_part_of_the_name(rename: Any) -> None:
    rename("明德中学德中楼")
    assert names("明德中楼") == []
    assert names("德中楼") == ["明德中学德中楼"]


def test_nothing_typed_lists_the_scope_from_the_top(app: Flask) -> None:
    top = db.session.scalars(select(Unit.name).order_by(Unit.path).limit(3)).all()
    assert names("", limit=3) == top


def test_the_exact_code_comes_first_then_beginnings_then_the_rest(app: Flask) -> None:
    hospital = db.session.scalars(select(Unit).where(Unit.name.startswith("黔山医院"))).all()
    parent = min(hospital, key=lambda unit: len(unit.code))
    found = find_units(parent.code, true(), limit=20)
    assert found[0].unit is parent
    assert {hit.unit.id for hit in found} == {unit.id for unit in hospital}
    by_name = names("贵阳市")
    inside = [name for name in by_name if not name.startswith("贵阳市")]
    assert by_name == [*(name for name in by_name if name.startswith("贵阳市")), *inside]


def test_a_former_code_finds_the_unit_and_says_so(actor: Any) -> None:
    creator = actor("gyhousing")
    draft = units.UnitDraft(
        name="后来有代码的单位", kind=units.UnitKind.EMPLOYER, division_code="520100"
    )
    made = units.create_unit(draft, actor=creator, now=NOW).unit
    old = made.code
    body = "12520100TEXT77777"
    units.enter_own_code(made.id, body + compute_uscc_check(body), actor=creator, now=NOW)
    exact = find_units(old, true(), limit=5)
    assert (exact[0].unit.id, exact[0].former_code) == (made.id, old)
    begun = find_units(old[:-1].lower(), true(), limit=20)
    assert (made.id, old) in [(hit.unit.id, hit.former_code) for hit in begun]


def test_the_path_names_what_stands_above_within_the_scope(actor: Any) -> None:
    everything = find_units("南明区人力", true(), limit=1)[0]
    assert everything.above == ("贵州省人力资源和社会保障厅", "贵阳市人力资源和社会保障局")
    scope = read_criterion(Unit, actor("guiyang"))
    assert find_units("南明区人力", scope, limit=1)[0].above == ("贵阳市人力资源和社会保障局",)
    assert names("南明区人力", read_criterion(Unit, actor("zunyi"))) == []


def test_ids_above_leave_the_own_out() -> None:
    assert ids_above("/1/5/20/") == [1, 5]
    assert ids_above("/1/") == []


def test_hits_cost_as_many_queries_for_one_as_for_twenty(app: Flask, count_queries: Any) -> None:
    assert count_queries(lambda: find_units("局", true(), limit=20)) == 2
    assert count_queries(lambda: find_units("局", true(), limit=1)) == 2


# ---- the tree


def test_the_tree_begins_at_the_top_of_the_scope_with_one_level(actor: Any) -> None:
    own = actor("guiyang")
    tops = show_tree(read_criterion(Unit, own))
    assert [node.unit.id for node in tops] == [own.unit_id]
    below = db.session.scalars(select(Unit.id).where(Unit.parent_id == own.unit_id)).all()
    assert {node.unit.id for node in tops[0].subordinates} == set(below)
    assert tops[0].direct == len(below)
    assert (
        tops[0].total
        == len(db.session.scalars(select(Unit.id).where(Unit.path.startswith(own.unit_path))).all())
        - 1
    )
    assert not any(node.is_open for node in tops[0].subordinates)


def test_the_tree_opens_the_way_down_to_a_unit(app: Flask) -> None:
    target = db.session.scalars(select(Unit).where(Unit.name == NANMING)).one()
    level = show_tree(true(), target)
    for unit_id in [*ids_above(target.path), target.id]:
        node = next(node for node in level if node.unit.id == unit_id)
        assert node.is_open
        level = node.subordinates


def test_an_agency_sees_the_private_units_beside_it(actor: Any) -> None:
    own = actor("nmtalentcenter")
    scope = read_criterion(Unit, own)
    tops = show_tree(scope)
    assert own.unit_id in {node.unit.id for node in tops}
    assert {node.unit.kind.value for node in tops} <= {"designated_agency", "non_public"}


# ---- 20,000 units


@pytest.fixture
def many(app: Flask) -> None:
    grow_units(20_000)


def explain(typed: str, scope: Any = None) -> str:
    """The plan of the very statement that looks for `typed`."""
    sent: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        sent.append((statement, parameters))

    event.listen(db.engines[None], "before_cursor_execute", note)
    try:
        find_units(typed, true() if scope is None else scope, limit=20)
    finally:
        event.remove(db.engines[None], "before_cursor_execute", note)
    statement, parameters = sent[0]
    rows = db.session.connection().exec_driver_sql(f"EXPLAIN {statement}", parameters)
    return "\n".join(row[0] for row in rows)


def test_twenty_thousand_units_are_searched_by_index_in_a_fixed_number_of_queries(
    many: None, actor: Any, count_queries: Any
) -> None:
    assert db.session.scalar(text("SELECT count(*) FROM unit")) == 20_000
    former = db.session.scalars(select(UnitCodeAlias.code).limit(1)).one()
    for typed in ("人民医院", "息烽茶业", "rmyy", "9152010", former, "贵州 矿业"):
        assert "ix_unit_search" in explain(typed), typed
        assert "Seq Scan on unit " not in explain(typed), typed
        assert count_queries(lambda typed=typed: find_units(typed, true(), limit=20)) <= 3
    assert find_units(former, true(), limit=20)[0].former_code == former
    assert "ix_unit_path" in explain("")
    own = actor("nanming")
    scoped = find_units("有限公司", read_criterion(Unit, own), limit=20)
    assert len(scoped) == 20
    assert all(hit.unit.path.startswith(own.unit_path) for hit in scoped)
    assert "ix_unit_path" in explain("", read_criterion(Unit, own))


def test_a_level_of_the_tree_comes_in_pages(many: None, actor: Any, count_queries: Any) -> None:
    own = actor("nanming")
    scope = read_criterion(Unit, own)
    children = db.session.scalars(select(Unit.id).where(Unit.parent_id == own.unit_id)).all()
    seen: list[int] = []
    offset: int | None = 0
    while offset is not None:
        nodes, offset = list_subordinates(own.unit_id, scope, offset=offset)
        assert len(nodes) <= PAGE
        seen += [node.unit.id for node in nodes]
    assert sorted(seen) == sorted(children)
    assert len(children) > PAGE
    last = db.session.get_one(Unit, seen[-1])
    top = show_tree(scope, last)[0]
    assert len(top.subordinates) == PAGE + 1
    assert top.subordinates[-1].unit is last
    assert (top.next_offset, top.direct) == (PAGE, len(children))
    deep = db.session.scalars(
        select(Unit).where(Unit.path.startswith(own.unit_path)).order_by(Unit.code_suffix).limit(1)
    ).one()
    assert count_queries(lambda: show_tree(scope)) == 3
    assert count_queries(lambda: show_tree(scope, deep)) == 3 + 1  # `deep` itself is read again
    assert count_queries(lambda: list_subordinates(own.unit_id, scope)) == 2
