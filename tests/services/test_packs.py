"""配置包: exported, compared, taken over whole or not at all, on two databases."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, text

from app import clock
from app.domain.errors import DomainError, NotPermittedError, RuleViolation
from app.domain.terms import PackPurpose
from app.domain.workflow import ActorRole
from app.extensions import db, unit_of_work
from app.models import (
    AuditEntry,
    Committee,
    ConfigurationPack,
    Dictionary,
    DictionaryEntry,
    MaterialRequirement,
    Parameter,
)
from app.services.actors import Actor
from app.services.definitions import store
from app.services.definitions.versions import newest_version
from app.services.form_definition import APPLICATION_FORM
from app.services.options import save_entry, save_reason
from app.services.packs import archive, importing, planning
from app.services.packs.archive import PackRefusedError
from app.services.packs.planning import Choice, Effect, Item, Plan
from app.services.packs.registry import KINDS, read_configuration
from app.services.packs.scan import NotForPacksError
from app.services.parameters import change_parameter
from tests.conftest import AS_APPLICATION, PASSWORD, make_app, run_sql

ETHNICITY = "sections/profile/fields/ethnicity"
NOW = clock.real_now()
EVERY_KIND = {kind.name for kind in KINDS}
CLI = Actor(None, "test", frozenset(importing.CONFIGURERS))
FORMAT_1 = Path(__file__).parent / "pack_of_format_1.zip"


@pytest.fixture
def officer(actor: Callable[[str], Actor]) -> Actor:
    return actor("province")


def export(*, is_bare: bool = True) -> bytes:
    return importing.export_pack(actor=CLI, now=NOW, is_bare=is_bare)[1]


def publish(values: Mapping[str, Any], scope: str = "", actor: Actor = CLI) -> None:
    current = newest_version(APPLICATION_FORM, scope)
    changes = {**(current.changes if current else {}), **values}
    store.publish_changes(
        APPLICATION_FORM, changes, scope=scope, reason="测试", actor=actor, now=NOW
    )


def set_parameter(key: str, value: str) -> None:
    row = db.session.get_one(Parameter, key)
    change_parameter(key, value, expected_version=row.version, reason="", actor=CLI, now=NOW)


def rename_entry(dictionary: str, code: str, name: str) -> None:
    row = db.session.scalars(
        select(DictionaryEntry).filter_by(dictionary=dictionary, code=code)
    ).one()
    values = {"dictionary": dictionary, "code": code, "name": name, "position": row.position}
    save_entry(row.id, values | {"is_active": True}, actor=CLI, now=NOW)


def change_everything() -> None:
    """One change of every kind."""
    rename_entry("ethnicity", "01", "汉族（改）")
    db.session.get_one(Dictionary, "ethnicity").name = "民族（改）"
    reason = {"use": "return", "code": "wrong_stamp", "name": "盖章不清", "source": "本省"}
    save_reason(None, reason | {"position": 5, "is_active": True}, actor=CLI, now=NOW)
    set_parameter("call_days_before_window", "35")
    committee = db.session.scalars(select(Committee).order_by(Committee.id)).first()
    assert committee is not None
    committee.requirements[0].note = "扫描件须清晰"
    publish({f"{ETHNICITY}/label_zh": "民族成份"})
    publish({f"{ETHNICITY}/help_zh": "按户口簿"}, f"committee:{committee.id}")
    db.session.flush()


def upload(content: bytes, actor: Actor = CLI, name: str = "包.zip") -> ConfigurationPack:
    return importing.keep_upload(name, content, actor=actor, now=NOW)


def take_over(
    content: bytes, choices: Mapping[str, Choice] | None = None, actor: Actor = CLI
) -> Plan:
    row = upload(content, actor)
    plan = importing.try_out(row, choices, actor=actor, now=NOW)
    chosen = {item.token: item.choice for item in plan.items} | dict(choices or {})
    return importing.import_pack(row, chosen, expected_state=plan.state, actor=actor, now=NOW)


def take_over_all(content: bytes) -> Plan:
    """Overwrite conflicts too: a list of materials entered here is nobody's default."""
    plan = look_at(content)
    conflicts = [item for item in plan.items if item.effect is Effect.CONFLICT]
    return take_over(content, {item.token: Choice.OVERWRITE for item in conflicts})


