"""The tree of refusals: template, parameters, code, status."""

from __future__ import annotations

import pickle

import pytest

from app.domain import errors
from app.domain.errors import DomainError, RuleViolation, StaleVersionError, WindowClosedError
from app.domain.messages import N_


def tree(kind: type[DomainError]) -> list[type[DomainError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in tree(child))]


def test_an_error_fills_in_its_template() -> None:
    error = RuleViolation("%(given)s is too many.", given=7)
    assert str(error) == "7 is too many."
    assert (error.template, error.params) == ("%(given)s is too many.", {"given": 7})


def test_an_error_has_a_template_of_its_own() -> None:
    error = StaleVersionError(current_state="Draft", current_version=3)
    assert error.template == StaleVersionError.template
    assert "Draft (version 3)" in str(error)
    assert error.http_status == 409


def test_the_template_may_be_a_keyword() -> None:
    assert str(DomainError(template="No.")) == "No."


def test_an_error_survives_pickling() -> None:
    error = WindowClosedError(series="会计", opens="a", closes="b")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 -- our own bytes
    assert (str(again), again.params) == (str(error), error.params)


@pytest.mark.parametrize(
    "kind", [k for k in tree(DomainError) if k.__module__.startswith("app.domain")]
)
def test_every_error_has_its_code_and_a_client_status(kind: type[DomainError]) -> None:
    assert kind.http_status in {403, 409, 422}
    assert kind.code == kind.code.lower().replace(" ", "_")
    if kind.__module__ == errors.__name__:
        assert "code" in vars(kind)


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in tree(DomainError) if kind.__module__ == errors.__name__]
    assert len(set(codes)) == len(codes)


def test_marking_changes_nothing() -> None:
    assert N_("Draft") == "Draft"
