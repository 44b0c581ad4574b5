"""Definitions: shipped, drafted, published, rolled back, upgraded, taken up by every process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import DBAPIError

import config
from app import clock
from app.domain.errors import ConflictError, RuleViolation
from app.domain.layers import LayerError
from app.extensions import db, unit_of_work
from app.models import AuditEntry, DefinitionDraft, DefinitionVersion
from app.services.actors import Actor
from app.services.definitions import store
from app.services.definitions.lint import CHECKS, Finding
from app.services.definitions.schemas import InvalidDefinitionError
from app.services.definitions.shipped import load_shipped, ship
from app.services.definitions.versions import list_versions, newest_version
from app.services.form_definition import APPLICATION_FORM, current_form, read_form
from app.services.seed_files import Entry, SeedError
from tests.conftest import make_app
from tests.services.test_applications_parallel import run_at_once

FORM = APPLICATION_FORM
ETHNICITY = "sections/profile/fields/ethnicity"
NOW = clock.real_now()
SYSTEM = Actor(None, "test", frozenset())


@pytest.fixture
def officer(actor: Callable[[str], Actor]) -> Actor:
    return actor("province")


def change(actor: Actor, values: dict[str, Any], **more: Any) -> DefinitionDraft:
    more.setdefault("expected_version", 0)
    return store.change_draft(FORM, values, actor=actor, now=NOW, **more)


def publish(actor: Actor, **more: Any) -> DefinitionVersion:
    more = {"expected_version": 1, "reason": "试行", **more}
    return store.publish_draft(FORM, actor=actor, now=NOW, **more)


def label_of(definition: Any, section: str = "profile", name: str = "ethnicity") -> str | None:
    form = read_form(definition)
    found = form.section(section)
    field = found.field(name) if found else None
    return field.label.zh if field else None


def test_the_shipped_form_is_version_one(app: Flask):
    first = current_form()
    assert (first.number, first.scope, first.changes, first.published_by_id) == (1, "", {}, None)
    assert label_of(store.current(FORM)) == "民族"


def test_a_draft_changes_nothing_in_force_until_it_is_published(app: Flask, officer: Actor):
    change(officer, {f"{ETHNICITY}/label_zh": "民族成份"})
    assert label_of(store.current(FORM)) == "民族"
    assert label_of(store.drafted(FORM)) == "民族成份"
    version = publish(officer)
    assert (version.number, version.published_by_id) == (2, officer.account_id)
    assert version.differences == [[f"{ETHNICITY}/label_zh", "民族", "民族成份"]]
    assert label_of(store.current(FORM)) == "民族成份"
    assert store.draft_of(FORM) is None
    entry = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "publish_definition")
    ).one()
    assert (entry.reason, entry.after["number"]) == ("试行", 2)


def test_a_value_is_set_back_alone(app: Flask, officer: Actor):
    change(officer, {f"{ETHNICITY}/label_zh": "一", f"{ETHNICITY}/help_zh": "二"})
    draft = change(officer, {}, reset=[f"{ETHNICITY}/label_zh"], expected_version=1)
    assert draft.changes == {f"{ETHNICITY}/help_zh": "二"}


def test_a_page_that_is_behind_changes_nothing(app: Flask, officer: Actor):
    change(officer, {f"{ETHNICITY}/label_zh": "甲"})
    for expected in (0, 2):
        with pytest.raises(store.StaleDraftError):
            change(officer, {f"{ETHNICITY}/label_zh": "乙"}, expected_version=expected)
    with pytest.raises(store.StaleDraftError):
        publish(officer, expected_version=2)
    assert label_of(store.drafted(FORM)) == "甲"


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({f"{ETHNICITY}/kind": "python"}, InvalidDefinitionError, "fields"),
        ({f"{ETHNICITY}/label": ""}, InvalidDefinitionError, "empty"),
        ({f"{ETHNICITY}/handler": "os.system"}, InvalidDefinitionError, "handler"),
        ({f"{ETHNICITY}/label/deep": "x"}, LayerError, "no place"),
        ({"sections/profile/fields/x_a/#": 5}, InvalidDefinitionError, "missing"),
    ],
)
def test_what_has_no_place_in_a_form_is_refused_whole(
    app: Flask, officer: Actor, values: dict[str, Any], error: type[Exception], words: str
):
    with pytest.raises(error, match=words):
        change(officer, {f"{ETHNICITY}/help": "kept?", **values})
    db.session.rollback()
    assert store.draft_of(FORM) is None


@pytest.mark.parametrize("reason", ["", "  ", "长" * 501])
def test_publishing_needs_a_reason(app: Flask, officer: Actor, reason: str):
    change(officer, {f"{ETHNICITY}/label_zh": "民族成份"})
    with pytest.raises(RuleViolation, match="500"):
        publish(officer, reason=reason)


def test_a_fault_the_check_finds_blocks(
    app: Flask, officer: Actor, monkeypatch: pytest.MonkeyPatch
):
    found = [Finding("a", "x", "bad"), Finding("b", "y", "odd", blocks=False)]
    monkeypatch.setitem(CHECKS, "form", [lambda _definition: iter(found)])
    change(officer, {f"{ETHNICITY}/label_zh": "民族成份"})
    with pytest.raises(store.FaultyDefinitionError) as refused:
        publish(officer)
    assert refused.value.findings == found[:1]
    assert current_form().number == 1


def test_rolling_back_publishes_the_earlier_changes_anew(app: Flask, officer: Actor):
    change(officer, {f"{ETHNICITY}/label_zh": "民族成份"})
    publish(officer)
    back = store.roll_back(FORM, 1, reason="取消试行", actor=officer, now=NOW)
    assert (back.number, back.changes) == (3, {})
    assert label_of(store.current(FORM)) == "民族"
    assert [row.number for row in list_versions(FORM)] == [3, 2, 1]
    with pytest.raises(ConflictError):
        store.roll_back(FORM, 9, reason="无", actor=officer, now=NOW)


def test_a_draft_begun_before_another_publication_is_not_published(app: Flask, officer: Actor):
    change(officer, {f"{ETHNICITY}/label_zh": "甲"})
    store.roll_back(FORM, 1, reason="并行", actor=officer, now=NOW)
    with pytest.raises(ConflictError, match="Version 2"):
        publish(officer)


def test_versions_are_never_rewritten(app: Flask):
    with pytest.raises(DBAPIError, match=r"permission denied|append-only"):
        db.session.execute(text("UPDATE definition_version SET number = 7"))
    db.session.rollback()


def test_an_upgrade_goes_below_what_province_and_committee_changed(app: Flask, officer: Actor):
    change(officer, {f"{ETHNICITY}/label_zh": "省"})
    publish(officer)
    change(officer, {f"{ETHNICITY}/help_zh": "评委会"}, scope="committee:1")
    publish(officer, scope="committee:1")
    upgraded = yaml.safe_load(
        (config.SEED_FOLDER / "screens/application_form.yaml").read_text(encoding="utf-8")
    )
    upgraded["sections"][1]["fields"][4]["label_zh"] = "新民族"
    upgraded["sections"][1]["fields"][4]["help_zh"] = "新"
    upgraded["label_zh"] = "新版申报表"
    ship(upgraded)
    ship(upgraded)
    province, committee = store.current(FORM), store.current(FORM, "committee:1")
    assert (label_of(province), province["label_zh"]) == ("省", "新版申报表")
    assert label_of(committee) == "省"
    assert committee["sections"][1]["fields"][4]["help_zh"] == "评委会"
    assert [newest_version(FORM, scope).number for scope in ("", "committee:1")] == [3, 2]
    assert store.current(FORM, "committee:2") == province


def test_a_committee_stands_on_what_the_province_publishes_later(app: Flask, officer: Actor):
    change(officer, {f"{ETHNICITY}/help_zh": "评委会"}, scope="committee:1")
    publish(officer, scope="committee:1")
    change(officer, {f"{ETHNICITY}/label_zh": "省"})
    publish(officer)
    assert label_of(store.current(FORM, "committee:1")) == "省"


def write(folder: Path, old: str, new: str) -> Entry:
    """The shipped form with one line changed, as a file and as read from it."""
    name = "screens/application_form.yaml"
    source = (config.SEED_FOLDER / name).read_text(encoding="utf-8")
    assert old in source
    (folder / "screens").mkdir()
    (folder / name).write_text(source.replace(old, new, 1), encoding="utf-8")
    return Entry(name, "", yaml.safe_load((folder / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("kind: number", "kind: eval", "line 22: sections[0].fields[0].kind: write one of"),
        ("kind: form", "kind: forms", "line 9: kind: write one of"),
        (
            "        is_read_only: true",
            "        is_read_only: 3",
            "line 26: sections[0].fields[0].is_read_only",
        ),
        ("name: specialty\n", "name: plan_year\n", "item 3"),
    ],
)
def test_a_broken_file_is_refused_with_line_and_path(
    app: Flask, tmp_path: Path, old: str, new: str, words: str
):
    file = write(tmp_path, old, new)
    with pytest.raises(SeedError) as refused:
        load_shipped(tmp_path, file)
    assert str(refused.value).startswith("screens/application_form.yaml: ")
    assert words in str(refused.value)


def db_name(app: Flask) -> str:
    with app.app_context():
        return str(db.engine.url.database)


def test_another_process_takes_a_publication_up(own_app: Flask, running: Any, tmp_path: Path):
    """Two applications on one database stand for two machines: nothing is kept beyond a look."""
    database = db_name(own_app)
    other = make_app(running, database, tmp_path)
    with other.app_context():
        assert label_of(store.current(FORM)) == "民族"
        db.session.remove()
    with own_app.app_context():
        with unit_of_work():
            change(SYSTEM, {f"{ETHNICITY}/label_zh": "民族成份"})
            publish(SYSTEM)
        db.session.remove()
    with other.app_context():
        assert label_of(store.current(FORM)) == "民族成份"
        other.config["CONFIGURATION_LOOK_SECONDS"] = 3600
        looks: list[str] = []
        with counted_queries(looks):
            store.current(FORM)
        assert looks == []
        db.session.remove()
        db.engine.dispose()


@contextmanager
def counted_queries(found: list[str]) -> Iterator[None]:
    """Collect the statements of a block."""

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        found.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def test_changes_at_once_are_applied_one_after_the_other(own_app: Flask):
    """Eight editors with the same page: one change is taken, seven are told to reload."""

    def edit(place: int) -> int:
        return change(SYSTEM, {f"{ETHNICITY}/label_zh": str(place)}).version

    results = run_at_once(own_app, 8, edit)
    assert [r for r in results if isinstance(r, int)] == [1]
    assert {type(r) for r in results if not isinstance(r, int)} == {store.StaleDraftError}


def test_publications_at_once_get_numbers_without_gap_or_repetition(own_app: Flask):
    def back(_place: int) -> int:
        return store.roll_back(FORM, 1, reason="并行", actor=SYSTEM, now=NOW).number

    results = run_at_once(own_app, 6, back)
    assert sorted(r for r in results if isinstance(r, int)) == [2, 3, 4, 5, 6, 7]
    with own_app.app_context():
        count = select(func.count()).where(DefinitionVersion.key == FORM)
        assert db.session.scalar(count) == 7
        db.session.remove()
