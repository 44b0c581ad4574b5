"""Headers that depend on the request: TLS by a trusted proxy, caches, whose address counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.embedded import Servers
from app.extensions import db
from tests.api.test_limits import BODY, make_limited_app
from tests.conftest import PASSWORD

PROXY = {"REMOTE_ADDR": "10.0.0.5"}
STRANGER = {"REMOTE_ADDR": "203.0.113.9"}


@pytest.fixture
def behind_proxy(running: Servers, template: str, tmp_path: Path) -> Iterator[Flask]:
    """An application behind the proxy 10.0.0.5."""
    app = make_limited_app(
        running,
        template,
        tmp_path,
        TRUSTED_PROXIES=["10.0.0.5/32"],
        SERVER_NAME=None,
        AUTH_RATE_LIMIT="3 per minute",
    )
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize(
    ("peer", "said", "has_hsts"),
    [(PROXY, "https", True), (PROXY, "http", False), (STRANGER, "https", False)],
)
def test_hsts_is_sent_over_tls_alone(
    behind_proxy: Flask, peer: dict[str, str], said: str, has_hsts: bool
) -> None:
    answer = behind_proxy.test_client().get(
        "/public/", headers={"X-Forwarded-Proto": said}, environ_overrides=peer
    )
    assert ("Strict-Transport-Security" in answer.headers) is has_hsts


def test_a_forged_address_buys_no_further_look_ups(behind_proxy: Flask) -> None:
    client = behind_proxy.test_client()
    statuses = [
        client.post(
            "/api/v1/public/outcome",
            json=BODY,
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
            environ_overrides=STRANGER,
        ).status_code
        for number in range(4)
    ]
    assert statuses == [200, 200, 200, 429]


def test_behind_the_proxy_each_visitor_counts_alone_by_what_the_proxy_saw(
    behind_proxy: Flask,
) -> None:
    """The proxy appends the address it saw; what the visitor claimed before it does not count."""
    client = behind_proxy.test_client()

    def ask(forwarded: str) -> int:
        return client.post(
            "/api/v1/public/outcome",
            json=BODY,
            headers={"X-Forwarded-For": forwarded},
            environ_overrides=PROXY,
        ).status_code

    assert [ask(f"198.51.100.{n}, 203.0.113.50") for n in range(4)] == [200, 200, 200, 429]
    assert ask("203.0.113.51") == 200


def test_a_forged_address_buys_no_further_sign_ins(behind_proxy: Flask) -> None:
    client = behind_proxy.test_client()
    statuses = [
        client.post(
            "/login/",
            data={"login": f"nobody{number}", "password": PASSWORD},
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
            environ_overrides=STRANGER,
        ).status_code
        for number in range(4)
    ]
    assert statuses == [401, 401, 401, 429]


def test_failures_and_files_of_the_signed_in_are_kept_by_no_cache(
    sign_in: Callable[[str], FlaskClient], client: FlaskClient
) -> None:
    signed_in = sign_in("province")
    for path in ("/nothing-here", "/units/show/999999999", "/lookup/unit?q=贵", "/api/v1/_openapi"):
        assert signed_in.get(path).headers["Cache-Control"] == "no-store", path
    with signed_in.get("/static/css/portal.css") as style:
        assert style.headers["Cache-Control"] != "no-store"
    own = client.post("/public/results/own", data=BODY)
    assert "no-store" in own.headers["Cache-Control"]
    assert client.get("/nothing-here").headers["Cache-Control"] == "no-store"
    assert "public" in client.get("/public/").headers["Cache-Control"]


@pytest.mark.parametrize(
    ("query", "stays"),
    [
        ("q=520103199101151885", ""),
        ("a=1&q=520103199101151885&b=2", "?a=1&b=2"),
        ("next=/x/13900000188&a=1", "?a=1"),
        ("13900000188=1", ""),
        ("q=520103199101151886&a=1", None),  # the check character is wrong
        ("q=2022000000000123&a=91520102MA6DJ5EC3H", None),
    ],
)
def test_numbers_of_persons_are_taken_out_of_an_address(
    sign_in: Callable[[str], FlaskClient], query: str, stays: str | None
) -> None:
    answer = sign_in("province").get(f"/notifications/?{query}")
    if stays is None:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.headers["Location"]) == (302, f"/notifications/{stays}")


def test_a_document_number_is_no_certificate_number(client: FlaskClient) -> None:
    answer = client.get("/public/verify?number=520103199101151885")
    assert answer.headers["Location"] == "/public/verify/own"
    for path, instead in (("verify", "/public/verify/own"), ("receipt", "/public/receipt")):
        answer = client.get(f"/public/{path}/520103199101151885")
        assert (answer.status_code, answer.headers["Location"]) == (302, instead)
