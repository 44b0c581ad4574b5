"""Rows of the sheet of one's own people (Annex 3, rules E5, E7, E8)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select

from app.domain.codes import check_document_number, identify_document
from app.domain.errors import NotPermittedError
from app.domain.messages import N_
from app.domain.roles import require_may_grant
from app.domain.routing import UnitRef
from app.domain.sheets import KEY_COLUMN, SheetLayout
from app.domain.terms import AccountOrigin, ApplicantKind, IdentityDocument
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Account, Person, PersonnelAffiliation, Unit
from app.services import accounts
from app.services.actors import Actor
from app.services.affiliations import present_affiliation
from app.services.audit import record
from app.services.imports.keys import read_account_key
from app.services.imports.reading import SheetRow
from app.services.imports.rows import Cells, Checked, Tables, Written
from app.services.people import PersonDraft, require_phone
from app.services.units import unit_ref

NOT_OURS = N_(
    "This key belongs to no account of your unit or below. Leave the cell empty, or export the "
    "accounts again."
)
LEGACY_ELSEWHERE = N_(
    "This person has an account of 2021 in another unit; it is not created again (notice 三(二)). "
    "Ask for the transfer to your unit."
)
PHONE_DIFFERS = N_(
    "The mobile number on file is another one (%(mask)s). It is not changed by a file: give a new "
    "password on the page of the account and enter the number there."
)
NAME_DIFFERS = N_(
    "The name does not fit the document number on file. Compare both with the document; if the "
    "name has changed, ask the HRSS department."
)
NUMBER_DIFFERS = N_(
    "The document number is not the one of this account. A number is not changed by a file; ask "
    "the HRSS department."
)
OTHER_UNIT = N_(
    "This account belongs to another unit; only that unit changes it. Take the row out."
)


@dataclass(frozen=True, repr=False, slots=True)
class PersonRow:
    """What a row says; never printed, because it holds full numbers."""

    name: str
    document: IdentityDocument | None
    number: str
    phone: str
    kind: ApplicantKind | None
    is_handler: bool | None

    def draft(self) -> PersonDraft:
        """As the single form would hand it over."""
        return PersonDraft(
            name=self.name,
            identity_document=self.document or IdentityDocument.RESIDENT_ID,
            identity_number=self.number,
            phone=self.phone,
            applicant_kind=self.kind or ApplicantKind.EMPLOYEE,
        )


@dataclass(frozen=True, repr=False, slots=True)
class Known:
    """A person on file, with the account and the present unit."""

    digest: str
    name: str
    mask: str
    phone: str
    phone_mask: str
    account_id: int | None
    unit_id: int | None
    is_below: bool
    kind: ApplicantKind | None
    is_handler: bool
    origin: AccountOrigin | None


@dataclass(slots=True)
class Parsed:
    """A row on its way: what it says, for which unit, and who acts."""

    cells: Cells
    person: PersonRow
    digest: str
    key_id: int | None
    unit: UnitRef | None
    actor: Actor


class PeopleChecker:
    """The rules of the sheet, for one unit."""

    def __init__(self, layout: SheetLayout, tables: Tables, actor: Actor) -> None:
        unit = db.session.get(Unit, actor.unit_id) if actor.unit_id else None
        if unit is None:
            raise NotPermittedError
        self.layout, self.tables, self.actor = layout, tables, actor
        self.own_unit = unit
        self._first: dict[str, int] = {}

    # ---- all rows

    def prepare(self, rows: list[SheetRow]) -> None:
        """Note where each number stands first."""
        for row in rows:
            number = row.cells.get("identity_number", "")
            if number and "*" not in number:
                self._first.setdefault(accounts.identity_hash(number), row.number)

    # ---- checking

    def check(self, rows: list[SheetRow], *, now: datetime) -> list[Checked]:
        """Judge a batch; two queries for the numbers it names, two for the account keys."""
        parsed = [self._parse(row, now) for row in rows]
        by_digest, by_account = self._find_known(
            {each.digest for each in parsed if each.digest},
            {each.key_id for each in parsed if each.key_id is not None},
        )
        return [self._judge(each, by_digest, by_account) for each in parsed]

    def _parse(self, row: SheetRow, now: datetime) -> Parsed:
        cells = Cells(self.layout, row, self.tables)
        key_text = row.cells.get(KEY_COLUMN.key, "")
        key_id = read_account_key(key_text) if key_text else None
        if key_text and key_id is None:
            cells.say(KEY_COLUMN.key, NOT_OURS)
        number, phone = cells.text("identity_number"), cells.text("phone")
        document = self._read_document(cells, number)
        digest = ""
        if number and not (key_id is not None and "*" in number):
            digest = self._check_number(cells, document, number, now)
        if phone and not (key_id is not None and "*" in phone):
            phone = cells.attempt("phone", lambda: require_phone(phone)) or ""
        kind, handler = cells.choice("applicant_kind"), cells.choice("is_handler")
        person = PersonRow(
            name=cells.text("name"),
            document=document,
            number=number,
            phone=phone,
            kind=ApplicantKind(kind) if kind else None,
            is_handler=None if handler is None else handler == "yes",
        )
        unit, acting = self.place(cells)
        return Parsed(cells, person, digest, key_id, unit_ref(unit) if unit else None, acting)

    def place(self, _cells: Cells) -> tuple[Unit | None, Actor]:
        """The unit the person of a row belongs to, and who acts for it."""
        return self.own_unit, self.actor

    def _read_document(self, cells: Cells, number: str) -> IdentityDocument | None:
        """The chosen kind; where none is chosen, the one the number belongs to."""
        word = cells.choice("identity_document")
        if word is not None:
            return IdentityDocument(word)
        found = identify_document(number) if number else None
        if found is None or found.value not in self.tables["documents"].values():
            return None
        return found

    def _check_number(
        self, cells: Cells, document: IdentityDocument | None, number: str, now: datetime
    ) -> str:
        if not cells.is_broken("identity_document"):
            cells.attempt(
                "identity_number",
                lambda: check_document_number(
                    document or IdentityDocument.RESIDENT_ID, number, today=now.date()
                ),
            )
        digest = accounts.identity_hash(number)
        first = self._first.get(digest, cells.row.number)
        if first != cells.row.number:
            cells.say(
                "identity_number",
                N_("Row %(row)s has the same document number. Keep one of the two."),
                row=first,
            )
        return digest

    def _find_known(
        self, digests: set[str], account_ids: set[int]
    ) -> tuple[dict[str, Known], dict[int, Known]]:
        numbered = find_known(Person.identity_hash.in_(digests), self.actor)
        keyed = find_known(Account.id.in_(account_ids), self.actor) if account_ids else []
        return (
            {known.digest: known for known in numbered},
            {known.account_id: known for known in keyed if known.account_id is not None},
        )

    def _judge(
        self, parsed: Parsed, by_digest: dict[str, Known], by_account: dict[int, Known]
    ) -> Checked:
        cells, person = parsed.cells, parsed.person
        known = by_digest.get(parsed.digest)
        if parsed.key_id is not None:
            keyed = by_account.get(parsed.key_id)
            if keyed is None or not keyed.is_below:
                cells.say(KEY_COLUMN.key, NOT_OURS)
            elif parsed.digest and parsed.digest != keyed.digest:
                cells.say("identity_number", NUMBER_DIFFERS)
            known = keyed
        checked = Checked(cells.row, draft=parsed)
        if parsed.unit is None:
            checked.problems = cells.problems
            return checked
        if known is None or not self._is_ours(known, parsed):
            self._judge_newcomer(cells, person, known, parsed)
        else:
            checked.is_known, checked.account_id = True, known.account_id
            checked.changes = self.compare(cells, person, known, parsed)
            if checked.changes and known.unit_id != parsed.unit.id:
                cells.say(KEY_COLUMN.key, OTHER_UNIT)
        checked.problems = cells.problems
        return checked

    def _is_ours(self, known: Known, parsed: Parsed) -> bool:
        """An account to compare with: of the own unit, or named by its key."""
        if known.account_id is None:
            return False
        is_own = parsed.unit is not None and known.unit_id == parsed.unit.id
        return is_own or (parsed.key_id is not None and known.is_below)

    def _judge_newcomer(
        self, cells: Cells, person: PersonRow, known: Known | None, parsed: Parsed
    ) -> None:
        self._require_creator(cells, person.kind or ApplicantKind.EMPLOYEE, parsed)
        if person.is_handler:
            self._require_grant(cells)
        if known is None or parsed.unit is None:
            return
        if known.unit_id not in {None, parsed.unit.id}:
            is_legacy = known.origin is AccountOrigin.LEGACY_2021
            cells.say(
                "identity_number",
                LEGACY_ELSEWHERE if is_legacy else accounts.TransferNeededError.template,
            )
        elif person.name and person.name != known.name:
            cells.say("name", NAME_DIFFERS)

    @staticmethod
    def _require_creator(cells: Cells, kind: ApplicantKind, parsed: Parsed) -> None:
        unit = parsed.unit
        if unit is not None:
            cells.attempt(
                "applicant_kind", lambda: accounts.require_creator(kind, unit, parsed.actor)
            )

    def _require_grant(self, cells: Cells) -> None:
        handler = frozenset({ActorRole.UNIT_HANDLER})
        cells.attempt(
            "is_handler", lambda: require_may_grant(self.actor.roles, frozenset(), handler)
        )

    def compare(self, cells: Cells, person: PersonRow, known: Known, parsed: Parsed) -> list[str]:
        """What the file may change of an account; the rest must be as on file."""
        if person.name and person.name != known.name:
            cells.say("name", NAME_DIFFERS)
        if "*" in person.number and person.number != known.mask:
            cells.say("identity_number", NUMBER_DIFFERS)
        if person.phone and person.phone not in {known.phone, known.phone_mask}:
            cells.say("phone", PHONE_DIFFERS, mask=known.phone_mask)
        changes = []
        if person.kind is not None and known.kind is not None and person.kind is not known.kind:
            changes.append("applicant_kind")
            self._require_creator(cells, person.kind, parsed)
        if person.is_handler is not None and person.is_handler != known.is_handler:
            changes.append("is_handler")
            self._require_grant(cells)
        return changes

    # ---- writing

    def write(self, checked: Checked, *, now: datetime) -> Written:
        """Create the account, or apply what has changed; as the single form does."""
        parsed: Parsed = checked.draft
        person = parsed.person
        if parsed.unit is None:
            raise NotPermittedError
        if checked.account_id is not None:
            self._change(checked.account_id, person, checked.changes, now)
            return Written(checked.account_id)
        made = accounts.create_personal_account(
            person.draft(),
            unit=parsed.unit,
            is_handler=bool(person.is_handler),
            declared=True,
            is_proven=True,
            actor=self.actor,
            now=now,
        )
        if made.activation_code:
            made.account.origin = AccountOrigin.IMPORT
        elif person.is_handler:
            accounts.appoint_handler(made.account.id, actor=self.actor, now=now)
        return Written(made.account.id, made.activation_code)

    def _change(
        self, account_id: int, person: PersonRow, changes: Iterable[str], now: datetime
    ) -> None:
        if "applicant_kind" in changes and person.kind is not None:
            change_applicant_kind(account_id, person.kind, actor=self.actor, now=now)
        if "is_handler" in changes:
            turn = accounts.appoint_handler if person.is_handler else accounts.dismiss_handler
            turn(account_id, actor=self.actor, now=now)


def change_applicant_kind(
    account_id: int, kind: ApplicantKind, *, actor: Actor, now: datetime
) -> None:
    """Enter anew as what a person belongs to the actor's unit (C2, C4)."""
    account = accounts.lock_account(account_id)
    present = present_affiliation(account.person_id) if account.person_id else None
    if present is None or present.unit_id != actor.unit_id:
        raise NotPermittedError(OTHER_UNIT)
    record(
        "change_applicant_kind",
        account,
        actor=actor,
        now=now,
        before={"applicant_kind": present.applicant_kind.value},
        after={"applicant_kind": kind.value},
    )
    present.applicant_kind = kind
    db.session.flush()


