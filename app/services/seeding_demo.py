"""The demo cast of seed/demo: units, accounts, people, committees and experts for a rehearsal.

Loaded whole or not at all: as soon as one demo account exists, nothing is added any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ARRAY, Text, bindparam, func, select, update
from sqlalchemy.orm import Session

from app.domain import codes
from app.domain.calendar import BEIJING
from app.domain.errors import DomainError
from app.domain.terms import (
    AccountKind,
    AdministrativeLevel,
    ApplicantKind,
    CallState,
    CommitteeLevel,
    CommitteeScope,
    FilingState,
    PanelRole,
    TitleLevel,
    UnitKind,
)
from app.domain.workflow import ActorRole
from app.models import (
    Account,
    AuthorityFiling,
    CallForApplications,
    Committee,
    CreditRecord,
    Expert,
    ExpertPoolMember,
    MaterialRequirement,
    Person,
    PersonnelAffiliation,
    PlanCategory,
    PlanLine,
    ReviewAuthority,
    Series,
    Specialty,
    SpecialtyGroup,
    Unit,
    UnitSuffix,
)
from app.passwords import hash_password
from app.services.accounts import identity_hash, personal_login
from app.services.permissions import role_by_name
from app.services.search_text import pinyin_initials, search_words
from app.services.seed_files import Entry, read_seed, telling_refusals

ACTIVATED_AT = datetime(2022, 6, 15, 9, 0, tzinfo=BEIJING)
"""When the demo accounts were activated: before 30 June (Notice 三(二))."""

AFFILIATED_ON = date(2018, 1, 1)
"""Since when demo staff and experts belong to their unit, where the file does not say."""

OFFICE_OPENS = time(9, 0, tzinfo=BEIJING)
"""The hour of the day at which a filing or call written as a date took place."""

FRAUD_ON, FRAUD_UNTIL = date(2021, 9, 1), date(2024, 8, 31)
"""The three years a demo finding of fraud bars somebody (rules R73)."""

WITH_UNIT_ADMIN = {ActorRole.HRSS, ActorRole.COMPETENT_DEPARTMENT}
"""Departments administer their own staff; the county's plays the employer of freelancers (C4)."""

FILING_YEARS = 3


@dataclass
class Cast:
    """What later files refer to by the keys of earlier ones."""

    password_hash: str
    units: dict[str, Unit] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    committees: dict[str, Committee] = field(default_factory=dict)
    roles: dict[str, Any] = field(default_factory=dict)


def is_loaded(session: Session) -> bool:
    """Whether a demo cast is on file."""
    return session.scalar(select(Account.id).where(Account.is_demo).limit(1)) is not None


def load_demo(session: Session, folder: Path) -> None:
    """Add the whole cast; SeedError names the file and place that cannot be used."""
    units, people, committees = (
        read_seed(folder, f"demo/{name}.yaml") for name in ("units", "people", "committees")
    )
    cast = Cast(hash_password(people.text("demo_password")))
    for file, load in (
        (units, _load_units),
        (people, _load_people),
        (committees, _load_committees),
        (people, _load_experts),
    ):
        with telling_refusals(file.file):
            with session.no_autoflush:
                load(session, file, cast)
            session.flush()


# --------------------------------------------------------------------------- units


def _load_units(session: Session, file: Entry, cast: Cast) -> None:
    for entry in file.items("units"):
        cast.units[entry.text("key")] = _read_unit(entry, cast)
    session.add_all(cast.units.values())
    session.flush()
    for unit in cast.units.values():  # a parent stands before its children
        unit.path = f"{unit.parent.path if unit.parent else '/'}{unit.id}/"
        if unit.code_suffix:
            session.add(UnitSuffix(parent_id=unit.parent_id, suffix=unit.code_suffix))
    session.flush()
    _index(
        session,
        Unit,
        [(unit.id, search_words(unit.name, unit.code)) for unit in cast.units.values()],
    )


def _read_unit(entry: Entry, cast: Cast) -> Unit:
    has_parent = entry.get("parent").value is not None
    contact = entry.get("contact")
    return Unit(
        name=entry.text("name"),
        kind=entry.word("kind", UnitKind),
        level=entry.word("level", AdministrativeLevel),
        code=entry.text("code"),
        code_suffix=entry.text("code_suffix", None),
        parent=entry.known("parent", cast.units, "unit above in this file") if has_parent else None,
        division_code=entry.text("division_code"),
        registrar=entry.text("registrar_name", None),
        registrar_level=entry.word("registrar_level", AdministrativeLevel, None),
        is_self_reviewing=entry.flag("is_self_reviewing", False),
        contact_name=contact.text("name"),
        contact_phone=contact.text("phone"),
        contact_phone_mask=codes.mask_phone(contact.text("phone")),
        pinyin=pinyin_initials(entry.text("name")),
    )


