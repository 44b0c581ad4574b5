"""Loading seed/ into the database: what is missing is added, what is there is never overwritten.

A row already on file belongs to the province, whatever it says now; so loading twice changes
nothing. The demo cast (`seed/demo`) comes in rehearsal mode only, whole and once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

import config
from app.domain.errors import DomainError
from app.domain.plan import PlanWindow
from app.domain.terms import (
    AdministrativeLevel,
    DayKind,
    PeopleFilter,
    SpecialtyOrigin,
    TitleLevel,
)
from app.extensions import db, trusted_writes
from app.models import (
    ConfigurationGeneration,
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
    Specialty,
    SpecialtyGroup,
)
from app.services import seeding_demo, settings
from app.services.definitions.shipped import load_shipped, ship, shipped_files
from app.services.seed_files import Entry, SeedError, read_seed, telling_refusals

__all__ = ["COLLECTION_FORM", "SeedError", "load_all"]

COLLECTION_FORM = "specialty_collection_form"
"""The key under which the printed heads of Annex 2 are kept."""

ORIGINS = {"annex_2": SpecialtyOrigin.DIRECTIVE, "demo": SpecialtyOrigin.DEMO}
"""How specialties.yaml writes where a specialty comes from."""

PARAMETER_LIMITS = (("minimum", "minimum"), ("maximum", "maximum"), ("options", "choices"))
"""What limits a parameter: the column, and its word in parameters.yaml."""

PER_REASON = 10
"""Positions kept free for the uses of one reason code."""

PRINTED_TEXTS = (
    "series_text",
    "scope",
    "window_text",
    "receipt_text",
    "policy_review_text",
    "online_review_text",
)
MILESTONE_INSTANTS = ("applications_open_at", "applications_close_at", "receipt_due_at")
MILESTONE_DAYS = ("policy_review_due_on", "online_review_due_on")


def load_all(*, with_demo: bool, folder: Path | None = None) -> None:
    """Add what is missing of the seed data; with `with_demo` also the demo cast.

    Raises SeedError, one line naming the file, the path inside and what to do. Does not commit.
    """
    folder = folder or config.SEED_FOLDER
    session: Session = db.session()
    if not inspect(session.connection()).has_table(Division.__tablename__):
        raise SeedError(
            "the database has no tables: run `./portal db upgrade` and `./portal init` first."
        )
    with trusted_writes():
        _load_generation(session)
        for name, load in _files(folder):
            with telling_refusals(name):
                load(session, read_seed(folder, name))
                session.flush()
        if with_demo and not seeding_demo.is_loaded(session):
            seeding_demo.load_demo(session, folder)
    settings.forget_settings()


def _files(folder: Path) -> list[tuple[str, Any]]:
    """The files in the order in which they refer to each other."""
    holidays = sorted(path.name for path in (folder / "holidays").glob("*.yaml"))
    plans = sorted(path.name for path in folder.glob("plan_*.yaml"))
    return [
        ("divisions.yaml", _load_divisions),
        *((f"holidays/{name}", _load_holidays) for name in holidays),
        ("series.yaml", _load_series),
        ("specialties.yaml", _load_specialties),
        ("parameters.yaml", _load_parameters),
        ("reason_codes.yaml", _load_reason_codes),
        ("dictionaries.yaml", _load_dictionaries),
        *((name, partial(_load_definition, folder)) for name in shipped_files(folder)),
        *((name, _load_plan) for name in plans),
    ]


# --------------------------------------------------------------------------- divisions, holidays


def _load_divisions(session: Session, file: Entry) -> None:
    known = set(session.scalars(select(Division.code)))
    for entry in file.items("divisions"):
        code = entry.text("code")
        if code not in known:
            known.add(code)
            session.add(
                Division(
                    code=code,
                    name=entry.text("name"),
                    level=entry.word("level", AdministrativeLevel),
                    parent_code=entry.text("parent", None),
                )
            )


def _load_holidays(session: Session, file: Entry) -> None:
    year = file.number("year")
    if session.get(HolidayYear, year) is not None:
        return
    row = HolidayYear(
        year=year, source=file.text("source"), is_published=file.flag("published"), version=1
    )
    for entry in file.items("holidays"):
        row.days += [
            HolidayDay(on=on, kind=DayKind.HOLIDAY, name=entry.text("name"))
            for on in entry.listed("days")
        ]
    row.days += [
        HolidayDay(on=on, kind=DayKind.MAKEUP_WORKDAY, name="")
        for on in file.listed("makeup_workdays")
    ]
    session.add(row)


# --------------------------------------------------------------------------- titles, specialties


def _load_series(session: Session, file: Entry) -> None:
    known = set(session.scalars(select(Series.slug)))
    for entry in file.items("series"):
        if entry.text("slug") not in known:
            session.add(
                Series(
                    slug=entry.text("slug"),
                    number=entry.number("number"),
                    name=entry.text("name"),
                    is_confirmed=entry.flag("confirmed"),
                    note=entry.text("note", ""),
                    titles=list(_read_titles(entry)),
                )
            )


def _read_titles(series: Entry) -> Iterator[ProfessionalTitle]:
    position = 0
    for level in series.items("levels"):
        if level.get("titles").value is None:
            continue
        for title in level.items("titles"):
            position += 1
            yield ProfessionalTitle(
                level=level.word("level", TitleLevel),
                name=title.text("name"),
                specialty_hint=title.text("specialty_hint", None) or "",
                position=position,
            )


def _load_specialties(session: Session, file: Entry) -> None:
    series = _series_by_slug(session)
    ship(_read_collection_form(file.get("annex_2")))
    groups = {(row.category_slug, row.slug): row for row in session.scalars(select(SpecialtyGroup))}
    known = set(session.execute(select(Specialty.group_id, Specialty.number)))
    position = 0
    for entry in file.items("catalogue"):
        for group in entry.items("groups"):
            position += 1
            key = (entry.text("category"), group.text("slug"))
            row = groups.get(key)
            if row is None:
                row = groups[key] = SpecialtyGroup(
                    category_slug=key[0],
                    slug=key[1],
                    name=group.text("name"),
                    series=group.known("series", series, "series of series.yaml"),
                    position=position,
                )
                session.add(row)
            for one in group.items("specialties"):
                if (row.id, one.number("number")) not in known:
                    session.add(_read_specialty(one, row))


def _read_specialty(entry: Entry, group: SpecialtyGroup) -> Specialty:
    return Specialty(
        group=group,
        number=entry.number("number"),
        name=entry.text("name"),
        scope_note=entry.text("scope_note"),
        basis=entry.text("basis"),
        origin=entry.known("origin", ORIGINS, "origin (annex_2 or demo)"),
    )


def _series_by_slug(session: Session) -> dict[str, Series]:
    return {row.slug: row for row in session.scalars(select(Series))}


# --------------------------------------------------------------------------- parameters, lists


def _load_parameters(session: Session, file: Entry) -> None:
    known = {row.key: row for row in session.scalars(select(Parameter))}
    for position, entry in enumerate(file.items("parameters"), start=1):
        default = entry.get("default").value
        optional = {
            column: entry.get(key).value
            for column, key in PARAMETER_LIMITS
            if entry.get(key, None).value is not None
        }
        if entry.text("key") in known:
            _renew_limits(known[entry.text("key")], optional)
            continue
        session.add(
            Parameter(
                key=entry.text("key"),
                value=entry.get("value", default).value,
                default=default,
                kind=entry.text("type"),
                unit=entry.text("unit", None) or "",
                label=entry.text("label"),
                clause=entry.text("clause"),
                is_fixed=entry.flag("is_fixed"),
                is_confirmed=entry.flag("confirmed"),
                position=position,
                **optional,
            )
        )


def _renew_limits(row: Parameter, limits: dict[str, Any]) -> None:
    """What may be set is the product's to say, and comes with an upgrade; what is set is not."""
    for column, _key in PARAMETER_LIMITS:
        if getattr(row, column) != limits.get(column):
            setattr(row, column, limits.get(column))


