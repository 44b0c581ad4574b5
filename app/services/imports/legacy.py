"""2021年账号: units and people that had an account in 2021 are taken over, never created again.

Notice 三(二) "不再重复创建", rules E7. The province enters them for the units they belong to; their
first sign-in is by activation code like everybody's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select

from app.domain.codes import (
    SUFFIX_LENGTH,
    USCC_LENGTH,
    check_uscc,
    mask_phone,
    require_parent_code,
)
from app.domain.errors import ConflictError, InvalidCodeError, NotPermittedError
from app.domain.messages import N_
from app.domain.names import require_unit_name
from app.domain.sheets import SheetLayout
from app.domain.terms import AccountOrigin, AdministrativeLevel, UnitKind
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Account, Division, Unit, UnitSuffix
from app.services import accounts
from app.services.actors import Actor
from app.services.audit import record
from app.services.imports.people import Known, Parsed, PeopleChecker, PersonRow
from app.services.imports.reading import SheetRow
from app.services.imports.rows import Cells, Checked, Tables, Written
from app.services.imports.units import (
    CODE_TAKEN,
    TWICE,
    UNKNOWN_DIVISION,
    KnownUnit,
    find_units_by_code,
)
from app.services.people import require_phone
from app.services.search_text import pinyin_initials, search_vector
from app.services.units import lock_unit, unit_ref

NO_UNIT = N_("There is no unit with this code. Import the units of 2021 first.")
NO_PARENT = N_("There is no unit with this code, neither on file nor above in this file.")
NOT_BELOW = N_(
    "A derived code begins with the code of its superior unit and has two characters more."
)


def require_province(actor: Actor) -> None:
    """Refuse everybody but the provincial HRSS department."""
    if not actor.has_role(ActorRole.PROVINCE_HRSS):
        raise NotPermittedError(
            N_("Accounts of 2021 are imported by the provincial HRSS department.")
        )


@dataclass(frozen=True, slots=True)
class LegacyUnit:
    """What a row says of a unit of 2021."""

    code: str
    name: str
    kind: UnitKind
    parent_code: str
    level: AdministrativeLevel | None
    division: str
    registrar_level: AdministrativeLevel | None
    login: str
    contact_name: str
    contact_phone: str


class LegacyUnitsChecker:
    """The rules of the units of 2021."""

    def __init__(self, layout: SheetLayout, tables: Tables, actor: Actor) -> None:
        require_province(actor)
        self.layout, self.tables, self.actor = layout, tables, actor
        self._first: dict[str, int] = {}

    def prepare(self, rows: list[SheetRow]) -> None:
        """Note where each code stands first: superior units may stand above in the file."""
        for row in rows:
            self._first.setdefault(row.cells.get("code", ""), row.number)

    def check(self, rows: list[SheetRow], *, now: datetime) -> list[Checked]:
        """Judge a batch; queries for codes, former codes and divisions."""
        codes = {row.cells.get(key, "") for row in rows for key in ("code", "parent_code")}
        self._known = find_units_by_code(codes - {""})
        divisions = {row.cells.get("division", "") for row in rows} - {""}
        self._divisions = set(
            db.session.scalars(select(Division.code).where(Division.code.in_(divisions)))
        )
        return [self._judge(row) for row in rows]

    def _judge(self, row: SheetRow) -> Checked:
        cells = Cells(self.layout, row, self.tables)
        unit = self._read(cells)
        checked = Checked(row, draft=unit)
        first = self._first.get(unit.code, row.number)
        if unit.code and first != row.number:
            cells.say("code", TWICE, row=first)
        known = self._known.get(unit.code)
        if known is not None and known.name == unit.name:
            checked.is_known = True
        elif known is not None:
            cells.say("code", CODE_TAKEN, code=unit.code, unit=known.name)
        else:
            self._judge_new(cells, unit, row.number)
        checked.problems = cells.problems
        return checked

    def _read(self, cells: Cells) -> LegacyUnit:
        kind, level = cells.choice("unit_kind"), cells.choice("level")
        registrar_level = cells.choice("registrar_level")
        return LegacyUnit(
            code=cells.text("code"),
            name=cells.text("name"),
            kind=UnitKind(kind) if kind else UnitKind.EMPLOYER,
            parent_code=cells.text("parent_code"),
            level=AdministrativeLevel(level) if level else None,
            division=cells.text("division"),
            registrar_level=AdministrativeLevel(registrar_level) if registrar_level else None,
            login=cells.text("legacy_login"),
            contact_name=cells.text("contact_name"),
            contact_phone=cells.text("contact_phone"),
        )

    def _judge_new(self, cells: Cells, unit: LegacyUnit, number: int) -> None:
        if unit.code:
            cells.attempt("code", lambda: check_legacy_code(unit.code, unit.parent_code))
        cells.attempt("name", lambda: require_unit_name(unit.name))
        if unit.contact_phone:
            cells.attempt("contact_phone", lambda: require_phone(unit.contact_phone))
        above = self._first.get(unit.parent_code, number)
        if unit.parent_code and unit.parent_code not in self._known and above >= number:
            cells.say("parent_code", NO_PARENT)
        if unit.division and unit.division not in self._divisions:
            cells.say("division", UNKNOWN_DIVISION)
        if unit.kind is UnitKind.NON_PUBLIC and unit.registrar_level is None:
            cells.say(
                "registrar_level",
                N_("Choose the level of the registrar that registered the organization (Annex 3)."),
            )

    def write(self, checked: Checked, *, now: datetime) -> Written:
        """Enter the unit below its superior, with its account."""
        made = import_legacy_unit(checked.draft, actor=self.actor, now=now)
        return Written(made.account.id, made.activation_code)


def check_legacy_code(code: str, parent_code: str) -> None:
    """Refuse what is neither a code of its own nor derived from the superior's (E1, E2).

    Raises InvalidCodeError.
    """
    if len(code) == USCC_LENGTH:
        check_uscc(code)
        return
    require_parent_code(code[:-SUFFIX_LENGTH])
    if code[:-SUFFIX_LENGTH] != parent_code:
        raise InvalidCodeError(NOT_BELOW)


def import_legacy_unit(draft: LegacyUnit, *, actor: Actor, now: datetime) -> accounts.NewAccount:
    """Enter a unit of 2021 with its code of then; a derived suffix is never given out again (E3).

    Raises NotPermittedError, ConflictError, InvalidCodeError.
    """
    require_province(actor)
    found = find_units_by_code({draft.parent_code, draft.code})
    parent_row: KnownUnit | None = found.get(draft.parent_code)
    if parent_row is None:
        raise ConflictError(NO_PARENT)
    if draft.code in found:
        raise ConflictError(CODE_TAKEN, code=draft.code, unit=found[draft.code].name)
    parent = lock_unit(parent_row.id)
    suffix = draft.code[-SUFFIX_LENGTH:] if len(draft.code) > USCC_LENGTH else None
    level = draft.registrar_level if draft.kind is UnitKind.NON_PUBLIC else draft.level
    phone = require_phone(draft.contact_phone) if draft.contact_phone else None
    unit = Unit(
        name=require_unit_name(draft.name),
        kind=draft.kind,
        level=level or parent.level,
        code=draft.code,
        code_suffix=suffix,
        parent_id=parent.id,
        division_code=draft.division or parent.division_code,
        registrar_level=draft.registrar_level if draft.kind is UnitKind.NON_PUBLIC else None,
        contact_name=draft.contact_name or None,
        contact_phone=phone,
        contact_phone_mask=mask_phone(phone) if phone else None,
        path=parent.path,
        pinyin=pinyin_initials(draft.name),
        search=search_vector(draft.name),
    )
    db.session.add(unit)
    if suffix is not None and db.session.get(UnitSuffix, (parent.id, suffix)) is None:
        db.session.add(UnitSuffix(parent_id=parent.id, suffix=suffix))
    db.session.flush()
    unit.path = f"{parent.path}{unit.id}/"
    made = accounts.create_unit_account(unit, unit_ref(unit), actor=actor, now=now)
    _mark(made.account, draft.login, unit.code)
    record("import_legacy_unit", unit, actor=actor, now=now, after={"code": unit.code})
    db.session.flush()
    return made


def _mark(account: Account, login: str, usual: str) -> None:
    """Mark where the account comes from, and the login of 2021 if it was another one."""
    account.origin = AccountOrigin.LEGACY_2021
    if login and login != usual:
        account.legacy_login_hash = accounts.identity_hash(login)


class LegacyPeopleChecker(PeopleChecker):
    """The rules of the people of 2021: each belongs to the unit the row names."""

    def __init__(self, layout: SheetLayout, tables: Tables, actor: Actor) -> None:
        require_province(actor)
        super().__init__(layout, tables, actor)

    def check(self, rows: list[SheetRow], *, now: datetime) -> list[Checked]:
        """Judge a batch; two queries more than for the own people, for the units."""
        codes = {row.cells.get("unit_code", "") for row in rows} - {""}
        self._units = find_units_by_code(codes)
        ids = {known.id for known in self._units.values()}
        self._refs = {
            unit.id: unit for unit in db.session.scalars(select(Unit).where(Unit.id.in_(ids)))
        }
        return super().check(rows, now=now)

    def place(self, cells: Cells) -> tuple[Unit | None, Actor]:
        """The unit of the row, and the province acting for it."""
        known = self._units.get(cells.text("unit_code"))
        if known is None:
            if cells.row.cells.get("unit_code"):
                cells.say("unit_code", NO_UNIT)
            return None, self.actor
        unit = self._refs[known.id]
        return unit, acting_for(unit, self.actor)

    def compare(self, cells: Cells, person: PersonRow, known: Known, parsed: Parsed) -> list[str]:
        """Whoever is there already stays as is."""
        super().compare(cells, person, known, parsed)
        return []

    def write(self, checked: Checked, *, now: datetime) -> Written:
        """Create the account for the unit of the row and mark it."""
        parsed: Parsed = checked.draft
        unit = parsed.unit
        if unit is None:
            raise ConflictError(NO_UNIT)
        made = accounts.create_personal_account(
            parsed.person.draft(),
            unit=unit,
            is_handler=bool(parsed.person.is_handler),
            declared=True,
            is_proven=True,
            actor=parsed.actor,
            now=now,
        )
        if made.activation_code:
            _mark(made.account, checked.row.cells.get("legacy_login", ""), parsed.person.number)
        return Written(made.account.id, made.activation_code)


def acting_for(unit: Unit, actor: Actor) -> Actor:
    """The province entering something for a unit: its own account and role, the unit's place."""
    return replace(actor, unit_id=unit.id, unit_path=unit.path)