def _index(
    session: Session, model: type[Unit] | type[Person], documents: list[tuple[int, list[str]]]
) -> None:
    """Write the search columns of new rows in one statement."""
    table: Any = model.__table__
    session.connection().execute(
        update(table)
        .where(table.c.id == bindparam("row_id"))
        .values(search=func.array_to_tsvector(bindparam("document", type_=ARRAY(Text)))),
        [{"row_id": row_id, "document": document} for row_id, document in documents],
    )


# --------------------------------------------------------------------------- people and accounts


def _load_people(session: Session, file: Entry, cast: Cast) -> None:
    entries = [*file.items("staff"), *file.items("applicants"), *file.items("experts")]
    for entry in entries:
        key = entry.text("key")
        if entry.word("kind", AccountKind) is AccountKind.PERSONAL:
            cast.people[key] = _read_person(entry, cast)
        cast.accounts[key] = _read_account(entry, cast)
    session.add_all(cast.people.values())
    session.add_all(cast.accounts.values())
    session.flush()
    people = cast.people.values()
    _index(session, Person, [(person.id, search_words(person.name)) for person in people])


def _read_person(entry: Entry, cast: Cast) -> Person:
    number, phone = entry.text("resident_id_number"), entry.text("phone")
    try:
        codes.check_resident_id(number, today=ACTIVATED_AT.date())
    except DomainError as error:
        raise entry.get("resident_id_number").error(str(error)) from error
    person = Person(
        name=entry.text("name"),
        identity_document=codes.identify_document(number),
        identity_number=number,
        identity_hash=identity_hash(number),
        identity_mask=codes.mask_identity(number),
        phone=phone,
        phone_mask=codes.mask_phone(phone),
        gender=codes.read_gender(number),
        birth_date=codes.read_birth_date(number),
        profile=_as_json(entry.get("profile", {}).value),
        pinyin=pinyin_initials(entry.text("name")),
    )
    person.affiliations = [
        PersonnelAffiliation(
            unit=entry.known("unit", cast.units, "unit of units.yaml"),
            applicant_kind=entry.word("applicant_kind", ApplicantKind, ApplicantKind.EMPLOYEE),
            starts_on=entry.day("affiliated_since", AFFILIATED_ON),
        )
    ]
    return person


def _read_account(entry: Entry, cast: Cast) -> Account:
    person = cast.people.get(entry.text("key"))
    username = entry.text("login")
    if person is not None and username == entry.text("resident_id_number"):
        username = personal_login(username)
    return Account(
        username=username,
        first_name=entry.text("name", None) or entry.known("unit", cast.units, "unit").name,
        last_name="",
        email=f"{username}@local.invalid",
        active=True,
        password=cast.password_hash,
        created_on=ACTIVATED_AT.replace(tzinfo=None),
        changed_on=ACTIVATED_AT.replace(tzinfo=None),
        kind=entry.word("kind", AccountKind),
        unit=entry.known("unit", cast.units, "unit of units.yaml"),
        person=person,
        roles=[_find_role(name, cast, entry) for name in _role_names(entry)],
        must_change_password=False,
        password_changed_at=ACTIVATED_AT,
        activated_at=ACTIVATED_AT,
        real_name_verified_at=ACTIVATED_AT if person else None,
        is_demo=True,
    )


def _role_names(entry: Entry) -> Iterator[str]:
    names = entry.listed("roles")
    yield from names
    if WITH_UNIT_ADMIN & set(names) and ActorRole.UNIT_ADMIN not in names:
        yield ActorRole.UNIT_ADMIN


def _find_role(name: str, cast: Cast, entry: Entry) -> Any:
    if name not in cast.roles:
        cast.roles[name] = role_by_name(name)
    if cast.roles[name] is None:
        raise entry.get("roles").error(
            f"there is no role {name!r}; run `./portal init` first, or correct the name."
        )
    return cast.roles[name]


