"""由表格生成表单草稿: a screen as a sheet, one row a field, written and read back as a draft.

The sheet is taken over whole or not at all. Rows without a name are new fields of one's own;
a row taken out is refused, because data may stand behind its field: it is hidden or retired.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from app.domain.layers import PLACE, STEP, Flat, merge, place_between
from app.domain.messages import N_
from app.domain.sheets import Problem, SheetLayout, normalise_choice
from app.extensions import db
from app.models import DefinitionDraft, Dictionary, ShippedDefinition
from app.services.actors import Actor
from app.services.definitions import store
from app.services.definitions.differences import Difference, describe_differences
from app.services.definitions.findings import Finding
from app.services.definitions.lint import lint_layer
from app.services.definitions.places import Place, all_places, name_of, shown_section
from app.services.definitions.properties import FIELD_KIND_LABELS, WIDTH_LABELS
from app.services.definitions.sheet_columns import (
    NAME,
    OPTIONS,
    PROPERTIES,
    SECTION,
    TABLE,
    TEXT,
    TICK,
    CellFault,
    Option,
    Property,
    layout_of,
    option_of,
    properties_of,
    read_cell,
    same_text,
    write_cell,
)
from app.services.definitions.versions import layers_below, newest_version, resolve
from app.services.form_definition import Label, read_label
from app.services.imports.choices import YES_NO, Say
from app.services.imports.packages import look_at_workbook
from app.services.imports.reading import FilledSheet, SheetRow, read_workbook
from app.services.imports.refusals import (
    CellProblem,
    SheetRefusedError,
    locate,
    problems_of_cells,
)
from app.services.imports.workbooks import Workbook
from app.services.settings import parameter

MOST_ROWS: Final = 1_000
NEW_NAME: Final = re.compile(r"x_[a-z0-9_]{1,58}")
SCREENS: Final = ("form", "record")

Choices = dict[str, dict[str, str]]

COLUMN_OF: Final[Mapping[str, str]] = {
    "required": "is_required",
    "needed_optional": "is_required",
    "needed_hidden": "is_hidden",
    "needed_retired": "is_retired",
    "product": "kind",
    "custom_kind": "kind",
    "custom_name": "name",
    "name": "name",
    "dictionary": "dictionary",
    "option": "options",
    "choice": "options",
    "default": "default",
    "bounds": "minimum",
    "length": "max_length",
    "row_bounds": "min_rows",
    "rows": "kind",
    "columns": "kind",
    "filter": "in_filter",
    "sort": "is_sortable",
    "publicised": "is_publicised",
    "publicity": "is_publicised",
    "moved": "section",
}
"""Where in a row a finding of the check belongs, by the beginning of its code."""


@dataclass
class SheetPlan:
    """What a sheet would change, before anything is written."""

    values: dict[str, Any] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    expected_version: int = 0


# ------------------------------------------------------------------------------------- writing


def write_sheet(key: str, say: Say) -> bytes:
    """The workbook of a screen, filled with its draft or with what is in force.

    Raises UnknownDefinitionError.
    """
    definition = store.drafted(key)
    layout, choices = layout_of(definition["kind"]), _choices(definition)
    rows = [_write_row(definition, place, choices, say) for place in all_places(definition)]
    book = Workbook(say)
    book.add_layout(layout, choices, rows, most_rows=MOST_ROWS)
    book.add_guide(N_("How to fill it in"), [say(text) for text in _GUIDE])
    book.add_hidden(layout, choices)
    return book.content()


_GUIDE: Final = (
    N_("One row is one field; the order of the rows of a section is that of its fields."),
    N_("A new field: a row without a field code. It becomes a field of your own."),
    N_(
        "A column of a table of rows has the name of that table beside its section; a new table "
        "needs its own row first."
    ),
    N_("Keep every row: a field that is no longer wanted is hidden or retired, not taken out."),
    N_(
        "After the upload you see what would change; it becomes a draft when you confirm, and is "
        "in force when somebody publishes it."
    ),
)


def _choices(definition: Mapping[str, Any]) -> Choices:
    dictionaries = db.session.execute(
        select(Dictionary.key, Dictionary.name).order_by(Dictionary.position, Dictionary.key)
    )
    return {
        "sections": {str(each["key"]): name_of(each) for each in definition["sections"]},
        "kinds": dict(FIELD_KIND_LABELS),
        "yes_no": dict(YES_NO),
        "dictionaries": {key: f"{name}（{key}）" for key, name in dictionaries},
        "widths": dict(WIDTH_LABELS),
    }


def _write_row(
    definition: Mapping[str, Any], place: Place, choices: Choices, say: Say
) -> dict[str, str]:
    cells = {
        "section": choices["sections"].get(shown_section(place), place.section),
        "table": name_of(place.owner) if place.owner else "",
        "name": place.name,
    }
    for each in properties_of(definition["kind"]):
        cells[each.key] = write_cell(each, place.given, choices, say)
    return cells


# ------------------------------------------------------------------------------------- reading


def plan_sheet(key: str, content: bytes, say: Say) -> SheetPlan:
    """What a filled-in sheet would change in the draft of a screen; nothing is written.

    Raises WorkbookRefusedError, SheetRefusedError, UnknownDefinitionError.
    """
    look_at_workbook(content, most_bytes=int(parameter("import_most_megabytes")) * 1024 * 1024)
    definition = store.drafted(key)
    layout = layout_of(definition["kind"])
    sheet = read_workbook(content, layout, say, most_rows=MOST_ROWS)
    draft = store.draft_of(key)
    flat = merge(layers_below(key), _changes(key, draft))
    reading = _Reading(definition, flat, sheet, layout, say)
    reading.read()
    changes = merge(_changes(key, draft), reading.values)
    if not reading.problems and reading.values:
        reading.check(key, _changes(key, draft), changes)
    if reading.problems:
        raise SheetRefusedError(reading.problems)
    then = resolve(key, changes)
    return SheetPlan(
        reading.values, describe_differences(definition, then), draft.version if draft else 0
    )


def _changes(key: str, draft: DefinitionDraft | None) -> Flat:
    if draft is not None:
        return draft.changes
    version = newest_version(key)
    return version.changes if version else {}


def take_plan(
    key: str, values: Mapping[str, Any], *, expected_version: int, actor: Actor, now: datetime
) -> DefinitionDraft:
    """Make what a plan showed the draft. Raises StaleDraftError when it has changed meanwhile."""
    return store.change_draft(key, values, expected_version=expected_version, actor=actor, now=now)


class _Reading:
    """The rows of a sheet against the fields that are there."""

    def __init__(
        self,
        definition: Mapping[str, Any],
        flat: Flat,
        sheet: FilledSheet,
        layout: SheetLayout,
        say: Say,
    ) -> None:
        self.definition, self.flat, self.sheet, self.layout = definition, flat, sheet, layout
        self.say = say
        self.is_form = definition["kind"] == "form"
        self.choices = _choices(definition)
        self.sections = self._table_of_sections()
        self.places = {place.path: place for place in all_places(definition)}
        self.names = {place.name for place in self.places.values()}
        self.rows: dict[str, SheetRow] = {}
        self.orders: dict[str, list[str]] = {}
        self.values: dict[str, Any] = {}
        self.problems: list[CellProblem] = []

    def _table_of_sections(self) -> dict[str, str]:
        words = self.choices["sections"]
        table = {normalise_choice(key): key for key in words}
        table.update({normalise_choice(label): key for key, label in words.items()})
        return table

    def _refuse(self, row: SheetRow, problem: Problem) -> None:
        self.problems.append(locate(self.sheet, row, problem, self.layout.columns))

    def read(self) -> None:
        """Fill `values`, or `problems`."""
        for row in self.sheet.rows:
            found = problems_of_cells(row, self.layout.columns)
            for problem in found:
                self._refuse(row, problem)
            if not found:
                self._read_row(row)
        if not self.problems:
            self._require_every_field()
        for container, names in self.orders.items():
            self._order(container, names)

    # ---- which field a row is

    def _read_row(self, row: SheetRow) -> None:
        try:
            section = self._section(row)
            path = self._path(row, section)
            self.rows[path] = row
            container, _slash, name = path.rpartition("/")
            self.orders.setdefault(container, []).append(name)
            self._read_cells(row, path, section)
        except CellFault as fault:
            self._refuse(row, fault.problem)

    def _section(self, row: SheetRow) -> str:
        text = row.cells["section"]
        key = self.sections.get(normalise_choice(text))
        if key is None:
            raise CellFault(
                SECTION,
                N_("The section “%(text)s” does not exist. Choose one from the list."),
                text=text[:40],
            )
        return key

    def _path(self, row: SheetRow, section: str) -> str:
        name = row.cells.get("name", "").lower()
        container = self._container(row, section)
        if name and self.is_form:
            path = f"{container}/{name}"
        elif name and not row.cells.get("table"):
            homes = (p.path for p in self.places.values() if p.name == name and p.owner is None)
            path = next(homes, f"{container}/{name}")
        else:
            path = f"{container}/{name}"
        if name and path not in self.places and not NEW_NAME.fullmatch(name):
            raise CellFault(
                NAME,
                N_(
                    "This section has no field “%(name)s”. Leave the cell empty for a new field, "
                    "or put the row back into its section."
                ),
                name=name[:60],
            )
        if name and path in self.rows:
            raise CellFault(
                NAME,
                N_("Stands in row %(row)s already. Keep one of them."),
                row=self.rows[path].number,
            )
        return path if name else f"{container}/{self._new_name()}"

    def _new_name(self) -> str:
        number = 1
        while f"x_field_{number}" in self.names:
            number += 1
        self.names.add(f"x_field_{number}")
        return f"x_field_{number}"

    def _container(self, row: SheetRow, section: str) -> str:
        wanted = row.cells.get("table", "")
        if not wanted:
            return f"sections/{section}/fields"
        tables = [
            *(p for p in self.places.values() if p.kind == "rows" and p.owner is None),
        ]
        for place in tables:
            names = {normalise_choice(name_of(place.given)), normalise_choice(place.name)}
            if normalise_choice(wanted) in names and shown_section(place) == section:
                return f"{place.path}/columns"
        for path, above in self.rows.items():
            is_here = path.startswith(f"sections/{section}/")
            if is_here and normalise_choice(above.cells["label_zh"]) == normalise_choice(wanted):
                return f"{path}/columns"
        raise CellFault(
            TABLE,
            N_("The section has no table “%(text)s”. Name one, or enter its own row above."),
            text=wanted[:40],
        )

    # ---- what a row says of its field

    def _read_cells(self, row: SheetRow, path: str, section: str) -> None:
        place = self.places.get(path)
        given = place.given if place else {}
        typed: dict[str, Any] = {}
        kind = ""
        for each in properties_of(self.definition["kind"]):
            if each.key not in self.sheet.columns and each.key not in row.cells:
                continue
            try:
                text = row.cells.get(each.key, "")
                typed[each.key] = read_cell(each, text, kind, self.choices, self.say)
            except CellFault as fault:
                self._refuse(row, fault.problem)
            kind = typed.get("kind") or kind or str(given.get("kind", ""))
        typed["label"] = (
            typed.get("label")
            or (given.get("label") if "label" not in self.sheet.columns else None)
            or typed.get("label_zh")
        )
        for each in PROPERTIES:
            if each.key in typed:
                self._set(path, each, given, typed[each.key], row)
        if place is None:
            self.values[f"{path}/is_custom"] = True
        elif place.owner is None and shown_section(place) != section:
            self.values[f"{path}/moved_to"] = section if section != place.section else None

    def _set(
        self, path: str, property_: Property, given: Mapping[str, Any], typed: Any, row: SheetRow
    ) -> None:
        before = given.get(property_.key, property_.usual)
        if property_.form == OPTIONS:
            self._set_options(path, before or [], typed or [], row)
            return
        if property_.form == TICK:
            is_same = bool(before) == bool(typed)
        elif property_.form == TEXT:
            is_same = same_text(before, typed)
        else:
            is_same = before == typed and isinstance(before, bool) == isinstance(typed, bool)
            if property_.key == "default" and isinstance(before, str):
                is_same = same_text(before, typed)
        if not is_same:
            self.values[f"{path}/{property_.key}"] = typed

    def _set_options(
        self, path: str, before: Sequence[Mapping[str, Any]], typed: list[Option], row: SheetRow
    ) -> None:
        known = {option[0]: option for option in map(option_of, before)}
        gone = [code for code in known if code not in {option[0] for option in typed}]
        if gone:
            column = next(each.column for each in PROPERTIES if each.form == OPTIONS)
            template = N_(
                "The option “%(code)s” is missing. Keep its line; a # before it retires it."
            )
            self._refuse(row, Problem(column.key, template, {"code": gone[0]}))
            return
        for code, chinese, english, is_retired in typed:
            old = known.get(code)
            base = f"{path}/options/{code}"
            if old is None or old[1] != chinese:
                self.values[f"{base}/label_zh"] = chinese
            if old is None or old[2] != english:
                self.values[f"{base}/label"] = english or chinese
            if bool(old and old[3]) != is_retired:
                self.values[f"{base}/is_retired"] = is_retired
        if typed:
            self._order(f"{path}/options", [option[0] for option in typed])

    # ---- what stands where

    def _require_every_field(self) -> None:
        last = max(row.number for row in self.sheet.rows) + 1
        for path, place in self.places.items():
            if path not in self.rows:
                template = N_(
                    "The row of the field %(field)s is missing. Put it back; what is no longer "
                    "wanted is hidden or retired."
                )
                self.problems.append(
                    CellProblem(f"A{last}", last, "", template, {"field": place.title})
                )

    def _order(self, container: str, names: list[str]) -> None:
        """Places for new items, and for all of them when those on file stand in another order."""
        before = {name: self.flat.get(f"{container}/{name}/{PLACE}") for name in names}
        known = [place for place in before.values() if place is not None]
        if known != sorted(known):
            for number, name in enumerate(names, start=1):
                self.values[f"{container}/{name}/{PLACE}"] = number * STEP
            return
        reached: float | None = None
        for index, name in enumerate(names):
            place = before[name]
            if place is None:
                later = (before[each] for each in names[index + 1 :])
                following = next((each for each in later if each is not None), None)
                place = place_between(reached, following)
                self.values[f"{container}/{name}/{PLACE}"] = place
            reached = place

    # ---- what the check says

    def check(self, key: str, before: Flat, after: Flat) -> None:
        """Name what the check before publishing would find, beside the cell it is about."""
        known = {(each.code, each.path) for each in lint_layer(key, before)}
        for finding in lint_layer(key, after):
            if finding.blocks and (finding.code, finding.path) not in known:
                self._name(finding)

    def _name(self, finding: Finding) -> None:
        matches = [path for path in self.rows if f"{finding.path}/".startswith(f"{path}/")]
        if not matches:
            self.problems.append(CellProblem("A1", 1, "", finding.template, finding.params))
            return
        row = self.rows[max(matches, key=len)]
        beginnings = [each for each in COLUMN_OF if finding.code.startswith(each)]
        column = COLUMN_OF[max(beginnings, key=len)] if beginnings else "label_zh"
        self._refuse(row, Problem(column, finding.template, finding.params))


def list_screens() -> list[tuple[str, Label]]:
    """The screens that can be written in a sheet, by key, with their labels."""
    rows = db.session.scalars(
        select(ShippedDefinition)
        .where(ShippedDefinition.kind.in_(SCREENS))
        .order_by(ShippedDefinition.key)
    )
    return [(row.key, read_label(store.current(row.key), "label")) for row in rows]
