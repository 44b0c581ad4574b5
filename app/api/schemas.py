"""What the public look-ups take and answer; the same classes check the request and describe the
answer in the OpenAPI document."""

from __future__ import annotations

from marshmallow import EXCLUDE, RAISE, Schema, fields, validate

from app.domain.terms import Outcome
from app.domain.workflow import State
from app.services.certificates import CertificateState

STATES = [state.value for state in State]
OUTCOMES = [outcome.value for outcome in Outcome]
CERTIFICATE_STATES = [state.value for state in CertificateState]


def _text(description: str, **metadata: object) -> fields.String:
    return fields.String(required=True, metadata={"description": description, **metadata})


class PersonSchema(Schema):
    """The body of a look-up: both together name one person."""

    __component_name__ = "Person"

    class Meta:
        """Other fields are refused, so that a misspelt one is noticed."""

        unknown = RAISE

    name = fields.String(
        required=True,
        validate=validate.Length(min=1, max=60),
        metadata={"description": "姓名, as in the document", "example": "王敏"},
    )
    identity_number = fields.String(
        required=True,
        validate=validate.Length(min=5, max=24),
        metadata={
            "description": "证件号码, as printed; taken from the body only, never answered",
            "example": "520102198001010013",
        },
    )


class OutcomeSchema(Schema):
    """One application of the person."""

    class Meta:
        """Answers only."""

        unknown = EXCLUDE

    plan_year = fields.Integer(required=True, metadata={"description": "年度", "example": 2022})
    series = _text("职称系列", example="工程技术人员")
    specialty = _text("专业; empty where the series has none")
    title_name = _text("申报职称", example="高级工程师")
    committee = _text("评委会")
    state = fields.String(
        required=True,
        validate=validate.OneOf(STATES),
        metadata={"description": "State of the application"},
    )
    state_label = _text("The state in the portal's language", example="结果公示中")
    outcome = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf(OUTCOMES),
        metadata={"description": "评审结果; null until the result publicity is over"},
    )
    decided_on = fields.Date(
        required=True,
        allow_none=True,
        metadata={"description": "Day of the ballot; null until the outcome is out"},
    )
    certificate_number = fields.String(
        required=True, allow_none=True, metadata={"description": "职称证书编号"}
    )


class CertificateSchema(Schema):
    """What a certificate says; name and document number masked."""

    class Meta:
        """Answers only."""

        unknown = EXCLUDE

    number = _text("证书编号", example="5220222000000010")
    state = fields.String(
        required=True,
        validate=validate.OneOf(CERTIFICATE_STATES),
        metadata={
            "description": "valid; revoked (撤销); altered: the record differs from what was issued"
        },
    )
    person_name = _text("姓名, masked", example="王*")
    identity_mask = _text("证件号码, masked", example="520***********0013")
    unit_name = _text("Unit at the time of the application")
    series_name = _text("职称系列")
    specialty_name = _text("专业")
    level = fields.Integer(
        required=True,
        validate=validate.Range(min=1, max=5),
        metadata={"description": "1 正高级, 2 副高级, 3 中级, 4 助理级, 5 员级"},
    )
    title_name = _text("职称名称", example="高级工程师")
    committee_name = _text("评委会")
    issuer = _text("Whose seal the certificate carries")
    plan_year = fields.Integer(required=True)
    effective_on = fields.Date(required=True)
    issued_on = fields.Date(required=True)
    revoked_on = fields.Date(required=True, allow_none=True)
    content_hash = _text("SHA-256 of the content, as printed on the certificate")


class OutcomesSchema(Schema):
    """Answer of `POST /outcome`."""

    __component_name__ = "Outcomes"

    checked_at = fields.AwareDateTime(required=True, metadata={"description": "Beijing time"})
    outcomes = fields.List(fields.Nested(OutcomeSchema), required=True)


class CertificatesSchema(Schema):
    """Answer of `POST /certificates`."""

    __component_name__ = "Certificates"

    checked_at = fields.AwareDateTime(required=True, metadata={"description": "Beijing time"})
    certificates = fields.List(fields.Nested(CertificateSchema), required=True)


class CertificateCheckSchema(Schema):
    """Answer of `GET /certificates/{number}`."""

    __component_name__ = "CertificateCheck"

    checked_at = fields.AwareDateTime(required=True, metadata={"description": "Beijing time"})
    certificate = fields.Nested(CertificateSchema, required=True)


class ErrorSchema(Schema):
    """Every failure, with the sentence to show to the user."""

    __component_name__ = "Error"

    code = _text("For programs", example="rule_violation")
    message = _text("For people, in the portal's language")
