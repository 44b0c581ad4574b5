"""A seeded province of 20,000 units, for tests and measurements of lists and pickers."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ARRAY, Text, bindparam, func, insert, select, text

from app.domain.codes import compute_suffix, compute_uscc_check
from app.domain.terms import UnitKind
from app.extensions import db
from app.models import Unit, UnitCodeAlias
from app.services.search_text import pinyin_initials, search_words

SEED = 2022
PLACES = "云岩观山湖花溪乌当白清镇修文息烽开阳红播汇川桐梓绥正安道真务凤冈湄潭余庆习赤水仁怀"
TRADES = ("建设", "矿业", "茶业", "酒业", "药业", "科技", "水利", "交通", "农业", "文化", "环保")
BODIES = ("第一中学", "人民医院", "实验小学", "水务中心", "设计院", "研究所", "图书馆", "疾控中心")
SECTORS = ("住房和城乡建设局", "教育局", "卫生健康局", "水务局", "农业农村局", "文化和旅游局")
INSTITUTIONS, BRANCHES, COMPANIES = 12, 3, 40


def grow_units(count: int = 20_000) -> None:
    """Add units below the HRSS departments of the demo until there are `count`; always the same.

    Each department gets competent departments, these their institutions, the institutions branches
    with derived codes; private companies stand below the department itself. Every 97th unit has
    a former code.
    """
    have = db.session.scalar(select(func.count(Unit.id))) or 0
    rows = list(itertools.islice(_make_units(random.Random(SEED)), max(count - have, 0)))
    former = [
        {"unit_id": row["id"], "code": _uscc("52", "520000", 900_000 + number)}
        for number, row in enumerate(rows[::97])
    ]
    for row, alias in zip(rows[::97], former, strict=True):
        row["words"].append(alias["code"].lower())
    vector = func.array_to_tsvector(bindparam("words", type_=ARRAY(Text)))
    table: Any = Unit.__table__
    db.session.execute(insert(table).values(search=vector), rows)
    db.session.execute(insert(UnitCodeAlias), former)
    db.session.execute(text("SET LOCAL ROLE none"))  # numbers are the owner's to set
    db.session.execute(text("SELECT setval('unit_id_seq', (SELECT max(id) FROM unit))"))
    db.session.execute(text("ANALYZE unit"))
    db.session.execute(text("ANALYZE unit_code_alias"))


def _make_units(rng: random.Random) -> Iterator[dict[str, Any]]:
    ids = itertools.count((db.session.scalar(select(func.max(Unit.id))) or 0) + 1)
    serial = itertools.count(1)
    departments = db.session.scalars(
        select(Unit).where(Unit.kind == UnitKind.HRSS).order_by(Unit.id)
    ).all()

    def make(
        name: str, kind: UnitKind, above: dict[str, Any], head: str, suffix: str | None = None
    ) -> dict[str, Any]:
        division = above["division_code"]
        code = above["code"] + suffix if suffix else _uscc(head, division, next(serial))
        unit_id = next(ids)
        return {
            "id": unit_id,
            "version": 1,
            "name": name,
            "kind": kind,
            "level": above["level"],
            "code": code,
            "code_suffix": suffix,
            "parent_id": above["id"],
            "path": f"{above['path']}{unit_id}/",
            "division_code": division,
            "registrar": f"{name[:6]}市场监督管理局" if kind is UnitKind.NON_PUBLIC else None,
            "registrar_level": above["level"] if kind is UnitKind.NON_PUBLIC else None,
            "is_self_reviewing": False,
            "is_active": unit_id % 53 != 0,
            "pinyin": pinyin_initials(name),
            "words": search_words(name, code),
        }

    for _round in itertools.count():
        for row in departments:
            top = {
                "id": row.id,
                "path": row.path,
                "code": row.code,
                "division_code": row.division_code,
                "level": row.level,
            }
            place = row.name.removesuffix("人力资源和社会保障局").removesuffix(
                "人力资源和社会保障厅"
            )
            sector = make(f"{place}{rng.choice(SECTORS)}", UnitKind.COMPETENT_DEPARTMENT, top, "11")
            yield sector
            for _nth in range(INSTITUTIONS):
                name = f"{place}{''.join(rng.sample(PLACES, 2))}{rng.choice(BODIES)}"
                institution = make(name, UnitKind.EMPLOYER, sector, "12")
                yield institution
                for branch in range(1, BRANCHES + 1):
                    yield make(
                        f"{name}{'东西南'[branch - 1]}院区",
                        UnitKind.EMPLOYER,
                        institution,
                        "12",
                        compute_suffix(branch),
                    )
            for _nth in range(COMPANIES):
                name = f"贵州{''.join(rng.sample(PLACES, 2))}{rng.choice(TRADES)}有限公司"
                yield make(name, UnitKind.NON_PUBLIC, top, "91")


def _uscc(head: str, division: str, number: int) -> str:
    body = f"{head}{division}MA{number:07d}"
    return body + compute_uscc_check(body)
