"""在职证明: what shows that the owner of an account works for the unit (rules E8)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Select, select

from app.domain.errors import ConflictError, NotPermittedError, RuleViolation
from app.domain.messages import N_
from app.domain.terms import RowOutcome
from app.domain.workflow import ActorRole
from app.extensions import db
from app.models import Account, AccountProof, ImportProof, ImportRow
from app.services.actors import Actor
from app.services.audit import record
from app.services.materials import Proof
from app.services.settings import parameter

LIMIT = 10
"""Files kept for one account; further ones need none."""


def require_proof(*, is_given: bool) -> None:
    """Refuse new accounts without a proof where the province wants one at once."""
    if not is_given and parameter("account_proof_required"):
        raise RuleViolation(
            N_(
                "Upload the proof of employment: six months of social insurance, the labour "
                "contract or the agreement of personnel agency."
            )
        )


def add_proof(account_id: int, proof: Proof, *, actor: Actor, now: datetime) -> AccountProof:
    """Put a proof on file, by the unit the account belongs to."""
    account = db.session.get_one(Account, account_id)
    if account.unit_id is None or account.unit_id != actor.unit_id or account.person_id is None:
        raise NotPermittedError(N_("A unit proves the employment of its own people only."))
    if not actor.has_role(ActorRole.UNIT_ADMIN, ActorRole.UNIT_HANDLER):
        raise NotPermittedError
    if len(proofs_of(account_id)) >= LIMIT:
        raise ConflictError(N_("%(limit)s files are on file already."), limit=LIMIT)
    row = AccountProof(
        account_id=account_id,
        unit_id=account.unit_id,
        file_sha256=proof.file.sha256,
        filename=proof.name,
        uploaded_by_id=actor.account_id,
        uploaded_at=now,
    )
    db.session.add(row)
    db.session.flush()
    record("add_account_proof", account, actor=actor, now=now, after={"sha256": row.file_sha256})
    return row


def given_for(account_ids: Iterable[int]) -> Select[int | None, ImportProof]:
    """(account, proof) of the files given with the imports that created these accounts."""
    return (
        select(ImportRow.account_id, ImportProof)
        .join(ImportProof, ImportProof.job_id == ImportRow.job_id)
        .where(ImportRow.account_id.in_(account_ids), ImportRow.result == RowOutcome.NEW)
        .order_by(ImportProof.id)
    )


def proofs_of(account_id: int) -> list[AccountProof]:
    """The proofs on file, oldest first."""
    return list(
        db.session.scalars(
            select(AccountProof)
            .where(AccountProof.account_id == account_id)
            .order_by(AccountProof.id)
        )
    )
