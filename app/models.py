"""Every table, in the order of the process: columns, relationships, named constraints; no
behaviour.

States and other closed vocabularies come from app.domain, column types from app.orm.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Any

from flask_appbuilder import Model
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app import append_only, clock, custom_indexes
from app.domain.terms import (
    AccountKind,
    AccountOrigin,
    AdministrativeLevel,
    ApplicantKind,
    ApplicationKind,
    BallotChoice,
    CallState,
    CommitteeLevel,
    CommitteeScope,
    DayKind,
    DueKind,
    FilingState,
    Gender,
    IdentityDocument,
    InvitationState,
    JobFilePurpose,
    JobState,
    LapseKind,
    MeetingState,
    MoveSide,
    MoveState,
    NodeKind,
    ObjectionFinding,
    Outcome,
    PackPurpose,
    PanelRole,
    PeopleFilter,
    ProposalState,
    PublicityKind,
    ReturnTarget,
    RowOutcome,
    SampleState,
    SignatureState,
    SignedAct,
    SpecialtyOrigin,
    TitleLevel,
    TransferState,
    UnitKind,
    UnusualKind,
    WithdrawalState,
)
from app.domain.workflow import Action, ActorRole, State
from app.orm import (
    EncryptedText,
    HasCreatedAt,
    HasCustomFields,
    HasId,
    HasVersion,
    IntEnumColumn,
    TZDateTime,
    word,
)

# --------------------------------------------------------------------------- units, people,
# accounts


class Division(Model):
    """行政区划 (GB/T 2260)."""

    __tablename__ = "division"

    code: Mapped[str] = mapped_column(String(6), primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    level: Mapped[AdministrativeLevel] = mapped_column(word(AdministrativeLevel))
    parent_code: Mapped[str | None] = mapped_column(ForeignKey("division.code"))

    parent: Mapped[Division | None] = relationship(remote_side=[code])

    def __repr__(self) -> str:
        return self.name


class Unit(HasId, HasCreatedAt, HasVersion, HasCustomFields, Model):
    """单位: a node of the account tree of Annex 3. `path` is `/1/5/20/`, the ids from the root to
    itself."""

    __tablename__ = "unit"
    __table_args__ = (
        Index("ix_unit_search", "search", postgresql_using="gin"),
        CheckConstraint(
            "kind <> 'non_public' OR registrar_level IS NOT NULL", name="registrar_if_non_public"
        ),
        CheckConstraint("(code_suffix IS NULL) OR parent_id IS NOT NULL", name="parent_if_derived"),
    )

    name: Mapped[str] = mapped_column(String(120), index=True)
    kind: Mapped[UnitKind] = mapped_column(word(UnitKind))
    level: Mapped[AdministrativeLevel] = mapped_column(word(AdministrativeLevel))
    code: Mapped[str] = mapped_column(String(32), unique=True, comment="own USCC or derived code")
    code_suffix: Mapped[str | None] = mapped_column(String(2))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True)
    path: Mapped[str] = mapped_column(
        String(200, collation="C"), default="", index=True, comment="compared byte by byte"
    )
    division_code: Mapped[str] = mapped_column(ForeignKey("division.code"), index=True)
    registrar: Mapped[str | None] = mapped_column(String(120))
    registrar_level: Mapped[AdministrativeLevel | None] = mapped_column(
        word(AdministrativeLevel, "registrar_level")
    )
    registrar_proof_sha256: Mapped[str | None] = mapped_column(
        ForeignKey("stored_file.sha256"), comment="shows the registrar, whose level decides (E6)"
    )
    registrar_proof_name: Mapped[str] = mapped_column(String(200), default="", server_default="")
    is_self_reviewing: Mapped[bool] = mapped_column(Boolean, default=False)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    contact_name: Mapped[str | None] = mapped_column(String(60))
    contact_phone: Mapped[str | None] = mapped_column(EncryptedText, deferred=True)
    contact_phone_mask: Mapped[str | None] = mapped_column(String(40))
    address: Mapped[str | None] = mapped_column(String(200))
    pinyin: Mapped[str] = mapped_column(String(200), default="", index=True)
    search: Mapped[Any] = mapped_column(TSVECTOR, nullable=True)

    parent: Mapped[Unit | None] = relationship(remote_side="Unit.id", back_populates="subordinates")
    subordinates: Mapped[list[Unit]] = relationship(back_populates="parent")
    division: Mapped[Division] = relationship()
    registrar_proof: Mapped[StoredFile | None] = relationship()

    def __repr__(self) -> str:
        return self.name


class UnitCodeAlias(HasId, HasCreatedAt, Model):
    """A former code of a unit; it still finds the unit, and is never given to another (rules
    E4)."""

    __tablename__ = "unit_code_alias"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)

    unit: Mapped[Unit] = relationship()


class UnitSuffix(Model):
    """Every derived-code suffix a unit has ever given out; a freed number never returns (rules
    E3)."""

    __tablename__ = "unit_suffix"

    parent_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    suffix: Mapped[str] = mapped_column(String(2), primary_key=True)


class UnitMove(HasId, HasCreatedAt, HasVersion, Model):
    """划转: a unit comes under another superior; one open request a unit (rules E6)."""

    __tablename__ = "unit_move"
    __table_args__ = (
        Index(
            "uq_unit_move_open", "unit_id", unique=True, postgresql_where=text("state = 'asked'")
        ),
        CheckConstraint("from_unit_id <> to_unit_id AND unit_id <> to_unit_id", name="three_units"),
        CheckConstraint("(state = 'asked') = (decided_at IS NULL)", name="decided_if_ended"),
        CheckConstraint(
            "state <> 'done' OR (from_consented_at IS NOT NULL AND to_consented_at IS NOT NULL)",
            name="both_consented_if_done",
        ),
    )

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    from_unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    to_unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    told_unit_id: Mapped[int] = mapped_column(
        ForeignKey("unit.id"), comment="the HRSS department above both sides, which is told"
    )
    asked_by_side: Mapped[MoveSide] = mapped_column(word(MoveSide))
    state: Mapped[MoveState] = mapped_column(word(MoveState), default=MoveState.ASKED)
    reason: Mapped[str] = mapped_column(Text)
    proof_sha256: Mapped[str] = mapped_column(ForeignKey("stored_file.sha256"))
    proof_name: Mapped[str] = mapped_column(String(200))
    registrar: Mapped[str | None] = mapped_column(
        String(120), comment="if the registration changed"
    )
    division_code: Mapped[str | None] = mapped_column(
        ForeignKey("division.code"), comment="if it changes"
    )
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    asked_at: Mapped[datetime] = mapped_column(TZDateTime)
    due_at: Mapped[datetime] = mapped_column(TZDateTime, index=True)
    from_consented_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    from_consented_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    to_consented_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    to_consented_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    decided_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    decision_note: Mapped[str] = mapped_column(Text, default="")

    unit: Mapped[Unit] = relationship(foreign_keys=[unit_id])
    from_unit: Mapped[Unit] = relationship(foreign_keys=[from_unit_id])
    to_unit: Mapped[Unit] = relationship(foreign_keys=[to_unit_id])
    told_unit: Mapped[Unit] = relationship(foreign_keys=[told_unit_id])
    division: Mapped[Division | None] = relationship()
    proof: Mapped[StoredFile] = relationship()


class Person(HasId, HasCreatedAt, HasVersion, Model):
    """专业技术人员: one row per human being (rules E7)."""

    __tablename__ = "person"
    __table_args__ = (Index("ix_person_search", "search", postgresql_using="gin"),)

    name: Mapped[str] = mapped_column(String(60), index=True)
    identity_document: Mapped[IdentityDocument] = mapped_column(
        word(IdentityDocument), default=IdentityDocument.RESIDENT_ID
    )
    identity_number: Mapped[str] = mapped_column(EncryptedText)
    identity_hash: Mapped[str] = mapped_column(String(64), unique=True)
    identity_mask: Mapped[str] = mapped_column(String(32))
    phone: Mapped[str | None] = mapped_column(EncryptedText)
    phone_mask: Mapped[str | None] = mapped_column(String(20))
    gender: Mapped[Gender | None] = mapped_column(word(Gender))
    birth_date: Mapped[date | None] = mapped_column(Date)
    retirement_on: Mapped[date | None] = mapped_column(
        Date, comment="the approved date, if the retirement was extended or moved"
    )
    profile: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    pinyin: Mapped[str] = mapped_column(String(200), default="")
    search: Mapped[Any] = mapped_column(TSVECTOR, nullable=True)

    affiliations: Mapped[list[PersonnelAffiliation]] = relationship(back_populates="person")

    def __repr__(self) -> str:
        return self.name


class PersonnelAffiliation(HasId, HasCreatedAt, Model):
    """人事隶属关系: where a person belongs, since when; one open row at a time."""

    __tablename__ = "personnel_affiliation"
    __table_args__ = (
        Index(
            "uq_personnel_affiliation_open",
            "person_id",
            unique=True,
            postgresql_where=text("ends_on IS NULL"),
        ),
        CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="ends_after_start"),
    )

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    applicant_kind: Mapped[ApplicantKind] = mapped_column(
        word(ApplicantKind), default=ApplicantKind.EMPLOYEE
    )
    starts_on: Mapped[date] = mapped_column(Date)
    ends_on: Mapped[date | None] = mapped_column(Date)

    person: Mapped[Person] = relationship(back_populates="affiliations")
    unit: Mapped[Unit] = relationship()


class Account(User):
    """账号: FAB's user row, extended. `username` of a personal account is a keyed hash, never the
    number."""

    kind: Mapped[AccountKind] = mapped_column(word(AccountKind), default=AccountKind.UNIT)
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), unique=True)
    must_change_password: Mapped[bool] = mapped_column(Boolean, default=True)
    activation_hash: Mapped[str | None] = mapped_column(
        String(64), comment="keyed hash of the code that opens the account once (rules E9)"
    )
    activation_expires_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    password_changed_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    activated_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    real_name_verified_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    suspended_at: Mapped[datetime | None] = mapped_column(
        TZDateTime, comment="a staff account nobody has used for long (等保三级)"
    )
    reactivated_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    session_stamp: Mapped[int] = mapped_column(Integer, default=0)
    is_demo: Mapped[bool] = mapped_column(Boolean, default=False)
    origin: Mapped[AccountOrigin] = mapped_column(
        word(AccountOrigin), default=AccountOrigin.SINGLE, server_default=AccountOrigin.SINGLE.value
    )
    legacy_login_hash: Mapped[str | None] = mapped_column(
        String(64), unique=True, comment="keyed hash of the login of 2021, if it was another one"
    )

    unit: Mapped[Unit | None] = relationship(foreign_keys=[unit_id])
    person: Mapped[Person | None] = relationship(foreign_keys=[person_id])

    def get_id(self) -> str:
        return f"{self.id}.{self.session_stamp or 0}"

    def get_full_name(self) -> str:
        return str(self.first_name)

    @property
    def shown_login(self) -> str:
        """The login as a list may show it: a masked document number, or the unit's code."""
        return self.person.identity_mask if self.person else self.username