def look_at(content: bytes) -> Plan:
    return importing.try_out_file("包.zip", content, actor=CLI, now=NOW)


def only(plan: Plan, kind: str) -> Item:
    (found,) = [item for item in plan.items if item.kind.name == kind]
    return found


def test_the_seeded_configuration_goes_out_and_comes_back_unchanged(app: Flask):
    content = export()
    plan = look_at(content)
    assert plan.items == []
    assert plan.unchanged == sum(len(objects) for objects in read_configuration().values()) > 100
    assert export() == content


def test_what_is_exported_is_sorted_and_says_where_it_comes_from(app: Flask):
    change_everything()
    assert export() == export()
    members = read_zip(export(is_bare=False))
    manifest = members["manifest"]
    assert (manifest["format"], manifest["version"]) == (2, archive.product_version())
    assert manifest["origin"]["portal"] == app.config["APP_NAME"]
    assert manifest["origin"]["base"] is None
    assert {*members} == {"manifest", *(kind.name for kind in KINDS)}
    assert members["parameters"] == {
        "objects": [{"parameter": "call_days_before_window", "value": 35}]
    }
    layers = members["definitions"]["objects"]
    committee = db.session.scalars(select(Committee.name).order_by(Committee.id)).first()
    assert [layer["committee"] for layer in layers] == ["", committee]
    bare = read_zip(export())
    assert "origin" not in bare["manifest"]
    del manifest["origin"]
    assert bare == members


@pytest.fixture
def second_app(running: Any, template: str, tmp_path: Path) -> Iterator[Flask]:
    """Another portal, on a fresh database."""
    run_sql(running, f"CREATE DATABASE second_portal TEMPLATE {template}")
    (tmp_path / "second").mkdir()
    app = make_app(
        running, "second_portal", tmp_path / "second", SQLALCHEMY_ENGINE_OPTIONS=AS_APPLICATION
    )
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    run_sql(running, "DROP DATABASE second_portal WITH (FORCE)")


def test_a_second_portal_looks_like_the_first(own_app: Flask, second_app: Flask):
    with own_app.app_context(), unit_of_work():
        change_everything()
        content = export()
    with second_app.app_context():
        assert export() != content
        with unit_of_work():
            plan = take_over_all(content)
        assert {item.kind.name for item in plan.to_do()} == {kind.name for kind in KINDS} - {
            "calendars"
        }
        assert export() == content
        assert look_at(content).items == []
        assert label_in_force() == "民族成份"
        version = newest_version(APPLICATION_FORM)
        assert version is not None
        assert (version.reason, version.number) == ("导入配置包 包.zip", 2)
        assert db.session.get_one(Parameter, "call_days_before_window").value == 35
        backup = kept(PackPurpose.BACKUP)
        assert (backup.note, kept(PackPurpose.APPLIED).filename) == ("包.zip", "包.zip")
        assert (
            db.session.scalars(
                select(ConfigurationPack.id).filter_by(purpose=PackPurpose.UPLOADED)
            ).all()
            == []
        )
        entry = db.session.scalars(
            select(AuditEntry).filter_by(action="import_configuration")
        ).one()
        assert (entry.reason, entry.after["new"], entry.before["backup"]) == (
            "导入配置包 包.zip",
            plan.count(Effect.NEW),
            backup.id,
        )
        with unit_of_work():
            back = importing.try_out(backup, actor=CLI, now=NOW)
            assert {item.effect for item in back.items} == {Effect.CHANGED, Effect.DELETED}
            ticked = {
                item.token: Choice.DELETE if item.effect is Effect.DELETED else item.choice
                for item in back.items
            }
            importing.import_pack(backup, ticked, expected_state=back.state, actor=CLI, now=NOW)
        assert label_in_force() == "民族"
        assert db.session.get_one(Parameter, "call_days_before_window").value == 30


def label_in_force() -> str:
    form = store.current(APPLICATION_FORM)
    fields = next(s for s in form["sections"] if s["key"] == "profile")["fields"]
    found: str = next(f for f in fields if f["name"] == "ethnicity")["label_zh"]
    return found


def kept(purpose: PackPurpose) -> ConfigurationPack:
    return db.session.scalars(
        select(ConfigurationPack).filter_by(purpose=purpose).order_by(ConfigurationPack.id.desc())
    ).first()


