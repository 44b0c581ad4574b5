"""What the rest of the configuration can be wrong about: parameters, dictionaries, reason codes,
material lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import func, select

from app.domain.errors import RuleViolation
from app.domain.messages import N_
from app.extensions import db
from app.models import Dictionary, DictionaryEntry, MaterialRequirement, Parameter, ReasonCode
from app.services.definitions.findings import Finding
from app.services.definitions.lint_forms import SECTIONS
from app.services.parameters import read_value, show_value

REASON_USES: Final = ("decline", "reject", "return", "reroute", "reinstate")
"""Actions that take a reason from the list (rules R50): without one nobody can act."""

Located = Iterator[tuple[str, Finding]]


def lint_configuration() -> Located:
    """Every fault with the key of what has it."""
    yield from _parameters()
    yield from _dictionaries()
    yield from _reason_codes()
    yield from _materials()


def _parameters() -> Located:
    for row in db.session.scalars(select(Parameter).order_by(Parameter.position, Parameter.key)):
        fault = _parameter_fault(row)
        if fault:
            code, template = fault
            params = {"label": row.label, "low": row.minimum, "high": row.maximum}
            yield "parameters", Finding(code, row.key, template, params)


def _parameter_fault(row: Parameter) -> tuple[str, str] | None:
    if row.is_fixed and row.value != row.default:
        return (
            "parameter_fixed",
            N_("%(label)s: fixed by the notice, but changed here. Set it back."),
        )
    try:
        known = read_value(row, show_value(row.value)) == row.value
    except (RuleViolation, KeyError):
        known = False
    if not known:
        return (
            "parameter_of_other_kind",
            N_("%(label)s: the value is not of the kind this parameter has. Enter it again."),
        )
    is_number = isinstance(row.value, int) and not isinstance(row.value, bool)
    if is_number and _is_outside(row.value, row.minimum, row.maximum):
        return (
            "parameter_out_of_bounds",
            N_("%(label)s: the value is not between %(low)s and %(high)s. Enter it again."),
        )
    return None


def _is_outside(value: int, low: Any, high: Any) -> bool:
    return (low is not None and value < low) or (high is not None and value > high)


def _dictionaries() -> Located:
    active = func.count().filter(DictionaryEntry.is_active)
    query = (
        select(Dictionary.key, Dictionary.name, func.count(DictionaryEntry.id), active)
        .outerjoin(DictionaryEntry, DictionaryEntry.dictionary == Dictionary.key)
        .group_by(Dictionary.key, Dictionary.name, Dictionary.position)
        .order_by(Dictionary.position, Dictionary.key)
    )
    for key, name, count, offered in db.session.execute(query):
        if not count or not offered:
            template = N_("The dictionary %(name)s offers no entry.")
            finding = Finding("dictionary_offers_nothing", key, template, {"name": name}, False)
            yield "dictionaries", finding
    twins = (
        select(DictionaryEntry.dictionary, DictionaryEntry.name)
        .where(DictionaryEntry.is_active)
        .group_by(DictionaryEntry.dictionary, DictionaryEntry.name)
        .having(func.count() > 1)
        .order_by(DictionaryEntry.dictionary, DictionaryEntry.name)
    )
    for key, name in db.session.execute(twins):
        template = N_("The dictionary %(key)s offers “%(name)s” twice. Tell the entries apart.")
        finding = Finding("entry_names_equal", key, template, {"key": key, "name": name})
        yield "dictionaries", finding


def _reason_codes() -> Located:
    query = select(ReasonCode.use).where(ReasonCode.is_active).distinct()
    offered = set(db.session.scalars(query))
    for use in REASON_USES:
        if use not in offered:
            template = N_("No reason is offered for “%(use)s”: nobody could do it. Add one.")
            yield "reason_codes", Finding("reason_missing", use, template, {"use": use})


def _materials() -> Located:
    names: Counter[tuple[int, str]] = Counter()
    kinds = {"pdf", "jpg", "png", "gif"}
    query = select(MaterialRequirement).order_by(
        MaterialRequirement.committee_id, MaterialRequirement.position, MaterialRequirement.id
    )
    for row in db.session.scalars(query):
        path, params = f"{row.committee_id}/{row.code}", {"name": row.name}
        names[row.committee_id, row.name] += 1
        if names[row.committee_id, row.name] > 1:
            template = N_("A material list asks for “%(name)s” twice. Take one row out.")
            yield "materials", Finding("material_twice", path, template, params)
        if not row.file_types or {*row.file_types} - kinds:
            template = N_("%(name)s: these kinds of file cannot be uploaded. Choose others.")
            yield "materials", Finding("material_file_types", path, template, params)
        if row.code.partition(".")[0] in SECTIONS:
            template = N_(
                "%(name)s: the code is the name of a section of the application form, whose files "
                "would be mixed up with these. Choose another code."
            )
            yield "materials", Finding("material_code_of_section", path, template, params)