class PersonTransfer(HasId, HasCreatedAt, HasVersion, Model):
    """转入申请: a person with an account goes to another unit (E7); one open request a person."""

    __tablename__ = "person_transfer"
    __table_args__ = (
        Index(
            "uq_person_transfer_open",
            "person_id",
            unique=True,
            postgresql_where=text("state IN ('proposed', 'asked', 'escalated')"),
        ),
        CheckConstraint("from_unit_id <> to_unit_id", name="two_units"),
        CheckConstraint(
            "(state IN ('released', 'granted')) = (starts_on IS NOT NULL)", name="start_if_moved"
        ),
        CheckConstraint(
            "(state IN ('proposed', 'asked', 'escalated')) = (decided_at IS NULL)",
            name="decided_if_ended",
        ),
    )

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    from_unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    to_unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    decider_unit_id: Mapped[int] = mapped_column(
        ForeignKey("unit.id"), index=True, comment="the HRSS department that decides in the end"
    )
    applicant_kind: Mapped[ApplicantKind] = mapped_column(word(ApplicantKind))
    state: Mapped[TransferState] = mapped_column(word(TransferState))
    reason: Mapped[str] = mapped_column(Text)
    proof_sha256: Mapped[str | None] = mapped_column(ForeignKey("stored_file.sha256"))
    proof_name: Mapped[str] = mapped_column(String(200), default="")
    is_own_wish: Mapped[bool] = mapped_column(
        Boolean, default=False, comment="asked for by the person, not by the new unit"
    )
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    asked_at: Mapped[datetime] = mapped_column(TZDateTime)
    taken_up_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    due_at: Mapped[datetime] = mapped_column(TZDateTime, index=True)
    objection: Mapped[str] = mapped_column(Text, default="", comment="of the present unit")
    objected_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    person_objection: Mapped[str] = mapped_column(Text, default="")
    person_objected_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    escalated_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    starts_on: Mapped[date | None] = mapped_column(Date, comment="first day in the new unit")
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    decided_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    decision_note: Mapped[str] = mapped_column(Text, default="")

    person: Mapped[Person] = relationship()
    from_unit: Mapped[Unit] = relationship(foreign_keys=[from_unit_id])
    to_unit: Mapped[Unit] = relationship(foreign_keys=[to_unit_id])
    decider_unit: Mapped[Unit] = relationship(foreign_keys=[decider_unit_id])
    asked_by: Mapped[Account] = relationship(foreign_keys=[asked_by_id])
    proof: Mapped[StoredFile | None] = relationship()


class FormerPassword(HasId, Model):
    """A password hash an account has had: the last few are not chosen again (rules E9)."""

    __tablename__ = "former_password"

    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)
    password_hash: Mapped[str] = mapped_column(String(256))
    chosen_at: Mapped[datetime] = mapped_column(TZDateTime)


class TotpEnrolment(Model):
    """动态口令: the authenticator of an account; codes up to `last_step` are used (RFC 6238)."""

    __tablename__ = "totp_enrolment"

    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), primary_key=True)
    secret: Mapped[str] = mapped_column(EncryptedText)
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    confirmed_at: Mapped[datetime | None] = mapped_column(TZDateTime)