def test_what_this_portal_has_changed_itself_is_a_conflict_and_stays(app: Flask):
    rename_entry("ethnicity", "01", "汉")
    publish({f"{ETHNICITY}/label_zh": "甲", f"{ETHNICITY}/help_zh": "乙"})
    content = export()
    rename_entry("ethnicity", "01", "汉族人")
    publish({f"{ETHNICITY}/label_zh": "丙"})
    plan = look_at(content)
    assert {item.effect for item in plan.items} == {Effect.CONFLICT}
    assert {item.choice for item in plan.items} == {Choice.SKIP}
    entry, form = only(plan, "dictionary_entries"), only(plan, "definitions")
    assert [(c.path, c.before, c.after) for c in entry.differences] == [("name", "汉族人", "汉")]
    assert entry.choices == [Choice.OVERWRITE, Choice.SKIP]
    assert form.choices == [Choice.OVERWRITE, Choice.MERGE, Choice.SKIP]
    with pytest.raises(RuleViolation, match="Nothing is chosen"):
        take_over(content)
    take_over(content, {entry.token: Choice.OVERWRITE, form.token: Choice.OVERWRITE})
    assert export() == content
    assert look_at(content).items == []


def test_a_merge_keeps_the_paths_changed_here_since_the_last_pack(app: Flask):
    labels, help_, width = (f"{ETHNICITY}/{name}" for name in ("label_zh", "help_zh", "label"))
    publish({labels: "一", help_: "一"})
    first = export()
    publish({labels: "二", help_: "二", width: "Two"})
    second = export()
    store.publish_changes(APPLICATION_FORM, {}, reason="回到出厂", actor=CLI, now=NOW)
    take_over(first)
    publish({help_: "三"})
    form = only(look_at(second), "definitions")
    assert form.effect is Effect.CONFLICT
    take_over(second, {form.token: Choice.MERGE})
    version = newest_version(APPLICATION_FORM)
    assert version is not None
    assert version.changes == {labels: "二", help_: "三", width: "Two"}


def test_what_came_with_the_last_pack_and_was_not_touched_is_no_conflict(app: Flask):
    publish({f"{ETHNICITY}/label_zh": "二"})
    rename_entry("ethnicity", "01", "二")
    second = export()
    publish({f"{ETHNICITY}/label_zh": "一"})
    rename_entry("ethnicity", "01", "一")
    first = export()
    rename_entry("ethnicity", "01", "汉族")
    store.publish_changes(APPLICATION_FORM, {}, reason="回到出厂", actor=CLI, now=NOW)
    take_over(first)
    assert {item.effect for item in look_at(second).items} == {Effect.CHANGED}


def test_a_pack_goes_back_to_what_its_portal_had_imported(own_app: Flask, second_app: Flask):
    with own_app.app_context(), unit_of_work():
        rename_entry("ethnicity", "01", "生产")
        from_production = export(is_bare=False)
    with second_app.app_context(), unit_of_work():
        take_over(from_production)
        rename_entry("ethnicity", "01", "测试")
        from_test = export(is_bare=False)
    with own_app.app_context():
        assert only(look_at(from_test), "dictionary_entries").effect is Effect.CHANGED
        with unit_of_work():
            rename_entry("ethnicity", "01", "生产二")
        assert only(look_at(from_test), "dictionary_entries").effect is Effect.CONFLICT


def test_deletions_happen_only_when_ticked(app: Flask):
    content = export()
    change_everything()
    plan = look_at(content)
    deleted = [item for item in plan.items if item.effect is Effect.DELETED]
    assert {item.kind.name for item in deleted} == {"reason_codes", "parameters", "definitions"}
    assert {item.choice for item in deleted} == {Choice.SKIP}
    take_over(content, {item.token: Choice.DELETE for item in deleted})
    assert db.session.get_one(Parameter, "call_days_before_window").value == 30
    assert label_in_force() == "民族"
    assert not [item for item in look_at(content).items if item.effect is Effect.DELETED]


def test_own_fields_a_pack_does_not_have_stay_retired(app: Flask):
    content = export()
    own = "sections/profile/fields/x_rank"
    given = {"#": 15, "kind": "text", "label": "Rank", "label_zh": "职级", "is_custom": True}
    publish({f"{own}/{name}": value for name, value in given.items()})
    take_over(content, {only(look_at(content), "definitions").token: Choice.DELETE})
    version = newest_version(APPLICATION_FORM)
    assert version is not None
    retired = given | {"is_retired": True}
    assert version.changes == {f"{own}/{name}": value for name, value in retired.items()}