def _as_json(value: Any) -> Any:
    """Profiles are kept as JSON: dates become ISO texts."""
    if isinstance(value, dict):
        return {key: _as_json(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_as_json(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value


# --------------------------------------------------------------------------- committees


def _load_committees(session: Session, file: Entry, cast: Cast) -> None:
    series = {row.slug: row for row in session.scalars(select(Series))}
    specialties = _specialties_by_key(session)
    for entry in file.items("committees"):
        committee = _read_committee(entry, cast, series)
        committee.filings = [_read_filing(entry, cast, series, specialties)]
        committee.requirements = list(_read_requirements(entry))
        if entry.get("call").value is not None:
            committee.calls = [_read_call(session, entry)]
        cast.committees[entry.text("key")] = committee
    session.add_all(cast.committees.values())


def _specialties_by_key(session: Session) -> dict[str, Specialty]:
    rows = session.execute(
        select(Specialty, SpecialtyGroup.category_slug, SpecialtyGroup.slug).join(Specialty.group)
    )
    return {f"{category}.{slug}.{row.number}": row for row, category, slug in rows}


def _read_committee(entry: Entry, cast: Cast, series: dict[str, Series]) -> Committee:
    slugs = entry.listed("series")
    if not slugs or slugs[0] not in series:
        raise entry.get("series").error("name at least one series of series.yaml here.")
    convener = entry.known("convener", cast.units, "unit of units.yaml")
    return Committee(
        name=entry.text("name"),
        convener=convener,
        series=series[slugs[0]],
        category_slug=entry.text("category"),
        scope_kind=entry.word("scope_kind", CommitteeScope),
        level=entry.word("committee_level", CommitteeLevel),
        division_code=entry.text("region_code"),
        member_size=entry.number("size"),
        is_self_reviewing=entry.flag("is_self_reviewing"),
        has_oral_defence=entry.flag("has_oral_defence"),
        representative_works=entry.number("representative_works_maximum"),
        contact_name=convener.contact_name,
        contact_phone=convener.contact_phone,
    )


def _read_filing(
    committee: Entry, cast: Cast, series: dict[str, Series], specialties: dict[str, Specialty]
) -> AuthorityFiling:
    entry = committee.get("filing")
    state = entry.word("state", FilingState)
    year = entry.number("plan_year")
    filed_on, approved_on = entry.day("filed_on", None), entry.day("approved_on", None)
    asked_from = filed_on or date(year, 1, 1)
    valid_from = entry.day("valid_from", None) or asked_from
    valid_to = entry.day("valid_to", None) or (
        valid_from.replace(year=valid_from.year + FILING_YEARS) - timedelta(days=1)
    )
    province = cast.accounts["province"]
    return AuthorityFiling(
        plan_year=year,
        document_number=entry.text("number", None) or "",
        valid_from=valid_from,
        valid_to=valid_to,
        member_size=committee.number("size"),
        state=state,
        filed_at=_at_office_hour(filed_on),
        decided_at=_at_office_hour(approved_on),
        decided_by_id=province.id if approved_on else None,
        note=committee.text("demo_note", ""),
        authorities=list(_read_authorities(committee, series, specialties)),
    )


def _read_authorities(
    committee: Entry, series: dict[str, Series], specialties: dict[str, Specialty]
) -> Iterator[ReviewAuthority]:
    chosen: Iterable[Specialty | None] = [None]
    keys = committee.listed("specialties")
    unknown = [key for key in keys if key not in specialties]
    if unknown:
        raise committee.get("specialties").error(
            f"{unknown[0]!r} is no specialty of specialties.yaml; add it, or correct the key."
        )
    if keys:
        chosen = [specialties[key] for key in keys]
    for slug in committee.listed("series"):
        for level in committee.listed("levels"):
            for specialty in chosen:
                yield ReviewAuthority(
                    series=series[slug], level=TitleLevel(level), specialty=specialty
                )


def _read_requirements(committee: Entry) -> Iterator[MaterialRequirement]:
    for position, entry in enumerate(committee.items("material_requirements"), start=1):
        yield MaterialRequirement(
            code=entry.text("code"),
            name=entry.text("name"),
            is_required=entry.flag("is_required"),
            max_files=entry.number("max_files"),
            max_bytes=entry.number("max_bytes"),
            file_types=entry.listed("types"),
            position=position,
        )


def _read_call(session: Session, committee: Entry) -> CallForApplications:
    entry = committee.get("call")
    year = entry.number("plan_year")
    line = session.scalar(
        select(PlanLine)
        .join(PlanLine.categories)
        .join(PlanLine.plan)
        .where(PlanCategory.slug == committee.text("category"), PlanLine.plan.has(year=year))
    )
    if line is None:
        raise committee.get("category").error(f"the plan of {year} has no such category.")
    return CallForApplications(
        plan_line=line,
        heading=entry.text("heading"),
        document_number=entry.text("number", None) or "",
        body=entry.text("body"),
        state=entry.word("state", CallState),
        published_at=_at_office_hour(entry.day("published_on", None)),
    )


def _at_office_hour(day: date | None) -> datetime | None:
    return datetime.combine(day, OFFICE_OPENS) if day else None


# --------------------------------------------------------------------------- experts


def _load_experts(session: Session, file: Entry, cast: Cast) -> None:
    specialties = _specialties_by_key(session)
    for entry in file.items("experts"):
        specialty = entry.known("specialty", specialties, "specialty of specialties.yaml")
        expert = Expert(
            person=cast.people[entry.text("key")],
            unit=cast.units[entry.text("unit")],
            series=specialty.group.series,
            specialty=specialty,
            title_level=entry.word("title_level", TitleLevel),
            title_name=entry.text("title_name"),
            term_from=entry.day("term_from"),
            term_to=entry.day("term_to"),
        )
        role = entry.word("panel_role", PanelRole, PanelRole.MEMBER)
        for key in entry.listed("committees"):
            if key not in cast.committees:
                raise entry.get("committees").error(
                    f"{key!r} is no committee of committees.yaml; correct the key."
                )
            session.add(ExpertPoolMember(committee=cast.committees[key], expert=expert, role=role))
        if entry.flag("has_credit_record", False):
            session.add(
                CreditRecord(
                    person=expert.person,
                    finding=entry.text("demo_note"),
                    from_on=FRAUD_ON,
                    until_on=FRAUD_UNTIL,
                )
            )
