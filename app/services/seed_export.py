"""The configuration in the database, back as the YAML files of seed/ it can be loaded from again.

`export_all` gives the data, `write_all` the files. Demo units, people and committees are no
configuration and stay behind; so do rows the province has switched off.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from app.domain.calendar import BEIJING
from app.domain.terms import DayKind, TitleLevel
from app.extensions import db
from app.models import (
    Dictionary,
    DictionaryEntry,
    Division,
    EvaluationPlan,
    HolidayDay,
    HolidayYear,
    Parameter,
    PlanCategory,
    PlanCategorySeries,
    PlanLine,
    ProfessionalTitle,
    ReasonCode,
    Series,
    ShippedDefinition,
    Specialty,
    SpecialtyGroup,
)
from app.services.seeding import (
    COLLECTION_FORM,
    MILESTONE_DAYS,
    MILESTONE_INSTANTS,
    ORIGINS,
    PRINTED_TEXTS,
)

ORIGIN_WORDS = {origin: word for word, origin in ORIGINS.items()}
LINE_WIDTH = 120


def export_all() -> dict[str, Any]:
    """Return the data of every configuration file by its name below seed/."""
    session: Session = db.session()
    return {
        "divisions.yaml": _export_divisions(session),
        **{f"holidays/{year}.yaml": data for year, data in _export_holidays(session)},
        "series.yaml": _export_series(session),
        "specialties.yaml": _export_specialties(session),
        "parameters.yaml": _export_parameters(session),
        "reason_codes.yaml": _export_reason_codes(session),
        "dictionaries.yaml": _export_dictionaries(session),
        **{
            f"screens/{row.key}.yaml": row.definition
            for row in session.scalars(
                select(ShippedDefinition).where(ShippedDefinition.kind.in_(("form", "record")))
            )
        },
        **{f"plan_{year}.yaml": data for year, data in _export_plans(session)},
    }


def write_all(folder: Path) -> list[Path]:
    """Write `export_all` below `folder`, which `flask seed` can load; return the files."""
    written = []
    for name, data in export_all().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=LINE_WIDTH),
            encoding="utf-8",
        )
        written.append(path)
    return written


def _export_collection_form(session: Session) -> dict[str, Any]:
    form = session.get_one(ShippedDefinition, COLLECTION_FORM).definition
    return {
        "heading": form["heading"],
        "series_line": form["series_line"],
        "columns": form["headings"],
    }


def _export_divisions(session: Session) -> dict[str, Any]:
    return {
        "divisions": [
            {
                "code": row.code,
                "name": row.name,
                "level": row.level.value,
                "parent": row.parent_code,
            }
            for row in session.scalars(select(Division).order_by(Division.code))
        ]
    }


# --------------------------------------------------------------------------- holidays


def _export_holidays(session: Session) -> Iterator[tuple[int, dict[str, Any]]]:
    query = select(HolidayYear).options(selectinload(HolidayYear.days)).order_by(HolidayYear.year)
    for row in session.scalars(query):
        off = [day for day in row.days if day.kind is DayKind.HOLIDAY]
        worked = [day.on for day in row.days if day.kind is DayKind.MAKEUP_WORKDAY]
        yield (
            row.year,
            {
                "year": row.year,
                "published": row.is_published,
                "source": row.source,
                "holidays": list(_group_days(off)),
                "makeup_workdays": worked,
            },
        )


def _group_days(days: list[HolidayDay]) -> Iterator[dict[str, Any]]:
    """Days in a row under one name make one holiday; the same name months apart makes two."""
    dated = enumerate(days)
    for key, group in groupby(dated, lambda one: (one[1].name, one[1].on - timedelta(days=one[0]))):
        yield {"name": key[0], "days": [day.on for _, day in group]}


# --------------------------------------------------------------------------- titles, specialties


def _export_series(session: Session) -> dict[str, Any]:
    query = select(Series).options(selectinload(Series.titles)).order_by(Series.number)
    return {"series": [_series(row) for row in session.scalars(query)]}


def _series(row: Series) -> dict[str, Any]:
    data: dict[str, Any] = {
        "slug": row.slug,
        "number": row.number,
        "name": row.name,
        "confirmed": row.is_confirmed,
    }
    if row.note:
        data["note"] = row.note
    data["levels"] = [
        {
            "level": int(level),
            "titles": [_title(one) for one in row.titles if one.level is level] or None,
        }
        for level in TitleLevel
    ]
    return data


def _title(row: ProfessionalTitle) -> dict[str, Any]:
    return {"name": row.name, "specialty_hint": row.specialty_hint or None}


def _export_specialties(session: Session) -> dict[str, Any]:
    query = (
        select(SpecialtyGroup)
        .options(selectinload(SpecialtyGroup.specialties), selectinload(SpecialtyGroup.series))
        .order_by(SpecialtyGroup.position, SpecialtyGroup.id)
    )
    catalogue: dict[str, dict[str, Any]] = {}
    for row in session.scalars(query):
        entry = catalogue.setdefault(
            row.category_slug, {"category": row.category_slug, "groups": []}
        )
        entry["groups"].append(
            {
                "slug": row.slug,
                "name": row.name,
                "series": row.series.slug,
                "specialties": [
                    _specialty(one, row)
                    for one in sorted(row.specialties, key=lambda one: one.number)
                    if one.is_active
                ],
            }
        )
    return {
        "annex_2": _export_collection_form(session),
        "catalogue": list(catalogue.values()),
    }


def _specialty(row: Specialty, group: SpecialtyGroup) -> dict[str, Any]:
    return {
        "key": f"{group.category_slug}.{group.slug}.{row.number}",
        "number": row.number,
        "name": row.name,
        "scope_note": row.scope_note,
        "basis": row.basis,
        "origin": ORIGIN_WORDS[row.origin],
    }


# --------------------------------------------------------------------------- parameters, lists


def _export_parameters(session: Session) -> dict[str, Any]:
    rows = session.scalars(select(Parameter).order_by(Parameter.position, Parameter.key))
    return {"parameters": [_parameter(row) for row in rows]}


def _parameter(row: Parameter) -> dict[str, Any]:
    data: dict[str, Any] = {"key": row.key, "label": row.label, "default": row.default}
    if row.value != row.default:
        data["value"] = row.value
    data |= {"type": row.kind, "unit": row.unit or None}
    limits = {"minimum": row.minimum, "maximum": row.maximum, "choices": row.options}
    data |= {key: limit for key, limit in limits.items() if limit is not None}
    return data | {
        "is_fixed": row.is_fixed,
        "clause": row.clause,
        "confirmed": row.is_confirmed,
    }


def _export_reason_codes(session: Session) -> dict[str, Any]:
    query = select(ReasonCode).where(ReasonCode.is_active).order_by(ReasonCode.position)
    found: dict[str, dict[str, Any]] = {}
    for row in session.scalars(query):
        entry = found.setdefault(
            row.code, {"key": row.code, "name": row.name, "actions": [], "source": row.source}
        )
        entry["actions"].append(row.use)
    return {"reason_codes": list(found.values())}


def _export_dictionaries(session: Session) -> dict[str, Any]:
    items: dict[str, list[dict[str, Any]]] = {}
    query = select(DictionaryEntry).where(DictionaryEntry.is_active)
    for row in session.scalars(query.order_by(DictionaryEntry.position, DictionaryEntry.id)):
        items.setdefault(row.dictionary, []).append({"code": row.code, "name": row.name})
    return {
        "dictionaries": [
            {
                "key": row.key,
                "name": row.name,
                "source": row.source,
                "items": items.get(row.key, []),
            }
            for row in session.scalars(select(Dictionary).order_by(Dictionary.position))
        ]
    }


# --------------------------------------------------------------------------- plans


def _export_plans(session: Session) -> Iterator[tuple[int, dict[str, Any]]]:
    categories = selectinload(EvaluationPlan.lines).selectinload(PlanLine.categories)
    links = categories.selectinload(PlanCategory.series_links)
    query = select(EvaluationPlan).options(links.selectinload(PlanCategorySeries.series))
    for row in session.scalars(query.order_by(EvaluationPlan.year)):
        yield row.year, _plan(row)


def _plan(row: EvaluationPlan) -> dict[str, Any]:
    return {
        "year": row.year,
        "directive": {
            "heading": row.directive_heading,
            "number": row.document_number or None,
            "issued_on": row.issued_on,
        },
        "heading": row.heading,
        "columns": {key: row.columns[key] for key in ("number", *PRINTED_TEXTS)},
        "drafting_opens_on": row.drafting_opens_on,
        "authority_filing_due_on": row.authority_filing_due_on,
        "specialty_proposals_due_on": row.specialty_proposals_due_on,
        "accounts_due_on": row.accounts_due_on,
        "published_at": _write_instant(row.published_at),
        "lines": [_line(line) for line in row.lines],
    }


def _line(row: PlanLine) -> dict[str, Any]:
    return {
        "number": row.number,
        **{key: getattr(row, key) for key in PRINTED_TEXTS},
        **{key: _write_instant(getattr(row, key)) for key in MILESTONE_INSTANTS},
        **{key: getattr(row, key) for key in MILESTONE_DAYS},
        "is_examination_linked": row.is_examination_linked,
        "is_special_review": row.is_special_review,
        "seniority_cutoff_on": row.seniority_cutoff_on,
        "categories": [_category(one) for one in row.categories],
    }


def _category(row: PlanCategory) -> dict[str, Any]:
    data: dict[str, Any] = {
        "slug": row.slug,
        "name": row.name,
        "also_known_as": row.also_known_as,
        "series": [_link(one) for one in row.series_links],
        "people_filter": row.people_filter.value,
        "levels": row.levels,
        "examination_replaces_review": row.examination_replaces_review,
        "levels_confirmed": row.levels_confirmed,
    }
    return data | ({"note": row.note} if row.note else {})


def _link(row: PlanCategorySeries) -> dict[str, Any]:
    data = {"slug": row.series.slug}
    return data | ({"specialty_filter": row.note} if row.note else {})


def _write_instant(instant: datetime | None) -> str | None:
    """A Beijing time to the minute, as the seed files write it."""
    return instant.astimezone(BEIJING).strftime("%Y-%m-%dT%H:%M") if instant else None