class RecoveryCode(HasId, Model):
    """A code that stands in for the authenticator once; the row goes with its use."""

    __tablename__ = "recovery_code"
    __table_args__ = (UniqueConstraint("account_id", "code_hash"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    code_hash: Mapped[str] = mapped_column(String(64))


class CreditRecord(HasId, HasCreatedAt, Model):
    """诚信记录: bars a person from applying until `until_on` (rules R29, R73)."""

    __tablename__ = "credit_record"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    application_id: Mapped[int | None] = mapped_column(ForeignKey("application.id"))
    finding: Mapped[str] = mapped_column(Text)
    from_on: Mapped[date] = mapped_column(Date)
    until_on: Mapped[date] = mapped_column(Date)

    person: Mapped[Person] = relationship()


class AccountProof(HasId, HasCreatedAt, Model):
    """在职证明: a file that shows that the owner of an account works for the unit (rules E8)."""

    __tablename__ = "account_proof"

    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    file_sha256: Mapped[str] = mapped_column(ForeignKey("stored_file.sha256"))
    filename: Mapped[str] = mapped_column(String(200))
    uploaded_by_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    uploaded_at: Mapped[datetime] = mapped_column(TZDateTime)

    file: Mapped[StoredFile] = relationship()


class AccountSample(HasId, HasCreatedAt, Model):
    """账号抽查: accounts created in a period, drawn with a stored seed (rules E8)."""

    __tablename__ = "account_sample"
    __table_args__ = (CheckConstraint("period_to >= period_from", name="period_in_order"),)

    unit_id: Mapped[int] = mapped_column(
        ForeignKey("unit.id"), index=True, comment="the HRSS department that draws"
    )
    period_from: Mapped[date] = mapped_column(Date)
    period_to: Mapped[date] = mapped_column(Date)
    algorithm: Mapped[str] = mapped_column(String(40))
    seed: Mapped[str] = mapped_column(String(80))
    candidates: Mapped[list[int]] = mapped_column(JSONB)
    candidates_hash: Mapped[str] = mapped_column(String(64))
    drawn_by_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    drawn_at: Mapped[datetime] = mapped_column(TZDateTime)

    unit: Mapped[Unit] = relationship()
    drawn_by: Mapped[Account] = relationship()
    items: Mapped[list[AccountSampleItem]] = relationship(
        back_populates="sample", order_by="AccountSampleItem.position"
    )


class AccountSampleItem(HasId, HasVersion, Model):
    """One account of a sample, and what came of it."""

    __tablename__ = "account_sample_item"
    __table_args__ = (
        UniqueConstraint("sample_id", "account_id"),
        CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided_if_so"),
    )

    sample_id: Mapped[int] = mapped_column(ForeignKey("account_sample.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)
    position: Mapped[int] = mapped_column(Integer)
    state: Mapped[SampleState] = mapped_column(word(SampleState), default=SampleState.OPEN)
    note: Mapped[str] = mapped_column(Text, default="")
    decided_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))

    sample: Mapped[AccountSample] = relationship(back_populates="items")
    account: Mapped[Account] = relationship(foreign_keys=[account_id])


class UnusualCreation(HasId, HasCreatedAt, Model):
    """异常创建: a unit created unusually many accounts in a day or a year (rules E8)."""

    __tablename__ = "unusual_creation"
    __table_args__ = (
        UniqueConstraint("unit_id", "kind", "on"),
        CheckConstraint("(cleared_at IS NULL) = (clear_reason = '')", name="reason_if_cleared"),
    )

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    kind: Mapped[UnusualKind] = mapped_column(word(UnusualKind))
    on: Mapped[date] = mapped_column(Date, comment="the day, or the first of the year")
    count: Mapped[int] = mapped_column(Integer)
    limit: Mapped[int] = mapped_column(Integer)
    flagged_at: Mapped[datetime] = mapped_column(TZDateTime)
    cleared_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    cleared_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    clear_reason: Mapped[str] = mapped_column(Text, default="", server_default="")

    unit: Mapped[Unit] = relationship()
    cleared_by: Mapped[Account | None] = relationship()


class MisconductFinding(HasId, HasCreatedAt, Model):
    """弄虚作假: an account was created for somebody of another unit (Annex 3, rules E8)."""

    __tablename__ = "misconduct_finding"
    __table_args__ = (
        Index(
            "uq_misconduct_finding_in_force",
            "account_id",
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
        ),
        CheckConstraint("(lifted_at IS NULL) = (lift_reason = '')", name="reason_if_lifted"),
        CheckConstraint("lifted_by_id IS NULL OR lifted_by_id <> found_by_id", name="two_people"),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    unit_id: Mapped[int] = mapped_column(
        ForeignKey("unit.id"), index=True, comment="whose account it was: entered against it"
    )
    finding: Mapped[str] = mapped_column(Text)
    is_person_at_fault: Mapped[bool] = mapped_column(Boolean)
    was_active: Mapped[bool] = mapped_column(
        Boolean, default=True, comment="whether the account was open before; so it is afterwards"
    )
    disqualified: Mapped[list[int]] = mapped_column(JSONB, default=list)
    credit_record_id: Mapped[int | None] = mapped_column(ForeignKey("credit_record.id"))
    found_by_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    found_at: Mapped[datetime] = mapped_column(TZDateTime)
    lifted_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    lifted_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    lift_reason: Mapped[str] = mapped_column(Text, default="")

    account: Mapped[Account] = relationship(foreign_keys=[account_id])
    person: Mapped[Person] = relationship()
    unit: Mapped[Unit] = relationship()
    credit_record: Mapped[CreditRecord | None] = relationship()
    found_by: Mapped[Account] = relationship(foreign_keys=[found_by_id])
    lifted_by: Mapped[Account | None] = relationship(foreign_keys=[lifted_by_id])


# --------------------------------------------------------------------------- titles, series,
# specialties


class Series(HasId, HasCustomFields, Model):
    """职称系列: one of the 27 national series (rules 4)."""

    __tablename__ = "series"

    slug: Mapped[str] = mapped_column(String(60), unique=True)
    number: Mapped[int] = mapped_column(Integer, unique=True)
    name: Mapped[str] = mapped_column(String(60))
    is_confirmed: Mapped[bool] = mapped_column(Boolean, default=True)
    note: Mapped[str] = mapped_column(Text, default="")

    titles: Mapped[list[ProfessionalTitle]] = relationship(
        back_populates="series", order_by="ProfessionalTitle.position"
    )

    def __repr__(self) -> str:
        return self.name


class ProfessionalTitle(HasId, Model):
    """职称名称: the name a series gives to one of its levels."""

    __tablename__ = "professional_title"
    __table_args__ = (UniqueConstraint("series_id", "level", "name"),)

    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"), index=True)
    level: Mapped[TitleLevel] = mapped_column(IntEnumColumn(TitleLevel))
    name: Mapped[str] = mapped_column(String(60))
    specialty_hint: Mapped[str] = mapped_column(
        String(40), default="", comment="which direction takes this name, if a level has several"
    )
    position: Mapped[int] = mapped_column(Integer, default=0)

    series: Mapped[Series] = relationship(back_populates="titles")

    def __repr__(self) -> str:
        return self.name


class SpecialtyGroup(HasId, HasCustomFields, Model):
    """专业大类 (Annex 2, column 1). One of a plan category, or of every category of its series if
    that is empty."""

    __tablename__ = "specialty_group"
    __table_args__ = (UniqueConstraint("series_id", "category_slug", "name"),)

    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"), index=True)
    category_slug: Mapped[str] = mapped_column(
        String(60), default="", index=True, comment="the plan category it belongs to; empty: any"
    )
    slug: Mapped[str] = mapped_column(String(60), default="")
    name: Mapped[str] = mapped_column(String(80))
    position: Mapped[int] = mapped_column(Integer, default=0)

    series: Mapped[Series] = relationship()
    specialties: Mapped[list[Specialty]] = relationship(back_populates="group")

    def __repr__(self) -> str:
        return self.name


class Specialty(HasId, HasVersion, HasCustomFields, Model):
    """专业: a row of the specialty catalogue (Annex 2)."""

    __tablename__ = "specialty"
    __table_args__ = (UniqueConstraint("group_id", "name"),)

    group_id: Mapped[int] = mapped_column(ForeignKey("specialty_group.id"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(80), index=True)
    scope_note: Mapped[str] = mapped_column(Text, default="")
    basis: Mapped[str] = mapped_column(Text, default="")
    origin: Mapped[SpecialtyOrigin] = mapped_column(
        word(SpecialtyOrigin), default=SpecialtyOrigin.PROPOSAL
    )
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)

    group: Mapped[SpecialtyGroup] = relationship(back_populates="specialties")

    def __repr__(self) -> str:
        return self.name


class SpecialtyProposal(HasId, HasCreatedAt, HasVersion, Model):
    """职称申报专业设置采集表: reported by a provincial department until 20 June (notice 三(三))."""

    __tablename__ = "specialty_proposal"
    __table_args__ = (
        CheckConstraint("state = 'draft' OR reported_on IS NOT NULL", name="reported_if_not_draft"),
    )

    plan_year: Mapped[int] = mapped_column(Integer, index=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"), index=True)
    reporting_unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    reported_on: Mapped[date | None] = mapped_column(Date)
    state: Mapped[ProposalState] = mapped_column(word(ProposalState), default=ProposalState.DRAFT)
    decided_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    decision_note: Mapped[str] = mapped_column(Text, default="")

    series: Mapped[Series] = relationship()
    reporting_unit: Mapped[Unit] = relationship()
    lines: Mapped[list[SpecialtyProposalLine]] = relationship(
        back_populates="proposal",
        cascade="all, delete-orphan",
        order_by="SpecialtyProposalLine.number",
    )


class SpecialtyProposalLine(HasId, Model):
    """One row of the collection form."""

    __tablename__ = "specialty_proposal_line"

    proposal_id: Mapped[int] = mapped_column(ForeignKey("specialty_proposal.id"), index=True)
    group_name: Mapped[str] = mapped_column(String(80))
    number: Mapped[int] = mapped_column(Integer)
    specialty_name: Mapped[str] = mapped_column(String(80))
    scope_note: Mapped[str] = mapped_column(Text, default="")
    basis: Mapped[str] = mapped_column(Text, default="")

    proposal: Mapped[SpecialtyProposal] = relationship(back_populates="lines")


# --------------------------------------------------------------------------- plan, calendar,
# settings


class EvaluationPlan(HasId, HasCreatedAt, HasCustomFields, Model):
    """评审工作计划: one a year (Annex 1)."""

    __tablename__ = "evaluation_plan"

    year: Mapped[int] = mapped_column(Integer, unique=True)
    heading: Mapped[str] = mapped_column(String(200))
    directive_heading: Mapped[str] = mapped_column(String(200), default="")
    document_number: Mapped[str] = mapped_column(String(80), default="")
    issued_on: Mapped[date | None] = mapped_column(Date)
    columns: Mapped[dict[str, str]] = mapped_column(
        JSONB, default=dict, comment="the headings of Annex 1 as printed"
    )
    drafting_opens_on: Mapped[date] = mapped_column(Date)
    authority_filing_due_on: Mapped[date] = mapped_column(Date)
    specialty_proposals_due_on: Mapped[date] = mapped_column(Date)
    accounts_due_on: Mapped[date] = mapped_column(Date)
    published_at: Mapped[datetime | None] = mapped_column(TZDateTime)

    lines: Mapped[list[PlanLine]] = relationship(
        back_populates="plan", order_by="PlanLine.number", cascade="all, delete-orphan"
    )

    def __repr__(self) -> str:
        return self.heading


class PlanLine(HasId, HasVersion, HasCustomFields, Model):
    """计划行: one row of Annex 1 with its four milestones; the printed words stand beside the
    parsed ones."""

    __tablename__ = "plan_line"
    __table_args__ = (
        UniqueConstraint("plan_id", "number"),
        CheckConstraint(
            "applications_open_at < applications_close_at "
            "AND applications_close_at < receipt_due_at "
            "AND policy_review_due_on <= online_review_due_on",
            name="milestones_in_order",
        ),
    )

    plan_id: Mapped[int] = mapped_column(ForeignKey("evaluation_plan.id"))
    number: Mapped[int] = mapped_column(Integer)
    series_text: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(String(40), default="全省")
    window_text: Mapped[str] = mapped_column(String(120), default="")
    receipt_text: Mapped[str] = mapped_column(String(60), default="")
    policy_review_text: Mapped[str] = mapped_column(String(60), default="")
    online_review_text: Mapped[str] = mapped_column(String(60), default="")
    applications_open_at: Mapped[datetime] = mapped_column(TZDateTime)
    applications_close_at: Mapped[datetime] = mapped_column(TZDateTime)
    receipt_due_at: Mapped[datetime] = mapped_column(TZDateTime)
    policy_review_due_on: Mapped[date] = mapped_column(Date)
    online_review_due_on: Mapped[date] = mapped_column(Date)
    is_examination_linked: Mapped[bool] = mapped_column(Boolean, default=False)
    is_special_review: Mapped[bool] = mapped_column(Boolean, default=False)
    seniority_cutoff_on: Mapped[date] = mapped_column(Date)

    plan: Mapped[EvaluationPlan] = relationship(back_populates="lines")
    categories: Mapped[list[PlanCategory]] = relationship(
        back_populates="plan_line", order_by="PlanCategory.position", cascade="all, delete-orphan"
    )
    revisions: Mapped[list[PlanLineRevision]] = relationship(
        back_populates="plan_line", order_by="PlanLineRevision.number"
    )

    def __repr__(self) -> str:
        return f"{self.number} {self.series_text}"


class PlanLineRevision(HasId, Model):
    """调整申报时间: what a line's milestones were, what they became, who said so and why (rules
    A9)."""

    __tablename__ = "plan_line_revision"
    __table_args__ = (UniqueConstraint("plan_line_id", "number"),)

    plan_line_id: Mapped[int] = mapped_column(ForeignKey("plan_line.id"))
    number: Mapped[int] = mapped_column(Integer)
    before: Mapped[dict[str, Any]] = mapped_column(JSONB)
    after: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str] = mapped_column(Text)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    at: Mapped[datetime] = mapped_column(TZDateTime)

    plan_line: Mapped[PlanLine] = relationship(back_populates="revisions")


class PlanCategory(HasId, Model):
    """计划类别: a name printed in a plan line, e.g. 图书资料群众文化专业, and the series behind it
    (rules 4)."""

    __tablename__ = "plan_category"
    __table_args__ = (UniqueConstraint("plan_line_id", "slug"),)

    plan_line_id: Mapped[int] = mapped_column(ForeignKey("plan_line.id"))
    slug: Mapped[str] = mapped_column(String(60), index=True)
    name: Mapped[str] = mapped_column(String(80))
    also_known_as: Mapped[list[str]] = mapped_column(JSONB, default=list)
    people_filter: Mapped[PeopleFilter] = mapped_column(
        word(PeopleFilter), default=PeopleFilter.EVERYBODY
    )
    levels: Mapped[list[int]] = mapped_column(JSONB, default=lambda: [1, 2, 3, 4, 5])
    levels_confirmed: Mapped[bool] = mapped_column(Boolean, default=False)
    examination_replaces_review: Mapped[bool] = mapped_column(Boolean, default=False)
    note: Mapped[str] = mapped_column(Text, default="")
    position: Mapped[int] = mapped_column(Integer, default=0)

    plan_line: Mapped[PlanLine] = relationship(back_populates="categories")
    series_links: Mapped[list[PlanCategorySeries]] = relationship(
        back_populates="category", cascade="all, delete-orphan"
    )

    def __repr__(self) -> str:
        return self.name


class PlanCategorySeries(Model):
    """Plan categories and national series, many to many."""

    __tablename__ = "plan_category_series"

    category_id: Mapped[int] = mapped_column(ForeignKey("plan_category.id"), primary_key=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"), primary_key=True)
    note: Mapped[str] = mapped_column(String(120), default="")

    category: Mapped[PlanCategory] = relationship(back_populates="series_links")
    series: Mapped[Series] = relationship()


class HolidayYear(Model):
    """节假日安排: one a year, as the State Council publishes it; `version` grows with every
    change."""

    __tablename__ = "holiday_year"

    year: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    source: Mapped[str] = mapped_column(String(200), default="")
    is_published: Mapped[bool] = mapped_column(Boolean, default=True)
    version: Mapped[int] = mapped_column(Integer, default=1)

    days: Mapped[list[HolidayDay]] = relationship(
        back_populates="holiday_year", order_by="HolidayDay.on", cascade="all, delete-orphan"
    )


class HolidayDay(Model):
    """A day off named by the arrangement, or a weekend day worked instead."""

    __tablename__ = "holiday_day"

    on: Mapped[date] = mapped_column(Date, primary_key=True)
    year: Mapped[int] = mapped_column(ForeignKey("holiday_year.year"), index=True)
    kind: Mapped[DayKind] = mapped_column(word(DayKind))
    name: Mapped[str] = mapped_column(String(40), default="")

    holiday_year: Mapped[HolidayYear] = relationship(back_populates="days")


class Parameter(HasVersion, Model):
    """参数: a number or choice of rules.md 8 the province may set; fixed ones are shown, never
    saved."""

    __tablename__ = "parameter"

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    value: Mapped[Any] = mapped_column(JSONB)
    default: Mapped[Any] = mapped_column(JSONB)
    kind: Mapped[str] = mapped_column(String(20))
    unit: Mapped[str] = mapped_column(String(40), default="")
    minimum: Mapped[Any] = mapped_column(JSONB, nullable=True)
    maximum: Mapped[Any] = mapped_column(JSONB, nullable=True)
    options: Mapped[Any] = mapped_column(JSONB, nullable=True)
    label: Mapped[str] = mapped_column(String(120))
    clause: Mapped[str] = mapped_column(String(60), default="")
    is_fixed: Mapped[bool] = mapped_column(Boolean, default=False)
    is_confirmed: Mapped[bool] = mapped_column(Boolean, default=True)
    position: Mapped[int] = mapped_column(Integer, default=0)


class ReasonCode(HasId, HasCustomFields, Model):
    """理由代码 for returning, declining and rejecting (rules R50)."""

    __tablename__ = "reason_code"
    __table_args__ = (UniqueConstraint("use", "code"),)

    use: Mapped[str] = mapped_column(String(20), comment="return, decline or reject")
    code: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(120))
    source: Mapped[str] = mapped_column(String(60), default="")
    position: Mapped[int] = mapped_column(Integer, default=0)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)

    def __repr__(self) -> str:
        return self.name


class Dictionary(Model):
    """字典: a list of options with a key that form fields name."""

    __tablename__ = "dictionary"

    key: Mapped[str] = mapped_column(String(60), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    source: Mapped[str] = mapped_column(String(60), default="")
    position: Mapped[int] = mapped_column(Integer, default=0)

    def __repr__(self) -> str:
        return self.name


class DictionaryEntry(HasId, HasCustomFields, Model):
    """字典项: one option of a dictionary a form field chooses from."""

    __tablename__ = "dictionary_entry"
    __table_args__ = (UniqueConstraint("dictionary", "code"),)

    dictionary: Mapped[str] = mapped_column(ForeignKey("dictionary.key"), index=True)
    code: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(80))
    position: Mapped[int] = mapped_column(Integer, default=0)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)


class ShippedDefinition(Model):
    """出厂定义: the product's own layer of a definition, as the release in use ships it."""

    __tablename__ = "shipped_definition"

    key: Mapped[str] = mapped_column(String(60), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    checksum: Mapped[str] = mapped_column(String(64))


class DefinitionDraft(HasId, HasVersion, Model):
    """定义草稿: a layer somebody is working on; one for each key and scope."""

    __tablename__ = "definition_draft"
    __table_args__ = (UniqueConstraint("key", "scope"),)

    key: Mapped[str] = mapped_column(ForeignKey("shipped_definition.key"))
    scope: Mapped[str] = mapped_column(String(40), default="", comment="empty: the province")
    changes: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    base_number: Mapped[int] = mapped_column(Integer, default=0)
    changed_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    changed_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))