def test_what_cannot_be_taken_over_says_why_and_stops_the_whole_import(app: Flask):
    requirement = db.session.scalars(select(MaterialRequirement)).first()
    assert requirement is not None
    committee = requirement.committee.name
    publish({f"{ETHNICITY}/label_zh": "改"})
    files = read_zip(export())
    material = next(
        o for o in files["material_requirements"]["objects"] if o["committee"] == committee
    )
    files["material_requirements"]["objects"] += [material | {"committee": "别省的评委会"}]
    files["parameters"]["objects"] = [
        {"parameter": "call_days_before_window", "value": 10**9},
        {"parameter": "no_such_parameter", "value": 1},
        {"parameter": "unit_push_days", "value": "5"},
    ]
    files["definitions"]["objects"][0]["changes"][f"{ETHNICITY}/kind"] = "python"
    content = write_zip(files)
    plan = look_at(content)
    refused = {item.identity: item.refusal for item in plan.items if item.refusal is not None}
    assert {identity[0] for identity in refused} == {
        "别省的评委会",
        "call_days_before_window",
        "no_such_parameter",
        "unit_push_days",
        # the definition is in conflict and stays by itself
    }
    assert {item.choice for item in plan.items} == {Choice.SKIP}
    before = export()
    row = upload(content)
    all_of_it = {item.token: Choice.OVERWRITE for item in plan.items}
    with pytest.raises(importing.ImportRefusedError) as caught:
        importing.import_pack(row, all_of_it, expected_state=plan.state, actor=CLI, now=NOW)
    assert caught.value.params == {"count": 5}
    assert export() == before


def test_a_dry_run_that_is_no_longer_true_is_refused(app: Flask):
    change_everything()
    content = export()
    set_parameter("call_days_before_window", "33")
    row = upload(content)
    plan = importing.try_out(row, actor=CLI, now=NOW)
    set_parameter("call_days_before_window", "34")
    with pytest.raises(importing.OtherStateError):
        importing.import_pack(row, {}, expected_state=plan.state, actor=CLI, now=NOW)


def test_only_who_configures_may(app: Flask):
    who = Actor(1, "somebody", frozenset(set(ActorRole) - set(importing.CONFIGURERS)))
    content = export()
    for act in (
        lambda: importing.export_pack(actor=who, now=NOW),
        lambda: upload(content, who),
        lambda: importing.try_out_file("x.zip", content, actor=who, now=NOW),
    ):
        with pytest.raises(NotPermittedError):
            act()


# --------------------------------------------------------------------------- broken packs


