"""The look-ups for programs: what they answer, what they refuse, and their description."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.extensions import db
from app.models import TitleCertificate
from app.services import certificates
from app.services.lookups import mask_name
from tests.conftest import at
from tests.services import review_factory as make

OPENAPI_SCHEMA = json.loads((Path(__file__).parent / "openapi-3.0.schema.json").read_text("utf-8"))
LOOK_UPS = ("/api/v1/public/outcome", "/api/v1/public/certificates")
IMPOSSIBLE = "520102199202149471"
POSSIBLE = "520102199202149470"


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    """The description of the look-ups."""
    answer = client.get("/api/v1/public/_openapi")
    assert answer.status_code == 200
    return dict(answer.get_json())


def check_answer(document: dict[str, Any], path: str, method: str, answer: Any) -> None:
    """The answer is what the description promises for its status."""
    responses = document["paths"][path][method]["responses"]
    promised = responses[str(answer.status_code)]
    if "$ref" in promised:
        promised = document["components"]["responses"][promised["$ref"].rsplit("/", 1)[-1]]
    schema = promised["content"]["application/json"]["schema"]
    # `nullable` of OpenAPI 3.0 said in JSON Schema
    whole = json.loads(
        json.dumps({**schema, "components": document["components"]}), object_hook=_nullable
    )
    jsonschema.validate(answer.get_json(), whole, format_checker=jsonschema.FormatChecker())


def _nullable(found: dict[str, Any]) -> dict[str, Any]:
    if found.pop("nullable", False):
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
        found["type"] = [found["type"], "null"]
    return found


class TestDescription:
    """The OpenAPI documents."""

    def test_document_is_valid_openapi_3(self, document: dict[str, Any]) -> None:
        jsonschema.Draft4Validator(OPENAPI_SCHEMA).validate(document)

    def test_document_holds_every_look_up_and_nothing_else(self, document: dict[str, Any]) -> None:
        assert {(path, method) for path, item in document["paths"].items() for method in item} == {
            ("/api/v1/public/outcome", "post"),
            ("/api/v1/public/certificates", "post"),
            ("/api/v1/public/certificates/{number}", "get"),
            ("/api/v1/public/_openapi", "get"),
        }

    def test_every_reference_leads_somewhere(self, document: dict[str, Any]) -> None:
        def references(node: Any) -> list[str]:
            if isinstance(node, dict):
                own = [node["$ref"]] if "$ref" in node else []
                return own + [x for value in node.values() for x in references(value)]
            return [x for v in node for x in references(v)] if isinstance(node, list) else []

        found = set(references(document))
        assert found
        for reference in found:
            node: Any = document
            for part in reference.removeprefix("#/").split("/"):
                node = node[part]

    def test_number_stands_in_no_address_or_query(self, document: dict[str, Any]) -> None:
        for item in document["paths"].values():
            for operation in item.values():
                names = [p["name"] for p in operation.get("parameters", [])]
                assert "identity_number" not in names
                assert "name" not in names

    def test_description_may_be_kept(self, client: FlaskClient) -> None:
        answer = client.get("/api/v1/public/_openapi")
        assert answer.headers["Cache-Control"] == "public, max-age=300"
        assert "Set-Cookie" not in answer.headers

    def test_full_description_asks_for_an_account(self, client: FlaskClient) -> None:
        answer = client.get("/api/v1/_openapi")
        assert answer.status_code == 401
        assert answer.get_json()["code"] == "http_401"

    @pytest.mark.parametrize("login", ["province", "王敏", "nmdesign"])
    def test_full_description_for_every_account(
        self, sign_in: Callable[[str], FlaskClient], login: str
    ) -> None:
        client = sign_in(login)
        answer = client.get("/api/v1/_openapi")
        assert answer.status_code == 200
        assert "/api/v1/public/outcome" in answer.get_json()["paths"]
        jsonschema.Draft4Validator(OPENAPI_SCHEMA).validate(answer.get_json())
        assert client.get("/api/v9/_openapi").status_code == 404


class TestAnswers:
    """What is found."""

    def test_outcome_of_a_person(
        self, client: FlaskClient, certificate: TitleCertificate, document: dict[str, Any]
    ) -> None:
        person = certificate.application.person  # type: ignore[union-attr]
        body = {"name": person.name, "identity_number": person.identity_number}
        answer = client.post("/api/v1/public/outcome", json=body)
        assert answer.status_code == 200
        found = answer.get_json()["outcomes"]
        assert [
            (row["state"], row["outcome"], row["decided_on"], row["certificate_number"])
            for row in found
        ] == [("certified", "passed", "2022-11-20", certificate.number)]
        assert answer.get_json()["checked_at"] == "2022-12-05T10:00:00+08:00"
        assert answer.headers["Cache-Control"] == "no-store"
        assert person.identity_number not in answer.get_data(as_text=True)
        check_answer(document, "/api/v1/public/outcome", "post", answer)

    def test_certificates_of_a_person_are_masked(
        self, client: FlaskClient, certificate: TitleCertificate, document: dict[str, Any]
    ) -> None:
        person = certificate.application.person  # type: ignore[union-attr]
        body = {"name": person.name, "identity_number": person.identity_number}
        answer = client.post("/api/v1/public/certificates", json=body)
        row = answer.get_json()["certificates"][0]
        assert (row["number"], row["state"], row["person_name"]) == (
            certificate.number,
            "valid",
            "周*",
        )
        assert row["identity_mask"] == person.identity_mask
        assert person.name not in json.dumps(answer.get_json(), ensure_ascii=False)
        check_answer(document, "/api/v1/public/certificates", "post", answer)

    def test_certificate_by_number(
        self, client: FlaskClient, certificate: TitleCertificate, document: dict[str, Any]
    ) -> None:
        answer = client.get(f"/api/v1/public/certificates/{certificate.number}")
        assert answer.get_json()["certificate"]["state"] == "valid"
        certificates.revoke_certificate(
            certificate.id,
            "业绩造假",
            actor=make.account_actor("guiyang"),
            now=at("2022-12-06T09:00"),
        )
        db.session.commit()
        answer = client.get(f"/api/v1/public/certificates/{certificate.number}")
        found = answer.get_json()["certificate"]
        assert (found["state"], found["revoked_on"]) == ("revoked", "2022-12-06")
        assert "业绩造假" not in json.dumps(found, ensure_ascii=False)
        check_answer(document, "/api/v1/public/certificates/{number}", "get", answer)

    def test_nobody_is_an_empty_list(self, client: FlaskClient, document: dict[str, Any]) -> None:
        body = {"name": "查无此人", "identity_number": POSSIBLE}
        for path, key in zip(LOOK_UPS, ("outcomes", "certificates"), strict=True):
            answer = client.post(path, json=body)
            assert (answer.status_code, answer.get_json()[key]) == (200, [])
            check_answer(document, path, "post", answer)

    def test_unknown_certificate_is_not_found(
        self, client: FlaskClient, document: dict[str, Any]
    ) -> None:
        answer = client.get("/api/v1/public/certificates/5220223000000001")
        assert (answer.status_code, answer.get_json()["code"]) == (404, "certificate_not_found")
        check_answer(document, "/api/v1/public/certificates/{number}", "get", answer)

    @pytest.mark.parametrize(
        ("name", "shown"),
        [("", "*"), ("王", "*"), ("王敏", "王*"), ("欧阳建国", "欧**国"), ("𮧵某", "𮧵*")],
    )
    def test_name_is_masked(self, name: str, shown: str) -> None:
        assert mask_name(name) == shown


class TestRefusals:
    """What is not a request: 4xx, JSON, a sentence."""

    @pytest.mark.parametrize("path", LOOK_UPS)
    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"{", 400),
            (b"null", 400),
            (b"[]", 400),
            (b'"x"', 400),
            (b"{}", 400),
            (b"\xff\xfe", 400),
            (b"[" * 4000, 400),
            (b'{"name": "\xe5\x91\xa8"}', 400),
            (b'{"name": 1, "identity_number": 2}', 400),
            (b'{"name": null, "identity_number": null}', 400),
            (b'{"name": "", "identity_number": "520102199202149470"}', 400),
            (b'{"name": "x", "identity_number": "520102199202149470", "year": 2022}', 400),
            (b'{"name": "x", "identity_number": "5"}', 400),
            (b'{"name": " ", "identity_number": "520102199202149470"}', 422),
            (b'{"name": "x", "identity_number": "520102199202149471"}', 422),
            (b'{"name": "\\u0000", "identity_number": "520102199202149470"}', 422),
            (b'{"name": "\\ud800", "identity_number": "520102199202149470"}', 422),
            (b'{"name": "x", "identity_number": "\\u0000\\u0000\\u0000\\u0000\\u0000"}', 422),
            (b'{"name": "x", "identity_number": "<script>alert"}', 422),
            (b'{"name": "' + b"x" * 5000 + b'", "identity_number": "1"}', 413),
        ],
    )
    def test_bad_body(
        self,
        client: FlaskClient,
        document: dict[str, Any],
        path: str,
        body: bytes,
        status: int,
    ) -> None:
        answer = client.post(path, data=body, content_type="application/json")
        assert answer.status_code == status
        check_answer(document, path, "post", answer)
        assert "520102199202149471" not in answer.get_data(as_text=True)

    @pytest.mark.parametrize("path", LOOK_UPS)
    def test_form_or_address_is_not_taken(self, client: FlaskClient, path: str) -> None:
        typed = {"name": "周涛", "identity_number": POSSIBLE}
        assert client.post(path, data=typed).status_code == 400
        assert client.post(path, query_string=typed).status_code == 400
        assert client.get(path, query_string=typed).status_code in {404, 405}

    @pytest.mark.parametrize("number", ["%00", "9" * 3000, "<script>", "%ED%A0%80", "a%2Fb"])
    def test_strange_number_is_not_found(self, client: FlaskClient, number: str) -> None:
        answer = client.get(f"/api/v1/public/certificates/{number}")
        assert answer.status_code == 404
        assert answer.mimetype == "application/json"

    def test_messages_come_in_chinese_where_the_catalogue_is(self, app: Flask) -> None:
        assert app.config["BABEL_DEFAULT_LOCALE"] == "zh"
        answer = app.test_client().post("/api/v1/public/outcome?_l_=en", json={})
        assert answer.get_json()["message"].startswith("Send a JSON object")