class DefinitionVersion(HasId, HasCreatedAt, Model):
    """定义版本: a published definition with the changes of its layer; never changed, so that an
    application keeps the one it was begun with."""

    __tablename__ = "definition_version"
    __table_args__ = (
        UniqueConstraint("key", "scope", "number"),
        {"info": {"append_only": True}},
    )

    key: Mapped[str] = mapped_column(String(60))
    scope: Mapped[str] = mapped_column(String(40), default="", comment="empty: the province")
    number: Mapped[int] = mapped_column(Integer)
    changes: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    differences: Mapped[list[Any]] = mapped_column(
        JSONB, default=list, comment="[path, before, after] beside the version before"
    )
    reason: Mapped[str] = mapped_column(Text, default="")
    published_by_id: Mapped[int | None] = mapped_column(
        ForeignKey("ab_user.id"), comment="none: the product or the layer below has changed"
    )


class ConfigurationGeneration(Model):
    """The state of the configuration in force; one row, a new token with every change."""

    __tablename__ = "configuration_generation"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False, default=1)
    token: Mapped[str] = mapped_column(String(16), default="")


class ConfigurationPack(HasId, HasCreatedAt, HasVersion, Model):
    """配置包 kept on the server: uploaded, taken over, or made by itself before an import."""

    __tablename__ = "configuration_pack"

    purpose: Mapped[PackPurpose] = mapped_column(word(PackPurpose), index=True)
    filename: Mapped[str] = mapped_column(String(200))
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    byte_count: Mapped[int] = mapped_column(Integer)
    checksum: Mapped[str] = mapped_column(String(64), comment="SHA-256 of the content")
    made_at: Mapped[datetime] = mapped_column(TZDateTime)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"), index=True)
    note: Mapped[str] = mapped_column(Text, default="")
    digests: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB, comment="SHA-256 of every object of a pack taken over"
    )


class RehearsalClock(Model):
    """How far the rehearsed time runs ahead of the real one, in seconds; one row."""

    __tablename__ = "rehearsal_clock"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False, default=1)
    offset_seconds: Mapped[int] = mapped_column(BigInteger, default=0)


# --------------------------------------------------------------------------- committees and their
# year


class Committee(HasId, HasCreatedAt, HasVersion, HasCustomFields, Model):
    """评委会: the standing body, with its convening unit (评委会组建单位)."""

    __tablename__ = "committee"
    __table_args__ = (
        CheckConstraint("mod(member_size, 2) = 1", name="member_size_odd"),
        CheckConstraint("member_size > 0", name="member_size_positive"),
    )

    name: Mapped[str] = mapped_column(String(120), unique=True)
    convener_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"), index=True)
    category_slug: Mapped[str] = mapped_column(
        String(60), index=True, comment="the plan category it serves"
    )
    scope_kind: Mapped[CommitteeScope] = mapped_column(word(CommitteeScope))
    level: Mapped[CommitteeLevel] = mapped_column(word(CommitteeLevel))
    division_code: Mapped[str] = mapped_column(ForeignKey("division.code"))
    member_size: Mapped[int] = mapped_column(Integer)
    is_self_reviewing: Mapped[bool] = mapped_column(Boolean, default=False)
    has_oral_defence: Mapped[bool] = mapped_column(Boolean, default=False)
    representative_works: Mapped[int] = mapped_column(Integer, default=0)
    contact_name: Mapped[str | None] = mapped_column(String(60))
    contact_phone: Mapped[str | None] = mapped_column(String(40))
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)

    convener: Mapped[Unit] = relationship()
    series: Mapped[Series] = relationship()
    division: Mapped[Division] = relationship()
    filings: Mapped[list[AuthorityFiling]] = relationship(
        back_populates="committee", order_by="AuthorityFiling.plan_year"
    )
    requirements: Mapped[list[MaterialRequirement]] = relationship(
        back_populates="committee",
        order_by="MaterialRequirement.position",
        cascade="all, delete-orphan",
    )
    calls: Mapped[list[CallForApplications]] = relationship(back_populates="committee")

    def __repr__(self) -> str:
        return self.name


class AuthorityFiling(HasId, HasCreatedAt, HasVersion, HasCustomFields, Model):
    """评审权信息系统备案: due 30 May, valid at most three years (notice 三(一), rules R06-R08)."""

    __tablename__ = "authority_filing"
    __table_args__ = (
        UniqueConstraint("committee_id", "plan_year"),
        CheckConstraint("valid_to >= valid_from", name="valid_to_after_from"),
        CheckConstraint("state = 'draft' OR filed_at IS NOT NULL", name="filed_at_if_filed"),
        CheckConstraint("mod(member_size, 2) = 1", name="member_size_odd"),
    )

    committee_id: Mapped[int] = mapped_column(ForeignKey("committee.id"), index=True)
    plan_year: Mapped[int] = mapped_column(Integer, index=True)
    document_number: Mapped[str] = mapped_column(String(80), default="")
    valid_from: Mapped[date] = mapped_column(Date)
    valid_to: Mapped[date] = mapped_column(Date)
    member_size: Mapped[int] = mapped_column(Integer)
    state: Mapped[FilingState] = mapped_column(word(FilingState), default=FilingState.DRAFT)
    filed_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    exemption_reason: Mapped[str] = mapped_column(
        Text, default="", comment="why a filing after 30 May, or of another size, was approved"
    )
    note: Mapped[str] = mapped_column(Text, default="")

    committee: Mapped[Committee] = relationship(back_populates="filings")
    authorities: Mapped[list[ReviewAuthority]] = relationship(
        back_populates="filing", cascade="all, delete-orphan"
    )


class ReviewAuthority(HasId, Model):
    """评审权: the right to review one level of one series, of all its specialties or of one."""

    __tablename__ = "review_authority"
    __table_args__ = (
        UniqueConstraint(
            "filing_id", "series_id", "level", "specialty_id", postgresql_nulls_not_distinct=True
        ),
    )

    filing_id: Mapped[int] = mapped_column(ForeignKey("authority_filing.id"), index=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"))
    level: Mapped[TitleLevel] = mapped_column(IntEnumColumn(TitleLevel))
    specialty_id: Mapped[int | None] = mapped_column(ForeignKey("specialty.id"))

    filing: Mapped[AuthorityFiling] = relationship(back_populates="authorities")
    series: Mapped[Series] = relationship()
    specialty: Mapped[Specialty | None] = relationship()


class CallForApplications(HasId, HasCreatedAt, HasVersion, HasCustomFields, Model):
    """申报工作通知: published 30 days before the first day of the window (notice 四(一))."""

    __tablename__ = "call_for_applications"
    __table_args__ = (
        UniqueConstraint("committee_id", "plan_line_id"),
        CheckConstraint("state = 'draft' OR published_at IS NOT NULL", name="published_at_if_so"),
    )

    committee_id: Mapped[int] = mapped_column(ForeignKey("committee.id"), index=True)
    plan_line_id: Mapped[int] = mapped_column(ForeignKey("plan_line.id"), index=True)
    heading: Mapped[str] = mapped_column(String(200))
    document_number: Mapped[str] = mapped_column(String(80), default="")
    body: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[CallState] = mapped_column(word(CallState), default=CallState.DRAFT)
    published_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    late_reason: Mapped[str] = mapped_column(
        Text, default="", comment="the province's ground for a call after the latest day"
    )

    committee: Mapped[Committee] = relationship(back_populates="calls")
    plan_line: Mapped[PlanLine] = relationship()


class MaterialRequirement(HasId, HasVersion, HasCustomFields, Model):
    """材料上传要求: what a committee wants uploaded (notice 四(一))."""

    __tablename__ = "material_requirement"
    __table_args__ = (
        UniqueConstraint("committee_id", "code"),
        CheckConstraint("max_files > 0 AND max_bytes > 0", name="limits_positive"),
    )

    committee_id: Mapped[int] = mapped_column(ForeignKey("committee.id"), index=True)
    code: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(120))
    note: Mapped[str] = mapped_column(Text, default="")
    is_required: Mapped[bool] = mapped_column(Boolean, default=True)
    max_files: Mapped[int] = mapped_column(Integer, default=5)
    max_bytes: Mapped[int] = mapped_column(Integer, default=5 * 1024 * 1024)
    file_types: Mapped[list[str]] = mapped_column(JSONB, default=lambda: ["pdf", "jpg", "png"])
    position: Mapped[int] = mapped_column(Integer, default=0)

    committee: Mapped[Committee] = relationship(back_populates="requirements")

    def __repr__(self) -> str:
        return self.name


