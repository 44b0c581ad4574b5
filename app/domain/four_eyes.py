"""四眼原则: what only two people together may do (rules A9, row 21, notes to 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.errors import NotPermittedError
from app.domain.messages import N_


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: an account, and the person behind it."""

    account_id: int | None
    person_id: int | None


def require_signer(signer: Signer) -> None:
    """Refuse an account without a person: nobody can tell who signed. Raises NotPermittedError."""
    if signer.account_id is None or signer.person_id is None:
        raise NotPermittedError(
            N_("This needs two people by name. Sign in with a personal account.")
        )


def require_second_person(first: Signer, second: Signer) -> None:
    """Refuse the same person twice, also under another account. Raises NotPermittedError."""
    require_signer(first)
    require_signer(second)
    if first.account_id == second.account_id or first.person_id == second.person_id:
        raise NotPermittedError(
            N_("This needs two people. Let a colleague of the province give the second signature.")
        )
