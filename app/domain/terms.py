"""The closed vocabularies of the process, one enumeration a term (docs/glossary.md).

Members are stored by value; a value is never renamed: rows and configuration packs carry it.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class UnitKind(StrEnum):
    """单位类别: what a unit is in the account tree of Annex 3."""

    HRSS = "hrss"
    COMPETENT_DEPARTMENT = "competent_department"
    EMPLOYER = "employer"
    NON_PUBLIC = "non_public"
    DESIGNATED_AGENCY = "designated_agency"


class AdministrativeLevel(StrEnum):
    """行政层级: province, prefecture (市、自治州), county (县、区、市)."""

    PROVINCE = "province"
    PREFECTURE = "prefecture"
    COUNTY = "county"


class AccountKind(StrEnum):
    """单位账号 / 个人账号 (Annex 3)."""

    UNIT = "unit"
    PERSONAL = "personal"


class LoginMethod(StrEnum):
    """登录方式 (notice 三(二))."""

    PASSWORD = "password"  # noqa: S105 -- a way to sign in, not a secret
    SMS_CODE = "sms_code"
    ESSC = "essc"
    TOTP = "totp"


class IdentityDocument(StrEnum):
    """证件类型: whose number is the login name (rules E7)."""

    RESIDENT_ID = "resident_id"
    HMT_RESIDENCE_PERMIT = "hmt_residence_permit"
    PERMANENT_RESIDENT_ID = "permanent_resident_id"
    PASSPORT = "passport"
    TRAVEL_PERMIT = "travel_permit"


class Gender(StrEnum):
    """性别, as the document number tells it."""

    MALE = "male"
    FEMALE = "female"


class ApplicantKind(StrEnum):
    """申报人身份: decides who plays the employer (rules C2, C4)."""

    EMPLOYEE = "employee"
    FREELANCER = "freelancer"
    SOLE_PROPRIETOR = "sole_proprietor"


class ApplicationKind(StrEnum):
    """申报类型 (rules 5)."""

    REGULAR = "regular"
    EXCEPTIONAL = "exceptional"
    CONVERSION = "conversion"
    ENTRUSTED = "entrusted"
    PRIVATE_ECONOMY = "private_economy"


class TitleLevel(IntEnum):
    """职称层级: 1 正高级 … 5 员级 (rules 4)."""

    SENIOR = 1
    ASSOCIATE_SENIOR = 2
    INTERMEDIATE = 3
    ASSISTANT = 4
    TECHNICIAN = 5


class CommitteeLevel(StrEnum):
    """评委会层级: 高级 {1,2}, 中级 {3}, 初级 {4,5} (rules R02)."""

    SENIOR = "senior"
    INTERMEDIATE = "intermediate"
    JUNIOR = "junior"


class CommitteeScope(StrEnum):
    """按系列组建 / 按专业组建 (rules R01, R03)."""

    SERIES = "series"
    SPECIALTY = "specialty"


class FilingState(StrEnum):
    """备案状态, for authority filings and result filings."""

    DRAFT = "draft"
    FILED = "filed"
    APPROVED = "approved"
    RETURNED = "returned"


class CallState(StrEnum):
    """申报工作通知状态."""

    DRAFT = "draft"
    PUBLISHED = "published"


class ProposalState(StrEnum):
    """采集表状态 (Annex 2)."""

    DRAFT = "draft"
    REPORTED = "reported"
    ADOPTED = "adopted"
    RETURNED = "returned"
    NEXT_YEAR = "next_year"


class PeopleFilter(StrEnum):
    """申报对象: who may use a plan category (rules 4)."""

    EVERYBODY = "everybody"
    PRIVATE_ECONOMY = "private_economy"


class NodeKind(StrEnum):
    """流转节点类别: the employer, a node on the way, the committee's convening unit."""

    EMPLOYER = "employer"
    RELAY = "relay"
    HOST = "host"


class PublicityKind(StrEnum):
    """公示类别."""

    EMPLOYER = "employer"
    RESULT = "result"


class PublicityDay1(StrEnum):
    """How the first of the five working days is found (rules A3)."""

    NEXT_WORKDAY = "next_workday"
    SAME_DAY_IF_BEFORE_09 = "same_day_if_before_09"


class ObjectionFinding(StrEnum):
    """异议核查结论."""

    UNFOUNDED = "unfounded"
    UPHELD = "upheld"


class ReturnTarget(StrEnum):
    """退回对象: whom a returned application awaits (rules 3.4)."""

    APPLICANT = "applicant"
    UNIT = "unit"
    NODE = "node"


class LapseKind(StrEnum):
    """逾期类别: a node that overran, and the three ends a deadline brings (rules 3.2, 3.5)."""

    NODE_OVERDUE = "node_overdue"
    NOT_SUBMITTED = "not_submitted"
    NOT_DELIVERED = "not_delivered"
    CORRECTION = "correction"


class MeetingState(StrEnum):
    """评审会议状态 (rules 3.3)."""

    PLANNED = "planned"
    DRAWN = "drawn"
    CONVENED = "convened"
    OPEN = "open"
    CLOSED = "closed"
    ANNOUNCED = "announced"


class PanelRole(StrEnum):
    """评委会组成: chair, vice-chair, member, reserve."""

    CHAIR = "chair"
    VICE_CHAIR = "vice_chair"
    MEMBER = "member"
    RESERVE = "reserve"