class Expert(HasId, HasCreatedAt, HasVersion, HasCustomFields, Model):
    """评审专家: term at most three years (rules R10, R11)."""

    __tablename__ = "expert"
    __table_args__ = (CheckConstraint("term_to >= term_from", name="term_in_order"),)

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), unique=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"), index=True)
    specialty_id: Mapped[int | None] = mapped_column(ForeignKey("specialty.id"))
    title_level: Mapped[TitleLevel] = mapped_column(IntEnumColumn(TitleLevel))
    title_name: Mapped[str] = mapped_column(String(60))
    term_from: Mapped[date] = mapped_column(Date)
    term_to: Mapped[date] = mapped_column(Date)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)

    person: Mapped[Person] = relationship()
    unit: Mapped[Unit] = relationship()
    series: Mapped[Series] = relationship()
    specialty: Mapped[Specialty | None] = relationship()

    def __repr__(self) -> str:
        return self.title_name


class ExpertPoolMember(Model):
    """专家库: the experts a committee draws from (rules R12)."""

    __tablename__ = "expert_pool_member"

    committee_id: Mapped[int] = mapped_column(ForeignKey("committee.id"), primary_key=True)
    expert_id: Mapped[int] = mapped_column(ForeignKey("expert.id"), primary_key=True)
    role: Mapped[PanelRole] = mapped_column(
        word(PanelRole), default=PanelRole.MEMBER, comment="chair and vice-chairs are named"
    )

    committee: Mapped[Committee] = relationship()
    expert: Mapped[Expert] = relationship()


# --------------------------------------------------------------------------- the application


class Application(HasId, HasCreatedAt, HasVersion, Model):
    """申报: one person, one title, one year. Its state changes only through transition()."""

    __tablename__ = "application"
    __table_args__ = (
        Index(
            "uq_application_live",
            "person_id",
            "plan_year",
            unique=True,
            postgresql_where=text("is_live"),
        ),
        Index(
            "ix_application_due", "due_kind", "due_at", postgresql_where=text("due_at IS NOT NULL")
        ),
        Index("ix_application_state_line", "state", "plan_line_id"),
        Index("ix_application_holder_state", "holder_unit_id", "state"),
        Index("ix_application_committee_state", "committee_id", "state"),
        CheckConstraint(
            "state IN ('draft', 'lapsed') OR submitted_at IS NOT NULL", name="submitted_at_if_so"
        ),
        CheckConstraint(
            "(state = 'returned') = (returned_to IS NOT NULL)", name="target_if_returned"
        ),
        CheckConstraint(
            "state NOT IN ('on_hold', 'lapsed') OR state_before IS NOT NULL", name="before_if_aside"
        ),
        CheckConstraint("(due_at IS NULL) = (due_kind IS NULL)", name="due_kind_with_due_at"),
    )

    number: Mapped[str] = mapped_column(String(24), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    plan_year: Mapped[int] = mapped_column(Integer)
    is_live: Mapped[bool] = mapped_column(
        Boolean, default=True, comment="counts as the person's one application of the year (R30)"
    )
    plan_line_id: Mapped[int] = mapped_column(ForeignKey("plan_line.id"), index=True)
    category_id: Mapped[int] = mapped_column(ForeignKey("plan_category.id"))
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"))
    specialty_id: Mapped[int | None] = mapped_column(ForeignKey("specialty.id"))
    level: Mapped[TitleLevel] = mapped_column(IntEnumColumn(TitleLevel))
    title_name: Mapped[str] = mapped_column(String(60), default="")
    kind: Mapped[ApplicationKind] = mapped_column(
        word(ApplicationKind), default=ApplicationKind.REGULAR
    )
    committee_id: Mapped[int] = mapped_column(ForeignKey("committee.id"))
    employer_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    applicant_kind: Mapped[ApplicantKind] = mapped_column(
        word(ApplicantKind), default=ApplicantKind.EMPLOYEE
    )
    form_version_id: Mapped[int] = mapped_column(ForeignKey("definition_version.id"))
    content: Mapped[dict[str, Any]] = mapped_column(
        JSONB, default=dict, comment="section key -> values; frozen as an ApplicationVersion"
    )
    content_version: Mapped[int] = mapped_column(
        Integer, default=1, comment="grows with every save of the draft; two devices are told apart"
    )
    section_versions: Mapped[dict[str, int]] = mapped_column(
        JSONB, default=dict, comment="section key -> content_version of its last save"
    )
    saved_at: Mapped[datetime | None] = mapped_column(TZDateTime)

    state: Mapped[State] = mapped_column(word(State), default=State.DRAFT)
    state_since: Mapped[datetime] = mapped_column(TZDateTime)
    state_before: Mapped[State | None] = mapped_column(word(State, "state_before"))
    returned_to: Mapped[ReturnTarget | None] = mapped_column(word(ReturnTarget))
    holder_unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    current_step_id: Mapped[int | None] = mapped_column(
        ForeignKey("routing_step.id", use_alter=True)
    )
    due_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    due_kind: Mapped[DueKind | None] = mapped_column(word(DueKind))
    calendar_version: Mapped[str] = mapped_column(String(80), default="")
    is_due_provisional: Mapped[bool] = mapped_column(Boolean, default=False)
    submitted_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    delivered_at: Mapped[datetime | None] = mapped_column(
        TZDateTime, comment="when the committee received it"
    )
    reinstated_until: Mapped[datetime | None] = mapped_column(
        TZDateTime, comment="replaces the receipt deadline after a reinstatement (rules 3.2 row 21)"
    )
    outcome: Mapped[Outcome | None] = mapped_column(word(Outcome))
    decided_on: Mapped[date | None] = mapped_column(Date, comment="the ballot day")

    person: Mapped[Person] = relationship()
    plan_line: Mapped[PlanLine] = relationship()
    category: Mapped[PlanCategory] = relationship()
    series: Mapped[Series] = relationship()
    specialty: Mapped[Specialty | None] = relationship()
    committee: Mapped[Committee] = relationship()
    employer: Mapped[Unit] = relationship(foreign_keys=[employer_id])
    holder_unit: Mapped[Unit | None] = relationship(foreign_keys=[holder_unit_id])
    form_version: Mapped[DefinitionVersion] = relationship()
    current_step: Mapped[RoutingStep | None] = relationship(foreign_keys=[current_step_id])
    versions: Mapped[list[ApplicationVersion]] = relationship(
        back_populates="application", order_by="ApplicationVersion.number"
    )
    events: Mapped[list[ApplicationEvent]] = relationship(
        back_populates="application", order_by="ApplicationEvent.seq"
    )
    materials: Mapped[list[Material]] = relationship(
        back_populates="application", order_by="Material.id"
    )
    nodes: Mapped[list[RoutingNode]] = relationship(
        back_populates="application", order_by="RoutingNode.position"
    )
    publicities: Mapped[list[Publicity]] = relationship(
        back_populates="application", order_by="Publicity.id"
    )

    def __repr__(self) -> str:
        return self.number


class ApplicationVersion(HasId, HasCreatedAt, Model):
    """The content as submitted, version 1, and after each correction (rules B1)."""

    __tablename__ = "application_version"
    __table_args__ = (UniqueConstraint("application_id", "number"),)

    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"))
    number: Mapped[int] = mapped_column(Integer)
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    content_hash: Mapped[str] = mapped_column(String(64))
    receipt_number: Mapped[str] = mapped_column(String(32), unique=True)
    submitted_at: Mapped[datetime] = mapped_column(TZDateTime)
    pledge_text: Mapped[str] = mapped_column(Text, comment="the integrity pledge as signed")

    application: Mapped[Application] = relationship(back_populates="versions")


class StoredFile(HasCreatedAt, Model):
    """A file by its content; the bytes lie in the object store under the same name."""

    __tablename__ = "stored_file"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    byte_count: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(String(80))


class Material(HasId, HasCreatedAt, Model):
    """申报材料: one uploaded file under one requirement; taken away by a later version, never
    deleted."""

    __tablename__ = "material"
    __table_args__ = (Index("ix_material_application", "application_id"),)

    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"))
    requirement_code: Mapped[str] = mapped_column(
        String(120),
        comment="a code of the committee's list, section.field, or section.row_id.column",
    )
    file_sha256: Mapped[str] = mapped_column(ForeignKey("stored_file.sha256"))
    filename: Mapped[str] = mapped_column(String(200))
    added_in_version: Mapped[int] = mapped_column(Integer, default=1)
    removed_in_version: Mapped[int | None] = mapped_column(Integer)
    uploaded_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))

    application: Mapped[Application] = relationship(back_populates="materials")
    file: Mapped[StoredFile] = relationship()


class ApplicationEvent(HasId, Model):
    """One change of state, chained by hash to the one before it; never updated."""

    __tablename__ = "application_event"
    __table_args__ = (
        UniqueConstraint("application_id", "seq"),
        {"info": {"append_only": True}},
    )

    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"))
    seq: Mapped[int] = mapped_column(Integer)
    action: Mapped[Action] = mapped_column(word(Action))
    from_state: Mapped[State | None] = mapped_column(word(State, "from_state"))
    to_state: Mapped[State] = mapped_column(word(State))
    role: Mapped[ActorRole] = mapped_column(word(ActorRole))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    at: Mapped[datetime] = mapped_column(TZDateTime, comment="when it took effect")
    recorded_at: Mapped[datetime] = mapped_column(TZDateTime, default=clock.real_now)
    reason: Mapped[str] = mapped_column(Text, default="")
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))

    application: Mapped[Application] = relationship(back_populates="events")
    account: Mapped[Account | None] = relationship()
    unit: Mapped[Unit | None] = relationship()


