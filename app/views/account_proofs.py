"""在职证明: the files on record for accounts, as links for those who may open them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from app.extensions import db
from app.models import AccountProof, ImportProof
from app.security.scope import read_criterion
from app.services import account_proofs
from app.services.actors import Actor

Link = tuple[str, str]


def proof_links(account_ids: Sequence[int], actor: Actor) -> dict[int, list[Link]]:
    """(filename, address) of each proof of each account: those put on file for it, then those
    given with the import that created it. Two queries for all accounts together."""
    found: dict[int, list[Link]] = {account_id: [] for account_id in account_ids}
    own = db.session.scalars(
        select(AccountProof)
        .where(AccountProof.account_id.in_(account_ids), read_criterion(AccountProof, actor))
        .order_by(AccountProof.id)
    )
    for proof in own:
        found[proof.account_id].append(
            (proof.filename, f"/accounts/proof/{proof.account_id}/{proof.id}")
        )
    given = account_proofs.given_for(account_ids).where(read_criterion(ImportProof, actor))
    for account_id, each in db.session.execute(given):
        if account_id is not None:
            address = f"/accounts/import_proof/{account_id}/{each.id}"
            found[account_id].append((each.filename, address))
    return found
