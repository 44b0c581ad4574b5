"""Custom fields: written, read, filtered and sorted in every kind; their indexes; two at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app import clock, settling
from app.extensions import db, unit_of_work
from app.jobs import sweeping
from app.models import AuditEntry, Division, JobRun, Person, Specialty, StoredFile, Unit
from app.security.veil import HIDDEN, Veil
from app.services.actors import Actor
from app.services.definitions import custom_fields as cf
from app.services.form_definition import Field, Label
from app.services.form_values import InvalidValuesError
from tests.applicants import small_png
from tests.custom_screens import KINDS, UNSORTED, ship_fields
from tests.services.test_applications_parallel import run_at_once

NOW = clock.real_now()
SYSTEM = Actor(None, "test", frozenset())
PNG = small_png()
Fields = dict[str, Field]


@pytest.fixture
def fields(app: Flask) -> Fields:
    return ship_fields()


@pytest.fixture
def specialties(app: Flask) -> list[Specialty]:
    return list(db.session.scalars(select(Specialty).order_by(Specialty.id).limit(3)))


def put(row: Any, fields: Fields, **typed: Any) -> dict[str, Any]:
    return cf.set_values(row, typed, fields.values(), actor=SYSTEM, now=NOW)


def keys() -> dict[str, Any]:
    """A key of each table that values refer to."""
    return {
        "x_person": db.session.scalars(select(Person.id).limit(1)).one(),
        "x_unit": db.session.scalars(select(Unit.id).limit(1)).one(),
        "x_division": db.session.scalars(select(Division.code).limit(1)).one(),
    }


def every_value() -> dict[str, tuple[Any, Any]]:
    """(typed, stored) of every kind that is typed."""
    return {
        "x_text": (" 一 层\n", "一 层"),
        "x_long": ("一\r\n二", "一\n二"),
        "x_number": ("１２.5", 12.5),
        "x_date": ("2022年8月5日", "2022-08-05"),
        "x_month": ("2022/8", "2022-08"),
        "x_flag": ("1", True),
        "x_choice": ("b", "b"),
        "x_choices": (["02", "01"], ["01", "02"]),
        "x_rows": (
            [{"x_place": "贵阳", "x_count": "3"}, {"x_place": "", "x_count": ""}],
            [{"x_place": "贵阳", "x_count": 3}],
        ),
        **{name: (str(key), key) for name, key in keys().items()},
    }


def test_every_kind_is_stored_in_its_own_form(fields: Fields, specialties: list[Specialty]):
    given = every_value()
    assert {*given, "x_file"} == set(KINDS)
    row = specialties[0]
    put(row, fields, **{name: typed for name, (typed, _stored) in given.items()})
    db.session.expire(row)
    found = cf.values_of(row)
    for each in found["x_rows"]:
        assert len(each.pop("row_id")) == 8
    assert found == {name: stored for name, (_typed, stored) in given.items()}
    assert row.x_number == 12.5
    assert row.x_absent is None
    with pytest.raises(AttributeError):
        _ = row.y_other
    assert cf.values_of(Veil(row, frozenset({"custom"}))) == {}
    assert Veil(row, frozenset({"custom"})).x_number is HIDDEN


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("x_text", "长" * 301),
        ("x_long", "长" * 20_001),
        ("x_number", "twelve"),
        ("x_number", "-1"),
        ("x_number", "100"),
        ("x_date", "2022-02-30"),
        ("x_month", "2022-13"),
        ("x_choice", "c"),
        ("x_choices", ["01", "nobody"]),
        ("x_person", "999999999"),
        ("x_person", "1 OR 1=1"),
        ("x_unit", "9999999999"),
        ("x_unit", "-1"),
        ("x_division", "000001"),
        ("x_rows", [{"x_place": "甲", "x_count": "x"}]),
        ("x_file", cf.FileChange([("a.png", b"no picture")])),
        ("x_file", cf.FileChange([("a.png", PNG), ("b.png", PNG + b"\0")])),
    ],
)
def test_what_cannot_be_stored_is_refused_beside_its_field(
    fields: Fields, specialties: list[Specialty], name: str, typed: Any
):
    with pytest.raises(InvalidValuesError) as refused:
        put(specialties[0], fields, x_flag="1", **{name: typed})
    assert [fault.path.split(".")[0] for fault in refused.value.faults] == [name]
    assert cf.values_of(specialties[0]) == {}


def test_a_required_field_cannot_be_emptied(app: Flask, specialties: list[Specialty]):
    fields = ship_fields(
        x_text={"kind": "text", "is_required": True},
        x_file={"kind": "file", "is_required": True},
    )
    with pytest.raises(InvalidValuesError) as refused:
        put(specialties[0], fields, x_text=" ", x_file=cf.FileChange())
    assert [fault.path for fault in refused.value.faults] == ["x_text", "x_file"]
    assert put(specialties[0], fields, x_text="1") == {"x_text": "1"}, (
        "what is not typed is not asked"
    )


def test_unknown_and_retired_fields_are_refused_and_keep_their_data(
    app: Flask, specialties: list[Specialty]
):
    row = specialties[0]
    put(row, ship_fields(x_old={"kind": "text"}), x_old="kept")
    fields = ship_fields(x_old={"kind": "text", "is_retired": True}, x_new={"kind": "text"})
    assert list(fields) == ["x_new"]
    for name in ("x_old", "x_never", "name", "x_new'"):
        with pytest.raises(cf.UnknownFieldError):
            put(row, fields, **{name: "changed"})
    put(row, fields, x_new="added")
    assert row.custom == {"x_old": "kept", "x_new": "added"}


def test_a_change_is_logged_before_and_after_and_masked(
    fields: Fields, specialties: list[Specialty]
):
    row = specialties[0]
    put(row, fields, x_text="一", x_number="1")
    assert put(row, fields, x_text="手机13985000001", x_number="1") == {"x_text": "手机13985000001"}
    assert put(row, fields, x_text="手机13985000001", x_flag="") == {"x_flag": False}
    assert put(row, fields, x_flag="") == {}
    entries = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "set_custom_fields").order_by(AuditEntry.id)
    ).all()
    assert [entry.before["custom"] for entry in entries] == [
        {"x_number": None, "x_text": None},
        {"x_text": "一"},
        {"x_flag": None},
    ]
    assert "13985000001" not in str(entries[1].after)
    assert {entry.object_id for entry in entries} == {str(row.id)}


def test_files_are_kept_by_their_content_and_taken_away(app: Flask, specialties: list[Specialty]):
    fields = ship_fields(x_file={"kind": "file", "multiple": True})
    row = specialties[0]
    put(row, fields, x_file=cf.FileChange([("证明.png", PNG), ("又.png", PNG)]))
    [kept] = cf.values_of(row)["x_file"]
    assert kept["name"] == "证明.png"
    assert db.session.get_one(StoredFile, kept["sha256"]).byte_count == len(PNG)
    put(row, fields, x_file=cf.FileChange(removed={kept["sha256"]}))
    assert cf.values_of(row) == {}


# --------------------------------------------------------------------------- filtering, sorting


def spread(specialties: list[Specialty], fields: Fields, name: str, *typed: Any) -> None:
    for row, value in zip(specialties, typed, strict=False):
        put(row, fields, **{name: value})


def found(condition: Any) -> list[int]:
    assert condition is not None
    return list(db.session.scalars(select(Specialty.id).where(condition).order_by(Specialty.id)))


@pytest.mark.parametrize(
    ("name", "typed", "question", "asked", "places"),
    [
        ("x_text", ("第一百%", "第二", "一百"), cf.contains, "百", [0, 2]),
        ("x_text", ("第一百%", "第二", "一百"), cf.contains, "%", [0]),
        ("x_text", ("a" * 250, "a" * 251, "b"), cf.equals, "a" * 250, [0]),
        ("x_long", ("一\n二", "三", "四"), cf.contains, "二", [0]),
        ("x_number", ("9", "10", "10.0"), cf.equals, "10", [1, 2]),
        ("x_number", ("9", "10", "11"), cf.at_least, "10", [1, 2]),
        ("x_number", ("9", "10", "11"), cf.at_most, "10", [0, 1]),
        ("x_date", ("2022-08-04", "2022-08-05", "2022-08-06"), cf.at_least, "2022/8/5", [1, 2]),
        ("x_month", ("2021-12", "2022-01", "2022-02"), cf.at_most, "2022-01", [0, 1]),
        ("x_flag", ("1", ""), cf.equals, "y", [0]),
        ("x_flag", ("1", ""), cf.equals, "n", [1]),
        ("x_choice", ("a", "b", "a"), cf.equals, "a", [0, 2]),
        ("x_choices", (["01", "02"], ["02"], ["01"]), cf.equals, "02", [0, 1]),
    ],
)
def test_lists_are_filtered(
    fields: Fields,
    specialties: list[Specialty],
    name: str,
    typed: Any,
    question: Any,
    asked: str,
    places: list[int],
):
    spread(specialties, fields, name, *typed)
    answer = found(question(Specialty, fields[name], asked))
    assert answer == [specialties[place].id for place in places]


def test_lists_are_filtered_by_what_a_value_refers_to(fields: Fields, specialties: list[Specialty]):
    for name, key in keys().items():
        put(specialties[1], fields, **{name: str(key)})
        assert found(cf.equals(Specialty, fields[name], str(key))) == [specialties[1].id]


@pytest.mark.parametrize(
    ("name", "asked"),
    [("x_number", "ten"), ("x_date", "2022-02-30"), ("x_flag", "maybe"), ("x_unit", "x")],
)
def test_what_cannot_be_a_value_filters_nothing(fields: Fields, name: str, asked: str):
    assert cf.equals(Specialty, fields[name], asked) is None
    assert cf.at_least(Specialty, fields["x_number"], "much") is None
    assert cf.contains(Specialty, fields["x_text"], " ") is None


@pytest.mark.parametrize("name", sorted(set(KINDS) - UNSORTED))
def test_lists_are_sorted_with_empty_values_last_and_the_key_at_the_end(
    fields: Fields, specialties: list[Specialty], name: str
):
    small, great = {
        "x_text": ("甲", "乙") if "甲" < "乙" else ("乙", "甲"),
        "x_number": ("9", "10"),
        "x_date": ("2021-12-31", "2022-01-01"),
        "x_month": ("2021-12", "2022-01"),
        "x_flag": ("", "1"),
        "x_choice": ("a", "b"),
    }[name]
    first, second, third = specialties
    put(first, fields, **{name: great})
    put(second, fields, **{name: small})
    put(third, fields, **{name: small})
    for is_descending, wanted in ((False, [second, third, first]), (True, [first, third, second])):
        order = cf.order_by(Specialty, fields[name], is_descending=is_descending)
        rows = db.session.scalars(select(Specialty.id).order_by(*order)).all()
        assert list(rows[:3]) == [row.id for row in wanted]


@pytest.mark.parametrize("name", ["x_a'b", "x_", "name", "x_A", 'x_a"', "x_" + "a" * 51, "x_a\n"])
def test_no_other_name_gets_into_a_statement(app: Flask, name: str):
    field = Field(name, "text", Label(""), Label(""))
    for ask in (cf.expression, lambda m, f: cf.contains(m, f, "a")):
        with pytest.raises(LookupError):
            ask(Specialty, field)


# --------------------------------------------------------------------------- indexes


def build() -> None:
    for index in cf.wanted_indexes().values():
        cf.make_index(index)


def test_an_index_follows_the_definition(fields: Fields):
    wanted = cf.wanted_indexes()
    assert sum(index.field == "x_number" for index in wanted.values()) == 2
    assert sum(index.field == "x_choices" for index in wanted.values()) == 1
    assert {index.field for index in wanted.values()} == set(KINDS) - {"x_long", "x_file", "x_rows"}
    build()
    build()
    assert cf.present_indexes() == set(wanted)
    ship_fields(x_number={"kind": "number"}, x_text={"kind": "text", "is_retired": True})
    assert len(cf.wanted_indexes()) == 2
    for name in cf.present_indexes() - set(cf.wanted_indexes()):
        cf.drop_index(name)
    assert cf.present_indexes() == set(cf.wanted_indexes())


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("x_text", "一"),
        ("x_number", "7"),
        ("x_date", "2022-08-05"),
        ("x_month", "2022-08"),
        ("x_flag", "y"),
        ("x_choice", "a"),
        ("x_choices", "01"),
        ("x_unit", "7"),
        ("x_person", "7"),
        ("x_division", "520000"),
    ],
)
def test_filters_and_orders_use_the_index(fields: Fields, name: str, asked: str):
    index = next(each for each in cf.wanted_indexes().values() if each.field == name)
    cf.make_index(index)
    db.session.execute(text("SET LOCAL enable_seqscan = off"))
    query = select(Specialty.id).where(cf.equals(Specialty, fields[name], asked))
    assert index.name in explain(query)
    if name not in UNSORTED:
        cf.make_index(cf.CustomIndex(index.table, index.field, index.shape, "DESC"))
        for is_descending in (False, True):
            order = cf.order_by(Specialty, fields[name], is_descending=is_descending)
            plan = explain(select(Specialty.id).order_by(*order).limit(5))
            assert "cf_specialty" in plan
            assert "Sort" not in plan


def explain(query: Any) -> str:
    """The plan, with parameters as the driver sends them."""
    compiled = query.compile(db.engine, compile_kwargs={"render_postcompile": True})
    ready = compiled._bind_processors
    values = {name: ready.get(name, lambda v: v)(v) for name, v in compiled.params.items()}
    rows = db.session.connection().exec_driver_sql(f"EXPLAIN {compiled}", values)
    return "\n".join(row[0] for row in rows)


def test_the_longest_texts_fit_into_the_index(fields: Fields, specialties: list[Specialty]):
    build()
    put(specialties[0], fields, x_text="𠮷" * 300)
    assert len(cf.values_of(specialties[0])["x_text"]) == 300


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT make_custom_index('ix_other', 'specialty', 'x_a', 'text', 'ASC')",
        "SELECT make_custom_index('cf_a', 'person', 'x_a', 'text', 'ASC')",
        "SELECT make_custom_index('cf_a', 'specialty', 'name', 'text', 'ASC')",
        "SELECT make_custom_index('cf_a', 'specialty', 'x_a''', 'text', 'ASC')",
        "SELECT make_custom_index('cf_a', 'specialty', 'x_a', 'hash', 'ASC')",
        "SELECT make_custom_index('cf_a', 'specialty', 'x_a', 'text', 'ASC, name')",
        "SELECT make_custom_index('cf_a', 'specialty; DROP TABLE unit', 'x_a', 'text', 'ASC')",
        "SELECT make_custom_index('cf_a', 'specialty', NULL, 'text', 'ASC')",
        "SELECT drop_custom_index('ix_unit_path')",
        "SELECT drop_custom_index('cf_none')",
        "CREATE INDEX cf_own ON specialty (id)",
    ],
)
def test_the_application_makes_and_drops_no_other_index(app: Flask, statement: str):
    with pytest.raises(DBAPIError) as refused, db.session.begin_nested():
        db.session.execute(text(statement))
    assert refused.value.orig.sqlstate == "42501", "insufficient_privilege"


def test_the_job_makes_and_drops_indexes_and_says_what_it_could_not(own_app: Flask):
    with own_app.app_context():
        with unit_of_work():
            ship_fields(x_number={"kind": "number"})
        assert settling.tend_custom_indexes() == (2, 2)
        assert settling.tend_custom_indexes() == (0, 0)
        with unit_of_work():
            ship_fields(x_text={"kind": "text"})
        wanted = cf.wanted_indexes()
        db.session.rollback()
        with db.engine.connect() as writer:
            writer.execute(text("UPDATE specialty SET number = number"))
            settling.INDEX_WAIT_SECONDS, before = 1, settling.INDEX_WAIT_SECONDS
            try:
                with pytest.raises(cf.IndexNotMadeError) as failed:
                    sweeping.tend_custom_indexes()
            finally:
                settling.INDEX_WAIT_SECONDS = before
            assert failed.value.params["count"] == 4
            writer.rollback()
        run = db.session.scalars(select(JobRun).where(JobRun.job == "custom_indexes")).one()
        assert run.error == "IndexNotMadeError"
        db.session.rollback()
        assert settling.tend_custom_indexes() == (4, 4)
        assert cf.present_indexes() == set(wanted)


# --------------------------------------------------------------------------- two at once


def test_two_writers_of_different_fields_lose_nothing(own_app: Flask):
    with own_app.app_context():
        with unit_of_work():
            fields = ship_fields()
        row_id = db.session.scalars(select(Specialty.id).limit(1)).one()
        db.session.remove()

    loaded = threading.Barrier(2)

    for turn in range(5):

        def write(place: int, turn: int = turn) -> None:
            row = db.session.get_one(Specialty, row_id)
            loaded.wait(10)  # both have read the row before either writes
            put(row, fields, **[{"x_number": str(turn)}, {"x_text": f"第{turn}"}][place])

        assert run_at_once(own_app, 2, write) == [None, None]
        with own_app.app_context():
            row = db.session.get_one(Specialty, row_id)
            assert (row.custom["x_number"], row.custom["x_text"]) == (turn, f"第{turn}")
            db.session.remove()