class IdempotencyKey(HasId, HasCreatedAt, Model):
    """The first answer to a request that may be sent twice."""

    __tablename__ = "idempotency_key"
    __table_args__ = (UniqueConstraint("account_id", "key"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    key: Mapped[str] = mapped_column(String(80))
    event_id: Mapped[int] = mapped_column(ForeignKey("application_event.id"))

    event: Mapped[ApplicationEvent] = relationship()


class OutboxMessage(HasId, HasCreatedAt, Model):
    """A message an event owes somebody; written with the event, delivered later, once."""

    __tablename__ = "outbox_message"
    __table_args__ = (
        UniqueConstraint("event_id", "kind", "recipient_id"),
        Index("ix_outbox_message_unsent", "id", postgresql_where=text("sent_at IS NULL")),
    )

    event_id: Mapped[int] = mapped_column(ForeignKey("application_event.id"))
    kind: Mapped[str] = mapped_column(String(40))
    recipient_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    sent_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    attempts: Mapped[int] = mapped_column(Integer, default=0)

    event: Mapped[ApplicationEvent] = relationship()


class Notification(HasId, HasCreatedAt, Model):
    """消息提醒 in the portal."""

    __tablename__ = "notification"
    __table_args__ = (
        UniqueConstraint("account_id", "dedupe_key"),
        Index("ix_notification_unread", "account_id", postgresql_where=text("read_at IS NULL")),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    dedupe_key: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(40))
    application_id: Mapped[int | None] = mapped_column(ForeignKey("application.id"))
    params: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    at: Mapped[datetime] = mapped_column(TZDateTime)
    read_at: Mapped[datetime | None] = mapped_column(TZDateTime)

    application: Mapped[Application | None] = relationship()


# --------------------------------------------------------------------------- unit check,
# publicity, routing


class RoutingNode(HasId, Model):
    """流转节点: a place on the frozen route; position 0 is the employer, the last one the host."""

    __tablename__ = "routing_node"
    __table_args__ = (UniqueConstraint("application_id", "position"),)

    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"))
    position: Mapped[int] = mapped_column(Integer)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    kind: Mapped[NodeKind] = mapped_column(word(NodeKind))
    returns_used: Mapped[int] = mapped_column(Integer, default=0)
    forwards_automatically: Mapped[bool] = mapped_column(Boolean, default=False)
    dropped_at: Mapped[datetime | None] = mapped_column(
        TZDateTime, comment="taken off the route by a re-route after it was reached (row 16)"
    )

    application: Mapped[Application] = relationship(back_populates="nodes")
    unit: Mapped[Unit] = relationship()
    steps: Mapped[list[RoutingStep]] = relationship(
        back_populates="node", order_by="RoutingStep.id"
    )


class RoutingStep(HasId, Model):
    """一次流转: one stay at a node, from receipt to forwarding (notice 四(三): 3 working days)."""

    __tablename__ = "routing_step"
    __table_args__ = (
        Index("ix_routing_step_open", "forward_due_at", postgresql_where=text("ended_at IS NULL")),
        CheckConstraint("forwarded_at IS NULL OR ended_at IS NOT NULL", name="ended_if_forwarded"),
    )

    node_id: Mapped[int] = mapped_column(ForeignKey("routing_node.id"), index=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    received_at: Mapped[datetime] = mapped_column(TZDateTime)
    forward_due_at: Mapped[datetime] = mapped_column(TZDateTime)
    is_due_provisional: Mapped[bool] = mapped_column(Boolean, default=False)
    ended_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    forwarded_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    opinion: Mapped[str] = mapped_column(Text, default="")
    account_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))

    node: Mapped[RoutingNode] = relationship(back_populates="steps")
    application: Mapped[Application] = relationship(foreign_keys=[application_id])


class EmployerCheck(HasId, HasCreatedAt, Model):
    """单位审核: the recommendation opinion and who gave it."""

    __tablename__ = "employer_check"

    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    opinion: Mapped[str] = mapped_column(Text)
    content_version: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime] = mapped_column(TZDateTime)


class Publicity(HasId, HasCreatedAt, HasVersion, Model):
    """公示: of one application, by the employer or of the result; five full working days (rules
    A3)."""

    __tablename__ = "publicity"
    __table_args__ = (
        Index("ix_publicity_open", "ends_at", postgresql_where=text("closed_at IS NULL")),
        Index(
            "uq_publicity_one_open",
            "application_id",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
        CheckConstraint("opened_at IS NULL OR ends_at IS NOT NULL", name="ends_at_if_opened"),
    )

    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    kind: Mapped[PublicityKind] = mapped_column(word(PublicityKind))
    scheduled_for: Mapped[datetime | None] = mapped_column(TZDateTime)
    opened_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    starts_on: Mapped[date | None] = mapped_column(Date, comment="the first of the days counted")
    ends_on: Mapped[date | None] = mapped_column(Date)
    ends_at: Mapped[datetime | None] = mapped_column(TZDateTime, comment="24:00 of ends_on")
    days: Mapped[list[str]] = mapped_column(JSONB, default=list, comment="the days counted")
    is_provisional: Mapped[bool] = mapped_column(Boolean, default=False)
    forwards_automatically: Mapped[bool] = mapped_column(Boolean, default=False)
    shown: Mapped[dict[str, Any]] = mapped_column(
        JSONB, default=dict, comment="the publicised fields, frozen; never numbers or phones (F1)"
    )
    on_site_from: Mapped[date | None] = mapped_column(Date)
    on_site_to: Mapped[date | None] = mapped_column(Date)
    on_site_proof_sha256: Mapped[str | None] = mapped_column(ForeignKey("stored_file.sha256"))
    on_site_proof_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    opened_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    closed_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    close_note: Mapped[str] = mapped_column(Text, default="")

    application: Mapped[Application] = relationship(back_populates="publicities")
    objections: Mapped[list[Objection]] = relationship(back_populates="publicity")


class Objection(HasId, HasCreatedAt, HasVersion, Model):
    """异议: hidden from the applicant; a named one gets an answer (rules F2)."""

    __tablename__ = "objection"
    __table_args__ = (
        CheckConstraint("(finding IS NULL) = (decided_at IS NULL)", name="decided_with_finding"),
    )

    publicity_id: Mapped[int] = mapped_column(ForeignKey("publicity.id"), index=True)
    number: Mapped[str] = mapped_column(String(32), unique=True)
    objector_name: Mapped[str | None] = mapped_column(EncryptedText)
    objector_contact: Mapped[str | None] = mapped_column(EncryptedText)
    is_named: Mapped[bool] = mapped_column(Boolean, default=False)
    body: Mapped[str] = mapped_column(Text)
    raised_at: Mapped[datetime] = mapped_column(TZDateTime)
    finding: Mapped[ObjectionFinding | None] = mapped_column(word(ObjectionFinding))
    finding_text: Mapped[str] = mapped_column(Text, default="")
    decided_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))

    publicity: Mapped[Publicity] = relationship(back_populates="objections")


class CorrectionRequest(HasId, HasCreatedAt, Model):
    """补正: a return with its one complete list of defects, unlocked sections and due date (R46,
    3.4)."""

    __tablename__ = "correction_request"
    __table_args__ = (
        Index(
            "uq_correction_request_open",
            "application_id",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    returned_by_unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    returned_from_state: Mapped[State] = mapped_column(word(State))
    returned_from_node_id: Mapped[int | None] = mapped_column(ForeignKey("routing_node.id"))
    target: Mapped[ReturnTarget] = mapped_column(word(ReturnTarget))
    reason_code: Mapped[str] = mapped_column(String(40))
    items: Mapped[list[dict[str, Any]]] = mapped_column(
        JSONB, default=list, comment="[{section, field, text}]"
    )
    unlocked_sections: Mapped[list[str]] = mapped_column(JSONB, default=list)
    note: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime] = mapped_column(TZDateTime)
    due_at: Mapped[datetime] = mapped_column(TZDateTime)
    resubmitted_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(TZDateTime)

    application: Mapped[Application] = relationship()
    returned_by_unit: Mapped[Unit] = relationship()
    returned_from_node: Mapped[RoutingNode | None] = relationship()


class Lapse(HasId, HasCreatedAt, Model):
    """未按时推送 and the other ends a deadline brings; written once, by the sweep (notice
    四(三))."""

    __tablename__ = "lapse"
    __table_args__ = (
        UniqueConstraint(
            "application_id", "kind", "step_id", "due_at", postgresql_nulls_not_distinct=True
        ),
    )

    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    kind: Mapped[LapseKind] = mapped_column(word(LapseKind))
    step_id: Mapped[int | None] = mapped_column(ForeignKey("routing_step.id"))
    responsible_unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True)
    due_at: Mapped[datetime] = mapped_column(TZDateTime)
    hours_over: Mapped[int | None] = mapped_column(Integer)
    responsible: Mapped[list[dict[str, Any]]] = mapped_column(
        JSONB, default=list, comment="every unit that overran: [{unit_id, name, hours}]"
    )
    reason: Mapped[str] = mapped_column(Text, default="")

    application: Mapped[Application] = relationship()
    responsible_unit: Mapped[Unit | None] = relationship()


class WithdrawalRequest(HasId, HasCreatedAt, Model):
    """撤回申请: by the applicant, granted by the holder of the application (rules B6)."""

    __tablename__ = "withdrawal_request"

    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[WithdrawalState] = mapped_column(
        word(WithdrawalState), default=WithdrawalState.ASKED
    )
    asked_at: Mapped[datetime] = mapped_column(TZDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    decision_note: Mapped[str] = mapped_column(Text, default="")

    application: Mapped[Application] = relationship()


# --------------------------------------------------------------------------- policy review,
# meeting, ballot


class PolicyReview(HasId, HasCreatedAt, Model):
    """政策性审查: what the convener's office found."""

    __tablename__ = "policy_review"

    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    conclusion: Mapped[str] = mapped_column(String(20), comment="accept, return, reject, transfer")
    reason_code: Mapped[str] = mapped_column(String(40), default="")
    opinion: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime] = mapped_column(TZDateTime)


