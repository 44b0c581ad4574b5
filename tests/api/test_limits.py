"""How often an address may ask, and what happens when nobody can count."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app import create_app
from app.embedded import Servers
from app.extensions import db

BODY = {"name": "查无此人", "identity_number": "520102199202149470"}
_numbers = count(1)


def make_limited_app(running: Servers, database: str, files: Path, **more: Any) -> Flask:
    """An application that counts requests, apart from those of other tests."""
    assert running.postgres is not None
    return create_app(
        **{
            "TESTING": True,
            "DATABASE_URL": running.postgres.url_of(database),
            "REDIS_URL": running.redis_url,
            "OBJECT_STORE_URL": files.as_uri(),
            "RATELIMIT_ENABLED": True,
            "RATELIMIT_KEY_PREFIX": f"test-{next(_numbers)}",
            "LOOKUP_RATE_LIMIT": "3 per minute; 100 per day",
            "PAGE_RATE_LIMIT": "5 per minute",
            "SERVER_NAME": "localhost",
            **more,
        }
    )


@pytest.fixture
def limited(running: Servers, template: str, tmp_path: Path) -> Iterator[Flask]:
    """An application with small limits."""
    app = make_limited_app(running, template, tmp_path)
    yield app
    close(app)


@pytest.fixture
def without_redis(running: Servers, template: str, tmp_path: Path) -> Iterator[Flask]:
    """An application whose Redis is away."""
    gone = f"unix://{tmp_path}/nothing.sock"
    app = make_limited_app(running, template, tmp_path, REDIS_URL=gone)
    yield app
    close(app)


def close(app: Flask) -> None:
    """Leave the template database to the tests that clone it."""
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def test_look_ups_are_limited_per_address(limited: Flask) -> None:
    client = limited.test_client()
    statuses = [client.post("/api/v1/public/outcome", json=BODY).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    answer = client.post("/api/v1/public/certificates", json=BODY)
    assert (answer.status_code, answer.get_json()["code"]) == (429, "too_many_requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 61
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    other = client.post("/api/v1/public/outcome", json=BODY, environ_overrides=elsewhere)
    assert other.status_code == 200


def test_form_and_api_share_one_count(limited: Flask) -> None:
    client = limited.test_client()
    for _ in range(3):
        assert client.post("/public/results/own", data=BODY).status_code == 200
    answer = client.post("/public/verify/own", data=BODY)
    assert answer.status_code == 429
    assert "查无此人" in answer.get_data(as_text=True)
    assert client.post("/api/v1/public/outcome", json=BODY).status_code == 429


def test_addresses_of_one_ipv6_line_count_together(limited: Flask) -> None:
    client = limited.test_client()
    statuses = [
        client.post(
            "/api/v1/public/outcome",
            json=BODY,
            environ_overrides={"REMOTE_ADDR": f"2001:db8::{number:x}"},
        ).status_code
        for number in range(4)
    ]
    assert statuses == [200, 200, 200, 429]


def test_open_pages_are_limited_too(limited: Flask) -> None:
    client = limited.test_client()
    statuses = [client.get("/public/guide").status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/public/", "/public/calls", "/public/verify/1"])
def test_open_pages_stay_open_without_redis(without_redis: Flask, path: str) -> None:
    assert without_redis.test_client().get(path).status_code == 200


def test_look_ups_close_without_redis(without_redis: Flask) -> None:
    client = without_redis.test_client()
    answer = client.post("/api/v1/public/outcome", json=BODY)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "lookups_closed")
    assert client.get("/api/v1/public/certificates/1").status_code == 503
    page = client.post("/public/results/own", data=BODY)
    assert page.status_code == 503
    assert "查无此人" in page.get_data(as_text=True)