def read_zip(content: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {n.removesuffix(".json"): json.loads(file.read(n)) for n in file.namelist()}


def write_zip(files: Mapping[str, Any], **manifest: Any) -> bytes:
    """A pack whose checksums are right, whatever stands in it."""
    members = {n: json.dumps(data).encode() for n, data in files.items() if n != "manifest"}
    head = files["manifest"] | {"members": {n: archive._hash(d) for n, d in members.items()}}
    return archive.write_zip({"manifest": json.dumps(head | manifest).encode(), **members})


def with_values(**values: Any) -> Callable[[dict[str, Any]], bytes]:
    """The third option of the dictionaries with other values."""

    def make(files: dict[str, Any]) -> bytes:
        files["dictionary_entries"]["objects"][2] |= values
        return write_zip(files)

    return make


def twice(files: dict[str, Any]) -> bytes:
    entries = files["dictionary_entries"]["objects"]
    entries.insert(1, entries[0])
    return write_zip(files)


def edited(files: dict[str, Any]) -> bytes:
    raw = {name: json.dumps(data).encode() for name, data in files.items()}
    return archive.write_zip(raw)


def bomb(files: dict[str, Any]) -> bytes:
    return archive.write_zip({"manifest": b"{}", "parameters": b" " * (40 * 1024 * 1024)})


def climbing(files: dict[str, Any]) -> bytes:
    return write_zip(files | {"../../etc/passwd": {}})


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], bytes], type[DomainError], str]] = {
    "nothing": (lambda _f: b"", PackRefusedError, "no configuration pack"),
    "a text": (lambda _f: b"PK or not", PackRefusedError, "no configuration pack"),
    "another zip": (
        lambda _f: archive.write_zip({"a": b"{}"}),
        PackRefusedError,
        "no configuration",
    ),
    "cut off": (lambda f: write_zip(f)[:-100], PackRefusedError, "no configuration pack"),
    "too large": (lambda _f: b"PK" + bytes(9 * 1024 * 1024), PackRefusedError, "8 MB"),
    "a bomb": (bomb, PackRefusedError, "far more"),
    "a path": (climbing, PackRefusedError, "does not know"),
    "an unknown file": (lambda f: write_zip(f | {"menus": {}}), PackRefusedError, "menus.json"),
    "edited": (edited, PackRefusedError, "changed after the export|does not hold"),
    "newer": (lambda f: write_zip(f, format=3), PackRefusedError, "Upgrade this portal"),
    "older that is none": (lambda f: write_zip(f, format=1), PackRefusedError, "format 1"),
    "format zero": (lambda f: write_zip(f, format=0), PackRefusedError, "manifest.json"),
    "a format in words": (lambda f: write_zip(f, format="2"), PackRefusedError, "manifest.json"),
    "of another product": (lambda f: write_zip(f, product="x"), PackRefusedError, "no config"),
    "twice": (twice, PackRefusedError, "dictionary_entries.json, entry 2: this stands twice"),
    "a list for a text": (with_values(name=["x"]), PackRefusedError, "entry 3, name"),
    "too long": (with_values(name="长" * 81), PackRefusedError, "entry 3, name"),
    "a fraction": (with_values(position=1.5), PackRefusedError, "entry 3, position"),
    "one field more": (with_values(sql="drop table"), PackRefusedError, "entry 3: sql is unknown"),
    "NUL": (with_values(name="a\0b"), NotForPacksError, "entry 3, name: a text that cannot"),
    "half a character": (with_values(name="a\ud800"), NotForPacksError, "cannot be stored"),
    "document number": (
        with_values(name="见520102199003074518"),
        NotForPacksError,
        "entry 3, name",
    ),
    "mobile number": (
        with_values(name="电话 138 0000 1234"),
        NotForPacksError,
        "number of a person",
    ),
    "password": (with_values(name="口令：Abc12345"), NotForPacksError, "password or a key"),
    "a key": (with_values(name="-----BEGIN PRIVATE KEY-----"), NotForPacksError, "no secrets"),
    "hexadecimal": (with_values(name="0123456789abcdef" * 4), NotForPacksError, "no secrets"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_pack_is_refused_whole_with_its_place(app: Flask, name: str):
    make, error, words = BROKEN[name]
    with pytest.raises(error, match=words):
        upload(make(read_zip(export())))
    assert db.session.scalars(select(ConfigurationPack)).all() == []


def test_numbers_of_persons_and_secrets_do_not_go_out(app: Flask):
    rename_entry("ethnicity", "01", "联系13800001234")
    with pytest.raises(NotForPacksError, match=r"entry \d+, name") as caught:
        export()
    assert "13800001234" not in str(caught.value)


def test_a_pack_of_an_earlier_format_still_comes_in(app: Flask):
    plan = look_at(FORMAT_1.read_bytes())
    assert {(item.kind.name, item.identity, item.effect) for item in plan.items} == {
        ("dictionaries", ("post_kind",), Effect.NEW),
        ("dictionary_entries", ("post_kind", "a"), Effect.NEW),
        ("dictionary_entries", ("post_kind", "b"), Effect.NEW),
        ("reason_codes", ("return", "wrong_stamp"), Effect.NEW),
        ("parameters", ("call_days_before_window",), Effect.NEW),
    } | {
        (item.kind.name, item.identity, item.effect)
        for item in plan.items
        if item.effect is Effect.DELETED
    }
    take_over(FORMAT_1.read_bytes())
    entry = db.session.scalars(
        select(DictionaryEntry).filter_by(dictionary="post_kind", code="b")
    ).one()
    assert (entry.name, entry.is_active) == ("管理岗位", False)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "x" * 5000, 10**30, -1, "committee:1", "../..", "sections", "#"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
PATHS = st.sampled_from(
    [
        f"{ETHNICITY}/kind",
        f"{ETHNICITY}/#",
        f"{ETHNICITY}",
        "sections/profile/fields/x_new/#",
        "sections/profile/fields/x_new/kind",
        "sections",
        "sections/nowhere/#",
        "kind",
        "key",
        "",
        "/",
        "a//b",
    ]
)


@seed(20261125)
@settings(
    max_examples=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_pack_gives_anything_but_a_refusal_or_a_whole_import(app: Flask, data: st.DataObject):
    content = mutate(data)
    before = planning.state_here()
    savepoint = db.session.begin_nested()
    try:
        plan = look_at(content)
        wanted = {i.token: data.draw(st.sampled_from(i.choices)) for i in plan.items}
        row = upload(content)
        again = importing.try_out(row, wanted, actor=CLI, now=NOW)
        assert planning.state_here() == before
        importing.import_pack(row, wanted, expected_state=again.state, actor=CLI, now=NOW)
        after = look_at(content)
        assert not {i.token for i in again.to_do() if i.choice is Choice.OVERWRITE} & {
            i.token for i in after.items
        }
    except DomainError:
        assert planning.state_here() == before
    finally:
        savepoint.rollback()
        db.session.expire_all()


def mutate(data: st.DataObject) -> bytes:
    """A pack broken somewhere: its bytes, its manifest, or an object with checksums made good."""
    files = read_zip(archive.build_pack(read_configuration(), None))
    how = data.draw(st.sampled_from(["bytes", "manifest", "object", "object", "layer", "layer"]))
    if how == "bytes":
        content = bytearray(write_zip(files))
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        return bytes(content)
    if how == "manifest":
        name = data.draw(st.sampled_from(["format", "version", "members", "origin", "extra"]))
        return write_zip(files, **{name: data.draw(JUNK)})
    if how == "layer":
        changes = data.draw(st.dictionaries(PATHS | st.text(max_size=12), JUNK, max_size=4))
        files["definitions"]["objects"] = [
            {"definition": APPLICATION_FORM, "committee": "", "changes": changes}
        ]
        return write_zip(files)
    objects = files[data.draw(st.sampled_from([k.name for k in KINDS if files[k.name]["objects"]]))]
    target = objects["objects"][data.draw(st.integers(0, len(objects["objects"]) - 1))]
    field = data.draw(st.sampled_from(sorted(target)))
    target[field] = data.draw(JUNK | st.sampled_from(["x", "a_b", 7, True, ["pdf"]]))
    return write_zip(files)


# --------------------------------------------------------------------------- failures


class InjectedError(Exception):
    """The machine fails here."""


@contextmanager
def failing_at(point: int) -> Iterator[list[str]]:
    """Fail at the n-th statement that writes; the list says which there were."""
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE", "SELECT pg_advisory")):
            seen.append(statement)
            if len(seen) == point:
                raise InjectedError

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


ROWS = "coalesce(string_agg(t::text, '|' ORDER BY t::text), '')"


def table_checksums() -> dict[str, str]:
    """A checksum of the rows of every table."""
    return {
        table.name: db.session.scalar(
            text(f"SELECT md5({ROWS}) FROM {table.name} t")  # noqa: S608 -- our own names
        )
        for table in db.metadata.sorted_tables
    }


def test_a_failure_at_any_point_leaves_the_database_as_it_was(own_app: Flask, second_app: Flask):
    with own_app.app_context(), unit_of_work():
        change_everything()
        content = export()
    with second_app.app_context():
        with unit_of_work():
            row_id = upload(content).id
            plan = look_at(content)
        choices = {item.token: Choice.OVERWRITE for item in plan.items}
        state, before = plan.state, table_checksums()

        def import_all() -> None:
            row = db.session.get_one(ConfigurationPack, row_id)
            importing.import_pack(row, choices, expected_state=state, actor=CLI, now=NOW)

        db.session.rollback()
        with failing_at(0) as statements, suppress(InjectedError), unit_of_work():
            import_all()
            raise InjectedError
        points = sorted({round(1 + i * (len(statements) - 1) / 20) for i in range(21)})
        assert len(points) >= 20
        for point in points:
            with failing_at(point), pytest.raises(InjectedError), unit_of_work():
                import_all()
            db.session.remove()
            assert table_checksums() == before, statements[point - 1]
            assert planning.state_here() == state
            db.session.rollback()
        answer = second_app.test_client().post(
            "/login/", data={"login": "province", "password": PASSWORD}
        )
        assert answer.status_code == 302
        with unit_of_work():
            import_all()
        assert export() == content