class MilestoneExtension(HasId, HasCreatedAt, Model):
    """The province's extension of a committee's missed milestone; reasoned, signed by two
    people."""

    __tablename__ = "milestone_extension"
    __table_args__ = (
        CheckConstraint(
            "approved_by_id IS NULL OR approved_by_id <> asked_by_id", name="four_eyes"
        ),
    )

    committee_id: Mapped[int] = mapped_column(ForeignKey("committee.id"), index=True)
    plan_line_id: Mapped[int] = mapped_column(ForeignKey("plan_line.id"))
    milestone: Mapped[DueKind] = mapped_column(word(DueKind))
    until_on: Mapped[date] = mapped_column(Date)
    reason: Mapped[str] = mapped_column(Text)
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    approved_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    approved_at: Mapped[datetime | None] = mapped_column(TZDateTime)

    committee: Mapped[Committee] = relationship()
    plan_line: Mapped[PlanLine] = relationship()


class SignatureRequest(HasId, HasCreatedAt, HasVersion, Model):
    """两人确认: asked for by one person of the province, approved by another (A9, row 21)."""

    __tablename__ = "signature_request"
    __table_args__ = (
        CheckConstraint(
            "(act = 'reschedule' AND plan_line_id IS NOT NULL AND application_id IS NULL) OR "
            "(act = 'reinstate' AND application_id IS NOT NULL AND plan_line_id IS NULL)",
            name="one_subject",
        ),
        CheckConstraint("state <> 'approved' OR decided_by_id <> asked_by_id", name="two_people"),
        CheckConstraint("(state = 'asked') = (decided_at IS NULL)", name="decided_if_so"),
        Index(
            "uq_signature_request_plan_line",
            "plan_line_id",
            unique=True,
            postgresql_where=text("state = 'asked'"),
        ),
        Index(
            "uq_signature_request_application",
            "application_id",
            unique=True,
            postgresql_where=text("state = 'asked'"),
        ),
    )

    act: Mapped[SignedAct] = mapped_column(word(SignedAct))
    plan_line_id: Mapped[int | None] = mapped_column(ForeignKey("plan_line.id"))
    application_id: Mapped[int | None] = mapped_column(ForeignKey("application.id"))
    subject_version: Mapped[int] = mapped_column(
        Integer, comment="of the row when it was asked about; a changed row is asked about anew"
    )
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[SignatureState] = mapped_column(
        word(SignatureState), default=SignatureState.ASKED
    )
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    asked_at: Mapped[datetime] = mapped_column(TZDateTime)
    expires_at: Mapped[datetime] = mapped_column(TZDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    decided_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    decision_note: Mapped[str] = mapped_column(Text, default="")

    plan_line: Mapped[PlanLine | None] = relationship()
    application: Mapped[Application | None] = relationship()
    asked_by: Mapped[Account] = relationship(foreign_keys=[asked_by_id])
    decided_by: Mapped[Account | None] = relationship(foreign_keys=[decided_by_id])


class ReviewMeeting(HasId, HasCreatedAt, HasVersion, Model):
    """评审会议: one sitting; one a committee and year unless the province approves more (rules
    R14)."""

    __tablename__ = "review_meeting"
    __table_args__ = (
        UniqueConstraint("committee_id", "plan_year", "batch"),
        CheckConstraint("batch = 1 OR extra_approval <> ''", name="approval_if_extra"),
    )

    committee_id: Mapped[int] = mapped_column(ForeignKey("committee.id"), index=True)
    plan_year: Mapped[int] = mapped_column(Integer)
    batch: Mapped[int] = mapped_column(Integer, default=1)
    extra_approval: Mapped[str] = mapped_column(Text, default="")
    held_on: Mapped[date] = mapped_column(Date)
    state: Mapped[MeetingState] = mapped_column(word(MeetingState), default=MeetingState.PLANNED)
    place: Mapped[str] = mapped_column(String(120), default="")
    hides_identity: Mapped[bool] = mapped_column(
        Boolean, default=False, comment="experts read the applications without name and unit"
    )
    panel_size: Mapped[int] = mapped_column(Integer)
    convened_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    opened_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    opened_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    closed_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    announced_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    announced_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    minutes: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    minutes_sha256: Mapped[str | None] = mapped_column(String(64))

    committee: Mapped[Committee] = relationship()
    items: Mapped[list[MeetingItem]] = relationship(
        back_populates="meeting", order_by="MeetingItem.position"
    )
    members: Mapped[list[PanelMember]] = relationship(
        back_populates="meeting", order_by="PanelMember.position"
    )

    def __repr__(self) -> str:
        return f"{self.committee} {self.held_on}"


class MeetingItem(HasId, Model):
    """An application on the list of a meeting, and its frozen tally."""

    __tablename__ = "meeting_item"
    __table_args__ = (
        UniqueConstraint("meeting_id", "application_id"),
        CheckConstraint(
            "outcome IS NULL OR (present IS NOT NULL AND yes + no + abstain + not_cast = present)",
            name="tally_adds_up",
        ),
    )

    meeting_id: Mapped[int] = mapped_column(ForeignKey("review_meeting.id"))
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    position: Mapped[int] = mapped_column(Integer)
    group_name: Mapped[str] = mapped_column(String(40), default="")
    ballot_opened_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    ballot_closed_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    size: Mapped[int | None] = mapped_column(Integer)
    present: Mapped[int | None] = mapped_column(Integer)
    recused: Mapped[int | None] = mapped_column(Integer)
    yes: Mapped[int | None] = mapped_column(Integer)
    no: Mapped[int | None] = mapped_column(Integer)
    abstain: Mapped[int | None] = mapped_column(Integer)
    not_cast: Mapped[int | None] = mapped_column(Integer)
    outcome: Mapped[Outcome | None] = mapped_column(word(Outcome))

    meeting: Mapped[ReviewMeeting] = relationship(back_populates="items")
    application: Mapped[Application] = relationship()


class PanelDraw(HasId, HasCreatedAt, Model):
    """抽取专家: candidates frozen and hashed first, then drawn with a stored seed (rules 3.3
    M2)."""

    __tablename__ = "panel_draw"

    meeting_id: Mapped[int] = mapped_column(ForeignKey("review_meeting.id"), unique=True)
    algorithm: Mapped[str] = mapped_column(String(40))
    seed: Mapped[str] = mapped_column(String(80))
    named: Mapped[list[int]] = mapped_column(
        JSONB, default=list, comment="chair and vice-chairs: on the panel by office, not drawn"
    )
    candidates: Mapped[list[int]] = mapped_column(JSONB)
    candidates_hash: Mapped[str] = mapped_column(String(64))
    excluded: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    drawn: Mapped[list[int]] = mapped_column(JSONB)
    reserves: Mapped[list[int]] = mapped_column(JSONB)
    drawn_at: Mapped[datetime] = mapped_column(TZDateTime)
    drawn_by_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"))
    witnessed_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    witnessed_at: Mapped[datetime | None] = mapped_column(TZDateTime)


class PanelMember(HasId, Model):
    """评委会组成人员: an expert at one meeting, invited, pledged, signed in."""

    __tablename__ = "panel_member"
    __table_args__ = (
        UniqueConstraint("meeting_id", "expert_id"),
        CheckConstraint(
            "signed_in_at IS NULL OR pledged_at IS NOT NULL", name="pledge_before_sign_in"
        ),
    )

    meeting_id: Mapped[int] = mapped_column(ForeignKey("review_meeting.id"))
    expert_id: Mapped[int] = mapped_column(ForeignKey("expert.id"), index=True)
    role: Mapped[PanelRole] = mapped_column(word(PanelRole))
    position: Mapped[int] = mapped_column(Integer)
    invitation: Mapped[InvitationState | None] = mapped_column(word(InvitationState))
    answered_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    decline_reason: Mapped[str] = mapped_column(Text, default="")
    pledged_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    signed_in_at: Mapped[datetime | None] = mapped_column(TZDateTime)

    meeting: Mapped[ReviewMeeting] = relationship(back_populates="members")
    expert: Mapped[Expert] = relationship()


class Recusal(HasId, HasCreatedAt, Model):
    """回避: asked by the expert or ordered by the office, for one application (rules R67, D2)."""

    __tablename__ = "recusal"
    __table_args__ = (UniqueConstraint("member_id", "application_id"),)

    member_id: Mapped[int] = mapped_column(ForeignKey("panel_member.id"))
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    is_ordered: Mapped[bool] = mapped_column(Boolean, default=False)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))

    member: Mapped[PanelMember] = relationship()


class ExpertReview(HasId, HasCreatedAt, HasVersion, Model):
    """专家评审: one expert's opinion and score on one application; locked before the ballot
    opens."""

    __tablename__ = "expert_review"
    __table_args__ = (
        UniqueConstraint("member_id", "application_id"),
        CheckConstraint("score IS NULL OR score BETWEEN 0 AND 100", name="score_in_range"),
    )

    member_id: Mapped[int] = mapped_column(ForeignKey("panel_member.id"))
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    opinion: Mapped[str] = mapped_column(Text, default="")
    score: Mapped[int | None] = mapped_column(Integer)
    locked_at: Mapped[datetime | None] = mapped_column(TZDateTime)

    member: Mapped[PanelMember] = relationship()
    application: Mapped[Application] = relationship()


class BallotCast(Model):
    """That a member has voted on an application; it says nothing of how, and nothing of when
    (D5)."""

    __tablename__ = "ballot_cast"

    member_id: Mapped[int] = mapped_column(ForeignKey("panel_member.id"), primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), primary_key=True)


class Ballot(Model):
    """A vote without a voter: a random key, no instant, no common key with BallotCast (D5)."""

    __tablename__ = "ballot"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    choice: Mapped[BallotChoice] = mapped_column(word(BallotChoice))


# --------------------------------------------------------------------------- result, certificate


class ResultFiling(HasId, HasCreatedAt, HasVersion, Model):
    """评审结果备案: the list with minutes, draw record and publicity record (rules 3.2 row 34)."""

    __tablename__ = "result_filing"

    meeting_id: Mapped[int] = mapped_column(ForeignKey("review_meeting.id"), unique=True)
    state: Mapped[FilingState] = mapped_column(word(FilingState), default=FilingState.DRAFT)
    filed_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    filed_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    decided_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    note: Mapped[str] = mapped_column(Text, default="")
    attachments: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)

    meeting: Mapped[ReviewMeeting] = relationship()