def find_known(criterion: ColumnElement[bool], actor: Actor) -> list[Known]:
    """The people who meet `criterion`, with account, present unit and roles; two queries."""
    rows = db.session.execute(
        select(
            Person.identity_hash,
            Person.name,
            Person.identity_mask,
            Person.phone,
            Person.phone_mask,
            Account.id,
            Account.unit_id,
            Account.origin,
            PersonnelAffiliation.unit_id,
            PersonnelAffiliation.applicant_kind,
            Unit.path,
        )
        .select_from(Person)
        .outerjoin(Account, Account.person_id == Person.id)
        .outerjoin(
            PersonnelAffiliation,
            (PersonnelAffiliation.person_id == Person.id) & PersonnelAffiliation.ends_on.is_(None),
        )
        .outerjoin(Unit, Unit.id == Account.unit_id)
        .where(criterion)
    ).all()
    handlers = _find_handlers([row[5] for row in rows if row[5] is not None])
    return [
        Known(
            digest=digest,
            name=name,
            mask=mask,
            phone=phone or "",
            phone_mask=phone_mask or "",
            account_id=account_id,
            unit_id=affiliated if affiliated is not None else account_unit,
            is_below=bool(path and actor.unit_path and path.startswith(actor.unit_path)),
            kind=kind,
            is_handler=account_id in handlers,
            origin=origin,
        )
        for (
            digest,
            name,
            mask,
            phone,
            phone_mask,
            account_id,
            account_unit,
            origin,
            affiliated,
            kind,
            path,
        ) in rows
    ]


def _find_handlers(account_ids: list[int]) -> set[int]:
    return set(
        db.session.scalars(
            select(Account.id).where(
                Account.id.in_(account_ids),
                Account.roles.any(name=ActorRole.UNIT_HANDLER.value),
            )
        )
    )
