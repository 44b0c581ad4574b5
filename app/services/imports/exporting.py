"""导出账号: the accounts one reads, as a workbook in the layout of the import.

Numbers are masked. The full ones are written only for a role of FULL_NUMBERS with a typed reason,
and each of them is logged as shown (architecture.md 3). Importing an export again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy import ColumnElement, false, func, select
from sqlalchemy.orm import joinedload, selectinload

from app.domain.errors import NotPermittedError, RuleViolation
from app.domain.labels import (
    APPLICANT_KIND_LABELS,
    DOCUMENT_LABELS,
    LEVEL_LABELS,
    UNIT_KIND_LABELS,
)
from app.domain.messages import N_
from app.domain.sheets import IGNORED, KEY_COLUMN, PEOPLE, UNITS, SheetLayout
from app.domain.terms import AccountKind, JobFilePurpose
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Account, BackgroundJob, Person, PersonnelAffiliation, Unit
from app.services import audit, background_jobs, job_files
from app.services.actors import Actor
from app.services.background_jobs import Ending, note_progress
from app.services.imports.choices import YES_NO, Say, list_choices
from app.services.imports.keys import account_key
from app.services.imports.workbooks import Workbook

KIND: Final = "export_accounts"
BATCH: Final = 500
MOST_ROWS: Final = 50_000
SHORTEST_REASON: Final = 5

UNIT_TEXTS: Final = ("name", "code", "registrar", "contact_name", "address")
UNIT_FIELDS: Final = (
    *UNIT_TEXTS,
    "contact_phone_mask",
    "kind",
    "level",
    "division_code",
    "registrar_level",
)

FULL_NUMBERS: Final = frozenset({ActorRole.PROVINCE_HRSS, ActorRole.HRSS, ActorRole.UNIT_ADMIN})
"""Who may export full document and telephone numbers, with a typed reason; nobody else."""

HIDDEN: Final = ""
"""Stands in a cell the actor may not see."""


class Sight(Protocol):
    """What the actor's roles let it export, row by row and field by field; the guard knows."""

    def rows(self, model: type, actor: Actor) -> ColumnElement[bool]:
        """The rows of a table."""

    def cells(
        self, rows: Sequence[Any], fields: Sequence[str], actor: Actor
    ) -> list[dict[str, Any]]:
        """The values of `fields` for each row, HIDDEN where the actor may not see one."""


def may_export_full_numbers(actor: Actor) -> bool:
    """Whether one of the actor's roles stands in the table."""
    return actor.has_role(*FULL_NUMBERS)


def ask_export(
    kind: AccountKind,
    *,
    unit_id: int | None,
    is_active: bool | None,
    account_ids: list[int] | None,
    with_full_numbers: bool,
    reason: str,
    actor: Actor,
    now: datetime,
) -> BackgroundJob:
    """Have the accounts exported in the background; `account_ids` narrows to what a search found.

    Raises NotPermittedError or RuleViolation for full numbers without role or reason.
    """
    reason = reason.strip()
    if with_full_numbers:
        if not may_export_full_numbers(actor):
            raise NotPermittedError(
                N_("Your role exports masked numbers only. Leave the box of full numbers empty.")
            )
        if len(reason) < SHORTEST_REASON:
            raise RuleViolation(
                N_("Say why you need the full numbers; every one of them is logged with it.")
            )
    job = background_jobs.ask_for_job(
        KIND,
        {
            "account_kind": kind.value,
            "unit_id": unit_id,
            "is_active": is_active,
            "account_ids": account_ids,
            "with_full_numbers": with_full_numbers,
            "reason": reason,
        },
        actor=actor,
        now=now,
    )
    audit.record(
        "export_accounts",
        job,
        actor=actor,
        now=now,
        after={"account_kind": kind.value, "with_full_numbers": with_full_numbers},
        reason=reason,
    )
    return job