class InvitationState(StrEnum):
    """专家邀请状态."""

    INVITED = "invited"
    ACCEPTED = "accepted"
    DECLINED = "declined"


class BallotChoice(StrEnum):
    """表决意见: 同意 / 不同意 / 弃权."""

    YES = "yes"
    NO = "no"
    ABSTAIN = "abstain"


class Outcome(StrEnum):
    """评审结果."""

    PASSED = "passed"
    NOT_PASSED = "not_passed"


class WithdrawalState(StrEnum):
    """撤回申请状态 (rules B6)."""

    ASKED = "asked"
    GRANTED = "granted"
    REFUSED = "refused"


class TransferState(StrEnum):
    """转入申请状态 (rules E7): proposed by the person, asked by the new unit, with the HRSS
    department, and how it ended."""

    PROPOSED = "proposed"
    ASKED = "asked"
    ESCALATED = "escalated"
    RELEASED = "released"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class MoveState(StrEnum):
    """划转状态: a unit waits to come under another superior, and how it ended (rules E6)."""

    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class SampleState(StrEnum):
    """抽查结果: of one account of a sample (rules E8)."""

    OPEN = "open"
    ASKED = "asked"
    IN_ORDER = "in_order"
    FINDING = "finding"


class UnusualKind(StrEnum):
    """What was counted when a unit was flagged (rules E8)."""

    DAY = "day"
    YEAR = "year"


class SignedAct(StrEnum):
    """What takes effect with a second signature only (rules A9, row 21)."""

    RESCHEDULE = "reschedule"
    REINSTATE = "reinstate"


class SignatureState(StrEnum):
    """第二人确认状态."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class MoveSide(StrEnum):
    """划转的一方: the present superior, the new one, the unit itself."""

    FROM = "from"
    TO = "to"
    UNIT = "unit"


class RouteGap(StrEnum):
    """流转路线断点: what is wrong with the unit at which no route goes on (rules C2)."""

    NO_SUPERIOR = "no_superior"
    NOT_ACTIVE = "not_active"
    NOT_ENTERED = "not_entered"
    ABOVE_ITSELF = "above_itself"


class PortalMode(StrEnum):
    """运行模式: production, or rehearsal with a movable clock."""

    PRODUCTION = "production"
    REHEARSAL = "rehearsal"


class DayKind(StrEnum):
    """节假日 / 调休上班日."""

    HOLIDAY = "holiday"
    MAKEUP_WORKDAY = "makeup_workday"


class DueKind(StrEnum):
    """What falls due at `Application.due_at`; each kind has its sweep (rules 3.5)."""

    WINDOW_CLOSE = "window_close"
    PUBLICITY_OPENING = "publicity_opening"
    PUBLICITY_END = "publicity_end"
    UNIT_PUSH = "unit_push"
    NODE_FORWARD = "node_forward"
    CORRECTION = "correction"
    POLICY_REVIEW = "policy_review"
    ONLINE_REVIEW = "online_review"


class SpecialtyOrigin(StrEnum):
    """Where a specialty of the catalogue comes from."""

    DIRECTIVE = "directive"
    PROPOSAL = "proposal"
    DEMO = "demo"


class AppraisalGrade(StrEnum):
    """年度考核结果: 优秀、合格、基本合格、不合格 (rules 5, R27)."""

    EXCELLENT = "excellent"
    QUALIFIED = "qualified"
    BASICALLY_QUALIFIED = "basically_qualified"
    UNQUALIFIED = "unqualified"


class BallotOutcome(StrEnum):
    """What a ballot decides; without a quorum it decides nothing (rules 3.3, D2)."""

    PASSED = "passed"
    NOT_PASSED = "not_passed"
    NO_QUORUM = "no_quorum"


class RecusalGround(StrEnum):
    """回避事由 (rules R67, M3)."""

    SAME_UNIT = "same_unit"
    KIN = "kin"
    TUTOR_OR_COAUTHOR = "tutor_or_coauthor"
    OTHER_INTEREST = "other_interest"


class FindingKind(StrEnum):
    """What a finding of the pre-check means: it stops the submission, or it only warns."""

    REFUSAL = "refusal"
    WARNING = "warning"


class JobState(StrEnum):
    """后台作业状态: long work somebody asked for, from the queue to its end."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING_FOR_CONFIRMATION = "waiting_for_confirmation"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobFilePurpose(StrEnum):
    """What a file of a background job is: given to it, or made by it."""

    UPLOAD = "upload"
    ERRORS = "errors"
    RESULT = "result"


class PackPurpose(StrEnum):
    """Why a configuration pack is kept: to be looked at, taken over, made before an import."""

    UPLOADED = "uploaded"
    APPLIED = "applied"
    BACKUP = "backup"


class RowOutcome(StrEnum):
    """What a row of an imported file is found to be, and what became of it."""

    NEW = "new"
    UNCHANGED = "unchanged"
    CHANGED = "changed"
    FAILING = "failing"


class AccountOrigin(StrEnum):
    """How an account came into being; those of 2021 are imported, never created again (三(二))."""

    SINGLE = "single"
    IMPORT = "import"
    LEGACY_2021 = "legacy_2021"