def _load_reason_codes(session: Session, file: Entry) -> None:
    known = set(session.execute(select(ReasonCode.use, ReasonCode.code)))
    for number, entry in enumerate(file.items("reason_codes"), start=1):
        for index, use in enumerate(entry.listed("actions")):
            if (use, entry.text("key")) not in known:
                session.add(
                    ReasonCode(
                        use=use,
                        code=entry.text("key"),
                        name=entry.text("name"),
                        source=entry.text("source"),
                        position=number * PER_REASON + index,
                    )
                )


def _load_dictionaries(session: Session, file: Entry) -> None:
    known_keys = set(session.scalars(select(Dictionary.key)))
    known = set(session.execute(select(DictionaryEntry.dictionary, DictionaryEntry.code)))
    for number, entry in enumerate(file.items("dictionaries"), start=1):
        key = entry.text("key")
        if key not in known_keys:
            session.add(
                Dictionary(
                    key=key,
                    name=entry.text("name"),
                    source=entry.text("source"),
                    position=number,
                )
            )
            session.flush()
        for position, item in enumerate(entry.items("items"), start=1):
            if (key, item.text("code")) not in known:
                session.add(
                    DictionaryEntry(
                        dictionary=key,
                        code=item.text("code"),
                        name=item.text("name"),
                        position=position,
                    )
                )


