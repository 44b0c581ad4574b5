"""发放单: the activation codes of an import, handed out once as a file for the unit.

The codes lie encrypted beside their rows until they are taken; taking them deletes them. Nobody
but the account that made the import gets them; a code that is lost is replaced on the page of the
account.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import joinedload

from app.domain.errors import ConflictError, NotPermittedError
from app.domain.messages import N_
from app.domain.sheets import Column
from app.extensions import db
from app.models import Account, ImportRow
from app.services.actors import Actor
from app.services.audit import record
from app.services.background_jobs import lock_job
from app.services.imports.choices import Say
from app.services.imports.workbooks import Workbook

COLUMNS: Final = (
    Column("row", N_("Row in the uploaded file"), width=10),
    Column("name", N_("Name"), width=30),
    Column("login", N_("Login"), width=28),
    Column("code", N_("Activation code"), width=20),
)


def count_codes(job_id: int) -> int:
    """How many codes wait to be taken."""
    return (
        db.session.scalar(
            select(func.count()).where(
                ImportRow.job_id == job_id, ImportRow.activation_code.is_not(None)
            )
        )
        or 0
    )


def take_hand_out_sheet(job_id: int, say: Say, *, actor: Actor, now: datetime) -> bytes:
    """The sheet with the codes, once; the codes are deleted in the same transaction.

    Raises NotPermittedError for anybody else, ConflictError when there is nothing left to take.
    """
    job = lock_job(job_id)
    if job.account_id != actor.account_id:
        raise NotPermittedError(N_("Only who made the import takes the codes."))
    rows = db.session.scalars(
        select(ImportRow)
        .where(ImportRow.job_id == job_id, ImportRow.activation_code.is_not(None))
        .options(joinedload(ImportRow.account).joinedload(Account.person))
        .order_by(ImportRow.number)
    ).all()
    if not rows:
        raise ConflictError(
            N_(
                "The activation codes have been taken or their time is over. Give a new one on "
                "the page of the account."
            )
        )
    book = Workbook(say)
    book.add_guide(
        N_("How to hand them out"),
        [
            say(N_("Cut the list and give everybody the own line only; then delete this file.")),
            say(
                N_(
                    "A code opens the account once, only together with a text to the registered "
                    "mobile number, and only the page that sets the own password."
                )
            ),
            say(
                N_(
                    "People sign in with their document number, units with their unit code. A "
                    "lost code is replaced by the unit on the page of the account."
                )
            ),
        ],
    )
    book.add_table(N_("Activation codes"), COLUMNS, [_line(row) for row in rows])
    db.session.execute(
        update(ImportRow)
        .where(ImportRow.job_id == job_id, ImportRow.activation_code.is_not(None))
        .values(activation_code=None)
    )
    record("take_activation_codes", job, actor=actor, now=now, after={"count": len(rows)})
    return book.content()


def _line(row: ImportRow) -> dict[str, str]:
    account = row.account
    return {
        "row": str(row.number),
        "name": account.first_name if account else row.label,
        "login": account.shown_login if account else "",
        "code": row.activation_code or "",
    }
