"""Two people sign, by name (rules A9, row 21)."""

from __future__ import annotations

import pytest

from app.domain.errors import NotPermittedError
from app.domain.four_eyes import Signer, require_second_person, require_signer

FIRST = Signer(account_id=1, person_id=11)


def test_another_person_signs():
    require_second_person(FIRST, Signer(account_id=2, person_id=12))


@pytest.mark.parametrize(
    "second",
    [
        FIRST,
        Signer(account_id=2, person_id=11),
        Signer(account_id=1, person_id=12),
        Signer(account_id=2, person_id=None),
        Signer(account_id=None, person_id=None),
    ],
    ids=["same", "second account of the same person", "same account", "unit account", "nobody"],
)
def test_the_same_person_or_nobody_by_name_does_not(second):
    with pytest.raises(NotPermittedError):
        require_second_person(FIRST, second)


def test_unit_account_cannot_ask_either():
    with pytest.raises(NotPermittedError):
        require_signer(Signer(account_id=1, person_id=None))
