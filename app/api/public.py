"""/api/v1/public: look-ups without sign-in for other platforms (notice 四(四)).

Names and document numbers come in the JSON body only, answers carry them masked, and every address
may ask so often only.
"""

from __future__ import annotations

import json
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Response, jsonify, request
from flask_appbuilder.api import BaseApi, expose
from flask_appbuilder.api.manager import resolver
from flask_babel import gettext
from marshmallow import ValidationError

import config
from app import clock
from app.api.schemas import (
    CertificateCheckSchema,
    CertificatesSchema,
    ErrorSchema,
    OutcomesSchema,
    PersonSchema,
)
from app.domain.errors import DomainError
from app.domain.messages import N_
from app.domain.workflow import STATE_LABELS
from app.security.limits import limit_look_ups
from app.services import lookups
from app.services.certificates import Verification
from app.services.lookups import OutcomeFound, mask_name

LARGEST_BODY = 4096
"""Bytes of a look-up; a name and a number need 200."""

NUMBER_LENGTH = 40


class BadRequestError(DomainError):
    """The request is not JSON, or not the JSON that was asked for (HTTP 400)."""

    code = "bad_request"
    http_status = 400
    template = N_(
        "Send a JSON object with the texts name and identity_number and nothing else, "
        "as Content-Type application/json."
    )


class CertificateNotFoundError(DomainError):
    """There is no certificate with this number (HTTP 404)."""

    code = "certificate_not_found"
    http_status = 404
    template = N_("There is no certificate with this number. Compare it with the certificate.")


def _failure(description: str) -> dict[str, Any]:
    reference = {"$ref": "#/components/schemas/Error"}
    return {"description": description, "content": {"application/json": {"schema": reference}}}


