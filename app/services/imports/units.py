"""Rows of the sheet of subordinate units (Annex 3, rules E1-E6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.domain.accounts import NewUnit, require_may_create_account, territorial_department
from app.domain.codes import check_uscc
from app.domain.errors import DomainError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.names import require_unit_name
from app.domain.routing import UnitRef
from app.domain.sheets import SheetLayout
from app.domain.terms import AccountOrigin, AdministrativeLevel, UnitKind
from app.extensions import db
from app.models import Division, Unit, UnitCodeAlias
from app.services.actors import Actor
from app.services.imports.reading import SheetRow
from app.services.imports.rows import Cells, Checked, Tables, Written
from app.services.people import require_phone
from app.services.units import DIVISION_DIGITS, UnitDraft, create_unit, unit_ref

CODE_TAKEN = N_(
    "The code %(code)s belongs to %(unit)s already. Compare it with the certificate; a unit is "
    "created once only (notice 三(二))."
)
TWICE = N_("Row %(row)s names the same unit. Keep one of the two.")
UNKNOWN_DIVISION = N_(
    "There is no administrative division with this code. Look it up in the list of units."
)
DIVISION_OUTSIDE = N_(
    "The administrative division lies outside that of %(unit)s. Choose one inside it."
)


@dataclass(frozen=True, slots=True)
class KnownUnit:
    """A unit on file."""

    id: int
    name: str
    code: str
    parent_id: int | None
    path: str


class UnitsChecker:
    """The rules of the sheet, for the unit that creates."""

    def __init__(self, layout: SheetLayout, tables: Tables, actor: Actor) -> None:
        unit = db.session.get(Unit, actor.unit_id) if actor.unit_id else None
        if unit is None:
            raise NotPermittedError
        self.layout, self.tables, self.actor = layout, tables, actor
        self.creator, self.path = unit_ref(unit), unit.path
        self._first: dict[str, int] = {}

    def prepare(self, rows: list[SheetRow]) -> None:
        """Note where each code, or name without one, stands first."""
        for row in rows:
            self._first.setdefault(_identity(row), row.number)

    def check(self, rows: list[SheetRow], *, now: datetime) -> list[Checked]:
        """Judge a batch; one query each for codes, former codes, names, divisions, departments."""
        codes = {row.cells.get("code", "") for row in rows} - {""}
        names = {row.cells.get("name", "") for row in rows} - {""}
        divisions = {row.cells.get("division", "") for row in rows} - {""}
        self._by_code = find_units_by_code(codes)
        self._by_name = self._find_children(names)
        self._divisions = set(
            db.session.scalars(select(Division.code).where(Division.code.in_(divisions)))
        )
        self._departments = [
            unit_ref(row)
            for row in db.session.scalars(select(Unit).where(Unit.kind == UnitKind.HRSS))
        ]
        return [self._judge(row) for row in rows]

    def _find_children(self, names: set[str]) -> dict[str, KnownUnit]:
        """Units directly below the creator that have no code of their own, by name."""
        rows = db.session.execute(
            select(Unit.id, Unit.name, Unit.code, Unit.parent_id, Unit.path).where(
                Unit.parent_id == self.creator.id,
                Unit.code_suffix.is_not(None),
                Unit.name.in_(names),
            )
        )
        return {row.name: KnownUnit(*row) for row in rows}

    def _judge(self, row: SheetRow) -> Checked:
        cells = Cells(self.layout, row, self.tables)
        draft = self._read(cells)
        first = self._first.get(_identity(row), row.number)
        if first != row.number:
            cells.say("name", TWICE, row=first)
        checked = Checked(row, draft=draft)
        known = self._by_code.get(draft.code) if draft.code else self._by_name.get(draft.name)
        if known is not None and known.path.startswith(self.path) and known.name == draft.name:
            checked.is_known = True
            cells.problems = [p for p in cells.problems if p.column != "unit_kind"]
        elif known is not None:
            cells.say("code", CODE_TAKEN, code=draft.code, unit=known.name)
        else:
            self._judge_new(cells, draft)
        checked.problems = cells.problems
        return checked

    def _read(self, cells: Cells) -> UnitDraft:
        kind, level = cells.choice("unit_kind"), cells.choice("level")
        registrar_level = cells.choice("registrar_level")
        return UnitDraft(
            name=cells.text("name"),
            kind=UnitKind(kind) if kind else UnitKind.EMPLOYER,
            division_code=cells.text("division") or self.creator.division_code,
            level=AdministrativeLevel(level) if level else None,
            code=cells.text("code"),
            registrar=cells.text("registrar"),
            registrar_level=AdministrativeLevel(registrar_level) if registrar_level else None,
            contact_name=cells.text("contact_name"),
            contact_phone=cells.text("contact_phone"),
            address=cells.text("address"),
            is_proof_to_follow=True,
        )

    def _judge_new(self, cells: Cells, draft: UnitDraft) -> None:
        if draft.code:
            cells.attempt("code", lambda: check_uscc(draft.code))
        cells.attempt("name", lambda: require_unit_name(draft.name))
        if draft.contact_phone:
            cells.attempt("contact_phone", lambda: require_phone(draft.contact_phone))
        if cells.row.cells.get("division") and draft.division_code not in self._divisions:
            cells.say("division", UNKNOWN_DIVISION)
        if cells.is_broken("unit_kind") or cells.is_broken("registrar_level"):
            return
        try:
            parent = self._parent(draft)
            self._require_creator(draft, parent)
        except DomainError as error:
            cells.refuse("unit_kind", error)
            return
        digits = DIVISION_DIGITS[parent.level] if parent.level else 2
        if draft.division_code[:digits] != parent.division_code[:digits]:
            cells.say("division", DIVISION_OUTSIDE, unit=parent.name)

    def _parent(self, draft: UnitDraft) -> UnitRef:
        """The creator, or for non-public organizations the department of the registrar."""
        is_territorial = draft.kind is UnitKind.NON_PUBLIC and self.creator.kind in {
            UnitKind.HRSS,
            UnitKind.DESIGNATED_AGENCY,
        }
        if not is_territorial:
            return self.creator
        if draft.registrar_level is None:
            raise RuleViolation(
                N_("Choose the level of the registrar that registered the organization (Annex 3).")
            )
        return territorial_department(draft.registrar_level, draft.division_code, self._departments)

    def _require_creator(self, draft: UnitDraft, parent: UnitRef) -> None:
        level = draft.registrar_level if draft.kind is UnitKind.NON_PUBLIC else draft.level
        target = NewUnit(
            kind=draft.kind,
            parent_id=parent.id,
            level=level or parent.level,
            registrar_level=draft.registrar_level,
            has_own_code=bool(draft.code),
        )
        refusal: NotPermittedError | None = None
        for role in sorted(self.actor.roles):
            try:
                require_may_create_account(self.creator, role, target)
            except NotPermittedError as error:
                refusal = error
            else:
                return
        raise refusal or NotPermittedError()

    def write(self, checked: Checked, *, now: datetime) -> Written:
        """Create the unit with its account, as the single form does."""
        made = create_unit(checked.draft, actor=self.actor, now=now)
        made.account.account.origin = AccountOrigin.IMPORT
        return Written(made.account.account.id, made.account.activation_code)


def _identity(row: SheetRow) -> str:
    return row.cells.get("code") or f"name {row.cells.get('name', '')}"


def find_units_by_code(codes: set[str]) -> dict[str, KnownUnit]:
    """The units with these codes, present or former; two queries."""
    columns = (Unit.id, Unit.name, Unit.code, Unit.parent_id, Unit.path)
    former = db.session.execute(
        select(UnitCodeAlias.code, *columns)
        .join(UnitCodeAlias, UnitCodeAlias.unit_id == Unit.id)
        .where(UnitCodeAlias.code.in_(codes))
    )
    found = {row[0]: KnownUnit(*row[1:]) for row in former}
    present = db.session.execute(select(*columns).where(Unit.code.in_(codes)))
    return found | {row.code: KnownUnit(*row) for row in present}