def _load_definition(folder: Path, _session: Session, file: Entry) -> None:
    load_shipped(folder, file)


def _read_collection_form(entry: Entry) -> dict[str, Any]:
    """The printed heads of Annex 2 as a definition."""
    return {
        "key": COLLECTION_FORM,
        "kind": "sheet",
        "heading": entry.text("heading"),
        "series_line": entry.text("series_line"),
        "headings": entry.mapping("columns"),
    }


def _load_generation(session: Session) -> None:
    """The row every process looks at; without it no change of the configuration is noticed."""
    if session.get(ConfigurationGeneration, 1) is None:
        session.add(ConfigurationGeneration(id=1, token=""))
        session.flush()


# --------------------------------------------------------------------------- the plan


def _load_plan(session: Session, file: Entry) -> None:
    year = file.number("year")
    if session.scalar(select(EvaluationPlan.id).where(EvaluationPlan.year == year)):
        return
    series = _series_by_slug(session)
    directive = file.get("directive")
    session.add(
        EvaluationPlan(
            year=year,
            heading=file.text("heading"),
            directive_heading=directive.text("heading"),
            document_number=directive.text("number", None) or "",
            issued_on=directive.day("issued_on", None),
            columns=file.mapping("columns"),
            drafting_opens_on=file.day("drafting_opens_on"),
            authority_filing_due_on=file.day("authority_filing_due_on"),
            specialty_proposals_due_on=file.day("specialty_proposals_due_on"),
            accounts_due_on=file.day("accounts_due_on"),
            published_at=file.instant("published_at"),
            lines=[_read_line(entry, series) for entry in file.items("lines")],
        )
    )


def _read_line(entry: Entry, series: dict[str, Series]) -> PlanLine:
    milestones = {key: entry.instant(key) for key in MILESTONE_INSTANTS}
    milestones |= {key: entry.day(key) for key in MILESTONE_DAYS}
    _require_order(entry, milestones)
    return PlanLine(
        number=entry.number("number"),
        **{key: entry.text(key) for key in PRINTED_TEXTS},
        **milestones,
        is_examination_linked=entry.flag("is_examination_linked"),
        is_special_review=entry.flag("is_special_review"),
        seniority_cutoff_on=entry.day("seniority_cutoff_on"),
        categories=[
            _read_category(one, series, position)
            for position, one in enumerate(entry.items("categories"), start=1)
        ],
    )


def _require_order(entry: Entry, milestones: dict[str, Any]) -> None:
    window = PlanWindow(
        line=entry.text("series_text"),
        opens_at=milestones["applications_open_at"],
        closes_at=milestones["applications_close_at"],
        receipt_due_at=milestones["receipt_due_at"],
        policy_review_due_on=milestones["policy_review_due_on"],
        online_review_due_on=milestones["online_review_due_on"],
    )
    try:
        window.require_order()
    except DomainError as error:
        raise entry.error(str(error)) from error


def _read_category(entry: Entry, series: dict[str, Series], position: int) -> PlanCategory:
    return PlanCategory(
        slug=entry.text("slug"),
        name=entry.text("name"),
        also_known_as=entry.listed("also_known_as"),
        people_filter=entry.word("people_filter", PeopleFilter),
        levels=entry.listed("levels"),
        levels_confirmed=entry.flag("levels_confirmed"),
        examination_replaces_review=entry.flag("examination_replaces_review"),
        note=entry.text("note", ""),
        position=position,
        series_links=[
            PlanCategorySeries(
                series=link.known("slug", series, "series of series.yaml"),
                note=link.text("specialty_filter", ""),
            )
            for link in entry.items("series")
        ],
    )