class TitleCertificate(HasId, HasCreatedAt, Model):
    """职称证书: looked up and verified by anyone (notice 四(四))."""

    __tablename__ = "title_certificate"
    __table_args__ = (
        CheckConstraint(
            "(revoked_at IS NULL) = (revocation_reason = '')", name="reason_if_revoked"
        ),
    )

    number: Mapped[str] = mapped_column(String(32), unique=True)
    application_id: Mapped[int | None] = mapped_column(ForeignKey("application.id"), unique=True)
    person_name: Mapped[str] = mapped_column(String(60))
    identity_hash: Mapped[str] = mapped_column(String(64), index=True)
    identity_mask: Mapped[str] = mapped_column(String(32))
    unit_name: Mapped[str] = mapped_column(String(120))
    series_name: Mapped[str] = mapped_column(String(80))
    specialty_name: Mapped[str] = mapped_column(String(80), default="")
    level: Mapped[TitleLevel] = mapped_column(IntEnumColumn(TitleLevel))
    title_name: Mapped[str] = mapped_column(String(60))
    committee_name: Mapped[str] = mapped_column(String(120))
    plan_year: Mapped[int] = mapped_column(Integer)
    effective_on: Mapped[date] = mapped_column(Date)
    issued_at: Mapped[datetime] = mapped_column(TZDateTime)
    content_hash: Mapped[str] = mapped_column(String(64))
    revoked_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    revocation_reason: Mapped[str] = mapped_column(Text, default="")

    application: Mapped[Application | None] = relationship()


class ReExamination(HasId, HasCreatedAt, Model):
    """复查: of the procedure only, no new vote in the same year (rules 3.2 row 36)."""

    __tablename__ = "re_examination"
    __table_args__ = (
        CheckConstraint("(finding = '') = (decided_at IS NULL)", name="decided_with_finding"),
    )

    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    ground: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime] = mapped_column(TZDateTime)
    finding: Mapped[str] = mapped_column(Text, default="")
    decided_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))

    application: Mapped[Application] = relationship()


class EntrustedReview(HasId, HasCreatedAt, Model):
    """委托评审 by a ministry or another province; the result is registered later (rules C5)."""

    __tablename__ = "entrusted_review"

    application_id: Mapped[int] = mapped_column(ForeignKey("application.id"), unique=True)
    entrusted_to: Mapped[str] = mapped_column(String(120))
    letter_number: Mapped[str] = mapped_column(String(80), default="")
    entrusted_at: Mapped[datetime] = mapped_column(TZDateTime)
    outcome: Mapped[Outcome | None] = mapped_column(word(Outcome))
    registered_at: Mapped[datetime | None] = mapped_column(TZDateTime)

    application: Mapped[Application] = relationship()


# --------------------------------------------------------------------------- audit and operation


class AuditEntry(HasId, Model):
    """操作日志: append-only; who did what to which object, before and after, masked, and why."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_object", "object_type", "object_id"),
        Index("ix_audit_entry_action", "action", "id"),
        Index("ix_audit_entry_unit", "unit_id", "id"),
        {"info": {"append_only": True}},
    )

    recorded_at: Mapped[datetime] = mapped_column(TZDateTime, default=clock.real_now, index=True)
    at: Mapped[datetime] = mapped_column(TZDateTime)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"), index=True)
    actor_name: Mapped[str] = mapped_column(String(60), default="")
    role: Mapped[str] = mapped_column(
        String(200), default="", comment="every role of the actor, with commas"
    )
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    address: Mapped[str] = mapped_column(String(45), default="")
    action: Mapped[str] = mapped_column(String(60))
    object_type: Mapped[str] = mapped_column(String(60))
    object_id: Mapped[str] = mapped_column(String(60))
    before: Mapped[Any] = mapped_column(JSONB, nullable=True)
    after: Mapped[Any] = mapped_column(JSONB, nullable=True)
    reason: Mapped[str] = mapped_column(Text, default="")

    unit: Mapped[Unit | None] = relationship(viewonly=True)
    link: Mapped[AuditLink | None] = relationship(viewonly=True, uselist=False)

    @property
    def number(self) -> int | None:
        """The number in the chain; None before the commit."""
        return self.link.number if self.link else None


class AuditLink(Model):
    """One link of the chain of entries, written by the database at commit (app/append_only.py);
    numbers have no gaps."""

    __tablename__ = "audit_link"
    __table_args__ = ({"info": {"append_only": True}},)

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[int] = mapped_column(ForeignKey("audit_entry.id"), unique=True)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))

    entry: Mapped[AuditEntry] = relationship(viewonly=True)


class AuditAnchor(HasId, Model):
    """A signed head of the chain as it was written outside the database."""

    __tablename__ = "audit_anchor"
    __table_args__ = ({"info": {"append_only": True}},)

    number: Mapped[int] = mapped_column(BigInteger, index=True)
    hash: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(TZDateTime)
    line_hash: Mapped[str] = mapped_column(String(64), comment="SHA-256 of the line on file")


class PersonalDataRead(HasId, Model):
    """Each view of a full document or telephone number, written in the same transaction."""

    __tablename__ = "personal_data_read"
    __table_args__ = (
        CheckConstraint("(person_id IS NULL) <> (unit_id IS NULL)", name="of_a_person_or_a_unit"),
        {"info": {"append_only": True}},
    )

    recorded_at: Mapped[datetime] = mapped_column(TZDateTime, default=clock.real_now)
    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    unit_id: Mapped[int | None] = mapped_column(
        ForeignKey("unit.id"), index=True, comment="whose contact was looked at"
    )
    field: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text)


class BackgroundJob(HasId, HasCreatedAt, HasVersion, Model):
    """后台作业: long work an account asked for; progress, lease of the worker, end.

    The queue carries only the id. `lease` names the run that may write: whoever has lost it
    (killed, or too slow) cannot commit another batch. `heartbeat_at` is real time, the rest the
    portal's.
    """

    __tablename__ = "background_job"
    __table_args__ = (
        Index(
            "ix_background_job_open",
            "state",
            "heartbeat_at",
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
        CheckConstraint("(state = 'running') = (lease IS NOT NULL)", name="lease_if_running"),
        CheckConstraint(
            "(state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
            name="finished_if_ended",
        ),
        CheckConstraint("done >= 0 AND done <= total", name="done_within_total"),
    )

    kind: Mapped[str] = mapped_column(String(40))
    state: Mapped[JobState] = mapped_column(word(JobState), default=JobState.QUEUED)
    stage: Mapped[str] = mapped_column(String(20), default="", comment="e.g. check, write")
    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    address: Mapped[str] = mapped_column(String(45), default="")
    roles: Mapped[list[str]] = mapped_column(
        JSONB, default=list, comment="those that opened the page it was asked on"
    )
    given: Mapped[dict[str, Any]] = mapped_column(
        JSONB, default=dict, comment="what was asked for; no personal data"
    )
    done: Mapped[int] = mapped_column(Integer, default=0)
    total: Mapped[int] = mapped_column(Integer, default=0)
    message: Mapped[str] = mapped_column(Text, default="", comment="a msgid")
    message_params: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    report: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    asked_at: Mapped[datetime] = mapped_column(TZDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    expires_at: Mapped[datetime] = mapped_column(TZDateTime, index=True)
    expired_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    lease: Mapped[str | None] = mapped_column(String(32))
    heartbeat_at: Mapped[datetime] = mapped_column(TZDateTime, default=clock.real_now)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    wants_cancel: Mapped[bool] = mapped_column(Boolean, default=False)

    files: Mapped[list[JobFile]] = relationship(back_populates="job", order_by="JobFile.id")

    def __repr__(self) -> str:
        return f"{self.kind} {self.id}"


class JobFile(HasId, HasCreatedAt, Model):
    """A file of a background job, encrypted under a key of its own that is deleted with it."""

    __tablename__ = "job_file"

    job_id: Mapped[int] = mapped_column(ForeignKey("background_job.id"), index=True)
    purpose: Mapped[JobFilePurpose] = mapped_column(word(JobFilePurpose))
    filename: Mapped[str] = mapped_column(String(200))
    media_type: Mapped[str] = mapped_column(String(100))
    byte_count: Mapped[int] = mapped_column(BigInteger)
    object_name: Mapped[str] = mapped_column(String(80), unique=True)
    file_key: Mapped[str | None] = mapped_column(EncryptedText)

    job: Mapped[BackgroundJob] = relationship(back_populates="files")


class ImportRow(Model):
    """A row of an imported file: what the dry run found, and what became of it.

    Written in the transaction that creates the account, so that a run taken up again neither
    repeats a row nor loses its activation code. Name and code are emptied when the job expires.
    """

    __tablename__ = "import_row"

    job_id: Mapped[int] = mapped_column(ForeignKey("background_job.id"), primary_key=True)
    number: Mapped[int] = mapped_column(
        Integer, primary_key=True, comment="the row number Excel shows"
    )
    outcome: Mapped[RowOutcome] = mapped_column(word(RowOutcome))
    result: Mapped[RowOutcome | None] = mapped_column(
        word(RowOutcome, "result"), comment="what became of it; empty before the confirmation"
    )
    label: Mapped[str] = mapped_column(String(120), default="")
    problems: Mapped[list[Any]] = mapped_column(JSONB, default=list)
    changes: Mapped[list[Any]] = mapped_column(JSONB, default=list)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"), index=True)
    activation_code: Mapped[str | None] = mapped_column(EncryptedText)

    account: Mapped[Account | None] = relationship()


class ImportProof(HasId, HasCreatedAt, Model):
    """A file that proves that the people of an import belong to the unit (Annex 3, rules E8)."""

    __tablename__ = "import_proof"

    job_id: Mapped[int] = mapped_column(ForeignKey("background_job.id"), index=True)
    file_sha256: Mapped[str] = mapped_column(ForeignKey("stored_file.sha256"))
    filename: Mapped[str] = mapped_column(String(200))

    job: Mapped[BackgroundJob] = relationship()
    file: Mapped[StoredFile] = relationship()


class JobRun(HasId, Model):
    """后台作业日志: what a sweep found and changed."""

    __tablename__ = "job_run"

    job: Mapped[str] = mapped_column(String(60), index=True)
    business_at: Mapped[datetime] = mapped_column(TZDateTime)
    started_at: Mapped[datetime] = mapped_column(TZDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(TZDateTime)
    found: Mapped[int] = mapped_column(Integer, default=0)
    changed: Mapped[int] = mapped_column(Integer, default=0)
    error: Mapped[str] = mapped_column(Text, default="")


append_only.protect(Model.metadata)
custom_indexes.provide(Model.metadata)