class PublicApi(BaseApi):
    """Outcomes and certificates for everybody who knows name and number."""

    version = "v1"
    resource_name = "public"
    openapi_spec_tag = "Public look-ups"
    openapi_spec_component_schemas = (
        PersonSchema,
        OutcomesSchema,
        CertificatesSchema,
        CertificateCheckSchema,
        ErrorSchema,
    )
    responses = {
        "BadRequest": _failure("Not JSON, or a field is missing, wrong or unknown"),
        "NotFound": _failure("Nothing under this number"),
        "TooLarge": _failure("More than 4096 bytes"),
        "BadNumber": _failure("This cannot be a name or a document number"),
        "TooMany": _failure("Too many requests from this address; Retry-After says when again"),
        "Closed": _failure("Look-ups are closed for a moment"),
    }

    @expose("/outcome", methods=["POST"])
    def outcome(self) -> Any:
        """Look up one's own outcomes
        ---
        post:
          operationId: lookupOutcome
          summary: 评审结果查询
          description: >-
            The applications submitted by the person of this name and document number, the latest
            first; an empty list when there are none. The outcome is null until the result
            publicity is over.
          requestBody:
            required: true
            content:
              application/json:
                schema:
                  $ref: '#/components/schemas/Person'
          responses:
            200:
              description: What was found
              content:
                application/json:
                  schema:
                    $ref: '#/components/schemas/Outcomes'
            400:
              $ref: '#/components/responses/BadRequest'
            413:
              $ref: '#/components/responses/TooLarge'
            422:
              $ref: '#/components/responses/BadNumber'
            429:
              $ref: '#/components/responses/TooMany'
            503:
              $ref: '#/components/responses/Closed'
        """
        limit_look_ups()
        person = _read_person()
        found = lookups.lookup_outcome(person["name"], person["identity_number"])
        answer = {"checked_at": clock.now(), "outcomes": [_outcome(row) for row in found]}
        return _answer(OutcomesSchema().dump(answer))

    @expose("/certificates", methods=["POST"])
    def certificates(self) -> Any:
        """Look up one's own certificates
        ---
        post:
          operationId: lookupCertificates
          summary: 本人职称证书查询
          description: >-
            The certificates of the person of this name and document number, those of earlier
            years included; an empty list when there are none.
          requestBody:
            required: true
            content:
              application/json:
                schema:
                  $ref: '#/components/schemas/Person'
          responses:
            200:
              description: What was found
              content:
                application/json:
                  schema:
                    $ref: '#/components/schemas/Certificates'
            400:
              $ref: '#/components/responses/BadRequest'
            413:
              $ref: '#/components/responses/TooLarge'
            422:
              $ref: '#/components/responses/BadNumber'
            429:
              $ref: '#/components/responses/TooMany'
            503:
              $ref: '#/components/responses/Closed'
        """
        limit_look_ups()
        person = _read_person()
        rows = lookups.lookup_certificates(person["name"], person["identity_number"])
        checked = [lookups.find_certificate(row.number) for row in rows]
        answer = {
            "checked_at": clock.now(),
            "certificates": [_certificate(found) for found in checked if found is not None],
        }
        return _answer(CertificatesSchema().dump(answer))

    @expose("/certificates/<string:number>", methods=["GET"])
    def certificate(self, number: str) -> Any:
        """Verify a certificate by its number
        ---
        get:
          operationId: verifyCertificate
          summary: 职称证书核验
          description: Whether the certificate of this number is genuine, and what it says.
          parameters:
          - in: path
            name: number
            required: true
            description: 证书编号
            schema:
              type: string
              maxLength: 40
          responses:
            200:
              description: There is a certificate with this number; its state says whether it holds
              content:
                application/json:
                  schema:
                    $ref: '#/components/schemas/CertificateCheck'
            404:
              $ref: '#/components/responses/NotFound'
            429:
              $ref: '#/components/responses/TooMany'
            503:
              $ref: '#/components/responses/Closed'
        """
        limit_look_ups()
        found = lookups.find_certificate(number[:NUMBER_LENGTH])
        if found is None:
            raise CertificateNotFoundError
        answer = {"checked_at": clock.now(), "certificate": _certificate(found)}
        return _answer(CertificateCheckSchema().dump(answer))

    @expose("/_openapi", methods=["GET"])
    def description(self) -> Any:
        """Describe the look-ups
        ---
        get:
          operationId: describeLookups
          summary: OpenAPI 文档
          description: This document.
          responses:
            200:
              description: An OpenAPI 3 document
              content:
                application/json:
                  schema:
                    type: object
        """
        document = APISpec(
            title=gettext("Public look-ups"),
            version="1.0.0",
            openapi_version="3.0.3",
            info={
                "description": gettext(
                    "Outcomes of the review and title certificates, for everybody who knows name "
                    "and number. Document numbers go in the body only; answers are masked."
                )
            },
            servers=[{"url": config.PUBLIC_URL}],
            plugins=[MarshmallowPlugin(schema_name_resolver=resolver)],
        )
        self.add_api_spec(document)
        answer = jsonify(document.to_dict())
        answer.headers["Cache-Control"] = "public, max-age=300"
        return answer


def _read_person() -> dict[str, str]:
    """The checked body; BadRequestError for anything but the JSON object that is asked for."""
    request.max_content_length = LARGEST_BODY
    if request.mimetype != "application/json":
        raise BadRequestError
    try:
        # RecursionError: thousands of brackets
        read: dict[str, str] = PersonSchema().load(json.loads(request.get_data()))
    except (ValueError, RecursionError, ValidationError) as error:
        raise BadRequestError from error
    return read


def _outcome(row: OutcomeFound) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in OutcomeFound.__dataclass_fields__},
        "state": row.state.value,
        "state_label": gettext(STATE_LABELS[row.state]),
        "outcome": row.outcome.value if row.outcome else None,
    }


def _certificate(found: Verification) -> dict[str, Any]:
    row = found.certificate
    return {
        **{name: getattr(row, name) for name in PRINTED},
        "state": found.state.value,
        "person_name": mask_name(row.person_name),
        "level": int(row.level),
        "issuer": found.issuer,
        "issued_on": row.issued_at.date(),
        "revoked_on": row.revoked_at.date() if row.revoked_at else None,
    }


PRINTED = (
    "number",
    "identity_mask",
    "unit_name",
    "series_name",
    "specialty_name",
    "title_name",
    "committee_name",
    "plan_year",
    "effective_on",
    "content_hash",
)
"""What is answered as it stands in the certificate."""


def _answer(content: Any) -> Response:
    answer = jsonify(content)
    answer.headers["Cache-Control"] = "no-store"
    return answer