class ExportWork:
    """Collects the accounts in batches and writes the workbook at the end.

    What is collected is in memory only: a run that takes over begins anew.
    """

    def __init__(self, job: BackgroundJob, say: Say, sight: Sight) -> None:
        self.say, self.sight = say, sight
        self.given = job.given
        self.kind = AccountKind(self.given["account_kind"])
        self.is_full = bool(self.given["with_full_numbers"])
        self._last_id = 0
        self._rows: list[dict[str, str]] = []

    @property
    def layout(self) -> SheetLayout:
        """The sheet the export can be imported with."""
        return PEOPLE if self.kind is AccountKind.PERSONAL else UNITS

    def do_batch(self, job: BackgroundJob, *, actor: Actor, now: datetime) -> Ending | None:
        """Collect the next accounts; with the last ones write the file."""
        if self.is_full and not may_export_full_numbers(actor):
            raise NotPermittedError
        criterion = self._criterion(actor)
        total = db.session.scalar(select(func.count(Account.id)).where(criterion)) or 0
        if total > MOST_ROWS:
            raise RuleViolation(
                N_("These are %(total)s accounts; at most %(limit)s are exported. Choose a unit."),
                total=total,
                limit=MOST_ROWS,
            )
        found = self._next_accounts(criterion)
        add = self._add_people if self.kind is AccountKind.PERSONAL else self._add_units
        add(found, actor, now)
        note_progress(job, len(self._rows), max(total, len(self._rows)))
        if len(found) == BATCH:
            self._last_id = found[-1].id
            return None
        name = f"{self.say(self.layout.title)}.xlsx"
        job_files.keep_job_file(job, JobFilePurpose.RESULT, name, self._build(actor))
        return Ending(N_("%(rows)s accounts exported."), {"rows": len(self._rows)})

    def _criterion(self, actor: Actor) -> ColumnElement[bool]:
        wanted = self.sight.rows(Account, actor) & (Account.kind == self.kind)
        if self.given["unit_id"] is not None:
            wanted &= Account.unit_id == self.given["unit_id"]
        if self.given["is_active"] is not None:
            wanted &= Account.active.is_(self.given["is_active"])
        if self.given["account_ids"] is not None:
            wanted &= Account.id.in_(self.given["account_ids"] or [0])
        if self.kind is AccountKind.PERSONAL:
            wanted &= Account.person_id.is_not(None)
        return wanted if actor.account_id is not None else false()

    def _next_accounts(self, criterion: ColumnElement[bool]) -> list[Account]:
        return list(
            db.session.scalars(
                select(Account)
                .where(criterion, Account.id > self._last_id)
                .options(
                    joinedload(Account.person),
                    joinedload(Account.unit).joinedload(Unit.division),
                    joinedload(Account.unit).undefer(Unit.contact_phone),
                    selectinload(Account.roles),
                )
                .order_by(Account.id)
                .limit(BATCH)
            )
        )

    # ---- rows

    def _add_people(self, found: list[Account], actor: Actor, now: datetime) -> None:
        kinds = dict(
            db.session.execute(
                select(PersonnelAffiliation.person_id, PersonnelAffiliation.applicant_kind).where(
                    PersonnelAffiliation.person_id.in_([each.person_id for each in found]),
                    PersonnelAffiliation.ends_on.is_(None),
                )
            ).all()
        )
        people = [account.person for account in found if account.person is not None]
        fields = ("name", "identity_document", "identity_mask", "phone_mask")
        seen = self.sight.cells(people, fields, actor)
        for account, person, cells in zip(found, people, seen, strict=True):
            document, kind = cells["identity_document"], kinds.get(person.id)
            is_handler = any(r.name == ActorRole.UNIT_HANDLER.value for r in account.roles)
            number, phone = self._numbers(person, cells, actor, now)
            self._rows.append(
                {
                    "account_key": account_key(account.id),
                    "name": cells["name"],
                    "identity_document": self.say(DOCUMENT_LABELS[document]) if document else "",
                    "identity_number": number,
                    "phone": phone,
                    "applicant_kind": self.say(APPLICANT_KIND_LABELS[kind]) if kind else "",
                    "is_handler": self.say(YES_NO["yes" if is_handler else "no"]),
                    **self._state(account),
                }
            )

    def _numbers(
        self, person: Person, cells: dict[str, Any], actor: Actor, now: datetime
    ) -> tuple[str, str]:
        """Document and telephone number as the actor may have them: full, masked or not at all."""
        mask, phone_mask = cells["identity_mask"] or "", cells["phone_mask"] or ""
        if not self.is_full:
            return mask, phone_mask
        reason = self.given["reason"]
        number = audit.reveal_identity(person, actor=actor, now=now, reason=reason) if mask else ""
        phone = (
            audit.reveal_phone(person, actor=actor, now=now, reason=reason) if phone_mask else ""
        )
        return number, phone or ""

    def _contact_phone(self, unit: Unit, mask: str, actor: Actor, now: datetime) -> str:
        if not self.is_full or not mask:
            return mask
        reason = self.given["reason"]
        return audit.reveal_contact_phone(unit, actor=actor, now=now, reason=reason) or ""

    def _add_units(self, found: list[Account], actor: Actor, now: datetime) -> None:
        units = [account.unit for account in found if account.unit is not None]
        for account, unit, cells in zip(
            (each for each in found if each.unit is not None),
            units,
            self.sight.cells(units, UNIT_FIELDS, actor),
            strict=True,
        ):
            mask = cells["contact_phone_mask"] or ""
            kind, level, registrar = cells["kind"], cells["level"], cells["registrar_level"]
            self._rows.append(
                {
                    **{name: str(cells[name] or "") for name in UNIT_TEXTS},
                    "contact_phone": self._contact_phone(unit, mask, actor, now),
                    "unit_kind": self.say(UNIT_KIND_LABELS[kind]) if kind else "",
                    "level": self.say(LEVEL_LABELS[level]) if level else "",
                    "division": str(cells["division_code"] or ""),
                    "registrar_level": self.say(LEVEL_LABELS[registrar]) if registrar else "",
                    **self._state(account),
                }
            )

    def _state(self, account: Account) -> dict[str, Any]:
        return {
            "unit": account.unit.name if account.unit else "",
            "state": self.say(N_("Active") if account.active else N_("Locked")),
        }

    def _build(self, actor: Actor) -> bytes:
        choices = list_choices(self.layout, actor=actor)
        book = Workbook(self.say)
        book.add_layout(
            self.layout,
            choices,
            self._rows,
            most_rows=max(len(self._rows), 1),
            before=[KEY_COLUMN] if self.kind is AccountKind.PERSONAL else [],
            after=[column for column in IGNORED if column.key in {"unit", "state"}],
        )
        book.add_hidden(self.layout, choices)
        return book.content()
